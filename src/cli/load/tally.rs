//! What a run of load found: answers and how long they took, and what went wrong, by kind.

use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Times under a microsecond are nothing's; those over ten minutes are shown as ten minutes.
const LEAST_NS: u64 = 1_000;
const MOST_NS: u64 = 600_000_000_000;
/// Three digits of each time are right.
const DIGITS: u8 = 3;

/// A histogram of times in nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Times(Histogram<u64>);

impl Times {
    pub(super) fn new() -> Self {
        Self(Histogram::new_with_bounds(LEAST_NS, MOST_NS, DIGITS).expect("bounds in order"))
    }

    #[inline]
    pub(super) fn note(&mut self, ns: u64) {
        self.0.saturating_record(ns.min(MOST_NS));
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.0.len()
    }

    /// The time in nanoseconds that so many of a hundred stay under; 0 when there is none.
    pub(super) fn percentile(&self, percent: f64) -> u64 {
        if self.0.is_empty() { 0 } else { self.0.value_at_percentile(percent) }
    }

    pub(super) fn max(&self) -> u64 {
        self.0.max()
    }

    pub(super) fn mean(&self) -> f64 {
        self.0.mean()
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }
}

/// What went wrong, a closed list: requests that got no good answer, and connections that never
/// came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A connection never came up.
    Connect,
    /// No answer within the time allowed.
    Timeout,
    /// HTTP status 400 or above, or a line that the server did not take.
    Refused,
    /// Bytes that are no answer.
    Wire,
    /// The connection ended before the answer.
    Closed,
}

impl Trouble {
    pub(super) const ALL: [Self; 5] =
        [Self::Connect, Self::Timeout, Self::Refused, Self::Wire, Self::Closed];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Wire => "wire",
            Self::Closed => "closed",
        }
    }
}

/// Counts and times of one thread, and of all once they are merged.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Of good answers; in an open loop from when they were meant to be asked for, and those still
    /// unanswered at the end count with how long they waited.
    pub(super) latency: Times,
    /// Good answers.
    pub(super) answers: u64,
    /// In the open loop: meant to be answered, and neither answered nor failed at the end.
    pub(super) unanswered: u64,
    pub(super) bytes_in: u64,
    /// How long was counted; of several threads, the longest.
    pub(super) elapsed_ns: u64,
    /// CPU time that the whole process used meanwhile.
    pub(super) cpu_ms: Option<u64>,
    /// HTTP statuses of all answers, good or not; 0 where there are none.
    pub(super) statuses: BTreeMap<u16, u64>,
    /// Good answers (of streams: updates delivered) by slice of time.
    pub(super) slices: Vec<u64>,
    slice_ns: u64,
    troubles: [u64; Trouble::ALL.len()],
}

impl Tally {
    /// Nothing yet; throughput will be shown in slices of so many nanoseconds.
    pub(super) fn new(slice_ns: u64) -> Self {
        Self {
            latency: Times::new(),
            answers: 0,
            unanswered: 0,
            bytes_in: 0,
            elapsed_ns: 0,
            cpu_ms: None,
            statuses: BTreeMap::new(),
            slices: Vec::new(),
            slice_ns,
            troubles: [0; Trouble::ALL.len()],
        }
    }

    pub(super) fn slice_ns(&self) -> u64 {
        self.slice_ns
    }

    /// Something good came, so long after the count began.
    #[inline]
    pub(super) fn note_slice(&mut self, since_ns: u64) {
        let slice = (since_ns / self.slice_ns) as usize;
        if slice >= self.slices.len() {
            self.slices.resize(slice + 1, 0);
        }
        self.slices[slice] += 1;
    }

    pub(super) fn note_trouble(&mut self, trouble: Trouble, count: u64) {
        self.troubles[trouble as usize] += count;
    }

    pub(super) fn trouble(&self, trouble: Trouble) -> u64 {
        self.troubles[trouble as usize]
    }

    /// All that went wrong.
    pub(super) fn troubles(&self) -> u64 {
        self.troubles.iter().sum()
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.latency.merge(&other.latency);
        self.answers += other.answers;
        self.unanswered += other.unanswered;
        self.bytes_in += other.bytes_in;
        self.elapsed_ns = self.elapsed_ns.max(other.elapsed_ns);
        self.cpu_ms = self.cpu_ms.max(other.cpu_ms);
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        if self.slices.len() < other.slices.len() {
            self.slices.resize(other.slices.len(), 0);
        }
        for (sum, count) in self.slices.iter_mut().zip(&other.slices) {
            *sum += count;
        }
        for (sum, count) in self.troubles.iter_mut().zip(&other.troubles) {
            *sum += count;
        }
    }

    /// So many of `count` in a second of what was counted.
    pub(super) fn per_s(&self, count: u64) -> f64 {
        if self.elapsed_ns == 0 { 0.0 } else { count as f64 * 1e9 / self.elapsed_ns as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_three_digits_and_the_longest_is_kept() {
        let mut times = Times::new();
        assert_eq!((times.percentile(50.0), times.max()), (0, 0));
        for ms in 1..=1_000 {
            times.note(ms * 1_000_000);
        }
        for (percent, ms) in [(50.0, 500.0), (99.0, 990.0), (99.9, 999.0), (100.0, 1_000.0)] {
            let found = times.percentile(percent) as f64 / 1e6;
            assert!((found - ms).abs() < ms / 500.0, "{percent} %: {found} ms");
        }
        times.note(u64::MAX);
        assert_eq!(times.len(), 1_001);
        assert!(times.max() >= MOST_NS);
    }

    #[test]
    fn threads_are_merged_slice_by_slice_and_trouble_by_trouble() {
        let mut sum = Tally::new(1_000);
        for (from, took_ns) in [(0, 5_000), (2_000, 9_000)] {
            let mut tally = Tally::new(1_000);
            tally.answers = 2;
            tally.elapsed_ns = took_ns;
            tally.note_slice(from);
            tally.note_slice(from + 999);
            tally.note_trouble(Trouble::Closed, 3);
            tally.statuses.insert(200, 2);
            tally.latency.note(took_ns);
            sum.merge(&tally);
        }
        assert_eq!(sum.slices, [2, 0, 2]);
        assert_eq!((sum.answers, sum.elapsed_ns, sum.latency.len()), (4, 9_000, 2));
        assert_eq!((sum.trouble(Trouble::Closed), sum.troubles()), (6, 6));
        assert_eq!(sum.statuses[&200], 4);
        assert!((sum.per_s(9) - 1e6).abs() < 1e-3);
    }
}
