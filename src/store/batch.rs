//! The work of one write and one sync, for a pool thread.

use super::disk::{Disk, DiskFile, DiskLock};
use super::error::{StoreError, at_file, caught};
use super::frame::segment_name;
use super::pending::Tail;
use std::sync::Arc;

/// The work of bringing pending updates to the disk: one write, one sync. Send it to a pool
/// thread, run it there, and bring what it returns to [`Store::finish`](super::Store::finish).
#[must_use = "a batch that is dropped is taken again"]
pub struct Batch {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) file: Option<Arc<dyn DiskFile>>,
    pub(super) start: Tail,
    pub(super) bytes: Vec<u8>,
    pub(super) updates: usize,
    pub(super) cut_first: bool,
    pub(super) token: Arc<()>,
    pub(super) lock: Arc<DiskLock>,
}

/// A batch that was run.
#[must_use = "bring it to `Store::finish`"]
pub struct BatchDone {
    pub(super) result: Result<Arc<dyn DiskFile>, StoreError>,
    pub(super) token: Arc<()>,
    /// What it wrote, or tried to.
    pub(super) bytes: Vec<u8>,
    updates: usize,
    _lock: Arc<DiskLock>,
}

impl Batch {
    /// Writes and syncs; blocks for as long as the disk takes. A disk that panics has failed.
    pub fn run(self) -> BatchDone {
        let name = segment_name(self.start.spot.place.segment());
        let result = at_file(&name, caught(|| self.write(&name)));
        let Self { bytes, updates, token, lock, .. } = self;
        BatchDone { result, token, bytes, updates, _lock: lock }
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
