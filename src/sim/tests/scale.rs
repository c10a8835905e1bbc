//! Large herds' simulation, on small ones.

use super::super::{Faults, Grain, Law, Plan, Shape};
use super::live;

fn plan(faults: Faults) -> Plan {
    Plan {
        nodes: 50..=50,
        shape: Some(Shape::Degree(8)),
        updates: 20,
        faults,
        grain: Some(Grain::Links),
        ..Plan::default()
    }
}

#[test]
fn fifty_nodes_whose_links_break_and_stall_lose_nothing_and_agree() {
    for seed in 1..=4 {
        let report = live(&plan(Faults::Storm), seed);
        assert_eq!((report.complete, report.updates), (70, 70), "seed {seed}");
        assert!(report.tally.cuts > 0 && report.tally.resets > 0, "seed {seed}");
        let looked = [Law::Acked, Law::OneContent, Law::Vectors, Law::Convergence, Law::Memory];
        assert!(looked.iter().all(|law| report.checks.of(*law) >= 50), "seed {seed}");
    }
}

#[test]
fn a_seed_decides_all_that_happens_between_relays() {
    let traces = [7, 7, 8].map(|seed| live(&plan(Faults::Calm), seed).trace);
    assert_eq!(traces[0], traces[1]);
    assert_ne!(traces[0], traces[2]);
}

#[test]
fn at_peace_each_link_carries_an_update_once_or_twice() {
    let plan = Plan { payload_bytes: Some(500), updates: 10, ..plan(Faults::None) };
    let report = live(&plan, 1);
    assert_eq!(report.delivered, 50 * 10);
    // Each end of a link sends it, but for the end to which it came first on this link.
    let links = report.links as f64;
    let copies = (2.0 * links - 49.0) / 49.0;
    assert!(report.copies_mean() <= copies + 0.1, "{}", report.copies_mean());
    assert!(report.reach[2].worst_ms <= 200 && report.controls > 0);
}

#[test]
fn a_herd_is_simulated_whole_unless_it_is_large() {
    let of = |nodes: u64, grain| Plan { nodes: nodes..=nodes, grain, ..Plan::default() }.grain();
    assert_eq!((of(300, None), of(301, None)), (Grain::Whole, Grain::Links));
    assert_eq!(of(5, Some(Grain::Links)), Grain::Links);
    assert_eq!(of(5_000, Some(Grain::Whole)), Grain::Whole);
}
