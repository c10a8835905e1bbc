//! What the store promises, over the simulated disk.

mod basic;
mod damage;
mod erase;
mod lost;
mod model;
mod panics;
mod prefix;
mod seals;
mod size;
mod stamps;

use super::{Apply, Batch, Birth, Disk, OpenReport, SimDisk, Store, StoreError, StoreOptions};
use crate::update::{Cid, Dot, Draft, Epoch, Hlc, Kind, SigningKey, Update};
use std::sync::Arc;

pub(super) fn key() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

/// An epoch that [`key`] may seal.
pub(super) fn birth(salt: u64) -> Birth {
    Birth::of(&key().public(), salt)
}

pub(super) fn epoch(salt: u64) -> Epoch {
    birth(salt).epoch
}

/// Small limits, so that short tests reach them.
pub(super) fn options(epoch: u64) -> StoreOptions {
    StoreOptions {
        segment_bytes: 2048,
        cache_bytes: 64 << 10,
        index_cache_bytes: 1 << 20,
        overlay_bytes_max: 4096,
        salt: 7,
        fresh: birth(epoch),
    }
}

pub(super) fn disk(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// Opens and replays to the end.
pub(super) fn open(
    disk_of: &SimDisk,
    epoch: u64,
) -> Result<(Store, OpenReport, Vec<Update>), StoreError> {
    let (mut store, report) = Store::open(disk(disk_of), options(epoch))?;
    let replayed = replay_all(&mut store)?;
    Ok((store, report, replayed))
}

pub(super) fn replay_all(store: &mut Store) -> Result<Vec<Update>, StoreError> {
    let mut replayed = Vec::new();
    loop {
        let some = store.replay(3)?;
        if some.is_empty() {
            return Ok(replayed);
        }
        replayed.extend(some);
    }
}

pub(super) fn update(dot: Dot, clock: u64, text: &str) -> Update {
    following(dot, Cid::ZERO, clock, text)
}

pub(super) fn following(dot: Dot, previous: Cid, clock: u64, text: &str) -> Update {
    Update::seal(Draft {
        dot,
        clock: Hlc(clock),
        kind: Kind::Data,
        topic: "t",
        previous,
        payload: text.as_bytes(),
        ..Draft::sample(dot.seq)
    })
    .unwrap()
}

/// Appends an own update.
pub(super) fn own(store: &mut Store, text: &str, apply: Apply) -> Update {
    let update = update(store.next_dot(), store.next_dot().seq, text);
    store.append(&update, apply);
    update
}

/// Appends an update of another origin.
pub(super) fn relayed(store: &mut Store, seq: u64, text: &str) -> Update {
    let update = update(Dot { epoch: Epoch(99), seq }, seq, text);
    store.append(&update, Apply::Now);
    update
}

/// The next batch, all own updates sealed.
pub(super) fn batch(store: &mut Store) -> Option<Batch> {
    store.seal(&key());
    store.take_batch()
}

pub(super) fn commit(store: &mut Store) {
    while let Some(batch) = batch(store) {
        store.finish(batch.run()).unwrap();
    }
}

pub(super) fn checkpoint(store: &mut Store) -> bool {
    match store.take_checkpoint() {
        Some(work) => store.finish_checkpoint(work.run()).is_ok(),
        None => false,
    }
}

/// All that `read_from` gives from the start.
pub(super) fn read_all(store: &Store) -> Vec<Update> {
    let mut place = super::Place::START;
    let mut all = Vec::new();
    while let Some((update, next)) = store.read_from(place).unwrap() {
        assert!(next > place);
        all.push(update);
        place = next;
    }
    all
}
