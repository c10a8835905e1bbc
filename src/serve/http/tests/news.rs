//! Lists, long polls and how the node is.

use super::*;

#[test]
fn lists_are_newest_first_and_go_on_where_they_ended() {
    let mut bench = Bench::new();
    for n in 0..7 {
        let section = if n % 2 == 0 { "even" } else { "odd" };
        let target = format!("/v1/stories/s{n}?section={section}&durability=none");
        bench.put_text(&target, "x").is(201);
    }
    let titles = |json: &Value| -> Vec<String> {
        let stories = json["stories"].as_array().unwrap().iter();
        stories.map(|story| story["title"].as_str().unwrap().to_owned()).collect()
    };
    let first = bench.get("/v1/stories?limit=4").is(200).json();
    assert_eq!(titles(&first), ["s6", "s5", "s4", "s3"]);
    let next = first["next"].as_str().unwrap();
    let second = bench.get(&format!("/v1/stories?limit=4&before={next}")).json();
    assert_eq!(titles(&second), ["s2", "s1", "s0"]);
    assert_eq!(second["next"], Value::Null);
    assert_eq!(titles(&bench.get("/v1/stories?section=odd").json()), ["s5", "s3", "s1"]);
    bench.get("/v1/stories?before=nonsense").is(400);
    bench.get("/v1/stories?limit=x").is(400);
    bench.get("/v1/stories?limit=100000").is(200);
    bench.get("/v1/stories/none/history").is(404);
    bench.get("/v1/revisions/x").is(400);
    bench.get(&format!("/v1/revisions/{}", "0".repeat(64))).is(404);
}

#[test]
fn a_poll_answers_what_is_there_and_waits_for_what_is_not() {
    let mut bench = Bench::new();
    let empty = bench.get("/v1/updates").is(200).json();
    assert_eq!((&empty["updates"], &empty["gap"]), (&serde_json::json!([]), &Value::Null));
    for n in 0..3 {
        bench.put_text(&format!("/v1/stories/s{n}?durability=none"), "x").is(201);
    }
    let two = bench.get("/v1/updates?after=0&limit=2").json();
    assert_eq!(two["updates"].as_array().unwrap().len(), 2);
    let cursor = two["cursor"].as_str().unwrap();
    let one = bench.get(&format!("/v1/updates?after={cursor}&wait=30")).json();
    assert_eq!(one["updates"][0]["title"], "s2");
    let cursor = one["cursor"].as_str().unwrap().to_owned();

    let no = bench.connect();
    let poll =
        format!("GET /v1/updates?after={cursor}&wait=30&section=S HTTP/1.1\r\nHost: a\r\n\r\n");
    bench.send(no, format!("{poll}GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    bench.run(20_000);
    assert_eq!(bench.node.state.tally.long_polls, 1);
    bench.put_text("/v1/stories/other?durability=none", "x").is(201);
    assert_eq!(bench.take(no), "");
    bench.put_text("/v1/stories/mine?section=S", "x").is(201);
    bench.run(100);
    let text = bench.take(no);
    assert!(text.ends_with("Hello, World!"), "{text}");
    let json: Value =
        serde_json::from_str(Reply::of(&text).body.split("HTTP/1.1").next().unwrap()).unwrap();
    assert_eq!(json["updates"].as_array().unwrap().len(), 1);
    assert_eq!(json["updates"][0]["title"], "mine");
    assert_eq!(bench.node.state.tally.long_polls, 0);
    assert!(bench.node.state.attending.is_empty());
}

#[test]
fn a_poll_that_waits_in_vain_says_so_and_one_that_leaves_is_forgotten() {
    let mut bench = Bench::new();
    let (stays, leaves) = (bench.connect(), bench.connect());
    for no in [stays, leaves] {
        bench.send(no, "GET /v1/updates?wait=90 HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    bench.run(50_000);
    assert_eq!(bench.node.state.tally.long_polls, 2);
    bench.drop_client(leaves);
    assert_eq!(bench.node.state.tally.long_polls, 1);
    assert_eq!(bench.take(stays), "");
    bench.run(11_000);
    assert_eq!(Reply::of(&bench.take(stays)).is(200).json()["updates"], serde_json::json!([]));
    assert!(bench.node.state.attending.is_empty());
    bench.run(50_000);
    assert!(!bench.is_closed(stays), "its idle time began with the answer");
    bench.run(15_000);
    assert!(bench.is_closed(stays));
    bench.get("/v1/updates?after=nonsense").is(400);
    bench.get("/v1/updates?wait=soon").is(400);
}

#[test]
fn the_node_says_how_it_is() {
    let mut bench = Bench::new();
    assert_eq!(bench.get("/v1/herd").is(200).json()["name"], "node1");
    bench.get("/healthz").is(200);
    bench.get("/readyz").is(200);
    bench.node.state.unready = Some("the links are not up");
    let problem = bench.get("/readyz").is(503).json();
    assert_eq!(problem["detail"], "the links are not up");
    bench.get("/healthz").is(200);
}
