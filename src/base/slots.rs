//! Slots with generations over `slab`: a key that outlived its entry finds nothing.

use slab::Slab;

/// Names one entry of a [`Slots`] for ever: an index and the generation that filled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// A key that names nothing.
    pub const NONE: Self = Self { index: u32::MAX, generation: u32::MAX };

    /// The key as one number, for tokens.
    pub fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The key of a number made by [`Key::to_u64`].
    pub fn from_u64(number: u64) -> Self {
        Self { index: number as u32, generation: (number >> 32) as u32 }
    }

    /// The place in the table; another entry may have it later, with another generation.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// A table whose keys are never used twice (until a place has been filled 2^32 times).
#[derive(Debug)]
pub struct Slots<T> {
    slab: Slab<(u32, T)>,
    next_generation: u32,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slab: Slab::new(), next_generation: 0 }
    }
}

impl<T> Slots<T> {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// True when there is no entry.
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// Adds an entry; its key finds it until it is removed.
    pub fn insert(&mut self, value: T) -> Key {
        let generation = self.next_generation;
        // u32::MAX is kept for `Key::NONE`.
        self.next_generation = (generation + 1) % u32::MAX;
        Key { index: self.slab.insert((generation, value)) as u32, generation }
    }

    /// The entry, unless it was removed.
    pub fn get(&self, key: Key) -> Option<&T> {
        match self.slab.get(key.index()) {
            Some((generation, value)) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// The entry to change, unless it was removed.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slab.get_mut(key.index()) {
            Some((generation, value)) if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// Removes and returns the entry; its key finds nothing from now on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        Some(self.slab.remove(key.index()).1)
    }

    /// All entries by place.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slab.iter().map(|(index, (generation, value))| {
            (Key { index: index as u32, generation: *generation }, value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_removed_key_finds_nothing_whatever_fills_its_place(
            steps in prop::collection::vec((any::<bool>(), any::<usize>()), 0..100),
        ) {
            let mut slots = Slots::new();
            let mut live: Vec<(Key, usize)> = Vec::new();
            let mut dead: Vec<Key> = Vec::new();
            for (number, (insert, pick)) in steps.into_iter().enumerate() {
                if insert || live.is_empty() {
                    live.push((slots.insert(number), number));
                } else {
                    let (key, value) = live.swap_remove(pick % live.len());
                    prop_assert_eq!(slots.remove(key), Some(value));
                    dead.push(key);
                }
                prop_assert_eq!(slots.len(), live.len());
                for (key, value) in &live {
                    prop_assert_eq!(slots.get(*key), Some(value));
                    prop_assert_eq!(Key::from_u64(key.to_u64()), *key);
                }
                for key in &dead {
                    prop_assert_eq!(slots.get(*key), None);
                    prop_assert_eq!(slots.remove(*key), None);
                }
            }
            prop_assert_eq!(slots.get(Key::NONE), None);
        }
    }
}
