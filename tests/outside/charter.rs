//! The herd's charter, over real processes: it is founded, grows and shrinks by a command on a
//! member's machine, and links are open to whom it names, and to nobody else.

use crate::harness::{Ended, Node, Setup, await_that, bellwether, key_of, scratch};
use serde_json::Value;

/// Runs `bellwether charter` with these words against a node.
fn charter(node: &Node, words: &[&str]) -> String {
    Ended::well(bellwether().arg("charter").args(words).args(["--node", &node.url()]))
}

/// Name and standing of each member, as a node has them, once they are so.
fn await_members(node: &Node, expected: &[(&str, bool)]) {
    await_that("the charter's members", || {
        let json: Value = serde_json::from_str(&charter(node, &["show", "--json"])).unwrap();
        let members = json["members"].as_array().expect("a list of members");
        let standing = |member: &Value| {
            (member["name"].as_str().unwrap_or("").to_owned(), member["retired"] == true)
        };
        let mut found: Vec<_> = members.iter().map(standing).collect();
        found.sort();
        let expected = expected.iter().map(|(name, retired)| ((*name).to_owned(), *retired));
        if found == expected.collect::<Vec<_>>() { Ok(()) } else { Err(json.to_string()) }
    });
}

/// The state of a node's link to another.
fn link(node: &Node, to: &str) -> Option<String> {
    let view = node.http.get("/v1/herd").json();
    let links = view["links"].as_array().expect("a list of links");
    let link = links.iter().find(|link| link["to"] == to)?;
    link["state"].as_str().map(str::to_owned)
}

fn await_link(node: &Node, to: &str, is_up: bool) {
    await_that("the link", || {
        let state = link(node, to);
        if (state.as_deref() == Some("up")) == is_up { Ok(()) } else { Err(format!("{state:?}")) }
    });
}

fn await_story(node: &Node, title: &str) {
    await_that("the story", || {
        let answer = node.http.get(&format!("/v1/stories/{title}"));
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    });
}

#[test]
fn a_charter_opens_the_herd_to_its_members_and_closes_it_to_who_is_retired() {
    let dir = scratch();
    let keys: Vec<String> =
        ["node1", "node2", "node3"].iter().map(|name| key_of(name, &dir)).collect();
    let setups =
        [Setup::new("node1"), Setup::new("node2").peer("node1"), Setup::new("node3").peer("node1")];
    let mut nodes = setups.map(|setup| Node::down(setup, &dir));
    nodes[..2].iter_mut().for_each(Node::restart);
    assert!(charter(&nodes[0], &["show"]).starts_with("no charter"));
    await_link(&nodes[0], "node2", true);

    // Founded at one member, it is known to the other.
    let shown = charter(&nodes[0], &["add", "node2", &keys[1]]);
    assert!(shown.contains(&keys[0]) && shown.contains(&keys[1]), "{shown}");
    await_members(&nodes[1], &[("node1", false), ("node2", false)]);

    // A node that is in nobody's charter gets nothing and gives nothing, though it is on this very
    // machine.
    nodes[0].http.write("for-members", "x");
    await_story(&nodes[1], "for-members");
    nodes[2].restart();
    nodes[2].http.write("from-a-stranger", "x");
    nodes[0].await_log("its key is neither in the charter nor in the configuration");
    assert_ne!(link(&nodes[2], "node1").as_deref(), Some("up"));
    assert_eq!(nodes[2].http.get("/v1/stories/for-members").status, 404);
    assert_eq!(nodes[0].http.get("/v1/stories/from-a-stranger").status, 404);

    // Any member adds it; it is let in, and what it wrote before comes with it.
    charter(&nodes[1], &["add", "node3", &keys[2]]);
    await_link(&nodes[2], "node1", true);
    await_story(&nodes[2], "for-members");
    await_story(&nodes[1], "from-a-stranger");
    let all = [("node1", false), ("node2", false), ("node3", false)];
    for node in &nodes {
        await_members(node, &all);
    }

    // Retired by a node that it has no link to, it loses the link that it has, for good.
    charter(&nodes[1], &["retire", &keys[2]]);
    let left = [("node1", false), ("node2", false), ("node3", true)];
    nodes[..2].iter().for_each(|node| await_members(node, &left));
    nodes[0].await_log("link to node3 ends: the charter has retired its key");
    await_link(&nodes[2], "node1", false);
    nodes[0].http.write("after-the-retirement", "x");
    nodes[2].http.write("from-the-retired", "x");
    await_story(&nodes[1], "after-the-retirement");
    nodes[2].stop();
    nodes[2].restart();
    nodes[0].await_log(&format!("{} is refused: the charter has retired its key", keys[2]));
    assert_eq!(nodes[2].http.get("/v1/stories/after-the-retirement").status, 404);
    assert_eq!(nodes[1].http.get("/v1/stories/from-the-retired").status, 404);
    // What it published as a member stays.
    assert_eq!(nodes[1].http.get("/v1/stories/from-a-stranger").status, 200);
    // There is no way back under that key.
    let again = bellwether()
        .args(["charter", "add", "node3", &keys[2], "--node", &nodes[0].url()])
        .output()
        .expect("it runs");
    let stderr = String::from_utf8_lossy(&again.stderr);
    await_members(&nodes[0], &left);
    assert!(again.status.success() || stderr.contains("retired"), "{stderr}");
}

#[test]
fn peers_beyond_this_machine_need_a_key() {
    let dir = scratch();
    let check = |more: &str| {
        let setup = Setup::new("hill").more(more);
        let node = Node::down(setup, &dir);
        Ended::of(bellwether().args(["serve", "--check"]).arg(node.config()))
    };
    let peer = |endpoint: &str, key: &str| {
        format!("[[peer]]\nname = \"river\"\nendpoint = \"{endpoint}\"\n{key}\n")
    };
    let key = format!("key = \"{}\"", key_of("river", &dir));
    for (endpoint, key, is_good) in [
        ("tcp:127.0.0.1:7001", "", true),
        ("unix:/tmp/river.sock", "", true),
        ("tcp:192.0.2.1:7001", "", false),
        ("tcp:river.example:7001", "", false),
        ("tcp:192.0.2.1:7001", &key[..], true),
    ] {
        let said = check(&peer(endpoint, key));
        assert_eq!(said.status.success(), is_good, "{endpoint}: {said:?}");
        assert!(is_good || said.stderr.contains("key"), "{said:?}");
    }
}
