//! `POST /panel/do`: something is done by hand. It comes from the form of `/panel/confirm`, so that
//! nothing is done by following a link.

use super::admit::check_form;
use super::answer::Answer;
use super::problem::Problem;
use super::query::Query;
use super::site;
use super::stories::Asked;
use super::write::Progress;
use crate::proto::http::Status;
use crate::reactor::{Ctx, Peer};
use crate::serve::{Action, Desk, Settled, Ticket, Visitor};

/// A word, a name, a token.
pub(super) const FORM_BYTES_MAX: usize = 4096;

/// Something to be done.
#[derive(Debug)]
pub(super) struct Act {
    visitor: Visitor,
    /// For the log.
    who: String,
    /// It came with a token, which no page of another site can make a browser send.
    has_token: bool,
    action: Option<Action>,
    ticket: Option<Ticket>,
}

impl Act {
    /// Reads who asks; that they may was seen to before.
    pub(super) fn begin(from: Peer, asked: &Asked<'_>) -> Self {
        let visitor = asked.visitor.clone();
        let name = if visitor.name.is_empty() { "somebody" } else { &visitor.name };
        let who = format!("{name} at {from}");
        let has_token = asked.fields.first("authorization").is_some();
        Self { visitor, who, has_token, action: None, ticket: None }
    }

    /// Takes the whole form.
    pub(super) fn on_body(&mut self, body: &[u8]) -> Result<(), Problem> {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let form = Query::read(Some(text))?;
        let value = |name: &str| form.text(name).unwrap_or_default();
        if !self.has_token {
            check_form(&self.visitor, form.text("csrf"))?;
        }
        let action = Action::of(value("do"), value("target"));
        let action = action.ok_or_else(|| Problem::malformed("nothing of that kind can be done"));
        self.action = Some(action?);
        Ok(())
    }

    /// Does it, and answers once what has to be on disk is there.
    pub(super) fn advance<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Progress {
        if self.ticket.is_none()
            && let Some(action) = &self.action
        {
            match desk.act(cx, action, &self.who) {
                Ok(ticket) => self.ticket = ticket,
                Err(why) => return Progress::Answer(site::done(desk, &self.visitor, Err(&why))),
            }
        }
        let settled = self.ticket.map(|ticket| (ticket, desk.settled(ticket)));
        Progress::Answer(match (settled, &self.action) {
            (Some((ticket, None)), _) => return Progress::Wait(ticket),
            (Some((_, Some(Settled::Refused))), _) => {
                let why = "This node's disk failed: nothing of it was kept.";
                site::done(desk, &self.visitor, Err(why))
            }
            (_, Some(action)) => site::done(desk, &self.visitor, Ok(action)),
            (_, None) => Answer::empty(Status::BAD_REQUEST),
        })
    }
}
