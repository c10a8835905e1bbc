//! The beginning of a stop: nobody new is let in, and clients in use get their last answers before
//! anything is ended.

use super::Class;
use super::ListenerId;
use super::backend::Backend;
use super::board::Due;
use super::conn::{Conn, Flags};
use super::core::Stage;
use super::turn::Reactor;

/// How often it is looked whether clients are left that have yet to hear their last answer.
const LOOK_MS: u64 = 10;
/// How many turns' worth of waiting connections is let in at the end.
const LAST_ROUNDS: usize = 64;

impl<B: Backend, S: 'static> Reactor<B, S> {
    pub(super) fn begin_to_leave(&mut self, state: &mut S) {
        let board = &mut self.core.board;
        let drain_ms = board.settings.drain_ms;
        self.core.drain_timer = Some(board.wheel.arm(board.now + drain_ms, Due::Drain));
        self.core.leaves_at = board.now + board.settings.farewell_ms.min(drain_ms);
        self.core.stage = Stage::Leaving;
        self.close_listeners(state);
        self.look_at_farewells();
    }

    /// Factories stay: whoever shakes hands or waits for a proxy's header gets a protocol still.
    fn close_listeners(&mut self, state: &mut S) {
        for id in self.listener_ids() {
            if self.core.has_successor {
                self.backend.retire(id.token());
                continue;
            }
            self.let_in_who_waits(id, state);
            self.backend.unlisten(id.token());
        }
    }

    /// Whoever waits has been told by the system that there is a connection; a close would reset
    /// it, even where other processes listen on the same port.
    fn let_in_who_waits(&mut self, id: ListenerId, state: &mut S) {
        let has_time = self.core.board.settings.farewell_ms > 0;
        for _ in 0..if has_time { LAST_ROUNDS } else { 0 } {
            self.accept_from(id, state);
            let listener = self.core.listeners.get_mut(id.0);
            let has_more = listener.is_some_and(|one| std::mem::take(&mut one.queued));
            if !has_more {
                break;
            }
        }
    }

    /// Goes on with the stop once no client is in use, or their time is over.
    pub(super) fn look_at_farewells(&mut self) {
        if self.core.stage != Stage::Leaving {
            return;
        }
        let board = &mut self.core.board;
        let (now, farewell_ms) = (board.now, board.settings.farewell_ms);
        let is_in_use = |conn: &Conn| {
            let is_there = conn.class == Class::Client && !conn.is(Flags::DOOMED);
            is_there && now < conn.active + farewell_ms
        };
        let is_over = now >= self.core.leaves_at;
        if is_over || !board.conns.iter().any(|(_, conn)| is_in_use(conn)) {
            self.core.stage = Stage::Left;
            return;
        }
        let due = self.core.leaves_at.min(now + LOOK_MS);
        board.wheel.arm(due, Due::Farewell);
    }
}
