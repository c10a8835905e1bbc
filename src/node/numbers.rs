//! Numbers for newsreaders: follows the log as it is on disk, and gives each revision its number,
//! some at a time. Only nodes with a listener for NNTP do so.
//!
//! What is numbered is on disk, in the order of the log. So after a crash, when the index goes back
//! to its last checkpoint, the same revisions get the same numbers again.

use super::Node;
use super::commit::OVERLAY_BYTES_MAX;
use crate::config::{Config, Service};
use crate::news::{self, Progress};
use crate::reactor::Ctx;
use crate::store::{Place, Store, StoreError};

/// How many updates of the log are looked at in one turn.
const TURN_UPDATES: usize = 256;
/// When to go on where the index must be written first, or the archive can't be read.
const RETRY_MS: u64 = 500;

/// How far the log was numbered, and what is due.
#[derive(Debug)]
pub(super) struct Numbers {
    is_wanted: bool,
    /// A call of a later turn goes on.
    is_due: bool,
    /// The log's end when the node started: what is before it came earlier than now.
    old_end: Option<Place>,
    progress: Option<Progress>,
}

impl Numbers {
    pub(super) fn of(config: &Config) -> Self {
        let is_wanted = config.listen.iter().any(|listen| listen.speaks(Service::Nntp));
        Self { is_wanted, is_due: false, old_end: None, progress: None }
    }

    /// Numbers what is next in the log; true when there may be more.
    fn advance(&mut self, store: &mut Store, now_ms: u64) -> Result<bool, StoreError> {
        let old_end = *self.old_end.get_or_insert_with(|| store.durable_end());
        let mut progress = match self.progress {
            Some(progress) => progress,
            None => begin(store)?,
        };
        let before = progress;
        let walked = walk(store, &mut progress, (old_end, now_ms));
        // Also where it failed half-way: what has a number must not get another.
        if progress != before {
            news::put_numbering(store.index_mut(), progress);
        }
        self.progress = Some(progress);
        walked
    }
}

/// Numbers some of what is next; true when there may be more.
fn walk(
    store: &mut Store,
    progress: &mut Progress,
    (old_end, now_ms): (Place, u64),
) -> Result<bool, StoreError> {
    for _ in 0..TURN_UPDATES {
        let found = store.read_from(progress.place)?;
        let Some((update, next)) = found.filter(|(_, next)| *next <= store.durable_end()) else {
            return Ok(false);
        };
        // What came while nobody numbered is as old as it says.
        let came_ms = if next <= old_end { update.clock().ms().min(now_ms) } else { now_ms };
        news::number(store.index_mut(), &update, progress, came_ms)?;
        progress.place = next;
    }
    Ok(true)
}

/// Where numbering went on to before, or the log's start. What is gone from there may have had any
/// number.
fn begin(store: &Store) -> Result<Progress, StoreError> {
    let known = news::numbering(store.index())?;
    let fresh = || Progress { place: Place::START, skipped: store.gone().count(), arrived_ms: 0 };
    Ok(known.unwrap_or_else(fresh))
}

impl Node {
    /// Numbers what has come to the disk: some of it now, the rest in turns to come.
    pub(super) fn number_articles(&mut self, cx: &mut Ctx<'_, Self>) {
        if !self.numbers.is_wanted || self.numbers.is_due {
            return;
        }
        let now_ms = cx.wall_ns() / 1_000_000;
        let is_full = self.store.overlay_bytes() >= OVERLAY_BYTES_MAX;
        let advanced =
            if is_full { Ok(true) } else { self.numbers.advance(&mut self.store, now_ms) };
        let wait_ms = match advanced {
            Ok(false) => return,
            Ok(true) if !is_full => 0,
            Ok(true) => RETRY_MS,
            Err(error) => {
                log::error!("revisions can't be numbered: {error}");
                RETRY_MS
            }
        };
        self.numbers.is_due = true;
        cx.call_later(wait_ms, |cx, node| {
            node.numbers.is_due = false;
            node.checkpoint_if_large(cx);
            node.number_articles(cx);
        });
    }
}

#[cfg(test)]
mod tests;
