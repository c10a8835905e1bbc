//! The search index of a node: what goes into it and when, and who asks it. `gather` says what is
//! to be indexed, `asks` keeps those who wait for an answer.
//!
//! Everything that touches the file is a job of the pool: two of them at most, one that writes and
//! one that reads. The index follows the store and never the other way round: a node is ready
//! without it, and goes on where it fails. Only nodes on real files have one.

mod asks;
mod gather;

use super::Node;
use crate::config::Config;
use crate::news::{self, StoryChange, TOPIC_STORIES};
use crate::reactor::{Ctx, Finish, Job};
use crate::search::{Batch, Fault, Index, Mark, Opened, remove};
use crate::store::Place;
use crate::update::Update;
use asks::Asks;
use gather::Gather;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Between a change and its batch: what changes again meanwhile is indexed once.
const GATHER_MS: u64 = 100;
/// Between two tries of an index that can't be opened or written.
const RETRY_MS: u64 = 5_000;
/// The index's file in the node's folder.
const NAME: &str = "search";

/// The index, and what is due with it.
#[derive(Debug)]
pub(super) struct Search {
    path: PathBuf,
    /// Not while a job has it.
    writer: Option<Index>,
    /// It is opened, and was not found damaged since.
    is_open: bool,
    /// The file is of no use, and is made anew once both are back.
    is_condemned: bool,
    /// A call is due that takes the next batch.
    is_due: bool,
    /// The mark that the file has.
    marked: Option<Mark>,
    gather: Gather,
    asks: Asks,
}

impl Search {
    /// The index of a node, if it is to have one; opened when the node starts. Where it is to have
    /// none, one that it had goes: it would keep what is withdrawn from now on. Blocks.
    pub(super) fn of(config: &Config) -> Option<Self> {
        let path = config.dir.join(NAME);
        if config.limits.searches == 0 {
            if let Err(error) = remove(&path) {
                log::error!("the search index of before can't be removed: {error}");
            }
            return None;
        }
        Some(Self::at(path))
    }

    fn at(path: PathBuf) -> Self {
        Self {
            path,
            writer: None,
            is_open: false,
            is_condemned: false,
            is_due: false,
            marked: None,
            gather: Gather::default(),
            asks: Asks::default(),
        }
    }

    /// An update was taken into what readers see.
    pub(super) fn note(&mut self, update: &Update) {
        self.gather.last = Some((update.dot(), update.cid()));
    }

    /// A story changed.
    pub(super) fn note_story(&mut self, change: &StoryChange, log_end: Place) {
        self.gather.add(&change.title, log_end);
    }

    /// What the log lost of a story is there again.
    pub(super) fn note_restored(&mut self, update: &Update, log_end: Place) {
        let title = news::title_of(update).filter(|_| update.topic() == TOPIC_STORIES);
        if let Some(title) = title {
            self.gather.add(title, log_end);
        }
    }
}

/// Runs what touches the file. A panic in there is damage like any other.
fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Fault::Panicked))
}

impl Node {
    /// Opens the index in the background, where the node has one.
    pub(super) fn open_search(&mut self, cx: &mut Ctx<'_, Self>) {
        let Some(search) = &mut self.search else { return };
        let path = search.path.clone();
        let is_anew = std::mem::take(&mut search.is_condemned);
        search.is_open = false;
        self.search_job(cx, move || {
            let opened = guarded(|| Opened::open(&path, is_anew));
            Box::new(move |cx, node: &mut Self| node.search_opened(cx, opened))
        });
    }

    /// Hands work to the pool. Where that has no room the index goes with the work, and is opened
    /// again: nothing in it is lost.
    fn search_job(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        job: impl FnOnce() -> Finish<Self> + Send + 'static,
    ) {
        let job: Job<Self> = Box::new(job);
        if let Err(full) = cx.offload(job) {
            log::warn!("{full}: the search index waits");
            self.give_search_up();
            cx.call_later(RETRY_MS, |cx, node| node.open_search(cx));
        }
    }

    fn give_search_up(&mut self) {
        if let Some(search) = &mut self.search {
            search.is_open = false;
            search.writer = None;
            search.asks.reader = None;
        }
    }

    fn search_opened(&mut self, cx: &mut Ctx<'_, Self>, opened: Result<Opened, Fault>) {
        let opened = match opened {
            Ok(opened) => opened,
            Err(fault) => {
                log::error!("the search index can't be opened: {fault}; it is tried again");
                cx.call_later(RETRY_MS, |cx, node| node.open_search(cx));
                return;
            }
        };
        let holds = opened.mark.is_none_or(|mark| gather::holds(&self.store, &mark));
        let Some(search) = &mut self.search else { return };
        search.is_open = true;
        search.marked = opened.mark;
        search.writer = Some(opened.writer);
        search.asks.begin(opened.reader);
        let from = opened.mark.map(|mark| mark.place).unwrap_or_default();
        search.gather.read_from(from, self.store.log_end());
        if holds {
            let how = if opened.mark.is_some() { "goes on" } else { "begins" };
            log::info!("the search index {how} at {from} of the log");
            self.search_soon(cx, 0);
            self.answer_next(cx);
        } else {
            log::warn!("the search index is of another log, and is made anew");
            self.condemn_search(cx);
        }
    }

    /// The file is made anew as soon as no job has it.
    fn condemn_search(&mut self, cx: &mut Ctx<'_, Self>) {
        let Some(search) = &mut self.search else { return };
        search.is_condemned = true;
        if search.writer.is_some() && search.asks.reader.is_some() {
            search.writer = None;
            search.asks.reader = None;
            self.open_search(cx);
        }
    }

    /// Looks what is to be indexed, in a while, if that is not due already.
    pub(super) fn search_soon(&mut self, cx: &mut Ctx<'_, Self>, ms: u64) {
        let Some(search) = &mut self.search else { return };
        if !search.is_due && search.writer.is_some() && !cx.draining() {
            search.is_due = true;
            cx.call_later(ms, |cx, node| {
                if let Some(search) = &mut node.search {
                    search.is_due = false;
                }
                node.index_some(cx);
            });
        }
    }

    /// Something can be read from now on.
    pub(super) fn search_after_news(&mut self, cx: &mut Ctx<'_, Self>) {
        if self.search.as_ref().is_some_and(|search| search.gather.is_behind()) {
            self.search_soon(cx, GATHER_MS);
        }
    }

    /// Takes the next batch, if there is one.
    fn index_some(&mut self, cx: &mut Ctx<'_, Self>) {
        let Some(search) = &mut self.search else { return };
        // Who has the writer looks again when it is back.
        if search.is_condemned || search.writer.is_none() || cx.draining() {
            return;
        }
        let batch = match search.gather.batch(&self.store) {
            Ok(batch) => batch,
            Err(error) => {
                log::error!("the search index can't follow the log: {error}; it is tried again");
                return self.search_soon(cx, RETRY_MS);
            }
        };
        let is_new_mark = search.gather.is_read()
            && batch
                .mark
                .is_some_and(|mark| search.marked.is_none_or(|marked| marked.place != mark.place));
        if !batch.stories.is_empty() || is_new_mark {
            self.give_batch(cx, batch);
        } else if search.gather.has_more_to_read(&self.store) {
            self.search_soon(cx, 1);
        } else if search.gather.has_names() {
            // They wait for the disk.
            self.search_soon(cx, GATHER_MS);
        }
    }

    fn give_batch(&mut self, cx: &mut Ctx<'_, Self>, batch: Batch) {
        let Some(mut writer) = self.search.as_mut().and_then(|search| search.writer.take()) else {
            return;
        };
        self.search_job(cx, move || {
            let taken = guarded(|| writer.take(&batch));
            Box::new(move |cx, node: &mut Self| {
                let mark = batch.mark;
                node.batch_taken(cx, writer, taken.map(|()| mark));
            })
        });
    }

    fn batch_taken(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        writer: Index,
        taken: Result<Option<Mark>, Fault>,
    ) {
        let Some(search) = &mut self.search else { return };
        search.writer = Some(writer);
        match taken {
            Ok(mark) => {
                search.marked = mark.or(search.marked);
                if search.gather.is_behind() {
                    let is_full = search.gather.has_full_batch();
                    self.search_soon(cx, if is_full { 0 } else { GATHER_MS });
                }
            }
            Err(fault) => {
                log::error!("the search index can't be written: {fault}; it is tried again");
                let from = search.marked.map(|mark| mark.place).unwrap_or_default();
                search.gather.read_from(from, self.store.log_end());
                search.is_condemned |= fault.is_damage();
                if !search.is_condemned {
                    self.search_soon(cx, RETRY_MS);
                }
            }
        }
        self.look_at_condemned(cx);
    }

    fn look_at_condemned(&mut self, cx: &mut Ctx<'_, Self>) {
        if self.search.as_ref().is_some_and(|search| search.is_condemned) {
            self.condemn_search(cx);
        }
    }

    /// Frees the file of what was erased, and brings its mark up to the log, for as long as the
    /// node runs.
    pub(super) fn tend_search_for_ever(&mut self, cx: &mut Ctx<'_, Self>) {
        if self.search.is_none() {
            return;
        }
        self.purge_search(cx);
        self.search_soon(cx, 0);
        cx.call_later(self.config.limits.rewrite_ms, |cx, node| node.tend_search_for_ever(cx));
    }

    fn purge_search(&mut self, cx: &mut Ctx<'_, Self>) {
        let Some(search) = &mut self.search else { return };
        let may = !search.is_condemned && !cx.draining();
        let Some(mut writer) = search.writer.take_if(|writer| may && writer.is_unpurged()) else {
            return;
        };
        self.search_job(cx, move || {
            let purged = guarded(|| writer.purge());
            Box::new(move |cx, node: &mut Self| {
                let marked = node.search.as_ref().and_then(|search| search.marked);
                node.batch_taken(cx, writer, purged.map(|()| marked));
            })
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_to_have_no_index_keeps_none_of_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new("a", dir.path());
        let files = ["search", "search-wal", "search-shm", "other"];
        for name in files {
            std::fs::write(dir.path().join(name), "text").unwrap();
        }
        let are_there = || files.map(|name| dir.path().join(name).exists());
        assert!(Search::of(&config).is_some());
        assert_eq!(are_there(), [true; 4]);
        config.limits.searches = 0;
        assert!(Search::of(&config).is_none());
        assert_eq!(are_there(), [false, false, false, true]);
        assert!(Search::of(&config).is_none(), "that there is none is well");
    }
}
