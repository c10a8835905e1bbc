//! POST: an article is collected, handed to `usenet`, and answered by 240 when it is on disk, or by
//! 441 and why not; where the disk is silent for long, by 441 and that it may yet come.

use super::{NntpConnection, Task};
use crate::accounts::Scope;
use crate::proto::nntp::BlockEnd;
use crate::reactor::Ctx;
use crate::serve::offer::wait_ms_max;
use crate::serve::usenet::{self, Intake, Posting, Took};
use crate::serve::{Desk, Lacks};
use crate::store::StoreError;

/// An article that waits for the disk.
#[derive(Debug)]
pub(super) struct Settling(Posting);

impl NntpConnection {
    /// POST: 340 for who may.
    pub(super) fn post<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &D,
    ) -> Result<(), StoreError> {
        match self.guest.visitor(desk)?.may(Scope::Write) {
            Ok(()) => {
                self.outlet.reply(cx, 340, "send the article, and a dot behind it");
                self.codec.expect_block();
                self.task = Task::Receiving(Intake::default());
            }
            Err(Lacks::SignIn(_)) if self.outlet.is_compressed() => {
                self.outlet.reply(cx, 440, "to post, sign in before you compress");
            }
            Err(Lacks::SignIn(_)) if self.guest.is_safe() => {
                self.guest.forget();
                self.outlet.reply(cx, 480, "sign in to post");
            }
            Err(Lacks::SignIn(_)) => self.outlet.reply(cx, 483, "sign in over TLS to post"),
            Err(Lacks::Scope(_)) => self.outlet.reply(cx, 440, "you may not post"),
        }
        Ok(())
    }

    /// The article is here.
    pub(super) fn posted<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        mut article: Intake,
        end: BlockEnd,
    ) {
        let bytes = article.give(desk);
        if end == BlockEnd::TooLarge {
            return self.refuse(cx, desk, "the article is too large");
        }
        if article.is_refused() {
            return self.refuse(cx, desk, "too much is posted here now: try again soon");
        }
        let visitor = match self.guest.visitor(desk) {
            Ok(visitor) => visitor,
            Err(error) => {
                log::error!("who posts can't be looked up: {error}");
                return self.refuse(cx, desk, "this node can't look up who you are: try again");
            }
        };
        if visitor.may(Scope::Write).is_err() {
            return self.refuse(cx, desk, "you may not post any more");
        }
        match usenet::post(cx, desk, &bytes, &visitor) {
            Ok(posting) => {
                self.task = Task::Settling(Box::new(Settling(posting)));
                let wait_ms = wait_ms_max(usenet::durability(desk), &desk.config().limits);
                self.due = Some(cx.now() + wait_ms);
                self.settle(cx, desk);
            }
            Err(refusal) => self.refuse(cx, desk, &refusal.to_string()),
        }
    }

    pub(super) fn refuse<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, why: &str) {
        self.outlet.reply(cx, 441, why);
        desk.tally().nntp.refused += 1;
    }

    /// Looks how far an article has come that waits.
    pub(super) fn settle<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        let Task::Settling(mut settling) = std::mem::replace(&mut self.task, Task::Free) else {
            return;
        };
        match settling.0.take.advance(cx, desk) {
            Took::Wait(ticket) => {
                desk.await_ticket(ticket, cx.id());
                self.task = Task::Settling(settling);
            }
            Took::Retry(ms) => {
                cx.notify_later(ms);
                self.task = Task::Settling(settling);
            }
            Took::Done => {
                let text = format!("{} is posted", settling.0.message_id);
                self.outlet.reply(cx, 240, &text);
                desk.tally().nntp.posted += 1;
            }
            Took::Refused(refused) => self.refuse(cx, desk, &refused.to_string()),
            Took::Failed => self.refuse(cx, desk, "this node can't keep it now: try again later"),
        }
    }
}
