//! The server's decoder: bytes of a connection to requests (RFC 9112). Bounded in every direction,
//! silent after a fault or a request that closes. It counts bytes; time limits are its caller's.

use super::body::{Awaiting, BodyDecoder, Event, Step};
use super::error::{HttpError, HttpErrorKind};
use super::fields::is_token_byte;
use super::head::{FIELDS_HARD_MAX, Head};
use super::repeat::Repeat;
use super::scan::{Scan, ScanLimits};
use crate::base::InBuf;

/// How large the parts of a message may be. Bodies are bounded by the codec's caller, who sees a
/// declared length before the bytes come, and counts what comes in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// A whole head with its empty last line; over: 431. The input buffer must hold as much.
    pub head_bytes_max: usize,
    /// Field lines of a head, at most 128; over: 431.
    pub fields_max: usize,
    /// The target; over: 414.
    pub target_bytes_max: usize,
    /// All chunk extensions of one body together; over: 400.
    pub chunk_extension_bytes_max: usize,
    /// A trailer section with its empty last line; over: 431. The input buffer must hold as much.
    pub trailer_bytes_max: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            head_bytes_max: 16 * 1024,
            fields_max: 64,
            target_bytes_max: 4 * 1024,
            chunk_extension_bytes_max: 4 * 1024,
            trailer_bytes_max: 4 * 1024,
        }
    }
}

impl HttpLimits {
    /// The smallest input buffer in which every allowed head and trailer section fits, in bytes.
    pub fn input_bytes_min(&self) -> usize {
        self.head_bytes_max.max(self.trailer_bytes_max)
    }

    fn head(&self) -> ScanLimits {
        let fields_max = self.fields_max.min(FIELDS_HARD_MAX);
        ScanLimits::request(self.head_bytes_max, fields_max, self.target_bytes_max)
    }
}

#[derive(Clone, Debug)]
enum State {
    /// In a head, or before it.
    Head,
    /// In a body, or right before its end.
    Body(BodyDecoder),
    /// No further request may come.
    Closed,
    /// A rule was broken.
    Failed(HttpError),
}

/// Decodes the requests of one connection.
///
/// Call [`RequestCodec::next`] until it gives `None`; then wait for more bytes. Each request is
/// `Head`, any number of `Body`, `End`. Requests may follow one another in the same input; the
/// caller answers them in order. After a fault the same fault is given for ever; after the end of a
/// request that does not keep the connection alive, further input is dropped.
#[derive(Clone, Debug)]
pub struct RequestCodec {
    limits: HttpLimits,
    state: State,
    scan: Scan,
    /// The last head, to know it again.
    last: Option<Box<Repeat>>,
    skipped_empty_line: bool,
    closes: bool,
    discards: bool,
    offset: u64,
    body_bytes: u64,
}

impl RequestCodec {
    /// A decoder at the start of a connection.
    pub fn new(limits: HttpLimits) -> Self {
        Self {
            limits,
            state: State::Head,
            scan: Scan::default(),
            last: None,
            skipped_empty_line: false,
            closes: false,
            discards: false,
            offset: 0,
            body_bytes: 0,
        }
    }

    /// The next event of the input, whose bytes it consumes; `None` when more bytes are needed.
    pub fn next<'a>(
        &mut self,
        input: &'a mut InBuf,
    ) -> Result<Option<Event<'a, Head<'a>>>, HttpError> {
        match self.state {
            State::Head => input.take_by(|bytes| self.read_head(bytes)),
            State::Body(_) => self.next_body(input),
            State::Closed => {
                self.offset += input.len() as u64;
                input.take_all();
                Ok(None)
            }
            State::Failed(fault) => Err(fault),
        }
    }

    /// The head at the front of `bytes`, and how many of them are used up.
    #[inline]
    fn read_head<'a>(
        &mut self,
        bytes: &'a [u8],
    ) -> (usize, Result<Option<Event<'a, Head<'a>>>, HttpError>) {
        if bytes.is_empty() {
            return (0, Ok(None));
        }
        if self.scan.is_fresh() {
            if let Some((len, head)) = self.last.as_ref().and_then(|last| last.read(bytes)) {
                return (len, Ok(Some(self.on_head(len, head))));
            }
            if let Some((len, head)) = Head::read_at_once(bytes, &self.limits) {
                self.last = Repeat::of(&bytes[..len], &head);
                return (len, Ok(Some(self.on_head(len, head))));
            }
        }
        let start = self.offset;
        let outcome = self.scan_head(bytes);
        ((self.offset - start) as usize, outcome.map_err(|fault| self.fail(fault)))
    }

    /// The way for heads that come in pieces or have a fault: find the end, then read.
    #[cold]
    fn scan_head<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Event<'a, Head<'a>>>, HttpError> {
        let mut bytes = bytes;
        loop {
            let Some(&first) = bytes.first() else {
                return Ok(None);
            };
            if self.scan.is_fresh() && !begins_head(first) {
                // At once: a TLS hello or a stray body never has the line that we would wait for.
                return Err(HttpError { kind: HttpErrorKind::Method, offset: self.offset });
            }
            let base = self.offset;
            let found = self.scan.on_bytes(bytes, &self.limits.head());
            let Some(section) = found.map_err(|fault| fault.at(base))? else {
                return Ok(None);
            };
            if section.first_line > 0 {
                let head = Head::parse(&bytes[..section.len], section, &self.limits);
                let head = head.map_err(|fault| fault.at(base))?;
                return Ok(Some(self.on_head(section.len, head)));
            }
            // One empty line before a request is forgiven: old clients send it after a body (2.2).
            if std::mem::replace(&mut self.skipped_empty_line, true) {
                return Err(HttpError { kind: HttpErrorKind::EmptyStartLine, offset: base });
            }
            self.scan = Scan::default();
            self.offset += section.len as u64;
            bytes = &bytes[section.len..];
        }
    }

    #[inline]
    fn on_head<'a>(&mut self, len: usize, head: Head<'a>) -> Event<'a, Head<'a>> {
        self.offset += len as u64;
        self.scan = Scan::default();
        self.skipped_empty_line = false;
        self.closes = !head.keep_alive;
        self.discards = false;
        self.body_bytes = 0;
        self.state = State::Body(BodyDecoder::new(head.body));
        Event::Head(head)
    }

    fn next_body<'a>(
        &mut self,
        input: &'a mut InBuf,
    ) -> Result<Option<Event<'a, Head<'a>>>, HttpError> {
        loop {
            let State::Body(body) = &mut self.state else {
                return Ok(None);
            };
            let step = body.step(input, &mut self.offset, &self.limits);
            match step.map_err(|fault| self.fail(fault.at(self.offset)))? {
                Step::Wait => return Ok(None),
                Step::Data(len) => {
                    self.offset += len as u64;
                    self.body_bytes += len as u64;
                    if !self.discards {
                        return Ok(Some(Event::Body(input.take(len))));
                    }
                    input.consume(len);
                }
                Step::End => {
                    self.state = if self.closes { State::Closed } else { State::Head };
                    return Ok(Some(Event::End));
                }
            }
        }
    }

    #[cold]
    fn fail(&mut self, fault: HttpError) -> HttpError {
        self.state = State::Failed(fault);
        fault
    }

    /// Gives no more `Body` events for the current request; its `End` still comes. The bytes are
    /// counted on, so that the caller can close when they are too many to wait for.
    pub fn discard_body(&mut self) {
        self.discards = true;
    }

    /// Data bytes of the current request's body so far, or of the last one's after its end.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Data bytes of the current request's body still to come; `None` when chunked, 0 outside of a
    /// body.
    pub fn body_bytes_left(&self) -> Option<u64> {
        match &self.state {
            State::Body(body) => body.bytes_left(),
            State::Head | State::Closed | State::Failed(_) => Some(0),
        }
    }

    /// True when every request begun has ended and no byte of another one was seen: the connection
    /// may be closed without cutting anything off, if the input is empty too.
    pub fn is_between_requests(&self) -> bool {
        self.awaiting() == Awaiting::Idle
    }

    /// True when the decoder will give no further request: a fault, or the end of the last one.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Closed | State::Failed(_))
    }

    /// What it waits for, as of the last call of [`RequestCodec::next`] that gave `None`.
    pub fn awaiting(&self) -> Awaiting {
        match self.state {
            State::Head if self.scan.is_fresh() => Awaiting::Idle,
            State::Head => Awaiting::Head,
            State::Body(_) => Awaiting::Body,
            State::Closed | State::Failed(_) => Awaiting::Idle,
        }
    }
}

impl Default for RequestCodec {
    fn default() -> Self {
        Self::new(HttpLimits::default())
    }
}

/// A method's byte, or that of an empty line (a bare LF is named by the scan).
#[inline]
fn begins_head(first: u8) -> bool {
    first.is_ascii_uppercase() || is_token_byte(first) || first == b'\r' || first == b'\n'
}
