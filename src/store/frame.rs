//! The bytes of the log: segment headers and frames. Pure: no file is touched here.
//!
//! ```text
//! segment  "bwherdlg" · u32 version = 1 · u32 number · u32 end of the segment before · u32 check
//!          of its last frame · u32 salt · u32 check                                  (32 bytes)
//! frame    u32 length of payload · u32 check of the frame before · u32 check · u8 kind · payload
//! ```
//! Numbers are big-endian. A check is CRC-32 begun at the segment's salt, over everything in the
//! frame but itself. As each frame carries the check of the one before (the first: of the header),
//! an old frame never follows a new one. The salt keeps a sender of updates from writing bytes
//! that look like a frame of this log.

use crate::update::PAYLOAD_BYTES_MAX;
use std::fmt;

/// Bytes of a segment's header.
pub(super) const HEADER_BYTES: usize = 32;
/// Bytes of a frame before its payload.
pub(super) const HEAD_BYTES: usize = 13;
/// The longest payload of a frame: the longest envelope, with some room.
pub(super) const FRAME_PAYLOAD_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 8 * 1024;
const MAGIC: &[u8; 8] = b"bwherdlg";
const VERSION: u32 = 1;

/// A place in the log. Places are ordered as the log is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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
    /// An epoch begins: `u64`.
    Epoch,
    /// From here on the epoch may have sent updates that are not in the log: `u64`.
    Early,
    /// The store was closed; nothing was sent that is not in the log.
    Clean,
    /// An update's envelope.
    Update,
}

impl FrameKind {
    fn from_code(code: u8) -> Option<Self> {
        [Self::Begin, Self::Epoch, Self::Early, Self::Clean, Self::Update]
            .into_iter()
            .find(|kind| *kind as u8 + 1 == code)
    }
}

/// The front of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) before: u32,
    pub(super) check: u32,
    pub(super) kind: FrameKind,
}

impl Head {
    /// Reads a head; `None` for one that no writer makes.
    pub(super) fn parse(bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let kind = FrameKind::from_code(bytes[12])?;
        let length = u32_at(bytes, 0) as usize;
        let fits = match kind {
            FrameKind::Begin | FrameKind::Epoch | FrameKind::Early => length == 8,
            FrameKind::Clean => length == 0,
            FrameKind::Update => length <= FRAME_PAYLOAD_BYTES_MAX,
        };
        fits.then(|| Self { length, before: u32_at(bytes, 4), check: u32_at(bytes, 8), kind })
    }

    /// True when the check is right for this head and payload.
    pub(super) fn is_whole(&self, salt: u32, payload: &[u8]) -> bool {
        payload.len() == self.length && check(salt, self.before, self.kind, payload) == self.check
    }

    /// Bytes of the whole frame.
    pub(super) fn frame_bytes(&self) -> usize {
        HEAD_BYTES + self.length
    }
}

/// Appends a frame that follows one with the check `before`; returns its own check.
pub(super) fn put_frame(
    out: &mut Vec<u8>,
    salt: u32,
    before: u32,
    kind: FrameKind,
    payload: &[u8],
) -> u32 {
    let check = check(salt, before, kind, payload);
    out.reserve(HEAD_BYTES + payload.len());
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    out.extend_from_slice(&before.to_be_bytes());
    out.extend_from_slice(&check.to_be_bytes());
    out.push(kind as u8 + 1);
    out.extend_from_slice(payload);
    check
}

fn check(salt: u32, before: u32, kind: FrameKind, payload: &[u8]) -> u32 {
    let mut front = [0; 9];
    front[..4].copy_from_slice(&(payload.len() as u32).to_be_bytes());
    front[4..8].copy_from_slice(&before.to_be_bytes());
    front[8] = kind as u8 + 1;
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(&front);
    hasher.update(payload);
    hasher.finalize()
}

/// The `u32` or `u64` payload of a mark.
pub(super) fn mark_number(payload: &[u8]) -> u64 {
    payload.try_into().map_or(0, u64::from_be_bytes)
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
        let numbers = [VERSION, self.number, self.before_end, self.before_check, self.salt];
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
        if version != VERSION {
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

    const KINDS: [FrameKind; 5] =
        [FrameKind::Begin, FrameKind::Epoch, FrameKind::Early, FrameKind::Clean, FrameKind::Update];

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
        for (index, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(FrameKind::from_code(index as u8 + 1), Some(kind));
        }
        assert_eq!(FrameKind::from_code(0), None);
        assert_eq!(FrameKind::from_code(6), None);
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
