//! Server-sent events over the loop.

use super::*;
use crate::proto::http::{Event, HttpLimits, ResponseCodec};
use crate::proto::sse::{Decoder, Received};

/// Reads the body out of all that came on a connection.
fn body_of(text: &str) -> Vec<u8> {
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
    body
}

/// An event's name, id and JSON.
type Named = (String, String, Value);

/// Reads the events out of all that came on a connection: head, chunks, events.
fn named_events(text: &str) -> Vec<Named> {
    let body = body_of(text);
    let mut decoder = Decoder::new(1 << 24, "");
    let mut rest = &body[..];
    let mut found = Vec::new();
    while let Some(received) = decoder.next(&mut rest).unwrap() {
        if let Received::Event { name, last_id, data } = received {
            found.push((name.clone(), last_id, serde_json::from_str(&data).unwrap()));
        }
    }
    found
}

/// The updates of a stream without gaps, and its text.
fn events(text: &str) -> (Vec<(String, Value)>, String) {
    let update = |(name, id, json): Named| {
        assert_eq!(name, "update");
        (id, json)
    };
    let found = named_events(text).into_iter().map(update).collect();
    (found, String::from_utf8(body_of(text)).unwrap())
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

/// Bytes on a topic whose payload was taken away.
fn write_erased(bench: &mut Bench, title: &str, topic: &'static str) {
    bench.with(|cx, desk| {
        let draft = Draft {
            dot: desk.store.next_dot(),
            clock: desk.clock.tick(cx.wall_ns() / 1_000_000),
            asked: 0,
            origin: "node1",
            kind: Kind::Data,
            topic,
            media_type: "text/plain",
            alias: "",
            parents: Vec::new(),
            previous: desk.store.previous(),
            payload: title.as_bytes(),
        };
        let update = Update::seal(draft).unwrap().erase();
        desk.store.append(&update, Apply::Now);
        desk.reveal(cx, &update);
    });
}

#[test]
fn a_gap_is_an_event_with_a_place_and_is_told_once() {
    let mut bench = Bench::new();
    write(&mut bench, &["a"]);
    write_erased(&mut bench, "gone", "t");
    write(&mut bench, &["b"]);
    let no = follow(&mut bench, "/v1/stream?after=0", "");
    let found = named_events(&bench.take(no));
    let names: Vec<&str> = found.iter().map(|(name, ..)| &**name).collect();
    assert_eq!(names, ["update", "update", "gap"]);
    let (_, place, gap) = &found[2];
    assert_eq!((&gap["count"], &gap["to"]), (&1.into(), &Value::from(&**place)));
    assert_eq!(gap["from"], *found[1].1);
    let again = follow(&mut bench, "/v1/stream", &format!("Last-Event-ID: {place}\r\n"));
    assert_eq!(named_events(&bench.take(again)), []);
    // Who stopped before it was told is told.
    let before = follow(&mut bench, "/v1/stream", &format!("Last-Event-ID: {}\r\n", found[1].1));
    let told = named_events(&bench.take(before));
    assert_eq!((told.len(), &told[0].2), (1, gap));
    // What a reader did not ask for is no gap, as far as that is known.
    let stories = follow(&mut bench, "/v1/stream?after=0&topic=stories", "");
    assert_eq!(named_events(&bench.take(stories)).len(), 2);
    // A long poll says the same in its answer, whatever its limit.
    let poll = bench.get("/v1/updates?after=0").json();
    assert_eq!((&poll["gap"], &poll["cursor"]), (gap, &gap["to"]));
    let first = bench.get("/v1/updates?after=0&limit=1").json();
    assert_eq!(first["gap"], Value::Null);
    let cursor = first["cursor"].as_str().unwrap();
    let second = bench.get(&format!("/v1/updates?after={cursor}&limit=1")).json();
    assert_eq!((&second["updates"][0]["title"], &second["gap"]["count"]), (&"b".into(), &1.into()));
    let cursor = second["cursor"].as_str().unwrap();
    let last = bench.get(&format!("/v1/updates?after={cursor}")).json();
    assert_eq!((last["updates"].as_array().unwrap().len(), &last["gap"]), (0, &Value::Null));
}

fn edit_often(bench: &mut Bench, from: u32, to: u32, body: &str) {
    for n in from..=to {
        let query = "durability=none&conflict=overwrite";
        let reply =
            bench.put_text(&format!("/v1/stories/{}?{query}", ["x", "y"][n as usize % 2]), body);
        assert!([200, 201].contains(&reply.status), "{reply:?}");
    }
}

#[test]
fn a_live_reader_that_lags_gets_the_newest_of_each_story_and_one_gap() {
    let mut bench = Bench::new();
    bench.node.state.config.limits.lag_updates = 10;
    let no = bench.connect();
    let conn = bench.node.state.clients[no].conn.unwrap();
    bench.send(no, "GET /v1/stream HTTP/1.1\r\nHost: a\r\n\r\n");
    bench.run(100);
    let mut text = bench.take(no);
    bench.with(|cx, _| cx.transport_of(conn).pause());
    edit_often(&mut bench, 1, 60, &"x".repeat(30_000));
    bench.with(|cx, _| cx.transport_of(conn).resume());
    bench.run(2_000);
    text.push_str(&bench.take(no));
    let found = named_events(&text);
    let gaps: Vec<&Named> = found.iter().filter(|(name, ..)| name == "gap").collect();
    let updates: Vec<&Named> = found.iter().filter(|(name, ..)| name == "update").collect();
    let [(_, place, gap)] = gaps[..] else { panic!("{} gaps", gaps.len()) };
    assert_eq!(updates.len() as u64 + gap["count"].as_u64().unwrap(), 60);
    assert!(updates.len() < 40, "{} updates", updates.len());
    for title in ["x", "y"] {
        let head = bench.get(&format!("/v1/stories/{title}")).id();
        assert!(updates.iter().any(|(.., json)| json["id"] == *head), "the newest of {title}");
    }
    assert_eq!(bench.node.state.tally.lagged, 1);
    // From before the gap all of it can be read, and whoever does that is not taken for a laggard.
    let from = gap["from"].as_str().unwrap();
    let all = follow(&mut bench, &format!("/v1/stream?after={from}"), "");
    let all = named_events(&bench.take(all));
    assert_eq!(all.len() as u64, gap["count"].as_u64().unwrap());
    let behind = follow(&mut bench, &format!("/v1/stream?after={place}"), "");
    assert_eq!(named_events(&bench.take(behind)), []);
}

#[test]
fn who_asks_for_the_newest_is_served_like_a_laggard() {
    let mut bench = Bench::new();
    edit_often(&mut bench, 1, 20, "x");
    let poll = bench.get("/v1/updates?after=0&newest=1").json();
    assert_eq!(poll["updates"].as_array().unwrap().len(), 2);
    assert_eq!((&poll["gap"]["count"], &poll["gap"]["to"]), (&18.into(), &poll["cursor"]));
    let no = follow(&mut bench, "/v1/stream?after=0&newest=1", "");
    assert_eq!(named_events(&bench.take(no)).len(), 3);
}
