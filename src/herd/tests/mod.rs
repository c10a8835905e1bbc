//! What feeds promise, over real stores on simulated disks, and what links and relays do, over
//! archives in memory and wires that carry bytes alone.

mod audit;
mod blob;
mod cursor;
mod feed;
mod flood;
mod forks;
mod inquiries;
mod link;
mod memory;
mod net;
mod passes;
mod reader;
mod storm;
mod trail;

use crate::store::{Apply, Birth, SimDisk, Store, StoreOptions};
use crate::update::{Dot, Draft, Hlc, Kind, SigningKey, Update};
use std::collections::BTreeSet;
use std::sync::Arc;

fn key() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

/// An epoch that the key of all stores here may seal.
fn birth(salt: u64) -> Birth {
    Birth::of(&key().public(), salt)
}

fn dot(epoch: u64, seq: u64) -> Dot {
    Dot { epoch: birth(epoch).epoch, seq }
}

fn update(dot: Dot, bytes: usize) -> Update {
    update_at(dot, Hlc(dot.seq), bytes)
}

fn update_at(dot: Dot, clock: Hlc, bytes: usize) -> Update {
    Update::seal(Draft {
        dot,
        clock,
        kind: Kind::Data,
        topic: "weather",
        payload: &vec![b'x'; bytes],
        ..Draft::sample(dot.seq)
    })
    .expect("a good draft")
}

fn open_on(disk: &SimDisk, epoch: u64) -> Store {
    let options = StoreOptions { fresh: birth(epoch), ..StoreOptions::default() };
    let (mut store, _) = Store::open(Arc::new(disk.clone()), options).expect("it opens");
    while !store.replay(100).expect("it replays").is_empty() {}
    store
}

/// A store of this epoch, which is in no other store unless told.
fn open(epoch: u64) -> Store {
    open_on(&SimDisk::new(epoch), epoch)
}

/// Updates of any origin, on disk.
fn hold(store: &mut Store, dots: impl IntoIterator<Item = Dot>) {
    dots.into_iter().for_each(|dot| relay(store, dot));
    commit(store);
}

/// An update of another origin, or of an epoch that is over: not yet on disk.
fn relay(store: &mut Store, dot: Dot) {
    let is_own = dot.epoch == store.epoch();
    store.append(&update(dot, 100), if is_own { Apply::OnCommit } else { Apply::Now });
}

fn commit(store: &mut Store) {
    store.seal(&key());
    while let Some(batch) = store.take_batch() {
        store.finish(batch.run()).expect("the disk is good");
    }
}

/// Takes updates out of the index's file, as if they had been dropped: their dots are still held.
fn drop_rows(store: &mut Store, dots: impl IntoIterator<Item = Dot>) {
    checkpoint(store);
    for Dot { epoch, seq } in dots {
        store.index_mut().delete(&[b"D", &epoch.0.to_be_bytes()[..], &seq.to_be_bytes()].concat());
    }
    checkpoint(store);
}

fn checkpoint(store: &mut Store) {
    while let Some(checkpoint) = store.take_checkpoint() {
        store.finish_checkpoint(checkpoint.run()).expect("the disk is good");
    }
}
