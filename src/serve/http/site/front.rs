//! `/`: the newest stories.

use super::{LINES, Missing, or_plain};
use crate::news;
use crate::serve::Desk;
use crate::serve::http::answer::Answer;
use crate::serve::http::stories::Asked;
use crate::serve::pages::{self, FrontPage};

/// `/`
pub(in crate::serve::http) fn front<D: Desk>(desk: &D, asked: &Asked<'_>) -> Answer {
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
