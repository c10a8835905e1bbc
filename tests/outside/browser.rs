//! The pages in a real browser, over real nodes: `tests/clients/browser` says what each case does.

use crate::guests::{client, shots};
use crate::harness::{Herd, Node, Process, Setup};
use serde_json::Value;
use std::io::Write;
use std::process::Stdio;

/// Runs a case to its end; `act` does to the nodes what the case asks for.
fn run(case: &str, arguments: &[&str], mut act: impl FnMut(&str)) {
    let shots = shots();
    let arguments = [&[case, shots.to_str().expect("UTF-8")], arguments].concat();
    let mut browser = Process::start(client("browser", &arguments).stdin(Stdio::piped()));
    let mut input = browser.input();
    let mut done = 0;
    loop {
        // Each wait is for the next thing that the case does, and bounded.
        let came = browser.stdout.wait(|out| out.matches('\n').count() > done);
        let Ok(said) = came else { break };
        let line = said.lines().nth(done).expect("a line").to_owned();
        done += 1;
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        if let Some(what) = said["do"].as_str() {
            act(what);
            input.write_all(b"done\n").expect("a pipe");
        } else if said["passed"] == case {
            break;
        }
    }
    drop(input);
    let end = browser.await_end();
    assert!(end.success(), "{case}: {}{}", browser.stdout.text(), browser.stderr.text());
}

fn nothing(what: &str) {
    panic!("nobody asks for {what} here");
}

const READ: &str = "The quick brown fox jumps over the lazy dog.\n\nIt was *seen* by \
                    [many](/changes), at length.\n\n- one\n- two\n";

fn write(node: &Node, target: &str, body: &str) -> String {
    let path = format!("/v1/stories/{target}");
    node.http.put_as(&path, "text/markdown", body).member("id")
}

#[test]
fn a_reader_in_a_browser_sees_an_edit_of_another_node() {
    let herd = Herd::mesh(2);
    write(&herd[0], "read", READ);
    herd.settle();
    run("live", &[&herd[0].url(), &herd[1].url()], nothing);
}

#[test]
fn two_editors_in_browsers_lose_nothing_of_each_other() {
    let node = Node::alone(Setup::new("Hill"));
    write(&node, "shared", "One.\n\nTwo.\n\nThree.\n");
    run("conflict", &[&node.url()], nothing);
}

#[test]
fn what_is_typed_in_a_browser_outlives_the_node() {
    let mut node = Node::alone(Setup::new("Hill"));
    let url = node.url();
    run("death", &[&url], |what| match what {
        "kill" => node.kill9(),
        "start" => node.restart(),
        other => nothing(other),
    });
}

#[test]
fn without_script_one_signs_in_reads_and_writes() {
    let node = Node::alone(Setup::new("Hill").more("[accounts]\nopen = false\n"));
    node.run_well(&["account", "add", "ann", "--scope", "read,write,withdraw"], "a long secret\n");
    run("plain", &[&node.url(), "ann", "a long secret"], nothing);
}

#[test]
fn the_keyboard_alone_writes_a_story() {
    let node = Node::alone(Setup::new("Hill"));
    run("keyboard", &[&node.url()], nothing);
}

#[test]
fn the_pages_are_sound_small_and_narrow() {
    let node = Node::alone(Setup::new("Hill"));
    let fields =
        "headline=A%20quick%20brown%20fox%2C%20and%20what%20became%20of%20it&section=World";
    let first =
        write(&node, &format!("read?{fields}&author=Ann&summary=As%20it%20was%20seen"), READ);
    let text = READ.replace("lazy", "sleeping");
    let second = write(&node, &format!("read?base={first}&{fields}&author=Bob"), &text);
    let long = format!("unbroken?section=World&headline={}", "unbroken".repeat(40));
    write(&node, &long, &"unbroken".repeat(200));
    write(
        &node,
        "arabic?language=ar&headline=%D8%AE%D8%A8%D8%B1&section=Culture",
        "\u{62e}\u{628}\u{631}",
    );
    write(&node, "clash", "As it was.\n\nThe rest stays.\n");
    let fork = write(&node, "forked", "one\n\ntwo\n");
    write(&node, &format!("forked?base={fork}"), "ONE\n\ntwo\n");
    write(&node, &format!("forked?base={fork}&conflict=keep"), "one\n\nTWO\n");
    let diff = format!("/stories/read/diff?a={first}&b={second}");
    run("look", &[&node.url(), &diff], nothing);
}

#[test]
fn the_panel_is_sound_and_kept_fresh_only_while_it_is_seen() {
    let mut herd = Herd::mesh(2);
    let id = write(&herd[0], "read", READ);
    herd.settle();
    // So that there is something to say of who is over a limit.
    herd[0].http.get(&format!("/{}", "x".repeat(5_000))).expect(414);
    let url = herd[0].url();
    run("panel", &[&url, &id], |what| match what {
        "kill" => herd[1].kill9(),
        other => nothing(other),
    });
}

#[test]
fn a_page_subscribes_and_publishes_over_a_socket_and_a_page_of_another_site_gets_none() {
    let (node, other) = (Node::alone(Setup::new("Hill")), Node::alone(Setup::new("Dale")));
    run("socket", &[&node.url(), &other.url()], nothing);
}

#[test]
fn nothing_that_is_typed_runs_in_a_browser() {
    let node = Node::alone(Setup::new("Hill"));
    run("inject", &[&node.url()], nothing);
}
