//! Every limit of the loop, with its unit and default.

use super::{Class, TlsClient, TlsServer};

/// The limits of one loop.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Out-buffer bytes at which a connection is no longer read and `more` says no, peers apart.
    pub high_mark: usize,
    /// Out-buffer bytes under which a full connection goes on.
    pub low_mark: usize,
    /// Out-buffer bytes above which a client is cut, see [`Settings::out_bytes_max`].
    pub client_out_bytes_max: usize,
    /// The same for subscribers.
    pub subscriber_out_bytes_max: usize,
    /// The same for peers.
    pub peer_out_bytes_max: usize,
    /// Bytes of one read, and of the storage that connections share.
    pub read_bytes: usize,
    /// Unconsumed bytes that a connection holds unless its protocol sets another cap.
    pub input_bytes_max: usize,
    /// Events that one connection may take in one turn.
    pub events_per_turn: u32,
    /// After so long in one turn, a connection takes no further event: many events are cheap, but
    /// some are dear. It is looked at behind the first events and behind every eighth.
    pub visit_ms: u64,
    /// Connections that one listener accepts in one turn.
    pub accepts_per_turn: u32,
    /// Connections that one turn looks at; the others keep their order. Timers and the pool's
    /// results wait for no more than these.
    pub visits_per_turn: usize,
    /// After so long in one turn, no further connection is looked at.
    pub visits_ms: u64,
    /// Bytes written to one connection in one turn.
    pub flush_bytes: usize,
    /// A closing connection is dropped when it made no progress for this long.
    pub linger_ms: u64,
    /// A closing connection is dropped after this long, whatever its progress.
    pub close_ms_max: u64,
    /// Bytes read and thrown away from a closing connection before it is dropped.
    pub linger_bytes: usize,
    /// How long a stop waits for the next request of clients that were in use for as long, before
    /// it takes up anything else.
    pub farewell_ms: u64,
    /// How long a stop waits for connections and holders before it drops them.
    pub drain_ms: u64,
    /// Accepted connections at a time; more are closed at once.
    pub connections_max: usize,
    /// Connections beyond `connections_max` that listeners of [`Class::Peer`] may accept.
    pub peer_connections_reserve: usize,
    /// Accepted connections at a time from one address; loopback and Unix are exempt.
    pub per_address_max: u32,
    /// How long a listener rests when descriptors or memory ran out.
    pub accept_retry_ms: u64,
    /// How long a TLS handshake on an accepted connection may take.
    pub handshake_ms: u64,
    /// TLS handshakes under way at a time, of the connections that one listener accepted; others
    /// wait to be accepted, or are closed if they were accepted in the clear.
    pub handshakes_max: usize,
    /// Those of them with one address, of IPv6 with one network of 64 bits; more are closed.
    /// Loopback and Unix are exempt.
    pub handshakes_per_address_max: u32,
    /// How long the header of a proxy may take.
    pub proxy_ms: u64,
    /// Bytes of a proxy's header, with all that is told in it.
    pub proxy_bytes_max: usize,
    /// Threads for blocking jobs, started when first needed.
    pub pool_threads: usize,
    /// Jobs waiting or running before `offload` says no.
    pub pool_queue_max: usize,
    /// A turn that took at least this long is logged; 0: none is.
    pub slow_turn_ms: u64,
    /// Seed of the loop's random numbers; 0 lets the backend draw one.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            high_mark: 64 << 10,
            low_mark: 16 << 10,
            client_out_bytes_max: 1 << 20,
            subscriber_out_bytes_max: 1 << 20,
            peer_out_bytes_max: 4 << 20,
            read_bytes: 64 << 10,
            input_bytes_max: 64 << 10,
            events_per_turn: 256,
            visit_ms: 4,
            accepts_per_turn: 64,
            visits_per_turn: 512,
            visits_ms: 50,
            flush_bytes: 256 << 10,
            linger_ms: 5_000,
            close_ms_max: 60_000,
            linger_bytes: 256 << 10,
            farewell_ms: 0,
            drain_ms: 10_000,
            connections_max: 16_384,
            peer_connections_reserve: 64,
            per_address_max: 1_024,
            accept_retry_ms: 100,
            handshake_ms: 10_000,
            handshakes_max: 1_024,
            handshakes_per_address_max: 128,
            proxy_ms: 5_000,
            proxy_bytes_max: 536,
            pool_threads: 4,
            pool_queue_max: 1_024,
            slow_turn_ms: 250,
            seed: 0,
        }
    }
}

impl Settings {
    /// The hard cap of the out-buffer. One write may go past it, of any size; once past it, the
    /// connection is lost with [`Lost::Slow`](super::Lost::Slow) if a high mark's worth of bytes
    /// is added and the socket does not take enough, or a cap's worth whatever the socket does.
    pub fn out_bytes_max(&self, class: Class) -> usize {
        match class {
            Class::Client => self.client_out_bytes_max,
            Class::Subscriber => self.subscriber_out_bytes_max,
            Class::Peer => self.peer_out_bytes_max,
        }
    }

    /// Panics when limits contradict each other: the operator is told at start, not at night.
    pub(super) fn check(&self) {
        assert!(self.high_mark > 0, "high_mark is zero: every connection would be full");
        assert!(self.low_mark <= self.high_mark, "low_mark is above high_mark");
        for class in Class::ALL {
            let cap = self.out_bytes_max(class);
            assert!(self.high_mark <= cap, "high_mark is above the hard cap of {}", class.label());
        }
        assert!(self.read_bytes > 0 && self.input_bytes_max > 0, "nothing could be read");
        let budgets = [self.events_per_turn, self.accepts_per_turn];
        assert!(!budgets.contains(&0) && self.visits_per_turn > 0, "a budget is zero");
        let handshakes = self.handshakes_max.min(self.handshakes_per_address_max as usize);
        assert!(handshakes > 0, "no handshake could begin");
        assert!(self.flush_bytes > 0 && self.pool_threads > 0, "a budget is zero");
    }
}

/// How a listener treats the connections it accepts.
#[derive(Clone, Debug, Default)]
pub struct ListenOptions {
    /// Their class at first.
    pub class: Class,
    /// They are lost with [`Lost::Idle`](super::Lost::Idle) when nothing went in or out for this
    /// long.
    pub idle_ms: Option<u64>,
    /// Over TLS: a protocol is made once the handshake is over, within
    /// [`Settings::handshake_ms`].
    pub secure: Option<TlsServer>,
    /// Proxies connect: each connection begins, before all else, with the PROXY protocol's header,
    /// within [`Settings::proxy_ms`]. Listening on a `haproxy:` endpoint sets this.
    pub proxied: bool,
}

/// How a connector treats its connection.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Its class at first; [`Class::Peer`] unless said otherwise.
    pub class: Class,
    /// It is lost with [`Lost::Idle`](super::Lost::Idle) when nothing went in or out for this long.
    pub idle_ms: Option<u64>,
    /// How long to try, look-up of the name and TLS handshake included, unless the endpoint itself
    /// says.
    pub timeout_ms: u64,
    /// Over TLS: the connection is made once the handshake is over.
    pub secure: Option<TlsClient>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self { class: Class::Peer, idle_ms: None, timeout_ms: 5_000, secure: None }
    }
}
