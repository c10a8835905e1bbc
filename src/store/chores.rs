//! Erasing payloads and dropping updates: at once for whoever reads, and soon from the disk, as
//! segments are written anew one by one.

use super::body::Passed;
use super::pending::Said;
use super::rewrite::{Rewrite, RewriteDone, Rewritten, Task};
use super::{Place, Store, StoreError};
use crate::update::{Cid, Dot, Span, Update, Vector};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

/// How many places are looked up at a time.
const PLACES_AT_ONCE: usize = 1024;

/// What failed is put off for up to two to the power of this many turns.
const PUT_OFF_POWER_MAX: u32 = 6;

/// What is to be done with the segments of the log.
#[derive(Debug, Default)]
pub(super) struct Chores {
    /// Counts how often a rewrite was asked for while none was out.
    turn: u64,
    segments: BTreeMap<u32, Chore>,
    out: Option<Out>,
    /// What is erased in the log, and may still stand in the index's file, where entries were that
    /// followed from it.
    pub(super) erased: Vector,
    /// Exhibits that are read as stubs, whatever stands under their names.
    pub(super) exhibits: BTreeSet<Cid>,
    /// Segments in which nothing is left but marks.
    empty: BTreeSet<u32>,
    /// The index's file covers all that is before this segment.
    pub(super) settled: u32,
    /// The segment that is being removed. Another one only after it: the log never has a gap.
    removing: Option<u32>,
    /// Before that is tried again.
    removal_rest: Rest,
    /// A summary that is on its way to the disk, or there: segments before this one may go.
    summarized: u32,
}

/// What is to be done with one.
#[derive(Clone, Debug, Default)]
struct Chore {
    erase: Vector,
    /// It holds exhibits of [`Chores::exhibits`].
    hushes: bool,
    /// How many bytes its updates had that were dropped.
    dropped: u64,
    /// Something in it is not whole, and is to be left out.
    mends: bool,
    /// Not before the log is on disk to here.
    after: Place,
    /// Not before this is over.
    rest: Rest,
}

/// How long something that failed is put off, for others to have their turn: twice as long each
/// time.
#[derive(Clone, Copy, Debug, Default)]
struct Rest {
    failed: u32,
    until: u64,
}

impl Rest {
    fn is_over(self, turn: u64) -> bool {
        self.until <= turn
    }

    fn put_off(&mut self, turn: u64) {
        self.failed = PUT_OFF_POWER_MAX.min(self.failed + 1);
        self.until = turn + (1 << self.failed);
    }
}

impl Chore {
    /// What was withdrawn leaves the disk soon; and what is broken should not be met at a start.
    fn cannot_wait(&self) -> bool {
        self.mends || self.hushes || !self.erase.is_empty()
    }

    fn merge(&mut self, other: &Self) {
        self.erase.merge(&other.erase);
        self.dropped += other.dropped;
        self.mends |= other.mends;
        self.hushes |= other.hushes;
        self.after = self.after.max(other.after);
        if self.rest.until < other.rest.until {
            self.rest = other.rest;
        }
    }
}

/// A rewrite that is out.
#[derive(Debug)]
struct Out {
    token: Weak<()>,
    segment: u32,
    chore: Chore,
    is_removal: bool,
}

impl Chores {
    /// Segments that hold updates which were dropped, and the bytes of these.
    pub(super) fn dropped(&self) -> BTreeMap<u32, u64> {
        let mut dropped = BTreeMap::new();
        let out = self.out.iter().map(|out| (out.segment, &out.chore));
        for (segment, chore) in self.segments.iter().map(|(at, chore)| (*at, chore)).chain(out) {
            if chore.dropped > 0 {
                *dropped.entry(segment).or_default() += chore.dropped;
            }
        }
        dropped
    }

    /// Updates of so many bytes in a segment were dropped; the log says so before `after`.
    pub(super) fn drop(&mut self, segment: u32, bytes: u64, after: Place) {
        let chore = self.segments.entry(segment).or_default();
        chore.merge(&Chore { dropped: bytes, after, ..Chore::default() });
    }

    /// The payload of a dot is to be erased in a segment; the log says why before `after`.
    fn erase(&mut self, segment: u32, dot: Dot, after: Place) {
        let chore = self.segments.entry(segment).or_default();
        chore.erase.insert(dot);
        chore.after = chore.after.max(after);
    }

    /// The payload of an exhibit is to be erased in a segment; the log says why before `after`.
    fn hush(&mut self, segment: u32, after: Place) {
        let chore = self.segments.entry(segment).or_default();
        chore.merge(&Chore { hushes: true, after, ..Chore::default() });
    }

    /// Something in a segment is not whole; the log says what it has told before `after`.
    pub(super) fn mend(&mut self, segment: u32, after: Place) {
        let chore = self.segments.entry(segment).or_default();
        chore.merge(&Chore { mends: true, after, ..Chore::default() });
    }

    /// True when a segment is to be mended already, or is being mended.
    pub(super) fn mends(&self, segment: u32) -> bool {
        let out = self.out.iter().filter(|out| out.segment == segment).map(|out| &out.chore);
        self.segments.get(&segment).into_iter().chain(out).any(|chore| chore.mends)
    }

    /// True when something is to be mended once the log has said again what it has told, and that
    /// is not on disk.
    pub(super) fn awaits_summary(&self, durable_end: Place) -> bool {
        self.segments.values().any(|chore| chore.mends && chore.after > durable_end)
    }

    /// What is pending was laid out anew, up to `end`: without the summary of [`Store::removable`].
    pub(super) fn laid_out(&mut self, durable_end: Place, end: Place) {
        let waiting = |chore: &&mut Chore| chore.after > durable_end;
        for chore in self.segments.values_mut().filter(waiting) {
            chore.after = end;
        }
        self.summarized = 0;
    }

    /// What was to be done failed, and was taken back.
    fn put_off(&mut self, out: &Out) {
        if out.is_removal {
            self.removal_rest.put_off(self.turn);
        } else {
            self.segments.entry(out.segment).or_default().rest.put_off(self.turn);
        }
    }

    /// True when the payload of a dot is still to be erased somewhere.
    fn erases(&self, dot: Dot) -> bool {
        self.segments.values().any(|chore| chore.erase.contains(dot))
    }
}

impl Store {
    /// Erases the payloads of these updates: from now on they are read as stubs, and the next
    /// batch says so for good. Only once that is on disk, and so is all that was appended before
    /// this call, may anyone else learn of it ([`Store::is_being_erased`]), and do they go from
    /// the disk, with [`Store::take_rewrite`], and with a checkpoint behind it, which makes the
    /// index's file anew. Nothing happens to updates that are not here.
    pub fn erase(&mut self, dots: &[Dot]) -> Result<(), StoreError> {
        let mut new = Vector::new();
        for dot in dots {
            let is_here = self.told.vector.contains(*dot) && !self.gone().contains(*dot);
            if is_here && !self.told.erased.contains(*dot) {
                new.insert(*dot);
            }
        }
        if !new.is_empty() {
            self.erasures += 1;
            self.told.erased.merge(&new);
            self.pending.push(Said::Erased(new.clone()));
            self.want_erased(&new)?;
        }
        Ok(())
    }

    /// Finds the segments in which payloads stand. Those that are not on disk yet are found when
    /// they are. After a crash the index may still tell of segments that were removed.
    pub(super) fn want_erased(&mut self, dots: &Vector) -> Result<(), StoreError> {
        let on_disk = self.segments.start()..self.pending.durable_end();
        let after = self.log_end();
        for Span { epoch, from, to } in dots.spans() {
            for seq in from..=to {
                let dot = Dot { epoch, seq };
                let places = self.told.forks.places_of(dot);
                for place in places.into_iter().chain(self.index.place_of(dot)?) {
                    if on_disk.contains(&place) {
                        self.chores.erase(place.segment(), dot, after);
                    }
                }
            }
        }
        Ok(())
    }

    /// Erases the payloads of these exhibits, and of nothing else that bears their names. The log
    /// keeps no word of it: who opens the store asks again for those that are no stubs.
    pub fn erase_exhibits(&mut self, cids: &[Cid]) {
        for cid in cids {
            let Some((_, place)) = self.told.forks.find(*cid) else { continue };
            if self.chores.exhibits.insert(*cid) && place < self.pending.durable_end() {
                self.chores.hush(place.segment(), self.log_end());
            }
        }
    }

    /// An exhibit has come to the disk.
    pub(super) fn exhibit_landed(&mut self, exhibit: &Update, place: Place) {
        self.landed(exhibit.dot(), place);
        if self.chores.exhibits.contains(&exhibit.cid()) {
            self.chores.hush(place.segment(), self.log_end());
        }
    }

    /// An update or an exhibit has come to the disk.
    pub(super) fn landed(&mut self, dot: Dot, place: Place) {
        if self.told.erased.contains(dot) {
            self.chores.erase(place.segment(), dot, self.log_end());
        }
    }

    /// The update as it is to be read: a stub while its payload is on its way out.
    pub fn as_stands(&self, update: Update) -> Update {
        if self.told.erased.contains(update.dot()) { update.erase() } else { update }
    }

    /// True from an erasure until it, and what it follows from, is on disk: a crash may take it
    /// back, so neither the payload nor the stub is to be handed to anyone.
    pub fn is_being_erased(&self, dot: Dot) -> bool {
        self.told.erased.contains(dot) && !self.held.erased.contains(dot)
    }

    /// Drops these updates, payloads and envelopes: they can't be read any more, but stay in
    /// [`Store::seen`] and [`Store::held`], and the lows rise. Room on the disk becomes free with
    /// [`Store::take_rewrite`]. What is not on disk, or not sealed, stays.
    ///
    /// Looks up each of them: give it some thousands at a time.
    pub fn retire(&mut self, dots: &Vector) -> Result<(), StoreError> {
        let mut passed = Passed::default();
        for span in dots.spans() {
            for span in self.held_of(span) {
                passed.dots.insert_span(span);
            }
        }
        if passed.dots.is_empty() {
            return Ok(());
        }
        // What is behind the last one on disk may be taken back: then that one is the last again.
        for (epoch, extent) in &self.held.extents {
            let last = Dot { epoch: *epoch, seq: extent.seq };
            if let Some(cid) = extent.cid.filter(|_| passed.dots.contains(last)) {
                passed.tips.push((*epoch, cid));
            }
        }
        let sizes = self.sizes_of(&passed.dots)?;
        self.told.pass(&passed);
        self.pending.push(Said::Passed(passed));
        let after = self.log_end();
        for (segment, bytes) in sizes {
            self.chores.drop(segment, bytes, after);
        }
        Ok(())
    }

    /// The parts of a span that are on disk, sealed, and not gone.
    fn held_of(&self, Span { epoch, from, to }: Span) -> Vec<Span> {
        let mut held = Vec::new();
        let sealed_to = self.unsealed_from(epoch).map_or(u64::MAX, |from| from - 1);
        let to = to.min(self.held.vector.last(epoch)).min(sealed_to);
        if from <= to {
            held = self.gone().gaps(Span { epoch, from, to });
        }
        held
    }

    /// How many bytes of which segments these dots take. After a crash the index may still tell of
    /// segments that were removed: it forgets those with a checkpoint, which need not come first.
    fn sizes_of(&self, dots: &Vector) -> Result<BTreeMap<u32, u64>, StoreError> {
        let mut sizes = BTreeMap::new();
        let (start, durable_end) = (self.segments.start(), self.pending.durable_end());
        for Span { epoch, mut from, to } in dots.spans() {
            loop {
                let found = self.index.places(epoch, (from, to), PLACES_AT_ONCE)?;
                for (_, place, _) in found.iter().filter(|(_, place, _)| *place >= start) {
                    let bytes = self.segments.frame_bytes(*place, durable_end)?;
                    *sizes.entry(place.segment()).or_default() += bytes;
                }
                match found.last() {
                    Some((last, ..)) if found.len() == PLACES_AT_ONCE => from = last + 1,
                    _ => break,
                }
            }
        }
        Ok(sizes)
    }

    /// Dots that count as gone were read in the log: what stands under them is to be dropped.
    pub(super) fn want_dropped(&mut self, dots: &Vector) -> Result<(), StoreError> {
        for (segment, bytes) in self.sizes_of(dots)? {
            self.chores.drop(segment, bytes, Place::START);
        }
        Ok(())
    }

    /// The next segment to write anew, or to remove. `None` when there is nothing to do, or it has
    /// to wait: for a batch (see [`Store::pending_bytes`]; this may begin a new segment), for a
    /// checkpoint, or for the next call. One is out at a time. After an error, as after one that
    /// [`Store::finish_rewrite`] gives, that segment is put off for some calls, longer each time,
    /// and others come before it.
    ///
    /// Reads and writes a whole segment at worst: better every few seconds than at once.
    pub fn take_rewrite(&mut self) -> Result<Option<Rewrite>, StoreError> {
        self.take_back_lost();
        if self.chores.out.is_some() || self.catch_up.is_some() || self.is_failing() {
            return Ok(None);
        }
        self.chores.turn += 1;
        if let Some(segment) = self.removable() {
            return Ok(Some(self.hand_out(segment, Chore::default(), Task::Remove)));
        }
        let Some((segment, is_droppable)) = self.next_chore() else {
            self.leave_tail();
            return Ok(None);
        };
        let end = self.segments.end_of(segment, self.pending.durable_end());
        let pinned = end.and_then(|end| self.segments.pin(segment).map(|()| end));
        match pinned {
            Ok(end) => Ok(Some(self.begin_chore(segment, end, is_droppable))),
            Err(error) => {
                self.chores.segments.entry(segment).or_default().rest.put_off(self.chores.turn);
                Err(error)
            }
        }
    }

    /// The segment that has its turn, and whether updates may be dropped from it: only what the log
    /// says for good, since a seal may go before the last of what is under it.
    fn next_chore(&self) -> Option<(u32, bool)> {
        let durable_end = self.pending.durable_end();
        let last = durable_end.segment().min(self.chores.settled);
        let is_ready =
            |chore: &Chore| chore.after <= durable_end && chore.rest.is_over(self.chores.turn);
        let ready = || self.chores.segments.iter().filter(|(_, chore)| is_ready(chore));
        let is_droppable = |at: u32, chore: &Chore| at < last && chore.dropped > 0;
        let mut erasable = ready().filter(|(at, _)| **at < durable_end.segment());
        let first = erasable.find(|(_, chore)| chore.cannot_wait());
        let most = || {
            let droppable = ready().filter(|(at, chore)| is_droppable(**at, chore));
            droppable.max_by_key(|(_, chore)| chore.dropped)
        };
        first.or_else(most).map(|(at, chore)| (*at, is_droppable(*at, chore)))
    }

    fn begin_chore(&mut self, segment: u32, end: u32, is_droppable: bool) -> Rewrite {
        let mut chore = self.chores.segments.remove(&segment).unwrap_or_default();
        let drop = if is_droppable { self.held.gone.clone() } else { Vector::new() };
        if drop.is_empty() && chore.dropped > 0 {
            let later =
                Chore { erase: Vector::new(), hushes: false, mends: false, ..chore.clone() };
            self.chores.segments.insert(segment, later);
            chore.dropped = 0;
        }
        let (end, erase) = (Place::new(segment, end), chore.erase.clone());
        let (mends, exhibits) = (chore.mends, self.chores.exhibits.clone());
        let task = Task::Write { end, erase, exhibits, drop, mends };
        self.hand_out(segment, chore, task)
    }

    /// Has the log go on elsewhere when something is to be erased or mended in the segment it goes
    /// on in. What is only dropped there may wait longer.
    fn leave_tail(&mut self) {
        let tail = self.pending.tail().spot.place.segment();
        let chore = self.chores.segments.get(&tail);
        if chore.is_some_and(Chore::cannot_wait) {
            self.pending.leave(tail);
        }
    }

    fn hand_out(&mut self, segment: u32, chore: Chore, task: Task) -> Rewrite {
        let token = Arc::new(());
        let is_removal = matches!(task, Task::Remove);
        self.chores.out = Some(Out { token: Arc::downgrade(&token), segment, chore, is_removal });
        let (disk, lock) = self.pending.disk();
        Rewrite { disk, segment, task, token, lock }
    }

    /// The log's first segment, when nothing is left in it and a summary of it is on disk. It is no
    /// part of the log from then on.
    fn removable(&mut self) -> Option<u32> {
        if self.chores.removing.is_some() {
            let rest = self.chores.removal_rest;
            return self.chores.removing.filter(|_| rest.is_over(self.chores.turn));
        }
        let first = self.segments.start().segment();
        let mut behind = first;
        while self.chores.empty.contains(&behind) && behind < self.chores.settled {
            behind += 1;
        }
        if behind == first {
            return None;
        }
        if first < self.held.first_needed {
            self.segments.removed(first);
            self.chores.empty.remove(&first);
            self.chores.removing = Some(first);
            return self.chores.removing;
        }
        if self.chores.summarized < behind {
            self.chores.summarized = behind;
            self.told.first_needed = behind;
            self.pending.push(Said::Summary(Box::new(self.told.clone())));
        }
        None
    }

    /// What a rewrite that was dropped was to do is to be done still.
    fn take_back_lost(&mut self) {
        let lost = self.chores.out.take_if(|out| out.token.strong_count() == 0);
        if let Some(out) = lost {
            self.take_back(&out);
        }
    }

    fn take_back(&mut self, out: &Out) {
        if !out.is_removal {
            self.segments.rewritten(out.segment);
            self.chores.segments.entry(out.segment).or_default().merge(&out.chore);
        }
    }

    /// Takes back a rewrite that was run. After an error nothing has changed for who reads; it is
    /// taken again, some calls later.
    pub fn finish_rewrite(&mut self, done: RewriteDone) -> Result<(), StoreError> {
        let is_its = |out: &mut Out| std::ptr::eq(out.token.as_ptr(), &raw const *done.token);
        let Some(out) = self.chores.out.take_if(is_its) else { return Ok(()) };
        match done.result {
            Ok(rewritten) if out.is_removal => {
                debug_assert_eq!(rewritten.left, 0, "nothing was in it");
                self.chores.removing = None;
                self.chores.removal_rest = Rest::default();
                self.look_at_first();
                Ok(())
            }
            Ok(rewritten) => {
                self.segments.rewritten(out.segment);
                self.settle(&out, rewritten);
                Ok(())
            }
            Err(error) => {
                self.take_back(&out);
                if matches!(error, StoreError::Damaged { .. }) && !out.chore.mends {
                    self.mend(out.segment);
                } else {
                    self.chores.put_off(&out);
                }
                Err(error)
            }
        }
    }

    fn settle(&mut self, out: &Out, rewritten: Rewritten) {
        for Span { epoch, from, to } in out.chore.erase.spans() {
            for seq in from..=to {
                let dot = Dot { epoch, seq };
                if !self.chores.erases(dot) && !self.is_pending(dot) {
                    self.chores.erased.insert(dot);
                }
            }
        }
        let is_erasing = self.chores.segments.values().any(|chore| !chore.erase.is_empty());
        if !is_erasing && !self.chores.erased.is_empty() {
            self.index.renew(true);
        }
        if rewritten.left == 0 {
            self.chores.empty.insert(out.segment);
        }
        self.index.bury(rewritten.dropped, &rewritten.seals);
    }

    /// True when the update of a dot, or an exhibit, is not on disk yet.
    fn is_pending(&self, dot: Dot) -> bool {
        let durable_end = self.pending.durable_end();
        let exhibits = self.told.forks.places_of(dot);
        !self.held.vector.contains(dot) || exhibits.into_iter().any(|place| place >= durable_end)
    }

    /// Looks at what there is to do, once the index has been caught up.
    pub(super) fn begin_chores(&mut self) -> Result<(), StoreError> {
        let erased = std::mem::take(&mut self.told.erased);
        self.want_erased(&erased)?;
        for chore in self.chores.segments.values() {
            self.told.erased.merge(&chore.erase);
        }
        self.held.erased.clone_from(&self.told.erased);
        self.look_at_first();
        Ok(())
    }

    /// A checkpoint has made the index's file anew: nothing is left of these.
    pub(super) fn forget_erased(&mut self, dots: &Vector) {
        self.told.erased = without(&self.told.erased, dots);
        self.held.erased = without(&self.held.erased, dots);
        self.chores.erased = without(&self.chores.erased, dots);
    }

    /// Finds out whether anything is left in the log's first segment.
    pub(super) fn look_at_first(&mut self) {
        let first = self.segments.start().segment();
        if !self.gone().is_empty() && !self.chores.empty.contains(&first) {
            self.chores.drop(first, 1, Place::START);
        }
    }
}

pub(super) fn without(dots: &Vector, others: &Vector) -> Vector {
    let mut rest = Vector::new();
    for span in dots.beyond(others) {
        rest.insert_span(span);
    }
    rest
}
