//! What a relay asks of which link. A backlog is asked for in slices, oldest first by origin,
//! different slices of different links; what a link does not send in time is asked of the next.

use super::link::Link;
use super::pulls::{LIVE_DOTS, PATIENCE_MS_MAX, SLICE_DOTS};
use super::{Archive, Relay};
use crate::base::Tick;
use crate::update::{Dot, Span, Vector};
use std::collections::BTreeMap;

/// How far ahead of what an epoch's log has a slice may begin, in sequence numbers: what comes out
/// of turn waits in memory.
const AHEAD_DOTS: u64 = 8 * SLICE_DOTS;
/// The same link is not asked again for the same before this.
const AGAIN_MS: u64 = 2_000;
/// Of what the log lost, so much is asked for at a time.
const LOST_DOTS: usize = 64;

impl<L: Copy + Ord> Relay<L> {
    /// Asks a link for dots.
    pub(super) fn ask(&mut self, link: L, dots: Vector, is_live: bool, now: Tick) {
        let Some(at) = self.links.get_mut(&link).filter(|_| !dots.is_empty()) else { return };
        let patience_ms = at.patience_ms();
        self.pulls.ask(link, dots.clone(), is_live, patience_ms, now);
        at.requests.push((false, dots));
        self.wake.insert(link);
    }

    /// Asks for what is missing, as far as the caps go. Links take turns by lot, so that the nodes
    /// of a herd do not all ask the same ones.
    pub(super) fn plan<A: Archive>(&mut self, archive: &A, now: Tick) {
        if self.is_held_back {
            return;
        }
        let wants = self.links.iter().filter(|(_, link)| link.is_up() && !link.todo.is_empty());
        let mut links: Vec<L> = wants.map(|(name, _)| *name).collect();
        while !links.is_empty() {
            let at = self.rng.below(links.len() as u64) as usize;
            let link = links[at];
            let has_slices = self.pulls.has_room_for_slice(link);
            let is_asked = (has_slices || self.pulls.has_room_for_live(link))
                && self.ask_slice(link, has_slices, archive, now);
            if !is_asked {
                links.swap_remove(at);
            }
        }
    }

    /// Asks one link for the next slice of what it has and we lack. False when there is none, or
    /// it would be a backlog and that may not be.
    fn ask_slice<A: Archive>(
        &mut self,
        link: L,
        may_be_backlog: bool,
        archive: &A,
        now: Tick,
    ) -> bool {
        let Some(at) = self.links.get_mut(&link) else { return false };
        let missing = at.todo.beyond(archive.seen());
        at.todo = missing.iter().fold(Vector::new(), |mut todo, span| {
            todo.insert_span(*span);
            todo
        });
        let slice = self.slice(link, &missing, archive);
        let count = slice.count();
        let is_live = count <= LIVE_DOTS && self.pulls.has_room_for_live(link);
        if count == 0 || !(is_live || may_be_backlog) {
            return false;
        }
        self.ask(link, slice, is_live, now);
        true
    }

    /// The oldest of what is missing, origin by origin: first of origins that nobody was asked for.
    fn slice<A: Archive>(&self, link: L, missing: &[Span], archive: &A) -> Vector {
        let is_crowded = self.gate.is_crowded();
        let mut slice = Vector::new();
        let mut room = SLICE_DOTS;
        for is_second_pass in [false, true] {
            for span in missing {
                let is_busy = self.pulls.asked().last(span.epoch) > 0;
                if is_busy != is_second_pass || !self.may_take_from(link, span.epoch, archive) {
                    continue;
                }
                let last = archive.seen().last(span.epoch);
                let to = span.to.min(last.saturating_add(AHEAD_DOTS));
                // In a crowd nothing is asked for but what can go straight into the log: the rest
                // would be dropped, and asked for again, for ever.
                let next = Dot { epoch: span.epoch, seq: last + 1 };
                let is_its_turn = span.from == next.seq
                    && !self.pulls.asked().contains(next)
                    && !self.is_on_its_way(next);
                let must_wait = is_crowded && !is_its_turn;
                if span.from > to || must_wait || self.is_better_elsewhere(link, *span) {
                    continue;
                }
                for gap in self.pulls.asked().gaps(Span { to, ..*span }) {
                    room -= self.take_from(gap, room, &mut slice);
                    if room == 0 {
                        return slice;
                    }
                }
            }
        }
        slice
    }

    /// Takes up to `room` dots of a span into a slice, those left out that are on their way.
    fn take_from(&self, span: Span, room: u64, slice: &mut Vector) -> u64 {
        let mut taken = 0;
        for seq in span.from..=span.to {
            if taken == room {
                break;
            }
            let dot = Dot { epoch: span.epoch, seq };
            if !self.is_on_its_way(dot) {
                slice.insert(dot);
                taken += 1;
            }
        }
        taken
    }

    /// True when retention dropped it at this peer, and another one has it whole.
    fn is_better_elsewhere(&self, link: L, span: Span) -> bool {
        let Some(at) = self.links.get(&link) else { return false };
        let is_whole = |link: &Link| link.low(span.epoch) <= span.from;
        let first = Dot { epoch: span.epoch, seq: span.from };
        let has = |link: &Link| link.is_up() && link.has.contains(first);
        !is_whole(at) && self.links.values().any(|other| has(other) && is_whole(other))
    }

    /// Asks others for what did not come in time; the same one again where there is no other.
    pub(super) fn ask_others<A: Archive>(&mut self, archive: &A, now: Tick) {
        if self.is_held_back {
            return self.pulls.extend(now);
        }
        for ask in self.pulls.overdue(now) {
            if ask.patience_ms >= PATIENCE_MS_MAX
                && let Some(at) = self.links.get_mut(&ask.link)
            {
                at.unsent.merge(&ask.dots);
            }
            let mut again = Vector::new();
            let mut elsewhere: BTreeMap<L, Vector> = BTreeMap::new();
            for span in ask.dots.beyond(archive.seen()) {
                for seq in span.from..=span.to {
                    let dot = Dot { epoch: span.epoch, seq };
                    if self.is_on_its_way(dot) {
                        continue;
                    }
                    match self.another(ask.link, dot) {
                        Some(other) => {
                            elsewhere.entry(other).or_default().insert(dot);
                        }
                        None => {
                            again.insert(dot);
                        }
                    }
                }
            }
            for (link, dots) in elsewhere {
                self.ask(link, dots, ask.is_live, now);
            }
            self.ask_again(ask.link, again, (ask.is_live, ask.patience_ms), now);
        }
    }

    /// Nobody else has it. Nothing is lost on a link that stands, so it is given much more time
    /// before it is asked again.
    fn ask_again(&mut self, link: L, dots: Vector, (is_live, ms): (bool, u64), now: Tick) {
        let Some(at) = self.links.get_mut(&link).filter(|_| !dots.is_empty()) else { return };
        let patience_ms = ms.saturating_mul(2).max(AGAIN_MS);
        self.pulls.ask(link, dots.clone(), is_live, patience_ms, now);
        at.requests.push((false, dots));
        self.wake.insert(link);
    }

    /// Asks whoever has it for what the log lost: some of it, each time of peers drawn by lot. To
    /// be called now and then.
    pub fn ask_for_lost<A: Archive>(&mut self, archive: &A, now: Tick) {
        if self.is_held_back {
            return;
        }
        let lost = archive.lost();
        let dots = lost
            .spans()
            .flat_map(|span| (span.from..=span.to).map(move |seq| Dot { epoch: span.epoch, seq }));
        let mut wanted: BTreeMap<L, Vector> = BTreeMap::new();
        let waits = |dot: &Dot| !self.pulls.asked().contains(*dot) && !self.is_on_its_way(*dot);
        let holders = |dot: Dot| {
            let has =
                |(name, link): (&L, &Link)| (link.is_up() && link.offers(dot)).then_some(*name);
            let holders: Vec<L> = self.links.iter().filter_map(has).collect();
            (!holders.is_empty()).then_some((dot, holders))
        };
        // Those that nobody offers now must not stand before the others.
        let dots: Vec<(Dot, Vec<L>)> =
            dots.filter(waits).filter_map(holders).take(LOST_DOTS).collect();
        for (dot, holders) in dots {
            let at = self.rng.below(holders.len() as u64) as usize;
            wanted.entry(holders[at]).or_default().insert(dot);
        }
        for (link, dots) in wanted {
            self.ask(link, dots, true, now);
        }
    }

    /// Another link whose peer has this: the one with the shortest way among those that are asked
    /// for nothing, or for something.
    fn another(&self, than: L, dot: Dot) -> Option<L> {
        let others = self
            .links
            .iter()
            .filter(|(name, link)| **name != than && link.is_up() && link.offers(dot));
        let best = others.min_by_key(|(name, link)| (self.pulls.due(**name), link.patience_ms()));
        best.map(|(name, _)| *name)
    }
}
