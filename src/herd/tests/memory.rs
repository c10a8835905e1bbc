//! An archive in memory, which checks what every archive is promised.

use crate::herd::{Archive, AuditSet, StampsPage};
use crate::store::StoreError;
use crate::update::{Cid, Dot, Epoch, Hlc, Seal, Span, Update, Vector};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) own: Epoch0,
    pub(super) updates: BTreeMap<Dot, Update>,
    pub(super) seals: BTreeMap<(Epoch, u64), Seal>,
    pub(super) seen: Vector,
    pub(super) gone: Vector,
    pub(super) exhibits: Vec<(Update, Seal)>,
    pub(super) forked: BTreeSet<Epoch>,
    /// In the order in which they were appended.
    pub(super) log: Vec<Dot>,
}

/// The own epoch: zero for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch0(pub(super) Epoch);

impl Default for Epoch0 {
    fn default() -> Self {
        Self(Epoch(0))
    }
}

impl Memory {
    /// Takes down a seal, which must be good.
    pub(super) fn append_seal(&mut self, seal: &Seal) {
        assert!(seal.verify(), "only verified seals are taken down");
        self.seals.insert((seal.epoch(), seal.from), seal.clone());
    }

    /// Takes the next update of an epoch, whose seal is here.
    pub(super) fn append(&mut self, update: &Update) {
        let dot = update.dot();
        assert_eq!(dot.seq, self.seen.last(dot.epoch) + 1, "{dot} comes out of its turn");
        let seal = self.seal_of(dot).expect("memory is read").expect("its seal comes before it");
        assert_eq!(seal.cid_of(dot), Some(update.cid()), "{dot} is what its seal says");
        self.updates.insert(dot, update.clone());
        self.seen.insert(dot);
        self.log.push(dot);
    }

    pub(super) fn pass(&mut self, dots: &Vector) {
        for span in dots.spans() {
            assert_eq!(span.from, self.seen.last(span.epoch) + 1, "{span:?} is passed in turn");
        }
        self.seen.merge(dots);
        self.gone.merge(dots);
    }

    /// Retention drops an update.
    pub(super) fn drop_update(&mut self, dot: Dot) {
        self.updates.remove(&dot);
        self.gone.insert(dot);
    }
}

impl AuditSet for Memory {
    fn stamps(&self, after: Option<Dot>, limit: usize) -> Result<StampsPage, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.updates.range((from, Bound::Unbounded)).take(limit);
        let stamp = |(dot, update): (&Dot, &Update)| (*dot, (update.clock(), update.cid()));
        let stamps: Vec<_> = behind.map(stamp).collect();
        let last = stamps.last().filter(|_| stamps.len() == limit).map(|(dot, _)| *dot);
        Ok((stamps, last))
    }

    fn dot_of(&self, cid: Cid) -> Result<Option<Dot>, StoreError> {
        let mut updates = self.updates.iter();
        Ok(updates.find(|(_, update)| update.cid() == cid).map(|(dot, _)| *dot))
    }
}

impl Archive for Memory {
    fn whole_since(&self) -> Result<Hlc, StoreError> {
        Ok(Hlc(0))
    }

    fn seen(&self) -> &Vector {
        &self.seen
    }

    fn held(&self) -> &Vector {
        &self.seen
    }

    fn reserved(&self) -> Vector {
        Vector::new()
    }

    fn next_own(&self) -> Dot {
        let epoch = self.own.0;
        Dot { epoch, seq: self.seen.last(epoch) + 1 }
    }

    fn tip(&self, epoch: Epoch) -> Option<Cid> {
        let seq = self.seen.last(epoch);
        self.updates.get(&Dot { epoch, seq }).map(Update::cid)
    }

    fn lows(&self) -> Vec<(Epoch, u64)> {
        let mut lows = BTreeMap::new();
        self.gone.spans().for_each(|span| {
            lows.insert(span.epoch, span.to + 1);
        });
        lows.into_iter().collect()
    }

    fn first_in(&self, span: Span) -> Result<Option<u64>, StoreError> {
        let dot = |seq| Dot { epoch: span.epoch, seq };
        let mut found = self.updates.range(dot(span.from)..=dot(span.to));
        Ok(found.next().map(|(dot, _)| dot.seq))
    }

    fn get(&self, dot: Dot) -> Result<Option<Update>, StoreError> {
        Ok(self.updates.get(&dot).cloned())
    }

    fn seal_of(&self, dot: Dot) -> Result<Option<Seal>, StoreError> {
        let mut seals = self.seals.range(..=(dot.epoch, dot.seq)).rev();
        let found =
            seals.find(|((epoch, _), seal)| *epoch != dot.epoch || seal.cid_at(dot.seq).is_some());
        Ok(found.filter(|((epoch, _), _)| *epoch == dot.epoch).map(|(_, seal)| seal.clone()))
    }

    fn is_forked(&self, epoch: Epoch) -> bool {
        self.forked.contains(&epoch)
    }

    fn exhibits_of(&self, epoch: Epoch) -> Result<Vec<(Update, Seal)>, StoreError> {
        let of = |exhibit: &&(Update, Seal)| exhibit.0.dot().epoch == epoch;
        Ok(self.exhibits.iter().filter(of).cloned().collect())
    }

    fn wants_exhibit(&self, dot: Dot, cid: Cid) -> bool {
        let of = |(kept, _): &&(Update, Seal)| kept.dot().epoch == dot.epoch;
        let kept = || self.exhibits.iter().filter(of);
        kept().count() < 24 && kept().all(|(kept, _)| kept.cid() != cid)
    }
}
