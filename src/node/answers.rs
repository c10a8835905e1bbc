//! What this node answers when operators ask the herd.

use super::Node;
use super::expose::{expose, link_state};
use crate::config::Peer;
use crate::herd::Member;
use crate::metrics::Exposition;
use crate::reactor::{ConnId, Ctx};
use crate::serve::{About, Desk};
use crate::update::Cid;
use serde_json::{Value, json};

impl Node {
    /// The answer's body; `None` where others are asked.
    pub(super) fn answer(&self, cx: &Ctx<'_, Self>, about: &About) -> Option<Vec<u8>> {
        match about {
            About::Metrics => {
                let mut page = Exposition::new();
                expose(self, cx, &mut page);
                self.tally.expose(&mut page);
                Some(page.finish().into_bytes())
            }
            About::Glance => Some(self.glance(cx).to_string().into_bytes()),
            About::Detail(name) if *name == self.config.name => {
                Some(self.detail(cx).to_string().into_bytes())
            }
            About::Detail(_) => None,
            About::Trace(cid) => Some(self.trace(cx, *cid).to_string().into_bytes()),
        }
    }

    /// How this node is, and its links.
    fn glance(&self, cx: &Ctx<'_, Self>) -> Value {
        let links: Vec<Value> = self
            .roll
            .members()
            .filter(|(name, member)| self.is_neighbour(name, member))
            .map(|(name, member)| link_glance(name, member))
            .collect();
        let stats = cx.stats();
        let rates = self.hour.rates();
        let rate = |pick: fn(&super::hour::Rates) -> f32| {
            rates.as_ref().map(|rates| f64::from(pick(rates)).round())
        };
        json!({
            "name": self.config.name,
            "version": self.roll.me().version,
            "now_ms": cx.wall_ns() / 1_000_000,
            "unready": self.unready(),
            "updates": self.store.held().count(),
            "connections": stats.open_all(),
            "readers": self.audience.readers(),
            "slow_turns": stats.slow_turns,
            "requests_per_s": rate(|rates| rates.requests),
            "updates_per_s": rate(|rates| rates.updates),
            "bytes_out_per_s": rate(|rates| rates.bytes_out),
            "links": links,
        })
    }

    /// False for one that is known by the word of others only.
    fn is_neighbour(&self, name: &str, member: &Member<ConnId>) -> bool {
        let is_met = member.link.is_some() || member.last_seen.is_some();
        let is_dialled = |peer: &Peer| peer.name == name && peer.endpoint.is_some();
        is_met || self.config.peers.iter().any(is_dialled)
    }

    /// The last hour, slow turns, who is over limits.
    fn detail(&self, cx: &Ctx<'_, Self>) -> Value {
        let stats = cx.stats();
        let slow: Vec<Value> = stats
            .slow
            .iter()
            .map(|turn| {
                let at_ms = cx.wall_ns() / 1_000_000;
                let ago_ms = cx.now().saturating_sub(turn.at);
                json!({
                    "at_ms": at_ms.saturating_sub(ago_ms), "took_ms": turn.took_ms,
                    "did": turn.to_string(),
                })
            })
            .collect();
        let refused = stats.refused_from.most().into_iter();
        let refused = refused.map(|(ip, count)| ("too many connections", ip.to_string(), count));
        let over = self.tally.over().map(|(limit, from, count)| (limit, from.to_owned(), count));
        let over: Vec<Value> = refused
            .chain(over)
            .map(|(limit, from, count)| json!({"limit": limit, "from": from, "count": count}))
            .collect();
        json!({
            "name": self.config.name,
            "now_ms": cx.wall_ns() / 1_000_000,
            "log_level": log::max_level().as_str().to_ascii_lowercase(),
            "hour": self.hour.view(),
            "slow": slow,
            "over": over,
        })
    }

    /// When and how an update came here.
    fn trace(&self, cx: &Ctx<'_, Self>, cid: Cid) -> Value {
        let hop = self.hops.find(cid);
        let dot = hop.map(|(hop, _)| hop.dot).or_else(|| match self.store.dot_of(cid) {
            Ok(dot) => dot,
            Err(error) => {
                log::error!("an update can't be looked for: {error}");
                None
            }
        });
        let me = &self.config.name;
        // What the ring has forgotten is known a little less exactly.
        let exact = hop.map(|(hop, _)| hop.on_disk_ns / 1_000_000).filter(|ms| *ms > 0);
        let on_disk = exact.or_else(|| self.roll.held_by(me)?.since(dot?));
        json!({
            "node": me,
            "now_ms": cx.wall_ns() / 1_000_000,
            "held": dot.is_some(),
            "origin": dot.and_then(|dot| self.origins.get(&dot.epoch)),
            "from": hop.and_then(|(_, from)| from),
            "at_us": hop.map(|(hop, _)| hop.at_ns / 1_000),
            "on_disk_ms": on_disk,
            "trace_id": self.hops.trace(cid),
        })
    }
}

fn link_glance(name: &str, member: &Member<ConnId>) -> Value {
    let view = member.view.filter(|_| member.link.is_some()).unwrap_or_default();
    json!({
        "to": name,
        "state": link_state(member),
        "mode": view.mode,
        "lag_updates": view.lag_updates,
        "rtt_ms": view.rtt_ms,
        "sent_updates": view.sent_updates,
        "duplicate_updates": view.duplicate_updates,
        "unacknowledged_bytes": view.unacknowledged_bytes,
        "last_seen_ms": member.last_seen_wall_ms,
    })
}
