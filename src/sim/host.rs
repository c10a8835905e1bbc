//! One node of the simulated herd: its disk, which outlives its runs, and the run that is on.

use super::laws::{Breach, Kept, Law};
use super::readers::Reading;
use super::seals;
use crate::base::{ClientEndpoint, ServerEndpoint, Tick};
use crate::config::{Config, Durability, Limits, Listen, Peer, PeerKind, Service};
use crate::node::{Node, NodeError, Probe, prepare};
use crate::reactor::{SimLoop, SimNode, SimWorld};
use crate::serve::{Desk, Ticket};
use crate::store::SimDisk;
use crate::update::{Cid, Dot, Epoch, SigningKey, Vector};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub(super) const PEER_PORT: u16 = 9000;

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
    /// When it was last well again, after whatever befell it.
    pub(super) steady_since: Tick,
    /// All that ever came to it, for the figures: no arrival is counted twice.
    pub(super) known: Vector,
    /// Own updates that can't be read yet, in order.
    pub(super) unborn: Vec<Dot>,
    /// What its earlier runs counted.
    pub(super) past: Counts,
    /// What it has said to hold on disk, in all its runs: never to be lost, but with its disk.
    pub(super) promised: Vector,
    /// The same, that of disks which were put away included.
    pub(super) ever: Vector,
    /// An old copy of its disk, if there is one.
    pub(super) backup: Option<Backup>,
    /// The epoch of a log that was closed in order, and so has to go on.
    pub(super) goes_on: Option<Epoch>,
}

/// A copy of a disk, made while the node ran.
pub(super) struct Backup {
    pub(super) disk: SimDisk,
    /// What had been said to be on it by then.
    pub(super) promised: Vector,
    /// The epoch that was published under.
    pub(super) epoch: Epoch,
    /// Two updates may come to bear one name: all of the machine was copied, so that nobody can
    /// tell, the next time, that it is another disk; or the copy has what was never promised.
    pub(super) may_fork: bool,
}

/// What the runs of a node have counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) received: u64,
    pub(super) duplicates: u64,
}

impl Counts {
    pub(super) fn add(&mut self, probe: &Probe) {
        self.received += probe.received;
        self.duplicates += probe.duplicates;
    }
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
    /// How many updates it had received when its arrivals were last taken down.
    pub(super) received: u64,
    /// When it last had a link or a dial for each of its peers.
    pub(super) complete_since: Tick,
}

/// A publication.
pub(super) struct Written {
    pub(super) ticket: Ticket,
    pub(super) dot: Dot,
    pub(super) cid: Cid,
    pub(super) durability: Durability,
    pub(super) at: Tick,
}

impl Host {
    /// A host with an empty disk.
    pub(super) fn new(config: Config, disk_seed: u64) -> Self {
        Self {
            name: config.name.clone(),
            config,
            disk: SimDisk::new(disk_seed),
            up: None,
            is_paused: false,
            is_doomed: false,
            has_bad_disk: false,
            steady_since: 0,
            known: Vector::new(),
            unborn: Vec::new(),
            past: Counts::default(),
            promised: Vector::new(),
            ever: Vector::new(),
            backup: None,
            goes_on: None,
        }
    }

    /// Starts a node on what the disk holds, as production does. A disk that fails may keep it
    /// from starting: false then.
    pub(super) fn start(&mut self, net: &SimWorld, seed: u64) -> Kept<bool> {
        match self.begin(net, seed) {
            Ok(up) => {
                self.check_epoch(&up)?;
                self.steady_since = net.now();
                self.up = Some(up);
                Ok(true)
            }
            Err(_) if self.has_bad_disk => Ok(false),
            Err(error) => {
                Err(Breach::new(Law::Life, format!("{} does not start: {error}", self.name)))
            }
        }
    }

    fn begin(&self, net: &SimWorld, seed: u64) -> Result<Up, NodeError> {
        let settings = Node::settings(&self.config);
        let disk = Arc::new(self.disk.clone());
        let mut node = Node::open(self.config.clone(), &key(&self.name), disk, seed)?;
        node.seal_by(seals::sign, seals::verify, seals::verify_word);
        let (epoch, visible) = (node.store().epoch(), node.store().seen().clone());
        let began = (visible.count(), epoch, visible.last(epoch));
        let mut sim = SimLoop::new(net, &self.name, settings, node).map_err(NodeError::Loop)?;
        prepare(&mut sim.reactor);
        sim.with(|cx, node| node.start(cx))?;
        Ok(Up {
            sim,
            is_stopping: false,
            has_ended: false,
            witness: Reading::default(),
            waiting: Vec::new(),
            visible,
            began,
            received: 0,
            complete_since: net.now(),
        })
    }

    fn check_epoch(&mut self, up: &Up) -> Kept {
        let epoch = up.began.1;
        match self.goes_on.take() {
            Some(before) if epoch != before => {
                let name = &self.name;
                let what = format!("{name} closed its log in order, and begins another epoch");
                Err(Breach::new(Law::Vectors, what))
            }
            _ => Ok(()),
        }
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

impl Up {
    /// The epoch of its own updates.
    pub(super) fn epoch(&self) -> Epoch {
        self.sim.state.store().epoch()
    }

    /// Ends a node whose loop has ended.
    pub(super) fn close(self) -> Result<(), NodeError> {
        let (reactor, node) = (self.sim.reactor, self.sim.state);
        drop(reactor);
        node.close()
    }

    /// One turn of its loop.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        self.has_ended |= !self.sim.turn()?;
        Ok(())
    }
}

/// The key of the host of this name.
pub(super) fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(*blake3::hash(name.as_bytes()).as_bytes())
}

/// The configuration of a node that dials some others, and knows all.
pub(super) fn config(
    name: &str,
    ip: IpAddr,
    dials: &[&str],
    all: &[String],
    is_tight: bool,
) -> Config {
    let mut config = Config::new(name, "");
    let addr = SocketAddr::new(ip, PEER_PORT);
    let endpoint = ServerEndpoint::Tcp { addr, backlog: 64, reuse_port: false };
    config.listen = vec![Listen::new(Service::Peer, endpoint)];
    let endpoint = |host: &String| {
        let host = host.clone();
        ClientEndpoint::Tcp { host, port: PEER_PORT, timeout_ms: None }
    };
    let peer = |name: &String| Peer {
        name: name.clone(),
        endpoint: dials.contains(&&name[..]).then(|| endpoint(name)),
        kind: PeerKind::Herd,
        key: Some(key(name).public()),
    };
    config.peers = all.iter().filter(|other| *other != name).map(peer).collect();
    if is_tight {
        tighten(&mut config.limits);
    }
    config
}

/// Small limits, so that short runs reach them.
fn tighten(limits: &mut Limits) {
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
    limits.gate_bytes = 64 << 10;
    limits.spread_ms = 2_000;
    limits.digest_ms = 2_000;
}
