//! What the store knows of its own epoch: as read frame by frame from the log, and as a
//! checkpoint keeps it in the index beside the entries that follow from the same frames.

use super::frame::{FrameKind, Place, mark_number};
use super::scan::Spot;
use crate::update::{Cid, Epoch, Reader, Truncated, Update, Vector};

/// The index key under which a checkpoint keeps its [`Covered`].
pub(super) const COVERED_KEY: &[u8] = b"S";
const VERSION: u8 = 1;

/// Our own epoch, as the log tells it up to some frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Own {
    /// `None` before the log's first mark of one.
    pub(super) epoch: Option<Epoch>,
    /// True when updates may have been sent that are not in the log.
    pub(super) early: bool,
    /// The sequence number of the last own update; 0 for none.
    pub(super) seq: u64,
    /// The cid of the last own update, unless `tip_at` says where to find it.
    pub(super) tip: Cid,
    /// Where the last own update stands, when it was seen in passing.
    pub(super) tip_at: Option<Place>,
}

impl Own {
    /// Before the first frame.
    pub(super) fn new() -> Self {
        Self { epoch: None, early: false, seq: 0, tip: Cid::ZERO, tip_at: None }
    }

    /// Takes in the next frame of the log.
    pub(super) fn on_frame(&mut self, place: Place, kind: FrameKind, payload: &[u8]) {
        match kind {
            FrameKind::Begin => {}
            FrameKind::Epoch if self.epoch == Some(Epoch(mark_number(payload))) => {}
            FrameKind::Epoch => {
                *self = Self { epoch: Some(Epoch(mark_number(payload))), ..Self::new() };
            }
            FrameKind::Early => self.early = true,
            FrameKind::Clean => self.early = false,
            FrameKind::Update => {
                let Ok(dot) = Update::peek_dot(payload) else { return };
                if Some(dot.epoch) == self.epoch && dot.seq > self.seq {
                    self.seq = dot.seq;
                    self.tip_at = Some(place);
                }
            }
        }
    }
}

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
    /// The log's first segment.
    pub(super) first_segment: u32,
    /// As told by the log through `last`; its `tip_at` is resolved.
    pub(super) own: Own,
    /// The dots in the index.
    pub(super) vector: Vector,
}

impl Covered {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for spot in [self.until, self.last] {
            out.extend_from_slice(&spot.place.0.to_be_bytes());
            out.extend_from_slice(&spot.check.to_be_bytes());
        }
        out.extend_from_slice(&self.last_end.0.to_be_bytes());
        out.extend_from_slice(&self.first_segment.to_be_bytes());
        out.extend_from_slice(&[u8::from(self.own.epoch.is_some()), u8::from(self.own.early)]);
        out.extend_from_slice(&self.own.epoch.map_or(0, |epoch| epoch.0).to_be_bytes());
        out.extend_from_slice(&self.own.seq.to_be_bytes());
        out.extend_from_slice(&self.own.tip.0);
        self.vector.encode(&mut out);
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
        let first_segment = reader.u32()?;
        let (has_epoch, early) = (reader.u8()? != 0, reader.u8()? != 0);
        let epoch = Epoch(reader.u64()?);
        let seq = reader.u64()?;
        let tip = Cid(reader.array()?);
        let own = Own { epoch: has_epoch.then_some(epoch), early, seq, tip, tip_at: None };
        let vector = Vector::decode(reader, usize::MAX).map_err(|_| Truncated)?;
        Ok(Some(Self { until, last, last_end, first_segment, own, vector }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::Dot;

    #[test]
    fn what_a_checkpoint_covers_comes_back_and_no_cut_of_it_is_read() {
        let mut vector = Vector::new();
        vector.insert(Dot { epoch: Epoch(9), seq: 4 });
        let spot = |n: u32| Spot { place: Place::new(n, 77), check: n * 3 };
        let own =
            Own { epoch: Some(Epoch(9)), early: true, seq: 4, tip: Cid([5; 32]), tip_at: None };
        let (until, last, last_end) = (spot(1), spot(2), Place(99));
        let covered = Covered { until, last, last_end, first_segment: 1, own, vector };
        let bytes = covered.encode();
        assert_eq!(Covered::decode(&bytes), Some(covered));
        for cut in 0..bytes.len() {
            assert_eq!(Covered::decode(&bytes[..cut]), None);
        }
        assert_eq!(Covered::decode(&[&bytes[..], &[0]].concat()), None);
    }
}
