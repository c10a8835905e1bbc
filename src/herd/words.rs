//! What nodes say of their disks, signed: this node's own word, and those of others on their way.
//!
//! A word says all of an epoch, so a later one makes those before it needless; and at least every
//! [`WORDS_MAX`]th of a node says everything. So a few words are all that is to be kept of a node,
//! and one that was lost is made good by a later one.

use super::link::parts;
use crate::base::Tick;
use crate::update::{Epoch, SigningKey, Vector, Word};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// So many words are kept of a node.
const WORDS_MAX: usize = 16;
/// Words that came by way of others are verified up to this rate on a link, and this many at once;
/// more are dropped.
const VERIFIED_PER_S: u64 = 200;
const VERIFIED_AT_ONCE: u64 = 2 * VERIFIED_PER_S;
/// So many are told at once where nobody waits for them; the others later, at the same rate. So
/// none is dropped, even if what was told over a second comes in one piece.
const TOLD_AT_ONCE: u64 = VERIFIED_PER_S;
/// Names of which something waits to be passed on.
const GOSSIP_NAMES_MAX: usize = 1024;

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

/// How many words may be told, or verified.
#[derive(Debug)]
pub(super) struct WordBudget {
    left: u64,
    most: u64,
    /// Up to when it was filled.
    at: Tick,
}

impl WordBudget {
    /// What a link may have verified.
    pub(super) fn to_verify(now: Tick) -> Self {
        Self { left: VERIFIED_AT_ONCE, most: VERIFIED_AT_ONCE, at: now }
    }

    /// What a link may be told.
    fn to_tell(now: Tick) -> Self {
        Self { left: TOLD_AT_ONCE, most: TOLD_AT_ONCE, at: now }
    }

    /// Takes one; false when there is none left.
    pub(super) fn take(&mut self, now: Tick) -> bool {
        let more = now.saturating_sub(self.at) * VERIFIED_PER_S / 1_000;
        if more > 0 {
            self.left = (self.left + more).min(self.most);
            self.at = now;
        }
        let is_any = self.left > 0;
        self.left -= u64::from(is_any);
        is_any
    }
}

/// What is to be passed on to one peer of what nodes have on disk.
#[derive(Debug)]
pub(super) struct Gossip {
    /// By node, with whether someone waits for its words.
    waiting: BTreeMap<String, (bool, Words)>,
    budget: WordBudget,
    /// The node whose words were all told last: the others come before it.
    last: String,
    /// The budget ended before the words did.
    pub(super) is_behind: bool,
}

impl Gossip {
    pub(super) fn new(now: Tick) -> Self {
        let (waiting, budget) = (BTreeMap::new(), WordBudget::to_tell(now));
        Self { waiting, budget, last: String::new(), is_behind: false }
    }

    /// Takes one more. Of so many nodes, no more are taken down.
    pub(super) fn add(&mut self, urgent: bool, word: &Arc<Word>) {
        if self.waiting.len() >= GOSSIP_NAMES_MAX && !self.waiting.contains_key(&word.node) {
            return;
        }
        let (is_urgent, words) = self.waiting.entry(word.node.clone()).or_default();
        *is_urgent |= urgent;
        words.add(word);
    }

    /// The words of nodes for which someone waits.
    pub(super) fn take_urgent(&mut self) -> Vec<Arc<Word>> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let urgent = self.waiting.extract_if(.., |_, (is_urgent, _)| *is_urgent);
        urgent.flat_map(|(_, (_, words))| words.0).collect()
    }

    /// The words of one node.
    pub(super) fn take_of(&mut self, node: &str) -> Vec<Arc<Word>> {
        self.waiting.remove(node).map_or_else(Vec::new, |(_, words)| words.0.into())
    }

    /// Words of others, as many as the peer verifies, the nodes in turn.
    pub(super) fn take_some(&mut self, now: Tick) -> Vec<Arc<Word>> {
        let behind = self.waiting.range::<str, _>((Bound::Excluded(&*self.last), Bound::Unbounded));
        let before = self.waiting.range::<str, _>((Bound::Unbounded, Bound::Included(&*self.last)));
        let nodes: Vec<String> = behind.chain(before).map(|(node, _)| node.clone()).collect();
        let mut taken = Vec::new();
        self.is_behind = true;
        for node in nodes {
            let Some((_, words)) = self.waiting.get_mut(&node) else { continue };
            while !words.0.is_empty() {
                if !self.budget.take(now) {
                    return taken;
                }
                taken.extend(words.0.pop_front());
            }
            self.waiting.remove(&node);
            self.last = node;
        }
        self.is_behind = false;
        taken
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
        let mut budget = WordBudget::to_verify(0);
        let mut taken = |now| (0..1_000).filter(|_| budget.take(now)).count();
        assert_eq!(
            [taken(0), taken(1), taken(10), taken(1_010), taken(1 << 40)],
            [400, 0, 2, 200, 400]
        );
    }

    #[test]
    fn of_many_nodes_all_words_are_told_and_none_sooner_than_it_is_verified() {
        let node = |name: u64| format!("n{name:03}");
        let word = |name: u64, epoch: u64| {
            let held = upto(&[(epoch, 5)]);
            Arc::new(Word::sign(&SigningKey::from_seed([1; 32]), &node(name), held))
        };
        let (mut gossip, mut verified) = (Gossip::new(0), WordBudget::to_verify(0));
        let mut told: BTreeSet<(String, Vec<u8>)> = BTreeSet::new();
        for (name, epoch) in (0..64).flat_map(|name| (1..=10).map(move |epoch| (name, epoch))) {
            gossip.add(false, &word(name, epoch));
        }
        let mut now = 0;
        while gossip.is_behind || now == 0 {
            // Those who come first say more all the time, and hold up nobody.
            (0..10).for_each(|name| gossip.add(false, &word(name, 11 + now)));
            // What is told over two seconds may come at once.
            let late_ms = if (now / 1_000).is_multiple_of(2) { 900 } else { 0 };
            for word in gossip.take_some(now) {
                assert!(verified.take(now + late_ms), "{} at {now}", word.node);
                let mut held = Vec::new();
                word.held.encode(&mut held);
                told.insert((word.node.clone(), held));
            }
            now += 1_000;
            if told.iter().filter(|(name, _)| *name >= node(10)).count() == 540 {
                break;
            }
            assert!(now < 8_000, "{} were told", told.len());
        }
        gossip.add(true, &word(7, 1));
        assert!(gossip.take_urgent().iter().any(|word| word.node == node(7)));
        assert!(gossip.take_urgent().is_empty() && gossip.take_of(&node(7)).is_empty());
    }
}
