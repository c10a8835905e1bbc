//! A story as the lists show it.

use super::{Moment, headline, section_href, story_href};
use crate::news::{Located, Near, StoryLine};
use askama::Template;

/// One of a list.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<li data-title="{{ title }}" data-at="{{ at.iso }}">
{%- if !section.is_empty() %}
<p class="kicker" dir="auto"><a href="{{ self::section_href(section) }}">{{ section }}</a></p>
{%- endif %}
<a class="headline" href="{{ self::story_href(title) }}" dir="auto">{{ headline }}</a>
{%- if !teaser.is_empty() %}
<p class="teaser" dir="auto">{{ teaser|safe }}</p>
{%- endif %}
<p class="by"><time datetime="{{ at.iso }}">{{ at.text }}</time>
{%- if !author.is_empty() %} · <bdi>{{ author }}</bdi>{% endif %}
{%- if others > 0 %} · {{ others + 1 }} versions stand side by side{% endif %}</p></li>
"#
)]
pub(super) struct StoryItem<'a> {
    pub(super) title: &'a str,
    pub(super) headline: &'a str,
    /// Empty where the list is of one section.
    pub(super) section: &'a str,
    pub(super) author: &'a str,
    pub(super) at: Moment,
    /// How many heads stand beside the one that is shown.
    pub(super) others: usize,
    /// HTML; may be empty.
    pub(super) teaser: &'a str,
}

impl<'a> StoryItem<'a> {
    /// A line of a list; with the section where the list has many.
    pub(super) fn of(line: &'a StoryLine, with_section: bool) -> Self {
        Self {
            title: &line.title,
            headline: headline(&line.head.headline, &line.title),
            section: if with_section { &line.head.section } else { "" },
            author: &line.head.author,
            at: Moment::of(line.head.clock),
            others: line.conflicts.len(),
            teaser: "",
        }
    }
}

/// One of those near a place.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<li><a class="headline" href="{{ self::story_href(near.title) }}" dir="auto">
{{- self::headline(near.headline, near.title) }}</a>
<p class="by"><strong>{{ distance }}</strong>
{%- if !near.section.is_empty() %} · <bdi>{{ near.section }}</bdi>{% endif %} · {{ place }}</p></li>
"#
)]
pub(super) struct NearItem<'a> {
    pub(super) near: &'a Near,
    pub(super) distance: String,
    pub(super) place: String,
}

impl<'a> NearItem<'a> {
    pub(super) fn of(near: &'a Near) -> Self {
        Self { near, distance: distance(near.distance_mm), place: place(near.located) }
    }
}

/// `850 m`, `12.4 km`, `1,204 km`.
pub(super) fn distance(mm: u64) -> String {
    let m = (mm + 500) / 1000;
    match m {
        0..1_000 => format!("{m} m"),
        1_000..100_000 => format!("{}.{} km", m / 1000, m % 1000 / 100),
        100_000..1_000_000 => format!("{} km", m / 1000),
        _ => format!("{},{:03} km", m / 1_000_000, m / 1000 % 1000),
    }
}

/// `34.07° N, 118.45° W`
pub(super) fn place(located: Located) -> String {
    let half = |degrees: f64, [plus, minus]: [char; 2]| {
        let letter = if degrees < 0.0 { minus } else { plus };
        format!("{:.2}° {letter}", degrees.abs())
    };
    format!("{}, {}", half(located.lat(), ['N', 'S']), half(located.lon(), ['E', 'W']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_places_are_short() {
        for (mm, text) in [
            (0, "0 m"),
            (999_499, "999 m"),
            (999_500, "1.0 km"),
            (12_449_000, "12.4 km"),
            (100_000_000, "100 km"),
            (20_015_086_796, "20,015 km"),
        ] {
            assert_eq!(distance(mm), text);
        }
        let located = Located { lat_udeg: 34_068_930, lon_udeg: -118_445_127 };
        assert_eq!(place(located), "34.07° N, 118.45° W");
    }
}
