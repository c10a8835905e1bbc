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
        if conn.is(Flags::DOOMED) || conn.is(Flags::DIALING) {
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
        let board = &mut self.core.board;
        let Some(conn) = board.conns.get_mut(id.0) else { return };
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        let mut written = 0;
        while conn.is(Flags::WRITABLE) && !conn.out.is_empty() && written < budget {
            board.stats.writes += 1;
            let (asked, result) = write_once(&mut self.backend, &mut end.socket, &conn.out);
            match result {
                Ok(n) => {
                    conn.out.advance(n);
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
                        board.doom(id, Lost::PeerReset, false);
                        return;
                    }
                },
            }
        }
        if written > 0 {
            conn.active = board.now;
            board.stats.bytes_out += written as u64;
        }
    }

    /// What a flush makes due.
    fn settle_output(&mut self, id: ConnId) {
        let board = &mut self.core.board;
        let low_mark = board.settings.low_mark;
        let Some(conn) = board.conns.get_mut(id.0) else { return };
        if conn.is(Flags::DOOMED) {
            return;
        }
        let waiting = conn.out.len();
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
        let (closing, finishing) = (conn.is(Flags::CLOSING), conn.is(Flags::FINISHING));
        if closing || finishing {
            self.finish(id, closing);
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
