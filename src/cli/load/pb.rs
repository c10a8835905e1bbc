//! `pb:`: calls of one method of a server's root over Perspective Broker, all alike.

use super::wire::{Answer, Ask, Wire};
use crate::base::InBuf;
use crate::proto::banana::{BananaLimits, Dialect, Item, Scanner, Writer};
use crate::proto::pb::Jelly;
use crate::reactor::Fault;
use percent_encoding::percent_decode_str;
use std::sync::Arc;

/// What an answer may be made of.
const LIMITS: BananaLimits =
    BananaLimits { bytes_max: 32 << 20, items_max: 1 << 20, depth_max: 256 };

/// A call as it is written, but for the number of its request.
#[derive(Clone, Debug)]
pub(super) struct CallTemplate {
    before: Vec<u8>,
    behind: Vec<u8>,
}

impl CallTemplate {
    /// The method and the arguments of `/METHOD/ARG…`, percent-encoded.
    pub(super) fn of_target(target: &str) -> Self {
        let decoded = |part| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let mut parts = target.trim_start_matches('/').split('/').map(decoded);
        let method = parts.next().unwrap_or_default();
        let arguments: Vec<String> = parts.collect();
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        let mut writer = Writer::new(&mut before, Dialect::Pb);
        writer.list(7);
        writer.text("message");
        let mut writer = Writer::new(&mut behind, Dialect::Pb);
        writer.text("root");
        writer.text(&method);
        writer.int(1);
        let arguments = arguments.iter().map(|argument| Jelly::Text(argument)).collect();
        Jelly::Tuple(arguments).put(&mut writer);
        Jelly::Dict(Vec::new()).put(&mut writer);
        Self { before, behind }
    }
}

/// One connection.
pub(super) struct Calls {
    template: Arc<CallTemplate>,
    scanner: Scanner,
    has_begun: bool,
}

impl Calls {
    pub(super) fn new(template: &Arc<CallTemplate>) -> Self {
        let template = Arc::clone(template);
        Self { template, scanner: Scanner::new(LIMITS), has_begun: false }
    }
}

impl Wire for Calls {
    /// The dialect is chosen without waiting for the offer: all servers make the same.
    fn put(&mut self, out: &mut Vec<u8>, ask: Ask) {
        if !std::mem::replace(&mut self.has_begun, true) {
            Writer::new(out, Dialect::None).text("pb");
            let mut writer = Writer::new(out, Dialect::Pb);
            writer.list(2);
            writer.text("version");
            writer.int(6);
        }
        out.extend_from_slice(&self.template.before);
        Writer::new(out, Dialect::Pb).int(ask.number as i64 + 1);
        out.extend_from_slice(&self.template.behind);
    }

    fn next(&mut self, input: &mut InBuf) -> Result<Option<Answer>, Fault> {
        while let Some(bytes) = self.scanner.scan(input.data(), Dialect::Pb)? {
            let good = match command(input.take(bytes)) {
                Some(b"answer") => true,
                Some(b"error") => false,
                // What it offers, and its version.
                _ => continue,
            };
            return Ok(Some(Answer { good, status: 0, last: false }));
        }
        Ok(None)
    }
}

/// The word that a message begins with.
fn command(message: &[u8]) -> Option<&[u8]> {
    let head = message.iter().position(|byte| *byte >= 0x80)?;
    match Item::read(&message[head + 1..])? {
        (Item::Bytes(word), _) => Some(word),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::pb::{Broker, Event, Failure, PbLimits};

    #[test]
    fn a_server_understands_the_calls_and_its_answers_are_told_apart() {
        let template = Arc::new(CallTemplate::of_target("/read/a%20b/c"));
        let mut calls = Calls::new(&template);
        let mut asked = Vec::new();
        for number in 0..3 {
            calls.put(&mut asked, Ask { number, seat: 0, start_ns: 0, wall_ns: 0 });
        }
        let mut server: Broker<(), ()> = Broker::server(PbLimits::default(), ());
        let (mut input, mut said) = (InBuf::new(1 << 16), Vec::new());
        server.start(&mut said);
        input.push(&asked);
        while let Some(event) = server.next(&mut input, &mut said).unwrap() {
            let Event::Call(call) = event else { continue };
            assert_eq!(
                (call.method, &call.args[..]),
                ("read", &[Jelly::Text("a b"), Jelly::Text("c")][..])
            );
            match call.id {
                Some(crate::proto::pb::RequestId::Number(2)) => {
                    server.fail(&mut said, call.id.as_ref(), &Failure::no_such_method("x"));
                }
                _ => server.answer(&mut said, call.id.as_ref(), &Jelly::Int(1)),
            }
        }
        for piece in [1, said.len()] {
            let (mut calls, mut input) = (Calls::new(&template), InBuf::new(1 << 16));
            let mut found = Vec::new();
            for piece in said.chunks(piece) {
                input.push(piece);
                found.extend(std::iter::from_fn(|| calls.next(&mut input).unwrap()));
            }
            let good: Vec<bool> = found.iter().map(|answer| answer.good).collect();
            assert_eq!(good, [true, false, true]);
        }
    }
}
