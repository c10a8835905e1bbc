//! Single misfortunes, each by itself: what a herd does about them.

use super::super::Shape;
use super::super::host::{Host, key};
use super::super::world::World;
use super::super::writers::story_of;
use super::scenery::{asleep, data, linked, node, with};
use crate::config::Durability;
use crate::herd::{Act, Named, TOPIC_CHARTER};
use crate::news;
use crate::node::Node;
use crate::reactor::Ctx;
use crate::serve::{Desk, Entry, Receipt, Settled};
use crate::store::{Fault, SimDisk};
use crate::update::{Kind, Vector};

/// A herd at peace, all linked.
fn herd(nodes: u64, shape: Shape) -> World {
    linked(asleep(nodes, shape, 7))
}

fn step_once(world: &mut World) {
    world.step(u64::MAX).unwrap();
}

/// Puts another disk under a host that is down.
fn put_disk(host: &mut Host, disk: SimDisk) {
    host.disk = disk;
    host.promised = Vector::new();
}

fn say(cx: &mut Ctx<'_, Node>, node: &mut Node, durability: Durability) -> Receipt {
    node.publish(cx, data("weather", b"rain"), durability).expect("it is taken")
}

#[test]
fn what_does_not_wait_for_the_disk_does_not_overtake_what_does() {
    let mut world = herd(1, Shape::Line);
    let first = with(&mut world, 0, |cx, node| say(cx, node, Durability::None));
    assert!(first.ticket.is_some(), "the log does not yet say that this epoch sends early");
    world.run(100).unwrap();
    let early = with(&mut world, 0, |cx, node| say(cx, node, Durability::None));
    assert!(early.ticket.is_none(), "now it does");
    let (local, behind) = with(&mut world, 0, |cx, node| {
        (say(cx, node, Durability::Local), say(cx, node, Durability::None))
    });
    let (local_ticket, ticket) = (local.ticket.unwrap(), behind.ticket.unwrap());
    world.look().unwrap();
    assert!(!node(&world, 0).store().contains(behind.dot));
    // One more, while the batch with the first two is on its way: it waits for no sync of its own.
    while !node(&world, 0).probe().is_committing {
        step_once(&mut world);
    }
    let last = with(&mut world, 0, |cx, node| say(cx, node, Durability::None));
    while node(&world, 0).settled(local_ticket).is_none() {
        step_once(&mut world);
        world.look().unwrap();
    }
    assert_eq!(node(&world, 0).settled(ticket), Some(Settled::Done));
    assert_eq!(node(&world, 0).settled(last.ticket.unwrap()), Some(Settled::Done));
    assert!(node(&world, 0).store().contains(last.dot));
    assert!(!node(&world, 0).store().held().contains(last.dot), "it is shown from memory");
    let after = with(&mut world, 0, |cx, node| say(cx, node, Durability::None));
    assert!(after.ticket.is_none(), "nothing is hidden any more");
    world.settle(1_000).unwrap();
}

#[test]
fn a_disk_that_takes_writes_again_is_found_out_without_a_write() {
    let mut world = herd(1, Shape::Line);
    world.hosts[0].disk.fail_writes(Fault::Write);
    world.hosts[0].has_bad_disk = true;
    let refused = with(&mut world, 0, |cx, node| say(cx, node, Durability::Local));
    world.run(500).unwrap();
    assert_eq!(node(&world, 0).settled(refused.ticket.unwrap()), Some(Settled::Refused));
    assert!(node(&world, 0).unready().is_some());
    world.run(5_000).unwrap();
    assert!(node(&world, 0).unready().is_some(), "the disk is still bad");
    world.hosts[0].disk.heal();
    world.run(1_500).unwrap();
    assert_eq!(node(&world, 0).unready(), None);
}

#[test]
fn a_node_restored_from_an_old_backup_gets_its_updates_back_and_begins_an_epoch() {
    let mut world = herd(3, Shape::Line);
    let publish = |world: &mut World, times| {
        for _ in 0..times {
            world.publish_at(0, Durability::Local).unwrap();
            world.run(20).unwrap();
        }
        world.settle(1_000).unwrap();
    };
    publish(&mut world, 10);
    let backup = world.hosts[0].disk.kill();
    publish(&mut world, 10);
    let before = node(&world, 0).store().epoch();
    world.take_down(0).unwrap();
    put_disk(&mut world.hosts[0], backup);
    world.start_all().unwrap();
    assert_eq!(node(&world, 0).store().epoch(), before, "the log's end looks good");
    world.settle(5_000).unwrap();
    assert_ne!(node(&world, 0).store().epoch(), before);
    publish(&mut world, 10);
    world.judge().unwrap();
}

#[test]
fn a_link_that_stands_brings_home_what_a_node_forgot_of_its_own() {
    let mut world = herd(3, Shape::Line);
    world.publish_at(0, Durability::Local).unwrap();
    world.settle(1_000).unwrap();
    let backup = world.hosts[0].disk.kill();
    // Only node 2 holds the update that node 0 will have forgotten, and comes back last.
    for _ in 0..10 {
        world.publish_at(0, Durability::Local).unwrap();
        world.run(20).unwrap();
    }
    world.settle(1_000).unwrap();
    world.take_down(0).unwrap();
    put_disk(&mut world.hosts[0], backup.kill());
    world.take_down(1).unwrap();
    put_disk(&mut world.hosts[1], SimDisk::new(5));
    world.set_paused(2, true);
    world.start_all().unwrap();
    world.run(1_000).unwrap();
    let before = node(&world, 0).store().epoch();
    world.set_paused(2, false);
    world.settle(5_000).unwrap();
    assert_ne!(node(&world, 0).store().epoch(), before);
    world.judge().unwrap();
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
        world.publish_at(round % 4, Durability::Local).unwrap();
        world.run(100).unwrap();
        world.look().unwrap();
    }
    assert!(!world.agrees());
    for (a, b) in sides {
        world.heal_way(a, b);
        world.heal_way(b, a);
    }
    world.settle(5_000).unwrap();
    world.judge().unwrap();
}

#[test]
fn what_was_shown_from_memory_while_no_link_was_up_goes_to_the_next_one() {
    let mut world = herd(2, Shape::Line);
    world.cut_way(0, 1);
    world.cut_way(1, 0);
    world.run(4_000).unwrap();
    with(&mut world, 0, |cx, node| say(cx, node, Durability::None));
    world.run(100).unwrap();
    let says = |cx: &mut Ctx<'_, Node>, node: &mut Node| -> Vec<Receipt> {
        (0..100).map(|_| say(cx, node, Durability::None)).collect()
    };
    let said = with(&mut world, 0, says);
    world.run(100).unwrap();
    for receipt in &said {
        let seal = node(&world, 0).store().seal_of(receipt.dot).unwrap();
        assert_eq!(seal.map(|seal| seal.cids.len()), Some(100), "a batch is under one seal");
    }
    world.heal_way(0, 1);
    world.heal_way(1, 0);
    // While the link comes up too: no digest has to find what is missing.
    while !world.agrees() {
        with(&mut world, 0, |cx, node| say(cx, node, Durability::None));
        world.run(3).unwrap();
        assert!(world.now() < 20_000, "they never agree");
        if node(&world, 0).roll().is_linked("node1") {
            world.settle(1_000).unwrap();
        }
    }
    world.judge().unwrap();
}

#[test]
fn a_large_payload_reaches_the_whole_herd_in_pieces() {
    let mut world = herd(3, Shape::Line);
    let payload: Vec<u8> = (0..150_000_u32).map(|at| (at % 251) as u8).collect();
    let receipt = with(&mut world, 0, |cx, node| {
        let entry = Entry {
            kind: Kind::Data,
            topic: "pictures",
            media_type: "image/png",
            alias: "",
            parents: Vec::new(),
            payload: &payload,
        };
        node.publish(cx, entry, Durability::Local).expect("it is taken")
    });
    world.settle(5_000).unwrap();
    for host in 0..3 {
        let update = node(&world, host).store().get(receipt.dot).expect("it is read");
        assert_eq!(update.expect("it is there").payload(), payload, "host {host}");
    }
    world.judge().unwrap();
}

#[test]
fn audits_of_a_herd_that_agrees_find_no_difference() {
    let mut world = herd(3, Shape::Mesh);
    for host in [0, 1, 2, 0, 1, 2] {
        world.publish_at(host, Durability::Local).unwrap();
        world.run(20).unwrap();
    }
    world.settle(2_000).unwrap();
    for host in 0..3 {
        world.take_down(host).unwrap();
        world.hosts[host].config.limits.audit_ms = 1_000;
    }
    world.start_all().unwrap();
    world.settle(2_000).unwrap();
    world.run(90_000).unwrap();
    for host in 0..3 {
        let probe = node(&world, host).probe();
        assert!(probe.audits >= 10, "host {host}: {} audits", probe.audits);
        assert_eq!(probe.audit_differences, 0, "host {host}");
    }
    world.judge().unwrap();
}

#[test]
fn what_a_damaged_segment_lost_comes_back_from_the_neighbours_and_readers_are_told_of_a_gap() {
    let mut world = herd(3, Shape::Line);
    let says: Vec<Receipt> = (0..60)
        .map(|n| {
            let receipt = with(&mut world, n % 3, |cx, node| say(cx, node, Durability::Local));
            world.run(20).unwrap();
            receipt
        })
        .collect();
    world.settle(2_000).unwrap();
    world.run(3_000).unwrap();
    let up = world.take_down(1).unwrap().expect("it was up");
    up.close().unwrap();
    // Behind the header and the first frames of a log whose end the index knows.
    let disk = &world.hosts[1].disk;
    for at in (2_000..4_000).step_by(7) {
        disk.flip("log-0000000001.seg", at, 0x55).unwrap();
    }
    world.hosts[1].config.limits.audit_ms = 1_000;
    world.start_all().unwrap();
    let store = node(&world, 1).store();
    let mut feed = crate::herd::Feed::after(store, Vector::new());
    let mut given = 0;
    while feed.next(store).unwrap().is_some() {
        given += 1;
    }
    let gone = feed.take_gone().count();
    assert!(gone > 0 && given + gone == store.visible().count(), "{given} given, {gone} gone");
    world.run(90_000).unwrap();
    let probe = node(&world, 1).probe();
    assert!(probe.restored >= gone, "{} of {gone} came back", probe.restored);
    assert!(node(&world, 1).store().lost().is_empty());
    for receipt in &says {
        let found = node(&world, 1).store().get(receipt.dot).unwrap().expect("it is there");
        assert_eq!(found.cid(), receipt.cid);
    }
    world.settle(2_000).unwrap();
    world.judge().unwrap();
}

#[test]
fn acts_that_the_log_lost_count_again_as_soon_as_a_peer_gives_them_back() {
    let mut world = herd(3, Shape::Line);
    let named = |host: &Host| Named { name: host.name.clone(), key: key(&host.name).public() };
    let act = Act::Found { members: world.hosts.iter().map(named).collect() };
    let entry = Entry {
        kind: Kind::Charter,
        topic: TOPIC_CHARTER,
        media_type: "application/json",
        alias: "",
        parents: Vec::new(),
        payload: &act.encode(),
    };
    let founding = with(&mut world, 0, |cx, node| node.publish(cx, entry, Durability::Local));
    let dot = founding.expect("it is taken").dot;
    for _ in 0..20 {
        with(&mut world, 1, |cx, node| say(cx, node, Durability::Local));
        world.run(20).unwrap();
    }
    world.settle(2_000).unwrap();
    world.run(5_000).unwrap();
    assert_eq!(node(&world, 1).charter().members().count(), 3);
    world.take_down(1).unwrap().expect("it was up").close().unwrap();
    for at in (60..1_200).step_by(7) {
        world.hosts[1].disk.flip("log-0000000001.seg", at, 0x55).unwrap();
    }
    // What else is lost is found before anyone reads it.
    world.hosts[1].config.limits.audit_ms = 1_000;
    world.start_all().unwrap();
    assert!(node(&world, 1).store().is_lost(dot), "it was looked for");
    assert_eq!(node(&world, 1).charter().members().count(), 0);
    world.run(90_000).unwrap();
    assert_eq!(node(&world, 1).charter(), node(&world, 0).charter());
    assert_eq!(node(&world, 1).charter().members().count(), 3);
    world.settle(2_000).unwrap();
    world.judge().unwrap();
}

#[test]
fn a_disk_whose_code_panics_refuses_a_write_and_the_next_one_goes_through() {
    let mut world = herd(1, Shape::Line);
    world.hosts[0].disk.fail_writes(Fault::Panic);
    let refused = with(&mut world, 0, |cx, node| say(cx, node, Durability::Local));
    world.run(5_000).unwrap();
    assert_eq!(node(&world, 0).settled(refused.ticket.unwrap()), Some(Settled::Refused));
    assert!(node(&world, 0).unready().is_some(), "it says that it can't write");
    world.hosts[0].disk.heal();
    world.run(3_000).unwrap();
    let taken = with(&mut world, 0, |cx, node| say(cx, node, Durability::Local));
    world.run(1_000).unwrap();
    assert_eq!(node(&world, 0).settled(taken.ticket.unwrap()), Some(Settled::Done));
    assert_eq!(node(&world, 0).unready(), None);
    world.run(5_000).unwrap();
    world.judge().unwrap();
}

#[test]
fn a_stop_whose_time_is_over_leaves_no_story_out_of_the_index() {
    let mut world = herd(1, Shape::Line);
    world.net.set_job_ms(0, Some(5_000..=5_000));
    let revision =
        news::Revision { title: "Rain", generation: 1, body: b"It rains.", ..<_>::default() };
    let payload = revision.encode().unwrap();
    let entry = Entry {
        kind: Kind::Revision,
        topic: news::TOPIC_STORIES,
        media_type: "text/plain",
        alias: "",
        parents: Vec::new(),
        payload: &payload,
    };
    with(&mut world, 0, |cx, node| node.publish(cx, entry, Durability::Local)).unwrap();
    world.run(10).unwrap();
    world.stop(0);
    world.run(1_000).unwrap();
    world.net.set_job_ms(0, None);
    world.run(3_000).unwrap();
    let story = story_of(node(&world, 0), "Rain").unwrap().expect("it went to disk at the end");
    assert_eq!(story.revisions, 1);
    world.judge().unwrap();
}
