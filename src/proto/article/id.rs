//! Message-IDs (RFC 5536, 3.1.3): what an article is called everywhere.

use std::fmt;

/// The longest, in bytes with its brackets.
const BYTES_MAX: usize = 250;

/// A Message-ID with its brackets. Read as widely as RFC 3977 does (any printable characters), but
/// for the `@`, which every program makes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId<'a>(&'a str);

impl<'a> MessageId<'a> {
    /// The Message-ID that these bytes are, all of them.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let inner = bytes.strip_prefix(b"<")?.strip_suffix(b">")?;
        let is_plain = |byte: &u8| matches!(byte, 33..=126) && !b"<>".contains(byte);
        let ends = inner.starts_with(b"@") || inner.ends_with(b"@");
        let is_whole = inner.contains(&b'@') && !ends && bytes.len() <= BYTES_MAX;
        if !is_whole || !inner.iter().all(is_plain) {
            return None;
        }
        std::str::from_utf8(bytes).ok().map(Self)
    }

    /// With its brackets.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for MessageId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for MessageId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The Message-IDs of a References field, in order; whatever else stands there is passed over.
pub fn message_ids(value: &[u8]) -> Vec<MessageId<'_>> {
    let mut found = Vec::new();
    let mut rest = value;
    while let Some(open) = rest.iter().position(|byte| *byte == b'<') {
        rest = &rest[open..];
        let Some(close) = rest.iter().position(|byte| *byte == b'>') else { break };
        match MessageId::parse(&rest[..=close]) {
            Some(id) => {
                found.push(id);
                rest = &rest[close + 1..];
            }
            None => rest = &rest[1..],
        }
    }
    found
}
