//! What a simulation found, in figures.

use super::laws::{Checks, Law};
use super::spread::Reach;
use super::world::{Tally, World};
use serde_json::{Value, json};

/// The figures of one herd, or of many together.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many herds.
    pub herds: u64,
    /// Nodes, of all herds.
    pub nodes: u64,
    /// Links between two nodes.
    pub links: u64,
    /// Updates that could be read somewhere.
    pub updates: u64,
    /// Updates that came to every node.
    pub complete: u64,
    /// Updates that were acknowledged as being on disk.
    pub acked: u64,
    /// Updates that came to a node, counted for each node; at its origin too.
    pub delivered: u64,
    /// Times until half, 99 of 100 and all of the nodes had an update; of many herds the worst.
    pub reach: [Reach; 3],
    /// Copies of updates that came to a node, for each that was new there; by node.
    pub copies: Vec<f64>,
    /// Bytes written to links.
    pub written_bytes: u64,
    /// Frames that carry no update; counted where only what passes updates on is simulated.
    pub controls: u64,
    /// Bytes around and between updates; counted where `controls` are.
    pub control_bytes: u64,
    /// Virtual milliseconds.
    pub virtual_ms: u64,
    /// Turns of loops.
    pub turns: u64,
    /// Arrivals by milliseconds after the update could first be read.
    pub curve: Vec<u64>,
    /// What befell it.
    pub tally: Tally,
    /// How often each law was looked at.
    pub checks: Checks,
    /// A number that two runs of a seed have in common.
    pub trace: u64,
}

impl Report {
    pub(super) fn of(world: &World) -> Self {
        let copies = world.counts().into_iter().filter(|counts| counts.received > 0);
        let share = |all: u64, new: u64| all as f64 / new as f64;
        Self {
            herds: 1,
            nodes: world.hosts.len() as u64,
            links: world.links.len() as u64,
            updates: world.spread.updates(),
            complete: world.spread.complete(),
            acked: world.acked(),
            delivered: world.spread.delivered(),
            reach: world.spread.reach(),
            copies: copies.map(|c| share(c.received + c.duplicates, c.received)).collect(),
            written_bytes: world.written_bytes(),
            controls: 0,
            control_bytes: 0,
            virtual_ms: world.now(),
            turns: world.turns,
            curve: world.spread.curve().to_vec(),
            tally: world.tally,
            checks: world.checks,
            trace: world.trace(),
        }
    }

    /// Adds another herd's figures.
    pub fn add(&mut self, other: &Self) {
        self.herds += other.herds;
        self.nodes += other.nodes;
        self.links += other.links;
        self.updates += other.updates;
        self.complete += other.complete;
        self.acked += other.acked;
        self.delivered += other.delivered;
        for (worst, reach) in self.reach.iter_mut().zip(other.reach) {
            worst.median_ms = worst.median_ms.max(reach.median_ms);
            worst.p99_ms = worst.p99_ms.max(reach.p99_ms);
            worst.worst_ms = worst.worst_ms.max(reach.worst_ms);
        }
        self.copies.extend(&other.copies);
        self.written_bytes += other.written_bytes;
        self.controls += other.controls;
        self.control_bytes += other.control_bytes;
        self.virtual_ms += other.virtual_ms;
        self.turns += other.turns;
        if self.curve.len() < other.curve.len() {
            self.curve.resize(other.curve.len(), 0);
        }
        for (sum, more) in self.curve.iter_mut().zip(&other.curve) {
            *sum += more;
        }
        self.tally.add(&other.tally);
        self.checks.add(&other.checks);
        self.trace = self.trace.rotate_left(7) ^ other.trace;
    }

    /// Copies that came to a node for each new update, in the mean.
    pub fn copies_mean(&self) -> f64 {
        self.copies.iter().fold(0.0, |sum, copies| sum + copies) / self.copies.len().max(1) as f64
    }

    /// The share of updates that came to every node.
    pub fn coverage(&self) -> f64 {
        if self.updates == 0 { 1.0 } else { self.complete as f64 / self.updates as f64 }
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let reach = |reach: &Reach| {
            json!({
                "median_ms": reach.median_ms, "p99_ms": reach.p99_ms, "worst_ms": reach.worst_ms,
            })
        };
        let [half, most, all] = &self.reach;
        let laws = Law::ALL.map(|law| json!({"law": law.title(), "checks": self.checks.of(law)}));
        let tally = &self.tally;
        json!({
            "herds": self.herds, "nodes": self.nodes, "links": self.links,
            "updates": self.updates, "acknowledged": self.acked, "delivered": self.delivered,
            "coverage": self.coverage(),
            "reach": {"half": reach(half), "p99": reach(most), "all": reach(all)},
            "copies_per_node": self.copies_mean(), "written_bytes": self.written_bytes,
            "control_frames": self.controls, "control_bytes": self.control_bytes,
            "virtual_ms": self.virtual_ms, "turns": self.turns,
            "faults": {
                "published": tally.published, "refused": tally.refused,
                "crashes": tally.crashes, "stops": tally.stops, "pauses": tally.pauses,
                "cuts": tally.cuts, "resets": tally.resets,
                "restores": tally.restores, "villains": tally.villains,
                "disks": tally.disks,
                "customs": tally.customs, "merges": tally.merges, "retired": tally.retired,
                "clock_jumps": tally.jumps, "reader_moves": tally.moves,
            },
            "invariants": laws, "trace": format!("{:016x}", self.trace),
        })
    }
}
