//! The index's engine: one redb table of bytes to bytes in `index.redb`. Opens it, reads it, and
//! writes checkpoints into it. Whatever redb does to a damaged file, a panic included, comes out
//! as an error; a damaged file is removed, so that the next open rebuilds the index from the log.

use super::disk::{Disk, DiskLock};
use super::error::{StoreError, at_file, caught, index_error};
use super::ids::{Runs, is_of_runs};
use super::index::{Bounds, Direction, Item, Overlay};
use super::redb_backend::RedbBackend;
use crate::update::{Cid, Dot};
use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const INDEX_NAME: &str = "index.redb";
/// A new file on its way to the index's name.
pub(super) const RENEWED_NAME: &str = "index.tmp";
const TABLE: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("index");

/// The rows as they stood at a moment, and those that are being written.
pub(super) type ViewOfRows = ReadOnlyTable<&'static [u8], &'static [u8]>;
pub(super) type Rows<'a> = redb::Table<'a, &'static [u8], &'static [u8]>;

/// How the file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Disk,
    Shadow,
}

/// What is needed to open the file, on whatever thread.
#[derive(Clone)]
struct Opener {
    disk: Arc<dyn Disk>,
    cache_bytes: usize,
    /// Set once the file was found damaged.
    broken: Arc<AtomicBool>,
}

impl Opener {
    fn open(&self, mode: Mode) -> Result<Arc<Database>, StoreError> {
        let open = || self.disk.open(INDEX_NAME, mode == Mode::Disk);
        let file = at_file(INDEX_NAME, caught(open))?;
        let backend = match mode {
            Mode::Disk => RedbBackend::new(file),
            Mode::Shadow => at_file(INDEX_NAME, RedbBackend::shadow(file))?,
        };
        self.guard(|| self.open_on(backend))
    }

    fn open_on(&self, backend: RedbBackend) -> Result<Arc<Database>, StoreError> {
        let mut builder = Database::builder();
        builder.set_cache_size(self.cache_bytes);
        Ok(Arc::new(builder.create_with_backend(backend).map_err(index_error)?))
    }

    /// Writes what the file has, and an overlay, into a new file, and puts that in its place.
    fn renew(&self, old: &Database, overlay: &Overlay) -> Result<Arc<Database>, StoreError> {
        let file = at_file(RENEWED_NAME, self.disk.open(RENEWED_NAME, true))?;
        at_file(RENEWED_NAME, file.set_len(0))?;
        let new = self.open_on(RedbBackend::new(file))?;
        write(&new, overlay, open_table(old)?.as_ref(), true)?;
        at_file(INDEX_NAME, self.disk.rename(RENEWED_NAME, INDEX_NAME))?;
        at_file("", self.disk.sync_dir())?;
        Ok(new)
    }

    /// Runs something on redb; a panic and every sign of damage condemn the file.
    fn guard<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(StoreError::IndexBroken));
        if result.as_ref().err().is_some_and(is_damage) {
            self.condemn();
        }
        result
    }

    fn condemn(&self) {
        if !self.broken.swap(true, Ordering::Relaxed) {
            // If it can't be removed either, the next open finds the same damage again.
            let _ = self.disk.remove(INDEX_NAME);
        }
    }
}

/// True for errors that say that the file is not what redb wrote; false for those of the disk.
fn is_damage(error: &StoreError) -> bool {
    let StoreError::Index(error) = error else {
        return matches!(error, StoreError::IndexBroken);
    };
    match &**error {
        redb::Error::Io(error) => {
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        }
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => false,
        _ => true,
    }
}

/// The open index file.
pub(super) struct Engine {
    opener: Opener,
    lock: Arc<DiskLock>,
    database: Option<Arc<Database>>,
    /// The table as of the last checkpoint; `None` before the first.
    table: Option<ViewOfRows>,
    ids: Runs,
    mode: Mode,
    was_damaged: bool,
}

impl Engine {
    /// Opens the file; makes one if there is none, and a new one if it is damaged. Says which.
    pub(super) fn open(
        disk: &Arc<dyn Disk>,
        lock: &Arc<DiskLock>,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        let mut engine = Self::closed(disk, lock, cache_bytes);
        let opened = engine.opener.open(Mode::Disk).and_then(|database| engine.adopt(database));
        match opened {
            Err(error) if is_damage(&error) => Self::replace_damaged(disk, lock, cache_bytes),
            opened => opened.map(|()| engine),
        }
    }

    /// Makes a new, empty file in place of whatever is there.
    pub(super) fn create(
        disk: &Arc<dyn Disk>,
        lock: &Arc<DiskLock>,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        match disk.remove(INDEX_NAME) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return at_file(INDEX_NAME, Err(error));
            }
            _ => {}
        }
        let mut engine = Self::closed(disk, lock, cache_bytes);
        let database = engine.opener.open(Mode::Disk)?;
        engine.adopt(database)?;
        at_file("", disk.sync_dir())?;
        Ok(engine)
    }

    /// Makes a new, empty file in place of a damaged one.
    pub(super) fn replace_damaged(
        disk: &Arc<dyn Disk>,
        lock: &Arc<DiskLock>,
        cache_bytes: usize,
    ) -> Result<Self, StoreError> {
        Ok(Self { was_damaged: true, ..Self::create(disk, lock, cache_bytes)? })
    }

    fn closed(disk: &Arc<dyn Disk>, lock: &Arc<DiskLock>, cache_bytes: usize) -> Self {
        let broken = Arc::new(AtomicBool::new(false));
        let opener = Opener { disk: Arc::clone(disk), cache_bytes, broken };
        Self {
            opener,
            lock: Arc::clone(lock),
            database: None,
            table: None,
            ids: Runs::default(),
            mode: Mode::Disk,
            was_damaged: false,
        }
    }

    fn adopt(&mut self, database: Arc<Database>) -> Result<(), StoreError> {
        self.table = self.opener.guard(|| open_table(&database))?;
        self.ids = match &self.table {
            Some(table) => self.opener.guard(|| Runs::read(table))?,
            None => Runs::default(),
        };
        self.database = Some(database);
        Ok(())
    }

    /// True when the file was found damaged since it was opened.
    pub(super) fn is_broken(&self) -> bool {
        self.opener.broken.load(Ordering::Relaxed)
    }

    /// True when the file was found damaged as it was opened, and is a new one now.
    pub(super) fn was_damaged(&self) -> bool {
        self.was_damaged
    }

    /// True when a checkpoint was ever written to the file.
    pub(super) fn has_entries(&self) -> bool {
        self.table.is_some()
    }

    /// Has the file made anew at the next open.
    pub(super) fn condemn(&self) {
        self.opener.condemn();
    }

    pub(super) fn find(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.check_open()?;
        let Some(table) = &self.table else { return Ok(None) };
        self.opener.guard(|| {
            let found = table.get(key).map_err(index_error)?;
            Ok(found.map(|value| value.value().to_vec()))
        })
    }

    /// The dot of a content id.
    pub(super) fn dot_of(&self, cid: Cid) -> Result<Option<Dot>, StoreError> {
        self.check_open()?;
        let Some(table) = &self.table else { return Ok(None) };
        self.opener.guard(|| self.ids.find(table, cid))
    }

    /// Runs `merge` over the items in the bounds, in the direction's order.
    pub(super) fn scan<T>(
        &self,
        (from, to): Bounds<'_>,
        direction: Direction,
        merge: impl FnOnce(&mut dyn Iterator<Item = Item>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.check_open()?;
        let Some(table) = &self.table else { return merge(&mut std::iter::empty()) };
        self.opener.guard(|| {
            let range = table.range::<&[u8]>((from, to)).map_err(index_error)?;
            let mut items = range.map(|item| {
                let (key, value) = item.map_err(index_error)?;
                Ok((key.value().to_vec(), Some(value.value().to_vec())))
            });
            match direction {
                Direction::Up => merge(&mut items),
                Direction::Down => merge(&mut items.rev()),
            }
        })
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.database.is_some() { Ok(()) } else { Err(StoreError::IndexBroken) }
    }

    /// The work of writing an overlay into the file; `None` if the file is damaged.
    pub(super) fn checkpoint(&self, overlay: Arc<Overlay>, token: Arc<()>) -> Option<Checkpoint> {
        // After a failure the file is read through a shadow: it must be opened anew to write.
        let database = self.database.clone().filter(|_| self.mode == Mode::Disk);
        let lock = Arc::clone(&self.lock);
        (!self.is_broken()).then(|| Checkpoint {
            database,
            opener: self.opener.clone(),
            overlay,
            token,
            lock,
        })
    }

    /// Reads from now on what a checkpoint wrote. After a failed one, goes on reading what stands
    /// in the file, without writing to it.
    pub(super) fn finish(
        &mut self,
        result: Result<Arc<Database>, StoreError>,
    ) -> Result<(), StoreError> {
        // Nothing is read through what may not open again: better no answer than a wrong one. The
        // engine writes as it closes, and panics if it panicked before.
        let closed = (self.table.take(), self.database.take());
        let _ = catch_unwind(AssertUnwindSafe(|| drop(closed)));
        let failure = match result {
            Ok(database) => {
                self.mode = Mode::Disk;
                return self.adopt(database);
            }
            Err(failure) => failure,
        };
        if !self.is_broken() {
            self.mode = Mode::Shadow;
            let database = self.opener.open(Mode::Shadow)?;
            self.adopt(database)?;
        }
        Err(failure)
    }
}

/// The work of bringing the index file up to a place in the log. Send it to a pool thread, run
/// it there, and bring what it returns to
/// [`Store::finish_checkpoint`](super::Store::finish_checkpoint).
#[must_use = "a checkpoint that is dropped is taken again"]
pub struct Checkpoint {
    database: Option<Arc<Database>>,
    opener: Opener,
    overlay: Arc<Overlay>,
    token: Arc<()>,
    lock: Arc<DiskLock>,
}

/// A checkpoint that was run.
#[must_use = "bring it to `Store::finish_checkpoint`"]
pub struct CheckpointDone {
    pub(super) result: Result<Arc<Database>, StoreError>,
    pub(super) token: Arc<()>,
    bytes: usize,
    _lock: Arc<DiskLock>,
}

impl Checkpoint {
    /// Writes and syncs; blocks for as long as the disk takes.
    pub fn run(self) -> CheckpointDone {
        let Self { database, opener, overlay, token, lock } = self;
        let bytes = overlay.bytes();
        let result = database.map_or_else(|| opener.open(Mode::Disk), Ok);
        let result = result.and_then(|database| {
            if overlay.renews() {
                return opener.guard(|| opener.renew(&database, &overlay));
            }
            opener.guard(|| write(&database, &overlay, open_table(&database)?.as_ref(), false))?;
            Ok(database)
        });
        CheckpointDone { result, token, bytes, _lock: lock }
    }
}

impl CheckpointDone {
    /// True when it succeeded.
    pub fn is_ok(&self) -> bool {
        self.result.is_ok()
    }
}

/// Writes an overlay over what the file has; into a new file also what the old one has and the
/// overlay does not hide.
fn write(
    database: &Database,
    overlay: &Overlay,
    old: Option<&ViewOfRows>,
    is_anew: bool,
) -> Result<(), StoreError> {
    let mut writing = database.begin_write().map_err(index_error)?;
    writing.set_quick_repair(true);
    {
        let mut table = writing.open_table(TABLE).map_err(index_error)?;
        if let Some(old) = old.filter(|_| is_anew) {
            for item in old.range::<&[u8]>(..).map_err(index_error)? {
                let (key, value) = item.map_err(index_error)?;
                if !overlay.hides(key.value()) && !is_of_runs(key.value()) {
                    table.insert(key.value(), value.value()).map_err(index_error)?;
                }
            }
        }
        overlay.each(|key, value| {
            match value {
                Some(value) => table.insert(key, value).map(drop),
                None => table.remove(key).map(drop),
            }
            .map_err(index_error)
        })?;
        Runs::add(&mut table, old, overlay.ids(), is_anew)?;
    }
    writing.commit().map_err(index_error)
}

fn open_table(database: &Database) -> Result<Option<ViewOfRows>, StoreError> {
    let reading = database.begin_read().map_err(index_error)?;
    match reading.open_table(TABLE) {
        Ok(table) => Ok(Some(table)),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(index_error(error)),
    }
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checkpoint of {} bytes", self.overlay.bytes())
    }
}

impl std::fmt::Debug for CheckpointDone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CheckpointDone of {} bytes", self.bytes)
    }
}
