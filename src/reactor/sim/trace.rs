//! What a simulated network did, as one number.

/// A running hash of everything that happened: two runs of a seed must have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trace(u64);

impl Trace {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn hash(self) -> u64 {
        self.0
    }

    /// FNV-1a, on whole numbers.
    pub(super) fn note(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.0 = (self.0 ^ number).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
        }
    }

    /// The same, eight bytes at a time.
    pub(super) fn note_bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.note(&[u64::from_le_bytes(*word)]);
        }
        let last = rest.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        self.note(&[last, bytes.len() as u64]);
    }
}
