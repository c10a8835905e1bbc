//! One promise a test.

use super::super::{Fault, NewEpoch, Place, Replay, ReplayOrder};
use super::*;
use crate::update::Cid;

#[test]
fn what_was_committed_is_there_after_a_clean_close() {
    let sim = SimDisk::new(1);
    let (mut store, report, _) = open(&sim, 5).unwrap();
    assert_eq!(report.new_epoch_because, Some(NewEpoch::LogBorn));
    assert_eq!((store.next_dot().seq, store.previous()), (1, Cid::ZERO));
    let first = own(&mut store, "first", Apply::OnCommit);
    let other = relayed(&mut store, 1, "other");
    assert_eq!(read_all(&store), vec![other.clone()], "an own update is not seen before its sync");
    assert!(store.seen().contains(first.dot()) && !store.held().contains(other.dot()));
    assert_eq!(store.get(first.dot()).unwrap(), None);
    assert_eq!(store.by_cid(other.cid()).unwrap(), Some(other.clone()));
    let done = batch(&mut store).unwrap().run();
    assert!(batch(&mut store).is_none());
    let committed = store.finish(done).unwrap();
    assert_eq!(committed.updates, vec![first.clone()]);
    assert_eq!(committed.durable_end, store.log_end());
    assert_eq!(read_all(&store), [first.clone(), other.clone()]);
    assert_eq!(store.held(), store.seen());
    store.close().unwrap();

    let (store, report, replayed) = open(&sim, 6).unwrap();
    assert_eq!((report.epoch, report.new_epoch_because), (epoch(5), None));
    assert_eq!(replayed, [], "the checkpoint covers all");
    assert_eq!((store.next_dot().seq, store.previous()), (2, first.cid()));
    assert_eq!(store.get(first.dot()).unwrap(), Some(first.clone()));
    assert_eq!(store.by_cid(other.cid()).unwrap(), Some(other.clone()));
    assert_eq!(store.dot_of(Cid([1; 32])).unwrap(), None);
    assert_eq!(read_all(&store), [first, other]);
}

#[test]
fn a_kill_without_early_sending_keeps_the_epoch_and_replays_what_the_index_lacks() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let a = own(&mut store, "a", Apply::OnCommit);
    commit(&mut store);
    assert!(checkpoint(&mut store));
    assert!(!checkpoint(&mut store), "nothing new");
    let b = own(&mut store, "b", Apply::OnCommit);
    commit(&mut store);
    let (store, report, replayed) = open(&sim.kill(), 6).unwrap();
    assert_eq!((report.epoch, report.new_epoch_because), (epoch(5), None));
    assert_eq!(replayed, vec![b.clone()]);
    assert_eq!((store.next_dot().seq, store.previous()), (3, b.cid()));
    assert_eq!(read_all(&store), [a, b]);
}

#[test]
fn a_kill_after_early_sending_begins_a_new_epoch_and_a_clean_close_does_not() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    assert!(!store.may_send_early());
    store.mark_early();
    store.mark_early();
    assert!(!store.may_send_early());
    commit(&mut store);
    assert!(store.may_send_early());
    let a = own(&mut store, "a", Apply::Now);
    assert_eq!(store.get(a.dot()).unwrap(), Some(a.clone()));
    store.seal(&key());
    let (store_2, report, _) = open(&sim.kill(), 6).unwrap();
    assert_eq!(report.new_epoch_because, Some(NewEpoch::SentEarly));
    assert_eq!((store_2.epoch(), store_2.previous()), (epoch(6), Cid::ZERO));
    store.close().unwrap();
    let (store, report, _) = open(&sim, 6).unwrap();
    assert_eq!((report.epoch, report.new_epoch_because), (epoch(5), None));
    assert!(!store.may_send_early(), "it must be said again");
    assert_eq!((store.next_dot().seq, store.previous()), (2, a.cid()));
    assert_eq!(store.epoch(), epoch(5));
}

#[test]
fn a_copy_of_a_store_that_was_closed_well_begins_a_new_epoch_once() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    own(&mut store, "a", Apply::OnCommit);
    commit(&mut store);
    store.close().unwrap();
    let copy = sim.copied();
    let (store, report, _) = open(&copy, 6).unwrap();
    assert_eq!((report.epoch, report.new_epoch_because), (epoch(6), Some(NewEpoch::Copied)));
    store.close().unwrap();
    // It is at home there now, as the original is where it was.
    for (disk, salt) in [(&copy, 6), (&sim, 5)] {
        let (store, report, _) = open(disk, 7).unwrap();
        assert_eq!((report.epoch, report.new_epoch_because), (epoch(salt), None));
        assert_eq!(read_all(&store).len(), 1);
    }
}

#[test]
fn a_second_open_is_refused() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    assert!(matches!(Store::open(disk(&sim), options(6)), Err(StoreError::Locked)));
    own(&mut store, "a", Apply::OnCommit);
    let batch = batch(&mut store);
    drop(store);
    assert!(
        matches!(Store::open(disk(&sim), options(6)), Err(StoreError::Locked)),
        "a batch is out"
    );
    drop(batch);
    Store::open(disk(&sim), options(6)).unwrap();
}

#[test]
fn an_update_in_its_turn_is_seen_with_those_before_it_and_refused_with_them() {
    let sim = SimDisk::new(3);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let first = own(&mut store, "a", Apply::InTurn);
    store.mark_early();
    let out = batch(&mut store).unwrap();
    let second = own(&mut store, "b", Apply::InTurn);
    let landed = store.finish(out.run()).unwrap();
    assert_eq!(landed.updates, [first, second.clone()], "the log says that it sends early");
    assert!(!store.is_hiding() && !store.held().contains(second.dot()));
    let waits = own(&mut store, "c", Apply::OnCommit);
    let out = batch(&mut store).unwrap();
    let behind = own(&mut store, "d", Apply::InTurn);
    let last = own(&mut store, "e", Apply::OnCommit);
    let hidden = own(&mut store, "f", Apply::InTurn);
    assert!(store.is_hiding() && !store.contains(behind.dot()));
    assert_eq!(store.finish(out.run()).unwrap().updates, [waits, behind.clone()]);
    assert!(store.contains(behind.dot()) && !store.contains(hidden.dot()));
    sim.fail_writes(Fault::Write);
    let out = batch(&mut store).unwrap();
    let failed = store.finish(out.run()).unwrap_err();
    assert_eq!((failed.refused, failed.kept), (vec![last.clone(), hidden], vec![behind]));
    sim.heal();
    commit(&mut store);
    assert_eq!(store.next_dot(), last.dot());
}

#[test]
fn a_failed_batch_refuses_what_nobody_saw_and_keeps_the_rest() {
    for fault in [Fault::Full, Fault::Write, Fault::Sync] {
        let sim = SimDisk::new(3);
        let (mut store, ..) = open(&sim, 5).unwrap();
        store.mark_early();
        commit(&mut store);
        let sent = own(&mut store, "b", Apply::Now);
        let unseen = own(&mut store, "c", Apply::OnCommit);
        let other = relayed(&mut store, 1, "d");
        sim.fail_writes(fault);
        let done = batch(&mut store).unwrap().run();
        let later = own(&mut store, "e", Apply::OnCommit);
        let failed = store.finish(done).unwrap_err();
        assert_eq!(failed.refused, [unseen.clone(), later]);
        assert_eq!(failed.kept, [sent.clone(), other.clone()]);
        assert!(store.is_failing() && !store.may_send_early());
        assert_eq!((store.next_dot(), store.previous()), (unseen.dot(), sent.cid()));
        assert!(!store.seen().contains(unseen.dot()) && !checkpoint(&mut store));
        assert_eq!(read_all(&store), [sent.clone(), other.clone()]);
        let done = batch(&mut store).unwrap().run();
        store.finish(done).unwrap_err();
        sim.heal();
        let done = batch(&mut store).unwrap().run();
        assert_eq!(store.finish(done).unwrap().updates, []);
        assert!(!store.is_failing() && store.may_send_early());
        let next = own(&mut store, "f", Apply::OnCommit);
        assert_eq!(next.dot(), unseen.dot());
        commit(&mut store);
        let all = [sent, other, next];
        assert_eq!(read_all(&store), all);
        store.close().unwrap();
        let (store, report, _) = open(&sim, 6).unwrap();
        assert_eq!(report.new_epoch_because, None);
        assert_eq!(read_all(&store), all);
        assert_eq!(store.get(all[2].dot()).unwrap().as_ref(), Some(&all[2]));
    }
}

#[test]
fn the_marks_of_a_failed_batch_go_out_with_the_next_one() {
    let sim = SimDisk::new(3);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let old = own(&mut store, "old", Apply::OnCommit);
    store.begin_epoch(birth(8));
    assert_eq!((store.next_dot(), store.previous()), (Dot { epoch: epoch(8), seq: 1 }, Cid::ZERO));
    store.mark_early();
    let new = own(&mut store, "new", Apply::OnCommit);
    sim.fail_writes(Fault::Write);
    let done = batch(&mut store).unwrap().run();
    assert_eq!(store.finish(done).unwrap_err().refused, [old, new]);
    assert_eq!((store.next_dot(), store.previous()), (Dot { epoch: epoch(8), seq: 1 }, Cid::ZERO));
    assert!(!store.may_send_early());
    sim.heal();
    commit(&mut store);
    assert!(store.may_send_early());
    let sent = own(&mut store, "sent", Apply::Now);
    commit(&mut store);
    let (_, report, replayed) = open(&sim.kill(), 9).unwrap();
    assert_eq!(report.new_epoch_because, Some(NewEpoch::SentEarly));
    assert_eq!(replayed, vec![sent]);
    store.close().unwrap();
    let (store, report, _) = open(&sim, 9).unwrap();
    assert_eq!((report.epoch, report.new_epoch_because), (epoch(8), None));
    assert_eq!(store.next_dot().seq, 2);
}

#[test]
fn a_failing_disk_is_probed_even_when_nothing_is_pending() {
    let sim = SimDisk::new(3);
    let (mut store, ..) = open(&sim, 5).unwrap();
    own(&mut store, "a", Apply::OnCommit);
    sim.fail_writes(Fault::Sync);
    let done = batch(&mut store).unwrap().run();
    assert_eq!(store.finish(done).unwrap_err().refused.len(), 1);
    sim.heal();
    let done = batch(&mut store).expect("a probe").run();
    store.finish(done).unwrap();
    assert!(!store.is_failing() && batch(&mut store).is_none());
    let b = own(&mut store, "b", Apply::OnCommit);
    commit(&mut store);
    let (store, report, replayed) = open(&sim.kill(), 6).unwrap();
    assert_eq!((report.cut, replayed), (None, vec![b.clone()]));
    assert_eq!(store.previous(), b.cid());
}

#[test]
fn a_batch_or_checkpoint_that_is_dropped_is_taken_again() {
    let sim = SimDisk::new(3);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let a = own(&mut store, "a", Apply::OnCommit);
    drop(batch(&mut store));
    let b = own(&mut store, "b", Apply::OnCommit);
    commit(&mut store);
    assert_eq!(read_all(&store), [a.clone(), b.clone()]);
    drop(store.take_checkpoint().unwrap());
    assert!(checkpoint(&mut store));
    let (store, report, replayed) = open(&sim.kill(), 6).unwrap();
    assert_eq!((report.cut, replayed), (None, vec![]));
    assert_eq!(read_all(&store), [a, b]);
}

#[test]
fn a_replay_merges_epochs_by_clock_and_passes_by_what_is_not_there() {
    let sim = SimDisk::new(3);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let mut all = Vec::new();
    for n in 0..100_u64 {
        let dot = Dot { epoch: Epoch(20 + n % 3), seq: n / 3 + 1 };
        let update = update(dot, 1000 - (n % 3) * 300 + n, "x");
        store.append(&update, Apply::Now);
        if n == 50 {
            commit(&mut store);
            assert!(checkpoint(&mut store));
        }
        all.push(update);
    }
    let span = |epoch, from, to| crate::update::Span { epoch: Epoch(epoch), from, to };
    let spans = vec![span(20, 30, 90), span(20, 1, 25), span(21, 1, 90), span(22, 1, 90)];
    let mut replay = Replay::new(spans, ReplayOrder::Clock);
    let mut expected = all.clone();
    expected.retain(|update| {
        let Dot { epoch, seq } = update.dot();
        epoch != Epoch(20) || seq <= 25 || seq >= 30
    });
    expected.sort_by_key(|update| (update.clock(), update.dot()));
    let mut got = Vec::new();
    while let Some(update) = replay.next(&store).unwrap() {
        got.push(update);
    }
    assert_eq!(got, expected);
}

#[test]
fn places_are_ordered_and_reading_goes_on_from_any_of_them() {
    let sim = SimDisk::new(3);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let all: Vec<Update> = (1..=40).map(|n| relayed(&mut store, n, &"x".repeat(150))).collect();
    commit(&mut store);
    assert!(store.log_end().segment() > 2, "segments were begun");
    let mut place = Place::START;
    for (index, update) in all.iter().enumerate() {
        let (read, next) = store.read_from(place).unwrap().unwrap();
        assert_eq!(&read, update, "{index}");
        place = next;
    }
    assert_eq!(store.read_from(place).unwrap(), None);
    let more = relayed(&mut store, 41, "more");
    assert_eq!(store.read_from(place).unwrap().map(|(update, _)| update), Some(more));
}
