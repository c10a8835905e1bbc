//! Perspective Broker over a node: contract.md's root and avatars, called by Twisted programs. One
//! [`PbConnection`] a client.
//!
//! From the outside in: `connection` keeps what is under way; `methods` says what a call comes to,
//! from its `arguments` and by the rights of its `object`; `login`, `search`, `subscription` and
//! `pager` are what goes on behind a call; `failure` says why one was refused.

mod arguments;
mod connection;
mod deadlines;
mod failure;
mod login;
mod methods;
mod object;
mod pager;
mod search;
mod subscription;
mod tally;

pub use connection::PbConnection;
pub use tally::PbTally;
