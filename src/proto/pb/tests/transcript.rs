//! What real Twisted peers said to each other (Twisted 26.10.0), byte for byte.

use super::*;

/// The capture's server: `echo`, `boom`, `whoami`, both logins, a callback.
fn act(server: &mut End, event: &Event<'_, &'static str, u32>, out: &mut Vec<u8>) {
    let Event::Call(call) = event else {
        if let Event::Answer(7, value) = event {
            // The callback has answered: so is the call that made it, and the callback let go of.
            let id = RequestId::Number(1);
            server.answer(out, Some(&id), value);
            server.release(out, 1);
        }
        return;
    };
    let id = call.id.as_ref();
    match (call.object, call.method) {
        ("root", "echo") => server.answer(out, id, &Jelly::Tuple(call.args.clone())),
        ("root", "boom") => {
            server.fail(out, id, &Failure::new("builtins.ValueError", &[], "bad thing"));
        }
        ("root", "loginAnonymous") => {
            let avatar = server.export("avatar").unwrap();
            server.answer(out, id, &Jelly::Remote(avatar));
        }
        ("avatar", "whoami") => server.answer(out, id, &Jelly::Bytes(b"anon")),
        ("root", "login") => {
            assert_eq!(call.args, [Jelly::Bytes(b"alice")]);
            let challenge = hex(CHALLENGE);
            let challenger = Jelly::Remote(server.export("challenger").unwrap());
            server.answer(out, id, &Jelly::Tuple(vec![Jelly::Bytes(&challenge), challenger]));
        }
        ("challenger", "respond") => {
            assert_eq!(call.args, [Jelly::Bytes(&hex(RESPONSE)), Jelly::Remote(1)]);
            assert!(server.keep(1));
            let avatar = server.export("avatar").unwrap();
            server.answer(out, id, &Jelly::Remote(avatar));
        }
        ("root", "callme") => {
            assert_eq!(call.args, [Jelly::Remote(1)]);
            assert!(server.keep(1));
            let args = vec![Jelly::Text("hi"), Jelly::Int(1)];
            server.call(out, ObjectId::Number(1), "notify", (args, Vec::new()), Some(7));
        }
        other => panic!("{other:?}"),
    }
}

const CHALLENGE: &str = "e63b81c5f04fb8179f0d7c00e2f8fcfc";
const RESPONSE: &str = "4fa5d948e498b7a08c872e88f734551d";

/// What a server says first.
const OFFER: &str = "0280 0282 7062 0482 6e6f6e65";
const CHOICE: &str = "0282 7062 0280 1387 0681";
const VERSION: &str = "0280 1387 0681";

const ECHO: [&str; 2] = [
    "0780 1a87 0181 0482 726f6f74 0482 6563686f 0181
     0380 0b87 0280 0782 756e69636f6465 0182 78 0781 0180 0587",
    "0380 1b87 0181 0380 0b87 0280 0782 756e69636f6465 0182 78 0781",
];

/// Twisted's counter of failures stood at 5 then; ours is each connection's own.
const BOOM: [&str; 2] = [
    "0780 1a87 0181 0482 726f6f74 0482 626f6f6d 0181 0180 0b87 0180 0587",
    "03801c87018102802182747769737465642e7370726561642e70622e436f707961626c654661696c7572650b8005
     87028002800782756e69636f64650582636f756e740181028002800782756e69636f646504827479706513826275
     696c74696e732e56616c75654572726f72028002800782756e69636f6465058276616c7565028007
     82756e69636f64650982626164207468696e67028002800782756e69636f64650b82636170747572655661727302
     800782626f6f6c65616e058266616c7365028002800782756e69636f64650282746201800187028002800782756e
     69636f64651082756e7361666554726163656261636b73028007
     82626f6f6c65616e058266616c7365028002800782756e69636f64650782706172656e747305800887028007
     82756e69636f646513826275696c74696e732e56616c75654572726f7202800782756e69636f6465128262756
     96c74696e732e457863657074696f6e02800782756e69636f646516826275696c74696e732e4261736545786365
     7074696f6e02800782756e69636f64650f826275696c74696e732e6f626a656374028002800782756e69636f6465
     06826672616d657301800887028002800782756e69636f64650582737461636b01800887028002800782756e6963
     6f6465098274726163656261636b02800782756e69636f6465168254726163656261636b20756e617661696c6162
     6c650a",
];

const ANONYMOUS: [&str; 2] = [
    "0780 1a87 0181 0482 726f6f74 0e82 6c6f67696e416e6f6e796d6f7573 0181
     0280 0b87 0180 0187 0180 0587
     0780 1a87 0281 0181 0682 77686f616d69 0181 0180 0b87 0180 0587
     0280 1d87 0181",
    "0380 1b87 0181 0280 1087 0181
     0380 1b87 0281 0482 616e6f6e",
];

const LOGIN: [&str; 2] = [
    "0780 1a87 0181 0482 726f6f74 1487 0181 0280 0b87 0582 616c696365 0180 0587
     0780 1a87 0281 0181 0782 726573706f6e64 0181 0380 0b87
     1082 4fa5d948e498b7a08c872e88f734551d 0280 1087 0181 0180 0587
     0280 1d87 0181",
    "0380 1b87 0181 0380 0b87 1082 e63b81c5f04fb8179f0d7c00e2f8fcfc 0280 1087 0181
     0380 1b87 0281 0280 1087 0281",
];

const CALLBACK: [&str; 2] = [
    "0780 1a87 0181 0482 726f6f74 0682 63616c6c6d65 0181 0280 0b87 0280 1087 0181 0180 0587
     0380 1b87 0181 0380 0887 0280 0782 756e69636f6465 0382 676f74 0380 0887
     0280 0782 756e69636f6465 0282 6869 0181",
    "0780 1a87 0181 0181 0682 6e6f74696679 0181 0380 0b87 0280 0782 756e69636f6465 0282 6869
     0181 0180 0587
     0380 1b87 0181 0380 0887 0280 0782 756e69636f6465 0382 676f74 0380 0887
     0280 0782 756e69636f6465 0282 6869 0181
     0280 1d87 0181",
];

#[test]
fn a_server_says_what_twisteds_said_however_the_bytes_are_cut() {
    for [theirs, ours] in [ECHO, BOOM, ANONYMOUS, LOGIN, CALLBACK] {
        let bytes = [hex(CHOICE), hex(theirs)].concat();
        let mut first = None;
        for piece in (1..=bytes.len()).rev() {
            let mut server = End::server(PbLimits::default(), "root");
            let mut said = Vec::new();
            server.start(&mut said);
            assert_eq!(said, hex(OFFER));
            let told = feed(&mut server, &bytes, piece, act);
            assert_eq!(told.error, None);
            assert_eq!(told.said, [hex(VERSION), hex(ours)].concat(), "{theirs}");
            assert_eq!(first.get_or_insert_with(|| told.events.clone()), &told.events);
        }
    }
}

#[test]
fn a_client_says_what_twisteds_said() {
    let mut client = End::client(PbLimits::default());
    let mut said = Vec::new();
    client.start(&mut said);
    assert!(said.is_empty());
    let told = feed(&mut client, &hex(OFFER), 1, |_, _, _| ());
    assert_eq!((told.said, told.error), (hex(CHOICE), None));
    let args = vec![Jelly::Text("x"), Jelly::Int(7)];
    client.call_root(&mut said, "echo", (args, Vec::new()), 1);
    client.call_root(&mut said, "boom", (Vec::new(), Vec::new()), 2);
    let boom = [&hex(BOOM[0])[..4], &[2], &hex(BOOM[0])[5..]].concat();
    assert_eq!(said, [hex(ECHO[0]), boom].concat());
    let boom = [&hex(BOOM[1])[..4], &[2], &hex(BOOM[1])[5..]].concat();
    let bytes = [hex(VERSION), hex(ECHO[1]), boom].concat();
    for piece in [1, 7, bytes.len()] {
        let mut failed = false;
        let told = feed(&mut client, &bytes, piece, |_, event, _| match event {
            Event::Answer(1, value) => {
                assert_eq!(*value, Jelly::Tuple(vec![Jelly::Text("x"), Jelly::Int(7)]));
            }
            Event::Failed(2, failure) => {
                assert!(failure.is_a("builtins.ValueError"));
                assert!(failure.is_a("builtins.Exception") && !failure.is_a("builtins.KeyError"));
                assert_eq!((failure.kind, failure.value), ("builtins.ValueError", "bad thing"));
                failed = true;
            }
            other => panic!("{other:?}"),
        });
        assert!(failed && told.error.is_none());
        // Each is asked once more for the next way to cut the answers.
        let mut asked = End::client(PbLimits::default());
        feed(&mut asked, &hex(OFFER), 100, |_, _, _| ());
        asked.call_root(&mut Vec::new(), "echo", (Vec::new(), Vec::new()), 1);
        asked.call_root(&mut Vec::new(), "boom", (Vec::new(), Vec::new()), 2);
        client = asked;
    }
}

#[test]
fn a_named_argument_is_written_as_twisted_writes_it() {
    let named = vec![(Jelly::Text("a"), Jelly::Text("b"))];
    let bytes = hex("0280 0587 0280 0280 0782 756e69636f6465 0182 61
                     0280 0782 756e69636f6465 0182 62");
    assert_eq!(put(&Jelly::Dict(named), Dialect::Pb), bytes);
}
