//! The receiver on bytes that were written by hand, at every cut.

mod faults;
mod handshakes;
mod rounds;

use super::*;
use crate::base::InBuf;

/// An event, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Fault(WsError),
}

fn kept(event: Event<'_>) -> Said {
    match event {
        Event::Inflating(_) => panic!("so small a message is inflated at once"),
        Event::Message(Message { kind: Kind::Text, bytes, .. }) => {
            Said::Text(String::from_utf8(bytes.to_vec()).expect("a text is UTF-8"))
        }
        Event::Message(Message { bytes, .. }) => Said::Binary(bytes.to_vec()),
        Event::Ping(bytes) => Said::Ping(bytes.to_vec()),
        Event::Pong(bytes) => Said::Pong(bytes.to_vec()),
        Event::Close(close) => {
            Said::Close(close.code.map(CloseCode::number), close.reason.to_owned())
        }
    }
}

/// All that a receiver makes of bytes that come in these pieces, out of a buffer that is no larger
/// than a connection's least.
fn said(mut receiver: Receiver, pieces: &[&[u8]]) -> Vec<Said> {
    let mut flate = Flate::default();
    let mut input = InBuf::new(256);
    let mut all = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            rest = &rest[input.push(rest)..];
            loop {
                match receiver.next(&mut input, &mut flate) {
                    Ok(None) => break,
                    Ok(Some(event)) => all.push(kept(event)),
                    Err(fault) => {
                        assert_eq!(receiver.next(&mut input, &mut flate).err(), Some(fault));
                        assert_eq!(receiver.held_bytes(), 0);
                        all.push(Said::Fault(fault));
                        return all;
                    }
                }
            }
            if rest.is_empty() {
                break;
            }
            assert!(!input.is_full(), "a full buffer of which nothing is taken");
        }
    }
    all
}

fn server() -> Receiver {
    Receiver::new(Role::Server, 1000, None)
}

/// The same at every cut in two, and byte by byte.
#[track_caller]
fn at_every_cut(make: impl Fn() -> Receiver, bytes: &[u8]) -> Vec<Said> {
    let whole = said(make(), &[bytes]);
    for at in 1..bytes.len() {
        let (front, back) = bytes.split_at(at);
        assert_eq!(said(make(), &[front, back]), whole, "cut at {at} of {bytes:x?}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(said(make(), &single), whole, "one by one: {bytes:x?}");
    whole
}

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame, masked; written without the code under test.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        long @ 126..=0xffff => {
            out.push(0xfe);
            out.extend((long as u16).to_be_bytes());
        }
        longer => {
            out.push(0xff);
            out.extend((longer as u64).to_be_bytes());
        }
    }
    out.extend(KEY);
    out.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

fn text(said: &str) -> Said {
    Said::Text(said.to_owned())
}

#[test]
fn the_examples_of_rfc_6455_are_read() {
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(at_every_cut(server, &hello), [text("Hello")]);
    let ping = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(at_every_cut(server, &ping), [Said::Pong(b"Hello".to_vec())]);
    // From a server: bare, in fragments, and long.
    let client = || Receiver::new(Role::Client, 70_000, None);
    let bare = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(at_every_cut(client, &bare), [text("Hello")]);
    let parts = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(at_every_cut(client, &parts), [text("Hello")]);
    let pinged = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(at_every_cut(client, &pinged), [Said::Ping(b"Hello".to_vec())]);
    let long = [&[0x82, 0x7e, 0x01, 0x00][..], &[7; 256]].concat();
    assert_eq!(at_every_cut(client, &long), [Said::Binary(vec![7; 256])]);
    let longer = [&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0][..], &vec![7; 65_536]].concat();
    assert_eq!(said(client(), &[&longer]), [Said::Binary(vec![7; 65_536])]);
}

#[test]
fn control_frames_stand_between_fragments_and_empty_ones_count() {
    let bytes = [
        frame(0x01, b"a"),
        frame(0x89, b"1"),
        frame(0x00, b""),
        frame(0x8a, b""),
        frame(0x00, "\u{e9}".as_bytes()),
        frame(0x89, &[9; 125]),
        frame(0x80, b""),
        frame(0x82, b""),
        frame(0x81, b""),
        frame(0x02, b"x"),
        frame(0x80, b"y"),
    ];
    let found = at_every_cut(server, &bytes.concat());
    let expected = [
        Said::Ping(b"1".to_vec()),
        Said::Pong(Vec::new()),
        Said::Ping(vec![9; 125]),
        text("a\u{e9}"),
        Said::Binary(Vec::new()),
        text(""),
        Said::Binary(b"xy".to_vec()),
    ];
    assert_eq!(found, expected);
}

#[test]
fn characters_may_be_cut_anywhere_between_fragments() {
    let whole = "κόσμε \u{10ffff} \u{fffe} \u{1f40f}";
    let bytes = whole.as_bytes();
    for at in 0..=bytes.len() {
        let two = [frame(0x01, &bytes[..at]), frame(0x80, &bytes[at..])].concat();
        assert_eq!(at_every_cut(server, &two), [text(whole)], "{at}");
    }
    let mut ones: Vec<Vec<u8>> = bytes.iter().map(|byte| frame(0x00, &[*byte])).collect();
    ones[0] = frame(0x01, &bytes[..1]);
    ones.push(frame(0x80, b""));
    assert_eq!(at_every_cut(server, &ones.concat()), [text(whole)]);
}

#[test]
fn a_close_says_why_and_nothing_follows_it() {
    for (payload, code, reason) in [
        (&b""[..], None, ""),
        (b"\x03\xe8", Some(1000), ""),
        (b"\x03\xe9gone \xc3\xa9", Some(1001), "gone \u{e9}"),
        (b"\x13\x87", Some(4999), ""),
    ] {
        let bytes = [frame(0x88, payload), frame(0x81, b"more"), vec![0xff; 20]].concat();
        let close = Said::Close(code, reason.to_owned());
        assert_eq!(at_every_cut(server, &bytes), [close]);
    }
    // In the middle of a message.
    let bytes = [frame(0x01, b"a"), frame(0x88, b""), frame(0x80, b"b")].concat();
    assert_eq!(at_every_cut(server, &bytes), [Said::Close(None, String::new())]);
}

#[test]
fn a_message_may_have_as_many_bytes_as_the_limit_and_is_not_kept_behind_it() {
    let exact = [frame(0x02, &[1; 400]), frame(0x80, &[2; 600])].concat();
    assert_eq!(said(server(), &[&exact]).len(), 1);
    let mut receiver = server();
    let (mut flate, mut input) = (Flate::default(), InBuf::new(4096));
    input.push(&exact);
    assert!(matches!(receiver.next(&mut input, &mut flate), Ok(Some(Event::Message(_)))));
    assert!(receiver.held_bytes() >= 1000);
    assert_eq!(receiver.next(&mut input, &mut flate), Ok(None));
    assert_eq!(receiver.held_bytes(), 0);
}

#[test]
fn memory_grows_with_bytes_that_came_not_with_a_length_that_was_said() {
    let mut receiver = Receiver::new(Role::Server, 16 << 20, None);
    let (mut flate, mut input) = (Flate::default(), InBuf::new(4096));
    let whole = frame(0x82, &vec![5; 16 << 20]);
    input.push(&whole[..1000]);
    assert_eq!(receiver.next(&mut input, &mut flate), Ok(None));
    assert!(receiver.held_bytes() < 4096, "{}", receiver.held_bytes());
}
