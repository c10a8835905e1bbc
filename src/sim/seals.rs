//! Good seals, remembered: the nodes of a simulated herd share a thread, and each would verify the
//! same seals to the same end. A real node verifies every seal that it admits an update under.

use crate::update::Seal;
use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    /// Whether a seal's signature is good, by the hash of all of its bytes.
    static VERDICTS: RefCell<BTreeMap<[u8; 32], bool>> = const { RefCell::new(BTreeMap::new()) };
}

/// As [`Seal::verify`], once for the same bytes.
pub(super) fn verify(seal: &Seal) -> bool {
    let mut bytes = Vec::new();
    seal.encode(&mut bytes);
    let name = *blake3::hash(&bytes).as_bytes();
    VERDICTS.with_borrow_mut(|verdicts| *verdicts.entry(name).or_insert_with(|| seal.verify()))
}

/// How many were verified on this thread since [`forget`].
pub(super) fn verified() -> u64 {
    VERDICTS.with_borrow(|verdicts| verdicts.len() as u64)
}

/// A run begins.
pub(super) fn forget() {
    VERDICTS.with_borrow_mut(BTreeMap::clear);
}
