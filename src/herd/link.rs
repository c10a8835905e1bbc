//! One peer link as a state machine. Both ends say hello; when their vectors' hashes differ, both
//! send their vector, and each then knows exactly what the other lacks. From then on the link is
//! a [`Feed`] under a window of credit, so a slow peer costs constant memory.
//!
//! Order of calls: [`Link::greet`] once; [`Link::on_frame`] for each frame; [`Link::fill`] whenever
//! there is something new, or room in the out-buffer, or a frame came; [`Link::tick`] at each
//! heartbeat. After an error the link is to be closed.

use super::{Feed, Identity, Order};
use crate::base::{OutBuf, Tick};
use crate::proto::peer::{Frame, Hello, PROTOCOL, RefuseCode, VECTOR_RUNS_MAX, put_update_head};
use crate::store::{Store, StoreError};
use crate::update::{Dot, EnvelopeError, Update, Vector};
use std::fmt;

/// As many runs as a cursor can say.
const SEEN_RUNS_MAX: usize = 4000;

/// The bounds of a link.
#[derive(Clone, Copy, Debug)]
pub struct LinkSettings {
    /// How many bytes of updates the peer may send before we said that we took them.
    pub window_bytes: u64,
    /// Between two heartbeats.
    pub heartbeat_ms: u64,
    /// A peer unheard for so long is dead.
    pub silence_ms: u64,
}

/// What a frame brought.
#[derive(Debug)]
pub enum Arrival {
    /// Nothing that others need to know.
    Nothing,
    /// The peer said who it is: admit it or refuse it.
    Hello(Identity),
    /// An update that we did not have.
    Update(Update),
    /// An update that we had.
    Duplicate,
    /// The peer has an update of our own epoch that we do not know: our log lost its end. The
    /// update, if it came: it is to be taken once our epoch is another.
    Amnesia(Option<Update>),
    /// The peer refuses us, and closes.
    Refused(RefuseCode, String),
}

/// Why a link ends by its own rules.
#[derive(Debug)]
pub enum LinkError {
    /// The peer speaks another version.
    Protocol(u16),
    /// A frame that may not come now.
    Unexpected(&'static str),
    /// An update that is no valid envelope.
    Envelope(EnvelopeError),
    /// More bytes than the window allows.
    Window,
    /// Nothing was heard for too long.
    Silent(u64),
    /// Our archive can't be read.
    Store(StoreError),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(version) => {
                write!(f, "the peer speaks version {version} of the link protocol, not {PROTOCOL}")
            }
            Self::Unexpected(what) => write!(f, "{what} may not come at this point of the link"),
            Self::Envelope(error) => write!(f, "an update of the peer is refused: {error}"),
            Self::Window => f.write_str("the peer sent more than its window of credit"),
            Self::Silent(ms) => write!(f, "nothing was heard for {ms} ms"),
            Self::Store(error) => write!(f, "the archive can't be read: {error}"),
        }
    }
}

impl std::error::Error for LinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Envelope(error) => Some(error),
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl From<StoreError> for LinkError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The figures of a link, for people and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LinkView {
    /// "greeting", "syncing" (vectors are on their way, or the peer sends what we lacked), "up".
    pub state: &'static str,
    /// Updates that we have on disk and the peer has not.
    pub lag_updates: u64,
    /// The last heartbeat's way there and back.
    pub rtt_ms: Option<u64>,
    /// How many updates it has on disk, as it said.
    pub held_updates: u64,
    /// Bytes sent that the peer has not taken.
    pub unacknowledged_bytes: u64,
    /// Updates sent on this link.
    pub sent_updates: u64,
}

#[derive(Debug)]
enum State {
    /// Our hello is out, with the vector that it was the hash of.
    Greeting(Vector),
    /// The hashes differed: the peer's vector is on its way.
    Syncing,
    /// Updates flow.
    Up(Box<Feed>),
}

/// One end of a peer link.
#[derive(Debug)]
pub struct Link {
    settings: LinkSettings,
    state: State,
    /// What the peer has on disk, as far as it said so.
    peer_held: Vector,
    /// What we said we have on disk.
    said_held: Vector,
    peer_window: u64,
    sent_bytes: u64,
    taken_by_peer: u64,
    received_bytes: u64,
    granted_bytes: u64,
    sent_updates: u64,
    /// We said that all that the peer lacked at link-up was sent; it said so.
    said_synced: bool,
    is_synced: bool,
    last_heard: Tick,
    rtt_ms: Option<u64>,
}

impl Link {
    /// A link on a connection that is about to come up.
    pub fn new(settings: LinkSettings) -> Self {
        Self {
            settings,
            state: State::Greeting(Vector::new()),
            peer_held: Vector::new(),
            said_held: Vector::new(),
            peer_window: 0,
            sent_bytes: 0,
            taken_by_peer: 0,
            received_bytes: 0,
            granted_bytes: 0,
            sent_updates: 0,
            said_synced: false,
            is_synced: false,
            last_heard: 0,
            rtt_ms: None,
        }
    }

    /// Says hello.
    pub fn greet(
        &mut self,
        me: &Identity,
        store: &Store,
        now: Tick,
        wall_ms: u64,
        out: &mut OutBuf,
    ) {
        self.last_heard = now;
        let held = store.held().clone();
        let hello = Hello {
            protocol: PROTOCOL,
            name: &me.name,
            epoch: me.epoch,
            instance: me.instance,
            vector_hash: held.hash(),
            clock_ms: wall_ms,
            window_bytes: self.settings.window_bytes as u32,
        };
        Frame::Hello(hello).encode(out.tail());
        self.said_held = held.clone();
        self.state = State::Greeting(held);
    }

    /// Bytes came: an update may take longer than the silence allowed. Before the hello only whole
    /// frames count.
    pub fn on_bytes(&mut self, now: Tick) {
        if !matches!(self.state, State::Greeting(_)) {
            self.last_heard = now;
        }
    }

    /// Takes one frame.
    pub fn on_frame(
        &mut self,
        frame: Frame<'_>,
        store: &Store,
        now: Tick,
        out: &mut OutBuf,
    ) -> Result<Arrival, LinkError> {
        self.last_heard = now;
        match frame {
            Frame::Hello(hello) => self.on_hello(&hello, store, out),
            Frame::Vector(vector) => self.on_vector(vector, store),
            Frame::Held(vector) => {
                self.peer_held.merge(&vector);
                if self.peer_held.runs() > VECTOR_RUNS_MAX {
                    return Err(LinkError::Unexpected("a vector with so many runs"));
                }
                Ok(Arrival::Nothing)
            }
            Frame::Update(raw) => self.on_update(raw, store),
            Frame::Credit(total) => {
                if total > self.sent_bytes || total < self.taken_by_peer {
                    return Err(LinkError::Unexpected("credit for bytes that were not sent"));
                }
                self.taken_by_peer = total;
                Ok(Arrival::Nothing)
            }
            Frame::Ping(moment) => {
                Frame::Pong(moment).encode(out.tail());
                Ok(Arrival::Nothing)
            }
            Frame::Pong(moment) => {
                self.rtt_ms = now.checked_sub(moment);
                Ok(Arrival::Nothing)
            }
            Frame::Refuse { code, text } => Ok(Arrival::Refused(code, text.to_owned())),
            Frame::Synced => {
                self.is_synced = true;
                Ok(Arrival::Nothing)
            }
        }
    }

    fn on_hello(
        &mut self,
        hello: &Hello<'_>,
        store: &Store,
        out: &mut OutBuf,
    ) -> Result<Arrival, LinkError> {
        let State::Greeting(said) = &mut self.state else {
            return Err(LinkError::Unexpected("a second hello"));
        };
        if hello.protocol != PROTOCOL {
            return Err(LinkError::Protocol(hello.protocol));
        }
        let said = std::mem::take(said);
        self.peer_window = u64::from(hello.window_bytes);
        // Both ends compare the same two hashes, so both come to the same conclusion.
        if said.hash() == hello.vector_hash {
            self.come_up(said, store);
        } else {
            Frame::Vector(said).encode(out.tail());
            self.state = State::Syncing;
        }
        Ok(Arrival::Hello(Identity {
            name: hello.name.to_owned(),
            epoch: hello.epoch,
            instance: hello.instance,
        }))
    }

    fn on_vector(&mut self, vector: Vector, store: &Store) -> Result<Arrival, LinkError> {
        if !matches!(self.state, State::Syncing) {
            return Err(LinkError::Unexpected("a vector"));
        }
        let own = store.epoch();
        let amnesia = vector.last(own) >= store.next_dot().seq;
        self.come_up(vector, store);
        Ok(if amnesia { Arrival::Amnesia(None) } else { Arrival::Nothing })
    }

    fn come_up(&mut self, peer_has: Vector, store: &Store) {
        self.peer_held = peer_has.clone();
        self.state = State::Up(Box::new(Feed::after(store, peer_has, Order::InTurn)));
    }

    fn on_update(&mut self, raw: &[u8], store: &Store) -> Result<Arrival, LinkError> {
        let State::Up(feed) = &mut self.state else {
            return Err(LinkError::Unexpected("an update"));
        };
        let outstanding = self.received_bytes - self.granted_bytes;
        if outstanding > self.settings.window_bytes {
            return Err(LinkError::Window);
        }
        self.received_bytes += raw.len() as u64;
        let dot = Update::peek_dot(raw).map_err(LinkError::Envelope)?;
        feed.learn(dot);
        if store.seen().contains(dot) {
            return Ok(Arrival::Duplicate);
        }
        // Links send each origin in order: so many gaps are an attack on everybody's vectors.
        let is_gap = dot.seq > 1 && !store.seen().contains(Dot { seq: dot.seq - 1, ..dot });
        if is_gap && store.seen().runs() >= SEEN_RUNS_MAX {
            return Err(LinkError::Unexpected("one more gap in what is held"));
        }
        let update = Update::decode(raw.into()).map_err(LinkError::Envelope)?;
        let amnesia = dot.epoch == store.epoch();
        Ok(if amnesia { Arrival::Amnesia(Some(update)) } else { Arrival::Update(update) })
    }

    /// Writes what the peer lacks, as far as its credit and `room` bytes go. Returns how many
    /// updates that were.
    pub fn fill(&mut self, store: &Store, room: usize, out: &mut OutBuf) -> Result<u64, LinkError> {
        let before = self.sent_updates;
        let State::Up(feed) = &mut self.state else { return Ok(0) };
        let full = out.len() + room;
        // One update may overshoot the window: otherwise one larger than it could never be sent.
        while self.sent_bytes - self.taken_by_peer < self.peer_window && out.len() < full {
            let found = feed.next(store)?;
            if !self.said_synced && !feed.is_replaying() {
                Frame::Synced.encode(out.tail());
                self.said_synced = true;
            }
            let Some(update) = found else { break };
            put_update_head(out.tail(), update.raw().len());
            out.put_chunk(update.raw());
            self.sent_bytes += update.raw().len() as u64;
            self.sent_updates += 1;
        }
        Ok(self.sent_updates - before)
    }

    /// Gives the peer credit for what it sent, once a quarter of the window was used.
    pub fn grant(&mut self, out: &mut OutBuf) {
        if self.received_bytes - self.granted_bytes >= self.settings.window_bytes / 4 {
            self.granted_bytes = self.received_bytes;
            Frame::Credit(self.granted_bytes).encode(out.tail());
        }
    }

    /// The heartbeat: asks for an answer, and says what has come to our disk since the last one.
    pub fn tick(&mut self, store: &Store, now: Tick, out: &mut OutBuf) -> Result<(), LinkError> {
        let silent_ms = now - self.last_heard;
        if silent_ms > self.settings.silence_ms {
            return Err(LinkError::Silent(silent_ms));
        }
        Frame::Ping(now).encode(out.tail());
        if matches!(self.state, State::Up(_)) {
            let mut news = Vector::new();
            for span in store.held().beyond(&self.said_held) {
                news.insert_span(span);
            }
            if !news.is_empty() {
                self.said_held.merge(&news);
                Frame::Held(news).encode(out.tail());
            }
        }
        Ok(())
    }

    /// True once updates flow.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// True when the peer is known to have it on disk.
    pub fn peer_holds(&self, dot: Dot) -> bool {
        self.peer_held.contains(dot)
    }

    /// Its figures.
    pub fn view(&self, store: &Store) -> LinkView {
        let state = match self.state {
            State::Greeting(_) => "greeting",
            State::Up(_) if self.is_synced => "up",
            State::Syncing | State::Up(_) => "syncing",
        };
        let lag = store.held().beyond(&self.peer_held);
        LinkView {
            state,
            lag_updates: lag.iter().fold(0, |sum, span| span.count().saturating_add(sum)),
            rtt_ms: self.rtt_ms,
            held_updates: self.peer_held.count(),
            unacknowledged_bytes: self.sent_bytes - self.taken_by_peer,
            sent_updates: self.sent_updates,
        }
    }
}
