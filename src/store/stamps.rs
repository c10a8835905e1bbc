//! What an audit compares: names, clocks and content ids of all that can be read. They are those of
//! the index and the seals, but each update's frame is read: what the log lost has none.

use super::{Place, Store, StoreError};
use crate::update::{Cid, Dot, Hlc, Seal, Span};

/// The name of an update, its clock and its id.
pub type Stamped = (Dot, (Hlc, Cid));

/// So many bytes of the log are read for one page: checking them takes a millisecond or so.
const PAGE_BYTES_MAX: u64 = 1 << 20;

impl Store {
    /// Names, clocks and ids of updates behind `after`, in the order of their names, and the name
    /// behind which to go on; `None` at the end. Looks at up to `limit` updates, and stops sooner
    /// where they are long: reads at most 1 MiB, or one update that alone is longer.
    pub fn stamps(
        &self,
        after: Option<Dot>,
        limit: usize,
    ) -> Result<(Vec<Stamped>, Option<Dot>), StoreError> {
        let (mut stamps, mut seal) = (Vec::new(), None);
        let (mut last, mut looked_at, mut bytes) = (after, 0, 0);
        for span in self.visible().spans() {
            let Some(Span { epoch, from, to }) = behind(span, after) else { continue };
            for (seq, place, clock) in self.index.places(epoch, (from, to), limit - looked_at)? {
                let dot = Dot { epoch, seq };
                // What was dropped leaves the index some time later.
                if self.contains(dot) {
                    let more = self.bytes_to_check(place)?;
                    if bytes > 0 && bytes + more > PAGE_BYTES_MAX {
                        return Ok((stamps, last));
                    }
                    bytes += more;
                    if self.is_whole(dot, place)?
                        && let Some(cid) = self.cid_by_seal(dot, &mut seal)?
                    {
                        stamps.push((dot, (clock, cid)));
                    }
                }
                last = Some(dot);
                looked_at += 1;
            }
            if looked_at == limit {
                return Ok((stamps, last));
            }
        }
        Ok((stamps, None))
    }

    /// How much [`Store::is_whole`] reads.
    fn bytes_to_check(&self, place: Place) -> Result<u64, StoreError> {
        let durable_end = self.durable_end();
        if place >= durable_end { Ok(0) } else { self.segments.frame_bytes(place, durable_end) }
    }

    /// The id of an update as its seal says it; of one that has no seal yet, as it is. The seal of
    /// the one before is tried first: they come in runs.
    fn cid_by_seal(
        &self,
        dot: Dot,
        seal: &mut Option<(Dot, Seal)>,
    ) -> Result<Option<Cid>, StoreError> {
        let known = seal.as_ref().filter(|(of, _)| of.epoch == dot.epoch);
        if let Some(cid) = known.and_then(|(_, seal)| seal.cid_at(dot.seq)) {
            return Ok(Some(cid));
        }
        *seal = self.find_seal(dot)?.map(|seal| (dot, seal));
        match seal.as_ref().and_then(|(_, seal)| seal.cid_at(dot.seq)) {
            Some(cid) => Ok(Some(cid)),
            None => Ok(self.find(dot)?.map(|update| update.cid())),
        }
    }

    /// True when the frame of an update is whole; takes note that it is lost otherwise.
    fn is_whole(&self, dot: Dot, place: Place) -> Result<bool, StoreError> {
        let durable_end = self.durable_end();
        let is_whole = place >= durable_end || self.segments.is_whole(place, durable_end)?;
        if !is_whole {
            self.note_lost(dot);
        }
        Ok(is_whole)
    }

    /// The first clock from which on everything is here that ever was: what retention dropped of an
    /// epoch is older than the first update behind it. Epochs of which nothing is left don't count.
    pub fn whole_since(&self) -> Result<Hlc, StoreError> {
        let mut since = Hlc(0);
        for (epoch, low) in self.lows() {
            let first = self.index.places(epoch, (low, u64::MAX), 1)?;
            since = first.first().map_or(since, |(_, _, clock)| since.max(*clock));
        }
        Ok(since)
    }
}

/// The part of a span that is behind a dot.
fn behind(span: Span, after: Option<Dot>) -> Option<Span> {
    let from = match after {
        Some(after) if after.epoch > span.epoch => return None,
        Some(after) if after.epoch == span.epoch => span.from.max(after.seq.saturating_add(1)),
        _ => span.from,
    };
    (from <= span.to).then_some(Span { from, ..span })
}
