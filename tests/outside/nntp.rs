//! NNTP as newsreaders speak it: by hand, byte for byte, and by programs that others wrote.

#[path = "nntp/clients.rs"]
mod clients;
#[path = "nntp/reading.rs"]
mod reading;
#[path = "nntp/secure.rs"]
mod secure;
#[path = "nntp/standing.rs"]
mod standing;
#[path = "nntp/writing.rs"]
mod writing;

use crate::harness::{Node, Port, Setup, connect};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// A node that speaks NNTP, too; its port.
fn node(setup: Setup) -> (Node, Port) {
    let port = Port::take();
    (Node::alone(with_nntp(setup, port.number)), port)
}

fn with_nntp(setup: Setup, port: u16) -> Setup {
    let endpoint = format!("tcp:{port}");
    setup.more(&format!("[[listen]]\nprotocol = \"nntp\"\nendpoint = \"{endpoint}\"\n"))
}

/// A story in a section, written over HTTP; its id.
fn write(node: &Node, title: &str, section: &str, headline: &str, body: &str) -> String {
    let story = serde_json::json!({
        "section": section, "headline": headline, "author": "Ann Äpfel", "body": body,
    });
    put(node, &format!("/v1/stories/{title}"), &story)
}

/// A story as JSON; its id.
fn put(node: &Node, path: &str, story: &serde_json::Value) -> String {
    let answer = node.http.put_as(path, "application/json", &story.to_string());
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    answer.member("id")
}

/// A conversation.
#[derive(Debug)]
pub(crate) struct Talk {
    socket: BufReader<TcpStream>,
}

impl Talk {
    /// Connects and reads the greeting.
    pub(crate) fn open(port: &Port) -> Self {
        Self::with(port.number)
    }

    /// The same with whatever news server is at a port.
    pub(crate) fn with(port: u16) -> Self {
        let mut talk = Self { socket: BufReader::new(connect(port)) };
        let greeting = talk.line();
        assert!(greeting.starts_with("200 "), "{greeting}");
        talk
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.get_mut().write_all(bytes.as_ref()).expect("the node takes the bytes");
    }

    /// The next line, without its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.socket.read_until(b'\n', &mut line).expect("a line, in time");
        let line = String::from_utf8(line).expect("UTF-8");
        line.strip_suffix("\r\n").unwrap_or_else(|| panic!("no end: {line:?}")).to_owned()
    }

    /// Says a command; the line that answers it.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n"));
        self.line()
    }

    /// A command whose answer has this code; the line.
    #[track_caller]
    pub(crate) fn expect(&mut self, code: u16, command: &str) -> String {
        let line = self.ask(command);
        assert!(line.starts_with(&format!("{code} ")), "{command}: {line}");
        line
    }

    /// The lines of a block, without the dots that were put in.
    fn block(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            match line.strip_prefix('.') {
                Some("") => return lines,
                Some(rest) => lines.push(rest.to_owned()),
                None => lines.push(line),
            }
        }
    }

    /// A command whose answer has this code and a block; the block.
    #[track_caller]
    pub(crate) fn list(&mut self, code: u16, command: &str) -> Vec<String> {
        self.expect(code, command);
        self.block()
    }

    /// Posts an article; the line that answers it.
    pub(crate) fn post(&mut self, article: &str) -> String {
        self.expect(340, "POST");
        self.send(article.replace('\n', "\r\n"));
        self.send("\r\n.\r\n");
        self.line()
    }

    /// All that comes until the other side closes.
    fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut self.socket, &mut bytes).expect("the end, in time");
        bytes
    }
}

/// The id in an answer: what stands in angle brackets.
fn id_in(line: &str) -> &str {
    let start = line.find('<').unwrap_or_else(|| panic!("no id: {line}"));
    let end = line[start..].find('>').unwrap_or_else(|| panic!("no id: {line}"));
    &line[start..=start + end]
}
