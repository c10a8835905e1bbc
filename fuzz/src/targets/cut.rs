//! The ways in which a network may cut bytes into pieces, and how a codec is given these.

#[path = "../../../src/proto/testing/each_piece.rs"]
mod each_piece;

pub(crate) use each_piece::each_piece;

use bellwether::base::{InBuf, Rng};
use std::fmt::Debug;

/// Inputs up to this length are cut in two at every place.
const SHORT_BYTES: usize = 40;

/// The result of reading the bytes in one piece; panics when pieces of any size give another.
pub(crate) fn however_cut<T: PartialEq + Debug>(bytes: &[u8], read: impl Fn(&[&[u8]]) -> T) -> T {
    let whole = read(&[bytes]);
    let in_two = |at: usize| {
        let (front, back) = bytes.split_at(at);
        assert_eq!(read(&[front, back]), whole, "cut at {at}");
    };
    let mut rng = Rng::new(seed(bytes));
    if bytes.len() <= SHORT_BYTES {
        (1..bytes.len()).for_each(in_two);
    } else {
        (0..6).for_each(|_| in_two(rng.range(1..=bytes.len() as u64 - 1) as usize));
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single), whole, "one by one");
    for longest in [5, 60] {
        let pieces = pieces(bytes, longest, &mut rng);
        let lengths = || pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>();
        assert_eq!(read(&pieces), whole, "cut into {:?}", lengths());
    }
    whole
}

fn pieces<'a>(bytes: &'a [u8], longest: u64, rng: &mut Rng) -> Vec<&'a [u8]> {
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let length = rest.len().min(rng.range(1..=longest) as usize);
        let (piece, behind) = rest.split_at(length);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

/// The same cuts for the same bytes, so that what is found is found again (FNV-1a).
fn seed(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
