//! Erasure: the payloads of what was withdrawn go, at once for whoever reads, and soon from the
//! disk, as segments of the log are written anew on the pool, one at a time and not too often, so
//! that many withdrawals share one.

use super::Node;
use super::charter;
use crate::accounts;
use crate::herd::Fork;
use crate::news::{self, Applied, Revision};
use crate::reactor::Ctx;
use crate::store::{RewriteDone, Store, StoreError};
use crate::update::{Dot, Kind, Update};

/// How many updates of the log's tail are indexed at a time.
const REPLAY_UPDATES: usize = 1024;

/// Takes an update into the index, and erases what is withdrawn with it: what it withdraws, or the
/// update itself, if it comes late.
pub(super) fn take_in(store: &mut Store, update: &Update) -> Result<Applied, StoreError> {
    let applied = enter(store, update)?;
    store.erase(named_by(&applied))?;
    if update.kind() == Kind::Withdrawal {
        hush_exhibits(store)?;
    }
    Ok(applied)
}

/// True for a revision of a story that is withdrawn. The log's own are named by the withdrawal;
/// exhibits are in no story's rows, and what bears their name may be of another story.
fn is_withdrawn(store: &Store, update: &Update) -> Result<bool, StoreError> {
    if update.kind() != Kind::Revision || update.is_erased() {
        return Ok(false);
    }
    let Ok(revision) = Revision::decode(update.payload()) else { return Ok(false) };
    let story = news::story(store.index(), revision.title)?;
    Ok(story.is_some_and(|story| story.withdrawn.is_some()))
}

/// Erases the exhibits of withdrawn stories. One that can't be read hinders nothing else.
fn hush_exhibits(store: &mut Store) -> Result<(), StoreError> {
    let mut cids = Vec::new();
    for exhibit in store.exhibits() {
        match exhibit {
            Ok((update, _)) if is_withdrawn(store, &update)? => cids.push(update.cid()),
            Ok(_) => {}
            Err(error) => log::error!("an exhibit can't be read: {error}"),
        }
    }
    store.erase_exhibits(&cids);
    Ok(())
}

fn enter(store: &mut Store, update: &Update) -> Result<Applied, StoreError> {
    if update.kind() == Kind::Charter {
        charter::enter(store.index_mut(), update)?;
    }
    if update.kind() == Kind::Account && !update.is_erased() {
        accounts::enter(store.index_mut(), update)?;
    }
    news::apply(store.index_mut(), update)
}

fn named_by(applied: &Applied) -> &[Dot] {
    match applied {
        Applied::Story(change) => &change.erase,
        _ => &[],
    }
}

/// Catches the index up with the log. A crash may have kept a withdrawal and lost that its payloads
/// are erased: they are erased again.
pub(super) fn replay(store: &mut Store) -> Result<(), StoreError> {
    let mut erase = Vec::new();
    loop {
        let updates = store.replay(REPLAY_UPDATES)?;
        if updates.is_empty() {
            store.erase(&erase)?;
            return hush_exhibits(store);
        }
        for update in &updates {
            match enter(store, update) {
                Ok(applied) => erase.extend_from_slice(named_by(&applied)),
                Err(error) => {
                    log::error!("update {} can't be indexed: {error}", update.cid());
                    store.index().condemn();
                }
            }
        }
    }
}

impl Node {
    /// A fork as it is to be kept and shown: without what a withdrawn story said.
    pub(super) fn without_withdrawn(&self, fork: &Fork) -> Fork {
        let stands = |update: &Update| match is_withdrawn(&self.store, update) {
            Ok(false) => update.clone(),
            Ok(true) => update.erase(),
            Err(error) => {
                log::error!("the index can't be read: {error}");
                update.clone()
            }
        };
        let beside = fork.beside.as_ref().map(|(beside, seal)| (stands(beside), seal.clone()));
        Fork { update: stands(&fork.update), beside, ..fork.clone() }
    }

    /// The update as it is to be handed on: a stub only once what erases it is on disk.
    pub(super) fn as_stands(&self, update: &Update) -> Update {
        if self.store.is_being_erased(update.dot()) {
            return update.clone();
        }
        self.store.as_stands(update.clone())
    }

    /// Writes segments of the log anew, for as long as the node runs.
    pub(super) fn rewrite_for_ever(&mut self, cx: &mut Ctx<'_, Self>) {
        self.rewrite(cx);
        cx.call_later(self.config.limits.rewrite_ms, |cx, node| node.rewrite_for_ever(cx));
    }

    fn rewrite(&mut self, cx: &mut Ctx<'_, Self>) {
        if self.commits.jobs.is_rewriting || cx.draining() {
            return;
        }
        let taken = self.store.take_rewrite().unwrap_or_else(|error| {
            self.say_not_rewritten(&error);
            None
        });
        let Some(rewrite) = taken else {
            // It may wait for the log to say something, or to go on in another segment.
            if self.store.pending_bytes() > 0 {
                self.commit_later(cx, false);
            }
            return;
        };
        self.commits.jobs.is_rewriting = true;
        self.run_job(cx, move || {
            let done = rewrite.run();
            Box::new(move |cx, node: &mut Self| {
                node.end_rewrite(done);
                node.release_drain_if_done(cx);
            })
        });
    }

    fn end_rewrite(&mut self, done: RewriteDone) {
        self.commits.jobs.is_rewriting = false;
        match self.store.finish_rewrite(done) {
            Ok(()) => self.commits.jobs.rewrite_failed = None,
            Err(error) => self.say_not_rewritten(&error),
        }
    }

    /// Says what went wrong with a segment, once.
    fn say_not_rewritten(&mut self, error: &StoreError) {
        let error = error.to_string();
        if self.commits.jobs.rewrite_failed.as_ref() != Some(&error) {
            log::error!("a segment of the log can't be written anew: {error}; trying on");
            self.commits.jobs.rewrite_failed = Some(error);
        }
    }
}
