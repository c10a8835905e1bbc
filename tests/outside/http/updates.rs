//! The long poll: what stands behind a cursor at once, and what comes when nothing does.

use crate::harness::{Node, Setup, await_that};
use crate::raw::{Raw, RawAnswer, get};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn node() -> Node {
    Node::alone(Setup::new("Hill"))
}

fn ids(read: &Value) -> Vec<&str> {
    let updates = read["updates"].as_array().unwrap_or_else(|| panic!("{read}"));
    updates.iter().map(|update| update["id"].as_str().expect("an id")).collect()
}

fn cursor(read: &Value) -> &str {
    read["cursor"].as_str().unwrap_or_else(|| panic!("{read}"))
}

/// Begins a poll and waits until the node says that so many wait.
fn begin_poll(node: &Node, query: &str, waiting: u64) -> Raw {
    let mut raw = Raw::open(node.http_port());
    raw.send(format!("GET /v1/updates?{query} HTTP/1.1\r\nHost: h\r\n\r\n"));
    await_polls(node, waiting);
    raw
}

fn await_polls(node: &Node, waiting: u64) {
    await_that("the long polls", || {
        let now = node.metric("bellwether_http_long_polls_waiting");
        if now == waiting { Ok(()) } else { Err(format!("{now} wait")) }
    });
}

fn read(answer: RawAnswer) -> Value {
    let answer = answer.expect(200);
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    let read = answer.json();
    assert_eq!(read["gap"], Value::Null);
    read
}

#[test]
fn a_poll_from_the_start_reads_all_in_order_and_its_cursors_go_on() {
    let node = node();
    let port = node.http_port();
    let empty = read(get(port, "/v1/updates?after=0", ""));
    assert!(ids(&empty).is_empty());
    let mut written = vec![node.http.write("a", "0")];
    for n in 1..10 {
        written.push(node.http.edit("a", written.last().unwrap(), &n.to_string()));
    }
    for limit in [1, 3, 10, 1000] {
        let (mut after, mut seen) = ("0".to_owned(), Vec::new());
        loop {
            let page = read(get(port, &format!("/v1/updates?after={after}&limit={limit}"), ""));
            let here = ids(&page);
            if here.is_empty() {
                break;
            }
            assert!(here.len() <= limit, "{page}");
            seen.extend(here.iter().map(|id| (*id).to_owned()));
            cursor(&page).clone_into(&mut after);
        }
        assert_eq!(seen, written, "by {limit}");
    }
    let first = &read(get(port, "/v1/updates?after=0&limit=1", ""))["updates"][0];
    assert_eq!((&first["origin"], &first["seq"]), (&json!("Hill"), &json!(1)));
    assert_eq!((&first["kind"], &first["topic"]), (&json!("revision"), &json!("stories")));
    assert_eq!((&first["title"], &first["body"]), (&json!("a"), &json!("0")));
    // Without `after` a reader starts now; what is wanted may be less than all.
    assert!(ids(&read(get(port, "/v1/updates", ""))).is_empty());
    node.http.post("/v1/topics/t", "x").expect(201);
    let of_topic = read(get(port, "/v1/updates?after=0&topic=t", ""));
    assert_eq!(ids(&of_topic).len(), 1);
    let none = read(get(port, &format!("/v1/updates?after={}", cursor(&of_topic)), ""));
    assert!(ids(&none).is_empty(), "the cursor stands behind what was passed over: {none}");
}

#[test]
fn a_poll_waits_for_news_and_is_answered_at_once_when_they_come() {
    let node = node();
    let port = node.http_port();
    let mut now = begin_poll(&node, "wait=30", 1);
    let start = cursor(&read(get(port, "/v1/updates", ""))).to_owned();
    let mut behind = begin_poll(&node, &format!("after={start}&wait=30"), 2);
    let mut other = begin_poll(&node, "wait=30&topic=other", 3);
    let began = Instant::now();
    let id = node.http.write("a", "body");
    assert_eq!(ids(&read(now.answer())), [&id]);
    assert_eq!(ids(&read(behind.answer())), [&id]);
    assert!(began.elapsed() < Duration::from_secs(20), "they waited to the end");
    await_polls(&node, 1);
    let told = node.http.post("/v1/topics/other", "x").expect(201).member("id");
    assert_eq!(ids(&read(other.answer())), [&told]);
    // When there is news already nothing waits.
    let began = Instant::now();
    let page = read(get(port, &format!("/v1/updates?after={start}&wait=60"), ""));
    assert_eq!(ids(&page), [&id, &told]);
    assert!(began.elapsed() < Duration::from_secs(20));
    now.expect_open();
}

#[test]
fn a_poll_whose_time_is_up_is_empty_and_what_was_pipelined_behind_it_follows() {
    let node = node();
    node.http.write("a", "body");
    let began = Instant::now();
    let mut raw = begin_poll(&node, "wait=1", 1);
    raw.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    let page = read(raw.answer());
    assert!(began.elapsed() >= Duration::from_millis(900));
    assert!(ids(&page).is_empty());
    raw.answer().expect(200);
    let id = node.http.write("b", "body");
    let after = cursor(&page);
    assert_eq!(ids(&read(get(node.http_port(), &format!("/v1/updates?after={after}"), ""))), [&id]);
}

#[test]
fn a_poll_reads_all_however_far_it_is_behind_unless_it_asks_for_the_newest() {
    let node = Node::alone(Setup::new("Hill").durability("none").limit("lag_updates", 5));
    let port = node.http_port();
    let start = cursor(&read(get(port, "/v1/updates", ""))).to_owned();
    let mut last = node.http.write("a", "0");
    for n in 1..30 {
        last = node.http.edit("a", &last, &n.to_string());
    }
    let all = read(get(port, &format!("/v1/updates?after={start}&wait=5"), ""));
    assert_eq!(ids(&all).len(), 30, "a cursor is a place to go on from, not a lag");
    let newest = get(port, &format!("/v1/updates?after={start}&newest=1"), "").expect(200).json();
    assert_eq!(ids(&newest), [&last]);
    let gap = &newest["gap"];
    assert_eq!((&gap["count"], &gap["to"]), (&json!(29), &newest["cursor"]));
    // What was left out is behind `from`, and nothing is behind `to`.
    let from = gap["from"].as_str().expect("a cursor");
    let rest = read(get(port, &format!("/v1/updates?after={from}"), ""));
    assert_eq!(ids(&rest), ids(&all)[..29]);
    assert!(
        ids(&read(get(port, &format!("/v1/updates?after={}", cursor(&newest)), ""))).is_empty()
    );
}

#[test]
fn a_poll_that_waits_when_the_node_stops_is_answered() {
    let mut node = node();
    let mut raw = begin_poll(&node, "wait=60", 1);
    node.stop();
    let answer = raw.answer();
    assert!(answer.closes());
    assert!(ids(&read(answer)).is_empty());
    raw.expect_end();
}
