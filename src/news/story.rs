//! Stories: taking revisions and withdrawals into the index, and reading stories, lists, sections
//! and histories out of it. The tables are those of `rows.rs`.
//!
//! A story is a graph of revisions whose edges are the envelopes' parents; its heads are those
//! that no other revision of the story follows. The head, the same on every node without talking:
//! greater generation, then greater cid. A withdrawn story stays withdrawn, whatever comes later;
//! its rows stay but the lists leave it out. What a revision says of parents in other stories is
//! kept in its envelope and changes nothing here.
//!
//! Order does not matter: a revision that comes after its children finds a mark (`m`) that it is
//! followed already. Repeats do not matter: a revision in `r` was applied.

use super::page::LIMIT_MAX;
use super::rows::{
    HeadRank, HeadRow, HistoryRow, RevisionRow, StoryRow, WithdrawnRow, head_key, history_key,
    in_section_key, key, key_range, listed_key, missing_key, place_key, table,
};
use super::{
    Applied, Located, Page, Revision, RevisionMark, Shelf, StoryChange, StoryMark, Withdrawal,
};
use crate::store::{Direction, StoreError};
use crate::update::{Cid, Dot, Hlc, Update};
use std::ops::Bound;

/// The most heads that are shown of one story: an edit can name no more parents than this.
const HEADS_SHOWN_MAX: usize = 64;
/// The most sections that are listed.
const SECTIONS_MAX: usize = 1000;

/// A head of a story, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The revision's id.
    pub cid: Cid,
    /// The update's name.
    pub dot: Dot,
    /// How many revisions deep it stands, from 1.
    pub generation: u32,
    /// When it was written.
    pub clock: Hlc,
    /// Its headline; may be empty.
    pub headline: String,
    /// Its section; may be empty.
    pub section: String,
    /// Who wrote it; may be empty.
    pub author: String,
    /// Where it happened.
    pub located: Option<Located>,
}

/// How a story was withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// When: the earliest, if it was withdrawn on several nodes.
    pub at: Hlc,
    /// The id of the withdrawal.
    pub cid: Cid,
    /// Why; may be empty.
    pub reason: String,
}

/// A story as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// Its title.
    pub title: String,
    /// Its heads, the head first, at most 64; empty only if it was withdrawn before it came.
    pub heads: Vec<Head>,
    /// How many heads there are beside the head.
    pub conflicts: u32,
    /// How many revisions.
    pub revisions: u64,
    /// The moment of its first update.
    pub first: Hlc,
    /// Set once it is withdrawn, for good.
    pub withdrawn: Option<Withdrawn>,
}

impl Story {
    /// The revision that is shown.
    pub fn head(&self) -> Option<&Head> {
        self.heads.first()
    }

    /// The ids of the other heads, greatest first.
    pub fn conflict_ids(&self) -> Vec<Cid> {
        self.heads.iter().skip(1).map(|head| head.cid).collect()
    }
}

/// A story in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryLine {
    /// Its title.
    pub title: String,
    /// Its head.
    pub head: Head,
    /// The ids of its other heads, greatest first, at most 63.
    pub conflicts: Vec<Cid>,
}

/// A revision in a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionLine {
    /// Its id.
    pub cid: Cid,
    /// The update's name.
    pub dot: Dot,
    /// What it follows, ascending.
    pub parents: Vec<Cid>,
    /// When it was written.
    pub at: Hlc,
    /// Who wrote it; may be empty.
    pub author: String,
    /// What it changed; may be empty.
    pub summary: String,
    /// The size of its body.
    pub bytes: u64,
    /// How many revisions deep it stands, from 1.
    pub generation: u32,
}

/// A section and how many stories have their head in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionLine {
    /// Its name, never empty.
    pub section: String,
    /// Stories, withdrawn ones left out.
    pub stories: u64,
}

/// Where a revision belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionPlace {
    /// The story.
    pub title: String,
    /// The update's name.
    pub dot: Dot,
    /// When it was written.
    pub clock: Hlc,
    /// How many revisions deep it stands, from 1.
    pub generation: u32,
}

pub(super) fn apply_revision(
    shelf: &mut impl Shelf,
    update: &Update,
) -> Result<Applied, StoreError> {
    let revision = match Revision::decode(update.payload()) {
        Ok(revision) => revision,
        Err(error) => return Ok(Applied::Malformed(error)),
    };
    let (title, cid) = (revision.title, update.cid());
    let known = key(table::REVISION, &[&cid.0]);
    if shelf.get(&known)?.is_some() {
        return Ok(Applied::Known);
    }
    let (before, is_created) = story_row(shelf, title, update.clock())?;
    let mut after = before.clone();
    after.first = before.first.min(update.clock());
    after.revisions += 1;
    after.heads -= follow(shelf, title, update)?;
    let missing = missing_key(title, cid);
    let rank = HeadRank { generation: revision.generation, cid };
    let row = head_row(&revision, update);
    if shelf.get(&missing)?.is_some() {
        shelf.delete(&missing);
    } else {
        let mut value = Vec::new();
        row.encode(&mut value);
        shelf.put(head_key(title, rank.generation, cid), value);
        after.heads += 1;
        if after.head.as_ref().is_none_or(|(head, _)| *head < rank) {
            after.head = Some((rank, row));
        }
    }
    if let Some((head, _)) = &after.head
        && update.parents().any(|parent| parent == head.cid)
    {
        after.head = greatest_head(shelf, title)?;
    }
    put_revision(shelf, known, &revision, update);
    put_story(shelf, title, &before, &after)?;
    Ok(Applied::Story(change(title, &before, &after, is_created)))
}

pub(super) fn apply_withdrawal(
    shelf: &mut impl Shelf,
    update: &Update,
) -> Result<Applied, StoreError> {
    let withdrawal = match Withdrawal::decode(update.payload()) {
        Ok(withdrawal) => withdrawal,
        Err(error) => return Ok(Applied::Malformed(error)),
    };
    let title = withdrawal.title;
    let (before, is_created) = story_row(shelf, title, update.clock())?;
    let first = before.first.min(update.clock());
    let mut after = StoryRow { first, ..before.clone() };
    let (clock, cid) = (update.clock(), update.cid());
    if before.withdrawn.as_ref().is_none_or(|earlier| (clock, cid) < (earlier.clock, earlier.cid)) {
        after.withdrawn = Some(WithdrawnRow { clock, cid, reason: withdrawal.reason.to_owned() });
    }
    if after == before {
        return Ok(Applied::Known);
    }
    put_story(shelf, title, &before, &after)?;
    Ok(Applied::Story(change(title, &before, &after, is_created)))
}

/// The story's row; a new one, and true, when nothing of it is here yet.
fn story_row(shelf: &impl Shelf, title: &str, first: Hlc) -> Result<(StoryRow, bool), StoreError> {
    match shelf.get(&key(table::STORY, &[title.as_bytes()]))? {
        Some(row) => Ok((StoryRow::decode(&row)?, false)),
        None => Ok((StoryRow::new(first), true)),
    }
}

/// Takes the update's parents off the heads, or marks those that are not here yet. Returns how
/// many heads that took.
fn follow(shelf: &mut impl Shelf, title: &str, update: &Update) -> Result<u32, StoreError> {
    let mut taken = 0;
    for parent in update.parents() {
        let Some(row) = shelf.get(&key(table::REVISION, &[&parent.0]))? else {
            shelf.put(missing_key(title, parent), Vec::new());
            continue;
        };
        let row = RevisionRow::decode(&row)?;
        // A parent in another story has no head under this title.
        let head = head_key(title, row.generation, parent);
        if shelf.get(&head)?.is_some() {
            shelf.delete(&head);
            taken += 1;
        }
    }
    Ok(taken)
}

fn head_row(revision: &Revision<'_>, update: &Update) -> HeadRow {
    HeadRow {
        dot: update.dot(),
        clock: update.clock(),
        located: revision.located,
        section: revision.section.to_owned(),
        author: revision.author.to_owned(),
        headline: revision.headline.to_owned(),
    }
}

fn greatest_head(
    shelf: &impl Shelf,
    title: &str,
) -> Result<Option<(HeadRank, HeadRow)>, StoreError> {
    heads(shelf, title, 1).map(|heads| heads.into_iter().next())
}

fn heads(
    shelf: &impl Shelf,
    title: &str,
    limit: usize,
) -> Result<Vec<(HeadRank, HeadRow)>, StoreError> {
    let (from, to) = key_range(table::HEAD, title);
    let rows = shelf.scan(Bound::Included(&from), Bound::Excluded(&to), limit, Direction::Down)?;
    rows.iter().map(|(key, row)| Ok((HeadRank::from_key(key)?, HeadRow::decode(row)?))).collect()
}

fn put_revision(shelf: &mut impl Shelf, known: Vec<u8>, revision: &Revision<'_>, update: &Update) {
    let row = RevisionRow {
        dot: update.dot(),
        clock: update.clock(),
        generation: revision.generation,
        title: revision.title.to_owned(),
    };
    shelf.put(known, row.encode());
    let history = HistoryRow {
        dot: update.dot(),
        generation: revision.generation,
        bytes: revision.body.len() as u64,
        parents: update.parents().collect(),
        author: revision.author.to_owned(),
        summary: revision.summary.to_owned(),
    };
    shelf.put(history_key(revision.title, update.clock(), update.cid()), history.encode());
}

/// Puts the story's row, and moves it in the lists to where its head now stands.
fn put_story(
    shelf: &mut impl Shelf,
    title: &str,
    before: &StoryRow,
    after: &StoryRow,
) -> Result<(), StoreError> {
    shelf.put(key(table::STORY, &[title.as_bytes()]), after.encode());
    let (old, new) = (before.listed(), after.listed());
    let place =
        |head: Option<&HeadRow>| head.map(|head| (head.clock, head.section.clone(), head.located));
    if place(old) == place(new) {
        return Ok(());
    }
    if let Some(old) = old {
        shelf.delete(&listed_key(old.clock, title));
        if let Some(located) = old.located {
            shelf.delete(&place_key(located, title));
        }
        if !old.section.is_empty() {
            shelf.delete(&in_section_key(&old.section, old.clock, title));
        }
    }
    if let Some(new) = new {
        shelf.put(listed_key(new.clock, title), Vec::new());
        if let Some(located) = new.located {
            shelf.put(place_key(located, title), Vec::new());
        }
        if !new.section.is_empty() {
            shelf.put(in_section_key(&new.section, new.clock, title), Vec::new());
        }
    }
    let section = |head: Option<&HeadRow>| head.map(|head| head.section.clone());
    let (old, new) = (section(old).unwrap_or_default(), section(new).unwrap_or_default());
    if old != new {
        count_section(shelf, &old, -1)?;
        count_section(shelf, &new, 1)?;
    }
    Ok(())
}

fn count_section(shelf: &mut impl Shelf, section: &str, by: i64) -> Result<(), StoreError> {
    if section.is_empty() {
        return Ok(());
    }
    let key = key(table::SECTION, &[section.as_bytes()]);
    let count = match shelf.get(&key)? {
        Some(row) => section_count(&row)?,
        None => 0,
    };
    match count.checked_add_signed(by) {
        Some(0) => shelf.delete(&key),
        Some(count) => shelf.put(key, count.to_be_bytes().to_vec()),
        None => return Err(StoreError::IndexBroken),
    }
    Ok(())
}

fn section_count(row: &[u8]) -> Result<u64, StoreError> {
    let bytes = row.try_into().map_err(|_| StoreError::IndexBroken)?;
    Ok(u64::from_be_bytes(bytes))
}

fn change(title: &str, before: &StoryRow, after: &StoryRow, is_created: bool) -> StoryChange {
    let cid = |row: &StoryRow| row.head.as_ref().map(|(rank, _)| rank.cid);
    let section = after.head.as_ref().map(|(_, head)| head.section.clone());
    StoryChange {
        title: title.to_owned(),
        section: section.unwrap_or_default(),
        head: cid(after),
        is_new_head: cid(after) != cid(before),
        is_created,
        conflicts: after.heads.saturating_sub(1),
        is_withdrawn: after.withdrawn.is_some(),
    }
}

fn head(rank: HeadRank, row: HeadRow) -> Head {
    Head {
        cid: rank.cid,
        dot: row.dot,
        generation: rank.generation,
        clock: row.clock,
        headline: row.headline,
        section: row.section,
        author: row.author,
        located: row.located,
    }
}

/// A story as it stands; none when nothing of it is here.
pub fn story(shelf: &impl Shelf, title: &str) -> Result<Option<Story>, StoreError> {
    let Some(row) = shelf.get(&key(table::STORY, &[title.as_bytes()]))? else {
        return Ok(None);
    };
    let row = StoryRow::decode(&row)?;
    let conflicts = row.heads.saturating_sub(1);
    let heads = if conflicts == 0 {
        row.head.into_iter().collect()
    } else {
        heads(shelf, title, HEADS_SHOWN_MAX)?
    };
    Ok(Some(Story {
        title: title.to_owned(),
        heads: heads.into_iter().map(|(rank, row)| head(rank, row)).collect(),
        conflicts,
        revisions: row.revisions,
        first: row.first,
        withdrawn: row.withdrawn.map(|w| Withdrawn { at: w.clock, cid: w.cid, reason: w.reason }),
    }))
}

/// Where a revision belongs; none when it is not here.
pub fn revision_place(shelf: &impl Shelf, cid: Cid) -> Result<Option<RevisionPlace>, StoreError> {
    let Some(row) = shelf.get(&key(table::REVISION, &[&cid.0]))? else {
        return Ok(None);
    };
    let RevisionRow { dot, clock, generation, title } = RevisionRow::decode(&row)?;
    Ok(Some(RevisionPlace { title, dot, clock, generation }))
}

/// The stories, of one section or of all, by the clock of their head, newest first; withdrawn ones
/// are left out. `before` is where the page before ended; `limit` is held to 1 to 1,000.
pub fn list(
    shelf: &impl Shelf,
    section: Option<&str>,
    before: Option<&StoryMark>,
    limit: usize,
) -> Result<Page<StoryLine>, StoreError> {
    if section.is_some_and(|section| section.contains('\0')) {
        // It would be taken for the end of the section's name.
        return Ok(Page { lines: Vec::new(), next: None });
    }
    let (from, end) = match section {
        Some(section) => key_range(table::IN_SECTION, section),
        None => (vec![table::LISTED], vec![table::LISTED + 1]),
    };
    let to = match (section, before) {
        (Some(section), Some(mark)) => in_section_key(section, mark.clock, &mark.title),
        (None, Some(mark)) => listed_key(mark.clock, &mark.title),
        (_, None) => end,
    };
    let limit = limit.clamp(1, LIMIT_MAX);
    let (from, to) = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
    let prefix = section.map_or(1, |section| section.len() + 2);
    let mut rows = shelf.scan(from, to, limit + 1, Direction::Down)?;
    let is_more = rows.len() > limit;
    rows.truncate(limit);
    let mut lines = Vec::with_capacity(rows.len());
    for (key, _) in &rows {
        let title = key.get(prefix + 8..).and_then(|title| std::str::from_utf8(title).ok());
        let title = title.ok_or(StoreError::IndexBroken)?;
        lines.extend(story_line(shelf, title)?);
    }
    let mark = |line: &StoryLine| StoryMark { clock: line.head.clock, title: line.title.clone() };
    let next = lines.last().filter(|_| is_more).map(|line| mark(line).to_string());
    Ok(Page { lines, next })
}

fn story_line(shelf: &impl Shelf, title: &str) -> Result<Option<StoryLine>, StoreError> {
    let Some(story) = story(shelf, title)? else {
        return Ok(None);
    };
    let conflicts = story.conflict_ids();
    let head = story.heads.into_iter().next();
    Ok(head.map(|head| StoryLine { title: story.title, head, conflicts }))
}

/// The revisions of a story, newest first; none of a withdrawn one. `before` is where the page
/// before ended; `limit` is held to 1 to 1,000.
pub fn history(
    shelf: &impl Shelf,
    title: &str,
    before: Option<RevisionMark>,
    limit: usize,
) -> Result<Page<RevisionLine>, StoreError> {
    let row = shelf.get(&key(table::STORY, &[title.as_bytes()]))?;
    let is_withdrawn = match row {
        Some(row) => StoryRow::decode(&row)?.withdrawn.is_some(),
        None => true,
    };
    if is_withdrawn {
        return Ok(Page { lines: Vec::new(), next: None });
    }
    let (from, end) = key_range(table::HISTORY, title);
    let to = before.map_or(end, |mark| history_key(title, mark.clock, mark.cid));
    let limit = limit.clamp(1, LIMIT_MAX);
    let (from, to) = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
    let mut rows = shelf.scan(from, to, limit + 1, Direction::Down)?;
    let is_more = rows.len() > limit;
    rows.truncate(limit);
    let lines: Vec<_> =
        rows.iter().map(|(key, row)| revision_line(key, row)).collect::<Result<_, _>>()?;
    let mark = |line: &RevisionLine| RevisionMark { clock: line.at, cid: line.cid };
    let next = lines.last().filter(|_| is_more).map(|line| mark(line).to_string());
    Ok(Page { lines, next })
}

fn revision_line(key: &[u8], row: &[u8]) -> Result<RevisionLine, StoreError> {
    let fault = StoreError::IndexBroken;
    let Some((_, end)) = key.split_last_chunk::<40>() else {
        return Err(fault);
    };
    let (clock, cid) = end.split_at(8);
    let (Ok(clock), Ok(cid)) = (clock.try_into(), cid.try_into()) else {
        return Err(fault);
    };
    let row = HistoryRow::decode(row)?;
    Ok(RevisionLine {
        cid: Cid(cid),
        dot: row.dot,
        parents: row.parents,
        at: Hlc(u64::from_be_bytes(clock)),
        author: row.author,
        summary: row.summary,
        bytes: row.bytes,
        generation: row.generation,
    })
}

/// The sections by name, at most 1,000 of them, with how many stories have their head in each.
pub fn sections(shelf: &impl Shelf) -> Result<Vec<SectionLine>, StoreError> {
    let (from, to) = ([table::SECTION], [table::SECTION + 1]);
    let (from, to) = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
    let rows = shelf.scan(from, to, SECTIONS_MAX, Direction::Up)?;
    let line = |(key, row): &(Vec<u8>, Vec<u8>)| {
        let section = std::str::from_utf8(&key[1..]);
        let section = section.map_err(|_| StoreError::IndexBroken)?.to_owned();
        Ok(SectionLine { section, stories: section_count(row)? })
    };
    rows.iter().map(line).collect()
}
