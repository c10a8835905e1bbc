//! A large herd in virtual time: the relays of production over archives that share what they
//! hold, and what happens between them.

use super::super::laws::{Breach, Checks, Kept, Law};
use super::super::moment::set_moment;
use super::super::plan::{Faults, Plan, name};
use super::super::seals;
use super::super::spread::Spread;
use super::super::world::Tally;
use super::archive::{Pool, Shelf, View};
use super::queue::{Event, Queue};
use super::wire::{MS, Moment, Wire, tick};
use crate::base::{InBuf, OutBuf, Rng};
use crate::config::Limits;
use crate::herd::{
    Archive, Arrival, AuditSettings, AuditorSettings, BlobSettings, Identity, LinkError,
    LinkSettings, Relay, RelaySettings, Sealed, Step,
};
use crate::proto::peer::{Frame, PeerCodec};
use crate::update::{Cid, Dot, Draft, Epoch, Hlc, Kind, SigningKey, Update, Vector};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The largest frame.
const FRAME_BYTES_MAX: usize = 32 << 20;
/// What is new is kept in so much memory by each node.
const RING_BYTES: usize = 64 << 10;
/// What a turn of a loop takes, in microseconds.
const TURN: Moment = 10;
/// The salt of all epochs.
const SALT: u64 = 1;
/// First dials are spread over this time.
const FIRST_DIAL_MS: u64 = 100;

/// A node: its links, and what it has.
pub(super) struct Node {
    pub(super) relay: Relay<u32>,
    pub(super) shelf: Shelf,
    /// The ends that have something to send.
    woken: BTreeSet<u32>,
    is_turning: bool,
    pub(super) received: u64,
    pub(super) copies: u64,
}

/// What was carried.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Carried {
    pub(super) bytes: u64,
    pub(super) controls: u64,
    pub(super) control_bytes: u64,
}

pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    pub(super) wires: Vec<Wire>,
    pub(super) now: Moment,
    pub(super) rng: Rng,
    pub(super) pool: Pool,
    queue: Queue,
    plan: Plan,
    settings: RelaySettings,
    redial_ms: (u64, u64),
    is_jittery: bool,
    out: OutBuf,
    input: InBuf,
    codec: PeerCodec,
    pub(super) published: u64,
    pub(super) delivered: u64,
    pub(super) carried: Carried,
    pub(super) checks: Checks,
    pub(super) tally: Tally,
    pub(super) spread: Spread,
    pub(super) trace: u64,
}

fn key(node: usize) -> SigningKey {
    SigningKey::from_seed(*blake3::hash(name(node).as_bytes()).as_bytes())
}

fn settings(limits: &Limits, is_tight: bool) -> RelaySettings {
    let never = AuditorSettings {
        first_ms: u64::MAX / 2,
        every_ms: u64::MAX / 2,
        rest_ms: 1,
        longest_ms: 1,
        audit: AuditSettings { message_bytes: 32 << 10, answer_ms: 1_000 },
    };
    let link = LinkSettings {
        window_bytes: if is_tight { 4 << 10 } else { limits.peer_window_bytes as u64 },
        heartbeat_ms: if is_tight { 300 } else { limits.heartbeat_ms },
        silence_ms: if is_tight { 1_500 } else { limits.peer_silence_ms },
        digest_ms: if is_tight { 3_000 } else { limits.digest_ms },
    };
    RelaySettings {
        verify: seals::verify,
        catches_up: true,
        alone_ms: 2 * link.silence_ms,
        link,
        gate_bytes: if is_tight { 256 << 10 } else { limits.gate_bytes },
        ring_bytes: if is_tight { 16 << 10 } else { RING_BYTES },
        origin_updates_per_s: limits.origin_updates_per_s,
        blobs: BlobSettings::default(),
        audits: never,
        calm_updates_per_s: limits.calm_updates_per_s,
        calm_bytes_per_s: limits.calm_bytes_per_s,
    }
}

impl World {
    /// A herd whose links are about to be dialled.
    pub(super) fn new(plan: &Plan, links: &[(usize, usize)], nodes: usize, mut rng: Rng) -> Self {
        let limits = Limits::default();
        let settings = settings(&limits, plan.is_tight());
        let nodes: Vec<Node> = (0..nodes).map(|at| Node::new(at, settings, &mut rng)).collect();
        let wires = links.iter().map(|&(a, b)| Wire::new([a, b], plan, &mut rng)).collect();
        let mut world = Self {
            spread: Spread::new(nodes.len()),
            nodes,
            wires,
            now: 0,
            rng,
            pool: Pool::default(),
            queue: Queue::default(),
            plan: plan.clone(),
            settings,
            redial_ms: if plan.is_tight() { (50, 800) } else { (200, 5_000) },
            is_jittery: plan.faults != Faults::None,
            out: OutBuf::new(),
            input: InBuf::new(FRAME_BYTES_MAX),
            codec: PeerCodec::new(FRAME_BYTES_MAX),
            published: 0,
            delivered: 0,
            carried: Carried::default(),
            checks: Checks::default(),
            tally: Tally::default(),
            trace: 0,
        };
        for wire in 0..world.wires.len() {
            let at = world.rng.below(FIRST_DIAL_MS * MS);
            world.queue.push(at, Event::Dial(wire as u32));
        }
        world
    }

    /// Things that happened or are to happen.
    pub(super) fn turns(&self) -> u64 {
        self.queue.planned()
    }

    fn note(&mut self, what: u64) {
        self.trace = (self.trace.rotate_left(5) ^ self.now ^ (what << 20))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// Lets everything happen that happens within so many milliseconds.
    pub(super) fn run(&mut self, ms: u64) -> Kept {
        let until = self.now + ms * MS;
        while let Some((at, event)) = self.queue.pop(until) {
            self.now = at;
            self.happen(event)?;
        }
        self.now = until;
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Kept {
        match event {
            Event::Dial(wire) => self.dial(wire)?,
            Event::Turn(node) => self.turn(node)?,
            Event::Bytes { end, session, bytes } if self.is_current(end, session) => {
                self.hear(end, &bytes)?;
            }
            Event::Timer { end, session } if self.is_current(end, session) => {
                self.on_timer(end)?;
            }
            Event::Drained { end, session } if self.is_current(end, session) => {
                self.way(end).is_draining = false;
                self.wake(end);
            }
            Event::Bytes { .. } | Event::Timer { .. } | Event::Drained { .. } => {}
        }
        Ok(())
    }

    fn is_current(&self, end: u32, session: u32) -> bool {
        let wire = &self.wires[end as usize / 2];
        wire.is_up && wire.session == session
    }

    fn node_of(&self, end: u32) -> usize {
        self.wires[end as usize / 2].nodes[end as usize % 2]
    }

    fn way(&mut self, end: u32) -> &mut super::wire::Way {
        &mut self.wires[end as usize / 2].ways[end as usize % 2]
    }

    /// The end has something to send, or may have.
    fn wake(&mut self, end: u32) {
        let node = self.node_of(end);
        self.nodes[node].woken.insert(end);
        self.plan_turn(node);
    }

    fn plan_turn(&mut self, node: usize) {
        if !std::mem::replace(&mut self.nodes[node].is_turning, true) {
            self.queue.push(self.now + TURN, Event::Turn(node as u32));
        }
    }

    fn dial(&mut self, wire: u32) -> Kept {
        let (now, at) = (self.now, wire as usize);
        if self.wires[at].is_up {
            return Ok(());
        }
        self.wires[at].connect(now);
        self.note(u64::from(wire));
        for end in [wire * 2, wire * 2 + 1] {
            let node = &mut self.nodes[self.wires[at].nodes[end as usize % 2]];
            let view = View { shelf: &node.shelf, pool: &self.pool };
            let greeted = node.relay.greet(end, &view, (tick(now), tick(now)), &mut self.out);
            fine(greeted)?;
            self.send(end);
            self.plan_timer(end);
        }
        Ok(())
    }

    /// Ends a connection at both ends; it is dialled again after a while.
    pub(super) fn lose(&mut self, wire: usize) {
        if !std::mem::replace(&mut self.wires[wire].is_up, false) {
            return;
        }
        self.note(wire as u64 | 1 << 32);
        for end in [wire * 2, wire * 2 + 1] {
            let at = self.node_of(end as u32);
            let node = &mut self.nodes[at];
            let view = View { shelf: &node.shelf, pool: &self.pool };
            node.relay.lost(end as u32, &view, tick(self.now));
            node.woken.remove(&(end as u32));
            self.plan_turn(at);
        }
        let (least, most) = self.redial_ms;
        let wait = self.rng.range(least..=most) * MS;
        self.queue.push(self.now + wait, Event::Dial(wire as u32));
    }

    /// Puts what was written on its way.
    fn send(&mut self, end: u32) {
        let bytes = drain(&mut self.out);
        if bytes.is_empty() {
            return;
        }
        self.carried.bytes += bytes.len() as u64;
        let now = self.now;
        let (place, side) = (end as usize / 2, end as usize % 2);
        let jitter = if self.is_jittery { self.rng.below(5 * MS) } else { 0 };
        let wire = &mut self.wires[place];
        let arrives = wire.ways[side].write(bytes.len(), now, jitter);
        let event = Event::Bytes { end: end ^ 1, session: wire.session, bytes };
        self.queue.push(arrives, event);
    }

    fn plan_timer(&mut self, end: u32) {
        let node = self.node_of(end);
        let Some(due) = self.nodes[node].relay.due(end) else { return };
        let due = (due * MS).max(self.now + 1);
        let session = self.wires[end as usize / 2].session;
        let way = self.way(end);
        if way.has_timer.is_none_or(|planned| due < planned) {
            way.has_timer = Some(due);
            self.queue.push(due, Event::Timer { end, session });
        }
    }

    fn on_timer(&mut self, end: u32) -> Kept {
        let now = self.now;
        if self.way(end).has_timer.is_none_or(|planned| planned > now) {
            return Ok(());
        }
        self.way(end).has_timer = None;
        let at = self.node_of(end);
        set_moment(tick(now), Some(at));
        let node = &mut self.nodes[at];
        let view = View { shelf: &node.shelf, pool: &self.pool };
        match node.relay.on_timer(end, &view, tick(now), &mut self.out) {
            Ok(_) => {
                self.send(end);
                self.wake(end);
            }
            Err(error) => self.end(end, &error)?,
        }
        Ok(())
    }

    /// A link that ends by its own rules: only silence may end one, since all peers are honest.
    fn end(&mut self, end: u32, error: &LinkError) -> Kept {
        self.out.clear();
        let is_silence = matches!(error, LinkError::Silent(_));
        let at = self.node_of(end);
        let what = || format!("{}: {error}", name(at));
        self.checks.hold(Law::Life, is_silence, what)?;
        self.lose(end as usize / 2);
        Ok(())
    }

    /// Writes what the links of a node have to send.
    fn turn(&mut self, node: u32) -> Kept {
        let at = node as usize;
        self.nodes[at].is_turning = false;
        let mut woken = std::mem::take(&mut self.nodes[at].woken);
        woken.append(&mut self.nodes[at].relay.take_wake());
        for end in woken {
            if self.wires[end as usize / 2].is_up {
                self.fill(at, end)?;
            }
        }
        // What takes long goes on in the next turn.
        let mut woken = self.nodes[at].relay.take_wake();
        if !woken.is_empty() {
            self.nodes[at].woken.append(&mut woken);
            self.plan_turn(at);
        }
        Ok(())
    }

    fn fill(&mut self, at: usize, end: u32) -> Kept {
        let now = self.now;
        let way = self.way(end);
        let room = if way.is_draining { 0 } else { way.room(now) };
        let node = &mut self.nodes[at];
        let view = View { shelf: &node.shelf, pool: &self.pool };
        fine(node.relay.fill(end, &view, tick(now), room, &mut self.out))?;
        let is_full = self.out.len() >= room;
        self.send(end);
        self.plan_timer(end);
        let session = self.wires[end as usize / 2].session;
        let way = self.way(end);
        if is_full && !std::mem::replace(&mut way.is_draining, true) {
            let due = way.leaves_at().max(now + MS);
            self.queue.push(due, Event::Drained { end, session });
        }
        Ok(())
    }

    fn hear(&mut self, end: u32, bytes: &[u8]) -> Kept {
        let at = self.node_of(end);
        set_moment(tick(self.now), Some(at));
        self.nodes[at].relay.on_bytes(end, tick(self.now));
        let mut input = std::mem::take(&mut self.input);
        let mut codec = std::mem::replace(&mut self.codec, PeerCodec::new(FRAME_BYTES_MAX));
        input.push(bytes);
        let mut heard = Ok(());
        let mut before = codec.offset();
        while heard.is_ok()
            && let Some(frame) = fine(codec.next(&mut input))?
        {
            let carries = self.count(at, &frame);
            heard = self.take(at, end, frame);
            let after = codec.offset();
            self.carried.control_bytes += (after - before).saturating_sub(carries);
            before = after;
        }
        input.take_all();
        (self.input, self.codec) = (input, codec);
        match heard {
            Ok(()) => self.send(end),
            Err(error) => return self.end(end, &error),
        }
        self.wake(end);
        self.steps(at)
    }

    /// Counts a frame. Returns how many bytes of updates it carries.
    fn count(&mut self, at: usize, frame: &Frame<'_>) -> u64 {
        match frame {
            Frame::Update(raw) => {
                self.nodes[at].copies += 1;
                raw.len() as u64
            }
            Frame::Piece(piece) => {
                self.nodes[at].copies += u64::from(piece.index == 0 && !piece.bytes.is_empty());
                piece.bytes.len() as u64
            }
            _ => {
                self.carried.controls += 1;
                0
            }
        }
    }

    fn take(&mut self, at: usize, end: u32, frame: Frame<'_>) -> Result<(), LinkError> {
        let now = tick(self.now);
        let node = &mut self.nodes[at];
        let view = View { shelf: &node.shelf, pool: &self.pool };
        let arrival = node.relay.on_frame(end, frame, &view, now, &mut self.out)?;
        match arrival {
            Arrival::Hello(_) => node.relay.accept(end, &view, now, &mut self.out),
            Arrival::Amnesia => Err(LinkError::Unexpected("more than its origin published")),
            Arrival::Fork(_) => Err(LinkError::Unexpected("a fork")),
            Arrival::Refused(..) => Err(LinkError::Unexpected("a refusal")),
            Arrival::Passed => Err(LinkError::Unexpected("what retention dropped")),
            Arrival::Nothing
            | Arrival::Ready
            | Arrival::Duplicate
            | Arrival::Epoch(_)
            | Arrival::Held { .. }
            | Arrival::Inquired { .. }
            | Arrival::Told(_) => Ok(()),
        }
    }

    /// Does what is ready to be done with an archive.
    fn steps(&mut self, at: usize) -> Kept {
        let now = tick(self.now);
        loop {
            let node = &mut self.nodes[at];
            let view = View { shelf: &node.shelf, pool: &self.pool };
            match node.relay.next_step(&view, now) {
                None => break,
                Some(Step::Seal(sealed)) => node.shelf.sealed.insert_span(sealed.seal.span()),
                Some(Step::Append(update)) => self.append(at, &update)?,
                Some(Step::Pass(_) | Step::Restore(..) | Step::Amnesia | Step::Fork(_)) => {
                    let what = format!("{} forgot, or saw a fork", name(at));
                    return Err(Breach::new(Law::Life, what));
                }
            }
        }
        self.plan_turn(at);
        Ok(())
    }

    fn append(&mut self, at: usize, update: &Update) -> Kept {
        let dot = update.dot();
        let node = &mut self.nodes[at];
        let is_next = dot.seq == node.shelf.seen.last(dot.epoch) + 1;
        let wrong = |what: &str| format!("{}: {dot} {what}", name(at));
        self.checks.hold(Law::Vectors, is_next, || wrong("comes out of its turn"))?;
        let is_sealed = node.shelf.sealed.contains(dot);
        self.checks.hold(Law::Acked, is_sealed, || wrong("comes before its seal"))?;
        let is_genuine = self.pool.is_genuine(update);
        self.checks.hold(Law::OneContent, is_genuine, || wrong("is not what was published"))?;
        node.shelf.seen.insert(dot);
        node.received += 1;
        self.came(at, dot);
        Ok(())
    }

    fn came(&mut self, at: usize, dot: Dot) {
        self.delivered += 1;
        self.spread.came(dot, tick(self.now));
        self.note((at as u64) << 16 ^ dot.seq ^ dot.epoch.0);
    }

    /// An update of a random node, sealed, on its way.
    pub(super) fn publish(&mut self) {
        let at = self.rng.below(self.nodes.len() as u64) as usize;
        let payload = self.payload();
        let node = &mut self.nodes[at];
        let view = View { shelf: &node.shelf, pool: &self.pool };
        let dot = view.next_own();
        let update = Update::seal(Draft {
            dot,
            clock: Hlc::from_ms(tick(self.now)),
            asked: 0,
            origin: &name(at),
            kind: Kind::Data,
            topic: "data",
            media_type: "application/octet-stream",
            alias: "",
            parents: Vec::new(),
            previous: view.tip(dot.epoch).unwrap_or(Cid::ZERO),
            payload: &payload,
        });
        let update = update.expect("a small draft is good");
        let seal = seals::sign(&key(at), SALT, dot.seq, vec![update.cid()]);
        self.pool.publish(&update, &seal);
        node.shelf.seen.insert(dot);
        node.shelf.sealed.insert(dot);
        let sealed = Arc::new(Sealed::new(seal));
        node.relay.publish(&update, &sealed, tick(self.now));
        self.published += 1;
        self.tally.published += 1;
        self.came(at, dot);
        self.plan_turn(at);
    }

    fn payload(&mut self) -> Vec<u8> {
        let is_large = self.plan.faults == Faults::Storm && self.rng.chance(1, 20);
        let some = if is_large { 20_000 } else { 16 + self.rng.below(1_500) as usize };
        let bytes = self.plan.payload_bytes.unwrap_or(some);
        let words = (0..bytes.div_ceil(8)).flat_map(|_| self.rng.next_u64().to_le_bytes());
        words.take(bytes).collect()
    }

    /// True when all nodes have everything.
    pub(super) fn agrees(&self) -> bool {
        self.delivered == self.published * self.nodes.len() as u64
    }

    /// True when updates flow on all links.
    pub(super) fn is_linked(&self) -> bool {
        let mut wires = self.wires.iter().enumerate();
        wires.all(|(place, wire)| {
            let is_up = |side: usize| {
                let relay = &self.nodes[wire.nodes[side]].relay;
                relay.is_up((place * 2 + side) as u32)
            };
            wire.is_up && is_up(0) && is_up(1)
        })
    }

    /// What a node may have waiting in memory.
    pub(super) fn waiting_max(&self, links: usize) -> usize {
        let held = (self.settings.link.window_bytes as usize + RING_BYTES) * links;
        self.settings.gate_bytes + self.settings.blobs.bytes_max + held
    }

    /// From here on links take the time that they take.
    pub(super) fn calm_down(&mut self) {
        self.is_jittery = false;
        for way in self.wires.iter_mut().flat_map(|wire| &mut wire.ways) {
            way.held_until = 0;
            way.narrow(false);
        }
    }
}

impl Node {
    fn new(at: usize, settings: RelaySettings, rng: &mut Rng) -> Self {
        let own = Epoch::of(&key(at).public(), SALT);
        let me = Identity {
            name: name(at),
            epoch: own,
            instance: at as u64,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            key: None,
        };
        Self {
            relay: Relay::new(me, key(at), settings, rng.next_u64()),
            shelf: Shelf { own, seen: Vector::new(), sealed: Vector::new() },
            woken: BTreeSet::new(),
            is_turning: false,
            received: 0,
            copies: 0,
        }
    }
}

/// What can't go wrong among honest nodes in memory.
fn fine<T, E: std::fmt::Display>(result: Result<T, E>) -> Kept<T> {
    result.map_err(|error| Breach::new(Law::Life, error.to_string()))
}

fn drain(out: &mut OutBuf) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(out.len());
    while !out.is_empty() {
        let (slices, count) = out.io_slices::<16>();
        let before = bytes.len();
        slices[..count].iter().for_each(|slice| bytes.extend_from_slice(slice));
        let taken = bytes.len() - before;
        out.advance(taken);
    }
    bytes
}
