//! Step 9: writes what a turn left in out-buffers, everything of one connection in one vectored
//! write if the socket takes it; then what was waiting for the flush: low mark, half-close, close.

use std::io::{self, IoSlice};

use super::backend::Backend;
use super::conn::Flags;
use super::turn::Reactor;
use super::{ConnId, Lost};
use crate::base::OutBuf;

/// Slices of one vectored write: small events with shared bodies still fill it well.
const SLICES_MAX: usize = 64;

impl<B: Backend, S: 'static> Reactor<B, S> {
    /// Flushes each connection that was written to, up to `flush_bytes`; the rest goes on in the
    /// next turn if the socket takes more.
    pub(super) fn flush_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.core.board.dirty);
        for id in dirty.drain(..) {
            self.flush(id);
        }
        // Those that `flush` marked again, for the next turn.
        let again = std::mem::replace(&mut self.core.board.dirty, dirty);
        self.core.board.dirty.extend(again);
    }

    fn flush(&mut self, id: ConnId) {
        let board = &mut self.core.board;
        board.measure_before_flush(id);
        let Some(conn) = board.conns.get_mut(id.0) else { return };
        conn.flags.clear(Flags::DIRTY);
        let connects = conn.is(Flags::DIALING) && !conn.is(Flags::SHAKING);
        if conn.is(Flags::DOOMED) || connects {
            return;
        }
        // One that is above its hard cap is given every chance before it is cut.
        let over = conn.excess > 0;
        let budget = if over { usize::MAX } else { board.settings.flush_bytes };
        self.write(id, budget);
        if self.core.board.is_too_slow(id) {
            log::info!("{id}: lost: its reader is too slow");
            return self.core.board.doom(id, Lost::Slow, true);
        }
        self.settle_output(id);
    }

    /// Writes until the buffer is empty, the socket takes no more, or the budget is spent.
    fn write(&mut self, id: ConnId, budget: usize) {
        let mut written = 0;
        while self.seal(id) {
            let board = &mut self.core.board;
            let Some(conn) = board.conns.get_mut(id.0) else { return };
            let Some(end) = self.ends[id.index()].as_mut() else { return };
            let out = match &mut end.tls {
                Some(tls) => &mut tls.sealed,
                None => &mut conn.out,
            };
            if !conn.flags.any(Flags::WRITABLE) || out.is_empty() || written >= budget {
                break;
            }
            board.stats.writes += 1;
            let (asked, result) = write_once(&mut self.backend, &mut end.socket, out);
            match result {
                Ok(n) => {
                    out.advance(n);
                    written += n;
                    if n < asked {
                        conn.flags.clear(Flags::WRITABLE);
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => conn.flags.clear(Flags::WRITABLE),
                    io::ErrorKind::Interrupted => {}
                    _ => {
                        log::debug!("{id}: write: {error}");
                        return self.break_off(id);
                    }
                },
            }
        }
        if written > 0 {
            let board = &mut self.core.board;
            board.stats.bytes_out += written as u64;
            if let Some(conn) = board.conns.get_mut(id.0) {
                conn.active = board.now;
            }
        }
    }

    /// A write failed. In a handshake there is no protocol to tell; its next step finds it.
    fn break_off(&mut self, id: ConnId) {
        let board = &mut self.core.board;
        match board.conns.get_mut(id.0) {
            Some(conn) if conn.is(Flags::SHAKING) => {
                conn.flags.set(Flags::FAILED);
                board.enqueue(id);
            }
            _ => board.doom(id, Lost::PeerReset, false),
        }
    }

    /// Has the TLS filter, if there is one, encipher what waits, and say goodbye behind the last of
    /// it. False when there is nothing to write to.
    fn seal(&mut self, id: ConnId) -> bool {
        let board = &mut self.core.board;
        let Some(end) = self.ends[id.index()].as_mut() else { return false };
        let Some(tls) = &mut end.tls else { return true };
        let Some(conn) = board.conns.get_mut(id.0) else { return false };
        if tls.has_failed() {
            conn.out.clear();
        } else if !conn.is(Flags::SHAKING) {
            if tls.sealed.is_empty() && !conn.out.is_empty() {
                tls.sealed.give_storage(board.spare.take_out());
            }
            let last = conn.is(Flags::CLOSING) || conn.is(Flags::FINISHING);
            let mut sealed = tls.seal(&mut conn.out);
            if sealed.is_ok() && last && conn.out.is_empty() {
                sealed = tls.say_goodbye();
            }
            if let Err(error) = sealed {
                log::info!("{id}: lost: {error}");
                tls.fail();
                conn.out.clear();
                board.close(id, Lost::Wire);
            }
        }
        if let Some(conn) = board.conns.get_mut(id.0) {
            conn.sealed = tls.sealed.len();
        }
        true
    }

    /// What a flush makes due.
    fn settle_output(&mut self, id: ConnId) {
        let board = &mut self.core.board;
        let low_mark = board.settings.low_mark;
        let Some(conn) = board.conns.get_mut(id.0) else { return };
        if conn.is(Flags::DOOMED) {
            return;
        }
        let waiting = conn.waiting();
        if conn.is(Flags::FULL) && waiting < low_mark.max(1) {
            conn.flags.clear(Flags::FULL);
            if !conn.is(Flags::CLOSING) {
                conn.flags.set(Flags::DRAINED);
                board.enqueue(id);
            }
        }
        if waiting > 0 {
            if board.conns.get(id.0).is_some_and(|conn| conn.is(Flags::WRITABLE)) {
                board.mark_dirty(id);
            }
            return;
        }
        let Some(conn) = board.conns.get_mut(id.0) else { return };
        board.spare.put_out(conn.out.take_storage());
        if let Some(tls) = self.ends[id.index()].as_mut().and_then(|end| end.tls.as_mut()) {
            board.spare.put_out(tls.sealed.take_storage());
        }
        let (closing, finishing) = (conn.is(Flags::CLOSING), conn.is(Flags::FINISHING));
        if closing || finishing {
            self.finish(id, closing);
        } else if let Some(with) = conn.upgrade.take() {
            self.upgrade(id, &with);
        }
    }

    /// Everything is flushed and nothing more will come: shuts the write side down. A closing
    /// connection then waits for the peer's end, so that no reset overtakes our last bytes.
    fn finish(&mut self, id: ConnId, closing: bool) {
        let board = &mut self.core.board;
        let Some(conn) = board.conns.get_mut(id.0) else { return };
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        if closing && conn.is(Flags::EOF) {
            let reason = conn.reason;
            return board.doom(id, reason, false);
        }
        if !conn.is(Flags::FINISHED) {
            conn.flags.set(Flags::FINISHED);
            conn.active = board.now;
            if let Err(error) = self.backend.shutdown_write(&mut end.socket) {
                log::debug!("{id}: shutdown: {error}");
                let reason = if closing { conn.reason } else { Lost::PeerReset };
                return board.doom(id, reason, false);
            }
        }
        if closing {
            board.enqueue(id);
        } else {
            self.end_if_both_sides_are_shut(id);
        }
    }
}

/// One write of what waits: how many bytes were offered, and how many were taken.
fn write_once<B: Backend>(
    backend: &mut B,
    socket: &mut B::Socket,
    out: &OutBuf,
) -> (usize, io::Result<usize>) {
    if let Some(bytes) = out.as_one() {
        return (bytes.len(), backend.write(socket, &[IoSlice::new(bytes)]));
    }
    let (slices, used) = out.io_slices::<SLICES_MAX>();
    let asked = slices[..used].iter().map(|slice| slice.len()).sum();
    (asked, backend.write(socket, &slices[..used]))
}
