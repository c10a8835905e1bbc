//! A feed: one reader's way through the log, be it a stream or a foreign server. It is a place, not
//! a queue: a reader that is slow, or a week behind, costs the same few bytes as a quick one.
//!
//! What the reader lacks from before the feed began is replayed by clock order; what came since is
//! read off the log's tail. A vector of what was given cuts whatever both would give.
//!
//! In a herd of so many origins that its cursors are sketches, the replay goes in the log's order.
//! So what a reader was given is always what stands before some place of this log: this log finds
//! it again exactly, however long the reader was away ([`Feed::go_on`]).
//!
//! Some of what the reader lacks may be in no log any more: retention dropped it, here or at a
//! peer. A feed finds out as it goes: what the replay was asked for and did not come
//! to is gone, and a jump in the tail sends it back to the replay. See [`Feed::take_gone`].

use super::trail::{Stand, Trail};
use crate::base::plant::{Bug, is_planted};
use crate::store::{Place, Replay, ReplayOrder, Store, StoreError};
use crate::update::{After, Cursor, Dot, Epoch, Hlc, Mark, Proof, Sketch, Span, Update, Vector};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// No update is shorter in the log, in bytes, with its frame: fewer than its hash, its name and the
/// hash of the one before it.
const LOGGED_BYTES_MIN: u64 = 48;

/// So many rows of the index are looked at to find out what one cursor is behind. With a thousand
/// origins that is enough for whoever missed the last million updates.
const ROWS_MAX: u64 = 8_192;

/// A way through the log: all that is old before anything new, in order within each origin, parents
/// before children.
#[derive(Debug)]
pub struct Feed {
    replay: Option<Replay>,
    /// Shared with the feeds that stand at the same place.
    stand: Rc<Stand>,
    /// The way that it goes with others.
    trail: Option<Trail>,
    /// The store's layout when the places were last known to be good.
    layout: u64,
    /// The store's layout and log's end when [`Feed::doubt`] last looked: the store knows of
    /// nothing more until either moves.
    doubted: (u64, Place),
    /// What the replay has not come to yet.
    sought: Sought,
    /// What can't be given any more, until it is taken. The reader counts as having it.
    gone: Vector,
}

impl Feed {
    /// A feed for a reader that has `has`: it gives everything else.
    pub fn after(store: &Store, has: Vector) -> Self {
        let (tail, log) = (store.visible_end(), store.epoch());
        let mut feed = Self {
            replay: None,
            stand: Rc::new(Stand { tail, has, clock: Hlc::default(), log }),
            trail: None,
            layout: store.layout(),
            doubted: (store.layout(), Place::START),
            sought: Sought::default(),
            gone: Vector::new(),
        };
        feed.replay_missing(store);
        feed
    }

    /// A feed for a reader that goes on from a cursor, of this node or another. What a sketch says
    /// is looked for in what stood in this log at its mark, is held now, and was held at its clock.
    /// What of it can't be proved, the reader is given again: a forged one costs some milliseconds.
    pub fn go_on(store: &Store, after: &After) -> Result<Self, StoreError> {
        match after {
            After::Whole(has) => Ok(Self::after(store, has.clone())),
            After::Sketched(mark, sketch) => {
                let mut rows_left = ROWS_MAX;
                let mut feed = Self::after(store, prove(store, *mark, sketch, &mut rows_left)?);
                feed.know(mark.clock);
                Ok(feed)
            }
        }
    }

    /// Says that nothing that the reader has is later than this.
    pub fn know(&mut self, clock: Hlc) {
        if self.stand.clock < clock {
            self.stand_mut().clock = clock;
        }
    }

    /// Goes with the other feeds of a trail from now on, wherever it has the same as they.
    #[must_use]
    pub fn along(mut self, trail: &Trail, store: &Store) -> Self {
        self.trail = Some(trail.clone());
        if self.is_at_end(store) {
            trail.join(store, &mut self.stand);
        }
        self
    }

    /// Where it stands, to be changed: alone from now on.
    fn stand_mut(&mut self) -> &mut Stand {
        Rc::make_mut(&mut self.stand)
    }

    /// Replays all that the reader lacks, and reads the tail from its end. False when it lacks
    /// nothing.
    fn replay_missing(&mut self, store: &Store) -> bool {
        if self.stand.has.covers(store.seen()) {
            return false;
        }
        let missing = store.visible().beyond(&self.stand.has);
        if missing.is_empty() {
            return false;
        }
        self.sought = Sought::of(&missing);
        let is_whole = Cursor::is_whole(store.seen());
        let order = if is_whole { ReplayOrder::Clock } else { ReplayOrder::Log };
        self.replay = Some(Replay::new(missing, order));
        self.stand_mut().tail = store.visible_end();
        true
    }

    /// A feed that begins with what comes next.
    pub fn live(store: &Store) -> Self {
        Self::after(store, store.visible())
    }

    /// The next update that the reader does not have; `None` when there is none now.
    pub fn next(&mut self, store: &Store) -> Result<Option<Update>, StoreError> {
        if self.layout != store.layout() {
            self.rewind(store);
        }
        if let Some(update) = self.follow(store) {
            return Ok(Some(update));
        }
        let from = self.leads(store).then(|| Rc::clone(&self.stand));
        let found = self.next_alone(store)?;
        if let (Some(trail), None) = (&self.trail, &self.replay) {
            match from {
                // Where something was gone, each has to find out for its own reader.
                Some(from) if from.tail < self.stand.tail && self.gone.is_empty() => {
                    trail.note(from, found.as_ref(), &self.stand);
                }
                _ if found.is_none() => trail.join(store, &mut self.stand),
                _ => {}
            }
        }
        Ok(found)
    }

    /// The next update, when another feed was here and took the step.
    fn follow(&mut self, store: &Store) -> Option<Update> {
        let trail = self.trail.as_ref().filter(|_| self.replay.is_none())?;
        while let Some((update, to)) = trail.step(store, &self.stand) {
            self.stand = to;
            if update.is_some() {
                return update;
            }
        }
        None
    }

    /// True when no feed of the trail was further than this one.
    fn leads(&self, store: &Store) -> bool {
        let trail = self.trail.as_ref().filter(|_| self.replay.is_none());
        trail.is_some_and(|trail| trail.ends_at(store, &self.stand))
    }

    fn next_alone(&mut self, store: &Store) -> Result<Option<Update>, StoreError> {
        loop {
            let old = self.next_old(store)?;
            let found = if old.is_some() { old } else { self.next_new(store)? };
            if let Some(update) = found {
                self.know(update.clock());
                return Ok(Some(update));
            }
            // A jump in the tail began a replay, whose end settles every jump that it saw.
            if self.replay.is_none() {
                return Ok(None);
            }
        }
    }

    fn next_old(&mut self, store: &Store) -> Result<Option<Update>, StoreError> {
        let Some(replay) = &mut self.replay else { return Ok(None) };
        let stand = Rc::make_mut(&mut self.stand);
        while let Some(update) = replay.next(store)? {
            let dot = update.dot();
            let passed = self.sought.take_until(dot);
            let is_new = stand.has.insert(dot);
            note_gone(&mut stand.has, &mut self.gone, passed);
            if is_new {
                return Ok(Some(update));
            }
        }
        self.replay = None;
        note_gone(&mut stand.has, &mut self.gone, self.sought.take_all());
        Ok(None)
    }

    fn next_new(&mut self, store: &Store) -> Result<Option<Update>, StoreError> {
        let end = store.visible_end();
        while self.stand.tail < end {
            let found = store.read_from(self.stand.tail)?.filter(|(_, next)| *next <= end);
            let Some((update, next)) = found else {
                self.stand_mut().tail = end;
                break;
            };
            if self.is_jump(store, update.dot()) && self.replay_missing(store) {
                return Ok(None);
            }
            let stand = self.stand_mut();
            stand.tail = next;
            if stand.has.insert(update.dot()) {
                return Ok(Some(update));
            }
        }
        Ok(None)
    }

    /// True when the update before this one of its origin should have come, and has not: it is in
    /// no log, or no longer where the tail would have met it.
    fn is_jump(&self, store: &Store, dot: Dot) -> bool {
        let before = Dot { seq: dot.seq - 1, ..dot };
        before.seq > 0 && !self.stand.has.contains(before) && store.seen().contains(before)
    }

    /// Looks whether the store knows of anything that the reader lacks and the tail will not give:
    /// dots that a peer passed on as dropped come without an update. What is found is replayed, and
    /// what the replay does not find is gone. To be called now and then at the tail's end; costs
    /// next to nothing while nothing comes. True when there is something to read.
    pub fn doubt(&mut self, store: &Store) -> bool {
        let looked_at = (store.layout(), store.log_end());
        if self.is_at_end(store) && self.doubted != looked_at {
            self.doubted = looked_at;
            self.replay_missing(store);
        }
        !self.is_at_end(store)
    }

    /// True when the tail was read to its end.
    pub fn is_at_end(&self, store: &Store) -> bool {
        self.replay.is_none() && self.stand.tail >= store.visible_end()
    }

    /// How far the tail was read.
    pub(super) fn tail(&self) -> Place {
        self.stand.tail
    }

    /// Where it stands, and so what its cursor is; `None` while a replay decides on that, too.
    pub fn stand(&self) -> Option<&Rc<Stand>> {
        self.replay.is_none().then_some(&self.stand)
    }

    /// True when more than so many updates stand between the reader and the log's end.
    pub(super) fn is_behind_by_more(&self, store: &Store, updates: u64) -> bool {
        let (tail, end) = (self.stand.tail, store.visible_end());
        if self.replay.is_none() && tail.segment() == end.segment() {
            let bytes = u64::from(end.offset().saturating_sub(tail.offset()));
            if bytes / LOGGED_BYTES_MIN <= updates {
                return false;
            }
        }
        let spans = store.seen().beyond(&self.stand.has);
        spans.iter().fold(0, |sum, span| span.count().saturating_add(sum)) > updates
    }

    /// What the reader lacked and nobody can give it any more, since this was last asked. The
    /// cursor covers it: so it is found once.
    pub fn take_gone(&mut self) -> Vector {
        std::mem::take(&mut self.gone)
    }

    /// What the reader has, what is gone included.
    pub(super) fn vector(&self) -> &Vector {
        &self.stand.has
    }

    /// Says that the reader has this update from elsewhere.
    pub fn learn(&mut self, dot: Dot) {
        self.stand_mut().has.insert(dot);
    }

    /// True while updates from before the feed began are still to be given.
    pub fn is_replaying(&self) -> bool {
        self.replay.is_some()
    }

    /// Where to look for what the reader has.
    pub(super) fn mark(&self) -> Mark {
        let replayed = self.replay.as_ref().and_then(Replay::given_before);
        let Stand { tail, clock, log, .. } = *self.stand;
        let place = replayed.unwrap_or(tail).min(tail);
        Mark { log: log.0, place: place.0, clock }
    }

    /// The place behind everything given: any node of the herd goes on from it.
    pub fn cursor(&self) -> Cursor {
        let mut has = self.stand.has.clone();
        if is_planted(Bug::CursorOffByOne) {
            has.spans().last().map(|span| has.remove(Dot { epoch: span.epoch, seq: span.to }));
        }
        Cursor(has, self.mark())
    }

    /// The place behind all that can be read, and behind this update.
    pub fn cursor_behind(store: &Store, dot: Dot) -> Cursor {
        let mut had = store.visible();
        had.insert(dot);
        Cursor(had, Mark { log: store.epoch().0, place: store.visible_end().0, ..Mark::default() })
    }

    /// The log was laid out anew behind its durable end: what was read there is read again, and
    /// cut by the vector.
    fn rewind(&mut self, store: &Store) {
        self.layout = store.layout();
        if self.stand.tail > store.durable_end() {
            self.stand_mut().tail = store.durable_end();
        }
    }
}

/// The vector of a sketch, as far as this node can prove it by looking at so many rows.
fn prove(
    store: &Store,
    mark: Mark,
    sketch: &Sketch,
    rows_left: &mut u64,
) -> Result<Vector, StoreError> {
    let mut proof = sketch.prove();
    // The bits alone tell what a reader had that was away for less than they can count.
    proof.try_below(store.seen());
    if store.is_own_epoch(Epoch(mark.log)) {
        look(store, &mut proof, rows_left, |(place, _)| place.0 < mark.place)?;
    }
    if mark.clock > Hlc::default() {
        look(store, &mut proof, rows_left, |(_, clock)| clock <= mark.clock)?;
    }
    Ok(proof.into_vector())
}

/// Tries what stood in the log before some point, for what is not proved yet.
fn look(
    store: &Store,
    proof: &mut Proof<'_>,
    rows_left: &mut u64,
    is_before: impl Fn((Place, Hlc)) -> bool,
) -> Result<(), StoreError> {
    for epochs in proof.open(store.seen()) {
        match store.prefix(epochs, proof.close_enough(), rows_left, &is_before)? {
            Some(guess) => proof.try_near(&guess),
            None => break,
        }
    }
    Ok(())
}

/// Of spans that the replay went past, what the reader lacks still.
fn note_gone(has: &mut Vector, gone: &mut Vector, passed: Vec<Span>) {
    for span in passed {
        for missing in has.gaps(span) {
            gone.insert_span(missing);
        }
        has.insert_span(span);
    }
}

/// The spans that a replay has not come to yet. It goes up within each epoch.
#[derive(Debug, Default)]
struct Sought(BTreeMap<Epoch, VecDeque<(u64, u64)>>);

impl Sought {
    fn of(spans: &[Span]) -> Self {
        let mut sought = Self::default();
        for span in spans {
            sought.0.entry(span.epoch).or_default().push_back((span.from, span.to));
        }
        sought
    }

    /// Takes out what stands before a dot that came, and the dot itself.
    fn take_until(&mut self, dot: Dot) -> Vec<Span> {
        let mut passed = Vec::new();
        let Some(runs) = self.0.get_mut(&dot.epoch) else { return passed };
        while let Some((from, to)) = runs.front_mut()
            && *from <= dot.seq
        {
            passed.push(Span { epoch: dot.epoch, from: *from, to: dot.seq.min(*to) });
            if *to > dot.seq {
                *from = dot.seq + 1;
                break;
            }
            runs.pop_front();
        }
        passed
    }

    fn take_all(&mut self) -> Vec<Span> {
        let all = std::mem::take(&mut self.0).into_iter();
        let spans = |(epoch, runs): (Epoch, VecDeque<(u64, u64)>)| {
            runs.into_iter().map(move |(from, to)| Span { epoch, from, to })
        };
        all.flat_map(spans).collect()
    }
}
