//! Good seals and words, remembered: the nodes of a simulated herd share a thread, and each would
//! verify the same ones to the same end. A real node verifies every seal that it admits an update
//! under, and every word that comes by way of others.

use crate::update::{Seal, Word};
use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    /// Whether a signature is good, by the hash of all that it stands under, and of itself.
    static VERDICTS: RefCell<BTreeMap<[u8; 32], bool>> = const { RefCell::new(BTreeMap::new()) };
}

/// As [`Seal::verify`], once for the same bytes.
pub(super) fn verify(seal: &Seal) -> bool {
    let mut bytes = vec![b's'];
    seal.encode(&mut bytes);
    once(&bytes, || seal.verify())
}

/// As [`Word::verify`], likewise.
pub(super) fn verify_word(word: &Word) -> bool {
    let mut bytes = vec![b'w'];
    bytes.extend_from_slice(&word.key.0);
    bytes.extend_from_slice(&word.signature.0);
    word.held.encode(&mut bytes);
    bytes.extend_from_slice(word.node.as_bytes());
    once(&bytes, || word.verify())
}

fn once(bytes: &[u8], verify: impl FnOnce() -> bool) -> bool {
    let name = *blake3::hash(bytes).as_bytes();
    VERDICTS.with_borrow_mut(|verdicts| *verdicts.entry(name).or_insert_with(verify))
}

/// How many were verified on this thread since [`forget`].
pub(super) fn verified() -> u64 {
    VERDICTS.with_borrow(|verdicts| verdicts.len() as u64)
}

/// A run begins.
pub(super) fn forget() {
    VERDICTS.with_borrow_mut(BTreeMap::clear);
}
