//! The roll of the herd as one node sees it: whom it is configured to link to, whom it met, and
//! which of two links to the same peer stays.

use super::LinkView;
use crate::base::Tick;
use crate::update::Epoch;
use std::collections::BTreeMap;

/// Who a node is, as it says in its hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name, 1 to 64 bytes.
    pub name: String,
    /// The epoch of its log.
    pub epoch: Epoch,
    /// A random number of this run of the process: tells itself from a namesake.
    pub instance: u64,
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
}

/// A node that this one knows of.
#[derive(Clone, Debug)]
pub struct Member<L> {
    /// The epoch it said in its last hello.
    pub epoch: Option<Epoch>,
    /// When it was last heard, in ticks of this node.
    pub last_seen: Option<Tick>,
    /// The wall clock at that moment, milliseconds since 1970.
    pub last_seen_wall_ms: Option<u64>,
    /// Its link, while there is one.
    pub link: Option<L>,
    /// Who dialled that link: true for this node.
    pub dialled: bool,
    /// The link's figures, as of its last heartbeat.
    pub view: Option<LinkView>,
}

impl<L> Default for Member<L> {
    fn default() -> Self {
        Self {
            epoch: None,
            last_seen: None,
            last_seen_wall_ms: None,
            link: None,
            dialled: false,
            view: None,
        }
    }
}

/// Everyone that this node knows. `L` names a link, as its caller likes.
#[derive(Debug)]
pub struct Roll<L> {
    me: Identity,
    members: BTreeMap<String, Member<L>>,
}

/// More strangers than this are not remembered once their link is gone.
const STRANGERS_MAX: usize = 1024;

impl<L: Copy + PartialEq> Roll<L> {
    /// A roll with the configured peers on it.
    pub fn new(me: Identity, configured: impl IntoIterator<Item = String>) -> Self {
        let members = configured.into_iter().map(|name| (name, Member::default())).collect();
        Self { me, members }
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
    /// is what remains of a connection that died unseen.
    pub fn admit(&mut self, link: L, peer: &Identity, dialled: bool) -> Admission<L> {
        if peer.name == self.me.name {
            let itself = peer.instance == self.me.instance;
            return if itself { Admission::Itself } else { Admission::Namesake };
        }
        let we_are_less = self.me.name < peer.name;
        if self.members.len() >= STRANGERS_MAX && !self.members.contains_key(&peer.name) {
            self.members.retain(|_, member| member.link.is_some());
        }
        let member = self.members.entry(peer.name.clone()).or_default();
        let older = member.link;
        if older.is_some() && member.dialled != dialled && dialled != we_are_less {
            return Admission::Duplicate;
        }
        member.link = Some(link);
        member.dialled = dialled;
        member.epoch = Some(peer.epoch);
        older.map_or(Admission::Stands, Admission::Replaces)
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

    fn identity(name: &str, instance: u64) -> Identity {
        Identity { name: name.to_owned(), epoch: Epoch(instance), instance }
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
