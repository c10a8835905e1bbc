//! Numbers that stand: after a restart, a crash, the loss of the index, a withdrawal.

use super::{Talk, id_in, node, with_nntp, write};
use crate::harness::{Herd, Node, Port, Setup, await_that};

/// All numbers of a group with their ids.
fn numbers(port: &Port, group: &str) -> (String, Vec<String>) {
    let mut talk = Talk::open(port);
    let marks = talk.expect(211, &format!("GROUP {group}"));
    let lines = talk.list(225, "HDR Message-ID 1-");
    (marks, lines)
}

fn fill(node: &Node, from: usize, to: usize) {
    for n in from..to {
        let section = if n % 3 == 0 { "sport" } else { "world" };
        write(node, &format!("s{n}"), section, &format!("headline {n}"), "x");
    }
}

#[test]
fn numbers_are_the_same_after_a_restart_a_crash_and_the_loss_of_the_index() {
    let (mut node, port) = node(Setup::new("Hill"));
    fill(&node, 0, 12);
    let before = numbers(&port, "world");
    assert_eq!(before.0, "211 8 1 8 world");
    node.stop();
    node.restart();
    assert_eq!(numbers(&port, "world"), before);
    fill(&node, 12, 24);
    let before = [numbers(&port, "world"), numbers(&port, "sport")];
    node.kill9();
    node.restart();
    let after = || [numbers(&port, "world"), numbers(&port, "sport")];
    await_that("the numbers of before the crash", || {
        let after = after();
        if after == before { Ok(()) } else { Err(format!("{after:?} for {before:?}")) }
    });
    node.stop();
    std::fs::remove_file(node.store().join("index.redb")).expect("an index");
    node.restart();
    await_that("the numbers of before the loss", || {
        let mut talk = Talk::open(&port);
        let line = talk.ask("GROUP sport");
        if line == before[1].0 { Ok(()) } else { Err(line) }
    });
    assert_eq!(after(), before);
}

#[test]
fn what_is_withdrawn_is_gone_and_its_number_is_given_to_nobody() {
    let (mut node, port) = node(Setup::new("Hill"));
    fill(&node, 1, 3);
    let mut talk = Talk::open(&port);
    assert_eq!(talk.expect(211, "GROUP world"), "211 2 1 2 world");
    let second = talk.expect(223, "STAT 2");
    node.http.delete("/v1/stories/s2").expect(200);
    talk.expect(423, "ARTICLE 2");
    talk.expect(430, &format!("ARTICLE {}", id_in(&second)));
    assert_eq!(talk.list(224, "OVER 1-").len(), 1);
    assert_eq!(talk.expect(211, "GROUP world"), "211 1 1 2 world");
    assert_eq!(talk.list(211, "LISTGROUP"), ["1"]);
    node.http.delete("/v1/stories/s1").expect(200);
    assert_eq!(talk.expect(211, "GROUP world"), "211 0 3 2 world");
    talk.expect(420, "ARTICLE");
    talk.expect(423, "OVER 1-");
    write(&node, "s4", "world", "headline 4", "x");
    assert_eq!(talk.expect(211, "GROUP world"), "211 1 3 3 world");
    // The log tells no more of which section it was: numbers go up, never down.
    node.stop();
    std::fs::remove_file(node.store().join("index.redb")).expect("an index");
    node.restart();
    await_that("higher numbers", || {
        let line = Talk::open(&port).ask("GROUP world");
        let high = line.split(' ').nth(3).and_then(|high| high.parse::<u64>().ok());
        if high.is_some_and(|high| high >= 3) { Ok(()) } else { Err(line) }
    });
}

#[test]
fn what_is_new_is_told_by_when_it_came_here() {
    let (node, port) = node(Setup::new("Hill"));
    fill(&node, 0, 6);
    let mut talk = Talk::open(&port);
    let now = talk.expect(111, "DATE")[4..].to_owned();
    let (date, time) = now.split_at(8);
    let all = talk.list(230, &format!("NEWNEWS * {} 000000 GMT", &date[2..]));
    assert!(all.len() == 6 || time < "000100", "{all:?}");
    let yesterday = "20260101 000000 GMT";
    assert_eq!(talk.list(230, &format!("NEWNEWS sport {yesterday}")).len(), 2);
    assert_eq!(talk.list(230, &format!("NEWNEWS *,!sport {yesterday}")).len(), 4);
    assert_eq!(talk.list(230, "NEWNEWS * 99991231 235959 GMT"), [""; 0]);
    assert_eq!(talk.list(231, &format!("NEWGROUPS {yesterday}")).len(), 2);
    assert_eq!(talk.list(231, "NEWGROUPS 99991231 235959 GMT"), [""; 0]);
    let ids = talk.list(230, &format!("NEWNEWS sport {yesterday}"));
    for id in ids {
        talk.expect(223, &format!("STAT {id}"));
    }
}

#[test]
fn each_node_counts_for_itself_and_articles_are_the_same() {
    let ports = [Port::take(), Port::take()];
    let numbers_of = |setup: Setup| {
        let at = usize::from(setup.name == "node2");
        with_nntp(setup, ports[at].number)
    };
    let herd = Herd::mesh_of(2, numbers_of);
    fill(&herd[0], 0, 4);
    herd.settle();
    fill(&herd[1], 4, 8);
    herd.settle();
    let sorted = |port: &Port| {
        let (_, lines) = numbers(port, "world");
        let mut ids: Vec<String> = lines.iter().map(|line| id_in(line).to_owned()).collect();
        ids.sort_unstable();
        ids
    };
    await_that("all articles at both nodes", || {
        let both = [sorted(&ports[0]), sorted(&ports[1])];
        if both[0].len() == 5 && both[0] == both[1] { Ok(()) } else { Err(format!("{both:?}")) }
    });
    let id = &sorted(&ports[0])[0];
    let bodies = [0, 1].map(|at: usize| Talk::open(&ports[at]).list(222, &format!("BODY {id}")));
    assert_eq!(bodies[0], bodies[1]);
}
