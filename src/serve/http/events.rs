//! The events that streams were sent last, whole and framed: readers who stand at one place are sent
//! the same bytes, cursor included. Bounded in number and in bytes.
//!
//! Nothing here has to be forgotten: an event counts only for the very JSON that it was made of, and
//! the node makes that anew when what it says has changed.

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
