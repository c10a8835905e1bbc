//! Banana: the bytes of Perspective Broker. Numbers, floats, byte strings and lists of these, one
//! after the other, without frames: each item says itself where it ends.
//!
//! An item is a prefix (bytes under 0x80: a number in base 128, its lowest digit first), a byte
//! that says what it is, and for strings and floats the bytes that follow. In the dialect `pb` some
//! words have numbers; in `none` all are strings.
//!
//! [`Scanner`] says where a whole item ends, at the price of what was sent: a list that is declared
//! costs nothing before its elements come. [`Item::read`] reads what it found. [`Writer`] writes.

mod error;
mod item;
mod scan;
#[cfg(test)]
mod tests;
mod vocabulary;
mod write;

pub use error::{BananaError, BananaFault};
pub use item::{Big, Item};
pub use scan::{BananaLimits, Scanner};
pub use write::Writer;

/// The most elements of a list, and the most bytes of a string.
pub const SIZE_MAX: usize = 640 * 1024;
/// The most bytes of a prefix; a number has fewer than `7 * PREFIX_BYTES_MAX` bits.
const PREFIX_BYTES_MAX: usize = 64;

/// How words are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// As strings. So begins every connection.
    #[default]
    None,
    /// Those of the vocabulary as numbers.
    Pb,
}

impl Dialect {
    /// All of them, the one that costs least first.
    pub const ALL: [Self; 2] = [Self::Pb, Self::None];

    /// As it is offered and chosen.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pb => "pb",
        }
    }
}
