//! Updates as JSON, each made once for all that read it at about the same time.

use crate::base::Chunk;
use crate::update::{Cid, Update};
use std::collections::{BTreeMap, VecDeque};

const BYTES_MAX: usize = 4 << 20;

/// The JSON of the updates read last, bounded by bytes.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    chunks: BTreeMap<Cid, Chunk>,
    order: VecDeque<Cid>,
    bytes: usize,
}

impl Rendered {
    /// The JSON of an update, by `render` when it was not made lately.
    pub(super) fn of(&mut self, update: &Update, render: impl FnOnce() -> Vec<u8>) -> Chunk {
        if let Some(chunk) = self.chunks.get(&update.cid()) {
            return Chunk::clone(chunk);
        }
        let chunk: Chunk = render().into();
        self.bytes += chunk.len();
        self.order.push_back(update.cid());
        self.chunks.insert(update.cid(), Chunk::clone(&chunk));
        while self.bytes > BYTES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self.chunks.remove(&oldest).map_or(0, |chunk| chunk.len());
        }
        chunk
    }
}
