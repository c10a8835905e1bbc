//! What a simulation found, as a table and as JSON.

use super::super::failure::{Failure, one_line};
use super::super::table;
use super::seeds::Found;
use crate::sim::{Law, Plan, Reach, Report};
use serde_json::{Value, json};
use std::io::Write;
use std::time::Duration;

/// As many breaches as are shown; the rest is counted.
const BROKEN_SHOWN: usize = 10;

/// Delivered updates in a second of wall time.
fn speed(found: &Found, wall: Duration) -> f64 {
    found.report.delivered as f64 / wall.as_secs_f64().max(1e-9)
}

/// One line of JSON.
pub(super) fn json(
    out: &mut dyn Write,
    plan: &Plan,
    found: &Found,
    wall: Duration,
    replay: Option<&str>,
) -> Result<(), Failure> {
    let mut value = found.report.to_json();
    let broken = found.broken.iter();
    let broken: Vec<Value> =
        broken.map(|failed| json!({"seed": failed.seed, "what": failed.what})).collect();
    value["plan"] = json!({"faults": plan.faults.name()});
    value["broken"] = broken.into();
    value["replay"] = replay.into();
    value["wall_ms"] = (wall.as_millis() as u64).into();
    value["delivered_per_s"] = speed(found, wall).into();
    Ok(writeln!(out, "{value}")?)
}

/// A page for people; when a seed failed, it comes first, with the command that replays it.
pub(super) fn table(
    out: &mut dyn Write,
    plan: &Plan,
    found: &Found,
    wall: Duration,
    replay: Option<&str>,
) -> Result<(), Failure> {
    for failed in found.broken.iter().take(BROKEN_SHOWN) {
        writeln!(out, "seed {} fails {}", failed.seed, one_line(&failed.what))?;
    }
    if let Some(more) = found.broken.len().checked_sub(BROKEN_SHOWN).filter(|more| *more > 0) {
        writeln!(out, "and {more} more seeds fail")?;
    }
    if let Some(replay) = replay {
        writeln!(out, "replay: {replay}\n")?;
    }
    table::write(out, &herd_rows(plan, found, wall))?;
    writeln!(out)?;
    table::write(out, &spread_rows(found))?;
    writeln!(out)?;
    Ok(table::write(out, &law_rows(found))?)
}

fn herd_rows(plan: &Plan, found: &Found, wall: Duration) -> Vec<Vec<String>> {
    let report = &found.report;
    let herds = report.herds.max(1);
    let tally = &report.tally;
    let befell = [
        (tally.crashes, "crashes"),
        (tally.stops, "stops"),
        (tally.pauses, "pauses"),
        (tally.cuts, "cuts"),
        (tally.resets, "resets"),
        (tally.disks, "bad disks"),
        (tally.jumps, "clock jumps"),
        (tally.moves, "readers moved"),
        (tally.restores, "disks set back"),
        (tally.villains, "hostile peers"),
        (tally.merges, "merges"),
        (tally.retired, "nodes retired"),
    ];
    let befell = befell.iter().filter(|(count, _)| *count > 0);
    let befell: Vec<String> = befell.map(|(count, what)| format!("{count} {what}")).collect();
    let nodes = report.nodes as f64 / herds as f64;
    let degree = 2.0 * report.links as f64 / report.nodes.max(1) as f64;
    let (virtual_s, wall_s) = (report.virtual_ms as f64 / 1e3, wall.as_secs_f64());
    let speed = speed(found, wall);
    let faults = plan.faults.name();
    let pairs = [
        ("herds", format!("{herds}, of {nodes:.1} nodes with {degree:.1} links each")),
        ("faults", [vec![faults.to_owned()], befell].concat().join(", ")),
        ("updates", {
            let (updates, acked, refused) = (report.updates, report.acked, tally.refused);
            format!("{updates} to be read, {acked} acknowledged from disk, {refused} refused")
        }),
        ("coverage", format!("{:.1} % came to every node", report.coverage() * 100.0)),
        ("copies", format!("{:.2} of each update to a node", report.copies_mean())),
        ("control", control(report)),
        ("time", format!("{virtual_s:.1} s virtual, {wall_s:.1} s here")),
        ("speed", format!("{} updates delivered, {speed:.0} a second", report.delivered)),
        ("trace", format!("{:016x}", report.trace)),
    ];
    pairs.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
}

/// What is sent beside updates, for each that came somewhere.
fn control(report: &Report) -> String {
    let mb = report.written_bytes as f64 / 1e6;
    if report.controls == 0 {
        return format!("{mb:.1} MB written in all");
    }
    let each = |count: u64| count as f64 / report.delivered.max(1) as f64;
    let (frames, bytes) = (each(report.controls), each(report.control_bytes));
    let all = report.controls;
    format!("{frames:.1} frames and {bytes:.0} B a delivery, {all} frames, {mb:.1} MB in all")
}

fn spread_rows(found: &Found) -> Vec<Vec<String>> {
    let mut rows = vec![table::row(["AN UPDATE IS AT", "MEDIAN", "99 %", "SLOWEST"])];
    let names = ["half of the nodes", "99 % of them", "all of them"];
    for (name, reach) in names.iter().zip(&found.report.reach) {
        let Reach { median_ms, p99_ms, worst_ms } = reach;
        let cells = [(*name).to_owned(), ms(*median_ms), ms(*p99_ms), ms(*worst_ms)];
        rows.push(cells.to_vec());
    }
    rows
}

fn ms(ms: u64) -> String {
    format!("{ms} ms")
}

fn law_rows(found: &Found) -> Vec<Vec<String>> {
    let mut rows = vec![table::row(["INVARIANT", "CHECKS", ""])];
    for law in Law::ALL {
        let title = law.title();
        let broken = found.broken.iter().filter(|failed| failed.what.contains(title)).count();
        let checks = found.report.checks.of(law);
        let state = match (broken, checks) {
            (0, 0) => "not looked at".to_owned(),
            (0, _) => "kept".to_owned(),
            _ => format!("BROKEN by {broken} seeds"),
        };
        rows.push(vec![title.to_owned(), checks.to_string(), state]);
    }
    rows
}
