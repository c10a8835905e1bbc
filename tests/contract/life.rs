//! The life of a connection: its calls in order, its ends and their reasons, half-close, time.

use bellwether::reactor::{Backend, Class, ConnId, ListenOptions, Lost, Settings};

use crate::bed::{Bed, Cx, Log, Script, Seen, pattern, plenty};

pub(crate) fn made_comes_first_and_lost_once_and_last<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| Script::new("server").echoes());
    let client = Script::new("client").says("bye").received(|cx, _, input| {
        if input.len() == 3 {
            input.take_all();
            cx.transport().close();
            cx.transport().close();
        }
        Ok(())
    });
    bed.connect(&to, "client", client);
    bed.until_lost(&["server", "client"]);
    bed.pass(50);
    assert_eq!(bed.log.course("client"), [Seen::Made, Seen::Lost(Lost::Local)]);
    let server = [Seen::Made, Seen::ReadClosed, Seen::Lost(Lost::PeerClosed)];
    assert_eq!(bed.log.course("server"), server);
    assert_eq!(bed.reactor.stats().open_all(), 0);
}

pub(crate) fn a_half_closing_client_gets_its_answer<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        let server = Script::new("server").received(|_, _, _| Ok(()));
        server.read_closed(|cx, _, input| {
            let answer = [b"you said: ", input.take_all()].concat();
            // The answer takes its time.
            let id = cx.id();
            cx.call_later(20, move |cx, _| {
                cx.transport_of(id).write(&answer);
                cx.transport_of(id).close();
            });
            Ok(())
        })
    });
    let client = Script::new("client").made(|cx, _| {
        cx.transport().write(b"IAMAT x");
        cx.transport().close_write();
        Ok(())
    });
    bed.connect(&to, "client", client);
    bed.until_lost(&["server", "client"]);
    assert_eq!(bed.log.got("client"), b"you said: IAMAT x");
    assert_eq!(bed.log.lost("server"), Some(Lost::PeerClosed));
    assert_eq!(bed.log.lost("client"), Some(Lost::PeerClosed));
}

pub(crate) fn an_unterminated_line_is_still_there_when_the_peer_closes<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        let server = Script::new("server").received(|cx, _, input| {
            while cx.more() {
                let Some(end) = input.data().iter().position(|byte| *byte == b'\n') else { break };
                input.take(end + 1);
            }
            Ok(())
        });
        server.read_closed(|cx, log, input| {
            log.got.insert("rest", input.take_all().to_vec());
            cx.transport().close();
            Ok(())
        })
    });
    let client = Script::new("client").made(|cx, _| {
        cx.transport().write(b"one\ntwo\nthree");
        cx.transport().close();
        Ok(())
    });
    bed.connect(&to, "client", client);
    bed.until_lost(&["server", "client"]);
    assert_eq!(bed.log.got("rest"), b"three");
}

pub(crate) fn a_large_answer_to_a_half_closed_client_arrives<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        // Asked twice at once: the first answer fills the buffer, the second waits for room, and
        // the end of input is told after both.
        Script::new("server").received(|cx, _, input| {
            while !input.is_empty() && cx.more() {
                input.take(1);
                cx.transport().write(&pattern(400_000));
            }
            Ok(())
        })
    });
    let client = Script::new("client").made(|cx, _| {
        cx.transport().write(b"aa");
        cx.transport().close_write();
        Ok(())
    });
    bed.connect(&to, "client", client);
    bed.until_lost(&["server", "client"]);
    assert_eq!(bed.log.got("client").len(), 800_000);
    assert!(bed.log.got("client")[400_000..] == pattern(400_000));
}

pub(crate) fn the_end_of_input_is_told_after_all_of_it_was_offered<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let settings = Settings { events_per_turn: 10, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, to) = bed.listen(|| {
        Script::new("server").received(|cx, _, input| {
            while !input.is_empty() && cx.more() {
                let byte = input.take(1)[0];
                cx.transport().write(&[byte]);
            }
            Ok(())
        })
    });
    let client = Script::new("client").made(|cx, _| {
        cx.transport().write(&pattern(995));
        cx.transport().close_write();
        Ok(())
    });
    bed.connect(&to, "client", client);
    bed.until_lost(&["server", "client"]);
    assert!(bed.log.got("client") == pattern(995));
}

pub(crate) fn both_half_closes_end_the_connection<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let half_closes = |name| {
        let script = Script::new(name).made(|cx, _| {
            cx.transport().write(b"last words");
            cx.transport().close_write();
            cx.transport().write(b"not sent");
            Ok(())
        });
        script.stays()
    };
    let (_, to) = bed.listen(move || half_closes("server"));
    bed.connect(&to, "client", half_closes("client"));
    bed.until_lost(&["server", "client"]);
    assert_eq!(bed.log.got("client"), b"last words");
    assert_eq!(bed.log.got("server"), b"last words");
    assert_eq!(bed.log.lost("client"), Some(Lost::PeerClosed));
    assert_eq!(bed.log.lost("server"), Some(Lost::PeerClosed));
}

pub(crate) fn a_reset_does_not_eat_the_last_reply<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        Script::new("server").received(|cx, _, _| {
            // Refuses what it did not read to its end.
            cx.transport().write(b"413 too large");
            cx.transport().close();
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client").says(vec![b'x'; 150_000]));
    bed.until_lost(&["server", "client"]);
    assert_eq!(bed.log.got("client"), b"413 too large");
    assert_eq!(bed.log.lost("client"), Some(Lost::PeerClosed));
    assert_eq!(bed.log.lost("server"), Some(Lost::Local));
}

pub(crate) fn an_abort_is_a_reset_for_the_peer<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        Script::new("server").received(|cx, _, _| {
            cx.transport().write(b"dropped");
            cx.transport().abort();
            assert!(!cx.transport().is_open());
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client").says("x"));
    bed.until_lost(&["server", "client"]);
    assert_eq!(bed.log.lost("server"), Some(Lost::Local));
    assert_eq!(bed.log.lost("client"), Some(Lost::PeerReset));
    assert_eq!(bed.log.got("client"), b"");
}

pub(crate) fn nothing_is_fed_after_a_close_or_abort<B: Backend>(backend: &dyn Fn() -> B) {
    for abort in [false, true] {
        let mut bed = Bed::new(backend());
        let (_, to) = bed.listen(move || {
            Script::new("server").received(move |cx, _, input| {
                input.take(1);
                assert!(cx.more());
                if abort {
                    cx.transport().abort();
                } else {
                    cx.transport().close();
                }
                assert!(!cx.more());
                cx.transport().notify();
                cx.transport().set_timeout(Some(0));
                Ok(())
            })
        });
        bed.connect(&to, "client", Script::new("client").says(vec![1; 1_000]));
        bed.until_lost(&["server", "client"]);
        assert_eq!(bed.log.count("server", Seen::Received), 1);
        assert_eq!(bed.log.course("server"), [Seen::Made, Seen::Lost(Lost::Local)]);
    }
}

pub(crate) fn writes_after_a_close_go_nowhere<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        Script::new("server").made(|cx, _| {
            let own = cx.transport().buffered();
            cx.transport().write(b"before");
            cx.transport().close();
            cx.transport().write(b"after");
            cx.transport().out().put(b"after");
            assert_eq!(cx.transport().buffered(), own + 6);
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client"));
    bed.until_lost(&["server", "client"]);
    assert_eq!(bed.log.got("client"), b"before");
}

pub(crate) fn a_closing_connection_does_not_wait_for_ever_for_the_peer<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let settings = Settings { linger_ms: 40, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, to) = bed.listen(|| {
        Script::new("server").made(|cx, _| {
            cx.transport().write(b"bye");
            cx.transport().close();
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client").stays());
    bed.until_lost(&["server"]);
    assert_eq!(bed.log.lost("server"), Some(Lost::Local));
    bed.until(|log| log.got("client") == b"bye");
}

pub(crate) fn a_closing_connection_does_not_wait_for_ever_for_a_reader<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let settings = Settings { linger_ms: 40, ..Settings::default() };
    let backend = backend();
    let bytes = 2 * plenty(&backend);
    let mut bed = Bed::with_settings(backend, settings);
    let (_, to) = bed.listen(move || {
        Script::new("server").made(move |cx, _| {
            cx.transport().write(&vec![0; bytes]);
            cx.transport().close();
            Ok(())
        })
    });
    let client = Script::new("client").made(|cx, _| {
        cx.transport().pause();
        Ok(())
    });
    bed.connect(&to, "client", client);
    bed.until_lost(&["server"]);
    assert_eq!(bed.log.lost("server"), Some(Lost::Slow));
}

pub(crate) fn stale_ids_do_nothing<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| Script::new("server").echoes());
    let goes = || {
        Script::new("first").made(|cx, _| {
            cx.transport().close();
            Ok(())
        })
    };
    bed.connect(&to, "first", goes());
    bed.until_lost(&["first", "server"]);
    let (server, first) = (bed.log.ids["server"], bed.log.ids["first"]);
    bed.connect(&to, "second", Script::new("second"));
    bed.until(|log| log.ids["server"] != server && log.saw("second", Seen::Made));
    for id in [server, first, ConnId::NONE] {
        bed.with(|cx, _| {
            let mut stale = cx.transport_of(id);
            assert!(!stale.is_open() && !stale.is_full());
            stale.write(b"nobody");
            stale.out().put(b"nobody");
            assert_eq!(stale.buffered(), 0);
            stale.pause();
            stale.set_timeout(Some(0));
            stale.set_idle(Some(0));
            stale.set_input_cap(1);
            stale.set_class(Class::Peer);
            stale.notify();
            stale.resume();
            stale.close_write();
            stale.close();
            stale.abort();
        });
    }
    let second = bed.log.ids["second"];
    bed.with(|cx, _| cx.transport_of(second).write(b"still here"));
    bed.until(|log| log.got("second") == b"still here");
    assert_eq!(bed.log.lost("second"), None);
    assert_eq!(bed.reactor.stats().open, [1, 0, 1]);
}

pub(crate) fn an_idle_connection_is_lost<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let options = ListenOptions { idle_ms: Some(50), ..ListenOptions::default() };
    let (_, to) = bed.listen_with(options, || Script::new("server"));
    bed.connect(&to, "client", Script::new("client").says("x"));
    bed.until_lost(&["server", "client"]);
    assert_eq!(bed.log.lost("server"), Some(Lost::Idle));
    // With nothing unsent it is closed in order: a reset would eat what the peer has yet to take.
    assert_eq!(bed.log.lost("client"), Some(Lost::PeerClosed));
}

pub(crate) fn traffic_keeps_a_connection_from_being_idle<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let options = ListenOptions { idle_ms: Some(400), ..ListenOptions::default() };
    let (_, to) = bed.listen_with(options, || Script::new("server").echoes());
    let beats = |cx: &mut Cx<'_>, _: &mut Log| {
        cx.transport().write(b"beat");
        cx.transport().set_timeout(Some(25));
        Ok(())
    };
    bed.connect(&to, "client", Script::new("client").made(beats).timeout(beats));
    bed.until(|log| log.got("client").len() >= 80);
    assert_eq!(bed.log.lost("server"), None);
}

pub(crate) fn a_timeout_is_called_once<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        let server = Script::new("server").made(|cx, _| {
            cx.transport().set_timeout(Some(30));
            Ok(())
        });
        server.timeout(|_, _| Ok(()))
    });
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.saw("server", Seen::Timeout));
    bed.pass(100);
    assert_eq!(bed.log.count("server", Seen::Timeout), 1);
    assert_eq!(bed.log.lost("server"), None);
}

pub(crate) fn a_timeout_moves_and_is_taken_back<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        let server = Script::new("server").made(|cx, log| {
            *log.number("made at") = cx.now();
            cx.transport().set_timeout(Some(5_000));
            cx.transport().set_timeout(Some(20));
            cx.transport().set_timeout(Some(60));
            Ok(())
        });
        server.timeout(|cx, log| {
            let waited_ms = cx.now() - *log.number("made at");
            // Not by the first, far away; the second was replaced in time.
            assert!((60..5_000).contains(&waited_ms));
            cx.transport().set_timeout(Some(20));
            cx.transport().set_timeout(None);
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.saw("server", Seen::Timeout));
    bed.pass(100);
    assert_eq!(bed.log.course("server"), [Seen::Made, Seen::Timeout]);
}

pub(crate) fn the_default_timeout_aborts<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        Script::new("server").made(|cx, _| {
            cx.transport().set_timeout(Some(0));
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client"));
    bed.until_lost(&["server"]);
    bed.until(|log| log.was_reset("client"));
    assert_eq!(bed.log.lost("server"), Some(Lost::Idle));
}

pub(crate) fn notified_comes_once_and_never_within<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        let server = Script::new("server").made(|cx, log| {
            cx.transport().notify();
            cx.transport().notify();
            log.note("made ends");
            Ok(())
        });
        server.notified(|cx, log| {
            let turn = cx.stats().turns;
            assert_ne!(std::mem::replace(log.number("turn"), turn), turn, "twice in a turn");
            *log.number("told") += 1;
            if *log.number("told") < 3 {
                cx.transport().notify();
            }
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.count("server", Seen::Notified) == 3);
    bed.pass(30);
    assert_eq!(bed.log.count("server", Seen::Notified), 3);
    let place = |what| bed.log.seen.iter().position(|(_, seen)| *seen == what);
    assert!(place(Seen::Note("made ends")) < place(Seen::Notified));
}

pub(crate) fn an_error_loses_its_connection_only_and_flushes<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, good) = bed.listen(|| Script::new("good").echoes());
    let (_, bad) = bed.listen(|| {
        Script::new("bad").received(|cx, _, input| {
            input.take_all();
            cx.transport().write(b"400 no");
            Err("this is not the protocol".into())
        })
    });
    bed.connect(&good, "other", Script::new("other"));
    bed.connect(&bad, "client", Script::new("client").says("x"));
    bed.until_lost(&["bad", "client"]);
    bed.until(|log| log.saw("other", Seen::Made));
    assert_eq!(bed.log.lost("bad"), Some(Lost::Wire));
    assert_eq!(bed.log.got("client"), b"400 no");
    let other = bed.log.ids["other"];
    bed.with(|cx, _| cx.transport_of(other).write(b"fine"));
    bed.until(|log| log.got("other") == b"fine");
}

pub(crate) fn a_panic_loses_its_connection_only<B: Backend>(backend: &dyn Fn() -> B) {
    let panics: [fn(Script) -> Script; 4] = [
        |script| script.made(|_, _| panic!("in made")),
        |script| script.received(|_, _, _| panic!("in received")),
        |script| {
            let script = script.made(|cx, _| {
                cx.transport().set_timeout(Some(0));
                Ok(())
            });
            script.timeout(|_, _| panic!("in timeout"))
        },
        |script| {
            let script = script.received(|cx, _, input| {
                input.take_all();
                cx.transport().notify();
                Ok(())
            });
            script.notified(|_, _| panic!("in notified"))
        },
    ];
    for panics in panics {
        let mut bed = Bed::new(backend());
        let (_, good) = bed.listen(|| Script::new("good").echoes());
        let (_, bad) = bed.listen(move || panics(Script::new("bad")));
        bed.connect(&good, "other", Script::new("other"));
        bed.connect(&bad, "client", Script::new("client").says("x"));
        bed.until_lost(&["bad"]);
        bed.until(|log| log.was_reset("client") && log.saw("other", Seen::Made));
        assert_eq!(bed.log.lost("bad"), Some(Lost::Fault));
        assert_eq!(bed.log.count("bad", Seen::Lost(Lost::Fault)), 1);
        let other = bed.log.ids["other"];
        bed.with(|cx, _| cx.transport_of(other).write(b"fine"));
        bed.until(|log| log.got("other") == b"fine");
        assert_eq!(bed.reactor.stats().panics, 1);
    }
}

pub(crate) fn a_panic_in_lost_or_a_factory_or_a_timer_is_contained<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let mut bed = Bed::new(backend());
    let (_, bad) = bed.listen(|| Script::new("bad").lost(|_, _, _| panic!("in lost")));
    let (_, worse) = bed.listen(|| panic!("in the factory"));
    bed.connect(
        &bad,
        "one",
        Script::new("one").made(|cx, _| {
            cx.transport().close();
            Ok(())
        }),
    );
    bed.connect(&worse, "two", Script::new("two"));
    bed.with(|cx, _| {
        cx.call_later(1, |_, _| panic!("in a timer"));
    });
    bed.until_lost(&["bad", "one", "two"]);
    bed.pass(5);
    assert_eq!(bed.reactor.stats().panics, 3);
    assert_eq!(bed.reactor.stats().open_all(), 0);
}

pub(crate) fn a_lost_may_end_other_connections<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| Script::new("server"));
    for name in ["one", "two", "three"] {
        let client = Script::new(name).lost(|cx, log, _| {
            for id in log.ids.values() {
                cx.transport_of(*id).abort();
            }
            // Its own connection is gone already.
            assert!(!cx.transport().is_open());
        });
        bed.connect(&to, name, client);
    }
    bed.until(|log| ["one", "two", "three"].iter().all(|name| log.saw(name, Seen::Made)));
    bed.until(|log| log.count("server", Seen::Made) == 3);
    let one = bed.log.ids["one"];
    bed.with(|cx, _| cx.transport_of(one).abort());
    bed.until_lost(&["one", "two", "three"]);
    for name in ["one", "two", "three"] {
        assert_eq!(bed.log.count(name, Seen::Lost(Lost::Local)), 1);
    }
    bed.until(|log| log.count("server", Seen::Lost(Lost::PeerReset)) >= 2);
}

pub(crate) fn a_paused_connection_hears_of_a_reset<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        Script::new("server").made(|cx, _| {
            cx.transport().pause();
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.saw("server", Seen::Made) && log.saw("client", Seen::Made));
    let client = bed.log.ids["client"];
    bed.with(|cx, _| cx.transport_of(client).abort());
    bed.until_lost(&["server"]);
    assert_eq!(bed.log.lost("server"), Some(Lost::PeerReset));
}

pub(crate) fn reasons_of_its_own_are_kept_and_counted<B: Backend>(backend: &dyn Fn() -> B) {
    for reason in Lost::ALL {
        let mut bed = Bed::new(backend());
        let (_, to) = bed.listen(move || {
            Script::new("server").made(move |cx, _| {
                cx.transport().close_for(reason);
                Ok(())
            })
        });
        bed.connect(
            &to,
            "client",
            Script::new("client").made(move |cx, _| {
                cx.transport().abort_for(reason);
                Ok(())
            }),
        );
        bed.until_lost(&["client"]);
        assert_eq!(bed.log.lost("client"), Some(reason));
        assert!(bed.reactor.stats().lost_by(Class::Peer, reason) >= 1);
    }
}

pub(crate) fn classes_are_counted<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let options = ListenOptions { class: Class::Peer, ..ListenOptions::default() };
    let (_, to) = bed.listen_with(options, || Script::new("server"));
    bed.connect(
        &to,
        "client",
        Script::new("client").made(|cx, _| {
            cx.transport().set_class(Class::Subscriber);
            Ok(())
        }),
    );
    bed.until(|log| log.saw("server", Seen::Made) && log.saw("client", Seen::Made));
    assert_eq!(bed.reactor.stats().open, [0, 1, 1]);
    let client = bed.log.ids["client"];
    bed.with(|cx, _| cx.transport_of(client).close());
    bed.until_lost(&["server", "client"]);
    let stats = bed.reactor.stats();
    assert_eq!(stats.open, [0, 0, 0]);
    assert_eq!(stats.lost_by(Class::Subscriber, Lost::Local), 1);
    assert_eq!(stats.lost_by(Class::Peer, Lost::PeerClosed), 1);
}
