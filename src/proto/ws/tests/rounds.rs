//! Round trips: any messages, in any fragments, deflated or not, with and without a context, with
//! control frames between, come as they were sent, at any cut.

use super::super::flate::Context;
use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Sent {
    is_text: bool,
    content: String,
    is_deflated: bool,
    /// Where its payload is cut into fragments.
    cuts: Vec<usize>,
    pings: bool,
}

fn sent() -> impl Strategy<Value = Sent> {
    let content = prop_oneof![".{0,40}", "(herd |news |\u{e9}\u{1f40f}){0,60}"];
    let cuts = prop::collection::vec(0..300_usize, 0..4);
    (any::<bool>(), content, any::<bool>(), cuts, any::<bool>()).prop_map(
        |(is_text, content, is_deflated, cuts, pings)| Sent {
            is_text,
            content,
            is_deflated,
            cuts,
            pings,
        },
    )
}

/// A client's deflated payload, with what the server remembers.
fn deflated(flate: &mut Flate, how: (u8, &[u8]), bytes: &[u8]) -> Vec<u8> {
    flate.deflated(how, bytes, <[u8]>::to_vec)
}

fn put(out: &mut Vec<u8>, message: &Sent, payload: &[u8], is_deflated: bool) {
    let mut cuts: Vec<usize> = message.cuts.iter().map(|cut| (*cut).min(payload.len())).collect();
    cuts.sort_unstable();
    cuts.push(payload.len());
    let mut from = 0;
    for (at, to) in cuts.iter().enumerate() {
        let opcode = match at {
            0 => (if message.is_text { 1 } else { 2 }) | if is_deflated { 0x40 } else { 0 },
            _ => 0,
        };
        let last = if at + 1 == cuts.len() { 0x80 } else { 0 };
        out.extend(frame(last | opcode, &payload[from..*to]));
        if message.pings {
            out.extend(frame(0x89, b"?"));
        }
        from = *to;
    }
}

fn expected(message: &Sent) -> Said {
    let content = message.content.clone();
    if message.is_text { Said::Text(content) } else { Said::Binary(content.into_bytes()) }
}

proptest! {
    #[test]
    fn what_a_client_sends_arrives_in_any_fragments(
        messages in prop::collection::vec(sent(), 1..5),
        offer in prop_oneof![
            Just(""),
            Just("permessage-deflate"),
            Just("permessage-deflate; client_max_window_bits=9"),
        ],
        context_bytes in prop_oneof![Just(0_usize), Just(32_768)],
        cuts in prop::collection::vec(0..4000_usize, 0..6),
    ) {
        let agreed = handshakes::agreed(offer, context_bytes);
        let bits = agreed.map_or(15, |agreed| agreed.client_bits);
        let mut context = agreed.filter(|agreed| agreed.client_context).map(|_| Context::new(bits));
        let (mut bytes, mut flate) = (Vec::new(), Flate::default());
        for message in &messages {
            let content = message.content.as_bytes();
            if message.is_deflated && agreed.is_some() {
                let known = context.as_ref().map_or(&[][..], Context::bytes);
                let payload = deflated(&mut flate, (bits, known), content);
                if let Some(context) = &mut context {
                    context.note(content);
                }
                put(&mut bytes, message, &payload, true);
            } else {
                put(&mut bytes, message, content, false);
            }
        }
        let mut at: Vec<usize> = cuts.iter().map(|cut| (*cut).min(bytes.len())).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|at| &bytes[at[0]..at[1]]).collect();
        let receiver = Receiver::new(Role::Server, 1000, agreed.as_ref());
        let mut found = said(receiver, &pieces);
        found.retain(|said| *said != Said::Ping(b"?".to_vec()));
        prop_assert_eq!(found, messages.iter().map(expected).collect::<Vec<_>>());
    }

    #[test]
    fn what_a_server_sends_arrives(
        messages in prop::collection::vec(sent(), 1..5),
        offer in prop_oneof![
            Just(""),
            Just("permessage-deflate; server_max_window_bits=9"),
            Just("permessage-deflate"),
        ],
        context_bytes in prop_oneof![Just(0_usize), Just(1024), Just(32_768)],
    ) {
        let agreed = handshakes::agreed(offer, context_bytes);
        let (mut sender, mut flate) = (Sender::new(agreed.as_ref()), Flate::default());
        let (mut out, mut shared) = (Vec::new(), Vec::new());
        for message in &messages {
            let kind = if message.is_text { Kind::Text } else { Kind::Binary };
            let bytes = message.content.as_bytes();
            sender.put(&mut out, (kind, bytes), message.is_deflated, &mut flate);
            if let Some(form) = sender.form() {
                form.put(&mut shared, kind, bytes, &mut flate);
            }
        }
        let expected: Vec<Said> = messages.iter().map(expected).collect();
        let client = || Receiver::new(Role::Client, 1000, agreed.as_ref());
        prop_assert_eq!(&said(client(), &[&out]), &expected);
        if sender.form().is_some() {
            prop_assert_eq!(&said(client(), &[&shared]), &expected);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_at_any_cut(bytes: Vec<u8>, cut in 0..100_usize) {
        let (front, back) = bytes.split_at(cut.min(bytes.len()));
        for offer in ["", "permessage-deflate"] {
            for role in [Role::Server, Role::Client] {
                let agreed = handshakes::agreed(offer, 32_768);
                let make = || Receiver::new(role, 1000, agreed.as_ref());
                prop_assert_eq!(said(make(), &[&bytes]), said(make(), &[front, back]));
            }
        }
    }

    #[test]
    fn a_clients_message_is_read_as_it_was_written(bytes: Vec<u8>, key: [u8; 4]) {
        let mut out = Vec::new();
        put_masked(&mut out, Kind::Binary, &bytes, key);
        prop_assert_eq!(said(server(), &[&out]), [Said::Binary(bytes)]);
    }
}
