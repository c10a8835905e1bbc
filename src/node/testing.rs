//! What tests of a node's ways to other machines have in common: a real node in a simulated world.

use super::Node;
use crate::base::ClientEndpoint;
use crate::config::{Config, Peer, PeerKind};
use crate::reactor::{SimLoop, SimNode, SimWorld};
use crate::store::SimDisk;
use crate::update::SigningKey;
use std::sync::Arc;

/// A node, and the one machine that it has to do with.
pub(super) struct World<T> {
    pub(super) net: SimWorld,
    pub(super) node: SimLoop<Node>,
    pub(super) theirs: SimLoop<T>,
    pub(super) disk: SimDisk,
}

impl<T: 'static> World<T> {
    pub(super) fn run(&mut self, ms: u64) {
        let until = self.net.now() + ms;
        let nodes: &mut [&mut dyn SimNode] = &mut [&mut self.node, &mut self.theirs];
        self.net.run(nodes, until).unwrap();
    }
}

/// A node that has begun, on the host `node`.
pub(super) fn started(net: &SimWorld, config: Config, disk: &SimDisk, seed: u64) -> SimLoop<Node> {
    let settings = Node::settings(&config);
    let key = SigningKey::from_seed([5; 32]);
    let node = Node::open(config, &key, Arc::new(disk.clone()), seed).unwrap();
    let mut node = SimLoop::new(net, "node", settings, node).unwrap();
    node.with(|cx, node| node.start(cx)).unwrap();
    node
}

/// A peer called `theirs`.
pub(super) fn theirs_at(kind: PeerKind, host: String, port: u16) -> Peer {
    let endpoint = ClientEndpoint::Tcp { host, port, timeout_ms: None };
    Peer { name: "theirs".to_owned(), endpoint: Some(endpoint), kind, key: None }
}
