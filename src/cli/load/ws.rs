//! `ws:`: messages over a WebSocket (RFC 6455) to a server that sends each one back.

use super::wire::{Answer, Ask, Wire};
use crate::base::InBuf;
use crate::proto::http::{Event as Http, HttpLimits, ResponseCodec};
use crate::proto::ws::{Event, Flate, Key, Kind, Receiver, Role, is_upgraded, put_masked};
use crate::reactor::Fault;
use std::sync::Arc;

/// The largest message there is here.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// What each connection begins with, and what it then sends each time.
#[derive(Clone, Debug)]
pub(super) struct WsTemplate {
    greeting: Vec<u8>,
    key: Key,
    frame: Vec<u8>,
    message_bytes: usize,
}

impl WsTemplate {
    /// A text message behind a request whose head, without its last fields, is this. `random` is
    /// for the request's key and for the mask: one a run, since all connections are ours.
    pub(super) fn new(head: &str, message: &str, random: [u8; 20]) -> Self {
        let (mut key, mut mask) = ([0; 16], [0; 4]);
        key.copy_from_slice(&random[..16]);
        mask.copy_from_slice(&random[16..]);
        let key = Key(key);
        let mut greeting = head.as_bytes().to_vec();
        greeting.extend_from_slice(format!("Sec-WebSocket-Key: {}\r\n\r\n", key.text()).as_bytes());
        let mut frame = Vec::new();
        put_masked(&mut frame, Kind::Text, message.as_bytes(), mask);
        Self { greeting, key, frame, message_bytes: message.len() }
    }
}

/// One connection.
pub(super) struct Echo {
    template: Arc<WsTemplate>,
    http: ResponseCodec,
    receiver: Receiver,
    flate: Flate,
}

impl Echo {
    pub(super) fn new(template: &Arc<WsTemplate>) -> Self {
        Self {
            template: Arc::clone(template),
            http: ResponseCodec::new(HttpLimits::default()),
            receiver: Receiver::new(Role::Client, MESSAGE_BYTES_MAX, None),
            flate: Flate::default(),
        }
    }
}

impl Wire for Echo {
    fn greet(&self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&self.template.greeting);
        true
    }

    fn is_greeted(&mut self, input: &mut InBuf) -> Result<bool, Fault> {
        match self.http.next(input)? {
            None => Ok(false),
            Some(Http::Head(head)) if is_upgraded(&head, self.template.key) => Ok(true),
            Some(Http::Head(head)) => {
                Err(format!("the server does not upgrade: {}", head.status).into())
            }
            Some(_) => Err("the server does not upgrade".into()),
        }
    }

    #[inline]
    fn put(&mut self, out: &mut Vec<u8>, _: Ask) {
        out.extend_from_slice(&self.template.frame);
    }

    #[inline]
    fn next(&mut self, input: &mut InBuf) -> Result<Option<Answer>, Fault> {
        while let Some(event) = self.receiver.next(input, &mut self.flate)? {
            match event {
                Event::Message(message) => {
                    let good = message.bytes.len() == self.template.message_bytes;
                    return Ok(Some(Answer { good, status: 0, last: false }));
                }
                // Who sends messages all the time is heard without an answer to a ping.
                Event::Ping(_) | Event::Pong(_) | Event::Inflating(_) => {}
                Event::Close(_) => return Err("the server closes".into()),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_greeted_then_each_message_that_comes_back_is_an_answer() {
        let head = "GET /v1/ws/echo HTTP/1.1\r\nHost: h\r\n";
        let template = WsTemplate::new(head, "hello", [7; 20]);
        let mut echo = Echo::new(&Arc::new(template.clone()));
        let mut out = Vec::new();
        assert!(echo.greet(&mut out));
        let said = String::from_utf8(out).expect("ASCII");
        assert!(said.starts_with(head) && said.ends_with("==\r\n\r\n"), "{said}");
        let answer = format!(
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            template.key.accept()
        );
        let mut input = InBuf::new(4096);
        input.push(&answer.as_bytes()[..20]);
        assert!(!echo.is_greeted(&mut input).unwrap());
        input.push(&answer.as_bytes()[20..]);
        input.push(b"\x89\x00\x81\x05hello\x81\x01h\x88\x00");
        assert!(echo.is_greeted(&mut input).unwrap());
        let goods = [echo.next(&mut input), echo.next(&mut input)]
            .map(|answer| answer.unwrap().map(|answer| answer.good));
        assert_eq!(goods, [Some(true), Some(false)]);
        assert!(echo.next(&mut input).is_err());
        let mut other = Echo::new(&Arc::new(template));
        input.take_all();
        input.push(b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n");
        assert!(other.is_greeted(&mut input).is_err());
    }
}
