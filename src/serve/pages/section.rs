//! The stories of one section, or of all, page by page; and the list of all sections.

use super::lines::StoryItem;
use super::{Around, Inner, Live, counted, framed, section_href};
use crate::news::{Page, SectionLine, StoryLine};
use crate::proto::http::encode_segment;
use askama::Template;

/// A page of stories.
#[derive(Debug)]
pub(in crate::serve) struct SectionPage<'a> {
    pub(in crate::serve) around: Around<'a>,
    /// Empty: of all sections.
    pub(in crate::serve) section: &'a str,
    /// Where the reader of its first page goes on in the herd's updates; `None` on later ones.
    pub(in crate::serve) cursor: Option<&'a str>,
    pub(in crate::serve) page: &'a Page<StoryLine>,
}

/// A page of stories.
pub(in crate::serve) fn section(page: &SectionPage<'_>) -> String {
    let is_all = page.section.is_empty();
    let here = if is_all { "/".to_owned() } else { section_href(page.section) };
    let older = page.page.next.as_ref().map(|next| {
        let joint = if here.contains('?') { '&' } else { '?' };
        format!("{here}{joint}before={}", encode_segment(next))
    });
    let heading = if is_all { "Older stories" } else { page.section };
    let main = Stories {
        heading,
        section: page.section,
        lines: page.page.lines.iter().map(|line| StoryItem::of(line, is_all)).collect(),
        older: older.unwrap_or_default(),
    };
    let data = page.cursor.map(|cursor| [("cursor", cursor), ("section", page.section)]);
    let live = data.as_ref().map(|data| Live { what: "stories", data });
    let way = if is_all { "/" } else { "/sections" };
    framed(&page.around, &Inner { title: heading, way, live }, &main)
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1 dir="auto">{{ heading }}</h1>
{%- if lines.is_empty() %}
<p class="note">No story is here.</p>
{%- endif %}
<ol class="stories" data-list="{{ section }}" data-room="30">
{% for line in lines %}{{ line|safe }}{% endfor -%}
</ol>
{%- if !older.is_empty() %}
<p class="more"><a href="{{ older }}" rel="next">Older stories</a></p>
{%- endif %}
<p class="more"><a href="/sections">All sections</a></p>"#
)]
struct Stories<'a> {
    heading: &'a str,
    section: &'a str,
    lines: Vec<StoryItem<'a>>,
    /// Empty on the last page.
    older: String,
}

/// The list of all sections.
#[derive(Debug)]
pub(in crate::serve) struct SectionsPage<'a> {
    pub(in crate::serve) around: Around<'a>,
    pub(in crate::serve) sections: &'a [SectionLine],
}

/// The list of all sections.
pub(in crate::serve) fn sections(page: &SectionsPage<'_>) -> String {
    let inner = Inner { title: "Sections", way: "/sections", live: None };
    let line = |line: &'_ SectionLine| counted(line.stories, "story", "stories");
    let sections = page.sections.iter().map(|of| Counted { section: &of.section, count: line(of) });
    framed(&page.around, &inner, &Sections { sections: sections.collect() })
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>Sections</h1>
{%- if sections.is_empty() %}
<p class="note">No story is in a section yet.</p>
{%- endif %}
<ul class="sections">
{%- for line in sections %}
<li><a href="{{ self::section_href(line.section) }}" dir="auto">{{ line.section }}</a>
<span class="by">{{ line.count }}</span></li>
{%- endfor %}
</ul>"#
)]
struct Sections<'a> {
    sections: Vec<Counted<'a>>,
}

struct Counted<'a> {
    section: &'a str,
    count: String,
}
