//! What a reader asks for, made out of what a person typed. Pure: text in, an FTS5 expression out.
//!
//! `flood river` both words · `"high water"` a phrase · `flo*` words that begin so (from two
//! letters on) · `-rain` not this word. Nothing else has a meaning: each word is quoted, so that no
//! operator and no column name of FTS5 can be typed.

use super::text::spaced;
use std::fmt;
use std::fmt::Write as _;

/// The longest question, in bytes.
const QUERY_BYTES_MAX: usize = 512;
/// The most words and phrases of one question: each costs a walk through its list of stories.
const TERMS_MAX: usize = 16;
/// A shorter beginning of a word is taken for the word: half of all stories have a word with it.
const PREFIX_CHARS_MIN: usize = 2;
/// The columns that people search.
const COLUMNS: &str = "{title headline author body}";

/// Why a text can't be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAsk {
    /// It has no word to look for; words that must not occur are not enough.
    Empty,
    /// It is longer than 512 bytes, or has more than 16 words.
    Long,
}

impl fmt::Display for BadAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a search needs a word to look for"),
            Self::Long => {
                write!(f, "a search has at most {TERMS_MAX} words and {QUERY_BYTES_MAX} bytes")
            }
        }
    }
}

impl std::error::Error for BadAsk {}

/// What a reader asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The FTS5 expression of the words.
    pub(super) expression: String,
    /// Only stories whose head is in this section.
    pub section: Option<String>,
    /// Only stories whose head was written at or after this moment, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// Only stories whose head was written before this moment, in milliseconds since 1970.
    pub until_ms: Option<u64>,
    /// How many of the best hits are passed over.
    pub offset: usize,
    /// The most hits that are wanted.
    pub limit: usize,
}

impl Ask {
    /// Reads what a person typed. All else asks for nothing in particular.
    pub fn read(typed: &str, limit: usize) -> Result<Self, BadAsk> {
        if typed.len() > QUERY_BYTES_MAX {
            return Err(BadAsk::Long);
        }
        let terms = terms(typed);
        if terms.len() > TERMS_MAX {
            return Err(BadAsk::Long);
        }
        let (without, with): (Vec<&Term>, Vec<&Term>) =
            terms.iter().partition(|term| term.is_unwanted);
        if with.is_empty() {
            return Err(BadAsk::Empty);
        }
        let mut expression = format!("{COLUMNS} : (({})", joined(&with, " AND "));
        if !without.is_empty() {
            let written = write!(expression, " NOT ({})", joined(&without, " OR "));
            debug_assert!(written.is_ok(), "a String takes all");
        }
        expression.push(')');
        Ok(Self { expression, section: None, since_ms: None, until_ms: None, offset: 0, limit })
    }
}

/// A word, a phrase, or the beginning of either's last word.
#[derive(Debug, PartialEq, Eq)]
struct Term {
    text: String,
    is_prefix: bool,
    is_unwanted: bool,
}

impl Term {
    /// As FTS5 reads it: a string in which quotes are doubled.
    fn quoted(&self) -> String {
        let text = spaced(&self.text).replace('"', "\"\"");
        if self.is_prefix { format!("\"{text}\" *") } else { format!("\"{text}\"") }
    }
}

fn joined(terms: &[&Term], by: &str) -> String {
    terms.iter().map(|term| term.quoted()).collect::<Vec<_>>().join(by)
}

fn terms(typed: &str) -> Vec<Term> {
    let mut found = Vec::new();
    let mut rest = typed.trim_start();
    while !rest.is_empty() {
        let is_unwanted = rest.starts_with('-');
        rest = rest.strip_prefix('-').unwrap_or(rest);
        let (text, behind) = if let Some(phrase) = rest.strip_prefix('"') {
            phrase.split_once('"').unwrap_or((phrase, ""))
        } else {
            let ends = |c: char| c.is_whitespace() || c == '"' || c == '*';
            rest.split_at(rest.find(ends).unwrap_or(rest.len()))
        };
        let is_starred = behind.starts_with('*');
        rest = behind.trim_start_matches('*').trim_start();
        // What is left of a term without letters is no phrase at all to FTS5, and matches nothing.
        if text.chars().any(char::is_alphanumeric) {
            let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let last = text.split(|c: char| !c.is_alphanumeric()).next_back().unwrap_or_default();
            let is_prefix = is_starred && last.chars().count() >= PREFIX_CHARS_MIN;
            found.push(Term { text, is_prefix, is_unwanted });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(typed: &str) -> Result<String, BadAsk> {
        let ask = Ask::read(typed, 10)?.expression;
        let inside = ask.strip_prefix(COLUMNS).and_then(|rest| rest.strip_prefix(" : ("));
        Ok(inside.and_then(|rest| rest.strip_suffix(')')).unwrap().to_owned())
    }

    #[test]
    fn words_phrases_prefixes_and_what_is_not_wanted() {
        for (typed, expected) in [
            ("flood", "(\"flood\")"),
            ("  flood\triver ", "(\"flood\" AND \"river\")"),
            ("\"high water\" flo*", "(\"high water\" AND \"flo\" *)"),
            ("\"high wat\"*", "(\"high wat\" *)"),
            ("flood -rain -\"of the\"", "(\"flood\") NOT (\"rain\" OR \"of the\")"),
            ("a* ab**", "(\"a\" AND \"ab\" *)"),
            ("e-mail", "(\"e-mail\")"),
            ("say\"cheese", "(\"say\" AND \"cheese\")"),
            (
                "a OR b NEAR(c) title:d",
                "(\"a\" AND \"OR\" AND \"b\" AND \"NEAR(c)\" AND \"title:d\")",
            ),
            ("!!! flood --", "(\"flood\")"),
            ("a\0b", "(\"a b\")"),
        ] {
            assert_eq!(expression(typed).as_deref(), Ok(expected), "{typed}");
        }
    }

    #[test]
    fn a_question_needs_a_word_and_an_end() {
        for empty in ["", "  ", "-rain", "\"\"", "*", "-", "\"", "…"] {
            assert_eq!(expression(empty), Err(BadAsk::Empty), "{empty}");
        }
        assert_eq!(expression(&"a ".repeat(17)), Err(BadAsk::Long));
        assert!(expression(&"a ".repeat(16)).is_ok());
        assert_eq!(expression(&"a".repeat(513)), Err(BadAsk::Long));
    }
}
