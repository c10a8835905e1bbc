//! Connectors: each target in turn until one connects or the time is over.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::backend::{Backend, Close};
use super::conn::{Conn, Flags};
use super::core::{Dial, Stage};
use super::turn::{Reactor, Role, build};
use super::{ConnId, ConnectError, Peer};
use crate::base::Key;

impl<B: Backend, S: 'static> Reactor<B, S> {
    /// Step 10: tries the next target of each connector that waits for that.
    pub(super) fn start_dials(&mut self, state: &mut S) {
        for key in std::mem::take(&mut self.core.dialing) {
            self.start_dial(key, state);
        }
    }

    pub(super) fn start_dial(&mut self, key: Key, state: &mut S) {
        let stopping = self.core.stage != Stage::Running;
        while let Some(dial) = self.core.dials.get_mut(key) {
            if stopping {
                dial.why = ConnectError::Stopping;
                return self.fail_dial(key, state);
            }
            let Some(target) = dial.targets.pop_front() else {
                return self.fail_dial(key, state);
            };
            let socket = match self.backend.connect(&target) {
                Ok(socket) => socket,
                Err(error) => {
                    dial.why = error.into();
                    continue;
                }
            };
            let mut conn = Conn::new(Peer::Unix, dial.class, self.core.board.now);
            conn.idle_ms = dial.idle_ms;
            conn.flags.set(Flags::DIALING);
            let id = self.install(conn, socket, Role::Dialing(key));
            if let (Some(id), Some(dial)) = (id, self.core.dials.get_mut(key)) {
                dial.conn = id;
                return;
            }
        }
    }

    /// An event came for a socket that connects.
    pub(super) fn finish_dial(&mut self, id: ConnId, state: &mut S) {
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        let Role::Dialing(key) = end.role else { return };
        match self.backend.connected(&mut end.socket) {
            Ok(None) => {}
            Ok(Some(peer)) => {
                match self.core.dials.get_mut(key).and_then(|dial| dial.secure.clone()) {
                    Some(secure) => self.greet(id, peer, &secure, state),
                    None => self.promote(id, key, peer, state),
                }
            }
            Err(error) => {
                self.drop_socket(id);
                if let Some(dial) = self.core.dials.get_mut(key) {
                    dial.why = error.into();
                    dial.conn = ConnId::NONE;
                }
                self.start_dial(key, state);
            }
        }
    }

    /// The socket is connected, and secured if it has to be: it gets its protocol.
    pub(super) fn promote(&mut self, id: ConnId, key: Key, peer: Peer, state: &mut S) {
        let Some(mut dial) = self.core.take_dial(key) else { return self.drop_socket(id) };
        let built = build(dial.factory.as_mut(), &peer, state).unwrap_or_else(|panic| {
            self.core.log_panic("factory", panic.as_ref());
            None
        });
        let (Some(protocol), Some(end)) = (built, self.ends[id.index()].as_mut()) else {
            return self.drop_socket(id);
        };
        end.role = Role::Up(protocol);
        let now = self.core.board.now;
        if let Some(conn) = self.core.board.conns.get_mut(id.0) {
            conn.flags.clear(Flags::DIALING);
            // The event that told of the connect may have told of bytes, too.
            conn.flags.set(Flags::WRITABLE);
            conn.peer = peer;
            conn.active = now;
        }
        self.core.board.stats.connected += 1;
        self.came_up(id, state);
        self.core.board.enqueue(id);
    }

    pub(super) fn dial_timed_out(&mut self, key: Key, state: &mut S) {
        if let Some(dial) = self.core.dials.get_mut(key) {
            dial.why = ConnectError::TimedOut;
            self.fail_dial(key, state);
        }
    }

    /// Tells a connector's factory that nothing came of it.
    pub(super) fn fail_dial(&mut self, key: Key, state: &mut S) {
        let Some(dial) = self.core.take_dial(key) else { return };
        self.drop_socket(dial.conn);
        self.core.board.stats.connect_failed += 1;
        let Dial { mut factory, why, .. } = dial;
        let mut cx = self.core.cx(&mut self.backend, ConnId::NONE);
        let told = catch_unwind(AssertUnwindSafe(|| factory.failed(&mut cx, state, why)));
        if let Err(panic) = told {
            self.core.log_panic("factory", panic.as_ref());
        }
    }

    /// Forgets a socket that never became a connection.
    pub(super) fn drop_socket(&mut self, id: ConnId) {
        if self.core.board.conns.remove(id.0).is_some()
            && let Some(end) = self.ends[id.index()].take()
        {
            self.backend.close(end.socket, Close::Orderly);
        }
    }
}
