//! This node's own updates on their way to its links: sealed, many at a time, and handed on.

use super::Node;
use crate::herd::Sealed;
use crate::reactor::Ctx;
use crate::serve::peer::HerdDesk;
use crate::store::Unsealed;
use crate::update::{Dot, Seal, Update, Word};
use std::sync::Arc;

impl Node {
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
}
