//! Answers of any length: groups, ids, overviews, headers. They are written a piece a turn, as far
//! as the reader takes them, so that a group of any size costs the same few bytes.

use super::articles::{marks, outline, visible};
use super::fields::{Field, overview};
use super::outlet::Outlet;
use crate::base::Wildmat;
use crate::news::{self, Group, Numbered};
use crate::proto::nntp::{put_end, put_line, put_reply};
use crate::reactor::Ctx;
use crate::serve::Desk;
use crate::serve::usenet::{self, Outline};
use crate::store::{Direction, StoreError};

/// Rows of the index that are looked at in one piece.
const ROWS: usize = 256;
/// Articles that are read in one piece: each is read from the log and its head is printed.
const ARTICLES: usize = 32;
/// A piece is over with the line that goes past so many bytes.
const PIECE_BYTES: usize = 16 << 10;

/// What is left of a turn's share for one connection.
#[derive(Debug)]
pub(super) struct Share {
    bytes: usize,
}

impl Share {
    /// Of so many bytes, read of the archive and written: what goes past them is the last.
    pub(super) fn new(bytes: usize) -> Self {
        Self { bytes }
    }

    pub(super) fn is_used(&self) -> bool {
        self.bytes == 0
    }

    fn take(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// A long answer under way.
#[derive(Debug)]
pub(super) struct Listing {
    walk: Walk,
    /// The reply before the block, until it is said.
    opening: Option<(u16, String)>,
    /// Instead of the reply and an empty block.
    if_none: Option<(u16, &'static str)>,
}

#[derive(Debug)]
enum Walk {
    Groups(Groups),
    Articles(Articles),
    News(News),
}

/// What is told of each group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Name, high, low, status.
    Active,
    /// Name, when it was made, by whom.
    Times,
    /// Name and what it is about.
    Newsgroups,
    /// Name, high, low, count, status.
    Counts,
}

#[derive(Debug)]
struct Groups {
    of: Of,
    wildmat: String,
    /// Only those made since, in milliseconds since 1970.
    since_ms: u64,
    /// The section that was looked at last.
    after: Option<String>,
}

/// What is told of each article.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Each {
    /// Its number.
    Number,
    /// Its line of OVER.
    Overview,
    /// The value of a field.
    Field(Field),
    /// The same, if it matches this wildmat.
    Matching(Field, String),
}

#[derive(Debug)]
struct Articles {
    section: String,
    each: Each,
    next: u64,
    last: u64,
}

#[derive(Debug)]
struct News {
    wildmat: String,
    since_ms: u64,
    after: Option<String>,
    /// The group that is read, the next number there, and the last.
    within: Option<(String, u64, u64)>,
}

/// Where a piece ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    End,
    More,
}

impl Listing {
    /// Lists groups made since a moment (milliseconds since 1970).
    pub(super) fn groups(reply: (u16, &str), of: Of, wildmat: Wildmat<'_>, since_ms: u64) -> Self {
        let wildmat = wildmat.as_str().to_owned();
        let walk = Walk::Groups(Groups { of, wildmat, since_ms, after: None });
        Self { walk, opening: Some((reply.0, reply.1.to_owned())), if_none: None }
    }

    /// Lists articles of a section from one number to another. Without any, `if_none` is said, or
    /// an empty list is.
    pub(super) fn articles(
        reply: (u16, String),
        each: Each,
        section: String,
        (next, last): (u64, u64),
        if_none: Option<(u16, &'static str)>,
    ) -> Self {
        let walk = Walk::Articles(Articles { section, each, next, last });
        Self { walk, opening: Some(reply), if_none }
    }

    /// Lists the ids of articles that came since a moment (milliseconds since 1970).
    pub(super) fn news(wildmat: Wildmat<'_>, since_ms: u64) -> Self {
        let wildmat = wildmat.as_str().to_owned();
        let walk = Walk::News(News { wildmat, since_ms, after: None, within: None });
        Self { walk, opening: Some((230, "new articles follow".to_owned())), if_none: None }
    }

    /// Writes the next piece; true when that was the last. With an error nothing more can be said:
    /// the reader must not take what it has for all.
    pub(super) fn pour<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &D,
        outlet: &mut Outlet,
        share: &mut Share,
    ) -> Result<bool, StoreError> {
        let mut piece = Vec::new();
        let reached = match &mut self.walk {
            Walk::Groups(groups) => groups.pour(desk, &mut piece)?,
            Walk::Articles(articles) => articles.pour(desk, &mut piece, share)?,
            Walk::News(news) => news.pour(desk, &mut piece, share)?,
        };
        let is_over = reached == Reached::End;
        let is_none = piece.is_empty() && is_over && self.opening.is_some();
        outlet.put(cx, |out| match (self.if_none, self.opening.take()) {
            (Some((code, text)), _) if is_none => put_reply(out, code, text),
            (_, opening) if !piece.is_empty() || is_over => {
                if let Some((code, text)) = opening {
                    put_reply(out, code, &text);
                }
                out.extend_from_slice(&piece);
                if is_over {
                    put_end(out);
                }
            }
            (_, opening) => self.opening = opening,
        });
        Ok(is_over)
    }
}

impl Groups {
    fn pour<D: Desk>(&mut self, desk: &D, out: &mut Vec<u8>) -> Result<Reached, StoreError> {
        let groups = news::groups(desk.store().index(), self.after.as_deref(), ROWS)?;
        let wildmat = Wildmat::parse(&self.wildmat).unwrap_or(Wildmat::ALL);
        for group in &groups {
            let name = usenet::group_of(&group.section);
            if group.created_ms >= self.since_ms && wildmat.matches(&name) {
                put_line(out, line_of(desk, self.of, group, &name)?.as_bytes());
            }
        }
        let is_over = groups.len() < ROWS;
        if let Some(last) = groups.into_iter().last() {
            self.after = Some(last.section);
        }
        Ok(if is_over { Reached::End } else { Reached::More })
    }
}

fn line_of<D: Desk>(desk: &D, of: Of, group: &Group, name: &str) -> Result<String, StoreError> {
    let (count, low, high) = match of {
        Of::Active | Of::Counts => marks(desk, group)?,
        Of::Times | Of::Newsgroups => (0, 0, 0),
    };
    Ok(match of {
        Of::Active => format!("{name} {high} {low} y"),
        Of::Counts => format!("{name} {high} {low} {count} y"),
        Of::Times => {
            let by = group.creator.replace([' ', '\t'], "-");
            format!("{name} {} {by}", group.created_ms / 1000)
        }
        Of::Newsgroups if group.section.is_empty() => {
            format!("{name}\tStories that are in no section")
        }
        Of::Newsgroups => format!("{name}\tStories of the section {}", group.section),
    })
}

impl Articles {
    fn pour<D: Desk>(
        &mut self,
        desk: &D,
        out: &mut Vec<u8>,
        share: &mut Share,
    ) -> Result<Reached, StoreError> {
        let limit = if self.each == Each::Number { ROWS } else { ARTICLES };
        let index = desk.store().index();
        let range = self.next..=self.last;
        let found = news::numbered(index, &self.section, range, limit, Direction::Up)?;
        for numbered in &found {
            if share.is_used() || out.len() >= PIECE_BYTES {
                self.next = numbered.number;
                return Ok(Reached::More);
            }
            let before = out.len();
            let read = self.put(desk, *numbered, out)?;
            share.take(read + out.len() - before);
        }
        match found.last() {
            Some(last) if found.len() == limit && last.number < self.last => {
                self.next = last.number + 1;
                Ok(Reached::More)
            }
            _ => Ok(Reached::End),
        }
    }

    /// Writes what is told of an article; how many bytes were read for that.
    fn put<D: Desk>(
        &self,
        desk: &D,
        numbered: Numbered,
        out: &mut Vec<u8>,
    ) -> Result<usize, StoreError> {
        let number = numbered.number;
        if self.each == Each::Number {
            put_line(out, number.to_string().as_bytes());
            return Ok(0);
        }
        let Some(update) = visible(desk, numbered.dot)? else { return Ok(0) };
        let outline = outline(desk, &update)?;
        if let Some(line) = outline.and_then(|outline| self.each.line(number, &outline)) {
            put_line(out, line.as_bytes());
        }
        Ok(update.payload().len())
    }
}

impl Each {
    /// What is told of an article; `None` when that is nothing.
    pub(super) fn line(&self, number: u64, article: &Outline) -> Option<String> {
        match self {
            Self::Number => Some(number.to_string()),
            Self::Overview => Some(overview(number, article)),
            Self::Field(field) => Some(format!("{number} {}", field.of(article))),
            Self::Matching(field, wildmat) => {
                let value = field.of(article);
                let wildmat = Wildmat::parse(wildmat).unwrap_or(Wildmat::ALL);
                wildmat.matches(&value).then(|| format!("{number} {value}"))
            }
        }
    }
}

impl News {
    fn pour<D: Desk>(
        &mut self,
        desk: &D,
        out: &mut Vec<u8>,
        share: &mut Share,
    ) -> Result<Reached, StoreError> {
        let index = desk.store().index();
        if let Some((section, next, last)) = self.within.take() {
            let found = news::numbered(index, &section, next..=last, ARTICLES, Direction::Up)?;
            for numbered in &found {
                if share.is_used() {
                    self.within = Some((section, numbered.number, last));
                    return Ok(Reached::More);
                }
                if let Some(update) = visible(desk, numbered.dot)? {
                    share.take(update.payload().len());
                    put_line(out, usenet::message_id(&update).as_bytes());
                }
            }
            if let Some(end) = found.last().filter(|_| found.len() == ARTICLES) {
                self.within = Some((section, end.number + 1, last));
            }
            return Ok(Reached::More);
        }
        let wildmat = Wildmat::parse(&self.wildmat).unwrap_or(Wildmat::ALL);
        for _ in 0..ARTICLES {
            let groups = news::groups(index, self.after.as_deref(), 1)?;
            let Some(group) = groups.into_iter().next() else { return Ok(Reached::End) };
            self.after = Some(group.section.clone());
            if wildmat.matches(&usenet::group_of(&group.section))
                && let Some(first) = first_since(desk, &group, self.since_ms)?
            {
                self.within = Some((group.section, first, group.high));
                break;
            }
        }
        Ok(Reached::More)
    }
}

/// The number of a group's first article that came at a moment (milliseconds since 1970) or later.
fn first_since<D: Desk>(desk: &D, group: &Group, since_ms: u64) -> Result<Option<u64>, StoreError> {
    let index = desk.store().index();
    let (mut low, mut high) = (0, group.high + 1);
    // Whatever is below `low` came before; what is at `high` or above did not.
    while low < high {
        let middle = low + (high - low) / 2;
        let range = middle..=group.high;
        let found = news::numbered(index, &group.section, range, 1, Direction::Up)?;
        match found.first() {
            Some(found) if found.arrived_ms < since_ms => low = found.number + 1,
            _ => high = middle,
        }
    }
    Ok((low <= group.high).then_some(low))
}
