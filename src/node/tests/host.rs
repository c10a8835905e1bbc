//! One node of the simulated herd: its disk, which outlives its runs, and the run that is on.

use super::audit::Reading;
use crate::base::{ClientEndpoint, ServerEndpoint, Tick};
use crate::config::{ClosePolicy, Config, Listen, Peer, PeerKind, Service};
use crate::node::Node;
use crate::node::run::{NodeError, prepare};
use crate::reactor::{SimLoop, SimNode, SimWorld};
use crate::serve::Ticket;
use crate::store::SimDisk;
use crate::update::{Cid, Dot, Epoch, Vector};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

const PEER_PORT: u16 = 9000;

/// A host of the network, with a node on it or none.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) disk: SimDisk,
    pub(super) up: Option<Up>,
    /// Its process is stopped, as by SIGSTOP.
    pub(super) is_paused: bool,
    /// Its power is about to fail: nothing else befalls it until then.
    pub(super) is_doomed: bool,
    pub(super) has_bad_disk: bool,
    /// What it has said to hold on disk, in all its runs: never to be lost.
    pub(super) promised: Vector,
    /// The epoch of a log that was closed in order, and so has to go on.
    pub(super) goes_on: Option<Epoch>,
}

/// One run of a node.
pub(super) struct Up {
    pub(super) sim: SimLoop<Node>,
    pub(super) is_stopping: bool,
    pub(super) has_ended: bool,
    /// Reads everything from the start on.
    pub(super) witness: Reading,
    /// Publications that wait for their tickets.
    pub(super) waiting: Vec<Written>,
    /// What could be read when it was last looked at: only ever more.
    pub(super) visible: Vector,
    /// How much was held at its start, in which epoch it began, and how far that had come.
    pub(super) began: (u64, Epoch, u64),
}

/// A publication.
pub(super) struct Written {
    pub(super) ticket: Ticket,
    pub(super) dot: Dot,
    pub(super) cid: Cid,
    pub(super) is_local: bool,
}

impl Host {
    /// A host with an empty disk.
    pub(super) fn new(name: &str, ip: IpAddr, dials: &[&str], disk_seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            config: config(name, ip, dials),
            disk: SimDisk::new(disk_seed),
            up: None,
            is_paused: false,
            is_doomed: false,
            has_bad_disk: false,
            promised: Vector::new(),
            goes_on: None,
        }
    }

    /// Starts a node on what the disk holds, as production does.
    pub(super) fn start(&mut self, net: &SimWorld, seed: u64) -> Result<(), NodeError> {
        let settings = Node::settings(&self.config);
        let node = Node::open(self.config.clone(), Arc::new(self.disk.clone()), seed)?;
        let (epoch, seen) = (node.store.epoch(), node.store.seen());
        if let Some(before) = self.goes_on.take() {
            assert_eq!(epoch, before, "{}: a log that was closed in order goes on", self.name);
        }
        let began = (seen.count(), epoch, seen.last(epoch));
        let visible = seen.clone();
        let mut sim = SimLoop::new(net, &self.name, settings, node).map_err(NodeError::Loop)?;
        prepare(&mut sim.reactor);
        sim.with(|cx, node| node.start(cx))?;
        self.up = Some(Up {
            sim,
            is_stopping: false,
            has_ended: false,
            witness: Reading::default(),
            waiting: Vec::new(),
            visible,
            began,
        });
        Ok(())
    }

    /// The node, while it runs.
    pub(super) fn node(&self) -> Option<&Node> {
        self.up.as_ref().map(|up| &up.sim.state)
    }

    /// True when something may be done with it from outside.
    pub(super) fn is_free(&self) -> bool {
        let runs = self.up.as_ref().is_some_and(|up| !up.is_stopping);
        runs && !self.is_paused && !self.is_doomed
    }
}

impl SimNode for Up {
    fn host(&self) -> &str {
        self.sim.host()
    }

    fn next_wake(&self) -> Option<Tick> {
        self.sim.next_wake()
    }

    fn turn(&mut self) -> io::Result<bool> {
        let goes_on = self.sim.turn()?;
        self.has_ended |= !goes_on;
        Ok(goes_on)
    }
}

/// Small limits, so that short runs reach them.
fn config(name: &str, ip: IpAddr, dials: &[&str]) -> Config {
    let mut config = Config::new(name, "");
    config.insecure_peers = true;
    config.listen = vec![Listen {
        service: Service::Peer,
        endpoint: ServerEndpoint::Tcp { addr: SocketAddr::new(ip, PEER_PORT), backlog: 16 },
        close: ClosePolicy::Never,
    }];
    let peer = |name: &&str| Peer {
        name: (*name).to_owned(),
        endpoint: ClientEndpoint::Tcp {
            host: (*name).to_owned(),
            port: PEER_PORT,
            timeout_ms: None,
        },
        kind: PeerKind::Herd,
    };
    config.peers = dials.iter().map(peer).collect();
    let limits = &mut config.limits;
    limits.drain_ms = 500;
    limits.linger_ms = 200;
    limits.pending_bytes = 32 << 10;
    limits.peer_window_bytes = 4 << 10;
    limits.connect_ms = 1_000;
    limits.heartbeat_ms = 300;
    limits.peer_silence_ms = 1_500;
    limits.redial_min_ms = 50;
    limits.redial_max_ms = 800;
    limits.cache_bytes = 64 << 10;
    limits.index_cache_bytes = 1 << 20;
    limits.segment_bytes = 16 << 10;
    config
}
