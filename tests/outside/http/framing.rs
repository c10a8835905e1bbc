//! Where messages begin and end (RFC 9112): what two readers could read in two ways is refused, and
//! nothing behind it is carried out; what is sound is read however it was cut into segments.

use crate::harness::{Node, Setup};
use crate::raw::{Raw, ask, get, put, with_body};

/// What an attacker hides behind a faulty request.
const BEHIND: &str = "PUT /v1/stories/smuggled HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx";

fn node() -> Node {
    Node::alone(Setup::new("Hill").durability("none"))
}

/// No request of any of the connections so far was carried out.
#[track_caller]
fn expect_nothing_written(node: &Node) {
    let stories = node.http.get("/v1/stories").expect(200).json();
    assert_eq!(stories["stories"].as_array().map(Vec::len), Some(0), "{stories}");
}

/// The form is answered with the status and the close, in one segment and in two, and nothing of
/// it or behind it is carried out.
fn expect_refused(node: &Node, status: u16, form: &str) {
    let bytes = format!("{form}{BEHIND}");
    for cut in [0, form.len() / 2, form.len() - 1] {
        let mut raw = Raw::open(node.http_port());
        let (first, second) = bytes.as_bytes().split_at(cut);
        raw.send_what_it_takes(first).send_what_it_takes(second);
        let answer = raw.answer();
        assert_eq!(answer.status, status, "{form:?} {}", answer.text());
        answer.problem(status);
        assert!(answer.closes(), "{form:?}");
        raw.expect_end();
    }
}

fn expect_all_refused(status: u16, forms: &[String]) {
    let node = node();
    for form in forms {
        expect_refused(&node, status, form);
    }
    expect_nothing_written(&node);
}

/// PUTs whose head has these fields besides Host.
fn puts(fields: &[&str]) -> Vec<String> {
    let put = "PUT /v1/stories/victim HTTP/1.1\r\nHost: h\r\n";
    fields.iter().map(|fields| format!("{put}{fields}\r\n\r\n")).collect()
}

#[test]
fn lengths_that_can_be_read_in_two_ways_are_refused() {
    expect_all_refused(
        400,
        &puts(&[
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 0\r\nContent-Length: 44",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: -1",
            "Content-Length: 0x5",
            "Content-Length: 5 5",
            "Content-Length:",
            "Content-Length: 18446744073709551621",
            "Content-Length: 4\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 4",
            "Content-Length: 4\r\nTransfer-Encoding: identity",
        ]),
    );
}

#[test]
fn codings_that_hide_the_end_are_refused() {
    expect_all_refused(
        400,
        &puts(&[
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: gzip",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
            "Transfer-Encoding: \"chunked\"",
            "Transfer-Encoding:",
            "Transfer-Encoding:\x0bchunked",
            "Transfer-Encoding\x0b: chunked",
            "Transfer-Encoding: chunked\0",
        ]),
    );
    expect_all_refused(501, &puts(&["Transfer-Encoding: gzip, chunked"]));
    let old = "PUT /v1/stories/victim HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    expect_all_refused(400, &[old.to_owned()]);
}

#[test]
fn lines_that_end_or_begin_in_odd_ways_are_refused() {
    let mut forms = puts(&[
        "Content-Length: 1\r\n 0",
        "X: y\r\n folded",
        "X: y\r\n\tContent-Length: 5",
        "X: y\rContent-Length: 5",
        "X: y\nContent-Length: 5",
        "X: y\r",
        "X\r: y",
        "Content-Length : 5",
        "Content-Length\t: 5",
        "Transfer-Encoding : chunked",
        "X: a\0b",
        "X\0: a",
        "X: a\x08b",
        "X",
        ": y",
        "X y: z",
        " X: y",
    ]);
    forms.extend(
        [
            "PUT /v1/stories/victim HTTP/1.1\nHost: h\n\n",
            "PUT /v1/stories/victim HTTP/1.1\r\nHost: h\n\r\n",
            "PUT /v1/stories/victim HTTP/1.1\r\nHost: h\r\n\n",
            "PUT /v1/stories/victim HTTP/1.1\r\n Host: h\r\n\r\n",
            "PUT\t/v1/stories/victim HTTP/1.1\r\nHost: h\r\n\r\n",
            "PUT /v1/stories/victim  HTTP/1.1\r\nHost: h\r\n\r\n",
            "PUT /v1/stories/vic tim HTTP/1.1\r\nHost: h\r\n\r\n",
            "PUT /v1/stories/vic\0tim HTTP/1.1\r\nHost: h\r\n\r\n",
            "PUT /v1/stories/vict\u{e9}m HTTP/1.1\r\nHost: h\r\n\r\n",
            "PUT /v1/stories/victim\r\nHost: h\r\n\r\n",
            "\0PUT /v1/stories/victim HTTP/1.1\r\nHost: h\r\n\r\n",
            "\r\n\r\nPUT /v1/stories/victim HTTP/1.1\r\nHost: h\r\n\r\n",
        ]
        .map(str::to_owned),
    );
    expect_all_refused(400, &forms);
}

#[test]
fn requests_without_one_sound_host_are_refused() {
    let head = "PUT /v1/stories/victim HTTP/1.1\r\n";
    let form = |fields: &str| format!("{head}{fields}Content-Length: 0\r\n\r\n");
    let forms = [
        "",
        "Host: h\r\nHost: h\r\n",
        "Host: h\r\nhost: other\r\n",
        "Host: a b\r\n",
        "Host: u@h\r\n",
        "Host: h/path\r\n",
        "Host: h:port\r\n",
        "Host: a,b\r\n",
        "Host:\r\n",
    ];
    expect_all_refused(400, &forms.map(form));
    let double = "GET /hello HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n";
    expect_all_refused(400, &[double.to_owned()]);
}

#[test]
fn chunks_that_lie_about_their_size_are_refused() {
    let head = "PUT /v1/stories/victim HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let form = |chunks: &str| format!("{head}{chunks}");
    let forms = [
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "+1\r\nx\r\n",
        "0x1\r\nx\r\n",
        " 1\r\nx\r\n",
        "1 \r\nx\r\n",
        "1_0\r\nx\r\n",
        "1\nx\r\n",
        "1\rx\r\n",
        "1\r\nxy\r\n",
        "1\r\nx\n",
        "1\r\nx0\r\n\r\n",
        "1;a\nx\r\n",
        "1;a\0\r\nx\r\n",
        "10000000000000000\r\n",
        "8000000000000000\r\n",
        "ffffffffffffffff\r\n",
        "0\r\nContent-Length: 5\r\n\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\n X: y\r\n\r\n",
        "0\n\n",
    ];
    expect_all_refused(400, &forms.map(form));
}

#[test]
fn what_is_of_another_version_or_method_or_expects_the_unheard_of_is_refused() {
    let node = node();
    for (status, form) in [
        (505, "PUT /v1/stories/victim HTTP/1.2\r\nHost: h\r\n\r\n".to_owned()),
        (505, "PUT /v1/stories/victim HTTP/2.0\r\nHost: h\r\n\r\n".to_owned()),
        (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        (400, "GET /hello\r\n\r\n".to_owned()),
        (400, "GET /hello HTTP/1.1 \r\nHost: h\r\n\r\n".to_owned()),
        (400, "GET /hello http/1.1\r\nHost: h\r\n\r\n".to_owned()),
        (501, format!("{} /hello HTTP/1.1\r\nHost: h\r\n\r\n", "M".repeat(40))),
        (501, "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n".to_owned()),
        (417, puts(&["Content-Length: 1\r\nExpect: 200-ok"]).remove(0)),
    ] {
        expect_refused(&node, status, &form);
    }
    expect_nothing_written(&node);
}

#[test]
fn a_fault_behind_good_requests_leaves_them_their_answers() {
    let node = node();
    let good = with_body("PUT", "/v1/stories/good", "", b"x");
    let bytes = [&good, "GET /hello HTTP/1.1\nHost: h\r\n\r\n".as_bytes(), BEHIND.as_bytes()];
    let mut raw = Raw::open(node.http_port());
    raw.send(bytes.concat());
    raw.answer().expect(201);
    let problem = raw.answer().problem(400);
    assert_eq!(problem["offset"], good.len() + "GET /hello HTTP/1.1".len(), "{problem}");
    raw.expect_end();
    node.http.get("/v1/stories/good").expect(200);
    node.http.get("/v1/stories/smuggled").expect(404);
}

/// Ten kinds of request, five times: the bytes, and the status and body of each answer.
fn fifty() -> (Vec<u8>, Vec<(u16, Option<String>)>) {
    let mut bytes = Vec::new();
    let mut due = Vec::new();
    let mut add = |request: Vec<u8>, status, body: Option<&str>| {
        bytes.extend(request);
        due.push((status, body.map(str::to_owned)));
    };
    for turn in 0..5 {
        let get = |path: &str, fields: &str| {
            format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n").into_bytes()
        };
        let story = format!("/v1/stories/p{turn}");
        let text = format!("body {turn}");
        add(with_body("PUT", &story, "", text.as_bytes()), 201, None);
        add(get(&story, "Accept: text/plain\r\n"), 200, Some(&text));
        add(with_body("PUT", &story, "", b"no base"), 428, None);
        add(get("/hello", ""), 200, Some("Hello, World!"));
        add(get("/nowhere", ""), 404, None);
        let chunked = format!(
            "POST /v1/topics/t{turn} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
             3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrail: er\r\n\r\n"
        );
        add(chunked.into_bytes(), 201, None);
        add(b"DELETE /v1/herd HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), 405, None);
        add(with_body("POST", "/hello", "", b"GET /hello HTTP/1.1\r\n\r\n"), 405, None);
        add(get("/v1/updates?wait=0", ""), 200, None);
        add(b"\r\nGET /healthz HTTP/1.1\r\nhost:h\r\n\r\n".to_vec(), 200, Some("ok\n"));
    }
    (bytes, due)
}

#[test]
fn fifty_pipelined_requests_are_answered_in_order_however_they_are_cut() {
    for durability in ["local", "none"] {
        for size in [usize::MAX, 1000, 1] {
            let node = Node::alone(Setup::new("Hill").durability(durability));
            let (bytes, due) = fifty();
            let mut raw = Raw::open(node.http_port());
            raw.send_in_pieces(&bytes, size);
            for (place, (status, body)) in due.iter().enumerate() {
                let answer = raw.answer();
                assert_eq!(answer.status, *status, "{place}: {}", answer.text());
                assert!(body.as_ref().is_none_or(|body| answer.text() == *body), "{place}");
            }
            raw.expect_open();
        }
    }
}

#[test]
fn connections_stay_or_close_as_asked() {
    let node = node();
    for (version, fields, stays) in [
        ("1.1", "Host: h\r\n", true),
        ("1.1", "Host: h\r\nConnection: keep-alive\r\n", true),
        ("1.1", "Host: h\r\nConnection: close\r\n", false),
        ("1.1", "Host: h\r\nConnection: x, CLOSE\r\n", false),
        ("1.1", "Host: h\r\nConnection: x\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Host: h\r\n", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: close, keep-alive\r\n", false),
    ] {
        for path in ["/hello", "/healthz", "/nowhere", "/v1/stories"] {
            let mut raw = Raw::open(node.http_port());
            let request = format!("GET {path} HTTP/{version}\r\n{fields}\r\n");
            raw.send(&request);
            if !stays {
                raw.send_what_it_takes(BEHIND.as_bytes());
            }
            let answer = raw.answer();
            assert_eq!(answer.closes(), !stays, "{request:?}");
            if stays {
                let says = answer.field("connection");
                assert_eq!(says, (version == "1.0").then_some("keep-alive"), "{request:?}");
                raw.expect_open();
            } else {
                raw.expect_end();
            }
        }
    }
    expect_nothing_written(&node);
}

#[test]
fn head_is_get_without_the_body() {
    let node = node();
    let id = node.http.write("a", "body");
    let etag = format!("If-None-Match: \"{id}\"\r\n");
    for (path, fields) in [
        ("/hello", ""),
        ("/healthz", ""),
        ("/", ""),
        ("/stories/a", ""),
        ("/stories/none", ""),
        ("/style.css", ""),
        ("/v1/stories", ""),
        ("/v1/stories/a", ""),
        ("/v1/stories/a", "Accept: text/plain\r\n"),
        ("/v1/stories/a", &etag),
        ("/v1/stories/none", ""),
        ("/v1/stories/a/history", ""),
        ("/v1/topics/t", ""),
        ("/nowhere", ""),
        ("/v1/updates?after=0&wait=0", ""),
    ] {
        let whole = get(node.http_port(), path, fields);
        let mut raw = Raw::open(node.http_port());
        raw.send(format!("HEAD {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
        let head = raw.head();
        assert_eq!((head.status, head.line), (whole.status, whole.line), "{path}");
        let undated = |fields: &[(String, String)]| {
            let dated = |(name, _): &&(String, String)| !name.eq_ignore_ascii_case("date");
            fields.iter().filter(dated).cloned().collect::<Vec<_>>()
        };
        assert_eq!(undated(&head.fields), undated(&whole.fields), "{path}");
        raw.expect_open();
    }
}

#[test]
fn bodies_are_the_same_by_length_and_by_chunks() {
    let node = node();
    let chunked = |title: &str, chunks: &str| {
        format!(
            "PUT /v1/stories/{title} HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n\
             Transfer-Encoding: chunked\r\n\r\n{chunks}"
        )
    };
    let sized = String::from_utf8(with_body("PUT", "/v1/stories/a", "", b"12345")).unwrap();
    for (title, body, request) in [
        ("a", "12345", sized),
        ("b", "12345", chunked("b", "5\r\n12345\r\n0\r\n\r\n")),
        ("c", "12345", chunked("c", "1\r\n1\r\n004;x=\"y\"\r\n2345\r\n000\r\nX: y\r\n\r\n")),
        ("d", "", chunked("d", "0\r\n\r\n")),
        ("e", "0\r\n\r\n\r\nx", chunked("e", "8\r\n0\r\n\r\n\r\nx\r\n0\r\n\r\n")),
    ] {
        let mut raw = Raw::open(node.http_port());
        raw.send_in_pieces(request.as_bytes(), if title == "c" { 1 } else { usize::MAX });
        raw.answer().expect(201);
        raw.expect_open();
        let path = format!("/v1/stories/{title}");
        let answer = get(node.http_port(), &path, "Accept: text/plain\r\n").expect(200);
        assert_eq!(answer.text(), body, "{title}");
    }
    // Without a length there is no body, whatever follows.
    let mut raw = Raw::open(node.http_port());
    raw.send("PUT /v1/stories/f HTTP/1.1\r\nHost: h\r\n\r\nGET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    raw.answer().expect(201);
    assert_eq!(raw.answer().expect(200).text(), "Hello, World!");
}

#[test]
fn a_large_body_comes_through_in_both_directions() {
    let node = node();
    let line = |n: usize| format!("{n:15}\n");
    let body = (0..1 << 16).map(line).collect::<Vec<_>>().concat();
    assert_eq!(body.len(), 1 << 20);
    put(node.http_port(), "/v1/stories/large", "", &body).expect(201);
    let answer = get(node.http_port(), "/v1/stories/large", "Accept: text/*\r\n").expect(200);
    assert!(answer.text() == body);
    let answer =
        ask(node.http_port(), with_body("POST", "/v1/topics/large", "", &vec![b'z'; 16 << 20]));
    answer.expect(201);
}

#[test]
fn absolute_targets_and_options_are_understood() {
    let node = node();
    node.http.write("a", "body");
    let mut raw = Raw::open(node.http_port());
    raw.ask("GET http://h/v1/stories/a HTTP/1.1\r\nHost: h\r\n\r\n").expect(200);
    raw.ask("GET http://h:80?x HTTP/1.1\r\nHost: h\r\n\r\n").expect(200);
    let all = raw.ask("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").expect(204);
    assert!(all.field("allow").is_some_and(|allow| allow.contains("PUT")), "{all:?}");
    let one = raw.ask("OPTIONS /v1/topics/t HTTP/1.1\r\nHost: h\r\n\r\n").expect(204);
    assert_eq!(one.field("allow"), Some("POST, OPTIONS"));
    raw.expect_open();
}
