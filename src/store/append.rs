//! What goes onto the log's end, besides seals.

use super::body::Passed;
use super::pending::{Apply, Said};
use super::{Birth, Place, Store};
use crate::update::{Cid, Dot, Seal, Update, Vector};

/// How an update stands to what is in the log of its epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Follows {
    /// It is the next one, and names the last one as the one before it.
    Next,
    /// It is the next one, but what is before it was passed by: so there is nothing to compare.
    Blind,
    /// Others before it are not here.
    Gap,
    /// Its dot is had.
    Known,
    /// Its origin said two things under one dot: this one's, or the one before it.
    Fork,
}

impl Store {
    /// The name that the next own update must carry.
    pub fn next_dot(&self) -> Dot {
        let epoch = self.birth.epoch;
        Dot { epoch, seq: self.tip(epoch).map_or(0, |tip| tip.seq) + 1 }
    }

    /// The cid of the last own update: what the next one names as its previous one.
    pub fn previous(&self) -> Cid {
        self.tip(self.birth.epoch).and_then(|tip| tip.cid).unwrap_or(Cid::ZERO)
    }

    /// Goes on under a new epoch: the log's end turned out not to be ours. What was appended under
    /// the old one stays. The mark of it goes out with the next batch.
    pub fn begin_epoch(&mut self, fresh: Birth) {
        self.told.begin(fresh);
        self.birth = fresh;
        self.early = false;
        self.pending.push(Said::Epoch(fresh));
    }

    /// True when own updates may be appended with [`Apply::Now`]: the log says, on disk, that this
    /// epoch sends before it syncs, and the disk is not failing.
    pub fn may_send_early(&self) -> bool {
        self.early && !self.pending.is_failing()
    }

    /// Asks for that mark: it goes out with the next batch. Asking again does nothing.
    pub fn mark_early(&mut self) {
        let epoch = self.birth.epoch;
        if !self.early && self.pending.early_waiting() != Some(epoch) {
            self.told.early = true;
            self.pending.push(Said::Early(epoch));
        }
    }

    /// How an update stands to what was appended of its epoch: only [`Follows::Next`] and
    /// [`Follows::Blind`] may be appended.
    pub fn follows(&self, update: &Update) -> Follows {
        let Dot { epoch, seq } = update.dot();
        let tip = self.tip(epoch);
        let last = tip.map_or(0, |tip| tip.seq);
        let before = tip.map_or(Some(Cid::ZERO), |tip| tip.cid);
        match before {
            Some(cid) if seq == last && cid != update.cid() => Follows::Fork,
            _ if seq <= last => Follows::Known,
            _ if seq - 1 > last => Follows::Gap,
            Some(cid) if cid != update.previous() => Follows::Fork,
            Some(_) => Follows::Next,
            None => Follows::Blind,
        }
    }

    /// Appends an update to the log's pending end: the next one of its epoch. One of another
    /// origin was verified, and its seal appended before it.
    ///
    /// # Panics
    /// When it is not the next one of its epoch, or an own one is to be applied at once although
    /// [`Store::may_send_early`] is false; or before [`Store::replay`] has come to its end.
    pub fn append(&mut self, update: &Update, apply: Apply) -> Place {
        assert!(self.catch_up.is_none(), "replay comes before the first append");
        let (dot, cid) = (update.dot(), update.cid());
        let last = self.tip(dot.epoch).map_or(0, |tip| tip.seq);
        assert_eq!(dot.seq, last + 1, "each epoch is appended in order, without gaps");
        let own = dot.epoch == self.birth.epoch;
        let is_early = own && apply == Apply::Now;
        assert!(!is_early || self.may_send_early(), "{dot} is sent too early");
        let place = self.pending.push(Said::Update { update: update.clone(), apply, own });
        self.told.update(dot, cid);
        if own {
            self.want_seal(dot, cid, place);
        }
        match apply {
            Apply::Now => self.index.put_update(update, place),
            Apply::OnCommit | Apply::InTurn => {
                self.hidden.insert(dot);
            }
        }
        place
    }

    /// Takes these dots as had, though nobody has what stands under them any more. Nothing happens
    /// to those that are had. Ask for nothing that a peer could not know: these numbers are never
    /// asked for again.
    ///
    /// # Panics
    /// When that would leave a gap in an epoch, or the epoch is our own.
    pub fn pass(&mut self, dots: &Vector) {
        let mut new = Vector::new();
        for span in dots.beyond(&self.told.vector) {
            let last = self.tip(span.epoch).map_or(0, |tip| tip.seq);
            assert_ne!(span.epoch, self.birth.epoch, "nobody else knows what we said");
            assert_eq!(span.from, last + 1, "each epoch is passed in order, without gaps");
            new.insert_span(span);
        }
        if !new.is_empty() {
            let passed = Passed { dots: new, tips: Vec::new() };
            self.told.pass(&passed);
            self.pending.push(Said::Passed(passed));
        }
    }

    /// Keeps an update whose dot another one has, with the seal that proves it. False when it is
    /// kept already, or enough are of its epoch.
    pub fn append_exhibit(&mut self, update: &Update, seal: &Seal) -> bool {
        let (dot, cid) = (update.dot(), update.cid());
        debug_assert_eq!(seal.cid_of(dot), Some(cid), "the seal covers it");
        if !self.told.forks.wants(dot, cid) {
            return false;
        }
        let place = self.pending.push(Said::Exhibit(Box::new((update.clone(), seal.clone()))));
        self.told.forks.insert(dot, cid, place);
        true
    }
}
