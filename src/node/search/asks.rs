//! Those who ask the search index: in order, one at a time, each for a bounded while.

use super::{Node, guarded};
use crate::reactor::{ConnId, Ctx, TimerId};
use crate::search::{Ask, Fault, Found, Index};
use crate::serve::{SearchBacklog, SearchRefusal};
use std::collections::{BTreeMap, VecDeque};

/// Who waits, and what was answered.
#[derive(Debug, Default)]
pub(super) struct Asks {
    /// Not while a job has it.
    pub(super) reader: Option<Index>,
    waiting: VecDeque<(ConnId, Ask)>,
    /// Whose question is out, unless that is of no interest any more.
    asking: Option<ConnId>,
    /// Ends the question that is out when its time is over.
    timer: Option<TimerId>,
    answers: BTreeMap<ConnId, Result<Found, Fault>>,
}

impl Asks {
    pub(super) fn begin(&mut self, reader: Index) {
        self.reader = Some(reader);
        self.asking = None;
    }
}

impl Node {
    pub(in crate::node) fn ask_search(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        ask: Ask,
    ) -> Result<(), SearchRefusal> {
        let Some(search) = self.search.as_mut().filter(|search| search.is_open) else {
            return Err(SearchRefusal::Absent);
        };
        if search.asks.waiting.len() >= self.config.limits.searches {
            return Err(SearchRefusal::Busy);
        }
        search.asks.waiting.push_back((cx.id(), ask));
        self.answer_next(cx);
        Ok(())
    }

    /// Gives the reader the next question, if it is here and there is one.
    pub(super) fn answer_next(&mut self, cx: &mut Ctx<'_, Self>) {
        let Some(search) = self.search.as_mut().filter(|search| !search.is_condemned) else {
            return;
        };
        let asks = &mut search.asks;
        if asks.waiting.is_empty() {
            return;
        }
        let (Some(reader), Some((conn, ask))) = (asks.reader.take(), asks.waiting.pop_front())
        else {
            return;
        };
        let interrupt = reader.interrupt();
        asks.asking = Some(conn);
        asks.timer = Some(cx.call_later(self.config.limits.search_ms, move |_, _| interrupt.end()));
        self.search_job(cx, move || {
            let found = guarded(|| reader.find(&ask));
            Box::new(move |cx, node: &mut Self| node.answered(cx, reader, found))
        });
    }

    fn answered(&mut self, cx: &mut Ctx<'_, Self>, reader: Index, found: Result<Found, Fault>) {
        let Some(search) = &mut self.search else { return };
        let asks = &mut search.asks;
        asks.reader = Some(reader);
        if let Some(timer) = asks.timer.take() {
            cx.cancel(timer);
        }
        if let Err(fault) = &found {
            log::warn!("a search failed: {fault}");
            search.is_condemned |= fault.is_damage();
        }
        if let Some(conn) = asks.asking.take() {
            asks.answers.insert(conn, found);
            cx.transport_of(conn).notify();
        }
        self.answer_next(cx);
        self.look_at_condemned(cx);
    }

    pub(in crate::node) fn take_found(&mut self, conn: ConnId) -> Option<Result<Found, Fault>> {
        self.search.as_mut()?.asks.answers.remove(&conn)
    }

    pub(in crate::node) fn forget_ask(&mut self, conn: ConnId) {
        let Some(search) = &mut self.search else { return };
        let asks = &mut search.asks;
        asks.waiting.retain(|(waiting, _)| *waiting != conn);
        asks.answers.remove(&conn);
        asks.asking.take_if(|asking| *asking == conn);
    }

    pub(in crate::node) fn search_backlog_now(&self) -> SearchBacklog {
        let Some(search) = &self.search else { return SearchBacklog::default() };
        let is_reading = !search.gather.is_read() || !search.is_open;
        SearchBacklog { is_reading, stories: search.gather.waiting() }
    }
}
