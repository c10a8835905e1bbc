//! The first of what a node lacks, a round trip before what it asks for by name. A node that was
//! alone says in its hello what it has; who has more sends the first of that right behind its
//! state. Both ends draw it from the same two vectors, so both know what it is.

use super::relay::Relay;
use super::{Archive, link::Link};
use crate::base::Tick;
use crate::proto::peer::HELLO_RUNS_MAX;
use crate::update::{Span, Vector};

/// So many updates are sent without being named: little enough to be under way at once, and to be
/// had twice where another peer was faster.
const LEAD_DOTS: u64 = 32;
/// Who had a link so lately lacks little.
const ALONE_MS: u64 = 1_000;

/// Of whom the first of what is missing is wanted: of one at a time.
#[derive(Debug)]
pub(super) struct Lead<L> {
    /// The link, and what was said on it to be here.
    wanted: Option<(L, Vector)>,
    /// When the last link that was up was lost.
    linked_until: Option<Tick>,
}

impl<L: Copy + Ord> Lead<L> {
    pub(super) fn new() -> Self {
        Self { wanted: None, linked_until: None }
    }

    /// Nothing is to be expected of this link any more; what was said on it.
    pub(super) fn take(&mut self, link: L) -> Option<Vector> {
        self.wanted.take_if(|(of, _)| *of == link).map(|(_, said)| said)
    }

    /// A link is gone.
    pub(super) fn lost(&mut self, link: L, was_up: bool, now: Tick) {
        self.take(link);
        if was_up {
            self.linked_until = Some(now);
        }
    }
}

/// The first of what is offered and the other has not.
pub(super) fn lead_of(offered: &Vector, has: &Vector) -> Vector {
    let mut lead = Vector::new();
    let mut room = LEAD_DOTS;
    for span in offered.beyond(has) {
        if room == 0 {
            break;
        }
        let to = span.to.min(span.from.saturating_add(room - 1));
        room -= to - span.from + 1;
        lead.insert_span(Span { to, ..span });
    }
    lead
}

impl<L: Copy + Ord> Relay<L> {
    /// What to say on a link in the hello, if the first of what is missing is wanted of it.
    pub(super) fn want_lead<A: Archive>(
        &mut self,
        link: L,
        archive: &A,
        now: Tick,
    ) -> Option<Vector> {
        let was_alone = self.lead.linked_until.is_none_or(|until| now - until >= ALONE_MS);
        let is_alone = was_alone && !self.links.values().any(Link::is_up);
        let may = self.settings.catches_up && !self.is_held_back && self.lead.wanted.is_none();
        let said = archive.offered();
        if !(is_alone && may) || said.runs() > HELLO_RUNS_MAX {
            return None;
        }
        self.lead.wanted = Some((link, said.clone()));
        Some(said)
    }

    /// A peer said what it has: what of it is on its way unnamed need not be asked for.
    pub(super) fn expect_lead(&mut self, link: L, now: Tick) {
        let Some(said) = self.lead.take(link) else { return };
        let Some(at) = self.links.get(&link) else { return };
        let (lead, patience_ms) = (lead_of(&at.has, &said), at.patience_ms());
        if !lead.is_empty() {
            self.pulls.ask(link, lead, true, patience_ms, now);
        }
    }
}
