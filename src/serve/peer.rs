//! Peer links: frames of `proto::peer` to the node's `herd::Relay` and back. The links' rules are
//! `herd`'s, the roll and the archive are the node's.

use super::Desk;
use crate::base::{InBuf, Tick};
use crate::herd::{Admission, Arrival, Fork, Identity, LinkView, Relay, Unwelcome};
use crate::proto::peer::{Frame, PeerCodec, RefuseCode, VECTOR_BYTES_MAX};
use crate::reactor::{Class, ConnId, Ctx, Lost, Outcome, Protocol};
use crate::store::Store;
use crate::update::{Epoch, Statement, Word};

/// Vectors are what is longest: large payloads come in pieces. With the type of the frame.
const FRAME_BYTES_MAX: usize = VECTOR_BYTES_MAX + 1;
/// What a stranger may send before it said hello.
const GREETING_BYTES_MAX: usize = 4096;
/// How much is written ahead of the socket.
const ROOM_BYTES: usize = 64 << 10;

/// What links ask of the node, besides what every protocol asks.
pub trait HerdDesk: Desk {
    /// Who this node is.
    fn identity(&self) -> &Identity;

    /// All links of the node, and the archive that they read.
    fn herd(&mut self) -> (&mut Relay<ConnId>, &Store);

    /// Whether the other end of a connection may hear who this node is, by the key that it proved
    /// to own; `dialled` as in [`HerdDesk::link_lost`].
    fn may_greet(
        &self,
        cx: &mut Ctx<'_, Self>,
        conn: ConnId,
        dialled: Option<&str>,
    ) -> Result<(), Unwelcome>;

    /// Judges a peer's hello, and closes the older link that this one replaces.
    fn admit(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        conn: ConnId,
        peer: &Identity,
        dialled: bool,
    ) -> Admission<ConnId>;

    /// Verified updates may be ready: takes them into the log, to the readers, to the other links.
    fn arrived(&mut self, cx: &mut Ctx<'_, Self>);

    /// Counts an update that was known.
    fn duplicate(&mut self);

    /// Counts updates that were handed on.
    fn flooded(&mut self, updates: u64);

    /// A peer holds an update of this node's own epoch that this node does not know.
    fn amnesia(&mut self, cx: &mut Ctx<'_, Self>);

    /// A peer says that what it was asked for is over.
    fn passed(&mut self, cx: &mut Ctx<'_, Self>);

    /// The peer of a link publishes under another epoch from now on.
    fn goes_on_under(&mut self, conn: ConnId, epoch: Epoch);

    /// Two updates bear one name.
    fn forked(&mut self, cx: &mut Ctx<'_, Self>, fork: &Fork);

    /// All nodes are asked, this one among them.
    fn inquired(&mut self, cx: &mut Ctx<'_, Self>, number: u64, about: &[u8]);

    /// A node's answer to a question came, perhaps one to be passed on. Nothing of it is verified.
    fn told(&mut self, cx: &mut Ctx<'_, Self>, conn: ConnId, said: Statement);

    /// A peer says what a node has on disk, perhaps another one. Nothing of it is verified.
    fn heard_held(&mut self, cx: &mut Ctx<'_, Self>, conn: ConnId, urgent: bool, word: Word);

    /// Takes down a link's figures.
    fn note(&mut self, cx: &mut Ctx<'_, Self>, conn: ConnId, view: LinkView);

    /// Asks that the link be notified whenever it has something to send.
    fn attend_link(&mut self, conn: ConnId);

    /// Notifies the links that have something to send.
    fn wake_links(&mut self, cx: &mut Ctx<'_, Self>);

    /// A link is gone. `dialled` is the peer's configured name when this node dialled.
    fn link_lost(&mut self, cx: &mut Ctx<'_, Self>, conn: ConnId, dialled: Option<&str>);
}

/// One end of a peer link.
#[derive(Debug)]
pub struct PeerConnection {
    dialled: Option<String>,
    codec: PeerCodec,
    peer_name: String,
    /// For when the timeout is set.
    armed: Option<Tick>,
}

impl PeerConnection {
    /// A link over a connection that this node accepted, or dialled under a configured name.
    pub fn new(dialled: Option<String>) -> Self {
        let peer_name = dialled.clone().unwrap_or_else(|| "a stranger".to_owned());
        Self { dialled, codec: PeerCodec::new(GREETING_BYTES_MAX), peer_name, armed: None }
    }

    fn on_arrival<D: HerdDesk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        arrival: Arrival,
    ) -> Outcome {
        match arrival {
            Arrival::Nothing => {}
            Arrival::Hello(peer) => self.on_hello(cx, desk, &peer)?,
            Arrival::Ready => desk.arrived(cx),
            Arrival::Duplicate => desk.duplicate(),
            Arrival::Amnesia => desk.amnesia(cx),
            Arrival::Passed => desk.passed(cx),
            Arrival::Epoch(epoch) => {
                let conn = cx.id();
                desk.goes_on_under(conn, epoch);
            }
            Arrival::Fork(fork) => desk.forked(cx, &fork),
            Arrival::Inquired { number, about } => desk.inquired(cx, number, &about),
            Arrival::Told(said) => {
                let conn = cx.id();
                desk.told(cx, conn, *said);
            }
            Arrival::Held { urgent, word } => {
                let conn = cx.id();
                desk.heard_held(cx, conn, urgent, *word);
            }
            Arrival::Refused(code, text) => {
                let level = match code {
                    RefuseCode::Duplicate => log::Level::Debug,
                    _ => log::Level::Error,
                };
                log::log!(level, "link to {}: the peer refuses it: {text}", self.peer_name);
                cx.transport().close();
            }
        }
        Ok(())
    }

    fn on_hello<D: HerdDesk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        peer: &Identity,
    ) -> Outcome {
        let expected = self.dialled.as_deref().unwrap_or(&peer.name);
        if expected != peer.name && peer.name != desk.identity().name {
            let text = format!("this link was dialled for {expected}, and {} answers", peer.name);
            self.refuse(cx, RefuseCode::Unexpected, &text);
            return Ok(());
        }
        self.peer_name.clone_from(&peer.name);
        let dialled = self.dialled.is_some();
        let (conn, now) = (cx.id(), cx.now());
        match desk.admit(cx, conn, peer, dialled) {
            Admission::Stands | Admission::Replaces(_) => {
                log::info!("link to {} at {}", peer.name, cx.transport().peer());
                self.codec.allow(FRAME_BYTES_MAX);
                let (relay, store) = desk.herd();
                relay.accept(conn, store, now, cx.transport().out())?;
            }
            Admission::Duplicate => {
                self.refuse(cx, RefuseCode::Duplicate, "another link of these two nodes stands");
            }
            Admission::Itself => {
                let text = format!("node {} met itself: a peer's endpoint is its own", peer.name);
                self.refuse(cx, RefuseCode::Itself, &text);
            }
            Admission::Unwelcome(why) => self.refuse(cx, RefuseCode::Key, &why.to_string()),
            Admission::Namesake => {
                let text = format!("two nodes have the name {}: names must differ", peer.name);
                self.refuse(cx, RefuseCode::NameTaken, &text);
            }
        }
        Ok(())
    }

    fn refuse<D>(&mut self, cx: &mut Ctx<'_, D>, code: RefuseCode, text: &str) {
        if code != RefuseCode::Duplicate {
            log::error!("link to {} is refused: {text}", self.peer_name);
        }
        Frame::Refuse { code, text }.encode(cx.transport().out().tail());
        cx.transport().close();
    }

    /// Writes what there is, tells the other links, and sets the timeout.
    fn fill<D: HerdDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        let (conn, now) = (cx.id(), cx.now());
        let (relay, store) = desk.herd();
        let mut transport = cx.transport();
        let room = ROOM_BYTES.saturating_sub(transport.buffered());
        let updates = relay.fill(conn, store, now, room, transport.out())?;
        let due = relay.due(conn);
        if due != self.armed {
            self.armed = due;
            transport.set_timeout(due.map(|due| due.saturating_sub(now).max(1)));
        }
        desk.flooded(updates);
        desk.wake_links(cx);
        Ok(())
    }
}

impl<D: HerdDesk> Protocol<D> for PeerConnection {
    fn made(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        let (conn, moment) = (cx.id(), (cx.now(), cx.wall_ns() / 1_000_000));
        if let Err(why) = desk.may_greet(cx, conn, self.dialled.as_deref()) {
            if let (None, Some(key)) = (&self.dialled, cx.transport().peer_key()) {
                // What an operator needs to let it in.
                self.peer_name = format!("a stranger with the key {key}");
            }
            self.refuse(cx, RefuseCode::Key, &why.to_string());
            return Ok(());
        }
        let (relay, store) = desk.herd();
        let mut transport = cx.transport();
        transport.set_class(Class::Peer);
        relay.greet(conn, store, moment, transport.out())?;
        desk.attend_link(conn);
        self.fill(cx, desk)
    }

    fn received(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        let (conn, now) = (cx.id(), cx.now());
        desk.herd().0.on_bytes(conn, now);
        while cx.more() {
            let Some(frame) = self.codec.next(input)? else { break };
            let (relay, store) = desk.herd();
            let arrival = relay.on_frame(conn, frame, store, now, cx.transport().out())?;
            self.on_arrival(cx, desk, arrival)?;
        }
        cx.transport().set_input_cap(self.codec.needed().max(ROOM_BYTES));
        self.fill(cx, desk)
    }

    fn notified(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.fill(cx, desk)
    }

    fn drained(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.fill(cx, desk)
    }

    fn timeout(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.armed = None;
        let (conn, now) = (cx.id(), cx.now());
        let (relay, store) = desk.herd();
        if relay.on_timer(conn, store, now, cx.transport().out())? {
            let view = relay.view(conn, store, now);
            desk.note(cx, conn, view);
        }
        self.fill(cx, desk)
    }

    fn lost(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, reason: Lost) {
        let (conn, dialled) = (cx.id(), self.dialled.as_deref());
        if desk.herd().0.is_up(conn) {
            log::info!("link to {} lost: {reason}", self.peer_name);
        }
        desk.link_lost(cx, conn, dialled);
    }
}
