//! The page on which a story is written: a form that always holds what was typed, what is wrong
//! with it beside each field, how it would look, and what there is to settle with other versions.

use super::compare::{Compared, compare};
use super::settle::{Settling, settling};
use super::{Around, EDIT_SCRIPT_HREF, Inner, body, framed, headline, rendered, story_href};
use crate::news::{Revision, Version};
use askama::Template;

/// What stands in the form, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::serve) struct Typed {
    pub(in crate::serve) title: String,
    pub(in crate::serve) headline: String,
    pub(in crate::serve) section: String,
    pub(in crate::serve) language: String,
    pub(in crate::serve) summary: String,
    pub(in crate::serve) media_type: String,
    pub(in crate::serve) lat: String,
    pub(in crate::serve) lon: String,
    /// With line feeds alone at the ends of its lines.
    pub(in crate::serve) body: String,
    /// The ids of the revisions that it follows, with commas between; empty for a new story.
    pub(in crate::serve) base: String,
    /// It began as a merge with markers where lines clash.
    pub(in crate::serve) has_clash: bool,
}

/// How it would look.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) struct Previewed<'a> {
    pub(in crate::serve) version: Version<'a>,
    /// What it was edited from.
    pub(in crate::serve) base: Option<Version<'a>>,
}

/// A story as it is written.
#[derive(Debug)]
pub(in crate::serve) struct EditPage<'a> {
    pub(in crate::serve) around: Around<'a>,
    /// The story; `None`: a new one.
    pub(in crate::serve) title: Option<&'a str>,
    pub(in crate::serve) typed: &'a Typed,
    /// What is wrong, by the names of fields.
    pub(in crate::serve) faults: &'a [(&'static str, String)],
    /// Why it was not saved; empty for no reason.
    pub(in crate::serve) notice: &'a str,
    pub(in crate::serve) preview: Option<Previewed<'a>>,
    pub(in crate::serve) settling: Option<Settling<'a>>,
}

/// The page.
pub(in crate::serve) fn edit(page: &EditPage<'_>) -> String {
    let href = page.title.map(story_href).unwrap_or_default();
    let action = if href.is_empty() { "/write".to_owned() } else { format!("{href}/edit") };
    let tab = match page.title {
        None => "Write".to_owned(),
        Some(title) => format!("Edit: {}", headline(&page.typed.headline, title)),
    };
    let main = Main {
        page,
        heading: heading(page),
        headline: page.title.map(|title| headline(&page.typed.headline, title)),
        script: &EDIT_SCRIPT_HREF,
        href,
        action,
        fields: fields(page),
        body_fault: fault(page, "body"),
        place_fault: fault(page, "located"),
        media_types: media_types(&page.typed.media_type),
        preview: page.preview.as_ref().map(previewed).unwrap_or_default(),
        settling: page.settling.as_ref().map(settling).unwrap_or_default(),
    };
    let way = if page.title.is_none() { "/write" } else { "" };
    let inner = Inner { title: &tab, way, live: None };
    framed(&page.around, &inner, &main)
}

fn heading(page: &EditPage<'_>) -> &'static str {
    match (&page.settling, page.title) {
        (Some(settling), _) if settling.is_conflict => "This story was edited since you began",
        (Some(_), _) => "Bring the versions together",
        (None, Some(_)) => "Edit",
        (None, None) => "Write a story",
    }
}

/// A field of one line.
struct Field<'a> {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    value: &'a str,
    fault: &'a str,
    is_required: bool,
}

fn fault<'a>(page: &EditPage<'a>, name: &str) -> &'a str {
    let found = page.faults.iter().find(|(field, _)| *field == name);
    found.map(|(_, fault)| &fault[..]).unwrap_or_default()
}

fn fields<'a>(page: &EditPage<'a>) -> Vec<Field<'a>> {
    let typed = page.typed;
    let title_hint = "Its name in addresses. It stays when the headline changes.";
    let all = [
        ("title", "Title", title_hint, &typed.title, true),
        ("headline", "Headline", "", &typed.headline, false),
        ("section", "Section", "", &typed.section, false),
        ("language", "Language", "Such as en or pt-BR.", &typed.language, false),
    ];
    let shown = |(name, label, hint, value, is_required): (_, _, _, &'a String, _)| Field {
        name,
        label,
        hint,
        value,
        fault: fault(page, name),
        is_required,
    };
    let is_new = page.title.is_none();
    all.into_iter().filter(|field| is_new || field.0 != "title").map(shown).collect()
}

/// What a body can be written in: value, words, whether it is.
fn media_types(current: &str) -> Vec<(&str, &str, bool)> {
    let known = [("text/markdown", "Markdown"), ("text/plain", "Plain text")];
    let mut all: Vec<_> =
        known.into_iter().map(|(value, text)| (value, text, value == current)).collect();
    if !current.is_empty() && all.iter().all(|(_, _, is_current)| !is_current) {
        all.push((current, current, true));
    }
    all
}

fn previewed(preview: &Previewed<'_>) -> String {
    let Previewed { version, base } = preview;
    let Revision { headline, title, language, body, .. } = version.revision;
    rendered(&Preview {
        headline: super::headline(headline, title),
        language,
        body: body::text(version.media_type, body),
        compared: base.map(|base| compare(&base, version, ["Before", "After"])),
    })
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<section class="preview" aria-labelledby="preview">
<h2 id="preview" tabindex="-1">Preview</h2>
<p class="by">Nothing is saved yet.</p>
<article>
<p class="headline" dir="auto"
{%- if !language.is_empty() %} lang="{{ language }}"
{%- endif %}>{{ headline }}</p>
<div class="body" dir="auto"{% if !language.is_empty() %} lang="{{ language }}"{% endif %}>
{%- if let Some(body) = body %}{{ body|safe }}
{%- else %}<p>A text of this type is not shown, only kept.</p>{% endif %}</div>
</article>
{%- if let Some(compared) = compared %}
<h2>What you changed</h2>
{%- if compared.is_nothing() %}
<p>Nothing.</p>
{%- else %}
{{- compared.fields|safe }}{{ compared.hunks|safe }}
{%- endif %}
{%- endif %}
</section>"#
)]
struct Preview<'a> {
    headline: &'a str,
    language: &'a str,
    /// HTML; `None` for what is not shown.
    body: Option<String>,
    compared: Option<Compared>,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<script src="{{ script }}" defer></script>
<h1>{{ heading }}</h1>
{%- if let Some(headline) = headline %}
<p><a class="headline" href="{{ href }}" dir="auto">{{ headline }}</a> ·
<a href="{{ href }}/history">History</a></p>
{%- endif %}
{%- if !page.notice.is_empty() %}
<p class="note" role="alert">{{ page.notice }}</p>
{%- else if !page.faults.is_empty() %}
<p class="note" role="alert">Not saved yet: something below can't stand as it is.</p>
{%- endif %}
{{- settling|safe }}
{{- preview|safe }}
<form id="write" class="write" method="post" action="{{ action }}">
<p id="state" class="state" role="status"></p>
<input type="hidden" name="csrf" value="{{ page.around.csrf }}">
<input type="hidden" name="base" value="{{ page.typed.base }}">
<input type="hidden" name="clash" value="{% if page.typed.has_clash %}1{% endif %}">
<div class="grid">
{%- for field in fields %}
<p class="of-{{ field.name }}"><label for="f-{{ field.name }}">{{ field.label }}</label>
<input id="f-{{ field.name }}" name="{{ field.name }}" value="{{ field.value }}"
 dir="auto" autocomplete="off"
 aria-describedby="
{%- if !field.hint.is_empty() %}h-{{ field.name }} {% endif -%}
{%- if !field.fault.is_empty() %}e-{{ field.name }}" aria-invalid="true{% endif %}"
{%- if field.is_required %} required{% endif %}>
{%- if !field.hint.is_empty() %}<span class="by" id="h-{{ field.name }}">{{ field.hint }}</span>
{%- endif %}
{%- if !field.fault.is_empty() %}
<strong class="fault" id="e-{{ field.name }}">{{ field.fault }}</strong>
{%- endif %}</p>
{%- endfor %}
</div>
<p><label for="f-body">Text</label>
<textarea id="f-body" name="body" rows="18" dir="auto"
{%- if !page.typed.language.is_empty() %} lang="{{ page.typed.language }}"{% endif %}
{%- if !body_fault.is_empty() %} aria-invalid="true" aria-describedby="e-body"{% endif %}>
{{ page.typed.body }}</textarea>
{%- if !body_fault.is_empty() %}
<strong class="fault" id="e-body">{{ body_fault }}</strong>
{%- endif %}</p>
<p><label for="f-type">Written in</label>
<select id="f-type" name="media_type">
{%- for (value, text, is_current) in media_types %}
<option value="{{ value }}"{% if *is_current %} selected{% endif %}>{{ text }}</option>
{%- endfor %}
</select></p>
<fieldset
{%- if !place_fault.is_empty() %} aria-describedby="e-place"
{%- endif %}><legend>Where it happened, in degrees</legend>
<p><label for="f-lat">Latitude</label>
<input id="f-lat" name="lat" value="{{ page.typed.lat }}" inputmode="text" autocomplete="off"></p>
<p><label for="f-lon">Longitude</label>
<input id="f-lon" name="lon" value="{{ page.typed.lon }}" inputmode="text" autocomplete="off"></p>
{%- if !place_fault.is_empty() %}
<strong class="fault" id="e-place">{{ place_fault }}</strong>
{%- endif %}
</fieldset>
<p><label for="f-summary">
{%- if headline.is_some() %}What you changed
{%- else %}A note for the history
{%- endif %}</label>
<input id="f-summary" name="summary" value="{{ page.typed.summary }}"
 dir="auto" autocomplete="off"
 aria-describedby="
{%- if !self.fault("summary").is_empty() %}e-summary" aria-invalid="true{% endif %}">
{%- if !self.fault("summary").is_empty() %}
<strong class="fault" id="e-summary">{{ self.fault("summary") }}</strong>
{%- endif %}</p>
<p class="buttons"><button name="do" value="save" class="main">Save</button>
<button name="do" value="preview">Preview</button>
{%- if headline.is_some() %}
<a href="{{ href }}">Leave it</a>
{%- if page.around.may_withdraw %} <a href="{{ href }}/withdraw">Withdraw the story</a>{% endif %}
{%- endif %}</p>
</form>"##
)]
struct Main<'a> {
    page: &'a EditPage<'a>,
    heading: &'static str,
    headline: Option<&'a str>,
    script: &'a str,
    href: String,
    action: String,
    fields: Vec<Field<'a>>,
    body_fault: &'a str,
    place_fault: &'a str,
    media_types: Vec<(&'a str, &'a str, bool)>,
    /// HTML.
    preview: String,
    /// HTML.
    settling: String,
}

impl Main<'_> {
    fn fault(&self, name: &str) -> &str {
        fault(self.page, name)
    }
}
