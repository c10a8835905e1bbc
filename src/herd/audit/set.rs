//! All updates of an audit's window, in order of (clock, cid), with the sums that make the
//! fingerprint of any range cheap: at most two blocks are added up, however long the range is.
//!
//! Blocks of 256 keep it in order while it grows in whatever order its updates come, so it never
//! needs sorting in one long turn. Memory: 40 bytes an update, when they come in order; at worst
//! 80, when they do not.

use crate::proto::peer::AuditBound;
use crate::update::{Cid, Hlc};
use std::ops::Range;

/// What an audit tells updates apart by.
pub type Stamp = (Hlc, Cid);

const BLOCK_STAMPS: usize = 256;

/// A sum of cids as numbers modulo 2^256.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Sum([u64; 4]);

impl Sum {
    fn add(&mut self, cid: &Cid) {
        let lanes = cid.0.as_chunks::<8>().0;
        let mut carry = false;
        for (lane, bytes) in self.0.iter_mut().zip(lanes) {
            (*lane, carry) = add(*lane, u64::from_le_bytes(*bytes), carry);
        }
    }

    fn plus(mut self, other: Self) -> Self {
        let mut carry = false;
        for (lane, other) in self.0.iter_mut().zip(other.0) {
            (*lane, carry) = add(*lane, other, carry);
        }
        self
    }

    /// Less another: plus its complement.
    fn minus(self, other: Self) -> Self {
        self.plus(Self(other.0.map(|lane| !lane))).plus(Self([1, 0, 0, 0]))
    }
}

fn add(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(u64::from(carry));
    (sum, first | second)
}

#[derive(Debug)]
struct Block {
    stamps: Vec<Stamp>,
    sum: Sum,
}

impl Block {
    fn of(stamps: &[Stamp]) -> Self {
        let mut block = Self { stamps: Vec::with_capacity(BLOCK_STAMPS), sum: Sum::default() };
        block.stamps.extend_from_slice(stamps);
        for (_, cid) in stamps {
            block.sum.add(cid);
        }
        block
    }

    fn insert(&mut self, at: usize, stamp: Stamp) {
        self.stamps.insert(at, stamp);
        self.sum.add(&stamp.1);
    }
}

/// How many updates stand before a block, and their sum.
#[derive(Clone, Copy, Debug)]
struct Before {
    stamps: usize,
    sum: Sum,
}

/// A growing, then a whole set of updates. No block is empty, and all are in order.
#[derive(Debug, Default)]
pub(super) struct OrderedSet {
    blocks: Vec<Block>,
    /// For each block; made by [`OrderedSet::close`].
    before: Vec<Before>,
    len: usize,
}

impl OrderedSet {
    /// How many updates it has.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds an update; nothing happens when it is there.
    pub(super) fn insert(&mut self, stamp: Stamp) {
        let is_last = self.blocks.last().is_none_or(|block| block.stamps.last() < Some(&stamp));
        if is_last {
            match self.blocks.last_mut().filter(|block| block.stamps.len() < BLOCK_STAMPS) {
                Some(block) => block.insert(block.stamps.len(), stamp),
                None => self.blocks.push(Block::of(&[stamp])),
            }
            self.len += 1;
            return;
        }
        let index = self.blocks.partition_point(|block| block.stamps[0] <= stamp).max(1) - 1;
        let block = &mut self.blocks[index];
        let Err(at) = block.stamps.binary_search(&stamp) else { return };
        if block.stamps.len() < BLOCK_STAMPS {
            block.insert(at, stamp);
        } else {
            self.split(index, at, stamp);
        }
        self.len += 1;
    }

    fn split(&mut self, index: usize, at: usize, stamp: Stamp) {
        let half = BLOCK_STAMPS / 2;
        let (low, high) = self.blocks[index].stamps.split_at(half);
        let (mut low, mut high) = (Block::of(low), Block::of(high));
        if at <= half {
            low.insert(at, stamp);
        } else {
            high.insert(at - half, stamp);
        }
        self.blocks[index] = low;
        self.blocks.insert(index + 1, high);
    }

    /// Nothing more comes: prepares what the questions below need.
    pub(super) fn close(&mut self) {
        let mut before = Before { stamps: 0, sum: Sum::default() };
        self.before.reserve_exact(self.blocks.len());
        for block in &self.blocks {
            self.before.push(before);
            before.stamps += block.stamps.len();
            before.sum = before.sum.plus(block.sum);
        }
    }

    /// How many updates stand before a bound.
    pub(super) fn position(&self, bound: AuditBound) -> usize {
        let bound = (bound.clock, bound.cid);
        let Some(index) =
            self.blocks.partition_point(|block| block.stamps[0] < bound).checked_sub(1)
        else {
            return 0;
        };
        let within = self.blocks[index].stamps.partition_point(|stamp| *stamp < bound);
        self.before[index].stamps + within
    }

    /// The block of a position, and the place in it. The end is behind the last block's last.
    fn place(&self, position: usize) -> (usize, usize) {
        let index = self.before.partition_point(|before| before.stamps <= position).max(1) - 1;
        let before = self.before.get(index).map_or(0, |before| before.stamps);
        (index, position - before)
    }

    /// The update at a position.
    pub(super) fn get(&self, position: usize) -> Option<Stamp> {
        let (index, within) = self.place(position);
        self.blocks.get(index)?.stamps.get(within).copied()
    }

    /// The updates of some positions, in order.
    pub(super) fn range(&self, range: Range<usize>) -> impl Iterator<Item = Stamp> + '_ {
        let (index, within) = self.place(range.start);
        let blocks = self.blocks.get(index..).unwrap_or_default();
        let stamps = blocks.iter().flat_map(|block| &block.stamps);
        stamps.skip(within).take(range.len()).copied()
    }

    /// The fingerprint of the updates of some positions: 16 bytes of the BLAKE3 hash of their sum
    /// and their number.
    pub(super) fn fingerprint(&self, range: Range<usize>) -> [u8; 16] {
        let sum = self.sum_before(range.end).minus(self.sum_before(range.start));
        let mut bytes = [0; 40];
        let lanes = sum.0.into_iter().chain([range.len() as u64]);
        for (place, lane) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(lanes) {
            *place = lane.to_le_bytes();
        }
        let hash = blake3::hash(&bytes);
        *hash.as_bytes().first_chunk().unwrap_or(&[0; 16])
    }

    fn sum_before(&self, position: usize) -> Sum {
        let (index, within) = self.place(position);
        let Some((block, before)) = self.blocks.get(index).zip(self.before.get(index)) else {
            return Sum::default();
        };
        if within == block.stamps.len() {
            return before.sum.plus(block.sum);
        }
        let mut sum = before.sum;
        block.stamps[..within].iter().for_each(|(_, cid)| sum.add(cid));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn stamp(rng: &mut Rng, clocks: u64) -> Stamp {
        let clock = Hlc(rng.below(clocks));
        (clock, Cid(*blake3::hash(&rng.next_u64().to_be_bytes()).as_bytes()))
    }

    fn sum_of(stamps: &[Stamp]) -> Sum {
        let mut sum = Sum::default();
        for (_, cid) in stamps {
            sum.add(cid);
        }
        sum
    }

    proptest! {
        #[test]
        fn a_set_is_in_order_whatever_order_it_came_in(
            seed: u64, count in 0_usize..3000, clocks in 1_u64..5000, in_order: bool,
        ) {
            let mut rng = Rng::new(seed);
            let mut stamps: Vec<Stamp> = (0..count).map(|_| stamp(&mut rng, clocks)).collect();
            if in_order {
                stamps.sort_unstable();
            }
            let model: Vec<Stamp> =
                stamps.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
            let mut set = OrderedSet::default();
            stamps.iter().chain(stamps.first()).for_each(|stamp| set.insert(*stamp));
            set.close();
            prop_assert_eq!(set.len(), model.len());
            prop_assert_eq!(set.range(0..set.len()).collect::<Vec<_>>(), &model[..]);
            prop_assert!(!in_order || set.blocks.len() <= count.div_ceil(BLOCK_STAMPS));
            for _ in 0..20 {
                let from = rng.below(model.len() as u64 + 1) as usize;
                let to = from + rng.below((model.len() - from) as u64 + 1) as usize;
                prop_assert_eq!(set.get(from), model.get(from).copied());
                prop_assert_eq!(set.range(from..to).collect::<Vec<_>>(), &model[from..to]);
                let sum = set.sum_before(to).minus(set.sum_before(from));
                prop_assert_eq!(sum, sum_of(&model[from..to]));
                let bound = AuditBound { clock: Hlc(rng.below(clocks)), cid: Cid([128; 32]) };
                let key = (bound.clock, bound.cid);
                prop_assert_eq!(set.position(bound), model.partition_point(|s| *s < key));
            }
        }
    }

    #[test]
    fn sums_carry_from_lane_to_lane_and_wrap() {
        let mut sum = sum_of(&[(Hlc(0), Cid([0xff; 32]))]);
        let mut one = Cid([0; 32]);
        one.0[0] = 1;
        sum.add(&one);
        assert_eq!(sum, Sum::default());
        assert_eq!(sum.minus(sum_of(&[(Hlc(0), one)])), Sum([u64::MAX; 4]));
    }

    #[test]
    fn as_many_updates_of_the_same_sum_have_another_fingerprint_than_fewer() {
        let mut set = OrderedSet::default();
        set.insert((Hlc(1), Cid::ZERO));
        set.insert((Hlc(2), Cid::ZERO));
        set.close();
        assert_ne!(set.fingerprint(0..1), set.fingerprint(0..2));
        assert_eq!(set.fingerprint(0..1), set.fingerprint(1..2));
    }
}
