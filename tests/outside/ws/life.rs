//! Sockets across deaths, stops and revocations, and who gets one at all.

use super::peer::{Got, Peer, frame, text};
use crate::harness::{Herd, Node, Setup, await_that};
use serde_json::{Value, json};

#[test]
fn a_subscription_goes_on_at_another_node_where_the_first_one_died() {
    let mut herd = Herd::mesh(2);
    let mut peer = Peer::open(herd[0].http_port(), "/v1/ws", "");
    peer.say(&json!({"op": "subscribe", "sub": "s", "after": "0"}));
    let mut written: Vec<String> = Vec::new();
    for n in 0..5 {
        let publish = json!({"op": "publish", "ref": n, "title": format!("t{n}"), "body": "x",
                             "durability": 1});
        peer.say(&publish);
    }
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    while seen.len() < 3 || written.len() < 5 {
        let said = peer.json();
        match said["event"].as_str() {
            Some("ack") => written.push(said["id"].as_str().expect("an id").to_owned()),
            Some("update") if seen.len() < 3 => {
                seen.push(said["update"]["id"].as_str().expect("an id").to_owned());
                cursor = said["cursor"].clone();
            }
            Some("update") => {}
            _ => panic!("{said}"),
        }
    }
    herd[0].kill9();
    let mut peer = Peer::open(herd[1].http_port(), "/v1/ws", "");
    peer.say(&json!({"op": "subscribe", "sub": "s", "after": cursor}));
    for _ in 0..2 {
        let said = peer.json();
        seen.push(said["update"]["id"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned());
    }
    seen.sort_unstable();
    written.sort_unstable();
    assert_eq!(seen, written);
}

#[test]
fn a_node_that_stops_says_1001() {
    let mut node = Node::alone(Setup::new("Hill"));
    let port = node.http_port();
    let mut idle = Peer::open(port, "/v1/ws/echo", "");
    let mut reader = Peer::open(port, "/v1/ws", "");
    reader.say(&json!({"op": "subscribe", "sub": 1, "ref": 1}));
    assert_eq!(reader.json()["event"], "ack");
    assert_eq!(idle.send(text("there?")).next(), Got::Text(b"there?".to_vec()));
    node.stop();
    assert_eq!(idle.next(), Got::Close(Some(1001)));
    assert_eq!(reader.next(), Got::Close(Some(1001)));
}

#[test]
fn a_socket_may_write_for_as_long_as_its_token_is_good() {
    let node = Node::alone(Setup::new("Hill").more("[accounts]\nopen = false\n"));
    let secret = node.token("ann", "write");
    let bearing = format!("Authorization: Bearer {secret}\r\n");
    let mut peer = Peer::open(node.http_port(), "/v1/ws", &bearing);
    let publish = json!({"op": "publish", "ref": "r", "topic": "t", "body": "x"});
    assert_eq!(peer.say(&publish).json()["event"], "ack");
    node.revoke_token("ann");
    await_that("the revocation", || {
        let said = peer.say(&publish).json();
        if said["problem"]["status"] == 401 { Ok(()) } else { Err(said.to_string()) }
    });
    let mut nobody = Peer::open(node.http_port(), "/v1/ws", "");
    assert_eq!(nobody.say(&publish).json()["problem"]["status"], 401);
    let bad = "Authorization: Bearer bw_nonsense\r\n";
    let (head, _) = Peer::ask(node.http_port(), "/v1/ws", bad);
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
}

#[test]
fn pages_of_other_sites_get_no_socket_and_odd_requests_an_answer_that_says_why() {
    let node = Node::alone(Setup::new("Hill"));
    let port = node.http_port();
    for (fields, status) in [
        ("Origin: http://evil.example\r\n", "403"),
        ("Origin: null\r\n", "403"),
        ("Sec-WebSocket-Version: 8\r\n", "426"),
        ("Sec-WebSocket-Key: AAAA\r\n", "400"),
    ] {
        let (head, _) = Peer::ask(port, "/v1/ws", fields);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{fields}: {head}");
    }
    Peer::open(port, "/v1/ws", &format!("Origin: http://127.0.0.1:{port}\r\n")).close();
    let plain = node.http.get("/v1/ws");
    assert_eq!((plain.status, plain.field("upgrade")), (426, "websocket"));
}

#[test]
fn memory_of_idle_sockets_is_small() {
    let node = Node::alone(Setup::new("Hill"));
    let open = |count: usize| -> Vec<Peer> {
        (0..count).map(|_| Peer::open(node.http_port(), "/v1/ws", "")).collect()
    };
    let mut warm = open(100);
    for peer in &mut warm {
        peer.say(&json!({"op": "subscribe", "sub": 1, "topic": "quiet", "ref": 1}));
        assert_eq!(peer.json()["event"], "ack");
    }
    let before = node.resident_bytes();
    let mut held = open(800);
    for peer in &mut held {
        peer.send(frame(0x89, b""));
        assert_eq!(peer.next(), Got::Pong(Vec::new()));
    }
    let each = node.resident_bytes().saturating_sub(before) / held.len();
    assert!(each <= 3 * 1024, "{each} bytes each");
}
