//! What operators do by hand on this node.

use super::Node;
use crate::config::Durability;
use crate::herd::{Act, TOPIC_CHARTER};
use crate::reactor::Ctx;
use crate::serve::{About, Action, Console, Desk, Entry, Gathered, Ticket};
use crate::update::{Cid, Kind, PublicKey};

const ACT_TYPE: &str = "application/json";

impl Console for Node {
    fn ask_herd(&mut self, cx: &mut Ctx<'_, Self>, about: &About) -> Option<u64> {
        self.ask_all(cx, about)
    }

    fn answers(&mut self, number: u64, conn: crate::reactor::ConnId) -> Option<Gathered> {
        self.answers_to(number, conn)
    }

    fn act(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        action: &Action,
        who: &str,
    ) -> Result<Option<Ticket>, String> {
        // Also what is refused is on record, at a level that none that can be set silences.
        log::error!("operator {who}: {action}");
        let done = match action {
            Action::Drain => {
                cx.stop();
                Ok(None)
            }
            Action::Dial(name) => self.dial_now(cx, name).map(|()| None),
            Action::Drop(name) => self.drop_link(cx, name).map(|()| None),
            Action::Retire(name) => self.retire(cx, name),
            Action::Level(level) => {
                log::set_max_level(*level);
                Ok(None)
            }
        };
        if let Err(why) = &done {
            log::error!("operator {who}: refused: {why}");
        }
        done
    }

    fn note_trace(&mut self, cid: Cid, trace_id: &str) {
        log::info!("update {cid} is of trace {trace_id}");
        self.hops.note_trace(cid, trace_id);
    }

    fn members(&self) -> Vec<(String, bool)> {
        let keys = self.charter.keys();
        keys.map(|(_, name, is_retired)| (name.to_owned(), is_retired)).collect()
    }
}

impl Node {
    fn drop_link(&mut self, cx: &mut Ctx<'_, Self>, name: &str) -> Result<(), String> {
        let mut members = self.roll.members();
        let link = members.find(|(known, _)| *known == name).and_then(|(_, member)| member.link);
        let link = link.ok_or_else(|| format!("no link to {name} stands here"))?;
        cx.transport_of(link).close();
        Ok(())
    }

    /// An act that retires a member's key, on its way to the disk.
    fn retire(&mut self, cx: &mut Ctx<'_, Self>, name: &str) -> Result<Option<Ticket>, String> {
        if name == self.config.name {
            return Err("a node does not retire itself: ask another one".to_owned());
        }
        let is_it =
            |(_, known, is_retired): &(&PublicKey, &str, bool)| *known == name && !is_retired;
        let key = self.charter.keys().find(is_it).map(|(key, ..)| *key);
        let key = key.ok_or_else(|| format!("no member {name} is on the charter here"))?;
        let payload = Act::Retire { key }.encode();
        let entry = Entry {
            kind: Kind::Charter,
            topic: TOPIC_CHARTER,
            media_type: ACT_TYPE,
            alias: "",
            parents: Vec::new(),
            payload: &payload,
        };
        let receipt = self.publish(cx, entry, Durability::Local);
        receipt.map(|receipt| receipt.ticket).map_err(|refusal| refusal.to_string())
    }
}
