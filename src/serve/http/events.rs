//! The events that streams were sent last, whole and framed: readers who stand at one place are
//! sent the same bytes, cursor included. Bounded in number and in bytes.
//!
//! Nothing here has to be forgotten: an event counts only for the very JSON that it was made of,
//! and the node makes that anew when what it says has changed.

use crate::base::Chunk;
use crate::herd::Stand;
use crate::proto::http::SharedPiece;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

/// As many as a reader is sent in one turn, so that the next reader finds them all.
const EVENTS_MAX: usize = super::stream::LOOKED_AT_MAX;
const BYTES_MAX: usize = 4 << 20;

/// One value for a whole node.
#[derive(Debug, Default)]
pub struct Events {
    /// The oldest first.
    made: VecDeque<Made>,
    bytes: usize,
}

#[derive(Debug)]
struct Made {
    /// Where its readers stand behind it.
    stand: Rc<Stand>,
    json: Chunk,
    event: SharedPiece,
}

impl Events {
    /// The event that takes readers to `stand` with an update that reads `json`, by `make` when it
    /// was not made lately.
    pub(super) fn of(
        &mut self,
        stand: &Rc<Stand>,
        json: &Chunk,
        make: impl FnOnce() -> SharedPiece,
    ) -> SharedPiece {
        let is_it = |made: &&Made| Rc::ptr_eq(&made.stand, stand) && Arc::ptr_eq(&made.json, json);
        if let Some(made) = self.made.iter().rev().find(is_it) {
            return made.event.clone();
        }
        let event = make();
        self.bytes += event.bytes();
        let (stand, json) = (Rc::clone(stand), Chunk::clone(json));
        self.made.push_back(Made { stand, json, event: event.clone() });
        while self.made.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.made.pop_front() else { break };
            self.bytes -= oldest.event.bytes();
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herd::{Feed, Trail};
    use crate::store::{Birth, SimDisk, Store, StoreOptions};
    use crate::update::{Dot, Epoch};

    fn piece(byte: u8, bytes: usize) -> SharedPiece {
        SharedPiece::new(&vec![byte; bytes])
    }

    /// The event for a reader, `made` if none was.
    fn of(events: &mut Events, feed: &Feed, json: &Chunk, made: u8) -> SharedPiece {
        events.of(feed.stand().expect("it replays nothing"), json, || piece(made, 100))
    }

    #[test]
    fn an_event_is_made_once_for_a_place_and_a_json_and_anew_for_another() {
        let fresh = Birth { epoch: Epoch(1), salt: 0 };
        let options = StoreOptions { fresh, ..StoreOptions::default() };
        let (store, _) = Store::open(Arc::new(SimDisk::new(1)), options).unwrap();
        let trail = Trail::default();
        let begin = || Feed::live(&store).along(&trail, &store);
        let (one, other, mut far) = (begin(), begin(), begin());
        far.learn(Dot { epoch: Epoch(9), seq: 1 });
        let json: [Chunk; 2] = [b"{}"[..].into(), b"{}"[..].into()];
        let mut events = Events::default();
        assert_eq!(of(&mut events, &one, &json[0], b'a'), piece(b'a', 100));
        assert_eq!(of(&mut events, &other, &json[0], b'b'), piece(b'a', 100), "the same place");
        assert_eq!(of(&mut events, &far, &json[0], b'c'), piece(b'c', 100), "another cursor");
        assert_eq!(of(&mut events, &one, &json[1], b'd'), piece(b'd', 100), "the story changed");
        assert_eq!(of(&mut events, &other, &json[0], b'e'), piece(b'a', 100));
    }

    #[test]
    fn the_oldest_events_give_way() {
        let fresh = Birth { epoch: Epoch(1), salt: 0 };
        let options = StoreOptions { fresh, ..StoreOptions::default() };
        let (store, _) = Store::open(Arc::new(SimDisk::new(1)), options).unwrap();
        let feed = Feed::live(&store);
        let mut events = Events::default();
        for bytes in [10, BYTES_MAX / 10] {
            for _ in 0..2 * EVENTS_MAX {
                events.of(feed.stand().unwrap(), &b"{}"[..].into(), || piece(b'x', bytes));
            }
            assert!(events.made.len() <= EVENTS_MAX && events.bytes <= BYTES_MAX);
            let held: usize = events.made.iter().map(|made| made.event.bytes()).sum();
            assert_eq!(events.bytes, held);
        }
        assert_eq!(events.made.len(), 9);
    }
}
