//! The values that have words of their own: durability, service, kind of peer, close policy.

use super::error::hint;
use crate::update::ASKED_MAJORITY;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A word that is not one of those expected; says which are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError(pub(super) String);

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ValueError {}

/// The most nodes whose disks a write may wait for by number: an envelope says it in a byte.
const NODES_MAX: u32 = ASKED_MAJORITY as u32 - 2;

/// What a write waits for before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: acknowledged from memory, on disk within 10 ms.
    None,
    /// The disk of its own node.
    Local,
    /// The disks of so many more nodes.
    Nodes(u32),
    /// The disks of most nodes.
    Majority,
}

impl Durability {
    /// As an envelope says it ([`crate::update::Draft::asked`]).
    pub fn asked(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Local => 1,
            Self::Nodes(nodes) => {
                u8::try_from(nodes).map_or(ASKED_MAJORITY - 1, |n| n.min(ASKED_MAJORITY - 2) + 1)
            }
            Self::Majority => ASKED_MAJORITY,
        }
    }

    /// What an envelope asks.
    pub fn of_asked(asked: u8) -> Self {
        match asked {
            0 => Self::None,
            1 => Self::Local,
            ASKED_MAJORITY => Self::Majority,
            disks => Self::Nodes(u32::from(disks) - 1),
        }
    }

    /// True when the disks of other nodes count.
    pub fn is_wide(self) -> bool {
        matches!(self, Self::Nodes(_) | Self::Majority)
    }
}

impl FromStr for Durability {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let nodes = || {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|nodes| is_number && (1..=NODES_MAX).contains(nodes))
        };
        match text {
            "none" => Ok(Self::None),
            "local" => Ok(Self::Local),
            "majority" => Ok(Self::Majority),
            _ => nodes().map(Self::Nodes).ok_or_else(|| {
                ValueError(format!(
                    "{text:?} is no durability: use \"none\", \"local\", a number of nodes from 1 \
                     to {NODES_MAX}, or \"majority\""
                ))
            }),
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Local => f.write_str("local"),
            Self::Nodes(nodes) => write!(f, "{nodes}"),
            Self::Majority => f.write_str("majority"),
        }
    }
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// HTTP/1.1.
    Http,
    /// The line protocol, for clients.
    Line,
    /// AT lines from the servers of foreign herds.
    At,
    /// A console for people.
    Telnet,
    /// NNTP, for newsreaders and feeders.
    Nntp,
    /// Perspective Broker.
    Pb,
    /// The herd's own links.
    Peer,
    /// Several of these on one port: each connection's is told from its first bytes.
    Auto,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Http,
        Self::Line,
        Self::At,
        Self::Telnet,
        Self::Nntp,
        Self::Pb,
        Self::Peer,
        Self::Auto,
    ];

    /// True where the server speaks first, so that a client's bytes do not tell the protocol.
    pub fn greets(self) -> bool {
        !matches!(self, Self::Http | Self::Line | Self::At | Self::Peer | Self::Auto)
    }

    /// Its word in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Line => "line",
            Self::At => "at",
            Self::Telnet => "telnet",
            Self::Nntp => "nntp",
            Self::Pb => "pb",
            Self::Peer => "peer",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Service {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some(service) = Self::ALL.into_iter().find(|service| service.name() == text) {
            return Ok(service);
        }
        let hint = hint(text, Self::ALL.map(Self::name));
        Err(ValueError(format!("{text:?} is no protocol; {hint}")))
    }
}

/// When a connection of the line protocol is closed by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ClosePolicy {
    /// It is not, however long the client is silent.
    #[default]
    Never,
    /// After each answer.
    Answered,
    /// After an answer, once the client was silent for so many milliseconds.
    Idle(u64),
}

impl FromStr for ClosePolicy {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let idle = || {
            let ms = text.strip_prefix("idle:")?.strip_suffix("ms")?;
            let is_number = !ms.is_empty() && ms.bytes().all(|byte| byte.is_ascii_digit());
            ms.parse().ok().filter(|ms| is_number && (1..=86_400_000).contains(ms))
        };
        match text {
            "never" => Ok(Self::Never),
            "answered" => Ok(Self::Answered),
            _ => idle().map(Self::Idle).ok_or_else(|| {
                ValueError(format!(
                    "{text:?} is no close policy: use \"never\", \"answered\" or \"idle:150ms\""
                ))
            }),
        }
    }
}

impl fmt::Display for ClosePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Answered => f.write_str("answered"),
            Self::Idle(ms) => write!(f, "idle:{ms}ms"),
        }
    }
}

/// What is spoken with a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerKind {
    /// The herd's own links.
    Herd,
    /// AT lines: a server of a foreign herd.
    At {
        /// On a fresh connection for each report, as some of them expect.
        per_update: bool,
    },
    /// Articles: a news server (RFC 3977, 4644).
    Nntp(FeedRules),
}

/// What goes between this node and a news server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRules {
    /// A wildmat (RFC 3977, 4): of which groups its articles are taken.
    pub accept: String,
    /// A wildmat: of which groups articles are offered to it.
    pub offer: String,
    /// Addresses that it dials from, beside those that its endpoint leads to.
    pub from: Vec<IpAddr>,
    /// What it cancels is withdrawn without a key (RFC 8315).
    pub trusts_cancels: bool,
}

impl Default for FeedRules {
    /// All groups, both ways; cancels need a key.
    fn default() -> Self {
        let all = || "*".to_owned();
        Self { accept: all(), offer: all(), from: Vec::new(), trusts_cancels: false }
    }
}

impl PeerKind {
    /// Its word in a configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Herd => "herd",
            Self::At { .. } => "at",
            Self::Nntp(_) => "nntp",
        }
    }
}

impl FromStr for PeerKind {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "herd" => Ok(Self::Herd),
            "at" => Ok(Self::At { per_update: false }),
            "nntp" => Ok(Self::Nntp(FeedRules::default())),
            other => {
                let hint = hint(other, ["herd", "at", "nntp"]);
                Err(ValueError(format!("{other:?} is no kind of peer; {hint}")))
            }
        }
    }
}
