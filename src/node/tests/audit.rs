//! What has to hold at every moment of a simulated herd, whatever befalls it.

use super::host::{Host, Up, Written};
use crate::herd::Feed;
use crate::node::Node;
use crate::serve::{Desk, Settled};
use crate::store::Direction;
use crate::update::{Cid, Cursor, Dot, Epoch, Update, Vector};
use std::collections::BTreeMap;
use std::ops::Bound;

/// A link's out-buffer: what is written ahead, one update past it, and heartbeats into a cut.
const LINK_OUT_BYTES_MAX: usize = (64 << 10) + (16 << 10) + (8 << 10);

/// What the whole herd has in common.
#[derive(Default)]
pub(super) struct Ledger {
    /// Each dot that anyone could read, and its id.
    pub(super) cids: BTreeMap<Dot, Cid>,
    /// What was acknowledged as being on disk.
    pub(super) acked: BTreeMap<Dot, Cid>,
}

/// What one reader was given.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) had: Vector,
    last: BTreeMap<Epoch, u64>,
    feed: Option<Feed>,
}

impl Reading {
    /// Goes on at a node from where it was, by cursor.
    pub(super) fn go_to(&mut self, node: &Node) {
        let text = Cursor(self.had.clone()).to_string();
        let cursor: Cursor = text.parse().expect("a cursor comes back from its text");
        self.feed = Some(node.feed(Some(&cursor)));
    }

    /// The node is gone.
    pub(super) fn leave(&mut self) {
        self.feed = None;
    }

    pub(super) fn is_reading(&self) -> bool {
        self.feed.is_some()
    }

    /// Takes up to `limit` updates: each is new, and the next of its origin.
    pub(super) fn read(&mut self, node: &Node, limit: usize, who: &str, ledger: &mut Ledger) {
        for _ in 0..limit {
            let Some(feed) = &mut self.feed else { return };
            let Some(update) = feed.next(&node.store).expect("the archive is read") else { break };
            self.take(&update, who, ledger);
        }
        if let Some(feed) = &self.feed {
            assert_eq!(feed.cursor().0, self.had, "{who}: the cursor is what was given");
        }
    }

    fn take(&mut self, update: &Update, who: &str, ledger: &mut Ledger) {
        let dot = update.dot();
        assert!(self.had.insert(dot), "{who} gets {dot} twice");
        let before = self.last.insert(dot.epoch, dot.seq).unwrap_or(0);
        assert_eq!(dot.seq, before + 1, "{who} gets {dot} of {} out of order", update.origin());
        let cid = *ledger.cids.entry(dot).or_insert(update.cid());
        assert_eq!(cid, update.cid(), "{who}: {dot} has two contents");
    }
}

/// Looks at one node.
pub(super) fn look_at(host: &mut Host, ledger: &mut Ledger) {
    let Host { name, up: Some(up), promised, .. } = host else { return };
    look_at_tickets(name, up, ledger);
    look_at_vectors(name, up, promised);
    if !up.witness.is_reading() {
        up.witness.go_to(&up.sim.state);
    }
    up.witness.read(&up.sim.state, usize::MAX, name, ledger);
    look_at_memory(name, up);
}

/// What was acknowledged is what it was said to be.
fn look_at_tickets(name: &str, up: &mut Up, ledger: &mut Ledger) {
    let node = &up.sim.state;
    up.waiting.retain(|written| {
        let Written { ticket, dot, cid, is_local } = *written;
        match node.settled(ticket) {
            None => return true,
            Some(Settled::Refused) => {
                let found = node.store.by_cid(cid).expect("the index is read");
                assert!(found.is_none(), "{name}: {dot} was refused, and is there");
            }
            Some(Settled::Done) => {
                assert_eq!(cid_of(node, dot), Some(cid), "{name}: {dot} was acknowledged");
                if is_local {
                    assert!(node.store.held().contains(dot), "{name}: {dot} is not on disk");
                    ledger.acked.insert(dot, cid);
                }
            }
        }
        false
    });
}

/// The id of what a node holds under a dot.
pub(super) fn cid_of(node: &Node, dot: Dot) -> Option<Cid> {
    node.store.get(dot).expect("the archive is read").map(|update| update.cid())
}

/// Vectors only grow, have no gaps, and what is held was seen.
fn look_at_vectors(name: &str, up: &mut Up, promised: &mut Vector) {
    let store = &up.sim.state.store;
    let (held, seen, visible) = (store.held(), store.seen(), store.visible());
    assert!(held.covers(promised), "{name} lost {:?}", promised.beyond(held));
    promised.merge(held);
    assert!(seen.covers(held), "{name} holds what it has not seen");
    assert!(visible.covers(held), "{name} hides what it holds");
    assert!(visible.covers(&up.visible), "{name} hides {:?}", up.visible.beyond(&visible));
    let mut epochs = BTreeMap::new();
    for span in seen.spans().chain(held.spans()) {
        assert_eq!(span.from, 1, "{name} has a gap before {span:?}");
        *epochs.entry(span.epoch).or_insert(0) += 1;
    }
    let (count, epoch, last) = up.began;
    let published = seen.last(store.epoch()) - if epoch == store.epoch() { last } else { 0 };
    let received = up.sim.state.figures.received;
    assert_eq!(seen.count(), count + published + received, "{name} indexes each update once");
    up.visible = visible;
}

/// A peer that is away costs no more than one that is not.
fn look_at_memory(name: &str, up: &mut Up) {
    up.sim.with(|cx, node| {
        for (peer, member) in node.roll.members() {
            let Some(link) = member.link else { continue };
            let bytes = cx.transport_of(link).buffered();
            assert!(bytes <= LINK_OUT_BYTES_MAX, "{name} buffers {bytes} bytes for {peer}");
        }
        let links = node.audience.links();
        assert!(links <= 64, "{name} has {links} links");
        let pending = node.store.pending_bytes();
        let most = node.config.limits.pending_bytes * (2 + node.diallers.len() * 4);
        assert!(pending <= most, "{name}: {pending} bytes wait for the disk");
    });
}

/// All that readers see, as rows.
pub(super) fn shown(node: &Node) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (from, to) = (Bound::Included(&b"a"[..]), Bound::Excluded(&b"{"[..]));
    node.store.index().scan(from, to, usize::MAX, Direction::Up).expect("the index is read")
}
