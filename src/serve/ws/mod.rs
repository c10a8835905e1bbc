//! WebSocket over a node: `/v1/ws`, which reads and writes like the rest of `/v1`, and
//! `/v1/ws/echo`, which sends each message back. HTTP hands a connection over in place
//! (`serve/http/upgrade.rs`); from then on `socket` has it: pings, close, bounds. What a message of
//! `/v1/ws` asks for is read by `words`, done by `talk` (`writes`, `subscription`), and what many
//! readers are sent is made once by `frames`.

mod frames;
mod socket;
mod subscription;
mod talk;
mod words;
mod writes;

use crate::proto::ws::Flate;
use crate::reactor::{ConnId, Ctx};
use frames::Frames;
use std::collections::BTreeSet;

pub(super) use socket::{Purpose, Socket};

/// What the sockets of a node share: one value for the whole node.
#[derive(Debug, Default)]
pub struct Sockets {
    flate: Flate,
    frames: Frames,
    open: BTreeSet<ConnId>,
}

impl Sockets {
    /// Tells all sockets that something changed that is for all of them: the node is about to stop.
    pub fn notify<S>(&self, cx: &mut Ctx<'_, S>) {
        for conn in &self.open {
            cx.transport_of(*conn).notify();
        }
    }
}
