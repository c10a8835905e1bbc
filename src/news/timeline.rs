//! What happened to stories, by time: each story stands where its head is, or where it was
//! withdrawn. So each story that is known has one place, and the same on every node that holds the
//! same.

use super::rows::{in_section_key, key_range, listed_key, table, withdrawn_key};
use super::{Shelf, Story, StoryMark, story};
use crate::store::{Direction, StoreError};
use crate::update::{Hlc, Reader};
use std::ops::Bound;

/// What became of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// Its head was written.
    Written,
    /// It was withdrawn.
    Withdrawn,
}

/// A story's place in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub clock: Hlc,
    /// The story's title.
    pub title: String,
    /// What.
    pub what: Happened,
}

impl Event {
    /// The story as it stands; none only if the index is damaged.
    pub fn story(&self, shelf: &impl Shelf) -> Result<Option<Story>, StoreError> {
        story(shelf, &self.title)
    }
}

/// At most `limit` events, newest first, of all stories or of those in a section: behind a mark,
/// which is to say before it in time, or from the newest on. A withdrawn story is in no section, so
/// its withdrawal is among those of each.
pub fn timeline(
    shelf: &impl Shelf,
    section: Option<&str>,
    behind: Option<&StoryMark>,
    limit: usize,
) -> Result<Vec<Event>, StoreError> {
    let mut found = Vec::new();
    for table in [Table::Written(section), Table::Withdrawn] {
        let Some((from, end)) = table.range() else { continue };
        let to = behind.map_or(end, |mark| table.key(mark));
        let (from, to) = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
        let rows = shelf.scan(from, to, limit, Direction::Down)?;
        for (row, _) in &rows {
            found.push(table.event(row)?);
        }
    }
    found.sort_unstable_by(|a, b| (b.clock, &b.title).cmp(&(a.clock, &a.title)));
    found.truncate(limit);
    Ok(found)
}

/// At most `limit` events after a mark in time, oldest first.
pub fn timeline_up(
    shelf: &impl Shelf,
    section: Option<&str>,
    after: &StoryMark,
    limit: usize,
) -> Result<Vec<Event>, StoreError> {
    let mut found = Vec::new();
    for table in [Table::Written(section), Table::Withdrawn] {
        let Some((_, to)) = table.range() else { continue };
        let from = table.key(after);
        let (from, to) = (Bound::Excluded(&from[..]), Bound::Excluded(&to[..]));
        let rows = shelf.scan(from, to, limit, Direction::Up)?;
        for (row, _) in &rows {
            found.push(table.event(row)?);
        }
    }
    found.sort_unstable_by(|a, b| (a.clock, &a.title).cmp(&(b.clock, &b.title)));
    found.truncate(limit);
    Ok(found)
}

/// Where events are kept.
#[derive(Clone, Copy)]
enum Table<'a> {
    /// By the clock of heads; of a section or of all.
    Written(Option<&'a str>),
    Withdrawn,
}

impl Table<'_> {
    /// From the first key up to the second; none for what can't be a section.
    fn range(self) -> Option<(Vec<u8>, Vec<u8>)> {
        let all = |table: u8| Some((vec![table], vec![table + 1]));
        match self {
            Self::Written(Some(section)) if section.contains('\0') => None,
            Self::Written(Some(section)) => Some(key_range(table::IN_SECTION, section)),
            Self::Written(None) => all(table::LISTED),
            Self::Withdrawn => all(table::WITHDRAWN),
        }
    }

    fn key(self, mark: &StoryMark) -> Vec<u8> {
        match self {
            Self::Written(Some(section)) => in_section_key(section, mark.clock, &mark.title),
            Self::Written(None) => listed_key(mark.clock, &mark.title),
            Self::Withdrawn => withdrawn_key(mark.clock, &mark.title),
        }
    }

    fn event(self, row: &[u8]) -> Result<Event, StoreError> {
        let (what, prefix) = match self {
            Self::Written(section) => {
                (Happened::Written, section.map_or(1, |section| section.len() + 2))
            }
            Self::Withdrawn => (Happened::Withdrawn, 1),
        };
        let read = || {
            let mut reader = Reader::new(row.get(prefix..)?);
            let clock = Hlc(reader.u64().ok()?);
            let title = std::str::from_utf8(reader.rest()).ok()?.to_owned();
            Some(Event { clock, title, what })
        };
        read().ok_or(StoreError::IndexBroken)
    }
}
