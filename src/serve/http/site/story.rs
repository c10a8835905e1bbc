//! `/stories/{title}`: a story, in its head or in an older revision, or with what changed since one
//! that the reader has seen. As everybody sees the head it is printed and kept.

use super::{Missing, around, or_plain, public, read, revision_of, standing};
use crate::news;
use crate::proto::http::{Fields, Head, cookie};
use crate::serve::Desk;
use crate::serve::http::admit::SESSION_COOKIE;
use crate::serve::http::answer::Answer;
use crate::serve::http::print::{Print, Shown, Wants};
use crate::serve::http::stories::Asked;
use crate::serve::pages::{self, Around, StoryPage};
use crate::update::{Cid, Update};
use std::sync::Arc;

/// `/stories/{title}`
pub(in crate::serve::http) fn story<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Answer {
    let try_story = || -> Result<String, Missing> {
        let (rev, since) = (asked.query.cid("rev")?, asked.query.cid("since")?);
        Ok(page(desk, title, (rev, since), around(desk, asked))?.0)
    };
    or_plain(try_story(), around(desk, asked))
}

/// A story's page, and the revision that it shows.
fn page<D: Desk>(
    desk: &D,
    title: &str,
    (rev, since): (Option<Cid>, Option<Cid>),
    around: Around<'_>,
) -> Result<(String, Update), Missing> {
    let story = standing(desk, title)?;
    let head = story.head().ok_or(Missing::Unknown)?.cid;
    let update = match rev {
        None => desk.store().by_cid(head)?.ok_or(Missing::Unknown)?,
        Some(cid) => revision_of(desk, title, cid)?,
    };
    // What the reader has seen may be gone: then nothing is marked.
    let since = match since.filter(|since| *since != update.cid()) {
        None => None,
        Some(since) => match revision_of(desk, title, since) {
            Ok(since) => Some(since),
            Err(Missing::Unknown) => None,
            Err(other) => return Err(other),
        },
    };
    let revision = read(&update)?;
    let (story, since) = (&story, since.as_ref());
    let html =
        pages::story(&StoryPage { around, story, update: &update, revision: &revision, since });
    Ok((html, update))
}

/// The title, with its escapes, of a story whose page is asked for by somebody who need not be
/// known, and the revision that they have seen.
pub(in crate::serve::http) fn plain_story<'a>(head: &Head<'a>) -> Option<(&'a str, Option<Cid>)> {
    let title = head.target.path().strip_prefix("/stories/")?;
    let since = match head.target.query() {
        None => None,
        Some(query) => Some(query.strip_prefix("since=")?.parse().ok()?),
    };
    // Without a session a cookie changes nothing of this page.
    let is_plain = !title.is_empty()
        && !title.contains('/')
        && head.fields.first("authorization").is_none()
        && cookie(&head.fields, SESSION_COOKIE).is_none();
    is_plain.then_some((title, since))
}

/// The page of a story as everybody sees it, to be kept until the story changes; `None` where there
/// is none.
pub(in crate::serve::http) fn print<D: Desk>(
    desk: &mut D,
    title: &str,
    since: Option<Cid>,
    fields: &Fields<'_>,
) -> Option<Arc<Print>> {
    // What is no revision of this story marks nothing, and is not worth a print.
    let index = desk.store().index();
    let since = since.filter(|cid| {
        let place = news::revision_place(index, *cid);
        place.is_ok_and(|place| place.is_some_and(|place| place.title == title))
    });
    let wants = Wants::page(fields, since);
    if let Some(print) = desk.prints().find(title, &wants) {
        return Some(print);
    }
    let around = Around { here: pages::story_href(title), ..public(desk) };
    let (html, update) = page(desk, title, (None, since), around).ok()?;
    let form = wants.form(update.media_type());
    let print = Arc::new(Print::new(Shown::page(html, form)));
    desk.prints().keep(title, update.media_type(), form, &print);
    Some(print)
}
