//! Interval vectors: which dots someone has, as runs of sequence numbers by epoch.

use super::{Cid, Dot, Epoch, Reader, Truncated, put_varint};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

/// Sequence numbers `from..=to` of one epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// Whose.
    pub epoch: Epoch,
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

impl Span {
    /// How many dots it covers.
    pub fn count(&self) -> u64 {
        self.to - self.from + 1
    }
}

/// Why bytes are not a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorError {
    /// They end early.
    Truncated,
    /// Epochs or runs are not in ascending order, or touch.
    Order,
    /// More runs than [`Vector::decode`] was told to accept.
    Large,
}

impl From<Truncated> for VectorError {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

impl fmt::Display for VectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the vector ends early",
            Self::Order => "the vector is not in order",
            Self::Large => "the vector has too many runs",
        })
    }
}

impl std::error::Error for VectorError {}

/// A set of dots. By epoch: runs `(from, to)`, ascending, disjoint, never touching.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Vector {
    epochs: BTreeMap<Epoch, Vec<(u64, u64)>>,
}

impl Vector {
    /// No dot.
    pub fn new() -> Self {
        Self::default()
    }

    /// True when it holds no dot.
    pub fn is_empty(&self) -> bool {
        self.epochs.is_empty()
    }

    /// True when it holds the dot.
    pub fn contains(&self, dot: Dot) -> bool {
        self.covers_span(Span { epoch: dot.epoch, from: dot.seq, to: dot.seq })
    }

    /// Adds a dot; false when it was there.
    pub fn insert(&mut self, dot: Dot) -> bool {
        let new = !self.contains(dot);
        if new {
            self.insert_span(Span { epoch: dot.epoch, from: dot.seq, to: dot.seq });
        }
        new
    }

    /// Adds every dot of a span.
    pub fn insert_span(&mut self, span: Span) {
        let runs = self.epochs.entry(span.epoch).or_default();
        // The runs that the span overlaps or touches melt into one.
        let first = runs.partition_point(|run| run.1.saturating_add(1) < span.from);
        let behind = runs.partition_point(|run| run.0 <= span.to.saturating_add(1));
        let mut melted = (span.from, span.to);
        for run in &runs[first..behind] {
            melted = (melted.0.min(run.0), melted.1.max(run.1));
        }
        runs.splice(first..behind, [melted]);
    }

    /// Adds every dot of another vector.
    pub fn merge(&mut self, other: &Self) {
        other.spans().for_each(|span| self.insert_span(span));
    }

    /// Removes a dot; false when it was not there.
    pub fn remove(&mut self, dot: Dot) -> bool {
        if !self.contains(dot) {
            return false;
        }
        let Some(runs) = self.epochs.get_mut(&dot.epoch) else { return false };
        let at = runs.partition_point(|run| run.0 <= dot.seq) - 1;
        let (from, to) = runs[at];
        let behind = dot.seq.checked_add(1).map(|next| (next, to));
        let pieces = [Some((from, dot.seq - 1)), behind];
        runs.splice(at..=at, pieces.into_iter().flatten().filter(|run| run.0 <= run.1));
        if runs.is_empty() {
            self.epochs.remove(&dot.epoch);
        }
        true
    }

    /// Removes every dot of a span.
    pub fn remove_span(&mut self, span: Span) {
        let Some(runs) = self.epochs.get_mut(&span.epoch) else { return };
        let first = runs.partition_point(|run| run.1 < span.from);
        let behind = runs.partition_point(|run| run.0 <= span.to);
        if first >= behind {
            return;
        }
        let before = Some((runs[first].0, span.from.saturating_sub(1)));
        let after = span.to.checked_add(1).map(|from| (from, runs[behind - 1].1));
        let left = [before, after].into_iter().flatten().filter(|run| run.0 <= run.1);
        runs.splice(first..behind, left);
        if runs.is_empty() {
            self.epochs.remove(&span.epoch);
        }
    }

    /// All spans, by epoch, ascending.
    pub fn spans(&self) -> impl Iterator<Item = Span> + '_ {
        self.epochs.iter().flat_map(|(epoch, runs)| {
            runs.iter().map(|&(from, to)| Span { epoch: *epoch, from, to })
        })
    }

    /// What this vector holds and `other` does not.
    pub fn beyond(&self, other: &Self) -> Vec<Span> {
        self.spans().flat_map(|span| other.gaps(span)).collect()
    }

    /// The parts of `span` that this vector does not hold.
    pub fn gaps(&self, span: Span) -> Vec<Span> {
        let mut gaps = Vec::new();
        let mut next = span.from;
        let runs = self.epochs.get(&span.epoch).map_or(&[][..], |runs| &runs[..]);
        for &(from, to) in &runs[runs.partition_point(|run| run.1 < span.from)..] {
            if from > span.to {
                break;
            }
            if from > next {
                gaps.push(Span { epoch: span.epoch, from: next, to: from - 1 });
            }
            next = to.saturating_add(1);
            if to >= span.to {
                return gaps;
            }
        }
        gaps.push(Span { epoch: span.epoch, from: next, to: span.to });
        gaps
    }

    /// True when it holds every dot of `other`.
    pub fn covers(&self, other: &Self) -> bool {
        other.spans().all(|span| self.covers_span(span))
    }

    /// True when it holds every dot of a span.
    pub fn covers_span(&self, span: Span) -> bool {
        let Some(runs) = self.epochs.get(&span.epoch) else { return false };
        let after = runs.partition_point(|run| run.0 <= span.from);
        after > 0 && span.to <= runs[after - 1].1
    }

    /// The greatest sequence number held of an epoch; 0 for none.
    pub fn last(&self, epoch: Epoch) -> u64 {
        self.epochs.get(&epoch).and_then(|runs| runs.last()).map_or(0, |run| run.1)
    }

    /// Of each of these epochs of which any is held, the greatest sequence number.
    pub fn lasts(&self, epochs: RangeInclusive<Epoch>) -> impl Iterator<Item = (Epoch, u64)> + '_ {
        let last = |(epoch, runs): (&Epoch, &Vec<(u64, u64)>)| Some((*epoch, runs.last()?.1));
        self.epochs.range(epochs).filter_map(last)
    }

    /// How many runs it has: what it costs.
    pub fn runs(&self) -> usize {
        self.epochs.values().map(Vec::len).sum()
    }

    /// How many dots it holds.
    pub fn count(&self) -> u64 {
        self.spans().fold(0, |sum, span| span.count().saturating_add(sum))
    }

    /// BLAKE3 of the encoded form: equal hashes are equal vectors.
    pub fn hash(&self) -> [u8; 32] {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        *blake3::hash(&bytes).as_bytes()
    }

    /// Appends: varint number of epochs; by epoch: 8 bytes, varint number of runs; by run: the
    /// distance from the end of the run before, and the length less one, as varints.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.epochs.len() as u64);
        for (epoch, runs) in &self.epochs {
            out.extend_from_slice(&epoch.0.to_be_bytes());
            put_varint(out, runs.len() as u64);
            let mut before = 0;
            for &(from, to) in runs {
                put_varint(out, from - before);
                put_varint(out, to - from);
                before = to;
            }
        }
    }

    /// Reads what [`Vector::encode`] wrote, at most `runs_max` runs of it; nothing is allocated
    /// for a run that is not there.
    pub fn decode(reader: &mut Reader<'_>, runs_max: usize) -> Result<Self, VectorError> {
        let mut vector = Self::new();
        let mut budget = runs_max;
        for _ in 0..reader.varint()? {
            let epoch = Epoch(reader.u64()?);
            if vector.epochs.last_key_value().is_some_and(|(last, _)| *last >= epoch) {
                return Err(VectorError::Order);
            }
            let runs = Self::decode_runs(reader, &mut budget)?;
            vector.epochs.insert(epoch, runs);
        }
        Ok(vector)
    }

    fn decode_runs(
        reader: &mut Reader<'_>,
        budget: &mut usize,
    ) -> Result<Vec<(u64, u64)>, VectorError> {
        let mut runs = Vec::new();
        let mut before = 0_u64;
        let count = reader.varint()?;
        if count == 0 {
            return Err(VectorError::Order);
        }
        for _ in 0..count {
            *budget = budget.checked_sub(1).ok_or(VectorError::Large)?;
            let step = reader.varint()?;
            // A step of 1 would touch the run before; the first run may start at 1.
            if step == 0 || (step == 1 && before > 0) {
                return Err(VectorError::Order);
            }
            let from = before.checked_add(step).ok_or(VectorError::Order)?;
            let to = from.checked_add(reader.varint()?).ok_or(VectorError::Order)?;
            runs.push((from, to));
            before = to;
        }
        Ok(runs)
    }
}

/// What two nodes compare: a hash of the dots held, and of the last id of each epoch. As each
/// envelope names the id before it, equal hashes mean equal content, not just equal names.
/// `tips` come in ascending order of their epochs.
pub fn state_hash(held: &Vector, tips: impl IntoIterator<Item = (Epoch, Cid)>) -> [u8; 32] {
    let mut bytes = Vec::new();
    held.encode(&mut bytes);
    for (epoch, cid) in tips {
        bytes.extend_from_slice(&epoch.0.to_be_bytes());
        bytes.extend_from_slice(&cid.0);
    }
    *blake3::hash(&bytes).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn dots() -> impl Strategy<Value = BTreeSet<(u64, u64)>> {
        prop::collection::btree_set((0..3_u64, 1..40_u64), 0..60)
    }

    fn dot((epoch, seq): (u64, u64)) -> Dot {
        Dot { epoch: Epoch(epoch), seq }
    }

    fn vector(set: &BTreeSet<(u64, u64)>) -> Vector {
        let mut vector = Vector::new();
        // Insertion order must not matter: go through the set from both ends.
        for (index, pair) in set.iter().enumerate() {
            let other = set.iter().rev().nth(index).unwrap();
            vector.insert(dot(*pair));
            vector.insert(dot(*other));
        }
        vector
    }

    fn members(spans: impl IntoIterator<Item = Span>) -> BTreeSet<(u64, u64)> {
        spans.into_iter().flat_map(|s| (s.from..=s.to).map(move |q| (s.epoch.0, q))).collect()
    }

    proptest! {
        #[test]
        fn a_vector_is_a_set_of_dots(a in dots(), b in dots(), probe in (0..3_u64, 1..42_u64)) {
            let (va, vb) = (vector(&a), vector(&b));
            prop_assert_eq!(members(va.spans()), a.clone());
            prop_assert_eq!(va.contains(dot(probe)), a.contains(&probe));
            prop_assert_eq!(va.count(), a.len() as u64);
            prop_assert_eq!(members(va.beyond(&vb)), a.difference(&b).copied().collect());
            prop_assert_eq!(va.covers(&vb), b.is_subset(&a));
            let mut merged = va.clone();
            merged.merge(&vb);
            prop_assert_eq!(&merged, &vector(&a.union(&b).copied().collect()));
            let mut less = va.clone();
            prop_assert_eq!(less.remove(dot(probe)), a.contains(&probe));
            let mut rest = a.clone();
            rest.remove(&probe);
            prop_assert_eq!(&less, &vector(&rest));
            prop_assert_eq!(va.hash() == vb.hash(), a == b);
            let mut rest = va.clone();
            vb.spans().for_each(|span| rest.remove_span(span));
            prop_assert_eq!(&rest, &vector(&a.difference(&b).copied().collect()));
        }

        #[test]
        fn a_vector_comes_back_from_its_bytes_and_no_cut_of_them_is_read(a in dots()) {
            let vector = vector(&a);
            let mut bytes = Vec::new();
            vector.encode(&mut bytes);
            prop_assert_eq!(Vector::decode(&mut Reader::new(&bytes), 1000), Ok(vector));
            for cut in 0..bytes.len() {
                prop_assert!(Vector::decode(&mut Reader::new(&bytes[..cut]), 1000).is_err());
            }
        }

        #[test]
        fn bytes_that_are_read_are_the_ones_that_would_be_written(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            if let Ok(vector) = Vector::decode(&mut reader, 1000) {
                let mut again = Vec::new();
                vector.encode(&mut again);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - reader.rest().len()]);
            }
        }
    }

    #[test]
    fn the_greatest_dot_can_be_removed() {
        let mut vector = Vector::new();
        vector.insert_span(Span { epoch: Epoch(1), from: 1, to: u64::MAX });
        assert!(vector.remove(dot((1, u64::MAX))));
        let rest = Span { epoch: Epoch(1), from: 1, to: u64::MAX - 1 };
        assert_eq!(vector.spans().collect::<Vec<_>>(), [rest]);
    }

    #[test]
    fn a_vector_with_more_runs_than_allowed_is_refused() {
        let mut vector = Vector::new();
        (1..=10).for_each(|n| assert!(vector.insert(dot((1, n * 2)))));
        let mut bytes = Vec::new();
        vector.encode(&mut bytes);
        assert_eq!(Vector::decode(&mut Reader::new(&bytes), 9), Err(VectorError::Large));
    }
}
