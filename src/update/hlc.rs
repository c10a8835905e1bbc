//! The hybrid logical clock: 48 bits of milliseconds and 16 bits of counter, so that effects come
//! after their causes even where wall clocks disagree (Kulkarni et al., 2014).

/// A moment of the hybrid clock. Orders updates for display; never decides what is a duplicate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The moment of a wall clock, milliseconds since 1970 (48 bits of them), counter zero.
    pub fn from_ms(ms: u64) -> Self {
        Self(ms << 16)
    }

    /// Milliseconds since 1970.
    pub fn ms(self) -> u64 {
        self.0 >> 16
    }
}

/// The clock of one node.
#[derive(Debug)]
pub struct Clock {
    last: Hlc,
}

/// An update stamped further than this ahead of the wall clock does not pull our clock along.
const AHEAD_MS_MAX: u64 = 5 * 60 * 1000;

impl Clock {
    /// A clock that goes on after `last`, the greatest moment seen so far.
    pub fn new(last: Hlc) -> Self {
        Self { last }
    }

    /// The greatest moment seen so far.
    pub fn last(&self) -> Hlc {
        self.last
    }

    /// The moment of a new local update: after every moment seen, not before the wall clock.
    pub fn tick(&mut self, wall_ms: u64) -> Hlc {
        self.last = Hlc::from_ms(wall_ms).max(Hlc(self.last.0 + 1));
        self.last
    }

    /// Learns the moment of an update from elsewhere. One too far ahead of the wall clock is
    /// left aside: one broken clock must not break every clock.
    pub fn observe(&mut self, moment: Hlc, wall_ms: u64) {
        if moment.ms() <= wall_ms + AHEAD_MS_MAX {
            self.last = self.last.max(moment);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_only_grow_and_follow_what_was_seen() {
        let mut clock = Clock::new(Hlc(0));
        let first = clock.tick(1000);
        assert_eq!(first, Hlc::from_ms(1000));
        assert!(clock.tick(1000) > first);
        assert!(clock.tick(1) > first, "a wall clock set back does not set us back");
        clock.observe(Hlc::from_ms(2000), 1001);
        assert!(clock.tick(1001) > Hlc::from_ms(2000));
        let before = clock.tick(1001);
        clock.observe(Hlc::from_ms(1001 + AHEAD_MS_MAX + 1), 1001);
        assert_eq!(clock.tick(1001), Hlc(before.0 + 1));
    }
}
