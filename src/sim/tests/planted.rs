//! Bugs planted on purpose, and whether the simulator finds them.

use super::super::laws::Law;
use super::super::{Breach, Plan, run};
use crate::base::plant::{Bug, plant};

/// So many seeds have to be enough.
const SEEDS: u64 = 200;

/// The first breach that a planted bug leads to.
fn found(bug: Bug) -> Option<Breach> {
    plant(Some(bug));
    let plan = Plan { nodes: 3..=6, ..Plan::default() };
    let broken = (1..=SEEDS).find_map(|seed| run(&plan, seed, &mut |_| {}).broken);
    plant(None);
    broken.map(|(_, breach)| breach)
}

#[test]
fn an_update_that_is_handed_on_before_it_is_known_is_found() {
    let breach = found(Bug::ForwardBeforeDedup).expect("it is found");
    assert!([Law::OneContent, Law::Life].contains(&breach.law), "{breach}");
}

#[test]
fn a_write_that_is_acknowledged_before_it_is_on_disk_is_found() {
    let breach = found(Bug::AckBeforeSync).expect("it is found");
    assert_eq!(breach.law, Law::Acked, "{breach}");
}

#[test]
fn a_cursor_that_is_one_behind_is_found() {
    let breach = found(Bug::CursorOffByOne).expect("it is found");
    assert_eq!(breach.law, Law::Readers, "{breach}");
}

#[test]
fn a_link_to_who_was_retired_that_stays_is_found() {
    let breach = found(Bug::KeepRetired).expect("it is found");
    assert_eq!(breach.law, Law::Members, "{breach}");
}
