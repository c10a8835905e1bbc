//! The stories nearest to a place, as a list with distances.

use super::lines::{NearItem, place};
use super::{Around, Inner, counted, framed};
use crate::news::{Located, Near};
use askama::Template;

/// How far to look, in kilometres, as it is proposed.
const RADII_KM: [u32; 6] = [5, 25, 100, 500, 2_500, 21_000];

/// Stories near a place.
#[derive(Debug)]
pub(in crate::serve) struct MapPage<'a> {
    pub(in crate::serve) around: Around<'a>,
    /// As they were asked for; may be empty, and need not be numbers.
    pub(in crate::serve) lat: &'a str,
    pub(in crate::serve) lon: &'a str,
    pub(in crate::serve) radius_km: u32,
    /// The place; `None` where there is none in what was asked.
    pub(in crate::serve) from: Option<Located>,
    pub(in crate::serve) near: &'a [Near],
}

/// Stories near a place.
pub(in crate::serve) fn map(page: &MapPage<'_>) -> String {
    let is_asked = !(page.lat.is_empty() && page.lon.is_empty());
    let main = Main {
        lat: page.lat,
        lon: page.lon,
        radii: RADII_KM.map(|km| (km, reach(km), km == page.radius_km)),
        reach: reach(page.radius_km),
        is_wrong: is_asked && page.from.is_none(),
        from: page.from.map(place),
        found: counted(page.near.len() as u64, "story", "stories"),
        items: page.near.iter().map(NearItem::of).collect(),
    };
    framed(&page.around, &Inner { title: "Nearby", way: "/map", live: None }, &main)
}

fn reach(km: u32) -> String {
    if km > 20_015 { "anywhere".to_owned() } else { format!("within {km} km") }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>Nearby</h1>
<p>The stories that happened nearest to a place.</p>
<form class="fields" id="place" action="/map">
<p><label for="lat">Latitude</label>
<input id="lat" name="lat" value="{{ lat }}" inputmode="text" required
 placeholder="34.07"{% if is_wrong %} aria-invalid="true" aria-describedby="wrong"{% endif %}></p>
<p><label for="lon">Longitude</label>
<input id="lon" name="lon" value="{{ lon }}" inputmode="text" required
 placeholder="-118.45"{% if is_wrong %} aria-invalid="true" aria-describedby="wrong"{% endif %}></p>
<p><label for="radius">How far</label>
<select id="radius" name="radius">
{%- for (km, text, is_chosen) in radii %}
<option value="{{ km }}"{% if *is_chosen %} selected{% endif %}>{{ text }}</option>
{%- endfor %}
</select></p>
<p><button>Find</button> <button type="button" id="here" hidden>Use my position</button></p>
</form>
{%- if is_wrong %}
<p class="note" id="wrong">That is no place: a latitude goes from −90 to 90 and a longitude from
−180 to 180 degrees, with a point and not a comma.</p>
{%- endif %}
{%- if let Some(from) = from %}
<h2>{{ found }} {{ reach }} of {{ from }}</h2>
<ol class="stories near">
{% for item in items %}{{ item|safe }}{% endfor -%}
</ol>
{%- endif %}"#
)]
struct Main<'a> {
    lat: &'a str,
    lon: &'a str,
    /// In kilometres, in words, and whether it is chosen.
    radii: [(u32, String, bool); 6],
    reach: String,
    is_wrong: bool,
    from: Option<String>,
    found: String,
    items: Vec<NearItem<'a>>,
}
