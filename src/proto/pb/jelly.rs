//! Values, as Twisted's jelly has them: what stands in the arguments and answers of calls.

use crate::proto::banana::{Big, Item, SIZE_MAX, Writer};

/// Words for the kinds of moments, with how many numbers each has.
const MOMENTS: [(Moment, &str, usize); 4] = [
    (Moment::Date, "date", 3),
    (Moment::Time, "time", 4),
    (Moment::DateTime, "datetime", 7),
    (Moment::Span, "timedelta", 3),
];

/// A value that can be sent, or that came.
#[derive(Clone, Debug, PartialEq)]
pub enum Jelly<'a> {
    /// Nothing.
    None,
    /// A truth value.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A number of more than 64 bits.
    Big(Big<'a>),
    /// A float.
    Float(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// A list.
    List(Vec<Self>),
    /// A tuple.
    Tuple(Vec<Self>),
    /// A set, in no order.
    Set(Vec<Self>),
    /// A set that does not change.
    FrozenSet(Vec<Self>),
    /// A dictionary, in the order in which it was written.
    Dict(Vec<(Self, Self)>),
    /// A moment or a span of time, by its numbers: year month day, hour minute second
    /// microsecond, all of these, or days seconds microseconds.
    Moment(Moment, Vec<i64>),
    /// So many times ten to the power of so much.
    Decimal(i64, i64),
    /// An object of the sender's, to be called by this id.
    Remote(i64),
    /// An object of the receiver's, which was given to the sender before.
    Local(ObjectId<'a>),
    /// The state of an instance of a class that both sides know by this name.
    Copy(&'a str, Box<Self>),
    /// Something that could not be sent, and why.
    Unpersistable(&'a str),
}

/// What the numbers of a [`Jelly::Moment`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A day.
    Date,
    /// A time of the day.
    Time,
    /// Both.
    DateTime,
    /// A time between two.
    Span,
}

/// How an object is named to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectId<'a> {
    /// As it was given out.
    Number(i64),
    /// As it is known to all: `root`.
    Name(&'a [u8]),
}

impl<'a> ObjectId<'a> {
    /// The id that an item is.
    pub(super) fn of(item: &Item<'a>) -> Option<Self> {
        match item {
            Item::Int(id) => Some(Self::Number(*id)),
            Item::Bytes(name) => Some(Self::Name(name)),
            _ => None,
        }
    }

    fn put(self, writer: &mut Writer<'_>) {
        match self {
            Self::Number(id) => writer.int(id),
            Self::Name(name) => writer.bytes(name),
        }
    }
}

impl Moment {
    /// The kind of a word, and how many numbers it has.
    pub(super) fn of_word(word: &[u8]) -> Option<(Self, usize)> {
        let found = MOMENTS.iter().find(|(_, name, _)| name.as_bytes() == word);
        found.map(|(moment, _, count)| (*moment, *count))
    }

    fn word(self) -> &'static str {
        MOMENTS.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }
}

impl<'a> Jelly<'a> {
    /// Text, or bytes that are that: a caller on Python 2 sends either.
    pub fn name(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// A dictionary's value under a key that is text, or bytes that are that.
    pub(super) fn value(&self, key: &str) -> Option<&Self> {
        let Self::Dict(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| name.name() == Some(key)).map(|(_, value)| value)
    }

    /// True when a peer can read it: none of its parts is over Banana's limits.
    pub fn is_sendable(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.len() <= SIZE_MAX,
            Self::Text(text) | Self::Unpersistable(text) => text.len() <= SIZE_MAX,
            Self::List(of) | Self::Tuple(of) | Self::Set(of) | Self::FrozenSet(of) => {
                of.len() < SIZE_MAX && of.iter().all(Self::is_sendable)
            }
            Self::Dict(pairs) => {
                let is_sendable =
                    |(key, value): &(Self, Self)| key.is_sendable() && value.is_sendable();
                pairs.len() < SIZE_MAX && pairs.iter().all(is_sendable)
            }
            Self::Copy(tag, state) => tag.len() <= SIZE_MAX && state.is_sendable(),
            _ => true,
        }
    }

    /// Writes it. Nothing is written twice by reference: readers need not be told that two values
    /// are one.
    pub fn put(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Int(value) => writer.int(*value),
            Self::Big(value) => writer.big(*value),
            Self::Float(value) => writer.float(*value),
            Self::Bytes(bytes) => writer.bytes(bytes),
            Self::None => head(writer, "None", 0),
            Self::Bool(value) => {
                head(writer, "boolean", 1);
                writer.text(if *value { "true" } else { "false" });
            }
            Self::Text(text) => {
                head(writer, "unicode", 1);
                writer.text(text);
            }
            Self::List(of) => all(writer, "list", of),
            Self::Tuple(of) => all(writer, "tuple", of),
            Self::Set(of) => all(writer, "set", of),
            Self::FrozenSet(of) => all(writer, "frozenset", of),
            Self::Dict(pairs) => {
                head(writer, "dictionary", pairs.len());
                for (key, value) in pairs {
                    writer.list(2);
                    key.put(writer);
                    value.put(writer);
                }
            }
            Self::Moment(moment, numbers) => {
                head(writer, moment.word(), 1);
                let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
                writer.text(&numbers.join(" "));
            }
            Self::Decimal(value, exponent) => {
                head(writer, "decimal", 2);
                writer.int(*value);
                writer.int(*exponent);
            }
            Self::Remote(id) => {
                head(writer, "remote", 1);
                writer.int(*id);
            }
            Self::Local(id) => {
                head(writer, "local", 1);
                id.put(writer);
            }
            Self::Copy(tag, state) => {
                writer.list(2);
                writer.text(tag);
                state.put(writer);
            }
            Self::Unpersistable(why) => {
                head(writer, "unpersistable", 1);
                writer.text(why);
            }
        }
    }
}

fn head(writer: &mut Writer<'_>, word: &str, elements: usize) {
    writer.list(elements + 1);
    writer.text(word);
}

fn all(writer: &mut Writer<'_>, word: &str, elements: &[Jelly<'_>]) {
    head(writer, word, elements.len());
    for element in elements {
        element.put(writer);
    }
}
