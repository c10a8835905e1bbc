//! Bringing what is pending to the disk, and what becomes true with it.

use super::batch::{Batch, BatchDone};
use super::disk::DiskFile;
use super::error::{CommitFailed, StoreError};
use super::index::SealName;
use super::pending::{Apply, Entry, Said};
use super::{Committed, Place, Store, seals};
use crate::update::Update;
use std::sync::Arc;

impl Store {
    /// The next batch to run. `None` when nothing is pending, or while one is out. After a failed
    /// batch there is always one, which finds out whether the disk takes writes again. All own
    /// updates are to be sealed before.
    pub fn take_batch(&mut self) -> Option<Batch> {
        if self.pending.is_lost() {
            let refused = self.retry(false);
            debug_assert!(refused.is_empty(), "a lost batch is only written again");
        }
        debug_assert!(self.unsealed.is_empty(), "what is unsealed can go to nobody");
        self.pending.take_batch()
    }

    /// Takes back a batch that was run.
    pub fn finish(&mut self, done: BatchDone) -> Result<Committed, CommitFailed> {
        let ours = self.pending.is_ours(&done);
        debug_assert!(ours, "a batch comes back once, to the store that gave it");
        if !ours {
            let durable_end = self.pending.durable_end();
            return Ok(Committed { updates: Vec::new(), places: Vec::new(), durable_end });
        }
        self.pending.reuse(done.bytes);
        match done.result {
            Ok(file) => Ok(self.land(file)),
            Err(error) => {
                let refused = self.retry(true);
                let kept = self.pending.entries().filter_map(|entry| match &entry.said {
                    Said::Update { update, .. } => Some(update.clone()),
                    _ => None,
                });
                Err(CommitFailed { error, refused, kept: kept.collect() })
            }
        }
    }

    fn land(&mut self, file: Arc<dyn DiskFile>) -> Committed {
        let landed = self.pending.land(file);
        let durable_end = self.pending.durable_end();
        let mut committed = Committed { updates: Vec::new(), places: Vec::new(), durable_end };
        for entry in landed {
            self.land_entry(entry, &mut committed);
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

    fn land_entry(&mut self, entry: Entry, committed: &mut Committed) {
        self.held_hash.set(None);
        match entry.said {
            Said::Update { update, apply, .. } => {
                self.held.update(update.dot(), update.cid());
                self.landed(update.dot(), entry.place);
                self.segments.remember(entry.place, &update, entry.end);
                if apply != Apply::Now {
                    self.show(update, entry.place, committed);
                }
            }
            Said::Seal { seal, span, .. } => {
                self.held.seal(span);
                self.segments.remember_seal(entry.place, seal);
            }
            Said::Passed(passed) => self.held.pass(&passed),
            Said::Early(epoch) => self.early |= epoch == self.birth.epoch,
            Said::Exhibit(both) => self.exhibit_landed(&both.0, entry.place),
            Said::Summary(told) => self.held.first_needed = told.first_needed,
            Said::Erased(dots) => self.held.erased.merge(&dots),
            Said::Epoch(_) | Said::Clean => {}
        }
    }

    fn show(&mut self, update: Update, place: Place, committed: &mut Committed) {
        self.hidden.remove(update.dot());
        self.index.put_update(&update, place);
        committed.updates.push(self.as_stands(update));
        committed.places.push(place);
    }

    /// Frames what is pending anew, after a batch that failed or was dropped.
    fn retry(&mut self, refuse: bool) -> Vec<Update> {
        // What a frozen overlay says about pending updates is no longer so.
        self.index.thaw_unless_out();
        self.layout += 1;
        let retried = self.pending.retry(refuse);
        for update in &retried.refused {
            self.hidden.remove(update.dot());
            self.told.erased.remove(update.dot());
            self.forget_unsealed(update.dot());
        }
        for name in retried.seals {
            self.index.forget_seal(name);
        }
        self.told.go_back_to(&self.held);
        let Self { pending, told, index, unsealed, .. } = self;
        for Entry { place, said, .. } in pending.entries() {
            match said {
                Said::Update { update, apply, .. } => {
                    told.update(update.dot(), update.cid());
                    seals::moved(unsealed, update.dot(), *place);
                    if *apply == Apply::Now {
                        index.put_update(update, *place);
                    }
                }
                Said::Seal { seal, span, .. } => {
                    told.seal(*span);
                    index.put_seal(SealName::of(*span, seal), *place);
                }
                Said::Exhibit(both) => told.forks.insert(both.0.dot(), both.0.cid(), *place),
                Said::Passed(passed) => told.pass(passed),
                Said::Erased(_)
                | Said::Summary(_)
                | Said::Epoch(_)
                | Said::Early(_)
                | Said::Clean => {}
            }
        }
        let durable_end = self.pending.durable_end();
        // Summaries were not framed anew: they may tell of what was refused.
        if self.chores.awaits_summary(durable_end) {
            self.pending.push(Said::Summary(Box::new(self.told.clone())));
        }
        self.chores.laid_out(durable_end, self.pending.tail().spot.place);
        retried.refused
    }

    pub(super) fn write_pending(&mut self) -> Result<(), StoreError> {
        while let Some(batch) = self.take_batch() {
            self.finish(batch.run()).map_err(|failed| failed.error)?;
        }
        if self.pending.is_out() { Err(StoreError::InFlight) } else { Ok(()) }
    }
}
