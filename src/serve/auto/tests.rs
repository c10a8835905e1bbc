//! Connections of several protocols on one port, in the simulated loop.

use super::*;
use crate::base::Tick;
use crate::reactor::{
    ConnectOptions, ListenOptions, Peer, Settings, SimBackend, SimFaults, SimReactor, TlsClient,
};
use crate::update::SigningKey;

/// Stands for a protocol in which the server speaks first.
const GREETING: Service = Service::Peer;

/// What came of one connection.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    /// Who got it.
    service: Option<Service>,
    bytes: Vec<u8>,
    /// The end of input was told.
    ended: bool,
    /// After how long it had its protocol, in milliseconds.
    settled_ms: Tick,
    lost: Option<Lost>,
}

/// Hears all.
struct Taker;

impl Protocol<Heard> for Taker {
    fn made(&mut self, cx: &mut Ctx<'_, Heard>, heard: &mut Heard) -> Outcome {
        heard.settled_ms = cx.now();
        Ok(())
    }

    fn received(
        &mut self,
        _: &mut Ctx<'_, Heard>,
        heard: &mut Heard,
        input: &mut InBuf,
    ) -> Outcome {
        heard.bytes.extend_from_slice(input.take_all());
        Ok(())
    }

    fn read_closed(
        &mut self,
        cx: &mut Ctx<'_, Heard>,
        heard: &mut Heard,
        _: &mut InBuf,
    ) -> Outcome {
        heard.ended = true;
        cx.transport().close();
        Ok(())
    }
}

fn make(
    _: &mut Ctx<'_, Heard>,
    heard: &mut Heard,
    _: &Arc<Listen>,
    service: Service,
) -> Box<dyn Protocol<Heard>> {
    assert_eq!(heard.service.replace(service), None);
    Box::new(Taker)
}

/// Says its pieces, each after so many milliseconds, and then closes its side or waits.
struct Speaker {
    pieces: Vec<(u64, Vec<u8>)>,
    closes: bool,
}

impl Speaker {
    fn wait(&self, cx: &mut Ctx<'_, Heard>) {
        match self.pieces.first() {
            Some((ms, _)) => cx.transport().set_timeout(Some(*ms)),
            None if self.closes => cx.transport().close_write(),
            None => {}
        }
    }
}

impl Protocol<Heard> for Speaker {
    fn made(&mut self, cx: &mut Ctx<'_, Heard>, _: &mut Heard) -> Outcome {
        self.wait(cx);
        Ok(())
    }

    fn received(&mut self, _: &mut Ctx<'_, Heard>, _: &mut Heard, _: &mut InBuf) -> Outcome {
        Ok(())
    }

    fn timeout(&mut self, cx: &mut Ctx<'_, Heard>, _: &mut Heard) -> Outcome {
        let (_, piece) = self.pieces.remove(0);
        cx.transport().write(&piece);
        self.wait(cx);
        Ok(())
    }

    fn lost(&mut self, cx: &mut Ctx<'_, Heard>, heard: &mut Heard, reason: Lost) {
        heard.lost = Some(reason);
        cx.stop();
    }
}

/// Where a connection is made, and how.
#[derive(Clone, Copy, Default)]
struct Door<'a> {
    offered: &'a [Service],
    /// One protocol there is the greeting one.
    greets: bool,
    /// TLS may begin there.
    is_certified: bool,
    /// The client begins with it.
    is_secured: bool,
    settings: Option<&'a Settings>,
}

/// What becomes of a connection where these are offered, and the greeting one, if `greets`.
fn heard(offered: &[Service], greets: bool, speaker: Speaker) -> Heard {
    heard_at(Door { offered, greets, ..Door::default() }, speaker)
}

/// The same of a client that begins with TLS.
fn heard_in_tls(offered: &[Service], greets: bool, speaker: Speaker) -> Heard {
    let door = Door { offered, greets, is_certified: true, is_secured: true, settings: None };
    heard_at(door, speaker)
}

fn heard_at(door: Door<'_>, speaker: Speaker) -> Heard {
    heard_behind(door, None, speaker)
}

/// The same where `outer` secures the listener from the first byte on.
fn heard_behind(door: Door<'_>, outer: Option<TlsServer>, speaker: Speaker) -> Heard {
    let backend = SimBackend::alone(1, SimFaults::none());
    let settings = door.settings.cloned().unwrap_or_default();
    let mut reactor = SimReactor::new(backend, settings).unwrap();
    let mut listen = Listen::new(Service::Auto, "tcp:80".parse().unwrap());
    listen.protocols = door.offered.to_vec();
    let [ours, theirs] = [1, 2].map(|seed| SigningKey::from_seed([seed; 32]));
    let tls = door.is_certified.then(|| TlsServer::of_node(&ours));
    let secure = door.is_secured.then(|| TlsClient::of_node(&theirs));
    let greets = door.greets;
    let listen = Arc::new(listen);
    let limits = Limits::default();
    let mut heard = Heard::default();
    let closes = speaker.closes;
    let mut speaker = Some(speaker);
    reactor.with(&mut heard, |cx, _| {
        let factory = move |_: &Peer, _: &mut Heard| -> Box<dyn Protocol<Heard>> {
            let greeting = greets.then_some(GREETING);
            let auto = AutoConnection::new(&listen, &limits, tls.clone(), make);
            Box::new(AutoConnection { greeting, ..auto })
        };
        let endpoint = "tcp:80".parse().unwrap();
        let options = ListenOptions { secure: outer, ..ListenOptions::default() };
        cx.listen(&endpoint, options, factory).unwrap();
        let caller = move |_: &Peer, _: &mut Heard| -> Box<dyn Protocol<Heard>> {
            Box::new(speaker.take().expect("one connection"))
        };
        let options = ConnectOptions { secure, ..ConnectOptions::default() };
        cx.connect(&"tcp:localhost:80".parse().unwrap(), options, caller);
        if !closes {
            cx.call_later(60_000, |cx, _| cx.stop());
        }
    });
    reactor.run(&mut heard).unwrap();
    heard
}

const ALL: [Service; 3] = [Service::Http, Service::Line, Service::At];

/// Says all of it at once and ends.
fn saying(text: &[u8]) -> Speaker {
    Speaker { pieces: vec![(1, text.to_vec())], closes: true }
}

#[track_caller]
fn expect(heard: &Heard, service: Service, bytes: &[u8]) {
    assert_eq!((heard.service, &heard.bytes[..]), (Some(service), bytes), "{heard:?}");
}

#[test]
fn each_protocol_gets_its_connections_with_every_byte_however_they_are_cut() {
    for (text, service) in [
        (&b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"[..], Service::Http),
        (b"POST /v1/topics/x HTTP/1.1\r\n", Service::Http),
        (b"IAMAT kiwi +1+1 1\n", Service::Line),
        (b"WHATSAT kiwi 1 1\n", Service::Line),
        (b"AUTH bw_x\n", Service::Line),
        (b"AT Hill +0 kiwi +1+1 1\n", Service::At),
        (b"what is this?\n", Service::Line),
        (b"\r\n", Service::Line),
    ] {
        let whole = heard(&ALL, false, saying(text));
        expect(&whole, service, text);
        assert!(whole.ended && whole.lost == Some(Lost::PeerClosed), "{whole:?}");
        for cut in 1..text.len() {
            let pieces = vec![(1, text[..cut].to_vec()), (20, text[cut..].to_vec())];
            expect(&heard(&ALL, false, Speaker { pieces, closes: true }), service, text);
        }
        let pieces = text.iter().map(|byte| (3, vec![*byte])).collect();
        expect(&heard(&ALL, true, Speaker { pieces, closes: true }), service, text);
    }
}

#[test]
fn what_is_not_offered_goes_to_who_takes_anything() {
    expect(&heard(&[Service::Http], false, saying(b"IAMAT ")), Service::Http, b"IAMAT ");
    expect(&heard(&[Service::Http], true, saying(b"help\r\n")), GREETING, b"help\r\n");
    expect(&heard(&[Service::Line], false, saying(b"AT x")), Service::Line, b"AT x");
    expect(&heard(&[Service::Line], true, saying(b"help\r\n")), Service::Line, b"help\r\n");
}

#[test]
fn tls_where_there_is_none_is_closed() {
    let heard = heard(&ALL, true, saying(b"\x16\x03\x01\x02\0\x01"));
    assert_eq!((heard.service, heard.bytes.len()), (None, 0));
    assert!(heard.lost.is_some(), "{heard:?}");
}

#[test]
fn tls_begins_in_place_and_what_is_inside_is_told_apart() {
    let bytewise = Settings { read_bytes: 1, ..Settings::default() };
    for (text, service) in [
        (&b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"[..], Service::Http),
        (b"WHATSAT kiwi 1 1\n", Service::Line),
        (b"AT Hill +0 kiwi +1+1 1\n", Service::At),
        (b"what is this?\n", Service::Line),
    ] {
        let whole = heard_in_tls(&ALL, false, saying(text));
        expect(&whole, service, text);
        assert!(whole.ended && whole.lost == Some(Lost::PeerClosed), "{whole:?}");
        let pieces = text.iter().map(|byte| (3, vec![*byte])).collect();
        expect(&heard_in_tls(&ALL, true, Speaker { pieces, closes: true }), service, text);
        let door = Door { offered: &ALL, is_certified: true, ..Door::default() };
        let door = Door { settings: Some(&bytewise), ..door };
        expect(&heard_at(Door { is_secured: true, ..door }, saying(text)), service, text);
        // Who speaks in the clear is heard there as before.
        expect(&heard_at(door, saying(text)), service, text);
    }
    let late = Speaker { pieces: vec![(2_000, b"hello".to_vec())], closes: true };
    let greeted = heard_in_tls(&ALL, true, late);
    expect(&greeted, GREETING, b"hello");
    let silence_ms = Limits::default().silence_ms;
    assert!((silence_ms..silence_ms + 100).contains(&greeted.settled_ms), "{greeted:?}");
}

#[test]
fn there_is_no_tls_inside_of_tls() {
    let inner = heard_in_tls(&ALL, true, saying(b"\x16\x03\x01\x02\0\x01"));
    assert_eq!((inner.service, inner.bytes.len()), (None, 0));
    assert_eq!(inner.lost, Some(Lost::PeerClosed));
    // Nor where the port itself is over TLS.
    let key = SigningKey::from_seed([1; 32]);
    let secure = Some(TlsServer::of_node(&key));
    let door = Door { offered: &ALL, is_certified: true, is_secured: true, ..Door::default() };
    let inner = heard_behind(door, secure, saying(b"\x16\x03\x01\x02\0\x01"));
    assert_eq!((inner.service, inner.lost), (None, Some(Lost::PeerClosed)));
}

#[test]
fn who_begins_tls_and_never_ends_the_handshake_is_cut() {
    let settings = Settings { handshake_ms: 300, ..Settings::default() };
    let door = Door { offered: &ALL, greets: true, is_certified: true, ..Door::default() };
    let door = Door { settings: Some(&settings), ..door };
    for hello in [&b"\x16\x03\x01\x02\0\x01"[..], b"\x16\x03\x01\0\x05hello"] {
        let pieces = vec![(1, hello.to_vec())];
        let heard = heard_at(door, Speaker { pieces, closes: false });
        assert_eq!((heard.service, heard.bytes.len()), (None, 0));
        assert!(heard.lost.is_some(), "{heard:?}");
    }
}

#[test]
fn what_telnet_negotiates_first_is_telnet_s() {
    expect(&heard(&ALL, true, saying(b"\xff\xfd\x03")), GREETING, b"\xff\xfd\x03");
    assert_eq!(heard(&ALL, false, saying(b"\xff\xfd\x03")).service, None);
}

#[test]
fn silence_is_of_who_waits_to_be_greeted() {
    let late = |ms| Speaker { pieces: vec![(ms, b"GET / HTTP/1.1\r\n".to_vec())], closes: true };
    let silent = heard(&ALL, true, late(2_000));
    expect(&silent, GREETING, b"GET / HTTP/1.1\r\n");
    let silence_ms = Limits::default().silence_ms;
    assert!((silence_ms..silence_ms + 50).contains(&silent.settled_ms), "{silent:?}");
    expect(&heard(&ALL, true, late(silence_ms - 50)), Service::Http, b"GET / HTTP/1.1\r\n");
    // Where nobody is greeted there is more time.
    expect(&heard(&ALL, false, late(5_000)), Service::Http, b"GET / HTTP/1.1\r\n");
}

#[test]
fn who_has_begun_and_never_goes_on_is_cut() {
    let begun = |greets| {
        let pieces = vec![(1, b"GE".to_vec())];
        heard(&ALL, greets, Speaker { pieces, closes: false })
    };
    for heard in [begun(true), begun(false)] {
        assert_eq!((heard.service, heard.lost), (None, Some(Lost::PeerReset)), "{heard:?}");
    }
    let silent = heard(&ALL, false, Speaker { pieces: Vec::new(), closes: false });
    assert_eq!((silent.service, silent.lost), (None, Some(Lost::PeerReset)));
}

#[test]
fn who_ends_at_once_is_greeted_or_closed() {
    let nothing = || Speaker { pieces: Vec::new(), closes: true };
    let greeted = heard(&ALL, true, nothing());
    assert!(greeted.service == Some(GREETING) && greeted.ended, "{greeted:?}");
    assert_eq!(heard(&ALL, false, nothing()).service, None);
    // What it said last is answered.
    expect(&heard(&ALL, false, saying(b"IAM")), Service::Line, b"IAM");
}
