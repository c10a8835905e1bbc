//! What a node shows of itself: metrics, the view of the herd, and updates as JSON.

use super::Node;
use crate::metrics::{DURATION_NS_BOUNDS, Exposition, Histogram, Unit};
use crate::news;
use crate::reactor::{Class, Ctx, Lost};
use crate::store::Index;
use crate::update::{Cid, Kind, Update};
use serde_json::{Value, json};

/// What the node counts.
#[derive(Debug)]
pub(super) struct Figures {
    /// Local updates.
    pub(super) accepted: u64,
    /// Updates from peers that were new.
    pub(super) received: u64,
    /// Updates from peers that were known.
    pub(super) duplicates: u64,
    /// Updates handed on, counted on each link.
    pub(super) flooded: u64,
    /// From the start of each group written to the log to its end, in nanoseconds.
    pub(super) fsync_ns: Histogram,
}

impl Default for Figures {
    fn default() -> Self {
        let fsync_ns = Histogram::new(DURATION_NS_BOUNDS);
        Self { accepted: 0, received: 0, duplicates: 0, flooded: 0, fsync_ns }
    }
}

/// An update as contract.md's JSON.
pub(super) fn render(index: &Index, update: &Update) -> Vec<u8> {
    let conflicts = conflicts(index, update);
    let view = news::UpdateView::of(update, &conflicts);
    // A view holds text and numbers only, which always have a JSON form.
    serde_json::to_vec(&view).unwrap_or_default()
}

/// The heads that stand beside a revision's story's head now.
fn conflicts(index: &Index, update: &Update) -> Vec<Cid> {
    if update.kind() != Kind::Revision {
        return Vec::new();
    }
    let Ok(revision) = news::Revision::decode(update.payload()) else { return Vec::new() };
    match news::story(index, revision.title) {
        Ok(Some(story)) => story.conflict_ids(),
        Ok(None) => Vec::new(),
        Err(error) => {
            log::error!("the story {:?} can't be read: {error}", revision.title);
            Vec::new()
        }
    }
}

/// `/v1/herd`.
pub(super) fn herd_view(node: &Node, cx: &Ctx<'_, Node>) -> Value {
    let me = node.roll.me();
    let now_ms = cx.wall_ns() / 1_000_000;
    let at = |ms: u64| news::at_text(crate::update::Hlc::from_ms(ms));
    let mut nodes = vec![json!({
        "name": me.name, "epoch": me.epoch.to_string(), "version": env!("CARGO_PKG_VERSION"),
        "up": true, "last_seen": at(now_ms),
    })];
    let mut links = Vec::new();
    for (name, member) in node.roll.members() {
        nodes.push(json!({
            "name": name, "epoch": member.epoch.map(|epoch| epoch.to_string()), "version": null,
            "up": member.link.is_some(), "last_seen": member.last_seen_wall_ms.map(at),
        }));
        let view = member.view.unwrap_or_default();
        let state = match (member.link, member.view) {
            (None, _) => "down",
            (Some(_), None) => "greeting",
            (Some(_), Some(view)) => view.state,
        };
        links.push(json!({
            "from": me.name, "to": name, "state": state, "mode": "eager",
            "lag_updates": view.lag_updates, "rtt_ms": view.rtt_ms,
        }));
    }
    let mut vector = serde_json::Map::new();
    for span in node.store.held().spans() {
        let runs = vector.entry(span.epoch.to_string()).or_insert_with(|| json!([]));
        if let Value::Array(runs) = runs {
            runs.push(json!([span.from, span.to]));
        }
    }
    json!({"name": me.name, "nodes": nodes, "links": links, "vector": vector})
}

/// The node's metrics: the loop's, the store's, the herd's.
pub(super) fn expose(node: &Node, cx: &Ctx<'_, Node>, out: &mut Exposition) {
    expose_loop(cx, out);
    expose_store(node, out);
    expose_herd(node, out);
}

fn expose_loop(cx: &Ctx<'_, Node>, out: &mut Exposition) {
    let stats = cx.stats();
    for class in Class::ALL {
        let label = [("class", class.label())];
        let open = stats.open[class as usize];
        out.gauge("bellwether_connections", "Open connections.", &label, open);
        for reason in Lost::ALL {
            let labels = [("class", class.label()), ("reason", reason.label())];
            let lost = stats.lost_by(class, reason);
            let help = "Connections that ended, by reason.";
            out.counter("bellwether_connections_lost_total", help, &labels, lost);
        }
    }
    for (name, help, value) in [
        ("bellwether_accepted_total", "Connections accepted.", stats.accepted),
        ("bellwether_refused_total", "Connections closed at accept: too many.", stats.refused),
        ("bellwether_accept_errors_total", "Failed accepts.", stats.accept_errors),
        ("bellwether_accept_exhausted_total", "Accepts short of files.", stats.accept_exhausted),
        ("bellwether_connect_failed_total", "Dials that never came up.", stats.connect_failed),
        ("bellwether_received_bytes_total", "Bytes read from sockets.", stats.bytes_in),
        ("bellwether_sent_bytes_total", "Bytes written to sockets.", stats.bytes_out),
        ("bellwether_panics_total", "Protocols that panicked.", stats.panics),
        ("bellwether_slow_turns_total", "Turns of the loop over the limit.", stats.slow_turns),
        ("bellwether_jobs_total", "Blocking jobs given to the pool.", stats.jobs),
    ] {
        out.counter(name, help, &[], value);
    }
    out.gauge("bellwether_jobs_waiting", "Blocking jobs under way.", &[], stats.jobs_waiting);
    out.gauge("bellwether_timers", "Timers armed.", &[], stats.timers_armed);
    let help = "How long a turn of the loop took, the wait for events left out.";
    out.histogram("bellwether_turn_seconds", help, &[], &stats.turn_ns, Unit::Nanoseconds);
}

fn expose_store(node: &Node, out: &mut Exposition) {
    let store = &node.store;
    let help = "How long a group of updates took to be written and synced.";
    let unit = Unit::Nanoseconds;
    out.histogram("bellwether_fsync_seconds", help, &[], &node.figures.fsync_ns, unit);
    for (name, help, value) in [
        ("bellwether_pending_bytes", "Bytes that wait for the disk.", store.pending_bytes()),
        ("bellwether_overlay_bytes", "Index entries not yet on disk.", store.overlay_bytes()),
    ] {
        out.gauge(name, help, &[], value);
    }
    let help = "1 while the disk refuses writes.";
    out.gauge("bellwether_disk_failing", help, &[], u64::from(node.commits.is_failing));
    let help = "Updates held on disk.";
    out.gauge("bellwether_updates_held", help, &[], store.held().count());
}

fn expose_herd(node: &Node, out: &mut Exposition) {
    let figures = &node.figures;
    let help = "Updates published here, new from peers, known from peers, handed on to peers.";
    for (how, value) in [
        ("accepted", figures.accepted),
        ("received", figures.received),
        ("duplicate", figures.duplicates),
        ("flooded", figures.flooded),
    ] {
        out.counter("bellwether_updates_total", help, &[("how", how)], value);
    }
    for (name, member) in node.roll.members() {
        let view = member.view.unwrap_or_default();
        let label = [("peer", name)];
        let up = u64::from(member.link.is_some());
        out.gauge("bellwether_link_up", "1 while a link to the peer stands.", &label, up);
        let help = "Updates on disk here that the peer has not said to have on disk.";
        out.gauge("bellwether_link_lag_updates", help, &label, view.lag_updates);
        let help = "Bytes sent that the peer has not taken.";
        out.gauge("bellwether_link_unacknowledged_bytes", help, &label, view.unacknowledged_bytes);
        let help = "Updates flooded to the peer on the present link.";
        out.gauge("bellwether_link_flooded_updates", help, &label, view.sent_updates);
    }
    let (links, readers) = (node.audience.links(), node.audience.readers());
    out.gauge("bellwether_links", "Peer connections.", &[], links);
    out.gauge("bellwether_readers", "Connections that follow new updates.", &[], readers);
}
