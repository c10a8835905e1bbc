//! A node from its configuration to its end: the store opened and caught up, listeners bound,
//! peers dialled, the loop run, the store closed.

use super::certificates::{Shelves, TlsError};
use super::search::Search;
use super::vigil::Vigil;
use super::{Node, erasure, replace};
use crate::base::{Rng, ServerEndpoint};
use crate::config::{Config, KeyError, Listen, Service, load_or_make_key};
use crate::reactor::{
    Backend, Class, Ctx, Finish, ListenOptions, OsBackend, Peer, Protocol, Reactor, Retired,
    Settings, Signal, descriptors_max, tell_supervisor,
};
use crate::serve::auto::AutoConnection;
use crate::serve::http::HttpConnection;
use crate::serve::nntp::NntpConnection;
use crate::serve::pb::PbConnection;
use crate::serve::peer::PeerConnection;
use crate::serve::telnet::TelnetConnection;
use crate::store::{Birth, Disk, FileDisk, NewEpoch, Store, StoreError, StoreOptions};
use crate::update::{Clock, Dot, Hlc, SigningKey, Span};
use std::fmt;
use std::io;
use std::sync::Arc;

/// Descriptors that are not for accepted connections: the log, the index, dials, the loop itself.
const DESCRIPTORS_RESERVED: usize = 128;

/// Why a node did not start, or ended before its time.
#[derive(Debug)]
pub enum NodeError {
    /// The archive can't be opened or closed.
    Store(StoreError),
    /// The node has no usable key.
    Key(KeyError),
    /// A listener can't be bound.
    Listen(ServerEndpoint, io::Error),
    /// A listener has no certificates.
    Certificates(ServerEndpoint, Box<TlsError>),
    /// A foreign server, of this name, can't be dialled.
    Dial(String, Box<TlsError>),
    /// The loop failed.
    Loop(io::Error),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "{error}"),
            Self::Key(error) => write!(f, "{error}"),
            Self::Listen(endpoint, error) => write!(f, "can't listen on {endpoint}: {error}"),
            Self::Certificates(endpoint, error) => write!(f, "can't secure {endpoint}: {error}"),
            Self::Dial(name, error) => write!(f, "can't secure what goes to {name}: {error}"),
            Self::Loop(error) => write!(f, "the loop failed: {error}"),
        }
    }
}

impl std::error::Error for NodeError {}

impl From<StoreError> for NodeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What of a configuration can change while a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changes {
    /// From which level on it logs.
    pub level: log::LevelFilter,
}

/// How a node's run ended.
#[derive(Debug)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// Another program is to take the place of this process, with these sockets.
    Replaced(Vec<Retired>),
}

/// What a node asks of who runs it while it runs; both are called on a thread of the pool.
#[derive(Clone, Copy, Debug)]
pub struct Orders<R, C> {
    /// Reads the configuration again.
    pub reread: R,
    /// Says why a program that took the place of this one could not run; `Ok` when it could.
    pub check: C,
}

/// A node that is up: what it listens on.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its name.
    pub name: String,
    /// By configured listener, the address it got.
    pub bound: Vec<(Service, Peer)>,
}

impl Node {
    /// Opens the archive on a disk and catches its index up. `key` is who the node is. `seed` draws
    /// the numbers that must differ between runs: the epoch of a new log, the instance of this run.
    pub fn open(
        config: Config,
        key: &SigningKey,
        disk: Arc<dyn Disk>,
        seed: u64,
    ) -> Result<Self, NodeError> {
        let mut rng = Rng::new(seed);
        let limits = &config.limits;
        let options = StoreOptions {
            segment_bytes: limits.segment_bytes as u32,
            cache_bytes: limits.cache_bytes,
            index_cache_bytes: limits.index_cache_bytes,
            salt: rng.next_u64() as u32,
            fresh: Birth::of(&key.public(), rng.next_u64()),
            ..StoreOptions::default()
        };
        let (mut store, report) = Store::open(disk, options)?;
        for line in report.to_string().lines() {
            log::info!("{line}");
        }
        let is_unclean = report.cut.is_some() || report.index_rebuilt;
        let is_new = report.new_epoch_because.is_none_or(|why| why == NewEpoch::LogBorn);
        let is_in_doubt = is_unclean || !is_new;
        erasure::replay(&mut store)?;
        let mut node = Self::new(config, key, store, Clock::new(Hlc(0)), rng.next_u64());
        if is_in_doubt {
            node.audit_soon();
        }
        Ok(node)
    }

    /// Binds the listeners and starts what runs for ever.
    pub fn start(&mut self, cx: &mut Ctx<'_, Self>) -> Result<Running, NodeError> {
        self.catch_up_clock(cx.wall_ns() / 1_000_000)?;
        self.shelves = Shelves::open(&self.config, cx.wall_ns())?;
        self.secure_foreign()?;
        self.secure_news()?;
        let mut bound = Vec::new();
        for listen in self.config.listen.clone() {
            let local = self.bind(cx, listen.clone())?;
            log::info!("{} on {local}", listen.service);
            bound.push((listen.service, local));
        }
        self.load_charter();
        if self.config.accounts_open == Some(true)
            && !self.config.listen.iter().all(|listen| listen.endpoint.is_local())
        {
            log::warn!("accounts are open: whoever reaches this node may write and withdraw");
        }
        self.note_own_held(cx);
        // What a crash left unsealed could be handed to nobody.
        if self.seal_all() > 0 {
            self.commit_later(cx, false);
        }
        self.checkpoint_for_ever(cx);
        self.rewrite_for_ever(cx);
        self.retain_for_ever(cx);
        self.mend_for_ever(cx);
        self.dial_all(cx);
        self.dial_foreign_all(cx);
        self.number_articles(cx);
        self.dial_news_all(cx);
        self.open_search(cx);
        self.tend_search_for_ever(cx);
        self.tend_certificates_for_ever(cx);
        Ok(Running { name: self.config.name.clone(), bound })
    }

    /// Goes on after every moment held, as if it came now: one that is too far ahead was left aside
    /// when it came, and is so again.
    fn catch_up_clock(&mut self, wall_ms: u64) -> Result<(), StoreError> {
        let last: Vec<Span> = self.store.held().spans().collect();
        for Span { epoch, to, .. } in last {
            if let Some(update) = self.store.find(Dot { epoch, seq: to })? {
                self.clock.observe(update.clock(), wall_ms);
                self.note_origin(&update);
            }
        }
        Ok(())
    }

    /// Opens a listener; the address it got. Links are always over TLS, others when their endpoint
    /// says so.
    fn bind(&self, cx: &mut Ctx<'_, Self>, listen: Listen) -> Result<Peer, NodeError> {
        let is_peer = listen.service == Service::Peer;
        let options = ListenOptions {
            class: if is_peer { Class::Peer } else { Class::Client },
            secure: match listen.endpoint.bound() {
                _ if is_peer => Some(self.tls_server.clone()),
                ServerEndpoint::Tls { .. } => self.shelves.server(&listen).cloned(),
                _ => None,
            },
            ..ListenOptions::default()
        };
        let endpoint = listen.endpoint.clone();
        let listen = Arc::new(listen);
        let factory =
            move |peer: &Peer, node: &mut Self| node.protocol(&listen, listen.service, peer);
        match cx.listen(&endpoint, options, factory) {
            Ok(id) => Ok(cx.local_addr(id).unwrap_or(Peer::Unix)),
            Err(error) => Err(NodeError::Listen(endpoint, error)),
        }
    }

    /// The protocol of a connection that a listener accepted.
    fn protocol(
        &self,
        listen: &Arc<Listen>,
        service: Service,
        peer: &Peer,
    ) -> Box<dyn Protocol<Self>> {
        let limits = &self.config.limits;
        match service {
            Service::Http => Box::new(HttpConnection::new(limits)),
            Service::Line | Service::At => {
                Box::new(self.line_connection(peer, listen.close, service))
            }
            Service::Telnet => Box::new(TelnetConnection::new(limits)),
            Service::Nntp => {
                let tls = self.shelves.server(listen).cloned();
                Box::new(NntpConnection::new(limits, tls))
            }
            Service::Pb => Box::new(PbConnection::new(limits)),
            Service::Peer => Box::new(PeerConnection::new(None)),
            Service::Auto => {
                let tls = self.shelves.server(listen).cloned();
                Box::new(AutoConnection::new(listen, limits, tls, told_apart))
            }
        }
    }

    /// The loop's settings for a configuration.
    pub fn settings(config: &Config) -> Settings {
        let limits = &config.limits;
        Settings {
            linger_ms: limits.linger_ms,
            drain_ms: limits.drain_ms,
            handshake_ms: limits.handshake_ms,
            handshakes_max: limits.handshakes,
            handshakes_per_address_max: limits.handshakes_per_address as u32,
            proxy_ms: limits.proxy_ms,
            proxy_bytes_max: limits.proxy_bytes,
            farewell_ms: limits.farewell_ms,
            per_address_max: limits.per_address as u32,
            slow_turn_ms: limits.turn_slow_ms,
            subscriber_out_bytes_max: limits.subscriber_bytes.max(1 << 20),
            connections_max: match limits.connections {
                0 => Settings::default().connections_max,
                connections => connections,
            },
            ..Settings::default()
        }
    }

    /// Reads the configuration again, off the loop, and takes from it what can change.
    fn reread<F>(cx: &mut Ctx<'_, Self>, reread: &Arc<F>)
    where
        F: Fn() -> Result<Changes, String> + Send + Sync + 'static,
    {
        let reread = Arc::clone(reread);
        let job = move || -> Finish<Self> {
            let read = reread();
            Box::new(move |_, _: &mut Self| match read {
                Ok(Changes { level }) => {
                    log::set_max_level(level);
                    log::info!("the configuration was read again: the log goes from {level} on");
                }
                Err(error) => log::error!("the configuration stays as it was: {error}"),
            })
        };
        if let Err(full) = cx.offload(Box::new(job)) {
            log::error!("the configuration is not read again: {full}");
        }
    }

    /// Ends the node: what waits goes to disk, the log is marked as closed in order.
    pub fn close(mut self) -> Result<(), NodeError> {
        self.seal_all();
        // Own updates that still wait for the disk, since the drain's time was over, are in nothing
        // that readers see yet; the store's last checkpoint will say that they are.
        while let Some(batch) = self.store.take_batch() {
            let committed = self.store.finish(batch.run()).map_err(|failed| failed.error)?;
            for update in &committed.updates {
                self.index(update);
            }
        }
        Ok(self.store.close()?)
    }
}

/// The protocol of a connection, once it is told what it speaks.
fn told_apart(
    cx: &mut Ctx<'_, Node>,
    node: &mut Node,
    listen: &Arc<Listen>,
    service: Service,
) -> Box<dyn Protocol<Node>> {
    let peer = cx.transport().peer();
    node.protocol(listen, service, &peer)
}

/// Prepares a loop to carry a node: signals are the caller's.
pub fn prepare<B: Backend>(reactor: &mut Reactor<B, Node>) {
    reactor.on_stop(|cx, node: &mut Node| node.drain(cx));
}

/// Runs a node on this machine until a signal stops it. `ready` is called once every listener is
/// bound.
pub fn run<R, C>(
    config: Config,
    orders: Orders<R, C>,
    ready: impl FnOnce(&Running),
) -> Result<Ended, NodeError>
where
    R: Fn() -> Result<Changes, String> + Send + Sync + 'static,
    C: Fn() -> Result<(), String> + Send + Sync + 'static,
{
    let disk = FileDisk::new(config.dir.clone());
    let work = disk.work();
    let vigil = Vigil::begin(&work);
    let mut settings = Node::settings(&config);
    let reserved = DESCRIPTORS_RESERVED + settings.peer_connections_reserve;
    let most = descriptors_max().saturating_sub(reserved).max(1);
    if config.limits.connections > most {
        log::warn!("limits.connections is over what RLIMIT_NOFILE allows: {most} it is");
    }
    if config.limits.connections == 0 || config.limits.connections > most {
        settings.connections_max = most;
    }
    let mut backend = OsBackend::new().map_err(NodeError::Loop)?;
    backend.take_over(config.listen.iter().map(|listen| &listen.endpoint));
    let mut reactor = Reactor::new(backend, settings).map_err(NodeError::Loop)?;
    let seed = getrandom::u64().map_err(|error| NodeError::Loop(io::Error::other(error)))?;
    let key = load_or_make_key(&config.dir).map_err(NodeError::Key)?;
    log::info!("this node's key is {}", key.public());
    let mut node = Node::open(config, &key, Arc::new(disk), seed)?;
    node.search = Search::of(&node.config);
    prepare(&mut reactor);
    reactor.on_signal(on_signal(orders)).map_err(NodeError::Loop)?;
    let running = reactor.with(&mut node, |cx, node| {
        node.sample_for_ever(cx);
        replace::reassure_for_ever(cx);
        node.start(cx)
    })?;
    drop(vigil);
    ready(&running);
    tell_supervisor("READY=1");
    reactor.run(&mut node).map_err(NodeError::Loop)?;
    let vigil = Vigil::begin(&work);
    node.close()?;
    drop(vigil);
    log::info!("stopped");
    if reactor.has_successor() {
        return Ok(Ended::Replaced(reactor.backend().take_retired()));
    }
    Ok(Ended::Stopped)
}

/// What a node does on signals.
fn on_signal<R, C>(orders: Orders<R, C>) -> impl FnMut(Signal, &mut Ctx<'_, Node>, &mut Node)
where
    R: Fn() -> Result<Changes, String> + Send + Sync + 'static,
    C: Fn() -> Result<(), String> + Send + Sync + 'static,
{
    let (reread, check) = (Arc::new(orders.reread), Arc::new(orders.check));
    move |signal, cx, node| match signal {
        Signal::Interrupt | Signal::Terminate => {
            tell_supervisor("STOPPING=1");
            cx.stop();
        }
        Signal::Hangup | Signal::User1 => {
            node.look_at_certificates(cx);
            Node::reread(cx, &reread);
        }
        Signal::User2 => node.give_way(cx, &check),
    }
}
