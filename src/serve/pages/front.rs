//! The front page: the newest stories of all, and of the sections with most of them.

use super::body::teaser;
use super::lines::StoryItem;
use super::{Around, Inner, Live, framed, section_href};
use crate::news::{Page, StoryLine};
use crate::proto::http::encode_segment;
use crate::update::Update;
use askama::Template;

/// The front page.
#[derive(Debug)]
pub(in crate::serve) struct FrontPage<'a> {
    pub(in crate::serve) around: Around<'a>,
    /// Where its reader goes on in the herd's updates.
    pub(in crate::serve) cursor: &'a str,
    pub(in crate::serve) newest: &'a Page<StoryLine>,
    /// The heads of the first few, for what they begin with.
    pub(in crate::serve) leads: &'a [Update],
    pub(in crate::serve) columns: &'a [Column],
}

/// The newest of one section.
#[derive(Debug)]
pub(in crate::serve) struct Column {
    pub(in crate::serve) section: String,
    pub(in crate::serve) lines: Vec<StoryLine>,
}

/// The front page.
pub(in crate::serve) fn front(page: &FrontPage<'_>) -> String {
    let teasers: Vec<String> = page.leads.iter().map(teaser).collect();
    let lines = page.newest.lines.iter().enumerate().map(|(at, line)| {
        let teaser = teasers.get(at).map_or("", String::as_str);
        StoryItem { teaser, ..StoryItem::of(line, true) }
    });
    let older = page.newest.next.as_ref();
    let main = Front {
        lines: lines.collect(),
        columns: page.columns.iter().map(ColumnItem::of).collect(),
        older: older.map(|next| format!("/?before={}", encode_segment(next))).unwrap_or_default(),
    };
    let live = Live { what: "stories", data: &[("cursor", page.cursor)] };
    let inner = Inner { title: "Front page", way: "/", live: Some(live) };
    framed(&page.around, &inner, &main)
}

struct ColumnItem<'a> {
    section: &'a str,
    lines: Vec<StoryItem<'a>>,
}

impl<'a> ColumnItem<'a> {
    fn of(column: &'a Column) -> Self {
        let lines = column.lines.iter().map(|line| StoryItem::of(line, false)).collect();
        Self { section: &column.section, lines }
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>Latest</h1>
{%- if lines.is_empty() %}
<p class="note">Nothing is here yet. <a href="/write">Write the first story</a>, or send it:</p>
<pre><code>curl -T story.txt http://…/v1/stories/first</code></pre>
{%- endif %}
<div class="front">
<ol class="stories lead" data-list="" data-room="16">
{% for line in lines %}{{ line|safe }}{% endfor -%}
</ol>
{%- for column in columns %}
<section class="column" aria-labelledby="s{{ loop.index }}">
<h2 id="s{{ loop.index }}" dir="auto"><a href="{{ self::section_href(column.section) }}">
{{- column.section }}</a></h2>
<ol class="stories" data-list="{{ column.section }}" data-room="5">
{% for line in column.lines %}{{ line|safe }}{% endfor -%}
</ol>
</section>
{%- endfor %}
</div>
{%- if !older.is_empty() %}
<p class="more"><a href="{{ older }}" rel="next">Older stories</a></p>
{%- endif %}"#
)]
struct Front<'a> {
    lines: Vec<StoryItem<'a>>,
    columns: Vec<ColumnItem<'a>>,
    /// Empty on the last page.
    older: String,
}
