//! What a simulation looks at, beside what every desk shows: nothing here changes a node.

use super::Node;
use super::dials::Dialler;
use crate::base::Tick;
use crate::herd::{Charter, Roll};
use crate::reactor::ConnId;

/// Figures of a node at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Updates from peers that were new.
    pub received: u64,
    /// Updates from peers that were known.
    pub duplicates: u64,
    /// Updates handed on, counted on each link.
    pub flooded: u64,
    /// Links that attend.
    pub links: usize,
    /// Writes that wait for the disks of other nodes.
    pub spread_waiting: usize,
    /// Writes that came to the disks of other nodes in time, and those that did not.
    pub spread_ended: (u64, u64),
    /// Audits that came to their end.
    pub audits: u64,
    /// What they found at one of the two only.
    pub audit_differences: u64,
    /// Updates that the log had lost, and has again.
    pub restored: u64,
    /// A batch is on its way to the disk.
    pub is_committing: bool,
    /// So many bytes may wait for the disk at most.
    pub pending_bytes_max: usize,
}

impl Node {
    /// Everyone that the node knows.
    pub fn roll(&self) -> &Roll<ConnId> {
        &self.roll
    }

    /// Who is of the herd, as the node knows it.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// What came from peers and waits in memory for what has to come before it, in bytes.
    pub fn waiting_bytes(&self) -> usize {
        self.relay.waiting_bytes()
    }

    /// For how long a wait on a link should have been over: 0 while all will wake in time.
    pub fn overdue_ms(&self, now: Tick) -> u64 {
        let links = self.roll.members().filter_map(|(_, member)| member.link);
        links
            .filter_map(|link| self.relay.wait_ends(link))
            .map(|due| now.saturating_sub(due))
            .max()
            .unwrap_or(0)
    }

    /// A peer that is to be dialled, and to which there is neither a link nor a dial.
    pub fn forgotten_peer(&self) -> Option<&str> {
        self.diallers
            .iter()
            .filter_map(Dialler::name_if_idle)
            .find(|name| !self.roll.is_linked(name))
    }

    /// Its figures.
    pub fn probe(&self) -> Probe {
        // Beyond the limit for writers, each link may bring its window, and a batch is out.
        let windows = 2 + self.diallers.len() * 4;
        Probe {
            received: self.figures.received,
            duplicates: self.figures.duplicates,
            flooded: self.figures.flooded,
            links: self.audience.links(),
            spread_waiting: self.spread.len(),
            spread_ended: (self.spread.met, self.spread.unmet),
            audits: self.figures.audits,
            audit_differences: self.figures.audit_differences,
            restored: self.figures.restored,
            is_committing: self.commits.is_out(),
            pending_bytes_max: self.config.limits.pending_bytes * windows,
        }
    }
}
