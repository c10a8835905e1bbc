//! What a run of load found, as a table and as JSON.

use super::super::failure::Failure;
use super::super::table;
use super::fleet::Found;
use super::plan::Plan;
use super::tally::{Tally, Times, Trouble};
use super::url::Scheme;
use serde_json::{Map, Value, json};
use std::io::Write;

/// The percentiles that are shown, and their names in JSON.
const PERCENTILES: [(f64, &str, &str); 4] =
    [(50.0, "p50", "p50"), (90.0, "p90", "p90"), (99.0, "p99", "p99"), (99.9, "p999", "p99.9")];

/// Nanoseconds for people.
pub(super) fn duration(ns: u64) -> String {
    let ns = ns as f64;
    match ns {
        _ if ns < 1e6 => format!("{:.0} µs", ns / 1e3),
        _ if ns < 1e7 => format!("{:.2} ms", ns / 1e6),
        _ if ns < 1e9 => format!("{:.1} ms", ns / 1e6),
        _ => format!("{:.2} s", ns / 1e9),
    }
}

fn bytes(count: f64) -> String {
    match count {
        _ if count < 1e4 => format!("{count:.0} B"),
        _ if count < 1e7 => format!("{:.1} kB", count / 1e3),
        _ if count < 1e10 => format!("{:.1} MB", count / 1e6),
        _ => format!("{:.1} GB", count / 1e9),
    }
}

/// CPU seconds of this process for a million good answers or deliveries.
fn cpu_s_per_million(found: &Found) -> Option<f64> {
    let good = found.tally.answers + found.deliveries.count;
    let cpu_ms = found.tally.cpu_ms?;
    (good > 0).then(|| cpu_ms as f64 * 1e3 / good as f64)
}

/// One line of JSON.
pub(super) fn json(out: &mut dyn Write, plan: &Plan, found: &Found) -> Result<(), Failure> {
    let tally = &found.tally;
    let troubles: Map<String, Value> = Trouble::ALL
        .map(|trouble| (trouble.name().to_owned(), tally.trouble(trouble).into()))
        .into_iter()
        .collect();
    let statuses: Map<String, Value> =
        tally.statuses.iter().map(|(code, count)| (code.to_string(), (*count).into())).collect();
    let mut value = json!({
        "url": plan.url,
        "connections": plan.connections,
        "threads": plan.threads,
        "pipeline": plan.pipeline,
        "rate": plan.rate_per_s,
        "seconds": tally.elapsed_ns as f64 / 1e9,
        "requests": tally.answers,
        "per_second": tally.per_s(tally.answers),
        "bytes_in": tally.bytes_in,
        "latency_us": times_json(&tally.latency),
        "unanswered": tally.unanswered,
        "errors": troubles,
        "statuses": statuses,
        "cpu_s": tally.cpu_ms.map(|ms| ms as f64 / 1e3),
        "cpu_s_per_million": cpu_s_per_million(found),
        "slices": {"ms": tally.slice_ns() as f64 / 1e6, "counts": tally.slices},
    });
    if plan.scheme == Scheme::Sse {
        let deliveries = &found.deliveries;
        let (updates, last) = deliveries.last(plan.connections);
        value["deliveries"] = json!({
            "streams": deliveries.streams,
            "count": deliveries.count,
            "per_second": tally.per_s(deliveries.count),
            "latency_us": deliveries.times().map(times_json),
            "updates": updates,
            "complete": last.len(),
            "last_us": times_json(&last),
        });
    }
    Ok(writeln!(out, "{value}")?)
}

fn times_json(times: &Times) -> Value {
    let us = |ns: u64| (ns / 100) as f64 / 10.0;
    let mut shown = Map::new();
    for (percent, name, _) in PERCENTILES {
        shown.insert(name.to_owned(), us(times.percentile(percent)).into());
    }
    shown.insert("max".to_owned(), us(times.max()).into());
    shown.insert("mean".to_owned(), us(times.mean() as u64).into());
    shown.into()
}

/// A page for people.
pub(super) fn table(out: &mut dyn Write, plan: &Plan, found: &Found) -> Result<(), Failure> {
    writeln!(out, "{}: {}", plan.url, setting(plan))?;
    writeln!(out)?;
    table::write(out, &count_rows(plan, found))?;
    writeln!(out)?;
    let mut rows = vec![table::row(["", "p50", "p90", "p99", "p99.9", "max"])];
    rows.extend(time_rows(plan, found));
    Ok(table::write(out, &rows)?)
}

fn setting(plan: &Plan) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let (connections, threads) = (plan.connections, plan.threads);
    let mut words = vec![
        format!("{connections} connection{}", plural(connections)),
        format!("{threads} thread{}", plural(threads)),
    ];
    if plan.pipeline > 1 {
        words.push(format!("{} requests at a time on each", plan.pipeline));
    }
    if !plan.keep_alive {
        words.push("a new connection for each request".to_owned());
    }
    words.push(match (plan.scheme, plan.rate_per_s) {
        (Scheme::Sse, None) => "reading only".to_owned(),
        (Scheme::Sse, Some(rate)) => format!("{rate} updates/s published"),
        (_, None) => "closed loop".to_owned(),
        (_, Some(rate)) => format!("open loop at {rate}/s"),
    });
    let (seconds, warm) = (plan.duration_ms as f64 / 1e3, plan.warmup_ms as f64 / 1e3);
    words.push(format!("{seconds} s behind {warm} s of warm-up"));
    words.join(", ")
}

fn count_rows(plan: &Plan, found: &Found) -> Vec<Vec<String>> {
    let tally = &found.tally;
    let mut pairs = Vec::new();
    if plan.scheme == Scheme::Sse {
        let deliveries = &found.deliveries;
        let (updates, last) = deliveries.last(plan.connections);
        let (count, per_s) = (deliveries.count, tally.per_s(deliveries.count));
        pairs.push(("streams", format!("{} open", deliveries.streams)));
        pairs.push(("deliveries", format!("{count}, {per_s:.0}/s")));
        pairs.push(("updates", format!("{updates}, {} of them to every stream", last.len())));
    }
    if plan.scheme != Scheme::Sse || plan.rate_per_s.is_some() {
        let name = if plan.scheme == Scheme::Sse { "published" } else { "requests" };
        pairs.push((name, format!("{}, {:.1}/s", tally.answers, tally.per_s(tally.answers))));
    }
    if tally.unanswered > 0 {
        pairs.push(("unanswered", format!("{} that were due at the end", tally.unanswered)));
    }
    let received = tally.bytes_in;
    let rate = bytes(tally.per_s(received));
    pairs.push(("received", format!("{}, {rate}/s", bytes(received as f64))));
    let statuses = tally.statuses.iter().map(|(code, count)| format!("{count} of {code}"));
    let statuses: Vec<String> = statuses.collect();
    if !statuses.is_empty() {
        pairs.push(("statuses", statuses.join(", ")));
    }
    pairs.push(("errors", troubles(tally)));
    if let Some((cpu_ms, each)) = tally.cpu_ms.zip(cpu_s_per_million(found)) {
        let cpu_s = cpu_ms as f64 / 1e3;
        pairs.push(("own CPU", format!("{cpu_s:.2} s, {each:.2} s a million")));
    }
    pairs.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
}

fn troubles(tally: &Tally) -> String {
    let found = Trouble::ALL.map(|trouble| (trouble.name(), tally.trouble(trouble)));
    let found = found.iter().filter(|(_, count)| *count > 0);
    let found: Vec<String> = found.map(|(name, count)| format!("{count} {name}")).collect();
    if found.is_empty() { "none".to_owned() } else { found.join(", ") }
}

fn time_rows(plan: &Plan, found: &Found) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut add = |name: &str, times: &Times| {
        if times.len() > 0 {
            let shown = PERCENTILES.map(|(percent, ..)| duration(times.percentile(percent)));
            let longest = duration(times.max());
            rows.push([vec![name.to_owned()], shown.to_vec(), vec![longest]].concat());
        }
    };
    if plan.scheme == Scheme::Sse {
        if let Some(times) = found.deliveries.times() {
            add("delivery", times);
        }
        add("last delivery", &found.deliveries.last(plan.connections).1);
        add("publishing", &found.tally.latency);
    } else {
        add("latency", &found.tally.latency);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_shown_with_three_digits_or_so() {
        let shown = [900, 123_400, 1_234_000, 12_340_000, 1_234_000_000].map(duration);
        assert_eq!(shown, ["1 µs", "123 µs", "1.23 ms", "12.3 ms", "1.23 s"]);
        assert_eq!([12.0, 12e3, 12e6, 12e9].map(bytes), ["12 B", "12.0 kB", "12.0 MB", "12.0 GB"]);
    }
}
