//! Stories in their forms: kept until they change, in parts, and problems as pages.

use super::*;

const LONG: &str = "So it goes. ";

fn get(bench: &mut Bench, target: &str, fields: &str) -> Reply {
    bench.ask(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
}

#[test]
fn a_story_is_printed_once_and_anew_when_it_changes() {
    let mut bench = Bench::new();
    let first = bench.put_text("/v1/stories/a%20b", "one").is(201).id();
    for _ in 0..2 {
        let reply = bench.get("/v1/stories/a%20b").is(200);
        assert_eq!(reply.field("etag"), Some(&format!("\"{first}\"")[..]));
        assert_eq!(reply.json()["body"], "one");
    }
    let head = bench.ask("HEAD /v1/stories/a%20b HTTP/1.1\r\nHost: a\r\n\r\n").is(200);
    let whole = bench.get("/v1/stories/a%20b");
    assert_eq!(head.field("content-length"), Some(&whole.body.len().to_string()[..]));
    assert_eq!(head.body, "");
    let alone = get(&mut bench, "/v1/stories/a%20b", "Accept: text/plain\r\n").is(200);
    assert_eq!(alone.body, "one");

    let second = bench.put_text(&format!("/v1/stories/a%20b?base={first}"), "two").is(200).id();
    let reply = bench.get("/v1/stories/a%20b").is(200);
    assert_eq!(reply.field("etag"), Some(&format!("\"{second}\"")[..]));
    assert_eq!(reply.json()["body"], "two");
    let alone = get(&mut bench, "/v1/stories/a%20b", "Accept: text/plain\r\n").is(200);
    assert_eq!(alone.body, "two");
    // A second head is told with the first.
    let target = format!("/v1/stories/a%20b?base={first}&conflict=keep");
    bench.put_text(&target, "three").is(200);
    let conflicts = bench.get("/v1/stories/a%20b").json()["conflicts"].clone();
    assert_eq!(conflicts.as_array().unwrap().len(), 1);
}

#[test]
fn a_text_that_was_withdrawn_is_not_served_from_what_was_printed() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/a", "secret").is(201);
    for fields in ["", "Accept: text/plain\r\n"] {
        assert!(get(&mut bench, "/v1/stories/a", fields).is(200).body.contains("secret"));
    }
    bench.ask("DELETE /v1/stories/a HTTP/1.1\r\nHost: a\r\n\r\n").is(200);
    for fields in ["", "Accept: text/plain\r\n", "Range: bytes=0-\r\n"] {
        let reply = get(&mut bench, "/v1/stories/a", fields).is(410);
        assert!(!reply.body.contains("secret"), "{}", reply.body);
    }
}

#[test]
fn a_part_of_a_story_is_answered_for_who_holds_the_rest() {
    let mut bench = Bench::new();
    let body = LONG.repeat(200);
    let id = bench.put_text("/v1/stories/a", &body).is(201).id();
    let tag = format!("\"{id}-text\"");
    for target in ["/v1/stories/a".to_owned(), format!("/v1/revisions/{id}")] {
        let mut part = |range: &str| {
            let fields = format!("Accept: text/plain\r\nAccept-Encoding: br\r\n{range}\r\n");
            get(&mut bench, &target, &fields)
        };
        let reply = part("Range: bytes=3-8").is(206);
        assert_eq!(reply.body, &body[3..9]);
        let all = body.len();
        assert_eq!(reply.field("content-range"), Some(&format!("bytes 3-8/{all}")[..]));
        assert_eq!(reply.field("etag"), Some(&tag[..]));
        assert_eq!(reply.field("content-encoding"), None);
        assert_eq!(part(&format!("Range: bytes=-5\r\nIf-Range: {tag}")).is(206).body.len(), 5);
        let whole = part("Range: bytes=0-4\r\nIf-Range: \"x\"").is(200);
        assert_eq!((&whole.body, whole.field("content-range")), (&body, None));
        assert_eq!(part("Range: bytes=0-1,4-5").is(200).body, body);
        let beyond = part("Range: bytes=99999-").is(416);
        assert_eq!(beyond.field("content-range"), Some(&format!("bytes */{all}")[..]));
    }
    let head = "HEAD /v1/stories/a HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n\r\n";
    bench.ask(head).is(200);
}

#[test]
fn a_browser_gets_no_writers_text_to_run() {
    let mut bench = Bench::new();
    let code = "PUT /v1/stories/a HTTP/1.1\r\nHost: a\r\nContent-Type: text/javascript\r\n\
                Content-Length: 7\r\n\r\nalert()";
    let id = bench.ask(code).is(201).id();
    for target in ["/v1/stories/a?as=body".to_owned(), format!("/v1/revisions/{id}?as=body")] {
        let mut shown_for = |dest: &str| {
            let fields = format!("Accept: text/javascript\r\nSec-Fetch-Dest: {dest}\r\n");
            get(&mut bench, &target, &fields).is(200).field("content-type").map(str::to_owned)
        };
        for dest in ["script", "style", "worker", "serviceworker"] {
            assert_eq!(shown_for(dest).as_deref(), Some("application/json"), "{target} {dest}");
        }
        for dest in ["empty", "document"] {
            assert_eq!(
                shown_for(dest).as_deref(),
                Some("text/javascript; charset=utf-8"),
                "{target} {dest}"
            );
        }
    }
}

#[test]
fn nothing_is_encoded_for_a_head_alone() {
    let mut bench = Bench::new();
    let id = bench.put_text("/v1/stories/a", &LONG.repeat(2_000)).is(201).id();
    for n in 0..50 {
        bench.put_text(&format!("/v1/stories/b{n}"), "text").is(201);
    }
    let revision = format!("/v1/revisions/{id}");
    let of_it = format!("/v1/stories/a?rev={id}");
    for target in ["/v1/stories", &of_it, &revision, "/v1/stories/a"] {
        let head = head(&mut bench, target).is(200);
        assert_eq!(head.field("content-encoding"), None, "{target}");
        assert!(head.field("vary").unwrap().contains("Accept-Encoding"), "{target}");
        let plain = get(&mut bench, target, "").is(200);
        for name in ["content-length", "etag", "content-type", "accept-ranges"] {
            assert_eq!(head.field(name), plain.field(name), "{target} {name}");
        }
        assert!(is_encoded_in_brotli(&mut bench, target), "{target}");
        if let Some(tag) = head.field("etag") {
            let fields = format!("Accept-Encoding: br\r\nIf-None-Match: {tag}\r\n");
            get(&mut bench, target, &fields).is(304);
        }
    }
    // What is printed already is told as it is printed.
    let head = head(&mut bench, "/v1/stories/a").is(200);
    assert_eq!(head.field("content-encoding"), Some("br"));
}

fn head(bench: &mut Bench, target: &str) -> Reply {
    let fields = "Host: a\r\nAccept-Encoding: br\r\n";
    bench.ask(format!("HEAD {target} HTTP/1.1\r\n{fields}\r\n"))
}

fn is_encoded_in_brotli(bench: &mut Bench, target: &str) -> bool {
    let fields = "Host: a\r\nAccept-Encoding: br\r\n";
    let no = bench.connect();
    bench.send(no, format!("GET {target} HTTP/1.1\r\n{fields}\r\n"));
    bench.run(100);
    let bytes = std::mem::take(&mut bench.node.state.clients[no].bytes);
    String::from_utf8_lossy(&bytes).contains("\r\nContent-Encoding: br\r\n")
}

#[test]
fn a_problem_on_a_pages_address_is_a_page_for_people() {
    let mut bench = Bench::new();
    let browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n";
    for (target, status) in [("/nowhere", 404), ("/stories/%f", 400), ("/stories/none", 404)] {
        let reply = get(&mut bench, target, browser);
        assert_eq!(reply.status, status, "{target}");
        assert_eq!(reply.field("content-type"), Some("text/html; charset=utf-8"), "{target}");
        assert!(reply.body.contains("<!doctype html>"), "{}", reply.body);
    }
    let post = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n{browser}\r\n");
    let reply = bench.ask(post);
    assert_eq!((reply.status, reply.field("allow")), (405, Some("GET, HEAD, OPTIONS")));
    assert!(reply.body.contains("<!doctype html>"));
    for (target, fields) in
        [("/nowhere", ""), ("/v1/nowhere", browser), ("/nowhere", "Accept: */*\r\n")]
    {
        let reply = get(&mut bench, target, fields).is(404);
        assert_eq!(reply.field("content-type"), Some("application/problem+json"), "{target}");
    }
}
