//! What is published by any protocol at one node is read by every other protocol at another.

use crate::harness::{Ended, Herd, Node, Port, Stream, await_that, bellwether};
use crate::{nntp, telnet, ws};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const BODIES: [&str; 5] = ["By HTTP.", "By a socket.", "At a console.", "By a post.", "By a call."];

/// A node's listeners beside HTTP and the line protocol.
struct Doors {
    telnet: Port,
    nntp: Port,
    pb: Port,
}

impl Doors {
    fn take() -> Self {
        Self { telnet: Port::take(), nntp: Port::take(), pb: Port::take() }
    }

    fn toml(&self) -> String {
        let listen = |protocol, port: &Port| {
            let number = port.number;
            format!("[[listen]]\nprotocol = \"{protocol}\"\nendpoint = \"tcp:{number}\"\n")
        };
        let Self { telnet, nntp, pb } = self;
        [listen("telnet", telnet), listen("nntp", nntp), listen("pb", pb)].concat()
    }

    /// What a method of the root object answers.
    fn call(&self, words: &[&str]) -> Value {
        let mut command = bellwether();
        let server = format!("127.0.0.1:{}", self.pb.number);
        let said = Ended::well(command.arg("pb").args(words).args(["--server", &server]));
        serde_json::from_str(said.lines().next().expect("a line")).expect("JSON")
    }
}

fn publish_by_each(node: &Node, doors: &Doors) {
    let story = json!({"headline": "H", "section": "sky", "body": BODIES[0]}).to_string();
    node.http.put_as("/v1/stories/http", "application/json", &story).expect(201);
    let mut socket = ws::Peer::open(node.http_port(), "/v1/ws", "");
    let publish = json!({"op": "publish", "ref": 1, "title": "ws", "section": "sky",
                         "body": BODIES[1]});
    let said = socket.say(&publish).json();
    assert_eq!(said["event"], "ack", "{said}");
    let mut person = telnet::Person::with("telnet", &doors.telnet, &[]);
    person.asks("publish telnet").sees("Headline: ").types("H\r");
    person.sees("Section: ").types("sky\r").sees("  1> ").types(&format!("{}\r", BODIES[2]));
    person.sees("  2> ").types(".\r").sees("Published: telnet.");
    let article =
        format!("From: Ann <ann@example.org>\nNewsgroups: sky\nSubject: H\n\n{}", BODIES[3]);
    let said = nntp::Talk::open(&doors.nntp).post(&article);
    assert!(said.starts_with("240 "), "{said}");
    let made = doors.call(&["publish", "pb", BODIES[4], "section=sky"]);
    assert_eq!(made["title"], "pb", "{made}");
}

/// The titles in the section, once all five are there.
fn titles(node: &Node) -> Vec<String> {
    await_that("all stories at the other node", || {
        let found = node.http.get("/v1/stories?section=sky").expect(200).json();
        let stories = found["stories"].as_array().expect("stories");
        let title = |story: &Value| story["title"].as_str().expect("a title").to_owned();
        if stories.len() == 5 {
            Ok(stories.iter().map(title).collect())
        } else {
            Err(found.to_string())
        }
    })
}

/// Bodies that were read, without the end of line that some protocols put behind a text.
fn read(bodies: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    bodies.into_iter().map(|body| body.trim_end().to_owned()).collect()
}

fn body_of(story: &Value) -> String {
    story["body"].as_str().unwrap_or_else(|| panic!("no body: {story}")).to_owned()
}

#[test]
fn what_is_published_by_each_is_read_by_every_other_at_another_node() {
    let doors = [Doors::take(), Doors::take()];
    let herd = Herd::mesh_of(2, |setup| {
        let at = usize::from(setup.name == "node2");
        setup.more(&doors[at].toml())
    });
    publish_by_each(&herd[0], &doors[0]);
    let wanted: BTreeSet<String> = BODIES.map(str::to_owned).into();
    let (node, doors) = (&herd[1], &doors[1]);
    let titles = titles(node);

    let by_http = titles.iter().map(|title| {
        let path = format!("/v1/stories/{}", title.replace('<', "%3C").replace('>', "%3E"));
        body_of(&node.http.get(&path).expect(200).json())
    });
    assert_eq!(read(by_http), wanted);

    let mut stream = Stream::open(node.http_port(), "/v1/stream?section=sky&after=0", "");
    let by_stream = (0..5).map(|_| body_of(&stream.next().expect("an update").1));
    assert_eq!(read(by_stream), wanted);

    let mut socket = ws::Peer::open(node.http_port(), "/v1/ws", "");
    socket.say(&json!({"op": "subscribe", "sub": 1, "section": "sky", "after": "0"}));
    let by_socket = (0..5).map(|_| body_of(&socket.json()["update"]));
    assert_eq!(read(by_socket), wanted);

    let by_call = titles.iter().map(|title| body_of(&doors.call(&["read", title])));
    assert_eq!(read(by_call), wanted);

    let mut talk = nntp::Talk::open(&doors.nntp);
    await_that("all articles at the other node", || {
        let line = talk.ask("GROUP sky");
        if line.starts_with("211 5 ") { Ok(()) } else { Err(line) }
    });
    let by_news = (1..=5).map(|number| talk.list(222, &format!("BODY {number}")).join("\n"));
    assert_eq!(read(by_news), wanted);

    let mut person = telnet::Person::with("telnet", &doors.telnet, &[]);
    for title in &titles {
        let body = body_of(&doors.call(&["read", title]));
        person.asks(&format!("read {title}")).sees(body.trim_end());
    }
}

#[test]
fn a_report_of_the_line_protocol_is_read_by_others_at_another_node() {
    let herd = Herd::mesh(2);
    let said = herd[0].line(b"IAMAT kiwi +34.0-118.4 1\n");
    assert!(said.starts_with("AT node1 "), "{said}");
    herd.settle();
    let said = herd[1].line(b"WHATSAT kiwi 10 5\n");
    assert!(said.starts_with("AT node1 "), "{said}");
    let mut stream = Stream::open(herd[1].http_port(), "/v1/stream?topic=places&after=0", "");
    let streamed = stream.next().expect("an update").1;
    let mut socket = ws::Peer::open(herd[1].http_port(), "/v1/ws", "");
    socket.say(&json!({"op": "subscribe", "sub": 1, "topic": "places", "after": "0"}));
    let said = socket.json();
    assert_eq!(said["update"], streamed);
    assert_eq!(streamed["kind"], "report");
}
