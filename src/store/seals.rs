//! Seals in the log: which own updates still want one, and where those of other updates stand.

use super::index::SealName;
use super::pending::Said;
use super::{Birth, Place, Store, StoreError};
use crate::update::{Cid, Dot, Epoch, SEAL_UPDATES_MAX, Seal, SigningKey, Span, Vector};
use std::sync::Arc;

/// Own updates that follow each other, and that no seal covers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsealed {
    /// Their epoch: ours, or one of ours that is over.
    pub birth: Birth,
    /// The sequence number of the first.
    pub from: u64,
    /// Their ids, at most [`SEAL_UPDATES_MAX`].
    pub cids: Vec<Cid>,
}

/// All unsealed updates of an epoch of ours.
#[derive(Debug)]
pub(super) struct Run {
    birth: Birth,
    from: u64,
    items: Vec<(Cid, Place)>,
}

impl Run {
    /// Which of its items has this dot.
    fn at(&self, dot: Dot) -> Option<usize> {
        let at = dot.seq.checked_sub(self.from).filter(|_| dot.epoch == self.birth.epoch)?;
        usize::try_from(at).ok().filter(|at| *at < self.items.len())
    }
}

impl Store {
    /// The first own updates that no seal covers, at most as many as a seal may have; also those
    /// that a crash left so. Seal them before the next batch is taken ([`Store::seal`] does all of
    /// it); until then links may not carry them.
    ///
    /// Those that wait for the disk before they may be seen are told apart from those that do not:
    /// who is sent an update is sent its seal, and what a seal has told can't be taken back.
    pub fn unsealed(&self) -> Option<Unsealed> {
        let Run { birth, from, items } = self.unsealed.first()?;
        let is_hidden = |seq| self.hidden.contains(Dot { epoch: birth.epoch, seq });
        let is_like_first = |(_, seq): &(_, u64)| is_hidden(*seq) == is_hidden(*from);
        let first = items.iter().zip(*from..).take(SEAL_UPDATES_MAX).take_while(is_like_first);
        let cids = first.map(|((cid, _), _)| *cid).collect();
        Some(Unsealed { birth: *birth, from: *from, cids })
    }

    /// Seals all own updates that are not, with our key; says how many seals that took.
    pub fn seal(&mut self, key: &SigningKey) -> usize {
        self.seal_by(|salt, from, cids| Seal::sign(key, salt, from, cids))
    }

    /// The same by another hand than [`Seal::sign`]: the salt of the epoch, the first sequence
    /// number and the ids go in.
    pub fn seal_by(&mut self, sign: impl Fn(u64, u64, Vec<Cid>) -> Seal) -> usize {
        let mut seals = 0;
        while let Some(Unsealed { birth, from, cids }) = self.unsealed() {
            let seal = sign(birth.salt, from, cids);
            assert_eq!(seal.epoch(), birth.epoch, "an epoch is sealed by the key that opened it");
            self.push_seal(seal, birth.epoch);
            seals += 1;
        }
        seals
    }

    /// Appends a seal. One of our own covers the first of [`Store::unsealed`]; one of another
    /// origin was verified, and goes before the updates that it covers. One that is here already
    /// is not appended again.
    ///
    /// # Panics
    /// When it is of our own and seals anything else.
    pub fn append_seal(&mut self, seal: &Seal) -> Result<(), StoreError> {
        let span = seal.span();
        let is_own = self.unsealed.iter().any(|run| run.birth.epoch == span.epoch);
        // A crash may have kept a seal and lost the updates behind it, and others came since:
        // of a fork each has a seal of its own.
        let is_news = span.to > self.told.sealed_to(span.epoch);
        let is_known = !is_own
            && !is_news
            && self.index.any_seal_over(span, |place| self.says_the_same(place, seal))?;
        if !is_known {
            self.push_seal(seal.clone(), span.epoch);
        }
        Ok(())
    }

    /// True when the seal at a place gives the same ids to what another one covers.
    fn says_the_same(&self, place: Place, seal: &Seal) -> Result<bool, StoreError> {
        let known = match self.seal_at(place) {
            // What can't be read says nothing: it is to be written again.
            Err(StoreError::Damaged { .. } | StoreError::BadPlace(_)) => return Ok(false),
            known => known?,
        };
        Ok((seal.from..).zip(&seal.cids).all(|(seq, cid)| known.cid_at(seq) == Some(*cid)))
    }

    fn push_seal(&mut self, seal: Seal, epoch: Epoch) {
        let to = seal.from + (seal.cids.len() as u64 - 1);
        let span = Span { epoch, from: seal.from, to };
        let run = self.unsealed.iter().position(|run| run.birth.epoch == epoch);
        if let Some(at) = run {
            let run = &mut self.unsealed[at];
            let cids = run.items.iter().map(|(cid, _)| cid).take(seal.cids.len());
            assert!(run.from == seal.from && cids.eq(&seal.cids), "not what is unsealed");
            run.items.drain(..seal.cids.len());
            run.from = to + 1;
            if run.items.is_empty() {
                self.unsealed.remove(at);
            }
        }
        self.told.seal(span);
        let name = SealName::of(span, &seal);
        let place =
            self.pending.push(Said::Seal { seal: Arc::new(seal), span, own: run.is_some() });
        self.index.put_seal(name, place);
    }

    /// Own updates that may not be handed on: those that no seal covers yet, and those that wait
    /// for the disk before they may be seen.
    pub fn reserved(&self) -> Vector {
        let mut reserved = self.hidden.clone();
        for run in self.unsealed.iter().filter(|run| !run.items.is_empty()) {
            let to = run.from + run.items.len() as u64 - 1;
            reserved.insert_span(Span { epoch: run.birth.epoch, from: run.from, to });
        }
        reserved
    }

    /// False for an own update that no seal covers yet: links may not carry it.
    pub fn is_sealed(&self, dot: Dot) -> bool {
        self.unsealed.iter().all(|run| run.at(dot).is_none())
    }

    /// A seal that covers a dot: of several, one that gives it the id that it has here. An error
    /// when there is none that does, and one that might can't be read.
    pub fn seal_of(&self, dot: Dot) -> Result<Option<Seal>, StoreError> {
        if self.gone().contains(dot) {
            return Ok(None);
        }
        let (mut found, mut broken) = (None, None);
        let is_found = self.index.any_seal_over(
            Span { epoch: dot.epoch, from: dot.seq, to: dot.seq },
            |place| {
                let seal = match self.seal_at(place) {
                    Err(error @ (StoreError::Damaged { .. } | StoreError::BadPlace(_))) => {
                        broken = Some(error);
                        return Ok(false);
                    }
                    seal => seal?,
                };
                let is_of_it = self.dot_of_cid(seal.cid_at(dot.seq))? == Some(dot);
                found = Some(seal);
                Ok(is_of_it)
            },
        )?;
        let found = found.map(Arc::unwrap_or_clone);
        broken.filter(|_| !is_found).map_or(Ok(found), Err)
    }

    fn dot_of_cid(&self, cid: Option<Cid>) -> Result<Option<Dot>, StoreError> {
        cid.map_or(Ok(None), |cid| self.index.dot_of(cid))
    }

    pub(super) fn seal_at(&self, place: Place) -> Result<Arc<Seal>, StoreError> {
        let durable_end = self.pending.durable_end();
        if place < durable_end {
            return self.segments.seal_at(place, durable_end);
        }
        match self.pending.at(place) {
            Some(Said::Seal { seal, .. }) => Ok(Arc::clone(seal)),
            _ => Err(StoreError::BadPlace(place)),
        }
    }

    /// The first sequence number of an epoch of ours that no seal covers.
    pub(super) fn unsealed_from(&self, epoch: Epoch) -> Option<u64> {
        let run = self.unsealed.iter().find(|run| run.birth.epoch == epoch);
        run.map(|run| run.from)
    }

    /// An own update was appended.
    pub(super) fn want_seal(&mut self, dot: Dot, cid: Cid, place: Place) {
        let birth = self.birth;
        match self.unsealed.last_mut().filter(|run| run.birth == birth) {
            Some(run) => run.items.push((cid, place)),
            None => self.unsealed.push(Run { birth, from: dot.seq, items: vec![(cid, place)] }),
        }
    }

    /// Own updates were refused, which no seal covers.
    pub(super) fn forget_unsealed(&mut self, dot: Dot) {
        for run in &mut self.unsealed {
            if let Some(at) = run.at(dot) {
                run.items.truncate(at);
            }
        }
        self.unsealed.retain(|run| !run.items.is_empty());
    }

    /// Finds what a crash left unsealed, once the index has been caught up.
    pub(super) fn find_unsealed(&mut self) -> Result<(), StoreError> {
        let open: Vec<(Birth, u64, u64)> = self.told.unsealed().collect();
        for (birth, from, to) in open {
            let mut run = Run { birth, from, items: Vec::new() };
            for seq in from..=to {
                let dot = Dot { epoch: birth.epoch, seq };
                let place = self.index.place_of(dot)?.ok_or(StoreError::IndexBroken)?;
                let update = self.read(place, dot)?.ok_or(StoreError::BadPlace(place))?;
                run.items.push((update.cid(), place));
            }
            self.unsealed.push(run);
        }
        Ok(())
    }
}

/// An own update that is pending got another place.
pub(super) fn moved(unsealed: &mut [Run], dot: Dot, place: Place) {
    for run in unsealed {
        if let Some(at) = run.at(dot) {
            run.items[at].1 = place;
        }
    }
}
