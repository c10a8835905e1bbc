//! Random numbers from a seed: xoshiro256++ (Blackman and Vigna), seeded by `SplitMix64`. The same
//! seed gives the same numbers in every version: recorded seeds of simulations depend on it.
//! Not for secrets.

use std::ops::RangeInclusive;

/// A source of random numbers that its seed determines.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The source of a seed.
    pub fn new(seed: u64) -> Self {
        let mut mixed = seed;
        let state = [(); 4].map(|()| {
            mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = mixed;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Self { state }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `n`, each as likely as the others (Lemire, 2019).
    ///
    /// # Panics
    /// When `n` is zero.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "no number is below zero");
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            if wide as u64 >= n.wrapping_neg() % n {
                return (wide >> 64) as u64;
            }
        }
    }

    /// A number in the range, ends included, each as likely as the others.
    ///
    /// # Panics
    /// When the range is empty.
    pub fn range(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (from, to) = range.into_inner();
        assert!(from <= to, "no number is in an empty range");
        match (to - from).checked_add(1) {
            Some(n) => from + self.below(n),
            None => self.next_u64(),
        }
    }

    /// True in `numerator` of `denominator` cases.
    pub fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator
    }

    /// A new source, as good as independent of this one.
    pub fn fork(&mut self) -> Self {
        Self::new(self.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_seed_never_change() {
        let mut rng = Rng::new(0);
        // Computed apart from this code, from the authors' published recurrences.
        let expected = [0x5317_5d61_490b_23df, 0x61da_6f3d_c380_d507, 0x5c0f_df91_ec9a_7bfc];
        assert_eq!([(); 3].map(|()| rng.next_u64()), expected);
    }

    #[test]
    fn every_number_of_a_small_range_comes_about_equally_often() {
        let mut rng = Rng::new(7);
        let mut counts = [0_u32; 6];
        (0..60_000).for_each(|_| counts[rng.range(10..=15) as usize - 10] += 1);
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
        let heads = (0..10_000).filter(|_| rng.chance(1, 4)).count();
        assert!((2_300..2_700).contains(&heads), "{heads}");
    }

    #[test]
    fn forks_differ_from_their_source_and_each_other() {
        let mut rng = Rng::new(1);
        let (mut a, mut b) = (rng.fork(), rng.fork());
        let drawn = [rng.next_u64(), a.next_u64(), b.next_u64()];
        assert!(drawn[0] != drawn[1] && drawn[1] != drawn[2] && drawn[0] != drawn[2]);
    }
}
