//! Two revisions side by side: fields, then the lines that differ with the changed words marked. On
//! a narrow screen one stands above the other.

use super::words::{PAIRS_MAX, escaped, pair, tagged};
use super::{Around, Inner, Moment, framed, headline, lines, story_href};
use crate::news::{Hunk, Op, Revision, Run, hunks, is_textual};
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
    let texts = text(a).zip(text(b));
    let hunks = texts.map(|(a, b)| hunks(a, b)).unwrap_or_default();
    let mut pairs_left = PAIRS_MAX;
    let main = Main {
        headline: headline(b.revision.headline, page.title),
        href: story_href(page.title),
        sides: [Named::of(page.title, a), Named::of(page.title, b)],
        fields: fields(a, b, &mut pairs_left),
        is_text: texts.is_some(),
        is_same: a.revision.body == b.revision.body,
        hunks: hunks.iter().map(|hunk| Shown::of(hunk, &mut pairs_left)).collect(),
    };
    let title = format!("What changed: {}", main.headline);
    framed(&page.around, &Inner { title: &title, ..Inner::default() }, &main)
}

fn text(side: Side<'_>) -> Option<&str> {
    let is_text = is_textual(side.update.media_type());
    is_text.then(|| std::str::from_utf8(side.revision.body).ok()).flatten()
}

/// A field that is not the same in both.
struct Field {
    name: &'static str,
    /// HTML.
    was: String,
    /// HTML.
    is: String,
}

fn fields(a: Side<'_>, b: Side<'_>, pairs_left: &mut usize) -> Vec<Field> {
    let place = |side: Side<'_>| side.revision.located.map(lines::place).unwrap_or_default();
    let (a_place, b_place) = (place(a), place(b));
    let (was, is) = (a.revision, b.revision);
    let all = [
        ("Headline", was.headline, is.headline),
        ("Section", was.section, is.section),
        ("Language", was.language, is.language),
        ("Place", &a_place, &b_place),
        ("Media type", a.update.media_type(), b.update.media_type()),
    ];
    let differs = |field: &(&str, &str, &str)| field.1 != field.2;
    let shown = |(name, was, is)| {
        let (was, is) = pair(was, is, pairs_left);
        Field { name, was, is }
    };
    all.into_iter().filter(differs).map(shown).collect()
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

/// A change with what stands around it.
struct Shown {
    line: usize,
    rows: Vec<Row>,
}

/// Lines beside one another, as HTML.
struct Row {
    is_same: bool,
    was: String,
    is: String,
}

impl Shown {
    fn of(hunk: &Hunk<'_>, pairs_left: &mut usize) -> Self {
        let mut rows = Vec::new();
        let mut runs = hunk.lines.iter().peekable();
        while let Some(run) = runs.next() {
            let then = runs.next_if(|then| run.op == Op::Del && then.op == Op::Add);
            rows.push(Row::of(run, then, pairs_left));
        }
        Self { line: hunk.b_start, rows }
    }
}

impl Row {
    /// A run of lines, with those that stand in its place if there are any.
    fn of(run: &Run<'_>, then: Option<&Run<'_>>, pairs_left: &mut usize) -> Self {
        let (was, is) = match (run.op, then) {
            (Op::Same, _) => (escaped(run.text), escaped(run.text)),
            (Op::Add, _) => (String::new(), tagged("ins", run.text)),
            (Op::Del, None) => (tagged("del", run.text), String::new()),
            (Op::Del, Some(then)) => pair(run.text, then.text, pairs_left),
        };
        Self { is_same: run.op == Op::Same, was, is }
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
{%- for field in fields %}
<section class="hunk"><h3>{{ field.name }}</h3>
<div class="pair"><div class="was" dir="auto"><span class="unseen">Before: </span>
{{- field.was|safe }}</div>
<div class="is" dir="auto"><span class="unseen">After: </span>{{ field.is|safe }}</div></div>
</section>
{%- endfor %}
{%- if !is_text && !is_same %}
<p class="note">One of the two bodies is not text: fetch
<a href="{{ sides[0].body_href }}" download>the one</a> and
<a href="{{ sides[1].body_href }}" download>the other</a>.</p>
{%- else if is_same && fields.is_empty() %}
<p class="note">Nothing differs between the two.</p>
{%- else if is_same %}
<p class="note">The texts are the same.</p>
{%- endif %}
{%- for hunk in hunks %}
<section class="hunk"><h3>Line {{ hunk.line }}</h3>
{%- for row in hunk.rows %}
{%- if row.is_same %}
<div class="pair same"><div class="twin" aria-hidden="true" dir="auto">{{ row.was|safe }}</div>
<div dir="auto">{{ row.is|safe }}</div></div>
{%- else %}
<div class="pair">
{%- if row.was.is_empty() %}<div class="none"></div>
{%- else %}<div class="was" dir="auto"><span class="unseen">Before: </span>{{ row.was|safe }}</div>
{%- endif %}
{%- if row.is.is_empty() %}<div class="none"></div>
{%- else %}<div class="is" dir="auto"><span class="unseen">After: </span>{{ row.is|safe }}</div>
{%- endif %}</div>
{%- endif %}
{%- endfor %}
</section>
{%- endfor %}"#
)]
struct Main<'a> {
    headline: &'a str,
    href: String,
    sides: [Named<'a>; 2],
    fields: Vec<Field>,
    is_text: bool,
    is_same: bool,
    hunks: Vec<Shown>,
}
