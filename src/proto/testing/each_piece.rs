//! Shared with the targets of `fuzz/`, which are a crate of their own: each has its own way to the
//! buffer.

use super::InBuf;

/// Gives pieces, one after another, to who takes from a buffer of so many bytes all that it can,
/// and says whether it wants more; the buffer in the end.
#[track_caller]
pub(crate) fn each_piece(
    pieces: &[&[u8]],
    bytes_max: usize,
    mut take: impl FnMut(&mut InBuf) -> bool,
) -> InBuf {
    let mut input = InBuf::new(bytes_max);
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let taken = input.push(rest);
            assert!(taken > 0, "a full buffer from which nothing is taken");
            rest = &rest[taken..];
            if !take(&mut input) {
                return input;
            }
        }
    }
    input
}
