//! What the loop remembers of one connection, apart from its socket, input and protocol.

use super::{Class, ListenerId, Lost, Peer, TlsServer};
use crate::base::{OutBuf, Tick, TimerKey};
use crate::update::PublicKey;

/// One bit each; see the constants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(u32);

impl Flags {
    /// The socket may have bytes: it did not read short since its last event.
    pub(super) const READABLE: Self = Self(1);
    /// The socket may take bytes: it did not write short since its last event.
    pub(super) const WRITABLE: Self = Self(1 << 1);
    /// An event said that the read side is closed: a short read does not mean drained.
    pub(super) const READ_CLOSING: Self = Self(1 << 2);
    /// An event said that the socket failed.
    pub(super) const FAILED: Self = Self(1 << 3);
    /// A read returned 0.
    pub(super) const EOF: Self = Self(1 << 4);
    /// The protocol was told of the end of input.
    pub(super) const EOF_TOLD: Self = Self(1 << 5);
    /// The protocol asked not to be fed.
    pub(super) const PAUSED: Self = Self(1 << 6);
    /// The out-buffer reached its high mark and is not yet under the low mark.
    pub(super) const FULL: Self = Self(1 << 7);
    /// `drained` is owed.
    pub(super) const DRAINED: Self = Self(1 << 8);
    /// `notified` is owed.
    pub(super) const NOTIFIED: Self = Self(1 << 9);
    /// Input is to be offered: new bytes, or an offer that `more` cut short.
    pub(super) const UNFED: Self = Self(1 << 10);
    /// To be closed once flushed.
    pub(super) const CLOSING: Self = Self(1 << 11);
    /// The write side is to be shut down once flushed.
    pub(super) const FINISHING: Self = Self(1 << 12);
    /// The write side is shut down.
    pub(super) const FINISHED: Self = Self(1 << 13);
    /// In the ready queue.
    pub(super) const QUEUED: Self = Self(1 << 14);
    /// In the list to flush.
    pub(super) const DIRTY: Self = Self(1 << 15);
    /// To be reaped at the end of the turn.
    pub(super) const DOOMED: Self = Self(1 << 16);
    /// To be closed with a reset.
    pub(super) const RESET: Self = Self(1 << 17);
    /// Not yet connected: no protocol.
    pub(super) const DIALING: Self = Self(1 << 18);
    /// Connected, and the TLS handshake goes on: no protocol. With `DIALING` when we dialled.
    pub(super) const SHAKING: Self = Self(1 << 19);
    /// There is a TLS filter.
    pub(super) const SECURED: Self = Self(1 << 21);
    /// Accepted, and the header of a proxy is awaited: no protocol, and nobody's address.
    pub(super) const NAMELESS: Self = Self(1 << 23);
    /// The TLS filter holds input: plaintext that came and for which there was no room.
    pub(super) const INSIDE: Self = Self(1 << 20);
    /// To be secured once flushed.
    pub(super) const UPGRADING: Self = Self(1 << 22);
    /// It counts among the handshakes of its listener.
    pub(super) const COUNTED: Self = Self(1 << 24);
    /// What came in the clear is the first of the handshake that it is to be secured by.
    pub(super) const BEGUN: Self = Self(1 << 25);
    /// The protocol's share of a turn ended before its events did: it is owed an offer even if
    /// nothing is left of the input, for what it took may have made more than it was let tell.
    pub(super) const CUT_SHORT: Self = Self(1 << 26);

    /// No call to the protocol but `lost`, no write accepted.
    pub(super) const OVER: Self =
        Self(Self::CLOSING.0 | Self::DOOMED.0 | Self::DIALING.0 | Self::RAW.0);
    /// Accepted or dialled, and not yet what a protocol can talk over.
    pub(super) const RAW: Self = Self(Self::SHAKING.0 | Self::NAMELESS.0);

    pub(super) fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    pub(super) fn set(&mut self, which: Self) {
        self.0 |= which.0;
    }

    pub(super) fn clear(&mut self, which: Self) {
        self.0 &= !which.0;
    }

    /// Clears one flag and says whether it was set.
    pub(super) fn take(&mut self, which: Self) -> bool {
        let was = self.any(which);
        self.clear(which);
        was
    }
}

/// One connection.
///
/// Invariants at the end of a turn: `QUEUED` exactly when in the ready queue, `DIRTY` exactly when
/// in the list to flush; `FULL` while the out-buffer is at or above the high mark; not `DOOMED`.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) flags: Flags,
    pub(super) class: Class,
    /// Why it closes or is doomed.
    pub(super) reason: Lost,
    pub(super) peer: Peer,
    /// The listener that accepted it; a stale one for connectors.
    pub(super) listener: Option<ListenerId>,
    pub(super) out: OutBuf,
    /// Bytes that the TLS filter has enciphered and the socket not taken.
    pub(super) sealed: usize,
    /// The key that the peer proved to own, if it was asked.
    pub(super) peer_key: Option<Box<PublicKey>>,
    /// With what it is to be secured once flushed.
    pub(super) upgrade: Option<TlsServer>,
    /// Bytes waiting when they were last measured.
    pub(super) measured: usize,
    /// Bytes added while `out` was above its hard cap.
    pub(super) excess: usize,
    pub(super) input_bytes_max: usize,
    /// Events taken in the present call.
    pub(super) events: u32,
    /// Last time that bytes went in or out.
    pub(super) active: Tick,
    pub(super) idle_ms: Option<u64>,
    /// When `timeout` is owed.
    pub(super) deadline: Option<Tick>,
    pub(super) closing_since: Tick,
    /// Bytes thrown away while closing.
    pub(super) discarded: usize,
    /// The one timer in the wheel, and its tick; it may be earlier than needed, never later.
    pub(super) timer: Option<(Tick, TimerKey)>,
}

impl Conn {
    pub(super) fn new(peer: Peer, class: Class, now: Tick) -> Self {
        Self {
            flags: Flags::default(),
            class,
            reason: Lost::Local,
            peer,
            listener: None,
            out: OutBuf::new(),
            sealed: 0,
            peer_key: None,
            upgrade: None,
            measured: 0,
            excess: 0,
            input_bytes_max: 0,
            events: 0,
            active: now,
            idle_ms: None,
            deadline: None,
            closing_since: 0,
            discarded: 0,
            timer: None,
        }
    }

    pub(super) fn is(&self, which: Flags) -> bool {
        self.flags.any(which)
    }

    /// Bytes that the socket has yet to take.
    pub(super) fn waiting(&self) -> usize {
        self.out.len() + self.sealed
    }

    /// True while nothing is read or fed. A full out-buffer holds back who is answered for what
    /// they send; two peers that stream to each other would both wait for the other to read.
    pub(super) fn is_held(&self) -> bool {
        let held = self.is(Flags::OVER) || self.is(Flags::PAUSED) || self.is(Flags::UPGRADING);
        held || (self.is(Flags::FULL) && self.class != Class::Peer)
    }

    /// True when a read would be made, of the socket or of what the filter holds.
    pub(super) fn may_read(&self) -> bool {
        let readable = self.is(Flags::READABLE) || self.is(Flags::INSIDE);
        readable && !self.is(Flags::EOF) && !self.is_held()
    }

    /// True when it must be visited again without waiting for an event: the liveness rule.
    pub(super) fn has_work(&self) -> bool {
        if self.is(Flags::DOOMED) {
            return false;
        }
        if self.is(Flags::RAW) {
            return self.is(Flags::READABLE) || self.is(Flags::FAILED);
        }
        if self.is(Flags::DIALING) {
            return false;
        }
        if self.is(Flags::CLOSING) {
            return self.is(Flags::READABLE) && !self.is(Flags::EOF);
        }
        let end_untold = self.is(Flags::EOF) && !self.is(Flags::EOF_TOLD);
        let input = self.may_read() || self.is(Flags::UNFED) || end_untold;
        let owed = self.is(Flags::DRAINED) || self.is(Flags::NOTIFIED);
        owed || (input && !self.is_held())
    }

    /// When the loop must look at it next by the clock.
    pub(super) fn due(&self, linger_ms: u64, close_ms_max: u64) -> Option<Tick> {
        if self.is(Flags::DOOMED) || self.is(Flags::DIALING) {
            return None;
        }
        if self.is(Flags::RAW) {
            return self.deadline;
        }
        if self.is(Flags::CLOSING) {
            return Some((self.active + linger_ms).min(self.closing_since + close_ms_max));
        }
        let idle = self.idle_ms.map(|ms| self.active + ms);
        match (idle, self.deadline) {
            (Some(idle), Some(deadline)) => Some(idle.min(deadline)),
            (idle, deadline) => idle.or(deadline),
        }
    }
}
