//! The pages on which one writes: forms, previews, conflicts, heads brought together, withdrawals.

use super::*;
use crate::proto::http::encode_segment;

/// Someone at a browser, with the cookie of their visit.
struct Writer {
    cookie: String,
    csrf: String,
}

impl Writer {
    fn new(bench: &mut Bench) -> Self {
        let page = bench.get("/write").is(200);
        let set = page.field("set-cookie").unwrap_or_else(|| panic!("{page:?}"));
        let cookie = set.split(';').next().unwrap().to_owned();
        Self { cookie, csrf: value_of(&page.body, "csrf") }
    }

    fn get(&self, bench: &mut Bench, target: &str) -> Reply {
        bench.ask(format!("GET {target} HTTP/1.1\r\nHost: a\r\nCookie: {}\r\n\r\n", self.cookie))
    }

    fn send(&self, bench: &mut Bench, target: &str, fields: &[(&str, &str)]) -> Reply {
        let body = form(&[&[("csrf", &self.csrf[..])], fields].concat());
        send(bench, target, &format!("Cookie: {}\r\n", self.cookie), &body)
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| format!("{name}={}", encode_segment(value));
    fields.iter().map(field).collect::<Vec<_>>().join("&")
}

fn send(bench: &mut Bench, target: &str, fields: &str, body: &str) -> Reply {
    let length = body.len();
    bench.ask(format!(
        "POST {target} HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n{fields}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

/// The value of an input, as it stands in the page.
#[track_caller]
fn value_of(page: &str, name: &str) -> String {
    let at = page.find(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{page}"));
    page[at..].split('"').nth(3).unwrap().to_owned()
}

#[track_caller]
fn body_of(page: &str) -> &str {
    let behind = page.split_once("<textarea id=\"f-body\"").unwrap_or_else(|| panic!("{page}")).1;
    behind.split_once(">\n").unwrap().1.split_once("</textarea>").unwrap().0
}

#[track_caller]
fn says(reply: &Reply, status: u16, parts: &[&str]) {
    assert_eq!(reply.status, status, "{reply:?}");
    for part in parts {
        assert!(reply.body.contains(part), "{part} in {}", reply.body);
    }
}

#[test]
fn a_story_is_written_and_edited_in_pages() {
    let mut bench = Bench::new();
    let writer = Writer::new(&mut bench);
    let fields = [
        ("title", "a/b"),
        ("headline", "H & so"),
        ("section", "World"),
        ("language", "en"),
        ("lat", "34.5"),
        ("lon", "-118"),
        ("summary", "first"),
        ("media_type", "text/markdown"),
        ("body", "One\r\n\r\n*two*\r\n"),
        ("do", "save"),
    ];
    let reply = writer.send(&mut bench, "/write", &fields);
    assert_eq!((reply.status, reply.field("location")), (303, Some("/stories/a%2Fb")));
    let story = bench.get("/v1/stories/a%2Fb").is(200).json();
    assert_eq!((&story["headline"], &story["body"]), (&"H & so".into(), &"One\n\n*two*\n".into()));
    assert_eq!(
        (&story["media_type"], &story["summary"]),
        (&"text/markdown".into(), &"first".into())
    );
    assert_eq!(story["located"]["lon"], -118.0);

    let page = writer.get(&mut bench, "/stories/a%2Fb/edit").is(200).body;
    assert_eq!(value_of(&page, "base"), story["id"].as_str().unwrap());
    assert_eq!(value_of(&page, "headline"), "H &#38; so");
    assert_eq!(
        (value_of(&page, "lat"), value_of(&page, "summary")),
        ("34.5".into(), String::new())
    );
    assert_eq!(body_of(&page), "One\n\n*two*\n");
    let base = value_of(&page, "base");
    let edit =
        [("base", &base[..]), ("headline", "New"), ("body", "Two"), ("media_type", "text/plain")];
    let reply = writer.send(&mut bench, "/stories/a%2Fb/edit", &edit);
    assert_eq!(reply.status, 303);
    let story = bench.get("/v1/stories/a%2Fb").json();
    assert_eq!((&story["headline"], &story["media_type"]), (&"New".into(), &"text/plain".into()));
    assert_eq!(story["base"][0], base);
    // The answer was lost and the form is sent again: it is saved already.
    assert_eq!(writer.send(&mut bench, "/stories/a%2Fb/edit", &edit).status, 303);
    assert_eq!(bench.get("/v1/stories/a%2Fb").json()["id"], story["id"]);
}

#[test]
fn a_preview_shows_text_and_changes_and_saves_nothing() {
    let mut bench = Bench::new();
    let writer = Writer::new(&mut bench);
    let id = bench.put("/v1/stories/a", "Content-Type: text/markdown\r\n", "old word").is(201).id();
    let fields = [
        ("base", &id[..]),
        ("body", "new *word*"),
        ("media_type", "text/markdown"),
        ("do", "preview"),
    ];
    let page = writer.send(&mut bench, "/stories/a/edit", &fields);
    says(&page, 200, &["<em>word</em>", "<del>old", "<ins>new", "Nothing is saved yet"]);
    assert_eq!(body_of(&page.body), "new *word*");
    assert_eq!(value_of(&page.body, "base"), id);
    assert_eq!(bench.get("/v1/stories/a").json()["id"], id);
}

#[test]
fn a_conflict_shows_both_sides_and_what_they_make_together() {
    let mut bench = Bench::new();
    let writer = Writer::new(&mut bench);
    let base = bench.put_text("/v1/stories/a", "one\ntwo\nthree\n").is(201).id();
    let theirs = format!("/v1/stories/a?base={base}");
    let head = bench.put_text(&theirs, "one\ntwo\nTHREE of theirs\n").is(200).id();
    let fields = [
        ("base", &base[..]),
        ("body", "ONE of mine\r\ntwo\r\nthree\r\n"),
        ("media_type", "text/plain"),
        ("summary", "mine"),
    ];
    let page = writer.send(&mut bench, "/stories/a/edit", &fields);
    says(
        &page,
        409,
        &[
            "This story was edited since you began",
            "What both began from",
            "Your text as you wrote it",
        ],
    );
    assert_eq!(body_of(&page.body), "ONE of mine\ntwo\nTHREE of theirs\n");
    assert_eq!(
        (value_of(&page.body, "base"), value_of(&page.body, "summary")),
        (head.clone(), "mine".into())
    );
    let fields = [("base", &head[..]), ("body", body_of(&page.body)), ("media_type", "text/plain")];
    assert_eq!(writer.send(&mut bench, "/stories/a/edit", &fields).status, 303);
    assert_eq!(bench.get("/v1/stories/a").json()["body"], "ONE of mine\ntwo\nTHREE of theirs\n");

    // The same line: both stand in the form, and are not saved with their marks.
    let fields = [("base", &head[..]), ("body", "mine\r\n"), ("media_type", "text/plain")];
    let page = writer.send(&mut bench, "/stories/a/edit", &fields);
    says(&page, 409, &["name=\"clash\"", "each in its own way"]);
    let both = body_of(&page.body).replace("&#60;", "<").replace("&#62;", ">");
    assert!(both.starts_with("<<<<<<< yours\nmine\n=======\nONE"), "{both}");
    let now = value_of(&page.body, "base");
    let fields =
        [("base", &now[..]), ("body", &both), ("media_type", "text/plain"), ("clash", "1")];
    let page = writer.send(&mut bench, "/stories/a/edit", &fields);
    says(&page, 422, &["take them out", "aria-describedby=\"e-body\""]);
    assert_eq!(value_of(&page.body, "base"), now);
}

#[test]
fn heads_are_brought_together_by_a_revision_that_follows_them_all() {
    let mut bench = Bench::new();
    let writer = Writer::new(&mut bench);
    let base = bench.put_text("/v1/stories/a", "one\ntwo\n").is(201).id();
    bench.put_text(&format!("/v1/stories/a?base={base}"), "ONE\ntwo\n").is(200);
    let second = bench
        .put_text(&format!("/v1/stories/a?base={base}&conflict=keep"), "one\nTWO\n")
        .is(200)
        .id();
    let story = writer.get(&mut bench, "/stories/a").is(200).body;
    assert!(story.contains("href=\"/stories/a/edit?resolve=1\""), "{story}");
    let page = writer.get(&mut bench, "/stories/a/edit?resolve=1").is(200).body;
    assert_eq!(body_of(&page), "ONE\nTWO\n");
    let bases = value_of(&page, "base");
    assert_eq!(bases.split(',').count(), 2, "{bases}");
    let fields = [("base", &bases[..]), ("body", "ONE\nTWO\n"), ("media_type", "text/plain")];
    assert_eq!(writer.send(&mut bench, "/stories/a/edit", &fields).status, 303);
    let story = bench.get("/v1/stories/a").json();
    assert_eq!(story["conflicts"].as_array().unwrap().len(), 0, "{story}");
    let parents: Vec<&str> =
        story["base"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(parents.len() == 2 && parents.contains(&&second[..]), "{story}");
    // The heads of the form are none any more.
    let fields = [("base", &bases[..]), ("body", "other\n"), ("media_type", "text/plain")];
    says(&writer.send(&mut bench, "/stories/a/edit", &fields), 409, &["edited since you began"]);
}

#[test]
fn a_form_is_taken_only_from_who_was_shown_it_and_keeps_what_was_typed() {
    let mut bench = Bench::new();
    let writer = Writer::new(&mut bench);
    let cookie = format!("Cookie: {}\r\n", writer.cookie);
    let typed = form(&[("title", "t"), ("body", "long work")]);
    for csrf in ["", "&csrf=", "&csrf=00000000000000000000000000000000"] {
        let page = send(&mut bench, "/write", &cookie, &format!("{typed}{csrf}"));
        says(&page, 403, &["long work", "out of date"]);
        assert_eq!(value_of(&page.body, "csrf"), writer.csrf);
    }
    let body = format!("{typed}&csrf={}", writer.csrf);
    let foreign = format!("{cookie}Origin: http://evil.example\r\n");
    assert_eq!(send(&mut bench, "/write", &foreign, &body).status, 403);
    let page = send(&mut bench, "/write", "", &body);
    says(&page, 403, &["long work"]);
    assert!(page.field("set-cookie").is_some(), "{page:?}");
    bench.get("/v1/stories/t").is(404);
    let plain = format!(
        "POST /write HTTP/1.1\r\nHost: a\r\n{cookie}Content-Type: text/plain\r\n\
         Content-Length: 1\r\n\r\nx"
    );
    bench.ask(plain).is(415);
}

#[test]
fn who_may_not_write_is_asked_to_sign_in() {
    let mut bench = Bench::new();
    bench.put_text("/v1/stories/a", "x").is(201);
    bench.node.state.config.accounts_open = Some(false);
    for (path, to) in [
        ("/write", "/sign-in?to=%2Fwrite"),
        ("/stories/a/edit?resolve=1", "/sign-in?to=%2Fstories%2Fa%2Fedit%3Fresolve%3D1"),
        ("/stories/a/withdraw", "/sign-in?to=%2Fstories%2Fa%2Fwithdraw"),
    ] {
        let reply =
            bench.ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n"));
        assert_eq!((reply.status, reply.field("location")), (303, Some(to)));
        bench.get(path).is(401);
        let path = path.split('?').next().unwrap();
        assert_eq!(send(&mut bench, path, "", "body=x").status, 401);
    }
    let bearer = bench.token("ann", "write", 1);
    let get = |path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{bearer}\r\n");
    assert_eq!(bench.ask(get("/stories/a/edit")).status, 200);
    assert_eq!(bench.ask(get("/stories/a/withdraw")).status, 403);
}

#[test]
fn what_can_not_stand_is_named_beside_its_field_with_all_that_was_typed() {
    let mut bench = Bench::new();
    let writer = Writer::new(&mut bench);
    let long = "s".repeat(65);
    let fields = [
        ("title", ""),
        ("section", &long[..]),
        ("language", "not a tag"),
        ("lat", "91"),
        ("lon", ""),
        ("body", "kept"),
    ];
    let page = writer.send(&mut bench, "/write", &fields);
    let parts = [
        "id=\"e-title\"",
        "id=\"e-section\"",
        "id=\"e-language\"",
        "id=\"e-place\"",
        "role=\"alert\"",
    ];
    says(&page, 422, &parts);
    assert_eq!((value_of(&page.body, "section"), body_of(&page.body)), (long, "kept"));
    assert_eq!(value_of(&page.body, "lat"), "91");

    bench.put_text("/v1/stories/taken", "theirs").is(201);
    let page = writer.send(&mut bench, "/write", &[("title", "taken"), ("body", "mine")]);
    says(&page, 409, &["is here already"]);
    assert_eq!(body_of(&page.body), "mine");
    bench.withdraw("taken", "why");
    let page = writer.send(&mut bench, "/stories/taken/edit", &[("body", "mine")]);
    says(&page, 410, &["withdrawn, for good"]);
    assert_eq!(body_of(&page.body), "mine");
    let page = writer.send(&mut bench, "/write", &[("title", "t"), ("base", "nonsense")]);
    assert_eq!(page.status, 400);

    bench.node.state.config.limits.story_bytes = 1000;
    let page = writer.send(&mut bench, "/write", &[("title", "t"), ("body", &"x".repeat(1001))]);
    says(&page, 413, &["at most 1000 bytes"]);
    assert_eq!(body_of(&page.body).len(), 1001);
    let page = writer.send(&mut bench, "/write", &[("title", "t"), ("body", &"x".repeat(100_000))]);
    assert_eq!(page.status, 413);
    bench.node.state.refusal = Some(Refusal::Failing);
    let page = writer.send(&mut bench, "/write", &[("title", "t"), ("body", "mine")]);
    says(&page, 503, &["Not saved"]);
    assert_eq!(body_of(&page.body), "mine");
}

#[test]
fn whatever_is_typed_is_shown_as_text() {
    let mut bench = Bench::new();
    let writer = Writer::new(&mut bench);
    for evil in [
        "\"><script>alert(1)</script>",
        "'><img src=x onerror=alert(1)>",
        "</textarea><script>alert(1)</script>",
        "<svg/onload=alert(1)>",
        "{{7*7}}<b>",
    ] {
        let names = [
            "headline",
            "section",
            "language",
            "lat",
            "lon",
            "summary",
            "media_type",
            "body",
            "title",
        ];
        let fields: Vec<(&str, &str)> = names.iter().map(|name| (*name, evil)).collect();
        for wish in ["save", "preview"] {
            let page = writer.send(&mut bench, "/write", &[&fields[..], &[("do", wish)]].concat());
            assert_eq!(page.status, 422);
            assert!(!page.body.contains(evil), "{}", page.body);
            for tag in ["<script>", "<img", "<svg", "<b>"] {
                assert!(!page.body.contains(tag), "{tag} in {}", page.body);
            }
        }
        let target = format!("/v1/stories/{}", encode_segment(evil));
        let base = bench.put_text(&target, evil).is(201).id();
        bench.put_text(&format!("{target}?base={base}"), "other").is(200);
        let href = format!("/stories/{}", encode_segment(evil));
        let fields = [("base", &base[..]), ("headline", evil), ("body", evil), ("summary", evil)];
        let page = writer.send(&mut bench, &format!("{href}/edit"), &fields);
        assert_eq!(page.status, 409);
        assert!(!page.body.contains(evil), "{}", page.body);
        let page = writer.send(&mut bench, &format!("{href}/withdraw"), &[("reason", evil)]);
        assert_eq!(page.status, 422);
        assert!(!page.body.contains(evil), "{}", page.body);
    }
}

#[test]
fn a_story_is_withdrawn_with_a_reason_by_who_means_it() {
    let mut bench = Bench::new();
    let writer = Writer::new(&mut bench);
    bench.put_text("/v1/stories/a%2Fb?headline=Head", "x").is(201);
    let page = writer.get(&mut bench, "/stories/a%2Fb/withdraw").is(200);
    assert!(page.body.contains("Head") && page.body.contains("name=\"sure\""), "{page:?}");
    let page = writer.send(&mut bench, "/stories/a%2Fb/withdraw", &[("reason", "so it was")]);
    says(&page, 422, &["say that you mean it", "so it was"]);
    let stranger = Writer { csrf: "x".to_owned(), cookie: writer.cookie.clone() };
    let sure = [("reason", "so\r\nit was"), ("sure", "yes")];
    assert_eq!(stranger.send(&mut bench, "/stories/a%2Fb/withdraw", &sure).status, 403);
    bench.get("/v1/stories/a%2Fb").is(200);
    let reply = writer.send(&mut bench, "/stories/a%2Fb/withdraw", &sure);
    assert_eq!((reply.status, reply.field("location")), (303, Some("/stories/a%2Fb")));
    assert_eq!(bench.get("/v1/stories/a%2Fb").is(410).json()["reason"], "so\nit was");
    for path in ["/stories/a%2Fb", "/stories/a%2Fb/edit", "/stories/a%2Fb/withdraw"] {
        says(&writer.get(&mut bench, path), 410, &["so\nit was"]);
    }
    assert_eq!(writer.send(&mut bench, "/stories/a%2Fb/withdraw", &sure).status, 410);
    assert_eq!(writer.send(&mut bench, "/stories/none/withdraw", &sure).status, 404);
    assert_eq!(writer.get(&mut bench, "/stories/none/edit").status, 404);
}
