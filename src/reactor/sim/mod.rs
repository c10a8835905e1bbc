//! A world in virtual time: the loop itself, on a network that delays, splits, refuses, resets
//! and cuts as a seed has it. Not a double of the loop; the same loop on another ground.
//!
//! Alone ([`SimBackend::alone`]) a loop moves the clock by itself when it would sleep. Several
//! loops on one network are stepped by their [`SimWorld`].

mod agenda;
mod net;
#[cfg(test)]
mod tests;
mod trace;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub use self::world::{SimLoop, SimNode, SimWorld};

use self::net::{HostNo, Net};
use super::backend::{
    AcceptError, Backend, Close, Event, Ground, PoolMode, Resolve, Signal, Target, Wake,
};
use super::{Peer, Reactor};
use crate::base::{Key, ServerEndpoint};

/// A loop in virtual time.
pub type SimReactor<S> = Reactor<SimBackend, S>;

/// The virtual clock's start: 2026-01-01T00:00:00Z, in nanoseconds since 1970.
const WALL_START_NS: u64 = 1_767_225_600_000_000_000;

/// What the network does to those who use it. Chances are (numerator, denominator).
#[derive(Clone, Debug)]
pub struct SimFaults {
    /// How long anything takes from one end to the other.
    pub delay_ms: RangeInclusive<u64>,
    /// The sizes of the pieces in which written bytes arrive: short reads.
    pub segment_bytes: RangeInclusive<u64>,
    /// Bytes that one end may have sent and the other not read.
    pub window_bytes: u64,
    /// A write takes fewer bytes than fit.
    pub short_write: (u64, u64),
    /// A read is interrupted.
    pub interrupt: (u64, u64),
    /// An event comes that means nothing.
    pub nudge: (u64, u64),
    /// A connect is refused, though someone listens.
    pub refuse: (u64, u64),
    /// A stream breaks, for each piece sent.
    pub reset: (u64, u64),
    /// A piece gets lost, and comes after `resend_ms` more: with all that was sent behind it,
    /// since a stream keeps its order.
    pub loss: (u64, u64),
    /// How long until a lost piece is sent again.
    pub resend_ms: RangeInclusive<u64>,
    /// How long until the end of a blocking job is told.
    pub job_ms: RangeInclusive<u64>,
}

/// The way from one host to another, where it differs from what holds for all.
#[derive(Clone, Debug)]
pub struct SimWay {
    /// How long anything takes; instead of [`SimFaults::delay_ms`].
    pub delay_ms: RangeInclusive<u64>,
    /// How many bytes fit through it in a millisecond; `None`: any.
    pub bytes_per_ms: Option<u64>,
}

impl SimFaults {
    /// A network without faults: 1 ms, large pieces.
    pub fn none() -> Self {
        Self {
            delay_ms: 1..=1,
            segment_bytes: 65_536..=65_536,
            window_bytes: 256 << 10,
            short_write: (0, 1),
            interrupt: (0, 1),
            nudge: (0, 1),
            refuse: (0, 1),
            reset: (0, 1),
            loss: (0, 1),
            resend_ms: 200..=200,
            job_ms: 1..=1,
        }
    }

    /// All that a good network may do: small pieces, short writes, idle events, uneven delay;
    /// nothing refused or reset.
    pub fn calm() -> Self {
        Self {
            delay_ms: 0..=20,
            segment_bytes: 1..=2_000,
            window_bytes: 64 << 10,
            short_write: (1, 5),
            interrupt: (1, 20),
            nudge: (1, 20),
            job_ms: 0..=30,
            ..Self::none()
        }
    }

    /// Calm, and connects are refused and streams break.
    pub fn storm() -> Self {
        Self { delay_ms: 0..=200, refuse: (1, 5), reset: (1, 500), ..Self::calm() }
    }
}

/// One host of a simulated network.
pub struct SimBackend {
    net: Rc<RefCell<Net>>,
    host: HostNo,
    names: Names,
    woken: Arc<AtomicBool>,
    signals: Vec<Signal>,
    /// It moves the clock itself.
    alone: bool,
}

/// One end of a simulated stream.
#[derive(Debug)]
pub struct SimSocket(Key);

/// Host names and their addresses, shared with the resolver's jobs.
type Names = Arc<Mutex<BTreeMap<String, IpAddr>>>;

impl SimBackend {
    /// A network with one host, whose loop moves the clock by itself.
    pub fn alone(seed: u64, faults: SimFaults) -> Self {
        let mut backend = SimWorld::new(seed, faults).host("localhost");
        backend.alone = true;
        backend
    }

    /// Sends a signal, as `kill` would.
    pub fn raise(&mut self, signal: Signal) {
        self.signals.push(signal);
    }

    /// A hash of all that happened on the network so far.
    pub fn trace_hash(&self) -> u64 {
        self.net.borrow().trace.hash()
    }

    /// Changes what the network does from now on.
    pub fn set_faults(&mut self, faults: SimFaults) {
        self.net.borrow_mut().faults = faults;
    }

    fn take_events(&mut self, events: &mut Vec<Event>) -> bool {
        let woken = self.woken.swap(false, Ordering::AcqRel);
        events.extend(self.signals.drain(..).map(Event::Signal));
        events.extend(self.net.borrow_mut().take_events(self.host).map(Event::Ready));
        woken || !events.is_empty()
    }
}

impl Drop for SimBackend {
    /// The process ends: the system closes what it had open.
    fn drop(&mut self) {
        self.net.borrow_mut().close_all(self.host);
    }
}

impl Ground for SimBackend {
    fn listen(&mut self, endpoint: &ServerEndpoint, token: u64) -> io::Result<Peer> {
        self.net.borrow_mut().listen(self.host, endpoint, token)
    }

    fn unlisten(&mut self, token: u64) {
        self.net.borrow_mut().unlisten(self.host, token);
    }

    fn wall_ns(&self) -> u64 {
        let off_ms = self.net.borrow().hosts[self.host].clock_off_ms;
        (WALL_START_NS + self.now_ns()).saturating_add_signed(off_ms * 1_000_000)
    }

    fn now_ns(&self) -> u64 {
        self.net.borrow().now * 1_000_000
    }
}

impl Backend for SimBackend {
    type Socket = SimSocket;

    fn seed(&mut self) -> u64 {
        self.net.borrow_mut().rng.next_u64()
    }

    fn poll(&mut self, timeout_ms: Option<u64>, events: &mut Vec<Event>) -> io::Result<()> {
        let began = self.net.borrow().now;
        self.net.borrow_mut().advance(began);
        let until = timeout_ms.map(|ms| began.saturating_add(ms));
        while !self.take_events(events) && self.alone {
            let mut net = self.net.borrow_mut();
            let next = match (net.next_arrival(), until) {
                (Some(arrival), Some(until)) => arrival.min(until),
                (arrival, until) => arrival.or(until).ok_or_else(nothing_left)?,
            };
            net.advance(next);
            drop(net);
            if until.is_some_and(|until| until <= next) {
                self.take_events(events);
                break;
            }
        }
        Ok(())
    }

    fn accept(&mut self, token: u64) -> Result<(SimSocket, Peer), AcceptError> {
        let accepted = self.net.borrow_mut().accept(self.host, token);
        accepted.map(|(key, peer)| (SimSocket(key), peer)).ok_or(AcceptError::WouldBlock)
    }

    fn shed(&mut self, token: u64) -> bool {
        let mut net = self.net.borrow_mut();
        let shed = net.accept(self.host, token);
        if let Some((key, _)) = shed {
            net.close(key, Close::Orderly);
        }
        shed.is_some()
    }

    fn connect(&mut self, target: &Target) -> io::Result<SimSocket> {
        Ok(SimSocket(self.net.borrow_mut().connect(self.host, target)))
    }

    fn connected(&mut self, socket: &mut SimSocket) -> io::Result<Option<Peer>> {
        self.net.borrow().connected(socket.0)
    }

    fn register(&mut self, socket: &mut SimSocket, token: u64) -> io::Result<()> {
        self.net.borrow_mut().register(socket.0, token);
        Ok(())
    }

    fn read(&mut self, socket: &mut SimSocket, space: &mut [u8]) -> io::Result<usize> {
        self.net.borrow_mut().read(socket.0, space)
    }

    fn write(&mut self, socket: &mut SimSocket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.net.borrow_mut().write(socket.0, slices)
    }

    fn shutdown_write(&mut self, socket: &mut SimSocket) -> io::Result<()> {
        self.net.borrow_mut().shutdown_write(socket.0)
    }

    fn close(&mut self, socket: SimSocket, how: Close) {
        self.net.borrow_mut().close(socket.0, how);
    }

    fn conceal(&mut self, socket: &mut SimSocket) {
        self.net.borrow_mut().conceal(socket.0);
    }

    fn overhear(&mut self, plaintext: &[u8]) {
        self.net.borrow_mut().trace.note_bytes(plaintext);
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(Flag(Arc::clone(&self.woken)))
    }

    fn resolver(&self) -> Arc<dyn Resolve> {
        Arc::new(NameList(Arc::clone(&self.names)))
    }

    fn pool(&self) -> PoolMode {
        let net = self.net.borrow();
        let job_ms = net.hosts[self.host].job_ms.as_ref().unwrap_or(&net.faults.job_ms);
        PoolMode::Inline { delay_ms: job_ms.clone() }
    }

    fn watch_signals(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A loop that sleeps for ever, with nothing on its way to wake it: on a real machine it would
/// hang.
fn nothing_left() -> io::Error {
    io::Error::new(io::ErrorKind::Deadlock, "nothing is left to happen in this simulation")
}

struct Flag(Arc<AtomicBool>);

impl Wake for Flag {
    fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}

struct NameList(Names);

impl Resolve for NameList {
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ip = match host {
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            name => names.get(name).copied(),
        };
        ip.map(|ip| vec![(ip, port).into()]).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
