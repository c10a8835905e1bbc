//! Ways to speak to a node: HTTP over ureq, raw bytes, long polls, server-sent events.

use crate::process::DEADLINE;
use bellwether::base::InBuf;
use bellwether::proto::http::{Event, HttpLimits, Request, ResponseCodec};
use bellwether::proto::sse::{Decoder, Received};
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};

/// A connection to a port of this machine whose reads and writes fail at the deadline.
pub(crate) fn connect(port: u16) -> TcpStream {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a listener");
    socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    socket.set_write_timeout(Some(DEADLINE)).expect("a deadline");
    socket.set_nodelay(true).expect("a TCP socket");
    socket
}

/// Sends bytes, closes our side, and reads all that is answered.
pub(crate) fn exchange(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut socket = connect(port);
    socket.write_all(bytes).expect("the node takes the bytes");
    socket.shutdown(Shutdown::Write).expect("an open connection");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("an answer and its end, in time");
    answer
}

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: ureq::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Fails unless the status is this one.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A member that is text.
    pub(crate) fn member(&self, name: &str) -> String {
        let json = self.json();
        json[name].as_str().unwrap_or_else(|| panic!("no {name} in {json}")).to_owned()
    }

    /// A field of the head; empty when it is not there.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// HTTP to one node over connections that are kept. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    agent: ureq::Agent,
    port: u16,
}

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(DEADLINE))
            .build();
        Self { agent: config.into(), port }
    }

    /// Another, with connections of its own.
    pub(crate) fn fresh(&self) -> Self {
        Self::new(self.port)
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn try_get(&self, path: &str) -> Result<Answer, ureq::Error> {
        answer(self.agent.get(self.url(path)).header("Accept", "application/json").call()?)
    }

    pub(crate) fn try_put(&self, path: &str, body: &[u8]) -> Result<Answer, ureq::Error> {
        self.try_put_as(path, "text/plain", body)
    }

    fn try_put_as(&self, path: &str, kind: &str, body: &[u8]) -> Result<Answer, ureq::Error> {
        answer(self.agent.put(self.url(path)).content_type(kind).send(body)?)
    }

    pub(crate) fn try_post(&self, path: &str, body: &[u8]) -> Result<Answer, ureq::Error> {
        answer(self.agent.post(self.url(path)).content_type("text/plain").send(body)?)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// PUT of plain text.
    pub(crate) fn put(&self, path: &str, body: &str) -> Answer {
        self.try_put(path, body.as_bytes()).unwrap_or_else(|error| panic!("PUT {path}: {error}"))
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        let asked = self.agent.delete(self.url(path)).call().and_then(answer);
        asked.unwrap_or_else(|error| panic!("DELETE {path}: {error}"))
    }

    /// PUT of another media type.
    pub(crate) fn put_as(&self, path: &str, kind: &str, body: &str) -> Answer {
        let result = self.try_put_as(path, kind, body.as_bytes());
        result.unwrap_or_else(|error| panic!("PUT {path}: {error}"))
    }

    /// POST of plain text.
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.try_post(path, body.as_bytes()).unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Writes a new story of plain text, which must be accepted; its id.
    pub(crate) fn write(&self, title: &str, body: &str) -> String {
        self.put(&format!("/v1/stories/{title}"), body).expect(201).member("id")
    }

    /// Edits a story, which must be accepted; the new id.
    pub(crate) fn edit(&self, title: &str, base: &str, body: &str) -> String {
        self.put(&format!("/v1/stories/{title}?base={base}"), body).expect(200).member("id")
    }
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let status = response.status().as_u16();
    let fields = response.headers().clone();
    let body = response.body_mut().with_config().limit(64 << 20).read_to_vec()?;
    Ok(Answer { status, fields, body })
}

/// Reads a node's updates by long polls, from a cursor on, at whatever node.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) cursor: String,
    /// All that was read, in order.
    pub(crate) seen: Vec<Value>,
    ids: BTreeSet<String>,
    /// How many it was told to be gone, where that may be.
    pub(crate) gone: Option<u64>,
}

impl Reader {
    /// At the oldest update.
    pub(crate) fn from_start() -> Self {
        Self { cursor: "0".to_owned(), seen: Vec::new(), ids: BTreeSet::new(), gone: None }
    }

    /// At the oldest update, where some are erased.
    pub(crate) fn from_start_with_gaps() -> Self {
        Self { gone: Some(0), ..Self::from_start() }
    }

    /// One poll; waits up to so many seconds when there is nothing. How many updates came. Fails
    /// when one came twice.
    pub(crate) fn poll(&mut self, client: &Client, wait: u32) -> usize {
        let path = format!("/v1/updates?after={}&wait={wait}&limit=1000", self.cursor);
        let answer = client.get(&path).expect(200).json();
        match &mut self.gone {
            None => assert_eq!(answer["gap"], Value::Null),
            Some(gone) => *gone += answer["gap"]["count"].as_u64().unwrap_or(0),
        }
        answer["cursor"].as_str().expect("a cursor").clone_into(&mut self.cursor);
        let updates = answer["updates"].as_array().expect("a list of updates");
        for update in updates {
            let id = update["id"].as_str().expect("an id");
            assert!(self.ids.insert(id.to_owned()), "{id} came twice");
        }
        self.seen.extend_from_slice(updates);
        updates.len()
    }

    /// Polls until all that the node has was seen.
    pub(crate) fn exhaust(&mut self, client: &Client) {
        while self.poll(client, 0) > 0 {}
    }

    /// True when an update was seen.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// All ids that were seen.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    fn until(&mut self, client: &Client, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let came = self.poll(client, 20);
            assert!(came > 0, "after {} updates nothing more came", self.seen.len());
        }
    }

    /// Polls until so many updates were seen, and no more.
    pub(crate) fn until_count(&mut self, client: &Client, updates: usize) {
        self.until(client, |reader| reader.seen.len() >= updates);
        assert_eq!(self.seen.len(), updates);
    }

    /// Polls until these updates were seen.
    pub(crate) fn until_ids<S: AsRef<str>>(&mut self, client: &Client, ids: &[S]) {
        self.until(client, |reader| ids.iter().all(|id| reader.has(id.as_ref())));
    }
}

/// A stream of server-sent events over a connection of its own.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: TcpStream,
    http: ResponseCodec,
    input: InBuf,
    events: Decoder,
    ready: VecDeque<(String, Value)>,
}

impl Stream {
    /// Opens a stream and reads its head. `last_id` goes into `Last-Event-ID` unless it is empty.
    pub(crate) fn open(port: u16, path: &str, last_id: &str) -> Self {
        let mut socket = connect(port);
        let mut bytes = Vec::new();
        let request = Request::new(&mut bytes, "GET", path, "127.0.0.1");
        if last_id.is_empty() {
            request.end();
        } else {
            request.field("Last-Event-ID", last_id).end();
        }
        socket.write_all(&bytes).expect("the node takes the request");
        let mut stream = Self {
            socket,
            http: ResponseCodec::new(HttpLimits::default()),
            input: InBuf::new(1 << 20),
            events: Decoder::new(32 << 20, last_id),
            ready: VecDeque::new(),
        };
        // The first event without data says where the stream stands.
        while stream.last_id() == last_id {
            assert!(stream.read().expect("a stream"), "{path} is no stream");
            if !last_id.is_empty() {
                break;
            }
        }
        stream
    }

    /// The place behind what was taken from the connection, which may be more than `next` gave.
    pub(crate) fn last_id(&self) -> &str {
        self.events.last_id()
    }

    /// The next update with its cursor; `None` when the node went away.
    pub(crate) fn next(&mut self) -> Option<(String, Value)> {
        while self.ready.is_empty() {
            match self.read() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    let is_late = error.kind() == io::ErrorKind::WouldBlock;
                    assert!(!is_late, "no event came in time");
                    return None;
                }
            }
        }
        self.ready.pop_front()
    }

    /// Takes some bytes; false at the end of the stream.
    fn read(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 16 * 1024];
        let count = self.socket.read(&mut bytes)?;
        self.input.push(&bytes[..count]);
        while let Some(event) = self.http.next(&mut self.input).expect("HTTP") {
            match event {
                Event::Head(head) => assert_eq!(head.status.code(), 200),
                Event::Body(mut piece) => {
                    while let Some(received) = self.events.next(&mut piece).expect("an event") {
                        if let Received::Event { name, last_id, data } = received {
                            assert!(["update", "gap"].contains(&&*name), "{name}");
                            let update = serde_json::from_str(&data).expect("JSON");
                            self.ready.push_back((last_id, update));
                        }
                    }
                }
                Event::End => return Ok(false),
            }
        }
        Ok(count > 0)
    }
}
