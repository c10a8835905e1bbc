//! Who is at a console of this node: for `who`, and so that all can be told that it stops.

use crate::base::Tick;
use crate::reactor::{ConnId, Ctx};
use std::collections::BTreeMap;

/// The consoles that are open: one value for the whole node. As many as there are connections.
#[derive(Debug, Default)]
pub struct Sessions(BTreeMap<ConnId, Session>);

/// One of them.
#[derive(Debug)]
struct Session {
    /// Empty for who has not logged in.
    name: Box<str>,
    since: Tick,
}

impl Sessions {
    /// A console is opened.
    pub(super) fn enter(&mut self, conn: ConnId, now: Tick) {
        self.0.insert(conn, Session { name: Box::default(), since: now });
    }

    /// Its user is known by this name now; empty: no more.
    pub(super) fn name(&mut self, conn: ConnId, name: &str) {
        if let Some(session) = self.0.get_mut(&conn) {
            session.name = name.into();
        }
    }

    /// It is gone.
    pub(super) fn leave(&mut self, conn: ConnId) {
        self.0.remove(&conn);
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// All of them, the oldest first: connection, name, and since when.
    pub(super) fn all(&self) -> Vec<(ConnId, &str, Tick)> {
        let mut all: Vec<_> =
            self.0.iter().map(|(conn, session)| (*conn, &*session.name, session.since)).collect();
        all.sort_by_key(|(conn, _, since)| (*since, *conn));
        all
    }

    /// Notifies all consoles: the node is about to stop.
    pub fn tell<S: 'static>(&self, cx: &mut Ctx<'_, S>) {
        for conn in self.0.keys() {
            cx.transport_of(*conn).notify();
        }
    }
}
