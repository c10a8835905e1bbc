//! Perspective Broker: calls of methods of objects that are elsewhere, in both directions over one
//! connection, as Twisted speaks it (version 6).
//!
//! [`Broker`] is one end of a connection: it reads messages out of bytes
//! ([`banana`](super::banana)), knows what references each side holds, and writes calls and
//! answers. [`Jelly`] is a value, [`Failure`] an error. Instances come in only of classes that both
//! sides know by name: here that is Twisted's failure alone. There are no caches.

mod broker;
mod error;
mod failure;
mod jelly;
mod json;
mod message;
#[cfg(test)]
mod tests;
mod unjelly;

pub use broker::{Broker, Call, Event, PbLimits, TooManyReferences};
pub use error::{PbError, PbFault};
pub use failure::Failure;
pub use jelly::{Jelly, Moment, ObjectId};
pub use message::RequestId;
