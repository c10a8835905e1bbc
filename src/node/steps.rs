//! What comes on links goes into the log: in the order in which the relay has it ready, for as long
//! as the log takes anything.

use super::Node;
use crate::herd::Step;
use crate::reactor::Ctx;
use crate::serve::peer::HerdDesk;
use crate::store::{Apply, Birth, StoreError};

impl Node {
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
                let link = self.relay.source();
                self.note_hop(cx, &update, link);
            }
            Step::Restore(update, sealed) => {
                self.restore(&update, &sealed.seal)?;
                self.search_after_news(cx);
            }
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
    pub(super) fn begin_epoch(&mut self, cx: &mut Ctx<'_, Self>) {
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

    /// Counts as had what is over, as far as anyone but a liar may have said so.
    pub(super) fn take_passed(&mut self, cx: &mut Ctx<'_, Self>) {
        let roll = &self.roll;
        let attested = |link, epoch| roll.attested_beside(link, epoch);
        if self.relay.take_passed(&self.store, cx.now(), attested) {
            self.take_steps(cx);
        }
    }
}
