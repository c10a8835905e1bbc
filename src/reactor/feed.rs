//! Step 8: a visit to one connection that is ready. Reads once, offers the input to the protocol,
//! tells of the end of input, and sees that the connection is visited again if it must be.

use std::io;

use super::backend::Backend;
use super::board::{Board, Spare};
use super::conn::{Conn, Flags};
use super::shake::note_inside;
use super::turn::{End, Reactor, Storage};
use super::{ConnId, Lost};
use crate::base::InBuf;

impl<B: Backend, S: 'static> Reactor<B, S> {
    pub(super) fn visit(&mut self, id: ConnId, state: &mut S) {
        let Some(conn) = self.core.board.conns.get_mut(id.0) else { return };
        conn.flags.clear(Flags::QUEUED);
        if conn.is(Flags::DOOMED) {
            return;
        }
        if conn.is(Flags::NAMELESS) {
            return self.hear_proxy(id, state);
        }
        if conn.is(Flags::SHAKING) {
            return self.shake(id, state);
        }
        if conn.is(Flags::DIALING) {
            return self.finish_dial(id, state);
        }
        let closing = conn.is(Flags::CLOSING);
        let unread = conn.is(Flags::EOF) || (!closing && conn.is_held());
        if conn.is(Flags::FAILED) && unread {
            // No read will tell, and nothing that is held back could be answered.
            return self.core.board.doom(id, Lost::PeerReset, false);
        }
        if conn.is(Flags::CLOSING) {
            return self.discard(id);
        }
        if conn.flags.take(Flags::DRAINED) {
            self.call(id, state, |protocol, cx, state, _| protocol.drained(cx, state));
        }
        if self.take_flag(id, Flags::NOTIFIED) {
            self.call(id, state, |protocol, cx, state, _| protocol.notified(cx, state));
        }
        self.fill(id);
        self.feed(id, state);
        self.tell_end(id, state);
        self.settle_input(id);
        if self.core.board.conns.get(id.0).is_some_and(Conn::has_work) {
            self.core.board.enqueue(id);
        }
    }

    /// Takes a flag of a connection that still takes calls.
    fn take_flag(&mut self, id: ConnId, flag: Flags) -> bool {
        self.core.board.open(id).is_some_and(|conn| conn.flags.take(flag))
    }

    /// One read of at most `read_bytes`.
    fn fill(&mut self, id: ConnId) {
        let board = &mut self.core.board;
        let Some(conn) = board.conns.get_mut(id.0) else { return };
        if !conn.may_read() {
            return;
        }
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        if conn.input_bytes_max <= end.input.len() {
            // `more` stopped the protocol: what is held is offered first.
            if !conn.is(Flags::UNFED) {
                log::info!("{id}: lost: {} bytes came and none was used", end.input.len());
                board.doom(id, Lost::Limit, false);
            }
            return;
        }
        lend_storage(&mut end.input, &mut end.storage, || board.spare.take_in());
        end.input.set_cap(conn.input_bytes_max);
        if end.tls.is_some() {
            return self.fill_through(id);
        }
        let read = read_once(&mut self.backend, board, id, &mut end.socket, &mut end.input);
        let Some(conn) = board.conns.get_mut(id.0) else { return };
        match read {
            Read::Bytes => conn.flags.set(Flags::UNFED),
            Read::End => conn.flags.set(Flags::EOF),
            Read::Nothing => {}
            Read::Failed => board.doom(id, Lost::PeerReset, false),
        }
    }

    /// The same through the TLS filter, which gives first what it held back for want of room.
    fn fill_through(&mut self, id: ConnId) {
        let board = &mut self.core.board;
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        let End { socket, input, tls: Some(tls), .. } = end else { return };
        let read = if board.conns.get(id.0).is_some_and(|conn| conn.is(Flags::INSIDE)) {
            Read::Nothing
        } else {
            lend_storage(&mut tls.raw, &mut tls.storage, || board.spare.take_in());
            read_once(&mut self.backend, board, id, socket, &mut tls.raw)
        };
        let Some(conn) = board.conns.get_mut(id.0) else { return };
        let before = input.len();
        let opened = tls.open(input);
        self.backend.overhear(&input.data()[before..]);
        if input.len() > before {
            conn.flags.set(Flags::UNFED);
        }
        note_inside(conn, tls);
        conn.sealed = tls.sealed.len();
        let (has_ended, answers) = (conn.is(Flags::EOF), conn.sealed > 0);
        if answers {
            board.mark_dirty(id);
        }
        match (opened, read) {
            (Err(error), _) => {
                log::info!("{id}: lost: {error}");
                tls.fail();
                board.close(id, Lost::Wire);
            }
            // An end that nobody signed is as good as a reset: what is missing is not known.
            (Ok(()), Read::Failed | Read::End) if !has_ended => {
                board.doom(id, Lost::PeerReset, false);
            }
            _ => {}
        }
    }

    /// Offers the input once.
    fn feed(&mut self, id: ConnId, state: &mut S) {
        let Some(conn) = self.core.board.open(id) else { return };
        if conn.is_held() || !conn.flags.take(Flags::UNFED) {
            return;
        }
        let is_owed = conn.flags.take(Flags::CUT_SHORT);
        if is_owed || self.ends[id.index()].as_ref().is_some_and(|end| !end.input.is_empty()) {
            self.call(id, state, |protocol, cx, state, input| protocol.received(cx, state, input));
        }
    }

    /// Tells of the end of input once everything before it was offered.
    fn tell_end(&mut self, id: ConnId, state: &mut S) {
        let Some(conn) = self.core.board.open(id) else { return };
        let held = conn.is_held() || conn.is(Flags::UNFED);
        if held || !conn.is(Flags::EOF) || conn.is(Flags::EOF_TOLD) {
            return;
        }
        conn.flags.set(Flags::EOF_TOLD);
        self.call(id, state, |protocol, cx, state, input| protocol.read_closed(cx, state, input));
        self.end_if_both_sides_are_shut(id);
    }

    /// Nothing can happen any more on a connection that neither side writes to.
    pub(super) fn end_if_both_sides_are_shut(&mut self, id: ConnId) {
        if let Some(conn) = self.core.board.open(id)
            && conn.is(Flags::FINISHED)
            && conn.is(Flags::EOF_TOLD)
        {
            self.core.board.doom(id, Lost::PeerClosed, false);
        }
    }

    /// Gives storage back that a connection does not need while it waits.
    pub(super) fn settle_input(&mut self, id: ConnId) {
        let board = &mut self.core.board;
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        let readable = board.conns.get(id.0).is_some_and(|conn| conn.is(Flags::READABLE));
        board.spare.settle(&mut end.input, &mut end.storage, readable);
        if let Some(tls) = &mut end.tls {
            board.spare.settle(&mut tls.raw, &mut tls.storage, readable);
        }
    }

    /// Reads and throws away what still comes on a closing connection, so that no reset eats the
    /// last bytes we sent; within bounds.
    fn discard(&mut self, id: ConnId) {
        let board = &mut self.core.board;
        let Some(conn) = board.conns.get_mut(id.0) else { return };
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        end.input.take_all();
        board.spare.settle(&mut end.input, &mut end.storage, false);
        if let Some(tls) = &mut end.tls {
            tls.raw.take_all();
            board.spare.settle(&mut tls.raw, &mut tls.storage, false);
        }
        if !conn.is(Flags::READABLE) || conn.is(Flags::EOF) {
            return;
        }
        let mut scratch = board.spare.take_in();
        let read = self.backend.read(&mut end.socket, &mut scratch);
        let (asked, finished) = (scratch.len(), conn.is(Flags::FINISHED));
        board.spare.put_in(scratch);
        board.stats.reads += 1;
        match read {
            Ok(0) => {
                conn.flags.set(Flags::EOF);
                let reason = conn.reason;
                if finished {
                    board.doom(id, reason, false);
                }
            }
            Ok(n) => {
                board.stats.bytes_in += n as u64;
                conn.discarded += n;
                if n < asked && !conn.is(Flags::READ_CLOSING) {
                    conn.flags.clear(Flags::READABLE);
                }
                if conn.discarded > board.settings.linger_bytes {
                    conn.flags.clear(Flags::READABLE);
                    let reason = conn.reason;
                    if finished {
                        board.doom(id, reason, false);
                    }
                }
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => conn.flags.clear(Flags::READABLE),
                io::ErrorKind::Interrupted => {}
                _ => {
                    let reason = if finished { conn.reason } else { Lost::PeerReset };
                    board.doom(id, reason, false);
                }
            },
        }
        if board.conns.get(id.0).is_some_and(Conn::has_work) {
            board.enqueue(id);
        }
    }
}

/// What came of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Bytes,
    /// The peer's end.
    End,
    Nothing,
    Failed,
}

/// One read of at most `read_bytes` into a buffer, and what it tells of the socket.
pub(super) fn read_once<B: Backend>(
    backend: &mut B,
    board: &mut Board,
    id: ConnId,
    socket: &mut B::Socket,
    buffer: &mut InBuf,
) -> Read {
    let Some(conn) = board.conns.get_mut(id.0) else { return Read::Nothing };
    let space = buffer.space(board.settings.read_bytes);
    let asked = space.len();
    board.stats.reads += 1;
    match backend.read(socket, space) {
        Ok(0) => {
            conn.flags.clear(Flags::READABLE);
            Read::End
        }
        Ok(n) => {
            buffer.filled(n);
            board.stats.bytes_in += n as u64;
            conn.active = board.now;
            if n < asked && !conn.is(Flags::READ_CLOSING) {
                conn.flags.clear(Flags::READABLE);
            }
            Read::Bytes
        }
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => {
                conn.flags.clear(Flags::READABLE);
                Read::Nothing
            }
            io::ErrorKind::Interrupted => Read::Nothing,
            _ => {
                log::debug!("{id}: read: {error}");
                Read::Failed
            }
        },
    }
}

/// Sees that a buffer has storage of the shared size to read into.
pub(super) fn lend_storage(
    buffer: &mut InBuf,
    storage: &mut Storage,
    take: impl FnOnce() -> Vec<u8>,
) {
    match storage {
        Storage::Shared => return,
        Storage::Absent => buffer.give_storage(take()),
        Storage::Fitted => {
            let rest = std::mem::replace(buffer, InBuf::new(usize::MAX));
            buffer.give_storage(take());
            buffer.push(rest.data());
        }
    }
    *storage = Storage::Shared;
}

impl Spare {
    /// Takes the storage of an input buffer back when it is empty, or nearly so and nothing more
    /// is known to come.
    fn settle(&mut self, buffer: &mut InBuf, storage: &mut Storage, readable: bool) {
        let len = buffer.len();
        if len == 0 && *storage != Storage::Absent {
            self.put_in(buffer.take_storage());
            *storage = Storage::Absent;
        } else if *storage == Storage::Shared && !readable && len < self.read_bytes / 4 {
            let rest = buffer.data().to_vec();
            buffer.consume(len);
            self.put_in(buffer.take_storage());
            buffer.push(&rest);
            *storage = Storage::Fitted;
        }
    }
}
