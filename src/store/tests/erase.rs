//! What is erased or dropped leaves the disk, and everything else stays where it was.

use super::super::engine::INDEX_NAME;
use super::super::frame::segment_name;
use super::super::{FileDisk, Place, Replay, ReplayOrder};
use super::*;
use crate::update::{Seal, Span, Vector};
use std::slice;

/// Brings everything to the disk and does all that is to be done with segments.
fn settle(store: &mut Store) -> usize {
    let mut count = 0;
    loop {
        commit(store);
        checkpoint(store);
        // A chore in the last segment waits for the next one to begin.
        let Some(rewrite) = store.take_rewrite().unwrap().or_else(|| {
            commit(store);
            checkpoint(store);
            store.take_rewrite().unwrap()
        }) else {
            return count;
        };
        store.finish_rewrite(rewrite.run()).unwrap();
        count += 1;
    }
}

/// The files in which some bytes stand.
fn files_with(disk: &dyn Disk, needle: &str) -> Vec<String> {
    let has = |name: &String| {
        let file = disk.open(name, false).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(0, &mut bytes).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    };
    disk.list().unwrap().into_iter().filter(has).collect()
}

const SECRET: &str = "the secret";

/// Updates of two origins, every fifth with a secret, in several segments; and one exhibit.
fn with_secrets(store: &mut Store) -> Vec<Update> {
    let mut all = Vec::new();
    for n in 1..=60_usize {
        let text = if n % 5 == 0 { SECRET.to_owned() } else { String::new() };
        let text = text + &"x".repeat(n * 7 % 150);
        all.push(relayed(store, n as u64, &text));
        if n % 4 == 0 {
            all.push(own(store, &text, Apply::OnCommit));
            commit(store);
        }
    }
    let dot = Dot { epoch: epoch(3), seq: 1 };
    for text in ["one", "another, the secret"] {
        let update = update(dot, 1, text);
        let seal = Seal::sign(&key(), 3, 1, vec![update.cid()]);
        if text == "one" {
            store.append_seal(&seal).unwrap();
            store.append(&update, Apply::Now);
            all.push(update);
        } else {
            assert!(store.append_exhibit(&update, &seal));
        }
    }
    commit(store);
    all
}

fn secrets(all: &[Update]) -> Vec<Dot> {
    let is_secret = |update: &&Update| {
        update.payload().starts_with(SECRET.as_bytes()) || update.dot().epoch == epoch(3)
    };
    all.iter().filter(is_secret).map(Update::dot).collect()
}

/// As they are to be read.
fn erased(all: &[Update], dots: &[Dot]) -> Vec<Update> {
    let stub = |update: &Update| {
        if dots.contains(&update.dot()) { update.erase() } else { update.clone() }
    };
    all.iter().map(stub).collect()
}

fn erase_all(store: &mut Store, disk: &dyn Disk) -> Vec<Update> {
    let all = with_secrets(store);
    assert!(store.log_end().segment() > 4);
    let places: Vec<Place> = places(store);
    // What follows from a payload stands in the index, and goes with it.
    store.index_mut().put(b"row".to_vec(), SECRET.as_bytes().to_vec());
    store.index_mut().put(b"other".to_vec(), b"stays".to_vec());
    assert!(checkpoint(store));
    assert!(files_with(disk, SECRET).contains(&INDEX_NAME.to_owned()));
    let dots = secrets(&all);
    store.erase(&dots).unwrap();
    store.index_mut().delete(b"row");
    let left = erased(&all, &dots);
    assert_eq!(read_all(store), left, "at once, for who reads");
    for update in &left {
        assert_eq!(store.get(update.dot()).unwrap().as_ref(), Some(update));
        assert_eq!(store.by_cid(update.cid()).unwrap().as_ref(), Some(update));
    }
    assert!(store.exhibits().all(|exhibit| exhibit.unwrap().0.is_erased()));
    settle(store);
    assert_eq!(files_with(disk, SECRET), [""; 0]);
    assert_eq!(read_all(store), left);
    assert_eq!(places, self::places(store), "no place has moved");
    assert!(store.take_rewrite().unwrap().is_none() && store.take_batch().is_none());
    assert_eq!(store.index().get(b"other").unwrap(), Some(b"stays".to_vec()));
    assert_eq!(store.index().get(b"row").unwrap(), None);
    left
}

/// Where each update starts.
fn places(store: &Store) -> Vec<Place> {
    let mut places = vec![Place::START];
    while let Some((_, next)) = store.read_from(places[places.len() - 1]).unwrap() {
        places.push(next);
    }
    places
}

#[test]
fn an_erased_payload_is_in_no_byte_of_any_file_and_its_stub_stays() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let left = erase_all(&mut store, &sim);
    drop(store);
    for loses_index in [false, true] {
        let image = sim.kill();
        if loses_index {
            image.remove(INDEX_NAME).unwrap();
        }
        let (mut store, report, replayed) = open(&image, 6).unwrap();
        assert_eq!((report.cut, report.new_epoch_because), (None, None));
        assert_eq!(replayed, if loses_index { left.clone() } else { Vec::new() });
        assert_eq!(read_all(&store), left);
        settle(&mut store);
        assert_eq!(files_with(&image, SECRET), [""; 0]);
        assert_eq!(read_all(&store), left);
        assert!(store.exhibits().all(|exhibit| exhibit.unwrap().0.is_erased()));
    }
}

#[test]
fn on_real_files_an_erased_payload_is_gone_too() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(dir.path().to_owned()));
    let (mut store, _) = Store::open(Arc::clone(&disk), options(5)).unwrap();
    let left = erase_all(&mut store, &*disk);
    store.close().unwrap();
    let (store, report) = Store::open(Arc::clone(&disk), options(6)).unwrap();
    assert_eq!((report.updates_to_replay, read_all(&store)), (0, left));
}

#[test]
fn an_erasure_that_was_on_disk_is_finished_after_a_crash_and_one_that_was_not_is_forgotten() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let all = with_secrets(&mut store);
    let dots = secrets(&all);
    store.erase(&dots).unwrap();
    let (forgot, ..) = open(&sim.kill(), 6).unwrap();
    assert_eq!(read_all(&forgot), all, "it was nowhere yet");
    commit(&mut store);
    for checkpointed in [false, true] {
        assert!(!checkpointed || checkpoint(&mut store));
        let image = sim.kill();
        let (mut store, ..) = open(&image, 6).unwrap();
        assert_eq!(read_all(&store), erased(&all, &dots));
        assert!(!files_with(&image, SECRET).is_empty());
        settle(&mut store);
        assert_eq!(files_with(&image, SECRET), [""; 0]);
    }
}

#[test]
fn what_is_erased_on_its_way_to_the_disk_is_erased_there() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let hidden = own(&mut store, "the secret, hidden", Apply::OnCommit);
    let shown = relayed(&mut store, 1, "the secret, shown");
    let out = batch(&mut store).unwrap();
    store.erase(&[hidden.dot(), shown.dot()]).unwrap();
    assert_eq!(read_all(&store), [shown.erase()]);
    let committed = store.finish(out.run()).unwrap();
    assert_eq!(committed.updates, [hidden.erase()]);
    settle(&mut store);
    assert_eq!(files_with(&sim, SECRET), [""; 0]);
    assert_eq!(read_all(&store), [hidden.erase(), shown.erase()]);
}

/// The dots of the origin that is not ours.
fn theirs(from: u64, to: u64) -> Vector {
    let mut vector = Vector::new();
    vector.insert_span(Span { epoch: Epoch(99), from, to });
    vector
}

#[test]
fn what_is_dropped_frees_its_segments_and_counts_as_had_for_ever() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let first = own(&mut store, "first", Apply::OnCommit);
    commit(&mut store);
    let all: Vec<Update> = (1..=200)
        .map(|seq| {
            let update = relayed(&mut store, seq, &"x".repeat(100));
            if seq % 5 == 0 {
                commit(&mut store);
            }
            update
        })
        .collect();
    settle(&mut store);
    let (state, held, seen) = (store.state_hash(), store.held().clone(), store.seen().clone());
    let mut dots = theirs(1, 150);
    assert!(dots.remove(Dot { epoch: Epoch(99), seq: 77 }));
    let mut reader = Replay::new(store.visible().spans().collect(), ReplayOrder::Clock);
    assert_eq!(reader.next(&store).unwrap().as_ref(), Some(&all[0]));
    let place = store.read_from(Place::START).unwrap().unwrap().1;
    let before = files_with(&sim, "xxx").len();
    store.retire(&dots).unwrap();
    let left = [&[first.clone()][..], &all[76..77], &all[150..]].concat();
    let check = |store: &Store| {
        assert_eq!(read_all(store), left);
        assert_eq!((store.state_hash(), store.held(), store.seen()), (state, &held, &seen));
        assert_eq!((store.low(Epoch(99)), store.lows()), (151, vec![(Epoch(99), 151)]));
        assert_eq!(store.gone(), &dots);
        for update in &all {
            let found = left.contains(update).then_some(update);
            assert_eq!(store.get(update.dot()).unwrap().as_ref(), found);
            assert_eq!(store.by_cid(update.cid()).unwrap().as_ref(), found);
            assert_eq!(store.contains(update.dot()), found.is_some());
        }
    };
    check(&store);
    settle(&mut store);
    check(&store);
    // A place from before, in the middle of what is gone now, leads on to what is left.
    assert_eq!(store.read_from(place).unwrap().unwrap().0, all[76]);
    let rest = std::iter::from_fn(|| reader.next(&store).unwrap());
    assert_eq!(rest.collect::<Vec<_>>(), left);
    let after = files_with(&sim, "xxx").len();
    assert!(after < before / 2, "{after} of {before} segments have something left");
    for loses_index in [false, true] {
        let image = sim.kill();
        if loses_index {
            image.remove(INDEX_NAME).unwrap();
        }
        let (mut store, report, _) = open(&image, 6).unwrap();
        assert_eq!(report.new_epoch_because, None);
        check(&store);
        settle(&mut store);
        check(&store);
    }
}

#[test]
fn segments_at_the_front_are_removed_once_nothing_is_left_in_them() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let mut tip = None;
    for seq in 1..=120 {
        relayed(&mut store, seq, &"x".repeat(100));
        if seq % 5 == 0 {
            tip = Some(own(&mut store, "own", Apply::OnCommit));
            commit(&mut store);
        }
    }
    assert!(store.log_end().segment() > 8);
    let (tip, state, birth) = (tip.unwrap(), store.state_hash(), store.birth());
    let mut dots = theirs(1, 120);
    dots.insert_span(Span { epoch: birth.epoch, from: 1, to: 24 });
    settle(&mut store);
    store.retire(&dots).unwrap();
    settle(&mut store);
    let first = store.log_start().segment();
    assert!(first > 5, "{first} is the first");
    assert!((1..first).all(|number| sim.open(&segment_name(number), false).is_err()));
    for loses_index in [false, true] {
        let image = sim.kill();
        if loses_index {
            image.remove(INDEX_NAME).unwrap();
        }
        let (mut store, report, _) = open(&image, 6).unwrap();
        assert_eq!((report.new_epoch_because, store.birth()), (None, birth));
        assert_eq!((store.state_hash(), store.held()), (state, &dots));
        assert_eq!((store.next_dot().seq, store.previous()), (25, tip.cid()));
        assert_eq!(read_all(&store), []);
        let texts = (0..20).map(|_| own(&mut store, &"y".repeat(200), Apply::OnCommit));
        let more: Vec<Update> = texts.collect();
        settle(&mut store);
        let mut all = dots.clone();
        for update in &more {
            assert!(all.insert(update.dot()));
        }
        assert_eq!((read_all(&store), store.held()), (more, &all));
        // A segment that is missing although nothing says that it may be is damage.
        let next = store.log_start().segment();
        image.remove(&segment_name(next)).unwrap();
        drop(store);
        let reopened = Store::open(disk(&image), options(7)).map(|(_, report)| report);
        assert!(matches!(reopened, Err(StoreError::SegmentMissing { segment }) if segment == next));
    }
}

#[test]
fn a_crash_behind_a_removal_that_the_index_has_not_heard_of_is_no_damage() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    for seq in 1..=120 {
        relayed(&mut store, seq, &"x".repeat(100));
        commit(&mut store);
    }
    settle(&mut store);
    // Of what is dropped and erased the index's file has rows until the next checkpoint.
    store.erase(&[Dot { epoch: Epoch(99), seq: 3 }]).unwrap();
    let dots = theirs(1, 120);
    commit(&mut store);
    store.retire(&dots).unwrap();
    commit(&mut store);
    let mut rests = 0;
    while rests < 3 {
        rests += 1;
        if let Some(rewrite) = store.take_rewrite().unwrap() {
            store.finish_rewrite(rewrite.run()).unwrap();
            rests = 0;
        }
        commit(&mut store);
    }
    assert!(store.log_start().segment() > 5, "{} is the first", store.log_start());
    let image = sim.kill();
    let (mut store, ..) = open(&image, 6).unwrap();
    assert_eq!((store.held(), store.gone()), (&dots, &dots));
    let more = own(&mut store, "a later secret", Apply::OnCommit);
    settle(&mut store);
    assert_eq!(read_all(&store), slice::from_ref(&more));
    // What is to be done with other segments does not wait for one that is gone.
    store.erase(&[more.dot()]).unwrap();
    settle(&mut store);
    assert_eq!(files_with(&image, "a later secret"), [""; 0]);
}

#[test]
fn exhibits_are_erased_by_their_ids_and_nothing_else_that_bears_their_name() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let dot = Dot { epoch: epoch(3), seq: 1 };
    let texts = ["in the log", "hushed on the disk", "stays", "hushed in memory"];
    let all = texts.map(|text| update(dot, 1, text));
    let seal = |update: &Update| Seal::sign(&key(), 3, 1, vec![update.cid()]);
    store.append_seal(&seal(&all[0])).unwrap();
    store.append(&all[0], Apply::Now);
    for shown in &all[1..3] {
        assert!(store.append_exhibit(shown, &seal(shown)));
    }
    commit(&mut store);
    assert!(store.append_exhibit(&all[3], &seal(&all[3])));
    // One is on the disk, one is not, and one is no exhibit.
    store.erase_exhibits(&[all[1].cid(), all[3].cid(), all[0].cid(), Cid([9; 32])]);
    let stand = |update: &Update| {
        if update.payload().starts_with(b"hushed") { update.erase() } else { update.clone() }
    };
    let read = |store: &Store| all.each_ref().map(|of| store.by_cid(of.cid()).unwrap().unwrap());
    assert_eq!(read(&store), all.each_ref().map(stand), "at once, for who reads");
    assert_eq!(store.get(dot).unwrap().as_ref(), Some(&all[0]));
    settle(&mut store);
    for (text, files) in [("hushed", 0), ("stays", 1), ("in the log", 1)] {
        assert_eq!(files_with(&sim, text).len(), files, "{text}");
    }
    store.close().unwrap();
    let (store, ..) = open(&sim, 6).unwrap();
    assert_eq!(read(&store), all.each_ref().map(stand));
    assert_eq!(store.exhibits().count(), 3);
}

#[test]
fn a_rewrite_that_fails_or_is_dropped_changes_nothing_and_is_taken_again() {
    use super::super::Fault;
    for fault in [Fault::Full, Fault::Write, Fault::Sync] {
        let sim = SimDisk::new(1);
        let (mut store, ..) = open(&sim, 5).unwrap();
        let all = with_secrets(&mut store);
        let dots = secrets(&all);
        store.erase(&dots).unwrap();
        commit(&mut store);
        drop(store.take_rewrite().unwrap().expect("something is to be erased"));
        let rewrite = store.take_rewrite().unwrap().expect("it is taken again");
        assert!(store.take_rewrite().unwrap().is_none(), "one is out at a time");
        sim.fail_writes(fault);
        let done = rewrite.run();
        assert!(!done.is_ok());
        store.finish_rewrite(done).unwrap_err();
        assert_eq!(read_all(&store), erased(&all, &dots));
        sim.heal();
        // It has its turn again after others.
        settle(&mut store);
        settle(&mut store);
        settle(&mut store);
        assert_eq!(files_with(&sim, SECRET), [""; 0]);
        assert_eq!(read_all(&store), erased(&all, &dots));
    }
}

#[test]
fn a_segment_that_can_not_be_written_anew_holds_up_no_other_and_is_tried_again_later() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let all = with_secrets(&mut store);
    let dots = secrets(&all);
    assert!(checkpoint(&mut store));
    store.close().unwrap();
    let (mut store, ..) = open(&sim, 6).unwrap();
    store.erase(&dots).unwrap();
    commit(&mut store);
    // Where the second segment ends stands in the header of the third.
    let third = segment_name(3);
    sim.flip(&third, 5, 1).unwrap();
    let mut failed = Vec::new();
    for turn in 0..80_u64 {
        let is_header =
            |error: &StoreError| matches!(error, StoreError::Damaged { segment: 3, .. });
        match store.take_rewrite() {
            // The third can't be read either.
            Ok(Some(rewrite)) => {
                assert!(store.finish_rewrite(rewrite.run()).as_ref().err().is_none_or(is_header));
            }
            Ok(None) => {}
            Err(error) => {
                assert!(is_header(&error), "{error}");
                failed.push(turn);
            }
        }
        commit(&mut store);
    }
    assert!((3..8).contains(&failed.len()), "{failed:?}");
    assert!(failed.windows(3).all(|f| f[2] - f[1] > f[1] - f[0]), "{failed:?}");
    assert_eq!(files_with(&sim, SECRET), [segment_name(2), third.clone()]);
    sim.flip(&third, 5, 1).unwrap();
    for _ in 0..70 {
        settle(&mut store);
    }
    assert_eq!(files_with(&sim, SECRET), [""; 0]);
    assert_eq!(read_all(&store), erased(&all, &dots));
}

#[test]
fn nothing_is_erased_from_the_disk_or_known_to_others_before_the_log_says_why_for_good() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let all: Vec<Update> = (1..=60).map(|seq| relayed(&mut store, seq, &"x".repeat(100))).collect();
    settle(&mut store);
    relayed(&mut store, 61, "a withdrawal");
    let dot = all[3].dot();
    store.erase(&[dot]).unwrap();
    assert!(store.get(dot).unwrap().unwrap().is_erased(), "at once, for who reads here");
    assert!(store.is_being_erased(dot) && store.take_rewrite().unwrap().is_none());
    let batch = batch(&mut store).unwrap();
    assert!(store.take_rewrite().unwrap().is_none(), "it is on its way");
    let (after_crash, ..) = open(&sim.kill(), 6).unwrap();
    assert_eq!(after_crash.get(dot).unwrap().as_ref(), Some(&all[3]));
    store.finish(batch.run()).unwrap();
    assert!(!store.is_being_erased(dot));
    assert!(settle(&mut store) > 0);
    assert!(store.get(dot).unwrap().unwrap().is_erased() && !store.is_being_erased(dot));
}
