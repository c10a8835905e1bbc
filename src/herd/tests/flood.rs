//! How far, how fast and how often updates travel.

use super::net::{Net, SETTINGS, payloads};
use crate::herd::{LinkSettings, RelaySettings};
use crate::update::Dot;
use std::collections::BTreeSet;

/// A random graph of this degree, links of 10 to 50 ms.
pub(super) fn graph(nodes: usize, degree: usize, seed: u64) -> Net {
    let mut net = Net::new(nodes, seed, SETTINGS);
    let mut ways = BTreeSet::new();
    let mut degrees = vec![0; nodes];
    // A ring, so that it is one; then chords between those who have the fewest.
    for (a, degree) in degrees.iter_mut().enumerate() {
        let b = (a + 1) % nodes;
        ways.insert((a.min(b), a.max(b)));
        *degree += 2;
    }
    for _ in 0..nodes * degree * 4 {
        let (a, b) = (net.rng.below(nodes as u64) as usize, net.rng.below(nodes as u64) as usize);
        if a != b && degrees[a] < degree && degrees[b] < degree && ways.insert((a.min(b), a.max(b)))
        {
            degrees[a] += 1;
            degrees[b] += 1;
        }
    }
    for (a, b) in ways {
        let delay = net.rng.range(10..=50);
        net.link(a, b, delay);
    }
    net.run(500);
    net
}

fn coverage(net: &Net, dot: Dot) -> Option<u64> {
    let mut last = 0;
    for node in &net.nodes {
        last = last.max(*node.when.get(&dot)?);
    }
    Some(last)
}

/// Publishes one by one; the slowest coverage, and copies by node and update.
fn spread(net: &mut Net, updates: usize, bytes: usize, every_ms: u64) -> (u64, f64) {
    let before: usize = net.nodes.iter().map(|node| node.copies).sum();
    let mut dots = Vec::new();
    for _ in 0..updates {
        let at = net.rng.below(net.nodes.len() as u64) as usize;
        let began = net.now;
        dots.push((net.publish(at, &payloads(1, bytes))[0], began));
        net.run(every_ms);
    }
    net.run(2_000);
    let slowest = dots
        .iter()
        .map(|(dot, began)| coverage(net, *dot).map(|at| at - began).expect("all nodes have it"));
    let slowest = slowest.max().unwrap_or(0);
    let after: usize = net.nodes.iter().map(|node| node.copies).sum();
    (slowest, (after - before) as f64 / (updates * net.nodes.len()) as f64)
}

#[test]
fn a_calm_herd_is_covered_in_the_time_of_its_links() {
    let mut net = graph(60, 8, 1);
    let (ms, copies) = spread(&mut net, 20, 500, 300);
    assert!(ms <= 100, "{ms} ms");
    assert!(copies <= 7.0, "{copies} copies");
    assert!(net.agrees() && net.errors.is_empty());
}

#[test]
fn a_busy_herd_sends_few_copies_and_what_is_large_comes_once() {
    let mut net = graph(30, 8, 1);
    let (_, copies) = spread(&mut net, 500, 1_200, 1);
    assert!(copies <= 2.0, "{copies} copies");
    let (_, copies) = spread(&mut net, 20, 15_000, 300);
    assert!(copies <= 2.0, "{copies} copies of 15 kB");
    assert!(net.agrees() && net.errors.is_empty());
}

#[test]
fn a_backlog_goes_on_beside_what_is_pushed_out_of_turn() {
    // No heartbeat comes to the rescue.
    let link = LinkSettings { heartbeat_ms: 60_000, silence_ms: 300_000, ..SETTINGS.link };
    let settings = RelaySettings { gate_bytes: 100_000, link, ..SETTINGS };
    let mut net = Net::new(2, 1, settings);
    for _ in 0..40 {
        net.publish(0, &payloads(256, 20));
    }
    net.link(1, 0, 20);
    for _ in 0..100 {
        net.publish(0, &payloads(20, 100));
        net.run(5);
    }
    let gate = net.nodes[1].relay.waiting_bytes();
    assert!(gate * 2 > settings.gate_bytes, "a crowd of {gate} bytes waits for its turn");
    net.settle(5_000);
    assert!(net.errors.is_empty());
}
