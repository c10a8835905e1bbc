//! Names of connections, listeners and timers. Each carries a generation: a name that outlived
//! its owner finds nothing, whatever took the place since.

use std::fmt;

use crate::base::{Key, TimerKey};

/// Names one connection of one loop for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnId(pub(super) Key);

impl ConnId {
    /// The name of no connection: every verb on it is a no-op.
    pub const NONE: Self = Self(Key::NONE);

    pub(super) fn index(self) -> usize {
        self.0.index()
    }
}

impl fmt::Display for ConnId {
    /// `#17`: the number that no other connection of this loop had or will have.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0.to_u64() >> 32)
    }
}

/// Names one listener of one loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerId(pub(super) Key);

/// Names one call made with [`call_later`](super::Ctx::call_later).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerId(pub(super) TimerKey);

/// Tokens that a backend carries for the loop. Connections have their key as it is; a listener's
/// index has this bit set, which no table of connections is large enough to reach.
const LISTENER_BIT: u64 = 1 << 31;

/// What a token names.
pub(super) enum Owner {
    Conn(ConnId),
    Listener(ListenerId),
}

impl Owner {
    pub(super) fn of(token: u64) -> Self {
        if token & LISTENER_BIT == 0 {
            Self::Conn(ConnId(Key::from_u64(token)))
        } else {
            Self::Listener(ListenerId(Key::from_u64(token & !LISTENER_BIT)))
        }
    }
}

impl ConnId {
    pub(super) fn token(self) -> u64 {
        self.0.to_u64()
    }
}

impl ListenerId {
    pub(super) fn token(self) -> u64 {
        self.0.to_u64() | LISTENER_BIT
    }
}
