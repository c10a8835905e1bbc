//! A herd in virtual time: the nodes, the network between them, and who writes and reads. One seed
//! decides all of it. What befalls it is in `trouble`.

use super::audit::{Ledger, Look, Row, cid_of, is_gone, shown};
use super::host::{Counts, Host, Up, config};
use super::laws::{Breach, Checks, Kept, Law};
use super::moment::set_moment;
use super::plan::{Draw, Plan, Weather, name};
use super::readers::Reading;
use super::spread::Spread;
use super::trouble::Deed;
use super::villain::{self, Villain};
use super::writers::{Matter, Taken, publish};
use crate::base::{Rng, Tick};
use crate::config::Durability;
use crate::node::Node;
use crate::reactor::{SimLoop, SimNode, SimWorld};
use crate::serve::Desk;
use crate::update::{Dot, Epoch};
use std::collections::{BTreeMap, BTreeSet};

/// Readers that move about.
const READERS: usize = 2;
/// A herd larger than this is looked at node by node less often.
pub(super) const SMALL_NODES: usize = 32;
/// So many acknowledged updates are compared by content on every node; of more, as many.
const COMPARED: usize = 4_096;
/// So many rows are named when two nodes do not show the same.
const ROWS_SHOWN: usize = 4;

/// What befell the herd and what it did, in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Publications that were taken.
    pub published: u64,
    /// Publications that were refused: the disk failed, or too much waited for it.
    pub refused: u64,
    /// Crashes, with what the disk forgot.
    pub crashes: u64,
    /// Stops in order.
    pub stops: u64,
    /// Processes that were stopped for a while, or slowed.
    pub pauses: u64,
    /// Cuts, of one way or both, and flapping links.
    pub cuts: u64,
    /// Streams that were reset, beyond what the network does by itself.
    pub resets: u64,
    /// Disks that were full, failed, or were slow.
    pub disks: u64,
    /// Clocks that jumped.
    pub jumps: u64,
    /// Readers that went on elsewhere.
    pub moves: u64,
    /// Disks that were put back from old copies.
    pub restores: u64,
    /// Hostile peers.
    pub villains: u64,
}

impl Tally {
    /// Adds what befell another herd.
    pub fn add(&mut self, other: &Self) {
        let Self { published, refused, crashes, stops, pauses, cuts, resets, .. } = self;
        *published += other.published;
        *refused += other.refused;
        *crashes += other.crashes;
        *stops += other.stops;
        *pauses += other.pauses;
        *cuts += other.cuts;
        *resets += other.resets;
        self.disks += other.disks;
        self.jumps += other.jumps;
        self.moves += other.moves;
        self.restores += other.restores;
        self.villains += other.villains;
    }
}

/// A reader that follows the herd, now at this node, now at that one.
pub(super) struct Reader {
    pub(super) reading: Reading,
    pub(super) at: usize,
}

pub(super) struct World {
    pub(super) net: SimWorld,
    pub(super) rng: Rng,
    pub(super) hosts: Vec<Host>,
    /// Who is linked to whom, lesser number first.
    pub(super) links: Vec<(usize, usize)>,
    villain: Option<SimLoop<Villain>>,
    pub(super) weather: Weather,
    pub(super) readers: Vec<Reader>,
    pub(super) later: BTreeMap<(Tick, u64), Deed>,
    pub(super) deeds: u64,
    /// Whether a witness reads along at every node.
    has_witnesses: bool,
    matter: Matter,
    pub(super) ledger: Ledger,
    trace: u64,
    pub(super) turns: u64,
    pub(super) checks: Checks,
    pub(super) tally: Tally,
    pub(super) spread: Spread,
}

impl World {
    /// A herd, none of its nodes started.
    pub(super) fn new(plan: &Plan, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let Draw { nodes, links, weather, is_hostile } = Draw::new(plan, &mut rng);
        let net = SimWorld::new(rng.next_u64(), weather.faults(&mut rng));
        let hosts = hosts(&net, plan, (nodes, is_hostile), &links, &mut rng);
        let reader = |at| Reader { reading: Reading::default(), at: at % nodes };
        let world = Self {
            net,
            hosts,
            links,
            weather,
            readers: (0..READERS).map(reader).collect(),
            later: BTreeMap::new(),
            deeds: 0,
            has_witnesses: plan.is_tight(),
            matter: Matter::of(plan),
            ledger: Ledger::default(),
            trace: 0,
            turns: 0,
            checks: Checks::default(),
            tally: Tally { villains: u64::from(is_hostile), ..Tally::default() },
            villain: None,
            spread: Spread::new(nodes),
            rng,
        };
        world.lay_ways()
    }

    fn lay_ways(mut self) -> Self {
        for link in 0..self.links.len() {
            self.lay_way(link);
        }
        self
    }

    /// Draws how it is on the two ways of a link.
    pub(super) fn lay_way(&mut self, link: usize) {
        let (a, b) = self.links[link];
        let (there, back) = self.weather.ways(&mut self.rng);
        self.net.set_way(&self.hosts[a].name, &self.hosts[b].name, there);
        self.net.set_way(&self.hosts[b].name, &self.hosts[a].name, back);
    }

    pub(super) fn now(&self) -> Tick {
        self.net.now()
    }

    /// A number that two runs of a seed have in common.
    pub(super) fn trace(&self) -> u64 {
        self.trace ^ self.net.trace_hash()
    }

    /// Bytes written to all streams.
    pub(super) fn written_bytes(&self) -> u64 {
        self.net.written_bytes()
    }

    /// What was acknowledged as being on disk.
    pub(super) fn acked(&self) -> u64 {
        self.ledger.acked.len() as u64
    }

    /// What each node's runs have received, those that are over included.
    pub(super) fn counts(&self) -> Vec<Counts> {
        let count = |host: &Host| {
            let mut counts = host.past;
            if let Some(node) = host.node() {
                counts.add(&node.probe());
            }
            counts
        };
        self.hosts.iter().map(count).collect()
    }

    pub(super) fn start_all(&mut self) -> Kept {
        if self.tally.villains > 0 && self.villain.is_none() {
            let targets = self.hosts.iter().map(|host| host.name.clone()).collect();
            let villain = villain::start(&self.net, targets, self.rng.next_u64());
            let failed = |error| Breach::new(Law::Life, format!("no villain: {error}"));
            self.villain = Some(villain.map_err(failed)?);
        }
        (0..self.hosts.len()).try_for_each(|host| self.start(host))
    }

    /// The hostile peer, if there is one, publishes no more; its other deeds go on, or it goes.
    pub(super) fn mute_villain(&mut self) {
        self.note_disks();
        if self.rng.chance(1, 2) {
            self.villain = None;
        }
        if let Some(villain) = &mut self.villain {
            villain.state.is_mute = true;
        }
    }

    /// Writes something, somewhere.
    pub(super) fn publish(&mut self) -> Kept {
        let at = self.rng.below(self.hosts.len() as u64) as usize;
        let durability = self.draw_durability();
        if self.hosts[at].is_free() {
            self.publish_at(at, durability)?;
        }
        Ok(())
    }

    /// What the next write waits for.
    fn draw_durability(&mut self) -> Durability {
        if self.rng.below(8) < self.weather.early {
            return Durability::None;
        }
        if !self.has_witnesses {
            return Durability::Local;
        }
        match self.rng.below(8) {
            0 => Durability::Majority,
            1 => Durability::Nodes(1 + self.rng.below(3) as u32),
            _ => Durability::Local,
        }
    }

    pub(super) fn publish_at(&mut self, host: usize, durability: Durability) -> Kept {
        let (now, matter) = (self.now(), self.matter.next());
        match publish(&mut self.hosts[host], &mut self.rng, now, durability, matter)? {
            Taken::Yes => self.tally.published += 1,
            Taken::Refused => self.tally.refused += 1,
            Taken::Nothing => {}
        }
        self.take_down_arrivals(host);
        Ok(())
    }

    /// Lets the herd run for a while.
    pub(super) fn run(&mut self, ms: u64) -> Kept {
        let until = self.now() + ms;
        while let Some(entry) = self.later.first_entry() {
            let due = entry.key().0;
            if due > until {
                break;
            }
            let deed = entry.remove();
            self.run_until(due.max(self.now()))?;
            self.act(deed)?;
        }
        self.run_until(until)
    }

    fn run_until(&mut self, until: Tick) -> Kept {
        while self.step(until)? {}
        self.net.pass(until);
        Ok(())
    }

    /// The least that can happen before `until`; false when nothing does.
    pub(super) fn step(&mut self, until: Tick) -> Kept<bool> {
        let now = self.now();
        let mut turned = Vec::new();
        let (hosts, villain) = (&mut self.hosts, &mut self.villain);
        let stepped = self.net.step_by(until, |host| {
            set_moment(now, Some(host));
            let Some(found) = hosts.get_mut(host) else {
                return villain.as_mut().map_or(Ok(false), |villain| villain.turn().map(|_| true));
            };
            let Some(up) = &mut found.up else { return Ok(false) };
            turned.push(host);
            up.turn().map(|()| true)
        });
        set_moment(now, None);
        self.turns += turned.len() as u64;
        for host in turned {
            self.take_down_arrivals(host);
            if self.hosts[host].up.as_ref().is_some_and(|up| up.has_ended) {
                self.close(host)?;
            }
        }
        stepped.map_err(|error| Breach::new(Law::Life, format!("a loop fails: {error}")))
    }

    /// Takes down what came to a node since the last time.
    fn take_down_arrivals(&mut self, host: usize) {
        let now = self.net.now();
        let Host { up: Some(up), known, unborn, .. } = &mut self.hosts[host] else { return };
        let store = up.sim.state.store();
        let born = unborn.iter().take_while(|dot| store.contains(**dot)).count();
        for dot in unborn.drain(..born) {
            if known.insert(dot) {
                self.spread.came(dot, now);
            }
        }
        let received = up.sim.state.probe().received;
        if std::mem::replace(&mut up.received, received) == received {
            return;
        }
        let own = store.epoch();
        for span in store.seen().beyond(known) {
            if span.epoch == own {
                continue;
            }
            known.insert_span(span);
            for seq in span.from..=span.to {
                self.spread.came(Dot { epoch: span.epoch, seq }, now);
            }
        }
    }

    /// What has to hold now.
    pub(super) fn look(&mut self) -> Kept {
        let now = self.net.now();
        self.note_disks();
        for (number, host) in self.hosts.iter_mut().enumerate() {
            let mut look = Look { now, ledger: &mut self.ledger, checks: &mut self.checks };
            look.at(host, self.has_witnesses)?;
            let Some(node) = host.node() else { continue };
            let store = node.store();
            for number in [now, number as u64, store.held().count(), store.seen().count()] {
                self.trace = (self.trace.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9);
            }
        }
        for reader in 0..self.readers.len() {
            let limit = self.rng.below(20) as usize;
            let limit = if self.has_witnesses { limit } else { usize::MAX };
            self.read(reader, limit)?;
        }
        Ok(())
    }

    /// Takes down what is on the disks, for whoever says that it is.
    fn note_disks(&mut self) {
        if !self.has_witnesses {
            return;
        }
        if let Some(villain) = &self.villain {
            self.ledger.hostile.extend(villain.state.epochs());
        }
        for host in &mut self.hosts {
            let Host { name, up, promised, ever, .. } = host;
            ever.merge(promised);
            if let Some(up) = up {
                ever.merge(up.sim.state.store().held());
            }
            self.ledger.disks.insert(name.clone(), ever.clone());
        }
    }

    /// Lets a reader read on where it is.
    fn read(&mut self, number: usize, limit: usize) -> Kept {
        let Reader { reading, at } = &mut self.readers[number];
        let host = &self.hosts[*at];
        let Some(node) = host.node() else {
            reading.leave();
            return Ok(());
        };
        if !reading.is_reading() {
            reading.go_to(node)?;
        }
        let who = || format!("reader {number} at {}", host.name);
        reading.read(node, limit, &who, &mut self.ledger, &mut self.checks)
    }

    /// Looks at one host for the last time in a run.
    pub(super) fn last_look(&mut self, host: usize) -> Kept {
        let now = self.net.now();
        self.note_disks();
        let mut look = Look { now, ledger: &mut self.ledger, checks: &mut self.checks };
        look.at(&mut self.hosts[host], self.has_witnesses)
    }

    /// The run of a host that is over: its figures are kept, its readers look elsewhere.
    pub(super) fn take_down(&mut self, host: usize) -> Kept<Option<Up>> {
        self.last_look(host)?;
        for reader in self.readers.iter_mut().filter(|reader| reader.at == host) {
            reader.reading.leave();
        }
        self.set_paused(host, false);
        self.set_rest(host, 0);
        let gone = &mut self.hosts[host];
        gone.unborn.clear();
        let up = gone.up.take();
        if let Some(up) = &up {
            gone.past.add(&up.sim.state.probe());
        }
        Ok(up)
    }

    // ---- how it ends ----

    /// True when all nodes are up and have the same, on disk.
    pub(super) fn agrees(&self) -> bool {
        let Some(first) = self.hosts[0].node() else { return false };
        self.hosts.iter().all(|host| {
            host.node().is_some_and(|node| {
                let store = node.store();
                store.held() == first.store().held()
                    && store.seen() == store.held()
                    && store.pending_bytes() == 0
            })
        }) && self.links.iter().all(|&(a, b)| self.is_linked(a, b) && self.is_linked(b, a))
            && self.ledger.forkable().all(|epoch| self.is_known_alike(epoch))
    }

    /// True when all nodes say of an epoch that it is forked, or none does and all see one end.
    fn is_known_alike(&self, epoch: Epoch) -> bool {
        let end = |node: &Node| {
            let store = node.store();
            (!store.forked(epoch)).then(|| store.tip(epoch).map(|tip| tip.cid))
        };
        let mut ends = self.hosts.iter().filter_map(Host::node).map(end);
        let first = ends.next();
        ends.all(|end| Some(end) == first)
    }

    fn is_linked(&self, a: usize, b: usize) -> bool {
        self.hosts[a].node().is_some_and(|node| node.roll().is_linked(&self.hosts[b].name))
    }

    fn describe(&self) -> String {
        let describe = |(number, host): (usize, &Host)| {
            let Some(node) = host.node() else { return format!("{} is down", host.name) };
            let store = node.store();
            let links: Vec<usize> =
                (0..self.hosts.len()).filter(|&to| self.is_linked(number, to)).collect();
            let spans: Vec<String> = store.held().spans().map(|span| format!("{span:?}")).collect();
            let (seen, pending) = (store.seen().count(), store.pending_bytes());
            let name = &host.name;
            format!("{name} links {links:?}, seen {seen}, pending {pending}, holds {spans:?}")
        };
        self.hosts.iter().take(SMALL_NODES).enumerate().map(describe).collect::<Vec<_>>().join("\n")
    }

    /// Runs until all agree; the bound is `ms`.
    pub(super) fn settle(&mut self, ms: u64) -> Kept {
        let until = self.now() + ms;
        while !self.agrees() {
            if self.now() >= until {
                let what = format!("no agreement after {ms} ms:\n{}", self.describe());
                return Err(Breach::new(Law::Convergence, what));
            }
            self.run(50)?;
            self.look()?;
        }
        self.checks.hold(Law::Convergence, true, String::new)
    }

    /// True when nobody holds a withdrawal that somebody may have acted upon: it was on a disk, and
    /// all disks that had it were set back. One that only memory had leaves no trace.
    fn lost_a_withdrawal(&self) -> bool {
        let is_held = |dot| {
            self.hosts
                .iter()
                .any(|host| host.node().is_some_and(|node| node.store().held().contains(dot)))
        };
        let was_on_disk =
            |dot| !self.has_witnesses || self.ledger.disks.values().any(|held| held.contains(dot));
        self.ledger.withdrawn.keys().any(|dot| was_on_disk(*dot) && !is_held(*dot))
    }

    /// Everyone shows the same, nothing that was acknowledged is missing, and the readers have all.
    pub(super) fn judge(&mut self) -> Kept {
        self.look()?;
        // A withdrawal that disks had which were set back since may have left stubs elsewhere.
        let is_split = self.judge_forks()? || self.lost_a_withdrawal();
        let mut first = None;
        for host in &self.hosts {
            let name = &host.name;
            let Some(node) = host.node() else {
                return Err(Breach::new(Law::Life, format!("{name} is down in the end")));
            };
            let shows = shown(name, node)?;
            let first = first.get_or_insert_with(|| shows.clone());
            self.checks.hold(Law::Heads, is_split || *first == shows, || {
                let there = &self.hosts[0].name;
                let (less, more) = (only(first, &shows), only(&shows, first));
                format!("{name} does not show what {there} does: {more}, but not {less}")
            })?;
            self.judge_acked(name, node)?;
            for (dot, title) in &self.ledger.withdrawn {
                // It may have been lost with the only memory that had it.
                if is_split || !node.store().held().contains(*dot) {
                    continue;
                }
                self.checks.hold(Law::Withdrawn, is_gone(node, title)?, || {
                    format!("{name} shows {title} in the end, which was withdrawn")
                })?;
            }
        }
        for reader in 0..self.readers.len() {
            self.read(reader, usize::MAX)?;
            let Reader { reading, at } = &self.readers[reader];
            let held = self.hosts[*at].node().map(|node| node.store().held());
            let has_all = held.is_some_and(|held| reading.had().covers(held));
            let what = || format!("reader {reader} misses something in the end");
            self.checks.hold(Law::Readers, has_all, what)?;
        }
        Ok(())
    }
}

/// Rows that are only in `a`, for people.
fn only(a: &[Row], b: &[Row]) -> String {
    let b: BTreeSet<&Row> = b.iter().collect();
    let rows = a.iter().filter(|row| !b.contains(row)).take(ROWS_SHOWN);
    let rows: Vec<String> = rows
        .map(|(key, value)| format!("{} = {}", key.escape_ascii(), value.escape_ascii()))
        .collect();
    format!("[{}]", rows.join(", "))
}

impl World {
    /// Wherever two updates bear one name, every node says so. True when there are any.
    fn judge_forks(&mut self) -> Kept<bool> {
        let mut is_split = false;
        for epoch in self.ledger.forkable() {
            let nodes: Vec<&Node> = self.hosts.iter().filter_map(Host::node).collect();
            let last = nodes.iter().map(|node| node.store().held().last(epoch)).min().unwrap_or(0);
            let mut is_forked = false;
            for seq in 1..=last {
                let dot = Dot { epoch, seq };
                let mut cids = BTreeSet::new();
                for host in &self.hosts {
                    let Some(node) = host.node() else { continue };
                    cids.insert(cid_of(&host.name, node, dot)?);
                }
                is_forked |= cids.len() > 1;
            }
            // A villain tells no stories, so readers of stories see the same.
            is_split |= is_forked && !self.ledger.hostile.contains(&epoch);
            let flagged = nodes.iter().filter(|node| node.store().forked(epoch)).count();
            let says = if is_forked { flagged == nodes.len() } else { true };
            self.checks.hold(Law::OneContent, says, || {
                format!("epoch {epoch} is forked, as only {flagged} of {} know", nodes.len())
            })?;
        }
        Ok(is_split)
    }

    /// Nothing that was acknowledged is missing: by the vector all of it, by content all or, of
    /// very many, a part.
    fn judge_acked(&self, name: &str, node: &Node) -> Kept {
        let acked = &self.ledger.acked;
        let every = acked.len().div_ceil(COMPARED).max(1);
        for (place, (dot, cid)) in acked.iter().enumerate() {
            let is_held = node.store().held().contains(*dot);
            let is_same = !place.is_multiple_of(every) || cid_of(name, node, *dot)? == Some(*cid);
            if !is_held || !is_same {
                let what = format!("{name} lacks {dot}, which was acknowledged as {cid}");
                return Err(Breach::new(Law::Acked, what));
            }
        }
        Ok(())
    }
}

/// The hosts of a herd; of each link either end dials, or both at once.
fn hosts(
    net: &SimWorld,
    plan: &Plan,
    (nodes, is_hostile): (usize, bool),
    links: &[(usize, usize)],
    rng: &mut Rng,
) -> Vec<Host> {
    let names: Vec<String> = (0..nodes).map(name).collect();
    let mut dials = vec![Vec::new(); nodes];
    for &(a, b) in links {
        let who = rng.below(3);
        if who != 0 {
            dials[a].push(&names[b][..]);
        }
        if who != 1 {
            dials[b].push(&names[a][..]);
        }
    }
    let tight = plan.is_tight();
    let villain = is_hostile.then(|| villain::NAME.to_owned());
    let all: Vec<String> = names.iter().cloned().chain(villain).collect();
    let host = |(name, dials): (&String, &Vec<&str>)| {
        Host::new(config(name, net.address(name), dials, &all, tight), rng.next_u64())
    };
    names.iter().zip(&dials).map(host).collect()
}
