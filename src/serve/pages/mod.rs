//! What the pages for people look like: plain HTML, one stylesheet, no script. Values in, text out;
//! every value is escaped where it is put in. Reads no store and knows no request.

mod markdown;
mod templates;

use crate::news::{
    Page, Revision, RevisionLine, SectionLine, Story, StoryLine, at_text, is_textual,
};
use crate::proto::http::encode_segment;
use crate::update::{Hlc, Update};
use askama::Template;
use templates::{
    Download, Frame, Front, FrontLine, HistoryLine, HistoryMain, Other, Paragraphs, PlainMain,
    StoryMain,
};

/// The one stylesheet.
pub(super) const STYLESHEET: &str = include_str!("style.css");

/// Bodies above this size are offered for download instead of being shown.
const SHOWN_BYTES_MAX: usize = 1024 * 1024;

/// The newest stories, of all or of one section.
#[derive(Debug)]
pub(super) struct FrontPage<'a> {
    pub(super) node: &'a str,
    pub(super) section: Option<&'a str>,
    pub(super) page: &'a Page<StoryLine>,
    pub(super) sections: &'a [SectionLine],
}

/// A story in one of its revisions.
#[derive(Debug)]
pub(super) struct StoryPage<'a> {
    pub(super) node: &'a str,
    pub(super) story: &'a Story,
    pub(super) update: &'a Update,
    pub(super) revision: &'a Revision<'a>,
}

/// The revisions of a story.
#[derive(Debug)]
pub(super) struct HistoryPage<'a> {
    pub(super) node: &'a str,
    pub(super) title: &'a str,
    pub(super) page: &'a Page<RevisionLine>,
}

/// One sentence.
#[derive(Debug)]
pub(super) struct PlainPage<'a> {
    pub(super) heading: &'a str,
    pub(super) text: &'a str,
}

/// The front page.
pub(super) fn front(page: &FrontPage<'_>) -> String {
    let section = page.section.unwrap_or_default();
    let lines = page.page.lines.iter().map(|story| FrontLine {
        href: story_href(&story.title),
        headline: headline(&story.head.headline, &story.title),
        section: &story.head.section,
        author: &story.head.author,
        at: at_text(story.head.clock),
        day: day(story.head.clock),
        conflicts: story.conflicts.len(),
    });
    let older = page.page.next.as_ref().map(|next| {
        let section = match page.section {
            Some(section) => format!("section={}&", encode_segment(section)),
            None => String::new(),
        };
        format!("/?{section}before={}", encode_segment(next))
    });
    let main = Front {
        section,
        sections: page.sections,
        lines: lines.collect(),
        older: older.unwrap_or_default(),
    };
    let title = if section.is_empty() { "Newest stories" } else { section };
    framed(title, "en", page.node, &main)
}

/// A story's page.
pub(super) fn story(page: &StoryPage<'_>) -> String {
    let (story, revision, cid) = (page.story, page.revision, page.update.cid());
    let href = story_href(&story.title);
    let headline = headline(revision.headline, &story.title);
    let is_head = |other: &&crate::news::Head| other.cid != cid;
    let others = story.heads.iter().filter(is_head).map(|other| Other {
        href: format!("{href}?rev={}", other.cid),
        text: if other.author.is_empty() {
            format!("of {}", day(other.clock))
        } else {
            format!("by {}, {}", other.author, day(other.clock))
        },
    });
    let is_old = !story.heads.iter().any(|head| head.cid == cid);
    let main = StoryMain {
        headline,
        revision,
        at: at_text(page.update.clock()),
        day: day(page.update.clock()),
        is_old,
        others: if is_old { Vec::new() } else { others.collect() },
        body: body(page, headline),
        revisions: story.revisions,
        href,
    };
    let language = if revision.language.is_empty() { "en" } else { revision.language };
    framed(headline, language, page.node, &main)
}

/// The history of a story.
pub(super) fn history(page: &HistoryPage<'_>) -> String {
    let href = story_href(page.title);
    let lines = page.page.lines.iter().map(|line| HistoryLine {
        href: format!("{href}?rev={}", line.cid),
        at: at_text(line.at),
        day: day(line.at),
        author: &line.author,
        summary: &line.summary,
        bytes: line.bytes,
    });
    let older = page.page.next.as_ref();
    let older = older.map(|next| format!("{href}/history?before={}", encode_segment(next)));
    let main = HistoryMain {
        title: page.title,
        lines: lines.collect(),
        older: older.unwrap_or_default(),
        href,
    };
    framed(page.title, "en", page.node, &main)
}

/// A page that says one thing.
pub(super) fn plain(page: &PlainPage<'_>) -> String {
    let main = PlainMain { heading: page.heading, text: page.text };
    framed(page.heading, "en", "", &main)
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

/// The body as HTML: text and Markdown are shown, images too, anything else can be fetched.
fn body(page: &StoryPage<'_>, headline: &str) -> String {
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
fn paragraphs(text: &str) -> Vec<&str> {
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
