//! The charter in a simulated herd: one founds it, others add and retire nodes. Whoever knows that
//! a node is retired has no link to it any more, and the herd goes on without it. And its accounts:
//! every other guest gets one, or a token, or loses it.

use super::host::key;
use super::laws::{Breach, Kept, Law};
use super::world::World;
use crate::accounts::{self, PasswordHash, Scopes, TOPIC_ACCOUNTS, Token};
use crate::base::{Rng, Tick};
use crate::config::Durability;
use crate::herd::{Act, Named, Standing, TOPIC_CHARTER};
use crate::node::Node;
use crate::reactor::Ctx;
use crate::serve::{Desk, Entry, Receipt, Refusal};
use crate::update::{Kind, PublicKey, Vector};
use std::collections::BTreeMap;

/// A link to one who was just retired is closed within this, or cut.
const CLOSED_MS: Tick = 2_000;

/// What is said of the charter, and what comes of it.
#[derive(Debug, Default)]
pub(super) struct Council {
    /// Who is named at the founding.
    members: Vec<String>,
    /// Who may be retired without cutting the herd in parts.
    spare: Option<String>,
    is_founded: bool,
    guests: u64,
    /// Who is to be retired, once an act says so.
    retired: Option<(String, PublicKey)>,
    /// Since when a node's present run has known of it.
    known_since: BTreeMap<usize, Tick>,
    /// What the retired node had when everyone knew.
    left_with: Option<Vector>,
}

impl Council {
    pub(super) fn new(members: Vec<String>, spare: Option<String>) -> Self {
        Self { members, spare, ..Self::default() }
    }

    /// Who was retired by an act that some node has published.
    pub(super) fn retired(&self) -> Option<&str> {
        self.retired.as_ref().map(|(name, _)| &name[..])
    }

    /// True when a node's charter says that the retired one is.
    fn is_known_at(&self, node: &Node) -> bool {
        let Some((_, key)) = &self.retired else { return false };
        node.charter().standing(key) == Standing::Retired
    }

    /// A node's run is over.
    pub(super) fn forget(&mut self, host: usize) {
        self.known_since.remove(&host);
    }

    /// Says something of the charter at a node; what, if it is the end of a membership.
    pub(super) fn say(
        &mut self,
        cx: &mut Ctx<'_, Node>,
        node: &mut Node,
        rng: &mut Rng,
        durability: Durability,
    ) -> Result<Receipt, Refusal> {
        let author = node.config().name.clone();
        let named = |name: &String| Named { name: name.clone(), key: key(name).public() };
        let retires = self.spare.as_ref().filter(|name| **name != author && rng.chance(1, 2));
        let (act, ends) = if !self.is_founded {
            (Act::Found { members: self.members.iter().map(named).collect() }.encode(), None)
        } else if let (Some(name), None) = (retires, &self.retired) {
            let key = key(name).public();
            (Act::Retire { key }.encode(), Some((name.clone(), key)))
        } else {
            self.guests += 1;
            if self.guests.is_multiple_of(2) {
                let act = account_act(self.guests / 2).encode();
                return node.publish(cx, entry(Kind::Account, TOPIC_ACCOUNTS, &act), durability);
            }
            (Act::Add(named(&format!("guest{}", self.guests))).encode(), None)
        };
        let entry = entry(Kind::Charter, TOPIC_CHARTER, &act);
        let receipt = node.publish(cx, entry, durability);
        if receipt.is_ok() {
            self.is_founded = true;
            self.retired = self.retired.take().or(ends);
        }
        receipt
    }
}

fn entry<'a>(kind: Kind, topic: &'a str, payload: &'a [u8]) -> Entry<'a> {
    let media_type = "application/json";
    Entry { kind, topic, media_type, alias: "", parents: Vec::new(), payload }
}

/// The `n`-th act on accounts: of few names and tokens, so that they meet.
fn account_act(n: u64) -> accounts::Act {
    let name = format!("writer{}", n / 5 % 2);
    let token = Token::of([(n / 10 % 3) as u8; 32]);
    let (id, digest) = (token.id(), token.digest());
    match n % 5 {
        0 => accounts::Act::Remove { name },
        1 | 3 => {
            let scopes = if n % 5 == 1 { Scopes::WRITER } else { Scopes::ALL };
            accounts::Act::Account { name, password: PasswordHash::stand_in(), scopes }
        }
        2 => accounts::Act::Token { id, name, scopes: Scopes::WRITER, digest },
        _ => accounts::Act::Revoke { id },
    }
}

impl World {
    /// For each host, whether it is out of the herd, as far as any node knows.
    pub(super) fn is_out(&self, host: usize) -> bool {
        let council = &self.council;
        council.retired() == Some(&self.hosts[host].name[..])
            && self
                .hosts
                .iter()
                .filter_map(|host| host.node())
                .any(|node| council.is_known_at(node))
    }

    /// Those who are of the herd.
    pub(super) fn members(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|host| !self.is_out(*host)).collect()
    }

    /// All who are of the herd know who is not.
    pub(super) fn all_know_who_is_out(&self) -> bool {
        let members = self.members();
        members.len() == self.hosts.len()
            || members.into_iter().all(|host| {
                self.hosts[host].node().is_some_and(|node| self.council.is_known_at(node))
            })
    }

    /// Who knows that a node is retired has no link to it.
    pub(super) fn look_at_members(&mut self) -> Kept {
        let now = self.now();
        let Some((name, _)) = self.council.retired.clone() else { return Ok(()) };
        for (number, host) in self.hosts.iter().enumerate() {
            let Some(node) = host.node() else { continue };
            if host.name == name || host.is_paused || !self.council.is_known_at(node) {
                continue;
            }
            let since = *self.council.known_since.entry(number).or_insert(now);
            let known_ms = now.saturating_sub(since.max(host.steady_since));
            let is_apart = known_ms < CLOSED_MS || !node.roll().is_linked(&name);
            self.checks.hold(Law::Members, is_apart, || {
                let who = &host.name;
                format!("{who} knows for {known_ms} ms that {name} is retired, and is linked to it")
            })?;
        }
        Ok(())
    }

    /// Everyone knows who is out: from now on it gets nothing.
    pub(super) fn part(&mut self) -> Kept {
        if let Some(left) = (0..self.hosts.len()).find(|host| self.is_out(*host)) {
            // What it has taken in and not yet into its log comes there now.
            self.run(CLOSED_MS)?;
            let node = self.hosts[left].node();
            self.council.left_with = node.map(|node| node.store().seen().clone());
        }
        Ok(())
    }

    /// Who was left alone has only what it had, and what it published itself.
    pub(super) fn judge_parted(&mut self) -> Kept {
        let Some(had) = self.council.left_with.clone() else { return Ok(()) };
        let Some(left) = (0..self.hosts.len()).find(|host| self.is_out(*host)) else {
            return Err(Breach::new(Law::Members, "who was retired is back"));
        };
        let host = &self.hosts[left];
        let Some(node) = host.node() else { return Ok(()) };
        let own = node.store().epoch();
        let more = node.store().seen().beyond(&had);
        let is_alone = self.has_villain() || more.iter().all(|span| span.epoch == own);
        self.checks
            .hold(Law::Members, is_alone, || format!("{} was retired, and got {more:?}", host.name))
    }
}
