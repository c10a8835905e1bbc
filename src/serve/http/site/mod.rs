//! The pages for people: reads what they show, and answers with HTML. One file a page; here is what
//! they share: how a page is answered, and what is said where there is none.

mod asset;
mod changes;
mod diff;
pub(super) mod edit;
mod feed;
mod front;
mod history;
mod map;
mod panel;
pub(super) mod save;
mod search;
mod section;
pub(super) mod sign_in;
mod story;
pub(super) mod withdraw;

use super::answer::Answer;
use super::edit::content_type;
use super::problem::Problem;
use super::stories::Asked;
use crate::news::{self, Revision, Story, Withdrawn};
use crate::proto::http::{Accept, ContentType, Fields, Head, Status};
use crate::serve::pages::{self, Around, PlainPage, WithdrawnPage};
use crate::serve::{Desk, Visitor};
use crate::store::StoreError;
use crate::update::{Cid, Update};

pub(super) use asset::asset;
pub(super) use changes::changes;
pub(super) use diff::diff;
pub(super) use feed::{feed, story_feed};
pub(super) use front::front;
pub(super) use history::history;
pub(super) use map::map;
pub(super) use panel::{PanelWish, confirm, done, panel};
pub(super) use search::{found, search};
pub(super) use section::{section, sections};
pub(super) use story::{plain_story, print, story};

/// The media type of pages.
pub(super) const HTML: &str = "text/html; charset=utf-8";
/// Stories, changes or revisions of one page.
const LINES: usize = 30;
/// Nothing comes from elsewhere and nothing stands in a page but text; what is shown was written by
/// anyone.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                                 img-src 'self'; connect-src 'self'; form-action 'self'; \
                                 base-uri 'none'; frame-ancestors 'none'";

/// Why there is no such page.
enum Missing {
    /// The query does not read.
    Malformed,
    /// No such story or revision.
    Unknown,
    /// Withdrawn: when, and why.
    Withdrawn(Withdrawn),
    /// The node can't read its store.
    Fault,
}

impl From<StoreError> for Missing {
    fn from(fault: StoreError) -> Self {
        log::error!("a page failed: {fault}");
        Self::Fault
    }
}

/// A value of the query that does not read.
impl From<Problem> for Missing {
    fn from(_: Problem) -> Self {
        Self::Malformed
    }
}

/// What stands around a page for whoever asks.
fn around<'a, D: Desk>(desk: &'a D, asked: &'a Asked<'_>) -> Around<'a> {
    let path = asked.target.path();
    let here = match asked.target.query() {
        None => path.to_owned(),
        Some(query) => format!("{path}?{query}"),
    };
    shown_to(desk, &asked.visitor, here)
}

/// What stands around a page for this visitor, at an address to come back to.
fn shown_to<'a, D: Desk>(desk: &'a D, visitor: &'a Visitor, here: String) -> Around<'a> {
    let may_withdraw = visitor.scopes.withdraw;
    Around { here, name: &visitor.name, csrf: &visitor.csrf, may_withdraw, ..public(desk) }
}

/// What stands around a page that everybody sees.
fn public<D: Desk>(desk: &D) -> Around<'_> {
    let may_withdraw = desk.config().are_accounts_open();
    Around { node: &desk.config().name, may_withdraw, ..Around::default() }
}

/// Where a reader of what is now goes on in the herd's updates.
fn cursor<D: Desk>(desk: &D) -> Result<String, StoreError> {
    Ok(desk.feed(None)?.cursor().to_string())
}

fn standing<D: Desk>(desk: &D, title: &str) -> Result<Story, Missing> {
    let mut story = news::story(desk.store().index(), title)?.ok_or(Missing::Unknown)?;
    match story.withdrawn.take() {
        None => Ok(story),
        Some(withdrawn) => Err(Missing::Withdrawn(withdrawn)),
    }
}

/// A revision of this story.
fn revision_of<D: Desk>(desk: &D, title: &str, cid: Cid) -> Result<Update, Missing> {
    let place = news::revision_place(desk.store().index(), cid)?;
    place.filter(|place| place.title == title).ok_or(Missing::Unknown)?;
    let update = desk.store().by_cid(cid)?.filter(|update| !update.is_erased());
    update.ok_or(Missing::Unknown)
}

fn read(update: &Update) -> Result<Revision<'_>, Missing> {
    Revision::decode(update.payload()).map_err(|error| {
        log::error!("the revision {} does not read: {error}", update.cid());
        Missing::Fault
    })
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
        let around = Around::default();
        let page = PlainPage { around, heading: status.reason(), text: detail };
        framed(status, pages::plain(&page)).field("Vary", "Accept")
    })
}

/// 415 for a body that is not what a page's form sends.
fn form_only(fields: &Fields<'_>) -> Result<(), Problem> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let media_type = content_type(fields)?.unwrap_or_default();
    let parsed = ContentType::parse(media_type.as_bytes());
    if parsed.is_ok_and(|media_type| media_type.is(FORM)) {
        return Ok(());
    }
    Err(Problem::new(Status::UNSUPPORTED_MEDIA_TYPE, format!("a form is {FORM}")))
}

fn or_plain(page: Result<String, Missing>, around: Around<'_>) -> Answer {
    let (status, html) = match page {
        Ok(html) => (Status::OK, html),
        Err(missing) => plain(missing, around),
    };
    framed(status, html)
}

/// A page as it goes to its visitor: what is compressed beside a secret of theirs tells of it by
/// its length, and the cookie that their forms are tied to goes with them. Whatever is answered to
/// a GET at once passes here on its way; what is answered later says so for itself.
pub(super) fn given_to(visitor: &Visitor, page: Answer) -> Answer {
    if visitor.csrf.is_empty() {
        // Over TLS the length is all that others see of it: no personal page gives hints.
        return if visitor.is_secure { page.unencoded() } else { page };
    }
    match &visitor.set_cookie[..] {
        "" => page.unencoded(),
        cookie => page.unencoded().field("Set-Cookie", cookie),
    }
}

fn framed(status: Status, html: String) -> Answer {
    Answer::content(status, HTML, html)
        .field("Content-Security-Policy", POLICY)
        .field("Referrer-Policy", "same-origin")
        .field("Cache-Control", "no-cache")
        .field("Vary", "Cookie")
}

fn plain(missing: Missing, around: Around<'_>) -> (Status, String) {
    let (status, text) = match missing {
        Missing::Withdrawn(withdrawn) => {
            let page = WithdrawnPage { around, withdrawn: &withdrawn };
            return (Status::GONE, pages::withdrawn(&page));
        }
        Missing::Malformed => (Status::BAD_REQUEST, "This address is not complete."),
        Missing::Unknown => (Status::NOT_FOUND, "No such story is here."),
        Missing::Fault => {
            (Status::INTERNAL_SERVER_ERROR, "This node can't read its store. Try another one.")
        }
    };
    (status, pages::plain(&PlainPage { around, heading: status.reason(), text }))
}
