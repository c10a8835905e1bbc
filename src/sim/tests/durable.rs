//! Writes for the disks of several nodes: answered when those have it, or when their time is up,
//! and never with what is not so.

use super::super::Shape;
use super::super::world::World;
use super::scenery::{asleep, data, linked, node, publish};
use crate::base::Tick;
use crate::config::Durability;
use crate::serve::{Desk, Receipt, Refusal, Settled};
use crate::store::Fault;

/// A herd at peace, all linked.
fn herd(nodes: u64) -> World {
    herd_of(nodes, Shape::Mesh)
}

fn herd_of(nodes: u64, shape: Shape) -> World {
    linked(asleep(nodes, shape, 7))
}

fn say(world: &mut World, host: usize, durability: Durability) -> Result<Receipt, Refusal> {
    publish(world, host, data("weather", b"rain"), durability)
}

/// Runs until the write is settled; how long that took.
fn settle(world: &mut World, host: usize, receipt: &Receipt) -> u64 {
    let began = world.now();
    let ticket = receipt.ticket.expect("it waits");
    while node(world, host).settled(ticket).is_none() {
        world.run(1).unwrap();
        world.look().unwrap();
        assert!(world.now() < began + 60_000, "it waits for ever");
    }
    assert_eq!(node(world, host).settled(ticket), Some(Settled::Done));
    world.now() - began
}

fn cut(world: &mut World, host: usize, from: &[usize]) {
    for other in from {
        world.cut_way(host, *other);
        world.cut_way(*other, host);
    }
}

fn heal(world: &mut World, host: usize, from: &[usize]) {
    for other in from {
        world.heal_way(host, *other);
        world.heal_way(*other, host);
    }
}

/// The nodes that a node knows to have an update on disk.
fn holders(world: &World, host: usize, receipt: &Receipt) -> Vec<String> {
    let all = node(world, host).holders(receipt.dot).into_iter();
    all.filter(|holder| holder.at_ms.is_some()).map(|holder| holder.node).collect()
}

#[test]
fn a_write_is_settled_when_as_many_nodes_hold_it_as_were_asked_for() {
    let mut world = herd(4);
    for durability in [Durability::Nodes(1), Durability::Majority, Durability::Nodes(3)] {
        let receipt = say(&mut world, 0, durability).expect("it is taken");
        let ticket = receipt.ticket.expect("it waits");
        while !node(&world, 0).store().held().contains(receipt.dot) {
            world.step(Tick::MAX).unwrap();
        }
        assert_eq!(node(&world, 0).settled(ticket), None, "its own disk is not enough");
        assert!(settle(&mut world, 0, &receipt) < 2_000);
        assert!(node(&world, 0).is_as_safe_as(receipt.dot, durability), "{durability}");
        let least = if durability == Durability::Majority { 3 } else { durability.asked().into() };
        let known = holders(&world, 0, &receipt);
        assert!(known.len() >= least, "{durability}: {known:?}");
        assert_eq!(known[0], "node0");
        for name in known {
            let host = world.hosts.iter().position(|host| host.name == name).expect("a host");
            assert!(node(&world, host).store().held().contains(receipt.dot), "{name} lacks it");
        }
    }
    assert_eq!(node(&world, 0).probe().spread_waiting, 0);
    assert_eq!(node(&world, 0).probe().spread_ended, (3, 0));
}

#[test]
fn what_others_have_is_passed_on_at_once_where_someone_waits_for_it() {
    let mut world = herd_of(5, Shape::Line);
    for round in 0..4 {
        let receipt = say(&mut world, 0, Durability::Nodes(4)).expect("it is taken");
        let took = settle(&mut world, 0, &receipt);
        assert!(took < 200, "{took} ms: heartbeats alone would take longer");
        assert_eq!(holders(&world, 0, &receipt).len(), 5, "round {round}");
    }
    // A node that forgot what it knew hears it from its neighbour.
    let receipt = say(&mut world, 4, Durability::Nodes(4)).expect("it is taken");
    settle(&mut world, 4, &receipt);
    world.take_down(0).unwrap();
    world.start_all().unwrap();
    world.settle(5_000).unwrap();
    world.run(1_500).unwrap();
    assert_eq!(holders(&world, 0, &receipt).len(), 5);
}

#[test]
fn a_write_that_is_cut_off_is_answered_in_time_with_the_truth_and_spreads_when_it_can() {
    let mut world = herd(3);
    cut(&mut world, 0, &[1, 2]);
    let receipts: Vec<Receipt> = [Durability::Majority, Durability::Nodes(1), Durability::Nodes(2)]
        .map(|durability| say(&mut world, 0, durability).expect("it is taken"))
        .into();
    let local = say(&mut world, 0, Durability::Local).expect("it is taken");
    assert!(settle(&mut world, 0, &local) < 500, "what asks for less does not wait for it");
    for receipt in &receipts {
        settle(&mut world, 0, receipt);
        assert!(!node(&world, 0).is_as_safe_as(receipt.dot, Durability::Majority));
        assert!(node(&world, 0).is_as_safe_as(receipt.dot, Durability::Local));
        assert_eq!(holders(&world, 0, receipt), ["node0"]);
    }
    let probe = node(&world, 0).probe();
    assert_eq!((probe.spread_ended, probe.spread_waiting), ((0, 3), 0));
    heal(&mut world, 0, &[1, 2]);
    world.settle(5_000).unwrap();
    world.run(2_000).unwrap();
    for receipt in &receipts {
        assert!(node(&world, 0).is_as_safe_as(receipt.dot, Durability::Nodes(2)));
        assert_eq!(holders(&world, 0, receipt), ["node0", "node1", "node2"]);
        assert!(holders(&world, 1, receipt).contains(&"node0".to_owned()), "others know, too");
    }
}

#[test]
fn a_herd_of_one_is_its_own_majority_and_waits_in_vain_for_another_node() {
    let mut world = herd(1);
    let receipt = say(&mut world, 0, Durability::Majority).expect("it is taken");
    assert!(settle(&mut world, 0, &receipt) < 500);
    assert!(node(&world, 0).is_as_safe_as(receipt.dot, Durability::Majority));
    let receipt = say(&mut world, 0, Durability::Nodes(1)).expect("it is taken");
    let spread_ms = node(&world, 0).config().limits.spread_ms;
    assert!((spread_ms..spread_ms + 500).contains(&settle(&mut world, 0, &receipt)));
    assert!(!node(&world, 0).is_as_safe_as(receipt.dot, Durability::Nodes(1)));
}

#[test]
fn a_node_that_stops_does_not_wait_for_others_and_one_whose_disk_fails_refuses() {
    let mut world = herd(3);
    cut(&mut world, 0, &[1, 2]);
    let receipt = say(&mut world, 0, Durability::Majority).expect("it is taken");
    world.run(500).unwrap();
    assert_eq!(node(&world, 0).settled(receipt.ticket.unwrap()), None);
    world.hosts[0].disk.fail_writes(Fault::Write);
    world.hosts[0].has_bad_disk = true;
    let refused = say(&mut world, 0, Durability::Nodes(1)).expect("it is taken");
    world.run(500).unwrap();
    assert_eq!(node(&world, 0).settled(refused.ticket.unwrap()), Some(Settled::Refused));
    assert_eq!(node(&world, 0).settled(receipt.ticket.unwrap()), None, "this one is on disk");
    world.hosts[0].disk.heal();
    world.hosts[0].has_bad_disk = false;
    world.run(1_500).unwrap();
    say(&mut world, 0, Durability::Nodes(1)).expect("it is taken");
    let began = world.now();
    world.hosts[0].up.as_mut().expect("it is up").sim.with(|cx, _| cx.stop());
    let mut is_answered = false;
    while let Some(node) = world.hosts[0].node() {
        is_answered |= node.settled(receipt.ticket.unwrap()).is_some();
        world.step(Tick::MAX).unwrap();
    }
    assert!(is_answered, "before the loop ends");
    assert!(world.now() < began + 400, "the other one did not keep it from ending");
}

/// Publishes every 5 ms; how many were refused.
fn press(world: &mut World, times: usize) -> usize {
    let mut refused = 0;
    for _ in 0..times {
        match say(world, 0, Durability::Local) {
            Ok(_) => {}
            Err(Refusal::Busy(_)) => refused += 1,
            Err(refusal) => panic!("{refusal}"),
        }
        world.run(5).unwrap();
    }
    refused
}

#[test]
fn writers_hear_later_when_the_disk_is_slow_again_and_again() {
    for (disk_ms, least, most) in [(1, 0, 0), (40, 0, 0), (200, 15, 390)] {
        let mut world = herd(1);
        world.slow_disk_by(0, disk_ms);
        let refused = press(&mut world, 600);
        assert!((least..=most).contains(&refused), "{refused} of 600 were refused, {disk_ms} ms");
        world.run(1_000).unwrap();
        assert_eq!(node(&world, 0).store().pending_bytes(), 0);
        assert_eq!(press(&mut world, 1), 0, "nothing waits any more");
    }
}

#[test]
fn one_slow_write_of_a_healthy_disk_puts_nobody_off() {
    let mut world = herd(1);
    assert_eq!(press(&mut world, 20), 0);
    world.slow_disk_by(0, 200);
    say(&mut world, 0, Durability::Local).expect("it is taken");
    world.run(1).unwrap();
    world.slow_disk_by(0, 1);
    assert_eq!(press(&mut world, 60), 0);
}
