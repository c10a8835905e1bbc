//! What the log lost, as an audit finds or any reading may: it is asked for again of whoever has
//! it, and written again.

use super::Node;
use crate::reactor::Ctx;
use crate::serve::peer::HerdDesk;
use crate::store::StoreError;
use crate::update::{Seal, Update};

/// Between two looks at what is lost.
const MEND_MS: u64 = 1_000;

impl Node {
    /// Asks for what the log lost, for as long as the node runs.
    pub(super) fn mend_for_ever(&mut self, cx: &mut Ctx<'_, Self>) {
        let lost = self.store.lost();
        let new = lost.beyond(&self.known_lost);
        if !new.is_empty() {
            log::error!("the log is damaged: {new:?} can't be read; they are asked for again");
        }
        if !lost.is_empty() {
            self.relay.ask_for_lost(&self.store, cx.now());
            self.wake_links(cx);
        }
        self.known_lost = lost;
        cx.call_later(MEND_MS, |cx, node| node.mend_for_ever(cx));
    }

    /// A peer gave back what the log lost.
    pub(super) fn restore(&mut self, update: &Update, seal: &Seal) -> Result<(), StoreError> {
        if self.store.restore(update, seal)? {
            self.figures.restored += 1;
            log::warn!("{} of {} is in the log again", update.dot(), update.origin());
            self.index(update);
            if let Some(search) = &mut self.search {
                search.note_restored(update, self.store.log_end());
            }
        }
        Ok(())
    }
}
