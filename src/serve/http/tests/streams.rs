//! Server-sent events over the loop.

use super::*;
use crate::proto::http::{Event, HttpLimits, ResponseCodec};
use crate::proto::sse::{Decoder, Received};

/// Reads the events out of all that came on a connection: head, chunks, events.
fn events(text: &str) -> (Vec<(String, Value)>, String) {
    let mut input = InBuf::new(1 << 24);
    input.push(text.as_bytes());
    let mut codec = ResponseCodec::new(HttpLimits::default());
    let mut body = Vec::new();
    while let Some(event) = codec.next(&mut input).unwrap() {
        match event {
            Event::Head(head) => assert_eq!(head.status.code(), 200),
            Event::Body(piece) => body.extend_from_slice(piece),
            Event::End => break,
        }
    }
    let mut decoder = Decoder::new(1 << 24, "");
    let mut rest = &body[..];
    let mut found = Vec::new();
    while let Some(received) = decoder.next(&mut rest).unwrap() {
        if let Received::Event { name, last_id, data } = received {
            assert_eq!(name, "update");
            found.push((last_id, serde_json::from_str(&data).unwrap()));
        }
    }
    (found, String::from_utf8(body).unwrap())
}

fn titles(found: &[(String, Value)]) -> Vec<&str> {
    found.iter().map(|(_, json)| json["title"].as_str().unwrap()).collect()
}

fn follow(bench: &mut Bench, target: &str, fields: &str) -> usize {
    let no = bench.connect();
    bench.send(no, format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    bench.run(100);
    no
}

fn write(bench: &mut Bench, titles: &[&str]) {
    for title in titles {
        bench.put_text(&format!("/v1/stories/{title}?durability=none"), "x").is(201);
    }
}

#[test]
fn a_stream_begins_now_and_goes_on_exactly_where_it_was() {
    let mut bench = Bench::new();
    write(&mut bench, &["a"]);
    let no = follow(&mut bench, "/v1/stream", "");
    assert_eq!(bench.node.state.tally.streams, 1);
    write(&mut bench, &["b", "c", "d"]);
    let text = bench.take(no);
    let head = Reply::of(&text);
    assert_eq!(head.field("content-type"), Some("text/event-stream"));
    assert_eq!(head.field("cache-control"), Some("no-store"));
    assert_eq!(head.field("content-length"), None);
    let (found, body) = events(&text);
    assert!(body.starts_with(": "), "{body}");
    assert!(body.contains("retry: "), "{body}");
    assert_eq!(titles(&found), ["b", "c", "d"]);

    let resumed =
        follow(&mut bench, "/v1/stream?after=0", &format!("Last-Event-ID: {}\r\n", found[1].0));
    assert_eq!(titles(&events(&bench.take(resumed)).0), ["d"]);
    let all = follow(&mut bench, "/v1/stream?after=0", "");
    assert_eq!(titles(&events(&bench.take(all)).0), ["a", "b", "c", "d"]);
    // The id that comes before any event is a place, too.
    let first = body.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
    let again = follow(&mut bench, &format!("/v1/stream?after={first}"), "");
    assert_eq!(titles(&events(&bench.take(again)).0), ["b", "c", "d"]);
    for no in [no, resumed, all, again] {
        bench.drop_client(no);
    }
    assert_eq!(bench.node.state.tally.streams, 0);
    assert!(bench.node.state.attending.is_empty());
}

#[test]
fn bad_cursors_are_refused_and_a_head_request_gets_the_head() {
    let mut bench = Bench::new();
    bench.get("/v1/stream?after=nonsense").is(400);
    bench.ask("GET /v1/stream HTTP/1.1\r\nHost: a\r\nLast-Event-ID: x\r\n\r\n").is(400);
    let no = bench.connect();
    bench.send(
        no,
        "HEAD /v1/stream HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    bench.run(100);
    let text = bench.take(no);
    assert!(text.contains("text/event-stream") && text.ends_with("Hello, World!"), "{text}");
}

#[test]
fn a_filter_passes_over_the_rest_and_the_place_moves_on() {
    let mut bench = Bench::new();
    let no = follow(&mut bench, "/v1/stream?section=S", "");
    bench.take(no);
    write(&mut bench, &["a", "b"]);
    bench.run(10_000);
    assert_eq!(bench.take(no), "");
    bench.run(6_000);
    let quiet = bench.take(no);
    let id = quiet.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    assert!(quiet.contains(": \n"), "{quiet}");
    bench.run(15_000);
    assert!(!bench.take(no).contains("id: "), "it did not move again");
    bench.put_text("/v1/stories/c?section=S&durability=none", "x").is(201);
    let resumed = follow(&mut bench, "/v1/stream", &format!("Last-Event-ID: {id}\r\n"));
    assert_eq!(titles(&events(&bench.take(resumed)).0), ["c"]);
}

#[test]
fn a_stream_lives_as_long_as_its_reader_and_not_as_a_silent_connection() {
    let mut bench = Bench::new();
    let no = follow(&mut bench, "/v1/stream", "");
    bench.run(300_000);
    assert!(!bench.is_closed(no));
    assert!(bench.take(no).matches(": \n").count() >= 19);
    bench.send(no, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    bench.run(100);
    assert_eq!(bench.take(no), "", "nothing is answered behind a stream");
    bench.half_close(no);
    bench.run(100);
    assert!(bench.is_closed(no));
    assert!(bench.take(no).ends_with("0\r\n\r\n"));
    assert_eq!(bench.node.state.tally.streams, 0);
}

#[test]
fn an_old_client_gets_its_stream_until_the_close() {
    let mut bench = Bench::new();
    let no = bench.connect();
    bench.send(no, "GET /v1/stream HTTP/1.0\r\n\r\n");
    bench.run(100);
    write(&mut bench, &["a"]);
    let text = bench.take(no);
    assert!(!text.contains("chunked") && text.contains("Connection: close"), "{text}");
    assert!(text.contains("event: update\nid: "), "{text}");
    assert!(!bench.is_closed(no));
}

#[test]
fn a_slow_reader_gets_everything_and_what_waits_for_it_is_bounded() {
    let mut bench = Bench::new();
    let body = "x".repeat(50_000);
    for n in 0..60 {
        bench.put_text(&format!("/v1/stories/s{n}?durability=none"), &body).is(201);
    }
    let no = bench.connect();
    let conn = bench.node.state.clients[no].conn.unwrap();
    bench.send(no, "GET /v1/stream?after=0 HTTP/1.1\r\nHost: a\r\n\r\n");
    bench.with(|cx, _| cx.transport_of(conn).pause());
    bench.run(30_000);
    let server = *bench.node.state.attending.first().unwrap();
    let waits = bench.with(|cx, _| cx.transport_of(server).buffered());
    assert!((1..300_000).contains(&waits), "{waits}");
    bench.with(|cx, _| cx.transport_of(conn).resume());
    bench.run(5_000);
    let (found, _) = events(&bench.take(no));
    assert_eq!(found.len(), 60);
    assert!(!bench.is_closed(no));
}

#[test]
fn a_reader_that_takes_nothing_is_cut() {
    let mut bench = Bench::new();
    let body = "x".repeat(100_000);
    for n in 0..20 {
        bench.put_text(&format!("/v1/stories/s{n}?durability=none"), &body).is(201);
    }
    let no = bench.connect();
    let conn = bench.node.state.clients[no].conn.unwrap();
    bench.send(no, "GET /v1/stream?after=0 HTTP/1.1\r\nHost: a\r\n\r\n");
    bench.with(|cx, _| cx.transport_of(conn).pause());
    bench.run(50_000);
    assert_eq!(bench.node.state.tally.streams, 1);
    bench.run(30_000);
    assert_eq!(bench.node.state.tally.streams, 0);
}
