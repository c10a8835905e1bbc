//! The end of the log that is not on disk yet: updates in order, already framed, and the batches
//! that bring them there.
//!
//! A batch is one write and one sync in one segment. Each attempt begins with a frame of its own
//! number: so what an attempt that failed left on the disk can never follow what a later one
//! wrote, and whoever reads the log knows that all before that frame had been synced.

use super::disk::{Disk, DiskFile, DiskLock};
use super::error::{StoreError, at_file};
use super::frame::{FrameKind, HEAD_BYTES, HEADER_BYTES, Header, Place, put_frame, segment_name};
use super::scan::Spot;
use crate::update::{Epoch, Update};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

const BEGIN_BYTES: usize = HEAD_BYTES + 8;

/// When an appended update takes effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Apply {
    /// At once, before it is on disk: relayed updates, and own ones of durability `none`.
    Now,
    /// When it is on disk: own updates of durability `local`.
    OnCommit,
    /// When the own updates before it may be seen, if the log says by then that this epoch sends
    /// early, or else when it is on disk: own updates of durability `none` that may not go
    /// [`Apply::Now`]. So an origin's updates are seen in their order.
    InTurn,
}

/// Where the next frame goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    /// The place, and the check of the frame before it.
    pub(super) spot: Spot,
    /// The place of the frame before it, in whatever segment, and that frame's check.
    pub(super) last: Spot,
    /// Where that frame ends: the tail itself, except at the start of a segment.
    pub(super) last_end: Place,
    /// The segment's salt.
    pub(super) salt: u32,
    /// The segment's header, while the segment is still to be made.
    pub(super) fresh: Option<Header>,
}

/// An update on its way to the disk.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) update: Update,
    pub(super) apply: Apply,
    pub(super) own: bool,
}

impl Entry {
    fn end(&self) -> Place {
        self.place.plus(HEAD_BYTES + self.update.raw().len())
    }
}

/// Frames that go to the disk together.
#[derive(Debug)]
struct Buffer {
    start: Tail,
    end: Tail,
    bytes: Vec<u8>,
    entries: usize,
    early: Option<Epoch>,
    epoch: Option<Epoch>,
}

/// A batch that is out.
#[derive(Debug)]
struct InFlight {
    token: Weak<()>,
    start: Tail,
    end: Tail,
    bytes: usize,
    entries: usize,
    early: Option<Epoch>,
    epoch: Option<Epoch>,
}

/// All that is appended and not on disk.
///
/// Invariants: `entries` are ordered by place; the first `in_flight.entries` of them are in the
/// batch that is out, the next in the buffers, in order; only the last buffer grows, and `tail`
/// is its end.
pub(super) struct Pending {
    entries: VecDeque<Entry>,
    buffers: VecDeque<Buffer>,
    in_flight: Option<InFlight>,
    tail: Tail,
    file: Option<Arc<dyn DiskFile>>,
    durable_end: Place,
    attempt: u64,
    failing: bool,
    segment_bytes: u32,
    salt: u32,
    lock: Arc<DiskLock>,
    disk: Arc<dyn Disk>,
}

/// What a batch that reached the disk held.
pub(super) struct Landed {
    pub(super) entries: Vec<Entry>,
    pub(super) early: Option<Epoch>,
}

impl Pending {
    /// After a log that ends at `tail`, all of it on disk, in `file`.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        lock: Arc<DiskLock>,
        tail: Tail,
        file: Arc<dyn DiskFile>,
        (segment_bytes, salt): (u32, u32),
    ) -> Self {
        Self {
            entries: VecDeque::new(),
            buffers: VecDeque::new(),
            in_flight: None,
            tail,
            file: Some(file),
            durable_end: tail.spot.place,
            attempt: 0,
            failing: false,
            segment_bytes,
            salt,
            lock,
            disk,
        }
    }

    pub(super) fn durable_end(&self) -> Place {
        self.durable_end
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing
    }

    /// The log's end.
    pub(super) fn tail(&self) -> Tail {
        self.tail
    }

    /// Where that begins which is not on disk.
    pub(super) fn base(&self) -> Tail {
        let out = self.in_flight.as_ref().map(|out| out.start);
        out.or(self.buffers.front().map(|buffer| buffer.start)).unwrap_or(self.tail)
    }

    /// How many bytes wait for the disk, those that are being written included.
    pub(super) fn bytes(&self) -> usize {
        let waiting: usize = self.buffers.iter().map(|buffer| buffer.bytes.len()).sum();
        waiting + self.in_flight.as_ref().map_or(0, |out| out.bytes)
    }

    /// Appends an update.
    pub(super) fn push(&mut self, update: Update, apply: Apply, own: bool) -> Place {
        let place = self.put(FrameKind::Update, update.raw());
        if let Some(buffer) = self.buffers.back_mut() {
            buffer.entries += 1;
        }
        self.entries.push_back(Entry { place, update, apply, own });
        place
    }

    /// Appends the mark that this epoch sends updates before they are on disk.
    pub(super) fn mark_early(&mut self, epoch: Epoch) {
        self.put(FrameKind::Early, &epoch.0.to_be_bytes());
        if let Some(buffer) = self.buffers.back_mut() {
            buffer.early = Some(epoch);
        }
    }

    /// Appends the mark of a new epoch.
    pub(super) fn mark_epoch(&mut self, epoch: Epoch) {
        self.put(FrameKind::Epoch, &epoch.0.to_be_bytes());
        if let Some(buffer) = self.buffers.back_mut() {
            buffer.epoch = Some(epoch);
        }
    }

    /// The new epoch whose mark waits for the disk.
    fn epoch_waiting(&self) -> Option<Epoch> {
        let waiting = self.buffers.iter().rev().find_map(|buffer| buffer.epoch);
        waiting.or(self.in_flight.as_ref().and_then(|out| out.epoch))
    }

    /// The epoch of that mark, while it waits for the disk.
    pub(super) fn early_waiting(&self) -> Option<Epoch> {
        let waiting = self.buffers.iter().rev().find_map(|buffer| buffer.early);
        waiting.or(self.in_flight.as_ref().and_then(|out| out.early))
    }

    /// Appends a mark without effect here.
    pub(super) fn mark(&mut self, kind: FrameKind, payload: &[u8]) {
        self.put(kind, payload);
    }

    fn put(&mut self, kind: FrameKind, payload: &[u8]) -> Place {
        self.make_room(HEAD_BYTES + payload.len());
        self.frame(kind, payload)
    }

    /// Frames into the last buffer.
    fn frame(&mut self, kind: FrameKind, payload: &[u8]) -> Place {
        let Some(buffer) = self.buffers.back_mut() else { return self.tail.spot.place };
        let place = self.tail.spot.place;
        let before = self.tail.spot.check;
        let check = put_frame(&mut buffer.bytes, self.tail.salt, before, kind, payload);
        let next = place.plus(HEAD_BYTES + payload.len());
        self.tail.spot = Spot { place: next, check };
        self.tail.last = Spot { place, check };
        self.tail.last_end = next;
        buffer.end = self.tail;
        place
    }

    /// Sees to it that there is a buffer, in a segment that has room for a frame. A frame larger
    /// than a whole segment gets a segment of its own.
    fn make_room(&mut self, frame_bytes: usize) {
        let begin = if self.buffers.is_empty() { BEGIN_BYTES } else { 0 };
        let end = self.tail.spot.place.offset() as usize + begin + frame_bytes;
        let holds_any = self.tail.spot.place.offset() as usize > HEADER_BYTES + BEGIN_BYTES;
        if end > self.segment_bytes as usize && holds_any {
            self.rotate();
            self.begin();
        } else if self.buffers.is_empty() {
            self.begin();
        }
    }

    /// Goes on in a new segment.
    fn rotate(&mut self) {
        let Spot { place, check } = self.tail.spot;
        let number = place.segment() + 1;
        let (before_end, salt) = (place.offset(), self.salt);
        let header = Header { number, before_end, before_check: check, salt };
        let spot = Spot { place: Place::new(number, HEADER_BYTES as u32), check: header.check() };
        self.tail = Tail { spot, salt, fresh: Some(header), ..self.tail };
    }

    /// Starts a buffer at the tail.
    fn begin(&mut self) {
        self.attempt += 1;
        let start = self.tail;
        self.tail.fresh = None;
        let (bytes, end) = (Vec::new(), self.tail);
        self.buffers.push_back(Buffer { start, end, bytes, entries: 0, early: None, epoch: None });
        let number = self.attempt.to_be_bytes();
        self.frame(FrameKind::Begin, &number);
    }

    /// The next batch; `None` when nothing waits or one is out.
    pub(super) fn take_batch(&mut self) -> Option<Batch> {
        if self.in_flight.is_some() {
            return None;
        }
        if self.buffers.is_empty() && self.failing {
            // A batch of nothing finds out whether the disk takes writes again, and ends what the
            // failed one may have left.
            self.begin();
        }
        let buffer = self.buffers.pop_front()?;
        let token = Arc::new(());
        self.in_flight = Some(InFlight {
            token: Arc::downgrade(&token),
            start: buffer.start,
            end: buffer.end,
            bytes: buffer.bytes.len(),
            entries: buffer.entries,
            early: buffer.early,
            epoch: buffer.epoch,
        });
        let file = self.file.clone().filter(|_| buffer.start.fresh.is_none());
        Some(Batch {
            disk: Arc::clone(&self.disk),
            file,
            start: buffer.start,
            bytes: buffer.bytes,
            updates: buffer.entries,
            cut_first: self.failing,
            token,
            lock: Arc::clone(&self.lock),
        })
    }

    /// True while a batch is out.
    pub(super) fn is_out(&self) -> bool {
        self.in_flight.is_some()
    }

    /// True when the batch that was out was dropped instead of brought back.
    pub(super) fn is_lost(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|out| out.token.strong_count() == 0)
    }

    /// True when `done` is the batch that is out.
    pub(super) fn is_ours(&self, done: &BatchDone) -> bool {
        let is_its = |out: &InFlight| std::ptr::eq(out.token.as_ptr(), &raw const *done.token);
        self.in_flight.as_ref().is_some_and(is_its)
    }

    /// The batch that was out is on disk.
    pub(super) fn land(&mut self, file: Arc<dyn DiskFile>) -> Option<Landed> {
        let out = self.in_flight.take()?;
        self.file = Some(file);
        self.failing = false;
        self.durable_end = out.end.spot.place;
        Some(Landed { entries: self.entries.drain(..out.entries).collect(), early: out.early })
    }

    /// The own updates at the front that waited only for those before them, which have all come to
    /// the disk: they may be seen from now on. Their places.
    pub(super) fn reveal(&mut self) -> Vec<Place> {
        let mut revealed = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.own) {
            match entry.apply {
                Apply::OnCommit => break,
                Apply::InTurn => {
                    entry.apply = Apply::Now;
                    revealed.push(entry.place);
                }
                Apply::Now => {}
            }
        }
        revealed
    }

    /// The batch that was out did not reach the disk, or only in part. Takes out the own updates
    /// that nobody has seen, if they are to be `refused`, and frames the rest anew from where the
    /// batch began.
    pub(super) fn retry(&mut self, refuse: bool) -> Vec<Entry> {
        let (early, new_epoch) = (self.early_waiting(), self.epoch_waiting());
        self.failing = true;
        self.tail = self.base();
        self.in_flight = None;
        self.buffers.clear();
        let sent = self.entries.iter().rposition(|entry| entry.own && entry.apply == Apply::Now);
        let first = sent.map_or(0, |sent| sent + 1);
        let mut refused = Vec::new();
        let all = std::mem::take(&mut self.entries);
        if let Some(new_epoch) = new_epoch {
            self.mark_epoch(new_epoch);
        }
        if let Some(epoch) = early {
            self.mark_early(epoch);
        }
        for (index, entry) in all.into_iter().enumerate() {
            if refuse && index >= first && entry.own {
                refused.push(entry);
            } else {
                self.push(entry.update, entry.apply, entry.own);
            }
        }
        refused
    }

    /// Entries in order.
    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The place of the first update that may not be seen yet.
    pub(super) fn first_hidden(&self) -> Option<Place> {
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.apply != Apply::Now).map(|entry| entry.place)
    }

    /// The first visible update at or behind `place`, and where to go on.
    pub(super) fn update_from(&self, place: Place) -> Option<(Update, Place)> {
        let first = self.entries.partition_point(|entry| entry.end() <= place);
        let visible = |entry: &&Entry| entry.apply == Apply::Now;
        let entry = self.entries.range(first..).find(visible)?;
        Some((entry.update.clone(), entry.end()))
    }
}

/// The work of bringing pending updates to the disk: one write, one sync. Send it to a pool
/// thread, run it there, and bring what it returns to [`Store::finish`](super::Store::finish).
#[must_use = "a batch that is dropped is taken again"]
pub struct Batch {
    disk: Arc<dyn Disk>,
    file: Option<Arc<dyn DiskFile>>,
    start: Tail,
    bytes: Vec<u8>,
    updates: usize,
    cut_first: bool,
    token: Arc<()>,
    lock: Arc<DiskLock>,
}

/// A batch that was run.
#[must_use = "bring it to `Store::finish`"]
pub struct BatchDone {
    pub(super) result: Result<Arc<dyn DiskFile>, StoreError>,
    token: Arc<()>,
    bytes: usize,
    updates: usize,
    _lock: Arc<DiskLock>,
}

impl Batch {
    /// How many bytes it writes.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many updates it holds.
    pub fn updates(&self) -> usize {
        self.updates
    }

    /// Writes and syncs; blocks for as long as the disk takes.
    pub fn run(self) -> BatchDone {
        let name = segment_name(self.start.spot.place.segment());
        let result = at_file(&name, self.write(&name));
        let (bytes, updates) = (self.bytes.len(), self.updates);
        BatchDone { result, token: self.token, bytes, updates, _lock: self.lock }
    }

    fn write(&self, name: &str) -> std::io::Result<Arc<dyn DiskFile>> {
        let at = u64::from(self.start.spot.place.offset());
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => self.disk.open(name, self.start.fresh.is_some())?,
        };
        if let Some(header) = self.start.fresh {
            // The header is on disk for good before any frame: a segment without one is a
            // segment that was never begun, and never one that held updates.
            file.set_len(0)?;
            file.write_at(0, &header.encode())?;
            file.sync_data()?;
            self.disk.sync_dir()?;
        } else if self.cut_first {
            file.set_len(at)?;
        }
        file.write_at(at, &self.bytes)?;
        file.sync_data()?;
        Ok(file)
    }
}

impl BatchDone {
    /// How many bytes it wrote, or tried to.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many updates it held.
    pub fn updates(&self) -> usize {
        self.updates
    }

    /// True when all of it is on disk.
    pub fn is_ok(&self) -> bool {
        self.result.is_ok()
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = self.start.spot.place;
        write!(f, "Batch of {} updates, {} bytes at {place}", self.updates, self.bytes.len())
    }
}

impl std::fmt::Debug for BatchDone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BatchDone of {} updates: {:?}", self.updates, self.result.as_ref().err())
    }
}
