//! Media types: what a request's content is (Content-Type) and what the client wants (Accept)
//! (RFC 9110, 8.3 and 12.5.1).

use super::fields::{Fields, is_token, list_elements, unquoted};
use std::borrow::Cow;
use std::fmt;

/// The largest quality, 1.000, in thousandths.
pub(super) const QUALITY_MAX: u16 = 1000;

/// Not `type/subtype` with `; name=value` parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedMediaType;

impl fmt::Display for MalformedMediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed media type")
    }
}

impl std::error::Error for MalformedMediaType {}

/// A media type. Type, subtype and the names of parameters are compared in any case of letters.
#[derive(Clone, Copy, Debug)]
pub struct ContentType<'a> {
    whole: &'a str,
    kind: &'a str,
    subtype: &'a str,
    parameters: &'a str,
}

impl<'a> ContentType<'a> {
    /// Reads a media type and checks all of it.
    pub fn parse(value: &'a [u8]) -> Result<Self, MalformedMediaType> {
        let whole = std::str::from_utf8(value).map_err(|_| MalformedMediaType)?.trim_ascii();
        let (essence, parameters) = split_at_semicolon(whole);
        let (kind, subtype) = essence.trim_ascii_end().split_once('/').ok_or(MalformedMediaType)?;
        if !is_token(kind.as_bytes()) || !is_token(subtype.as_bytes()) {
            return Err(MalformedMediaType);
        }
        for parameter in Parameters(parameters) {
            parameter?;
        }
        Ok(Self { whole, kind, subtype, parameters })
    }

    /// The type, as sent.
    pub fn kind(&self) -> &'a str {
        self.kind
    }

    /// The subtype, as sent.
    pub fn subtype(&self) -> &'a str {
        self.subtype
    }

    /// The whole value, parameters and all.
    pub fn as_str(&self) -> &'a str {
        self.whole
    }

    /// True for that `type/subtype`, whatever the parameters.
    pub fn is(&self, essence: &str) -> bool {
        essence.split_once('/').is_some_and(|(kind, subtype)| {
            self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
        })
    }

    /// The first parameter of that name, unquoted.
    pub fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        Parameters(self.parameters)
            .filter_map(Result::ok)
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// The parameters behind a value: `; name=value; name="value"`, empty ones skipped.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = Result<(&'a str, Cow<'a, str>), MalformedMediaType>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.0.is_empty() {
            let (parameter, rest) = split_at_semicolon(self.0);
            self.0 = rest;
            let parameter = parameter.trim_ascii();
            if !parameter.is_empty() {
                return Some(read_parameter(parameter));
            }
        }
        None
    }
}

fn read_parameter(parameter: &str) -> Result<(&str, Cow<'_, str>), MalformedMediaType> {
    let (name, value) = parameter.split_once('=').ok_or(MalformedMediaType)?;
    if !is_token(name.as_bytes()) {
        return Err(MalformedMediaType);
    }
    if is_token(value.as_bytes()) {
        return Ok((name, Cow::Borrowed(value)));
    }
    let inner = value.strip_prefix('"').ok_or(MalformedMediaType)?;
    let mut plain = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    loop {
        match rest.next().ok_or(MalformedMediaType)? {
            '"' => break,
            '\\' => plain.push(rest.next().ok_or(MalformedMediaType)?),
            other => plain.push(other),
        }
    }
    if rest.as_str().is_empty() { Ok((name, Cow::Owned(plain))) } else { Err(MalformedMediaType) }
}

fn split_at_semicolon(text: &str) -> (&str, &str) {
    let end = unquoted(text.as_bytes(), b';');
    (&text[..end], text.get(end + 1..).unwrap_or(""))
}

/// One element of Accept: `type/subtype`, `type/*` or `*/*`, with its quality.
#[derive(Clone, Copy, Debug)]
struct MediaRange<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: u16,
}

impl MediaRange<'_> {
    /// How exactly it names the type; `None`: not at all.
    fn precision(&self, kind: &str, subtype: &str) -> Option<u8> {
        let kind_is_named = self.kind.eq_ignore_ascii_case(kind);
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (_, "*") if kind_is_named => Some(1),
            (_, named) if kind_is_named && named.eq_ignore_ascii_case(subtype) => Some(2),
            _ => None,
        }
    }
}

/// What the client would like to get. Elements that are malformed count as absent.
#[derive(Clone, Debug)]
pub struct Accept<'a> {
    ranges: Vec<MediaRange<'a>>,
    is_absent: bool,
}

impl<'a> Accept<'a> {
    /// Reads all Accept fields; without any, everything is welcome.
    pub fn read(fields: &Fields<'a>) -> Self {
        let is_absent = fields.first("accept").is_none();
        let elements = fields.all("accept").flat_map(list_elements);
        Self { ranges: elements.filter_map(read_range).collect(), is_absent }
    }

    /// How welcome a `type/subtype` is, in thousandths; 0: not at all. The most exact range counts.
    pub fn quality(&self, essence: &str) -> u16 {
        if self.is_absent {
            return QUALITY_MAX;
        }
        let (kind, subtype) = essence.split_once('/').unwrap_or((essence, ""));
        self.ranges
            .iter()
            .filter_map(|range| Some((range.precision(kind, subtype)?, range.quality)))
            .max_by_key(|&(precision, _)| precision)
            .map_or(0, |(_, quality)| quality)
    }

    /// True when a range asks for that type by name: `type/subtype` or `type/*`, not `*/*`.
    pub fn names(&self, essence: &str) -> bool {
        let (kind, subtype) = essence.split_once('/').unwrap_or((essence, ""));
        let named = |range: &MediaRange<'_>| {
            range.quality > 0
                && range.precision(kind, subtype).is_some_and(|precision| precision > 0)
        };
        self.ranges.iter().any(named)
    }

    /// The place of the most welcome offer, the first one among equals; `None` when none is.
    pub fn best(&self, offers: &[&str]) -> Option<usize> {
        first_of_best(offers.iter().map(|offer| self.quality(offer)))
    }
}

/// The place of the largest quality above 0, the first among equals.
pub(super) fn first_of_best(qualities: impl Iterator<Item = u16>) -> Option<usize> {
    let mut best = None;
    for (place, quality) in qualities.enumerate() {
        if quality > best.map_or(0, |(_, most)| most) {
            best = Some((place, quality));
        }
    }
    best.map(|(place, _)| place)
}

fn read_range(element: &[u8]) -> Option<MediaRange<'_>> {
    let text = std::str::from_utf8(element).ok()?;
    let (essence, parameters) = split_at_semicolon(text);
    let (kind, subtype) = essence.trim_ascii_end().split_once('/')?;
    let sound = is_token(kind.as_bytes()) && is_token(subtype.as_bytes());
    let sound = sound && (kind != "*" || subtype == "*");
    let quality = quality_of(parameters)?;
    sound.then_some(MediaRange { kind, subtype, quality })
}

/// The `q` among parameters, in thousandths; 1000 without one, `None` when it is malformed.
pub(super) fn quality_of(parameters: &str) -> Option<u16> {
    let mut weights = Parameters(parameters).filter_map(Result::ok);
    match weights.find(|(name, _)| name.eq_ignore_ascii_case("q")) {
        None => Some(QUALITY_MAX),
        Some((_, value)) => read_quality(&value),
    }
}

/// `0`, `0.7`, `1.000`: at most three digits behind the point, at most 1.
fn read_quality(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let sound = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths = part.bytes().chain(std::iter::repeat(b'0')).take(3);
    let thousandths =
        thousandths.fold(0, |sum, digit| sum * 10 + u16::from(digit.wrapping_sub(b'0')));
    match (whole, sound) {
        ("0", true) => Some(thousandths),
        ("1", true) if thousandths == 0 => Some(QUALITY_MAX),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept<R>(value: &str, ask: impl FnOnce(Accept<'_>) -> R) -> R {
        let block = format!("Accept: {value}\r\n");
        ask(Accept::read(&Fields::new(block.as_bytes())))
    }

    #[test]
    fn a_media_type_is_split_and_its_parameters_unquoted() {
        let value = b" Text/HTML ; Charset=\"ut\\f-8\"; a=b;; ";
        let html = ContentType::parse(value).unwrap();
        assert!(html.is("text/html") && !html.is("text/plain") && !html.is("text"));
        assert_eq!((html.kind(), html.subtype()), ("Text", "HTML"));
        assert_eq!(html.parameter("charset").as_deref(), Some("utf-8"));
        assert_eq!(html.parameter("A").as_deref(), Some("b"));
        assert_eq!(html.parameter("c"), None);
        assert_eq!(html.as_str(), "Text/HTML ; Charset=\"ut\\f-8\"; a=b;;");
        let odd = ContentType::parse(b"a/b; x=\"1;2\"").unwrap();
        assert_eq!(odd.parameter("x").as_deref(), Some("1;2"));
    }

    #[test]
    fn malformed_media_types_are_refused() {
        for bad in [
            "",
            "text",
            "/",
            "text/",
            "/html",
            "te xt/html",
            "text/html/x",
            "text/html; a",
            "text/html; =b",
            "text/html; a=",
            "text/html; a=\"b",
            "text/html; a=\"b\"c",
            "text/html; a = b",
            "text/h\u{e9}",
            "text/html, text/plain",
        ] {
            assert!(ContentType::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(ContentType::parse(b"text/\xff").is_err());
    }

    #[test]
    fn the_most_exact_range_counts() {
        let value = "text/*;q=0.3, text/html;q=0.7, text/html;level=1, */*;q=0.5, image/png;q=0";
        accept(value, |accept| {
            assert_eq!(accept.quality("text/plain"), 300);
            assert_eq!(accept.quality("IMAGE/PNG"), 0);
            assert_eq!(accept.quality("image/jpeg"), 500);
            assert_eq!(accept.quality("text/html"), 1000);
            assert_eq!(accept.best(&["image/png", "text/plain", "image/gif"]), Some(2));
            assert!(accept.names("text/x") && !accept.names("image/png") && !accept.names("a/b"));
        });
    }

    #[test]
    fn equals_go_to_the_first_offer_and_nothing_welcome_is_none() {
        let offers = ["application/json", "text/plain"];
        accept("*/*", |accept| assert_eq!(accept.best(&offers), Some(0)));
        accept("text/*", |accept| assert_eq!(accept.best(&offers), Some(1)));
        accept("image/*", |accept| assert_eq!(accept.best(&offers), None));
        let none = Accept::read(&Fields::new(b""));
        assert_eq!(none.best(&offers), Some(0));
        assert!(!none.names("text/plain"));
    }

    #[test]
    fn qualities_are_read_strictly_and_malformed_elements_are_absent() {
        for (text, quality) in [
            ("0", Some(0)),
            ("0.", Some(0)),
            ("0.05", Some(50)),
            ("1.000", Some(1000)),
            ("1.001", None),
        ] {
            assert_eq!(read_quality(text), quality, "{text}");
        }
        for bad in ["", "2", "0.1234", "-1", ".5", "1e0", "00", "0.x"] {
            assert_eq!(read_quality(bad), None, "{bad}");
        }
        accept("text/html;q=x, */plain, , text, text/plain;q=0.1", |accept| {
            assert_eq!(accept.quality("text/html"), 0);
            assert_eq!(accept.quality("text/plain"), 100);
        });
    }
}
