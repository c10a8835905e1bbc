//! The HTML itself, one template a page, and the values that it shows. Every value is escaped but
//! those marked `safe`, which are HTML made here or in `markdown`.

use crate::news::{Revision, SectionLine};
use askama::Template;

/// What stands around every page.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} – Bellwether</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header>
<strong><a href="/">Bellwether</a></strong>
{%- if !node.is_empty() %}
<span class="by">read at {{ node }}</span>
{%- endif %}
</header>
<main>
{{ main|safe }}
</main>
</body>
</html>
"#
)]
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) language: &'a str,
    /// Empty when the page is of no node.
    pub(super) node: &'a str,
    /// HTML.
    pub(super) main: &'a str,
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
pub(super) struct Front<'a> {
    /// Empty for all.
    pub(super) section: &'a str,
    pub(super) sections: &'a [SectionLine],
    pub(super) lines: Vec<FrontLine<'a>>,
    /// Empty on the last page.
    pub(super) older: String,
}

pub(super) struct FrontLine<'a> {
    pub(super) href: String,
    pub(super) headline: &'a str,
    pub(super) section: &'a str,
    pub(super) author: &'a str,
    pub(super) at: String,
    pub(super) day: String,
    pub(super) conflicts: usize,
}

/// A story.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<article>
<h1>{{ headline }}</h1>
<p class="by">
{%- if !revision.author.is_empty() %}{{ revision.author }} · {% endif -%}
<time datetime="{{ at }}">{{ day }}</time>
{%- if !revision.section.is_empty() %} ·
<a href="/?section={{ revision.section|urlencode_strict }}">{{ revision.section }}</a>
{%- endif %}</p>
{%- if is_old %}
<p class="note">This is an older revision. <a href="{{ href }}">What stands now</a></p>
{%- endif %}
{%- if !others.is_empty() %}
<p class="note">This story was edited in several places at once, and all versions stand:
{%- for other in others %}
<a href="{{ other.href }}">{{ other.text }}</a>{% if !loop.last %},{% endif %}
{%- endfor %}.</p>
{%- endif %}
{{ body|safe }}
</article>
<footer><a href="{{ href }}/history">History</a>:
{{ revisions }} {% if revisions == 1 %}revision{% else %}revisions{% endif %} ·
<a href="/v1{{ href }}">JSON</a></footer>
"#
)]
pub(super) struct StoryMain<'a> {
    pub(super) headline: &'a str,
    pub(super) revision: &'a Revision<'a>,
    pub(super) at: String,
    pub(super) day: String,
    pub(super) href: String,
    pub(super) is_old: bool,
    pub(super) others: Vec<Other>,
    /// HTML.
    pub(super) body: String,
    pub(super) revisions: u64,
}

/// Another head of the story.
pub(super) struct Other {
    pub(super) href: String,
    pub(super) text: String,
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
pub(super) struct HistoryMain<'a> {
    pub(super) title: &'a str,
    pub(super) href: String,
    pub(super) lines: Vec<HistoryLine<'a>>,
    /// Empty on the last page.
    pub(super) older: String,
}

pub(super) struct HistoryLine<'a> {
    pub(super) href: String,
    pub(super) at: String,
    pub(super) day: String,
    pub(super) author: &'a str,
    pub(super) summary: &'a str,
    pub(super) bytes: u64,
}

/// A page that says one thing.
#[derive(Template)]
#[template(ext = "html", source = "<h1>{{ heading }}</h1>\n<p class=\"text\">{{ text }}</p>\n")]
pub(super) struct PlainMain<'a> {
    pub(super) heading: &'a str,
    pub(super) text: &'a str,
}

/// Plain text.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% for paragraph in paragraphs %}<p class="text">{{ paragraph }}</p>
{% endfor %}"#
)]
pub(super) struct Paragraphs<'a> {
    pub(super) paragraphs: Vec<&'a str>,
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
pub(super) struct Download<'a> {
    pub(super) href: String,
    pub(super) headline: &'a str,
    pub(super) media_type: &'a str,
    pub(super) bytes: usize,
    pub(super) is_image: bool,
}
