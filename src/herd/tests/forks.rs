//! What contradicts what an epoch said comes with that, and both with their seals: together they
//! are the proof.

use super::link::{Origin, give, give_seal, hold};
use super::net::{Net, SETTINGS, payloads};
use crate::proto::peer::Frame;
use crate::update::{Seal, Update};

/// Two linked nodes, and a link of the first.
fn linked() -> (Net, usize) {
    let mut net = Net::new(2, 1, SETTINGS);
    let (link, _) = net.link(0, 1, 5);
    net.run(100);
    (net, link)
}

fn exhibit((updates, seal): &(Vec<Update>, Seal), at: usize) -> Frame<'_> {
    Frame::Exhibit { raw: &updates[at].raw()[..], seal: seal.clone() }
}

#[test]
fn the_first_that_contradicts_comes_with_what_it_contradicts_and_later_ones_alone() {
    let (mut net, link) = linked();
    let ours = Origin::new(1).batch(&payloads(3, 100));
    let theirs = Origin::new(1).batch(&payloads(3, 200));
    hold(&mut net.nodes[0], &ours);
    give(&mut net, link, &[exhibit(&theirs, 1)]).unwrap();
    assert_eq!(net.nodes[0].forks, [theirs.0[1].dot()]);
    assert_eq!(net.nodes[0].besides, [(ours.0[1].clone(), ours.1.clone())]);
    give(&mut net, link, &[exhibit(&theirs, 2)]).unwrap();
    assert_eq!(net.nodes[0].forks.len(), 2);
    assert_eq!(net.nodes[0].besides.len(), 1);
}

#[test]
fn who_has_dropped_what_bears_a_name_keeps_what_was_shown_first_as_a_stub() {
    let (mut net, link) = linked();
    let ours = Origin::new(1).batch(&payloads(3, 100));
    let theirs = Origin::new(1).batch(&payloads(3, 200));
    hold(&mut net.nodes[0], &ours);
    ours.0.iter().for_each(|update| net.nodes[0].archive.drop_update(update.dot()));
    give(&mut net, link, &[exhibit(&theirs, 1)]).unwrap();
    assert!(net.nodes[0].forks.is_empty(), "it may be what was dropped");
    give(&mut net, link, &[exhibit(&ours, 1)]).unwrap();
    assert_eq!(net.nodes[0].forks, [ours.0[1].dot()]);
    assert_eq!(net.nodes[0].besides, [(theirs.0[1].erase(), theirs.1)]);
}

#[test]
fn what_does_not_follow_upon_the_end_of_the_log_comes_with_that_end() {
    let (mut net, link) = linked();
    let ours = Origin::new(1).batch(&payloads(2, 100));
    let mut other = Origin::new(1);
    other.batch(&payloads(2, 200));
    let (next, seal) = other.batch(&payloads(1, 200));
    hold(&mut net.nodes[0], &ours);
    give(&mut net, link, &[Frame::Update(&next[0].raw()[..])]).unwrap();
    give_seal(&mut net, link, &seal, |_| false).unwrap();
    assert_eq!(net.nodes[0].forks, [ours.0[1].dot()]);
    assert_eq!(net.nodes[0].besides, [(ours.0[1].clone(), ours.1)]);
}
