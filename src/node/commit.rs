//! When the log goes to disk, and what becomes true then. One batch is on its way at a time; what
//! comes meanwhile makes the next. A write that its writer waits for starts a batch in the next
//! turn, so that all of one turn share an fsync; others wait up to 5 ms for company.

use super::Node;
use crate::news;
use crate::reactor::{ConnId, Ctx, Finish, TimerId};
use crate::store::{BatchDone, CheckpointDone};
use crate::update::{Kind, Update};

/// How long an update that nobody waits for stays off the disk: half of what contract.md promises.
const LAZY_MS: u64 = 5;
/// This much starts a batch at once, whoever waits.
const EAGER_BYTES: usize = 1 << 20;
/// Between two tries of a disk that failed.
const RETRY_MS: u64 = 1_000;
const CHECKPOINT_MS: u64 = 2_000;
/// This much of the index in memory starts a checkpoint before its time.
const CHECKPOINT_BYTES: usize = 32 << 20;
/// At this much writers hear "later", and peers get no credit, until a checkpoint has come through.
pub(super) const OVERLAY_BYTES_MAX: usize = 4 * CHECKPOINT_BYTES;

/// What is known of the disk, and what is due.
#[derive(Debug, Default)]
pub(super) struct Commits {
    /// When the batch that is on its way was begun, by the wall clock.
    begun_ns: Option<u64>,
    /// The next batch's start, and whether someone waits for it.
    due: Option<(TimerId, bool)>,
    is_checkpointing: bool,
    /// Set from a failed batch to the next one that succeeds.
    pub(super) is_failing: bool,
    /// After a failure: one write may try the disk.
    pub(super) is_probing: bool,
}

impl Commits {
    /// True while a batch is on its way.
    pub(super) fn is_out(&self) -> bool {
        self.begun_ns.is_some()
    }
}

impl Node {
    /// Sees to it that what was appended goes to disk; soon when someone waits.
    pub(super) fn commit_later(&mut self, cx: &mut Ctx<'_, Self>, someone_waits: bool) {
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
        let Some(batch) = self.store.take_batch() else { return };
        self.commits.begun_ns = Some(cx.wall_ns());
        self.run_job(cx, move || {
            let done = batch.run();
            Box::new(move |cx, node: &mut Self| node.end_commit(cx, done))
        });
    }

    /// Hands blocking work to the pool. Work that finds no room there is dropped, and the store
    /// gives it out again.
    fn run_job(
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
            }
            Err(failed) => {
                log::error!("the disk refuses writes: {}; reads go on", failed.error);
                let told = self.tickets.refuse_last(failed.refused.len());
                self.forget_writing(&failed.refused);
                self.disk_failed(cx);
                tell(cx, told);
            }
        }
        if self.store.pending_bytes() > 0 {
            let someone_waits = self.tickets.is_open();
            self.commit_later(cx, someone_waits);
        }
        self.release_drain_if_done(cx);
        self.audience.tell_links(cx);
    }

    /// Own updates that have come to the disk: now they can be read, and flooded.
    fn reveal(&mut self, cx: &mut Ctx<'_, Self>, updates: &[Update]) {
        self.forget_writing(updates);
        for update in updates {
            self.index(update);
        }
        self.announce(cx);
    }

    fn forget_writing(&mut self, updates: &[Update]) {
        for update in updates {
            match update.kind() {
                Kind::Revision => {
                    if let Ok(revision) = news::Revision::decode(update.payload()) {
                        self.writing.remove(revision.title);
                    }
                }
                Kind::Report => self.reports.forget(update.payload()),
                Kind::Withdrawal | Kind::Data | Kind::Charter => {}
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
        if self.commits.is_checkpointing || cx.draining() {
            return;
        }
        let Some(checkpoint) = self.store.take_checkpoint() else { return };
        self.commits.is_checkpointing = true;
        self.run_job(cx, move || {
            let done = checkpoint.run();
            Box::new(move |cx, node: &mut Self| {
                node.end_checkpoint(done);
                node.audience.tell_links(cx);
                node.release_drain_if_done(cx);
            })
        });
    }

    fn end_checkpoint(&mut self, done: CheckpointDone) {
        self.commits.is_checkpointing = false;
        if let Err(error) = self.store.finish_checkpoint(done) {
            log::error!("the index can't be written: {error}; it is tried again, the log has all");
        }
    }

    /// Holds a stop until everything is on disk, and those who wait for news know that none will
    /// come from here.
    pub(super) fn drain(&mut self, cx: &mut Ctx<'_, Self>) {
        log::info!("stopping: no new work is taken");
        cx.hold();
        self.is_held = true;
        self.audience.tell_readers(cx);
        cx.call_later(0, |cx, node| {
            node.commit_later(cx, true);
            node.release_drain_if_done(cx);
        });
    }

    /// Nobody waits for the disk and no job is out: [`Store::close`] writes what is left.
    fn release_drain_if_done(&mut self, cx: &mut Ctx<'_, Self>) {
        let commits = &self.commits;
        let is_out = commits.is_out() || commits.is_checkpointing;
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

fn tell(cx: &mut Ctx<'_, Node>, connections: Vec<ConnId>) {
    for conn in connections {
        cx.transport_of(conn).notify();
    }
}
