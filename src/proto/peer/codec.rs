//! Frames out of bytes, and every way in which they can be wrong.

use super::Frame;
use super::frame::body_bytes;
use crate::base::InBuf;
use crate::update::VectorError;
use std::fmt;

/// What stands before a body: length and type.
pub const HEADER_BYTES: usize = 5;
const LENGTH_BYTES: usize = 4;

/// Which rule a frame breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameFault {
    /// A length of 0: not even a type.
    Empty,
    /// A length over the limit of the link.
    Large {
        /// What the frame says.
        bytes: u32,
        /// What is allowed.
        bytes_max: usize,
    },
    /// A type that we do not know.
    Type(u8),
    /// A body too short or too long for its type.
    Length {
        /// The type.
        kind: u8,
        /// The length of the body.
        bytes: usize,
    },
    /// A body that ends inside a field.
    Truncated,
    /// Bytes behind the last field.
    Trailing,
    /// A field out of its range or order.
    Value,
    /// A name or text that is empty, too long, not UTF-8 or holds what it must not.
    Text,
    /// A vector that is none, or epochs out of order.
    Vector(VectorError),
    /// A seal that covers nothing, too much, or more than it says.
    Seal,
    /// A flag that is neither 0 nor 1.
    Flag,
}

impl fmt::Display for FrameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a frame without a type"),
            Self::Large { bytes, bytes_max } => {
                write!(f, "a frame of {bytes} bytes, over the limit of {bytes_max}")
            }
            Self::Type(kind) => write!(f, "frame type {kind} is not known"),
            Self::Length { kind, bytes } => {
                write!(f, "a frame of type {kind} can't have a body of {bytes} bytes")
            }
            Self::Truncated => f.write_str("a frame's body ends early"),
            Self::Trailing => f.write_str("bytes behind a frame's last field"),
            Self::Value => f.write_str("a field of a frame is out of its range or order"),
            Self::Text => f.write_str("a frame's text is empty, too long or not plain UTF-8"),
            Self::Vector(error) => error.fmt(f),
            Self::Seal => f.write_str("a seal that covers nothing, too much, or bits past its end"),
            Self::Flag => f.write_str("a flag is 0 or 1"),
        }
    }
}

/// A peer broke the rules of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// Which one.
    pub fault: FrameFault,
    /// Where the frame begins, in bytes since the link came up.
    pub offset: u64,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {} of the link)", self.fault, self.offset)
    }
}

impl std::error::Error for FrameError {}

/// Takes frames off an [`InBuf`]. A frame's length is judged as soon as it is there, before a byte
/// of its body is waited for; after an error every further call gives that error.
#[derive(Debug)]
pub struct PeerCodec {
    frame_bytes_max: usize,
    offset: u64,
    needed: usize,
    failed: Option<FrameError>,
}

impl PeerCodec {
    /// A codec for frames whose type and body are at most `frame_bytes_max` bytes.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self { frame_bytes_max, offset: 0, needed: HEADER_BYTES, failed: None }
    }

    /// Changes the limit, from the next frame on.
    pub fn allow(&mut self, frame_bytes_max: usize) {
        self.frame_bytes_max = frame_bytes_max;
    }

    /// How many bytes the input buffer must be able to hold for the frame at hand, or for the next
    /// header. It is never more than the limit and the length field, and changes with
    /// [`PeerCodec::next`].
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// How many bytes of whole frames were taken since the link came up.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next whole frame; `None` until more bytes come.
    pub fn next<'a>(&mut self, input: &'a mut InBuf) -> Result<Option<Frame<'a>>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let length = self.frame_length(input.data()).map_err(|fault| self.fail(fault))?;
        let Some(length) = length else {
            self.needed = HEADER_BYTES;
            return Ok(None);
        };
        let whole = LENGTH_BYTES + length;
        if input.len() < whole {
            self.needed = whole.max(HEADER_BYTES);
            return Ok(None);
        }
        self.needed = HEADER_BYTES;
        let bytes = input.take(whole);
        let frame = Frame::decode(bytes[LENGTH_BYTES], &bytes[HEADER_BYTES..]);
        let frame = frame.map_err(|fault| self.fail(fault))?;
        self.offset += whole as u64;
        Ok(Some(frame))
    }

    /// The length of the frame at the front, when it is known and within its bounds.
    fn frame_length(&self, held: &[u8]) -> Result<Option<usize>, FrameFault> {
        let Some((length, rest)) = held.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let bytes = u32::from_be_bytes(*length);
        let length = bytes as usize;
        if length == 0 {
            return Err(FrameFault::Empty);
        }
        if length > self.frame_bytes_max {
            return Err(FrameFault::Large { bytes, bytes_max: self.frame_bytes_max });
        }
        let Some(kind) = rest.first() else { return Ok(None) };
        let allowed = body_bytes(*kind).ok_or(FrameFault::Type(*kind))?;
        if allowed.contains(&(length - 1)) {
            Ok(Some(length))
        } else {
            Err(FrameFault::Length { kind: *kind, bytes: length - 1 })
        }
    }

    fn fail(&mut self, fault: FrameFault) -> FrameError {
        let error = FrameError { fault, offset: self.offset };
        self.failed = Some(error);
        error
    }
}
