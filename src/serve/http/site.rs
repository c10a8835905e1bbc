//! The pages for people: reads what they show, and answers with HTML that needs no script.

use super::answer::Answer;
use super::problem::Problem;
use super::stories::Asked;
use crate::news::{self, Revision};
use crate::proto::http::{Accept, AcceptEncoding, Coding, Head, Status};
use crate::serve::Desk;
use crate::serve::pages::{self, FrontPage, HistoryPage, PlainPage, StoryPage};
use crate::store::StoreError;
use std::sync::LazyLock;

const HTML: &str = "text/html; charset=utf-8";
/// Stories of one front page, revisions of one page of history.
const LINES: usize = 30;
/// Nothing may run and nothing comes from elsewhere; what is shown was written by anyone.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// The stylesheet in each coding that makes it shorter, encoded once.
static STYLESHEETS: LazyLock<Vec<(Coding, Vec<u8>)>> = LazyLock::new(|| {
    let encoded = |coding: Coding| Some((coding, coding.encode(pages::STYLESHEET.as_bytes())?));
    Coding::OFFERS.into_iter().filter_map(encoded).collect()
});

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

/// `/`
pub(super) fn front<D: Desk>(desk: &D, asked: &Asked<'_>) -> Answer {
    or_plain(try_front(desk, asked))
}

fn try_front<D: Desk>(desk: &D, asked: &Asked<'_>) -> Result<String, Missing> {
    let index = desk.store().index();
    let section = asked.query.text("section");
    let before = asked.query.parsed("before").map_err(|_| Missing::Malformed)?;
    let page = news::list(index, section, before.as_ref(), LINES)?;
    let sections = news::sections(index)?;
    let name = &desk.config().name;
    Ok(pages::front(&FrontPage { node: name, section, page: &page, sections: &sections }))
}

/// `/stories/{title}`
pub(super) fn story<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Answer {
    or_plain(try_story(desk, title, asked))
}

fn try_story<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Result<String, Missing> {
    let story = standing(desk, title)?;
    let head = story.head().ok_or(Missing::Unknown)?;
    let cid = match asked.query.cid("rev").map_err(|_| Missing::Malformed)? {
        None => head.cid,
        Some(cid) => {
            let place = news::revision_place(desk.store().index(), cid)?;
            let is_here = place.is_some_and(|place| place.title == title);
            if is_here { cid } else { return Err(Missing::Unknown) }
        }
    };
    let update = desk.store().by_cid(cid)?.ok_or(Missing::Unknown)?;
    let revision = Revision::decode(update.payload()).map_err(|error| {
        log::error!("the revision {cid} does not read: {error}");
        Missing::Fault
    })?;
    let name = &desk.config().name;
    let page = StoryPage { node: name, story: &story, update: &update, revision: &revision };
    Ok(pages::story(&page))
}

/// `/stories/{title}/history`
pub(super) fn history<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Answer {
    or_plain(try_history(desk, title, asked))
}

fn try_history<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Result<String, Missing> {
    standing(desk, title)?;
    let before = asked.query.parsed("before").map_err(|_| Missing::Malformed)?;
    let page = news::history(desk.store().index(), title, before, LINES)?;
    Ok(pages::history(&HistoryPage { node: &desk.config().name, title, page: &page }))
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

/// `/style.css`
pub(super) fn stylesheet(asked: &Asked<'_>) -> Answer {
    let liked = AcceptEncoding::read(&asked.fields).best(&Coding::OFFERS);
    let made = STYLESHEETS.iter().find(|(coding, _)| Some(*coding) == liked);
    let (coding, body) =
        made.map_or((Coding::Identity, pages::STYLESHEET.as_bytes()), |made| (made.0, &made.1[..]));
    let answer = Answer::content(Status::OK, "text/css; charset=utf-8", body)
        .unencoded()
        .field("Vary", "Accept-Encoding")
        .field("Cache-Control", "max-age=3600");
    if coding == Coding::Identity {
        answer
    } else {
        answer.field("Content-Encoding", coding.name())
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
