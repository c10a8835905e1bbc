//! `/v1/updates/{id}/trace`: the way of an update through the herd, hop by hop. Each node says what
//! it knows, by its own clock; how far that clock is from this node's is estimated from the
//! question's way there and back, and said, with how wrong the estimate may be.

use crate::serve::{Gathered, Told};
use crate::update::Cid;
use serde::Serialize;
use serde_json::Value;

/// The way of an update.
#[derive(Debug, Serialize)]
pub(crate) struct TraceView {
    id: String,
    /// Who published it, as far as any node knows.
    origin: Option<String>,
    /// The writer's own trace that it belongs to.
    trace_id: Option<String>,
    /// In the order of their times, as corrected; those that know no time last.
    pub(crate) nodes: Vec<HopView>,
}

/// One node on the way.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HopView {
    pub(crate) node: String,
    /// Did it answer?
    pub(crate) up: bool,
    /// Has it the update, in its log or in memory?
    pub(crate) held: bool,
    /// The neighbour that brought it; null where it was published, or when that is forgotten.
    pub(crate) from: Option<String>,
    /// When it could be read there, by that node's clock, in microseconds since 1970. Exact to a
    /// turn of its loop.
    pub(crate) at_us: Option<u64>,
    /// By when it was on that node's disk, likewise, in milliseconds.
    on_disk_ms: Option<u64>,
    /// How far that node's clock is ahead of this one's, as estimated, and how wrong that may be.
    clock: Option<ClockView>,
    /// Milliseconds from the first node of the way to this one, by clocks as corrected.
    pub(crate) after_ms: Option<f64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct ClockView {
    ahead_ms: i64,
    within_ms: i64,
}

/// What all nodes know of an update's way.
pub(crate) fn view(cid: Cid, gathered: &Gathered) -> TraceView {
    let said: Vec<Value> = gathered
        .iter()
        .map(|told| serde_json::from_slice(&told.body).unwrap_or(Value::Null))
        .collect();
    let first_of = |key: &str| said.iter().find_map(|said| said[key].as_str()).map(str::to_owned);
    let mut nodes: Vec<HopView> =
        gathered.iter().zip(&said).map(|(told, said)| hop(told, said)).collect();
    let first = nodes.iter().filter_map(HopView::corrected_us).min();
    for node in &mut nodes {
        let after_us = node.corrected_us().zip(first).map(|(at, first)| at - first);
        node.after_ms = after_us.map(|us| us as f64 / 1e3);
    }
    nodes.sort_by_key(|node| node.corrected_us().unwrap_or(i64::MAX));
    TraceView {
        id: cid.to_string(),
        origin: first_of("origin"),
        trace_id: first_of("trace_id"),
        nodes,
    }
}

fn hop(told: &Told, said: &Value) -> HopView {
    HopView {
        node: told.node.clone(),
        up: told.is_up,
        held: said["held"] == true,
        from: said["from"].as_str().map(str::to_owned),
        at_us: time(&said["at_us"]),
        on_disk_ms: time(&said["on_disk_ms"]),
        clock: time(&said["now_ms"]).map(|now_ms| clock(told.between_ms, now_ms)),
        after_ms: None,
    }
}

/// Times beyond the year 2200 are none, and make no sums overflow.
fn time(value: &Value) -> Option<u64> {
    value.as_u64().filter(|time| *time < 1 << 53)
}

/// The answer was made between two moments of this node's clock: its clock is right in their
/// middle, give or take half of what is between them, and a millisecond of rounding where there
/// was a way at all.
fn clock((asked_ms, came_ms): (u64, u64), now_ms: u64) -> ClockView {
    let way_ms = came_ms.saturating_sub(asked_ms);
    let middle = asked_ms + way_ms / 2;
    let within_ms = if way_ms == 0 && now_ms == asked_ms { 0 } else { way_ms as i64 / 2 + 1 };
    ClockView { ahead_ms: now_ms as i64 - middle as i64, within_ms }
}

impl HopView {
    /// When it could be read there, by this node's clock. A difference that the estimate does not
    /// prove is none.
    fn corrected_us(&self) -> Option<i64> {
        let at_us = self.at_us? as i64;
        let ahead = self.clock.filter(|clock| clock.ahead_ms.abs() > clock.within_ms);
        Some(at_us.saturating_sub(ahead.map_or(0, |clock| clock.ahead_ms.saturating_mul(1_000))))
    }
}

/// The `trace-id` of a `traceparent` (W3C Trace Context, 3.2.2): 32 hex digits that are not all
/// zero, in the second of four fields. Versions to come may have more fields.
pub(super) fn trace_id(traceparent: &str) -> Option<&str> {
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut fields = traceparent.trim().split('-');
    let (version, trace, parent) = (fields.next()?, fields.next()?, fields.next()?);
    let flags = fields.next()?;
    let is_good = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && is_hex(parent, 16)
        && is_hex(flags, 2)
        && (version != "00" || fields.next().is_none())
        && [trace, parent].iter().all(|id| id.bytes().any(|b| b != b'0'));
    is_good.then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(node: &str, said: &Value, between_ms: (u64, u64)) -> Told {
        let body = said.to_string().into_bytes();
        Told { node: node.to_owned(), body, is_up: true, age_ms: Some(0), between_ms }
    }

    #[test]
    fn hops_are_in_the_order_of_their_times_with_clocks_corrected() {
        let here = json!({"held": true, "now_ms": 1_000, "from": "b", "at_us": 902_000,
                          "on_disk_ms": 905});
        // Its clock is some 500 ms ahead.
        let ahead = json!({"held": true, "now_ms": 1_510, "from": "a", "at_us": 1_407_000});
        let origin = json!({"held": true, "now_ms": 1_011, "at_us": 900_000, "origin": "b",
                            "trace_id": "4bf9"});
        let gathered = Gathered::from(vec![
            told("a", &here, (1_000, 1_000)),
            told("c", &ahead, (1_000, 1_020)),
            told("b", &origin, (1_000, 1_020)),
            told("d", &json!({"held": false, "now_ms": 1_010}), (1_000, 1_020)),
            Told { is_up: false, ..told("e", &Value::Null, (1_000, 1_000)) },
        ]);
        let view = serde_json::to_value(view(Cid([1; 32]), &gathered)).unwrap();
        assert_eq!((&view["origin"], &view["trace_id"]), (&json!("b"), &json!("4bf9")));
        let names: Vec<&Value> =
            view["nodes"].as_array().unwrap().iter().map(|node| &node["node"]).collect();
        assert_eq!(names, ["b", "a", "c", "d", "e"]);
        assert_eq!(view["nodes"][0]["after_ms"], 0.0);
        assert_eq!(view["nodes"][0]["clock"], json!({"ahead_ms": 1, "within_ms": 11}));
        assert_eq!(view["nodes"][1]["after_ms"], 2.0);
        assert_eq!(view["nodes"][1]["clock"], json!({"ahead_ms": 0, "within_ms": 0}));
        assert_eq!(view["nodes"][2]["after_ms"], 7.0);
        assert_eq!(view["nodes"][2]["clock"], json!({"ahead_ms": 500, "within_ms": 11}));
        assert_eq!(view["nodes"][3]["held"], false);
        assert_eq!(view["nodes"][4]["up"], false);
    }

    #[test]
    fn the_trace_of_a_writer_is_read_or_ignored() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&format!("00-{id}-00f067aa0ba902b7-01")), Some(id));
        assert_eq!(trace_id(&format!("cc-{id}-00f067aa0ba902b7-01-what")), Some(id));
        for bad in [
            String::new(),
            format!("00-{id}-00f067aa0ba902b7-01-what"),
            format!("ff-{id}-00f067aa0ba902b7-01"),
            format!("00-{id}-00f067aa0ba902b7"),
            format!("00-{id}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()),
        ] {
            assert_eq!(trace_id(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_node_that_says_odd_things_harms_nobody_else() {
        let odd = json!({"held": "yes", "at_us": -3, "from": 7, "now_ms": u64::MAX, "origin": []});
        let late = json!({"held": true, "at_us": u64::MAX, "now_ms": 0});
        let gathered =
            Gathered::from(vec![told("a", &odd, (5, 1)), told("b", &late, (1, 1 << 50))]);
        let view = view(Cid([1; 32]), &gathered);
        assert_eq!(view.nodes.len(), 2);
    }
}
