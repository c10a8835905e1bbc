//! Netnews articles (RFC 5536, 5537), sans-I/O: a head of fields, a blank line, a body. Reads what
//! came over the wire, byte for byte, so that it can be handed on unchanged; prints what is made
//! here. MIME (RFC 2045 to 2047) both ways, cancel locks (RFC 8315).
//!
//! The protocol that carries articles is not known here: no dot is stuffed, no line is counted.

mod cancel;
mod date;
mod error;
mod field;
mod groups;
mod id;
mod mime;
mod path;
mod qp;
#[cfg(test)]
mod tests;
mod words;

pub use cancel::{cancel_key, cancel_lock, is_unlocked};
pub use date::{parse_date, put_date};
pub use error::{ArticleError, ArticleErrorKind};
pub use field::Field;
pub use groups::is_group;
pub use id::{MessageId, message_ids};
pub use mime::{Coding, Content, Extent, wire_lines};
pub use path::Path;
pub use words::{decode_words, encode_words};

/// No head is longer, in bytes with its line ends.
pub const HEAD_BYTES_MAX: usize = 32 << 10;
/// No head has more fields.
const FIELDS_MAX: usize = 256;
/// No line of what is printed here is longer, in bytes without its end (RFC 5536, 2.2).
pub const LINE_BYTES_MAX: usize = 998;

/// Fields that may stand once in a head (RFC 5536, 3.1 and 3.2): twice, they would mean two things
/// to two readers.
const ONCE: [&str; 22] = [
    "approved",
    "archive",
    "cancel-key",
    "cancel-lock",
    "content-transfer-encoding",
    "content-type",
    "control",
    "date",
    "distribution",
    "expires",
    "followup-to",
    "from",
    "injection-date",
    "message-id",
    "mime-version",
    "newsgroups",
    "path",
    "references",
    "reply-to",
    "subject",
    "summary",
    "supersedes",
];

/// An article as it came, or as it is to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Article {
    /// Its head, in order.
    pub fields: Vec<Field>,
    /// What stands behind the blank line, with CRLF line ends.
    pub body: Vec<u8>,
}

impl Article {
    /// Reads an article whose lines end with CRLF. Whether it says what an article must say is not
    /// looked at ([`Article::missing`]).
    pub fn parse(bytes: &[u8]) -> Result<Self, ArticleError> {
        let (fields, end) = field::read_head(bytes)?;
        let body = &bytes[end..];
        if let Some(at) = field::stray(body) {
            return Err(ArticleError { kind: ArticleErrorKind::Stray, at: end + at });
        }
        Ok(Self { fields, body: body.to_vec() })
    }

    /// The head and nothing else; `bytes` are fields without the blank line.
    pub fn parse_head(bytes: &[u8]) -> Result<Vec<Field>, ArticleError> {
        field::read_fields(bytes)
    }

    /// The value of the first field of this name as it came, folds and all.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        let field = self.fields.iter().find(|field| field.is(name));
        field.map(|field| &field.value[..])
    }

    /// The value of the first field of this name in one line: what a fold or a forbidden byte was
    /// is a space. Empty where there is none.
    pub fn unfolded(&self, name: &str) -> String {
        self.first(name).map(field::unfold).unwrap_or_default()
    }

    /// The text of the first field of this name: encoded words (RFC 2047) undone, bytes beyond
    /// ASCII guessed. Empty where there is none.
    pub fn decoded(&self, name: &str) -> String {
        self.first(name).map(decode_words).unwrap_or_default()
    }

    /// Its name, if it has a good one.
    pub fn message_id(&self) -> Option<MessageId<'_>> {
        self.first("message-id").and_then(|value| MessageId::parse(value.trim_ascii()))
    }

    /// The first field that every article must have and this one lacks; of those in `but` it need
    /// have none.
    pub fn missing(&self, but: &[&str]) -> Option<&'static str> {
        const NEEDED: [&str; 6] = ["date", "from", "message-id", "newsgroups", "path", "subject"];
        let is_here = |name: &str| self.fields.iter().any(|field| field.is(name));
        NEEDED.into_iter().find(|name| !but.contains(name) && !is_here(name))
    }

    /// Sets a field: in the place of the first of its name, else behind all.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let value = value.into();
        match self.fields.iter_mut().find(|field| field.is(name)) {
            Some(field) => field.value = value,
            None => self.fields.push(Field { name: name.to_owned(), value }),
        }
    }

    /// Takes all fields of a name away.
    pub fn remove(&mut self, name: &str) {
        self.fields.retain(|field| !field.is(name));
    }

    /// Appends head, blank line and body.
    pub fn put(&self, out: &mut Vec<u8>) {
        self.put_head(out);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
    }

    /// Appends the head, each field with its line end, without the blank line.
    pub fn put_head(&self, out: &mut Vec<u8>) {
        for field in &self.fields {
            field.put(out);
        }
    }

    /// How many bytes [`Article::put`] appends.
    pub fn bytes(&self) -> usize {
        let fields = self.fields.iter().map(|field| field.name.len() + field.value.len() + 4);
        fields.sum::<usize>() + 2 + self.body.len()
    }

    /// The groups that it is for.
    pub fn groups(&self) -> Vec<&str> {
        self.first("newsgroups").map(groups::newsgroups).unwrap_or_default()
    }

    /// Where it has been.
    pub fn path(&self) -> Path {
        self.first("path").map(Path::parse).unwrap_or_default()
    }

    /// What its body says, once its MIME coding is undone.
    pub fn content(&self) -> Content {
        mime::content(self)
    }
}
