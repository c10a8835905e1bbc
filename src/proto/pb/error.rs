//! What ends a connection. Nobody is told: that is how Perspective Broker has it.

use crate::proto::banana::BananaError;
use std::fmt;

/// The peer broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PbError {
    /// Its bytes are not Banana, or too much.
    Banana(BananaError),
    /// A message that is none, by what is wrong with it, and where it ends.
    Message(PbFault, u64),
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PbFault {
    /// It is no list that begins with a word.
    Form,
    /// It begins with a word that is no command.
    Command,
    /// It has other fields than its command has.
    Fields,
    /// No dialect that both sides speak.
    Dialect,
    /// Another version than 6.
    Version,
    /// An answer to nothing that was asked.
    Answer,
    /// A reference let go of that was not held, or a cache that is not there.
    Reference,
    /// More references than may be held, again and again.
    References,
}

impl fmt::Display for PbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fault, end) = match self {
            Self::Banana(error) => return write!(f, "{error}"),
            Self::Message(fault, end) => (fault, end),
        };
        let what = match fault {
            PbFault::Form => "a message that is no list with a word before",
            PbFault::Command => "a message that is unknown",
            PbFault::Fields => "a message with other fields than it has",
            PbFault::Dialect => "no dialect that both speak",
            PbFault::Version => "a version other than 6",
            PbFault::Answer => "an answer to what was not asked",
            PbFault::Reference => "a reference that is not held",
            PbFault::References => "too many references",
        };
        write!(f, "{what}, before {end}")
    }
}

impl std::error::Error for PbError {}

impl From<BananaError> for PbError {
    fn from(error: BananaError) -> Self {
        Self::Banana(error)
    }
}
