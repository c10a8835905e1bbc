//! Layer 4: the node. It owns the store, the roll of the herd, what is on its way to the disk, and
//! who is to be told; here alone they meet. It is the shared state of the loop, so everything runs
//! on one thread, in turns, with `&mut Node`.

mod audience;
mod commit;
mod expose;
mod foreign;
mod links;
mod rendered;
mod reports;
mod run;
#[cfg(test)]
mod tests;
mod tickets;

pub use run::{NodeError, Running, run};

use crate::base::Chunk;
use crate::config::{Config, Durability};
use crate::herd::{Feed, Identity, Order, Roll};
use crate::metrics::Exposition;
use crate::news;
use crate::reactor::{ConnId, Ctx};
use crate::serve::{Desk, Entry, Receipt, Refusal, Settled, Tally, Ticket};
use crate::store::{Apply, Store};
use crate::update::{Clock, Cursor, Draft, Kind, Update};
use audience::Audience;
use commit::Commits;
use expose::Figures;
use foreign::Foreign;
use links::Dialler;
use rendered::Rendered;
use reports::Reports;
use std::collections::BTreeMap;
use tickets::Tickets;

/// One node: the loop's shared state.
pub struct Node {
    config: Config,
    store: Store,
    clock: Clock,
    roll: Roll<ConnId>,
    diallers: Vec<Dialler>,
    foreign: Vec<Foreign>,
    audience: Audience,
    tickets: Tickets,
    commits: Commits,
    /// The stories with a revision on its way to the disk.
    writing: BTreeMap<String, Ticket>,
    reports: Reports,
    rendered: Rendered,
    tally: Tally,
    figures: Figures,
    /// A stop is held until everything is on disk.
    is_held: bool,
}

/// When a publisher that is refused for now should try again.
const BUSY_RETRY_MS: u64 = 1_000;

impl Node {
    /// A node over an open store, its index caught up. `instance` is a random number of this run.
    fn new(config: Config, store: Store, clock: Clock, instance: u64) -> Self {
        let me = Identity { name: config.name.clone(), epoch: store.epoch(), instance };
        let diallers = Dialler::of(&config);
        let configured: Vec<String> = diallers.iter().map(|d| d.name().to_owned()).collect();
        Self {
            roll: Roll::new(me, configured),
            foreign: Foreign::of(&config),
            clock,
            diallers,
            config,
            store,
            audience: Audience::default(),
            tickets: Tickets::default(),
            commits: Commits::default(),
            writing: BTreeMap::new(),
            reports: Reports::default(),
            rendered: Rendered::default(),
            tally: Tally::default(),
            figures: Figures::default(),
            is_held: false,
        }
    }

    /// Takes an update into what readers see.
    fn index(&mut self, update: &Update) {
        match news::apply(self.store.index_mut(), update) {
            Ok(news::Applied::Malformed(error)) => {
                log::warn!("update {} of {} shows nothing: {error}", update.cid(), update.origin());
            }
            Ok(_) => {}
            Err(error) => {
                log::error!("update {} can't be indexed: {error}", update.cid());
                self.store.index().condemn();
            }
        }
    }

    /// An update can be read from now on: tells the links at once, the readers in the next turn.
    fn announce(&mut self, cx: &mut Ctx<'_, Self>) {
        self.audience.tell_links(cx);
        if self.audience.announce() {
            cx.call_later(0, |cx, node| node.audience.tell_readers(cx));
        }
        self.feed_foreign(cx);
        self.checkpoint_if_large(cx);
    }

    /// Why a write would be refused now.
    fn refusal(&self, cx: &Ctx<'_, Self>) -> Option<Refusal> {
        if cx.draining() {
            Some(Refusal::Draining)
        } else if self.commits.is_failing && !self.commits.is_probing {
            Some(Refusal::Failing)
        } else if self.is_full() {
            Some(Refusal::Busy(BUSY_RETRY_MS))
        } else {
            None
        }
    }

    fn is_full(&self) -> bool {
        self.store.pending_bytes() >= self.config.limits.pending_bytes
            || self.store.overlay_bytes() >= commit::OVERLAY_BYTES_MAX
    }

    fn seal(
        &mut self,
        cx: &Ctx<'_, Self>,
        entry: &Entry<'_>,
        durability: Durability,
    ) -> Result<Update, Refusal> {
        let clock = self.clock.tick(cx.wall_ns() / 1_000_000);
        Update::seal(Draft {
            dot: self.store.next_dot(),
            clock,
            asked: durability.asked(),
            origin: &self.config.name,
            kind: entry.kind,
            topic: entry.topic,
            media_type: entry.media_type,
            alias: entry.alias,
            parents: entry.parents.clone(),
            previous: self.store.tip(),
            payload: entry.payload,
        })
        .map_err(|_| Refusal::Malformed)
    }
}

impl Desk for Node {
    fn config(&self) -> &Config {
        &self.config
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn publish(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        entry: Entry<'_>,
        durability: Durability,
    ) -> Result<Receipt, Refusal> {
        if let Some(refusal) = self.refusal(cx) {
            return Err(refusal);
        }
        let update = self.seal(cx, &entry, durability)?;
        let (dot, cid) = (update.dot(), update.cid());
        self.figures.accepted += 1;
        // What is flooded from memory may outlive our memory of it: the log has to say so first.
        // And nothing overtakes what its origin published before it.
        let early = durability == Durability::None;
        if early && self.store.may_send_early() && !self.store.is_hiding() {
            self.store.append(&update, Apply::Now);
            self.index(&update);
            self.announce(cx);
            self.commit_later(cx, false);
            return Ok(Receipt { dot, cid, ticket: None });
        }
        if early {
            self.store.mark_early();
        }
        self.store.append(&update, if early { Apply::InTurn } else { Apply::OnCommit });
        let ticket = self.tickets.issue();
        if update.kind() == Kind::Revision
            && let Ok(revision) = news::Revision::decode(update.payload())
        {
            self.writing.insert(revision.title.to_owned(), ticket);
        }
        self.commit_later(cx, true);
        Ok(Receipt { dot, cid, ticket: Some(ticket) })
    }

    fn writing(&self, title: &str) -> Option<Ticket> {
        self.writing.get(title).copied()
    }

    fn settled(&self, ticket: Ticket) -> Option<Settled> {
        self.tickets.settled(ticket)
    }

    fn await_ticket(&mut self, ticket: Ticket, conn: ConnId) {
        self.tickets.wait(ticket, conn);
    }

    fn feed(&self, after: Option<&Cursor>) -> Feed {
        match after {
            Some(Cursor(has)) => Feed::after(&self.store, has.clone(), Order::OldFirst),
            None => Feed::live(&self.store),
        }
    }

    fn attend(&mut self, conn: ConnId) {
        self.audience.add_reader(conn);
    }

    fn leave(&mut self, conn: ConnId) {
        self.audience.remove(conn);
    }

    fn rendered(&mut self, update: &Update) -> Chunk {
        let index = self.store.index();
        self.rendered.of(update, || expose::render(index, update))
    }

    fn herd_view(&self, cx: &Ctx<'_, Self>) -> serde_json::Value {
        expose::herd_view(self, cx)
    }

    fn expose(&self, cx: &Ctx<'_, Self>, out: &mut Exposition) {
        expose::expose(self, cx, out);
    }

    fn unready(&self) -> Option<&'static str> {
        if self.is_held {
            Some("the node is about to stop")
        } else if self.commits.is_failing {
            Some("the node can't write to its disk")
        } else {
            None
        }
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}
