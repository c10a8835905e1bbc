//! Headers of both versions: what they tell, what they must not be, and the same at any cut.

use super::*;
use proptest::prelude::*;
use std::net::IpAddr;

/// The least bound that the specification has in mind.
const BYTES_MAX: usize = 536;

/// Reads as bytes come one at a time; what was said when there was something to say.
fn read_bytewise(data: &[u8]) -> Result<Option<Header>, ProxyError> {
    for length in 0..=data.len() {
        match read(&data[..length], BYTES_MAX) {
            Ok(None) => {}
            said => return said,
        }
    }
    Ok(None)
}

#[track_caller]
fn expect(data: &[u8], told: Told, bytes: usize) {
    let wanted = Ok(Some(Header { told, bytes }));
    assert_eq!(read(data, BYTES_MAX), wanted, "{}", data.escape_ascii());
    assert_eq!(read_bytewise(data), wanted, "{}", data.escape_ascii());
}

#[track_caller]
fn expect_error(data: &[u8], kind: ProxyErrorKind, offset: usize) {
    let wanted = Err(kind.at(offset));
    assert_eq!(read(data, BYTES_MAX), wanted, "{}", data.escape_ascii());
    assert_eq!(read_bytewise(data), wanted, "{}", data.escape_ascii());
}

fn tcp(text: &str) -> Told {
    Told::Tcp(text.parse().unwrap())
}

/// A header of version 2.
fn v2(command: u8, kind: u8, block: &[u8]) -> Vec<u8> {
    let length = (block.len() as u16).to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[0x20 | command, kind], &length, block].concat()
}

fn v2_of(source: SocketAddr, target: SocketAddr) -> Vec<u8> {
    let ports = [source.port().to_be_bytes(), target.port().to_be_bytes()].concat();
    match (source.ip(), target.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            v2(1, 0x11, &[&from.octets()[..], &to.octets(), &ports].concat())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            v2(1, 0x21, &[&from.octets()[..], &to.octets(), &ports].concat())
        }
        _ => panic!("two families"),
    }
}

#[test]
fn version_1_tells_the_client_s_address() {
    let line = b"PROXY TCP4 192.0.2.1 198.51.100.9 56324 443\r\nGET / HTTP/1.1\r\n";
    expect(line, tcp("192.0.2.1:56324"), 45);
    expect(b"PROXY TCP6 2001:db8::1 ::1 1 0\r\n", tcp("[2001:db8::1]:1"), 32);
    expect(b"PROXY TCP6 ::ffff:192.0.2.1 ::1 65535 1\r\n", tcp("[::ffff:192.0.2.1]:65535"), 41);
    expect(b"PROXY UNKNOWN\r\n", Told::Unknown, 15);
    expect(b"PROXY UNKNOWN \xff whatever\r\n\r\n", Told::Unknown, 26);
}

#[test]
fn version_1_is_exact() {
    use ProxyErrorKind::{Address, Family, Missing, TooLong};
    for (line, kind, offset) in [
        (&b"GET / HTTP/1.1\r\n"[..], Missing, 0),
        (b"PROXX", Missing, 4),
        (b"proxy TCP4", Missing, 0),
        (b"PROXY\tTCP4", Missing, 5),
        (b"PROXY \r\n", Family, 6),
        (b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", Family, 6),
        (b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", Family, 6),
        (b"PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", Family, 6),
        (b"PROXY TCP4\r\n", Address, 11),
        (b"PROXY TCP4 ::1 ::1 1 2\r\n", Address, 11),
        (b"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", Address, 11),
        (b"PROXY TCP4 1.2.3.4 1.2.3 1 2\r\n", Address, 19),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", Address, 27),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", Address, 27),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", Address, 29),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", Address, 29),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", Address, 31),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", Address, 31),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r\n", Address, 29),
        (b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", Address, 11),
        (b"PROXY TCP6 fe80::1%1 ::1 1 2\r\n", Address, 11),
        (&[b"PROXY UNKNOWN ", &[b'x'; 93][..]].concat(), TooLong, 107),
    ] {
        expect_error(line, kind, offset);
    }
    let longest = [b"PROXY UNKNOWN ", &[b'x'; 91][..], b"\r\n"].concat();
    expect(&longest, Told::Unknown, V1_BYTES_MAX);
}

#[test]
fn a_line_without_its_end_is_waited_for() {
    for line in [&b""[..], b"P", b"PROXY ", b"PROXY TCP4 nonsense", b"PROXY UNKNOWN\r"] {
        assert_eq!(read(line, BYTES_MAX), Ok(None));
    }
}

#[test]
fn version_2_tells_the_client_s_address_and_skips_what_else_is_said() {
    let four = ("192.0.2.1:56324".parse().unwrap(), "198.51.100.9:443".parse().unwrap());
    let header = v2_of(four.0, four.1);
    expect(&[&header[..], b"said"].concat(), Told::Tcp(four.0), 28);
    let six = ("[2001:db8::1]:1".parse().unwrap(), "[::1]:2".parse().unwrap());
    expect(&v2_of(six.0, six.1), Told::Tcp(six.0), 52);
    let with_more = [&[192, 0, 2, 1, 198, 51, 100, 9, 0, 1, 0, 2][..], &[4, 0, 1, 0]].concat();
    expect(&v2(1, 0x11, &with_more), tcp("192.0.2.1:1"), 32);
    expect(&v2(1, 0x31, &[0; 216]), Told::Unix, 232);
    expect(&v2(0, 0, &[]), Told::Local, 16);
    // Of its own connection a proxy may say anything.
    expect(&v2(0, 0xff, &[7; 3]), Told::Local, 19);
    for unknown in [0x00, 0x01, 0x10, 0x20, 0x30] {
        expect(&v2(1, unknown, &[1, 2, 3]), Told::Unknown, 19);
    }
    // Datagrams are not what comes here.
    expect(&v2(1, 0x12, &[1; 12]), Told::Unknown, 28);
}

#[test]
fn version_2_is_exact() {
    use ProxyErrorKind::{Command, Missing, TooLong, TooShort, Transport};
    let mut other = v2(1, 0x11, &[0; 12]);
    other[12] = 0x11;
    expect_error(&other, Command, 12);
    expect_error(&v2(2, 0x11, &[0; 12]), Command, 12);
    expect_error(&v2(1, 0x41, &[0; 12]), Transport, 13);
    expect_error(&v2(1, 0x13, &[0; 12]), Transport, 13);
    for (kind, bytes) in [(0x11, 11), (0x12, 11), (0x21, 35), (0x31, 215)] {
        expect_error(&v2(1, kind, &vec![0; bytes]), TooShort, 14);
    }
    expect_error(b"\r\n\r\n\0\r\nQUIX\n", Missing, 10);
    expect_error(b"\r\nGET / HTTP/1.1\r\n", Missing, 2);
    expect(&v2(1, 0x11, &[0; BYTES_MAX - 16]), tcp("0.0.0.0:0"), BYTES_MAX);
    expect_error(&v2(1, 0x11, &[0; BYTES_MAX - 15]), TooLong, 14);
    // Before any of it has come.
    expect_error(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", TooLong, 14);
}

proptest! {
    #[test]
    fn an_address_that_is_told_is_read_back(
        source in any::<SocketAddr>(),
        port in any::<u16>(),
        behind in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        // What a scope is for is known on the proxy's machine alone; no header has one.
        let source = SocketAddr::new(source.ip(), source.port());
        let target = SocketAddr::new(source.ip(), port);
        let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let (ip, from) = (source.ip(), source.port());
        let line = format!("PROXY {family} {ip} {ip} {from} {port}\r\n").into_bytes();
        for header in [line, v2_of(source, target)] {
            let whole = [&header[..], &behind].concat();
            let wanted = Header { told: Told::Tcp(source), bytes: header.len() };
            prop_assert_eq!(read(&whole, BYTES_MAX), Ok(Some(wanted)));
            prop_assert_eq!(read_bytewise(&whole), Ok(Some(wanted)));
        }
    }

    #[test]
    fn whatever_comes_says_the_same_however_it_is_cut(
        front in prop::sample::select(vec![
            &b""[..], b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN",
            b"\r\n\r\n\0\r\nQUIT\n", b"\r\n\r\n\0\r\nQUIT\n\x21", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0",
        ]),
        rest in prop::collection::vec(prop_oneof![any::<u8>(), b'0'..=b':', Just(b' '), Just(b'\r'),
            Just(b'\n')], 0..130),
    ) {
        let data = [front, &rest].concat();
        let whole = read(&data, BYTES_MAX);
        prop_assert_eq!(read_bytewise(&data), whole);
        if let Ok(Some(header)) = whole {
            prop_assert!(header.bytes <= data.len().min(BYTES_MAX));
        }
    }
}
