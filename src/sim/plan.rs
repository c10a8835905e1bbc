//! What is to be simulated, and what a seed makes of it: how many nodes, who is linked to whom,
//! how far they are apart, and how bad the weather is.

use crate::base::Rng;
use crate::herd::topology::{CONFIGURED_NODES_MAX, LINKS, Mark, dials};
use crate::reactor::{SimFaults, SimWay};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// How much goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// Nothing: links have their latency, that is all.
    None,
    /// What a good network does: uneven delays, small pieces, short writes, now and then a link
    /// that breaks; readers move.
    Calm,
    /// Everything: crashes with torn and forgotten writes, stops, slow and paused nodes, cuts of
    /// one way or both, flapping links, lost pieces, full and failing disks, clocks that jump.
    Storm,
}

impl Faults {
    /// By their names on the command line.
    pub const NAMES: [&'static str; 3] = ["none", "calm", "storm"];

    /// The faults of a name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::None, Self::Calm, Self::Storm].into_iter().find(|faults| faults.name() == name)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// How the nodes are linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each to the next.
    Line,
    /// A line whose ends meet.
    Ring,
    /// Each to each.
    Mesh,
    /// Each to a few others, so many in the mean; never in parts.
    Degree(usize),
}

/// How much of each node is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// All of it.
    Whole,
    /// What passes updates on, without store and loop.
    Links,
}

/// What is to be simulated. The seed draws what is open.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many nodes.
    pub nodes: RangeInclusive<u64>,
    /// How they are linked; `None`: up to 32 nodes as the seed says, more of them by degree 8.
    pub shape: Option<Shape>,
    /// How many updates are published while things go wrong.
    pub updates: u64,
    /// How many of them in a second, by the whole herd.
    pub updates_per_s: u64,
    /// How large their payloads are, in bytes; `None`: all kinds and sizes.
    pub payload_bytes: Option<usize>,
    /// How much goes wrong.
    pub faults: Faults,
    /// The latencies of links, in milliseconds.
    pub latency_ms: RangeInclusive<u64>,
    /// How wide they are, in bytes a millisecond; `None`: as the faults say.
    pub bytes_per_ms: Option<u64>,
    /// How much of each node; `None`: all, unless they are too many.
    pub grain: Option<Grain>,
    /// Only stories, reports and bytes on one topic are written, and all of it is kept.
    pub is_plain: bool,
}

/// More whole nodes take minutes.
const WHOLE_NODES_MAX: u64 = 300;

impl Default for Plan {
    fn default() -> Self {
        Self {
            nodes: 5..=12,
            shape: None,
            updates: 250,
            updates_per_s: 50,
            payload_bytes: None,
            faults: Faults::Storm,
            latency_ms: 10..=50,
            bytes_per_ms: None,
            grain: None,
            is_plain: false,
        }
    }
}

impl Plan {
    /// A herd with faults has short time-outs and small limits, so that short runs reach them.
    pub(super) fn is_tight(&self) -> bool {
        self.faults != Faults::None
    }

    /// How much of each node is simulated.
    pub fn grain(&self) -> Grain {
        let is_large = *self.nodes.end() > WHOLE_NODES_MAX;
        self.grain.unwrap_or(if is_large { Grain::Links } else { Grain::Whole })
    }

    /// How long the herd is written to, in milliseconds.
    pub(super) fn writing_ms(&self) -> u64 {
        (self.updates * 1_000).div_ceil(self.updates_per_s.max(1))
    }
}

/// What a seed made of a plan.
#[derive(Clone, Debug)]
pub(super) struct Draw {
    pub(super) nodes: usize,
    /// Which two are linked, lesser number first.
    pub(super) links: Vec<(usize, usize)>,
    pub(super) weather: Weather,
    /// A hostile peer is among them.
    pub(super) is_hostile: bool,
}

impl Draw {
    pub(super) fn new(plan: &Plan, rng: &mut Rng) -> Self {
        let nodes = rng.range(plan.nodes.clone()).max(1) as usize;
        let shape = plan.shape.unwrap_or_else(|| draw_shape(nodes, rng));
        let links = shape.links(nodes, rng);
        let weather = Weather::new(plan, rng);
        let is_hostile = plan.faults == Faults::Storm && rng.chance(1, 3);
        Self { nodes, links, weather, is_hostile }
    }
}

fn draw_shape(nodes: usize, rng: &mut Rng) -> Shape {
    if nodes > CONFIGURED_NODES_MAX {
        return Shape::Degree(LINKS);
    }
    match rng.below(4) {
        0 => Shape::Line,
        1 => Shape::Ring,
        2 => Shape::Mesh,
        _ => Shape::Degree(3),
    }
}

impl Shape {
    /// Who is linked to whom.
    pub(super) fn links(self, nodes: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
        let line = (1..nodes).map(|b| (b - 1, b));
        match self {
            Self::Line => line.collect(),
            Self::Ring => line.chain((nodes > 2).then_some((0, nodes - 1))).collect(),
            Self::Mesh => (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b))).collect(),
            Self::Degree(degree) if degree + 1 >= nodes => Self::Mesh.links(nodes, rng),
            Self::Degree(degree) if nodes > CONFIGURED_NODES_MAX => hashed_links(nodes, degree),
            Self::Degree(degree) => random_links(nodes, degree, rng),
        }
    }
}

/// Links at random, each node with a few of its own choice: in one part, since each but the first
/// is linked to one before it in a random order.
fn random_links(nodes: usize, degree: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..nodes).collect();
    for place in (1..nodes).rev() {
        order.swap(place, rng.below(place as u64 + 1) as usize);
    }
    let pair = |a: usize, b: usize| (a.min(b), a.max(b));
    let mut links = BTreeSet::new();
    for place in 1..nodes {
        links.insert(pair(order[place], order[rng.below(place as u64) as usize]));
    }
    while links.len() < nodes * degree / 2 {
        let (a, b) = (rng.below(nodes as u64) as usize, rng.below(nodes as u64) as usize);
        if a != b {
            links.insert(pair(a, b));
        }
    }
    links.into_iter().collect()
}

/// Links as the nodes of a large herd choose them.
fn hashed_links(nodes: usize, degree: usize) -> Vec<(usize, usize)> {
    let marks: Vec<Mark> = (0..nodes).map(|node| Mark::of(&name(node))).collect();
    let chosen = |me: usize| dials(marks[me], &marks, degree.div_ceil(2), 0, |_| None);
    let links = (0..nodes).flat_map(|me| chosen(me).into_iter().map(move |to| (me, to)));
    let links: BTreeSet<_> = links.map(|(a, b)| (a.min(b), a.max(b))).collect();
    links.into_iter().collect()
}

/// The name of a node.
pub(super) fn name(node: usize) -> String {
    format!("node{node}")
}

/// A kind of misfortune.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfortune {
    Crash,
    PowerFails,
    Stop,
    Pause,
    Slow,
    Cut,
    Flap,
    Reset,
    BadDisk,
    SlowDisk,
    Weather,
    ClockJump,
    ReaderMoves,
    Restore,
}

impl Misfortune {
    const STORM: [Self; 14] = [
        Self::Crash,
        Self::PowerFails,
        Self::Stop,
        Self::Pause,
        Self::Slow,
        Self::Cut,
        Self::Flap,
        Self::Reset,
        Self::BadDisk,
        Self::SlowDisk,
        Self::Weather,
        Self::ClockJump,
        Self::ReaderMoves,
        Self::Restore,
    ];
    const CALM: [Self; 3] = [Self::Reset, Self::Weather, Self::ReaderMoves];
}

/// How often what goes wrong; drawn by the seed too, so that some herds see nothing but crashes
/// and others hardly any.
#[derive(Clone, Debug)]
pub(super) struct Weather {
    /// Out of 50 slices of time, how many bring a misfortune.
    troubles: u64,
    /// Each kind, and its weight.
    kinds: Vec<(Misfortune, u64)>,
    /// Out of 8 publications, how many do not wait for the disk.
    pub(super) early: u64,
    faults: Faults,
    latency_ms: RangeInclusive<u64>,
}

impl Weather {
    fn new(plan: &Plan, rng: &mut Rng) -> Self {
        let kinds: &[Misfortune] = match plan.faults {
            Faults::None => &[],
            Faults::Calm => &Misfortune::CALM,
            Faults::Storm => &Misfortune::STORM,
        };
        // A third of the kinds does not occur at all.
        let weigh = |kind: &Misfortune| (*kind, rng.below(6).saturating_sub(1));
        let kinds: Vec<_> = kinds.iter().map(weigh).filter(|kind| kind.1 > 0).collect();
        Self {
            troubles: rng.range(2..=16),
            kinds,
            early: [0, 0, 2, 8][rng.below(4) as usize],
            faults: plan.faults,
            latency_ms: plan.latency_ms.clone(),
        }
    }

    /// What befalls the herd now, if anything does.
    pub(super) fn misfortune(&self, rng: &mut Rng) -> Option<Misfortune> {
        let weights: u64 = self.kinds.iter().map(|kind| kind.1).sum();
        if weights == 0 || !rng.chance(self.troubles, 50) {
            return None;
        }
        let mut at = rng.below(weights);
        for &(kind, weight) in &self.kinds {
            if at < weight {
                return Some(kind);
            }
            at -= weight;
        }
        None
    }

    /// The network at the start, and after the weather changed.
    pub(super) fn faults(&self, rng: &mut Rng) -> SimFaults {
        let longest = *self.latency_ms.end();
        match self.faults {
            Faults::None => SimFaults { delay_ms: 0..=0, ..SimFaults::none() },
            Faults::Calm => Self::clear(rng, longest),
            Faults::Storm => {
                let storm = rng.chance(1, 2);
                let rough = if storm { SimFaults::storm() } else { SimFaults::calm() };
                SimFaults {
                    reset: (rng.below(2), 300),
                    loss: (rng.below(4), 100),
                    resend_ms: longest..=longest * 4 + 200,
                    job_ms: 0..=rng.below(40),
                    segment_bytes: 1..=1 + rng.below(4_000),
                    ..rough
                }
            }
        }
    }

    /// A network that does all that a good one may do.
    fn clear(rng: &mut Rng, longest: u64) -> SimFaults {
        SimFaults {
            segment_bytes: 100..=1_460 + rng.below(20_000),
            loss: (rng.below(2), 1_000),
            resend_ms: longest..=longest * 4 + 200,
            job_ms: 0..=rng.below(10),
            ..SimFaults::calm()
        }
    }

    /// The network once everything is healed.
    pub(super) fn healed(&self) -> SimFaults {
        match self.faults {
            Faults::None => SimFaults { delay_ms: 0..=0, ..SimFaults::none() },
            _ => SimFaults { delay_ms: 1..=10, ..SimFaults::calm() },
        }
    }

    /// One way of a link once everything is healed.
    pub(super) fn healed_way(&self, rng: &mut Rng) -> SimWay {
        let base = rng.range(self.latency_ms.clone());
        SimWay { delay_ms: base..=base + base / 4, bytes_per_ms: None }
    }

    /// Both ways of a link. Without faults both ways of a link take always the same time.
    pub(super) fn ways(&self, rng: &mut Rng) -> (SimWay, SimWay) {
        let base = rng.range(self.latency_ms.clone());
        let mut way = || match self.faults {
            Faults::None => SimWay { delay_ms: base..=base, bytes_per_ms: None },
            Faults::Calm => SimWay { delay_ms: base..=base + base / 4, bytes_per_ms: Some(12_500) },
            Faults::Storm => {
                let narrow = [None, None, Some(12_500), Some(40)][rng.below(4) as usize];
                SimWay { delay_ms: base / 2..=base + rng.below(100), bytes_per_ms: narrow }
            }
        };
        (way(), way())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(nodes: usize, links: &[(usize, usize)]) -> usize {
        let mut seen = BTreeSet::from([0]);
        let mut last = 0;
        while seen.len() > last {
            last = seen.len();
            for &(a, b) in links {
                if seen.contains(&a) || seen.contains(&b) {
                    seen.extend([a, b]);
                }
            }
        }
        seen.len().min(nodes)
    }

    #[test]
    fn every_shape_is_in_one_part() {
        let shapes = [Shape::Line, Shape::Ring, Shape::Mesh, Shape::Degree(3), Shape::Degree(8)];
        for nodes in [1, 2, 3, 5, 12, 60] {
            for shape in shapes {
                let links = shape.links(nodes, &mut Rng::new(nodes as u64));
                assert_eq!(reached(nodes, &links), nodes, "{shape:?} of {nodes}");
                assert!(links.iter().all(|(a, b)| a < b && *b < nodes), "{shape:?} of {nodes}");
            }
        }
        assert_eq!(Shape::Degree(6).links(30, &mut Rng::new(1)).len(), 90);
    }

    #[test]
    fn without_faults_nothing_goes_wrong() {
        let mut rng = Rng::new(3);
        let calm = Draw::new(&Plan { faults: Faults::None, ..Plan::default() }, &mut rng);
        assert!((0..1_000).all(|_| calm.weather.misfortune(&mut rng).is_none()));
        let storm = Draw::new(&Plan::default(), &mut rng);
        assert!((0..1_000).any(|_| storm.weather.misfortune(&mut rng).is_some()));
    }
}
