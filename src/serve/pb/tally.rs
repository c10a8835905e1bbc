//! What is counted of Perspective Broker.

use super::methods::METHODS;
use crate::metrics::Exposition;
use serde_json::{Value, json};

/// Counters of a node.
#[derive(Debug, Default)]
pub struct PbTally {
    /// Connections open now.
    pub connections: u64,
    /// Avatars that clients hold now.
    pub avatars: u64,
    /// Subscriptions under way.
    pub subscriptions: u64,
    /// Updates sent to callbacks.
    pub updates: u64,
    /// Pages sent.
    pub pages: u64,
    /// Calls answered with a failure.
    pub failures: u64,
    /// Calls, in the order of [`METHODS`].
    calls: [u64; METHODS.len()],
}

impl PbTally {
    /// Counts a call. A name that no method has is counted as unknown.
    pub(super) fn on_call(&mut self, method: &str) {
        let at = METHODS.iter().position(|known| *known == method);
        self.calls[at.unwrap_or(METHODS.len() - 1)] += 1;
    }

    /// All calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.iter().sum()
    }

    /// The numbers for callers.
    pub(super) fn view(&self) -> Value {
        json!({
            "connections": self.connections, "avatars": self.avatars, "calls": self.calls(),
            "failures": self.failures, "subscriptions": self.subscriptions,
            "updates": self.updates, "pages": self.pages,
        })
    }

    /// Writes all counters.
    pub(in crate::serve) fn expose(&self, out: &mut Exposition) {
        for (method, calls) in METHODS.iter().zip(self.calls) {
            if calls > 0 {
                let help = "Calls over Perspective Broker, by method.";
                out.counter("bellwether_broker_calls_total", help, &[("method", method)], calls);
            }
        }
        for (name, help, value) in [
            ("bellwether_broker_failures_total", "Calls answered with a failure.", self.failures),
            ("bellwether_broker_updates_total", "Updates sent to callbacks.", self.updates),
            ("bellwether_broker_pages_total", "Pages sent to collectors.", self.pages),
        ] {
            out.counter(name, help, &[], value);
        }
        for (name, help, value) in [
            ("bellwether_broker_connections_open", "Connections open now.", self.connections),
            ("bellwether_broker_avatars_held", "Avatars that clients hold now.", self.avatars),
            (
                "bellwether_broker_subscriptions_open",
                "Subscriptions under way.",
                self.subscriptions,
            ),
        ] {
            out.gauge(name, help, &[], value);
        }
    }
}
