//! Who is there: the links, and the readers that are told once a turn that there are new updates.

use crate::reactor::{ConnId, Ctx};
use std::collections::BTreeSet;

/// The connections that attend.
#[derive(Debug, Default)]
pub(super) struct Audience {
    links: BTreeSet<ConnId>,
    readers: BTreeSet<ConnId>,
    is_announced: bool,
}

impl Audience {
    pub(super) fn add_link(&mut self, conn: ConnId) {
        self.links.insert(conn);
    }

    pub(super) fn add_reader(&mut self, conn: ConnId) {
        self.readers.insert(conn);
    }

    pub(super) fn remove(&mut self, conn: ConnId) {
        self.links.remove(&conn);
        self.readers.remove(&conn);
    }

    pub(super) fn links(&self) -> usize {
        self.links.len()
    }

    pub(super) fn readers(&self) -> usize {
        self.readers.len()
    }

    /// True when the readers have yet to be told in a coming turn, and no call for it is due: one
    /// call then serves all updates of this turn.
    pub(super) fn announce(&mut self) -> bool {
        !self.readers.is_empty() && !std::mem::replace(&mut self.is_announced, true)
    }

    /// Notifies the readers.
    pub(super) fn tell_readers<S: 'static>(&mut self, cx: &mut Ctx<'_, S>) {
        self.is_announced = false;
        for reader in &self.readers {
            cx.transport_of(*reader).notify();
        }
    }
}
