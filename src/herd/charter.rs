//! The herd's charter: whose keys its links are open to. It is nobody's file: each change is an
//! act, an update that floods like any other, and the charter is what all acts together say.
//!
//! An act counts when its author was founder or was added by an act that counts. So the order in
//! which acts come does not matter, and every node that has the same acts has the same charter.
//! Who is retired stays so: a node that comes back takes a new key. Its links end; what it
//! published stays, since members vouch for what they hand on.

use crate::update::{Cid, PublicKey};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The topic of acts.
pub const TOPIC_CHARTER: &str = "charter";
/// The most members that a charter names.
const MEMBERS_MAX: usize = 4096;

/// A node that an act names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Its name in the herd.
    pub name: String,
    /// Its key, 64 hex digits.
    #[serde(with = "as_text")]
    pub key: PublicKey,
}

/// One change of the charter; the payload of an update of kind charter, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "lowercase", deny_unknown_fields)]
pub enum Act {
    /// The charter begins, with these members; its author has to be one of them.
    Found {
        /// 1 to 64 of them.
        members: Vec<Named>,
    },
    /// A node joins.
    Add(Named),
    /// A key's links are closed for ever.
    Retire {
        /// Whose.
        #[serde(with = "as_text")]
        key: PublicKey,
    },
}

/// Why bytes are not an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActError {
    /// They are not the JSON of one.
    Json(String),
    /// A name that is empty, over 64 bytes, or holds white space or control characters.
    Name,
    /// No member, or more than 64.
    Members,
}

impl fmt::Display for ActError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "not an act on the charter: {error}"),
            Self::Name => f.write_str("a node's name has 1 to 64 bytes and no white space"),
            Self::Members => f.write_str("a charter is founded with 1 to 64 members"),
        }
    }
}

impl std::error::Error for ActError {}

impl Act {
    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Self, ActError> {
        let act: Self =
            serde_json::from_slice(payload).map_err(|error| ActError::Json(error.to_string()))?;
        let named = match &act {
            Self::Found { members } if !(1..=64).contains(&members.len()) => {
                return Err(ActError::Members);
            }
            Self::Found { members } => &members[..],
            Self::Add(named) => std::slice::from_ref(named),
            Self::Retire { .. } => &[],
        };
        let is_sound = |named: &Named| {
            (1..=64).contains(&named.name.len())
                && !named.name.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        if named.iter().all(is_sound) { Ok(act) } else { Err(ActError::Name) }
    }

    /// The payload that [`Act::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        // Strings and lists of strings can't fail to be written.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// There is no charter.
    Unchartered,
    /// It is the key of the member of this name.
    Member(&'a str),
    /// It was one.
    Retired,
    /// The charter does not name it.
    Stranger,
}

/// An act with who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The key under the seal of its update.
    pub author: PublicKey,
    /// The id of its update.
    pub cid: Cid,
    /// What it says.
    pub act: Act,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    is_retired: bool,
}

/// What all acts together say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charter {
    founding: Option<Cid>,
    members: BTreeMap<PublicKey, Entry>,
    /// How many acts count.
    epoch: u64,
}

impl Charter {
    /// The charter of these acts. Of several foundings the one that this node held first counts,
    /// since a later one can't be told from a usurper's: `pinned` names it.
    pub fn of(acts: &[Signed], pinned: Option<Cid>) -> Self {
        let mut charter = Self::default();
        let is_pinned = |signed: &&Signed| Some(signed.cid) == pinned;
        let Some(founding) = acts.iter().find(is_pinned) else { return charter };
        let Act::Found { members } = &founding.act else { return charter };
        if !members.iter().any(|member| member.key == founding.author) {
            return charter;
        }
        charter.founding = Some(founding.cid);
        charter.epoch = 1;
        for member in members {
            charter.add(member);
        }
        let mut waiting: Vec<&Signed> = acts.iter().collect();
        waiting.sort_unstable_by_key(|signed| signed.cid);
        waiting.dedup_by_key(|signed| signed.cid);
        loop {
            let before = waiting.len();
            waiting.retain(|signed| !charter.count(signed));
            if waiting.len() == before {
                return charter;
            }
        }
    }

    /// Takes an act whose author is known; false when the author is not, yet.
    fn count(&mut self, signed: &Signed) -> bool {
        if !self.members.contains_key(&signed.author) {
            return false;
        }
        match &signed.act {
            Act::Found { .. } => return true,
            Act::Add(named) => self.add(named),
            Act::Retire { key } => {
                let nameless = || Entry { name: String::new(), is_retired: true };
                if self.members.len() < MEMBERS_MAX || self.members.contains_key(key) {
                    self.members.entry(*key).or_insert_with(nameless).is_retired = true;
                }
            }
        }
        self.epoch += 1;
        true
    }

    fn add(&mut self, named: &Named) {
        if self.members.len() >= MEMBERS_MAX && !self.members.contains_key(&named.key) {
            return;
        }
        let unnamed = || Entry { name: named.name.clone(), is_retired: false };
        let entry = self.members.entry(named.key).or_insert_with(unnamed);
        // Named twice: the lesser name, whatever came first.
        if entry.name.is_empty() || named.name < entry.name {
            entry.name.clone_from(&named.name);
        }
    }

    /// How a key stands.
    pub fn standing(&self, key: &PublicKey) -> Standing<'_> {
        match self.members.get(key) {
            _ if self.founding.is_none() => Standing::Unchartered,
            None => Standing::Stranger,
            Some(entry) if entry.is_retired => Standing::Retired,
            Some(entry) => Standing::Member(&entry.name),
        }
    }

    /// The id of the act that began it; none when there is no charter.
    pub fn founding(&self) -> Option<Cid> {
        self.founding
    }

    /// How many acts count: it grows with each change.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// All keys ever named, ascending: key, name, true when retired.
    pub fn keys(&self) -> impl Iterator<Item = (&PublicKey, &str, bool)> {
        self.members.iter().map(|(key, entry)| (key, &entry.name[..], entry.is_retired))
    }

    /// The key whose owner speaks for the member of this name: of several the least, at every
    /// node, until the others are retired. Were the words of all of them believed, each would undo
    /// what another one said, and they would go round for ever.
    pub fn key_of(&self, name: &str) -> Option<PublicKey> {
        let mut keys = self.keys();
        keys.find(|(_, of, is_retired)| !is_retired && *of == name).map(|(key, ..)| *key)
    }

    /// The keys that are not retired and do not speak for their names.
    pub fn mute(&self) -> Vec<(&PublicKey, &str)> {
        let mut spoken_for = BTreeSet::new();
        let members = self.keys().filter(|(.., is_retired)| !is_retired);
        let mute = members.filter(|(_, name, _)| !spoken_for.insert(*name));
        mute.map(|(key, name, _)| (key, name)).collect()
    }

    /// The names of those who are members now.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.keys().filter(|(.., is_retired)| !is_retired).map(|(_, name, _)| name)
    }
}

/// A key as its text.
mod as_text {
    use super::PublicKey;
    use serde::{Deserialize, Deserializer, Serializer, de};
    use std::borrow::Cow;

    pub(super) fn serialize<S: Serializer>(key: &PublicKey, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(key)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PublicKey, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;

    fn key(n: u8) -> PublicKey {
        PublicKey([n; 32])
    }

    fn named(n: u8) -> Named {
        Named { name: format!("node{n}"), key: key(n) }
    }

    fn signed(author: u8, id: u8, act: Act) -> Signed {
        Signed { author: key(author), cid: Cid([id; 32]), act }
    }

    fn acts() -> Vec<Signed> {
        vec![
            signed(1, 10, Act::Found { members: vec![named(1), named(2)] }),
            signed(2, 11, Act::Add(named(3))),
            signed(3, 12, Act::Add(named(4))),
            signed(4, 13, Act::Retire { key: key(3) }),
            // Neither is nor will be a member: none of these counts.
            signed(9, 14, Act::Add(named(8))),
            signed(8, 15, Act::Retire { key: key(1) }),
            signed(9, 16, Act::Found { members: vec![named(9)] }),
        ]
    }

    #[test]
    fn the_order_of_acts_does_not_matter() {
        let pinned = Some(Cid([10; 32]));
        let wanted = Charter::of(&acts(), pinned);
        let names: Vec<&str> = wanted.members().collect();
        assert_eq!((names, wanted.epoch()), (vec!["node1", "node2", "node4"], 4));
        assert_eq!(wanted.standing(&key(3)), Standing::Retired);
        assert_eq!(wanted.standing(&key(8)), Standing::Stranger);
        assert_eq!(wanted.standing(&key(4)), Standing::Member("node4"));
        let mut rng = Rng::new(1);
        for _ in 0..200 {
            let mut shuffled = acts();
            for at in (1..shuffled.len()).rev() {
                shuffled.swap(at, rng.below(at as u64 + 1) as usize);
            }
            assert_eq!(Charter::of(&shuffled, pinned), wanted);
        }
    }

    #[test]
    fn of_several_keys_under_one_name_one_speaks_for_it_at_every_node() {
        let mut acts = acts();
        let again = |n| Act::Add(Named { name: "node2".to_owned(), key: key(n) });
        acts.extend([signed(1, 18, again(7)), signed(1, 19, again(5))]);
        let pinned = Some(Cid([10; 32]));
        let charter = Charter::of(&acts, pinned);
        assert_eq!(charter.key_of("node2"), Some(key(2)));
        assert_eq!(charter.mute(), [(&key(5), "node2"), (&key(7), "node2")]);
        acts.push(signed(1, 20, Act::Retire { key: key(2) }));
        let charter = Charter::of(&acts, pinned);
        assert_eq!((charter.key_of("node2"), charter.key_of("node3")), (Some(key(5)), None));
        assert_eq!(charter.mute(), [(&key(7), "node2")]);
    }

    #[test]
    fn an_act_whose_author_is_added_later_counts_then() {
        let mut acts = acts();
        acts.remove(1);
        let pinned = Some(Cid([10; 32]));
        let before = Charter::of(&acts, pinned);
        assert_eq!(before.standing(&key(4)), Standing::Stranger);
        acts.push(signed(1, 17, Act::Add(named(3))));
        let after = Charter::of(&acts, pinned);
        assert_eq!(after.standing(&key(4)), Standing::Member("node4"));
    }

    #[test]
    fn without_a_founding_that_is_its_authors_there_is_no_charter() {
        let charter = Charter::of(&acts()[1..], None);
        assert_eq!(charter.standing(&key(1)), Standing::Unchartered);
        let usurped = [signed(5, 1, Act::Found { members: vec![named(6)] })];
        let charter = Charter::of(&usurped, Some(Cid([1; 32])));
        assert_eq!(charter.standing(&key(6)), Standing::Unchartered);
    }

    #[test]
    fn acts_come_back_from_their_json_and_bad_ones_are_refused() {
        for signed in acts() {
            assert_eq!(Act::decode(&signed.act.encode()), Ok(signed.act));
        }
        let named = |name: &str| {
            format!(r#"{{"act":"add","name":"{name}","key":"{}"}}"#, key(1)).into_bytes()
        };
        assert!(Act::decode(&named("Hill")).is_ok());
        assert_eq!(Act::decode(&named("two words")), Err(ActError::Name));
        assert_eq!(Act::decode(&named("")), Err(ActError::Name));
        assert_eq!(Act::decode(br#"{"act":"found","members":[]}"#), Err(ActError::Members));
        for bad in [&b"{}"[..], b"[", br#"{"act":"add","name":"x","key":"00"}"#] {
            assert!(matches!(Act::decode(bad), Err(ActError::Json(_))));
        }
    }
}
