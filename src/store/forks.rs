//! Exhibits: updates whose dot another update has, kept with their seals as the proof that their
//! origin said two things under one name.

use super::frame::Place;
use crate::update::{Cid, Dot, Epoch, Reader, Truncated, put_varint};
use std::collections::BTreeMap;

/// How many exhibits are kept of one epoch. One is proof; the others are what the honest owner of a
/// disk that was set back published under names that it gave again. The bound keeps a liar from
/// filling the log.
pub(super) const OF_EPOCH_MAX: usize = 24;

/// Where the exhibits stand.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Forks {
    places: BTreeMap<Cid, (Dot, Place)>,
    epochs: BTreeMap<Epoch, usize>,
}

impl Forks {
    /// True when an exhibit of this dot and id is to be kept.
    pub(super) fn wants(&self, dot: Dot, cid: Cid) -> bool {
        !self.places.contains_key(&cid)
            && self.epochs.get(&dot.epoch).is_none_or(|count| *count < OF_EPOCH_MAX)
    }

    /// Keeps one, or puts one that is kept at another place.
    pub(super) fn insert(&mut self, dot: Dot, cid: Cid, place: Place) {
        if self.places.insert(cid, (dot, place)).is_none() {
            *self.epochs.entry(dot.epoch).or_default() += 1;
        }
    }

    /// Keeps all of the others.
    pub(super) fn merge(&mut self, others: &Self) {
        for (cid, (dot, place)) in &others.places {
            self.insert(*dot, *cid, *place);
        }
    }

    /// Where the exhibits of a dot stand.
    pub(super) fn places_of(&self, dot: Dot) -> Vec<Place> {
        if !self.has(dot.epoch) {
            return Vec::new();
        }
        let all = self.places.values();
        all.filter(|(of, _)| *of == dot).map(|(_, place)| *place).collect()
    }

    pub(super) fn has(&self, epoch: Epoch) -> bool {
        self.epochs.contains_key(&epoch)
    }

    pub(super) fn find(&self, cid: Cid) -> Option<(Dot, Place)> {
        self.places.get(&cid).copied()
    }

    /// Where those of an epoch stand.
    pub(super) fn places_in(&self, epoch: Epoch) -> impl Iterator<Item = Place> + '_ {
        let places = self.places.values();
        places.filter(move |(dot, _)| dot.epoch == epoch).map(|(_, place)| *place)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.places.values().map(|(_, place)| *place)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.places.len() as u64);
        for (cid, (dot, place)) in &self.places {
            out.extend_from_slice(&cid.0);
            for number in [dot.epoch.0, dot.seq, place.0] {
                out.extend_from_slice(&number.to_be_bytes());
            }
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        let mut forks = Self::default();
        for _ in 0..reader.varint()? {
            let cid = Cid(reader.array()?);
            let dot = Dot { epoch: Epoch(reader.u64()?), seq: reader.u64()? };
            forks.insert(dot, cid, Place(reader.u64()?));
        }
        Ok(forks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_exhibits_of_an_epoch_are_kept_and_no_more() {
        let mut forks = Forks::default();
        let cid = |n: u64| Cid(*blake3::hash(&n.to_be_bytes()).as_bytes());
        let dot = |epoch| Dot { epoch: Epoch(epoch), seq: 1 };
        for n in 0..OF_EPOCH_MAX as u64 {
            assert!(forks.wants(dot(1), cid(n)));
            forks.insert(dot(1), cid(n), Place(n));
            assert!(!forks.wants(dot(1), cid(n)), "it is kept");
        }
        assert!(!forks.wants(dot(1), cid(1_000)));
        assert!(forks.wants(dot(2), cid(1_000)), "another epoch has room");
        // One that is written anew elsewhere takes no more room.
        forks.insert(dot(1), cid(0), Place(77));
        assert_eq!((forks.find(cid(0)), forks.places().count()), (Some((dot(1), Place(77))), 24));
    }
}
