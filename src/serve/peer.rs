//! Peer links: frames of `proto::peer` to a `herd::Link` and back. The link's rules are `herd`'s,
//! the roll and the archive are the node's.

use super::Desk;
use crate::base::InBuf;
use crate::herd::{Admission, Arrival, Identity, Link, LinkSettings, LinkView};
use crate::proto::peer::{Frame, PeerCodec, RefuseCode};
use crate::reactor::{Class, ConnId, Ctx, Lost, Outcome, Protocol};
use crate::update::Update;

/// Frames carry one update at most: its payload and its head.
const FRAME_BYTES_MAX: usize = crate::update::PAYLOAD_BYTES_MAX + 4096;
/// What a stranger may send before it said hello.
const GREETING_BYTES_MAX: usize = 4096;
/// How much is written ahead of the socket.
const ROOM_BYTES: usize = 64 << 10;

/// What links ask of the node, besides what every protocol asks.
pub trait HerdDesk: Desk {
    /// Who this node is.
    fn identity(&self) -> &Identity;

    /// The bounds of its links.
    fn link_settings(&self) -> LinkSettings;

    /// Judges a peer's hello, and closes the older link that this one replaces.
    fn admit(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        conn: ConnId,
        peer: &Identity,
        dialled: bool,
    ) -> Admission<ConnId>;

    /// Takes an update that was not known: into the log, to the readers, to the other links.
    fn arrived(&mut self, cx: &mut Ctx<'_, Self>, update: Update);

    /// Counts an update that was known.
    fn duplicate(&mut self);

    /// Counts updates that were handed on.
    fn flooded(&mut self, updates: u64);

    /// A peer holds an update of this node's own epoch that this node does not know.
    fn amnesia(&mut self, cx: &mut Ctx<'_, Self>);

    /// Takes down a link's figures.
    fn note(&mut self, cx: &mut Ctx<'_, Self>, conn: ConnId, view: LinkView);

    /// True while more waits for the disk than should: peers get no further credit.
    fn is_overloaded(&self) -> bool;

    /// Asks that the link be notified at once whenever there are new updates.
    fn attend_link(&mut self, conn: ConnId);

    /// A link is gone. `dialled` is the peer's configured name when this node dialled.
    fn link_lost(&mut self, cx: &mut Ctx<'_, Self>, conn: ConnId, dialled: Option<&str>);
}

/// One end of a peer link.
#[derive(Debug)]
pub struct PeerConnection {
    dialled: Option<String>,
    codec: PeerCodec,
    link: Link,
    peer_name: String,
}

impl PeerConnection {
    /// A link over a connection that this node accepted, or dialled under a configured name.
    pub fn new(settings: LinkSettings, dialled: Option<String>) -> Self {
        let peer_name = dialled.clone().unwrap_or_else(|| "a stranger".to_owned());
        let link = Link::new(settings);
        Self { dialled, codec: PeerCodec::new(GREETING_BYTES_MAX), link, peer_name }
    }

    fn on_arrival<D: HerdDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, arrival: Arrival) {
        match arrival {
            Arrival::Nothing => {}
            Arrival::Hello(peer) => self.on_hello(cx, desk, &peer),
            Arrival::Update(update) => desk.arrived(cx, update),
            Arrival::Duplicate => desk.duplicate(),
            Arrival::Amnesia(update) => {
                desk.amnesia(cx);
                if let Some(update) = update {
                    desk.arrived(cx, update);
                }
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
    }

    fn on_hello<D: HerdDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, peer: &Identity) {
        let expected = self.dialled.as_deref().unwrap_or(&peer.name);
        if expected != peer.name && peer.name != desk.identity().name {
            let text = format!("this link was dialled for {expected}, and {} answers", peer.name);
            return self.refuse(cx, RefuseCode::Unexpected, &text);
        }
        self.codec.allow(FRAME_BYTES_MAX);
        self.peer_name.clone_from(&peer.name);
        let dialled = self.dialled.is_some();
        let conn = cx.id();
        match desk.admit(cx, conn, peer, dialled) {
            Admission::Stands | Admission::Replaces(_) => {
                log::info!("link to {} at {}", peer.name, cx.transport().peer());
            }
            Admission::Duplicate => {
                self.refuse(cx, RefuseCode::Duplicate, "another link of these two nodes stands");
            }
            Admission::Itself => {
                let text = format!("node {} met itself: a peer's endpoint is its own", peer.name);
                self.refuse(cx, RefuseCode::Itself, &text);
            }
            Admission::Namesake => {
                let text = format!("two nodes have the name {}: names must differ", peer.name);
                self.refuse(cx, RefuseCode::NameTaken, &text);
            }
        }
    }

    fn refuse<D>(&mut self, cx: &mut Ctx<'_, D>, code: RefuseCode, text: &str) {
        if code != RefuseCode::Duplicate {
            log::error!("link to {} is refused: {text}", self.peer_name);
        }
        Frame::Refuse { code, text }.encode(cx.transport().out().tail());
        cx.transport().close();
    }

    fn fill<D: HerdDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        let mut transport = cx.transport();
        let room = ROOM_BYTES.saturating_sub(transport.buffered());
        if !desk.is_overloaded() {
            self.link.grant(transport.out());
        }
        let updates = self.link.fill(desk.store(), room, transport.out())?;
        desk.flooded(updates);
        Ok(())
    }
}

impl<D: HerdDesk> Protocol<D> for PeerConnection {
    fn made(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        let (now, wall_ms) = (cx.now(), cx.wall_ns() / 1_000_000);
        let heartbeat_ms = desk.link_settings().heartbeat_ms;
        let mut transport = cx.transport();
        transport.set_class(Class::Peer);
        transport.set_timeout(Some(heartbeat_ms));
        self.link.greet(desk.identity(), desk.store(), now, wall_ms, transport.out());
        desk.attend_link(cx.id());
        Ok(())
    }

    fn received(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        let now = cx.now();
        self.link.on_bytes(now);
        while cx.more() {
            let Some(frame) = self.codec.next(input)? else { break };
            let arrival = self.link.on_frame(frame, desk.store(), now, cx.transport().out())?;
            self.on_arrival(cx, desk, arrival);
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
        let now = cx.now();
        let heartbeat_ms = desk.link_settings().heartbeat_ms;
        let mut transport = cx.transport();
        self.link.tick(desk.store(), now, transport.out())?;
        transport.set_timeout(Some(heartbeat_ms));
        let view = self.link.view(desk.store());
        let conn = cx.id();
        desk.note(cx, conn, view);
        self.fill(cx, desk)
    }

    fn lost(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, reason: Lost) {
        let (conn, dialled) = (cx.id(), self.dialled.as_deref());
        if self.link.is_up() {
            log::info!("link to {} lost: {reason}", self.peer_name);
        }
        desk.link_lost(cx, conn, dialled);
    }
}
