//! `POST /v1/topics/{topic}`: any bytes of any media type become an update.

use super::answer::Answer;
use super::edit::content_type;
use super::problem::Problem;
use super::stories::Asked;
use super::write::{Made, Written, durability_of};
use crate::config::Durability;
use crate::news::{TOPIC_PLACES, TOPIC_STORIES};
use crate::proto::http::Status;
use crate::reactor::Ctx;
use crate::serve::{Desk, Entry};
use crate::update::Kind;

/// A post under way.
#[derive(Debug)]
pub(super) struct Post {
    topic: String,
    media_type: String,
    durability: Durability,
    body: Vec<u8>,
}

impl Post {
    /// Reads all that the head says.
    pub(super) fn begin<D: Desk>(
        desk: &D,
        topic: &str,
        asked: &Asked<'_>,
    ) -> Result<Self, Problem> {
        let fault = if [TOPIC_STORIES, TOPIC_PLACES].contains(&topic) {
            Some("this topic is the node's own: stories are written with PUT /v1/stories/{title}")
        } else if topic.len() > 255 || topic.chars().any(char::is_control) {
            Some("a topic has 1 to 255 bytes and no control characters")
        } else {
            None
        };
        if let Some(fault) = fault {
            return Err(Problem::fields([("topic".to_owned(), fault.to_owned())]));
        }
        let media_type = content_type(&asked.fields)?;
        Ok(Self {
            topic: topic.to_owned(),
            media_type: media_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
            durability: durability_of(desk, &asked.query)?,
            body: Vec::new(),
        })
    }

    /// Takes the whole body.
    pub(super) fn on_body(&mut self, body: Vec<u8>) {
        self.body = body;
    }

    /// Makes the update.
    pub(super) fn publish<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Result<Made, Problem> {
        let entry = Entry {
            kind: Kind::Data,
            topic: &self.topic,
            media_type: &self.media_type,
            alias: "",
            parents: Vec::new(),
            payload: &self.body,
        };
        let receipt = desk.publish(cx, entry, self.durability)?;
        // The log has it now: up to 16 MiB need not wait for the disk with us.
        self.body = Vec::new();
        Ok(Made { receipt, is_created: true })
    }

    /// The answer to a post that is as safe as was asked.
    pub(super) fn done<D: Desk>(&self, desk: &D, made: &Made) -> Answer {
        let written = Written::new(desk, &made.receipt, self.durability);
        Answer::json(Status::CREATED, &written.of_topic(&self.topic))
    }
}
