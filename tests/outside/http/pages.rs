//! Pages for people: what others wrote stands on them as text, never as markup of ours.

use crate::harness::{Node, Setup};
use crate::raw::{get, put};
use serde_json::json;

const EVIL: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&";

/// Nothing of it runs: but for the site's own script no element that it names is there.
#[track_caller]
fn expect_harmless(page: &str) {
    let page = page.replacen("<script src=\"/site.js", "", 1);
    for markup in ["<script", "<img", "<svg", "<iframe", "onerror=alert(2)>\"", "javascript:"] {
        assert!(!page.to_lowercase().contains(markup), "{markup} in {page}");
    }
}

#[test]
fn what_others_wrote_is_escaped_on_every_page() {
    let node = Node::alone(Setup::new("Hill").durability("none"));
    let port = node.http_port();
    let title = "%3Cscript%3Ealert(0)%3C%2Fscript%3E";
    let markdown =
        format!("{EVIL}\n\n[x](javascript:alert(3)) ![x](javascript:alert(4))\n\n    {EVIL}\n");
    for (path, media_type, body) in [
        (title, "text/plain", EVIL),
        ("markdown", "text/markdown", markdown.as_str()),
        ("html", "text/html", EVIL),
    ] {
        let story = json!({
            "body": body, "media_type": media_type, "headline": EVIL, "section": EVIL,
            "summary": EVIL, "author": EVIL,
        });
        let json = "Content-Type: application/json\r\n";
        put(port, &format!("/v1/stories/{path}"), json, story.to_string()).expect(201);
        for page in [format!("/stories/{path}"), format!("/stories/{path}/history")] {
            let answer = get(port, &page, "").expect(200);
            assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
            let policy = answer.field("content-security-policy").expect("a policy");
            assert!(policy.contains("default-src 'none'"), "{policy}");
            expect_harmless(&answer.text());
        }
        let page = get(port, &format!("/stories/{path}"), "").text();
        assert!(page.contains("alert(1)"), "{page}");
    }
    let front = get(port, "/", "").expect(200).text();
    assert!(front.contains("alert(1)") && front.contains("markdown"), "{front}");
    expect_harmless(&front);
    let section = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    expect_harmless(&get(port, &format!("/?section={section}"), "").expect(200).text());
    let missing = get(port, &format!("/stories/{section}x"), "").expect(404);
    assert_eq!(missing.field("content-type"), Some("text/html; charset=utf-8"));
    expect_harmless(&missing.text());
}

#[test]
fn a_reader_finds_every_story_from_the_front_page() {
    let node = Node::alone(Setup::new("Hill").durability("none"));
    let port = node.http_port();
    for n in 0..120 {
        put(port, &format!("/v1/stories/story%20{n}"), "", "text").expect(201);
    }
    let (mut found, mut next) = (0, "/".to_owned());
    loop {
        let page = get(port, &next, "").expect(200).text();
        found += (0..120).filter(|n| page.contains(&format!("\"/stories/story%20{n}\""))).count();
        let Some((_, link)) = page.split_once("href=\"/?before=") else { break };
        next = format!("/?before={}", link.split_once('"').expect("its end").0);
    }
    assert_eq!(found, 120);
}
