//! Answers: the best of the newest stories that match, and what of them matched.

use super::ask::Ask;
use super::index::{Fault, Index};
use super::schema::{NUMBERS_PER_MS, section_word};
use super::text::shown;
use crate::update::{Cid, Hlc};
use rusqlite::{Row, params};

/// Of more stories that match the newest so many are ranked: what a common word costs is bounded.
const RANKED_MAX: i64 = 1_000;
/// How deep one may go into a ranking.
const OFFSET_MAX: usize = 1_000;
/// Begins and ends what matched; in no text that is kept.
const OPEN: char = '\u{1}';
const CLOSE: char = '\u{2}';

/// FTS5's bm25 (smaller is better): words of the title and headline weigh more than others.
const RANK: &str = "
SELECT n FROM (
    SELECT rowid AS n, bm25(words, 8.0, 6.0, 2.0, 1.0, 0.0) AS score FROM words
    WHERE words MATCH ?1 AND rowid >= ?2 AND rowid < ?3 ORDER BY rowid DESC LIMIT ?4
) ORDER BY score, n DESC LIMIT ?5 OFFSET ?6";

const SHOW: &str = "
SELECT story.title, story.id, story.at, story.section,
    highlight(words, 1, ?3, ?4), snippet(words, 3, ?3, ?4, '…', 32)
FROM words JOIN story ON story.n = words.rowid WHERE words MATCH ?1 AND words.rowid = ?2";

/// A piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it says.
    pub text: String,
    /// It is what was asked for.
    pub is_match: bool,
}

/// A story that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its title.
    pub title: String,
    /// The revision that was searched: its head a moment ago.
    pub id: Cid,
    /// When that was written.
    pub at: Hlc,
    /// Its section; may be empty.
    pub section: String,
    /// Its headline; nothing when it has none.
    pub headline: Vec<Part>,
    /// The piece of its body in which most of what was asked for stands; its beginning when nothing
    /// does.
    pub snippet: Vec<Part>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The best first.
    pub hits: Vec<Hit>,
    /// There are more behind them.
    pub is_more: bool,
}

impl Index {
    /// Answers a question.
    pub fn find(&self, ask: &Ask) -> Result<Found, Fault> {
        let expression = match &ask.section {
            Some(section) => {
                format!("({}) AND section_word : \"{}\"", ask.expression, section_word(section))
            }
            None => ask.expression.clone(),
        };
        // One look at the file: nothing goes between the ranking and what is shown of it.
        let _snapshot = self.conn.unchecked_transaction()?;
        let mut numbers = self.rank(ask, &expression)?;
        let is_more = numbers.len() > ask.limit;
        numbers.truncate(ask.limit);
        let mut show = self.conn.prepare_cached(SHOW)?;
        let (open, close) = (OPEN.to_string(), CLOSE.to_string());
        let show = |n: &i64| show.query_row(params![expression, n, open, close], hit);
        let hits: Result<Vec<Hit>, rusqlite::Error> = numbers.iter().map(show).collect();
        Ok(Found { hits: hits?, is_more })
    }

    /// The numbers of the best, one more than is wanted.
    fn rank(&self, ask: &Ask, expression: &str) -> Result<Vec<i64>, Fault> {
        // Beyond this no number is one of SQLite's.
        let edge = |ms: u64| ms.min(1 << 48) as i64 * NUMBERS_PER_MS;
        let from = edge(ask.since_ms.unwrap_or(0));
        let to = edge(ask.until_ms.unwrap_or(u64::MAX));
        let (wanted, offset) = (ask.limit as i64 + 1, ask.offset.min(OFFSET_MAX) as i64);
        let asked = params![expression, from, to, RANKED_MAX, wanted, offset];
        let mut rank = self.conn.prepare_cached(RANK)?;
        let numbers = rank.query_map(asked, |row| row.get(0))?;
        Ok(numbers.collect::<Result<_, _>>()?)
    }
}

fn hit(row: &Row<'_>) -> Result<Hit, rusqlite::Error> {
    Ok(Hit {
        title: row.get(0)?,
        id: Cid(row.get(1)?),
        at: Hlc(row.get::<_, i64>(2)? as u64),
        section: row.get(3)?,
        headline: parts(&row.get::<_, String>(4)?),
        snippet: parts(&row.get::<_, String>(5)?),
    })
}

/// Cuts a text at its marks.
fn parts(marked: &str) -> Vec<Part> {
    let mut found = Vec::new();
    for piece in marked.split(OPEN) {
        let (matched, rest) = piece.split_once(CLOSE).unwrap_or(("", piece));
        for (text, is_match) in [(matched, true), (rest, false)] {
            let text = shown(text);
            if !text.is_empty() {
                found.push(Part { text, is_match });
            }
        }
    }
    found
}
