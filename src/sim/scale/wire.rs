//! The links of a herd in virtual time: each way carries bytes in order, at its own pace, and a
//! link that is lost comes up again. Time is counted in microseconds: were it milliseconds, many
//! copies would seem to come at once.

use super::super::plan::{Faults, Plan};
use crate::base::{Rng, Tick};

/// A moment, in microseconds.
pub(super) type Moment = u64;

pub(super) const MS: Moment = 1_000;
/// What a socket's buffer takes.
const BUFFER_BYTES: u64 = 64 << 10;
/// A good network's pace, in bytes a millisecond: 100 Mbit/s.
const GOOD_BYTES_PER_MS: u64 = 12_500;
const NARROW_BYTES_PER_MS: u64 = 40;

/// One way of a link.
#[derive(Clone, Debug)]
pub(super) struct Way {
    latency: Moment,
    bytes_per_ms: Option<u64>,
    /// The last byte that was written leaves then,
    leaves_at: Moment,
    /// and arrives then.
    arrives_at: Moment,
    /// Nothing arrives before.
    pub(super) held_until: Moment,
    pub(super) has_timer: Option<Moment>,
    pub(super) is_draining: bool,
}

impl Way {
    fn new(latency: Moment, bytes_per_ms: Option<u64>) -> Self {
        Self {
            latency,
            bytes_per_ms,
            leaves_at: 0,
            arrives_at: 0,
            held_until: 0,
            has_timer: None,
            is_draining: false,
        }
    }

    /// How many bytes may be written.
    pub(super) fn room(&self, now: Moment) -> usize {
        let waits = self.leaves_at.saturating_sub(now);
        let waiting = self.bytes_per_ms.map_or(0, |pace| waits * pace / MS);
        BUFFER_BYTES.saturating_sub(waiting) as usize
    }

    /// Writes bytes: when they arrive.
    pub(super) fn write(&mut self, bytes: usize, now: Moment, jitter: Moment) -> Moment {
        let takes = self.bytes_per_ms.map_or(0, |pace| (bytes as u64 * MS).div_ceil(pace.max(1)));
        self.leaves_at = self.leaves_at.max(now) + takes;
        let arrives = (self.leaves_at + self.latency + jitter).max(self.held_until + self.latency);
        self.arrives_at = self.arrives_at.max(arrives);
        self.arrives_at
    }

    /// When what is written has left.
    pub(super) fn leaves_at(&self) -> Moment {
        self.leaves_at
    }

    /// From here on it is this narrow; `None`: as wide as can be.
    pub(super) fn narrow(&mut self, is_narrow: bool) {
        self.bytes_per_ms = is_narrow.then_some(NARROW_BYTES_PER_MS);
    }

    /// The connection is over.
    fn reset(&mut self, now: Moment) {
        (self.leaves_at, self.arrives_at) = (now, now);
        (self.has_timer, self.is_draining) = (None, false);
    }
}

/// A link between two nodes. Its ends are numbered twice its own number, and one more; each end is
/// written to by the way of the same place.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) nodes: [usize; 2],
    pub(super) ways: [Way; 2],
    /// Counts the connections; what was written on an earlier one is lost.
    pub(super) session: u32,
    pub(super) is_up: bool,
}

impl Wire {
    /// A link that is not up.
    pub(super) fn new(nodes: [usize; 2], plan: &Plan, rng: &mut Rng) -> Self {
        let (least, most) = (plan.latency_ms.start() * MS, plan.latency_ms.end() * MS);
        let latency = rng.range(least..=most);
        let pace = (plan.faults != Faults::None).then_some(GOOD_BYTES_PER_MS);
        let pace = plan.bytes_per_ms.or(pace);
        let ways = [latency, latency].map(|latency| Way::new(latency, pace));
        Self { nodes, ways, session: 0, is_up: false }
    }

    /// A new connection.
    pub(super) fn connect(&mut self, now: Moment) {
        self.session += 1;
        self.is_up = true;
        self.ways.iter_mut().for_each(|way| way.reset(now));
    }
}

/// The millisecond of a moment, as nodes see it.
pub(super) fn tick(moment: Moment) -> Tick {
    moment / MS
}
