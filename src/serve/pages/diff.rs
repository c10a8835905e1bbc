//! Two revisions side by side: who wrote them and when, and what differs.

use super::compare::{Compared, compare};
use super::{Around, Inner, Moment, framed, headline, story_href};
use crate::news::{Revision, Version};
use crate::update::Update;
use askama::Template;

/// One of the two.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) struct Side<'a> {
    pub(in crate::serve) update: &'a Update,
    pub(in crate::serve) revision: &'a Revision<'a>,
}

/// Two revisions of one story.
#[derive(Debug)]
pub(in crate::serve) struct DiffPage<'a> {
    pub(in crate::serve) around: Around<'a>,
    pub(in crate::serve) title: &'a str,
    pub(in crate::serve) a: Side<'a>,
    pub(in crate::serve) b: Side<'a>,
}

/// What leads from one revision to another.
pub(in crate::serve) fn diff(page: &DiffPage<'_>) -> String {
    let (a, b) = (page.a, page.b);
    let main = Main {
        headline: headline(b.revision.headline, page.title),
        href: story_href(page.title),
        sides: [Named::of(page.title, a), Named::of(page.title, b)],
        compared: compare(&version(a), &version(b), ["Before", "After"]),
    };
    let title = format!("What changed: {}", main.headline);
    framed(&page.around, &Inner { title: &title, ..Inner::default() }, &main)
}

fn version(side: Side<'_>) -> Version<'_> {
    Version { revision: *side.revision, media_type: side.update.media_type() }
}

/// One of the two as the head of its column.
struct Named<'a> {
    href: String,
    at: Moment,
    author: &'a str,
    summary: &'a str,
    body_href: String,
}

impl<'a> Named<'a> {
    fn of(title: &str, side: Side<'a>) -> Self {
        let (href, cid) = (story_href(title), side.update.cid());
        Self {
            body_href: format!("/v1{href}?as=body&rev={cid}"),
            href: format!("{href}?rev={cid}"),
            at: Moment::of(side.update.clock()),
            author: side.revision.author,
            summary: side.revision.summary,
        }
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>What changed</h1>
<p><a class="headline" href="{{ href }}" dir="auto">{{ headline }}</a> ·
<a href="{{ href }}/history">History</a></p>
<div class="pair heads">
{%- for side in sides %}
<div><h2>{% if loop.first %}Before{% else %}After{% endif %}</h2>
<p><a href="{{ side.href }}"><time datetime="{{ side.at.iso }}">{{ side.at.text }}</time></a>
{%- if !side.author.is_empty() %} · <bdi>{{ side.author }}</bdi>{% endif %}</p>
{%- if !side.summary.is_empty() %}
<p class="by text" dir="auto">{{ side.summary }}</p>
{%- endif %}</div>
{%- endfor %}
</div>
{{- compared.fields|safe }}
{%- if !compared.is_text && !compared.is_same %}
<p class="note">One of the two bodies is not text: fetch
<a href="{{ sides[0].body_href }}" download>the one</a> and
<a href="{{ sides[1].body_href }}" download>the other</a>.</p>
{%- else if compared.is_nothing() %}
<p class="note">Nothing differs between the two.</p>
{%- else if compared.is_same %}
<p class="note">The texts are the same.</p>
{%- endif %}
{{- compared.hunks|safe }}"#
)]
struct Main<'a> {
    headline: &'a str,
    href: String,
    sides: [Named<'a>; 2],
    compared: Compared,
}
