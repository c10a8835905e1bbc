//! A herd in virtual time: the nodes, the network between them, and what befalls them. One seed
//! decides all of it.

use super::audit::{Ledger, Reading, cid_of, look_at, shown};
use super::host::{Host, Up};
use super::writers::publish;
use crate::base::{Rng, Tick};
use crate::config::Durability;
use crate::node::Node;
use crate::reactor::{Ctx, SimFaults, SimNode, SimWorld};
use crate::store::Fault;
use std::collections::BTreeMap;

/// How the nodes are linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Line,
    Ring,
    Mesh,
}

/// Something that ends what befell a host, at its time.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Start(usize),
    PowerFails(usize),
    Resume(usize),
    HealDisk(usize),
    HealWay(usize, usize),
}

/// What befell the herd, so that a test can say that something did.
#[derive(Default, Debug)]
pub(super) struct Tally {
    pub(super) crashes: usize,
    pub(super) stops: usize,
    pub(super) cuts: usize,
    pub(super) disks: usize,
    pub(super) moves: usize,
    pub(super) acked: usize,
    pub(super) updates: usize,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.stops += other.stops;
        self.cuts += other.cuts;
        self.disks += other.disks;
        self.moves += other.moves;
        self.acked += other.acked;
        self.updates += other.updates;
    }
}

/// A reader that follows the herd, now at this node, now at that one.
struct Reader {
    reading: Reading,
    at: usize,
}

pub(super) struct World {
    net: SimWorld,
    rng: Rng,
    pub(super) hosts: Vec<Host>,
    ways: Vec<(usize, usize)>,
    readers: Vec<Reader>,
    ledger: Ledger,
    later: BTreeMap<(Tick, u64), Deed>,
    deeds: u64,
    /// Out of 8 publications, how many do not wait for the disk.
    early: u64,
    trace: u64,
    pub(super) tally: Tally,
}

impl World {
    /// A herd of `n` nodes, none of them started.
    pub(super) fn new(seed: u64, n: usize, shape: Shape) -> Self {
        let mut rng = Rng::new(seed);
        let net = SimWorld::new(rng.next_u64(), SimFaults::calm());
        let names: Vec<String> = (0..n).map(|i| format!("node{i}")).collect();
        let ways = shape.ways(n);
        // Either end dials, or both at once.
        let mut dials = vec![Vec::new(); n];
        for &(a, b) in &ways {
            let who = rng.below(3);
            if who != 0 {
                dials[a].push(&names[b][..]);
            }
            if who != 1 {
                dials[b].push(&names[a][..]);
            }
        }
        let host = |i: usize| {
            Host::new(
                &names[i],
                net.address(&names[i]),
                &dials[i],
                seed.wrapping_mul(31) + i as u64,
            )
        };
        let hosts = (0..n).map(host).collect();
        let readers = (0..2).map(|at| Reader { reading: Reading::default(), at: at % n }).collect();
        let early = [0, 0, 2, 8][rng.below(4) as usize];
        Self {
            net,
            rng,
            hosts,
            ways,
            readers,
            ledger: Ledger::default(),
            later: BTreeMap::new(),
            deeds: 0,
            early,
            trace: 0,
            tally: Tally::default(),
        }
    }

    pub(super) fn now(&self) -> Tick {
        self.net.now()
    }

    /// A number that two runs of a seed have in common.
    pub(super) fn trace(&self) -> u64 {
        self.trace ^ self.net.trace_hash()
    }

    pub(super) fn start_all(&mut self) {
        (0..self.hosts.len()).for_each(|host| self.start(host));
    }

    pub(super) fn node(&self, host: usize) -> &Node {
        self.hosts[host].node().expect("it is up")
    }

    /// Calls `f` with a node, between two turns of its loop.
    pub(super) fn with<R>(
        &mut self,
        host: usize,
        f: impl FnOnce(&mut Ctx<'_, Node>, &mut Node) -> R,
    ) -> R {
        self.hosts[host].up.as_mut().expect("it is up").sim.with(f)
    }

    pub(super) fn publish_at(&mut self, host: usize, durability: Durability) {
        publish(&mut self.hosts[host], &mut self.rng, durability);
    }

    pub(super) fn cut_way(&mut self, from: usize, to: usize) {
        self.net.cut(&self.hosts[from].name, &self.hosts[to].name);
    }

    pub(super) fn heal_way(&mut self, from: usize, to: usize) {
        self.net.heal(&self.hosts[from].name, &self.hosts[to].name);
    }

    /// The least that can happen.
    pub(super) fn step_once(&mut self) {
        self.step(Tick::MAX);
    }

    /// Lets the herd run for a while.
    pub(super) fn run(&mut self, ms: u64) {
        let until = self.now() + ms;
        while let Some(entry) = self.later.first_entry() {
            let due = entry.key().0;
            if due > until {
                break;
            }
            let deed = entry.remove();
            self.run_until(due.max(self.now()));
            self.act(deed);
        }
        self.run_until(until);
    }

    fn run_until(&mut self, until: Tick) {
        while self.step(until) {}
        self.net.run(&mut [], until).expect("nothing to turn");
    }

    /// One step of the world; what has ended is taken away.
    fn step(&mut self, until: Tick) -> bool {
        let running = self.hosts.iter_mut().filter(|host| !host.is_paused);
        let mut loops: Vec<&mut dyn SimNode> = running
            .filter_map(|host| host.up.as_mut())
            .map(|up| -> &mut dyn SimNode { up })
            .collect();
        let stepped = self.net.step(&mut loops, until).expect("a simulated loop goes on");
        for host in 0..self.hosts.len() {
            if self.hosts[host].up.as_ref().is_some_and(|up| up.has_ended) {
                self.close(host);
            }
        }
        stepped
    }

    /// What has to hold now.
    pub(super) fn look(&mut self) {
        for (number, host) in self.hosts.iter_mut().enumerate() {
            look_at(host, &mut self.ledger);
            let Some(node) = host.node() else { continue };
            for vector in [node.store.held().clone(), node.store.visible()] {
                let hash = vector.hash();
                let hash = u64::from_le_bytes(*hash.first_chunk().expect("32 bytes"));
                let seen = [self.net.now(), number as u64, hash];
                for number in seen {
                    self.trace = (self.trace.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9);
                }
            }
        }
        for (number, reader) in self.readers.iter_mut().enumerate() {
            let Some(node) = self.hosts[reader.at].node() else {
                reader.reading.leave();
                continue;
            };
            if !reader.reading.is_reading() {
                reader.reading.go_to(node);
            }
            let who = format!("reader {number} at {}", self.hosts[reader.at].name);
            let limit = self.rng.below(20) as usize;
            reader.reading.read(node, limit, &who, &mut self.ledger);
        }
    }

    // ---- what befalls it ----

    /// Publishes at a random node.
    pub(super) fn publish(&mut self) {
        let at = self.rng.below(self.hosts.len() as u64) as usize;
        if !self.hosts[at].is_free() {
            return;
        }
        let early = self.rng.below(8) < self.early;
        let durability = if early { Durability::None } else { Durability::Local };
        publish(&mut self.hosts[at], &mut self.rng, durability);
    }

    /// A random misfortune.
    pub(super) fn trouble(&mut self) {
        let host = self.rng.below(self.hosts.len() as u64) as usize;
        match self.rng.below(12) {
            0 => self.crash(host),
            1 => self.power_fails_soon(host),
            2 => self.stop(host),
            3 => self.pause(host),
            4 | 5 => self.cut(),
            6 => {
                let (a, b) = self.way();
                let (a, b) = (self.hosts[a].name.clone(), self.hosts[b].name.clone());
                self.net.reset(&a, &b);
            }
            7 | 8 => self.spoil_disk(host),
            9 => self.change_weather(),
            _ => self.move_reader(),
        }
    }

    fn way(&mut self) -> (usize, usize) {
        let (a, b) = self.ways[self.rng.below(self.ways.len() as u64) as usize];
        if self.rng.chance(1, 2) { (a, b) } else { (b, a) }
    }

    fn later(&mut self, ms: std::ops::RangeInclusive<u64>, deed: Deed) {
        let due = self.now() + self.rng.range(ms);
        self.deeds += 1;
        self.later.insert((due, self.deeds), deed);
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Start(host) => self.start(host),
            Deed::PowerFails(host) => {
                self.hosts[host].is_doomed = false;
                self.crash(host);
            }
            Deed::Resume(host) => self.hosts[host].is_paused = false,
            Deed::HealDisk(host) => self.heal_disk(host),
            Deed::HealWay(from, to) => self.heal_way(from, to),
        }
    }

    /// The node is gone, with whatever it had in memory. Gives back what is left of its run.
    pub(super) fn take_down(&mut self, host: usize) -> Option<Up> {
        look_at(&mut self.hosts[host], &mut self.ledger);
        for reader in self.readers.iter_mut().filter(|reader| reader.at == host) {
            reader.reading.leave();
        }
        self.hosts[host].is_paused = false;
        self.hosts[host].up.take()
    }

    fn start(&mut self, host: usize) {
        if self.hosts[host].up.is_some() {
            return;
        }
        let seed = self.rng.next_u64();
        let result = self.hosts[host].start(&self.net, seed);
        if let Err(error) = result {
            let has_bad_disk = self.hosts[host].has_bad_disk;
            assert!(has_bad_disk, "{} does not start: {error}", self.hosts[host].name);
            self.later(100..=500, Deed::Start(host));
        }
    }

    /// The power fails, or the process is killed: now, between two turns.
    fn crash(&mut self, host: usize) {
        if self.hosts[host].is_doomed || self.take_down(host).is_none() {
            return;
        }
        let gone = &mut self.hosts[host];
        gone.disk =
            if self.rng.chance(2, 3) { gone.disk.crash(&mut self.rng) } else { gone.disk.kill() };
        gone.has_bad_disk = false;
        self.tally.crashes += 1;
        self.later(1..=1_500, Deed::Start(host));
    }

    /// The disk takes a few more calls and then none, and a while later the node is gone: so a
    /// crash falls into the middle of a write.
    fn power_fails_soon(&mut self, host: usize) {
        if !self.hosts[host].is_free() {
            return;
        }
        self.hosts[host].disk.stop_after(self.rng.below(8));
        self.hosts[host].is_doomed = true;
        self.later(0..=60, Deed::PowerFails(host));
    }

    /// The node is asked to stop.
    fn stop(&mut self, host: usize) {
        if self.hosts[host].is_free()
            && let Some(up) = &mut self.hosts[host].up
        {
            up.sim.with(|cx, _| cx.stop());
            up.is_stopping = true;
            self.tally.stops += 1;
        }
    }

    /// The loop has ended.
    fn close(&mut self, host: usize) {
        let Some(up) = self.take_down(host) else { return };
        let gone = &mut self.hosts[host];
        let epoch = up.sim.state.store.epoch();
        let (reactor, node) = (up.sim.reactor, up.sim.state);
        drop(reactor);
        match node.close() {
            Ok(()) => gone.goes_on = Some(epoch),
            Err(error) => {
                assert!(gone.has_bad_disk, "{} does not close: {error}", gone.name);
            }
        }
        self.later(1..=1_500, Deed::Start(host));
    }

    fn pause(&mut self, host: usize) {
        if self.hosts[host].is_free() {
            self.hosts[host].is_paused = true;
            self.later(1..=3_000, Deed::Resume(host));
        }
    }

    fn cut(&mut self) {
        let (from, to) = self.way();
        let both = self.rng.chance(1, 2);
        for (from, to) in [(from, to), (to, from)].into_iter().take(1 + usize::from(both)) {
            self.cut_way(from, to);
            self.later(10..=4_000, Deed::HealWay(from, to));
        }
        self.tally.cuts += 1;
    }

    fn spoil_disk(&mut self, host: usize) {
        if self.hosts[host].is_doomed {
            return;
        }
        let fault = [Fault::Full, Fault::Write, Fault::Sync][self.rng.below(3) as usize];
        self.hosts[host].disk.fail_writes(fault);
        self.hosts[host].has_bad_disk = true;
        self.tally.disks += 1;
        self.later(1..=2_500, Deed::HealDisk(host));
    }

    fn heal_disk(&mut self, host: usize) {
        self.hosts[host].disk.heal();
        self.hosts[host].has_bad_disk = false;
    }

    fn change_weather(&mut self) {
        let delay = self.rng.below(60);
        let job = self.rng.below(40);
        let mut faults = if self.rng.chance(1, 2) { SimFaults::calm() } else { SimFaults::storm() };
        faults.delay_ms = 0..=delay;
        faults.job_ms = 0..=job;
        faults.segment_bytes = 1..=1 + self.rng.below(4_000);
        faults.reset = (self.rng.below(2), 300);
        self.net.set_faults(faults);
    }

    fn move_reader(&mut self) {
        let (readers, hosts) = (self.readers.len() as u64, self.hosts.len() as u64);
        let to = self.rng.below(hosts) as usize;
        let reader = &mut self.readers[self.rng.below(readers) as usize];
        reader.reading.leave();
        reader.at = to;
        self.tally.moves += 1;
    }

    // ---- how it ends ----

    /// Ends everything that befell it.
    pub(super) fn heal(&mut self) {
        self.net.set_faults(SimFaults { delay_ms: 1..=10, ..SimFaults::calm() });
        self.early = 0;
        for (_, deed) in std::mem::take(&mut self.later) {
            self.act(deed);
        }
        for host in 0..self.hosts.len() {
            self.heal_disk(host);
            self.hosts[host].is_paused = false;
        }
        for (_, deed) in std::mem::take(&mut self.later) {
            self.act(deed);
        }
    }

    /// True when all nodes are up and have the same, on disk.
    pub(super) fn agrees(&self) -> bool {
        let Some(first) = self.hosts[0].node() else { return false };
        self.hosts.iter().all(|host| {
            host.node().is_some_and(|node| {
                let store = &node.store;
                store.held() == first.store.held()
                    && store.seen() == store.held()
                    && store.pending_bytes() == 0
            })
        }) && self.ways.iter().all(|&(a, b)| self.is_linked(a, b) && self.is_linked(b, a))
    }

    fn is_linked(&self, a: usize, b: usize) -> bool {
        self.hosts[a].node().is_some_and(|node| node.roll.is_linked(&self.hosts[b].name))
    }

    fn describe(&self) -> String {
        let describe = |(number, host): (usize, &Host)| {
            let Some(node) = host.node() else { return format!("{} is down", host.name) };
            let store = &node.store;
            let links: Vec<usize> =
                (0..self.hosts.len()).filter(|&to| self.is_linked(number, to)).collect();
            let spans: Vec<String> = store.held().spans().map(|span| format!("{span:?}")).collect();
            let (seen, pending) = (store.seen().count(), store.pending_bytes());
            let name = &host.name;
            format!("{name} links {links:?}, seen {seen}, pending {pending}, holds {spans:?}")
        };
        self.hosts.iter().enumerate().map(describe).collect::<Vec<_>>().join("\n")
    }

    /// Runs until all agree; the bound is `ms`.
    pub(super) fn settle(&mut self, ms: u64) {
        let until = self.now() + ms;
        while !self.agrees() {
            assert!(self.now() < until, "no agreement after {ms} ms:\n{}", self.describe());
            self.run(50);
            self.look();
        }
    }

    /// Everyone shows the same, nothing that was acknowledged is missing, and the readers have all.
    pub(super) fn judge(&mut self) {
        self.look();
        let first = shown(self.hosts[0].node().expect("it is up"));
        for host in &self.hosts {
            let node = host.node().expect("it is up");
            assert!(shown(node) == first, "{} shows something else", host.name);
            for (dot, cid) in &self.ledger.acked {
                assert_eq!(cid_of(node, *dot), Some(*cid), "{} lacks {dot}", host.name);
            }
        }
        for (number, reader) in self.readers.iter_mut().enumerate() {
            let node = self.hosts[reader.at].node().expect("it is up");
            if !reader.reading.is_reading() {
                reader.reading.go_to(node);
            }
            let who = format!("reader {number} in the end");
            reader.reading.read(node, usize::MAX, &who, &mut self.ledger);
            assert!(reader.reading.had.covers(node.store.held()), "{who} misses something");
        }
        self.tally.acked = self.ledger.acked.len();
        self.tally.updates = self.ledger.cids.len();
    }
}

impl Shape {
    fn ways(self, n: usize) -> Vec<(usize, usize)> {
        let line = (1..n).map(|b| (b - 1, b));
        match self {
            Self::Line => line.collect(),
            Self::Ring => line.chain((n > 2).then_some((n - 1, 0))).collect(),
            Self::Mesh => (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).collect(),
        }
    }
}
