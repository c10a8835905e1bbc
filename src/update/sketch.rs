//! A sketch of a vector: what fits into a cursor of one that does not.
//!
//! Epochs fall into 16 buckets by their first four bits. Of each bucket a sketch has the number of
//! its epochs and a hash of what the vector says of them, and of each epoch the last bits of its
//! greatest sequence number. Whoever holds about the same can tell from that what the vector was: a
//! guess that is off by little is set right by the bits, and **the hash proves it or nothing is
//! taken**. What of the vector can't be proved counts as not had: it is given again, never lost.

use super::{Epoch, Reader, Span, Vector, put_varint};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

const BUCKETS: usize = 16;
const HASH_BYTES: usize = 8;
const BITS_MAX: u32 = 32;
const EPOCHS_MAX: u64 = 1 << 16;
const HOLES_MAX: usize = 4096;

/// What a cursor says of a vector that it has no room for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sketch {
    /// Dots below an epoch's greatest that the vector does not hold.
    holes: Vector,
    /// By bucket; empty when there was no room for them.
    buckets: Vec<Bucket>,
    /// So many bits are given of each sequence number.
    bits: u32,
}

/// The epochs that begin with the same four bits.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Bucket {
    hash: [u8; HASH_BYTES],
    /// By epoch, ascending.
    lasts: Vec<u32>,
}

/// The vector of a sketch, as far as it is proved.
#[derive(Debug)]
pub struct Proof<'a> {
    sketch: &'a Sketch,
    proved: Vector,
    open: BTreeSet<usize>,
}

fn bucket_of(epoch: Epoch) -> usize {
    (epoch.0 >> 60) as usize
}

/// Each epoch with its greatest sequence number, by bucket.
fn lasts_of(vector: &Vector) -> Vec<Vec<(Epoch, u64)>> {
    let mut buckets = vec![Vec::<(Epoch, u64)>::new(); BUCKETS];
    for Span { epoch, to, .. } in vector.spans() {
        let bucket = &mut buckets[bucket_of(epoch)];
        match bucket.last_mut() {
            Some(last) if last.0 == epoch => last.1 = to,
            _ => bucket.push((epoch, to)),
        }
    }
    buckets
}

fn hash_of(lasts: &[(Epoch, u64)]) -> [u8; HASH_BYTES] {
    let mut hasher = blake3::Hasher::new();
    for (epoch, last) in lasts {
        hasher.update(&epoch.0.to_be_bytes());
        hasher.update(&last.to_be_bytes());
    }
    *hasher.finalize().as_bytes().first_chunk().expect("a hash is longer")
}

/// The last `bits` of a number.
fn low(number: u64, bits: u32) -> u32 {
    (number & ((1 << bits) - 1)) as u32
}

impl Sketch {
    /// The sketch of a vector that says most in at most `room` bytes.
    pub(super) fn of(vector: &Vector, room: usize) -> Self {
        let lasts = lasts_of(vector);
        let mut holes = Vector::new();
        for &(epoch, to) in lasts.iter().flatten() {
            for hole in vector.gaps(Span { epoch, from: 1, to }) {
                holes.insert_span(hole);
            }
        }
        let mut bytes = Vec::new();
        holes.encode(&mut bytes);
        // The byte for the bits; a hash and, at most, three bytes of a count for each bucket.
        let fixed = bytes.len() + 1 + BUCKETS * (HASH_BYTES + 3);
        let epochs = lasts.iter().map(Vec::len).sum::<usize>().max(1);
        if fixed > room || epochs as u64 > EPOCHS_MAX {
            return Self { holes: Vector::new(), buckets: Vec::new(), bits: 0 };
        }
        // Each bucket's bits end with a whole byte.
        let bits = ((room - fixed).saturating_sub(BUCKETS) * 8 / epochs) as u32;
        let bits = bits.min(BITS_MAX);
        let bucket = |lasts: Vec<(Epoch, u64)>| Bucket {
            hash: hash_of(&lasts),
            lasts: lasts.iter().map(|(_, last)| low(*last, bits)).collect(),
        };
        Self { holes, buckets: lasts.into_iter().map(bucket).collect(), bits }
    }

    /// Appends: the holes as a vector; a byte, the bits, or 255 when there are no buckets; by
    /// bucket 8 bytes of hash, a varint with the number of epochs, and their bits.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        self.holes.encode(out);
        if self.buckets.is_empty() {
            out.push(u8::MAX);
            return;
        }
        out.push(self.bits as u8);
        for bucket in &self.buckets {
            out.extend_from_slice(&bucket.hash);
            put_varint(out, bucket.lasts.len() as u64);
            let (mut word, mut held) = (0_u64, 0);
            for last in &bucket.lasts {
                word = word << self.bits | u64::from(*last);
                held += self.bits;
                while held >= 8 {
                    held -= 8;
                    out.push((word >> held) as u8);
                }
            }
            if held > 0 {
                out.push((word << (8 - held)) as u8);
            }
        }
    }

    /// Reads what [`Sketch::encode`] wrote; nothing is allocated for what is not there, but for the
    /// epochs of which it has no bits: at most 65,536 numbers.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let holes = Vector::decode(reader, HOLES_MAX).ok()?;
        let bits = u32::from(reader.u8().ok()?);
        if bits == u32::from(u8::MAX) {
            return Some(Self { holes, buckets: Vec::new(), bits: 0 });
        }
        if bits > BITS_MAX {
            return None;
        }
        let mut buckets = Vec::with_capacity(BUCKETS);
        let mut epochs = 0;
        for _ in 0..BUCKETS {
            let hash = reader.u64().ok()?.to_be_bytes();
            let count = reader.varint().ok()?;
            epochs += count.min(EPOCHS_MAX + 1);
            if epochs > EPOCHS_MAX {
                return None;
            }
            buckets.push(Bucket { hash, lasts: read_bits(reader, count as usize, bits)? });
        }
        Some(Self { holes, buckets, bits })
    }

    /// Begins to find out what the vector was.
    pub fn prove(&self) -> Proof<'_> {
        let open = (0..self.buckets.len()).collect();
        Proof { sketch: self, proved: Vector::new(), open }
    }
}

/// `count` numbers of `bits` bits, and what fills the last byte.
fn read_bits(reader: &mut Reader<'_>, count: usize, bits: u32) -> Option<Vec<u32>> {
    if count.checked_mul(bits as usize)?.div_ceil(8) > reader.rest().len() {
        return None;
    }
    let mut numbers = Vec::with_capacity(count);
    let (mut word, mut held) = (0_u64, 0);
    for _ in 0..count {
        while held < bits {
            word = word << 8 | u64::from(reader.u8().ok()?);
            held += 8;
        }
        held -= bits;
        numbers.push(low(word >> held, bits));
    }
    // What is left of the last byte is zeros: one form for one sketch.
    (low(word, held) == 0).then_some(numbers)
}

impl Proof<'_> {
    /// Which epochs' numbers are still to be guessed, in parts that are each proved by themselves;
    /// without those that hold more epochs than `known` has of them.
    pub fn open(&self, known: &Vector) -> Vec<RangeInclusive<Epoch>> {
        let epochs = |index: &usize| {
            let first = (*index as u64) << 60;
            Epoch(first)..=Epoch(first | u64::MAX >> 4)
        };
        let may_be = |index: &&usize| {
            let lasts = &self.sketch.buckets[**index].lasts;
            !lasts.is_empty() && known.lasts(epochs(index)).count() >= lasts.len()
        };
        self.open.iter().filter(may_be).map(epochs).collect()
    }

    /// How close a guess for [`Proof::try_near`] is worth looking for: most of what the bits set
    /// right is left for what nobody can look up.
    pub fn close_enough(&self) -> u64 {
        (1 << self.sketch.bits) / 4
    }

    /// Tries a guess that is off by about the same in both directions.
    pub fn try_near(&mut self, guess: &Vector) {
        let half = (1_u64 << self.sketch.bits) / 2;
        self.attempt(guess, half);
    }

    /// Tries a guess that can only be too great.
    pub fn try_below(&mut self, guess: &Vector) {
        self.attempt(guess, 0);
    }

    /// Of each epoch's numbers with the right bits the one is taken that is at most `above` above
    /// the guess and else nearest below it.
    fn attempt(&mut self, guess: &Vector, above: u64) {
        let bits = self.sketch.bits;
        let guesses = lasts_of(guess);
        for index in std::mem::take(&mut self.open) {
            let bucket = &self.sketch.buckets[index];
            let members = &guesses[index];
            let lasts: Option<Vec<(Epoch, u64)>> = (members.len() == bucket.lasts.len())
                .then(|| {
                    members.iter().zip(&bucket.lasts).map(|(&(epoch, last), &has)| {
                        let greatest = last.saturating_add(above.saturating_sub(1));
                        let less = low(greatest.wrapping_sub(u64::from(has)), bits);
                        Some((epoch, greatest.checked_sub(u64::from(less)).filter(|n| *n > 0)?))
                    })
                })
                .and_then(Iterator::collect);
            match lasts.filter(|lasts| hash_of(lasts) == bucket.hash) {
                Some(lasts) => lasts.into_iter().for_each(|(epoch, to)| {
                    self.proved.insert_span(Span { epoch, from: 1, to });
                }),
                None => {
                    self.open.insert(index);
                }
            }
        }
    }

    /// What is proved of the vector.
    pub fn into_vector(mut self) -> Vector {
        self.sketch.holes.spans().for_each(|hole| self.proved.remove_span(hole));
        self.proved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const ROOM: usize = 1_090;

    fn vector(lasts: &BTreeMap<u64, u64>) -> Vector {
        let mut vector = Vector::new();
        for (epoch, to) in lasts {
            vector.insert_span(Span { epoch: Epoch(*epoch), from: 1, to: *to });
        }
        vector
    }

    fn again(sketch: &Sketch) -> Sketch {
        let mut bytes = Vec::new();
        sketch.encode(&mut bytes);
        assert!(bytes.len() <= ROOM, "{} bytes", bytes.len());
        let mut reader = Reader::new(&bytes);
        let found = Sketch::decode(&mut reader).expect("what was written is read");
        assert!(reader.is_done());
        found
    }

    fn lasts(epochs: std::ops::Range<usize>) -> impl Strategy<Value = BTreeMap<u64, u64>> {
        prop::collection::btree_map(any::<u64>(), 1..1_000_000_u64, epochs)
    }

    proptest! {
        #[test]
        fn who_holds_the_same_knows_the_vector(lasts in lasts(100..2_000), hole in 1..50_u64) {
            let all = vector(&lasts);
            let mut had = all.clone();
            let epoch = Epoch(*lasts.keys().next().unwrap());
            had.remove_span(Span { epoch, from: hole, to: hole + 3 });
            had.insert_span(Span { epoch, from: hole + 4, to: 2_000_000 });
            let mut held = all;
            held.insert_span(Span { epoch, from: 1, to: 2_000_000 });
            let sketch = Sketch::of(&had, ROOM);
            prop_assert_eq!(&again(&sketch), &sketch);
            let mut proof = sketch.prove();
            proof.try_below(&held);
            prop_assert!(proof.open.is_empty());
            prop_assert_eq!(proof.into_vector(), had);
        }

        #[test]
        fn a_guess_that_is_off_by_little_is_set_right(
            lasts in lasts(100..2_000), steps in prop::collection::vec(-3..4_i64, 2_000)
        ) {
            let had = vector(&lasts);
            let mut off = lasts.clone();
            for (last, step) in off.values_mut().zip(steps) {
                *last = last.saturating_add_signed(step).max(1);
            }
            let sketch = again(&Sketch::of(&had, ROOM));
            prop_assert!(sketch.bits >= 3, "{} bits", sketch.bits);
            let mut proof = sketch.prove();
            proof.try_near(&vector(&off));
            prop_assert!(proof.open.is_empty());
            prop_assert_eq!(proof.into_vector(), had);
        }

        #[test]
        fn whatever_is_guessed_nothing_is_taken_for_had_that_was_not(
            lasts in lasts(1..300),
            more in lasts(0..40),
            steps in prop::collection::vec(0..5_000_u64, 300),
        ) {
            let had = vector(&lasts);
            let sketch = again(&Sketch::of(&had, ROOM));
            let mut guess = lasts.clone();
            for (last, step) in guess.values_mut().zip(steps) {
                *last += step * step;
            }
            guess.extend(more);
            let mut proof = sketch.prove();
            proof.try_below(&vector(&guess));
            proof.try_near(&vector(&guess));
            prop_assert!(had.covers(&proof.into_vector()));
        }

        #[test]
        fn bytes_that_are_read_are_the_ones_that_would_be_written(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            if let Some(sketch) = Sketch::decode(&mut reader) {
                let mut again = Vec::new();
                sketch.encode(&mut again);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - reader.rest().len()]);
            }
        }
    }

    #[test]
    fn without_room_a_sketch_says_nothing_and_proves_nothing() {
        let all = vector(&(0..200).map(|epoch| (epoch << 56, 9)).collect());
        let sketch = Sketch::of(&all, 20);
        let mut bytes = Vec::new();
        sketch.encode(&mut bytes);
        assert_eq!(Sketch::decode(&mut Reader::new(&bytes)).as_ref(), Some(&sketch));
        let mut proof = sketch.prove();
        proof.try_below(&all);
        assert!(proof.into_vector().is_empty());
    }
}
