//! What people post, and who may.

use super::{Talk, id_in, node, with_nntp, write};
use crate::harness::{Herd, Node, Port, Setup, await_that};

const ARTICLE: &str = "From: Ann <ann@example.org>\nNewsgroups: world\nSubject: Floods\n\n\
    The river is high.\n..\nSo is the lake.";

#[test]
fn a_post_is_a_story_at_every_node_and_its_article_at_each() {
    let ports = [Port::take(), Port::take()];
    let herd = Herd::mesh_of(2, |setup| {
        let at = usize::from(setup.name == "node2");
        with_nntp(setup, ports[at].number)
    });
    write(&herd[0], "first", "world", "First", "x");
    herd.settle();
    let mut talk = Talk::open(&ports[0]);
    let said = talk.post(ARTICLE);
    assert!(said.starts_with("240 "), "{said}");
    let id = id_in(&said).to_owned();
    assert_eq!(talk.expect(211, "GROUP world"), "211 2 1 2 world");
    herd.settle();
    let found = herd[1].http.get("/v1/stories?section=world").json();
    let floods = found["stories"].as_array().expect("stories").iter();
    let floods: Vec<_> = floods.filter(|story| story["headline"] == "Floods").collect();
    assert_eq!(floods.len(), 1, "{found}");
    await_that("the article at the other node", || {
        let line = Talk::open(&ports[1]).ask(&format!("STAT {id}"));
        if line.starts_with("223 ") { Ok(()) } else { Err(line) }
    });
    let body = Talk::open(&ports[1]).list(222, &format!("BODY {id}"));
    assert_eq!(body, ["The river is high.", ".", "So is the lake."]);
    let again = format!("Message-ID: {id}\n{ARTICLE}");
    let said = talk.post(&again);
    assert!(said.starts_with("441 "), "{said}");
}

#[test]
fn a_post_that_was_answered_outlives_a_crash() {
    let (mut node, port) = node(Setup::new("Hill"));
    write(&node, "first", "world", "First", "x");
    let said = Talk::open(&port).post(ARTICLE);
    assert!(said.starts_with("240 "), "{said}");
    node.kill9();
    node.restart();
    await_that("the article after the crash", || {
        let line = Talk::open(&port).ask(&format!("STAT {}", id_in(&said)));
        if line.starts_with("223 ") { Ok(()) } else { Err(line) }
    });
}

#[test]
fn what_can_not_be_posted_is_441_and_says_why() {
    let (node, port) = node(Setup::new("Hill").limit("story_bytes", 2048));
    write(&node, "first", "world", "First", "x");
    let mut talk = Talk::open(&port);
    let large = format!("{ARTICLE}\n{}", "x".repeat(60_000));
    for bad in [
        "From: a@b.example\nNewsgroups: nowhere\nSubject: x\n\nx",
        "From: a@b.example\nSubject: x\n\nx",
        "Newsgroups: world\nSubject: x\n\nx",
        "no header\n\nx",
        "",
        &large,
    ] {
        let said = talk.post(bad);
        assert!(said.starts_with("441 ") && said.len() > 8, "{said}");
    }
    assert_eq!(talk.expect(211, "GROUP world"), "211 1 1 1 world");
    let said = talk.post(ARTICLE);
    assert!(said.starts_with("240 "), "{said}");
    // One cut short is nothing.
    talk.expect(340, "POST");
    talk.send(ARTICLE.replace('\n', "\r\n"));
    drop(talk);
    let mut talk = Talk::open(&port);
    assert_eq!(talk.expect(211, "GROUP world"), "211 2 1 2 world");
}

#[test]
fn who_may_not_write_signs_in_first_and_a_revoked_token_is_no_good() {
    let (node, port) = node(Setup::new("Hill").more("[accounts]\nopen = false\n"));
    node.run_well(&["account", "add", "ann"], "a long password\n");
    let token = node.token("bob", "write");
    let mut talk = Talk::open(&port);
    talk.expect(480, "POST");
    talk.expect(482, "AUTHINFO PASS x");
    for (name, password) in [("ann", "wrong"), ("nobody", "a long password"), ("ann", &token[..])] {
        talk.expect(381, &format!("AUTHINFO USER {name}"));
        talk.expect(481, &format!("AUTHINFO PASS {password}"));
    }
    talk.expect(381, "AUTHINFO USER ann");
    talk.expect(281, "AUTHINFO PASS a long password");
    talk.expect(502, "AUTHINFO USER ann");
    let can = talk.list(101, "CAPABILITIES");
    assert!(can.iter().all(|line| !line.starts_with("AUTHINFO")), "{can:?}");
    let said = talk.post(ARTICLE);
    assert!(said.starts_with("441 "), "there is no such group: {said}");
    let mut bob = Talk::open(&port);
    bob.expect(381, "AUTHINFO USER bob");
    bob.expect(281, &format!("AUTHINFO PASS {token}"));
    assert!(bob.post(ARTICLE).starts_with("441 "));
    node.revoke_token("bob");
    bob.expect(480, "POST");
    bob.expect(381, "AUTHINFO USER ann");
    bob.expect(281, "AUTHINFO PASS a long password");
}

#[test]
fn a_browser_that_was_led_here_posts_nothing() {
    let (node, port) = node(Setup::new("Hill"));
    write(&node, "first", "world", "First", "x");
    for target in ["/".to_owned(), format!("/{}", "x".repeat(5_000))] {
        let mut talk = Talk::open(&port);
        let article = ARTICLE.replace('\n', "\r\n");
        let head = format!("POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        talk.send(format!("{head}POST\r\n{article}\r\n.\r\n"));
        let said = String::from_utf8_lossy(&talk.rest()).into_owned();
        assert!(
            said.contains("400 HTTP is not spoken here\r\n") && !said.contains("340 "),
            "{said}"
        );
    }
    let found = node.http.get("/v1/stories?section=world").json();
    assert_eq!(found["stories"].as_array().map(Vec::len), Some(1), "{found}");
}

#[test]
fn a_cancel_that_is_posted_withdraws() {
    let (node, port) = node(Setup::new("Hill"));
    write(&node, "first", "world", "First", "x");
    let mut talk = Talk::open(&port);
    let said = talk.post(ARTICLE);
    assert!(said.starts_with("240 "), "{said}");
    let id = id_in(&said).to_owned();
    let title = title_of(&node, "Floods");
    node.http.get(&title).expect(200);
    let said = talk.post(&format!(
        "From: Ann <ann@example.org>\nNewsgroups: world\nSubject: cmsg cancel {id}\n\
         Control: cancel {id}\n\nIt was wrong."
    ));
    assert!(said.starts_with("240 "), "{said}");
    node.http.get(&title).expect(410);
    talk.expect(430, &format!("STAT {id}"));
}

/// Where HTTP has the story in the section `world` with this headline.
fn title_of(node: &Node, headline: &str) -> String {
    let found = node.http.get("/v1/stories?section=world").expect(200).json();
    let mut stories = found["stories"].as_array().expect("stories").iter();
    let story = stories.find(|story| story["headline"] == headline).expect("the story");
    let title = story["title"].as_str().expect("a title");
    format!("/v1/stories/{}", title.replace('<', "%3C").replace('>', "%3E"))
}
