//! How a simulated herd ends: all that are of it agree within a bound, and what they show, hold,
//! keep and have let go is what it has to be.

use super::audit::{Row, cid_of, is_gone, shown};
use super::editors::{WHISPER, note_title, wire_title};
use super::host::Host;
use super::laws::{Breach, Kept, Law};
use super::world::{Reader, SMALL_NODES, World};
use super::writers::story_of;
use crate::config::Keep;
use crate::news::{self, MERGE_AUTHOR};
use crate::node::Node;
use crate::serve::Desk;
use crate::store::{Store, StoreError};
use crate::update::{Cid, Dot, Epoch, Kind, Update};
use std::collections::BTreeSet;

/// So many acknowledged updates are compared by content on every node; of more, as many.
const COMPARED: usize = 4_096;
/// So many rows are named when two nodes do not show the same.
const ROWS_SHOWN: usize = 4;
/// A herd at peace has let go of what was withdrawn, and of what is over its retention, within
/// this: its nodes look every few hundred milliseconds, and wait for checkpoints.
const LET_GO_MS: u64 = 30_000;

impl World {
    /// True when all nodes are up, and those of the herd have the same, on disk. Where nodes drop
    /// something, they may still be saying so.
    pub(super) fn agrees(&self) -> bool {
        let members = self.members();
        let Some(first) = members.first().and_then(|host| self.hosts[*host].node()) else {
            return false;
        };
        let is_as_first = |host: &usize| {
            self.hosts[*host].node().is_some_and(|node| {
                let store = node.store();
                store.held() == first.store().held()
                    && store.seen() == store.held()
                    && (self.ledger.has_retention || store.pending_bytes() == 0)
            })
        };
        let is_up = |(a, b): &(usize, usize)| {
            !members.contains(a)
                || !members.contains(b)
                || self.is_linked(*a, *b) && self.is_linked(*b, *a)
        };
        members.iter().all(is_as_first)
            && self.links.iter().all(is_up)
            && self.ledger.forkable().all(|epoch| self.is_known_alike(epoch))
            && self.all_know_who_is_out()
    }

    /// True when all nodes say of an epoch that it is forked, or none does and all see one end.
    fn is_known_alike(&self, epoch: Epoch) -> bool {
        let end = |node: &Node| {
            let store = node.store();
            (!store.forked(epoch)).then(|| store.tip(epoch).map(|tip| tip.cid))
        };
        let members = self.members().into_iter();
        let mut ends = members.filter_map(|host| self.hosts[host].node()).map(end);
        let first = ends.next();
        ends.all(|end| Some(end) == first)
    }

    fn is_linked(&self, a: usize, b: usize) -> bool {
        self.hosts[a].node().is_some_and(|node| node.roll().is_linked(&self.hosts[b].name))
    }

    fn describe(&self) -> String {
        let describe = |(number, host): (usize, &Host)| {
            let Some(node) = host.node() else { return format!("{} is down", host.name) };
            let store = node.store();
            let links: Vec<usize> =
                (0..self.hosts.len()).filter(|&to| self.is_linked(number, to)).collect();
            let spans: Vec<String> = store.held().spans().map(|span| format!("{span:?}")).collect();
            let (seen, pending) = (store.seen().count(), store.pending_bytes());
            let (name, waits) = (&host.name, node.waiting_bytes());
            format!(
                "{name} links {links:?}, seen {seen}, pending {pending}, waiting {waits}, holds \
                 {spans:?}, dropped {:?}",
                store.gone()
            )
        };
        self.hosts.iter().take(SMALL_NODES).enumerate().map(describe).collect::<Vec<_>>().join("\n")
    }

    /// Runs until all agree; the bound is `ms`.
    pub(super) fn settle(&mut self, ms: u64) -> Kept {
        let until = self.now() + ms;
        while !self.agrees() {
            if self.now() >= until {
                let what = format!("no agreement after {ms} ms:\n{}", self.describe());
                return Err(Breach::new(Law::Convergence, what));
            }
            self.run(50)?;
            self.look()?;
        }
        self.checks.hold(Law::Convergence, true, String::new)
    }

    /// True when no member holds a withdrawal that somebody may have acted upon: it was on a disk,
    /// and all disks that had it were set back, or are those of who was retired before it went
    /// further. One that only memory had leaves no trace.
    fn lost_a_withdrawal(&self) -> bool {
        let members = self.members();
        let holds = |host: &usize, dot| {
            self.hosts[*host].node().is_some_and(|node| node.store().held().contains(dot))
        };
        let is_held = |dot| members.iter().any(|host| holds(host, dot));
        let was_on_disk =
            |dot| !self.has_witnesses || self.ledger.disks.values().any(|held| held.contains(dot));
        self.ledger.withdrawn.keys().any(|dot| was_on_disk(*dot) && !is_held(*dot))
    }

    /// Everyone shows the same, nothing that was acknowledged is missing, and the readers have all.
    pub(super) fn judge(&mut self) -> Kept {
        self.look()?;
        // A withdrawal that was lost with the only disks that had it may have left stubs elsewhere.
        let is_split = self.judge_forks()? || self.lost_a_withdrawal();
        // To whom a revision comes by one way, and by another one that what followed it was
        // dropped, it is a head.
        let is_whole = !is_split && !self.customs.drops_revisions();
        let members = self.members();
        let mut first = None;
        for host in members.iter().map(|host| &self.hosts[*host]) {
            let name = &host.name;
            let Some(node) = host.node() else {
                return Err(Breach::new(Law::Life, format!("{name} is down in the end")));
            };
            let shows = shown(name, node)?;
            let first = first.get_or_insert_with(|| shows.clone());
            self.checks.hold(Law::Heads, !is_whole || *first == shows, || {
                let there = &self.hosts[members[0]].name;
                let (less, more) = (only(first, &shows), only(&shows, first));
                format!("{name} does not show what {there} does: {more}, but not {less}")
            })?;
            self.judge_acked(name, node)?;
            for (dot, title) in &self.ledger.withdrawn {
                // It may have been lost with the only memory that had it.
                if is_split || !node.store().held().contains(*dot) {
                    continue;
                }
                self.checks.hold(Law::Withdrawn, is_gone(node, title)?, || {
                    format!("{name} shows {title} in the end, which was withdrawn")
                })?;
            }
        }
        self.judge_readers()?;
        if self.customs.any() {
            self.judge_notes(!is_whole)?;
            self.judge_wires(is_split)?;
            self.judge_pictures()?;
            self.judge_kept()?;
        }
        Ok(())
    }

    fn judge_readers(&mut self) -> Kept {
        for reader in 0..self.readers.len() {
            self.read(reader, usize::MAX)?;
            let Reader { reading, at } = &self.readers[reader];
            let held = self.hosts[*at].node().map(|node| node.store().held());
            let has_all = held.is_some_and(|held| reading.had().covers(held));
            let what = || format!("reader {reader} misses something in the end");
            self.checks.hold(Law::Readers, has_all, what)?;
        }
        Ok(())
    }
}

/// Rows that are only in `a`, for people.
fn only(a: &[Row], b: &[Row]) -> String {
    let b: BTreeSet<&Row> = b.iter().collect();
    let rows = a.iter().filter(|row| !b.contains(row)).take(ROWS_SHOWN);
    let rows: Vec<String> = rows
        .map(|(key, value)| format!("{} = {}", key.escape_ascii(), value.escape_ascii()))
        .collect();
    format!("[{}]", rows.join(", "))
}

impl World {
    /// Wherever two updates bear one name, every node says so. True when there are any.
    fn judge_forks(&mut self) -> Kept<bool> {
        let mut is_split = false;
        for epoch in self.ledger.forkable() {
            let members: Vec<&Host> =
                self.members().into_iter().map(|host| &self.hosts[host]).collect();
            let nodes: Vec<&Node> = members.iter().filter_map(|host| host.node()).collect();
            let last = nodes.iter().map(|node| node.store().held().last(epoch)).min().unwrap_or(0);
            let mut is_forked = false;
            for seq in 1..=last {
                let dot = Dot { epoch, seq };
                let mut cids = BTreeSet::new();
                for host in &members {
                    let Some(node) = host.node() else { continue };
                    if !node.store().gone().contains(dot) {
                        cids.insert(cid_of(&host.name, node, dot)?);
                    }
                }
                is_forked |= cids.len() > 1;
            }
            // A villain tells no stories, so readers of stories see the same.
            is_split |= is_forked && !self.ledger.hostile.contains(&epoch);
            let flagged = nodes.iter().filter(|node| node.store().forked(epoch)).count();
            let says = if is_forked { flagged == nodes.len() } else { true };
            self.checks.hold(Law::OneContent, says, || {
                format!("epoch {epoch} is forked, as only {flagged} of {} know", nodes.len())
            })?;
        }
        Ok(is_split)
    }

    /// Nothing that was acknowledged is missing: by the vector all of it, by content all or, of
    /// very many, a part.
    fn judge_acked(&self, name: &str, node: &Node) -> Kept {
        let acked = &self.ledger.acked;
        let every = acked.len().div_ceil(COMPARED).max(1);
        for (place, (dot, cid)) in acked.iter().enumerate() {
            let is_held = node.store().held().contains(*dot);
            let is_same = !place.is_multiple_of(every)
                || node.store().gone().contains(*dot)
                || cid_of(name, node, *dot)? == Some(*cid);
            if !is_held || !is_same {
                let what = format!("{name} lacks {dot}, which was acknowledged as {cid}");
                return Err(Breach::new(Law::Acked, what));
            }
        }
        Ok(())
    }
}

fn unread(name: &str, error: &StoreError) -> Breach {
    Breach::new(Law::Life, format!("{name} can't read its archive: {error}"))
}

impl World {
    /// Those of the herd that are up.
    fn nodes(&self) -> Vec<(&Host, &Node)> {
        let hosts = self.members().into_iter().map(|host| &self.hosts[host]);
        hosts.filter_map(|host| Some((host, host.node()?))).collect()
    }

    /// Every node has the same heads of each note and of each wire article, with what they say; and
    /// of all merges of the same revisions readers see one.
    pub(super) fn judge_notes(&mut self, is_split: bool) -> Kept {
        let mut checks = self.checks;
        let notes = self.ledger.notes.iter().map(|number| note_title(*number));
        let wires = self.ledger.wires.iter().map(|number| wire_title(*number));
        for title in notes.chain(wires) {
            let mut first: Option<Vec<Cid>> = None;
            for (host, node) in self.nodes() {
                let name = &host.name;
                let story = story_of(node, &title)?;
                let heads = story.as_ref().map(|story| &story.heads[..]).unwrap_or_default();
                let cids: Vec<Cid> = heads.iter().map(|head| head.cid).collect();
                let first = first.get_or_insert_with(|| cids.clone());
                checks.hold(Law::Heads, is_split || *first == cids, || {
                    format!("{name} has the heads {cids:?} of {title}, and others {first:?}")
                })?;
                for head in heads.iter().filter(|_| !is_split) {
                    let found = node.store().get(head.dot).map_err(|error| unread(name, &error))?;
                    let says = found.is_some_and(|update| !update.is_erased());
                    checks.hold(Law::Retention, says, || {
                        format!("{name} has lost what {}, a head of {title}, says", head.dot)
                    })?;
                }
                let page = news::history(node.store().index(), &title, None, 1_000);
                let lines = page.map_err(|error| unread(name, &error))?.lines;
                let mut merges = BTreeSet::new();
                for line in lines.iter().filter(|line| line.author == MERGE_AUTHOR) {
                    checks.hold(Law::Merges, merges.insert(&line.parents), || {
                        format!("{name} shows two merges of {:?} in {title}", line.parents)
                    })?;
                }
            }
        }
        self.checks = checks;
        Ok(())
    }

    /// What was imported at several nodes is shown once.
    pub(super) fn judge_wires(&mut self, is_split: bool) -> Kept {
        let mut checks = self.checks;
        for title in self.ledger.wires.iter().map(|number| wire_title(*number)) {
            for (host, node) in self.nodes() {
                let page = news::history(node.store().index(), &title, None, 1_000);
                let lines = page.map_err(|error| unread(&host.name, &error))?.lines;
                let imports = lines.iter().filter(|line| line.parents.is_empty()).count();
                checks.hold(Law::Alias, is_split || imports <= 1, || {
                    format!("{} shows {title} {imports} times, which has one alias", host.name)
                })?;
            }
        }
        self.checks = checks;
        Ok(())
    }

    /// Large payloads are on every node what they were where they were published. Only of two
    /// updates that bear one name the other one is shown without its payload.
    pub(super) fn judge_pictures(&mut self) -> Kept {
        let mut checks = self.checks;
        for (cid, hash) in &self.ledger.pictures {
            for (host, node) in self.nodes() {
                let found =
                    node.store().by_cid(*cid).map_err(|error| unread(&host.name, &error))?;
                let Some(update) = found else { continue };
                let is_exhibit = update.is_erased() && self.ledger.may_fork(update.dot().epoch);
                let is_whole = blake3::hash(update.payload()) == *hash;
                checks.hold(Law::Payloads, is_whole || is_exhibit, || {
                    format!("{} has {} other bytes as {cid}", host.name, update.payload().len())
                })?;
            }
        }
        self.checks = checks;
        Ok(())
    }

    /// Nothing is dropped that must be kept for ever, or of which everyone keeps all.
    pub(super) fn judge_kept(&mut self) -> Kept {
        let mut checks = self.checks;
        for (host, node) in self.nodes() {
            for span in node.store().gone().spans() {
                for dot in (span.from..=span.to).map(|seq| Dot { epoch: span.epoch, seq }) {
                    let Some((kind, topic)) = self.ledger.kinds.get(&dot) else { continue };
                    let may_go = self.customs.drops(topic)
                        && !matches!(kind, Kind::Withdrawal | Kind::Charter | Kind::Account)
                        || self.ledger.may_fork(dot.epoch);
                    checks.hold(Law::Retention, may_go, || {
                        format!("{} has dropped {dot}, a {kind:?} on {topic}", host.name)
                    })?;
                }
            }
        }
        self.checks = checks;
        Ok(())
    }

    /// Waits until everything is let go that has to be: within a bound. One node after the other:
    /// what has left a disk does not come back, so none is read again.
    pub(super) fn let_go(&mut self) -> Kept {
        let until = self.now() + LET_GO_MS;
        for host in self.members() {
            while let Some(breach) = self.holds_on(host)? {
                if self.now() >= until {
                    return Err(breach);
                }
                self.run(500)?;
            }
        }
        let mut checks = self.checks;
        checks.hold(Law::Erased, true, String::new)?;
        checks.hold(Law::Retention, true, String::new)?;
        self.checks = checks;
        Ok(())
    }

    /// What a host has not yet let go, or is still saying of it.
    fn holds_on(&self, host: usize) -> Kept<Option<Breach>> {
        let held = match self.whispers(host)? {
            Some(breach) => Some(breach),
            None => self.surplus(host)?,
        };
        let waits = self.hosts[host].node().map_or(0, |node| node.store().pending_bytes());
        Ok(held.or_else(|| {
            let name = &self.hosts[host].name;
            let what = format!("{name} has let all go, and {waits} bytes wait for its disk");
            (waits > 0).then(|| Breach::new(Law::Retention, what))
        }))
    }

    /// Something that stands on a host's disk of a note whose withdrawal is on it.
    pub(super) fn whispers(&self, host: usize) -> Kept<Option<Breach>> {
        let host = &self.hosts[host];
        let Some(node) = host.node() else { return Ok(None) };
        let mut gone = BTreeSet::new();
        for number in &self.ledger.notes {
            if is_gone(node, &note_title(*number))? {
                gone.insert(*number);
            }
        }
        if gone.is_empty() {
            return Ok(None);
        }
        let images = host.disk.images();
        let found =
            images.iter().find_map(|image| whispered(image).find(|number| gone.contains(number)));
        Ok(found.map(|number| {
            let title = note_title(number);
            let what = format!("{} has words of {title} on its disk, withdrawn", host.name);
            Breach::new(Law::Erased, what)
        }))
    }

    /// Something of which a node keeps more than it wants to.
    fn surplus(&self, host: usize) -> Kept<Option<Breach>> {
        let host = &self.hosts[host];
        let Some(node) = host.node() else { return Ok(None) };
        for (topic, keep) in &node.config().retention {
            let found = surplus_of(node.store(), topic, *keep);
            if let Some(update) = found.map_err(|error| unread(&host.name, &error))? {
                let (name, dot) = (&host.name, update.dot());
                let what = format!("{name} still has {dot} on {topic}, and is to keep {keep:?}");
                return Ok(Some(Breach::new(Law::Retention, what)));
            }
        }
        Ok(None)
    }
}

/// The numbers of the notes of which something stands among some bytes.
fn whispered(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let (word, mut at) = (WHISPER.as_bytes(), 0);
    std::iter::from_fn(move || {
        while let Some(window) = bytes.get(at..at + word.len()) {
            let behind = at + word.len();
            // Where no letter of it stands, it can't be before that place either.
            at += if word.contains(&window[word.len() - 1]) { 1 } else { word.len() };
            if window == word
                && let Some(number) = number_at(&bytes[behind..])
            {
                return Some(number);
            }
        }
        None
    })
}

fn number_at(bytes: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(bytes.get(..8)?).ok()?, 16).ok()
}

/// An update of a topic that is over what is to be kept, and that nothing is built upon.
pub(super) fn surplus_of(
    store: &Store,
    topic: &str,
    keep: Keep,
) -> Result<Option<Update>, StoreError> {
    let mut found = Vec::new();
    let mut place = store.log_start();
    while let Some((update, next)) = store.read_from(place)? {
        place = next;
        if update.topic() == topic {
            found.push(update);
        }
    }
    let (mut count, mut bytes) = (0, 0);
    for update in found.into_iter().rev() {
        count += 1;
        bytes += update.raw().len() as u64;
        let is_over = keep.count.is_some_and(|most| count > most)
            || keep.bytes.is_some_and(|most| bytes > most);
        if is_over && may_go(store, &update)? {
            return Ok(Some(update));
        }
    }
    Ok(None)
}

/// True when nothing is built upon an update.
fn may_go(store: &Store, update: &Update) -> Result<bool, StoreError> {
    let dot = update.dot();
    if update.is_erased() || dot.seq >= store.held().last(dot.epoch) {
        return Ok(false);
    }
    match update.kind() {
        Kind::Withdrawal | Kind::Charter | Kind::Account => Ok(false),
        Kind::Data => Ok(true),
        Kind::Report | Kind::Revision => {
            for parent in update.parents() {
                if store.dot_of(parent)?.is_some_and(|dot| store.contains(dot)) {
                    return Ok(false);
                }
            }
            Ok(!news::is_newest(store.index(), update)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_of_notes_on_a_disk_is_found_wherever_it_is() {
        let bytes = b"ww whisper-0000002a.. whisper-zz whisper-00000001whisper-000000";
        assert_eq!(whispered(bytes).collect::<Vec<_>>(), [42, 1]);
        assert_eq!(whispered(b"").next(), None);
    }
}
