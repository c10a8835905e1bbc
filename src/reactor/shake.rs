//! The TLS handshake of a connection, before it has a protocol: begun when it is accepted or
//! connected, taken on with each read, bounded in bytes and time. A connector's time covers it; how
//! many of those that a listener accepted are under way at a time is up to `share`. And the
//! handshake of one that has a protocol, and is to be secured in place.

use super::backend::Backend;
use super::conn::{Conn, Flags};
use super::feed::{Read, lend_storage, read_once};
use super::secure::{TlsClient, TlsServer};
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

    /// An accepted connection waits for the other's hello.
    pub(super) fn begin_handshake(&mut self, id: ConnId, tls: Tls) {
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        let board = &mut self.core.board;
        let Some(conn) = board.conns.get_mut(id.0) else { return };
        conn.deadline = Some(board.now.saturating_add(board.settings.handshake_ms));
        conn.flags.set(Flags::SHAKING);
        conn.flags.set(Flags::SECURED);
        self.backend.conceal(&mut end.socket);
        end.tls = Some(Box::new(tls));
        let has_work = conn.has_work();
        board.rearm(id);
        if has_work {
            board.enqueue(id);
        }
        self.count_handshake(id);
    }

    /// All that was said in the clear is on its way: the handshake of a connection that asked to be
    /// secured begins. Whatever came behind that request was not enciphered, and might be another's
    /// word: it must not be taken for one that was. Of a client that has begun without asking, it
    /// is the first of the handshake, which vouches for itself.
    pub(super) fn upgrade(&mut self, id: ConnId, with: &TlsServer) {
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        let Some(conn) = self.core.board.conns.get_mut(id.0) else { return };
        conn.flags.clear(Flags::UPGRADING);
        let has_begun = conn.flags.take(Flags::BEGUN);
        let (listener, peer) = (conn.listener, conn.peer);
        if conn.is(Flags::EOF) {
            return self.core.board.doom(id, Lost::PeerClosed, false);
        }
        if !has_begun && !end.input.is_empty() {
            log::info!("{id}: lost: it did not wait for TLS to begin");
            self.core.board.stats.handshakes_failed += 1;
            return self.core.board.doom(id, Lost::Wire, false);
        }
        if listener.is_some_and(|listener| !self.has_room_to_upgrade(listener, &peer)) {
            log::info!("{id}: lost: too many handshakes are under way");
            return self.core.board.doom(id, Lost::Limit, false);
        }
        self.begin_handshake_with_input(id, with);
    }

    /// What came so far is the first of the handshake.
    pub(super) fn begin_handshake_with_input(&mut self, id: ConnId, with: &TlsServer) {
        let board = &mut self.core.board;
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        let mut tls = match Tls::server(with) {
            Ok(tls) => tls,
            Err(error) => {
                log::error!("a connection can't be secured: {error}");
                return board.doom(id, Lost::Local, false);
            }
        };
        if !end.input.is_empty() {
            lend_storage(&mut tls.raw, &mut tls.storage, || board.spare.take_in());
            tls.hear(end.input.take_all());
        }
        self.begin_handshake(id, tls);
        self.core.board.enqueue(id);
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
        if listener.is_some() {
            let stats = &mut self.core.board.stats;
            stats.handshakes += 1;
            stats.handshakes_resumed += u64::from(end.tls.as_ref().is_some_and(|t| t.is_resumed()));
        }
        match (&end.role, listener) {
            (Role::Dialing(key), _) => {
                let key = *key;
                self.stop_shaking(id);
                self.promote(id, key, peer, state);
            }
            (Role::Up(_), _) => {
                self.stop_shaking(id);
                self.core.board.rearm(id);
                self.call(id, state, |protocol, cx, state, _| protocol.secured(cx, state));
            }
            (Role::Shaking, Some(listener)) => self.welcome(id, listener, peer, state),
            (Role::Shaking, None) => {}
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
            self.stop_shaking(id);
            return self.core.board.close(id, Lost::Local);
        };
        end.role = Role::Up(protocol);
        self.stop_shaking(id);
        if let Some(conn) = self.core.board.conns.get_mut(id.0) {
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
            last_words(&mut self.backend, &mut end.socket, &mut tls.sealed);
        }
        self.drop_socket(id);
        if let Some(dial) = self.core.dials.get_mut(key) {
            dial.why = ConnectError::Handshake;
            dial.conn = ConnId::NONE;
        }
        self.start_dial(key, state);
    }

    /// The same for a connection that was accepted.
    pub(super) fn refuse_handshake(&mut self, id: ConnId, why: &str) {
        let Some(conn) = self.core.board.conns.get(id.0) else { return };
        log::info!("{id}: TLS handshake with {}: {why}", conn.peer);
        self.core.board.stats.handshakes_failed += 1;
        if let Some(end) = self.ends[id.index()].as_mut()
            && let Some(tls) = &mut end.tls
        {
            tls.fail();
            last_words(&mut self.backend, &mut end.socket, &mut tls.sealed);
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
pub(super) fn last_words<B: Backend>(backend: &mut B, socket: &mut B::Socket, words: &mut OutBuf) {
    let (slices, used) = words.io_slices::<4>();
    if used == 0 {
        return;
    }
    match backend.write(socket, &slices[..used]) {
        Ok(written) => words.advance(written),
        Err(error) => log::trace!("last words: {error}"),
    }
}

#[cfg(test)]
mod tests;
