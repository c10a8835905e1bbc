//! A herd over wires in memory: relays over archives that check, bytes that take their time, links
//! that are cut. One seed decides all.

use super::memory::{Epoch0, Memory};
use crate::base::{InBuf, OutBuf, Rng, Tick};
use crate::herd::{
    Archive, Arrival, AuditSettings, Audited, AuditorSettings, BlobSettings, Identity, LinkError,
    LinkSettings, Relay, RelaySettings, Sealed, Step,
};
use crate::proto::peer::{Frame, PeerCodec};
use crate::update::{
    Cid, Dot, Draft, Epoch, Kind, SEAL_UPDATES_MAX, Seal, SigningKey, Statement, Update, Vector,
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const SETTINGS: RelaySettings = RelaySettings {
    verify: Seal::verify,
    catches_up: true,
    link: LinkSettings {
        window_bytes: 1 << 20,
        heartbeat_ms: 1_000,
        silence_ms: 5_000,
        digest_ms: 30_000,
    },
    alone_ms: 0,
    gate_bytes: 8 << 20,
    blobs: BlobSettings { assemblies_max: 4, bytes_max: 64 << 20, asks_max: 4, idle_ms: 30_000 },
    audits: AuditorSettings {
        first_ms: 1 << 40,
        every_ms: 1 << 40,
        rest_ms: 1,
        longest_ms: 600_000,
        audit: AuditSettings { message_bytes: 32 << 10, answer_ms: 10_000 },
    },
    ring_bytes: 512 << 10,
    origin_updates_per_s: 20_000,
    calm_updates_per_s: 400,
    calm_bytes_per_s: 1 << 20,
};

/// One end of a wire.
pub(super) struct End {
    pub(super) out: OutBuf,
    input: InBuf,
    codec: PeerCodec,
    to: (usize, usize),
    delay_ms: u64,
    is_draining: bool,
    /// For when a call is due.
    timer: Option<Tick>,
    /// Bytes that have come, and frames, by name.
    pub(super) bytes: usize,
    pub(super) frames: Vec<&'static str>,
    /// When what was sent before will be there.
    last_due: Tick,
}

pub(super) struct Node {
    pub(super) name: String,
    pub(super) key: SigningKey,
    salt: u64,
    pub(super) relay: Relay<usize>,
    pub(super) archive: Memory,
    pub(super) ends: BTreeMap<usize, End>,
    pub(super) is_full: bool,
    /// Copies of updates that came.
    pub(super) copies: usize,
    pub(super) forks: Vec<Dot>,
    /// What came with those, each with its seal.
    pub(super) besides: Vec<(Update, Seal)>,
    pub(super) epochs: usize,
    /// When each update was there.
    pub(super) when: BTreeMap<Dot, Tick>,
    is_auditing: bool,
    /// Audits that are over.
    pub(super) audited: Vec<Audited<usize>>,
    /// Answers to what this node asked all others.
    pub(super) told: Vec<Statement>,
}

#[derive(Debug)]
enum Event {
    Bytes(usize, usize, Vec<u8>),
    Timer(usize, usize, Tick),
    Audit(usize),
    Drained(usize, usize),
}

pub(super) struct Net {
    pub(super) nodes: Vec<Node>,
    pub(super) now: Tick,
    pub(super) rng: Rng,
    events: BTreeMap<(Tick, u64), Event>,
    count: u64,
    pub(super) errors: Vec<LinkError>,
    pub(super) room: usize,
}

pub(super) fn seeded(seed: u64) -> SigningKey {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    SigningKey::from_seed(bytes)
}

pub(super) fn draft(dot: Dot, previous: Cid, payload: &[u8]) -> Update {
    Update::seal(Draft {
        dot,
        asked: 0,
        kind: Kind::Data,
        topic: "weather",
        previous,
        payload,
        ..Draft::sample(dot.seq)
    })
    .expect("a good draft")
}

impl Node {
    fn new(at: usize, settings: RelaySettings) -> Self {
        let key = seeded(at as u64);
        let mut node = Self {
            name: format!("node{at}"),
            salt: 1,
            relay: Relay::new(identity(at, Epoch(0)), key.clone(), settings, at as u64),
            archive: Memory::default(),
            key,
            ends: BTreeMap::new(),
            is_full: false,
            copies: 0,
            forks: Vec::new(),
            besides: Vec::new(),
            epochs: 0,
            when: BTreeMap::new(),
            is_auditing: false,
            audited: Vec::new(),
            told: Vec::new(),
        };
        node.begin_epoch();
        node
    }

    fn begin_epoch(&mut self) {
        self.salt += 1;
        self.epochs += 1;
        let epoch = Epoch::of(&self.key.public(), self.salt);
        self.archive.own = Epoch0(epoch);
        self.relay.set_epoch(epoch);
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.archive.own.0
    }

    /// The next updates of its own, sealed, in its archive; not handed on.
    pub(super) fn write(&mut self, payloads: &[Vec<u8>]) -> Vec<(Update, Arc<Sealed>)> {
        let mut written = Vec::new();
        for payloads in payloads.chunks(SEAL_UPDATES_MAX) {
            let first = self.archive.next_own();
            let mut previous = self.archive.tip(first.epoch).unwrap_or(Cid::ZERO);
            let mut updates = Vec::new();
            for (at, payload) in payloads.iter().enumerate() {
                let dot = Dot { seq: first.seq + at as u64, ..first };
                let update = draft(dot, previous, payload);
                previous = update.cid();
                updates.push(update);
            }
            let cids = updates.iter().map(Update::cid).collect();
            let seal = Seal::sign(&self.key, self.salt, first.seq, cids);
            self.archive.append_seal(&seal);
            let sealed = Arc::new(Sealed::new(seal));
            for update in updates {
                self.archive.append(&update);
                written.push((update, Arc::clone(&sealed)));
            }
        }
        written
    }
}

fn identity(at: usize, epoch: Epoch) -> Identity {
    let name = format!("node{at}");
    Identity { name, epoch, instance: at as u64, version: "1.0".to_owned(), key: None }
}

impl Net {
    pub(super) fn new(nodes: usize, seed: u64, settings: RelaySettings) -> Self {
        Self {
            nodes: (0..nodes).map(|at| Node::new(at, settings)).collect(),
            now: 0,
            rng: Rng::new(seed),
            events: BTreeMap::new(),
            count: 0,
            errors: Vec::new(),
            room: 64 << 10,
        }
    }

    fn later(&mut self, due: Tick, event: Event) {
        self.count += 1;
        self.events.insert((due, self.count), event);
    }

    /// Links two nodes; returns the names of the two ends.
    pub(super) fn link(&mut self, a: usize, b: usize, delay_ms: u64) -> (usize, usize) {
        self.count += 2;
        let names = (self.count as usize - 1, self.count as usize);
        for (at, link, to) in [(a, names.0, (b, names.1)), (b, names.1, (a, names.0))] {
            let mut end = End {
                out: OutBuf::new(),
                input: InBuf::new(64 << 20),
                codec: PeerCodec::new(32 << 20),
                to,
                delay_ms,
                is_draining: false,
                timer: None,
                bytes: 0,
                frames: Vec::new(),
                last_due: 0,
            };
            let node = &mut self.nodes[at];
            let greeted = node.relay.greet(link, &node.archive, (self.now, 0), &mut end.out);
            greeted.expect("memory is read");
            node.ends.insert(link, end);
        }
        self.pump(a, names.0);
        self.pump(b, names.1);
        names
    }

    /// Cuts a link at both ends; what is under way is lost.
    pub(super) fn cut(&mut self, at: usize, link: usize) {
        let Some(end) = self.nodes[at].ends.get(&link) else { return };
        let (other, its) = end.to;
        for (at, link) in [(at, link), (other, its)] {
            let node = &mut self.nodes[at];
            if node.ends.remove(&link).is_some() {
                node.relay.lost(link, &node.archive, self.now);
            }
            self.wake(at);
        }
    }

    /// Writes what a link has to send, and puts it on the wire.
    pub(super) fn pump(&mut self, at: usize, link: usize) {
        let (now, room) = (self.now, self.room);
        let node = &mut self.nodes[at];
        let Some(end) = node.ends.get_mut(&link) else { return };
        let room = if end.is_draining { 0 } else { room };
        let filled = node.relay.fill(link, &node.archive, now, room, &mut end.out);
        filled.expect("memory is read");
        let bytes = drain(&mut end.out);
        // A socket takes a millisecond for what fills the room.
        let is_draining = room > 0 && bytes.len() >= room;
        end.is_draining |= is_draining;
        let ((to, its), arrives) = (end.to, end.last_due.max(now + end.delay_ms));
        end.last_due = arrives;
        let due = node.relay.due(link);
        if let Some(due) = due.filter(|due| end.timer.is_none_or(|timer| *due < timer)) {
            let due = due.max(now + 1);
            end.timer = Some(due);
            self.later(due, Event::Timer(at, link, due));
        }
        if !bytes.is_empty() {
            self.later(arrives, Event::Bytes(to, its, bytes));
        }
        if is_draining {
            self.later(now + 1, Event::Drained(at, link));
        }
    }

    pub(super) fn wake(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.audited.extend(node.relay.audited());
        if node.relay.is_auditing() && !std::mem::replace(&mut node.is_auditing, true) {
            self.later(self.now + 1, Event::Audit(at));
        }
        for link in self.nodes[at].relay.take_wake() {
            self.pump(at, link);
        }
    }

    /// Publishes at a node, in one batch.
    pub(super) fn publish(&mut self, at: usize, payloads: &[Vec<u8>]) -> Vec<Dot> {
        let node = &mut self.nodes[at];
        let written = node.write(payloads);
        for (update, sealed) in &written {
            node.relay.publish(update, sealed, self.now);
            node.when.insert(update.dot(), self.now);
        }
        self.wake(at);
        written.iter().map(|(update, _)| update.dot()).collect()
    }

    /// Takes one frame at a link, whoever sent it.
    pub(super) fn take(
        &mut self,
        at: usize,
        link: usize,
        frame: Frame<'_>,
    ) -> Result<(), LinkError> {
        let now = self.now;
        let node = &mut self.nodes[at];
        let Some(end) = node.ends.get_mut(&link) else { return Ok(()) };
        end.frames.push(name_of(&frame));
        node.copies += usize::from(matches!(frame, Frame::Update(_)));
        match node.relay.on_frame(link, frame, &node.archive, now, &mut end.out)? {
            Arrival::Hello(_) => node.relay.accept(link, &node.archive, now, &mut end.out)?,
            Arrival::Amnesia => node.begin_epoch(),
            Arrival::Fork(fork) => {
                node.forks.push(fork.dot);
                node.besides.extend(fork.beside.clone());
                node.archive.forked.insert(fork.dot.epoch);
                node.archive.exhibits.push((fork.update.clone(), fork.seal.clone()));
                node.relay.expose(&fork, &node.archive)?;
                if fork.dot.epoch == node.epoch() {
                    node.begin_epoch();
                }
            }
            Arrival::Inquired { number, about } => {
                let said = Statement::sign(&node.key, number, &node.name, about);
                node.relay.tell(said, None, now);
                self.wake(at);
            }
            Arrival::Told(said) => {
                node.told.extend(node.relay.tell(*said, Some(link), now));
                self.wake(at);
            }
            Arrival::Ready => self.steps(at),
            Arrival::Passed => {
                if node.relay.take_passed(&node.archive, now, |_, _| Some(u64::MAX)) {
                    self.steps(at);
                }
            }
            Arrival::Nothing
            | Arrival::Duplicate
            | Arrival::Epoch(_)
            | Arrival::Held { .. }
            | Arrival::Refused(..) => {}
        }
        Ok(())
    }

    /// Does what is ready to be done.
    pub(super) fn steps(&mut self, at: usize) {
        let now = self.now;
        let node = &mut self.nodes[at];
        let is_full = node.is_full;
        node.relay.hold_back(is_full, &node.archive, now);
        while !is_full && let Some(step) = node.relay.next_step(&node.archive, now) {
            match step {
                Step::Seal(sealed) => node.archive.append_seal(&sealed.seal),
                Step::Append(update) => {
                    node.archive.append(&update);
                    node.when.insert(update.dot(), now);
                }
                Step::Pass(dots) => node.archive.pass(&dots),
                Step::Restore(update, _) => panic!("{update:?} was not lost"),
                Step::Amnesia => node.begin_epoch(),
                Step::Fork(fork) => {
                    node.forks.push(fork.dot);
                    node.besides.extend(fork.beside.clone());
                    node.archive.forked.insert(fork.dot.epoch);
                    node.archive.exhibits.push((fork.update.clone(), fork.seal.clone()));
                    node.relay.expose(&fork, &node.archive).expect("memory is read");
                }
            }
        }
    }

    /// Lets one thing happen; false when nothing is left before `until`.
    fn step(&mut self, until: Tick) -> bool {
        let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= until) else {
            return false;
        };
        self.now = self.now.max(entry.key().0);
        match entry.remove() {
            Event::Bytes(at, link, bytes) => self.hear(at, link, &bytes),
            Event::Timer(at, link, due) => self.on_timer(at, link, due),
            Event::Audit(at) => self.audit_step(at),
            Event::Drained(at, link) => {
                if let Some(end) = self.nodes[at].ends.get_mut(&link) {
                    end.is_draining = false;
                    self.pump(at, link);
                }
            }
        }
        true
    }

    fn audit_step(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.is_auditing = false;
        node.relay.audit_step(&node.archive, self.now).expect("memory is read, the peer honest");
        self.wake(at);
    }

    fn hear(&mut self, at: usize, link: usize, bytes: &[u8]) {
        let Some(end) = self.nodes[at].ends.get_mut(&link) else { return };
        end.bytes += bytes.len();
        let mut input = std::mem::replace(&mut end.input, InBuf::new(64 << 20));
        let mut codec = std::mem::replace(&mut end.codec, PeerCodec::new(32 << 20));
        self.nodes[at].relay.on_bytes(link, self.now);
        assert_eq!(input.push(bytes), bytes.len());
        loop {
            let taken = match codec.next(&mut input) {
                Ok(None) => break,
                Ok(Some(frame)) => self.take(at, link, frame),
                Err(error) => panic!("{error}"),
            };
            if let Err(error) = taken {
                self.errors.push(error);
                return self.cut(at, link);
            }
        }
        if let Some(end) = self.nodes[at].ends.get_mut(&link) {
            (end.input, end.codec) = (input, codec);
        }
        self.pump(at, link);
        self.wake(at);
    }

    fn on_timer(&mut self, at: usize, link: usize, due: Tick) {
        let node = &mut self.nodes[at];
        let Some(end) = node.ends.get_mut(&link) else { return };
        if end.timer.is_some_and(|timer| timer > due) {
            return;
        }
        end.timer = None;
        let timed = node.relay.on_timer(link, &node.archive, self.now, &mut end.out);
        if let Err(error) = timed {
            self.errors.push(error);
            return self.cut(at, link);
        }
        self.pump(at, link);
        self.wake(at);
    }

    /// Lets everything happen that happens within so many milliseconds.
    pub(super) fn run(&mut self, ms: u64) {
        let until = self.now + ms;
        while self.step(until) {}
        self.now = until;
    }

    /// Runs until all nodes have the same, within a bound.
    pub(super) fn settle(&mut self, ms: u64) {
        let until = self.now + ms;
        while !self.agrees() {
            assert!(self.step(until), "no agreement after {ms} ms: {}", self.describe());
        }
    }

    pub(super) fn agrees(&self) -> bool {
        let first = &self.nodes[0].archive.seen;
        self.nodes.iter().all(|node| node.archive.seen == *first)
    }

    pub(super) fn describe(&self) -> String {
        let spans = |node: &Node| {
            let spans: Vec<String> =
                node.archive.seen.spans().map(|span| format!("{span:?}")).collect();
            format!("{} links {:?} has {spans:?}\n", node.name, node.ends.keys())
        };
        self.nodes.iter().map(spans).collect()
    }

    /// Everything that the nodes have says the same.
    pub(super) fn judge(&self) {
        let mut cids: BTreeMap<Dot, Cid> = BTreeMap::new();
        for node in &self.nodes {
            for (dot, update) in &node.archive.updates {
                let cid = *cids.entry(*dot).or_insert(update.cid());
                assert_eq!(cid, update.cid(), "{dot} at {}", node.name);
            }
        }
    }

    pub(super) fn has(&self, at: usize) -> &Vector {
        &self.nodes[at].archive.seen
    }
}

pub(super) fn drain(out: &mut OutBuf) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !out.is_empty() {
        let (slices, count) = out.io_slices::<16>();
        let before = bytes.len();
        slices[..count].iter().for_each(|slice| bytes.extend_from_slice(slice));
        let taken = bytes.len() - before;
        out.advance(taken);
    }
    bytes
}

pub(super) fn name_of(frame: &Frame<'_>) -> &'static str {
    match frame {
        Frame::Hello(_) => "hello",
        Frame::State(_) => "state",
        Frame::Offer(_) => "offer",
        Frame::Pull { versions: false, .. } => "pull",
        Frame::Pull { versions: true, .. } => "pull versions",
        Frame::Update(_) => "update",
        Frame::Seal(_) => "seal",
        Frame::Passed(_) => "passed",
        Frame::Held { .. } => "held",
        Frame::Credit(_) => "credit",
        Frame::Digest(_) => "digest",
        Frame::Audit(_) => "audit",
        Frame::Manifest { .. } => "manifest",
        Frame::AskPieces(_) => "ask",
        Frame::Piece(_) => "piece",
        Frame::Exhibit { .. } => "exhibit",
        Frame::Epoch(_) => "epoch",
        Frame::Ping(_) => "ping",
        Frame::Pong(_) => "pong",
        Frame::Refuse { .. } => "refuse",
        Frame::Inquire(_) => "inquire",
        Frame::Tell(_) => "tell",
    }
}

/// Payloads of so many bytes, each different.
pub(super) fn payloads(count: usize, bytes: usize) -> Vec<Vec<u8>> {
    let payload = |n: usize| {
        let mut payload = vec![b'x'; bytes.max(8)];
        payload[..8].copy_from_slice(&(n as u64).to_be_bytes());
        payload
    };
    (0..count).map(payload).collect()
}
