//! Server-sent events (WHATWG HTML, 9.2): the writer that streams use, and the reader of `follow`.
//! Text in UTF-8, lines ended by CR, LF or CRLF, an empty line ends an event.

use std::fmt;
use std::mem::take;

/// An event to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its type; readers take an empty one for `message`.
    pub name: &'a str,
    /// The reader's place in the stream behind this event; `None` leaves it where it was.
    pub id: Option<&'a str>,
    /// The payload. CR, LF and CRLF in it all arrive as LF.
    pub data: &'a str,
}

impl Event<'_> {
    /// Writes the event. Line ends and NUL in name and id become spaces, which keeps them in their
    /// lines and keeps readers from ignoring them.
    pub fn put(&self, out: &mut Vec<u8>) {
        if !self.name.is_empty() {
            put_line(out, b"event: ", self.name);
        }
        if let Some(id) = self.id {
            put_line(out, b"id: ", id);
        }
        put_lines(out, b"data: ", self.data);
        out.push(b'\n');
    }
}

/// Writes a comment, which readers skip: it keeps the connection from looking dead.
pub fn put_comment(out: &mut Vec<u8>, text: &str) {
    put_lines(out, b": ", text);
    out.push(b'\n');
}

/// Says how long readers shall wait before they connect again, in milliseconds.
pub fn put_retry(out: &mut Vec<u8>, retry_ms: u64) {
    put_line(out, b"retry: ", &retry_ms.to_string());
    out.push(b'\n');
}

fn put_line(out: &mut Vec<u8>, field: &[u8], value: &str) {
    out.extend_from_slice(field);
    let bytes = value.bytes();
    out.extend(bytes.map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { byte }));
    out.push(b'\n');
}

fn put_lines(out: &mut Vec<u8>, field: &[u8], value: &str) {
    let mut rest = Some(value);
    while let Some(text) = rest {
        let end = text.find(['\r', '\n']).unwrap_or(text.len());
        out.extend_from_slice(field);
        out.extend_from_slice(&text.as_bytes()[..end]);
        out.push(b'\n');
        let line_end = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = text.get(end + line_end..);
    }
}

/// What a reader learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// An event with data.
    Event {
        /// Its type, `message` if none was given.
        name: String,
        /// The place to go on from behind it: the last id seen, also of an earlier event.
        last_id: String,
        /// Its data lines, joined by LF.
        data: String,
    },
    /// Wait so many milliseconds before connecting again.
    Retry(u64),
}

/// An event is larger than the reader's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event is larger than the limit")
    }
}

impl std::error::Error for TooLarge {}

/// Reads a stream of events, however it is cut.
///
/// Holds at most `event_bytes_max` bytes of an event: its line under way, its name and id, and its
/// data. What follows the last empty line when the stream ends is no event and is dropped with the
/// decoder.
#[derive(Clone, Debug)]
pub struct Decoder {
    event_bytes_max: usize,
    line: Vec<u8>,
    name: String,
    data: String,
    has_data: bool,
    id: String,
    last_id: String,
    after_cr: bool,
    begun: bool,
}

impl Decoder {
    /// A reader at the start of a stream. `last_id` is what the client asked to go on from.
    pub fn new(event_bytes_max: usize, last_id: &str) -> Self {
        Self {
            event_bytes_max,
            line: Vec::new(),
            name: String::new(),
            data: String::new(),
            has_data: false,
            id: last_id.to_owned(),
            last_id: last_id.to_owned(),
            after_cr: false,
            begun: false,
        }
    }

    /// The place to go on from: the id of the last event given, or as it was at first.
    pub fn last_id(&self) -> &str {
        &self.last_id
    }

    /// Takes bytes off the front of `bytes` up to the next thing worth telling; `None`: all are
    /// taken and more are needed. After an error the stream cannot be followed further.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Received>, TooLarge> {
        while let Some(&first) = bytes.first() {
            if take(&mut self.after_cr) && first == b'\n' {
                *bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let text = &bytes[..end.unwrap_or(bytes.len())];
            let held = self.line.len() + self.name.len() + self.id.len() + self.data.len();
            if held + text.len() > self.event_bytes_max {
                return Err(TooLarge);
            }
            self.line.extend_from_slice(text);
            let Some(end) = end else {
                *bytes = &[];
                break;
            };
            self.after_cr = bytes[end] == b'\r';
            *bytes = &bytes[end + 1..];
            if let Some(received) = self.on_line() {
                return Ok(Some(received));
            }
        }
        Ok(None)
    }

    fn on_line(&mut self) -> Option<Received> {
        let mut bytes = take(&mut self.line);
        let found = {
            let bytes: &[u8] = &bytes;
            let is_first = !std::mem::replace(&mut self.begun, true);
            let bom = if is_first { bytes.strip_prefix(b"\xef\xbb\xbf") } else { None };
            let line = String::from_utf8_lossy(bom.unwrap_or(bytes));
            if line.is_empty() { self.on_event_end() } else { self.on_field(&line) }
        };
        // The line's storage serves the next one.
        bytes.clear();
        self.line = bytes;
        found
    }

    fn on_field(&mut self, line: &str) -> Option<Received> {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Some(Received::Retry(value.parse().unwrap_or(u64::MAX)));
            }
            // Comments (no name), and names that no one knows.
            _ => {}
        }
        None
    }

    fn on_event_end(&mut self) -> Option<Received> {
        self.last_id.clone_from(&self.id);
        let name = take(&mut self.name);
        if !take(&mut self.has_data) {
            return None;
        }
        let name = if name.is_empty() { "message".to_owned() } else { name };
        Some(Received::Event { name, last_id: self.last_id.clone(), data: take(&mut self.data) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::cut;
    use proptest::prelude::*;

    fn event(name: &str, last_id: &str, data: &str) -> Received {
        let [name, last_id, data] = [name, last_id, data].map(str::to_owned);
        Received::Event { name, last_id, data }
    }

    /// All that the pieces tell.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Received> {
        let mut decoder = Decoder::new(10_000, "");
        let mut all = Vec::new();
        for mut piece in pieces {
            while let Some(received) = decoder.next(&mut piece).unwrap() {
                all.push(received);
            }
            assert!(piece.is_empty(), "all bytes are taken");
        }
        all
    }

    const SAMPLE: &[u8] =
        b"\xef\xbb\xbf: hi\r\nevent: a\ndata: 1\rdata:2\r\n\r\nid: x\n\ndata\n\nretry: 10\n\
        data:  y\nid\n\ndata: \xff\xe2\x82\r\r";

    #[test]
    fn the_standards_examples_read_as_it_says() {
        let stock = b"data: YHOO\ndata: +2\ndata: 10\n\n";
        assert_eq!(read([&stock[..]]), [event("message", "", "YHOO\n+2\n10")]);
        let mixed = b": test stream\n\ndata: first event\nid: 1\n\n\
            data:second event\nid\n\ndata:  third event";
        let expected = [event("message", "1", "first event"), event("message", "", "second event")];
        assert_eq!(read([&mixed[..]]), expected);
        let empty = b"data\n\ndata\ndata\n\ndata:";
        assert_eq!(read([&empty[..]]), [event("message", "", ""), event("message", "", "\n")]);
        let space = b"data:test\n\ndata: test\n\n";
        assert_eq!(
            read([&space[..]]),
            [event("message", "", "test"), event("message", "", "test")]
        );
    }

    #[test]
    fn every_split_of_the_sample_reads_the_same() {
        let whole = read([SAMPLE]);
        let expected = [
            event("a", "", "1\n2"),
            event("message", "x", ""),
            Received::Retry(10),
            event("message", "", " y"),
            event("message", "", "\u{fffd}\u{fffd}"),
        ];
        assert_eq!(whole, expected);
        for first in 0..=SAMPLE.len() {
            for second in first..=SAMPLE.len() {
                let pieces = [&SAMPLE[..first], &SAMPLE[first..second], &SAMPLE[second..]];
                assert_eq!(read(pieces), whole, "cut at {first} and {second}");
            }
        }
        assert_eq!(read(SAMPLE.chunks(1)), whole);
    }

    #[test]
    fn ids_with_nul_and_retries_that_are_no_number_are_ignored() {
        let stream = b"id: a\nid: b\0\nretry: -1\nretry: 1x\nretry:\ndata: d\n\n";
        assert_eq!(read([&stream[..]]), [event("message", "a", "d")]);
        assert_eq!(read([&b"retry: 99999999999999999999999\n"[..]]), [Received::Retry(u64::MAX)]);
    }

    #[test]
    fn an_id_without_data_moves_the_place_and_an_unfinished_one_does_not() {
        let mut decoder = Decoder::new(100, "old");
        assert_eq!(decoder.next(&mut &b"id: new\ndata: x\n"[..]), Ok(None));
        assert_eq!(decoder.last_id(), "old");
        let received = decoder.next(&mut &b"\n"[..]);
        assert_eq!(received, Ok(Some(event("message", "new", "x"))));
        assert_eq!(decoder.next(&mut &b"id: newer\n\n"[..]), Ok(None));
        assert_eq!(decoder.last_id(), "newer");
    }

    #[test]
    fn an_event_may_be_as_large_as_the_limit_and_no_larger() {
        let stream = b"data: 12345\ndata: 6789\n\n";
        // While the second line comes, five bytes of data are held with its ten.
        assert!(Decoder::new(15, "").next(&mut &stream[..]).unwrap().is_some());
        assert_eq!(Decoder::new(14, "").next(&mut &stream[..]), Err(TooLarge));
        let mut decoder = Decoder::new(100, "");
        let endless = [b'x'; 40];
        let outcomes = [0; 3].map(|_| decoder.next(&mut &endless[..]));
        assert_eq!(outcomes, [Ok(None), Ok(None), Err(TooLarge)]);
    }

    #[test]
    fn what_is_written_cannot_leave_its_line() {
        let mut out = Vec::new();
        Event { name: "a\nb", id: Some("c\r\n\0d"), data: "1\r\n2\r3\n" }.put(&mut out);
        let expected = "event: a b\nid: c   d\ndata: 1\ndata: 2\ndata: 3\ndata: \n\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut out = Vec::new();
        put_comment(&mut out, "a\nb");
        put_retry(&mut out, 1500);
        assert_eq!(out, b": a\n: b\n\nretry: 1500\n\n");
        assert_eq!(read([&out[..]]), [Received::Retry(1500)]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_however_it_is_cut(
            events in prop::collection::vec(
                ("[a-zé]{0,3}", prop::option::of("[a-z0-9:. ]{0,5}"), "[a-zé:\r\n ]{0,8}"),
                0..5,
            ),
            comments in any::<bool>(),
            sizes in prop::collection::vec(1_usize..9, 1..9),
        ) {
            let mut out = Vec::new();
            let mut expected = Vec::new();
            let mut last_id = String::new();
            for (name, id, data) in &events {
                if comments {
                    put_comment(&mut out, data);
                }
                Event { name, id: id.as_deref(), data }.put(&mut out);
                if let Some(id) = id {
                    last_id.clone_from(id);
                }
                let name = if name.is_empty() { "message" } else { name };
                let data = data.replace("\r\n", "\n").replace('\r', "\n");
                expected.push(event(name, &last_id, &data));
            }
            prop_assert_eq!(read(cut(&out, &sizes)), expected);
        }

        #[test]
        fn any_bytes_read_the_same_however_they_are_cut(
            bytes in prop::collection::vec(
                prop::sample::select(&b"\r\n: adtienvry0\xef\xbb\xbf\0"[..]),
                0..60,
            ),
            cut in any::<prop::sample::Index>(),
        ) {
            let cut = cut.index(bytes.len() + 1);
            prop_assert_eq!(read([&bytes[..cut], &bytes[cut..]]), read([&bytes[..]]));
            prop_assert_eq!(read(bytes.chunks(1)), read([&bytes[..]]));
        }
    }
}
