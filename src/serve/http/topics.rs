//! `POST /v1/topics/{topic}`: any bytes of any media type become an update. `POST /v1/charter` and
//! `POST /v1/accounts`: an act on the herd's charter or on its accounts does.

use super::admit::is_at_hand;
use super::answer::{Answer, JSON};
use super::edit::content_type;
use super::problem::Problem;
use super::stories::Asked;
use super::write::{Made, Written, durability_of};
use crate::accounts::{self, TOPIC_ACCOUNTS};
use crate::config::Durability;
use crate::herd::{Act, TOPIC_CHARTER};
use crate::news::{TOPIC_PLACES, TOPIC_STORIES};
use crate::proto::http::Status;
use crate::reactor::{Ctx, Peer};
use crate::serve::{Desk, Entry};
use crate::update::Kind;

/// An act names at most 64 nodes.
const ACT_BYTES_MAX: usize = 32 * 1024;

/// A post under way.
#[derive(Debug)]
pub(in crate::serve) struct Post {
    kind: Kind,
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
        topic_fault(topic)?;
        let media_type = content_type(&asked.fields)?;
        Ok(Self {
            kind: Kind::Data,
            topic: topic.to_owned(),
            media_type: media_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
            durability: durability_of(desk, &asked.query)?,
            body: Vec::new(),
        })
    }

    /// The post of bytes that are there already.
    pub(in crate::serve) fn of(
        topic: &str,
        media_type: &str,
        durability: Durability,
        body: Vec<u8>,
    ) -> Result<Self, Problem> {
        topic_fault(topic)?;
        let (topic, media_type) = (topic.to_owned(), media_type.to_owned());
        Ok(Self { kind: Kind::Data, topic, media_type, durability, body })
    }

    /// An act on the charter, by someone at this machine, or who has shown to be an admin.
    pub(super) fn charter<D: Desk>(
        desk: &D,
        from: &Peer,
        asked: &Asked<'_>,
    ) -> Result<Self, Problem> {
        // A page of another site can make a browser on this machine post, but not as JSON, and not
        // without saying so.
        let is_near = is_at_hand(from, &asked.fields) && asked.fields.first("origin").is_none();
        let is_admin = !asked.visitor.name.is_empty() && asked.visitor.scopes.admin;
        if !is_near && !is_admin {
            let detail = "the charter is changed by programs on the node's own machine, and with \
                          a token of the scope admin";
            return Err(Problem::new(Status::FORBIDDEN, detail));
        }
        Self::act(desk, asked, Kind::Charter, TOPIC_CHARTER)
    }

    /// An act on accounts, by an admin.
    pub(super) fn account<D: Desk>(desk: &D, asked: &Asked<'_>) -> Result<Self, Problem> {
        Self::act(desk, asked, Kind::Account, TOPIC_ACCOUNTS)
    }

    fn act<D: Desk>(desk: &D, asked: &Asked<'_>, kind: Kind, topic: &str) -> Result<Self, Problem> {
        if content_type(&asked.fields)?.as_deref() != Some(JSON) {
            let detail = format!("an act on {topic} is application/json");
            return Err(Problem::new(Status::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        Ok(Self {
            kind,
            topic: topic.to_owned(),
            media_type: JSON.to_owned(),
            durability: durability_of(desk, &asked.query)?,
            body: Vec::new(),
        })
    }

    /// The most bytes that its body may have.
    pub(in crate::serve) fn body_bytes_max(&self, update_bytes: usize) -> usize {
        if self.kind == Kind::Data { update_bytes } else { ACT_BYTES_MAX }
    }

    /// What it waits for.
    pub(in crate::serve) fn durability(&self) -> Durability {
        self.durability
    }

    /// Takes the whole body.
    pub(in crate::serve) fn on_body(&mut self, mut body: Vec<u8>) -> Result<(), Problem> {
        match self.kind {
            Kind::Charter => {
                let act = Act::decode(&body);
                act.map_err(|error| Problem::malformed(error.to_string()))?;
            }
            Kind::Account => {
                let act = accounts::Act::decode(&body);
                // As it is written here, whatever white space it came with.
                body = act.map_err(|error| Problem::malformed(error.to_string()))?.encode();
            }
            _ => {}
        }
        self.body = body;
        Ok(())
    }

    /// Makes the update.
    pub(in crate::serve) fn publish<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Result<Made, Problem> {
        let entry = Entry {
            kind: self.kind,
            topic: &self.topic,
            media_type: &self.media_type,
            alias: "",
            parents: Vec::new(),
            payload: &self.body,
        };
        let receipt = desk.publish(cx, entry, self.durability)?;
        // The log has it now: up to 16 MiB need not wait for the disk with us.
        self.body = Vec::new();
        Ok(Made::new(receipt, true))
    }

    /// What its writer is told.
    pub(in crate::serve) fn written<D: Desk>(&self, desk: &D, made: &Made) -> Written<'_> {
        Written::new(desk, made, self.durability).of_topic(&self.topic)
    }

    /// The answer to a post that is as safe as was asked.
    pub(super) fn done<D: Desk>(&self, desk: &D, made: &Made) -> Answer {
        self.written(desk, made).answer(Status::CREATED, None)
    }
}

/// 422 for a topic that is the node's own, or can't be one.
fn topic_fault(topic: &str) -> Result<(), Problem> {
    let fault = if [TOPIC_STORIES, TOPIC_PLACES, TOPIC_CHARTER, TOPIC_ACCOUNTS].contains(&topic) {
        Some("this topic is the node's own: stories are written with PUT /v1/stories/{title}")
    } else if topic.is_empty() || topic.len() > 255 || topic.chars().any(char::is_control) {
        Some("a topic has 1 to 255 bytes and no control characters")
    } else {
        None
    };
    if let Some(fault) = fault {
        return Err(Problem::fields([("topic".to_owned(), fault.to_owned())]));
    }
    Ok(())
}
