//! The line protocol as a client speaks it, in bytes: ids need not be UTF-8.

use crate::harness::{DEADLINE, connect};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One client.
#[derive(Debug)]
pub(crate) struct Talk {
    input: BufReader<TcpStream>,
}

impl Talk {
    pub(crate) fn open(port: u16) -> Self {
        Self { input: BufReader::new(connect(port)) }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.input.get_mut().write_all(bytes.as_ref()).expect("the node takes the bytes");
        self
    }

    pub(crate) fn half_close(&mut self) -> &mut Self {
        self.input.get_mut().shutdown(Shutdown::Write).expect("an open connection");
        self
    }

    /// The next line with its LF; empty at the end.
    pub(crate) fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.input.read_until(b'\n', &mut line).expect("a line in time");
        line
    }

    /// The next line as text, without its LF.
    pub(crate) fn text(&mut self) -> String {
        let line = String::from_utf8(self.line()).expect("UTF-8");
        line.strip_suffix('\n').unwrap_or_else(|| panic!("a line without its end: {line:?}")).into()
    }

    /// Asks one thing that has an answer of one line.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\n")).text()
    }

    /// Asks WHATSAT of someone who is known: the AT line, and what is there.
    pub(crate) fn whats_at(&mut self, line: &str) -> (String, serde_json::Value) {
        self.send(format!("{line}\n")).places()
    }

    /// The answer to a WHATSAT: it ends in a blank line, and no other is in it.
    pub(crate) fn places(&mut self) -> (String, serde_json::Value) {
        let at = self.text();
        assert!(at.starts_with("AT "), "{at:?}");
        let mut json = String::new();
        loop {
            let line = self.text();
            if line.is_empty() {
                break;
            }
            json.push_str(&line);
            json.push('\n');
        }
        (at, serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error} in {json}")))
    }

    /// All that comes before the node closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.input.read_to_end(&mut rest).expect("the end in time");
        rest
    }

    /// Nothing is said and nothing closed for so many milliseconds.
    #[track_caller]
    pub(crate) fn expect_silence_for(&mut self, ms: u64) {
        let buffered = self.input.buffer();
        assert!(buffered.is_empty(), "{}", buffered.escape_ascii());
        let socket = self.input.get_ref();
        socket.set_read_timeout(Some(Duration::from_millis(ms))).expect("a deadline");
        let peeked = socket.peek(&mut [0; 1]);
        socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        let is_silent = peeked.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        assert!(is_silent, "{peeked:?}");
    }

    /// The connection goes on, with nothing more said than was read.
    #[track_caller]
    pub(crate) fn expect_open(&mut self) {
        assert_eq!(self.ask("still there?"), "? still there?");
    }
}

/// Nanoseconds since 1970.
pub(crate) fn now_ns() -> i128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    now.as_nanos() as i128
}

/// Whole seconds since 1970.
pub(crate) fn now_s() -> u64 {
    (now_ns() / 1_000_000_000) as u64
}
