//! The node's side of its peer links: whom to dial and when, and what to do with what comes.

use super::Node;
use crate::base::ClientEndpoint;
use crate::config::{Config, PeerKind};
use crate::herd::{Admission, Backoff, Identity, LinkSettings, LinkView};
use crate::reactor::{Class, ConnId, ConnectError, ConnectOptions, Ctx, Factory, Peer, Protocol};
use crate::serve::peer::{HerdDesk, PeerConnection};
use crate::store::Apply;
use crate::update::{Epoch, Update};

/// The first dials of a herd that starts at once are spread over this time.
const FIRST_DIAL_MS: u64 = 100;

/// Dials one configured peer whenever no link to it stands.
#[derive(Debug)]
pub(super) struct Dialler {
    name: String,
    endpoint: ClientEndpoint,
    backoff: Backoff,
    /// A dial, or the wait before it, is under way.
    is_busy: bool,
    /// What was last said in the log, so that a dead peer is not news every second.
    said: Option<ConnectError>,
}

impl Dialler {
    /// One for each configured peer of the herd.
    pub(super) fn of(config: &Config) -> Vec<Self> {
        let herd = config.peers.iter().filter(|peer| peer.kind == PeerKind::Herd);
        herd.map(|peer| Self {
            name: peer.name.clone(),
            endpoint: peer.endpoint.clone(),
            backoff: Backoff::new(config.limits.redial_min_ms, config.limits.redial_max_ms),
            is_busy: false,
            said: None,
        })
        .collect()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Makes the link of one dial.
struct Dial {
    index: usize,
}

impl Factory<Node> for Dial {
    fn build(&mut self, _peer: &Peer, node: &mut Node) -> Option<Box<dyn Protocol<Node>>> {
        let dialler = &mut node.diallers[self.index];
        dialler.said = None;
        let name = dialler.name.clone();
        Some(Box::new(PeerConnection::new(node.link_settings(), Some(name))))
    }

    fn failed(&mut self, cx: &mut Ctx<'_, Node>, node: &mut Node, why: ConnectError) {
        let dialler = &mut node.diallers[self.index];
        if dialler.said.replace(why) != Some(why) {
            log::warn!("link to {} at {}: {why}; trying on", dialler.name, dialler.endpoint);
        }
        node.dial_again(cx, self.index);
    }
}

impl Node {
    /// Begins to dial every peer.
    pub(super) fn dial_all(&mut self, cx: &mut Ctx<'_, Self>) {
        for index in 0..self.diallers.len() {
            self.diallers[index].is_busy = true;
            let wait_ms = cx.rng().below(FIRST_DIAL_MS);
            cx.call_later(wait_ms, move |cx, node| node.dial(cx, index));
        }
    }

    fn dial(&mut self, cx: &mut Ctx<'_, Self>, index: usize) {
        let dialler = &mut self.diallers[index];
        if self.roll.is_linked(&dialler.name) || cx.draining() {
            dialler.is_busy = false;
            return;
        }
        let timeout_ms = dialler.endpoint.timeout_ms().unwrap_or(self.config.limits.connect_ms);
        let options =
            ConnectOptions { class: Class::Peer, timeout_ms, ..ConnectOptions::default() };
        cx.connect(&dialler.endpoint, options, Dial { index });
    }

    fn dial_again(&mut self, cx: &mut Ctx<'_, Self>, index: usize) {
        let wait_ms = self.diallers[index].backoff.fail(cx.rng());
        self.diallers[index].is_busy = true;
        cx.call_later(wait_ms, move |cx, node| node.dial(cx, index));
    }
}

impl HerdDesk for Node {
    fn identity(&self) -> &Identity {
        self.roll.me()
    }

    fn link_settings(&self) -> LinkSettings {
        LinkSettings {
            window_bytes: self.config.limits.peer_window_bytes as u64,
            heartbeat_ms: self.config.limits.heartbeat_ms,
            silence_ms: self.config.limits.peer_silence_ms,
        }
    }

    fn admit(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        conn: ConnId,
        peer: &Identity,
        dialled: bool,
    ) -> Admission<ConnId> {
        let admission = self.roll.admit(conn, peer, dialled);
        if let Admission::Replaces(older) = admission {
            cx.transport_of(older).close();
        }
        admission
    }

    fn arrived(&mut self, cx: &mut Ctx<'_, Self>, update: Update) {
        self.clock.observe(update.clock(), cx.wall_ns() / 1_000_000);
        self.figures.received += 1;
        self.store.append(&update, Apply::Now);
        self.index(&update);
        self.announce(cx);
        self.commit_later(cx, false);
    }

    fn duplicate(&mut self) {
        self.figures.duplicates += 1;
    }

    fn flooded(&mut self, updates: u64) {
        self.figures.flooded += updates;
    }

    fn amnesia(&mut self, cx: &mut Ctx<'_, Self>) {
        log::error!(
            "a peer holds updates of this node's epoch {} that its log does not: the log lost its \
             end, and this node goes on under a new epoch",
            self.store.epoch()
        );
        let fresh = Epoch(cx.rng().next_u64());
        self.store.begin_epoch(fresh);
        self.roll.set_epoch(fresh);
        self.commit_later(cx, true);
    }

    fn note(&mut self, cx: &mut Ctx<'_, Self>, conn: ConnId, view: LinkView) {
        self.roll.note(conn, view, cx.now(), cx.wall_ns() / 1_000_000);
    }

    fn is_overloaded(&self) -> bool {
        self.is_full()
    }

    fn attend_link(&mut self, conn: ConnId) {
        self.audience.add_link(conn);
    }

    fn link_lost(&mut self, cx: &mut Ctx<'_, Self>, conn: ConnId, dialled: Option<&str>) {
        self.audience.remove(conn);
        let peer = self.roll.name_of(conn).map(str::to_owned);
        let was_healthy = self.roll.is_healthy(conn);
        self.roll.lost(conn);
        let name = peer.as_deref().or(dialled);
        let Some(index) = self.diallers.iter().position(|d| Some(&d.name[..]) == name) else {
            return;
        };
        if was_healthy {
            self.diallers[index].backoff.reset();
        }
        let ours_ended = dialled.is_some();
        let is_linked = self.roll.is_linked(&self.diallers[index].name);
        if ours_ended {
            self.diallers[index].is_busy = false;
        }
        if !is_linked && !self.diallers[index].is_busy && !cx.draining() {
            self.dial_again(cx, index);
        }
    }
}
