//! Looks at a simulated herd: whether every law holds, whatever befalls it.

use super::host::{Host, Up, Written};
use super::laws::{Breach, Checks, Kept, Law};
use super::writers::story_of;
use crate::base::Tick;
use crate::config::Durability;
use crate::node::Node;
use crate::serve::{Desk, Settled};
use crate::store::Direction;
use crate::update::{Cid, Dot, Epoch, Vector};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// A link's out-buffer: what is written ahead, one update past it, and heartbeats into a cut.
const LINK_OUT_BYTES_MAX: usize = (64 << 10) + (16 << 10) + (8 << 10);
/// A node that is well settles a publication within this.
const SETTLED_MS: u64 = 10_000;

/// What the whole herd has in common.
#[derive(Default)]
pub(super) struct Ledger {
    /// Each dot that anyone could read, and its id.
    pub(super) cids: BTreeMap<Dot, Cid>,
    /// What was acknowledged as being on disk.
    pub(super) acked: BTreeMap<Dot, Cid>,
    /// By node, what was ever on a disk of it.
    pub(super) disks: BTreeMap<String, Vector>,
    /// Epochs that a disk set back may have published twice under.
    pub(super) doubtful: BTreeSet<Epoch>,
    /// Those of a hostile peer.
    pub(super) hostile: BTreeSet<Epoch>,
    /// The stories that were withdrawn anywhere, by withdrawal.
    pub(super) withdrawn: BTreeMap<Dot, String>,
}

impl Ledger {
    /// Two updates may bear one name of this epoch.
    pub(super) fn may_fork(&self, epoch: Epoch) -> bool {
        self.doubtful.contains(&epoch) || self.hostile.contains(&epoch)
    }

    /// Epochs of which that holds.
    pub(super) fn forkable(&self) -> impl Iterator<Item = Epoch> {
        self.doubtful.union(&self.hostile).copied()
    }

    /// An update was acknowledged as being on disk.
    fn ack(&mut self, dot: Dot, cid: Cid) {
        if !self.doubtful.contains(&dot.epoch) {
            self.acked.insert(dot, cid);
        }
    }

    /// A disk was set back to what it was when `kept` had been said to be on it: what no other
    /// disk has may be lost.
    pub(super) fn set_back<'a>(&mut self, kept: &Vector, others: impl Iterator<Item = &'a Vector>) {
        let mut left = kept.clone();
        others.for_each(|held| left.merge(held));
        self.acked.retain(|dot, _| left.contains(*dot));
    }

    /// Two updates may come to bear one name.
    pub(super) fn doubt(&mut self, epoch: Epoch, kept: &Vector) {
        self.doubtful.insert(epoch);
        self.acked.retain(|dot, _| dot.epoch != epoch || kept.contains(*dot));
    }
}

/// A look at one node at a moment.
pub(super) struct Look<'a> {
    pub(super) now: Tick,
    pub(super) ledger: &'a mut Ledger,
    pub(super) checks: &'a mut Checks,
}

impl Look<'_> {
    /// Looks at all that must always hold of a node that runs. With `reads`, a witness there reads
    /// along.
    pub(super) fn at(&mut self, host: &mut Host, reads: bool) -> Kept {
        let steady_since = host.steady_since;
        let Host { name, up: Some(up), promised, .. } = host else { return Ok(()) };
        self.tickets(name, up, steady_since)?;
        self.vectors(name, up, promised)?;
        if reads {
            if !up.witness.is_reading() {
                up.witness.go_to(&up.sim.state)?;
            }
            let who = || format!("the witness at {name}");
            up.witness.read(&up.sim.state, usize::MAX, &who, self.ledger, self.checks)?;
        }
        for title in up.witness.withdrawn() {
            self.checks.hold(Law::Withdrawn, is_gone(&up.sim.state, title)?, || {
                format!("{name} shows {title} again, of which it has the withdrawal")
            })?;
        }
        self.memory(name, up)?;
        let panics = up.sim.reactor.stats().panics;
        self.checks.hold(Law::Life, panics == 0, || format!("{name}: {panics} calls panicked"))
    }

    /// What was acknowledged is what it was said to be, and no one waits for ever.
    fn tickets(&mut self, name: &str, up: &mut Up, steady_since: Tick) -> Kept {
        let node = &up.sim.state;
        let mut waiting = Vec::new();
        for written in std::mem::take(&mut up.waiting) {
            let Written { ticket, dot, cid, durability, at } = written;
            match node.settled(ticket) {
                None => {
                    let waited_ms = self.now - at.max(steady_since);
                    self.checks.hold(Law::Deadlines, waited_ms < SETTLED_MS, || {
                        format!("{name}: {dot} waits for the disk for {waited_ms} ms")
                    })?;
                    waiting.push(written);
                }
                Some(Settled::Refused) => {
                    let found = node.store().by_cid(cid).map_err(|error| unread(name, error))?;
                    self.checks.hold(Law::Acked, found.is_none(), || {
                        format!("{name}: {dot} was refused, and is there")
                    })?;
                }
                Some(Settled::Done) => {
                    let found = cid_of(name, node, dot)?;
                    self.checks.hold(Law::Acked, found == Some(cid), || {
                        format!("{name} acknowledged {dot}, and has {found:?} there, not {cid}")
                    })?;
                    if durability != Durability::None {
                        let is_held = node.store().held().contains(dot);
                        self.checks.hold(Law::Acked, is_held, || {
                            format!("{name} acknowledged {dot}, which is not on disk")
                        })?;
                        self.spread(name, node, dot, durability)?;
                        self.ledger.ack(dot, cid);
                    }
                }
            }
        }
        up.waiting = waiting;
        Ok(())
    }

    /// A write that is said to be on the disks of others is there.
    fn spread(&mut self, name: &str, node: &Node, dot: Dot, durability: Durability) -> Kept {
        // Who lies about its own disk is believed; nobody is about another's.
        let liars = usize::from(!self.ledger.hostile.is_empty());
        let nodes = match durability {
            Durability::None | Durability::Local => return Ok(()),
            Durability::Nodes(nodes) => nodes as usize,
            Durability::Majority => node.roll().majority(),
        };
        if !node.is_as_safe_as(dot, durability) {
            return Ok(());
        }
        let others = self.ledger.disks.iter().filter(|(other, _)| *other != name);
        let found = liars + others.filter(|(_, held)| held.contains(dot)).count();
        self.checks.hold(Law::Acked, found >= nodes, || {
            format!("{name} says that {nodes} more nodes have {dot} on disk, and {found} have")
        })
    }

    /// Vectors only grow, have no gaps, and what is held was seen.
    fn vectors(&mut self, name: &str, up: &mut Up, promised: &mut Vector) -> Kept {
        let store = up.sim.state.store();
        let (held, seen, visible) = (store.held(), store.seen(), store.visible());
        let checks = &mut *self.checks;
        checks.hold(Law::Vectors, held.covers(promised), || {
            format!("{name} lost {:?}", promised.beyond(held))
        })?;
        promised.merge(held);
        checks.hold(Law::Vectors, seen.covers(held), || {
            format!("{name} holds what it has not seen: {:?}", held.beyond(seen))
        })?;
        checks.hold(Law::Vectors, visible.covers(held), || {
            format!("{name} hides what it holds: {:?}", held.beyond(&visible))
        })?;
        checks.hold(Law::Vectors, visible.covers(&up.visible), || {
            format!("{name} hides what it showed: {:?}", up.visible.beyond(&visible))
        })?;
        let mut last = None;
        for span in seen.spans() {
            let whole = span.from == 1 && last != Some(span.epoch);
            checks.hold(Law::Vectors, whole, || format!("{name} has a gap before {span:?}"))?;
            last = Some(span.epoch);
        }
        let (count, epoch, last) = up.began;
        let published = seen.last(store.epoch()) - if epoch == store.epoch() { last } else { 0 };
        let received = up.sim.state.probe().received;
        let entered = count + published + received;
        // What it published before it began an epoch in the midst of a run is not known.
        if epoch == store.epoch() {
            checks.hold(Law::OneContent, seen.count() == entered, || {
                format!("{name} has {} updates, and took in {entered}", seen.count())
            })?;
        }
        up.visible = visible;
        Ok(())
    }

    /// A peer that is away costs no more than one that is not.
    fn memory(&mut self, name: &str, up: &mut Up) -> Kept {
        let checks = &mut *self.checks;
        up.sim.with(|cx, node| {
            let mut members = 0;
            for (peer, member) in node.roll().members() {
                members += 1;
                let Some(link) = member.link else { continue };
                let bytes = cx.transport_of(link).buffered();
                checks.hold(Law::Memory, bytes <= LINK_OUT_BYTES_MAX, || {
                    format!("{name} buffers {bytes} bytes for {peer}")
                })?;
            }
            let probe = node.probe();
            let links_max = 64 + 2 * members;
            checks.hold(Law::Memory, probe.links <= links_max, || {
                format!("{name} has {} links to {members} peers", probe.links)
            })?;
            let (pending, most) = (node.store().pending_bytes(), probe.pending_bytes_max);
            checks.hold(Law::Memory, pending <= most, || {
                format!("{name}: {pending} bytes wait for the disk, over {most}")
            })
        })
    }
}

fn unread(name: &str, error: impl std::fmt::Display) -> Breach {
    Breach::new(Law::Life, format!("{name} can't read its archive: {error}"))
}

/// The id of what a node holds under a dot.
pub(super) fn cid_of(name: &str, node: &Node, dot: Dot) -> Kept<Option<Cid>> {
    let found = node.store().get(dot).map_err(|error| unread(name, error))?;
    Ok(found.map(|update| update.cid()))
}

/// True when a node shows a story as withdrawn.
pub(super) fn is_gone(node: &Node, title: &str) -> Kept<bool> {
    Ok(story_of(node, title)?.is_some_and(|story| story.withdrawn.is_some()))
}

/// A row of the index.
pub(super) type Row = (Vec<u8>, Vec<u8>);

/// All that readers see, as rows.
pub(super) fn shown(name: &str, node: &Node) -> Kept<Vec<Row>> {
    let (from, to) = (Bound::Included(&b"a"[..]), Bound::Excluded(&b"{"[..]));
    let rows = node.store().index().scan(from, to, usize::MAX, Direction::Up);
    rows.map_err(|error| unread(name, error))
}
