//! Layer 0: what an update is. Dots, content ids, the hybrid clock, the canonical envelope, and
//! the vectors that say which dots a node or a reader has. Pure values: no clock, no I/O.
//!
//! An epoch is the hash of its origin's key and of 64 random bits made when a log is born; so
//! `(epoch, seq)` names an update in the whole herd, an epoch provably belongs to a key, and the
//! origin's name rides along in the envelope for people. What an origin says is under its [`Seal`].

mod cursor;
mod envelope;
mod hlc;
mod key;
mod seal;
mod sketch;
mod statement;
mod vector;
mod wire;
mod word;

pub use cursor::{After, Cursor, CursorError, Mark, TEXT_BYTES_MAX as CURSOR_BYTES_MAX};
pub use envelope::{
    ASKED_MAJORITY, Draft, EnvelopeError, Kind, ORIGIN_BYTES_MAX, PAYLOAD_BYTES_MAX, Update,
};
pub use hlc::{Clock, Hlc};
pub use key::{BadKey, PublicKey, Signature, SigningKey};
pub use seal::{SEAL_UPDATES_MAX, Seal};
pub use sketch::{Proof, Sketch};
pub use statement::Statement;
pub use vector::{Span, Vector, VectorError, state_hash};
pub use wire::{Reader, Truncated, put_varint};
pub use word::Word;

use std::fmt;
use std::str::FromStr;

/// 64 bits of the hash of a key and a salt ([`Epoch::of`]), made when a log is born or its end can
/// no longer be trusted; never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The name of one update: the `seq`-th (from 1, without gaps) of one epoch of one origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Dot {
    /// The epoch of the origin's log.
    pub epoch: Epoch,
    /// Counts from 1.
    pub seq: u64,
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.seq)
    }
}

/// Content id: the BLAKE3 hash of an envelope, payload hash included. Shown as 64 hex digits; it
/// is the `id` of an update and of a revision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid(pub [u8; 32]);

impl Cid {
    /// The id of nothing: what stands before an epoch's first update.
    pub const ZERO: Self = Self([0; 32]);
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text that is not 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCid;

impl fmt::Display for BadCid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id is 64 hexadecimal digits")
    }
}

impl std::error::Error for BadCid {}

impl FromStr for Cid {
    type Err = BadCid;

    fn from_str(text: &str) -> Result<Self, BadCid> {
        let hash = blake3::Hash::from_hex(text).map_err(|_| BadCid)?;
        Ok(Self(*hash.as_bytes()))
    }
}
