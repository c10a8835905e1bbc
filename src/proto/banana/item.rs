//! Items as they are read: they borrow the bytes that they came in.

use super::scan::{Head, Kind};
use super::vocabulary;

/// An item. Made by [`Item::read`] of bytes that a [`Scanner`](super::Scanner) has measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    /// A number of 64 bits.
    Int(i64),
    /// One that needs more.
    Big(Big<'a>),
    /// A float.
    Float(f64),
    /// A string, which is bytes, never text; or a word of the vocabulary.
    Bytes(&'a [u8]),
    /// A list.
    List(Vec<Self>),
}

/// A number of more than 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Big<'a> {
    /// It is below zero.
    pub is_negative: bool,
    /// Its magnitude: digits of base 128, the lowest first, the last one not zero.
    pub digits: &'a [u8],
}

impl Big<'_> {
    /// About its value.
    pub fn as_f64(self) -> f64 {
        let step = |value: f64, digit: &u8| value.mul_add(128.0, f64::from(*digit));
        let magnitude = self.digits.iter().rev().fold(0.0, step);
        if self.is_negative { -magnitude } else { magnitude }
    }
}

impl<'a> Item<'a> {
    /// Reads the item at the beginning of the bytes: that, and what stands behind it. `None` when
    /// they don't hold a whole one. As deep as it goes in lists, so deep it goes on the stack: a
    /// scanner has bounded that.
    pub fn read(mut bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let item = Self::take(&mut bytes)?;
        Some((item, bytes))
    }

    /// Takes it off the bytes.
    fn take(bytes: &mut &'a [u8]) -> Option<Self> {
        let head = Head::read(bytes).ok()??;
        let (own, behind) = bytes.split_at_checked(head.bytes)?;
        *bytes = behind;
        Some(match head.kind {
            Kind::Int => number(head.number, own, false),
            Kind::Neg => number(head.number, own, true),
            Kind::Word => Self::Bytes(vocabulary::word(head.number?)?),
            Kind::Float => Self::Float(f64::from_be_bytes(bytes.split_off(..8)?.try_into().ok()?)),
            Kind::String => Self::Bytes(bytes.split_off(..head.number?.try_into().ok()?)?),
            Kind::List => Self::List(list(head.number?, bytes)?),
        })
    }
}

/// So many items. Each has at least one byte, so no more room is taken than there are bytes.
fn list<'a>(count: u64, bytes: &mut &'a [u8]) -> Option<Vec<Item<'a>>> {
    let count = usize::try_from(count).ok().filter(|count| *count <= bytes.len())?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(Item::take(bytes)?);
    }
    Some(items)
}

/// A number by its magnitude, if that has 64 bits, and its head.
fn number(magnitude: Option<u64>, head: &[u8], is_negative: bool) -> Item<'_> {
    let value = match magnitude {
        Some(magnitude) if is_negative => 0_i64.checked_sub_unsigned(magnitude),
        Some(magnitude) => magnitude.try_into().ok(),
        None => None,
    };
    value.map_or_else(|| big(head, is_negative), Item::Int)
}

/// What does not fit.
#[cold]
fn big(head: &[u8], is_negative: bool) -> Item<'_> {
    let digits = head.split_last().map_or(head, |(_, digits)| digits);
    let used = digits.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1);
    Item::Big(Big { is_negative, digits: &digits[..used] })
}
