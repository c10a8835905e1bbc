//! Arguments of commands: message-ids, ranges of article numbers, names of groups.

use std::fmt;

/// The shortest and longest message-id, its angle brackets included (RFC 3977, 3.6).
const ID_BYTES: std::ops::RangeInclusive<usize> = 3..=250;
/// Article numbers have at most so many digits (RFC 3977, 9.8).
const DIGITS_MAX: usize = 16;
/// The longest name of a group, in bytes: with any other argument it fits in a command.
const GROUP_BYTES_MAX: usize = 460;

/// The id of an article with its angle brackets: `<` 1 to 248 printable ASCII bytes but `>`, `>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId<'a>(&'a str);

impl<'a> MessageId<'a> {
    /// Reads an id; `None` for what is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let inside = text.strip_prefix('<')?.strip_suffix('>')?;
        let is_inner = |byte: u8| byte.is_ascii_graphic() && byte != b'>';
        let is_id = ID_BYTES.contains(&text.len()) && inside.bytes().all(is_inner);
        is_id.then_some(Self(text))
    }

    /// With its angle brackets.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for MessageId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Article numbers: `12`, `12-`, `12-34`. A range whose end is before its start holds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberRange {
    /// The first.
    pub first: u64,
    /// The last; `None`: to the group's end.
    pub last: Option<u64>,
}

impl NumberRange {
    /// Reads a range; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let Some((first, last)) = text.split_once('-') else {
            let only = number(text)?;
            return Some(Self { first: only, last: Some(only) });
        };
        let last = if last.is_empty() { None } else { Some(number(last)?) };
        Some(Self { first: number(first)?, last })
    }

    /// True when the number is in it.
    pub fn contains(&self, number: u64) -> bool {
        self.first <= number && self.last.is_none_or(|last| number <= last)
    }
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(last) if last == self.first => write!(f, "{last}"),
            Some(last) => write!(f, "{}-{last}", self.first),
            None => write!(f, "{}-", self.first),
        }
    }
}

/// An article number: 1 to 16 digits.
pub(super) fn number(text: &str) -> Option<u64> {
    let is_number = (1..=DIGITS_MAX).contains(&text.len());
    let digits = is_number && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// True for what may be the name of a group in a command (RFC 3977, 4.1): 1 to 460 bytes of UTF-8
/// without white space, control characters, commas and the signs of wildmats.
pub(super) fn is_group_name(text: &str) -> bool {
    let is_inner = |c: char| !c.is_whitespace() && !c.is_control() && !"!*,?[\\]".contains(c);
    (1..=GROUP_BYTES_MAX).contains(&text.len()) && text.chars().all(is_inner)
}
