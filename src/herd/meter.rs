//! What is measured to steer diffusion: how busy the node is, how much of what a link pushes is
//! new to its peer, how fast each origin publishes.

use crate::base::Tick;
use crate::update::Epoch;
use std::collections::BTreeMap;

const WINDOW_MS: u64 = 50;

/// How many updates and bytes came lately. Calm is when they were few in this window and the one
/// before it.
#[derive(Debug)]
pub(super) struct Load {
    updates_per_s: u64,
    bytes_per_s: u64,
    window: u64,
    now: (u64, u64),
    before: (u64, u64),
}

impl Load {
    /// Up to so much the node counts as calm.
    pub(super) fn new(updates_per_s: u64, bytes_per_s: u64) -> Self {
        Self { updates_per_s, bytes_per_s, window: 0, now: (0, 0), before: (0, 0) }
    }

    fn turn(&mut self, now: Tick) {
        let window = now / WINDOW_MS;
        if window != self.window {
            let is_next = window == self.window + 1;
            self.before = if is_next { self.now } else { (0, 0) };
            self.now = (0, 0);
            self.window = window;
        }
    }

    /// An update that was new.
    pub(super) fn note(&mut self, now: Tick, bytes: usize) {
        self.turn(now);
        self.now.0 += 1;
        self.now.1 += bytes as u64;
    }

    pub(super) fn is_calm(&mut self, now: Tick) -> bool {
        self.turn(now);
        let most = |per_s: u64| per_s.saturating_mul(WINDOW_MS) / 1000;
        [self.now, self.before].iter().all(|(updates, bytes)| {
            *updates <= most(self.updates_per_s) && *bytes <= most(self.bytes_per_s)
        })
    }
}

/// Of this many pushes the older half is forgotten.
const PUSHES_MAX: u64 = 256;
/// Fewer say nothing.
const PUSHES_MIN: u64 = 16;

/// How much of what a link sends unasked, or offers, turns out to be new to its peer.
///
/// While the node is calm a link is eager unless next to nothing of it is new: flooding is the
/// fastest way, and copies cost little. While it is busy a link is eager only if at least half of
/// it is new: so no update comes more than twice on average. Both with twofold hysteresis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Yield {
    pushes: u64,
    news: u64,
    is_fruitful: bool,
    is_barren: bool,
    /// Kept eager, however little of what is pushed is new.
    is_kept: bool,
}

impl Yield {
    pub(super) fn new() -> Self {
        Self { pushes: 0, news: 0, is_fruitful: false, is_barren: false, is_kept: false }
    }

    /// Says whether the link is eager whatever comes.
    pub(super) fn keep(&mut self, is_kept: bool) {
        self.is_kept = is_kept;
    }

    pub(super) fn count(&mut self, pushes: u64, news: u64) {
        self.pushes += pushes;
        self.news += news.min(pushes);
        while self.pushes > PUSHES_MAX {
            self.pushes /= 2;
            self.news /= 2;
        }
        self.judge();
    }

    /// Of what was offered, and counted as sent, this was asked for.
    pub(super) fn asked(&mut self, dots: u64) {
        self.news = (self.news + dots).min(self.pushes);
        self.judge();
    }

    fn judge(&mut self) {
        let Self { pushes, news, .. } = *self;
        if pushes < PUSHES_MIN {
            return;
        }
        self.is_fruitful =
            if self.is_fruitful { news * 2 >= pushes } else { news * 4 >= pushes * 3 };
        if pushes >= PUSHES_MAX / 4 {
            self.is_barren = if self.is_barren { news * 16 < pushes } else { news * 32 < pushes };
        }
    }

    /// True when payloads are to be pushed.
    pub(super) fn is_eager(&self, is_calm: bool) -> bool {
        self.is_kept || if is_calm { !self.is_barren } else { self.is_fruitful }
    }

    /// In thousandths, to compare links by.
    pub(super) fn permille(&self) -> u64 {
        (self.news + 1) * 1000 / (self.pushes + 2)
    }
}

/// More buckets than this are looked through for full ones.
const BUCKETS_MAX: usize = 4096;

/// A token bucket for each origin, by epoch.
#[derive(Debug)]
pub(super) struct Rates {
    per_s: u64,
    buckets: BTreeMap<Epoch, (u64, Tick)>,
}

impl Rates {
    /// Each may do so much a second, and may save up as much.
    pub(super) fn new(per_s: u64) -> Self {
        Self { per_s, buckets: BTreeMap::new() }
    }

    /// True when one more is within the rate. In thousandths, so that slow rates fill up too.
    pub(super) fn take(&mut self, epoch: Epoch, now: Tick) -> bool {
        let full = self.per_s.saturating_mul(1000);
        if self.buckets.len() > BUCKETS_MAX {
            let per_s = self.per_s;
            self.buckets.retain(|_, (tokens, at)| refilled(*tokens, *at, now, per_s) < full);
        }
        let (tokens, at) = self.buckets.entry(epoch).or_insert((full, now));
        *tokens = refilled(*tokens, *at, now, self.per_s);
        *at = now;
        let is_within = *tokens >= 1000;
        if is_within {
            *tokens -= 1000;
        }
        is_within
    }
}

fn refilled(tokens: u64, at: Tick, now: Tick, per_s: u64) -> u64 {
    let grown = now.saturating_sub(at).saturating_mul(per_s);
    tokens.saturating_add(grown).min(per_s.saturating_mul(1000))
}
