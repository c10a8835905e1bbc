//! The loop itself: timers, the pool, calls from other threads, stopping and starting again.

use std::thread;

use bellwether::reactor::{Backend, ConnectError, Finish, ListenOptions, Lost, Settings};

use crate::bed::{Bed, Cx, Log, Script, Seen, connect};

pub(crate) fn timers_fire_in_order_and_equal_ones_as_they_were_made<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let mut bed = Bed::new(backend());
    let plan = [(30, 0), (10, 1), (20, 2), (10, 3), (30, 4), (0, 5), (10, 6), (0, 7)];
    bed.with(|cx, _| {
        let began = cx.now();
        for (ms, number) in plan {
            cx.call_later(ms, move |cx, log| {
                assert!(cx.now() >= began + ms, "early");
                log.got.entry("order").or_default().push(number);
            });
        }
    });
    bed.until(|log| log.got("order").len() == plan.len());
    assert_eq!(bed.log.got("order"), [5, 7, 1, 3, 6, 2, 0, 4]);
}

fn again(cx: &mut Cx<'_>, log: &mut Log) {
    let turn = cx.stats().turns + 1;
    assert!(std::mem::replace(log.number("turn"), turn) < turn, "twice in a turn");
    *log.number("times") += 1;
    cx.call_later(0, again);
}

pub(crate) fn a_timer_of_zero_waits_for_the_next_turn<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    bed.with(|cx, _| cx.call_later(0, again));
    bed.until(|log| log.numbers.get("times") == Some(&20));
}

pub(crate) fn a_cancelled_timer_does_not_fire<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (fired, cancelled, second) = bed.with(|cx, _| {
        let fired = cx.call_later(5, |_, log| log.note("first"));
        let cancelled = cx.call_later(5, |_, log| log.note("cancelled"));
        let second = cx.call_later(5, |_, log| log.note("second"));
        // One timer may take back another that is due with it.
        cx.call_later(4, move |cx, _| assert!(cx.cancel(cancelled)));
        (fired, cancelled, second)
    });
    bed.until(|log| log.noted("second"));
    assert!(bed.log.noted("first") && !bed.log.noted("cancelled"));
    // Their slots may have new owners: stale names take nothing back.
    let fresh = bed.with(|cx, _| cx.call_later(5, |_, log| log.note("fresh")));
    for stale in [fired, cancelled, second] {
        assert!(!bed.with(|cx, _| cx.cancel(stale)));
    }
    bed.until(|log| log.noted("fresh"));
    assert!(!bed.with(|cx, _| cx.cancel(fresh)));
}

pub(crate) fn jobs_end_in_the_loop<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| {
        Script::new("server").received(|cx, _, input| {
            let asked = input.take_all().to_vec();
            let id = cx.id();
            cx.transport().pause();
            cx.offload(Box::new(move || {
                let answer: Vec<u8> = asked.iter().rev().copied().collect();
                Box::new(move |cx, _| {
                    cx.transport_of(id).write(&answer);
                    cx.transport_of(id).resume();
                })
            }))?;
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client").says("x"));
    bed.until(|log| log.got("client") == b"x");
    assert_eq!(bed.reactor.stats().jobs, 1);
}

fn count() -> Finish<Log> {
    Box::new(|_, log| *log.number("ended") += 1)
}

pub(crate) fn a_full_pool_says_so_and_recovers<B: Backend>(backend: &dyn Fn() -> B) {
    let settings = Settings { pool_queue_max: 2, pool_threads: 1, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let taken: Vec<bool> =
        bed.with(|cx, _| (0..4).map(|_| cx.offload(Box::new(count)).is_ok()).collect());
    assert_eq!(taken, [true, true, false, false]);
    bed.until(|log| log.numbers.get("ended") == Some(&2));
    assert!(bed.with(|cx, _| cx.offload(Box::new(count)).is_ok()));
    bed.until(|log| log.numbers.get("ended") == Some(&3));
    assert_eq!(bed.reactor.stats().jobs_refused, 2);
    assert_eq!(bed.reactor.stats().jobs, 3);
}

fn watch(cx: &mut Cx<'_>, log: &mut Log) {
    match cx.stats().panics {
        0 => drop(cx.call_later(1, watch)),
        _ => log.note("counted"),
    }
}

pub(crate) fn a_job_that_panics_is_counted<B: Backend>(backend: &dyn Fn() -> B) {
    let settings = Settings { pool_queue_max: 1, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    bed.with(|cx, _| {
        cx.offload(Box::new(|| panic!("in a job"))).unwrap();
        cx.call_later(1, watch);
    });
    bed.until(|log| log.noted("counted"));
    // Its place in the queue is free again.
    bed.with(|cx, _| cx.offload(Box::new(|| Box::new(|_, log| log.note("next")))).unwrap());
    bed.until(|log| log.noted("next"));
}

pub(crate) fn remote_calls_arrive_in_order<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let remote = bed.with(|cx, _| cx.remote());
    let calls = thread::spawn(move || {
        for number in 0..200_u8 {
            remote.call(move |_, log| log.got.entry("remote").or_default().push(number));
        }
    });
    // A simulated loop has no other thread to wait for.
    calls.join().unwrap();
    bed.until(|log| log.got("remote").len() == 200);
    assert!(bed.log.got("remote").is_sorted());
}

pub(crate) fn a_stop_closes_everything_and_ends_the_loop<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    bed.reactor.on_stop(|cx, log| {
        assert!(cx.draining());
        assert!(cx.listen(&"tcp:0".parse().unwrap(), ListenOptions::default(), no).is_err());
        log.note("stop");
    });
    let (listener, to) = bed.listen(|| {
        Script::new("server").received(|cx, _, input| {
            input.take_all();
            cx.transport().write(&vec![5; 500_000]);
            cx.stop();
            cx.stop();
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client").says("stop"));
    bed.run();
    assert_eq!(bed.log.count("test", Seen::Note("stop")), 1);
    // Both ends close, each with what had come by then.
    assert!(bed.log.lost("server").is_some() && bed.log.lost("client").is_some());
    assert_eq!(bed.reactor.stats().open_all(), 0);
    assert_eq!(bed.with(|cx, _| cx.local_addr(listener)), None);
}

fn no(_: &bellwether::reactor::Peer, _: &mut Log) -> Box<dyn bellwether::reactor::Protocol<Log>> {
    Script::new("nobody").boxed()
}

pub(crate) fn a_stop_waits_for_who_holds_it<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    bed.reactor.on_stop(|cx, _| {
        cx.hold();
        cx.call_later(20, |cx, log| {
            log.note("released");
            let server = log.ids["server"];
            cx.transport_of(server).write(b"done");
            cx.release();
        });
    });
    let (_, to) = bed.listen(|| Script::new("server"));
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.saw("server", Seen::Made) && log.saw("client", Seen::Made));
    bed.with(|cx, _| cx.stop());
    bed.run();
    assert!(bed.log.noted("released"));
    let place = |wanted| bed.log.seen.iter().position(|(_, seen)| *seen == wanted);
    assert!(place(Seen::Note("released")) < place(Seen::Lost(Lost::Shutdown)));
}

pub(crate) fn a_stop_does_not_wait_beyond_its_deadline<B: Backend>(backend: &dyn Fn() -> B) {
    let settings = Settings { drain_ms: 50, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    bed.reactor.on_stop(|cx, _| cx.hold());
    let (_, to) = bed.listen(|| Script::new("server"));
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.saw("server", Seen::Made) && log.saw("client", Seen::Made));
    bed.with(|cx, _| cx.stop());
    bed.run();
    assert_eq!(bed.log.lost("server"), Some(Lost::Shutdown));
    assert_eq!(bed.log.lost("client"), Some(Lost::Shutdown));
}

pub(crate) fn a_loop_may_be_run_again<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    for _ in 0..3 {
        bed.log = Log::default();
        let stale = bed.with(|cx, _| cx.call_later(60_000, |_, log| log.note("of another run")));
        let (_, to) = bed.listen(|| Script::new("server").echoes());
        let client = Script::new("client").says("x").received(|cx, _, _| {
            cx.stop();
            Ok(())
        });
        bed.connect(&to, "client", client);
        bed.run();
        assert_eq!(bed.log.lost("client"), Some(Lost::Shutdown));
        assert!(!bed.with(|cx, _| cx.cancel(stale)));
        assert!(!bed.with(|cx, _| cx.draining()));
    }
    bed.pass(10);
}

pub(crate) fn a_connect_made_by_a_last_word_fails_while_stopping<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| Script::new("server"));
    let again = to.clone();
    let client = Script::new("client").lost(move |cx, _, _| {
        connect(cx, &again, "again", Script::new("again"));
    });
    bed.connect(&to, "client", client);
    bed.until(|log| log.saw("server", Seen::Made) && log.saw("client", Seen::Made));
    // The drain goes on for a while after the client has gone.
    bed.reactor.on_stop(|cx, _| {
        cx.hold();
        cx.call_later(20, |cx, _| cx.release());
    });
    let client = bed.log.ids["client"];
    bed.with(|cx, _| {
        cx.stop();
        cx.transport_of(client).abort();
    });
    bed.run();
    assert!(bed.log.saw("again", Seen::Failed(ConnectError::Stopping)));
    assert!(!bed.log.saw("again", Seen::Made));
}

pub(crate) fn a_deadline_of_one_drain_does_not_cut_the_next<B: Backend>(backend: &dyn Fn() -> B) {
    let settings = Settings { drain_ms: 60, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    bed.with(|cx, _| cx.stop());
    bed.run();
    bed.pass(40);
    bed.reactor.on_stop(|cx, _| {
        cx.hold();
        cx.call_later(40, |cx, log| {
            log.note("released");
            cx.release();
        });
    });
    bed.with(|cx, _| cx.stop());
    bed.run();
    assert!(bed.log.noted("released"));
}

pub(crate) fn the_clock_stands_still_within_a_turn<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    bed.with(|cx, _| {
        cx.call_later(3, |cx, log| {
            let (now, wall) = (cx.now(), cx.wall_ns());
            let until = 500_000;
            let sum = (0..until).fold(0_u64, |sum, n| sum ^ (n * n));
            assert!(sum < u64::MAX);
            assert_eq!((cx.now(), cx.wall_ns()), (now, wall));
            // Later than this was written.
            assert!(wall > 1_700_000_000_000_000_000);
            log.note("done");
        });
    });
    bed.until(|log| log.noted("done"));
}
