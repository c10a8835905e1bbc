//! The switchboard: all connections, the queues they stand in, and the timer wheel. Everything
//! that a [`Transport`](super::Transport) may touch; no socket, no protocol.

use std::collections::VecDeque;

use super::conn::{Conn, Flags};
use super::{ConnId, LoopStats, Lost, Settings};
use crate::base::{Key, OutBuf, Slots, Tick, Wheel};

/// What a timer of the wheel stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A connection's idle time, time-out or closing deadline.
    Conn(ConnId),
    /// A call of `call_later`, or the end of a job in a simulation.
    Call(Key),
    /// A connector's time is over.
    Dial(Key),
    /// A listener that ran out of descriptors tries again.
    Accept(super::ListenerId),
    /// Who is left of those that a stop lets have their last answers is looked at again.
    Farewell,
    /// A stop has waited long enough.
    Drain,
}

pub(super) struct Board {
    pub(super) settings: Settings,
    pub(super) now: Tick,
    pub(super) conns: Slots<Conn>,
    pub(super) wheel: Wheel<Due>,
    /// To be visited.
    pub(super) ready: VecDeque<ConnId>,
    /// When the connection that is visited, or was last, took its first event; by the fine clock.
    pub(super) visit_ns: u64,
    /// To be flushed.
    pub(super) dirty: Vec<ConnId>,
    /// To be reaped.
    pub(super) doomed: Vec<ConnId>,
    pub(super) spare: Spare,
    pub(super) stats: LoopStats,
    /// Takes what is written to connections that are gone or closing.
    sink: OutBuf,
}

impl Board {
    pub(super) fn new(settings: Settings, now: Tick) -> Self {
        Self {
            spare: Spare::new(settings.read_bytes),
            settings,
            now,
            conns: Slots::new(),
            wheel: Wheel::new(now),
            ready: VecDeque::new(),
            visit_ns: 0,
            dirty: Vec::new(),
            doomed: Vec::new(),
            stats: LoopStats::new(),
            sink: OutBuf::new(),
        }
    }

    /// A connection that still takes verbs: up, neither closing nor gone.
    pub(super) fn open(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.conns.get_mut(id.0).filter(|conn| !conn.is(Flags::OVER))
    }

    /// Puts a connection into the ready queue, once.
    pub(super) fn enqueue(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id.0)
            && !conn.flags.any(Flags::QUEUED)
        {
            conn.flags.set(Flags::QUEUED);
            self.ready.push_back(id);
        }
    }

    /// Puts a connection into the list to flush, once.
    pub(super) fn mark_dirty(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id.0)
            && !conn.flags.any(Flags::DIRTY)
        {
            conn.flags.set(Flags::DIRTY);
            self.dirty.push(id);
        }
    }

    /// The out-buffer to append to, marked to be flushed; a sink when nothing may be written.
    pub(super) fn out(&mut self, id: ConnId) -> &mut OutBuf {
        if self.has_grown_past_its_cap(id) {
            self.doom(id, Lost::Slow, true);
        }
        let writable = |conn: &Conn| {
            let ends = conn.is(Flags::FINISHING) || conn.is(Flags::FINISHED);
            !conn.is(Flags::OVER) && !ends && !conn.is(Flags::UPGRADING)
        };
        match self.conns.get_mut(id.0) {
            Some(conn) if writable(conn) => {
                if !conn.flags.any(Flags::DIRTY) {
                    conn.flags.set(Flags::DIRTY);
                    self.dirty.push(id);
                }
                if conn.out.is_empty() && conn.out.tail().capacity() == 0 {
                    conn.out.give_storage(self.spare.take_out());
                }
                &mut conn.out
            }
            _ => {
                self.sink.clear();
                &mut self.sink
            }
        }
    }

    /// Measures an out-buffer before more is added to it; true when too much was added to one
    /// that was already above its hard cap.
    fn has_grown_past_its_cap(&mut self, id: ConnId) -> bool {
        let Some(conn) = self.conns.get_mut(id.0) else { return false };
        let cap = self.settings.out_bytes_max(conn.class);
        measure(conn, cap);
        conn.excess > cap
    }

    /// After a flush: true when the out-buffer is above its hard cap and was added to meanwhile.
    pub(super) fn is_too_slow(&mut self, id: ConnId) -> bool {
        let Some(conn) = self.conns.get_mut(id.0) else { return false };
        let cap = self.settings.out_bytes_max(conn.class);
        conn.measured = conn.waiting();
        if conn.measured <= cap {
            conn.excess = 0;
        }
        conn.excess > self.settings.high_mark
    }

    /// Before a flush: notes bytes added since the last measure, and the high mark.
    pub(super) fn measure_before_flush(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id.0) else { return };
        let cap = self.settings.out_bytes_max(conn.class);
        measure(conn, cap);
        self.note_fullness(id);
    }

    /// Notes that an out-buffer is at its high mark; a flush notes when it is no longer.
    pub(super) fn note_fullness(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id.0)
            && conn.waiting() >= self.settings.high_mark
        {
            conn.flags.set(Flags::FULL);
        }
    }

    /// Starts close-after-flush. The first reason stays.
    pub(super) fn close(&mut self, id: ConnId, reason: Lost) {
        let now = self.now;
        let Some(conn) = self.open(id) else { return };
        let ended_by_peer = conn.is(Flags::EOF) && reason == Lost::Local;
        conn.reason = if ended_by_peer { Lost::PeerClosed } else { reason };
        conn.flags.set(Flags::CLOSING);
        conn.closing_since = now;
        conn.active = now;
        self.mark_dirty(id);
        self.rearm(id);
        self.enqueue(id);
    }

    /// Has a connection reaped at the end of the turn.
    pub(super) fn doom(&mut self, id: ConnId, reason: Lost, reset: bool) {
        let Some(conn) = self.conns.get_mut(id.0) else { return };
        if conn.is(Flags::DOOMED) {
            return;
        }
        if conn.is(Flags::DIALING) {
            // Whoever dials finds it there, and may have other addresses to try.
            conn.flags.set(Flags::FAILED);
            return self.enqueue(id);
        }
        conn.reason = reason;
        conn.flags.set(Flags::DOOMED);
        if reset {
            conn.flags.set(Flags::RESET);
        }
        self.doomed.push(id);
    }

    /// Sees that the connection's timer fires no later than it must. One that fires too early
    /// finds nothing due and is armed again: a busy connection costs no wheel operation.
    pub(super) fn rearm(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id.0) else { return };
        let due = conn.due(self.settings.linger_ms, self.settings.close_ms_max);
        let Some(due) = due else { return };
        match conn.timer {
            Some((armed, _)) if armed <= due => return,
            Some((_, key)) => drop(self.wheel.cancel(key)),
            None => {}
        }
        conn.timer = Some((due, self.wheel.arm(due, Due::Conn(id))));
    }
}

/// Counts what was added since the last measure as excess, if the buffer was above its cap then.
fn measure(conn: &mut Conn, cap: usize) {
    let len = conn.waiting();
    if conn.measured > cap {
        conn.excess += len.saturating_sub(conn.measured);
    }
    conn.measured = len;
}

/// Storage that connections share, so that idle ones hold none.
pub(super) struct Spare {
    pub(super) read_bytes: usize,
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
    /// Capacity of all `outputs`.
    output_bytes: usize,
}

/// Inputs are used one at a time but for those with long rests.
const INPUTS_MAX: usize = 32;
/// What an output starts with: most answers fit. Many connections hold one at a time, from their
/// visit to the flush of the same turn.
const OUTPUT_BYTES: usize = 4 << 10;
/// What outputs are kept for the next turn; those that grew are as welcome as others.
const OUTPUT_BYTES_MAX: usize = 4 << 20;

impl Spare {
    pub(super) fn new(read_bytes: usize) -> Self {
        Self { read_bytes, inputs: Vec::new(), outputs: Vec::new(), output_bytes: 0 }
    }

    /// Bytes kept for later use.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.inputs.iter().map(Vec::capacity).sum::<usize>() + self.output_bytes
    }

    /// Storage of `read_bytes` initialized bytes for an input buffer.
    pub(super) fn take_in(&mut self) -> Vec<u8> {
        self.inputs.pop().unwrap_or_else(|| vec![0; self.read_bytes])
    }

    pub(super) fn put_in(&mut self, storage: Vec<u8>) {
        let fits = storage.len() >= self.read_bytes && storage.capacity() <= 2 * self.read_bytes;
        if fits && self.inputs.len() < INPUTS_MAX {
            self.inputs.push(storage);
        }
    }

    pub(super) fn take_out(&mut self) -> Vec<u8> {
        let Some(storage) = self.outputs.pop() else { return Vec::with_capacity(OUTPUT_BYTES) };
        self.output_bytes -= storage.capacity();
        storage
    }

    pub(super) fn put_out(&mut self, mut storage: Vec<u8>) {
        let bytes = storage.capacity();
        let fits = (OUTPUT_BYTES..=OUTPUT_BYTES_MAX / 16).contains(&bytes);
        if fits && self.output_bytes + bytes <= OUTPUT_BYTES_MAX {
            storage.clear();
            self.output_bytes += bytes;
            self.outputs.push(storage);
        }
    }
}
