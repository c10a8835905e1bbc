//! Where items end. Nothing is kept of them but how many are missing in each list that is open.

use super::error::{BananaError, BananaFault};
use super::{Dialect, PREFIX_BYTES_MAX, SIZE_MAX, vocabulary};

/// What one top-level item may cost, beside what Banana itself allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BananaLimits {
    /// Its bytes.
    pub bytes_max: usize,
    /// The items that it is made of, itself counted.
    pub items_max: usize,
    /// Lists in lists.
    pub depth_max: usize,
}

/// What a type byte says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Int,
    String,
    Neg,
    Float,
    Word,
}

impl Kind {
    #[inline]
    fn of(byte: u8) -> Result<Self, BananaFault> {
        Ok(match byte {
            0x80 => Self::List,
            0x81 | 0x85 => Self::Int,
            0x82 => Self::String,
            0x83 | 0x86 => Self::Neg,
            0x84 => Self::Float,
            0x87 => Self::Word,
            other => return Err(BananaFault::Type(other)),
        })
    }
}

/// Prefix and type byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// The prefix as a number; `None` when it has more than 64 bits.
    pub(super) number: Option<u64>,
    /// How many bytes they are together.
    pub(super) bytes: usize,
}

impl Head {
    /// The head that the bytes begin with; `None` when more are needed.
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, BananaFault> {
        match *bytes {
            // Nearly all have a prefix of one byte.
            [digit @ 0..=0x7f, kind @ 0x80..=0xff, ..] => {
                let kind = Kind::of(kind)?;
                Ok(Some(Self { kind, number: Some(digit.into()), bytes: 2 }))
            }
            _ => Self::read_any(bytes),
        }
    }

    fn read_any(bytes: &[u8]) -> Result<Option<Self>, BananaFault> {
        let most = &bytes[..bytes.len().min(PREFIX_BYTES_MAX + 1)];
        let Some(digits) = most.iter().position(|byte| *byte >= 0x80) else {
            let is_over = most.len() > PREFIX_BYTES_MAX;
            return if is_over { Err(BananaFault::Prefix) } else { Ok(None) };
        };
        let kind = Kind::of(most[digits])?;
        Ok(Some(Self { kind, number: value(&most[..digits]), bytes: digits + 1 }))
    }

    /// How many bytes stand behind it that belong to it, if it may be there.
    fn body(&self, dialect: Dialect) -> Result<usize, BananaFault> {
        let size = self.number.and_then(|number| usize::try_from(number).ok());
        let size = size.filter(|size| *size <= SIZE_MAX);
        match self.kind {
            Kind::Int | Kind::Neg => Ok(0),
            Kind::Float => Ok(8),
            Kind::String => size.ok_or(BananaFault::String),
            Kind::List => size.map(|_| 0).ok_or(BananaFault::List),
            Kind::Word => match self.number.and_then(vocabulary::word) {
                Some(_) if dialect == Dialect::Pb => Ok(0),
                _ => Err(BananaFault::Word),
            },
        }
    }
}

fn value(digits: &[u8]) -> Option<u64> {
    digits.iter().rev().try_fold(0_u64, |sum, digit| {
        let shifted = sum.checked_mul(128)?;
        Some(shifted | u64::from(*digit))
    })
}

/// Finds the ends of top-level items, however their bytes are cut.
///
/// Call [`Scanner::scan`] with all bytes that are held, the first of them being the first of an
/// item; when it says how many bytes the item has, take them off before the next call. It asks for
/// no more than `bytes_max` and a prefix. After an error, which stays, nothing more can be read.
#[derive(Debug)]
pub struct Scanner {
    limits: BananaLimits,
    /// Bytes of items that have ended.
    before: u64,
    /// So many bytes of the item at hand need not be looked at again.
    at: usize,
    /// So many items were in them.
    items: usize,
    /// By open list, outermost first: how many elements are missing; never zero.
    open: Vec<u32>,
}

impl Scanner {
    /// A scanner at the beginning of a connection. Allocates nothing.
    pub fn new(limits: BananaLimits) -> Self {
        Self { limits, before: 0, at: 0, items: 0, open: Vec::new() }
    }

    /// How many bytes of those held make the first item; `None` when its end is not there yet.
    pub fn scan(&mut self, held: &[u8], dialect: Dialect) -> Result<Option<usize>, BananaError> {
        loop {
            let offset = self.before + self.at as u64;
            let fail = |fault| BananaError { fault, offset };
            let Some(head) = Head::read(&held[self.at..]).map_err(fail)? else { return Ok(None) };
            let end = self.at + head.bytes + head.body(dialect).map_err(fail)?;
            self.check(&head, end).map_err(fail)?;
            if end > held.len() {
                return Ok(None);
            }
            self.at = end;
            self.items += 1;
            if head.kind == Kind::List
                && let Some(count) = head.number.filter(|count| *count > 0)
            {
                self.open.push(count as u32);
            } else if self.close() {
                return Ok(Some(self.end()));
            }
        }
    }

    fn check(&self, head: &Head, end: usize) -> Result<(), BananaFault> {
        // What is missing has a byte for each item at least.
        if end > self.limits.bytes_max {
            Err(BananaFault::Bytes)
        } else if self.items >= self.limits.items_max {
            Err(BananaFault::Items)
        } else if head.kind == Kind::List && self.open.len() >= self.limits.depth_max {
            Err(BananaFault::Depth)
        } else {
            Ok(())
        }
    }

    /// An item has ended, and with it perhaps lists; true when it was the outermost.
    fn close(&mut self) -> bool {
        while let Some(missing) = self.open.last_mut() {
            *missing -= 1;
            if *missing > 0 {
                return false;
            }
            self.open.pop();
        }
        true
    }

    fn end(&mut self) -> usize {
        let bytes = std::mem::take(&mut self.at);
        self.before += bytes as u64;
        self.items = 0;
        bytes
    }
}
