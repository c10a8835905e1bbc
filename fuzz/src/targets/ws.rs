//! WebSocket frames as they come, at a server and at a client, and the offers of an upgrade.

use super::cut::{each_piece, however_cut};
use bellwether::base::InBuf;
use bellwether::proto::http::{Event as Http, HttpLimits, RequestCodec};
use bellwether::proto::ws::{
    Agreement, Event, Flate, Form, Kind, Policy, Receiver, Role, Sender, Upgrade, WsError,
};

/// A short input can reach it, and what it inflates to stays small.
const MESSAGE_BYTES_MAX: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Message(Kind, Vec<u8>),
    Control(String),
    Fault(WsError),
}

fn keep(event: Event<'_>) -> Said {
    match event {
        Event::Message(message) => {
            assert!(message.bytes.len() <= MESSAGE_BYTES_MAX, "a message over the limit");
            let is_sound =
                message.kind == Kind::Binary || std::str::from_utf8(message.bytes).is_ok();
            assert!(is_sound, "a text that is no UTF-8");
            Said::Message(message.kind, message.bytes.to_vec())
        }
        control => Said::Control(format!("{control:?}")),
    }
}

fn read(pieces: &[&[u8]], role: Role, deflate: Option<&Agreement>) -> Vec<Said> {
    let mut receiver = Receiver::new(role, MESSAGE_BYTES_MAX, deflate);
    let (mut flate, mut all) = (Flate::default(), Vec::new());
    each_piece(pieces, 256, |input| {
        loop {
            match receiver.next(input, &mut flate) {
                Ok(None) => break true,
                Ok(Some(Event::Inflating(_))) => {}
                Ok(Some(event)) => all.push(keep(event)),
                Err(fault) => {
                    assert_eq!(receiver.next(input, &mut flate).err(), Some(fault));
                    all.push(Said::Fault(fault));
                    break false;
                }
            }
        }
    });
    all
}

/// What a server that remembers so much agrees to when a client offers this.
fn agreement(offer: &[u8], context_bytes: usize) -> Option<Agreement> {
    let head = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                Sec-WebSocket-Extensions: ";
    let mut input = InBuf::new(1 << 16);
    input.push(&[head.as_bytes(), offer, b"\r\n\r\n"].concat());
    let Ok(Some(Http::Head(head))) = RequestCodec::new(HttpLimits::default()).next(&mut input)
    else {
        return None;
    };
    let agreed = Upgrade::read(&head, Policy { context_bytes }).ok()?.deflate?;
    assert!((9..=15).contains(&agreed.server_bits) && (8..=15).contains(&agreed.client_bits));
    Some(agreed)
}

/// What a server sends of these messages is read as the same.
fn send_again(all: &[Said], deflate: Option<&Agreement>) {
    let (mut sender, mut flate, mut out) = (Sender::new(deflate), Flate::default(), Vec::new());
    let messages: Vec<&Said> =
        all.iter().filter(|said| matches!(said, Said::Message(..))).collect();
    for said in &messages {
        if let Said::Message(kind, bytes) = said {
            sender.put(&mut out, (*kind, bytes), true, &mut flate);
        }
    }
    let again = read(&[&out], Role::Client, deflate);
    assert_eq!(again.iter().collect::<Vec<_>>(), messages, "written again");
    if let (Some(Said::Message(kind, bytes)), Some(form)) = (messages.first(), sender.form()) {
        out.clear();
        form.put(&mut out, *kind, bytes, &mut flate);
        assert!(form != Form::Plain || out.ends_with(bytes));
    }
}

/// A connection's bytes; the offer of the upgrade before it, too.
pub(crate) fn frames(bytes: &[u8]) {
    agreement(bytes, 0);
    agreement(bytes, 1024);
    let contexts = agreement(b"permessage-deflate", 32_768);
    for role in [Role::Server, Role::Client] {
        for deflate in [None, contexts.as_ref()] {
            let all = however_cut(bytes, |pieces| read(pieces, role, deflate));
            send_again(&all, deflate);
        }
    }
}
