//! Which updates were asked of which link, and until when: each of one link at a time. What does
//! not come in time is asked of the next that offers it.

use crate::base::Tick;
use crate::update::{Dot, Span, Vector};
use std::collections::BTreeSet;

/// The most dots that are asked for at once.
pub(super) const SLICE_DOTS: u64 = 512;
/// The most slices of a backlog that are asked of one link at a time.
const SLICES_MAX: usize = 2;
/// So few dots are no backlog: they are asked for at once, whatever else goes on.
pub(super) const LIVE_DOTS: u64 = 64;
/// The most such requests that are out on one link.
const LIVE_ASKS_MAX: usize = 32;
/// From how many links a backlog comes at a time.
const SYNCS_IN_MAX: usize = 2;
/// A link that nobody else can stand in for is asked again after so long at most.
pub(super) const PATIENCE_MS_MAX: u64 = 10_000;

/// What is asked of a link.
#[derive(Debug)]
pub(super) struct Ask<L> {
    pub(super) link: L,
    pub(super) dots: Vector,
    pub(super) is_live: bool,
    due: Tick,
    pub(super) patience_ms: u64,
}

/// All that is asked for.
#[derive(Debug)]
pub(super) struct Pulls<L> {
    asks: Vec<Ask<L>>,
    asked: Vector,
}

impl<L: Copy + Ord> Pulls<L> {
    pub(super) fn new() -> Self {
        Self { asks: Vec::new(), asked: Vector::new() }
    }

    /// All dots that are asked for.
    pub(super) fn asked(&self) -> &Vector {
        &self.asked
    }

    /// Takes down that these are asked of a link, for which `patience_ms` may pass without one of
    /// them.
    pub(super) fn ask(
        &mut self,
        link: L,
        dots: Vector,
        is_live: bool,
        patience_ms: u64,
        now: Tick,
    ) {
        self.asked.merge(&dots);
        let patience_ms = patience_ms.min(PATIENCE_MS_MAX);
        self.asks.push(Ask { link, dots, is_live, due: now + patience_ms, patience_ms });
    }

    /// One came from a link: `None` when it was not asked for there, or whether a request is done
    /// with it.
    pub(super) fn came(&mut self, link: L, dot: Dot, now: Tick) -> Option<bool> {
        let is_it = |ask: &Ask<L>| ask.link == link && ask.dots.contains(dot);
        let at = self.asks.iter().position(is_it)?;
        let ask = &mut self.asks[at];
        ask.dots.remove(dot);
        ask.due = now + ask.patience_ms;
        self.asked.remove(dot);
        let is_done = ask.dots.is_empty();
        if is_done {
            self.asks.swap_remove(at);
        }
        Some(is_done)
    }

    /// Of these dots, those that were asked of the link; they are no longer.
    pub(super) fn over(&mut self, link: L, dots: &Vector) -> Vector {
        let mut over = Vector::new();
        for ask in self.asks.iter_mut().filter(|ask| ask.link == link) {
            let mut spans: Vec<Span> = Vec::new();
            dots.spans().for_each(|span| spans.extend(shared(&ask.dots, span)));
            for span in spans {
                ask.dots.remove_span(span);
                self.asked.remove_span(span);
                over.insert_span(span);
            }
        }
        self.asks.retain(|ask| !ask.dots.is_empty());
        over
    }

    /// Nothing comes from this link any more.
    pub(super) fn forget(&mut self, link: L) {
        let gone = self.asks.extract_if(.., |ask| ask.link == link);
        for ask in gone {
            ask.dots.spans().for_each(|span| self.asked.remove_span(span));
        }
    }

    /// Takes out what did not come in time.
    pub(super) fn overdue(&mut self, now: Tick) -> Vec<Ask<L>> {
        let overdue: Vec<Ask<L>> = self.asks.extract_if(.., |ask| ask.due <= now).collect();
        for ask in &overdue {
            ask.dots.spans().for_each(|span| self.asked.remove_span(span));
        }
        overdue
    }

    /// When the next request of a link is overdue.
    pub(super) fn due(&self, link: L) -> Option<Tick> {
        self.asks.iter().filter(|ask| ask.link == link).map(|ask| ask.due).min()
    }

    /// Gives every request its time anew: it is this node that is slow.
    pub(super) fn extend(&mut self, now: Tick) {
        self.asks.iter_mut().for_each(|ask| ask.due = now + ask.patience_ms);
    }

    /// True when a few more dots may be asked of a link at once.
    pub(super) fn has_room_for_live(&self, link: L) -> bool {
        let live = self.asks.iter().filter(|ask| ask.link == link && ask.is_live);
        live.count() < LIVE_ASKS_MAX
    }

    /// True when one more slice of a backlog may be asked of a link.
    pub(super) fn has_room_for_slice(&self, link: L) -> bool {
        let slices = self.asks.iter().filter(|ask| !ask.is_live);
        let syncing: BTreeSet<L> = slices.clone().map(|ask| ask.link).collect();
        let may_sync = syncing.contains(&link) || syncing.len() < SYNCS_IN_MAX;
        may_sync && slices.filter(|ask| ask.link == link).count() < SLICES_MAX
    }
}

/// The parts of a span that a vector holds.
pub(super) fn shared(vector: &Vector, span: Span) -> Vec<Span> {
    let mut whole = Vector::new();
    whole.insert_span(span);
    vector.gaps(span).into_iter().for_each(|gap| whole.remove_span(gap));
    whole.spans().collect()
}
