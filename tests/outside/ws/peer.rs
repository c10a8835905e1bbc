//! A WebSocket client by hand: what is checked here must not be read or written by our own codec.

use crate::harness::connect;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame, masked as a client's must be. `first` is its first byte.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
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

pub(super) fn text(said: &str) -> Vec<u8> {
    frame(0x81, said.as_bytes())
}

/// A message in frames of so many bytes each.
pub(super) fn in_fragments(first: u8, payload: &[u8], size: usize) -> Vec<u8> {
    let pieces: Vec<&[u8]> = payload.chunks(size).collect();
    let mut out = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let opcode = if at == 0 { first & 0x7f } else { 0 };
        let last = if at + 1 == pieces.len() { 0x80 } else { 0 };
        out.extend(frame(last | opcode, piece));
    }
    out
}

/// What a server's frame is, and its payload; `End` is the end of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Got {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    /// A text or binary message that came deflated, still so.
    Deflated(Vec<u8>),
    Ping,
    Pong(Vec<u8>),
    Close(Option<u16>),
    End,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(super) socket: TcpStream,
    held: Vec<u8>,
    at: usize,
}

impl Peer {
    /// Connects and asks; the answer's head, and what follows.
    pub(super) fn ask(port: u16, target: &str, fields: &str) -> (String, Self) {
        let mut peer = Self { socket: connect(port), held: Vec::new(), at: 0 };
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n\
             Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        );
        peer.send(request);
        let end = loop {
            if let Some(at) = peer.held.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(peer.read(), "an answer");
        };
        let head = String::from_utf8(peer.held[..end].to_vec()).expect("a head in UTF-8");
        peer.at = end;
        (head, peer)
    }

    /// An upgraded connection.
    pub(crate) fn open(port: u16, target: &str, fields: &str) -> Self {
        let (head, peer) = Self::ask(port, target, fields);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
        assert!(head.contains(accept), "{head}");
        peer
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.socket.write_all(bytes.as_ref()).expect("the node takes the bytes");
        self
    }

    /// As much as the node takes before it closes.
    pub(super) fn send_some(&mut self, bytes: &[u8]) {
        // It may close at any byte: what it then says is what counts.
        drop(self.socket.write_all(bytes));
    }

    fn read(&mut self) -> bool {
        let mut bytes = [0; 16_384];
        let count = match self.socket.read(&mut bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("nothing came in time: {error}"),
        };
        self.held.extend_from_slice(&bytes[..count]);
        count > 0
    }

    /// So many bytes, from here on; false when the connection ends before.
    fn needs(&mut self, bytes: usize) -> bool {
        while self.held.len() - self.at < bytes {
            if !self.read() {
                assert_eq!(self.held.len(), self.at, "the end inside of a frame");
                return false;
            }
        }
        true
    }

    /// The next frame; a server's messages here have one each.
    pub(super) fn next(&mut self) -> Got {
        if !self.needs(2) {
            return Got::End;
        }
        let [first, second] = [self.held[self.at], self.held[self.at + 1]];
        assert!(first & 0x80 != 0 && second & 0x80 == 0, "{first:x} {second:x}");
        let (head, length) = match second {
            126 => {
                assert!(self.needs(4));
                let bytes = &self.held[self.at + 2..self.at + 4];
                (4, usize::from(u16::from_be_bytes(bytes.try_into().expect("two"))))
            }
            127 => {
                assert!(self.needs(10));
                let bytes = &self.held[self.at + 2..self.at + 10];
                (10, u64::from_be_bytes(bytes.try_into().expect("eight")) as usize)
            }
            short => (2, usize::from(short)),
        };
        assert!(self.needs(head + length));
        let payload = self.held[self.at + head..self.at + head + length].to_vec();
        self.at += head + length;
        if self.at == self.held.len() {
            self.held.clear();
            self.at = 0;
        }
        match first {
            0x81 => Got::Text(payload),
            0x82 => Got::Binary(payload),
            0xc1 | 0xc2 => Got::Deflated(payload),
            0x89 => Got::Ping,
            0x8a => Got::Pong(payload),
            0x88 => {
                let code = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
                Got::Close(code)
            }
            other => panic!("a frame that begins with {other:x}"),
        }
    }

    /// The next message, in JSON; pings are passed over.
    pub(crate) fn json(&mut self) -> Value {
        loop {
            match self.next() {
                Got::Text(text) => return serde_json::from_slice(&text).expect("JSON"),
                Got::Ping => {}
                other => panic!("no message, but {other:?}"),
            }
        }
    }

    /// Says something in JSON.
    pub(crate) fn say(&mut self, message: &Value) -> &mut Self {
        self.send(text(&message.to_string()))
    }

    /// Closes in order, and is answered.
    #[track_caller]
    pub(super) fn close(&mut self) {
        self.send(frame(0x88, &1000_u16.to_be_bytes()));
        assert_eq!((self.next(), self.next()), (Got::Close(Some(1000)), Got::End));
    }
}
