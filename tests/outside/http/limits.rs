//! What a request may take, in bytes and in time; and bodies that are announced first.

use crate::harness::{Node, Setup};
use crate::raw::{Raw, with_body};

const MIB: usize = 1 << 20;

fn node() -> Node {
    Node::alone(Setup::new("Hill").durability("none"))
}

#[test]
fn heads_over_their_limits_are_refused_and_those_at_them_are_not() {
    let node = node();
    let start = "GET /hello HTTP/1.1\r\nHost: h\r\n";
    let bytes = |len: usize| format!("{start}X: {}\r\n\r\n", "x".repeat(len - start.len() - 7));
    let fields = |count: usize| format!("{start}{}\r\n", "X: y\r\n".repeat(count - 1));
    let target = |len: usize| {
        let path = format!("/hello?{}", "x".repeat(len - 7));
        format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
    };
    for (status, within, beyond) in [
        (431, bytes(16 * 1024), bytes(16 * 1024 + 1)),
        (431, fields(64), fields(65)),
        (414, target(4096), target(4097)),
    ] {
        let mut raw = Raw::open(node.http_port());
        raw.ask(within).expect(200);
        raw.expect_open();
        let answer = raw.send_what_it_takes(beyond.as_bytes()).answer();
        answer.problem(status);
        assert!(answer.closes());
        raw.expect_end();
    }
    // An endless head is refused before its end.
    let mut raw = Raw::open(node.http_port());
    raw.send("GET /hello HTTP/1.1\r\n");
    raw.send_what_it_takes("X: y".repeat(8 * 1024).as_bytes()).answer().problem(431);
    raw.expect_end();
}

#[test]
fn bodies_over_their_limits_are_refused_before_they_come() {
    let node = node();
    let announce = |method: &str, path: &str, fields: &str, bytes: usize| {
        format!("{method} {path} HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: {bytes}\r\n\r\n")
    };
    let json = "Content-Type: application/json\r\n";
    for (request, bytes_max) in [
        (announce("PUT", "/v1/stories/a", "", MIB + 1), MIB),
        (announce("PUT", "/v1/stories/a", json, 7 * MIB), 6 * MIB + 16 * 1024),
        (announce("POST", "/v1/topics/a", "", 16 * MIB + 1), 16 * MIB),
        (announce("POST", "/v1/topics/a", "Expect: 100-continue\r\n", 1 << 40), 16 * MIB),
    ] {
        let mut raw = Raw::open(node.http_port());
        let answer = raw.ask(request);
        assert_eq!(answer.problem(413)["bytes_max"], bytes_max);
        assert!(answer.closes());
        raw.expect_end();
    }
}

#[test]
fn chunked_bodies_over_their_limits_are_refused_as_soon_as_they_are() {
    let node = node();
    let mut raw = Raw::open(node.http_port());
    raw.send("PUT /v1/stories/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 64 * 1024], b"\r\n"].concat();
    for _ in 0..16 {
        raw.send(&chunk);
    }
    let answer = raw.send_what_it_takes(b"1\r\nx\r\n").answer();
    assert_eq!(answer.problem(413)["bytes_max"], MIB);
    assert!(answer.closes());
    raw.expect_end();
    node.http.get("/v1/stories/a").expect(404);
    // JSON may be larger than what it says, but not the story in it.
    let body = format!("{{\"body\": \"{}\"}}", "x".repeat(MIB + 1));
    let json = "Content-Type: application/json\r\n";
    let mut raw = Raw::open(node.http_port());
    raw.ask(with_body("PUT", "/v1/stories/a", json, body.as_bytes())).problem(413);
    let body = body.replacen('x', "", 1);
    let mut raw = Raw::open(node.http_port());
    raw.ask(with_body("PUT", "/v1/stories/a", json, body.as_bytes())).expect(201);
}

fn expecting(path: &str, fields: &str) -> String {
    let put = format!("PUT {path} HTTP/1.1\r\nHost: h\r\n{fields}");
    format!("{put}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
}

#[test]
fn a_body_that_waits_for_leave_gets_it_once() {
    let node = node();
    let mut raw = Raw::open(node.http_port());
    raw.send(expecting("/v1/stories/a", ""));
    let head = raw.head();
    assert_eq!((head.line.as_str(), head.fields.len()), ("HTTP/1.1 100 Continue", 0));
    raw.send("12345");
    raw.answer().expect(201);
    raw.expect_open();
    // One that did not wait.
    raw.send(expecting("/v1/stories/b", "") + "12345");
    assert_eq!(raw.head().status, 100);
    raw.answer().expect(201);
    // HTTP/1.0 has no such thing.
    let mut raw = Raw::open(node.http_port());
    raw.send(expecting("/v1/stories/c", "").replace("1.1", "1.0") + "12345");
    raw.answer().expect(201);
    raw.expect_end();
}

#[test]
fn a_body_that_nobody_wants_gets_the_answer_instead_of_leave() {
    let node = node();
    for (status, path, fields) in [
        (404, "/nowhere", ""),
        (405, "/v1/herd", ""),
        (415, "/v1/stories/a", "Content-Type: nonsense\r\n"),
        (400, "/v1/stories/a?base=nonsense", ""),
        (422, "/v1/stories/%0A", ""),
    ] {
        let mut raw = Raw::open(node.http_port());
        let answer = raw.ask(expecting(path, fields));
        answer.problem(status);
        // Whether the body follows is open: only the close tells what follows from what.
        assert!(answer.closes(), "{path}");
        raw.expect_end();
    }
    // A small body that came unasked is read and dropped.
    let mut raw = Raw::open(node.http_port());
    raw.ask(with_body("PUT", "/nowhere", "", &vec![b'x'; 60_000])).problem(404);
    raw.expect_open();
}

#[test]
fn slow_heads_and_bodies_are_answered_408_and_cut() {
    let setup = Setup::new("Hill").limit("head_ms", 150).limit("body_grace_ms", 150);
    let node = Node::alone(setup);
    for start in ["G", "GET /hello HTTP/1.1\r\nHost: h", "\r\nG"] {
        let mut raw = Raw::open(node.http_port());
        raw.send(start);
        let answer = raw.answer();
        answer.problem(408);
        assert!(answer.closes(), "{start:?}");
        raw.expect_end();
    }
    for start in [
        "PUT /v1/stories/a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
        "PUT /v1/stories/a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n1234",
        "PUT /v1/stories/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5",
        "PUT /v1/stories/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ] {
        let mut raw = Raw::open(node.http_port());
        raw.send(start);
        let answer = raw.answer();
        answer.problem(408);
        assert!(answer.closes(), "{start:?}");
        raw.expect_end();
    }
    // A body that nobody wants must come in time as well; its request has its one answer.
    let mut raw = Raw::open(node.http_port());
    raw.ask("PUT /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n1").problem(404);
    raw.expect_end();
    node.http.get("/v1/stories/a").expect(404);
    // A head byte by byte is one head: its time is not renewed by its bytes.
    let mut raw = Raw::open(node.http_port());
    let took = std::time::Instant::now();
    raw.send("GET /");
    while took.elapsed().as_millis() < 400 && raw.is_silent_for(20) {
        raw.send_what_it_takes(b"x");
    }
    raw.answer().problem(408);
}

#[test]
fn a_silent_connection_is_closed_and_one_that_waits_for_us_is_not() {
    let node = Node::alone(Setup::new("Hill").limit("idle_ms", 200));
    Raw::open(node.http_port()).expect_end();
    let mut raw = Raw::open(node.http_port());
    raw.expect_open();
    raw.expect_end();
    let mut raw = Raw::open(node.http_port());
    let polled = raw.ask("GET /v1/updates?wait=1 HTTP/1.1\r\nHost: h\r\n\r\n").expect(200);
    assert_eq!(polled.json()["updates"].as_array().map(Vec::len), Some(0));
    raw.expect_end();
}

#[test]
fn a_client_that_has_closed_its_side_gets_its_answers() {
    let node = Node::alone(Setup::new("Hill"));
    let mut raw = Raw::open(node.http_port());
    let get = "GET /v1/stories/a HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\n\r\n";
    raw.send(with_body("PUT", "/v1/stories/a", "", b"body")).send(get).half_close();
    raw.answer().expect(201);
    assert_eq!(raw.answer().expect(200).text(), "body");
    raw.expect_end();
    // A poll, too; its time is up before there is news.
    let mut raw = Raw::open(node.http_port());
    raw.send("GET /v1/updates?wait=1 HTTP/1.1\r\nHost: h\r\n\r\n").half_close();
    raw.answer().expect(200);
    raw.expect_end();
    // What is cut short is not carried out.
    let whole = with_body("PUT", "/v1/stories/b", "", b"body");
    for end in [1, 10, whole.len() - 4, whole.len() - 1] {
        let mut raw = Raw::open(node.http_port());
        raw.send(&whole[..end]).half_close();
        raw.answer().problem(400);
        raw.expect_end();
    }
    node.http.get("/v1/stories/b").expect(404);
    Raw::open(node.http_port()).half_close().expect_end();
}
