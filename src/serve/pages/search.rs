//! The search page: a form, and what was found.

use super::{Around, Inner, Moment, framed, headline, story_href};
use crate::news::SectionLine;
use crate::proto::http::encode_segment;
use crate::update::Hlc;
use askama::Template;

/// A form as it was filled in, and what was found.
#[derive(Debug)]
pub(in crate::serve) struct SearchPage<'a> {
    pub(in crate::serve) around: Around<'a>,
    pub(in crate::serve) q: &'a str,
    pub(in crate::serve) section: &'a str,
    pub(in crate::serve) since: &'a str,
    pub(in crate::serve) until: &'a str,
    /// Those that are offered.
    pub(in crate::serve) sections: &'a [SectionLine],
    /// None while nothing is asked.
    pub(in crate::serve) results: Option<&'a SearchResults<'a>>,
}

/// What was found.
#[derive(Debug)]
pub(in crate::serve) struct SearchResults<'a> {
    pub(in crate::serve) hits: Vec<SearchHit<'a>>,
    /// The token of the next page.
    pub(in crate::serve) next: Option<&'a str>,
    /// There may be more than is known yet.
    pub(in crate::serve) is_indexing: bool,
}

/// A story that was found. Its texts are pieces, each with whether it is what was asked for.
#[derive(Debug)]
pub(in crate::serve) struct SearchHit<'a> {
    pub(in crate::serve) title: &'a str,
    pub(in crate::serve) section: &'a str,
    pub(in crate::serve) at: Hlc,
    pub(in crate::serve) headline: Vec<(String, bool)>,
    pub(in crate::serve) snippet: Vec<(String, bool)>,
}

/// The search page.
pub(in crate::serve) fn search(page: &SearchPage<'_>) -> String {
    let hits = page.results.map_or(&[][..], |results| &results.hits);
    let lines = hits.iter().map(|hit| Line {
        href: story_href(hit.title),
        headline: if hit.headline.is_empty() {
            vec![(headline("", hit.title).to_owned(), false)]
        } else {
            hit.headline.clone()
        },
        section: hit.section,
        at: Moment::of(hit.at),
        snippet: &hit.snippet,
    });
    let main = Search {
        page,
        is_asked: page.results.is_some(),
        is_indexing: page.results.is_some_and(|results| results.is_indexing),
        lines: lines.collect(),
        more: page.results.and_then(|results| results.next).map(|next| more(page, next)),
    };
    let title = if page.q.is_empty() { "Search" } else { page.q };
    framed(&page.around, &Inner { title, ..Inner::default() }, &main)
}

/// The address of the next page.
fn more(page: &SearchPage<'_>, next: &str) -> String {
    let asked = [
        ("q", page.q),
        ("section", page.section),
        ("since", page.since),
        ("until", page.until),
        ("before", next),
    ];
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", encode_segment(value));
    let pairs: Vec<String> =
        asked.iter().filter(|(_, value)| !value.is_empty()).map(pair).collect();
    format!("/search?{}", pairs.join("&"))
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>Search</h1>
<form class="fields" action="/search" method="get">
<p><label for="words">Words</label>
<input id="words" name="q" type="search" value="{{ page.q }}" maxlength="200" required
 aria-describedby="how"></p>
<p><label for="section">Section</label>
<input id="section" name="section" value="{{ page.section }}" list="sections" maxlength="64"></p>
<p><label for="since">From</label>
<input id="since" name="since" type="date" value="{{ page.since }}"></p>
<p><label for="until">To</label>
<input id="until" name="until" type="date" value="{{ page.until }}"></p>
<p><button type="submit">Search</button></p>
<datalist id="sections">
{%- for line in page.sections %}<option value="{{ line.section }}">{% endfor -%}
</datalist>
</form>
<p class="by" id="how">All words have to occur. "two words" is a phrase, flo* the beginning of a
word, -rain what must not occur.</p>
{%- if is_indexing %}
<p class="note" role="status">This node is still reading: there may be more.</p>
{%- endif %}
{%- if is_asked && lines.is_empty() %}
<p role="status">Nothing was found.</p>
{%- endif %}
<ol class="stories">
{%- for line in lines %}
<li><a class="headline" href="{{ line.href }}">
{%- for (text, is_match) in line.headline -%}
{% if *is_match %}<mark>{{ text }}</mark>{% else %}{{ text }}{% endif %}
{%- endfor -%}</a>
<p class="by">
{%- if !line.section.is_empty() %}{{ line.section }} · {% endif -%}
<time datetime="{{ line.at.iso }}">{{ line.at.text }}</time></p>
{%- if !line.snippet.is_empty() %}
<p class="teaser">
{%- for (text, is_match) in line.snippet -%}
{% if *is_match %}<mark>{{ text }}</mark>{% else %}{{ text }}{% endif %}
{%- endfor -%}</p>
{%- endif %}</li>
{%- endfor %}
</ol>
{%- if let Some(more) = more %}
<p class="more"><a href="{{ more }}" rel="next">More</a></p>
{%- endif %}
"#
)]
struct Search<'a> {
    page: &'a SearchPage<'a>,
    is_asked: bool,
    is_indexing: bool,
    lines: Vec<Line<'a>>,
    more: Option<String>,
}

struct Line<'a> {
    href: String,
    headline: Vec<(String, bool)>,
    section: &'a str,
    at: Moment,
    snippet: &'a [(String, bool)],
}
