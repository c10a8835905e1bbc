//! How much is kept of a topic: by count, by bytes, by days; and what stays whatever the rule is.

use super::super::world::World;
use super::super::{Faults, Plan, Shape};
use super::scenery::{self, data, linked, node};
use crate::config::{Durability, Keep};
use crate::news;
use crate::serve::{Desk, Entry, Receipt};
use crate::store::SimDisk;
use crate::update::{Cid, Dot, Kind, Vector};

const DAY_MS: u64 = 24 * 3_600_000;

/// Two nodes, of which the first keeps as much as it is told.
fn herd(topic: &str, keep: Keep) -> World {
    let (nodes, shape, latency_ms) = (2..=2, Some(Shape::Line), 1..=10);
    let plan = Plan { nodes, shape, latency_ms, faults: Faults::Calm, ..Plan::default() };
    let mut world = World::new(&plan, 7);
    world.weather.early = 0;
    let config = &mut world.hosts[0].config;
    config.retention = vec![(topic.to_owned(), keep)];
    config.limits.retention_ms = 100;
    linked(world)
}

fn publish(world: &mut World, host: usize, entry: Entry<'_>) -> Receipt {
    let published = scenery::publish(world, host, entry, Durability::Local);
    world.run(50).unwrap();
    published.expect("it is taken")
}

fn say(world: &mut World, topic: &str, payload: &[u8]) -> Dot {
    publish(world, 0, data(topic, payload)).dot
}

/// A revision of "Rain" that follows another.
fn edit(world: &mut World, host: usize, generation: u32, base: Option<Cid>) -> Receipt {
    let revision = news::Revision { title: "Rain", generation, body: b"wet", ..<_>::default() };
    let payload = revision.encode().unwrap();
    let (kind, topic) = (Kind::Revision, news::TOPIC_STORIES);
    let parents = base.into_iter().collect();
    let media_type = "text/plain";
    publish(world, host, Entry { kind, topic, media_type, alias: "", parents, payload: &payload })
}

/// Which of these the first node still has.
fn kept(world: &World, dots: &[Dot]) -> Vec<usize> {
    let store = node(world, 0).store();
    (0..dots.len()).filter(|at| store.contains(dots[*at])).collect()
}

#[test]
fn of_a_topic_with_a_count_so_many_are_kept_and_of_others_all() {
    let mut world = herd("weather", Keep { count: Some(4), ..Keep::default() });
    let dots: Vec<Dot> = (0..12).map(|_| say(&mut world, "weather", b"rain")).collect();
    let others: Vec<Dot> = (0..12).map(|_| say(&mut world, "sport", b"goal")).collect();
    world.run(10_000).unwrap();
    assert_eq!(kept(&world, &dots), [8, 9, 10, 11]);
    assert_eq!(kept(&world, &others).len(), 12);
    assert_eq!(node(&world, 1).store().gone().count(), 0, "each node keeps what it is told to");
    assert_eq!(node(&world, 0).store().state_hash(), node(&world, 1).store().state_hash());
}

#[test]
fn of_a_topic_with_bytes_no_more_than_these_are_kept() {
    let mut world = herd("weather", Keep { bytes: Some(5_000), ..Keep::default() });
    let payload = [b'x'; 1_000];
    let dots: Vec<Dot> = (0..12).map(|_| say(&mut world, "weather", &payload)).collect();
    world.run(10_000).unwrap();
    assert_eq!(kept(&world, &dots), [8, 9, 10, 11], "with its envelope one is over 1,000 bytes");
}

#[test]
fn of_a_topic_with_days_nothing_older_is_kept_but_the_last_of_its_origin() {
    let mut world = herd("weather", Keep { days: Some(2), ..Keep::default() });
    let old: Vec<Dot> = (0..6).map(|_| say(&mut world, "weather", b"rain")).collect();
    world.run(10_000).unwrap();
    assert_eq!(kept(&world, &old).len(), 6, "they are of today");
    world.net.set_clock_off(0, 3 * DAY_MS as i64);
    world.run(10_000).unwrap();
    assert_eq!(kept(&world, &old), [5], "what the epoch goes on from");
    let new: Vec<Dot> = (0..3).map(|_| say(&mut world, "weather", b"sun")).collect();
    world.run(10_000).unwrap();
    assert_eq!(kept(&world, &old), [0; 0]);
    assert_eq!(kept(&world, &new).len(), 3);
}

#[test]
fn the_last_revision_of_an_origin_does_not_keep_all_that_ever_followed_it() {
    let mut world = herd(news::TOPIC_STORIES, Keep { count: Some(3), ..Keep::default() });
    let first = edit(&mut world, 1, 1, None);
    world.run(1_000).unwrap();
    let (mut receipts, mut base) = (Vec::new(), first.cid);
    for generation in 2..=12 {
        let receipt = edit(&mut world, 0, generation, Some(base));
        base = receipt.cid;
        receipts.push(receipt.dot);
    }
    world.run(20_000).unwrap();
    assert_eq!(kept(&world, &receipts), [8, 9, 10], "three, of twelve");
    let stub = node(&world, 0).store().get(first.dot).unwrap().expect("its epoch goes on from it");
    assert!(stub.is_erased());
    let shown = news::story(node(&world, 0).store().index(), "Rain").unwrap().expect("it is there");
    assert_eq!((shown.revisions, shown.conflicts), (3, 0));
    assert_eq!(node(&world, 0).store().state_hash(), node(&world, 1).store().state_hash());
    // Who begins anew with what is left comes to the same, and shows the same.
    world.take_down(1).unwrap();
    world.hosts[1].disk = SimDisk::new(9);
    world.hosts[1].promised = Vector::new();
    world.start_all().unwrap();
    // Nobody looks on: a witness does not know of what is dropped.
    world.run(5_000).unwrap();
    let (first, second) = (node(&world, 0), node(&world, 1));
    let began = second.store().held().beyond(first.store().held());
    assert!(began.is_empty() && second.store().gone().count() >= 8);
    assert_eq!(first.store().state_hash(), second.store().state_hash());
    let shown = news::story(second.store().index(), "Rain").unwrap().expect("it is there");
    assert_eq!((shown.revisions, shown.conflicts), (3, 0));
}
