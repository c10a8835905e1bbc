//! What the log lost is passed by, comes back from others, and is then as it was.

use super::super::engine::INDEX_NAME;
use super::super::frame::{HEAD_BYTES, segment_name};
use super::super::{Fault, FileDisk, Place, Replay, ReplayOrder};
use super::*;
use crate::update::{Seal, Span};

/// A log of several segments, all of it in the index, and each update with its seal.
fn written(disk: &Arc<dyn Disk>) -> Vec<(Update, Seal)> {
    let (mut store, _) = Store::open(Arc::clone(disk), options(5)).unwrap();
    replay_all(&mut store).unwrap();
    let mut all = Vec::new();
    for n in 1..=40 {
        all.push(own(&mut store, &"x".repeat(n * 7 % 97), Apply::OnCommit));
        if n % 3 == 0 {
            commit(&mut store);
        }
    }
    commit(&mut store);
    assert!(checkpoint(&mut store) && store.log_end().segment() >= 4);
    let seal = |update: &Update| store.seal_of(update.dot()).unwrap().unwrap();
    let sealed = all.iter().map(|update| (update.clone(), seal(update))).collect();
    store.close().unwrap();
    sealed
}

fn opened(disk: &Arc<dyn Disk>, epoch: u64) -> Store {
    let (mut store, report) = Store::open(Arc::clone(disk), options(epoch)).unwrap();
    assert_eq!(report.cut, None);
    replay_all(&mut store).unwrap();
    store
}

/// Writes zeros over an update in the log: over its whole frame, or from within it.
fn damage(disk: &Arc<dyn Disk>, update: &Update, skip: u32) {
    let store = opened(disk, 6);
    let place = store.index.place_of(update.dot()).unwrap().unwrap();
    store.close().unwrap();
    let file = disk.open(&segment_name(place.segment()), false).unwrap();
    let zeros = vec![0; HEAD_BYTES + update.raw().len() - skip as usize];
    file.write_at(u64::from(place.offset() + skip), &zeros).unwrap();
    file.sync_data().unwrap();
}

fn by_dot(mut updates: Vec<Update>) -> Vec<Update> {
    updates.sort_by_key(Update::dot);
    updates
}

fn loses_and_restores(disk: &Arc<dyn Disk>) {
    let all = written(disk);
    let whole: Vec<Update> = all.iter().map(|(update, _)| update.clone()).collect();
    for (at, skip) in [(3, 0), (4, 20), (20, 0)] {
        damage(disk, &whole[at], skip);
    }
    let lost: Vec<&(Update, Seal)> = [3, 4, 20].iter().map(|at| &all[*at]).collect();
    let mut store = opened(disk, 6);
    let left = read_all(&store);
    assert_eq!(left.len(), 37, "who reads the log passes by what is not whole");
    let (epoch, to) = (whole[0].dot().epoch, 40);
    let mut replay = Replay::new(vec![Span { epoch, from: 1, to }], ReplayOrder::Clock);
    let replayed = std::iter::from_fn(|| replay.next(&store).unwrap());
    assert_eq!(replayed.collect::<Vec<_>>(), left, "and so does who reads by dots");
    assert_eq!(store.stamps(None, 1_000).unwrap().0.len(), 37);
    assert_eq!(store.lost().count(), 3);
    assert!(matches!(store.get(whole[3].dot()), Err(StoreError::Damaged { .. })));
    assert_eq!(store.find(whole[3].dot()).unwrap(), None);
    assert!(!store.contains(whole[3].dot()) && store.held().contains(whole[3].dot()));

    let false_one = update(whole[3].dot(), 9, "another");
    let false_seal = Seal::sign(&key(), 5, 4, vec![false_one.cid()]);
    assert!(!store.restore(&false_one, &false_seal).unwrap(), "it is not what was there");
    assert!(!store.restore(&all[5].0, &all[5].1).unwrap(), "it is there");
    for (update, seal) in &lost {
        assert!(store.restore(update, seal).unwrap());
        assert!(!store.restore(update, seal).unwrap(), "once is enough");
        assert_eq!(store.get(update.dot()).unwrap().as_ref(), Some(update));
    }
    commit(&mut store);
    assert!(store.lost().is_empty());
    assert_eq!(by_dot(read_all(&store)), whole);

    let rewritten = leaves_the_log(store, disk, &all);
    assert!((1..=3).contains(&rewritten), "{rewritten}");
}

/// What is broken leaves the log, which can then be read from its start, and has all of this. Says
/// how many segments were written anew.
fn leaves_the_log(mut store: Store, disk: &Arc<dyn Disk>, all: &[(Update, Seal)]) -> usize {
    let mut rewritten = 0;
    loop {
        commit(&mut store);
        checkpoint(&mut store);
        let Some(rewrite) = store.take_rewrite().unwrap() else { break };
        store.finish_rewrite(rewrite.run()).unwrap();
        rewritten += 1;
    }
    store.close().unwrap();
    disk.remove(INDEX_NAME).unwrap();
    let store = opened(disk, 7);
    // One of which only the seal was broken stands in it twice.
    let mut read = by_dot(read_all(&store));
    read.dedup();
    assert_eq!(read, all.iter().map(|(update, _)| update.clone()).collect::<Vec<_>>());
    for (update, seal) in all {
        assert_eq!(store.get(update.dot()).unwrap().as_ref(), Some(update));
        assert_eq!(store.seal_of(update.dot()).unwrap().as_ref(), Some(seal));
    }
    rewritten
}

#[test]
fn what_is_broken_in_the_log_is_passed_by_and_comes_back_from_others() {
    loses_and_restores(&disk(&SimDisk::new(3)));
}

#[test]
fn what_is_broken_in_a_real_folder_comes_back_too() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(dir.path().to_path_buf()));
    loses_and_restores(&disk);
}

#[test]
fn what_is_broken_is_passed_by_without_looking_for_its_end_again() {
    let sim = SimDisk::new(3);
    let disk = disk(&sim);
    let all = written(&disk);
    damage(&disk, &all[20].0, 0);
    let store = opened(&disk, 6);
    let read = read_all(&store);
    let reads = sim.reads();
    assert_eq!(read_all(&store), read);
    assert_eq!(sim.reads(), reads, "all else is in the cache");
}

/// Where the seal of a dot stands.
fn place_of_seal(store: &Store, dot: Dot) -> Place {
    let mut place = Place::START;
    let note = |at| {
        place = at;
        Ok(true)
    };
    let span = Span { epoch: dot.epoch, from: dot.seq, to: dot.seq };
    assert!(store.index.any_seal_over(span, note).unwrap());
    place
}

#[test]
fn an_update_whose_seal_is_broken_comes_back_with_it() {
    let disk = disk(&SimDisk::new(3));
    let all = written(&disk);
    let store = opened(&disk, 6);
    // One whose seal stands in another segment.
    let segments = |update: &Update| {
        let place = store.index.place_of(update.dot()).unwrap().unwrap();
        (place.segment(), place_of_seal(&store, update.dot()).segment())
    };
    let is_apart = |(update, _): &&(Update, Seal)| segments(update).0 != segments(update).1;
    let (update, seal) = all.iter().find(is_apart).expect("there is one");
    let place = place_of_seal(&store, update.dot());
    store.close().unwrap();
    let file = disk.open(&segment_name(place.segment()), false).unwrap();
    file.write_at(u64::from(place.offset()) + 20, &[0; 16]).unwrap();
    file.sync_data().unwrap();
    let mut store = opened(&disk, 6);
    assert!(store.find_seal(update.dot()).unwrap().is_none());
    assert!(store.is_lost(update.dot()), "it can't be handed on");
    assert!(store.restore(update, seal).unwrap());
    commit(&mut store);
    let span = seal.span();
    for seq in span.from..=span.to {
        let dot = Dot { seq, ..update.dot() };
        assert_eq!(store.find_seal(dot).unwrap().as_ref(), Some(seal), "one seal is for all of it");
    }
    assert_eq!(leaves_the_log(store, &disk, &all), 2, "the seal's segment and the update's");
}

#[test]
fn what_came_back_is_mended_although_a_batch_failed_and_once_however_much_came_back() {
    let sim = SimDisk::new(3);
    let disk = disk(&sim);
    let all = written(&disk);
    // Both in the first segment.
    damage(&disk, &all[3].0, 0);
    damage(&disk, &all[5].0, 0);
    let mut store = opened(&disk, 6);
    let lost = [&all[3], &all[5]];
    for (update, seal) in lost {
        assert_eq!(store.find(update.dot()).unwrap(), None);
        assert!(store.restore(update, seal).unwrap());
    }
    sim.fail_writes(Fault::Write);
    let batch = batch(&mut store).expect("something is pending");
    store.finish(batch.run()).unwrap_err();
    sim.heal();
    commit(&mut store);
    let rewrite = store.take_rewrite().unwrap().expect("it is to be mended");
    let before = store.pending_bytes();
    store.mend(store.index.place_of(all[2].0.dot()).unwrap().unwrap().segment());
    assert_eq!(store.pending_bytes(), before, "it is being mended");
    store.finish_rewrite(rewrite.run()).unwrap();
    assert_eq!(leaves_the_log(store, &disk, &all), 0);
}

#[test]
fn a_broken_segment_is_mended_before_what_was_withdrawn_leaves_it() {
    let disk = disk(&SimDisk::new(3));
    let all = written(&disk);
    damage(&disk, &all[3].0, 0);
    let mut store = opened(&disk, 6);
    store.erase(&[all[2].0.dot(), all[5].0.dot()]).unwrap();
    commit(&mut store);
    let mut failed = 0;
    while let Some(rewrite) = store.take_rewrite().unwrap() {
        failed += usize::from(store.finish_rewrite(rewrite.run()).is_err());
        commit(&mut store);
    }
    assert_eq!(failed, 1, "the damage was not known before");
    for at in [2, 5] {
        assert_eq!(store.get(all[at].0.dot()).unwrap(), Some(all[at].0.erase()));
    }
    store.close().unwrap();
    disk.remove(INDEX_NAME).unwrap();
    let store = opened(&disk, 7);
    assert!(store.held().contains(all[3].0.dot()), "its name is never free again");
    assert_eq!(read_all(&store).len(), 39);
}
