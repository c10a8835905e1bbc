//! Damaged files: named, never half-read, never guessed at.

use super::super::engine::INDEX_NAME;
use super::super::frame::{HEADER_BYTES, segment_name};
use super::super::{Fault, NewEpoch, Place};
use super::*;
use crate::base::Rng;

/// A disk with a log of several segments and batches; all of it in the index if `checkpointed`.
fn written(checkpointed: bool) -> (SimDisk, Vec<Update>) {
    let sim = SimDisk::new(4);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let mut all = Vec::new();
    for n in 1..=60 {
        all.push(relayed(&mut store, n, &"x".repeat(n as usize % 97)));
        if n % 7 == 0 {
            all.push(own(&mut store, "own", Apply::OnCommit));
            commit(&mut store);
        }
    }
    commit(&mut store);
    if checkpointed {
        assert!(checkpoint(&mut store));
    }
    assert!(store.log_end().segment() >= 4);
    (sim.kill(), all)
}

fn length(sim: &SimDisk, name: &str) -> u64 {
    sim.open(name, false).unwrap().len().unwrap()
}

/// The starts of all frames of updates, and the place behind the last.
fn frames(sim: &SimDisk) -> Vec<Place> {
    let (store, ..) = open(&sim.kill(), 6).unwrap();
    let mut places = vec![Place::START];
    while let Some((_, next)) = store.read_from(places[places.len() - 1]).unwrap() {
        places.push(next);
    }
    places
}

#[test]
fn a_flipped_bit_in_the_log_is_named_and_never_read() {
    let (sim, all) = written(false);
    let end = frames(&sim).pop().unwrap();
    let mut rng = Rng::new(1);
    let mut cuts = 0;
    for _ in 0..400 {
        let segment = rng.range(1..=u64::from(end.segment())) as u32;
        let image = sim.kill();
        let at = rng.below(length(&image, &segment_name(segment)));
        image.flip(&segment_name(segment), at, 1 << rng.below(8)).unwrap();
        match Store::open(disk(&image), options(6)) {
            Err(StoreError::Damaged { segment: named, offset }) => {
                assert!(named == segment && offset <= at, "{named}:{offset} for {segment}:{at}");
                assert!(at - offset < 512, "the frame, or the header, is named");
            }
            Ok((mut store, report)) => {
                // In the last batch, damage and a torn write look alike.
                let cut = report.cut.expect("it was noticed");
                assert_eq!((cut.segment, segment), (end.segment(), end.segment()));
                assert_eq!(report.new_epoch_because, Some(NewEpoch::Cut));
                replay_all(&mut store).unwrap();
                let read = read_all(&store);
                assert!(read.len() < all.len() && all.starts_with(&read));
                cuts += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!((1..100).contains(&cuts), "{cuts} of them in the last batch");
}

#[test]
fn damage_in_what_the_index_covers_is_found_when_it_is_read() {
    let (sim, all) = written(true);
    let end = frames(&sim).pop().unwrap();
    let mut rng = Rng::new(2);
    let mut refused = 0;
    for _ in 0..200 {
        let segment = rng.range(1..=u64::from(end.segment())) as u32;
        let image = sim.kill();
        let at = rng.below(length(&image, &segment_name(segment)));
        image.flip(&segment_name(segment), at, 1 << rng.below(8)).unwrap();
        let store = match open(&image, 6) {
            Ok((store, ..)) => store,
            // The index says that it was whole: so this is no torn tail, wherever it is.
            Err(StoreError::Damaged { .. }) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let mut damaged = 0;
        for update in &all {
            match store.get(update.dot()) {
                Ok(read) => assert_eq!(read.as_ref(), Some(update)),
                Err(StoreError::Damaged { segment: named, .. }) => {
                    assert_eq!(named, segment);
                    damaged += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        // A header's salt or end concerns the whole segment, the start of a batch no update.
        assert!(damaged <= 1 || at < HEADER_BYTES as u64);
    }
    assert!(refused > 0);
}

#[test]
fn a_missing_segment_is_named() {
    let (sim, _) = written(true);
    for number in 1..=3 {
        let image = sim.kill();
        image.remove(&segment_name(number)).unwrap();
        match Store::open(disk(&image), options(6)) {
            Err(StoreError::SegmentMissing { segment }) => assert_eq!(segment, number),
            other => panic!("{:?}", other.map(|(_, report)| report)),
        }
    }
}

#[test]
fn every_torn_tail_is_cut_and_what_is_before_it_stays() {
    let (sim, all) = written(false);
    let end = frames(&sim).pop().unwrap();
    let name = segment_name(end.segment());
    for length in 0..u64::from(end.offset()) {
        let image = sim.kill();
        image.open(&name, false).unwrap().set_len(length).unwrap();
        let (store, report, _) = open(&image, 6).unwrap();
        let read = read_all(&store);
        assert!(all.starts_with(&read) && read.len() < all.len());
        if let Some(cut) = report.cut {
            assert_eq!(cut.offset + cut.bytes, length);
            assert_eq!(store.epoch(), epoch(6));
        }
        if length % 5 > 0 {
            continue;
        }
        // What goes on behind the cut is whole too.
        let mut store = store;
        let more = own(&mut store, "more", Apply::OnCommit);
        commit(&mut store);
        let (store, report, _) = open(&image.kill(), 7).unwrap();
        assert_eq!(report.cut, None);
        assert_eq!(read_all(&store), [&read[..], &[more]].concat());
    }
}

#[test]
fn an_index_that_knows_more_than_the_log_means_a_new_epoch_and_is_made_again() {
    let (sim, all) = written(true);
    let end = frames(&sim).pop().unwrap();
    let mut rng = Rng::new(3);
    for round in 0..40 {
        let image = sim.kill();
        let mut last = end.segment();
        if round % 4 == 0 {
            image.remove(&segment_name(last)).unwrap();
            last -= 1;
        }
        if round % 8 != 0 {
            let file = image.open(&segment_name(last), false).unwrap();
            file.set_len(rng.below(file.len().unwrap())).unwrap();
        }
        let (store, report, replayed) = open(&image, 6).unwrap();
        assert_eq!(report.new_epoch_because, Some(NewEpoch::IndexAhead));
        assert!(report.index_rebuilt);
        assert_eq!((store.epoch(), store.next_dot().seq), (epoch(6), 1));
        let read = read_all(&store);
        assert!(all.starts_with(&read) && read.len() < all.len());
        assert_eq!(replayed, read);
        for update in &all {
            let there = read.contains(update);
            assert_eq!(store.get(update.dot()).unwrap().is_some(), there);
            assert_eq!(store.dot_of(update.cid()).unwrap().is_some(), there);
        }
    }
    // The log is gone altogether.
    let image = sim.kill();
    for number in 1..=end.segment() {
        image.remove(&segment_name(number)).unwrap();
    }
    let (store, report, _) = open(&image, 6).unwrap();
    assert_eq!(report.new_epoch_because, Some(NewEpoch::IndexAhead));
    assert_eq!(store.by_cid(all[0].cid()).unwrap(), None);
}

#[test]
fn an_index_that_is_missing_cut_or_garbage_is_made_again_and_the_epoch_goes_on() {
    let (sim, all) = written(true);
    let whole = length(&sim, INDEX_NAME);
    for round in 0..12 {
        let image = sim.kill();
        let file = image.open(INDEX_NAME, false).unwrap();
        match round {
            0 => image.remove(INDEX_NAME).unwrap(),
            1 => file.set_len(0).unwrap(),
            2 => file.write_at(0, &[0xa5; 8192]).unwrap(),
            3 => file.write_at(4096, &vec![0xa5; whole as usize - 4096]).unwrap(),
            _ => file.set_len(whole * (round - 3) / 9).unwrap(),
        }
        let (store, report, replayed) = open(&image, 6).unwrap();
        assert_eq!((report.new_epoch_because, report.epoch), (None, epoch(5)), "{round}");
        assert_eq!(replayed, all, "{round}");
        assert!(report.index_rebuilt || round == 1, "{round}");
        assert!(all.iter().all(|update| store.get(update.dot()).unwrap().is_some()));
        store.close().unwrap();
        let (_, report, replayed) = open(&image, 7).unwrap();
        assert_eq!((report.index_rebuilt, replayed), (false, vec![]));
    }
}

#[test]
fn flipped_bits_in_the_index_never_give_a_wrong_update_and_never_end_the_process() {
    let (sim, all) = written(true);
    let whole = length(&sim, INDEX_NAME);
    let mut rng = Rng::new(5);
    for _ in 0..60 {
        let image = sim.kill();
        for _ in 0..rng.range(1..=200) {
            image.flip(INDEX_NAME, rng.below(whole), 1 << rng.below(8)).unwrap();
        }
        let Ok((store, ..)) = open(&image, 6) else { continue };
        let mut wrong = false;
        for update in &all {
            match store.get(update.dot()) {
                Ok(found) => assert!(found.is_none_or(|found| found == *update)),
                Err(_) => wrong = true,
            }
        }
        drop(store);
        if wrong {
            let (store, ..) = open(&image, 7).expect("made again");
            assert!(all.iter().all(|update| store.get(update.dot()).unwrap().is_some()));
        }
    }
}

#[test]
fn the_index_is_read_on_while_the_disk_takes_no_writes_and_written_when_it_does() {
    for fault in [Fault::Full, Fault::Write, Fault::Sync] {
        let sim = SimDisk::new(4);
        let (mut store, ..) = open(&sim, 5).unwrap();
        let mut all = Vec::new();
        for n in 1..=200 {
            all.push(relayed(&mut store, n, "x"));
            store.index_mut().put(vec![b'k', n as u8], vec![7; 100 * n as usize]);
            if n == 100 {
                commit(&mut store);
                assert!(checkpoint(&mut store));
            }
        }
        commit(&mut store);
        sim.fail_writes(fault);
        for _ in 0..3 {
            assert!(!checkpoint(&mut store));
            let found = |update: &Update| store.get(update.dot()).unwrap().is_some();
            assert!(all.iter().all(found));
            assert_eq!(store.index().get(b"k\x05").unwrap(), Some(vec![7; 500]));
        }
        sim.heal();
        assert!(checkpoint(&mut store));
        assert_eq!(store.overlay_bytes(), 0);
        assert!(all.iter().all(|update| store.get(update.dot()).unwrap().is_some()));
        let (store, _, replayed) = open(&sim.kill(), 6).unwrap();
        assert_eq!(replayed, []);
        assert_eq!(store.index().get(b"k\xc0").unwrap(), Some(vec![7; 19_200]));
    }
}
