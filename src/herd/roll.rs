//! The roll of the herd as one node sees it: whom it is configured to link to, whom it met, which
//! of two links to the same peer stays, and what each has said to have on disk.

use super::{Holdings, LinkView, Unwelcome, Words};
use crate::base::Tick;
use crate::update::{Dot, Epoch, PublicKey, Vector, Word};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who a node is, as it says in its hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name, 1 to 64 bytes.
    pub name: String,
    /// The epoch of its log.
    pub epoch: Epoch,
    /// A random number of this run of the process: tells itself from a namesake.
    pub instance: u64,
    /// The version of its software.
    pub version: String,
    /// The key that it proved to own, where its connection asks for a proof.
    pub key: Option<PublicKey>,
}

/// What came of a hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission<L> {
    /// The link stands.
    Stands,
    /// The link stands, and this older one to the same peer has to go.
    Replaces(L),
    /// A link to this peer stands already, and both ends keep that one.
    Duplicate,
    /// The other end is this very process.
    Itself,
    /// Another node has our name.
    Namesake,
    /// It may not link here.
    Unwelcome(Unwelcome),
}

/// A node that this one knows of.
#[derive(Clone, Debug)]
pub struct Member<L> {
    /// The epoch it said in its last hello.
    pub epoch: Option<Epoch>,
    /// The version of its software, as of its last hello.
    pub version: Option<String>,
    /// The key that it proved to own, on a link or under its word.
    pub key: Option<PublicKey>,
    /// What it has said to have on disk, directly or through others.
    pub held: Holdings,
    /// How it said so.
    pub words: Words,
    /// When it was last heard, in ticks of this node.
    pub last_seen: Option<Tick>,
    /// The wall clock at that moment, milliseconds since 1970.
    pub last_seen_wall_ms: Option<u64>,
    /// Its link, while there is one.
    pub link: Option<L>,
    /// Which run of the peer's process that link leads to.
    pub instance: u64,
    /// Who dialled that link: true for this node.
    pub dialled: bool,
    /// The link's figures, as of its last heartbeat.
    pub view: Option<LinkView>,
}

impl<L> Default for Member<L> {
    fn default() -> Self {
        Self {
            epoch: None,
            version: None,
            key: None,
            held: Holdings::default(),
            words: Words::default(),
            last_seen: None,
            last_seen_wall_ms: None,
            link: None,
            instance: 0,
            dialled: false,
            view: None,
        }
    }
}

impl<L> Member<L> {
    /// Another key is another node, with another disk.
    fn go_by(&mut self, key: Option<PublicKey>) {
        if self.key != key {
            self.key = key;
            (self.held, self.words) = (Holdings::default(), Words::default());
        }
    }
}

/// Everyone that this node knows. `L` names a link, as its caller likes.
#[derive(Debug)]
pub struct Roll<L> {
    me: Identity,
    /// What this node has on disk.
    held: Holdings,
    members: BTreeMap<String, Member<L>>,
    /// Whose disks count, this node perhaps among them; all that are known while it is empty.
    counted: BTreeSet<String>,
}

/// Of what a node says to have no more runs than these are taken down.
const HELD_RUNS_MAX: usize = 1 << 16;
/// More strangers than this are not remembered once their link is gone.
const STRANGERS_MAX: usize = 1024;

impl<L: Copy + PartialEq> Roll<L> {
    /// A roll with the configured peers on it.
    pub fn new(me: Identity, configured: impl IntoIterator<Item = String>) -> Self {
        let members = configured.into_iter().map(|name| (name, Member::default())).collect();
        Self { me, held: Holdings::default(), members, counted: BTreeSet::new() }
    }

    /// Who this node is.
    pub fn me(&self) -> &Identity {
        &self.me
    }

    /// The log began a new epoch while the node ran.
    pub fn set_epoch(&mut self, epoch: Epoch) {
        self.me.epoch = epoch;
    }

    /// All that are known, by name; not this node.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Member<L>)> {
        self.members.iter().map(|(name, member)| (&name[..], member))
    }

    /// True while a link to this peer stands.
    pub fn is_linked(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|member| member.link.is_some())
    }

    /// Judges a hello on a link. `dialled` is true when this node dialled.
    ///
    /// When two nodes dial each other at once, both keep the link that the one with the lesser
    /// name dialled; of two links dialled from the same end, both keep the newer, since the older
    /// is what remains of a connection that died unseen. So is one to an earlier run of the peer.
    pub fn admit(&mut self, link: L, peer: &Identity, dialled: bool) -> Admission<L> {
        if peer.name == self.me.name {
            let itself = peer.instance == self.me.instance;
            return if itself { Admission::Itself } else { Admission::Namesake };
        }
        let we_are_less = self.me.name < peer.name;
        let member = self.meet(&peer.name);
        let older = member.link;
        let is_same_run = member.instance == peer.instance;
        if older.is_some() && is_same_run && member.dialled != dialled && dialled != we_are_less {
            return Admission::Duplicate;
        }
        if peer.key.is_some() {
            member.go_by(peer.key);
        }
        member.link = Some(link);
        member.instance = peer.instance;
        member.version = Some(peer.version.clone());
        member.dialled = dialled;
        member.epoch = Some(peer.epoch);
        member.version = Some(peer.version.clone()).filter(|version| !version.is_empty());
        older.map_or(Admission::Stands, Admission::Replaces)
    }

    /// The member of this name, from now on known.
    fn meet(&mut self, name: &str) -> &mut Member<L> {
        if self.members.len() >= STRANGERS_MAX && !self.members.contains_key(name) {
            self.members.retain(|_, member| member.link.is_some());
        }
        self.members.entry(name.to_owned()).or_default()
    }

    /// This node has all of this on disk.
    pub fn on_own_held(&mut self, vector: &Vector, wall_ms: u64) {
        self.held.grow(vector, wall_ms);
    }

    /// True when a word, should it be true, says more than is known.
    pub fn is_news(&self, word: &Word) -> bool {
        let member = self.members.get(&word.node).filter(|member| member.key == Some(word.key));
        member.is_none_or(|member| !member.held.vector().covers(&word.held))
    }

    /// A node has this on disk, by its word, which was found to be its own. True when that is more
    /// than was known.
    pub fn on_word(&mut self, word: &Arc<Word>, wall_ms: u64) -> bool {
        let member = self.meet(&word.node);
        member.go_by(Some(word.key));
        if member.held.vector().runs() + word.held.runs() > HELD_RUNS_MAX {
            return false;
        }
        let is_more = member.held.grow(&word.held, wall_ms);
        if is_more {
            member.words.add(word);
        }
        is_more
    }

    /// The key that the node of this name last proved to own.
    pub fn key_of(&self, name: &str) -> Option<PublicKey> {
        self.members.get(name).and_then(|member| member.key)
    }

    /// What the owners of such keys said to have on disk counts no more.
    pub fn forget_held(&mut self, is_gone: impl Fn(&PublicKey) -> bool) {
        for member in self.members.values_mut() {
            if member.key.as_ref().is_some_and(&is_gone) {
                member.go_by(None);
            }
        }
    }

    /// What a member, or this node, is known to have on disk.
    pub fn held_by(&self, name: &str) -> Option<&Holdings> {
        if name == self.me.name {
            return Some(&self.held);
        }
        self.members.get(name).map(|member| &member.held)
    }

    /// The other nodes that have this update on disk, by name, with the moment by which they did,
    /// in milliseconds since 1970.
    pub fn holders(&self, dot: Dot) -> impl Iterator<Item = (&str, u64)> {
        self.members().filter_map(move |(name, member)| Some((name, member.held.since(dot)?)))
    }

    /// A linked peer publishes under another epoch from now on.
    pub fn goes_on_under(&mut self, link: L, epoch: Epoch) {
        if let Some(member) = self.members.values_mut().find(|m| m.link == Some(link)) {
            member.epoch = Some(epoch);
        }
    }

    /// Up to which sequence number of an epoch any other node than the peer of this link, or this
    /// one, says to have; `None` when no other node is known.
    pub fn attested_beside(&self, link: L, epoch: Epoch) -> Option<u64> {
        let others = self.members.values().filter(|member| member.link != Some(link));
        others.map(|member| member.held.last(epoch)).max()
    }

    /// Only the disks of these count from now on: the herd has a charter. None of them: all that
    /// are known.
    pub fn set_counted(&mut self, names: impl IntoIterator<Item = String>) {
        self.counted = names.into_iter().collect();
    }

    fn counts(&self, name: &str) -> bool {
        self.counted.is_empty() || self.counted.contains(name)
    }

    /// What the other nodes whose disks count have.
    fn others(&self) -> impl Iterator<Item = &Holdings> {
        self.members().filter(|(name, _)| self.counts(name)).map(|(_, member)| &member.held)
    }

    /// True when at least so many other nodes have an update on disk.
    pub fn has_spread(&self, dot: Dot, nodes: usize) -> bool {
        self.others().filter(|held| held.contains(dot)).take(nodes).count() == nodes
    }

    /// Up to which sequence number of an epoch at least `nodes` other nodes have everything on
    /// disk, since each has an origin's updates without gaps.
    pub fn spread_to(&self, epoch: Epoch, nodes: usize) -> u64 {
        let Some(nth) = nodes.checked_sub(1) else { return u64::MAX };
        let mut lasts: Vec<u64> = self.others().map(|held| held.last(epoch)).collect();
        if nth >= lasts.len() {
            return 0;
        }
        *lasts.select_nth_unstable_by(nth, |a, b| b.cmp(a)).1
    }

    /// How many other nodes make a majority together with this one: more than half of those whose
    /// disks count.
    pub fn majority(&self) -> usize {
        if self.counted.is_empty() {
            return self.members.len().div_ceil(2);
        }
        let own = usize::from(self.counted.contains(&self.me.name));
        self.counted.len() / 2 + 1 - own
    }

    /// The peer that a standing link leads to.
    pub fn name_of(&self, link: L) -> Option<&str> {
        let mut members = self.members.iter();
        members.find(|(_, member)| member.link == Some(link)).map(|(name, _)| &name[..])
    }

    /// True when a heartbeat has passed on a standing link: only then does a dial count as good.
    pub fn is_healthy(&self, link: L) -> bool {
        let mut members = self.members.values();
        members.any(|member| member.link == Some(link) && member.view.is_some())
    }

    /// A link is gone; true when it was the one that stood, so that its peer has none now.
    pub fn lost(&mut self, link: L) -> bool {
        let Some(member) = self.members.values_mut().find(|m| m.link == Some(link)) else {
            return false;
        };
        member.link = None;
        member.view = None;
        true
    }

    /// Takes down a link's figures.
    pub fn note(&mut self, link: L, view: LinkView, now: Tick, wall_ms: u64) {
        if let Some(member) = self.members.values_mut().find(|m| m.link == Some(link)) {
            member.view = Some(view);
            member.last_seen = Some(now);
            member.last_seen_wall_ms = Some(wall_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::{SigningKey, Span};

    fn identity(name: &str, instance: u64) -> Identity {
        Identity {
            name: name.to_owned(),
            epoch: Epoch(instance),
            instance,
            version: "1.0".to_owned(),
            key: None,
        }
    }

    fn upto(epoch: u64, to: u64) -> Vector {
        let mut vector = Vector::new();
        vector.insert_span(Span { epoch: Epoch(epoch), from: 1, to });
        vector
    }

    fn key(name: &str) -> SigningKey {
        SigningKey::from_seed([name.as_bytes()[0]; 32])
    }

    fn roll_held(roll: &mut Roll<u64>, name: &str, held: &Vector, wall_ms: u64) -> bool {
        roll.on_word(&Arc::new(Word::sign(&key(name), name, held.clone())), wall_ms)
    }

    #[test]
    fn who_comes_back_under_another_key_has_another_disk() {
        let mut roll = Roll::new(identity("a", 1), []);
        let word = Arc::new(Word::sign(&key("b"), "b", upto(1, 9)));
        assert!(roll.is_news(&word) && roll.on_word(&word, 1) && !roll.is_news(&word));
        let other = Arc::new(Word::sign(&key("x"), "b", upto(1, 5)));
        assert!(roll.is_news(&other) && roll.on_word(&other, 2));
        assert_eq!(roll.spread_to(Epoch(1), 1), 5);
        roll.forget_held(|gone| *gone == key("x").public());
        assert_eq!((roll.spread_to(Epoch(1), 1), roll.key_of("b")), (0, None));
        // What it proves on a link stands for it, too.
        let peer = Identity { key: Some(key("b").public()), ..identity("b", 2) };
        roll.admit(1, &peer, true);
        assert_eq!(roll.key_of("b"), Some(key("b").public()));
    }

    #[test]
    fn an_update_has_spread_as_far_as_the_nodes_say_and_the_herd_is_who_is_known() {
        let configured = ["b", "c", "d", "e"].map(str::to_owned);
        let mut roll: Roll<u64> = Roll::new(identity("a", 1), configured);
        assert_eq!(roll.majority(), 2, "three of five");
        assert!(roll_held(&mut roll, "b", &upto(1, 9), 1_000));
        assert!(roll_held(&mut roll, "c", &upto(1, 5), 2_000));
        assert!(!roll_held(&mut roll, "c", &upto(1, 4), 3_000), "nothing new");
        roll.on_own_held(&upto(1, 9), 500);
        let of = |n| (0..6).map(|nodes| roll.spread_to(Epoch(n), nodes)).collect::<Vec<_>>();
        assert_eq!(of(1), [u64::MAX, 9, 5, 0, 0, 0]);
        assert_eq!(of(2), [u64::MAX, 0, 0, 0, 0, 0]);
        let holders = |seq| roll.holders(Dot { epoch: Epoch(1), seq }).collect::<Vec<_>>();
        assert_eq!(holders(5), [("b", 1_000), ("c", 2_000)]);
        assert_eq!(holders(6), [("b", 1_000)]);
        assert_eq!(
            roll.held_by("a").and_then(|held| held.since(Dot { epoch: Epoch(1), seq: 9 })),
            Some(500)
        );
        // Who is only heard of counts as well.
        assert!(roll_held(&mut roll, "f", &upto(1, 9), 4_000));
        assert_eq!(roll.majority(), 3, "four of six");
        let dot = Dot { epoch: Epoch(1), seq: 9 };
        assert!(roll.has_spread(dot, 2) && !roll.has_spread(dot, 3));
        // A charter says who counts, and whether this node does.
        roll.set_counted(["a", "b", "x"].map(str::to_owned));
        assert_eq!((roll.majority(), roll.has_spread(dot, 2)), (1, false));
        assert_eq!((roll.spread_to(Epoch(1), 1), roll.spread_to(Epoch(1), 2)), (9, 0));
        roll.set_counted(["b", "x"].map(str::to_owned));
        assert_eq!(roll.majority(), 2);
    }

    #[test]
    fn a_node_refuses_itself_and_its_namesake() {
        let mut roll = Roll::new(identity("b", 1), []);
        assert_eq!(roll.admit(1, &identity("b", 1), true), Admission::Itself);
        assert_eq!(roll.admit(2, &identity("b", 2), false), Admission::Namesake);
        assert_eq!(roll.members().count(), 0);
    }

    #[test]
    fn of_two_links_dialled_at_once_both_ends_keep_the_same_one() {
        // Link 1 is dialled by a, link 2 by b; each end may hear the hellos in either order.
        for (first, second) in [(1, 2), (2, 1)] {
            for (me, peer) in [("a", "b"), ("b", "a")] {
                let mut roll = Roll::new(identity(me, 1), []);
                let dialled = |link| (link == 1) == (me == "a");
                let peer = identity(peer, 2);
                assert_eq!(roll.admit(first, &peer, dialled(first)), Admission::Stands);
                let then = roll.admit(second, &peer, dialled(second));
                let expected =
                    if first == 1 { Admission::Duplicate } else { Admission::Replaces(2) };
                assert_eq!(then, expected, "{me} after link {first}");
            }
        }
    }

    #[test]
    fn a_peer_that_dials_again_replaces_its_dead_link() {
        let mut roll = Roll::new(identity("a", 1), ["b".to_owned()]);
        let peer = identity("b", 2);
        assert_eq!(roll.admit(1, &peer, false), Admission::Stands);
        assert_eq!(roll.admit(2, &peer, false), Admission::Replaces(1));
        assert!(!roll.lost(1), "the older link's end changes nothing");
        assert!(roll.is_linked("b"));
        assert!(roll.lost(2));
        assert!(!roll.is_linked("b"));
    }

    #[test]
    fn a_restarted_peer_is_not_refused_for_the_dead_link_to_its_earlier_run() {
        let mut roll = Roll::new(identity("a", 1), ["b".to_owned()]);
        assert_eq!(roll.admit(1, &identity("b", 2), true), Admission::Stands);
        assert_eq!(roll.admit(2, &identity("b", 2), false), Admission::Duplicate);
        assert_eq!(roll.admit(3, &identity("b", 3), false), Admission::Replaces(1));
    }

    #[test]
    fn strangers_do_not_fill_the_memory() {
        let mut roll = Roll::new(identity("a", 1), []);
        for n in 0..5000 {
            let link = n;
            roll.admit(link, &identity(&format!("stranger{n}"), n), false);
            roll.lost(link);
        }
        assert!(roll.members().count() <= STRANGERS_MAX);
    }
}
