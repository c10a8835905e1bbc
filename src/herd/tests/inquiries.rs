//! Questions to all nodes, in herds of several shapes.

use super::flood::graph;
use super::net::{Net, SETTINGS};
use crate::update::SigningKey;
use std::collections::BTreeSet;

/// Asks from a node, and gives the names that answered; each answered itself, once.
fn asked(net: &mut Net, at: usize, number: u64) -> Vec<String> {
    let now = net.now;
    assert!(net.nodes[at].relay.inquire(number, b"about", now));
    net.wake(at);
    net.run(2_000);
    let told = std::mem::take(&mut net.nodes[at].told);
    let mut names = Vec::new();
    for said in told {
        assert!(said.verify() && said.inquiry == number && said.body == b"about", "{said:?}");
        names.push(said.node);
    }
    names.sort();
    let once: BTreeSet<&String> = names.iter().collect();
    assert_eq!(once.len(), names.len(), "{names:?}");
    names
}

#[test]
fn every_node_that_can_be_reached_answers_once_over_any_links() {
    for (nodes, degree) in [(2, 2), (9, 2), (20, 5)] {
        let mut net = graph(nodes, degree, 7);
        for at in [0, nodes - 1] {
            let names = asked(&mut net, at, at as u64 + 1);
            assert_eq!(names.len(), nodes - 1, "{names:?}");
            assert!(!names.contains(&net.nodes[at].name));
        }
        let counted = |name: &str| -> usize {
            let ends = net.nodes.iter().flat_map(|node| node.ends.values());
            ends.map(|end| end.frames.iter().filter(|frame| **frame == name).count()).sum()
        };
        let links: usize = net.nodes.iter().map(|node| node.ends.len()).sum();
        assert!(counted("inquire") <= 2 * links, "a question goes over each link once each way");
        assert!(net.errors.is_empty(), "{:?}", net.errors);
    }
}

#[test]
fn who_is_cut_off_is_missing_and_a_number_serves_once() {
    let mut net = Net::new(3, 1, SETTINGS);
    net.link(0, 1, 10);
    let cut = net.link(1, 2, 10);
    net.run(500);
    assert_eq!(asked(&mut net, 0, 1), ["node1", "node2"]);
    let now = net.now;
    assert!(!net.nodes[0].relay.inquire(1, b"again", now), "it is open still");
    let (end, _) = cut;
    net.cut(1, end);
    assert_eq!(asked(&mut net, 0, 2), ["node1"]);
    assert_eq!(asked(&mut net, 2, 3), [""; 0]);
}

#[test]
fn an_answer_that_nobody_asked_for_goes_nowhere() {
    let mut net = Net::new(2, 1, SETTINGS);
    net.link(0, 1, 10);
    net.run(500);
    let key = SigningKey::from_seed([3; 32]);
    let said = crate::update::Statement::sign(&key, 9, "liar", b"x".to_vec());
    let now = net.now;
    assert!(!net.nodes[0].relay.awaits(&said, None, now));
    assert_eq!(net.nodes[0].relay.tell(said, None, now), None);
}
