//! What a peer says to be over, since retention dropped it, counts as had: so nobody asks for it
//! for ever. A liar could make its hearer count as had what it lacks, and even what is yet to be
//! published. So a peer is not believed alone: nobody else on a link may offer it, another one
//! says the same or none did for a while, and the epoch must have come as far: by what some other
//! node says, signed, to have, or by a later update of it that came and waits for its turn. Only a
//! peer beside which nobody was there for a while is believed by itself, since otherwise a herd of
//! which one node is left could give its archive to nobody.

use super::link::Link;
use super::pulls::shared;
use super::{Archive, Relay};
use crate::base::Tick;
use crate::update::{Dot, Epoch, Span, Vector};

impl<L: Copy + Ord> Relay<L> {
    /// Counts as had what peers say to be over, as far as that is to be believed. `attested` says
    /// up to which sequence number of an epoch any other node than a link's peer says to have;
    /// `None` when no other is known. True when [`Relay::next_step`] is to be called.
    pub fn take_passed<A: Archive>(
        &mut self,
        archive: &A,
        now: Tick,
        attested: impl Fn(L, Epoch) -> Option<u64>,
    ) -> bool {
        let saying = self.links.iter().filter(|(_, link)| !link.passed.is_empty());
        let saying: Vec<L> = saying.map(|(name, _)| *name).collect();
        let mut over = Vector::new();
        for name in &saying {
            let Some(at) = self.links.get(name) else { continue };
            for span in at.passed.beyond(archive.seen()) {
                let attested = attested(*name, span.epoch);
                let is_there = attested.map(|to| to.max(self.gate.last(span.epoch)));
                let to = is_there.filter(|_| !self.is_alone(*name, now)).unwrap_or(u64::MAX);
                let span = Span { to: span.to.min(to), ..span };
                // Of our own nobody knows better.
                if span.from <= span.to && span.epoch != archive.next_own().epoch {
                    let is_believed = attested.is_none() || self.has_stood(*name, now);
                    over.merge(&self.agreed(*name, span, is_believed));
                }
            }
        }
        if saying.is_empty() {
            return false;
        }
        let is_any = !over.is_empty();
        self.gate.pass(&over);
        self.plan(archive, now);
        is_any
    }

    /// Of what a peer says to be over, what nobody else still offers; and what another one says,
    /// too, unless it `is_believed` alone.
    fn agreed(&self, by: L, span: Span, is_believed: bool) -> Vector {
        let name_of = |link: &Link| link.peer.as_ref().map(|peer| peer.name.clone());
        let its_name = self.links.get(&by).and_then(name_of);
        // For a moment there may be two links to one peer.
        let others = || {
            let links = self.links.values().filter(|link| link.is_up());
            links.filter(|link| name_of(link) != its_name)
        };
        let mut agreed = Vector::new();
        if is_believed {
            agreed.insert_span(span);
        } else {
            for link in others() {
                for span in shared(&link.passed, span) {
                    agreed.insert_span(span);
                }
            }
        }
        for link in others() {
            let mut offered = Vector::new();
            for span in shared(&link.has, span) {
                offered.insert_span(span);
            }
            link.passed.spans().for_each(|span| offered.remove_span(span));
            link.unsent.spans().for_each(|span| offered.remove_span(span));
            offered.spans().for_each(|span| agreed.remove_span(span));
        }
        agreed
    }

    /// True when no second link was there for a while, and this one all the time.
    fn is_alone(&self, link: L, now: Tick) -> bool {
        let up = self.links.values().filter(|link| link.is_up()).count();
        let alone_since = self.links.get(&link).map(|link| link.greeted_at.max(self.alone_since));
        up == 1 && alone_since.is_some_and(|since| now - since >= self.settings.alone_ms)
    }

    /// True when a link stood for long enough for others to come up beside it.
    fn has_stood(&self, link: L, now: Tick) -> bool {
        self.links.get(&link).is_some_and(|link| now - link.greeted_at >= self.settings.alone_ms)
    }
}

impl Link {
    /// True when the peer has this, and did not say that it is over.
    pub(super) fn offers(&self, dot: Dot) -> bool {
        self.has.contains(dot) && !self.passed.contains(dot)
    }
}
