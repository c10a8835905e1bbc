//! `/`: the newest stories of all and of the sections that have most of them.

use super::section::listed;
use super::{Missing, around, cursor, or_plain};
use crate::news::{self, SectionLine, StoryLine};
use crate::serve::Desk;
use crate::serve::http::answer::Answer;
use crate::serve::http::stories::Asked;
use crate::serve::pages::{self, Around, Column, FrontPage};
use crate::update::Update;

/// How many of all stories there are, how many of these show what they begin with, and how many
/// sections there are with how many stories.
const NEWEST: usize = 16;
const LEADS: usize = 3;
const COLUMNS: usize = 6;
const COLUMN_LINES: usize = 5;

/// `/`, and as a section's older address `/?section=`.
pub(in crate::serve::http) fn front<D: Desk>(desk: &D, asked: &Asked<'_>) -> Answer {
    let around = around(desk, asked);
    let section = asked.query.text("section");
    if section.is_some() || asked.query.text("before").is_some() {
        return or_plain(listed(desk, section, asked), around);
    }
    or_plain(try_front(desk, around.clone()), around)
}

fn try_front<D: Desk>(desk: &D, around: Around<'_>) -> Result<String, Missing> {
    let index = desk.store().index();
    let cursor = cursor(desk)?;
    let newest = news::list(index, None, None, NEWEST)?;
    let mut columns = Vec::new();
    for SectionLine { section, .. } in largest(news::sections(index)?) {
        let lines = news::list(index, Some(&section), None, COLUMN_LINES)?.lines;
        columns.push(Column { section, lines });
    }
    let leads = leads(desk, &newest.lines)?;
    let page =
        FrontPage { around, cursor: &cursor, newest: &newest, leads: &leads, columns: &columns };
    Ok(pages::front(&page))
}

/// The sections that get a column: none where there is only one.
fn largest(mut sections: Vec<SectionLine>) -> Vec<SectionLine> {
    if sections.len() < 2 {
        return Vec::new();
    }
    sections.sort_by(|a, b| b.stories.cmp(&a.stories).then_with(|| a.section.cmp(&b.section)));
    sections.truncate(COLUMNS);
    sections
}

/// The heads of the first stories, as far as they can be read: the page is good without.
fn leads<D: Desk>(desk: &D, lines: &[StoryLine]) -> Result<Vec<Update>, Missing> {
    let mut leads = Vec::new();
    for line in &lines[..lines.len().min(LEADS)] {
        match desk.store().by_cid(line.head.cid)? {
            Some(update) => leads.push(update),
            None => break,
        }
    }
    Ok(leads)
}
