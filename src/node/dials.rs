//! Whom this node dials, and when: each configured peer, for as long as no link to it stands.

use super::Node;
use crate::base::ClientEndpoint;
use crate::config::{Config, PeerKind};
use crate::herd::Backoff;
use crate::reactor::{Class, ConnectError, ConnectOptions, Ctx, Factory, Peer, Protocol};
use crate::serve::peer::PeerConnection;

/// The first dials of a herd that starts at once are spread over this time.
const FIRST_DIAL_MS: u64 = 100;
/// A dial of which nothing was heard for so much longer than it may take has come to nothing.
const DIAL_LOST_MS: u64 = 1_000;

/// Dials one configured peer whenever no link to it stands.
#[derive(Debug)]
pub(super) struct Dialler {
    name: String,
    endpoint: ClientEndpoint,
    backoff: Backoff,
    /// A dial, or the wait before it, is under way, or the link that came of it stands.
    is_busy: bool,
    /// Counts the dials.
    attempt: u64,
    /// This one came to a connection, whose end will be told.
    is_made: bool,
    /// What was last said in the log, so that a dead peer is not news every second.
    said: Option<ConnectError>,
}

impl Dialler {
    /// One for each configured peer of the herd that is not only expected.
    pub(super) fn of(config: &Config) -> Vec<Self> {
        let herd = config.peers.iter().filter(|peer| peer.kind == PeerKind::Herd);
        herd.filter_map(|peer| {
            Some(Self {
                name: peer.name.clone(),
                endpoint: peer.endpoint.clone()?,
                backoff: Backoff::new(config.limits.redial_min_ms, config.limits.redial_max_ms),
                is_busy: false,
                attempt: 0,
                is_made: false,
                said: None,
            })
        })
        .collect()
    }

    /// The peer's name, while nothing is under way to reach it.
    pub(super) fn name_if_idle(&self) -> Option<&str> {
        (!self.is_busy).then_some(&self.name[..])
    }

    /// Begins a dial, or the wait for one: from now on nothing that is told of an earlier one
    /// counts. So one chain of dials at most is under way, whoever else asks for a dial.
    fn next(&mut self) -> u64 {
        self.is_busy = true;
        self.is_made = false;
        self.attempt += 1;
        self.attempt
    }

    fn is_last(&self, attempt: u64) -> bool {
        self.attempt == attempt
    }

    /// A dial came to a connection; false when it is not to be used.
    fn reached(&mut self, attempt: u64) -> bool {
        let is_last = self.is_last(attempt);
        if is_last {
            self.is_made = true;
            self.said = None;
        }
        is_last
    }
}

/// Makes the link of one dial.
struct Dial {
    index: usize,
    /// Which of the dialler's dials it is: what is told of an earlier one than the last is ignored.
    attempt: u64,
}

impl Factory<Node> for Dial {
    fn build(&mut self, _peer: &Peer, node: &mut Node) -> Option<Box<dyn Protocol<Node>>> {
        let dialler = &mut node.diallers[self.index];
        if !dialler.reached(self.attempt) {
            return None;
        }
        Some(Box::new(PeerConnection::new(Some(dialler.name.clone()))))
    }

    fn failed(&mut self, cx: &mut Ctx<'_, Node>, node: &mut Node, why: ConnectError) {
        let dialler = &mut node.diallers[self.index];
        if !dialler.is_last(self.attempt) {
            return;
        }
        if dialler.said.replace(why) != Some(why) {
            log::warn!("link to {} at {}: {why}; trying on", dialler.name, dialler.endpoint);
        }
        node.dial_again(cx, self.index);
    }
}

impl Node {
    /// Begins to dial every peer.
    pub(super) fn dial_all(&mut self, cx: &mut Ctx<'_, Self>) {
        for index in 0..self.diallers.len() {
            self.diallers[index].is_busy = true;
            let wait_ms = cx.rng().below(FIRST_DIAL_MS);
            let attempt = self.diallers[index].attempt;
            cx.call_later(wait_ms, move |cx, node| node.dial_in_turn(cx, index, attempt));
        }
    }

    /// The wait before a dial is over: it is made, unless another was made or planned meanwhile.
    fn dial_in_turn(&mut self, cx: &mut Ctx<'_, Self>, index: usize, attempt: u64) {
        if self.diallers[index].is_last(attempt) {
            self.dial(cx, index);
        }
    }

    fn dial(&mut self, cx: &mut Ctx<'_, Self>, index: usize) {
        let dialler = &mut self.diallers[index];
        if self.roll.is_linked(&dialler.name) || cx.draining() {
            dialler.is_busy = false;
            return;
        }
        let attempt = dialler.next();
        let timeout_ms = dialler.endpoint.timeout_ms().unwrap_or(self.config.limits.connect_ms);
        let secure = Some(self.tls_client.clone());
        let options =
            ConnectOptions { class: Class::Peer, timeout_ms, secure, ..ConnectOptions::default() };
        cx.connect(&dialler.endpoint, options, Dial { index, attempt });
        cx.call_later(timeout_ms + DIAL_LOST_MS, move |cx, node| {
            let dialler = &node.diallers[index];
            if dialler.is_busy && dialler.is_last(attempt) && !dialler.is_made {
                log::error!("the dial to {} was lost: trying on", dialler.name);
                node.dial_again(cx, index);
            }
        });
    }

    /// Dials a configured peer now, whatever it waits for.
    pub(super) fn dial_now(&mut self, cx: &mut Ctx<'_, Self>, name: &str) -> Result<(), String> {
        let index = self.diallers.iter().position(|dialler| dialler.name == name);
        let index = index.ok_or_else(|| format!("{name} is no peer that this node dials"))?;
        if self.roll.is_linked(name) {
            return Err(format!("a link to {name} stands"));
        }
        let dialler = &mut self.diallers[index];
        dialler.backoff.reset();
        self.dial(cx, index);
        Ok(())
    }

    fn dial_again(&mut self, cx: &mut Ctx<'_, Self>, index: usize) {
        let wait_ms = self.diallers[index].backoff.fail(cx.rng());
        // The dial is over, whatever may still be told of it, and so is any other wait for one.
        let attempt = self.diallers[index].next();
        cx.call_later(wait_ms, move |cx, node| node.dial_in_turn(cx, index, attempt));
    }

    /// A link to the peer of this name, or a connection that was to be one, is over: it is dialled
    /// again unless another one stands. `is_ours` says that this node dialled it.
    pub(super) fn redial(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        name: &str,
        (is_ours, was_healthy): (bool, bool),
    ) {
        let Some(index) = self.diallers.iter().position(|d| d.name == name) else { return };
        let is_linked = self.roll.is_linked(name);
        let dialler = &mut self.diallers[index];
        if was_healthy {
            dialler.backoff.reset();
        }
        if is_ours {
            dialler.is_busy = false;
        }
        if !is_linked && !dialler.is_busy && !cx.draining() {
            self.dial_again(cx, index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_earlier_dial_nothing_counts() {
        let mut dialler = Dialler {
            name: "b".to_owned(),
            endpoint: "tcp:b.example:1".parse().unwrap(),
            backoff: Backoff::new(1, 10),
            is_busy: false,
            attempt: 0,
            is_made: false,
            said: None,
        };
        let first = dialler.next();
        assert!(dialler.is_last(first) && dialler.name_if_idle().is_none());
        // Someone dials by hand meanwhile.
        let second = dialler.next();
        assert!(!dialler.is_last(first) && !dialler.reached(first) && !dialler.is_made);
        assert!(dialler.is_last(second) && dialler.reached(second) && dialler.is_made);
        // The wait for the next one begins.
        let third = dialler.next();
        assert!(!dialler.is_last(second) && dialler.is_last(third) && !dialler.is_made);
    }
}
