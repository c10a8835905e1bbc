//! A write by any protocol: an edit, a withdrawal, an update of a topic. It may wait for another
//! write of the same story, is judged as the story stands then, and is done when it is as safe as
//! was asked, never before.
//!
//! [`Offer::advance`] until it is done. While it waits, ask [`Desk::await_ticket`] for a notice.

use super::http::{Draft, Edit, Made, Post, Problem, Withdraw, Written, lacking};
use super::{Desk, Settled, Ticket, Visitor};
use crate::accounts::Scope;
use crate::config::{Durability, Limits};
use crate::news::Conflict;
use crate::reactor::Ctx;
use crate::update::Cid;

/// How long a silent disk keeps a writer waiting, in milliseconds, beside the time for its spread.
pub(super) const SETTLE_MS_MAX: u64 = 30_000;

/// How long a writer waits at most for this, in milliseconds; then it is told [`unsettled`].
pub(super) fn wait_ms_max(durability: Durability, limits: &Limits) -> u64 {
    SETTLE_MS_MAX + if durability.is_wide() { limits.spread_ms } else { 0 }
}

/// What is written.
#[derive(Debug)]
pub(super) enum Said {
    Edit(Box<Edit>),
    Withdraw(Withdraw),
    Post(Post),
}

/// A write under way.
#[derive(Debug)]
pub(super) struct Offer {
    said: Said,
    made: Option<Made>,
}

/// How far a write got.
#[derive(Clone, Copy, Debug)]
pub(super) enum Offered {
    /// Nothing more can be done before this is settled.
    Wait(Ticket),
    /// It was made, and the wait for what was asked of it is over.
    Done(Made),
}

impl From<Said> for Offer {
    fn from(said: Said) -> Self {
        Self { said, made: None }
    }
}

impl Offer {
    /// The write of a story: a draft that was made of `base`, if it was made of anything, and what
    /// to do where that is not the head any more.
    pub(super) fn edit<D: Desk>(
        desk: &D,
        (title, draft): (&str, Draft),
        (base, conflict): (Option<Cid>, Option<Conflict>),
        durability: Durability,
        writer: &Visitor,
    ) -> Result<Self, Problem> {
        writer.may(Scope::Write).map_err(lacking)?;
        let edit = Edit::of_draft((title, draft), (base, conflict), durability, writer);
        edit.check(desk.config().limits.story_bytes)?;
        Ok(Said::Edit(Box::new(edit)).into())
    }

    /// The withdrawal of a story.
    pub(super) fn withdraw(
        (title, reason): (&str, &str),
        durability: Durability,
        writer: &Visitor,
    ) -> Result<Self, Problem> {
        writer.may(Scope::Withdraw).map_err(lacking)?;
        Ok(Said::Withdraw(Withdraw::of(title, reason, durability)?).into())
    }

    /// The withdrawal of a story by an article: its name outside of the herd, and what of it is to
    /// be handed on as it came.
    pub(super) fn cancel(
        (title, reason): (&str, &str),
        article: (&str, &[u8]),
        durability: Durability,
        writer: &Visitor,
    ) -> Result<Self, Problem> {
        writer.may(Scope::Withdraw).map_err(lacking)?;
        let withdraw = Withdraw::of_article((title, reason), article, durability)?;
        Ok(Said::Withdraw(withdraw).into())
    }

    /// An update of a topic.
    pub(super) fn post<D: Desk>(
        desk: &D,
        (topic, media_type): (&str, &str),
        payload: Vec<u8>,
        durability: Durability,
        writer: &Visitor,
    ) -> Result<Self, Problem> {
        writer.may(Scope::Write).map_err(lacking)?;
        let bytes_max = desk.config().limits.update_bytes;
        if payload.len() > bytes_max {
            return Err(Problem::too_large(bytes_max));
        }
        Ok(Said::Post(Post::of(topic, media_type, durability, payload)?).into())
    }

    /// What it says.
    pub(super) fn said(&self) -> &Said {
        &self.said
    }

    /// The most bytes that its body may have.
    pub(super) fn body_bytes_max(&self, limits: &Limits) -> usize {
        match &self.said {
            Said::Edit(edit) => edit.body_bytes_max(limits.story_bytes),
            // Its reason is elsewhere; a body has no meaning, but may be sent.
            Said::Withdraw(_) => limits.head_bytes,
            Said::Post(post) => post.body_bytes_max(limits.update_bytes),
        }
    }

    /// Takes the whole body, where it came apart from the rest.
    pub(super) fn on_body(&mut self, body: Vec<u8>, limits: &Limits) -> Result<(), Problem> {
        match &mut self.said {
            Said::Edit(edit) => edit.on_body(body, limits.story_bytes),
            Said::Withdraw(_) => Ok(()),
            Said::Post(post) => post.on_body(body),
        }
    }

    /// What it waits for.
    pub(super) fn durability(&self) -> Durability {
        match &self.said {
            Said::Edit(edit) => edit.durability(),
            Said::Withdraw(withdraw) => withdraw.durability(),
            Said::Post(post) => post.durability(),
        }
    }

    /// The story that it changes.
    pub(super) fn title(&self) -> Option<&str> {
        match &self.said {
            Said::Edit(edit) => Some(edit.title()),
            Said::Withdraw(withdraw) => Some(withdraw.title()),
            Said::Post(_) => None,
        }
    }

    /// Goes on as far as it can. After an error, or [`Offered::Done`], it is over.
    pub(super) fn advance<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Result<Offered, Problem> {
        let made = match self.made {
            Some(made) => made,
            None => match self.title().and_then(|title| desk.writing(title)) {
                Some(ticket) => return Ok(Offered::Wait(ticket)),
                None => self.publish(cx, desk)?,
            },
        };
        self.made = Some(made);
        Ok(match open_ticket(desk, &made)? {
            Some(ticket) => Offered::Wait(ticket),
            None => Offered::Done(made),
        })
    }

    /// Makes the update; another write of its story must not be under way.
    pub(super) fn publish<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Result<Made, Problem> {
        match &mut self.said {
            Said::Edit(edit) => edit.publish(cx, desk),
            Said::Withdraw(withdraw) => withdraw.publish(cx, desk),
            Said::Post(post) => post.publish(cx, desk),
        }
    }

    /// What its writer is told.
    pub(super) fn written<D: Desk>(&self, desk: &D, made: &Made) -> Written<'_> {
        match &self.said {
            Said::Edit(edit) => edit.written(desk, made),
            Said::Withdraw(withdraw) => withdraw.written(desk, made),
            Said::Post(post) => post.written(desk, made),
        }
    }
}

/// What an update still waits for: none once its writer can be told. A problem when the disk
/// failed.
pub(super) fn open_ticket<D: Desk>(desk: &D, made: &Made) -> Result<Option<Ticket>, Problem> {
    let Some(ticket) = made.receipt.ticket else { return Ok(None) };
    match desk.settled(ticket) {
        None => Ok(Some(ticket)),
        Some(Settled::Done) => Ok(None),
        Some(Settled::Refused) => {
            let detail = "this node's disk failed: nothing of the write was kept";
            Err(Problem::later(detail, 5))
        }
    }
}

/// What is said when the disk gave no answer in time.
pub(super) fn unsettled() -> Problem {
    let detail = "this node's disk gave no answer in time: the write may yet be kept, so read \
                  before you try again";
    Problem::later(detail, 5)
}
