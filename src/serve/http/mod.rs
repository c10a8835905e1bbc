//! HTTP/1.1 over a node: contract.md's routes. [`factory`] makes one [`HttpConnection`] a client.
//!
//! From the outside in: `connection` keeps one request at a time under way; `dispatch` finds what
//! becomes of it, and `admit` who asks (`standing` for connections that last); `stories`, `write`
//! (`edit`, `topics`), `updates`, `stream`, `search`, `accounts`, `status` and `site` answer;
//! `upgrade` hands over to `serve/ws`; `gather` (`trace`) and `act` are for operators. `print`
//! keeps what stories were answered with, `events` what streams were sent. `route`, `query`,
//! `draft`, `problem` and `answer` are the words they share.

mod accounts;
mod act;
mod admit;
mod answer;
mod connection;
mod dispatch;
mod draft;
mod edit;
mod events;
mod gather;
mod print;
mod problem;
mod query;
mod reading;
mod route;
mod search;
mod site;
mod spread;
mod standing;
mod status;
mod stories;
mod stream;
#[cfg(test)]
mod tests;
mod topics;
mod trace;
mod unite;
mod updates;
mod upgrade;
mod withdraw;
mod write;

pub use connection::{HttpConnection, factory};
pub use events::Events;
pub use print::Prints;

pub(super) use admit::lacking;
pub(super) use draft::{Draft, Member, Members};
pub(super) use edit::{Edit, conflict_policy};
pub(super) use problem::Problem;
pub(super) use reading::{Reading, Wish, gap_json};
pub(super) use search::Search;
pub(super) use standing::Standing;
pub(super) use stories::{missing, revision_of, revision_update, standing};
pub(super) use topics::Post;
pub(super) use withdraw::Withdraw;
pub(super) use write::{Made, Written};
