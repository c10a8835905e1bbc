//! `follow`: what is published from now on, as it comes. A reader and a filter as for a stream over
//! HTTP: one that is slow costs no more, and is told what it misses.

use super::show::{broken, update};
use crate::herd::Item;
use crate::news::Filter;
use crate::reactor::{Class, Ctx};
use crate::serve::Desk;
use crate::serve::http::{Reading, Wish};

/// How many updates one turn may look at for one reader.
const LOOKED_AT_MAX: usize = 128;

/// A reader.
#[derive(Debug)]
pub(super) struct Follow {
    reading: Reading,
}

impl Follow {
    /// Begins with what comes next; else what to tell.
    pub(super) fn begin<D: Desk>(
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        section: Option<&str>,
    ) -> Result<Self, String> {
        let filter = Filter { section: section.map(str::to_owned), ..Filter::default() };
        let reading = Reading::begin(desk, Wish::new(None, filter)).map_err(|e| broken(&e))?;
        desk.attend(cx.id());
        desk.tally().telnet_followers += 1;
        cx.transport().set_class(Class::Subscriber);
        Ok(Self { reading })
    }

    /// What there is to be shown now, as far as there is room.
    pub(super) fn pump<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        mut show: impl FnMut(&mut Ctx<'_, D>, &str),
    ) -> Result<(), String> {
        // Who takes nothing for so long is cut; who has nothing to take is not.
        let stall_ms = desk.config().limits.stall_ms;
        if !cx.transport().is_full() {
            self.reading.look_at_lag(cx, desk);
        }
        for _ in 0..LOOKED_AT_MAX {
            let is_full = cx.transport().is_full();
            cx.transport().set_idle(is_full.then_some(stall_ms));
            if is_full {
                return Ok(());
            }
            match self.reading.next(desk).map_err(|error| broken(&error))? {
                Some(Item::Update(found)) => {
                    if let Some(text) = update(&found) {
                        show(cx, &text);
                    }
                }
                Some(Item::Gap(gap)) => show(cx, &format!("({} left out here)", gap.count)),
                Some(Item::Passed) => {}
                None => return Ok(()),
            }
        }
        // There is more; the others have their turn first.
        cx.transport().notify();
        Ok(())
    }
}

/// The connection at hand follows no more.
pub(super) fn end<D: Desk>(cx: &mut Ctx<'_, D>, desk: &mut D) {
    desk.leave(cx.id());
    desk.tally().telnet_followers -= 1;
    let mut transport = cx.transport();
    transport.set_class(Class::Client);
    transport.set_idle(None);
}
