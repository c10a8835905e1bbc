//! Versions of a story that someone has to bring together: what each side says, beside the other
//! and against what both began from.

use super::compare::{Compared, compare};
use super::{Moment, rendered, story_href};
use crate::news::Version;
use crate::update::Update;
use askama::Template;

/// A version that stands in the story.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) struct Theirs<'a> {
    pub(in crate::serve) update: &'a Update,
    pub(in crate::serve) version: Version<'a>,
}

/// What is to be brought together; the form below it holds a proposal.
#[derive(Debug)]
pub(in crate::serve) struct Settling<'a> {
    /// Somebody else saved first; else several versions stand already.
    pub(in crate::serve) is_conflict: bool,
    /// What both began from, if that is known.
    pub(in crate::serve) base: Option<Version<'a>>,
    pub(in crate::serve) yours: Version<'a>,
    pub(in crate::serve) theirs: Vec<Theirs<'a>>,
    /// The names of fields that both changed, each in its own way.
    pub(in crate::serve) clashes: Vec<&'static str>,
}

/// The part of the page above the form.
pub(super) fn settling(settling: &Settling<'_>) -> String {
    let names = if settling.is_conflict { ["Yours", "Theirs"] } else { ["This one", "The other"] };
    let both = |theirs: &Theirs<'_>| Other {
        href: format!("{}?rev={}", story_href(theirs.version.revision.title), theirs.update.cid()),
        at: Moment::of(theirs.update.clock()),
        author: theirs.version.revision.author.to_owned(),
        summary: theirs.version.revision.summary.to_owned(),
        compared: compare(&settling.yours, &theirs.version, names),
    };
    let from_base = |version: &Version<'_>| {
        let base = settling.base.as_ref()?;
        Some(compare(base, version, ["Before", "After"]))
    };
    let last = settling.theirs.last().map(|theirs| &theirs.version);
    rendered(&Main {
        is_conflict: settling.is_conflict,
        names,
        clashes: settling.clashes.iter().map(|name| words_of(name)).collect(),
        others: settling.theirs.iter().map(both).collect(),
        changes: [from_base(&settling.yours), last.and_then(from_base)],
        base: settling.base.and_then(|base| text(&base)),
        yours: text(&settling.yours).filter(|_| settling.is_conflict),
    })
}

fn text(version: &Version<'_>) -> Option<String> {
    std::str::from_utf8(version.revision.body).ok().map(str::to_owned)
}

fn words_of(field: &'static str) -> &'static str {
    match field {
        "headline" => "the headline",
        "section" => "the section",
        "language" => "the language",
        "located" => "the place",
        "media_type" => "what it is written in",
        _ => "the text",
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"
<div class="note"{% if is_conflict %} role="alert"{% endif %}>
{%- if is_conflict %}
<p>Nothing is lost, and nothing is saved yet. Below is what you wrote, and what stands now.</p>
{%- else %}
<p>The story was edited in several places at once. What you save
here follows all versions below.</p>
{%- endif %}
{%- if clashes.is_empty() %}
<p>The form holds both together. Look it over, then save.</p>
{%- else %}
<p>Both changed {% for clash in clashes %}
{%- if !loop.first %}, {% endif %}{{ clash }}
{%- endfor %}, each in its own way.
{%- if clashes.contains(&"the text") %} In the form
both stand between <code>&lt;&lt;&lt;&lt;&lt;&lt;&lt;</code> and
<code>&gt;&gt;&gt;&gt;&gt;&gt;&gt;</code>: leave what is right, take these lines out, then save.
{%- else %} The form holds {% if is_conflict %}yours
{%- else %}the first
{%- endif %}: look it over, then save.
{%- endif %}</p>
{%- endif %}
</div>
{%- for other in others %}
<section class="sides">
<h2>{{ names[0] }} beside {% if is_conflict %}theirs{% else %}the other{% endif %}</h2>
<p class="by">{{ names[1] }}: <a href="{{ other.href }}">
<time datetime="{{ other.at.iso }}">{{ other.at.text }}</time></a>
{%- if !other.author.is_empty() %} · <bdi>{{ other.author }}</bdi>{% endif %}
{%- if !other.summary.is_empty() %} · <span dir="auto">{{ other.summary }}</span>{% endif %}</p>
{%- if other.compared.is_nothing() %}
<p>Both say the same.</p>
{%- else %}
<div class="pair heads"><div class="was"><h3>{{ names[0] }}</h3></div>
<div class="is"><h3>{{ names[1] }}</h3></div></div>
{{- other.compared.fields|safe }}{{ other.compared.hunks|safe }}
{%- endif %}
</section>
{%- endfor %}
{%- for change in changes %}
{%- if let Some(change) = change %}
<details><summary>What {% if loop.first %}{% if is_conflict %}you{% else %}this one{% endif %}
{%- else %}{% if is_conflict %}they{% else %}the other{% endif %}{% endif %} changed</summary>
{{- change.fields|safe }}{{ change.hunks|safe }}
</details>
{%- endif %}
{%- endfor %}
{%- if let Some(base) = base %}
<details><summary>What both began from</summary><pre dir="auto">{{ base }}</pre></details>
{%- endif %}
{%- if let Some(yours) = yours %}
<details><summary>Your text as you wrote it</summary><pre dir="auto">{{ yours }}</pre></details>
{%- endif %}
<h2>Together</h2>"#
)]
struct Main {
    is_conflict: bool,
    names: [&'static str; 2],
    clashes: Vec<&'static str>,
    others: Vec<Other>,
    /// What yours and the last of theirs changed.
    changes: [Option<Compared>; 2],
    base: Option<String>,
    yours: Option<String>,
}

/// Another version.
struct Other {
    href: String,
    at: Moment,
    author: String,
    summary: String,
    compared: Compared,
}
