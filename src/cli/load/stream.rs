//! `sse:`: connections that read a stream of updates, and when each update came to the first and
//! to the last of them.

use super::crew::Crew;
use super::http::{Template, read_stamp};
use super::tally::{Times, Trouble};
use crate::base::InBuf;
use crate::proto::http::{Event, HttpLimits, ResponseCodec};
use crate::proto::sse::{Decoder, Received};
use crate::reactor::{Ctx, Lost, Outcome, Protocol};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// The largest update of a topic is 16 MiB, and JSON makes bytes longer.
const EVENT_BYTES_MAX: usize = 64 << 20;
/// Updates whose deliveries are told apart; those beyond are only counted.
const UPDATES_MAX: usize = 1_000_000;

/// One reader of a stream.
pub(super) struct Stream {
    seat: usize,
    ask: Arc<Template>,
    codec: ResponseCodec,
    events: Decoder,
    /// The server took us for a reader.
    is_up: bool,
}

impl Stream {
    pub(super) fn new(seat: usize, ask: &Arc<Template>) -> Self {
        let codec = ResponseCodec::new(HttpLimits::default());
        let events = Decoder::new(EVENT_BYTES_MAX, "");
        Self { seat, ask: Arc::clone(ask), codec, events, is_up: false }
    }

    fn on_head(&mut self, cx: &mut Ctx<'_, Crew>, crew: &mut Crew, status: u16) {
        *crew.tally.statuses.entry(status).or_default() += 1;
        if status == 200 {
            self.is_up = true;
            crew.deliveries.streams += 1;
        } else {
            crew.tally.note_trouble(Trouble::Refused, 1);
            cx.transport().close();
        }
        crew.settle(cx, self.seat);
    }

    fn read(&mut self, crew: &mut Crew, now_ns: u64, mut bytes: &[u8]) -> Outcome {
        while let Some(received) = self.events.next(&mut bytes)? {
            if let Received::Event { name, data, .. } = received
                && name == "update"
            {
                crew.delivered(now_ns, &data);
            }
        }
        Ok(())
    }
}

impl Protocol<Crew> for Stream {
    fn made(&mut self, cx: &mut Ctx<'_, Crew>, crew: &mut Crew) -> Outcome {
        crew.came_up(cx, self.seat);
        cx.transport().write(&self.ask.bytes);
        Ok(())
    }

    fn received(&mut self, cx: &mut Ctx<'_, Crew>, crew: &mut Crew, input: &mut InBuf) -> Outcome {
        let now_ns = crew.clock(cx);
        while cx.more() {
            let event = match self.codec.next(input) {
                Ok(None) => break,
                Ok(Some(event)) => event,
                Err(fault) => {
                    crew.trouble(Trouble::Wire, 1);
                    self.is_up = false;
                    return Err(fault.into());
                }
            };
            match event {
                Event::Head(head) => self.on_head(cx, crew, head.status.code()),
                Event::Body(bytes) => self.read(crew, now_ns, bytes)?,
                Event::End => cx.transport().close(),
            }
        }
        Ok(())
    }

    fn lost(&mut self, cx: &mut Ctx<'_, Crew>, crew: &mut Crew, _: Lost) {
        if self.is_up {
            crew.deliveries.streams -= 1;
            crew.trouble(Trouble::Closed, 1);
        }
        crew.vacate(cx, self.seat);
    }
}

/// One update on its way to the readers.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    /// When it was meant to be published, if we published it; else when the first reader had it.
    from_ns: u64,
    last_ns: u64,
    readers: usize,
}

/// All deliveries of one thread's readers.
#[derive(Clone, Debug, Default)]
pub(super) struct Deliveries {
    pub(super) count: u64,
    /// Streams that are open.
    pub(super) streams: usize,
    updates: HashMap<u64, Delivery>,
    /// From publication to each reader, of updates that we published.
    times: Option<Times>,
}

impl Deliveries {
    /// An update came to one reader; false when it was published before counting began.
    fn note_stamped(&mut self, now_ns: u64, began_ns: u64, stamp: (u64, u64)) -> bool {
        let (number, start_ns) = stamp;
        if start_ns < began_ns {
            return false;
        }
        self.times.get_or_insert_with(Times::new).note(now_ns.saturating_sub(start_ns));
        self.follow(number, start_ns, now_ns);
        true
    }

    /// An update came to one reader, as JSON: true when it counts.
    pub(super) fn note(&mut self, now_ns: u64, began_ns: u64, json: &str) -> bool {
        let behind = |mark: &str| json.split_once(mark).map(|(_, rest)| rest);
        let stamp = behind("\"body\":\"").and_then(read_stamp);
        let counts = if let Some(stamp) = stamp {
            self.note_stamped(now_ns, began_ns, stamp)
        } else {
            let mut hasher = DefaultHasher::new();
            let id = behind("\"id\":\"").and_then(|rest| rest.split('"').next());
            id.unwrap_or(json).hash(&mut hasher);
            self.follow(hasher.finish(), now_ns, now_ns);
            true
        };
        self.count += u64::from(counts);
        counts
    }

    fn follow(&mut self, update: u64, from_ns: u64, now_ns: u64) {
        if self.updates.len() >= UPDATES_MAX && !self.updates.contains_key(&update) {
            return;
        }
        let fresh = Delivery { from_ns, last_ns: now_ns, readers: 0 };
        let delivery = self.updates.entry(update).or_insert(fresh);
        delivery.last_ns = delivery.last_ns.max(now_ns);
        delivery.readers += 1;
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.streams += other.streams;
        if let Some(times) = other.times {
            self.times.get_or_insert_with(Times::new).merge(&times);
        }
        for (update, theirs) in other.updates {
            let ours = self.updates.entry(update).or_insert(Delivery { readers: 0, ..theirs });
            ours.from_ns = ours.from_ns.min(theirs.from_ns);
            ours.last_ns = ours.last_ns.max(theirs.last_ns);
            ours.readers += theirs.readers;
        }
    }

    /// From publication to each reader; `None` when others published.
    pub(super) fn times(&self) -> Option<&Times> {
        self.times.as_ref()
    }

    /// How many updates came to anybody, and, of those that came to all readers, the time from
    /// publication (or the first delivery, if others published) to the last delivery.
    pub(super) fn last(&self, readers: usize) -> (usize, Times) {
        let mut last = Times::new();
        for delivery in self.updates.values().filter(|delivery| delivery.readers >= readers) {
            last.note(delivery.last_ns - delivery.from_ns);
        }
        (self.updates.len(), last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_updates_are_timed_from_their_stamp_to_each_reader_and_to_the_last() {
        let body = |number: u64, start_ns: u64| {
            format!("{{\"id\":\"x\",\"body\":\"{number:020} {start_ns:020} ...\"}}")
        };
        let mut one = Deliveries::default();
        assert!(!one.note(2_000_000, 1_500_000, &body(1, 1_400_000)), "published in warm-up");
        assert!(one.note(5_000_000, 1_500_000, &body(2, 2_000_000)));
        let mut other = Deliveries::default();
        assert!(other.note(9_000_000, 1_500_000, &body(2, 2_000_000)));
        assert!(other.note(9_000_000, 1_500_000, &body(3, 8_000_000)));
        one.merge(other);
        assert_eq!((one.count, one.times().unwrap().len()), (3, 3));
        let (updates, last) = one.last(2);
        assert_eq!((updates, last.len()), (2, 1), "the third came to one reader only");
        assert!((last.max() as f64 / 7e6 - 1.0).abs() < 0.01, "{}", last.max());
    }

    #[test]
    fn updates_of_others_are_timed_from_their_first_delivery() {
        let mut deliveries = Deliveries::default();
        for now_ns in [1_000_000, 3_000_000] {
            assert!(deliveries.note(now_ns, 0, "{\"id\":\"abc\",\"kind\":\"report\"}"));
        }
        assert!(deliveries.times().is_none());
        let (updates, last) = deliveries.last(2);
        assert_eq!((updates, last.len()), (1, 1));
        assert!((last.max() as f64 / 2e6 - 1.0).abs() < 0.01);
    }
}
