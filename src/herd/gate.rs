//! Where verified updates wait until those before them of their epoch are in the log, so that each
//! log has each origin's updates in their order. What waits is not promised to anyone: when it is
//! too much, the last ones are dropped, and pulled again.

use super::Archive;
use crate::update::{Cid, Dot, Epoch, Seal, Span, Update, Vector};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What an update costs beside its bytes, about.
const ENTRY_COST_BYTES: usize = 200;

/// A verified seal, and the epoch that it is of.
#[derive(Debug)]
pub struct Sealed {
    /// The epoch.
    pub epoch: Epoch,
    /// The seal.
    pub seal: Seal,
}

impl Sealed {
    /// Computes the epoch.
    pub fn new(seal: Seal) -> Self {
        Self { epoch: seal.epoch(), seal }
    }

    /// True when the update is one that the seal covers.
    pub fn covers(&self, update: &Update) -> bool {
        let dot = update.dot();
        dot.epoch == self.epoch && self.seal.cid_at(dot.seq) == Some(update.cid())
    }
}

/// What comes next of an epoch.
#[derive(Debug)]
pub(super) enum Next<L> {
    /// With the link that brought it.
    Update(Update, Arc<Sealed>, L),
    Passed(Span),
}

/// Updates that wait for others.
#[derive(Debug)]
pub(super) struct Gate<L> {
    bytes_max: usize,
    bytes: usize,
    waiting: BTreeMap<Dot, (Update, Arc<Sealed>, L)>,
    /// Retention dropped these elsewhere: they count as had once all before them are.
    passed: Vector,
    /// Epochs whose next update may be here.
    ripe: BTreeSet<Epoch>,
}

impl<L> Gate<L> {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            waiting: BTreeMap::new(),
            passed: Vector::new(),
            ripe: BTreeSet::new(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// True while what comes out of turn may have to be dropped.
    pub(super) fn is_crowded(&self) -> bool {
        self.bytes * 2 > self.bytes_max
    }

    pub(super) fn contains(&self, dot: Dot) -> bool {
        self.waiting.contains_key(&dot) || self.passed.contains(dot)
    }

    /// The id of one that waits.
    pub(super) fn cid(&self, dot: Dot) -> Option<Cid> {
        self.waiting.get(&dot).map(|(update, ..)| update.cid())
    }

    /// The last sequence number of an epoch that waits; 0 for none.
    pub(super) fn last(&self, epoch: Epoch) -> u64 {
        let upto = ..=Dot { epoch, seq: u64::MAX };
        let last = self.waiting.range(upto).next_back();
        last.filter(|(dot, _)| dot.epoch == epoch).map_or(0, |(dot, _)| dot.seq)
    }

    /// Takes an update that its seal covers, from a link.
    pub(super) fn put(&mut self, update: Update, sealed: Arc<Sealed>, from: L) {
        let dot = update.dot();
        self.bytes += cost(&update);
        self.ripe.insert(dot.epoch);
        if let Some((before, ..)) = self.waiting.insert(dot, (update, sealed, from)) {
            self.bytes -= cost(&before);
        }
    }

    /// Takes dots that are over.
    pub(super) fn pass(&mut self, dots: &Vector) {
        for span in dots.spans() {
            self.passed.insert_span(span);
            self.ripe.insert(span.epoch);
        }
    }

    /// Drops what waits furthest from its turn until the rest is within the bound. Returns what
    /// was dropped.
    pub(super) fn shrink(&mut self, seen: &Vector) -> Vec<Dot> {
        let mut dropped = Vec::new();
        // One alone may be larger than all may be together: otherwise it could never be taken.
        while self.bytes > self.bytes_max && self.waiting.len() > 1 {
            let Some(dot) = self.furthest(seen) else { break };
            self.drop_one(dot);
            dropped.push(dot);
        }
        dropped
    }

    /// The last one that waits of the epoch whose last is furthest from its turn.
    fn furthest(&self, seen: &Vector) -> Option<Dot> {
        let mut furthest: Option<(u64, Dot)> = None;
        let mut next = self.waiting.last_key_value().map(|(dot, _)| *dot);
        while let Some(dot) = next {
            let distance = dot.seq.saturating_sub(seen.last(dot.epoch));
            if furthest.is_none_or(|(most, _)| distance > most) {
                furthest = Some((distance, dot));
            }
            let before = ..Dot { epoch: dot.epoch, seq: 0 };
            next = self.waiting.range(before).next_back().map(|(dot, _)| *dot);
        }
        furthest.map(|(_, dot)| dot)
    }

    fn drop_one(&mut self, dot: Dot) {
        if let Some((update, ..)) = self.waiting.remove(&dot) {
            self.bytes -= cost(&update);
        }
    }

    /// Takes out what comes next of some epoch; `None` when everything here waits for others.
    pub(super) fn next<A: Archive>(&mut self, archive: &A) -> Option<Next<L>> {
        while let Some(epoch) = self.ripe.first().copied() {
            if let Some(found) = self.next_of(epoch, archive.known().last(epoch)) {
                return Some(found);
            }
            self.ripe.remove(&epoch);
        }
        None
    }

    fn next_of(&mut self, epoch: Epoch, last: u64) -> Option<Next<L>> {
        // What came by another way while it waited here.
        let known = Span { epoch, from: 1, to: last };
        let old = ..=Dot { epoch, seq: last };
        while let Some((dot, _)) = self.waiting.range(old).next_back()
            && dot.epoch == epoch
        {
            let dot = *dot;
            self.drop_one(dot);
        }
        if last > 0 {
            self.passed.remove_span(known);
        }
        let next = Dot { epoch, seq: last + 1 };
        if let Some((update, sealed, from)) = self.waiting.remove(&next) {
            self.bytes -= cost(&update);
            return Some(Next::Update(update, sealed, from));
        }
        let run = self.passed.spans().find(|span| span.epoch == epoch && span.from == next.seq)?;
        self.passed.remove_span(run);
        Some(Next::Passed(run))
    }
}

fn cost(update: &Update) -> usize {
    update.raw().len() + ENTRY_COST_BYTES
}
