//! Writes responses straight into an out-buffer (RFC 9112, 4 and 6). The frame of a body (length,
//! chunks, close) is decided here, so that it cannot disagree with what is written.

use super::date::DATE_BYTES;
use super::head::Version;
use super::status::Status;
use crate::base::{Chunk, OutBuf};
use std::ops::Range;

/// The interim answer to `Expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What an answer depends on; kept from the request's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    /// The client's version: 1.0 understands no chunks.
    pub version: Version,
    /// The same fields as for GET, but no body.
    pub is_head: bool,
    /// May the connection go on after the answer?
    pub keep_alive: bool,
}

impl ReplyTo {
    /// The answer to bytes that were no request: no keep-alive.
    pub const FAULT: Self = Self { version: Version::Http11, is_head: false, keep_alive: false };

    /// The same answer, and then the close.
    #[must_use]
    pub fn closing(self) -> Self {
        Self { keep_alive: false, ..self }
    }

    fn connection(self) -> &'static [u8] {
        match (self.version, self.keep_alive) {
            (Version::Http11, true) => b"",
            (Version::Http10, true) => b"Connection: keep-alive\r\n",
            (_, false) => b"Connection: close\r\n",
        }
    }
}

/// A response being written: status line and `Date` stand when it is made; then come fields; one
/// of [`Response::body`], [`Response::length`], [`Response::stream`], [`Response::empty`] and
/// [`Response::upgrade`] ends the head.
#[derive(Debug)]
#[must_use = "a response is not complete until its head is ended"]
pub struct Response<'o> {
    out: &'o mut Vec<u8>,
    to: ReplyTo,
    status: Status,
}

impl<'o> Response<'o> {
    /// Begins a response. `date` is the current time as [`super::DateCache`] gives it.
    pub fn new(out: &'o mut Vec<u8>, to: ReplyTo, status: Status, date: &[u8; DATE_BYTES]) -> Self {
        out.extend_from_slice(b"HTTP/1.1 ");
        put_number(out, u64::from(status.code()));
        out.push(b' ');
        out.extend_from_slice(status.reason().as_bytes());
        out.extend_from_slice(b"\r\nDate: ");
        out.extend_from_slice(date);
        out.extend_from_slice(b"\r\n");
        Self { out, to, status }
    }

    /// Adds a field. Control characters in the value become spaces, so that no value can end its
    /// line. Framing fields (Content-Length, Transfer-Encoding, Connection) are not given here.
    pub fn field(self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        put_field(self.out, name, value.as_ref());
        self
    }

    /// Adds a field whose value is a number.
    pub fn field_number(self, name: &'static str, value: u64) -> Self {
        put_name(self.out, name);
        put_number(self.out, value);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Ends the head and writes the body, which is left out for HEAD, 204 and 304.
    pub fn body(self, body: &[u8]) {
        let (head, bodyless) = (self.to.is_head, self.status.is_bodyless());
        debug_assert!(!bodyless || body.is_empty(), "{} has no body", self.status);
        let out = self.length(body.len() as u64);
        if !head && !bodyless {
            out.extend_from_slice(body);
        }
    }

    /// Ends the head of a response without content: with `Content-Length: 0` where a body could
    /// stand.
    pub fn empty(self) {
        self.length(0);
    }

    /// Ends the head of a response whose body of `bytes` bytes the caller writes behind it, by
    /// whatever way; none for HEAD.
    pub fn length(self, bytes: u64) -> &'o mut Vec<u8> {
        if !self.status.is_bodyless() {
            self.out.extend_from_slice(b"Content-Length: ");
            put_number(self.out, bytes);
            self.out.extend_from_slice(b"\r\n");
        }
        self.end()
    }

    /// Ends the head of a response whose length is not known: chunks, or for a 1.0 client all bytes
    /// until the close.
    pub fn stream(mut self) -> BodyWriter {
        if self.to.is_head || self.status.is_bodyless() {
            let closes = !self.to.keep_alive;
            self.end();
            return BodyWriter { frame: Frame::Nothing, closes };
        }
        if self.to.version == Version::Http10 {
            self.to.keep_alive = false;
            self.end();
            return BodyWriter { frame: Frame::UntilClose, closes: true };
        }
        self.out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        let closes = !self.to.keep_alive;
        self.end();
        BodyWriter { frame: Frame::Chunks, closes }
    }

    /// Ends the head of a 101: what follows is `protocol`.
    pub fn upgrade(self, protocol: &'static str) {
        put_field(self.out, "Connection", b"upgrade");
        put_field(self.out, "Upgrade", protocol.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    fn end(self) -> &'o mut Vec<u8> {
        self.out.extend_from_slice(self.to.connection());
        self.out.extend_from_slice(b"\r\n");
        self.out
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    Nothing,
    Chunks,
    UntilClose,
}

/// Frames the pieces of a body whose length is not known.
#[derive(Clone, Copy, Debug)]
#[must_use = "a streamed body has an end to be written"]
pub struct BodyWriter {
    frame: Frame,
    closes: bool,
}

impl BodyWriter {
    /// True when the client wants the head alone: write no body.
    pub fn is_head_only(&self) -> bool {
        self.frame == Frame::Nothing
    }

    /// True when the connection must be closed after the body: for 1.0 clients that is its end.
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// Writes a piece; an empty one is nothing.
    pub fn put(&self, out: &mut Vec<u8>, piece: &[u8]) {
        self.open_piece(out, piece.len());
        if self.frame != Frame::Nothing {
            out.extend_from_slice(piece);
        }
        self.close_piece(out, piece.len());
    }

    /// Writes what stands before a piece of `bytes` bytes that the caller puts there (a shared
    /// chunk), unless [`BodyWriter::is_head_only`]. Follow with [`BodyWriter::close_piece`].
    pub fn open_piece(&self, out: &mut Vec<u8>, bytes: usize) {
        if self.frame == Frame::Chunks && bytes > 0 {
            put_hex(out, bytes as u64);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Writes what stands after that piece.
    pub fn close_piece(&self, out: &mut Vec<u8>, bytes: usize) {
        if self.frame == Frame::Chunks && bytes > 0 {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Writes a piece that others are sent, too.
    pub fn put_shared(&self, out: &mut OutBuf, piece: &SharedPiece) {
        match self.frame {
            Frame::Nothing => {}
            Frame::Chunks => out.put_chunk(&piece.framed),
            Frame::UntilClose => out.put_part(&piece.framed, piece.bare.clone()),
        }
    }

    /// Ends the body. A body that fails half-way is not ended but cut off by an abort, which is how
    /// the client learns of it.
    pub fn end(self, out: &mut Vec<u8>) {
        if self.frame == Frame::Chunks {
            out.extend_from_slice(b"0\r\n\r\n");
        }
    }
}

/// A piece of the bodies of many responses, framed once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SharedPiece {
    /// As a chunk of a chunked body.
    framed: Chunk,
    /// Where in it the piece itself is.
    bare: Range<usize>,
}

impl SharedPiece {
    /// Frames a piece; an empty one would be a body's end.
    pub fn new(piece: &[u8]) -> Self {
        debug_assert!(!piece.is_empty(), "an empty chunk ends a body");
        let mut framed = Vec::with_capacity(piece.len() + 20);
        put_hex(&mut framed, piece.len() as u64);
        framed.extend_from_slice(b"\r\n");
        let bare = framed.len()..framed.len() + piece.len();
        framed.extend_from_slice(piece);
        framed.extend_from_slice(b"\r\n");
        Self { framed: framed.into(), bare }
    }

    /// The bytes that it takes up.
    pub fn bytes(&self) -> usize {
        self.framed.len()
    }
}

/// A response whose bytes are the same each time but for the date: written with one copy.
#[derive(Clone, Debug)]
pub struct Preencoded {
    bytes: Vec<u8>,
    date_at: usize,
    /// Bytes of the head without its empty line.
    fields_end: usize,
}

impl Preencoded {
    /// Encodes a response with the fields given.
    pub fn new(status: Status, fields: &[(&'static str, &str)], body: &[u8]) -> Self {
        Self::in_front_of(status, fields, body.len(), body)
    }

    /// Encodes a response to which the caller adds the rest of a body of `length` bytes, unless
    /// the client wants the head alone: all of it, or nothing, is in `body`.
    pub fn in_front_of(
        status: Status,
        fields: &[(&'static str, &str)],
        length: usize,
        body: &[u8],
    ) -> Self {
        let to = ReplyTo { version: Version::Http11, is_head: false, keep_alive: true };
        let mut bytes = Vec::new();
        let mut response = Response::new(&mut bytes, to, status, &[b' '; DATE_BYTES]);
        let date_at = response.out.len() - 2 - DATE_BYTES;
        for (name, value) in fields {
            response = response.field(name, value);
        }
        response.length(length as u64);
        let fields_end = bytes.len() - 2;
        if !status.is_bodyless() {
            bytes.extend_from_slice(body);
        }
        Self { bytes, date_at, fields_end }
    }

    /// How many bytes it has.
    #[expect(clippy::len_without_is_empty, reason = "a response is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes it.
    #[inline]
    pub fn put(&self, out: &mut Vec<u8>, to: ReplyTo, date: &[u8; DATE_BYTES]) {
        let start = out.len();
        let plain = ReplyTo { version: Version::Http11, is_head: false, keep_alive: true };
        if to == plain {
            out.extend_from_slice(&self.bytes);
        } else {
            let (fields, rest) = self.bytes.split_at(self.fields_end);
            out.extend_from_slice(fields);
            out.extend_from_slice(to.connection());
            out.extend_from_slice(if to.is_head { b"\r\n" } else { rest });
        }
        let date_at = start + self.date_at;
        out[date_at..date_at + DATE_BYTES].copy_from_slice(date);
    }
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
}

/// Writes a field line that no value can leave.
pub(super) fn put_field(out: &mut Vec<u8>, name: &'static str, value: &[u8]) {
    debug_assert!(super::fields::is_token(name.as_bytes()), "a field's name is a token: {name}");
    put_name(out, name);
    let start = out.len();
    out.extend_from_slice(value);
    for byte in &mut out[start..] {
        if !super::fields::is_value_byte(*byte) {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a number in decimal digits.
pub(super) fn put_number(out: &mut Vec<u8>, number: u64) {
    put_digits(out, number, 10);
}

fn put_hex(out: &mut Vec<u8>, number: u64) {
    put_digits(out, number, 16);
}

#[inline]
fn put_digits(out: &mut Vec<u8>, mut number: u64, radix: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdef"[(number % radix) as usize];
        number /= radix;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
