//! Requests that change something: their body is collected, they may wait for another write of the
//! same story, and are answered when the disk has what was asked of it, never before.

use super::act::{self, Act};
use super::answer::Answer;
use super::problem::Problem;
use super::query::Query;
use super::site::save::Save;
use super::site::sign_in::SignIn;
use super::site::withdraw::WithdrawForm;
use super::trace::trace_id;
use crate::config::{Durability, Limits};
use crate::herd::Feed;
use crate::proto::http::{BodyLength, Status};
use crate::reactor::Ctx;
use crate::serve::offer::{Offer, Said, open_ticket, unsettled};
use crate::serve::{Desk, Receipt, Ticket};
use crate::update::{Cid, Dot};
use serde::Serialize;
use serde_json::Value;

/// A write that was accepted.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) struct Made {
    pub(in crate::serve) receipt: Receipt,
    pub(in crate::serve) is_created: bool,
    /// It was here before, under the alias that the writer gave: nothing was written.
    pub(in crate::serve) is_duplicate: bool,
    /// What the writer wrote, if the update that is answered is the merge that follows it.
    pub(in crate::serve) yours: Option<Cid>,
}

impl Made {
    /// An update that was just written.
    pub(in crate::serve) fn new(receipt: Receipt, is_created: bool) -> Self {
        Self { receipt, is_created, is_duplicate: false, yours: None }
    }
}

/// The answer to a write.
#[derive(Debug, Serialize)]
pub(in crate::serve) struct Written<'a> {
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

    /// False when the time was up before it was as safe as was asked.
    pub(in crate::serve) fn is_met(&self) -> bool {
        self.durability.met != false
    }

    /// The answer: the status of a write that is as safe as was asked, and where to find what was
    /// written; or, when its time was up before, 202 and where to ask how far it came.
    pub(super) fn answer(&self, status: Status, location: Option<String>) -> Answer {
        let is_met = self.is_met();
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
    Offer(Box<Offer>),
    Act(Box<Act>),
    SignIn(Box<SignIn>),
    Save(Box<Save>),
    WithdrawForm(Box<WithdrawForm>),
}

impl From<Said> for Work {
    fn from(said: Said) -> Self {
        Self::Offer(Box::new(said.into()))
    }
}

impl Work {
    /// The answer to a write that is as safe as was asked.
    fn done<D: Desk>(&self, desk: &D, made: &Made) -> Result<Answer, Problem> {
        Ok(match self {
            Self::Offer(offer) => match offer.said() {
                Said::Edit(edit) => edit.done(desk, made),
                Said::Withdraw(withdraw) => withdraw.done(desk, made),
                Said::Post(post) => post.done(desk, made),
            },
            Self::Save(form) => form.done(),
            Self::WithdrawForm(form) => form.done(),
            Self::SignIn(_) | Self::Act(_) => return Err(unsettled()),
        })
    }
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
            Work::Offer(offer) => offer.durability(),
            Work::Act(_) => Durability::Local,
            Work::Save(form) => form.durability(),
            Work::WithdrawForm(form) => form.durability(),
            Work::SignIn(_) => Durability::None,
        }
    }

    /// Refuses a body that is declared too large, before it is read.
    pub(super) fn begin(work: Work, length: BodyLength, limits: &Limits) -> Result<Self, Problem> {
        let body_bytes_max = match &work {
            Work::Offer(offer) => offer.body_bytes_max(limits),
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
            Work::Offer(offer) => offer.on_body(body, limits),
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
        match &mut self.work {
            Work::SignIn(form) => return Ok(form.advance(cx, desk)),
            Work::Act(act) => return Ok(act.advance(cx, desk)),
            Work::Offer(_) | Work::Save(_) | Work::WithdrawForm(_) => {}
        }
        let made = match self.made {
            Some(made) => made,
            // Another write of this story is not on disk yet: it may still fail, and until then
            // nobody can say what this one edits.
            None => match self.title().and_then(|title| desk.writing(title)) {
                Some(ticket) => return Ok(Progress::Wait(ticket)),
                None => match self.publish(cx, desk)? {
                    Ok(made) => made,
                    Err(answer) => return Ok(Progress::Answer(answer)),
                },
            },
        };
        self.made = Some(made);
        match (open_ticket(desk, &made), &self.work) {
            (Ok(Some(ticket)), _) => Ok(Progress::Wait(ticket)),
            (Ok(None), work) => work.done(desk, &made).map(Progress::Answer),
            (Err(problem), Work::Save(form)) => Ok(Progress::Answer(form.refused(desk, problem))),
            (Err(problem), _) => Err(problem),
        }
    }

    /// The story that it changes.
    fn title(&self) -> Option<&str> {
        match &self.work {
            Work::Offer(offer) => offer.title(),
            Work::Save(form) => Some(form.title()),
            Work::WithdrawForm(form) => Some(form.title()),
            Work::SignIn(_) | Work::Act(_) => None,
        }
    }

    /// Makes the update, or says in a form's own page why not.
    fn publish<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Result<Result<Made, Answer>, Problem> {
        let made = match &mut self.work {
            Work::Offer(offer) => Ok(offer.publish(cx, desk)?),
            Work::Save(form) => form.publish(cx, desk),
            Work::WithdrawForm(form) => form.publish(cx, desk),
            Work::SignIn(_) | Work::Act(_) => return Err(unsettled()),
        };
        if let (Ok(made), Some(trace_id)) = (&made, &self.trace_id) {
            desk.note_trace(made.receipt.cid, trace_id);
        }
        Ok(made)
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
            Work::Save(form) => form.refused(desk, unsettled()),
            _ => unsettled().into(),
        }
    }

    /// Nobody waits for its end any more.
    pub(super) fn forget<D: Desk>(&mut self, desk: &mut D) {
        if let Work::SignIn(form) = &mut self.work {
            form.forget(desk);
        }
    }
}

/// What a write waits for: as asked, else as the node is configured.
pub(super) fn durability_of<D: Desk>(desk: &D, query: &Query<'_>) -> Result<Durability, Problem> {
    Ok(query.parsed("durability")?.unwrap_or(desk.config().durability))
}
