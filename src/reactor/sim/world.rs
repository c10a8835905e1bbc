//! Several loops on one network and one clock, stepped in an order that the seed decides.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use super::net::Net;
use super::{Names, SimBackend, SimFaults, SimReactor};
use crate::base::Tick;

/// A network of hosts, and the hand on its clock. The same seed, hosts and calls give the same
/// run, to the byte.
pub struct SimWorld {
    net: Rc<RefCell<Net>>,
    names: Names,
}

/// A loop that a world can step.
pub trait SimNode {
    /// The host it runs on, as given to [`SimWorld::host`].
    fn host(&self) -> &str;

    /// When it has something to do by itself.
    fn next_wake(&self) -> Option<Tick>;

    /// One turn; false when it has ended.
    fn turn(&mut self) -> io::Result<bool>;
}

/// A loop with its state, on a host.
pub struct SimLoop<S> {
    host: String,
    /// The loop.
    pub reactor: SimReactor<S>,
    /// Its state.
    pub state: S,
}

impl<S: 'static> SimLoop<S> {
    /// A loop on a host of the world.
    pub fn new(
        world: &SimWorld,
        host: &str,
        settings: crate::reactor::Settings,
        state: S,
    ) -> io::Result<Self> {
        let reactor = SimReactor::new(world.host(host), settings)?;
        Ok(Self { host: host.into(), reactor, state })
    }

    /// Calls `f` with the loop's verbs, between turns.
    pub fn with<R>(&mut self, f: impl FnOnce(&mut crate::reactor::Ctx<'_, S>, &mut S) -> R) -> R {
        self.reactor.with(&mut self.state, f)
    }
}

impl<S: 'static> SimNode for SimLoop<S> {
    fn host(&self) -> &str {
        &self.host
    }

    fn next_wake(&self) -> Option<Tick> {
        self.reactor.next_wake()
    }

    fn turn(&mut self) -> io::Result<bool> {
        self.reactor.turn(&mut self.state)
    }
}

impl SimWorld {
    /// A network without hosts, at tick 0.
    pub fn new(seed: u64, faults: SimFaults) -> Self {
        let net = Rc::new(RefCell::new(Net::new(seed, faults)));
        Self { net, names: Arc::new(Mutex::new(BTreeMap::new())) }
    }

    /// The ground for a loop on this host, made if new; host names resolve for all. When the
    /// backend is dropped, the host's sockets are closed as those of a dead process are, and it
    /// may be made again.
    pub fn host(&self, name: &str) -> SimBackend {
        let host = self.net.borrow_mut().host(name);
        let ip = self.net.borrow().hosts[host].ip;
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), ip);
        SimBackend {
            net: Rc::clone(&self.net),
            host,
            names: Arc::clone(&self.names),
            woken: Arc::new(AtomicBool::new(false)),
            signals: Vec::new(),
            alone: false,
        }
    }

    /// The address of a host, made if new.
    pub fn address(&self, name: &str) -> IpAddr {
        let mut net = self.net.borrow_mut();
        let host = net.host(name);
        net.hosts[host].ip
    }

    /// The clock.
    pub fn now(&self) -> Tick {
        self.net.borrow().now
    }

    /// A hash of all that happened so far: equal for two runs of a seed.
    pub fn trace_hash(&self) -> u64 {
        self.net.borrow().trace.0
    }

    /// Changes what the network does from now on.
    pub fn set_faults(&self, faults: SimFaults) {
        self.net.borrow_mut().faults = faults;
    }

    /// Nothing gets from one host to the other until [`heal`](Self::heal); the way back is open.
    pub fn cut(&self, from: &str, to: &str) {
        let mut net = self.net.borrow_mut();
        let (from, to) = (net.host(from), net.host(to));
        net.cut(from, to);
    }

    /// Ends a cut; what was held back arrives now, in order.
    pub fn heal(&self, from: &str, to: &str) {
        let mut net = self.net.borrow_mut();
        let (from, to) = (net.host(from), net.host(to));
        net.heal(from, to);
    }

    /// Breaks all streams between two hosts; returns how many ends there were.
    pub fn reset(&self, a: &str, b: &str) -> usize {
        let mut net = self.net.borrow_mut();
        let (a, b) = (net.host(a), net.host(b));
        net.reset_between(a, b)
    }

    /// Turns the loops that have something to do now, or else moves the clock to when one has.
    /// False when nothing is left to happen before `until`. Between steps the loops and their
    /// states are the caller's to look at.
    pub fn step(&self, nodes: &mut [&mut dyn SimNode], until: Tick) -> io::Result<bool> {
        let now = self.now();
        self.net.borrow_mut().advance(now);
        if nodes.is_empty() {
            return Ok(false);
        }
        let first = self.net.borrow_mut().rng.below(nodes.len() as u64) as usize;
        let mut turned = false;
        for place in 0..nodes.len() {
            let node = &mut nodes[(first + place) % nodes.len()];
            if self.is_due(&**node, now) {
                node.turn()?;
                turned = true;
            }
        }
        if turned {
            return Ok(true);
        }
        let wakes = nodes.iter().filter_map(|node| node.next_wake());
        let next = wakes.chain(self.net.borrow().next_arrival()).min();
        let Some(next) = next.filter(|next| *next < until) else { return Ok(false) };
        self.net.borrow_mut().advance(next);
        Ok(true)
    }

    fn is_due(&self, node: &dyn SimNode, now: Tick) -> bool {
        let mut net = self.net.borrow_mut();
        let host = net.host(node.host());
        net.has_events(host) || node.next_wake().is_some_and(|wake| wake <= now)
    }

    /// Steps until the clock reaches `until`, where it is left.
    pub fn run(&self, nodes: &mut [&mut dyn SimNode], until: Tick) -> io::Result<()> {
        while self.step(nodes, until)? {}
        self.net.borrow_mut().advance(until);
        Ok(())
    }
}
