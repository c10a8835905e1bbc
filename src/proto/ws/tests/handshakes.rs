//! The opening handshake.

use super::super::Policy;
use super::*;
use crate::proto::http::{Event as Http, HttpLimits, RequestCodec, ResponseCodec};

/// What a server makes of a request with these lines.
fn asked(lines: &str, policy: Policy) -> Result<Upgrade, UpgradeError> {
    let mut input = InBuf::new(1 << 16);
    input.push(lines.as_bytes());
    let mut codec = RequestCodec::new(HttpLimits::default());
    match codec.next(&mut input) {
        Ok(Some(Http::Head(head))) => Upgrade::read(&head, policy),
        other => panic!("{other:?}"),
    }
}

fn request(fields: &str) -> String {
    format!("GET /chat HTTP/1.1\r\nHost: server.example.com\r\n{fields}\r\n")
}

const SOUND: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                     Sec-WebSocket-Version: 13\r\n";

/// What is agreed with a client that offers this.
pub(super) fn agreed(offer: &str, context_bytes: usize) -> Option<Agreement> {
    let fields = format!("{SOUND}Sec-WebSocket-Extensions: {offer}\r\n");
    asked(&request(&fields), Policy { context_bytes }).expect("an upgrade").deflate
}

#[test]
fn the_example_of_rfc_6455_is_answered() {
    let upgrade = asked(&request(SOUND), Policy::default()).expect("an upgrade");
    assert_eq!(upgrade.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(upgrade.deflate, None);
    let other = SOUND.replace("Upgrade: websocket", "UPGRADE: h2c, WebSocket");
    let other = other.replace("Connection: Upgrade", "connection: keep-alive, upgrade");
    assert!(asked(&request(&other), Policy::default()).is_ok());
}

#[test]
fn what_is_no_upgrade_is_refused_with_its_status() {
    let without = |line: &str| request(&SOUND.replace(line, ""));
    let with = |line: &str| request(&format!("{SOUND}{line}\r\n"));
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (lines, error, status) in [
        (request(""), UpgradeError::Absent, 426),
        (without("Upgrade: websocket\r\n"), UpgradeError::Absent, 426),
        (without("Connection: Upgrade\r\n"), UpgradeError::Absent, 426),
        (request(SOUND).replace("GET", "POST"), UpgradeError::Absent, 426),
        (request(SOUND).replace("HTTP/1.1", "HTTP/1.0"), UpgradeError::Absent, 426),
        (without("Sec-WebSocket-Version: 13\r\n"), UpgradeError::Version, 426),
        (request(&SOUND.replace("13", "8")), UpgradeError::Version, 426),
        (with("Sec-WebSocket-Version: 8"), UpgradeError::Version, 426),
        (without(key), UpgradeError::Key, 400),
        (with(key.trim_end()), UpgradeError::Key, 400),
        (request(&SOUND.replace("dGhl", "")), UpgradeError::Key, 400),
        (request(&SOUND.replace("dGhl", "d!hl")), UpgradeError::Key, 400),
        (with("Content-Length: 1"), UpgradeError::Body, 400),
        (with("Sec-WebSocket-Extensions: permessage-deflate;"), UpgradeError::Extensions, 400),
    ] {
        let found = asked(&lines, Policy::default());
        assert_eq!(found, Err(error), "{lines}");
        assert_eq!(error.status().code(), status);
    }
}

#[test]
fn a_client_knows_the_answer_to_its_key() {
    let key = Key(*b"the sample nonce");
    assert!(SOUND.contains(&key.text()));
    let upgrade = asked(&request(SOUND), Policy::default());
    let accept = upgrade.expect("an upgrade").accept;
    let sound = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    for (answer, is_it) in [
        (sound.clone(), true),
        (sound.replace("101 Switching Protocols", "200 OK"), false),
        (sound.replace("s3pP", "s3pQ"), false),
        (sound.replace("Upgrade: websocket\r\n", ""), false),
        (sound.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n"), false),
    ] {
        let mut input = InBuf::new(4096);
        input.push(answer.as_bytes());
        let mut codec = ResponseCodec::new(HttpLimits::default());
        let Ok(Some(Http::Head(head))) = codec.next(&mut input) else { panic!("{answer}") };
        assert_eq!(is_upgraded(&head, key), is_it, "{answer}");
    }
}
