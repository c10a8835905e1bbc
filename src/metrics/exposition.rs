//! Prometheus' text format 0.0.4. Owns the grouping into families, the escaping and the writing
//! of numbers; never counts anything.
//!
//! Format: <https://prometheus.io/docs/instrumenting/exposition_formats/>, naming rules:
//! <https://prometheus.io/docs/practices/naming/>.

use super::Histogram;
use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// What one step of a counted number is, so that it is shown in base units, without rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Itself: bytes, connections, seconds.
    One,
    /// Milliseconds, shown as seconds.
    Milliseconds,
    /// Nanoseconds, shown as seconds.
    Nanoseconds,
}

impl Unit {
    /// `number` of this unit as a value in base units.
    pub fn of(self, number: u64) -> Value {
        match self {
            Self::One => Value::Whole(number),
            Self::Milliseconds => Value::Scaled(number, 3),
            Self::Nanoseconds => Value::Scaled(number, 9),
        }
    }
}

/// A sample's value. Made from `u64`, `u32`, `usize`, `f64` and `bool`, or by [`Unit::of`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A whole number, shown in full.
    Whole(u64),
    /// A whole number over a power of ten, shown in full.
    Scaled(u64, u8),
    /// Any number.
    Real(f64),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Whole(number.into())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Whole(number as u64)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Whole(yes.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Whole(number) => write!(f, "{number}"),
            Self::Scaled(number, decimals) => write_scaled(f, number, decimals),
            Self::Real(number) if number == f64::INFINITY => f.write_str("+Inf"),
            Self::Real(number) if number == f64::NEG_INFINITY => f.write_str("-Inf"),
            Self::Real(number) => write!(f, "{number}"),
        }
    }
}

/// `number / 10^decimals`, without zeros at the end of the fraction.
fn write_scaled(f: &mut fmt::Formatter<'_>, number: u64, decimals: u8) -> fmt::Result {
    let one = 10_u64.pow(decimals.into());
    let (whole, mut fraction) = (number / one, number % one);
    write!(f, "{whole}")?;
    if fraction == 0 {
        return Ok(());
    }
    let mut width = usize::from(decimals);
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        width -= 1;
    }
    write!(f, ".{fraction:0width$}")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One page of metrics under way.
///
/// Samples may come in any order: those of a family are kept together, behind its `HELP` and
/// `TYPE`, and families stand in the order of their first samples. A sample must not be given
/// twice with the same labels. Names, help and labels are the program's own; test builds assert
/// the naming rules: counters end in `_total` and nothing else does, units are base units, names
/// and labels are snake case.
#[derive(Debug, Default)]
pub struct Exposition {
    families: Vec<String>,
    places: BTreeMap<&'static str, (usize, Kind)>,
}

impl Exposition {
    /// The media type of the page.
    pub const MEDIA_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// A number that only grows.
    pub fn counter(
        &mut self,
        name: &'static str,
        help: &str,
        labels: &[(&str, &str)],
        value: impl Into<Value>,
    ) {
        let family = self.family(name, help, Kind::Counter);
        write_sample(family, name, "", labels, None, value.into());
    }

    /// A number that goes up and down.
    pub fn gauge(
        &mut self,
        name: &'static str,
        help: &str,
        labels: &[(&str, &str)],
        value: impl Into<Value>,
    ) {
        let family = self.family(name, help, Kind::Gauge);
        write_sample(family, name, "", labels, None, value.into());
    }

    /// Ranges, sum and count of a histogram whose values are in `unit`.
    pub fn histogram(
        &mut self,
        name: &'static str,
        help: &str,
        labels: &[(&str, &str)],
        histogram: &Histogram,
        unit: Unit,
    ) {
        let family = self.family(name, help, Kind::Histogram);
        for (bound, below) in histogram.cumulative() {
            let bound = bound.map_or(Value::Real(f64::INFINITY), |bound| unit.of(bound));
            write_sample(family, name, "_bucket", labels, Some(bound), below.into());
        }
        write_sample(family, name, "_sum", labels, None, unit.of(histogram.sum()));
        write_sample(family, name, "_count", labels, None, histogram.count().into());
    }

    /// The page.
    pub fn finish(self) -> String {
        self.families.concat()
    }

    fn family(&mut self, name: &'static str, help: &str, kind: Kind) -> &mut String {
        debug_assert_eq!(broken_rule(name, help, kind), None, "metric {name}");
        let next = self.families.len();
        let (place, first_kind) = *self.places.entry(name).or_insert((next, kind));
        debug_assert_eq!(first_kind, kind, "metric {name} has two types");
        if place == next {
            let mut head = format!("# HELP {name} ");
            escape(&mut head, help, false);
            let kind = kind.name();
            push(&mut head, format_args!("\n# TYPE {name} {kind}\n"));
            self.families.push(head);
        }
        &mut self.families[place]
    }
}

fn write_sample(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &[(&str, &str)],
    bound: Option<Value>,
    value: Value,
) {
    out.push_str(name);
    out.push_str(suffix);
    let mut before = '{';
    for (label, text) in labels {
        debug_assert!(is_snake(label) && *label != "le", "label {label} of {name}");
        push(out, format_args!("{before}{label}=\""));
        escape(out, text, true);
        out.push('"');
        before = ',';
    }
    if let Some(bound) = bound {
        push(out, format_args!("{before}le=\"{bound}\""));
        before = ',';
    }
    if before == ',' {
        out.push('}');
    }
    push(out, format_args!(" {value}\n"));
}

/// Appends formatted text; writing to a `String` does not fail.
fn push(out: &mut String, text: fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok());
}

/// Help text escapes backslash and LF; a label's value also the double quote.
fn escape(out: &mut String, text: &str, quoted: bool) {
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quoted => out.push_str("\\\""),
            _ => out.push(letter),
        }
    }
}

fn is_snake(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// Which of promtool's rules a family breaks.
fn broken_rule(name: &str, help: &str, kind: Kind) -> Option<&'static str> {
    let has_part = |parts: &[&str]| name.split('_').any(|part| parts.contains(&part));
    if !is_snake(name) {
        return Some("names are snake case");
    }
    if help.is_empty() {
        return Some("every family has a help text");
    }
    if (kind == Kind::Counter) != name.ends_with("_total") {
        return Some("counters, and nothing else, end in _total");
    }
    if ["_count", "_sum", "_bucket"].iter().any(|suffix| name.ends_with(suffix)) {
        return Some("_count, _sum and _bucket belong to histograms' own samples");
    }
    if has_part(&["counter", "gauge", "histogram"]) {
        return Some("a name does not hold its type");
    }
    let scaled = ["ms", "us", "ns", "milliseconds", "microseconds", "nanoseconds", "minutes"];
    if has_part(&scaled) || has_part(&["kb", "mb", "kib", "mib", "kilobytes", "megabytes"]) {
        return Some("units are base units: seconds, bytes");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_one_head_and_its_samples_stand_together() {
        let mut page = Exposition::new();
        page.counter("bw_lost_total", "Connections lost.", &[("reason", "idle")], 3_u64);
        page.gauge("bw_open", "Open connections.", &[], 7_usize);
        page.counter("bw_lost_total", "Connections lost.", &[("reason", "slow")], 4_u64);
        assert_eq!(
            page.finish(),
            "# HELP bw_lost_total Connections lost.\n\
             # TYPE bw_lost_total counter\n\
             bw_lost_total{reason=\"idle\"} 3\n\
             bw_lost_total{reason=\"slow\"} 4\n\
             # HELP bw_open Open connections.\n\
             # TYPE bw_open gauge\n\
             bw_open 7\n"
        );
    }

    #[test]
    fn a_histogram_is_shown_in_seconds_with_cumulative_ranges() {
        let mut histogram = Histogram::new(&[50_000, 1_000_000, 2_500_000_000]);
        for value in [10, 50_000, 70_000, 3_000_000_001] {
            histogram.observe(value);
        }
        let mut page = Exposition::new();
        let labels = [("phase", "poll")];
        page.histogram("bw_turn_seconds", "A turn.", &labels, &histogram, Unit::Nanoseconds);
        assert_eq!(
            page.finish(),
            "# HELP bw_turn_seconds A turn.\n\
             # TYPE bw_turn_seconds histogram\n\
             bw_turn_seconds_bucket{phase=\"poll\",le=\"0.00005\"} 2\n\
             bw_turn_seconds_bucket{phase=\"poll\",le=\"0.001\"} 3\n\
             bw_turn_seconds_bucket{phase=\"poll\",le=\"2.5\"} 3\n\
             bw_turn_seconds_bucket{phase=\"poll\",le=\"+Inf\"} 4\n\
             bw_turn_seconds_sum{phase=\"poll\"} 3.000120011\n\
             bw_turn_seconds_count{phase=\"poll\"} 4\n"
        );
    }

    #[test]
    fn a_histogram_without_labels_has_only_its_bounds() {
        let mut page = Exposition::new();
        page.histogram("bw_size_bytes", "Sizes.", &[], &Histogram::new(&[64]), Unit::One);
        assert_eq!(
            page.finish(),
            "# HELP bw_size_bytes Sizes.\n# TYPE bw_size_bytes histogram\n\
             bw_size_bytes_bucket{le=\"64\"} 0\nbw_size_bytes_bucket{le=\"+Inf\"} 0\n\
             bw_size_bytes_sum 0\nbw_size_bytes_count 0\n"
        );
    }

    #[test]
    fn help_and_label_values_are_escaped() {
        let mut page = Exposition::new();
        let labels = [("peer", "a\"b\\c\nd é"), ("kind", "")];
        page.gauge("bw_link_up", "Is \"up\"\\\nor not.", &labels, true);
        assert_eq!(
            page.finish(),
            "# HELP bw_link_up Is \"up\"\\\\\\nor not.\n# TYPE bw_link_up gauge\n\
             bw_link_up{peer=\"a\\\"b\\\\c\\nd é\",kind=\"\"} 1\n"
        );
    }

    #[test]
    fn values_are_written_as_prometheus_reads_them() {
        let shown = |value: Value| value.to_string();
        assert_eq!(shown(u64::MAX.into()), "18446744073709551615");
        assert_eq!(shown(7_u32.into()), "7");
        assert_eq!(shown(0.25.into()), "0.25");
        assert_eq!(shown((-1.0).into()), "-1");
        assert_eq!(shown(f64::INFINITY.into()), "+Inf");
        assert_eq!(shown(f64::NEG_INFINITY.into()), "-Inf");
        assert_eq!(shown(f64::NAN.into()), "NaN");
        assert_eq!(shown(Unit::Milliseconds.of(1500)), "1.5");
        assert_eq!(shown(Unit::Nanoseconds.of(1)), "0.000000001");
        assert_eq!(shown(Unit::Nanoseconds.of(2_000_000_000)), "2");
    }

    #[test]
    fn names_that_promtool_would_complain_about_are_found() {
        let rule = |name, kind| broken_rule(name, "Help.", kind);
        for (name, kind) in [
            ("bw_lost", Kind::Counter),
            ("bw_open_total", Kind::Gauge),
            ("bw_turn_ms", Kind::Histogram),
            ("bw_turn_count", Kind::Gauge),
            ("bwTurn", Kind::Gauge),
            ("9lives", Kind::Gauge),
            ("bw_open_gauge", Kind::Gauge),
            ("bw_sent_kilobytes_total", Kind::Counter),
        ] {
            assert!(rule(name, kind).is_some(), "{name}");
        }
        assert!(broken_rule("bw_open", "", Kind::Gauge).is_some());
        assert_eq!(rule("bw_sent_bytes_total", Kind::Counter), None);
        assert_eq!(rule("bw_turn_seconds", Kind::Histogram), None);
    }
}
