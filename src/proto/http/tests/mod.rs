//! The codec as a whole: the same bytes give the same events however they are cut; every form that
//! two readers could frame differently is refused; limits hold to the byte.

mod faults;
mod requests;
mod responses;

use super::*;
use crate::base::InBuf;
use crate::proto::testing::{at_every_cut, each_piece};

/// An event that outlives its input; neighbouring body pieces are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Head(String),
    Body(Vec<u8>),
    End,
    Fault(HttpError),
}

fn push(all: &mut Vec<Seen>, seen: Seen) {
    match (all.last_mut(), seen) {
        (Some(Seen::Body(before)), Seen::Body(piece)) => before.extend(piece),
        (_, seen) => all.push(seen),
    }
}

/// Whatever turns input into events.
trait Reader {
    fn step(&mut self, input: &mut InBuf) -> Option<Seen>;
}

impl Reader for RequestCodec {
    fn step(&mut self, input: &mut InBuf) -> Option<Seen> {
        match self.next(input) {
            Ok(event) => event.map(|event| match event {
                Event::Head(head) => Seen::Head(show(&head)),
                Event::Body(bytes) => Seen::Body(bytes.to_vec()),
                Event::End => Seen::End,
            }),
            Err(fault) => Some(Seen::Fault(fault)),
        }
    }
}

impl Reader for ResponseCodec {
    fn step(&mut self, input: &mut InBuf) -> Option<Seen> {
        match self.next(input) {
            Ok(event) => event.map(|event| match event {
                Event::Head(head) => Seen::Head(show_response(&head)),
                Event::Body(bytes) => Seen::Body(bytes.to_vec()),
                Event::End => Seen::End,
            }),
            Err(fault) => Some(Seen::Fault(fault)),
        }
    }
}

/// Everything that a head says, as text.
fn show(head: &Head<'_>) -> String {
    let fields: Vec<_> = head.fields.iter().map(|(name, value)| show_field(name, value)).collect();
    let end = if head.keep_alive { "" } else { " close" };
    let expect = if head.expect_continue { " expect" } else { "" };
    let host = head.authority().unwrap_or("-");
    format!(
        "{:?} {} {:?} {:?} at {host} {:?}{end}{expect} [{}]",
        head.method,
        head.target.path(),
        head.target.query(),
        head.version,
        head.body,
        fields.join("|")
    )
}

fn show_response(head: &ResponseHead<'_>) -> String {
    let fields: Vec<_> = head.fields.iter().map(|(name, value)| show_field(name, value)).collect();
    let end = if head.keep_alive { "" } else { " close" };
    let (status, reason) = (head.status.code(), head.reason);
    format!("{status} {reason:?} {:?} {:?}{end} [{}]", head.version, head.body, fields.join("|"))
}

fn show_field(name: &str, value: &[u8]) -> String {
    format!("{name}={}", value.escape_ascii())
}

/// Feeds the pieces one after another into a buffer of the smallest size allowed.
fn feed(reader: &mut impl Reader, limits: &HttpLimits, pieces: &[&[u8]]) -> Vec<Seen> {
    let mut all = Vec::new();
    each_piece(pieces, limits.input_bytes_min(), |input| {
        while let Some(seen) = reader.step(input) {
            let failed = matches!(seen, Seen::Fault(_));
            push(&mut all, seen);
            if failed {
                assert!(reader.step(input).is_some(), "a fault stays");
                return false;
            }
        }
        true
    });
    all
}

fn requests(pieces: &[&[u8]]) -> Vec<Seen> {
    let limits = HttpLimits::default();
    feed(&mut RequestCodec::new(limits), &limits, pieces)
}

fn requests_at_every_split(bytes: &[u8]) -> Vec<Seen> {
    at_every_cut(bytes, requests)
}

/// The fault of the bytes, at every split.
fn fault_of(bytes: &[u8]) -> Option<HttpError> {
    match requests_at_every_split(bytes).pop() {
        Some(Seen::Fault(fault)) => Some(fault),
        _ => None,
    }
}
