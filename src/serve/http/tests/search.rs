//! Searching, for programs and for people.

use super::*;
use crate::search::Story;

/// Strings that would be something else in HTML, XML, JSON, SQL or FTS5, if they were let.
pub(super) const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' OR 1=1 --",
    "{title} : \"x\" NEAR(a b)",
    "]]><evil/>&amp;&#60;",
    "</title></entry><entry>",
    "{{ 7 * 7 }} %3Cb%3E",
    "\u{202e}\u{fffe}\\u0022",
];

impl Bench {
    /// Brings a story into the search index as it stands.
    pub(super) fn index(&mut self, title: &str) {
        let desk = &mut self.node.state;
        let index = desk.index.get_or_insert_with(|| Index::in_memory().unwrap());
        let story = crate::news::story(desk.store.index(), title).unwrap();
        let story = story.filter(|story| story.withdrawn.is_none()).map(|story| {
            let head = story.head().unwrap();
            let update = desk.store.by_cid(head.cid).unwrap().unwrap();
            let revision = Revision::decode(update.payload()).unwrap();
            Story {
                id: head.cid,
                at: head.clock,
                headline: head.headline.clone(),
                section: head.section.clone(),
                author: head.author.clone(),
                body: String::from_utf8_lossy(revision.body).into_owned(),
            }
        });
        let stories = vec![(title.to_owned(), story)];
        index.take(&Batch { stories, mark: None }).unwrap();
    }

    fn write_and_index(&mut self, title: &str, query: &str, body: &str) -> String {
        let title_encoded = crate::proto::http::encode_segment(title);
        let id = self.put_text(&format!("/v1/stories/{title_encoded}?{query}"), body).is(201).id();
        self.index(title);
        id
    }
}

#[test]
fn a_search_says_what_stands_and_what_matched() {
    let mut bench = Bench::new();
    let id = bench.write_and_index("a", "headline=High+water&section=world", "The river rose.");
    bench.write_and_index("b", "", "No river here.");
    let found = bench.get("/v1/search?q=river&section=world").is(200);
    assert_eq!(found.field("cache-control"), Some("no-cache"));
    let found = found.json();
    let hit = &found["hits"][0];
    assert_eq!(found["hits"].as_array().map(Vec::len), Some(1));
    assert_eq!((&hit["title"], &hit["id"]), (&"a".into(), &id.into()));
    assert_eq!((&hit["headline"], &hit["section"]), (&"High water".into(), &"world".into()));
    assert!(hit["at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        hit["snippet"],
        serde_json::json!([
            {"text": "The ", "match": false}, {"text": "river", "match": true},
            {"text": " rose.", "match": false},
        ])
    );
    assert_eq!((&found["next"], &found["indexing"]), (&Value::Null, &false.into()));
    bench.node.state.backlog = SearchBacklog { is_reading: false, stories: 3 };
    let found = bench.get("/v1/search?q=river&limit=1").is(200).json();
    assert_eq!((&found["next"], &found["waiting"]), (&"1".into(), &3.into()));
    assert_eq!(found["indexing"], true);
    let found = bench.get("/v1/search?q=river&limit=1&before=1").is(200).json();
    assert_eq!((&found["hits"][0]["title"], &found["next"]), (&"a".into(), &Value::Null));
    for (days, hits) in [
        ("since=2026-01-01", 2),
        ("until=2026-01-01", 2),
        ("since=2026-01-02", 0),
        ("until=2025-12-31", 0),
        ("since=2025-12-31T00:00:00Z&until=2026-01-01T12:00:00.5%2B01:00", 2),
    ] {
        let found = bench.get(&format!("/v1/search?q=river&{days}")).is(200).json();
        assert_eq!(found["hits"].as_array().map(Vec::len), Some(hits), "{days}");
    }
}

#[test]
fn what_is_withdrawn_or_changed_shows_nothing_of_what_it_said() {
    let mut bench = Bench::new();
    let first = bench.write_and_index("a", "headline=Secret+one", "A secret.");
    bench.write_and_index("b", "", "A secret.");
    bench.put_text(&format!("/v1/stories/a?base={first}&headline=Two"), "Nothing.").is(200);
    bench.withdraw("b", "wrong");
    let found = bench.get("/v1/search?q=secret").is(200);
    assert!(!found.body.to_lowercase().contains("secret"), "{}", found.body);
    let found = found.json();
    assert_eq!(found["hits"][0]["headline"], "Two");
    assert_eq!(found["hits"][0]["snippet"], serde_json::json!([]));
    let page = bench.get("/search?q=secret").is(200).body;
    assert!(page.contains("<a class=\"headline\" href=\"/stories/a\">Two</a>"), "{page}");
    assert!(!page.contains("/stories/b"), "{page}");
    bench.index("a");
    bench.index("b");
    assert!(bench.get("/search?q=secret").is(200).body.contains("Nothing was found"));
}

#[test]
fn questions_that_can_t_be_answered() {
    let mut bench = Bench::new();
    bench.get("/v1/search?q=a").is(503);
    bench.write_and_index("a", "", "x");
    for bad in ["", "?q=", "?q=-a", "?q=a&since=monday", "?q=a&limit=x", "?q=a&before=-1"] {
        bench.get(&format!("/v1/search{bad}")).is(400);
    }
    let long = "a+".repeat(17);
    bench.get(&format!("/v1/search?q={long}")).is(400);
    let page = bench.ask("GET /search?q=-a HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n");
    assert_eq!(page.status, 400);
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
}

#[test]
fn searches_wait_in_order_and_not_too_many() {
    let mut bench = Bench::new();
    bench.write_and_index("a", "", "word");
    bench.node.state.is_search_held = true;
    let ask = "GET /v1/search?q=word HTTP/1.1\r\nHost: a\r\n\r\n";
    let clients: Vec<usize> = (0..3).map(|_| bench.connect()).collect();
    for client in &clients {
        bench.send(*client, format!("{ask}GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    bench.run(100);
    assert_eq!(bench.take(clients[0]), "");
    let refused = bench.take(clients[2]);
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("Retry-After: 1\r\n"));
    assert!(refused.ends_with("Hello, World!"), "{refused}");
    bench.drop_client(clients[1]);
    assert_eq!(bench.node.state.asks.len(), 1);
    bench.with(|cx, desk| desk.answer_searches(cx));
    bench.run(100);
    let answered = bench.take(clients[0]);
    assert!(answered.starts_with("HTTP/1.1 200 ") && answered.ends_with("Hello, World!"));
    bench.send(clients[0], ask);
    bench.run(10_000);
    let late = bench.take(clients[0]);
    assert!(late.starts_with("HTTP/1.1 503 "), "{late}");
    assert!(bench.node.state.asks.is_empty());
}

#[test]
fn the_page_keeps_what_was_asked_and_marks_what_was_found() {
    let mut bench = Bench::new();
    let empty = bench.get("/search").is(200);
    assert!(empty.body.contains("<form class=\"fields\" action=\"/search\" method=\"get\""));
    assert!(empty.field("content-security-policy").unwrap().contains("form-action 'self'"));
    for n in 0..25 {
        bench.write_and_index(&format!("s{n}"), "headline=Flood+%26+fire&section=w", "High water");
    }
    let page =
        bench.get("/search?q=flood+%22high+water%22&section=w&since=2026-01-01").is(200).body;
    for part in [
        "value=\"flood &#34;high water&#34;\"",
        "value=\"2026-01-01\"",
        "<a class=\"headline\" href=\"/stories/s24\"><mark>Flood</mark> &#38; fire</a>",
        "<p class=\"teaser\"><mark>High water</mark></p>",
        "<a href=\"/search?q=flood%20%22high%20water%22&#38;section=w&#38;since=2026-01-01&#38;",
        "&#38;before=20\" rel=\"next\"",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let page = bench.get("/search?q=flood&before=20").is(200).body;
    assert_eq!(page.matches("<li><a class=\"headline\" href=\"/stories/s").count(), 5, "{page}");
}

#[test]
fn nothing_that_is_typed_or_written_becomes_markup() {
    let mut bench = Bench::new();
    for (n, hostile) in HOSTILE.iter().enumerate() {
        let encoded = crate::proto::http::encode_segment(hostile);
        let query = format!("headline={encoded}&section={encoded}&author={encoded}");
        bench.write_and_index(&format!("{n} {hostile}"), &query, &format!("needle {hostile}"));
    }
    for hostile in HOSTILE.iter().chain(&["needle"]) {
        let encoded = crate::proto::http::encode_segment(hostile);
        let query = format!("q={encoded}+needle&section=&since=2020-01-01");
        let page = bench.get(&format!("/search?{query}")).is(200).body;
        for tag in ["<script>", "<img", "<evil", "<entry", "</title></entry", "<b>"] {
            assert!(!page.contains(tag), "{hostile}: {tag}\n{page}");
        }
        bench.get(&format!("/v1/search?{query}")).is(200).json();
        bench.get(&format!("/v1/search?q=needle&section={encoded}")).is(200).json();
        bench.get(&format!("/search?q=needle&section={encoded}")).is(200);
    }
}
