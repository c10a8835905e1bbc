//! A hostile peer: a member by its key, and none by what it does. It sends garbage, halves of
//! frames and what it heard from others; it says under one name this to one node and that to
//! another; it lies about what it has and what others have, asks for everything and answers
//! nothing, and sends more than it may.

use super::host::{PEER_PORT, key};
use super::malice::{Forger, lie_of_ends, lie_of_runs};
use crate::base::{ClientEndpoint, InBuf, Rng};
use crate::proto::peer::{Credit, Frame, Hello, PROTOCOL, PeerCodec, Piece, StateFrame};
use crate::reactor::{
    Class, ConnId, ConnectOptions, Ctx, Lost, Outcome, Peer, Protocol, Settings, SimLoop, SimWorld,
    TlsClient,
};
use crate::update::{Epoch, Vector};
use std::collections::BTreeMap;
use std::io;

/// Its name in the herd.
pub(super) const NAME: &str = "villain";
/// To so many nodes at a time it is linked.
const LINKS: usize = 3;
/// Between two deeds.
const PAUSE_MS: u64 = 120;
/// Frames that it heard, to be said again.
const LOOT: usize = 64;
const FRAME_BYTES_MAX: usize = 2 << 20;

/// The state of its loop.
pub(super) struct Villain {
    rng: Rng,
    tls: TlsClient,
    pub(super) forger: Forger,
    targets: Vec<String>,
    /// Its links, and which of two stories each is told.
    links: BTreeMap<ConnId, usize>,
    dials: usize,
    errands: BTreeMap<ConnId, Errand>,
    loot: Vec<Vec<u8>>,
    /// What it heard that there is.
    heard: Vector,
    /// It publishes nothing any more.
    pub(super) is_mute: bool,
}

/// What a link is to send next.
#[derive(Default)]
struct Errand {
    bytes: Vec<u8>,
    hangs_up: bool,
}

/// Starts it on a host of its own.
pub(super) fn start(
    net: &SimWorld,
    targets: Vec<String>,
    seed: u64,
) -> io::Result<SimLoop<Villain>> {
    let own = key(NAME);
    let mut rng = Rng::new(seed);
    let villain = Villain {
        tls: TlsClient::of_node(&own),
        forger: Forger::new(own, rng.fork()),
        rng,
        targets,
        links: BTreeMap::new(),
        dials: 0,
        errands: BTreeMap::new(),
        loot: Vec::new(),
        heard: Vector::new(),
        is_mute: false,
    };
    let mut sim = SimLoop::new(net, NAME, Settings::default(), villain)?;
    sim.with(|cx, villain| villain.go_on(cx));
    Ok(sim)
}

impl Villain {
    fn go_on(&mut self, cx: &mut Ctx<'_, Self>) {
        if self.links.len() < LINKS {
            self.dial(cx);
        }
        let links: Vec<ConnId> = self.links.keys().copied().collect();
        if !links.is_empty() {
            let at = links[self.rng.below(links.len() as u64) as usize];
            self.act(cx, at);
        }
        for conn in self.errands.keys() {
            cx.transport_of(*conn).notify();
        }
        let pause_ms = 1 + self.rng.below(PAUSE_MS);
        cx.call_later(pause_ms, |cx, villain| villain.go_on(cx));
    }

    fn dial(&mut self, cx: &mut Ctx<'_, Self>) {
        let host = self.targets[self.rng.below(self.targets.len() as u64) as usize].clone();
        let endpoint = ClientEndpoint::Tcp { host, port: PEER_PORT, timeout_ms: None };
        let secure = Some(self.tls.clone());
        let options = ConnectOptions { class: Class::Peer, secure, ..ConnectOptions::default() };
        self.dials += 1;
        let story = self.dials % 2;
        if !self.is_mute && self.rng.chance(1, 4) {
            self.forger.begin_epoch();
        }
        let link = move |_: &Peer, _: &mut Self| -> Box<dyn Protocol<Self>> {
            Box::new(Link { codec: PeerCodec::new(FRAME_BYTES_MAX), story })
        };
        cx.connect(&endpoint, options, link);
    }

    fn say(&mut self, to: ConnId, frame: &Frame<'_>) {
        frame.encode(&mut self.errands.entry(to).or_default().bytes);
    }

    /// Publishes, here this and there that.
    fn publish(&mut self, bytes: usize, is_forked: bool) {
        if self.is_mute {
            return;
        }
        let stories = self.forger.next(bytes, is_forked);
        for (conn, story) in &self.links {
            self.errands.entry(*conn).or_default().bytes.extend_from_slice(&stories[*story]);
        }
    }

    fn act(&mut self, cx: &Ctx<'_, Self>, at: ConnId) {
        self.forger.wall_ms = cx.wall_ns() / 1_000_000;
        match self.rng.below(16) {
            0 => self.send_garbage(at),
            1 => self.send_half(at),
            2 | 3 => self.replay(at),
            4 => self.publish(300, false),
            5 => self.publish(300, true),
            6 => self.lie(at),
            7 => self.claim_disks(at),
            8 => self.send_unsealed(at),
            9 => {
                let bytes = self.forger.wrongly_sealed();
                self.errands.entry(at).or_default().bytes.extend_from_slice(&bytes);
            }
            10 => {
                let bytes = self.forger.large();
                self.errands.entry(at).or_default().bytes.extend_from_slice(&bytes);
            }
            11 => self.say(at, &Frame::Credit(Credit { bytes: 1 << 40, updates: 9, news: 9 })),
            12 | 13 => {
                let dots = self.heard.clone();
                let versions = self.forger.coin();
                self.say(at, &Frame::Pull { versions, dots });
            }
            14 => self.send_noise(at),
            _ => {
                let (raw, seal) = self.forger.sealed_alone();
                self.say(at, &Frame::Exhibit { raw: &raw, seal });
            }
        }
    }

    fn send_garbage(&mut self, at: ConnId) {
        let length = 1 + self.rng.below(200);
        let garbage = (0..length).map(|_| self.rng.next_u64() as u8);
        self.errands.entry(at).or_default().bytes.extend(garbage);
    }

    fn send_half(&mut self, at: ConnId) {
        let frame = self.forger.unsealed(500);
        let errand = self.errands.entry(at).or_default();
        errand.bytes.extend_from_slice(&frame[..frame.len() / 2]);
        errand.hangs_up = true;
    }

    fn replay(&mut self, at: ConnId) {
        for _ in 0..self.rng.below(8) {
            if !self.loot.is_empty() {
                let found = &self.loot[self.rng.below(self.loot.len() as u64) as usize];
                self.errands.entry(at).or_default().bytes.extend_from_slice(found);
            }
        }
    }

    /// Says to have what there is not: of its own epoch, of others, of nobody's; in many runs.
    fn lie(&mut self, at: ConnId) {
        let offers = lie_of_runs(&self.heard, &mut self.rng, self.forger.epoch());
        if self.rng.chance(1, 2) {
            self.say(at, &Frame::Offer(offers));
        } else {
            self.say(at, &Frame::State(StateFrame { offers, ..StateFrame::default() }));
        }
    }

    /// Says of its disk, and of those of others, what is not so.
    fn claim_disks(&mut self, at: ConnId) {
        let another = self.targets[self.rng.below(self.targets.len() as u64) as usize].clone();
        let nobody = format!("nobody{}", self.rng.below(1 << 20));
        let all = lie_of_ends(&self.heard, &mut self.rng);
        let mut word = match self.rng.below(8) {
            0 => {
                let gaps = lie_of_runs(&self.heard, &mut self.rng, self.forger.epoch());
                self.forger.word(NAME, gaps)
            }
            1 => self.forger.word(&nobody, all),
            2..=4 => self.forger.word(NAME, all),
            _ => self.forger.word(&another, all),
        };
        if word.node == another && self.rng.chance(2, 3) {
            word.key = key(&another).public();
        }
        let urgent = self.rng.chance(1, 2);
        self.say(at, &Frame::Held { urgent, word });
    }

    /// What it is asked for is over, it says, or nothing at all.
    fn on_pull(&mut self, at: ConnId, dots: &Vector) {
        if self.rng.chance(1, 2) {
            self.say(at, &Frame::Passed(dots.clone()));
        }
    }

    /// Updates without a seal: a few, or more than its credit.
    fn send_unsealed(&mut self, at: ConnId) {
        for _ in 0..[3, 60][self.rng.below(2) as usize] {
            let frame = self.forger.unsealed(1_000);
            self.errands.entry(at).or_default().bytes.extend_from_slice(&frame);
        }
    }

    fn send_noise(&mut self, at: ConnId) {
        let digest = *blake3::hash(&self.rng.next_u64().to_le_bytes()).as_bytes();
        let length = self.rng.below(32) as usize;
        self.say(at, &Frame::Digest(digest));
        self.say(at, &Frame::Audit(&digest[..length]));
    }

    fn on_frame(&mut self, at: ConnId, frame: &Frame<'_>) {
        match frame {
            Frame::Hello(_) => self.lie_at_first(at),
            Frame::Ping(moment) => self.say(at, &Frame::Pong(*moment)),
            Frame::Pull { versions: false, dots } => self.on_pull(at, dots),
            Frame::State(state) => self.heard.merge(&state.offers),
            Frame::AskPieces(ask) => {
                let piece = Piece { cid: ask.cid, index: ask.pieces[0], bytes: b"not what it was" };
                self.say(at, &Frame::Piece(piece));
            }
            Frame::Offer(dots) => self.heard.merge(dots),
            Frame::Update(_) | Frame::Seal(_) | Frame::Passed(_) | Frame::Held { .. } => {
                let mut bytes = Vec::new();
                frame.encode(&mut bytes);
                if self.loot.len() == LOOT {
                    let at = self.rng.below(LOOT as u64) as usize;
                    self.loot.swap_remove(at);
                }
                self.loot.push(bytes);
            }
            _ => {}
        }
    }

    /// It has what it has, and now and then more.
    fn lie_at_first(&mut self, at: ConnId) {
        let offers = match self.rng.below(4) {
            0 => lie_of_runs(&self.heard, &mut self.rng, self.forger.epoch()),
            1 => self.heard.clone(),
            _ => Vector::new(),
        };
        self.say(at, &Frame::State(StateFrame { offers, ..StateFrame::default() }));
    }

    fn hello(&self) -> Hello<'static> {
        Hello {
            protocol: PROTOCOL,
            name: NAME,
            epoch: self.forger.epoch(),
            instance: self.dials as u64,
            state_hash: [7; 32],
            clock_ms: self.forger.wall_ms,
            window_bytes: 4 << 10,
            version: "66",
        }
    }

    /// The epochs under which it published.
    pub(super) fn epochs(&self) -> impl Iterator<Item = Epoch> + '_ {
        self.forger.epochs.iter().copied()
    }
}

/// One of its links.
struct Link {
    codec: PeerCodec,
    story: usize,
}

impl Link {
    fn send(cx: &mut Ctx<'_, Villain>, villain: &mut Villain) {
        let Some(errand) = villain.errands.remove(&cx.id()) else { return };
        let mut transport = cx.transport();
        transport.out().put(&errand.bytes);
        if errand.hangs_up {
            transport.close();
        }
    }
}

impl Protocol<Villain> for Link {
    fn made(&mut self, cx: &mut Ctx<'_, Villain>, villain: &mut Villain) -> Outcome {
        villain.links.insert(cx.id(), self.story);
        Frame::Hello(villain.hello()).encode(cx.transport().out().tail());
        Ok(())
    }

    fn received(
        &mut self,
        cx: &mut Ctx<'_, Villain>,
        villain: &mut Villain,
        input: &mut InBuf,
    ) -> Outcome {
        let conn = cx.id();
        while cx.more() {
            let Some(frame) = self.codec.next(input)? else { break };
            villain.on_frame(conn, &frame);
        }
        cx.transport().set_input_cap(self.codec.needed().max(64 << 10));
        Self::send(cx, villain);
        Ok(())
    }

    fn notified(&mut self, cx: &mut Ctx<'_, Villain>, villain: &mut Villain) -> Outcome {
        Self::send(cx, villain);
        Ok(())
    }

    fn lost(&mut self, cx: &mut Ctx<'_, Villain>, villain: &mut Villain, _: Lost) {
        villain.links.remove(&cx.id());
        villain.errands.remove(&cx.id());
    }
}
