//! Search as a user meets it: on each node, over the head revisions, a moment behind them, and
//! there again after whatever happens to the node or to the index.

use crate::harness::{Herd, Node, Setup, await_that};
use std::io::Write as _;

fn titles(node: &Node, query: &str) -> Vec<String> {
    let found = node.http.get(&format!("/v1/search?{query}")).expect(200).json();
    let hits = found["hits"].as_array().expect("hits");
    hits.iter().map(|hit| hit["title"].as_str().expect("a title").to_owned()).collect()
}

/// Waits until a question has this answer.
fn await_found(node: &Node, query: &str, expected: &[&str]) {
    await_that("an answer of the search", || {
        let answer = node.http.get(&format!("/v1/search?{query}"));
        if answer.status != 200 {
            return Err(answer.text());
        }
        let mut found = titles(node, query);
        found.sort_unstable();
        if found == expected { Ok(()) } else { Err(format!("{query}: {found:?}")) }
    });
}

/// Waits until the index knows all.
fn await_indexed(node: &Node) {
    await_that("the index to catch up", || {
        let found = node.http.get("/v1/search?q=nothing");
        match found.status {
            200 if found.json()["indexing"] == false => Ok(()),
            _ => Err(found.text()),
        }
    });
}

#[test]
fn each_node_finds_what_stands_and_nothing_else() {
    let mut herd = Herd::mesh(2);
    let first = herd[0].http.write("flood", "The river rose overnight.\n");
    herd[1].http.write("fire", "Nobody saw the river of fire.\n");
    for node in &herd.nodes {
        await_found(node, "q=river", &["fire", "flood"]);
        await_found(node, "q=%22river+rose%22", &["flood"]);
        await_found(node, "q=over*", &["flood"]);
        await_found(node, "q=river+-fire", &["flood"]);
    }
    herd[1].http.edit("flood", &first, "The lake rose.\n");
    herd[0].http.delete("/v1/stories/fire?reason=wrong").expect(200);
    for node in &herd.nodes {
        await_found(node, "q=river", &[]);
        await_found(node, "q=rose", &["flood"]);
    }
    herd[0].stop();
    herd[0].restart();
    await_found(&herd[0], "q=lake", &["flood"]);
    let page = herd[0].http.get("/search?q=lake").expect(200).text();
    assert!(page.contains("The <mark>lake</mark> rose."), "{page}");
}

#[test]
fn after_a_kill_the_index_goes_on_where_it_was() {
    let mut node = Node::alone(Setup::new("Hill"));
    for n in 0..30 {
        node.http.write(&format!("s{n}"), &format!("Number{n} of many.\n"));
    }
    await_found(&node, "q=number29", &["s29"]);
    await_indexed(&node);
    node.kill9();
    node.restart();
    await_found(&node, "q=number0", &["s0"]);
    node.await_log("the search index goes on");
    assert!(!node.log().contains("the search index begins"), "{}", node.log());
    node.http.write("later", "Number30 of many.\n");
    node.kill9();
    node.restart();
    await_found(&node, "q=number30", &["later"]);
}

#[test]
fn an_index_that_is_gone_or_broken_is_made_again() {
    let mut node = Node::alone(Setup::new("Hill"));
    for n in 0..30 {
        node.http.write(&format!("s{n}"), &format!("Number{n} of many.\n"));
    }
    await_found(&node, "q=number29", &["s29"]);
    let file = node.store().join("search");
    node.stop();
    std::fs::remove_file(&file).expect("an index");
    node.restart();
    await_found(&node, "q=number7", &["s7"]);
    await_indexed(&node);
    node.stop();
    std::fs::write(&file, "no index\n".repeat(2_000)).expect("a file");
    node.restart();
    await_found(&node, "q=number8", &["s8"]);
    node.await_log("the search index is made anew");
    await_indexed(&node);
    // Broken in the middle, where only who reads finds it.
    node.stop();
    let mut bytes = std::fs::read(&file).expect("an index");
    let pages = bytes.len() / 4096;
    for page in 4..pages {
        bytes[page * 4096..page * 4096 + 64].fill(0x5a);
    }
    std::fs::File::create(&file).and_then(|mut file| file.write_all(&bytes)).expect("a file");
    node.restart();
    await_that("an answer", || {
        let answer = node.http.get("/v1/search?q=number9");
        let is_found = answer.status == 200 && answer.text().contains("\"s9\"");
        if is_found { Ok(()) } else { Err(answer.text()) }
    });
}

#[test]
fn more_changes_than_are_kept_by_name_are_all_found() {
    let node = Node::alone(Setup::new("Hill").durability("none"));
    let body = |n: usize| format!("{{\"title\":\"s{n}\",\"body\":\"word{n} many\"}}\n");
    let lines: String = (0..6_000).map(body).collect();
    let file = node.folder().join("many.jsonl");
    std::fs::write(&file, lines).expect("a writable folder");
    let mut import = crate::harness::bellwether();
    import.args(["import", "--to", &node.url()]).arg(&file);
    crate::harness::Ended::well(&mut import);
    for n in [0, 1_234, 5_999] {
        await_found(&node, &format!("q=word{n}"), &[&format!("s{n}")]);
    }
    await_indexed(&node);
    let found = node.http.get("/v1/search?q=many&limit=100&before=900").expect(200).json();
    assert_eq!(found["hits"].as_array().map(Vec::len), Some(100), "{found}");
}

#[test]
fn the_command_shows_what_was_found() {
    let node = Node::alone(Setup::new("Hill"));
    node.http.write("flood", "The river rose\novernight.\n");
    await_found(&node, "q=river", &["flood"]);
    let search = |words: &[&str]| {
        let mut command = crate::harness::bellwether();
        crate::harness::Ended::well(command.args(["search", "--node", &node.url()]).args(words))
    };
    let said = search(&["river", "\"rose overnight\""]);
    assert!(said.starts_with("AT ") && said.contains("The river rose overnight."), "{said}");
    let said = search(&["river", "--json", "--since", "2020-01-01", "--limit", "1"]);
    assert!(said.contains("\"title\":\"flood\"") && said.lines().count() == 1, "{said}");
    let said = search(&["nowhere", "--json"]);
    assert_eq!(said, "");
}

#[test]
fn a_node_may_have_no_search() {
    let node = Node::alone(Setup::new("Hill").limit("searches", 0));
    node.http.write("a", "word\n");
    node.http.get("/v1/search?q=word").expect(503);
    assert!(!node.store().join("search").exists());
}
