//! What TLS adds: who is there, handshakes that come to nothing, and the hands of a third party.

use bellwether::base::{ClientEndpoint, ServerEndpoint};
use bellwether::reactor::{
    Backend, ConnId, ConnectError, Factory, ListenOptions, Lost, Peer, Protocol, Settings,
};

use crate::bed::{
    Bed, Cx, HOST, Log, Script, Seen, client_of, connect, keys, pattern, secure, secured, server_of,
};

pub(crate) fn both_ends_know_each_other_by_their_keys<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let shows = |name: &'static str| {
        Script::new(name).made(move |cx, log| {
            let key = cx.transport().peer_key().unwrap();
            log.got.insert(name, key.0.to_vec());
            Ok(())
        })
    };
    let (_, to) = bed.listen(move || shows("server"));
    bed.connect(&to, "client", shows("client"));
    bed.until(|log| log.saw("server", Seen::Made) && log.saw("client", Seen::Made));
    let [server, client] = keys().map(|key| key.public().0);
    assert_eq!((bed.log.got("client"), bed.log.got("server")), (&server[..], &client[..]));
    let id = bed.log.ids["server"];
    bed.with(|cx, _| {
        assert_eq!(cx.transport_of(ConnId::NONE).peer_key(), None);
        cx.transport_of(id).close();
    });
    bed.until_lost(&["server", "client"]);
    assert_eq!(bed.reactor.stats().handshakes_failed, 0);
}

/// Connects in the clear.
fn connect_plainly<B: Backend>(bed: &mut Bed<B>, to: &ClientEndpoint, script: Script) {
    secure(false);
    bed.connect(to, "stranger", script);
    secure(true);
}

pub(crate) fn no_protocol_is_made_for_who_does_not_speak_tls<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| Script::new("server"));
    connect_plainly(&mut bed, &to, Script::new("stranger").says("GET / HTTP/1.1\r\n\r\n"));
    bed.until_lost(&["stranger"]);
    assert_eq!(bed.log.course("server"), []);
    let stats = bed.reactor.stats();
    assert_eq!((stats.handshakes_failed, stats.accepted), (1, 1));
    assert_eq!(stats.open_all(), 0);
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.saw("server", Seen::Made));
}

pub(crate) fn a_server_that_does_not_speak_tls_is_no_connection<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let mut bed = Bed::new(backend());
    secure(false);
    let (_, rude) = bed.listen(|| Script::new("rude").says("220 ready\r\n"));
    let (_, deaf) = bed.listen(|| {
        Script::new("deaf").received(|cx, _, _| {
            cx.transport().close();
            Ok(())
        })
    });
    secure(true);
    bed.connect(&rude, "one", Script::new("one"));
    bed.connect(&deaf, "two", Script::new("two"));
    let failed = Seen::Failed(ConnectError::Handshake);
    bed.until(|log| log.saw("one", failed) && log.saw("two", failed));
    assert_eq!(bed.reactor.stats().connect_failed, 2);
    bed.until(|log| log.lost("rude").is_some() && log.lost("deaf").is_some());
    assert_eq!(bed.reactor.stats().open_all(), 0);
}

pub(crate) fn a_handshake_has_its_time_and_no_more<B: Backend>(backend: &dyn Fn() -> B) {
    let settings = Settings { handshake_ms: 60, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, to) = bed.listen(|| Script::new("server"));
    // It says something now and then, and gets nowhere.
    let drip = |cx: &mut Cx<'_>, _: &mut Log| {
        cx.transport().write(&[0x16]);
        cx.transport().set_timeout(Some(10));
        Ok(())
    };
    connect_plainly(&mut bed, &to, Script::new("stranger"));
    bed.until_lost(&["stranger"]);
    assert_eq!(bed.reactor.stats().handshakes_failed, 1);
    let drips = Script::new("dripping").made(|cx, _| {
        cx.transport().write(&[0x16, 3, 1, 1, 0]);
        cx.transport().set_timeout(Some(10));
        Ok(())
    });
    secure(false);
    bed.connect(&to, "dripping", drips.timeout(drip));
    secure(true);
    bed.until_lost(&["dripping"]);
    assert_eq!(bed.log.course("server"), []);
    assert_eq!(bed.reactor.stats().handshakes_failed, 2);
}

pub(crate) fn a_handshake_has_its_bytes_and_no_more<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| Script::new("server"));
    // The head of a hello of 60,000 bytes, in records of which none is the last.
    let mut flood = Vec::new();
    for record in 0..4 {
        flood.extend_from_slice(&[0x16, 3, 1, 0x3f, 0xff]);
        let mut body = vec![0; 0x3fff];
        if record == 0 {
            body[..4].copy_from_slice(&[1, 0, 0xea, 0x60]);
        }
        flood.extend_from_slice(&body);
    }
    connect_plainly(&mut bed, &to, Script::new("stranger").says(flood));
    bed.until_lost(&["stranger"]);
    assert_eq!(bed.log.course("server"), []);
    assert_eq!(bed.reactor.stats().handshakes_failed, 1);
}

/// Those beyond their number are let in when others are over, one way or the other.
pub(crate) fn handshakes_have_their_number_and_no_more<B: Backend>(backend: &dyn Fn() -> B) {
    let settings = Settings { handshakes_max: 2, handshake_ms: 300, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, to) = bed.listen(|| Script::new("server"));
    for _ in 0..5 {
        connect_plainly(&mut bed, &to, Script::new("stranger"));
    }
    bed.until(|log| log.count("stranger", Seen::Made) == 5);
    bed.connect(&to, "client", Script::new("client"));
    let mut most = 0;
    while !bed.log.saw("server", Seen::Made) {
        bed.turn();
        most = most.max(bed.reactor.stats().handshaking);
    }
    let stats = bed.reactor.stats();
    assert_eq!((most, stats.handshakes), (2, 1));
    assert!(stats.handshakes_full > 0);
    bed.until(|log| log.seen.iter().filter(|(_, seen)| matches!(seen, Seen::Lost(_))).count() == 5);
    let stats = bed.reactor.stats();
    assert_eq!((stats.handshakes_failed, stats.handshaking, stats.refused), (5, 0, 0));
}

/// A stranger who says only what a proxy says of them.
fn stranger_from<B: Backend>(bed: &mut Bed<B>, to: &ClientEndpoint, name: &'static str, ip: &str) {
    let family = if ip.contains(':') { "TCP6" } else { "TCP4" };
    let header = format!("PROXY {family} {ip} {ip} 1 2\r\n");
    secure(false);
    bed.connect(to, name, Script::new(name).says(header));
    secure(true);
}

fn await_handshakes<B: Backend>(bed: &mut Bed<B>, count: u64) {
    while bed.reactor.stats().handshaking != count {
        bed.turn();
    }
}

pub(crate) fn handshakes_of_one_address_have_their_share<B: Backend>(backend: &dyn Fn() -> B) {
    let settings = Settings { handshakes_per_address_max: 2, ..Settings::default() };
    for [near, nearer, other] in [
        ["192.0.2.1", "192.0.2.1", "192.0.2.2"],
        ["2001:db8:0:7::1", "2001:db8:0:7:ffff::2", "2001:db8:0:8::1"],
    ] {
        let mut bed = Bed::with_settings(backend(), settings.clone());
        let options = ListenOptions { proxied: true, ..ListenOptions::default() };
        let (_, to) = bed.listen_with(options, || Script::new("server"));
        stranger_from(&mut bed, &to, "one", near);
        await_handshakes(&mut bed, 1);
        stranger_from(&mut bed, &to, "two", nearer);
        await_handshakes(&mut bed, 2);
        stranger_from(&mut bed, &to, "three", near);
        bed.until_lost(&["three"]);
        let stats = bed.reactor.stats();
        assert_eq!((stats.handshakes_refused, stats.refused, stats.handshaking), (1, 1, 2));
        stranger_from(&mut bed, &to, "four", other);
        await_handshakes(&mut bed, 3);
        // The end of one makes room for the next.
        let one = bed.log.ids["one"];
        bed.with(|cx, _| cx.transport_of(one).abort());
        await_handshakes(&mut bed, 2);
        stranger_from(&mut bed, &to, "five", nearer);
        await_handshakes(&mut bed, 3);
        assert_eq!(bed.reactor.stats().handshakes_refused, 1);
        assert_eq!(bed.log.course("server"), []);
    }
}

/// Behind a proxy they count from the start: headers that come late can't be too many.
pub(crate) fn handshakes_behind_a_proxy_have_their_number_too<B: Backend>(backend: &dyn Fn() -> B) {
    let settings = Settings { handshakes_max: 2, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let options = ListenOptions { proxied: true, ..ListenOptions::default() };
    let (_, to) = bed.listen_with(options, || Script::new("server"));
    secure(false);
    for name in ["one", "two", "three"] {
        bed.connect(&to, name, Script::new(name).stays());
    }
    secure(true);
    bed.until(|log| ["one", "two", "three"].iter().all(|name| log.saw(name, Seen::Made)));
    while bed.reactor.stats().handshakes_full == 0 {
        bed.turn();
    }
    assert_eq!((bed.reactor.stats().accepted, bed.reactor.stats().handshaking), (2, 2));
    let header = b"PROXY TCP4 192.0.2.1 192.0.2.1 1 2\r\n";
    let ids = bed.log.ids.clone();
    bed.with(|cx, _| ids.values().for_each(|id| cx.transport_of(*id).write(header)));
    bed.pass(100);
    assert_eq!((bed.reactor.stats().accepted, bed.reactor.stats().handshaking), (2, 2));
    bed.with(|cx, _| ["one", "two"].iter().for_each(|name| cx.transport_of(ids[name]).abort()));
    while bed.reactor.stats().accepted < 3 {
        bed.turn();
    }
    await_handshakes(&mut bed, 1);
}

pub(crate) fn who_is_not_whom_it_dialled_is_no_connection<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| Script::new("server"));
    bed.connect_as(&to, "misled", client_of("meadow.example"));
    bed.until(|log| log.saw("misled", Seen::Failed(ConnectError::Handshake)));
    assert_eq!(bed.log.course("server"), []);
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.saw("server", Seen::Made) && log.saw("client", Seen::Made));
    let id = bed.log.ids["server"];
    bed.with(|cx, _| assert!(cx.transport_of(id).is_secure()));
}

pub(crate) fn certificates_may_change_while_they_are_shown<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let secure = server_of(HOST);
    let (_, to) = bed.listen_with_exactly(
        ListenOptions { secure: Some(secure.clone()), ..ListenOptions::default() },
        || Script::new("server").echoes(),
    );
    bed.connect_as(&to, "before", client_of(HOST));
    bed.until(|log| log.saw("before", Seen::Made) && log.saw("server", Seen::Made));
    secure.change_to(&server_of("meadow.example"));
    bed.connect_as(&to, "late", client_of(HOST));
    bed.connect_as(&to, "after", client_of("meadow.example"));
    let failed = Seen::Failed(ConnectError::Handshake);
    bed.until(|log| log.saw("late", failed) && log.saw("after", Seen::Made));
    // Who was there before stays.
    let id = bed.log.ids["before"];
    bed.with(|cx, _| cx.transport_of(id).write(b"still here"));
    bed.until(|log| log.got("before") == b"still here");
}

pub(crate) fn a_stop_ends_handshakes<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| Script::new("server"));
    connect_plainly(&mut bed, &to, Script::new("stranger").stays());
    bed.until(|log| log.saw("stranger", Seen::Made));
    // Whoever dials has a handshake under way, too.
    secure(false);
    let (_, silent) = bed.listen(|| Script::new("silent"));
    secure(true);
    bed.connect(&silent, "client", Script::new("client"));
    bed.until(|log| log.saw("silent", Seen::Received));
    bed.with(|cx, _| cx.stop());
    bed.run();
    assert!(bed.log.saw("client", Seen::Failed(ConnectError::Stopping)));
    assert_eq!(bed.log.course("server"), []);
    assert_eq!(bed.reactor.stats().open_all(), 0);
}

pub(crate) fn a_listener_that_closed_takes_nobody_from_a_handshake<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let mut bed = Bed::new(backend());
    let (listener, to) = bed.listen(|| Script::new("server"));
    bed.connect(&to, "client", Script::new("client"));
    while bed.reactor.stats().accepted == 0 {
        bed.turn();
    }
    bed.with(|cx, _| cx.stop_listening(listener));
    let no = |log: &Log| {
        log.lost("client").is_some() || log.saw("client", Seen::Failed(ConnectError::Handshake))
    };
    bed.until(no);
    assert_eq!(bed.log.course("server"), []);
}

/// A factory that makes nothing.
struct Nobody;

impl Factory<Log> for Nobody {
    fn build(&mut self, _: &Peer, _: &mut Log) -> Option<Box<dyn Protocol<Log>>> {
        None
    }
}

pub(crate) fn a_factory_may_still_say_no<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let to = bed.with(|cx, _| {
        let options = secured(ListenOptions::default());
        let endpoint: ServerEndpoint = "tcp:0".parse().unwrap();
        let id = cx.listen(&endpoint, options, Nobody).unwrap();
        let Some(Peer::Tcp(addr)) = cx.local_addr(id) else { panic!("no address") };
        format!("tcp:127.0.0.1:{}", addr.port()).parse().unwrap()
    });
    bed.connect(&to, "client", Script::new("client"));
    bed.until_lost(&["client"]);
    assert_eq!(bed.log.lost("client"), Some(Lost::PeerClosed), "in order");
    bed.until(|_| true);
    let stats = bed.reactor.stats();
    assert_eq!((stats.refused, stats.handshakes_failed), (1, 0));
}

/// What a third party does with the bytes that pass it by towards the server.
#[derive(Clone, Copy)]
struct Meddling {
    /// Bytes that pass before it acts.
    after: usize,
    cuts: bool,
}

/// A relay in the clear between a client and the server, which changes a byte, or ends the stream.
fn relay<B: Backend>(bed: &mut Bed<B>, to: &ClientEndpoint, meddling: Meddling) -> ClientEndpoint {
    let to = to.clone();
    secure(false);
    let (_, relayed) = bed.listen(move || {
        let to = to.clone();
        let mut passed = 0;
        let script = Script::new("relay").made(move |cx, _| {
            secure(false);
            connect(cx, &to, "onward", onward());
            secure(true);
            // Until the way onward is open.
            cx.transport().pause();
            Ok(())
        });
        script.received(move |cx, log, input| {
            let onward = log.ids["onward"];
            let mut bytes = input.take_all().to_vec();
            let acts = (passed..passed + bytes.len()).contains(&meddling.after);
            if acts && meddling.cuts {
                bytes.truncate(meddling.after - passed);
            } else if acts {
                bytes[meddling.after - passed] ^= 1;
            }
            passed += bytes.len();
            cx.transport_of(onward).write(&bytes);
            if acts && meddling.cuts {
                cx.transport_of(onward).close();
            }
            Ok(())
        })
    });
    secure(true);
    relayed
}

/// The relay's other connection, dialled in the clear.
fn onward() -> Script {
    let script = Script::new("onward").made(|cx, log| {
        let relay = log.ids["relay"];
        cx.transport_of(relay).resume();
        Ok(())
    });
    script.received(|cx, log, input| {
        let relay = log.ids["relay"];
        cx.transport_of(relay).write(input.take_all());
        Ok(())
    })
}

/// A client that sends this much through a meddling relay; the bed when the server's end came.
fn meddled<B: Backend>(backend: B, meddling: Meddling) -> Bed<B> {
    let mut bed = Bed::new(backend);
    let (_, server) = bed.listen(|| Script::new("server"));
    let relayed = relay(&mut bed, &server, meddling);
    bed.connect(&relayed, "client", Script::new("client").says(pattern(30_000)));
    bed.until(|log| log.lost("server").is_some());
    bed
}

pub(crate) fn a_changed_byte_loses_the_connection_for_both<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = meddled(backend(), Meddling { after: 20_000, cuts: false });
    assert_eq!(bed.log.lost("server"), Some(Lost::Wire));
    // Of the record that was changed, nothing is believed.
    let got = bed.log.got("server");
    assert_eq!(got, &pattern(30_000)[..got.len()]);
    assert!(got.len() <= 20_000, "{}", got.len());
    // The alert that says so gets there, too.
    bed.until_lost(&["client"]);
    assert_eq!(bed.log.lost("client"), Some(Lost::Wire));
}

pub(crate) fn an_end_that_nobody_signed_is_a_reset<B: Backend>(backend: &dyn Fn() -> B) {
    let bed = meddled(backend(), Meddling { after: 20_000, cuts: true });
    assert_eq!(bed.log.course("server"), [Seen::Made, Seen::Lost(Lost::PeerReset)]);
}

/// Reads as little as the loop can be told to.
pub(crate) fn a_byte_at_a_time_is_as_good<B: Backend>(backend: &dyn Fn() -> B) {
    let settings = Settings { read_bytes: 1, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, to) = bed.listen(|| Script::new("server").echoes());
    let client = Script::new("client").says(pattern(5_000)).received(|cx, log, input| {
        let got = log.got.entry("client").or_default();
        got.extend_from_slice(input.take_all());
        if got.len() == 5_000 {
            cx.transport().close();
        }
        Ok(())
    });
    bed.connect(&to, "client", client);
    bed.until_lost(&["server", "client"]);
    assert_eq!(bed.log.got("client"), pattern(5_000));
    assert_eq!(bed.log.lost("server"), Some(Lost::PeerClosed));
    assert_eq!(bed.log.lost("client"), Some(Lost::Local));
}
