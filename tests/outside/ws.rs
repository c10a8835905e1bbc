//! `/v1/ws` and `/v1/ws/echo`: frames by hand against a table, Autobahn's cases, other
//! people's clients, and what a socket does across deaths and stops.

#[path = "ws/cases.rs"]
mod cases;
#[path = "ws/guests.rs"]
mod guests;
#[path = "ws/life.rs"]
mod life;
#[path = "ws/peer.rs"]
mod peer;

pub(crate) use peer::Peer;
