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
    pub fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let head = Head::read(bytes).ok()??;
        let digits = &bytes[..head.bytes - 1];
        let behind = &bytes[head.bytes..];
        Some(match head.kind {
            Kind::Int => (number(digits, false), behind),
            Kind::Neg => (number(digits, true), behind),
            Kind::Word => (Self::Bytes(vocabulary::word(head.number?)?), behind),
            Kind::Float => {
                let (bits, behind) = behind.split_first_chunk::<8>()?;
                (Self::Float(f64::from_be_bytes(*bits)), behind)
            }
            Kind::String => {
                let (text, behind) = behind.split_at_checked(head.number?.try_into().ok()?)?;
                (Self::Bytes(text), behind)
            }
            Kind::List => list(head.number?, behind)?,
        })
    }
}

/// So many items. Each has at least one byte, so no more room is taken than there are bytes.
fn list(count: u64, mut bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let count = usize::try_from(count).ok().filter(|count| *count <= bytes.len())?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        let (item, behind) = Item::read(bytes)?;
        items.push(item);
        bytes = behind;
    }
    Some((Item::List(items), bytes))
}

fn number(digits: &[u8], is_negative: bool) -> Item<'_> {
    let used = digits.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1);
    let digits = &digits[..used];
    // Ten digits have 70 bits.
    if used <= 10 {
        let magnitude =
            digits.iter().rev().fold(0_i128, |sum, digit| sum << 7 | i128::from(*digit));
        let value = if is_negative { -magnitude } else { magnitude };
        if let Ok(value) = i64::try_from(value) {
            return Item::Int(value);
        }
    }
    Item::Big(Big { is_negative, digits })
}
