//! What a checkpoint covers: kept in the index beside the entries that follow from the same
//! frames.

use super::frame::Place;
use super::scan::Spot;
use super::told::Told;
use crate::update::{Reader, Truncated, put_varint};
use std::collections::BTreeMap;

/// The index key under which a checkpoint keeps its [`Covered`].
pub(super) const COVERED_KEY: &[u8] = b"S";
/// Changes with what is kept in the index, the news' rows included: an index of another version is
/// made again from the log.
const VERSION: u8 = 7;

/// What a checkpoint covers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Covered {
    /// All updates before this place are in the index.
    pub(super) until: Spot,
    /// The last frame that was looked at: updates between `until` and it may be in the index.
    /// The log must still hold this very frame, or it is not the log that the index is of.
    pub(super) last: Spot,
    /// Where that frame ends.
    pub(super) last_end: Place,
    /// As told by the log through `last`, with every id resolved; but its vector has only the
    /// dots that are in the index.
    pub(super) told: Told,
    /// The segments that hold updates which were dropped, and the bytes of these.
    pub(super) dropped: BTreeMap<u32, u64>,
}

impl Covered {
    /// Opening the log with this needs nothing of what is before this segment.
    pub(super) fn settled(&self) -> u32 {
        self.until.place.min(self.last.place).segment()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for spot in [self.until, self.last] {
            out.extend_from_slice(&spot.place.0.to_be_bytes());
            out.extend_from_slice(&spot.check.to_be_bytes());
        }
        out.extend_from_slice(&self.last_end.0.to_be_bytes());
        self.told.encode(&mut out);
        put_varint(&mut out, self.dropped.len() as u64);
        for (segment, count) in &self.dropped {
            put_varint(&mut out, u64::from(*segment));
            put_varint(&mut out, *count);
        }
        out
    }

    /// `None` for bytes that this version did not write.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let covered = Self::read(&mut reader).ok().flatten()?;
        reader.is_done().then_some(covered)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, Truncated> {
        if reader.u8()? != VERSION {
            return Ok(None);
        }
        let until = Spot { place: Place(reader.u64()?), check: reader.u32()? };
        let last = Spot { place: Place(reader.u64()?), check: reader.u32()? };
        let last_end = Place(reader.u64()?);
        let told = Told::decode(reader)?;
        let mut dropped = BTreeMap::new();
        for _ in 0..reader.varint()? {
            dropped.insert(reader.varint()? as u32, reader.varint()?);
        }
        Ok(Some(Self { until, last, last_end, told, dropped }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Birth;
    use super::super::forks::Forks;
    use super::super::told::Extent;
    use super::*;
    use crate::update::{Cid, Dot, Epoch, Vector};

    #[test]
    fn what_a_checkpoint_covers_comes_back_and_no_cut_of_it_is_read() {
        let dot = |seq| Dot { epoch: Epoch(9), seq };
        let (mut vector, mut gone) = (Vector::new(), Vector::new());
        (1..=4).for_each(|seq| assert!(vector.insert(dot(seq))));
        gone.insert(dot(2));
        let erased = gone.clone();
        let mut forks = Forks::default();
        forks.insert(dot(3), Cid([8; 32]), Place(77));
        let extent = Extent { seq: 4, cid: Some(Cid([5; 32])), at: None, sealed: 3 };
        let passed = Extent { seq: 6, cid: None, at: None, sealed: 6 };
        let told = Told {
            birth: Some(Birth { epoch: Epoch(10), salt: 7 }),
            early: true,
            ended: vec![Birth { epoch: Epoch(9), salt: 8 }],
            extents: BTreeMap::from([(Epoch(9), extent), (Epoch(11), passed)]),
            vector,
            gone,
            erased,
            forks,
            first_needed: 3,
        };
        let spot = |n: u32| Spot { place: Place::new(n, 77), check: n * 3 };
        let (until, last, last_end) = (spot(1), spot(2), Place(99));
        let dropped = BTreeMap::from([(4, 5), (6, 700)]);
        let covered = Covered { until, last, last_end, told, dropped };
        let bytes = covered.encode();
        assert_eq!(Covered::decode(&bytes), Some(covered));
        for cut in 0..bytes.len() {
            assert_eq!(Covered::decode(&bytes[..cut]), None);
        }
        assert_eq!(Covered::decode(&[&bytes[..], &[0]].concat()), None);
    }
}
