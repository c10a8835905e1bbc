//! A page that says one thing.

use super::{Around, Inner, framed};
use askama::Template;

/// A heading and a sentence.
#[derive(Debug)]
pub(in crate::serve) struct PlainPage<'a> {
    pub(in crate::serve) around: Around<'a>,
    pub(in crate::serve) heading: &'a str,
    pub(in crate::serve) text: &'a str,
}

/// A page that says one thing.
pub(in crate::serve) fn plain(page: &PlainPage<'_>) -> String {
    let main = Plain { heading: page.heading, text: page.text };
    framed(&page.around, &Inner { title: page.heading, ..Inner::default() }, &main)
}

#[derive(Template)]
#[template(
    ext = "html",
    source = "<h1 dir=\"auto\">{{ heading }}</h1>\n<p class=\"text\" dir=\"auto\">{{ text }}</p>"
)]
struct Plain<'a> {
    heading: &'a str,
    text: &'a str,
}
