//! Writes that wait for the disk, in the order in which they will be on it; and those on it that
//! wait for other nodes' disks.

use crate::reactor::ConnId;
use crate::serve::{Settled, Ticket};
use crate::update::Dot;
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
    /// Not settled when this node's disk has them: the update, what was asked, and whether it is
    /// on this node's disk. Open ones, and those of the spread.
    wide: BTreeMap<u64, (Dot, u8)>,
    /// Of those, the ones that came to the disk and are to be taken.
    landed: Vec<u64>,
}

impl Tickets {
    /// A ticket for the write that was appended last.
    pub(super) fn issue(&mut self) -> Ticket {
        self.issued += 1;
        self.open.push_back(self.issued);
        Ticket(self.issued)
    }

    /// A ticket for the write that was appended last, which is to be on other nodes' disks, too.
    pub(super) fn issue_wide(&mut self, dot: Dot, asked: u8) -> Ticket {
        let ticket = self.issue();
        self.wide.insert(ticket.0, (dot, asked));
        ticket
    }

    /// How a ticket ended; `None` while it is open.
    pub(super) fn settled(&self, ticket: Ticket) -> Option<Settled> {
        let is_open = self.open.front().is_some_and(|first| *first <= ticket.0)
            && self.open.binary_search(&ticket.0).is_ok();
        if is_open || self.wide.contains_key(&ticket.0) {
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
        let (wide, settled): (Vec<u64>, Vec<u64>) = self
            .open
            .drain(..n.min(self.open.len()))
            .partition(|ticket| self.wide.contains_key(ticket));
        self.landed.extend(wide);
        self.told(&settled)
    }

    /// What came to the disk and is to be on other disks, too: it is open until it is finished.
    pub(super) fn take_wide(&mut self) -> Vec<(Ticket, Dot, u8)> {
        let landed = std::mem::take(&mut self.landed);
        let with_wish = |ticket| {
            let (dot, asked) = self.wide.get(&ticket).copied()?;
            Some((Ticket(ticket), dot, asked))
        };
        landed.into_iter().filter_map(with_wish).collect()
    }

    /// These wait for other nodes no longer: who has to be told.
    pub(super) fn finish(&mut self, tickets: &[Ticket]) -> Vec<ConnId> {
        let finished: Vec<u64> = tickets.iter().map(|ticket| ticket.0).collect();
        self.forget_wide(&finished);
        self.told(&finished)
    }

    /// The last `n` open tickets will never be on disk: who has to be told.
    pub(super) fn refuse_last(&mut self, n: usize) -> Vec<ConnId> {
        let refused: Vec<u64> = self.open.drain(self.open.len().saturating_sub(n)..).collect();
        self.forget_wide(&refused);
        self.refused.extend(refused.first().copied().zip(refused.last().copied()));
        while self.refused.len() > REFUSED_MAX {
            self.refused.pop_front();
        }
        self.told(&refused)
    }

    fn forget_wide(&mut self, tickets: &[u64]) {
        for ticket in tickets {
            self.wide.remove(ticket);
        }
    }

    /// True while any write waits for this node's disk.
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

    #[test]
    fn a_write_for_several_disks_is_settled_when_it_is_finished_or_refused() {
        let mut tickets = Tickets::default();
        let dot = |seq| Dot { epoch: crate::update::Epoch(1), seq };
        let wide = tickets.issue_wide(dot(1), 3);
        let local = tickets.issue();
        let lost = tickets.issue_wide(dot(3), 2);
        tickets.wait(wide, ConnId::NONE);
        assert_eq!(tickets.settle_first(2), []);
        assert!(tickets.is_open(), "one is not on disk");
        assert_eq!(tickets.settled(local), Some(Settled::Done));
        assert_eq!(tickets.settled(wide), None);
        assert_eq!(tickets.take_wide(), [(wide, dot(1), 3)]);
        assert_eq!(tickets.take_wide(), []);
        tickets.refuse_last(1);
        assert_eq!(tickets.settled(lost), Some(Settled::Refused));
        assert!(!tickets.is_open(), "a stop does not wait for other nodes");
        assert_eq!(tickets.finish(&[wide]), [ConnId::NONE]);
        assert_eq!(tickets.settled(wide), Some(Settled::Done));
    }
}
