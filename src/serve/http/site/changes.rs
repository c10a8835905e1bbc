//! `/changes`: what changed of all stories, newest first.

use super::{LINES, Missing, around, cursor, or_plain};
use crate::news::{self, Wanted};
use crate::serve::Desk;
use crate::serve::http::answer::Answer;
use crate::serve::http::stories::Asked;
use crate::serve::pages::{self, CHANGE_KINDS, ChangesPage};

/// `/changes`
pub(in crate::serve::http) fn changes<D: Desk>(desk: &D, asked: &Asked<'_>) -> Answer {
    or_plain(try_changes(desk, asked), around(desk, asked))
}

fn try_changes<D: Desk>(desk: &D, asked: &Asked<'_>) -> Result<String, Missing> {
    let index = desk.store().index();
    let kind = match asked.query.text("kind") {
        None => None,
        Some(name) => {
            let known = CHANGE_KINDS.iter().find(|(known, _)| *known == name);
            Some(known.ok_or(Missing::Malformed)?.1)
        }
    };
    let wanted =
        Wanted { kind, section: asked.query.text("section"), author: asked.query.text("author") };
    let before = asked.query.parsed("before")?;
    let cursor = if before.is_none() { Some(cursor(desk)?) } else { None };
    let page = news::changes(index, &wanted, before, LINES)?;
    let sections = news::sections(index)?;
    Ok(pages::changes(&ChangesPage {
        around: around(desk, asked),
        wanted,
        cursor: cursor.as_deref(),
        page: &page,
        sections: &sections,
    }))
}
