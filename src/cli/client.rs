//! One node as a client sees it: requests over kept connections, answers as JSON, problems (RFC
//! 9457) as one readable line. Blocking; never used inside a node.

use super::failure::{Failure, one_line};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// RFC 3986, 2.3: what may stand in a path segment or a query value as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The environment variable with a token for nodes whose accounts are closed.
const TOKEN_VARIABLE: &str = "BELLWETHER_TOKEN";

/// The largest answer that is read: a story with its JSON around it is far smaller.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// A stream says something every 15 s; one that is silent for three times as long is dead.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// A node's HTTP address, with connections that are kept between requests.
#[derive(Debug)]
pub(crate) struct Node {
    agent: ureq::Agent,
    base: String,
    /// As `Authorization` has it.
    bearer: Option<String>,
}

/// No answer came: the node is not there, or went away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreachable {
    base: String,
    cause: String,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot reach {}: {}", self.base, self.cause)
    }
}

impl From<Unreachable> for Failure {
    fn from(error: Unreachable) -> Self {
        Self::failed(format!("{error}; is the node running, and is --node its HTTP address?"))
    }
}

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// `Retry-After` in seconds.
    pub(crate) retry_after: Option<u64>,
    body: Vec<u8>,
}

impl Node {
    /// The node at `url`, like `http://127.0.0.1:8001`. Nothing is sent yet.
    pub(crate) fn new(url: &str) -> Result<Self, Failure> {
        let base = checked(url).map_err(Failure::usage)?;
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("bellwether/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(SILENCE_MAX))
            .build();
        let token = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
        let bearer = token.map(|token| format!("Bearer {token}"));
        Ok(Self { agent: config.into(), base, bearer })
    }

    /// The address, without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The request with the token, if there is one.
    fn bearing<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.bearer {
            Some(bearer) => request.header("Authorization", bearer),
            None => request,
        }
    }

    /// GET of a path that starts with a slash.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, Unreachable> {
        let request = self.bearing(self.agent.get(format!("{}{path}", self.base)));
        let request = request.config().timeout_global(Some(ANSWER_TIMEOUT)).build();
        self.answer(request.header("Accept", "application/json").call())
    }

    /// PUT of `body`; `create` adds `If-None-Match: *`.
    pub(crate) fn put(
        &self,
        path: &str,
        media_type: &str,
        body: &[u8],
        create: bool,
    ) -> Result<Answer, Unreachable> {
        let request = self.bearing(self.agent.put(format!("{}{path}", self.base)));
        let request = request.config().timeout_global(Some(ANSWER_TIMEOUT)).build();
        let request = request.header("Accept", "application/json").content_type(media_type);
        let request = if create { request.header("If-None-Match", "*") } else { request };
        // A refusal of a long body then comes before the body is sent, and is read.
        let is_long = body.len() > 64 * 1024;
        let request = if is_long { request.header("Expect", "100-continue") } else { request };
        self.answer(request.send(body))
    }

    /// DELETE of a path; `if_head` is the revision that has to be the newest still.
    pub(crate) fn delete(&self, path: &str, if_head: Option<&str>) -> Result<Answer, Unreachable> {
        let request = self.bearing(self.agent.delete(format!("{}{path}", self.base)));
        let request = request.config().timeout_global(Some(ANSWER_TIMEOUT)).build();
        let request = request.header("Accept", "application/json");
        let request = match if_head {
            Some(id) => request.header("If-Match", format!("\"{id}\"")),
            None => request,
        };
        self.answer(request.call())
    }

    /// POST of `body`.
    pub(crate) fn post(
        &self,
        path: &str,
        media_type: &str,
        body: &[u8],
    ) -> Result<Answer, Unreachable> {
        let request = self.bearing(self.agent.post(format!("{}{path}", self.base)));
        let request = request.config().timeout_global(Some(ANSWER_TIMEOUT)).build();
        let request = request.header("Accept", "application/json").content_type(media_type);
        self.answer(request.send(body))
    }

    /// Opens a stream of server-sent events: its bytes, or the answer that refused it. A read of
    /// the stream fails after 45 s of silence.
    pub(crate) fn stream(
        &self,
        path: &str,
    ) -> Result<Result<ureq::BodyReader<'static>, Answer>, Unreachable> {
        let request = self.bearing(self.agent.get(format!("{}{path}", self.base)));
        let result = request.header("Accept", "text/event-stream").call();
        match result {
            Ok(response) if response.status() == 200 => {
                Ok(Ok(response.into_body().into_with_config().limit(u64::MAX).reader()))
            }
            result => self.answer(result).map(Err),
        }
    }

    fn answer(
        &self,
        result: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, Unreachable> {
        let lost = |error: ureq::Error| Unreachable {
            base: self.base.clone(),
            cause: one_line(&cause(&error)),
        };
        let mut response = result.map_err(lost)?;
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        Ok(Answer { status, retry_after, body: body.map_err(lost)? })
    }
}

fn cause(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::HostNotFound => "no such host".to_owned(),
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        error => error.to_string(),
    }
}

fn checked(url: &str) -> Result<String, String> {
    let example = "a node's address looks like http://127.0.0.1:8001";
    if url.starts_with("https:") {
        return Err(format!("{url}: https is not supported by this version; {example}"));
    }
    let base = url.strip_suffix('/').unwrap_or(url);
    let parsed: Result<ureq::http::Uri, _> = base.parse();
    match parsed {
        Ok(uri)
            if uri.scheme_str() == Some("http")
                && uri.host().is_some_and(|host| !host.is_empty())
                && uri.path().trim_matches('/').is_empty()
                && uri.query().is_none() =>
        {
            Ok(base.to_owned())
        }
        _ => Err(format!("{url:?} is not a node: {example}")),
    }
}

impl Answer {
    /// An answer that came over another way.
    pub(crate) fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, retry_after: None, body }
    }

    /// Whether the status is 2xx.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as it came.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The JSON of a success; anything else as a failure that says what the node said.
    pub(crate) fn into_json(self) -> Result<Value, Failure> {
        if !self.is_success() {
            return Err(Failure::failed(self.problem()));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::failed(format!("the answer ({}) is not JSON: {error}", self.status))
        })
    }

    /// What went wrong, in one line: status, title and detail of the problem, names of bad fields.
    pub(crate) fn problem(&self) -> String {
        let json = self.json();
        let mut line = format!("the node answered {}", self.status);
        let mut said: Vec<String> = Vec::new();
        for key in ["title", "detail", "reason"] {
            if let Some(text) = json[key].as_str()
                && !said.iter().any(|before| before == text)
            {
                said.push(text.to_owned());
            }
        }
        for (name, key) in [("fields", "fields"), ("fields", "errors"), ("allow", "allow")] {
            if !json[key].is_null() {
                said.push(format!("{name}: {}", plain(&json[key])));
            }
        }
        if json.is_null() {
            let body = String::from_utf8_lossy(&self.body);
            said.extend(one_line(&body).get(..).filter(|text| !text.is_empty()).map(clip));
        }
        if !said.is_empty() {
            line += ": ";
            line += &said.join(": ");
        }
        one_line(&line)
    }
}

fn clip(text: &str) -> String {
    text.chars().take(200).collect()
}

/// A JSON value for people: text without quotes, lists with commas, null as nothing.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// `text` percent-encoded for one path segment or one query value.
pub(crate) fn encoded(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(|byte| byte == b'.') {
        // A client or proxy on the way would take `.` and `..` for steps (RFC 3986, 5.2.4).
        return text.replace('.', "%2E");
    }
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The path of a story.
pub(crate) fn story_path(title: &str) -> String {
    format!("/v1/stories/{}", encoded(title))
}

/// `path` with a query of the pairs that have a value.
pub(crate) fn with_query(path: &str, pairs: &[(&str, Option<&str>)]) -> String {
    let mut target = path.to_owned();
    for (name, value) in pairs {
        if let Some(value) = value {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.extend([*name, "=", &encoded(value)]);
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after: None, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn addresses_are_checked_before_anything_is_sent() {
        for good in ["http://127.0.0.1:8001", "http://[::1]:8001", "http://herd.example"] {
            assert_eq!(Node::new(good).unwrap().base(), good);
            assert_eq!(Node::new(&format!("{good}/")).unwrap().base(), good);
        }
        for bad in
            ["", "127.0.0.1:8001", "http://", "http:///x", "http://a/v1", "ftp://a", "http://a?b"]
        {
            let failure = Node::new(bad).unwrap_err();
            assert_eq!(failure.exit_code(), 2, "{bad}");
        }
        assert!(Node::new("https://a").unwrap_err().to_string().contains("not supported"));
    }

    #[test]
    fn a_problem_is_one_line() {
        let json = r#"{"type":"about:blank","title":"Bad fields","status":422,
            "detail":"section\nis too long","fields":["section","lat"]}"#;
        assert_eq!(
            answer(422, json).problem(),
            "the node answered 422: Bad fields: section is too long: fields: section, lat"
        );
        assert_eq!(answer(502, "<h1>no</h1>\n").problem(), "the node answered 502: <h1>no</h1>");
        assert_eq!(answer(500, "").problem(), "the node answered 500");
        assert_eq!(answer(200, "[").into_json().unwrap_err().exit_code(), 1);
    }

    #[test]
    fn targets_are_percent_encoded() {
        assert_eq!(story_path("a/b ü?.-_~"), "/v1/stories/a%2Fb%20%C3%BC%3F.-_~");
        assert_eq!(story_path(".."), "/v1/stories/%2E%2E");
        let target = with_query("/x", &[("a", Some("1&2")), ("b", None), ("c", Some(""))]);
        assert_eq!(target, "/x?a=1%262&c=");
    }

    #[test]
    fn a_node_that_is_not_there_is_said_so() {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let node = Node::new(&format!("http://{gone}")).unwrap();
        let error = node.get("/healthz").unwrap_err();
        assert!(Failure::from(error).to_string().contains("is the node running"));
    }
}
