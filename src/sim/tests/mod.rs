//! Herds of many seeds, each through all that may befall it.

mod customs;
mod durable;
mod keeping;
mod planted;
mod regressions;
mod scale;
mod scenery;
mod scenes;

use super::{Faults, Outcome, Plan, Report, Shape, run};

/// How many herds each of the tests below lives through.
const SEEDS: u64 = 32;

/// A small herd in a storm.
fn storm(shape: Shape) -> Plan {
    let storm = Faults::Storm;
    Plan { nodes: 3..=6, shape: Some(shape), faults: storm, latency_ms: 1..=30, ..Plan::default() }
}

/// Lives through a seed; the test fails when a law is broken.
fn live(plan: &Plan, seed: u64) -> Report {
    let Outcome { report, broken, .. } = run(plan, seed, &mut |_| {});
    if let Some((at_ms, breach)) = broken {
        panic!("{plan:?}: seed {seed} at {at_ms} ms: {breach}");
    }
    report
}

/// The lives of a test's seeds; in all of them together, everything has to happen.
fn lives(first: u64, shape: Shape) {
    let mut all = Report::default();
    for seed in first..first + SEEDS {
        all.add(&live(&storm(shape), seed));
    }
    let tally = &all.tally;
    let befell = [tally.crashes, tally.stops, tally.cuts, tally.disks, tally.moves, tally.pauses];
    assert!(befell.iter().all(|count| *count > 5), "too little befell them: {tally:?}");
    let customs = [tally.customs, tally.merges, tally.retired];
    assert!(customs.iter().all(|count| *count > 3), "too little was done: {tally:?}");
    assert!(all.acked > 1_000 && all.updates > all.acked, "too little was written: {all:?}");
    assert!(super::Law::ALL.iter().all(|law| all.checks.of(*law) > 0), "{:?}", all.checks);
}

#[test]
fn a_line_of_nodes_loses_nothing_and_agrees() {
    lives(1, Shape::Line);
}

#[test]
fn a_ring_of_nodes_loses_nothing_and_agrees() {
    lives(1_000, Shape::Ring);
}

#[test]
fn a_mesh_of_nodes_loses_nothing_and_agrees() {
    lives(2_000, Shape::Mesh);
}

#[test]
fn a_seed_decides_all() {
    for seed in 3_000..3_004 {
        let plan = Plan { nodes: 4..=8, ..Plan::default() };
        assert_eq!(live(&plan, seed).trace, live(&plan, seed).trace, "seed {seed}");
    }
    let traces = [1, 2].map(|seed| live(&Plan::default(), seed).trace);
    assert_ne!(traces[0], traces[1]);
}

#[test]
fn a_herd_at_peace_spreads_an_update_in_the_time_of_its_links() {
    let plan = Plan {
        nodes: 6..=6,
        shape: Some(Shape::Mesh),
        faults: Faults::None,
        latency_ms: 20..=20,
        updates: 40,
        ..Plan::default()
    };
    let report = live(&plan, 1);
    assert!((report.coverage() - 1.0).abs() < f64::EPSILON);
    for reach in report.reach {
        assert_eq!(reach.median_ms, 20);
        // One that waits for a batch that is out comes a little later.
        assert!(reach.worst_ms <= 30, "{reach:?}");
    }
    assert_eq!(report.delivered, 6 * report.updates);
    assert!(report.copies_mean() >= 1.0 && report.copies_mean() <= 5.0);
}
