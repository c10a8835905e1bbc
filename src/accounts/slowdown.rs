//! How fast someone may guess: after a few failures each try has to wait twice as long as the one
//! before. Counted by whatever the caller makes of names and addresses; bounded, and the oldest
//! give way.

use std::collections::{BTreeMap, BTreeSet};

/// So many failures cost nothing: people mistype.
const FREE: u32 = 5;
const FIRST_MS: u64 = 2_000;
/// Who did nothing for so long begins anew.
const FORGET_MS: u64 = 3_600_000;
/// The most that are remembered.
const ENTRIES_MAX: usize = 10_000;

/// How long to wait, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub u64);

/// Failures of many, by a hash of who they are.
#[derive(Debug)]
pub struct Slowdown {
    longest_ms: u64,
    entries: BTreeMap<[u8; 16], Entry>,
    /// The entries by when they were last used.
    order: BTreeSet<(u64, [u8; 16])>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    failures: u32,
    until_ms: u64,
    used_ms: u64,
}

impl Slowdown {
    /// Nobody has failed. No wait is longer than `longest_ms`.
    pub fn new(longest_ms: u64) -> Self {
        Self { longest_ms, entries: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// How long one has to wait before the next try; `None` when it may be now.
    pub fn wait(&self, who: &[u8], now_ms: u64) -> Option<Wait> {
        let entry = self.entries.get(&key(who))?;
        entry.until_ms.checked_sub(now_ms).filter(|ms| *ms > 0).map(Wait)
    }

    /// Counts a try, as a failure until [`Slowdown::succeeded`] says otherwise: so many tries at
    /// once are no way around.
    pub fn tried(&mut self, who: &[u8], now_ms: u64) {
        let key = key(who);
        let before = self.remove(&key).filter(|entry| now_ms < entry.used_ms + FORGET_MS);
        let failures = before.map_or(0, |entry| entry.failures).saturating_add(1);
        let doubled = failures.checked_sub(FREE).map(|over| FIRST_MS << over.min(20));
        let wait_ms = doubled.map_or(0, |ms| ms.min(self.longest_ms));
        let entry = Entry { failures, until_ms: now_ms + wait_ms, used_ms: now_ms };
        self.entries.insert(key, entry);
        self.order.insert((now_ms, key));
        while self.entries.len() > ENTRIES_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }

    /// The last try was none of a guesser: all is forgotten.
    pub fn succeeded(&mut self, who: &[u8]) {
        self.remove(&key(who));
    }

    /// The last try does not count: whoever it was may have others of their own.
    pub fn take_back(&mut self, who: &[u8]) {
        let key = key(who);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.failures = entry.failures.saturating_sub(1);
            entry.until_ms = entry.used_ms;
        }
    }

    fn remove(&mut self, key: &[u8; 16]) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&(entry.used_ms, *key));
        Some(entry)
    }
}

fn key(who: &[u8]) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&blake3::hash(who).as_bytes()[..16]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_after_a_few_failures_up_to_the_longest() {
        let mut slow = Slowdown::new(10_000);
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..9 {
            slow.tried(b"ann", now);
            let wait = slow.wait(b"ann", now).map_or(0, |wait| wait.0);
            waits.push(wait);
            now += wait;
            assert_eq!(slow.wait(b"ann", now), None, "when it is over");
        }
        assert_eq!(waits, [0, 0, 0, 0, 2_000, 4_000, 8_000, 10_000, 10_000]);
        assert_eq!(slow.wait(b"bob", now), None);
        slow.succeeded(b"ann");
        slow.tried(b"ann", now);
        assert_eq!(slow.wait(b"ann", now), None);
    }

    #[test]
    fn an_hour_of_quiet_is_forgiven_and_a_try_can_be_taken_back() {
        let mut slow = Slowdown::new(10_000);
        (0..6).for_each(|_| slow.tried(b"ann", 0));
        assert_eq!(slow.wait(b"ann", 0), Some(Wait(4_000)));
        slow.tried(b"ann", FORGET_MS);
        assert_eq!(slow.wait(b"ann", FORGET_MS), None);
        let mut slow = Slowdown::new(10_000);
        for _ in 0..20 {
            slow.tried(b"ann", 0);
            slow.take_back(b"ann");
        }
        assert_eq!(slow.wait(b"ann", 0), None);
    }

    #[test]
    fn no_more_are_remembered_than_may_be_and_the_oldest_go() {
        let mut slow = Slowdown::new(10_000);
        for who in 0..ENTRIES_MAX + 5 {
            (0..5).for_each(|_| slow.tried(&who.to_be_bytes(), who as u64));
        }
        assert_eq!((slow.entries.len(), slow.order.len()), (ENTRIES_MAX, ENTRIES_MAX));
        assert_eq!(slow.wait(&4_usize.to_be_bytes(), 5), None, "the oldest is forgotten");
        assert!(slow.wait(&5_usize.to_be_bytes(), 5).is_some());
    }
}
