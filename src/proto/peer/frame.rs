//! What the frames say, and the bytes of each body.

use super::{
    ABOUT_BYTES_MAX, ASK_PIECES_MAX, AUDIT_BYTES_MAX, AskPieces, FrameFault, Inquire,
    MANIFEST_BYTES_MAX, Manifest, PIECE_BYTES, Piece, SealFrame, TOLD_BYTES_MAX, inquiry, seal,
};
use crate::update::{
    Cid, Epoch, ORIGIN_BYTES_MAX, PublicKey, Reader, Seal, Signature, Statement, Truncated, Vector,
    VectorError, Word, put_varint,
};
use std::fmt;
use std::ops::RangeInclusive;

/// The version of the link protocol that this program speaks.
pub const PROTOCOL: u16 = 4;
/// The longest name of a node, in bytes.
pub const NAME_BYTES_MAX: usize = ORIGIN_BYTES_MAX;
/// The most runs that a vector of one frame may hold; each costs the receiver 16 bytes and more.
pub const VECTOR_RUNS_MAX: usize = 1 << 14;
/// The most epochs of which one state frame may say something.
pub const STATE_EPOCHS_MAX: usize = 1 << 13;
/// The largest body of a frame with a vector: runs far apart, in epochs of their own, and what a
/// state says beside them.
pub const VECTOR_BYTES_MAX: usize = 1 << 20;
const _: () = assert!(VECTOR_RUNS_MAX * 29 + STATE_EPOCHS_MAX * (18 + 40) + 64 < VECTOR_BYTES_MAX);

/// Of a hash, in a hello.
pub const HELLO_HASH_BYTES: usize = 16;
/// The most runs of a vector in a hello.
pub const HELLO_RUNS_MAX: usize = 24;
const _: () = assert!(HELLO_REST_BYTES + 64 + 32 + 10 + HELLO_RUNS_MAX * 29 < HELLO_BYTES_MAX);

/// The first frame of either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The version spoken. The fields up to the version of the software come first in every later
    /// one, and what a later one adds is skipped. Of an earlier one only the name is read.
    pub protocol: u16,
    /// The node's name: 1 to 64 bytes, no white space, no control characters.
    pub name: &'a str,
    /// The epoch under which it publishes.
    pub epoch: Epoch,
    /// Random at each start: a node that meets its own has met itself.
    pub instance: u64,
    /// The first half of the hash of all that it can hand over, and of the ends of its logs: equal
    /// ones need no exchange. Digests say it whole.
    pub state_hash: [u8; HELLO_HASH_BYTES],
    /// Its wall clock, in milliseconds since 1970.
    pub clock_ms: u64,
    /// How many bytes of update frames may be sent to it before it gives credit.
    pub window_bytes: u32,
    /// The version of its software, for people: up to 32 bytes.
    pub version: &'a str,
    /// What it has, where it asks to be sent the first of what it lacks right behind the other's
    /// state: at most [`HELLO_RUNS_MAX`] runs.
    pub wants: Option<Vector>,
}

/// What the sender has, whole or in parts: all that it can hand over or knows to be over.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct StateFrame {
    /// True for all parts but the last.
    pub more: bool,
    /// The dots that it has.
    pub offers: Vector,
    /// Epochs whose updates before this sequence number were dropped by retention, but for those
    /// that others build upon.
    pub lows: Vec<(Epoch, u64)>,
    /// The id of the last update that it has of an epoch.
    pub tips: Vec<(Epoch, Cid)>,
}

/// What the receiver of updates says about them, all counted since the link came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Credit {
    /// Bytes of update frames that it has dealt with.
    pub bytes: u64,
    /// Updates that came without being asked for.
    pub updates: u64,
    /// Those of them that it did not have.
    pub news: u64,
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
    /// The key that the other proved to own may not link here.
    Key,
    /// A code of a later version.
    Other(u8),
}

impl RefuseCode {
    const KNOWN: [Self; 9] = [
        Self::Protocol,
        Self::Itself,
        Self::NameTaken,
        Self::Unexpected,
        Self::Duplicate,
        Self::Draining,
        Self::Busy,
        Self::Rules,
        Self::Key,
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
            Self::Key => 9,
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
            Self::Key => "this key may not link here",
            Self::Other(code) => return write!(f, "reason {code}"),
        })
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Who speaks.
    Hello(Hello<'a>),
    /// What the sender has.
    State(StateFrame),
    /// What more the sender has, that may be asked for.
    Offer(Vector),
    /// Asks for updates.
    Pull {
        /// Asks for all that the other holds under these names, as exhibits: there may be two.
        versions: bool,
        /// Which.
        dots: Vector,
    },
    /// An update: the bytes of its envelope, not yet checked.
    Update(&'a [u8]),
    /// The origin's word on updates that were sent before it on this link.
    Seal(SealFrame<'a>),
    /// Of what was asked for, this is over: retention dropped it.
    Passed(Vector),
    /// What a node has on disk.
    Held {
        /// Someone waits for it: pass it on at once.
        urgent: bool,
        /// Its word, not verified.
        word: Word,
    },
    /// What became of the updates that were sent.
    Credit(Credit),
    /// The hash of all that the sender has, as in its hello.
    Digest([u8; 32]),
    /// A message of an audit: for [`super::AuditMessage`].
    Audit(&'a [u8]),
    /// A large update that was asked for comes in pieces: what proves them.
    Manifest {
        /// Its stub and the hashes of its pieces.
        manifest: Manifest<'a>,
        /// Its seal, not verified.
        seal: Seal,
    },
    /// Asks for pieces.
    AskPieces(AskPieces),
    /// A piece.
    Piece(Piece<'a>),
    /// One of two updates that bear one name, and its seal.
    Exhibit {
        /// Its envelope, not yet checked.
        raw: &'a [u8],
        /// Its seal, not verified.
        seal: Seal,
    },
    /// From now on the sender publishes under this epoch, not the one that its hello named.
    Epoch(Epoch),
    /// A question to all nodes.
    Inquire(Inquire<'a>),
    /// A node's answer to one, not verified.
    Tell(Statement),
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
}

pub(super) const HELLO: u8 = 1;
const STATE: u8 = 2;
const OFFER: u8 = 3;
const PULL: u8 = 4;
const UPDATE: u8 = 5;
const SEAL: u8 = 6;
const PASSED: u8 = 7;
const HELD: u8 = 8;
const CREDIT: u8 = 9;
const DIGEST: u8 = 10;
const AUDIT: u8 = 11;
const MANIFEST: u8 = 12;
const ASK_PIECES: u8 = 13;
const EXHIBIT: u8 = 14;
const PING: u8 = 15;
const PONG: u8 = 16;
const REFUSE: u8 = 17;
const PIECE: u8 = 18;
const EPOCH: u8 = 19;
const INQUIRE: u8 = 20;
const TELL: u8 = 21;

/// A hello without its name, version and vector.
const HELLO_REST_BYTES: usize = 2 + 1 + 8 + 8 + HELLO_HASH_BYTES + 8 + 4 + 1;
/// Room for the fields that later versions add to hello.
const HELLO_BYTES_MAX: usize = 1024;
const SOFTWARE_BYTES_MAX: usize = 32;
/// A seal of one update that was just sent.
const SEAL_BYTES_MIN: usize = 32 + 8 + 64 + 1 + 1 + 1;
const SEAL_BYTES_MAX: usize = 16 * 1024;
/// What stands before the bytes of a piece.
const PIECE_HEAD_BYTES: usize = 32 + 2;

/// How long the body of a type may be; `None` for a type that we do not know.
pub(super) fn body_bytes(kind: u8) -> Option<RangeInclusive<usize>> {
    Some(match kind {
        HELLO => 2 + 1 + 1..=HELLO_BYTES_MAX,
        STATE => 4..=VECTOR_BYTES_MAX,
        HELD => 4 + 32 + 64..=VECTOR_BYTES_MAX,
        OFFER | PASSED => 1..=VECTOR_BYTES_MAX,
        PULL => 2..=VECTOR_BYTES_MAX,
        UPDATE => 1..=usize::MAX,
        SEAL => SEAL_BYTES_MIN..=SEAL_BYTES_MAX,
        CREDIT => 24..=24,
        DIGEST => 32..=32,
        AUDIT => 1..=AUDIT_BYTES_MAX,
        MANIFEST => 4 + SEAL_BYTES_MIN..=4 + MANIFEST_BYTES_MAX + SEAL_BYTES_MAX,
        ASK_PIECES => 8 + 1 + 32 + 2..=8 + 10 + 32 + 2 * ASK_PIECES_MAX,
        PIECE => PIECE_HEAD_BYTES..=PIECE_HEAD_BYTES + PIECE_BYTES,
        EXHIBIT => 4 + SEAL_BYTES_MIN..=usize::MAX,
        INQUIRE => 8 + 1 + 2..=8 + 1 + 1 + ABOUT_BYTES_MAX,
        TELL => {
            let least = inquiry::TELL_REST_BYTES + 1;
            least..=inquiry::TELL_REST_BYTES + NAME_BYTES_MAX + TOLD_BYTES_MAX
        }
        EPOCH | PING | PONG => 8..=8,
        REFUSE => 2..=2 + 255,
        _ => return None,
    })
}

impl<'a> Frame<'a> {
    /// Appends the frame. A refusal's text past 255 bytes is cut.
    ///
    /// # Panics
    /// When a node's name is longer than [`NAME_BYTES_MAX`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = begin(out, self.kind());
        match self {
            Self::Hello(hello) => encode_hello(hello, out),
            Self::State(state) => encode_state(state, out),
            Self::Offer(dots) | Self::Passed(dots) => dots.encode(out),
            Self::Pull { versions, dots } => {
                out.push(u8::from(*versions));
                dots.encode(out);
            }
            Self::Update(raw) => out.extend_from_slice(raw),
            Self::Seal(seal) => seal.encode(out),
            Self::Held { urgent, word } => {
                out.push(u8::from(*urgent));
                put_name(out, &word.node);
                out.extend_from_slice(&word.key.0);
                out.extend_from_slice(&word.signature.0);
                word.held.encode(out);
            }
            Self::Credit(credit) => {
                for number in [credit.bytes, credit.updates, credit.news] {
                    out.extend_from_slice(&number.to_be_bytes());
                }
            }
            Self::Digest(hash) => out.extend_from_slice(hash),
            Self::Audit(body) => out.extend_from_slice(body),
            Self::Manifest { manifest, seal } => {
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                manifest.encode(out);
                let bytes = (out.len() - start - 4) as u32;
                out[start..start + 4].copy_from_slice(&bytes.to_be_bytes());
                seal.encode(out);
            }
            Self::AskPieces(ask) => ask.encode(out),
            Self::Piece(piece) => piece.encode(out),
            Self::Exhibit { raw, seal } => {
                out.extend_from_slice(&(raw.len() as u32).to_be_bytes());
                out.extend_from_slice(raw);
                seal.encode(out);
            }
            Self::Inquire(asked) => asked.encode(out),
            Self::Tell(said) => inquiry::encode_statement(said, out),
            Self::Epoch(Epoch(number)) | Self::Ping(number) | Self::Pong(number) => {
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::Refuse { code, text } => {
                out.push(code.code());
                let text = &text[..text.floor_char_boundary(255)];
                put_short(out, text.as_bytes());
            }
        }
        end(out, start);
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => HELLO,
            Self::State(_) => STATE,
            Self::Offer(_) => OFFER,
            Self::Pull { .. } => PULL,
            Self::Update(_) => UPDATE,
            Self::Seal(_) => SEAL,
            Self::Passed(_) => PASSED,
            Self::Held { .. } => HELD,
            Self::Credit(_) => CREDIT,
            Self::Digest(_) => DIGEST,
            Self::Audit(_) => AUDIT,
            Self::Manifest { .. } => MANIFEST,
            Self::AskPieces(_) => ASK_PIECES,
            Self::Piece(_) => PIECE,
            Self::Exhibit { .. } => EXHIBIT,
            Self::Epoch(_) => EPOCH,
            Self::Inquire(_) => INQUIRE,
            Self::Tell(_) => TELL,
            Self::Ping(_) => PING,
            Self::Pong(_) => PONG,
            Self::Refuse { .. } => REFUSE,
        }
    }

    /// Reads a body that fills `body` exactly, of a length within [`body_bytes`].
    pub(super) fn decode(kind: u8, body: &'a [u8]) -> Result<Self, FrameFault> {
        let mut reader = Reader::new(body);
        let frame = match kind {
            HELLO => return decode_hello(reader).map(Self::Hello),
            STATE => Self::State(decode_state(&mut reader)?),
            OFFER => Self::Offer(decode_vector(&mut reader)?),
            PULL => Self::Pull {
                versions: decode_bool(&mut reader)?,
                dots: decode_vector(&mut reader)?,
            },
            UPDATE => return Ok(Self::Update(body)),
            SEAL => Self::Seal(SealFrame::decode(&mut reader)?),
            PASSED => Self::Passed(decode_vector(&mut reader)?),
            HELD => {
                let urgent = decode_bool(&mut reader)?;
                let node = decode_name(reader.short()?)?.to_owned();
                let (key, signature) = (PublicKey(reader.array()?), Signature(reader.array()?));
                let held = decode_vector(&mut reader)?;
                Self::Held { urgent, word: Word { key, node, held, signature } }
            }
            CREDIT => Self::Credit(Credit {
                bytes: reader.u64()?,
                updates: reader.u64()?,
                news: reader.u64()?,
            }),
            DIGEST => Self::Digest(reader.array()?),
            AUDIT => return Ok(Self::Audit(body)),
            MANIFEST => {
                let bytes = reader.u32()? as usize;
                let manifest = Manifest::decode(reader.bytes(bytes)?)?;
                Self::Manifest { manifest, seal: Seal::decode(&mut reader)? }
            }
            ASK_PIECES => return AskPieces::decode(body).map(Self::AskPieces),
            PIECE => return Piece::decode(body).map(Self::Piece),
            EXHIBIT => {
                let bytes = reader.u32()? as usize;
                Self::Exhibit { raw: reader.bytes(bytes)?, seal: Seal::decode(&mut reader)? }
            }
            EPOCH => Self::Epoch(Epoch(reader.u64()?)),
            INQUIRE => Self::Inquire(Inquire::decode(&mut reader)?),
            TELL => return inquiry::decode_statement(&mut reader).map(Self::Tell),
            PING => Self::Ping(reader.u64()?),
            PONG => Self::Pong(reader.u64()?),
            REFUSE => {
                let code = RefuseCode::from_code(reader.u8()?);
                let text = reader.short()?;
                let text = std::str::from_utf8(text).map_err(|_| FrameFault::Text)?;
                Self::Refuse { code, text }
            }
            other => return Err(FrameFault::Type(other)),
        };
        if reader.is_done() { Ok(frame) } else { Err(FrameFault::Trailing) }
    }
}

/// Appends the frame of a seal; `is_left_out` says, by sequence number, which updates were just
/// sent, so that their ids need not be.
pub fn put_seal(out: &mut Vec<u8>, seal: &Seal, is_left_out: impl Fn(u64) -> bool) {
    let start = begin(out, SEAL);
    seal::put_body(out, seal, is_left_out);
    end(out, start);
}

fn begin(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.push(kind);
    start
}

fn end(out: &mut [u8], start: usize) {
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends what stands before an envelope of `raw_bytes` bytes, for those who share the envelope
/// between links.
pub fn put_update_head(out: &mut Vec<u8>, raw_bytes: usize) {
    out.extend_from_slice(&(raw_bytes as u32 + 1).to_be_bytes());
    out.push(UPDATE);
}

/// Appends what stands before the body of a piece of `body_bytes` bytes, likewise.
pub fn put_piece_frame(out: &mut Vec<u8>, body_bytes: usize) {
    out.extend_from_slice(&(body_bytes as u32 + 1).to_be_bytes());
    out.push(PIECE);
}

pub(super) fn put_short(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}

pub(super) fn put_name(out: &mut Vec<u8>, name: &str) {
    assert!(name.len() <= NAME_BYTES_MAX, "a node's name is at most {NAME_BYTES_MAX} bytes");
    put_short(out, name.as_bytes());
}

fn encode_state(state: &StateFrame, out: &mut Vec<u8>) {
    out.push(u8::from(state.more));
    state.offers.encode(out);
    put_varint(out, state.lows.len() as u64);
    for (epoch, low) in &state.lows {
        out.extend_from_slice(&epoch.0.to_be_bytes());
        put_varint(out, *low);
    }
    put_varint(out, state.tips.len() as u64);
    for (epoch, cid) in &state.tips {
        out.extend_from_slice(&epoch.0.to_be_bytes());
        out.extend_from_slice(&cid.0);
    }
}

fn decode_state(reader: &mut Reader<'_>) -> Result<StateFrame, FrameFault> {
    let more = decode_bool(reader)?;
    let offers = decode_vector(reader)?;
    let lows = decode_pairs(reader, low)?;
    let tips = decode_pairs(reader, |reader| reader.array().map(Cid))?;
    Ok(StateFrame { more, offers, lows, tips })
}

/// Pairs in ascending order of their epochs; nothing is allocated for one that is not there.
fn decode_pairs<T>(
    reader: &mut Reader<'_>,
    mut value: impl FnMut(&mut Reader<'_>) -> Result<T, Truncated>,
) -> Result<Vec<(Epoch, T)>, FrameFault> {
    let mut pairs: Vec<(Epoch, T)> = Vec::new();
    for _ in 0..reader.varint()? {
        let epoch = Epoch(reader.u64()?);
        if pairs.len() == STATE_EPOCHS_MAX {
            return Err(FrameFault::Vector(VectorError::Large));
        }
        if pairs.last().is_some_and(|(last, _)| *last >= epoch) {
            return Err(FrameFault::Vector(VectorError::Order));
        }
        pairs.push((epoch, value(reader)?));
    }
    Ok(pairs)
}

fn low(reader: &mut Reader<'_>) -> Result<u64, Truncated> {
    reader.varint()
}

fn decode_bool(reader: &mut Reader<'_>) -> Result<bool, FrameFault> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(FrameFault::Flag),
    }
}

fn encode_hello(hello: &Hello<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&hello.protocol.to_be_bytes());
    put_name(out, hello.name);
    out.extend_from_slice(&hello.epoch.0.to_be_bytes());
    out.extend_from_slice(&hello.instance.to_be_bytes());
    out.extend_from_slice(&hello.state_hash);
    out.extend_from_slice(&hello.clock_ms.to_be_bytes());
    out.extend_from_slice(&hello.window_bytes.to_be_bytes());
    let version = &hello.version[..hello.version.floor_char_boundary(SOFTWARE_BYTES_MAX)];
    put_short(out, version.as_bytes());
    if let Some(wants) = &hello.wants {
        wants.encode(out);
    }
}

fn decode_hello(mut reader: Reader<'_>) -> Result<Hello<'_>, FrameFault> {
    let protocol = u16::from_be_bytes(reader.array()?);
    let name = decode_name(reader.short()?)?;
    let mut hello = Hello {
        protocol,
        name,
        epoch: Epoch(0),
        instance: 0,
        state_hash: [0; HELLO_HASH_BYTES],
        clock_ms: 0,
        window_bytes: 0,
        version: "",
        wants: None,
    };
    if protocol < PROTOCOL {
        return Ok(hello);
    }
    hello.epoch = Epoch(reader.u64()?);
    hello.instance = reader.u64()?;
    hello.state_hash = reader.array()?;
    hello.clock_ms = reader.u64()?;
    hello.window_bytes = reader.u32()?;
    let version = reader.short()?;
    if version.len() > SOFTWARE_BYTES_MAX || !version.iter().all(u8::is_ascii_graphic) {
        return Err(FrameFault::Text);
    }
    hello.version = std::str::from_utf8(version).map_err(|_| FrameFault::Text)?;
    if protocol == PROTOCOL && !reader.is_done() {
        let wants = Vector::decode(&mut reader, HELLO_RUNS_MAX).map_err(FrameFault::Vector)?;
        hello.wants = Some(wants);
    }
    if reader.is_done() || protocol > PROTOCOL { Ok(hello) } else { Err(FrameFault::Trailing) }
}

pub(super) fn decode_name(bytes: &[u8]) -> Result<&str, FrameFault> {
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
