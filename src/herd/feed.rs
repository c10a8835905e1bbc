//! A feed: one reader's way through the log, be it a peer link or a subscriber. It is a place, not
//! a queue: a reader that is slow, or a week behind, costs the same few bytes as a quick one.
//!
//! What the reader lacks from before the feed began is replayed by clock order; what came since is
//! read off the log's tail. A vector of what was given cuts whatever both would give.

use crate::store::{Place, Replay, Store, StoreError};
use crate::update::{Cursor, Dot, Update, Vector};

/// How the old and the new share a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// All that is old before anything new: in order within each origin, parents before children.
    /// For readers.
    OldFirst,
    /// In turn, so that live traffic goes on while a long backlog streams: in order within each
    /// origin. What is new of an origin whose backlog streams comes behind it. For links.
    InTurn,
}

/// A way through the log.
#[derive(Debug)]
pub struct Feed {
    order: Order,
    replay: Option<Replay>,
    /// Everything before it was given or had; from here on the log is read.
    tail: Place,
    /// How far past the tail was read, around updates that are not visible before their fsync.
    ahead: Place,
    /// What the reader has.
    has: Vector,
    /// Whose turn it is with [`Order::InTurn`].
    old_next: bool,
    /// The store's layout when the places were last known to be good.
    layout: u64,
}

impl Feed {
    /// A feed for a reader that has `has`: it gives everything else.
    pub fn after(store: &Store, has: Vector, order: Order) -> Self {
        let missing = store.visible().beyond(&has);
        let replay = (!missing.is_empty()).then(|| Replay::new(missing));
        let tail = store.visible_end();
        Self { order, replay, tail, ahead: tail, has, old_next: true, layout: store.layout() }
    }

    /// A feed that begins with what comes next.
    pub fn live(store: &Store) -> Self {
        Self::after(store, store.visible(), Order::OldFirst)
    }

    /// The next update that the reader does not have; `None` when there is none now.
    pub fn next(&mut self, store: &Store) -> Result<Option<Update>, StoreError> {
        if self.layout != store.layout() {
            self.rewind(store);
        }
        let old_first = match self.order {
            Order::OldFirst => true,
            Order::InTurn => {
                self.old_next = !self.old_next;
                self.old_next
            }
        };
        let found = if old_first {
            match self.next_old(store)? {
                Some(update) => Some(update),
                None => self.next_new(store)?,
            }
        } else {
            match self.next_new(store)? {
                Some(update) => Some(update),
                None => self.next_old(store)?,
            }
        };
        Ok(found)
    }

    fn next_old(&mut self, store: &Store) -> Result<Option<Update>, StoreError> {
        let Some(replay) = &mut self.replay else { return Ok(None) };
        while let Some(update) = replay.next(store)? {
            if self.has.insert(update.dot()) {
                return Ok(Some(update));
            }
        }
        self.replay = None;
        Ok(None)
    }

    fn next_new(&mut self, store: &Store) -> Result<Option<Update>, StoreError> {
        let end = store.visible_end();
        while self.tail < end {
            let found = store.read_from(self.tail)?.filter(|(_, next)| *next <= end);
            let Some((update, next)) = found else {
                self.tail = end;
                break;
            };
            self.tail = next;
            if self.is_next(update.dot()) {
                return Ok(Some(update));
            }
        }
        if self.order == Order::InTurn { self.next_ahead(store) } else { Ok(None) }
    }

    /// Goes around what is not visible yet: a relay does not wait for this node's disk.
    fn next_ahead(&mut self, store: &Store) -> Result<Option<Update>, StoreError> {
        self.ahead = self.ahead.max(self.tail);
        while let Some((update, next)) = store.read_from(self.ahead)? {
            self.ahead = next;
            if self.is_next(update.dot()) {
                return Ok(Some(update));
            }
        }
        Ok(None)
    }

    /// True when an update of the tail is to be given now: the reader lacks it, and has all that
    /// is before it of its origin. Otherwise the replay gives it in its turn.
    fn is_next(&mut self, dot: Dot) -> bool {
        if self.has.contains(dot) || self.replay.as_mut().is_some_and(|replay| replay.defer(dot)) {
            return false;
        }
        self.has.insert(dot)
    }

    /// Says that the reader has this update from elsewhere.
    pub fn learn(&mut self, dot: Dot) {
        self.has.insert(dot);
    }

    /// True when the reader has it.
    pub fn has(&self, dot: Dot) -> bool {
        self.has.contains(dot)
    }

    /// True while updates from before the feed began are still to be given.
    pub fn is_replaying(&self) -> bool {
        self.replay.is_some()
    }

    /// The place behind everything given: any node of the herd goes on from it.
    pub fn cursor(&self) -> Cursor {
        Cursor(self.has.clone())
    }

    /// The log was laid out anew behind its durable end: what was read there is read again, and
    /// cut by the vector.
    fn rewind(&mut self, store: &Store) {
        self.layout = store.layout();
        self.tail = self.tail.min(store.durable_end());
        self.ahead = self.tail;
    }
}
