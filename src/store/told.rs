//! What the log tells, as a fold over its frames: our epochs, how far each epoch has come and is
//! sealed, which dots are had or gone, which epochs forked. The same fold reads the log at open,
//! and is kept by a checkpoint in the index, to go on from there. Taking in a frame twice, in
//! order, changes nothing.

use super::body::{Passed, envelope, read_exhibit, read_seal, read_vector};
use super::error::StoreError;
use super::forks::Forks;
use super::frame::{FrameKind, Place};
use super::{Birth, Tip};
use crate::update::{Cid, Dot, Epoch, Reader, Span, Truncated, Update, Vector, put_varint};
use std::collections::BTreeMap;

/// How far an epoch has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Extent {
    /// The last sequence number; 0 for none.
    pub(super) seq: u64,
    /// The id of what stands there; `None` when that was passed by.
    pub(super) cid: Option<Cid>,
    /// Where it stands, when it was seen in passing and `cid` is still to be read.
    pub(super) at: Option<Place>,
    /// Up to here seals are there.
    pub(super) sealed: u64,
}

/// What the log tells up to some frame.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Told {
    /// Our own epoch; `None` before the log's first mark of one.
    pub(super) birth: Option<Birth>,
    /// True when own updates may have been sent that are not in the log.
    pub(super) early: bool,
    /// All own epochs that are over: something of them may still be unsealed, and readers come with
    /// cursors that name them. Each has an extent beside, which takes more room.
    pub(super) ended: Vec<Birth>,
    pub(super) extents: BTreeMap<Epoch, Extent>,
    /// All dots that count as had.
    pub(super) vector: Vector,
    /// Those of them that are not here, or not any more.
    pub(super) gone: Vector,
    /// Those whose payloads are erased, and may still stand in the log.
    pub(super) erased: Vector,
    pub(super) forks: Forks,
    /// The first segment without which the log is not whole; 0 stands for the first.
    pub(super) first_needed: u32,
}

impl Extent {
    pub(super) fn tip(&self) -> Option<Tip> {
        (self.seq > 0).then_some(Tip { seq: self.seq, cid: self.cid })
    }
}

impl Told {
    /// Takes in the next frame of the log. `None` for a body that no writer makes.
    pub(super) fn on_frame(&mut self, place: Place, kind: FrameKind, body: &[u8]) -> Option<()> {
        match kind {
            FrameKind::Begin | FrameKind::Gone => {}
            FrameKind::Erased => self.erased.merge(&read_vector(&mut Reader::new(body)).ok()?),
            FrameKind::Summary => self.recall(Self::decode(&mut Reader::new(body)).ok()?),
            FrameKind::Epoch => self.begin(Birth::decode(&mut Reader::new(body)).ok()?),
            FrameKind::Early => self.early = true,
            FrameKind::Clean => self.early = false,
            FrameKind::Update | FrameKind::Roomy => {
                let dot = Update::peek_dot(envelope(kind, body)?).ok()?;
                self.vector.insert(dot);
                self.extend(dot, None, Some(place));
            }
            FrameKind::Seal => self.seal(read_seal(body)?.span()),
            FrameKind::Exhibit => {
                let (update, _) = read_exhibit(body)?;
                self.forks.insert(update.dot(), update.cid(), place);
            }
            FrameKind::Passed => self.pass(&Passed::decode(&mut Reader::new(body)).ok()?),
        }
        Some(())
    }

    pub(super) fn begin(&mut self, birth: Birth) {
        if self.birth != Some(birth) {
            self.ended.extend(self.birth.replace(birth));
            // It goes on after all, where the log is read from before its mark again.
            self.ended.retain(|over| *over != birth);
            self.early = false;
        }
    }

    /// The next update of an epoch.
    pub(super) fn update(&mut self, dot: Dot, cid: Cid) {
        self.vector.insert(dot);
        self.extend(dot, Some(cid), None);
    }

    fn extend(&mut self, dot: Dot, cid: Option<Cid>, at: Option<Place>) {
        let extent = self.extents.entry(dot.epoch).or_default();
        if dot.seq > extent.seq {
            *extent = Extent { seq: dot.seq, cid, at, ..*extent };
        }
    }

    pub(super) fn seal(&mut self, Span { epoch, to, .. }: Span) {
        let extent = self.extents.entry(epoch).or_default();
        extent.sealed = extent.sealed.max(to);
    }

    /// Up to which sequence number of an epoch seals are there.
    pub(super) fn sealed_to(&self, epoch: Epoch) -> u64 {
        self.extents.get(&epoch).map_or(0, |extent| extent.sealed)
    }

    pub(super) fn pass(&mut self, passed: &Passed) {
        self.vector.merge(&passed.dots);
        self.gone.merge(&passed.dots);
        for Span { epoch, to, .. } in passed.dots.spans() {
            let known = passed.tips.iter().find(|(of, _)| *of == epoch);
            self.extend(Dot { epoch, seq: to }, known.map(|(_, cid)| *cid), None);
            // Of our own only what is sealed is ever dropped, and its seal may be, too.
            self.seal(Span { epoch, from: to, to });
        }
    }

    /// Takes in what was told before the log's first segment.
    fn recall(&mut self, summary: Self) {
        if self.birth.is_none() {
            (self.birth, self.early) = (summary.birth, summary.early);
        }
        let is_new = |birth: &Birth| self.birth != Some(*birth) && !self.ended.contains(birth);
        let ended: Vec<Birth> = summary.ended.into_iter().filter(is_new).collect();
        self.ended.extend(ended);
        for (epoch, of) in summary.extents {
            self.extend(Dot { epoch, seq: of.seq }, of.cid, of.at);
            let extent = self.extents.entry(epoch).or_default();
            extent.sealed = extent.sealed.max(of.sealed);
        }
        self.vector.merge(&summary.vector);
        self.gone.merge(&summary.gone);
        self.erased.merge(&summary.erased);
        self.forks.merge(&summary.forks);
        self.first_needed = self.first_needed.max(summary.first_needed);
    }

    /// Forgets which dots are had, how far the epochs have come and which segments are needed, for
    /// what is `held` of them.
    pub(super) fn go_back_to(&mut self, held: &Self) {
        self.vector.clone_from(&held.vector);
        self.extents.clone_from(&held.extents);
        self.first_needed = held.first_needed;
    }

    /// Reads the ids that were seen in passing.
    pub(super) fn resolve(
        &mut self,
        cid_at: impl Fn(Place) -> Result<Cid, StoreError>,
    ) -> Result<(), StoreError> {
        for extent in self.extents.values_mut() {
            if let Some(place) = extent.at.take() {
                extent.cid = Some(cid_at(place)?);
            }
        }
        Ok(())
    }

    /// Own epochs of which something is unsealed, and what: first and last sequence number.
    pub(super) fn unsealed(&self) -> impl Iterator<Item = (Birth, u64, u64)> + '_ {
        self.ended.iter().chain(&self.birth).filter_map(|birth| {
            let extent = self.extents.get(&birth.epoch)?;
            let is_open = extent.sealed < extent.seq;
            is_open.then_some((*birth, extent.sealed + 1, extent.seq))
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[u8::from(self.birth.is_some()), u8::from(self.early)]);
        out.extend_from_slice(&self.birth.unwrap_or(Birth::NONE).encode());
        put_varint(out, self.ended.len() as u64);
        self.ended.iter().for_each(|birth| out.extend_from_slice(&birth.encode()));
        put_varint(out, self.extents.len() as u64);
        for (epoch, extent) in &self.extents {
            out.extend_from_slice(&epoch.0.to_be_bytes());
            put_varint(out, extent.seq);
            put_varint(out, extent.sealed);
            out.push(u8::from(extent.cid.is_some()));
            out.extend_from_slice(extent.cid.as_ref().map_or(&[][..], |cid| &cid.0));
        }
        self.vector.encode(out);
        self.gone.encode(out);
        self.erased.encode(out);
        self.forks.encode(out);
        out.extend_from_slice(&self.first_needed.to_be_bytes());
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        let (has_birth, early) = (reader.u8()? != 0, reader.u8()? != 0);
        let birth = Birth::decode(reader)?;
        let mut ended = Vec::new();
        for _ in 0..reader.varint()? {
            ended.push(Birth::decode(reader)?);
        }
        let mut extents = BTreeMap::new();
        for _ in 0..reader.varint()? {
            let epoch = Epoch(reader.u64()?);
            let (seq, sealed, has_cid) = (reader.varint()?, reader.varint()?, reader.u8()? != 0);
            let cid = if has_cid { Some(Cid(reader.array()?)) } else { None };
            extents.insert(epoch, Extent { seq, cid, at: None, sealed });
        }
        let (vector, gone, erased) =
            (read_vector(reader)?, read_vector(reader)?, read_vector(reader)?);
        let (forks, first_needed) = (Forks::decode(reader)?, reader.u32()?);
        let birth = has_birth.then_some(birth);
        Ok(Self { birth, early, ended, extents, vector, gone, erased, forks, first_needed })
    }
}
