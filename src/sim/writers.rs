//! Those who write in a simulated herd: stories with conflicts, reports, bytes on topics.

use super::host::{Host, Written as Wait};
use super::laws::{Breach, Kept, Law};
use super::plan::Plan;
use crate::base::{Rng, Tick};
use crate::config::Durability;
use crate::news;
use crate::node::Node;
use crate::proto::line::Command;
use crate::reactor::Ctx;
use crate::serve::line::{PlacesDesk, ReportAnswer};
use crate::serve::{Desk, Entry, Receipt, Refusal};
use crate::update::{Cid, Dot, Kind};

/// So few stories at a time, that revisions of them stand beside each other all the time.
const STORIES_CONTESTED: u64 = 4;
const STORIES: u64 = 1_000;
/// So many writes of a contested story, until it is an old one that is not written to any more.
const STORY_WRITES: u64 = 12;
const IDS: u64 = 3;
/// The topic of bytes of any kind.
const TOPIC: &str = "weather";
const BODY_BYTES_MAX: u64 = 600;
/// More than the window of a link.
const LARGE_BYTES: u64 = 6_000;

/// What came of an attempt to write: nothing, if there was nothing to write.
pub(super) type Written = Kept<Option<Result<Receipt, Refusal>>>;

/// What is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matter {
    /// Bytes on a topic, so many; `None`: stories, reports and bytes of all sizes.
    payload_bytes: Option<usize>,
    stories: u64,
    /// How many writes there were.
    writes: u64,
}

impl Matter {
    pub(super) fn of(plan: &Plan) -> Self {
        let stories = if plan.is_tight() { STORIES_CONTESTED } else { STORIES };
        Self { payload_bytes: plan.payload_bytes, stories, writes: 0 }
    }

    /// What is written next.
    pub(super) fn next(&mut self) -> Self {
        self.writes += 1;
        *self
    }

    /// One of the stories that are written to now.
    fn title(&self, rng: &mut Rng) -> String {
        format!("story {}", self.writes / STORY_WRITES / self.stories + rng.below(self.stories))
    }
}

/// How a publication was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is on its way.
    Yes,
    /// The node refuses writes for now.
    Refused,
    /// There was nothing to write, or nobody to write to, or it is not known by a name.
    Nothing,
}

/// Publishes something at a node that is up.
pub(super) fn publish(
    host: &mut Host,
    rng: &mut Rng,
    at: Tick,
    durability: Durability,
    matter: Matter,
) -> Kept<Taken> {
    publish_by(host, at, durability, |cx, node| match (matter.payload_bytes, rng.below(10)) {
        (Some(bytes), _) => Ok(Some(say(cx, node, rng, (TOPIC, bytes), durability))),
        (None, 0..5) if rng.chance(1, 12) => withdraw(cx, node, &matter.title(rng), durability),
        (None, 0..5) => revise(cx, node, rng, matter, durability),
        (None, 5) => report(cx, node, rng),
        (None, _) => {
            let large = rng.chance(1, 20);
            let bytes = if large { LARGE_BYTES } else { rng.below(BODY_BYTES_MAX) };
            Ok(Some(say(cx, node, rng, (TOPIC, bytes as usize), durability)))
        }
    })
}

/// Publishes at a node that is up what `write` writes there.
pub(super) fn publish_by(
    host: &mut Host,
    at: Tick,
    durability: Durability,
    write: impl FnOnce(&mut Ctx<'_, Node>, &mut Node) -> Written,
) -> Kept<Taken> {
    let Some(up) = &mut host.up else { return Ok(Taken::Nothing) };
    let next = up.sim.state.store().next_dot();
    let written = up.sim.with(write)?;
    let last = up.sim.state.store().next_dot();
    let same = last.epoch == next.epoch;
    let fresh = (next.seq..last.seq).filter(|_| same);
    host.unborn.extend(fresh.map(|seq| Dot { seq, ..next }));
    match written {
        None => Ok(Taken::Nothing),
        Some(Ok(Receipt { dot, cid, ticket: Some(ticket) })) => {
            up.waiting.push(Wait { ticket, dot, cid, durability, at });
            Ok(Taken::Yes)
        }
        Some(Ok(Receipt { dot, ticket: None, .. })) => {
            let is_there = up.sim.state.store().contains(dot);
            if durability == Durability::None && is_there {
                return Ok(Taken::Yes);
            }
            let what = format!("{} did not wait for the disk with {dot}", host.name);
            Err(Breach::new(Law::Acked, what))
        }
        Some(Err(Refusal::Failing | Refusal::Busy(_) | Refusal::Draining)) => Ok(Taken::Refused),
        Some(Err(refusal)) => Err(Breach::new(Law::Life, format!("{}: {refusal}", host.name))),
    }
}

/// Says bytes on a topic.
pub(super) fn say(
    cx: &mut Ctx<'_, Node>,
    node: &mut Node,
    rng: &mut Rng,
    (topic, bytes): (&str, usize),
    durability: Durability,
) -> Result<Receipt, Refusal> {
    let words = (0..bytes.div_ceil(8)).map(|_| rng.next_u64().to_le_bytes());
    let mut payload: Vec<u8> = words.flatten().collect();
    payload.truncate(bytes);
    let entry = Entry {
        kind: Kind::Data,
        topic,
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
    matter: Matter,
    durability: Durability,
) -> Written {
    let title = matter.title(rng);
    if node.writing(&title).is_some() {
        return Ok(None);
    }
    let story = story_of(node, &title)?;
    if story.as_ref().is_some_and(|story| story.withdrawn.is_some()) {
        return Ok(None);
    }
    let heads = story.map(|story| story.heads).unwrap_or_default();
    let follows = match rng.below(8) {
        0 => 0,
        1 | 2 => heads.len(),
        _ => heads.len().min(1),
    };
    let heads = &heads[..follows];
    let parents: Vec<Cid> = heads.iter().map(|head| head.cid).collect();
    let body = format!("{} by {}", rng.next_u64(), node.config().name);
    let revision = news::Revision {
        generation: 1 + heads.iter().map(|head| head.generation).max().unwrap_or(0),
        title: &title,
        headline: &body,
        section: ["home", "abroad"][rng.below(2) as usize],
        located: news::Located::from_degrees(rng.below(90) as f64, rng.below(180) as f64),
        body: body.as_bytes(),
        ..news::Revision::default()
    };
    let payload = revision
        .encode()
        .map_err(|error| Breach::new(Law::Life, format!("{title} has no form: {error:?}")))?;
    let entry = Entry {
        kind: Kind::Revision,
        topic: news::TOPIC_STORIES,
        media_type: "text/plain",
        alias: "",
        parents,
        payload: &payload,
    };
    Ok(Some(node.publish(cx, entry, durability)))
}

/// How a story stands at a node.
pub(super) fn story_of(node: &Node, title: &str) -> Kept<Option<news::Story>> {
    news::story(node.store().index(), title)
        .map_err(|error| Breach::new(Law::Life, format!("{title} can't be read: {error}")))
}

/// Withdraws a story that is there and was not withdrawn.
pub(super) fn withdraw(
    cx: &mut Ctx<'_, Node>,
    node: &mut Node,
    title: &str,
    durability: Durability,
) -> Written {
    let story = story_of(node, title)?;
    if node.writing(title).is_some() || story.is_none_or(|story| story.withdrawn.is_some()) {
        return Ok(None);
    }
    let payload = news::Withdrawal { title, reason: "it is not so", wire: b"" }
        .encode()
        .map_err(|error| Breach::new(Law::Life, format!("{title} has no form: {error:?}")))?;
    let entry = Entry {
        kind: Kind::Withdrawal,
        topic: news::TOPIC_STORIES,
        media_type: "application/octet-stream",
        alias: "",
        parents: Vec::new(),
        payload: &payload,
    };
    Ok(Some(node.publish(cx, entry, durability)))
}

/// Someone says where they are. What comes of it has no name that the reporter knows.
fn report(cx: &mut Ctx<'_, Node>, node: &mut Node, rng: &mut Rng) -> Written {
    let ms = cx.wall_ns() / 1_000_000;
    let (id, lat, lon) = (rng.below(IDS), rng.below(90), rng.below(180));
    let line = format!("IAMAT id{id} +{lat}.5-{lon}.25 {}.{:03}", ms / 1000, ms % 1000);
    let Command::Iamat { id, latlon, time } = Command::parse(line.as_bytes()) else {
        return Err(Breach::new(Law::Life, format!("{line} is no report")));
    };
    let can_write = node.unready().is_none() && !cx.draining();
    let answer = node.report(cx, id, &latlon, &time);
    if can_write && answer == ReportAnswer::Refused {
        let what = format!("{} is ready and refuses {line}", node.config().name);
        return Err(Breach::new(Law::Life, what));
    }
    Ok(None)
}
