//! The place of a node's process is given to another program, most often a newer version of this
//! one: the same process, the same listening sockets, nobody refused meanwhile. And what a
//! supervisor is told of that, and of all else.

use super::Node;
use crate::reactor::{Ctx, Finish, tell_supervisor, watchdog};
use std::sync::Arc;

impl Node {
    /// Stops for a successor, once `check` (on a thread of the pool) finds nothing wrong with it:
    /// a node that could not start again stays up, and so does one whose certificates could not be
    /// shown again.
    pub(super) fn give_way<F>(&self, cx: &mut Ctx<'_, Self>, check: &Arc<F>)
    where
        F: Fn() -> Result<(), String> + Send + Sync + 'static,
    {
        let (check, losses) = (Arc::clone(check), self.shelves.losses());
        let job = move || -> Finish<Self> {
            let checked = check().and_then(|()| losses().map_or(Ok(()), Err));
            Box::new(move |cx, _: &mut Self| match checked {
                Ok(()) => {
                    log::info!("another program takes over: connections wait for it");
                    tell_supervisor("RELOADING=1");
                    cx.stop_for_successor();
                }
                Err(error) => log::error!("no other program takes over: {error}"),
            })
        };
        if let Err(full) = cx.offload(Box::new(job)) {
            log::error!("no other program takes over: {full}");
        }
    }
}

/// Tells a supervisor that looks for it, twice in its time, that the loop turns.
pub(super) fn reassure_for_ever(cx: &mut Ctx<'_, Node>) {
    if let Some(time) = watchdog() {
        reassure(cx, (time.as_millis() as u64 / 2).max(1));
    }
}

fn reassure(cx: &mut Ctx<'_, Node>, every_ms: u64) {
    tell_supervisor("WATCHDOG=1");
    cx.call_later(every_ms, move |cx, _| reassure(cx, every_ms));
}
