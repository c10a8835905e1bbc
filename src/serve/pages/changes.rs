//! Recent changes of all stories: what is new, edited, withdrawn.

use super::{Around, Inner, Live, Moment, counted, framed, headline, section_href, story_href};
use crate::news::{ChangeKind, ChangeLine, Page, SectionLine, Wanted};
use crate::proto::http::encode_segment;
use crate::update::Cid;
use askama::Template;

/// So many sections are proposed.
const SECTIONS_PROPOSED_MAX: usize = 50;

/// A page of changes.
#[derive(Debug)]
pub(in crate::serve) struct ChangesPage<'a> {
    pub(in crate::serve) around: Around<'a>,
    pub(in crate::serve) wanted: Wanted<'a>,
    /// Where the reader of its first page goes on in the herd's updates; `None` on later ones.
    pub(in crate::serve) cursor: Option<&'a str>,
    pub(in crate::serve) page: &'a Page<ChangeLine>,
    pub(in crate::serve) sections: &'a [SectionLine],
}

/// The name of a kind in the page's address.
pub(in crate::serve) const CHANGE_KINDS: [(&str, ChangeKind); 3] =
    [("new", ChangeKind::New), ("edit", ChangeKind::Edit), ("withdrawal", ChangeKind::Withdrawal)];

/// A page of changes.
pub(in crate::serve) fn changes(page: &ChangesPage<'_>) -> String {
    let wanted = &page.wanted;
    let kind =
        CHANGE_KINDS.iter().find(|(_, kind)| Some(*kind) == wanted.kind).map_or("", |kind| kind.0);
    let (section, author) = (wanted.section.unwrap_or_default(), wanted.author.unwrap_or_default());
    let older = page.page.next.as_ref().map(|next| {
        let value = |text: &str| encode_segment(text).to_string();
        let (section, author, next) = (value(section), value(author), value(next));
        format!("/changes?kind={kind}&section={section}&author={author}&before={next}")
    });
    let main = Main {
        kind,
        section,
        author,
        sections: &page.sections[..page.sections.len().min(SECTIONS_PROPOSED_MAX)],
        lines: page.page.lines.iter().map(Line::of).collect(),
        older: older.unwrap_or_default(),
    };
    let cursor = page.cursor.unwrap_or_default();
    let data = [("cursor", cursor), ("kind", kind), ("section", section), ("author", author)];
    let live = page.cursor.is_some().then_some(Live { what: "changes", data: &data });
    framed(&page.around, &Inner { title: "Recent changes", way: "/changes", live }, &main)
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>Recent changes</h1>
<form class="fields" action="/changes">
<p><label for="kind">What</label>
<select id="kind" name="kind">
<option value="">All changes</option>
<option value="new"{% if kind == "new" %} selected{% endif %}>New stories</option>
<option value="edit"{% if kind == "edit" %} selected{% endif %}>Edits</option>
<option value="withdrawal"{% if kind == "withdrawal" %} selected{% endif %}>Withdrawals</option>
</select></p>
<p><label for="section">Section</label>
<input id="section" name="section" value="{{ section }}" list="sections" dir="auto"></p>
<p><label for="author">Author</label>
<input id="author" name="author" value="{{ author }}" dir="auto"></p>
<datalist id="sections">
{%- for line in sections %}<option value="{{ line.section }}"></option>{% endfor -%}
</datalist>
<p><button>Show</button></p>
</form>
{%- if lines.is_empty() %}
<p class="note">{% if older.is_empty() %}Nothing of this is here.{% else -%}
Nothing of this is among the changes that were looked at.{% endif %}</p>
{%- endif %}
<ol class="changes" data-list="" data-room="100">
{%- for line in lines %}
<li data-id="{{ line.id }}" data-at="{{ line.at.iso }}">
<p><span class="kind {{ line.class }}">{{ line.kind }}</span>
<a class="headline" href="{{ line.href }}" dir="auto">{{ line.headline }}</a></p>
<p class="by"><time datetime="{{ line.at.iso }}">{{ line.at.text }}</time>
{%- if !line.author.is_empty() %} · <bdi>{{ line.author }}</bdi>{% endif %}
{%- if !line.section.is_empty() %} ·
<a href="{{ self::section_href(line.section) }}"><bdi>{{ line.section }}</bdi></a>{% endif %}
{%- if !line.diff.is_empty() %} · <a href="{{ line.diff }}">what changed</a>{% endif %}
{%- if !line.bytes.is_empty() %} · {{ line.bytes }}{% endif %}</p>
{%- if !line.summary.is_empty() %}
<p class="text" dir="auto">{{ line.summary }}</p>
{%- endif %}</li>
{%- endfor %}
</ol>
{%- if !older.is_empty() %}
<p class="more"><a href="{{ older }}" rel="next">Older changes</a></p>
{%- endif %}"#
)]
struct Main<'a> {
    kind: &'a str,
    section: &'a str,
    author: &'a str,
    sections: &'a [SectionLine],
    lines: Vec<Line<'a>>,
    /// Empty on the last page.
    older: String,
}

struct Line<'a> {
    id: String,
    class: &'static str,
    kind: &'static str,
    href: String,
    headline: &'a str,
    at: Moment,
    author: &'a str,
    section: &'a str,
    /// Where what changed is shown; empty where nothing was before, or is now.
    diff: String,
    bytes: String,
    summary: &'a str,
}

impl<'a> Line<'a> {
    fn of(line: &'a ChangeLine) -> Self {
        let href = story_href(&line.title);
        let (class, kind) = match line.kind {
            ChangeKind::New => ("new", "New"),
            ChangeKind::Edit => ("edit", "Edited"),
            ChangeKind::Withdrawal => ("withdrawal", "Withdrawn"),
        };
        let diff = |parent: &Cid| format!("{href}/diff?a={parent}&b={}", line.cid);
        let is_revision = line.kind != ChangeKind::Withdrawal;
        Self {
            id: line.cid.to_string(),
            class,
            kind,
            headline: headline(&line.headline, &line.title),
            at: Moment::of(line.at),
            author: &line.author,
            section: &line.section,
            diff: line.parents.first().map(diff).unwrap_or_default(),
            bytes: if is_revision { counted(line.bytes, "byte", "bytes") } else { String::new() },
            summary: &line.summary,
            href,
        }
    }
}
