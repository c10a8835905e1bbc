//! Bodies in the codings that clients like, and none of them once a text was withdrawn.

use crate::harness::{Ended, Herd, Node, Setup, await_that};
use crate::raw::{get, put};
use std::io::Read;
use std::process::Command;

const TEXT: &str = "Content-Type: text/plain\r\n";

fn decoded(coding: Option<&str>, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let read = match coding {
        None => {
            out.extend_from_slice(bytes);
            Ok(0)
        }
        Some("gzip") => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out),
        Some("br") => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out),
        Some("zstd") => zstd::Decoder::new(bytes).and_then(|mut all| all.read_to_end(&mut out)),
        Some(other) => panic!("{other} was not asked for"),
    };
    read.expect("what was said to be encoded so is");
    out
}

#[test]
fn each_client_gets_the_coding_that_it_likes_best() {
    let node = Node::alone(Setup::new("Hill"));
    let port = node.http_port();
    let body = "All this happened, more or less. ".repeat(100);
    put(port, "/v1/stories/long", TEXT, &body).expect(201);
    put(port, "/v1/stories/short", TEXT, "short").expect(201);
    let id = node.http.get("/v1/stories/long").member("id");
    for (likes, coding) in [
        ("gzip", Some("gzip")),
        ("br;q=0.5, gzip;q=0.4", Some("br")),
        ("gzip, deflate, br, zstd", Some("br")),
        ("zstd, gzip", Some("zstd")),
        ("deflate", None),
        ("gzip;q=0", None),
        ("identity, gzip;q=0.1", None),
    ] {
        // Twice: as it is made, and as it is kept.
        for accept in ["", "Accept: text/plain\r\n", "", "Accept: text/plain\r\n"] {
            let fields = format!("Accept-Encoding: {likes}\r\n{accept}");
            let answer = get(port, "/v1/stories/long", &fields).expect(200);
            assert_eq!(answer.field("content-encoding"), coding, "{likes}");
            assert_eq!(answer.field("vary"), Some("Accept, Accept-Encoding, Sec-Fetch-Dest"));
            let text = if accept.is_empty() { "" } else { "-text" };
            let tag = coding.map_or_else(
                || format!("\"{id}{text}\""),
                |coding| format!("\"{id}{text}-{coding}\""),
            );
            assert_eq!(answer.field("etag"), Some(&tag[..]));
            let plain = decoded(coding, &answer.body);
            if accept.is_empty() {
                let json: serde_json::Value = serde_json::from_slice(&plain).expect("JSON");
                assert_eq!(json["body"], body);
            } else {
                assert_eq!(plain, body.as_bytes());
            }
            assert!(coding.is_none() || answer.body.len() < plain.len() / 2);
            let held = format!("{fields}If-None-Match: {tag}\r\n");
            get(port, "/v1/stories/long", &held).expect(304);
        }
    }
    for path in ["/v1/stories/short", "/hello"] {
        let answer = get(port, path, "Accept-Encoding: gzip\r\n").expect(200);
        assert_eq!(answer.field("content-encoding"), None, "{path}");
    }
    for path in ["/stories/long", "/style.css", "/v1/stories/long/history", "/metrics"] {
        let plain = get(port, path, "").expect(200);
        let answer = get(port, path, "Accept-Encoding: gzip\r\n").expect(200);
        let is_long = plain.body.len() >= 1_024;
        let coding = is_long.then_some("gzip");
        assert_eq!(answer.field("content-encoding"), coding, "{path}");
        if path != "/metrics" {
            assert_eq!(decoded(coding, &answer.body), plain.body, "{path}");
        }
    }
}

#[test]
fn curl_reads_every_coding() {
    let node = Node::alone(Setup::new("Hill"));
    let body = "Listen: Billy Pilgrim has come unstuck in time. ".repeat(100);
    put(node.http_port(), "/v1/stories/long", TEXT, &body).expect(201);
    let url = format!("{}/v1/stories/long?as=body", node.url());
    for coding in ["gzip", "br", "zstd"] {
        let accept = format!("Accept-Encoding: {coding}");
        let mut curl = Command::new("curl");
        let said = Ended::well(curl.args(["-sS", "--fail", "--compressed", "-H", &accept, &url]));
        assert_eq!(said, body, "{coding}");
    }
    let mut curl = Command::new("curl");
    let part = Ended::well(curl.args(["-sS", "--fail", "-r", "8-21", &url]));
    assert_eq!(part, &body[8..22]);
}

#[test]
fn what_another_node_withdraws_is_not_served_from_what_was_kept() {
    let herd = Herd::mesh(2);
    herd[0].http.write("a", &"a secret ".repeat(300));
    let port = herd[1].http_port();
    let forms = ["", "Accept: text/plain\r\n", "Accept-Encoding: gzip\r\n", "Range: bytes=0-\r\n"];
    await_that("the story", || match get(port, "/v1/stories/a", "").status {
        200 => Ok(()),
        other => Err(other.to_string()),
    });
    for form in forms {
        assert!(get(port, "/v1/stories/a", form).status < 300, "{form}");
    }
    herd[0].http.delete("/v1/stories/a?reason=wrong").expect(200);
    await_that("the withdrawal", || match get(port, "/v1/stories/a", "").status {
        410 => Ok(()),
        other => Err(other.to_string()),
    });
    for form in forms {
        let answer = get(port, "/v1/stories/a", form).expect(410);
        assert!(!answer.text().contains("secret"), "{}", answer.text());
    }
}
