//! Messages and references, at a server that has begun.

use super::*;

fn message(words: &[Jelly<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Dialect::Pb);
    writer.list(words.len());
    for word in words {
        word.put(&mut writer);
    }
    out
}

fn word(word: &'static str) -> Jelly<'static> {
    Jelly::Bytes(word.as_bytes())
}

/// A call of the root.
fn call(id: i64, method: &'static str, args: Vec<Jelly<'_>>) -> Vec<u8> {
    let args = Jelly::Tuple(args);
    let none = Jelly::Dict(Vec::new());
    let root = word("root");
    message(&[word("message"), Jelly::Int(id), root, word(method), Jelly::Int(1), args, none])
}

/// What a client reads in what was said to it: the ids of requests that failed and why.
fn failures(said: &[u8], calls: u32) -> Vec<(u32, String)> {
    let mut client = End::client(PbLimits::default());
    feed(&mut client, &hex("0280 0282 7062 0482 6e6f6e65"), 100, |_, _, _| ());
    for call in 1..=calls {
        client.call_root(&mut Vec::new(), "x", (Vec::new(), Vec::new()), call);
    }
    let mut found = Vec::new();
    feed(&mut client, said, 100, |_, event, _| {
        if let Event::Failed(call, failure) = event {
            assert!(failure.is_a("builtins.Exception"));
            found.push((*call, format!("{}: {}", failure.kind, failure.value)));
        }
    });
    found
}

#[test]
fn every_message_outside_the_protocol_ends_the_connection() {
    let one = Jelly::Int(1);
    for (fault, bytes) in [
        (PbFault::Form, b"\x01\x81".to_vec()),
        (PbFault::Form, b"\x00\x80".to_vec()),
        (PbFault::Form, message(std::slice::from_ref(&one))),
        (PbFault::Command, message(&[word("nonsense"), one.clone()])),
        (PbFault::Version, message(&[word("version"), Jelly::Int(5)])),
        (PbFault::Fields, message(&[word("version")])),
        (PbFault::Fields, message(&[word("message"), one.clone(), word("root")])),
        (PbFault::Fields, message(&[word("answer"), one.clone()])),
        (PbFault::Fields, message(&[word("decref"), word("root")])),
        (PbFault::Answer, message(&[word("answer"), one.clone(), one.clone()])),
        (PbFault::Answer, message(&[word("error"), one.clone(), one.clone()])),
        (PbFault::Reference, message(&[word("decref"), one.clone()])),
        (PbFault::Reference, message(&[word("decache"), one.clone()])),
        (PbFault::Reference, message(&[word("uncache"), one.clone()])),
    ] {
        for piece in [1, 100] {
            let mut server = running();
            let told = feed(&mut server, &bytes, piece, |_, _, _| ());
            let end = 10 + bytes.len() as u64;
            assert_eq!(told.error, Some(PbError::Message(fault, end)), "{bytes:?}");
            assert!(told.said.is_empty() && told.events.is_empty());
        }
    }
    let mut server = running();
    let known = [message(&[word("didNotUnderstand"), word("x")]), hex("0280 1387 0681")].concat();
    assert_eq!(feed(&mut server, &known, 100, |_, _, _| ()), Told::default());
}

#[test]
fn a_dialect_that_was_not_offered_ends_the_connection_and_none_is_spoken() {
    for choice in [&b"\x02\x82xx"[..], b"\x01\x81", b"\x01\x80\x02\x82pb"] {
        let mut server = End::server(PbLimits::default(), "root");
        let told = feed(&mut server, choice, 1, |_, _, _| ());
        let end = choice.len() as u64;
        assert_eq!(told.error, Some(PbError::Message(PbFault::Dialect, end)));
    }
    for offer in [&b"\x00\x80"[..], b"\x02\x82pb", b"\x02\x80\x02\x82xx\x01\x81"] {
        let mut client = End::client(PbLimits::default());
        assert!(feed(&mut client, offer, 1, |_, _, _| ()).error.is_some());
    }
    let mut server = End::server(PbLimits::default(), "root");
    let told = feed(&mut server, b"\x04\x82none", 1, |_, _, _| ());
    assert_eq!(told.said, b"\x02\x80\x07\x82version\x06\x81");
    let mut client = End::client(PbLimits::default());
    let told = feed(&mut client, b"\x02\x80\x01\x82x\x04\x82none", 1, |_, _, _| ());
    assert_eq!(told.said, b"\x04\x82none\x02\x80\x07\x82version\x06\x81");
}

#[test]
fn calls_that_can_not_be_made_are_answered_and_the_connection_goes_on() {
    let mut server = running();
    let none = || Jelly::Dict(Vec::new());
    let on = |object: Jelly<'static>, args: Jelly<'static>, named: Jelly<'static>, id: i64| {
        message(&[word("message"), Jelly::Int(id), object, word("x"), Jelly::Int(1), args, named])
    };
    let odd = Jelly::Copy("a.Class", Box::new(Jelly::None));
    let bytes = [
        on(Jelly::Int(9), Jelly::Tuple(vec![]), none(), 1),
        on(word("other"), Jelly::Tuple(vec![]), none(), 2),
        on(word("root"), Jelly::Tuple(vec![odd]), none(), 3),
        on(word("root"), Jelly::Int(1), none(), 4),
        on(word("root"), Jelly::Tuple(vec![]), Jelly::Int(1), 5),
        on(word("root"), Jelly::List(vec![Jelly::Int(1)]), none(), 6),
    ]
    .concat();
    let told = feed(&mut server, &bytes, 7, |_, _, _| ());
    assert_eq!(told.error, None);
    assert_eq!(told.events.len(), 1, "{:?}", told.events);
    let insecure = "twisted.spread.jelly.InsecureJelly: ";
    let wanted = [
        (1, "twisted.spread.pb.Error: Invalid Object ID".to_owned()),
        (2, "twisted.spread.pb.Error: Invalid Object ID".to_owned()),
        (3, format!("{insecure}\"a.Class\" is not known here")),
        (4, format!("{insecure}this is no tuple of arguments")),
        (5, format!("{insecure}this is no dictionary of arguments")),
    ];
    assert_eq!(failures(&told.said, 6), wanted);
    // Who wants no answer gets none.
    let silent = [word("message"), Jelly::Int(1), Jelly::Int(9), word("x"), Jelly::Int(0)];
    let silent = message(&[&silent[..], &[Jelly::Tuple(vec![]), none()]].concat());
    assert_eq!(feed(&mut server, &silent, 100, |_, _, _| ()), Told::default());
}

#[test]
fn an_answer_in_a_class_that_is_not_known_is_a_failure_of_its_call() {
    let mut client = End::client(PbLimits::default());
    feed(&mut client, &hex("0280 0282 7062 0482 6e6f6e65"), 100, |_, _, _| ());
    client.call_root(&mut Vec::new(), "x", (Vec::new(), Vec::new()), 1);
    let odd = Jelly::Copy("a.Class", Box::new(Jelly::None));
    let told = feed(&mut client, &message(&[word("answer"), Jelly::Int(1), odd]), 1, |_, _, _| ());
    assert_eq!(told.error, None);
    assert!(told.events[0].contains("InsecureJelly"), "{:?}", told.events);
}

#[test]
fn a_request_id_of_bytes_goes_back_as_it_came() {
    let mut server = running();
    let id = RequestId::Bytes(b"seven".as_slice().into());
    let bytes = message(&[
        word("message"),
        word("seven"),
        word("root"),
        word("x"),
        Jelly::Int(1),
        Jelly::Tuple(vec![]),
        Jelly::Dict(vec![]),
    ]);
    let told = feed(&mut server, &bytes, 100, |server, event, out| {
        let Event::Call(call) = event else { panic!("{event:?}") };
        assert_eq!(call.id.as_ref(), Some(&id));
        server.answer(out, call.id.as_ref(), &Jelly::Int(5));
    });
    assert_eq!(told.said, message(&[word("answer"), word("seven"), Jelly::Int(5)]));
}

#[test]
fn each_receipt_of_a_reference_is_let_go_of_once_unless_it_is_kept() {
    let mut server = running();
    let three = vec![Jelly::Remote(4), Jelly::List(vec![Jelly::Remote(4), Jelly::Remote(5)])];
    let told = feed(&mut server, &call(1, "x", three), 100, |server, _, _| {
        assert!(server.keep(4) && !server.keep(6));
    });
    let decref = |id| message(&[word("decref"), Jelly::Int(id)]);
    let mut said = told.said;
    server.release(&mut said, 4);
    let mut parts: Vec<&[u8]> = said.chunks(6).collect();
    parts.sort_unstable();
    assert_eq!(parts, [decref(4), decref(4), decref(5)]);
}

#[test]
fn an_object_is_released_with_its_last_reference_and_is_gone_then() {
    let mut server = running();
    assert_eq!((server.export("one"), server.export("two")), (Ok(1), Ok(2)));
    let decref = |id| message(&[word("decref"), Jelly::Int(id)]);
    let told = feed(&mut server, &decref(1), 1, |_, _, _| ());
    assert_eq!(told.events, ["Released(\"one\")"]);
    assert_eq!(server.object(ObjectId::Number(1)), None);
    assert_eq!(server.object(ObjectId::Number(2)), Some(&"two"));
    assert!(feed(&mut server, &decref(1), 1, |_, _, _| ()).error.is_some());
}

#[test]
fn references_are_bounded_in_both_directions_and_the_fourth_excess_is_the_last() {
    let mut server = running();
    for _ in 0..1024 {
        server.export("x").unwrap();
    }
    let ends: Vec<bool> = (0..4).map(|_| server.export("x").unwrap_err().is_last).collect();
    assert_eq!(ends, [false, false, false, true]);
    let mut server = running();
    let many: Vec<u8> = (1..=1024).flat_map(|id| call(id, "x", vec![Jelly::Remote(id)])).collect();
    let keep = |server: &mut End, event: &Event<'_, &'static str, u32>, _: &mut Vec<u8>| {
        let Event::Call(call) = event else { return };
        let [Jelly::Remote(id)] = call.args[..] else { panic!("{call:?}") };
        assert!(server.keep(id));
    };
    let told = feed(&mut server, &many, 4096, keep);
    assert_eq!((told.events.len(), told.error), (1024, None));
    let more = |id| call(id, "x", vec![Jelly::Remote(2000 + id)]);
    let told = feed(&mut server, &[more(1), more(2), more(3)].concat(), 100, keep);
    assert_eq!((told.events.len(), told.error), (0, None));
    let said = String::from_utf8_lossy(&told.said).into_owned();
    assert_eq!(said.matches("Maximum PB reference count exceeded.").count(), 3, "{said}");
    let told = feed(&mut server, &more(4), 100, keep);
    assert!(matches!(told.error, Some(PbError::Message(PbFault::References, _))));
}

#[test]
fn a_message_over_a_limit_ends_the_connection_at_its_first_bytes() {
    let limits = PbLimits { message_bytes: 100, ..PbLimits::default() };
    let mut server = End::server(limits, "root");
    feed(&mut server, &hex("0282 7062"), 100, |_, _, _| ());
    let told = feed(&mut server, b"\x02\x80\x62\x82", 1, |_, _, _| ());
    assert!(matches!(told.error, Some(PbError::Banana(_))), "{:?}", told.error);
    assert!(told.error.unwrap().to_string().contains("too many bytes, at 6"), "{told:?}");
}
