//! Responses: what is written, what is read, and that the two agree.

use super::*;
use crate::base::OutBuf;
use proptest::prelude::*;

const DATE: &[u8; DATE_BYTES] = b"Sun, 06 Nov 1994 08:49:37 GMT";
const NOW: ReplyTo = ReplyTo { version: Version::Http11, is_head: false, keep_alive: true };

fn written(to: ReplyTo, status: Status, write: impl FnOnce(Response<'_>)) -> String {
    let mut out = Vec::new();
    write(Response::new(&mut out, to, status, DATE));
    String::from_utf8(out).unwrap()
}

fn responses(to_head: bool, pieces: &[&[u8]]) -> (Vec<Seen>, Result<bool, HttpError>) {
    let limits = HttpLimits::default();
    let mut codec = ResponseCodec::new(limits);
    codec.set_answers_head(to_head);
    let seen = feed(&mut codec, &limits, pieces);
    let closed = codec.on_close();
    (seen, closed)
}

fn responses_at_every_split(to_head: bool, bytes: &[u8]) -> (Vec<Seen>, Result<bool, HttpError>) {
    at_every_cut(bytes, |pieces| responses(to_head, pieces))
}

#[test]
fn a_response_has_its_status_line_date_and_length() {
    let text = written(NOW, Status::OK, |response| {
        response.field("Content-Type", "text/plain").field_number("Age", 0).body(b"Hello");
    });
    assert_eq!(
        text,
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n\
         Age: 0\r\nContent-Length: 5\r\n\r\nHello"
    );
}

#[test]
fn each_kind_of_client_gets_the_frame_it_understands() {
    let head = NOW.closing();
    let head = ReplyTo { is_head: true, ..head };
    let text = written(head, Status::OK, |response| response.body(b"Hello"));
    assert!(text.ends_with("GMT\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"), "{text}");
    let old = ReplyTo { version: Version::Http10, ..NOW };
    let text = written(old, Status::NOT_FOUND, |response| response.field("Age", "0").empty());
    assert!(text.starts_with("HTTP/1.1 404 Not Found\r\n"), "{text}");
    assert!(text.ends_with("Content-Length: 0\r\nConnection: keep-alive\r\n\r\n"), "{text}");
    for status in [Status::NO_CONTENT, Status::NOT_MODIFIED] {
        let text = written(NOW, status, |response| response.field("ETag", "\"a\"").empty());
        assert!(text.ends_with("GMT\r\nETag: \"a\"\r\n\r\n"), "{text}");
    }
    let text = written(NOW, Status::SWITCHING_PROTOCOLS, |response| response.upgrade("websocket"));
    assert!(text.ends_with("GMT\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"), "{text}");
}

#[test]
fn a_piece_that_others_are_sent_too_is_framed_as_one_that_is_not() {
    for (version, is_head) in
        [(Version::Http11, false), (Version::Http11, true), (Version::Http10, false)]
    {
        let to = ReplyTo { version, is_head, keep_alive: true };
        let body = Response::new(&mut Vec::new(), to, Status::OK, DATE).stream();
        for bytes in [1, 18, 600] {
            let piece = vec![b'x'; bytes];
            let mut alone = Vec::new();
            body.put(&mut alone, &piece);
            let mut shared = OutBuf::new();
            body.put_shared(&mut shared, &SharedPiece::new(&piece));
            let ([slice], _) = shared.io_slices::<1>();
            assert_eq!(slice[..], alone[..], "{to:?}");
        }
    }
}

fn streamed(to: ReplyTo) -> (String, bool) {
    let mut out = Vec::new();
    let body = Response::new(&mut out, to, Status::OK, DATE).stream();
    body.put(&mut out, b"0123456789abcdefXYZ");
    body.put(&mut out, b"");
    body.open_piece(&mut out, 2);
    if !body.is_head_only() {
        out.extend_from_slice(b"ok");
    }
    body.close_piece(&mut out, 2);
    let closes = body.closes();
    body.end(&mut out);
    let text = String::from_utf8(out).unwrap();
    (text.split_once("GMT\r\n").unwrap().1.to_owned(), closes)
}

#[test]
fn a_body_of_unknown_length_is_chunked_or_ends_with_the_connection() {
    let chunks =
        "Transfer-Encoding: chunked\r\n\r\n13\r\n0123456789abcdefXYZ\r\n2\r\nok\r\n0\r\n\r\n";
    assert_eq!(streamed(NOW), (chunks.to_owned(), false));
    let old = ReplyTo { version: Version::Http10, ..NOW };
    let plain = "Connection: close\r\n\r\n0123456789abcdefXYZok";
    assert_eq!(streamed(old), (plain.to_owned(), true));
    let head = ReplyTo { is_head: true, ..NOW };
    assert_eq!(streamed(head), ("\r\n".to_owned(), false));
    assert!(streamed(NOW.closing()).1);
}

#[test]
fn no_value_can_end_its_line() {
    let text = written(NOW, Status::OK, |response| {
        response.field("Location", "/a\r\nSet-Cookie: b\r\n\r\n<\0>\u{7f}\u{e9}").empty();
    });
    assert!(
        text.contains("\r\nLocation: /a  Set-Cookie: b    < > \u{e9}\r\nContent-Length"),
        "{text}"
    );
}

#[test]
fn a_preencoded_response_is_what_would_be_written_now() {
    for status in [Status::OK, Status::NO_CONTENT] {
        let body: &[u8] = if status == Status::OK { b"Hello, World!" } else { b"" };
        let ready = Preencoded::new(status, &[("Content-Type", "text/plain"), ("X", "y")], body);
        for (version, is_head, keep_alive) in [
            (Version::Http11, false, true),
            (Version::Http11, false, false),
            (Version::Http11, true, true),
            (Version::Http10, false, true),
            (Version::Http10, false, false),
            (Version::Http10, true, false),
        ] {
            let to = ReplyTo { version, is_head, keep_alive };
            let expected = written(to, status, |response| {
                response.field("Content-Type", "text/plain").field("X", "y").body(body);
            });
            let mut out = b"before".to_vec();
            ready.put(&mut out, to, DATE);
            assert_eq!(String::from_utf8(out).unwrap(), format!("before{expected}"));
        }
    }
}

#[test]
fn responses_of_every_frame_are_read_at_every_split() {
    let bytes =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\nhi\
        HTTP/1.1 304 \r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\
        HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n\
        HTTP/1.0 200 OK\r\n\r\nall the rest\r\n";
    let seen = |head: &str, body: &str| {
        let body = (!body.is_empty()).then(|| Seen::Body(body.as_bytes().to_vec()));
        [Some(Seen::Head(head.to_owned())), body, Some(Seen::End)].into_iter().flatten()
    };
    let mut expected: Vec<Seen> = seen("100 \"Continue\" Http11 None []", "")
        .chain(seen("200 \"OK\" Http11 Length(2) [Content-Length=2|X=y]", "hi"))
        .chain(seen("304 \"\" Http11 None [Content-Length=9]", ""))
        .chain(seen("204 \"No Content\" Http11 None []", ""))
        .chain(seen("404 \"Not Found\" Http11 Chunked [transfer-encoding=chunked]", "no"))
        .chain(seen("200 \"OK\" Http10 UntilClose close []", "all the rest\r\n"))
        .collect();
    assert_eq!(expected.pop(), Some(Seen::End), "the last end comes with the close");
    assert_eq!(responses_at_every_split(false, bytes), (expected, Ok(true)));
}

#[test]
fn an_answer_to_head_has_no_body_and_the_next_may_have_one() {
    let limits = HttpLimits::default();
    let mut codec = ResponseCodec::new(limits);
    codec.set_answers_head(true);
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    let seen = feed(&mut codec, &limits, &[&bytes[..]]);
    let head = Seen::Head("200 \"OK\" Http11 None [Content-Length=2]".to_owned());
    assert_eq!(seen, [head, Seen::End]);
    codec.set_answers_head(false);
    let seen = feed(&mut codec, &limits, &[&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"[..]]);
    assert_eq!(seen[1..], [Seen::Body(b"hi".to_vec()), Seen::End]);
}

#[test]
fn after_switching_protocols_the_rest_is_left_alone() {
    let mut codec = ResponseCodec::new(HttpLimits::default());
    let mut input = InBuf::new(16 * 1024);
    input.push(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00");
    assert!(matches!(codec.step(&mut input), Some(Seen::Head(_))));
    assert_eq!(codec.step(&mut input), Some(Seen::End));
    assert_eq!(codec.step(&mut input), None);
    assert!(codec.is_done());
    assert_eq!(input.data(), b"\x81\x00");
}

#[test]
fn a_close_inside_a_response_is_a_fault() {
    for bytes in [
        &b"HTTP/1.1 200"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
    ] {
        let (_, closed) = responses_at_every_split(false, bytes);
        let offset = bytes.len() as u64;
        let whole_head = bytes.windows(4).any(|four| four == b"\r\n\r\n");
        let offset = if whole_head { offset } else { 0 };
        assert_eq!(closed, Err(HttpError { kind: HttpErrorKind::Truncated, offset }));
    }
    let (seen, closed) = responses(false, &[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]);
    assert_eq!((seen.len(), closed), (2, Ok(false)));
}

#[test]
fn malformed_responses_are_refused() {
    for (bytes, kind) in [
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", HttpErrorKind::EmptyStartLine),
        ("HTTP/1.1 200 OK\n\n", HttpErrorKind::BareLf),
        ("HTTP/1.1 200 O\rK\r\n\r\n", HttpErrorKind::BareCr),
        ("HTTP/1.1 2x0 OK\r\n\r\n", HttpErrorKind::StatusCode),
        ("HTTP/1.1 099 OK\r\n\r\n", HttpErrorKind::StatusCode),
        ("HTTP/1.1 600 OK\r\n\r\n", HttpErrorKind::StatusCode),
        ("HTTP/1.1 20 OK\r\n\r\n", HttpErrorKind::StatusCode),
        ("HTTP/2.0 200 OK\r\n\r\n", HttpErrorKind::Version),
        ("SSH-2.0-OpenSSH\r\n\r\n", HttpErrorKind::StartLine),
        ("HTTP/1.1  200 OK\r\n\r\n", HttpErrorKind::StatusCode),
        ("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", HttpErrorKind::FoldedField),
        ("HTTP/1.1 200 OK\r\nX : a\r\n\r\n", HttpErrorKind::SpaceBeforeColon),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            HttpErrorKind::ContentLengthRepeated,
        ),
    ] {
        let (seen, _) = responses_at_every_split(false, bytes.as_bytes());
        assert!(
            matches!(seen[..], [Seen::Fault(fault)] if fault.kind == kind),
            "{bytes:?}: {seen:?}"
        );
    }
}

#[test]
fn a_request_is_written_as_the_server_reads_it() {
    let mut out = Vec::new();
    Request::new(&mut out, "GET", "/a b?\u{e9}=\"1\"#", "h:1").field("Accept", "*/*").end();
    Request::new(&mut out, "PUT", "/p", "h").body(b"hello");
    let seen = requests_at_every_split(&out);
    assert_eq!(
        seen,
        [
            Seen::Head(
                "Get /a%20b Some(\"%C3%A9=%221%22%23\") Http11 at h:1 None [Host=h:1|Accept=*/*]"
                    .to_owned()
            ),
            Seen::End,
            Seen::Head("Put /p None Http11 at h Length(5) [Host=h|Content-Length=5]".to_owned()),
            Seen::Body(b"hello".to_vec()),
            Seen::End,
        ]
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        bodies in prop::collection::vec((0..3_u8, prop::collection::vec(any::<u8>(), 0..40)), 0..6),
        value in "[ -~]{0,20}",
        size in 1_usize..30,
    ) {
        let mut out = Vec::new();
        for (way, body) in &bodies {
            let response = Response::new(&mut out, NOW, Status::OK, DATE).field("X-Value", &value);
            match way {
                0 => response.body(body),
                1 => response.length(body.len() as u64).extend_from_slice(body),
                _ => {
                    let stream = response.stream();
                    for piece in body.chunks(7) {
                        stream.put(&mut out, piece);
                    }
                    stream.end(&mut out);
                }
            }
        }
        let pieces: Vec<_> = out.chunks(size).collect();
        let (seen, closed) = responses(false, &pieces);
        prop_assert_eq!(closed, Ok(false));
        let heads = seen.iter().filter(|event| {
            let shown = format!("X-Value={}", value.trim().as_bytes().escape_ascii());
            matches!(event, Seen::Head(text) if text.contains(&shown))
        });
        prop_assert_eq!(heads.count(), bodies.len());
        let read = seen.split(|event| *event == Seen::End).map(|events| match events {
            [_, Seen::Body(body)] => body.clone(),
            _ => Vec::new(),
        });
        let expected: Vec<_> = bodies.into_iter().map(|(_, body)| body).collect();
        prop_assert_eq!(read.take(expected.len()).collect::<Vec<_>>(), expected);
    }
}
