//! What is withdrawn leaves the disks: no byte of it is in any file of any node. And what is over
//! its topic's retention is dropped, though every node still agrees on what is left.

use crate::harness::{Herd, Node, Reader, Setup, await_that};
use std::path::PathBuf;

const SECRET: &str = "fvXq81-the-name-of-the-source";
/// A word of it, as the search index knows it.
const WORD: &str = "fvxq81";

/// The files of a node's store, the search index's among them, in which some bytes stand, whatever
/// their case.
fn files_with(node: &Node, needle: &str) -> Vec<PathBuf> {
    let has = |path: &PathBuf| {
        // A file may go while we look: it is being written anew.
        let bytes = std::fs::read(path).unwrap_or_default().to_ascii_lowercase();
        bytes.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle.as_bytes()))
    };
    let files = std::fs::read_dir(node.store()).expect("a store");
    files.map(|file| file.expect("a file").path()).filter(has).collect()
}

fn await_erased(node: &Node) {
    await_that("erasure on disk", || match files_with(node, SECRET) {
        files if files.is_empty() => Ok(()),
        files => Err(format!("{}: {files:?}", node.name())),
    });
}

fn await_status(node: &Node, path: &str, status: u16) {
    await_that("an answer", || match node.http.get(path).status {
        it if it == status => Ok(()),
        other => Err(format!("{}: {other}", node.name())),
    });
}

/// Waits until a search for a word has so many hits.
fn await_searched(node: &Node, word: &str, hits: usize) {
    await_that("the search index", || {
        let found = node.http.get(&format!("/v1/search?q={word}"));
        match (found.status == 200).then(|| found.json()["hits"].as_array().map(Vec::len)) {
            Some(Some(len)) if len == hits => Ok(()),
            _ => Err(format!("{}: {}", node.name(), found.text())),
        }
    });
}

fn quick(setup: Setup) -> Setup {
    setup.limit("rewrite_ms", 50)
}

#[test]
fn a_withdrawn_secret_is_in_no_byte_of_any_file_of_any_node_and_stays_away() {
    let mut herd = Herd::mesh_of(2, quick);
    let first = herd[0].http.write("leak", &format!("{SECRET}\n"));
    let second = herd[1].http.write("other", "Nothing to hide.\n");
    let json = format!("{{\"headline\": \"It is {SECRET}\", \"body\": \"{SECRET}!\"}}");
    let path = format!("/v1/stories/leak?base={first}");
    let third = herd[0].http.put_as(&path, "application/json", &json).expect(200).member("id");
    for node in &herd.nodes {
        Reader::from_start().until_ids(&node.http, &[&first, &second, &third]);
        await_that("the secret on disk", || match files_with(node, SECRET) {
            files if files.is_empty() => Err(node.name().to_owned()),
            _ => Ok(()),
        });
        node.await_checkpoint();
        await_searched(node, WORD, 1);
        let in_search = |file: &PathBuf| file.to_string_lossy().contains("/search");
        assert!(files_with(node, SECRET).iter().any(in_search), "the index has it");
    }
    herd[1].http.delete("/v1/stories/leak?reason=leaked").expect(200);
    for node in &herd.nodes {
        await_status(node, "/v1/stories/leak", 410);
        await_erased(node);
        await_searched(node, WORD, 0);
        assert_eq!(files_with(node, WORD), Vec::<PathBuf>::new());
        assert_eq!(node.http.get("/v1/stories/other").member("id"), second);
    }
    herd[0].stop();
    herd[1].kill9();
    for node in &mut herd.nodes {
        node.restart();
        await_status(node, "/v1/stories/leak", 410);
        await_status(node, &format!("/v1/revisions/{third}"), 410);
        await_searched(node, WORD, 0);
        assert_eq!(files_with(node, SECRET), Vec::<PathBuf>::new());
    }
    // Who comes later learns that there was something, and never what.
    let late = Node::start(quick(Setup::new("late").peer("node1")), &herd.dir);
    await_status(&late, "/v1/stories/leak", 410);
    herd.nodes.push(late);
    herd.settle();
    let late = &herd[2];
    let all = late.http.get("/v1/updates?after=0").expect(200).json();
    assert_eq!(all["updates"].as_array().map(Vec::len), Some(2), "{all}");
    assert_eq!(all["gap"]["count"], 2, "{all}");
    assert_eq!(files_with(late, SECRET), Vec::<PathBuf>::new());
    await_status(late, &format!("/v1/revisions/{third}"), 410);
}

/// Two nodes, of which one withdrew a story while the other, which is down now, had a secret edited
/// into it; the id of that edit.
fn withdrawn_while_edited(change: impl Fn(Setup) -> Setup) -> (Herd, String) {
    let mut herd = Herd::mesh_of(2, change);
    let first = herd[0].http.write("leak", "Nothing yet.\n");
    Reader::from_start().until_ids(&herd[1].http, &[&first]);
    herd.settle();
    herd[0].kill9();
    let edit = herd[1].http.edit("leak", &first, &format!("{SECRET}\n"));
    herd[1].kill9();
    herd[0].restart();
    herd[0].http.delete("/v1/stories/leak?reason=wrong").expect(200);
    (herd, edit)
}

#[test]
fn a_revision_that_comes_after_its_storys_withdrawal_leaves_no_payload() {
    let (mut herd, edit) = withdrawn_while_edited(quick);
    herd[1].restart();
    herd.settle();
    for node in &herd.nodes {
        await_status(node, "/v1/stories/leak", 410);
        await_status(node, &format!("/v1/revisions/{edit}"), 410);
        await_erased(node);
    }
}

#[test]
fn what_an_edit_took_out_leaves_the_files_of_the_search() {
    let node = Node::alone(quick(Setup::new("Hill")));
    let first = node.http.write("a", &format!("{SECRET} {SECRET}\n"));
    await_searched(&node, WORD, 1);
    node.http.edit("a", &first, "Nothing of it.\n");
    await_that("the search index's files", || {
        let files = files_with(&node, WORD);
        let is_search = |file: &&PathBuf| file.to_string_lossy().contains("/search");
        match files.iter().find(is_search) {
            None => Ok(()),
            Some(file) => Err(format!("{file:?}")),
        }
    });
    await_searched(&node, WORD, 0);
}

const FEW: &str = "[retention]\nstories = { count = 5 }\n\"*\" = { count = 3, days = 1_000 }\n";

/// A story that was edited so often that its first revisions go; the ids of all.
fn much_edited(node: &Node, title: &str) -> Vec<String> {
    let mut ids = vec![node.http.write(title, "0\n")];
    for edit in 1..20 {
        ids.push(node.http.edit(title, &ids[edit - 1], &format!("{edit}\n")));
    }
    ids
}

/// Waits until of so many updates a new reader is told that it can't have them.
fn await_gap(node: &Node, count: u64) {
    await_that("a gap", || {
        let all = node.http.get("/v1/updates?after=0&limit=1000").expect(200).json();
        if all["gap"]["count"] == count { Ok(()) } else { Err(format!("{all:#}")) }
    });
}

#[test]
fn what_is_over_its_retention_goes_and_who_was_away_gets_what_is_left() {
    let keeps_few = |setup: Setup| quick(setup).limit("retention_ms", 50).more(FEW);
    let mut herd = Herd::mesh_of(2, keeps_few);
    herd[1].kill9();
    let old = herd[0].http.write("old", "Still a head.\n");
    let ids = much_edited(&herd[0], "news");
    for post in 0..20 {
        herd[0].http.post("/v1/topics/weather", &post.to_string()).expect(201);
    }
    let last = herd[0].http.write("last", "The end.\n");
    // Kept: five of the stories' revisions, one head that is older, three posts.
    await_gap(&herd[0], 42 - 9);
    let history = herd[0].http.get("/v1/stories/news/history").expect(200).json();
    assert_eq!(history["revisions"].as_array().map(Vec::len), Some(4), "{history}");
    for path in [
        format!("/v1/revisions/{}", ids[3]),
        format!("/v1/stories/news?rev={}", ids[3]),
        format!("/v1/revisions/{}/diff/{}", ids[3], ids[19]),
    ] {
        herd[0].http.get(&path).expect(404);
    }
    // What was spared as a head goes once it is none any more.
    let old = herd[0].http.edit("old", &old, "The head.\n");
    await_gap(&herd[0], 43 - 8);
    herd[1].restart();
    herd.settle();
    herd[0].kill9();
    herd[0].restart();
    for node in &herd.nodes {
        for (title, id) in [("old", &old), ("news", &ids[19]), ("last", &last)] {
            let story = node.http.get(&format!("/v1/stories/{title}")).expect(200).json();
            assert_eq!(
                (&story["id"], story["conflicts"].to_string()),
                (&(**id).into(), "[]".into())
            );
        }
        await_gap(node, 43 - 8);
    }
    herd.settle();
}

#[test]
fn a_withdrawn_story_does_not_return_with_an_edit_from_before_all_that_is_kept() {
    let keeps_few = |setup: Setup| quick(setup).limit("retention_ms", 50).more(FEW);
    let (mut herd, edit) = withdrawn_while_edited(keeps_few);
    drop(much_edited(&herd[0], "news"));
    // The stub is one of those that a reader is not given.
    await_gap(&herd[0], 1 + 15);
    herd[1].restart();
    herd.settle();
    for node in &herd.nodes {
        await_status(node, "/v1/stories/leak", 410);
        await_status(node, &format!("/v1/revisions/{edit}"), 410);
        await_erased(node);
    }
}
