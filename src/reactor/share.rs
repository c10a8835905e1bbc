//! How many TLS handshakes may be under way, of the connections that a listener accepted. All of
//! them together have a cap: where the handshake comes first, others wait to be accepted, so that a
//! burst is not refused. And each address has its share of that, so that none can have it all.
//! Who asks for TLS on a connection that is there already is closed at either: that listener serves
//! others in the clear, who need not wait.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use super::backend::Backend;
use super::conn::Flags;
use super::turn::Reactor;
use super::{ConnId, ListenerId, Peer};

/// The handshakes under way of one listener.
#[derive(Debug, Default)]
pub(super) struct Shaking {
    /// With those whose proxy has yet to say whose they are.
    all: usize,
    by_place: BTreeMap<IpAddr, u32>,
}

/// Whose share a connection is of: an address; of IPv6 the network of 64 bits that it is in, since
/// one customer has all of that. This machine has no bounds.
fn place(peer: &Peer) -> Option<IpAddr> {
    let Peer::Tcp(addr) = peer else { return None };
    if peer.is_local() {
        return None;
    }
    Some(match addr.ip().to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip @ IpAddr::V4(_) => ip,
    })
}

impl Shaking {
    pub(super) fn all(&self) -> usize {
        self.all
    }

    fn of(&self, peer: &Peer) -> u32 {
        place(peer).and_then(|place| self.by_place.get(&place).copied()).unwrap_or(0)
    }

    fn name(&mut self, peer: &Peer) {
        if let Some(place) = place(peer) {
            *self.by_place.entry(place).or_insert(0) += 1;
        }
    }

    fn unname(&mut self, peer: &Peer) {
        let Some(place) = place(peer) else { return };
        let Some(count) = self.by_place.get_mut(&place) else { return };
        *count -= 1;
        if *count == 0 {
            self.by_place.remove(&place);
        }
    }
}

impl<B: Backend, S: 'static> Reactor<B, S> {
    /// True when a listener has to wait for the end of a handshake before it accepts.
    pub(super) fn is_full_of_handshakes(&mut self, id: ListenerId) -> bool {
        let most = self.core.board.settings.handshakes_max;
        let Some(listener) = self.core.listeners.get_mut(id.0) else { return true };
        if listener.options.secure.is_none() || listener.shaking.all < most {
            return false;
        }
        listener.held = true;
        self.core.board.stats.handshakes_full += 1;
        true
    }

    /// True when one more handshake with this peer may begin. Otherwise that is counted.
    pub(super) fn has_share(&mut self, id: ListenerId, peer: &Peer) -> bool {
        let most = self.core.board.settings.handshakes_per_address_max;
        let Some(listener) = self.core.listeners.get(id.0) else { return true };
        if listener.shaking.of(peer) < most {
            return true;
        }
        self.core.board.stats.handshakes_refused += 1;
        false
    }

    /// True when the handshake of a connection that is there already may begin. Otherwise that is
    /// counted.
    pub(super) fn has_room_to_upgrade(&mut self, id: ListenerId, peer: &Peer) -> bool {
        let most = self.core.board.settings.handshakes_max;
        let listener = self.core.listeners.get(id.0);
        if listener.is_some_and(|listener| listener.shaking.all >= most) {
            self.core.board.stats.handshakes_refused += 1;
            return false;
        }
        self.has_share(id, peer)
    }

    /// Counts a connection among the handshakes of its listener, and of its address unless that is
    /// not known yet; once.
    pub(super) fn count_handshake(&mut self, id: ConnId) {
        let Some(conn) = self.core.board.conns.get_mut(id.0) else { return };
        let Some(listener) = conn.listener.and_then(|id| self.core.listeners.get_mut(id.0)) else {
            return;
        };
        if conn.is(Flags::COUNTED) {
            return;
        }
        conn.flags.set(Flags::COUNTED);
        listener.shaking.all += 1;
        if !conn.is(Flags::NAMELESS) {
            listener.shaking.name(&conn.peer);
        }
    }

    /// It is known now whose connection it is.
    pub(super) fn name_handshake(&mut self, id: ConnId) {
        let Some(conn) = self.core.board.conns.get(id.0).filter(|conn| conn.is(Flags::COUNTED))
        else {
            return;
        };
        if let Some(listener) = conn.listener.and_then(|id| self.core.listeners.get_mut(id.0)) {
            listener.shaking.name(&conn.peer);
        }
    }

    /// A handshake is over, well or not, or will not begin: makes room for the next.
    pub(super) fn stop_shaking(&mut self, id: ConnId) {
        let Some(conn) = self.core.board.conns.get_mut(id.0) else { return };
        conn.flags.clear(Flags::SHAKING);
        if !conn.flags.take(Flags::COUNTED) {
            return;
        }
        let Some(id) = conn.listener else { return };
        let Some(listener) = self.core.listeners.get_mut(id.0) else { return };
        listener.shaking.all -= 1;
        if !conn.is(Flags::NAMELESS) {
            listener.shaking.unname(&conn.peer);
        }
        if std::mem::take(&mut listener.held) {
            self.queue_listener(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_an_address_or_a_network_of_64_bits() {
        let at = |text: &str| Peer::Tcp(text.parse().unwrap());
        let mut shaking = Shaking::default();
        for peer in ["192.0.2.1:1", "192.0.2.1:2", "[::ffff:192.0.2.1]:3", "[2001:db8::1]:1"] {
            shaking.name(&at(peer));
        }
        for (peer, count) in [
            ("192.0.2.1:9", 3),
            ("[::ffff:192.0.2.1]:9", 3),
            ("192.0.2.2:9", 0),
            ("[2001:db8::ffff:2]:9", 1),
            ("[2001:db8:0:1::1]:9", 0),
        ] {
            assert_eq!(shaking.of(&at(peer)), count, "{peer}");
        }
        for near in [at("127.0.0.1:1"), at("[::1]:1"), Peer::Unix] {
            shaking.name(&near);
            assert_eq!(shaking.of(&near), 0);
        }
        for _ in 0..3 {
            shaking.unname(&at("192.0.2.1:1"));
        }
        shaking.unname(&at("[2001:db8::7]:1"));
        assert!(shaking.by_place.is_empty());
    }
}
