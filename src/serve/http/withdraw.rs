//! `DELETE /v1/stories/{title}`: a story is withdrawn, for good, with the reason why.

use super::answer::Answer;
use super::edit::{condition, title_fault, unmet};
use super::problem::Problem;
use super::stories::{Asked, standing};
use super::write::{Made, Written, durability_of};
use crate::config::Durability;
use crate::news::{Ask, TOPIC_STORIES, Withdrawal};
use crate::proto::http::Status;
use crate::reactor::Ctx;
use crate::serve::{Desk, Entry};
use crate::update::Kind;

/// Of a payload that is in a form of our own.
const MEDIA_TYPE: &str = "application/octet-stream";

/// A withdrawal under way.
#[derive(Debug)]
pub(in crate::serve) struct Withdraw {
    title: String,
    payload: Vec<u8>,
    ask: Ask,
    durability: Durability,
}

impl Withdraw {
    /// Reads all that the head says.
    pub(super) fn begin<D: Desk>(
        desk: &D,
        title: &str,
        asked: &Asked<'_>,
    ) -> Result<Self, Problem> {
        title_fault(title)?;
        let reason = asked.query.text("reason").unwrap_or_default();
        let ask = Ask {
            if_match: condition(&asked.fields, "if-match")?,
            if_none_match: condition(&asked.fields, "if-none-match")?,
            ..Ask::default()
        };
        Ok(Self {
            title: title.to_owned(),
            payload: Withdrawal { title, reason }.encode()?,
            ask,
            durability: durability_of(desk, &asked.query)?,
        })
    }

    /// The withdrawal of a title, for a reason that is empty or given.
    pub(in crate::serve) fn of(
        title: &str,
        reason: &str,
        durability: Durability,
    ) -> Result<Self, Problem> {
        title_fault(title)?;
        let payload = Withdrawal { title, reason }.encode()?;
        Ok(Self { title: title.to_owned(), payload, ask: Ask::default(), durability })
    }

    /// What it waits for.
    pub(in crate::serve) fn durability(&self) -> Durability {
        self.durability
    }

    /// Whose write must be settled before this one can be judged.
    pub(in crate::serve) fn title(&self) -> &str {
        &self.title
    }

    /// Withdraws the story as it stands now, if it may be.
    pub(in crate::serve) fn publish<D: Desk>(
        &self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Result<Made, Problem> {
        let story = standing(desk, &self.title)?;
        let ask = self.ask.clone().shown(desk.store().index())?;
        if !ask.holds(story.head().map(|head| head.cid)) {
            return Err(unmet(Some(&story)));
        }
        let entry = Entry {
            kind: Kind::Withdrawal,
            topic: TOPIC_STORIES,
            media_type: MEDIA_TYPE,
            alias: "",
            parents: Vec::new(),
            payload: &self.payload,
        };
        let receipt = desk.publish(cx, entry, self.durability)?;
        Ok(Made::new(receipt, false))
    }

    /// What its writer is told.
    pub(in crate::serve) fn written<D: Desk>(&self, desk: &D, made: &Made) -> Written<'_> {
        Written::new(desk, made, self.durability).of_story(&self.title, std::iter::empty())
    }

    /// The answer to a withdrawal that is as safe as was asked.
    pub(super) fn done<D: Desk>(&self, desk: &D, made: &Made) -> Answer {
        self.written(desk, made).answer(Status::OK, None)
    }
}
