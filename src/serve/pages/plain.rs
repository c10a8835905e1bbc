//! A page that says one thing.

use super::framed;
use askama::Template;

/// One sentence.
#[derive(Debug)]
pub(in crate::serve) struct PlainPage<'a> {
    pub(in crate::serve) heading: &'a str,
    pub(in crate::serve) text: &'a str,
}

/// A page that says one thing.
pub(in crate::serve) fn plain(page: &PlainPage<'_>) -> String {
    let main = PlainMain { heading: page.heading, text: page.text };
    framed(page.heading, "en", "", &main)
}

#[derive(Template)]
#[template(ext = "html", source = "<h1>{{ heading }}</h1>\n<p class=\"text\">{{ text }}</p>\n")]
struct PlainMain<'a> {
    heading: &'a str,
    text: &'a str,
}
