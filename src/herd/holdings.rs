//! What a node has on disk, and since when that is known. Moments are kept for what came lately;
//! what is older is known "by" the moment of something newer: true, and less exact.

use crate::update::{Dot, Epoch, Vector};
use std::collections::VecDeque;

/// Moments remembered.
const STEPS_MAX: usize = 64;
/// What comes within this is one step, known by its last moment.
const STEP_MS: u64 = 100;

/// What came to a disk at about the same time.
#[derive(Clone, Debug)]
struct Step {
    began_ms: u64,
    known_ms: u64,
    dots: Vector,
}

/// The dots that a node has said to have on disk: only ever more.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    all: Vector,
    /// `all`, in parts, ascending in time, disjoint; at most [`STEPS_MAX`].
    steps: VecDeque<Step>,
}

impl Holdings {
    /// Takes in what a node says to have at this moment of the wall clock; true when it is more
    /// than before.
    pub fn grow(&mut self, held: &Vector, wall_ms: u64) -> bool {
        let news = held.beyond(&self.all);
        if news.is_empty() {
            return false;
        }
        // A clock that was set back opens a new step, which is not the older for it.
        let goes_on = |step: &&mut Step| wall_ms.wrapping_sub(step.began_ms) < STEP_MS;
        if self.steps.back_mut().as_ref().is_none_or(|step| !goes_on(step)) {
            self.steps.push_back(Step {
                began_ms: wall_ms,
                known_ms: wall_ms,
                dots: Vector::new(),
            });
        }
        if let Some(step) = self.steps.back_mut() {
            step.known_ms = wall_ms;
            for span in &news {
                step.dots.insert_span(*span);
            }
        }
        for span in news {
            self.all.insert_span(span);
        }
        if self.steps.len() > STEPS_MAX
            && let Some(oldest) = self.steps.pop_front()
            && let Some(next) = self.steps.front_mut()
        {
            next.dots.merge(&oldest.dots);
        }
        true
    }

    /// By when the dot was on disk there, in milliseconds since 1970; `None` when it is not known
    /// to be.
    pub fn since(&self, dot: Dot) -> Option<u64> {
        let mut steps = self.steps.iter().rev();
        steps.find(|step| step.dots.contains(dot)).map(|step| step.known_ms)
    }

    /// True when the dot is on disk there.
    pub fn contains(&self, dot: Dot) -> bool {
        self.all.contains(dot)
    }

    /// The last sequence number of an epoch on disk there; 0 for none.
    pub fn last(&self, epoch: Epoch) -> u64 {
        self.all.last(epoch)
    }

    /// All of it.
    pub fn vector(&self) -> &Vector {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::Span;

    fn upto(seq: u64) -> Vector {
        let mut vector = Vector::new();
        vector.insert_span(Span { epoch: Epoch(1), from: 1, to: seq });
        vector
    }

    fn dot(seq: u64) -> Dot {
        Dot { epoch: Epoch(1), seq }
    }

    #[test]
    fn each_dot_has_its_moment_and_old_ones_are_known_by_a_later_one() {
        let mut holdings = Holdings::default();
        for step in 1..=200 {
            assert!(holdings.grow(&upto(step), step * 1_000));
            assert!(!holdings.grow(&upto(step), step * 1_000 + 500));
        }
        assert_eq!(holdings.since(dot(200)), Some(200_000));
        assert_eq!(holdings.since(dot(150)), Some(150_000));
        assert_eq!(holdings.since(dot(1)), Some(137_000), "64 moments are remembered");
        assert_eq!(holdings.since(dot(201)), None);
        assert!(holdings.steps.len() <= STEPS_MAX);
        assert_eq!((holdings.last(Epoch(1)), holdings.vector()), (200, &upto(200)));
    }

    #[test]
    fn a_busy_disk_and_a_clock_set_back_never_make_it_known_too_early() {
        let mut holdings = Holdings::default();
        for (seq, wall_ms) in [(1, 1_000), (2, 1_050), (3, 1_099), (4, 1_100), (5, 500)] {
            assert!(holdings.grow(&upto(seq), wall_ms));
        }
        let known: Vec<u64> = (1..=5).filter_map(|seq| holdings.since(dot(seq))).collect();
        assert_eq!(known, [1_099, 1_099, 1_099, 1_100, 500]);
    }
}
