//! Questions to all nodes of the herd, and the way of their answers: a question goes out over every
//! link, and is passed on by each node over all its other links, once; an answer goes back over the
//! link on which its question came. So nothing is sent while nobody asks, it works in any topology,
//! and a node that died or hangs is missing among the answers instead of being reported by others.
//!
//! Nothing is believed here. Everything is bounded: questions that are open, answers and their
//! bytes by question and link, questions a second by link, and what waits to be sent on a link.

use super::Relay;
use crate::base::{OutBuf, Tick};
use crate::proto::peer::{Frame, Inquire};
use crate::update::{PublicKey, Statement};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A question goes over so many links at most: more than the diameter of any sane herd.
const HOPS_MAX: u8 = 32;
/// Questions by which the herd is watched whose answers may still come.
const WATCHES_MAX: usize = 64;
/// All others likewise: whoever may read may ask them, so they get a part of their own.
const OTHERS_MAX: usize = 192;
/// Answers later than this are dropped.
const OPEN_MS: u64 = 10_000;
/// Nodes that may answer one question by way of one link: keys cost nothing, so that who makes them
/// up fills the room of the own link only.
const ANSWERS_MAX: usize = 1024;
/// Bytes of all these answers.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Questions of each of these two sorts that a link may bring a second, and at once.
const ASKED_PER_S: u64 = 10;
const ASKED_AT_ONCE: u64 = 20;
/// Bytes that may wait to be sent on a link; more are dropped, and missing where they were to go.
const WAITING_BYTES_MAX: usize = 2 << 20;

/// One question.
#[derive(Debug)]
struct Open<L> {
    /// Where it came from; `None`: it is ours.
    back: Option<L>,
    is_watch: bool,
    until: Tick,
    answered: BTreeSet<PublicKey>,
    /// What came on each link; `None`: from this node itself.
    taken: BTreeMap<Option<L>, Taken>,
}

/// What came on a link in answer to one question.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    answers: usize,
    bytes: usize,
}

impl Taken {
    /// With one more answer; `None` when that is too much.
    fn with(self, said: &Statement) -> Option<Self> {
        let (answers, bytes) = (self.answers + 1, self.bytes + said.body.len());
        (answers <= ANSWERS_MAX && bytes <= ANSWER_BYTES_MAX).then_some(Self { answers, bytes })
    }
}

/// The questions that are under way.
#[derive(Debug)]
pub(super) struct Inquiries<L> {
    open: BTreeMap<u64, Open<L>>,
}

/// Where an answer belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination<L> {
    /// To who asked this node.
    Link(L),
    /// Here.
    Here,
}

impl<L: Copy + Ord> Inquiries<L> {
    pub(super) fn new() -> Self {
        Self { open: BTreeMap::new() }
    }

    /// Opens a question; false when it is known, or when there are too many of its sort.
    fn open(&mut self, asked: &Inquire<'_>, back: Option<L>, now: Tick) -> bool {
        self.open.retain(|_, open| open.until > now);
        let is_watch = asked.is_watch();
        let alike = self.open.values().filter(|open| open.is_watch == is_watch).count();
        let most = if is_watch { WATCHES_MAX } else { OTHERS_MAX };
        if alike >= most || self.open.contains_key(&asked.number) {
            return false;
        }
        let until = now + OPEN_MS;
        let open =
            Open { back, is_watch, until, answered: BTreeSet::new(), taken: BTreeMap::new() };
        self.open.insert(asked.number, open);
        true
    }

    /// Where an answer to a question that came on a link goes; `None` when nobody waits for it.
    fn place(&mut self, said: &Statement, on: Option<L>, now: Tick) -> Option<Destination<L>> {
        let open = self.open.get_mut(&said.inquiry).filter(|open| open.until > now)?;
        let taken = open.taken.get(&on).copied().unwrap_or_default().with(said)?;
        if !open.answered.insert(said.key) {
            return None;
        }
        open.taken.insert(on, taken);
        Some(open.back.map_or(Destination::Here, Destination::Link))
    }

    fn is_wanted(&self, said: &Statement, on: Option<L>, now: Tick) -> bool {
        let open = self.open.get(&said.inquiry).filter(|open| open.until > now);
        open.is_some_and(|open| {
            let taken = open.taken.get(&on).copied().unwrap_or_default();
            taken.with(said).is_some() && !open.answered.contains(&said.key)
        })
    }
}

/// How many questions a link may bring: those by which the herd is watched, and all others.
#[derive(Debug)]
pub(super) struct AskBudget {
    watches: Allowance,
    others: Allowance,
}

impl AskBudget {
    pub(super) fn new(now: Tick) -> Self {
        let full = || Allowance { left: ASKED_AT_ONCE, at: now };
        Self { watches: full(), others: full() }
    }

    fn take(&mut self, asked: &Inquire<'_>, now: Tick) -> bool {
        let sort = if asked.is_watch() { &mut self.watches } else { &mut self.others };
        sort.take(now)
    }
}

/// What is left for questions of one sort.
#[derive(Debug)]
struct Allowance {
    left: u64,
    at: Tick,
}

impl Allowance {
    fn take(&mut self, now: Tick) -> bool {
        let more = now.saturating_sub(self.at) * ASKED_PER_S / 1_000;
        if more > 0 {
            self.left = (self.left + more).min(ASKED_AT_ONCE);
            self.at = now;
        }
        let is_any = self.left > 0;
        self.left -= u64::from(is_any);
        is_any
    }
}

/// Questions and answers that wait to be sent on a link, as frames.
#[derive(Debug, Default)]
pub(super) struct Talk {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Talk {
    fn put(&mut self, frame: &Frame<'_>) -> bool {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        let fits = self.bytes + bytes.len() <= WAITING_BYTES_MAX;
        if fits {
            self.bytes += bytes.len();
            self.frames.push_back(bytes);
        }
        fits
    }

    /// Writes as many as there is room for, at least one: nothing that a link carries may starve
    /// them, and they starve nothing.
    pub(super) fn write(&mut self, full: usize, out: &mut OutBuf) {
        while let Some(frame) = self.frames.pop_front() {
            self.bytes -= frame.len();
            out.put(&frame);
            if out.len() >= full {
                return;
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

impl<L: Copy + Ord> Relay<L> {
    /// Asks all nodes that can be reached. `number` is random, `about` within its bounds
    /// ([`crate::proto::peer::ABOUT_BYTES_MAX`]). False when too much is asked already.
    pub fn inquire(&mut self, number: u64, about: &[u8], now: Tick) -> bool {
        let asked = Inquire { number, hops: HOPS_MAX, about };
        let is_new = self.inquiries.open(&asked, None, now);
        if is_new {
            self.pass_on(None, asked);
        }
        is_new
    }

    /// A question came on a link: true when it is new, and to be answered with [`Relay::tell`]. It
    /// is passed on.
    pub(super) fn on_inquire(&mut self, link: L, asked: Inquire<'_>, now: Tick) -> bool {
        let Some(at) = self.links.get_mut(&link) else { return false };
        if !at.ask_budget.take(&asked, now) || !self.inquiries.open(&asked, Some(link), now) {
            return false;
        }
        if let Some(hops) = asked.hops.min(HOPS_MAX).checked_sub(1) {
            self.pass_on(Some(link), Inquire { hops, ..asked });
        }
        true
    }

    fn pass_on(&mut self, from: Option<L>, asked: Inquire<'_>) {
        for (name, link) in &mut self.links {
            let is_other = Some(*name) != from && link.is_up();
            if is_other && link.talk.put(&Frame::Inquire(asked)) {
                self.wake.insert(*name);
            }
        }
    }

    /// True when an answer that came on a link is waited for, so that it is worth verifying.
    pub fn awaits(&self, said: &Statement, on: Option<L>, now: Tick) -> bool {
        self.inquiries.is_wanted(said, on, now)
    }

    /// Takes a verified answer, this node's own or one that came on a link: it goes on to who
    /// asked. If that is this node it is given back.
    pub fn tell(&mut self, said: Statement, on: Option<L>, now: Tick) -> Option<Statement> {
        match self.inquiries.place(&said, on, now)? {
            Destination::Here => Some(said),
            Destination::Link(link) => {
                if let Some(at) = self.links.get_mut(&link).filter(|at| at.is_up())
                    && at.talk.put(&Frame::Tell(said))
                {
                    self.wake.insert(link);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::peer::ABOUT_METRICS;
    use crate::update::SigningKey;

    /// A question that is no watch.
    fn asks(number: u64) -> Inquire<'static> {
        Inquire { number, hops: 1, about: b"about" }
    }

    fn watches(number: u64) -> Inquire<'static> {
        Inquire { about: &[ABOUT_METRICS], ..asks(number) }
    }

    fn said(number: u64, seed: u8, bytes: usize) -> Statement {
        Statement::sign(&SigningKey::from_seed([seed; 32]), number, "a", vec![1; bytes])
    }

    #[test]
    fn an_answer_goes_where_its_question_came_from_once_and_in_time() {
        let mut inquiries: Inquiries<u8> = Inquiries::new();
        assert!(inquiries.open(&asks(1), Some(7), 0) && inquiries.open(&asks(2), None, 0));
        assert!(!inquiries.open(&asks(1), Some(8), 0), "a copy on another way");
        assert_eq!(inquiries.place(&said(1, 1, 9), Some(3), 5), Some(Destination::Link(7)));
        assert_eq!(inquiries.place(&said(1, 1, 9), Some(3), 5), None, "it said so already");
        assert_eq!(inquiries.place(&said(1, 2, 9), Some(3), 5), Some(Destination::Link(7)));
        assert_eq!(inquiries.place(&said(2, 1, 9), Some(3), 5), Some(Destination::Here));
        assert_eq!(inquiries.place(&said(3, 1, 9), Some(3), 5), None, "nobody asked");
        assert_eq!(inquiries.place(&said(1, 3, 9), Some(3), OPEN_MS), None, "too late");
        assert!(inquiries.open(&asks(1), Some(8), OPEN_MS), "by then it is forgotten");
    }

    #[test]
    fn questions_answers_and_their_bytes_are_bounded() {
        let mut inquiries: Inquiries<u8> = Inquiries::new();
        let opened = (0..1_000).filter(|number| inquiries.open(&asks(*number), None, 0)).count();
        assert_eq!(opened, OTHERS_MAX);
        let more = (1_000..2_000).filter(|number| inquiries.open(&watches(*number), None, 0));
        assert_eq!(more.count(), WATCHES_MAX, "none of their room is gone");
        let mib = 1 << 20;
        let taken =
            (0..32_u8).filter(|seed| inquiries.place(&said(5, *seed, mib), Some(3), 1).is_some());
        assert_eq!(taken.count(), ANSWER_BYTES_MAX / mib);
        assert!(
            !inquiries.is_wanted(&said(5, 99, mib), Some(3), 1),
            "its link has used its room up"
        );
        assert!(inquiries.is_wanted(&said(5, 99, mib), Some(4), 1), "and no other's");
        assert!(inquiries.place(&said(5, 99, mib), Some(4), 1).is_some());
        let mut budget = AskBudget::new(0);
        let mut taken = |asked, now| (0..100).filter(|_| budget.take(&asked, now)).count();
        let of_asks = [0, 10, 1_000, 1 << 40].map(|now| taken(asks(1), now));
        assert_eq!(of_asks, [20, 0, 10, 20]);
        assert_eq!(taken(watches(1), 1 << 40), 20, "the others left it alone");
        let mut talk = Talk::default();
        let frame = Frame::Tell(said(5, 1, 100_000));
        let put = (0..100).filter(|_| talk.put(&frame)).count();
        assert_eq!(put, WAITING_BYTES_MAX / 100_110);
        let mut out = OutBuf::new();
        talk.write(0, &mut out);
        assert!(out.len() > 100_000 && out.len() < 200_000, "one at least");
        talk.write(usize::MAX, &mut out);
        assert!(talk.is_empty() && talk.bytes == 0);
    }
}
