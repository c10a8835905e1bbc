//! Pages of a list, and the tokens by which a reader asks for the next one.
//!
//! A token is base64url (RFC 4648, unpadded) of a letter that says which list it belongs to and
//! the place where the page ended. It holds on every node of the herd and never grows stale: rows
//! that come or go between two pages neither repeat nor hide others.

use super::is_title;
use crate::update::{Cid, Hlc, Reader};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;

/// The most lines of one page, whatever is asked.
pub(super) const LIMIT_MAX: usize = 1000;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What stands on it.
    pub lines: Vec<T>,
    /// The token of the next page: a [`StoryMark`], a [`RevisionMark`] or a [`ChangeMark`] as text.
    /// None on the last.
    pub next: Option<String>,
}

/// A text that is no token of this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadToken;

impl fmt::Display for BadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a token of this list: use `next` of an answer")
    }
}

impl std::error::Error for BadToken {}

/// A place in the lists of stories, all of them or a section's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryMark {
    pub(super) clock: Hlc,
    pub(super) title: String,
}

impl StoryMark {
    /// The place right behind a story whose head, or whose withdrawal, has this clock.
    pub fn behind(clock: Hlc, title: &str) -> Self {
        Self { clock, title: title.to_owned() }
    }
}

impl fmt::Display for StoryMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = self.clock.0.to_be_bytes();
        f.write_str(&URL_SAFE_NO_PAD.encode([&b"s"[..], &clock, self.title.as_bytes()].concat()))
    }
}

impl FromStr for StoryMark {
    type Err = BadToken;

    fn from_str(token: &str) -> Result<Self, BadToken> {
        let bytes = open(token, b's')?;
        let mut reader = Reader::new(&bytes[1..]);
        let clock = Hlc(reader.u64().map_err(|_| BadToken)?);
        let title = std::str::from_utf8(reader.rest()).map_err(|_| BadToken)?;
        if is_title(title) { Ok(Self { clock, title: title.to_owned() }) } else { Err(BadToken) }
    }
}

/// A place in the history of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevisionMark {
    pub(super) clock: Hlc,
    pub(super) cid: Cid,
}

impl RevisionMark {
    /// The place right behind a revision.
    pub fn behind(clock: Hlc, cid: Cid) -> Self {
        Self { clock, cid }
    }
}

impl fmt::Display for RevisionMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&moment_token(b'r', self.clock, self.cid))
    }
}

impl FromStr for RevisionMark {
    type Err = BadToken;

    fn from_str(token: &str) -> Result<Self, BadToken> {
        let (clock, cid) = open_moment(token, b'r')?;
        Ok(Self { clock, cid })
    }
}

/// A place in the list of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeMark {
    pub(super) clock: Hlc,
    pub(super) cid: Cid,
}

impl fmt::Display for ChangeMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&moment_token(b't', self.clock, self.cid))
    }
}

impl FromStr for ChangeMark {
    type Err = BadToken;

    fn from_str(token: &str) -> Result<Self, BadToken> {
        let (clock, cid) = open_moment(token, b't')?;
        Ok(Self { clock, cid })
    }
}

fn moment_token(letter: u8, clock: Hlc, cid: Cid) -> String {
    URL_SAFE_NO_PAD.encode([&[letter][..], &clock.0.to_be_bytes(), &cid.0].concat())
}

fn open_moment(token: &str, letter: u8) -> Result<(Hlc, Cid), BadToken> {
    let bytes = open(token, letter)?;
    let mut reader = Reader::new(&bytes[1..]);
    let clock = Hlc(reader.u64().map_err(|_| BadToken)?);
    let cid = Cid(reader.array().map_err(|_| BadToken)?);
    if reader.is_done() { Ok((clock, cid)) } else { Err(BadToken) }
}

fn open(token: &str, letter: u8) -> Result<Vec<u8>, BadToken> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| BadToken)?;
    if bytes.first() == Some(&letter) { Ok(bytes) } else { Err(BadToken) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_and_belong_to_one_list() {
        let story = StoryMark { clock: Hlc(7), title: "a title".into() };
        let revision = RevisionMark { clock: Hlc(8), cid: Cid([3; 32]) };
        assert_eq!(story.to_string().parse(), Ok(story.clone()));
        assert_eq!(revision.to_string().parse(), Ok(revision));
        let change = ChangeMark { clock: Hlc(9), cid: Cid([4; 32]) };
        assert_eq!(change.to_string().parse(), Ok(change));
        assert_eq!(change.to_string().parse::<RevisionMark>(), Err(BadToken));
        assert_eq!(story.to_string().parse::<RevisionMark>(), Err(BadToken));
        assert_eq!(revision.to_string().parse::<StoryMark>(), Err(BadToken));
    }

    #[test]
    fn other_texts_are_no_marks() {
        let revision = RevisionMark { clock: Hlc(8), cid: Cid([3; 32]) }.to_string();
        let nameless = StoryMark { clock: Hlc(7), title: String::new() }.to_string();
        let control = StoryMark { clock: Hlc(7), title: "a\nb".into() }.to_string();
        for bad in ["", "0", "c", "%", "cw==", &revision[..40], &nameless, &control] {
            assert_eq!(bad.parse::<StoryMark>(), Err(BadToken), "{bad}");
            assert_eq!(bad.parse::<RevisionMark>(), Err(BadToken), "{bad}");
        }
    }
}
