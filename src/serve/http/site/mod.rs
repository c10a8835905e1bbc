//! The pages for people: reads what they show, and answers with HTML that needs no script. One file
//! a page; here is what they share: how a page is answered, and what is said where there is none.

mod feed;
mod front;
mod history;
mod search;
pub(super) mod sign_in;
mod story;
mod stylesheet;

use super::answer::Answer;
use super::problem::Problem;
use crate::news;
use crate::proto::http::{Accept, Head, Status};
use crate::serve::Desk;
use crate::serve::pages::{self, PlainPage};
use crate::store::StoreError;

pub(super) use feed::{feed, story_feed};
pub(super) use front::front;
pub(super) use history::history;
pub(super) use search::{found, search};
pub(super) use story::story;
pub(super) use stylesheet::stylesheet;

const HTML: &str = "text/html; charset=utf-8";
/// Stories of one front page, revisions of one page of history.
const LINES: usize = 30;
/// Nothing may run and nothing comes from elsewhere; what is shown was written by anyone.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// Why there is no such page.
enum Missing {
    /// The query does not read.
    Malformed,
    /// No such story or revision.
    Unknown,
    /// Withdrawn: when, and why.
    Withdrawn { at: String, reason: String },
    /// The node can't read its store.
    Fault,
}

impl From<StoreError> for Missing {
    fn from(fault: StoreError) -> Self {
        log::error!("a page failed: {fault}");
        Self::Fault
    }
}

fn standing<D: Desk>(desk: &D, title: &str) -> Result<news::Story, Missing> {
    let story = news::story(desk.store().index(), title)?.ok_or(Missing::Unknown)?;
    match story.withdrawn {
        None => Ok(story),
        Some(withdrawn) => {
            Err(Missing::Withdrawn { at: news::at_text(withdrawn.at), reason: withdrawn.reason })
        }
    }
}

/// True for a reader in front of a browser, on a page's address.
pub(super) fn is_for_people(head: &Head<'_>) -> bool {
    let accept = Accept::read(&head.fields);
    let likes_pages = accept.names("text/html")
        && accept.quality("text/html") >= accept.quality("application/problem+json");
    likes_pages && !head.target.path().starts_with("/v1/")
}

/// A problem as a page.
pub(super) fn problem(problem: Problem) -> Answer {
    problem.into_answer(|status, detail| {
        framed(status, pages::plain(&PlainPage { heading: status.reason(), text: detail }))
            .field("Vary", "Accept")
    })
}

fn or_plain(page: Result<String, Missing>) -> Answer {
    let (status, html) = match page {
        Ok(html) => (Status::OK, html),
        Err(missing) => plain(missing),
    };
    framed(status, html)
}

fn framed(status: Status, html: String) -> Answer {
    Answer::content(status, HTML, html)
        .field("Content-Security-Policy", POLICY)
        .field("Referrer-Policy", "same-origin")
        .field("Cache-Control", "no-cache")
}

fn plain(missing: Missing) -> (Status, String) {
    let (status, text) = match missing {
        Missing::Malformed => (Status::BAD_REQUEST, "This address is not complete.".to_owned()),
        Missing::Unknown => (Status::NOT_FOUND, "No such story is here.".to_owned()),
        Missing::Withdrawn { at, reason } => {
            let why = if reason.is_empty() { "No reason was given." } else { &reason };
            (Status::GONE, format!("This story was withdrawn on {at}. {why}"))
        }
        Missing::Fault => {
            let text = "This node can't read its store. Try another one.";
            (Status::INTERNAL_SERVER_ERROR, text.to_owned())
        }
    };
    let html = pages::plain(&PlainPage { heading: status.reason(), text: &text });
    (status, html)
}
