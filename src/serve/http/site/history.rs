//! `/stories/{title}/history`: the revisions of a story.

use super::{LINES, Missing, or_plain, standing};
use crate::news;
use crate::serve::Desk;
use crate::serve::http::answer::Answer;
use crate::serve::http::stories::Asked;
use crate::serve::pages::{self, HistoryPage};

/// `/stories/{title}/history`
pub(in crate::serve::http) fn history<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Answer {
    or_plain(try_history(desk, title, asked))
}

fn try_history<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Result<String, Missing> {
    standing(desk, title)?;
    let before = asked.query.parsed("before").map_err(|_| Missing::Malformed)?;
    let page = news::history(desk.store().index(), title, before, LINES)?;
    Ok(pages::history(&HistoryPage { node: &desk.config().name, title, page: &page }))
}
