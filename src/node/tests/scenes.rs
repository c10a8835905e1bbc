//! Single misfortunes, each by itself: what a herd does about them.

use super::world::{Shape, World};
use crate::config::Durability;
use crate::node::Node;
use crate::reactor::Ctx;
use crate::serve::{Desk, Entry, Receipt, Settled};
use crate::store::Fault;
use crate::update::Kind;

/// A herd at peace, all linked.
fn herd(nodes: usize, shape: Shape) -> World {
    let mut world = World::new(7, nodes, shape);
    world.start_all();
    world.settle(2_000);
    world
}

fn say(cx: &mut Ctx<'_, Node>, node: &mut Node, durability: Durability) -> Receipt {
    let entry = Entry {
        kind: Kind::Data,
        topic: "weather",
        media_type: "text/plain",
        alias: "",
        parents: Vec::new(),
        payload: b"rain",
    };
    node.publish(cx, entry, durability).expect("it is taken")
}

#[test]
fn what_does_not_wait_for_the_disk_does_not_overtake_what_does() {
    let mut world = herd(1, Shape::Line);
    let first = world.with(0, |cx, node| say(cx, node, Durability::None));
    assert!(first.ticket.is_some(), "the log does not yet say that this epoch sends early");
    world.run(100);
    let early = world.with(0, |cx, node| say(cx, node, Durability::None));
    assert!(early.ticket.is_none(), "now it does");
    let (local, behind) = world
        .with(0, |cx, node| (say(cx, node, Durability::Local), say(cx, node, Durability::None)));
    let (local_ticket, ticket) = (local.ticket.unwrap(), behind.ticket.unwrap());
    world.look();
    assert!(!world.node(0).store.contains(behind.dot));
    // One more, while the batch with the first two is on its way: it waits for no sync of its own.
    while !world.node(0).commits.is_out() {
        world.step_once();
    }
    let last = world.with(0, |cx, node| say(cx, node, Durability::None));
    while world.node(0).settled(local_ticket).is_none() {
        world.step_once();
        world.look();
    }
    assert_eq!(world.node(0).settled(ticket), Some(Settled::Done));
    assert_eq!(world.node(0).settled(last.ticket.unwrap()), Some(Settled::Done));
    assert!(world.node(0).store.contains(last.dot));
    assert!(!world.node(0).store.held().contains(last.dot), "it is shown from memory");
    let after = world.with(0, |cx, node| say(cx, node, Durability::None));
    assert!(after.ticket.is_none(), "nothing is hidden any more");
    world.settle(1_000);
}

#[test]
fn a_disk_that_takes_writes_again_is_found_out_without_a_write() {
    let mut world = herd(1, Shape::Line);
    world.hosts[0].disk.fail_writes(Fault::Write);
    world.hosts[0].has_bad_disk = true;
    let refused = world.with(0, |cx, node| say(cx, node, Durability::Local));
    world.run(500);
    assert_eq!(world.node(0).settled(refused.ticket.unwrap()), Some(Settled::Refused));
    assert!(world.node(0).unready().is_some());
    world.run(5_000);
    assert!(world.node(0).unready().is_some(), "the disk is still bad");
    world.hosts[0].disk.heal();
    world.run(1_500);
    assert_eq!(world.node(0).unready(), None);
}

#[test]
fn a_node_restored_from_an_old_backup_gets_its_updates_back_and_begins_an_epoch() {
    let mut world = herd(3, Shape::Line);
    let publish = |world: &mut World, times| {
        for _ in 0..times {
            world.publish_at(0, Durability::Local);
            world.run(20);
        }
        world.settle(1_000);
    };
    publish(&mut world, 10);
    let backup = world.hosts[0].disk.kill();
    publish(&mut world, 10);
    let before = world.node(0).store.epoch();
    world.take_down(0);
    world.hosts[0].disk = backup;
    world.hosts[0].promised = crate::update::Vector::new();
    world.start_all();
    assert_eq!(world.node(0).store.epoch(), before, "the log's end looks good");
    world.settle(5_000);
    assert_ne!(world.node(0).store.epoch(), before);
    publish(&mut world, 10);
    world.judge();
}

#[test]
fn a_link_that_stands_brings_home_what_a_node_forgot_of_its_own() {
    let mut world = herd(3, Shape::Line);
    world.publish_at(0, Durability::Local);
    world.settle(1_000);
    let backup = world.hosts[0].disk.kill();
    // Only node 2 holds the update that node 0 will have forgotten, and comes back last.
    for _ in 0..10 {
        world.publish_at(0, Durability::Local);
        world.run(20);
    }
    world.settle(1_000);
    world.take_down(0);
    world.hosts[0].disk = backup.kill();
    world.take_down(1);
    world.hosts[1].disk = crate::store::SimDisk::new(5);
    world.hosts[2].is_paused = true;
    for host in [0, 1] {
        world.hosts[host].promised = crate::update::Vector::new();
    }
    world.start_all();
    world.run(1_000);
    let before = world.node(0).store.epoch();
    world.hosts[2].is_paused = false;
    world.settle(5_000);
    assert_ne!(world.node(0).store.epoch(), before);
    world.judge();
}

#[test]
fn a_herd_that_was_cut_in_two_keeps_the_writes_of_both_sides() {
    let mut world = herd(4, Shape::Mesh);
    let sides = [(0, 2), (0, 3), (1, 2), (1, 3)];
    for (a, b) in sides {
        world.cut_way(a, b);
        world.cut_way(b, a);
    }
    for round in 0..40 {
        world.publish_at(round % 4, Durability::Local);
        world.run(100);
        world.look();
    }
    assert!(!world.agrees());
    for (a, b) in sides {
        world.heal_way(a, b);
        world.heal_way(b, a);
    }
    world.settle(5_000);
    world.judge();
}
