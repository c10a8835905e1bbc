//! Stories edited by several at once, taken back, and compared.

use crate::harness::{Node, Setup};
use crate::raw::{RawAnswer, ask, get, put, with_body};
use serde_json::json;

const JSON: &str = "Content-Type: application/json\r\n";
const TEXT: &str = "Accept: text/plain\r\n";

fn node() -> Node {
    Node::alone(Setup::new("Hill").durability("none"))
}

fn delete(port: u16, path: &str, fields: &str) -> RawAnswer {
    ask(port, format!("DELETE {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n"))
}

#[test]
fn edits_of_different_lines_are_merged_and_both_stay_in_the_history() {
    let node = node();
    let port = node.http_port();
    let first = node.http.write("a", "one\n\ntwo\n\nthree\n");
    let theirs = node.http.edit("a", &first, "one\n\ntwo\n\nTHREE\n");
    let path = format!("/v1/stories/a?base={first}&conflict=merge");
    let merged = put(port, &path, "", "ONE\n\ntwo\n\nthree\n").expect(200).json();
    assert_eq!(merged["heads"], json!([merged["id"]]));
    assert_eq!(get(port, "/v1/stories/a", TEXT).text(), "ONE\n\ntwo\n\nTHREE\n");
    let head = get(port, "/v1/stories/a", "").json();
    assert_eq!((&head["id"], &head["author"]), (&merged["id"], &json!("merge")));
    let base = head["base"].as_array().expect("parents");
    assert!(base.contains(&json!(theirs)) && base.contains(&merged["yours"]), "{head}");
    let history = get(port, "/v1/stories/a/history", "").json();
    assert_eq!(history["revisions"].as_array().map(Vec::len), Some(4), "{history}");
    // The same with the tag of a condition that no longer holds is that condition's failure.
    let fields = format!("If-Match: \"{first}\"\r\n");
    put(port, "/v1/stories/a?conflict=merge", &fields, "x").problem(412);
}

#[test]
fn lines_that_clash_are_shown_from_all_three_sides_in_the_order_of_the_contract() {
    let node = node();
    let port = node.http_port();
    let first = node.http.write("a", "one\n");
    let second = node.http.edit("a", &first, "two\n");
    let path = format!("/v1/stories/a?base={first}&conflict=merge");
    let refused = put(port, &path, JSON, r#"{"headline": "H", "body": "three\n"}"#);
    assert_eq!(refused.problem(409)["clashes"], json!(["body"]));
    let sides = [
        format!(r#""base":{{"id":"{first}","headline":"","body":"one\n"}}"#),
        r#""yours":{"id":null,"headline":"H","body":"three\n"}"#.to_owned(),
        format!(r#""theirs":{{"id":"{second}","headline":"","body":"two\n"}}"#),
    ];
    assert!(refused.text().contains(&sides.join(",")), "{}", refused.text());
    assert_eq!(get(port, "/v1/stories/a", TEXT).text(), "two\n");
}

#[test]
fn a_withdrawn_story_is_gone_with_reason_and_time_and_stays_so() {
    let mut node = Node::alone(Setup::new("Hill"));
    let port = node.http_port();
    delete(port, "/v1/stories/a?reason=x", "").problem(404);
    let id = node.http.write("a", "a secret");
    node.http.write("b", "another");
    delete(port, "/v1/stories/a", &format!("If-Match: \"{}\"\r\n", "0".repeat(64))).problem(412);
    let fields = format!("If-Match: \"{id}\"\r\n");
    let gone = delete(port, "/v1/stories/a?reason=It%20was+wrong", &fields).expect(200).json();
    assert_eq!((&gone["title"], &gone["heads"]), (&json!("a"), &json!([])));
    assert_eq!(gone["durability"], json!({"asked": "local", "met": "local"}));
    for round in 0..2 {
        if round == 1 {
            node.kill9();
            node.restart();
        }
        let port = node.http_port();
        for answer in [
            get(port, "/v1/stories/a", ""),
            get(port, "/v1/stories/a/history", ""),
            put(port, "/v1/stories/a", "", "again"),
            put(port, &format!("/v1/stories/a?base={id}&conflict=keep"), "", "again"),
            delete(port, "/v1/stories/a?reason=again", ""),
        ] {
            let problem = answer.problem(410);
            assert_eq!(problem["reason"], "It was wrong");
            assert!(problem["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{problem}");
        }
        let read = get(port, &format!("/v1/revisions/{id}"), "");
        read.problem(410);
        get(port, &format!("/v1/revisions/{id}/diff/{id}"), "").problem(410);
        let page = get(port, "/stories/a", "");
        assert_eq!(page.status, 410);
        assert!(page.text().contains("It was wrong"), "{}", page.text());
        let list = get(port, "/v1/stories", "").expect(200).json();
        assert_eq!(list["stories"].as_array().map(Vec::len), Some(1), "{list}");
        // Nothing that is read tells what it said.
        let updates = get(port, "/v1/updates?after=0", "").expect(200);
        assert!(!updates.text().contains("a secret"), "{}", updates.text());
    }
}

#[test]
fn an_update_that_is_read_again_tells_of_the_heads_that_stand_now() {
    let node = node();
    let port = node.http_port();
    let first = node.http.write("a", "one\n");
    let conflicts = || {
        let read = get(port, "/v1/updates?after=0", "").expect(200).json();
        read["updates"][0]["conflicts"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(conflicts(), 0);
    for body in ["two\n", "three\n"] {
        let path = format!("/v1/stories/a?base={first}&conflict=keep");
        put(port, &path, "", body).expect(200);
    }
    assert_eq!(conflicts(), 1);
    put(port, "/v1/stories/a?conflict=overwrite", "", "four\n").expect(200);
    assert_eq!(conflicts(), 0);
}

#[test]
fn what_may_be_done_with_a_story_is_told() {
    let node = node();
    let port = node.http_port();
    let brew = ask(port, "BREW /v1/stories/a HTTP/1.1\r\nHost: h\r\n\r\n");
    brew.problem(405);
    assert_eq!(brew.field("allow"), Some("GET, HEAD, PUT, DELETE, OPTIONS"));
    for path in ["/v1/stories", "/v1/stories/a/history", "/stories/a"] {
        let refused = delete(port, path, "");
        refused.problem(405);
        assert_eq!(refused.field("allow"), Some("GET, HEAD, OPTIONS"), "{path}");
    }
    // A body of a DELETE has no meaning, and does no harm.
    node.http.write("a", "x");
    ask(port, with_body("DELETE", "/v1/stories/a?reason=x", "", b"body")).expect(200);
}

#[test]
fn an_alias_is_published_once() {
    let node = node();
    let port = node.http_port();
    let story = r#"{"alias": "<1@example.org>", "body": "x"}"#;
    let first = put(port, "/v1/stories/a", JSON, story).expect(201).json();
    let fields = format!("{JSON}If-None-Match: *\r\n");
    let again = put(port, "/v1/stories/a", &fields, story).expect(200).json();
    assert_eq!((&again["id"], &again["duplicate"]), (&first["id"], &json!(true)));
    let history = get(port, "/v1/stories/a/history", "").json();
    assert_eq!(history["revisions"].as_array().map(Vec::len), Some(1), "{history}");
}

#[test]
fn two_revisions_are_compared_also_when_that_is_a_lot_of_work() {
    let node = node();
    let port = node.http_port();
    let a = node.http.write("a", "one\ntwo\n");
    let b = node.http.edit("a", &a, "one\nTWO\nthree");
    let diff = get(port, &format!("/v1/revisions/{a}/diff/{b}"), "").expect(200).json();
    let lines = json!([
        {"op": "same", "text": "one\n"},
        {"op": "del", "text": "two\n"},
        {"op": "add", "text": "TWO\nthree"},
    ]);
    let hunk = json!({"a_start": 1, "a_lines": 2, "b_start": 1, "b_lines": 3, "lines": lines});
    assert_eq!(diff, json!({"a": a, "b": b, "hunks": [hunk]}));
    get(port, &format!("/v1/revisions/{a}/diff/{}", "0".repeat(64)), "").problem(404);
    get(port, &format!("/v1/revisions/x/diff/{b}"), "").problem(400);
    let stripes = |every: usize| -> String {
        let line = |at: usize| if at.is_multiple_of(every) { "a\n" } else { "b\n" };
        (0..1 << 19).map(line).collect()
    };
    let (a, b) = (node.http.write("b", &stripes(2)), node.http.write("c", &stripes(3)));
    get(port, &format!("/v1/revisions/{a}/diff/{b}"), "").expect(200);
}
