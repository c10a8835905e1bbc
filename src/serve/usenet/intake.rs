//! An article's bytes while they come, counted among all that is under way at this node.

use crate::serve::Desk;

/// What has come of one.
#[derive(Debug, Default)]
pub(in crate::serve) struct Intake {
    bytes: Vec<u8>,
    /// More is under way at this node than it may hold; the rest is dropped.
    is_refused: bool,
}

impl Intake {
    /// Takes a piece of it.
    pub(in crate::serve) fn take<D: Desk>(&mut self, desk: &mut D, bytes: &[u8]) {
        if self.is_refused {
            return;
        }
        let bytes_max = desk.config().limits.bodies_bytes;
        desk.tally().body_bytes += bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        if desk.tally().body_bytes > bytes_max {
            self.is_refused = true;
            self.give(desk);
        }
    }

    /// True when there was no room for all of it.
    pub(in crate::serve) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// All of it, which counts as under way no longer.
    pub(in crate::serve) fn give<D: Desk>(&mut self, desk: &mut D) -> Vec<u8> {
        desk.tally().body_bytes -= self.bytes.len() as u64;
        std::mem::take(&mut self.bytes)
    }
}
