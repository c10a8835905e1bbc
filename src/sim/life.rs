//! The life of one simulated herd: first everything goes wrong while everyone writes and reads,
//! and what must never break is looked at all the time; then all is healed, and the herd has to
//! agree within a bound; then it has to spread what is new as a herd at peace does.

use super::laws::{Breach, Kept};
use super::plan::{Faults, Grain, Plan};
use super::report::Report;
use super::world::{SMALL_NODES, World};
use super::{scale, seals};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// From the end of trouble until all have the same: a silent link is cut, dialled anew, and the
/// vectors are exchanged.
const AGREE_MS: u64 = 20_000;
/// A herd at peace brings an update to everyone's disk within this, and this much more for each
/// node that may stand in the way.
const SPREAD_MS: u64 = 2_000;
const SPREAD_MS_A_NODE: u64 = 250;
/// A herd that starts in peace is linked within this.
const LINKED_MS: u64 = 20_000;
/// The longest slice of time between two looks, in milliseconds.
const SLICE_MS: u64 = 60;
const SLICE_LARGE_MS: u64 = 500;

/// How a seed ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What was seen until the end.
    pub report: Report,
    /// The law that was broken, and at which virtual millisecond.
    pub broken: Option<(u64, Breach)>,
}

/// Simulates the herd of a seed. `progress` hears how far it has come, from 0 to 1.
pub fn run(plan: &Plan, seed: u64, progress: &mut dyn FnMut(f64)) -> Outcome {
    seals::forget();
    if plan.grain() == Grain::Links {
        return scale::run(plan, seed, progress);
    }
    let mut world = World::new(plan, seed);
    let ended = catch_unwind(AssertUnwindSafe(|| live(&mut world, plan, progress)));
    let kept = ended.unwrap_or_else(|panic| Err(Breach::panicked(&*panic)));
    let broken = kept.err().map(|breach| (world.now(), breach));
    Outcome { seed, report: Report::of(&world), broken }
}

fn live(world: &mut World, plan: &Plan, progress: &mut dyn FnMut(f64)) -> Kept {
    log::info!("{}", world.customs);
    world.start_all()?;
    if plan.faults != Faults::Storm {
        world.settle(LINKED_MS)?;
    }
    trouble(world, plan, progress)?;
    world.heal()?;
    let slow_ms = SPREAD_MS_A_NODE * world.hosts.len().min(SMALL_NODES) as u64;
    world.settle(AGREE_MS + slow_ms)?;
    world.judge()?;
    world.part()?;
    if plan.faults == Faults::None {
        return Ok(());
    }
    for _ in 0..world.hosts.len() {
        world.publish()?;
    }
    world.run(1)?;
    world.settle(SPREAD_MS + slow_ms)?;
    world.judge()?;
    world.judge_parted()?;
    if world.customs.any() { world.let_go() } else { Ok(()) }
}

/// Everyone writes and reads, and what the seed has in store befalls them.
fn trouble(world: &mut World, plan: &Plan, progress: &mut dyn FnMut(f64)) -> Kept {
    let (began, lasts) = (world.now(), plan.writing_ms());
    let slice = if world.hosts.len() > SMALL_NODES { SLICE_LARGE_MS } else { SLICE_MS };
    let mut written = 0;
    loop {
        let passed = world.now() - began;
        let due = (plan.updates * passed.min(lasts)).checked_div(lasts).unwrap_or(plan.updates);
        while written < due {
            world.publish()?;
            written += 1;
        }
        if passed >= lasts {
            progress(1.0);
            return Ok(());
        }
        progress(passed as f64 / lasts as f64);
        world.do_customs()?;
        world.trouble()?;
        let ms = step_ms(world, plan, slice);
        world.run(ms)?;
        world.look()?;
    }
}

/// How long the next slice is: without faults each update is written at its own time.
fn step_ms(world: &mut World, plan: &Plan, slice: u64) -> u64 {
    match plan.faults {
        Faults::None => (1_000 / plan.updates_per_s.max(1)).clamp(1, slice),
        _ => world.rng.below(slice),
    }
}
