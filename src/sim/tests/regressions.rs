//! The seeds that once failed.

use super::super::{Faults, Plan, Shape};
use super::live;
use std::ops::RangeInclusive;

/// One line of the list: the plan, and its seed.
fn case(line: &str) -> (Plan, u64) {
    let arguments = line.split('#').next().unwrap_or_default();
    let mut words = arguments.split_whitespace();
    let (mut plan, mut seed) = (Plan::default(), None);
    while let Some(option) = words.next() {
        if option == "--plain" {
            plan.is_plain = true;
            continue;
        }
        let value = words.next().unwrap_or_else(|| panic!("{option} wants a value: {line}"));
        match option {
            "--seed" => seed = value.parse().ok(),
            "--nodes" => plan.nodes = range(value),
            "--degree" => plan.shape = Some(Shape::Degree(*range(value).start() as usize)),
            "--updates" => plan.updates = *range(value).start(),
            "--latency" => plan.latency_ms = range(value),
            "--faults" => plan.faults = Faults::named(value).expect("one of the faults"),
            _ => panic!("{option} is not known: {line}"),
        }
    }
    (plan, seed.unwrap_or_else(|| panic!("no seed: {line}")))
}

fn range(text: &str) -> RangeInclusive<u64> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    from.parse().expect("a number")..=to.parse().expect("a number")
}

#[test]
fn seeds_that_once_failed_fail_no_more() {
    let list = include_str!("../seeds.txt").lines();
    for line in list.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (plan, seed) = case(line);
        live(&plan, seed);
    }
}

#[test]
fn a_line_of_the_list_is_a_plan_and_a_seed() {
    let (plan, seed) = case("--seed 7 --nodes 3-5 --degree 2 --faults calm # a bug");
    assert_eq!((seed, plan.nodes), (7, 3..=5));
    assert_eq!((plan.shape, plan.faults), (Some(Shape::Degree(2)), Faults::Calm));
}
