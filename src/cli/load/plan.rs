//! What a run of load is to do: the command line, understood.

use super::super::args::Args;
use super::super::failure::Failure;
use super::http::{STAMP_BYTES, Template};
use super::line::{IAMAT, LineTemplate};
use super::pb::CallTemplate;
use super::url::{SCHEMES, Scheme, Url};
use super::ws::{MESSAGE_BYTES_MAX, WsTemplate};
use crate::base::ClientEndpoint;
use crate::proto::http::encode_segment;
use std::sync::Arc;

pub(super) const CONNECTIONS_MAX: usize = 1_000_000;
pub(super) const THREADS_MAX: usize = 256;
const PIPELINE_MAX: usize = 65_536;
const RATE_MAX: f64 = 1e8;
const SECONDS_MAX: f64 = 1e6;
const SIZE_BYTES_MAX: usize = 16 << 20;
/// What is sent over a socket unless told otherwise: as much as `/hello` answers.
const MESSAGE: &str = "Hello, World!";
/// What is published unless `--size` says otherwise.
const SIZE_BYTES: usize = 1_000;
/// Slices of the throughput curve, unless that makes them shorter than [`SLICE_NS_LEAST`].
const SLICES: f64 = 200.0;
const SLICE_NS_LEAST: u64 = 10_000_000;
/// Connections of the own publisher beside streams: one waiting answer shall not hold up the next.
pub(super) const PUBLISHERS: usize = 4;

/// What each connection does.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Http(Arc<Template>),
    Line(Arc<LineTemplate>),
    Ws(Arc<WsTemplate>),
    Pb(Arc<CallTemplate>),
    /// Streams that only read, asked for by the first; the other is what the publisher sends.
    Stream(Arc<Template>, Option<Arc<Template>>),
}

/// A run of load.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) url: String,
    pub(super) scheme: Scheme,
    pub(super) endpoint: ClientEndpoint,
    pub(super) work: Work,
    pub(super) connections: usize,
    pub(super) threads: usize,
    pub(super) warmup_ms: u64,
    pub(super) duration_ms: u64,
    /// Requests a second in an open loop; `None`: the next one when the last is answered. Of
    /// streams: what is published.
    pub(super) rate_per_s: Option<f64>,
    pub(super) pipeline: usize,
    /// One connection serves many requests.
    pub(super) keep_alive: bool,
    pub(super) timeout_ms: u64,
}

impl Plan {
    pub(super) fn read(args: &Args) -> Result<Self, Failure> {
        let url = args.only("URL")?;
        let parsed: Url = url.parse().map_err(|what: String| args.wrong(&what))?;
        let connections = args.number("connections", 1, 1..=CONNECTIONS_MAX)?;
        let threads = args.number("threads", 1, 1..=THREADS_MAX)?;
        if threads > connections {
            return Err(args.wrong("there are more threads than connections: give -c at least -t"));
        }
        refuse_foreign(args, parsed.scheme)?;
        let ms = |option, default: f64, least: f64| {
            let seconds = args.number(option, default, least..=SECONDS_MAX)?;
            Ok::<u64, Failure>((seconds * 1e3) as u64)
        };
        let rate = args.number("rate", 0.0, 0.001..=RATE_MAX);
        let publish = args.number("publish", 0.0, 0.001..=RATE_MAX);
        let rate = if parsed.scheme == Scheme::Sse { publish } else { rate }?;
        let work = work(args, &parsed)?;
        Ok(Self {
            url: url.to_owned(),
            scheme: parsed.scheme,
            endpoint: parsed.endpoint(),
            work,
            connections,
            threads,
            warmup_ms: ms("warmup", 0.5, 0.0)?,
            duration_ms: ms("duration", 10.0, 0.01)?,
            rate_per_s: (rate > 0.0).then_some(rate),
            pipeline: args.number("pipeline", 1, 1..=PIPELINE_MAX)?,
            keep_alive: !args.has("no-keep-alive"),
            timeout_ms: ms("timeout", 5.0, 0.001)?,
        })
    }

    /// How long a slice of the throughput curve is.
    pub(super) fn slice_ns(&self) -> u64 {
        ((self.duration_ms as f64 * 1e6 / SLICES) as u64).max(SLICE_NS_LEAST)
    }

    /// Which connections a thread has: the first of them, and how many.
    pub(super) fn share(&self, thread: usize) -> (usize, usize) {
        let (each, rest) = (self.connections / self.threads, self.connections % self.threads);
        (thread * each + thread.min(rest), each + usize::from(thread < rest))
    }
}

/// Options that mean something to some schemes only are refused at the others: a run that ignores
/// what it was told measures something else.
fn refuse_foreign(args: &Args, scheme: Scheme) -> Result<(), Failure> {
    use Scheme::{Http, Line, Pb, Publish, Sse, Ws};
    let only: [(&str, &[Scheme]); 12] = [
        ("rate", &[Http, Line, Publish, Ws, Pb]),
        ("pipeline", &[Http, Line, Publish, Ws, Pb]),
        ("no-keep-alive", &[Http, Line, Publish]),
        ("timeout", &[Http, Line, Publish, Ws, Pb]),
        ("method", &[Http]),
        ("body", &[Http, Ws]),
        ("header", &[Http, Publish, Sse, Ws]),
        ("size", &[Publish, Sse, Ws]),
        ("durability", &[Publish, Sse]),
        ("line", &[Line]),
        ("names", &[Line]),
        ("publish", &[Sse]),
    ];
    for (option, schemes) in only {
        if args.raw(option).is_some() && !schemes.contains(&scheme) {
            let fits: Vec<&str> = schemes.iter().map(|scheme| scheme.name()).collect();
            let (fits, name) = (fits.join(", "), scheme.name());
            let what = format!("--{option} is for {fits} URLs, not for {name}");
            return Err(args.wrong(&what));
        }
    }
    if args.has("no-keep-alive") && args.raw("pipeline").is_some() {
        return Err(args.wrong("--no-keep-alive and --pipeline exclude each other"));
    }
    Ok(())
}

fn work(args: &Args, url: &Url) -> Result<Work, Failure> {
    let size = || args.number("size", SIZE_BYTES, STAMP_BYTES..=SIZE_BYTES_MAX);
    Ok(match url.scheme {
        Scheme::Line => {
            let line = args.text("line")?.unwrap_or(IAMAT);
            if line.chars().any(char::is_control) {
                return Err(args.wrong("--line wants one line"));
            }
            let names = args.number("names", 0, 0..=u64::MAX)?;
            Work::Line(Arc::new(LineTemplate::parse(line, names)))
        }
        Scheme::Ws => Work::Ws(Arc::new(ws(args, url)?)),
        Scheme::Pb => Work::Pb(Arc::new(CallTemplate::of_target(&url.target))),
        Scheme::Http => Work::Http(Arc::new(http(args, url)?)),
        Scheme::Publish => {
            let target = publish_target(args, &url.target)?;
            Work::Http(Arc::new(publish(args, url, &target, size()?)?))
        }
        Scheme::Sse => {
            let mut target = url.target.clone();
            let mut publisher = None;
            if args.raw("publish").is_some() {
                let topic = format!("load-{}", std::process::id());
                target = with_query(&target, &format!("topic={topic}"));
                let to = publish_target(args, &format!("/v1/topics/{topic}"))?;
                publisher = Some(Arc::new(publish(args, url, &to, size()?)?));
            }
            let head = head(args, "GET", &target, url, &["Accept: text/event-stream"])?;
            let bytes = format!("{head}\r\n").into_bytes();
            let ask = Template { bytes, stamp_at: None, is_head: false };
            Work::Stream(Arc::new(ask), publisher)
        }
    })
}

/// A socket on which one text is sent again and again.
fn ws(args: &Args, url: &Url) -> Result<WsTemplate, Failure> {
    let message = match (args.text("body")?, args.raw("size")) {
        (Some(_), Some(_)) => return Err(args.wrong("--body and --size exclude each other")),
        (None, Some(_)) => ".".repeat(args.number("size", 0, 0..=MESSAGE_BYTES_MAX)?),
        (body, None) => body.unwrap_or(MESSAGE).to_owned(),
    };
    let ours = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
    let head = head(args, "GET", &url.target, url, &ours)?;
    let mut random = [0; 20];
    let drawn = getrandom::fill(&mut random);
    drawn.map_err(|error| Failure::failed(format!("no random numbers: {error}")))?;
    Ok(WsTemplate::new(&head, &message, random))
}

fn http(args: &Args, url: &Url) -> Result<Template, Failure> {
    let body = args.text("body")?;
    let method = args.text("method")?.unwrap_or(if body.is_some() { "POST" } else { "GET" });
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if method.is_empty() || !method.chars().all(is_token) {
        return Err(args.wrong(&format!("{method:?} is no HTTP method")));
    }
    let length = body.map(|body| format!("Content-Length: {}\r\n", body.len()));
    let (length, body) = (length.unwrap_or_default(), body.unwrap_or_default());
    let text = format!("{}{length}\r\n{body}", head(args, method, &url.target, url, &[])?);
    Ok(Template { bytes: text.into_bytes(), stamp_at: None, is_head: method == "HEAD" })
}

/// A topic's path with the durability that was asked for.
fn publish_target(args: &Args, target: &str) -> Result<String, Failure> {
    let Some(durability) = args.text("durability")? else { return Ok(target.to_owned()) };
    Ok(with_query(target, &format!("durability={}", encode_segment(durability))))
}

fn with_query(target: &str, pair: &str) -> String {
    let mark = if target.contains('?') { '&' } else { '?' };
    format!("{target}{mark}{pair}")
}

/// A POST of `size` bytes that begin with a stamp.
fn publish(args: &Args, url: &Url, target: &str, size: usize) -> Result<Template, Failure> {
    let length = format!("Content-Length: {size}");
    let head = head(args, "POST", target, url, &["Content-Type: text/plain", &length])?;
    let mut bytes = format!("{head}\r\n").into_bytes();
    let stamp_at = bytes.len();
    bytes.resize(stamp_at + size, b'.');
    Ok(Template { bytes, stamp_at: Some(stamp_at), is_head: false })
}

/// A request's head without its empty line. `--header` replaces ours of the same name.
fn head(
    args: &Args,
    method: &str,
    target: &str,
    url: &Url,
    ours: &[&str],
) -> Result<String, Failure> {
    let mut fields = args.texts("header")?;
    for field in &fields {
        let name = field.split_once(':').map_or("", |(name, _)| name);
        let is_bad = name.is_empty() || name.contains(' ') || field.chars().any(char::is_control);
        if is_bad {
            let what = format!("--header wants 'Name: value', not {field:?}");
            return Err(args.wrong(&what));
        }
    }
    let host = format!("Host: {}", url.authority());
    let mut ours: Vec<&str> = [&[host.as_str()], ours].concat();
    if args.has("no-keep-alive") {
        ours.push("Connection: close");
    }
    for field in ours {
        let name = |field: &str| field.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if !fields.iter().any(|given| name(given) == name(field)) {
            fields.push(field.to_owned());
        }
    }
    let lines: Vec<String> = fields.iter().map(|field| format!("{field}\r\n")).collect();
    Ok(format!("{method} {target} HTTP/1.1\r\n{}", lines.concat()))
}

/// The schemes, as a usage error names them.
pub(super) fn schemes() -> String {
    let names: Vec<String> = SCHEMES.iter().map(|scheme| format!("{}:", scheme.name())).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::OPTIONS;
    use super::*;
    use std::ffi::OsString;

    fn plan(words: &[&str]) -> Result<Plan, Failure> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Plan::read(&Args::parse("load", OPTIONS, &words)?)
    }

    fn request(words: &[&str]) -> String {
        match plan(words).unwrap().work {
            Work::Http(template) => String::from_utf8(template.bytes.clone()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_of_wrk_mean_what_they_mean_there() {
        let plan = plan(&["http://h:81/x", "-c64", "-d", "2.5", "-t2", "--rate", "10"]).unwrap();
        assert_eq!((plan.connections, plan.threads, plan.duration_ms), (64, 2, 2_500));
        assert_eq!((plan.rate_per_s, plan.pipeline, plan.keep_alive), (Some(10.0), 1, true));
    }

    #[test]
    fn a_request_is_written_as_asked() {
        assert_eq!(request(&["http://h:81/x?y"]), "GET /x?y HTTP/1.1\r\nHost: h:81\r\n\r\n");
        let words = ["http://h/", "--body=hello", "--header=HOST: me", "-H", "A: b"];
        let text = "POST / HTTP/1.1\r\nHOST: me\r\nA: b\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(request(&words), text);
        let closed = request(&["http://h", "--no-keep-alive", "--method", "HEAD"]);
        assert_eq!(closed, "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    }

    #[test]
    fn a_publication_has_its_size_and_durability() {
        let text = request(&["publish://h", "--size", "100", "--durability=2"]);
        assert!(text.starts_with("POST /v1/topics/load?durability=2 HTTP/1.1\r\n"), "{text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with("Content-Length: 100") && body.len() == 100, "{text}");
    }

    #[test]
    fn connections_are_shared_out_among_threads() {
        let plan = plan(&["http://h", "-c", "8", "-t", "3"]).unwrap();
        assert_eq!([0, 1, 2].map(|thread| plan.share(thread)), [(0, 3), (3, 3), (6, 2)]);
    }

    #[test]
    fn what_cannot_be_meant_is_a_usage_error() {
        let wrong: [&[&str]; 18] = [
            &[],
            &["http://a", "http://b"],
            &["h"],
            &["http://"],
            &["ftp://h"],
            &["http://h:0"],
            &["http://h", "-c0"],
            &["http://h", "-t2"],
            &["http://h", "-d0"],
            &["http://h", "--rate", "-1"],
            &["http://h", "--header", "none"],
            &["http://h", "--line", "x"],
            &["sse://h", "--pipeline=2"],
            &["http://h", "--no-keep-alive", "--pipeline=2"],
            &["publish://h", "--size=3"],
            &["ws://h", "--no-keep-alive"],
            &["ws://h", "--size=3", "--body=x"],
            &["ws://h", "--size=16777217"],
        ];
        for words in wrong {
            assert_eq!(plan(words).unwrap_err().exit_code(), 2, "{words:?}");
        }
        let failure = plan(&["wss://h/v1/ws"]).unwrap_err().to_string();
        assert!(failure.contains("http:, line:, sse:, publish:, ws:, pb:"), "{failure}");
    }
}
