//! What streams and polls have in common: a reader and what it wants to see.

use super::query::Query;
use crate::herd::{Gap, Item, LagLimits, Reader, Stand, Verdict};
use crate::news::{self, Filter};
use crate::reactor::Ctx;
use crate::serve::Desk;
use crate::store::{Store, StoreError};
use crate::update::{After, Cursor, Kind, Update};
use serde_json::{Value, json};
use std::rc::Rc;

/// What a reader asks for.
#[derive(Debug)]
pub(in crate::serve) struct Wish {
    /// Where it begins; now when it does not say.
    pub(in crate::serve) after: Option<After>,
    filter: Filter,
    /// Only the newest of each story from where it begins to now, as if it had lagged.
    newest: bool,
}

impl Wish {
    /// All that the filter lets through from `after` on.
    pub(in crate::serve) fn new(after: Option<After>, filter: Filter) -> Self {
        Self { after, filter, newest: false }
    }

    /// Reads what is asked of a reader that begins at `after`.
    pub(super) fn read(query: &Query<'_>, after: Option<After>) -> Self {
        let filter = Filter {
            section: query.own("section"),
            topic: query.own("topic"),
            title: query.own("title"),
        };
        Self { after, filter, newest: query.text("newest") == Some("1") }
    }
}

/// A reader under way.
#[derive(Debug)]
pub(in crate::serve) struct Reading {
    reader: Reader,
    filter: Filter,
}

impl Reading {
    /// Begins.
    pub(in crate::serve) fn begin<D: Desk>(desk: &D, wish: Wish) -> Result<Self, StoreError> {
        let limits = &desk.config().limits;
        let lag = LagLimits { updates: limits.lag_updates, ms: limits.lag_ms };
        let mut reader = Reader::new(desk.feed(wish.after.as_ref())?, lag);
        if wish.newest {
            reader.want_newest(desk.store());
        }
        Ok(Self { reader, filter: wish.filter })
    }

    /// Finds out whether the reader lags; to be called before it is served.
    pub(in crate::serve) fn look_at_lag<D: Desk>(&mut self, cx: &Ctx<'_, D>, desk: &mut D) {
        self.reader.look_at_lag(desk.store(), cx.now());
        desk.tally().lagged += self.reader.take_lagged();
    }

    /// One step; `None` when there is nothing now.
    pub(in crate::serve) fn next<D: Desk>(
        &mut self,
        desk: &mut D,
    ) -> Result<Option<Item>, StoreError> {
        let store = desk.store();
        let filter = &self.filter;
        let judge = |update: &Update, newest_only| judge(store, filter, update, newest_only);
        let found = self.reader.next(store, judge)?;
        if let Some(Item::Gap(gap)) = &found {
            count(desk, gap);
        }
        Ok(found)
    }

    /// What was left out so far, to be told now.
    pub(in crate::serve) fn settle<D: Desk>(&mut self, desk: &mut D) -> Option<Gap> {
        let gap = self.reader.settle()?;
        count(desk, &gap);
        Some(gap)
    }

    /// Looks for what was dropped without a trace in the log; true when there is something to read.
    pub(in crate::serve) fn doubt<D: Desk>(&mut self, desk: &D) -> bool {
        self.reader.doubt(desk.store())
    }

    /// Where it stands with others, who have the same cursor; `None` when it is alone.
    pub(in crate::serve) fn shared_stand(&self) -> Option<&Rc<Stand>> {
        self.reader.stand().filter(|stand| Rc::strong_count(stand) > 1)
    }

    /// The place behind all that it was given and told.
    pub(in crate::serve) fn cursor(&self) -> Cursor {
        self.reader.cursor()
    }
}

fn count<D: Desk>(desk: &mut D, gap: &Gap) {
    let tally = desk.tally();
    tally.gaps += 1;
    tally.gap_updates += gap.count;
}

fn judge(
    store: &Store,
    filter: &Filter,
    update: &Update,
    newest_only: bool,
) -> Result<Verdict, StoreError> {
    // Who may write is for no reader, and they miss nothing.
    if update.kind() == Kind::Account {
        return Ok(Verdict::Pass);
    }
    if update.is_erased() {
        // Its section went with its payload: who wants any section of its topic misses it.
        let is_wanted = filter.topic.as_ref().is_none_or(|topic| topic == update.topic());
        return Ok(if is_wanted { Verdict::LeaveOut } else { Verdict::Pass });
    }
    if !filter.matches(update) {
        return Ok(Verdict::Pass);
    }
    let is_given = !newest_only || news::is_newest(store.index(), update)?;
    Ok(if is_given { Verdict::Give } else { Verdict::LeaveOut })
}

/// `{from, to, count}`.
pub(in crate::serve) fn gap_json(gap: &Gap) -> Value {
    json!({"from": gap.from.to_string(), "to": gap.to.to_string(), "count": gap.count})
}
