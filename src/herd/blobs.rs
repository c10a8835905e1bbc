//! Large payloads on a relay's links: what is asked for as an update, and is too large for one
//! frame, comes as a manifest under its seal, and then in pieces, from every link that has it. What
//! is one piece comes right behind its manifest: it takes no more round trips than other updates.

use super::LinkError;
use super::link::{Arrival, Link};
use super::{
    Archive, Assemblies, AssembliesView, Begun, BlobError, BlobSettings, Relay, Sealed, Serving,
};
use crate::base::{OutBuf, Tick};
use crate::proto::peer::{AskPieces, Frame, Manifest, Piece};
use crate::update::{Cid, Dot, Seal, Update, Vector};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a link is given for a piece beside its patience: four may be on their way at 1 MB a second.
const PIECE_MS: u64 = 500;

/// The large payloads of a relay, coming and going.
#[derive(Debug)]
pub(super) struct Blobs<L> {
    assemblies: Assemblies<L>,
    serving: Serving<L>,
    /// Those of the updates that are put together.
    seals: BTreeMap<Cid, Arc<Sealed>>,
    /// Updates for which there was no room when their manifests came.
    later: Vector,
}

impl<L: Copy + Ord> Blobs<L> {
    pub(super) fn new(settings: BlobSettings) -> Self {
        Self {
            assemblies: Assemblies::new(settings),
            serving: Serving::new(),
            seals: BTreeMap::new(),
            later: Vector::new(),
        }
    }

    /// True when an update is on its way in pieces, or waits for room to be.
    pub(super) fn has(&self, dot: Dot) -> bool {
        self.assemblies.has(dot) || self.later.contains(dot)
    }

    /// What is put together, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.view().bytes
    }

    pub(super) fn view(&self) -> AssembliesView {
        self.assemblies.view()
    }

    pub(super) fn on_ask(&mut self, link: L, ask: &AskPieces) -> Result<(), BlobError> {
        self.serving.on_ask(link, ask)
    }

    pub(super) fn due(&self) -> Option<Tick> {
        self.assemblies.deadline()
    }

    pub(super) fn on_beat(&mut self) {
        self.serving.on_beat();
    }
}

impl<L: Copy + Ord> Relay<L> {
    /// A large update that was asked for is to come in pieces.
    pub(super) fn on_manifest<A: Archive>(
        &mut self,
        link: L,
        manifest: &Manifest<'_>,
        seal: Seal,
        archive: &A,
        now: Tick,
    ) -> Result<Arrival, LinkError> {
        let dot = Update::peek_dot(manifest.stub).map_err(LinkError::Envelope)?;
        self.pulls.came(link, dot, now);
        self.blobs.assemblies.on_manifest(link, manifest);
        let is_known = archive.has(dot) || self.gate.contains(dot);
        if is_known || !self.may_take_from(link, dot.epoch, archive) {
            self.plan(archive, now);
            return Ok(Arrival::Duplicate);
        }
        let sealed = Sealed::new(seal);
        let wanted = sealed.seal.cid_of(dot).ok_or(LinkError::Seal(dot.epoch))?;
        if !self.blobs.seals.contains_key(&wanted) && !(self.settings.verify)(&sealed.seal) {
            return Err(LinkError::Seal(dot.epoch));
        }
        let until = now + self.links.get(&link).map_or(0, Link::patience_ms) + PIECE_MS;
        match self.blobs.assemblies.begin(link, manifest, wanted, (now, until))? {
            Begun::Begins => {
                self.blobs.seals.insert(wanted, Arc::new(sealed));
                let has = |(name, at): (&L, &Link)| at.has.contains(dot).then_some(*name);
                self.wake.extend(self.links.iter().filter_map(has));
            }
            Begun::Joins => {}
            Begun::Full => {
                self.blobs.later.insert(dot);
            }
        }
        self.plan(archive, now);
        Ok(Arrival::Nothing)
    }

    /// A piece came.
    pub(super) fn on_piece<A: Archive>(
        &mut self,
        link: L,
        piece: &Piece<'_>,
        archive: &A,
        now: Tick,
    ) -> Result<Arrival, LinkError> {
        let Some(raw) = self.blobs.assemblies.on_piece(link, piece, now)? else {
            if piece.bytes.is_empty() {
                // Retention dropped it there while it was on its way, or it was erased.
                let abandoned = self.blobs.assemblies.abandoned();
                let dropped = abandoned.into_iter().fold(Vector::new(), |mut dropped, dot| {
                    dropped.insert(dot);
                    dropped
                });
                self.drop_blobs(&dropped, archive, now);
            }
            return Ok(Arrival::Nothing);
        };
        let sealed = self.blobs.seals.remove(&piece.cid);
        let update = Update::decode(raw).map_err(LinkError::Envelope)?;
        let is_known = archive.has(update.dot());
        if let Some(sealed) = sealed.filter(|sealed| !is_known && sealed.covers(&update)) {
            if archive.is_lost(update.dot()) {
                self.restored.insert(update.dot(), (update, sealed));
            } else {
                self.gate.put(update, sealed, link);
            }
        }
        self.make_room_for_later(archive, now);
        Ok(Arrival::Ready)
    }

    /// Asks again for what there was no room for, as much as there is room for now.
    fn make_room_for_later<A: Archive>(&mut self, archive: &A, now: Tick) {
        let mut wanted = Vector::new();
        for _ in 0..self.blobs.assemblies.free() {
            let Some(span) = self.blobs.later.spans().next() else { break };
            let first = Dot { epoch: span.epoch, seq: span.from };
            self.blobs.later.remove(first);
            wanted.insert(first);
        }
        self.want(&wanted);
        self.plan(archive, now);
    }

    /// These are to be asked for, of whoever has them.
    fn want(&mut self, dots: &Vector) {
        for span in dots.spans() {
            for seq in span.from..=span.to {
                let dot = Dot { epoch: span.epoch, seq };
                for link in self.links.values_mut().filter(|link| link.has.contains(dot)) {
                    link.todo.insert(dot);
                }
            }
        }
    }

    /// A link is gone.
    pub(super) fn lose_blobs<A: Archive>(&mut self, link: L, archive: &A, now: Tick) {
        self.blobs.serving.lost(link);
        let mut dropped = Vector::new();
        let lost = self.blobs.assemblies.lost(link).into_iter();
        for dot in lost.chain(self.blobs.assemblies.abandoned()) {
            dropped.insert(dot);
        }
        self.drop_blobs(&dropped, archive, now);
    }

    /// What is no longer put together is asked for anew, and gives its place to what waits.
    fn drop_blobs<A: Archive>(&mut self, dropped: &Vector, archive: &A, now: Tick) {
        let underway: Vec<Cid> = self.blobs.assemblies.names().map(|(_, cid)| cid).collect();
        self.blobs.seals.retain(|cid, _| underway.contains(cid));
        if !dropped.is_empty() {
            self.want(dropped);
            self.make_room_for_later(archive, now);
        }
    }

    /// Gives up pieces that did not come in time, and updates of which nothing came for long.
    pub(super) fn give_up_blobs<A: Archive>(&mut self, archive: &A, now: Tick) {
        if self.blobs.due().is_none_or(|due| now < due) {
            return;
        }
        let mut dropped = Vector::new();
        for dot in self.blobs.assemblies.on_time(now) {
            dropped.insert(dot);
        }
        for (dot, _) in self.blobs.assemblies.names() {
            let has = |(name, at): (&L, &Link)| at.has.contains(dot).then_some(*name);
            self.wake.extend(self.links.iter().filter_map(has));
        }
        self.drop_blobs(&dropped, archive, now);
    }

    /// The payload of an update is erased: no piece of it is sent any more.
    pub fn forget_payload(&mut self, dot: Dot) {
        self.blobs.serving.close(dot);
    }

    /// Asks a link for pieces.
    pub(super) fn put_asks(&mut self, link: L, now: Tick, out: &mut OutBuf) {
        let Some(at) = self.links.get(&link).filter(|at| at.is_up() && !self.is_held_back) else {
            return;
        };
        let names: Vec<(Dot, Cid)> = self.blobs.assemblies.names().collect();
        for (_, cid) in names.iter().filter(|(dot, _)| at.has.contains(*dot)) {
            self.blobs.assemblies.joins(link, *cid);
        }
        let wait_ms = at.patience_ms() + PIECE_MS;
        while let Some(ask) = self.blobs.assemblies.ask(link, now, wait_ms) {
            Frame::AskPieces(ask).encode(out.tail());
        }
    }

    /// Writes pieces that a link asked for, until its out-buffer is as long as `full`.
    pub(super) fn put_pieces<A: Archive>(
        &mut self,
        link: L,
        archive: &A,
        full: usize,
        out: &mut OutBuf,
    ) -> Result<(), LinkError> {
        while out.len() < full
            && let Some(served) = self.blobs.serving.next(link, |dot| archive.get(dot))?
        {
            served.put(out);
        }
        if let Some(at) = self.links.get_mut(&link) {
            at.is_piece_next = self.blobs.serving.is_asked(link) && !at.is_piece_next;
        }
        Ok(())
    }
}
