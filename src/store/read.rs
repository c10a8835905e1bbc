//! Reading what was appended: by dot, by content id, and in the log's order.

use super::error::StoreError;
use super::pending::Said;
use super::{Place, Store};
use crate::update::{Cid, Dot, Epoch, Seal, Update};

impl Store {
    /// True when the update can be read: it is in the log, nothing is known to have happened to it
    /// there, and it is not an own one that waits for the disk before it may be seen.
    pub fn contains(&self, dot: Dot) -> bool {
        self.is_kept(dot) && !self.is_lost(dot)
    }

    /// Where the update of a dot stands in the log; none where it is not, or not any more.
    pub fn place_of(&self, dot: Dot) -> Result<Option<Place>, StoreError> {
        if self.is_kept(dot) { self.index.place_of(dot) } else { Ok(None) }
    }

    fn is_kept(&self, dot: Dot) -> bool {
        self.told.vector.contains(dot) && !self.hidden.contains(dot) && !self.gone().contains(dot)
    }

    /// The update of a dot. An error when the log has it no more and should: it then is one of
    /// [`Store::lost`].
    pub fn get(&self, dot: Dot) -> Result<Option<Update>, StoreError> {
        if !self.is_kept(dot) {
            return Ok(None);
        }
        let read = match self.index.place_of(dot)? {
            Some(place) => self.read(place, dot),
            None if self.catch_up.is_some() => return Ok(None),
            None => Err(StoreError::IndexBroken),
        };
        match read {
            Err(StoreError::Damaged { .. }) => self.note_lost(dot),
            // Whichever of the two is wrong: making the index again reads the whole log, and says.
            Err(StoreError::BadPlace(_) | StoreError::IndexBroken) => {
                self.note_lost(dot);
                self.index.condemn();
            }
            _ => {}
        }
        read
    }

    /// The update at a place that the index gave.
    pub(super) fn read(&self, place: Place, dot: Dot) -> Result<Option<Update>, StoreError> {
        let durable_end = self.pending.durable_end();
        let update = if place < durable_end {
            Some(self.segments.update_at(place, durable_end)?.0)
        } else {
            self.pending.update_from(place).map(|(update, _)| update)
        };
        match update.filter(|update| update.dot() == dot) {
            None => Err(StoreError::BadPlace(place)),
            Some(update) => Ok(Some(self.as_stands(update))),
        }
    }

    /// The dot of a content id that is in the log; not of an exhibit's.
    pub fn dot_of(&self, cid: Cid) -> Result<Option<Dot>, StoreError> {
        Ok(self.index.dot_of(cid)?.filter(|dot| !self.gone().contains(*dot)))
    }

    /// The update of a content id, exhibits included.
    pub fn by_cid(&self, cid: Cid) -> Result<Option<Update>, StoreError> {
        let found = match self.index.dot_of(cid)? {
            Some(dot) => self.get(dot)?,
            None => None,
        };
        match (found, self.told.forks.find(cid)) {
            (None, Some((_, place))) => self.exhibit_at(place).map(|(update, _)| Some(update)),
            (found, _) => Ok(found),
        }
    }

    /// The updates whose dots others have, with the seals that prove it.
    pub fn exhibits(&self) -> impl Iterator<Item = Result<(Update, Seal), StoreError>> + '_ {
        self.told.forks.places().map(|place| self.exhibit_at(place))
    }

    /// Those of an epoch.
    pub fn exhibits_of(
        &self,
        epoch: Epoch,
    ) -> impl Iterator<Item = Result<(Update, Seal), StoreError>> + '_ {
        self.told.forks.places_in(epoch).map(|place| self.exhibit_at(place))
    }

    /// True when an update of this name and id would be kept beside another one of the name: it is
    /// not kept yet, and not enough are of its epoch.
    pub fn wants_exhibit(&self, dot: Dot, cid: Cid) -> bool {
        self.told.forks.wants(dot, cid)
    }

    /// True when there is an exhibit of this epoch: its origin said two things under one dot.
    pub fn forked(&self, epoch: Epoch) -> bool {
        self.told.forks.has(epoch)
    }

    fn exhibit_at(&self, place: Place) -> Result<(Update, Seal), StoreError> {
        let durable_end = self.pending.durable_end();
        let (update, seal) = if place < durable_end {
            self.segments.exhibit_at(place, durable_end)?
        } else if let Some(Said::Exhibit(both)) = self.pending.at(place) {
            (**both).clone()
        } else {
            return Err(StoreError::BadPlace(place));
        };
        let is_hushed = self.chores.exhibits.contains(&update.cid());
        Ok((if is_hushed { update.erase() } else { self.as_stands(update) }, seal))
    }

    /// The first update at or behind `place`, and the place to go on from; `None` at the end: ask
    /// again from the same place. A place before the log's start is the start.
    ///
    /// Passes by what is gone or damaged, and by own updates that wait for the disk:
    /// [`Committed`](super::Committed) hands them over. After
    /// [`CommitFailed`](super::CommitFailed) a place beyond its `durable_end` must be set back to
    /// it.
    pub fn read_from(&self, mut place: Place) -> Result<Option<(Update, Place)>, StoreError> {
        loop {
            let found = self.segments.update_from(place, self.pending.durable_end())?;
            let Some((update, next)) = found.or_else(|| self.pending.update_from(place)) else {
                return Ok(None);
            };
            if !self.gone().contains(update.dot()) {
                return Ok(Some((self.as_stands(update), next)));
            }
            place = next;
        }
    }
}
