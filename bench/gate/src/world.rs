//! Nodes on a network without faults, one of them under test.

use crate::client::{self, Load, Script};
use bellwether::base::{ClientEndpoint, ServerEndpoint, Tick};
use bellwether::config::{Config, Durability, Listen, Peer, PeerKind, Service};
use bellwether::node::{Node, prepare};
use bellwether::reactor::{SimFaults, SimLoop, SimNode, SimWorld};
use bellwether::store::FileDisk;
use bellwether::update::SigningKey;
use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

pub(crate) const HTTP_PORT: u16 = 8000;
pub(crate) const LINE_PORT: u16 = 8001;
const PEER_PORT: u16 = 8002;

/// From then on is counted: the index was written once, everyone is connected and warm.
const WARM_MS: Tick = 2_500;
/// A whole number of checkpoints of the index, which come every two seconds: here one.
const COUNTED_MS: Tick = 2_000;

/// What is set up for a case.
pub(crate) struct Scene {
    /// The nodes are in a row, each linked to the next; clients talk to the first.
    pub(crate) nodes: usize,
    /// The one under test.
    pub(crate) tested: usize,
    pub(crate) durability: Durability,
    /// How long each thing takes from one host to another.
    pub(crate) delay_ms: u64,
    pub(crate) scripts: Vec<Script>,
}

/// A node, counted or not.
struct Watched {
    node: SimLoop<Node>,
    is_counted: bool,
}

impl SimNode for Watched {
    fn host(&self) -> &str {
        self.node.host()
    }

    fn next_wake(&self) -> Option<Tick> {
        self.node.next_wake()
    }

    fn turn(&mut self) -> io::Result<bool> {
        if self.is_counted { measured_turn(&mut self.node) } else { self.node.turn() }
    }
}

/// The only thing that callgrind counts.
#[inline(never)]
fn measured_turn(node: &mut SimLoop<Node>) -> io::Result<bool> {
    black_box(node.turn())
}

/// Plays a scene; by script how many answers came while it was counted.
pub(crate) fn play(scene: &Scene, folder: &Path) -> io::Result<Vec<u64>> {
    let faults = SimFaults { delay_ms: scene.delay_ms..=scene.delay_ms, ..SimFaults::none() };
    let net = SimWorld::new(1, faults);
    let start = |number| start_node(&net, scene, number, folder);
    let mut nodes = (0..scene.nodes).map(start).collect::<io::Result<Vec<Watched>>>()?;
    let mut clients = client::start(&net, net.address(&name(0)), &scene.scripts)?;
    run(&net, &mut nodes, &mut clients, WARM_MS)?;
    let before = clients.state.answered.clone();
    nodes[scene.tested].is_counted = true;
    run(&net, &mut nodes, &mut clients, WARM_MS + COUNTED_MS)?;
    let done = clients.state.answered.iter().zip(before).map(|(after, before)| after - before);
    Ok(done.collect())
}

fn run(
    net: &SimWorld,
    nodes: &mut [Watched],
    clients: &mut SimLoop<Load>,
    until: Tick,
) -> io::Result<()> {
    let mut all: Vec<&mut dyn SimNode> = vec![clients];
    all.extend(nodes.iter_mut().map(|node| node as &mut dyn SimNode));
    net.run(&mut all, until)
}

fn name(number: usize) -> String {
    format!("node{number}")
}

fn key(number: usize) -> SigningKey {
    SigningKey::from_seed([number as u8 + 1; 32])
}

fn start_node(net: &SimWorld, scene: &Scene, number: usize, folder: &Path) -> io::Result<Watched> {
    let dir = folder.join(name(number));
    let mut config = Config::new(name(number), &dir);
    config.durability = scene.durability;
    // Its clients are of no account, wherever it listens.
    config.accounts_open = Some(true);
    let listen = |service, port| {
        let addr = SocketAddr::new(net.address(&name(number)), port);
        let endpoint = ServerEndpoint::Tcp { addr, backlog: 1_024, reuse_port: false };
        Listen::new(service, endpoint)
    };
    let services =
        [(Service::Http, HTTP_PORT), (Service::Line, LINE_PORT), (Service::Peer, PEER_PORT)];
    config.listen = services.map(|(service, port)| listen(service, port)).into();
    let neighbour = |other: usize| {
        let to = ClientEndpoint::Tcp { host: name(other), port: PEER_PORT, timeout_ms: None };
        let endpoint = (other > number).then_some(to);
        Peer { name: name(other), endpoint, kind: PeerKind::Herd, key: Some(key(other).public()) }
    };
    let neighbours = number.checked_sub(1).into_iter().chain(Some(number + 1));
    config.peers = neighbours.filter(|other| *other < scene.nodes).map(neighbour).collect();
    let settings = Node::settings(&config);
    let disk = Arc::new(FileDisk::new(dir));
    let node = Node::open(config, &key(number), disk, number as u64).map_err(io::Error::other)?;
    let mut node = SimLoop::new(net, &name(number), settings, node)?;
    prepare(&mut node.reactor);
    node.with(|cx, node| node.start(cx)).map_err(io::Error::other)?;
    Ok(Watched { node, is_counted: false })
}
