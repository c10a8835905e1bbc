//! Layer 3: the glue, one file a protocol: decoded events become calls of the node behind them,
//! and its answers become encoded bytes. No protocol rule is kept here (that is `proto`'s), and no
//! state that outlives a connection (that is the node's).

pub mod at;
pub mod auto;
mod console;
pub mod feed;
mod gate;
pub mod http;
pub mod line;
pub mod nntp;
mod offer;
mod pages;
pub mod pb;
pub mod peer;
mod tally;
pub mod telnet;
mod usenet;
mod visitor;
pub mod ws;

use crate::base::Chunk;
use crate::config::{Config, Durability};
use crate::herd::Feed;
use crate::metrics::Exposition;
use crate::reactor::{ConnId, Ctx};
use crate::search::{Ask, Fault, Found};
use crate::store::{Store, StoreError};
use crate::update::{After, Cid, Dot, Kind, PublicKey, Signature, Update};
use std::fmt;
use std::net::IpAddr;

pub use console::{About, Action, Console, Gathered, Told};
pub use gate::{CheckId, Denied, Gate, Verdict};
pub use tally::{RouteLabel, Tally};
pub use visitor::{Lacks, Visitor, anyone};

/// Counts writes that wait for the disk, in the order in which they will be on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A local update to be made: what a protocol knows of it.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// What it says.
    pub kind: Kind,
    /// 1 to 255 bytes; "stories" for revisions, "places" for reports.
    pub topic: &'a str,
    /// 1 to 255 bytes.
    pub media_type: &'a str,
    /// Its name outside of the herd, 0 to 255 bytes; empty for none.
    pub alias: &'a str,
    /// The revisions that it follows.
    pub parents: Vec<Cid>,
    /// What is said.
    pub payload: &'a [u8],
}

/// What became of an [`Entry`] that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The name of the new update.
    pub dot: Dot,
    /// Its content id.
    pub cid: Cid,
    /// Where to wait for the disk; `None` when its writer did not ask for that.
    pub ticket: Option<Ticket>,
}

/// Why a write was not accepted. Nothing of it remains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The disk is full or failing; reads go on.
    Failing,
    /// Too much waits for the disk: try again in so many milliseconds.
    Busy(u64),
    /// The node is about to stop.
    Draining,
    /// The envelope's own limits: a topic, media type or alias that is too long.
    Malformed,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failing => "this node can't write to its disk: reads go on, try another node",
            Self::Busy(_) => "more waits for this node's disk than it can take: try again soon",
            Self::Draining => "this node is about to stop: try another node",
            Self::Malformed => "a topic and a media type have 1 to 255 bytes",
        })
    }
}

impl std::error::Error for Refusal {}

/// How a write that waited for the disk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is on this node's disk, and waits for no other node any longer.
    Done,
    /// The disk failed: nothing of it remains.
    Refused,
}

/// Why a search was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchRefusal {
    /// This node has no search, or not yet.
    Absent,
    /// As many wait as may.
    Busy,
}

/// What the search index does not know yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchBacklog {
    /// The log is read for what changed while the index was away: how much that is, is not known.
    pub is_reading: bool,
    /// Stories that are known to wait.
    pub stories: usize,
}

/// A node of the herd, and what is known of an update there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its name.
    pub node: String,
    /// By when the update was on its disk, in milliseconds since 1970; `None` when it is not known
    /// to be.
    pub at_ms: Option<u64>,
}

/// What the protocols ask of the node behind them. The node is the loop's shared state, so each
/// call gets it as `&mut D`; nothing here blocks.
pub trait Desk: Console {
    /// The node's configuration: name, limits, default durability.
    fn config(&self) -> &Config;

    /// The archive, to read from: updates, vectors, and the index that `news` reads.
    fn store(&self) -> &Store;

    /// Makes a local update: stamped, sealed, appended to the log, and on its way to the links as
    /// its durability allows.
    fn publish(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        entry: Entry<'_>,
        durability: Durability,
    ) -> Result<Receipt, Refusal>;

    /// The write of this story that is on its way to the disk, if there is one: another edit must
    /// wait for it, since it can't know yet what it edits.
    fn writing(&self, title: &str) -> Option<Ticket>;

    /// How a ticket ended; `None` while it waits. A ticket may be asked for more than once.
    fn settled(&self, ticket: Ticket) -> Option<Settled>;

    /// Asks that `conn` be notified once when the ticket is settled.
    fn await_ticket(&mut self, ticket: Ticket, conn: ConnId);

    /// True when an update is as safe as this, as far as this node knows now. A ticket for more
    /// than this node's disk is settled when that is so, or when its time is up.
    fn is_as_safe_as(&self, dot: Dot, durability: Durability) -> bool;

    /// All nodes known, this one first, each with what is known of an update there.
    fn holders(&self, dot: Dot) -> Vec<Holder>;

    /// A reader's way through all updates behind `after`, in order within each origin, parents
    /// before children; without `after` it begins with what comes next.
    fn feed(&self, after: Option<&After>) -> Result<Feed, StoreError>;

    /// Asks that `conn` be notified whenever new updates can be read, until it is lost or
    /// [`Desk::leave`]s.
    fn attend(&mut self, conn: ConnId);

    /// Ends [`Desk::attend`]; harmless when it was not attending.
    fn leave(&mut self, conn: ConnId);

    /// The update as contract.md's JSON, made once however many read it.
    fn rendered(&mut self, update: &Update) -> Chunk;

    /// `/v1/herd` as JSON: `{name, nodes, links, vector}`.
    fn herd_view(&self, cx: &Ctx<'_, Self>) -> serde_json::Value;

    /// `/v1/charter` as JSON: `{node, key, founding, epoch, members: [{name, key, retired}]}`;
    /// `founding` is null where there is no charter.
    fn charter_view(&self) -> serde_json::Value;

    /// Writes the node's own metrics (loop, store, herd), to stand beside those of the protocols.
    fn expose(&self, cx: &Ctx<'_, Self>, out: &mut Exposition);

    /// Why the node should get no new work; `None` when it is ready.
    fn unready(&self) -> Option<&'static str>;

    /// Asks the search index for the connection that this call is about, which has asked for
    /// nothing else; it is notified when [`Desk::found`] has the answer.
    fn search(&mut self, cx: &mut Ctx<'_, Self>, ask: Ask) -> Result<(), SearchRefusal>;

    /// The answer to the question of a connection, once; `None` while it waits.
    fn found(&mut self, conn: ConnId) -> Option<Result<Found, Fault>>;

    /// A connection has no interest in its answer any more; harmless when it asked for none.
    fn forget_search(&mut self, conn: ConnId);

    /// How far the search index is behind.
    fn search_backlog(&self) -> SearchBacklog;

    /// The answers that are kept until their story changes: one value for the whole node, which
    /// says so.
    fn prints(&mut self) -> &mut http::Prints;

    /// The events that streams were sent last: one value for the whole node.
    fn events(&mut self) -> &mut http::Events;

    /// What sockets share: one value for the whole node.
    fn sockets(&mut self) -> &mut ws::Sockets;

    /// Counters that the protocols keep: one value for the whole node.
    fn tally(&mut self) -> &mut Tally;

    /// The Telnet consoles that are open: one value for the whole node.
    fn sessions(&mut self) -> &mut telnet::Sessions;

    /// The node's own key.
    fn key(&self) -> PublicKey;

    /// Signs as this node: 20 µs.
    fn sign(&self, message: &[u8]) -> Signature;

    /// True for the keys of this node and of those that are of its herd now, whose word it takes
    /// for who is signed in.
    fn trusts(&self, key: &PublicKey) -> bool;

    /// True when the host name of the configured news server of this name was last found to lead to
    /// this address.
    fn is_news_server_at(&self, _name: &str, _ip: IpAddr) -> bool {
        false
    }

    /// What is remembered of visitors: one value for the whole node.
    fn gate(&mut self) -> &mut Gate;

    /// Begins to check the password of an account, off the loop. The connection at hand is notified
    /// when [`Desk::checked`] knows the end.
    fn check_password(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        name: &str,
        password: &[u8],
    ) -> Result<CheckId, Denied> {
        gate::check(cx, self, name, password)
    }

    /// How a check ended, told once; `None` while it is under way.
    fn checked(&mut self, check: CheckId) -> Option<Verdict> {
        self.gate().take(check)
    }
}
