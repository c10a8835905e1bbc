//! Bytes, limits and times: what holds for every route.

use super::*;

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn hello_is_answered_with_its_date() {
    let mut bench = Bench::new();
    let reply = bench.get("/hello").is(200);
    assert_eq!(reply.body, "Hello, World!");
    assert_eq!(reply.field("content-type"), Some("text/plain"));
    assert_eq!(reply.field("content-length"), Some("13"));
    assert_eq!(reply.field("date"), Some("Thu, 01 Jan 2026 00:00:00 GMT"));
    bench.run(3000);
    assert_eq!(bench.get("/hello").field("date"), Some("Thu, 01 Jan 2026 00:00:03 GMT"));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut bench = Bench::new();
    let no = bench.connect();
    let paths: Vec<String> = (0..500).map(|n| format!("/nothing-{n}")).collect();
    for path in &paths {
        bench.send(no, format!("{HELLO}GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    bench.run(100);
    let text = bench.take(no);
    let statuses: Vec<&str> = text.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "404"].repeat(500));
    assert!(!bench.is_closed(no));
}

#[test]
fn a_write_that_ends_where_its_share_of_a_turn_does_is_answered() {
    let text = "Content-Type: text/plain\r\n";
    // A head is an event, and so are a body and its end: one of these ends with the 256th before
    // the end of its body is told, and nothing is left of the input then.
    for before in 252..=256 {
        let mut bench = Bench::new();
        let no = bench.connect();
        let put = put("/v1/stories/a?durability=none", text, "x");
        bench.send(no, format!("{}{put}", HELLO.repeat(before)));
        bench.run(1000);
        let answers = bench.take(no);
        assert_eq!(answers.matches("HTTP/1.1 200 ").count(), before);
        assert_eq!(answers.matches("HTTP/1.1 201 ").count(), 1, "behind {before}");
    }
}

#[test]
fn a_stuttering_network_changes_nothing() {
    let text = "Content-Type: text/plain\r\n";
    let long = "x".repeat(9000);
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let script = [
        HELLO.to_owned(),
        put("/v1/stories/a", text, &long),
        HELLO.to_owned(),
        get("/v1/stories/a"),
        get("/v1/updates?wait=1"),
        put("/v1/stories/a", text, "again"),
        "POST /v1/topics/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n"
            .to_owned(),
        get("/nothing"),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
    ]
    .concat();
    for seed in 0..20 {
        let mut bench = Bench::over(seed, SimFaults::calm());
        let no = bench.connect();
        bench.send(no, &script);
        bench.run(20_000);
        let text = bench.take(no);
        let statuses: Vec<&str> =
            text.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        let expected = ["200", "201", "200", "200", "200", "428", "201", "404", "400"];
        assert_eq!(statuses, expected, "seed {seed}");
        assert!(text.contains(&long) && bench.is_closed(no), "seed {seed}");
    }
}

#[test]
fn head_old_versions_and_close_are_honoured() {
    let mut bench = Bench::new();
    for path in ["/hello", "/v1/stories", "/", "/metrics", "/nothing"] {
        let reply = bench.ask(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(reply.body.is_empty(), "{reply:?}");
        assert_ne!(reply.field("content-length"), Some("0"), "{path}");
    }
    for path in ["/hello", "/v1/stories"] {
        let no = bench.connect();
        bench.send(no, format!("GET {path} HTTP/1.0\r\n\r\n"));
        bench.run(100);
        assert!(bench.take(no).contains("Connection: close"));
        assert!(bench.is_closed(no));
        let no = bench.connect();
        bench.send(no, format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
        bench.run(100);
        assert!(bench.take(no).contains("Connection: keep-alive"));
        assert!(!bench.is_closed(no));
        let close = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n{HELLO}");
        bench.send(no, close);
        bench.run(100);
        let text = bench.take(no);
        assert_eq!(text.matches("HTTP/1.1 200").count(), 1, "{text}");
        assert!(bench.is_closed(no));
    }
}

#[test]
fn methods_and_paths_are_told_apart() {
    let mut bench = Bench::new();
    let ask =
        |bench: &mut Bench, line: &str| bench.ask(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(ask(&mut bench, "DELETE /hello").is(405).field("allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(ask(&mut bench, "GET /v1/topics/a").is(405).field("allow"), Some("POST, OPTIONS"));
    ask(&mut bench, "BREW /v1/stories/a").is(405);
    ask(&mut bench, "GET /nothing").is(404);
    ask(&mut bench, "PUT /nothing").is(404);
    ask(&mut bench, "GET /v1/stories/%ff").is(400);
    ask(&mut bench, "GET /v1/stories?before=%2").is(400);
    ask(&mut bench, "GET /v1/stories?section=%f&other=%").is(400);
    ask(&mut bench, "CONNECT a:80").is(501);
    for target in ["/v1/stories/a", "*"] {
        let reply = ask(&mut bench, &format!("OPTIONS {target}")).is(204);
        assert!(reply.field("allow").is_some_and(|allow| allow.contains("PUT")), "{reply:?}");
    }
    assert_eq!(ask(&mut bench, "GET http://a/hello").is(200).body, "Hello, World!");
}

#[test]
fn wire_errors_are_explained_and_close() {
    let mut bench = Bench::new();
    for (request, status) in [
        ("GET /hello HTTP/1.1\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /hello HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET /hello HTTP/1.1\nHost: a\n\n", 400),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
        ("POST /v1/topics/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nExpect: a cake\r\n\r\n", 417),
    ] {
        let no = bench.connect();
        bench.send(no, format!("{HELLO}{request}{HELLO}"));
        bench.run(100);
        let text = bench.take(no);
        let (hello, error) = text.split_once("Hello, World!").unwrap();
        assert!(hello.starts_with("HTTP/1.1 200"), "{text}");
        let reply = Reply::of(error).is(status);
        assert_eq!(reply.field("connection"), Some("close"));
        assert!(reply.json()["offset"].as_u64().is_some());
        assert!(bench.is_closed(no), "{request}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(5000));
    bench.ask(long).is(414);
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(17 * 1024));
    bench.ask(large).is(431);
}

#[test]
fn a_slow_head_is_408_and_a_silent_connection_is_closed_in_silence() {
    let mut bench = Bench::new();
    let (slow, idle) = (bench.connect(), bench.connect());
    bench.send(slow, HELLO);
    bench.run(5_000);
    bench.send(slow, &HELLO[..10]);
    for _ in 0..9 {
        bench.run(1000);
        bench.send(slow, "a");
        assert!(!bench.is_closed(slow));
    }
    bench.run(1100);
    let text = bench.take(slow);
    Reply::of(text.split_once("Hello, World!").unwrap().1).is(408);
    assert!(bench.is_closed(slow));
    bench.run(70_000);
    assert!(bench.is_closed(idle));
    assert_eq!(bench.take(idle), "");
}

#[test]
fn a_head_that_comes_in_time_leaves_no_deadline_behind() {
    let mut bench = Bench::new();
    let no = bench.connect();
    bench.send(no, &HELLO[..10]);
    bench.run(9_000);
    bench.send(no, &HELLO[10..]);
    bench.run(20_000);
    assert_eq!(Reply::of(&bench.take(no)).status, 200);
    assert!(!bench.is_closed(no));
    // And the next head has its own time.
    bench.send(no, &HELLO[..10]);
    bench.run(9_000);
    bench.send(no, &HELLO[10..]);
    bench.run(100);
    assert_eq!(Reply::of(&bench.take(no)).status, 200);
}

#[test]
fn a_slow_body_is_408_but_one_that_keeps_its_rate_may_take_its_time() {
    let mut bench = Bench::new();
    let head =
        "POST /v1/topics/a?durability=none HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n";
    let (slow, steady) = (bench.connect(), bench.connect());
    bench.send(slow, head);
    bench.send(steady, head);
    for _ in 0..25 {
        bench.send(slow, "x".repeat(100));
        bench.send(steady, "x".repeat(1600));
        bench.run(1000);
    }
    Reply::of(&bench.take(slow)).is(408);
    assert!(bench.is_closed(slow));
    Reply::of(&bench.take(steady)).is(201);
}

#[test]
fn a_body_is_asked_for_only_when_it_is_wanted() {
    let mut bench = Bench::new();
    let no = bench.connect();
    let head = "PUT /v1/stories/a HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n\
                Expect: 100-continue\r\n";
    bench.send(no, format!("{head}Content-Length: 5\r\n\r\n"));
    bench.run(100);
    assert_eq!(bench.take(no), "HTTP/1.1 100 Continue\r\n\r\n");
    bench.send(no, "hello");
    bench.run(100);
    Reply::of(&bench.take(no)).is(201);
    bench.send(no, format!("{head}Content-Length: 5000000\r\n\r\n"));
    bench.run(100);
    Reply::of(&bench.take(no)).is(413);
    assert!(bench.is_closed(no));
    let no = bench.connect();
    let topic = head.replace("/v1/stories/a", "/v1/topics/places").replace("PUT", "POST");
    bench.send(no, format!("{topic}Content-Length: 5\r\n\r\n"));
    bench.run(100);
    Reply::of(&bench.take(no)).is(422);
    assert!(bench.is_closed(no), "what follows may be the body or not");
}

#[test]
fn bodies_over_the_limit_are_refused_before_or_while_they_come() {
    let mut bench = Bench::new();
    let declared = "PUT /v1/stories/a HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n\
                    Content-Length: 1048577\r\n\r\n";
    assert_eq!(bench.ask(declared).is(413).json()["bytes_max"], 1_048_576);
    let no = bench.connect();
    let chunked = declared.replace("Content-Length: 1048577", "Transfer-Encoding: chunked");
    bench.send(no, chunked);
    for _ in 0..17 {
        bench.send(no, format!("10000\r\n{}\r\n", "x".repeat(65536)));
        bench.run(50);
    }
    Reply::of(&bench.take(no)).is(413);
    assert!(bench.is_closed(no));
    let most = "x".repeat(1_048_576);
    assert_eq!(bench.put_text("/v1/stories/a", &most).status, 201);
    let json = format!("{{\"body\": \"{most}\"}}");
    bench.put("/v1/stories/b", "Content-Type: application/json\r\n", &json).is(201);
    let json = format!("{{\"body\": \"{most}x\"}}");
    bench.put("/v1/stories/c", "Content-Type: application/json\r\n", &json).is(413);
}

/// The head of a write of so many bytes, and the first of them.
fn unfinished(bytes: usize, sent: usize) -> String {
    let body = "x".repeat(sent);
    format!("POST /v1/topics/a HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n{body}")
}

#[test]
fn bodies_under_way_have_one_bound_together() {
    let mut bench = Bench::new();
    bench.node.state.config.limits.bodies_bytes = 100_000;
    let (one, two) = (bench.connect(), bench.connect());
    bench.send(one, unfinished(50_000, 40_000));
    bench.send(two, unfinished(50_000, 40_000));
    bench.run(100);
    let page = bench.get("/metrics").body;
    assert!(page.lines().any(|line| line == "bellwether_http_body_bytes 80000"), "{page}");
    let three = bench.connect();
    bench.send(three, unfinished(50_000, 40_000));
    bench.run(100);
    let reply = Reply::of(&bench.take(three)).is(503);
    assert_eq!((reply.field("retry-after"), reply.field("connection")), (Some("1"), Some("close")));
    bench.run(100);
    assert!(bench.is_closed(three));
    assert_eq!(bench.node.state.tally.body_bytes, 80_000);
    // A lost connection makes room, and so does an answer.
    bench.drop_client(one);
    assert_eq!(bench.node.state.tally.body_bytes, 40_000);
    bench.send(two, "x".repeat(10_000));
    bench.run(100);
    Reply::of(&bench.take(two)).is(201);
    assert_eq!(bench.node.state.tally.body_bytes, 0);
    bench.ask(unfinished(90_000, 90_000)).is(201);
}

#[test]
fn a_body_counts_until_its_request_has_an_answer_whichever() {
    let mut bench = Bench::new();
    bench.node.state.is_held = true;
    let no = bench.connect();
    bench.send(no, unfinished(1000, 1000));
    bench.run(100);
    assert_eq!(bench.node.state.tally.body_bytes, 1000, "it waits for the disk");
    bench.disk(Settled::Done);
    bench.run(100);
    Reply::of(&bench.take(no)).is(201);
    assert_eq!(bench.node.state.tally.body_bytes, 0);
    let chunked = "POST /v1/topics/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n";
    bench.node.state.config.limits.update_bytes = 5;
    for (rest, status) in [("x\r\n", 400), ("3\r\nabc\r\n", 413), ("", 408)] {
        let no = bench.connect();
        bench.send(no, chunked);
        bench.run(100);
        assert_eq!(bench.node.state.tally.body_bytes, 3);
        bench.send(no, rest);
        bench.run(11_000);
        Reply::of(&bench.take(no)).is(status);
        assert_eq!(bench.node.state.tally.body_bytes, 0, "{status}");
    }
    // Settled without its disk, or lost while it waits.
    for is_lost in [false, true] {
        bench.node.state.config.limits.update_bytes = 1000;
        let no = bench.connect();
        bench.send(no, unfinished(1000, 1000));
        bench.run(100);
        assert_eq!(bench.node.state.tally.body_bytes, 1000);
        if is_lost {
            bench.drop_client(no);
        } else {
            bench.run(31_000);
            Reply::of(&bench.take(no)).is(503);
        }
        assert_eq!(bench.node.state.tally.body_bytes, 0);
    }
}

#[test]
fn a_body_that_nobody_wants_is_passed_over_or_closes() {
    let mut bench = Bench::new();
    let no = bench.connect();
    let get = "GET /v1/herd HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    bench.send(no, format!("{get}{HELLO}"));
    bench.run(100);
    let text = bench.take(no);
    assert_eq!(text.matches("HTTP/1.1 200").count(), 2, "{text}");
    let large = get.replace("5\r\n\r\nhello", "70000\r\n\r\n");
    bench.send(no, format!("{large}{HELLO}"));
    bench.run(100);
    assert_eq!(Reply::of(&bench.take(no)).field("connection"), Some("close"));
    assert!(bench.is_closed(no));
}

#[test]
fn a_half_closed_client_gets_its_answers() {
    let mut bench = Bench::new();
    bench.node.state.is_held = true;
    let no = bench.connect();
    let put = put("/v1/stories/a", "Content-Type: text/plain\r\n", "x");
    bench.send(no, format!("{HELLO}{put}{HELLO}"));
    bench.half_close(no);
    bench.run(1000);
    assert_eq!(bench.take(no).matches("HTTP/1.1 ").count(), 1);
    bench.disk(Settled::Done);
    bench.run(100);
    let text = bench.take(no);
    assert!(text.starts_with("HTTP/1.1 201") && text.ends_with("Hello, World!"), "{text}");
    assert!(bench.is_closed(no));
    let no = bench.connect();
    bench.send(no, &HELLO[..20]);
    bench.half_close(no);
    bench.run(100);
    Reply::of(&bench.take(no)).is(400);
    assert!(bench.is_closed(no));
}

#[test]
fn what_is_answered_is_counted() {
    let mut bench = Bench::new();
    bench.get("/hello");
    bench.get("/v1/stories/a");
    bench.ask("X\r\n\r\n");
    let reply = bench.get("/metrics").is(200);
    for line in [
        "bellwether_http_requests_total{route=\"/hello\",status=\"200\"} 1",
        "bellwether_http_requests_total{route=\"/v1/stories/{title}\",status=\"404\"} 1",
        "bellwether_http_requests_total{route=\"malformed\",status=\"400\"} 1",
        "test_now_seconds 0",
    ] {
        assert!(reply.body.lines().any(|have| have == line), "{line}\n{}", reply.body);
    }
    assert!(reply.field("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
}
