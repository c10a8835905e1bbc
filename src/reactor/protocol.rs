//! What a user of the loop writes: a [`Protocol`] for each connection, made by a [`Factory`].
//! Twisted's shape: `buildProtocol`, `connectionMade`, `dataReceived`, `connectionLost`.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use super::Ctx;
use crate::base::InBuf;

/// Why a protocol gives its connection up.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What a protocol's methods return. `Err` loses this connection with [`Lost::Wire`] (what was
/// written is still flushed) and is logged with its cause; the loop and the others go on.
pub type Outcome = Result<(), Fault>;

/// One connection's behaviour, one boxed value a connection.
///
/// Order of calls: [`made`](Self::made) once, then any of the others, then [`lost`](Self::lost)
/// exactly once as the last. No call is made while another call of this protocol runs. A panic in
/// any of them loses this connection only, with [`Lost::Fault`].
pub trait Protocol<S> {
    /// The connection is up.
    #[doc(alias = "connectionMade")]
    fn made(&mut self, _cx: &mut Ctx<'_, S>, _state: &mut S) -> Outcome {
        Ok(())
    }

    /// Bytes came. Take what makes whole messages, leave the rest: it is there again, with more,
    /// next time. Loop with `while cx.more()`; when that stops the loop, `received` is called
    /// again by itself as soon as it may go on, even if no new bytes came. So `input` may hold
    /// nothing new, or nothing at all: what was taken may have made more events than were told. An
    /// input that is full and of which nothing was taken, though `more` did not stop it and the
    /// transport is not paused, loses the connection with [`Lost::Limit`].
    #[doc(alias = "dataReceived")]
    fn received(&mut self, cx: &mut Ctx<'_, S>, state: &mut S, input: &mut InBuf) -> Outcome;

    /// The out-buffer was at or above its high mark and is now under the low mark: go on writing.
    #[doc(alias = "resumeProducing")]
    fn drained(&mut self, _cx: &mut Ctx<'_, S>, _state: &mut S) -> Outcome {
        Ok(())
    }

    /// The peer will send no more. Everything that came was offered to `received`; what it left
    /// is still in `input`. The other direction is open: a protocol with answers to come keeps it
    /// so by overriding this; the default closes after the flush.
    #[doc(alias = "readConnectionLost")]
    fn read_closed(&mut self, cx: &mut Ctx<'_, S>, _state: &mut S, _input: &mut InBuf) -> Outcome {
        cx.transport().close();
        Ok(())
    }

    /// The time set with [`set_timeout`](super::Transport::set_timeout) is over. The default
    /// aborts with [`Lost::Idle`].
    #[doc(alias = "timeoutConnection")]
    fn timeout(&mut self, cx: &mut Ctx<'_, S>, _state: &mut S) -> Outcome {
        cx.transport().abort_for(Lost::Idle);
        Ok(())
    }

    /// The handshake that [`start_tls`](super::Transport::start_tls) asked for is over: all that
    /// comes and goes from here on is enciphered.
    fn secured(&mut self, _cx: &mut Ctx<'_, S>, _state: &mut S) -> Outcome {
        Ok(())
    }

    /// Someone called [`notify`](super::Transport::notify) for this connection since the last
    /// time; at most once a turn.
    fn notified(&mut self, _cx: &mut Ctx<'_, S>, _state: &mut S) -> Outcome {
        Ok(())
    }

    /// The connection is gone; nothing more is called.
    #[doc(alias = "connectionLost")]
    fn lost(&mut self, _cx: &mut Ctx<'_, S>, _state: &mut S, _reason: Lost) {}
}

/// Makes the protocol of each connection of a listener, or the one of a connector.
pub trait Factory<S> {
    /// The protocol for a connection with this peer; `None` closes it at once.
    #[doc(alias = "buildProtocol")]
    fn build(&mut self, peer: &Peer, state: &mut S) -> Option<Box<dyn Protocol<S>>>;

    /// The host name of a connector's endpoint has these addresses, which are tried now; none when
    /// it could not be looked up.
    fn resolved(&mut self, _addresses: &[SocketAddr], _state: &mut S) {}

    /// A connector's connection never came up; the last call of this factory.
    #[doc(alias = "clientConnectionFailed")]
    fn failed(&mut self, _cx: &mut Ctx<'_, S>, _state: &mut S, _why: ConnectError) {}
}

impl<S, F> Factory<S> for F
where
    F: FnMut(&Peer, &mut S) -> Box<dyn Protocol<S>>,
{
    fn build(&mut self, peer: &Peer, state: &mut S) -> Option<Box<dyn Protocol<S>>> {
        Some(self(peer, state))
    }
}

/// The other end of a connection, or the address of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// An address and port.
    Tcp(SocketAddr),
    /// A process of this machine, over a Unix socket.
    Unix,
}

impl Peer {
    /// True for loopback addresses and Unix sockets.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(addr) => addr.ip().to_canonical().is_loopback(),
            Self::Unix => true,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => write!(f, "{addr}"),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// Why a connection is gone: a closed list, each with a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lost {
    /// The peer closed first, in order.
    PeerClosed,
    /// The peer reset the connection, or the network gave it up. Over TLS, also an end that the
    /// peer did not sign.
    PeerReset,
    /// Nothing went in or out for too long, or the protocol's timer ran out.
    Idle,
    /// The peer does not take what is sent to it: hard cap of the out-buffer, or flush deadline.
    Slow,
    /// The peer sent more than may be held.
    Limit,
    /// The peer broke the protocol's rules, so that a method returned `Err`; or TLS's.
    Wire,
    /// This side closed.
    Local,
    /// The loop stopped.
    Shutdown,
    /// A method of the protocol panicked.
    Fault,
}

impl Lost {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 9] = [
        Self::PeerClosed,
        Self::PeerReset,
        Self::Idle,
        Self::Slow,
        Self::Limit,
        Self::Wire,
        Self::Local,
        Self::Shutdown,
        Self::Fault,
    ];

    /// The reason as a metrics label.
    pub fn label(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::PeerReset => "peer_reset",
            Self::Idle => "idle",
            Self::Slow => "slow",
            Self::Limit => "limit",
            Self::Wire => "wire",
            Self::Local => "local",
            Self::Shutdown => "shutdown",
            Self::Fault => "fault",
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What kind of peer a connection serves: it decides how much may wait in its out-buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Asks and is answered.
    #[default]
    Client,
    /// Follows a stream of updates.
    Subscriber,
    /// Another node of the herd, or another server: both ends stream. It is read on even while
    /// its out-buffer is full, lest both ends wait for the other to read.
    Peer,
}

impl Class {
    /// All classes, in the order of their counters.
    pub const ALL: [Self; 3] = [Self::Client, Self::Subscriber, Self::Peer];

    /// The class as a metrics label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Subscriber => "subscriber",
            Self::Peer => "peer",
        }
    }
}

/// Why a connector's connection never came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// Nothing listens there.
    Refused,
    /// No answer within the connector's time.
    TimedOut,
    /// The host name has no address.
    Unresolved,
    /// The pool of threads had no room for the look-up of the host name.
    Busy,
    /// The TLS handshake failed: the other end does not speak it, or not as we do.
    Handshake,
    /// The loop is stopping.
    Stopping,
    /// The system said no in another way.
    Failed(io::ErrorKind),
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::TimedOut,
            other => Self::Failed(other),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Unresolved => f.write_str("the host name has no address"),
            Self::Busy => f.write_str("too many jobs wait for the host name to be looked up"),
            Self::Handshake => f.write_str("the TLS handshake failed"),
            Self::Stopping => f.write_str("the loop is stopping"),
            Self::Failed(kind) => write!(f, "{kind}"),
        }
    }
}

impl std::error::Error for ConnectError {}
