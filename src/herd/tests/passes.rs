//! What is over: what retention dropped is passed by, and nobody is believed too soon.

use super::link::{Origin, give, hold};
use super::net::{Net, SETTINGS, payloads};
use crate::proto::peer::Frame;
use crate::update::{Dot, Epoch, Span, Vector};

#[test]
fn what_retention_dropped_is_passed_by_and_what_it_left_comes() {
    let mut net = Net::new(3, 1, SETTINGS);
    let mut origin = Origin::new(1);
    let batch = origin.batch(&payloads(100, 100));
    hold(&mut net.nodes[0], &batch);
    for seq in (1..=90).filter(|seq| seq % 30 != 0) {
        net.nodes[0].archive.drop_update(Dot { epoch: origin.epoch(), seq });
    }
    net.link(0, 1, 5);
    net.link(1, 2, 5);
    net.settle(3_000);
    for node in &net.nodes[1..] {
        let seqs: Vec<u64> = node.archive.log.iter().map(|dot| dot.seq).collect();
        assert_eq!(seqs, [30, 60, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100], "{}", node.name);
    }
    net.judge();
}

#[test]
fn what_one_peer_dropped_is_taken_whole_from_another() {
    let mut net = Net::new(3, 1, SETTINGS);
    let mut origin = Origin::new(1);
    let batch = origin.batch(&payloads(100, 100));
    hold(&mut net.nodes[0], &batch);
    hold(&mut net.nodes[2], &batch);
    for seq in 1..=90 {
        net.nodes[0].archive.drop_update(Dot { epoch: origin.epoch(), seq });
    }
    net.nodes[1].is_full = true;
    net.steps(1);
    net.link(0, 1, 5);
    net.link(1, 2, 5);
    net.run(100);
    net.nodes[1].is_full = false;
    net.steps(1);
    net.wake(1);
    net.settle(3_000);
    assert_eq!(net.nodes[1].archive.log.len(), 100);
}

#[test]
fn a_pass_that_was_not_asked_for_changes_nothing() {
    let mut net = Net::new(2, 1, SETTINGS);
    let (a, _) = net.link(0, 1, 5);
    net.run(50);
    let mut dots = Vector::new();
    dots.insert_span(Span { epoch: Epoch(9), from: 1, to: 1_000 });
    give(&mut net, a, &[Frame::Passed(dots)]).unwrap();
    assert!(net.has(0).is_empty());
}

/// Says on a link that it offers these, and, when it is asked, that they are over.
fn offer_and_pass(net: &mut Net, link: usize, dots: &Vector) {
    give(net, link, &[Frame::Offer(dots.clone())]).unwrap();
    net.pump(0, link);
    give(net, link, &[Frame::Passed(dots.clone())]).unwrap();
}

#[test]
fn what_another_offers_is_not_over_because_one_peer_says_so() {
    let mut net = Net::new(3, 1, SETTINGS);
    let (a, _) = net.link(0, 1, 5);
    let (b, _) = net.link(0, 2, 5);
    net.run(50);
    let written = net.nodes[2].write(&payloads(1, 100));
    let dot = written[0].0.dot();
    let mut dots = Vector::new();
    dots.insert(dot);
    net.nodes[2].relay.publish(&written[0].0, &written[0].1, net.now);
    give(&mut net, a, &[Frame::Offer(dots.clone())]).unwrap();
    give(&mut net, b, &[Frame::Offer(dots.clone())]).unwrap();
    give(&mut net, a, &[Frame::Passed(dots)]).unwrap();
    assert!(!net.has(0).contains(dot));
    net.wake(0);
    net.run(200);
    assert_eq!(net.nodes[0].archive.log, [dot]);
}

#[test]
fn nobody_can_say_that_something_of_our_own_is_over() {
    let mut net = Net::new(2, 1, SETTINGS);
    let (a, _) = net.link(0, 1, 5);
    net.run(50);
    let mut dots = Vector::new();
    dots.insert_span(Span { epoch: net.nodes[0].epoch(), from: 1, to: 9 });
    offer_and_pass(&mut net, a, &dots);
    assert!(net.has(0).is_empty());
    // Of another it is believed: nobody else is there to know better.
    let mut dots = Vector::new();
    dots.insert_span(Span { epoch: Epoch(9), from: 1, to: 9 });
    offer_and_pass(&mut net, a, &dots);
    assert_eq!(net.has(0), &dots);
}
