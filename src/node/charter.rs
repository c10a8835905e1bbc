//! The charter as this node holds it: its acts in the index, what they say together, and which
//! links it ends.

use super::Node;
use crate::base::plant::{Bug, is_planted};
use crate::herd::{Act, Charter, Signed, Standing};
use crate::news::Shelf;
use crate::reactor::{ConnId, Ctx};
use crate::store::{Direction, StoreError};
use crate::update::{Cid, Dot, Epoch, Update};
use serde_json::{Value, json};
use std::ops::Bound;

/// The index's rows of acts: `m`, then the cid of an act; the value is its dot. The founding that
/// counts is under `m` alone.
const ACTS: u8 = b'm';
/// More acts than any herd has; those beyond are kept, and change nothing.
const ACTS_MAX: usize = 16_384;

impl Node {
    /// Reads what all acts together say, and ends the links that it has no place for.
    pub(super) fn read_charter(&mut self, cx: &mut Ctx<'_, Self>) {
        self.is_charter_stale = false;
        self.load_charter();
        for (name, conn) in self.linked() {
            if let Err(why) = self.judge(cx, conn, &name)
                && !is_planted(Bug::KeepRetired)
            {
                log::warn!("link to {name} ends: {why}");
                cx.transport_of(conn).close();
            }
        }
    }

    fn linked(&self) -> Vec<(String, ConnId)> {
        let members = self.roll.members();
        members.filter_map(|(name, member)| Some((name.to_owned(), member.link?))).collect()
    }

    /// Reads what all acts together say.
    pub(super) fn load_charter(&mut self) {
        match self.signed_acts() {
            Ok((acts, pinned)) => {
                let charter = Charter::of(&acts, pinned);
                self.acts = acts;
                if charter != self.charter {
                    let members = charter.members().count();
                    log::info!("charter: {members} members by {} acts", charter.epoch());
                    for (key, name) in charter.mute() {
                        log::warn!(
                            "{name} has more than one key: until it is the only one, the words of \
                             {key} on what is on its disk do not count"
                        );
                    }
                    self.roll.set_counted(charter.members().map(str::to_owned));
                    self.charter = charter;
                    let charter = &self.charter;
                    self.roll.forget_held(|key| charter.standing(key) == Standing::Retired);
                }
            }
            Err(error) => log::error!("the charter can't be read: {error}"),
        }
    }

    /// All acts that can be read, by their cids. Those that were read before are not read again: so
    /// what the log lost since counts on.
    fn signed_acts(&self) -> Result<(Vec<Signed>, Option<Cid>), StoreError> {
        let index = self.store.index();
        let pinned = Shelf::get(index, &[ACTS])?.and_then(|row| row.try_into().ok()).map(Cid);
        let (from, to) = ([ACTS, 0], [ACTS + 1]);
        let bounds = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
        let rows = Shelf::scan(index, bounds.0, bounds.1, ACTS_MAX, Direction::Up)?;
        let (mut acts, mut lost) = (Vec::new(), 0);
        for (key, dot) in rows {
            let known = self.acts.binary_search_by(|act| act.cid.0[..].cmp(&key[1..]));
            if let Ok(at) = known {
                acts.push(self.acts[at].clone());
                continue;
            }
            let Some(dot) = dot_of(&dot) else { continue };
            acts.extend(self.signed_act(dot)?);
            lost += usize::from(self.store.is_lost(dot));
        }
        if lost > 0 {
            log::error!(
                "the log lost {lost} acts of the charter: it is read without them until a peer has \
                 given them back"
            );
        }
        Ok((acts, pinned))
    }

    /// An act with who said it; nothing when the log lost either.
    fn signed_act(&self, dot: Dot) -> Result<Option<Signed>, StoreError> {
        let author = match self.store.find_seal(dot)? {
            Some(seal) => seal.key,
            // Shown from memory, and to be signed with what else the turn or the batch brings.
            None if !self.store.is_sealed(dot) => self.key.public(),
            None => return Ok(None),
        };
        let Some(update) = self.store.find(dot)? else { return Ok(None) };
        let act = Act::decode(update.payload()).ok();
        Ok(act.map(|act| Signed { author, cid: update.cid(), act }))
    }

    /// `/v1/charter`.
    pub(super) fn show_charter(&self) -> Value {
        let members: Vec<Value> = self
            .charter
            .keys()
            .map(|(key, name, is_retired)| {
                json!({"name": name, "key": key.to_string(), "retired": is_retired})
            })
            .collect();
        json!({
            "node": self.config.name,
            "key": self.key.public().to_string(),
            "founding": self.charter.founding().map(|cid| cid.to_string()),
            "epoch": self.charter.epoch(),
            "members": members,
        })
    }
}

/// Takes an act into the index: once or often, in any order.
pub(super) fn enter(shelf: &mut impl Shelf, update: &Update) -> Result<(), StoreError> {
    let act = match Act::decode(update.payload()) {
        Ok(act) => act,
        Err(error) => {
            log::warn!("update {} of {} changes nothing: {error}", update.cid(), update.origin());
            return Ok(());
        }
    };
    if matches!(act, Act::Found { .. }) {
        match shelf.get(&[ACTS])? {
            None => shelf.put(vec![ACTS], update.cid().0.to_vec()),
            Some(pinned) if pinned != update.cid().0 => {
                log::error!("{} founds a second charter; the first one counts", update.origin());
            }
            Some(_) => {}
        }
    }
    let Dot { epoch, seq } = update.dot();
    let dot = [epoch.0.to_be_bytes(), seq.to_be_bytes()].concat();
    shelf.put([&[ACTS][..], &update.cid().0].concat(), dot);
    Ok(())
}

fn dot_of(row: &[u8]) -> Option<Dot> {
    let (epoch, seq) = row.split_first_chunk::<8>()?;
    let seq = u64::from_be_bytes(seq.try_into().ok()?);
    Some(Dot { epoch: Epoch(u64::from_be_bytes(*epoch)), seq })
}
