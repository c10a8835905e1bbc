//! What comes before a protocol, and after: a proxy's header, one protocol in the place of another,
//! and the last answers before a stop.

use bellwether::base::ClientEndpoint;
use bellwether::reactor::{Backend, ListenOptions, Lost, Settings};

use crate::bed::{Bed, Script, Seen, connect, is_secured, pattern, secure};

const HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.9 56324 443\r\n";

fn proxied() -> ListenOptions {
    ListenOptions { proxied: true, ..ListenOptions::default() }
}

/// Connects in the clear, be the others secured or not.
fn connect_plainly<B: Backend>(
    bed: &mut Bed<B>,
    to: &ClientEndpoint,
    name: &'static str,
    script: Script,
) {
    let was = is_secured();
    secure(false);
    bed.connect(to, name, script);
    secure(was);
}

/// A proxy in front of a server: says the header, then passes on what comes, either way.
fn proxy<B: Backend>(bed: &mut Bed<B>, to: &ClientEndpoint) -> ClientEndpoint {
    let (to, was) = (to.clone(), is_secured());
    secure(false);
    let (_, before) = bed.listen(move || {
        let to = to.clone();
        let script = Script::new("proxy").made(move |cx, _| {
            let was = is_secured();
            secure(false);
            connect(cx, &to, "behind", behind());
            secure(was);
            cx.transport().pause();
            Ok(())
        });
        script.received(|cx, log, input| {
            let behind = log.ids["behind"];
            cx.transport_of(behind).write(input.take_all());
            Ok(())
        })
    });
    secure(was);
    before
}

fn behind() -> Script {
    let script = Script::new("behind").made(|cx, log| {
        cx.transport().write(HEADER);
        let proxy = log.ids["proxy"];
        cx.transport_of(proxy).resume();
        Ok(())
    });
    script.received(|cx, log, input| {
        let proxy = log.ids["proxy"];
        cx.transport_of(proxy).write(input.take_all());
        Ok(())
    })
}

/// Notes whom it is with, and echoes.
fn host() -> Script {
    let script = Script::new("server").made(|cx, log| {
        let peer = cx.transport().peer();
        log.got.insert("peer", peer.to_string().into_bytes());
        assert!(!peer.is_local());
        Ok(())
    });
    script.echoes()
}

pub(crate) fn a_connection_is_with_whom_a_proxy_tells_of<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, server) = bed.listen_with(proxied(), host);
    let before = proxy(&mut bed, &server);
    bed.connect(&before, "client", Script::new("client").says(pattern(20_000)));
    bed.until(|log| log.got("client").len() == 20_000);
    assert_eq!(bed.log.got("client"), pattern(20_000));
    assert_eq!(bed.log.got("peer"), b"192.0.2.1:56324");
    assert_eq!(bed.reactor.stats().proxies_refused, 0);
}

pub(crate) fn a_header_may_come_in_pieces<B: Backend>(backend: &dyn Fn() -> B) {
    let settings = Settings { read_bytes: 1, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, server) = bed.listen_with(proxied(), host);
    let before = proxy(&mut bed, &server);
    bed.connect(&before, "client", Script::new("client").says("hello"));
    bed.until(|log| log.got("client") == b"hello");
    assert_eq!(bed.log.got("peer"), b"192.0.2.1:56324");
}

pub(crate) fn nobody_is_served_without_the_header<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, server) = bed.listen_with(proxied(), host);
    for (count, said) in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"PROXY TCP5 \r\n", b"\r\n\r\n\0\r\nQUIT\n\x31"]
            .into_iter()
            .enumerate()
    {
        bed.log.seen.clear();
        connect_plainly(&mut bed, &server, "stranger", Script::new("stranger").says(said));
        bed.until_lost(&["stranger"]);
        assert_eq!(bed.log.course("server"), []);
        assert_eq!(bed.reactor.stats().proxies_refused, count as u64 + 1);
    }
    let early = Script::new("early").made(|cx, _| {
        cx.transport().write(b"PROXY ");
        cx.transport().close();
        Ok(())
    });
    connect_plainly(&mut bed, &server, "early", early);
    while bed.reactor.stats().proxies_refused < 4 {
        bed.turn();
    }
    bed.until_lost(&["early"]);
    assert_eq!(bed.log.course("server"), []);
    assert_eq!(bed.reactor.stats().open_all(), 0);
}

pub(crate) fn a_header_has_its_time_and_no_more<B: Backend>(backend: &dyn Fn() -> B) {
    let settings = Settings { proxy_ms: 60, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, server) = bed.listen_with(proxied(), host);
    connect_plainly(&mut bed, &server, "silent", Script::new("silent"));
    bed.until_lost(&["silent"]);
    // It goes on saying something, and never comes to an end.
    let drips = Script::new("dripping").made(|cx, _| {
        cx.transport().write(b"PROXY UNKNOWN ");
        cx.transport().set_timeout(Some(10));
        Ok(())
    });
    let drips = drips.timeout(|cx, _| {
        cx.transport().write(b".");
        cx.transport().set_timeout(Some(10));
        Ok(())
    });
    connect_plainly(&mut bed, &server, "dripping", drips);
    bed.until_lost(&["dripping"]);
    assert_eq!(bed.log.course("server"), []);
    assert_eq!(bed.reactor.stats().proxies_refused, 2);
}

pub(crate) fn a_header_has_its_bytes_and_no_more<B: Backend>(backend: &dyn Fn() -> B) {
    let settings = Settings { proxy_bytes_max: 232, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, server) = bed.listen_with(proxied(), host);
    let header = |length: u16| {
        let front = b"\r\n\r\n\0\r\nQUIT\n\x21\x11";
        let source = [192, 0, 2, 1, 198, 51, 100, 9, 0, 7, 0, 8];
        let rest = vec![0; usize::from(length) - source.len()];
        [&front[..], &length.to_be_bytes(), &source, &rest].concat()
    };
    connect_plainly(&mut bed, &server, "long", Script::new("long").says(header(217)));
    bed.until_lost(&["long"]);
    assert_eq!((bed.log.course("server"), bed.reactor.stats().proxies_refused), (vec![], 1));
    if !is_secured() {
        connect_plainly(&mut bed, &server, "client", Script::new("client").says(header(216)));
        bed.until(|log| log.saw("server", Seen::Made));
        assert_eq!(bed.log.got("peer"), b"192.0.2.1:7");
    }
}

pub(crate) fn a_stop_ends_who_waits_for_a_header<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, server) = bed.listen_with(proxied(), host);
    connect_plainly(&mut bed, &server, "silent", Script::new("silent").stays());
    while bed.reactor.stats().accepted == 0 {
        bed.turn();
    }
    bed.with(|cx, _| cx.stop());
    bed.run();
    assert_eq!(bed.log.course("server"), []);
    assert_eq!(bed.reactor.stats().open_all(), 0);
}

/// In the clear only: here the clients are their own proxies.
pub(crate) fn limits_of_an_address_are_for_whom_a_proxy_tells_of<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let settings = Settings { per_address_max: 1, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, server) = bed.listen_with(proxied(), host);
    let says =
        |name, ip: &str| Script::new(name).says(format!("PROXY TCP4 {ip} {ip} 1 2\r\n{name}"));
    bed.connect(&server, "one", says("one", "192.0.2.1"));
    bed.until(|log| log.got("one") == b"one");
    bed.connect(&server, "two", says("two", "192.0.2.1"));
    bed.until_lost(&["two"]);
    assert_eq!((bed.reactor.stats().refused, bed.log.count("server", Seen::Made)), (1, 1));
    // Someone else behind the same proxy.
    bed.connect(&server, "three", says("three", "192.0.2.3"));
    bed.until(|log| log.got("three") == b"three");
    // A connection without a name counts for nobody.
    bed.connect(&server, "silent", Script::new("silent"));
    let one = bed.log.ids["one"];
    bed.with(|cx, _| cx.transport_of(one).abort());
    bed.until(|log| log.lost("server").is_some());
    bed.connect(&server, "four", says("four", "192.0.2.1"));
    bed.until(|log| log.got("four") == b"four");
}

pub(crate) fn a_protocol_gives_up_its_place_with_every_byte<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        let script = Script::new("first").made(|cx, _| {
            cx.transport().set_timeout(Some(60_000));
            Ok(())
        });
        script.received(|cx, _, input| {
            if input.len() >= 5 {
                cx.transport().pause();
                cx.hand_over(Script::new("second").echoes().boxed());
            }
            Ok(())
        })
    });
    let client = Script::new("client").says(pattern(30_000)).received(|cx, log, input| {
        let got = log.got.entry("client").or_default();
        got.extend_from_slice(input.take_all());
        if got.len() == 30_000 {
            cx.transport().close();
        }
        Ok(())
    });
    bed.connect(&to, "client", client);
    bed.until_lost(&["client", "second"]);
    assert_eq!(bed.log.got("client"), pattern(30_000));
    assert_eq!(bed.log.course("first"), [Seen::Made]);
    let wanted = [Seen::Made, Seen::ReadClosed, Seen::Lost(Lost::PeerClosed)];
    assert_eq!(bed.log.course("second"), wanted);
}

pub(crate) fn who_takes_over_late_hears_of_the_end<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        let script = Script::new("first").received(|_, _, _| Ok(()));
        script.read_closed(|cx, _, input| {
            assert_eq!(input.data(), b"last");
            cx.hand_over(Script::new("second").boxed());
            Ok(())
        })
    });
    let client = Script::new("client").made(|cx, _| {
        cx.transport().write(b"last");
        cx.transport().close_write();
        Ok(())
    });
    bed.connect(&to, "client", client);
    bed.until_lost(&["client", "second"]);
    assert_eq!(bed.log.got("second"), b"last");
    assert_eq!(bed.log.course("second")[..2], [Seen::Made, Seen::ReadClosed]);
}

pub(crate) fn a_timer_may_hand_over<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        let script = Script::new("first").made(|cx, _| {
            cx.transport().set_timeout(Some(20));
            Ok(())
        });
        script.timeout(|cx, _| {
            cx.hand_over(Script::new("second").says("welcome").boxed());
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.got("client") == b"welcome");
    assert_eq!(bed.log.course("first"), [Seen::Made, Seen::Timeout]);
}

pub(crate) fn a_stop_lets_clients_in_use_have_their_last_answers<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let settings = Settings { farewell_ms: 5_000, drain_ms: 20_000, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, to) = bed.listen(|| {
        Script::new("server").received(|cx, _, input| {
            let is_last = cx.leaving();
            assert!(!cx.draining());
            if input.len() < 3 {
                return Ok(());
            }
            cx.transport().write(input.take_all());
            if is_last {
                cx.transport().close();
            }
            Ok(())
        })
    });
    let client = Script::new("client").says("one").timeout(|cx, _| {
        cx.transport().write(b"two");
        Ok(())
    });
    bed.connect(&to, "client", client);
    bed.until(|log| log.got("client") == b"one");
    let client = bed.log.ids["client"];
    let before = bed.with(|cx, _| {
        cx.transport_of(client).set_timeout(Some(40));
        cx.stop();
        cx.now()
    });
    bed.run();
    assert_eq!(bed.log.got("client"), b"onetwo");
    assert_ne!(bed.log.lost("server"), Some(Lost::Shutdown));
    let took_ms = bed.with(|cx, _| cx.now()) - before;
    assert!(took_ms < 5_000, "it goes on as soon as nobody is left: {took_ms} ms");
}

pub(crate) fn a_stop_does_not_wait_for_who_is_silent<B: Backend>(backend: &dyn Fn() -> B) {
    for (silent_ms, is_waited_for) in [(50, false), (0, true)] {
        let farewell_ms = if is_waited_for { 20_000 } else { silent_ms };
        let settings = Settings { farewell_ms, drain_ms: 60_000, ..Settings::default() };
        let mut bed = Bed::with_settings(backend(), settings);
        let (_, to) = bed.listen(|| Script::new("server").echoes());
        bed.connect(&to, "client", Script::new("client").says("one"));
        bed.until(|log| log.got("client") == b"one");
        bed.pass(silent_ms);
        bed.with(|cx, _| cx.stop());
        // At the end of this very turn what is left is ended, unless someone may still ask.
        bed.turn();
        assert_eq!(bed.with(|cx, _| cx.draining()), !is_waited_for);
        if is_waited_for {
            let client = bed.log.ids["client"];
            bed.with(|cx, _| cx.transport_of(client).close());
        }
        bed.run();
        let expected = if is_waited_for { Lost::PeerClosed } else { Lost::Shutdown };
        assert_eq!(bed.log.lost("server"), Some(expected));
    }
}
