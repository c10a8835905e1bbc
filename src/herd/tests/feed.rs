//! Feeds: everything once, in order, around what is hidden, and over a log that was laid out anew.

use super::*;
use crate::herd::Feed;
use crate::store::Fault;
use crate::update::Vector;

fn rest(feed: &mut Feed, store: &Store) -> Vec<Dot> {
    std::iter::from_fn(|| feed.next(store).expect("the archive is read"))
        .map(|update| update.dot())
        .collect()
}

#[test]
fn a_feed_gives_what_its_reader_lacks_once_and_then_what_comes() {
    let mut store = open(1);
    hold(&mut store, (1..=10).map(|seq| dot(9, seq)));
    let mut has = Vector::new();
    has.insert(dot(9, 1));
    has.insert(dot(9, 11));
    let mut feed = Feed::after(&store, has);
    assert!(feed.is_replaying());
    assert_eq!(rest(&mut feed, &store), (2..=10).map(|seq| dot(9, seq)).collect::<Vec<_>>());
    assert!(!feed.is_replaying());
    assert_eq!(rest(&mut feed, &store), []);
    let mut live = Feed::live(&store);
    relay(&mut store, dot(9, 11));
    relay(&mut store, dot(9, 12));
    assert_eq!(rest(&mut feed, &store).last(), Some(&dot(9, 12)));
    assert_eq!(rest(&mut live, &store), [dot(9, 11), dot(9, 12)]);
    assert_eq!(feed.cursor(), live.cursor());
}

#[test]
fn a_hidden_update_holds_up_readers_and_comes_when_it_is_on_disk() {
    let mut store = open(1);
    let mut reader = Feed::live(&store);
    relay(&mut store, dot(1, 1));
    relay(&mut store, dot(9, 1));
    assert_eq!(rest(&mut reader, &store), []);
    let mut late = Feed::after(&store, Vector::new());
    assert_eq!(rest(&mut late, &store), [dot(9, 1)]);
    commit(&mut store);
    assert_eq!(rest(&mut reader, &store), [dot(1, 1), dot(9, 1)]);
    assert_eq!(rest(&mut late, &store), [dot(1, 1)]);
}

#[test]
fn after_a_batch_that_failed_a_feed_reads_the_new_layout_and_gives_nothing_twice() {
    let disk = SimDisk::new(1);
    let mut store = open_on(&disk, 1);
    hold(&mut store, [dot(9, 1)]);
    let last = store.seen().last(birth(9).epoch);
    let mut feed = Feed::after(&store, store.visible());
    relay(&mut store, dot(9, last + 1));
    assert_eq!(rest(&mut feed, &store), [dot(9, last + 1)]);
    // A refused own update leaves the log: what follows it moves to the front.
    let own = store.next_dot();
    relay(&mut store, own);
    relay(&mut store, dot(9, last + 2));
    disk.fail_writes(Fault::Write);
    store.seal(&key());
    let batch = store.take_batch().expect("something is pending");
    let failed = store.finish(batch.run()).expect_err("the disk is bad");
    assert_eq!(failed.refused.len(), 1);
    disk.heal();
    relay(&mut store, dot(9, last + 3));
    assert_eq!(rest(&mut feed, &store), [dot(9, last + 2), dot(9, last + 3)]);
    commit(&mut store);
    assert_eq!(rest(&mut feed, &store), []);
    relay(&mut store, own);
    commit(&mut store);
    assert_eq!(rest(&mut feed, &store), [own], "its number is free again");
}

#[test]
fn a_feed_that_learns_gives_nothing_that_its_reader_got_elsewhere() {
    let mut store = open(1);
    hold(&mut store, (1..=3).map(|seq| dot(9, seq)));
    let mut feed = Feed::after(&store, Vector::new());
    feed.learn(dot(9, 2));
    assert_eq!(rest(&mut feed, &store), [dot(9, 1), dot(9, 3)]);
}
