//! What a herd does beside stories, reports and bytes on one topic, and how often: drawn by the
//! seed, from a generator of its own, so that it does not change what else the seed draws.

use super::plan::{Plan, name};
use crate::base::Rng;
use crate::config::{Config, Keep};
use crate::news;
use std::fmt;

/// Makes another generator out of a seed.
const SALT: u64 = 0x6375_7374_6f6d_7321;
/// Topics of small updates.
pub(super) const TOPICS: [&str; 3] = ["sports", "markets", "music"];
/// The topic of payloads that are put together from pieces.
pub(super) const PICTURES: &str = "pictures";
/// Payloads over 16 kB.
pub(super) const PICTURE_BYTES_MIN: u64 = 17_000;
pub(super) const PICTURE_BYTES_MAX: u64 = 120_000;
/// Erasures and retention are waited for in simulations: they come soon.
const REWRITE_MS: u64 = 400;
const RETENTION_MS: u64 = 300;

/// Something that a herd may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Custom {
    /// An edit of a note: of its head, of an old revision, of all heads; a merge, a withdrawal.
    Note,
    /// An article of a wire service is imported, at one node and perhaps at another one.
    Import,
    /// A large payload.
    Picture,
    /// A small one on a topic of which not all may be kept.
    Topic,
    /// An act of the charter.
    Act,
}

impl Custom {
    const ALL: [Self; 5] = [Self::Note, Self::Import, Self::Picture, Self::Topic, Self::Act];
}

/// The customs of a herd.
#[derive(Clone, Debug)]
pub(super) struct Customs {
    pub(super) rng: Rng,
    /// Of 100 slices of time, how many bring one.
    rate: u64,
    weights: Vec<(Custom, u64)>,
    /// What each node keeps of which topics.
    keeps: Vec<Vec<(String, Keep)>>,
    /// How many there were.
    pub(super) count: u64,
}

impl Customs {
    /// Those of a seed; none where nothing goes wrong, and where the plan wants none.
    pub(super) fn new(plan: &Plan, nodes: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ SALT);
        if plan.is_plain || !plan.is_tight() || plan.payload_bytes.is_some() {
            return Self { rng, rate: 0, weights: Vec::new(), keeps: Vec::new(), count: 0 };
        }
        let rate = rng.range(5..=50);
        // A third of the kinds does not occur at all.
        let weigh = |kind: Custom| (kind, rng.below(6).saturating_sub(1));
        let weights: Vec<_> =
            Custom::ALL.map(weigh).into_iter().filter(|kind| kind.1 > 0).collect();
        let keeps = if rng.chance(1, 2) { draw_keeps(nodes, &mut rng) } else { Vec::new() };
        Self { rng, rate, weights, keeps, count: 0 }
    }

    /// True where the herd has any.
    pub(super) fn any(&self) -> bool {
        self.rate > 0
    }

    /// True where large payloads may come.
    pub(super) fn has_pictures(&self) -> bool {
        self.weights.iter().any(|(kind, _)| *kind == Custom::Picture)
    }

    /// True where nodes drop what is over their retention.
    pub(super) fn has_retention(&self) -> bool {
        !self.keeps.is_empty()
    }

    /// True where some node drops old revisions of stories.
    pub(super) fn drops_revisions(&self) -> bool {
        self.drops(news::TOPIC_STORIES)
    }

    /// True where some node drops updates of a topic.
    pub(super) fn drops(&self, topic: &str) -> bool {
        self.keeps.iter().flatten().any(|(of, _)| of == topic)
    }

    /// What the herd does in this slice of time, if it does anything.
    pub(super) fn next(&mut self) -> Option<Custom> {
        let weights: u64 = self.weights.iter().map(|kind| kind.1).sum();
        if weights == 0 || !self.rng.chance(self.rate, 100) {
            return None;
        }
        self.count += 1;
        let mut at = self.rng.below(weights);
        let found = self.weights.iter().find(|(_, weight)| match at.checked_sub(*weight) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        });
        found.map(|(kind, _)| *kind)
    }

    /// Gives a node of the herd its part.
    pub(super) fn configure(&self, node: usize, config: &mut Config) {
        if self.any() {
            config.limits.rewrite_ms = REWRITE_MS;
            config.limits.retention_ms = RETENTION_MS;
            config.retention = self.keeps.get(node).cloned().unwrap_or_default();
        }
    }
}

impl fmt::Display for Customs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "customs in {} % of all slices: {:?}", self.rate, self.weights)?;
        for (node, keeps) in self.keeps.iter().enumerate() {
            write!(f, "; {} keeps {keeps:?}", name(node))?;
        }
        Ok(())
    }
}

/// Each node keeps what it wants to: most of them less than all.
fn draw_keeps(nodes: usize, rng: &mut Rng) -> Vec<Vec<(String, Keep)>> {
    let mut topics: Vec<&str> = TOPICS.into_iter().chain([PICTURES, "weather"]).collect();
    topics.retain(|_| rng.chance(1, 2));
    if rng.chance(1, 4) {
        topics.push(news::TOPIC_STORIES);
    }
    let mut keeps = Vec::new();
    for _ in 0..nodes {
        let mut of_node = Vec::new();
        for topic in &topics {
            let keep = match rng.below(4) {
                0 => continue,
                1 => Keep { bytes: Some(rng.range(500..=8_000)), ..Keep::default() },
                _ => Keep { count: Some(rng.range(1..=15)), ..Keep::default() },
            };
            of_node.push(((*topic).to_owned(), keep));
        }
        keeps.push(of_node);
    }
    keeps
}

/// One that may be retired: without it the herd still hangs together.
pub(super) fn spare(nodes: usize, links: &[(usize, usize)], rng: &mut Rng) -> Option<String> {
    if nodes <= 2 {
        return None;
    }
    let spare: Vec<usize> = (0..nodes).filter(|node| hangs_together(nodes, links, *node)).collect();
    let at = rng.below(spare.len().max(1) as u64) as usize;
    spare.get(at).map(|node| name(*node))
}

/// True when all nodes but one are in one part.
fn hangs_together(nodes: usize, links: &[(usize, usize)], without: usize) -> bool {
    let first = usize::from(without == 0);
    let mut reached = vec![false; nodes];
    let mut next = vec![first];
    while let Some(node) = next.pop() {
        if node == without || std::mem::replace(&mut reached[node], true) {
            continue;
        }
        let ends = links.iter().filter(|(a, b)| *a == node || *b == node);
        next.extend(ends.map(|(a, b)| a + b - node));
    }
    reached.iter().filter(|is| **is).count() + 1 == nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_which_customs_a_herd_has_and_how_often() {
        let of = |seed| Customs::new(&Plan::default(), 6, seed);
        assert_eq!(format!("{:?}", of(5)), format!("{:?}", of(5)));
        let all: Vec<Customs> = (0..60).map(of).collect();
        for kind in Custom::ALL {
            let with = all.iter().filter(|of| of.weights.iter().any(|(has, _)| *has == kind));
            assert!((10..60).contains(&with.count()), "{kind:?}");
        }
        assert!((10..50).contains(&all.iter().filter(|of| of.has_retention()).count()));
        assert!(all.iter().any(Customs::drops_revisions));
        let plain = Plan { is_plain: true, ..Plan::default() };
        assert_eq!(Customs::new(&plain, 6, 1).next(), None);
    }

    #[test]
    fn only_a_node_that_no_other_needs_may_be_retired() {
        let line = [(0, 1), (1, 2), (2, 3)];
        let needed = |node| !hangs_together(4, &line, node);
        assert_eq!([0, 1, 2, 3].map(needed), [false, true, true, false]);
        let mut rng = Rng::new(1);
        for _ in 0..20 {
            let found = spare(4, &line, &mut rng).expect("an end of the line");
            assert!(["node0", "node3"].contains(&&found[..]));
        }
        assert_eq!(spare(2, &[(0, 1)], &mut rng), None);
    }
}
