//! The node's side of foreign herds' servers: peers of kind `at`.

use super::{Node, NodeError, certificates};
use crate::base::ClientEndpoint;
use crate::config::{ClosePolicy, Config, PeerKind, Service};
use crate::herd::{Backoff, Feed};
use crate::news;
use crate::reactor::{
    Class, ConnectError, ConnectOptions, Ctx, Factory, Peer, Protocol, TlsClient,
};
use crate::serve::at::{AtConnection, AtDesk, AtShot};
use crate::serve::line::{Caller, LineConnection};
use crate::store::{Store, StoreError};
use crate::update::Kind;
use std::net::IpAddr;

/// How many updates are looked at in one turn for a server that wants a connection for each report.
const TURN_UPDATES: usize = 128;

/// One configured foreign server.
#[derive(Debug)]
pub(super) struct Foreign {
    name: String,
    endpoint: ClientEndpoint,
    secure: Option<TlsClient>,
    /// One connection for each update, as its own kind does it.
    per_update: bool,
    backoff: Backoff,
    is_busy: bool,
    said: Option<ConnectError>,
    /// With `per_update`: its way through the log, and the line whose turn it is.
    feed: Option<Feed>,
    line: Option<Vec<u8>>,
}

impl Foreign {
    /// One for each configured peer of kind `at`.
    pub(super) fn of(config: &Config) -> Vec<Self> {
        let peers = config.peers.iter();
        peers
            .filter_map(|peer| match (&peer.kind, &peer.endpoint) {
                (PeerKind::Herd | PeerKind::Nntp(_), _) | (_, None) => None,
                (&PeerKind::At { per_update }, Some(endpoint)) => Some(Self {
                    name: peer.name.clone(),
                    endpoint: endpoint.clone(),
                    secure: None,
                    per_update,
                    backoff: Backoff::new(config.limits.redial_min_ms, config.limits.redial_max_ms),
                    is_busy: false,
                    said: None,
                    feed: None,
                    line: None,
                }),
            })
            .collect()
    }

    /// Looks for the next report among a turn's share of updates. False when there may be more.
    fn find_line(&mut self, store: &Store) -> bool {
        let Some(feed) = &mut self.feed else { return true };
        for _ in 0..TURN_UPDATES {
            if self.line.is_some() {
                return true;
            }
            // What can't be read now is tried again with the next update.
            let Ok(Some(update)) = feed.next(store) else { return true };
            if update.kind() == Kind::Report {
                self.line = Some(update.payload().to_vec());
            }
        }
        self.line.is_some()
    }

    /// True when a connection from this address may say AT on any line listener. A loopback address
    /// says nothing of who it is: such peers need a listener of kind `at`.
    pub(super) fn is_at(&self, from: &Peer) -> bool {
        let Peer::Tcp(from) = from else { return false };
        let Some((host, _)) = self.endpoint.host_and_port() else { return false };
        !from.ip().is_loopback() && host.parse::<IpAddr>().is_ok_and(|ip| ip == from.ip())
    }
}

struct DialForeign {
    peer: usize,
}

impl Factory<Node> for DialForeign {
    fn build(&mut self, _peer: &Peer, node: &mut Node) -> Option<Box<dyn Protocol<Node>>> {
        let foreign = &mut node.foreign[self.peer];
        if let Some(line) = foreign.line.take() {
            return Some(Box::new(AtShot::new(self.peer, line)));
        }
        let line_bytes_max = node.config.limits.line_bytes;
        Some(Box::new(AtConnection::new(self.peer, line_bytes_max)))
    }

    fn failed(&mut self, cx: &mut Ctx<'_, Node>, node: &mut Node, why: ConnectError) {
        let foreign = &mut node.foreign[self.peer];
        if foreign.said.replace(why) != Some(why) {
            log::warn!("foreign server {} at {}: {why}; trying on", foreign.name, foreign.endpoint);
        }
        node.dial_foreign_later(cx, self.peer);
    }
}

impl Node {
    /// Reads what secures the connections to those foreign servers that want it.
    pub(super) fn secure_foreign(&mut self) -> Result<(), NodeError> {
        for foreign in &mut self.foreign {
            let secure = certificates::client(&foreign.endpoint, Service::At);
            foreign.secure =
                secure.map_err(|error| NodeError::Dial(foreign.name.clone(), Box::new(error)))?;
        }
        Ok(())
    }

    /// Begins with all foreign servers.
    pub(super) fn dial_foreign_all(&mut self, cx: &mut Ctx<'_, Self>) {
        for peer in 0..self.foreign.len() {
            if self.foreign[peer].per_update {
                self.foreign[peer].feed = Some(Feed::live(&self.store));
            } else {
                self.dial_foreign_later(cx, peer);
            }
        }
    }

    fn dial_foreign_later(&mut self, cx: &mut Ctx<'_, Self>, peer: usize) {
        self.foreign[peer].is_busy = true;
        let wait_ms = self.foreign[peer].backoff.fail(cx.rng());
        cx.call_later(wait_ms, move |cx, node| node.dial_foreign(cx, peer));
    }

    fn dial_foreign(&mut self, cx: &mut Ctx<'_, Self>, peer: usize) {
        if cx.draining() {
            return;
        }
        let foreign = &mut self.foreign[peer];
        foreign.is_busy = true;
        let timeout_ms = foreign.endpoint.timeout_ms().unwrap_or(self.config.limits.connect_ms);
        let secure = foreign.secure.clone();
        let options =
            ConnectOptions { class: Class::Peer, timeout_ms, secure, ..ConnectOptions::default() };
        cx.connect(&foreign.endpoint, options, DialForeign { peer });
    }

    /// Sees whether there is a new report for servers that want a connection for each; goes on in
    /// a later turn where much was missed.
    pub(super) fn feed_foreign(&mut self, cx: &mut Ctx<'_, Self>) {
        let mut has_more = false;
        for peer in 0..self.foreign.len() {
            let foreign = &mut self.foreign[peer];
            if !foreign.per_update || foreign.is_busy {
                continue;
            }
            has_more |= !foreign.find_line(&self.store);
            if foreign.line.is_some() {
                self.dial_foreign(cx, peer);
            }
        }
        if has_more && !std::mem::replace(&mut self.due.feeds_foreign, true) {
            cx.call_later(0, |cx, node| {
                node.due.feeds_foreign = false;
                node.feed_foreign(cx);
            });
        }
    }

    /// The protocol of a connection to a listener of `service`, line or at.
    pub(super) fn line_connection(
        &self,
        peer: &Peer,
        policy: ClosePolicy,
        service: Service,
    ) -> LineConnection {
        let caller = if service == Service::At {
            Caller::Server
        } else if self.foreign.iter().any(|foreign| foreign.is_at(peer)) {
            Caller::ClientOrServer
        } else {
            Caller::Client
        };
        LineConnection::new(self.config.limits.line_bytes, policy, caller)
    }
}

impl AtDesk for Node {
    fn sweep(&self, after: Option<&[u8]>, limit: usize) -> Result<news::ReportPage, StoreError> {
        news::reports(self.store.index(), after, limit)
    }

    fn at_made(&mut self, peer: usize) {
        self.foreign[peer].backoff.reset();
        self.foreign[peer].said = None;
    }

    fn at_lost(&mut self, cx: &mut Ctx<'_, Self>, peer: usize) {
        if self.foreign[peer].per_update {
            self.foreign[peer].is_busy = false;
            self.feed_foreign(cx);
        } else if !cx.draining() {
            self.dial_foreign_later(cx, peer);
        }
    }
}

#[cfg(test)]
mod tests;
