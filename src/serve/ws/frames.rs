//! The frames that readers were sent last: readers who stand at one place, and gave their
//! subscription one name, are sent the same bytes, cursor included and deflated once. Bounded in
//! number and in bytes. Nothing here has to be forgotten, as with the events of streams.

use crate::base::Chunk;
use crate::herd::Stand;
use crate::proto::ws::Form;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

/// As many as a reader is sent in one turn, so that the next reader finds them all.
const FRAMES_MAX: usize = super::talk::LOOKED_AT_MAX;
const BYTES_MAX: usize = 4 << 20;

/// Frames, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Frames {
    made: VecDeque<Made>,
    bytes: usize,
}

/// What a frame is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct For<'a> {
    /// Where its readers stand behind it.
    pub(super) stand: &'a Rc<Stand>,
    /// What their subscription is called, as JSON.
    pub(super) sub: &'a str,
    pub(super) form: Form,
}

#[derive(Debug)]
struct Made {
    stand: Rc<Stand>,
    sub: Box<str>,
    form: Form,
    json: Chunk,
    frame: Chunk,
}

impl Frames {
    /// The frame for an update that reads `json`, if it was made lately.
    pub(super) fn find(&self, of: For<'_>, json: &Chunk) -> Option<Chunk> {
        let is_it = |made: &&Made| {
            Rc::ptr_eq(&made.stand, of.stand)
                && Arc::ptr_eq(&made.json, json)
                && made.form == of.form
                && *made.sub == *of.sub
        };
        self.made.iter().rev().find(is_it).map(|made| Chunk::clone(&made.frame))
    }

    /// Keeps a frame that was just made.
    pub(super) fn keep(&mut self, of: For<'_>, json: &Chunk, frame: &Chunk) {
        self.bytes += frame.len();
        self.made.push_back(Made {
            stand: Rc::clone(of.stand),
            sub: of.sub.into(),
            form: of.form,
            json: Chunk::clone(json),
            frame: Chunk::clone(frame),
        });
        while self.made.len() > FRAMES_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.made.pop_front() else { break };
            self.bytes -= oldest.frame.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herd::Feed;
    use crate::store::{Birth, SimDisk, Store, StoreOptions};
    use crate::update::Epoch;

    #[test]
    fn a_frame_is_found_for_the_same_place_name_form_and_json_alone_and_the_oldest_give_way() {
        let fresh = Birth { epoch: Epoch(1), salt: 0 };
        let options = StoreOptions { fresh, ..StoreOptions::default() };
        let (store, _) = Store::open(Arc::new(SimDisk::new(1)), options).unwrap();
        let feeds = [Feed::live(&store), Feed::live(&store)];
        let stands = feeds.each_ref().map(|feed| feed.stand().expect("it replays nothing"));
        let json: [Chunk; 2] = [b"{}"[..].into(), b"{}"[..].into()];
        let of = For { stand: stands[0], sub: "\"a\"", form: Form::Plain };
        let mut frames = Frames::default();
        let frame: Chunk = b"frame"[..].into();
        frames.keep(of, &json[0], &frame);
        assert_eq!(frames.find(of, &json[0]), Some(frame));
        assert_eq!(frames.find(of, &json[1]), None);
        assert_eq!(frames.find(For { stand: stands[1], ..of }, &json[0]), None);
        assert_eq!(frames.find(For { sub: "1", ..of }, &json[0]), None);
        assert_eq!(frames.find(For { form: Form::Deflated(15), ..of }, &json[0]), None);
        for bytes in [10, BYTES_MAX / 10, 2 * BYTES_MAX] {
            for _ in 0..2 * FRAMES_MAX {
                frames.keep(of, &json[0], &vec![0; bytes].into());
            }
            assert!(frames.made.len() <= FRAMES_MAX && frames.bytes <= BYTES_MAX);
            assert_eq!(
                frames.bytes,
                frames.made.iter().map(|made| made.frame.len()).sum::<usize>()
            );
        }
    }
}
