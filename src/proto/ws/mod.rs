//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692): the upgrade's two heads, frames in both
//! directions, messages whole.
//!
//! A server reads the request with [`Upgrade::read`], answers it, and from then on feeds
//! [`Receiver::next`] and writes with [`Sender`]. A client asks with a [`Key`], looks at the answer
//! with [`is_upgraded`], reads with the same receiver and writes with [`put_masked`]. What is
//! needed to inflate and deflate is in one [`Flate`] for a whole node: a connection holds none of
//! it.
//!
//! Never here: sockets, clocks, what messages mean, when to ping.

mod error;
mod extension;
mod flate;
mod frame;
mod handshake;
mod receive;
mod send;

#[cfg(test)]
mod tests;

pub use error::{CloseCode, WsError, WsErrorKind};
pub use extension::{Agreement, Policy};
pub use flate::Flate;
pub use handshake::{Key, Upgrade, UpgradeError, VERSION, is_upgraded};
pub use receive::{Close, Event, Message, Receiver};
pub use send::{Form, Sender, put_close, put_masked, put_ping, put_pong};

/// What a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// Which end of the connection this is: clients mask what they send, servers do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads masked frames and writes bare ones.
    Server,
    /// Reads bare frames and writes masked ones.
    Client,
}
