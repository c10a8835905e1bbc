//! Numbers of revisions, as newsreaders want them: each section counts its own, upwards, in the
//! order in which they came to this node's log. They are this node's alone; so their rows stand
//! beside those of `rows.rs`, which are the same on all nodes.
//!
//! | key | value | is |
//! |---|---|---|
//! | `#p` | [`Progress`] | how far the log was numbered |
//! | `#g` section | [`GroupRow`] | each section that ever had a revision here |
//! | `#a` section 0 number | dot, u64 ms | the revision of a number, and when it came |
//! | `#d` dot | u64 number, section | the number of a revision |
//!
//! A number is given once. What is withdrawn or dropped leaves its number free for ever, and an
//! index that is made again from the log comes to the same numbers, or to higher ones where the log
//! does not tell any more of which section something was: then all that follows counts as new.

use super::revision::put_short;
use super::rows::{dot, put_dot};
use super::{Revision, Shelf, TOPIC_STORIES};
use crate::store::{Direction, Place, StoreError};
use crate::update::{Dot, Kind, Reader, Update, put_varint};
use std::ops::{Bound, RangeInclusive};

const PROGRESS_KEY: &[u8] = b"#p";
const GROUP_TABLE: &[u8] = b"#g";
const ARTICLE_TABLE: &[u8] = b"#a";
const DOT_TABLE: &[u8] = b"#d";

/// How far the log was numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The place to go on from.
    pub place: Place,
    /// Revisions met of which the section can't be known any more: every section's numbers leave
    /// out so many, as each of these may have been its own.
    pub skipped: u64,
    /// When the last one came, in milliseconds since 1970; the next counts as no earlier.
    pub arrived_ms: u64,
}

/// A section as a group of numbered revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The section; empty for stories that are in none.
    pub section: String,
    /// How many of the numbers still have a revision.
    pub articles: u64,
    /// The greatest number ever given.
    pub high: u64,
    /// When its first revision came here, in milliseconds since 1970.
    pub created_ms: u64,
    /// The node that its first revision was of.
    pub creator: String,
}

/// A number and what has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// From 1.
    pub number: u64,
    /// The update.
    pub dot: Dot,
    /// When it came, in milliseconds since 1970; never less than of a lower number.
    pub arrived_ms: u64,
}

/// What is kept of a section, but for its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct GroupRow {
    articles: u64,
    high: u64,
    /// Revisions numbered so far.
    count: u64,
    created_ms: u64,
    creator: String,
}

impl GroupRow {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24 + self.creator.len());
        for number in [self.articles, self.high, self.count, self.created_ms] {
            put_varint(&mut out, number);
        }
        put_short(&mut out, &self.creator);
        out
    }

    fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let read = || {
            let mut reader = Reader::new(row);
            Some(Self {
                articles: reader.varint().ok()?,
                high: reader.varint().ok()?,
                count: reader.varint().ok()?,
                created_ms: reader.varint().ok()?,
                creator: std::str::from_utf8(reader.short().ok()?).ok()?.to_owned(),
            })
        };
        read().ok_or(StoreError::IndexBroken)
    }

    fn group(self, section: &str) -> Group {
        let Self { articles, high, created_ms, creator, .. } = self;
        Group { section: section.to_owned(), articles, high, created_ms, creator }
    }
}

fn group_key(section: &str) -> Vec<u8> {
    [GROUP_TABLE, section.as_bytes()].concat()
}

fn article_key(section: &str, number: u64) -> Vec<u8> {
    [ARTICLE_TABLE, section.as_bytes(), &[0], &number.to_be_bytes()].concat()
}

fn dot_key(dot: Dot) -> Vec<u8> {
    let mut key = DOT_TABLE.to_vec();
    put_dot(&mut key, dot);
    key
}

fn group_row(shelf: &impl Shelf, section: &str) -> Result<Option<GroupRow>, StoreError> {
    let row = shelf.get(&group_key(section))?;
    row.map(|row| GroupRow::decode(&row)).transpose()
}

/// How far the log was numbered; `None` when nothing was.
pub fn numbering(shelf: &impl Shelf) -> Result<Option<Progress>, StoreError> {
    let Some(row) = shelf.get(PROGRESS_KEY)? else { return Ok(None) };
    let read = || {
        let mut reader = Reader::new(&row);
        Some(Progress {
            place: Place(reader.u64().ok()?),
            skipped: reader.u64().ok()?,
            arrived_ms: reader.u64().ok()?,
        })
    };
    read().map(Some).ok_or(StoreError::IndexBroken)
}

/// Remembers how far the log was numbered.
pub fn put_numbering(shelf: &mut impl Shelf, progress: Progress) {
    let Progress { place, skipped, arrived_ms } = progress;
    let numbers = [place.0, skipped, arrived_ms];
    shelf.put(PROGRESS_KEY.to_vec(), numbers.map(u64::to_be_bytes).concat());
}

/// Gives the next update of the log its number, if it is a revision. It came at `now_ms`
/// (milliseconds since 1970).
pub fn number(
    shelf: &mut impl Shelf,
    update: &Update,
    progress: &mut Progress,
    now_ms: u64,
) -> Result<(), StoreError> {
    if update.kind() != Kind::Revision || update.topic() != TOPIC_STORIES {
        return Ok(());
    }
    if update.is_erased() {
        progress.skipped += 1;
        return Ok(());
    }
    let Ok(revision) = Revision::decode(update.payload()) else { return Ok(()) };
    progress.arrived_ms = progress.arrived_ms.max(now_ms);
    let section = revision.section;
    let mut row = group_row(shelf, section)?.unwrap_or_else(|| GroupRow {
        created_ms: progress.arrived_ms,
        creator: update.origin().to_owned(),
        ..GroupRow::default()
    });
    row.articles += 1;
    row.count += 1;
    row.high = row.count + progress.skipped;
    let mut value = Vec::with_capacity(24);
    put_dot(&mut value, update.dot());
    value.extend_from_slice(&progress.arrived_ms.to_be_bytes());
    shelf.put(article_key(section, row.high), value);
    let value = [&row.high.to_be_bytes(), section.as_bytes()].concat();
    shelf.put(dot_key(update.dot()), value);
    shelf.put(group_key(section), row.encode());
    Ok(())
}

/// Takes the number of an update away, if it has one: it is withdrawn or dropped.
pub(super) fn unnumber(shelf: &mut impl Shelf, dot: Dot) -> Result<(), StoreError> {
    let Some((section, number)) = number_of(shelf, dot)? else { return Ok(()) };
    shelf.delete(&dot_key(dot));
    shelf.delete(&article_key(&section, number));
    if let Some(mut row) = group_row(shelf, &section)? {
        row.articles = row.articles.saturating_sub(1);
        shelf.put(group_key(&section), row.encode());
    }
    Ok(())
}

/// The section and the number of an update; `None` when it has none, or none yet.
pub fn number_of(shelf: &impl Shelf, dot: Dot) -> Result<Option<(String, u64)>, StoreError> {
    let Some(row) = shelf.get(&dot_key(dot))? else { return Ok(None) };
    let read = || {
        let (number, section) = row.split_first_chunk()?;
        let section = std::str::from_utf8(section).ok()?;
        Some((section.to_owned(), u64::from_be_bytes(*number)))
    };
    read().map(Some).ok_or(StoreError::IndexBroken)
}

/// A section that has, or had, numbered revisions.
pub fn group(shelf: &impl Shelf, section: &str) -> Result<Option<Group>, StoreError> {
    Ok(group_row(shelf, section)?.map(|row| row.group(section)))
}

/// Sections with numbered revisions by name, at most `limit`, from the first behind `after` on.
pub fn groups(
    shelf: &impl Shelf,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Group>, StoreError> {
    let from = after.map(group_key);
    let from = match &from {
        Some(key) => Bound::Excluded(&key[..]),
        None => Bound::Included(GROUP_TABLE),
    };
    let rows = shelf.scan(from, Bound::Excluded(b"#h"), limit, Direction::Up)?;
    let group = |(key, row): &(Vec<u8>, Vec<u8>)| {
        let section = std::str::from_utf8(&key[GROUP_TABLE.len()..]);
        let section = section.map_err(|_| StoreError::IndexBroken)?;
        Ok(GroupRow::decode(row)?.group(section))
    };
    rows.iter().map(group).collect()
}

/// What has numbers within a range, at most `limit` of it, from the direction's end of the range.
pub fn numbered(
    shelf: &impl Shelf,
    section: &str,
    range: RangeInclusive<u64>,
    limit: usize,
    direction: Direction,
) -> Result<Vec<Numbered>, StoreError> {
    if range.is_empty() {
        return Ok(Vec::new());
    }
    let (from, to) = (article_key(section, *range.start()), article_key(section, *range.end()));
    let (from, to) = (Bound::Included(&from[..]), Bound::Included(&to[..]));
    shelf.scan(from, to, limit, direction)?.iter().map(|(key, row)| read(key, row)).collect()
}

fn read(key: &[u8], row: &[u8]) -> Result<Numbered, StoreError> {
    let read = || {
        let (_, number) = key.split_last_chunk()?;
        let mut reader = Reader::new(row);
        let dot = dot(&mut reader)?;
        let arrived_ms = reader.u64().ok()?;
        Some(Numbered { number: u64::from_be_bytes(*number), dot, arrived_ms })
    };
    read().ok_or(StoreError::IndexBroken)
}

#[cfg(test)]
mod tests {
    use super::super::{Withdrawal, apply};
    use super::*;
    use crate::update::Draft;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Map = BTreeMap<Vec<u8>, Vec<u8>>;

    fn seal(seq: u64, kind: Kind, payload: &[u8]) -> Update {
        Update::seal(Draft { kind, payload, ..Draft::sample(seq) }).unwrap()
    }

    fn revision(seq: u64, title: &str, section: &str) -> Update {
        let revision = Revision { generation: 1, title, section, ..Revision::default() };
        seal(seq, Kind::Revision, &revision.encode().unwrap())
    }

    fn withdrawal(seq: u64, title: &str) -> Update {
        let gone = Withdrawal { title, reason: "", wire: b"" };
        seal(seq, Kind::Withdrawal, &gone.encode().unwrap())
    }

    const START: Progress = Progress { place: Place::START, skipped: 0, arrived_ms: 0 };

    /// Applies updates and numbers them; update `n` comes at `10 * n` milliseconds.
    fn fill(shelf: &mut Map, progress: &mut Progress, updates: &[Update]) {
        for update in updates {
            apply(shelf, update).unwrap();
            number(shelf, update, progress, update.dot().seq * 10).unwrap();
        }
    }

    fn all(shelf: &Map, section: &str) -> Vec<(u64, u64)> {
        let all = 0..=u64::MAX;
        let found = numbered(shelf, section, all, usize::MAX, Direction::Up).unwrap();
        found.iter().map(|numbered| (numbered.number, numbered.dot.seq)).collect()
    }

    #[test]
    fn each_section_counts_its_own_in_the_order_of_the_log() {
        let (mut shelf, mut progress) = (Map::new(), START);
        let sections = ["world", "", "world", "wor", "world"];
        let updates: Vec<Update> =
            (1..).zip(sections).map(|(seq, name)| revision(seq, &seq.to_string(), name)).collect();
        fill(&mut shelf, &mut progress, &updates);
        assert_eq!(all(&shelf, "world"), [(1, 1), (2, 3), (3, 5)]);
        assert_eq!(all(&shelf, "wor"), [(1, 4)]);
        assert_eq!(all(&shelf, ""), [(1, 2)]);
        let names = |after, limit| {
            let groups = groups(&shelf, after, limit).unwrap();
            groups.into_iter().map(|group| group.section).collect::<Vec<_>>()
        };
        assert_eq!(names(None, 9), ["", "wor", "world"]);
        assert_eq!(names(None, 2), ["", "wor"]);
        assert_eq!(names(Some("wor"), 9), ["world"]);
        let world = group(&shelf, "world").unwrap().unwrap();
        assert_eq!((world.articles, world.high, world.created_ms), (3, 3, 10));
        assert_eq!(world.creator, "Hill");
        assert_eq!(group(&shelf, "nowhere").unwrap(), None);
        let last = numbered(&shelf, "world", 0..=2, 1, Direction::Down).unwrap();
        assert_eq!((last[0].number, last[0].arrived_ms), (2, 30));
        assert_eq!(number_of(&shelf, updates[4].dot()).unwrap(), Some(("world".to_owned(), 3)));
        put_numbering(&mut shelf, progress);
        assert_eq!(numbering(&shelf).unwrap(), Some(progress));
    }

    #[test]
    fn what_is_withdrawn_leaves_its_number_free() {
        let (mut shelf, mut progress) = (Map::new(), START);
        let updates = [
            revision(1, "a", "world"),
            revision(2, "b", "world"),
            withdrawal(3, "b"),
            revision(4, "c", "world"),
        ];
        fill(&mut shelf, &mut progress, &updates);
        assert_eq!(all(&shelf, "world"), [(1, 1), (3, 4)]);
        assert_eq!(number_of(&shelf, updates[1].dot()).unwrap(), None);
        assert_eq!(group(&shelf, "world").unwrap().unwrap().articles, 2);
        // It comes late: nobody sees it, and it might have been of any section.
        let late = revision(5, "b", "world");
        apply(&mut shelf, &late).unwrap();
        number(&mut shelf, &late.erase(), &mut progress, 50).unwrap();
        fill(&mut shelf, &mut progress, &[revision(6, "d", "world")]);
        assert_eq!(all(&shelf, "world"), [(1, 1), (3, 4), (5, 6)]);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nothing_older_than_what_came_before() {
        let (mut shelf, mut progress) = (Map::new(), START);
        for (seq, ms) in [(1, 100), (2, 50), (3, 120)] {
            let update = revision(seq, &seq.to_string(), "world");
            number(&mut shelf, &update, &mut progress, ms).unwrap();
        }
        let found = numbered(&shelf, "world", 1..=9, 9, Direction::Up).unwrap();
        let came: Vec<u64> = found.iter().map(|numbered| numbered.arrived_ms).collect();
        assert_eq!(came, [100, 100, 120]);
    }

    proptest! {
        #[test]
        fn a_log_numbered_again_without_what_was_erased_gives_no_lower_numbers(
            sections in prop::collection::vec((0..3_usize, any::<bool>()), 1..30),
        ) {
            let name = |section: usize| ["a", "b", "c"][section];
            let (mut before, mut progress) = (Map::new(), START);
            let (mut after, mut again) = (Map::new(), START);
            for (seq, (section, is_erased)) in (1..).zip(&sections) {
                let update = revision(seq, &seq.to_string(), name(*section));
                number(&mut before, &update, &mut progress, 1).unwrap();
                let stands = if *is_erased { update.erase() } else { update };
                number(&mut after, &stands, &mut again, 1).unwrap();
            }
            let is_whole = sections.iter().all(|(_, is_erased)| !is_erased);
            for section in 0..3 {
                let (old, new) = (all(&before, name(section)), all(&after, name(section)));
                prop_assert!(!is_whole || old == new);
                for (number, seq) in &new {
                    let same = old.iter().find(|(_, of)| of == seq).unwrap();
                    prop_assert!(*number >= same.0, "{seq} had {} and has {number}", same.0);
                }
                prop_assert!(new.windows(2).all(|two| two[0].0 < two[1].0));
            }
        }
    }
}
