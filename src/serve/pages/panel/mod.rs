//! The panel for operators: the herd as a picture and as tables, the last hour of one node in
//! charts, what may be done by hand. It is whole without script; `panel.js` fetches its parts anew
//! and puts them in place of the old ones. What other nodes said is read field by field, and
//! escaped like everything else.

mod charts;
mod picture;

use super::{Around, Inner, Moment, PANEL_SCRIPT_HREF, PANEL_STYLE_HREF, framed, rendered};
use askama::Template;
use charts::{Chart, charts};
use picture::picture;
use serde_json::Value;

pub(in crate::serve) use picture::Reached;

/// The stylesheet of the panel.
pub(in crate::serve) const STYLESHEET: &str = include_str!("panel.css");
/// The script of the panel.
pub(in crate::serve) const SCRIPT: &str = include_str!("panel.js");

const TITLE: Inner<'static> = Inner { title: "Panel", way: "", live: None };

/// What the panel shows.
#[derive(Debug)]
pub(in crate::serve) struct PanelPage<'a> {
    /// Its node is this one.
    pub(in crate::serve) around: Around<'a>,
    /// By node: its name, whether it answered, what it says at a glance (null: nothing).
    pub(in crate::serve) nodes: &'a [(&'a str, bool, Value)],
    /// The node whose hour is shown, and what it says of it; null when it did not answer.
    pub(in crate::serve) chosen: &'a str,
    pub(in crate::serve) detail: &'a Value,
    /// The update whose spread is shown: its id, and who was reached when.
    pub(in crate::serve) spread: Option<(&'a str, &'a [Reached])>,
    /// Updates whose spread may be looked at: id, headline.
    pub(in crate::serve) recent: &'a [(String, String)],
    /// Members of the charter who may be retired.
    pub(in crate::serve) members: &'a [String],
}

/// A part of the panel that the script fetches alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Part {
    Whole,
    Live,
    Charts,
}

/// A node's line.
struct NodeLine<'a> {
    name: &'a str,
    state: &'static str,
    why: String,
    version: String,
    updates: String,
    connections: String,
    readers: String,
    requests: String,
    news: String,
    slow: String,
}

/// A link's line: one end's view of it.
pub(super) struct LinkLine<'a> {
    pub(super) from: &'a str,
    pub(super) to: String,
    pub(super) state: &'static str,
    pub(super) mode: &'static str,
    pub(super) lag: u64,
    pub(super) rtt: String,
    pub(super) sent: u64,
    pub(super) duplicates: u64,
    /// It is this node's, so that it may be dropped or dialled from here.
    pub(super) is_ours: bool,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<link rel="stylesheet" href="{{ style }}">
<h1>The herd, as {{ node }} sees it</h1>
<div id="herd-now"{% if spread.is_none() %} data-fresh="/panel?part=live"{% endif %}>
{{ live|safe }}
</div>
<section aria-labelledby="spread-title">
<h2 id="spread-title">The way of an update</h2>
<form action="/panel" method="get" class="row">
<label for="spread">Its id</label> <input id="spread" name="spread" size="40"
 value="{% if let Some(id) = spread %}{{ id }}{% endif %}">
<button>Show</button>{% if spread.is_some() %} <a href="/panel">The herd as it is now</a>{% endif %}
</form>
{%- if !recent.is_empty() %}
<ul>
{%- for (id, headline) in recent %}
<li><a href="/panel?spread={{ id }}">{{ headline }}</a></li>
{%- endfor %}
</ul>
{%- endif %}
</section>
<section aria-labelledby="hour-title">
<h2 id="hour-title">The last hour of {{ chosen }}</h2>
<form action="/panel" method="get" class="row"><label for="node">Another node</label>
<select id="node" name="node">
{%- for line in names %}
<option{% if *line == chosen %} selected{% endif %}>{{ line }}</option>
{%- endfor %}
</select> <button>Show</button></form>
<div id="charts" data-fresh="/panel?part=charts&amp;node={{ chosen|urlencode_strict }}">
{{ charts|safe }}
</div>
</section>
<section aria-labelledby="hand-title">
<h2 id="hand-title">By hand, on {{ node }}</h2>
<ul class="acts">
<li><a href="/panel/confirm?do=drain">Stop this node in order</a></li>
<li>Log from:
{%- for level in levels %}
<a href="/panel/confirm?do=level&amp;target={{ level }}">{{ level }}</a>
{%- endfor %}</li>
{%- for member in members %}
<li><a href="/panel/confirm?do=retire&amp;target={{ member|urlencode_strict }}">Retire {{ member }}
for good</a></li>
{%- endfor %}
</ul>
</section>
<script src="{{ script }}" defer></script>
"#
)]
struct PanelMain<'a> {
    style: &'a str,
    script: &'a str,
    node: &'a str,
    chosen: &'a str,
    names: Vec<&'a str>,
    spread: Option<&'a str>,
    recent: &'a [(String, String)],
    members: &'a [String],
    levels: [&'static str; 5],
    /// HTML.
    live: String,
    /// HTML.
    charts: String,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{{ picture|safe }}
<div class="wide"><table>
<caption>Nodes</caption>
<thead><tr><th scope="col">Node</th><th scope="col">State</th><th scope="col">Version</th>
<th scope="col">Updates</th><th scope="col">Connections</th><th scope="col">Readers</th>
<th scope="col">Requests/s</th><th scope="col">New/s</th>
<th scope="col">Slow turns</th></tr></thead>
<tbody>
{%- for line in nodes %}
<tr><th scope="row"><a href="/panel?node={{ line.name|urlencode_strict }}">{{ line.name }}</a></th>
<td class="is-{{ line.state }}">{{ line.state }}
{%- if !line.why.is_empty() %}: {{ line.why }}{% endif %}</td>
<td>{{ line.version }}</td><td>{{ line.updates }}</td><td>{{ line.connections }}</td>
<td>{{ line.readers }}</td><td>{{ line.requests }}</td><td>{{ line.news }}</td>
<td>{{ line.slow }}</td></tr>
{%- endfor %}
</tbody></table></div>
<div class="wide"><table>
<caption>Links, as each end says</caption>
<thead><tr><th scope="col">Of</th><th scope="col">To</th><th scope="col">State</th>
<th scope="col">Mode</th><th scope="col">Behind</th><th scope="col">Round trip</th>
<th scope="col">Sent</th><th scope="col">Twice</th><th scope="col">By hand</th></tr></thead>
<tbody>
{%- for line in links %}
<tr><th scope="row">{{ line.from }}</th><td>{{ line.to }}</td>
<td class="is-{{ line.state }}">{{ line.state }}</td><td>{{ line.mode }}</td><td>{{ line.lag }}</td>
<td>{{ line.rtt }}</td><td>{{ line.sent }}</td><td>{{ line.duplicates }}</td>
<td>{% if line.is_ours %}{% if line.state == "down" -%}
<a href="/panel/confirm?do=dial&amp;target={{ line.to|urlencode_strict }}">dial</a>
{%- else -%}
<a href="/panel/confirm?do=drop&amp;target={{ line.to|urlencode_strict }}">drop</a>
{%- endif %}{% endif %}</td></tr>
{%- endfor %}
</tbody></table></div>
"#
)]
struct LivePart<'a> {
    /// SVG.
    picture: String,
    nodes: Vec<NodeLine<'a>>,
    links: Vec<LinkLine<'a>>,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{%- if !is_known %}
<p>{{ chosen }} did not answer.</p>
{%- else %}
<div class="charts">
{%- for chart in charts %}
<figure><figcaption>{{ chart.name }}
{%- for line in chart.lines %} <span class="key s{{ loop.index0 }}">{{ line.name }}
 {{ line.last }}</span>{% endfor %}</figcaption>
<svg viewBox="0 0 360 100" role="img"
 aria-label="{{ chart.name }}, the last hour, up to {{ chart.top }}">
<line class="axis" x1="0" y1="90" x2="360" y2="90"/>
<text class="scale" x="2" y="9">{{ chart.top }}</text>
<text class="scale" x="2" y="99">1 h ago</text><text class="scale end" x="358" y="99">now</text>
{%- for line in chart.lines %}
<path class="s{{ loop.index0 }}" d="{{ line.path }}"/>
{%- endfor %}
</svg></figure>
{%- endfor %}
</div>
<h3>Slow turns of its loop</h3>
{%- if slow.is_empty() %}
<p>None since it started.</p>
{%- else %}
<ol class="slow">
{%- for (at, took, did) in slow %}
<li><time>{{ at }}</time>: {{ took }} ms: {{ did }}</li>
{%- endfor %}
</ol>
{%- endif %}
<h3 id="over">Who is over a limit</h3>
{%- if over.is_empty() %}
<p>Nobody since it started.</p>
{%- else %}
<div class="wide" role="region" aria-labelledby="over" tabindex="0"><table>
<thead><tr><th scope="col">Limit</th><th scope="col">From</th>
<th scope="col">Times</th></tr></thead><tbody>
{%- for (limit, from, count) in over %}
<tr><td>{{ limit }}</td><td>{{ from }}</td><td>{{ count }}</td></tr>
{%- endfor %}
</tbody></table></div>
{%- endif %}
<p class="by">It logs from {{ level }} on.</p>
{%- endif %}
"#
)]
struct ChartsPart<'a> {
    chosen: &'a str,
    /// It answered.
    is_known: bool,
    charts: Vec<Chart>,
    slow: Vec<(String, u64, String)>,
    over: Vec<(String, String, u64)>,
    level: String,
}

/// The panel, or a part of it.
pub(in crate::serve) fn panel(page: &PanelPage<'_>, part: Part) -> String {
    match part {
        Part::Live => live(page),
        Part::Charts => charts_part(page),
        Part::Whole => {
            let main = PanelMain {
                style: &PANEL_STYLE_HREF,
                script: &PANEL_SCRIPT_HREF,
                node: page.around.node,
                chosen: page.chosen,
                names: page.nodes.iter().map(|(name, ..)| *name).collect(),
                spread: page.spread.map(|(id, _)| id),
                recent: page.recent,
                members: page.members,
                levels: ["error", "warn", "info", "debug", "trace"],
                live: live(page),
                charts: charts_part(page),
            };
            framed(&page.around, &TITLE, &main)
        }
    }
}

fn live(page: &PanelPage<'_>) -> String {
    let links = links(page);
    let nodes = page.nodes.iter().map(|(name, is_up, said)| node_line(name, *is_up, said));
    let nodes: Vec<NodeLine<'_>> = nodes.collect();
    let states: Vec<(&str, &str)> = nodes.iter().map(|line| (line.name, line.state)).collect();
    let reached = page.spread.map(|(_, reached)| reached);
    let picture = picture(&states, &links, reached);
    rendered(&LivePart { picture, nodes, links })
}

fn node_line<'a>(name: &'a str, is_up: bool, said: &Value) -> NodeLine<'a> {
    let number = |key: &str| said[key].as_f64().map(plain_number).unwrap_or_default();
    let why = text(&said["unready"]);
    NodeLine {
        name,
        state: match (is_up, why.is_empty()) {
            (false, _) => "down",
            (true, false) => "unready",
            (true, true) => "up",
        },
        why,
        version: text(&said["version"]),
        updates: number("updates"),
        connections: number("connections"),
        readers: number("readers"),
        requests: number("requests_per_s"),
        news: number("updates_per_s"),
        slow: number("slow_turns"),
    }
}

fn links<'a>(page: &PanelPage<'a>) -> Vec<LinkLine<'a>> {
    let mut lines = Vec::new();
    for (name, is_up, said) in page.nodes {
        for link in said["links"].as_array().into_iter().flatten().filter(|_| *is_up) {
            let one_of = |key: &str, words: &[&'static str]| {
                let word = link[key].as_str().unwrap_or_default();
                words.iter().find(|known| **known == word).copied().unwrap_or(words[0])
            };
            lines.push(LinkLine {
                from: name,
                to: text(&link["to"]),
                state: one_of("state", &["down", "greeting", "syncing", "up"]),
                mode: one_of("mode", &["", "eager", "announce"]),
                lag: link["lag_updates"].as_u64().unwrap_or(0),
                rtt: link["rtt_ms"].as_u64().map(|ms| format!("{ms} ms")).unwrap_or_default(),
                sent: link["sent_updates"].as_u64().unwrap_or(0),
                duplicates: link["duplicate_updates"].as_u64().unwrap_or(0),
                is_ours: *name == page.around.node,
            });
        }
    }
    lines
}

fn charts_part(page: &PanelPage<'_>) -> String {
    let said = page.detail;
    let rows = |key: &str| said[key].as_array().into_iter().flatten();
    let slow = rows("slow").rev().map(|turn| {
        let at = crate::update::Hlc::from_ms(turn["at_ms"].as_u64().unwrap_or(0));
        (Moment::of(at).text, turn["took_ms"].as_u64().unwrap_or(0), text(&turn["did"]))
    });
    let over = rows("over").map(|over| {
        (text(&over["limit"]), text(&over["from"]), over["count"].as_u64().unwrap_or(0))
    });
    rendered(&ChartsPart {
        chosen: page.chosen,
        is_known: said.is_object(),
        charts: charts(&said["hour"]),
        slow: slow.collect(),
        over: over.collect(),
        level: text(&said["log_level"]),
    })
}

/// A text of another node, cut to what a table has room for.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().chars().take(400).collect()
}

/// `1234567` as `1.2M`, `0.00123` as `1.2m`.
fn plain_number(value: f64) -> String {
    let (number, letter) = scaled(value);
    number + letter
}

/// A number of a few digits, and the letter of its scale.
fn scaled(value: f64) -> (String, &'static str) {
    const SCALES: [(f64, f64, &str); 6] = [
        (1e9, 1e9, "G"),
        (1e6, 1e6, "M"),
        (1e4, 1e3, "k"),
        (1.0, 1.0, ""),
        (1e-3, 1e-3, "m"),
        (0.0, 1e-6, "µ"),
    ];
    if value == 0.0 {
        return ("0".to_owned(), "");
    }
    let scale = SCALES.iter().find(|(from, ..)| value.abs() >= *from);
    let (by, letter) = scale.map_or((1.0, ""), |(_, by, letter)| (*by, *letter));
    let digits = usize::from(value.abs() < 100.0 * by);
    let text = format!("{:.digits$}", value / by);
    (text.strip_suffix(".0").unwrap_or(&text).to_owned(), letter)
}

/// A question before something is done by hand.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<link rel="stylesheet" href="{{ style }}">
<h1>Do you mean it?</h1>
<p class="text">On {{ node }}: {{ what }}.</p>
<form action="/panel/do" method="post" class="row">
<input type="hidden" name="csrf" value="{{ csrf }}">
<input type="hidden" name="do" value="{{ word }}">
<input type="hidden" name="target" value="{{ target }}">
<button>Yes</button> <a href="/panel">No</a>
</form>
"#
)]
struct ConfirmMain<'a> {
    style: &'a str,
    node: &'a str,
    what: &'a str,
    csrf: &'a str,
    word: &'a str,
    target: &'a str,
}

/// Asks whether it is meant. `what` is a sentence, `word` and `target` are what the form sends.
pub(in crate::serve) fn confirm(
    around: &Around<'_>,
    what: &str,
    (word, target): (&str, &str),
) -> String {
    let (node, csrf, style) = (around.node, around.csrf, &PANEL_STYLE_HREF[..]);
    framed(around, &TITLE, &ConfirmMain { style, node, what, csrf, word, target })
}

/// Says what became of it.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>{{ heading }}</h1>
<p class="text">{{ text }}</p>
<p><a href="/panel">The panel</a></p>
"#
)]
struct DoneMain<'a> {
    heading: &'a str,
    text: &'a str,
}

/// Says what became of what was done by hand.
pub(in crate::serve) fn done(around: &Around<'_>, heading: &str, text: &str) -> String {
    framed(around, &TITLE, &DoneMain { heading, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ODD: &str = "\"><script>alert(1)</script>&'";

    fn page<'a>(nodes: &'a [(&'a str, bool, Value)], detail: &'a Value) -> PanelPage<'a> {
        PanelPage {
            around: Around { node: nodes[0].0, ..Around::default() },
            nodes,
            chosen: nodes[0].0,
            detail,
            spread: None,
            recent: &[],
            members: &[],
        }
    }

    #[test]
    fn the_picture_names_all_nodes_and_shows_which_are_down() {
        let said = json!({"version": "1", "updates": 12_345_678, "links": [
            {"to": "b", "state": "up", "mode": "eager", "lag_updates": 4, "rtt_ms": 2},
            {"to": "c", "state": "down", "mode": "", "lag_updates": 0},
        ]});
        let nodes = [("a", true, said), ("b", true, json!({})), ("c", false, Value::Null)];
        let html = panel(&page(&nodes, &Value::Null), Part::Live);
        for part in [
            "<title>a: up",
            "<title>c: down",
            "class=\"node is-up\"",
            "class=\"node is-down\"",
            "class=\"link is-up eager\"",
            "class=\"link is-down\"",
            "12.3M",
            "do=dial&amp;target=c",
            "do=drop&amp;target=b",
        ] {
            assert!(html.contains(part), "{part}\n{html}");
        }
        assert!(!html.contains("style=") && !html.contains("<html"), "{html}");
    }

    #[test]
    fn whatever_other_nodes_say_is_shown_and_not_obeyed() {
        let said = json!({"version": ODD, "unready": ODD, "links": [
            {"to": ODD, "state": ODD, "mode": ODD, "lag_updates": ODD, "rtt_ms": ODD},
        ]});
        let detail = json!({
            "log_level": ODD,
            "hour": {"every_ms": ODD, "charts": [
                {"name": ODD, "unit": ODD, "series": [{"name": ODD, "values": [1, ODD, 2, null]}]},
            ]},
            "slow": [{"at_ms": ODD, "took_ms": ODD, "did": ODD}],
            "over": [{"limit": ODD, "from": ODD, "count": ODD}],
        });
        let nodes = [(ODD, true, said), ("b", true, json!([1]))];
        let recent = [(ODD.to_owned(), ODD.to_owned())];
        let reached = [Reached { node: ODD.to_owned(), after_ms: Some(1.0), is_up: true }];
        let members = [ODD.to_owned()];
        let page = PanelPage {
            spread: Some((ODD, &reached)),
            recent: &recent,
            members: &members,
            ..page(&nodes, &detail)
        };
        let around =
            Around { node: ODD, name: ODD, csrf: ODD, here: ODD.to_owned(), may_withdraw: true };
        let confirmed = confirm(&around, ODD, (ODD, ODD));
        for html in [panel(&page, Part::Whole), confirmed, done(&around, ODD, ODD)] {
            assert!(html.contains("alert"), "{html}");
            assert!(!html.contains("<script>"), "{html}");
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (3.0, "3"),
            (0.25, "250m"),
            (1234.0, "1234"),
            (12_345.0, "12.3k"),
            (1.5e9, "1.5G"),
            (0.000_025, "25µ"),
        ] {
            assert_eq!(plain_number(value), text);
        }
    }
}
