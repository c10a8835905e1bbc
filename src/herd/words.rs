//! What nodes say of their disks, signed: this node's own word, and those of others on their way.
//!
//! A word says all of an epoch, so a later one makes those before it needless; and at least every
//! [`WORDS_MAX`]th of a node says everything. So a few words are all that is to be kept of a node,
//! and one that was lost is made good by a later one.

use super::link::parts;
use crate::base::Tick;
use crate::update::{Epoch, SigningKey, Vector, Word};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// So many words are kept of a node.
const WORDS_MAX: usize = 16;
/// Words that came by way of others are verified up to this rate on a link, and this many at once;
/// more are dropped.
const VERIFIED_PER_S: u64 = 200;
const VERIFIED_AT_ONCE: u64 = 2 * VERIFIED_PER_S;

/// Words of one node, none of which says only what a later one says.
#[derive(Clone, Debug, Default)]
pub struct Words(VecDeque<Arc<Word>>);

impl Words {
    /// Takes one more.
    pub fn add(&mut self, word: &Arc<Word>) {
        self.0.retain(|earlier| !word.held.covers(&earlier.held));
        if self.0.len() >= WORDS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Arc::clone(word));
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Word>> {
        self.0.iter()
    }
}

/// This node's own word.
#[derive(Debug)]
pub(super) struct Voice {
    key: SigningKey,
    said: Vector,
    pub(super) words: Words,
    /// How many words were said since one that said everything.
    since_all: usize,
}

impl Voice {
    pub(super) fn new(key: SigningKey) -> Self {
        Self { key, said: Vector::new(), words: Words::default(), since_all: WORDS_MAX }
    }

    /// Says what came to the disk since the last time.
    pub(super) fn say(&mut self, name: &str, held: &Vector) -> Vec<Arc<Word>> {
        let news = held.beyond(&self.said);
        if news.is_empty() {
            return Vec::new();
        }
        self.since_all += 1;
        let mut saying = Vector::new();
        if self.since_all >= WORDS_MAX {
            self.since_all = 0;
            saying.clone_from(held);
        } else {
            let epochs: BTreeSet<Epoch> = news.iter().map(|span| span.epoch).collect();
            let spans = held.spans().filter(|span| epochs.contains(&span.epoch));
            spans.for_each(|span| saying.insert_span(span));
        }
        self.said.clone_from(held);
        let signed = |part| Arc::new(Word::sign(&self.key, name, part));
        let words: Vec<Arc<Word>> = parts(&saying).into_iter().map(signed).collect();
        for word in &words {
            self.words.add(word);
        }
        words
    }
}

/// How many words a link may have verified.
#[derive(Debug)]
pub(super) struct VerifyBudget {
    left: u64,
    /// Up to when it was filled.
    at: Tick,
}

impl VerifyBudget {
    pub(super) fn new(now: Tick) -> Self {
        Self { left: VERIFIED_AT_ONCE, at: now }
    }

    /// Takes one; false when there is none left.
    pub(super) fn take(&mut self, now: Tick) -> bool {
        let more = now.saturating_sub(self.at) * VERIFIED_PER_S / 1_000;
        if more > 0 {
            self.left = (self.left + more).min(VERIFIED_AT_ONCE);
            self.at = now;
        }
        let is_any = self.left > 0;
        self.left -= u64::from(is_any);
        is_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::Span;

    fn upto(ends: &[(u64, u64)]) -> Vector {
        let mut vector = Vector::new();
        for (epoch, to) in ends {
            vector.insert_span(Span { epoch: Epoch(*epoch), from: 1, to: *to });
        }
        vector
    }

    #[test]
    fn a_node_says_what_is_new_and_now_and_then_everything() {
        let mut voice = Voice::new(SigningKey::from_seed([1; 32]));
        let first = voice.say("a", &upto(&[(1, 5), (2, 5)]));
        assert_eq!(first[0].held, upto(&[(1, 5), (2, 5)]));
        assert!(voice.say("a", &upto(&[(1, 5), (2, 5)])).is_empty());
        assert_eq!(voice.say("a", &upto(&[(1, 6), (2, 5)]))[0].held, upto(&[(1, 6)]));
        let mut alls = 0;
        for to in 7..100 {
            let held = upto(&[(1, to), (2, 5)]);
            let said = voice.say("a", &held);
            assert!(said.len() == 1 && said[0].verify());
            alls += usize::from(said[0].held == held);
            assert!(voice.words.iter().count() <= WORDS_MAX);
            let mut kept = Vector::new();
            voice.words.iter().for_each(|word| kept.merge(&word.held));
            assert_eq!(kept, held, "nothing is left out of what is kept");
        }
        assert!((5..10).contains(&alls), "{alls}");
    }

    #[test]
    fn words_are_verified_at_a_bounded_rate() {
        let mut budget = VerifyBudget::new(0);
        let mut taken = |now| (0..1_000).filter(|_| budget.take(now)).count();
        assert_eq!(
            [taken(0), taken(1), taken(10), taken(1_010), taken(1 << 40)],
            [400, 0, 2, 200, 400]
        );
    }
}
