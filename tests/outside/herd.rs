//! What a herd promises: what is published on one node is read on all, the same everywhere, also
//! when two edit at once; and what a node refuses to be part of.

use crate::harness::{Ended, Herd, Node, Reader, Setup, await_that, bellwether, key_of, scratch};
use serde_json::Value;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

/// A story as each node shows it: all the same, but for the time of the answer.
fn same_on_all(herd: &Herd, path: &str) -> Value {
    let shown: Vec<Value> =
        herd.nodes.iter().map(|node| node.http.get(path).expect(200).json()).collect();
    for (node, other) in herd.nodes.iter().zip(&shown) {
        assert_eq!(*other, shown[0], "{} shows {path} differently", node.name());
    }
    shown[0].clone()
}

#[test]
fn what_is_published_on_each_of_five_nodes_is_read_on_all() {
    let herd = Herd::ring(5);
    let mut ids = Vec::new();
    for (at, node) in herd.nodes.iter().enumerate() {
        for story in 0..3 {
            let (title, body) = (format!("from-{at}-{story}"), format!("Body {at} {story}.\n"));
            ids.push(node.http.write(&title, &body));
        }
        node.http.post("/v1/topics/weather", &format!("rain at {at}")).expect(201);
        let said = node.line(format!("IAMAT dog{at} +34.07-118.44 1.5\n").as_bytes());
        assert!(said.starts_with(&format!("AT {} +", node.name())), "{said}");
    }
    for node in &herd.nodes {
        let mut reader = Reader::from_start();
        reader.until_count(&node.http, 5 * 5);
        reader.until_ids(&node.http, &ids);
    }
    for at in 0..5 {
        for story in 0..3 {
            let shown = same_on_all(&herd, &format!("/v1/stories/from-{at}-{story}"));
            assert_eq!(shown["body"], format!("Body {at} {story}.\n"));
            assert_eq!(shown["id"], ids[at * 3 + story].as_str());
        }
    }
    same_on_all(&herd, "/v1/stories?limit=100");
    let vector = herd.settle();
    assert_eq!(vector.as_object().map(serde_json::Map::len), Some(5), "one epoch a node");
    for node in &herd.nodes {
        let said = node.line(b"WHATSAT dog3 10 5\n");
        assert!(said.starts_with("AT node4 +"), "{said}");
        await_that("both links", || {
            let view = node.http.get("/v1/herd").expect(200).json();
            let links = view["links"].as_array().expect("a list of links");
            let up = links.iter().filter(|link| link["state"] == "up").count();
            if up == 2 { Ok(()) } else { Err(view.to_string()) }
        });
    }
}

#[test]
fn concurrent_edits_on_two_nodes_keep_both_and_every_node_shows_the_same_head() {
    let mut herd = Herd::ring(4);
    let base = herd[0].http.write("weather", "Sun.\n");
    for node in &herd.nodes {
        Reader::from_start().until_ids(&node.http, &[&base]);
    }
    // Two nodes that can't hear of each other's edit are two at once.
    herd.settle();
    herd[1].kill9();
    herd[3].kill9();
    let rain = herd[0].http.edit("weather", &base, "Rain.\n");
    let snow = herd[2].http.edit("weather", &base, "Snow.\n");
    herd[1].restart();
    herd[3].restart();
    let both = [rain.clone(), snow.clone()];
    for node in &herd.nodes {
        Reader::from_start().until_ids(&node.http, &both);
    }
    let shown = same_on_all(&herd, "/v1/stories/weather");
    let head = shown["id"].as_str().expect("an id");
    let (other, body) = if head == rain { (&snow, "Snow.\n") } else { (&rain, "Rain.\n") };
    assert!(both.iter().any(|id| id == head), "{shown}");
    assert_eq!(shown["conflicts"], serde_json::json!([other]));
    let older = same_on_all(&herd, &format!("/v1/stories/weather?rev={other}"));
    assert_eq!(older["body"], body);
    let history = same_on_all(&herd, "/v1/stories/weather/history");
    assert_eq!(history["revisions"].as_array().map(Vec::len), Some(3), "{history}");
    // Whoever settles it settles it for all.
    let path = "/v1/stories/weather?conflict=overwrite";
    let last = herd[3].http.put(path, "Sleet.\n").expect(200).member("id");
    for node in &herd.nodes {
        Reader::from_start().until_ids(&node.http, &[&last]);
    }
    let shown = same_on_all(&herd, "/v1/stories/weather");
    assert_eq!((&shown["id"], &shown["conflicts"]), (&last.into(), &serde_json::json!([])));
}

#[test]
fn the_same_merge_made_on_both_sides_of_a_partition_is_one() {
    let mut herd = Herd::mesh(2);
    let base = herd[0].http.write("weather", "Sun.\n\nWarm.\n");
    let rain = herd[0].http.edit("weather", &base, "Rain.\n\nWarm.\n");
    let path = format!("/v1/stories/weather?base={base}&conflict=keep");
    let cold = herd[0].http.put(&path, "Sun.\n\nCold.\n").expect(200).member("id");
    Reader::from_start().until_ids(&herd[1].http, &[&rain, &cold]);
    herd.settle();
    // Each node merges the two while the other is away.
    let path = format!("/v1/stories/weather?base={cold}&conflict=merge");
    let merge = |node: &Node| node.http.put(&path, "Sun.\n\nCold.\n").expect(200).member("id");
    herd[1].kill9();
    let first = merge(&herd[0]);
    herd[0].kill9();
    herd[1].restart();
    let merges = [first, merge(&herd[1])];
    herd[0].restart();
    for node in &herd.nodes {
        Reader::from_start().until_ids(&node.http, &merges);
    }
    herd.settle();
    let shown = same_on_all(&herd, "/v1/stories/weather");
    let least = merges.iter().min().expect("two merges");
    assert_ne!(merges[0], merges[1]);
    assert_eq!((&shown["id"], &shown["conflicts"]), (&(**least).into(), &serde_json::json!([])));
    assert_eq!(shown["body"], "Rain.\n\nCold.\n");
    let history = same_on_all(&herd, "/v1/stories/weather/history");
    assert_eq!(history["revisions"].as_array().map(Vec::len), Some(4), "{history}");
}

#[test]
fn a_stale_base_is_refused_with_all_three_sides_or_kept_as_a_second_head() {
    let node = Node::alone(Setup::new("hill"));
    let first = node.http.write("news", "One.\n");
    let second = node.http.edit("news", &first, "Two.\n");
    let path = format!("/v1/stories/news?base={first}");
    let refused = node.http.put(&path, "Other.\n").expect(409);
    assert_eq!(refused.field("content-type"), "application/problem+json");
    let sides = refused.json();
    assert_eq!(
        (&sides["base"]["id"], &sides["base"]["body"]),
        (&first.clone().into(), &"One.\n".into())
    );
    assert_eq!(sides["yours"]["body"], "Other.\n");
    assert_eq!(
        (&sides["theirs"]["id"], &sides["theirs"]["body"]),
        (&second.clone().into(), &"Two.\n".into())
    );
    assert_eq!(node.http.get("/v1/stories/news").member("id"), second, "nothing changed");
    // Without a base at all nobody can say what was edited.
    node.http.put("/v1/stories/news", "Other.\n").expect(428);
    let kept = node.http.put(&format!("{path}&conflict=keep"), "Other.\n").expect(200);
    let heads = kept.json()["heads"].as_array().expect("heads").len();
    assert_eq!(heads, 2, "{}", kept.text());
    let shown = node.http.get("/v1/stories/news").json();
    let ids = [shown["id"].clone(), shown["conflicts"][0].clone()];
    assert!(ids.contains(&second.into()) && ids.contains(&kept.member("id").into()), "{shown}");
}

#[test]
fn a_node_that_meets_itself_says_so_and_goes_on() {
    let dir = scratch();
    let mut setup = Setup::new("hill").peer("double");
    let own = format!("unix:{}/double.sock", dir.path().display());
    setup = setup.more(&format!("[[listen]]\nprotocol = \"peer\"\nendpoint = \"{own}\"\n"));
    let node = Node::start(setup, &dir);
    node.await_log("met itself");
    node.http.write("still", "Here.\n");
}

#[test]
fn two_nodes_of_one_name_refuse_each_other_and_say_so() {
    let dir = scratch();
    let hill = Node::start(Setup::new("hill"), &dir);
    let elsewhere = scratch();
    let socket = format!("unix:{}/hill.sock", dir.path().display());
    let peer = format!("[[peer]]\nname = \"other\"\nendpoint = \"{socket}\"\n");
    let double = Node::start(Setup::new("hill").more(&peer), &elsewhere);
    for node in [&hill, &double] {
        node.await_log("two nodes have the name hill");
    }
    hill.http.write("secret", "Not for a namesake.\n");
    assert_eq!(double.http.get("/v1/stories/secret").status, 404);
}

#[test]
fn a_store_is_served_once() {
    let dir = scratch();
    let first = Node::start(Setup::new("hill"), &dir);
    let Ended { status, stdout, stderr } = Node::down(Setup::new("hill"), &dir).refusal();
    assert_eq!((status.code(), &stdout[..]), (Some(1), ""));
    let last = stderr.lines().last().unwrap_or_default();
    assert!(last.contains("in use by another process"), "{stderr}");
    first.http.write("still", "Here.\n");
}

#[test]
fn a_link_needs_the_key_that_is_configured_for_its_name() {
    let dir = scratch();
    let (hill, river) = (key_of("hill", &dir), key_of("river", &dir));
    let expects = |name: &str, key: &str| {
        let endpoint = format!("unix:{}/{name}.sock", dir.path().display());
        format!("[[peer]]\nname = \"{name}\"\nendpoint = \"{endpoint}\"\nkey = \"{key}\"\n")
    };
    let first = Node::start(Setup::new("hill").more(&expects("river", &river)), &dir);
    let mut second = Node::start(Setup::new("river").more(&expects("hill", &hill)), &dir);
    first.http.write("first", "Here.\n");
    await_that("the story at the other end", || {
        match second.http.get("/v1/stories/first").status {
            200 => Ok(()),
            other => Err(other.to_string()),
        }
    });
    // The same name with another key is another node.
    second.stop();
    std::fs::remove_file(second.store().join("key")).expect("a key");
    assert_ne!(key_of("river", &dir), river);
    second.begin();
    second.await_ready();
    first.await_log("its key is not the one configured for this name");
}

#[test]
fn a_key_is_its_owners_alone() {
    let dir = scratch();
    drop(key_of("hill", &dir));
    let file = dir.path().join("hill/key");
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("our file");
    let said = Node::down(Setup::new("hill"), &dir).refusal();
    assert_eq!(said.status.code(), Some(1));
    let last = said.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("hill/key: others may use this key (its mode is 644)"), "{last}");
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("our file");
    std::fs::write(&file, "0123\n").expect("our file");
    let said = Node::down(Setup::new("hill"), &dir).refusal();
    let last = said.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("hill/key: not a key"), "{last}");
    assert!(!dir.path().join("hill/lock").exists(), "the archive is not touched");
}

#[test]
fn a_configuration_that_is_wrong_is_named_by_file_line_and_key() {
    let dir = scratch();
    let file = dir.path().join("hill.toml");
    let good = "name = \"hill\"\ndir = \"hill\"\n";
    let peer = "[[peer]]\nname = \"far\"\nendpoint = \"tcp:192.0.2.7:7001\"\n";
    let listen = "[[listen]]\nprotocol = \"peer\"\nendpoint = \"tcp:0:interface=0.0.0.0\"\n";
    for (text, line, words) in [
        ("nmae = \"hill\"\n".to_owned(), 1, &["nmae", "did you mean \"name\"?"][..]),
        (format!("{good}[limits]\ndrian_ms = 5\n"), 4, &["limits.drian_ms", "\"drain_ms\""]),
        (format!("{good}[limits]\ndrain_ms = \"x\"\n"), 4, &["limits.drain_ms", "a whole number"]),
        (format!("{good}durability = \"most\"\n"), 3, &["durability", "\"most\""]),
        (format!("{good}{peer}"), 3, &["peer.key", "is missing", "bellwether key"]),
        (format!("insecure_peers = true\n{good}"), 1, &["insecure_peers", "is gone"]),
        (format!("{good}[[listen]\n"), 3, &["not TOML"]),
    ] {
        std::fs::write(&file, &text).expect("a writable folder");
        for option in [&["--check"][..], &[]] {
            let ended = Ended::of(bellwether().arg("serve").args(option).arg(&file));
            assert_eq!((ended.status.code(), &ended.stdout[..]), (Some(1), ""), "{text}");
            let start = format!("{}:{line}: ", file.display());
            let said = ended.stderr.trim_end();
            assert!(said.contains(&start), "{said:?} does not contain {start:?}");
            assert!(words.iter().all(|word| said.contains(word)), "{said:?}: {words:?}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
    std::fs::write(&file, format!("{good}{peer}key = \"{}\"\n{listen}", "ab".repeat(32)))
        .expect("a file");
    Ended::well(bellwether().args(["serve", "--check"]).arg(&file));
    assert!(!dir.path().join("hill").exists(), "--check leaves no trace");
}
