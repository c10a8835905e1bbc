//! A node for the tests of the commands: a listener on loopback that answers each request with
//! what a function says, over kept connections, with no more HTTP than that needs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as the function sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Path and query as sent.
    pub(super) target: String,
    /// Header lines, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the function says.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// Status, extra header lines, body; the connection stays.
    Json(u16, &'static str, String),
    /// A stream of events that ends with the connection.
    Stream(String),
    /// The connection is dropped without an answer.
    Drop,
}

/// A listening test node; it ends with the test's process.
pub(super) struct TestNode {
    pub(super) url: String,
}

impl TestNode {
    pub(super) fn new(answer: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = Arc::clone(&answer);
                thread::spawn(move || serve(&stream, |asked| answer.lock().unwrap()(asked)));
            }
        });
        Self { url }
    }
}

fn serve(stream: &TcpStream, mut answer: impl FnMut(&Asked) -> Reply) {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = next(&mut reader) {
        let mut writer = stream;
        let sent = match answer(&asked) {
            Reply::Json(status, headers, body) => {
                let length = body.len();
                let head = format!("HTTP/1.1 {status} -\r\nContent-Length: {length}\r\n");
                writer.write_all(format!("{head}{headers}\r\n{body}").as_bytes())
            }
            Reply::Stream(events) => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
                let sent =
                    writer.write_all(format!("{head}Connection: close\r\n\r\n{events}").as_bytes());
                drop(sent);
                return;
            }
            Reply::Drop => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

fn next(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ');
    let mut asked = Asked {
        method: words.next()?.to_owned(),
        target: words.next()?.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        asked.headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = asked.header("content-length").map_or(0, |value| value.parse().unwrap());
    asked.body.resize(length, 0);
    reader.read_exact(&mut asked.body).ok()?;
    Some(asked)
}
