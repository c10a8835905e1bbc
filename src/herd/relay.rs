//! A node as a relay: all its links, what is new for them, what is asked for of whom, and what
//! waits for its turn. Inputs in, outputs out: no socket, no clock; the archive is its caller's.
//!
//! Order of calls, by link: [`Relay::greet`] once; [`Relay::on_frame`] for each frame;
//! [`Relay::accept`] once the hello was found good; [`Relay::fill`] whenever there may be something
//! to send: after frames, when the link is in [`Relay::take_wake`], when there is room in the
//! out-buffer; [`Relay::on_timer`] at [`Relay::due`]; [`Relay::lost`] once. After an error the link
//! is to be closed. When an arrival says that there may be something ready, and when the archive
//! takes updates again: [`Relay::next_step`] until there is none, each step done before the next.

use super::audits::Audits;
use super::blobs::Blobs;
use super::gate::{Gate, Next};
use super::inbound::EXHIBITS_MAX;
use super::link::{Fork, Link, LinkError, LinkSettings, LinkView};
use super::meter::{Load, Rates};
use super::outflow::{Outward, PUSH_BYTES_MAX};
use super::pulls::Pulls;
use super::ring::{Fresh, Ring, is_urgent};
use super::{Archive, AuditorSettings, BlobSettings, Identity, Sealed};
use crate::base::{OutBuf, Rng, Tick};
use crate::proto::peer::AskPieces;
use crate::store::StoreError;
use crate::update::{Dot, Epoch, Seal, Span, Update, Vector};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// To how many links a backlog is sent at a time.
const SYNCS_OUT_MAX: usize = 2;
/// A peer that takes nothing for so long gives its turn to another.
const SYNC_STALL_MS: u64 = 500;
/// Withdrawals and acts of the charter that an origin may flood a second, beside all else.
const URGENT_PER_S: u64 = 100;

/// The bounds of a relay.
#[derive(Clone, Copy, Debug)]
pub struct RelaySettings {
    /// Those of each link.
    pub link: LinkSettings,
    /// Whether a seal's signature is its key's: [`Seal::verify`], but where many nodes share a
    /// process and need not verify the same bytes again.
    pub verify: fn(&Seal) -> bool,
    /// False for a node that counts as had what its peers have when a link comes up: it learns
    /// only what is new, as classic herds do.
    pub catches_up: bool,
    /// What may wait for the updates before it, in bytes.
    pub gate_bytes: usize,
    /// What is kept of what is new, for all links together, in bytes.
    pub ring_bytes: usize,
    /// What one origin may publish a second and have pushed on; more is offered.
    pub origin_updates_per_s: u64,
    /// Those of large payloads.
    pub blobs: BlobSettings,
    /// When to audit.
    pub audits: AuditorSettings,
    /// Up to so many new updates a second the node counts as calm,
    pub calm_updates_per_s: u64,
    /// and up to so many bytes of them.
    pub calm_bytes_per_s: u64,
}

/// What is to be done with the archive next.
#[derive(Debug)]
pub enum Step {
    /// Take down this verified seal: updates that it covers follow.
    Seal(Arc<Sealed>),
    /// Append this update: it is the next of its epoch.
    Append(Update),
    /// Count these as had: retention dropped them elsewhere.
    Pass(Vector),
    /// A verified update of our own epoch is not in our log: the log lost its end. Begin an epoch.
    Amnesia,
    /// Two updates bear one name: keep the exhibit, and call [`Relay::expose`].
    Fork(Box<Fork>),
}

/// A node's links and what they have in common. `L` names a link, as its caller likes.
#[derive(Debug)]
pub struct Relay<L> {
    pub(super) me: Identity,
    pub(super) settings: RelaySettings,
    pub(super) links: BTreeMap<L, Link>,
    pub(super) ring: Ring,
    pub(super) gate: Gate,
    pub(super) pulls: Pulls<L>,
    pub(super) blobs: Blobs<L>,
    pub(super) audits: Audits<L>,
    load: Load,
    rates: Rates,
    urgent_rates: Rates,
    /// Epochs in which two updates bear one name.
    pub(super) flagged: BTreeSet<Epoch>,
    /// By epoch, the last seal that was given out.
    given: BTreeMap<Epoch, Span>,
    /// What follows upon the seal that was given out.
    then: Option<Update>,
    /// Who is being sent a backlog, and when that last moved.
    syncing: BTreeMap<L, Tick>,
    pub(super) wake: BTreeSet<L>,
    pub(super) rng: Rng,
    /// The archive takes nothing now.
    pub(super) is_held_back: bool,
    /// Counts what has come into the archive.
    pub(super) changes: u64,
}

impl<L: Copy + Ord> Relay<L> {
    /// A relay without links. `seed` draws what is left to chance.
    pub fn new(me: Identity, settings: RelaySettings, seed: u64) -> Self {
        Self {
            me,
            settings,
            links: BTreeMap::new(),
            ring: Ring::new(settings.ring_bytes),
            gate: Gate::new(settings.gate_bytes),
            pulls: Pulls::new(),
            blobs: Blobs::new(settings.blobs),
            audits: Audits::new(settings.audits),
            load: Load::new(settings.calm_updates_per_s, settings.calm_bytes_per_s),
            rates: Rates::new(settings.origin_updates_per_s),
            urgent_rates: Rates::new(URGENT_PER_S),
            flagged: BTreeSet::new(),
            given: BTreeMap::new(),
            then: None,
            syncing: BTreeMap::new(),
            wake: BTreeSet::new(),
            rng: Rng::new(seed),
            is_held_back: false,
            changes: 0,
        }
    }

    /// The log began a new epoch while the node ran.
    pub fn set_epoch(&mut self, epoch: Epoch) {
        self.me.epoch = epoch;
    }

    /// Says hello on a connection that has come up. `moment` is the tick and the wall clock in
    /// milliseconds.
    pub fn greet<A: Archive>(
        &mut self,
        link: L,
        archive: &A,
        moment: (Tick, u64),
        out: &mut OutBuf,
    ) -> Result<(), LinkError> {
        self.audits.set_clock(moment);
        let greeted = Link::greet(self.settings.link, &self.me, archive, moment, out)?;
        self.links.insert(link, greeted);
        Ok(())
    }

    /// The peer's hello was found good: now it may hear what this node has.
    pub fn accept<A: Archive>(
        &mut self,
        link: L,
        archive: &A,
        now: Tick,
        out: &mut OutBuf,
    ) -> Result<(), LinkError> {
        let end = self.ring.end();
        let Some(accepted) = self.links.get_mut(&link) else { return Ok(()) };
        accepted.accept(archive, now, end, out)?;
        // It publishes under an epoch that two publish under: it is shown why it must not.
        if let Some(epoch) = accepted.peer.as_ref().map(|peer| peer.epoch)
            && archive.is_forked(epoch)
        {
            self.show(link, archive, epoch)?;
        }
        self.keep_one_eager();
        Ok(())
    }

    /// Queues all exhibits of an epoch for a link, each behind what it contradicts: our own update
    /// of its name, or the one before it.
    pub(super) fn show<A: Archive>(
        &mut self,
        link: L,
        archive: &A,
        epoch: Epoch,
    ) -> Result<(), LinkError> {
        let Some(link) = self.links.get_mut(&link) else { return Ok(()) };
        for (update, seal) in archive.exhibits_of(epoch)? {
            if link.exhibits.len() >= EXHIBITS_MAX {
                break;
            }
            let dot = update.dot();
            for seq in dot.seq.saturating_sub(1).max(1)..=dot.seq {
                let dot = Dot { seq, ..dot };
                if let Some(ours) = archive.get(dot)?
                    && let Some(seal) = archive.seal_of(dot)?
                {
                    link.exhibits.push_back(exhibit(ours, seal));
                }
            }
            link.exhibits.push_back(exhibit(update, seal));
        }
        Ok(())
    }

    /// Bytes came on a link, whether or not they make a frame.
    pub fn on_bytes(&mut self, link: L, now: Tick) {
        if let Some(link) = self.links.get_mut(&link) {
            link.on_bytes(now);
        }
    }

    /// Writes what is to be sent on a link, as far as the peer's credit and `room` bytes go, and
    /// gives it credit. Returns how many updates were sent.
    pub fn fill<A: Archive>(
        &mut self,
        link: L,
        archive: &A,
        now: Tick,
        room: usize,
        out: &mut OutBuf,
    ) -> Result<u64, LinkError> {
        let may_sync = self.may_sync(link, now);
        let is_calm = self.load.is_calm(now);
        let Some(filled) = self.links.get_mut(&link) else { return Ok(0) };
        if !self.is_held_back {
            filled.grant(false, out);
        }
        let is_piece_next = std::mem::replace(&mut filled.is_piece_next, false);
        let full = out.len() + room;
        self.put_asks(link, now, out);
        if is_piece_next {
            self.put_pieces(link, archive, full, out)?;
        }
        let Some(filled) = self.links.get_mut(&link) else { return Ok(0) };
        let from = Outward { archive, ring: &self.ring, now, is_calm, may_sync };
        let sent = filled.fill(&from, full.saturating_sub(out.len()), out)?;
        if let Some((dot, cid, pieces)) = filled.outflow.proven {
            if pieces == 1 {
                self.blobs.on_ask(link, &AskPieces { dot, cid, pieces: vec![0] })?;
            }
            self.wake.insert(link);
        }
        self.put_pieces(link, archive, full, out)?;
        if sent > 0
            && let Some(moved) = self.syncing.get_mut(&link)
        {
            *moved = now;
        }
        Ok(sent)
    }

    /// True when what a peer waits for may be sent now: few dots at once, a backlog in its turn.
    fn may_sync(&mut self, link: L, now: Tick) -> bool {
        let is_syncing = self.links.get(&link).is_some_and(|link| link.outflow.is_syncing());
        if !is_syncing {
            if self.syncing.remove(&link).is_some() {
                self.wake_a_waiting_sync();
            }
            return true;
        }
        if self.syncing.contains_key(&link) {
            return true;
        }
        if self.syncing.len() >= SYNCS_OUT_MAX {
            self.syncing.retain(|_, moved| now - *moved < SYNC_STALL_MS);
        }
        let may = self.syncing.len() < SYNCS_OUT_MAX;
        if may {
            self.syncing.insert(link, now);
        }
        may
    }

    /// One of those who wait for their turn, by lot.
    fn wake_a_waiting_sync(&mut self) {
        let waits = |(name, link): (&L, &Link)| {
            (link.outflow.is_syncing() && !self.syncing.contains_key(name)).then_some(*name)
        };
        let waiting: Vec<L> = self.links.iter().filter_map(waits).collect();
        if !waiting.is_empty() {
            let at = self.rng.below(waiting.len() as u64) as usize;
            self.wake.insert(waiting[at]);
        }
    }

    /// When [`Relay::on_timer`] is to be called for a link.
    pub fn due(&self, link: L) -> Option<Tick> {
        let timed = self.links.get(&link)?;
        let others = [timed.outflow.due(), self.pulls.due(link), self.blobs.due()];
        others.into_iter().flatten().chain([timed.due()]).min()
    }

    /// The heartbeat of a link, and what else is due; true when it was a heartbeat. [`Relay::fill`]
    /// comes after it.
    pub fn on_timer<A: Archive>(
        &mut self,
        link: L,
        archive: &A,
        now: Tick,
        out: &mut OutBuf,
    ) -> Result<bool, LinkError> {
        self.ask_others(archive, now);
        self.give_up_blobs(archive, now);
        let Some(timed) = self.links.get_mut(&link) else { return Ok(false) };
        let is_beat = timed.due() <= now;
        timed.beat(&self.me, archive, (now, !self.is_held_back), out)?;
        if is_beat {
            self.keep_one_eager();
            self.plan(archive, now);
            self.blobs.on_beat();
            self.audit_if_due(archive, now)?;
        }
        Ok(is_beat)
    }

    /// Of all links, the one whose pushes are most often new is eager whatever comes: one kept link
    /// costs one copy of each update at most.
    pub(super) fn keep_one_eager(&mut self) {
        let up = self.links.iter().filter(|(_, link)| link.is_up());
        let best = up.max_by_key(|(_, link)| link.yields.permille()).map(|(name, _)| *name);
        for (name, link) in &mut self.links {
            link.is_kept = Some(*name) == best;
        }
    }

    /// A link is gone. What was asked of it is asked of others.
    pub fn lost<A: Archive>(&mut self, link: L, archive: &A, now: Tick) {
        if self.links.remove(&link).is_none() {
            return;
        }
        self.pulls.forget(link);
        self.lose_blobs(link, archive, now);
        self.audits.lost(link, now);
        self.wake.remove(&link);
        if self.syncing.remove(&link).is_some() {
            self.wake_a_waiting_sync();
        }
        self.plan(archive, now);
    }

    /// Tells whether the archive takes updates now. While it does not, nothing is asked for and no
    /// credit is given; after it, [`Relay::next_step`] is to be called.
    pub fn hold_back<A: Archive>(&mut self, is_held_back: bool, archive: &A, now: Tick) {
        let was_held_back = std::mem::replace(&mut self.is_held_back, is_held_back);
        if is_held_back {
            self.drop_what_is_too_much(archive);
        }
        if was_held_back && !is_held_back {
            self.pulls.extend(now);
            self.plan(archive, now);
            self.wake.extend(self.links.keys());
        }
    }

    /// The links that have something to send: [`Relay::fill`] each of them.
    pub fn take_wake(&mut self) -> BTreeSet<L> {
        std::mem::take(&mut self.wake)
    }

    /// True when there is a link, up or not.
    pub fn has_links(&self) -> bool {
        !self.links.is_empty()
    }

    /// This node's own updates, which are in its log, sealed, and may be seen: they go out.
    pub fn publish(&mut self, update: &Update, sealed: &Arc<Sealed>, now: Tick) {
        self.spread(update, sealed, now);
    }

    /// An update came into the archive: it is new for the links.
    fn spread(&mut self, update: &Update, sealed: &Arc<Sealed>, now: Tick) {
        self.changes += 1;
        let (dot, bytes) = (update.dot(), update.raw().len());
        self.load.note(now, bytes);
        let is_within = if is_urgent(update) && self.urgent_rates.take(dot.epoch, now) {
            true
        } else {
            self.rates.take(dot.epoch, now)
        };
        let may_push = is_within && bytes <= PUSH_BYTES_MAX;
        let push = may_push.then(|| (update.clone(), Arc::clone(sealed)));
        self.ring.push(Fresh { dot, push });
        self.wake.extend(self.links.iter().filter(|(_, link)| link.is_up()).map(|(name, _)| *name));
    }

    /// What is to be done with the archive next. It must be done before the next call.
    pub fn next_step<A: Archive>(&mut self, archive: &A, now: Tick) -> Option<Step> {
        if let Some(update) = self.then.take() {
            return Some(Step::Append(update));
        }
        let (update, sealed) = match self.gate.next(archive) {
            Some(Next::Update(update, sealed)) => (update, sealed),
            Some(Next::Passed(span)) => return Some(self.pass(span)),
            None => {
                self.drop_what_is_too_much(archive);
                return None;
            }
        };
        let dot = update.dot();
        if dot.epoch == archive.next_own().epoch {
            self.gate.put(update, sealed);
            return Some(Step::Amnesia);
        }
        let before = archive.tip(dot.epoch).filter(|_| dot.seq > 1);
        let follows = before.is_none_or(|tip| tip == update.previous());
        if !follows && !archive.is_forked(dot.epoch) && self.flagged.insert(dot.epoch) {
            let seal = sealed.seal.clone();
            self.gate.put(update.clone(), sealed);
            let dot = Dot { seq: dot.seq - 1, ..dot };
            return Some(Step::Fork(Box::new(Fork { dot, update, seal })));
        }
        self.spread(&update, &sealed, now);
        let is_given = self.given.get(&dot.epoch).is_some_and(|span| {
            (span.from..=span.to).contains(&dot.seq) && sealed.seal.from == span.from
        });
        if is_given {
            return Some(Step::Append(update));
        }
        let to = sealed.seal.from + sealed.seal.cids.len() as u64 - 1;
        self.given.insert(dot.epoch, Span { epoch: dot.epoch, from: sealed.seal.from, to });
        self.then = Some(update);
        Some(Step::Seal(sealed))
    }

    fn pass(&mut self, span: Span) -> Step {
        self.changes += 1;
        for (name, link) in self.links.iter_mut().filter(|(_, link)| link.is_up()) {
            link.outflow.offer_span(span, &link.has);
            self.wake.insert(*name);
        }
        let mut passed = Vector::new();
        passed.insert_span(span);
        Step::Pass(passed)
    }

    /// Two updates bear one name: every peer is shown both, once.
    pub fn expose<A: Archive>(&mut self, fork: &Fork, archive: &A) -> Result<(), StoreError> {
        self.flagged.insert(fork.dot.epoch);
        let mut shown = vec![exhibit(fork.update.clone(), fork.seal.clone())];
        if let Some(ours) = archive.get(fork.dot)?
            && let Some(seal) = archive.seal_of(fork.dot)?
        {
            shown.push(exhibit(ours, seal));
        }
        for (name, link) in self.links.iter_mut().filter(|(_, link)| link.is_up()) {
            link.exhibits.extend(shown.iter().cloned());
            self.wake.insert(*name);
        }
        Ok(())
    }

    /// Passes on what a node has on disk, to all links but the one that said so. At once when
    /// someone waits for it; of this node itself, heartbeats say it anyway.
    pub fn gossip(&mut self, from: Option<L>, node: &str, urgent: bool, dots: &Vector) {
        for (name, link) in &mut self.links {
            if Some(*name) == from || !link.is_up() {
                continue;
            }
            if link.peer.as_ref().is_some_and(|peer| peer.name == node) {
                continue;
            }
            link.gossip(node, urgent, dots);
            if node == self.me.name {
                link.said_held(dots);
            }
            if urgent {
                self.wake.insert(*name);
            }
        }
    }

    /// Says to one link what a node has on disk, with its next heartbeat.
    pub fn gossip_to(&mut self, link: L, node: &str, dots: &Vector) {
        if let Some(link) = self.links.get_mut(&link).filter(|link| link.is_up()) {
            link.gossip(node, false, dots);
        }
    }

    /// True once updates flow on a link.
    pub fn is_up(&self, link: L) -> bool {
        self.links.get(&link).is_some_and(Link::is_up)
    }

    /// From now on seals are verified in this way ([`RelaySettings::verify`]).
    pub fn verify_by(&mut self, verify: fn(&Seal) -> bool) {
        self.settings.verify = verify;
    }

    /// The figures of a link.
    pub fn view<A: Archive>(&mut self, link: L, archive: &A, now: Tick) -> LinkView {
        let is_calm = self.load.is_calm(now);
        self.links.get(&link).map(|link| link.view(archive, is_calm)).unwrap_or_default()
    }

    /// What waits in memory for the updates before it, in bytes.
    pub fn waiting_bytes(&self) -> usize {
        let held = self.links.values().flat_map(|link| link.hold.values());
        self.gate.bytes()
            + self.blobs.bytes()
            + held.map(|(update, _)| update.raw().len()).sum::<usize>()
    }
}

/// Large ones are shown without their payload: their id is proof enough.
pub(super) fn exhibit(update: Update, seal: Seal) -> Arc<(Update, Seal)> {
    let is_large = update.raw().len() > PUSH_BYTES_MAX;
    Arc::new((if is_large { update.erase() } else { update }, seal))
}
