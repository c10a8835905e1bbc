//! What herds do beside stories and reports, each by itself; and that each law which is held to it
//! can be broken.

use super::super::Shape;
use super::super::customs::Custom;
use super::super::editors::merge;
use super::super::laws::Law;
use super::super::peace::surplus_of;
use super::super::world::World;
use super::super::writers::story_of;
use super::scenery::{self, asleep, data, linked, node};
use crate::base::Rng;
use crate::config::{Durability, Keep};
use crate::news::{self, MERGE_AUTHOR, Revision, Withdrawal};
use crate::serve::{Desk, Entry, Receipt};
use crate::update::{Cid, Kind};

/// A herd at peace, all linked.
fn herd(nodes: u64) -> World {
    herd_of(nodes, 7)
}

fn herd_of(nodes: u64, seed: u64) -> World {
    linked(asleep(nodes, Shape::Mesh, seed))
}

fn publish(world: &mut World, host: usize, entry: Entry<'_>) -> Receipt {
    scenery::publish(world, host, entry, Durability::Local).expect("it is taken")
}

fn say(world: &mut World, host: usize, payload: &[u8]) -> Receipt {
    publish(world, host, data("weather", payload))
}

fn revise(world: &mut World, host: usize, (title, author): (&str, &str), parents: Vec<Cid>) -> Cid {
    let generation = 1 + parents.len() as u32;
    let body = author.as_bytes();
    let revision = Revision { generation, title, author, body, ..Revision::default() };
    let payload = revision.encode().unwrap();
    let (kind, topic) = (Kind::Revision, news::TOPIC_STORIES);
    let entry =
        Entry { kind, topic, media_type: "text/plain", alias: "", parents, payload: &payload };
    publish(world, host, entry).cid
}

/// Writes a revision of the first note.
fn write(world: &mut World, host: usize, body: &[u8], parents: Vec<Cid>) -> Cid {
    let generation = 1 + parents.len() as u32;
    let revision = Revision { generation, title: "note 0", body, ..Revision::default() };
    let payload = revision.encode().unwrap();
    let (kind, topic) = (Kind::Revision, news::TOPIC_STORIES);
    let entry =
        Entry { kind, topic, media_type: "text/plain", alias: "", parents, payload: &payload };
    publish(world, host, entry).cid
}

/// Cuts a herd of four in two, or makes one of it.
fn cut(world: &mut World, is_cut: bool) {
    for (a, b) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        for (from, to) in [(a, b), (b, a)] {
            if is_cut {
                world.cut_way(from, to);
            } else {
                world.heal_way(from, to);
            }
        }
    }
}

/// Both sides of a cut do something, often; then they are one herd again.
fn do_apart(world: &mut World, custom: Custom) {
    cut(world, true);
    for round in 0..24 {
        world.do_at(round % 4, custom, Durability::Local).unwrap();
        world.run(80).unwrap();
        world.look().unwrap();
    }
    cut(world, false);
    world.settle(10_000).unwrap();
}

#[test]
fn what_both_sides_of_a_cut_import_is_shown_once() {
    let mut world = herd(4);
    do_apart(&mut world, Custom::Import);
    world.judge_wires(false).unwrap();
    world.judge_notes(false).unwrap();
    assert_eq!(world.ledger.wires.len(), 3);
    // A title without an alias that is created on both sides is there twice.
    let first = revise(&mut world, 0, ("wire 0", "one"), Vec::new());
    let second = revise(&mut world, 3, ("wire 0", "other"), Vec::new());
    assert_ne!(first, second);
    world.settle(5_000).unwrap();
    assert_eq!(world.judge_wires(false).unwrap_err().law, Law::Alias);
}

#[test]
fn both_sides_of_a_cut_edit_merge_and_withdraw_and_come_to_the_same() {
    let (mut merges, mut withdrawn) = (0, 0);
    for seed in 1..=6 {
        let mut world = herd_of(4, seed);
        for _ in 0..3 {
            do_apart(&mut world, Custom::Note);
            world.judge_notes(false).unwrap();
        }
        merges += world.ledger.merges.len();
        withdrawn += world.ledger.withdrawn.len();
    }
    assert!(merges >= 6 && withdrawn >= 3, "{merges} merges, {withdrawn} withdrawals");
}

#[test]
fn what_both_sides_of_a_cut_merge_is_one_merge() {
    let mut world = herd(4);
    world.ledger.notes.insert(0);
    let base = write(&mut world, 0, b"one\ntwo\nthree\n", Vec::new());
    world.settle(2_000).unwrap();
    cut(&mut world, true);
    write(&mut world, 0, b"ONE\ntwo\nthree\n", vec![base]);
    write(&mut world, 2, b"one\ntwo\nTHREE\n", vec![base]);
    cut(&mut world, false);
    world.settle(10_000).unwrap();
    cut(&mut world, true);
    for host in [1, 3] {
        let World { hosts, ledger, .. } = &mut world;
        let up = hosts[host].up.as_mut().expect("it is up");
        let side = ("note 0", &mut Rng::new(host as u64));
        let made = up.sim.with(|cx, node| merge(cx, node, side, ledger, Durability::Local));
        made.unwrap().expect("two heads that do not clash").expect("it is taken");
    }
    cut(&mut world, false);
    world.settle(10_000).unwrap();
    world.judge_notes(false).unwrap();
    assert_eq!(world.ledger.merges.len(), 1);
    let story = story_of(node(&world, 2), "note 0").unwrap().expect("it is there");
    assert_eq!((story.heads.len(), story.revisions), (1, 4));
    let merged = node(&world, 2).store().by_cid(story.heads[0].cid).unwrap().expect("it is there");
    let merged = Revision::decode(merged.payload()).unwrap();
    assert_eq!((merged.body, merged.author), (&b"ONE\ntwo\nTHREE\n"[..], MERGE_AUTHOR));
}

#[test]
fn a_second_machine_merge_of_the_same_revisions_breaks_a_law() {
    let mut world = herd(2);
    world.ledger.notes.insert(0);
    let parents: Vec<Cid> =
        ["a", "b"].map(|who| revise(&mut world, 0, ("note 0", who), Vec::new())).into();
    let mut parents = parents;
    parents.sort_unstable();
    for host in [0, 1] {
        world.settle(2_000).unwrap();
        world.judge_notes(false).unwrap();
        revise(&mut world, host, ("note 0", MERGE_AUTHOR), parents.clone());
    }
    world.settle(2_000).unwrap();
    assert_eq!(world.judge_notes(false).unwrap_err().law, Law::Merges);
}

#[test]
fn pictures_come_whole_and_one_that_does_not_breaks_a_law() {
    let mut world = herd(3);
    world.ledger.large_bytes = 1 << 17;
    world.do_at(0, Custom::Picture, Durability::Local).unwrap();
    world.settle(5_000).unwrap();
    world.judge_pictures().unwrap();
    let (cid, _) = world.ledger.pictures.first_key_value().expect("a picture");
    assert!(node(&world, 2).store().by_cid(*cid).unwrap().is_some());
    let cid = *cid;
    world.ledger.pictures.insert(cid, [0; 32]);
    assert_eq!(world.judge_pictures().unwrap_err().law, Law::Payloads);
}

#[test]
fn memory_over_its_bound_breaks_a_law() {
    let mut world = herd(1);
    say(&mut world, 0, &vec![b'x'; 100_000]);
    assert_eq!(world.look().unwrap_err().law, Law::Memory);
}

#[test]
fn withdrawn_text_that_stays_on_a_disk_breaks_a_law() {
    let mut world = herd(2);
    for _ in 0..4 {
        world.do_at(0, Custom::Note, Durability::Local).unwrap();
        world.run(50).unwrap();
    }
    world.settle(2_000).unwrap();
    let images = world.hosts[1].disk.images();
    assert!(images.iter().any(|image| image.windows(8).any(|bytes| bytes == b"whisper-")));
    assert_eq!(world.whispers(1), Ok(None), "nothing is withdrawn");
    // What is said elsewhere than in the note is not erased with it.
    say(&mut world, 0, b"so it was: whisper-00000063");
    world.ledger.notes.insert(0x63);
    let payload = Withdrawal { title: "note 99", reason: "", wire: b"" }.encode().unwrap();
    let entry = Entry {
        kind: Kind::Withdrawal,
        topic: news::TOPIC_STORIES,
        media_type: "application/octet-stream",
        alias: "",
        parents: Vec::new(),
        payload: &payload,
    };
    publish(&mut world, 0, entry);
    world.settle(2_000).unwrap();
    assert_eq!(world.let_go().unwrap_err().law, Law::Erased);
}

#[test]
fn a_node_drops_what_is_over_its_retention_and_one_that_is_far_hears_of_a_gap() {
    let mut world = asleep(3, Shape::Mesh, 7);
    let keep = Keep { count: Some(3), ..Keep::default() };
    for host in 0..2 {
        world.hosts[host].config.retention = vec![("weather".to_owned(), keep)];
        world.hosts[host].config.limits.retention_ms = 100;
    }
    world.ledger.has_retention = true;
    world.hosts[2].is_doomed = true;
    for host in 0..2 {
        world.start(host).unwrap();
    }
    world.run(1_000).unwrap();
    for number in 0..12_u8 {
        say(&mut world, 0, &[number]);
        world.run(50).unwrap();
        world.look().unwrap();
    }
    let surplus = |world: &World, keep| {
        surplus_of(node(world, 0).store(), "weather", keep).unwrap().is_some()
    };
    assert!(surplus(&world, keep), "it is too early");
    world.run(8_000).unwrap();
    world.look().unwrap();
    assert!(!surplus(&world, keep));
    assert!(surplus(&world, Keep { count: Some(1), ..keep }), "this is less than it keeps");
    world.start(2).unwrap();
    world.settle(5_000).unwrap();
    let late = node(&world, 2).store();
    assert_eq!(late.gone().count(), 9, "what it never had counts as had");
    let readers = world.readers.len();
    for reader in 0..readers {
        world.readers[reader].reading.leave();
        world.readers[reader].at = 2;
        world.read(reader, usize::MAX).unwrap();
    }
    assert!(world.readers.iter().all(|reader| reader.reading.had().count() == 12));
    // The herd's customs keep everything: then nothing may be dropped.
    assert_eq!(world.judge_kept().unwrap_err().law, Law::Retention);
}

#[test]
fn who_is_retired_is_left_alone_by_all_who_know_it() {
    let mut world = herd(4);
    while world.tally.retired == 0 {
        world.do_at(0, Custom::Act, Durability::Local).unwrap();
        world.run(50).unwrap();
    }
    world.settle(5_000).unwrap();
    world.part().unwrap();
    let left = (0..4).find(|host| world.is_out(*host)).expect("one is out");
    let stays = (left + 1) % 4;
    let receipt = say(&mut world, stays, b"rain");
    let alone = say(&mut world, left, b"is anyone there?");
    world.run(3_000).unwrap();
    world.settle(5_000).unwrap();
    world.judge_parted().unwrap();
    assert!(!node(&world, left).store().contains(receipt.dot));
    assert!(!node(&world, stays).store().contains(alone.dot));
    assert!(world.members().iter().all(|host| node(&world, *host).store().contains(receipt.dot)));
}

#[test]
fn a_timer_that_does_not_come_breaks_a_law() {
    let mut world = herd(2);
    world.net.set_paused(0, true);
    world.run(6_000).unwrap();
    assert_eq!(world.look().unwrap_err().law, Law::Deadlines);
}
