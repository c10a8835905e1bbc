//! Entity tags and the conditions made of them (RFC 9110, 8.8.3 and 13.1).

use super::fields::Fields;
use std::fmt;

/// An entity tag: `"opaque"` or `W/"opaque"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTag<'a> {
    /// A weak tag names what is as good, not what is the same byte for byte.
    pub weak: bool,
    /// What stands between the quotes.
    pub opaque: &'a str,
}

impl<'a> EntityTag<'a> {
    /// A strong tag. `opaque` has neither quotes nor control characters.
    pub fn strong(opaque: &'a str) -> Self {
        Self { weak: false, opaque }
    }

    /// Reads one tag and nothing else.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (tag, rest) = split_tag(value)?;
        rest.is_empty().then_some(tag)
    }

    /// Both strong, and the same: for If-Match and If-Range.
    pub fn matches_strongly(self, other: EntityTag<'_>) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// The same, weak or not: for If-None-Match.
    pub fn matches_weakly(self, other: EntityTag<'_>) -> bool {
        self.opaque == other.opaque
    }
}

impl fmt::Display for EntityTag<'_> {
    /// As in a field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\"{}\"", if self.weak { "W/" } else { "" }, self.opaque)
    }
}

/// A condition's list is not one of entity tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedTags;

impl fmt::Display for MalformedTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a list of entity tags")
    }
}

impl std::error::Error for MalformedTags {}

/// The value of If-Match or If-None-Match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagList<'a> {
    /// `*`: whatever there is.
    Any,
    /// Any of these.
    Tags(Vec<EntityTag<'a>>),
}

impl<'a> TagList<'a> {
    /// Reads all fields of that name as one list; `None` when there is none.
    pub fn read(fields: &Fields<'a>, name: &str) -> Result<Option<Self>, MalformedTags> {
        let mut tags = Vec::new();
        let mut any = false;
        let mut found = false;
        for value in fields.all(name) {
            found = true;
            if value == b"*" {
                any = true;
            } else {
                read_tags(value, &mut tags)?;
            }
        }
        match (found, any, tags.is_empty()) {
            (false, ..) => Ok(None),
            (true, true, true) => Ok(Some(Self::Any)),
            (true, false, false) => Ok(Some(Self::Tags(tags))),
            (true, ..) => Err(MalformedTags),
        }
    }

    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, MalformedTags> {
        if value.trim_ascii() == b"*" {
            return Ok(Self::Any);
        }
        let mut tags = Vec::new();
        read_tags(value, &mut tags)?;
        if tags.is_empty() { Err(MalformedTags) } else { Ok(Self::Tags(tags)) }
    }

    /// If-Match: does it hold for something whose tags are these (none: it does not exist)? A
    /// condition may name any of a thing's representations.
    pub fn allows_change(&self, current: &[EntityTag<'_>]) -> bool {
        match self {
            Self::Any => !current.is_empty(),
            Self::Tags(tags) => any_pair(tags, current, |tag, other| tag.matches_strongly(*other)),
        }
    }

    /// If-None-Match: does the client, or the server, have it already? Then a GET or HEAD is
    /// answered with 304, anything else with 412.
    pub fn names_any(&self, current: &[EntityTag<'_>]) -> bool {
        match self {
            Self::Any => !current.is_empty(),
            Self::Tags(tags) => any_pair(tags, current, |tag, other| tag.matches_weakly(*other)),
        }
    }
}

fn any_pair(
    tags: &[EntityTag<'_>],
    current: &[EntityTag<'_>],
    same: impl Fn(&EntityTag<'_>, &EntityTag<'_>) -> bool,
) -> bool {
    tags.iter().any(|tag| current.iter().any(|other| same(tag, other)))
}

/// If-Range: may a part be answered with? Only when the client holds a part of exactly this. Dates
/// are never exact enough for us.
pub fn if_range_holds(value: Option<&[u8]>, current: EntityTag<'_>) -> bool {
    value.is_none_or(|value| {
        EntityTag::parse(value).is_some_and(|tag| tag.matches_strongly(current))
    })
}

/// Tags parted by commas; empty elements are skipped.
fn read_tags<'a>(value: &'a [u8], tags: &mut Vec<EntityTag<'a>>) -> Result<(), MalformedTags> {
    let mut rest = value.trim_ascii();
    loop {
        while let Some(after) = rest.strip_prefix(b",") {
            rest = after.trim_ascii_start();
        }
        if rest.is_empty() {
            return Ok(());
        }
        let (tag, after) = split_tag(rest).ok_or(MalformedTags)?;
        tags.push(tag);
        rest = after.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return Err(MalformedTags);
        }
    }
}

/// The tag at the front, and what follows it. Tags have no escapes.
fn split_tag(bytes: &[u8]) -> Option<(EntityTag<'_>, &[u8])> {
    let (weak, quoted) = match bytes.strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, bytes),
    };
    let opaque = quoted.strip_prefix(b"\"")?;
    let end = opaque.iter().position(|&byte| byte == b'"')?;
    let (opaque, after) = (&opaque[..end], &opaque[end + 1..]);
    let sound = opaque.iter().all(|&byte| byte > b' ' && byte != 0x7f);
    let opaque = std::str::from_utf8(opaque).ok()?;
    sound.then_some((EntityTag { weak, opaque }, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags<'a>(list: &[(bool, &'a str)]) -> TagList<'a> {
        TagList::Tags(list.iter().map(|&(weak, opaque)| EntityTag { weak, opaque }).collect())
    }

    #[test]
    fn lists_of_tags_are_read() {
        for (value, expected) in [
            ("*", TagList::Any),
            ("\"a\"", tags(&[(false, "a")])),
            ("\"\"", tags(&[(false, "")])),
            ("W/\"a\",\"b,c\" ,, \"d\",", tags(&[(true, "a"), (false, "b,c"), (false, "d")])),
        ] {
            assert_eq!(TagList::parse(value.as_bytes()), Ok(expected), "{value}");
        }
        for bad in
            ["", ",", "a", "\"a", "w/\"a\"", "\"a\"\"b\"", "\"a\" b", "\"a b\"", "*,\"a\"", "W/a"]
        {
            assert_eq!(TagList::parse(bad.as_bytes()), Err(MalformedTags), "{bad}");
        }
    }

    #[test]
    fn all_fields_of_a_name_make_one_list() {
        let block = b"If-Match: \"a\"\r\nX: y\r\nif-match: \"b\"\r\n";
        let read = TagList::read(&Fields::new(block), "If-Match");
        assert_eq!(read, Ok(Some(tags(&[(false, "a"), (false, "b")]))));
        assert_eq!(TagList::read(&Fields::new(block), "If-None-Match"), Ok(None));
        let mixed = b"If-Match: \"a\"\r\nIf-Match: *\r\n";
        assert_eq!(TagList::read(&Fields::new(mixed), "If-Match"), Err(MalformedTags));
        let empty = b"If-Match:\r\n";
        assert_eq!(TagList::read(&Fields::new(empty), "If-Match"), Err(MalformedTags));
    }

    #[test]
    fn if_match_compares_strongly_and_if_none_match_weakly() {
        let strong = EntityTag::strong("a");
        let weak = EntityTag { weak: true, opaque: "a" };
        let other = EntityTag::strong("b");
        let list = tags(&[(false, "x"), (false, "a")]);
        assert!(list.allows_change(&[other, strong]));
        assert!(!list.allows_change(&[weak]) && !list.allows_change(&[]));
        assert!(list.names_any(&[weak]) && !list.names_any(&[other]));
        let weak_list = tags(&[(true, "a")]);
        assert!(!weak_list.allows_change(&[strong]) && weak_list.names_any(&[strong]));
        assert!(TagList::Any.allows_change(&[weak]) && !TagList::Any.allows_change(&[]));
        assert!(TagList::Any.names_any(&[strong]) && !TagList::Any.names_any(&[]));
    }

    #[test]
    fn a_range_holds_only_for_exactly_the_same_thing() {
        let tag = EntityTag::strong("a");
        assert!(if_range_holds(None, tag));
        assert!(if_range_holds(Some(b"\"a\""), tag));
        for other in ["W/\"a\"", "\"b\"", "Sun, 06 Nov 1994 08:49:37 GMT", ""] {
            assert!(!if_range_holds(Some(other.as_bytes()), tag), "{other}");
        }
    }

    #[test]
    fn a_tag_is_shown_as_it_is_read() {
        for text in ["\"a\"", "W/\"b\""] {
            assert_eq!(EntityTag::parse(text.as_bytes()).unwrap().to_string(), text);
        }
    }
}
