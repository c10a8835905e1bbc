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
use crate::serve::usenet::withdrawn_groups as groups_of;
use crate::serve::{Desk, Entry};
use crate::update::Kind;

/// Of a payload that is in a form of our own.
const MEDIA_TYPE: &str = "application/octet-stream";

/// A withdrawal under way.
#[derive(Debug)]
pub(in crate::serve) struct Withdraw {
    title: String,
    reason: String,
    /// Of one that is said by an article: its name outside of the herd, and what of it is to be
    /// handed on. Empty for others.
    alias: String,
    wire: Vec<u8>,
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
        let reason = asked.query.text("reason").unwrap_or_default();
        let ask = Ask {
            if_match: condition(&asked.fields, "if-match")?,
            if_none_match: condition(&asked.fields, "if-none-match")?,
            ..Ask::default()
        };
        Ok(Self { ask, ..Self::of(title, reason, durability_of(desk, &asked.query)?)? })
    }

    /// The withdrawal of a title, for a reason that is empty or given.
    pub(in crate::serve) fn of(
        title: &str,
        reason: &str,
        durability: Durability,
    ) -> Result<Self, Problem> {
        Self::of_article((title, reason), ("", &[]), durability)
    }

    /// The same, said by an article: its name outside of the herd, and what of it is to be handed
    /// on as it came.
    pub(in crate::serve) fn of_article(
        (title, reason): (&str, &str),
        (alias, wire): (&str, &[u8]),
        durability: Durability,
    ) -> Result<Self, Problem> {
        title_fault(title)?;
        let faults = Withdrawal { title, reason, wire }.faults();
        if !faults.is_empty() {
            return Err(faults.into());
        }
        let (title, reason) = (title.to_owned(), reason.to_owned());
        let (alias, wire, ask) = (alias.to_owned(), wire.to_vec(), Ask::default());
        Ok(Self { title, reason, alias, wire, ask, durability })
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
        let groups = if self.wire.is_empty() { groups_of(&story) } else { Vec::new() };
        let wire = if groups.is_empty() { &self.wire } else { &groups };
        let payload = Withdrawal { title: &self.title, reason: &self.reason, wire }.encode()?;
        let entry = Entry {
            kind: Kind::Withdrawal,
            topic: TOPIC_STORIES,
            media_type: MEDIA_TYPE,
            alias: &self.alias,
            // What it takes away: stubs keep no title, so who has them knows by this alone.
            parents: story.heads.iter().map(|head| head.cid).collect(),
            payload: &payload,
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
