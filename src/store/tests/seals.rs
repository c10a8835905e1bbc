//! Seals, tips, forks and dots that were passed by: one promise a test.

use super::super::frame::segment_name;
use super::super::{Fault, Follows, NewEpoch, Tip};
use super::*;
use crate::update::{Seal, Span, Vector, state_hash};

#[test]
fn own_updates_want_a_seal_before_links_may_carry_them() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let other = relayed(&mut store, 1, "other");
    assert_eq!((store.unsealed(), store.reserved()), (None, Vector::new()));
    let first = own(&mut store, "first", Apply::OnCommit);
    let second = own(&mut store, "second", Apply::OnCommit);
    let unsealed = store.unsealed().unwrap();
    assert_eq!((unsealed.birth, unsealed.from), (birth(5), 1));
    assert_eq!(unsealed.cids, [first.cid(), second.cid()]);
    assert!([&first, &second].iter().all(|own| store.reserved().contains(own.dot())));
    assert!(store.is_sealed(other.dot()) && !store.is_sealed(second.dot()));
    assert_eq!(store.seal_of(first.dot()).unwrap(), None);
    assert_eq!(store.seal(&key()), 1);
    assert_eq!(store.unsealed(), None);
    commit(&mut store);
    let check = |store: &Store| {
        for update in [&first, &second] {
            let seal = store.seal_of(update.dot()).unwrap().unwrap();
            assert!(seal.verify() && seal.cid_of(update.dot()) == Some(update.cid()));
        }
        assert_eq!(store.seal_of(store.next_dot()).unwrap(), None);
        assert_eq!(store.unsealed(), None);
    };
    check(&store);
    let (reopened, ..) = open(&sim.kill(), 6).unwrap();
    check(&reopened);
    store.close().unwrap();
    let (reopened, ..) = open(&sim, 6).unwrap();
    check(&reopened);
}

#[test]
fn more_updates_than_a_seal_takes_get_several() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let all: Vec<Update> = (0..600).map(|_| own(&mut store, "", Apply::OnCommit)).collect();
    assert_eq!(store.unsealed().unwrap().cids.len(), 256);
    assert_eq!(store.seal(&key()), 3);
    commit(&mut store);
    for update in &all {
        let seal = store.seal_of(update.dot()).unwrap().unwrap();
        assert_eq!(seal.cid_of(update.dot()), Some(update.cid()));
    }
}

#[test]
fn a_tail_that_a_crash_left_unsealed_is_told_of_and_can_be_sealed_in_a_new_epoch() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let sealed = own(&mut store, "sealed", Apply::OnCommit);
    commit(&mut store);
    let tail = own(&mut store, "tail", Apply::OnCommit);
    commit(&mut store);
    drop(store);
    // The seal is the log's last frame: a torn write may lose it.
    let file = sim.open(&segment_name(1), false).unwrap();
    file.set_len(file.len().unwrap() - 1).unwrap();
    for salt in [6, 7] {
        // Also when the node is killed again before it has sealed anything.
        let (mut store, report, _) = open(&sim, salt).unwrap();
        let because = (salt == 6).then_some(NewEpoch::Cut);
        assert_eq!((report.new_epoch_because, store.epoch()), (because, epoch(6)));
        let unsealed = store.unsealed().unwrap();
        assert_eq!((unsealed.birth, unsealed.from), (birth(5), 2));
        assert_eq!(unsealed.cids, [tail.cid()]);
        assert!(!store.is_sealed(tail.dot()) && store.is_sealed(sealed.dot()));
        if salt == 7 {
            commit(&mut store);
            assert!(store.seal_of(tail.dot()).unwrap().unwrap().verify());
        }
    }
    let (store, ..) = open(&sim, 8).unwrap();
    assert_eq!(store.unsealed(), None);
}

#[test]
fn what_a_seal_has_told_is_never_taken_back() {
    let sim = SimDisk::new(3);
    let (mut store, ..) = open(&sim, 5).unwrap();
    store.mark_early();
    let out = batch(&mut store).unwrap();
    let shown = own(&mut store, "shown with the mark", Apply::InTurn);
    let waits = own(&mut store, "waits", Apply::OnCommit);
    // One seal over both, and then the first of them is shown: who is sent it knows of both.
    assert_eq!(store.seal(&key()), 1);
    assert_eq!(store.finish(out.run()).unwrap().updates, std::slice::from_ref(&shown));
    let unknown = own(&mut store, "unknown", Apply::OnCommit);
    store.seal(&key());
    sim.fail_writes(Fault::Write);
    let out = store.take_batch().unwrap();
    let failed = store.finish(out.run()).unwrap_err();
    assert_eq!(failed.refused, std::slice::from_ref(&unknown));
    assert_eq!(failed.kept, [shown, waits.clone()]);
    assert_eq!(store.next_dot(), unknown.dot());
    assert_eq!(store.seal_of(unknown.dot()).unwrap(), None);
    assert!(store.seal_of(waits.dot()).unwrap().is_some());
    sim.heal();
    let other = own(&mut store, "another one", Apply::OnCommit);
    assert_eq!(other.dot(), unknown.dot());
    commit(&mut store);
    let seal = store.seal_of(other.dot()).unwrap().unwrap();
    assert_eq!(seal.cid_of(other.dot()), Some(other.cid()));
}

#[test]
fn a_seal_that_is_here_is_not_appended_again_and_a_longer_one_is() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let cid = |n| Cid([n; 32]);
    let short = Seal::sign(&key(), 3, 2, vec![cid(2)]);
    let long = Seal::sign(&key(), 3, 1, vec![cid(1), cid(2)]);
    let dot = |seq| Dot { epoch: epoch(3), seq };
    for (seal, grows) in [(&short, true), (&short, false), (&long, true), (&short, false)] {
        let before = store.log_end();
        store.append_seal(seal).unwrap();
        assert_eq!(store.log_end() > before, grows);
    }
    assert_eq!(store.seal_of(dot(1)).unwrap(), Some(long));
    assert!(store.seal_of(dot(2)).unwrap().is_some());
}

#[test]
fn of_two_seals_over_a_dot_the_one_is_found_that_gives_it_its_id() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let dot = |seq| Dot { epoch: epoch(3), seq };
    let first = update(dot(1), 1, "first");
    let second = following(dot(2), first.cid(), 2, "second");
    let other = Seal::sign(&key(), 3, 1, vec![Cid([1; 32])]);
    let right = Seal::sign(&key(), 3, 1, vec![first.cid(), second.cid()]);
    store.append_seal(&other).unwrap();
    store.append_seal(&right).unwrap();
    for update in [&first, &second] {
        store.append(update, Apply::Now);
    }
    for is_on_disk in [false, true] {
        for seq in 1..=2 {
            assert_eq!(store.seal_of(dot(seq)).unwrap().as_ref(), Some(&right), "{is_on_disk}");
        }
        commit(&mut store);
    }
}

#[test]
fn an_update_follows_or_leaves_a_gap_or_is_known_or_shows_a_fork() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let dot = |seq| Dot { epoch: epoch(3), seq };
    let first = update(dot(1), 1, "first");
    assert_eq!(store.follows(&following(dot(1), Cid([1; 32]), 1, "")), Follows::Fork);
    assert_eq!(store.follows(&first), Follows::Next);
    store.append(&first, Apply::Now);
    assert_eq!(store.tip(epoch(3)), Some(Tip { seq: 1, cid: Some(first.cid()) }));
    assert_eq!(store.follows(&first), Follows::Known);
    assert_eq!(store.follows(&update(dot(1), 2, "other")), Follows::Fork);
    assert_eq!(store.follows(&following(dot(2), first.cid(), 2, "")), Follows::Next);
    assert_eq!(store.follows(&following(dot(2), Cid([1; 32]), 2, "")), Follows::Fork);
    assert_eq!(store.follows(&following(dot(3), first.cid(), 3, "")), Follows::Gap);
    let mut passed = Vector::new();
    passed.insert_span(Span { epoch: epoch(3), from: 1, to: 7 });
    store.pass(&passed);
    assert_eq!(store.tip(epoch(3)), Some(Tip { seq: 7, cid: None }));
    assert_eq!(store.follows(&following(dot(8), Cid([1; 32]), 8, "")), Follows::Blind);
    assert!(store.contains(dot(1)) && !store.contains(dot(2)) && store.seen().contains(dot(2)));
    assert_eq!((store.low(epoch(3)), store.lows()), (8, vec![(epoch(3), 8)]));
    assert!(store.held().is_empty());
    commit(&mut store);
    assert_eq!(store.held(), &passed);
}

#[test]
fn the_state_is_that_of_the_disk_and_tells_a_fork_from_the_same() {
    let (one, other) = (SimDisk::new(1), SimDisk::new(2));
    let (mut one, mut other) = (open(&one, 5).unwrap().0, open(&other, 6).unwrap().0);
    assert_eq!(one.state_hash(), state_hash(&Vector::new(), []));
    let dot = Dot { epoch: epoch(3), seq: 1 };
    let (said, forked) = (update(dot, 1, "one thing"), update(dot, 1, "another"));
    one.append(&said, Apply::Now);
    other.append(&forked, Apply::Now);
    assert_eq!(one.state_hash(), other.state_hash(), "neither is on disk");
    commit(&mut one);
    commit(&mut other);
    assert_eq!(one.held(), other.held());
    assert_ne!(one.state_hash(), other.state_hash());
    assert_eq!(one.tips().collect::<Vec<_>>().len(), 1);
    let seal = Seal::sign(&key(), 3, 1, vec![forked.cid()]);
    assert!(!one.forked(epoch(3)));
    assert!(one.append_exhibit(&forked, &seal) && one.forked(epoch(3)));
    assert_eq!(one.by_cid(forked.cid()).unwrap(), Some(forked.clone()));
    assert_eq!(one.by_cid(said.cid()).unwrap(), Some(said.clone()));
    assert_eq!(one.get(dot).unwrap(), Some(said));
    assert_eq!(one.exhibits().next().unwrap().unwrap(), (forked, seal));
}

#[test]
fn a_log_of_another_version_is_named_and_left_alone() {
    let sim = SimDisk::new(1);
    drop(open(&sim, 5).unwrap());
    let name = segment_name(1);
    let file = sim.open(&name, false).unwrap();
    let mut header = [0; 32];
    file.read_at(0, &mut header).unwrap();
    header[11] = 1;
    let check = crc32fast::hash(&header[..28]);
    header[28..].copy_from_slice(&check.to_be_bytes());
    file.write_at(0, &header).unwrap();
    let before = sim.calls();
    let error = Store::open(disk(&sim), options(6)).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Version { segment: 1, version: 1 }));
    assert!(error.to_string().contains("version 1") && error.to_string().contains("version 2"));
    assert_eq!(sim.calls(), before, "nothing was changed");
}

#[test]
fn of_a_fork_seals_that_end_alike_are_all_kept() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    let dot = |seq| Dot { epoch: epoch(3), seq };
    let first = update(dot(1), 1, "first");
    let second = following(dot(2), first.cid(), 2, "second");
    let ours = Seal::sign(&key(), 3, 1, vec![first.cid(), second.cid()]);
    // The other branch was sealed update by update, and once over the same two.
    let theirs = [(2, vec![Cid([2; 32])]), (1, vec![first.cid(), Cid([3; 32])])];
    store.append_seal(&ours).unwrap();
    for update in [&first, &second] {
        store.append(update, Apply::Now);
    }
    for (from, cids) in theirs {
        store.append_seal(&Seal::sign(&key(), 3, from, cids)).unwrap();
    }
    let check = |store: &Store| {
        for update in [&first, &second] {
            let seal = store.seal_of(update.dot()).unwrap().unwrap();
            assert_eq!(seal.cid_of(update.dot()), Some(update.cid()));
        }
    };
    check(&store);
    commit(&mut store);
    checkpoint(&mut store);
    check(&store);
    store.close().unwrap();
    check(&open(&sim, 6).unwrap().0);
}
