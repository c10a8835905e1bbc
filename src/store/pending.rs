//! The end of the log that is not on disk yet: updates in order, already framed, and the batches
//! that bring them there.
//!
//! A batch is one write and one sync in one segment. Each attempt begins with a frame of its own
//! number: so what an attempt that failed left on the disk can never follow what a later one
//! wrote, and whoever reads the log knows that all before that frame had been synced.

use super::Birth;
use super::batch::{Batch, BatchDone};
use super::body::{self, Passed};
use super::disk::{Disk, DiskFile, DiskLock};
use super::frame::{FrameKind, HEAD_BYTES, HEADER_BYTES, Header, Place, put_frame};
use super::index::SealName;
use super::scan::Spot;
use super::told::Told;
use crate::update::{Dot, Epoch, Seal, Span, Update, Vector};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

const BEGIN_BYTES: usize = HEAD_BYTES + 8;
/// A batch that took more memory gives it back.
const SPARE_BYTES_MAX: usize = 1 << 20;

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

/// A frame on its way to the disk.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) end: Place,
    pub(super) said: Said,
}

/// What a frame says.
#[derive(Debug)]
pub(super) enum Said {
    Update {
        update: Update,
        apply: Apply,
        own: bool,
    },
    /// A seal, and the dots under it.
    Seal {
        seal: Arc<Seal>,
        span: Span,
        own: bool,
    },
    Exhibit(Box<(Update, Seal)>),
    Passed(Passed),
    Erased(Vector),
    /// As it was told when it was appended: not to be framed anew.
    Summary(Box<Told>),
    Epoch(Birth),
    Early(Epoch),
    Clean,
}

impl Said {
    /// The dot of an update of our own.
    fn own_dot(&self) -> Option<Dot> {
        match self {
            Self::Update { update, own: true, .. } => Some(update.dot()),
            _ => None,
        }
    }

    fn is_hidden(&self) -> bool {
        matches!(self, Self::Update { apply: Apply::OnCommit | Apply::InTurn, .. })
    }
}

/// Frames that go to the disk together.
#[derive(Debug)]
struct Buffer {
    start: Tail,
    end: Tail,
    bytes: Vec<u8>,
    entries: usize,
    updates: usize,
}

/// A batch that is out.
#[derive(Debug)]
struct InFlight {
    token: Weak<()>,
    start: Tail,
    end: Tail,
    bytes: usize,
    entries: usize,
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
    /// The bytes of a batch that came back, emptied, for the next one to be framed in.
    spare: Vec<u8>,
    attempt: u64,
    failing: bool,
    /// The epoch whose mark that it sends early waits for the disk.
    early_waiting: Option<Epoch>,
    segment_bytes: u32,
    salt: u32,
    lock: Arc<DiskLock>,
    disk: Arc<dyn Disk>,
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
            spare: Vec::new(),
            attempt: 0,
            failing: false,
            early_waiting: None,
            segment_bytes,
            salt,
            lock,
            disk,
        }
    }

    /// The disk, and what holds it.
    pub(super) fn disk(&self) -> (Arc<dyn Disk>, Arc<DiskLock>) {
        (Arc::clone(&self.disk), Arc::clone(&self.lock))
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

    /// Appends a frame.
    pub(super) fn push(&mut self, said: Said) -> Place {
        let place = match &said {
            Said::Update { update, .. } => match body::kind_of(update) {
                FrameKind::Update => self.put(FrameKind::Update, update.raw()),
                kind => self.put(kind, &body::roomy(update, None)),
            },
            Said::Seal { seal, .. } => self.put_encoded(FrameKind::Seal, |out| seal.encode(out)),
            Said::Exhibit(both) => {
                self.put(FrameKind::Exhibit, &body::exhibit(&both.0, &both.1, None))
            }
            Said::Passed(passed) => self.put_encoded(FrameKind::Passed, |out| passed.encode(out)),
            Said::Erased(dots) => self.put_encoded(FrameKind::Erased, |out| dots.encode(out)),
            Said::Summary(told) => self.put_encoded(FrameKind::Summary, |out| told.encode(out)),
            Said::Epoch(birth) => self.put(FrameKind::Epoch, &birth.encode()),
            Said::Early(epoch) => {
                self.early_waiting = Some(*epoch);
                self.put(FrameKind::Early, &epoch.0.to_be_bytes())
            }
            Said::Clean => self.put(FrameKind::Clean, &[]),
        };
        if let Some(buffer) = self.buffers.back_mut() {
            buffer.entries += 1;
            buffer.updates += usize::from(matches!(said, Said::Update { .. }));
        }
        self.entries.push_back(Entry { place, end: self.tail.spot.place, said });
        place
    }

    /// The epoch whose mark that it sends early waits for the disk.
    pub(super) fn early_waiting(&self) -> Option<Epoch> {
        self.early_waiting
    }

    fn put_encoded(&mut self, kind: FrameKind, encode: impl FnOnce(&mut Vec<u8>)) -> Place {
        let mut bytes = Vec::new();
        encode(&mut bytes);
        self.put(kind, &bytes)
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

    /// Sees to it that what stands in a segment does not go on there: what is appended from now on
    /// goes into another one. That may leave a batch of nothing else.
    pub(super) fn leave(&mut self, segment: u32) {
        if self.tail.spot.place.segment() == segment {
            self.rotate();
            self.begin();
        }
    }

    /// Starts a buffer at the tail.
    fn begin(&mut self) {
        self.attempt += 1;
        let start = self.tail;
        self.tail.fresh = None;
        let (bytes, end) = (std::mem::take(&mut self.spare), self.tail);
        self.buffers.push_back(Buffer { start, end, bytes, entries: 0, updates: 0 });
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
        });
        let file = self.file.clone().filter(|_| buffer.start.fresh.is_none());
        Some(Batch {
            disk: Arc::clone(&self.disk),
            file,
            start: buffer.start,
            bytes: buffer.bytes,
            updates: buffer.updates,
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

    /// Takes the bytes of a batch that is over, for another one.
    pub(super) fn reuse(&mut self, mut bytes: Vec<u8>) {
        if bytes.capacity() <= SPARE_BYTES_MAX {
            bytes.clear();
            self.spare = bytes;
        }
    }

    /// The batch that was out is on disk. What it held, in order.
    pub(super) fn land(&mut self, file: Arc<dyn DiskFile>) -> Vec<Entry> {
        let Some(out) = self.in_flight.take() else { return Vec::new() };
        self.file = Some(file);
        self.failing = false;
        self.durable_end = out.end.spot.place;
        let landed: Vec<Entry> = self.entries.drain(..out.entries).collect();
        let is_early = |entry: &Entry| matches!(entry.said, Said::Early(_));
        if self.early_waiting.is_some() && landed.iter().any(is_early) {
            self.early_waiting = None;
        }
        landed
    }

    /// The own updates at the front that waited only for those before them, which have all come to
    /// the disk: they may be seen from now on. Their places.
    pub(super) fn reveal(&mut self) -> Vec<Place> {
        let mut revealed = Vec::new();
        for entry in &mut self.entries {
            let Said::Update { apply, own: true, .. } = &mut entry.said else { continue };
            match apply {
                Apply::OnCommit => break,
                Apply::InTurn => {
                    *apply = Apply::Now;
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
    pub(super) fn retry(&mut self, refuse: bool) -> Retried {
        self.failing = true;
        self.tail = self.base();
        self.in_flight = None;
        self.early_waiting = None;
        self.buffers.clear();
        let kept = if refuse { self.may_be_known() } else { self.entries.len() };
        let mut retried = Retried::default();
        for (index, entry) in std::mem::take(&mut self.entries).into_iter().enumerate() {
            match entry.said {
                Said::Update { update, own: true, .. } if index >= kept => {
                    retried.refused.push(update);
                }
                Said::Seal { seal, span, own: true } if retried.has_any(span) => {
                    retried.seals.push(SealName::of(span, &seal));
                }
                Said::Summary(_) => {}
                Said::Erased(mut dots) => {
                    // Their numbers are free again, for what nobody wants erased.
                    for update in &retried.refused {
                        dots.remove(update.dot());
                    }
                    if !dots.is_empty() {
                        self.push(Said::Erased(dots));
                    }
                }
                said => drop(self.push(said)),
            }
        }
        retried
    }

    /// Which of the first entries others may know of. Whoever was sent one update under a seal was
    /// sent the ids of all of them: none of these numbers may ever get another content.
    fn may_be_known(&self) -> usize {
        let said = || self.entries.iter().map(|entry| &entry.said);
        let own = || said().enumerate().filter_map(|(index, said)| Some((index, said.own_dot()?)));
        let is_sent = |said: &Said| said.own_dot().is_some() && !said.is_hidden();
        let last = self.entries.iter().rposition(|entry| is_sent(&entry.said));
        let mut known = last.map_or(0, |last| last + 1);
        for said in said() {
            let Said::Seal { span, own: true, .. } = said else { continue };
            let (mut count, mut behind, mut is_known) = (0, 0, false);
            for (index, _) in own().filter(|(_, dot)| under(*span, *dot)) {
                count += 1;
                is_known |= index < known;
                behind = index + 1;
            }
            if is_known || count < span.count() {
                known = known.max(behind);
            }
        }
        known
    }

    /// Entries in order.
    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The place of the first update that may not be seen yet.
    pub(super) fn first_hidden(&self) -> Option<Place> {
        self.entries.iter().find(|entry| entry.said.is_hidden()).map(|entry| entry.place)
    }

    /// The first visible update at or behind `place`, and where to go on.
    pub(super) fn update_from(&self, place: Place) -> Option<(Update, Place)> {
        let first = self.entries.partition_point(|entry| entry.end <= place);
        self.entries.range(first..).find_map(|entry| match &entry.said {
            Said::Update { update, apply: Apply::Now, .. } => Some((update.clone(), entry.end)),
            _ => None,
        })
    }

    /// What is said at `place`.
    pub(super) fn at(&self, place: Place) -> Option<&Said> {
        let found = self.entries.binary_search_by_key(&place, |entry| entry.place).ok()?;
        self.entries.get(found).map(|entry| &entry.said)
    }
}

/// What was taken out after a failure.
#[derive(Debug, Default)]
pub(super) struct Retried {
    /// Own updates.
    pub(super) refused: Vec<Update>,
    /// Their seals.
    pub(super) seals: Vec<SealName>,
}

impl Retried {
    fn has_any(&self, span: Span) -> bool {
        self.refused.iter().rev().any(|update| under(span, update.dot()))
    }
}

fn under(span: Span, dot: Dot) -> bool {
    span.epoch == dot.epoch && (span.from..=span.to).contains(&dot.seq)
}
