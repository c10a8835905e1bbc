//! Whatever befalls the links of a herd, once they stand again all have the same: in each origin's
//! order, nothing without a verified seal, within the bounds of memory. The archive and the wires
//! of these tests assert the first two at every step.

use super::net::{Net, SETTINGS, payloads};
use crate::base::Rng;
use crate::herd::{LinkSettings, RelaySettings};

const SEEDS: u64 = 80;
const GATE_BYTES: usize = 40_000;

fn settings(rng: &mut Rng) -> RelaySettings {
    RelaySettings {
        link: LinkSettings {
            window_bytes: rng.range(1_000..=60_000),
            heartbeat_ms: 300,
            silence_ms: 1_500,
            digest_ms: rng.range(500..=5_000),
        },
        gate_bytes: GATE_BYTES,
        ring_bytes: rng.range(1_000..=50_000) as usize,
        origin_updates_per_s: [5, 100, 20_000][rng.below(3) as usize],
        calm_updates_per_s: [0, 50, 1_000][rng.below(3) as usize],
        ..SETTINGS
    }
}

/// Something happens at random.
fn befall(net: &mut Net, rng: &mut Rng, links: &mut Vec<(usize, usize)>) {
    let nodes = net.nodes.len() as u64;
    let at = rng.below(nodes) as usize;
    match rng.below(12) {
        0 | 1 => {
            let other = rng.below(nodes) as usize;
            if at != other && links.len() < 12 {
                let delay_ms = rng.range(0..=60);
                links.push((at, net.link(at, other, delay_ms).0));
            }
        }
        2 if !links.is_empty() => {
            let (at, link) = links.swap_remove(rng.below(links.len() as u64) as usize);
            net.cut(at, link);
        }
        3 => {
            net.nodes[at].is_full ^= true;
            net.steps(at);
            net.wake(at);
        }
        4 => net.room = rng.range(500..=64_000) as usize,
        5 => {
            net.publish(at, &payloads(1, 1 + rng.below(40_000) as usize));
        }
        _ => {
            let bytes = 1 + rng.below(900) as usize;
            net.publish(at, &payloads(1 + rng.below(40) as usize, bytes));
        }
    }
}

fn live(seed: u64) {
    let mut rng = Rng::new(seed);
    let settings = settings(&mut rng);
    let nodes = rng.range(2..=5) as usize;
    let mut net = Net::new(nodes, seed, settings);
    let mut links = Vec::new();
    for _ in 0..rng.range(20..=120) {
        befall(&mut net, &mut rng, &mut links);
        let ms = rng.below(80);
        net.run(ms);
        for node in &net.nodes {
            let links = node.ends.len() * (settings.link.window_bytes as usize + 50_000);
            let waiting = node.relay.waiting_bytes();
            assert!(waiting <= GATE_BYTES + 50_000 + links, "{waiting} bytes wait");
        }
    }
    for (at, link) in links {
        net.cut(at, link);
    }
    for at in 0..nodes {
        net.nodes[at].is_full = false;
        net.steps(at);
    }
    (1..nodes).for_each(|at| {
        net.link(at - 1, at, 10);
    });
    net.room = 64 << 10;
    net.settle(60_000);
    net.judge();
    assert!(net.errors.is_empty(), "{:?}", net.errors);
    assert!(net.nodes.iter().all(|node| node.forks.is_empty()));
    net.run(5_000);
    let waiting: usize = net.nodes.iter().map(|node| node.relay.waiting_bytes()).sum();
    assert_eq!(waiting, 0, "nothing is left over");
}

/// Says which seed failed.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {} fails", self.0);
        }
    }
}

#[test]
fn whatever_befalls_the_links_all_have_the_same_in_the_end() {
    for seed in 0..SEEDS {
        let _named = Named(seed);
        live(seed);
    }
}
