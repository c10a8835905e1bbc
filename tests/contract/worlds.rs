//! What only one of the backends can show: signals and replays in simulation, cuts, many loops;
//! threads and leftover socket files on the system.

use std::net::IpAddr;
use std::thread;

use bellwether::base::{ClientEndpoint, ServerEndpoint};
use bellwether::reactor::{
    ConnectError, ListenOptions, Lost, OsBackend, Peer, Settings, Signal, SimBackend, SimFaults,
    SimLoop, SimWorld,
};

use crate::bed::{Bed, Cx, Log, Script, Seen, Way, connect, go, pattern, secured};

fn serve(world: &SimWorld, host: &str, script: fn() -> Script) -> SimLoop<Log> {
    let mut node = SimLoop::new(world, host, Settings::default(), Log::default()).unwrap();
    let endpoint: ServerEndpoint =
        format!("tcp:7001:interface={}", world.address(host)).parse().unwrap();
    node.with(|cx, _| {
        let factory = move |_: &Peer, _: &mut Log| script().boxed();
        cx.listen(&endpoint, secured(ListenOptions::default()), factory).unwrap();
    });
    node
}

fn to(world: &SimWorld, host: &str) -> ClientEndpoint {
    format!("tcp:{}:7001", world.address(host)).parse().unwrap()
}

fn echo_server() -> Script {
    Script::new("server").echoes()
}

/// Two loops under a storm; what happened as a hash.
fn stormy_run(seed: u64) -> (u64, Vec<(&'static str, Seen)>) {
    let world = SimWorld::new(seed, SimFaults::storm());
    let mut a = serve(&world, "a", echo_server);
    let mut b = SimLoop::new(&world, "b", Settings::default(), Log::default()).unwrap();
    for name in ["one", "two", "three", "four"] {
        b.with(|cx, _| {
            connect(cx, &to(&world, "a"), name, Script::new(name).says(pattern(20_000)));
        });
    }
    world.run(&mut [&mut a, &mut b], 10_000).unwrap();
    let mut seen = a.state.seen;
    seen.extend(b.state.seen);
    (world.trace_hash(), seen)
}

#[test]
fn a_seed_gives_the_same_run_to_the_byte() {
    let runs: Vec<_> = (1..=30).map(stormy_run).collect();
    for (seed, run) in (1..=30).zip(&runs) {
        assert_eq!(stormy_run(seed), *run, "seed {seed}");
    }
    let mut hashes: Vec<_> = runs.iter().map(|run| run.0).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), runs.len(), "other seeds, other runs");
    // The storm is one: some connects are refused, some streams break, some work.
    let all: Vec<_> = runs.iter().flat_map(|run| &run.1).map(|(_, seen)| *seen).collect();
    assert!(all.contains(&Seen::Failed(ConnectError::Refused)));
    assert!(all.contains(&Seen::Lost(Lost::PeerReset)));
    assert!(all.contains(&Seen::Received));
}

#[test]
fn under_a_storm_every_connection_ends_once() {
    for seed in 100..150 {
        let (_, seen) = stormy_run(seed);
        for name in ["one", "two", "three", "four"] {
            let of: Vec<_> = seen.iter().filter(|(who, _)| *who == name).collect();
            let made = of.iter().filter(|(_, seen)| *seen == Seen::Made).count();
            let failed = of.iter().filter(|(_, seen)| matches!(seen, Seen::Failed(_))).count();
            let lost = of.iter().filter(|(_, seen)| matches!(seen, Seen::Lost(_))).count();
            assert_eq!(made + failed, 1, "seed {seed}: {of:?}");
            assert!(lost <= made, "seed {seed}: {of:?}");
        }
    }
}

#[test]
fn a_seed_gives_the_same_run_whatever_keys_encipher_it() {
    go(Way::Keys);
    let runs: Vec<_> = (1..=10).map(stormy_run).collect();
    for (seed, run) in (1..=10).zip(&runs) {
        assert_eq!(stormy_run(seed), *run, "seed {seed}");
    }
    let all: Vec<_> = runs.iter().flat_map(|run| &run.1).map(|(_, seen)| *seen).collect();
    assert!(all.contains(&Seen::Failed(ConnectError::Refused)));
    assert!(all.contains(&Seen::Lost(Lost::PeerReset)));
    assert!(all.contains(&Seen::Received));
    go(Way::Clear);
    assert_ne!(stormy_run(1), runs[0], "it was enciphered");
}

#[test]
fn a_one_way_cut_holds_bytes_until_it_heals() {
    let world = SimWorld::new(7, SimFaults::calm());
    let mut a = serve(&world, "a", echo_server);
    let mut b = SimLoop::new(&world, "b", Settings::default(), Log::default()).unwrap();
    b.with(|cx, _| connect(cx, &to(&world, "a"), "client", Script::new("client").says("one ")));
    world.run(&mut [&mut a, &mut b], 1_000).unwrap();
    assert_eq!(b.state.got("client"), b"one ");

    world.cut("a", "b");
    let client = b.state.ids["client"];
    b.with(|cx, _| cx.transport_of(client).write(b"two "));
    world.run(&mut [&mut a, &mut b], 2_000).unwrap();
    assert_eq!(a.reactor.stats().bytes_in, 8, "the way there is open");
    assert_eq!(b.state.got("client"), b"one ");

    world.heal("a", "b");
    b.with(|cx, _| cx.transport_of(client).write(b"three"));
    world.run(&mut [&mut a, &mut b], 3_000).unwrap();
    assert_eq!(b.state.got("client"), b"one two three");
}

#[test]
fn a_stop_flushes_everything_first() {
    let world = SimWorld::new(13, SimFaults::calm());
    let mut a = serve(&world, "a", || {
        Script::new("server").received(|cx, _, input| {
            input.take_all();
            cx.transport().write(&pattern(700_000));
            cx.stop();
            Ok(())
        })
    });
    let mut b = SimLoop::new(&world, "b", Settings::default(), Log::default()).unwrap();
    b.with(|cx, _| connect(cx, &to(&world, "a"), "client", Script::new("client").says("x")));
    while a.state.lost("server").is_none() {
        assert!(world.step(&mut [&mut a, &mut b], 60_000).unwrap());
    }
    world.run(&mut [&mut b], 60_000).unwrap();
    assert!(b.state.got("client") == pattern(700_000));
    assert_eq!(a.state.lost("server"), Some(Lost::Shutdown));
    assert_eq!(b.state.lost("client"), Some(Lost::PeerClosed));
}

#[test]
fn a_cut_connect_times_out() {
    let world = SimWorld::new(8, SimFaults::none());
    let mut a = serve(&world, "a", echo_server);
    let mut b = SimLoop::new(&world, "b", Settings::default(), Log::default()).unwrap();
    world.cut("b", "a");
    b.with(|cx, _| connect(cx, &to(&world, "a"), "client", Script::new("client")));
    world.run(&mut [&mut a, &mut b], 4_999).unwrap();
    assert!(b.state.seen.is_empty());
    world.run(&mut [&mut a, &mut b], 5_001).unwrap();
    assert_eq!(b.state.seen, [("client", Seen::Failed(ConnectError::TimedOut))]);
}

#[test]
fn a_dead_process_is_noticed_and_may_come_back() {
    let world = SimWorld::new(9, SimFaults::calm());
    let mut a = serve(&world, "a", echo_server);
    let mut b = SimLoop::new(&world, "b", Settings::default(), Log::default()).unwrap();
    b.with(|cx, _| connect(cx, &to(&world, "a"), "first", Script::new("first").says("x")));
    world.run(&mut [&mut a, &mut b], 1_000).unwrap();
    drop(a);
    world.run(&mut [&mut b], 2_000).unwrap();
    assert!(b.state.lost("first").is_some());
    let mut a = serve(&world, "a", echo_server);
    b.with(|cx, _| connect(cx, &to(&world, "a"), "second", Script::new("second").says("y")));
    world.run(&mut [&mut a, &mut b], 3_000).unwrap();
    assert_eq!(b.state.got("second"), b"y");
}

#[test]
fn streams_between_two_hosts_may_be_broken() {
    let world = SimWorld::new(10, SimFaults::none());
    let mut a = serve(&world, "a", echo_server);
    let mut b = SimLoop::new(&world, "b", Settings::default(), Log::default()).unwrap();
    b.with(|cx, _| connect(cx, &to(&world, "a"), "client", Script::new("client").says("x")));
    world.run(&mut [&mut a, &mut b], 1_000).unwrap();
    assert_eq!(world.reset("a", "b"), 2);
    world.run(&mut [&mut a, &mut b], 2_000).unwrap();
    assert_eq!(b.state.lost("client"), Some(Lost::PeerReset));
    assert_eq!(a.state.lost("server"), Some(Lost::PeerReset));
}

#[test]
fn one_address_gets_its_share_of_connections_and_no_more() {
    let world = SimWorld::new(11, SimFaults::none());
    let settings = Settings { per_address_max: 2, ..Settings::default() };
    let mut a = SimLoop::new(&world, "a", settings, Log::default()).unwrap();
    let ip: IpAddr = world.address("a");
    a.with(|cx, _| {
        let endpoint: ServerEndpoint = format!("tcp:7001:interface={ip}").parse().unwrap();
        let factory = |_: &Peer, _: &mut Log| Script::new("server").boxed();
        cx.listen(&endpoint, ListenOptions::default(), factory).unwrap();
    });
    let mut b = SimLoop::new(&world, "b", Settings::default(), Log::default()).unwrap();
    let mut c = SimLoop::new(&world, "c", Settings::default(), Log::default()).unwrap();
    for name in ["one", "two", "three"] {
        b.with(|cx, _| connect(cx, &to(&world, "a"), name, Script::new(name)));
    }
    c.with(|cx, _| connect(cx, &to(&world, "a"), "other", Script::new("other")));
    world.run(&mut [&mut a, &mut b, &mut c], 1_000).unwrap();
    assert_eq!(a.reactor.stats().accepted, 3);
    assert_eq!(a.reactor.stats().refused, 1);
    // Who leaves makes room.
    let lucky = ["one", "two"].into_iter().find(|name| b.state.lost(name).is_none()).unwrap();
    let id = b.state.ids[lucky];
    b.with(|cx, _| cx.transport_of(id).close());
    world.run(&mut [&mut a, &mut b, &mut c], 2_000).unwrap();
    b.with(|cx, _| connect(cx, &to(&world, "a"), "late", Script::new("late")));
    world.run(&mut [&mut a, &mut b, &mut c], 3_000).unwrap();
    assert_eq!(b.state.lost("late"), None);
    assert_eq!(a.reactor.stats().accepted, 4);
}

#[test]
fn host_names_resolve_in_simulation_and_unknown_ones_do_not() {
    let world = SimWorld::new(12, SimFaults::none());
    let mut a = serve(&world, "a", echo_server);
    let mut b = SimLoop::new(&world, "b", Settings::default(), Log::default()).unwrap();
    b.with(|cx, _| {
        let known = "tcp:a:7001".parse().unwrap();
        connect(cx, &known, "known", Script::new("known").says("x"));
        let unknown = "tcp:nowhere:7001".parse().unwrap();
        connect(cx, &unknown, "unknown", Script::new("unknown"));
    });
    world.run(&mut [&mut a, &mut b], 1_000).unwrap();
    assert_eq!(b.state.got("known"), b"x");
    assert!(b.state.saw("unknown", Seen::Failed(ConnectError::Unresolved)));
}

#[test]
fn a_simulated_loop_with_nothing_left_says_so() {
    let backend = SimBackend::alone(1, SimFaults::none());
    let mut reactor = bellwether::reactor::SimReactor::new(backend, Settings::default()).unwrap();
    assert!(reactor.run(&mut Log::default()).is_err());
}

#[test]
fn the_first_signal_drains_and_the_second_ends_at_once() {
    let mut bed = Bed::new(SimBackend::alone(2, SimFaults::none()));
    bed.reactor.stop_on_signals().unwrap();
    let (_, to) = bed.listen(|| Script::new("server"));
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.saw("server", Seen::Made) && log.saw("client", Seen::Made));
    bed.with(|cx, _| cx.hold());
    bed.reactor.backend().raise(Signal::Hangup);
    assert!(bed.turn());
    bed.reactor.backend().raise(Signal::Terminate);
    assert!(bed.turn());
    assert!(bed.with(|cx, _| cx.draining()));
    assert_eq!(bed.log.lost("server"), None);
    let now = bed.with(|cx, _| cx.now());
    bed.reactor.backend().raise(Signal::Interrupt);
    assert!(!bed.turn());
    assert_eq!(bed.with(|cx, _| cx.now()), now, "without waiting");
    assert_eq!(bed.log.lost("server"), Some(Lost::Shutdown));
    assert_eq!(bed.log.lost("client"), Some(Lost::Shutdown));
}

#[test]
fn an_application_hears_of_signals() {
    let mut bed = Bed::new(SimBackend::alone(3, SimFaults::none()));
    bed.reactor
        .on_signal(|signal, cx, log| match signal {
            Signal::Hangup => log.note("hangup"),
            Signal::Terminate => cx.stop(),
            Signal::Interrupt | Signal::User1 | Signal::User2 => panic!("in the handler"),
        })
        .unwrap();
    for signal in [Signal::User1, Signal::Hangup] {
        bed.reactor.backend().raise(signal);
        assert!(bed.turn());
    }
    assert!(bed.log.noted("hangup"));
    bed.reactor.backend().raise(Signal::Terminate);
    bed.run();
}

#[test]
fn several_loops_run_in_one_process() {
    let threads: Vec<_> = (0..3)
        .map(|_| {
            thread::spawn(|| {
                let mut bed = Bed::new(OsBackend::new().unwrap());
                let (_, to) = bed.listen(|| Script::new("server").echoes());
                bed.connect(&to, "client", Script::new("client").says(pattern(10_000)));
                bed.until(|log| log.got("client").len() == 10_000);
                bed.with(|cx, _| cx.stop());
                bed.run();
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn another_thread_wakes_a_sleeping_loop() {
    let mut bed = Bed::new(OsBackend::new().unwrap());
    let remote = bed.with(|cx, _| cx.remote());
    let caller = thread::spawn(move || {
        for _ in 0..100 {
            remote.call(|_, log| *log.number("calls") += 1);
            thread::yield_now();
        }
        remote.call(|_, log| log.note("last"));
    });
    bed.until(|log| log.noted("last"));
    caller.join().unwrap();
    assert_eq!(bed.log.numbers.get("calls"), Some(&100));
}

#[test]
fn a_leftover_unix_socket_is_replaced_and_another_file_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let leftover = dir.path().join("leftover");
    // A listener that is dropped leaves its file, as a killed process does.
    drop(std::os::unix::net::UnixListener::bind(&leftover).unwrap());
    assert!(leftover.exists());
    let file = dir.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let mut bed = Bed::new(OsBackend::new().unwrap());
    let mut listen = |path: &std::path::Path| {
        let endpoint: ServerEndpoint = format!("unix:{}:mode=600", path.display()).parse().unwrap();
        bed.with(|cx, _| {
            let factory = |_: &Peer, _: &mut Log| Script::new("server").boxed();
            cx.listen(&endpoint, ListenOptions::default(), factory).map(drop)
        })
    };
    listen(&leftover).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&leftover).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    assert!(listen(&file).is_err());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

/// What is done for one byte by the servers of the next two tests: in virtual time nothing takes
/// long within a turn, so only the system's loop shows what dear events do.
fn work_for(cx: &Cx<'_>, ms: u64) {
    let until_ns = cx.now_ns() + ms * 1_000_000;
    while cx.now_ns() < until_ns {
        std::hint::spin_loop();
    }
}

#[test]
fn a_protocol_takes_one_dear_event_a_turn() {
    let settings = Settings { visit_ms: 2, ..Settings::default() };
    let mut bed = Bed::with_settings(OsBackend::new().unwrap(), settings);
    let (_, to) = bed.listen(|| {
        Script::new("server").received(|cx, log, input| {
            let mut taken = 0;
            while !input.is_empty() && cx.more() {
                work_for(cx, 2);
                input.take(1);
                taken += 1;
                *log.number("taken") += 1;
            }
            assert!(taken <= 1, "{taken} in one turn");
            Ok(())
        })
    });
    bed.connect(&to, "client", Script::new("client").says(vec![1; 20]));
    bed.until(|log| log.numbers.get("taken") == Some(&20));
}

#[test]
fn dear_connections_share_a_turn() {
    let settings = Settings { visits_ms: 2, ..Settings::default() };
    let mut bed = Bed::with_settings(OsBackend::new().unwrap(), settings);
    let (_, to) = bed.listen(|| {
        Script::new("server").received(|cx, log, input| {
            if !input.is_empty() && cx.more() {
                work_for(cx, 2);
                input.take_all();
                *log.number("taken") += 1;
                let turn = cx.stats().turns + 1;
                let is_same = std::mem::replace(log.number("turn"), turn) == turn;
                let beside = if is_same { *log.number("beside") + 1 } else { 1 };
                *log.number("beside") = beside;
                assert!(beside <= 2, "{beside} in one turn");
            }
            Ok(())
        })
    });
    for _ in 0..10 {
        bed.connect(&to, "client", Script::new("client").says("x"));
    }
    bed.until(|log| log.numbers.get("taken") == Some(&10));
}
