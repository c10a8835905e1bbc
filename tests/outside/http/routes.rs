//! What is at which path: methods, errors in their one shape, health, metrics.

use crate::harness::{Node, Setup};
use crate::raw::{Raw, ask, get, put, with_body};
use std::collections::BTreeSet;

fn node() -> Node {
    Node::alone(Setup::new("Hill").durability("none"))
}

#[test]
fn each_path_allows_its_methods_and_no_others() {
    let node = node();
    node.http.write("a", "body");
    for (path, allow) in [
        ("/hello", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
        ("/stories/a", "GET, HEAD, OPTIONS"),
        ("/v1/stories", "GET, HEAD, OPTIONS"),
        ("/v1/stories/a/history", "GET, HEAD, OPTIONS"),
        ("/v1/topics/t", "POST, OPTIONS"),
        ("/v1/updates", "GET, HEAD, OPTIONS"),
        ("/v1/stream", "GET, HEAD, OPTIONS"),
        ("/v1/herd", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/readyz", "GET, HEAD, OPTIONS"),
        ("/metrics", "GET, HEAD, OPTIONS"),
    ] {
        let allowed: Vec<&str> = allow.split(", ").collect();
        for method in ["PUT", "POST", "DELETE", "PATCH", "TRACE", "BREW", "get"] {
            if allowed.contains(&method) {
                continue;
            }
            let answer = ask(node.http_port(), with_body(method, path, "", b"x"));
            answer.problem(405);
            assert_eq!(answer.field("allow"), Some(allow), "{method} {path}");
        }
        let options = ask(node.http_port(), format!("OPTIONS {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(options.expect(204).field("allow"), Some(allow), "{path}");
    }
    get(node.http_port(), "/v1/topics/t", "").problem(405);
    let answer = ask(node.http_port(), with_body("PATCH", "/v1/stories/a", "", b"x"));
    answer.problem(405);
    let allow = answer.field("allow").unwrap_or_default();
    assert!(["GET", "HEAD", "PUT"].iter().all(|method| allow.contains(method)), "{allow}");
}

#[test]
fn what_is_nowhere_or_malformed_is_said_to_be() {
    let node = node();
    for path in ["/nowhere", "/v1", "/v1/", "/hello/", "//hello", "/v1/stories/", "/v1/topics/"] {
        get(node.http_port(), path, "").problem(404);
    }
    for path in [
        "/v1/stories/%",
        "/v1/stories/%zz",
        "/v1/stories/%ff",
        "/v1/stories?before=%f",
        "/v1/stories?limit=x",
        "/v1/stories?limit=-1",
        "/v1/stories?before=nonsense",
        "/v1/stories/a?rev=nonsense",
        "/v1/revisions/nonsense",
        "/v1/updates?after=nonsense",
        "/v1/updates?wait=soon",
        "/v1/updates?limit=",
        "/v1/stream?after=nonsense",
    ] {
        if path == "/v1/stories/a?rev=nonsense" {
            node.http.write("a", "body");
        }
        get(node.http_port(), path, "").problem(400);
    }
    get(node.http_port(), "/v1/stream", "Last-Event-ID: nonsense\r\n").problem(400);
    get(node.http_port(), "/v1/stories/none", "").problem(404);
    get(node.http_port(), "/v1/stories/none/history", "").problem(404);
    get(node.http_port(), &format!("/v1/revisions/{}", "0".repeat(64)), "").problem(404);
}

#[test]
fn malformed_writes_name_what_is_wrong() {
    let node = node();
    let port = node.http_port();
    let json = "Content-Type: application/json\r\n";
    let put_json = |body: &str| put(port, "/v1/stories/a", json, body);
    for body in ["", "{", "[]", "\"x\"", "{\"body\": \"x\"} {}", "{\"body\": \"\\ud800\"}"] {
        put_json(body).problem(400);
    }
    for (body, fields) in [
        ("{}", vec!["body"]),
        (r#"{"body": 1, "headline": [], "titel": ""}"#, vec!["body", "headline", "titel"]),
        (r#"{"body": "x", "located": {"lat": 91, "lon": 0}}"#, vec!["located"]),
        (r#"{"body": "x", "located": {"lat": 1}}"#, vec!["located"]),
        (r#"{"body": "x", "section": "a\u0000b"}"#, vec!["section"]),
        (r#"{"body": "x", "media_type": "nonsense"}"#, vec!["media_type"]),
        (r#"{"body_base64": "***"}"#, vec!["body_base64"]),
    ] {
        assert_eq!(put_json(body).bad_fields(), fields, "{body}");
    }
    for media_type in ["nonsense", "text/", "/plain", "text/plain; x", "te xt/plain"] {
        put(port, "/v1/stories/a", &format!("Content-Type: {media_type}\r\n"), "x").problem(415);
        let post =
            with_body("POST", "/v1/topics/t", &format!("Content-Type: {media_type}\r\n"), b"x");
        ask(port, post).problem(415);
    }
    put(port, "/v1/stories/a", "Content-Encoding: gzip\r\n", "x").problem(415);
    for title in ["%00", "a%0Ab", "%7F", &"x".repeat(256)] {
        let path = format!("/v1/stories/{title}");
        assert_eq!(put(port, &path, "", "x").bad_fields(), ["title"], "{title}");
    }
    for (path, status) in [
        ("/v1/stories/a?conflict=nonsense", 400),
        ("/v1/stories/a?alias=merge:1", 422),
        ("/v1/stories/a?base=nonsense", 400),
        ("/v1/stories/a?durability=nonsense", 400),
        ("/v1/stories/a?durability=0", 400),
    ] {
        put(port, path, "", "x").problem(status);
    }
    put(port, "/v1/stories/a", "If-Match: nonsense\r\n", "x").problem(400);
    get(port, "/v1/stories/a", "").problem(404);
}

#[test]
fn topics_take_any_bytes_of_any_media_type() {
    let node = node();
    let port = node.http_port();
    let post =
        |path: &str, fields: &str, body: &[u8]| ask(port, with_body("POST", path, fields, body));
    let png = "Content-Type: image/png\r\n";
    let answer = post("/v1/topics/pictures%2Fbirds", png, b"\x89PNG\xff\x00").expect(201).json();
    assert_eq!(answer["topic"], "pictures/birds");
    assert_eq!(answer["durability"]["met"], "none");
    post("/v1/topics/empty?durability=local", "", b"").expect(201);
    let text = "Content-Type: text/plain; charset=utf-8\r\n";
    post("/v1/topics/caf%C3%A9", text, "h\u{e9}".as_bytes()).expect(201);
    for topic in ["stories", "places", "a%00b", &"x".repeat(256)] {
        assert_eq!(post(&format!("/v1/topics/{topic}"), "", b"x").bad_fields(), ["topic"]);
    }
    let read = get(port, "/v1/updates?after=0", "").expect(200).json();
    let updates = read["updates"].as_array().unwrap();
    assert_eq!(updates.len(), 3, "{read}");
    assert_eq!(updates[0]["id"], answer["id"]);
    assert_eq!(updates[0]["kind"], "data");
    assert_eq!(updates[0]["media_type"], "image/png");
    assert_eq!(updates[0]["body_base64"], "iVBOR/8A");
    assert_eq!(updates[1]["media_type"], "application/octet-stream");
    assert_eq!(
        (&updates[2]["topic"], &updates[2]["body"]),
        (&"caf\u{e9}".into(), &"h\u{e9}".into())
    );
    // The cursor of an answer stands behind its update.
    let cursor = answer["cursor"].as_str().unwrap();
    let rest = get(port, &format!("/v1/updates?after={cursor}"), "").expect(200).json();
    assert_eq!(rest["updates"].as_array().map(Vec::len), Some(2), "{rest}");
}

#[test]
fn health_and_readiness_are_told() {
    let node = node();
    assert_eq!(get(node.http_port(), "/healthz", "").expect(200).text(), "ok\n");
    assert_eq!(get(node.http_port(), "/readyz", "").expect(200).text(), "ready\n");
    let hello = get(node.http_port(), "/hello", "").expect(200);
    assert_eq!(
        (hello.text().as_str(), hello.field("content-type")),
        ("Hello, World!", Some("text/plain"))
    );
    let herd = get(node.http_port(), "/v1/herd", "").expect(200).json();
    assert_eq!(herd["name"], "Hill");
    assert_eq!(herd["nodes"][0]["name"], "Hill", "{herd}");
}

/// The name of a sample, and of its labels the whole text.
fn sample(line: &str) -> (&str, &str) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
    assert!(value.parse::<f64>().is_ok() || value == "+Inf", "{line:?}");
    let Some((name, labels)) = series.split_once('{') else { return (series, "") };
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line:?}"));
    for pair in labels.split("\",") {
        let (label, value) = pair.split_once("=\"").unwrap_or_else(|| panic!("{line:?}"));
        assert!(label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line:?}");
        assert!(!value.trim_end_matches('"').contains('"'), "{line:?}");
    }
    (name, labels)
}

/// Every line is understood; each family stands together, once, behind its HELP and TYPE; no
/// series stands twice.
fn check_exposition(page: &str) {
    assert!(page.ends_with('\n'));
    let (mut families, mut series) = (BTreeSet::new(), BTreeSet::new());
    let (mut family, mut kind) = ("", "");
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split_once(' ').unwrap_or_else(|| panic!("{line:?}")).0;
            assert!(families.insert(family), "{family} stands twice");
            let told = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
            let (name, told) = told.and_then(|told| told.split_once(' ')).expect("a TYPE");
            assert_eq!(name, family);
            assert!(["counter", "gauge", "histogram"].contains(&told), "{told}");
            kind = told;
            assert!(kind != "counter" || family.ends_with("_total"), "{family}");
            continue;
        }
        let (name, labels) = sample(line);
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{line:?} in {family}"));
        let is_due = match kind {
            "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
            _ => suffix.is_empty(),
        };
        assert!(is_due, "{line:?} in the {kind} {family}");
        assert!(series.insert((name, labels)), "{line:?} stands twice");
    }
    assert!(families.len() > 20, "only {families:?}");
}

#[test]
fn metrics_are_sound_prometheus_text() {
    let node = node();
    let port = node.http_port();
    node.http.write("a", "body");
    node.line(b"IAMAT a +1+1 1\nnonsense\n");
    get(port, "/nowhere", "");
    Raw::open(port).send("nonsense\r\n\r\n").answer().problem(400);
    let answer = get(port, "/metrics", "").expect(200);
    assert_eq!(answer.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let page = answer.text();
    check_exposition(&page);
    for line in [
        "bellwether_http_requests_total{route=\"/v1/stories/{title}\",status=\"201\"} 1",
        "bellwether_http_requests_total{route=\"unknown\",status=\"404\"} 1",
        "bellwether_http_requests_total{route=\"malformed\",status=\"400\"} 1",
    ] {
        assert!(page.lines().any(|have| have == line), "{line}\n{page}");
    }
    let counts = page.lines().any(|line| line.starts_with("bellwether_line_commands_total{"));
    assert!(counts, "{page}");
}
