//! Random short histories with crashes at any moment, against a plain list of what was appended.

mod check;

use super::super::engine::INDEX_NAME;
use super::super::forks::OF_EPOCH_MAX;
use super::super::{
    BatchDone, CheckpointDone, Direction, Fault, Follows, NewEpoch, Place, Replay, ReplayOrder,
    Rewrite, RewriteDone, Tip,
};
use super::*;
use crate::base::Rng;
use crate::store::Checkpoint;
use crate::update::{Cid, Seal, Span, Vector};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// One update of the log's line of descent.
#[derive(Clone)]
struct Said {
    update: Update,
    /// It was visible, or is on disk: the log must never say anything else under its dot.
    exposed: bool,
    /// Its commit finished: it must be there for ever.
    durable: bool,
    /// It was taken back. It may be there after a crash, as whoever waited was told "failed",
    /// not "never".
    refused: bool,
    loss: Loss,
}

/// What of an update is there no more, and whether that is on disk.
#[derive(Clone, Copy)]
struct Loss {
    of: Lost,
    for_good: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lost {
    Nothing,
    Payload,
    All,
}

impl Said {
    /// What is read of it.
    fn as_stands(&self) -> Update {
        if self.loss.of == Lost::Payload { self.update.erase() } else { self.update.clone() }
    }
}

enum Job<Todo, Done> {
    Todo(Todo),
    Done(Done),
}

/// Dots that were passed by.
struct PassedBy {
    span: Span,
    durable: bool,
}

/// A store, what it should hold, and a history in the making.
struct History {
    rng: Rng,
    sim: SimDisk,
    store: Store,
    said: Vec<Said>,
    /// By salt, all that another origin has said.
    origins: BTreeMap<u64, Vec<Update>>,
    passed: Vec<PassedBy>,
    /// Updates kept as exhibits, and whether they must be there for ever.
    exhibits: Vec<(Update, bool)>,
    /// Dots that were seen outside, of whatever life: never to be used for anything else.
    exposed: BTreeMap<Dot, Cid>,
    batch: Option<Job<Batch, BatchDone>>,
    checkpoint: Option<Job<Checkpoint, CheckpointDone>>,
    rewrite: Option<Job<Rewrite, RewriteDone>>,
    /// Whether updates are ever dropped: then what follows from them is not looked at.
    drops: bool,
    stopped: bool,
    opens: u64,
    clock: u64,
}

#[derive(Default)]
struct Tally {
    crashes: u64,
    cuts: u64,
    new_epochs: u64,
    failures: u64,
    checkpoints: u64,
    rebuilt: u64,
    failed_opens: u64,
    replayed: u64,
    erased: u64,
    dropped: u64,
    rewrites: u64,
    removed: u64,
}

impl History {
    fn new(seed: u64) -> Self {
        let sim = SimDisk::new(seed);
        let (store, ..) = open(&sim, 1).unwrap();
        Self {
            rng: Rng::new(seed),
            sim,
            store,
            said: Vec::new(),
            origins: BTreeMap::new(),
            passed: Vec::new(),
            exhibits: Vec::new(),
            exposed: BTreeMap::new(),
            batch: None,
            checkpoint: None,
            rewrite: None,
            drops: seed.is_multiple_of(3),
            stopped: false,
            opens: 1,
            clock: 0,
        }
    }

    fn step(&mut self, tally: &mut Tally) {
        match self.rng.below(26) {
            0 | 1 => self.append_own(Apply::OnCommit),
            2 | 3 => self.append_own(Apply::InTurn),
            4 | 5 if self.store.may_send_early() => self.append_own(Apply::Now),
            4 => self.store.mark_early(),
            5..=9 => self.append_relayed(),
            10..=14 => self.drive_batch(tally),
            15 | 16 => self.drive_checkpoint(tally),
            17 if self.rng.chance(1, 4) => {
                let fault = [Fault::Full, Fault::Write, Fault::Sync][self.rng.below(3) as usize];
                self.sim.fail_writes(fault);
            }
            17 | 18 => self.sim.heal(),
            19 => self.pass(),
            // One keeps its segment for ever.
            20 if !self.drops => self.append_exhibit(),
            21 => self.erase(tally),
            22 if self.drops => self.retire(tally),
            22..=24 => {
                // A segment is removed only after a summary, a checkpoint and a batch or two.
                for _ in 0..if self.drops { 4 } else { 0 } {
                    self.drive_batch(tally);
                    self.drive_checkpoint(tally);
                    self.drive_rewrite(tally);
                }
                self.drive_rewrite(tally);
            }
            _ => self.check(),
        }
    }

    fn text(&mut self) -> String {
        let length = if self.rng.chance(1, 30) { 3000 } else { self.rng.below(200) };
        "x".repeat(length as usize)
    }

    fn append_own(&mut self, apply: Apply) {
        let dot = self.store.next_dot();
        assert!(!self.exposed.contains_key(&dot), "{dot} is used again");
        let text = self.text();
        let update = self.update(dot, self.store.previous(), &text);
        self.append(update, apply);
        if self.rng.chance(1, 3) {
            self.store.seal(&key());
        }
    }

    fn update(&mut self, dot: Dot, previous: Cid, text: &str) -> Update {
        self.clock += 1;
        following(dot, previous, self.clock, text)
    }

    /// What another origin says under a number: the same whenever it is asked.
    fn said_by(&mut self, salt: u64, seq: u64) -> Update {
        let epoch = Birth::of(&other_key().public(), salt).epoch;
        loop {
            let chain = self.origins.entry(salt).or_default();
            if let Some(update) = chain.get(seq as usize - 1) {
                return update.clone();
            }
            let (next, previous) = (chain.len() as u64 + 1, chain.last().map(Update::cid));
            let text = self.text();
            let previous = previous.unwrap_or(Cid::ZERO);
            let update = self.update(Dot { epoch, seq: next }, previous, &text);
            self.origins.entry(salt).or_default().push(update);
        }
    }

    /// A few updates of another origin, under one seal. Some of them may come later, or never.
    fn append_relayed(&mut self) {
        let salt = self.rng.range(1..=3);
        let epoch = Birth::of(&other_key().public(), salt).epoch;
        let tip = self.store.tip(epoch);
        let from = tip.map_or(0, |tip| tip.seq) + 1;
        let to = from + self.rng.below(3);
        let updates: Vec<Update> = (from..=to).map(|seq| self.said_by(salt, seq)).collect();
        let cids = updates.iter().map(Update::cid).collect();
        let seal = Seal::sign(&other_key(), salt, from, cids);
        self.store.append_seal(&seal).unwrap();
        let is_blind = tip.is_some_and(|tip| tip.cid.is_none());
        let expected = if is_blind { Follows::Blind } else { Follows::Next };
        assert_eq!(self.store.follows(&updates[0]), expected);
        for update in updates {
            self.append(update.clone(), Apply::Now);
            assert_eq!(self.store.follows(&update), Follows::Known);
            if self.rng.chance(1, 4) {
                break;
            }
        }
    }

    fn append(&mut self, update: Update, apply: Apply) {
        self.store.append(&update, apply);
        let exposed = apply == Apply::Now;
        if exposed {
            derive(&mut self.store, &update);
            self.exposed.insert(update.dot(), update.cid());
        }
        self.said.push(Said {
            update,
            exposed,
            durable: false,
            refused: false,
            loss: Loss { of: Lost::Nothing, for_good: false },
        });
    }

    /// Erases some payloads, wherever they are.
    fn erase(&mut self, tally: &mut Tally) {
        let mut dots = Vec::new();
        for _ in 0..self.rng.range(1..=3) {
            if self.said.is_empty() {
                return;
            }
            let at = self.rng.below(self.said.len() as u64) as usize;
            let said = &mut self.said[at];
            if !said.refused && said.loss.of == Lost::Nothing {
                said.loss = Loss { of: Lost::Payload, for_good: false };
                dots.push(said.update.dot());
                tally.erased += 1;
            }
        }
        self.store.erase(&dots).unwrap();
        for exhibit in self.exhibits.iter_mut().filter(|(update, _)| dots.contains(&update.dot())) {
            exhibit.0 = exhibit.0.erase();
        }
    }

    /// Drops a part of what is on disk of some origin.
    fn retire(&mut self, tally: &mut Tally) {
        let spans: Vec<Span> = self.store.held().spans().collect();
        if spans.is_empty() {
            return;
        }
        let mut dots = Vector::new();
        if self.rng.chance(1, 2) {
            for span in &spans {
                dots.insert_span(*span);
            }
        } else {
            let Span { epoch, to, .. } = spans[self.rng.below(spans.len() as u64) as usize];
            let from = if self.rng.chance(1, 2) { 1 } else { self.rng.range(1..=to) };
            dots.insert_span(Span { epoch, from, to: self.rng.range(from..=to) });
        }
        self.store.retire(&dots).unwrap();
        for said in self.said.iter_mut().filter(|said| !said.refused) {
            if !dots.contains(said.update.dot()) {
                continue;
            }
            let dot = said.update.dot();
            assert_eq!(self.store.gone().contains(dot), said.durable && self.store.is_sealed(dot));
            if said.loss.of < Lost::All && self.store.gone().contains(dot) {
                said.loss = Loss { of: Lost::All, for_good: false };
                tally.dropped += 1;
            }
        }
    }

    fn drive_rewrite(&mut self, tally: &mut Tally) {
        let first = self.store.log_start();
        self.rewrite = match self.rewrite.take() {
            None => self.store.take_rewrite().unwrap_or(None).map(Job::Todo),
            Some(Job::Todo(rewrite)) if self.rng.chance(1, 50) => {
                drop(rewrite);
                None
            }
            Some(Job::Todo(rewrite)) => Some(Job::Done(rewrite.run())),
            Some(Job::Done(done)) => {
                if self.store.finish_rewrite(done).is_ok() {
                    tally.rewrites += 1;
                }
                None
            }
        };
        tally.removed += u64::from(self.store.log_start() > first);
    }

    /// Passes by what is next of an origin.
    fn pass(&mut self) {
        let epoch = Birth::of(&other_key().public(), self.rng.range(1..=3)).epoch;
        let to = self.store.seen().last(epoch) + self.rng.range(1..=3);
        let mut dots = Vector::new();
        // What is had stays what it is.
        dots.insert_span(Span { epoch, from: 1, to });
        let from = self.store.seen().last(epoch) + 1;
        self.store.pass(&dots);
        assert_eq!(self.store.tip(epoch), Some(Tip { seq: to, cid: None }));
        assert_eq!(self.store.low(epoch), to + 1);
        self.passed.push(PassedBy { span: Span { epoch, from, to }, durable: false });
    }

    /// Something else under a dot that is taken.
    fn append_exhibit(&mut self) {
        let salt = self.rng.range(1..=3);
        let epoch = Birth::of(&other_key().public(), salt).epoch;
        let last = self.store.seen().last(epoch);
        let dot = Dot { epoch, seq: self.rng.range(1..=last.max(1)) };
        let is_lost = |said: &Said| said.update.dot() == dot && said.loss.of > Lost::Nothing;
        if self.said.iter().any(is_lost) {
            return;
        }
        let other = self.update(dot, Cid([8; 32]), "something else");
        let seal = Seal::sign(&other_key(), salt, dot.seq, vec![other.cid()]);
        let count = self.exhibits.iter().filter(|(old, _)| old.dot().epoch == epoch).count();
        assert_eq!(self.store.append_exhibit(&other, &seal), count < OF_EPOCH_MAX);
        assert!(!self.store.append_exhibit(&other, &seal), "it is kept, or enough are");
        assert!(self.store.forked(epoch));
        if count < OF_EPOCH_MAX {
            self.exhibits.push((other, false));
        }
    }

    /// Takes a batch, runs the one that was taken, or brings the one that ran: one of them.
    fn drive_batch(&mut self, tally: &mut Tally) {
        self.batch = match self.batch.take() {
            None => batch(&mut self.store).map(Job::Todo),
            Some(Job::Todo(batch)) if self.rng.chance(1, 50) => {
                drop(batch);
                None
            }
            Some(Job::Todo(batch)) => Some(Job::Done(batch.run())),
            Some(Job::Done(done)) => {
                self.finish(done, tally);
                None
            }
        };
    }

    fn finish(&mut self, done: BatchDone, tally: &mut Tally) {
        match self.store.finish(done) {
            Ok(committed) => {
                for update in &committed.updates {
                    derive(&mut self.store, update);
                    self.exposed.insert(update.dot(), update.cid());
                }
                let held = self.store.held().clone();
                for passed in &mut self.passed {
                    let Span { epoch, to, .. } = passed.span;
                    passed.durable = held.contains(Dot { epoch, seq: to });
                }
                // They stand in the log: what is on disk behind them says that they are, too.
                let durable_end = self.store.durable_end();
                if durable_end == self.store.log_end() {
                    self.exhibits.iter_mut().for_each(|(_, durable)| *durable = true);
                    self.said.iter_mut().for_each(|said| said.loss.for_good = true);
                }
                for said in self.said.iter_mut().filter(|said| !said.refused) {
                    said.durable = held.contains(said.update.dot());
                    said.exposed |= self.exposed.contains_key(&said.update.dot());
                }
            }
            Err(failed) => {
                tally.failures += 1;
                let refused: BTreeSet<Cid> = failed.refused.iter().map(Update::cid).collect();
                for said in &mut self.said {
                    if refused.contains(&said.update.cid()) {
                        assert!(!said.exposed, "what was seen is never refused");
                        said.refused = true;
                    }
                }
                let waiting = self.said.iter().filter(|said| !said.durable && !said.refused);
                let waiting: Vec<Cid> = waiting.map(|said| said.update.cid()).collect();
                let kept: Vec<Cid> = failed.kept.iter().map(Update::cid).collect();
                assert_eq!(kept, waiting);
            }
        }
    }

    fn drive_checkpoint(&mut self, tally: &mut Tally) {
        self.checkpoint = match self.checkpoint.take() {
            None => self.store.take_checkpoint().map(Job::Todo),
            Some(Job::Todo(checkpoint)) if self.rng.chance(1, 50) => {
                drop(checkpoint);
                None
            }
            Some(Job::Todo(checkpoint)) => Some(Job::Done(checkpoint.run())),
            Some(Job::Done(done)) => {
                if self.store.finish_checkpoint(done).is_ok() {
                    tally.checkpoints += 1;
                }
                None
            }
        };
    }

    /// What can be seen now, in log order.
    fn visible(&self) -> Vec<Update> {
        let is_there = |said: &&Said| said.exposed && !said.refused && said.loss.of < Lost::All;
        self.said.iter().filter(is_there).map(Said::as_stands).collect()
    }

    /// Ends this life somehow, and begins the next.
    fn reopen(mut self, tally: &mut Tally) -> Self {
        let mut closed = false;
        let mut image = match self.rng.below(4) {
            0 => self.sim.kill(),
            1 if !self.stopped => {
                self.sim.heal();
                closed = true;
                self.close(tally)
            }
            _ => {
                tally.crashes += 1;
                self.sim.crash(&mut self.rng)
            }
        };
        if self.rng.chance(1, 10) {
            // Nothing but time is lost with the index.
            let _ = image.remove(INDEX_NAME);
        }
        let opens = self.opens;
        let reopened = loop {
            self.opens += 1;
            if self.rng.chance(1, 5) {
                image.stop_after(self.rng.below(12));
            }
            match open_deriving(&image, self.opens) {
                Ok(opened) => break opened,
                Err(StoreError::Io { .. } | StoreError::Index(_)) if image.is_stopped() => {
                    tally.failed_opens += 1;
                    image = image.crash(&mut self.rng);
                }
                Err(error) => panic!("{error}"),
            }
        };
        let (store, report, replayed) = reopened;
        if closed && self.opens == opens + 1 {
            assert_eq!((report.cut, report.new_epoch_because), (None, None));
        }
        let because = report.new_epoch_because;
        assert_ne!(because, Some(NewEpoch::IndexAhead), "the index follows the log");
        tally.cuts += u64::from(report.cut.is_some());
        tally.new_epochs += u64::from(report.new_epoch_because.is_some());
        tally.rebuilt += u64::from(report.index_rebuilt);
        tally.replayed += replayed;
        let stopped = image.is_stopped();
        if !stopped {
            image.stop_after(u64::MAX);
        }
        let mut next = Self {
            store,
            sim: image,
            batch: None,
            checkpoint: None,
            rewrite: None,
            stopped,
            ..self
        };
        next.adopt();
        next
    }

    fn close(&mut self, tally: &mut Tally) -> SimDisk {
        while self.batch.is_some() {
            self.drive_batch(tally);
        }
        while self.checkpoint.is_some() {
            self.drive_checkpoint(tally);
        }
        // Close does not say what it committed: commit before it.
        while self.rewrite.is_some() {
            self.drive_rewrite(tally);
        }
        while let Some(batch) = batch(&mut self.store) {
            self.finish(batch.run(), tally);
        }
        let (fresh, _) = Store::open(disk(&SimDisk::new(1)), options(1)).unwrap();
        std::mem::replace(&mut self.store, fresh).close().unwrap();
        // What was closed well survives any crash.
        self.sim.crash(&mut self.rng)
    }
}

fn open_deriving(sim: &SimDisk, epoch: u64) -> Result<(Store, OpenReport, u64), StoreError> {
    let (mut store, report) = Store::open(disk(sim), options(epoch))?;
    let mut count = 0;
    loop {
        let updates = store.replay(2)?;
        if updates.is_empty() {
            return Ok((store, report, count));
        }
        count += updates.len() as u64;
        for update in &updates {
            derive(&mut store, update);
        }
    }
}

fn other_key() -> SigningKey {
    SigningKey::from_seed([2; 32])
}

fn vector<'a>(
    updates: impl IntoIterator<Item = &'a Update>,
    passed: impl IntoIterator<Item = &'a PassedBy>,
) -> Vector {
    let mut vector = Vector::new();
    passed.into_iter().for_each(|passed| vector.insert_span(passed.span));
    for update in updates {
        assert!(vector.insert(update.dot()));
    }
    vector
}

/// The rows that an update changes. Applying one twice, or never, shows in the counter and in the
/// row that comes and goes; the order does not matter.
fn derive(store: &mut Store, update: &Update) {
    let Dot { epoch, seq } = update.dot();
    let counter = vec![b'n', epoch.0 as u8];
    let count = store.index().get(&counter).unwrap().map_or(0, |value| value[0]);
    store.index_mut().put(counter, vec![count.wrapping_add(1)]);
    store.index_mut().put(vec![b'd', epoch.0 as u8, seq as u8], update.cid().0.to_vec());
    let flips = vec![b'f', (seq % 5) as u8];
    if store.index().get(&flips).unwrap().is_some() {
        store.index_mut().delete(&flips);
    } else {
        store.index_mut().put(flips, Vec::new());
    }
}

fn derived(updates: &[Update]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut rows = BTreeMap::new();
    for update in updates {
        let Dot { epoch, seq } = update.dot();
        let count = rows.entry(vec![b'n', epoch.0 as u8]).or_insert_with(|| vec![0_u8]);
        count[0] = count[0].wrapping_add(1);
        rows.insert(vec![b'd', epoch.0 as u8, seq as u8], update.cid().0.to_vec());
        let flips = vec![b'f', (seq % 5) as u8];
        if rows.remove(&flips).is_none() {
            rows.insert(flips, Vec::new());
        }
    }
    rows
}

fn run(seed: u64, tally: &mut Tally) {
    let mut history = History::new(seed);
    let lives = history.rng.range(2..=4);
    for _ in 0..lives {
        if !history.stopped && history.rng.chance(1, 3) {
            let calls = history.rng.below(40);
            history.sim.stop_after(calls);
            history.stopped = true;
        }
        let most = if history.drops { 120 } else { 40 };
        for _ in 0..history.rng.range(5..=most) {
            history.step(tally);
        }
        history.check();
        history = history.reopen(tally);
    }
}

/// The seeds to run: `BELLWETHER_SEEDS=17` or `=0..100000` in place of the usual ones.
fn seeds() -> (std::ops::Range<u64>, bool) {
    let Ok(wanted) = std::env::var("BELLWETHER_SEEDS") else { return (0..500, true) };
    let (from, to) = wanted.split_once("..").unwrap_or((&wanted, ""));
    let from = from.parse().expect("a number");
    (from..to.parse().unwrap_or(from + 1), false)
}

#[test]
fn random_histories_with_crashes_lose_nothing_and_invent_nothing() {
    let mut tally = Tally::default();
    let (seeds, usual) = seeds();
    for seed in seeds {
        let run = std::panic::AssertUnwindSafe(|| run(seed, &mut tally));
        if let Err(cause) = std::panic::catch_unwind(run) {
            eprintln!("to run it again: BELLWETHER_SEEDS={seed}");
            std::panic::resume_unwind(cause);
        }
    }
    // The histories reach what they are meant to reach.
    for (count, what) in [
        (tally.crashes, "crashes"),
        (tally.cuts, "cuts"),
        (tally.new_epochs, "new epochs"),
        (tally.failures, "failed batches"),
        (tally.checkpoints, "checkpoints"),
        (tally.failed_opens, "crashes while opening"),
        (tally.replayed, "replayed updates"),
        (tally.rebuilt, "rebuilt indexes"),
        (tally.erased, "erased payloads"),
        (tally.dropped, "dropped updates"),
        (tally.rewrites, "segments written anew"),
        (tally.removed, "segments removed"),
    ] {
        assert!(count > 20 || !usual, "{count} {what}");
    }
}
