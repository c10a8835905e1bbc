//! What a node shows of itself: metrics, the view of the herd, and updates as JSON.

use super::Node;
use crate::herd::Member;
use crate::metrics::{DURATION_NS_BOUNDS, Exposition, Histogram, Unit};
use crate::news;
use crate::reactor::{Class, Ctx, Lost, process_figures};
use crate::store::Index;
use crate::update::{Hlc, Kind, Span, Update};
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
    /// Audits that came to their end, and what they found: updates that one of the two lacked.
    pub(super) audits: u64,
    pub(super) audit_differences: u64,
    /// Updates that the log had lost, and has again.
    pub(super) restored: u64,
    /// From the start of each group written to the log to its end, in nanoseconds.
    pub(super) fsync_ns: Histogram,
}

impl Default for Figures {
    fn default() -> Self {
        let fsync_ns = Histogram::new(DURATION_NS_BOUNDS);
        Self {
            accepted: 0,
            received: 0,
            duplicates: 0,
            flooded: 0,
            audits: 0,
            audit_differences: 0,
            restored: 0,
            fsync_ns,
        }
    }
}

/// An update as contract.md's JSON. What belonged to a story that is withdrawn says nothing, also
/// while its payload is not erased yet.
pub(super) fn render(index: &Index, update: &Update) -> Vec<u8> {
    let story = match news::title_of(update).map(|title| news::story(index, title)) {
        Some(Ok(story)) if update.kind() == Kind::Revision => story,
        Some(Err(error)) => {
            log::error!("the story of {} can't be read: {error}", update.cid());
            None
        }
        _ => None,
    };
    let is_withdrawn = story.as_ref().is_some_and(|story| story.withdrawn.is_some());
    let view = if is_withdrawn {
        news::UpdateView::erased(update)
    } else {
        let conflicts = story.map(|story| story.conflict_ids());
        news::UpdateView::of(update, &conflicts.unwrap_or_default())
    };
    // A view holds text and numbers only, which always have a JSON form.
    serde_json::to_vec(&view).unwrap_or_default()
}

/// `/v1/herd`.
pub(super) fn herd_view(node: &Node, cx: &Ctx<'_, Node>) -> Value {
    let me = node.roll.me();
    let now_ms = cx.wall_ns() / 1_000_000;
    let at = |ms: u64| news::at_text(Hlc::from_ms(ms));
    let mut nodes = vec![json!({
        "name": me.name, "epoch": me.epoch.to_string(), "version": me.version,
        "up": true, "last_seen": at(now_ms), "lag_updates": 0,
    })];
    let mut links = Vec::new();
    for (name, member) in node.roll.members() {
        nodes.push(json!({
            "name": name, "epoch": member.epoch.map(|epoch| epoch.to_string()),
            "version": member.version, "up": member.link.is_some(),
            "last_seen": member.last_seen_wall_ms.map(at),
            "lag_updates": count(&node.store.held().beyond(member.held.vector())),
        }));
        let view = member.view.unwrap_or_default();
        let mode = member.view.map_or("announce", |view| view.mode);
        links.push(json!({
            "from": me.name, "to": name, "state": link_state(member), "mode": mode,
            "lag_updates": view.lag_updates, "rtt_ms": view.rtt_ms,
        }));
    }
    json!({
        "name": me.name, "nodes": nodes, "links": links, "vector": vector_view(node),
        "durability": node.config.durability.to_string(), "majority": 1 + node.roll.majority(),
    })
}

/// What is on disk here: by the origin's name, by epoch, runs of sequence numbers.
fn vector_view(node: &Node) -> Value {
    let mut origins: BTreeMap<String, BTreeMap<String, Vec<[u64; 2]>>> = BTreeMap::new();
    for Span { epoch, from, to } in node.store.held().spans() {
        let epoch_name = epoch.to_string();
        // Of an epoch of which nothing is left, only its dots, nobody says who published it.
        let origin = node.origins.get(&epoch).unwrap_or(&epoch_name).clone();
        let epochs = origins.entry(origin).or_default();
        epochs.entry(epoch_name).or_default().push([from, to]);
    }
    json!(origins)
}

fn count(spans: &[Span]) -> u64 {
    spans.iter().fold(0, |sum, span| span.count().saturating_add(sum))
}

/// What a link may be, in the order of its life.
const LINK_STATES: [&str; 4] = ["down", "greeting", "syncing", "up"];

pub(super) fn link_state<L>(member: &Member<L>) -> &'static str {
    match (&member.link, &member.view) {
        (None, _) => "down",
        (Some(_), None) => "greeting",
        (Some(_), Some(view)) => view.state,
    }
}

/// The node's metrics: the process's, the loop's, the store's, the herd's.
pub(super) fn expose(node: &Node, cx: &Ctx<'_, Node>, out: &mut Exposition) {
    let help = "1, with the version of the software.";
    let version = [("version", node.roll.me().version.as_str())];
    out.gauge("bellwether_build_info", help, &version, 1_u64);
    expose_process(cx, out);
    expose_loop(cx, out);
    expose_store(node, out);
    expose_herd(node, out);
    expose_spread(node, out);
    expose_audits(node, out);
}

fn expose_audits(node: &Node, out: &mut Exposition) {
    let Figures { audits, audit_differences, restored, .. } = &node.figures;
    let help = "Comparisons of all that is held here with a peer that came to their end.";
    out.counter("bellwether_audits_total", help, &[], *audits);
    let help = "Updates that these found at one of the two only.";
    out.counter("bellwether_audit_differences_total", help, &[], *audit_differences);
    let help = "Updates that can't be read, as the log is damaged there; peers are asked for them.";
    out.gauge("bellwether_log_lost_updates", help, &[], node.store.lost().count());
    let help = "Updates that the log had lost and peers gave back.";
    out.counter("bellwether_log_restored_updates_total", help, &[], *restored);
}

/// Under the names that Prometheus' own clients use.
fn expose_process(cx: &Ctx<'_, Node>, out: &mut Exposition) {
    let Some(figures) = process_figures() else { return };
    let help = "CPU time used.";
    let cpu = Unit::Milliseconds.of(figures.cpu_ms);
    out.counter("process_cpu_seconds_total", help, &[], cpu);
    let started_s = (cx.wall_ns() / 1_000_000_000).saturating_sub(figures.age_s);
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Memory in use.", figures.resident_bytes),
        ("process_virtual_memory_bytes", "Address space in use.", figures.virtual_bytes),
        ("process_threads", "Threads.", figures.threads),
        ("process_start_time_seconds", "When it started, since 1970.", started_s),
    ] {
        out.gauge(name, help, &[], value);
    }
    if let Some(fds) = figures.open_fds {
        out.gauge("process_open_fds", "Open descriptors.", &[], fds);
    }
}

fn expose_spread(node: &Node, out: &mut Exposition) {
    let spread = &node.spread;
    let help = "Writes on this node's disk that wait for those of other nodes.";
    out.gauge("bellwether_spread_waiting", help, &[], spread.len());
    let help = "Writes for the disks of several nodes, by whether they got there in time.";
    for (how, value) in [("met", spread.met), ("late", spread.unmet)] {
        out.counter("bellwether_spread_total", help, &[("how", how)], value);
    }
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
        ("bellwether_proxies_refused_total", "No good PROXY header.", stats.proxies_refused),
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
    let full = stats.handshakes - stats.handshakes_resumed;
    for (how, value) in
        [("full", full), ("resumed", stats.handshakes_resumed), ("failed", stats.handshakes_failed)]
    {
        let help = "TLS handshakes of accepted connections, by what came of them.";
        out.counter("bellwether_handshakes_total", help, &[("how", how)], value);
    }
    out.gauge("bellwether_handshakes", "TLS handshakes under way.", &[], stats.handshaking);
    let help = "Times that connections had to wait for the end of a handshake to be accepted.";
    out.counter("bellwether_handshakes_full_total", help, &[], stats.handshakes_full);
    let help = "Connections closed for having been one TLS handshake too many.";
    out.counter("bellwether_handshakes_refused_total", help, &[], stats.handshakes_refused);
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
        for state in LINK_STATES {
            let labels = [("peer", name), ("state", state)];
            let help = "1 for the state that the link to the peer is in.";
            out.gauge("bellwether_link_state", help, &labels, state == link_state(member));
        }
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
