//! Counts of values by range. Owns no clock and no unit: the caller knows what it measured.

/// Bounds for durations in nanoseconds: 10 µs to 10 s, steps of 1, 2.5 and 5.
pub const DURATION_NS_BOUNDS: &[u64] = &[
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// How many values fell into each range, how many in all, their sum and the greatest.
///
/// Invariants: `counts` has one entry for each bound, for values up to and with it, and one for
/// those beyond the last; `count` is their sum.
#[derive(Clone, Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: Box<[u64]>,
    count: u64,
    sum: u64,
    max: u64,
}

impl Histogram {
    /// An empty histogram; a value belongs to the first bound that is not less than it.
    ///
    /// # Panics
    /// When `bounds` is empty or not strictly ascending.
    pub fn new(bounds: &'static [u64]) -> Self {
        assert!(!bounds.is_empty(), "a histogram without bounds");
        assert!(bounds.is_sorted_by(|a, b| a < b), "a histogram's bounds must ascend");
        let counts = vec![0; bounds.len() + 1].into_boxed_slice();
        Self { bounds, counts, count: 0, sum: 0, max: 0 }
    }

    /// Counts one value, in the unit of the bounds. A sum past `u64::MAX` stays there.
    pub fn observe(&mut self, value: u64) {
        let range = self.bounds.partition_point(|bound| *bound < value);
        self.counts[range] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.max = self.max.max(value);
    }

    /// What was observed since `before`, an earlier copy of this histogram. Its greatest value is
    /// not known beyond the range that it fell into.
    pub fn since(&self, before: &Self) -> Self {
        let counts: Box<[u64]> =
            self.counts.iter().zip(&before.counts).map(|(now, then)| now - then).collect();
        let last = counts.iter().rposition(|count| *count > 0);
        let max = last.map_or(0, |last| self.bounds.get(last).copied().unwrap_or(self.max));
        Self {
            bounds: self.bounds,
            count: self.count - before.count,
            sum: self.sum.saturating_sub(before.sum),
            max: max.min(self.max),
            counts,
        }
    }

    /// How many values were observed.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The greatest value; 0 before the first.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// A value that at least the share `q` (0 to 1) of all values does not exceed: the bound of
    /// the range where that share is reached, or the greatest value if that is less. `None`
    /// before the first value.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let reached = self.cumulative().find(|(_, below)| *below >= rank);
        let bound = reached.and_then(|(bound, _)| bound).unwrap_or(self.max);
        Some(bound.min(self.max))
    }

    /// The ranges in order: the bound (`None`: no bound) and how many values do not exceed it.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(&self.counts).scan(0, |below, (bound, count)| {
            *below += count;
            Some((bound, *below))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: &[u64] = &[1, 10, 100];

    #[test]
    fn a_value_belongs_to_the_first_bound_not_less_than_it() {
        let mut histogram = Histogram::new(BOUNDS);
        assert_eq!(histogram.quantile(0.5), None);
        for value in [0, 1, 2, 10, 11, 100, 101, u64::MAX] {
            histogram.observe(value);
        }
        let ranges: Vec<_> = histogram.cumulative().collect();
        assert_eq!(ranges, [(Some(1), 2), (Some(10), 4), (Some(100), 6), (None, 8)]);
        assert_eq!((histogram.count(), histogram.sum()), (8, u64::MAX));
        assert_eq!(histogram.quantile(0.0), Some(1));
        assert_eq!(histogram.quantile(0.5), Some(10));
        assert_eq!(histogram.quantile(1.0), Some(u64::MAX));
        assert_eq!(histogram.quantile(f64::NAN), Some(1));
    }

    #[test]
    fn what_came_since_is_told_from_what_was_before() {
        let mut histogram = Histogram::new(BOUNDS);
        histogram.observe(1_000);
        let before = histogram.clone();
        assert_eq!(histogram.since(&before).quantile(0.5), None);
        histogram.observe(5);
        histogram.observe(7);
        let since = histogram.since(&before);
        assert_eq!((since.count(), since.sum(), since.max()), (2, 12, 10));
        assert_eq!(since.quantile(1.0), Some(10));
    }

    proptest! {
        #[test]
        fn a_quantile_covers_its_share_and_never_exceeds_the_greatest(
            values in prop::collection::vec(0..200_u64, 1..50), q in 0.0..=1.0_f64,
        ) {
            let mut histogram = Histogram::new(BOUNDS);
            for value in &values {
                histogram.observe(*value);
            }
            let quantile = histogram.quantile(q).unwrap();
            let covered = values.iter().filter(|value| **value <= quantile).count();
            prop_assert!(covered as f64 >= q * values.len() as f64 - 1e-9);
            prop_assert!(quantile <= *values.iter().max().unwrap());
            prop_assert_eq!(histogram.sum(), values.iter().sum::<u64>());
        }
    }
}
