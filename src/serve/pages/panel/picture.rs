//! The herd as a picture: nodes on a circle, links between them, coloured by class. An SVG without
//! style or script of its own; whatever it shows stands in the tables below it, too.

use super::{LinkLine, plain_number};
use crate::serve::pages::rendered;
use askama::Template;
use std::collections::BTreeMap;

/// The middle and the radius of the circle.
const MIDDLE: (f64, f64) = (320.0, 210.0);
const RADIUS: (f64, f64) = (230.0, 160.0);
/// More of a name does not fit beside a node.
const NAME_CHARS: usize = 16;
/// Beyond so many nodes only those that are not well have their name beside them.
const NAMED_MAX: usize = 60;

/// When an update reached a node.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::serve) struct Reached {
    pub(in crate::serve) node: String,
    /// `None`: it did not, or nobody knows when.
    pub(in crate::serve) after_ms: Option<f64>,
    pub(in crate::serve) is_up: bool,
}

struct NodeMark<'a> {
    x: String,
    y: String,
    label_y: String,
    name: &'a str,
    label: String,
    state: &'a str,
    /// Milliseconds after the first node, of the update that is shown.
    after: Option<String>,
}

struct LinkMark {
    ends: [String; 4],
    state: &'static str,
    /// Of the mode, behind a space; empty for none.
    class: &'static str,
    title: String,
    note: String,
    note_at: [String; 2],
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<svg class="herd{% if is_spread %} spread{% endif %}" viewBox="0 0 640 440"
 role="img"
 aria-label="{{ nodes.len() }} nodes and the links between them; the tables below say the same">
{%- for link in links %}
<g class="link is-{{ link.state }}{{ link.class }}">
<title>{{ link.title }}</title>
<line x1="{{ link.ends[0] }}" y1="{{ link.ends[1] }}"
 x2="{{ link.ends[2] }}" y2="{{ link.ends[3] }}"/>
{%- if !link.note.is_empty() %}
<text x="{{ link.note_at[0] }}" y="{{ link.note_at[1] }}">{{ link.note }}</text>
{%- endif %}</g>
{%- endfor %}
{%- for node in nodes %}
<g class="node is-{{ node.state }}{% if node.after.is_some() %} reached{% endif %}"
{%- if let Some(after) = node.after %} data-after="{{ after }}"{% endif %}>
<title>{{ node.name }}: {{ node.state }}
{%- if let Some(after) = node.after %}, reached after {{ after }} ms{% endif %}</title>
<circle cx="{{ node.x }}" cy="{{ node.y }}" r="14"/>
<text x="{{ node.x }}" y="{{ node.label_y }}">{{ node.label }}
{%- if let Some(after) = node.after %} +{{ after }} ms{% endif %}</text></g>
{%- endfor %}
</svg>"#
)]
struct Picture<'a> {
    nodes: Vec<NodeMark<'a>>,
    links: Vec<LinkMark>,
    is_spread: bool,
}

/// Draws nodes (name, state), the links that their ends told of, and whom an update reached.
pub(super) fn picture(
    nodes: &[(&str, &str)],
    links: &[LinkLine<'_>],
    reached: Option<&[Reached]>,
) -> String {
    let places: BTreeMap<&str, (f64, f64)> =
        nodes.iter().enumerate().map(|(at, (name, _))| (*name, place(at, nodes.len()))).collect();
    let marks = nodes.iter().map(|(name, state)| mark(name, state, nodes.len(), &places, reached));
    rendered(&Picture {
        nodes: marks.collect(),
        links: link_marks(links, &places),
        is_spread: reached.is_some(),
    })
}

/// The first at the top, the others clockwise.
fn place(at: usize, count: usize) -> (f64, f64) {
    if count == 1 {
        return MIDDLE;
    }
    let angle = std::f64::consts::TAU * at as f64 / count as f64;
    (MIDDLE.0 + RADIUS.0 * angle.sin(), MIDDLE.1 - RADIUS.1 * angle.cos())
}

fn mark<'a>(
    name: &'a str,
    state: &'a str,
    count: usize,
    places: &BTreeMap<&str, (f64, f64)>,
    reached: Option<&[Reached]>,
) -> NodeMark<'a> {
    let (x, y) = places.get(name).copied().unwrap_or(MIDDLE);
    let after = reached.into_iter().flatten().find(|reached| reached.node == name);
    let after = after.and_then(|reached| reached.after_ms).map(|ms| format!("{ms:.1}"));
    let is_named = count <= NAMED_MAX || state != "up";
    let label = if is_named { name.chars().take(NAME_CHARS).collect() } else { String::new() };
    NodeMark {
        x: px(x),
        y: px(y),
        label_y: px(if y < MIDDLE.1 { y - 22.0 } else { y + 30.0 }),
        name,
        label,
        state,
        after,
    }
}

/// One line a pair of nodes, in the worse of the two states that its ends tell.
fn link_marks(links: &[LinkLine<'_>], places: &BTreeMap<&str, (f64, f64)>) -> Vec<LinkMark> {
    const STATES: [&str; 4] = ["down", "greeting", "syncing", "up"];
    let rank = |state: &str| STATES.iter().position(|known| *known == state);
    let mut pairs: BTreeMap<(&str, &str), Vec<&LinkLine<'_>>> = BTreeMap::new();
    for link in links {
        let (a, b) = (link.from.min(&link.to), link.from.max(&link.to));
        pairs.entry((a, b)).or_default().push(link);
    }
    let mut marks = Vec::new();
    for ((a, b), told) in pairs {
        let (Some(from), Some(to)) = (places.get(a), places.get(b)) else { continue };
        let Some(worst) = told.iter().min_by_key(|link| rank(link.state)) else { continue };
        let lag = told.iter().map(|link| link.lag).max().unwrap_or(0);
        let is_eager = told.iter().any(|link| link.mode == "eager");
        let note = match (lag, worst.state) {
            (0, "up") => worst.rtt.clone(),
            (0, state) => state.to_owned(),
            (lag, _) => format!("{} behind", plain_number(lag as f64)),
        };
        marks.push(LinkMark {
            ends: [px(from.0), px(from.1), px(to.0), px(to.1)],
            state: worst.state,
            class: match (worst.state, is_eager) {
                ("down", _) => "",
                (_, true) => " eager",
                (_, false) => " announce",
            },
            title: format!("{a} – {b}: {}, {note}", worst.state),
            note_at: [px(f64::midpoint(from.0, to.0)), px(f64::midpoint(from.1, to.1) - 4.0)],
            note: if places.len() <= NAMED_MAX / 4 || worst.state != "up" {
                note
            } else {
                String::new()
            },
        });
    }
    marks
}

fn px(value: f64) -> String {
    format!("{value:.1}")
}
