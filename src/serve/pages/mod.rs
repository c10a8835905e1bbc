//! What the pages for people look like: plain HTML, one stylesheet, no script. Values in, text out;
//! every value is escaped where it is put in, but those marked `safe`, which are HTML made here or
//! in `markdown`. Reads no store and knows no request. One file a page: its values, then its
//! template; here is what stands around each.

mod atom;
mod body;
mod front;
mod history;
mod markdown;
mod plain;
mod search;
mod sign_in;
mod story;

use crate::news::at_text;
use crate::proto::http::encode_segment;
use crate::update::Hlc;
use askama::Template;

pub(super) use atom::{Content, Feed, FeedDeleted, FeedEntry, FeedLink, atom};
pub(super) use front::{FrontPage, front};
pub(super) use history::{HistoryPage, history};
pub(super) use plain::{PlainPage, plain};
pub(super) use search::{SearchHit, SearchPage, SearchResults, search};
pub(super) use sign_in::{SignInPage, sign_in};
pub(super) use story::{StoryPage, story};

/// The one stylesheet.
pub(super) const STYLESHEET: &str = include_str!("style.css");

/// What stands around every page.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} – Bellwether</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header>
<strong><a href="/">Bellwether</a></strong>
{%- if !node.is_empty() %}
<span class="by">read at {{ node }}</span>
{%- endif %}
</header>
<main>
{{ main|safe }}
</main>
</body>
</html>
"#
)]
struct Frame<'a> {
    title: &'a str,
    language: &'a str,
    /// Empty when the page is of no node.
    node: &'a str,
    /// HTML.
    main: &'a str,
}

fn framed(title: &str, language: &str, node: &str, main: &impl Template) -> String {
    let main = rendered(main);
    rendered(&Frame { title, language, node, main: &main })
}

/// Writing into a text does not fail, and no value here has a failing `Display`.
fn rendered(template: &impl Template) -> String {
    template.render().unwrap_or_else(|error| {
        log::error!("a page could not be written: {error}");
        String::new()
    })
}

fn story_href(title: &str) -> String {
    format!("/stories/{}", encode_segment(title))
}

fn headline<'a>(headline: &'a str, title: &'a str) -> &'a str {
    if headline.trim().is_empty() { title } else { headline }
}

/// `2026-11-22 01:28 UTC`
fn day(moment: Hlc) -> String {
    let text = at_text(moment);
    let minute = text.get(..16).unwrap_or(&text);
    format!("{} UTC", minute.replace('T', " "))
}

#[cfg(test)]
mod tests;
