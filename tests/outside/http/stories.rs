//! Stories: written, read, edited and listed; what an edit must name, and what a reader may keep.

use crate::harness::{Node, Setup};
use crate::raw::{get, put};
use serde_json::{Value, json};

const JSON: &str = "Content-Type: application/json\r\n";
const TEXT: &str = "Accept: text/plain\r\n";

fn node() -> Node {
    Node::alone(Setup::new("Hill").durability("none"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[test]
fn a_story_comes_back_with_all_its_fields() {
    let node = Node::alone(Setup::new("Hill"));
    let port = node.http_port();
    let story = json!({
        "headline": "Flood in <Town> & \"region\"", "body": "It rained.\n\u{1f327}",
        "media_type": "text/markdown", "section": "Weather", "summary": "first", "author": "Ann",
        "language": "en", "located": {"lat": 51.5, "lon": -0.125},
    });
    let made = put(port, "/v1/stories/flood", JSON, story.to_string()).expect(201);
    let told = made.json();
    let id = text(&told["id"]).to_owned();
    assert_eq!(made.field("etag"), Some(&*format!("\"{id}\"")));
    assert_eq!(made.field("location"), Some("/v1/stories/flood"));
    assert_eq!(told["title"], "flood");
    assert_eq!(told["heads"], json!([id]));
    assert_eq!(told["durability"], json!({"asked": "local", "met": "local"}));
    let read = get(port, "/v1/stories/flood", "").expect(200);
    assert_eq!(read.field("etag"), Some(&*format!("\"{id}\"")));
    assert_eq!(read.field("content-type"), Some("application/json"));
    let read = read.json();
    for (name, value) in story.as_object().unwrap() {
        assert_eq!(read[name], *value, "{name}");
    }
    assert_eq!((&read["id"], &read["title"]), (&json!(id), &json!("flood")));
    assert_eq!((&read["base"], &read["conflicts"]), (&json!([]), &json!([])));
    let at = text(&read["at"]);
    assert!(at.len() == 24 && at.ends_with('Z') && at.as_bytes()[10] == b'T', "{at}");
    // What was read can be sent back as an edit.
    let path = format!("/v1/stories/flood?base={id}");
    put(port, &path, JSON, read.to_string()).expect(200);
    // Its body is text that its readers see as it is, not as a page of ours.
    let body = get(port, "/v1/stories/flood", "Accept: text/markdown\r\n").expect(200);
    assert_eq!(body.text(), "It rained.\n\u{1f327}");
    assert_eq!(body.field("content-type"), Some("text/markdown; charset=utf-8"));
    assert!(body.field("content-security-policy").is_some_and(|policy| policy.contains("sandbox")));
}

#[test]
fn titles_are_any_text_percent_encoded() {
    let node = node();
    let port = node.http_port();
    for (path, title, canonical) in [
        ("a%2Fb", "a/b", "a%2Fb"),
        ("%C3%A9t%C3%A9", "\u{e9}t\u{e9}", "%C3%A9t%C3%A9"),
        ("a+b%20c", "a+b c", "a%2Bb%20c"),
        ("%25%3F%23", "%?#", "%25%3F%23"),
        ("..", "..", ".."),
        ("%F0%9F%90%8F", "\u{1f40f}", "%F0%9F%90%8F"),
        ("a%2Fhistory", "a/history", "a%2Fhistory"),
        ("%48istory", "History", "History"),
    ] {
        let made = put(port, &format!("/v1/stories/{path}"), "", title).expect(201);
        assert_eq!(made.json()["title"], title);
        let location = made.field("location").expect("a place").to_owned();
        assert_eq!(location, format!("/v1/stories/{canonical}"));
        assert_eq!(get(port, &location, TEXT).expect(200).text(), title);
        assert_eq!(get(port, &location, "").expect(200).json()["title"], title);
        let page = get(port, &format!("/stories/{canonical}"), "").expect(200);
        assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
        let history = get(port, &format!("{location}/history"), "").expect(200).json();
        assert_eq!(history["revisions"].as_array().map(Vec::len), Some(1), "{history}");
    }
    let long = "x".repeat(255);
    put(port, &format!("/v1/stories/{long}"), "", "x").expect(201);
    get(port, &format!("/v1/stories/{long}"), "").expect(200);
}

#[test]
fn an_edit_names_what_it_edits_or_is_refused_with_all_that_it_takes_to_settle_it() {
    let node = node();
    let port = node.http_port();
    let first = node.http.write("a", "one");
    assert_eq!(put(port, "/v1/stories/a", "", "two").problem(428)["head"], *first);
    let second = node.http.edit("a", &first, "two");
    let stale = format!("/v1/stories/a?base={first}");
    let problem = put(port, &stale, JSON, r#"{"headline": "H", "body": "three"}"#).problem(409);
    assert_eq!(problem["base"], json!({"id": first, "headline": "", "body": "one"}));
    assert_eq!(problem["yours"], json!({"id": null, "headline": "H", "body": "three"}));
    assert_eq!(problem["theirs"], json!({"id": second, "headline": "", "body": "two"}));
    assert_eq!(get(port, "/v1/stories/a", TEXT).text(), "two");
    put(port, &format!("{stale}&conflict=fail"), "", "three").problem(409);
    // Keep: a second head; the next edit of the head leaves it, one that names it, too.
    let kept = put(port, &format!("{stale}&conflict=keep"), "", "three").expect(200).json();
    assert_eq!(kept["heads"].as_array().map(Vec::len), Some(2), "{kept}");
    let read = get(port, "/v1/stories/a", "").json();
    assert_eq!(read["conflicts"].as_array().map(Vec::len), Some(1), "{read}");
    // Overwrite: an edit of whatever is head.
    let over = put(port, "/v1/stories/a?conflict=overwrite", "", "four").expect(200).json();
    assert_eq!(over["heads"][0], over["id"]);
    // Bases that can't be.
    let other = node.http.write("b", "other");
    for base in [other, "0".repeat(64)] {
        let path = format!("/v1/stories/a?base={base}");
        assert_eq!(put(port, &path, "", "x").bad_fields(), ["base"]);
    }
    let path = format!("/v1/stories/new?base={first}");
    assert_eq!(put(port, &path, "", "x").bad_fields(), ["base"]);
    put(port, "/v1/stories/new?conflict=overwrite", "", "x").expect(201);
}

#[test]
fn conditions_stop_a_write_when_they_do_not_hold() {
    let node = node();
    let port = node.http_port();
    let write =
        |condition: &str, body: &str| put(port, "/v1/stories/a", &format!("{condition}\r\n"), body);
    let absent = format!("If-Match: \"{}\"", "0".repeat(64));
    assert_eq!(write("If-Match: *", "x").problem(412)["head"], Value::Null);
    write(&absent, "x").problem(412);
    let first = write("If-None-Match: *", "one").expect(201).json();
    let first = text(&first["id"]);
    let refused = write("If-None-Match: *", "x");
    assert_eq!(refused.problem(412)["head"], *first);
    assert_eq!(refused.field("etag"), Some(&*format!("\"{first}\"")));
    write(&absent, "x").problem(412);
    write(&format!("If-Match: W/\"{first}\""), "x").problem(412);
    // One tag that holds names the base, in whichever form it was read.
    let mut head = first.to_owned();
    for form in ["\"ID\"", "\"ID-text\"", "\"ID-gzip\"", "\"nonsense\", \"ID\""] {
        let condition = format!("If-Match: {}", form.replace("ID", &head));
        let edited = write(&condition, form).expect(200).json();
        assert_eq!(edited["heads"], json!([edited["id"]]), "{form}");
        text(&edited["id"]).clone_into(&mut head);
    }
    write(&format!("If-Match: \"{first}\""), "x").problem(412);
    let history = get(port, "/v1/stories/a/history", "").json();
    assert_eq!(history["revisions"].as_array().map(Vec::len), Some(5), "{history}");
}

#[test]
fn what_a_reader_has_is_not_sent_again() {
    let node = node();
    let port = node.http_port();
    let id = node.http.write("a", "body");
    for (held, status) in [
        (format!("\"{id}\""), 304),
        (format!("W/\"{id}\""), 304),
        (format!("\"{id}-text\""), 304),
        (format!("\"{id}-gzip\""), 304),
        (format!("\"x\", \"{id}\""), 304),
        ("*".to_owned(), 304),
        ("\"x\"".to_owned(), 200),
        (format!("\"{}\"", "0".repeat(64)), 200),
        ("nonsense".to_owned(), 200),
    ] {
        let condition = format!("If-None-Match: {held}\r\n");
        for (accept, tag) in [("", format!("\"{id}\"")), (TEXT, format!("\"{id}-text\""))] {
            let answer = get(port, "/v1/stories/a", &format!("{condition}{accept}"));
            assert_eq!(answer.status, status, "{held}");
            assert_eq!(answer.field("etag"), Some(&*tag), "{held}");
            assert_eq!(answer.body.is_empty(), status == 304);
        }
    }
    node.http.edit("a", &id, "new");
    let condition = format!("If-None-Match: \"{id}\"\r\n");
    get(port, "/v1/stories/a", &condition).expect(200);
    get(port, &format!("/v1/stories/a?rev={id}"), &condition).expect(304);
}

#[test]
fn the_body_alone_goes_to_those_who_would_rather_have_it() {
    let node = node();
    let port = node.http_port();
    put(port, "/v1/stories/text", "", "plain").expect(201);
    put(port, "/v1/stories/page", "Content-Type: text/html\r\n", "<p>x").expect(201);
    put(port, "/v1/stories/picture", "Content-Type: image/png\r\n", b"\x89\xff").expect(201);
    for (title, accept, alone) in [
        ("text", "text/plain", true),
        ("text", "text/*", true),
        ("text", "text/plain, application/json;q=0.5", true),
        ("text", "*/*", false),
        ("text", "application/json", false),
        ("text", "application/json, text/plain;q=0.9", false),
        ("text", "image/png", false),
        ("page", "text/html", true),
        ("page", "text/plain", true),
        ("picture", "image/png", true),
        ("picture", "image/*, application/json;q=0.1", true),
        ("picture", "text/plain", false),
    ] {
        let answer = get(port, &format!("/v1/stories/{title}"), &format!("Accept: {accept}\r\n"));
        let is_json = answer.field("content-type") == Some("application/json");
        assert_eq!(is_json, !alone, "{title} {accept}");
        assert_eq!(answer.field("vary"), Some("Accept, Accept-Encoding, Sec-Fetch-Dest"));
    }
    let picture = get(port, "/v1/stories/picture", "Accept: image/png\r\n").expect(200);
    assert_eq!(
        (picture.body.as_slice(), picture.field("content-type")),
        (&b"\x89\xff"[..], Some("image/png"))
    );
    assert_eq!(get(port, "/v1/stories/picture", "").json()["body_base64"], "if8=");
}

#[test]
fn older_revisions_are_read_by_their_ids() {
    let node = node();
    let port = node.http_port();
    let first = node.http.write("a", "one");
    let second = node.http.edit("a", &first, "two");
    let other = node.http.write("b", "other");
    for (id, body, base) in [(&first, "one", json!([])), (&second, "two", json!([first]))] {
        for path in [format!("/v1/stories/a?rev={id}"), format!("/v1/revisions/{id}")] {
            let answer = get(port, &path, "").expect(200);
            assert_eq!(answer.field("etag"), Some(&*format!("\"{id}\"")));
            let read = answer.json();
            assert_eq!((&read["id"], &read["body"]), (&json!(id), &json!(body)), "{path}");
            assert_eq!((&read["title"], &read["base"]), (&json!("a"), &base), "{path}");
            assert_eq!(get(port, &path, TEXT).text(), body);
        }
    }
    get(port, &format!("/v1/stories/a?rev={other}"), "").problem(404);
    get(port, &format!("/v1/stories/a?rev={}", "0".repeat(64)), "").problem(404);
}

/// All lines of a paged list, in pages of `limit`.
fn pages(port: u16, path: &str, name: &str, limit: usize) -> Vec<Value> {
    let (mut lines, mut next) = (Vec::new(), String::new());
    loop {
        let page = get(port, &format!("{path}limit={limit}{next}"), "").expect(200).json();
        let of_page = page[name].as_array().unwrap_or_else(|| panic!("{page}"));
        assert!(of_page.len() <= limit, "{page}");
        lines.extend_from_slice(of_page);
        let Some(token) = page["next"].as_str() else { return lines };
        assert_eq!(of_page.len(), limit, "{page}");
        next = format!("&before={token}");
    }
}

#[test]
fn lists_and_histories_come_in_pages_newest_first() {
    let node = node();
    let port = node.http_port();
    let mut ids = vec![node.http.write("a", "0")];
    for n in 1..25 {
        ids.push(node.http.edit("a", ids.last().unwrap(), &n.to_string()));
    }
    ids.reverse();
    for limit in [1, 7, 25, 100] {
        let lines = pages(port, "/v1/stories/a/history?", "revisions", limit);
        let read: Vec<&str> = lines.iter().map(|line| text(&line["id"])).collect();
        assert_eq!(read, ids, "by {limit}");
        assert_eq!(lines[0]["base"], json!([ids[1]]));
        assert_eq!(lines[0]["bytes"], 2);
    }
    for n in 0..12 {
        let section = ["North", "South"][n % 2];
        let story = json!({"body": "x", "headline": format!("H{n}"), "section": section});
        put(port, &format!("/v1/stories/s{n}"), JSON, story.to_string()).expect(201);
    }
    let titles = |path: &str, limit| {
        let lines = pages(port, path, "stories", limit);
        lines.iter().map(|line| text(&line["title"]).to_owned()).collect::<Vec<_>>()
    };
    for limit in [1, 5, 50] {
        let mut all: Vec<String> = (0..12).rev().map(|n| format!("s{n}")).collect();
        let north: Vec<String> = all.iter().skip(1).step_by(2).cloned().collect();
        all.push("a".to_owned());
        assert_eq!(titles("/v1/stories?", limit), all);
        assert_eq!(titles("/v1/stories?section=North&", limit), north);
        assert!(titles("/v1/stories?section=West&", limit).is_empty());
    }
    let line = &pages(port, "/v1/stories?", "stories", 1)[0];
    assert_eq!((&line["headline"], &line["section"]), (&json!("H11"), &json!("South")));
    // An edited story is the newest again.
    node.http.edit("a", &ids[0], "again");
    assert_eq!(titles("/v1/stories?", 50)[0], "a");
}
