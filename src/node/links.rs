//! The node's side of its peer links: their bounds, and what it does about what they tell it.

use super::{Node, audits};
use crate::config::Config;
use crate::herd::{
    Admission, BlobSettings, Fork, Identity, LinkSettings, LinkView, Relay, RelaySettings,
    Standing, Unwelcome,
};
use crate::reactor::{ConnId, Ctx};
use crate::serve::peer::HerdDesk;
use crate::store::Store;
use crate::update::{Epoch, Seal, Statement, Word};

/// What a lone peer says to be over counts as had once nobody else was there for so many times the
/// silence after which a link ends.
const ALONE_SILENCES: u64 = 2;

impl Node {
    /// The bounds of this node's links.
    pub(super) fn relay_settings(config: &Config) -> RelaySettings {
        let limits = &config.limits;
        RelaySettings {
            verify: Seal::verify,
            link: LinkSettings {
                window_bytes: limits.peer_window_bytes as u64,
                heartbeat_ms: limits.heartbeat_ms,
                silence_ms: limits.peer_silence_ms,
                digest_ms: limits.digest_ms,
            },
            alone_ms: ALONE_SILENCES * limits.peer_silence_ms,
            catches_up: config.catch_up,
            gate_bytes: limits.gate_bytes,
            blobs: BlobSettings::default(),
            audits: audits::settings(limits),
            ring_bytes: limits.ring_bytes,
            origin_updates_per_s: limits.origin_updates_per_s,
            calm_updates_per_s: limits.calm_updates_per_s,
            calm_bytes_per_s: limits.calm_bytes_per_s,
        }
    }
}

impl HerdDesk for Node {
    fn identity(&self) -> &Identity {
        self.roll.me()
    }

    fn herd(&mut self) -> (&mut Relay<ConnId>, &Store) {
        (&mut self.relay, &self.store)
    }

    fn may_greet(
        &self,
        cx: &mut Ctx<'_, Self>,
        conn: ConnId,
        dialled: Option<&str>,
    ) -> Result<(), Unwelcome> {
        if let Some(name) = dialled {
            return self.judge(cx, conn, name);
        }
        // It has said no name yet: any that its key may go by.
        let key = cx.transport_of(conn).peer_key();
        let named = key.and_then(|key| match self.charter.standing(&key) {
            Standing::Member(name) => Some(name),
            _ => self.herd_peers().find(|peer| peer.key == Some(key)).map(|peer| &peer.name[..]),
        });
        // No node has the empty name.
        self.judge(cx, conn, named.unwrap_or_default())
    }

    fn admit(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        conn: ConnId,
        peer: &Identity,
        dialled: bool,
    ) -> Admission<ConnId> {
        if let Err(why) = self.judge(cx, conn, &peer.name) {
            return Admission::Unwelcome(why);
        }
        let key = cx.transport_of(conn).peer_key();
        let admission = self.roll.admit(conn, &Identity { key, ..peer.clone() }, dialled);
        if let Admission::Replaces(older) = admission {
            cx.transport_of(older).close();
        }
        admission
    }

    fn arrived(&mut self, cx: &mut Ctx<'_, Self>) {
        self.take_steps(cx);
    }

    fn duplicate(&mut self) {
        self.figures.duplicates += 1;
    }

    fn flooded(&mut self, updates: u64) {
        self.figures.flooded += updates;
    }

    fn amnesia(&mut self, cx: &mut Ctx<'_, Self>) {
        let own = self.store.epoch();
        if self.epoch_of_run == Some(own) {
            // Nobody can hold more of an epoch that began in this run. Should the peer prove it,
            // that is another matter.
            return log::error!(
                "a peer claims to hold updates of epoch {own} that were never made"
            );
        }
        log::error!(
            "a peer says it holds updates of this node's epoch {own} that its log does not: the \
             log lost its end"
        );
        self.begin_epoch(cx);
    }

    fn passed(&mut self, cx: &mut Ctx<'_, Self>) {
        self.take_passed(cx);
    }

    fn goes_on_under(&mut self, conn: ConnId, epoch: Epoch) {
        self.roll.goes_on_under(conn, epoch);
    }

    fn forked(&mut self, cx: &mut Ctx<'_, Self>, fork: &Fork) {
        let (dot, origin) = (fork.dot, fork.update.origin());
        let is_known = self.store.forked(dot.epoch);
        let fork = &self.without_withdrawn(fork);
        if !self.store.append_exhibit(&fork.update, &fork.seal) {
            return;
        }
        if let Some((beside, seal)) = &fork.beside {
            self.store.append_exhibit(&beside.erase(), seal);
        }
        let level = if is_known { log::Level::Info } else { log::Level::Error };
        log::log!(
            level,
            "{origin} published two updates as {dot}: both are kept, and its epoch is taken from \
             its links no longer. One of them is {}",
            fork.update.cid()
        );
        if let Err(error) = self.relay.expose(fork, &self.store) {
            log::error!("the archive can't be read: {error}");
        }
        if dot.epoch == self.store.epoch() {
            self.begin_epoch(cx);
        }
        self.commit_later(cx, false);
        self.wake_links(cx);
    }

    fn inquired(&mut self, cx: &mut Ctx<'_, Self>, number: u64, about: &[u8]) {
        self.inquired_of(cx, number, about);
    }

    fn told(&mut self, cx: &mut Ctx<'_, Self>, conn: ConnId, said: Statement) {
        self.heard_told(cx, conn, said);
    }

    fn heard_held(&mut self, cx: &mut Ctx<'_, Self>, conn: ConnId, urgent: bool, word: Word) {
        self.note_held(cx, conn, urgent, word);
    }

    fn note(&mut self, cx: &mut Ctx<'_, Self>, conn: ConnId, view: LinkView) {
        let is_first = !self.roll.is_healthy(conn);
        self.roll.note(conn, view, cx.now(), cx.wall_ns() / 1_000_000);
        if is_first {
            self.tell_all_held(conn);
        }
        self.take_passed(cx);
    }

    fn attend_link(&mut self, conn: ConnId) {
        self.audience.add_link(conn);
    }

    fn wake_links(&mut self, cx: &mut Ctx<'_, Self>) {
        for link in self.relay.take_wake() {
            cx.transport_of(link).notify();
        }
        self.go_on_auditing(cx);
    }

    fn link_lost(&mut self, cx: &mut Ctx<'_, Self>, conn: ConnId, dialled: Option<&str>) {
        self.relay.lost(conn, &self.store, cx.now());
        self.wake_links(cx);
        self.audience.remove(conn);
        let peer = self.roll.name_of(conn).map(str::to_owned);
        let was_healthy = self.roll.is_healthy(conn);
        self.roll.lost(conn);
        if let Some(name) = peer.as_deref().or(dialled) {
            self.redial(cx, name, (dialled.is_some(), was_healthy));
        }
    }
}
