//! Path (RFC 5536, 3.1.5; 5537, 3.2): which sites an article has been at, the last one first.

use super::field::unfold;

/// What ends a path of articles that were made here: no mailbox (RFC 5536, 3.1.5).
const TAIL: &str = "not-for-mail";
/// From here on a path goes on in the next line, in bytes.
const FOLD_BYTES: usize = 900;

/// The sites that an article has been at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// What stands between the exclamation marks: two in a row have an empty one between them.
    entries: Vec<String>,
}

impl Path {
    /// A path of nowhere.
    pub fn new() -> Self {
        Self { entries: vec![TAIL.to_owned()] }
    }

    /// Reads a Path field.
    pub fn parse(value: &[u8]) -> Self {
        let entries = unfold(value).split('!').map(|entry| entry.trim().to_owned()).collect();
        Self { entries }
    }

    /// A name as a path can hold it: what may not stand there becomes `-`.
    pub fn identity(name: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let plain: String = name.chars().map(plain).collect();
        let inner = plain.trim_matches(|c| c == '.' || c == '-');
        if inner.is_empty() { "site".to_owned() } else { inner.to_owned() }
    }

    /// True when it names this site; the entry at the end is no site, and neither is what begins
    /// with a dot.
    pub fn passed(&self, identity: &str) -> bool {
        let sites = &self.entries[..self.entries.len().saturating_sub(1)];
        sites.iter().any(|entry| entry.eq_ignore_ascii_case(identity))
    }

    /// The site that it came from last.
    pub fn first(&self) -> &str {
        self.entries.first().map_or("", String::as_str)
    }

    /// Puts a site before it that made the article.
    pub fn inject(&mut self, identity: &str) {
        self.entries.splice(0..0, [identity.to_owned(), ".POSTED".to_owned()]);
    }

    /// Puts a site before it that got the article from `from` (RFC 5537, 3.2.1): what it says of
    /// itself is right, or not.
    pub fn relay(&mut self, identity: &str, from: &str) {
        let said = if self.first().eq_ignore_ascii_case(from) {
            String::new()
        } else {
            format!(".MISMATCH.{}", Self::identity(from))
        };
        self.entries.splice(0..0, [identity.to_owned(), said]);
    }

    /// Puts a site before it that got the article from an address without a name.
    pub fn relay_seen(&mut self, identity: &str, address: &str) {
        let said = format!(".SEEN.{}", Self::identity(address));
        self.entries.splice(0..0, [identity.to_owned(), said]);
    }

    /// The field's value, folded where it is long.
    pub fn value(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut line = 0;
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                out.push(b'!');
                line += 1;
            }
            // Never between the two marks of a match: an empty line is no fold.
            if line + entry.len() > FOLD_BYTES && !entry.is_empty() && line > 0 {
                out.extend_from_slice(b"\r\n ");
                line = 1;
            }
            out.extend_from_slice(entry.as_bytes());
            line += entry.len();
        }
        out
    }
}

impl Default for Path {
    fn default() -> Self {
        Self::new()
    }
}
