//! Step 7: a visit to one connection that is ready. Reads once, offers the input to the protocol,
//! tells of the end of input, and sees that the connection is visited again if it must be.

use std::io;

use super::backend::Backend;
use super::conn::Flags;
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
        if self.core.board.conns.get(id.0).is_some_and(super::conn::Conn::has_work) {
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
        lend_storage(end, || board.spare.take_in());
        end.input.set_cap(conn.input_bytes_max);
        let space = end.input.space(board.settings.read_bytes);
        let asked = space.len();
        board.stats.reads += 1;
        match self.backend.read(&mut end.socket, space) {
            Ok(0) => {
                conn.flags.set(Flags::EOF);
                conn.flags.clear(Flags::READABLE);
            }
            Ok(n) => {
                end.input.filled(n);
                board.stats.bytes_in += n as u64;
                conn.active = board.now;
                conn.flags.set(Flags::UNFED);
                if n < asked && !conn.is(Flags::READ_CLOSING) {
                    conn.flags.clear(Flags::READABLE);
                }
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => conn.flags.clear(Flags::READABLE),
                io::ErrorKind::Interrupted => {}
                _ => {
                    log::debug!("{id}: read: {error}");
                    board.doom(id, Lost::PeerReset, false);
                }
            },
        }
    }

    /// Offers the input once.
    fn feed(&mut self, id: ConnId, state: &mut S) {
        let Some(conn) = self.core.board.open(id) else { return };
        if conn.is_held() || !conn.flags.take(Flags::UNFED) {
            return;
        }
        if self.ends[id.index()].as_ref().is_some_and(|end| !end.input.is_empty()) {
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
    fn settle_input(&mut self, id: ConnId) {
        let board = &mut self.core.board;
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        let readable = board.conns.get(id.0).is_some_and(|conn| conn.is(Flags::READABLE));
        let (len, shared) = (end.input.len(), end.storage == Storage::Shared);
        if end.input.is_empty() && end.storage != Storage::Absent {
            board.spare.put_in(end.input.take_storage());
            end.storage = Storage::Absent;
        } else if shared && !readable && len < board.settings.read_bytes / 4 {
            let rest = end.input.data().to_vec();
            end.input.consume(len);
            board.spare.put_in(end.input.take_storage());
            end.input.push(&rest);
            end.storage = Storage::Fitted;
        }
    }

    /// Reads and throws away what still comes on a closing connection, so that no reset eats the
    /// last bytes we sent; within bounds.
    fn discard(&mut self, id: ConnId) {
        let board = &mut self.core.board;
        let Some(conn) = board.conns.get_mut(id.0) else { return };
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        if end.storage != Storage::Absent {
            end.input.take_all();
            board.spare.put_in(end.input.take_storage());
            end.storage = Storage::Absent;
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
        if board.conns.get(id.0).is_some_and(super::conn::Conn::has_work) {
            board.enqueue(id);
        }
    }
}

/// Sees that the input has storage of the shared size to read into.
fn lend_storage<K, S>(end: &mut End<K, S>, take: impl FnOnce() -> Vec<u8>) {
    match end.storage {
        Storage::Shared => return,
        Storage::Absent => end.input.give_storage(take()),
        Storage::Fitted => {
            let rest = std::mem::replace(&mut end.input, InBuf::new(usize::MAX));
            end.input.give_storage(take());
            end.input.push(rest.data());
        }
    }
    end.storage = Storage::Shared;
}
