//! The rows that news keeps in the index, all of them derived from updates. A key starts with its
//! table's letter; numbers are big-endian, so that keys sort as numbers do; a title or section
//! inside a key ends with a zero byte, which neither can hold.
//!
//! | table | key | value | is |
//! |---|---|---|---|
//! | `r` | cid | [`RevisionRow`] | each revision applied, and where it belongs |
//! | `s` | title | [`StoryRow`] | each story: its counts, its head, its withdrawal |
//! | `h` | title 0 generation cid | [`HeadRow`] | the heads: revisions that none follows |
//! | `f` | title 0 cid | [`FollowedRow`] | each revision, here or not, that one here follows |
//! | `v` | title 0 clock cid | [`HistoryRow`] | the revisions of a story by time |
//! | `a` | title 0 alias | [`AliasRow`] | which revision stands for all of an alias |
//! | `u` | alias 0 title | | the stories of Message-IDs that do not name their story |
//! | `d` | title 0 cid | dot | a revision behind the one that stands for its alias |
//! | `t` | clock cid | [`ChangeRow`] | the revisions of `v` and the withdrawals, by time |
//! | `l` | clock title | | stories by the clock of their head, withdrawn ones left out |
//! | `c` | section 0 clock title | | the same within a section |
//! | `n` | section | u64 | how many stories have their head in a section |
//! | `w` | clock title | | withdrawn stories by the clock of their withdrawal |
//! | `g` | code title | | stories by the place of their head, see [`Located`] |
//! | `p` | id of at most 64 bytes | report payload | the newest report of an id |
//! | `q` | BLAKE3 of a longer id | report payload | the same |
//!
//! Numbers, which are each node's own, stand in tables of `numbers.rs`.
//!
//! Of a withdrawn story only its rows in `s` and `w` are left, that of its withdrawal in `t`, and
//! those of its withdrawals' own Message-IDs in `u`.
//! So the rows say nothing that a node can't know that came too late to read what was withdrawn.

use super::revision::{put_counted, put_located, put_short, read_located};
use super::{ChangeKind, Located};
use crate::store::StoreError;
use crate::update::{Cid, Dot, Epoch, Hlc, Reader, put_varint};

/// The tables' letters.
pub(super) mod table {
    pub(in super::super) const REVISION: u8 = b'r';
    pub(in super::super) const STORY: u8 = b's';
    pub(in super::super) const HEAD: u8 = b'h';
    pub(in super::super) const FOLLOWED: u8 = b'f';
    pub(in super::super) const HISTORY: u8 = b'v';
    pub(in super::super) const ALIAS: u8 = b'a';
    pub(in super::super) const MESSAGE: u8 = b'u';
    pub(in super::super) const BEHIND: u8 = b'd';
    pub(in super::super) const CHANGE: u8 = b't';
    pub(in super::super) const LISTED: u8 = b'l';
    pub(in super::super) const IN_SECTION: u8 = b'c';
    pub(in super::super) const SECTION: u8 = b'n';
    pub(in super::super) const WITHDRAWN: u8 = b'w';
    pub(in super::super) const PLACE: u8 = b'g';
    pub(in super::super) const REPORT: u8 = b'p';
    pub(in super::super) const REPORT_HASHED: u8 = b'q';
}

/// A key: the table's letter and the parts behind it.
pub(super) fn key(table: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    out.push(table);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// The keys that start with the table's letter, a text and its zero byte: from the first, up to
/// the second.
pub(super) fn key_range(table: u8, text: &str) -> (Vec<u8>, Vec<u8>) {
    (key(table, &[text.as_bytes(), &[0]]), key(table, &[text.as_bytes(), &[1]]))
}

pub(super) fn head_key(title: &str, generation: u32, cid: Cid) -> Vec<u8> {
    key(table::HEAD, &[title.as_bytes(), &[0], &generation.to_be_bytes(), &cid.0])
}

pub(super) fn followed_key(title: &str, cid: Cid) -> Vec<u8> {
    key(table::FOLLOWED, &[title.as_bytes(), &[0], &cid.0])
}

pub(super) fn alias_key(title: &str, alias: &str) -> Vec<u8> {
    key(table::ALIAS, &[title.as_bytes(), &[0], alias.as_bytes()])
}

pub(super) fn message_key(alias: &str, title: &str) -> Vec<u8> {
    key(table::MESSAGE, &[alias.as_bytes(), &[0], title.as_bytes()])
}

pub(super) fn behind_key(title: &str, cid: Cid) -> Vec<u8> {
    key(table::BEHIND, &[title.as_bytes(), &[0], &cid.0])
}

/// The id at the end of a key of `v`, `d` or `t`.
pub(super) fn key_cid(key: &[u8]) -> Result<Cid, StoreError> {
    key.last_chunk().map(|cid| Cid(*cid)).ok_or(StoreError::IndexBroken)
}

pub(super) fn history_key(title: &str, clock: Hlc, cid: Cid) -> Vec<u8> {
    key(table::HISTORY, &[title.as_bytes(), &[0], &clock.0.to_be_bytes(), &cid.0])
}

pub(super) fn change_key(clock: Hlc, cid: Cid) -> Vec<u8> {
    key(table::CHANGE, &[&clock.0.to_be_bytes(), &cid.0])
}

/// The moment and the id of a key of `t`, and of the end of one of `v`.
pub(super) fn read_moment(key: &[u8]) -> Result<(Hlc, Cid), StoreError> {
    let read = || {
        let (_, end) = key.split_last_chunk::<40>()?;
        let mut reader = Reader::new(end);
        Some((Hlc(reader.u64().ok()?), Cid(reader.array().ok()?)))
    };
    read().ok_or(StoreError::IndexBroken)
}

pub(super) fn listed_key(clock: Hlc, title: &str) -> Vec<u8> {
    key(table::LISTED, &[&clock.0.to_be_bytes(), title.as_bytes()])
}

pub(super) fn withdrawn_key(clock: Hlc, title: &str) -> Vec<u8> {
    key(table::WITHDRAWN, &[&clock.0.to_be_bytes(), title.as_bytes()])
}

pub(super) fn in_section_key(section: &str, clock: Hlc, title: &str) -> Vec<u8> {
    let clock = clock.0.to_be_bytes();
    key(table::IN_SECTION, &[section.as_bytes(), &[0], &clock, title.as_bytes()])
}

pub(super) fn place_key(located: Located, title: &str) -> Vec<u8> {
    key(table::PLACE, &[&located.code().to_be_bytes(), title.as_bytes()])
}

/// The place and the story of a key of `g`.
pub(super) fn read_place_key(row: &[u8]) -> Result<(Located, &str), StoreError> {
    let read = || {
        let mut reader = Reader::new(row.get(1..)?);
        let located = Located::from_code(reader.u64().ok()?)?;
        Some((located, std::str::from_utf8(reader.rest()).ok()?))
    };
    read().ok_or(StoreError::IndexBroken)
}

/// Where a revision belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RevisionRow {
    pub(super) dot: Dot,
    pub(super) clock: Hlc,
    pub(super) generation: u32,
    /// Empty for none.
    pub(super) alias: String,
    pub(super) title: String,
}

impl RevisionRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(29 + self.alias.len() + self.title.len());
        put_dot(&mut out, self.dot);
        out.extend_from_slice(&self.clock.0.to_be_bytes());
        out.extend_from_slice(&self.generation.to_be_bytes());
        put_short(&mut out, &self.alias);
        out.extend_from_slice(self.title.as_bytes());
        out
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let read = || {
            let mut reader = Reader::new(row);
            Some(Self {
                dot: dot(&mut reader)?,
                clock: Hlc(reader.u64().ok()?),
                generation: reader.u32().ok()?,
                alias: text(reader.short().ok()?)?,
                title: text(reader.rest())?,
            })
        };
        read().ok_or(StoreError::IndexBroken)
    }
}

/// What is shown of a head without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeadRow {
    pub(super) dot: Dot,
    pub(super) clock: Hlc,
    pub(super) located: Option<Located>,
    pub(super) section: String,
    pub(super) author: String,
    pub(super) headline: String,
}

impl HeadRow {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_dot(out, self.dot);
        out.extend_from_slice(&self.clock.0.to_be_bytes());
        put_located(out, self.located);
        put_short(out, &self.section);
        put_short(out, &self.author);
        put_counted(out, self.headline.as_bytes());
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self, StoreError> {
        Self::read(&mut Reader::new(row)).ok_or(StoreError::IndexBroken)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            dot: dot(reader)?,
            clock: Hlc(reader.u64().ok()?),
            located: read_located(reader).ok()?,
            section: text(reader.short().ok()?)?,
            author: text(reader.short().ok()?)?,
            headline: text(reader.counted().ok()?)?,
        })
    }
}

/// Which revision a head is: the greatest key is the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HeadRank {
    pub(super) generation: u32,
    pub(super) cid: Cid,
}

impl HeadRank {
    /// Reads the end of a key of `h`.
    pub(super) fn from_key(key: &[u8]) -> Result<Self, StoreError> {
        let read = || {
            let (_, end) = key.split_last_chunk::<36>()?;
            let mut reader = Reader::new(end);
            Some(Self { generation: reader.u32().ok()?, cid: Cid(reader.array().ok()?) })
        };
        read().ok_or(StoreError::IndexBroken)
    }
}

/// Who follows a revision: revisions of one alias only, which do not count for one of that alias
/// itself, or others too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FollowedRow(String);

impl FollowedRow {
    /// Followed by one of this alias; empty: of none.
    pub(super) fn by(alias: &str) -> Self {
        Self(alias.to_owned())
    }

    /// Followed by one of this alias too.
    pub(super) fn and_by(self, alias: &str) -> Self {
        if self.0 == alias { self } else { Self(String::new()) }
    }

    /// True when that makes a revision of this alias followed.
    pub(super) fn counts_for(&self, alias: &str) -> bool {
        self.0.is_empty() || self.0 != alias
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self, StoreError> {
        text(row).map(Self).ok_or(StoreError::IndexBroken)
    }
}

/// Revisions that are one to readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AliasRow {
    /// The least of them: the one that is shown.
    pub(super) cid: Cid,
    /// A revision of another alias follows one of them.
    pub(super) is_followed: bool,
}

impl AliasRow {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut out = self.cid.0.to_vec();
        out.push(u8::from(self.is_followed));
        out
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let read = || {
            let mut reader = Reader::new(row);
            let cid = Cid(reader.array().ok()?);
            Some(Self { cid, is_followed: reader.u8().ok()? != 0 })
        };
        read().ok_or(StoreError::IndexBroken)
    }
}

/// How a story was withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WithdrawnRow {
    pub(super) clock: Hlc,
    pub(super) cid: Cid,
    pub(super) reason: String,
}

/// How a story stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoryRow {
    /// Revisions applied, those of one alias counted once.
    pub(super) revisions: u64,
    /// Rows of the story in `h`.
    pub(super) heads: u32,
    /// The least clock of its updates.
    pub(super) first: Hlc,
    pub(super) withdrawn: Option<WithdrawnRow>,
    /// The greatest of its heads; none while no revision was applied.
    pub(super) head: Option<(HeadRank, HeadRow)>,
}

impl StoryRow {
    pub(super) fn new(first: Hlc) -> Self {
        Self { revisions: 0, heads: 0, first, withdrawn: None, head: None }
    }

    /// The head, as the lists show it: none when the story is withdrawn.
    pub(super) fn listed(&self) -> Option<&HeadRow> {
        let head = self.head.as_ref().map(|(_, row)| row);
        head.filter(|_| self.withdrawn.is_none())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(200);
        put_varint(&mut out, self.revisions);
        put_varint(&mut out, u64::from(self.heads));
        out.extend_from_slice(&self.first.0.to_be_bytes());
        out.push(u8::from(self.withdrawn.is_some()));
        if let Some(withdrawn) = &self.withdrawn {
            out.extend_from_slice(&withdrawn.clock.0.to_be_bytes());
            out.extend_from_slice(&withdrawn.cid.0);
            put_counted(&mut out, withdrawn.reason.as_bytes());
        }
        if let Some((rank, row)) = &self.head {
            out.extend_from_slice(&rank.generation.to_be_bytes());
            out.extend_from_slice(&rank.cid.0);
            row.encode(&mut out);
        }
        out
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self, StoreError> {
        Self::read(&mut Reader::new(row)).ok_or(StoreError::IndexBroken)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let revisions = reader.varint().ok()?;
        let heads = u32::try_from(reader.varint().ok()?).ok()?;
        let first = Hlc(reader.u64().ok()?);
        let mut story = Self { revisions, heads, ..Self::new(first) };
        if reader.u8().ok()? != 0 {
            story.withdrawn = Some(WithdrawnRow {
                clock: Hlc(reader.u64().ok()?),
                cid: Cid(reader.array().ok()?),
                reason: text(reader.counted().ok()?)?,
            });
        }
        if !reader.is_done() {
            let generation = reader.u32().ok()?;
            let rank = HeadRank { generation, cid: Cid(reader.array().ok()?) };
            story.head = Some((rank, HeadRow::read(reader)?));
        }
        Some(story)
    }
}

/// What a story's history shows of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HistoryRow {
    pub(super) dot: Dot,
    pub(super) generation: u32,
    /// The size of the body.
    pub(super) bytes: u64,
    pub(super) parents: Vec<Cid>,
    pub(super) author: String,
    pub(super) summary: String,
}

impl HistoryRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.parents.len() * 32 + self.summary.len());
        put_dot(&mut out, self.dot);
        out.extend_from_slice(&self.generation.to_be_bytes());
        put_varint(&mut out, self.bytes);
        put_varint(&mut out, self.parents.len() as u64);
        for parent in &self.parents {
            out.extend_from_slice(&parent.0);
        }
        put_short(&mut out, &self.author);
        out.extend_from_slice(self.summary.as_bytes());
        out
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self, StoreError> {
        Self::read(&mut Reader::new(row)).ok_or(StoreError::IndexBroken)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let dot = dot(reader)?;
        let generation = reader.u32().ok()?;
        let bytes = reader.varint().ok()?;
        let count = reader.varint().ok()?;
        let parents = (0..count).map(|_| reader.array().ok().map(Cid)).collect::<Option<_>>()?;
        let author = text(reader.short().ok()?)?;
        Some(Self { dot, generation, bytes, parents, author, summary: text(reader.rest())? })
    }
}

/// What the list of changes shows of one, and what it is filtered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChangeRow {
    pub(super) kind: ChangeKind,
    /// Of the revision; empty for a withdrawal.
    pub(super) section: String,
    pub(super) author: String,
    pub(super) title: String,
}

impl ChangeRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let bytes = 3 + self.section.len() + self.author.len() + self.title.len();
        let mut out = Vec::with_capacity(bytes);
        out.push(match self.kind {
            ChangeKind::New => 1,
            ChangeKind::Edit => 2,
            ChangeKind::Withdrawal => 3,
        });
        put_short(&mut out, &self.section);
        put_short(&mut out, &self.author);
        out.extend_from_slice(self.title.as_bytes());
        out
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let read = || {
            let mut reader = Reader::new(row);
            let kind = match reader.u8().ok()? {
                1 => ChangeKind::New,
                2 => ChangeKind::Edit,
                3 => ChangeKind::Withdrawal,
                _ => return None,
            };
            Some(Self {
                kind,
                section: text(reader.short().ok()?)?,
                author: text(reader.short().ok()?)?,
                title: text(reader.rest())?,
            })
        };
        read().ok_or(StoreError::IndexBroken)
    }
}

pub(super) fn put_dot(out: &mut Vec<u8>, dot: Dot) {
    out.extend_from_slice(&dot.epoch.0.to_be_bytes());
    out.extend_from_slice(&dot.seq.to_be_bytes());
}

/// The dot that a row of `d` is, and that one of `v` begins with.
pub(super) fn row_dot(row: &[u8]) -> Result<Dot, StoreError> {
    dot(&mut Reader::new(row)).ok_or(StoreError::IndexBroken)
}

pub(super) fn dot(reader: &mut Reader<'_>) -> Option<Dot> {
    Some(Dot { epoch: Epoch(reader.u64().ok()?), seq: reader.u64().ok()? })
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> HeadRow {
        HeadRow {
            dot: Dot { epoch: Epoch(3), seq: 4 },
            clock: Hlc(5),
            located: Some(Located { lat_udeg: -6, lon_udeg: 7 }),
            section: "sport".into(),
            author: "ann".into(),
            headline: "h".repeat(300),
        }
    }

    #[test]
    fn rows_come_back_and_cut_rows_are_refused() {
        let withdrawn = WithdrawnRow { clock: Hlc(8), cid: Cid([9; 32]), reason: "wrong".into() };
        let rank = HeadRank { generation: 2, cid: Cid([1; 32]) };
        for story in [
            StoryRow::new(Hlc(1)),
            StoryRow { withdrawn: Some(withdrawn), ..StoryRow::new(Hlc(1)) },
            StoryRow {
                revisions: 300,
                heads: 2,
                head: Some((rank, head())),
                ..StoryRow::new(Hlc(1))
            },
        ] {
            assert_eq!(StoryRow::decode(&story.encode()).unwrap(), story);
        }
        let history = HistoryRow {
            dot: head().dot,
            generation: 9,
            bytes: 1000,
            parents: vec![Cid([1; 32]), Cid([2; 32])],
            author: "ann".into(),
            summary: "s".repeat(400),
        };
        let row = history.encode();
        assert_eq!(HistoryRow::decode(&row).unwrap(), history);
        assert!(matches!(HistoryRow::decode(&row[..40]), Err(StoreError::IndexBroken)));
        let mut row = Vec::new();
        head().encode(&mut row);
        assert_eq!(HeadRow::decode(&row).unwrap(), head());
        assert!(HeadRow::decode(&row[..row.len() - 1]).is_err());
        let place = RevisionRow {
            dot: head().dot,
            clock: Hlc(5),
            generation: 9,
            alias: "urn:x".into(),
            title: "t".into(),
        };
        assert_eq!(RevisionRow::decode(&place.encode()).unwrap(), place);
        let alias = AliasRow { cid: rank.cid, is_followed: true };
        assert_eq!(AliasRow::decode(&alias.encode()).unwrap(), alias);
        assert!(AliasRow::decode(&alias.encode()[..32]).is_err());
        let change = ChangeRow {
            kind: ChangeKind::Edit,
            section: "sport".into(),
            author: "ann".into(),
            title: "t".into(),
        };
        assert_eq!(ChangeRow::decode(&change.encode()).unwrap(), change);
        assert!(ChangeRow::decode(&change.encode()[..6]).is_err());
        assert_eq!(read_moment(&change_key(Hlc(7), rank.cid)).unwrap(), (Hlc(7), rank.cid));
        let located = head().located.unwrap();
        assert_eq!(read_place_key(&place_key(located, "t")).unwrap(), (located, "t"));
        assert_eq!(HeadRank::from_key(&head_key("t", 2, rank.cid)).unwrap(), rank);
    }

    #[test]
    fn one_alias_does_not_follow_itself_whatever_else_does() {
        let (same, other) = (FollowedRow::by("x"), FollowedRow::by("y"));
        assert!(!same.counts_for("x") && same.counts_for("y") && same.counts_for(""));
        assert!(!same.clone().and_by("x").counts_for("x"));
        assert_eq!(same.clone().and_by("y"), other.and_by("x"));
        assert!(same.and_by("").counts_for("x"));
        assert!(FollowedRow::by("").counts_for("x") && FollowedRow::by("").counts_for(""));
    }

    #[test]
    fn the_keys_of_one_title_hold_no_other_title() {
        let (from, to) = key_range(table::HEAD, "a");
        for other in ["a ", "ab", "a!", "", "b", "A"] {
            let key = head_key(other, u32::MAX, Cid([255; 32]));
            assert!(!(from.as_slice()..to.as_slice()).contains(&key.as_slice()), "{other}");
        }
        let own = head_key("a", u32::MAX, Cid([255; 32]));
        assert!((from..to).contains(&own));
    }
}
