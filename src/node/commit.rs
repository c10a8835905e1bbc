//! When the log goes to disk, and what becomes true then. One batch is on its way at a time; what
//! comes meanwhile makes the next. A write that its writer waits for starts a batch in the next
//! turn, so that all of one turn share an fsync; others wait up to 5 ms for company.

use super::Node;
use crate::base::Tick;
use crate::news;
use crate::reactor::{ConnId, Ctx, Finish, TimerId};
use crate::store::{BatchDone, CheckpointDone};
use crate::update::{Kind, Update};

/// How long an update that nobody waits for stays off the disk: half of what contract.md promises.
const LAZY_MS: u64 = 5;
/// This much starts a batch at once, whoever waits.
const EAGER_BYTES: usize = 1 << 20;
/// A disk that was slow for so long, with every batch, is behind.
const SLOW_MS: u64 = 1_000;
/// Between two tries of a disk that failed.
const RETRY_MS: u64 = 1_000;
const CHECKPOINT_MS: u64 = 2_000;
/// This much of the index in memory starts a checkpoint before its time; while that is written more
/// may come, up to `OVERLAY_BYTES_MAX` with it.
const CHECKPOINT_BYTES: usize = 8 << 20;
/// At this much writers hear "later", and peers get no credit, until a checkpoint has come through.
pub(super) const OVERLAY_BYTES_MAX: usize = 128 << 20;

/// What is known of the disk, and what is due.
#[derive(Debug, Default)]
pub(super) struct Commits {
    /// When the batch that is on its way was begun, by the wall clock.
    begun_ns: Option<u64>,
    /// The same in ticks, which nobody can set back.
    begun_at: Tick,
    /// The next batch's start, and whether someone waits for it.
    due: Option<(TimerId, bool)>,
    /// When the oldest write came that is in no batch yet.
    waiting_since: Option<Tick>,
    /// When the first batch began of those that were slow, without a quick one since.
    slow_since: Option<Tick>,
    pub(super) jobs: Jobs,
    /// Set from a failed batch to the next one that succeeds.
    pub(super) is_failing: bool,
    /// After a failure: one write may try the disk.
    pub(super) is_probing: bool,
}

/// Work of the disk that is out, beside a batch.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    /// A checkpoint of the index.
    is_checkpointing: bool,
    /// A segment of the log that is written anew.
    pub(super) is_rewriting: bool,
    /// What was last said of one that failed.
    pub(super) rewrite_failed: Option<String>,
}

impl Commits {
    /// True while a batch is on its way.
    pub(super) fn is_out(&self) -> bool {
        self.begun_ns.is_some()
    }

    /// True when the disk is too slow for what is written: a write has waited for so long to get
    /// into a batch, so the one that is out takes as long; and so did all those of the last second.
    /// A healthy disk that is slow for a moment refuses nobody, since who waits for that moment is
    /// served sooner than who comes back a second later; what comes meanwhile is bounded by bytes.
    pub(super) fn is_behind(&self, now: Tick, pending_ms: u64) -> bool {
        let slow_since = self.slow_since.unwrap_or(self.begun_at);
        let waits = |since| now.saturating_sub(since) > pending_ms;
        now.saturating_sub(slow_since) > SLOW_MS && self.waiting_since.is_some_and(waits)
    }

    /// A batch is done.
    fn note_time(&mut self, now: Tick, pending_ms: u64) {
        if now.saturating_sub(self.begun_at) > pending_ms {
            self.slow_since.get_or_insert(self.begun_at);
        } else {
            self.slow_since = None;
        }
    }
}

impl Node {
    /// Sees to it that what was appended goes to disk; soon when someone waits.
    pub(super) fn commit_later(&mut self, cx: &mut Ctx<'_, Self>, someone_waits: bool) {
        self.commits.waiting_since.get_or_insert(cx.now());
        if self.commits.is_out() || (self.commits.is_failing && !self.commits.is_probing) {
            return;
        }
        let soon = someone_waits || self.store.pending_bytes() >= EAGER_BYTES;
        if let Some((timer, is_soon)) = self.commits.due {
            if is_soon || !soon {
                return;
            }
            cx.cancel(timer);
        }
        let wait_ms = if soon { 0 } else { LAZY_MS };
        let timer = cx.call_later(wait_ms, |cx, node| {
            node.commits.due = None;
            node.begin_commit(cx);
        });
        self.commits.due = Some((timer, soon));
    }

    fn begin_commit(&mut self, cx: &mut Ctx<'_, Self>) {
        if cx.draining() && !self.tickets.is_open() {
            return self.release_drain_if_done(cx);
        }
        self.commits.waiting_since = None;
        self.seal_all();
        self.flood_what_is_early(cx);
        let Some(batch) = self.store.take_batch() else { return };
        self.commits.begun_ns = Some(cx.wall_ns());
        self.commits.begun_at = cx.now();
        self.run_job(cx, move || {
            let done = batch.run();
            Box::new(move |cx, node: &mut Self| node.end_commit(cx, done))
        });
    }

    /// Hands blocking work to the pool. Work that finds no room there is dropped, and the store
    /// gives it out again.
    pub(super) fn run_job(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        job: impl FnOnce() -> Finish<Self> + Send + 'static,
    ) {
        if let Err(full) = cx.offload(Box::new(job)) {
            log::error!("{full}: the disk's work is tried again");
            self.commits = Commits { is_failing: self.commits.is_failing, ..Commits::default() };
            cx.call_later(RETRY_MS, |cx, node| {
                node.commits.is_probing = node.commits.is_failing;
                node.commit_later(cx, true);
            });
        }
    }

    fn end_commit(&mut self, cx: &mut Ctx<'_, Self>, done: BatchDone) {
        if let Some(begun_ns) = self.commits.begun_ns.take() {
            self.figures.fsync_ns.observe(cx.wall_ns().saturating_sub(begun_ns));
            self.commits.note_time(cx.now(), self.config.limits.pending_ms);
        }
        match self.store.finish(done) {
            Ok(committed) => {
                if std::mem::take(&mut self.commits.is_failing) {
                    log::warn!("the disk takes writes again");
                }
                self.commits.is_probing = false;
                let told = self.tickets.settle_first(committed.updates.len());
                self.reveal(cx, &committed.updates);
                tell(cx, told);
                self.note_own_held(cx);
            }
            Err(failed) => {
                log::error!("the disk refuses writes: {}; reads go on", failed.error);
                let told = self.tickets.refuse_last(failed.refused.len());
                self.forget_writing(&failed.refused);
                self.disk_failed(cx);
                tell(cx, told);
            }
        }
        if self.store.pending_bytes() == 0 {
            self.commits.waiting_since = None;
        } else {
            let someone_waits = self.tickets.is_open();
            self.commit_later(cx, someone_waits);
        }
        self.release_drain_if_done(cx);
        // The log may take more now.
        self.take_steps(cx);
    }

    /// Own updates that have come to the disk: now they can be read, and flooded.
    fn reveal(&mut self, cx: &mut Ctx<'_, Self>, updates: &[Update]) {
        self.forget_writing(updates);
        for update in updates {
            self.index(update);
            self.note_hop(cx, update, None);
        }
        let updates: Vec<Update> = updates.iter().map(|update| self.as_stands(update)).collect();
        self.flood(cx, &updates);
        self.announce(cx);
    }

    fn forget_writing(&mut self, updates: &[Update]) {
        for update in updates {
            if let Some(title) = news::title_of(update) {
                self.writing.remove(title);
            } else if update.kind() == Kind::Report {
                self.reports.forget(update.payload());
            }
        }
    }

    /// Refuses writes, and tries the disk again after a while: with what waits for it, or, when
    /// nothing does, with an empty batch, since nobody may write to a node that says it can't.
    fn disk_failed(&mut self, cx: &mut Ctx<'_, Self>) {
        self.commits.is_failing = true;
        self.commits.is_probing = false;
        if cx.draining() {
            return self.release_drain(cx);
        }
        cx.call_later(RETRY_MS, |cx, node| {
            node.commits.is_probing = true;
            node.commit_later(cx, true);
        });
    }

    /// Starts the checkpoints of the index, for as long as the node runs.
    pub(super) fn checkpoint_for_ever(&mut self, cx: &mut Ctx<'_, Self>) {
        self.checkpoint(cx);
        cx.call_later(CHECKPOINT_MS, |cx, node| node.checkpoint_for_ever(cx));
    }

    pub(super) fn checkpoint_if_large(&mut self, cx: &mut Ctx<'_, Self>) {
        if self.store.overlay_bytes() >= CHECKPOINT_BYTES {
            self.checkpoint(cx);
        }
    }

    fn checkpoint(&mut self, cx: &mut Ctx<'_, Self>) {
        if self.commits.jobs.is_checkpointing || cx.draining() {
            return;
        }
        let was_frozen = self.store.is_frozen();
        let taken = self.store.take_checkpoint();
        if !was_frozen && self.store.is_frozen() {
            self.retention.checkpoint_began();
        }
        let Some(checkpoint) = taken else {
            // What left no trace in the index needs no checkpoint to be dropped.
            if self.store.is_index_saved() {
                self.retention.checkpoint_began();
                self.retention.checkpoint_ended();
                self.retire_forgotten(cx);
            }
            return;
        };
        self.commits.jobs.is_checkpointing = true;
        self.run_job(cx, move || {
            let done = checkpoint.run();
            Box::new(move |cx, node: &mut Self| {
                node.end_checkpoint(cx, done);
                node.retire_forgotten(cx);
                node.take_steps(cx);
                node.release_drain_if_done(cx);
            })
        });
    }

    fn end_checkpoint(&mut self, cx: &mut Ctx<'_, Self>, done: CheckpointDone) {
        self.commits.jobs.is_checkpointing = false;
        let ended = self.store.finish_checkpoint(done);
        if let Some(spent) = self.store.take_spent() {
            let free = move || -> Finish<Self> {
                drop(spent);
                Box::new(|_, _: &mut Self| {})
            };
            // Where the pool has no room it is freed here and now.
            if let Err(full) = cx.offload(Box::new(free)) {
                log::debug!("{full}: memory is freed on the loop");
            }
        }
        match ended {
            Ok(()) => self.retention.checkpoint_ended(),
            Err(error) => {
                log::error!(
                    "the index can't be written: {error}; it is tried again, the log has all"
                );
            }
        }
    }

    /// Holds a stop until everything is on disk, and those who wait for news know that none will
    /// come from here.
    pub(super) fn drain(&mut self, cx: &mut Ctx<'_, Self>) {
        log::info!("stopping: no new work is taken");
        cx.hold();
        self.is_held = true;
        self.audience.tell_readers(cx);
        self.sockets.notify(cx);
        self.sessions.tell(cx);
        self.tally.nntp.tell(cx);
        self.look_at_spread(cx);
        cx.call_later(0, |cx, node| {
            node.commit_later(cx, true);
            node.release_drain_if_done(cx);
        });
    }

    /// Nobody waits for the disk and no job is out: [`Store::close`] writes what is left.
    pub(super) fn release_drain_if_done(&mut self, cx: &mut Ctx<'_, Self>) {
        let commits = &self.commits;
        let is_out = commits.is_out() || commits.jobs.is_checkpointing || commits.jobs.is_rewriting;
        if cx.draining() && !is_out && !self.tickets.is_open() {
            self.release_drain(cx);
        }
    }

    fn release_drain(&mut self, cx: &mut Ctx<'_, Self>) {
        if std::mem::take(&mut self.is_held) {
            cx.release();
        }
    }
}

pub(super) fn tell(cx: &mut Ctx<'_, Node>, connections: Vec<ConnId>) {
    for conn in connections {
        cx.transport_of(conn).notify();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_behind_when_it_was_slow_for_a_second_and_a_write_waits() {
        let mut commits = Commits { begun_at: 5_000, ..Commits::default() };
        commits.waiting_since = Some(5_010);
        assert!(!commits.is_behind(5_100, 50), "one slow batch");
        assert!(commits.is_behind(6_001, 50), "one that takes for ever");
        commits.note_time(5_100, 50);
        for begun_at in [5_100, 5_400, 5_700] {
            commits.begun_at = begun_at;
            commits.waiting_since = Some(begun_at);
            assert!(!commits.is_behind(begun_at + 290, 50));
            commits.note_time(begun_at + 300, 50);
        }
        commits.begun_at = 6_000;
        commits.waiting_since = None;
        assert!(!commits.is_behind(6_090, 50), "nothing waits");
        commits.waiting_since = Some(6_000);
        assert!(!commits.is_behind(6_040, 50), "not for long");
        assert!(commits.is_behind(6_090, 50));
        commits.note_time(6_010, 50);
        assert!(!commits.is_behind(6_090, 50), "a quick one ends it");
    }
}
