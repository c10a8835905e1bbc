//! A herd at peace, and how a test speaks to one of its nodes.

use super::super::world::World;
use super::super::{Faults, Plan, Shape};
use crate::config::Durability;
use crate::node::Node;
use crate::reactor::Ctx;
use crate::serve::{Desk, Entry, Receipt, Refusal};
use crate::update::Kind;

/// A herd at peace, not yet started, whose seed brings it no customs of its own.
pub(super) fn asleep(nodes: u64, shape: Shape, seed: u64) -> World {
    let plan = Plan {
        nodes: nodes..=nodes,
        shape: Some(shape),
        latency_ms: 1..=10,
        faults: Faults::Calm,
        is_plain: true,
        ..Plan::default()
    };
    let mut world = World::new(&plan, seed);
    world.weather.early = 0;
    world
}

/// The herd started, and all linked.
pub(super) fn linked(mut world: World) -> World {
    world.start_all().unwrap();
    world.settle(2_000).unwrap();
    world
}

pub(super) fn node(world: &World, host: usize) -> &Node {
    world.hosts[host].node().expect("it is up")
}

/// Calls `f` with a node, between two turns of its loop.
pub(super) fn with<R>(
    world: &mut World,
    host: usize,
    f: impl FnOnce(&mut Ctx<'_, Node>, &mut Node) -> R,
) -> R {
    world.hosts[host].up.as_mut().expect("it is up").sim.with(f)
}

pub(super) fn publish(
    world: &mut World,
    host: usize,
    entry: Entry<'_>,
    durability: Durability,
) -> Result<Receipt, Refusal> {
    with(world, host, |cx, node| node.publish(cx, entry, durability))
}

/// Some bytes on a topic.
pub(super) fn data<'a>(topic: &'a str, payload: &'a [u8]) -> Entry<'a> {
    let (kind, media_type) = (Kind::Data, "text/plain");
    Entry { kind, topic, media_type, alias: "", parents: Vec::new(), payload }
}
