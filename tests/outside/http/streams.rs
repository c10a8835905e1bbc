//! Server-sent events: from where, of what, to how many, and at whose pace.

use crate::harness::{Herd, Node, Setup, Stream, await_that};
use crate::raw::{Raw, get, put};
use serde_json::json;

fn node() -> Node {
    Node::alone(Setup::new("Hill"))
}

fn next_id(stream: &mut Stream) -> String {
    let (_, update) = stream.next().expect("an update");
    update["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_stream_starts_now_or_where_it_is_told_to() {
    let node = node();
    let port = node.http_port();
    let first = node.http.write("a", "one");
    let mut now = Stream::open(port, "/v1/stream", "");
    let mut all = Stream::open(port, "/v1/stream?after=0", "");
    let second = node.http.edit("a", &first, "two");
    assert_eq!(next_id(&mut now), second);
    let (cursor, update) = all.next().expect("an update");
    assert_eq!(update["id"], *first);
    assert_eq!(next_id(&mut all), second);
    for path in [format!("/v1/stream?after={cursor}"), "/v1/stream?after=0".to_owned()] {
        // Who comes back says where it was, and repeats how it began: the place counts.
        let last_id = if path.ends_with("=0") { cursor.as_str() } else { "" };
        assert_eq!(next_id(&mut Stream::open(port, &path, last_id)), second, "{path}");
    }
    // The same update in the same words, whoever reads it and how.
    let polled = get(port, "/v1/updates?after=0&limit=1", "").expect(200).json();
    assert_eq!(polled["updates"][0], update);
}

#[test]
fn a_stream_shows_the_section_or_the_topic_that_is_asked_for() {
    let node = node();
    let port = node.http_port();
    let mut north = Stream::open(port, "/v1/stream?section=North", "");
    let mut birds = Stream::open(port, "/v1/stream?topic=birds%2Frare", "");
    let mut stories = Stream::open(port, "/v1/stream?topic=stories", "");
    let mut written = Vec::new();
    for (title, section) in [("a", "South"), ("b", "North"), ("c", ""), ("d", "North")] {
        let story = json!({"body": "x", "section": section}).to_string();
        let json = "Content-Type: application/json\r\n";
        let made = put(port, &format!("/v1/stories/{title}"), json, story).expect(201).json();
        written.push(made["id"].as_str().expect("an id").to_owned());
        node.http.post("/v1/topics/birds", "x").expect(201);
    }
    let rare = node.http.post("/v1/topics/birds%2Frare", "x").expect(201).member("id");
    assert_eq!([next_id(&mut north), next_id(&mut north)], [&*written[1], &*written[3]]);
    assert_eq!(next_id(&mut birds), rare);
    for id in &written {
        assert_eq!(next_id(&mut stories), *id);
    }
}

#[test]
fn a_cursor_of_one_node_goes_on_at_another() {
    let herd = Herd::mesh(2);
    let first = herd[0].http.write("a", "one");
    herd[1].http.write("b", "other");
    herd.settle();
    let mut stream = Stream::open(herd[0].http_port(), "/v1/stream?after=0", "");
    let read = [next_id(&mut stream), next_id(&mut stream)];
    let second = herd[1].http.write("c", "two");
    let mut other = Stream::open(herd[1].http_port(), "/v1/stream", stream.last_id());
    assert_eq!(next_id(&mut other), second);
    assert!(read.contains(&first));
    // And where one node has not yet been, a stream waits for it to come.
    let third = herd[0].http.edit("a", &first, "three");
    assert_eq!(next_id(&mut other), third);
}

#[test]
fn a_stream_is_never_silent_for_long() {
    let node = node();
    let mut raw = Raw::open(node.http_port());
    raw.send("GET /v1/stream?topic=none HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = raw.head();
    assert_eq!(head.field("content-type"), Some("text/event-stream"));
    assert_eq!(head.field("cache-control"), Some("no-store"));
    let first = String::from_utf8(raw.chunk().expect("a start")).expect("text");
    assert!(first.starts_with(": ") && first.contains("retry: "), "{first}");
    let start = first.split("id: ").nth(1).expect("a cursor").trim_end().to_owned();
    node.http.write("a", "not for this reader");
    // 15 s later; it also moves the reader's place past what it did not want.
    let comment = String::from_utf8(raw.chunk().expect("a comment")).expect("text");
    assert!(comment.starts_with(':') && !comment.contains("data"), "{comment:?}");
    let moved = comment.split("id: ").nth(1).expect("a cursor").trim_end();
    assert_ne!(moved, start);
    let behind = get(node.http_port(), &format!("/v1/updates?after={moved}"), "").json();
    assert_eq!(behind["updates"], json!([]));
    // A reader that closes its side is told that this was all.
    raw.half_close();
    assert_eq!(raw.chunk(), None);
    raw.expect_end();
}

#[test]
fn old_clients_and_those_who_only_want_the_head_are_served() {
    let node = node();
    let mut raw = Raw::open(node.http_port());
    raw.send("HEAD /v1/stream HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = raw.head();
    assert_eq!((head.status, head.field("content-type")), (200, Some("text/event-stream")));
    raw.expect_open();
    // HTTP/1.0 knows no chunks: the stream is all until the close.
    let mut raw = Raw::open(node.http_port());
    raw.send("GET /v1/stream?after=0 HTTP/1.0\r\n\r\n");
    let head = raw.head();
    assert!(head.closes() && head.field("transfer-encoding").is_none(), "{head:?}");
    node.http.write("a", "body");
    let event = raw.text_until("\"title\":\"a\"");
    assert!(event.contains("event: update\nid: "), "{event}");
}

#[test]
fn a_hundred_readers_of_one_stream_read_the_same() {
    let node = node();
    let mut readers: Vec<Stream> = (0..100)
        .map(|n| Stream::open(node.http_port(), ["/v1/stream", "/v1/stream?after=0"][n % 2], ""))
        .collect();
    assert_eq!(node.metric("bellwether_http_streams_open"), 100);
    let mut written = vec![node.http.write("a", "0")];
    for n in 1..20 {
        written.push(node.http.edit("a", written.last().unwrap(), &n.to_string()));
    }
    for reader in &mut readers {
        for id in &written {
            assert_eq!(next_id(reader), *id);
        }
    }
    drop(readers);
    await_that("the end of the streams", || {
        let open = node.metric("bellwether_http_streams_open");
        if open == 0 { Ok(()) } else { Err(format!("{open} are open")) }
    });
}

#[test]
fn a_slow_reader_gets_all_in_the_end_and_keeps_nobody_waiting() {
    let setup = Setup::new("Hill").durability("none");
    // However slow this machine's disk is now.
    let setup = setup.limit("pending_bytes", 64 << 20).limit("pending_ms", 60_000);
    let node = Node::alone(setup.limit("lag_ms", 3_600_000));
    let port = node.http_port();
    let mut slow = Stream::open(port, "/v1/stream", "");
    let mut quick = Stream::open(port, "/v1/stream", "");
    let body = "x".repeat(400_000);
    let mut written = Vec::new();
    // 24 MB: more than the kernel holds for a reader that reads nothing.
    for _ in 0..60 {
        let id = node.http.post("/v1/topics/t", &body).expect(201).member("id");
        assert_eq!(next_id(&mut quick), id);
        written.push(id);
    }
    for id in written {
        assert_eq!(next_id(&mut slow), id);
    }
}

#[test]
fn a_reader_that_lags_gets_the_newest_and_one_gap_and_finds_the_rest_at_another_node() {
    let limits = |setup: Setup| setup.limit("lag_updates", 20).limit("lag_ms", 3_600_000);
    let herd = Herd::mesh_of(2, limits);
    let port = herd[0].http_port();
    let mut slow = Stream::open(port, "/v1/stream", "");
    let body = "x".repeat(500_000);
    let mut written = vec![herd[0].http.write("a", &body)];
    // 30 MB: more than the kernel holds for a reader that reads nothing.
    for _ in 1..60 {
        written.push(herd[0].http.edit("a", written.last().unwrap(), &body));
    }
    let (mut given, mut gaps) = (Vec::new(), Vec::new());
    while given.last() != written.last() || gaps.is_empty() {
        let (cursor, event) = slow.next().expect("an event");
        match event["id"].as_str() {
            Some(id) => given.push(id.to_owned()),
            None => gaps.push((cursor, event)),
        }
    }
    let [(cursor, gap)] = &gaps[..] else { panic!("{} gaps", gaps.len()) };
    assert_eq!(gap["to"], **cursor);
    assert_eq!(given.len() as u64 + gap["count"].as_u64().expect("a count"), 60);
    assert_eq!(herd[0].metric("bellwether_readers_lagged_total"), 1);
    herd.settle();
    // Cursors mean the same everywhere: what was left out, and then what comes.
    let from = gap["from"].as_str().expect("a cursor");
    let mut rest = Stream::open(herd[1].http_port(), &format!("/v1/stream?after={from}"), "");
    let left_out = written.iter().filter(|id| !given.contains(id));
    for id in left_out {
        assert_eq!(next_id(&mut rest), *id);
    }
    let mut behind = Stream::open(herd[1].http_port(), "/v1/stream", cursor);
    let last = herd[1].http.write("b", "x");
    assert_eq!(next_id(&mut behind), last);
    assert_eq!(next_id(&mut rest), last);
}

#[test]
fn a_stream_ends_in_order_when_its_node_stops() {
    let mut node = node();
    let mut raw = Raw::open(node.http_port());
    raw.send("GET /v1/stream HTTP/1.1\r\nHost: h\r\n\r\n");
    raw.head();
    raw.chunk().expect("a start");
    node.stop();
    assert_eq!(raw.rest(), "0\r\n\r\n");
}
