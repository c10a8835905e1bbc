//! What diffusion needs of an archive, so that the very same links run over the log on disk and
//! over one in memory, ten thousand of them in one process.

use super::{AuditSet, StampsPage};
use crate::base::plant::{Bug, is_planted};
use crate::store::{Store, StoreError};
use crate::update::{Cid, Dot, Epoch, Hlc, Seal, Span, Update, Vector, state_hash};

/// An archive of updates, to read from. In each epoch it has everything up to some sequence
/// number, in order; what retention dropped counts as had.
pub trait Archive: AuditSet {
    /// Every dot appended: what cuts duplicates.
    fn seen(&self) -> &Vector;

    /// Every dot on disk: what may be promised.
    fn held(&self) -> &Vector;

    /// Dots that may not be handed on yet: own ones that are not sealed, or not to be seen.
    fn reserved(&self) -> Vector;

    /// The name of the next own update.
    fn next_own(&self) -> Dot;

    /// The id of the last update appended of an epoch; `None` when that is not known.
    fn tip(&self, epoch: Epoch) -> Option<Cid>;

    /// Epochs of which retention dropped what stands before a sequence number, but for what
    /// others build upon.
    fn lows(&self) -> Vec<(Epoch, u64)>;

    /// The first sequence number of the span that can be read.
    fn first_in(&self, span: Span) -> Result<Option<u64>, StoreError>;

    /// An update that may be read.
    fn get(&self, dot: Dot) -> Result<Option<Update>, StoreError>;

    /// The seal that covers an update.
    fn seal_of(&self, dot: Dot) -> Result<Option<Seal>, StoreError>;

    /// True once two updates with one name were found in this epoch.
    fn is_forked(&self, epoch: Epoch) -> bool;

    /// Updates of an epoch that are kept beside others of the same name, with their seals.
    fn exhibits_of(&self, epoch: Epoch) -> Result<Vec<(Update, Seal)>, StoreError>;

    /// True when it would keep an update of this name and id beside another one of the name.
    fn wants_exhibit(&self, dot: Dot, cid: Cid) -> bool;

    /// The first clock from which on it has everything that it ever had: before it, retention
    /// dropped some.
    fn whole_since(&self) -> Result<Hlc, StoreError>;

    /// Updates that were here, and are to be had again: the log lost them.
    fn lost(&self) -> Vector {
        Vector::new()
    }

    /// True for one of those.
    fn is_lost(&self, _dot: Dot) -> bool {
        false
    }

    /// True when an update need not come again.
    fn has(&self, dot: Dot) -> bool {
        self.known().contains(dot) && !self.is_lost(dot)
    }

    /// What cuts duplicates.
    fn known(&self) -> &Vector {
        if is_planted(Bug::ForwardBeforeDedup) { self.held() } else { self.seen() }
    }

    /// Every dot that may be asked for.
    fn offered(&self) -> Vector {
        let mut offered = self.seen().clone();
        self.reserved().spans().for_each(|span| offered.remove_span(span));
        offered
    }

    /// The id of the last update of each epoch that may be asked for; zeros where there are two,
    /// or retention dropped it.
    fn tips(&self, offered: &Vector) -> Result<Vec<(Epoch, Cid)>, StoreError> {
        let mut tips: Vec<(Epoch, Cid)> = Vec::new();
        for Span { epoch, to, .. } in offered.spans() {
            let tip = if self.is_forked(epoch) {
                Cid::ZERO
            } else if self.seen().last(epoch) == to {
                self.tip(epoch).unwrap_or(Cid::ZERO)
            } else {
                let seal = self.seal_of(Dot { epoch, seq: to })?;
                seal.and_then(|seal| seal.cid_at(to)).unwrap_or(Cid::ZERO)
            };
            match tips.last_mut() {
                Some(last) if last.0 == epoch => last.1 = tip,
                _ => tips.push((epoch, tip)),
            }
        }
        Ok(tips)
    }

    /// Equal hashes are equal archives, as far as they can be asked for.
    fn hash(&self, offered: &Vector) -> Result<[u8; 32], StoreError> {
        Ok(state_hash(offered, self.tips(offered)?))
    }
}

impl AuditSet for Store {
    fn stamps(&self, after: Option<Dot>, limit: usize) -> Result<StampsPage, StoreError> {
        Self::stamps(self, after, limit)
    }

    fn dot_of(&self, cid: Cid) -> Result<Option<Dot>, StoreError> {
        Self::dot_of(self, cid)
    }
}

impl Archive for Store {
    fn whole_since(&self) -> Result<Hlc, StoreError> {
        Self::whole_since(self)
    }

    fn seen(&self) -> &Vector {
        Self::seen(self)
    }

    fn held(&self) -> &Vector {
        Self::held(self)
    }

    fn reserved(&self) -> Vector {
        Self::reserved(self)
    }

    fn next_own(&self) -> Dot {
        self.next_dot()
    }

    fn tip(&self, epoch: Epoch) -> Option<Cid> {
        Self::tip(self, epoch)?.cid
    }

    fn lows(&self) -> Vec<(Epoch, u64)> {
        Self::lows(self)
    }

    fn first_in(&self, span: Span) -> Result<Option<u64>, StoreError> {
        let mut kept = Vector::new();
        kept.insert_span(span);
        self.gone().spans().for_each(|gone| kept.remove_span(gone));
        Ok(kept.spans().next().map(|span| span.from))
    }

    /// Nothing of what a withdrawal erases is handed on before it is on disk here: a stub at a
    /// peer would outlive the withdrawal, if a crash took that back.
    fn get(&self, dot: Dot) -> Result<Option<Update>, StoreError> {
        if self.is_being_erased(dot) { Ok(None) } else { self.find(dot) }
    }

    fn seal_of(&self, dot: Dot) -> Result<Option<Seal>, StoreError> {
        self.find_seal(dot)
    }

    fn lost(&self) -> Vector {
        Self::lost(self)
    }

    fn is_lost(&self, dot: Dot) -> bool {
        Self::is_lost(self, dot)
    }

    fn is_forked(&self, epoch: Epoch) -> bool {
        self.forked(epoch)
    }

    fn exhibits_of(&self, epoch: Epoch) -> Result<Vec<(Update, Seal)>, StoreError> {
        Self::exhibits_of(self, epoch).collect()
    }

    fn wants_exhibit(&self, dot: Dot, cid: Cid) -> bool {
        Self::wants_exhibit(self, dot, cid)
    }
}
