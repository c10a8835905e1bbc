//! Step 7: takes waiting connections in, within its budget and the limits; rests when descriptors
//! run out, and sheds those that wait meanwhile.

use super::backend::{AcceptError, Backend, Close};
use super::board::Due;
use super::conn::{Conn, Flags};
use super::tls::Tls;
use super::turn::{End, Reactor, Role, Storage, build};
use super::{Class, ConnId, ListenOptions, ListenerId, Peer};
use crate::base::InBuf;

impl<B: Backend, S: 'static> Reactor<B, S> {
    /// A listener may have connections waiting.
    pub(super) fn queue_listener(&mut self, id: ListenerId) {
        if let Some(listener) = self.core.listeners.get_mut(id.0)
            && !listener.queued
            && !listener.resting
            && !listener.held
        {
            listener.queued = true;
            self.core.accepting.push_back(id);
        }
    }

    pub(super) fn stop_resting(&mut self, id: ListenerId) {
        if let Some(listener) = self.core.listeners.get_mut(id.0) {
            listener.resting = false;
            self.queue_listener(id);
        }
    }

    /// Accepts from each listener that may have connections waiting.
    pub(super) fn accept(&mut self, state: &mut S) {
        for _ in 0..self.core.accepting.len() {
            let Some(id) = self.core.accepting.pop_front() else { break };
            if let Some(listener) = self.core.listeners.get_mut(id.0) {
                listener.queued = false;
                self.accept_from(id, state);
            }
        }
    }

    pub(super) fn accept_from(&mut self, id: ListenerId, state: &mut S) {
        let mut accepted_any = false;
        let mut last_error = None;
        for _ in 0..self.core.board.settings.accepts_per_turn {
            if self.is_full_of_handshakes(id) {
                return;
            }
            match self.backend.accept(id.token()) {
                Ok((socket, peer)) => {
                    accepted_any = true;
                    self.admit(id, socket, peer, state);
                }
                Err(AcceptError::WouldBlock) => return,
                Err(AcceptError::Again(error)) => {
                    self.core.board.stats.accept_errors += 1;
                    log::debug!("accept: {error}");
                    last_error = Some(error);
                }
                Err(AcceptError::Exhausted(error)) => {
                    self.core.board.stats.accept_exhausted += 1;
                    self.shed(id);
                    return self.rest(id, &error);
                }
            }
        }
        match last_error {
            // Errors without end: no reason to spin.
            Some(error) if !accepted_any => self.rest(id, &error),
            _ => self.queue_listener(id),
        }
    }

    /// Closes who waits for a descriptor, so that they need not wait for nothing.
    fn shed(&mut self, id: ListenerId) {
        let board = &mut self.core.board;
        for _ in 0..board.settings.accepts_per_turn {
            if !self.backend.shed(id.token()) {
                break;
            }
            board.stats.refused += 1;
        }
    }

    /// Tries again later: no event tells when descriptors come free.
    fn rest(&mut self, id: ListenerId, error: &std::io::Error) {
        let board = &mut self.core.board;
        log::warn!("accept: {error}; trying again in {} ms", board.settings.accept_retry_ms);
        if let Some(listener) = self.core.listeners.get_mut(id.0) {
            listener.resting = true;
            let due = board.now + board.settings.accept_retry_ms;
            board.wheel.arm(due, Due::Accept(id));
        }
    }

    fn admit(&mut self, id: ListenerId, socket: B::Socket, peer: Peer, state: &mut S) {
        let Some(listener) = self.core.listeners.get(id.0) else {
            return self.refuse(socket, &peer);
        };
        let options = listener.options.clone();
        // Of a proxy's connections it is not known yet whose they are.
        let has_room =
            self.has_room(options.class) && (options.proxied || self.has_room_from(&peer));
        if !has_room {
            return self.refuse(socket, &peer);
        }
        if options.proxied {
            return self.admit_nameless(id, socket, peer, &options);
        }
        if options.secure.is_some() {
            return self.admit_to_handshake(id, socket, peer, &options);
        }
        let Some(listener) = self.core.listeners.get_mut(id.0) else {
            return self.refuse(socket, &peer);
        };
        let protocol = match build(listener.factory.as_mut(), &peer, state) {
            Ok(Some(protocol)) => protocol,
            Ok(None) => return self.refuse(socket, &peer),
            Err(panic) => {
                self.core.log_panic("factory", panic.as_ref());
                return self.refuse(socket, &peer);
            }
        };
        let mut conn = Conn::new(peer, options.class, self.core.board.now);
        conn.idle_ms = options.idle_ms;
        conn.listener = Some(id);
        conn.flags.set(Flags::WRITABLE);
        // Its first bytes mostly came with it: a read now spares it a turn.
        conn.flags.set(Flags::READABLE);
        let Some(conn) = self.install(conn, socket, Role::Up(protocol)) else {
            self.core.board.stats.refused += 1;
            return;
        };
        self.count_accepted(Some(&peer));
        self.came_up(conn, state);
        self.core.board.enqueue(conn);
    }

    /// Its protocol is made when the handshake is over.
    fn admit_to_handshake(
        &mut self,
        id: ListenerId,
        socket: B::Socket,
        peer: Peer,
        options: &ListenOptions,
    ) {
        if !self.has_share(id, &peer) {
            return self.refuse(socket, &peer);
        }
        let tls = match options.secure.as_ref().map(Tls::server) {
            Some(Ok(tls)) => tls,
            Some(Err(error)) => {
                log::error!("a connection can't be secured: {error}");
                return self.refuse(socket, &peer);
            }
            None => return self.refuse(socket, &peer),
        };
        let mut conn = Conn::new(peer, options.class, self.core.board.now);
        conn.idle_ms = options.idle_ms;
        conn.listener = Some(id);
        conn.flags.set(Flags::WRITABLE);
        let Some(conn) = self.install(conn, socket, Role::Shaking) else {
            self.core.board.stats.refused += 1;
            return;
        };
        self.count_accepted(Some(&peer));
        self.begin_handshake(conn, tls);
    }

    pub(super) fn refuse(&mut self, socket: B::Socket, peer: &Peer) {
        self.core.board.stats.refuse(peer);
        self.backend.close(socket, Close::Orderly);
    }

    /// Peers have a reserve of their own: a flood of clients must not cut the herd apart.
    fn has_room(&self, class: Class) -> bool {
        let settings = &self.core.board.settings;
        let reserve = if class == Class::Peer { settings.peer_connections_reserve } else { 0 };
        self.core.accepted_open < settings.connections_max.saturating_add(reserve)
    }

    pub(super) fn has_room_from(&self, peer: &Peer) -> bool {
        let from_there = match peer {
            Peer::Tcp(addr) if !peer.is_local() => {
                self.core.by_address.get(&addr.ip()).copied().unwrap_or(0)
            }
            _ => 0,
        };
        from_there < self.core.board.settings.per_address_max
    }

    /// Counts a connection, also for its address if that is known yet.
    pub(super) fn count_accepted(&mut self, peer: Option<&Peer>) {
        self.core.board.stats.accepted += 1;
        self.core.accepted_open += 1;
        if let Some(peer) = peer {
            self.count_from(peer);
        }
    }

    pub(super) fn count_from(&mut self, peer: &Peer) {
        if let Peer::Tcp(addr) = peer
            && !peer.is_local()
        {
            *self.core.by_address.entry(addr.ip()).or_insert(0) += 1;
        }
    }

    /// Takes back what [`Self::count_accepted`] counted.
    pub(super) fn uncount_accepted(&mut self, peer: Option<&Peer>) {
        self.core.accepted_open -= 1;
        if let Some(Peer::Tcp(addr)) = peer
            && let Some(count) = self.core.by_address.get_mut(&addr.ip())
        {
            *count -= 1;
            if *count == 0 {
                self.core.by_address.remove(&addr.ip());
            }
        }
    }

    /// Gives a socket its slot and asks for its events.
    pub(super) fn install(
        &mut self,
        mut conn: Conn,
        socket: B::Socket,
        role: Role<S>,
    ) -> Option<ConnId> {
        conn.input_bytes_max = self.core.board.settings.input_bytes_max;
        let input = InBuf::new(conn.input_bytes_max);
        let id = ConnId(self.core.board.conns.insert(conn));
        let mut end = End { socket, input, storage: Storage::Absent, tls: None, role };
        if let Err(error) = self.backend.register(&mut end.socket, id.token()) {
            log::warn!("a connection cannot be watched: {error}");
            self.core.board.conns.remove(id.0);
            self.backend.close(end.socket, Close::Orderly);
            return None;
        }
        if self.ends.len() <= id.index() {
            self.ends.resize_with(id.index() + 1, || None);
        }
        self.ends[id.index()] = Some(end);
        Some(id)
    }

    /// Tells a protocol that its connection is up.
    pub(super) fn came_up(&mut self, id: ConnId, state: &mut S) {
        if let Some(conn) = self.core.board.conns.get(id.0) {
            self.core.board.stats.opened(conn.class);
        }
        self.core.board.rearm(id);
        self.call(id, state, |protocol, cx, state, _| protocol.made(cx, state));
    }
}
