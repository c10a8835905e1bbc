//! Listeners and connectors: limits, failures, names, and a ground that lies.

use std::io::{self, IoSlice};
use std::sync::Arc;

use bellwether::base::{ClientEndpoint, ServerEndpoint};
use bellwether::reactor::{
    AcceptError, Backend, Class, Close, ConnectError, ConnectOptions, Event, Factory, Ground,
    ListenOptions, Lost, Peer, PoolMode, Protocol, Resolve, Settings, Target, Wake,
};

use crate::bed::{Bed, Log, Script, Seen, connect};

pub(crate) fn a_connect_to_nobody_is_refused<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (listener, to) = bed.listen(|| Script::new("server"));
    bed.with(|cx, _| cx.stop_listening(listener));
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| !log.seen.is_empty());
    assert_eq!(bed.log.seen, [("client", Seen::Failed(ConnectError::Refused))]);
    assert_eq!(bed.reactor.stats().connect_failed, 1);
}

/// A ground whose accepts fail as scripted and whose connects may never end.
struct Liar<B> {
    ground: B,
    /// The next accepts, last first.
    accepts: Vec<fn() -> AcceptError>,
    shed: Arc<std::sync::atomic::AtomicU32>,
    never_connects: bool,
}

impl<B> Liar<B> {
    fn new(ground: B) -> Self {
        Self { ground, accepts: Vec::new(), shed: Arc::default(), never_connects: false }
    }
}

impl<B: Backend> Ground for Liar<B> {
    fn listen(&mut self, endpoint: &ServerEndpoint, token: u64) -> io::Result<Peer> {
        self.ground.listen(endpoint, token)
    }
    fn unlisten(&mut self, token: u64) {
        self.ground.unlisten(token);
    }
    fn wall_ns(&self) -> u64 {
        self.ground.wall_ns()
    }

    fn now_ns(&self) -> u64 {
        self.ground.now_ns()
    }
}

impl<B: Backend> Backend for Liar<B> {
    type Socket = B::Socket;
    fn seed(&mut self) -> u64 {
        self.ground.seed()
    }
    fn poll(&mut self, timeout_ms: Option<u64>, events: &mut Vec<Event>) -> io::Result<()> {
        self.ground.poll(timeout_ms, events)
    }
    fn accept(&mut self, token: u64) -> Result<(B::Socket, Peer), AcceptError> {
        match self.accepts.pop() {
            Some(error) => Err(error()),
            None => self.ground.accept(token),
        }
    }
    fn shed(&mut self, token: u64) -> bool {
        let shed = self.ground.shed(token);
        self.shed.fetch_add(u32::from(shed), std::sync::atomic::Ordering::Relaxed);
        shed
    }
    fn connect(&mut self, target: &Target) -> io::Result<B::Socket> {
        self.ground.connect(target)
    }
    fn connected(&mut self, socket: &mut B::Socket) -> io::Result<Option<Peer>> {
        if self.never_connects { Ok(None) } else { self.ground.connected(socket) }
    }
    fn register(&mut self, socket: &mut B::Socket, token: u64) -> io::Result<()> {
        self.ground.register(socket, token)
    }
    fn read(&mut self, socket: &mut B::Socket, space: &mut [u8]) -> io::Result<usize> {
        self.ground.read(socket, space)
    }
    fn write(&mut self, socket: &mut B::Socket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.ground.write(socket, slices)
    }
    fn shutdown_write(&mut self, socket: &mut B::Socket) -> io::Result<()> {
        self.ground.shutdown_write(socket)
    }
    fn close(&mut self, socket: B::Socket, how: Close) {
        self.ground.close(socket, how);
    }
    fn waker(&self) -> Arc<dyn Wake> {
        self.ground.waker()
    }
    fn resolver(&self) -> Arc<dyn Resolve> {
        self.ground.resolver()
    }
    fn pool(&self) -> PoolMode {
        self.ground.pool()
    }
    fn watch_signals(&mut self) -> io::Result<()> {
        self.ground.watch_signals()
    }
}

pub(crate) fn a_connect_that_hears_nothing_times_out<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(Liar { never_connects: true, ..Liar::new(backend()) });
    let (_, to) = bed.listen(|| Script::new("server"));
    let ClientEndpoint::Tcp { host, port, .. } = to else { panic!("not TCP") };
    let own: ClientEndpoint = format!("tcp:{host}:{port}:timeout=0.03").parse().unwrap();
    let plain: ClientEndpoint = format!("tcp:{host}:{port}").parse().unwrap();
    bed.connect(&own, "own", Script::new("own"));
    bed.with(|cx, _| {
        let options = ConnectOptions { timeout_ms: 60, ..ConnectOptions::default() };
        cx.connect(&plain, options, Named("plain"));
    });
    bed.until(|log| log.saw("plain", Seen::Failed(ConnectError::TimedOut)));
    assert!(bed.log.saw("own", Seen::Failed(ConnectError::TimedOut)));
    assert!(!bed.log.saw("own", Seen::Made) && !bed.log.saw("plain", Seen::Made));
    let lost = |log: &Log| {
        log.seen.iter().filter(|seen| matches!(seen, ("server", Seen::Lost(_)))).count()
    };
    bed.until(|log| lost(log) == 2);
    bed.pass(1);
    assert_eq!(bed.reactor.stats().open_all(), 0);
}

/// A factory that only tells of failure.
struct Named(&'static str);

impl Factory<Log> for Named {
    fn build(&mut self, _: &Peer, _: &mut Log) -> Option<Box<dyn Protocol<Log>>> {
        None
    }
    fn failed(&mut self, _: &mut crate::bed::Cx<'_>, log: &mut Log, why: ConnectError) {
        log.seen.push((self.0, Seen::Failed(why)));
    }
}

pub(crate) fn a_stop_ends_connects<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(Liar { never_connects: true, ..Liar::new(backend()) });
    let (_, to) = bed.listen(|| Script::new("server"));
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.saw("server", Seen::Made));
    bed.with(|cx, _| cx.stop());
    bed.run();
    assert!(bed.log.saw("client", Seen::Failed(ConnectError::Stopping)));
}

pub(crate) fn a_name_is_looked_up<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (_, to) = bed.listen(|| Script::new("server").echoes());
    let ClientEndpoint::Tcp { port, .. } = to else { panic!("not TCP") };
    let by_name: ClientEndpoint = format!("tcp:localhost:{port}").parse().unwrap();
    bed.connect(&by_name, "client", Script::new("client").says("x"));
    bed.until(|log| log.got("client") == b"x");
    assert_eq!(bed.reactor.stats().jobs, 1);
}

pub(crate) fn a_listener_may_close_while_connections_stay<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (listener, to) = bed.listen(|| Script::new("server").echoes());
    bed.connect(&to, "client", Script::new("client"));
    bed.until(|log| log.saw("server", Seen::Made) && log.saw("client", Seen::Made));
    bed.with(|cx, _| {
        cx.stop_listening(listener);
        cx.stop_listening(listener);
        assert_eq!(cx.local_addr(listener), None);
    });
    let client = bed.log.ids["client"];
    bed.with(|cx, _| cx.transport_of(client).write(b"still here"));
    bed.until(|log| log.got("client") == b"still here");
    bed.connect(&to, "late", Script::new("late"));
    bed.until(|log| log.saw("late", Seen::Failed(ConnectError::Refused)));
}

pub(crate) fn a_taken_address_is_an_error<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let (listener, to) = bed.listen(|| Script::new("server"));
    let ClientEndpoint::Tcp { port, .. } = to else { panic!("not TCP") };
    let same: ServerEndpoint = format!("tcp:{port}").parse().unwrap();
    let mut again = || {
        bed.with(|cx, _| {
            let factory = |_: &Peer, _: &mut Log| Script::new("server").boxed();
            cx.listen(&same, ListenOptions::default(), factory).map_err(|error| error.kind())
        })
    };
    assert_eq!(again(), Err(io::ErrorKind::AddrInUse));
    bed.with(|cx, _| cx.stop_listening(listener));
    let mut again = || {
        bed.with(|cx, _| {
            let factory = |_: &Peer, _: &mut Log| Script::new("server").boxed();
            cx.listen(&same, ListenOptions::default(), factory).map_err(|error| error.kind())
        })
    };
    assert!(again().is_ok());
}

pub(crate) fn connections_beyond_the_limit_are_closed<B: Backend>(backend: &dyn Fn() -> B) {
    let settings = Settings { connections_max: 2, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, to) = bed.listen(|| Script::new("server"));
    bed.connect(&to, "one", Script::new("one").stays());
    bed.connect(&to, "two", Script::new("two").stays());
    bed.until(|log| log.count("server", Seen::Made) == 2 && log.saw("one", Seen::Made));
    bed.connect(&to, "three", Script::new("three"));
    bed.until_lost(&["three"]);
    assert_eq!(bed.log.lost("three"), Some(Lost::PeerClosed));
    assert_eq!(bed.reactor.stats().refused, 1);
    let one = bed.log.ids["one"];
    bed.with(|cx, _| cx.transport_of(one).abort());
    bed.until_lost(&["server"]);
    bed.connect(&to, "four", Script::new("four"));
    bed.until(|log| log.count("server", Seen::Made) == 3);
    assert_eq!(bed.reactor.stats().accepted, 3);
}

pub(crate) fn a_flood_of_clients_leaves_room_for_peers<B: Backend>(backend: &dyn Fn() -> B) {
    let settings =
        Settings { connections_max: 2, peer_connections_reserve: 1, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, to) = bed.listen(|| Script::new("server"));
    let options = ListenOptions { class: Class::Peer, ..ListenOptions::default() };
    let (_, to_peers) = bed.listen_with(options, || Script::new("peers"));
    bed.connect(&to, "one", Script::new("one"));
    bed.connect(&to, "two", Script::new("two"));
    bed.until(|log| log.count("server", Seen::Made) == 2);
    bed.connect(&to, "three", Script::new("three"));
    bed.until_lost(&["three"]);
    bed.connect(&to_peers, "peer", Script::new("peer"));
    bed.until(|log| log.saw("peers", Seen::Made) && log.saw("peer", Seen::Made));
    // The reserve is no more than it is, and nobody else's.
    bed.connect(&to_peers, "late", Script::new("late"));
    bed.connect(&to, "four", Script::new("four"));
    bed.until_lost(&["late", "four"]);
    assert_eq!((bed.reactor.stats().accepted, bed.reactor.stats().refused), (3, 3));
    // Who leaves it makes room in it, again for a peer only.
    let peer = bed.log.ids["peer"];
    bed.with(|cx, _| cx.transport_of(peer).abort());
    bed.until_lost(&["peers"]);
    bed.connect(&to, "five", Script::new("five"));
    bed.until_lost(&["five"]);
    bed.connect(&to_peers, "back", Script::new("back"));
    bed.until(|log| log.count("peers", Seen::Made) == 2);
    assert_eq!((bed.reactor.stats().accepted, bed.reactor.stats().refused), (4, 4));
}

pub(crate) fn local_connections_are_exempt_from_the_limit_of_an_address<B: Backend>(
    backend: &dyn Fn() -> B,
) {
    let settings = Settings { per_address_max: 1, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, to) = bed.listen(|| Script::new("server"));
    for _ in 0..5 {
        bed.connect(&to, "client", Script::new("client"));
    }
    bed.until(|log| log.count("server", Seen::Made) == 5);
    assert_eq!(bed.reactor.stats().refused, 0);
}

pub(crate) fn a_factory_may_say_no<B: Backend>(backend: &dyn Fn() -> B) {
    let mut bed = Bed::new(backend());
    let to = bed.with(|cx, _| {
        let endpoint = "tcp:0".parse().unwrap();
        let id = cx.listen(&endpoint, ListenOptions::default(), Named("server")).unwrap();
        let Some(Peer::Tcp(addr)) = cx.local_addr(id) else { panic!("no address") };
        format!("tcp:127.0.0.1:{}", addr.port()).parse().unwrap()
    });
    bed.connect(&to, "client", Script::new("client"));
    bed.with(|cx, _| cx.connect(&to, ConnectOptions::default(), Named("neither")));
    bed.until_lost(&["client"]);
    assert_eq!(bed.log.lost("client"), Some(Lost::PeerClosed));
    bed.pass(30);
    assert!(bed.log.seen.iter().all(|(name, _)| *name == "client"));
    assert_eq!(bed.reactor.stats().open_all(), 0);
}

pub(crate) fn accept_errors_neither_spin_nor_end_the_listener<B: Backend>(backend: &dyn Fn() -> B) {
    let aborted = || AcceptError::Again(io::ErrorKind::ConnectionAborted.into());
    let exhausted = || AcceptError::Exhausted(io::Error::other("too many open files"));
    let settings = Settings { accept_retry_ms: 30, ..Settings::default() };
    let mut liar = Liar::new(backend());
    liar.accepts = vec![aborted, exhausted, aborted];
    let shed = Arc::clone(&liar.shed);
    let mut bed = Bed::with_settings(liar, settings);
    let (_, to) = bed.listen(|| Script::new("server").echoes());
    bed.connect(&to, "shed", Script::new("shed"));
    bed.until_lost(&["shed"]);
    assert_eq!(shed.load(std::sync::atomic::Ordering::Relaxed), 1);
    // While the listener rests it does not spin: it waits for its timer.
    let turns = bed.reactor.stats().turns;
    bed.connect(&to, "client", Script::new("client").says("x"));
    bed.until(|log| log.got("client") == b"x");
    assert!(bed.reactor.stats().turns - turns < 100);
    let stats = bed.reactor.stats();
    assert_eq!((stats.accept_errors, stats.accept_exhausted, stats.refused), (2, 1, 1));
}

pub(crate) fn accepts_that_only_fail_do_not_spin<B: Backend>(backend: &dyn Fn() -> B) {
    let broken = || AcceptError::Again(io::Error::other("the listener is broken"));
    let settings = Settings { accepts_per_turn: 5, accept_retry_ms: 20, ..Settings::default() };
    let mut liar = Liar::new(backend());
    // Two budgets full.
    liar.accepts = vec![broken; 10];
    let mut bed = Bed::with_settings(liar, settings);
    let (_, to) = bed.listen(|| Script::new("server").echoes());
    bed.connect(&to, "client", Script::new("client").says("x"));
    bed.until(|log| log.got("client") == b"x");
    assert_eq!(bed.reactor.stats().accept_errors, 10);
    assert!(bed.with(|cx, _| cx.now()) >= 40, "it rested twice");
}

pub(crate) fn many_connects_at_once_all_arrive<B: Backend>(backend: &dyn Fn() -> B) {
    let settings = Settings { accepts_per_turn: 3, ..Settings::default() };
    let mut bed = Bed::with_settings(backend(), settings);
    let (_, to) = bed.listen(|| {
        Script::new("server").made(|cx, log| {
            let turn = cx.stats().turns;
            if std::mem::replace(log.number("turn"), turn) != turn {
                *log.number("in this turn") = 0;
            }
            *log.number("in this turn") += 1;
            assert!(*log.number("in this turn") <= 3);
            cx.transport().write(b"hello");
            Ok(())
        })
    });
    for _ in 0..50 {
        bed.connect(&to, "client", Script::new("client"));
    }
    bed.until(|log| log.got("client").len() == 250);
    assert_eq!(bed.reactor.stats().accepted, 50);
    assert_eq!(bed.reactor.stats().connected, 50);
}

pub(crate) fn unix_sockets_work_the_same<B: Backend>(backend: &dyn Fn() -> B) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let server: ServerEndpoint = format!("unix:{}", path.display()).parse().unwrap();
    let client: ClientEndpoint = format!("unix:{}", path.display()).parse().unwrap();
    let mut bed = Bed::new(backend());
    let echo = |_: &Peer, _: &mut Log| Script::new("server").echoes().boxed();
    let options = ListenOptions::default();
    let id = bed.with(|cx, _| cx.listen(&server, options.clone(), echo)).unwrap();
    assert!(bed.with(|cx, _| cx.listen(&server, options, echo)).is_err(), "it is in use");
    let hello = Script::new("client").made(|cx, _| {
        assert!(cx.transport().peer().is_local());
        cx.transport().write(b"hello");
        cx.transport().close_write();
        Ok(())
    });
    bed.connect(&client, "client", hello);
    bed.until_lost(&["server", "client"]);
    assert_eq!(bed.log.got("client"), b"hello");
    bed.with(|cx, _| cx.stop_listening(id));
    bed.with(|cx, _| connect(cx, &client, "late", Script::new("late")));
    bed.until(|log| log.seen.iter().any(|(name, _)| *name == "late"));
    assert!(!bed.log.saw("late", Seen::Made));
}
