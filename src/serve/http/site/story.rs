//! `/stories/{title}`: a story, in its head or in an older revision.

use super::{Missing, or_plain, standing};
use crate::news::{self, Revision};
use crate::serve::Desk;
use crate::serve::http::answer::Answer;
use crate::serve::http::stories::Asked;
use crate::serve::pages::{self, StoryPage};

/// `/stories/{title}`
pub(in crate::serve::http) fn story<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Answer {
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
