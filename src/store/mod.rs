//! Layer 1: the durable log of updates and its index.
//!
//! The log is the truth: append-only segments of checked frames. Links, streams and cursors are
//! places in it. The index is derived from it and can be made again. One [`Store`] owns both, on
//! one thread, and never blocks it for writing: [`Batch`] and [`Checkpoint`] are values that a
//! pool thread runs and that are brought back.
//!
//! The order of calls: [`Store::open`]; [`Store::replay`] until it gives nothing; then, for ever,
//! [`Store::append`] and, whenever something is pending, [`Store::take_batch`], run,
//! [`Store::finish`]; every few seconds [`Store::take_checkpoint`], run,
//! [`Store::finish_checkpoint`]; at the end [`Store::close`].

mod cache;
mod disk;
mod engine;
mod error;
mod files;
mod frame;
mod index;
mod pending;
mod recover;
mod redb_backend;
mod replay;
mod report;
mod scan;
mod segment;
mod simdisk;
mod state;
#[cfg(test)]
mod tests;

pub use disk::{Disk, DiskFile, DiskLock};
pub use engine::{Checkpoint, CheckpointDone};
pub use error::{CommitFailed, StoreError};
pub use files::FileDisk;
pub use frame::Place;
pub use index::{Direction, Index, KeyValue};
pub use pending::{Apply, Batch, BatchDone};
pub use replay::Replay;
pub use report::{Cut, NewEpoch, OpenReport};
pub use simdisk::{Fault, SimDisk};

use crate::update::{Cid, Dot, Epoch, Update, Vector};
use frame::FrameKind;
use pending::Pending;
use recover::CatchUp;
use scan::Found;
use segment::Segments;
use state::{COVERED_KEY, Covered, Own};
use std::sync::Arc;

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
    /// 64 random bits: the epoch if the log is new or its end can't be trusted. Zero stands for
    /// none, and is then refused.
    pub fresh_epoch: Epoch,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            cache_bytes: 16 << 20,
            index_cache_bytes: 32 << 20,
            overlay_bytes_max: 16 << 20,
            salt: 0,
            fresh_epoch: Epoch(0),
        }
    }
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
    epoch: Epoch,
    /// The last own update appended, and the last that is on disk.
    own: OwnLast,
    own_durable: OwnLast,
    /// True when the log says, on disk, that this epoch sends before it syncs.
    early: bool,
    seen: Vector,
    held: Vector,
    /// Appended, but not to be seen before it is on disk.
    hidden: Vector,
    catch_up: Option<Box<CatchUp>>,
    /// The log's end when the last checkpoint was frozen.
    frozen_at: Place,
    overlay_bytes_max: usize,
    layout: u64,
}

/// The last own update of the epoch; sequence number 0 for none.
#[derive(Clone, Copy, Debug)]
struct OwnLast {
    seq: u64,
    cid: Cid,
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
        let (own, report) = (recovered.own, recovered.report);
        let segment = (options.segment_bytes.clamp(1 << 10, 2 << 30), options.salt);
        let last = OwnLast { seq: own.seq, cid: own.tip };
        let store = Self {
            frozen_at: recovered.tail.spot.place,
            segments: recovered.segments,
            pending: Pending::new(disk, lock, recovered.tail, recovered.file, segment),
            index: Index::new(recovered.engine),
            epoch: report.epoch,
            own: last,
            own_durable: last,
            // An epoch that goes on must say so again: the mark counts until the next clean close.
            early: false,
            held: recovered.vector.clone(),
            seen: recovered.vector,
            hidden: Vector::new(),
            catch_up: recovered.catch_up.map(Box::new),
            overlay_bytes_max: options.overlay_bytes_max,
            layout: 0,
        };
        Ok((store, report))
    }

    /// The next updates that are in the log and were not in the index, at most `limit`, in log
    /// order. The store has entered them in the index under their dots and cids; the caller enters
    /// whatever else follows from them before it calls again. Nothing when all is done. Blocks.
    pub fn replay(&mut self, limit: usize) -> Result<Vec<Update>, StoreError> {
        if self.catch_up.is_some() && self.index.overlay_bytes() > self.overlay_bytes_max {
            self.checkpoint_catch_up()?;
        }
        let Some(mut catch_up) = self.catch_up.take() else { return Ok(Vec::new()) };
        let mut updates = Vec::new();
        while updates.len() < limit {
            match self.replay_next(&mut catch_up)? {
                Some((update, true)) => updates.push(update),
                Some((_, false)) => {}
                None => {
                    debug_assert_eq!(
                        catch_up.covered.vector, self.seen,
                        "both passes see the same"
                    );
                    return Ok(updates);
                }
            }
        }
        self.catch_up = Some(catch_up);
        Ok(updates)
    }

    /// The next update of the log that the index may lack; true when it did.
    fn replay_next(
        &mut self,
        catch_up: &mut CatchUp,
    ) -> Result<Option<(Update, bool)>, StoreError> {
        loop {
            let (place, kind) = match catch_up.scan.next(&self.segments)? {
                Found::Frame(place, kind) => (place, kind),
                Found::End => return Ok(None),
                Found::Torn { .. } => return Err(catch_up.scan.damaged()),
            };
            let (spot, payload) = (catch_up.scan.spot(), catch_up.scan.payload());
            let covered = &mut catch_up.covered;
            covered.own.on_frame(place, kind, payload);
            covered.until = spot;
            if place > catch_up.known {
                covered.last = scan::Spot { place, check: spot.check };
                covered.last_end = spot.place;
            }
            if kind != FrameKind::Update {
                continue;
            }
            let damaged = catch_up.scan.damaged();
            let update = Update::decode(payload.into()).map_err(|_| damaged)?;
            covered.vector.insert(update.dot());
            let is_known = place <= catch_up.known && self.index.place_of(update.dot())?.is_some();
            if !is_known {
                self.index.put_update(&update, place);
            }
            return Ok(Some((update, !is_known)));
        }
    }

    /// Writes what was replayed so far into the index's file.
    fn checkpoint_catch_up(&mut self) -> Result<(), StoreError> {
        let Some(catch_up) = &mut self.catch_up else { return Ok(()) };
        let own = &mut catch_up.covered.own;
        if let Some(place) = own.tip_at.take() {
            own.tip = self.segments.update_at(place, self.pending.durable_end())?.0.cid();
        }
        let state = catch_up.covered.encode();
        self.index.freeze(self.pending.durable_end(), COVERED_KEY.to_vec(), state);
        self.run_checkpoint()
    }

    /// Writes the frozen overlay into the index's file. Blocks.
    fn run_checkpoint(&mut self) -> Result<(), StoreError> {
        match self.index.take_checkpoint(self.pending.durable_end()) {
            Some(checkpoint) => self.index.finish_checkpoint(checkpoint.run()),
            None => Err(StoreError::IndexBroken),
        }
    }

    /// The epoch of own updates.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The name that the next own update must carry.
    pub fn next_dot(&self) -> Dot {
        Dot { epoch: self.epoch, seq: self.own.seq + 1 }
    }

    /// The cid of the last own update: what the next one names as its previous one.
    pub fn tip(&self) -> Cid {
        self.own.cid
    }

    /// Goes on under a new epoch: the log's end turned out not to be ours. What was appended under
    /// the old one stays. The mark of it goes out with the next batch.
    pub fn begin_epoch(&mut self, fresh: Epoch) {
        self.epoch = fresh;
        self.early = false;
        self.own = OwnLast { seq: 0, cid: Cid::ZERO };
        self.own_durable = self.own;
        self.pending.mark_epoch(fresh);
    }

    /// True when own updates may be appended with [`Apply::Now`]: the log says, on disk, that this
    /// epoch sends before it syncs, and the disk is not failing.
    pub fn may_send_early(&self) -> bool {
        self.early && !self.pending.is_failing()
    }

    /// True while own updates wait for the disk before they may be seen: one that must not overtake
    /// them goes [`Apply::InTurn`].
    pub fn is_hiding(&self) -> bool {
        !self.hidden.is_empty()
    }

    /// Asks for that mark: it goes out with the next batch. Asking again does nothing.
    pub fn mark_early(&mut self) {
        if !self.early && self.pending.early_waiting() != Some(self.epoch) {
            self.pending.mark_early(self.epoch);
        }
    }

    /// Appends an update to the log's pending end. Its dot must not be in [`Store::seen`].
    ///
    /// # Panics
    /// When an own update does not carry [`Store::next_dot`], or is to be applied at once although
    /// [`Store::may_send_early`] is false; or before [`Store::replay`] has come to its end.
    pub fn append(&mut self, update: &Update, apply: Apply) -> Place {
        assert!(self.catch_up.is_none(), "replay comes before the first append");
        let dot = update.dot();
        debug_assert!(!self.seen.contains(dot), "{dot} is in the log");
        let own = dot.epoch == self.epoch;
        if own {
            assert_eq!(dot, self.next_dot(), "own updates are gapless");
            assert!(apply != Apply::Now || self.may_send_early(), "{dot} is sent too early");
            self.own = OwnLast { seq: dot.seq, cid: update.cid() };
        }
        let place = self.pending.push(update.clone(), apply, own);
        self.seen.insert(dot);
        match apply {
            Apply::Now => self.index.put_update(update, place),
            Apply::OnCommit | Apply::InTurn => {
                self.hidden.insert(dot);
            }
        }
        place
    }

    /// How many bytes wait for the disk, those of a batch that is out included.
    pub fn pending_bytes(&self) -> usize {
        self.pending.bytes()
    }

    /// The next batch to run. `None` when nothing is pending, or while one is out. After a failed
    /// batch there is always one, which finds out whether the disk takes writes again.
    pub fn take_batch(&mut self) -> Option<Batch> {
        if self.pending.is_lost() {
            let refused = self.retry(false);
            debug_assert!(refused.is_empty(), "a lost batch is only written again");
        }
        self.pending.take_batch()
    }

    /// Takes back a batch that was run.
    pub fn finish(&mut self, done: BatchDone) -> Result<Committed, CommitFailed> {
        let ours = self.pending.is_ours(&done);
        debug_assert!(ours, "a batch comes back once, to the store that gave it");
        let durable_end = self.pending.durable_end();
        if !ours {
            return Ok(Committed { updates: Vec::new(), places: Vec::new(), durable_end });
        }
        match done.result {
            Ok(file) => Ok(self.land(file)),
            Err(error) => {
                let refused = self.retry(true);
                let kept = self.pending.entries().map(|entry| entry.update.clone()).collect();
                Err(CommitFailed { error, refused, kept, durable_end })
            }
        }
    }

    fn land(&mut self, file: Arc<dyn DiskFile>) -> Committed {
        let landed = self.pending.land(file);
        let durable_end = self.pending.durable_end();
        let mut committed = Committed { updates: Vec::new(), places: Vec::new(), durable_end };
        let Some(landed) = landed else { return committed };
        self.early |= landed.early == Some(self.epoch);
        for entry in landed.entries {
            let dot = entry.update.dot();
            self.held.insert(dot);
            self.segments.remember(entry.place, &entry.update);
            if dot.epoch == self.epoch {
                self.own_durable = OwnLast { seq: dot.seq, cid: entry.update.cid() };
            }
            if entry.apply != Apply::Now {
                self.show(entry.update, entry.place, &mut committed);
            }
        }
        if self.early {
            for place in self.pending.reveal() {
                if let Some((update, _)) = self.pending.update_from(place) {
                    self.show(update, place, &mut committed);
                }
            }
        }
        committed
    }

    fn show(&mut self, update: Update, place: Place, committed: &mut Committed) {
        self.hidden.remove(update.dot());
        self.index.put_update(&update, place);
        committed.updates.push(update);
        committed.places.push(place);
    }

    /// Frames what is pending anew, after a batch that failed or was dropped.
    fn retry(&mut self, refuse: bool) -> Vec<Update> {
        // What a frozen overlay says about pending updates is no longer so.
        self.index.thaw_unless_out();
        self.layout += 1;
        let refused: Vec<Update> =
            self.pending.retry(refuse).into_iter().map(|entry| entry.update).collect();
        for update in &refused {
            self.seen.remove(update.dot());
            self.hidden.remove(update.dot());
        }
        self.own = self.own_durable;
        for entry in self.pending.entries() {
            if entry.update.dot().epoch == self.epoch {
                self.own = OwnLast { seq: entry.update.dot().seq, cid: entry.update.cid() };
            }
            if entry.apply == Apply::Now {
                self.index.put_update(&entry.update, entry.place);
            }
        }
        refused
    }

    /// True from a failed batch until one succeeds: refuse new own updates, go on reading.
    pub fn is_failing(&self) -> bool {
        self.pending.is_failing()
    }

    /// All dots appended, those that wait for the disk included: what cuts duplicates.
    pub fn seen(&self) -> &Vector {
        &self.seen
    }

    /// All dots on disk: what may be promised to others.
    pub fn held(&self) -> &Vector {
        &self.held
    }

    /// All dots that can be read: [`Store::seen`] without own updates that wait for the disk.
    pub fn visible(&self) -> Vector {
        let mut visible = self.seen.clone();
        for span in self.hidden.spans() {
            for seq in span.from..=span.to {
                visible.remove(Dot { epoch: span.epoch, seq });
            }
        }
        visible
    }

    /// True when the update can be read: it is in the log, and not an own one that waits for the
    /// disk before it may be seen.
    pub fn contains(&self, dot: Dot) -> bool {
        self.seen.contains(dot) && !self.hidden.contains(dot)
    }

    /// The update of a dot.
    pub fn get(&self, dot: Dot) -> Result<Option<Update>, StoreError> {
        if !self.contains(dot) {
            return Ok(None);
        }
        let read = match self.index.place_of(dot)? {
            Some(place) => self.read(place, dot),
            None if self.catch_up.is_some() => return Ok(None),
            None => Err(StoreError::IndexBroken),
        };
        // Whichever of the two is damaged: making the index again reads the whole log, and says.
        if matches!(
            read,
            Err(StoreError::BadPlace(_) | StoreError::Damaged { .. } | StoreError::IndexBroken)
        ) {
            self.index.condemn();
        }
        read
    }

    /// The update at a place that the index gave.
    fn read(&self, place: Place, dot: Dot) -> Result<Option<Update>, StoreError> {
        let durable_end = self.pending.durable_end();
        let update = if place < durable_end {
            Some(self.segments.update_at(place, durable_end)?.0)
        } else {
            self.pending.update_from(place).map(|(update, _)| update)
        };
        match update.filter(|update| update.dot() == dot) {
            None => Err(StoreError::BadPlace(place)),
            found => Ok(found),
        }
    }

    /// The dot of a content id.
    pub fn dot_of(&self, cid: Cid) -> Result<Option<Dot>, StoreError> {
        self.index.dot_of(cid)
    }

    /// The update of a content id.
    pub fn by_cid(&self, cid: Cid) -> Result<Option<Update>, StoreError> {
        match self.index.dot_of(cid)? {
            Some(dot) => self.get(dot),
            None => Ok(None),
        }
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

    /// The first update at or behind `place`, and the place to go on from; `None` at the end: ask
    /// again from the same place. A place before the log's start is the start.
    ///
    /// Passes by own updates that wait for the disk: [`Committed`] hands them over. After
    /// [`CommitFailed`] a place beyond its `durable_end` must be set back to it.
    pub fn read_from(&self, place: Place) -> Result<Option<(Update, Place)>, StoreError> {
        let found = self.segments.update_from(place, self.pending.durable_end())?;
        Ok(found.or_else(|| self.pending.update_from(place)))
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

    /// What the part of the index that is not in its file costs in memory, in bytes, about.
    pub fn overlay_bytes(&self) -> usize {
        self.index.overlay_bytes()
    }

    /// The next checkpoint to run. The first call freezes the overlay; a checkpoint comes out once
    /// the log is on disk as far as the overlay tells of it: call again after each batch. `None`
    /// also while one is out, when nothing is new, and while the disk is failing.
    pub fn take_checkpoint(&mut self) -> Option<Checkpoint> {
        if self.catch_up.is_some() || self.is_failing() || self.index.is_out() {
            return None;
        }
        if !self.index.is_frozen() {
            self.freeze()?;
        }
        self.index.take_checkpoint(self.pending.durable_end())
    }

    fn freeze(&mut self) -> Option<()> {
        let (tail, base) = (self.pending.tail(), self.pending.base());
        if self.index.is_empty() && self.frozen_at == tail.spot.place {
            return None;
        }
        let vector = self.visible();
        // Hidden updates are entered in the index when they are on disk, so the index covers only
        // what stands before them.
        let until = if self.hidden.is_empty() { tail.spot } else { base.spot };
        let early = self.early || self.pending.early_waiting() == Some(self.epoch);
        let OwnLast { seq, cid } = self.own;
        let own = Own { epoch: Some(self.epoch), early, seq, tip: cid, tip_at: None };
        let first_segment = self.segments.start().segment();
        let (last, last_end) = (tail.last, tail.last_end);
        let covered = Covered { until, last, last_end, first_segment, own, vector };
        self.index.freeze(tail.spot.place, COVERED_KEY.to_vec(), covered.encode());
        self.frozen_at = tail.spot.place;
        Some(())
    }

    /// Takes back a checkpoint that was run. After an error all is as before it was taken, in
    /// memory; the next one tries again.
    pub fn finish_checkpoint(&mut self, done: CheckpointDone) -> Result<(), StoreError> {
        self.index.finish_checkpoint(done)
    }

    /// Writes all that is pending, the mark of a clean close, and a checkpoint. Blocks. The log is
    /// closed well if the error is one of the index.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.write_pending()?;
        if self.early {
            self.pending.mark(FrameKind::Clean, &[]);
            self.early = false;
            self.write_pending()?;
        }
        if self.index.is_out() {
            return Err(StoreError::InFlight);
        }
        if self.catch_up.is_some() {
            return Ok(());
        }
        self.index.thaw();
        match self.freeze() {
            Some(()) => self.run_checkpoint(),
            None => Ok(()),
        }
    }

    fn write_pending(&mut self) -> Result<(), StoreError> {
        while let Some(batch) = self.take_batch() {
            self.finish(batch.run()).map_err(|failed| failed.error)?;
        }
        if self.pending.is_out() { Err(StoreError::InFlight) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store of epoch {}, {} to {}", self.epoch, self.log_start(), self.log_end())
    }
}
