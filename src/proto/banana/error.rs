//! What bytes break, and where.

use std::fmt;

/// What is wrong with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BananaFault {
    /// A prefix of more than 64 bytes.
    Prefix,
    /// A byte that begins nothing.
    Type(u8),
    /// A string of more than 655,360 bytes.
    String,
    /// A list of more than 655,360 elements.
    List,
    /// A number that is no word, or one in a dialect without.
    Word,
    /// Lists in lists, deeper than the limit.
    Depth,
    /// An item of more bytes than the limit.
    Bytes,
    /// An item made of more items than the limit.
    Items,
}

/// Bytes that are not Banana, or more than is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BananaError {
    /// What is wrong.
    pub fault: BananaFault,
    /// Where, in bytes from the connection's first: where the item at fault begins.
    pub offset: u64,
}

impl fmt::Display for BananaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            BananaFault::Prefix => "a prefix of more than 64 bytes",
            BananaFault::Type(byte) => {
                return write!(f, "a byte {byte:#04x} that begins nothing, at {}", self.offset);
            }
            BananaFault::String => "a string of more than 655360 bytes",
            BananaFault::List => "a list of more than 655360 elements",
            BananaFault::Word => "a number that is no word",
            BananaFault::Depth => "lists that are too deep",
            BananaFault::Bytes => "a message of too many bytes",
            BananaFault::Items => "a message of too many items",
        };
        write!(f, "{what}, at {}", self.offset)
    }
}

impl std::error::Error for BananaError {}
