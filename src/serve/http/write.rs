//! Requests that change something: their body is collected, they may wait for another write of the
//! same story, and are answered when the disk has what was asked of it, never before.

use super::act::{self, Act};
use super::answer::Answer;
use super::edit::Edit;
use super::problem::Problem;
use super::query::Query;
use super::site::save::Save;
use super::site::sign_in::SignIn;
use super::site::withdraw::WithdrawForm;
use super::topics::Post;
use super::trace::trace_id;
use super::withdraw::Withdraw;
use crate::config::{Durability, Limits};
use crate::herd::Feed;
use crate::proto::http::{BodyLength, Status};
use crate::reactor::Ctx;
use crate::serve::{Desk, Receipt, Settled, Ticket};
use crate::update::{Cid, Dot};
use serde::Serialize;
use serde_json::Value;

/// A write that was accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) receipt: Receipt,
    pub(super) is_created: bool,
    /// It was here before, under the alias that the writer gave: nothing was written.
    pub(super) is_duplicate: bool,
    /// What the writer wrote, if the update that is answered is the merge that follows it.
    pub(super) yours: Option<Cid>,
}

impl Made {
    /// An update that was just written.
    pub(super) fn new(receipt: Receipt, is_created: bool) -> Self {
        Self { receipt, is_created, is_duplicate: false, yours: None }
    }
}

/// The answer to a write.
#[derive(Debug, Serialize)]
pub(super) struct Written<'a> {
    id: String,
    cursor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    heads: Vec<String>,
    durability: Met,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    yours: Option<String>,
}

/// What was asked, and the same again once it is met; until then `false`.
#[derive(Debug, Serialize)]
pub(super) struct Met {
    asked: String,
    met: Value,
}

impl Met {
    /// How an update stands now.
    pub(super) fn of<D: Desk>(desk: &D, dot: Dot, durability: Durability) -> Self {
        let asked = durability.to_string();
        let is_met = desk.is_as_safe_as(dot, durability);
        let met = if is_met { asked.clone().into() } else { false.into() };
        Self { asked, met }
    }
}

impl<'a> Written<'a> {
    /// An update that is as safe as was asked; its cursor stands behind it.
    pub(super) fn new<D: Desk>(desk: &D, made: &Made, durability: Durability) -> Self {
        let receipt = &made.receipt;
        Self {
            id: receipt.cid.to_string(),
            cursor: Feed::cursor_behind(desk.store(), receipt.dot).to_string(),
            title: None,
            topic: None,
            heads: Vec::new(),
            durability: Met::of(desk, receipt.dot, durability),
            duplicate: made.is_duplicate,
            yours: made.yours.map(|cid| cid.to_string()),
        }
    }

    /// It is a revision of this story, whose heads are these now.
    pub(super) fn of_story(self, title: &'a str, heads: impl Iterator<Item = Cid>) -> Self {
        Self { title: Some(title), heads: heads.map(|head| head.to_string()).collect(), ..self }
    }

    /// It is on this topic.
    pub(super) fn of_topic(self, topic: &'a str) -> Self {
        Self { topic: Some(topic), ..self }
    }

    /// The answer: the status of a write that is as safe as was asked, and where to find what was
    /// written; or, when its time was up before, 202 and where to ask how far it came.
    pub(super) fn answer(&self, status: Status, location: Option<String>) -> Answer {
        let is_met = self.durability.met != false;
        let status = if is_met { status } else { Status::ACCEPTED };
        let location =
            if is_met { location } else { Some(format!("/v1/updates/{}/spread", self.id)) };
        let answer = Answer::json(status, self);
        match location {
            Some(location) => answer.field("Location", location),
            None => answer,
        }
    }
}

/// What is written.
#[derive(Debug)]
pub(super) enum Work {
    Edit(Box<Edit>),
    Withdraw(Withdraw),
    Post(Post),
    Act(Box<Act>),
    SignIn(Box<SignIn>),
    Save(Box<Save>),
    WithdrawForm(Box<WithdrawForm>),
}

/// How far a write got.
#[derive(Debug)]
pub(super) enum Progress {
    /// It has its answer.
    Answer(Answer),
    /// Nothing more can be done before this is settled.
    Wait(Ticket),
    /// Nothing more can be done before the pool has checked a password; it notifies by itself.
    Check,
}

/// A write and its body as it comes.
#[derive(Debug)]
pub(super) struct Write {
    work: Work,
    body: Vec<u8>,
    body_bytes_max: usize,
    made: Option<Made>,
    /// The writer's own trace that it belongs to.
    trace_id: Option<String>,
}

impl Write {
    /// What it waits for.
    pub(super) fn durability(&self) -> Durability {
        match &self.work {
            Work::Edit(edit) => edit.durability(),
            Work::Withdraw(withdraw) => withdraw.durability(),
            Work::Post(post) => post.durability(),
            Work::Act(_) => Durability::Local,
            Work::Save(form) => form.durability(),
            Work::WithdrawForm(form) => form.durability(),
            Work::SignIn(_) => Durability::None,
        }
    }

    /// Refuses a body that is declared too large, before it is read.
    pub(super) fn begin(work: Work, length: BodyLength, limits: &Limits) -> Result<Self, Problem> {
        let body_bytes_max = match &work {
            Work::Edit(edit) => edit.body_bytes_max(limits.story_bytes),
            // Its reason is in the query; a body has no meaning, but may be sent.
            Work::Withdraw(_) => limits.head_bytes,
            Work::Post(post) => post.body_bytes_max(limits.update_bytes),
            Work::Act(_) => act::FORM_BYTES_MAX,
            Work::Save(_) => Save::body_bytes_max(limits.story_bytes),
            Work::WithdrawForm(_) => WithdrawForm::body_bytes_max(),
            Work::SignIn(_) => SignIn::body_bytes_max(),
        };
        match length {
            BodyLength::Length(bytes) if bytes > body_bytes_max as u64 => {
                Err(Problem::too_large(body_bytes_max))
            }
            _ => {
                let (body, made, trace_id) = (Vec::new(), None, None);
                Ok(Self { work, body, body_bytes_max, made, trace_id })
            }
        }
    }

    /// It belongs to the trace that a `traceparent` names, if there is one that reads.
    pub(super) fn traced(mut self, traceparent: Option<&str>) -> Self {
        self.trace_id = traceparent.and_then(trace_id).map(str::to_owned);
        self
    }

    /// Takes a piece of the body, when there is room for so many more bytes in this node.
    pub(super) fn on_body(&mut self, piece: &[u8], room: u64) -> Result<(), Problem> {
        if self.body.len() + piece.len() > self.body_bytes_max {
            return Err(Problem::too_large(self.body_bytes_max));
        }
        if piece.len() as u64 > room {
            let detail = "the requests under way fill the memory that this node has for their \
                          bodies: try again soon, or another node";
            return Err(Problem::later(detail, 1).closing());
        }
        self.body.extend_from_slice(piece);
        Ok(())
    }

    /// The body is complete.
    pub(super) fn on_end(&mut self, limits: &Limits) -> Result<(), Problem> {
        let body = std::mem::take(&mut self.body);
        match &mut self.work {
            Work::Edit(edit) => edit.on_body(body, limits.story_bytes),
            Work::Withdraw(_) => Ok(()),
            Work::Post(post) => post.on_body(body),
            Work::Act(act) => act.on_body(&body),
            Work::Save(form) => form.on_body(&body, limits.story_bytes),
            Work::WithdrawForm(form) => form.on_body(&body),
            Work::SignIn(form) => form.on_body(&body),
        }
    }

    /// Goes on as far as it can.
    pub(super) fn advance<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Result<Progress, Problem> {
        if let Some(answer) = self.form_again(desk) {
            return Ok(Progress::Answer(answer));
        }
        if self.made.is_none() {
            // Another write of this story is not on disk yet: it may still fail, and until then
            // nobody can say what this one edits.
            let title = match &self.work {
                Work::Edit(edit) => Some(edit.title()),
                Work::Withdraw(withdraw) => Some(withdraw.title()),
                Work::Save(form) => Some(form.title()),
                Work::WithdrawForm(form) => Some(form.title()),
                Work::Post(_) | Work::SignIn(_) | Work::Act(_) => None,
            };
            if let Some(ticket) = title.and_then(|title| desk.writing(title)) {
                return Ok(Progress::Wait(ticket));
            }
            self.made = Some(match &mut self.work {
                Work::Edit(edit) => edit.publish(cx, desk)?,
                Work::Withdraw(withdraw) => withdraw.publish(cx, desk)?,
                Work::Post(post) => post.publish(cx, desk)?,
                Work::SignIn(form) => return Ok(form.advance(cx, desk)),
                Work::Act(act) => return Ok(act.advance(cx, desk)),
                Work::Save(form) => match form.publish(cx, desk) {
                    Ok(made) => made,
                    Err(answer) => return Ok(Progress::Answer(answer)),
                },
                Work::WithdrawForm(form) => match form.publish(cx, desk) {
                    Ok(made) => made,
                    Err(answer) => return Ok(Progress::Answer(answer)),
                },
            });
            if let (Some(made), Some(trace_id)) = (&self.made, &self.trace_id) {
                desk.note_trace(made.receipt.cid, trace_id);
            }
        }
        let Some(made) = self.made else {
            return Err(Self::unsettled());
        };
        match made.receipt.ticket.map(|ticket| (ticket, desk.settled(ticket))) {
            Some((ticket, None)) => Ok(Progress::Wait(ticket)),
            Some((_, Some(Settled::Refused))) => {
                let detail = "this node's disk failed: nothing of the write was kept";
                let problem = Problem::later(detail, 5);
                match &self.work {
                    Work::Save(form) => Ok(Progress::Answer(form.refused(desk, problem))),
                    _ => Err(problem),
                }
            }
            None | Some((_, Some(Settled::Done))) => Ok(Progress::Answer(match &self.work {
                Work::Edit(edit) => edit.done(desk, &made),
                Work::Withdraw(withdraw) => withdraw.done(desk, &made),
                Work::Post(post) => post.done(desk, &made),
                Work::Save(form) => form.done(),
                Work::WithdrawForm(form) => form.done(),
                Work::SignIn(_) | Work::Act(_) => return Err(Self::unsettled()),
            })),
        }
    }

    /// The answer to a form that changes nothing: a preview, or what can't stand as it is.
    fn form_again<D: Desk>(&self, desk: &D) -> Option<Answer> {
        match &self.work {
            Work::Save(form) => form.early(desk),
            Work::WithdrawForm(form) => form.early(desk),
            _ => None,
        }
    }

    /// What is said when the disk gave no answer in time.
    pub(super) fn late<D: Desk>(&self, desk: &D) -> Answer {
        match &self.work {
            Work::Save(form) => form.refused(desk, Self::unsettled()),
            _ => Self::unsettled().into(),
        }
    }

    /// Nobody waits for its end any more.
    pub(super) fn forget<D: Desk>(&mut self, desk: &mut D) {
        if let Work::SignIn(form) = &mut self.work {
            form.forget(desk);
        }
    }

    /// 503 for a write whose disk gave no answer in time.
    fn unsettled() -> Problem {
        let detail = "this node's disk gave no answer in time: the write may yet be kept, so read \
                      before you try again";
        Problem::later(detail, 5)
    }
}

/// What a write waits for: as asked, else as the node is configured.
pub(super) fn durability_of<D: Desk>(desk: &D, query: &Query<'_>) -> Result<Durability, Problem> {
    Ok(query.parsed("durability")?.unwrap_or(desk.config().durability))
}
