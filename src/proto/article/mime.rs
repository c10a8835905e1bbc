//! MIME bodies (RFC 2045, 2046) both ways: the text that an article carries, whatever its charset,
//! coding and parts; and a body's bytes as lines that may be carried.

use super::words::{FORGIVING, decode_charset, guess_text};
use super::{Article, Field, LINE_BYTES_MAX, field, qp};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Parts within parts are looked into so deep.
const DEPTH_MAX: usize = 4;
/// So many parts of one article are looked at.
const PARTS_MAX: usize = 64;
/// Characters of base64 a line.
const BASE64_LINE: usize = 76;

/// What a body says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its media type in lower case, without parameters; `text/plain` where nothing is said.
    pub media_type: String,
    /// Text in UTF-8 with LF line ends; of another media type the bytes as they are.
    pub body: Vec<u8>,
}

/// How a body is carried: its Content-Transfer-Encoding. Whichever it is, the body becomes lines
/// that end with CRLF, none of them too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Text as it is.
    EightBit,
    /// Text with lines that are too long, or with what no line may hold.
    QuotedPrintable,
    /// Bytes that are no text.
    Base64,
}

/// How large a body is that is carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Its bytes, line ends included.
    pub bytes: usize,
    /// Its lines.
    pub lines: usize,
}

impl Extent {
    /// Of a body whose lines end with CRLF.
    pub fn of(body: &[u8]) -> Self {
        let lines = body.split_inclusive(|byte| *byte == b'\n').count();
        Self { bytes: body.len(), lines }
    }
}

/// A Content-Type: its essence in lower case, and what of its parameters matters here.
#[derive(Default)]
struct ContentType {
    essence: String,
    charset: Vec<u8>,
    boundary: Vec<u8>,
}

/// What an article says: of several parts the first text, plain text before others.
pub(super) fn content(article: &Article) -> Content {
    let mut parts_left = PARTS_MAX;
    let whole = Part { fields: &article.fields, body: &article.body };
    whole.best_text(DEPTH_MAX, &mut parts_left).unwrap_or_else(|| whole.content())
}

/// A body with the fields that say what it is.
struct Part<'a> {
    fields: &'a [Field],
    body: &'a [u8],
}

impl Part<'_> {
    fn value(&self, name: &str) -> String {
        let field = self.fields.iter().find(|field| field.is(name));
        field.map(|field| field::unfold(&field.value)).unwrap_or_default()
    }

    /// The first plain text in it; else the first text.
    fn best_text(&self, depth: usize, parts_left: &mut usize) -> Option<Content> {
        let kind = ContentType::parse(&self.value("content-type"));
        if !kind.essence.starts_with("multipart/") {
            return kind.essence.starts_with("text/").then(|| self.content());
        }
        let mut other = None;
        for part in parts(self.body, &kind.boundary) {
            if depth == 0 || *parts_left == 0 {
                break;
            }
            *parts_left -= 1;
            let (fields, body) = read_part(part);
            let found = Part { fields: &fields, body }.best_text(depth - 1, parts_left);
            match found {
                Some(found) if found.media_type == "text/plain" => return Some(found),
                found => other = other.or(found),
            }
        }
        other
    }

    fn content(&self) -> Content {
        let kind = ContentType::parse(&self.value("content-type"));
        let coding = self.value("content-transfer-encoding").to_ascii_lowercase();
        let bytes = match coding.as_str() {
            "base64" => decode_base64(self.body),
            "quoted-printable" => qp::decode(self.body),
            _ => self.body.to_vec(),
        };
        if !kind.essence.starts_with("text/") {
            return Content { media_type: kind.essence, body: bytes };
        }
        let text = if kind.charset.is_empty() {
            guess_text(&bytes)
        } else {
            decode_charset(&kind.charset, &bytes)
        };
        Content { media_type: kind.essence, body: lf_lines(&text) }
    }
}

impl ContentType {
    /// Reads a field's value; whatever can't be read is plain text.
    fn parse(value: &str) -> Self {
        let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
        let essence = essence.trim().to_ascii_lowercase();
        let is_token = |c: char| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(c);
        let is_type = essence.split_once('/').is_some_and(|(major, minor)| {
            !major.is_empty()
                && !minor.is_empty()
                && (major.to_owned() + minor).chars().all(is_token)
        });
        let essence = if is_type { essence } else { "text/plain".to_owned() };
        let mut found = Self { essence, ..Self::default() };
        let mut rest = parameters;
        while let Some((name, value, behind)) = parameter(rest) {
            match name.to_ascii_lowercase().as_str() {
                "charset" => found.charset = value.into_bytes(),
                "boundary" => found.boundary = value.into_bytes(),
                _ => {}
            }
            rest = behind;
        }
        found
    }
}

/// The first parameter `name=value` and what stands behind its semicolon.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.split_once('=')?;
    let name = name.rsplit(';').next().unwrap_or(name).trim();
    let rest = rest.trim_start();
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find(';').unwrap_or(rest.len());
        let value = rest[..end].trim().to_owned();
        return Some((name, value, rest.get(end + 1..).unwrap_or("")));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((name, value, &quoted[at + 1..])),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    Some((name, value, ""))
}

/// What stands between the lines of a boundary (RFC 2046, 5.1); what comes before the first and
/// behind the last is not part of it.
fn parts<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    if boundary.is_empty() {
        return parts;
    }
    let mut start = None;
    let mut at = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let next = at + line.len();
        let mark = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary));
        if let Some(mark) = mark {
            let mark = mark.trim_ascii_end();
            if mark.is_empty() || mark == b"--" {
                if let Some(start) = start.take() {
                    // The line end before a boundary belongs to it.
                    let part: &[u8] = &body[start..at];
                    parts.push(part.strip_suffix(b"\r\n").unwrap_or(part));
                }
                if mark == b"--" || parts.len() == PARTS_MAX {
                    return parts;
                }
                start = Some(next);
            }
        }
        at = next;
    }
    if let Some(start) = start {
        parts.push(&body[start.min(body.len())..]);
    }
    parts
}

/// The fields and the body of a part; one without a head is all body.
fn read_part(part: &[u8]) -> (Vec<Field>, &[u8]) {
    match field::read_head(part) {
        Ok((fields, end)) => (fields, &part[end..]),
        Err(_) => (Vec::new(), part),
    }
}

/// Undoes base64, as far as it goes.
fn decode_base64(body: &[u8]) -> Vec<u8> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    let coded: Vec<u8> = body.iter().copied().filter(is_base64).collect();
    // One character over is no byte.
    let whole = if coded.len() % 4 == 1 { coded.len() - 1 } else { coded.len() };
    FORGIVING.decode(&coded[..whole]).unwrap_or_default()
}

impl Coding {
    /// What a body needs: text with LF line ends, or bytes.
    pub fn of(body: &[u8], is_text: bool) -> Self {
        let is_good = |line: &[u8]| {
            line.len() <= LINE_BYTES_MAX && !line.iter().any(|byte| matches!(byte, 0 | b'\r'))
        };
        if !is_text || std::str::from_utf8(body).is_err() {
            Self::Base64
        } else if text_lines(body).all(is_good) {
            Self::EightBit
        } else {
            Self::QuotedPrintable
        }
    }

    /// As the field has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::EightBit => "8bit",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
        }
    }

    /// A body as it is carried.
    pub fn encode(self, body: &[u8]) -> Vec<u8> {
        match self {
            Self::EightBit => wire_lines(body),
            Self::QuotedPrintable => {
                let mut coded = Vec::with_capacity(body.len() + body.len() / 8);
                qp::encode(&wire_lines(body), &mut coded);
                coded
            }
            Self::Base64 => encode_base64(body),
        }
    }

    /// How large that is; found without making it, where that can be.
    pub fn extent(self, body: &[u8]) -> Extent {
        match self {
            Self::EightBit => text_lines(body).fold(Extent::default(), |all, line| Extent {
                bytes: all.bytes + line.len() + 2,
                lines: all.lines + 1,
            }),
            Self::QuotedPrintable => Extent::of(&self.encode(body)),
            Self::Base64 => {
                let characters = body.len().div_ceil(3) * 4;
                let lines = characters.div_ceil(BASE64_LINE);
                Extent { bytes: characters + 2 * lines, lines }
            }
        }
    }
}

/// A text with LF line ends.
fn lf_lines(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        out.extend_from_slice(without_end(line.as_bytes()));
        if line.ends_with('\n') {
            out.push(b'\n');
        }
    }
    out
}

/// The lines of a text, without their ends.
fn text_lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split_inclusive(|byte| *byte == b'\n').map(without_end)
}

/// A line without its LF and every CR before that: one that stood for itself there could not be
/// told from that of a CRLF.
fn without_end(line: &[u8]) -> &[u8] {
    let mut line = line.strip_suffix(b"\n").unwrap_or(line);
    while let Some(shorter) = line.strip_suffix(b"\r") {
        line = shorter;
    }
    line
}

/// A text with LF line ends as it stands in an article: CRLF line ends, and one at the end.
pub fn wire_lines(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + body.len() / 32 + 2);
    for line in text_lines(body) {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn encode_base64(body: &[u8]) -> Vec<u8> {
    let coded = STANDARD.encode(body);
    let mut out = Vec::with_capacity(coded.len() + coded.len() / 32);
    for line in coded.as_bytes().chunks(BASE64_LINE) {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out
}
