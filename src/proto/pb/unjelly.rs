//! Items to values. What stands twice by reference is made twice, within a bound; what stands in
//! itself is refused, and so is every class that is not known by name.

use super::jelly::{Jelly, Moment, ObjectId};
use crate::proto::banana::Item;
use std::collections::BTreeMap;
use std::fmt;

/// The most values that are made of one message: its references may say much in few bytes.
const VALUES_MAX: usize = 1 << 17;
/// Bytes of strings that references may repeat in a message.
const AGAIN_BYTES_MAX: usize = 1 << 20;

/// The forms that have to have something else in them, if they get so far.
const FORMS: [&str; 9] = [
    "None",
    "boolean",
    "unicode",
    "unpersistable",
    "decimal",
    "remote",
    "local",
    "reference",
    "dereference",
];

/// Why an item is no value that is taken. The message stands, and its sender can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JellyError {
    /// A class, or some other form, that is not known here.
    Unknown(String),
    /// A form that is known, with something else in it than it has.
    Malformed(&'static str),
    /// A value that is in itself.
    Cycle,
    /// Its references make more of it than is taken.
    TooMany,
}

impl fmt::Display for JellyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(tag) => write!(f, "{tag:?} is not known here"),
            Self::Malformed(form) => write!(f, "this is no {form}"),
            Self::Cycle => f.write_str("a value in itself is not taken"),
            Self::TooMany => f.write_str("these references make too many values"),
        }
    }
}

/// Reads values whose instances are of these classes only.
#[derive(Debug)]
pub(super) struct Unjelly<'t, 'a> {
    tags: &'static [&'static str],
    /// What `reference` has named.
    known: BTreeMap<i64, &'t Item<'a>>,
    /// Those of them that are being read.
    open: Vec<i64>,
    values: usize,
    /// Something is read once more.
    is_again: bool,
    /// Bytes of strings that were.
    again_bytes: usize,
    /// The peer's objects, by id, one for each time that one was sent.
    pub(super) remotes: Vec<i64>,
}

impl<'t, 'a> Unjelly<'t, 'a> {
    /// A reader of one message.
    pub(super) fn new(tags: &'static [&'static str]) -> Self {
        Self {
            tags,
            known: BTreeMap::new(),
            open: Vec::new(),
            values: 0,
            is_again: false,
            again_bytes: 0,
            remotes: Vec::new(),
        }
    }

    /// Reads one value.
    pub(super) fn read(&mut self, item: &'t Item<'a>) -> Result<Jelly<'a>, JellyError> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(JellyError::TooMany);
        }
        match item {
            Item::Int(value) => Ok(Jelly::Int(*value)),
            Item::Big(value) => Ok(Jelly::Big(*value)),
            Item::Float(value) => Ok(Jelly::Float(*value)),
            Item::Bytes(bytes) => self.bytes(bytes).map(Jelly::Bytes),
            Item::List(items) => match items.split_first() {
                Some((Item::Bytes(word), rest)) => self.form(word, rest),
                _ => Err(JellyError::Malformed("form")),
            },
        }
    }

    /// A string, which whoever copies it pays for as often as it is named.
    fn bytes(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], JellyError> {
        if self.is_again {
            self.again_bytes += bytes.len();
        }
        if self.again_bytes > AGAIN_BYTES_MAX { Err(JellyError::TooMany) } else { Ok(bytes) }
    }

    fn form(&mut self, word: &'a [u8], rest: &'t [Item<'a>]) -> Result<Jelly<'a>, JellyError> {
        match (word, rest) {
            (b"None", []) => Ok(Jelly::None),
            (b"boolean", [Item::Bytes(b"true")]) => Ok(Jelly::Bool(true)),
            (b"boolean", [Item::Bytes(b"false")]) => Ok(Jelly::Bool(false)),
            (b"unicode", [Item::Bytes(bytes)]) => {
                utf8(self.bytes(bytes)?, "unicode").map(Jelly::Text)
            }
            (b"unpersistable", [Item::Bytes(why)]) => {
                utf8(why, "unpersistable").map(Jelly::Unpersistable)
            }
            (b"list", _) => self.all(rest).map(Jelly::List),
            (b"tuple", _) => self.all(rest).map(Jelly::Tuple),
            (b"set", _) => self.all(rest).map(Jelly::Set),
            (b"frozenset", _) => self.all(rest).map(Jelly::FrozenSet),
            (b"dictionary", _) => {
                let pairs = rest.iter().map(|pair| self.pair(pair));
                pairs.collect::<Result<_, _>>().map(Jelly::Dict)
            }
            (b"decimal", [Item::Int(value), Item::Int(exponent)]) => {
                Ok(Jelly::Decimal(*value, *exponent))
            }
            (b"remote", [Item::Int(id)]) => {
                if !self.is_again {
                    self.remotes.push(*id);
                }
                Ok(Jelly::Remote(*id))
            }
            (b"local", [id]) => {
                ObjectId::of(id).map(Jelly::Local).ok_or(JellyError::Malformed("local"))
            }
            (b"reference", [Item::Int(number), item]) => self.reference(*number, item),
            (b"dereference", [Item::Int(number)]) => self.dereference(*number),
            _ => match Moment::of_word(word) {
                Some((moment, count)) => numbers(rest, count)
                    .map(|numbers| Jelly::Moment(moment, numbers))
                    .ok_or(JellyError::Malformed("moment")),
                None => self.instance(word, rest),
            },
        }
    }

    fn all(&mut self, items: &'t [Item<'a>]) -> Result<Vec<Jelly<'a>>, JellyError> {
        items.iter().map(|item| self.read(item)).collect()
    }

    fn pair(&mut self, item: &'t Item<'a>) -> Result<(Jelly<'a>, Jelly<'a>), JellyError> {
        match item {
            Item::List(pair) if pair.len() == 2 => Ok((self.read(&pair[0])?, self.read(&pair[1])?)),
            _ => Err(JellyError::Malformed("dictionary")),
        }
    }

    fn reference(&mut self, number: i64, item: &'t Item<'a>) -> Result<Jelly<'a>, JellyError> {
        self.known.insert(number, item);
        self.within(number, item)
    }

    fn dereference(&mut self, number: i64) -> Result<Jelly<'a>, JellyError> {
        let item = self.known.get(&number).copied();
        let item = item.ok_or(JellyError::Malformed("dereference"))?;
        let was_again = std::mem::replace(&mut self.is_again, true);
        let value = self.within(number, item);
        self.is_again = was_again;
        value
    }

    fn within(&mut self, number: i64, item: &'t Item<'a>) -> Result<Jelly<'a>, JellyError> {
        if self.open.contains(&number) {
            return Err(JellyError::Cycle);
        }
        self.open.push(number);
        let value = self.read(item);
        self.open.pop();
        value
    }

    fn instance(&mut self, tag: &'a [u8], rest: &'t [Item<'a>]) -> Result<Jelly<'a>, JellyError> {
        let is_it = |known: &&&str| known.as_bytes() == tag;
        if let Some(form) = FORMS.iter().find(is_it) {
            return Err(JellyError::Malformed(form));
        }
        let known = self.tags.iter().find(is_it).copied();
        match (known, rest) {
            (Some(tag), [state]) => Ok(Jelly::Copy(tag, Box::new(self.read(state)?))),
            (Some(_), _) => Err(JellyError::Malformed("instance")),
            (None, _) => {
                let tag = String::from_utf8_lossy(&tag[..tag.len().min(100)]).into_owned();
                Err(JellyError::Unknown(tag))
            }
        }
    }
}

fn utf8<'a>(bytes: &'a [u8], form: &'static str) -> Result<&'a str, JellyError> {
    std::str::from_utf8(bytes).map_err(|_| JellyError::Malformed(form))
}

/// So many numbers with spaces between.
fn numbers(rest: &[Item<'_>], count: usize) -> Option<Vec<i64>> {
    let [Item::Bytes(bytes)] = rest else { return None };
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= 200)?;
    let numbers: Vec<i64> = text.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    (numbers.len() == count).then_some(numbers)
}
