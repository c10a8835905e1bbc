//! Layer 4: the node. It owns the store, the roll of the herd, what is on its way to the disk, and
//! who is to be told; here alone they meet. It is the shared state of the loop, so everything runs
//! on one thread, in turns, with `&mut Node`.

mod admission;
mod answers;
mod audience;
mod audits;
mod certificates;
mod charter;
mod commit;
mod console;
mod dials;
mod erasure;
mod expose;
mod feeds;
mod flood;
mod foreign;
mod hops;
mod hour;
mod links;
mod mending;
mod numbers;
mod probe;
mod rendered;
mod replace;
mod reports;
mod retention;
mod run;
mod search;
mod spread;
mod steer;
mod steps;
#[cfg(test)]
mod testing;
mod tickets;
mod vigil;

pub use certificates::{TlsError, check};
pub use probe::Probe;
pub use run::{Changes, Ended, NodeError, Orders, Running, prepare, run};

use crate::base::Chunk;
use crate::base::plant::{Bug, is_planted};
use crate::config::{Config, Durability, PeerKind};
use crate::herd::{Charter, Feed, Identity, Relay, Roll, Signed, Trail};
use crate::metrics::Exposition;
use crate::news;
use crate::reactor::{ConnId, Ctx, TlsClient, TlsServer};
use crate::search::{Ask, Fault, Found};
use crate::serve::http::{Events, Prints};
use crate::serve::telnet::Sessions;
use crate::serve::ws::Sockets;
use crate::serve::{
    Desk, Entry, Gate, Holder, Receipt, Refusal, SearchBacklog, SearchRefusal, Settled, Tally,
    Ticket,
};
use crate::store::{Apply, Store, StoreError};
use crate::update::{
    After, Cid, Clock, Dot, Draft, Epoch, Kind, PublicKey, Seal, Signature, SigningKey, Update,
    Vector, Word,
};
use audience::Audience;
use certificates::Shelves;
use commit::Commits;
use console::Questions;
use dials::Dialler;
use expose::Figures;
use feeds::NewsServer;
use foreign::Foreign;
use hops::Hops;
use hour::Hour;
use numbers::Numbers;
use rendered::Rendered;
use reports::Reports;
use retention::Retention;
use search::Search;
use spread::Spread;
use std::collections::BTreeMap;
use std::net::IpAddr;
use tickets::Tickets;

/// How seals are signed: the key, the epoch's salt, the first sequence number, the ids.
pub type SignSeal = fn(&SigningKey, u64, u64, Vec<Cid>) -> Seal;

/// One node: the loop's shared state.
pub struct Node {
    config: Config,
    key: SigningKey,
    sign: SignSeal,
    /// How its links are secured, by its key.
    tls_server: TlsServer,
    tls_client: TlsClient,
    /// How clients' connections are secured, by certificates.
    shelves: Shelves,
    store: Store,
    clock: Clock,
    roll: Roll<ConnId>,
    relay: Relay<ConnId>,
    /// How the words of others are verified.
    verify_word: fn(&Word) -> bool,
    /// Own updates that were shown from memory, and have yet to be sealed and handed on.
    early: Vec<Update>,
    /// A call is due that hands them on.
    is_flooding: bool,
    /// The epoch that began in this run, when one did.
    epoch_of_run: Option<Epoch>,
    diallers: Vec<Dialler>,
    foreign: Vec<Foreign>,
    news_servers: Vec<NewsServer>,
    due: Due,
    audience: Audience,
    tickets: Tickets,
    spread: Spread,
    commits: Commits,
    /// The stories with a revision or a withdrawal on its way to the disk.
    writing: BTreeMap<String, Ticket>,
    reports: Reports,
    retention: Retention,
    /// What was known to be lost when that was last looked at.
    known_lost: Vector,
    rendered: Rendered,
    /// The way that its readers go together.
    trail: Trail,
    events: Events,
    sockets: Sockets,
    prints: Prints,
    tally: Tally,
    hour: Hour,
    hops: Hops,
    /// What the herd was asked from here.
    questions: Questions,
    gate: Gate,
    /// Who is at a Telnet console.
    sessions: Sessions,
    figures: Figures,
    charter: Charter,
    /// The acts that say so, by their cids.
    acts: Vec<Signed>,
    /// An act came since it was read, or came back.
    is_charter_stale: bool,
    /// The names of those who published, by epoch.
    origins: BTreeMap<Epoch, String>,
    /// The numbers that newsreaders know revisions by.
    numbers: Numbers,
    /// A stop is held until everything is on disk.
    is_held: bool,
    /// The search index; only on real files.
    search: Option<Search>,
}

/// Which calls of a later turn are due.
#[derive(Debug, Default)]
struct Due {
    /// Goes on feeding foreign servers.
    feeds_foreign: bool,
    /// Goes on with an audit.
    audits: bool,
}

/// When a publisher that is refused for now should try again.
const BUSY_RETRY_MS: u64 = 1_000;

impl Node {
    /// A node over an open store, its index caught up. `instance` is a random number of this run.
    fn new(config: Config, key: &SigningKey, store: Store, clock: Clock, instance: u64) -> Self {
        let me = Identity {
            name: config.name.clone(),
            epoch: store.epoch(),
            instance,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            key: Some(key.public()),
        };
        let diallers = Dialler::of(&config);
        let retention = Retention::of(&config.retention);
        let numbers = Numbers::of(&config);
        let herd = config.peers.iter().filter(|peer| peer.kind == PeerKind::Herd);
        let configured: Vec<String> = herd.map(|peer| peer.name.clone()).collect();
        Self {
            relay: Relay::new(me.clone(), key.clone(), Self::relay_settings(&config), instance),
            verify_word: Word::verify,
            roll: Roll::new(me, configured),
            tls_server: TlsServer::of_node(key),
            tls_client: TlsClient::of_node(key),
            shelves: Shelves::default(),
            early: Vec::new(),
            is_flooding: false,
            epoch_of_run: None,
            foreign: Foreign::of(&config),
            news_servers: NewsServer::of(&config),
            due: Due::default(),
            clock,
            diallers,
            config,
            key: key.clone(),
            sign: Seal::sign,
            store,
            audience: Audience::default(),
            tickets: Tickets::default(),
            spread: Spread::default(),
            commits: Commits::default(),
            writing: BTreeMap::new(),
            retention,
            known_lost: Vector::new(),
            reports: Reports::default(),
            rendered: Rendered::default(),
            trail: Trail::default(),
            events: Events::default(),
            sockets: Sockets::default(),
            prints: Prints::default(),
            tally: Tally::default(),
            hour: Hour::default(),
            hops: Hops::default(),
            questions: Questions::default(),
            gate: Gate::default(),
            sessions: Sessions::default(),
            figures: Figures::default(),
            charter: Charter::default(),
            acts: Vec::new(),
            is_charter_stale: false,
            origins: BTreeMap::new(),
            numbers,
            is_held: false,
            search: None,
        }
    }

    /// Remembers who publishes under an epoch.
    fn note_origin(&mut self, update: &Update) {
        let epoch = update.dot().epoch;
        self.origins.entry(epoch).or_insert_with(|| update.origin().to_owned());
    }

    /// Takes an update into what readers see, and erases what they are to see no more.
    fn index(&mut self, update: &Update) {
        self.note_origin(update);
        self.is_charter_stale |= update.kind() == Kind::Charter;
        if let Some(search) = &mut self.search {
            search.note(update);
        }
        match erasure::take_in(&mut self.store, update) {
            Ok(news::Applied::Malformed(error)) => {
                log::warn!("update {} of {} shows nothing: {error}", update.cid(), update.origin());
            }
            Ok(news::Applied::Story(change)) => {
                self.rendered.forget(&change.title);
                self.prints.forget(&change.title);
                change.erase.iter().for_each(|dot| self.relay.forget_payload(*dot));
                if let Some(search) = &mut self.search {
                    search.note_story(&change, self.store.log_end());
                }
            }
            Ok(_) => {}
            Err(error) => {
                log::error!("update {} can't be indexed: {error}", update.cid());
                self.store.index().condemn();
                self.prints.forget_all();
            }
        }
    }

    /// Remembers when an update could be read here first, and over which link it came.
    fn note_hop(&mut self, cx: &Ctx<'_, Self>, update: &Update, link: Option<ConnId>) {
        let from = link.and_then(|link| self.roll.name_of(link));
        let cid = update.cid();
        log::debug!("update {cid} can be read here, from {}", from.unwrap_or("this node itself"));
        self.hops.note((cid, update.dot()), from, cx.wall_ns());
    }

    /// An update can be read from now on: tells the readers in the next turn.
    fn announce(&mut self, cx: &mut Ctx<'_, Self>) {
        if self.audience.announce() {
            cx.call_later(0, |cx, node| node.audience.tell_readers(cx));
        }
        if self.is_charter_stale {
            cx.call_later(0, |cx, node| node.read_charter(cx));
        }
        self.feed_foreign(cx);
        self.search_after_news(cx);
        self.number_articles(cx);
        self.checkpoint_if_large(cx);
    }

    /// Why a write would be refused now.
    fn refusal(&self, cx: &Ctx<'_, Self>) -> Option<Refusal> {
        if cx.draining() {
            Some(Refusal::Draining)
        } else if self.commits.is_failing && !self.commits.is_probing {
            Some(Refusal::Failing)
        } else if self.is_full() || self.commits.is_behind(cx.now(), self.config.limits.pending_ms)
        {
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
            previous: self.store.previous(),
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
        if durability.is_wide() && self.spread.is_full() {
            return Err(Refusal::Busy(BUSY_RETRY_MS));
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
            self.note_hop(cx, &update, None);
            self.announce(cx);
            self.flood_early(cx, update);
            self.commit_later(cx, false);
            return Ok(Receipt { dot, cid, ticket: None });
        }
        if early {
            self.store.mark_early();
        }
        self.store.append(&update, if early { Apply::InTurn } else { Apply::OnCommit });
        let ticket = if durability.is_wide() {
            self.tickets.issue_wide(dot, update.asked())
        } else {
            self.tickets.issue()
        };
        if let Some(title) = news::title_of(&update) {
            self.writing.insert(title.to_owned(), ticket);
        }
        self.commit_later(cx, true);
        Ok(Receipt { dot, cid, ticket: Some(ticket) })
    }

    fn writing(&self, title: &str) -> Option<Ticket> {
        self.writing.get(title).copied()
    }

    fn settled(&self, ticket: Ticket) -> Option<Settled> {
        if is_planted(Bug::AckBeforeSync) {
            return Some(Settled::Done);
        }
        self.tickets.settled(ticket)
    }

    fn await_ticket(&mut self, ticket: Ticket, conn: ConnId) {
        self.tickets.wait(ticket, conn);
    }

    fn is_as_safe_as(&self, dot: Dot, durability: Durability) -> bool {
        Self::is_as_safe_as(self, dot, durability)
    }

    fn holders(&self, dot: Dot) -> Vec<Holder> {
        self.holders_of(dot)
    }

    fn feed(&self, after: Option<&After>) -> Result<Feed, StoreError> {
        let feed = if let Some(after) = after {
            Feed::go_on(&self.store, after)?
        } else {
            let mut feed = Feed::live(&self.store);
            feed.know(self.clock.last());
            feed
        };
        Ok(feed.along(&self.trail, &self.store))
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

    fn charter_view(&self) -> serde_json::Value {
        self.show_charter()
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

    fn search(&mut self, cx: &mut Ctx<'_, Self>, ask: Ask) -> Result<(), SearchRefusal> {
        self.ask_search(cx, ask)
    }

    fn found(&mut self, conn: ConnId) -> Option<Result<Found, Fault>> {
        self.take_found(conn)
    }

    fn forget_search(&mut self, conn: ConnId) {
        self.forget_ask(conn);
    }

    fn search_backlog(&self) -> SearchBacklog {
        self.search_backlog_now()
    }

    fn prints(&mut self) -> &mut Prints {
        &mut self.prints
    }

    fn events(&mut self) -> &mut Events {
        &mut self.events
    }

    fn sockets(&mut self) -> &mut Sockets {
        &mut self.sockets
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn key(&self) -> PublicKey {
        self.key.public()
    }

    fn sign(&self, message: &[u8]) -> Signature {
        self.key.sign(message)
    }

    fn trusts(&self, key: &PublicKey) -> bool {
        self.is_of_herd(key)
    }

    fn gate(&mut self) -> &mut Gate {
        &mut self.gate
    }

    fn is_news_server_at(&self, name: &str, ip: IpAddr) -> bool {
        Self::is_news_server_at(self, name, ip)
    }

    fn sessions(&mut self) -> &mut Sessions {
        &mut self.sessions
    }
}
