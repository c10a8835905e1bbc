//! A reader of the feed: what subscribers get, and what they are told when they can't have all.
//!
//! **Gaps.** What a reader lacks and nobody can give it is told as a [`Gap`], once: what retention
//! dropped, and updates whose payload was erased. `to` less `from` is exactly what is missing, so a
//! reader that goes on from any cursor it was ever given is told neither twice nor never. Until a
//! gap is told the cursor leaves it out; it is told when the reader has caught up, or when it has
//! so many pieces that the cursor would grow.
//!
//! **Laggards.** A reader lags that was live once, has not come to the log's end since, and is
//! more than so many updates or so many milliseconds behind. It gets the newest of each story and
//! of each report's id from there to what was the end when it was found to lag, and one gap for the
//! rest: whoever wants the rest reads it behind the gap's `from`. Who comes with a cursor is not
//! live yet: catching up is a replay, at the reader's own pace, and leaves nothing out.
//!
//! Both work in steps of one update over the log. Nothing is queued, so a reader costs the same few
//! bytes however far it is behind.

use super::{Feed, Stand};
use crate::base::Tick;
use crate::store::{Place, Store, StoreError};
use crate::update::{Cursor, Update, Vector};
use std::rc::Rc;

/// A gap is told when it has so many pieces: they stand in every cursor until then, and a short one
/// has room for no more.
const MISSED_RUNS_MAX: usize = 32;

/// When a live reader lags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LagLimits {
    /// So many updates behind.
    pub updates: u64,
    /// So long behind, in milliseconds.
    pub ms: u64,
}

/// What is to be done with an update for one reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The reader gets it.
    Give,
    /// The reader did not ask for it: it misses nothing.
    Pass,
    /// The reader asked for it and does not get it: part of a gap.
    LeaveOut,
}

/// One step of a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An update.
    Update(Update),
    /// What it lacks and was not given.
    Gap(Gap),
    /// An update was passed over: there is more.
    Passed,
}

/// Updates that a reader is not given: those of `to` that are not in `from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The place before the gap: reading from here gives what of it is still held.
    pub from: Cursor,
    /// The place behind it.
    pub to: Cursor,
    /// How many updates are missing.
    pub count: u64,
}

/// A subscriber's way through the log.
#[derive(Debug)]
pub struct Reader {
    feed: Feed,
    lag: LagLimits,
    /// In the feed's vector, but not told yet: the cursor leaves it out.
    missed: Vector,
    /// It has been at the log's end.
    is_live: bool,
    /// When it was first found with something to read since it was last at the log's end. Not
    /// since when it was there: nothing to read is no lag, however long.
    behind_since: Option<Tick>,
    /// Set while it gets only the newest: up to this place.
    newest_until: Option<Place>,
    /// How often it was found to lag.
    lagged: u64,
}

impl Reader {
    /// A reader at the beginning of its feed.
    pub fn new(feed: Feed, lag: LagLimits) -> Self {
        Self {
            feed,
            lag,
            missed: Vector::new(),
            is_live: false,
            behind_since: None,
            newest_until: None,
            lagged: 0,
        }
    }

    /// Asks for the newest only, from where it is to the log's present end, as a laggard gets it.
    pub fn want_newest(&mut self, store: &Store) {
        self.newest_until = Some(store.visible_end());
    }

    /// Finds out whether it lags: to be called before reading, at the time of the turn.
    pub fn look_at_lag(&mut self, store: &Store, now: Tick) {
        if !self.is_live || self.newest_until.is_some() {
            return;
        }
        if self.feed.is_at_end(store) {
            self.behind_since = None;
            return;
        }
        let since = *self.behind_since.get_or_insert(now);
        let is_late = now.saturating_sub(since) > self.lag.ms;
        if is_late || self.feed.is_behind_by_more(store, self.lag.updates) {
            self.lagged += 1;
            self.want_newest(store);
        }
    }

    /// How often it was found to lag since this was last asked.
    pub fn take_lagged(&mut self) -> u64 {
        std::mem::take(&mut self.lagged)
    }

    /// The next step; `None` at the log's end. `judge` says what is to be done with an update, and
    /// hears whether only the newest of each story is to be given.
    pub fn next(
        &mut self,
        store: &Store,
        judge: impl FnOnce(&Update, bool) -> Result<Verdict, StoreError>,
    ) -> Result<Option<Item>, StoreError> {
        let is_past = self.newest_until.is_some() && !self.wants_newest();
        if is_past {
            self.newest_until = None;
        }
        if (is_past || self.missed.runs() >= MISSED_RUNS_MAX)
            && let Some(gap) = self.settle()
        {
            return Ok(Some(Item::Gap(gap)));
        }
        let found = self.feed.next(store)?;
        self.missed.merge(&self.feed.take_gone());
        let Some(update) = found else {
            self.is_live = true;
            self.behind_since = None;
            self.newest_until = None;
            return Ok(self.settle().map(Item::Gap));
        };
        let verdict = judge(&update, self.wants_newest())?;
        if verdict == Verdict::LeaveOut {
            self.missed.insert(update.dot());
        }
        Ok(Some(if verdict == Verdict::Give { Item::Update(update) } else { Item::Passed }))
    }

    /// True when what the feed gave last is to be left out unless it is the newest.
    fn wants_newest(&self) -> bool {
        let is_within = |until| self.feed.is_replaying() || self.feed.tail() <= until;
        self.newest_until.is_some_and(is_within)
    }

    /// What was left out so far, to be told now: the cursor covers it from then on.
    pub fn settle(&mut self) -> Option<Gap> {
        let count = self.missed.count();
        if count == 0 {
            return None;
        }
        let from = self.cursor();
        self.missed = Vector::new();
        Some(Gap { from, to: self.cursor(), count })
    }

    /// Looks for what was dropped without a trace in the log. To be called now and then. True when
    /// there is something to read.
    pub fn doubt(&mut self, store: &Store) -> bool {
        self.feed.doubt(store)
    }

    /// Where it stands; readers with the same have the same cursor. `None` when that depends on
    /// more.
    pub fn stand(&self) -> Option<&Rc<Stand>> {
        self.feed.stand().filter(|_| self.missed.is_empty())
    }

    /// The place behind everything given, passed over and told.
    pub fn cursor(&self) -> Cursor {
        if self.missed.is_empty() {
            return self.feed.cursor();
        }
        let mut told = Vector::new();
        for span in self.feed.vector().beyond(&self.missed) {
            told.insert_span(span);
        }
        Cursor(told, self.feed.mark())
    }
}
