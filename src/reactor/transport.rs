//! The verbs on one connection. Each is safe on a connection that is gone: it does nothing.

use super::board::Board;
use super::conn::{Conn, Flags};
use super::{Class, ConnId, Lost, Peer, TlsServer};
use crate::base::{Chunk, OutBuf};
use crate::update::PublicKey;

/// One connection, seen from a protocol. Verbs are requests: writes go out in one vectored write
/// at the end of the turn, and no verb calls a protocol.
pub struct Transport<'a> {
    pub(super) board: &'a mut Board,
    pub(super) id: ConnId,
}

impl Transport<'_> {
    /// True while writes are taken: up, and not closed by a verb, an error or a lost peer.
    pub fn is_open(&self) -> bool {
        self.board.conns.get(self.id.0).is_some_and(|conn| !conn.is(Flags::OVER))
    }

    /// Appends a copy of the bytes to the out-buffer.
    pub fn write(&mut self, bytes: &[u8]) {
        self.out().put(bytes);
    }

    /// Appends shared bytes without a copy.
    #[doc(alias = "writeSequence")]
    pub fn write_chunk(&mut self, chunk: &Chunk) {
        self.out().put_chunk(chunk);
    }

    /// The out-buffer, for encoders that write straight into it; it will be flushed this turn.
    /// After a close, what is written goes nowhere.
    pub fn out(&mut self) -> &mut OutBuf {
        self.board.out(self.id)
    }

    /// Bytes waiting to be taken by the socket.
    pub fn buffered(&self) -> usize {
        self.board.conns.get(self.id.0).map_or(0, Conn::waiting)
    }

    /// True at or above the high mark: a producer stops, and goes on at
    /// [`drained`](super::Protocol::drained).
    pub fn is_full(&self) -> bool {
        let conn = self.board.conns.get(self.id.0);
        conn.is_some_and(|conn| {
            conn.is(Flags::FULL) || conn.waiting() >= self.board.settings.high_mark
        })
    }

    /// Closes after what was written is flushed: the write side is shut down, the peer gets
    /// `linger_ms` to take it all and close, then the connection is lost with [`Lost::Local`], or
    /// [`Lost::PeerClosed`] when the peer's end had come first. Nothing more is fed.
    #[doc(alias = "loseConnection")]
    pub fn close(&mut self) {
        self.close_for(Lost::Local);
    }

    /// [`close`](Self::close) with a reason of the protocol's own, such as [`Lost::Limit`].
    pub fn close_for(&mut self, reason: Lost) {
        self.board.close(self.id, reason);
    }

    /// Shuts down the write side after the flush; input goes on. The connection ends when the
    /// peer closes, too.
    #[doc(alias = "loseWriteConnection")]
    pub fn close_write(&mut self) {
        if let Some(conn) = self.board.open(self.id) {
            conn.flags.set(Flags::FINISHING);
            self.board.mark_dirty(self.id);
        }
    }

    /// Drops the connection at the end of this turn; the peer sees a reset. Lost with
    /// [`Lost::Local`].
    #[doc(alias = "abortConnection")]
    pub fn abort(&mut self) {
        self.abort_for(Lost::Local);
    }

    /// [`abort`](Self::abort) with a reason of the protocol's own.
    pub fn abort_for(&mut self, reason: Lost) {
        self.board.doom(self.id, reason, true);
    }

    /// No reads and no feeds until [`resume`](Self::resume).
    #[doc(alias = "pauseProducing")]
    pub fn pause(&mut self) {
        if let Some(conn) = self.board.open(self.id) {
            conn.flags.set(Flags::PAUSED);
        }
    }

    /// Reads and feeds again, what is buffered first.
    #[doc(alias = "resumeProducing")]
    pub fn resume(&mut self) {
        if let Some(conn) = self.board.open(self.id)
            && conn.flags.take(Flags::PAUSED)
        {
            conn.flags.set(Flags::UNFED);
            self.board.enqueue(self.id);
        }
    }

    /// Has [`timeout`](super::Protocol::timeout) called once in this many milliseconds; a second
    /// call replaces the first, `None` takes it back. O(1), and nearly free when it only moves
    /// the time further away.
    #[doc(alias = "setTimeout")]
    pub fn set_timeout(&mut self, ms: Option<u64>) {
        let now = self.board.now;
        if let Some(conn) = self.board.open(self.id) {
            conn.deadline = ms.map(|ms| now.saturating_add(ms));
            self.board.rearm(self.id);
        }
    }

    /// Has the connection lost with [`Lost::Idle`] once nothing went in or out for this many
    /// milliseconds.
    pub fn set_idle(&mut self, ms: Option<u64>) {
        if let Some(conn) = self.board.open(self.id) {
            conn.idle_ms = ms;
            self.board.rearm(self.id);
        }
    }

    /// The most bytes that may wait in the input unconsumed. Memory is taken as bytes come.
    pub fn set_input_cap(&mut self, bytes: usize) {
        if let Some(conn) = self.board.open(self.id) {
            conn.input_bytes_max = bytes.max(1);
        }
    }

    /// Changes the class, and so the hard cap of the out-buffer and the counters.
    pub fn set_class(&mut self, class: Class) {
        if let Some(conn) = self.board.open(self.id) {
            let was = std::mem::replace(&mut conn.class, class);
            self.board.stats.reclassed(was, class);
            // Peers are read where others are held back.
            self.board.enqueue(self.id);
        }
    }

    /// The other end.
    #[doc(alias = "getPeer")]
    pub fn peer(&self) -> Peer {
        self.board.conns.get(self.id.0).map_or(Peer::Unix, |conn| conn.peer)
    }

    /// The key that the other end proved to own; `None` on a connection that asks for none.
    pub fn peer_key(&self) -> Option<PublicKey> {
        self.board.conns.get(self.id.0).and_then(|conn| conn.peer_key.as_deref().copied())
    }

    /// True when what passes is enciphered: TLS is spoken and its handshake is over.
    pub fn is_secure(&self) -> bool {
        let conn = self.board.conns.get(self.id.0);
        conn.is_some_and(|conn| conn.is(Flags::SECURED) && !conn.is(Flags::SHAKING))
    }

    /// Turns a plain connection into one over TLS, in place: what was written so far goes out in
    /// the clear, then the handshake begins, within
    /// [`handshake_ms`](super::Settings::handshake_ms). Nothing is read or fed until
    /// [`secured`](super::Protocol::secured) tells of its end, and what is written meanwhile goes
    /// nowhere; a time set with [`set_timeout`](Self::set_timeout) is forgotten. Input that stands
    /// behind the request to do so did not wait for our word, and loses the connection with
    /// [`Lost::Wire`], as a failed handshake does. So does one handshake too many with
    /// [`Lost::Limit`].
    #[doc(alias = "startTLS")]
    pub fn start_tls(&mut self, with: &TlsServer) {
        self.upgrade(with, false);
    }

    /// The same for a client that has begun TLS without asking for it: the input, left as it is, is
    /// the first of the handshake.
    pub fn accept_tls(&mut self, with: &TlsServer) {
        self.upgrade(with, true);
    }

    fn upgrade(&mut self, with: &TlsServer, has_begun: bool) {
        if let Some(conn) = self.board.open(self.id)
            && !conn.is(Flags::SECURED)
        {
            conn.flags.set(Flags::UPGRADING);
            if has_begun {
                conn.flags.set(Flags::BEGUN);
            }
            conn.upgrade = Some(with.clone());
            self.board.mark_dirty(self.id);
        }
    }

    /// Has [`notified`](super::Protocol::notified) called for this connection, once, this turn or
    /// the next; never from within this call.
    pub fn notify(&mut self) {
        if let Some(conn) = self.board.open(self.id) {
            conn.flags.set(Flags::NOTIFIED);
            self.board.enqueue(self.id);
        }
    }
}
