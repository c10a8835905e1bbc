//! The pages for people, as a browser gets them.

use super::*;

/// What stands between the first `from` and the next `to` behind it.
#[track_caller]
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let behind = text.split_once(from).unwrap_or_else(|| panic!("no {from} in {text}")).1;
    behind.split_once(to).unwrap_or_else(|| panic!("no {to} in {text}")).0
}

fn get_with(bench: &mut Bench, target: &str, fields: &str) -> Reply {
    bench.ask(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
}

#[test]
fn the_front_page_lists_and_links_the_stories() {
    let mut bench = Bench::new();
    assert!(bench.get("/").is(200).body.contains("Nothing is here yet"));
    let target = "/v1/stories/a%2Fb?headline=%3Cb%3EBold%3C/b%3E+%26+so&section=World%20News";
    bench.put_text(target, "It <i>begins</i>.").is(201);
    let page = bench.get("/").is(200);
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for part in [
        "href=\"/stories/a%2Fb\" dir=\"auto\">&#60;b&#62;Bold&#60;/b&#62; &#38; so</a>",
        "<a href=\"/sections/World%20News\">World News</a>",
        "It &#60;i&#62;begins&#60;/i&#62;.</p>",
        "2026-01-01 00:00 UTC",
        "name=\"viewport\"",
    ] {
        assert!(page.body.contains(part), "{part}\n{}", page.body);
    }
    for n in 0..40 {
        bench.put_text(&format!("/v1/stories/s{n}?section=S&durability=none"), "x").is(201);
    }
    let page = bench.get("/").body;
    let column = between(&page, "data-list=\"S\"", "</ol>");
    assert!(column.contains("/stories/s35\"") && !column.contains("/stories/s34\""), "{page}");
    let older = between(&page, "href=\"/?before=", "\"");
    let page = bench.get(&format!("/?before={older}")).body;
    assert!(page.contains("/stories/s23\"") && !page.contains("/stories/s24\""), "{page}");
    assert!(!page.contains("data-live"), "what is old does not change: {page}");
    assert_eq!(bench.get("/?before=x").status, 400);
}

#[test]
fn a_section_has_pages_at_its_own_address_and_at_the_older_one() {
    let mut bench = Bench::new();
    for n in 0..40 {
        bench.put_text(&format!("/v1/stories/s{n}?section=A%2FB&durability=none"), "x").is(201);
    }
    bench.put_text("/v1/stories/other?section=C", "x").is(201);
    for first in ["/sections/A%2FB", "/?section=A%2FB"] {
        let page = bench.get(first).is(200).body;
        assert!(page.contains("<h1 dir=\"auto\">A&#47;B</h1>") || page.contains(">A/B</h1>"));
        assert!(page.contains("data-section=\"A/B\""), "{page}");
        let older = between(&page, "href=\"/sections/A%2FB?before=", "\"");
        let page = bench.get(&format!("/sections/A%2FB?before={older}")).body;
        assert!(page.contains("/stories/s9\"") && !page.contains("/stories/s10\""), "{page}");
    }
    let page = bench.get("/sections").is(200).body;
    let line = between(&page, "href=\"/sections/A%2FB\"", "</li>");
    assert!(line.contains("40 stories"), "{page}");
    assert!(page.contains("1 story<"), "{page}");
    assert!(bench.get("/sections/none").is(200).body.contains("No story is here"));
}

#[test]
fn a_reader_of_the_front_page_misses_nothing_that_came_after_it() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/a", "x").is(201);
    let page = bench.get("/").body;
    let cursor = between(&page, "data-cursor=\"", "\"").to_owned();
    let id = bench.put_text("/v1/stories/b", "x").is(201).id();
    let poll = bench.get(&format!("/v1/updates?after={cursor}&topic=stories")).is(200).json();
    let updates = poll["updates"].as_array().unwrap();
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0]["id"], id);
}

#[test]
fn a_story_is_shown_with_its_body_by_type() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/a?author=Ann&language=de", "One <i>\nstill one\n\n\nTwo\n").is(201);
    let page = bench.get("/stories/a").is(200).body;
    let text = "<p class=\"text\">One &#60;i&#62;\nstill one</p>\n<p class=\"text\">Two</p>";
    assert!(page.contains(text), "{page}");
    assert!(page.contains("<h1 lang=\"de\"") && page.contains("Ann"), "{page}");
    let markdown = "Content-Type: text/markdown\r\n";
    bench.put("/v1/stories/m", markdown, "*soft* <script>x</script>").is(201);
    let page = bench.get("/stories/m").body;
    assert!(page.contains("<em>soft</em>") && !page.contains("<script>"), "{page}");
    bench.put("/v1/stories/p", "Content-Type: image/png\r\n", "png").is(201);
    let page = bench.get("/stories/p").body;
    assert!(page.contains("<img src=\"/v1/stories/p?as=body&#38;rev="), "{page}");
    bench.put("/v1/stories/h", "Content-Type: text/html\r\n", "<b>x").is(201);
    let page = bench.get("/stories/h").body;
    assert!(page.contains(" download>") && !page.contains("<b>x"), "{page}");
}

#[test]
fn conflicts_history_and_older_revisions_are_shown() {
    let mut bench = Bench::new();
    let first = bench.put_text("/v1/stories/a?summary=began", "one").is(201).id();
    let second = bench.put_text(&format!("/v1/stories/a?base={first}"), "two").is(200).id();
    let kept = format!("/v1/stories/a?base={first}&conflict=keep");
    let third = bench.put_text(&kept, "three").is(200).id();
    let page = bench.get("/stories/a").body;
    assert!(page.contains("edited in several places"), "{page}");
    assert!(page.contains("href=\"/stories/a/edit?resolve=1\""), "{page}");
    let (shown, other) = if third > second { (&third, &second) } else { (&second, &third) };
    assert!(page.contains(&format!("href=\"/stories/a?rev={other}\"")), "{page}");
    let diff = format!("/stories/a/diff?a={shown}&#38;b={other}");
    assert!(page.contains(&diff), "{page}");
    let old = bench.get(&format!("/stories/a?rev={first}")).body;
    assert!(old.contains("older revision") && old.contains("one"), "{old}");
    assert!(!old.contains("data-live"), "{old}");
    let history = bench.get("/stories/a/history").is(200).body;
    assert!(history.contains(&first) && history.contains("began"), "{history}");
    assert_eq!(history.matches(">current<").count(), 2, "{history}");
    assert_eq!(bench.get("/stories/none").status, 404);
    assert_eq!(bench.get("/stories/a?rev=x").status, 400);
    bench.withdraw("a", "<wrong>");
    let gone = bench.get("/stories/a");
    assert_eq!(gone.status, 410);
    assert!(gone.body.contains("&#60;wrong&#62;"), "{}", gone.body);
    assert_eq!(bench.get("/stories/a/history").status, 410);
    assert_eq!(bench.get(&format!("/stories/a/diff?a={first}&b={second}")).status, 410);
}

#[test]
fn two_revisions_stand_side_by_side() {
    let mut bench = Bench::new();
    let lines = "one\ntwo\nthree\nfour\nfive\nsix\nthe old word here\n";
    let a = bench.put_text("/v1/stories/a?headline=Old+one", lines).is(201).id();
    let edited = lines.replace("old", "<new>");
    let b = bench.put_text(&format!("/v1/stories/a?base={a}&headline=New+one"), &edited).id();
    let page = bench.get(&format!("/stories/a/diff?a={a}&b={b}")).is(200).body;
    for part in [
        "<h3>Headline</h3>",
        "<del>Old</del> one",
        "<ins>New</ins> one",
        "<h3>Line 4</h3>",
        "the <del>old</del> word here",
        "the <ins>&#60;new&#62;</ins> word here",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(!page.contains(">two"), "what is far from a change is left out: {page}");
    let same = bench.get(&format!("/stories/a/diff?a={a}&b={a}")).is(200).body;
    assert!(same.contains("Nothing differs"), "{same}");
    let other = bench.put_text("/v1/stories/other", "x").is(201).id();
    for (query, status) in [
        (format!("a={a}"), 400),
        (format!("a={a}&b=x"), 400),
        (format!("a={a}&b={other}"), 404),
        (format!("a={a}&b={}", "0".repeat(64)), 404),
    ] {
        assert_eq!(bench.get(&format!("/stories/a/diff?{query}")).status, status, "{query}");
    }
}

#[test]
fn a_page_is_kept_until_its_story_changes_and_then_shows_what_changed() {
    let mut bench = Bench::new();
    let first = bench.put_text("/v1/stories/a", "the old word").is(201).id();
    let page = bench.get("/stories/a").is(200);
    let tag = page.field("etag").unwrap().to_owned();
    assert_eq!(page.field("vary"), Some("Accept-Encoding, Cookie"));
    let held = format!("If-None-Match: {tag}\r\n");
    let unchanged = get_with(&mut bench, "/stories/a", &held);
    assert_eq!((unchanged.status, &unchanged.body[..]), (304, ""));
    assert_eq!(unchanged.field("etag"), Some(&tag[..]));
    let second = bench.put_text(&format!("/v1/stories/a?base={first}"), "the new word").id();
    let page = get_with(&mut bench, "/stories/a", &held).is(200);
    assert!(page.body.contains("the new word"), "{}", page.body);
    assert!(page.body.contains(&format!("data-rev=\"{second}\"")), "{}", page.body);
    for _ in 0..2 {
        let page = bench.get(&format!("/stories/a?since={first}")).is(200).body;
        assert!(page.contains("the <del>old</del> <ins>new</ins> word"), "{page}");
    }
    for since in [second, "0".repeat(64)] {
        let page = bench.get(&format!("/stories/a?since={since}")).is(200).body;
        assert!(!page.contains("<ins>"), "{page}");
    }
    assert_eq!(bench.get("/stories/a?since=x").status, 400);
    bench.withdraw("a", "");
    assert_eq!(get_with(&mut bench, "/stories/a", &held).status, 410);
    assert_eq!(bench.get(&format!("/stories/a?since={first}")).status, 410);
}

#[test]
fn who_shows_a_secret_gets_a_page_that_was_not_kept() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/a", "x").is(201);
    let page = get_with(&mut bench, "/stories/a", "Cookie: bw_session=x\r\n").is(200);
    assert_eq!(page.field("etag"), None);
    assert_eq!(page.field("vary"), Some("Cookie"));
    let page = get_with(&mut bench, "/stories/a", "Cookie: a=b\r\n").is(200);
    assert!(page.field("etag").is_some(), "what is no session changes nothing");
    let refused = get_with(&mut bench, "/stories/a", "Authorization: Bearer x\r\n");
    assert_eq!(refused.status, 401, "who sends a token believes to be someone");
}

#[test]
fn changes_are_listed_filtered_and_paged() {
    let mut bench = Bench::new();
    assert!(bench.get("/changes").is(200).body.contains("Nothing of this is here"));
    let a = bench.put_text("/v1/stories/a?section=S&author=Ann", "x").is(201).id();
    let b = bench.put_text(&format!("/v1/stories/a?base={a}&section=S&author=Bo"), "y").id();
    bench.put_text("/v1/stories/gone", "x").is(201);
    bench.withdraw("gone", "<wrong>");
    let page = bench.get("/changes").is(200).body;
    let kinds: Vec<&str> = page.split("<span class=\"kind ").skip(1).collect();
    let kinds: Vec<&str> = kinds.iter().map(|part| part.split('"').next().unwrap()).collect();
    assert_eq!(kinds, ["withdrawal", "edit", "new"]);
    assert!(page.contains("&#60;wrong&#62;"), "{page}");
    assert!(page.contains(&format!("/stories/a/diff?a={a}&#38;b={b}")), "{page}");
    for (query, ids) in [
        ("kind=new", vec![&a]),
        ("kind=edit", vec![&b]),
        ("section=S&author=Ann", vec![&a]),
        ("section=T", vec![]),
        ("kind=&section=&author=Bo", vec![&b]),
    ] {
        let page = bench.get(&format!("/changes?{query}")).is(200).body;
        let found: Vec<&str> = page.split("data-id=\"").skip(1).map(|part| &part[..64]).collect();
        assert_eq!(found, ids, "{query}");
    }
    assert_eq!(bench.get("/changes?kind=other").status, 400);
    for n in 0..40 {
        bench.put_text(&format!("/v1/stories/s{n}?section=%26&durability=none"), "x").is(201);
    }
    let page = bench.get("/changes?section=%26").body;
    let older =
        between(&page, "href=\"/changes?kind=&#38;section=%26&#38;author=&#38;before=", "\"");
    let page = bench.get(&format!("/changes?section=%26&before={older}")).is(200).body;
    assert!(page.contains("/stories/s9\"") && !page.contains("/stories/s10\""), "{page}");
}

#[test]
fn the_stories_nearest_to_a_place_are_listed_with_their_distance() {
    let mut bench = Bench::new();
    for (title, lat, lon) in [("near", 48.2, 16.4), ("far", 50.1, 14.4), ("away", -33.9, 151.2)] {
        let json = format!("{{\"body\": \"x\", \"located\": {{\"lat\": {lat}, \"lon\": {lon}}}}}");
        let target = format!("/v1/stories/{title}");
        bench.put(&target, "Content-Type: application/json\r\n", &json).is(201);
    }
    let page = bench.get("/map").is(200).body;
    assert!(page.contains("name=\"lat\"") && !page.contains("<h2>"), "{page}");
    let page = bench.get("/map?lat=48.2&lon=16.37&radius=500").is(200).body;
    let found = between(&page, "<ol class=\"stories near\">", "</ol>");
    let (near, far) = (found.find("/stories/near"), found.find("/stories/far"));
    assert!(near.is_some() && near < far && !found.contains("away"), "{page}");
    assert!(found.contains("<strong>2.2 km</strong>") && found.contains("255 km"), "{page}");
    for bad in ["lat=91&lon=0", "lat=x&lon=0", "lat=1", "lat=NaN&lon=0", "lat=1,5&lon=0"] {
        let page = bench.get(&format!("/map?{bad}")).is(200).body;
        assert!(page.contains("That is no place"), "{bad} {page}");
    }
    assert_eq!(bench.get("/map?lat=1&lon=1&radius=x").status, 400);
}

#[test]
fn what_the_pages_are_dressed_with_is_there_and_kept_under_its_own_name() {
    let mut bench = Bench::new();
    let page = bench.get("/").body;
    for (name, media_type, part) in [
        ("/style.css", "text/css; charset=utf-8", "prefers-color-scheme: dark"),
        ("/site.js", "text/javascript; charset=utf-8", "EventSource"),
    ] {
        let reply = bench.get(name).is(200);
        assert_eq!(reply.field("content-type"), Some(media_type));
        assert_eq!(reply.field("cache-control"), Some("max-age=600"));
        assert!(reply.body.contains(part), "{name}");
        let version = between(&page, &format!("\"{name}?"), "\"");
        let lasting = bench.get(&format!("{name}?{version}")).is(200);
        assert_eq!(lasting.field("cache-control"), Some("max-age=31536000, immutable"));
    }
    let icon = bench.get("/icon.svg").is(200);
    assert_eq!(icon.field("content-type"), Some("image/svg+xml"));
    assert!(page.contains("href=\"/icon.svg\""), "{page}");
}

#[test]
fn a_stream_of_one_story_leaves_the_others_out() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/a", "x").is(201);
    let b = bench.put_text("/v1/stories/b", "x").is(201).id();
    let poll = bench.get("/v1/updates?after=0&title=b").is(200).json();
    let ids: Vec<&str> =
        poll["updates"].as_array().unwrap().iter().map(|u| u["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [b]);
}

#[test]
fn a_revision_that_is_none_of_the_story_is_not_kept_in_print() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/a", "x").is(201);
    let plain = bench.get("/stories/a").is(200);
    let strange = bench.get(&format!("/stories/a?since={}", "ab".repeat(32))).is(200);
    assert_eq!(plain.field("etag"), strange.field("etag"), "one print for both");
}
