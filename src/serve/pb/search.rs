//! Searches of one connection: the node takes one question at a time, so they are asked one after
//! the other.

use crate::proto::http::Status;
use crate::proto::pb::RequestId;
use crate::reactor::Ctx;
use crate::serve::Desk;
use crate::serve::http::{Problem, Search};
use serde_json::Value;
use std::collections::VecDeque;

/// Searches that may wait.
const WAITING_MAX: usize = 16;

/// How a search ended, and which call asked for it.
pub(super) type Ended = (Option<RequestId>, Result<Value, Problem>);

/// Searches that wait, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Searches {
    waiting: VecDeque<(Option<RequestId>, Search)>,
    /// The first is asked.
    is_asked: bool,
}

impl Searches {
    /// Takes one, which [`Searches::next`] asks; gives its id back when too many wait.
    pub(super) fn add(
        &mut self,
        id: Option<RequestId>,
        search: Search,
    ) -> Result<(), (Option<RequestId>, Problem)> {
        if self.waiting.len() >= WAITING_MAX {
            let detail = format!("{WAITING_MAX} searches wait: wait for one to end");
            return Err((id, Problem::new(Status::TOO_MANY_REQUESTS, detail)));
        }
        self.waiting.push_back((id, search));
        Ok(())
    }

    /// True when none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next that has ended; `None` when the first waits for the node, or there is none.
    pub(super) fn next<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Option<Ended> {
        let (_, search) = self.waiting.front()?;
        let ended = if self.is_asked {
            search.look_json(desk, cx.id())?
        } else {
            match search.ask(cx, desk) {
                Ok(()) => {
                    self.is_asked = true;
                    return None;
                }
                Err(problem) => Err(problem),
            }
        };
        self.is_asked = false;
        let (id, _) = self.waiting.pop_front()?;
        Some((id, ended))
    }

    /// The connection is gone.
    pub(super) fn forget<D: Desk>(&self, cx: &Ctx<'_, D>, desk: &mut D) {
        if self.is_asked {
            desk.forget_search(cx.id());
        }
    }
}
