//! `bellwether load` against a node: each scheme, every kind of ending. Counts only, no times.

use crate::harness::{Ended, Node, Port, Setup, bellwether, scratch};
use serde_json::Value;
use std::fs;

/// A short run; what it found.
fn load(url: &str, words: &[&str]) -> Value {
    let mut command = bellwether();
    command.args(["load", url, "--json", "--warmup=0.05", "--duration=1"]).args(words);
    serde_json::from_str(&Ended::well(&mut command)).expect("one line of JSON")
}

fn url(scheme: &str, port: u16, target: &str) -> String {
    format!("{scheme}://127.0.0.1:{port}{target}")
}

/// There were answers, and nothing went wrong.
fn assert_well(found: &Value) {
    assert_eq!(found["errors"]["refused"], 0, "{found}");
    assert_written(found);
}

/// The same of writes: a node whose disk is busy may refuse some, with 503.
fn assert_written(found: &Value) {
    assert!(found["requests"].as_u64() > Some(0), "{found}");
    let errors = found["errors"].as_object().expect("errors by kind");
    let worse = errors.iter().filter(|(kind, _)| *kind != "refused");
    assert!(worse.into_iter().all(|(_, count)| *count == 0), "{found}");
    let latency = &found["latency_us"];
    let at = |name: &str| latency[name].as_f64().expect("a number");
    assert!(at("p50") > 0.0 && at("p50") <= at("p99") && at("p99") <= at("max"), "{found}");
}

#[test]
fn http_is_loaded_kept_alive_pipelined_and_on_new_connections() {
    let node = Node::alone(Setup::new("hill"));
    let hello = url("http", node.http_port(), "/hello");
    assert_well(&load(&hello, &["-c", "8"]));
    let found = load(&hello, &["-c4", "-t2", "--pipeline=16"]);
    assert_well(&found);
    assert_eq!((&found["threads"], &found["pipeline"]), (&2.into(), &16.into()));
    assert_well(&load(&hello, &["-c2", "--no-keep-alive"]));
    assert_well(&load(&hello, &["--method", "HEAD"]));
    let found = load(&hello, &["-c5", "--rate=100"]);
    assert_well(&found);
    assert!(found["requests"].as_u64() <= Some(102), "{found}");
}

#[test]
fn a_thousand_connections_are_no_trouble_for_one_thread() {
    let node = Node::alone(Setup::new("hill"));
    let found = load(&url("http", node.http_port(), "/hello"), &["-c1000"]);
    assert_well(&found);
    assert_eq!(found["threads"], 1);
}

#[test]
fn a_story_is_written_with_method_body_and_header() {
    let node = Node::alone(Setup::new("hill"));
    let target = url("http", node.http_port(), "/v1/stories/load?conflict=overwrite");
    let words = ["--method=PUT", "--body", "A line.", "-H", "Content-Type: text/plain"];
    let found = load(&target, &words);
    assert_written(&found);
    assert_eq!(node.http.get("/v1/stories/load").expect(200).json()["body"], "A line.");
}

#[test]
fn lines_are_answered_and_leave_a_place_for_each_name() {
    let node = Node::alone(Setup::new("hill").durability("none"));
    let line = url("line", node.line_port(), "");
    assert_well(&load(&line, &["-c4", "--pipeline=8"]));
    assert_well(&load(&line, &["--names=20"]));
    let told = node.line(b"WHATSAT load-0 50 1\n");
    assert!(told.starts_with("AT hill "), "{told}");
    assert_well(&load(&line, &["--line", "WHATSAT load-0 50 1"]));
    assert_well(&load(&line, &["-c2", "--no-keep-alive"]));
}

#[test]
fn updates_are_published_and_each_answer_is_an_update() {
    let node = Node::alone(Setup::new("hill"));
    let target = url("publish", node.http_port(), "/v1/topics/mine");
    let words = ["-c8", "--size=100", "--durability=local", "--warmup=0"];
    let found = load(&target, &words);
    assert_written(&found);
    assert_eq!(found["statuses"]["201"], found["requests"], "{found}");
    let held = node.http.get("/v1/updates?after=0&limit=10").expect(200).json();
    let updates = held["updates"].as_array().expect("updates");
    assert!(updates.iter().all(|update| update["topic"] == "mine"), "{held}");
    assert!(updates[0]["body"].as_str().is_some_and(|body| body.len() == 100), "{held}");
}

#[test]
fn messages_over_websockets_come_back() {
    let node = Node::alone(Setup::new("hill"));
    let echo = url("ws", node.http_port(), "");
    assert_well(&load(&echo, &["-c", "8"]));
    assert_well(&load(&echo, &["-c4", "-t2", "--pipeline=16", "--body", "d\u{e9}j\u{e0} vu"]));
    assert_well(&load(&echo, &["--size=200000"]));
    let found = load(&echo, &["-c5", "--rate=100"]);
    assert_well(&found);
    assert!(found["requests"].as_u64() <= Some(102), "{found}");
}

#[test]
fn streams_take_what_is_published_each_and_in_time() {
    let node = Node::alone(Setup::new("hill"));
    let stream = url("sse", node.http_port(), "");
    let found = load(&stream, &["-c50", "-t2", "--publish=50", "-d2", "--durability=none"]);
    assert_written(&found);
    let of = |count: &Value| count.as_u64().expect("a count");
    let (asked, refused) = (of(&found["requests"]), of(&found["errors"]["refused"]));
    assert!(asked + refused + of(&found["unanswered"]) <= 102, "{found}");
    let deliveries = &found["deliveries"];
    assert_eq!(deliveries["streams"], 50);
    assert!(deliveries["complete"].as_u64() > Some(0), "{found}");
    assert!(deliveries["count"].as_u64() >= Some(50), "{found}");
    assert!(deliveries["last_us"]["p50"].as_f64() > Some(0.0), "{found}");
    // Nobody has anything to say: the streams stand, which is what was asked.
    let found = load(&stream, &["-c3"]);
    assert_eq!(
        (&found["deliveries"]["streams"], &found["deliveries"]["count"]),
        (&3.into(), &0.into())
    );
}

#[test]
fn a_page_for_people_and_a_picture_are_made() {
    let node = Node::alone(Setup::new("hill"));
    let picture = node.folder().join("load.svg");
    let hello = url("http", node.http_port(), "/hello");
    let mut command = bellwether();
    command.args(["load", &hello, "-d0.3", "--warmup=0", "-c2", "--plot"]).arg(&picture);
    let page = Ended::well(&mut command);
    assert!(page.contains("2 connections, 1 thread, closed loop"), "{page}");
    for word in ["requests", "received", "errors", "p99.9", "latency", "none"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    let svg = fs::read_to_string(picture).expect("a picture");
    assert!(svg.starts_with("<svg") && svg.contains("throughput"), "{svg}");
}

#[test]
fn what_fails_ends_with_1_and_what_cannot_be_meant_with_2() {
    let node = Node::alone(Setup::new("hill"));
    let ended = |words: &[&str]| {
        let ended = Ended::of(bellwether().arg("load").args(words).arg("-d0.2"));
        (ended.status.code(), ended.stderr)
    };
    let port = Port::take();
    let (code, said) = ended(&[&url("http", port.number, "/")]);
    assert_eq!(code, Some(1));
    assert!(said.contains("connection refused") && said.lines().count() == 1, "{said}");
    let (code, said) = ended(&[&url("http", node.http_port(), "/nothing-here")]);
    assert_eq!(code, Some(1));
    assert!(said.contains("nothing"), "{said}");
    let (code, _) = ended(&[&url("sse", node.http_port(), "/nothing-here")]);
    assert_eq!(code, Some(1));
    let (code, said) = ended(&[&url("wss", node.http_port(), "/v1/ws")]);
    assert_eq!(code, Some(2));
    assert!(said.contains("http:, line:, sse:, publish:, ws:"), "{said}");
    let (code, said) = ended(&[&url("ws", node.http_port(), "/hello")]);
    assert_eq!(code, Some(1));
    assert!(said.contains("nothing"), "{said}");
    assert_eq!(ended(&["-c4"]).0, Some(2));
    let folder = scratch();
    let into = folder.path().join("no/such/place.svg");
    let hello = url("http", node.http_port(), "/hello");
    let (code, said) = ended(&[&hello, "--plot", &into.display().to_string()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("place.svg"), "{said}");
}
