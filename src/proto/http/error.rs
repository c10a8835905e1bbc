//! What can be wrong with the bytes of a peer: a kind, the place, and the status to answer with.

use super::status::Status;
use std::fmt;

/// Which rule the bytes broke, or which limit they passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpErrorKind {
    /// A line ended in LF without CR.
    BareLf,
    /// CR without LF after it.
    BareCr,
    /// An empty line where the request line or status line must stand, beyond the one tolerated.
    EmptyStartLine,
    /// The start line is not `METHOD SP target SP version`, or not `version SP code SP reason`.
    StartLine,
    /// The method is not a token.
    Method,
    /// The method is longer than any that exists.
    MethodTooLong,
    /// The target holds a byte that no URI may hold, or is in no form of RFC 9112, 3.2.
    Target,
    /// The target is over `target_bytes_max`.
    TargetTooLong,
    /// `HTTP/x.y` other than 1.0 and 1.1.
    Version,
    /// The head is over `head_bytes_max`.
    HeadTooLarge,
    /// More than `fields_max` field lines.
    TooManyFields,
    /// A field line that begins with white space.
    FoldedField,
    /// White space between a field's name and its colon.
    SpaceBeforeColon,
    /// A field's name is empty or not a token, or the line has no colon.
    FieldName,
    /// A control character in a field's value.
    FieldValue,
    /// HTTP/1.1 without a Host field.
    HostMissing,
    /// More than one Host field.
    HostRepeated,
    /// Host, or the target's authority, is not `host[:port]`.
    Host,
    /// Content-Length is not one number below 2^63.
    ContentLength,
    /// More than one Content-Length.
    ContentLengthRepeated,
    /// Content-Length together with Transfer-Encoding.
    LengthAndCoding,
    /// Transfer-Encoding that is malformed, or does not end in `chunked`.
    TransferCoding,
    /// Transfer codings other than `chunked` alone.
    TransferCodingUnknown,
    /// Transfer-Encoding in an HTTP/1.0 message.
    TransferCodingInOldVersion,
    /// An Expect field other than `100-continue`.
    Expectation,
    /// A chunk size that is not 1–16 hexadecimal digits at once followed by CRLF or `;`.
    ChunkSize,
    /// A chunk of 2^63 bytes or more.
    ChunkSizeOverflow,
    /// A control character in a chunk extension.
    ChunkExtension,
    /// Chunk extensions of one body over `chunk_extension_bytes_max` together.
    ChunkExtensionsTooLong,
    /// A chunk's data is not followed by CRLF.
    ChunkEnd,
    /// The trailer section is over `trailer_bytes_max`.
    TrailerTooLarge,
    /// A trailer field that frames or routes the message.
    TrailerField,
    /// A status line without a three-digit code of 100–599.
    StatusCode,
    /// The peer closed inside a message.
    Truncated,
}

impl HttpErrorKind {
    /// The status that a server answers with before it closes.
    pub fn status(self) -> Status {
        match self {
            Self::MethodTooLong | Self::TransferCodingUnknown => Status::NOT_IMPLEMENTED,
            Self::TargetTooLong => Status::URI_TOO_LONG,
            Self::Version => Status::VERSION_NOT_SUPPORTED,
            Self::HeadTooLarge | Self::TooManyFields | Self::TrailerTooLarge => {
                Status::FIELDS_TOO_LARGE
            }
            Self::Expectation => Status::EXPECTATION_FAILED,
            _ => Status::BAD_REQUEST,
        }
    }

    /// One sentence without its end, for the peer and the log.
    pub fn text(self) -> &'static str {
        match self {
            Self::BareLf => "a line ends in LF without CR",
            Self::BareCr => "CR without LF",
            Self::EmptyStartLine => "empty line instead of a start line",
            Self::StartLine => "malformed start line",
            Self::Method => "the method is not a token",
            Self::MethodTooLong => "unknown, very long method",
            Self::Target => "malformed request target",
            Self::TargetTooLong => "the request target is too long",
            Self::Version => "HTTP version other than 1.0 and 1.1",
            Self::HeadTooLarge => "the head is too large",
            Self::TooManyFields => "too many fields",
            Self::FoldedField => "folded field line",
            Self::SpaceBeforeColon => "white space between field name and colon",
            Self::FieldName => "malformed field name",
            Self::FieldValue => "control character in a field value",
            Self::HostMissing => "no Host field",
            Self::HostRepeated => "more than one Host field",
            Self::Host => "malformed host",
            Self::ContentLength => "malformed Content-Length",
            Self::ContentLengthRepeated => "more than one Content-Length",
            Self::LengthAndCoding => "both Content-Length and Transfer-Encoding",
            Self::TransferCoding => {
                "malformed Transfer-Encoding, or one that does not end in chunked"
            }
            Self::TransferCodingUnknown => "a transfer coding other than chunked",
            Self::TransferCodingInOldVersion => "Transfer-Encoding in HTTP/1.0",
            Self::Expectation => "an expectation other than 100-continue",
            Self::ChunkSize => "malformed chunk size",
            Self::ChunkSizeOverflow => "chunk size out of range",
            Self::ChunkExtension => "control character in a chunk extension",
            Self::ChunkExtensionsTooLong => "chunk extensions are too long",
            Self::ChunkEnd => "chunk data is not followed by CRLF",
            Self::TrailerTooLarge => "the trailer section is too large",
            Self::TrailerField => "a framing field in the trailer section",
            Self::StatusCode => "malformed status code",
            Self::Truncated => "the connection closed inside a message",
        }
    }
}

/// A broken rule and where: `offset` counts from the connection's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpError {
    /// Which rule.
    pub kind: HttpErrorKind,
    /// The offending byte, or the first byte past a limit.
    pub offset: u64,
}

impl HttpError {
    /// The status that a server answers with before it closes.
    pub fn status(&self) -> Status {
        self.kind.status()
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at byte {}", self.kind.text(), self.offset)
    }
}

impl std::error::Error for HttpError {}

/// A broken rule at a place of the slice under examination; [`Fault::at`] moves it into the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: HttpErrorKind,
    pub(super) place: usize,
}

impl Fault {
    pub(super) fn new(kind: HttpErrorKind, place: usize) -> Self {
        Self { kind, place }
    }

    /// The fault of a slice that begins at `base` of the stream.
    pub(super) fn at(self, base: u64) -> HttpError {
        HttpError { kind: self.kind, offset: base + self.place as u64 }
    }
}
