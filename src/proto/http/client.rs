//! The client's side: requests written, responses read (RFC 9112). For `load`, `follow`, tests, and
//! whoever asks another server.

use super::body::{BodyDecoder, BodyLength, Event, Step};
use super::error::{Fault, HttpError, HttpErrorKind};
use super::fields::{Fields, is_token};
use super::head::{FIELDS_HARD_MAX, Framing, Version, fields_fault, place_of};
use super::request::HttpLimits;
use super::response::{put_field, put_number};
use super::scan::{Scan, ScanLimits, Section};
use super::status::Status;
use crate::base::InBuf;
use httparse::Header;
use std::mem::MaybeUninit;

/// A request being written: request line and Host stand when it is made; then come fields; one of
/// [`Request::body`], [`Request::length`] and [`Request::end`] ends the head.
#[derive(Debug)]
#[must_use = "a request is not complete until its head is ended"]
pub struct Request<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Request<'o> {
    /// Begins a request. Bytes of `target` that no target may hold are sent percent-encoded;
    /// control characters of `host` become spaces, which the server refuses.
    pub fn new(out: &'o mut Vec<u8>, method: &'static str, target: &str, host: &str) -> Self {
        debug_assert!(is_token(method.as_bytes()), "a method is a token: {method}");
        out.extend_from_slice(method.as_bytes());
        out.push(b' ');
        super::uri::put_target(out, target);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        put_field(out, "Host", host.as_bytes());
        Self { out }
    }

    /// Adds a field. Control characters in the value become spaces.
    pub fn field(self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        put_field(self.out, name, value.as_ref());
        self
    }

    /// Ends the head and writes the body.
    pub fn body(self, body: &[u8]) {
        self.length(body.len() as u64).extend_from_slice(body);
    }

    /// Ends the head of a request whose body of `bytes` bytes the caller writes behind it.
    pub fn length(self, bytes: u64) -> &'o mut Vec<u8> {
        self.out.extend_from_slice(b"Content-Length: ");
        put_number(self.out, bytes);
        self.out.extend_from_slice(b"\r\n\r\n");
        self.out
    }

    /// Ends a request without body.
    pub fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// A response without its body. Everything borrows the input buffer.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// The version.
    pub version: Version,
    /// The status.
    pub status: Status,
    /// The reason phrase, which means nothing.
    pub reason: &'a str,
    /// All fields.
    pub fields: Fields<'a>,
    /// How the body is framed.
    pub body: BodyLength,
    /// May another request be sent on this connection?
    pub keep_alive: bool,
}

#[derive(Clone, Debug)]
enum State {
    Head,
    Body(BodyDecoder),
    /// No further response can come; the bytes that follow are not ours to read.
    Closed,
    Failed(HttpError),
}

/// Decodes the responses of one connection: the counterpart of [`super::RequestCodec`].
///
/// The events are the same. An interim response (1xx) is a `Head` and an `End` like the others;
/// after a 101 the rest of the input belongs to the new protocol and is left alone.
#[derive(Clone, Debug)]
pub struct ResponseCodec {
    limits: HttpLimits,
    state: State,
    scan: Scan,
    to_head: bool,
    closes: bool,
    offset: u64,
}

impl ResponseCodec {
    /// A decoder at the start of a connection.
    pub fn new(limits: HttpLimits) -> Self {
        let (state, scan) = (State::Head, Scan::default());
        Self { limits, state, scan, to_head: false, closes: false, offset: 0 }
    }

    /// Says whether the responses from the next head on answer HEAD requests; at first they do not.
    pub fn set_answers_head(&mut self, answers_head: bool) {
        self.to_head = answers_head;
    }

    /// The next event of the input, whose bytes it consumes; `None` when more bytes are needed.
    pub fn next<'a>(
        &mut self,
        input: &'a mut InBuf,
    ) -> Result<Option<Event<'a, ResponseHead<'a>>>, HttpError> {
        match &mut self.state {
            State::Head => input.take_by(|bytes| self.read_head(bytes)),
            State::Body(body) => {
                let step = body.step(input, &mut self.offset, &self.limits);
                match step.map_err(|fault| self.fail(fault.at(self.offset)))? {
                    Step::Wait => Ok(None),
                    Step::Data(len) => {
                        self.offset += len as u64;
                        Ok(Some(Event::Body(input.take(len))))
                    }
                    Step::End => {
                        self.state = if self.closes { State::Closed } else { State::Head };
                        Ok(Some(Event::End))
                    }
                }
            }
            State::Closed => Ok(None),
            State::Failed(fault) => Err(*fault),
        }
    }

    /// The head at the front of `bytes`, and how many of them are used up.
    fn read_head<'a>(
        &mut self,
        bytes: &'a [u8],
    ) -> (usize, Result<Option<Event<'a, ResponseHead<'a>>>, HttpError>) {
        let at_once = if self.scan.is_fresh() { self.read_at_once(bytes) } else { None };
        let found = match at_once {
            None => self.scan_head(bytes),
            found => Ok(found),
        };
        let (len, head) = match found {
            Ok(Some(found)) => found,
            Ok(None) => return (0, Ok(None)),
            Err(fault) => return (0, Err(self.fail(fault.at(self.offset)))),
        };
        self.offset += len as u64;
        self.scan = Scan::default();
        self.closes = !head.keep_alive || head.status == Status::SWITCHING_PROTOCOLS;
        self.state = State::Body(BodyDecoder::new(head.body));
        (len, Ok(Some(Event::Head(head))))
    }

    /// A head that came whole and without a fault.
    fn read_at_once<'a>(&self, bytes: &'a [u8]) -> Option<(usize, ResponseHead<'a>)> {
        let bytes = &bytes[..bytes.len().min(self.limits.head_bytes_max)];
        ResponseHead::read(bytes, &self.limits, self.to_head).ok()
    }

    /// The way for heads that come in pieces or have a fault: find the end, then read.
    #[cold]
    fn scan_head<'a>(
        &mut self,
        bytes: &'a [u8],
    ) -> Result<Option<(usize, ResponseHead<'a>)>, Fault> {
        let limits = ScanLimits::plain(
            self.limits.head_bytes_max,
            self.limits.fields_max.min(FIELDS_HARD_MAX) + 1,
            HttpErrorKind::HeadTooLarge,
        );
        let Some(section) = self.scan.on_bytes(bytes, &limits)? else {
            return Ok(None);
        };
        if section.first_line == 0 {
            return Err(Fault::new(HttpErrorKind::EmptyStartLine, 0));
        }
        let bytes = &bytes[..section.len];
        let head = ResponseHead::read(bytes, &self.limits, self.to_head);
        head.map(Some).map_err(|fault| fault.unwrap_or_else(|| response_fault(bytes, section)))
    }

    /// The peer closed and all input was taken: `true` when that is the end of the current body,
    /// which is then complete; `false` when no response was under way.
    pub fn on_close(&mut self) -> Result<bool, HttpError> {
        let ended = match &self.state {
            State::Head if self.scan.is_fresh() => Ok(false),
            State::Head => Err(HttpErrorKind::Truncated),
            State::Body(body) => body.on_close().map(|()| true),
            State::Closed => Ok(false),
            State::Failed(fault) => return Err(*fault),
        };
        let ended = ended.map_err(|kind| self.fail(HttpError { kind, offset: self.offset }))?;
        self.state = State::Closed;
        Ok(ended)
    }

    /// True when the decoder will give no further response.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Closed | State::Failed(_))
    }

    #[cold]
    fn fail(&mut self, fault: HttpError) -> HttpError {
        self.state = State::Failed(fault);
        fault
    }
}

impl<'a> ResponseHead<'a> {
    /// The head at the front and its length. `Err(None)`: httparse would not have it, or a line
    /// ends in LF alone.
    fn read(
        bytes: &'a [u8],
        limits: &HttpLimits,
        to_head: bool,
    ) -> Result<(usize, Self), Option<Fault>> {
        if let Some(b'\r' | b'\n') = bytes.first() {
            // httparse skips any number of empty lines before a head.
            return Err(None);
        }
        let mut lines = [const { MaybeUninit::<Header<'a>>::uninit() }; FIELDS_HARD_MAX];
        let lines = &mut lines[..limits.fields_max.min(FIELDS_HARD_MAX)];
        let mut raw = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut raw, bytes, lines);
        let (Ok(httparse::Status::Complete(len)), Some(code), Some(minor)) =
            (parsed, raw.code, raw.version)
        else {
            return Err(None);
        };
        let bytes = &bytes[..len];
        if !bytes.ends_with(b"\r\n\r\n") {
            return Err(None);
        }
        let code_at = "HTTP/1.1 ".len();
        let status = Status::from_code(code);
        let status = status.ok_or(Fault::new(HttpErrorKind::StatusCode, code_at))?;
        let version = if minor == 1 { Version::Http11 } else { Version::Http10 };
        let framing = Framing::read(bytes, raw.headers, version)?;
        let body = match framing.body {
            _ if to_head || status.is_bodyless() => BodyLength::None,
            Some(length) => length,
            None => BodyLength::UntilClose,
        };
        let fields_at = raw.headers.first().map_or(len - 2, |field| place_of(bytes, field));
        let head = Self {
            version,
            status,
            reason: raw.reason.unwrap_or_default(),
            fields: Fields::new(&bytes[fields_at..len - 2]),
            body,
            keep_alive: framing.keep_alive(version) && body != BodyLength::UntilClose,
        };
        Ok((len, head))
    }
}

/// Names the fault of a response head that httparse refused.
#[cold]
fn response_fault(bytes: &[u8], section: Section) -> Fault {
    let line = &bytes[..section.first_line - 2];
    let fault = |kind, place| Fault::new(kind, place);
    match line {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0' | b'1', b' ', rest @ ..] => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits != 3 || rest.get(3).is_some_and(|&byte| byte != b' ') {
                return fault(HttpErrorKind::StatusCode, 9);
            }
            if let Some(place) = line.iter().position(|&byte| byte == b'\r') {
                return fault(HttpErrorKind::BareCr, place);
            }
            match rest.iter().position(|&byte| !super::fields::is_value_byte(byte)) {
                Some(place) => fault(HttpErrorKind::StartLine, 9 + place),
                None => fields_fault(bytes, section.first_line),
            }
        }
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b' ', ..]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            fault(HttpErrorKind::Version, 5)
        }
        _ => fault(HttpErrorKind::StartLine, 0),
    }
}
