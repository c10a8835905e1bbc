//! The stories near a place, and the JSON in which `WHATSAT` shows them.
//!
//! The search goes through the cells of the globe from the nearest on, and quarters a cell until it
//! holds few stories; so it reads rows by the number of stories asked for, not by how many the
//! region has. Exact at the poles and at ±180°.

use super::globe::Quad;
use super::rows::{StoryRow, key, read_place_key, table};
use super::{Located, Shelf};
use crate::store::{Direction, StoreError};
use crate::update::Cid;
use serde::Serialize;
use std::collections::BTreeSet;
use std::ops::Bound;

/// A cell with fewer stories than this is read whole.
const CELL_ROWS_MAX: usize = 32;
/// Cells larger than the radius, or this, are quartered without a look at what they hold.
const REACH_MM_MIN: u64 = 10_000_000;
/// North of here, and south of its mirror, even large cells are looked at: there are too many small
/// ones around a pole.
const POLAR_LAT_MICRO: i32 = 80_000_000;
/// The most stories that one search finds.
const NEAR_MAX: usize = 100;

/// A story near a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// The story.
    pub title: String,
    /// The id of its head.
    pub cid: Cid,
    /// The headline of its head; may be empty.
    pub headline: String,
    /// The section of its head; may be empty.
    pub section: String,
    /// Where it happened.
    pub located: Located,
    /// How far from the place asked for.
    pub distance_mm: u64,
}

/// What the search still has to look at, nearest first; at one distance cells before stories.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Candidate {
    Cell(Quad),
    Story(String, Located),
}

/// The stories whose head happened within `radius_m` metres of a place, nearest first, those at one
/// distance by title; at most `limit`, held to 100.
pub fn near(
    shelf: &impl Shelf,
    from: Located,
    radius_m: f64,
    limit: usize,
) -> Result<Vec<Near>, StoreError> {
    let radius_mm = (radius_m * 1000.0) as u64;
    let limit = limit.min(NEAR_MAX);
    let is_polar = from.lat_udeg.abs() > POLAR_LAT_MICRO;
    let reach_mm = if is_polar { u64::MAX } else { radius_mm.max(REACH_MM_MIN) };
    let level_max = Quad::level_over(reach_mm);
    let mut found = Vec::new();
    let mut candidates = BTreeSet::from([(0, Candidate::Cell(Quad::GLOBE))]);
    while found.len() < limit
        && let Some((distance_mm, candidate)) = candidates.pop_first()
    {
        match candidate {
            Candidate::Story(title, located) => {
                found.extend(near_story(shelf, title, located, distance_mm)?);
            }
            Candidate::Cell(quad) => {
                let nexts = match quad.quarters().filter(|_| quad.level() > level_max) {
                    Some(quarters) => cells(quarters, from),
                    None => look_into(shelf, quad, from, limit)?,
                };
                candidates.extend(nexts.into_iter().filter(|next| next.0 <= radius_mm));
            }
        }
    }
    Ok(found)
}

/// What stands in a cell: its stories when they are few or all in one place, else its quarters.
fn look_into(
    shelf: &impl Shelf,
    quad: Quad,
    from: Located,
    limit: usize,
) -> Result<Vec<(u64, Candidate)>, StoreError> {
    let (first, behind) = quad.codes();
    let first = key(table::PLACE, &[&first.to_be_bytes()]);
    let behind = key(table::PLACE, &[&behind.to_be_bytes()]);
    let (first, behind) = (Bound::Included(&first[..]), Bound::Excluded(&behind[..]));
    let quarters = quad.quarters();
    let rows_max = if quarters.is_some() { CELL_ROWS_MAX } else { limit };
    let rows = shelf.scan(first, behind, rows_max, Direction::Up)?;
    if let Some(quarters) = quarters.filter(|_| rows.len() == rows_max) {
        return Ok(cells(quarters, from));
    }
    let story = |(key, _): &(Vec<u8>, Vec<u8>)| {
        let (located, title) = read_place_key(key)?;
        Ok((located.distance_mm(from), Candidate::Story(title.to_owned(), located)))
    };
    rows.iter().map(story).collect()
}

/// Those of the cells that have a part on the globe.
fn cells(quads: [Quad; 4], from: Located) -> Vec<(u64, Candidate)> {
    let cell = |quad: Quad| Some((quad.distance_mm(from)?, Candidate::Cell(quad)));
    quads.into_iter().filter_map(cell).collect()
}

fn near_story(
    shelf: &impl Shelf,
    title: String,
    located: Located,
    distance_mm: u64,
) -> Result<Option<Near>, StoreError> {
    let Some(row) = shelf.get(&key(table::STORY, &[title.as_bytes()]))? else {
        return Ok(None);
    };
    Ok(StoryRow::decode(&row)?.head.map(|(rank, head)| Near {
        title,
        cid: rank.cid,
        headline: head.headline,
        section: head.section,
        located,
        distance_mm,
    }))
}

#[derive(Serialize)]
struct Answer<'a> {
    html_attributions: [&'a str; 0],
    results: Vec<Found<'a>>,
    status: &'a str,
}

#[derive(Serialize)]
struct Found<'a> {
    geometry: Geometry,
    name: &'a str,
    place_id: &'a str,
    reference: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    vicinity: &'a str,
}

#[derive(Serialize)]
struct Geometry {
    location: Location,
}

#[derive(Serialize)]
struct Location {
    lat: f64,
    lng: f64,
}

/// The first `bound` stories in the shape of Google Places' Nearby Search: the name is the
/// headline (the title, where there is none), `place_id` the title, `reference` the id of the
/// revision, `vicinity` the section. Line feeds stand alone, and none at the end.
pub fn nearby_json(near: &[Near], bound: usize) -> String {
    let results = near.iter().take(bound).map(found).collect();
    let answer = Answer { html_attributions: [], results, status: "OK" };
    // Only maps with keys that are no text, or a writer that fails, make this an error.
    serde_json::to_string_pretty(&answer).unwrap_or_default()
}

fn found(near: &Near) -> Found<'_> {
    let name = if near.headline.is_empty() { &near.title } else { &near.headline };
    let location = Location { lat: near.located.lat(), lng: near.located.lon() };
    Found {
        geometry: Geometry { location },
        name,
        place_id: &near.title,
        reference: near.cid.to_string(),
        vicinity: &near.section,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Revision, apply};
    use super::*;
    use crate::update::{Draft, Update};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn put(shelf: &mut BTreeMap<Vec<u8>, Vec<u8>>, seq: u64, title: &str, located: Located) {
        let payload = Revision {
            generation: 1,
            title,
            section: "world",
            located: Some(located),
            ..Revision::default()
        };
        let update =
            Update::seal(Draft { payload: &payload.encode().unwrap(), ..Draft::sample(seq) });
        apply(shelf, &update.unwrap()).unwrap();
    }

    /// Places in a small patch around one of the globe's hard spots.
    fn patch() -> impl Strategy<Value = (Vec<(i32, i32)>, (i32, i32))> {
        let spot = prop_oneof![
            Just((0_i32, 0_i32)),
            Just((0, 180_000_000)),
            Just((90_000_000, 0)),
            Just((-90_000_000, 170_000_000)),
            Just((34_068_930, -118_445_127)),
            Just((-89_700_000, -180_000_000)),
        ];
        let step = || (-600_000..600_000_i32, -900_000..900_000_i32);
        (spot, prop::collection::vec(step(), 0..120), step(), prop::bool::ANY).prop_map(
            |((lat, lon), steps, from, around)| {
                // Around a pole every longitude is near.
                let scale = if around && lat.abs() > 89_000_000 { 200 } else { 1 };
                let place = |(north, east): (i32, i32)| {
                    let lat = (lat + north).clamp(-90_000_000, 90_000_000);
                    let lon = i64::from(lon) + i64::from(east) * scale;
                    let lon = (lon + 180_000_000).rem_euclid(360_000_000) - 180_000_000;
                    (lat, lon as i32)
                };
                (steps.into_iter().map(place).collect(), place(from))
            },
        )
    }

    fn located((lat_udeg, lon_udeg): (i32, i32)) -> Located {
        Located { lat_udeg, lon_udeg }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn the_nearest_are_found_and_no_others(
            (places, from) in patch(), radius_m in 0.0..60_000.0, limit in 0..130_usize,
        ) {
            let from = located(from);
            let mut shelf = BTreeMap::new();
            let mut all = Vec::new();
            for (seq, place) in (1..).zip(&places) {
                let title = format!("story {seq:03}");
                put(&mut shelf, seq, &title, located(*place));
                all.push((from.distance_mm(located(*place)), title));
            }
            all.retain(|(distance_mm, _)| *distance_mm <= (radius_m * 1000.0) as u64);
            all.sort();
            all.truncate(limit.min(NEAR_MAX));
            let found = near(&shelf, from, radius_m, limit).unwrap();
            let found = found.into_iter().map(|near| (near.distance_mm, near.title));
            prop_assert_eq!(found.collect::<Vec<_>>(), all);
        }
    }

    #[test]
    fn many_stories_in_one_place_are_all_found_up_to_the_limit() {
        let mut shelf = BTreeMap::new();
        let place = Located { lat_udeg: 5, lon_udeg: -5 };
        for seq in 1..=200 {
            put(&mut shelf, seq, &format!("{seq:03}"), place);
        }
        let titles: Vec<_> =
            near(&shelf, place, 0.0, 20).unwrap().into_iter().map(|near| near.title).collect();
        assert_eq!(titles, (1..=20).map(|n| format!("{n:03}")).collect::<Vec<_>>());
        assert_eq!(near(&shelf, place, f64::NAN, 200).unwrap().len(), 100);
    }

    #[test]
    fn the_json_has_the_shape_of_a_nearby_search() {
        let near = |title: &str, headline: &str, section: &str| Near {
            title: title.into(),
            cid: Cid([0xab; 32]),
            headline: headline.into(),
            section: section.into(),
            located: Located { lat_udeg: 34_068_930, lon_udeg: -118_445_127 },
            distance_mm: 5,
        };
        let json = nearby_json(&[near("a", "A \"b\"\n\nc", ""), near("b", "", "world")], 2);
        assert!(!json.contains("\n\n") && !json.ends_with('\n'));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["status"], "OK");
        assert_eq!(value["html_attributions"], serde_json::json!([]));
        let first = &value["results"][0];
        let location = serde_json::json!({"lat": 34.06893, "lng": -118.445_127});
        assert_eq!(first["geometry"]["location"], location);
        assert_eq!((&first["name"], &first["place_id"]), (&"A \"b\"\n\nc".into(), &"a".into()));
        assert!(first.get("vicinity").is_none());
        let second = &value["results"][1];
        assert_eq!((&second["name"], &second["vicinity"]), (&"b".into(), &"world".into()));
        let empty: serde_json::Value = serde_json::from_str(&nearby_json(&[], 5)).unwrap();
        assert_eq!((&empty["status"], &empty["results"]), (&"OK".into(), &serde_json::json!([])));
        let none = nearby_json(&[near("a", "", "")], 0);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&none).unwrap(), empty);
    }
}
