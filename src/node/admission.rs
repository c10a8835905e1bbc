//! Whose key is whose, and who may link.

use super::Node;
use crate::config::{Peer as ConfiguredPeer, PeerKind};
use crate::herd::{Caller, Standing, Unwelcome, welcome};
use crate::reactor::{ConnId, Ctx};
use crate::update::PublicKey;

impl Node {
    pub(super) fn herd_peers(&self) -> impl Iterator<Item = &ConfiguredPeer> {
        self.config.peers.iter().filter(|peer| peer.kind == PeerKind::Herd)
    }

    /// True when this is the key of the node of this name, as far as this node can know: the
    /// charter's ([`Charter::key_of`](crate::herd::Charter::key_of)), else the configured one, else
    /// the one that it proved to own on a link of this node. A key of which neither says anything
    /// is nobody's.
    pub(super) fn is_key_of(&self, key: &PublicKey, name: &str) -> bool {
        match self.charter.standing(key) {
            Standing::Member(_) => self.charter.key_of(name) == Some(*key),
            Standing::Retired => false,
            Standing::Stranger if self.charter.members().any(|member| member == name) => false,
            Standing::Stranger | Standing::Unchartered => {
                self.configured_key(name).or_else(|| self.roll.key_of(name)) == Some(*key)
            }
        }
    }

    /// True for the key of this node and of the nodes of its herd, as far as it can know: those of
    /// the charter, else those configured, else those that were proved on links of this node.
    pub(super) fn is_of_herd(&self, key: &PublicKey) -> bool {
        if *key == self.key.public() {
            return true;
        }
        match self.charter.standing(key) {
            Standing::Member(_) => true,
            Standing::Retired => false,
            Standing::Stranger => self.herd_peers().any(|peer| peer.key == Some(*key)),
            Standing::Unchartered => {
                let is_configured = self.herd_peers().any(|peer| peer.key == Some(*key));
                let mut members = self.roll.members();
                is_configured || members.any(|(name, _)| self.is_key_of(key, name))
            }
        }
    }

    /// True for a node of which this one could tell what it says from what others say.
    pub(super) fn is_known_by_key(&self, name: &str) -> bool {
        self.configured_key(name).or_else(|| self.roll.key_of(name)).is_some()
            || self.charter.members().any(|member| member == name)
    }

    pub(super) fn configured_key(&self, name: &str) -> Option<PublicKey> {
        self.herd_peers().filter(|peer| peer.name == name).find_map(|peer| peer.key)
    }

    /// Whether a peer that says this name may link.
    pub(super) fn judge(
        &self,
        cx: &mut Ctx<'_, Self>,
        conn: ConnId,
        name: &str,
    ) -> Result<(), Unwelcome> {
        let transport = cx.transport_of(conn);
        let (key, is_local) = (transport.peer_key(), transport.peer().is_local());
        let configured = self.configured_key(name);
        let standing = match &key {
            Some(key) => self.charter.standing(key),
            None => Standing::Unchartered,
        };
        welcome(Caller { name, key, is_local }, standing, configured)
    }
}
