//! Large payloads over links: in pieces, from all who have them, whatever breaks off.

use super::net::{Net, SETTINGS, payloads};
use crate::herd::Archive;
use crate::update::Dot;

/// How often frames of this name came to a node.
fn frames(net: &Net, at: usize, name: &str) -> usize {
    let ends = net.nodes[at].ends.values();
    ends.map(|end| end.frames.iter().filter(|frame| **frame == name).count()).sum()
}

fn has(net: &Net, at: usize, dot: Dot) -> bool {
    net.nodes[at].archive.seen().contains(dot)
}

#[test]
fn what_fits_is_sent_whole_and_what_does_not_comes_in_pieces() {
    for (bytes, pieces) in [(15_000, 0), (17_000, 1), (65_536, 1), (65_537, 2), (1_000_000, 16)] {
        let mut net = Net::new(2, 1, SETTINGS);
        net.link(0, 1, 10);
        net.run(1_000);
        let dot = net.publish(0, &payloads(1, bytes))[0];
        net.run(1_000);
        assert!(has(&net, 1, dot), "{bytes} bytes");
        assert_eq!(frames(&net, 1, "piece"), pieces, "{bytes} bytes");
        assert_eq!(frames(&net, 1, "update"), usize::from(pieces == 0), "{bytes} bytes");
        assert!(net.errors.is_empty(), "{:?}", net.errors);
    }
}

#[test]
fn the_largest_payload_passes_whatever_may_wait_at_the_gate() {
    let mut net = Net::new(2, 2, SETTINGS);
    net.link(0, 1, 10);
    net.run(1_000);
    let dot = net.publish(0, &payloads(1, 16 << 20))[0];
    net.run(5_000);
    assert!(has(&net, 1, dot));
    assert_eq!(frames(&net, 1, "piece"), 256, "none comes twice");
}

#[test]
fn a_node_takes_pieces_from_all_neighbours_that_have_it() {
    let mut net = Net::new(4, 3, SETTINGS);
    for at in 1..3 {
        net.link(0, at, 10);
    }
    net.run(1_000);
    let dot = net.publish(0, &payloads(1, 4 << 20))[0];
    net.run(5_000);
    let ends = [1, 2].map(|at| net.link(at, 3, 10).1);
    net.run(5_000);
    assert!(has(&net, 3, dot));
    let pieces = |link| {
        let frames = &net.nodes[3].ends[&link].frames;
        frames.iter().filter(|frame| **frame == "piece").count()
    };
    let came = ends.map(pieces);
    assert_eq!(came[0] + came[1], 64, "{came:?}");
    assert!(came.iter().all(|pieces| *pieces >= 16), "{came:?}");
}

#[test]
fn a_lost_link_costs_only_what_was_on_its_way() {
    let mut net = Net::new(4, 4, SETTINGS);
    net.link(0, 1, 10);
    net.link(0, 2, 10);
    net.run(1_000);
    let dot = net.publish(0, &payloads(1, 4 << 20))[0];
    net.run(5_000);
    let first = net.link(1, 3, 10).1;
    net.run(150);
    let before = frames(&net, 3, "piece");
    assert!((4..60).contains(&before), "{before}");
    net.cut(3, first);
    assert!(!has(&net, 3, dot));
    net.run(100);
    net.link(2, 3, 10);
    net.run(5_000);
    assert!(has(&net, 3, dot));
    let after = frames(&net, 3, "piece");
    assert!(after <= 64 - before + 4, "{before} and {after}");
}

#[test]
fn many_large_payloads_come_a_few_at_a_time_and_all_of_them() {
    let mut net = Net::new(3, 5, SETTINGS);
    let dots = net.publish(0, &payloads(30, 300_000));
    net.link(0, 1, 10);
    net.link(1, 2, 20);
    let mut most = 0;
    for _ in 0..400 {
        net.run(50);
        most = most.max(net.nodes[1].relay.waiting_bytes());
    }
    for at in 1..3 {
        assert!(dots.iter().all(|dot| has(&net, at, *dot)), "node {at}");
        assert_eq!(frames(&net, at, "piece"), 30 * 5, "node {at}");
    }
    assert!(most <= (8 << 20) + 4 * 301_000, "{most} bytes waited");
    assert!(net.errors.is_empty(), "{:?}", net.errors);
}

#[test]
fn what_is_small_does_not_wait_for_what_is_large() {
    let mut net = Net::new(2, 6, SETTINGS);
    net.link(0, 1, 10);
    net.run(1_000);
    let large = net.publish(0, &payloads(1, 8 << 20))[0];
    net.run(100);
    assert!(!has(&net, 1, large));
    // Of another origin: one of the same comes behind what is before it.
    let small = net.publish(1, &payloads(1, 100))[0];
    net.run(30);
    assert!(has(&net, 0, small) && !has(&net, 1, large));
    net.run(5_000);
    assert!(has(&net, 1, large));
}

#[test]
fn a_payload_that_is_erased_while_it_is_sent_comes_as_a_stub() {
    let mut net = Net::new(2, 7, SETTINGS);
    net.link(0, 1, 10);
    net.run(1_000);
    let dot = net.publish(0, &payloads(1, 8 << 20))[0];
    net.run(200);
    let whole = net.nodes[0].archive.updates[&dot].clone();
    net.nodes[0].archive.updates.insert(dot, whole.erase());
    net.nodes[0].relay.forget_payload(dot);
    net.run(60_000);
    assert!(has(&net, 1, dot));
    assert!(net.nodes[1].archive.updates[&dot].is_erased());
    assert!(net.errors.is_empty(), "{:?}", net.errors);
}
