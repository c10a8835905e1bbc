//! The simulated network: byte streams between hosts, in order and reliable like TCP's, late,
//! cut into pieces, refused and reset as the seed has it. One clock for all hosts; it moves only
//! when it is told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use super::agenda::Agenda;
use super::trace::Trace;
use super::{SimFaults, SimWay};
use crate::base::{Key, Rng, ServerEndpoint, Slots, Tick};
use crate::reactor::Peer;
use crate::reactor::backend::{Close, Readiness, Target};

/// The first port that the network gives out by itself.
const FREE_PORT_FIRST: u16 = 49_152;

/// A host of the network, by number.
pub(super) type HostNo = usize;

pub(super) struct Net {
    pub(super) now: Tick,
    pub(super) rng: Rng,
    pub(super) faults: SimFaults,
    pub(super) hosts: Vec<Host>,
    names: BTreeMap<String, HostNo>,
    /// Which hosts are to be turned, and when.
    pub(super) agenda: Agenda,
    /// What is known of single ways; the faults hold for all others.
    ways: BTreeMap<(HostNo, HostNo), Road>,
    listeners: BTreeMap<(HostNo, u64), Listener>,
    socks: Slots<Sock>,
    /// What is on its way, by arrival and sending order.
    parcels: BTreeMap<(Tick, u64), Parcel>,
    sent: u64,
    /// Ways that are cut, and what waits for them to heal.
    cuts: BTreeSet<(HostNo, HostNo)>,
    held: Vec<(u64, Parcel)>,
    /// Bytes that hosts wrote, those of them that got lost included.
    pub(super) written_bytes: u64,
    pub(super) trace: Trace,
}

pub(super) struct Host {
    pub(super) ip: IpAddr,
    /// How far its wall clock is off, in milliseconds.
    pub(super) clock_off_ms: i64,
    /// How long its blocking jobs take, if not as the faults have it.
    pub(super) job_ms: Option<RangeInclusive<u64>>,
    free_port: u16,
    /// Sockets and listeners with events to tell, by token.
    events: BTreeMap<u64, Readiness>,
}

/// A way from one host to another, and when the last byte sent on it will have left, in
/// microseconds.
struct Road {
    way: SimWay,
    free_us: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Tcp(SocketAddr),
    Unix(std::path::PathBuf),
}

struct Listener {
    place: Place,
    backlog: VecDeque<Key>,
    backlog_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Up,
    Refused,
    Reset,
}

/// One end of a stream. Invariant: `unread` counts the bytes it sent that the other end's owner
/// has not read, or not yet been known to have read; never above the window.
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one end")]
struct Sock {
    host: HostNo,
    other: Key,
    other_host: HostNo,
    peer: Peer,
    token: Option<u64>,
    phase: Phase,
    inbox: VecDeque<u8>,
    ended: bool,
    finished: bool,
    unread: u64,
    /// It was told that no more fits, and is owed a writable event.
    blocked: bool,
    /// Arrival of the last thing it sent: nothing overtakes it.
    arrival: Tick,
    /// What it sends is enciphered, and different in each run of a seed.
    concealed: bool,
}

struct Parcel {
    from: HostNo,
    to: HostNo,
    what: What,
}

enum What {
    /// A connect: the caller's socket, and what it asks for.
    Syn(Key, Place),
    /// The answer to a connect: to whom, and the socket of the other end.
    Ack(Key, Key),
    Refuse(Key),
    Data {
        to: Key,
        from: Key,
        bytes: Vec<u8>,
        concealed: bool,
    },
    End {
        to: Key,
        from: Key,
    },
    Reset(Key),
    /// The other end's owner read this many bytes.
    Credit(Key, u64),
    /// A socket that wrote short, though there was room, can go on.
    Room(Key),
    /// An event without a cause.
    Nudge(Key),
}

impl Net {
    pub(super) fn new(seed: u64, faults: SimFaults) -> Self {
        Self {
            now: 0,
            rng: Rng::new(seed),
            faults,
            hosts: Vec::new(),
            names: BTreeMap::new(),
            agenda: Agenda::default(),
            ways: BTreeMap::new(),
            listeners: BTreeMap::new(),
            socks: Slots::new(),
            parcels: BTreeMap::new(),
            sent: 0,
            cuts: BTreeSet::new(),
            held: Vec::new(),
            written_bytes: 0,
            trace: Trace::new(),
        }
    }

    /// The host of this name, made if new: the n-th is 10.0.0.n.
    pub(super) fn host(&mut self, name: &str) -> HostNo {
        if let Some(no) = self.names.get(name) {
            return *no;
        }
        let no = self.hosts.len();
        let number = no as u32 + 1;
        let ip = IpAddr::V4(Ipv4Addr::from_bits(10 << 24 | number));
        self.hosts.push(Host {
            ip,
            clock_off_ms: 0,
            job_ms: None,
            free_port: FREE_PORT_FIRST,
            events: BTreeMap::new(),
        });
        self.names.insert(name.to_owned(), no);
        self.agenda.add_host();
        no
    }

    /// When the next parcel arrives.
    pub(super) fn next_arrival(&self) -> Option<Tick> {
        self.parcels.keys().next().map(|(at, _)| *at)
    }

    /// Moves the clock; what arrives by then arrives.
    pub(super) fn advance(&mut self, now: Tick) {
        while let Some(entry) = self.parcels.first_entry() {
            let (at, number) = *entry.key();
            if at > now {
                break;
            }
            self.now = self.now.max(at);
            let parcel = entry.remove();
            if self.cuts.contains(&(parcel.from, parcel.to)) {
                self.held.push((number, parcel));
            } else {
                self.trace.note(&[at, number]);
                self.deliver(parcel);
            }
        }
        self.now = self.now.max(now);
    }

    pub(super) fn set_way(&mut self, from: HostNo, to: HostNo, way: SimWay) {
        self.ways.insert((from, to), Road { way, free_us: 0 });
    }

    pub(super) fn cut(&mut self, from: HostNo, to: HostNo) {
        self.cuts.insert((from, to));
    }

    /// What the cut held back arrives at once, before anything sent later.
    pub(super) fn heal(&mut self, from: HostNo, to: HostNo) {
        self.cuts.remove(&(from, to));
        for (number, parcel) in std::mem::take(&mut self.held) {
            if (parcel.from, parcel.to) == (from, to) {
                self.parcels.insert((self.now, number), parcel);
            } else {
                self.held.push((number, parcel));
            }
        }
    }

    /// Resets every stream between two hosts; returns how many.
    pub(super) fn reset_between(&mut self, a: HostNo, b: HostNo) -> usize {
        let between = |sock: &Sock| {
            let ends = (sock.host, sock.other_host);
            sock.phase == Phase::Up && (ends == (a, b) || ends == (b, a))
        };
        let keys: Vec<_> =
            self.socks.iter().filter(|(_, sock)| between(sock)).map(|(key, _)| key).collect();
        for key in &keys {
            self.reset(*key);
        }
        keys.len()
    }

    pub(super) fn take_events(&mut self, host: HostNo) -> impl Iterator<Item = Readiness> + use<> {
        self.agenda.set_ready(host, None);
        std::mem::take(&mut self.hosts[host].events).into_values()
    }

    /// The process on a host died: its sockets are closed by the system.
    pub(super) fn close_all(&mut self, host: HostNo) {
        let tokens: Vec<_> = self.listeners.keys().filter(|(no, _)| *no == host).copied().collect();
        for (_, token) in tokens {
            self.unlisten(host, token);
        }
        let mine = self.socks.iter().filter(|(_, sock)| sock.host == host);
        for key in mine.map(|(key, _)| key).collect::<Vec<_>>() {
            self.close(key, Close::Orderly);
        }
        self.hosts[host].events.clear();
        self.agenda.clear(host);
    }

    // ---- listeners ----

    pub(super) fn listen(
        &mut self,
        host: HostNo,
        endpoint: &ServerEndpoint,
        token: u64,
    ) -> io::Result<Peer> {
        let (place, backlog) = match endpoint {
            ServerEndpoint::Tcp { addr, backlog, .. }
            | ServerEndpoint::Tls { addr, backlog, .. } => {
                let mut addr = *addr;
                if addr.port() == 0 {
                    addr.set_port(self.free_port(host));
                }
                let local = addr.ip().is_loopback() || addr.ip().is_unspecified();
                if !local && addr.ip() != self.hosts[host].ip {
                    return Err(io::ErrorKind::AddrNotAvailable.into());
                }
                (Place::Tcp(addr), *backlog)
            }
            ServerEndpoint::Unix { path, backlog, .. } => (Place::Unix(path.clone()), *backlog),
            // The loop has unwrapped what was behind a proxy; and nobody hands sockets over here.
            ServerEndpoint::Systemd { .. } | ServerEndpoint::Haproxy(_) => {
                return Err(io::ErrorKind::Unsupported.into());
            }
        };
        let taken = |(no, _): &(HostNo, u64), listener: &Listener| {
            *no == host && (place.covers(&listener.place) || listener.place.covers(&place))
        };
        if self.listeners.iter().any(|(key, listener)| taken(key, listener)) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let peer = place.peer();
        let backlog_max = backlog.max(1) as usize;
        let listener = Listener { place, backlog: VecDeque::new(), backlog_max };
        self.listeners.insert((host, token), listener);
        Ok(peer)
    }

    pub(super) fn unlisten(&mut self, host: HostNo, token: u64) {
        if let Some(listener) = self.listeners.remove(&(host, token)) {
            for key in listener.backlog {
                self.close(key, Close::Reset);
            }
        }
    }

    pub(super) fn accept(&mut self, host: HostNo, token: u64) -> Option<(Key, Peer)> {
        let listener = self.listeners.get_mut(&(host, token))?;
        while let Some(key) = listener.backlog.pop_front() {
            if let Some(sock) = self.socks.get(key) {
                return Some((key, sock.peer));
            }
        }
        None
    }

    fn free_port(&mut self, host: HostNo) -> u16 {
        let port = self.hosts[host].free_port;
        self.hosts[host].free_port = port.checked_add(1).unwrap_or(FREE_PORT_FIRST);
        port
    }

    // ---- sockets ----

    pub(super) fn connect(&mut self, host: HostNo, target: &Target) -> Key {
        let (to, place) = match target {
            Target::Tcp(addr) if addr.ip().is_loopback() => (Some(host), Place::Tcp(*addr)),
            Target::Tcp(addr) => (self.host_at(addr.ip()), Place::Tcp(*addr)),
            Target::Unix(path) => (Some(host), Place::Unix(path.clone())),
        };
        let sock = Sock::new(host, to.unwrap_or(host), place.peer(), Phase::Connecting);
        let key = self.socks.insert(sock);
        // A host that does not exist does not answer.
        if let Some(to) = to {
            self.send(host, to, What::Syn(key, place), None);
        }
        key
    }

    fn host_at(&self, ip: IpAddr) -> Option<HostNo> {
        let IpAddr::V4(ip) = ip else { return None };
        let no = (ip.to_bits() & 0x00ff_ffff).checked_sub(1)? as usize;
        self.hosts.get(no).filter(|host| host.ip == ip).map(|_| no)
    }

    pub(super) fn connected(&self, key: Key) -> io::Result<Option<Peer>> {
        match self.socks.get(key) {
            Some(Sock { phase: Phase::Connecting, .. }) => Ok(None),
            Some(Sock { phase: Phase::Up, peer, .. }) => Ok(Some(*peer)),
            Some(Sock { phase: Phase::Reset, .. }) => Err(io::ErrorKind::ConnectionReset.into()),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    /// As epoll does, tells at once what is ready already.
    pub(super) fn register(&mut self, key: Key, token: u64) {
        if let Some(sock) = self.socks.get_mut(key) {
            sock.token = Some(token);
            let readable = !sock.inbox.is_empty() || sock.ended || sock.phase == Phase::Reset;
            let ended = sock.ended;
            let error = matches!(sock.phase, Phase::Reset | Phase::Refused);
            let writable = sock.phase != Phase::Connecting;
            self.tell(key, |event| {
                event.readable |= readable;
                event.read_closed |= ended;
                event.writable |= writable;
                event.error |= error;
            });
        }
    }

    pub(super) fn conceal(&mut self, key: Key) {
        if let Some(sock) = self.socks.get_mut(key) {
            sock.concealed = true;
        }
    }

    pub(super) fn read(&mut self, key: Key, space: &mut [u8]) -> io::Result<usize> {
        if self.happens(self.faults.interrupt) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let Some(sock) = self.socks.get_mut(key) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if sock.phase != Phase::Up {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if sock.inbox.is_empty() {
            return if sock.ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let n = space.len().min(sock.inbox.len());
        let (front, back) = sock.inbox.as_slices();
        let split = n.min(front.len());
        space[..split].copy_from_slice(&front[..split]);
        space[split..n].copy_from_slice(&back[..n - split]);
        sock.inbox.drain(..n);
        let (host, other_host, other) = (sock.host, sock.other_host, sock.other);
        self.trace.note(&[1, key.to_u64(), n as u64]);
        self.send(host, other_host, What::Credit(other, n as u64), None);
        Ok(n)
    }

    pub(super) fn write(&mut self, key: Key, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let short = self.happens(self.faults.short_write);
        let Some(sock) = self.socks.get_mut(key) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        match sock.phase {
            Phase::Up if sock.finished => return Err(io::ErrorKind::BrokenPipe.into()),
            Phase::Up => {}
            _ => return Err(io::ErrorKind::ConnectionReset.into()),
        }
        let given: usize = slices.iter().map(|slice| slice.len()).sum();
        let room = self.faults.window_bytes.saturating_sub(sock.unread) as usize;
        let mut taken = given.min(room);
        if short {
            taken = self.rng.below(taken as u64 + 1) as usize;
        }
        let host = sock.host;
        if taken < given {
            sock.blocked = true;
            if taken < room {
                self.send(host, host, What::Room(key), None);
            }
        }
        if taken == 0 && given > 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut bytes = Vec::with_capacity(taken);
        for slice in slices {
            bytes.extend_from_slice(&slice[..slice.len().min(taken - bytes.len())]);
        }
        self.written_bytes += taken as u64;
        self.send_data(key, bytes);
        Ok(taken)
    }

    fn send_data(&mut self, key: Key, mut bytes: Vec<u8>) {
        while !bytes.is_empty() {
            if self.happens(self.faults.reset) {
                return self.reset(key);
            }
            let limit = self.rng.range(self.faults.segment_bytes.clone()).max(1) as usize;
            let rest = bytes.split_off(limit.min(bytes.len()));
            let segment = std::mem::replace(&mut bytes, rest);
            let Some(sock) = self.socks.get_mut(key) else { return };
            sock.unread += segment.len() as u64;
            let concealed = sock.concealed;
            let what = What::Data { to: sock.other, from: key, bytes: segment, concealed };
            let (host, other_host) = (sock.host, sock.other_host);
            self.send(host, other_host, what, Some(key));
        }
    }

    pub(super) fn shutdown_write(&mut self, key: Key) -> io::Result<()> {
        let Some(sock) = self.socks.get_mut(key) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if sock.phase != Phase::Up {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if !std::mem::replace(&mut sock.finished, true) {
            let (host, other_host, to) = (sock.host, sock.other_host, sock.other);
            self.send(host, other_host, What::End { to, from: key }, Some(key));
        }
        Ok(())
    }

    /// Closes. As with TCP, unread bytes turn an orderly close into a reset, and what comes later
    /// is answered with one.
    pub(super) fn close(&mut self, key: Key, how: Close) {
        let Some(sock) = self.socks.get(key) else { return };
        if let Some(token) = sock.token {
            let host = sock.host;
            self.hosts[host].events.remove(&token);
            if self.hosts[host].events.is_empty() {
                self.agenda.set_ready(host, None);
            }
        }
        let Some(sock) = self.socks.get(key) else { return };
        if sock.phase == Phase::Up {
            if how == Close::Reset || !sock.inbox.is_empty() {
                let (host, other_host, other) = (sock.host, sock.other_host, sock.other);
                self.send(host, other_host, What::Reset(other), Some(key));
            } else if let Err(error) = self.shutdown_write(key) {
                log::debug!("simulated close: {error}");
            }
        }
        self.socks.remove(key);
    }

    /// Breaks a stream for both ends.
    fn reset(&mut self, key: Key) {
        let Some(sock) = self.socks.get(key) else { return };
        let (host, other_host, other) = (sock.host, sock.other_host, sock.other);
        self.send(host, other_host, What::Reset(other), Some(key));
        self.send(host, host, What::Reset(key), None);
    }

    // ---- the way ----

    /// Sends something on its way; behind what `after` sent before, if given.
    fn send(&mut self, from: HostNo, to: HostNo, what: What, after: Option<Key>) {
        let mut at = self.now + self.delay_ms(from, to, &what);
        if let Some(sock) = after.and_then(|key| self.socks.get_mut(key)) {
            at = at.max(sock.arrival);
            sock.arrival = at;
        }
        self.sent += 1;
        self.parcels.insert((at, self.sent), Parcel { from, to, what });
    }

    /// How long something is on its way: the way's own latency, its turn on a narrow one, and for
    /// lost data the time until it is sent again.
    fn delay_ms(&mut self, from: HostNo, to: HostNo, what: &What) -> u64 {
        let Self { ways, rng, faults, now, .. } = self;
        let bytes = match what {
            What::Data { bytes, .. } => bytes.len() as u64,
            _ => 0,
        };
        let mut delay = match ways.get_mut(&(from, to)) {
            Some(road) => road.delay_ms(*now, bytes, rng),
            None => rng.range(faults.delay_ms.clone()),
        };
        let (numerator, denominator) = faults.loss;
        while bytes > 0 && numerator > 0 && rng.chance(numerator, denominator) {
            delay += rng.range(faults.resend_ms.clone());
        }
        delay
    }

    fn deliver(&mut self, parcel: Parcel) {
        let Parcel { from, to, what } = parcel;
        match what {
            What::Syn(caller, place) => self.knock(caller, from, to, &place),
            What::Ack(caller, other) => match self.socks.get_mut(caller) {
                Some(sock) if sock.phase == Phase::Connecting => {
                    (sock.phase, sock.other) = (Phase::Up, other);
                    self.tell(caller, |event| event.writable = true);
                }
                _ => self.send(to, from, What::Reset(other), None),
            },
            What::Refuse(key) => self.fail(key, Phase::Refused),
            What::Reset(key) => self.fail(key, Phase::Reset),
            What::Data { to: key, from: sender, bytes, concealed } => match self.socks.get_mut(key)
            {
                Some(sock) if sock.phase == Phase::Up => {
                    sock.inbox.extend(&bytes);
                    if concealed {
                        // How much and when is the same in each run.
                        self.trace.note(&[bytes.len() as u64]);
                    } else {
                        self.trace.note_bytes(&bytes);
                    }
                    self.tell(key, |event| event.readable = true);
                    if self.happens(self.faults.nudge) {
                        self.send(to, to, What::Nudge(key), None);
                    }
                }
                Some(_) => {}
                None => self.send(to, from, What::Reset(sender), None),
            },
            What::End { to: key, from: sender } => match self.socks.get_mut(key) {
                Some(sock) => {
                    sock.ended = true;
                    self.tell(key, |event| (event.readable, event.read_closed) = (true, true));
                }
                None => log::trace!("the end of {sender:?} found nobody"),
            },
            What::Credit(key, n) => {
                if let Some(sock) = self.socks.get_mut(key) {
                    sock.unread -= n;
                    self.unblock(key);
                }
            }
            What::Room(key) => self.unblock(key),
            What::Nudge(key) => self.tell(key, |event| {
                (event.readable, event.writable) = (true, true);
            }),
        }
    }

    fn unblock(&mut self, key: Key) {
        let window_bytes = self.faults.window_bytes;
        if let Some(sock) = self.socks.get_mut(key)
            && sock.blocked
            && sock.unread < window_bytes
        {
            sock.blocked = false;
            self.tell(key, |event| event.writable = true);
        }
    }

    /// A connect arrives.
    fn knock(&mut self, caller: Key, from: HostNo, to: HostNo, place: &Place) {
        let Some(asking) = self.socks.get(caller) else { return };
        let local = asking.peer.is_local();
        let refused = self.happens(self.faults.refuse);
        let caller_ip = if local { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { self.hosts[from].ip };
        let peer = match place {
            Place::Tcp(_) => Peer::Tcp((caller_ip, self.free_port(from)).into()),
            Place::Unix(_) => Peer::Unix,
        };
        let mut all = self.listeners.iter_mut();
        let found = all.find(|((no, _), listener)| *no == to && listener.place.covers(place));
        let Some(((_, token), listener)) = found.filter(|_| !refused) else {
            return self.send(to, from, What::Refuse(caller), None);
        };
        if listener.backlog.len() >= listener.backlog_max {
            // Dropped, as the system does; the caller waits in vain.
            return;
        }
        let mut sock = Sock::new(to, from, peer, Phase::Up);
        sock.other = caller;
        let key = self.socks.insert(sock);
        listener.backlog.push_back(key);
        let token = *token;
        self.event(to, token).readable = true;
        self.send(to, from, What::Ack(caller, key), Some(key));
    }

    fn fail(&mut self, key: Key, phase: Phase) {
        if let Some(sock) = self.socks.get_mut(key) {
            sock.phase = phase;
            sock.inbox.clear();
            self.tell(key, |event| {
                (event.readable, event.writable) = (true, true);
                (event.read_closed, event.error) = (true, true);
            });
        }
    }

    fn event(&mut self, host: HostNo, token: u64) -> &mut Readiness {
        self.agenda.set_ready(host, Some(self.now));
        self.hosts[host].events.entry(token).or_insert(Readiness {
            token,
            readable: false,
            writable: false,
            read_closed: false,
            error: false,
        })
    }

    fn tell(&mut self, key: Key, change: impl FnOnce(&mut Readiness)) {
        let Some(&Sock { host, token: Some(token), .. }) = self.socks.get(key) else { return };
        change(self.event(host, token));
    }

    fn happens(&mut self, (numerator, denominator): (u64, u64)) -> bool {
        numerator > 0 && self.rng.chance(numerator, denominator)
    }
}

impl Road {
    fn delay_ms(&mut self, now: Tick, bytes: u64, rng: &mut Rng) -> u64 {
        let latency = rng.range(self.way.delay_ms.clone());
        let Some(bytes_per_ms) = self.way.bytes_per_ms.filter(|_| bytes > 0) else {
            return latency;
        };
        let now_us = now * 1_000;
        self.free_us = self.free_us.max(now_us) + bytes * 1_000 / bytes_per_ms.max(1);
        latency + (self.free_us - now_us) / 1_000
    }
}

impl Place {
    fn peer(&self) -> Peer {
        match self {
            Self::Tcp(addr) => Peer::Tcp(*addr),
            Self::Unix(_) => Peer::Unix,
        }
    }

    /// True when a listener here gets connects to `asked`.
    fn covers(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::Tcp(own), Self::Tcp(asked)) => {
                let any = own.ip().is_unspecified() && own.is_ipv4() == asked.is_ipv4();
                own.port() == asked.port() && (own.ip() == asked.ip() || any)
            }
            (own, asked) => own == asked,
        }
    }
}

impl Sock {
    fn new(host: HostNo, other_host: HostNo, peer: Peer, phase: Phase) -> Self {
        Self {
            host,
            other: Key::NONE,
            other_host,
            peer,
            token: None,
            phase,
            inbox: VecDeque::new(),
            ended: false,
            finished: false,
            unread: 0,
            blocked: false,
            arrival: 0,
            concealed: false,
        }
    }
}
