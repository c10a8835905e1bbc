//! The body of a revision as HTML.

use super::{StoryPage, markdown, rendered, story_href};
use crate::news::is_textual;
use askama::Template;

/// Bodies above this size are offered for download instead of being shown.
const SHOWN_BYTES_MAX: usize = 1024 * 1024;

/// The body as HTML: text and Markdown are shown, images too, anything else can be fetched.
pub(super) fn body(page: &StoryPage<'_>, headline: &str) -> String {
    let (media_type, bytes) = (page.update.media_type(), page.revision.body);
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_shown = is_textual(media_type) && bytes.len() <= SHOWN_BYTES_MAX;
    match (std::str::from_utf8(bytes), &essence[..]) {
        (Ok(text), "text/markdown") if is_shown => markdown::render(text),
        (Ok(text), "text/plain") if is_shown => {
            rendered(&Paragraphs { paragraphs: paragraphs(text) })
        }
        _ => rendered(&Download {
            href: format!("/v1{}?as=body&rev={}", story_href(&page.story.title), page.update.cid()),
            headline,
            media_type,
            bytes: bytes.len(),
            is_image: IMAGES.contains(&&essence[..]),
        }),
    }
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
<span class="by">{{ media_type }}, {{ bytes }} bytes</span></p>
"#
)]
struct Download<'a> {
    href: String,
    headline: &'a str,
    media_type: &'a str,
    bytes: usize,
    is_image: bool,
}
