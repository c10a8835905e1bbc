//! Bodies of audit frames: what two nodes say while they compare all that they hold, range by range
//! of (clock, cid).
//!
//! ```text
//! 0 begin  u64 since · u64 until               1 ready  u64 since
//! 2 round  u8 left (0 nothing, 1 some, 2 much) · varint n, n × name · ranges to the end
//! 3 stop   u8 why
//! name     u64 epoch · varint seq · 32 cid
//! range    u8 says × 64 + length of the bound's id · bound · what it says
//! bound    varint clock, less the clock of the bound before · the first bytes of a cid
//!          (a length of 63: the range goes on to the end, and no bound follows;
//!           of 62: no range, the next one begins anew at the window's `since`)
//! says     0 nothing · 1 16 fingerprint · 2 u8 n, n × 16 ids · 3 u8 n, ⌈n/8⌉ bits
//! ```
//! A range begins where the one before it ends, the first at the window's `since`; a range that
//! says nothing leads over a gap. Owns the bytes and the bounds of each field; what a range's words
//! mean for a set is `herd`'s.

use super::FrameFault;
use crate::update::{Cid, Dot, Epoch, Hlc, Reader, put_varint};
use std::fmt;

/// The longest body of an audit frame.
pub const AUDIT_BYTES_MAX: usize = 32 * 1024;
/// A range with fewer updates than this is told by their ids.
pub const AUDIT_IDS_MAX: usize = 32;
/// The most bytes that one range takes, the way to it included.
pub const AUDIT_RANGE_BYTES_MAX: usize = 1 + GAP_BYTES_MAX + 1 + 10 + 32 + 1 + AUDIT_IDS_MAX * 16;
const GAP_BYTES_MAX: usize = 1 + 10 + 32;
/// The most bytes that one name takes.
pub const AUDIT_NAME_BYTES_MAX: usize = 8 + 10 + 32;
/// The most bytes of a round that are neither ranges nor names.
pub const AUDIT_ROUND_BYTES_MAX: usize = 1 + 1 + 10;

const BEGIN: u8 = 0;
const READY: u8 = 1;
const ROUND: u8 = 2;
const STOP: u8 = 3;
/// In place of the length of a bound's id: the range has no bound.
const TO_THE_END: u8 = 63;
/// A byte in place of a range: the next one begins at the first place.
const ANEW: u8 = 62;

/// The first half of a cid: enough to tell the updates of a range apart.
pub type ShortId = [u8; 16];

/// A place among updates by (clock, cid).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AuditBound {
    /// The clock.
    pub clock: Hlc,
    /// The cid, zeros behind the bytes that matter.
    pub cid: Cid,
}

impl AuditBound {
    /// Behind everything.
    pub const END: Self = Self { clock: Hlc(u64::MAX), cid: Cid([0xff; 32]) };

    /// Before every update of this clock.
    pub fn at(clock: Hlc) -> Self {
        Self { clock, cid: Cid([0; 32]) }
    }

    /// The shortest that parts two updates, of which `before` is the lesser.
    pub fn between(before: (Hlc, Cid), behind: (Hlc, Cid)) -> Self {
        let mut bound = Self::at(behind.0);
        if before.0 == behind.0 {
            let pairs = before.1.0.iter().zip(&behind.1.0);
            let shared = pairs.take_while(|(a, b)| a == b).count();
            let kept = (shared + 1).min(32);
            bound.cid.0[..kept].copy_from_slice(&behind.1.0[..kept]);
        }
        bound
    }

    fn id(&self) -> &[u8] {
        let kept = self.cid.0.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        &self.cid.0[..kept]
    }
}

/// An update that the sender holds and thinks that the receiver does not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AuditName {
    /// Its name.
    pub dot: Dot,
    /// Its content id.
    pub cid: Cid,
}

/// How much the sender of a round has heard, or found, and not yet said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuditLeft {
    /// It has said all.
    Nothing,
    /// It goes on when it is its turn again.
    Some,
    /// So much that the receiver should split few further ranges before it has gone on.
    Much,
}

/// Why an audit ends before its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuditStop {
    /// Another audit is under way, or was a moment ago.
    Busy,
    /// The archive can't be read.
    Failed,
    /// It took too long.
    Late,
    /// A reason of a later version.
    Other(u8),
}

impl AuditStop {
    fn code(self) -> u8 {
        match self {
            Self::Busy => 1,
            Self::Failed => 2,
            Self::Late => 3,
            Self::Other(code) => code,
        }
    }

    fn from_code(code: u8) -> Self {
        let known = [Self::Busy, Self::Failed, Self::Late];
        known.into_iter().find(|known| known.code() == code).unwrap_or(Self::Other(code))
    }
}

impl fmt::Display for AuditStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "the peer is busy with another audit",
            Self::Failed => "the peer can't read its archive",
            Self::Late => "the peer took it to last too long",
            Self::Other(code) => return write!(f, "reason {code}"),
        })
    }
}

/// What is said of one range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RangeSays<'a> {
    /// Nothing: it is settled, or its time has not come.
    Nothing,
    /// The fingerprint of the sender's updates in it.
    Fingerprint([u8; 16]),
    /// The sender's updates in it, ascending.
    Ids(&'a [ShortId]),
    /// Which of the receiver's updates in it, ascending, the sender lacks.
    Lacks(Bits<'a>),
}

/// At most [`AUDIT_IDS_MAX`] bits, the first in the lowest place of the first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bits<'a> {
    count: usize,
    bytes: &'a [u8],
}

impl Bits<'_> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The bits in order.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.count).map(|index| self.bytes[index / 8] >> (index % 8) & 1 == 1)
    }
}

/// One range of a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuditRange<'a> {
    /// Where it begins.
    pub from: AuditBound,
    /// Where it ends: before this.
    pub to: AuditBound,
    /// What is said of it.
    pub says: RangeSays<'a>,
}

/// Reads ranges one after the other: nothing is allocated for what a peer sent.
#[derive(Clone, Copy, Debug)]
pub struct AuditRanges<'a> {
    reader: Reader<'a>,
    first: AuditBound,
    at: AuditBound,
}

impl<'a> AuditRanges<'a> {
    /// Ranges of which the first begins at `first`.
    pub fn new(bytes: &'a [u8], first: AuditBound) -> Self {
        Self::resume(bytes, first, first)
    }

    /// The rest of such ranges, of which the next begins at `at`.
    pub fn resume(bytes: &'a [u8], first: AuditBound, at: AuditBound) -> Self {
        Self { reader: Reader::new(bytes), first, at }
    }

    /// How many bytes were not read.
    pub fn left_bytes(&self) -> usize {
        self.reader.rest().len()
    }

    /// The next range; `None` when all were read.
    pub fn read(&mut self) -> Result<Option<AuditRange<'a>>, FrameFault> {
        let head = loop {
            if self.reader.is_done() {
                return Ok(None);
            }
            match self.reader.u8()? {
                ANEW => self.at = self.first,
                head => break head,
            }
        };
        let to = self.bound(head & 63)?;
        let says = match head >> 6 {
            0 => RangeSays::Nothing,
            1 => RangeSays::Fingerprint(self.reader.array()?),
            2 => {
                let count = self.count()?;
                RangeSays::Ids(self.reader.bytes(count * 16)?.as_chunks::<16>().0)
            }
            _ => {
                let count = self.count()?;
                let bytes = self.reader.bytes(count.div_ceil(8))?;
                RangeSays::Lacks(Bits { count, bytes })
            }
        };
        let from = std::mem::replace(&mut self.at, to);
        Ok(Some(AuditRange { from, to, says }))
    }

    fn bound(&mut self, id_bytes: u8) -> Result<AuditBound, FrameFault> {
        let bound = if id_bytes == TO_THE_END {
            AuditBound::END
        } else {
            let clock = self.at.clock.0.checked_add(self.reader.varint()?);
            let mut bound = AuditBound::at(Hlc(clock.ok_or(FrameFault::Value)?));
            let id = self.reader.bytes(usize::from(id_bytes))?;
            let place = bound.cid.0.get_mut(..id.len()).ok_or(FrameFault::Value)?;
            place.copy_from_slice(id);
            if id.last() == Some(&0) {
                return Err(FrameFault::Value);
            }
            bound
        };
        if bound > self.at { Ok(bound) } else { Err(FrameFault::Value) }
    }

    fn count(&mut self) -> Result<usize, FrameFault> {
        let count = usize::from(self.reader.u8()?);
        if count <= AUDIT_IDS_MAX { Ok(count) } else { Err(FrameFault::Value) }
    }
}

/// Writes ranges, in any order; it takes the fewest bytes when they ascend.
#[derive(Debug)]
pub struct AuditRangesWriter {
    bytes: Vec<u8>,
    first: AuditBound,
    at: AuditBound,
}

impl AuditRangesWriter {
    /// Nothing yet; every range begins at `first` or behind it.
    pub fn new(first: AuditBound) -> Self {
        Self { bytes: Vec::new(), first, at: first }
    }

    /// How many bytes were written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True when nothing was said.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes of the ranges.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The fingerprint of what we have in a range.
    pub fn fingerprint(&mut self, from: AuditBound, to: AuditBound, fingerprint: [u8; 16]) {
        self.open(from, to, 1);
        self.bytes.extend_from_slice(&fingerprint);
    }

    /// What we have in a range: at most [`AUDIT_IDS_MAX`].
    pub fn ids(&mut self, from: AuditBound, to: AuditBound, ids: impl Iterator<Item = Cid>) {
        self.open(from, to, 2);
        let count_at = self.bytes.len();
        self.bytes.push(0);
        ids.for_each(|cid| self.bytes.extend_from_slice(short(&cid)));
        let count = (self.bytes.len() - count_at) / 16;
        debug_assert!(count <= AUDIT_IDS_MAX, "{count} ids in a range");
        self.bytes[count_at] = count as u8;
    }

    /// Which of the other's updates of a range we lack: at most [`AUDIT_IDS_MAX`] bits.
    pub fn lacks(&mut self, from: AuditBound, to: AuditBound, bits: impl Iterator<Item = bool>) {
        self.open(from, to, 3);
        let count_at = self.bytes.len();
        self.bytes.push(0);
        for (index, bit) in bits.enumerate() {
            if index % 8 == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= u8::from(bit) << (index % 8);
            }
            self.bytes[count_at] = index as u8 + 1;
        }
    }

    fn open(&mut self, from: AuditBound, to: AuditBound, says: u8) {
        debug_assert!(self.first <= from && from < to, "a range goes forward");
        if from < self.at {
            self.bytes.push(ANEW);
            self.at = self.first;
        }
        if self.at < from {
            self.bound(from, 0);
        }
        self.bound(to, says);
    }

    fn bound(&mut self, to: AuditBound, says: u8) {
        if to == AuditBound::END {
            self.bytes.push(says << 6 | TO_THE_END);
        } else {
            let id = to.id();
            self.bytes.push(says << 6 | id.len() as u8);
            put_varint(&mut self.bytes, to.clock.0 - self.at.clock.0);
            self.bytes.extend_from_slice(id);
        }
        self.at = to;
    }
}

/// The first half of a cid.
pub fn short(cid: &Cid) -> &ShortId {
    cid.0.as_chunks::<16>().0.first().unwrap_or(&[0; 16])
}

/// The body of an audit frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditMessage<'a> {
    /// Asks for an audit of the updates with clocks from `since` to before `until`.
    Begin {
        /// The first clock.
        since: Hlc,
        /// Behind the last clock.
        until: Hlc,
    },
    /// The one that was asked has its updates in order: it says the first clock, which may be
    /// later than that asked for.
    Ready {
        /// The first clock.
        since: Hlc,
    },
    /// Ranges and names, in turn.
    Round {
        /// What the sender has still to say.
        left: AuditLeft,
        /// What the receiver lacks.
        names: Vec<AuditName>,
        /// For [`AuditRanges`].
        ranges: &'a [u8],
    },
    /// The end before the end.
    Stop(AuditStop),
}

impl<'a> AuditMessage<'a> {
    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Begin { since, until } => {
                out.push(BEGIN);
                out.extend_from_slice(&since.0.to_be_bytes());
                out.extend_from_slice(&until.0.to_be_bytes());
            }
            Self::Ready { since } => {
                out.push(READY);
                out.extend_from_slice(&since.0.to_be_bytes());
            }
            Self::Round { left, names, ranges } => {
                out.extend_from_slice(&[ROUND, *left as u8]);
                put_varint(out, names.len() as u64);
                for name in names {
                    out.extend_from_slice(&name.dot.epoch.0.to_be_bytes());
                    put_varint(out, name.dot.seq);
                    out.extend_from_slice(&name.cid.0);
                }
                out.extend_from_slice(ranges);
            }
            Self::Stop(why) => out.extend_from_slice(&[STOP, why.code()]),
        }
    }

    /// Reads a body that fills `body` exactly. The ranges of a round are left for
    /// [`AuditRanges`] to check.
    pub fn decode(body: &'a [u8]) -> Result<Self, FrameFault> {
        let mut reader = Reader::new(body);
        let message = match reader.u8()? {
            BEGIN => Self::Begin { since: Hlc(reader.u64()?), until: Hlc(reader.u64()?) },
            READY => Self::Ready { since: Hlc(reader.u64()?) },
            ROUND => return Self::decode_round(reader),
            STOP => Self::Stop(AuditStop::from_code(reader.u8()?)),
            _ => return Err(FrameFault::Value),
        };
        if reader.is_done() { Ok(message) } else { Err(FrameFault::Trailing) }
    }

    fn decode_round(mut reader: Reader<'a>) -> Result<Self, FrameFault> {
        let left = match reader.u8()? {
            0 => AuditLeft::Nothing,
            1 => AuditLeft::Some,
            2 => AuditLeft::Much,
            _ => return Err(FrameFault::Value),
        };
        let mut names = Vec::new();
        for _ in 0..reader.varint()? {
            let dot = Dot { epoch: Epoch(reader.u64()?), seq: reader.varint()? };
            if dot.seq == 0 {
                return Err(FrameFault::Value);
            }
            names.push(AuditName { dot, cid: Cid(reader.array()?) });
        }
        Ok(Self::Round { left, names, ranges: reader.rest() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cid(id: &[u8]) -> Cid {
        let mut cid = Cid([0; 32]);
        cid.0[..id.len()].copy_from_slice(id);
        cid
    }

    proptest! {
        #[test]
        fn ranges_come_back_and_what_is_read_would_be_written_the_same(
            steps in prop::collection::vec((0_u64..3, any::<[u8; 3]>(), 0..4, 0_usize..32), 0..40),
        ) {
            let since = AuditBound::at(Hlc(7));
            let mut writer = AuditRangesWriter::new(since);
            let mut at = since;
            let mut said = Vec::new();
            for (step, id, says, count) in steps {
                let to = AuditBound { clock: Hlc(at.clock.0 + step), cid: cid(&id) };
                if to <= at {
                    continue;
                }
                match says {
                    0 => {}
                    1 => writer.fingerprint(at, to, [count as u8; 16]),
                    2 => writer.ids(at, to, (0..count).map(|n| cid(&[n as u8]))),
                    _ => writer.lacks(at, to, (0..count).map(|n| n % 3 == 0)),
                }
                if says > 0 {
                    said.push((at, to, says, count));
                }
                at = to;
            }
            let bytes = writer.into_bytes();
            let mut ranges = AuditRanges::new(&bytes, since);
            let mut read = Vec::new();
            while let Some(range) = ranges.read().unwrap() {
                read.push(match range.says {
                    RangeSays::Nothing => continue,
                    RangeSays::Fingerprint(sum) => (range.from, range.to, 1, usize::from(sum[0])),
                    RangeSays::Ids(ids) => (range.from, range.to, 2, ids.len()),
                    RangeSays::Lacks(bits) => {
                        prop_assert!(bits.iter().enumerate().all(|(n, bit)| bit == (n % 3 == 0)));
                        (range.from, range.to, 3, bits.count())
                    }
                });
            }
            prop_assert_eq!(read, said);
        }

        #[test]
        fn no_bytes_make_the_readers_panic_and_each_range_is_behind_the_one_before(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = AuditMessage::decode(&bytes);
            let mut ranges = AuditRanges::new(&bytes, AuditBound::at(Hlc(0)));
            while let Ok(Some(range)) = ranges.read() {
                prop_assert!(range.from < range.to);
            }
        }

        #[test]
        fn messages_come_back_and_no_cut_of_a_short_one_is_read(
            since: u64, until: u64, seq in 1_u64.., code: u8,
        ) {
            let name = AuditName { dot: Dot { epoch: Epoch(until), seq }, cid: cid(&[1]) };
            let lefts = [AuditLeft::Nothing, AuditLeft::Some, AuditLeft::Much];
            let left = lefts[usize::from(code % 3)];
            let round = AuditMessage::Round { left, names: vec![name; 3], ranges: b"ranges" };
            let whole = [
                AuditMessage::Begin { since: Hlc(since), until: Hlc(until) },
                AuditMessage::Ready { since: Hlc(since) },
                AuditMessage::Stop(AuditStop::from_code(code)),
            ];
            for message in whole.iter().chain([&round]) {
                let mut bytes = Vec::new();
                message.encode(&mut bytes);
                prop_assert_eq!(&AuditMessage::decode(&bytes), &Ok(message.clone()));
                let cuts = if *message == round { 0..5 } else { 0..bytes.len() };
                for cut in cuts {
                    prop_assert!(AuditMessage::decode(&bytes[..cut]).is_err());
                }
            }
        }
    }

    #[test]
    fn a_bound_between_two_updates_is_behind_the_one_and_not_behind_the_other() {
        let pairs = [
            ((1, vec![9, 9]), (2, vec![1])),
            ((1, vec![1, 2, 3]), (1, vec![1, 2, 4])),
            ((1, vec![]), (1, vec![0, 0, 1])),
        ];
        for ((clock_a, a), (clock_b, b)) in pairs {
            let (a, b) = ((Hlc(clock_a), cid(&a)), (Hlc(clock_b), cid(&b)));
            let bound = AuditBound::between(a, b);
            assert!((bound.clock, bound.cid) > a, "{bound:?}");
            assert!((bound.clock, bound.cid) <= b, "{bound:?}");
        }
    }

    #[test]
    fn a_range_that_does_not_go_forward_or_tells_too_many_ids_is_refused() {
        let since = AuditBound::at(Hlc(5));
        // Bound 0 behind the one before, no id.
        assert_eq!(AuditRanges::new(&[0, 0], since).read(), Err(FrameFault::Value));
        // An id that ends in a zero, and one that is too long.
        assert_eq!(AuditRanges::new(&[2, 1, 1, 0], since).read(), Err(FrameFault::Value));
        let mut long = vec![33, 1];
        long.extend([1; 33]);
        assert_eq!(AuditRanges::new(&long, since).read(), Err(FrameFault::Value));
        let mut many = vec![2 << 6 | TO_THE_END, AUDIT_IDS_MAX as u8 + 1];
        many.extend([0; 16 * (AUDIT_IDS_MAX + 1)]);
        assert_eq!(AuditRanges::new(&many, since).read(), Err(FrameFault::Value));
        // Nothing may follow the end.
        let mut ranges = AuditRanges::new(&[TO_THE_END, TO_THE_END], since);
        assert!(ranges.read().is_ok());
        assert_eq!(ranges.read(), Err(FrameFault::Value));
    }
}
