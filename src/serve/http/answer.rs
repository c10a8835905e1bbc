//! An answer as the handlers give it, and how it gets into the out-buffer. What depends on the
//! connection (HEAD, version, keep-alive, date) is added when it is written.

use crate::base::OutBuf;
use crate::proto::http::{AcceptEncoding, Coding, DATE_BYTES, ReplyTo, Response, Status};
use serde::Serialize;
use std::borrow::Cow;

/// The media type of our JSON.
pub(super) const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    status: Status,
    media_type: Cow<'static, str>,
    fields: Vec<(&'static str, String)>,
    /// None only where no content is meant; it may be empty.
    content: Option<Vec<u8>>,
    closes: bool,
    /// Its content may be encoded for clients that like that.
    may_encode: bool,
}

impl Answer {
    /// An answer without content.
    pub(super) fn empty(status: Status) -> Self {
        Self {
            status,
            media_type: Cow::Borrowed(""),
            fields: Vec::new(),
            content: None,
            closes: false,
            may_encode: true,
        }
    }

    /// An answer with content of any media type.
    pub(super) fn content(
        status: Status,
        media_type: impl Into<Cow<'static, str>>,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        let content = Some(bytes.into());
        Self { media_type: media_type.into(), content, ..Self::empty(status) }
    }

    /// An answer in JSON.
    pub(super) fn json(status: Status, view: &impl Serialize) -> Self {
        Self::serialized(status, JSON, view)
    }

    /// An answer in `application/problem+json`.
    pub(super) fn problem(status: Status, view: &impl Serialize) -> Self {
        Self::serialized(status, PROBLEM, view)
    }

    fn serialized(status: Status, media_type: &'static str, view: &impl Serialize) -> Self {
        match serde_json::to_vec(view) {
            Ok(bytes) => Self::content(status, media_type, bytes),
            Err(error) => {
                // Only a map whose keys are no text fails, and no view has one.
                log::error!("an answer could not be written as JSON: {error}");
                Self::empty(Status::INTERNAL_SERVER_ERROR)
            }
        }
    }

    /// Adds a field.
    pub(super) fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// The content goes as it is: it was encoded before, or is a part of something.
    pub(super) fn unencoded(mut self) -> Self {
        self.may_encode = false;
        self
    }

    /// The content in the coding that the client likes best, if it is worth one. Nothing is encoded
    /// for a HEAD request: it hears of the content as it is (RFC 9110, 9.3.2).
    pub(super) fn encoded(mut self, encodings: AcceptEncoding, to: ReplyTo) -> Self {
        let Some(content) = self.content.as_mut().filter(|_| self.may_encode) else { return self };
        if !Coding::is_worth(&self.media_type, content.len()) {
            return self;
        }
        if to.is_head {
            return self.field("Vary", "Accept-Encoding");
        }
        let coding = encodings.best(&Coding::OFFERS).unwrap_or(Coding::Identity);
        let encoded = coding.encode(content);
        let is_encoded = encoded.is_some();
        *content = encoded.unwrap_or(std::mem::take(content));
        let answer = self.field("Vary", "Accept-Encoding");
        if is_encoded { answer.field("Content-Encoding", coding.name()) } else { answer }
    }

    /// The connection is closed behind the answer.
    pub(super) fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// Its status.
    pub(super) fn status(&self) -> Status {
        self.status
    }

    /// True when the connection is closed behind it, whatever was asked.
    pub(super) fn closes(&self) -> bool {
        self.closes
    }

    /// Writes it; `to` says what the request wanted.
    pub(super) fn write(&self, out: &mut OutBuf, to: ReplyTo, date: &[u8; DATE_BYTES]) {
        let to = if self.closes { to.closing() } else { to };
        let mut response = Response::new(out.tail(), to, self.status, date);
        if !self.media_type.is_empty() {
            response = response
                .field("Content-Type", &*self.media_type)
                .field("X-Content-Type-Options", "nosniff");
        }
        for (name, value) in &self.fields {
            response = response.field(name, value);
        }
        match &self.content {
            None => response.empty(),
            Some(bytes) => response.body(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http::Version;
    use serde_json::json;

    fn written(answer: &Answer, is_head: bool) -> String {
        let to = ReplyTo { version: Version::Http11, is_head, keep_alive: true };
        let mut out = OutBuf::new();
        answer.write(&mut out, to, b"Thu, 01 Jan 1970 00:00:00 GMT");
        let (slices, used) = out.io_slices::<4>();
        let bytes: Vec<u8> = slices[..used].iter().flat_map(|s| s.iter().copied()).collect();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn content_has_its_type_and_length_and_a_head_request_gets_no_body() {
        for answer in [
            Answer::json(Status::OK, &json!({"a": 1})),
            Answer::content(Status::OK, "text/plain", "hello"),
        ] {
            let (head, body) = written(&answer, false).split_once("\r\n\r\n").map(own).unwrap();
            assert!(head.contains("Content-Type: "), "{head}");
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
            assert_eq!(written(&answer, true), format!("{head}\r\n\r\n"));
        }
    }

    fn own((a, b): (&str, &str)) -> (String, String) {
        (a.to_owned(), b.to_owned())
    }

    #[test]
    fn an_answer_that_closes_says_so() {
        let answer = Answer::empty(Status::NO_CONTENT).field("Allow", "GET").closing();
        let text = written(&answer, false);
        assert!(
            text.contains("Allow: GET\r\n") && text.contains("Connection: close\r\n"),
            "{text}"
        );
        assert!(!text.contains("Content-"), "{text}");
    }
}
