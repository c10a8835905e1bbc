//! `/stories/{title}/history`: the revisions of a story.

use super::{LINES, Missing, around, or_plain, standing};
use crate::news;
use crate::serve::Desk;
use crate::serve::http::answer::Answer;
use crate::serve::http::stories::Asked;
use crate::serve::pages::{self, HistoryPage};
use crate::update::Cid;

/// `/stories/{title}/history`
pub(in crate::serve::http) fn history<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Answer {
    or_plain(try_history(desk, title, asked), around(desk, asked))
}

fn try_history<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Result<String, Missing> {
    let story = standing(desk, title)?;
    let before = asked.query.parsed("before")?;
    let page = news::history(desk.store().index(), title, before, LINES)?;
    let headline = story.head().map_or("", |head| &head.headline);
    let heads: Vec<Cid> = story.heads.iter().map(|head| head.cid).collect();
    Ok(pages::history(&HistoryPage {
        around: around(desk, asked),
        title,
        headline: if headline.trim().is_empty() { title } else { headline },
        heads: &heads,
        page: &page,
    }))
}
