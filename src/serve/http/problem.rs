//! What went wrong, as `application/problem+json` (RFC 9457). Each is made where it is found and
//! says what to do about it; nothing here decides.

use super::answer::Answer;
use crate::news::FieldError;
use crate::proto::http::Status;
use crate::serve::Refusal;
use crate::store::StoreError;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Why a request is not answered as it wished. Small: most requests have none.
#[derive(Debug)]
pub(in crate::serve) struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: Status,
    object: Object,
    fields: Vec<(&'static str, String)>,
    closes: bool,
}

#[derive(Debug, Serialize)]
struct Object {
    /// `about:blank` says: the title is the status's own (RFC 9457, 4.2.1).
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(flatten)]
    members: Map<String, Value>,
}

/// Bytes of a sentence for the reader, and of a name in it: what is wrong with a long text can be
/// said without all of it, and an answer is not to be longer than its request, however it was
/// deflated.
const DETAIL_BYTES_MAX: usize = 1024;
const NAME_BYTES_MAX: usize = 64;

/// The beginning of a text, which says so where there is more.
fn beginning(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
    text
}

impl Problem {
    /// A problem with one sentence for the reader, of a kilobyte at most.
    pub(in crate::serve) fn new(status: Status, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            status,
            object: Object {
                r#type: "about:blank",
                title: status.reason(),
                status: status.code(),
                detail: beginning(detail.into(), DETAIL_BYTES_MAX),
                members: Map::new(),
            },
            fields: Vec::new(),
            closes: false,
        }))
    }

    /// Adds a member to the JSON object.
    pub(in crate::serve) fn with(mut self, name: &str, value: Value) -> Self {
        self.0.object.members.insert(name.to_owned(), value);
        self
    }

    /// Adds a field to the answer's head.
    pub(in crate::serve) fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.fields.push((name, value.into()));
        self
    }

    /// One sentence for the reader.
    pub(in crate::serve) fn detail(&self) -> &str {
        &self.0.object.detail
    }

    /// The object that says all of it.
    pub(in crate::serve) fn json(&self) -> Value {
        serde_json::to_value(&self.0.object).unwrap_or_default()
    }

    /// Its status.
    pub(in crate::serve) fn status(&self) -> Status {
        self.0.status
    }

    /// The connection is closed behind it.
    pub(in crate::serve) fn closing(mut self) -> Self {
        self.0.closes = true;
        self
    }

    /// The answer that shows status and detail in some other way.
    pub(super) fn into_answer(self, show: impl FnOnce(Status, &str) -> Answer) -> Answer {
        let answer = show(self.0.status, &self.0.object.detail);
        self.finish(answer)
    }

    fn finish(self, mut answer: Answer) -> Answer {
        for (name, value) in self.0.fields {
            answer = answer.field(name, value);
        }
        if self.0.closes { answer.closing() } else { answer }
    }

    /// 400: the request itself is malformed.
    pub(in crate::serve) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Status::BAD_REQUEST, detail)
    }

    /// 404.
    pub(in crate::serve) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Status::NOT_FOUND, detail)
    }

    /// 422 with the names of the fields, of each the first 64 bytes, and what is wrong with each.
    pub(in crate::serve) fn fields(faults: impl IntoIterator<Item = (String, String)>) -> Self {
        let fields: Vec<Value> = faults
            .into_iter()
            .map(|(field, detail)| {
                let detail = beginning(detail, DETAIL_BYTES_MAX);
                json!({"field": beginning(field, NAME_BYTES_MAX), "detail": detail})
            })
            .collect();
        let detail = "the fields named in `fields` can't stand as they are";
        Self::new(Status::UNPROCESSABLE_CONTENT, detail).with("fields", Value::Array(fields))
    }

    /// 413, and the close: the body is not read.
    pub(in crate::serve) fn too_large(bytes_max: usize) -> Self {
        let detail = format!("a body here has at most {bytes_max} bytes");
        Self::new(Status::CONTENT_TOO_LARGE, detail).with("bytes_max", bytes_max.into()).closing()
    }

    /// 503 with the time after which to try again.
    pub(in crate::serve) fn later(detail: impl Into<String>, retry_after_s: u64) -> Self {
        Self::new(Status::SERVICE_UNAVAILABLE, detail)
            .field("Retry-After", retry_after_s.to_string())
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        let answer = Self::problem(problem.0.status, &problem.0.object);
        problem.finish(answer)
    }
}

/// Bad fields of a revision, all of them.
impl From<Vec<FieldError>> for Problem {
    fn from(faults: Vec<FieldError>) -> Self {
        Self::fields(faults.iter().map(|fault| (fault.field.to_owned(), fault.to_string())))
    }
}

/// The index failed: not the reader's fault, and the log keeps the cause for the operator.
impl From<StoreError> for Problem {
    fn from(fault: StoreError) -> Self {
        log::error!("a request failed: {fault}");
        Self::new(Status::INTERNAL_SERVER_ERROR, "this node can't read its index: try another node")
    }
}

/// The log failed: as above.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Busy(ms) => Self::later(detail, ms.div_ceil(1000).max(1)),
            Refusal::Failing => Self::later(detail, 5),
            Refusal::Draining => Self::later(detail, 1),
            Refusal::Malformed => Self::new(Status::UNPROCESSABLE_CONTENT, detail),
        }
    }
}
