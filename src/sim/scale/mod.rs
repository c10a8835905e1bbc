//! Herds that are too large for whole nodes: the relays, links, gates and requests of production,
//! without store and loop. Every frame is encoded, carried and decoded; every log is in memory,
//! and says of an update only that it has it. What a node's roll does is left out: what others
//! say to hold on disk is not passed on, since everyone would keep it of everyone.
//!
//! What befalls the herd befalls its links: they break, stall one way or both, flap, narrow.

mod archive;
mod queue;
mod wire;
mod world;

use super::laws::{Breach, Kept, Law};
use super::life::Outcome;
use super::plan::{Draw, Faults, Plan};
use super::report::Report;
use super::seals;
use crate::base::Rng;
use crate::herd::Archive;
use archive::View;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wire::MS;
use world::World;

/// A herd that starts in peace is linked within this.
const LINKED_MS: u64 = 20_000;
/// From the end of trouble until all have the same.
const AGREE_MS: u64 = 30_000;
/// What was sent is there after this.
const QUIET_MS: u64 = 300;
/// Between two looks, in milliseconds.
const LOOK_MS: u64 = 250;
/// As many updates as are published once all is healed, at most.
const LATE_MAX: u64 = 50;
/// One link of so many is befallen in each slice of a storm.
const LINKS_A_TROUBLE: usize = 100;

/// Simulates the herd of a seed, as [`super::run`] does.
pub(super) fn run(plan: &Plan, seed: u64, progress: &mut dyn FnMut(f64)) -> Outcome {
    let mut rng = Rng::new(seed);
    let Draw { nodes, links, .. } = Draw::new(plan, &mut rng);
    let mut world = World::new(plan, &links, nodes, rng);
    let ended = catch_unwind(AssertUnwindSafe(|| live(&mut world, plan, progress)));
    let kept = ended.unwrap_or_else(|panic| Err(Breach::panicked(&*panic)));
    let broken = kept.err().map(|breach| (world.now / MS, breach));
    Outcome { seed, report: report(&world), broken }
}

fn live(world: &mut World, plan: &Plan, progress: &mut dyn FnMut(f64)) -> Kept {
    if plan.faults != Faults::Storm {
        wait(world, LINKED_MS, "the herd is not linked", World::is_linked)?;
    }
    write(world, plan, progress)?;
    world.calm_down();
    settle(world)?;
    if plan.faults == Faults::None {
        return Ok(());
    }
    for _ in 0..LATE_MAX.min(world.nodes.len() as u64) {
        world.publish();
    }
    settle(world)
}

/// Everyone writes, and what the seed has in store befalls the links.
fn write(world: &mut World, plan: &Plan, progress: &mut dyn FnMut(f64)) -> Kept {
    let (began, lasts) = (world.now, plan.writing_ms() * MS);
    let (mut written, mut looked) = (0, 0);
    loop {
        let passed = world.now - began;
        let due = plan.updates * passed.min(lasts);
        while written < due.checked_div(lasts).unwrap_or(plan.updates) {
            world.publish();
            written += 1;
        }
        if passed >= lasts {
            progress(1.0);
            return Ok(());
        }
        progress(passed as f64 / lasts as f64);
        if plan.faults != Faults::None {
            trouble(world, plan.faults);
        }
        let ms = (1_000 / plan.updates_per_s.max(1)).clamp(1, LOOK_MS);
        world.run(ms)?;
        if world.now - looked >= LOOK_MS * MS {
            looked = world.now;
            look(world)?;
        }
    }
}

/// What befalls links now.
fn trouble(world: &mut World, faults: Faults) {
    for _ in 0..world.wires.len().div_ceil(LINKS_A_TROUBLE) {
        let wire = world.rng.below(world.wires.len() as u64) as usize;
        let until = world.now + world.rng.range(50..=3_000) * MS;
        let kind =
            if faults == Faults::Calm { world.rng.below(20) * 5 } else { world.rng.below(8) };
        match kind {
            0 => {
                world.tally.resets += 1;
                world.lose(wire);
            }
            1 => {
                world.tally.cuts += 1;
                world.wires[wire].ways.iter_mut().for_each(|way| way.held_until = until);
            }
            2 => {
                world.tally.cuts += 1;
                let side = world.rng.below(2) as usize;
                world.wires[wire].ways[side].held_until = until;
            }
            3 => {
                let is_narrow = world.rng.chance(1, 2);
                world.wires[wire].ways.iter_mut().for_each(|way| way.narrow(is_narrow));
            }
            _ => {}
        }
    }
}

fn wait(world: &mut World, ms: u64, what: &str, is_so: fn(&World) -> bool) -> Kept {
    let until = world.now + ms * MS;
    while !is_so(world) {
        if world.now >= until {
            return Err(Breach::new(Law::Convergence, format!("{what} after {ms} ms")));
        }
        world.run(20)?;
    }
    Ok(())
}

/// All have the same within a bound; then everything that is under way arrives.
fn settle(world: &mut World) -> Kept {
    wait(world, AGREE_MS, "the herd does not agree", World::agrees)?;
    world.run(QUIET_MS)?;
    judge(world)
}

/// What must hold at every moment.
fn look(world: &mut World) -> Kept {
    let mut links = vec![0; world.nodes.len()];
    world.wires.iter().flat_map(|wire| wire.nodes).for_each(|node| links[node] += 1);
    for (at, links) in links.into_iter().enumerate() {
        let (waits, most) = (world.nodes[at].relay.waiting_bytes(), world.waiting_max(links));
        let what = || format!("{waits} bytes wait at node{at}, and {most} may");
        world.checks.hold(Law::Memory, waits <= most, what)?;
    }
    Ok(())
}

/// What must hold at peace: everyone has all that was published, and says so with one hash.
fn judge(world: &mut World) -> Kept {
    look(world)?;
    let hash = |at: usize| {
        let view = View { shelf: &world.nodes[at].shelf, pool: &world.pool };
        view.hash(&view.offered()).ok()
    };
    let first = hash(0);
    for at in 0..world.nodes.len() {
        let count = world.nodes[at].shelf.seen.count();
        let what = || format!("node{at} has {count} of {} updates", world.published);
        world.checks.hold(Law::Acked, count == world.published, what)?;
        let is_equal = first.is_some() && hash(at) == first;
        let what = || format!("node{at} and node0 say that they differ");
        world.checks.hold(Law::Convergence, is_equal, what)?;
    }
    Ok(())
}

fn report(world: &World) -> Report {
    let nodes = world.nodes.iter().filter(|node| node.received > 0);
    Report {
        herds: 1,
        nodes: world.nodes.len() as u64,
        links: world.wires.len() as u64,
        updates: world.spread.updates(),
        complete: world.spread.complete(),
        acked: world.published,
        delivered: world.spread.delivered(),
        reach: world.spread.reach(),
        copies: nodes.map(|node| node.copies as f64 / node.received as f64).collect(),
        written_bytes: world.carried.bytes,
        controls: world.carried.controls,
        control_bytes: world.carried.control_bytes,
        virtual_ms: world.now / MS,
        turns: world.turns(),
        curve: world.spread.curve().to_vec(),
        tally: world.tally,
        checks: world.checks,
        trace: world.trace ^ seals::verified(),
    }
}
