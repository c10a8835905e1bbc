//! Stories as they stand: heads, lists, sections and histories, read out of the index. The tables
//! are those of `rows.rs`, and `intake.rs` fills them.
//!
//! A story is a graph of revisions whose edges are the envelopes' parents; its heads are those
//! that no other revision of the story follows. The head, the same on every node without talking:
//! greater generation, then greater cid.

use super::page::LIMIT_MAX;
use super::rows::{
    AliasRow, HeadRank, HeadRow, HistoryRow, RevisionRow, StoryRow, alias_key, history_key,
    in_section_key, key, key_range, listed_key, read_moment, table,
};
use super::{Located, Page, RevisionMark, Shelf, StoryMark};
use crate::store::{Direction, StoreError};
use crate::update::{Cid, Dot, Hlc};
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
    /// What it follows, ascending; of an alias the one that readers see.
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
    /// The one that readers see of it: itself, or the least of its alias.
    pub shown: Cid,
}

/// The row of a revision, shown or behind another.
pub(super) fn revision_row(
    shelf: &impl Shelf,
    cid: Cid,
) -> Result<Option<RevisionRow>, StoreError> {
    let row = shelf.get(&key(table::REVISION, &[&cid.0]))?;
    row.map(|row| RevisionRow::decode(&row)).transpose()
}

/// Which revision stands for an alias; none for no alias.
pub(super) fn alias_row(
    shelf: &impl Shelf,
    title: &str,
    alias: &str,
) -> Result<Option<AliasRow>, StoreError> {
    if alias.is_empty() {
        return Ok(None);
    }
    let row = shelf.get(&alias_key(title, alias))?;
    row.map(|row| AliasRow::decode(&row)).transpose()
}

/// The newest revision, as a head of which the history is all that is known.
pub(super) fn newest(
    shelf: &impl Shelf,
    title: &str,
) -> Result<Option<(HeadRank, HeadRow)>, StoreError> {
    let (from, to) = key_range(table::HISTORY, title);
    let rows = shelf.scan(Bound::Included(&from), Bound::Excluded(&to), 1, Direction::Down)?;
    let Some((key, row)) = rows.first() else { return Ok(None) };
    let line = revision_line(key, row)?;
    let row = HeadRow {
        dot: line.dot,
        clock: line.at,
        located: None,
        section: String::new(),
        author: line.author,
        headline: String::new(),
    };
    Ok(Some((HeadRank { generation: line.generation, cid: line.cid }, row)))
}

pub(super) fn heads(
    shelf: &impl Shelf,
    title: &str,
    limit: usize,
) -> Result<Vec<(HeadRank, HeadRow)>, StoreError> {
    let (from, to) = key_range(table::HEAD, title);
    let rows = shelf.scan(Bound::Included(&from), Bound::Excluded(&to), limit, Direction::Down)?;
    rows.iter().map(|(key, row)| Ok((HeadRank::from_key(key)?, HeadRow::decode(row)?))).collect()
}

pub(super) fn section_count(row: &[u8]) -> Result<u64, StoreError> {
    let bytes = row.try_into().map_err(|_| StoreError::IndexBroken)?;
    Ok(u64::from_be_bytes(bytes))
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

/// Where a revision belongs; none when it is not here, or withdrawn.
pub fn revision_place(shelf: &impl Shelf, cid: Cid) -> Result<Option<RevisionPlace>, StoreError> {
    let Some(row) = revision_row(shelf, cid)? else {
        return Ok(None);
    };
    let RevisionRow { dot, clock, generation, alias, title } = row;
    let shown = alias_row(shelf, &title, &alias)?.map_or(cid, |row| row.cid);
    Ok(Some(RevisionPlace { title, dot, clock, generation, shown }))
}

/// The revision that readers see of an alias; none when none of this alias is here.
pub fn aliased(shelf: &impl Shelf, title: &str, alias: &str) -> Result<Option<Cid>, StoreError> {
    Ok(alias_row(shelf, title, alias)?.map(|row| row.cid))
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
    let mut lines = Vec::with_capacity(rows.len());
    for (key, row) in &rows {
        let line = revision_line(key, row)?;
        let parents = shown(shelf, &line.parents)?;
        lines.push(RevisionLine { parents, ..line });
    }
    let mark = |line: &RevisionLine| RevisionMark { clock: line.at, cid: line.cid };
    let next = lines.last().filter(|_| is_more).map(|line| mark(line).to_string());
    Ok(Page { lines, next })
}

/// The revisions that readers see of these, ascending; those that are not here as they are.
pub(super) fn shown(shelf: &impl Shelf, cids: &[Cid]) -> Result<Vec<Cid>, StoreError> {
    let mut out = Vec::with_capacity(cids.len());
    for cid in cids {
        out.push(revision_place(shelf, *cid)?.map_or(*cid, |place| place.shown));
    }
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

pub(super) fn revision_line(key: &[u8], row: &[u8]) -> Result<RevisionLine, StoreError> {
    let (at, cid) = read_moment(key)?;
    let row = HistoryRow::decode(row)?;
    Ok(RevisionLine {
        cid,
        dot: row.dot,
        parents: row.parents,
        at,
        author: row.author,
        summary: row.summary,
        bytes: row.bytes,
        generation: row.generation,
    })
}

/// True for a section in which a story has its head.
pub fn has_section(shelf: &impl Shelf, section: &str) -> Result<bool, StoreError> {
    let row = shelf.get(&key(table::SECTION, &[section.as_bytes()]))?;
    Ok(row.is_some())
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
