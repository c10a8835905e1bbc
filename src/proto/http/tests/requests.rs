//! Requests that are as they should be.

use super::*;
use crate::proto::testing::cut;
use proptest::prelude::*;

const PIPELINE: &[u8] = b"GET /hello?a=b HTTP/1.1\r\nHost: h\r\nX:\r\n\r\n\
    \r\nPOST /p HTTP/1.1\r\nhost: h:1\r\ncontent-length:  5 \r\nExpect: 100-Continue\r\n\r\nhello\
    PUT http://other/x?y HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n\
    5;name=\"v;\"\r\nhello\r\n00A\r\n, 0123456\r\r\n1\r\n\n\r\n0\r\nX-Sum: 1\r\n\r\n\
    DELETE /d HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n\
    HEAD / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n\
    OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nConnection: foo\r\nConnection: bar,CLOSE\r\n\r\n\
    GET /never HTTP/1.1\r\nHost: h\r\n\r\n";

fn head(text: &str) -> Seen {
    Seen::Head(text.to_owned())
}

fn body(text: &str) -> Seen {
    Seen::Body(text.as_bytes().to_vec())
}

#[test]
fn a_pipeline_of_every_form_reads_the_same_at_every_split() {
    let expected = [
        head("Get /hello Some(\"a=b\") Http11 at h None [Host=h|X=]"),
        Seen::End,
        head(
            "Post /p None Http11 at h:1 Length(5) expect \
             [host=h:1|content-length=5|Expect=100-Continue]",
        ),
        body("hello"),
        Seen::End,
        head("Put /x Some(\"y\") Http11 at other Chunked [Host=h|Transfer-Encoding=Chunked]"),
        body("hello, 0123456\r\n"),
        Seen::End,
        head("Delete /d None Http11 at h Length(0) [Host=h|Content-Length=0]"),
        Seen::End,
        head("Head / None Http10 at - None [Connection=x, Keep-Alive]"),
        Seen::End,
        head(
            "Options  None Http11 at [::1]:80 None close \
             [Host=[::1]:80|Connection=foo|Connection=bar,CLOSE]",
        ),
        Seen::End,
    ];
    assert_eq!(requests_at_every_split(PIPELINE), expected);
}

#[test]
fn a_head_that_comes_again_reads_as_it_did_and_one_like_it_as_itself() {
    let heads = [
        "GET /a?b=c HTTP/1.1\r\nHost: h\r\nX: 1\r\n\r\n",
        "GET /a?b=d HTTP/1.1\r\nHost: h\r\nX: 1\r\n\r\n",
        "HEAD /a HTTP/1.1\r\nHost: h:1\r\n\r\n",
        "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxy",
        "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxy",
        "GET /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
    ];
    for one in heads {
        let alone = requests_at_every_split(one.as_bytes());
        let thrice = [&alone[..], &alone, &alone].concat();
        assert_eq!(requests_at_every_split(one.repeat(3).as_bytes()), thrice);
        for other in heads {
            let between = requests_at_every_split(other.as_bytes());
            let text = [one, one, other, one].concat();
            let expected = [&alone[..], &alone, &between, &alone].concat();
            assert_eq!(requests(&[text.as_bytes()]), expected);
        }
    }
    let last = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    assert_eq!(requests_at_every_split(last.repeat(2).as_bytes()).len(), 2);
}

#[test]
fn a_connection_stays_or_closes_by_version_and_tokens() {
    for (version, connection, stays) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: close\r\nConnection: keep-alive\r\n", false),
    ] {
        let request = format!("GET / HTTP/{version}\r\nHost: h\r\n{connection}\r\n");
        let twice = request.repeat(2);
        let heads = requests(&[twice.as_bytes()]).len() / 2;
        assert_eq!(heads, if stays { 2 } else { 1 }, "{request}");
    }
}

#[test]
fn an_http_1_0_client_need_not_name_a_host_and_cannot_expect() {
    let bytes = b"POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx";
    let seen = requests_at_every_split(bytes);
    let fields = "[Content-Length=1|Expect=100-continue]";
    assert_eq!(seen[0], head(&format!("Post / None Http10 at - Length(1) close {fields}")));
    assert_eq!(seen[1..], [body("x"), Seen::End]);
}

#[test]
fn the_codec_says_what_it_waits_for_and_counts_the_body() {
    let mut codec = RequestCodec::default();
    let mut input = InBuf::new(16 * 1024);
    let mut step = |codec: &mut RequestCodec, bytes: &[u8]| {
        input.push(bytes);
        let mut count = 0;
        while codec.step(&mut input).is_some() {
            count += 1;
        }
        (count, codec.awaiting(), codec.body_bytes(), codec.body_bytes_left())
    };
    assert_eq!(step(&mut codec, b""), (0, Awaiting::Idle, 0, Some(0)));
    assert_eq!(step(&mut codec, b"\r\n"), (0, Awaiting::Idle, 0, Some(0)));
    assert_eq!(step(&mut codec, b"P"), (0, Awaiting::Head, 0, Some(0)));
    let rest = b"OST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n";
    assert_eq!(step(&mut codec, rest), (1, Awaiting::Body, 0, Some(9)));
    assert!(!codec.is_between_requests());
    assert_eq!(step(&mut codec, b"1234"), (1, Awaiting::Body, 4, Some(5)));
    codec.discard_body();
    assert_eq!(step(&mut codec, b"567"), (0, Awaiting::Body, 7, Some(2)));
    assert_eq!(step(&mut codec, b"89"), (1, Awaiting::Idle, 9, Some(0)));
    assert!(codec.is_between_requests() && !codec.is_done());
    let chunked = b"POST / HTTP/1.0\r\n\r\n";
    assert_eq!(step(&mut codec, chunked), (2, Awaiting::Idle, 0, Some(0)));
    assert!(codec.is_done());
}

#[test]
fn a_discarded_body_hides_its_bytes_but_not_its_end_nor_the_next_request() {
    let mut codec = RequestCodec::default();
    let mut input = InBuf::new(16 * 1024);
    input.push(
        b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    input.push(b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
    assert!(matches!(codec.step(&mut input), Some(Seen::Head(_))));
    codec.discard_body();
    assert_eq!(codec.step(&mut input), Some(Seen::End));
    assert_eq!(codec.body_bytes(), 3);
    assert!(matches!(codec.step(&mut input), Some(Seen::Head(_))));
    assert_eq!(codec.step(&mut input), Some(body("x")), "only one body was discarded");
}

#[test]
fn a_declared_length_allocates_nothing() {
    let mut codec = RequestCodec::default();
    let mut input = InBuf::new(16 * 1024);
    input.push(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\n");
    let shown = codec.step(&mut input);
    assert!(
        matches!(shown, Some(Seen::Head(text)) if text.contains("Length(9223372036854775807)"))
    );
    assert_eq!(codec.body_bytes_left(), Some(i64::MAX as u64));
    assert!(input.is_empty() && codec.step(&mut input).is_none());
}

#[test]
fn what_browsers_send_in_targets_is_taken() {
    let bytes = b"GET /a|b{c}^`\\?[d]={\"x\" HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(fault_of(bytes).map(|fault| fault.kind), Some(HttpErrorKind::Target));
    let bytes = b"GET /a|b{c}^`\\?[d]={'x HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(fault_of(bytes), None);
}

/// A request as text, and what it should read as.
fn any_request() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let field = ("[A-Za-z-]{1,12}", "[ -~\u{e9}]{0,20}");
    let fields = prop::collection::vec(field, 0..4);
    let body = prop::collection::vec(prop::sample::select(&b"\r\n0aG:; "[..]), 0..30);
    (0..3_u8, fields, body, prop::collection::vec(1_usize..9, 1..5)).prop_map(
        |(framing, fields, body, sizes)| {
            let mut bytes = b"POST /x HTTP/1.1\r\nHost: h\r\n".to_vec();
            for (name, value) in fields {
                bytes.extend(format!("X-{name}:{value}\r\n").into_bytes());
            }
            match framing {
                0 => {
                    bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
                    bytes.extend(&body);
                }
                1 => {
                    bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                    let mut rest = &body[..];
                    for size in sizes.iter().cycle() {
                        let (piece, after) = rest.split_at((*size).min(rest.len()));
                        if piece.is_empty() {
                            break;
                        }
                        bytes.extend(format!("{:x};e\r\n", piece.len()).into_bytes());
                        bytes.extend(piece);
                        bytes.extend(b"\r\n");
                        rest = after;
                    }
                    bytes.extend(b"0\r\nX-T: 1\r\n\r\n");
                }
                _ => {
                    bytes.extend(b"\r\n");
                    return (bytes, Vec::new());
                }
            }
            (bytes, body)
        },
    )
}

proptest! {
    #[test]
    fn any_pipeline_reads_as_it_was_written_however_it_is_cut(
        all in prop::collection::vec(any_request(), 0..5),
        sizes in prop::collection::vec(1_usize..40, 1..9),
    ) {
        let bytes: Vec<u8> = all.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let seen = requests(&cut(&bytes, &sizes));
        prop_assert_eq!(&seen, &requests(&[&bytes]));
        let mut bodies: Vec<Vec<u8>> = Vec::new();
        for event in &seen {
            match event {
                Seen::Head(_) => bodies.push(Vec::new()),
                Seen::Body(piece) => bodies.last_mut().unwrap().extend(piece),
                Seen::End => {}
                Seen::Fault(fault) => prop_assert!(false, "{fault}"),
            }
        }
        let expected: Vec<_> = all.into_iter().map(|(_, body)| body).collect();
        prop_assert_eq!(bodies, expected);
    }

    /// Damage done to a good pipeline: never a panic, and the same fault or events at every cut.
    #[test]
    fn damaged_pipelines_read_the_same_however_they_are_cut(
        changes in prop::collection::vec(
            (
                any::<prop::sample::Index>(),
                prop::sample::select(&b"\r\n\0 \t:;,0f/\xff"[..]),
                0..3_u8,
            ),
            1..4,
        ),
        sizes in prop::collection::vec(1_usize..40, 1..9),
    ) {
        let mut bytes = PIPELINE.to_vec();
        for (place, byte, what) in changes {
            let place = place.index(bytes.len());
            match what {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => { bytes.remove(place); }
            }
        }
        let whole = requests(&[&bytes]);
        prop_assert_eq!(&requests(&cut(&bytes, &sizes)), &whole);
        prop_assert_eq!(&requests(&cut(&bytes, &[1])), &whole);
    }
}
