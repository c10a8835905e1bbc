//! Several loops on one network and one clock, stepped in an order that the seed decides.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use super::net::{HostNo, Net};
use super::{Names, SimBackend, SimFaults, SimReactor, SimWay};
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
    number: HostNo,
    net: Rc<RefCell<Net>>,
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
        let backend = world.host(host);
        let (number, net) = (backend.host, Rc::clone(&backend.net));
        let reactor = SimReactor::new(backend, settings)?;
        Ok(Self { host: host.into(), number, net, reactor, state })
    }

    /// The number of its host, as [`SimWorld::number`] gives it.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Calls `f` with the loop's verbs, between turns.
    pub fn with<R>(&mut self, f: impl FnOnce(&mut crate::reactor::Ctx<'_, S>, &mut S) -> R) -> R {
        let result = self.reactor.with(&mut self.state, f);
        self.note_wake();
        result
    }

    /// Its world has to know when it wakes.
    fn note_wake(&self) {
        self.net.borrow_mut().agenda.set_wake(self.number, self.reactor.next_wake());
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
        let goes_on = self.reactor.turn(&mut self.state);
        self.note_wake();
        goes_on
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
        self.net.borrow().trace.hash()
    }

    /// Changes what the network does from now on.
    pub fn set_faults(&self, faults: SimFaults) {
        self.net.borrow_mut().faults = faults;
    }

    /// The number of a host, made if new: they count from 0.
    pub fn number(&self, name: &str) -> usize {
        self.net.borrow_mut().host(name)
    }

    /// Says how it is on the way from one host to another.
    pub fn set_way(&self, from: &str, to: &str, way: SimWay) {
        let mut net = self.net.borrow_mut();
        let (from, to) = (net.host(from), net.host(to));
        net.set_way(from, to, way);
    }

    /// Stops the process of a host, as SIGSTOP does, or lets it go on.
    pub fn set_paused(&self, host: usize, is_paused: bool) {
        self.net.borrow_mut().agenda.set_paused(host, is_paused);
    }

    /// From now on the process of a host has a turn only every so many milliseconds; 0: at once.
    pub fn set_rest(&self, host: usize, rest_ms: u64) {
        self.net.borrow_mut().agenda.set_rest(host, rest_ms);
    }

    /// From now on the blocking jobs of a host take so long; `None`: as the faults have it.
    pub fn set_job_ms(&self, host: usize, job_ms: Option<RangeInclusive<u64>>) {
        self.net.borrow_mut().hosts[host].job_ms = job_ms;
    }

    /// Sets the wall clock of a host so far off, in milliseconds.
    pub fn set_clock_off(&self, host: usize, off_ms: i64) {
        self.net.borrow_mut().hosts[host].clock_off_ms = off_ms;
    }

    /// How many bytes were written to streams so far, by all hosts.
    pub fn written_bytes(&self) -> u64 {
        self.net.borrow().written_bytes
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
        for node in &*nodes {
            let mut net = self.net.borrow_mut();
            let host = net.host(node.host());
            net.agenda.set_wake(host, node.next_wake());
        }
        self.step_by(until, |host| {
            let found = nodes.iter_mut().find(|node| self.number(node.host()) == host);
            match found {
                Some(node) => node.turn().map(|_| true),
                None => Ok(false),
            }
        })
    }

    /// The same for many loops: `turn` turns the loop of a host, and says whether there is one.
    pub fn step_by(
        &self,
        until: Tick,
        mut turn: impl FnMut(usize) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let now = self.now();
        let mut due = {
            let mut net = self.net.borrow_mut();
            net.advance(now);
            let mut due = net.agenda.due(now);
            if !due.is_empty() {
                let first = net.rng.below(due.len() as u64) as usize;
                due.rotate_left(first);
            }
            due
        };
        let mut turned = false;
        for host in due.drain(..) {
            if turn(host)? {
                turned = true;
                self.net.borrow_mut().agenda.turned(host, now);
            } else {
                self.net.borrow_mut().agenda.set_absent(host);
            }
        }
        if turned {
            return Ok(true);
        }
        let mut net = self.net.borrow_mut();
        let next = net.agenda.next().into_iter().chain(net.next_arrival()).min();
        let Some(next) = next.filter(|next| *next < until) else { return Ok(false) };
        net.advance(next);
        Ok(true)
    }

    /// Steps until the clock reaches `until`, where it is left.
    pub fn run(&self, nodes: &mut [&mut dyn SimNode], until: Tick) -> io::Result<()> {
        while self.step(nodes, until)? {}
        self.net.borrow_mut().advance(until);
        Ok(())
    }

    /// Moves the clock; nothing is turned.
    pub fn pass(&self, until: Tick) {
        self.net.borrow_mut().advance(until);
    }
}
