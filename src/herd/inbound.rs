//! What a relay does with each frame. Nothing of what an update says is believed, kept beyond the
//! window, or handed on before a seal that covers it was verified.

use super::LinkError;
use super::link::{Arrival, Fork, Link};
use super::outflow::PUSH_BYTES_MAX;
use super::pulls::{LIVE_DOTS, shared};
use super::relay::exhibit;
use super::{Archive, Relay, Sealed};
use crate::base::{OutBuf, Tick};
use crate::proto::peer::{Frame, SealFrame, StateFrame};
use crate::update::{Cid, Dot, EnvelopeError, Epoch, Seal, Span, Update, Vector, Word};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// Exhibits that wait to be sent on a link.
pub(super) const EXHIBITS_MAX: usize = 64;

impl<L: Copy + Ord> Relay<L> {
    /// Takes one frame.
    pub fn on_frame<A: Archive>(
        &mut self,
        link: L,
        frame: Frame<'_>,
        archive: &A,
        now: Tick,
        out: &mut OutBuf,
    ) -> Result<Arrival, LinkError> {
        let Some(at) = self.links.get_mut(&link) else { return Ok(Arrival::Nothing) };
        at.heard(now);
        match frame {
            Frame::Hello(hello) => return at.on_hello(&hello, now).map(Arrival::Hello),
            Frame::Ping(moment) => Frame::Pong(moment).encode(out.tail()),
            Frame::Pong(moment) => at.on_pong(moment, now),
            Frame::Refuse { code, text } => return Ok(Arrival::Refused(code, text.to_owned())),
            Frame::State(part) => return self.on_state(link, part, archive, now, out),
            Frame::Epoch(epoch) => return self.on_epoch(link, epoch, archive, now),
            later => {
                if !at.is_up() {
                    return Err(LinkError::Unexpected("anything but a state"));
                }
                return self.on_frame_when_up(link, later, archive, now, out);
            }
        }
        Ok(Arrival::Nothing)
    }

    fn on_frame_when_up<A: Archive>(
        &mut self,
        link: L,
        frame: Frame<'_>,
        archive: &A,
        now: Tick,
        out: &mut OutBuf,
    ) -> Result<Arrival, LinkError> {
        let Some(at) = self.links.get_mut(&link) else { return Ok(Arrival::Nothing) };
        match frame {
            Frame::Offer(dots) => self.on_offer(link, &dots, archive, now)?,
            Frame::Pull { versions: false, dots } => at.on_pull(&dots, archive)?,
            Frame::Pull { versions: true, dots } => at.on_pull_versions(&dots, archive)?,
            Frame::Update(raw) => return self.on_update(link, raw, archive, now),
            Frame::Seal(seal) => return self.on_seal(link, &seal, archive, now),
            Frame::Passed(dots) => {
                let over = self.pulls.over(link, &dots);
                at.on_passed(&over);
                return Ok(Arrival::Passed);
            }
            Frame::Held { urgent, word } => {
                at.on_held(&word)?;
                return Ok(Arrival::Held { urgent, word: Box::new(word) });
            }
            Frame::Credit(credit) => at.on_credit(credit)?,
            Frame::Digest(digest) if at.on_digest(digest, archive, self.changes)? => {
                at.say_state(archive, now, self.ring.end(), out)?;
            }
            Frame::Audit(body) => self.on_audit(link, body, archive, now)?,
            Frame::Manifest { manifest, seal } => {
                return self.on_manifest(link, &manifest, seal, archive, now);
            }
            Frame::AskPieces(ask) => self.blobs.on_ask(link, &ask)?,
            Frame::Piece(piece) => return self.on_piece(link, &piece, archive, now),
            Frame::Exhibit { raw, seal } => return self.on_exhibit(link, raw, seal, archive),
            Frame::Inquire(asked) if self.on_inquire(link, asked, now) => {
                let (number, about) = (asked.number, asked.about.to_vec());
                return Ok(Arrival::Inquired { number, about });
            }
            Frame::Tell(said) => return Ok(Arrival::Told(Box::new(said))),
            _ => {}
        }
        Ok(Arrival::Nothing)
    }

    /// The peer said, for the first time or again, what it has.
    fn on_state<A: Archive>(
        &mut self,
        link: L,
        part: StateFrame,
        archive: &A,
        now: Tick,
        out: &mut OutBuf,
    ) -> Result<Arrival, LinkError> {
        let Some(at) = self.links.get_mut(&link) else { return Ok(Arrival::Nothing) };
        let was_up = at.is_up();
        let Some(tips) = at.on_state(part)? else { return Ok(Arrival::Nothing) };
        if was_up && at.owes_state(now) {
            at.say_state(archive, now, self.ring.end(), out)?;
        }
        at.look_at_what_it_has(archive);
        let is_skipped = !was_up && !self.settings.catches_up && !at.todo.is_empty();
        if is_skipped {
            self.gate.pass(&std::mem::take(&mut at.todo));
        }
        // Said twice, an epoch is shown once.
        let tips: BTreeMap<Epoch, Cid> = tips.into_iter().collect();
        for (epoch, theirs) in &tips {
            // It does not know that two publish there.
            if *theirs != Cid::ZERO && archive.is_forked(*epoch) {
                self.show(link, archive, *epoch)?;
            }
        }
        let forks = self.forked_tips(link, tips, archive);
        let Some(at) = self.links.get_mut(&link) else { return Ok(Arrival::Nothing) };
        if !forks.is_empty() {
            at.requests.push((true, forks));
        }
        self.expect_lead(link, now);
        let Some(at) = self.links.get_mut(&link) else { return Ok(Arrival::Nothing) };
        let own = archive.next_own();
        let is_amnesia = at.has.last(own.epoch) >= own.seq;
        self.keep_one_eager();
        self.plan(archive, now);
        Ok(match (is_amnesia, is_skipped) {
            (true, _) => Arrival::Amnesia,
            (false, true) => Arrival::Ready,
            (false, false) => Arrival::Nothing,
        })
    }

    /// The peer goes on under another epoch: what it has of the one before is asked of it even if
    /// two published there, since it publishes there no longer.
    fn on_epoch<A: Archive>(
        &mut self,
        link: L,
        epoch: Epoch,
        archive: &A,
        now: Tick,
    ) -> Result<Arrival, LinkError> {
        let Some(at) = self.links.get_mut(&link) else { return Ok(Arrival::Nothing) };
        let Some(peer) = &mut at.peer else {
            return Err(LinkError::Unexpected("an epoch before the hello"));
        };
        // Said again it tells nothing, and may cost nothing.
        let is_new = std::mem::replace(&mut peer.epoch, epoch) != epoch;
        if is_new && at.is_up() {
            at.look_at_what_it_has(archive);
            if archive.is_forked(epoch) {
                self.show(link, archive, epoch)?;
            }
            self.plan(archive, now);
        }
        Ok(Arrival::Epoch(epoch))
    }

    /// Ends of epochs that both have, and that differ: two updates bear one name.
    fn forked_tips<A: Archive>(&self, link: L, tips: BTreeMap<Epoch, Cid>, archive: &A) -> Vector {
        let mut forks = Vector::new();
        let Some(at) = self.links.get(&link) else { return forks };
        for (epoch, theirs) in tips {
            let seq = at.has.last(epoch);
            let is_known = self.flagged.contains(&epoch) || archive.is_forked(epoch);
            if is_known || theirs == Cid::ZERO || seq == 0 || archive.seen().last(epoch) != seq {
                continue;
            }
            if archive.tip(epoch).is_some_and(|ours| ours != theirs) {
                forks.insert(Dot { epoch, seq });
            }
        }
        forks
    }

    /// The peer has something more. A few dots that nobody was asked for are asked of it at once.
    fn on_offer<A: Archive>(
        &mut self,
        link: L,
        dots: &Vector,
        archive: &A,
        now: Tick,
    ) -> Result<(), LinkError> {
        let Some(at) = self.links.get_mut(&link) else { return Ok(()) };
        at.learn(dots)?;
        let unknown = dots.beyond(archive.seen());
        for span in &unknown {
            at.todo.insert_span(*span);
        }
        let count = unknown.iter().fold(0_u64, |sum, span| sum.saturating_add(span.count()));
        if count == 0 || self.is_held_back {
            return Ok(());
        }
        if count > LIVE_DOTS || self.gate.is_crowded() || !self.pulls.has_room_for_live(link) {
            self.plan(archive, now);
            return Ok(());
        }
        let mut wanted = Vector::new();
        for gap in unknown.iter().flat_map(|span| self.pulls.asked().gaps(*span)) {
            for seq in gap.from..=gap.to {
                let dot = Dot { epoch: gap.epoch, seq };
                if !self.is_on_its_way(dot) && self.may_take_from(link, dot.epoch, archive) {
                    wanted.insert(dot);
                }
            }
        }
        self.ask(link, wanted, true, now);
        Ok(())
    }

    /// True when it has come, and waits for its seal or for its turn.
    pub(super) fn is_on_its_way(&self, dot: Dot) -> bool {
        self.gate.contains(dot)
            || self.restored.contains_key(&dot)
            || self.blobs.has(dot)
            || self.links.values().any(|link| link.hold.contains_key(&dot))
    }

    /// What is published under an epoch that two publish under is taken from others, not from who
    /// publishes it.
    pub(super) fn may_take_from<A: Archive>(&self, link: L, epoch: Epoch, archive: &A) -> bool {
        let peer = self.links.get(&link).and_then(|link| link.peer.as_ref());
        let is_its_own = peer.is_some_and(|peer| peer.epoch == epoch);
        !is_its_own || !(self.flagged.contains(&epoch) || archive.is_forked(epoch))
    }

    fn on_update<A: Archive>(
        &mut self,
        link: L,
        raw: &[u8],
        archive: &A,
        now: Tick,
    ) -> Result<Arrival, LinkError> {
        let dot = Update::peek_dot(raw).map_err(LinkError::Envelope)?;
        if dot.seq == 0 {
            return Err(LinkError::Envelope(EnvelopeError::Seq));
        }
        let may_take = self.may_take_from(link, dot.epoch, archive);
        let is_known = archive.has(dot) || self.gate.contains(dot);
        let Some(at) = self.links.get_mut(&link) else { return Ok(Arrival::Nothing) };
        if at.is_over_window() {
            return Err(LinkError::Window);
        }
        if raw.len() > PUSH_BYTES_MAX {
            return Err(LinkError::Unexpected("a large update in one piece"));
        }
        at.received_bytes += raw.len() as u64;
        let came = self.pulls.came(link, dot, now);
        let is_push = came.is_none();
        at.credit.updates += u64::from(is_push);
        at.has.insert(dot);
        if is_known || !may_take || at.hold.contains_key(&dot) {
            at.credit.bytes += raw.len() as u64;
            if came == Some(true) {
                self.plan(archive, now);
            }
            return Ok(Arrival::Duplicate);
        }
        at.has_no_gaps_left()?;
        let update = Update::decode(raw.into()).map_err(LinkError::Envelope)?;
        at.hold.insert(dot, (update, is_push));
        Ok(Arrival::Nothing)
    }

    /// The origin's word on updates that came before it on this link.
    fn on_seal<A: Archive>(
        &mut self,
        link: L,
        frame: &SealFrame<'_>,
        archive: &A,
        now: Tick,
    ) -> Result<Arrival, LinkError> {
        let epoch = Epoch::of(&frame.key, frame.salt);
        let to = frame.from + frame.count as u64 - 1;
        let (first, last) = (Dot { epoch, seq: frame.from }, Dot { epoch, seq: to });
        let Some(at) = self.links.get_mut(&link) else { return Ok(Arrival::Nothing) };
        let covered: Vec<Dot> = at.hold.range(first..=last).map(|(dot, _)| *dot).collect();
        let is_known = |dot: &Dot| archive.has(*dot) || self.gate.contains(*dot);
        if covered.iter().all(is_known) {
            let was_empty = covered.is_empty();
            for dot in covered {
                at.release(dot);
            }
            self.plan(archive, now);
            return Ok(if was_empty { Arrival::Nothing } else { Arrival::Duplicate });
        }
        let (seal, is_borrowed) = self.rebuild(link, frame, epoch, archive)?;
        let sealed = seal
            .filter(|seal| (self.settings.verify)(seal))
            .map(|seal| Arc::new(Sealed { epoch, seal }));
        let Some(at) = self.links.get_mut(&link) else { return Ok(Arrival::Nothing) };
        let Some(sealed) = sealed else {
            if !is_borrowed {
                return Err(LinkError::Seal(epoch));
            }
            // What we hold under one of these names may not be what the peer holds.
            for dot in covered {
                at.release(dot);
            }
            at.ask_versions(epoch, first.seq, to);
            return Ok(Arrival::Nothing);
        };
        for dot in covered {
            let Some((update, is_push)) = at.hold.remove(&dot) else { continue };
            if !sealed.covers(&update) {
                return Err(LinkError::Seal(epoch));
            }
            at.credit.bytes += update.raw().len() as u64;
            if archive.has(dot) || self.gate.contains(dot) {
                continue;
            }
            at.credit.news += u64::from(is_push);
            if archive.is_lost(dot) {
                self.restored.insert(dot, (update, Arc::clone(&sealed)));
            } else {
                self.gate.put(update, Arc::clone(&sealed), link);
            }
        }
        Ok(Arrival::Ready)
    }

    /// The whole seal: ids that were left out are those of the updates at hand. True when some were
    /// taken from our own archive.
    fn rebuild<A: Archive>(
        &self,
        link: L,
        frame: &SealFrame<'_>,
        epoch: Epoch,
        archive: &A,
    ) -> Result<(Option<Seal>, bool), LinkError> {
        let Some(at) = self.links.get(&link) else { return Ok((None, true)) };
        let mut is_borrowed = false;
        let mut failed = None;
        let seal = frame.rebuild(|seq| {
            let dot = Dot { epoch, seq };
            if let Some((update, _)) = at.hold.get(&dot) {
                return Some(update.cid());
            }
            is_borrowed = true;
            self.gate.cid(dot).or_else(|| match archive.get(dot) {
                Ok(update) => update.map(|update| update.cid()),
                Err(error) => {
                    failed = Some(error);
                    None
                }
            })
        });
        // A missing id was said to be that of an update that had come.
        is_borrowed |= seal.is_none();
        failed.map_or(Ok((seal, is_borrowed)), |error| Err(error.into()))
    }

    /// What is dropped from the gate is asked for again, of whoever has it, once there is room.
    pub(super) fn drop_what_is_too_much<A: Archive>(&mut self, archive: &A) {
        for dot in self.gate.shrink(archive.seen()) {
            for link in self.links.values_mut().filter(|link| link.has.contains(dot)) {
                link.todo.insert(dot);
            }
        }
    }

    /// A peer shows an update that contradicts another.
    fn on_exhibit<A: Archive>(
        &mut self,
        link: L,
        raw: &[u8],
        seal: Seal,
        archive: &A,
    ) -> Result<Arrival, LinkError> {
        let update = Update::decode(raw.into()).map_err(LinkError::Envelope)?;
        let dot = update.dot();
        if !archive.wants_exhibit(dot, update.cid()) {
            return Ok(Arrival::Nothing);
        }
        let is_known = self.flagged.contains(&dot.epoch) || archive.is_forked(dot.epoch);
        let Some(at) = self.links.get_mut(&link) else { return Ok(Arrival::Nothing) };
        let (dot, beside) = match contradicted(&update, archive)? {
            // Of an epoch that is known to be forked, all that stands beside what is here is kept.
            Some(ours) if is_known && ours.dot() != dot => return Ok(Arrival::Nothing),
            Some(_) if is_known => (dot, None),
            Some(ours) => {
                let seal = archive.seal_of(ours.dot())?;
                (ours.dot().min(dot), seal.map(|seal| (ours, seal)))
            }
            None if is_known => return Ok(Arrival::Nothing),
            None => match at.contradicts_shown(&update, &seal, archive)? {
                Some((before, its)) => (before.dot().min(dot), Some((before, its))),
                None => return Ok(Arrival::Nothing),
            },
        };
        let both = [Some((&update, &seal)), beside.as_ref().map(|(beside, seal)| (beside, seal))];
        for (update, seal) in both.into_iter().flatten() {
            let sealed = Sealed::new(seal.clone());
            if !sealed.covers(update) || !(self.settings.verify)(&sealed.seal) {
                return Err(LinkError::Seal(sealed.epoch));
            }
        }
        self.flagged.insert(dot.epoch);
        Ok(Arrival::Fork(Box::new(Fork { dot, update, seal, beside })))
    }
}

/// What the archive holds that this update contradicts: another one of its name, one that it does
/// not follow upon, or one that does not follow upon it.
fn contradicted<A: Archive>(update: &Update, archive: &A) -> Result<Option<Update>, LinkError> {
    let dot = update.dot();
    let [before, after] = [dot.seq.saturating_sub(1), dot.seq.saturating_add(1)];
    for seq in [dot.seq, before, after].into_iter().filter(|seq| *seq > 0) {
        let ours = archive.get(Dot { seq, ..dot })?;
        if let Some(ours) = ours.filter(|ours| contradict(update, ours)) {
            return Ok(Some(ours));
        }
    }
    Ok(None)
}

/// True when the owner of an epoch cannot have published both, if it published under each name
/// once.
fn contradict(a: &Update, b: &Update) -> bool {
    let (first, second) = if a.dot() <= b.dot() { (a, b) } else { (b, a) };
    let (before, dot) = (first.dot(), second.dot());
    before.epoch == dot.epoch
        && match dot.seq - before.seq {
            0 => first.cid() != second.cid(),
            1 => first.cid() != second.previous(),
            _ => false,
        }
}

impl Link {
    /// Takes down what the peer has and this node lacks.
    fn look_at_what_it_has<A: Archive>(&mut self, archive: &A) {
        self.todo = Vector::new();
        self.has.beyond(archive.seen()).into_iter().for_each(|span| self.todo.insert_span(span));
        self.passed.spans().for_each(|span| self.todo.remove_span(span));
    }

    /// What the peer showed before, if this contradicts it. Who has dropped what bears a name can
    /// tell of a fork by that alone, so the last one of such is remembered.
    fn contradicts_shown<A: Archive>(
        &mut self,
        update: &Update,
        seal: &Seal,
        archive: &A,
    ) -> Result<Option<(Update, Seal)>, LinkError> {
        let dot = update.dot();
        if !archive.seen().contains(dot) || archive.get(dot)?.is_some() {
            return Ok(None);
        }
        let shown = self.shown.replace((update.erase(), seal.clone()));
        Ok(shown.filter(|(before, _)| contradict(before, update)))
    }

    /// Of what the peer was asked for, it says that this is over.
    fn on_passed(&mut self, over: &Vector) {
        self.passed.merge(over);
        over.spans().for_each(|span| self.todo.remove_span(span));
    }

    /// An update that waited for its seal is dealt with; if it is still unknown, it is asked for
    /// again.
    fn release(&mut self, dot: Dot) {
        if let Some((update, _)) = self.hold.remove(&dot) {
            self.credit.bytes += update.raw().len() as u64;
            self.todo.insert(dot);
        }
    }

    pub(super) fn ask_versions(&mut self, epoch: Epoch, from: u64, to: u64) {
        let mut dots = Vector::new();
        dots.insert_span(Span { epoch, from, to });
        self.requests.push((true, dots));
    }

    /// Every run of what the peer has costs memory.
    fn has_no_gaps_left(&mut self) -> Result<(), LinkError> {
        self.learn(&Vector::new())
    }

    fn on_held(&mut self, word: &Word) -> Result<(), LinkError> {
        if word.held.spans().any(|span| span.from != 1) {
            return Err(LinkError::Unexpected("a disk with gaps"));
        }
        if self.peer.as_ref().is_none_or(|peer| peer.name != word.node) {
            return Ok(());
        }
        self.held.merge(&word.held);
        self.learn(&word.held)
    }

    /// The peer wants to see all that bears these names.
    fn on_pull_versions<A: Archive>(
        &mut self,
        dots: &Vector,
        archive: &A,
    ) -> Result<(), LinkError> {
        let mut others: BTreeMap<Epoch, Vec<(Update, Seal)>> = BTreeMap::new();
        for span in dots.spans().flat_map(|span| shared(archive.seen(), span)) {
            if let Entry::Vacant(entry) = others.entry(span.epoch) {
                entry.insert(archive.exhibits_of(span.epoch)?);
            }
            for seq in span.from..=span.to {
                if self.exhibits.len() >= EXHIBITS_MAX {
                    return Ok(());
                }
                let dot = Dot { epoch: span.epoch, seq };
                if let Some(update) = archive.get(dot)?
                    && let Some(seal) = archive.seal_of(dot)?
                {
                    self.exhibits.push_back(exhibit(update, seal));
                }
            }
        }
        for (update, seal) in others.into_values().flatten() {
            if dots.contains(update.dot()) && self.exhibits.len() < EXHIBITS_MAX {
                self.exhibits.push_back(exhibit(update, seal));
            }
        }
        Ok(())
    }
}
