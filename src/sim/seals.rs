//! Good seals and words, remembered: the nodes of a simulated herd share a thread, and each would
//! verify the same ones to the same end. A seal that a node signed here needs no second look
//! either; what anyone else made, and what differs in a bit from what was signed, is verified. A
//! real node verifies every seal that it admits an update under, and every word that comes by way
//! of others.

use crate::update::{Cid, Seal, SigningKey, Word};
use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    /// Whether a signature is good, by the hash of all that it stands under, and of itself.
    static VERDICTS: RefCell<BTreeMap<[u8; 32], bool>> = const { RefCell::new(BTreeMap::new()) };
}

/// As [`Seal::sign`]; the seal is known to be good.
pub(super) fn sign(key: &SigningKey, salt: u64, from: u64, cids: Vec<Cid>) -> Seal {
    let seal = Seal::sign(key, salt, from, cids);
    VERDICTS.with_borrow_mut(|verdicts| verdicts.insert(name(&seal), true));
    seal
}

/// As [`Seal::verify`], once for the same bytes.
pub(super) fn verify(seal: &Seal) -> bool {
    once(name(seal), || seal.verify())
}

/// As [`Word::verify`], likewise.
pub(super) fn verify_word(word: &Word) -> bool {
    let mut bytes = vec![b'w'];
    bytes.extend_from_slice(&word.key.0);
    bytes.extend_from_slice(&word.signature.0);
    word.held.encode(&mut bytes);
    bytes.extend_from_slice(word.node.as_bytes());
    once(*blake3::hash(&bytes).as_bytes(), || word.verify())
}

fn once(name: [u8; 32], verify: impl FnOnce() -> bool) -> bool {
    VERDICTS.with_borrow_mut(|verdicts| *verdicts.entry(name).or_insert_with(verify))
}

fn name(seal: &Seal) -> [u8; 32] {
    let mut bytes = vec![b's'];
    seal.encode(&mut bytes);
    *blake3::hash(&bytes).as_bytes()
}

/// How many were signed or verified on this thread since [`forget`].
pub(super) fn verified() -> u64 {
    VERDICTS.with_borrow(|verdicts| verdicts.len() as u64)
}

/// A run begins.
pub(super) fn forget() {
    VERDICTS.with_borrow_mut(BTreeMap::clear);
}
