//! The least speed of an article that comes, which is that of an HTTP request's body: nobody has
//! memory held for as long as they like.

use crate::base::Tick;
use crate::config::Limits;

/// How fast the block under way comes.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the first of its bytes came, or the first since it is read again, and how many did.
    came: Option<(Tick, u64)>,
}

impl Pace {
    /// Bytes of a block came.
    pub(super) fn on_bytes(&mut self, bytes: usize, now: Tick) {
        let (_, came) = self.came.get_or_insert((now, 0));
        *came += bytes as u64;
    }

    /// The block is over, or is not read for now: that is not its sender's doing.
    pub(super) fn pause(&mut self) {
        self.came = None;
    }

    /// In how many milliseconds more must come, if it must: before the first bytes a sender is
    /// silent, not slow.
    pub(super) fn left_ms(&self, now: Tick, limits: &Limits) -> Option<u64> {
        let (since, bytes) = self.came?;
        Some((since + limits.body_ms(bytes)).saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_its_grace_and_what_its_bytes_earn_and_no_time_runs_while_it_is_not_read() {
        let limits = Limits::default();
        let mut pace = Pace::default();
        assert_eq!(pace.left_ms(0, &limits), None);
        pace.on_bytes(1, 100);
        assert_eq!(pace.left_ms(100, &limits), Some(10_000));
        pace.on_bytes(10 * 1024 - 1, 5_000);
        assert_eq!(pace.left_ms(5_000, &limits), Some(15_100));
        assert_eq!(pace.left_ms(30_000, &limits), Some(0));
        pace.pause();
        assert_eq!(pace.left_ms(30_000, &limits), None);
        pace.on_bytes(1024, 60_000);
        assert_eq!(pace.left_ms(62_000, &limits), Some(9_000));
    }
}
