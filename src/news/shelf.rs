//! Where the index's rows stand: an ordered map of bytes. The store's index in a node, a
//! `BTreeMap` in tests.

use crate::store::{Direction, Index, KeyValue, StoreError};
use std::collections::BTreeMap;
use std::ops::Bound;

/// An ordered map of bytes. What is put is seen at once by what reads after it.
pub trait Shelf {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// Puts a row in the place of the one with its key.
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>);
    /// Takes a row away, if it is there.
    fn delete(&mut self, key: &[u8]);
    /// At most `limit` rows between two keys.
    fn scan(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<KeyValue>, StoreError>;
}

impl Shelf for Index {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Self::get(self, key)
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        Self::put(self, key, value);
    }

    fn delete(&mut self, key: &[u8]) {
        Self::delete(self, key);
    }

    fn scan(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<KeyValue>, StoreError> {
        Self::scan(self, from, to, limit, direction)
    }
}

impl Shelf for BTreeMap<Vec<u8>, Vec<u8>> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(BTreeMap::get(self, key).cloned())
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.insert(key, value);
    }

    fn delete(&mut self, key: &[u8]) {
        self.remove(key);
    }

    fn scan(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<KeyValue>, StoreError> {
        let range = self.range::<[u8], _>((from, to));
        let row = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        Ok(match direction {
            Direction::Up => range.take(limit).map(row).collect(),
            Direction::Down => range.rev().take(limit).map(row).collect(),
        })
    }
}
