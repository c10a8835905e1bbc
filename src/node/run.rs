//! A node from its configuration to its end: the store opened and caught up, listeners bound,
//! peers dialled, the loop run, the store closed.

use super::Node;
use crate::base::{Rng, ServerEndpoint};
use crate::config::{Config, Listen, Service};
use crate::reactor::{
    Backend, Class, Ctx, ListenOptions, OsBackend, Peer, Protocol, Reactor, Settings, Signal,
    descriptors_max,
};
use crate::serve::http::HttpConnection;
use crate::serve::peer::{HerdDesk, PeerConnection};
use crate::store::{Disk, FileDisk, Store, StoreError, StoreOptions};
use crate::update::{Clock, Dot, Epoch, Hlc, Span};
use std::fmt;
use std::io;
use std::sync::Arc;

/// How many updates of the log's tail are indexed at a time.
const REPLAY_UPDATES: usize = 1024;

/// Descriptors that are not for accepted connections: the log, the index, dials, the loop itself.
const DESCRIPTORS_RESERVED: usize = 128;

/// Why a node did not start, or ended before its time.
#[derive(Debug)]
pub enum NodeError {
    /// The archive can't be opened or closed.
    Store(StoreError),
    /// A listener can't be bound.
    Listen(ServerEndpoint, io::Error),
    /// The loop failed.
    Loop(io::Error),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "{error}"),
            Self::Listen(endpoint, error) => write!(f, "can't listen on {endpoint}: {error}"),
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

/// A node that is up: what it listens on.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its name.
    pub name: String,
    /// By configured listener, the address it got.
    pub bound: Vec<(Service, Peer)>,
}

impl Node {
    /// Opens the archive on a disk and catches its index up. `seed` draws the numbers that must
    /// differ between runs: the epoch of a new log, the instance of this run.
    pub fn open(config: Config, disk: Arc<dyn Disk>, seed: u64) -> Result<Self, NodeError> {
        let mut rng = Rng::new(seed);
        let limits = &config.limits;
        let options = StoreOptions {
            segment_bytes: limits.segment_bytes as u32,
            cache_bytes: limits.cache_bytes,
            index_cache_bytes: limits.index_cache_bytes,
            salt: rng.next_u64() as u32,
            fresh_epoch: Epoch(rng.next_u64()),
            ..StoreOptions::default()
        };
        let (mut store, report) = Store::open(disk, options)?;
        for line in report.to_string().lines() {
            log::info!("{line}");
        }
        loop {
            let updates = store.replay(REPLAY_UPDATES)?;
            if updates.is_empty() {
                break;
            }
            for update in &updates {
                if let Err(error) = crate::news::apply(store.index_mut(), update) {
                    log::error!("update {} can't be indexed: {error}", update.cid());
                    store.index().condemn();
                }
            }
        }
        Ok(Self::new(config, store, Clock::new(Hlc(0)), rng.next_u64()))
    }

    /// Binds the listeners and starts what runs for ever.
    pub fn start(&mut self, cx: &mut Ctx<'_, Self>) -> Result<Running, NodeError> {
        self.catch_up_clock(cx.wall_ns() / 1_000_000)?;
        let mut bound = Vec::new();
        for listen in self.config.listen.clone() {
            let local = bind(cx, listen.clone())?;
            log::info!("{} on {local}", listen.service);
            bound.push((listen.service, local));
        }
        self.checkpoint_for_ever(cx);
        self.dial_all(cx);
        self.dial_foreign_all(cx);
        Ok(Running { name: self.config.name.clone(), bound })
    }

    /// Goes on after every moment held, as if it came now: one that is too far ahead was left aside
    /// when it came, and is so again.
    fn catch_up_clock(&mut self, wall_ms: u64) -> Result<(), StoreError> {
        for Span { epoch, to, .. } in self.store.held().spans() {
            if let Some(update) = self.store.get(Dot { epoch, seq: to })? {
                self.clock.observe(update.clock(), wall_ms);
            }
        }
        Ok(())
    }

    /// The protocol of a connection that a listener accepted.
    fn protocol(&self, listen: &Listen, peer: &Peer) -> Box<dyn Protocol<Self>> {
        match listen.service {
            Service::Http => Box::new(HttpConnection::new(&self.config.limits)),
            Service::Line | Service::At => {
                Box::new(self.line_connection(peer, listen.close, listen.service))
            }
            Service::Peer => Box::new(PeerConnection::new(self.link_settings(), None)),
        }
    }

    /// The loop's settings for a configuration.
    pub fn settings(config: &Config) -> Settings {
        let limits = &config.limits;
        Settings {
            linger_ms: limits.linger_ms,
            drain_ms: limits.drain_ms,
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

    /// Ends the node: what waits goes to disk, the log is marked as closed in order.
    pub fn close(self) -> Result<(), NodeError> {
        Ok(self.store.close()?)
    }
}

/// Opens a listener; the address it got.
fn bind(cx: &mut Ctx<'_, Node>, listen: Listen) -> Result<Peer, NodeError> {
    let class = if listen.service == Service::Peer { Class::Peer } else { Class::Client };
    let options = ListenOptions { class, ..ListenOptions::default() };
    let endpoint = listen.endpoint.clone();
    let factory = move |peer: &Peer, node: &mut Node| node.protocol(&listen, peer);
    match cx.listen(&endpoint, options, factory) {
        Ok(id) => Ok(cx.local_addr(id).unwrap_or(Peer::Unix)),
        Err(error) => Err(NodeError::Listen(endpoint, error)),
    }
}

/// Prepares a loop to carry a node: signals are the caller's.
pub(super) fn prepare<B: Backend>(reactor: &mut Reactor<B, Node>) {
    reactor.on_stop(|cx, node: &mut Node| node.drain(cx));
}

/// Runs a node on this machine until a signal stops it. `ready` is called once every listener is
/// bound.
pub fn run(config: Config, ready: impl FnOnce(&Running)) -> Result<(), NodeError> {
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(config.dir.clone()));
    let mut settings = Node::settings(&config);
    let reserved = DESCRIPTORS_RESERVED + settings.peer_connections_reserve;
    let most = descriptors_max().saturating_sub(reserved).max(1);
    if config.limits.connections > most {
        log::warn!("limits.connections is over what RLIMIT_NOFILE allows: {most} it is");
    }
    if config.limits.connections == 0 || config.limits.connections > most {
        settings.connections_max = most;
    }
    let backend = OsBackend::new().map_err(NodeError::Loop)?;
    let mut reactor = Reactor::new(backend, settings).map_err(NodeError::Loop)?;
    let seed = getrandom::u64().map_err(|error| NodeError::Loop(io::Error::other(error)))?;
    let mut node = Node::open(config, disk, seed)?;
    prepare(&mut reactor);
    let on_signal = |signal, cx: &mut Ctx<'_, Node>, _: &mut Node| match signal {
        Signal::Interrupt | Signal::Terminate => cx.stop(),
        Signal::Hangup | Signal::User1 => {
            log::info!("nothing in the configuration of this version can change while it runs");
        }
    };
    reactor.on_signal(on_signal).map_err(NodeError::Loop)?;
    let running = reactor.with(&mut node, |cx, node| node.start(cx))?;
    ready(&running);
    reactor.run(&mut node).map_err(NodeError::Loop)?;
    node.close()?;
    log::info!("stopped");
    Ok(())
}
