//! What is to happen, in order of time; of what happens at one moment, the earlier planned first.

use super::wire::Moment;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Something that happens.
#[derive(Debug)]
pub(super) enum Event {
    /// A link is dialled.
    Dial(u32),
    /// Bytes of a connection come to an end.
    Bytes { end: u32, session: u32, bytes: Vec<u8> },
    /// Something is due at an end.
    Timer { end: u32, session: u32 },
    /// There is room again at an end.
    Drained { end: u32, session: u32 },
    /// A node writes what it has to send, once it has read all that came.
    Turn(u32),
}

#[derive(Debug)]
struct Planned {
    at: Moment,
    place: u64,
    event: Event,
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.place).cmp(&(other.at, other.place))
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Planned {}

/// The events to come.
#[derive(Debug, Default)]
pub(super) struct Queue {
    events: BinaryHeap<Reverse<Planned>>,
    planned: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: Moment, event: Event) {
        self.planned += 1;
        self.events.push(Reverse(Planned { at, place: self.planned, event }));
    }

    /// The next event, if it happens until then.
    pub(super) fn pop(&mut self, until: Moment) -> Option<(Moment, Event)> {
        if self.events.peek()?.0.at > until {
            return None;
        }
        self.events.pop().map(|Reverse(Planned { at, event, .. })| (at, event))
    }

    /// How many events were planned so far.
    pub(super) fn planned(&self) -> u64 {
        self.planned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_in_which_they_were_planned() {
        let mut queue = Queue::default();
        for (at, number) in [(5, 1), (3, 2), (5, 3), (9, 4)] {
            queue.push(at, Event::Dial(number));
        }
        let mut came = Vec::new();
        while let Some((at, Event::Dial(number))) = queue.pop(5) {
            came.push((at, number));
        }
        assert_eq!(came, [(3, 2), (5, 1), (5, 3)]);
        assert_eq!(queue.planned(), 4);
    }
}
