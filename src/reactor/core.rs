//! What stands behind every [`Ctx`]: the board, listeners, connectors, delayed calls, the pool.
//! Not generic over the backend, so that protocols are not.

use std::any::Any;
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::backend::{Ground, PoolMode, Resolve, Target};
use super::board::{Board, Due};
use super::pool::{Finish, Mailbox, Pool};
use super::share::Shaking;
use super::{
    Class, ConnId, ConnectError, Ctx, Factory, ListenOptions, ListenerId, Peer, Protocol, TlsClient,
};
use crate::base::{ClientEndpoint, Key, Rng, Slots, Tick, TimerKey};

pub(super) struct Core<S> {
    pub(super) board: Board,
    pub(super) listeners: Slots<Listener<S>>,
    /// Listeners that may have connections waiting.
    pub(super) accepting: VecDeque<ListenerId>,
    pub(super) dials: Slots<Dial<S>>,
    /// Dials whose next target is to be tried.
    pub(super) dialing: Vec<Key>,
    pub(super) calls: Slots<Call<S>>,
    pub(super) pool: Pool<S>,
    pub(super) pool_mode: PoolMode,
    /// Names being looked up on the pool.
    pub(super) lookups: usize,
    pub(super) mailbox: Arc<Mailbox<S>>,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) rng: Rng,
    /// The wall clock of this turn, once someone asked.
    pub(super) wall_ns: Cell<Option<u64>>,
    pub(super) stage: Stage,
    /// Until when a stop lets clients in use have their last answers.
    pub(super) leaves_at: Tick,
    /// Listening sockets go to a successor when the loop stops.
    pub(super) has_successor: bool,
    /// What takes the place of the protocol that is being called.
    pub(super) heir: Option<Box<dyn Protocol<S>>>,
    pub(super) holds: u32,
    /// The deadline of the drain under way.
    pub(super) drain_timer: Option<TimerKey>,
    /// Accepted connections, and those of each address that is not local.
    pub(super) accepted_open: usize,
    pub(super) by_address: BTreeMap<IpAddr, u32>,
}

/// How far a stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Running,
    /// `stop` was called in this turn.
    Asked,
    /// Listeners are closed; connections in use get their last answers.
    Leaving,
    /// That is over.
    Left,
    /// Holders are waited for.
    Held,
    /// Connections are closing.
    Closing,
    /// The loop ends.
    Over,
}

pub(super) struct Listener<S> {
    pub(super) factory: Box<dyn Factory<S>>,
    pub(super) options: ListenOptions,
    pub(super) local: Peer,
    /// In the queue of those to accept from.
    pub(super) queued: bool,
    /// Descriptors ran out: waits for its timer.
    pub(super) resting: bool,
    /// Handshakes under way, of those it accepted.
    pub(super) shaking: Shaking,
    /// They are as many as may be: waits for the end of one.
    pub(super) held: bool,
}

/// A connector at work.
pub(super) struct Dial<S> {
    pub(super) factory: Box<dyn Factory<S>>,
    pub(super) class: Class,
    pub(super) idle_ms: Option<u64>,
    pub(super) secure: Option<TlsClient>,
    /// Addresses not yet tried.
    pub(super) targets: VecDeque<Target>,
    pub(super) timer: Option<TimerKey>,
    /// The socket that is being connected, or none.
    pub(super) conn: ConnId,
    pub(super) why: ConnectError,
}

/// A call of `call_later`.
pub(super) type Later<S> = Box<dyn FnOnce(&mut Ctx<'_, S>, &mut S)>;

/// A closure that waits for its timer.
pub(super) enum Call<S> {
    Later(Later<S>),
    Finish(Finish<S>),
}

impl<S: 'static> Core<S> {
    /// Takes a dial out; its timer is cancelled.
    pub(super) fn take_dial(&mut self, key: Key) -> Option<Dial<S>> {
        let dial = self.dials.remove(key)?;
        dial.timer.and_then(|timer| self.board.wheel.cancel(timer));
        Some(dial)
    }

    /// Starts a connector: its targets are tried at the end of the turn, or once they are known.
    pub(super) fn dial(
        &mut self,
        endpoint: &ClientEndpoint,
        options: super::ConnectOptions,
        factory: Box<dyn Factory<S>>,
    ) {
        let asked_ms = endpoint.timeout_ms().unwrap_or(options.timeout_ms);
        let due = self.board.now.saturating_add(asked_ms);
        let key = self.dials.insert(Dial {
            factory,
            class: options.class,
            idle_ms: options.idle_ms,
            secure: options.secure,
            targets: VecDeque::new(),
            timer: None,
            conn: ConnId::NONE,
            why: ConnectError::Unresolved,
        });
        let timer = self.board.wheel.arm(due, Due::Dial(key));
        let Some(dial) = self.dials.get_mut(key) else { return };
        dial.timer = Some(timer);
        match endpoint {
            ClientEndpoint::Unix { path, .. } => dial.targets.push_back(Target::Unix(path.clone())),
            ClientEndpoint::Tcp { host, port, .. } | ClientEndpoint::Tls { host, port, .. } => {
                match host.parse::<IpAddr>() {
                    Ok(ip) => dial.targets.push_back(Target::Tcp((ip, *port).into())),
                    Err(_) => return self.look_up(key, host.clone(), *port),
                }
            }
        }
        self.dialing.push(key);
    }

    fn look_up(&mut self, key: Key, host: String, port: u16) {
        let resolver = Arc::clone(&self.resolver);
        let job = move || -> Finish<S> {
            let found = resolver.resolve(&host, port);
            Box::new(move |cx, state| {
                if let Err(error) = &found {
                    log::debug!("looking up {host}: {error}");
                }
                cx.core.lookups -= 1;
                cx.core.found(key, &found.unwrap_or_default(), state);
            })
        };
        // Look-ups hang for as long as the resolver likes: they must leave threads to others.
        let has_room = self.lookups < self.board.settings.pool_threads.div_ceil(2);
        if has_room && self.offload(Box::new(job)).is_ok() {
            self.lookups += 1;
        } else {
            if let Some(dial) = self.dials.get_mut(key) {
                dial.why = ConnectError::Busy;
            }
            self.dialing.push(key);
        }
    }

    fn found(&mut self, key: Key, addresses: &[SocketAddr], state: &mut S) {
        if let Some(dial) = self.dials.get_mut(key) {
            dial.targets.extend(addresses.iter().copied().map(Target::Tcp));
            self.dialing.push(key);
            dial.factory.resolved(addresses, state);
        }
    }

    pub(super) fn offload(&mut self, job: super::Job<S>) -> Result<(), super::PoolFull> {
        if let Err(full) = self.pool.admit() {
            self.board.stats.jobs_refused += 1;
            return Err(full);
        }
        self.board.stats.jobs += 1;
        match &self.pool_mode {
            PoolMode::Threads => self.pool.submit(job, &self.mailbox),
            PoolMode::Inline { delay_ms } => {
                let delay = self.rng.range(delay_ms.clone());
                let finish = super::pool::run(job).unwrap_or_else(|| {
                    Box::new(|cx, _| {
                        cx.core.board.stats.panics += 1;
                    })
                });
                let call = self.calls.insert(Call::Finish(finish));
                self.board.wheel.arm(self.board.now + delay, Due::Call(call));
            }
        }
        Ok(())
    }
}

impl<S> Core<S> {
    /// A call's context; `ground` is the backend.
    pub(super) fn cx<'a>(&'a mut self, ground: &'a mut dyn Ground, id: ConnId) -> Ctx<'a, S> {
        Ctx { core: self, ground, id }
    }

    /// Counts and logs a panic of user code.
    pub(super) fn log_panic(&mut self, what: &str, panic: &(dyn Any + Send)) {
        self.board.stats.panics += 1;
        log::error!("{what} panicked: {}", panic_text(panic));
    }
}

/// The message of a panic, if it has one.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
