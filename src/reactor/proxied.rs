//! What comes first on a listener for proxies: the header of the PROXY protocol, before a TLS
//! handshake and before a protocol is made. From then on the connection is with whom it tells of:
//! limits of addresses and nearness are theirs. Bounded in bytes and time.

use std::net::{Ipv4Addr, SocketAddr};

use super::backend::Backend;
use super::conn::{Conn, Flags};
use super::feed::{Read, lend_storage, read_once};
use super::turn::{Reactor, Role};
use super::{ConnId, ListenOptions, ListenerId, Lost, Peer};
use crate::proto::proxy::{self, Told, V1_BYTES_MAX};

/// Who is told of by a proxy on this machine that does not know them: they may be from anywhere.
const ANYONE: Peer = Peer::Tcp(SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));

impl<B: Backend, S: 'static> Reactor<B, S> {
    /// Whose connection it is, is said next.
    pub(super) fn admit_nameless(
        &mut self,
        id: ListenerId,
        socket: B::Socket,
        peer: Peer,
        options: &ListenOptions,
    ) {
        let now = self.core.board.now;
        let mut conn = Conn::new(peer, options.class, now);
        conn.idle_ms = options.idle_ms;
        conn.listener = Some(id);
        conn.deadline = Some(now.saturating_add(self.core.board.settings.proxy_ms));
        conn.flags.set(Flags::NAMELESS);
        conn.flags.set(Flags::WRITABLE);
        // The header mostly came with it.
        conn.flags.set(Flags::READABLE);
        let Some(conn) = self.install(conn, socket, Role::Shaking) else {
            self.core.board.stats.refused += 1;
            return;
        };
        self.count_accepted(None);
        if options.secure.is_some() {
            // Its handshake is as good as begun: at the cap of them others wait for their turn.
            self.count_handshake(conn);
        }
        self.core.board.rearm(conn);
        self.core.board.enqueue(conn);
    }

    /// Reads on in a header, never beyond what it may have.
    pub(super) fn hear_proxy(&mut self, id: ConnId, state: &mut S) {
        let board = &mut self.core.board;
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        let bytes_max = board.settings.proxy_bytes_max;
        let read = if board.conns.get(id.0).is_some_and(|conn| conn.is(Flags::READABLE)) {
            lend_storage(&mut end.input, &mut end.storage, || board.spare.take_in());
            end.input.set_cap(bytes_max.max(V1_BYTES_MAX));
            read_once(&mut self.backend, board, id, &mut end.socket, &mut end.input)
        } else {
            Read::Nothing
        };
        let has_failed = board.conns.get(id.0).is_some_and(|conn| conn.is(Flags::FAILED));
        let header = match read {
            Read::Failed => Err("the connection broke".to_owned()),
            Read::Nothing if has_failed => Err("the connection broke".to_owned()),
            Read::End => Err("the proxy closed before its header".to_owned()),
            Read::Bytes | Read::Nothing => {
                proxy::read(end.input.data(), bytes_max).map_err(|error| error.to_string())
            }
        };
        match header {
            Ok(Some(header)) => {
                end.input.consume(header.bytes);
                self.introduce(id, header.told, state);
            }
            Ok(None) => {
                self.settle_input(id);
                if self.core.board.conns.get(id.0).is_some_and(Conn::has_work) {
                    self.core.board.enqueue(id);
                }
            }
            Err(why) => self.refuse_proxy(id, &why),
        }
    }

    /// It is known now whose connection it is.
    fn introduce(&mut self, id: ConnId, told: Told, state: &mut S) {
        let Some(conn) = self.core.board.conns.get_mut(id.0) else { return };
        let peer = seen_as(conn.peer, told);
        conn.peer = peer;
        let Some(listener) = conn.listener else { return };
        let options = self.core.listeners.get(listener.0).map(|listener| listener.options.clone());
        let secure = options.and_then(|options| options.secure);
        let has_share = secure.is_none() || self.has_share(listener, &peer);
        if !has_share || !self.has_room_from(&peer) {
            self.core.board.stats.refuse(&peer);
            return self.core.board.doom(id, Lost::Local, false);
        }
        if let Some(conn) = self.core.board.conns.get_mut(id.0) {
            conn.flags.clear(Flags::NAMELESS);
            conn.deadline = None;
        }
        self.count_from(&peer);
        self.name_handshake(id);
        match secure {
            Some(secure) => self.begin_handshake_with_input(id, &secure),
            None => self.welcome(id, listener, peer, state),
        }
        if let Some(conn) = self.core.board.conns.get_mut(id.0) {
            // What stands behind the header was not looked at.
            conn.flags.set(Flags::UNFED);
        }
        self.settle_input(id);
        self.core.board.enqueue(id);
    }

    /// No header, or none that is one: there is nobody to talk to.
    pub(super) fn refuse_proxy(&mut self, id: ConnId, why: &str) {
        let Some(conn) = self.core.board.conns.get(id.0) else { return };
        log::info!("{id}: a proxy at {}: {why}", conn.peer);
        self.core.board.stats.proxies_refused += 1;
        self.core.board.doom(id, Lost::Wire, false);
    }
}

/// Who a connection is with, by what a proxy at `real` told. An address of a machine's own says
/// that they are on the proxy's machine, which is near only if the proxy is.
fn seen_as(real: Peer, told: Told) -> Peer {
    match told {
        Told::Tcp(addr) => {
            let peer = Peer::Tcp(addr);
            if peer.is_local() && !real.is_local() { real } else { peer }
        }
        Told::Unix if real.is_local() => Peer::Unix,
        Told::Unknown if real.is_local() => ANYONE,
        Told::Local | Told::Unix | Told::Unknown => real,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_near_whom_a_proxy_on_this_machine_does_not_call_so() {
        let at = |text: &str| Peer::Tcp(text.parse().unwrap());
        let told = |text: &str| Told::Tcp(text.parse().unwrap());
        let (here, there) = (at("127.0.0.1:5"), at("10.0.0.7:5"));
        for (real, told, seen) in [
            (here, told("192.0.2.1:9"), at("192.0.2.1:9")),
            (there, told("192.0.2.1:9"), at("192.0.2.1:9")),
            (here, told("127.0.0.1:9"), at("127.0.0.1:9")),
            (there, told("127.0.0.1:9"), there),
            (there, told("[::1]:9"), there),
            (there, told("[::ffff:127.0.0.1]:9"), there),
            (here, Told::Local, here),
            (there, Told::Local, there),
            (here, Told::Unix, Peer::Unix),
            (there, Told::Unix, there),
            (there, Told::Unknown, there),
            (here, Told::Unknown, ANYONE),
            (Peer::Unix, Told::Unknown, ANYONE),
        ] {
            assert_eq!(seen_as(real, told), seen, "{real} says {told:?}");
        }
        assert!(!ANYONE.is_local());
    }
}
