//! Requests that must be refused, with the kind, the status and the place; and limits to the byte.

use super::*;
use crate::proto::testing::cut;
use HttpErrorKind as Kind;

/// A request that could be smuggled behind the faulty one.
const BEHIND: &str = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

/// The kind of the fault; asserts that no request gets through but those counted, none behind it.
fn kind_of(bytes: &[u8]) -> Option<Kind> {
    let mut all = bytes.to_vec();
    all.extend_from_slice(BEHIND.as_bytes());
    let seen = requests_at_every_split(&all);
    let smuggled = |event: &Seen| matches!(event, Seen::Head(text) if text.contains("smuggled"));
    match seen.last() {
        Some(Seen::Fault(fault)) => {
            assert!(!seen.iter().any(smuggled), "{}", bytes.escape_ascii());
            assert!(fault.offset <= all.len() as u64);
            Some(fault.kind)
        }
        _ => None,
    }
}

#[track_caller]
fn refused(kind: Kind, forms: &[&str]) {
    for form in forms {
        assert_eq!(kind_of(form.as_bytes()), Some(kind), "{}", form.escape_debug());
    }
}

/// Heads with these fields after a good request line and Host.
#[track_caller]
fn refused_fields(kind: Kind, forms: &[&str]) {
    for form in forms {
        let request = format!("POST / HTTP/1.1\r\nHost: h\r\n{form}\r\n\r\n");
        assert_eq!(kind_of(request.as_bytes()), Some(kind), "{}", form.escape_debug());
    }
}

/// Bodies behind a good chunked head.
#[track_caller]
fn refused_chunks(kind: Kind, forms: &[&str]) {
    for form in forms {
        let request =
            format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{form}");
        assert_eq!(kind_of(request.as_bytes()), Some(kind), "{}", form.escape_debug());
    }
}

#[test]
fn every_malformed_request_line_is_refused() {
    refused(Kind::BareLf, &["\nGET / HTTP/1.1\r\n", "GET / HTTP/1.1\nHost: h\n\n"]);
    refused(Kind::BareLf, &["GET / HTTP/1.1\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\n"]);
    refused(Kind::BareLf, &["\r\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"]);
    refused(Kind::EmptyStartLine, &["\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"]);
    refused(
        Kind::BareCr,
        &["GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\r\nHost: h\r\n\r\n"],
    );
    refused(
        Kind::BareCr,
        &["\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET\r/ HTTP/1.1\r\nHost: h\r\n\r\n"],
    );
    refused(
        Kind::Method,
        &[" GET / HTTP/1.1\r\n", "\0GET / HTTP/1.1\r\n", "\u{16}\u{3}\u{1}\u{2}"],
    );
    refused(
        Kind::Method,
        &["G(T / HTTP/1.1\r\nHost: h\r\n\r\n", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n"],
    );
    refused(Kind::Method, &["\"\r\n\r\n", "{\"a\":1}", "GÉT / HTTP/1.1\r\nHost: h\r\n\r\n"]);
    refused(Kind::StartLine, &["GET\r\n\r\n", "GET /\r\n\r\n", "GET / \r\nHost: h\r\n\r\n"]);
    refused(
        Kind::StartLine,
        &["GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "GET /  HTTP/1.1\r\nHost: h\r\n\r\n"],
    );
    refused(
        Kind::StartLine,
        &["GET / HTTP/1.1 \r\nHost: h\r\n\r\n", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"],
    );
    refused(
        Kind::StartLine,
        &["GET / http/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1\r\nHost: h\r\n\r\n"],
    );
    refused(
        Kind::StartLine,
        &["GET / HTTP/1.1x\r\nHost: h\r\n\r\n", "GET / HTTP/1.10\r\nHost: h\r\n\r\n"],
    );
    refused(
        Kind::StartLine,
        &["GET / HTTPS/1.1\r\nHost: h\r\n\r\n", "GET / XHTTP/1.1\r\nHost: h\r\n\r\n"],
    );
    refused(
        Kind::Version,
        &["GET / HTTP/1.2\r\nHost: h\r\n\r\n", "GET / HTTP/0.9\r\nHost: h\r\n\r\n"],
    );
    refused(
        Kind::Version,
        &["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/3.0\r\nHost: h\r\n\r\n"],
    );
}

#[test]
fn every_malformed_target_is_refused() {
    for target in [
        "/\u{e9}",
        "/\u{1}",
        "/\0",
        "/a\tb",
        "/a\u{7f}",
        "/#f",
        "/a\"",
        "/<",
        "/>",
        "*",
        "a",
        "?q",
        "h:80",
        "//u@h",
        "ftp://h/",
        "http://",
        "http:///x",
        "http://u:p@h/",
        "http://h:99999/",
        "http://a,b:c/",
        "https:/h",
        "http://h\\x/",
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        let expected = if target.starts_with("//") { None } else { Some(Kind::Target) };
        assert_eq!(kind_of(request.as_bytes()), expected, "{target:?}");
    }
    refused(Kind::Target, &["CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n"]);
    refused(Kind::Target, &["CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n"]);
}

#[test]
fn every_malformed_field_line_is_refused() {
    refused_fields(Kind::FoldedField, &["X: a\r\n b", "X: a\r\n\tb", "X: a\r\n ", "X: a\r\n :b"]);
    refused(
        Kind::FoldedField,
        &["GET / HTTP/1.1\r\n Host: h\r\n\r\n", "GET / HTTP/1.1\r\n\tx\r\n\r\n"],
    );
    refused_fields(
        Kind::SpaceBeforeColon,
        &["X : a", "Content-Length : 5", "Transfer-Encoding\t: chunked"],
    );
    refused_fields(
        Kind::FieldName,
        &[": a", "X", "X(: a", "X\0: a", "\u{e9}: a", "\"X\": a", "X[]: a"],
    );
    refused_fields(
        Kind::FieldValue,
        &["X: a\0b", "X: \u{1}", "X: a\u{7f}", "X: \u{b}", "X:\u{c}", "X: \u{1b}["],
    );
    refused_fields(
        Kind::BareCr,
        &["X: a\rb", "X: \r", "X: a\rContent-Length: 5", "X\r: a", "X: a\r\r", "\rX: a"],
    );
    refused_fields(
        Kind::BareLf,
        &["X: a\nb", "X: a\nContent-Length: 5", "X: \n", "\nX: a", "X\n: a"],
    );
}

#[test]
fn every_doubtful_length_is_refused() {
    refused_fields(
        Kind::ContentLength,
        &[
            "Content-Length:",
            "Content-Length: -1",
            "Content-Length: +5",
            "Content-Length: 5a",
            "Content-Length: 0x5",
            "Content-Length: 5, 5",
            "Content-Length: 5 5",
            "Content-Length: 5,",
            "Content-Length: 5.0",
            "Content-Length: \"5\"",
            "Content-Length: \u{665}",
            "Content-Length: 9223372036854775808",
            "Content-Length: 18446744073709551617",
            "Content-Length: 00000000000000000005",
            "Content-Length: 1_0",
        ],
    );
    refused_fields(
        Kind::ContentLengthRepeated,
        &[
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5\r\nX: y\r\ncontent-length: 6",
            "Content-Length: 0\r\nContent-Length: 0",
        ],
    );
    refused_fields(
        Kind::LengthAndCoding,
        &[
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Content-Length: 0\r\ntransfer-encoding: x",
        ],
    );
}

#[test]
fn every_doubtful_coding_is_refused() {
    refused_fields(
        Kind::TransferCoding,
        &[
            "Transfer-Encoding:",
            "Transfer-Encoding: ,",
            "Transfer-Encoding: chunked,",
            "Transfer-Encoding: ,chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: chunked;q=1",
            "Transfer-Encoding: \"chunked\"",
            "Transfer-Encoding: gzip",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: chun ked",
            "Transfer-Encoding: chunked x",
            "Transfer-Encoding: gzip chunked",
            "Transfer-Encoding: 'chunked'",
            "Transfer-Encoding: chunk\u{e9}d",
            "Transfer-Encoding: gz(p, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        ],
    );
    refused_fields(
        Kind::TransferCodingUnknown,
        &[
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: identity,chunked",
            "Transfer-Encoding: gzip;x=y , deflate, Chunked",
        ],
    );
    refused(
        Kind::TransferCodingInOldVersion,
        &[
            "POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\
             Transfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n",
        ],
    );
}

#[test]
fn every_doubtful_host_and_expectation_is_refused() {
    refused(Kind::HostMissing, &["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHos: h\r\n\r\n"]);
    refused(Kind::HostMissing, &["GET http://h/ HTTP/1.1\r\n\r\n"]);
    refused_fields(Kind::HostRepeated, &["Host: h", "Host: other", "HOST:"]);
    refused(Kind::HostRepeated, &["GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n"]);
    for host in [
        "", "h h", "h,i", "u@h", "h/", "http://h", "h:x", "h:1:2", "h:70000", "[::1", "[]",
        "\u{e9}", "h#",
    ] {
        refused(Kind::Host, &[&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")]);
    }
    refused_fields(Kind::Expectation, &["Expect: 200-ok", "Expect:", "Expect: 100-continue, x"]);
}

#[test]
fn every_malformed_chunk_is_refused() {
    refused_chunks(
        Kind::ChunkSize,
        &[
            "\r\n",
            " 5\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "5\t\r\n",
            "+5\r\n",
            "-5\r\n",
            "0x5\r\n",
            "g\r\n",
            ";x\r\n",
            "5,5\r\n",
            "5 ;x\r\n",
            "5_0\r\n",
            "\u{665}\r\n",
            "5\0\r\n",
            "5\r\nhello\r\n\r\n",
            "00000000000000005\r\n",
        ],
    );
    refused_chunks(
        Kind::ChunkSizeOverflow,
        &["8000000000000000\r\n", "ffffffffffffffff\r\n", "FFFFFFFFFFFFFFFFF\r\n"],
    );
    refused_chunks(
        Kind::ChunkEnd,
        &["5\r\nhelloX\r\n", "5\r\nhello\n", "5\r\nhello\rX", "5\r\nhell\r\n0\r\n\r\n"],
    );
    refused_chunks(
        Kind::BareLf,
        &["5\nhello\r\n", "5;x\nhello\r\n", "0\n\n", "0\r\n\n", "0\r\nX: y\n\r\n"],
    );
    refused_chunks(
        Kind::BareCr,
        &["5\rhello\r\n", "5;x\ry\r\n", "0\r\r\n", "0\r\nX: a\rb\r\n\r\n"],
    );
    refused_chunks(Kind::ChunkExtension, &["5;a\0\r\n", "5;\u{1}\r\n", "5;\u{7f}\r\n"]);
    refused_chunks(
        Kind::TrailerField,
        &[
            "0\r\nContent-Length: 5\r\n\r\n",
            "0\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n",
            "0\r\nHOST: x\r\n\r\n",
        ],
    );
    refused_chunks(Kind::FoldedField, &["0\r\nX: y\r\n z\r\n\r\n", "0\r\n X: y\r\n\r\n"]);
    refused_chunks(Kind::SpaceBeforeColon, &["0\r\nX : y\r\n\r\n"]);
    refused_chunks(Kind::FieldName, &["0\r\nX\r\n\r\n"]);
    // With no empty line of its own, the next request reads as trailer fields.
    refused_chunks(Kind::SpaceBeforeColon, &["0\r\n"]);
}

#[test]
fn a_fault_says_its_rule_its_place_and_its_status() {
    for (bytes, offset, status, text) in [
        (
            "GET / HTTP/1.1\r\nHost: h\r\nX: a\0\r\n\r\n",
            29,
            400,
            "control character in a field value",
        ),
        ("GET / HTTP/1.1\nHost: h\r\n\r\n", 14, 400, "a line ends in LF without CR"),
        ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", 20, 400, "white space between field name and colon"),
        ("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 25, 400, "more than one Host field"),
        ("GET / HTTP/1.1\r\nX: h\r\n\r\n", 22, 400, "no Host field"),
        ("GET /\u{e9} HTTP/1.1\r\nHost: h\r\n\r\n", 5, 400, "malformed request target"),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 11, 505, "HTTP version other than 1.0 and 1.1"),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n",
            25,
            417,
            "an expectation other than 100-continue",
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            25,
            501,
            "a transfer coding other than chunked",
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n\
             PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc",
            87,
            400,
            "chunk data is not followed by CRLF",
        ),
    ] {
        let fault = fault_of(bytes.as_bytes()).unwrap();
        assert_eq!((fault.offset, fault.status().code()), (offset, status), "{bytes:?}");
        assert_eq!(fault.to_string(), format!("{text}, at byte {offset}"));
    }
}

const SMALL: HttpLimits = HttpLimits {
    head_bytes_max: 120,
    fields_max: 4,
    target_bytes_max: 20,
    chunk_extension_bytes_max: 6,
    trailer_bytes_max: 20,
};

/// The last event of the bytes under small limits, the same whole and byte by byte.
fn last_under_small_limits(bytes: &str) -> Seen {
    let read = |size| {
        let mut codec = RequestCodec::new(SMALL);
        feed(&mut codec, &SMALL, &cut(bytes.as_bytes(), &[size]))
    };
    let whole = read(bytes.len());
    for size in 1..bytes.len() {
        assert_eq!(read(size), whole, "in pieces of {size}");
    }
    whole.last().unwrap().clone()
}

#[track_caller]
fn at_the_limit(kind: Kind, status: u16, within: &str, beyond: &str) {
    assert_eq!(last_under_small_limits(within), Seen::End, "{within:?}");
    match last_under_small_limits(beyond) {
        Seen::Fault(fault) => assert_eq!((fault.kind, fault.status().code()), (kind, status)),
        other => panic!("{beyond:?} gives {other:?}"),
    }
}

#[test]
fn every_limit_holds_to_the_byte() {
    let head = |len: usize| {
        let start = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(len - start.len() - 4))
    };
    at_the_limit(Kind::HeadTooLarge, 431, &head(120), &head(121));
    let fields =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    at_the_limit(Kind::TooManyFields, 431, &fields(4), &fields(5));
    let target = |len: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(len - 1));
    at_the_limit(Kind::TargetTooLong, 414, &target(20), &target(21));
    at_the_limit(Kind::TargetTooLong, 414, &target(20), &target(300));
    let method = |len| format!("{} / HTTP/1.1\r\nHost: h\r\n\r\n", "M".repeat(len));
    at_the_limit(Kind::MethodTooLong, 501, &method(32), &method(33));
    let chunked = |body: &str| {
        format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
    };
    let extensions = |last| chunked(&format!("1;abc\r\nx\r\n1;ab\r\nx\r\n0{last}\r\n\r\n"));
    at_the_limit(Kind::ChunkExtensionsTooLong, 400, &extensions(";a"), &extensions(";ab"));
    let trailer = |len: usize| chunked(&format!("0\r\nX: {}\r\n\r\n", "x".repeat(len - 7)));
    at_the_limit(Kind::TrailerTooLarge, 431, &trailer(20), &trailer(21));
    let trailers = |count| chunked(&format!("0\r\n{}\r\n", "X:\r\n".repeat(count)));
    at_the_limit(Kind::TooManyFields, 431, &trailers(4), &trailers(5));
    let digits = |count| chunked(&format!("{}\r\n\r\n", "0".repeat(count)));
    at_the_limit(Kind::ChunkSize, 400, &digits(16), &digits(17));
}

#[test]
fn the_default_limits_are_those_of_the_contract() {
    let limits = HttpLimits::default();
    assert_eq!(
        (limits.head_bytes_max, limits.fields_max, limits.target_bytes_max),
        (16384, 64, 4096)
    );
    let request = |head_bytes: usize| {
        let start = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(head_bytes - start.len() - 4))
    };
    assert_eq!(requests(&[request(16384).as_bytes()]).last(), Some(&Seen::End));
    let fault = HttpError { kind: Kind::HeadTooLarge, offset: 16384 };
    assert_eq!(requests(&[request(16385).as_bytes()]), [Seen::Fault(fault)]);
    assert_eq!(requests(&cut(request(16385).as_bytes(), &[1000])), [Seen::Fault(fault)]);
}

#[test]
fn limits_past_what_can_be_counted_are_brought_back() {
    let limits = HttpLimits { fields_max: usize::MAX - 1, ..HttpLimits::default() };
    let request =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    let last = |count| {
        let mut codec = RequestCodec::new(limits);
        feed(&mut codec, &limits, &[request(count).as_bytes()]).pop()
    };
    assert_eq!(last(128), Some(Seen::End));
    assert!(matches!(last(129), Some(Seen::Fault(fault)) if fault.kind == Kind::TooManyFields));
}
