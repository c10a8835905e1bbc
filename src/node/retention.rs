//! Retention: what is over its topic's count, bytes or days is dropped, but for what others build
//! upon. Each node retains by itself; what it dropped it still counts as had.
//!
//! For each rule of the configuration there are two places in the log. From `judged` to the end
//! everything of the topic is kept, and counted: in memory, by one reading of the log after a
//! start, which then follows its end. Whenever that is over the rule, `judged` moves on: what it
//! passes is dropped or spared. What was spared may be superseded later: `swept` goes round and
//! round before `judged`, a bounded number of updates each time. So a pass costs what came since
//! the last one, what it drops, and that bound, however much is kept; and memory is a few numbers a
//! topic.
//!
//! A crash must not leave rows in the index of what is dropped. So the rows go first, and the
//! updates once a checkpoint without the rows is on disk; if a crash comes in between, they are
//! found again.

use super::Node;
use crate::config::{Config, Keep};
use crate::news;
use crate::reactor::Ctx;
use crate::store::{Place, Store, StoreError};
use crate::update::{Dot, Kind, Update, Vector};

/// How many updates are looked at in a turn.
const TURN_UPDATES: usize = 1_000;
/// Between two such turns.
const PAUSE_MS: u64 = 5;
/// How many updates at most wait for a checkpoint.
const FORGOTTEN_MAX: u64 = 10_000;
const DAY_MS: u64 = 24 * 3_600_000;

/// What is known of the topics with rules, and what is about to be dropped.
#[derive(Debug, Default)]
pub(super) struct Retention {
    topics: Vec<Topic>,
    /// The log up to here is counted.
    counted: Place,
    /// Rows of these are gone from the index; those of `covered` in a checkpoint that is out, those
    /// of `ready` in one that is on disk.
    forgotten: Vector,
    covered: Vector,
    ready: Vector,
}

/// One rule.
#[derive(Debug)]
struct Topic {
    keep: Keep,
    /// What stands behind `judged` and was counted.
    count: u64,
    bytes: u64,
    judged: Place,
    swept: Place,
}

impl Topic {
    fn is_over(&self, update: &Update, now_ms: u64) -> bool {
        let age_ms = now_ms.saturating_sub(update.clock().ms());
        self.keep.count.is_some_and(|count| self.count > count)
            || self.keep.bytes.is_some_and(|bytes| self.bytes > bytes)
            || self.keep.days.is_some_and(|days| age_ms / DAY_MS >= days)
    }

    /// True when it may be that something behind `judged` is over the rule.
    fn may_be_over(&self) -> bool {
        let is_over = |max: Option<u64>, is| max.is_some_and(|max| is > max);
        let by_age = self.keep.days.is_some() && self.count > 0;
        by_age || is_over(self.keep.count, self.count) || is_over(self.keep.bytes, self.bytes)
    }
}

impl Retention {
    pub(super) fn of(rules: &[(String, Keep)]) -> Self {
        let start = Place::START;
        let topic = |keep| Topic { keep, count: 0, bytes: 0, judged: start, swept: start };
        Self { topics: rules.iter().map(|(_, keep)| topic(*keep)).collect(), ..Self::default() }
    }

    /// What was forgotten so far is in the checkpoint that begins.
    pub(super) fn checkpoint_began(&mut self) {
        self.covered.merge(&std::mem::take(&mut self.forgotten));
    }

    /// It is on disk.
    pub(super) fn checkpoint_ended(&mut self) {
        self.ready.merge(&std::mem::take(&mut self.covered));
    }

    fn is_full(&self) -> bool {
        self.forgotten.count() + self.covered.count() + self.ready.count() >= FORGOTTEN_MAX
    }

    fn is_forgotten(&self, dot: Dot) -> bool {
        let all = [&self.forgotten, &self.covered, &self.ready];
        all.into_iter().any(|dots| dots.contains(dot))
    }

    /// Drops an update, unless others build upon it. The last of an epoch is what the epoch goes on
    /// from, and a proof of how far it came: of a revision a stub stays then, or else all that ever
    /// followed it would have to stay, too.
    fn forget(&mut self, store: &mut Store, update: &Update) -> Result<(), StoreError> {
        let dot = update.dot();
        let is_last = dot.seq >= store.held().last(dot.epoch);
        let is_revision = update.kind() == Kind::Revision;
        if self.is_forgotten(dot) || (is_last && !is_revision) {
            return Ok(());
        }
        if update.is_erased() {
            // A crash may have left its rows.
            return if is_revision { news::forget(store.index_mut(), update) } else { Ok(()) };
        }
        if !self.may_go(store, update)? {
            return Ok(());
        }
        if is_revision {
            news::forget(store.index_mut(), update)?;
        }
        if is_last {
            return store.erase(&[dot]);
        }
        self.forgotten.insert(dot);
        Ok(())
    }

    /// True when nothing builds upon an update: it is no head of a story and no newest report, no
    /// withdrawal, and no act on the charter or on accounts. A revision stays for as long as one
    /// that it follows is here, so that a peer never gets that one without it, and takes it for a
    /// head.
    fn may_go(&self, store: &Store, update: &Update) -> Result<bool, StoreError> {
        match update.kind() {
            Kind::Withdrawal | Kind::Charter | Kind::Account => Ok(false),
            Kind::Data => Ok(true),
            Kind::Report => Ok(!news::is_newest(store.index(), update)?),
            Kind::Revision => {
                for parent in update.parents() {
                    let dot = store.dot_of(parent)?.filter(|dot| !self.is_forgotten(*dot));
                    let parent = dot.map_or(Ok(None), |dot| store.find(dot))?;
                    if parent.is_some_and(|parent| !parent.is_erased()) {
                        return Ok(false);
                    }
                }
                Ok(!news::is_newest(store.index(), update)?)
            }
        }
    }

    /// Counts what came, and judges what is over its rule: a bounded part of it. True when there is
    /// more to do.
    fn judge(
        &mut self,
        config: &Config,
        store: &mut Store,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let mut left = TURN_UPDATES;
        while left > 0 {
            let Some((update, next)) = on_disk_from(store, self.counted)? else { break };
            left -= 1;
            self.counted = next;
            if let Some(rule) = config.retention_of(update.topic()) {
                self.topics[rule].count += 1;
                self.topics[rule].bytes += update.raw().len() as u64;
            }
        }
        for rule in 0..self.topics.len() {
            self.judge_topic(config, store, (rule, now_ms), &mut left)?;
        }
        Ok(left == 0 && !self.is_full())
    }

    fn judge_topic(
        &mut self,
        config: &Config,
        store: &mut Store,
        (rule, now_ms): (usize, u64),
        left: &mut usize,
    ) -> Result<(), StoreError> {
        while *left > 0 && !self.is_full() && self.topics[rule].may_be_over() {
            let topic = &mut self.topics[rule];
            let Some((update, next)) = on_disk_from(store, topic.judged)? else { break };
            *left -= 1;
            if next > self.counted {
                break;
            }
            if config.retention_of(update.topic()) == Some(rule) {
                if !topic.is_over(&update, now_ms) {
                    break;
                }
                topic.count = topic.count.saturating_sub(1);
                topic.bytes = topic.bytes.saturating_sub(update.raw().len() as u64);
                self.forget(store, &update)?;
            }
            self.topics[rule].judged = next;
        }
        Ok(())
    }

    /// Looks again at some of what was spared.
    fn sweep(&mut self, config: &Config, store: &mut Store) -> Result<(), StoreError> {
        for rule in 0..self.topics.len() {
            for _ in 0..TURN_UPDATES / self.topics.len() {
                let topic = &mut self.topics[rule];
                let found = on_disk_from(store, topic.swept)?;
                let Some((update, next)) = found.filter(|(_, next)| *next <= topic.judged) else {
                    topic.swept = Place::START;
                    break;
                };
                topic.swept = next;
                if config.retention_of(update.topic()) == Some(rule) {
                    self.forget(store, &update)?;
                }
            }
        }
        Ok(())
    }
}

/// The next update in the log that is on disk, and the place behind it.
fn on_disk_from(store: &Store, place: Place) -> Result<Option<(Update, Place)>, StoreError> {
    let found = store.read_from(place)?;
    Ok(found.filter(|(_, next)| *next <= store.durable_end()))
}

impl Node {
    /// Drops what is over its topic's retention, for as long as the node runs.
    pub(super) fn retain_for_ever(&mut self, cx: &mut Ctx<'_, Self>) {
        if self.retention.topics.is_empty() {
            return;
        }
        if !cx.draining()
            && let Err(error) = self.retention.sweep(&self.config, &mut self.store)
        {
            log::error!("what is over its retention can't be found: {error}");
        }
        self.retain(cx);
    }

    fn retain(&mut self, cx: &mut Ctx<'_, Self>) {
        let now_ms = cx.wall_ns() / 1_000_000;
        let has_more = match self.retention.judge(&self.config, &mut self.store, now_ms) {
            Ok(has_more) => has_more && !cx.draining(),
            Err(error) => {
                log::error!("what is over its retention can't be found: {error}");
                false
            }
        };
        if has_more {
            cx.call_later(PAUSE_MS, |cx, node| node.retain(cx));
        } else {
            let wait_ms = self.config.limits.retention_ms;
            cx.call_later(wait_ms, |cx, node| node.retain_for_ever(cx));
        }
    }

    /// Drops updates whose rows are in the index's file no longer.
    pub(super) fn retire_forgotten(&mut self, cx: &mut Ctx<'_, Self>) {
        let ready = std::mem::take(&mut self.retention.ready);
        if ready.is_empty() {
            return;
        }
        if let Err(error) = self.store.retire(&ready) {
            log::error!("updates can't be dropped: {error}");
        }
        self.commit_later(cx, false);
    }
}
