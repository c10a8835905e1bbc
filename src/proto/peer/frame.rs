//! What the frames say, and the bytes of each body.

use super::FrameFault;
use crate::update::{Epoch, ORIGIN_BYTES_MAX, Reader, Truncated, Vector};
use std::fmt;
use std::ops::RangeInclusive;

/// The version of the link protocol that this program speaks.
pub const PROTOCOL: u16 = 1;
/// The longest name of a node, in bytes.
pub const NAME_BYTES_MAX: usize = ORIGIN_BYTES_MAX;
/// The most runs that a vector frame may hold; each costs the receiver 16 bytes and more.
pub const VECTOR_RUNS_MAX: usize = 1 << 18;
/// The largest body of a vector frame: runs far apart, in epochs of their own.
pub const VECTOR_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The first frame of either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The version spoken. The fields of version 1 come first in every later one, and what a
    /// later one adds is skipped.
    pub protocol: u16,
    /// The node's name: 1 to 64 bytes, no white space, no control characters.
    pub name: &'a str,
    /// The epoch under which it publishes.
    pub epoch: Epoch,
    /// Random at each start: a node that meets its own has met itself.
    pub instance: u64,
    /// The hash of its held vector: equal ones need no exchange.
    pub vector_hash: [u8; 32],
    /// Its wall clock, in milliseconds since 1970.
    pub clock_ms: u64,
    /// How many bytes of update frames may be sent to it before it gives credit.
    pub window_bytes: u32,
}

/// Why a link is refused. The text beside it is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefuseCode {
    /// The other speaks no version that we do.
    Protocol,
    /// A node met itself.
    Itself,
    /// Another node of this name is in the herd.
    NameTaken,
    /// No peer of this name is expected here.
    Unexpected,
    /// Both dialled; the other link stays.
    Duplicate,
    /// The node is about to stop.
    Draining,
    /// Too many links.
    Busy,
    /// The other broke the rules of the protocol.
    Rules,
    /// A code of a later version.
    Other(u8),
}

impl RefuseCode {
    const KNOWN: [Self; 8] = [
        Self::Protocol,
        Self::Itself,
        Self::NameTaken,
        Self::Unexpected,
        Self::Duplicate,
        Self::Draining,
        Self::Busy,
        Self::Rules,
    ];

    /// Its byte on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Protocol => 1,
            Self::Itself => 2,
            Self::NameTaken => 3,
            Self::Unexpected => 4,
            Self::Duplicate => 5,
            Self::Draining => 6,
            Self::Busy => 7,
            Self::Rules => 8,
            Self::Other(code) => code,
        }
    }

    /// The reason with this byte.
    pub fn from_code(code: u8) -> Self {
        Self::KNOWN.into_iter().find(|known| known.code() == code).unwrap_or(Self::Other(code))
    }
}

impl fmt::Display for RefuseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protocol => "no common version of the link protocol",
            Self::Itself => "a node met itself",
            Self::NameTaken => "the name is taken",
            Self::Unexpected => "no such peer is expected",
            Self::Duplicate => "another link to this peer stays",
            Self::Draining => "the node is about to stop",
            Self::Busy => "too many links",
            Self::Rules => "the rules of the protocol were broken",
            Self::Other(code) => return write!(f, "reason {code}"),
        })
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Who speaks.
    Hello(Hello<'a>),
    /// All that the sender holds on disk.
    Vector(Vector),
    /// What has come to the sender's disk since it last said.
    Held(Vector),
    /// An update: the bytes of its envelope, not yet checked.
    Update(&'a [u8]),
    /// How many bytes of update frames the sender has consumed since the link came up.
    Credit(u64),
    /// Asks for a pong with the same number.
    Ping(u64),
    /// Answers a ping.
    Pong(u64),
    /// The sender closes the link, and why.
    Refuse {
        /// For programs.
        code: RefuseCode,
        /// For people: at most 255 bytes, as the other side wrote them.
        text: &'a str,
    },
    /// The sender has sent all that the receiver lacked when the link came up.
    Synced,
}

pub(super) const HELLO: u8 = 1;
const VECTOR: u8 = 2;
const HELD: u8 = 3;
const UPDATE: u8 = 4;
const CREDIT: u8 = 5;
const PING: u8 = 6;
const PONG: u8 = 7;
const REFUSE: u8 = 8;
const SYNCED: u8 = 9;

/// Version 1's hello without its name.
const HELLO_REST_BYTES: usize = 2 + 1 + 8 + 8 + 32 + 8 + 4;
/// Room for the fields that later versions add to hello.
const HELLO_BYTES_MAX: usize = 1024;

/// How long the body of a type may be; `None` for a type that we do not know.
pub(super) fn body_bytes(kind: u8) -> Option<RangeInclusive<usize>> {
    Some(match kind {
        HELLO => HELLO_REST_BYTES..=HELLO_BYTES_MAX,
        VECTOR | HELD => 1..=VECTOR_BYTES_MAX,
        UPDATE => 1..=usize::MAX,
        CREDIT | PING | PONG => 8..=8,
        REFUSE => 2..=2 + 255,
        SYNCED => 0..=0,
        _ => return None,
    })
}

impl<'a> Frame<'a> {
    /// Appends the frame. A refusal's text past 255 bytes is cut.
    ///
    /// # Panics
    /// When a hello's name is longer than [`NAME_BYTES_MAX`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(self.kind());
        match self {
            Self::Hello(hello) => encode_hello(hello, out),
            Self::Vector(vector) | Self::Held(vector) => vector.encode(out),
            Self::Update(raw) => out.extend_from_slice(raw),
            Self::Credit(number) | Self::Ping(number) | Self::Pong(number) => {
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::Refuse { code, text } => {
                out.push(code.code());
                let text = &text[..text.floor_char_boundary(255)];
                put_short(out, text.as_bytes());
            }
            Self::Synced => {}
        }
        let length = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => HELLO,
            Self::Vector(_) => VECTOR,
            Self::Held(_) => HELD,
            Self::Update(_) => UPDATE,
            Self::Credit(_) => CREDIT,
            Self::Ping(_) => PING,
            Self::Pong(_) => PONG,
            Self::Refuse { .. } => REFUSE,
            Self::Synced => SYNCED,
        }
    }

    /// Reads a body that fills `body` exactly, of a length within [`body_bytes`].
    pub(super) fn decode(kind: u8, body: &'a [u8]) -> Result<Self, FrameFault> {
        let mut reader = Reader::new(body);
        let frame = match kind {
            HELLO => return decode_hello(reader).map(Self::Hello),
            VECTOR => Self::Vector(decode_vector(&mut reader)?),
            HELD => Self::Held(decode_vector(&mut reader)?),
            UPDATE => return Ok(Self::Update(body)),
            CREDIT => Self::Credit(reader.u64()?),
            PING => Self::Ping(reader.u64()?),
            PONG => Self::Pong(reader.u64()?),
            REFUSE => {
                let code = RefuseCode::from_code(reader.u8()?);
                let text = reader.short()?;
                let text = std::str::from_utf8(text).map_err(|_| FrameFault::Text)?;
                Self::Refuse { code, text }
            }
            SYNCED => Self::Synced,
            other => return Err(FrameFault::Type(other)),
        };
        if reader.is_done() { Ok(frame) } else { Err(FrameFault::Trailing) }
    }
}

/// Appends what stands before an envelope of `raw_bytes` bytes, for those who share the envelope
/// between links.
pub fn put_update_head(out: &mut Vec<u8>, raw_bytes: usize) {
    out.extend_from_slice(&(raw_bytes as u32 + 1).to_be_bytes());
    out.push(UPDATE);
}

fn put_short(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}

fn encode_hello(hello: &Hello<'_>, out: &mut Vec<u8>) {
    assert!(hello.name.len() <= NAME_BYTES_MAX, "a node's name is at most {NAME_BYTES_MAX} bytes");
    out.extend_from_slice(&hello.protocol.to_be_bytes());
    put_short(out, hello.name.as_bytes());
    out.extend_from_slice(&hello.epoch.0.to_be_bytes());
    out.extend_from_slice(&hello.instance.to_be_bytes());
    out.extend_from_slice(&hello.vector_hash);
    out.extend_from_slice(&hello.clock_ms.to_be_bytes());
    out.extend_from_slice(&hello.window_bytes.to_be_bytes());
}

fn decode_hello(mut reader: Reader<'_>) -> Result<Hello<'_>, FrameFault> {
    let hello = Hello {
        protocol: u16::from_be_bytes(reader.array()?),
        name: decode_name(reader.short()?)?,
        epoch: Epoch(reader.u64()?),
        instance: reader.u64()?,
        vector_hash: reader.array()?,
        clock_ms: reader.u64()?,
        window_bytes: reader.u32()?,
    };
    if reader.is_done() || hello.protocol > PROTOCOL {
        Ok(hello)
    } else {
        Err(FrameFault::Trailing)
    }
}

fn decode_name(bytes: &[u8]) -> Result<&str, FrameFault> {
    let name = std::str::from_utf8(bytes).map_err(|_| FrameFault::Text)?;
    let is_bad = |c: char| c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(is_bad) {
        return Err(FrameFault::Text);
    }
    Ok(name)
}

fn decode_vector(reader: &mut Reader<'_>) -> Result<Vector, FrameFault> {
    Vector::decode(reader, VECTOR_RUNS_MAX).map_err(FrameFault::Vector)
}

impl From<Truncated> for FrameFault {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}
