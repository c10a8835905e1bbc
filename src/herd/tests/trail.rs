//! Feeds that go together: they share where they stand, and get what each would get alone.

use super::*;
use crate::base::Rng;
use crate::herd::{Feed, Trail};
use crate::store::Fault;
use crate::update::{Span, Vector};
use std::rc::Rc;

fn next(feed: &mut Feed, store: &Store) -> Option<Dot> {
    feed.next(store).expect("the archive is read").map(|update| update.dot())
}

fn are_together(one: &Feed, other: &Feed) -> bool {
    one.stand().zip(other.stand()).is_some_and(|(one, other)| Rc::ptr_eq(one, other))
}

#[test]
fn feeds_at_one_place_share_it_and_one_that_lacks_something_is_alone_until_it_has_it() {
    let mut store = open(1);
    hold(&mut store, (1..=3).map(|seq| dot(9, seq)));
    let trail = Trail::default();
    let begin = |has| Feed::after(&store, has).along(&trail, &store);
    let mut feeds = [begin(store.visible()), begin(store.visible())];
    let mut late = begin(Vector::new());
    assert!(are_together(&feeds[0], &feeds[1]));
    relay(&mut store, dot(9, 4));
    commit(&mut store);
    relay(&mut store, dot(8, 1));
    for seen in [Some(dot(9, 4)), Some(dot(8, 1)), None] {
        for feed in &mut feeds {
            assert_eq!(next(feed, &store), seen);
        }
        assert!(are_together(&feeds[0], &feeds[1]));
        assert!(!are_together(&feeds[0], &late));
    }
    let found: Vec<Dot> = std::iter::from_fn(|| next(&mut late, &store)).collect();
    assert_eq!(found.len(), 5);
    assert!(are_together(&feeds[0], &late));
    late.learn(dot(8, 2));
    relay(&mut store, dot(8, 2));
    assert_eq!(next(&mut feeds[0], &store), Some(dot(8, 2)));
    assert_eq!(next(&mut late, &store), None);
    assert!(are_together(&feeds[0], &late), "it had that from elsewhere");
}

#[test]
fn where_most_stand_is_where_the_trail_goes_on() {
    let mut store = open(1);
    let trail = Trail::default();
    // It takes nothing any more.
    let stuck = Feed::live(&store).along(&trail, &store);
    relay(&mut store, dot(9, 1));
    let begin = || Feed::live(&store).along(&trail, &store);
    let mut feeds = [begin(), begin(), begin()];
    relay(&mut store, dot(9, 2));
    for feed in &mut feeds {
        assert_eq!([next(feed, &store), next(feed, &store)], [Some(dot(9, 2)), None]);
    }
    assert!(are_together(&feeds[1], &feeds[2]));
    assert!(!are_together(&feeds[2], &stuck));
}

#[test]
fn a_step_that_was_taken_before_shows_no_payload_that_was_erased_since() {
    let mut store = open(1);
    let trail = Trail::default();
    let begin = || Feed::live(&store).along(&trail, &store);
    let (mut first, mut second) = (begin(), begin());
    relay(&mut store, dot(9, 1));
    assert!(!first.next(&store).unwrap().unwrap().is_erased());
    store.erase(&[dot(9, 1)]).unwrap();
    assert!(second.next(&store).unwrap().unwrap().is_erased());
    assert_eq!([next(&mut first, &store), next(&mut second, &store)], [None, None]);
    assert!(are_together(&first, &second));
}

/// A feed of a trail, and what it would be alone.
struct Pair {
    along: Feed,
    alone: Feed,
}

impl Pair {
    fn new(store: &Store, trail: &Trail, has: &Vector) -> Self {
        let along = Feed::after(store, has.clone()).along(trail, store);
        Self { along, alone: Feed::after(store, has.clone()) }
    }

    fn step(&mut self, store: &Store) {
        let found = self.along.next(store).unwrap();
        assert_eq!(found, self.alone.next(store).unwrap());
        assert_eq!(self.along.take_gone(), self.alone.take_gone());
        assert_eq!(self.along.cursor(), self.alone.cursor());
        assert_eq!(self.along.mark().place, self.alone.mark().place);
    }
}

/// One thing that happens to a store.
fn happen(rng: &mut Rng, store: &mut Store, disk: &SimDisk) {
    let epoch = rng.range(7..=9);
    let last = store.seen().last(birth(epoch).epoch);
    match rng.below(12) {
        0..=4 => relay(store, dot(epoch, last + 1)),
        5 => relay(store, store.next_dot()),
        6..=7 => commit(store),
        8 => store.erase(&[dot(epoch, rng.range(1..=last + 1))]).unwrap(),
        9 => {
            let mut passed = Vector::new();
            let to = last + rng.range(1..=3);
            passed.insert_span(Span { epoch: birth(epoch).epoch, from: last + 1, to });
            store.pass(&passed);
        }
        10 => {
            let mut old = Vector::new();
            old.insert_span(Span { epoch: store.epoch(), from: 1, to: rng.range(1..=20) });
            store.retire(&old).unwrap();
        }
        _ => {
            disk.fail_writes(Fault::Write);
            store.seal(&key());
            if let Some(batch) = store.take_batch() {
                drop(store.finish(batch.run()));
            }
            disk.heal();
        }
    }
}

#[test]
fn whatever_happens_a_feed_gets_along_the_trail_what_it_would_get_alone() {
    let mut together = 0;
    for seed in 1..=60 {
        let mut rng = Rng::new(seed);
        let disk = SimDisk::new(seed);
        let mut store = open_on(&disk, 1);
        let trail = Trail::default();
        let mut pairs: Vec<Pair> = Vec::new();
        for _ in 0..150 {
            if pairs.len() < 8 && rng.chance(1, 8) {
                let has = if rng.chance(1, 2) { store.visible() } else { Vector::new() };
                pairs.push(Pair::new(&store, &trail, &has));
            }
            happen(&mut rng, &mut store, &disk);
            for pair in &mut pairs {
                (0..rng.below(4)).for_each(|_| pair.step(&store));
                if rng.chance(1, 20) {
                    pair.along.doubt(&store);
                    pair.alone.doubt(&store);
                }
            }
        }
        together +=
            pairs.windows(2).filter(|two| are_together(&two[0].along, &two[1].along)).count();
    }
    assert!(together > 20, "{together} pairs of neighbours stand together");
}
