//! Who does something most: counts by name, of a bounded number of names.

use std::collections::BTreeMap;

/// Counts by name. When there is no room for a new name, it takes the place and the count of the
/// least one (the "space saving" of Metwally, Agrawal and El Abbadi, 2005): so who is counted most
/// is always there, with a count that is at most too great by the least one's.
#[derive(Clone, Debug)]
pub struct Tops<K> {
    names_max: usize,
    counts: BTreeMap<K, u64>,
}

impl<K: Ord + Clone> Tops<K> {
    /// Counts of up to so many names.
    ///
    /// # Panics
    /// When that is none.
    pub fn new(names_max: usize) -> Self {
        assert!(names_max > 0, "counts of nobody");
        Self { names_max, counts: BTreeMap::new() }
    }

    /// Counts one.
    pub fn count(&mut self, name: K) {
        if let Some(count) = self.counts.get_mut(&name) {
            *count += 1;
            return;
        }
        let mut count = 1;
        if self.counts.len() >= self.names_max
            && let Some(least) = self.counts.iter().min_by_key(|(_, count)| **count)
        {
            count += least.1;
            let least = least.0.clone();
            self.counts.remove(&least);
        }
        self.counts.insert(name, count);
    }

    /// All names, the greatest count first.
    pub fn most(&self) -> Vec<(&K, u64)> {
        let mut most: Vec<(&K, u64)> = self.counts.iter().map(|(k, count)| (k, *count)).collect();
        most.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_counted_most_is_found_among_many() {
        let mut tops = Tops::new(8);
        for n in 0..1_000 {
            tops.count(n);
            tops.count(7_777);
            if n % 2 == 0 {
                tops.count(8_888);
            }
        }
        let most = tops.most();
        assert_eq!(most.len(), 8);
        assert_eq!((*most[0].0, *most[1].0), (7_777, 8_888));
        assert_eq!(most[0].1, 1_000);
        assert!(most[1].1 >= 500);
    }
}
