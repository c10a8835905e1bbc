//! Those who read in a simulated herd, and go on elsewhere by the cursor they were given.

use super::audit::Ledger;
use super::laws::{Breach, Checks, Kept, Law};
use crate::herd::Feed;
use crate::news::Withdrawal;
use crate::node::Node;
use crate::serve::Desk;
use crate::update::{After, Epoch, Kind, Span, Update, Vector};
use std::collections::{BTreeMap, BTreeSet};

/// What one reader was given.
#[derive(Default)]
pub(super) struct Reading {
    had: Vector,
    last: BTreeMap<Epoch, u64>,
    /// The cursor that came with the last update: what a reader has to go on from, as text.
    cursor: String,
    feed: Option<Feed>,
    /// The stories whose withdrawal it was given.
    withdrawn: BTreeSet<String>,
}

impl Reading {
    /// Goes on at a node from where it was, by its cursor; from the start without one.
    pub(super) fn go_to(&mut self, node: &Node) -> Kept {
        let after = match self.cursor.parse::<After>() {
            Ok(after) => after,
            Err(_) if self.cursor.is_empty() => After::default(),
            Err(error) => {
                let what = format!("a node gave a cursor that is none: {error}");
                return Err(Breach::new(Law::Readers, what));
            }
        };
        let feed = node.feed(Some(&after));
        let feed = feed.map_err(|error| Breach::new(Law::Life, format!("no feed: {error}")));
        self.feed = Some(feed?);
        Ok(())
    }

    /// The node is gone.
    pub(super) fn leave(&mut self) {
        self.feed = None;
    }

    pub(super) fn is_reading(&self) -> bool {
        self.feed.is_some()
    }

    /// What it was given so far.
    pub(super) fn had(&self) -> &Vector {
        &self.had
    }

    /// The stories whose withdrawal it was given.
    pub(super) fn withdrawn(&self) -> &BTreeSet<String> {
        &self.withdrawn
    }

    /// Takes up to `limit` updates: each is new, and the next of its origin.
    pub(super) fn read(
        &mut self,
        node: &Node,
        limit: usize,
        who: &dyn Fn() -> String,
        ledger: &mut Ledger,
        checks: &mut Checks,
    ) -> Kept {
        let mut taken = 0;
        while taken < limit {
            let Some(feed) = &mut self.feed else { return Ok(()) };
            let unread = |error| Breach::new(Law::Life, format!("{}: {error}", who()));
            let mut next = feed.next(node.store()).map_err(unread)?;
            if next.is_none() && ledger.has_retention {
                // What nobody can give any more is looked for at the end, as streams do.
                feed.doubt(node.store());
                next = feed.next(node.store()).map_err(unread)?;
            }
            let gone = feed.take_gone();
            taken += usize::from(!gone.is_empty());
            self.miss(&gone, who, ledger, checks)?;
            let Some(update) = next else { break };
            self.take(&update, who, ledger, checks)?;
            taken += 1;
        }
        if taken > 0
            && let Some(feed) = &self.feed
        {
            self.cursor = feed.cursor().to_string();
        }
        Ok(())
    }

    /// Takes word of what can't be given any more.
    fn miss(
        &mut self,
        gone: &Vector,
        who: &dyn Fn() -> String,
        ledger: &Ledger,
        checks: &mut Checks,
    ) -> Kept {
        if gone.is_empty() {
            return Ok(());
        }
        let is_new = gone.spans().all(|span| self.had.gaps(span) == [span]);
        checks.hold(Law::Readers, is_new, || format!("{} misses what it had: {gone:?}", who()))?;
        checks.hold(Law::Readers, ledger.has_retention, || {
            format!("{} misses {gone:?}, and everything is kept", who())
        })?;
        self.had.merge(gone);
        Ok(())
    }

    fn take(
        &mut self,
        update: &Update,
        who: &dyn Fn() -> String,
        ledger: &mut Ledger,
        checks: &mut Checks,
    ) -> Kept {
        let dot = update.dot();
        let is_new = self.had.insert(dot);
        checks.hold(Law::Readers, is_new, || format!("{} gets {dot} twice", who()))?;
        let before = self.last.insert(dot.epoch, dot.seq).unwrap_or(0);
        let between = Span { epoch: dot.epoch, from: before + 1, to: dot.seq };
        let follows = dot.seq > before && self.had.gaps(between).is_empty();
        checks.hold(Law::Readers, follows, || {
            let origin = update.origin();
            format!("{} gets {dot} of {origin} out of order, behind {before}", who())
        })?;
        if update.kind() == Kind::Withdrawal
            && let Ok(withdrawal) = Withdrawal::decode(update.payload())
        {
            self.withdrawn.insert(withdrawal.title.to_owned());
            ledger.withdrawn.insert(dot, withdrawal.title.to_owned());
        }
        let cid = *ledger.cids.entry(dot).or_insert(update.cid());
        if ledger.has_retention {
            ledger.kinds.entry(dot).or_insert((update.kind(), update.topic().to_owned()));
        }
        let is_same = cid == update.cid() || ledger.may_fork(dot.epoch);
        checks.hold(Law::OneContent, is_same, || {
            format!("{}: {dot} is {cid} and {}", who(), update.cid())
        })
    }
}
