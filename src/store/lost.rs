//! What the log lost: updates and seals that it held, and whose frames are not whole any more.
//! Whoever reads passes them by; the herd has them still, and what it gives back is written again
//! at the log's end. The segment is then written anew without what is broken in it, so that the
//! log can be read from its start again.
//!
//! What is lost stays in [`Store::seen`] and [`Store::held`]: nothing else may ever bear its name.

use super::pending::{Apply, Said};
use super::{Store, StoreError};
use crate::update::{Dot, Seal, Update, Vector};

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
        if !self.has_whole_seal(dot, seal)? {
            let span = seal.span();
            let said = Said::Seal { seal: Box::new(seal.clone()), span, own: false };
            let place = self.pending.push(said);
            self.index.put_seal(span, place);
        }
        let said = Said::Update { update: update.clone(), apply: Apply::Now, own: false };
        let place = self.pending.push(said);
        self.index.put_update(update, place);
        self.lost.get_mut().remove(dot);
        if let Some(was) = was.filter(|was| *was < self.pending.durable_end()) {
            self.mend(was.segment());
        }
        Ok(true)
    }

    fn has_whole_seal(&self, dot: Dot, seal: &Seal) -> Result<bool, StoreError> {
        match self.seal_of(dot) {
            Ok(known) => Ok(known.is_some_and(|known| known.cid_of(dot) == seal.cid_of(dot))),
            Err(StoreError::Damaged { .. } | StoreError::BadPlace(_)) => Ok(false),
            Err(error) => Err(error),
        }
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
