//! What the loop counts. Plain numbers: the loop is their only writer.

use super::slow::{SLOW_MAX, SlowTurn};
use super::{Class, Lost, Peer};
use crate::metrics::{DURATION_NS_BOUNDS, Histogram, Tops};
use std::collections::VecDeque;
use std::net::IpAddr;

/// Addresses of refused connections that are counted.
const REFUSED_FROM_MAX: usize = 32;

/// Counters since the loop was made, and gauges as of the end of its last turn.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoopStats {
    /// Turns of the loop.
    pub turns: u64,
    /// How long each turn worked, sleep left out, in nanoseconds.
    pub turn_ns: Histogram,
    /// Connections accepted and given a protocol, or a TLS handshake before it.
    pub accepted: u64,
    /// Connections closed at once: `connections_max`, `per_address_max`, or no protocol.
    pub refused: u64,
    /// Whose they were.
    pub refused_from: Tops<IpAddr>,
    /// TLS handshakes of accepted connections that ended well.
    pub handshakes: u64,
    /// Those of them that took up an earlier session.
    pub handshakes_resumed: u64,
    /// TLS handshakes of accepted connections that came to nothing.
    pub handshakes_failed: u64,
    /// TLS handshakes of accepted connections under way, with those that wait for a proxy's header
    /// (gauge).
    pub handshaking: u64,
    /// Times that a listener had as many handshakes under way as it may, and let others wait.
    pub handshakes_full: u64,
    /// Connections closed for having been one handshake too many, of their address or, if they were
    /// there in the clear already, of their listener.
    pub handshakes_refused: u64,
    /// Accepted connections without the header that a proxy owes, or with a malformed one.
    pub proxies_refused: u64,
    /// Accepts that failed for one connection.
    pub accept_errors: u64,
    /// Times that descriptors or memory ran out at an accept.
    pub accept_exhausted: u64,
    /// Connections made.
    pub connected: u64,
    /// Connectors whose connection never came up.
    pub connect_failed: u64,
    /// Open connections (gauge).
    pub open: [u64; 3],
    /// Connections lost, by class and reason.
    pub lost: [[u64; 9]; 3],
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Read calls.
    pub reads: u64,
    /// Write calls.
    pub writes: u64,
    /// Protocol methods, timers, jobs and calls that panicked.
    pub panics: u64,
    /// Jobs given to the pool.
    pub jobs: u64,
    /// Jobs refused because the pool was full.
    pub jobs_refused: u64,
    /// Jobs waiting or running (gauge).
    pub jobs_waiting: u64,
    /// Calls and job ends that came from other threads.
    pub letters: u64,
    /// Timers fired.
    pub timers_fired: u64,
    /// Timers armed (gauge).
    pub timers_armed: u64,
    /// Turns longer than `slow_turn_ms`.
    pub slow_turns: u64,
    /// The last of them, the newest last.
    pub slow: VecDeque<SlowTurn>,
}

impl LoopStats {
    pub(super) fn new() -> Self {
        Self {
            turns: 0,
            turn_ns: Histogram::new(DURATION_NS_BOUNDS),
            accepted: 0,
            refused: 0,
            refused_from: Tops::new(REFUSED_FROM_MAX),
            handshakes: 0,
            handshakes_resumed: 0,
            handshakes_failed: 0,
            handshaking: 0,
            handshakes_full: 0,
            handshakes_refused: 0,
            proxies_refused: 0,
            accept_errors: 0,
            accept_exhausted: 0,
            connected: 0,
            connect_failed: 0,
            open: [0; 3],
            lost: [[0; 9]; 3],
            bytes_in: 0,
            bytes_out: 0,
            reads: 0,
            writes: 0,
            panics: 0,
            jobs: 0,
            jobs_refused: 0,
            jobs_waiting: 0,
            letters: 0,
            timers_fired: 0,
            timers_armed: 0,
            slow_turns: 0,
            slow: VecDeque::new(),
        }
    }

    /// A connection was closed at once.
    pub(super) fn refuse(&mut self, peer: &Peer) {
        self.refused += 1;
        if let Peer::Tcp(addr) = peer {
            self.refused_from.count(addr.ip().to_canonical());
        }
    }

    pub(super) fn note_slow(&mut self, turn: SlowTurn) {
        self.slow_turns += 1;
        if self.slow.len() == SLOW_MAX {
            self.slow.pop_front();
        }
        self.slow.push_back(turn);
    }

    /// Connections of a class that were lost for a reason.
    pub fn lost_by(&self, class: Class, reason: Lost) -> u64 {
        self.lost[class as usize][reason as usize]
    }

    /// Connections lost for a reason, all classes.
    pub fn lost_for(&self, reason: Lost) -> u64 {
        Class::ALL.iter().map(|class| self.lost_by(*class, reason)).sum()
    }

    /// Connections open, all classes.
    pub fn open_all(&self) -> u64 {
        self.open.iter().sum()
    }

    pub(super) fn opened(&mut self, class: Class) {
        self.open[class as usize] += 1;
    }

    pub(super) fn closed(&mut self, class: Class, reason: Lost) {
        self.open[class as usize] -= 1;
        self.lost[class as usize][reason as usize] += 1;
    }

    pub(super) fn reclassed(&mut self, from: Class, to: Class) {
        self.open[from as usize] -= 1;
        self.open[to as usize] += 1;
    }
}
