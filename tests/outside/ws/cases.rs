//! Conformance, by the groups of Autobahn's test suite: what is sent, and what must come back. Each
//! case is sent as a whole and byte by byte, and ends in a close that is clean, or in the code that
//! RFC 6455 wants.

use super::peer::{Got, Peer, frame, in_fragments, text};
use crate::harness::{Node, Setup};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

const ECHO: &str = "/v1/ws/echo";

/// What comes back before the end.
enum End {
    /// The connection goes on.
    Open,
    /// The node closes with this code.
    Code(u16),
}

/// Sends bytes in both ways and looks at what comes back.
#[track_caller]
fn case(port: u16, target: &str, bytes: &[u8], expected: &[Got], end: &End) {
    for piece in [bytes.len().max(1), 1] {
        if piece == 1 && bytes.len() > 3000 {
            continue;
        }
        let mut peer = Peer::open(port, target, "");
        for piece in bytes.chunks(piece) {
            peer.send_some(piece);
        }
        for expected in expected {
            assert_eq!(peer.next(), *expected, "{}", bytes[..bytes.len().min(80)].escape_ascii());
        }
        match end {
            End::Open => peer.close(),
            End::Code(code) => {
                let got = (peer.next(), peer.next());
                let expected = (Got::Close(Some(*code)), Got::End);
                assert_eq!(got, expected, "{}", bytes[..bytes.len().min(80)].escape_ascii());
            }
        }
    }
}

fn hill() -> Node {
    Node::alone(Setup::new("Hill"))
}

#[track_caller]
fn echoes(port: u16, bytes: &[u8], expected: &[Got]) {
    case(port, ECHO, bytes, expected, &End::Open);
}

/// On both targets, behind a ping that is answered.
#[track_caller]
fn fails(port: u16, bytes: &[u8], code: u16) {
    for target in [ECHO, "/v1/ws"] {
        let bytes = [&frame(0x89, b"first")[..], bytes, &frame(0x89, b"last")].concat();
        case(port, target, &bytes, &[Got::Pong(b"first".to_vec())], &End::Code(code));
    }
}

#[test]
fn group_1_messages_of_every_length_come_back() {
    let node = hill();
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536] {
        let payload = vec![b'*'; length];
        let port = node.http_port();
        echoes(port, &frame(0x81, &payload), &[Got::Text(payload.clone())]);
        echoes(port, &frame(0x82, &[0xfe].repeat(length)), &[Got::Binary([0xfe].repeat(length))]);
    }
    let mut peer = Peer::open(node.http_port(), ECHO, "");
    let payload = vec![b'*'; 65_536];
    for piece in frame(0x81, &payload).chunks(997) {
        peer.send(piece);
    }
    assert_eq!(peer.next(), Got::Text(payload));
    peer.close();
}

#[test]
fn group_2_pings_are_answered_in_order_and_pongs_pass() {
    let node = hill();
    let port = node.http_port();
    for payload in [&b""[..], b"Hello, world!", b"\x00\xff\xfe\xfd", &[0xfe; 125]] {
        echoes(port, &frame(0x89, payload), &[Got::Pong(payload.to_vec())]);
    }
    fails(port, &frame(0x89, &[0xfe; 126]), 1002);
    echoes(port, &[frame(0x8a, b""), frame(0x8a, b"unsolicited")].concat(), &[]);
    let pings: Vec<Vec<u8>> = (0..10).map(|n| format!("payload-{n}").into_bytes()).collect();
    let sent: Vec<Vec<u8>> = pings.iter().map(|ping| frame(0x89, ping)).collect();
    let pongs: Vec<Got> = pings.iter().map(|ping| Got::Pong(ping.clone())).collect();
    echoes(port, &sent.concat(), &pongs);
}

#[test]
fn groups_3_and_4_reserved_bits_and_opcodes_are_1002() {
    let node = hill();
    let port = node.http_port();
    for rsv in 1..=7_u8 {
        for opcode in [1, 2, 8, 9, 10] {
            fails(port, &frame(0x80 | rsv << 4 | opcode, b"Hello"), 1002);
        }
    }
    for opcode in (3..=7).chain(11..=15) {
        fails(port, &frame(0x80 | opcode, b""), 1002);
        fails(port, &frame(0x80 | opcode, b"unknown"), 1002);
    }
    // What came before is answered.
    let behind = [text("Hello, world!"), frame(0xd1, b"x"), frame(0x89, b"")].concat();
    case(port, ECHO, &behind, &[Got::Text(b"Hello, world!".to_vec())], &End::Code(1002));
    // Masks and lengths.
    fails(port, b"\x81\x05Hello", 1002);
    fails(port, &[0x81, 0xfe, 0, 125], 1002);
    fails(port, &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], 1002);
    fails(port, &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002);
}

#[test]
fn group_5_fragments_with_control_frames_between_make_messages() {
    let node = hill();
    let port = node.http_port();
    fails(port, &[frame(0x09, b"frag"), frame(0x80, b"ment")].concat(), 1002);
    fails(port, &[frame(0x0a, b"frag"), frame(0x80, b"ment")].concat(), 1002);
    let whole = Got::Text(b"fragment1fragment2".to_vec());
    let (one, two) = (frame(0x01, b"fragment1"), frame(0x80, b"fragment2"));
    echoes(port, &[&one[..], &two].concat(), std::slice::from_ref(&whole));
    let pinged = [&one[..], &frame(0x89, b"ping"), &two].concat();
    echoes(port, &pinged, &[Got::Pong(b"ping".to_vec()), whole.clone()]);
    for bad in [frame(0x80, b"x"), frame(0x00, b"x")] {
        fails(port, &bad, 1002);
        fails(port, &[&one[..], &frame(0x81, b"again")].concat(), 1002);
        let behind = [&one[..], &two, &bad].concat();
        case(port, ECHO, &behind, std::slice::from_ref(&whole), &End::Code(1002));
    }
    let many = [
        frame(0x01, b"f1"),
        frame(0x00, b"f2"),
        frame(0x89, b"1"),
        frame(0x00, b"f3"),
        frame(0x00, b""),
        frame(0x89, b"2"),
        frame(0x80, b"f5"),
    ];
    let pong = |name: &[u8]| Got::Pong(name.to_vec());
    echoes(port, &many.concat(), &[pong(b"1"), pong(b"2"), Got::Text(b"f1f2f3f5".to_vec())]);
}

#[test]
fn group_6_texts_are_utf_8_and_what_is_not_fails_at_once() {
    let node = hill();
    let port = node.http_port();
    let sound = "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!! \u{3ba}\u{1f79}\u{3c3}\
                 \u{3bc}\u{3b5} \u{10ffff}\u{fffd}\u{feff}\u{ffff}\u{fdd0}\u{7f}\u{0}";
    let echo = Got::Text(sound.as_bytes().to_vec());
    echoes(port, &text(sound), std::slice::from_ref(&echo));
    echoes(port, &in_fragments(0x81, sound.as_bytes(), 1), &[echo]);
    echoes(
        port,
        &[frame(0x01, b""), frame(0x00, b""), frame(0x80, b"")].concat(),
        &[Got::Text(vec![])],
    );
    let broken: [&[u8]; 20] = [
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\xf7\xbf\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\x80",
        b"\xbf",
        b"\x80\xbf\x80\xbf",
        b"\xc0\x20",
        b"\xe0\x20",
        b"\xf0\x20",
        b"\xfe",
        b"\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xed\xbf\xbf",
        b"\xc3",
    ];
    for text in broken {
        fails(port, &frame(0x81, text), 1007);
        fails(port, &in_fragments(0x81, &[b"ok", text].concat(), 1), 1007);
    }
    // Of a frame that never becomes whole: the code comes all the same.
    for target in [ECHO, "/v1/ws"] {
        let mut peer = Peer::open(port, target, "");
        let whole = frame(0x81, &[&b"\xce\xba\xf4\x90"[..], &[b'x'; 60]].concat());
        peer.send(&whole[..6 + 4]);
        assert_eq!((peer.next(), peer.next()), (Got::Close(Some(1007)), Got::End));
    }
}

#[test]
fn group_7_closes_are_answered_and_nothing_follows_them() {
    let node = hill();
    let port = node.http_port();
    let close = |payload: &[u8]| frame(0x88, payload);
    let code = |number: u16| close(&number.to_be_bytes());
    let text = text("Hello");
    let hello = Got::Text(b"Hello".to_vec());
    for behind in [&b""[..], &text, &code(1000), &frame(0x89, b"x"), &frame(0x80, b"x")] {
        let bytes = [&text[..], &code(1000), behind].concat();
        case(port, ECHO, &bytes, std::slice::from_ref(&hello), &End::Code(1000));
    }
    let within = [frame(0x01, b"part"), code(1000), frame(0x80, b"part")].concat();
    case(port, ECHO, &within, &[], &End::Code(1000));
    let mut peer = Peer::open(port, ECHO, "");
    peer.send(close(b""));
    assert_eq!((peer.next(), peer.next()), (Got::Close(None), Got::End));
    for number in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        case(port, "/v1/ws", &code(number), &[], &End::Code(number));
        let reason = [&number.to_be_bytes()[..], &[b'*'; 123]].concat();
        case(port, ECHO, &close(&reason), &[], &End::Code(number));
    }
    for number in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        fails(port, &code(number), 1002);
    }
    fails(port, &close(b"\x03"), 1002);
    fails(port, &close(&[&1000_u16.to_be_bytes()[..], &[b'*'; 124]].concat()), 1002);
    fails(port, &close(b"\x03\xe8\xce\xba\xed\xa0\x80"), 1007);
}

#[test]
fn groups_9_and_10_large_messages_come_back_and_larger_ones_are_1009() {
    let node = hill();
    let port = node.http_port();
    let large = vec![b'*'; 16 << 20];
    let mut peer = Peer::open(port, ECHO, "");
    assert_eq!(peer.send(frame(0x81, &large)).next(), Got::Text(large.clone()));
    // In fragments as small as 64 bytes, and in writes of as many.
    let some = &large[..1 << 20];
    for size in [64, 1300, 1 << 18] {
        let sent = in_fragments(0x82, some, size);
        assert_eq!(peer.send(sent).next(), Got::Binary(some.to_vec()));
    }
    for piece in frame(0x82, &some[..1 << 17]).chunks(64) {
        peer.send(piece);
    }
    assert_eq!(peer.next(), Got::Binary(some[..1 << 17].to_vec()));
    for length in [0, 16, 256, 4096] {
        for _ in 0..200 {
            peer.send(frame(0x81, &large[..length]));
            assert_eq!(peer.next(), Got::Text(large[..length].to_vec()));
        }
    }
    peer.close();
    // One byte more, said or sent.
    fails(port, &[0x82, 0xff, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0], 1009);
    let mut peer = Peer::open(port, ECHO, "");
    peer.send_some(&in_fragments(0x82, &[&large[..], b"1"].concat(), 1 << 20));
    assert_eq!(peer.next(), Got::Close(Some(1009)));
}

/// A client's deflater and inflater, with or without memory.
struct Flate {
    deflater: Compress,
    inflater: Decompress,
    remembers: bool,
}

impl Flate {
    fn new(bits: u8, remembers: bool) -> Self {
        let deflater = Compress::new_with_window_bits(Compression::new(6), false, bits);
        Self { deflater, inflater: Decompress::new(false), remembers }
    }

    fn deflate(&mut self, bytes: &[u8]) -> Vec<u8> {
        if !self.remembers {
            self.deflater.reset();
        }
        let mut out = Vec::with_capacity(bytes.len() + 1000);
        self.deflater.compress_vec(bytes, &mut out, FlushCompress::Sync).expect("room");
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        out
    }

    fn inflate(&mut self, bytes: &[u8], length: usize) -> Vec<u8> {
        if !self.remembers {
            self.inflater.reset(false);
        }
        let mut out = Vec::with_capacity(length + 1000);
        let bytes = [bytes, &[0, 0, 0xff, 0xff]].concat();
        self.inflater.decompress_vec(&bytes, &mut out, FlushDecompress::Sync).expect("deflated");
        out
    }
}

/// JSON of so many bytes, not always the same.
fn prose(length: usize, salt: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(length + 60);
    let mut n = salt;
    while out.len() < length {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        out.extend_from_slice(format!("{{\"id\":{},\"headline\":\"news\"}},", n >> 40).as_bytes());
    }
    out.truncate(length);
    out
}

fn deflated_messages(port: u16, offer: &str, answer: &str, (bits, remembers): (u8, bool)) {
    let fields = format!("Sec-WebSocket-Extensions: {offer}\r\n");
    let (head, mut peer) = Peer::ask(port, ECHO, &fields);
    let line = format!("Sec-WebSocket-Extensions: permessage-deflate{answer}\r\n");
    assert!(head.contains(&line), "{offer}: {head}");
    let mut flate = Flate::new(bits, remembers);
    for (count, length) in [(20, 16), (20, 256), (20, 4096), (10, 131_072)] {
        for salt in 0..count {
            let message = prose(length, salt);
            let deflated = flate.deflate(&message);
            let size = if salt % 2 == 0 { deflated.len() } else { 256 };
            peer.send(in_fragments(0xc1, &deflated, size));
            match peer.next() {
                Got::Deflated(bytes) => assert_eq!(flate.inflate(&bytes, length), message),
                // What is no shorter deflated goes as it is.
                Got::Text(bytes) => assert_eq!((bytes, length), (message, 16)),
                other => panic!("{other:?}"),
            }
        }
    }
    // Plain ones are taken, too, and come back so.
    assert_eq!(peer.send(text("plain")).next(), Got::Text(b"plain".to_vec()));
    peer.close();
}

#[test]
fn groups_12_and_13_deflated_messages_come_back_whatever_was_agreed() {
    let none = "; server_no_context_takeover; client_no_context_takeover";
    let node = hill();
    for (offer, more, bits) in [
        ("permessage-deflate", "", 15),
        ("permessage-deflate; server_no_context_takeover", "", 15),
        ("permessage-deflate; server_max_window_bits=9", "; server_max_window_bits=9", 9),
        (
            "permessage-deflate; client_max_window_bits=9; server_max_window_bits=15",
            "; server_max_window_bits=15",
            9,
        ),
        ("permessage-deflate; unknown, permessage-deflate; client_max_window_bits", "", 15),
    ] {
        let answer = format!("{none}{more}");
        deflated_messages(node.http_port(), offer, &answer, (bits, false));
    }
    let keeping = Node::alone(Setup::new("Keep").limit("ws_context_bytes", 32_768));
    let offer = "permessage-deflate; client_max_window_bits";
    deflated_messages(keeping.http_port(), offer, "", (15, true));
    let little = Node::alone(Setup::new("Little").limit("ws_context_bytes", 512));
    let answer = "; server_max_window_bits=9; client_max_window_bits=9";
    deflated_messages(little.http_port(), offer, answer, (9, true));
}

#[test]
fn a_bomb_is_stopped_and_what_does_not_inflate_is_1007() {
    let node = hill();
    let fields = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let bomb = Flate::new(15, false).deflate(&vec![0; 17 << 20]);
    assert!(bomb.len() < 40_000, "{}", bomb.len());
    let garbage = [0xff; 20].to_vec();
    let cut = Flate::new(15, false).deflate(&prose(1000, 1))[..150].to_vec();
    for (payload, code) in [(bomb, 1009), (garbage, 1007), (cut, 1007)] {
        let mut peer = Peer::open(node.http_port(), ECHO, fields);
        peer.send_some(&frame(0xc2, &payload));
        assert_eq!((peer.next(), peer.next()), (Got::Close(Some(code)), Got::End));
    }
}
