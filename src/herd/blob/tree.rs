//! BLAKE3's tree over the pieces of a payload (section 2.1 of its paper). A piece is a whole
//! subtree of 64 leaves, the last one possibly fewer; a payload of one piece is its own root.

use crate::proto::peer::PIECE_BYTES;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// How many pieces a payload has.
pub(super) fn count(payload_bytes: usize) -> usize {
    payload_bytes.div_ceil(PIECE_BYTES)
}

/// The hash of a piece: its chaining value, or the root if it is the only one.
pub(super) fn hash(index: usize, count: usize, bytes: &[u8]) -> [u8; 32] {
    if count == 1 {
        return *blake3::hash(bytes).as_bytes();
    }
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset((index * PIECE_BYTES) as u64);
    hasher.update(bytes).finalize_non_root()
}

/// The hashes of all pieces of a payload that is not empty.
pub(super) fn hashes(payload: &[u8]) -> Vec<[u8; 32]> {
    let count = count(payload.len());
    let pieces = payload.chunks(PIECE_BYTES).enumerate();
    pieces.map(|(index, bytes)| hash(index, count, bytes)).collect()
}

/// What the hashes of all pieces add up to: the hash of the payload.
pub(super) fn root(hashes: &[[u8; 32]]) -> Option<[u8; 32]> {
    let mut level = hashes.to_vec();
    while level.len() > 2 {
        // An odd one out moves up: the tree is complete on its left.
        let pairs = level.chunks(2).map(|pair| match pair {
            [left, right] => merge_subtrees_non_root(left, right, Mode::Hash),
            rest => rest[0],
        });
        level = pairs.collect();
    }
    match &level[..] {
        [left, right] => Some(*merge_subtrees_root(left, right, Mode::Hash).as_bytes()),
        [root] => Some(*root),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_hashes_of_the_pieces_add_up_to_the_hash_of_the_payload(
            pieces in 0_usize..12, leaves in 0_usize..64, over in -1_isize..=1, seed: u8,
        ) {
            let bytes = (pieces * PIECE_BYTES + leaves * 1024).saturating_add_signed(over).max(1);
            let payload: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8 ^ seed).collect();
            let hashes = hashes(&payload);
            prop_assert_eq!(hashes.len(), count(bytes));
            prop_assert_eq!(root(&hashes), Some(*blake3::hash(&payload).as_bytes()));
        }
    }

    #[test]
    fn nothing_adds_up_to_nothing() {
        assert_eq!(root(&[]), None);
    }
}
