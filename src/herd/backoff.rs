//! When to dial a peer again: doubling with jitter, so that neither first dials nor reconnects of a
//! whole herd fall on the same moment; for ever, so that a peer that comes back is found.

use crate::base::Rng;

/// The waits between the tries of one dialler.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    min_ms: u64,
    max_ms: u64,
    failures: u32,
}

impl Backoff {
    /// Waits from `min_ms` to `max_ms`.
    pub fn new(min_ms: u64, max_ms: u64) -> Self {
        Self { min_ms, max_ms, failures: 0 }
    }

    /// How long to wait after one more failure, in milliseconds: between half and all of the least
    /// wait, doubled for each failure before it, at most the greatest.
    pub fn fail(&mut self, rng: &mut Rng) -> u64 {
        let wait = self.min_ms.saturating_mul(1 << self.failures.min(16)).min(self.max_ms);
        self.failures += 1;
        rng.range(wait / 2..=wait)
    }

    /// A link came up: the next failure starts anew.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_with_jitter_and_start_anew_after_success() {
        let mut rng = Rng::new(1);
        let mut backoff = Backoff::new(200, 5000);
        for cap in [200, 400, 800, 1600, 3200, 5000, 5000] {
            let wait = backoff.fail(&mut rng);
            assert!((cap / 2..=cap).contains(&wait), "{wait} of {cap}");
        }
        (0..100).for_each(|_| assert!(backoff.fail(&mut rng) <= 5000));
        backoff.reset();
        assert!(backoff.fail(&mut rng) <= 200);
        let spread: std::collections::BTreeSet<u64> =
            (0..20).map(|_| backoff.fail(&mut rng)).collect();
        assert!(spread.len() > 2, "no jitter: {spread:?}");
    }
}
