//! The open loop's schedule: when requests are meant to start, whatever the server does. Latency is
//! counted from there, so that a server that stalls is charged for all who would have come.

/// Starts at an even pace, numbered from 0.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    began_ns: u64,
    gap_ns: f64,
    taken: u64,
}

impl Pace {
    /// `per_s` starts a second from `began_ns` on; `per_s` is positive.
    pub(super) fn new(began_ns: u64, per_s: f64) -> Self {
        Self { began_ns, gap_ns: 1e9 / per_s, taken: 0 }
    }

    /// When the next one is meant to start.
    pub(super) fn next_ns(&self) -> u64 {
        self.began_ns + (self.taken as f64 * self.gap_ns) as u64
    }

    /// The next one, if its time has come: when it was meant to start.
    pub(super) fn take(&mut self, now_ns: u64) -> Option<u64> {
        let due_ns = self.next_ns();
        if due_ns > now_ns {
            return None;
        }
        self.taken += 1;
        Some(due_ns)
    }

    /// Leaves out those whose time came before `now_ns` (warm-up is not made up for).
    pub(super) fn skip_to(&mut self, now_ns: u64) {
        let passed = now_ns.saturating_sub(self.began_ns) as f64 / self.gap_ns;
        self.taken = self.taken.max(passed.ceil() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_even_and_none_is_given_before_its_time() {
        let mut pace = Pace::new(1_000, 1e6);
        assert_eq!(pace.take(999), None);
        assert_eq!((pace.take(1_000), pace.take(1_000)), (Some(1_000), None));
        // Whoever comes late gets those that were due, each with its own start.
        let late: Vec<u64> = std::iter::from_fn(|| pace.take(5_500)).collect();
        assert_eq!(late, [2_000, 3_000, 4_000, 5_000]);
        assert_eq!(pace.next_ns(), 6_000);
    }

    #[test]
    fn a_pace_that_does_not_divide_a_second_does_not_drift() {
        let mut pace = Pace::new(0, 3.0);
        let starts = std::iter::from_fn(|| pace.take(1_000_000_000_000)).count();
        assert_eq!(starts, 3_001);
    }

    #[test]
    fn skipping_leaves_out_what_is_past_and_never_goes_back() {
        let mut pace = Pace::new(0, 1_000.0);
        pace.skip_to(2_500_000);
        assert_eq!(pace.next_ns(), 3_000_000);
        pace.skip_to(0);
        assert_eq!(pace.next_ns(), 3_000_000);
    }
}
