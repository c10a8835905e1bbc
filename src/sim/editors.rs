//! Those who edit: notes of many lines, written on both sides of every cut, merged, overwritten and
//! withdrawn; articles that two nodes import apart; pictures, and small news on topics.

use super::audit::Ledger;
use super::customs::{Customs, PICTURE_BYTES_MAX, PICTURE_BYTES_MIN, PICTURES, TOPICS};
use super::laws::{Breach, Kept, Law};
use super::writers::{Written, say, story_of, withdraw};
use crate::base::Rng;
use crate::config::Durability;
use crate::news::{self, Ask, Conflict, MERGE_AUTHOR, Revision, Verdict, Version};
use crate::node::Node;
use crate::reactor::Ctx;
use crate::serve::{Desk, Entry, Receipt, Refusal};
use crate::store::StoreError;
use crate::update::{Cid, Kind, Update};
use std::ops::RangeInclusive;

/// So few notes at a time, that their edits meet.
const NOTES_CONTESTED: u64 = 2;
/// So many customs later, others are written to.
const NOTE_LIFE: u64 = 40;
/// So many, that two who change one each seldom change the same one.
const LINES: u64 = 16;
const MEDIA_TYPE: &str = "text/plain";
const WIRES_CONTESTED: u64 = 3;
const WIRE_LIFE: u64 = 12;
const NEWS_BYTES_MAX: u64 = 300;
/// Stands in each revision of a note, with its number as eight hex digits behind: what is on a disk
/// is found by it.
pub(super) const WHISPER: &str = "whisper-";

/// A note's title.
pub(super) fn note_title(number: u64) -> String {
    format!("note {number}")
}

/// A wire article's title; its alias is the same.
pub(super) fn wire_title(number: u64) -> String {
    format!("wire {number}")
}

/// The number of one of few that are written to now.
fn number(customs: &mut Customs, life: u64, contested: u64) -> u64 {
    customs.count / life * contested + customs.rng.below(contested)
}

fn unread(title: &str, error: &StoreError) -> Breach {
    Breach::new(Law::Life, format!("{title} can't be read: {error}"))
}

/// The revision of an id, if it is here and not erased.
fn revision_of(node: &Node, title: &str, cid: Cid) -> Kept<Option<Update>> {
    let found = node.store().by_cid(cid).map_err(|error| unread(title, &error))?;
    Ok(found.filter(|update| Revision::decode(update.payload()).is_ok()))
}

/// A write on a note.
pub(super) fn note(
    cx: &mut Ctx<'_, Node>,
    node: &mut Node,
    customs: &mut Customs,
    ledger: &mut Ledger,
    durability: Durability,
) -> Written {
    let number = number(customs, NOTE_LIFE, NOTES_CONTESTED);
    let title = note_title(number);
    if node.writing(&title).is_some() {
        return Ok(None);
    }
    let rng = &mut customs.rng;
    ledger.notes.insert(number);
    let is_contested = story_of(node, &title)?.is_some_and(|story| story.heads.len() > 1);
    match rng.below(12) {
        0 => withdraw(cx, node, &title, durability),
        1..7 if is_contested => merge(cx, node, (&title, rng), ledger, durability),
        1 => edit(cx, node, (&title, number, rng), Some(Conflict::Overwrite), durability),
        2..5 => edit(cx, node, (&title, number, rng), Some(Conflict::Keep), durability),
        _ => edit(cx, node, (&title, number, rng), None, durability),
    }
}

/// Changes one line of a note: of its head; with `keep` of any revision of it.
fn edit(
    cx: &mut Ctx<'_, Node>,
    node: &mut Node,
    (title, number, rng): (&str, u64, &mut Rng),
    conflict: Option<Conflict>,
    durability: Durability,
) -> Written {
    let index = node.store().index();
    let lines = news::history(index, title, None, 20).map_err(|error| unread(title, &error))?.lines;
    let head = story_of(node, title)?.and_then(|story| story.head().map(|head| head.cid));
    let at = rng.below(lines.len().max(1) as u64) as usize;
    let base = match conflict {
        Some(Conflict::Keep) => lines.get(at).map(|line| line.cid),
        _ => head,
    };
    let ask = Ask { conflict, ..Ask::default() };
    let verdict = news::judge_in(index, title, base, ask).map_err(|error| unread(title, &error))?;
    let (parents, generation) = match verdict.0 {
        Verdict::Create => (Vec::new(), 1),
        Verdict::Edit { parents, generation } => (parents, generation),
        Verdict::Withdrawn => return Ok(None),
        refused => {
            let what = format!("an edit of {title} is judged {refused:?}");
            return Err(Breach::new(Law::Life, what));
        }
    };
    let old = base.map(|cid| revision_of(node, title, cid)).transpose()?.flatten();
    let old = old.as_ref().and_then(|update| Revision::decode(update.payload()).ok());
    let body = match old {
        Some(old) => change_line(old.body, rng),
        None => first_body(number),
    };
    let whisper = format!("{WHISPER}{number:08x}");
    let revision = Revision {
        title,
        generation,
        headline: &whisper,
        summary: &whisper,
        body: &body,
        ..Revision::default()
    };
    revise(cx, node, (&revision, MEDIA_TYPE, ""), parents, durability)
}

fn first_body(number: u64) -> Vec<u8> {
    let line = |line| format!("line {line}\n");
    let lines: String = (0..LINES).map(line).collect();
    format!("{WHISPER}{number:08x}\n{lines}").into_bytes()
}

/// Another body in which one line differs, not the first one.
fn change_line(body: &[u8], rng: &mut Rng) -> Vec<u8> {
    let changed = 1 + rng.below(LINES) as usize;
    let mut out = Vec::new();
    for (at, line) in body.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if at == changed {
            out.extend_from_slice(format!("{:016x}\n", rng.next_u64()).as_bytes());
        } else {
            out.extend_from_slice(line);
        }
    }
    out
}

fn revise(
    cx: &mut Ctx<'_, Node>,
    node: &mut Node,
    (revision, media_type, alias): (&Revision<'_>, &str, &str),
    parents: Vec<Cid>,
    durability: Durability,
) -> Written {
    let payload = revision.encode().map_err(|error| {
        Breach::new(Law::Life, format!("{} has no form: {error:?}", revision.title))
    })?;
    let (kind, topic) = (Kind::Revision, news::TOPIC_STORIES);
    let entry = Entry { kind, topic, media_type, alias, parents, payload: &payload };
    Ok(Some(node.publish(cx, entry, durability)))
}

/// Brings the two greatest heads together, as `conflict=merge` does for a writer who sends one of
/// them as it is. Nothing where they clash.
pub(super) fn merge(
    cx: &mut Ctx<'_, Node>,
    node: &mut Node,
    (title, rng): (&str, &mut Rng),
    ledger: &mut Ledger,
    durability: Durability,
) -> Written {
    let Some(story) = story_of(node, title)? else { return Ok(None) };
    let [first, second, ..] = &story.heads[..] else { return Ok(None) };
    // Either may be the one that is sent: no difference.
    let sides = if rng.chance(1, 2) { [first, second] } else { [second, first] };
    let cids = sides.map(|head| head.cid);
    let index = node.store().index();
    let ancestor = news::common_ancestor(index, title, cids[0], cids[1]);
    let ancestor = ancestor.map_err(|error| unread(title, &error))?;
    let base = ancestor.map(|cid| revision_of(node, title, cid)).transpose()?.flatten();
    let found = (revision_of(node, title, cids[0])?, revision_of(node, title, cids[1])?);
    let (Some(yours), Some(theirs)) = found else { return Ok(None) };
    let base = base.as_ref().and_then(version).unwrap_or_default();
    let (Some(yours), Some(theirs)) = (version(&yours), version(&theirs)) else { return Ok(None) };
    let Ok(merged) = news::merge(&base, &yours, &theirs) else { return Ok(None) };
    let generation = 1 + first.generation.max(second.generation);
    let revision = merged.revision(title, generation);
    let payload = revision.encode().unwrap_or_default();
    let mut parents = cids.to_vec();
    let alias = news::merge_alias(&parents, merged.media_type(), &payload);
    parents.sort_unstable();
    ledger.merged(title, &parents, &payload)?;
    if revision.author != MERGE_AUTHOR {
        return Err(Breach::new(Law::Merges, format!("a merge of {title} is somebody's")));
    }
    revise(cx, node, (&revision, merged.media_type(), &alias), parents, durability)
}

fn version(update: &Update) -> Option<Version<'_>> {
    let revision = Revision::decode(update.payload()).ok()?;
    Some(Version { revision, media_type: update.media_type() })
}

/// Imports an article where it is not yet; now and then someone edits it.
pub(super) fn import(
    cx: &mut Ctx<'_, Node>,
    node: &mut Node,
    customs: &mut Customs,
    ledger: &mut Ledger,
    durability: Durability,
) -> Written {
    let number = number(customs, WIRE_LIFE, WIRES_CONTESTED);
    let title = wire_title(number);
    if node.writing(&title).is_some() {
        return Ok(None);
    }
    ledger.wires.insert(number);
    let index = node.store().index();
    let known = news::aliased(index, &title, &title).map_err(|error| unread(&title, &error))?;
    if known.is_none() {
        let body = format!("what the wire says of {title}");
        let body = body.as_bytes();
        let revision = Revision { title: &title, generation: 1, body, ..Revision::default() };
        return revise(cx, node, (&revision, MEDIA_TYPE, &title), Vec::new(), durability);
    }
    if customs.rng.chance(1, 2) {
        return Ok(None);
    }
    let Some(story) = story_of(node, &title)? else { return Ok(None) };
    let Some(head) = story.head() else { return Ok(None) };
    let body = format!("{:016x} of {title}", customs.rng.next_u64());
    let generation = head.generation + 1;
    let revision =
        Revision { title: &title, generation, body: body.as_bytes(), ..Revision::default() };
    revise(cx, node, (&revision, MEDIA_TYPE, ""), vec![head.cid], durability)
}

/// Publishes a large payload.
pub(super) fn show(
    cx: &mut Ctx<'_, Node>,
    node: &mut Node,
    customs: &mut Customs,
    ledger: &mut Ledger,
    durability: Durability,
) -> Result<Receipt, Refusal> {
    let payload = bytes(&mut customs.rng, PICTURE_BYTES_MIN..=PICTURE_BYTES_MAX);
    let entry = Entry {
        kind: Kind::Data,
        topic: PICTURES,
        media_type: "image/png",
        alias: "",
        parents: Vec::new(),
        payload: &payload,
    };
    let receipt = node.publish(cx, entry, durability);
    if let Ok(receipt) = &receipt {
        ledger.pictures.insert(receipt.cid, *blake3::hash(&payload).as_bytes());
    }
    receipt
}

fn bytes(rng: &mut Rng, size: RangeInclusive<u64>) -> Vec<u8> {
    let size = rng.range(size) as usize;
    let words = (0..size.div_ceil(8)).map(|_| rng.next_u64().to_le_bytes());
    let mut bytes: Vec<u8> = words.flatten().collect();
    bytes.truncate(size);
    bytes
}

/// Says something small on one of some topics.
pub(super) fn tell(
    cx: &mut Ctx<'_, Node>,
    node: &mut Node,
    rng: &mut Rng,
    durability: Durability,
) -> Result<Receipt, Refusal> {
    let topic = TOPICS[rng.below(TOPICS.len() as u64) as usize];
    let bytes = rng.below(NEWS_BYTES_MAX) as usize;
    say(cx, node, rng, (topic, bytes), durability)
}
