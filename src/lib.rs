//! Bellwether: a herd of application servers for news.
//!
//! One node is one process with one event loop on one core; a herd is nodes joined by peer links.
//! Modules stand in layers; each imports only from lower ones (`tests/tidy.rs` holds it so).
//! Read ARCHITECTURE.md first, then `reactor`, then `node`.

pub mod accounts;
pub mod base;
pub mod cli;
pub mod config;
pub mod herd;
pub mod metrics;
pub mod news;
pub mod node;
pub mod proto;
pub mod reactor;
pub mod search;
pub mod serve;
pub mod sim;
pub mod store;
pub mod update;
