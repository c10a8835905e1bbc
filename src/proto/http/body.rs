//! How bodies end (RFC 9112, 6.3): by length, by chunks, by the connection's end. The events that
//! both directions share.

use super::chunked::ChunkedDecoder;
use super::error::{Fault, HttpErrorKind};
use super::request::HttpLimits;
use crate::base::InBuf;

/// How a message's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// No body.
    None,
    /// So many bytes, declared before any came; may be 0.
    Length(u64),
    /// Chunks; the length is known at the end.
    Chunked,
    /// All until the connection closes. Only in responses.
    UntilClose,
}

impl BodyLength {
    /// True when no byte of body follows the head.
    pub fn is_empty(self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }
}

/// What the bytes of a message mean, in order: one head, any number of body pieces, one end.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a, H> {
    /// The whole head.
    Head(H),
    /// Some bytes of the body, at least one.
    Body(&'a [u8]),
    /// The message is complete, also when it had no body.
    End,
}

/// What a decoder waits for; says which time limit applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaiting {
    /// The first byte of a message.
    Idle,
    /// The rest of a head.
    Head,
    /// The rest of a body.
    Body,
}

/// A step of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// More input is needed.
    Wait,
    /// The next so many bytes of the input are data, at least one, and not consumed yet.
    Data(usize),
    /// The body is complete; all of it is consumed.
    End,
}

/// Follows one body through the input.
#[derive(Clone, Debug)]
pub(super) enum BodyDecoder {
    Counted(u64),
    Chunked(ChunkedDecoder),
    UntilClose,
}

impl BodyDecoder {
    pub(super) fn new(length: BodyLength) -> Self {
        match length {
            BodyLength::None => Self::Counted(0),
            BodyLength::Length(bytes) => Self::Counted(bytes),
            BodyLength::Chunked => Self::Chunked(ChunkedDecoder::default()),
            BodyLength::UntilClose => Self::UntilClose,
        }
    }

    /// The next step. Framing bytes are consumed and added to `offset`, also before a fault, whose
    /// place counts from the new offset.
    #[inline]
    pub(super) fn step(
        &mut self,
        input: &mut InBuf,
        offset: &mut u64,
        limits: &HttpLimits,
    ) -> Result<Step, Fault> {
        match self {
            Self::Counted(0) => Ok(Step::End),
            Self::Counted(left) => {
                let len = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= len as u64;
                Ok(if len == 0 { Step::Wait } else { Step::Data(len) })
            }
            Self::Chunked(chunked) => chunked.step(input, offset, limits),
            Self::UntilClose if input.is_empty() => Ok(Step::Wait),
            Self::UntilClose => Ok(Step::Data(input.len())),
        }
    }

    /// Bytes of data still to come, where that is known.
    pub(super) fn bytes_left(&self) -> Option<u64> {
        match self {
            Self::Counted(left) => Some(*left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// The peer has closed: is the body complete?
    pub(super) fn on_close(&self) -> Result<(), HttpErrorKind> {
        match self {
            Self::UntilClose | Self::Counted(0) => Ok(()),
            Self::Counted(_) | Self::Chunked(_) => Err(HttpErrorKind::Truncated),
        }
    }
}
