//! Those who write in a simulated herd: stories with conflicts, reports, bytes on topics.

use super::host::{Host, Written};
use crate::base::Rng;
use crate::config::Durability;
use crate::news;
use crate::node::Node;
use crate::proto::line::Command;
use crate::reactor::Ctx;
use crate::serve::line::{PlacesDesk, ReportAnswer};
use crate::serve::{Desk, Entry, Receipt, Refusal};
use crate::update::{Cid, Kind};

const STORIES: u64 = 4;
const IDS: u64 = 3;
const BODY_BYTES_MAX: u64 = 600;
/// More than the window of a link.
const LARGE_BYTES: u64 = 6_000;

/// Publishes something at a node that is up.
pub(super) fn publish(host: &mut Host, rng: &mut Rng, durability: Durability) {
    let Some(up) = &mut host.up else { return };
    let receipt = up.sim.with(|cx, node| match rng.below(10) {
        0..5 => revise(cx, node, rng, durability),
        5 => {
            report(cx, node, rng);
            None
        }
        _ => Some(say(cx, node, rng, durability)),
    });
    let Some(receipt) = receipt else { return };
    match receipt {
        Ok(Receipt { dot, cid, ticket: Some(ticket) }) => {
            let is_local = durability == Durability::Local;
            up.waiting.push(Written { ticket, dot, cid, is_local });
        }
        Ok(Receipt { dot, ticket: None, .. }) => {
            assert!(durability == Durability::None, "{dot} did not wait for the disk");
            assert!(up.sim.state.store.contains(dot), "{dot} is to be read at once");
        }
        Err(Refusal::Failing | Refusal::Busy(_) | Refusal::Draining) => {}
        Err(refusal) => panic!("{}: {refusal}", host.name),
    }
}

fn say(
    cx: &mut Ctx<'_, Node>,
    node: &mut Node,
    rng: &mut Rng,
    durability: Durability,
) -> Result<Receipt, Refusal> {
    let bytes = if rng.chance(1, 20) { LARGE_BYTES } else { rng.below(BODY_BYTES_MAX) };
    let payload: Vec<u8> = (0..bytes).map(|_| rng.next_u64() as u8).collect();
    let entry = Entry {
        kind: Kind::Data,
        topic: "weather",
        media_type: "application/octet-stream",
        alias: "",
        parents: Vec::new(),
        payload: &payload,
    };
    node.publish(cx, entry, durability)
}

/// Writes a revision on the head, or on all heads, or, now and then, on none of them. Nothing while
/// another is on its way to the disk.
fn revise(
    cx: &mut Ctx<'_, Node>,
    node: &mut Node,
    rng: &mut Rng,
    durability: Durability,
) -> Option<Result<Receipt, Refusal>> {
    let title = format!("story {}", rng.below(STORIES));
    if node.writing(&title).is_some() {
        return None;
    }
    let story = news::story(node.store.index(), &title).expect("the index is read");
    let heads = story.map(|story| story.heads).unwrap_or_default();
    let follows = match rng.below(8) {
        0 => 0,
        1 | 2 => heads.len(),
        _ => heads.len().min(1),
    };
    let heads = &heads[..follows];
    let parents: Vec<Cid> = heads.iter().map(|head| head.cid).collect();
    let body = format!("{} by {}", rng.next_u64(), node.config.name);
    let revision = news::Revision {
        generation: 1 + heads.iter().map(|head| head.generation).max().unwrap_or(0),
        title: &title,
        headline: &body,
        section: ["home", "abroad"][rng.below(2) as usize],
        located: news::Located::from_degrees(rng.below(90) as f64, rng.below(180) as f64),
        body: body.as_bytes(),
        ..news::Revision::default()
    };
    let payload = revision.encode().expect("a good revision");
    let entry = Entry {
        kind: Kind::Revision,
        topic: news::TOPIC_STORIES,
        media_type: "text/plain",
        alias: "",
        parents,
        payload: &payload,
    };
    Some(node.publish(cx, entry, durability))
}

/// Someone says where they are.
fn report(cx: &mut Ctx<'_, Node>, node: &mut Node, rng: &mut Rng) {
    let ms = cx.wall_ns() / 1_000_000;
    let (id, lat, lon) = (rng.below(IDS), rng.below(90), rng.below(180));
    let line = format!("IAMAT id{id} +{lat}.5-{lon}.25 {}.{:03}", ms / 1000, ms % 1000);
    let Command::Iamat { id, latlon, time } = Command::parse(line.as_bytes()) else {
        panic!("{line} is no report");
    };
    let answer = node.report(cx, id, &latlon, &time);
    let failing = node.refusal(cx).is_some();
    assert!(failing || answer != ReportAnswer::Refused, "{line} is refused");
}
