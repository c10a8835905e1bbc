//! Reads chosen dots back out of the log, merged over the epochs by the hybrid clock: what a peer
//! or a reader lacks, in an order fit to be shown. Memory is a few entries an epoch.

use super::{Place, Store, StoreError};
use crate::update::{Dot, Epoch, Hlc, Span, Update};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

const ENTRIES_AT_ONCE: usize = 16;

/// A reading of spans. Updates come out in order of (clock, epoch, sequence number), but never out
/// of order within an epoch, even where its clock is.
#[derive(Debug)]
pub struct Replay {
    streams: Vec<Stream>,
    /// The next update of each stream.
    heads: BinaryHeap<Reverse<Head>>,
    /// Streams whose next update has not been looked up.
    idle: Vec<usize>,
}

/// An update that may come next: what it is ordered by, the index of its stream, and its place.
type Head = (Hlc, Epoch, u64, usize, Place);

/// What is left to read of one epoch.
#[derive(Debug)]
struct Stream {
    epoch: Epoch,
    spans: VecDeque<(u64, u64)>,
    entries: VecDeque<(u64, Place, Hlc)>,
}

impl Replay {
    /// A reading of these spans. Dots that the store does not hold are passed by.
    pub fn new(spans: Vec<Span>) -> Self {
        let mut epochs: BTreeMap<Epoch, Vec<(u64, u64)>> = BTreeMap::new();
        for span in spans {
            epochs.entry(span.epoch).or_default().push((span.from, span.to));
        }
        let streams: Vec<Stream> = epochs
            .into_iter()
            .map(|(epoch, mut spans)| {
                spans.sort_unstable();
                Stream { epoch, spans: spans.into(), entries: VecDeque::new() }
            })
            .collect();
        Self { idle: (0..streams.len()).collect(), streams, heads: BinaryHeap::new() }
    }

    /// The next update; `None` when all were read. After an error the same update is tried again.
    pub fn next(&mut self, store: &Store) -> Result<Option<Update>, StoreError> {
        loop {
            while let Some(&index) = self.idle.last() {
                let stream = &mut self.streams[index];
                if let Some((seq, place, clock)) = stream.next(store)? {
                    self.heads.push(Reverse((clock, stream.epoch, seq, index, place)));
                }
                self.idle.pop();
            }
            let Some(&Reverse((_, epoch, seq, index, place))) = self.heads.peek() else {
                return Ok(None);
            };
            let update = Self::read(store, place, Dot { epoch, seq })?;
            self.heads.pop();
            self.idle.push(index);
            // One that was dropped meanwhile, or is lost, is passed by.
            if update.is_some() {
                return Ok(update);
            }
        }
    }

    fn read(store: &Store, place: Place, dot: Dot) -> Result<Option<Update>, StoreError> {
        if !store.contains(dot) {
            return Ok(None);
        }
        match store.read(place, dot) {
            // A failed batch gives pending updates new places.
            Err(StoreError::BadPlace(_) | StoreError::Damaged { .. }) => store.find(dot),
            read => read,
        }
    }
}

impl Stream {
    /// Where the next update stands. Nothing is lost when it fails.
    fn next(&mut self, store: &Store) -> Result<Option<(u64, Place, Hlc)>, StoreError> {
        while self.entries.is_empty() {
            let Some(span) = self.spans.front_mut() else { return Ok(None) };
            let found = store.index.places(self.epoch, *span, ENTRIES_AT_ONCE)?;
            match found.last() {
                Some(&(last, ..)) if found.len() == ENTRIES_AT_ONCE && last < span.1 => {
                    span.0 = last + 1;
                }
                _ => {
                    self.spans.pop_front();
                }
            }
            self.entries.extend(found);
        }
        Ok(self.entries.pop_front())
    }
}
