//! HTTP as bytes on a socket, read by hand: what is checked here must not be read by our own codec.

use crate::harness::{DEADLINE, connect};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    /// The first line.
    pub(crate) line: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl RawAnswer {
    /// The value of a field that stands at most once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(have, _)| have.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} stands twice: {self:?}");
        first
    }

    #[track_caller]
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

    /// True when it says that the connection ends behind it.
    pub(crate) fn closes(&self) -> bool {
        self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// An error in the shape of RFC 9457 with this status; its members.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["type"], "about:blank", "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        let reason = self.line.splitn(3, ' ').nth(2).expect("a reason");
        assert_eq!(problem["title"], reason, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 3), "{problem}");
        problem
    }

    /// The names of the fields that a 422 complains of.
    #[track_caller]
    pub(crate) fn bad_fields(&self) -> Vec<String> {
        let problem = self.problem(422);
        let faults = problem["fields"].as_array().unwrap_or_else(|| panic!("{problem}"));
        assert!(faults.iter().all(|fault| fault["detail"].is_string()), "{problem}");
        let name = |fault: &Value| fault["field"].as_str().expect("a name").to_owned();
        faults.iter().map(name).collect()
    }
}

/// A connection on which requests are written by hand.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) socket: TcpStream,
    held: Vec<u8>,
}

impl Raw {
    pub(crate) fn open(port: u16) -> Self {
        Self { socket: connect(port), held: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.socket.write_all(bytes.as_ref()).expect("the node takes the bytes");
        self
    }

    /// In segments of so many bytes.
    pub(crate) fn send_in_pieces(&mut self, bytes: &[u8], size: usize) -> &mut Self {
        for piece in bytes.chunks(size) {
            self.send(piece);
        }
        self
    }

    /// What the node may refuse to take to the end, since it closes.
    pub(crate) fn send_what_it_takes(&mut self, bytes: &[u8]) -> &mut Self {
        if let Err(error) = self.socket.write_all(bytes) {
            let kind = error.kind();
            let is_closed = matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
            assert!(is_closed, "{error}");
        }
        self
    }

    pub(crate) fn half_close(&mut self) -> &mut Self {
        self.socket.shutdown(Shutdown::Write).expect("an open connection");
        self
    }

    /// Reads some more; false at the end.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        let count = self.socket.read(&mut bytes).expect("bytes, or the end, in time");
        self.held.extend_from_slice(&bytes[..count]);
        count > 0
    }

    /// Waits so many milliseconds for something to read; true when nothing came.
    pub(crate) fn is_silent_for(&mut self, ms: u64) -> bool {
        self.socket.set_read_timeout(Some(Duration::from_millis(ms))).expect("a deadline");
        let mut byte = [0; 1];
        let peeked = self.socket.peek(&mut byte);
        self.socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    fn until(&mut self, mark: &[u8]) -> usize {
        loop {
            let found = self.held.windows(mark.len()).position(|window| window == mark);
            if let Some(at) = found {
                return at + mark.len();
            }
            let shown = String::from_utf8_lossy(&self.held).into_owned();
            assert!(self.read(), "the node closed after {shown:?}");
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        while self.held.len() < count {
            assert!(self.read(), "the node closed {} bytes early", count - self.held.len());
        }
        self.held.drain(..count).collect()
    }

    /// A head, informational or not, without what follows.
    pub(crate) fn head(&mut self) -> RawAnswer {
        let end = self.until(b"\r\n\r\n");
        let head = String::from_utf8(self.take(end)).expect("a head in ASCII");
        assert!(head.is_ascii() && !head.replace("\r\n", "").contains(['\r', '\n']), "{head:?}");
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().expect("a status line").to_owned();
        let (version, rest) = line.split_once(' ').expect("a version");
        assert_eq!(version, "HTTP/1.1", "{line}");
        let status = rest[..3].parse().expect("a status");
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("field {line:?}"));
            (name.to_owned(), value.to_owned())
        };
        RawAnswer { status, fields: lines.map(field).collect(), line, body: Vec::new() }
    }

    /// The next answer to anything but HEAD.
    pub(crate) fn answer(&mut self) -> RawAnswer {
        let mut answer = self.head();
        assert!(answer.status >= 200, "{answer:?}");
        assert!(answer.field("date").is_some_and(|date| date.len() == 29), "{answer:?}");
        let is_chunked =
            answer.field("transfer-encoding").is_some_and(|coding| coding == "chunked");
        answer.body = match answer.field("content-length") {
            _ if matches!(answer.status, 204 | 304) => Vec::new(),
            Some(length) => {
                assert!(!is_chunked, "{answer:?}");
                self.take(length.parse().expect("a length"))
            }
            None => {
                assert!(is_chunked, "nothing frames {answer:?}");
                self.chunks()
            }
        };
        answer
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk() {
            body.extend_from_slice(&chunk);
        }
        body
    }

    /// The next chunk of a body; `None` for the last one.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = self.until(b"\r\n");
        let size = String::from_utf8(self.take(end)).expect("a size");
        let size = usize::from_str_radix(size.trim_end(), 16).expect("a size");
        let chunk = self.take(size);
        assert_eq!(self.take(2), b"\r\n");
        (size > 0).then_some(chunk)
    }

    /// Sends a request and reads its answer.
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> RawAnswer {
        self.send(request);
        self.answer()
    }

    /// All that comes before the node closes.
    pub(crate) fn rest(&mut self) -> String {
        while self.read() {}
        String::from_utf8_lossy(&self.held).into_owned()
    }

    /// The node closes, with nothing more said.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "more was said: {rest:?}");
    }

    /// All text up to and with a mark.
    pub(crate) fn text_until(&mut self, mark: &str) -> String {
        let end = self.until(mark.as_bytes());
        String::from_utf8(self.take(end)).expect("text in UTF-8")
    }

    /// The connection goes on.
    #[track_caller]
    pub(crate) fn expect_open(&mut self) {
        assert!(self.held.is_empty(), "more was said: {:?}", self.held.escape_ascii().to_string());
        let answer = self.ask("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").expect(200);
        assert_eq!(answer.text(), "Hello, World!");
    }
}

/// One request on a connection of its own.
pub(crate) fn ask(port: u16, request: impl AsRef<[u8]>) -> RawAnswer {
    Raw::open(port).ask(request)
}

/// A GET with more fields, each ended by CRLF.
pub(crate) fn get(port: u16, path: &str, fields: &str) -> RawAnswer {
    ask(port, format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n"))
}

/// A request with a body, and more fields, each ended by CRLF.
pub(crate) fn with_body(method: &str, path: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n{fields}\r\n")
            .into_bytes();
    request.extend_from_slice(body);
    request
}

/// PUT of a body.
pub(crate) fn put(port: u16, path: &str, fields: &str, body: impl AsRef<[u8]>) -> RawAnswer {
    ask(port, with_body("PUT", path, fields, body.as_ref()))
}
