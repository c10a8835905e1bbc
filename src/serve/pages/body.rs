//! The body of a revision as HTML: text and Markdown are shown, images too, anything else can be
//! fetched.

use super::{counted, markdown, rendered, story_href, words};
use crate::news::{Revision, is_textual};
use crate::update::Update;
use askama::Template;

/// Bodies above this size are offered for download instead of being shown.
const SHOWN_BYTES_MAX: usize = 1024 * 1024;
/// A teaser is made of so much of a body, and has about so many bytes.
const TEASER_OF_BYTES: usize = 2048;
const TEASER_BYTES: usize = 240;

/// The body of a revision.
pub(super) fn body(update: &Update, revision: &Revision<'_>, headline: &str) -> String {
    let (media_type, bytes) = (update.media_type(), revision.body);
    if let Some(html) = text(media_type, bytes) {
        return html;
    }
    let href = story_href(revision.title);
    rendered(&Download {
        href: format!("/v1{href}?as=body&rev={}", update.cid()),
        headline,
        media_type,
        bytes: counted(bytes.len() as u64, "byte", "bytes"),
        is_image: IMAGES.contains(&&essence(media_type)[..]),
    })
}

/// The body if it is text to read.
pub(super) fn text(media_type: &str, bytes: &[u8]) -> Option<String> {
    if bytes.len() > SHOWN_BYTES_MAX || !is_textual(media_type) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    match &essence(media_type)[..] {
        "text/markdown" => Some(markdown::render(text)),
        "text/plain" => Some(rendered(&Paragraphs { paragraphs: paragraphs(text) })),
        _ => None,
    }
}

/// What a body begins with, as HTML without tags; empty where it is no text to read.
pub(super) fn teaser(update: &Update) -> String {
    let Ok(revision) = Revision::decode(update.payload()) else { return String::new() };
    let bytes = revision.body;
    let begin = std::str::from_utf8(&bytes[..bytes.len().min(TEASER_OF_BYTES)]);
    let begin = begin.unwrap_or_else(|error| {
        // Cut within a character, or no text at all.
        std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
    });
    let html = text(update.media_type(), begin.as_bytes()).unwrap_or_default();
    words::beginning(&html, TEASER_BYTES)
}

fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Images that can hold no script.
const IMAGES: [&str; 5] = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"];

/// Parts of a text between empty lines.
pub(super) fn paragraphs(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut end) = (None, 0);
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            found.extend(start.take().map(|start: usize| &text[start..end]));
        } else {
            start = start.or(Some(at));
            end = at + line.trim_end().len();
        }
        at += line.len();
    }
    found.extend(start.map(|start| &text[start..end]));
    found
}

/// Plain text.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% for paragraph in paragraphs %}<p class="text">{{ paragraph }}</p>
{% endfor %}"#
)]
struct Paragraphs<'a> {
    paragraphs: Vec<&'a str>,
}

/// A body that is not text to read.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% if is_image %}<p><img src="{{ href }}" alt="{{ headline }}"></p>
{% endif %}<p><a href="{{ href }}" download>Download</a>
<span class="by">{{ media_type }}, {{ bytes }}</span></p>
"#
)]
struct Download<'a> {
    href: String,
    headline: &'a str,
    media_type: &'a str,
    bytes: String,
    is_image: bool,
}
