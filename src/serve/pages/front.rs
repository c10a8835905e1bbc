//! The front page: the newest stories, of all or of one section.

use super::{day, framed, headline, story_href};
use crate::news::{Page, SectionLine, StoryLine, at_text};
use crate::proto::http::encode_segment;
use askama::Template;

/// The newest stories, of all or of one section.
#[derive(Debug)]
pub(in crate::serve) struct FrontPage<'a> {
    pub(in crate::serve) node: &'a str,
    pub(in crate::serve) section: Option<&'a str>,
    pub(in crate::serve) page: &'a Page<StoryLine>,
    pub(in crate::serve) sections: &'a [SectionLine],
}

/// The front page.
pub(in crate::serve) fn front(page: &FrontPage<'_>) -> String {
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

/// The front page.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<nav aria-label="Sections"><ul>
<li><a href="/"{% if section.is_empty() %} aria-current="page"{% endif %}>All</a></li>
{%- for line in sections %}
<li><a href="/?section={{ line.section|urlencode_strict }}"
{%- if line.section == section %} aria-current="page"{% endif %}>{{ line.section }}</a>
<span class="by">{{ line.stories }}</span></li>
{%- endfor %}
</ul></nav>
<h1>{% if section.is_empty() %}Newest stories{% else %}{{ section }}{% endif %}</h1>
{%- if lines.is_empty() %}
<p>Nothing is here yet. Write the first story:</p>
<pre>curl -T story.txt http://…/v1/stories/first</pre>
{%- endif %}
<ol class="stories">
{%- for line in lines %}
<li><a href="{{ line.href }}">{{ line.headline }}</a>
<p class="by">
{%- if !line.section.is_empty() %}{{ line.section }} · {% endif -%}
<time datetime="{{ line.at }}">{{ line.day }}</time>
{%- if !line.author.is_empty() %} · {{ line.author }}{% endif %}
{%- if line.conflicts > 0 %} · {{ line.conflicts + 1 }} versions stand side by side{% endif -%}
</p></li>
{%- endfor %}
</ol>
{%- if !older.is_empty() %}
<p class="more"><a href="{{ older }}" rel="next">Older stories</a></p>
{%- endif %}
"#
)]
struct Front<'a> {
    /// Empty for all.
    section: &'a str,
    sections: &'a [SectionLine],
    lines: Vec<FrontLine<'a>>,
    /// Empty on the last page.
    older: String,
}

struct FrontLine<'a> {
    href: String,
    headline: &'a str,
    section: &'a str,
    author: &'a str,
    at: String,
    day: String,
    conflicts: usize,
}
