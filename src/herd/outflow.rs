//! What a link sends: what is new, by its place in the ring; what the peer asks for; the seals of
//! both. Inside the peer's window of credit, in turn, so that neither waits for the end of the
//! other.

use super::LinkError;
use super::gate::Sealed;
use super::link::{Link, parts};
use super::pulls::{LIVE_DOTS, shared};
use super::ring::{Fresh, Ring};
use super::{Archive, prove};
use crate::base::{OutBuf, Tick};
use crate::proto::peer::{Frame, Manifest, VECTOR_RUNS_MAX, put_seal, put_update_head};
use crate::update::{Cid, Dot, Epoch, SEAL_UPDATES_MAX, Seal, SigningKey, Span, Update, Vector};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A larger payload is only offered.
pub(super) const PUSH_BYTES_MAX: usize = 16 * 1024;
/// A larger payload is pushed only where half of what is pushed is new, however calm the node.
const SMALL_BYTES_MAX: usize = 2 * 1024;
/// Offers wait so long for company.
const OFFER_MS: u64 = 5;
/// So many seals may wait for the rest of their updates while the peer takes more.
const OPEN_SEALS_MAX: usize = 64;

/// A seal over fewer updates is replaced by a wider one where this node can sign it.
const NARROW_MAX: usize = 16;
/// So many bytes of updates are put under a wider seal.
const WIDE_BYTES_MAX: usize = 256 * 1024;

/// A seal of which some updates were just sent.
#[derive(Debug)]
struct Open {
    sealed: Arc<Sealed>,
    sent: [bool; SEAL_UPDATES_MAX],
}

/// True for what goes in pieces.
pub(super) fn is_large(update: &Update) -> bool {
    update.raw().len() > PUSH_BYTES_MAX
}

/// What a link is to send, and has sent.
#[derive(Debug)]
pub(super) struct Outflow {
    pub(super) peer_window: u64,
    pub(super) sent_bytes: u64,
    pub(super) taken_bytes: u64,
    pub(super) sent_updates: u64,
    ring_at: u64,
    urgent_at: u64,
    /// What the peer was told that we have.
    told: Vector,
    /// What is to be offered.
    offers: Vector,
    offered_at: Option<Tick>,
    /// What the peer asked for.
    asked: Vector,
    /// Of that, what is over.
    passed: Vector,
    serving: Option<Arc<Sealed>>,
    open: BTreeMap<Epoch, Open>,
    is_old_next: bool,
    /// The update whose manifest was written in this call, and of how many pieces it is.
    pub(super) proven: Option<(Dot, Cid, usize)>,
}

impl Outflow {
    pub(super) fn new() -> Self {
        Self {
            peer_window: 0,
            sent_bytes: 0,
            taken_bytes: 0,
            sent_updates: 0,
            ring_at: 0,
            urgent_at: 0,
            told: Vector::new(),
            offers: Vector::new(),
            offered_at: None,
            asked: Vector::new(),
            passed: Vector::new(),
            serving: None,
            open: BTreeMap::new(),
            is_old_next: false,
            proven: None,
        }
    }

    /// The peer was told of all this, which is all before this place of the ring.
    pub(super) fn tell(&mut self, offered: &Vector, end: u64) {
        self.told = offered.clone();
        self.offers = Vector::new();
        (self.ring_at, self.urgent_at) = (end, end);
    }

    /// Offers what the peer neither has nor was told of.
    pub(super) fn offer_rest(&mut self, offered: &Vector, has: &Vector) {
        for span in offered.beyond(has) {
            for gap in self.told.gaps(span) {
                self.offers.insert_span(gap);
            }
        }
    }

    /// Offers a span of which the peer may have parts.
    pub(super) fn offer_span(&mut self, span: Span, has: &Vector) {
        has.gaps(span).into_iter().for_each(|gap| self.offers.insert_span(gap));
    }

    fn has_credit(&self) -> bool {
        self.sent_bytes - self.taken_bytes < self.peer_window
    }

    /// How many dots the peer waits for.
    pub(super) fn backlog(&self) -> u64 {
        self.asked.count()
    }

    /// True when the peer waits for so much that it has to wait for its turn.
    pub(super) fn is_syncing(&self) -> bool {
        self.backlog() > LIVE_DOTS
    }

    /// When offers that wait for company are to go.
    pub(super) fn due(&self) -> Option<Tick> {
        let due = self.offered_at.map_or(0, |at| at + OFFER_MS);
        (!self.offers.is_empty()).then_some(due)
    }

    fn put_offers(&mut self, has: &Vector, now: Tick, out: &mut OutBuf) {
        if self.due().is_none_or(|due| now < due) {
            return;
        }
        let mut offers = Vector::new();
        for span in std::mem::take(&mut self.offers).beyond(has) {
            offers.insert_span(span);
        }
        self.told.merge(&offers);
        for part in parts(&offers) {
            Frame::Offer(part).encode(out.tail());
            self.offered_at = Some(now);
        }
    }

    fn put_passed(&mut self, out: &mut OutBuf) {
        for part in parts(&std::mem::take(&mut self.passed)) {
            Frame::Passed(part).encode(out.tail());
        }
    }

    fn put_seals(&mut self, out: &mut OutBuf) {
        for open in std::mem::take(&mut self.open).into_values() {
            open.put(out);
        }
    }

    /// Writes the seals of which nothing more is about to be sent.
    fn put_finished_seals(&mut self, ring: &Ring, out: &mut OutBuf) {
        let next = ring.get(self.ring_at).and_then(|fresh| fresh.push.as_ref());
        let asked = &self.asked;
        let is_finished = |_: &Epoch, open: &mut Open| {
            let goes_on = next.is_some_and(|(_, sealed)| open.is_of(sealed));
            !goes_on && shared(asked, open.span()).is_empty()
        };
        for (_, open) in self.open.extract_if(.., is_finished) {
            open.put(out);
        }
    }

    /// Writes an update, and takes down that its seal is to follow.
    fn send(&mut self, update: &Update, sealed: &Arc<Sealed>, out: &mut OutBuf) {
        let epoch = sealed.epoch;
        if self.open.get(&epoch).is_some_and(|open| !open.is_of(sealed))
            && let Some(other) = self.open.remove(&epoch)
        {
            other.put(out);
        }
        put_update_head(out.tail(), update.raw().len());
        out.put_chunk(update.raw());
        self.sent_bytes += update.raw().len() as u64;
        self.sent_updates += 1;
        let fresh = || Open { sealed: Arc::clone(sealed), sent: [false; SEAL_UPDATES_MAX] };
        let open = self.open.entry(epoch).or_insert_with(fresh);
        open.sent[(update.dot().seq - open.sealed.seal.from) as usize] = true;
    }
}

impl Outflow {
    /// Writes the manifest of a large update. A lone piece follows, several are asked for.
    fn prove(&mut self, update: &Update, sealed: &Arc<Sealed>, out: &mut OutBuf) {
        let (stub, hashes) = prove(update);
        let manifest = Manifest { stub: stub.raw(), hashes: &hashes };
        Frame::Manifest { manifest, seal: sealed.seal.clone() }.encode(out.tail());
        self.sent_updates += 1;
        self.proven = Some((update.dot(), update.cid(), hashes.len()));
    }
}

impl Open {
    fn is_of(&self, sealed: &Arc<Sealed>) -> bool {
        let (ours, theirs) = (&self.sealed.seal, &sealed.seal);
        Arc::ptr_eq(&self.sealed, sealed)
            || (ours.from == theirs.from && ours.signature == theirs.signature)
    }

    fn span(&self) -> Span {
        let Sealed { epoch, seal } = &*self.sealed;
        let to = seal.from + seal.cids.len() as u64 - 1;
        Span { epoch: *epoch, from: seal.from, to }
    }

    fn put(&self, out: &mut OutBuf) {
        let from = self.sealed.seal.from;
        put_seal(out.tail(), &self.sealed.seal, |seq| self.sent[(seq - from) as usize]);
    }
}

/// What a link sends from.
#[derive(Debug)]
pub(super) struct Outward<'a, A> {
    pub(super) archive: &'a A,
    pub(super) ring: &'a Ring,
    /// The key of this node.
    pub(super) signer: Option<&'a SigningKey>,
    pub(super) now: Tick,
    pub(super) is_calm: bool,
    /// The peer may be sent the backlog that it asked for.
    pub(super) may_sync: bool,
}

impl Link {
    /// The peer asks for these.
    pub(super) fn on_pull<A: Archive>(
        &mut self,
        dots: &Vector,
        archive: &A,
    ) -> Result<(), LinkError> {
        let reserved = archive.reserved();
        let mut count = 0_u64;
        for span in dots.spans().flat_map(|span| shared(archive.seen(), span)) {
            for gap in reserved.gaps(span) {
                count = count.saturating_add(gap.count());
                self.outflow.asked.insert_span(gap);
            }
        }
        if self.outflow.asked.runs() > VECTOR_RUNS_MAX * 4 {
            return Err(LinkError::Unexpected("a request of so many runs"));
        }
        if count <= LIVE_DOTS {
            self.yields.asked(count);
        }
        Ok(())
    }

    /// Writes what is to be sent, as far as the peer's credit and `room` bytes go. Returns how many
    /// updates that were.
    pub(super) fn fill<A: Archive>(
        &mut self,
        from: &Outward<'_, A>,
        room: usize,
        out: &mut OutBuf,
    ) -> Result<u64, LinkError> {
        self.put_small(out);
        self.outflow.proven = None;
        let before = self.outflow.sent_updates;
        let full = out.len() + room;
        if !self.is_up() {
            self.put_lead(from, full, out)?;
            return Ok(self.outflow.sent_updates - before);
        }
        self.put_exhibits(full, out);
        self.put_urgent(from, full, out);
        while self.outflow.has_credit() && out.len() < full && self.step(from, out)? {}
        // While the peer takes more, seals wait for the rest of their updates.
        let goes_on = self.outflow.has_credit() && out.len() >= full;
        if goes_on && self.outflow.open.len() <= OPEN_SEALS_MAX {
            self.outflow.put_finished_seals(from.ring, out);
        } else {
            self.outflow.put_seals(out);
        }
        self.outflow.put_passed(out);
        self.outflow.put_offers(&self.has, from.now, out);
        Ok(self.outflow.sent_updates - before)
    }

    /// Writes what the peer wants before it said its state: it has heard ours.
    fn put_lead<A: Archive>(
        &mut self,
        from: &Outward<'_, A>,
        full: usize,
        out: &mut OutBuf,
    ) -> Result<(), LinkError> {
        while self.outflow.has_credit() && out.len() < full && self.send_asked(from, out)? {}
        self.outflow.put_seals(out);
        self.outflow.put_passed(out);
        Ok(())
    }

    fn put_exhibits(&mut self, full: usize, out: &mut OutBuf) {
        while out.len() < full
            && let Some(exhibit) = self.exhibits.pop_front()
        {
            let (update, seal) = &*exhibit;
            Frame::Exhibit { raw: update.raw(), seal: seal.clone() }.encode(out.tail());
        }
    }

    /// What overtakes others: as soon as the peer has what is before it of its own origin.
    fn put_urgent<A: Archive>(&mut self, from: &Outward<'_, A>, full: usize, out: &mut OutBuf) {
        let mut at = self.outflow.urgent_at.max(self.outflow.ring_at);
        while self.outflow.has_credit()
            && out.len() < full
            && let Some(place) = from.ring.urgent_from(at)
        {
            at = place + 1;
            let Some(Fresh { dot, push: Some((update, sealed)) }) = from.ring.get(place) else {
                continue;
            };
            if !self.has.contains(*dot) && self.knows_before(*dot) {
                self.outflow.send(update, sealed, out);
                self.has.insert(*dot);
                self.outflow.put_seals(out);
            }
        }
        self.outflow.urgent_at = at;
    }

    /// Sends one update; false when there is none.
    fn step<A: Archive>(
        &mut self,
        from: &Outward<'_, A>,
        out: &mut OutBuf,
    ) -> Result<bool, LinkError> {
        self.outflow.is_old_next = !self.outflow.is_old_next;
        let is_old_sent = self.outflow.is_old_next && self.send_asked(from, out)?;
        Ok(is_old_sent || self.send_new(from, out) || self.send_asked(from, out)?)
    }

    /// Sends the next that is new, and takes down what is only to be offered on the way to it.
    fn send_new<A: Archive>(&mut self, from: &Outward<'_, A>, out: &mut OutBuf) -> bool {
        if self.outflow.ring_at < from.ring.start() {
            self.outflow.offer_rest(&from.archive.offered(), &self.has);
            self.outflow.ring_at = from.ring.end();
        }
        while let Some(fresh) = from.ring.get(self.outflow.ring_at) {
            self.outflow.ring_at += 1;
            if self.has.contains(fresh.dot) {
                continue;
            }
            if let Some((update, sealed)) = &fresh.push
                && self.is_to_be_pushed(update, from.is_calm)
            {
                self.outflow.send(update, sealed, out);
                self.has.insert(fresh.dot);
                return true;
            }
            self.outflow.offers.insert(fresh.dot);
            self.yields.count(1, 0);
        }
        false
    }

    fn is_to_be_pushed(&self, update: &Update, is_calm: bool) -> bool {
        let bytes = update.raw().len();
        let is_calm = is_calm && bytes <= SMALL_BYTES_MAX;
        bytes <= PUSH_BYTES_MAX && self.yields.is_eager(is_calm) && self.knows_before(update.dot())
    }

    /// True when the peer has, or was told of, what is before this of its epoch.
    fn knows_before(&self, dot: Dot) -> bool {
        let before = Dot { seq: dot.seq - 1, ..dot };
        dot.seq == 1 || self.has.contains(before) || self.outflow.told.contains(before)
    }

    /// Sends the next of what the peer asked for.
    fn send_asked<A: Archive>(
        &mut self,
        from: &Outward<'_, A>,
        out: &mut OutBuf,
    ) -> Result<bool, LinkError> {
        if !from.may_sync {
            return Ok(false);
        }
        loop {
            let Some(span) = self.outflow.asked.spans().next() else { return Ok(false) };
            let Some(seq) = from.archive.first_in(span)? else {
                self.outflow.asked.remove_span(span);
                self.outflow.passed.insert_span(span);
                continue;
            };
            if self.outflow.proven.is_some() {
                // One a call: it takes long to hash a large payload.
                return Ok(false);
            }
            let dot = Dot { epoch: span.epoch, seq };
            let update = from.archive.get(dot)?;
            if seq > span.from {
                self.outflow.passed.insert_span(Span { to: seq - 1, ..span });
            }
            self.outflow.asked.remove_span(Span { to: seq, ..span });
            let Some(update) = update else { continue };
            let Some(sealed) = self.seal_of(&update, span.to, from)? else {
                log::error!("update {dot} has no seal, and can't be handed on");
                continue;
            };
            if is_large(&update) {
                self.outflow.prove(&update, &sealed, out);
            } else {
                self.outflow.send(&update, &sealed, out);
            }
            self.has.insert(dot);
            return Ok(true);
        }
    }

    /// The seal of an update that was asked for together with what follows it, up to a sequence
    /// number.
    fn seal_of<A: Archive>(
        &mut self,
        update: &Update,
        to: u64,
        from: &Outward<'_, A>,
    ) -> Result<Option<Arc<Sealed>>, LinkError> {
        if let Some(sealed) = &self.outflow.serving
            && sealed.covers(update)
        {
            return Ok(Some(Arc::clone(sealed)));
        }
        let mut found = from.archive.seal_of(update.dot())?;
        if let Some(seal) = &found
            && !is_large(update)
            && let Some(wide) = widened(seal, update.dot(), to, from)?
        {
            found = Some(wide);
        }
        let found = found.map(Sealed::new);
        self.outflow.serving = found.filter(|sealed| sealed.covers(update)).map(Arc::new);
        Ok(self.outflow.serving.clone())
    }
}

/// A seal of this node's own over more updates than the one at hand, from `first` up to a sequence
/// number. What was published one by one has a seal each, and each is a tenth of a small update.
fn widened<A: Archive>(
    narrow: &Seal,
    first: Dot,
    to: u64,
    from: &Outward<'_, A>,
) -> Result<Option<Seal>, LinkError> {
    let Some(key) = from.signer.filter(|key| key.public() == narrow.key) else { return Ok(None) };
    let is_worth_it = narrow.cids.len() < NARROW_MAX && to - first.seq >= NARROW_MAX as u64;
    if !is_worth_it || from.archive.is_forked(first.epoch) {
        return Ok(None);
    }
    let (mut cids, mut bytes) = (Vec::new(), 0);
    for seq in first.seq..=to {
        if cids.len() == SEAL_UPDATES_MAX || bytes > WIDE_BYTES_MAX {
            break;
        }
        let Some(update) = from.archive.get(Dot { seq, ..first })? else { break };
        bytes += update.raw().len();
        cids.push(update.cid());
    }
    let is_wider = cids.len() > narrow.cids.len();
    Ok(is_wider.then(|| Seal::sign(key, narrow.salt, first.seq, cids)))
}
