//! Sending against a node that keeps stories as the contract says.

use super::super::super::testing::{Asked, Reply, TestNode};
use super::*;
use percent_encoding::percent_decode_str;
use std::sync::{Arc, Mutex};

/// Stories by title, revisions in order; `trouble` answers first, if it has something.
#[derive(Default)]
struct Archive {
    stories: BTreeMap<String, Vec<Value>>,
    trouble: Vec<Trouble>,
}

enum Trouble {
    None,
    Say(u16),
    /// Does what was asked, and loses the answer.
    LoseAnswer,
}

impl Archive {
    fn answer(&mut self, asked: &Asked) -> Reply {
        match self.trouble.pop() {
            Some(Trouble::Say(status)) => {
                return Reply::Json(status, "Retry-After: 2\r\n", "{\"title\":\"no\"}".to_owned());
            }
            Some(Trouble::LoseAnswer) => {
                self.done(asked);
                return Reply::Drop;
            }
            Some(Trouble::None) | None => {}
        }
        let (status, body) = self.done(asked);
        Reply::Json(status, "", body.to_string())
    }

    fn done(&mut self, asked: &Asked) -> (u16, Value) {
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        if let Some(id) = path.strip_prefix("/v1/revisions/") {
            let found = self.stories.values().flatten().find(|revision| revision["id"] == id);
            return found.map_or((404, Value::Null), |revision| (200, revision.clone()));
        }
        let rest = path.strip_prefix("/v1/stories/").unwrap();
        let (title, history) = match rest.strip_suffix("/history") {
            Some(title) => (title, true),
            None => (rest, false),
        };
        let title = percent_decode_str(title).decode_utf8().unwrap().into_owned();
        if history {
            let revisions = &self.stories[&title];
            // One revision a page, newest first.
            let before = query.strip_prefix("before=").map(|at| at.parse().unwrap());
            let at = before.unwrap_or(revisions.len()) - 1;
            let next = (at > 0).then(|| at.to_string());
            return (200, json!({"revisions": [revisions[at]], "next": next}));
        }
        let base = query.split('&').find_map(|pair| pair.strip_prefix("base="));
        let revisions = self.stories.entry(title.clone()).or_default();
        let head = revisions.last().map(|revision| revision["id"].as_str().unwrap().to_owned());
        let alias = asked.json()["alias"].clone();
        if let Some(held) = revisions.iter().find(|held| held["alias"] == alias)
            && !alias.is_null()
        {
            return (200, json!({"id": held["id"], "duplicate": true}));
        }
        if asked.header("if-none-match").is_some() && head.is_some() {
            return (412, Value::Null);
        }
        if base != head.as_deref() {
            return (409, Value::Null);
        }
        let mut revision = asked.json();
        let id = format!("{title}.{}", revisions.len());
        revision["id"] = id.clone().into();
        revision["base"] = head.into_iter().collect();
        revisions.push(revision);
        (201, json!({"id": id}))
    }
}

struct Bench {
    archive: Arc<Mutex<Archive>>,
    node: TestNode,
}

impl Bench {
    fn new() -> Self {
        let archive = Arc::new(Mutex::new(Archive::default()));
        let shared = Arc::clone(&archive);
        let node = TestNode::new(move |asked| shared.lock().unwrap().answer(asked));
        Self { archive, node }
    }

    fn trouble(&self, trouble: impl IntoIterator<Item = Trouble>) {
        self.archive.lock().unwrap().trouble.extend(trouble);
    }

    fn bodies(&self, title: &str) -> Vec<String> {
        let archive = self.archive.lock().unwrap();
        archive.stories[title].iter().map(|revision| plain(&revision["body"])).collect()
    }

    /// Sends all editions with a new sender: what it counted, how it ended, how long it paused.
    fn send(&self, editions: &[Edition]) -> (String, Result<(), Failure>, Duration) {
        let tally = Tally::default();
        let paused = Mutex::new(Duration::ZERO);
        let pause = |time| *paused.lock().unwrap() += time;
        let mut sender = Sender::new(&self.node.url, &tally, &pause, None).unwrap();
        let done = editions.iter().try_for_each(|edition| sender.take(edition));
        let paused = *paused.lock().unwrap();
        (tally.line(), done, paused)
    }
}

fn edition(title: &str, body: &str, summary: &str) -> Edition {
    let summary = Some(summary.to_owned()).filter(|text| !text.is_empty());
    let (title, body, author) = (title.to_owned(), body.to_owned(), Some("Mia".to_owned()));
    Edition { title, body, author, summary, ..Edition::default() }
}

#[test]
fn a_history_arrives_as_a_chain_and_a_second_time_is_all_duplicates() {
    let bench = Bench::new();
    let editions = [
        edition("A", "one", ""),
        edition("A", "two", "more"),
        edition("A", "one", "undone"),
        edition("A", "two", "more"),
        edition("B/ü", "x", ""),
    ];
    assert_eq!(bench.send(&editions).0, "accepted 5, duplicate 0, refused 0");
    assert_eq!(bench.bodies("A"), ["one", "two", "one", "two"]);
    assert_eq!(bench.bodies("B/ü"), ["x"]);
    assert_eq!(bench.send(&editions).0, "accepted 0, duplicate 5, refused 0");
    assert_eq!(bench.bodies("A").len(), 4);
}

#[test]
fn what_the_node_has_under_its_alias_is_a_duplicate_and_the_chain_goes_on_behind_it() {
    let bench = Bench::new();
    let named = |body: &str, alias: &str| Edition {
        alias: Some(alias.to_owned()),
        ..edition("A", body, "")
    };
    let first = [named("1", "x"), named("2", "y")];
    assert_eq!(bench.send(&first).0, "accepted 2, duplicate 0, refused 0");
    // Another text of the same name is the same thing.
    let again = [named("one", "x"), named("2", "y"), named("3", "z")];
    assert_eq!(bench.send(&again).0, "accepted 1, duplicate 2, refused 0");
    assert_eq!(bench.bodies("A"), ["1", "2", "3"]);
    bench.trouble([Trouble::LoseAnswer]);
    let last = [&again[..], &[named("4", "w")]].concat();
    bench.trouble([Trouble::None, Trouble::None, Trouble::None]);
    assert_eq!(bench.send(&last).0, "accepted 1, duplicate 3, refused 0");
    assert_eq!(bench.bodies("A"), ["1", "2", "3", "4"]);
}

#[test]
fn an_import_that_stopped_goes_on_where_it_was() {
    let bench = Bench::new();
    let all: Vec<Edition> = (0..6).map(|i| edition("A", &i.to_string(), "same")).collect();
    assert_eq!(bench.send(&all[..3]).0, "accepted 3, duplicate 0, refused 0");
    assert_eq!(bench.send(&all).0, "accepted 3, duplicate 3, refused 0");
    assert_eq!(bench.bodies("A"), ["0", "1", "2", "3", "4", "5"]);
}

#[test]
fn interleaved_stories_keep_their_chains_and_sources_do_not_mix() {
    let bench = Bench::new();
    let mut editions = vec![
        edition("A", "1", ""),
        edition("B", "1", ""),
        edition("A", "2", ""),
        edition("B", "2", ""),
    ];
    for edition in &mut editions {
        edition.interleaved = true;
    }
    assert_eq!(bench.send(&editions).0, "accepted 4, duplicate 0, refused 0");
    assert_eq!((bench.bodies("A"), bench.bodies("B")), (bench.bodies("B"), bench.bodies("A")));
    let other = Edition { source: 1, ..edition("A", "from another repository", "") };
    let twice = [&editions[..], &[other]].concat();
    assert_eq!(bench.send(&twice).0, "accepted 0, duplicate 4, refused 1");
}

#[test]
fn what_others_wrote_is_left_alone() {
    let bench = Bench::new();
    let theirs = edition("A", "theirs", "");
    assert_eq!(bench.send(&[theirs]).0, "accepted 1, duplicate 0, refused 0");
    let ours = [edition("A", "ours", ""), edition("A", "ours again", "")];
    assert_eq!(bench.send(&ours).0, "accepted 0, duplicate 0, refused 2");
    let edited = [edition("A", "theirs", ""), edition("A", "edit", "by a reader")];
    assert_eq!(bench.send(&edited).0, "accepted 1, duplicate 1, refused 0");
    let longer = [edition("A", "theirs", ""), edition("A", "2", ""), edition("A", "3", "")];
    assert_eq!(bench.send(&longer).0, "accepted 0, duplicate 1, refused 2");
    assert_eq!(bench.bodies("A"), ["theirs", "edit"]);
}

#[test]
fn a_lost_answer_neither_doubles_nor_loses_a_revision() {
    let bench = Bench::new();
    let editions = [edition("A", "1", ""), edition("A", "2", ""), edition("A", "3", "")];
    // The last is asked for first: one loses the answer to the create, one that to an edit.
    bench.trouble([Trouble::LoseAnswer, Trouble::None, Trouble::LoseAnswer]);
    assert_eq!(bench.send(&editions[..1]).0, "accepted 1, duplicate 0, refused 0");
    bench.trouble([Trouble::LoseAnswer, Trouble::None, Trouble::None, Trouble::None]);
    assert_eq!(bench.send(&editions).0, "accepted 2, duplicate 1, refused 0");
    assert_eq!(bench.bodies("A"), ["1", "2", "3"]);
}

#[test]
fn a_busy_node_is_waited_for_as_it_asks_and_not_for_ever() {
    let bench = Bench::new();
    bench.trouble([Trouble::Say(503), Trouble::Say(429)]);
    let (line, done, paused) = bench.send(&[edition("A", "1", "")]);
    assert_eq!((&*line, done), ("accepted 1, duplicate 0, refused 0", Ok(())));
    assert_eq!(paused, Duration::from_secs(4));
    bench.trouble((0..1000).map(|_| Trouble::Say(503)));
    let (_, done, paused) = bench.send(&[edition("B", "1", "")]);
    assert!(done.unwrap_err().to_string().contains("run the same command again"));
    assert!(paused >= PATIENCE && paused < 2 * PATIENCE);
}

#[test]
fn refusals_are_counted_by_reason_and_the_chain_goes_on_without() {
    let bench = Bench::new();
    bench.trouble([Trouble::Say(413)]);
    let editions = [edition("A", "big", ""), edition("A", "small", "")];
    assert_eq!(bench.send(&editions).0, "accepted 1, duplicate 0, refused 1");
    assert_eq!(bench.bodies("A"), ["small"]);
    bench.trouble([Trouble::Say(410)]);
    let (line, _, _) = bench.send(&[edition("B", "1", ""), edition("B", "2", "")]);
    assert_eq!(line, "accepted 0, duplicate 0, refused 2");
    bench.trouble([Trouble::Say(403)]);
    assert!(bench.send(&editions).1.is_err());
}

#[test]
fn a_story_is_put_with_the_fields_that_it_has() {
    let full = Edition {
        headline: Some("H".into()),
        located: Some((1.5, -2.0)),
        media_type: Some("text/x".into()),
        ..edition("A", "b", "s")
    };
    let wanted = json!({"body": "b", "headline": "H", "author": "Mia", "summary": "s",
        "media_type": "text/x", "located": {"lat": 1.5, "lon": -2.0}});
    assert_eq!(story(&full), wanted);
    assert_eq!(story(&Edition::default()), json!({"body": ""}));
}
