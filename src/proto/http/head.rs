//! A request's head: what `httparse` accepts, held to what RFC 9110 and RFC 9112 allow. It decides
//! how the message is framed; anything that two readers could frame differently is refused.

use super::body::BodyLength;
use super::error::{Fault, HttpErrorKind};
use super::fields::{Fields, is_token, is_token_byte, is_value_byte, list_elements};
use super::request::HttpLimits;
use super::response::ReplyTo;
use super::scan::{METHOD_BYTES_MAX, Section};
use super::target::{Target, is_authority};
use httparse::Header;
use std::mem::MaybeUninit;

/// The most field lines that a head can have, whatever the limits say.
pub(super) const FIELDS_HARD_MAX: usize = 128;

/// A request's method. Names are case-sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are those of RFC 9110, 9.3.
pub enum Method<'a> {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Trace,
    Connect,
    /// A token of at most 32 bytes that is none of the above.
    Other(&'a str),
}

impl<'a> Method<'a> {
    fn new(name: &'a str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "PATCH" => Self::Patch,
            "TRACE" => Self::Trace,
            "CONNECT" => Self::Connect,
            _ => Self::Other(name),
        }
    }
}

/// The version of a message; all others are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// A request without its body. Everything borrows the input buffer.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: Method<'a>,
    /// The target, checked and split.
    pub target: Target<'a>,
    /// The version.
    pub version: Version,
    /// All fields.
    pub fields: Fields<'a>,
    pub(super) host: Option<&'a [u8]>,
    /// How the body is framed.
    pub body: BodyLength,
    /// May another request follow on this connection?
    pub keep_alive: bool,
    /// The peer waits for [`super::CONTINUE`], or a final answer, before it sends the body.
    pub expect_continue: bool,
}

impl<'a> Head<'a> {
    /// The authority asked for, `host[:port]`: of the target if it has one, else of Host. `None`
    /// only for HTTP/1.0.
    pub fn authority(&self) -> Option<&'a str> {
        match self.target {
            Target::Absolute { authority, .. } | Target::Authority(authority) => Some(authority),
            Target::Origin { .. } | Target::Asterisk => {
                self.host.and_then(|host| std::str::from_utf8(host).ok())
            }
        }
    }

    /// What the answer depends on; it outlives the head.
    pub fn reply_to(&self) -> ReplyTo {
        ReplyTo {
            version: self.version,
            is_head: self.method == Method::Head,
            keep_alive: self.keep_alive,
        }
    }
}

impl<'a> Head<'a> {
    /// Reads the head at the front of `bytes` if it is there as a whole and nothing is wrong with
    /// it; the first number is its length. `None` says nothing: [`Head::parse`] does.
    #[inline]
    pub(super) fn read_at_once(bytes: &'a [u8], limits: &HttpLimits) -> Option<(usize, Self)> {
        let bytes = &bytes[..bytes.len().min(limits.head_bytes_max)];
        Self::read(bytes, limits).ok()
    }

    /// Reads a whole head, as [`Section`] measured it.
    pub(super) fn parse(
        bytes: &'a [u8],
        section: Section,
        limits: &HttpLimits,
    ) -> Result<Self, Fault> {
        match Self::read(bytes, limits) {
            Ok((_, head)) => Ok(head),
            Err(fault) => Err(fault.unwrap_or_else(|| request_fault(bytes, section))),
        }
    }

    /// The head at the front and its length. `Err(None)`: httparse would not have it, or a line
    /// ends in LF alone.
    #[inline]
    fn read(bytes: &'a [u8], limits: &HttpLimits) -> Result<(usize, Self), Option<Fault>> {
        if let Some(b'\r' | b'\n') = bytes.first() {
            // httparse skips any number of empty lines before a head.
            return Err(None);
        }
        let mut lines = [const { MaybeUninit::<Header<'a>>::uninit() }; FIELDS_HARD_MAX];
        let lines = &mut lines[..limits.fields_max.min(FIELDS_HARD_MAX)];
        let mut raw = httparse::Request::new(&mut []);
        let parsed = raw.parse_with_uninit_headers(bytes, lines);
        let (Ok(httparse::Status::Complete(len)), Some(method), Some(target), Some(minor)) =
            (parsed, raw.method, raw.path, raw.version)
        else {
            return Err(None);
        };
        let bytes = &bytes[..len];
        if !bytes.ends_with(b"\r\n\r\n") {
            return Err(None);
        }
        let version = if minor == 1 { Version::Http11 } else { Version::Http10 };
        let framing = Framing::read(bytes, raw.headers, version)?;
        if method.len() > METHOD_BYTES_MAX {
            return Err(Some(Fault::new(HttpErrorKind::MethodTooLong, METHOD_BYTES_MAX)));
        }
        let target_at = method.len() + 1;
        let fields_at = target_at + target.len() + " HTTP/1.1\r\n".len();
        if target.len() > limits.target_bytes_max {
            let place = target_at + limits.target_bytes_max;
            return Err(Some(Fault::new(HttpErrorKind::TargetTooLong, place)));
        }
        let method = Method::new(method);
        let target = Target::parse(method, target)
            .map_err(|fault| Fault::new(fault.kind, target_at + fault.place))?;
        if framing.host.is_none() && version == Version::Http11 {
            return Err(Some(Fault::new(HttpErrorKind::HostMissing, len - 2)));
        }
        let head = Self {
            method,
            target,
            version,
            fields: Fields::new(&bytes[fields_at..len - 2]),
            host: framing.host,
            body: framing.body.unwrap_or(BodyLength::None),
            keep_alive: framing.keep_alive(version),
            expect_continue: framing.expects && version == Version::Http11,
        };
        Ok((len, head))
    }
}

/// What the fields say about the message's frame and the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framing<'a> {
    host: Option<&'a [u8]>,
    pub(super) body: Option<BodyLength>,
    close: bool,
    stay: bool,
    expects: bool,
}

impl<'a> Framing<'a> {
    /// Reads the fields of a head that begins at `bytes`. `Err(None)`: a line ends in LF alone.
    #[inline]
    pub(super) fn read(
        bytes: &[u8],
        fields: &[Header<'a>],
        version: Version,
    ) -> Result<Self, Option<Fault>> {
        let mut framing = Self::default();
        for field in fields {
            let at = place_of(bytes, field);
            // httparse takes LF alone for a line's end. Every LF up to the last field ends the line
            // before one; the head's end is looked at by the caller.
            if bytes.get(at.wrapping_sub(2)) != Some(&b'\r') {
                return Err(None);
            }
            framing.on_field(field, version).map_err(|kind| Fault::new(kind, at))?;
        }
        Ok(framing)
    }

    /// The length of the name tells nearly all fields apart from those that matter here.
    #[inline]
    fn on_field(&mut self, field: &Header<'a>, version: Version) -> Result<(), HttpErrorKind> {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        match field.name.len() {
            4 if is("host") => self.on_host(field.value),
            6 if is("expect") => self.on_expect(field.value, version),
            10 if is("connection") => {
                self.on_connection(field.value);
                Ok(())
            }
            14 if is("content-length") => self.on_length(field.value),
            17 if is("transfer-encoding") => self.on_coding(field.value, version),
            _ => Ok(()),
        }
    }

    fn on_host(&mut self, value: &'a [u8]) -> Result<(), HttpErrorKind> {
        if self.host.replace(value).is_some() {
            return Err(HttpErrorKind::HostRepeated);
        }
        if is_authority(value) { Ok(()) } else { Err(HttpErrorKind::Host) }
    }

    fn on_expect(&mut self, value: &[u8], version: Version) -> Result<(), HttpErrorKind> {
        self.expects = value.eq_ignore_ascii_case(b"100-continue");
        // A 1.0 client cannot mean it (RFC 9110, 10.1.1).
        if self.expects || version == Version::Http10 {
            Ok(())
        } else {
            Err(HttpErrorKind::Expectation)
        }
    }

    fn on_connection(&mut self, value: &[u8]) {
        for option in list_elements(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.stay |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn on_length(&mut self, value: &[u8]) -> Result<(), HttpErrorKind> {
        match self.body {
            None => {}
            Some(BodyLength::Chunked) => return Err(HttpErrorKind::LengthAndCoding),
            Some(_) => return Err(HttpErrorKind::ContentLengthRepeated),
        }
        let length = decimal(value).ok_or(HttpErrorKind::ContentLength)?;
        self.body = Some(BodyLength::Length(length));
        Ok(())
    }

    fn on_coding(&mut self, value: &[u8], version: Version) -> Result<(), HttpErrorKind> {
        match self.body {
            None => {}
            Some(BodyLength::Chunked) => return Err(HttpErrorKind::TransferCoding),
            Some(_) => return Err(HttpErrorKind::LengthAndCoding),
        }
        if version == Version::Http10 {
            return Err(HttpErrorKind::TransferCodingInOldVersion);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(coding_fault(value));
        }
        self.body = Some(BodyLength::Chunked);
        Ok(())
    }

    /// RFC 9112, 9.3: 1.1 stays unless it says close; 1.0 closes unless it says keep-alive.
    pub(super) fn keep_alive(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.stay)
    }
}

/// Where in `bytes`, of which it is a part, a field begins.
#[inline]
pub(super) fn place_of(bytes: &[u8], field: &Header<'_>) -> usize {
    field.name.as_ptr().addr() - bytes.as_ptr().addr()
}

/// A number below 2^63, in digits alone.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let number = digits.iter().try_fold(0_u64, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0'))
    })?;
    i64::try_from(number).is_ok().then_some(number)
}

/// Which fault a Transfer-Encoding other than `chunked` is. Codings that end in `chunked` frame
/// the body, but we cannot undo them: 501. Without it at the end nothing frames the body: 400.
fn coding_fault(value: &[u8]) -> HttpErrorKind {
    let sound = |coding: &[u8]| {
        let end = coding.iter().position(|&byte| byte == b';').unwrap_or(coding.len());
        is_token(coding[..end].trim_ascii_end())
    };
    let codings = || value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let once_at_the_end = codings().next_back().is_some_and(chunked)
        && codings().filter(|coding| chunked(coding)).count() == 1;
    if once_at_the_end && codings().all(sound) {
        HttpErrorKind::TransferCodingUnknown
    } else {
        HttpErrorKind::TransferCoding
    }
}

/// Names the fault of a request head that httparse refused. Only here for the error's text.
#[cold]
fn request_fault(bytes: &[u8], section: Section) -> Fault {
    request_line_fault(&bytes[..section.first_line.saturating_sub(2)])
        .unwrap_or_else(|| fields_fault(bytes, section.first_line))
}

fn request_line_fault(line: &[u8]) -> Option<Fault> {
    let fault = |kind, place| Some(Fault::new(kind, place));
    if let Some(place) = line.iter().position(|&byte| byte == b'\r') {
        return fault(HttpErrorKind::BareCr, place);
    }
    let method_len = line.iter().position(|&byte| !is_token_byte(byte)).unwrap_or(line.len());
    match line.get(method_len) {
        None => return fault(HttpErrorKind::StartLine, line.len()),
        Some(b' ') if method_len > 0 => {}
        Some(_) => return fault(HttpErrorKind::Method, method_len),
    }
    let target = &line[method_len + 1..];
    let Some(target_len) = target.iter().position(|&byte| byte == b' ') else {
        return fault(HttpErrorKind::StartLine, line.len());
    };
    let bad = |byte: &u8| *byte < b' ' || *byte >= 0x7f;
    if let Some(place) = target[..target_len].iter().position(bad) {
        return fault(HttpErrorKind::Target, method_len + 1 + place);
    }
    let version_at = method_len + 1 + target_len + 1;
    match &line[version_at..] {
        b"HTTP/1.0" | b"HTTP/1.1" if target_len > 0 => None,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if target_len > 0 && major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            fault(HttpErrorKind::Version, version_at + 5)
        }
        _ => fault(HttpErrorKind::StartLine, version_at),
    }
}

/// Names the fault of field lines that httparse refused; they begin at `from` and end in an empty
/// line.
#[cold]
pub(super) fn fields_fault(bytes: &[u8], from: usize) -> Fault {
    let mut at = from;
    for line in bytes[from..].split_inclusive(|&byte| byte == b'\n') {
        let line_fault = field_fault(line.strip_suffix(b"\r\n").unwrap_or(line));
        if let Some(fault) = line_fault {
            return Fault::new(fault.kind, at + fault.place);
        }
        at += line.len();
    }
    Fault::new(HttpErrorKind::FieldName, from)
}

fn field_fault(line: &[u8]) -> Option<Fault> {
    let fault = |kind, place| Some(Fault::new(kind, place));
    let name_len = line.iter().position(|&byte| !is_token_byte(byte)).unwrap_or(line.len());
    match line.get(name_len) {
        None if line.is_empty() => return None,
        Some(b':') if name_len > 0 => {}
        Some(b' ' | b'\t') if name_len == 0 => return fault(HttpErrorKind::FoldedField, 0),
        Some(b' ' | b'\t') => return fault(HttpErrorKind::SpaceBeforeColon, name_len),
        Some(b'\r') => return fault(HttpErrorKind::BareCr, name_len),
        _ => return fault(HttpErrorKind::FieldName, name_len),
    }
    let bad = line[name_len..].iter().position(|&byte| !is_value_byte(byte))? + name_len;
    let kind = if line[bad] == b'\r' { HttpErrorKind::BareCr } else { HttpErrorKind::FieldValue };
    fault(kind, bad)
}
