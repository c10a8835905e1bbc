//! What two revisions have in common: the nearest one that both began from.

use super::Shelf;
use super::rows::{HistoryRow, history_key};
use super::story::{revision_row, shown};
use crate::store::StoreError;
use crate::update::Cid;
use std::collections::BTreeMap;

/// How many revisions are looked at before two count as having nothing in common.
const STEPS_MAX: usize = 4096;

/// On the way up from the one, from the other.
const FROM_A: u8 = 1;
const FROM_B: u8 = 2;

/// The greatest by generation, then id, of the revisions that both began from; one of the two, if
/// the other began from it. None when they have none in common, or none that is near.
pub fn common_ancestor(
    shelf: &impl Shelf,
    title: &str,
    a: Cid,
    b: Cid,
) -> Result<Option<Cid>, StoreError> {
    // The greatest is always taken first: a revision comes after all that follow it, however many
    // ways lead there.
    let mut found: BTreeMap<(u32, Cid), u8> = BTreeMap::new();
    for (cid, side) in [(a, FROM_A), (b, FROM_B)] {
        reach(shelf, title, &mut found, cid, side)?;
    }
    for _ in 0..STEPS_MAX {
        let Some(((_, cid), sides)) = found.pop_last() else { break };
        if sides == FROM_A | FROM_B {
            return Ok(Some(cid));
        }
        let Some(row) = revision_row(shelf, cid)? else { continue };
        let Some(line) = shelf.get(&history_key(title, row.clock, cid))? else { continue };
        for parent in shown(shelf, &HistoryRow::decode(&line)?.parents)? {
            reach(shelf, title, &mut found, parent, sides)?;
        }
    }
    Ok(None)
}

/// Notes that a revision of the story was reached from these sides.
fn reach(
    shelf: &impl Shelf,
    title: &str,
    found: &mut BTreeMap<(u32, Cid), u8>,
    cid: Cid,
    sides: u8,
) -> Result<(), StoreError> {
    if let Some(row) = revision_row(shelf, cid)?.filter(|row| row.title == title) {
        *found.entry((row.generation, cid)).or_default() |= sides;
    }
    Ok(())
}
