//! The test bed: a loop over either backend, protocols made of closures, and a log of all that
//! they saw. Both ends of every connection are protocols of the same loop.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use bellwether::base::{ClientEndpoint, InBuf, ServerEndpoint};
use bellwether::reactor::{
    Authorities, Backend, Certificates, ConnId, ConnectError, ConnectOptions, Ctx, Factory,
    ListenOptions, ListenerId, Lost, Outcome, Peer, PoolMode, Protocol, Reactor, Settings,
    TlsClient, TlsServer,
};
use bellwether::update::SigningKey;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

pub(crate) type Cx<'a> = Ctx<'a, Log>;

thread_local! {
    /// How the cases of this thread connect.
    static WAY: Cell<Way> = const { Cell::new(Way::Clear) };
    /// They do so now.
    static SECURED: Cell<bool> = const { Cell::new(false) };
}

/// How both ends are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// In the clear.
    Clear,
    /// Over TLS, as nodes do it.
    Keys,
    /// Over TLS, the server with a certificate.
    Certificates,
}

/// Has all beds of this thread connect this way.
pub(crate) fn go(way: Way) {
    WAY.set(way);
    secure(way != Way::Clear);
}

/// Has all beds of this thread secure their connections, or not.
pub(crate) fn secure(all: bool) {
    SECURED.set(all);
}

pub(crate) fn is_secured() -> bool {
    SECURED.get()
}

/// The key of those who listen, and of those who connect.
pub(crate) fn keys() -> [SigningKey; 2] {
    [1, 2].map(|n| SigningKey::from_seed([n; 32]))
}

/// What a protocol was told, without the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Made,
    Received,
    Drained,
    ReadClosed,
    Timeout,
    Notified,
    Lost(Lost),
    Failed(ConnectError),
    /// A note of the test's own.
    Note(&'static str),
}

/// The state that the protocols of a test share.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) seen: Vec<(&'static str, Seen)>,
    /// The bytes that each got.
    pub(crate) got: BTreeMap<&'static str, Vec<u8>>,
    pub(crate) ids: BTreeMap<&'static str, ConnId>,
    pub(crate) numbers: BTreeMap<&'static str, u64>,
    pub(crate) overdue: bool,
}

impl Log {
    pub(crate) fn note(&mut self, what: &'static str) {
        self.seen.push(("test", Seen::Note(what)));
    }

    pub(crate) fn saw(&self, who: &str, what: Seen) -> bool {
        self.count(who, what) > 0
    }

    pub(crate) fn count(&self, who: &str, what: Seen) -> usize {
        self.seen.iter().filter(|(name, seen)| *name == who && *seen == what).count()
    }

    pub(crate) fn noted(&self, what: &'static str) -> bool {
        self.saw("test", Seen::Note(what))
    }

    /// What one protocol saw, in order, feeds left out.
    pub(crate) fn course(&self, who: &str) -> Vec<Seen> {
        let of = self.seen.iter().filter(|(name, seen)| *name == who && *seen != Seen::Received);
        of.map(|(_, seen)| *seen).collect()
    }

    pub(crate) fn lost(&self, who: &str) -> Option<Lost> {
        self.seen.iter().find_map(|(name, seen)| match seen {
            Seen::Lost(reason) if *name == who => Some(*reason),
            _ => None,
        })
    }

    /// True for a connection that the peer reset, be it before it was known to be up.
    pub(crate) fn was_reset(&self, who: &str) -> bool {
        let early = ConnectError::Failed(std::io::ErrorKind::ConnectionReset);
        self.lost(who) == Some(Lost::PeerReset) || self.saw(who, Seen::Failed(early))
    }

    pub(crate) fn got(&self, who: &str) -> &[u8] {
        self.got.get(who).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn number(&mut self, name: &'static str) -> &mut u64 {
        self.numbers.entry(name).or_default()
    }
}

type Hook = Box<dyn FnMut(&mut Cx<'_>, &mut Log) -> Outcome>;
type InputHook = Box<dyn FnMut(&mut Cx<'_>, &mut Log, &mut InBuf) -> Outcome>;
type LostHook = Box<dyn FnMut(&mut Cx<'_>, &mut Log, Lost)>;

/// A protocol made of closures. Without one, it does what a protocol does by default; bytes that
/// come go to the log.
pub(crate) struct Script {
    name: &'static str,
    keeps_events: bool,
    made: Option<Hook>,
    received: Option<InputHook>,
    drained: Option<Hook>,
    read_closed: Option<InputHook>,
    timeout: Option<Hook>,
    notified: Option<Hook>,
    lost: Option<LostHook>,
}

macro_rules! hooks {
    ($($name:ident)*) => {
        $(pub(crate) fn $name(
            mut self,
            hook: impl FnMut(&mut Cx<'_>, &mut Log) -> Outcome + 'static,
        ) -> Self {
            self.$name = Some(Box::new(hook));
            self
        })*
    };
}

macro_rules! input_hooks {
    ($($name:ident)*) => {
        $(pub(crate) fn $name(
            mut self,
            hook: impl FnMut(&mut Cx<'_>, &mut Log, &mut InBuf) -> Outcome + 'static,
        ) -> Self {
            self.$name = Some(Box::new(hook));
            self
        })*
    };
}

impl Script {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            keeps_events: false,
            made: None,
            received: None,
            drained: None,
            read_closed: None,
            timeout: None,
            notified: None,
            lost: None,
        }
    }

    hooks!(made drained timeout notified);
    input_hooks!(received read_closed);

    pub(crate) fn lost(mut self, hook: impl FnMut(&mut Cx<'_>, &mut Log, Lost) + 'static) -> Self {
        self.lost = Some(Box::new(hook));
        self
    }

    /// Writes this when the connection is up.
    pub(crate) fn says(self, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        self.made(move |cx, _| {
            cx.transport().write(&bytes);
            Ok(())
        })
    }

    /// Answers with what comes.
    pub(crate) fn echoes(self) -> Self {
        self.received(|cx, _, input| {
            cx.transport().write(input.take_all());
            Ok(())
        })
    }

    /// Keeps events of its own that `more` may leave untold: it may be fed with nothing.
    pub(crate) fn keeps_events(mut self) -> Self {
        self.keeps_events = true;
        self
    }

    /// Stays open when the peer half-closes.
    pub(crate) fn stays(self) -> Self {
        self.read_closed(|_, _, _| Ok(()))
    }

    pub(crate) fn boxed(self) -> Box<dyn Protocol<Log>> {
        Box::new(self)
    }
}

impl Protocol<Log> for Script {
    fn made(&mut self, cx: &mut Cx<'_>, log: &mut Log) -> Outcome {
        log.seen.push((self.name, Seen::Made));
        log.ids.insert(self.name, cx.id());
        self.made.as_mut().map_or(Ok(()), |hook| hook(cx, log))
    }

    fn received(&mut self, cx: &mut Cx<'_>, log: &mut Log, input: &mut InBuf) -> Outcome {
        assert!(!input.is_empty() || self.keeps_events, "fed with nothing");
        log.seen.push((self.name, Seen::Received));
        if let Some(hook) = &mut self.received {
            return hook(cx, log, input);
        }
        log.got.entry(self.name).or_default().extend_from_slice(input.take_all());
        Ok(())
    }

    fn drained(&mut self, cx: &mut Cx<'_>, log: &mut Log) -> Outcome {
        log.seen.push((self.name, Seen::Drained));
        self.drained.as_mut().map_or(Ok(()), |hook| hook(cx, log))
    }

    fn read_closed(&mut self, cx: &mut Cx<'_>, log: &mut Log, input: &mut InBuf) -> Outcome {
        log.seen.push((self.name, Seen::ReadClosed));
        if let Some(hook) = &mut self.read_closed {
            return hook(cx, log, input);
        }
        cx.transport().close();
        Ok(())
    }

    fn timeout(&mut self, cx: &mut Cx<'_>, log: &mut Log) -> Outcome {
        log.seen.push((self.name, Seen::Timeout));
        if let Some(hook) = &mut self.timeout {
            return hook(cx, log);
        }
        cx.transport().abort_for(Lost::Idle);
        Ok(())
    }

    fn notified(&mut self, cx: &mut Cx<'_>, log: &mut Log) -> Outcome {
        log.seen.push((self.name, Seen::Notified));
        self.notified.as_mut().map_or(Ok(()), |hook| hook(cx, log))
    }

    fn lost(&mut self, cx: &mut Cx<'_>, log: &mut Log, reason: Lost) {
        log.seen.push((self.name, Seen::Lost(reason)));
        if let Some(hook) = &mut self.lost {
            hook(cx, log, reason);
        }
    }
}

/// A connector's factory: one protocol, or its failure in the log.
struct Once(&'static str, Option<Script>);

impl Factory<Log> for Once {
    fn build(&mut self, _: &Peer, _: &mut Log) -> Option<Box<dyn Protocol<Log>>> {
        self.1.take().map(Script::boxed)
    }

    fn failed(&mut self, _: &mut Cx<'_>, log: &mut Log, why: ConnectError) {
        log.seen.push((self.0, Seen::Failed(why)));
    }
}

/// A loop and its log.
pub(crate) struct Bed<B: Backend> {
    pub(crate) reactor: Reactor<B, Log>,
    pub(crate) log: Log,
}

/// Far beyond what any case takes: a case that hangs fails instead.
const OVERDUE_MS: u64 = 120_000;

impl<B: Backend> Bed<B> {
    pub(crate) fn new(backend: B) -> Self {
        Self::with_settings(backend, Settings::default())
    }

    pub(crate) fn with_settings(backend: B, settings: Settings) -> Self {
        let mut bed =
            Self { reactor: Reactor::new(backend, settings).unwrap(), log: Log::default() };
        bed.with(|cx, _| {
            cx.call_later(OVERDUE_MS, |_, log| log.overdue = true);
        });
        bed
    }

    pub(crate) fn with<R>(&mut self, f: impl FnOnce(&mut Cx<'_>, &mut Log) -> R) -> R {
        self.reactor.with(&mut self.log, f)
    }

    /// Listens on a free port of the loopback.
    pub(crate) fn listen(
        &mut self,
        script: impl Fn() -> Script + 'static,
    ) -> (ListenerId, ClientEndpoint) {
        self.listen_with(ListenOptions::default(), script)
    }

    pub(crate) fn listen_with(
        &mut self,
        options: ListenOptions,
        script: impl Fn() -> Script + 'static,
    ) -> (ListenerId, ClientEndpoint) {
        self.listen_with_exactly(secured(options), script)
    }

    /// The same, secured as the options say.
    pub(crate) fn listen_with_exactly(
        &mut self,
        options: ListenOptions,
        script: impl Fn() -> Script + 'static,
    ) -> (ListenerId, ClientEndpoint) {
        self.with(|cx, _| {
            let endpoint: ServerEndpoint = "tcp:0".parse().unwrap();
            let factory = move |_: &Peer, _: &mut Log| script().boxed();
            let id = cx.listen(&endpoint, options, factory).unwrap();
            let Some(Peer::Tcp(addr)) = cx.local_addr(id) else { panic!("no address") };
            (id, format!("tcp:127.0.0.1:{}", addr.port()).parse().unwrap())
        })
    }

    pub(crate) fn connect(&mut self, to: &ClientEndpoint, name: &'static str, script: Script) {
        self.with(|cx, _| connect(cx, to, name, script));
    }

    /// Connects over TLS as said.
    pub(crate) fn connect_as(&mut self, to: &ClientEndpoint, name: &'static str, with: TlsClient) {
        let options = ConnectOptions { secure: Some(with), ..ConnectOptions::default() };
        self.with(|cx, _| cx.connect(to, options, Once(name, Some(Script::new(name)))));
    }

    /// One turn.
    pub(crate) fn turn(&mut self) -> bool {
        let goes_on = self.reactor.turn(&mut self.log).expect("the loop goes on");
        assert!(!self.log.overdue, "overdue; seen so far: {:?}", self.log.seen);
        goes_on
    }

    /// Turns until the log says so.
    pub(crate) fn until(&mut self, done: impl Fn(&Log) -> bool) {
        while !done(&self.log) {
            assert!(self.turn(), "the loop ended; seen so far: {:?}", self.log.seen);
        }
    }

    /// Turns until these have lost their connections.
    pub(crate) fn until_lost(&mut self, who: &[&str]) {
        self.until(|log| who.iter().all(|name| log.lost(name).is_some()));
    }

    /// Turns until the clock has moved on.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.with(|cx, _| cx.call_later(ms, |_, log| *log.number("passed") += 1));
        let before = *self.log.number("passed");
        self.until(|log| log.numbers.get("passed").is_some_and(|n| *n > before));
    }

    /// Runs to the end of a stop.
    pub(crate) fn run(&mut self) {
        while self.turn() {}
    }
}

pub(crate) fn connect(cx: &mut Cx<'_>, to: &ClientEndpoint, name: &'static str, script: Script) {
    let secure = is_secured().then(|| match WAY.get() {
        Way::Certificates => client_of(HOST),
        Way::Clear | Way::Keys => TlsClient::of_node(&keys()[1]),
    });
    let options = ConnectOptions { secure, ..ConnectOptions::default() };
    cx.connect(to, options, Once(name, Some(script)));
}

/// The options, secured when all are.
pub(crate) fn secured(mut options: ListenOptions) -> ListenOptions {
    options.secure = is_secured().then(|| match WAY.get() {
        Way::Certificates => server_of(HOST),
        Way::Clear | Way::Keys => TlsServer::of_node(&keys()[0]),
    });
    options
}

/// The name in certificates.
pub(crate) const HOST: &str = "hill.example";

/// The one authority of all tests.
fn authority() -> &'static (Issuer<'static, KeyPair>, String) {
    static MADE: OnceLock<(Issuer<'static, KeyPair>, String)> = OnceLock::new();
    MADE.get_or_init(|| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        (Issuer::new(params, key), pem)
    })
}

/// A listener with a certificate of this name.
pub(crate) fn server_of(host: &str) -> TlsServer {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([host.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority().0).unwrap();
    let mut shown = Certificates::default();
    shown.put(host, (certificate.pem() + &key.serialize_pem()).as_bytes()).unwrap();
    TlsServer::certified(shown, None, &[]).unwrap()
}

/// A connector to a server of this name.
pub(crate) fn client_of(host: &str) -> TlsClient {
    let authorities = Authorities::of([authority().1.as_bytes()]).unwrap();
    TlsClient::certified(host, &authorities, None, &[]).unwrap()
}

/// More bytes than all buffers between two ends of a connection hold. The system's grow to many
/// MiB; the simulated ones do not, and time is better spent on more seeds.
pub(crate) fn plenty<B: Backend>(backend: &B) -> usize {
    if backend.pool() == PoolMode::Threads { 16 << 20 } else { 1 << 20 }
}

/// Recognizable bytes, a different one at each place for a long time.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8 ^ (i >> 8) as u8).collect()
}
