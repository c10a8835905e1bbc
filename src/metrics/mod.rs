//! Layer 1: what a node counts, and how it says so.
//!
//! Counters and gauges are plain numbers in the structs of those who count; a [`Histogram`] is
//! plain too. Nothing here is shared between threads, reads a clock or registers itself: who
//! answers `/metrics` walks the structs and hands each number to an [`Exposition`].

mod exposition;
mod gathered;
mod histogram;
mod tops;

pub use exposition::{Exposition, Unit, Value};
pub use gathered::{BadLine, GatheredPage};
pub use histogram::{DURATION_NS_BOUNDS, Histogram};
pub use tops::Tops;
