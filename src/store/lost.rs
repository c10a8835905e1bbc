//! What the log lost: updates and seals that it held, and whose frames are not whole any more.
//! Whoever reads passes them by; the herd has them still, and what it gives back is written again
//! at the log's end. The segment is then written anew without what is broken in it, so that the
//! log can be read from its start again.
//!
//! What is lost stays in [`Store::seen`] and [`Store::held`]: nothing else may ever bear its name.

use super::index::SealName;
use super::pending::{Apply, Said};
use super::{Place, Store, StoreError};
use crate::update::{Cid, Dot, Seal, Span, Update, Vector};
use std::sync::Arc;

impl Store {
    /// Updates that were found to be lost. Each is to be given to [`Store::restore`] again.
    pub fn lost(&self) -> Vector {
        self.lost.borrow().clone()
    }

    /// True for one of those.
    pub fn is_lost(&self, dot: Dot) -> bool {
        let lost = self.lost.borrow();
        !lost.is_empty() && lost.contains(dot)
    }

    pub(super) fn note_lost(&self, dot: Dot) {
        self.lost.borrow_mut().insert(dot);
    }

    /// The update of a dot, as [`Store::get`] gives it, but nothing where the log lost it.
    pub fn find(&self, dot: Dot) -> Result<Option<Update>, StoreError> {
        if self.is_lost(dot) {
            return Ok(None);
        }
        match self.get(dot) {
            Err(_) if self.is_lost(dot) => Ok(None),
            found => found,
        }
    }

    /// A seal that covers a dot, as [`Store::seal_of`] gives it. Where the log lost it, the update
    /// counts as lost: it comes back with its seal.
    pub fn find_seal(&self, dot: Dot) -> Result<Option<Seal>, StoreError> {
        match self.seal_of(dot) {
            Err(StoreError::Damaged { .. } | StoreError::BadPlace(_)) => {
                self.note_lost(dot);
                Ok(None)
            }
            found => found,
        }
    }

    /// Writes an update that was lost again, and its seal where that was lost too. The seal was
    /// verified, and covers it. False when it is not lost, or it is not the very update that was.
    pub fn restore(&mut self, update: &Update, seal: &Seal) -> Result<bool, StoreError> {
        let dot = update.dot();
        let was = self.index.place_of(dot)?;
        let is_other = self.index.dot_of(update.cid())?.is_none_or(|known| known != dot);
        if !self.is_lost(dot) || self.gone().contains(dot) || (was.is_some() && is_other) {
            return Ok(false);
        }
        debug_assert_eq!(seal.cid_of(dot), Some(update.cid()), "the seal covers it");
        let (has_seal, broken_seals) = self.look_at_seals(dot, update.cid())?;
        if !has_seal {
            let span = seal.span();
            let said = Said::Seal { seal: Arc::new(seal.clone()), span, own: false };
            let place = self.pending.push(said);
            self.index.put_seal(SealName::of(span, seal), place);
        }
        let said = Said::Update { update: update.clone(), apply: Apply::Now, own: false };
        let place = self.pending.push(said);
        self.index.put_update(update, place);
        self.lost.get_mut().remove(dot);
        let durable_end = self.pending.durable_end();
        for was in was.into_iter().chain(broken_seals).filter(|was| *was < durable_end) {
            self.mend(was.segment());
        }
        Ok(true)
    }

    /// Whether a whole seal gives a dot this id, and where seals are broken that might.
    fn look_at_seals(&self, dot: Dot, cid: Cid) -> Result<(bool, Vec<Place>), StoreError> {
        let mut broken = Vec::new();
        let span = Span { epoch: dot.epoch, from: dot.seq, to: dot.seq };
        let has_one = self.index.any_seal_over(span, |place| match self.seal_at(place) {
            Err(StoreError::Damaged { .. } | StoreError::BadPlace(_)) => {
                broken.push(place);
                Ok(false)
            }
            seal => Ok(seal?.cid_at(dot.seq) == Some(cid)),
        })?;
        Ok((has_one, broken))
    }

    /// Has a segment in which something is broken written anew. Marks may be among what is broken:
    /// so the log first says again what it has told.
    pub(super) fn mend(&mut self, segment: u32) {
        if self.chores.mends(segment) {
            return;
        }
        self.pending.push(Said::Summary(Box::new(self.told.clone())));
        let after = self.log_end();
        self.chores.mend(segment, after);
    }
}
