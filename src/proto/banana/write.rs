//! Items as they are written, each in its shortest form.

use super::{Big, Dialect, SIZE_MAX, vocabulary};

/// Appends items to a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    dialect: Dialect,
}

impl<'a> Writer<'a> {
    /// A writer in a dialect.
    pub fn new(out: &'a mut Vec<u8>, dialect: Dialect) -> Self {
        Self { out, dialect }
    }

    /// The head of a list: that many items must follow, [`SIZE_MAX`] at most.
    pub fn list(&mut self, elements: usize) {
        debug_assert!(elements <= SIZE_MAX, "no peer reads so long a list");
        self.number(elements as u64, 0x80);
    }

    /// A number.
    pub fn int(&mut self, value: i64) {
        let magnitude = value.unsigned_abs();
        self.number(
            magnitude,
            match (value < 0, magnitude) {
                (false, ..0x8000_0000) => 0x81,
                (false, _) => 0x85,
                (true, ..=0x8000_0000) => 0x83,
                (true, _) => 0x86,
            },
        );
    }

    /// A number of more than 64 bits.
    pub fn big(&mut self, value: Big<'_>) {
        self.out.extend_from_slice(value.digits);
        self.out.push(if value.is_negative { 0x86 } else { 0x85 });
    }

    /// A float.
    pub fn float(&mut self, value: f64) {
        self.out.push(0x84);
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// A string, [`SIZE_MAX`] bytes at most; as a number where it is a word that has one.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if self.dialect == Dialect::Pb
            && let Some(number) = vocabulary::number(bytes)
        {
            return self.number(number.into(), 0x87);
        }
        debug_assert!(bytes.len() <= SIZE_MAX, "no peer reads so long a string");
        self.number(bytes.len() as u64, 0x82);
        self.out.extend_from_slice(bytes);
    }

    /// A string of text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn number(&mut self, mut number: u64, kind: u8) {
        if number < 0x80 {
            return self.out.extend_from_slice(&[number as u8, kind]);
        }
        loop {
            self.out.push((number & 0x7f) as u8);
            number >>= 7;
            if number == 0 {
                break;
            }
        }
        self.out.push(kind);
    }
}
