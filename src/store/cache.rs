//! A cache bounded by what its values cost, in two generations: a hit in the old one moves the
//! value to the new one; when the new one is half of the bound, it becomes the old one.

use std::collections::BTreeMap;

/// Values by key. Invariant: each generation costs at most `half` plus one value.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    new: BTreeMap<K, (V, usize)>,
    old: BTreeMap<K, (V, usize)>,
    new_cost: usize,
    half: usize,
}

impl<K: Ord + Copy, V: Clone> Cache<K, V> {
    pub(super) fn new(cost_max: usize) -> Self {
        Self { new: BTreeMap::new(), old: BTreeMap::new(), new_cost: 0, half: cost_max / 2 }
    }

    pub(super) fn find(&mut self, key: K) -> Option<V> {
        if let Some((value, _)) = self.new.get(&key) {
            return Some(value.clone());
        }
        let (value, cost) = self.old.remove(&key)?;
        self.insert(key, value.clone(), cost);
        Some(value)
    }

    /// Lets go of the values of all other keys.
    pub(super) fn retain(&mut self, is_kept: impl Fn(K) -> bool) {
        self.old.retain(|key, _| is_kept(*key));
        self.new.retain(|key, _| is_kept(*key));
        self.new_cost = self.new.values().map(|(_, cost)| cost).sum();
    }

    /// Keeps a value; one that would fill half of the cache by itself is not kept.
    pub(super) fn insert(&mut self, key: K, value: V, cost: usize) {
        if cost > self.half {
            return;
        }
        if self.new_cost + cost > self.half {
            self.old = std::mem::take(&mut self.new);
            self.new_cost = 0;
        }
        self.new_cost += cost;
        if let Some((_, before)) = self.new.insert(key, (value, cost)) {
            self.new_cost -= before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_keeps_what_is_used_and_never_more_than_its_bound() {
        let mut cache = Cache::new(100);
        for key in 0..1000_u32 {
            cache.insert(key, key, 10);
            assert_eq!(cache.find(0), Some(0), "what is asked for all the time stays");
            let kept = cache.new.len() + cache.old.len();
            assert!(kept <= 10, "{kept} values of 10");
        }
        assert_eq!(cache.find(1), None);
        assert_eq!(cache.find(999), Some(999));
        cache.insert(7, 7, 51);
        assert_eq!(cache.find(7), None, "too large to be kept");
    }
}
