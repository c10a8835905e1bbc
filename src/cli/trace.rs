//! `bellwether trace`: the way of an update through the herd.

use super::Command;
use super::args::{self, Args, Opt};
use super::client::{Node, encoded, plain};
use super::failure::{Failure, one_line};
use super::table;
use serde_json::Value;
use std::ffi::OsString;
use std::io::Write;

pub(super) const COMMAND: Command =
    Command { name: "trace", about: "show an update's way from node to node", help: HELP, run };

const HELP: &str = "\
Shows how an update came to each node of the herd: over which link, when it could be read there, by
when it was on disk there. The node that is asked asks all others over its links. Nodes remember the
last 4,096 updates since they started.

Each time is by the clock of its node. How far that is ahead of the clock of the node that is asked
is estimated from the question's way there and back, and shown with how wrong that may be; a
difference larger than that is taken off in the column AFTER.

Usage: bellwether trace ID [OPTION]…

ID is the id of an update or a revision: 64 hex digits.

Options:
  --node URL  a node to ask; may be given several times, for a herd that was cut in two
              (default http://127.0.0.1:8001, or $BELLWETHER_NODE)
  --json      print each node's answer as one line of JSON
  -h, --help  this page

Examples:
  bellwether trace $(echo 'It rains.' | bellwether publish Weather --json | jq -r .id)
  bellwether trace ID --node http://127.0.0.1:8001 --node http://127.0.0.1:8005
";

const OPTIONS: &[Opt] = &[args::value("node"), args::flag("json")];

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("trace", OPTIONS, given)?;
    let id = args.only("id")?;
    let path = format!("/v1/updates/{}/trace", encoded(id));
    let mut hops: Vec<Value> = Vec::new();
    let mut trace_id = String::new();
    for url in args.nodes()? {
        let said = Node::new(&url)?.get(&path)?.into_json()?;
        if args.has("json") {
            writeln!(out, "{said}")?;
            continue;
        }
        trace_id.push_str(&plain(&said["trace_id"]));
        for hop in said["nodes"].as_array().into_iter().flatten() {
            add(&mut hops, hop);
        }
    }
    if args.has("json") {
        return Ok(());
    }
    if !hops.iter().any(|hop| hop["held"] == true) {
        return Err(Failure::failed(format!("no node that answered has an update {id}")));
    }
    if !trace_id.is_empty() {
        writeln!(out, "trace {}", one_line(&trace_id))?;
    }
    let mut rows =
        vec![table::row(["NODE", "FROM", "AFTER", "READABLE AT", "ON DISK BY", "CLOCK"])];
    rows.extend(hops.iter().map(row));
    Ok(table::write(out, &rows)?)
}

/// Of two nodes' views of a third one, that counts which knows more.
fn add(hops: &mut Vec<Value>, hop: &Value) {
    match hops.iter_mut().find(|known| known["node"] == hop["node"]) {
        Some(known) if known["up"] == true => {}
        Some(known) => *known = hop.clone(),
        None => hops.push(hop.clone()),
    }
}

fn row(hop: &Value) -> Vec<String> {
    let cell = |key: &str| one_line(&plain(&hop[key]));
    let is_known = !hop["at_us"].is_null();
    let from = match (hop["up"] == true, hop["held"] == true, is_known) {
        (false, ..) => "no answer".to_owned(),
        (_, false, _) => "not here".to_owned(),
        (_, _, false) => "forgotten".to_owned(),
        _ if hop["from"].is_null() => "published here".to_owned(),
        _ => cell("from"),
    };
    let after = hop["after_ms"].as_f64().map(|ms| format!("+{ms:.1} ms")).unwrap_or_default();
    let clock = &hop["clock"];
    let clock = match (clock["ahead_ms"].as_i64(), clock["within_ms"].as_i64()) {
        (Some(_), Some(0)) | (None, _) | (_, None) => String::new(),
        (Some(ahead), Some(within)) => format!("{ahead:+} ms ± {within}"),
    };
    let on_disk = hop["on_disk_ms"].as_u64().map(|ms| time(ms * 1_000)).unwrap_or_default();
    let at = hop["at_us"].as_u64().map(time).unwrap_or_default();
    vec![cell("node"), from, after, at, on_disk, clock]
}

/// Microseconds since 1970 as UTC.
fn time(us: u64) -> String {
    let moment = i64::try_from(us).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
    moment.map(|moment| format!("{moment:.6}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_node_says_how_it_came_by_the_update() {
        let origin = json!({"node": "a", "up": true, "held": true, "from": null,
            "at_us": 1_700_000_000_123_456_u64, "on_disk_ms": 1_700_000_000_130_u64,
            "clock": {"ahead_ms": 0, "within_ms": 0}, "after_ms": 0.0});
        assert_eq!(
            row(&origin),
            [
                "a",
                "published here",
                "+0.0 ms",
                "2023-11-14T22:13:20.123456Z",
                "2023-11-14T22:13:20.130000Z",
                ""
            ]
        );
        let next = json!({"node": "b", "up": true, "held": true, "from": "a\u{1b}[0m",
            "at_us": 1_700_000_000_125_000_u64, "on_disk_ms": null,
            "clock": {"ahead_ms": -3, "within_ms": 2}, "after_ms": 4.5});
        let cells = row(&next);
        assert_eq!((&cells[2][..], &cells[4][..], &cells[5][..]), ("+4.5 ms", "", "-3 ms ± 2"));
        assert_eq!(row(&json!({"node": "c", "up": false}))[1], "no answer");
        assert_eq!(row(&json!({"node": "c", "up": true, "held": false}))[1], "not here");
        assert_eq!(row(&json!({"node": "c", "up": true, "held": true}))[1], "forgotten");
    }

    #[test]
    fn who_answered_one_node_counts_however_another_was_not_answered() {
        let (down, up) = (json!({"node": "a", "up": false}), json!({"node": "a", "up": true}));
        let mut hops = Vec::new();
        for hop in [&down, &up, &down] {
            add(&mut hops, hop);
        }
        assert_eq!(hops, [up]);
    }
}
