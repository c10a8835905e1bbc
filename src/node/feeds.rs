//! The node's side of news servers: peers of kind `nntp`. How far each was fed is a row of the
//! index: who loses it offers everything again, and is told what is known.

use super::Node;
use super::certificates;
use super::run::NodeError;
use crate::base::ClientEndpoint;
use crate::config::{Config, FeedRules, PeerKind, Service};
use crate::herd::Backoff;
use crate::reactor::{
    Class, ConnectError, ConnectOptions, Ctx, Factory, Peer, Protocol, TlsClient,
};
use crate::serve::feed::{FeedConnection, FeedDesk};
use crate::store::StoreError;
use crate::update::{After, Cursor};
use std::net::{IpAddr, SocketAddr};

/// The letter of the rows, before the name of a server: its cursor as text.
const FED: u8 = b'o';

/// So many addresses of one name are remembered.
const ADDRESSES_MAX: usize = 64;

/// One configured news server.
#[derive(Debug)]
pub(super) struct NewsServer {
    name: String,
    endpoint: ClientEndpoint,
    /// How its server shows who it is, where the endpoint says `tls:`.
    secure: Option<TlsClient>,
    rules: FeedRules,
    backoff: Backoff,
    said: Option<ConnectError>,
    /// What its name was last looked up as, by the dials: it is told as a feeder by them.
    addresses: Vec<IpAddr>,
}

impl NewsServer {
    /// One for each configured peer of kind `nntp`.
    pub(super) fn of(config: &Config) -> Vec<Self> {
        let servers = config.peers.iter().filter_map(|peer| match (&peer.kind, &peer.endpoint) {
            (PeerKind::Nntp(rules), Some(endpoint)) => Some(Self {
                name: peer.name.clone(),
                endpoint: endpoint.clone(),
                secure: None,
                rules: rules.clone(),
                backoff: Backoff::new(config.limits.redial_min_ms, config.limits.redial_max_ms),
                said: None,
                addresses: Vec::new(),
            }),
            _ => None,
        });
        servers.collect()
    }
}

struct DialNews {
    peer: usize,
}

impl Factory<Node> for DialNews {
    fn build(&mut self, _peer: &Peer, node: &mut Node) -> Option<Box<dyn Protocol<Node>>> {
        Some(Box::new(FeedConnection::new(node, self.peer)))
    }

    fn resolved(&mut self, addresses: &[SocketAddr], node: &mut Node) {
        // A name that can't be looked up now has not moved.
        if !addresses.is_empty() {
            let addresses = addresses.iter().take(ADDRESSES_MAX);
            let addresses = addresses.map(|address| address.ip().to_canonical()).collect();
            node.news_servers[self.peer].addresses = addresses;
        }
    }

    fn failed(&mut self, cx: &mut Ctx<'_, Node>, node: &mut Node, why: ConnectError) {
        let server = &mut node.news_servers[self.peer];
        if server.said.replace(why) != Some(why) {
            log::warn!("news server {} at {}: {why}; trying on", server.name, server.endpoint);
        }
        node.dial_news_later(cx, self.peer);
    }
}

impl Node {
    /// True when the news server of this name was last found at this address.
    pub(super) fn is_news_server_at(&self, name: &str, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.news_servers.iter().any(|it| it.name == name && it.addresses.contains(&ip))
    }

    /// Reads what the news servers at `tls:` endpoints are to be known by.
    pub(super) fn secure_news(&mut self) -> Result<(), NodeError> {
        for server in &mut self.news_servers {
            let secure = certificates::client(&server.endpoint, Service::Nntp);
            server.secure =
                secure.map_err(|error| NodeError::Dial(server.name.clone(), Box::new(error)))?;
        }
        Ok(())
    }

    /// Begins with all news servers.
    pub(super) fn dial_news_all(&mut self, cx: &mut Ctx<'_, Self>) {
        for peer in 0..self.news_servers.len() {
            self.dial_news_later(cx, peer);
        }
    }

    fn dial_news_later(&mut self, cx: &mut Ctx<'_, Self>, peer: usize) {
        let wait_ms = self.news_servers[peer].backoff.fail(cx.rng());
        cx.call_later(wait_ms, move |cx, node| node.dial_news(cx, peer));
    }

    fn dial_news(&mut self, cx: &mut Ctx<'_, Self>, peer: usize) {
        if cx.draining() {
            return;
        }
        let endpoint = self.news_servers[peer].endpoint.clone();
        let timeout_ms = endpoint.timeout_ms().unwrap_or(self.config.limits.connect_ms);
        let secure = self.news_servers[peer].secure.clone();
        let options =
            ConnectOptions { class: Class::Peer, timeout_ms, secure, ..ConnectOptions::default() };
        cx.connect(&endpoint, options, DialNews { peer });
    }
}

fn row(name: &str) -> Vec<u8> {
    [&[FED], name.as_bytes()].concat()
}

impl FeedDesk for Node {
    fn feed_rules(&self, peer: usize) -> (String, FeedRules) {
        let server = &self.news_servers[peer];
        (server.name.clone(), server.rules.clone())
    }

    fn fed(&self, peer: usize) -> Result<Option<After>, StoreError> {
        let row = self.store.index().get(&row(&self.news_servers[peer].name))?;
        let text = row.and_then(|row| String::from_utf8(row).ok());
        Ok(text.and_then(|text| text.parse().ok()))
    }

    fn note_fed(&mut self, peer: usize, cursor: &Cursor) {
        let row = row(&self.news_servers[peer].name);
        self.store.index_mut().put(row, cursor.to_string().into_bytes());
    }

    fn cancel_secret(&self) -> [u8; 32] {
        let signed = self.key.sign(b"the cancel locks of this node's articles");
        blake3::derive_key("bellwether cancel locks", &signed.0)
    }

    fn feed_made(&mut self, peer: usize) {
        self.news_servers[peer].said = None;
        self.news_servers[peer].backoff.reset();
    }

    fn feed_lost(&mut self, cx: &mut Ctx<'_, Self>, peer: usize) {
        if !cx.draining() {
            self.dial_news_later(cx, peer);
        }
    }
}

#[cfg(test)]
mod tests;
