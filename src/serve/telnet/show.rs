//! What is shown, as text: lists, a story, its history, the herd. Values in, lines out; whatever
//! others wrote in them is made safe where it is wrapped.

use super::plain::plain;
use crate::news::{
    Page, Revision, RevisionLine, SectionLine, Story, StoryLine, Withdrawn, at_text, is_textual,
};
use crate::search::Part;
use crate::store::StoreError;
use crate::update::{Hlc, Kind, Update};
use serde_json::Value;
use std::fmt::Write;

/// What an id is shown as: enough of it to tell it from others.
const ID_CHARS: usize = 12;

/// Appends a line.
macro_rules! line {
    ($text:expr, $($format:tt)*) => {{
        let written = writeln!($text, $($format)*);
        debug_assert!(written.is_ok(), "a String takes all");
    }};
}

pub(super) use line;

/// A moment, in UTC, to the minute.
pub(super) fn moment(at: Hlc) -> String {
    let text = at_text(at);
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => text,
    }
}

/// The index failed: not the reader's fault, and the log keeps the cause for the operator.
pub(super) fn broken(fault: &StoreError) -> String {
    log::error!("a command failed: {fault}");
    "This node can't read its index: try another node.".to_owned()
}

/// Stories with their numbers.
pub(super) fn stories(page: &Page<StoryLine>) -> String {
    let mut text = String::new();
    if page.lines.is_empty() {
        text.push_str("No stories here.\n");
    }
    for (at, story) in page.lines.iter().enumerate() {
        line!(text, "{:>3}  {}", at + 1, named(&story.title, &story.head.headline));
        let section = &story.head.section;
        let section = if section.is_empty() { "" } else { &format!(" | {section}") };
        let conflicts = match story.conflicts.len() {
            0 => String::new(),
            n => format!(" | {} versions", n + 1),
        };
        line!(text, "     {}{section}{conflicts}", moment(story.head.clock));
    }
    if page.next.is_some() {
        text.push_str("There are older ones: more\n");
    }
    text
}

/// A title, and the headline if it says something else.
pub(super) fn named(title: &str, headline: &str) -> String {
    if headline.is_empty() || headline == title {
        title.to_owned()
    } else {
        format!("{headline} [{title}]")
    }
}

/// What stands before a story's body where it is read.
pub(super) fn head(story: &Story, update: &Update, revision: &Revision<'_>) -> String {
    let mut text = String::new();
    line!(text, "{}", named(revision.title, revision.headline));
    let mut about = moment(update.clock());
    for (before, what) in [(" | ", revision.section), (" | by ", revision.author)] {
        if !what.is_empty() {
            about.push_str(before);
            about.push_str(what);
        }
    }
    if story.revisions > 1 {
        about.push_str(" | ");
        about.push_str(&story.revisions.to_string());
        about.push_str(" revisions");
    }
    line!(text, "{about}");
    if story.conflicts > 0 {
        let others = story.conflicts;
        line!(text, "Beside this version there are {others} that nobody has brought together yet.");
    }
    line!(text, "");
    text
}

/// A body, if it is text.
pub(super) fn body(media_type: &str, bytes: &[u8]) -> String {
    let shown = std::str::from_utf8(bytes).ok().filter(|_| is_textual(media_type));
    match shown {
        Some(text) if is_markdown(media_type) => plain(text),
        Some(text) => text.to_owned(),
        None => format!("({} bytes of {media_type}: to be had over HTTP)\n", bytes.len()),
    }
}

fn is_markdown(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("text/markdown")
}

/// How a story ended.
pub(super) fn withdrawn(title: &str, withdrawn: &Withdrawn) -> String {
    let at = moment(withdrawn.at);
    let reason = match &withdrawn.reason[..] {
        "" => "no reason was given",
        reason => reason,
    };
    format!("{title} was withdrawn at {at}: {reason}.")
}

/// The revisions of a story, the newest first.
pub(super) fn history(title: &str, page: &Page<RevisionLine>) -> String {
    let mut text = format!("{title}\n");
    for revision in &page.lines {
        let id: String = revision.cid.to_string().chars().take(ID_CHARS).collect();
        let by = match &revision.author[..] {
            "" => String::new(),
            author => format!(" by {author}"),
        };
        line!(text, "{} {id}{by}, {} bytes", moment(revision.at), revision.bytes);
        for summary in revision.summary.lines().filter(|line| !line.is_empty()) {
            line!(text, "    {summary}");
        }
    }
    if page.next.is_some() {
        text.push_str("There are older ones.\n");
    }
    text
}

/// The sections.
pub(super) fn sections(sections: &[SectionLine]) -> String {
    let mut text = String::new();
    if sections.is_empty() {
        text.push_str("No sections here.\n");
    }
    for SectionLine { section, stories } in sections {
        line!(text, "{stories:>7}  {section}");
    }
    text
}

/// An update as a follower sees it; none of what is for no reader.
pub(super) fn update(update: &Update) -> Option<String> {
    let at = moment(update.clock());
    let from = update.origin();
    Some(match update.kind() {
        Kind::Revision => {
            let revision = Revision::decode(update.payload()).ok()?;
            let what = if revision.generation == 1 { "new" } else { "edited" };
            let section = if revision.section.is_empty() { "" } else { " | " };
            let (section, by) = (format!("{section}{}", revision.section), by(revision.author));
            let name = named(revision.title, revision.headline);
            format!("{at} {what}: {name}{section}{by} (at {from})")
        }
        Kind::Withdrawal => {
            let withdrawal = crate::news::Withdrawal::decode(update.payload()).ok()?;
            let (title, reason) = (withdrawal.title, withdrawal.reason);
            format!("{at} withdrawn: {title}: {reason} (at {from})")
        }
        Kind::Data => {
            let (topic, bytes) = (update.topic(), update.payload().len());
            format!("{at} on {topic}: {bytes} bytes of {} (at {from})", update.media_type())
        }
        Kind::Report | Kind::Charter | Kind::Account => return None,
    })
}

fn by(author: &str) -> String {
    if author.is_empty() { String::new() } else { format!(" | by {author}") }
}

/// What a search found: each hit's title, headline, moment and snippet.
pub(super) fn hit(
    number: usize,
    title: &str,
    headline: &[Part],
    at: Hlc,
    snippet: &[Part],
) -> String {
    let joined: String = headline.iter().map(|part| &part.text[..]).collect();
    let mut text = String::new();
    line!(text, "{number:>3}  {}", named(title, &joined));
    line!(text, "     {}", moment(at));
    let mut shown = String::new();
    for part in snippet {
        let mark = if part.is_match { "*" } else { "" };
        shown.push_str(mark);
        shown.push_str(&part.text.replace('\n', " "));
        shown.push_str(mark);
    }
    if !shown.is_empty() {
        line!(text, "     {shown}");
    }
    text
}

/// The nodes of a herd, out of `/v1/herd`.
pub(super) fn nodes(herd: &Value) -> String {
    let mut text = "Nodes:\n".to_owned();
    for node in herd["nodes"].as_array().into_iter().flatten() {
        let name = node["name"].as_str().unwrap_or_default();
        let how = match (&node["up"], node["last_seen"].as_str()) {
            (Value::Bool(true), _) => "up".to_owned(),
            (_, Some(seen)) => format!("not seen since {seen}"),
            _ => "not up".to_owned(),
        };
        line!(text, "  {name:24} {how}");
    }
    text
}

/// The links of this node, out of `/v1/herd`.
pub(super) fn links(herd: &Value) -> String {
    let mut text = String::new();
    for link in herd["links"].as_array().into_iter().flatten() {
        let word = |key: &str| link[key].as_str().unwrap_or("?").to_owned();
        let (from, to, state) = (word("from"), word("to"), word("state"));
        line!(text, "Link {from} to {to}: {state}, {} updates behind", link["lag_updates"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_to_the_minute() {
        assert_eq!(moment(Hlc(0)), "1970-01-01 00:00");
    }

    #[test]
    fn a_headline_that_is_the_title_is_said_once() {
        assert_eq!(named("a", ""), "a");
        assert_eq!(named("a", "a"), "a");
        assert_eq!(named("a", "B"), "B [a]");
    }

    #[test]
    fn a_body_is_shown_if_it_is_text() {
        assert_eq!(body("text/plain", b"a\xc3\xa9"), "a\u{e9}");
        assert_eq!(body("text/markdown; charset=utf-8", b"*a*"), "a\n");
        assert!(body("text/plain", b"\xff").contains("1 bytes"));
        assert!(body("image/png", b"abc").contains("3 bytes of image/png"));
    }
}
