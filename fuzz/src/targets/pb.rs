//! Perspective Broker, at both ends of a connection.

use super::cut::{each_piece, however_cut};
use bellwether::proto::banana::{BananaLimits, Dialect, Item, Scanner, Writer};
use bellwether::proto::pb::{Broker, Call, Event, Failure, Jelly, ObjectId, PbLimits};

const LIMITS: PbLimits =
    PbLimits { message_bytes: 4096, message_items: 500, depth: 20, references: 5 };
/// Calls that a client has made before the bytes come.
const CALLS: u32 = 3;

type End = Broker<u8, u32>;

/// What an end was told, in the words of `Debug`, and what it said.
fn read(end: impl Fn(&mut Vec<u8>) -> End, pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
    let mut said = Vec::new();
    let mut end = end(&mut said);
    let mut events = Vec::new();
    each_piece(pieces, LIMITS.message_bytes + 128, |input| {
        loop {
            match end.next(input, &mut said) {
                Ok(None) => break true,
                Ok(Some(event)) => {
                    events.push(format!("{event:?}"));
                    act(&mut end, event, &mut said);
                }
                Err(error) => {
                    events.push(error.to_string());
                    break false;
                }
            }
        }
    });
    (events, said)
}

/// Gives objects out, keeps some that come, calls them, and lets go of them.
fn act(end: &mut End, event: Event<'_, u8, u32>, out: &mut Vec<u8>) {
    let Event::Call(Call { id, object, method, args, named }) = event else { return };
    args.iter().chain(named.iter().map(|(_, value)| value)).for_each(look_at);
    for argument in &args {
        if let Jelly::Remote(id) = argument
            && end.keep(*id)
        {
            let arguments = (vec![Jelly::Text(method)], Vec::new());
            end.call(out, ObjectId::Number(*id), "back", arguments, Some(object.into()));
            if id % 2 == 0 {
                end.release(out, *id);
            }
        }
    }
    match method {
        "give" => match end.export(object.wrapping_add(1)) {
            Ok(given) => end.answer(out, id.as_ref(), &Jelly::Remote(given)),
            Err(_) => end.fail(out, id.as_ref(), &Failure::too_many_references()),
        },
        _ => end.answer(out, id.as_ref(), &Jelly::Tuple(args)),
    }
}

/// A value that came can be sent, and is shown as JSON.
fn look_at(value: &Jelly<'_>) {
    assert!(value.is_sendable());
    let _ = value.to_json();
    for dialect in Dialect::ALL {
        let mut bytes = Vec::new();
        value.put(&mut Writer::new(&mut bytes, dialect));
        let limits = BananaLimits { bytes_max: 1 << 24, items_max: 1 << 20, depth_max: 100 };
        assert_eq!(Scanner::new(limits).scan(&bytes, dialect), Ok(Some(bytes.len())));
        assert!(matches!(Item::read(&bytes), Some((_, []))));
    }
}

/// A connection.
pub(crate) fn pb(bytes: &[u8]) {
    however_cut(bytes, |pieces| {
        read(
            |said| {
                let server = End::server(LIMITS, 0);
                server.start(said);
                server
            },
            pieces,
        )
    });
    however_cut(bytes, |pieces| {
        read(
            |said| {
                let mut client = End::client(LIMITS);
                for call in 0..CALLS {
                    client.call_root(said, "x", (Vec::new(), Vec::new()), call);
                }
                client
            },
            pieces,
        )
    });
}
