//! The real world: mio's poll, the system's sockets and clocks, signals. Decides nothing.

use std::collections::BTreeMap;
use std::fs::{Permissions, remove_file, set_permissions, symlink_metadata};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token, Waker, event};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook_mio::v1_0::Signals;
use socket2::{Domain, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use super::backend::{
    AcceptError, Backend, Close, Event, Ground, PoolMode, Readiness, Resolve, Signal, Target, Wake,
};
use super::handed::{Handed, Retired};
use super::{Peer, Reactor};
use crate::base::ServerEndpoint;

/// A loop on the system's sockets.
pub type OsReactor<S> = Reactor<OsBackend, S>;

// No key of the loop has a generation of u32::MAX, so these are nobody else's tokens.
const WAKE: Token = Token(usize::MAX);
const SIGNALS: Token = Token(usize::MAX - 1);

/// Events taken from the system at a time.
const EVENTS_MAX: usize = 1024;

/// Silence on a TCP connection after which the system asks whether the other end is there; the
/// system's own default is two hours.
const KEEPALIVE_TIME: Duration = Duration::from_mins(1);
/// Between its questions. How many go unanswered before the connection is lost is the system's.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Whether a connection has its listener's options from the start: a system call or four less for
/// each. Not everywhere is all of them promised.
const OPTIONS_ARE_INHERITED: bool = cfg!(target_os = "linux");

// Error numbers that `io::ErrorKind` does not tell apart; Linux and the BSDs share them.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOMEM: i32 = 12;
#[cfg(target_os = "linux")]
const ENOBUFS: i32 = 105;
#[cfg(not(target_os = "linux"))]
const ENOBUFS: i32 = 55;

/// The system's sockets under mio's poll.
pub struct OsBackend {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    signals: Option<Signals>,
    listeners: BTreeMap<u64, Listener>,
    handed: Handed,
    retired: Vec<Retired>,
    /// A descriptor to give up when there are no others.
    reserve: Option<Socket>,
    began: Instant,
}

/// How many descriptors this process may have open, after raising its soft limit to the hard one
/// as far as the system allows.
pub fn descriptors_max() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Without the right to raise it, the soft limit is what there is.
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |current| current as usize)
}

struct Listener {
    door: Door,
    endpoint: ServerEndpoint,
}

enum Door {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Door {
    fn of(socket: Socket) -> io::Result<Self> {
        let is_unix = socket.local_addr()?.is_unix();
        let socket = OwnedFd::from(socket);
        Ok(if is_unix {
            Self::Unix(UnixListener::from_std(socket.into()))
        } else {
            Self::Tcp(TcpListener::from_std(socket.into()))
        })
    }

    fn local(&self) -> io::Result<Peer> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Peer::Tcp),
            Self::Unix(_) => Ok(Peer::Unix),
        }
    }

    fn source(&mut self) -> &mut dyn event::Source {
        match self {
            Self::Tcp(listener) => listener,
            Self::Unix(listener) => listener,
        }
    }
}

/// A TCP or Unix stream.
#[derive(Debug)]
pub enum OsSocket {
    /// TCP over IPv4 or IPv6.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
}

impl OsBackend {
    /// A poll and a waker; nothing is listened to, no signal is watched.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            waker,
            signals: None,
            listeners: BTreeMap::new(),
            handed: Handed::default(),
            retired: Vec::new(),
            reserve: reserve(),
            began: Instant::now(),
        })
    }

    /// Takes over the listening sockets that were handed to this process, for these endpoints;
    /// others are closed. Only the first backend of a process finds any.
    pub fn take_over<'a>(&mut self, endpoints: impl Iterator<Item = &'a ServerEndpoint>) {
        self.handed = Handed::of_this_process();
        self.handed.keep_for(endpoints);
    }

    /// The listening sockets of a loop that was stopped for a successor: who connects waits there.
    pub fn take_retired(&mut self) -> Vec<Retired> {
        std::mem::take(&mut self.retired)
    }

    fn accept_any(&mut self, token: u64) -> io::Result<(OsSocket, Peer)> {
        match self.listeners.get(&token).map(|listener| &listener.door) {
            Some(Door::Tcp(listener)) => {
                let (stream, addr) = listener.accept()?;
                Ok((OsSocket::Tcp(stream), Peer::Tcp(addr)))
            }
            Some(Door::Unix(listener)) => {
                let (stream, _) = listener.accept()?;
                Ok((OsSocket::Unix(stream), Peer::Unix))
            }
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// The socket of an endpoint that nobody handed over.
fn bind(endpoint: &ServerEndpoint) -> io::Result<Socket> {
    match endpoint {
        ServerEndpoint::Tcp { addr, backlog, reuse_port } => bind_tcp(*addr, *backlog, *reuse_port),
        ServerEndpoint::Tls { addr, backlog, .. } => bind_tcp(*addr, *backlog, false),
        ServerEndpoint::Unix { path, mode, backlog } => bind_unix(path, *mode, *backlog),
        ServerEndpoint::Systemd { .. } => Err(io::Error::new(
            io::ErrorKind::NotFound,
            "no such socket was handed to this process",
        )),
        ServerEndpoint::Haproxy(inner) => bind(inner),
    }
}

/// Has a socket that was handed over as one that was bound here: as many may wait there as its
/// endpoint says now.
fn renew(socket: &Socket, endpoint: &ServerEndpoint) -> io::Result<()> {
    if !socket.local_addr()?.is_unix() {
        set_options(&SockRef::from(socket));
    }
    match endpoint {
        ServerEndpoint::Tcp { backlog, .. }
        | ServerEndpoint::Tls { backlog, .. }
        | ServerEndpoint::Unix { backlog, .. } => {
            socket.listen(i32::try_from(*backlog).unwrap_or(i32::MAX))
        }
        _ => Ok(()),
    }
}

/// Any descriptor will do; a socket that is bound to nothing costs least.
fn reserve() -> Option<Socket> {
    Socket::new(Domain::UNIX, Type::DGRAM, None).ok()
}

impl Ground for OsBackend {
    fn listen(&mut self, endpoint: &ServerEndpoint, token: u64) -> io::Result<Peer> {
        let socket = if let Some(socket) = self.handed.take(endpoint)? {
            renew(&socket, endpoint)?;
            socket
        } else {
            bind(endpoint)?
        };
        let mut door = Door::of(socket)?;
        let registry = self.poll.registry();
        registry.register(door.source(), Token(token as usize), Interest::READABLE)?;
        let local = door.local()?;
        self.listeners.insert(token, Listener { door, endpoint: endpoint.clone() });
        Ok(local)
    }

    fn unlisten(&mut self, token: u64) {
        let endpoint = self.listeners.remove(&token).map(|listener| listener.endpoint);
        if let Some(ServerEndpoint::Unix { path, .. }) = endpoint
            && let Err(error) = remove_file(&path)
        {
            log::warn!("{}: {error}", path.display());
        }
    }

    fn wall_ns(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_nanos() as u64
    }

    fn now_ns(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }
}

fn bind_tcp(addr: SocketAddr, backlog: u32, reuse_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    set_options(&SockRef::from(&socket));
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}

/// Binds a path. A socket that a dead process left there is replaced; one that still answers, or a
/// file of another kind, is not.
fn bind_unix(path: &Path, mode: u32, backlog: u32) -> io::Result<Socket> {
    let addr = SockAddr::unix(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if let Err(error) = socket.bind(&addr) {
        let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        let answer = probe.connect(&addr).map_err(|error| error.kind());
        let leftover = symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
            && answer == Err(io::ErrorKind::ConnectionRefused);
        if !leftover {
            return Err(error);
        }
        remove_file(path)?;
        socket.bind(&addr)?;
    }
    set_permissions(path, Permissions::from_mode(mode))?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}

impl Backend for OsBackend {
    type Socket = OsSocket;

    fn seed(&mut self) -> u64 {
        getrandom::u64().unwrap_or_else(|_| self.wall_ns())
    }

    fn poll(&mut self, timeout_ms: Option<u64>, events: &mut Vec<Event>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout_ms.map(Duration::from_millis)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in &self.events {
            match event.token() {
                WAKE => {}
                SIGNALS => events.extend(self.signals.iter_mut().flat_map(pending)),
                Token(token) => events.push(Event::Ready(Readiness {
                    token: token as u64,
                    readable: event.is_readable(),
                    writable: event.is_writable(),
                    read_closed: event.is_read_closed(),
                    error: event.is_error(),
                })),
            }
        }
        Ok(())
    }

    fn accept(&mut self, token: u64) -> Result<(OsSocket, Peer), AcceptError> {
        let (socket, peer) = self.accept_any(token).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => AcceptError::WouldBlock,
            _ if matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOMEM | ENOBUFS)) => {
                AcceptError::Exhausted(error)
            }
            _ => AcceptError::Again(error),
        })?;
        if !OPTIONS_ARE_INHERITED && let OsSocket::Tcp(stream) = &socket {
            set_options(&SockRef::from(stream));
        }
        Ok((socket, peer))
    }

    fn retire(&mut self, token: u64) {
        let Some(Listener { mut door, endpoint }) = self.listeners.remove(&token) else { return };
        if let Err(error) = self.poll.registry().deregister(door.source()) {
            log::warn!("{endpoint} can't be handed on: {error}");
            return;
        }
        let socket = match door {
            Door::Tcp(listener) => OwnedFd::from(listener),
            Door::Unix(listener) => OwnedFd::from(listener),
        };
        self.retired.push(Retired::new(&endpoint, socket));
    }

    fn shed(&mut self, token: u64) -> bool {
        if self.reserve.take().is_none() {
            self.reserve = reserve();
            return false;
        }
        let shed = self.accept_any(token).is_ok();
        self.reserve = reserve();
        shed
    }

    fn connect(&mut self, target: &Target) -> io::Result<OsSocket> {
        let socket = match target {
            Target::Tcp(addr) => OsSocket::Tcp(TcpStream::connect(*addr)?),
            Target::Unix(path) => OsSocket::Unix(UnixStream::connect(path)?),
        };
        if let OsSocket::Tcp(stream) = &socket {
            set_options(&SockRef::from(stream));
        }
        Ok(socket)
    }

    fn connected(&mut self, socket: &mut OsSocket) -> io::Result<Option<Peer>> {
        let (error, peer) = match socket {
            OsSocket::Tcp(stream) => (stream.take_error()?, stream.peer_addr().map(Peer::Tcp)),
            OsSocket::Unix(stream) => {
                (stream.take_error()?, stream.peer_addr().map(|_| Peer::Unix))
            }
        };
        if let Some(error) = error {
            return Err(error);
        }
        match (peer, socket) {
            // A free port in the range of our own outgoing ones may connect to itself.
            (Ok(Peer::Tcp(addr)), OsSocket::Tcp(stream)) if stream.local_addr()? == addr => {
                Err(io::ErrorKind::ConnectionRefused.into())
            }
            (Ok(peer), _) => Ok(Some(peer)),
            (Err(error), _) if error.kind() == io::ErrorKind::NotConnected => Ok(None),
            (Err(error), _) => Err(error),
        }
    }

    fn register(&mut self, socket: &mut OsSocket, token: u64) -> io::Result<()> {
        let source: &mut dyn event::Source = match socket {
            OsSocket::Tcp(stream) => stream,
            OsSocket::Unix(stream) => stream,
        };
        let both = Interest::READABLE | Interest::WRITABLE;
        source.register(self.poll.registry(), Token(token as usize), both)
    }

    fn read(&mut self, socket: &mut OsSocket, space: &mut [u8]) -> io::Result<usize> {
        match socket {
            OsSocket::Tcp(stream) => stream.read(space),
            OsSocket::Unix(stream) => stream.read(space),
        }
    }

    fn write(&mut self, socket: &mut OsSocket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match (socket, slices) {
            (OsSocket::Tcp(stream), [one]) => stream.write(one),
            (OsSocket::Tcp(stream), many) => stream.write_vectored(many),
            (OsSocket::Unix(stream), many) => stream.write_vectored(many),
        }
    }

    fn shutdown_write(&mut self, socket: &mut OsSocket) -> io::Result<()> {
        match socket {
            OsSocket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            OsSocket::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    fn close(&mut self, socket: OsSocket, how: Close) {
        // A Unix socket has no reset; it is closed with what the peer has not read still readable.
        if let (Close::Reset, OsSocket::Tcp(stream)) = (how, &socket)
            && let Err(error) = SockRef::from(stream).set_linger(Some(Duration::ZERO))
        {
            log::debug!("a connection is closed without a reset: {error}");
        }
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.waker) as Arc<dyn Wake>
    }

    fn resolver(&self) -> Arc<dyn Resolve> {
        Arc::new(SystemResolver)
    }

    fn pool(&self) -> PoolMode {
        PoolMode::Threads
    }

    fn watch_signals(&mut self) -> io::Result<()> {
        if self.signals.is_none() {
            let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2])?;
            self.poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
            self.signals = Some(signals);
        }
        Ok(())
    }
}

/// Signals that came since the last look.
fn pending(signals: &mut Signals) -> Vec<Event> {
    let known = signals.pending().filter_map(|number| match number {
        SIGINT => Some(Signal::Interrupt),
        SIGTERM => Some(Signal::Terminate),
        SIGHUP => Some(Signal::Hangup),
        SIGUSR1 => Some(Signal::User1),
        SIGUSR2 => Some(Signal::User2),
        _ => None,
    });
    known.map(Event::Signal).collect()
}

/// Replies are written whole, one write a turn: waiting for more would only add delay. And a
/// connection that is silent for good reason is told from one whose network vanished.
fn set_options(socket: &SockRef<'_>) {
    if let Err(error) = socket.set_tcp_nodelay(true) {
        log::debug!("TCP_NODELAY: {error}");
    }
    let probes = TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_INTERVAL);
    if let Err(error) = socket.set_tcp_keepalive(&probes) {
        log::debug!("SO_KEEPALIVE: {error}");
    }
}

impl Wake for Waker {
    fn wake(&self) {
        if let Err(error) = Waker::wake(self) {
            log::error!("the loop cannot be woken: {error}");
        }
    }
}

/// The system's resolver.
struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok((host, port).to_socket_addrs()?.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_tcp_connection_are_kept_alive_and_do_not_wait_for_more() {
        let mut backend = OsBackend::new().unwrap();
        let local = backend.listen(&"tcp:0".parse().unwrap(), 1).unwrap();
        let Peer::Tcp(addr) = local else { panic!("not TCP") };
        let dialled = backend.connect(&Target::Tcp(addr)).unwrap();
        backend.poll(Some(5000), &mut Vec::new()).unwrap();
        let (accepted, _) = backend.accept(1).unwrap();
        for socket in [dialled, accepted] {
            let OsSocket::Tcp(stream) = &socket else { panic!("not TCP") };
            let options = SockRef::from(stream);
            assert!(options.keepalive().unwrap() && options.tcp_nodelay().unwrap());
        }
    }
}
