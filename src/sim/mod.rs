//! Layer 5: the herd in virtual time: the loop, the links, the store and the stories that run in
//! production, on a simulated network over simulated disks. One seed decides all that happens, so
//! a seed that fails fails again, in the same step, with a log to read.
//!
//! [`run`] lives through the herd of a seed. What may befall it is drawn from the seed too
//! (`plan`, `trouble`); what must hold is in `laws`, and `audit` looks whether it does.

mod audit;
mod council;
mod customs;
mod editors;
mod host;
mod laws;
mod life;
mod malice;
mod moment;
mod peace;
mod plan;
mod readers;
mod report;
mod scale;
mod seals;
mod spread;
#[cfg(test)]
mod tests;
mod trouble;
mod villain;
mod world;
mod writers;

pub use laws::{Breach, Checks, Law};
pub use life::{Outcome, run};
pub use moment::moment;
pub use plan::{Faults, Grain, Plan, Shape};
pub use report::Report;
pub use spread::Reach;
pub use world::Tally;
