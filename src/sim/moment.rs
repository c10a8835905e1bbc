//! When and where a simulation is, for whoever writes its log: the log lines of many nodes look
//! alike otherwise.

use crate::base::Tick;
use std::cell::Cell;

thread_local! {
    static MOMENT: Cell<(Tick, Option<usize>)> = const { Cell::new((0, None)) };
}

/// The virtual time of the simulation that this thread runs, in milliseconds, and the number of
/// the node whose turn it is.
pub fn moment() -> (Tick, Option<usize>) {
    MOMENT.get()
}

pub(super) fn set_moment(now: Tick, node: Option<usize>) {
    MOMENT.set((now, node));
}
