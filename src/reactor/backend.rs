//! What the loop asks of the world below it: readiness, sockets, a clock. `os.rs` answers with
//! mio and the system's sockets, `sim/` with virtual time and a faulty network. Nothing here
//! decides anything; budgets, deadlines and half-close live above, in the loop, and run unchanged
//! over either.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use super::Peer;
use crate::base::ServerEndpoint;

/// The part of a backend that calls made by protocols reach.
pub trait Ground {
    /// Binds and listens at once; readiness is told under `token`. Returns the bound address.
    fn listen(&mut self, endpoint: &ServerEndpoint, token: u64) -> io::Result<Peer>;

    /// Closes the listener of `token`, if there is one.
    fn unlisten(&mut self, token: u64);

    /// Wall-clock nanoseconds since 1970.
    fn wall_ns(&self) -> u64;

    /// Monotonic nanoseconds since the backend was made.
    fn now_ns(&self) -> u64;
}

/// A world to run a loop in.
///
/// Readiness is edge-triggered: an event is a hint that may be spurious, and the next one of its
/// kind comes only after the socket said `WouldBlock`, read short, or wrote short.
pub trait Backend: Ground {
    /// One connected or connecting stream.
    type Socket;

    /// A number that other loops do not get.
    fn seed(&mut self) -> u64;

    /// Waits for events, at most `timeout_ms` (`None`: for ever), and puts them into `events`,
    /// which is empty. May return early with none.
    fn poll(&mut self, timeout_ms: Option<u64>, events: &mut Vec<Event>) -> io::Result<()>;

    /// Takes one waiting connection of the listener of `token`.
    fn accept(&mut self, token: u64) -> Result<(Self::Socket, Peer), AcceptError>;

    /// Stops accepting on the listener of `token`, whose socket a successor of this process is to
    /// have: whoever waits there, waits on. Closes it where there can't be one.
    fn retire(&mut self, token: u64) {
        self.unlisten(token);
    }

    /// When descriptors ran out: closes one waiting connection with a descriptor kept for that.
    /// False when none waits, or it can't.
    fn shed(&mut self, token: u64) -> bool;

    /// Starts to connect.
    fn connect(&mut self, target: &Target) -> io::Result<Self::Socket>;

    /// How a connect went: `None` while it goes on.
    fn connected(&mut self, socket: &mut Self::Socket) -> io::Result<Option<Peer>>;

    /// Asks for the events of a socket under `token`, once and for both directions.
    fn register(&mut self, socket: &mut Self::Socket, token: u64) -> io::Result<()>;

    /// Reads; 0 is the end of what the peer sends. Fewer bytes than asked for mean that no more
    /// are there now, unless an event said that the read side is closed.
    fn read(&mut self, socket: &mut Self::Socket, space: &mut [u8]) -> io::Result<usize>;

    /// Writes; fewer bytes than given mean that no more fit now.
    fn write(&mut self, socket: &mut Self::Socket, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Says that nothing more will be written.
    fn shutdown_write(&mut self, socket: &mut Self::Socket) -> io::Result<()>;

    /// Closes, in order or with a reset.
    fn close(&mut self, socket: Self::Socket, how: Close);

    /// What passes over this socket from now on is enciphered, under keys that no seed decides.
    fn conceal(&mut self, _socket: &mut Self::Socket) {}

    /// Plaintext that came out of a concealed socket.
    fn overhear(&mut self, _plaintext: &[u8]) {}

    /// What other threads interrupt `poll` with.
    fn waker(&self) -> Arc<dyn Wake>;

    /// What looks up host names, on a thread of the pool.
    fn resolver(&self) -> Arc<dyn Resolve>;

    /// How blocking jobs run here.
    fn pool(&self) -> PoolMode;

    /// Asks for signals as events from now on. The process no longer dies of them.
    fn watch_signals(&mut self) -> io::Result<()>;
}

/// Something to look into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A socket or listener may be ready.
    Ready(Readiness),
    /// A signal came.
    Signal(Signal),
}

/// What a socket or listener may be ready for.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of one event, as epoll has them"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whose event it is.
    pub token: u64,
    /// Reading, or accepting.
    pub readable: bool,
    /// Writing, or the end of a connect.
    pub writable: bool,
    /// The peer will send no more: a read after the last byte returns 0.
    pub read_closed: bool,
    /// The socket failed; a read or write says how.
    pub error: bool,
}

/// The signals that a loop knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: stop.
    Interrupt,
    /// SIGTERM: stop.
    Terminate,
    /// SIGHUP: read the configuration again.
    Hangup,
    /// SIGUSR1: the application's own.
    User1,
    /// SIGUSR2: likewise.
    User2,
}

/// Why nothing was accepted.
#[derive(Debug)]
pub enum AcceptError {
    /// Nobody waits.
    WouldBlock,
    /// This one failed, the next may not (`ECONNABORTED` and kin).
    Again(io::Error),
    /// Descriptors or memory ran out (`EMFILE` and kin).
    Exhausted(io::Error),
}

/// How a socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// As the system does: what was written is still delivered.
    Orderly,
    /// The peer sees a reset; what was not delivered is dropped.
    Reset,
}

/// Where to connect to, names looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An address and port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// Interrupts a loop's `poll`, from any thread.
pub trait Wake: Send + Sync {
    /// Lets the current or next `poll` return at once.
    fn wake(&self);
}

/// Looks up host names; may block.
pub trait Resolve: Send + Sync {
    /// The addresses of a host, best first.
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// How blocking jobs run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// On threads.
    Threads,
    /// At once, in the loop, and their ends are told after a virtual delay out of this range.
    Inline {
        /// Milliseconds until the end is told.
        delay_ms: RangeInclusive<u64>,
    },
}
