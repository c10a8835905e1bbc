//! Random short histories with crashes at any moment, against a plain list of what was appended.

use super::super::engine::INDEX_NAME;
use super::super::{BatchDone, CheckpointDone, Direction, Fault, NewEpoch, Place, Replay};
use super::*;
use crate::base::Rng;
use crate::store::{Batch, Checkpoint};
use crate::update::{Cid, Span, Vector};
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
}

enum Job<Todo, Done> {
    Todo(Todo),
    Done(Done),
}

/// A store, what it should hold, and a history in the making.
struct History {
    rng: Rng,
    sim: SimDisk,
    store: Store,
    said: Vec<Said>,
    /// Dots that were seen outside, of whatever life: never to be used for anything else.
    exposed: BTreeMap<Dot, Cid>,
    batch: Option<Job<Batch, BatchDone>>,
    checkpoint: Option<Job<Checkpoint, CheckpointDone>>,
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
            exposed: BTreeMap::new(),
            batch: None,
            checkpoint: None,
            stopped: false,
            opens: 1,
            clock: 0,
        }
    }

    fn step(&mut self, tally: &mut Tally) {
        match self.rng.below(20) {
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
        self.append(dot, &text, apply);
    }

    fn append_relayed(&mut self) {
        let epoch = Epoch(1000 + self.rng.below(3));
        let seq = self.store.seen().last(epoch) + self.rng.range(1..=2);
        // Sometimes one that was left out before.
        let seq = if self.rng.chance(1, 3) { self.rng.range(1..=seq) } else { seq };
        let dot = Dot { epoch, seq };
        if !self.store.seen().contains(dot) {
            let text = self.text();
            self.append(dot, &text, Apply::Now);
        }
    }

    fn append(&mut self, dot: Dot, text: &str, apply: Apply) {
        self.clock += 1;
        let update = update(dot, self.clock, text);
        self.store.append(&update, apply);
        let exposed = apply == Apply::Now;
        if exposed {
            derive(&mut self.store, &update);
            self.exposed.insert(dot, update.cid());
        }
        self.said.push(Said { update, exposed, durable: false, refused: false });
    }

    /// Takes a batch, runs the one that was taken, or brings the one that ran: one of them.
    fn drive_batch(&mut self, tally: &mut Tally) {
        self.batch = match self.batch.take() {
            None => self.store.take_batch().map(Job::Todo),
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
                let held = self.store.held();
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
        let visible = self.said.iter().filter(|said| said.exposed && !said.refused);
        visible.map(|said| said.update.clone()).collect()
    }

    fn check(&mut self) {
        let visible = self.visible();
        assert_eq!(read_all(&self.store), visible);
        let waiting = self.said.iter().filter(|said| !said.refused);
        assert_eq!(self.store.seen(), &vector(waiting.map(|said| &said.update)));
        let durable = self.said.iter().filter(|said| said.durable);
        assert_eq!(self.store.held(), &vector(durable.map(|said| &said.update)));
        assert_eq!(self.store.visible(), vector(&visible));
        if !visible.is_empty() {
            let probe = &visible[self.rng.below(visible.len() as u64) as usize];
            assert_eq!(self.store.get(probe.dot()).unwrap().as_ref(), Some(probe));
            assert_eq!(self.store.by_cid(probe.cid()).unwrap().as_ref(), Some(probe));
            let from = Place(self.rng.below(self.store.log_end().0 + 1));
            // A place of whatever origin: an answer or an error, no panic.
            let _ = self.store.read_from(from);
        }
        for said in self.said.iter().filter(|said| !said.exposed && !said.refused) {
            assert_eq!(self.store.get(said.update.dot()).unwrap(), None);
            assert!(!self.store.contains(said.update.dot()));
        }
        self.check_index(&visible);
        self.check_replay(visible);
    }

    fn check_index(&mut self, visible: &[Update]) {
        let expected = derived(visible);
        let mut bound = || match self.rng.below(3) {
            0 => Bound::Unbounded,
            1 => Bound::Included(vec![b'a' + self.rng.below(20) as u8, self.rng.below(6) as u8]),
            _ => Bound::Excluded(vec![b'a' + self.rng.below(20) as u8, self.rng.below(6) as u8]),
        };
        let (from, to) = (bound(), bound());
        let from = if from == Bound::Unbounded { Bound::Included(b"a".to_vec()) } else { from };
        let limit = self.rng.below(6) as usize + 1;
        let all = |key: &Vec<u8>| {
            let after = match &from {
                Bound::Included(from) => key >= from,
                Bound::Excluded(from) => key > from,
                Bound::Unbounded => true,
            };
            let before = match &to {
                Bound::Included(to) => key <= to,
                Bound::Excluded(to) => key < to,
                Bound::Unbounded => true,
            };
            after && before
        };
        let inside = expected.iter().filter(|(key, _)| all(key));
        let inside = inside.map(|(key, value)| (key.clone(), value.clone()));
        let up: Vec<_> = inside.clone().take(limit).collect();
        let down: Vec<_> = inside.rev().take(limit).collect();
        let (from, to) = (from.as_ref().map(|key| &key[..]), to.as_ref().map(|key| &key[..]));
        let index = self.store.index();
        assert_eq!(index.scan(from, to, limit, Direction::Up).unwrap(), up);
        assert_eq!(index.scan(from, to, limit, Direction::Down).unwrap(), down);
        for (key, value) in &expected {
            assert_eq!(index.get(key).unwrap().as_ref(), Some(value));
        }
        let whole =
            index.scan(Bound::Included(b"a"), Bound::Unbounded, usize::MAX, Direction::Up).unwrap();
        assert_eq!(whole, expected.into_iter().collect::<Vec<_>>());
    }

    fn check_replay(&self, mut visible: Vec<Update>) {
        let spans: Vec<Span> = self.store.visible().spans().collect();
        let mut replay = Replay::new(spans);
        let mut got = Vec::new();
        while let Some(update) = replay.next(&self.store).unwrap() {
            got.push(update);
        }
        let mut last = BTreeMap::new();
        for update in &got {
            let seq = update.dot().seq;
            assert!(last.insert(update.dot().epoch, seq).is_none_or(|before| before < seq));
        }
        got.sort_by_key(Update::dot);
        visible.sort_by_key(Update::dot);
        assert_eq!(got, visible);
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
        let mut next = Self { store, sim: image, batch: None, checkpoint: None, stopped, ..self };
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
        while let Some(batch) = self.store.take_batch() {
            self.finish(batch.run(), tally);
        }
        let (fresh, _) = Store::open(disk(&SimDisk::new(1)), options(1)).unwrap();
        std::mem::replace(&mut self.store, fresh).close().unwrap();
        // What was closed well survives any crash.
        self.sim.crash(&mut self.rng)
    }

    /// Compares what came back with what was said, and goes on from it.
    fn adopt(&mut self) {
        let read = read_all(&self.store);
        let there: BTreeSet<Cid> = read.iter().map(Update::cid).collect();
        let mut expected = self.said.iter().filter(|said| there.contains(&said.update.cid()));
        for update in &read {
            let said = expected.next().expect("nothing is invented, nothing is twice");
            assert_eq!(&said.update, update, "the order is kept");
            let exposed = self.exposed.get(&update.dot());
            assert!(exposed.is_none_or(|cid| *cid == update.cid()), "{} has two", update.dot());
        }
        for said in self.said.iter().filter(|said| said.durable) {
            assert!(there.contains(&said.update.cid()), "{} was on disk", said.update.dot());
        }
        let mut lost = false;
        for said in self.said.iter().filter(|said| !said.refused) {
            let is_there = there.contains(&said.update.cid());
            assert!(!(lost && is_there), "what is lost is the end, not the middle");
            lost |= !is_there;
        }
        for update in &read {
            self.exposed.insert(update.dot(), update.cid());
        }
        let came_back = |update| Said { update, exposed: true, durable: true, refused: false };
        self.said = read.into_iter().map(came_back).collect();
        assert!(!self.exposed.contains_key(&self.store.next_dot()));
        let (epoch, tip) = (self.store.epoch(), self.store.tip());
        let mut own = self.said.iter().filter(|said| said.update.dot().epoch == epoch);
        assert_eq!(tip, own.next_back().map_or(Cid::ZERO, |said| said.update.cid()));
        self.check();
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

fn vector<'a>(updates: impl IntoIterator<Item = &'a Update>) -> Vector {
    let mut vector = Vector::new();
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
        for _ in 0..history.rng.range(5..=40) {
            history.step(tally);
        }
        history.check();
        history = history.reopen(tally);
    }
}

/// The seeds to run: `BELLWETHER_SEEDS=17` or `=0..100000` in place of the usual ones.
fn seeds() -> (std::ops::Range<u64>, bool) {
    let Ok(wanted) = std::env::var("BELLWETHER_SEEDS") else { return (0..1000, true) };
    let (from, to) = wanted.split_once("..").unwrap_or((&wanted, ""));
    let from = from.parse().expect("a number");
    (from..to.parse().unwrap_or(from + 1), false)
}

#[test]
fn thousands_of_histories_with_crashes_lose_nothing_and_invent_nothing() {
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
    ] {
        assert!(count > 20 || !usual, "{count} {what}");
    }
}
