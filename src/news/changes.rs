//! Recent changes: the revisions and withdrawals of all stories by their clocks, newest first, and
//! what a reader wants to see of them. Read out of the index; `intake.rs` fills it.

use super::page::LIMIT_MAX;
use super::rows::{
    ChangeRow, HistoryRow, StoryRow, change_key, history_key, key, read_moment, table,
};
use super::{ChangeMark, Page, Shelf};
use crate::store::{Direction, KeyValue, StoreError};
use crate::update::{Cid, Hlc};
use std::ops::Bound;

/// How many changes one page looks at. Where a filter lets fewer through than a page holds, the
/// page is short, and its `next` goes on behind what was looked at.
const LOOKED_AT_MAX: usize = 2_000;
/// How many of them are read at a time.
const ROWS: usize = 250;

/// What kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A revision that follows none: a new story.
    New,
    /// A revision that follows another.
    Edit,
    /// A story was withdrawn.
    Withdrawal,
}

/// What a reader wants to see: changes that pass all that is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Of this kind only.
    pub kind: Option<ChangeKind>,
    /// Revisions in this section only: of a withdrawal nobody knows the section.
    pub section: Option<&'a str>,
    /// Revisions by this author only.
    pub author: Option<&'a str>,
}

impl Wanted<'_> {
    fn takes(&self, row: &ChangeRow) -> bool {
        self.kind.is_none_or(|kind| kind == row.kind)
            && self.section.is_none_or(|section| section == row.section)
            && self.author.is_none_or(|author| author == row.author)
    }
}

/// A change in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeLine {
    /// The id of the revision or of the withdrawal.
    pub cid: Cid,
    /// When.
    pub at: Hlc,
    /// What kind of change.
    pub kind: ChangeKind,
    /// The story.
    pub title: String,
    /// Its headline as it stands now; may be empty.
    pub headline: String,
    /// The section of the revision; may be empty.
    pub section: String,
    /// Who wrote the revision; may be empty.
    pub author: String,
    /// What it changed, or why the story was withdrawn; may be empty.
    pub summary: String,
    /// The size of the revision's body.
    pub bytes: u64,
    /// The revisions that it follows, as it names them.
    pub parents: Vec<Cid>,
}

/// The changes that are wanted, newest first. `before` is where the page before ended; `limit` is
/// held to 1 to 1,000. At most 2,000 changes are looked at, so a page may be short and still have a
/// `next`.
pub fn changes(
    shelf: &impl Shelf,
    wanted: &Wanted<'_>,
    before: Option<ChangeMark>,
    limit: usize,
) -> Result<Page<ChangeLine>, StoreError> {
    let limit = limit.clamp(1, LIMIT_MAX);
    let mut lines = Vec::new();
    let mut to = before.map_or(vec![table::CHANGE + 1], |mark| change_key(mark.clock, mark.cid));
    for _ in 0..LOOKED_AT_MAX / ROWS {
        let rows = rows_below(shelf, &to)?;
        for (key, row) in &rows {
            let row = ChangeRow::decode(row)?;
            if !wanted.takes(&row) {
                continue;
            }
            if lines.len() == limit {
                return Ok(Page { next: lines.last().map(mark_of), lines });
            }
            lines.push(line(shelf, read_moment(key)?, row)?);
        }
        match rows.into_iter().last() {
            Some((key, _)) => to = key,
            None => return Ok(Page { lines, next: None }),
        }
    }
    let (clock, cid) = read_moment(&to)?;
    let is_more = !rows_below(shelf, &to)?.is_empty();
    let next = is_more.then(|| ChangeMark { clock, cid }.to_string());
    Ok(Page { lines, next })
}

fn rows_below(shelf: &impl Shelf, to: &[u8]) -> Result<Vec<KeyValue>, StoreError> {
    let from = [table::CHANGE];
    shelf.scan(Bound::Included(&from), Bound::Excluded(to), ROWS, Direction::Down)
}

fn mark_of(line: &ChangeLine) -> String {
    ChangeMark { clock: line.at, cid: line.cid }.to_string()
}

fn line(
    shelf: &impl Shelf,
    (at, cid): (Hlc, Cid),
    row: ChangeRow,
) -> Result<ChangeLine, StoreError> {
    let ChangeRow { kind, section, author, title } = row;
    let story = shelf.get(&key(table::STORY, &[title.as_bytes()]))?;
    let story = story.ok_or(StoreError::IndexBroken)?;
    let story = StoryRow::decode(&story)?;
    let mut line = ChangeLine {
        cid,
        at,
        kind,
        headline: story.head.map(|(_, head)| head.headline).unwrap_or_default(),
        section,
        author,
        summary: story.withdrawn.map(|withdrawn| withdrawn.reason).unwrap_or_default(),
        bytes: 0,
        parents: Vec::new(),
        title,
    };
    if let Some(row) = shelf.get(&history_key(&line.title, at, cid))? {
        let row = HistoryRow::decode(&row)?;
        (line.summary, line.bytes, line.parents) = (row.summary, row.bytes, row.parents);
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::super::{Revision, Withdrawal, apply};
    use super::*;
    use crate::update::{Draft, Kind, Update};
    use std::collections::BTreeMap;

    type Map = BTreeMap<Vec<u8>, Vec<u8>>;

    fn put(shelf: &mut Map, seq: u64, kind: Kind, parents: Vec<Cid>, payload: &[u8]) -> Cid {
        let update = Update::seal(Draft { kind, parents, payload, ..Draft::sample(seq) }).unwrap();
        apply(shelf, &update).unwrap();
        update.cid()
    }

    fn write(shelf: &mut Map, seq: u64, title: &str, section: &str, parents: Vec<Cid>) -> Cid {
        let author = if seq.is_multiple_of(2) { "ann" } else { "bob" };
        let generation = 1 + parents.len() as u32;
        let summary = format!("no {seq}");
        let revision = Revision {
            generation,
            title,
            section,
            author,
            summary: &summary,
            headline: "h",
            body: b"body",
            ..Revision::default()
        };
        put(shelf, seq, Kind::Revision, parents, &revision.encode().unwrap())
    }

    fn seqs(page: &Page<ChangeLine>) -> Vec<u64> {
        page.lines.iter().map(|line| line.at.0).collect()
    }

    #[test]
    fn changes_stand_newest_first_and_a_withdrawn_story_leaves_its_withdrawal_alone() {
        let mut shelf = Map::new();
        let first = write(&mut shelf, 1, "a", "world", vec![]);
        write(&mut shelf, 2, "a", "world", vec![first]);
        write(&mut shelf, 3, "b", "sport", vec![]);
        let page = changes(&shelf, &Wanted::default(), None, 10).unwrap();
        assert_eq!((seqs(&page), &page.next), (vec![3, 2, 1], &None));
        let edit = &page.lines[1];
        assert_eq!((edit.kind, &edit.summary[..], edit.bytes), (ChangeKind::Edit, "no 2", 4));
        assert_eq!((&edit.parents[..], &edit.headline[..]), (&[first][..], "h"));
        assert_eq!(page.lines[2].kind, ChangeKind::New);
        for (seq, reason) in [(9, "late"), (8, "wrong")] {
            let payload = Withdrawal { title: "a", reason, wire: b"" }.encode().unwrap();
            put(&mut shelf, seq, Kind::Withdrawal, vec![], &payload);
        }
        let page = changes(&shelf, &Wanted::default(), None, 10).unwrap();
        assert_eq!(seqs(&page), [8, 3]);
        let gone = &page.lines[0];
        assert_eq!((gone.kind, &gone.summary[..]), (ChangeKind::Withdrawal, "wrong"));
    }

    #[test]
    fn filters_let_through_what_is_wanted_and_pages_join_without_a_seam() {
        let mut shelf = Map::new();
        for seq in 1..=40 {
            let section = if seq % 4 == 0 { "sport" } else { "world" };
            write(&mut shelf, seq, &format!("s{seq}"), section, vec![]);
        }
        let sport = Wanted { section: Some("sport"), ..Wanted::default() };
        let page = changes(&shelf, &sport, None, 4).unwrap();
        assert_eq!(seqs(&page), [40, 36, 32, 28]);
        let next = page.next.unwrap().parse().unwrap();
        let page = changes(&shelf, &sport, Some(next), 10).unwrap();
        assert_eq!((seqs(&page), page.next), (vec![24, 20, 16, 12, 8, 4], None));
        let bob = Wanted { author: Some("bob"), ..sport };
        assert_eq!(changes(&shelf, &bob, None, 4).unwrap().lines, []);
        let edits = Wanted { kind: Some(ChangeKind::Edit), ..Wanted::default() };
        assert_eq!(changes(&shelf, &edits, None, 4).unwrap().lines, []);
    }

    #[test]
    fn a_filter_that_lets_nothing_through_looks_at_a_bounded_number() {
        let mut shelf = Map::new();
        for seq in 1..=LOOKED_AT_MAX as u64 + 10 {
            let section = if seq == 5 { "rare" } else { "world" };
            write(&mut shelf, seq, &format!("s{seq}"), section, vec![]);
        }
        let rare = Wanted { section: Some("rare"), ..Wanted::default() };
        let page = changes(&shelf, &rare, None, 4).unwrap();
        assert_eq!(page.lines, []);
        let next = page.next.unwrap().parse().unwrap();
        let page = changes(&shelf, &rare, Some(next), 4).unwrap();
        assert_eq!((seqs(&page), page.next), (vec![5], None));
    }
}
