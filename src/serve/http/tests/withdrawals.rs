//! Stories that are withdrawn.

use super::*;
use serde_json::json;

fn delete(target: &str, fields: &str) -> String {
    format!("DELETE {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn a_story_is_withdrawn_with_its_reason_and_for_good() {
    let mut bench = Bench::new();
    bench.ask(delete("/v1/stories/a?reason=x", "")).is(404);
    let id = bench.put_text("/v1/stories/a", "x").is(201).id();
    let gone = bench.ask(delete("/v1/stories/a?reason=it+was+wrong", "")).is(200).json();
    assert_eq!((&gone["title"], &gone["heads"]), (&"a".into(), &json!([])));
    assert_eq!(gone["durability"], json!({"asked": "local", "met": "local"}));
    assert!(gone["cursor"].as_str().unwrap().parse::<After>().is_ok());
    let targets = ["/v1/stories/a", "/v1/stories/a/history", &format!("/v1/revisions/{id}")]
        .map(String::from);
    for target in targets {
        let problem = bench.get(&target).is(410).json();
        assert_eq!(problem["reason"], "it was wrong", "{target}");
        assert!(problem["at"].as_str().unwrap().starts_with("2026-01-01T00:00:00"));
    }
    for reply in [
        bench.put_text("/v1/stories/a?conflict=overwrite", "y"),
        bench.put_text("/v1/stories/a?conflict=merge", "y"),
        bench.put_text("/v1/stories/a?alias=x", "y"),
        bench.ask(delete("/v1/stories/a?reason=again", "")),
    ] {
        assert_eq!(reply.is(410).json()["reason"], "it was wrong");
    }
    assert_eq!(bench.get("/v1/stories").json()["stories"], json!([]));
    let page = bench.get("/stories/a");
    assert_eq!(page.status, 410);
    assert!(page.body.contains("it was wrong") && page.body.contains("2026-01-01"), "{page:?}");
    assert_eq!(bench.get("/stories/a/history").status, 410);
    let updates = bench.get("/v1/updates?after=0").is(200).json();
    let last = updates["updates"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["id"], &last["kind"]), (&gone["id"], &"withdrawal".into()));
    assert_eq!((&last["title"], &last["reason"]), (&"a".into(), &"it was wrong".into()));
}

#[test]
fn conditions_guard_a_withdrawal() {
    let mut bench = Bench::new();
    let id = bench.put_text("/v1/stories/a", "x").is(201).id();
    let other = "0".repeat(64);
    for fields in [
        format!("If-Match: \"{other}\"\r\n"),
        "If-None-Match: *\r\n".to_owned(),
        format!("If-None-Match: \"{id}\"\r\n"),
    ] {
        let reply = bench.ask(delete("/v1/stories/a", &fields)).is(412);
        assert_eq!(reply.field("etag"), Some(&format!("\"{id}\"")[..]));
    }
    bench.ask(delete("/v1/stories/a", "If-Match: nonsense\r\n")).is(400);
    bench.ask(delete("/v1/stories/a", &format!("If-Match: \"{id}-text\"\r\n"))).is(200);
    let problem = bench.get("/v1/stories/a").is(410).json();
    assert_eq!(problem["reason"], "");
}

#[test]
fn what_is_wrong_with_a_withdrawal_is_said() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/a", "x").is(201);
    let long = "x".repeat(4000);
    let fields = |reply: Reply| reply.is(422).json()["fields"][0]["field"].clone();
    assert_eq!(fields(bench.ask(delete("/v1/stories/%0a", ""))), "title");
    assert_eq!(fields(bench.ask(delete("/v1/stories/a?reason=%00", ""))), "reason");
    let longer = format!("{}%0a{}", &long[..2000], &long[..2000]);
    bench.ask(delete("/v1/stories/a?durability=paper", "")).is(400);
    let refused = bench.ask(delete("/v1/stories", ""));
    assert_eq!(refused.field("allow"), Some("GET, HEAD, OPTIONS"));
    refused.is(405);
    let with_body = format!("DELETE /v1/stories/a?reason={longer} HTTP/1.1\r\nHost: a\r\n");
    let with_body = format!("{with_body}Content-Length: 5\r\n\r\nthat!");
    bench.ask(with_body).is(200);
}

#[test]
fn a_withdrawal_waits_for_the_edit_before_it_and_the_next_edit_for_the_withdrawal() {
    let mut bench = Bench::new();
    bench.node.state.is_held = true;
    let [one, two, three] = [(); 3].map(|()| bench.connect());
    let text = "Content-Type: text/plain\r\n";
    bench.send(one, put("/v1/stories/a", text, "one"));
    bench.run(100);
    bench.send(two, delete("/v1/stories/a", ""));
    bench.run(100);
    bench.disk(Settled::Done);
    bench.run(100);
    Reply::of(&bench.take(one)).is(201);
    assert_eq!(bench.take(two), "");
    bench.send(three, put("/v1/stories/a?conflict=overwrite", text, "three"));
    bench.run(100);
    bench.disk(Settled::Done);
    bench.run(100);
    Reply::of(&bench.take(two)).is(200);
    Reply::of(&bench.take(three)).is(410);
}

#[test]
fn a_stub_is_gone_even_for_those_who_know_only_its_id() {
    let mut bench = Bench::new();
    // A node that was away gets what was withdrawn as a stub, and may get it first.
    let whole = TestDesk::seal_elsewhere("a", "secret");
    bench.with(|cx, desk| desk.arrive(cx, &whole.erase()));
    let problem = bench.get(&format!("/v1/revisions/{}", whole.cid())).is(410);
    assert!(!problem.body.contains("secret"));
    bench.get("/v1/stories/a").is(404);
    let updates = bench.get("/v1/updates?after=0").is(200).json();
    assert_eq!((&updates["updates"], &updates["gap"]["count"]), (&json!([]), &json!(1)));
    bench.withdraw("a", "wrong");
    assert_eq!(bench.get("/v1/stories/a").is(410).json()["reason"], "wrong");
}
