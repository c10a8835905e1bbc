//! Writes that wait for the disk, in the order in which they will be on it.

use crate::reactor::ConnId;
use crate::serve::{Settled, Ticket};
use std::collections::{BTreeMap, VecDeque};

/// How many failed batches are remembered; their askers are notified at once and ask at once.
const REFUSED_MAX: usize = 1024;

/// Numbers for waiting writes, and who waits for which.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    issued: u64,
    /// Not settled yet, ascending.
    open: VecDeque<u64>,
    /// First and last of the tickets that each failed batch refused; nothing between them was kept.
    refused: VecDeque<(u64, u64)>,
    waiting: BTreeMap<u64, Vec<ConnId>>,
}

impl Tickets {
    /// A ticket for the write that was appended last.
    pub(super) fn issue(&mut self) -> Ticket {
        self.issued += 1;
        self.open.push_back(self.issued);
        Ticket(self.issued)
    }

    /// How a ticket ended; `None` while it is open.
    pub(super) fn settled(&self, ticket: Ticket) -> Option<Settled> {
        let is_open = self.open.front().is_some_and(|first| *first <= ticket.0)
            && self.open.binary_search(&ticket.0).is_ok();
        if is_open {
            None
        } else if self.refused.iter().any(|(first, last)| (*first..=*last).contains(&ticket.0)) {
            Some(Settled::Refused)
        } else {
            Some(Settled::Done)
        }
    }

    pub(super) fn wait(&mut self, ticket: Ticket, conn: ConnId) {
        self.waiting.entry(ticket.0).or_default().push(conn);
    }

    /// The first `n` open tickets are on disk: who has to be told.
    pub(super) fn settle_first(&mut self, n: usize) -> Vec<ConnId> {
        let settled: Vec<u64> = self.open.drain(..n.min(self.open.len())).collect();
        self.told(&settled)
    }

    /// The last `n` open tickets will never be on disk: who has to be told.
    pub(super) fn refuse_last(&mut self, n: usize) -> Vec<ConnId> {
        let refused: Vec<u64> = self.open.drain(self.open.len().saturating_sub(n)..).collect();
        self.refused.extend(refused.first().copied().zip(refused.last().copied()));
        while self.refused.len() > REFUSED_MAX {
            self.refused.pop_front();
        }
        self.told(&refused)
    }

    /// True while any write waits.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    fn told(&mut self, tickets: &[u64]) -> Vec<ConnId> {
        tickets.iter().filter_map(|ticket| self.waiting.remove(ticket)).flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_settled_from_the_front_and_refused_from_the_back() {
        let mut tickets = Tickets::default();
        let issued: Vec<Ticket> = (0..5).map(|_| tickets.issue()).collect();
        tickets.wait(issued[1], ConnId::NONE);
        tickets.wait(issued[4], ConnId::NONE);
        assert_eq!(tickets.settled(issued[0]), None);
        assert_eq!(tickets.settle_first(1), []);
        assert_eq!(tickets.settle_first(1), [ConnId::NONE]);
        assert_eq!(tickets.refuse_last(2), [ConnId::NONE]);
        let ends: Vec<_> = issued.iter().map(|ticket| tickets.settled(*ticket)).collect();
        let (done, refused) = (Some(Settled::Done), Some(Settled::Refused));
        assert_eq!(ends, [done, done, None, refused, refused]);
        let later = tickets.issue();
        assert_eq!(tickets.settled(later), None);
        tickets.settle_first(2);
        assert_eq!(tickets.settled(later), done);
    }
}
