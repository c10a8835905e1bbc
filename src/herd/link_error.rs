//! Why a link ends by its own rules.

use super::{AuditError, BlobError};
use crate::proto::peer::PROTOCOL;
use crate::store::StoreError;
use crate::update::{EnvelopeError, Epoch};
use std::fmt;

/// Why a link ends by its own rules.
#[derive(Debug)]
pub enum LinkError {
    /// The peer speaks another version.
    Protocol(u16),
    /// A frame that may not come now.
    Unexpected(&'static str),
    /// An update that is no valid envelope.
    Envelope(EnvelopeError),
    /// A seal whose signature is not its key's, or updates that are not those of their seal.
    Seal(Epoch),
    /// More bytes than the window allows.
    Window,
    /// Nothing was heard for too long.
    Silent(u64),
    /// A rule of large payloads.
    Blob(BlobError),
    /// A rule of audits.
    Audit(AuditError),
    /// Our archive can't be read.
    Store(StoreError),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(version) => {
                write!(f, "the peer speaks version {version} of the link protocol, not {PROTOCOL}")
            }
            Self::Unexpected(what) => write!(f, "{what} may not come at this point of the link"),
            Self::Envelope(error) => write!(f, "an update of the peer is refused: {error}"),
            Self::Seal(epoch) => write!(f, "a seal of epoch {epoch} is not its owner's word"),
            Self::Window => f.write_str("the peer sent more than its window of credit"),
            Self::Silent(ms) => write!(f, "nothing was heard for {ms} ms"),
            Self::Blob(error) => error.fmt(f),
            Self::Audit(error) => error.fmt(f),
            Self::Store(error) => write!(f, "the archive can't be read: {error}"),
        }
    }
}

impl std::error::Error for LinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Envelope(error) => Some(error),
            Self::Blob(error) => Some(error),
            Self::Audit(error) => Some(error),
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl From<BlobError> for LinkError {
    fn from(error: BlobError) -> Self {
        Self::Blob(error)
    }
}

impl From<AuditError> for LinkError {
    fn from(error: AuditError) -> Self {
        Self::Audit(error)
    }
}

impl From<StoreError> for LinkError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
