//! Fields of a head: `name: value`, folded over lines that begin with white space (RFC 5536, 2.2).

use super::words::guess_text;
use super::{ArticleError, ArticleErrorKind, FIELDS_MAX, HEAD_BYTES_MAX, ONCE};

/// One field of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name as it came.
    pub name: String,
    /// What stands behind the colon and its space, up to the line end: with the folds as they came.
    pub value: Vec<u8>,
}

impl Field {
    /// A field of these.
    pub fn new(name: &str, value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_owned(), value: value.into() }
    }

    /// True for this name, whatever its case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Appends the field with its line end.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(&self.value);
        out.extend_from_slice(b"\r\n");
    }
}

/// The fields of an article, and where its body begins.
pub(super) fn read_head(bytes: &[u8]) -> Result<(Vec<Field>, usize), ArticleError> {
    let error = |kind, at| ArticleError { kind, at };
    if bytes.starts_with(b"\r\n") {
        return Ok((Vec::new(), 2));
    }
    let within = &bytes[..bytes.len().min(HEAD_BYTES_MAX + 4)];
    let end = within.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end else {
        let is_long = bytes.len() > HEAD_BYTES_MAX;
        let kind = if is_long { ArticleErrorKind::LongHead } else { ArticleErrorKind::NoBody };
        return Err(error(kind, within.len()));
    };
    Ok((read_fields(&bytes[..end + 2])?, end + 4))
}

/// Reads fields, each with its line end.
pub(super) fn read_fields(head: &[u8]) -> Result<Vec<Field>, ArticleError> {
    let error = |kind, at| ArticleError { kind, at };
    if head.len() > HEAD_BYTES_MAX {
        return Err(error(ArticleErrorKind::LongHead, HEAD_BYTES_MAX));
    }
    if let Some(at) = stray(head) {
        return Err(error(ArticleErrorKind::Stray, at));
    }
    let mut fields: Vec<Field> = Vec::new();
    let mut at = 0;
    while at < head.len() {
        let length = field_length(&head[at..]);
        let Some(length) = length else { return Err(error(ArticleErrorKind::Malformed, at)) };
        if fields.len() == FIELDS_MAX {
            return Err(error(ArticleErrorKind::ManyFields, at));
        }
        let field = read_field(&head[at..at + length]).map_err(|kind| error(kind, at))?;
        let is_single = || ONCE.iter().any(|name| field.is(name));
        if is_single() && fields.iter().any(|other| other.is(&field.name)) {
            return Err(error(ArticleErrorKind::Twice, at));
        }
        fields.push(field);
        at += length + 2;
    }
    Ok(fields)
}

/// How long the first field is without its last line end.
fn field_length(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let end = from + bytes[from..].windows(2).position(|two| two == b"\r\n")?;
        match bytes.get(end + 2) {
            Some(b' ' | b'\t') => from = end + 2,
            _ => return Some(end),
        }
    }
}

fn read_field(line: &[u8]) -> Result<Field, ArticleErrorKind> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(ArticleErrorKind::Malformed)?;
    let name = &line[..colon];
    if name.is_empty() || !name.iter().all(|byte| matches!(byte, 33..=126)) {
        return Err(ArticleErrorKind::Malformed);
    }
    // RFC 5536 wants a space behind the colon; a fold right there is one that old software made.
    let value = match line.get(colon + 1) {
        Some(b' ') => &line[colon + 2..],
        Some(b'\t' | b'\r') => &line[colon + 1..],
        Some(_) => return Err(ArticleErrorKind::Malformed),
        None => &[],
    };
    if value.trim_ascii().is_empty() {
        return Err(ArticleErrorKind::Empty);
    }
    let name = String::from_utf8_lossy(name).into_owned();
    Ok(Field { name, value: value.to_vec() })
}

/// Where a CR or LF stands alone, or a NUL.
pub(super) fn stray(bytes: &[u8]) -> Option<usize> {
    let mut before = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let is_bad = match byte {
            0 => true,
            b'\n' => before != b'\r',
            _ => before == b'\r',
        };
        if is_bad {
            return Some(at);
        }
        before = byte;
    }
    (before == b'\r').then(|| bytes.len() - 1)
}

/// A value in one line, its bytes beyond ASCII guessed.
pub(super) fn unfold(value: &[u8]) -> String {
    let text = guess_text(value);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            // A fold is its line end alone: the white space behind it belongs to the value.
            '\r' if rest.next_if_eq(&'\n').is_some() => {}
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    let trimmed = out.trim();
    if trimmed.len() == out.len() { out } else { trimmed.to_owned() }
}
