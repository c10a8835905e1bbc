//! A story in one of its revisions, with what changed since another one marked where that is asked
//! for; and what is left of a withdrawn one.

use super::body::body;
use super::{
    Around, Inner, Live, Moment, counted, framed, headline, lines, section_href, story_href, words,
};
use crate::news::{Head, Revision, Story, Withdrawn};
use crate::update::{Cid, Update};
use askama::Template;

/// A story in one of its revisions.
#[derive(Debug)]
pub(in crate::serve) struct StoryPage<'a> {
    pub(in crate::serve) around: Around<'a>,
    pub(in crate::serve) story: &'a Story,
    pub(in crate::serve) update: &'a Update,
    pub(in crate::serve) revision: &'a Revision<'a>,
    /// What changed since this one is marked.
    pub(in crate::serve) since: Option<&'a Update>,
}

/// A story's page.
pub(in crate::serve) fn story(page: &StoryPage<'_>) -> String {
    let (story, revision, update) = (page.story, page.revision, page.update);
    let cid = update.cid();
    let is_old = !story.heads.iter().any(|head| head.cid == cid);
    let title = &story.title;
    let shown = Shown::of(page);
    let main = Main {
        revision,
        headline: shown.headline,
        body: shown.body,
        is_marked: shown.is_marked,
        direction: direction(revision.language),
        at: Moment::of(update.clock()),
        first: (story.revisions > 1 && !is_old).then(|| Moment::of(story.first)),
        is_old,
        others: if is_old { Vec::new() } else { others(story, cid) },
        compare: compare(story, update, is_old),
        place: revision.located.map(|located| Place {
            href: format!("/map?lat={}&lon={}", located.lat(), located.lon()),
            text: lines::place(located),
        }),
        may_withdraw: page.around.may_withdraw,
        revisions: counted(story.revisions, "revision", "revisions"),
        href: story_href(title),
    };
    let (rev, revisions) = (cid.to_string(), story.revisions.to_string());
    let data = [("title", &title[..]), ("rev", &rev), ("revisions", &revisions)];
    let live = (!is_old).then_some(Live { what: "story", data: &data });
    let tab = headline(revision.headline, title);
    framed(&page.around, &Inner { title: tab, way: "", live }, &main)
}

/// Headline and body as HTML.
struct Shown {
    headline: String,
    body: String,
    is_marked: bool,
}

impl Shown {
    fn of(page: &StoryPage<'_>) -> Self {
        let is = html(page.update, page.revision);
        let revision = |since: &'_ Update| {
            Revision::decode(since.payload()).ok().map(|revision| html(since, &revision))
        };
        match page.since.and_then(revision) {
            None => Self { headline: is.0, body: is.1, is_marked: false },
            Some(was) => Self {
                headline: words::marked(&was.0, &is.0),
                body: words::marked(&was.1, &is.1),
                is_marked: true,
            },
        }
    }
}

fn html(update: &Update, revision: &Revision<'_>) -> (String, String) {
    let headline = headline(revision.headline, revision.title);
    (words::escaped(headline), body(update, revision, headline))
}

/// From right to left where the language says so; else each text says itself.
fn direction(language: &str) -> &'static str {
    const RIGHT_TO_LEFT: [&str; 12] =
        ["ar", "arc", "ckb", "dv", "fa", "he", "nqo", "ps", "sd", "ug", "ur", "yi"];
    let primary = language.split('-').next().unwrap_or_default().to_ascii_lowercase();
    if RIGHT_TO_LEFT.contains(&&primary[..]) { "rtl" } else { "auto" }
}

fn others(story: &Story, shown: Cid) -> Vec<Other> {
    let href = story_href(&story.title);
    let other = |head: &Head| Other {
        href: format!("{href}?rev={}", head.cid),
        diff: format!("{href}/diff?a={shown}&b={}", head.cid),
        author: head.author.clone(),
        at: Moment::of(head.clock),
    };
    story.heads.iter().filter(|head| head.cid != shown).map(other).collect()
}

/// Where the changes are shown that lead from an older revision to the head, or to this one.
fn compare(story: &Story, update: &Update, is_old: bool) -> String {
    let (href, cid) = (story_href(&story.title), update.cid());
    let newer = story.head().map(|head| head.cid).filter(|_| is_old);
    match (newer, update.parents().next()) {
        (Some(head), _) => format!("{href}/diff?a={cid}&b={head}"),
        (None, Some(parent)) => format!("{href}/diff?a={parent}&b={cid}"),
        (None, None) => String::new(),
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<article>
{%- if is_old %}
<p class="note">This is an older revision. <a href="{{ href }}">What stands now</a> ·
<a href="{{ compare }}">What changed since</a></p>
{%- endif %}
{%- if is_marked %}
<p class="note">Marked is what changed since you began to read: <ins>new words</ins>,
<del>words that are gone</del>. <a href="{{ href }}">Without marks</a></p>
{%- endif %}
{%- if !others.is_empty() %}
<div class="note">
<p>This story was edited in several places at once, and all versions stand. This is one of
{{ others.len() + 1 }}; the others:</p>
<ul>
{%- for other in others %}
<li><a href="{{ other.href }}">
{%- if other.author.is_empty() %}the one of {% else %}by <bdi>{{ other.author }}</bdi>, {% endif -%}
<time datetime="{{ other.at.iso }}">{{ other.at.text }}</time></a>
(<a href="{{ other.diff }}">what differs</a>)</li>
{%- endfor %}
</ul>
<p><a href="{{ href }}/edit?resolve=1">Resolve</a></p>
</div>
{%- endif %}
{%- if !revision.section.is_empty() %}
<p class="kicker" dir="auto"><a href="{{ self::section_href(revision.section) }}">
{{- revision.section }}</a></p>
{%- endif %}
<h1{% if !revision.language.is_empty() %} lang="{{ revision.language }}"{% endif %} dir="
{{- direction }}">{{ headline|safe }}</h1>
<p class="by">
{%- if !revision.author.is_empty() %}By <bdi>{{ revision.author }}</bdi> · {% endif -%}
{%- if let Some(first) = first %}<time datetime="{{ first.iso }}">{{ first.text }}</time> ·
edited {% endif -%}
<time datetime="{{ at.iso }}">{{ at.text }}</time>
{%- if let Some(place) = place %} · <a href="{{ place.href }}">{{ place.text }}</a>{% endif %}</p>
<div class="body"
{%- if !revision.language.is_empty() %} lang="{{ revision.language }}"{% endif %} dir="
{{- direction }}">
{{ body|safe }}</div>
</article>
<nav aria-label="This story"><ul class="tools">
<li><a href="{{ href }}/edit">Edit</a></li>
<li><a href="{{ href }}/history">History</a> ({{ revisions }})</li>
{%- if !is_old && !compare.is_empty() %}
<li><a href="{{ compare }}">Last change</a></li>
{%- endif %}
{%- if may_withdraw %}
<li><a href="{{ href }}/withdraw">Withdraw</a></li>
{%- endif %}
<li><a href="/v1{{ href }}">JSON</a></li>
</ul></nav>"##
)]
struct Main<'a> {
    revision: &'a Revision<'a>,
    /// HTML.
    headline: String,
    /// HTML.
    body: String,
    is_marked: bool,
    direction: &'static str,
    at: Moment,
    /// When the story began, if it was edited since.
    first: Option<Moment>,
    is_old: bool,
    others: Vec<Other>,
    /// Empty where there is nothing to compare.
    compare: String,
    place: Option<Place>,
    may_withdraw: bool,
    revisions: String,
    href: String,
}

/// Another head of the story.
struct Other {
    href: String,
    diff: String,
    author: String,
    at: Moment,
}

/// Where it happened.
struct Place {
    href: String,
    text: String,
}

/// What is left of a withdrawn story.
#[derive(Debug)]
pub(in crate::serve) struct WithdrawnPage<'a> {
    pub(in crate::serve) around: Around<'a>,
    pub(in crate::serve) withdrawn: &'a Withdrawn,
}

/// What is left of a withdrawn story.
pub(in crate::serve) fn withdrawn(page: &WithdrawnPage<'_>) -> String {
    let Withdrawn { at, reason, .. } = page.withdrawn;
    let main = Gone { at: Moment::of(*at), reason };
    framed(&page.around, &Inner { title: "Withdrawn", ..Inner::default() }, &main)
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>Withdrawn</h1>
<p>This story was withdrawn, for good, on <time datetime="{{ at.iso }}">{{ at.text }}</time>.</p>
{%- if reason.is_empty() %}
<p>No reason was given.</p>
{%- else %}
<p>The reason:</p>
<blockquote class="text" dir="auto">{{ reason }}</blockquote>
{%- endif %}"#
)]
struct Gone<'a> {
    at: Moment,
    reason: &'a str,
}
