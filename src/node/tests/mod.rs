//! A herd of real nodes in virtual time: the loop, the links, the store and the stories that run in
//! production, on a simulated network over simulated disks. One seed decides all that happens.
//!
//! First everything goes wrong while everyone writes and reads, and what must never break is looked
//! at all the time; then all is healed, and the herd has to agree within a bound. A seed that
//! fails is named; `BELLWETHER_SEED=17 cargo test --lib node::tests::a_ring` runs it alone, with
//! the nodes' logs; `BELLWETHER_SEED=100..500` runs more of them.

mod audit;
mod host;
mod scenes;
mod world;
mod writers;

use crate::base::Rng;
use std::ops::Range;
use world::{Shape, Tally, World};

/// How many herds each of the tests below lives through.
const SEEDS: u64 = 32;
/// How long things go wrong.
const TROUBLE_MS: u64 = 5_000;
/// From the end of trouble until all have the same: a silent link is cut, dialled anew, and the
/// vectors are exchanged.
const AGREE_MS: u64 = 15_000;
/// A herd at peace brings an update to everyone's disk within this.
const SPREAD_MS: u64 = 2_000;

/// Says which seed failed.
struct Named(u64, &'static str);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(seed, test) = self;
            eprintln!("seed {seed} fails: BELLWETHER_SEED={seed} cargo test --lib {test}");
        }
    }
}

/// The seeds to run: those of the test, or those that were asked for.
fn seeds(first: u64) -> Range<u64> {
    let Ok(asked) = std::env::var("BELLWETHER_SEED") else { return first..first + SEEDS };
    let number = |text: &str| text.parse::<u64>().expect("BELLWETHER_SEED is 17, or 17..99");
    if let Some((from, to)) = asked.split_once("..") {
        return number(from)..number(to);
    }
    if let Err(error) = simple_logger::SimpleLogger::new().init() {
        eprintln!("no logs of this test: {error}");
    }
    number(&asked)..number(&asked) + 1
}

/// One herd's life; the world as it is in the end.
fn live(seed: u64, nodes: usize, shape: Shape) -> World {
    let mut world = World::new(seed, nodes, shape);
    let mut rng = Rng::new(!seed);
    world.start_all();
    let until = world.now() + TROUBLE_MS;
    let troubles = rng.range(2..=14);
    while world.now() < until {
        for _ in 0..rng.below(4) {
            world.publish();
        }
        if rng.chance(troubles, 50) {
            world.trouble();
        }
        world.run(rng.below(60));
        world.look();
    }
    world.heal();
    world.settle(AGREE_MS);
    world.judge();
    for _ in 0..nodes {
        world.publish();
    }
    world.run(1);
    world.settle(SPREAD_MS);
    world.judge();
    world
}

/// The lives of a test's seeds; in all of them together, everything has to happen.
fn lives(test: &'static str, first: u64, shape: Shape) {
    let mut all = Tally::default();
    for seed in seeds(first) {
        let named = Named(seed, test);
        let nodes = 3 + (seed % 4) as usize;
        let tally = live(seed, nodes, shape).tally;
        drop(named);
        all.add(&tally);
    }
    let Tally { crashes, stops, cuts, disks, moves, acked, updates } = all;
    let least = [crashes, stops, cuts, disks, moves].into_iter().min();
    let is_whole = std::env::var("BELLWETHER_SEED").is_err();
    assert!(!is_whole || least > Some(5), "too little befell them: {all:?}");
    assert!(!is_whole || acked > 1_000 && updates > acked, "too little was written: {all:?}");
}

#[test]
fn a_line_of_nodes_loses_nothing_and_agrees() {
    lives("node::tests::a_line", 1, Shape::Line);
}

#[test]
fn a_ring_of_nodes_loses_nothing_and_agrees() {
    lives("node::tests::a_ring", 1_000, Shape::Ring);
}

#[test]
fn a_mesh_of_nodes_loses_nothing_and_agrees() {
    lives("node::tests::a_mesh", 2_000, Shape::Mesh);
}

#[test]
fn a_seed_decides_all() {
    for seed in seeds(3_000).take(4) {
        let trace = || live(seed, 4, Shape::Ring).trace();
        let _named = Named(seed, "node::tests::a_seed");
        assert_eq!(trace(), trace());
    }
}
