//! Turns of the loop that took too long, and what they did: counts of what came, and how the time
//! is shared by calls (timers, ends of jobs, accepts), protocols, and the rest (writes, ends).

use super::LoopStats;
use crate::base::Tick;
use std::fmt;

/// Slow turns that are remembered.
pub(super) const SLOW_MAX: usize = 32;

/// A turn that was longer than `slow_turn_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowTurn {
    /// When it began.
    pub at: Tick,
    /// How long it worked.
    pub took_ms: u64,
    /// Of that, in timers, ends of jobs, calls from other threads, and accepts.
    pub calls_ms: u64,
    /// Of that, in protocols that were fed.
    pub protocols_ms: u64,
    /// Timers that fired.
    pub timers: u64,
    /// Ends of jobs and calls from other threads.
    pub letters: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections visited.
    pub visited: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
}

impl fmt::Display for SlowTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest_ms = self.took_ms.saturating_sub(self.calls_ms + self.protocols_ms);
        write!(
            f,
            "{} ms in {} timers, {} ends of jobs and {} accepts; {} ms in {} connections, with {} \
             bytes read; {rest_ms} ms in writes of {} bytes and the rest",
            self.calls_ms,
            self.timers,
            self.letters,
            self.accepted,
            self.protocols_ms,
            self.visited,
            self.bytes_in,
            self.bytes_out,
        )
    }
}

/// The course of a turn: what was counted before it, and when its parts ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    began_ns: u64,
    before: [u64; 5],
    calls_ns: u64,
    protocols_ns: u64,
    visited: u64,
}

impl Course {
    pub(super) fn begin(stats: &LoopStats, began_ns: u64) -> Self {
        let before = counted(stats);
        Self { began_ns, before, calls_ns: began_ns, protocols_ns: began_ns, visited: 0 }
    }

    /// Whether anything was called since the turn began, so that it is worth a look at the clock.
    pub(super) fn has_called(&self, stats: &LoopStats) -> bool {
        let [timers, letters, accepted, ..] = counted(stats);
        [timers, letters, accepted] != self.before[..3]
    }

    pub(super) fn calls_ended(&mut self, now_ns: u64) {
        (self.calls_ns, self.protocols_ns) = (now_ns, now_ns);
    }

    pub(super) fn protocols_ended(&mut self, visited: u64, now_ns: u64) {
        (self.visited, self.protocols_ns) = (visited, now_ns);
    }

    /// What a turn that ended now did.
    pub(super) fn end(&self, at: Tick, stats: &LoopStats, took_ms: u64) -> SlowTurn {
        let now = counted(stats);
        let [timers, letters, accepted, bytes_in, bytes_out] =
            std::array::from_fn(|at| now[at] - self.before[at]);
        SlowTurn {
            at,
            took_ms,
            calls_ms: (self.calls_ns - self.began_ns) / 1_000_000,
            protocols_ms: (self.protocols_ns - self.calls_ns) / 1_000_000,
            timers,
            letters,
            accepted,
            visited: self.visited,
            bytes_in,
            bytes_out,
        }
    }
}

fn counted(stats: &LoopStats) -> [u64; 5] {
    [stats.timers_fired, stats.letters, stats.accepted, stats.bytes_in, stats.bytes_out]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_turn_says_what_it_did() {
        let mut stats = LoopStats::new();
        stats.timers_fired = 5;
        let mut course = Course::begin(&stats, 1_000_000);
        assert!(!course.has_called(&stats));
        stats.timers_fired = 7;
        assert!(course.has_called(&stats));
        course.calls_ended(61_000_000);
        stats.bytes_in = 300;
        course.protocols_ended(3, 71_000_000);
        let turn = course.end(9, &stats, 75);
        assert_eq!((turn.at, turn.calls_ms, turn.protocols_ms, turn.timers), (9, 60, 10, 2));
        assert_eq!(
            turn.to_string(),
            "60 ms in 2 timers, 0 ends of jobs and 0 accepts; 10 ms in 3 connections, with 300 \
             bytes read; 5 ms in writes of 0 bytes and the rest"
        );
    }
}
