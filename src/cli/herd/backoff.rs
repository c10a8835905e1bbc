//! How long to wait before a process that died is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const MOST: Duration = Duration::from_secs(5);
/// One that lived so long was healthy: what went before is forgotten.
const HEALTHY: Duration = Duration::from_secs(10);

/// The waits of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// For a process that has not died yet.
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The wait after a life so long: doubled each time, up to 5 s.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        let wait = if lived >= HEALTHY { FIRST } else { self.next };
        self.next = (wait * 2).min(MOST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_five_seconds_and_start_again_after_ten_good_ones() {
        let mut backoff = Backoff::new();
        let mut waits = |lived: u64| backoff.after(Duration::from_secs(lived)).as_millis();
        assert_eq!([0; 7].map(&mut waits), [200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!([9, 10, 0].map(&mut waits), [5000, 200, 400]);
    }
}
