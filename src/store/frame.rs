//! The bytes of the log: segment headers and frames. Pure: no file is touched here.
//!
//! ```text
//! segment  "bwherdlg" · u32 version = 2 · u32 number · u32 end of the segment before · u32 check
//!          of its last frame · u32 salt · u32 check                                  (32 bytes)
//! frame    u32 length of payload · u32 check of the frame before · u32 check · u8 kind · payload
//! ```
//! Numbers are big-endian. A check is CRC-32 begun at the segment's salt, over everything in the
//! frame but itself. As each frame carries the check of the one before (the first: of the header),
//! an old frame never follows a new one. The salt keeps a sender of updates from writing bytes
//! that look like a frame of this log.
//!
//! A frame may be amended long after it was written, when a payload is erased or an update
//! dropped: at its old place and with its old length, so that no place in the log ever moves. Its
//! kind then has the high bit, and its payload begins with its link: the check that it had, which
//! the next frame carries.

use crate::update::PAYLOAD_BYTES_MAX;
use std::fmt;

/// Bytes of a segment's header.
pub(super) const HEADER_BYTES: usize = 32;
/// Bytes of a frame before its payload.
pub(super) const HEAD_BYTES: usize = 13;
/// The longest payload of a frame: the longest envelope with its seal, and some room.
pub(super) const FRAME_PAYLOAD_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 32 * 1024;
/// Bytes of an amended frame's link.
pub(super) const LINK_BYTES: usize = 4;
/// Bytes of the birth of an epoch.
pub(super) const BIRTH_BYTES: usize = 16;
const MAGIC: &[u8; 8] = b"bwherdlg";
/// The version of the log that is written and read.
pub(super) const LOG_VERSION: u32 = 2;
/// Set in the kind of an amended frame.
const AMENDED: u8 = 0x80;

/// A place in the log. Places are ordered as the log is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Place(pub u64);

impl Place {
    /// Before everything.
    pub const START: Self = Self(0);

    pub(super) fn new(segment: u32, offset: u32) -> Self {
        Self(u64::from(segment) << 32 | u64::from(offset))
    }

    /// The number of the segment.
    pub fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The offset in the segment, in bytes.
    pub fn offset(self) -> u32 {
        self.0 as u32
    }

    /// The place `bytes` further on in the same segment.
    pub(super) fn plus(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment(), self.offset())
    }
}

/// What a frame holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FrameKind {
    /// A batch begins: the number of the attempt, `u64`. Whatever stands before the start of a
    /// batch was synced before that batch was written.
    Begin,
    /// An epoch of ours begins: its birth.
    Epoch,
    /// From here on the epoch may have sent updates that are not in the log: `u64`.
    Early,
    /// The store was closed; nothing was sent that is not in the log.
    Clean,
    /// An update's envelope, or its stub.
    Update,
    /// An update or its stub, with zeros behind it: see [`body`](super::body).
    Roomy,
    /// A seal of updates.
    Seal,
    /// An update whose dot another one has, and its seal.
    Exhibit,
    /// Dots that count as had, though what stands under them is not here, or not any more.
    Passed,
    /// Dots whose payloads are erased.
    Erased,
    /// What stood here was dropped. Only the link counts, the rest of the payload is zeros.
    Gone,
    /// What the segments before this frame have told.
    Summary,
}

impl FrameKind {
    const ALL: [Self; 12] = [
        Self::Begin,
        Self::Epoch,
        Self::Early,
        Self::Clean,
        Self::Update,
        Self::Roomy,
        Self::Seal,
        Self::Exhibit,
        Self::Passed,
        Self::Erased,
        Self::Gone,
        Self::Summary,
    ];

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 + 1 == code)
    }

    /// True for frames of an update of the log.
    pub(super) fn is_update(self) -> bool {
        matches!(self, Self::Update | Self::Roomy)
    }

    /// True for payloads of this length.
    fn fits(self, length: usize) -> bool {
        match self {
            Self::Begin | Self::Early => length == 8,
            Self::Epoch => length == BIRTH_BYTES,
            Self::Clean => length == 0,
            Self::Gone => length >= LINK_BYTES,
            _ => length <= FRAME_PAYLOAD_BYTES_MAX,
        }
    }
}

/// The front of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) before: u32,
    pub(super) check: u32,
    pub(super) kind: FrameKind,
    /// The frame was changed after it was written; its payload begins with its link.
    pub(super) amended: bool,
}

impl Head {
    /// Reads a head; `None` for one that no writer makes.
    pub(super) fn parse(bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let amended = bytes[12] & AMENDED != 0;
        let kind = FrameKind::from_code(bytes[12] & !AMENDED)?;
        let length = u32_at(bytes, 0) as usize;
        let may_be = match kind {
            FrameKind::Gone => amended,
            FrameKind::Roomy | FrameKind::Exhibit => !amended || length >= LINK_BYTES,
            _ => !amended,
        };
        let (before, check) = (u32_at(bytes, 4), u32_at(bytes, 8));
        (may_be && kind.fits(length)).then_some(Self { length, before, check, kind, amended })
    }

    /// How many bytes of the payload count: of what is gone only the link.
    pub(super) fn counted(&self) -> usize {
        if self.kind == FrameKind::Gone { LINK_BYTES } else { self.length }
    }

    /// True when the check is right for this head and what counts of the payload.
    pub(super) fn is_whole(&self, salt: u32, counted: &[u8]) -> bool {
        counted.len() == self.counted() && self.sum(salt, counted) == self.check
    }

    /// What the next frame carries as the check of this one: the check that it was written with.
    pub(super) fn link(&self, payload: &[u8]) -> u32 {
        if self.amended && payload.len() >= LINK_BYTES { u32_at(payload, 0) } else { self.check }
    }

    /// Where in the payload that begins which the kind tells of.
    pub(super) fn body_at(&self) -> usize {
        if self.amended { LINK_BYTES } else { 0 }
    }

    /// Bytes of the whole frame.
    pub(super) fn frame_bytes(&self) -> usize {
        HEAD_BYTES + self.length
    }

    fn code(&self) -> u8 {
        self.kind as u8 + 1 + if self.amended { AMENDED } else { 0 }
    }

    fn sum(&self, salt: u32, counted: &[u8]) -> u32 {
        let mut front = [0; 9];
        front[..4].copy_from_slice(&(self.length as u32).to_be_bytes());
        front[4..8].copy_from_slice(&self.before.to_be_bytes());
        front[8] = self.code();
        let mut hasher = crc32fast::Hasher::new_with_initial(salt);
        hasher.update(&front);
        hasher.update(counted);
        hasher.finalize()
    }

    /// Appends the head and what counts of the payload; returns its check.
    fn put(mut self, out: &mut Vec<u8>, salt: u32, counted: &[u8]) -> u32 {
        self.check = self.sum(salt, counted);
        out.reserve(HEAD_BYTES + counted.len());
        out.extend_from_slice(&(self.length as u32).to_be_bytes());
        out.extend_from_slice(&self.before.to_be_bytes());
        out.extend_from_slice(&self.check.to_be_bytes());
        out.push(self.code());
        out.extend_from_slice(counted);
        self.check
    }
}

/// Appends an amended frame in the place of the frame, or frames, that one with the check `before`
/// stands before, that are `frame_bytes` long, and whose last had the check `link`. The body fills
/// it, unless what stood there is gone.
pub(super) fn put_amended(
    out: &mut Vec<u8>,
    salt: u32,
    (before, link): (u32, u32),
    frame_bytes: usize,
    (kind, body): (FrameKind, &[u8]),
) {
    let length = frame_bytes - HEAD_BYTES;
    let counted = [&link.to_be_bytes()[..], body].concat();
    let head = Head { length, before, check: 0, kind, amended: true };
    debug_assert_eq!(head.counted(), counted.len(), "no place in the log moves");
    head.put(out, salt, &counted);
}

/// Appends a frame that follows one with the check `before`; returns its own check.
pub(super) fn put_frame(
    out: &mut Vec<u8>,
    salt: u32,
    before: u32,
    kind: FrameKind,
    payload: &[u8],
) -> u32 {
    let head = Head { length: payload.len(), before, check: 0, kind, amended: false };
    head.put(out, salt, payload)
}

/// The front of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) number: u32,
    /// Where the trusted part of the segment before ends; 0 for the first.
    pub(super) before_end: u32,
    /// The check of the last frame of the segment before; 0 for the first.
    pub(super) before_check: u32,
    pub(super) salt: u32,
}

/// Why bytes are not the header of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeaderError {
    NotOne,
    Version(u32),
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..8].copy_from_slice(MAGIC);
        let numbers = [LOG_VERSION, self.number, self.before_end, self.before_check, self.salt];
        for (index, number) in numbers.into_iter().enumerate() {
            out[8 + index * 4..12 + index * 4].copy_from_slice(&number.to_be_bytes());
        }
        let check = crc32fast::hash(&out[..28]);
        out[28..].copy_from_slice(&check.to_be_bytes());
        out
    }

    /// The check that the first frame carries as the one before it.
    pub(super) fn check(&self) -> u32 {
        u32_at(&self.encode(), 28)
    }

    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, HeaderError> {
        if bytes[..8] != MAGIC[..] || crc32fast::hash(&bytes[..28]) != u32_at(bytes, 28) {
            return Err(HeaderError::NotOne);
        }
        let version = u32_at(bytes, 8);
        if version != LOG_VERSION {
            return Err(HeaderError::Version(version));
        }
        Ok(Self {
            number: u32_at(bytes, 12),
            before_end: u32_at(bytes, 16),
            before_check: u32_at(bytes, 20),
            salt: u32_at(bytes, 24),
        })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The file name of a segment.
pub(super) fn segment_name(number: u32) -> String {
    format!("log-{number:010}.seg")
}

/// The number in a segment's file name.
pub(super) fn segment_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("log-")?.strip_suffix(".seg")?;
    let number = digits.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_frame_comes_back_and_no_flipped_bit_passes(
            salt: u32, before: u32, payload: Vec<u8>, at: usize, bit in 0..8_u8,
        ) {
            let mut bytes = Vec::new();
            let check = put_frame(&mut bytes, salt, before, FrameKind::Update, &payload);
            let head = Head::parse(bytes.first_chunk().unwrap()).unwrap();
            prop_assert_eq!((head.before, head.check), (before, check));
            prop_assert_eq!(head.frame_bytes(), bytes.len());
            prop_assert!(head.is_whole(salt, &bytes[HEAD_BYTES..]));
            prop_assert!(!head.is_whole(salt ^ 1, &bytes[HEAD_BYTES..]));
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let flipped = Head::parse(bytes.first_chunk().unwrap());
            prop_assert!(!flipped.is_some_and(|head| head.is_whole(salt, &bytes[HEAD_BYTES..])));
        }

        #[test]
        fn a_header_comes_back_and_no_flipped_bit_passes(
            number: u32,
            before_end: u32,
            before_check: u32,
            salt: u32,
            at in 0..32_usize,
            bit in 0..8_u8,
        ) {
            let header = Header { number, before_end, before_check, salt };
            let mut bytes = header.encode();
            prop_assert_eq!(Header::decode(&bytes), Ok(header));
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(Header::decode(&bytes), Err(HeaderError::NotOne));
        }
    }

    #[test]
    fn codes_of_kinds_do_not_move() {
        for (index, kind) in FrameKind::ALL.into_iter().enumerate() {
            assert_eq!(FrameKind::from_code(index as u8 + 1), Some(kind));
        }
        assert_eq!((FrameKind::Update as u8, FrameKind::Summary as u8), (4, 11));
        assert_eq!(FrameKind::from_code(0), None);
        assert_eq!(FrameKind::from_code(13), None);
    }

    #[test]
    fn names_of_segments_sort_as_their_numbers_and_others_are_not_taken_for_one() {
        assert_eq!(segment_name(1), "log-0000000001.seg");
        assert_eq!(segment_number("log-0000000001.seg"), Some(1));
        assert_eq!(segment_number("log-4294967295.seg"), Some(u32::MAX));
        for other in ["log-1.seg", "log-00000000001.seg", "log-+000000001.seg", "index.redb"] {
            assert_eq!(segment_number(other), None, "{other}");
        }
    }
}
