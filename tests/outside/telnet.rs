//! The console for people, with other people's clients: telnetlib3, and Debian's telnet in a
//! terminal. What is done here is seen over HTTP at another node, and the other way round.

use crate::guests::client;
use crate::harness::{Herd, Node, Port, Process, Setup, await_that, bellwether, connect};
use std::io::{Read, Write};
use std::process::{ChildStdin, Stdio};

const PASSWORD: &str = "correct horse";

/// A listener of consoles.
fn listener(port: &Port) -> String {
    format!("[[listen]]\nprotocol = \"telnet\"\nendpoint = \"tcp:{}\"\n", port.number)
}

/// Someone at a console.
pub(crate) struct Person {
    process: Process,
    input: ChildStdin,
    steps: usize,
}

impl Person {
    /// Comes with a client of `tests/clients`.
    pub(crate) fn with(name: &str, port: &Port, more: &[&str]) -> Self {
        let number = port.number.to_string();
        let arguments = [&["127.0.0.1", &number], more].concat();
        let mut process = Process::start(client(name, &arguments).stdin(Stdio::piped()));
        let input = process.input();
        Self { process, input, steps: 0 }
    }

    /// Has a step done.
    fn step(&mut self, verb: &str, text: &str) -> &mut Self {
        let json = serde_json::to_string(text).expect("a text");
        let text = &json[1..json.len() - 1];
        writeln!(self.input, "{verb} {text}").expect("it reads its steps");
        self.steps += 1;
        let did = format!("{{\"did\": {}}}\n", self.steps);
        let done = self.process.stdout.wait(|said| said.contains(&did));
        assert!(done.is_ok(), "{verb} {text}: {}", self.process.stderr.text());
        self
    }

    pub(crate) fn sees(&mut self, text: &str) -> &mut Self {
        self.step("expect", text)
    }

    pub(crate) fn types(&mut self, text: &str) -> &mut Self {
        self.step("send", text)
    }

    /// The program ends.
    pub(crate) fn ends(&mut self) {
        self.step("end", "");
    }

    /// Types a line at the prompt.
    pub(crate) fn asks(&mut self, line: &str) -> &mut Self {
        self.sees("> ").types(&format!("{line}\r"))
    }
}

/// Two nodes of which the first has a console, and an account for ann.
fn herd() -> (Herd, Port) {
    let port = Port::take();
    let console = listener(&port);
    let herd =
        Herd::mesh_of(2, |setup| if setup.name == "node1" { setup.more(&console) } else { setup });
    let mut command = bellwether();
    command.args(["account", "add", "ann", "--config"]).arg(herd[0].config());
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(format!("{PASSWORD}\n").as_bytes()).expect("it reads the password");
    drop(pipe);
    assert!(child.wait().expect("its end").success());
    (herd, port)
}

/// Waits until a search at a node finds a story with this word.
fn await_found(node: &Node, word: &str) {
    await_that("the search index", || {
        let found = node.http.get(&format!("/v1/search?q={word}")).expect(200).json();
        if found["hits"][0].is_object() { Ok(()) } else { Err(found.to_string()) }
    });
}

/// Logs in, publishes, reads a window at a time, edits, follows, searches, withdraws.
fn a_day_at_the_console(name: &str, size: &[&str]) {
    let (mut herd, port) = herd();
    let mut ann = Person::with(name, &port, size);
    ann.asks("login ann").sees("Password or token of ann: ").types(&format!("{PASSWORD}\r"));
    ann.sees("Welcome, ann. You may:");
    ann.asks("publish a story").sees("Headline: ").types("The Danube\r");
    ann.sees("Section: ").types("world\r").sees("  1> ").types("Za\u{17c}\u{f3}\u{142}\u{107}, ");
    // Keys that change what was typed: a character, a word, one in the middle.
    ann.types("wetx\u{7f} dry\u{17}riverr\u{7f}s\u{1b}[D\u{1b}[D\u{7f}e\r");
    ann.sees("  2> ").types(".\r").sees("Published: a story.");
    let published = await_that("the story at the other node", || {
        let answer = herd[1].http.get("/v1/stories/a%20story");
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text()) }
    });
    assert_eq!(published["body"], "Za\u{17c}\u{f3}\u{142}\u{107}, wet rivers\n");
    assert_eq!((&published["author"], &published["section"]), (&"ann".into(), &"world".into()));
    let long: Vec<String> = (1..=30).map(|n| format!("line {n}.")).collect();
    herd[1].http.write("long", &long.join("\n"));
    ann.asks("follow").sees("Any key ends this.");
    let first = herd[1].http.write("elsewhere", "one");
    ann.sees("new: elsewhere (at node2)");
    herd[1].http.edit("elsewhere", &first, "\u{1b}[2Jtwo");
    ann.sees("edited: elsewhere (at node2)").types("x");
    ann.asks("read long").sees("line 7.\r\n-- ").types(" ").sees("line 17.\r\n-- ").types("q");
    ann.asks("read elsewhere").sees("[2Jtwo");
    await_found(&herd[0], "rivers");
    ann.asks("search rivers").sees("  1  The Danube [a story]").sees("*rivers*");
    ann.asks("edit 1").sees("Headline").types("\r").sees("Section").types("\r");
    ann.sees("What you change: ").types("tidied\r").sees("  2> ").types("~e 1\r").sees("  1> ");
    ann.types("\u{15}Rivers.\r").sees("  2> ").types("\u{4}").sees("Saved: a story.");
    ann.asks("withdraw 1 it was wrong").sees("yes: ").types("yes\r").sees("Withdrawn: a story.");
    await_that("the withdrawal at the other node", || {
        let answer = herd[1].http.get("/v1/stories/a%20story");
        if answer.status == 410 { Ok(()) } else { Err(answer.text()) }
    });
    ann.asks("who").sees("node2").sees("ann");
    ann.sees("> ");
    herd.nodes[0].stop();
    ann.sees("This node is about to stop").ends();
}

#[test]
fn telnetlib3_has_a_day_at_the_console() {
    a_day_at_the_console("telnet", &["--columns", "70", "--rows", "11"]);
}

#[test]
fn debians_telnet_has_a_day_at_the_console() {
    a_day_at_the_console("debian_telnet", &["70", "11"]);
}

#[test]
fn one_byte_at_a_time_without_waiting_for_anything() {
    for (name, published) in [("telnet", "by telnetlib3"), ("debian_telnet", "by debian")] {
        let port = Port::take();
        let node = Node::alone(Setup::new("hill").more(&listener(&port)));
        let mut person = Person::with(name, &port, &[]);
        person.sees("> ");
        person
            .step("slow", &format!("publish {published}\r\r\rZa\u{17c}\u{f3}\u{142}\u{107}\r.\r"));
        person.sees(&format!("Published: {published}."));
        let story = format!("/v1/stories/{}", published.replace(' ', "%20"));
        let body = &node.http.get(&story).expect(200).json()["body"];
        assert_eq!(body, "Za\u{17c}\u{f3}\u{142}\u{107}\n");
    }
}

#[test]
fn raw_bytes_one_at_a_time_whatever_is_negotiated() {
    let port = Port::take();
    let node = Node::alone(Setup::new("hill").more(&listener(&port)));
    let mut raw = connect(port.number);
    // Every option asked for and refused, over and over, between the letters of a command.
    let noise: Vec<u8> =
        (0..=50).flat_map(|option| (251..=254).flat_map(move |verb| [255, verb, option])).collect();
    let line = b"publish x\r\n\r\n\r\ntext\r\n.\r\n";
    let bytes: Vec<u8> = line.iter().flat_map(|byte| [&noise[..], &[*byte]].concat()).collect();
    for byte in &bytes {
        raw.write_all(&[*byte]).expect("it takes the bytes");
    }
    let mut shown = Vec::new();
    while !shown.windows(13).any(|text| text == b"Published: x.") {
        let mut piece = [0; 4096];
        let count = raw.read(&mut piece).expect("an answer");
        assert!(count > 0, "closed: {}", shown.escape_ascii());
        shown.extend_from_slice(&piece[..count]);
    }
    assert_eq!(node.http.get("/v1/stories/x").expect(200).json()["body"], "text\n");
}
