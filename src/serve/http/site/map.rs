//! `/map`: the stories nearest to a place.

use super::{Missing, around, or_plain};
use crate::news::{self, Located};
use crate::serve::Desk;
use crate::serve::http::answer::Answer;
use crate::serve::http::stories::Asked;
use crate::serve::pages::{self, MapPage};

/// Stories of one page.
const NEAREST: usize = 50;
/// How far a place can be from another, in kilometres, and how far is looked unless asked.
const RADIUS_KM_MAX: u64 = 21_000;
const RADIUS_KM: u64 = 100;

/// `/map`
pub(in crate::serve::http) fn map<D: Desk>(desk: &D, asked: &Asked<'_>) -> Answer {
    or_plain(try_map(desk, asked), around(desk, asked))
}

fn try_map<D: Desk>(desk: &D, asked: &Asked<'_>) -> Result<String, Missing> {
    let text = |name| asked.query.text(name).unwrap_or_default();
    let (lat, lon) = (text("lat"), text("lon"));
    let radius_km = asked.query.number("radius", 1..=RADIUS_KM_MAX, RADIUS_KM)?;
    let from = place(lat, lon);
    let near = match from {
        None => Vec::new(),
        Some(from) => news::near(desk.store().index(), from, radius_km as f64 * 1000.0, NEAREST)?,
    };
    let around = around(desk, asked);
    let radius_km = radius_km as u32;
    Ok(pages::map(&MapPage { around, lat, lon, radius_km, from, near: &near }))
}

fn place(lat: &str, lon: &str) -> Option<Located> {
    let degrees = |text: &str| text.trim().replace('−', "-").parse().ok();
    Located::from_degrees(degrees(lat)?, degrees(lon)?)
}
