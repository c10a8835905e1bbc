//! Layer 1: what an operator may say, and what is wrong with how they said it.
//!
//! Owns the configuration file: its keys, the limits with their bounds, and one-line errors that
//! name file, line, key and the nearest known key. The node's secret key, and the files that TLS
//! needs. Loads these files; opens nothing else.

mod document;
mod error;
mod key;
mod limits;
mod logs;
mod pem;
mod read;
mod retention;
#[cfg(test)]
mod tests;
mod values;
mod write;

pub use error::ConfigError;
pub(crate) use error::distance;
pub use key::{KeyError, load_or_make_key};
pub use limits::{Limit, Limits};
pub use logs::{LogConfig, LogFormat};
pub use pem::{PemError, PemFile, PemStamp, read_authorities, read_folder, read_pem};
pub use retention::Keep;
pub use values::{ClosePolicy, Durability, FeedRules, PeerKind, Service, ValueError};

use crate::base::{ClientEndpoint, ServerEndpoint};
use crate::update::PublicKey;
use std::path::{Path, PathBuf};

/// The configuration of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The node's name in the herd: 1 to 64 bytes, no white space, no control characters.
    pub name: String,
    /// Where it keeps its store.
    pub dir: PathBuf,
    /// What a write waits for unless it says otherwise.
    pub durability: Durability,
    /// False: what its peers had before a link came up is not asked for; the node learns only what
    /// is new. For comparison with herds that do so.
    pub catch_up: bool,
    /// Where it serves what.
    pub listen: Vec<Listen>,
    /// Whom it dials, or expects.
    pub peers: Vec<Peer>,
    /// True: whoever can reach this node may write. `None`: so it is when every listener is on this
    /// machine. See [`Config::are_accounts_open`].
    pub accounts_open: Option<bool>,
    /// By topic how much is kept; what is over it may go. `*` is for all that are not named.
    pub retention: Vec<(String, Keep)>,
    /// How it logs.
    pub log: LogConfig,
    /// Every limit.
    pub limits: Limits,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// What is spoken there.
    pub service: Service,
    /// With [`Service::Auto`] what is told apart there; empty for others.
    pub protocols: Vec<Service>,
    /// Where.
    pub endpoint: ServerEndpoint,
    /// When a connection of the line protocol is closed; [`ClosePolicy::Never`] for others.
    pub close: ClosePolicy,
    /// The folder of certificates for connections that begin in the clear and are secured when
    /// their clients ask for it, or begin it where several protocols are told apart.
    pub certificates: Option<PathBuf>,
}

impl Listen {
    /// A listener of one protocol.
    pub fn new(service: Service, endpoint: ServerEndpoint) -> Self {
        Self {
            service,
            protocols: Vec::new(),
            endpoint,
            close: ClosePolicy::Never,
            certificates: None,
        }
    }

    /// True when this is spoken there, be it among others.
    pub fn speaks(&self, service: Service) -> bool {
        self.service == service || self.protocols.contains(&service)
    }
}

/// One peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name in the herd, or of the foreign server.
    pub name: String,
    /// Where it listens for peers; `None`: it is known by its key, and dials us.
    pub endpoint: Option<ClientEndpoint>,
    /// What is spoken with it.
    pub kind: PeerKind,
    /// Its public key: links to and from a node of this name are with its owner only.
    pub key: Option<PublicKey>,
}

impl Config {
    /// A node of this name that keeps its store in `dir`: no listener, no peer, defaults.
    pub fn new(name: impl Into<String>, dir: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            dir: dir.into(),
            durability: Durability::Local,
            catch_up: true,
            listen: Vec::new(),
            peers: Vec::new(),
            accounts_open: None,
            retention: Vec::new(),
            log: LogConfig::default(),
            limits: Limits::default(),
        }
    }

    /// True when nobody needs an account to write: as configured, else when no listener is beyond
    /// this machine.
    pub fn are_accounts_open(&self) -> bool {
        let is_near = || self.listen.iter().all(|listen| listen.endpoint.is_local());
        self.accounts_open.unwrap_or_else(is_near)
    }

    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::unread(&file, &error))?;
        Self::parse(&text, &file)
    }

    /// Reads TOML text; `file` is its name in errors.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        read::config(text, file)
    }

    /// The TOML text that [`Config::parse`] reads back as this; limits at their defaults are left
    /// out.
    pub fn to_toml(&self) -> String {
        write::config(self)
    }
}
