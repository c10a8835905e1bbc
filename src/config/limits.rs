//! Every limit in one table: name, type, default, bounds, meaning. Relations between limits are
//! checked when they are set, so that no part meets a pair that can't work.

use crate::update::PAYLOAD_BYTES_MAX;

/// One row of the table. Bounds hold for the value as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its key in `[limits]`, which ends in its unit.
    pub name: &'static str,
    /// What it limits.
    pub doc: &'static str,
    /// Its value unless set.
    pub default: u64,
    /// The least value allowed.
    pub min: u64,
    /// The greatest value allowed.
    pub max: u64,
}

macro_rules! limits {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident: $kind:ty = $default:expr, $min:expr, $max:expr;
    )+) => {
        /// The limits of a node.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $doc])+ pub $name: $kind,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Limits {
    /// How long a body may have taken of which so many bytes have come, in milliseconds.
    pub fn body_ms(&self, bytes: u64) -> u64 {
        self.body_grace_ms + bytes.saturating_mul(1000) / self.body_bytes_per_s.max(1)
    }

            /// All limits, in the order of the table.
            pub const TABLE: &'static [Limit] = &[$(Limit {
                name: stringify!($name),
                doc: concat!($($doc),+).trim_ascii(),
                default: $default,
                min: $min,
                max: $max,
            },)+];

            /// The values, in the order of the table.
            pub fn values(&self) -> impl Iterator<Item = (&'static Limit, u64)> {
                Self::TABLE.iter().zip([$(self.$name as u64,)+])
            }

            /// Sets the limit of this name; false when there is none.
            pub(super) fn set(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $(stringify!($name) => self.$name = value as $kind,)+
                    _ => return false,
                }
                true
            }
        }
    };
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

limits! {
    /// An HTTP request's head.
    head_bytes: usize = 16 * 1024, KIB, MIB;
    /// The fields of an HTTP request's head.
    head_fields: usize = 64, 8, 1024;
    /// An HTTP request's target.
    target_bytes: usize = 4096, 256, 64 * KIB;
    /// The body of a story.
    story_bytes: usize = 1024 * 1024, KIB, 16 * MIB;
    /// The body of an update on a topic.
    update_bytes: usize = 16 * 1024 * 1024, KIB, 16 * MIB;
    /// What is kept in memory of all request bodies, messages, articles and typed texts under way.
    bodies_bytes: u64 = 256 * MIB, 16 * MIB, 1024 * 1024 * MIB;
    /// How long a newsreader may be silent.
    nntp_idle_ms: u64 = 600_000, 100, DAY_MS;
    /// Newsreaders' connections that may be compressed at a time, each in 350 KiB of memory.
    compressed_connections: usize = 64, 0, 65_536;
    /// A line of the line protocol, without its end.
    line_bytes: usize = 65_536, 256, MIB;
    /// A message of Perspective Broker.
    pb_message_bytes: usize = 2 * 1024 * 1024, 64 * KIB, 32 * MIB;
    /// References that each side of a Perspective Broker connection may hold.
    pb_references: usize = 1024, 8, MIB;
    /// Updates that a subscriber over Perspective Broker may have unanswered.
    pb_unanswered_updates: usize = 64, 1, 65_536;
    /// How long an HTTP request's head may take.
    head_ms: u64 = 10_000, 100, HOUR_MS;
    /// How long a request's body, a message or an article may come slower than `body_bytes_per_s`.
    body_grace_ms: u64 = 10_000, 100, HOUR_MS;
    /// How fast they must come after that.
    body_bytes_per_s: u64 = 1024, 1, 1024 * MIB;
    /// How long a TLS handshake may take.
    handshake_ms: u64 = 10_000, 100, 600_000;
    /// TLS handshakes under way at a time on one listener; other connections wait to be accepted,
    /// and are closed where TLS begins on one that was accepted in the clear.
    handshakes: usize = 1024, 1, MIB;
    /// Those of them with one address, of IPv6 with one network of 64 bits; more are closed.
    /// Loopback is exempt.
    handshakes_per_address: usize = 128, 1, MIB;
    /// How often the certificates of listeners are looked at for changes.
    certificates_ms: u64 = 10_000, 100, DAY_MS;
    /// The header of a proxy's PROXY protocol, with all that is told in it.
    proxy_bytes: usize = 536, 232, 65_551;
    /// How long the header of a proxy's PROXY protocol may take.
    proxy_ms: u64 = 5_000, 100, 600_000;
    /// How long a client may say nothing on a port of several protocols before it is taken for one
    /// to whom the server speaks first.
    silence_ms: u64 = 500, 10, 60_000;
    /// How long an HTTP connection may be silent.
    idle_ms: u64 = 60_000, 100, DAY_MS;
    /// Connections at a time; 0: as `RLIMIT_NOFILE` allows, less a reserve.
    connections: usize = 0, 0, 16 * MIB;
    /// Connections at a time from one address; loopback is exempt.
    per_address: usize = 1024, 1, 16 * MIB;
    /// How far ahead of the clock a position report may be.
    report_ahead_ms: u64 = 24 * 3_600_000, 0, 366 * DAY_MS;
    /// How long a stop waits for the next request of connections that were in use, to close them
    /// behind its answer.
    farewell_ms: u64 = 500, 0, 60_000;
    /// How long a drain may take before connections are cut.
    drain_ms: u64 = 10_000, 0, HOUR_MS;
    /// How long a closed connection may take to accept its last bytes.
    linger_ms: u64 = 2000, 10, 600_000;
    /// What may wait for the disk before writers hear "later".
    pending_bytes: usize = 8 * 1024 * 1024, 64 * KIB, 1024 * MIB;
    /// How long a write may wait for the writing of those before it, on a disk that was slow for a
    /// second, before writers hear "later".
    pending_ms: u64 = 50, 1, HOUR_MS;
    /// How long a write waits for the disks of other nodes before it is answered all the same.
    spread_ms: u64 = 5000, 10, HOUR_MS;
    /// What may wait in memory for one reader of a stream.
    subscriber_bytes: usize = 65_536, 4 * KIB, 64 * MIB;
    /// How many updates a live reader may be behind before it gets the newest of each story only.
    lag_updates: u64 = 1000, 1, 1_000_000_000;
    /// How long a live reader may be behind before it gets the newest of each story only.
    lag_ms: u64 = 10_000, 10, DAY_MS;
    /// How long a reader of a stream may take nothing before it is cut.
    stall_ms: u64 = 60_000, 100, DAY_MS;
    /// What a peer may send before we give it credit.
    peer_window_bytes: usize = 1024 * 1024, 64 * KIB, 256 * MIB;
    /// A message of a WebSocket.
    ws_message_bytes: usize = 16 * 1024 * 1024, KIB, 16 * MIB;
    /// What is remembered of each direction of a WebSocket, so that its next messages deflate
    /// better; below 512 nothing is.
    ws_context_bytes: usize = 0, 0, 32 * KIB;
    /// Subscriptions of one WebSocket at a time.
    ws_subscriptions: usize = 64, 1, 10_000;
    /// Writes of one WebSocket that may wait for their end; then it is not read.
    ws_writes: usize = 64, 1, 10_000;
    /// How often both ends of a link compare all that they have.
    digest_ms: u64 = 30_000, 100, DAY_MS;
    /// What may wait in memory for the updates before it, from all peers together.
    gate_bytes: usize = 8 * 1024 * 1024, 64 * KIB, 1024 * MIB;
    /// What is kept in memory of what is new, for all links together.
    ring_bytes: usize = 512 * 1024, 16 * KIB, 64 * MIB;
    /// How many updates a second of one origin are pushed to peers; more are offered.
    origin_updates_per_s: u64 = 20_000, 1, 1_000_000;
    /// Up to how many new updates a second each is pushed on nearly all links.
    calm_updates_per_s: u64 = 500, 0, 1_000_000;
    /// Up to how many bytes of new updates a second each is pushed on nearly all links.
    calm_bytes_per_s: u64 = 1024 * 1024, 0, 1024 * MIB;
    /// How long a dial to a peer may take.
    connect_ms: u64 = 5000, 10, 600_000;
    /// How often a quiet link is pinged.
    heartbeat_ms: u64 = 1000, 10, 600_000;
    /// How often this node compares all that it holds with one of its peers.
    audit_ms: u64 = 3_600_000, 100, DAY_MS;
    /// How long a link may be silent before it is cut and dialled anew.
    peer_silence_ms: u64 = 5000, 20, HOUR_MS;
    /// The first wait before a lost peer is dialled again; later ones double.
    redial_min_ms: u64 = 200, 10, 600_000;
    /// The longest wait before a lost peer is dialled again.
    redial_max_ms: u64 = 5000, 10, HOUR_MS;
    /// Updates kept in memory for those who read them again.
    cache_bytes: usize = 8 * 1024 * 1024, MIB, 1024 * 1024 * MIB;
    /// Pages of the index kept in memory.
    index_cache_bytes: usize = 8 * 1024 * 1024, MIB, 1024 * 1024 * MIB;
    /// A segment of the log.
    segment_bytes: u64 = 64 * 1024 * 1024, MIB, 1024 * MIB;
    /// How often at most a segment of the log is written anew, without what was erased or dropped.
    rewrite_ms: u64 = 10_000, 10, DAY_MS;
    /// How often what is over its topic's retention is looked for.
    retention_ms: u64 = 60_000, 10, DAY_MS;
    /// Searches that may wait for an answer; 0: this node has no search.
    searches: usize = 32, 0, 10_000;
    /// How long a search may take.
    search_ms: u64 = 500, 10, 60_000;
    /// A line typed at a Telnet console, without its end.
    telnet_line_bytes: usize = 16 * 1024, 80, 64 * KIB;
    /// How long a Telnet console may be silent.
    telnet_idle_ms: u64 = 1_800_000, 100, DAY_MS;
    /// A turn of the loop that took longer is logged.
    turn_slow_ms: u64 = 50, 1, 600_000;
}

/// A pair of limits that can't work together: the key that is too small, and the rest of the
/// sentence.
pub(super) struct Clash {
    pub(super) key: &'static str,
    pub(super) other: &'static str,
    pub(super) what: String,
}

// The largest body with the fields around it always fits in an envelope.
const _: () = assert!(PAYLOAD_BYTES_MAX as u64 >= 16 * MIB + 32 * KIB);

impl Limits {
    /// The first pair that can't work together.
    pub(super) fn clash(&self) -> Option<Clash> {
        let update_room = self.update_bytes.max(self.story_bytes) as u64 + MIB;
        // A story as JSON, with its escapes: a body that may come at all must fit when it is alone.
        let body_room = 6 * self.story_bytes as u64 + 16 * KIB;
        let pairs = [
            ("head_bytes", self.head_bytes as u64, "target_bytes", self.target_bytes as u64 + 256),
            ("update_bytes", self.update_bytes as u64, "story_bytes", self.story_bytes as u64),
            ("bodies_bytes", self.bodies_bytes, "story_bytes", body_room),
            ("segment_bytes", self.segment_bytes, "update_bytes", update_room),
            ("peer_silence_ms", self.peer_silence_ms, "heartbeat_ms", 2 * self.heartbeat_ms),
            ("redial_max_ms", self.redial_max_ms, "redial_min_ms", self.redial_min_ms),
        ];
        let (key, value, other, least) = pairs.into_iter().find(|pair| pair.1 < pair.3)?;
        let what = format!("{value} is too small beside {other}: it must be at least {least}");
        Some(Clash { key, other, what })
    }
}
