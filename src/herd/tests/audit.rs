//! Audits over links: equal archives cost little, and what vectors don't show is found.

use super::net::{Net, SETTINGS, payloads, seeded};
use crate::herd::{Archive, AuditEnd, AuditorSettings, LinkSettings, RelaySettings};
use crate::update::{Cid, Dot, Seal};

/// Nobody compares hashes of vectors: only audits find anything.
const AUDITED: RelaySettings = RelaySettings {
    link: LinkSettings { digest_ms: 1 << 40, ..SETTINGS.link },
    audits: AuditorSettings { first_ms: 70_000, every_ms: 70_000, ..SETTINGS.audits },
    ..SETTINGS
};

#[test]
fn an_audit_of_equal_archives_is_a_handful_of_small_messages() {
    let mut net = Net::new(2, 1, AUDITED);
    net.publish(0, &payloads(3_000, 50));
    net.link(0, 1, 10);
    net.run(69_000);
    assert_eq!(net.nodes[1].archive.log.len(), 3_000);
    net.run(20_000);
    for node in &net.nodes {
        assert!(!node.audited.is_empty());
        for audited in &node.audited {
            let view = audited.view;
            assert_eq!((view.updates, view.surplus, view.lacking), (3_000, 0, 0));
            assert_eq!(audited.end, AuditEnd::Complete);
            assert!(view.bytes < 500, "{view:?}");
        }
    }
}

#[test]
fn what_was_never_offered_is_found_by_an_audit_and_pulled() {
    for writer in [0, 1] {
        let mut net = Net::new(2, 2, AUDITED);
        net.publish(0, &payloads(500, 50));
        net.link(0, 1, 10);
        net.run(2_000);
        // It goes into one archive, and its links are not told.
        let written = net.nodes[writer].write(&payloads(700, 60));
        let dots: Vec<Dot> = written.iter().map(|(update, _)| update.dot()).collect();
        net.run(60_000);
        let has = |net: &Net| {
            let other = net.nodes[1 - writer].archive.seen();
            dots.iter().filter(|dot| other.contains(**dot)).count()
        };
        assert_eq!(has(&net), 0, "by node {writer}");
        net.run(15_000);
        assert_eq!(has(&net), 700, "by node {writer}");
        net.run(70_000);
        let last = net.nodes[0].audited.last().expect("audits went on");
        assert_eq!((last.view.surplus, last.view.lacking), (0, 0));
    }
}

#[test]
fn a_fork_in_the_middle_of_a_log_is_found_by_an_audit() {
    let mut net = Net::new(2, 3, AUDITED);
    let dots = net.publish(0, &payloads(50, 50));
    net.link(0, 1, 10);
    net.run(2_000);
    // Node 1 holds another update under the 20th name; ends of logs and vectors are equal.
    let dot = dots[19];
    let ours = net.nodes[1].archive.updates[&dot].clone();
    let other = super::net::draft(dot, ours.previous(), b"something else was said");
    let seal = net.nodes[1].archive.seal_of(dot).unwrap().unwrap();
    let cids: Vec<Cid> = (seal.from..)
        .zip(&seal.cids)
        .map(|(seq, cid)| if seq == dot.seq { other.cid() } else { *cid })
        .collect();
    let forged = Seal::sign(&seeded(0), seal.salt, seal.from, cids);
    assert_eq!(forged.epoch(), dot.epoch);
    net.nodes[1].archive.append_seal(&forged);
    net.nodes[1].archive.updates.insert(dot, other);
    net.run(60_000);
    assert!(net.nodes.iter().all(|node| node.forks.is_empty()));
    net.run(20_000);
    assert!(net.nodes.iter().any(|node| node.forks == [dot]), "the fork is shown");
}

#[test]
fn a_link_that_is_lost_in_an_audit_does_not_end_audits() {
    let mut net = Net::new(2, 4, AUDITED);
    net.publish(0, &payloads(2_000, 50));
    let ends = net.link(0, 1, 100);
    net.run(70_350);
    net.cut(0, ends.0);
    net.link(0, 1, 10);
    net.run(80_000);
    let complete =
        |at: usize| net.nodes[at].audited.iter().any(|audited| audited.end == AuditEnd::Complete);
    assert!(complete(0) && complete(1));
}
