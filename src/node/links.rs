//! The node's side of its peer links: whom to dial and when, and what to do with what comes.

use super::{Node, audits};
use crate::base::ClientEndpoint;
use crate::config::{Config, Peer as ConfiguredPeer, PeerKind};
use crate::herd::{
    Admission, Backoff, BlobSettings, Caller, Fork, Identity, LinkSettings, LinkView, Relay,
    RelaySettings, Sealed, Standing, Step, Unwelcome, welcome,
};
use crate::reactor::{Class, ConnId, ConnectError, ConnectOptions, Ctx, Factory, Peer, Protocol};
use crate::serve::peer::{HerdDesk, PeerConnection};
use crate::store::{Apply, Birth, Store, StoreError, Unsealed};
use crate::update::{Dot, Epoch, PublicKey, Seal, Update, Word};
use std::sync::Arc;

/// The first dials of a herd that starts at once are spread over this time.
const FIRST_DIAL_MS: u64 = 100;
/// A dial of which nothing was heard for so much longer than it may take has come to nothing.
const DIAL_LOST_MS: u64 = 1_000;

/// Dials one configured peer whenever no link to it stands.
#[derive(Debug)]
pub(super) struct Dialler {
    name: String,
    endpoint: ClientEndpoint,
    backoff: Backoff,
    /// A dial, or the wait before it, is under way, or the link that came of it stands.
    is_busy: bool,
    /// Counts the dials.
    attempt: u64,
    /// This one came to a connection, whose end will be told.
    is_made: bool,
    /// What was last said in the log, so that a dead peer is not news every second.
    said: Option<ConnectError>,
}

impl Dialler {
    /// One for each configured peer of the herd that is not only expected.
    pub(super) fn of(config: &Config) -> Vec<Self> {
        let herd = config.peers.iter().filter(|peer| peer.kind == PeerKind::Herd);
        herd.filter_map(|peer| {
            Some(Self {
                name: peer.name.clone(),
                endpoint: peer.endpoint.clone()?,
                backoff: Backoff::new(config.limits.redial_min_ms, config.limits.redial_max_ms),
                is_busy: false,
                attempt: 0,
                is_made: false,
                said: None,
            })
        })
        .collect()
    }

    /// The peer's name, while nothing is under way to reach it.
    pub(super) fn name_if_idle(&self) -> Option<&str> {
        (!self.is_busy).then_some(&self.name[..])
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
        dialler.is_made = true;
        Some(Box::new(PeerConnection::new(Some(dialler.name.clone()))))
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
        dialler.attempt += 1;
        dialler.is_made = false;
        let attempt = dialler.attempt;
        let timeout_ms = dialler.endpoint.timeout_ms().unwrap_or(self.config.limits.connect_ms);
        let secure = Some(self.tls_client.clone());
        let options =
            ConnectOptions { class: Class::Peer, timeout_ms, secure, ..ConnectOptions::default() };
        cx.connect(&dialler.endpoint, options, Dial { index });
        cx.call_later(timeout_ms + DIAL_LOST_MS, move |cx, node| {
            let dialler = &node.diallers[index];
            if dialler.is_busy && dialler.attempt == attempt && !dialler.is_made {
                log::error!("the dial to {} was lost: trying on", dialler.name);
                node.dial_again(cx, index);
            }
        });
    }

    fn dial_again(&mut self, cx: &mut Ctx<'_, Self>, index: usize) {
        let wait_ms = self.diallers[index].backoff.fail(cx.rng());
        self.diallers[index].is_busy = true;
        // The dial is over, whatever may still be told of it.
        self.diallers[index].attempt += 1;
        cx.call_later(wait_ms, move |cx, node| node.dial(cx, index));
    }

    /// From now on seals are signed, and seals and words verified, in this way: for a process that
    /// runs many nodes, each of which would verify what another one just signed.
    pub fn seal_by(
        &mut self,
        sign: super::SignSeal,
        seals: fn(&Seal) -> bool,
        words: fn(&Word) -> bool,
    ) {
        self.sign = sign;
        self.relay.verify_by(seals);
        self.verify_word = words;
    }

    /// Seals all own updates that are not; says how many seals that took.
    pub(super) fn seal_all(&mut self) -> usize {
        let Self { store, key, sign, .. } = self;
        store.seal_by(|salt, from, cids| sign(key, salt, from, cids))
    }

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

    /// Seals an update that was shown from memory, together with others of this turn, and hands it
    /// to the links. While there is no link it waits for the seal of the next batch; unless there
    /// are readers: each would go to the disk for a seal that comes behind what it has read.
    pub(super) fn flood_early(&mut self, cx: &mut Ctx<'_, Self>, update: Update) {
        let is_heard = self.relay.has_links() || self.audience.readers() > 0;
        if is_heard && !self.is_flooding {
            self.is_flooding = true;
            cx.call_later(0, |cx, node| {
                node.is_flooding = false;
                node.flood_what_is_early(cx);
            });
        }
        self.early.push(update);
    }

    /// Hands on what was shown from memory since the last time.
    pub(super) fn flood_what_is_early(&mut self, cx: &mut Ctx<'_, Self>) {
        let early = std::mem::take(&mut self.early);
        if !early.is_empty() {
            self.flood(cx, &early);
        }
    }

    /// Seals own updates that may be seen. Those that may yet be refused are left out: their names
    /// may be given to others.
    fn seal_visible(&mut self) {
        while let Some(Unsealed { birth, from, mut cids }) = self.store.unsealed() {
            let may_be_seen = |seq| self.store.contains(Dot { epoch: birth.epoch, seq });
            let visible = (from..).zip(&cids).take_while(|(seq, _)| may_be_seen(*seq)).count();
            if visible == 0 {
                return;
            }
            cids.truncate(visible);
            let seal = (self.sign)(&self.key, birth.salt, from, cids);
            if let Err(error) = self.store.append_seal(&seal) {
                return log::error!("updates can't be sealed: {error}");
            }
        }
    }

    /// Hands this node's own updates, which may be seen, to its links. A link that comes later
    /// finds them in the log.
    pub(super) fn flood(&mut self, cx: &mut Ctx<'_, Self>, updates: &[Update]) {
        self.seal_visible();
        if !self.relay.has_links() {
            return;
        }
        let mut sealed: Option<Arc<Sealed>> = None;
        for update in updates {
            if !sealed.as_ref().is_some_and(|sealed| sealed.covers(update)) {
                sealed = match self.store.seal_of(update.dot()) {
                    Ok(seal) => seal.map(|seal| Arc::new(Sealed::new(seal))),
                    Err(error) => {
                        log::error!("the seal of {} can't be read: {error}", update.dot());
                        None
                    }
                };
            }
            if let Some(sealed) = &sealed {
                self.relay.publish(update, sealed, cx.now());
            }
        }
        self.wake_links(cx);
    }

    /// Takes what is ready into the log, as long as the log takes anything.
    pub(super) fn take_steps(&mut self, cx: &mut Ctx<'_, Self>) {
        let mut any = false;
        loop {
            let is_full = self.is_full();
            self.relay.hold_back(is_full, &self.store, cx.now());
            if is_full {
                break;
            }
            let Some(step) = self.relay.next_step(&self.store, cx.now()) else { break };
            any = true;
            if let Err(error) = self.take_step(cx, step) {
                log::error!("the archive can't be read: {error}");
                break;
            }
        }
        if any {
            self.announce(cx);
            self.commit_later(cx, self.spread.is_awaited());
        }
        self.wake_links(cx);
    }

    fn take_step(&mut self, cx: &mut Ctx<'_, Self>, step: Step) -> Result<(), StoreError> {
        match step {
            Step::Seal(sealed) => self.store.append_seal(&sealed.seal)?,
            Step::Append(update) => {
                self.clock.observe(update.clock(), cx.wall_ns() / 1_000_000);
                self.figures.received += 1;
                self.store.append(&update, Apply::Now);
                self.spread.note_arrival(&update);
                self.index(&update);
            }
            Step::Restore(update, sealed) => self.restore(&update, &sealed.seal)?,
            Step::Pass(dots) => self.store.pass(&dots),
            Step::Amnesia => {
                log::error!(
                    "a peer holds updates of this node's epoch {} that its log does not: the log \
                     lost its end",
                    self.store.epoch()
                );
                self.begin_epoch(cx);
            }
            Step::Fork(fork) => self.forked(cx, &fork),
        }
        Ok(())
    }

    /// Goes on under a new epoch.
    fn begin_epoch(&mut self, cx: &mut Ctx<'_, Self>) {
        let birth = Birth::of(&self.key.public(), cx.rng().next_u64());
        log::warn!("this node goes on under a new epoch, {}", birth.epoch);
        // No number of the old one will be given again, whatever becomes of the batch.
        self.seal_all();
        self.store.begin_epoch(birth);
        self.roll.set_epoch(birth.epoch);
        self.relay.set_epoch(birth.epoch);
        self.epoch_of_run = Some(birth.epoch);
        self.commit_later(cx, true);
    }
}

impl Node {
    fn herd_peers(&self) -> impl Iterator<Item = &ConfiguredPeer> {
        self.config.peers.iter().filter(|peer| peer.kind == PeerKind::Herd)
    }

    /// True when this is the key of the node of this name, as far as this node can know: the
    /// charter's, else the configured one, else the one that it proved to own on a link of this
    /// node. A key of which neither says anything is nobody's.
    pub(super) fn is_key_of(&self, key: &PublicKey, name: &str) -> bool {
        match self.charter.standing(key) {
            Standing::Member(member) => member == name,
            Standing::Retired => false,
            Standing::Stranger if self.charter.members().any(|member| member == name) => false,
            Standing::Stranger | Standing::Unchartered => {
                self.configured_key(name).or_else(|| self.roll.key_of(name)) == Some(*key)
            }
        }
    }

    /// True for the key of this node and of the nodes of its herd, as far as it can know: those of
    /// the charter, else those configured, else those that were proved on links of this node.
    pub(super) fn is_of_herd(&self, key: &PublicKey) -> bool {
        if *key == self.key.public() {
            return true;
        }
        match self.charter.standing(key) {
            Standing::Member(_) => true,
            Standing::Retired => false,
            Standing::Stranger => self.herd_peers().any(|peer| peer.key == Some(*key)),
            Standing::Unchartered => {
                let is_configured = self.herd_peers().any(|peer| peer.key == Some(*key));
                let mut members = self.roll.members();
                is_configured || members.any(|(name, _)| self.is_key_of(key, name))
            }
        }
    }

    fn configured_key(&self, name: &str) -> Option<PublicKey> {
        self.herd_peers().filter(|peer| peer.name == name).find_map(|peer| peer.key)
    }

    /// Whether a peer that says this name may link.
    pub(super) fn judge(
        &self,
        cx: &mut Ctx<'_, Self>,
        conn: ConnId,
        name: &str,
    ) -> Result<(), Unwelcome> {
        let transport = cx.transport_of(conn);
        let (key, is_local) = (transport.peer_key(), transport.peer().is_local());
        let configured = self.configured_key(name);
        let standing = match &key {
            Some(key) => self.charter.standing(key),
            None => Standing::Unchartered,
        };
        welcome(Caller { name, key, is_local }, standing, configured)
    }
}

/// What a lone peer says to be over counts as had once nobody else was there for so many times the
/// silence after which a link ends.
const ALONE_SILENCES: u64 = 2;

impl Node {
    /// Counts as had what is over, as far as anyone but a liar may have said so.
    fn take_passed(&mut self, cx: &mut Ctx<'_, Self>) {
        let roll = &self.roll;
        let attested = |link, epoch| roll.attested_beside(link, epoch);
        if self.relay.take_passed(&self.store, cx.now(), attested) {
            self.take_steps(cx);
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
