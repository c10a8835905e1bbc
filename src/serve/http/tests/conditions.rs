//! Bases, conflicts and RFC 9110's conditions.

use super::*;

const TEXT: &str = "Content-Type: text/plain\r\n";

#[test]
fn an_edit_says_what_it_edits() {
    let mut bench = Bench::new();
    let first = bench.put_text("/v1/stories/a", "one").is(201).id();
    let problem = bench.put_text("/v1/stories/a", "two").is(428).json();
    assert_eq!(problem["head"], first);
    let second = bench.put_text(&format!("/v1/stories/a?base={first}"), "two").is(200).id();

    let conflict = bench.put_text(&format!("/v1/stories/a?base={first}"), "three").is(409).json();
    assert_eq!(conflict["base"]["id"], first);
    assert_eq!(conflict["base"]["body"], "one");
    assert_eq!(conflict["theirs"]["id"], second);
    assert_eq!(conflict["theirs"]["body"], "two");
    assert_eq!(conflict["yours"]["id"], Value::Null);
    assert_eq!(conflict["yours"]["body"], "three");

    let target = format!("/v1/stories/a?base={first}&conflict=keep");
    let kept = bench.put_text(&target, "four").is(200);
    assert_eq!(kept.json()["heads"].as_array().unwrap().len(), 2);
    let both = bench.get("/v1/stories/a").json();
    assert_eq!(both["conflicts"].as_array().unwrap().len(), 1);

    let over = bench.put_text("/v1/stories/a?conflict=overwrite", "five").is(200);
    assert_eq!(over.json()["heads"], serde_json::json!([over.id()]));
    assert_eq!(bench.get("/v1/stories/a").json()["conflicts"], serde_json::json!([]));
}

#[test]
fn conditions_hold_or_are_412() {
    let mut bench = Bench::new();
    let with = |condition: &str| format!("{TEXT}{condition}\r\n");
    bench.put("/v1/stories/a", &with("If-Match: *"), "x").is(412);
    let first = bench.put("/v1/stories/a", &with("If-None-Match: *"), "one").is(201).id();
    let reply = bench.put("/v1/stories/a", &with("If-None-Match: *"), "x").is(412);
    assert_eq!(reply.field("etag"), Some(&format!("\"{first}\"")[..]));
    let second = bench.put("/v1/stories/a", &with(&format!("If-Match: \"{first}\"")), "two");
    let second = second.is(200).id();
    bench.put("/v1/stories/a", &with(&format!("If-Match: \"{first}\"")), "x").is(412);
    bench.put("/v1/stories/a", &with(&format!("If-Match: W/\"{second}\"")), "x").is(412);
    bench.put("/v1/stories/a", &with("If-Match: nonsense"), "x").is(400);
    let of_text = with(&format!("If-Match: \"x\", \"{second}-text\""));
    bench.put("/v1/stories/a", &of_text, "three").is(200);
}

#[test]
fn a_reader_who_has_it_gets_304_whatever_form_it_has() {
    let mut bench = Bench::new();
    let id = bench.put_text("/v1/stories/a", "one").is(201).id();
    let get = |bench: &mut Bench, fields: &str| {
        bench.ask(format!("GET /v1/stories/a HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
    };
    for tag in [format!("\"{id}\""), format!("\"x\", W/\"{id}-gzip\""), "*".to_owned()] {
        let reply = get(&mut bench, &format!("If-None-Match: {tag}\r\n")).is(304);
        assert_eq!(reply.field("etag"), Some(&format!("\"{id}\"")[..]));
        assert_eq!(reply.field("vary"), Some("Accept, Accept-Encoding, Sec-Fetch-Dest"));
        assert_eq!(reply.field("content-length"), None);
        assert_eq!(reply.body, "");
    }
    for tag in ["\"x\"", "x", ""] {
        get(&mut bench, &format!("If-None-Match: {tag}\r\n")).is(200);
    }
}

#[test]
fn the_body_goes_alone_to_those_who_name_its_type() {
    let mut bench = Bench::new();
    let id = bench.put("/v1/stories/a", "Content-Type: text/html\r\n", "<p>x").is(201).id();
    let get = |bench: &mut Bench, accept: &str| {
        bench
            .ask(format!("GET /v1/stories/a HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n"))
            .is(200)
    };
    for accept in ["text/*", "text/html", "text/html, */*;q=0.8", "text/plain"] {
        let reply = get(&mut bench, accept);
        assert_eq!(reply.body, "<p>x", "{accept}");
        assert_eq!(reply.field("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(reply.field("etag"), Some(&format!("\"{id}-text\"")[..]));
        assert!(reply.field("content-security-policy").unwrap().contains("sandbox"));
    }
    for accept in ["*/*", "application/json", "application/json, text/*;q=0.5", "image/png", "text"]
    {
        let reply = get(&mut bench, accept);
        assert_eq!(reply.json()["body"], "<p>x", "{accept}");
        assert_eq!(reply.field("content-type"), Some("application/json"));
    }
    assert_eq!(bench.get("/v1/stories/a?as=body").body, "<p>x");
}
