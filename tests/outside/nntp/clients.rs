//! Newsreaders that others wrote: pynntp, slrn and slrnpull, tin. What one node was given by any of
//! them is read by all of them at another.

use super::{Talk, id_in, node, with_nntp, write};
use crate::guests::{client, said, said_to};
use crate::harness::{Ended, Herd, Port, Setup, await_that};
use crate::telnet::Person;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Two nodes with a story in the section `world`.
fn herd(ports: &[Port; 2]) -> Herd {
    let herd = Herd::mesh_of(2, |setup| {
        let at = usize::from(setup.name == "node2");
        with_nntp(setup, ports[at].number)
    });
    write(&herd[0], "first", "world", "Grüße", "Line one\n.dot\nüml");
    herd.settle();
    herd
}

/// Waits until a node has so many articles in the group `world`.
fn await_articles(port: &Port, count: u64) {
    await_that("articles", || {
        let line = Talk::open(port).ask("GROUP world");
        if line.starts_with(&format!("211 {count} ")) { Ok(()) } else { Err(line) }
    });
}

fn words<'a>(port: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&[port][..], rest].concat()
}

#[test]
fn pynntp_lists_reads_and_posts() {
    let ports = [Port::take(), Port::take()];
    let herd = herd(&ports);
    let [here, there] = [0, 1].map(|at: usize| ports[at].number.to_string());
    let groups = said("newsreader", &words(&here, &["groups"]));
    assert_eq!(groups[0]["group"], "world");
    let posted = said_to("newsreader", &words(&here, &["post", "world", "Floods"]), b"High.\n.x\n");
    let id = posted[0]["posted"].as_str().expect("an id");
    herd.settle();
    await_articles(&ports[1], 2);
    let read = said("newsreader", &words(&there, &["read", "world"]));
    let by_subject = |subject: &str| {
        let found = read.iter().find(|one| one["overview"]["Subject"] == subject);
        found.unwrap_or_else(|| panic!("no {subject} in {read:?}"))
    };
    assert_eq!(by_subject("Floods")["id"], id);
    assert_eq!(Talk::open(&ports[1]).list(222, &format!("BODY {id}")), ["High.", ".x"]);
    let first = read.iter().find(|one| one["id"] != id).expect("another");
    // It gives lines that begin with a dot twice.
    let body = first["body"].as_str().expect("a body");
    assert!(body.starts_with("Line one\r\n.dot\r\n") && body.ends_with("üml\r\n"), "{body}");
    let new = said("newsreader", &words(&there, &["new", "w*"]));
    assert!(new.iter().any(|one| one["id"] == id), "{new:?}");
    let stories = herd[1].http.get("/v1/stories?section=world").json();
    let headlines = |story: &Value| story["headline"] == "Floods";
    assert!(stories["stories"].as_array().expect("stories").iter().any(headlines), "{stories}");
    let refused = Ended::of(&mut client("newsreader", &words(&here, &["post", "nowhere", "x"])));
    assert!(refused.stdout.contains("\"error\": 441"), "{refused:?}");
}

#[test]
fn pynntp_signs_in_when_it_is_told_to() {
    let (node, port) = node(Setup::new("Hill").more("[accounts]\nopen = false\n"));
    let token = node.token("bob", "write");
    let port = port.number.to_string();
    let post = ["--user", "bob", "--password", &token, &port, "post", "world", "x"];
    let ended = Ended::of(&mut client("newsreader", &post));
    // There is no story yet, and so no group: but who asks was let in.
    assert!(ended.stdout.contains("\"error\": 441"), "{ended:?}");
    let wrong = ["--user", "bob", "--password", "wrong", &port, "post", "world", "x"];
    let ended = Ended::of(&mut client("newsreader", &wrong));
    assert!(ended.stdout.contains("\"error\": 481"), "{ended:?}");
}

/// Runs slrnpull, which posts what waits and fetches what is new.
fn slrnpull(spool: &Path, port: &Port) {
    let mut command = Command::new("slrnpull");
    command.arg("-d").arg(spool).arg("-h").arg(format!("127.0.0.1:{}", port.number));
    let ended = Ended::of(&mut command);
    assert!(ended.status.success(), "{ended:?}");
}

/// The articles in a folder, by number.
fn articles(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let is_number = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut paths: Vec<PathBuf> = paths.filter(is_number).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).expect("an article in UTF-8")).collect()
}

#[test]
fn slrnpull_posts_what_waits_and_fetches_what_is_new() {
    let ports = [Port::take(), Port::take()];
    let herd = herd(&ports);
    let spool = herd.dir.path().join("spool");
    std::fs::create_dir_all(spool.join("out.going")).expect("a writable folder");
    std::fs::write(spool.join("slrnpull.conf"), "world 0 0\n").expect("a writable folder");
    let post = "From: Slrn <slrn@example.org>\nNewsgroups: world\nSubject: By slrn\n\nA line.\n";
    std::fs::write(spool.join("out.going/X1"), post).expect("a writable folder");
    slrnpull(&spool, &ports[0]);
    herd.settle();
    for port in &ports {
        await_articles(port, 2);
    }
    slrnpull(&spool, &ports[0]);
    let fetched = articles(&spool.join("news/world"));
    assert_eq!(fetched.len(), 2, "{fetched:?}");
    assert!(fetched[0].ends_with("\n\nLine one\n.dot\nüml\n"), "{fetched:?}");
    assert!(fetched[1].contains("Subject: By slrn\n") && fetched[1].ends_with("\n\nA line.\n"));
    let id = fetched[1].lines().find(|line| line.starts_with("Message-ID: ")).expect("an id");
    Talk::open(&ports[1]).expect(223, &format!("STAT {}", id_in(id)));
}

#[test]
fn tin_saves_what_is_unread() {
    let ports = [Port::take(), Port::take()];
    let herd = herd(&ports);
    write(&herd[0], "second", "world", "Second", "x");
    herd.settle();
    await_articles(&ports[1], 2);
    let home = herd.dir.path().join("home");
    std::fs::create_dir_all(home.join("News")).expect("a writable folder");
    std::fs::write(home.join("newsrc"), "world: \n").expect("a writable folder");
    let port = ports[1].number.to_string();
    let mut command = Command::new("tin");
    command.args(["-n", "-Q", "-S", "-v", "-g", "127.0.0.1", "-p", &port, "-f"]);
    command.arg(home.join("newsrc")).arg("-s").arg(home.join("News"));
    command.env("HOME", &home).env("TERM", "dumb").env("LC_ALL", "C.UTF-8");
    let ended = Ended::of(&mut command);
    let saved = articles(&home.join("News/world"));
    assert_eq!(saved.len(), 2, "{ended:?}");
    assert!(saved.iter().any(|article| article.contains("Line one")), "{saved:?}");
}

/// A folder for slrn: who is there, one group, and an editor that adds a line to what it is given.
fn slrn_home(home: &Path) {
    std::fs::create_dir_all(home).expect("a writable folder");
    let editor = home.join("editor");
    std::fs::write(&editor, "#!/bin/sh\nprintf 'So it did.\\n' >>\"$1\"\n").expect("a folder");
    std::fs::set_permissions(&editor, PermissionsExt::from_mode(0o755)).expect("our own file");
    let slrnrc = format!(
        "set editor_command \"{} '%s'\"\nset confirm_actions 0\nset username \"sally\"\n\
         set realname \"Sally\"\nset hostname \"client.example\"\n",
        editor.display()
    );
    std::fs::write(home.join("slrnrc"), slrnrc).expect("a folder");
    std::fs::write(home.join("newsrc"), "world:\n").expect("a folder");
}

#[test]
fn slrn_lists_a_group_opens_an_article_and_follows_up() {
    let ports = [Port::take(), Port::take()];
    let herd = herd(&ports);
    let first = write(&herd[0], "high", "world", "High water", "The river rose.\n");
    herd.settle();
    await_articles(&ports[0], 2);
    let home = herd.dir.path().join("home");
    slrn_home(&home);
    let mut sally = Person::with("slrn", &ports[0], &[&home.to_string_lossy()]);
    sally.sees("2  world").types("\r");
    // The second of the list.
    sally.sees("High water").types("\u{e}\r").sees("The river rose.");
    sally.types("f").sees("Post the message?").types("y").sees("...done.");
    sally.types("q").sees("News Groups: 127.0.0.1").types("q").ends();
    for port in &ports {
        await_articles(port, 3);
    }
    let mut talk = Talk::open(&ports[1]);
    talk.expect(211, "GROUP world");
    let over = talk.list(224, "OVER 3");
    let over: Vec<&str> = over[0].split('\t').collect();
    assert_eq!(over[1..3], ["Re: High water", "Sally <sally@client.example>"]);
    assert_eq!(over[5], format!("<{first}@bellwether.invalid>"), "it refers to what was read");
    let body = talk.list(222, "BODY 3");
    assert_eq!(body[body.len() - 1], "So it did.", "{body:?}");
    assert!(body.iter().any(|line| line == "> The river rose."), "{body:?}");
    let stories = herd[1].http.get("/v1/stories?section=world").json();
    assert_eq!(stories["stories"][0]["headline"], "Re: High water", "{stories}");
    // She finds hers when she comes again, and has read the other.
    let mut sally = Person::with("slrn", &ports[1], &[&home.to_string_lossy()]);
    sally.sees("2  world").types("\r").sees("Sally").types("q").sees("News Groups");
    sally.types("q").ends();
}
