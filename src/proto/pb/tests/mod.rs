//! Tests of this module.

mod messages;
mod transcript;
mod values;

use super::*;
use crate::base::InBuf;
use crate::proto::banana::{Dialect, Writer};

/// An end of these tests: its objects have names, its calls numbers.
type End = Broker<&'static str, u32>;

/// What an end has been told, in the words of `Debug`.
#[derive(Debug, Default, PartialEq)]
struct Told {
    events: Vec<String>,
    said: Vec<u8>,
    error: Option<PbError>,
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let (pairs, _) = digits.as_chunks::<2>();
    let value = |digit: u8| (digit as char).to_digit(16).unwrap() as u8;
    pairs.iter().map(|[high, low]| value(*high) << 4 | value(*low)).collect()
}

/// Feeds bytes in pieces of this size; `act` does what is to be done with each event.
fn feed(
    end: &mut End,
    bytes: &[u8],
    piece: usize,
    mut act: impl FnMut(&mut End, &Event<'_, &'static str, u32>, &mut Vec<u8>),
) -> Told {
    let mut told = Told::default();
    let mut input = InBuf::new(PbLimits::default().message_bytes + 100);
    for mut piece in bytes.chunks(piece) {
        while !piece.is_empty() {
            let taken = input.push(piece);
            assert!(taken > 0, "a full buffer from which nothing is taken");
            piece = &piece[taken..];
            loop {
                match end.next(&mut input, &mut told.said) {
                    Ok(None) => break,
                    Ok(Some(Event::Handled)) => {}
                    Ok(Some(event)) => {
                        told.events.push(format!("{event:?}"));
                        act(end, &event, &mut told.said);
                    }
                    Err(error) => {
                        told.error = Some(error);
                        return told;
                    }
                }
            }
        }
    }
    told
}

fn put(jelly: &Jelly<'_>, dialect: Dialect) -> Vec<u8> {
    let mut out = Vec::new();
    jelly.put(&mut Writer::new(&mut out, dialect));
    out
}

/// A server that has spoken with its client about the dialect.
fn running() -> End {
    let mut server = End::server(PbLimits::default(), "root");
    let told = feed(&mut server, &hex("0282 7062 0280 1387 0681"), 100, |_, _, _| ());
    assert_eq!(told.said, hex("0280 1387 0681"));
    assert!(server.is_running() && told.error.is_none());
    server
}
