//! The TLS handshake of a connection, before it has a protocol: begun when it is accepted or
//! connected, taken on with each read, bounded in bytes and time. A connector's time covers it.

use super::backend::Backend;
use super::conn::{Conn, Flags};
use super::feed::{Read, lend_storage, read_once};
use super::secure::TlsClient;
use super::tls::Tls;
use super::turn::{End, Reactor, Role, build};
use super::{ConnId, ConnectError, ListenerId, Lost, Peer};
use crate::base::OutBuf;

impl<B: Backend, S: 'static> Reactor<B, S> {
    /// The socket of a connector is connected: says our hello.
    pub(super) fn greet(&mut self, id: ConnId, peer: Peer, with: &TlsClient, state: &mut S) {
        let tls = Tls::client(with);
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        let Some(conn) = self.core.board.conns.get_mut(id.0) else { return };
        conn.peer = peer;
        conn.flags.set(Flags::SHAKING);
        conn.flags.set(Flags::WRITABLE);
        conn.flags.set(Flags::SECURED);
        self.backend.conceal(&mut end.socket);
        match tls {
            Ok(tls) => end.tls = Some(Box::new(tls)),
            Err(error) => return self.fail_handshake(id, &error.to_string(), state),
        }
        self.shake(id, state);
    }

    /// Takes a handshake on as far as what came allows.
    pub(super) fn shake(&mut self, id: ConnId, state: &mut S) {
        let board = &mut self.core.board;
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        let End { socket, tls: Some(tls), .. } = end else { return };
        let before = tls.raw.len();
        let read = if board.conns.get(id.0).is_some_and(|conn| conn.is(Flags::READABLE)) {
            lend_storage(&mut tls.raw, &mut tls.storage, || board.spare.take_in());
            read_once(&mut self.backend, board, id, socket, &mut tls.raw)
        } else {
            Read::Nothing
        };
        let Some(conn) = board.conns.get_mut(id.0) else { return };
        let outcome = match read {
            Read::Failed => Err("the connection broke".to_owned()),
            Read::Nothing if conn.is(Flags::FAILED) => Err("the connection broke".to_owned()),
            Read::End => Err("the peer closed".to_owned()),
            Read::Bytes | Read::Nothing => {
                tls.shake(tls.raw.len() - before).map_err(|error| error.to_string())
            }
        };
        conn.sealed = tls.sealed.len();
        let is_over = !tls.is_handshaking();
        self.settle_input(id);
        match outcome {
            Err(why) => return self.fail_handshake(id, &why, state),
            Ok(()) if is_over => self.end_handshake(id, state),
            Ok(()) => {}
        }
        if let Some(conn) = self.core.board.conns.get(id.0) {
            let (flush, work) = (conn.waiting() > 0, conn.has_work());
            if flush {
                self.core.board.mark_dirty(id);
            }
            if work {
                self.core.board.enqueue(id);
            }
        }
    }

    /// Both ends know each other: the connection gets its protocol.
    fn end_handshake(&mut self, id: ConnId, state: &mut S) {
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        let Some(conn) = self.core.board.conns.get_mut(id.0) else { return };
        if let Some(tls) = &end.tls {
            conn.peer_key = tls.peer_key().map(Box::new);
            // What came behind the handshake was not looked at.
            conn.flags.set(Flags::INSIDE);
        }
        conn.deadline = None;
        let (peer, listener) = (conn.peer, conn.listener);
        match (&end.role, listener) {
            (Role::Dialing(key), _) => {
                let key = *key;
                conn.flags.clear(Flags::SHAKING);
                self.promote(id, key, peer, state);
            }
            (_, Some(listener)) => self.welcome(id, listener, peer, state),
            (_, None) => {}
        }
    }

    /// What comes before a protocol is over for an accepted connection.
    pub(super) fn welcome(&mut self, id: ConnId, listener: ListenerId, peer: Peer, state: &mut S) {
        let protocol = match self.core.listeners.get_mut(listener.0) {
            Some(listener) => build(listener.factory.as_mut(), &peer, state),
            // It stopped listening meanwhile.
            None => Ok(None),
        };
        let protocol = protocol.unwrap_or_else(|panic| {
            self.core.log_panic("factory", panic.as_ref());
            None
        });
        let (Some(protocol), Some(end)) = (protocol, self.ends[id.index()].as_mut()) else {
            self.core.board.stats.refused += 1;
            return self.core.board.doom(id, Lost::Local, false);
        };
        end.role = Role::Up(protocol);
        if let Some(conn) = self.core.board.conns.get_mut(id.0) {
            conn.flags.clear(Flags::SHAKING);
            conn.active = self.core.board.now;
        }
        self.came_up(id, state);
    }

    /// A handshake came to nothing: the peer is told why if that is possible at once, and the
    /// connector tries its next address.
    pub(super) fn fail_handshake(&mut self, id: ConnId, why: &str, state: &mut S) {
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        let Role::Dialing(key) = end.role else { return self.refuse_handshake(id, why) };
        log::debug!("{id}: TLS handshake: {why}");
        if let Some(tls) = &mut end.tls {
            tls.fail();
            last_words(&mut self.backend, &mut end.socket, &tls.sealed);
        }
        self.drop_socket(id);
        if let Some(dial) = self.core.dials.get_mut(key) {
            dial.why = ConnectError::Handshake;
            dial.conn = ConnId::NONE;
        }
        self.start_dial(key, state);
    }

    /// The same for a connection that was accepted. It never had a protocol.
    pub(super) fn refuse_handshake(&mut self, id: ConnId, why: &str) {
        let Some(conn) = self.core.board.conns.get(id.0) else { return };
        log::info!("{id}: TLS handshake with {}: {why}", conn.peer);
        self.core.board.stats.handshakes_failed += 1;
        if let Some(end) = self.ends[id.index()].as_mut()
            && let Some(tls) = &mut end.tls
        {
            tls.fail();
            last_words(&mut self.backend, &mut end.socket, &tls.sealed);
        }
        self.core.board.doom(id, Lost::Wire, false);
    }
}

/// Notes what the filter holds for the loop.
pub(super) fn note_inside(conn: &mut Conn, tls: &Tls) {
    if tls.holds_plaintext() {
        conn.flags.set(Flags::INSIDE);
    } else {
        conn.flags.clear(Flags::INSIDE);
    }
    if tls.has_ended() {
        conn.flags.set(Flags::EOF);
    }
}

/// One try to write what a connection has left to say; nothing depends on it.
pub(super) fn last_words<B: Backend>(backend: &mut B, socket: &mut B::Socket, words: &OutBuf) {
    let (slices, used) = words.io_slices::<4>();
    if used > 0
        && let Err(error) = backend.write(socket, &slices[..used])
    {
        log::trace!("last words: {error}");
    }
}
