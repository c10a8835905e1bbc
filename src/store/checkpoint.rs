//! Checkpoints of the index, and the end.

use super::Store;
use super::chores::without;
use super::engine::{Checkpoint, CheckpointDone};
use super::error::StoreError;
use super::pending::Said;
use super::state::{COVERED_KEY, Covered};
use super::told::Told;
use crate::update::Vector;

impl Store {
    /// What the part of the index that is not in its file costs in memory, in bytes, about.
    pub fn overlay_bytes(&self) -> usize {
        self.index.overlay_bytes()
    }

    /// True from the call of [`Store::take_checkpoint`] that froze the overlay to the end of that
    /// checkpoint: what is entered meanwhile is not in it.
    pub fn is_frozen(&self) -> bool {
        self.index.is_frozen()
    }

    /// True when the index's file says all that the index does.
    pub fn is_index_saved(&self) -> bool {
        self.index.is_empty()
    }

    /// The next checkpoint to run. The first call freezes the overlay; a checkpoint comes out once
    /// the log is on disk as far as the overlay tells of it: call again after each batch. `None`
    /// also while one is out, when nothing is new, and while the disk is failing.
    pub fn take_checkpoint(&mut self) -> Option<Checkpoint> {
        if self.catch_up.is_some() || self.is_failing() || self.index.is_out() {
            return None;
        }
        if !self.index.is_frozen() {
            self.freeze()?;
        }
        self.index.take_checkpoint(self.pending.durable_end())
    }

    fn freeze(&mut self) -> Option<()> {
        let (tail, base) = (self.pending.tail(), self.pending.base());
        if self.index.is_empty() && self.frozen_at == tail.spot.place {
            return None;
        }
        // Hidden updates are entered in the index when they are on disk, so the index covers only
        // what stands before them.
        let until = if self.hidden.is_empty() { tail.spot } else { base.spot };
        let mut told = Told { vector: self.visible(), ..self.told.clone() };
        self.frozen_erased = Vector::new();
        if self.index.renews() {
            self.frozen_erased.clone_from(&self.chores.erased);
            told.erased = without(&told.erased, &self.frozen_erased);
        }
        let (last, last_end) = (tail.last, tail.last_end);
        let covered = Covered { until, last, last_end, told, dropped: self.chores.dropped() };
        self.frozen_settled = covered.settled();
        self.index.freeze(tail.spot.place, COVERED_KEY.to_vec(), covered.encode());
        self.frozen_at = tail.spot.place;
        Some(())
    }

    /// Takes back a checkpoint that was run. After an error all is as before it was taken, in
    /// memory; the next one tries again.
    pub fn finish_checkpoint(&mut self, done: CheckpointDone) -> Result<(), StoreError> {
        self.index.finish_checkpoint(done)?;
        if !self.index.is_frozen() {
            self.chores.settled = self.frozen_settled;
            let erased = std::mem::take(&mut self.frozen_erased);
            self.forget_erased(&erased);
        }
        Ok(())
    }

    /// Writes all that is pending, the mark of a clean close, and a checkpoint. Blocks. The log is
    /// closed well if the error is one of the index.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.write_pending()?;
        if self.early {
            self.pending.push(Said::Clean);
            (self.early, self.told.early) = (false, false);
            self.write_pending()?;
        }
        if self.index.is_out() {
            return Err(StoreError::InFlight);
        }
        if self.catch_up.is_some() {
            return Ok(());
        }
        self.index.thaw();
        // That may take long, and can wait.
        self.index.renew(false);
        match self.freeze() {
            Some(()) => self.run_checkpoint(),
            None => Ok(()),
        }
    }
}
