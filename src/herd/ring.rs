//! The few updates that came last, shared by all links of a node: each link is a place in it. A
//! link that falls behind it has lost nothing: it offers what it did not get to say.

use super::gate::Sealed;
use crate::update::{Dot, Kind, Update};
use std::collections::VecDeque;
use std::sync::Arc;

/// What an entry costs beside its bytes, about.
const ENTRY_COST_BYTES: usize = 160;

/// An update that came lately.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) dot: Dot,
    /// Itself and its seal; `None` when it is only to be offered.
    pub(super) push: Option<(Update, Arc<Sealed>)>,
}

impl Fresh {
    fn cost(&self) -> usize {
        self.push.as_ref().map_or(0, |(update, _)| update.raw().len()) + ENTRY_COST_BYTES
    }
}

/// The updates that came last.
#[derive(Debug)]
pub(super) struct Ring {
    bytes_max: usize,
    bytes: usize,
    entries: VecDeque<Fresh>,
    start: u64,
    /// The places of those that overtake others.
    urgent: VecDeque<u64>,
}

impl Ring {
    pub(super) fn new(bytes_max: usize) -> Self {
        let (entries, urgent) = (VecDeque::new(), VecDeque::new());
        Self { bytes_max, bytes: 0, entries, start: 0, urgent }
    }

    /// The place of the oldest that is here.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The place of the next that comes.
    pub(super) fn end(&self) -> u64 {
        self.start + self.entries.len() as u64
    }

    pub(super) fn get(&self, place: u64) -> Option<&Fresh> {
        self.entries.get(usize::try_from(place.checked_sub(self.start)?).ok()?)
    }

    /// The first place at or behind this one of an update that overtakes others.
    pub(super) fn urgent_from(&self, place: u64) -> Option<u64> {
        self.urgent.get(self.urgent.partition_point(|at| *at < place)).copied()
    }

    pub(super) fn push(&mut self, fresh: Fresh) {
        if fresh.push.as_ref().is_some_and(|(update, _)| is_urgent(update)) {
            self.urgent.push_back(self.end());
        }
        self.bytes += fresh.cost();
        self.entries.push_back(fresh);
        while self.bytes > self.bytes_max && self.entries.len() > 1 {
            if let Some(gone) = self.entries.pop_front() {
                self.bytes -= gone.cost();
                self.start += 1;
            }
        }
        while self.urgent.front().is_some_and(|at| *at < self.start) {
            self.urgent.pop_front();
        }
    }
}

/// True for what goes before the bulk of other origins.
pub(super) fn is_urgent(update: &Update) -> bool {
    matches!(update.kind(), Kind::Withdrawal | Kind::Charter | Kind::Account)
}
