//! Writes: stories and topics, from their bodies to the disk.

use super::*;

const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn a_story_is_created_edited_and_read() {
    let mut bench = Bench::new();
    let body = r#"{"headline": "A headline", "body": "First.", "section": "World",
        "author": "Ann", "language": "en", "located": {"lat": 1.5, "lon": -2}}"#;
    let created = bench.put("/v1/stories/caf%C3%A9%2Fbar", JSON, body).is(201);
    let first = created.id();
    let json = created.json();
    assert_eq!(json["title"], "café/bar");
    assert_eq!(json["heads"], serde_json::json!([first]));
    assert_eq!(json["durability"], serde_json::json!({"asked": "local", "met": "local"}));
    assert!(json["cursor"].as_str().unwrap().parse::<After>().is_ok());
    assert_eq!(created.field("location"), Some("/v1/stories/caf%C3%A9%2Fbar"));
    assert_eq!(created.field("etag"), Some(&format!("\"{first}\"")[..]));

    let read = bench.get("/v1/stories/caf%C3%A9%2Fbar").is(200);
    let json = read.json();
    assert_eq!((&json["id"], &json["headline"]), (&first.clone().into(), &"A headline".into()));
    assert_eq!((&json["body"], &json["section"]), (&"First.".into(), &"World".into()));
    assert_eq!(json["located"], serde_json::json!({"lat": 1.5, "lon": -2.0}));

    let target = format!("/v1/stories/caf%C3%A9%2Fbar?base={first}&durability=none");
    let edited = bench.put_text(&target, "Second.").is(200);
    assert_eq!(edited.json()["durability"]["met"], "none");
    let json = bench.get("/v1/stories/caf%C3%A9%2Fbar").json();
    assert_eq!((&json["body"], &json["base"]), (&"Second.".into(), &serde_json::json!([first])));

    let history = bench.get("/v1/stories/caf%C3%A9%2Fbar/history").is(200).json();
    let ids: Vec<&str> = history["revisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [&edited.id()[..], &first]);
    let old = bench.get(&format!("/v1/stories/caf%C3%A9%2Fbar?rev={first}")).is(200);
    assert_eq!(old.json()["body"], "First.");
    let old = bench.get(&format!("/v1/revisions/{first}")).is(200);
    assert_eq!(old.json()["title"], "café/bar");
}

#[test]
fn what_was_read_can_be_sent_back() {
    let mut bench = Bench::new();
    let first = bench.put("/v1/stories/a", JSON, r#"{"headline": "H", "body": "x"}"#).is(201).id();
    let mut json = bench.get("/v1/stories/a").json();
    json["body"] = "y".into();
    bench.put(&format!("/v1/stories/a?base={first}"), JSON, &json.to_string()).is(200);
    let json = bench.get("/v1/stories/a").json();
    assert_eq!((&json["headline"], &json["body"]), (&"H".into(), &"y".into()));
}

#[test]
fn bodies_of_any_type_are_kept_as_they_are() {
    let mut bench = Bench::new();
    let target = "/v1/stories/a?headline=A+b&section=S&author=Ann&durability=none";
    bench.put(target, "Content-Type: text/markdown\r\n", "# x").is(201);
    let json = bench.get("/v1/stories/a").json();
    assert_eq!((&json["headline"], &json["media_type"]), (&"A b".into(), &"text/markdown".into()));
    bench.put("/v1/stories/b", "", "no type").is(201);
    assert_eq!(bench.get("/v1/stories/b").json()["media_type"], "text/plain");
    bench
        .ask(b"PUT /v1/stories/c HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\xff\x00")
        .is(201);
    let json = bench.get("/v1/stories/c").json();
    assert_eq!(json["media_type"], "application/octet-stream");
    assert_eq!(json["body_base64"], "/wA=");
}

#[test]
fn an_answer_waits_for_the_disk_and_the_next_edit_for_the_answer() {
    let mut bench = Bench::new();
    bench.node.state.is_held = true;
    let (one, two) = (bench.connect(), bench.connect());
    let request = put("/v1/stories/a", "Content-Type: text/plain\r\n", "one");
    bench.send(one, format!("{request}GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    bench.run(5_000);
    bench.send(two, put("/v1/stories/a?conflict=keep", "Content-Type: text/plain\r\n", "two"));
    bench.run(5_000);
    assert_eq!((bench.take(one), bench.take(two)), (String::new(), String::new()));
    bench.get("/v1/stories/a").is(404);
    bench.disk(Settled::Done);
    bench.run(100);
    let text = bench.take(one);
    assert!(text.starts_with("HTTP/1.1 201") && text.ends_with("Hello, World!"), "{text}");
    assert_eq!(bench.take(two), "", "its own write waits now");
    bench.disk(Settled::Done);
    bench.run(100);
    let reply = Reply::of(&bench.take(two)).is(200);
    assert_eq!(reply.json()["heads"].as_array().unwrap().len(), 2);
}

#[test]
fn a_failing_disk_is_503_and_nothing_of_the_write_remains() {
    let mut bench = Bench::new();
    bench.node.state.is_held = true;
    let no = bench.connect();
    bench.send(no, put("/v1/stories/a", "Content-Type: text/plain\r\n", "x"));
    bench.run(100);
    bench.disk(Settled::Refused);
    bench.run(100);
    let reply = Reply::of(&bench.take(no)).is(503);
    assert!(reply.field("retry-after").is_some());
    for (refusal, retry_after) in
        [(Refusal::Failing, "5"), (Refusal::Busy(1500), "2"), (Refusal::Draining, "1")]
    {
        bench.node.state.refusal = Some(refusal);
        let reply = bench.put_text("/v1/stories/b", "x").is(503);
        assert_eq!(reply.field("retry-after"), Some(retry_after));
    }
    bench.get("/v1/stories").is(200);
}

#[test]
fn a_silent_disk_is_503_in_the_end_and_the_connection_goes_on() {
    let mut bench = Bench::new();
    bench.node.state.is_held = true;
    let no = bench.connect();
    bench.send(no, put("/v1/stories/a", "Content-Type: text/plain\r\n", "x"));
    bench.run(31_000);
    Reply::of(&bench.take(no)).is(503);
    bench.send(no, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    bench.run(100);
    assert_eq!(Reply::of(&bench.take(no)).status, 200);
    bench.disk(Settled::Done);
    bench.run(100);
    assert_eq!(bench.take(no), "");
}

#[test]
fn bad_fields_are_named() {
    let mut bench = Bench::new();
    let names = |reply: &Reply| -> Vec<String> {
        let json = reply.json();
        let fields = json["fields"].as_array().unwrap().iter();
        fields.map(|field| field["field"].as_str().unwrap().to_owned()).collect()
    };
    let long = "x".repeat(2000);
    let body = format!(r#"{{"headline": "{long}", "language": "no tag", "body": "x"}}"#);
    let reply = bench.put("/v1/stories/a", JSON, &body).is(422);
    assert_eq!(names(&reply), ["headline", "language"]);
    let reply = bench.put("/v1/stories/a", JSON, r#"{"sektion": "x"}"#).is(422);
    assert_eq!(names(&reply), ["sektion", "body"]);
    let reply = bench.put("/v1/stories/a", JSON, r#"{"body": "", "media_type": "x"}"#).is(422);
    assert_eq!(names(&reply), ["media_type"]);
    assert_eq!(names(&bench.put_text("/v1/stories/%0a", "x").is(422)), ["title"]);
    let long = "x".repeat(256);
    assert_eq!(names(&bench.put_text(&format!("/v1/stories/{long}"), "x").is(422)), ["title"]);
    bench.put("/v1/stories/a", JSON, "{").is(400);
    bench.put("/v1/stories/a", "Content-Type: text\r\n", "x").is(415);
    bench.put("/v1/stories/a", "Content-Encoding: gzip\r\n", "x").is(415);
    bench.put_text("/v1/stories/a?conflict=what", "x").is(400);
    bench.put_text("/v1/stories/a?durability=0", "x").is(400);
    bench.put_text("/v1/stories/a?durability=254", "x").is(400);
    bench.put_text("/v1/stories/a?durability=paper", "x").is(400);
    bench.put_text("/v1/stories/a?base=12", "x").is(400);
    let zero = "0".repeat(64);
    assert_eq!(
        names(&bench.put_text(&format!("/v1/stories/a?base={zero}"), "x").is(422)),
        ["base"]
    );
    bench.get("/v1/stories/a").is(404);
}

#[test]
fn a_withdrawn_story_is_gone_for_all() {
    let mut bench = Bench::new();
    let id = bench.put_text("/v1/stories/a", "x").is(201).id();
    bench.withdraw("a", "it was wrong");
    for target in ["/v1/stories/a", "/v1/stories/a/history", &format!("/v1/revisions/{id}")] {
        let problem = bench.get(target).is(410).json();
        assert_eq!(problem["reason"], "it was wrong");
        assert!(problem["at"].as_str().unwrap().starts_with("2026-01-01T00:00:00"));
    }
    bench.put_text(&format!("/v1/stories/a?base={id}"), "y").is(410);
    assert_eq!(bench.get("/v1/stories").json()["stories"], serde_json::json!([]));
}

#[test]
fn any_bytes_go_to_a_topic_but_not_to_the_nodes_own() {
    let mut bench = Bench::new();
    let post = |topic: &str, fields: &str| {
        format!(
            "POST /v1/topics/{topic} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: 2\r\n\r\n{{}}"
        )
    };
    let reply = bench.ask(post("my%2Ftopic", "Content-Type: application/x-thing\r\n")).is(201);
    let json = reply.json();
    assert_eq!((&json["topic"], &json["heads"]), (&"my/topic".into(), &serde_json::json!([])));
    let updates = bench.get("/v1/updates?after=0&topic=my/topic").is(200).json();
    let update = &updates["updates"][0];
    assert_eq!((&update["id"], &update["kind"]), (&json["id"], &"data".into()));
    assert_eq!(update["media_type"], "application/x-thing");
    assert_eq!(updates["cursor"], json["cursor"]);
    for topic in ["stories", "places", "%01"] {
        bench.ask(post(topic, "")).is(422);
    }
    bench.ask(post("a", "Content-Type: /\r\n")).is(415);
}
