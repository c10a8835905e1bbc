//! The history of a story.

use super::{day, framed, story_href};
use crate::news::{Page, RevisionLine, at_text};
use crate::proto::http::encode_segment;
use askama::Template;

/// The revisions of a story.
#[derive(Debug)]
pub(in crate::serve) struct HistoryPage<'a> {
    pub(in crate::serve) node: &'a str,
    pub(in crate::serve) title: &'a str,
    pub(in crate::serve) page: &'a Page<RevisionLine>,
}

/// The history of a story.
pub(in crate::serve) fn history(page: &HistoryPage<'_>) -> String {
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

/// The history of a story.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>History of {{ title }}</h1>
<p class="by"><a href="{{ href }}">The story</a></p>
<ol class="revisions">
{%- for line in lines %}
<li><a href="{{ line.href }}"><time datetime="{{ line.at }}">{{ line.day }}</time></a>
{%- if !line.author.is_empty() %} · {{ line.author }}{% endif %} · {{ line.bytes }} bytes
{%- if !line.summary.is_empty() %}
<p class="by text">{{ line.summary }}</p>
{%- endif %}</li>
{%- endfor %}
</ol>
{%- if !older.is_empty() %}
<p class="more"><a href="{{ older }}" rel="next">Older revisions</a></p>
{%- endif %}
"#
)]
struct HistoryMain<'a> {
    title: &'a str,
    href: String,
    lines: Vec<HistoryLine<'a>>,
    /// Empty on the last page.
    older: String,
}

struct HistoryLine<'a> {
    href: String,
    at: String,
    day: String,
    author: &'a str,
    summary: &'a str,
    bytes: u64,
}
