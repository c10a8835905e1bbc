//! The commands, as a user types them: publishing and reading, following from node to node, corpora
//! of every format, and a herd with its supervisor.

use crate::harness::{
    Client, Ended, Herd, Node, Port, Process, Reader, Setup, await_that, bellwether, scratch,
    signal,
};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A command against a node.
fn at(node: &Node, words: &[&str]) -> Command {
    let mut command = bellwether();
    command.args(words).args(["--node", &node.url()]);
    command
}

#[test]
fn a_story_is_published_read_edited_and_its_history_shown() {
    let herd = Herd::mesh(2);
    let file = herd.dir.path().join("weather.md");
    let publish = |body: &str, words: &[&str]| {
        fs::write(&file, body).expect("a file");
        let mut command = at(&herd[0], &["publish", "Weather today"]);
        let id = Ended::well(command.arg("--file").arg(&file).args(words));
        id.trim_end().to_owned()
    };
    let first = publish("Rain.\n", &["--section", "local", "--author", "Mia", "--headline", "Wet"]);
    // A second story of this name, or an edit of nobody knows what: refused, with what to do.
    let mut again = at(&herd[0], &["publish", "Weather today"]);
    let refused = Ended::of(again.arg("--file").arg(&file));
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("--base"), "{}", refused.stderr);
    let second = publish("Sun.\n", &["--base", &first, "--summary", "It cleared up"]);
    assert_ne!(first, second);
    let vector = herd.settle();
    assert!(vector.is_object());
    for node in &herd.nodes {
        assert_eq!(Ended::well(&mut at(node, &["read", "Weather today"])), "Sun.\n");
        let old = Ended::well(&mut at(node, &["read", "Weather today", "--rev", &first]));
        assert_eq!(old, "Rain.\n");
        let json =
            Ended::well(&mut at(node, &["read", "Weather today", "--rev", &first, "--json"]));
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!((&json["author"], &json["section"]), (&"Mia".into(), &"local".into()));
        assert_eq!(json["media_type"], "text/markdown");
        let history = Ended::well(&mut at(node, &["history", "Weather today"]));
        let rows: Vec<&str> = history.lines().collect();
        assert_eq!(rows.len(), 3, "{history}");
        assert!(rows[1].contains(&second) && rows[1].ends_with("It cleared up"), "{history}");
        assert!(rows[2].contains(&first) && rows[2].contains("Mia"), "{history}");
    }
    let missing = Ended::of(&mut at(&herd[1], &["read", "Nothing"]));
    assert_eq!((missing.status.code(), &missing.stdout[..]), (Some(1), ""));
    assert_eq!(missing.stderr.lines().count(), 1, "{}", missing.stderr);
}

#[test]
fn status_shows_nodes_and_links_and_fails_for_a_node_that_is_gone() {
    let mut herd = Herd::mesh(2);
    herd[0].http.write("news", "x");
    herd.settle();
    let two = [herd[0].url(), herd[1].url()];
    let words = ["status", "--node", &two[0], "--node", &two[1]];
    let shown = Ended::well(bellwether().args(words));
    for (name, url) in ["node1", "node2"].iter().zip(&two) {
        assert!(shown.contains(&format!("as {name} ({url}) sees it\n")), "{shown}");
    }
    assert!(shown.contains("LINK") && shown.contains("node1 - node2"), "{shown}");
    herd[1].kill9();
    let shown = Ended::of(bellwether().args(words));
    assert_eq!(shown.status.code(), Some(1));
    assert!(shown.stdout.contains("as node1"), "{}", shown.stdout);
    assert!(shown.stderr.contains(&two[1]), "{}", shown.stderr);
    let json = Ended::well(&mut at(&herd[0], &["status", "--json"]));
    let json: Value = serde_json::from_str(&json).expect("one line of JSON");
    assert_eq!(json["name"], "node1");
}

#[test]
fn follow_goes_on_at_the_next_node_when_one_dies() {
    let mut herd = Herd::mesh(3);
    let mut command = at(&herd[0], &["follow", "--after", "0"]);
    command.args(["--node", &herd[1].url()]).stdin(Stdio::null());
    let mut follow = Process::start(&mut command);
    let mut titles = Vec::new();
    let mut tell = |writer: &Client, round: usize| {
        for n in 0..20 {
            titles.push(format!("news-{round}-{n}"));
            writer.write(&format!("news-{round}-{n}"), "x");
        }
        let last = format!(" new: news-{round}-19\n");
        follow.stdout.wait(|text| text.contains(&last)).expect("the last one is followed");
    };
    tell(&herd[2].http, 0);
    herd[0].kill9();
    tell(&herd[2].http, 1);
    herd[0].restart();
    herd[1].kill9();
    tell(&herd[2].http, 2);
    let shown = follow.stdout.text();
    let followed: Vec<&str> =
        shown.lines().map(|line| line.rsplit(' ').next().unwrap_or_default()).collect();
    assert_eq!(followed, titles, "each once, in order");
    let said = follow.stderr.text();
    assert!(said.contains(&format!("lost {}", herd[0].url())), "{said}");
    assert!(said.contains(&format!("going on at {}", herd[1].url())), "{said}");
    follow.kill9();
}

/// Imports twice: what was accepted the first time is all duplicates the second time.
fn import_twice(node: &Node, file: &Path, words: &[&str], expected: usize) {
    for counts in [(expected, 0), (0, expected)] {
        let mut command = bellwether();
        command.arg("import").arg(file).args(["--to", &node.url()]).args(words);
        let said = Ended::well(&mut command);
        let wanted = format!("accepted {}, duplicate {}, refused 0\n", counts.0, counts.1);
        assert!(said.starts_with(&wanted), "{said}");
    }
}

#[test]
fn tables_are_imported_once_however_often_it_is_tried() {
    let node = Node::alone(Setup::new("hill"));
    let csv = node.folder().join("news.csv");
    let text = "kopf,text,ressort\nSunny,\"A day,\nwith sun.\",local\nRainy,Wet.,local\n";
    fs::write(&csv, text).expect("a file");
    let map = ["--map", "headline=kopf,body=text,section=ressort"];
    import_twice(&node, &csv, &map, 2);
    assert_eq!(Ended::well(&mut at(&node, &["read", "Sunny"])), "A day,\nwith sun.");
    let list = node.http.get("/v1/stories?section=local").expect(200).json();
    assert_eq!(list["stories"].as_array().map(Vec::len), Some(2), "{list}");
    let lines = node.folder().join("news.jsonl");
    let text = r#"{"headline": "Élan", "body": "Ça va.", "section": "world"}
{"headline": "Two", "body": "2"}
{"headline": "Three", "body": "3"}
"#;
    fs::write(&lines, text).expect("a file");
    import_twice(&node, &lines, &[], 3);
    assert_eq!(Ended::well(&mut at(&node, &["read", "Élan"])), "Ça va.");
}

#[test]
fn what_two_nodes_import_apart_is_one_when_they_meet() {
    let mut herd = Herd::mesh(2);
    let csv = herd.dir.path().join("news.csv");
    fs::write(&csv, "title,text,url\nSunny,A day.,https://e.org/1\nRainy,Wet.,https://e.org/2\n")
        .expect("a file");
    herd[1].kill9();
    import_twice(&herd[0], &csv, &[], 2);
    herd[0].kill9();
    herd[1].restart();
    import_twice(&herd[1], &csv, &[], 2);
    herd[0].restart();
    for node in &herd.nodes {
        Reader::from_start().until_count(&node.http, 4);
        for title in ["Sunny", "Rainy"] {
            let history = node.http.get(&format!("/v1/stories/{title}/history")).json();
            assert_eq!(history["revisions"].as_array().map(Vec::len), Some(1), "{history}");
            let story = node.http.get(&format!("/v1/stories/{title}")).json();
            assert_eq!(story["conflicts"], serde_json::json!([]));
        }
    }
}

#[test]
fn a_story_is_merged_and_withdrawn_from_the_command_line() {
    let node = Node::alone(Setup::new("hill"));
    let first = node.http.write("Weather", "Sun.\n\nWarm.\n");
    node.http.edit("Weather", &first, "Rain.\n\nWarm.\n");
    let file = node.folder().join("w.txt");
    fs::write(&file, "Sun.\n\nCold.\n").expect("a file");
    let mut merge = at(&node, &["publish", "Weather", "--base", &first, "--conflict", "merge"]);
    Ended::well(merge.arg("--file").arg(&file));
    assert_eq!(Ended::well(&mut at(&node, &["read", "Weather"])), "Rain.\n\nCold.\n");
    let mut withdraw = bellwether();
    withdraw.args(["withdraw", "Weather", "--reason", "All wrong.", "--to", &node.url()]);
    assert_eq!(Ended::well(&mut withdraw).trim_end().len(), 64);
    for words in [&["read", "Weather"][..], &["history", "Weather"], &["publish", "Weather"]] {
        let mut command = at(&node, words);
        let refused = Ended::of(command.stdin(Stdio::null()));
        assert_eq!(refused.status.code(), Some(1));
        assert!(refused.stderr.contains("All wrong."), "{}", refused.stderr);
    }
    assert_eq!(Ended::of(&mut withdraw).status.code(), Some(1));
}

/// A revision of an export.
fn revision(id: u32, author: &str, comment: &str, text: &str) -> String {
    format!(
        "<revision><id>{id}</id><timestamp>2024-01-0{id}T00:00:00Z</timestamp><contributor>\
         <username>{author}</username></contributor><comment>{comment}</comment>\
         <model>wikitext</model><format>text/x-wiki</format>\
         <text xml:space=\"preserve\">{text}</text></revision>"
    )
}

#[test]
fn a_wiki_is_imported_with_all_revisions() {
    let node = Node::alone(Setup::new("hill"));
    let file = node.folder().join("wiki.xml");
    let moon = ["Cheese.", "Rock &amp; dust.", "Rock, dust &lt;and&gt; ice."];
    let moon: String = (1..).zip(moon).map(|(n, text)| revision(n, "Ada", "more", text)).collect();
    let text = format!(
        "<mediawiki xmlns=\"http://www.mediawiki.org/xml/export-0.11/\" version=\"0.11\">\
         <page><title>Moon</title><ns>0</ns><id>1</id>{moon}</page>\
         <page><title>Sun</title><ns>0</ns><id>2</id>{}</page></mediawiki>",
        revision(4, "Bob", "begun", "Hot.")
    );
    fs::write(&file, text).expect("a file");
    import_twice(&node, &file, &[], 4);
    assert_eq!(Ended::well(&mut at(&node, &["read", "Moon"])), "Rock, dust <and> ice.");
    let history = Ended::well(&mut at(&node, &["history", "Moon", "--json"]));
    assert_eq!(history.lines().count(), 3, "{history}");
    let oldest: Value = serde_json::from_str(history.lines().last().unwrap_or_default()).unwrap();
    assert_eq!((&oldest["author"], &oldest["base"]), (&"Ada".into(), &serde_json::json!([])));
    let id = oldest["id"].as_str().expect("an id");
    assert_eq!(Ended::well(&mut at(&node, &["read", "Moon", "--rev", id])), "Cheese.");
}

/// Runs git in a repository, without the settings of whoever runs the test.
fn git(dir: &Path, words: &[&str]) {
    let mut git = Command::new("git");
    git.arg("-C").arg(dir).args(words).env("GIT_CONFIG_GLOBAL", "/dev/null");
    git.env("GIT_CONFIG_SYSTEM", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{who}_NAME"), "Grace")
            .env(format!("GIT_{who}_EMAIL"), "g@example.org");
    }
    Ended::well(&mut git);
}

#[test]
fn a_git_repository_is_imported_with_its_history() {
    let node = Node::alone(Setup::new("hill"));
    let dir = scratch();
    git(dir.path(), &["init", "--quiet"]);
    let commit = |files: &[(&str, &[u8])], message: &str| {
        for (name, bytes) in files {
            fs::write(dir.path().join(name), bytes).expect("a file");
        }
        git(dir.path(), &["add", "--all"]);
        git(dir.path(), &["commit", "--quiet", "--message", message]);
    };
    commit(&[("notes.txt", b"One.\n"), ("a b.md", b"# A\n")], "Begin");
    commit(&[("notes.txt", b"One.\nTwo.\n")], "Add two");
    commit(&[("notes.txt", b"Two.\n"), ("late.txt", b"Late.\n")], "Drop one");
    import_twice(&node, dir.path(), &["--prefix", "repo/"], 5);
    assert_eq!(Ended::well(&mut at(&node, &["read", "repo/notes.txt"])), "Two.\n");
    assert_eq!(Ended::well(&mut at(&node, &["read", "repo/a b.md"])), "# A\n");
    let history = Ended::well(&mut at(&node, &["history", "repo/notes.txt"]));
    let summaries: Vec<bool> = ["Drop one", "Add two", "Begin"]
        .iter()
        .zip(history.lines().skip(1))
        .map(|(summary, row)| row.ends_with(summary) && row.contains("Grace"))
        .collect();
    assert_eq!(summaries, [true; 3], "{history}");
    // What came since is all that the next run publishes.
    commit(&[("late.txt", b"Later.\n")], "Correct");
    let mut command = bellwether();
    command.arg("import").arg(dir.path()).args(["--prefix", "repo/", "--to", &node.url()]);
    let said = Ended::well(&mut command);
    assert!(said.starts_with("accepted 1, duplicate 5, refused 0\n"), "{said}");
}

/// The last field of a node's row in the table: its process.
fn process_of(table: &str, name: &str) -> u32 {
    let row = table.lines().find(|line| line.starts_with(name)).expect("a row");
    row.split_whitespace().last().and_then(|field| field.parse().ok()).expect("a process")
}

/// Three nodes in a line by the `herd` command.
struct Lined {
    process: Process,
    /// As printed when all were ready.
    table: String,
    http: Vec<u16>,
    // Held, so that no other test takes them.
    _ports: [Vec<Port>; 3],
    _dir: std::sync::Arc<tempfile::TempDir>,
}

impl Lined {
    fn start(options: &[&str]) -> Self {
        let dir = scratch();
        let [http, line, peer] = [(); 3].map(|()| Port::block(3));
        let mut command = bellwether();
        command.args(["herd", "--nodes", "3", "--topology", "line", "--dir"]).arg(dir.path());
        command.args(options);
        for (option, ports) in
            [("--http-base", &http), ("--line-base", &line), ("--peer-base", &peer)]
        {
            command.args([option, &ports[0].number.to_string()]);
        }
        let process = Process::start(command.stdin(Stdio::null()));
        let table = process.stdout.wait(|text| text.ends_with("ready herd\n")).expect("a herd");
        let numbers = http.iter().map(|port| port.number).collect();
        Self { process, table, http: numbers, _ports: [http, line, peer], _dir: dir }
    }

    fn client(&self, node: usize) -> Client {
        Client::new(self.http[node])
    }

    /// Waits until all links of a node are up.
    fn await_links(&self, node: usize) {
        let (client, count) = (self.client(node), if node == 1 { 2 } else { 1 });
        await_that("its links", || {
            let view = client.get("/v1/herd").expect(200).json();
            let links = view["links"].as_array().expect("a list of links");
            let up = links.iter().filter(|link| link["state"] == "up").count();
            if up == count { Ok(()) } else { Err(view.to_string()) }
        });
    }

    /// Kills the node in the middle; what the herd says until it is back.
    fn kill_second(&mut self) -> String {
        signal(process_of(&self.table, "node2"), "KILL");
        let said = self.process.stderr.wait(|text| text.contains("node2 is back, as process "));
        said.expect("node2 is started again")
    }
}

#[test]
fn a_herd_starts_a_node_that_died_again_and_drains_when_told_to() {
    let mut herd = Lined::start(&[]);
    let table = herd.table.clone();
    assert_eq!(table.lines().count(), 5, "{table}");
    for (node, http) in herd.http.iter().enumerate() {
        let name = format!("node{}", node + 1);
        let row = table.lines().find(|line| line.starts_with(&name)).expect("a row");
        assert!(row.contains(&format!("http://127.0.0.1:{http}")), "{table}");
    }
    let id = herd.client(0).write("before", "x");
    Reader::from_start().until_ids(&herd.client(2), &[&id]);
    let said = herd.kill_second();
    assert!(
        said.contains("herd: node2 died (signal: 9 (SIGKILL)); starting it again in "),
        "{said}"
    );
    // The links over it come up again, too.
    let after = herd.client(0).write("after", "y");
    for node in [1, 2] {
        Reader::from_start().until_ids(&herd.client(node), &[&id, &after]);
    }
    herd.process.signal("TERM");
    assert_eq!(herd.process.await_end().code(), Some(0));
    for http in herd.http {
        assert!(Client::new(http).try_get("/healthz").is_err(), "a node lives on");
    }
}

#[test]
fn a_herd_that_does_not_catch_up_forgets_what_a_node_that_died_knew() {
    let mut herd = Lined::start(&["--no-catch-up"]);
    (0..3).for_each(|node| herd.await_links(node));
    let id = herd.client(0).write("before", "x");
    Reader::from_start().until_ids(&herd.client(2), &[&id]);
    herd.kill_second();
    let second = herd.client(1);
    herd.await_links(1);
    let after = herd.client(0).write("after", "y");
    await_that("what is new", || match second.get("/v1/stories/after").status {
        200 => Ok(()),
        other => Err(other.to_string()),
    });
    second.get("/v1/stories/before").expect(404);
    Reader::from_start().until_ids(&herd.client(2), &[&id, &after]);
}
