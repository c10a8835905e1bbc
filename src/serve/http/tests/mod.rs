//! A node's glue in a simulated world: real bytes through the loop, the store and the news, with a
//! small desk between them whose disk answers when a test lets it.

mod accounts;
mod conditions;
mod editing;
mod edits;
mod feeds;
mod forms;
mod merges;
mod news;
#[path = "../../nntp/tests.rs"]
mod nntp;
mod pages;
mod panel;
#[path = "../../pb/tests/mod.rs"]
mod pb;
mod search;
mod sockets;
mod spread;
mod streams;
#[path = "../../telnet/tests.rs"]
mod telnet;
mod wire;
mod withdrawals;

use crate::base::{Chunk, InBuf};
use crate::config::{Config, Durability, Limits};
use crate::herd::{Feed, Trail};
use crate::metrics::Exposition;
use crate::news::{Applied, Revision, UpdateView, Withdrawal, apply, title_of};
use crate::reactor::{
    ConnId, ConnectOptions, Ctx, ListenOptions, Lost, Outcome, Peer, Protocol, Settings, SimFaults,
    SimLoop, SimNode, SimWorld,
};
use crate::search::{Ask, Batch, Fault, Found, Index};
use crate::serve::http::{Events, Prints};
use crate::serve::telnet::Sessions;
use crate::serve::ws::Sockets;
use crate::serve::{
    Desk, Entry, Gate, Holder, Receipt, Refusal, SearchBacklog, SearchRefusal, Settled, Tally,
    Ticket,
};
use crate::store::{Apply, Birth, SimDisk, Store, StoreError, StoreOptions};
use crate::update::{
    After, Cid, Clock, Dot, Draft, Epoch, Hlc, Kind, PublicKey, Signature, SigningKey, Update,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a client has seen.
#[derive(Default)]
struct Seen {
    conn: Option<ConnId>,
    bytes: Vec<u8>,
    lost: Option<Lost>,
}

/// The node of these tests.
struct TestDesk {
    config: Config,
    disk: SimDisk,
    store: Store,
    clock: Clock,
    prints: Prints,
    trail: Trail,
    events: Events,
    sockets: Sockets,
    tally: Tally,
    gate: Gate,
    sessions: Sessions,
    /// A key that this node takes for one of its herd, beside its own.
    friend: Option<PublicKey>,
    tickets: u64,
    /// Writes that wait for the disk: ticket, title.
    open: Vec<(Ticket, Option<String>)>,
    settled: BTreeMap<Ticket, Settled>,
    waiting: Vec<(Ticket, ConnId)>,
    attending: BTreeSet<ConnId>,
    /// The disk answers only by [`Bench::disk`].
    is_held: bool,
    /// What was asked of other nodes' disks is met.
    has_spread: bool,
    refusal: Option<Refusal>,
    unready: Option<&'static str>,
    /// The search index, into which stories come only by [`Bench::index`].
    index: Option<Index>,
    /// Questions wait for [`Bench::answer_searches`].
    is_search_held: bool,
    asks: Vec<(ConnId, Ask)>,
    found: BTreeMap<ConnId, Result<Found, Fault>>,
    backlog: SearchBacklog,
    clients: Vec<Seen>,
    herd: panel::Herd,
}

fn key() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

impl TestDesk {
    fn new() -> Self {
        let disk = SimDisk::new(1);
        let fresh = Birth::of(&key().public(), 7);
        // Without a cache what is damaged on disk is met at once.
        let options = StoreOptions { fresh, cache_bytes: 0, ..StoreOptions::default() };
        let (mut store, _) = Store::open(Arc::new(disk.clone()), options).unwrap();
        store.mark_early();
        let done = store.take_batch().unwrap().run();
        store.finish(done).unwrap();
        Self {
            config: Config::new("node1", "nowhere"),
            disk,
            store,
            clock: Clock::new(Hlc(0)),
            prints: Prints::default(),
            trail: Trail::default(),
            events: Events::default(),
            sockets: Sockets::default(),
            tally: Tally::new(),
            gate: Gate::default(),
            sessions: Sessions::default(),
            friend: None,
            tickets: 0,
            open: Vec::new(),
            settled: BTreeMap::new(),
            waiting: Vec::new(),
            attending: BTreeSet::new(),
            is_held: false,
            has_spread: false,
            refusal: None,
            unready: None,
            index: None,
            is_search_held: false,
            asks: Vec::new(),
            found: BTreeMap::new(),
            backlog: SearchBacklog::default(),
            clients: Vec::new(),
            herd: panel::Herd::default(),
        }
    }

    fn reveal(&mut self, cx: &mut Ctx<'_, Self>, update: &Update) {
        if update.kind() == Kind::Account {
            crate::accounts::enter(self.store.index_mut(), update).unwrap();
        }
        if let Applied::Story(change) = apply(self.store.index_mut(), update).unwrap() {
            self.prints.forget(&change.title);
        }
        for conn in &self.attending {
            cx.transport_of(*conn).notify();
        }
    }

    /// A revision of another node.
    fn seal_elsewhere(title: &str, body: &str) -> Update {
        let body = body.as_bytes();
        let revision = Revision { generation: 1, title, body, ..Revision::default() };
        Update::seal(Draft {
            dot: Dot { epoch: Epoch(8), seq: 1 },
            origin: "node2",
            payload: &revision.encode().unwrap(),
            ..Draft::sample(1)
        })
        .unwrap()
    }

    /// Takes an update of another node.
    fn arrive(&mut self, cx: &mut Ctx<'_, Self>, update: &Update) {
        self.store.append(update, Apply::Now);
        self.reveal(cx, update);
    }

    /// All questions get their answers.
    fn answer_searches(&mut self, cx: &mut Ctx<'_, Self>) {
        let index = self.index.as_ref().unwrap();
        for (conn, ask) in std::mem::take(&mut self.asks) {
            self.found.insert(conn, index.find(&ask));
            cx.transport_of(conn).notify();
        }
    }

    /// The disk answers for all that waits.
    fn commit(&mut self, cx: &mut Ctx<'_, Self>, end: Settled) {
        let open = std::mem::take(&mut self.open);
        if end == Settled::Done {
            self.store.seal(&key());
            let done = self.store.take_batch().unwrap().run();
            for update in self.store.finish(done).unwrap().updates {
                self.reveal(cx, &update);
            }
        }
        for (ticket, _) in open {
            self.settled.insert(ticket, end);
        }
        let settled = |ticket: &Ticket| self.settled.contains_key(ticket);
        let (told, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|w| settled(&w.0));
        self.waiting = waiting;
        let told: Vec<(Ticket, ConnId)> = told;
        for (_, conn) in told {
            cx.transport_of(conn).notify();
        }
    }
}

impl Desk for TestDesk {
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
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let draft = Draft {
            dot: self.store.next_dot(),
            clock: self.clock.tick(cx.wall_ns() / 1_000_000),
            asked: durability.asked(),
            origin: &self.config.name,
            kind: entry.kind,
            topic: entry.topic,
            media_type: entry.media_type,
            alias: entry.alias,
            parents: entry.parents,
            previous: self.store.previous(),
            payload: entry.payload,
        };
        let update = Update::seal(draft).map_err(|_| Refusal::Malformed)?;
        let (dot, cid) = (update.dot(), update.cid());
        if durability == Durability::None {
            self.store.append(&update, Apply::Now);
            self.reveal(cx, &update);
            return Ok(Receipt { dot, cid, ticket: None });
        }
        self.store.append(&update, Apply::OnCommit);
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.open.push((ticket, title_of(&update).map(str::to_owned)));
        if !self.is_held && self.open.len() == 1 {
            cx.call_later(2, |cx, desk| desk.commit(cx, Settled::Done));
        }
        Ok(Receipt { dot, cid, ticket: Some(ticket) })
    }

    fn writing(&self, title: &str) -> Option<Ticket> {
        let mut open = self.open.iter();
        open.find(|(_, of)| of.as_deref() == Some(title)).map(|(ticket, _)| *ticket)
    }

    fn settled(&self, ticket: Ticket) -> Option<Settled> {
        self.settled.get(&ticket).copied()
    }

    fn await_ticket(&mut self, ticket: Ticket, conn: ConnId) {
        self.waiting.push((ticket, conn));
    }

    fn is_as_safe_as(&self, _: Dot, durability: Durability) -> bool {
        !durability.is_wide() || self.has_spread
    }

    fn holders(&self, dot: Dot) -> Vec<Holder> {
        let on_disk = |here: bool| here.then_some(1_700_000_000_000);
        vec![
            Holder { node: "node1".to_owned(), at_ms: on_disk(self.store.held().contains(dot)) },
            Holder { node: "node2".to_owned(), at_ms: on_disk(self.has_spread) },
        ]
    }

    fn feed(&self, after: Option<&After>) -> Result<Feed, StoreError> {
        let feed = match after {
            Some(after) => Feed::go_on(&self.store, after)?,
            None => Feed::live(&self.store),
        };
        Ok(feed.along(&self.trail, &self.store))
    }

    fn attend(&mut self, conn: ConnId) {
        self.attending.insert(conn);
    }

    fn leave(&mut self, conn: ConnId) {
        self.attending.remove(&conn);
    }

    fn rendered(&mut self, update: &Update) -> Chunk {
        serde_json::to_vec(&UpdateView::of(update, &[])).unwrap().into()
    }

    fn herd_view(&self, _: &Ctx<'_, Self>) -> Value {
        serde_json::json!({"name": self.config.name, "nodes": [], "links": [], "vector": {}})
    }

    fn charter_view(&self) -> Value {
        serde_json::json!({"node": self.config.name, "founding": null, "members": []})
    }

    fn expose(&self, cx: &Ctx<'_, Self>, out: &mut Exposition) {
        out.gauge("test_now_seconds", "The clock.", &[], cx.now() / 1000);
    }

    fn unready(&self) -> Option<&'static str> {
        self.unready
    }

    fn search(&mut self, cx: &mut Ctx<'_, Self>, ask: Ask) -> Result<(), SearchRefusal> {
        if self.index.is_none() {
            return Err(SearchRefusal::Absent);
        }
        if self.asks.len() >= 2 {
            return Err(SearchRefusal::Busy);
        }
        self.asks.push((cx.id(), ask));
        if !self.is_search_held {
            cx.call_later(1, |cx, desk| desk.answer_searches(cx));
        }
        Ok(())
    }

    fn found(&mut self, conn: ConnId) -> Option<Result<Found, Fault>> {
        self.found.remove(&conn)
    }

    fn forget_search(&mut self, conn: ConnId) {
        self.asks.retain(|(asking, _)| *asking != conn);
        self.found.remove(&conn);
    }

    fn search_backlog(&self) -> SearchBacklog {
        self.backlog
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
        key().public()
    }

    fn sign(&self, message: &[u8]) -> Signature {
        key().sign(message)
    }

    fn trusts(&self, other: &PublicKey) -> bool {
        [Some(key().public()), self.friend].contains(&Some(*other))
    }

    fn gate(&mut self) -> &mut Gate {
        &mut self.gate
    }

    fn sessions(&mut self) -> &mut Sessions {
        &mut self.sessions
    }
}

struct Client(usize);

impl Protocol<TestDesk> for Client {
    fn made(&mut self, cx: &mut Ctx<'_, TestDesk>, desk: &mut TestDesk) -> Outcome {
        desk.clients[self.0].conn = Some(cx.id());
        Ok(())
    }

    fn received(
        &mut self,
        _: &mut Ctx<'_, TestDesk>,
        desk: &mut TestDesk,
        input: &mut InBuf,
    ) -> Outcome {
        desk.clients[self.0].bytes.extend_from_slice(input.take_all());
        Ok(())
    }

    fn lost(&mut self, _: &mut Ctx<'_, TestDesk>, desk: &mut TestDesk, reason: Lost) {
        desk.clients[self.0].lost = Some(reason);
    }
}

/// A node with clients, and the hand on their clock.
struct Bench {
    world: SimWorld,
    node: SimLoop<TestDesk>,
}

impl Bench {
    fn new() -> Self {
        Self::over(1, SimFaults::none())
    }

    fn over(seed: u64, faults: SimFaults) -> Self {
        let world = SimWorld::new(seed, faults);
        let mut node = SimLoop::new(&world, "node", Settings::default(), TestDesk::new()).unwrap();
        let endpoint = "tcp:80:interface=0.0.0.0".parse().unwrap();
        let listened = node.with(|cx, _| {
            cx.listen(&endpoint, ListenOptions::default(), crate::serve::http::factory())
        });
        listened.unwrap();
        Self { world, node }
    }

    fn run(&mut self, ms: u64) {
        let until = self.world.now() + ms;
        self.world.run(&mut [&mut self.node], until).unwrap();
    }

    /// The loop's verbs, at the world's time.
    fn with<R>(&mut self, f: impl FnOnce(&mut Ctx<'_, TestDesk>, &mut TestDesk) -> R) -> R {
        self.node.turn().unwrap();
        self.node.with(f)
    }

    fn connect(&mut self) -> usize {
        self.connect_to("tcp:127.0.0.1:80")
    }

    /// Someone comes to another protocol, which is served at this port.
    fn connect_over<P: Protocol<TestDesk> + 'static>(
        &mut self,
        port: u16,
        protocol: fn(&Limits) -> P,
    ) -> usize {
        let endpoint = format!("tcp:{port}:interface=0.0.0.0").parse().unwrap();
        self.with(|cx, _| {
            let factory = move |_: &Peer, desk: &mut TestDesk| -> Box<dyn Protocol<TestDesk>> {
                Box::new(protocol(&desk.config.limits))
            };
            // The second time it listens already.
            drop(cx.listen(&endpoint, ListenOptions::default(), factory));
        });
        self.connect_to(&format!("tcp:127.0.0.1:{port}"))
    }

    fn connect_to(&mut self, endpoint: &str) -> usize {
        let no = self.node.state.clients.len();
        self.node.state.clients.push(Seen::default());
        let endpoint = endpoint.parse().unwrap();
        self.with(|cx, _| {
            let client = move |_: &Peer, _: &mut TestDesk| -> Box<dyn Protocol<TestDesk>> {
                Box::new(Client(no))
            };
            cx.connect(&endpoint, ConnectOptions::default(), client);
        });
        while self.node.state.clients[no].conn.is_none() {
            self.run(10);
        }
        no
    }

    fn send(&mut self, no: usize, bytes: impl AsRef<[u8]>) {
        let conn = self.node.state.clients[no].conn.unwrap();
        self.with(|cx, _| cx.transport_of(conn).write(bytes.as_ref()));
    }

    fn half_close(&mut self, no: usize) {
        let conn = self.node.state.clients[no].conn.unwrap();
        self.with(|cx, _| cx.transport_of(conn).close_write());
    }

    /// Takes what came so far.
    fn take(&mut self, no: usize) -> String {
        String::from_utf8(std::mem::take(&mut self.node.state.clients[no].bytes)).unwrap()
    }

    fn is_closed(&self, no: usize) -> bool {
        self.node.state.clients[no].lost.is_some()
    }

    /// One request on a connection of its own, and its answer.
    fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        let no = self.connect();
        self.send(no, request);
        self.run(100);
        let text = self.take(no);
        self.drop_client(no);
        Reply::of(&text)
    }

    fn drop_client(&mut self, no: usize) {
        let conn = self.node.state.clients[no].conn.unwrap();
        self.with(|cx, _| cx.transport_of(conn).abort());
        self.run(10);
    }

    fn get(&mut self, target: &str) -> Reply {
        self.ask(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"))
    }

    fn put(&mut self, target: &str, fields: &str, body: &str) -> Reply {
        self.ask(put(target, fields, body))
    }

    fn put_text(&mut self, target: &str, body: &str) -> Reply {
        self.put(target, "Content-Type: text/plain\r\n", body)
    }

    /// The disk answers for all that waits.
    fn disk(&mut self, end: Settled) {
        self.with(|cx, desk| desk.commit(cx, end));
    }

    fn withdraw(&mut self, title: &str, reason: &str) {
        let payload = Withdrawal { title, reason, wire: b"" }.encode().unwrap();
        self.with(|cx, desk| {
            let entry = Entry {
                kind: Kind::Withdrawal,
                topic: "stories",
                media_type: "application/octet-stream",
                alias: "",
                parents: Vec::new(),
                payload: &payload,
            };
            desk.publish(cx, entry, Durability::None).unwrap();
        });
    }
}

fn put(target: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("PUT {target} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
}

/// One answer.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    #[track_caller]
    fn of(text: &str) -> Self {
        let (head, body) =
            text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        Self { status: status.expect(head), head: head.to_owned(), body: body.to_owned() }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        if status >= 400 {
            let problem = self.json();
            assert_eq!(problem["status"], status);
            assert_eq!(self.field("content-type"), Some("application/problem+json"));
            assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        }
        self
    }
}
