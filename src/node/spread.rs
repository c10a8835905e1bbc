//! Writes that wait for the disks of other nodes. Each is on this node's disk already; it is
//! answered when as many nodes have said to hold it as its writer asked for, or when its time is
//! up. Whoever answers looks at what is true then: nothing here is a promise.
//!
//! And the other side of it: a node on whose disk someone waits says at once what has come to it,
//! and every node passes on what it did not know of another's. Whatever nobody waits for is said
//! with the heartbeats.

use super::{Node, commit};
use crate::base::Tick;
use crate::config::Durability;
use crate::herd::Holdings;
use crate::reactor::{ConnId, Ctx, TimerId};
use crate::serve::peer::HerdDesk;
use crate::serve::{Holder, Ticket};
use crate::update::{Dot, Epoch, Update, Vector, Word};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// In a herd of more nodes a new link does not begin with what all of them have.
const TOLD_MAX: usize = 64;
/// Beyond so many, writers hear "later".
const WAITING_MAX: usize = 16_384;

/// A write that is on this node's disk.
#[derive(Clone, Copy, Debug)]
struct Waiter {
    dot: Dot,
    ticket: Ticket,
    due: Tick,
}

/// Those that wait. Each queue is in the order in which the writes came to the disk: ascending in
/// `due`, and in sequence numbers within an epoch.
#[derive(Debug, Default)]
pub(super) struct Spread {
    /// By what was asked, as envelopes say it.
    queues: BTreeMap<u8, VecDeque<Waiter>>,
    timer: Option<(TimerId, Tick)>,
    /// Updates of others whose writers wait for this disk, among others.
    awaited: Vector,
    /// Writes that spread as far as was asked, in time.
    pub(super) met: u64,
    /// Writes that did not.
    pub(super) unmet: u64,
}

impl Spread {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }

    /// True when no more may wait.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= WAITING_MAX
    }

    /// An update of another node came that may be awaited on this disk.
    pub(super) fn note_arrival(&mut self, update: &Update) {
        if Durability::of_asked(update.asked()).is_wide() {
            self.awaited.insert(update.dot());
        }
    }

    /// True when someone at another node waits for this disk.
    pub(super) fn is_awaited(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// True when something that was awaited is among what came to the disk.
    fn take_awaited(&mut self, held: &Vector) -> bool {
        let mut left = Vector::new();
        for span in self.awaited.beyond(held) {
            left.insert_span(span);
        }
        std::mem::replace(&mut self.awaited, left) != self.awaited
    }

    fn wait(&mut self, asked: u8, waiter: Waiter) {
        self.queues.entry(asked).or_default().push_back(waiter);
    }

    /// When the next time is up.
    fn due(&self) -> Option<Tick> {
        self.queues.values().filter_map(|queue| queue.front()).map(|waiter| waiter.due).min()
    }

    /// Takes out those that have spread, and those whose time is up. `spread_to` says up to which
    /// sequence number of an epoch what was asked is met.
    fn take(&mut self, now: Tick, spread_to: impl Fn(u8, Epoch) -> u64) -> Vec<Ticket> {
        let mut done = Vec::new();
        for (asked, queue) in &mut self.queues {
            let mut reached: Option<(Epoch, u64)> = None;
            while let Some(Waiter { dot, ticket, due }) = queue.front().copied() {
                let known = reached.filter(|(epoch, _)| *epoch == dot.epoch);
                let (_, seq) = known.unwrap_or_else(|| (dot.epoch, spread_to(*asked, dot.epoch)));
                reached = Some((dot.epoch, seq));
                if dot.seq <= seq {
                    self.met += 1;
                } else if due <= now {
                    self.unmet += 1;
                } else {
                    break;
                }
                done.push(ticket);
                queue.pop_front();
            }
        }
        self.queues.retain(|_, queue| !queue.is_empty());
        done
    }
}

impl Node {
    /// How many other nodes have to have an update on disk for what was asked.
    fn others_needed(&self, durability: Durability) -> usize {
        match durability {
            Durability::None | Durability::Local => 0,
            Durability::Nodes(nodes) => nodes as usize,
            Durability::Majority => self.roll.majority(),
        }
    }

    /// True when an update is as safe as this, as far as this node knows now.
    pub(super) fn is_as_safe_as(&self, dot: Dot, durability: Durability) -> bool {
        let others = self.others_needed(durability);
        durability == Durability::None
            || self.store.held().contains(dot) && self.roll.has_spread(dot, others)
    }

    /// All nodes that are known, this one first, and by when each had an update on disk.
    pub(super) fn holders_of(&self, dot: Dot) -> Vec<Holder> {
        let me = &self.roll.me().name[..];
        let names = std::iter::once(me).chain(self.roll.members().map(|(name, _)| name));
        let since = |name| self.roll.held_by(name).and_then(|held| held.since(dot));
        names.map(|name| Holder { node: name.to_owned(), at_ms: since(name) }).collect()
    }

    /// A node says to have this on disk, on its own link or by way of another. What was not known
    /// is passed on to the other links.
    pub(super) fn note_held(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        link: ConnId,
        urgent: bool,
        word: Word,
    ) {
        if !self.is_believed(cx, link, &word) {
            return;
        }
        let word = Arc::new(word);
        if self.roll.on_word(&word, cx.wall_ns() / 1_000_000) {
            self.relay.gossip(Some(link), urgent, &word);
            self.wake_links(cx);
            self.look_at_spread(cx);
        }
    }

    /// A word counts on the link of the node that it speaks of, or under that node's signature;
    /// that is looked at last, and only of what is new. Of a node whose key is not known nothing
    /// counts: nobody could tell its word from anyone's.
    fn is_believed(&mut self, cx: &mut Ctx<'_, Self>, link: ConnId, word: &Word) -> bool {
        // Of this disk nobody else knows better.
        let may_count = word.node != self.roll.me().name
            && self.is_key_of(&word.key, &word.node)
            && self.roll.is_news(word);
        if !may_count {
            return false;
        }
        let is_its_own = self.roll.name_of(link) == Some(&word.node[..])
            && cx.transport_of(link).peer_key() == Some(word.key);
        is_its_own || self.relay.may_verify_word(link, cx.now()) && (self.verify_word)(word)
    }

    /// A link has come up: its peer hears what is known of all the others, which grows on from
    /// there. In a herd too large for that it hears what comes.
    pub(super) fn tell_all_held(&mut self, link: ConnId) {
        if self.roll.members().count() > TOLD_MAX {
            return;
        }
        for (_, member) in self.roll.members().filter(|(_, member)| member.link != Some(link)) {
            member.words.iter().for_each(|word| self.relay.gossip_to(link, word));
        }
    }

    /// This node's disk has more: what of it is to be on other disks, too, begins to wait for
    /// them, and what others wait for is said to them.
    pub(super) fn note_own_held(&mut self, cx: &mut Ctx<'_, Self>) {
        let name = self.roll.me().name.clone();
        let mut news = Vector::new();
        let known = self.roll.held_by(&name).map(Holdings::vector);
        for span in self.store.held().beyond(known.unwrap_or(&Vector::new())) {
            news.insert_span(span);
        }
        self.roll.on_own_held(&news, cx.wall_ns() / 1_000_000);
        if !news.is_empty() {
            let held = self.store.held();
            self.hops.note_on_disk(|dot| held.contains(dot), cx.wall_ns());
        }
        if self.spread.take_awaited(self.store.held()) {
            self.relay.say_held(&self.store, true);
            self.wake_links(cx);
        }
        let due = cx.now() + self.config.limits.spread_ms;
        for (ticket, dot, asked) in self.tickets.take_wide() {
            self.spread.wait(asked, Waiter { dot, ticket, due });
        }
        self.look_at_spread(cx);
    }

    /// Answers the writes that have spread, or whose time is up. All of them when the node stops:
    /// their writers can ask another one how far they came.
    pub(super) fn look_at_spread(&mut self, cx: &mut Ctx<'_, Self>) {
        if self.spread.len() == 0 {
            return;
        }
        let now = if cx.draining() { Tick::MAX } else { cx.now() };
        let mut spread = std::mem::take(&mut self.spread);
        let done = spread.take(now, |asked, epoch| {
            self.roll.spread_to(epoch, self.others_needed(Durability::of_asked(asked)))
        });
        self.spread = spread;
        let told = self.tickets.finish(&done);
        commit::tell(cx, told);
        self.time_spread(cx);
    }

    /// Has the next time that is up looked at.
    fn time_spread(&mut self, cx: &mut Ctx<'_, Self>) {
        let due = self.spread.due();
        if let Some((timer, at)) = self.spread.timer {
            if due == Some(at) {
                return;
            }
            cx.cancel(timer);
            self.spread.timer = None;
        }
        let Some(at) = due else { return };
        let timer = cx.call_later(at.saturating_sub(cx.now()), |cx, node| {
            node.spread.timer = None;
            node.look_at_spread(cx);
            node.time_spread(cx);
        });
        self.spread.timer = Some((timer, at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(epoch: u64, seq: u64, due: Tick) -> Waiter {
        Waiter { dot: Dot { epoch: Epoch(epoch), seq }, ticket: Ticket(seq), due }
    }

    #[test]
    fn each_waits_for_what_it_asked_or_for_its_time() {
        let mut spread = Spread::default();
        for (asked, seq, due) in [(2, 1, 10), (2, 2, 20), (3, 3, 20), (2, 4, 30), (255, 5, 40)] {
            spread.wait(asked, waiter(1, seq, due));
        }
        assert_eq!((spread.len(), spread.due()), (5, Some(10)));
        // One node has four of them, two nodes have one.
        let spread_to = |asked: u8, _| if asked == 2 { 2 } else { 1 };
        assert_eq!(spread.take(5, spread_to), [Ticket(1), Ticket(2)]);
        assert_eq!(spread.take(20, spread_to), [Ticket(3)]);
        assert_eq!((spread.met, spread.unmet, spread.due()), (2, 1, Some(30)));
        assert_eq!(spread.take(20, |_, _| 9), [Ticket(4), Ticket(5)]);
        assert_eq!((spread.len(), spread.due()), (0, None));
    }

    #[test]
    fn an_epoch_that_ended_is_asked_about_by_itself() {
        let mut spread = Spread::default();
        spread.wait(2, waiter(1, 9, 10));
        spread.wait(2, waiter(2, 1, 10));
        spread.wait(2, waiter(2, 2, 10));
        let done = spread.take(0, |_, epoch| if epoch == Epoch(1) { 9 } else { 1 });
        assert_eq!(done, [Ticket(9), Ticket(1)]);
    }
}
