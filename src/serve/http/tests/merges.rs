//! Merges, aliases and diffs.

use super::*;
use serde_json::json;

const JSON: &str = "Content-Type: application/json\r\n";

fn history(bench: &mut Bench, title: &str) -> Vec<Value> {
    let json = bench.get(&format!("/v1/stories/{title}/history")).is(200).json();
    json["revisions"].as_array().unwrap().clone()
}

#[test]
fn a_stale_edit_is_kept_and_merged_with_the_head() {
    let mut bench = Bench::new();
    let first = bench.put_text("/v1/stories/a", "one\ntwo\nthree\n").is(201).id();
    let target = format!("/v1/stories/a?base={first}");
    let theirs = bench.put_text(&target, "ONE\ntwo\nthree\n").is(200).id();
    let body = json!({"body": "one\ntwo\nTHREE\n", "author": "Ann", "summary": "shout"});
    let reply = bench.put(&format!("{target}&conflict=merge"), JSON, &body.to_string()).is(200);
    let json = reply.json();
    assert_eq!(json["heads"], json!([reply.id()]));
    assert_eq!(reply.field("etag"), Some(&format!("\"{}\"", reply.id())[..]));
    let head = bench.get("/v1/stories/a").is(200).json();
    assert_eq!((&head["id"], &head["author"]), (&json["id"], &"merge".into()));
    assert_eq!((&head["body"], &head["summary"]), (&"ONE\ntwo\nTHREE\n".into(), &"shout".into()));
    assert_eq!((&head["generation"], &head["conflicts"]), (&3.into(), &json!([])));
    // What the writer wrote is there too, as it was written.
    let yours = json["yours"].as_str().unwrap();
    let kept = bench.get(&format!("/v1/revisions/{yours}")).is(200).json();
    assert_eq!((&kept["body"], &kept["author"]), (&"one\ntwo\nTHREE\n".into(), &"Ann".into()));
    assert_eq!(kept["base"], json!([first]));
    let mut parents = [yours.to_owned(), theirs];
    parents.sort();
    assert_eq!(head["base"], json!(parents));
    assert_eq!(history(&mut bench, "a").len(), 4);
}

#[test]
fn lines_that_clash_are_409_with_all_three_sides_in_order_and_nothing_is_written() {
    let mut bench = Bench::new();
    let first = bench.put("/v1/stories/a", JSON, r#"{"headline": "H", "body": "x\n"}"#).id();
    let target = format!("/v1/stories/a?base={first}");
    let theirs = bench.put(&target, JSON, r#"{"headline": "I", "body": "y\n"}"#).is(200).id();
    let body = r#"{"headline": "J", "body": "z\n"}"#;
    let reply = bench.put(&format!("{target}&conflict=merge"), JSON, body).is(409);
    assert_eq!(reply.json()["clashes"], json!(["headline", "body"]));
    let sides = [
        format!(r#""base":{{"id":"{first}","headline":"H","body":"x\n"}}"#),
        r#""yours":{"id":null,"headline":"J","body":"z\n"}"#.to_owned(),
        format!(r#""theirs":{{"id":"{theirs}","headline":"I","body":"y\n"}}"#),
    ];
    assert!(reply.body.contains(&sides.join(",")), "{}", reply.body);
    assert_eq!(history(&mut bench, "a").len(), 2);
    assert_eq!(bench.get("/v1/stories/a").json()["id"], theirs);
}

#[test]
fn two_heads_that_stand_are_merged_by_sending_one_unencoded() {
    for named_is_head in [true, false] {
        let mut bench = Bench::new();
        let first = bench.put_text("/v1/stories/a", "one\ntwo\nthree\n").is(201).id();
        let target = format!("/v1/stories/a?base={first}&conflict=keep");
        bench.put_text(&target, "ONE\ntwo\nthree\n").is(200);
        bench.put_text(&target, "one\ntwo\nTHREE\n").is(200);
        let head = bench.get("/v1/stories/a").json();
        let other = head["conflicts"][0].as_str().unwrap().to_owned();
        let named = if named_is_head { head["id"].as_str().unwrap().to_owned() } else { other };
        let named = bench.get(&format!("/v1/revisions/{named}")).json();
        let target = format!("/v1/stories/a?base={}&conflict=merge", named["id"].as_str().unwrap());
        let reply = bench.put_text(&target, named["body"].as_str().unwrap()).is(200);
        assert_eq!(reply.json()["heads"], json!([reply.id()]));
        assert_eq!(reply.json().get("yours"), None, "nothing new was written but the merge");
        let merged = bench.get("/v1/stories/a").json();
        assert_eq!(
            (&merged["body"], &merged["author"]),
            (&"ONE\ntwo\nTHREE\n".into(), &"merge".into())
        );
        assert_eq!(history(&mut bench, "a").len(), 4);
    }
}

#[test]
fn an_edit_of_the_head_stands_even_if_another_head_clashes_with_it() {
    let mut bench = Bench::new();
    let first = bench.put_text("/v1/stories/a", "one\n").is(201).id();
    for body in ["two\n", "three\n"] {
        bench.put_text(&format!("/v1/stories/a?base={first}&conflict=keep"), body).is(200);
    }
    let head = bench.get("/v1/stories/a").json();
    let target = format!("/v1/stories/a?base={}&conflict=merge", head["id"].as_str().unwrap());
    // Only to merge them: that can't be done.
    let problem = bench.put_text(&target, head["body"].as_str().unwrap()).is(409).json();
    assert_eq!(
        (&problem["base"]["id"], &problem["theirs"]["id"]),
        (&first.into(), &head["conflicts"][0])
    );
    let edited = bench.put_text(&target, "four\n").is(200).json();
    assert_eq!(edited["heads"], json!([edited["id"], head["conflicts"][0]]));
    // An edit of the other head has to come together with the head.
    let other = head["conflicts"][0].as_str().unwrap();
    bench.put_text(&format!("/v1/stories/a?base={other}&conflict=merge"), "five\n").is(409);
}

#[test]
fn a_merge_without_a_base_is_a_conflict_and_one_of_the_head_an_edit() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/a?conflict=merge", "one\n").is(201);
    let problem = bench.put_text("/v1/stories/a?conflict=merge", "two\n").is(409).json();
    assert_eq!(problem["base"], Value::Null);
    let reply = bench.put("/v1/stories/a?conflict=merge", "If-Match: *\r\n", "two\n").is(200);
    assert_eq!(reply.json()["heads"], json!([reply.id()]));
    assert_eq!(history(&mut bench, "a").len(), 2);
}

#[test]
fn a_merge_changes_what_was_sent_and_nothing_else() {
    let mut bench = Bench::new();
    let story = r#"{"headline": "H", "section": "S", "media_type": "text/markdown",
        "body": "one\n\ntwo\n"}"#;
    let first = bench.put("/v1/stories/a", JSON, story).is(201).id();
    let target = format!("/v1/stories/a?base={first}&conflict=merge");
    // Once the base is the head, once it is not.
    bench.put("/v1/stories/a?conflict=merge", "If-Match: *\r\n", "ONE\n\ntwo\n").is(200);
    bench.put(&target, JSON, r#"{"headline": "I", "body": "one\n\ntwo\n"}"#).is(200);
    bench.put(&target, "", "one\n\nTWO\n").is(200);
    let json = bench.get("/v1/stories/a").is(200).json();
    assert_eq!((&json["headline"], &json["section"]), (&"I".into(), &"S".into()));
    assert_eq!(json["media_type"], "text/markdown");
    assert_eq!((&json["body"], &json["conflicts"]), (&"ONE\n\nTWO\n".into(), &json!([])));
}

#[test]
fn a_merge_that_would_be_too_large_is_413() {
    let mut bench = Bench::new();
    bench.node.state.config.limits.story_bytes = 100;
    let middle = "m\n".repeat(10);
    let first = bench.put_text("/v1/stories/a", &middle).is(201).id();
    let target = format!("/v1/stories/a?base={first}");
    bench.put_text(&target, &format!("{}\n{middle}", "x".repeat(60))).is(200);
    let body = format!("{middle}{}\n", "y".repeat(60));
    bench.put_text(&format!("{target}&conflict=merge"), &body).is(413);
    assert_eq!(history(&mut bench, "a").len(), 2);
}

#[test]
fn an_alias_that_is_here_already_is_answered_and_nothing_is_written() {
    let mut bench = Bench::new();
    let body = r#"{"alias": "<1@example.org>", "body": "x"}"#;
    let first = bench.put("/v1/stories/a", JSON, body).is(201);
    assert_eq!(first.json().get("duplicate"), None);
    for target in ["/v1/stories/a", "/v1/stories/a?conflict=overwrite", "/v1/stories/a?base=00"] {
        let target = target.replace("=00", &format!("={}", first.id()));
        let again = bench.put(&target, &format!("{JSON}If-None-Match: *\r\n"), body).is(200);
        assert_eq!((again.id(), &again.json()["duplicate"]), (first.id(), &true.into()));
    }
    let plain = bench.put_text("/v1/stories/a?alias=%3C1@example.org%3E", "y").is(200);
    assert_eq!(plain.id(), first.id());
    assert_eq!(history(&mut bench, "a").len(), 1);
    // In another story it is another.
    bench.put("/v1/stories/b", JSON, body).is(201);
    // What is read can be sent back as an edit: it does not bring the alias along.
    let json = bench.get("/v1/stories/a").json();
    bench.put(&format!("/v1/stories/a?base={}", first.id()), JSON, &json.to_string()).is(200);
    assert_eq!(history(&mut bench, "a").len(), 2);
}

#[test]
fn an_alias_has_its_limits() {
    let mut bench = Bench::new();
    for alias in ["\"\"", "\"merge:1\"", "\"a\\nb\"", "1", &format!("\"{}\"", "x".repeat(256))] {
        let body = format!(r#"{{"alias": {alias}, "body": "x"}}"#);
        let problem = bench.put("/v1/stories/a", JSON, &body).is(422).json();
        assert_eq!(problem["fields"][0]["field"], "alias", "{alias}");
    }
    let body = format!(r#"{{"alias": "{}", "body": "x"}}"#, "x".repeat(255));
    bench.put("/v1/stories/a", JSON, &body).is(201);
    bench.put("/v1/stories/b", JSON, r#"{"alias": null, "body": "x"}"#).is(201);
}

#[test]
fn two_revisions_are_compared() {
    let mut bench = Bench::new();
    let a = bench.put_text("/v1/stories/a", "one\ntwo\n").is(201).id();
    let b = bench.put_text(&format!("/v1/stories/a?base={a}"), "one\nTWO\n").is(200).id();
    let diff = bench.get(&format!("/v1/revisions/{a}/diff/{b}")).is(200).json();
    let lines = json!([
        {"op": "same", "text": "one\n"}, {"op": "del", "text": "two\n"},
        {"op": "add", "text": "TWO\n"},
    ]);
    let hunk = json!({"a_start": 1, "a_lines": 2, "b_start": 1, "b_lines": 2, "lines": lines});
    assert_eq!(diff, json!({"a": a, "b": b, "hunks": [hunk]}));
    let same = bench.get(&format!("/v1/revisions/{a}/diff/{a}")).is(200).json();
    assert_eq!(same["hunks"], json!([]));
    let zero = "0".repeat(64);
    bench.get(&format!("/v1/revisions/{a}/diff/{zero}")).is(404);
    bench.get(&format!("/v1/revisions/{a}/diff/12")).is(400);
    let image = bench.put("/v1/stories/i", "Content-Type: image/png\r\n", "x").is(201).id();
    bench.get(&format!("/v1/revisions/{a}/diff/{image}")).is(422);
    bench.withdraw("i", "");
    bench.get(&format!("/v1/revisions/{a}/diff/{image}")).is(410);
}
