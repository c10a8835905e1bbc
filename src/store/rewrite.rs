//! Writing a segment anew without what was erased or dropped: the work of a pool thread.
//!
//! The new file takes the old one's name in one step, so a crash leaves either. No frame moves: a
//! stub has zeros behind it, and frames that are gone melt into one that the new file has as a
//! hole. Who reads the old file meanwhile goes on reading it.

use super::body;
use super::disk::{Disk, DiskFile, DiskLock};
use super::error::{StoreError, at_file, caught};
use super::frame::{
    FrameKind, HEAD_BYTES, HEADER_BYTES, LINK_BYTES, Place, put_amended, segment_name,
};
use super::index::SealName;
use super::scan::{Found, Scan, Spot};
use super::segment::Segments;
use crate::update::{Cid, Dot, Seal, Update, Vector};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// The new file, until it has the old one's name.
pub(super) const REWRITE_NAME: &str = "rewrite.tmp";
const CHUNK_BYTES: usize = 256 * 1024;
/// The job reads the segment once, front to back.
const CACHE_BYTES: usize = 64 * 1024;

/// What is to be done with one segment.
#[derive(Debug)]
pub(super) enum Task {
    /// Erase the payloads of some dots and of some exhibits, leave out the updates of other dots,
    /// and, to mend it, what is not whole.
    Write { end: Place, erase: Vector, exhibits: BTreeSet<Cid>, drop: Vector, mends: bool },
    /// Nothing is left in it.
    Remove,
}

/// The work of writing a segment of the log anew, or of removing it. Send it to a pool thread, run
/// it there, and bring what it returns to [`Store::finish_rewrite`](super::Store::finish_rewrite).
#[must_use = "a rewrite that is dropped is taken again"]
pub struct Rewrite {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) segment: u32,
    pub(super) task: Task,
    pub(super) token: Arc<()>,
    pub(super) lock: Arc<DiskLock>,
}

/// A rewrite that was run.
#[must_use = "bring it to `Store::finish_rewrite`"]
pub struct RewriteDone {
    pub(super) result: Result<Rewritten, StoreError>,
    pub(super) token: Arc<()>,
    _lock: Arc<DiskLock>,
}

/// What a segment lost, and whether anything is left.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    pub(super) dropped: Vec<(Dot, Cid)>,
    /// Seals under which nothing is left.
    pub(super) seals: Vec<SealName>,
    /// Updates, seals and exhibits that are left.
    pub(super) left: u64,
    has_changed: bool,
}

impl Rewrite {
    /// Reads, writes and syncs; blocks for as long as the disk takes.
    pub fn run(self) -> RewriteDone {
        let work = || match &self.task {
            Task::Write { end, erase, exhibits, drop, mends } => {
                self.write(*end, (erase, exhibits, drop), *mends)
            }
            Task::Remove => self.remove(),
        };
        let worked = at_file(&segment_name(self.segment), caught(|| Ok(work())));
        let result = worked.and_then(|result| result);
        RewriteDone { result, token: self.token, _lock: self.lock }
    }

    fn remove(&self) -> Result<Rewritten, StoreError> {
        let name = segment_name(self.segment);
        match self.disk.remove(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => at_file(&name, Err(error))?,
            _ => {}
        }
        at_file("", self.disk.sync_dir()).map(|()| Rewritten::default())
    }

    fn write(
        &self,
        end: Place,
        (erase, exhibits, drop): (&Vector, &BTreeSet<Cid>, &Vector),
        mends: bool,
    ) -> Result<Rewritten, StoreError> {
        let segments = Segments::new(Arc::clone(&self.disk), self.segment, CACHE_BYTES);
        let header = segments.header(self.segment)?;
        let new = self.disk.open(REWRITE_NAME, true);
        let mut copy = Copy {
            out: Out { file: at_file(REWRITE_NAME, new)?, at: 0, bytes: Vec::new() },
            salt: header.salt,
            erase,
            exhibits,
            drop,
            mends,
            gone: None,
            rewritten: Rewritten::default(),
        };
        let written = copy.write(&segments, &header.encode(), end);
        let changes = written.is_ok() && copy.rewritten.has_changed;
        let ended = at_file(REWRITE_NAME, self.end(&*copy.out.file, changes));
        written.and(ended).map(|()| copy.rewritten)
    }

    /// Puts the new file in the old one's place, or lets it go.
    fn end(&self, file: &dyn DiskFile, changes: bool) -> io::Result<()> {
        if !changes {
            return self.disk.remove(REWRITE_NAME);
        }
        file.sync_data()?;
        self.disk.rename(REWRITE_NAME, &segment_name(self.segment))?;
        self.disk.sync_dir()
    }
}

/// A segment on its way into another file.
struct Copy<'a> {
    out: Out,
    salt: u32,
    erase: &'a Vector,
    exhibits: &'a BTreeSet<Cid>,
    drop: &'a Vector,
    /// What is not whole is left out. Otherwise it is an error.
    mends: bool,
    gone: Option<Gone>,
    rewritten: Rewritten,
}

/// Frames that follow each other and are to be left out.
#[derive(Clone, Copy)]
struct Gone {
    at: Place,
    end: Place,
    before: u32,
    link: u32,
}

/// What becomes of a frame.
enum Fate {
    Kept,
    Erased(FrameKind, Vec<u8>),
    Gone,
}

impl Copy<'_> {
    fn write(
        &mut self,
        segments: &Segments,
        header: &[u8; HEADER_BYTES],
        end: Place,
    ) -> Result<(), StoreError> {
        let at_new = |result| at_file(REWRITE_NAME, result);
        at_new(self.out.file.set_len(0))?;
        self.out.bytes.extend_from_slice(header);
        let mut scan = Scan::from_start(segments, end)?;
        loop {
            let before = scan.spot().check;
            let (place, kind) = match scan.next(segments) {
                Ok(Found::Frame(place, kind)) => (place, kind),
                Ok(Found::End) => break,
                Ok(Found::Torn { .. }) | Err(StoreError::Damaged { .. }) => {
                    self.leave_out_damage(&mut scan, segments)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Spot { place: next, check: link } = scan.spot();
            let fate = self.fate(kind, scan.body()).ok_or_else(|| scan.damaged())?;
            if let Fate::Gone = fate {
                self.leave_out((place, before), (next, link));
                continue;
            }
            at_new(self.end_gone())?;
            let frame = match &fate {
                Fate::Erased(kind, body) => {
                    let mut out = Vec::new();
                    let frame_bytes = (next.0 - place.0) as usize;
                    let links = (before, link);
                    put_amended(&mut out, self.salt, links, frame_bytes, (*kind, body));
                    at_new(self.out.put(place.offset(), &out))?;
                    continue;
                }
                _ => scan.frame(),
            };
            at_new(self.out.put(place.offset(), frame))?;
        }
        at_new(self.end_gone())?;
        at_new(self.out.flush())?;
        // What is gone at the end is a hole, too.
        at_new(self.out.file.set_len(u64::from(end.offset())))
    }

    /// From one place to another nothing is left; with each, the check of the frame before it.
    fn leave_out(&mut self, (at, before): (Place, u32), (end, link): (Place, u32)) {
        let (at, before) = self.gone.map_or((at, before), |gone| (gone.at, gone.before));
        self.gone = Some(Gone { at, end, before, link });
    }

    /// What is not whole at the scan's position is to be left out.
    fn leave_out_damage(&mut self, scan: &mut Scan, segments: &Segments) -> Result<(), StoreError> {
        let (from, damaged) = (scan.spot(), scan.damaged());
        if !self.mends {
            return Err(damaged);
        }
        scan.skip_damage(segments)?;
        let to = scan.spot();
        self.leave_out((from.place, from.check), (to.place, to.check));
        // There must be room for a frame that says so.
        let first = self.gone.map_or(from.place, |gone| gone.at);
        if ((to.place.0 - first.0) as usize) < HEAD_BYTES + LINK_BYTES {
            return Err(damaged);
        }
        self.rewritten.has_changed = true;
        Ok(())
    }

    /// `None` for a body that no writer makes.
    fn fate(&mut self, kind: FrameKind, body: &[u8]) -> Option<Fate> {
        match kind {
            FrameKind::Update | FrameKind::Roomy => self.fate_of_update(kind, body),
            FrameKind::Exhibit => self.fate_of_exhibit(body),
            FrameKind::Seal => Some(self.fate_of_seal(&body::read_seal(body)?)),
            FrameKind::Gone => Some(Fate::Gone),
            // Only the end of the log needs to know where batches begin.
            FrameKind::Begin if !self.drop.is_empty() => Some(Fate::Gone),
            _ => Some(Fate::Kept),
        }
    }

    fn fate_of_update(&mut self, kind: FrameKind, body: &[u8]) -> Option<Fate> {
        let dot = Update::peek_dot(body::envelope(kind, body)?).ok()?;
        if self.drop.contains(dot) {
            let update = body::read_update(kind, body.into(), 0)?;
            self.rewritten.dropped.push((dot, update.cid()));
            self.rewritten.has_changed = true;
            return Some(Fate::Gone);
        }
        self.rewritten.left += 1;
        if !self.erase.contains(dot) {
            return Some(Fate::Kept);
        }
        let update = body::read_update(kind, body.into(), 0)?;
        if update.is_erased() {
            return Some(Fate::Kept);
        }
        self.rewritten.has_changed = true;
        Some(Fate::Erased(
            FrameKind::Roomy,
            body::roomy(&update.erase(), Some(body.len() - LINK_BYTES)),
        ))
    }

    fn fate_of_exhibit(&mut self, body: &[u8]) -> Option<Fate> {
        let (update, seal) = body::read_exhibit(body)?;
        self.rewritten.left += 1;
        let is_named = self.erase.contains(update.dot()) || self.exhibits.contains(&update.cid());
        if update.is_erased() || !is_named {
            return Some(Fate::Kept);
        }
        self.rewritten.has_changed = true;
        let body = body::exhibit(&update.erase(), &seal, Some(body.len() - LINK_BYTES));
        Some(Fate::Erased(FrameKind::Exhibit, body))
    }

    fn fate_of_seal(&mut self, seal: &Seal) -> Fate {
        let span = seal.span();
        if self.drop.gaps(span).is_empty() {
            self.rewritten.seals.push(SealName::of(span, seal));
            self.rewritten.has_changed = true;
            return Fate::Gone;
        }
        self.rewritten.left += 1;
        Fate::Kept
    }

    /// Writes the frame that stands for those that are gone.
    fn end_gone(&mut self) -> io::Result<()> {
        let Some(Gone { at, end, before, link }) = self.gone.take() else { return Ok(()) };
        let mut out = Vec::new();
        let frame_bytes = (end.0 - at.0) as usize;
        put_amended(&mut out, self.salt, (before, link), frame_bytes, (FrameKind::Gone, &[]));
        self.out.put(at.offset(), &out)
    }
}

/// The new file. Where nothing is put, it has zeros, and takes no room on the disk.
struct Out {
    file: Arc<dyn DiskFile>,
    /// Where `bytes` go.
    at: u64,
    bytes: Vec<u8>,
}

impl Out {
    fn put(&mut self, offset: u32, bytes: &[u8]) -> io::Result<()> {
        let offset = u64::from(offset);
        if offset != self.at + self.bytes.len() as u64 || self.bytes.len() >= CHUNK_BYTES {
            self.flush()?;
            self.at = offset;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.bytes.is_empty() {
            self.file.write_at(self.at, &self.bytes)?;
            self.at += self.bytes.len() as u64;
            self.bytes.clear();
        }
        Ok(())
    }
}

impl RewriteDone {
    /// True when it succeeded.
    pub fn is_ok(&self) -> bool {
        self.result.is_ok()
    }
}

impl std::fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rewrite of segment {}", self.segment)
    }
}

impl std::fmt::Debug for RewriteDone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RewriteDone: {:?}", self.result.as_ref().err())
    }
}
