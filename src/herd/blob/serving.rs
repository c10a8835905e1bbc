//! The sending end: pieces that links asked for, cut out of the archive's own bytes.

use super::{BlobError, tree};
use crate::base::{Chunk, OutBuf};
use crate::proto::peer::{AskPieces, PIECE_BYTES, put_piece_frame, put_piece_head};
use crate::store::StoreError;
use crate::update::{Cid, Dot, Update};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// Updates kept at hand while their pieces are asked for.
const OPEN_MAX: usize = 4;
/// Pieces that one link may ask for ahead.
const ASKS_MAX: usize = 16;

/// A piece to be sent.
#[derive(Clone, Debug)]
pub struct Served {
    cid: Cid,
    index: u16,
    /// The whole envelope, and which of its bytes; `None` when we have it not.
    part: Option<(Chunk, Range<usize>)>,
}

impl Served {
    /// Appends its frame; the piece is shared, not copied.
    pub fn put(&self, out: &mut OutBuf) {
        let part_bytes = self.part.as_ref().map_or(0, |(_, range)| range.len());
        put_piece_frame(out.tail(), size_of::<Cid>() + size_of::<u16>() + part_bytes);
        put_piece_head(out.tail(), self.cid, self.index);
        if let Some((chunk, range)) = &self.part {
            out.put_part(chunk, range.clone());
        }
    }
}

/// What the links of a node asked for.
///
/// Order of calls: [`Serving::on_ask`] for each ask; [`Serving::next`] while there is room in the
/// link's out-buffer; [`Serving::lost`] for a link that is gone; [`Serving::on_beat`] every second
/// or so.
#[derive(Debug, Default)]
pub struct Serving<L> {
    /// The one used last is last; true for those used since the last heartbeat.
    open: Vec<(Update, bool)>,
    asks: BTreeMap<L, VecDeque<(Dot, Cid, u16)>>,
}

impl<L: Copy + Ord> Serving<L> {
    /// Nothing is asked for.
    pub fn new() -> Self {
        Self { open: Vec::new(), asks: BTreeMap::new() }
    }

    /// Takes an ask of a link.
    pub fn on_ask(&mut self, link: L, ask: &AskPieces) -> Result<(), BlobError> {
        let asks = self.asks.entry(link).or_default();
        if asks.len() + ask.pieces.len() > ASKS_MAX {
            return Err(BlobError::Asks);
        }
        asks.extend(ask.pieces.iter().map(|piece| (ask.dot, ask.cid, *piece)));
        Ok(())
    }

    /// The next piece for a link; `get` reads the archive.
    pub fn next(
        &mut self,
        link: L,
        get: impl FnOnce(Dot) -> Result<Option<Update>, StoreError>,
    ) -> Result<Option<Served>, StoreError> {
        let Some((dot, cid, index)) = self.asks.get_mut(&link).and_then(VecDeque::pop_front) else {
            return Ok(None);
        };
        let kept = self.open.iter().position(|(update, _)| update.cid() == cid);
        let update = match kept {
            Some(at) => Some(self.open.remove(at).0),
            None => get(dot)?.filter(|update| update.cid() == cid && !update.is_erased()),
        };
        let part = update.and_then(|update| {
            let part = part(&update, index);
            self.keep(update);
            part
        });
        Ok(Some(Served { cid, index, part }))
    }

    /// True when a link asked for pieces that it did not get.
    pub fn is_asked(&self, link: L) -> bool {
        self.asks.get(&link).is_some_and(|asks| !asks.is_empty())
    }

    /// A link is gone.
    pub fn lost(&mut self, link: L) {
        self.asks.remove(&link);
    }

    /// A heartbeat: lets go of updates of which nothing was asked since the last one.
    pub fn on_beat(&mut self) {
        self.open.retain_mut(|(_, was_used)| std::mem::take(was_used));
    }

    /// Lets go of an update: its payload is erased.
    pub fn close(&mut self, dot: Dot) {
        self.open.retain(|(update, _)| update.dot() != dot);
    }

    /// How many updates are kept at hand.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    fn keep(&mut self, update: Update) {
        self.open.retain(|(kept, _)| kept.cid() != update.cid());
        if self.open.len() == OPEN_MAX {
            self.open.remove(0);
        }
        self.open.push((update, true));
    }
}

/// What proves the pieces of an update: its stub and their hashes. Hashes the payload.
pub fn prove(update: &Update) -> (Update, Vec<[u8; 32]>) {
    (update.erase(), tree::hashes(update.payload()))
}

/// The bytes of a piece within the envelope.
fn part(update: &Update, index: u16) -> Option<(Chunk, Range<usize>)> {
    let payload_at = update.raw().len() - update.payload().len();
    let from = payload_at + usize::from(index) * PIECE_BYTES;
    let to = update.raw().len().min(from + PIECE_BYTES);
    (from < to).then(|| (Chunk::clone(update.raw()), from..to))
}
