//! What breaks a rule: the code that the RFC wants, at the byte that shows it.

use super::super::WsErrorKind as K;
use super::*;

fn fault(kind: K, offset: u64) -> Said {
    Said::Fault(WsError { kind, offset })
}

/// Behind a sound ping of eight bytes.
#[track_caller]
fn expect(bytes: &[u8], kind: K, place: u64, code: u16) {
    let all = [&frame(0x89, b"ok")[..], bytes].concat();
    let found = at_every_cut(server, &all);
    assert_eq!(found, [Said::Ping(b"ok".to_vec()), fault(kind, 8 + place)], "{bytes:x?}");
    assert_eq!(kind.code().number(), code);
}

#[test]
fn broken_frames_are_1002() {
    for first in [0xc1, 0xa1, 0x91, 0xf1, 0xc9, 0xa8, 0x99, 0xc2] {
        expect(&frame(first, b"x"), K::ReservedBit, 0, 1002);
    }
    for first in [0x83, 0x84, 0x85, 0x86, 0x87, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x03, 0x0b] {
        expect(&frame(first, b"x"), K::Opcode, 0, 1002);
    }
    expect(&frame(0x80, b"x"), K::NoMessage, 0, 1002);
    expect(&frame(0x00, b"x"), K::NoMessage, 0, 1002);
    expect(&frame(0x09, b"x"), K::ControlFragmented, 0, 1002);
    expect(&frame(0x08, b""), K::ControlFragmented, 0, 1002);
    expect(&frame(0x89, &[0; 126]), K::ControlTooLong, 1, 1002);
    expect(&frame(0x88, &[3; 126]), K::ControlTooLong, 1, 1002);
    expect(&[0x81, 0x05, b'H', b'e', b'l', b'l', b'o'], K::NotMasked, 1, 1002);
    expect(&[0x81, 0xfe, 0, 5], K::Length, 2, 1002);
    expect(&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 200], K::Length, 2, 1002);
    expect(&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], K::Length, 2, 1002);
    let second = [frame(0x01, b"a"), frame(0x01, b"b")].concat();
    expect(&second, K::MessageUnfinished, 7, 1002);
    let whole = [frame(0x01, b"a"), frame(0x82, b"b")].concat();
    expect(&whole, K::MessageUnfinished, 7, 1002);
    let over = [frame(0x81, b""), frame(0x80, b"b")].concat();
    let found = at_every_cut(server, &over);
    assert_eq!(found, [text(""), fault(K::NoMessage, 6)]);
}

#[test]
fn bad_closes_are_1002_and_a_reason_without_utf_8_is_1007() {
    expect(&frame(0x88, b"\x03"), K::CloseLength, 0, 1002);
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        expect(&frame(0x88, &code.to_be_bytes()), K::CloseCode, 0, 1002);
    }
    expect(&frame(0x88, b"\x03\xe8\xce\xba\xed\xa0\x80"), K::Utf8, 0, 1007);
}

#[test]
fn texts_that_are_not_utf_8_are_1007() {
    let bad: [&[u8]; 18] = [
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\x80",
        b"\xbf",
        b"\xc0\xaf",
        b"\xc1\xbf",
        b"\xe0\x80\xaf",
        b"\xe0\x9f\xbf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf0\x80\x80\xaf",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xff",
        b"\xc3",
        b"\xe2\x82",
        b"\xf0\x9f\x90",
        b"\xc3(",
    ];
    for text in bad {
        expect(&frame(0x81, text), K::Utf8, 0, 1007);
        let parts = [frame(0x01, text), frame(0x80, b"")].concat();
        let is_cut = std::str::from_utf8(text).is_err_and(|error| error.error_len().is_none());
        expect(&parts, K::Utf8, if is_cut { 6 + text.len() as u64 } else { 0 }, 1007);
        let found = said(server(), &[&frame(0x82, text)]);
        assert_eq!(found, [Said::Binary(text.to_vec())], "no text");
    }
}

#[test]
fn bad_utf_8_is_told_before_its_frame_is_whole() {
    // Of a frame of 100 bytes these came.
    for text in [&b"\xf4\x90"[..], b"ok \xed\xa0", b"\xc0", b"a\xff", b"\xf8"] {
        let mut bytes = vec![0x81, 0x80 + 100];
        bytes.extend(KEY);
        bytes.extend(text.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
        expect(&bytes, K::Utf8, 0, 1007);
    }
    // And of one that goes on in the next frame, the first byte of that.
    let bytes = [frame(0x01, b"\xce\xba\xf4"), vec![0x00, 0x85], KEY.to_vec(), vec![0x90 ^ KEY[0]]];
    expect(&bytes.concat(), K::Utf8, 9, 1007);
}

#[test]
fn what_is_too_large_is_1009_before_it_comes() {
    let mut head = vec![0x82, 0xfe];
    head.extend(1001_u16.to_be_bytes());
    head.extend(KEY);
    expect(&head, K::MessageTooLarge, 1, 1009);
    let parts = [frame(0x02, &[1; 900]), vec![0x80, 0x80 + 101], KEY.to_vec()].concat();
    expect(&parts, K::MessageTooLarge, 909, 1009);
    // A place in the head, not in what it says of the payload.
    let mut huge = vec![0x82, 0xff];
    huge.extend((u64::MAX >> 1).to_be_bytes());
    huge.extend(KEY);
    expect(&huge, K::MessageTooLarge, 1, 1009);
}

fn deflating() -> Receiver {
    let fields = "permessage-deflate";
    let agreed = handshakes::agreed(fields, 0).expect("an agreement");
    Receiver::new(Role::Server, 1000, Some(&agreed))
}

#[test]
fn deflated_messages_are_held_to_the_same() {
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    assert_eq!(at_every_cut(deflating, &frame(0xc1, hello)), [text("Hello")]);
    let parts = [frame(0x41, &hello[..3]), frame(0x89, b""), frame(0x80, &hello[3..])].concat();
    assert_eq!(at_every_cut(deflating, &parts), [Said::Ping(Vec::new()), text("Hello")]);
    for (bytes, kind) in [
        // Only the first frame of a message says it.
        ([frame(0x41, &hello[..3]), frame(0xc0, &hello[3..])].concat(), K::ReservedBit),
        (frame(0xc9, b""), K::ReservedBit),
        (frame(0xe1, hello), K::ReservedBit),
        (frame(0xc1, b"\xff\xff\xff"), K::Deflated),
        (frame(0xc1, &hello[..4]), K::Deflated),
        (frame(0xc1, b""), K::Deflated),
    ] {
        let found = at_every_cut(deflating, &bytes);
        assert!(
            matches!(found[..], [Said::Fault(fault)] if fault.kind == kind),
            "{kind:?}: {found:?}"
        );
    }
    // Messages may come as they are, too.
    assert_eq!(at_every_cut(deflating, &frame(0x81, b"plain")), [text("plain")]);
}

#[test]
fn a_deflated_text_is_utf_8_and_no_larger_than_the_limit() {
    let mut flate = Flate::default();
    for (bytes, kind) in
        [(b"\xce\xba\xff".repeat(90), K::Utf8), (vec![b'a'; 1001], K::MessageTooLarge)]
    {
        let mut out = Vec::new();
        Form::Deflated(15).put(&mut out, Kind::Text, &bytes, &mut flate);
        assert_eq!(out[0], 0xc1);
        let head = if out[1] < 126 { 2 } else { 4 };
        let found = at_every_cut(deflating, &frame(0xc1, &out[head..]));
        assert_eq!(found, [fault(kind, 0)]);
    }
}

/// A fault of the deflating behind bad UTF-8 was told in its place when both came together.
#[test]
fn of_two_faults_the_same_is_told_at_any_cut() {
    // An inflated byte that begins no character, then a distance that leads nowhere.
    let bytes = [193, 0x80 | 6, 0, 0, 0, 0, 154, 16, 16, 16, 0, 1];
    let found = at_every_cut(deflating, &bytes);
    assert_eq!(found, [fault(K::Deflated, 0)]);
}

/// A few bytes that inflate to very many were kept inflated while the rest was waited for.
#[test]
fn of_a_deflated_message_no_more_is_kept_than_came() {
    let (whole, mut deflated) = (vec![7; 200_000], Vec::new());
    Form::Deflated(15).put(&mut deflated, Kind::Binary, &whole, &mut Flate::default());
    let agreed = handshakes::agreed("permessage-deflate", 0);
    let mut receiver = Receiver::new(Role::Server, 1 << 20, agreed.as_ref());
    let (mut flate, mut input) = (Flate::default(), InBuf::new(4096));
    let (most, last) = deflated[4..].split_at(deflated.len() - 5);
    input.push(&[frame(0x42, most), frame(0x00, b"")].concat());
    assert_eq!(receiver.next(&mut input, &mut flate), Ok(None));
    assert_eq!(receiver.came_bytes(), Some(most.len()));
    assert!(receiver.held_bytes() < 2 * most.len() + 64, "{}", receiver.held_bytes());
    input.push(&frame(0x80, last));
    let Ok(Some(Event::Message(message))) = receiver.next(&mut input, &mut flate) else { panic!() };
    assert_eq!(message.bytes, whole);
}

#[test]
fn a_deflated_message_is_a_quarter_longer_than_the_limit_at_most() {
    // Empty blocks, which inflate to nothing; the tail of the last one is not sent.
    let blocks = [0, 0, 0, 0xff, 0xff].repeat(263);
    let parts = [frame(0x41, &blocks[..1000]), frame(0x80, &blocks[1000..1311])].concat();
    assert_eq!(said(deflating(), &[&parts]), [text("")]);
    let parts = [frame(0x41, &blocks[..1000]), frame(0x00, &blocks[1000..])].concat();
    assert_eq!(said(deflating(), &[&parts]), [fault(K::MessageTooLarge, 1009)]);
}
