//! WebSocket over the loop: the switch, the echo, subscriptions and writes, and every bound.

use super::*;
use crate::accounts::Scopes;
use crate::proto::ws::{self, Close, Flate, Kind as Data, Message, Receiver, Role};
use serde_json::json;

const ASK: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn request(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n{ASK}{fields}\r\n")
}

/// A client's text in one frame.
fn text(said: impl AsRef<str>) -> Vec<u8> {
    let mut out = Vec::new();
    ws::put_masked(&mut out, Data::Text, said.as_ref().as_bytes(), *b"mask");
    out
}

fn binary(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ws::put_masked(&mut out, Data::Binary, bytes, *b"mask");
    out
}

/// A client's control frame, empty and with a mask of zeros.
fn control(opcode: u8) -> [u8; 6] {
    [0x80 | opcode, 0x80, 0, 0, 0, 0]
}

/// What a server said, kept.
#[derive(Clone, Debug, PartialEq)]
enum Heard {
    Text(String),
    Ping,
    Pong,
    Close(Option<u16>),
}

fn heard(bytes: &[u8]) -> Vec<Heard> {
    let mut receiver = Receiver::new(Role::Client, 64 << 20, None);
    let (mut flate, mut input) = (Flate::default(), InBuf::new(usize::MAX));
    input.push(bytes);
    let mut all = Vec::new();
    while let Some(event) = receiver.next(&mut input, &mut flate).expect("sound frames") {
        all.push(match event {
            ws::Event::Message(Message { bytes, .. }) => {
                Heard::Text(String::from_utf8(bytes.to_vec()).expect("UTF-8"))
            }
            ws::Event::Inflating(_) => panic!("nothing was deflated"),
            ws::Event::Ping(_) => Heard::Ping,
            ws::Event::Pong(_) => Heard::Pong,
            ws::Event::Close(Close { code, .. }) => Heard::Close(code.map(ws::CloseCode::number)),
        });
    }
    assert!(input.is_empty(), "half a frame");
    all
}

impl Bench {
    /// An upgraded connection.
    fn socket(&mut self, target: &str, fields: &str) -> usize {
        let no = self.connect();
        self.send(no, request(target, fields));
        self.run(100);
        let head = self.take(no);
        assert!(head.starts_with("HTTP/1.1 101 ") && head.ends_with("\r\n\r\n"), "{head}");
        no
    }

    /// All that was said since.
    fn hear(&mut self, no: usize) -> Vec<Heard> {
        heard(&std::mem::take(&mut self.node.state.clients[no].bytes))
    }

    /// The same, of texts in JSON alone.
    fn said(&mut self, no: usize) -> Vec<Value> {
        let json = |heard: Heard| match heard {
            Heard::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("{other:?}"),
        };
        self.hear(no).into_iter().map(json).collect()
    }

    fn tell(&mut self, no: usize, message: &Value) -> Vec<Value> {
        self.send(no, text(message.to_string()));
        self.run(100);
        self.said(no)
    }
}

#[test]
fn a_request_that_is_no_upgrade_is_told_what_is_missing() {
    let mut bench = Bench::new();
    let reply = bench.get("/v1/ws").is(426);
    assert_eq!(reply.field("upgrade"), Some("websocket"));
    assert_eq!(reply.field("connection"), Some("Upgrade"));
    let version = request("/v1/ws", "").replace("Version: 13", "Version: 12");
    let reply = bench.ask(version).is(426);
    assert_eq!(reply.field("sec-websocket-version"), Some("13"));
    bench.ask(request("/v1/ws/echo", "").replace("bXBs", "")).is(400);
    let post = "POST /v1/ws HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(bench.ask(post).is(405).field("allow"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn what_stands_behind_the_request_is_the_sockets_at_any_cut() {
    let whole = [
        request("/v1/ws/echo", "").as_bytes(),
        &text("one"),
        &control(9),
        &text("two"),
        &control(8),
    ]
    .concat();
    for cut in (0..whole.len()).step_by(3) {
        let mut bench = Bench::new();
        let no = bench.connect();
        bench.send(no, &whole[..cut]);
        bench.run(20);
        bench.send(no, &whole[cut..]);
        bench.run(100);
        let bytes = std::mem::take(&mut bench.node.state.clients[no].bytes);
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        let expected = [
            Heard::Text("one".to_owned()),
            Heard::Pong,
            Heard::Text("two".to_owned()),
            Heard::Close(None),
        ];
        assert_eq!(heard(&bytes[end..]), expected, "cut at {cut}");
        bench.run(10_000);
        assert!(bench.is_closed(no));
        assert_eq!(bench.node.state.tally.sockets, 0);
    }
}

#[test]
fn broken_rules_close_with_their_code() {
    let mut bench = Bench::new();
    bench.node.state.config.limits.ws_message_bytes = 2000;
    for (bytes, code) in [
        (vec![0x81, 0x01, b'a'], 1002),
        (vec![0xf1, 0x80], 1002),
        (control(3).to_vec(), 1002),
        ([&[0x81, 0x82, 0, 0, 0, 0][..], b"\xc3("].concat(), 1007),
        (binary(&[0; 2001]), 1009),
    ] {
        for target in ["/v1/ws", "/v1/ws/echo"] {
            let no = bench.socket(target, "");
            bench.send(no, [&control(9)[..], &bytes, &control(9)].concat());
            bench.run(100);
            assert_eq!(bench.hear(no), [Heard::Pong, Heard::Close(Some(code))], "{bytes:x?}");
            bench.run(10_000);
            assert!(bench.is_closed(no));
        }
    }
    let no = bench.socket("/v1/ws", "");
    bench.send(no, binary(b"{}"));
    bench.run(100);
    assert_eq!(bench.hear(no), [Heard::Close(Some(1003))]);
}

#[test]
fn one_socket_subscribes_publishes_resumes_and_ends() {
    let mut bench = Bench::new();
    let no = bench.socket("/v1/ws", "");
    assert_eq!(
        bench.tell(no, &json!({"op": "subscribe", "sub": "t", "topic": "t"})),
        [] as [Value; 0]
    );
    let done =
        bench.tell(no, &json!({"op": "subscribe", "sub": 2, "topic": "stories", "ref": "r"}));
    assert_eq!((&done[0]["event"], &done[0]["ref"]), (&json!("ack"), &json!("r")));
    assert!(done[0]["cursor"].is_string(), "{done:?}");
    assert_eq!(bench.node.state.tally.socket_subscriptions, 2);
    let post = json!({"op": "publish", "ref": 1, "topic": "t", "body": "B"});
    let said = bench.tell(no, &post);
    let ack = said.iter().find(|said| said["event"] == "ack").expect("an ack");
    let update = said.iter().find(|said| said["event"] == "update").expect("an update");
    assert_eq!((&ack["ref"], &ack["durability"]["met"]), (&json!(1), &json!("local")));
    assert_eq!((&update["sub"], &update["update"]["id"]), (&json!("t"), &ack["id"]));
    assert_eq!((&update["update"]["body"], &update["cursor"]), (&json!("B"), &ack["cursor"]));
    let story = json!({"op": "publish", "ref": "s", "title": "T", "headline": "H", "body": "B",
                       "durability": "none"});
    let said = bench.tell(no, &story);
    let update = said.iter().find(|said| said["event"] == "update").expect("an update");
    assert_eq!((&update["sub"], &update["update"]["headline"]), (&json!(2), &json!("H")));
    assert_eq!(bench.get("/v1/stories/T").json()["id"], update["update"]["id"]);
    // Ended, it is silent; and begins again where it was.
    assert_eq!(bench.tell(no, &json!({"op": "unsubscribe", "sub": "t"})), [] as [Value; 0]);
    let said = bench.tell(no, &post);
    assert_eq!(said.len(), 1, "{said:?}");
    let again = json!({"op": "subscribe", "sub": "t", "topic": "t", "after": ack["cursor"]});
    let said = bench.tell(no, &again);
    assert_eq!((said.len(), &said[0]["update"]["body"]), (1, &json!("B")), "{said:?}");
    let gone = json!({"op": "withdraw", "ref": 3, "title": "T", "reason": "why"});
    let said = bench.tell(no, &gone);
    assert!(said.iter().any(|said| said["event"] == "ack" && said["ref"] == 3), "{said:?}");
    bench.get("/v1/stories/T").is(410);
    bench.drop_client(no);
    assert_eq!(bench.node.state.tally.socket_subscriptions, 0);
    assert!(bench.node.state.attending.is_empty());
}

#[test]
fn what_cannot_be_done_is_told_and_the_socket_goes_on() {
    let mut bench = Bench::new();
    bench.node.state.config.limits.ws_subscriptions = 2;
    let no = bench.socket("/v1/ws", "");
    let sub = |name: &str| json!({"op": "subscribe", "sub": name});
    assert!(bench.tell(no, &sub("a")).is_empty() && bench.tell(no, &sub("b")).is_empty());
    bench.put_text("/v1/stories/a?durability=none", "x").is(201);
    bench.said(no);
    for (message, name, status) in [
        (sub("a"), "sub", 409),
        (sub("c"), "sub", 429),
        (json!({"op": "unsubscribe", "sub": "c"}), "sub", 404),
        (json!({"op": "subscribe", "sub": "d", "after": "x"}), "sub", 400),
        (json!({"op": "publish", "ref": "p", "topic": "stories", "body": ""}), "ref", 422),
        (json!({"op": "publish", "ref": "p", "title": "a", "body": "y"}), "ref", 428),
        (json!({"op": "publish", "ref": "p", "topic": "t"}), "ref", 422),
        (json!({"op": "withdraw", "ref": "p", "title": "nothing"}), "ref", 404),
    ] {
        let said = bench.tell(no, &message);
        let [error] = &said[..] else { panic!("{said:?}") };
        assert_eq!(
            (&error["event"], &error["problem"]["status"]),
            (&json!("error"), &json!(status))
        );
        assert_eq!(error[name], message[name], "{error}");
    }
    // A name that nobody knows is not said back whole, nor is a value that can't be read.
    let name = "é".repeat(10_000);
    for wrong in [
        json!({"op": "unsubscribe", "sub": "a", name.clone(): 0}),
        json!({"op": "subscribe", "sub": "d", "after": name}),
    ] {
        let said = bench.tell(no, &wrong);
        assert!(said.len() == 1 && said[0].to_string().len() < 1500, "{said:?}");
    }
    bench.send(no, text("no JSON"));
    bench.run(100);
    assert_eq!(bench.said(no)[0]["problem"]["status"], 400);
    let said = bench.tell(no, &json!({"op": "publish", "ref": 1, "topic": "t", "body": ""}));
    assert!(said.iter().any(|said| said["event"] == "ack"), "{said:?}");
}

#[test]
fn a_gap_is_told_with_its_subscription() {
    let mut bench = Bench::new();
    bench.node.state.config.limits.lag_updates = 5;
    let no = bench.socket("/v1/ws", "");
    let conn = bench.node.state.clients[no].conn.unwrap();
    bench.tell(no, &json!({"op": "subscribe", "sub": "s"}));
    bench.with(|cx, _| cx.transport_of(conn).pause());
    let body = "x".repeat(30_000);
    for _ in 0..60 {
        bench.put_text("/v1/stories/x?durability=none&conflict=overwrite", &body);
    }
    bench.with(|cx, _| cx.transport_of(conn).resume());
    bench.run(2000);
    let said = bench.said(no);
    let gaps: Vec<&Value> = said.iter().filter(|said| said["event"] == "gap").collect();
    let [gap] = gaps[..] else { panic!("{} gaps", gaps.len()) };
    assert_eq!(gap["sub"], "s");
    assert!(gap["from"].is_string() && gap["to"].is_string(), "{gap}");
    assert_eq!(said.len() as u64 - 1 + gap["count"].as_u64().expect("a count"), 60);
}

#[test]
fn readers_with_one_name_are_sent_the_same_bytes_and_deflated_ones_the_same_updates() {
    let mut bench = Bench::new();
    let deflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let all: Vec<usize> =
        ["", "", deflate, deflate].iter().map(|fields| bench.socket("/v1/ws", fields)).collect();
    for no in &all {
        bench.tell(*no, &json!({"op": "subscribe", "sub": "s"}));
    }
    bench.put_text("/v1/stories/a?durability=none", &"again and ".repeat(50)).is(201);
    bench.run(100);
    let bytes: Vec<Vec<u8>> =
        all.iter().map(|no| std::mem::take(&mut bench.node.state.clients[*no].bytes)).collect();
    assert_eq!((&bytes[0], &bytes[2]), (&bytes[1], &bytes[3]));
    assert_eq!((bytes[0][0], bytes[2][0]), (0x81, 0xc1));
    assert!(2 * bytes[2].len() < bytes[0].len(), "{} {}", bytes[2].len(), bytes[0].len());
}

#[test]
fn a_page_of_another_site_gets_no_socket() {
    let mut bench = Bench::new();
    bench.node.state.config.accounts_open = Some(true);
    for foreign in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Origin: http://a.evil\r\n",
    ] {
        bench.ask(request("/v1/ws", foreign)).is(403);
    }
    let own = bench.socket("/v1/ws", "Origin: http://a\r\n");
    let post = json!({"op": "publish", "ref": 1, "topic": "t", "body": ""});
    assert_eq!(bench.tell(own, &post)[0]["event"], "ack");
    // What is sent back is the sender's own.
    bench.socket("/v1/ws/echo", "Origin: http://evil.example\r\n");
    // Where nobody said that names other than this machine's lead here, a page under one reads.
    bench.node.state.config.accounts_open = None;
    let lured = bench.socket("/v1/ws", "Origin: http://a\r\n");
    assert_eq!(bench.tell(lured, &post)[0]["problem"]["status"], 401);
}

#[test]
fn roles_are_those_of_http_and_a_token_is_looked_at_anew_for_each_write() {
    let mut bench = Bench::new();
    bench.node.state.config.accounts_open = Some(false);
    let post = json!({"op": "publish", "ref": 1, "topic": "t", "body": ""});
    let status = |said: &[Value]| said[0]["problem"]["status"].as_u64();
    let nobody = bench.socket("/v1/ws", "");
    assert_eq!(status(&bench.tell(nobody, &post)), Some(401));
    assert!(bench.tell(nobody, &json!({"op": "subscribe", "sub": 1})).is_empty());
    bench.ask(request("/v1/ws", "Authorization: Bearer bw_nonsense\r\n")).is(401);
    let reader = bench.token("rob", "read", 1);
    let reader = bench.socket("/v1/ws", &reader);
    assert_eq!(status(&bench.tell(reader, &post)), Some(403));
    let token = bench.token("ann", "write", 2);
    let writer = bench.socket("/v1/ws", &token);
    assert_eq!(bench.tell(writer, &post)[0]["event"], "ack");
    let story = json!({"op": "publish", "ref": 1, "title": "a", "body": "x"});
    assert_eq!(bench.tell(writer, &story)[0]["event"], "ack");
    assert_eq!(bench.get("/v1/stories/a").json()["author"], "ann");
    let withdraw = json!({"op": "withdraw", "ref": 1, "title": "a"});
    assert_eq!(status(&bench.tell(writer, &withdraw)), Some(403));
    bench.revoke(2);
    assert_eq!(status(&bench.tell(writer, &post)), Some(401));
    bench.said(nobody);
}

#[test]
fn a_session_writes_from_its_own_site_until_it_ends() {
    let mut bench = Bench::new();
    bench.node.state.config.accounts_open = Some(false);
    bench.account("ann", "correct horse", Scopes::WRITER);
    let reply = bench.sign_in("ann", "correct+horse").is(303);
    let session = format!("Cookie: {}\r\n", accounts::cookie_of(&reply));
    bench.ask(request("/v1/ws", &format!("{session}Origin: http://evil.example\r\n"))).is(403);
    let no = bench.socket("/v1/ws", &format!("{session}Origin: http://a\r\n"));
    let story = |title: &str| json!({"op": "publish", "ref": 1, "title": title, "body": "x"});
    assert_eq!(bench.tell(no, &story("a"))[0]["event"], "ack");
    assert_eq!(bench.get("/v1/stories/a").json()["author"], "ann");
    bench.account("ann", "battery staple", Scopes::WRITER);
    assert_eq!(bench.tell(no, &story("b"))[0]["problem"]["status"], 401);
}

#[test]
fn as_many_writes_as_may_wait_for_the_disk_and_then_nothing_is_read() {
    let mut bench = Bench::new();
    bench.node.state.is_held = true;
    bench.node.state.config.limits.ws_writes = 2;
    let no = bench.socket("/v1/ws", "");
    for number in 0..5 {
        let post = json!({"op": "publish", "ref": number, "topic": "t", "body": ""});
        bench.send(no, text(post.to_string()));
    }
    bench.send(no, control(9));
    bench.run(1000);
    assert_eq!((bench.hear(no), bench.node.state.open.len()), (vec![], 2));
    bench.disk(Settled::Done);
    bench.run(100);
    assert_eq!((bench.said(no).len(), bench.node.state.open.len()), (2, 2));
    bench.disk(Settled::Refused);
    bench.run(100);
    let told = bench.hear(no);
    let is_refused = |heard: &Heard| matches!(heard, Heard::Text(text) if text.contains("503"));
    // With one that waits there is room for another, so what stands behind it is read.
    assert_eq!(told.iter().filter(|heard| is_refused(heard)).count(), 2, "{told:?}");
    assert_eq!((told.len(), &told[2]), (3, &Heard::Pong));
    bench.disk(Settled::Done);
    bench.run(100);
    assert_eq!(bench.said(no)[0]["ref"], 4);
}

#[test]
fn a_half_closed_socket_gets_its_acks_and_a_silent_disk_is_told() {
    let mut bench = Bench::new();
    bench.node.state.is_held = true;
    let post = text(json!({"op": "publish", "ref": 1, "topic": "t", "body": ""}).to_string());
    let half = bench.socket("/v1/ws", "");
    bench.send(half, &post);
    bench.half_close(half);
    bench.run(1000);
    assert!(!bench.is_closed(half));
    bench.disk(Settled::Done);
    bench.run(1000);
    assert_eq!(bench.said(half)[0]["event"], "ack");
    assert!(bench.is_closed(half));
    let late = bench.socket("/v1/ws", "");
    bench.send(late, &post);
    bench.run(25_000);
    bench.send(late, control(10));
    bench.run(25_000);
    let told = bench.hear(late);
    let is_told =
        |heard: &Heard| matches!(heard, Heard::Text(text) if text.contains("no answer in time"));
    assert!(told.iter().any(is_told), "{told:?}");
}

#[test]
fn a_silent_peer_is_pinged_and_then_closed_and_one_that_answers_is_not() {
    let mut bench = Bench::new();
    let (silent, alive) = (bench.socket("/v1/ws/echo", ""), bench.socket("/v1/ws", ""));
    for _ in 0..4 {
        bench.run(30_000);
        bench.send(alive, control(10));
    }
    let pings = |heard: &[Heard]| heard.iter().filter(|heard| **heard == Heard::Ping).count();
    let told = bench.hear(silent);
    assert!(pings(&told) >= 2, "{told:?}");
    assert_eq!(told.last(), Some(&Heard::Close(Some(1001))));
    assert!(bench.is_closed(silent));
    let told = bench.hear(alive);
    assert!(pings(&told) >= 2 && pings(&told) == told.len(), "{told:?}");
    assert!(!bench.is_closed(alive));
}

/// A socket at a node with 2 MB to be read, and what the client's end of it is called.
fn beside_much_to_read() -> (Bench, usize, ConnId) {
    let mut bench = Bench::new();
    let body = "x".repeat(100_000);
    for n in 0..20 {
        bench.put_text(&format!("/v1/stories/s{n}?durability=none"), &body).is(201);
    }
    let no = bench.socket("/v1/ws", "");
    let conn = bench.node.state.clients[no].conn.unwrap();
    (bench, no, conn)
}

#[test]
fn a_reader_that_takes_nothing_is_bounded_and_then_cut() {
    let (mut bench, no, conn) = beside_much_to_read();
    bench.send(no, text(json!({"op": "subscribe", "sub": "s", "after": "0"}).to_string()));
    bench.with(|cx, _| cx.transport_of(conn).pause());
    bench.run(30_000);
    let server = *bench.node.state.attending.first().unwrap();
    let waits = bench.with(|cx, _| cx.transport_of(server).buffered());
    assert!((1..300_000).contains(&waits), "{waits}");
    assert_eq!(bench.node.state.tally.sockets, 1);
    bench.run(50_000);
    assert_eq!((bench.node.state.tally.sockets, bench.node.state.tally.stalled), (0, 1));
}

#[test]
fn messages_under_way_have_a_bound_together_and_a_least_speed() {
    let mut bench = Bench::new();
    let whole = binary(&vec![7; 90_000]);
    let (one, other) = (bench.socket("/v1/ws/echo", ""), bench.socket("/v1/ws/echo", ""));
    bench.send(one, &whole[..60_000]);
    bench.run(100);
    let kept = bench.node.state.tally.body_bytes;
    assert!((59_000..130_000).contains(&kept), "{kept}");
    let most = std::mem::replace(&mut bench.node.state.config.limits.bodies_bytes, kept * 3 / 2);
    bench.send(other, &whole[..60_000]);
    bench.run(100);
    assert_eq!(bench.hear(other), [Heard::Close(Some(1013))]);
    bench.run(10_000);
    bench.node.state.config.limits.bodies_bytes = most;
    bench.send(one, &whole[60_000..]);
    bench.run(1000);
    assert_eq!(bench.node.state.clients[one].bytes.len(), 90_010);
    bench.node.state.clients[one].bytes.clear();
    assert_eq!(bench.node.state.tally.body_bytes, 0);
    // A message of which a byte comes now and then.
    bench.send(one, &whole[..14]);
    for byte in whole[14..].iter().take(10) {
        bench.run(10_000);
        if bench.is_closed(one) {
            break;
        }
        bench.send(one, [*byte]);
    }
    assert!(bench.hear(one).contains(&Heard::Close(Some(1008))));
}

/// What a few bytes inflated to was taken for what had come: a trickle was never slow, and held
/// memory for hours.
#[test]
fn a_trickle_that_inflates_to_very_much_is_slow_and_keeps_little() {
    let mut bench = Bench::new();
    let no = bench.socket("/v1/ws/echo", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let frame = deflated_frame(&vec![b' '; 4 << 20]);
    let (most, rest) = frame.split_at(frame.len() - 100);
    bench.send(no, most);
    for byte in rest {
        bench.run(5_000);
        let kept = bench.node.state.tally.body_bytes;
        assert!(kept < 2 * frame.len() as u64, "{kept} of {}", frame.len());
        if bench.is_closed(no) {
            break;
        }
        bench.send(no, [*byte]);
    }
    assert!(bench.hear(no).contains(&Heard::Close(Some(1008))));
    // So is one that has only begun, however lively its peer.
    let no = bench.socket("/v1/ws/echo", "");
    bench.send(no, [0x02, 0x80, 0, 0, 0, 0]);
    for _ in 0..10 {
        bench.run(5_000);
        bench.send(no, control(10));
    }
    assert!(bench.hear(no).contains(&Heard::Close(Some(1008))));
}

/// A message was taken for a slow one while a full out-buffer kept the node from reading it.
#[test]
fn a_message_that_is_not_read_is_not_slow() {
    let (mut bench, no, conn) = beside_much_to_read();
    let subscribe = text(json!({"op": "subscribe", "sub": "s", "after": "0"}).to_string());
    let end = text(json!({"op": "unsubscribe", "sub": "s", "ref": 1}).to_string());
    let (begun, rest) = end.split_at(20);
    bench.send(no, [&subscribe, begun].concat());
    bench.with(|cx, _| cx.transport_of(conn).pause());
    bench.run(30_000);
    bench.with(|cx, _| cx.transport_of(conn).resume());
    bench.run(1000);
    bench.send(no, rest);
    bench.run(1000);
    let told = bench.hear(no);
    let Some(Heard::Text(ack)) = told.last() else { panic!("{:?}", told.last()) };
    assert!(ack.contains("\"ack\""), "{ack}");
}

/// A text that came deflated, in one frame with a mask of zeros.
fn deflated_frame(message: &[u8]) -> Vec<u8> {
    let mut deflater = flate2::Compress::new(flate2::Compression::new(6), false);
    let mut deflated = Vec::with_capacity(10_000);
    let flush = flate2::FlushCompress::Sync;
    deflater.compress_vec(message, &mut deflated, flush).unwrap();
    deflated.truncate(deflated.len() - 4);
    let mut frame = vec![0xc1, 0xfe];
    frame.extend((deflated.len() as u16).to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(&deflated);
    frame
}

#[test]
fn many_large_messages_in_few_bytes_are_all_answered_while_others_have_their_turns() {
    let mut bench = Bench::new();
    let deflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let (no, other) = (bench.socket("/v1/ws", deflate), bench.socket("/v1/ws/echo", ""));
    let message = format!("{{\"op\": \"nothing\", \"ref\": 1{}}}", " ".repeat(900_000));
    bench.send(no, deflated_frame(message.as_bytes()).repeat(10));
    bench.send(other, control(9));
    bench.run(1000);
    assert_eq!(bench.hear(other), [Heard::Pong]);
    let said = bench.said(no);
    assert_eq!(said.len(), 10);
    assert!(said.iter().all(|said| said["problem"]["status"] == 422), "{said:?}");
}

/// Nothing came behind it that would have given it another turn.
#[test]
fn a_long_message_is_inflated_in_turns_and_answered_though_nothing_follows_it() {
    let mut bench = Bench::new();
    let no = bench.socket("/v1/ws", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let message = format!("{{\"op\": \"nothing\", \"ref\": 1{}}}", " ".repeat(9_000_000));
    let frame = deflated_frame(message.as_bytes());
    bench.send(no, &frame);
    bench.run(1000);
    assert_eq!(bench.said(no)[0]["problem"]["status"], 422);
    assert_eq!(bench.node.state.tally.body_bytes, 0);
    bench.send(no, [&frame, &text("{}")[..], &frame].concat());
    bench.half_close(no);
    bench.run(1000);
    let told = bench.said(no);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(bench.is_closed(no));
}

#[test]
fn a_node_that_stops_says_so_when_the_writes_are_safe() {
    let mut bench = Bench::new();
    bench.node.state.is_held = true;
    let idle = bench.socket("/v1/ws/echo", "");
    let writer = bench.socket("/v1/ws", "");
    bench.send(
        writer,
        text(json!({"op": "publish", "ref": 1, "topic": "t", "body": ""}).to_string()),
    );
    bench.run(100);
    bench.with(|cx, desk| {
        cx.hold();
        cx.stop();
        desk.sockets.notify(cx);
    });
    bench.run(100);
    assert_eq!(bench.hear(idle), [Heard::Close(Some(1001))]);
    assert_eq!(bench.hear(writer), []);
    bench.disk(Settled::Done);
    bench.run(100);
    let told = bench.hear(writer);
    let [Heard::Text(ack), Heard::Close(Some(1001))] = &told[..] else { panic!("{told:?}") };
    assert!(ack.contains("\"ack\""), "{ack}");
}

/// It was dropped like one that had not come whole.
#[test]
fn a_node_that_stops_answers_what_it_is_inflating() {
    fn stop_amid(cx: &mut Ctx<'_, TestDesk>, desk: &mut TestDesk) {
        if desk.tally.body_bytes > 0 {
            cx.hold();
            cx.stop();
            desk.sockets.notify(cx);
        }
    }
    fn watch(cx: &mut Ctx<'_, TestDesk>, _: &mut TestDesk) {
        // In the turn behind that in which the message comes.
        cx.call_later(0, stop_amid);
        cx.call_later(1, watch);
    }
    let mut bench = Bench::new();
    let no = bench.socket("/v1/ws", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    bench.with(watch);
    let message = format!("{{\"op\": \"nothing\", \"ref\": 1{}}}", " ".repeat(9_000_000));
    bench.send(no, deflated_frame(message.as_bytes()));
    bench.run(1000);
    let told = bench.hear(no);
    let [Heard::Text(problem), Heard::Close(Some(1001))] = &told[..] else { panic!("{told:?}") };
    assert!(problem.contains("422"), "{problem}");
}

#[test]
fn contexts_are_taken_over_where_the_operator_gives_memory_for_them() {
    let mut bench = Bench::new();
    bench.node.state.config.limits.ws_context_bytes = 32_768;
    let no = bench.connect();
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    bench.send(no, request("/v1/ws/echo", offer));
    bench.run(100);
    let head = bench.take(no);
    assert!(head.contains("Sec-WebSocket-Extensions: permessage-deflate\r\n"), "{head}");
    // "Hello" twice, as in RFC 7692, 7.2.3.2: the second refers to the first.
    let first = [&[0xc1, 0x87, 0, 0, 0, 0][..], b"\xf2\x48\xcd\xc9\xc9\x07\x00"].concat();
    let second = [&[0xc1, 0x85, 0, 0, 0, 0][..], b"\xf2\x00\x11\x00\x00"].concat();
    bench.send(no, [first, second].concat());
    bench.run(100);
    let bytes = std::mem::take(&mut bench.node.state.clients[no].bytes);
    let same = "permessage-deflate; client_max_window_bits";
    let agreed = agreed(same, 32_768);
    let mut receiver = Receiver::new(Role::Client, 1000, Some(&agreed));
    let (mut flate, mut input) = (Flate::default(), InBuf::new(1000));
    input.push(&bytes);
    for _ in 0..2 {
        let event = receiver.next(&mut input, &mut flate).expect("sound frames");
        let Some(ws::Event::Message(Message { bytes, .. })) = event else { panic!("{event:?}") };
        assert_eq!(bytes, b"Hello");
    }
}

fn agreed(offer: &str, context_bytes: usize) -> ws::Agreement {
    let mut input = InBuf::new(4096);
    let fields = format!("Sec-WebSocket-Extensions: {offer}\r\n");
    input.push(request("/", &fields).as_bytes());
    let mut codec = crate::proto::http::RequestCodec::default();
    let Ok(Some(crate::proto::http::Event::Head(head))) = codec.next(&mut input) else { panic!() };
    let upgrade = ws::Upgrade::read(&head, ws::Policy { context_bytes }).expect("an upgrade");
    upgrade.deflate.expect("an agreement")
}
