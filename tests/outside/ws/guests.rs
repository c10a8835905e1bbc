//! Other people's programs: the cases of Autobahn's test suite, `websockets` of Python, npm's `ws`,
//! websocat.

use crate::guests::{installed, said, said_to, values};
use crate::harness::{Node, Setup};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

fn url(node: &Node, path: &str) -> String {
    format!("ws://127.0.0.1:{}{path}", node.http_port())
}

/// Of groups 12 and 13, which send a thousand messages each, one case of each kind, and none of
/// those that stop kosoku itself: it takes their texts for bytes.
#[test]
fn the_cases_of_the_autobahn_testsuite_are_passed_strictly() {
    let node = Node::alone(Setup::new("Hill"));
    let cases = [
        "1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.1.*", "9.2.*", "9.3.*", "9.4.*",
        "9.5.*", "9.6.*", "9.7.*", "9.8.*", "10.*", "12.2.5", "12.3.5", "12.4.11", "13.3.3",
        "13.4.5", "13.5.3", "13.6.4", "13.7.5",
    ];
    let target = url(&node, "/v1/ws/echo");
    let found = said("ws_cases", &[&[&target[..]], &cases[..]].concat());
    assert!(found.len() > 300, "{} cases", found.len());
    let is_well = |label: &Value| label == "OK" || label == "INFORMATIONAL";
    let bad: Vec<&Value> = found
        .iter()
        .filter(|case| !(is_well(&case["behavior"]) && is_well(&case["close"])))
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
}

/// A client subscribes to a topic, publishes there and as a story, and hears of both.
fn subscribes_and_publishes(name: &str, options: &[&str]) {
    let node =
        Node::alone(Setup::new("Hill").durability("none").more("[accounts]\nopen = false\n"));
    let token = node.token("ann", "write");
    let url = url(&node, "/v1/ws");
    let arguments = [options, &["--token", &token, &url]].concat();
    let body = "again and again ".repeat(40);
    let lines = [
        json!({"op": "subscribe", "sub": "t", "topic": "t"}),
        json!({"op": "subscribe", "sub": "s", "topic": "stories", "section": "World"}),
        json!({"op": "publish", "ref": 1, "topic": "t", "body": body}),
        json!({"op": "publish", "ref": 2, "title": "a", "section": "World", "body": "\u{1f40f}"}),
        json!({"op": "nonsense", "ref": 3}),
    ];
    let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
    let said = said_to(name, &arguments, lines.concat().as_bytes());
    let extensions = said[0]["open"].as_str().unwrap_or_default();
    assert_eq!(extensions.contains("permessage-deflate"), options.is_empty(), "{said:?}");
    assert_eq!(said.last(), Some(&json!({"closed": 1000})));
    let texts = said.iter().filter_map(|value| value["text"].as_str());
    let heard: Vec<Value> = texts.map(|text| serde_json::from_str(text).expect("JSON")).collect();
    let of = |event: &str| -> Vec<&Value> {
        heard.iter().filter(|said| said["event"] == event).collect()
    };
    let (acks, updates, errors) = (of("ack"), of("update"), of("error"));
    assert_eq!((acks.len(), updates.len(), errors.len()), (2, 2, 1), "{heard:?}");
    for (at, sub) in ["t", "s"].iter().enumerate() {
        assert_eq!(acks[at]["ref"], at + 1);
        assert_eq!(
            (&updates[at]["sub"], &updates[at]["update"]["id"]),
            (&json!(sub), &acks[at]["id"])
        );
    }
    assert_eq!(updates[0]["update"]["body"], body);
    assert_eq!(updates[1]["update"]["author"], "ann");
    assert_eq!((&errors[0]["ref"], &errors[0]["problem"]["status"]), (&json!(3), &json!(422)));
}

#[test]
fn websockets_of_pypi_subscribes_and_publishes() {
    subscribes_and_publishes("ws_python", &[]);
    subscribes_and_publishes("ws_python", &["--plain"]);
}

#[test]
fn ws_of_npm_subscribes_and_publishes() {
    subscribes_and_publishes("ws_node", &[]);
    subscribes_and_publishes("ws_node", &["--plain"]);
}

#[test]
fn websocat_is_sent_its_lines_back_and_reads_the_archive() {
    let node = Node::alone(Setup::new("Hill"));
    let websocat = |path: &str, options: &[&str], input: &str| {
        let mut command = Command::new(installed("venv/bin/websocat"));
        command.args(options).arg(url(&node, path));
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("its end");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let lines = "one\ntwo \u{e9}\n";
    assert_eq!(websocat("/v1/ws/echo", &["--no-close", "--max-messages-rev", "2"], lines), lines);
    node.http.write("a", "0");
    let ask = "{\"op\": \"subscribe\", \"sub\": 1, \"after\": \"0\"}\n";
    let heard = websocat("/v1/ws", &["--no-close", "--max-messages-rev", "1"], ask);
    let update = &values(&heard)[0];
    assert_eq!((&update["event"], &update["update"]["title"]), (&json!("update"), &json!("a")));
}
