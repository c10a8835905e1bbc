//! The canonical envelope: one binary form of an update, the same on the wire, in the log and
//! under the hash. Other forms of the same content are refused.
//!
//! ```text
//! u8 version = 2 · u8 kind · u64 epoch · u64 seq · u64 clock · u8 asked · u8+ origin · u8+ topic ·
//! u8+ media type · u8+ alias · u8 n, n × 32 parents (ascending) · 32 previous · u32 length ·
//! payload
//! ```
//! Numbers are big-endian; `u8+` is bytes behind a one-byte count. The cid is BLAKE3 over all up
//! to and with the length, then the BLAKE3 hash of the payload. So an update whose payload was
//! erased keeps its cid: it is written as a stub, version 0x82, with the 32 bytes of the payload's
//! hash in the place of the payload.

use super::{Cid, Dot, Epoch, Hlc, Reader, Truncated};
use crate::base::Chunk;
use std::fmt;

/// The largest payload that an envelope may have, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024 + 64 * 1024;
/// The longest name of an origin, in bytes.
pub const ORIGIN_BYTES_MAX: usize = 64;
const PARENTS_MAX: usize = 64;
const VERSION: u8 = 2;
/// Set in the version of a stub.
const ERASED: u8 = 0x80;
/// As [`Draft::asked`]: most nodes.
pub const ASKED_MAJORITY: u8 = 255;

/// What an update says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A revision of a story.
    Revision,
    /// A story is withdrawn for good.
    Withdrawal,
    /// A position report of the line protocol.
    Report,
    /// Bytes on a topic.
    Data,
    /// An act on the herd's charter.
    Charter,
    /// An act on who may write. It holds hashes of passwords: no reader is shown it.
    Account,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Revision, Self::Withdrawal, Self::Report, Self::Data, Self::Charter, Self::Account];

    fn code(self) -> u8 {
        match self {
            Self::Revision => 1,
            Self::Withdrawal => 2,
            Self::Report => 3,
            Self::Data => 4,
            Self::Charter => 5,
            Self::Account => 6,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The name that contract.md gives it in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Revision => "revision",
            Self::Withdrawal => "withdrawal",
            Self::Report => "report",
            Self::Data => "data",
            Self::Charter => "charter",
            Self::Account => "account",
        }
    }
}

/// Why bytes are not an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// They end early.
    Truncated,
    /// They go on behind the payload.
    Trailing,
    /// A version that we do not know.
    Version(u8),
    /// A kind that we do not know.
    Kind(u8),
    /// A name, topic or media type that is empty, too long or not UTF-8.
    Text,
    /// Sequence numbers start at 1.
    Seq,
    /// Too many parents, or not in ascending order.
    Parents,
    /// The payload is larger than [`PAYLOAD_BYTES_MAX`].
    Large,
}

impl From<Truncated> for EnvelopeError {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the envelope ends early"),
            Self::Trailing => f.write_str("bytes behind the envelope's payload"),
            Self::Version(version) => write!(f, "envelope version {version} is not known"),
            Self::Kind(kind) => write!(f, "update kind {kind} is not known"),
            Self::Text => f.write_str("an envelope's text is empty, too long or not UTF-8"),
            Self::Seq => f.write_str("sequence numbers start at 1"),
            Self::Parents => f.write_str("the envelope's parents are too many or out of order"),
            Self::Large => write!(f, "a payload is at most {PAYLOAD_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for EnvelopeError {}

/// The parts of an update before it is sealed.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    /// Its name.
    pub dot: Dot,
    /// Its moment.
    pub clock: Hlc,
    /// On how many disks its writer wants it before it counts as done: 0 none, 1 its origin's,
    /// n those of n - 1 more nodes, [`ASKED_MAJORITY`] those of most nodes.
    pub asked: u8,
    /// The name of the node where it began, 1 to [`ORIGIN_BYTES_MAX`] bytes.
    pub origin: &'a str,
    /// What it says.
    pub kind: Kind,
    /// 1 to 255 bytes.
    pub topic: &'a str,
    /// 1 to 255 bytes.
    pub media_type: &'a str,
    /// Its name outside of the herd (a Message-ID, an Atom id, a guid), 0 to 255 bytes: two
    /// updates of one alias are the same to readers.
    pub alias: &'a str,
    /// What it follows, in any order; at most 64.
    pub parents: Vec<Cid>,
    /// The cid of `seq - 1` of the same epoch; [`Cid::ZERO`] for the first.
    pub previous: Cid,
    /// What is said.
    pub payload: &'a [u8],
}

#[cfg(test)]
impl Draft<'static> {
    /// What tests begin with: a revision that says nothing, the `seq`-th of epoch 1, `seq` its
    /// moment, too.
    pub(crate) fn sample(seq: u64) -> Self {
        Self {
            dot: Dot { epoch: Epoch(1), seq },
            clock: Hlc(seq),
            asked: 1,
            origin: "Hill",
            kind: Kind::Revision,
            topic: "stories",
            media_type: "text/plain",
            alias: "",
            parents: Vec::new(),
            previous: Cid::ZERO,
            payload: b"",
        }
    }
}

/// A sealed update: its canonical bytes, shared, with its fields read out.
///
/// A value of this type is always a valid envelope. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Update {
    raw: Chunk,
    cid: Cid,
    dot: Dot,
    clock: Hlc,
    kind: Kind,
    asked: u8,
    marks: Marks,
}

/// Where the parts of variable length stand in the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Marks {
    origin: (u32, u32),
    topic: (u32, u32),
    media_type: (u32, u32),
    alias: (u32, u32),
    parents: (u32, u32),
    previous: u32,
    payload: u32,
}

/// What stands before a payload.
struct Head {
    dot: Dot,
    clock: Hlc,
    kind: Kind,
    asked: u8,
    is_erased: bool,
    marks: Marks,
}

impl Update {
    /// Seals a draft.
    pub fn seal(draft: Draft<'_>) -> Result<Self, EnvelopeError> {
        let mut parents = draft.parents;
        parents.sort_unstable();
        parents.dedup();
        if parents.len() > PARENTS_MAX {
            return Err(EnvelopeError::Parents);
        }
        if draft.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(EnvelopeError::Large);
        }
        let mut out = Vec::with_capacity(160 + parents.len() * 32 + draft.payload.len());
        out.extend_from_slice(&[VERSION, draft.kind.code()]);
        out.extend_from_slice(&draft.dot.epoch.0.to_be_bytes());
        out.extend_from_slice(&draft.dot.seq.to_be_bytes());
        out.extend_from_slice(&draft.clock.0.to_be_bytes());
        out.push(draft.asked);
        for text in [draft.origin, draft.topic, draft.media_type, draft.alias] {
            out.push(u8::try_from(text.len()).map_err(|_| EnvelopeError::Text)?);
            out.extend_from_slice(text.as_bytes());
        }
        out.push(parents.len() as u8);
        for parent in &parents {
            out.extend_from_slice(&parent.0);
        }
        out.extend_from_slice(&draft.previous.0);
        out.extend_from_slice(&(draft.payload.len() as u32).to_be_bytes());
        out.extend_from_slice(draft.payload);
        Self::decode(out.into())
    }

    /// Reads an envelope or a stub that fills `raw` exactly, and hashes it.
    pub fn decode(raw: Chunk) -> Result<Self, EnvelopeError> {
        let Head { dot, clock, kind, asked, is_erased, marks } = read_head(&raw)?;
        let (head, payload) = raw.split_at(marks.payload as usize);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[VERSION]);
        hasher.update(&head[1..]);
        if is_erased {
            hasher.update(payload);
        } else {
            hasher.update(blake3::hash(payload).as_bytes());
        }
        let cid = Cid(*hasher.finalize().as_bytes());
        Ok(Self { raw, cid, dot, clock, kind, asked, marks })
    }

    /// The stub of this update: the same name and id, nothing of what was said.
    #[must_use]
    pub fn erase(&self) -> Self {
        if self.is_erased() {
            return self.clone();
        }
        let mut raw = self.raw[..self.marks.payload as usize].to_vec();
        raw[0] |= ERASED;
        raw.extend_from_slice(blake3::hash(self.payload()).as_bytes());
        Self { raw: raw.into(), ..self.clone() }
    }

    /// True when its payload was erased: what was said is gone, and [`Update::payload`] is empty.
    pub fn is_erased(&self) -> bool {
        self.raw[0] & ERASED != 0
    }

    /// The dot of an envelope, read without checking or hashing the rest: what cuts duplicates.
    pub fn peek_dot(raw: &[u8]) -> Result<Dot, EnvelopeError> {
        let mut reader = Reader::new(raw);
        read_version(&mut reader)?;
        reader.u8()?;
        Ok(Dot { epoch: Epoch(reader.u64()?), seq: reader.u64()? })
    }

    /// The canonical bytes, shared.
    pub fn raw(&self) -> &Chunk {
        &self.raw
    }

    /// The content id.
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// The name.
    pub fn dot(&self) -> Dot {
        self.dot
    }

    /// The moment.
    pub fn clock(&self) -> Hlc {
        self.clock
    }

    /// What it says.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The name of the node where it began.
    pub fn origin(&self) -> &str {
        self.text(self.marks.origin)
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        self.text(self.marks.topic)
    }

    /// The media type of the payload.
    pub fn media_type(&self) -> &str {
        self.text(self.marks.media_type)
    }

    /// Its name outside of the herd; empty for none.
    pub fn alias(&self) -> &str {
        self.text(self.marks.alias)
    }

    /// On how many disks its writer wants it, as [`Draft::asked`].
    pub fn asked(&self) -> u8 {
        self.asked
    }

    /// What it follows, ascending.
    pub fn parents(&self) -> impl Iterator<Item = Cid> + '_ {
        let (from, to) = self.marks.parents;
        self.raw[from as usize..to as usize].as_chunks::<32>().0.iter().map(|bytes| Cid(*bytes))
    }

    /// The cid of the update before it in its epoch.
    pub fn previous(&self) -> Cid {
        let at = self.marks.previous as usize;
        self.raw[at..at + 32].try_into().map_or(Cid::ZERO, Cid)
    }

    /// What is said; nothing once it is erased.
    pub fn payload(&self) -> &[u8] {
        if self.is_erased() { &[] } else { &self.raw[self.marks.payload as usize..] }
    }

    /// How many bytes its payload has, or had before it was erased.
    pub fn payload_bytes(&self) -> usize {
        let end = self.marks.payload as usize;
        self.raw[..end].last_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize)
    }

    /// The hash of its payload, which an erased one leaves behind.
    pub fn payload_hash(&self) -> [u8; 32] {
        let behind = &self.raw[self.marks.payload as usize..];
        if self.is_erased() {
            behind.try_into().unwrap_or([0; 32])
        } else {
            *blake3::hash(behind).as_bytes()
        }
    }

    /// The envelope up to its payload, as it stands before one that is not erased.
    pub fn head(&self) -> Vec<u8> {
        let mut head = self.raw[..self.marks.payload as usize].to_vec();
        head[0] &= !ERASED;
        head
    }

    fn text(&self, (from, to): (u32, u32)) -> &str {
        // Checked to be UTF-8 when the envelope was read.
        std::str::from_utf8(&self.raw[from as usize..to as usize]).unwrap_or_default()
    }
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} of {} bytes", self.dot, self.kind.name(), self.cid, self.raw.len())
    }
}

/// The version; true when it is that of a stub.
fn read_version(reader: &mut Reader<'_>) -> Result<bool, EnvelopeError> {
    let version = reader.u8()?;
    match version & !ERASED {
        VERSION => Ok(version & ERASED != 0),
        _ => Err(EnvelopeError::Version(version)),
    }
}

fn read_head(raw: &[u8]) -> Result<Head, EnvelopeError> {
    let at = |reader: &Reader<'_>| (raw.len() - reader.rest().len()) as u32;
    let mut reader = Reader::new(raw);
    let is_erased = read_version(&mut reader)?;
    let code = reader.u8()?;
    let kind = Kind::from_code(code).ok_or(EnvelopeError::Kind(code))?;
    let dot = Dot { epoch: Epoch(reader.u64()?), seq: reader.u64()? };
    if dot.seq == 0 {
        return Err(EnvelopeError::Seq);
    }
    let (clock, asked) = (Hlc(reader.u64()?), reader.u8()?);
    let mut text = |bytes_max: usize, bytes_min: usize| {
        let bytes = reader.short()?;
        let fits =
            (bytes_min..=bytes_max).contains(&bytes.len()) && std::str::from_utf8(bytes).is_ok();
        let end = at(&reader);
        if fits { Ok((end - bytes.len() as u32, end)) } else { Err(EnvelopeError::Text) }
    };
    let (origin, topic) = (text(ORIGIN_BYTES_MAX, 1)?, text(255, 1)?);
    let (media_type, alias) = (text(255, 1)?, text(255, 0)?);
    let count = usize::from(reader.u8()?);
    let start = at(&reader);
    let parents = reader.bytes(count * 32)?.as_chunks::<32>().0;
    if count > PARENTS_MAX || !parents.is_sorted_by(|a, b| a < b) {
        return Err(EnvelopeError::Parents);
    }
    let previous = at(&reader);
    reader.bytes(32)?;
    let length = reader.u32()? as usize;
    if length > PAYLOAD_BYTES_MAX {
        return Err(EnvelopeError::Large);
    }
    let payload = at(&reader);
    reader.bytes(if is_erased { 32 } else { length })?;
    if !reader.is_done() {
        return Err(EnvelopeError::Trailing);
    }
    let parents = (start, previous);
    let marks = Marks { origin, topic, media_type, alias, parents, previous, payload };
    Ok(Head { dot, clock, kind, asked, is_erased, marks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(payload: &[u8], parents: Vec<Cid>) -> Draft<'_> {
        Draft {
            dot: Dot { epoch: Epoch(7), seq: 3 },
            clock: Hlc::from_ms(1_700_000_000_000),
            asked: 1,
            origin: "Hill",
            kind: Kind::Revision,
            topic: "stories",
            media_type: "text/plain",
            alias: "guid",
            parents,
            previous: Cid([9; 32]),
            payload,
        }
    }

    proptest! {
        #[test]
        fn a_sealed_update_comes_back(
            payload: Vec<u8>,
            parents in prop::collection::vec(any::<[u8; 32]>(), 0..5),
        ) {
            let parents: Vec<Cid> = parents.into_iter().map(Cid).collect();
            let sealed = Update::seal(sample(&payload, parents.clone())).unwrap();
            let read = Update::decode(Chunk::clone(sealed.raw())).unwrap();
            prop_assert_eq!(&read, &sealed);
            prop_assert_eq!(read.payload(), &payload[..]);
            let mut sorted = parents;
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert_eq!(read.parents().collect::<Vec<_>>(), sorted);
            prop_assert_eq!((read.origin(), read.topic()), ("Hill", "stories"));
            prop_assert_eq!(read.previous(), Cid([9; 32]));
            prop_assert_eq!(Update::peek_dot(read.raw()), Ok(read.dot()));
        }

        #[test]
        fn every_cut_and_every_flip_is_refused_or_has_another_cid(at in 0..140_usize, bit in 0..8) {
            let sealed = Update::seal(sample(b"what is said", vec![Cid([1; 32])])).unwrap();
            let raw = sealed.raw();
            let at = at % raw.len();
            prop_assert!(Update::decode(raw[..at].into()).is_err());
            let mut flipped = raw.to_vec();
            flipped[at] ^= 1_u8 << bit;
            if let Ok(other) = Update::decode(flipped.into()) {
                prop_assert_ne!(other.cid(), sealed.cid());
            }
        }
    }

    proptest! {
        #[test]
        fn a_stub_keeps_name_and_id_and_nothing_of_what_was_said(payload: Vec<u8>) {
            let whole = Update::seal(sample(&payload, vec![Cid([1; 32])])).unwrap();
            let stub = whole.erase();
            prop_assert_eq!((stub.cid(), stub.dot()), (whole.cid(), whole.dot()));
            prop_assert_eq!(stub.alias(), "guid");
            prop_assert!(stub.is_erased() && !whole.is_erased() && stub.payload().is_empty());
            prop_assert_eq!(&stub.erase(), &stub);
            for update in [&whole, &stub] {
                prop_assert_eq!(update.payload_bytes(), payload.len());
                prop_assert_eq!(update.payload_hash(), *blake3::hash(&payload).as_bytes());
                prop_assert_eq!([&update.head()[..], &payload].concat(), &whole.raw()[..]);
            }
            let read = Update::decode(Chunk::clone(stub.raw())).unwrap();
            prop_assert_eq!(read, stub);
        }
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        let sealed = Update::seal(sample(b"x", vec![Cid([1; 32]), Cid([2; 32])])).unwrap();
        let mut swapped = sealed.raw().to_vec();
        let at = swapped.windows(32).position(|w| w == [1; 32]).unwrap();
        swapped[at..at + 64].rotate_left(32);
        assert_eq!(Update::decode(swapped.into()), Err(EnvelopeError::Parents));
        let mut longer = sealed.raw().to_vec();
        longer.push(0);
        assert_eq!(Update::decode(longer.into()), Err(EnvelopeError::Trailing));
        let mut zero = sample(b"", vec![]);
        zero.dot.seq = 0;
        assert_eq!(Update::seal(zero), Err(EnvelopeError::Seq));
        let mut nameless = sample(b"", vec![]);
        nameless.origin = "";
        assert_eq!(Update::seal(nameless), Err(EnvelopeError::Text));
    }
}
