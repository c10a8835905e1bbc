//! The end of a turn: stops drain, lost connections are told and their slots freed. The one place
//! where a connection ceases to be.

use super::backend::{Backend, Close};
use super::conn::Flags;
use super::core::{Call, Stage};
use super::shake::last_words;
use super::turn::{Reactor, Role};
use super::{ConnId, ConnectError, ListenerId, Lost};

impl<B: Backend, S: 'static> Reactor<B, S> {
    /// True when a stop can take its next step without waiting.
    pub(super) fn is_stop_due(&self) -> bool {
        match self.core.stage {
            Stage::Running | Stage::Leaving => false,
            Stage::Held => self.core.holds == 0,
            Stage::Closing => self.core.board.conns.is_empty(),
            Stage::Asked | Stage::Left | Stage::Over => true,
        }
    }

    /// Takes a stop as far as it goes now.
    pub(super) fn drain(&mut self, state: &mut S) {
        if self.core.stage == Stage::Asked {
            self.begin_to_leave(state);
        }
        if self.core.stage == Stage::Left {
            self.begin_drain(state);
        }
        if self.core.stage == Stage::Held && self.core.holds == 0 {
            self.core.stage = Stage::Closing;
            for id in self.conn_ids() {
                let conn = self.core.board.conns.get(id.0);
                if conn.is_some_and(|conn| conn.is(Flags::RAW)) {
                    // A handshake that was begun since: there is nobody to say goodbye to.
                    self.core.board.doom(id, Lost::Shutdown, false);
                } else {
                    self.core.board.close(id, Lost::Shutdown);
                }
            }
            // What is flushed already need not wait for another turn.
            self.flush_dirty();
        }
        if self.core.stage == Stage::Over {
            for id in self.conn_ids() {
                self.core.board.doom(id, Lost::Shutdown, true);
            }
        }
    }

    fn begin_drain(&mut self, state: &mut S) {
        self.core.stage = Stage::Held;
        self.forget_listeners();
        self.fail_dials(state);
        self.end_handshakes();
        if let Some(mut hook) = self.on_stop.take() {
            self.guarded("stop hook", state, |cx, state| hook(cx, state));
            self.on_stop.get_or_insert(hook);
        }
    }

    fn forget_listeners(&mut self) {
        for id in self.listener_ids() {
            self.core.listeners.remove(id.0);
        }
    }

    /// Accepted connections that have no protocol yet get none.
    fn end_handshakes(&mut self) {
        for id in self.conn_ids() {
            if self.core.board.conns.get(id.0).is_some_and(|conn| conn.is(Flags::RAW)) {
                self.core.board.doom(id, Lost::Shutdown, false);
            }
        }
    }

    pub(super) fn listener_ids(&self) -> Vec<ListenerId> {
        self.core.listeners.iter().map(|(key, _)| ListenerId(key)).collect()
    }

    fn fail_dials(&mut self, state: &mut S) {
        let dials: Vec<_> = self.core.dials.iter().map(|(key, _)| key).collect();
        for key in dials {
            if let Some(dial) = self.core.dials.get_mut(key) {
                dial.why = ConnectError::Stopping;
            }
            self.fail_dial(key, state);
        }
    }

    pub(super) fn drain_timed_out(&mut self) {
        if !matches!(self.core.stage, Stage::Running | Stage::Asked | Stage::Over) {
            log::warn!(
                "the drain's time is over: dropping {} connections",
                self.core.board.conns.len()
            );
            self.core.stage = Stage::Over;
        }
    }

    fn conn_ids(&self) -> Vec<ConnId> {
        self.core.board.conns.iter().map(|(key, _)| ConnId(key)).collect()
    }

    /// Step 11: closes sockets, tells protocols, frees slots. Those lost by a `lost` follow at
    /// once.
    pub(super) fn reap(&mut self, state: &mut S) {
        while let Some(id) = self.core.board.doomed.pop() {
            self.reap_one(id, state);
        }
        if self.core.stage == Stage::Closing && self.core.board.conns.is_empty() {
            self.core.stage = Stage::Over;
        }
    }

    fn reap_one(&mut self, id: ConnId, state: &mut S) {
        self.stop_shaking(id);
        let Some(conn) = self.core.board.conns.get(id.0) else { return };
        let (reason, peer, class) = (conn.reason, conn.peer, conn.class);
        let (reset, accepted) = (conn.is(Flags::RESET), conn.listener.is_some());
        let nameless = conn.is(Flags::NAMELESS);
        let Some(mut end) = self.ends[id.index()].take() else { return };
        if !reset && let Some(tls) = &mut end.tls {
            // So that the peer can tell it from a connection that was cut.
            match tls.say_goodbye() {
                Ok(()) => last_words(&mut self.backend, &mut end.socket, &mut tls.sealed),
                Err(error) => log::debug!("{id}: goodbye: {error}"),
            }
        }
        self.backend.close(end.socket, if reset { Close::Reset } else { Close::Orderly });
        if let Role::Up(mut protocol) = end.role {
            self.tell_lost(id, state, protocol.as_mut(), reason);
            self.core.board.stats.closed(class, reason);
        }
        if let Some(conn) = self.core.board.conns.remove(id.0)
            && let Some((_, timer)) = conn.timer
        {
            self.core.board.wheel.cancel(timer);
        }
        if accepted {
            self.uncount_accepted((!nameless).then_some(&peer));
        }
    }

    /// True once the loop is over; it is then as new, but for its counters, and may be set up and
    /// run again.
    pub(super) fn has_ended(&mut self) -> bool {
        if self.core.stage != Stage::Over {
            return false;
        }
        self.core.stage = Stage::Running;
        for id in self.listener_ids() {
            self.core.listeners.remove(id.0);
            self.backend.unlisten(id.token());
        }
        self.core.holds = 0;
        if let Some(timer) = self.core.drain_timer.take() {
            self.core.board.wheel.cancel(timer);
        }
        let calls: Vec<_> = self.core.calls.iter().map(|(key, _)| key).collect();
        for key in calls {
            if let Some(Call::Finish(_)) = self.core.calls.remove(key) {
                self.core.pool.jobs -= 1;
            }
        }
        // Made by the last words of protocols.
        let dials: Vec<_> = self.core.dials.iter().map(|(key, _)| key).collect();
        for key in dials {
            drop(self.core.take_dial(key));
        }
        self.core.dialing.clear();
        true
    }
}
