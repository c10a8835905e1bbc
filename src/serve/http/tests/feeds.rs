//! Feeds: what a reader of Atom gets.

use super::search::HOSTILE;
use super::*;
use crate::proto::http::encode_segment;
use quick_xml::Reader;
use quick_xml::events::Event;

/// A document as it is read: `path` of elements from the root, and what stands in them.
#[derive(Debug, Default)]
struct Read {
    ids: Vec<String>,
    deleted: Vec<String>,
    texts: Vec<String>,
    links: BTreeMap<String, String>,
}

/// Reads a feed as strict XML.
#[track_caller]
fn read(xml: &str) -> Read {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let mut found = Read::default();
    let mut path: Vec<String> = Vec::new();
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {xml}")) {
            Event::Eof => break,
            Event::Start(tag) => {
                let name = tag.name().as_ref().to_owned();
                note(&mut found, &name, &tag, path.len());
                path.push(name);
            }
            Event::Empty(tag) => {
                let name = tag.name().as_ref().to_owned();
                note(&mut found, &name, &tag, path.len());
            }
            Event::End(_) => {
                path.pop();
            }
            Event::Text(text) => {
                let text = text.to_string();
                if path.ends_with(&["entry".to_owned(), "id".to_owned()]) {
                    found.ids.push(text.clone());
                }
                found.texts.push(text);
            }
            _ => {}
        }
    }
    assert!(path.is_empty(), "{path:?}");
    found
}

fn note(found: &mut Read, name: &str, tag: &quick_xml::events::BytesStart<'_>, depth: usize) {
    let attribute = |name: &str| {
        let attributes = tag.attributes().map(|attribute| attribute.unwrap());
        let found = attributes.into_iter().find(|a| a.key.as_ref() == name);
        found.map(|a| a.value.into_owned())
    };
    match (name, depth) {
        ("link", 1) => {
            found.links.insert(attribute("rel").unwrap(), attribute("href").unwrap());
        }
        ("at:deleted-entry", 1) => found.deleted.push(attribute("ref").unwrap()),
        _ => {}
    }
}

/// Walks from a feed to its oldest archive: what each document has.
fn walk(bench: &mut Bench, path: &str) -> Vec<(String, Read)> {
    let mut documents = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let reply = bench.get(&path).is(200);
        assert_eq!(reply.field("content-type"), Some("application/atom+xml"));
        let document = read(&reply.body);
        assert_eq!(document.links["self"], path);
        assert_eq!(reply.body.contains("<fh:archive/>"), !documents.is_empty());
        next = document.links.get("prev-archive").cloned();
        documents.push((path, document));
    }
    documents
}

fn sorted(documents: &[(String, Read)], of: impl Fn(&Read) -> &Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = documents.iter().flat_map(|(_, read)| of(read).clone()).collect();
    all.sort_unstable();
    all
}

fn quick_put(bench: &mut Bench, title: &str, query: &str, body: &str) -> Reply {
    bench.put_text(&format!("/v1/stories/{}?durability=none&{query}", encode_segment(title)), body)
}

fn tag(title: &str) -> String {
    format!("tag:bellwether,2026:stories/{}", encode_segment(title))
}

#[test]
fn a_feed_says_who_wrote_what_when_and_where() {
    let mut bench = Bench::new();
    let empty = bench.get("/feed.atom").is(200).body;
    assert!(read(&empty).ids.is_empty() && empty.contains("<updated>1970-01-01T00:00:00.000Z<"));
    let query = "headline=High+water&section=world&author=Ann&language=en-GB";
    let first = quick_put(&mut bench, "a b", query, "It rose.").is(201).id();
    let target = format!("/v1/stories/a%20b?base={first}&summary=more&{query}");
    bench.put(&target, "Content-Type: text/markdown\r\n", "It *rose* & fell.").is(200);
    bench.put("/v1/stories/p", "Content-Type: image/png\r\n", "png").is(201);
    let feed = bench.get("/feed.atom").is(200).body;
    for part in [
        "<id>tag:bellwether,2026:stories/a%20b</id>",
        "<title>High water</title>",
        "<entry xml:lang=\"en-GB\">",
        "<author><name>Ann</name></author>",
        "<category term=\"world\"/>",
        "<link rel=\"alternate\" type=\"text/html\" href=\"/stories/a%20b\"/>",
        "<content type=\"html\" xml:base=\"/stories/a%20b\">&#60;p&#62;It &#60;em&#62;rose",
        "&#60;/em&#62; &#38;amp; fell.&#60;/p&#62;",
        "<link rel=\"enclosure\" type=\"image/png\" length=\"3\" href=\"/v1/stories/p?as=body",
        "<author><name>node1</name></author>",
    ] {
        assert!(feed.contains(part), "{part}\n{feed}");
    }
    let section = bench.get("/sections/world/feed.atom").is(200).body;
    assert_eq!(read(&section).ids, [tag("a b")]);
    let story = bench.get("/stories/a%20b/feed.atom").is(200).body;
    let revisions = read(&story);
    assert_eq!(revisions.ids.len(), 2);
    assert_eq!(revisions.ids[1], format!("tag:bellwether,2026:revisions/{first}"));
    assert!(story.contains("<summary>more</summary>"), "{story}");
    bench.get("/stories/none/feed.atom").is(404);
    bench.get("/feed.atom?before=x").is(400);
    bench.withdraw("a b", "wrong");
    bench.get("/stories/a%20b/feed.atom").is(410);
}

#[test]
fn a_walk_finds_each_story_once_and_each_withdrawal() {
    let mut bench = Bench::new();
    let mut titles: Vec<String> = (0..300).map(|n| format!("s{n}")).collect();
    for title in &titles {
        quick_put(&mut bench, title, "section=odd", "x").is(201);
        bench.run(1);
    }
    let before = walk(&mut bench, "/feed.atom");
    assert!(before.len() > 5, "{}", before.len());
    titles.sort_unstable();
    let tags: Vec<String> = titles.iter().map(|title| tag(title)).collect();
    assert_eq!(sorted(&before, |read| &read.ids), tags);
    // Back up from the oldest.
    for pair in before[1..].windows(2) {
        assert_eq!(pair[1].1.links.get("next-archive"), Some(&pair[0].0));
        assert_eq!(pair[1].1.links["current"], "/feed.atom");
    }
    // One is edited, two are withdrawn, one is new: archives keep their addresses.
    for title in ["s10", "s299"] {
        bench.withdraw(title, "<wrong> & \u{fffe}bad");
    }
    let head = bench.get("/v1/stories/s20").id();
    bench.put_text(&format!("/v1/stories/s20?base={head}&durability=none"), "y").is(200);
    quick_put(&mut bench, "new", "", "x").is(201);
    let after = walk(&mut bench, "/feed.atom");
    let mut expected: Vec<String> =
        tags.iter().filter(|t| **t != tag("s10") && **t != tag("s299")).cloned().collect();
    expected.push(tag("new"));
    expected.sort_unstable();
    assert_eq!(sorted(&after, |read| &read.ids), expected);
    assert_eq!(sorted(&after, |read| &read.deleted), [tag("s10"), tag("s299")]);
    let newest = bench.get("/feed.atom").body;
    assert!(newest.contains("<at:comment>&#60;wrong&#62; &#38; bad</at:comment>"), "{newest}");
    let known: BTreeSet<&String> = before.iter().map(|(path, _)| path).collect();
    let unknown = after[1..].iter().filter(|(path, _)| !known.contains(path)).count();
    assert!(unknown <= 1, "{unknown} of {}", after.len());
    // Who knows the archives reads on to the first that it knows, and has all that changed.
    for (path, _) in &before {
        bench.get(path).is(200);
    }
    // The edit took its story out of the section.
    let section = walk(&mut bench, "/sections/odd/feed.atom");
    assert_eq!(sorted(&section, |read| &read.ids).len(), 297);
    let gone = walk(&mut bench, "/sections/none/feed.atom");
    assert_eq!(sorted(&gone, |read| &read.deleted).len(), 2);
}

#[test]
fn a_walk_through_many_revisions_finds_each() {
    let mut bench = Bench::new();
    let mut base = quick_put(&mut bench, "a", "", "0").is(201).id();
    for n in 1..60 {
        let target = format!("/v1/stories/a?base={base}&durability=none");
        base = bench.put_text(&target, &n.to_string()).is(200).id();
    }
    let documents = walk(&mut bench, "/stories/a/feed.atom");
    let mut all = sorted(&documents, |read| &read.ids);
    all.dedup();
    assert_eq!(all.len(), 60);
}

#[test]
fn who_has_a_document_is_not_sent_it_again() {
    let mut bench = Bench::new();
    quick_put(&mut bench, "a", "section=s", "x").is(201);
    for path in ["/feed.atom", "/sections/s/feed.atom", "/stories/a/feed.atom"] {
        let reply = bench.get(path).is(200);
        let tag = reply.field("etag").unwrap().to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        let ask = |field: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
        let same = bench.ask(ask(&format!("If-None-Match: {tag}")));
        assert_eq!((same.status, same.body.as_str()), (304, ""));
        assert_eq!(same.field("etag"), Some(&*tag));
        assert_eq!(bench.ask(ask("If-None-Match: \"other\"")).status, 200);
        // Two changes in one second have the same date.
        assert_eq!(reply.field("last-modified"), None);
        let late = "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT";
        assert_eq!(bench.ask(ask(late)).status, 200);
        quick_put(&mut bench, &format!("b{path}"), "section=s", "x").is(201);
        let head = bench.get("/v1/stories/a").id();
        bench
            .put_text(&format!("/v1/stories/a?base={head}&durability=none&section=s"), "y")
            .is(200);
        assert_eq!(bench.ask(ask(&format!("If-None-Match: {tag}"))).status, 200);
    }
}

#[test]
fn nothing_that_was_written_becomes_markup_and_the_document_stays_xml() {
    let mut bench = Bench::new();
    for (n, hostile) in HOSTILE.iter().enumerate() {
        let encoded = encode_segment(hostile);
        let query =
            format!("headline={encoded}&section={encoded}&author={encoded}&summary={encoded}");
        let title = format!("{n} {hostile}");
        let body = format!("{hostile}\u{0}\u{b}\u{ffff}");
        let first = quick_put(&mut bench, &title, &query, &body).is(201).id();
        let title = encode_segment(&title);
        let target = format!("/v1/stories/{title}?base={first}&durability=none&{query}");
        bench.put(&target, "Content-Type: text/markdown\r\n", &body).is(200);
        for path in [
            format!("/stories/{title}/feed.atom"),
            format!("/sections/{encoded}/feed.atom"),
            "/feed.atom".to_owned(),
        ] {
            let feed = bench.get(&path).is(200).body;
            let document = read(&feed);
            assert!(!document.ids.is_empty(), "{path}: {feed}");
            for bad in ["<script", "<img", "<evil", "\u{0}", "\u{b}", "\u{fffe}", "\u{ffff}"] {
                assert!(!feed.contains(bad), "{path}: {bad:?} in {feed}");
            }
        }
    }
    assert_eq!(read(&bench.get("/feed.atom").body).ids.len(), HOSTILE.len());
}

#[test]
fn a_document_is_bounded() {
    let mut bench = Bench::new();
    let long = "word ".repeat(4_000);
    for n in 0..140 {
        quick_put(&mut bench, &format!("s{n}"), "", &long).is(201);
    }
    for (_, document) in walk(&mut bench, "/feed.atom") {
        assert!(document.ids.len() <= 128);
        let bytes: usize = document.texts.iter().map(String::len).sum();
        assert!(bytes < 300 * 1024, "{bytes}");
        assert!(document.texts.iter().any(|text| text.ends_with("word …") || text.ends_with('…')));
    }
}

#[test]
fn a_document_reads_no_more_than_it_may() {
    let mut bench = Bench::new();
    let large = "word ".repeat(40_000);
    let mut base = quick_put(&mut bench, "a", "headline=Old", "x").is(201).id();
    for n in 0..4 {
        let target = format!("/v1/stories/a?base={base}&durability=none&headline=Now");
        let body = if n == 3 { "short" } else { &large };
        base = bench.put_text(&target, body).is(200).id();
        quick_put(&mut bench, &format!("s{n}"), "", &large).is(201);
    }
    quick_put(&mut bench, "t", "", "newest").is(201);
    // Of stories the one that goes over it is read, and none behind it.
    let stories = bench.get("/feed.atom").is(200).body;
    assert_eq!(read(&stories).ids.len(), 6);
    assert_eq!(stories.matches("<summary>word ").count(), 2, "{stories}");
    assert!(stories.contains("<content>newest</content>"), "{stories}");
    // Of revisions it is known before what they have: those that find room are read.
    let revisions = bench.get("/stories/a/feed.atom").is(200).body;
    assert_eq!(read(&revisions).ids.len(), 5);
    assert_eq!(revisions.matches("<summary>word ").count(), 1, "{revisions}");
    for part in ["<content>short</content>", "<content>x</content>", "<title>Old</title>"] {
        assert!(revisions.contains(part), "{part} in {revisions}");
    }
}

#[test]
fn what_the_log_lost_is_named_without_what_it_said() {
    let mut bench = Bench::new();
    let first = quick_put(&mut bench, "a", "headline=High", "It rose.").is(201).id();
    quick_put(&mut bench, "b", "", "It fell.").is(201);
    bench.with(|cx, desk| desk.commit(cx, Settled::Done));
    let desk = &bench.node.state;
    let dot = desk.store.dot_of(first.parse().unwrap()).unwrap().unwrap();
    let place = desk.store.place_of(dot).unwrap().unwrap();
    let name = format!("log-{:010}.seg", place.segment());
    for at in 0..100 {
        desk.disk.flip(&name, u64::from(place.offset()) + at, 0x55).unwrap();
    }
    let feed = bench.get("/feed.atom").is(200);
    assert_eq!(read(&feed.body).ids, [tag("b"), tag("a")]);
    assert!(feed.body.contains("It fell."), "{}", feed.body);
    assert!(!feed.body.contains("It rose."), "{}", feed.body);
    let story = bench.get("/stories/a/feed.atom").is(200);
    assert_eq!(read(&story.body).ids, [format!("tag:bellwether,2026:revisions/{first}")]);
    assert!(story.body.contains("<title>High</title>"), "{}", story.body);
    // It comes back, and nobody may hold this for the whole until then.
    for reply in [feed, story] {
        assert_eq!((reply.field("etag"), reply.field("cache-control")), (None, Some("no-store")));
    }
}
