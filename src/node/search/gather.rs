//! What is to be indexed. It is known in two ways, and always in one of them wholly:
//!
//! - **Read**: from the index's mark to its end the log is read, a little a turn, and names the
//!   stories. So it goes after a start, and whenever more changed at once than is kept by name.
//! - **Named**: the end was reached, and what changes is kept by name as it comes.
//!
//! Either way what is indexed of a story is how it stands when its batch is made, so it does not
//! matter how often it is named, or in which order.

use crate::news::{self, Revision, TOPIC_STORIES};
use crate::search::{Batch, Mark, Story, readable};
use crate::store::{Place, Store, StoreError};
use crate::update::{Cid, Dot, Update};
use std::collections::{BTreeMap, BTreeSet};

/// Stories of one batch, and the bytes of their texts behind which it ends.
const BATCH_STORIES: usize = 64;
const BATCH_BYTES: usize = 256 * 1024;
/// Updates of the log, and bytes of them, that one turn looks at.
const TURN_UPDATES: usize = 256;
const TURN_BYTES: usize = 512 * 1024;
/// More stories are not kept by name.
const NAMES_MAX: usize = 4_096;

/// What is to be indexed.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// The log is to be read from here; none once it has been.
    place: Option<Place>,
    /// Not before here is it read: names of what stands before it were let go.
    until: Place,
    /// Each with the end of the log when it was named.
    names: BTreeMap<String, Place>,
    /// The update that was taken into what readers see last.
    pub(super) last: Option<(Dot, Cid)>,
    /// The place of the mark that was given last.
    marked: Place,
}

impl Gather {
    /// Begins to read.
    pub(super) fn read_from(&mut self, place: Place, log_end: Place) {
        self.place = Some(place);
        self.marked = place;
        self.until = log_end;
        self.names.clear();
    }

    /// A story changed, by an update before this end of the log.
    pub(super) fn add(&mut self, title: &str, log_end: Place) {
        if self.names.len() >= NAMES_MAX {
            // All of them are met where the log is read.
            self.names.clear();
            self.place = Some(self.place.unwrap_or(self.marked));
            self.until = log_end;
        }
        match self.names.get_mut(title) {
            Some(end) => *end = log_end,
            None => {
                self.names.insert(title.to_owned(), log_end);
            }
        }
    }

    /// True while something is known that is not indexed.
    pub(super) fn is_behind(&self) -> bool {
        self.place.is_some() || !self.names.is_empty()
    }

    /// True once the log has been read to its end.
    pub(super) fn is_read(&self) -> bool {
        self.place.is_none()
    }

    /// True while more is known than one batch takes.
    pub(super) fn has_full_batch(&self) -> bool {
        self.place.is_some() || self.names.len() >= BATCH_STORIES
    }

    /// True while names wait, be it for the disk.
    pub(super) fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// How many stories are known by name to wait.
    pub(super) fn waiting(&self) -> usize {
        self.names.len()
    }

    /// True when the log can be read on from here now.
    pub(super) fn has_more_to_read(&self, store: &Store) -> bool {
        self.place.is_some_and(|place| place < end(store))
    }

    /// What to index next, with the mark that it earns.
    pub(super) fn batch(&mut self, store: &Store) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        match self.place {
            Some(place) => self.read(store, place, &mut batch)?,
            None => self.take_names(store, &mut batch)?,
        }
        if let Some(mark) = &batch.mark {
            self.marked = mark.place;
        }
        Ok(batch)
    }

    fn read(
        &mut self,
        store: &Store,
        mut place: Place,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let end = end(store);
        let mut met = BTreeSet::new();
        let (mut bytes, mut read, mut is_end, mut last) = (0, 0, true, None);
        for _ in 0..TURN_UPDATES {
            is_end = place >= end;
            let is_full = batch.stories.len() >= BATCH_STORIES || bytes >= BATCH_BYTES;
            if is_end || is_full || read >= TURN_BYTES {
                break;
            }
            let Some((update, next)) = store.read_from(place)?.filter(|(_, next)| *next <= end)
            else {
                // Behind the last update there may be frames of other kinds.
                (place, is_end) = (end, true);
                break;
            };
            read += update.payload_bytes();
            let title = news::title_of(&update).filter(|_| update.topic() == TOPIC_STORIES);
            if let Some(title) = title.filter(|title| met.insert((*title).to_owned())) {
                let story = story(store, title, Some(&update))?;
                bytes += story.as_ref().map_or(0, |story| story.body.len());
                batch.stories.push((title.to_owned(), story));
            }
            last = Some((update.dot(), update.cid()));
            place = next;
        }
        if let Some((dot, cid)) = last
            && let Some(was) = store.place_of(dot)?
        {
            batch.mark = Some(Mark { place, last: (dot, cid, was) });
        }
        // A failed batch of the store makes the log shorter.
        let is_over = is_end && place >= self.until.min(store.log_end());
        self.place = (!is_over).then_some(place);
        Ok(())
    }

    /// Names that wait for the disk are passed by: what a crash takes from the log must not have
    /// been indexed. Those taken go once all could be read, so that none is lost by an error.
    fn take_names(&mut self, store: &Store, batch: &mut Batch) -> Result<(), StoreError> {
        let (on_disk, log_end) = (end(store), store.log_end());
        // A failed batch of the store makes the log shorter.
        let is_on_disk = |named: &Place| (*named).min(log_end) <= on_disk;
        let mut bytes = 0;
        let ready = self.names.iter().filter(|(_, named)| is_on_disk(named));
        for (title, _) in ready.take(BATCH_STORIES) {
            if bytes >= BATCH_BYTES {
                break;
            }
            let story = story(store, title, None)?;
            bytes += story.as_ref().map_or(0, |story| story.body.len());
            batch.stories.push((title.clone(), story));
        }
        for (title, _) in &batch.stories {
            self.names.remove(title);
        }
        // Whatever stands before the end and was named is in this batch or in one before it.
        if self.names.is_empty()
            && let Some((dot, cid)) = self.last
            && let Some(place) = store.place_of(dot)?.filter(|place| *place < end(store))
        {
            batch.mark = Some(Mark { place: end(store), last: (dot, cid, place) });
        }
        Ok(())
    }
}

/// Before here everything is on disk, and seen by readers.
fn end(store: &Store) -> Place {
    store.durable_end().min(store.visible_end())
}

/// True when a log is the one that a mark was made of.
pub(super) fn holds(store: &Store, mark: &Mark) -> bool {
    let (dot, cid, place) = mark.last;
    let is_there = |place_now: Option<Place>| place_now == Some(place);
    let is_it = |update: Option<Update>| update.is_some_and(|update| update.cid() == cid);
    mark.place <= store.durable_end()
        && store.place_of(dot).is_ok_and(is_there)
        && store.find(dot).is_ok_and(is_it)
}

/// How a story stands, as it is to be found: not at all while its head can't be read. It is named
/// again when that comes back. `at_hand` is an update of it that needs no reading.
fn story(
    store: &Store,
    title: &str,
    at_hand: Option<&Update>,
) -> Result<Option<Story>, StoreError> {
    let story = news::story(store.index(), title)?.filter(|story| story.withdrawn.is_none());
    let Some(head) = story.as_ref().and_then(news::Story::head) else { return Ok(None) };
    let update = match at_hand.filter(|update| update.cid() == head.cid) {
        Some(update) => Some(update.clone()),
        None => match store.dot_of(head.cid)? {
            Some(dot) => store.find(dot)?,
            None => None,
        },
    };
    let Some(update) = update.filter(|update| !update.is_erased()) else { return Ok(None) };
    Ok(Revision::decode(update.payload()).ok().map(|revision| Story {
        id: head.cid,
        at: head.clock,
        headline: revision.headline.to_owned(),
        section: revision.section.to_owned(),
        author: revision.author.to_owned(),
        body: body(&update, revision.body),
    }))
}

fn body(update: &Update, bytes: &[u8]) -> String {
    let media_type = update.media_type();
    if !news::is_textual(media_type) {
        return String::new();
    }
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_markup = essence == "text/html" || essence.ends_with("xml");
    std::str::from_utf8(bytes).map(|text| readable(text, is_markup)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
