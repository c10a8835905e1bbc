//! The output buffer of a connection: bytes to send in order, some copied, some shared.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

/// Immutable bytes shared by any number of out-buffers: encoded once, sent to many.
pub type Chunk = Arc<[u8]>;

/// Copying fewer bytes than these costs less than sharing them.
const COPY_BELOW_BYTES: usize = 512;

#[derive(Debug)]
enum Piece {
    Copied(Vec<u8>),
    Shared(Chunk),
    Part(Chunk, Range<usize>),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(chunk) => chunk,
            Self::Part(chunk, range) => &chunk[range.clone()],
        }
    }
}

/// Bytes waiting to be written.
///
/// Invariants: `sealed` counts the unsent bytes of `pieces`; `sent` is less than the length of the
/// first piece, or of `tail` when there is no piece; no piece is empty.
#[derive(Debug, Default)]
pub struct OutBuf {
    pieces: VecDeque<Piece>,
    tail: Vec<u8>,
    sealed: usize,
    sent: usize,
}

impl OutBuf {
    /// An empty buffer. Allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        if self.pieces.is_empty() {
            self.tail.len() - self.sent
        } else {
            self.sealed + self.tail.len()
        }
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a copy of the bytes.
    pub fn put(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
    }

    /// The growing end: encoders append to it, and must not shorten it.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Appends shared bytes without a copy; short ones are copied, which is cheaper.
    pub fn put_chunk(&mut self, chunk: &Chunk) {
        if chunk.len() < COPY_BELOW_BYTES {
            self.put(chunk);
            return;
        }
        self.seal();
        self.sealed += chunk.len();
        self.pieces.push_back(Piece::Shared(Chunk::clone(chunk)));
    }

    /// Appends a part of shared bytes without a copy; a short one is copied.
    ///
    /// # Panics
    /// When the chunk does not reach so far.
    pub fn put_part(&mut self, chunk: &Chunk, range: Range<usize>) {
        let bytes = &chunk[range.clone()];
        if bytes.len() < COPY_BELOW_BYTES {
            self.put(bytes);
            return;
        }
        self.seal();
        self.sealed += bytes.len();
        self.pieces.push_back(Piece::Part(Chunk::clone(chunk), range));
    }

    fn seal(&mut self) {
        if self.tail.len() == self.sent && self.pieces.is_empty() {
            self.tail.clear();
            self.sent = 0;
        }
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            self.sealed += tail.len() - if self.pieces.is_empty() { self.sent } else { 0 };
            self.pieces.push_back(Piece::Copied(tail));
        }
    }

    /// The waiting bytes when they lie in one piece, as those of most turns do.
    #[inline]
    pub fn as_one(&self) -> Option<&[u8]> {
        self.pieces.is_empty().then(|| &self.tail[self.sent..])
    }

    /// Up to `N` slices of the waiting bytes, in order, for one vectored write.
    /// Returns the array and how many of its entries are used.
    pub fn io_slices<const N: usize>(&self) -> ([IoSlice<'_>; N], usize) {
        let mut slices = [IoSlice::new(&[]); N];
        let mut used = 0;
        let all = self.pieces.iter().map(Piece::bytes).chain(std::iter::once(&self.tail[..]));
        let mut skip = self.sent;
        for bytes in all {
            let rest = &bytes[skip..];
            skip = 0;
            if used == N {
                break;
            }
            if !rest.is_empty() {
                slices[used] = IoSlice::new(rest);
                used += 1;
            }
        }
        (slices, used)
    }

    /// Drops the first `n` waiting bytes: they were sent.
    ///
    /// # Panics
    /// When fewer than `n` bytes wait.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.len(), "advance past the end of the buffer");
        if self.pieces.is_empty() {
            self.advance_tail(n);
        } else {
            self.advance_pieces(n);
        }
    }

    #[inline]
    fn advance_tail(&mut self, n: usize) {
        self.sent += n;
        if self.sent == self.tail.len() {
            self.tail.clear();
            self.sent = 0;
        }
    }

    fn advance_pieces(&mut self, mut n: usize) {
        while let Some(piece) = self.pieces.front() {
            let rest = piece.bytes().len() - self.sent;
            if n < rest {
                self.sent += n;
                self.sealed -= n;
                return;
            }
            n -= rest;
            self.sealed -= rest;
            self.sent = 0;
            self.pieces.pop_front();
        }
        self.advance_tail(n);
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes the storage out of an empty buffer, for another connection to use.
    pub fn take_storage(&mut self) -> Vec<u8> {
        debug_assert!(self.is_empty(), "storage taken under unsent bytes");
        self.pieces = VecDeque::new();
        self.sent = 0;
        std::mem::take(&mut self.tail)
    }

    /// Gives storage to an empty buffer that has none.
    pub fn give_storage(&mut self, storage: Vec<u8>) {
        debug_assert!(storage.is_empty(), "storage must come empty");
        if self.tail.capacity() == 0 {
            self.tail = storage;
        }
    }
}

impl std::io::Write for OutBuf {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_out_buffer_sends_what_was_put_in_order(
            steps in prop::collection::vec((0..5_u8, 0..1500_usize), 0..60),
        ) {
            let mut buffer = OutBuf::new();
            let mut model: Vec<u8> = Vec::new();
            let mut count = 0_u32;
            for (verb, n) in steps {
                let bytes: Vec<u8> = (0..n as u32).map(|i| (count + i) as u8).collect();
                match verb {
                    0 => buffer.put(&bytes),
                    1 => buffer.put_chunk(&bytes.clone().into()),
                    2 => buffer.tail().extend_from_slice(&bytes),
                    3 => {
                        let around: Chunk = [&[9; 7], &bytes[..], &[9; 5]].concat().into();
                        buffer.put_part(&around, 7..7 + n);
                    }
                    _ => {
                        let n = n.min(model.len());
                        buffer.advance(n);
                        model.drain(..n);
                    }
                }
                if verb < 4 {
                    count += n as u32;
                    model.extend_from_slice(&bytes);
                }
                prop_assert_eq!(buffer.len(), model.len());
                prop_assert_eq!(buffer.is_empty(), model.is_empty());
                prop_assert!(buffer.as_one().is_none_or(|bytes| bytes == model));
                let (slices, used) = buffer.io_slices::<4>();
                let seen: Vec<u8> = slices[..used].iter().flat_map(|s| s.iter().copied()).collect();
                prop_assert!(model.starts_with(&seen));
                prop_assert_eq!(seen.is_empty(), model.is_empty());
                prop_assert!(used == 4 || seen.len() == model.len());
            }
        }
    }

    #[test]
    fn a_chunk_is_shared_by_its_buffers_not_copied() {
        let chunk: Chunk = vec![7; 4096].into();
        let mut buffers = [OutBuf::new(), OutBuf::new()];
        for buffer in &mut buffers {
            buffer.put_chunk(&chunk);
        }
        assert_eq!(Chunk::strong_count(&chunk), 3);
        for buffer in &mut buffers {
            buffer.advance(4096);
        }
        assert_eq!(Chunk::strong_count(&chunk), 1);
    }
}
