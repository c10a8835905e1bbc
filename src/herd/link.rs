//! One peer link as a state machine. Both ends say hello; when the hashes of what they have differ,
//! both say what they have, and each then knows exactly what the other lacks and may be asked for.
//! From then on a link is a place in the ring of what is new, requests in both directions, and a
//! window of credit: so a slow peer costs constant memory.

use super::inquiries::{AskBudget, Talk};
use super::lead::lead_of;
use super::meter::Yield;
use super::outflow::Outflow;
use super::words::{Gossip, WordBudget};
use super::{Archive, Identity, LinkError};
use crate::base::{OutBuf, Tick};
use crate::proto::peer::{
    Credit, Frame, HELLO_HASH_BYTES, Hello, PROTOCOL, STATE_EPOCHS_MAX, StateFrame, VECTOR_RUNS_MAX,
};
use crate::update::{Cid, Dot, Epoch, Seal, Statement, Update, Vector, Word};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// More runs than this are not taken down of one peer.
const RUNS_MAX: usize = 1 << 18;
/// Round trips that are remembered.
const ROUND_TRIPS: usize = 32;
/// Until one was measured.
const RTT_GUESS_MS: u64 = 200;
/// A peer is given this long, and twice its slowest round trip, to send what was asked for.
const PATIENCE_MS: std::ops::RangeInclusive<u64> = 20..=2_000;
/// So many heartbeats pass until what is not urgent is passed on.
const GOSSIP_BEATS: u64 = 4;
/// Digests that differ one after another while nothing else happens, until both say what they
/// have; and while something does.
const DIGESTS_QUIET: u32 = 2;
const DIGESTS_BUSY: u32 = 10;

/// The bounds of a link.
#[derive(Clone, Copy, Debug)]
pub struct LinkSettings {
    /// How many bytes of updates the peer may send before we said that we dealt with them.
    pub window_bytes: u64,
    /// Between two heartbeats.
    pub heartbeat_ms: u64,
    /// A peer unheard for so long is dead.
    pub silence_ms: u64,
    /// Between two comparisons of all that both have.
    pub digest_ms: u64,
}

/// Two updates that bear one name, or one that contradicts what is in the log.
#[derive(Clone, Debug)]
pub struct Fork {
    /// The name that two updates bear.
    pub dot: Dot,
    /// The update that contradicts: the other one of the name, or one that follows upon it.
    pub update: Update,
    /// Its verified seal.
    pub seal: Seal,
    /// At the first of an epoch, what it contradicts. Both together prove the fork, also to who has
    /// dropped what bears these names; so of this one a stub is to be kept beside it.
    pub beside: Option<(Update, Seal)>,
}

/// What a frame brought.
#[derive(Debug)]
pub enum Arrival {
    /// Nothing that others need to know.
    Nothing,
    /// The peer said who it is: [`super::Relay::accept`] it, or refuse it.
    Hello(Identity),
    /// Verified updates may be ready: call [`super::Relay::next_step`].
    Ready,
    /// An update that we had.
    Duplicate,
    /// The peer says to have more of our own epoch than we know: our log lost its end.
    Amnesia,
    /// The peer says that some of what it was asked for is over: call
    /// [`super::Relay::take_passed`], now and at each heartbeat.
    Passed,
    /// The peer publishes under another epoch from now on.
    Epoch(Epoch),
    /// A node has this on disk.
    Held {
        /// Someone waits for it.
        urgent: bool,
        /// The node's word, not verified.
        word: Box<Word>,
    },
    /// All nodes are asked, this one among them: [`super::Relay::tell`] what it says.
    Inquired {
        /// The number of the question.
        number: u64,
        /// What it is about.
        about: Vec<u8>,
    },
    /// A node's answer to a question, not verified.
    Told(Box<Statement>),
    /// Two updates bear one name: keep the exhibit, and call [`super::Relay::expose`].
    Fork(Box<Fork>),
    /// The peer refuses us, and closes.
    Refused(crate::proto::peer::RefuseCode, String),
}

/// The figures of a link, for people and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LinkView {
    /// "greeting", "syncing" (what both have is being said, or what we lack is on its way), "up".
    pub state: &'static str,
    /// "eager" while what is new is pushed, "announce" while it is offered.
    pub mode: &'static str,
    /// Updates that we have on disk and the peer has not.
    pub lag_updates: u64,
    /// The last heartbeat's way there and back.
    pub rtt_ms: Option<u64>,
    /// How many updates it has on disk, as it said.
    pub held_updates: u64,
    /// Bytes sent that the peer has not dealt with.
    pub unacknowledged_bytes: u64,
    /// Updates sent on this link.
    pub sent_updates: u64,
    /// Updates that came unasked on this link and were known.
    pub duplicate_updates: u64,
}

/// How far a link has come.
#[derive(Debug)]
pub(super) enum Phase {
    /// Our hello is out, with the hash of this.
    Greeting { said: Vector, hash: [u8; 32] },
    /// The peer's hello has come, and is judged.
    Judging { said: Vector, is_equal: bool },
    /// The hashes differed: the peer's state is on its way.
    Stating,
    /// Everything may come.
    Up,
}

/// One end of a peer link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) settings: LinkSettings,
    pub(super) phase: Phase,
    pub(super) peer: Option<Identity>,
    /// What the peer said in its hello to have, as it wants the first of what it lacks.
    peer_wants: Option<Vector>,
    /// What the peer has or will have: it said so, or we sent it.
    pub(super) has: Vector,
    /// What the peer has on disk, as far as it said so.
    pub(super) held: Vector,
    /// The peer was told all that this node said of its disk before the link came up.
    pub(super) is_told: bool,
    pub(super) verify_budget: WordBudget,
    /// Of its own, so that neither words nor answers keep the other from being verified.
    pub(super) answer_budget: WordBudget,
    pub(super) ask_budget: AskBudget,
    /// Questions to all and their answers, to be sent.
    pub(super) talk: Talk,
    /// What the peer has and we lack, when it was last looked at.
    pub(super) todo: Vector,
    /// What the peer offered, and said to be over when it was asked.
    pub(super) passed: Vector,
    /// What the peer offered, and did not send in the longest time that it is given.
    pub(super) unsent: Vector,
    /// The first sequence numbers that the peer has whole, of epochs that it dropped from.
    lows: BTreeMap<Epoch, u64>,
    /// The parts of a state that have come.
    state: StateFrame,
    /// When we last said what we have.
    stated_at: Option<Tick>,
    pub(super) outflow: Outflow,
    /// Updates whose seal has not come, and whether they came unasked.
    pub(super) hold: BTreeMap<Dot, (Update, bool)>,
    pub(super) received_bytes: u64,
    /// What of it was dealt with, and what we told the peer of that.
    pub(super) credit: Credit,
    said_credit: Credit,
    heard_credit: Credit,
    pub(super) yields: Yield,
    /// What is to be asked of the peer, not yet written.
    pub(super) requests: Vec<(bool, Vector)>,
    pub(super) exhibits: VecDeque<Arc<(Update, Seal)>>,
    /// The last one that the peer showed whose name this node has dropped, as a stub, unverified.
    pub(super) shown: Option<(Update, Seal)>,
    /// The epoch under which this node publishes, if that is another than the peer knows.
    pub(super) new_epoch: Option<Epoch>,
    /// Messages of an audit, not yet written: each waits for an answer to the one before.
    pub(super) audit_messages: Vec<Vec<u8>>,
    /// Counts up over all links: the least was audited least lately.
    pub(super) audit_turn: u64,
    /// Pieces go before updates next time.
    pub(super) is_piece_next: bool,
    /// Words of disks to be passed on.
    gossip: Gossip,
    beats: u64,
    next_beat: Tick,
    next_digest: Tick,
    /// Digests that differed one after another, and how much had changed here at the last.
    differing: u32,
    changes: u64,
    pub(super) greeted_at: Tick,
    last_heard: Tick,
    /// Nothing was heard for too long, as of this turn: what came meanwhile may not be read yet.
    is_suspect: bool,
    round_trips: VecDeque<u64>,
    rtt_ms: Option<u64>,
}

impl Link {
    /// Says hello on a connection that has come up, with what this node has where it `wants` the
    /// first of what it lacks.
    pub(super) fn greet<A: Archive>(
        settings: LinkSettings,
        (me, wants): (&Identity, Option<Vector>),
        archive: &A,
        moment: (Tick, u64),
        out: &mut OutBuf,
    ) -> Result<Self, LinkError> {
        let (now, wall_ms) = moment;
        let said = archive.offered();
        let hash = archive.hash(&said)?;
        let hello = Hello {
            protocol: PROTOCOL,
            name: &me.name,
            epoch: me.epoch,
            instance: me.instance,
            state_hash: *start_of(&hash),
            clock_ms: wall_ms,
            window_bytes: u32::try_from(settings.window_bytes).unwrap_or(u32::MAX),
            version: env!("CARGO_PKG_VERSION"),
            wants,
        };
        Frame::Hello(hello).encode(out.tail());
        Ok(Self::new(settings, Phase::Greeting { said, hash }, now))
    }

    fn new(settings: LinkSettings, phase: Phase, now: Tick) -> Self {
        Self {
            settings,
            phase,
            peer: None,
            peer_wants: None,
            has: Vector::new(),
            held: Vector::new(),
            is_told: false,
            verify_budget: WordBudget::to_verify(now),
            answer_budget: WordBudget::to_verify(now),
            ask_budget: AskBudget::new(now),
            talk: Talk::default(),
            todo: Vector::new(),
            passed: Vector::new(),
            unsent: Vector::new(),
            lows: BTreeMap::new(),
            state: StateFrame::default(),
            stated_at: None,
            outflow: Outflow::new(),
            hold: BTreeMap::new(),
            received_bytes: 0,
            credit: Credit::default(),
            said_credit: Credit::default(),
            heard_credit: Credit::default(),
            yields: Yield::new(),
            requests: Vec::new(),
            exhibits: VecDeque::new(),
            shown: None,
            new_epoch: None,
            audit_messages: Vec::new(),
            audit_turn: 0,
            is_piece_next: false,
            gossip: Gossip::new(now),
            beats: 0,
            next_beat: now + settings.heartbeat_ms,
            next_digest: now + settings.digest_ms,
            differing: 0,
            changes: 0,
            greeted_at: now,
            last_heard: now,
            is_suspect: false,
            round_trips: VecDeque::new(),
            rtt_ms: None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up)
    }

    /// Bytes came: an update may take longer than the silence allowed. Before the hello only whole
    /// frames count.
    pub(super) fn on_bytes(&mut self, now: Tick) {
        if !matches!(self.phase, Phase::Greeting { .. }) {
            self.heard(now);
        }
    }

    pub(super) fn heard(&mut self, now: Tick) {
        self.last_heard = now;
        self.is_suspect = false;
    }

    pub(super) fn on_hello(&mut self, hello: &Hello<'_>, now: Tick) -> Result<Identity, LinkError> {
        if hello.protocol != PROTOCOL {
            return Err(LinkError::Protocol(hello.protocol));
        }
        let Phase::Greeting { said, hash } = &mut self.phase else {
            return Err(LinkError::Unexpected("a second hello"));
        };
        // Both ends compare the same two hashes, so both come to the same conclusion.
        let is_equal = *start_of(hash) == hello.state_hash;
        self.phase = Phase::Judging { said: std::mem::take(said), is_equal };
        self.outflow.peer_window = u64::from(hello.window_bytes);
        self.peer_wants.clone_from(&hello.wants);
        // Both ends greet at once: what came was one way.
        self.round_trip(2 * (now - self.greeted_at));
        let peer = Identity {
            name: hello.name.to_owned(),
            epoch: hello.epoch,
            instance: hello.instance,
            version: hello.version.to_owned(),
            key: None,
        };
        self.peer = Some(peer.clone());
        Ok(peer)
    }

    /// The peer was found good: the link comes up, or says what this node has. `end` is the place
    /// behind all that is new.
    pub(super) fn accept<A: Archive>(
        &mut self,
        archive: &A,
        now: Tick,
        end: u64,
        out: &mut OutBuf,
    ) -> Result<(), LinkError> {
        let Phase::Judging { said, is_equal } = &mut self.phase else { return Ok(()) };
        let said = std::mem::take(said);
        if *is_equal {
            self.has = said.clone();
            self.held = said.clone();
            self.phase = Phase::Up;
            self.outflow.tell(&said, end);
            // What came between the two hellos.
            self.outflow.offer_rest(&archive.offered(), &self.has);
        } else {
            self.phase = Phase::Stating;
            self.say_state(archive, now, end, out)?;
            if let Some(has) = self.peer_wants.take() {
                self.on_pull(&lead_of(&archive.offered(), &has), archive)?;
            }
        }
        Ok(())
    }

    /// Says all that this node has, in parts of bounded size.
    pub(super) fn say_state<A: Archive>(
        &mut self,
        archive: &A,
        now: Tick,
        end: u64,
        out: &mut OutBuf,
    ) -> Result<(), LinkError> {
        let offered = archive.offered();
        let tips = archive.tips(&offered)?;
        self.outflow.tell(&offered, end);
        self.stated_at = Some(now);
        put_state(&offered, &archive.lows(), &tips, out);
        Ok(())
    }

    /// A part of the peer's state came. The tips that it said, once it is whole.
    pub(super) fn on_state(
        &mut self,
        part: StateFrame,
    ) -> Result<Option<Vec<(Epoch, Cid)>>, LinkError> {
        if !matches!(self.phase, Phase::Stating | Phase::Up) {
            return Err(LinkError::Unexpected("a state"));
        }
        self.state.offers.merge(&part.offers);
        self.state.lows.extend(part.lows);
        self.state.tips.extend(part.tips);
        let runs = self.state.offers.runs() + self.state.lows.len() + self.state.tips.len();
        if runs > RUNS_MAX {
            return Err(LinkError::Unexpected("a state of so many runs"));
        }
        if part.more {
            return Ok(None);
        }
        let state = std::mem::take(&mut self.state);
        if !self.is_up() {
            self.held = state.offers.clone();
            self.phase = Phase::Up;
        }
        // It replaces what we believed: whatever was lost on the way is found so.
        self.has = state.offers;
        self.lows = state.lows.into_iter().collect();
        Ok(Some(state.tips))
    }

    /// True when the state that came is to be answered with ours.
    pub(super) fn owes_state(&self, now: Tick) -> bool {
        self.stated_at.is_none_or(|at| now - at >= self.settings.digest_ms / 2)
    }

    /// The first sequence number of an epoch that the peer has whole.
    pub(super) fn low(&self, epoch: Epoch) -> u64 {
        self.lows.get(&epoch).copied().unwrap_or(0)
    }

    /// The peer has these.
    pub(super) fn learn(&mut self, dots: &Vector) -> Result<(), LinkError> {
        self.has.merge(dots);
        if self.has.runs() > RUNS_MAX {
            return Err(LinkError::Unexpected("an offer of so many runs"));
        }
        Ok(())
    }

    pub(super) fn on_credit(&mut self, credit: Credit) -> Result<(), LinkError> {
        let before = self.heard_credit;
        let grows = credit.bytes >= before.bytes
            && credit.updates >= before.updates
            && credit.news >= before.news;
        let fits = credit.bytes <= self.outflow.sent_bytes
            && credit.updates <= self.outflow.sent_updates
            && credit.news <= credit.updates;
        if !grows || !fits {
            return Err(LinkError::Unexpected("credit for what was not sent"));
        }
        self.outflow.taken_bytes = credit.bytes;
        self.yields.count(credit.updates - before.updates, credit.news - before.news);
        self.heard_credit = credit;
        Ok(())
    }

    /// Gives the peer credit for what was dealt with, once a quarter of the window was.
    pub(super) fn grant(&mut self, is_due: bool, out: &mut OutBuf) {
        let bytes = self.credit.bytes - self.said_credit.bytes;
        let is_worth_it = bytes >= self.settings.window_bytes / 4
            || self.credit.updates - self.said_credit.updates >= 64;
        if is_worth_it || (is_due && self.credit != self.said_credit) {
            self.said_credit = self.credit;
            Frame::Credit(self.credit).encode(out.tail());
        }
    }

    /// True when the peer sent more than it may. One update may overshoot the window: otherwise one
    /// larger than it could never be sent.
    pub(super) fn is_over_window(&self) -> bool {
        self.received_bytes - self.said_credit.bytes > self.settings.window_bytes
    }

    fn round_trip(&mut self, ms: u64) {
        if self.round_trips.len() == ROUND_TRIPS {
            self.round_trips.pop_front();
        }
        self.round_trips.push_back(ms);
    }

    pub(super) fn on_pong(&mut self, moment: Tick, now: Tick) {
        if let Some(ms) = now.checked_sub(moment) {
            self.rtt_ms = Some(ms);
            self.round_trip(ms);
        }
    }

    /// How long the peer may take for what it is asked for.
    pub(super) fn patience_ms(&self) -> u64 {
        let slowest = self.round_trips.iter().copied().max().unwrap_or(RTT_GUESS_MS);
        (2 * slowest).clamp(*PATIENCE_MS.start(), *PATIENCE_MS.end())
    }

    /// Something is to be passed on about what a node has on disk.
    pub(super) fn gossip(&mut self, urgent: bool, word: &Arc<Word>) {
        self.gossip.add(urgent, word);
    }

    /// Writes what is small and goes before everything else.
    pub(super) fn put_small(&mut self, out: &mut OutBuf) {
        if let Some(epoch) = self.new_epoch.take() {
            Frame::Epoch(epoch).encode(out.tail());
        }
        for (versions, dots) in std::mem::take(&mut self.requests) {
            for dots in parts(&dots) {
                Frame::Pull { versions, dots }.encode(out.tail());
            }
        }
        for body in std::mem::take(&mut self.audit_messages) {
            Frame::Audit(&body).encode(out.tail());
        }
        put_words(true, self.gossip.take_urgent(), out);
    }

    /// When [`Link::beat`] is to be called.
    pub(super) fn due(&self) -> Tick {
        self.next_beat
    }

    /// Judges the silence, asks for an answer, and passes on what is said of disks: this node's own
    /// word each time.
    pub(super) fn beat<A: Archive>(
        &mut self,
        me: &Identity,
        archive: &A,
        (now, may_grant): (Tick, bool),
        out: &mut OutBuf,
    ) -> Result<(), LinkError> {
        if now < self.next_beat {
            return Ok(());
        }
        let silent_ms = now.saturating_sub(self.last_heard);
        if silent_ms > self.settings.silence_ms {
            if self.is_suspect {
                return Err(LinkError::Silent(silent_ms));
            }
            // It may be this process that slept: first what has come is read.
            self.is_suspect = true;
            self.next_beat = now + 1;
            return Ok(());
        }
        self.next_beat = now + self.settings.heartbeat_ms;
        Frame::Ping(now).encode(out.tail());
        if !self.is_up() {
            return Ok(());
        }
        if may_grant {
            self.grant(true, out);
        }
        self.beats += 1;
        put_words(false, self.gossip.take_of(&me.name), out);
        if self.gossip.is_behind || self.beats.is_multiple_of(GOSSIP_BEATS) {
            put_words(false, self.gossip.take_some(now), out);
        }
        if now >= self.next_digest {
            self.next_digest = now + self.settings.digest_ms;
            Frame::Digest(archive.hash(&archive.offered())?).encode(out.tail());
        }
        Ok(())
    }

    /// The peer's digest: true when both have to say what they have. `changes` counts what has
    /// changed in this archive.
    pub(super) fn on_digest<A: Archive>(
        &mut self,
        digest: [u8; 32],
        archive: &A,
        changes: u64,
    ) -> Result<bool, LinkError> {
        let is_equal = archive.hash(&archive.offered())? == digest;
        let is_quiet = std::mem::replace(&mut self.changes, changes) == changes;
        self.differing = if is_equal { 0 } else { self.differing + 1 };
        let most = if is_quiet { DIGESTS_QUIET } else { DIGESTS_BUSY };
        let is_time = self.differing >= most;
        if is_time {
            self.differing = 0;
        }
        Ok(is_time)
    }

    /// Its figures.
    pub(super) fn view<A: Archive>(&self, archive: &A, is_calm: bool) -> LinkView {
        let state = match self.phase {
            Phase::Greeting { .. } | Phase::Judging { .. } => "greeting",
            Phase::Up if self.todo.beyond(archive.seen()).is_empty() => "up",
            Phase::Stating | Phase::Up => "syncing",
        };
        let lag = archive.held().beyond(&self.held);
        let is_eager = self.yields.is_eager(is_calm);
        LinkView {
            state,
            mode: if is_eager { "eager" } else { "announce" },
            lag_updates: lag.iter().fold(0, |sum, span| span.count().saturating_add(sum)),
            rtt_ms: self.rtt_ms,
            held_updates: self.held.count(),
            unacknowledged_bytes: self.outflow.sent_bytes - self.outflow.taken_bytes,
            sent_updates: self.outflow.sent_updates,
            duplicate_updates: self.credit.updates.saturating_sub(self.credit.news),
        }
    }
}

fn put_words(urgent: bool, words: Vec<Arc<Word>>, out: &mut OutBuf) {
    for word in words {
        Frame::Held { urgent, word: Word::clone(&word) }.encode(out.tail());
    }
}

/// What of a hash stands in a hello.
fn start_of(hash: &[u8; 32]) -> &[u8; HELLO_HASH_BYTES] {
    hash.first_chunk().expect("a hash is longer than its start")
}

/// A vector in as many parts as it takes for each to fit into a frame.
pub(super) fn parts(vector: &Vector) -> Vec<Vector> {
    if vector.is_empty() {
        return Vec::new();
    }
    if vector.runs() <= VECTOR_RUNS_MAX {
        return vec![vector.clone()];
    }
    let spans: Vec<_> = vector.spans().collect();
    let part = |spans: &[crate::update::Span]| {
        let mut part = Vector::new();
        for span in spans {
            part.insert_span(*span);
        }
        part
    };
    spans.chunks(VECTOR_RUNS_MAX).map(part).collect()
}

fn put_state(offers: &Vector, lows: &[(Epoch, u64)], tips: &[(Epoch, Cid)], out: &mut OutBuf) {
    let mut offers = parts(offers).into_iter().peekable();
    let mut lows = lows.chunks(STATE_EPOCHS_MAX).peekable();
    let mut tips = tips.chunks(STATE_EPOCHS_MAX).peekable();
    loop {
        let mut part = StateFrame {
            more: false,
            offers: offers.next().unwrap_or_default(),
            lows: lows.next().unwrap_or_default().to_vec(),
            tips: tips.next().unwrap_or_default().to_vec(),
        };
        part.more = offers.peek().is_some() || lows.peek().is_some() || tips.peek().is_some();
        let more = part.more;
        Frame::State(part).encode(out.tail());
        if !more {
            return;
        }
    }
}
