//! Looks at a simulated herd: whether every law holds, whatever befalls it.

use super::host::{Host, Up, Written};
use super::laws::{Breach, Checks, Kept, Law};
use super::writers::story_of;
use crate::base::Tick;
use crate::config::{Durability, Limits};
use crate::node::Node;
use crate::serve::{Desk, Settled};
use crate::store::Direction;
use crate::update::{Cid, Dot, Epoch, Kind, Vector};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// A link's out-buffer: what is written ahead, one update past it, and heartbeats into a cut.
const LINK_OUT_BYTES_MAX: usize = (64 << 10) + (16 << 10) + (8 << 10);
/// A piece of a large payload, and the largest update that is not sent in pieces.
const PIECE_BYTES: usize = 64 << 10;
const PUSHED_BYTES_MAX: usize = 16 << 10;
/// A node puts so many large payloads together at a time, and one is its own.
const LARGE_AT_ONCE: usize = 5;
/// The timers of a node that is well wake it within this.
const OVERDUE_MS: u64 = 2_000;
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
    /// Some node drops what is over its retention; then of each dot its kind and topic.
    pub(super) has_retention: bool,
    pub(super) kinds: BTreeMap<Dot, (Kind, String)>,
    /// So many bytes more than others have large payloads.
    pub(super) large_bytes: usize,
    /// The numbers of the notes and of the wire articles that were written.
    pub(super) notes: BTreeSet<u64>,
    pub(super) wires: BTreeSet<u64>,
    /// Of large payloads, by the ids of their updates, the hash of all bytes.
    pub(super) pictures: BTreeMap<Cid, [u8; 32]>,
    /// Machine merges: what came of which revisions.
    pub(super) merges: BTreeMap<Vec<Cid>, Vec<u8>>,
    /// Some node drops old revisions: two nodes may not know the same ones.
    pub(super) drops_revisions: bool,
    /// Nodes whose updates may stay with them.
    pub(super) retired: BTreeSet<String>,
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

    /// A node made a merge of these, in ascending order.
    pub(super) fn merged(&mut self, title: &str, parents: &[Cid], payload: &[u8]) -> Kept {
        let first = self.merges.entry(parents.to_vec()).or_insert_with(|| payload.to_vec());
        if self.drops_revisions || *first == payload {
            return Ok(());
        }
        let texts = [&first[..], payload].map(|bytes| bytes.escape_ascii().to_string());
        let what = format!("{title}: two merges of {parents:?}: {} and {}", texts[0], texts[1]);
        Err(Breach::new(Law::Merges, what))
    }

    /// A node is to be retired: what none of the others has may stay with it.
    pub(super) fn retire<'a>(&mut self, name: &str, others: impl Iterator<Item = &'a Vector>) {
        self.retired.insert(name.to_owned());
        self.set_back(&Vector::new(), others);
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
        let (steady_since, is_paused) = (host.steady_since, host.is_paused);
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
        if !is_paused {
            self.timers(name, up, steady_since)?;
        }
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
                    let is_dropped = found.is_none() && node.store().gone().contains(dot);
                    self.checks.hold(Law::Acked, is_dropped || found == Some(cid), || {
                        format!("{name} acknowledged {dot}, and has {found:?} there, not {cid}")
                    })?;
                    if durability != Durability::None {
                        let is_held = node.store().held().contains(dot);
                        self.checks.hold(Law::Acked, is_held, || {
                            format!("{name} acknowledged {dot}, which is not on disk")
                        })?;
                        self.spread(name, node, dot, durability)?;
                        if !self.ledger.retired.contains(name) {
                            self.ledger.ack(dot, cid);
                        }
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
            // What peers passed on as dropped was not taken in.
            let most = entered + store.gone().count();
            let is_whole = (entered..=most).contains(&seen.count());
            checks.hold(Law::OneContent, is_whole, || {
                format!("{name} has {} updates, and took in {entered}", seen.count())
            })?;
        }
        up.visible = visible;
        Ok(())
    }

    /// Whatever a node waits for, a timer ends the wait; and no peer is forgotten.
    fn timers(&mut self, name: &str, up: &mut Up, steady_since: Tick) -> Kept {
        let node = &up.sim.state;
        let is_well = self.now >= steady_since + OVERDUE_MS && !up.is_stopping;
        let overdue_ms = node.overdue_ms(self.now);
        self.checks.hold(Law::Deadlines, !is_well || overdue_ms < OVERDUE_MS, || {
            format!("{name}: the timer of a link is due for {overdue_ms} ms")
        })?;
        if node.forgotten_peer().is_none() || !is_well {
            up.complete_since = self.now;
        }
        let missed_ms = self.now - up.complete_since;
        self.checks.hold(Law::Deadlines, missed_ms < OVERDUE_MS, || {
            let peer = node.forgotten_peer().unwrap_or_default();
            format!("{name} has no link to {peer} for {missed_ms} ms, and does not dial it")
        })
    }

    /// A peer that is away costs no more than one that is not.
    fn memory(&mut self, name: &str, up: &mut Up) -> Kept {
        let (checks, large) = (&mut *self.checks, self.ledger.large_bytes);
        up.sim.with(|cx, node| {
            let mut members = 0;
            let piece = large.min(PIECE_BYTES);
            for (peer, member) in node.roll().members() {
                members += 1;
                let Some(link) = member.link else { continue };
                let bytes = cx.transport_of(link).buffered();
                checks.hold(Law::Memory, bytes <= LINK_OUT_BYTES_MAX + piece, || {
                    format!("{name} buffers {bytes} bytes for {peer}")
                })?;
            }
            let probe = node.probe();
            let links_max = 64 + 2 * members;
            checks.hold(Law::Memory, probe.links <= links_max, || {
                format!("{name} has {} links to {members} peers", probe.links)
            })?;
            let limits = &node.config().limits;
            let most = waiting_max(limits, probe.links, large);
            let waits = node.waiting_bytes();
            checks.hold(Law::Memory, waits <= most, || {
                format!("{name}: {waits} bytes wait for what comes before them, over {most}")
            })?;
            let most = probe.pending_bytes_max + large * LARGE_AT_ONCE;
            let pending = node.store().pending_bytes();
            checks.hold(Law::Memory, pending <= most, || {
                format!("{name}: {pending} bytes wait for the disk, over {most}")
            })
        })
    }
}

/// What may wait in a relay: its gate's bytes; what each link brought within its window before the
/// seal came, and one update more; and what is put together from pieces.
fn waiting_max(limits: &Limits, links: usize, large: usize) -> usize {
    let of_link = limits.peer_window_bytes + PUSHED_BYTES_MAX;
    limits.gate_bytes + links * of_link + large * LARGE_AT_ONCE
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_merges_of_the_same_revisions_that_differ_break_a_law() {
        let mut ledger = Ledger::default();
        let parents = [Cid([1; 32]), Cid([2; 32])];
        ledger.merged("Rain", &parents, b"one").unwrap();
        ledger.merged("Rain", &parents, b"one").unwrap();
        let broken = ledger.merged("Rain", &parents, b"other").unwrap_err();
        assert_eq!(broken.law, Law::Merges);
        ledger.drops_revisions = true;
        ledger.merged("Rain", &parents, b"other").unwrap();
        assert_eq!(ledger.merges.len(), 1);
    }

    #[test]
    fn what_was_acknowledged_by_a_retired_node_alone_may_stay_with_it() {
        let mut ledger = Ledger::default();
        let dot = |seq| Dot { epoch: Epoch(1), seq };
        ledger.ack(dot(1), Cid([1; 32]));
        ledger.ack(dot(2), Cid([2; 32]));
        let mut other = Vector::new();
        other.insert(dot(1));
        ledger.retire("node3", [&other].into_iter());
        assert_eq!(ledger.acked.keys().copied().collect::<Vec<_>>(), [dot(1)]);
    }
}
