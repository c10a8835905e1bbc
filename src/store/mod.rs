//! Layer 1: the durable log of updates and its index.
//!
//! The log is the truth: append-only segments of checked frames. Links, streams and cursors are
//! places in it. The index is derived from it and can be made again. One [`Store`] owns both, on
//! one thread, and never blocks it for writing: [`Batch`], [`Checkpoint`] and [`Rewrite`] are
//! values that a pool thread runs and that are brought back.
//!
//! The order of calls: [`Store::open`]; [`Store::replay`] until it gives nothing; then, for ever,
//! [`Store::append`] and, whenever something is pending, [`Store::seal`], [`Store::take_batch`],
//! run, [`Store::finish`]; every few seconds [`Store::take_checkpoint`], run,
//! [`Store::finish_checkpoint`], and [`Store::take_rewrite`], run, [`Store::finish_rewrite`]; at
//! the end [`Store::close`].
//!
//! The log has each origin's updates in their order and without gaps. A seal of our own stands
//! behind what it seals, one of another origin before: so whatever end a crash leaves, what is
//! unsealed is our own, and [`Store::unsealed`] tells of it.

mod append;
mod batch;
mod body;
mod cache;
mod catch_up;
mod checkpoint;
mod chores;
mod commit;
mod disk;
mod engine;
mod error;
mod files;
mod forks;
mod frame;
mod home;
mod ids;
mod index;
mod lost;
mod pending;
mod prefix;
mod read;
mod recover;
mod redb_backend;
mod replay;
mod report;
mod rewrite;
mod scan;
mod seals;
mod segment;
mod simdisk;
mod stamps;
mod state;
#[cfg(test)]
mod tests;
mod told;

pub use append::Follows;
pub use batch::{Batch, BatchDone};
pub use disk::{Disk, DiskFile, DiskLock};
pub use engine::{Checkpoint, CheckpointDone};
pub use error::{CommitFailed, StoreError};
pub use files::{DiskWork, FileDisk};
pub use frame::Place;
pub use index::{Direction, Index, KeyValue};
pub use pending::Apply;
pub use replay::{Replay, ReplayOrder};
pub use report::{Cut, NewEpoch, OpenReport};
pub use rewrite::{Rewrite, RewriteDone};
pub use seals::Unsealed;
pub use simdisk::{Fault, SimDisk};
pub use stamps::Stamped;

use crate::update::{Cid, Dot, Epoch, PublicKey, Update, Vector};
use chores::Chores;
use pending::Pending;
use recover::CatchUp;
use seals::Run;
use segment::Segments;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use told::{Extent, Told};

/// The limits of a store, and what it takes from outside.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// A segment of the log is at most this long, in bytes, unless one update alone is longer.
    /// From 1 KiB to 2 GiB; default 64 MiB.
    pub segment_bytes: u32,
    /// Bound of the memory in which the log is read, in bytes. Default 16 MiB.
    pub cache_bytes: usize,
    /// Bound of the index engine's own cache, in bytes. Default 32 MiB.
    pub index_cache_bytes: usize,
    /// [`Store::replay`] writes a checkpoint when the overlay is larger, in bytes. Default 16 MiB.
    pub overlay_bytes_max: usize,
    /// A number that nobody else knows: with it, no sender of updates can write bytes that look
    /// like frames of the log.
    pub salt: u32,
    /// The epoch that begins if the log is new or its end can't be trusted. Epoch zero stands for
    /// none, and is then refused.
    pub fresh: Birth,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            cache_bytes: 16 << 20,
            index_cache_bytes: 32 << 20,
            overlay_bytes_max: 16 << 20,
            salt: 0,
            fresh: Birth::NONE,
        }
    }
}

/// An epoch of ours, with the random bits that make it the epoch of our key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Birth {
    /// The epoch.
    pub epoch: Epoch,
    /// With the key, the epoch.
    pub salt: u64,
}

impl Birth {
    const NONE: Self = Self { epoch: Epoch(0), salt: 0 };

    /// The epoch that `key` opens with 64 random bits that were never used before.
    pub fn of(key: &PublicKey, salt: u64) -> Self {
        Self { epoch: Epoch::of(key, salt), salt }
    }
}

/// The last update of an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tip {
    /// Its sequence number.
    pub seq: u64,
    /// Its content id; `None` when it was passed by ([`Store::pass`]).
    pub cid: Option<Cid>,
}

/// What reached the disk with a batch.
#[derive(Debug)]
pub struct Committed {
    /// The updates that were hidden and no longer are, in order: visible, and in the index, from
    /// now on. All that came to the disk, and those of [`Apply::InTurn`] right behind them.
    pub updates: Vec<Update>,
    /// Where each of them stands in the log. A cursor that is beyond the place of an update has
    /// not seen it, as [`Store::read_from`] passed it by: hand it over.
    pub places: Vec<Place>,
    /// The log up to here is on disk.
    pub durable_end: Place,
}

/// The durable log of updates and its index.
///
/// Owned by one thread. After a failed batch all goes on: see [`CommitFailed`] and
/// [`Store::is_failing`].
pub struct Store {
    segments: Segments,
    pending: Pending,
    index: Index,
    /// Our epoch.
    birth: Birth,
    /// True when the log says, on disk, that this epoch sends before it syncs.
    early: bool,
    /// What the log tells, pending frames included.
    told: Told,
    /// What of that is on disk: dots and extents.
    held: Told,
    /// Of that, as [`Store::state_hash`] says it; made when it is asked for.
    held_hash: Cell<Option<[u8; 32]>>,
    /// Appended, but not to be seen before it is on disk.
    hidden: Vector,
    /// Had, and not to be read any more.
    lost: RefCell<Vector>,
    /// Own updates that no seal covers.
    unsealed: Vec<Run>,
    chores: Chores,
    catch_up: Option<Box<CatchUp>>,
    /// The log's end when the last checkpoint was frozen.
    frozen_at: Place,
    /// What [`Chores::settled`] is to be once that checkpoint is done.
    frozen_settled: u32,
    /// What it leaves no trace of in the index's file.
    frozen_erased: Vector,
    overlay_bytes_max: usize,
    layout: u64,
    /// How often something was erased since the store was opened.
    erasures: u64,
}

impl Store {
    /// Opens the store of a disk, or begins one. Blocks.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: StoreOptions,
    ) -> Result<(Self, OpenReport), StoreError> {
        let lock = match disk.lock() {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return Err(StoreError::Locked);
            }
            other => Arc::new(error::at_file("", other)?),
        };
        let recovered = recover::recover(&disk, &lock, &options)?;
        let (told, report) = (recovered.told, recovered.report);
        let segment = (options.segment_bytes.clamp(1 << 10, 2 << 30), options.salt);
        let mut store = Self {
            frozen_at: recovered.tail.spot.place,
            segments: recovered.segments,
            pending: Pending::new(disk, lock, recovered.tail, recovered.file, segment),
            index: Index::new(recovered.engine),
            birth: recovered.birth,
            // An epoch that goes on must say so again: the mark counts until the next clean close.
            early: false,
            held: told.clone(),
            told,
            held_hash: Cell::new(None),
            hidden: Vector::new(),
            lost: RefCell::default(),
            unsealed: Vec::new(),
            chores: Chores::default(),
            frozen_settled: recovered.settled,
            frozen_erased: Vector::new(),
            catch_up: recovered.catch_up.map(Box::new),
            overlay_bytes_max: options.overlay_bytes_max,
            layout: 0,
            erasures: 0,
        };
        store.chores.settled = recovered.settled;
        for (segment, count) in recovered.dropped {
            store.chores.drop(segment, count, Place::START);
        }
        if store.catch_up.is_none() {
            store.caught_up()?;
        }
        Ok((store, report))
    }

    /// The epoch of own updates.
    pub fn epoch(&self) -> Epoch {
        self.birth.epoch
    }

    /// The epoch of own updates, with its salt.
    pub fn birth(&self) -> Birth {
        self.birth
    }

    /// True while own updates wait for the disk before they may be seen: one that must not overtake
    /// them goes [`Apply::InTurn`].
    pub fn is_hiding(&self) -> bool {
        !self.hidden.is_empty()
    }

    /// How many bytes wait for the disk, those of a batch that is out included.
    pub fn pending_bytes(&self) -> usize {
        self.pending.bytes()
    }

    /// True from a failed batch until one succeeds: refuse new own updates, go on reading.
    pub fn is_failing(&self) -> bool {
        self.pending.is_failing()
    }

    /// All dots appended, those that wait for the disk included: what cuts duplicates. Also those
    /// that were passed by or dropped.
    pub fn seen(&self) -> &Vector {
        &self.told.vector
    }

    /// All dots on disk: what may be promised to others.
    pub fn held(&self) -> &Vector {
        &self.held.vector
    }

    /// [`Store::seen`] without own updates that wait for the disk.
    pub fn visible(&self) -> Vector {
        let mut visible = self.told.vector.clone();
        for span in self.hidden.spans() {
            for seq in span.from..=span.to {
                visible.remove(Dot { epoch: span.epoch, seq });
            }
        }
        visible
    }

    /// Dots that count as had, though what stands under them is not here, or not any more.
    pub fn gone(&self) -> &Vector {
        &self.told.gone
    }

    /// From this sequence number on everything that is had of an epoch is here; what is below may
    /// be gone.
    pub fn low(&self, epoch: Epoch) -> u64 {
        self.told.gone.last(epoch).saturating_add(1)
    }

    /// The lows of all epochs of which anything is gone, ascending.
    pub fn lows(&self) -> Vec<(Epoch, u64)> {
        let mut lows: BTreeMap<Epoch, u64> = BTreeMap::new();
        for span in self.told.gone.spans() {
            lows.insert(span.epoch, span.to.saturating_add(1));
        }
        lows.into_iter().collect()
    }

    /// The last update of an epoch, whether it is on disk or not; `None` before its first.
    pub fn tip(&self, epoch: Epoch) -> Option<Tip> {
        self.told.extents.get(&epoch).and_then(Extent::tip)
    }

    /// By epoch, ascending, the last update on disk: the ends of [`Store::held`].
    pub fn tips(&self) -> impl Iterator<Item = (Epoch, Tip)> + '_ {
        let tip = |(epoch, extent): (&Epoch, &Extent)| Some((*epoch, extent.tip()?));
        self.held.extents.iter().filter_map(tip)
    }

    /// The hash of [`Store::held`] and of the ids in [`Store::tips`]: equal hashes mean that two
    /// nodes hold the same. Cheap: made anew only after something has come to the disk.
    pub fn state_hash(&self) -> [u8; 32] {
        if let Some(hash) = self.held_hash.get() {
            return hash;
        }
        let tips = self.tips().filter_map(|(epoch, tip)| Some((epoch, tip.cid?)));
        let hash = crate::update::state_hash(&self.held.vector, tips);
        self.held_hash.set(Some(hash));
        hash
    }

    /// The place of the log's first frame.
    pub fn log_start(&self) -> Place {
        self.segments.start()
    }

    /// The log up to here is on disk.
    pub fn durable_end(&self) -> Place {
        self.pending.durable_end()
    }

    /// Where the next update goes.
    pub fn log_end(&self) -> Place {
        self.pending.tail().spot.place
    }

    /// The place of the first update that waits for the disk before it may be seen; the log's end
    /// when there is none. Everything before it can be read.
    pub fn visible_end(&self) -> Place {
        self.pending.first_hidden().unwrap_or_else(|| self.log_end())
    }

    /// Changes whenever what is pending was laid out anew: places beyond [`Store::durable_end`]
    /// that were taken before mean nothing then.
    pub fn layout(&self) -> u64 {
        self.layout
    }

    /// Changes whenever something is erased: whoever keeps updates of the log lets go of them then.
    pub fn erasures(&self) -> u64 {
        self.erasures
    }

    /// The index.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The index, to enter what follows from updates. Enter it in the same turn in which the
    /// update was appended with [`Apply::Now`], committed or replayed: so a checkpoint holds
    /// either all of an update or nothing.
    pub fn index_mut(&mut self) -> &mut Index {
        &mut self.index
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store of epoch {}, {} to {}", self.epoch(), self.log_start(), self.log_end())
    }
}
