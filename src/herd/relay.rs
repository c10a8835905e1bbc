//! A node as a relay: all its links, what is new for them, what is asked for of whom, and what
//! waits for its turn. Inputs in, outputs out: no socket, no clock; the archive is its caller's.
//!
//! Order of calls, by link: [`Relay::greet`] once; [`Relay::on_frame`] for each frame;
//! [`Relay::accept`] once the hello was found good; [`Relay::fill`] whenever there may be something
//! to send: after frames, when the link is in [`Relay::take_wake`], when there is room in the
//! out-buffer; [`Relay::on_timer`] at [`Relay::due`]; [`Relay::lost`] once. After an error the link
//! is to be closed. When an arrival says that there may be something ready, and when the archive
//! takes updates again: [`Relay::next_step`] until there is none, each step done before the next.

use super::LinkError;
use super::audits::Audits;
use super::blobs::Blobs;
use super::gate::{Gate, Next};
use super::inbound::EXHIBITS_MAX;
use super::inquiries::Inquiries;
use super::lead::Lead;
use super::link::{Fork, Link, LinkSettings, LinkView};
use super::meter::{Load, Rates};
use super::outflow::{Outward, PUSH_BYTES_MAX};
use super::pulls::Pulls;
use super::ring::{Fresh, Ring, is_urgent};
use super::words::Voice;
use super::{Archive, AuditorSettings, BlobSettings, Identity, Sealed};
use crate::base::{OutBuf, Rng, Tick};
use crate::proto::peer::AskPieces;
use crate::store::StoreError;
use crate::update::{Dot, Epoch, Seal, SigningKey, Span, Update, Vector, Word};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// To how many links a backlog is sent at a time.
const SYNCS_OUT_MAX: usize = 2;
/// A peer that takes nothing for so long gives its turn to another.
const SYNC_STALL_MS: u64 = 500;
/// So many updates of ours are shown when an epoch turns out to be forked.
const OWN_SHOWN_MAX: usize = 24;
/// Withdrawals and acts (on the charter, on accounts) that an origin may flood a second, beside all
/// else.
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
    /// For so long a lone peer is not believed that something is over.
    pub alone_ms: u64,
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
    /// Write this one again, under this verified seal: the log lost it.
    Restore(Update, Arc<Sealed>),
    /// Count these as had: retention dropped them elsewhere.
    Pass(Vector),
    /// A verified update of our own epoch is not in our log: the log lost its end. Begin an epoch.
    Amnesia,
    /// Two updates bear one name: keep the exhibit, and call [`Relay::expose`].
    Fork(Box<Fork>),
}

/// Updates with the verified seals that cover them.
pub(super) type Restored = BTreeMap<Dot, (Update, Arc<Sealed>)>;

/// A node's links and what they have in common. `L` names a link, as its caller likes.
#[derive(Debug)]
pub struct Relay<L> {
    pub(super) me: Identity,
    voice: Voice,
    pub(super) settings: RelaySettings,
    pub(super) links: BTreeMap<L, Link>,
    pub(super) ring: Ring,
    pub(super) gate: Gate<L>,
    pub(super) pulls: Pulls<L>,
    pub(super) lead: Lead<L>,
    pub(super) blobs: Blobs<L>,
    pub(super) audits: Audits<L>,
    pub(super) inquiries: Inquiries<L>,
    load: Load,
    rates: Rates,
    urgent_rates: Rates,
    /// Epochs in which two updates bear one name.
    pub(super) flagged: BTreeSet<Epoch>,
    /// By epoch, the last seal that was given out.
    given: BTreeMap<Epoch, Arc<Sealed>>,
    /// Verified, and to be written again: the log lost them.
    pub(super) restored: Restored,
    /// What follows upon the seal that was given out.
    then: Option<Update>,
    /// The link that brought the update that was given out last.
    source: Option<L>,
    /// Who is being sent a backlog, and when that last moved.
    syncing: BTreeMap<L, Tick>,
    pub(super) wake: BTreeSet<L>,
    pub(super) rng: Rng,
    /// The archive takes nothing now.
    pub(super) is_held_back: bool,
    /// Counts what has come into the archive.
    pub(super) changes: u64,
    /// The key of this node, for seals of what it published.
    signer: SigningKey,
    /// When a second link was last seen to end.
    pub(super) alone_since: Tick,
}

impl<L: Copy + Ord> Relay<L> {
    /// A relay without links. `key` signs what the node says of its disk; `seed` draws what is
    /// left to chance.
    pub fn new(me: Identity, key: SigningKey, settings: RelaySettings, seed: u64) -> Self {
        Self {
            me,
            voice: Voice::new(key.clone()),
            settings,
            links: BTreeMap::new(),
            ring: Ring::new(settings.ring_bytes),
            gate: Gate::new(settings.gate_bytes),
            pulls: Pulls::new(),
            lead: Lead::new(),
            signer: key,
            blobs: Blobs::new(settings.blobs),
            audits: Audits::new(settings.audits),
            inquiries: Inquiries::new(),
            load: Load::new(settings.calm_updates_per_s, settings.calm_bytes_per_s),
            rates: Rates::new(settings.origin_updates_per_s),
            urgent_rates: Rates::new(URGENT_PER_S),
            flagged: BTreeSet::new(),
            given: BTreeMap::new(),
            restored: Restored::default(),
            then: None,
            source: None,
            syncing: BTreeMap::new(),
            wake: BTreeSet::new(),
            rng: Rng::new(seed),
            is_held_back: false,
            changes: 0,
            alone_since: 0,
        }
    }

    /// The log began a new epoch while the node ran.
    pub fn set_epoch(&mut self, epoch: Epoch) {
        self.me.epoch = epoch;
        for (name, link) in &mut self.links {
            link.new_epoch = Some(epoch);
            self.wake.insert(*name);
        }
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
        let wants = self.want_lead(link, archive, moment.0);
        let greeted = Link::greet(self.settings.link, (&self.me, wants), archive, moment, out)?;
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
        if accepted.is_up() {
            self.lead.take(link);
        }
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
    /// of its name, or the one before it, or what is kept beside it.
    pub(super) fn show<A: Archive>(
        &mut self,
        link: L,
        archive: &A,
        epoch: Epoch,
    ) -> Result<(), LinkError> {
        let Some(link) = self.links.get_mut(&link) else { return Ok(()) };
        // They are read from the log: not for a link that takes no more of them.
        if link.exhibits.len() >= EXHIBITS_MAX {
            return Ok(());
        }
        let mut shown = BTreeSet::new();
        let mut exhibits = archive.exhibits_of(epoch)?;
        exhibits.sort_unstable_by_key(|(update, _)| (update.dot(), update.cid()));
        for (update, seal) in exhibits {
            if link.exhibits.len() >= EXHIBITS_MAX {
                break;
            }
            let dot = update.dot();
            for seq in dot.seq.saturating_sub(1).max(1)..=dot.seq {
                let dot = Dot { seq, ..dot };
                if !shown.insert(seq) {
                    continue;
                }
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
        if room > 0 && !filled.talk.is_empty() {
            filled.talk.write(full, out);
            if !filled.talk.is_empty() {
                self.wake.insert(link);
            }
        }
        self.put_asks(link, now, out);
        if is_piece_next {
            self.put_pieces(link, archive, full, out)?;
        }
        let Some(filled) = self.links.get_mut(&link) else { return Ok(0) };
        let signer = Some(&self.signer);
        let from = Outward { archive, ring: &self.ring, signer, now, is_calm, may_sync };
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
        let offers = self.links.get(&link)?.outflow.due();
        self.wait_ends(link).into_iter().chain(offers).min()
    }

    /// When this node stops to wait for something on a link, or the next heartbeat is due.
    pub fn wait_ends(&self, link: L) -> Option<Tick> {
        let timed = self.links.get(&link)?;
        let waits = [self.pulls.due(link), self.blobs.due()];
        waits.into_iter().flatten().chain([timed.due()]).min()
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
        let is_beat = self.links.get(&link).is_some_and(|link| link.due() <= now);
        if is_beat {
            self.say_held(archive, false);
        }
        let Some(timed) = self.links.get_mut(&link) else { return Ok(false) };
        if timed.is_up() && !std::mem::replace(&mut timed.is_told, true) {
            self.voice.words.iter().for_each(|word| timed.gossip(false, word));
        }
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
            link.yields.keep(Some(*name) == best);
        }
    }

    /// A link is gone. What was asked of it is asked of others.
    pub fn lost<A: Archive>(&mut self, link: L, archive: &A, now: Tick) {
        let Some(gone) = self.links.remove(&link) else { return };
        self.lead.lost(link, gone.is_up(), now);
        if self.links.values().any(Link::is_up) {
            self.alone_since = now;
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
        if let Some((_, (update, sealed))) = self.restored.pop_first() {
            return Some(Step::Restore(update, sealed));
        }
        let (update, sealed, from) = match self.gate.next(archive) {
            Some(Next::Update(update, sealed, from)) => (update, sealed, from),
            Some(Next::Passed(span)) => return Some(self.pass(span)),
            None => {
                self.drop_what_is_too_much(archive);
                // What comes next is known only now, and in a crowd nothing else is asked for.
                self.plan(archive, now);
                return None;
            }
        };
        let dot = update.dot();
        if dot.epoch == archive.next_own().epoch {
            self.gate.put(update, sealed, from);
            return Some(Step::Amnesia);
        }
        let before = archive.tip(dot.epoch).filter(|_| dot.seq > 1);
        let follows = before.is_none_or(|tip| tip == update.previous());
        if !follows && !archive.is_forked(dot.epoch) && self.flagged.insert(dot.epoch) {
            let seal = sealed.seal.clone();
            self.gate.put(update.clone(), sealed, from);
            let dot = Dot { seq: dot.seq - 1, ..dot };
            let beside = sealed_at(dot, archive).unwrap_or_else(|error| {
                log::error!("what {dot} was can't be read: {error}");
                None
            });
            return Some(Step::Fork(Box::new(Fork { dot, update, seal, beside })));
        }
        self.spread(&update, &sealed, now);
        self.source = Some(from);
        if self.given.get(&dot.epoch).is_some_and(|given| given.covers(&update)) {
            return Some(Step::Append(update));
        }
        self.given.insert(dot.epoch, Arc::clone(&sealed));
        self.then = Some(update);
        Some(Step::Seal(sealed))
    }

    /// The link that brought the update of the last [`Step::Append`].
    pub fn source(&self) -> Option<L> {
        self.source
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

    /// Two updates bear one name: every peer is shown both, once. At the first of an epoch they are
    /// shown what this node has behind it, too, since all of that may bear the names of others:
    /// so every node comes to have both, beside each other.
    pub fn expose<A: Archive>(&mut self, fork: &Fork, archive: &A) -> Result<(), StoreError> {
        self.flagged.insert(fork.dot.epoch);
        let mut shown = vec![exhibit(fork.update.clone(), fork.seal.clone())];
        let its = 1 + usize::from(fork.beside.is_some());
        let is_first = archive.exhibits_of(fork.dot.epoch)?.len() <= its;
        if let Some((beside, seal)) = &fork.beside
            && archive.get(beside.dot())?.is_none()
        {
            shown.push(exhibit(beside.clone(), seal.clone()));
        }
        let count = if is_first { OWN_SHOWN_MAX } else { 1 };
        for seq in (fork.dot.seq..).take(count) {
            let dot = Dot { seq, ..fork.dot };
            if let Some(ours) = sealed_at(dot, archive)? {
                shown.push(exhibit(ours.0, ours.1));
            }
        }
        for (name, link) in self.links.iter_mut().filter(|(_, link)| link.is_up()) {
            let room = EXHIBITS_MAX.saturating_sub(link.exhibits.len());
            link.exhibits.extend(shown.iter().take(room).cloned());
            self.wake.insert(*name);
        }
        Ok(())
    }

    /// Says to all what came to this node's disk since it said so last: at once when someone waits
    /// for it, else with each link's next heartbeat.
    pub fn say_held<A: Archive>(&mut self, archive: &A, urgent: bool) {
        for word in self.voice.say(&self.me.name, archive.held()) {
            self.gossip(None, urgent, &word);
        }
    }

    /// Passes on what a node says to have on disk, to all links but the one it came from: at once
    /// when someone waits for it.
    pub fn gossip(&mut self, from: Option<L>, urgent: bool, word: &Arc<Word>) {
        for (name, link) in &mut self.links {
            if Some(*name) == from || !link.is_up() {
                continue;
            }
            if link.peer.as_ref().is_some_and(|peer| peer.name == word.node) {
                continue;
            }
            link.gossip(urgent, word);
            if urgent {
                self.wake.insert(*name);
            }
        }
    }

    /// Passes it on to one link, before long.
    pub fn gossip_to(&mut self, link: L, word: &Arc<Word>) {
        if let Some(link) = self.links.get_mut(&link).filter(|link| link.is_up()) {
            link.gossip(false, word);
        }
    }

    /// True when one more word that came on this link may be verified now.
    pub fn may_verify_word(&mut self, link: L, now: Tick) -> bool {
        self.links.get_mut(&link).is_some_and(|link| link.verify_budget.take(now))
    }

    /// True when one more answer that came on this link may be verified now.
    pub fn may_verify_answer(&mut self, link: L, now: Tick) -> bool {
        self.links.get_mut(&link).is_some_and(|link| link.answer_budget.take(now))
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
        let held = self.links.values().flat_map(|link| link.hold.values()).map(|(held, _)| held);
        let restored = self.restored.values().map(|(restored, _)| restored);
        let bytes = |update: &Update| update.raw().len();
        self.gate.bytes() + self.blobs.bytes() + held.chain(restored).map(bytes).sum::<usize>()
    }
}

/// Large ones are shown without their payload: their id is proof enough.
pub(super) fn exhibit(update: Update, seal: Seal) -> Arc<(Update, Seal)> {
    let is_large = update.raw().len() > PUSH_BYTES_MAX;
    Arc::new((if is_large { update.erase() } else { update }, seal))
}

/// An update of the archive, with its seal.
fn sealed_at<A: Archive>(dot: Dot, archive: &A) -> Result<Option<(Update, Seal)>, StoreError> {
    let (update, seal) = (archive.get(dot)?, archive.seal_of(dot)?);
    Ok(update.zip(seal))
}
