//! How the tests of codecs cut bytes, and give the pieces to a codec.

mod each_piece;

pub(super) use each_piece::each_piece;

use crate::base::InBuf;
use std::fmt::Debug;

/// The bytes in pieces of these sizes, which repeat.
pub(super) fn cut<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

/// What is read of the bytes in one piece; asserts that every cut in two, and bytes one by one,
/// give the same.
#[track_caller]
pub(super) fn at_every_cut<T: PartialEq + Debug>(bytes: &[u8], read: impl Fn(&[&[u8]]) -> T) -> T {
    let whole = read(&[bytes]);
    for at in 0..=bytes.len() {
        let (front, back) = bytes.split_at(at);
        assert_eq!(read(&[front, back]), whole, "cut at {at}");
    }
    assert_eq!(read(&cut(bytes, &[1])), whole, "one by one");
    whole
}
