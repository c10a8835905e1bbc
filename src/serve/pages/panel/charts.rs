//! Line charts of a node's last hour, as paths of an SVG.

use super::{scaled, text};
use serde_json::Value;
use std::fmt::Write;

/// Points of an hour, and the size of the field that they are drawn into.
const POINTS: usize = 360;
const HEIGHT: f64 = 76.0;
const BOTTOM: f64 = 90.0;
/// Of another node's answer no more is drawn.
const CHARTS_MAX: usize = 16;
const LINES_MAX: usize = 4;

/// One chart.
pub(super) struct Chart {
    pub(super) name: String,
    /// The greatest value, with its unit.
    pub(super) top: String,
    pub(super) lines: Vec<Line>,
}

/// One series of it.
pub(super) struct Line {
    pub(super) name: String,
    /// Its newest value; empty when there is none.
    pub(super) last: String,
    /// The data of an SVG path.
    pub(super) path: String,
}

/// The charts of what a node says of its hour.
pub(super) fn charts(hour: &Value) -> Vec<Chart> {
    let charts = hour["charts"].as_array().into_iter().flatten();
    charts.take(CHARTS_MAX).map(chart).collect()
}

fn chart(said: &Value) -> Chart {
    let unit = text(&said["unit"]);
    let series: Vec<(String, Vec<Option<f64>>)> = said["series"]
        .as_array()
        .into_iter()
        .flatten()
        .take(LINES_MAX)
        .map(|series| (text(&series["name"]), values(&series["values"])))
        .collect();
    let all = series.iter().flat_map(|(_, values)| values).flatten();
    let top = all.fold(0.0_f64, |top, value| top.max(*value));
    let lines = series.into_iter().map(|(name, values)| Line {
        name,
        last: values.last().copied().flatten().map(|v| with_unit(v, &unit)).unwrap_or_default(),
        path: path(&values, top),
    });
    Chart { name: text(&said["name"]), top: with_unit(top, &unit), lines: lines.collect() }
}

fn values(said: &Value) -> Vec<Option<f64>> {
    let values = said.as_array().map_or(&[][..], Vec::as_slice);
    let newest = &values[values.len().saturating_sub(POINTS)..];
    newest.iter().map(|value| value.as_f64().filter(|value| *value >= 0.0)).collect()
}

fn with_unit(value: f64, unit: &str) -> String {
    if unit == "%" {
        return format!("{value:.1} %");
    }
    let (number, letter) = scaled(value);
    if unit.is_empty() { number + letter } else { format!("{number} {letter}{unit}") }
}

/// The newest value at the right; nothing is drawn where nothing was measured.
fn path(values: &[Option<f64>], top: f64) -> String {
    let mut path = String::new();
    let mut is_down = false;
    let first = POINTS - values.len().min(POINTS);
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_down = false;
            continue;
        };
        let share = if top > 0.0 { value / top } else { 0.0 };
        let y = BOTTOM - HEIGHT * share;
        let (letter, x) = (if is_down { 'L' } else { 'M' }, first + at);
        let written = write!(path, "{letter}{x} {y:.1}");
        debug_assert!(written.is_ok(), "writing to a String does not fail");
        // A value alone is a point.
        if !is_down {
            path.push_str("h.5");
        }
        is_down = true;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_end_at_the_right_and_break_where_nothing_was_measured() {
        let said = json!({"charts": [{"name": "Turns", "unit": "s", "series": [
            {"name": "p50", "values": [null, 0.002, 0.001, null, 0.004]},
            {"name": "p99", "values": []},
        ]}]});
        let drawn = charts(&said);
        assert_eq!((drawn.len(), &drawn[0].top[..]), (1, "4 ms"));
        let line = &drawn[0].lines[0];
        assert_eq!((&line.last[..], &line.path[..]), ("4 ms", "M356 52.0h.5L357 71.0M359 14.0h.5"));
        assert_eq!((&drawn[0].lines[1].last[..], &drawn[0].lines[1].path[..]), ("", ""));
    }

    #[test]
    fn what_does_not_read_is_no_chart() {
        assert!(charts(&json!(null)).is_empty());
        let odd = json!({"charts": [{"series": [{"values": ["x", -1, 1e300]}]}, 3]});
        assert_eq!(charts(&odd).len(), 2);
        let long: Vec<u32> = (0..1_000).collect();
        let drawn = charts(&json!({"charts": [{"series": [{"values": long}]}]}));
        assert!(drawn[0].lines[0].path.starts_with("M0 "));
    }
}
