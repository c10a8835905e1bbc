//! `/sections/{name}`: the stories of a section; `/sections`: all of them.

use super::{LINES, Missing, around, cursor, or_plain};
use crate::news;
use crate::serve::Desk;
use crate::serve::http::answer::Answer;
use crate::serve::http::stories::Asked;
use crate::serve::pages::{self, SectionPage, SectionsPage};

/// `/sections/{name}`
pub(in crate::serve::http) fn section<D: Desk>(desk: &D, name: &str, asked: &Asked<'_>) -> Answer {
    or_plain(listed(desk, Some(name), asked), around(desk, asked))
}

/// A page of the stories of one section, or of all.
pub(super) fn listed<D: Desk>(
    desk: &D,
    section: Option<&str>,
    asked: &Asked<'_>,
) -> Result<String, Missing> {
    let before = asked.query.parsed("before")?;
    let cursor = if before.is_none() { Some(cursor(desk)?) } else { None };
    let page = news::list(desk.store().index(), section, before.as_ref(), LINES)?;
    Ok(pages::section(&SectionPage {
        around: around(desk, asked),
        section: section.unwrap_or_default(),
        cursor: cursor.as_deref(),
        page: &page,
    }))
}

/// `/sections`
pub(in crate::serve::http) fn sections<D: Desk>(desk: &D, asked: &Asked<'_>) -> Answer {
    let try_sections = || -> Result<String, Missing> {
        let sections = news::sections(desk.store().index())?;
        let around = around(desk, asked);
        Ok(pages::sections(&SectionsPage { around, sections: &sections }))
    };
    or_plain(try_sections(), around(desk, asked))
}
