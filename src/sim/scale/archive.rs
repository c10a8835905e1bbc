//! The archives of ten thousand nodes in the memory of one process: each node knows which updates
//! it has, and all share what those say.

use crate::herd::{Archive, AuditSet, StampsPage};
use crate::store::StoreError;
use crate::update::{Cid, Dot, Epoch, Hlc, Seal, Span, Update, Vector};
use std::collections::BTreeMap;

/// Everything that was ever published, once.
#[derive(Debug, Default)]
pub(super) struct Pool {
    updates: BTreeMap<Dot, Update>,
    names: BTreeMap<Cid, Dot>,
    /// By epoch and first sequence number.
    seals: BTreeMap<(Epoch, u64), Seal>,
}

impl Pool {
    /// Takes down what its origin published.
    pub(super) fn publish(&mut self, update: &Update, seal: &Seal) {
        self.names.insert(update.cid(), update.dot());
        self.updates.insert(update.dot(), update.clone());
        self.seals.insert((seal.epoch(), seal.from), seal.clone());
    }

    /// True when this is, to the byte, what its origin published.
    pub(super) fn is_genuine(&self, update: &Update) -> bool {
        self.updates.get(&update.dot()).is_some_and(|ours| ours.raw()[..] == update.raw()[..])
    }

    fn seal(&self, dot: Dot) -> Option<&Seal> {
        let ((epoch, _), seal) = self.seals.range(..=(dot.epoch, dot.seq)).next_back()?;
        (*epoch == dot.epoch && seal.cid_at(dot.seq).is_some()).then_some(seal)
    }
}

/// What one node has.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) own: Epoch,
    pub(super) seen: Vector,
    /// What the seals cover that it took down.
    pub(super) sealed: Vector,
}

/// A node's archive, to read from.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) shelf: &'a Shelf,
    pub(super) pool: &'a Pool,
}

impl AuditSet for View<'_> {
    fn stamps(&self, after: Option<Dot>, limit: usize) -> Result<StampsPage, StoreError> {
        let behind = self.pool.updates.iter().filter(|(dot, _)| self.shelf.seen.contains(**dot));
        let behind = behind.filter(|(dot, _)| after.is_none_or(|after| **dot > after)).take(limit);
        let stamp = |(dot, update): (&Dot, &Update)| (*dot, (update.clock(), update.cid()));
        let stamps: Vec<_> = behind.map(stamp).collect();
        let last = stamps.last().filter(|_| stamps.len() == limit).map(|(dot, _)| *dot);
        Ok((stamps, last))
    }

    fn dot_of(&self, cid: Cid) -> Result<Option<Dot>, StoreError> {
        let dot = self.pool.names.get(&cid).copied();
        Ok(dot.filter(|dot| self.shelf.seen.contains(*dot)))
    }
}

impl Archive for View<'_> {
    fn whole_since(&self) -> Result<Hlc, StoreError> {
        Ok(Hlc(0))
    }

    fn seen(&self) -> &Vector {
        &self.shelf.seen
    }

    fn held(&self) -> &Vector {
        &self.shelf.seen
    }

    fn reserved(&self) -> Vector {
        Vector::new()
    }

    fn next_own(&self) -> Dot {
        let epoch = self.shelf.own;
        Dot { epoch, seq: self.shelf.seen.last(epoch) + 1 }
    }

    fn tip(&self, epoch: Epoch) -> Option<Cid> {
        let seq = self.shelf.seen.last(epoch);
        self.pool.updates.get(&Dot { epoch, seq }).map(Update::cid)
    }

    fn lows(&self) -> Vec<(Epoch, u64)> {
        Vec::new()
    }

    fn first_in(&self, span: Span) -> Result<Option<u64>, StoreError> {
        Ok(Some(span.from))
    }

    fn get(&self, dot: Dot) -> Result<Option<Update>, StoreError> {
        let update = self.pool.updates.get(&dot).filter(|_| self.shelf.seen.contains(dot));
        Ok(update.cloned())
    }

    fn seal_of(&self, dot: Dot) -> Result<Option<Seal>, StoreError> {
        Ok(self.pool.seal(dot).filter(|_| self.shelf.seen.contains(dot)).cloned())
    }

    fn is_forked(&self, _: Epoch) -> bool {
        false
    }

    fn exhibits_of(&self, _: Epoch) -> Result<Vec<(Update, Seal)>, StoreError> {
        Ok(Vec::new())
    }

    fn wants_exhibit(&self, _: Dot, _: Cid) -> bool {
        false
    }
}
