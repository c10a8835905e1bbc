//! The history of a story, of which any two revisions can be compared.

use super::{Around, Inner, Moment, counted, framed, story_href};
use crate::news::{Page, RevisionLine};
use crate::proto::http::encode_segment;
use crate::update::Cid;
use askama::Template;

/// The revisions of a story.
#[derive(Debug)]
pub(in crate::serve) struct HistoryPage<'a> {
    pub(in crate::serve) around: Around<'a>,
    pub(in crate::serve) title: &'a str,
    /// As the story is called now.
    pub(in crate::serve) headline: &'a str,
    /// The revisions that stand.
    pub(in crate::serve) heads: &'a [Cid],
    pub(in crate::serve) page: &'a Page<RevisionLine>,
}

/// The history of a story.
pub(in crate::serve) fn history(page: &HistoryPage<'_>) -> String {
    let href = story_href(page.title);
    let lines = page.page.lines.iter().enumerate().map(|(at, line)| Line {
        cid: line.cid.to_string(),
        at: Moment::of(line.at),
        author: &line.author,
        summary: &line.summary,
        bytes: counted(line.bytes, "byte", "bytes"),
        parent: line.parents.first().map(Cid::to_string).unwrap_or_default(),
        stands: page.heads.contains(&line.cid),
        is_a: at == 1,
        is_b: at == 0,
    });
    let older = page.page.next.as_ref();
    let older = older.map(|next| format!("{href}/history?before={}", encode_segment(next)));
    let title = format!("History: {}", page.headline);
    let main = Main {
        headline: page.headline,
        lines: lines.collect(),
        older: older.unwrap_or_default(),
        href,
    };
    framed(&page.around, &Inner { title: &title, ..Inner::default() }, &main)
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>History</h1>
<p><a class="headline" href="{{ href }}" dir="auto">{{ headline }}</a></p>
<form action="{{ href }}/diff">
{%- if lines.len() > 1 %}
<p class="by">Choose two revisions. <button>Show what changed</button></p>
{%- endif %}
<ol class="revisions">
{%- for line in lines %}
<li>
{%- if lines.len() > 1 %}<span class="choice">
<input type="radio" name="a" value="{{ line.cid }}"
 aria-label="From the revision of {{ line.at.text }}"
{%- if line.is_a %} checked{% endif %}>
<input type="radio" name="b" value="{{ line.cid }}"
 aria-label="To the revision of {{ line.at.text }}"
{%- if line.is_b %} checked{% endif %}></span>{% endif %}
<div><a href="{{ href }}?rev={{ line.cid }}"><time datetime="{{ line.at.iso }}">
{{- line.at.text }}</time></a>
{%- if line.stands %} <strong class="kind">current</strong>{% endif %}
<span class="by">
{%- if !line.author.is_empty() %} · <bdi>{{ line.author }}</bdi>{% endif %} · {{ line.bytes }}
{%- if !line.parent.is_empty() %} ·
<a href="{{ href }}/diff?a={{ line.parent }}&#38;b={{ line.cid }}">what it changed</a>
{%- endif %}</span>
{%- if !line.summary.is_empty() %}
<p class="text" dir="auto">{{ line.summary }}</p>
{%- endif %}</div></li>
{%- endfor %}
</ol>
</form>
{%- if !older.is_empty() %}
<p class="more"><a href="{{ older }}" rel="next">Older revisions</a></p>
{%- endif %}"#
)]
struct Main<'a> {
    headline: &'a str,
    href: String,
    lines: Vec<Line<'a>>,
    /// Empty on the last page.
    older: String,
}

struct Line<'a> {
    cid: String,
    at: Moment,
    author: &'a str,
    summary: &'a str,
    bytes: String,
    /// Empty for a first revision.
    parent: String,
    /// It is a head.
    stands: bool,
    is_a: bool,
    is_b: bool,
}
