//! What the pages for people look like: plain HTML with one stylesheet; one script makes them live
//! and is needed for nothing else. Values in, text out; every value is escaped where it is put in,
//! but those marked `safe`, which are HTML made here. Reads no store and knows no request. One file
//! a page: its values, then its template; here is what they share.

mod atom;
mod body;
mod changes;
mod compare;
mod diff;
mod edit;
mod frame;
mod front;
mod history;
mod lines;
mod map;
mod markdown;
mod panel;
mod plain;
mod search;
mod section;
mod settle;
mod sign_in;
mod story;
#[cfg(test)]
mod tests;
mod withdraw;
mod words;

use crate::news::at_text;
use crate::proto::http::encode_segment;
use crate::update::Hlc;
use askama::Template;
use frame::{Inner, framed};
use std::sync::LazyLock;

pub(super) use atom::{Content, Feed, FeedDeleted, FeedEntry, FeedLink, atom};
pub(super) use changes::{CHANGE_KINDS, ChangesPage, changes};
pub(super) use diff::{DiffPage, Side, diff};
pub(super) use edit::{EditPage, Previewed, Typed, edit};
pub(super) use frame::Around;
pub(super) use front::{Column, FrontPage, front};
pub(super) use history::{HistoryPage, history};
pub(super) use map::{MapPage, map};
pub(super) use panel::{
    PanelPage, Part, Reached, SCRIPT as PANEL_SCRIPT, STYLESHEET as PANEL_STYLE, confirm, done,
    panel,
};
pub(super) use plain::{PlainPage, plain};
pub(super) use search::{SearchHit, SearchPage, SearchResults, search};
pub(super) use section::{SectionPage, SectionsPage, section, sections};
pub(super) use settle::{Settling, Theirs};
pub(super) use sign_in::{SignInPage, sign_in};
pub(super) use story::{StoryPage, WithdrawnPage, story, withdrawn};
pub(super) use withdraw::{WithdrawPage, withdraw};

/// The one stylesheet.
pub(super) const STYLESHEET: &str = include_str!("style.css");
/// The script of all pages.
pub(super) const SCRIPT: &str = include_str!("site.js");
/// The script of the pages with a form to write in.
pub(super) const EDIT_SCRIPT: &str = include_str!("edit.js");
/// The picture beside a page's name in its tab.
pub(super) const ICON: &str = include_str!("icon.svg");

/// Where the pages find them: under a name that changes with their content, so that browsers may
/// keep them for long.
static STYLESHEET_HREF: LazyLock<String> = LazyLock::new(|| asset_href("/style.css", STYLESHEET));
static EDIT_SCRIPT_HREF: LazyLock<String> = LazyLock::new(|| asset_href("/edit.js", EDIT_SCRIPT));
static SCRIPT_HREF: LazyLock<String> = LazyLock::new(|| asset_href("/site.js", SCRIPT));

static PANEL_STYLE_HREF: LazyLock<String> = LazyLock::new(|| asset_href("/panel.css", PANEL_STYLE));
static PANEL_SCRIPT_HREF: LazyLock<String> =
    LazyLock::new(|| asset_href("/panel.js", PANEL_SCRIPT));

fn asset_href(path: &str, content: &str) -> String {
    format!("{path}?v={}", asset_version(content))
}

/// What stands behind `v=` in the address of a stylesheet or a script.
pub(super) fn asset_version(content: &str) -> String {
    blake3::hash(content.as_bytes()).to_hex()[..12].to_owned()
}

/// How the script keeps a page fresh.
#[derive(Clone, Copy, Debug)]
struct Live<'a> {
    /// What the page is: the script knows `stories`, `changes` and `story`.
    what: &'static str,
    /// What it needs to know, by name.
    data: &'a [(&'a str, &'a str)],
}

/// A moment for programs and for people.
#[derive(Clone, Debug)]
struct Moment {
    /// RFC 3339.
    iso: String,
    /// `2026-11-22 01:28 UTC`
    text: String,
}

impl Moment {
    fn of(moment: Hlc) -> Self {
        let iso = at_text(moment);
        let minute = iso.get(..16).unwrap_or(&iso);
        Self { text: format!("{} UTC", minute.replace('T', " ")), iso }
    }
}

/// Writing into a text does not fail, and no value here has a failing `Display`.
fn rendered(template: &impl Template) -> String {
    template.render().unwrap_or_else(|error| {
        log::error!("a page could not be written: {error}");
        String::new()
    })
}

pub(super) fn story_href(title: &str) -> String {
    format!("/stories/{}", encode_segment(title))
}

fn section_href(section: &str) -> String {
    match section {
        // In a path browsers would take them for a way to go.
        "." | ".." => format!("/?section={section}"),
        name => format!("/sections/{}", encode_segment(name)),
    }
}

fn headline<'a>(headline: &'a str, title: &'a str) -> &'a str {
    if headline.trim().is_empty() { title } else { headline }
}

/// `1 story`, `2 stories`
fn counted(count: u64, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}
