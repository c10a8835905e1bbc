//! The disk's part: what stands in the log before an answer goes out, and what a node does with a
//! log that was torn, damaged or cut short, an index that is gone, and a disk that is full.

use crate::harness::{Ended, Herd, Node, Reader, Setup};
use bellwether::base::Rng;
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The newest segment of a node's log.
fn segment(node: &Node) -> PathBuf {
    let entries =
        fs::read_dir(node.store()).expect("a store").map(|entry| entry.expect("an entry"));
    let paths = entries.map(|entry| entry.path());
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|end| end == "seg");
    paths.filter(is_segment).max().expect("a segment")
}

/// Where some bytes stand in a file.
fn place_of(bytes: &[u8], needle: &[u8]) -> usize {
    let found = bytes.windows(needle.len()).position(|window| window == needle);
    found.expect("it is in the log")
}

/// Everything that readers see of some stories and of one dog.
fn shown(node: &Node, titles: &[&str]) -> Vec<Value> {
    let paths = titles
        .iter()
        .flat_map(|title| [format!("/v1/stories/{title}"), format!("/v1/stories/{title}/history")]);
    let list = "/v1/stories?limit=100".to_owned();
    let mut all: Vec<Value> =
        paths.chain([list]).map(|path| node.http.get(&path).expect(200).json()).collect();
    all.push(node.line(b"WHATSAT dog 10 20\n").into());
    let mut reader = Reader::from_start();
    reader.exhaust(&node.http);
    all.extend(reader.seen);
    all
}

/// A node with a story of two heads, a located one, and a dog.
fn node_with_stories() -> (Node, [&'static str; 2]) {
    let node = Node::alone(Setup::new("hill"));
    let first = node.http.write("news", "One.\n");
    node.http.edit("news", &first, "Two.\n");
    node.http.put(&format!("/v1/stories/news?base={first}&conflict=keep"), "Three.\n").expect(200);
    let located = r#"{"headline": "Fair", "body": "x", "located": {"lat": 34.08, "lon": -118.44}}"#;
    node.http.put_as("/v1/stories/fair", "application/json", located).expect(201);
    node.line(b"IAMAT dog +34.07-118.44 1.5\n");
    (node, ["news", "fair"])
}

/// What it is called, and what it makes of a file.
type Harm<'a> = (&'a str, &'a dyn Fn(&[u8]) -> Vec<u8>);

#[test]
fn an_index_that_is_gone_or_damaged_is_made_again_with_the_same_answers() {
    let (mut node, titles) = node_with_stories();
    node.await_checkpoint();
    let before = shown(&node, &titles);
    let index = node.store().join("index.redb");
    let mut rng = Rng::new(5);
    let harms: [Harm<'_>; 3] = [
        ("garbage", &|bytes| bytes.iter().enumerate().map(|(at, _)| (at * 31) as u8).collect()),
        ("a lost header", &|bytes| [&[0; 512], &bytes[512..]].concat()),
        ("half of it", &|bytes| bytes[..bytes.len() / 2].to_vec()),
    ];
    for (what, harm) in harms {
        if rng.chance(1, 2) {
            node.stop();
        } else {
            node.kill9();
        }
        let bytes = fs::read(&index).expect("an index");
        fs::write(&index, harm(&bytes)).expect("a writable index");
        node.restart();
        assert_eq!(shown(&node, &titles), before, "after {what}");
        node.await_log("the index is made again from the log");
        node.await_checkpoint();
    }
    node.kill9();
    fs::remove_file(&index).expect("an index");
    node.restart();
    assert_eq!(shown(&node, &titles), before, "after its removal");
    node.await_log("the index is made again from the log");
    node.http.write("after", "Still here.\n");
}

/// What an unlucky crash leaves at the end of a log, by number. The first three reach into what the
/// node acknowledged, as when a disk forgot what it had said to keep; the rest stands behind that.
fn tear(path: &Path, round: u32, rng: &mut Rng) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("a segment");
    let bytes = file.metadata().expect("a segment").len();
    let lost = rng.range(1..=100);
    let (at, harm) = match round {
        0 => return file.set_len(bytes - lost).expect("a shorter segment"),
        1 => (bytes - lost, vec![0; lost as usize]),
        2 => (bytes - 6 * lost, vec![0; 6 * lost as usize]),
        3 => (bytes, vec![0xa5; lost as usize]),
        4 => (bytes, vec![0; 5000]),
        _ => {
            let mut last = vec![0; lost as usize];
            file.read_exact_at(&mut last, bytes - lost).expect("the log's last bytes");
            (bytes, last)
        }
    };
    file.write_all_at(&harm, at).expect("a writable segment");
}

#[test]
fn a_torn_tail_is_cut_with_a_log_line_and_the_herd_gives_back_what_was_lost() {
    let mut rng = Rng::new(7);
    let mut herd = Herd::mesh(3);
    let mut ids = Vec::new();
    for round in 0..6 {
        for story in 0..5 {
            ids.push(herd[0].http.write(&format!("r{round}-{story}"), "To be lost, or not.\n"));
        }
        let vector = herd.settle();
        if round > 2 {
            herd[0].await_checkpoint();
        }
        herd[0].kill9();
        if round <= 2 {
            // An index that knows of what was lost would be proof of damage: see below.
            fs::remove_file(herd[0].store().join("index.redb")).expect("an index");
        }
        tear(&segment(&herd[0]), round, &mut rng);
        herd[0].restart();
        herd[0].await_log("torn bytes off segment 1 of the log at ");
        herd[0].await_log("a new epoch begins: ");
        let mut reader = Reader::from_start();
        reader.until_ids(&herd[0].http, &ids);
        reader.exhaust(&herd[0].http);
        assert_eq!(reader.seen.len(), ids.len());
        assert_eq!(herd.settle(), vector, "round {round}");
    }
}

/// A node that must refuse to run on its log: the offset that it names.
fn named_damage(node: &mut Node) -> usize {
    let Ended { status, stdout, stderr } = node.refusal();
    assert_eq!((status.code(), &stdout[..]), (Some(1), ""), "{stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    let named = last.split("segment 1 of the log is damaged at offset ").nth(1);
    let offset = named.and_then(|text| text.split(';').next()?.parse().ok());
    offset.unwrap_or_else(|| panic!("no offset: {stderr}"))
}

#[test]
fn damage_in_the_middle_of_the_log_is_named_and_nothing_is_guessed() {
    let mut node = Node::alone(Setup::new("hill"));
    for story in 0..5 {
        node.http.write(&format!("story{story}"), &format!("The body of story {story}.\n"));
    }
    node.kill9();
    let (path, index) = (segment(&node), node.store().join("index.redb"));
    fs::remove_file(&index).expect("an index");
    let good = fs::read(&path).expect("a segment");
    let at = place_of(&good, b"The body of story 1.");
    let mut bad = good.clone();
    bad[at] ^= 0x20;
    fs::write(&path, &bad).expect("a writable segment");
    for _ in 0..2 {
        let offset = named_damage(&mut node);
        assert!((1..400).contains(&(at - offset)), "the frame of byte {at}, not {offset}");
        assert_eq!(fs::read(&path).expect("a segment"), bad, "nothing was changed");
    }
    fs::write(&path, &good).expect("a writable segment");
    node.restart();
    assert_eq!(node.http.get("/v1/stories/story1").member("body"), "The body of story 1.\n");
    // A tail that the index knows to have been whole was lost, not torn: what is left is served,
    // and the node goes on under a new epoch, since others may hold what it lost.
    node.await_checkpoint();
    node.kill9();
    let file = OpenOptions::new().write(true).open(&path).expect("a segment");
    let last = place_of(&good, b"The body of story 4.");
    file.set_len(last as u64 + 1).expect("a shorter segment");
    node.restart();
    node.await_log("a new epoch begins: the index knows of updates that the log does not hold");
    assert_eq!(node.http.get("/v1/stories/story4").status, 404);
    assert_eq!(node.http.get("/v1/stories/story3").member("body"), "The body of story 3.\n");
    // What an index covers is not read again at each start, but never shown damaged either.
    node.await_checkpoint();
    node.kill9();
    let mut bad = fs::read(&path).expect("a segment");
    bad[at] ^= 0x20;
    fs::write(&path, &bad).expect("a writable segment");
    node.restart();
    let answer = node.http.get("/v1/stories/story1");
    assert_eq!(answer.status, 500, "{}", answer.text());
    node.await_log("segment 1 of the log is damaged at offset ");
    assert_eq!(node.http.get("/v1/stories/story3").member("body"), "The body of story 3.\n");
}
