//! HTTP as it comes: requests at a server, responses at a client.

use super::cut::{each_piece, however_cut};
use bellwether::base::InBuf;
use bellwether::proto::http::{
    Accept, AcceptEncoding, BodyLength, ByteRange, ContentType, EntityTag, Event, Fields, Head,
    HttpError, HttpLimits, Method, RequestCodec, ResponseCodec, ResponseHead, TagList, Target,
    Version, cookie, date_text, decode_escapes, encode_segment, if_range_holds, list_elements,
    parse_date, path_segments, query_pairs,
};
use std::io::Write;

/// Limits that a short input can reach.
const TIGHT: HttpLimits = HttpLimits {
    head_bytes_max: 200,
    fields_max: 4,
    target_bytes_max: 40,
    chunk_extension_bytes_max: 12,
    trailer_bytes_max: 40,
};

/// What a codec said, kept; neighbouring pieces of a body are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// A head, written again in its plainest form without the last empty line, and its framing.
    Head(Vec<u8>, BodyLength),
    Body(Vec<u8>),
    End,
    Fault(HttpError),
}

/// Whatever turns a connection's bytes into events.
trait Codec {
    fn step(&mut self, input: &mut InBuf) -> Option<Said>;

    /// True when the rest of the bytes is not its to read.
    fn is_done(&self) -> bool;
}

impl Codec for RequestCodec {
    fn step(&mut self, input: &mut InBuf) -> Option<Said> {
        match self.next(input) {
            Ok(event) => event.map(|event| said(event, |head| (rewrite_request(head), head.body))),
            Err(fault) => Some(Said::Fault(fault)),
        }
    }

    fn is_done(&self) -> bool {
        // What comes behind the last request is taken and dropped.
        false
    }
}

impl Codec for ResponseCodec {
    fn step(&mut self, input: &mut InBuf) -> Option<Said> {
        match self.next(input) {
            Ok(event) => event.map(|event| said(event, |head| (rewrite_response(head), head.body))),
            Err(fault) => Some(Said::Fault(fault)),
        }
    }

    fn is_done(&self) -> bool {
        self.is_done()
    }
}

/// Reads pieces out of a buffer of the least size that the limits allow.
fn read(limits: &HttpLimits, pieces: &[&[u8]], mut codec: impl Codec) -> Vec<Said> {
    let mut all: Vec<Said> = Vec::new();
    each_piece(pieces, limits.input_bytes_min(), |input| {
        while let Some(said) = codec.step(input) {
            if let Said::Fault(_) = said {
                assert_eq!(codec.step(input), Some(said.clone()), "a fault stays");
                all.push(said);
                return false;
            }
            match (all.last_mut(), said) {
                (Some(Said::Body(held)), Said::Body(more)) => held.extend(more),
                (_, said) => all.push(said),
            }
        }
        !codec.is_done()
    });
    all
}

/// True when one reading is the other up to a fault.
fn is_start_of(short: &[Said], long: &[Said]) -> bool {
    let Some((Said::Fault(_), before)) = short.split_last() else { return short == long };
    let Some((last, whole)) = before.split_last() else { return true };
    let is_same = long.starts_with(whole);
    is_same
        && match (last, long.get(whole.len())) {
            (Said::Body(part), Some(Said::Body(all))) => all.starts_with(part),
            (last, other) => Some(last) == other,
        }
}

/// All whole messages, written again in their plainest form; how many parts they have.
fn rewrite(all: &[Said]) -> (Vec<u8>, usize) {
    let (mut out, mut parts) = (Vec::new(), 0);
    let mut message = Vec::new();
    let mut framing = BodyLength::None;
    for (at, said) in all.iter().enumerate() {
        match said {
            Said::Head(head, length) => {
                message.clone_from(head);
                message.extend_from_slice(b"\r\n");
                framing = *length;
            }
            Said::Body(body) if framing == BodyLength::Chunked => {
                write!(message, "{:x}\r\n", body.len()).expect("a Vec takes all");
                message.extend_from_slice(body);
                message.extend_from_slice(b"\r\n");
            }
            Said::Body(body) => message.extend_from_slice(body),
            Said::End => {
                if framing == BodyLength::Chunked {
                    message.extend_from_slice(b"0\r\n\r\n");
                }
                out.append(&mut message);
                parts = at + 1;
            }
            Said::Fault(_) => {}
        }
    }
    (out, parts)
}

/// Reads at two limits, at any cut, and once more what was read.
fn check(bytes: &[u8], read_all: impl Fn(&HttpLimits, &[&[u8]]) -> Vec<Said>) {
    let limits = HttpLimits::default();
    let all = however_cut(bytes, |pieces| read_all(&limits, pieces));
    let tight = however_cut(bytes, |pieces| read_all(&TIGHT, pieces));
    assert!(is_start_of(&tight, &all), "other limits, another reading: {tight:?} {all:?}");
    let (again, parts) = rewrite(&all);
    assert_eq!(read_all(&limits, &[&again]), all[..parts], "written again as {}", Show(&again));
}

/// What a server makes of a connection's bytes.
pub(crate) fn request(bytes: &[u8]) {
    check(bytes, |limits, pieces| read(limits, pieces, RequestCodec::new(*limits)));
}

/// What a client makes of them.
pub(crate) fn response(bytes: &[u8]) {
    for answers_head in [false, true] {
        check(bytes, |limits, pieces| {
            let mut codec = ResponseCodec::new(*limits);
            codec.set_answers_head(answers_head);
            read(limits, pieces, codec)
        });
    }
}

fn said<H>(event: Event<'_, H>, keep: impl FnOnce(&H) -> (Vec<u8>, BodyLength)) -> Said {
    match event {
        Event::Head(head) => {
            let (again, framing) = keep(&head);
            Said::Head(again, framing)
        }
        Event::Body(body) => {
            assert!(!body.is_empty(), "a piece of nothing");
            Said::Body(body.to_vec())
        }
        Event::End => Said::End,
    }
}

fn rewrite_request(head: &Head<'_>) -> Vec<u8> {
    look_at_fields(&head.fields);
    look_at_target(&head.target);
    assert!(head.authority().is_some() || head.version == Version::Http10);
    let mut out = method(head.method).as_bytes().to_vec();
    out.push(b' ');
    match head.target {
        Target::Origin { path, .. } => out.extend_from_slice(path.as_bytes()),
        Target::Absolute { authority, path, .. } => {
            out.extend_from_slice(format!("http://{authority}{path}").as_bytes());
        }
        Target::Authority(authority) => out.extend_from_slice(authority.as_bytes()),
        Target::Asterisk => out.push(b'*'),
    }
    if let Some(query) = head.target.query() {
        out.push(b'?');
        out.extend_from_slice(query.as_bytes());
    }
    out.extend_from_slice(version(head.version));
    out.extend_from_slice(b"\r\n");
    put_fields(&mut out, &head.fields);
    out
}

fn rewrite_response(head: &ResponseHead<'_>) -> Vec<u8> {
    look_at_fields(&head.fields);
    let mut out = version(head.version)[1..].to_vec();
    out.extend_from_slice(format!(" {} {}\r\n", head.status.code(), head.reason).as_bytes());
    put_fields(&mut out, &head.fields);
    out
}

fn method(method: Method<'_>) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Options => "OPTIONS",
        Method::Patch => "PATCH",
        Method::Trace => "TRACE",
        Method::Connect => "CONNECT",
        Method::Other(name) => name,
    }
}

fn version(version: Version) -> &'static [u8] {
    match version {
        Version::Http10 => b" HTTP/1.0",
        Version::Http11 => b" HTTP/1.1",
    }
}

fn put_fields(out: &mut Vec<u8>, fields: &Fields<'_>) {
    for (name, value) in fields.iter() {
        let is_sound = |byte: &u8| !matches!(byte, b'\r' | b'\n' | 0);
        assert!(!name.is_empty() && value.iter().all(is_sound), "{name}: {}", Show(value));
        assert_eq!(value.trim_ascii(), value, "{name}");
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

/// Everything that is ever read out of a field, out of these.
fn look_at_fields(fields: &Fields<'_>) {
    let offers = ["text/html", "application/json"];
    assert!(Accept::read(fields).best(&offers).is_none_or(|best| best < offers.len()));
    AcceptEncoding::read(fields).best(&[]);
    assert!(cookie(fields, "a").is_none_or(|value| !value.contains(';')));
    let tag = EntityTag::strong("a");
    for name in ["If-Match", "If-None-Match"] {
        if let Ok(Some(tags)) = TagList::read(fields, name) {
            // A tag that matches strongly matches weakly.
            assert!(!tags.allows_change(&[tag]) || tags.names_any(&[tag]));
        }
    }
    for (_, value) in fields.iter() {
        if_range_holds(Some(value), tag);
        assert!(list_elements(value).all(|element| !element.is_empty()));
        if let Ok(kind) = ContentType::parse(value) {
            let essence = format!("{}/{}", kind.kind(), kind.subtype());
            assert!(kind.is(&essence.to_ascii_lowercase()), "{essence}");
            kind.parameter("charset");
        }
        look_at_range(value);
        if let Some(seconds) = std::str::from_utf8(value).ok().and_then(parse_date) {
            let text = date_text(seconds);
            let text = std::str::from_utf8(&text).expect("a date is ASCII");
            assert_eq!(parse_date(text), Some(seconds), "{text}");
        }
    }
}

fn look_at_range(value: &[u8]) {
    for length in [0, 1, 1000, u64::MAX] {
        let range = ByteRange::parse(value, length);
        if let ByteRange::Part { from, to } = range {
            assert!(from < to && to <= length, "{from}..{to} of {length}");
        }
        range.content_range(length);
    }
}

fn look_at_target(target: &Target<'_>) {
    for segment in path_segments(target.path()).flatten() {
        let text = encode_segment(&segment).to_string();
        assert_eq!(decode_escapes(&text), Ok(segment), "{text}");
    }
    for pair in query_pairs(target.query().unwrap_or_default()).flatten() {
        let text = format!("{}={}", encode_segment(&pair.0), encode_segment(&pair.1));
        assert_eq!(query_pairs(&text).collect::<Vec<_>>(), [Ok(pair)], "{text}");
    }
}

/// Bytes for people.
struct Show<'a>(&'a [u8]);

impl std::fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}
