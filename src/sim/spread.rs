//! How updates spread: when how many nodes had them.

use crate::base::Tick;
use crate::update::Dot;
use std::collections::BTreeMap;

/// Arrivals later than this are counted together, in milliseconds.
const CURVE_MS_MAX: usize = 60_000;

/// The way of all updates through a herd.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread {
    nodes: usize,
    updates: BTreeMap<Dot, Way>,
    /// How many arrivals there were so many milliseconds after the update could first be read.
    curve: Vec<u64>,
    arrivals: u64,
}

#[derive(Clone, Copy, Debug)]
struct Way {
    born: Tick,
    had_by: u32,
    half: Option<Tick>,
    most: Option<Tick>,
    all: Option<Tick>,
}

/// Milliseconds until a share of the nodes had an update: of all updates that came so far, in the
/// middle, and the slowest in a hundred, and the slowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Half of the updates were as fast.
    pub median_ms: u64,
    /// 99 of 100 updates were as fast.
    pub p99_ms: u64,
    /// All were as fast.
    pub worst_ms: u64,
}

impl Spread {
    pub(super) fn new(nodes: usize) -> Self {
        Self { nodes, ..Self::default() }
    }

    /// An update came to one more node; to its origin when it could be read there.
    pub(super) fn came(&mut self, dot: Dot, now: Tick) {
        let nodes = self.nodes as u32;
        let fresh = Way { born: now, had_by: 0, half: None, most: None, all: None };
        let way = self.updates.entry(dot).or_insert(fresh);
        way.had_by += 1;
        let took = now - way.born;
        if way.had_by * 2 >= nodes && way.half.is_none() {
            way.half = Some(took);
        }
        if u64::from(way.had_by) * 100 >= u64::from(nodes) * 99 && way.most.is_none() {
            way.most = Some(took);
        }
        if way.had_by >= nodes && way.all.is_none() {
            way.all = Some(took);
        }
        let place = (took as usize).min(CURVE_MS_MAX);
        if self.curve.len() <= place {
            self.curve.resize(place + 1, 0);
        }
        self.curve[place] += 1;
        self.arrivals += 1;
    }

    /// How many updates came to how many nodes, counted together.
    pub(super) fn delivered(&self) -> u64 {
        self.arrivals
    }

    /// How many updates there were.
    pub(super) fn updates(&self) -> u64 {
        self.updates.len() as u64
    }

    /// How many updates came to every node.
    pub(super) fn complete(&self) -> u64 {
        self.updates.values().filter(|way| way.all.is_some()).count() as u64
    }

    /// The time until half of the nodes, 99 of 100, and all had an update.
    pub(super) fn reach(&self) -> [Reach; 3] {
        let share = |of: fn(&Way) -> Option<Tick>| {
            let mut took: Vec<Tick> = self.updates.values().filter_map(of).collect();
            took.sort_unstable();
            let at = |hundredth: usize| {
                let place = (took.len() * hundredth).div_ceil(100).saturating_sub(1);
                took.get(place).copied().unwrap_or(0)
            };
            Reach { median_ms: at(50), p99_ms: at(99), worst_ms: at(100) }
        };
        [share(|way| way.half), share(|way| way.most), share(|way| way.all)]
    }

    /// Arrivals by milliseconds after the update's birth.
    pub(super) fn curve(&self) -> &[u64] {
        &self.curve
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::Epoch;

    #[test]
    fn the_time_to_a_share_of_the_nodes_is_when_the_last_of_them_had_it() {
        let mut spread = Spread::new(4);
        let dot = |seq| Dot { epoch: Epoch(1), seq };
        for (now, seq) in [(5, 1), (7, 1), (9, 1), (25, 1), (10, 2), (14, 2)] {
            spread.came(dot(seq), now);
        }
        let [half, most, all] = spread.reach();
        assert_eq!((half.median_ms, half.worst_ms), (2, 4));
        assert_eq!((most.median_ms, all.worst_ms), (20, 20));
        assert_eq!((spread.updates(), spread.complete(), spread.delivered()), (2, 1, 6));
        assert_eq!(spread.curve()[..5], [2, 0, 1, 0, 2]);
    }
}
