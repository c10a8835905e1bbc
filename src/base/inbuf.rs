//! The input buffer of a connection: bytes in order, taken from the front, bounded by a cap.

/// Bytes received and not yet consumed.
///
/// Invariants: `start <= end <= bytes.len()`; `end - start <= cap`. Memory grows with bytes that
/// came, never with a length that a peer declared.
#[derive(Debug, Default)]
pub struct InBuf {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    cap: usize,
}

impl InBuf {
    /// An empty buffer that holds at most `cap` bytes. Allocates nothing.
    pub fn new(cap: usize) -> Self {
        Self { cap, ..Self::default() }
    }

    /// The unconsumed bytes.
    pub fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The unconsumed bytes, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// How many bytes are unconsumed.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// True when every byte has been consumed.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The most bytes it will hold.
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// Changes the cap; what is already held stays.
    pub fn set_cap(&mut self, cap: usize) {
        self.cap = cap;
    }

    /// True when no further byte fits under the cap.
    pub fn is_full(&self) -> bool {
        self.len() >= self.cap
    }

    /// Consumes the first `n` bytes and returns them.
    ///
    /// # Panics
    /// When fewer than `n` bytes are held.
    pub fn take(&mut self, n: usize) -> &[u8] {
        assert!(n <= self.len(), "take past the end of the buffer");
        let from = self.start;
        self.start += n;
        &self.bytes[from..from + n]
    }

    /// Consumes as many bytes as `read` says that it used of those held, and returns what it made
    /// of them, which may borrow them.
    ///
    /// # Panics
    /// When `read` says more than are held.
    #[inline]
    pub fn take_by<'a, R>(&'a mut self, read: impl FnOnce(&'a [u8]) -> (usize, R)) -> R {
        let held = &self.bytes[self.start..self.end];
        let (used, result) = read(held);
        assert!(used <= held.len(), "take past the end of the buffer");
        self.start += used;
        result
    }

    /// Consumes everything and returns it.
    pub fn take_all(&mut self) -> &[u8] {
        self.take(self.len())
    }

    /// Drops the first `n` bytes; `n` past the end drops all.
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }

    /// Room to read into, at least one byte unless full and at most `want`; follow with
    /// [`InBuf::filled`].
    pub fn space(&mut self, want: usize) -> &mut [u8] {
        let room = want.min(self.cap.saturating_sub(self.len()));
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.bytes.len() < self.end + room && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.bytes.len() < self.end + room {
            self.bytes.resize(self.end + room, 0);
        }
        &mut self.bytes[self.end..self.end + room]
    }

    /// Says that `n` bytes of the last [`InBuf::space`] were written.
    ///
    /// # Panics
    /// When `n` is more than the space given.
    pub fn filled(&mut self, n: usize) {
        assert!(self.end + n <= self.bytes.len(), "filled more than the space given");
        self.end += n;
    }

    /// Appends bytes up to the cap; returns how many fitted.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let space = self.space(bytes.len());
        let n = space.len();
        space.copy_from_slice(&bytes[..n]);
        self.filled(n);
        n
    }

    /// Takes the storage out of an empty buffer, for another connection to use.
    pub fn take_storage(&mut self) -> Vec<u8> {
        debug_assert!(self.is_empty(), "storage taken under unconsumed bytes");
        self.start = 0;
        self.end = 0;
        std::mem::take(&mut self.bytes)
    }

    /// Gives storage to an empty buffer that has none.
    pub fn give_storage(&mut self, storage: Vec<u8>) {
        if self.bytes.is_empty() {
            self.bytes = storage;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn an_in_buffer_is_a_bounded_queue_of_bytes(
            steps in prop::collection::vec((0..3_u8, 0..40_usize), 0..80),
            cap in 1..100_usize,
        ) {
            let mut buffer = InBuf::new(cap);
            let mut model = VecDeque::new();
            let mut next = 0_u8;
            for (verb, n) in steps {
                match verb {
                    0 => {
                        let bytes: Vec<u8> = (0..n).map(|i| next.wrapping_add(i as u8)).collect();
                        let fitted = buffer.push(&bytes);
                        prop_assert_eq!(fitted, n.min(cap - model.len()));
                        model.extend(&bytes[..fitted]);
                        next = next.wrapping_add(fitted as u8);
                    }
                    1 => {
                        let n = n.min(model.len());
                        let taken: Vec<u8> = model.drain(..n).collect();
                        prop_assert_eq!(buffer.take(n), &taken[..]);
                    }
                    _ => {
                        model.drain(..n.min(model.len()));
                        buffer.consume(n);
                    }
                }
                prop_assert_eq!(buffer.data(), model.make_contiguous());
                prop_assert_eq!(buffer.is_full(), model.len() >= cap);
            }
        }
    }

    #[test]
    fn storage_goes_from_one_buffer_to_the_next() {
        let mut first = InBuf::new(100);
        first.push(b"abc");
        first.take_all();
        let storage = first.take_storage();
        assert!(storage.len() >= 3);
        let mut second = InBuf::new(100);
        second.give_storage(storage);
        second.push(b"xy");
        assert_eq!(second.take_all(), b"xy");
    }
}
