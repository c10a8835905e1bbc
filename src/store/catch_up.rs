//! Brings the index up to the log after it was opened.

use super::body::Passed;
use super::error::StoreError;
use super::frame::{FrameKind, Place};
use super::index::SealName;
use super::recover::CatchUp;
use super::scan::{Found, Spot};
use super::state::COVERED_KEY;
use super::{Store, body};
use crate::update::{Reader, Update};

impl Store {
    /// The next updates that are in the log and were not in the index, at most `limit`, in log
    /// order. The store has entered them in the index under their dots and cids; the caller enters
    /// whatever else follows from them before it calls again. Nothing when all is done. Blocks.
    pub fn replay(&mut self, limit: usize) -> Result<Vec<Update>, StoreError> {
        if self.catch_up.is_some() && self.index.overlay_bytes() > self.overlay_bytes_max {
            self.checkpoint_catch_up()?;
        }
        let Some(mut catch_up) = self.catch_up.take() else { return Ok(Vec::new()) };
        let mut updates = Vec::new();
        while updates.len() < limit {
            match self.replay_next(&mut catch_up)? {
                Some((update, true)) => updates.push(update),
                Some((_, false)) => {}
                None => {
                    let seen = &catch_up.covered.told.vector;
                    debug_assert_eq!(seen, self.seen(), "both passes see the same");
                    self.caught_up()?;
                    return Ok(updates);
                }
            }
        }
        self.catch_up = Some(catch_up);
        Ok(updates)
    }

    /// The next update of the log that the index may lack; true when it did.
    fn replay_next(
        &mut self,
        catch_up: &mut CatchUp,
    ) -> Result<Option<(Update, bool)>, StoreError> {
        loop {
            let (place, kind) = match catch_up.scan.next(&self.segments)? {
                Found::Frame(place, kind) => (place, kind),
                Found::End => return Ok(None),
                Found::Torn { .. } => return Err(catch_up.scan.damaged()),
            };
            let spot = catch_up.scan.spot();
            let covered = &mut catch_up.covered;
            let told = covered.told.on_frame(place, kind, catch_up.scan.body());
            told.ok_or_else(|| catch_up.scan.damaged())?;
            covered.until = spot;
            if place > catch_up.known {
                covered.last = Spot { place, check: spot.check };
                covered.last_end = spot.place;
            }
            if !kind.is_update() {
                self.replay_mark(place, kind, catch_up)?;
                continue;
            }
            let update = body::read_update(kind, catch_up.scan.body().into(), 0);
            let update = update.ok_or_else(|| catch_up.scan.damaged())?;
            if self.gone().contains(update.dot()) {
                let bytes = spot.place.0.saturating_sub(place.0);
                self.chores.drop(place.segment(), bytes, Place::START);
                continue;
            }
            let is_known = place <= catch_up.known && self.index.place_of(update.dot())?.is_some();
            if !is_known {
                self.index.put_update(&update, place);
            }
            return Ok(Some((self.as_stands(update), !is_known)));
        }
    }

    fn replay_mark(
        &mut self,
        place: Place,
        kind: FrameKind,
        catch_up: &CatchUp,
    ) -> Result<(), StoreError> {
        let (scan, damaged) = (&catch_up.scan, || catch_up.scan.damaged());
        match kind {
            FrameKind::Seal => {
                let seal = body::read_seal(scan.body()).ok_or_else(damaged)?;
                self.index.put_seal(SealName::of(seal.span(), &seal), place);
                Ok(())
            }
            FrameKind::Passed => {
                let passed = Passed::decode(&mut Reader::new(scan.body()));
                self.want_dropped(&passed.map_err(|_| damaged())?.dots)
            }
            _ => Ok(()),
        }
    }

    /// The index tells of all that is in the log.
    pub(super) fn caught_up(&mut self) -> Result<(), StoreError> {
        self.find_unsealed()?;
        self.begin_chores()
    }

    /// Writes what was replayed so far into the index's file.
    fn checkpoint_catch_up(&mut self) -> Result<(), StoreError> {
        let Some(catch_up) = &mut self.catch_up else { return Ok(()) };
        let durable_end = self.pending.durable_end();
        let cid_at = |place| Ok(self.segments.update_at(place, durable_end)?.0.cid());
        catch_up.covered.told.resolve(cid_at)?;
        catch_up.covered.dropped = self.chores.dropped();
        let state = catch_up.covered.encode();
        self.index.freeze(durable_end, COVERED_KEY.to_vec(), state);
        self.run_checkpoint()
    }

    /// Writes the frozen overlay into the index's file. Blocks.
    pub(super) fn run_checkpoint(&mut self) -> Result<(), StoreError> {
        match self.index.take_checkpoint(self.pending.durable_end()) {
            Some(checkpoint) => self.index.finish_checkpoint(checkpoint.run()),
            None => Err(StoreError::IndexBroken),
        }
    }
}
