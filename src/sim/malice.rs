//! What a hostile peer has to say: updates of its own, with true seals and with false ones, and
//! vectors of what does not exist.

use super::villain::NAME;
use crate::base::Rng;
use crate::herd::prove;
use crate::proto::peer::{Frame, Manifest, put_seal};
use crate::update::{
    Cid, Clock, Dot, Draft, Epoch, Hlc, Kind, Seal, SigningKey, Span, Update, Vector, Word,
};

/// Runs of a vector that lies.
const RUNS: u64 = 300;
/// No sequence number that is meant seriously.
const FAR: u64 = 1 << 20;
const LARGE_BYTES: usize = 80_000;

/// Publishes under its own key.
pub(super) struct Forger {
    key: SigningKey,
    rng: Rng,
    clock: Clock,
    salt: u64,
    seq: u64,
    /// The ends of the two stories that it tells.
    tips: [Cid; 2],
    pub(super) epochs: Vec<Epoch>,
    pub(super) wall_ms: u64,
}

impl Forger {
    pub(super) fn new(key: SigningKey, rng: Rng) -> Self {
        let clock = Clock::new(Hlc(0));
        let (tips, epochs) = ([Cid::ZERO; 2], Vec::new());
        let mut forger = Self { key, rng, clock, salt: 0, seq: 0, tips, epochs, wall_ms: 0 };
        forger.begin_epoch();
        forger
    }

    pub(super) fn begin_epoch(&mut self) {
        self.salt = self.rng.next_u64();
        self.seq = 0;
        self.tips = [Cid::ZERO; 2];
        self.epochs.push(self.epoch());
    }

    pub(super) fn epoch(&self) -> Epoch {
        Epoch::of(&self.key.public(), self.salt)
    }

    pub(super) fn coin(&mut self) -> bool {
        self.rng.chance(1, 2)
    }

    fn draft(&mut self, seq: u64, previous: Cid, bytes: usize) -> Update {
        let payload: Vec<u8> = (0..bytes).map(|_| self.rng.next_u64() as u8).collect();
        let sealed = Update::seal(Draft {
            dot: Dot { epoch: self.epoch(), seq },
            clock: self.clock.tick(self.wall_ms),
            asked: 0,
            origin: NAME,
            kind: Kind::Data,
            topic: "weather",
            media_type: "application/octet-stream",
            alias: "",
            parents: Vec::new(),
            previous,
            payload: &payload,
        });
        sealed.expect("a valid envelope")
    }

    fn seal(&self, update: &Update) -> Seal {
        Seal::sign(&self.key, self.salt, update.dot().seq, vec![update.cid()])
    }

    fn with_seal(update: &Update, seal: &Seal) -> Vec<u8> {
        let mut bytes = Vec::new();
        Frame::Update(update.raw()).encode(&mut bytes);
        put_seal(&mut bytes, seal, |_| true);
        bytes
    }

    /// The next update of each story: the same, until one was forked.
    pub(super) fn next(&mut self, bytes: usize, is_forked: bool) -> [Vec<u8>; 2] {
        self.seq += 1;
        let first = self.draft(self.seq, self.tips[0], bytes);
        let is_same = !is_forked && self.tips[0] == self.tips[1];
        let second =
            if is_same { first.clone() } else { self.draft(self.seq, self.tips[1], bytes) };
        self.tips = [first.cid(), second.cid()];
        [&first, &second].map(|update| Self::with_seal(update, &self.seal(update)))
    }

    /// An update that is never sealed.
    pub(super) fn unsealed(&mut self, bytes: usize) -> Vec<u8> {
        let seq = 1 + self.rng.below(1 << 40);
        let mut frame = Vec::new();
        let update = self.draft(seq, self.tips[0], bytes);
        Frame::Update(update.raw()).encode(&mut frame);
        frame
    }

    /// An update with a seal that nobody signed.
    pub(super) fn wrongly_sealed(&mut self) -> Vec<u8> {
        let update = self.draft(self.seq + 1, self.tips[0], 100);
        let mut seal = self.seal(&update);
        seal.signature.0[self.rng.below(64) as usize] ^= 1;
        Self::with_seal(&update, &seal)
    }

    /// A sealed update that stands nowhere.
    pub(super) fn sealed_alone(&mut self) -> (Vec<u8>, Seal) {
        let seq = 1 + self.rng.below(20);
        let update = self.draft(seq, Cid::ZERO, 50);
        let seal = self.seal(&update);
        (update.raw().to_vec(), seal)
    }

    /// What a node has on disk, signed by this one.
    pub(super) fn word(&self, node: &str, held: Vector) -> Word {
        Word::sign(&self.key, node, held)
    }

    /// The manifest of an update, with pieces that are not its own.
    pub(super) fn large(&mut self) -> Vec<u8> {
        let update = self.draft(self.seq + 1, self.tips[0], LARGE_BYTES);
        let (stub, mut hashes) = prove(&update);
        if self.coin() {
            hashes[0][0] ^= 1;
        }
        let manifest = Manifest { stub: stub.raw(), hashes: &hashes };
        let mut bytes = Vec::new();
        Frame::Manifest { manifest, seal: self.seal(&update) }.encode(&mut bytes);
        bytes
    }
}

/// What there is not: more of what was heard of, and runs of an own epoch.
pub(super) fn lie_of_runs(heard: &Vector, rng: &mut Rng, own: Epoch) -> Vector {
    let mut lie = Vector::new();
    for span in heard.spans() {
        if rng.chance(1, 2) {
            lie.insert_span(Span { to: span.to + rng.below(5), ..span });
        }
    }
    for run in 0..rng.below(RUNS) {
        lie.insert(Dot { epoch: own, seq: 2 * run + 1 });
    }
    lie.insert_span(Span { epoch: Epoch(rng.next_u64()), from: 1, to: 1 << 40 });
    lie
}

/// All that there is, and somewhat more of it.
pub(super) fn lie_of_ends(heard: &Vector, rng: &mut Rng) -> Vector {
    let mut lie = Vector::new();
    for span in heard.spans().filter(|span| span.to < FAR) {
        lie.insert_span(Span { from: 1, to: span.to + rng.below(50), ..span });
    }
    lie
}
