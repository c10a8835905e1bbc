//! Two versions of a story beside one another, as HTML: the fields that differ, then the lines that
//! differ with the changed words marked. On a narrow screen one stands above the other.

use super::words::{PAIRS_MAX, escaped, pair, tagged};
use super::{lines, rendered};
use crate::news::{Hunk, Op, Run, Version, hunks, is_textual};
use askama::Template;

/// What differs between two versions.
pub(super) struct Compared {
    /// HTML: the fields.
    pub(super) fields: String,
    /// HTML: the lines.
    pub(super) hunks: String,
    /// Both bodies are text.
    pub(super) is_text: bool,
    /// Both bodies are the same.
    pub(super) is_same: bool,
}

impl Compared {
    /// True when nothing differs at all.
    pub(super) fn is_nothing(&self) -> bool {
        self.is_same && self.fields.is_empty()
    }
}

/// Compares the one with the other, which are called by these names.
pub(super) fn compare(was: &Version<'_>, is: &Version<'_>, names: [&str; 2]) -> Compared {
    let mut pairs_left = PAIRS_MAX;
    let fields = fields(was, is, &mut pairs_left);
    let texts = text(was).zip(text(is));
    let hunks = texts.map(|(was, is)| hunks(was, is)).unwrap_or_default();
    let hunks: Vec<Shown> = hunks.iter().map(|hunk| Shown::of(hunk, &mut pairs_left)).collect();
    Compared {
        fields: rendered(&Fields { fields, names }),
        hunks: rendered(&Hunks { hunks, names }),
        is_text: texts.is_some(),
        is_same: was.revision.body == is.revision.body,
    }
}

fn text<'a>(version: &Version<'a>) -> Option<&'a str> {
    // Where there was nothing, nothing is of a wrong type.
    let is_text = version.media_type.is_empty() || is_textual(version.media_type);
    is_text.then(|| std::str::from_utf8(version.revision.body).ok()).flatten()
}

/// A field that is not the same in both.
struct Field {
    name: &'static str,
    /// HTML.
    was: String,
    /// HTML.
    is: String,
}

fn fields(was: &Version<'_>, is: &Version<'_>, pairs_left: &mut usize) -> Vec<Field> {
    let place =
        |version: &Version<'_>| version.revision.located.map(lines::place).unwrap_or_default();
    let (a_place, b_place) = (place(was), place(is));
    let (a, b) = (&was.revision, &is.revision);
    let all = [
        ("Headline", a.headline, b.headline),
        ("Section", a.section, b.section),
        ("Language", a.language, b.language),
        ("Place", &a_place, &b_place),
        ("Media type", was.media_type, is.media_type),
    ];
    let differs = |field: &(&str, &str, &str)| field.1 != field.2;
    let shown = |(name, was, is)| {
        let (was, is) = pair(was, is, pairs_left);
        Field { name, was, is }
    };
    all.into_iter().filter(differs).map(shown).collect()
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
    source = r#"
{%- for field in fields %}
<section class="hunk"><h3>{{ field.name }}</h3>
<div class="pair"><div class="was" dir="auto"><span class="unseen">{{ names[0] }}: </span>
{{- field.was|safe }}</div>
<div class="is" dir="auto"><span class="unseen">{{ names[1] }}: </span>{{ field.is|safe }}</div>
</div>
</section>
{%- endfor %}"#
)]
struct Fields<'a> {
    fields: Vec<Field>,
    names: [&'a str; 2],
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"
{%- for hunk in hunks %}
<section class="hunk"><h3>Line {{ hunk.line }}</h3>
{%- for row in hunk.rows %}
{%- if row.is_same %}
<div class="pair same"><div class="twin" aria-hidden="true" dir="auto">{{ row.was|safe }}</div>
<div dir="auto">{{ row.is|safe }}</div></div>
{%- else %}
<div class="pair">
{%- if row.was.is_empty() %}<div class="none"></div>
{%- else %}
<div class="was" dir="auto"><span class="unseen">{{ names[0] }}: </span>{{ row.was|safe }}</div>
{%- endif %}
{%- if row.is.is_empty() %}<div class="none"></div>
{%- else %}
<div class="is" dir="auto"><span class="unseen">{{ names[1] }}: </span>{{ row.is|safe }}</div>
{%- endif %}</div>
{%- endif %}
{%- endfor %}
</section>
{%- endfor %}"#
)]
struct Hunks<'a> {
    hunks: Vec<Shown>,
    names: [&'a str; 2],
}
