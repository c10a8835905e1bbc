//! What stood in the log before some point of it, and what it costs to find out.

use super::*;
use crate::update::{Span, Vector};
use std::ops::RangeInclusive;

const ALL: RangeInclusive<Epoch> = Epoch(0)..=Epoch(u64::MAX);

/// Updates of three origins in turn, of the last only at the end.
fn written() -> (Store, Vec<Update>) {
    let (mut store, ..) = open(&SimDisk::new(1), 5).unwrap();
    let mut all = Vec::new();
    let mut put = |epoch, seq| {
        all.push(update(Dot { epoch: Epoch(epoch), seq }, seq, "text"));
        store.append(&all[all.len() - 1], Apply::Now);
    };
    for seq in 1..=500 {
        put(1, seq);
        put(1 << 60, seq);
    }
    put(2, 1);
    commit(&mut store);
    (store, all)
}

fn had(all: &[Update]) -> Vector {
    let mut had = Vector::new();
    for update in all {
        had.insert(update.dot());
    }
    had
}

#[test]
fn what_stood_before_a_place_is_found_as_closely_as_is_asked_for() {
    let (store, all) = written();
    for count in [0, 1, 2, 3, 400, 501, 998, 999, 1_000, 1_001] {
        let place = all.get(count).map(|next| store.index.place_of(next.dot()).unwrap().unwrap());
        let place = place.unwrap_or(store.log_end());
        let mut costs = Vec::new();
        for within in [0, 1, 16, 64, 1 << 30] {
            let mut left = 1_000;
            let found = store.prefix(ALL, within, &mut left, |(at, _)| at < place);
            let found = found.unwrap().expect("there were rows enough");
            let exact = had(&all[..count]);
            for epoch in [1, 2, 1 << 60].map(Epoch) {
                let (found, exact) = (found.last(epoch), exact.last(epoch));
                assert!(found.abs_diff(exact) <= within / 2, "{found} is not {exact}");
                assert_eq!(found == 0, exact == 0, "of an epoch there is something or nothing");
            }
            costs.push(1_000 - left);
        }
        assert!(costs.is_sorted_by(|a, b| a >= b), "{costs:?}");
        assert!(costs[4] <= 3, "{costs:?}");
    }
}

#[test]
fn the_epochs_that_a_log_had_stay_its_own_for_good() {
    let sim = SimDisk::new(1);
    let (mut store, ..) = open(&sim, 5).unwrap();
    own(&mut store, "one", Apply::OnCommit);
    commit(&mut store);
    for salt in [6, 7] {
        store.begin_epoch(birth(salt));
        own(&mut store, "another", Apply::OnCommit);
        commit(&mut store);
        assert!(checkpoint(&mut store));
    }
    store.close().unwrap();
    let (store, ..) = open(&sim, 8).unwrap();
    for salt in [5, 6, 7] {
        assert!(store.is_own_epoch(epoch(salt)), "{salt}");
    }
    assert!(!store.is_own_epoch(epoch(8)));
}

#[test]
fn when_no_rows_are_left_nothing_is_said() {
    let (store, all) = written();
    let place = store.index.place_of(all[20].dot()).unwrap().unwrap();
    let mut left = 10;
    assert_eq!(store.prefix(ALL, 0, &mut left, |(at, _)| at < place).unwrap(), None);
    assert_eq!(left, 0);
    // Of some epochs alone.
    let mut left = 100;
    let found = store.prefix(Epoch(0)..=Epoch(9), 0, &mut left, |(at, _)| at < place).unwrap();
    let mut exact = Vector::new();
    exact.insert_span(Span { epoch: Epoch(1), from: 1, to: 10 });
    assert_eq!(found, Some(exact));
}
