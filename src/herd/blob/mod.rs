//! Large payloads go from node to node in pieces of 64 KiB, each of which proves itself: the hash
//! of a payload is the root of a tree (BLAKE3), a manifest tells the hash of each piece's subtree,
//! and what these add up to is what the update's id was made of. So a receiver takes pieces from
//! several neighbours at once, keeps nothing that is not proven, and goes on with another
//! neighbour where a link broke off.
//!
//! [`Assemblies`] is the receiving end, of a whole node, [`Serving`] the sending end; `L` names a
//! link.

mod assembly;
mod serving;
#[cfg(test)]
mod tests;
mod tree;

pub use assembly::{Assemblies, AssembliesView, Begun, BlobSettings};
pub use serving::{Served, Serving, prove};

use crate::update::EnvelopeError;
use std::fmt;

/// Which rule of blobs a peer broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobError {
    /// A manifest with a stub that is none.
    Envelope(EnvelopeError),
    /// A manifest that is of another update than was asked for, or whose hashes do not add up.
    Manifest,
    /// A piece that is not what its hash says.
    Piece,
    /// A piece that was not asked for.
    Unasked,
    /// More pieces asked for at once than may be.
    Asks,
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Envelope(error) => return write!(f, "a manifest's envelope: {error}"),
            Self::Manifest => "a manifest does not prove what was asked for",
            Self::Piece => "a piece of a payload is not what its hash says",
            Self::Unasked => "a piece of a payload was not asked for",
            Self::Asks => "too many pieces are asked for at once",
        })
    }
}

impl std::error::Error for BlobError {}
