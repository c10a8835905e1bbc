//! Requests that change something: their body is collected, they may wait for another write of the
//! same story, and are answered when the disk has what was asked of it, never before.

use super::answer::Answer;
use super::edit::Edit;
use super::problem::Problem;
use super::query::Query;
use super::topics::Post;
use crate::config::{Durability, Limits};
use crate::proto::http::BodyLength;
use crate::reactor::Ctx;
use crate::serve::{Desk, Receipt, Settled, Ticket};
use crate::update::{Cid, Cursor};
use serde::Serialize;

/// A write that was accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) receipt: Receipt,
    pub(super) is_created: bool,
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
}

#[derive(Debug, Serialize)]
struct Met {
    asked: String,
    met: String,
}

impl<'a> Written<'a> {
    /// An update that is as safe as was asked; its cursor stands behind it.
    pub(super) fn new<D: Desk>(desk: &D, receipt: &Receipt, durability: Durability) -> Self {
        let mut cursor = Cursor(desk.store().visible());
        cursor.0.insert(receipt.dot);
        let (asked, met) = (durability.to_string(), durability.to_string());
        Self {
            id: receipt.cid.to_string(),
            cursor: cursor.to_string(),
            title: None,
            topic: None,
            heads: Vec::new(),
            durability: Met { asked, met },
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
}

/// What is written.
#[derive(Debug)]
pub(super) enum Work {
    Edit(Box<Edit>),
    Post(Post),
}

/// How far a write got.
#[derive(Debug)]
pub(super) enum Progress {
    /// It has its answer.
    Answer(Answer),
    /// Nothing more can be done before this is settled.
    Wait(Ticket),
}

/// A write and its body as it comes.
#[derive(Debug)]
pub(super) struct Write {
    work: Work,
    body: Vec<u8>,
    body_bytes_max: usize,
    made: Option<Made>,
}

impl Write {
    /// Refuses a body that is declared too large, before it is read.
    pub(super) fn begin(work: Work, length: BodyLength, limits: &Limits) -> Result<Self, Problem> {
        let body_bytes_max = match &work {
            Work::Edit(edit) => edit.body_bytes_max(limits.story_bytes),
            Work::Post(_) => limits.update_bytes,
        };
        match length {
            BodyLength::Length(bytes) if bytes > body_bytes_max as u64 => {
                Err(Problem::too_large(body_bytes_max))
            }
            _ => Ok(Self { work, body: Vec::new(), body_bytes_max, made: None }),
        }
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
            Work::Post(post) => {
                post.on_body(body);
                Ok(())
            }
        }
    }

    /// Goes on as far as it can.
    pub(super) fn advance<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Result<Progress, Problem> {
        if self.made.is_none() {
            // Another write of this story is not on disk yet: it may still fail, and until then
            // nobody can say what this one edits.
            if let Work::Edit(edit) = &self.work
                && let Some(ticket) = desk.writing(edit.title())
            {
                return Ok(Progress::Wait(ticket));
            }
            self.made = Some(match &mut self.work {
                Work::Edit(edit) => edit.publish(cx, desk)?,
                Work::Post(post) => post.publish(cx, desk)?,
            });
        }
        let Some(made) = self.made else {
            return Err(Self::unsettled());
        };
        match made.receipt.ticket.map(|ticket| (ticket, desk.settled(ticket))) {
            Some((ticket, None)) => Ok(Progress::Wait(ticket)),
            Some((_, Some(Settled::Refused))) => {
                let detail = "this node's disk failed: nothing of the write was kept";
                Err(Problem::later(detail, 5))
            }
            None | Some((_, Some(Settled::Done))) => Ok(Progress::Answer(match &self.work {
                Work::Edit(edit) => edit.done(desk, &made),
                Work::Post(post) => post.done(desk, &made),
            })),
        }
    }

    /// 503 for a write whose disk gave no answer in time.
    pub(super) fn unsettled() -> Problem {
        let detail = "this node's disk gave no answer in time: the write may yet be kept, so read \
                      before you try again";
        Problem::later(detail, 5)
    }
}

/// What a write waits for: as asked, else as the node is configured.
pub(super) fn durability_of<D: Desk>(desk: &D, query: &Query<'_>) -> Result<Durability, Problem> {
    let asked: Option<Durability> = query.parsed("durability")?;
    let durability = asked.unwrap_or(desk.config().durability);
    durability.supported().map_err(|error| Problem::malformed(format!("durability: {error}")))
}
