//! A story in one of its revisions.

use super::body::body;
use super::{day, framed, headline, story_href};
use crate::news::{Head, Revision, Story, at_text};
use crate::update::Update;
use askama::Template;

/// A story in one of its revisions.
#[derive(Debug)]
pub(in crate::serve) struct StoryPage<'a> {
    pub(in crate::serve) node: &'a str,
    pub(in crate::serve) story: &'a Story,
    pub(in crate::serve) update: &'a Update,
    pub(in crate::serve) revision: &'a Revision<'a>,
}

/// A story's page.
pub(in crate::serve) fn story(page: &StoryPage<'_>) -> String {
    let (story, revision, cid) = (page.story, page.revision, page.update.cid());
    let href = story_href(&story.title);
    let headline = headline(revision.headline, &story.title);
    let is_head = |other: &&Head| other.cid != cid;
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
struct StoryMain<'a> {
    headline: &'a str,
    revision: &'a Revision<'a>,
    at: String,
    day: String,
    href: String,
    is_old: bool,
    others: Vec<Other>,
    /// HTML.
    body: String,
    revisions: u64,
}

/// Another head of the story.
struct Other {
    href: String,
    text: String,
}
