//! The last hour of this node, for its panel: samples of its counters every ten seconds, in memory,
//! with rates and percentiles of what happened between two of them.

use super::Node;
use crate::metrics::Histogram;
use crate::reactor::{Class, Ctx};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Between two samples.
const EVERY_MS: u64 = 10_000;
/// Samples kept: an hour. Each has four bytes a series.
const SAMPLES_MAX: usize = 360;

/// The charts: what each is called, its unit, its series. A series is a place in a sample.
const CHARTS: [(&str, &str, &[&str]); 8] = [
    ("Connections", "", &["HTTP", "streams", "line", "links"]),
    ("Requests", "/s", &["HTTP", "line"]),
    ("HTTP latency", "s", &["p50", "p99"]),
    ("Updates", "/s", &["published", "received", "known", "handed on"]),
    ("Bytes", "B/s", &["in", "out"]),
    ("Turns of the loop", "s", &["p50", "p99"]),
    ("Syncs of the disk", "s", &["p50", "p99"]),
    ("Processor", "%", &["of one core"]),
];
const SERIES: usize = 19;

/// What is counted, as it stood at one moment.
#[derive(Clone, Debug)]
struct Counts {
    at_ms: u64,
    requests: u64,
    commands: u64,
    /// Published, received, known, handed on.
    updates: [u64; 4],
    bytes: [u64; 2],
    cpu_ms: u64,
    http_ns: Histogram,
    turn_ns: Histogram,
    fsync_ns: Histogram,
}

/// One sample; not a number where nothing happened that could be measured.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at_ms: u64,
    values: [f32; SERIES],
}

/// The samples.
#[derive(Debug, Default)]
pub(super) struct Hour {
    samples: VecDeque<Sample>,
    before: Option<Counts>,
}

/// What a node shows of itself at a glance, as of the last sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    pub(super) requests: f32,
    pub(super) updates: f32,
    pub(super) bytes_out: f32,
}

impl Hour {
    fn push(&mut self, now: Counts, open: [f32; 4]) {
        if let Some(before) = &self.before {
            if self.samples.len() == SAMPLES_MAX {
                self.samples.pop_front();
            }
            self.samples.push_back(sample(before, &now, open));
        }
        self.before = Some(now);
    }

    /// All charts as JSON: `{every_ms, until, charts: [{name, unit, series: [{name, values}]}]}`.
    pub(super) fn view(&self) -> Value {
        let mut at = 0;
        let charts = CHARTS.map(|(name, unit, names)| {
            let series: Vec<Value> = names
                .iter()
                .map(|name| {
                    at += 1;
                    let values = self.samples.iter().map(|sample| shown(sample.values[at - 1]));
                    json!({"name": name, "values": values.collect::<Vec<Value>>()})
                })
                .collect();
            json!({"name": name, "unit": unit, "series": series})
        });
        let until = self.samples.back().map(|sample| sample.at_ms);
        json!({"every_ms": EVERY_MS, "until": until, "charts": charts})
    }

    /// What goes on now; `None` before there are two samples.
    pub(super) fn rates(&self) -> Option<Rates> {
        let last = &self.samples.back()?.values;
        Some(Rates { requests: last[4] + last[5], updates: last[8] + last[9], bytes_out: last[13] })
    }
}

/// Three digits are more than a chart shows.
fn shown(value: f32) -> Value {
    if !value.is_finite() {
        return Value::Null;
    }
    if value == 0.0 {
        return json!(0);
    }
    let text = format!("{value:.2e}");
    text.parse::<f64>().map_or(Value::Null, |value| json!(value))
}

fn sample(before: &Counts, now: &Counts, open: [f32; 4]) -> Sample {
    let seconds = now.at_ms.saturating_sub(before.at_ms).max(1) as f32 / 1e3;
    let rate = |now: u64, before: u64| now.saturating_sub(before) as f32 / seconds;
    let (mut values, mut at) = ([f32::NAN; SERIES], 0);
    let mut put = |value: f32| {
        values[at] = value;
        at += 1;
    };
    open.into_iter().for_each(&mut put);
    put(rate(now.requests, before.requests));
    put(rate(now.commands, before.commands));
    percentiles(&now.http_ns, &before.http_ns).into_iter().for_each(&mut put);
    for (now, before) in now.updates.iter().zip(before.updates) {
        put(rate(*now, before));
    }
    for (now, before) in now.bytes.iter().zip(before.bytes) {
        put(rate(*now, before));
    }
    percentiles(&now.turn_ns, &before.turn_ns).into_iter().for_each(&mut put);
    percentiles(&now.fsync_ns, &before.fsync_ns).into_iter().for_each(&mut put);
    put(rate(now.cpu_ms, before.cpu_ms) / 10.0);
    Sample { at_ms: now.at_ms, values }
}

/// The median and the 99th percentile, in seconds, of what came between.
fn percentiles(now: &Histogram, before: &Histogram) -> [f32; 2] {
    let between = now.since(before);
    [0.5, 0.99].map(|q| between.quantile(q).map_or(f32::NAN, |ns| ns as f32 / 1e9))
}

impl Node {
    /// Takes samples for as long as the node runs.
    pub(super) fn sample_for_ever(&mut self, cx: &mut Ctx<'_, Self>) {
        let counts = self.counts(cx);
        let open = self.open_now(cx);
        self.hour.push(counts, open);
        cx.call_later(EVERY_MS, |cx, node| node.sample_for_ever(cx));
    }

    fn counts(&self, cx: &Ctx<'_, Self>) -> Counts {
        let (stats, figures) = (cx.stats(), &self.figures);
        Counts {
            at_ms: cx.wall_ns() / 1_000_000,
            requests: self.tally.requests(),
            commands: self.tally.commands(),
            updates: [figures.accepted, figures.received, figures.duplicates, figures.flooded],
            bytes: [stats.bytes_in, stats.bytes_out],
            cpu_ms: crate::reactor::process_figures().map_or(0, |figures| figures.cpu_ms),
            http_ns: self.tally.http_ns.clone(),
            turn_ns: stats.turn_ns.clone(),
            fsync_ns: figures.fsync_ns.clone(),
        }
    }

    /// Connections: HTTP, those of them that stream, line, links.
    fn open_now(&self, cx: &Ctx<'_, Self>) -> [f32; 4] {
        let stats = cx.stats();
        let clients = stats.open[Class::Client as usize] + stats.open[Class::Subscriber as usize];
        let http = self.tally.http_connections;
        let line = clients.saturating_sub(http);
        [http, self.tally.streams, line, self.audience.links() as u64].map(|count| count as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::DURATION_NS_BOUNDS;

    fn counts(at_ms: u64) -> Counts {
        let empty = Histogram::new(DURATION_NS_BOUNDS);
        Counts {
            at_ms,
            requests: 5 * at_ms,
            commands: 0,
            updates: [at_ms, 2 * at_ms, 0, 0],
            bytes: [0, 1_000 * at_ms],
            cpu_ms: at_ms / 4,
            http_ns: empty.clone(),
            turn_ns: empty.clone(),
            fsync_ns: empty,
        }
    }

    #[test]
    fn a_sample_says_what_happened_since_the_one_before() {
        let mut hour = Hour::default();
        hour.push(counts(1_000), [0.0; 4]);
        assert_eq!(hour.rates(), None);
        let mut later = counts(11_000);
        (0..99).for_each(|_| later.http_ns.observe(900_000));
        later.http_ns.observe(2_000_000_000);
        hour.push(later, [7.0, 1.0, 2.0, 3.0]);
        let rates = Rates { requests: 5_000.0, updates: 3_000.0, bytes_out: 1e6 };
        assert_eq!(hour.rates(), Some(rates));
        let view = hour.view();
        assert_eq!(view["until"], 11_000);
        let value = |chart: usize, series: usize| &view["charts"][chart]["series"][series];
        assert_eq!(*value(0, 0), json!({"name": "HTTP", "values": [7.0]}));
        assert_eq!(*value(2, 0), json!({"name": "p50", "values": [0.001]}));
        assert_eq!(*value(2, 1), json!({"name": "p99", "values": [0.001]}));
        assert_eq!(*value(5, 0), json!({"name": "p50", "values": [null]}));
        assert_eq!(*value(7, 0), json!({"name": "of one core", "values": [25.0]}));
    }

    #[test]
    fn an_hour_is_kept() {
        let mut hour = Hour::default();
        for at in 0..1_000 {
            hour.push(counts(at * EVERY_MS), [1.0; 4]);
        }
        assert_eq!(hour.samples.len(), SAMPLES_MAX);
        assert_eq!(CHARTS.iter().map(|(_, _, series)| series.len()).sum::<usize>(), SERIES);
        assert!(serde_json::to_vec(&hour.view()).unwrap().len() < 128 * 1024);
    }
}
