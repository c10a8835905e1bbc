//! Taking revisions and withdrawals into the index. The tables are those of `rows.rs`.
//!
//! What the rows say of a story depends on which of its updates were applied and on nothing else:
//! not on their order, not on repeats. Revisions of one title and one alias are one to readers: the
//! least of them is shown, what follows one of them follows them all, and they never follow one
//! another. A head is what nothing follows; if aliases make revisions follow one another in a
//! circle, the newest is shown as if it were the head.
//!
//! A withdrawn story stays withdrawn, whatever comes later; all it leaves is its rows in `s` and
//! `w`, and the withdrawal's in `t`, and what it consisted of is named to be erased. What a
//! revision says of parents in other stories is kept in its envelope and changes nothing here.

use super::message::{self, forget_alias};
use super::numbers::unnumber;
use super::rows::{
    AliasRow, ChangeRow, FollowedRow, HeadRank, HeadRow, HistoryRow, RevisionRow, StoryRow,
    WithdrawnRow, alias_key, behind_key, change_key, followed_key, head_key, history_key,
    in_section_key, key, key_cid, key_range, listed_key, place_key, put_dot, read_moment, row_dot,
    table, withdrawn_key,
};
use super::story::{alias_row, heads, newest, revision_row, section_count};
use super::{Applied, ChangeKind, Revision, Shelf, StoryChange, Withdrawal};
use crate::store::{Direction, StoreError};
use crate::update::{Cid, Dot, Hlc, Update};
use std::ops::Bound;

/// How many rows of a withdrawn story are taken away at a time.
const SWEEP_ROWS: usize = 256;

pub(super) fn apply_revision(
    shelf: &mut impl Shelf,
    update: &Update,
) -> Result<Applied, StoreError> {
    let revision = match Revision::decode(update.payload()) {
        Ok(revision) => revision,
        Err(error) => return Ok(Applied::Malformed(error)),
    };
    let title = revision.title;
    if revision_row(shelf, update.cid())?.is_some() {
        return Ok(Applied::Known);
    }
    let (before, is_created) = story_row(shelf, title, update.clock())?;
    if before.withdrawn.is_some() {
        let erase = vec![update.dot()];
        return Ok(Applied::Story(change(title, &before, &before, (false, erase))));
    }
    let mut after = before.clone();
    after.first = before.first.min(update.clock());
    let mut intake = Intake { shelf, title, story: &mut after, is_stale: before.heads == 0 };
    intake.place(&revision, update)?;
    for parent in update.parents() {
        intake.follow(parent, update.alias())?;
    }
    intake.settle_head()?;
    put_story(shelf, title, &before, &after)?;
    Ok(Applied::Story(change(title, &before, &after, (is_created, Vec::new()))))
}

pub(super) fn apply_withdrawal(
    shelf: &mut impl Shelf,
    update: &Update,
) -> Result<Applied, StoreError> {
    let withdrawal = match Withdrawal::decode(update.payload()) {
        Ok(withdrawal) => withdrawal,
        Err(error) => return Ok(Applied::Malformed(error)),
    };
    let title = withdrawal.title;
    let (clock, cid) = (update.clock(), update.cid());
    message::note(shelf, update.alias(), title);
    let (before, is_created) = story_row(shelf, title, clock)?;
    let earlier = before.withdrawn.as_ref();
    if earlier.is_some_and(|earlier| (earlier.clock, earlier.cid) <= (clock, cid)) {
        return Ok(Applied::Known);
    }
    let withdrawn = WithdrawnRow { clock, cid, reason: withdrawal.reason.to_owned() };
    let after = StoryRow { withdrawn: Some(withdrawn), ..StoryRow::new(clock) };
    let erase = if before.withdrawn.is_some() { Vec::new() } else { sweep(shelf, title)? };
    if let Some(later) = earlier {
        shelf.delete(&change_key(later.clock, later.cid));
        shelf.delete(&withdrawn_key(later.clock, title));
    }
    let row = ChangeRow {
        kind: ChangeKind::Withdrawal,
        section: String::new(),
        author: String::new(),
        title: title.to_owned(),
    };
    shelf.put(change_key(clock, cid), row.encode());
    shelf.put(withdrawn_key(clock, title), Vec::new());
    put_story(shelf, title, &before, &after)?;
    Ok(Applied::Story(change(title, &before, &after, (is_created, erase))))
}

/// A revision on its way into the rows of its story.
struct Intake<'a, S> {
    shelf: &'a mut S,
    title: &'a str,
    story: &'a mut StoryRow,
    /// The head in `story` may be none any more.
    is_stale: bool,
}

impl<S: Shelf> Intake<'_, S> {
    /// Puts the revision where it belongs: among what is shown, or behind another of its alias.
    fn place(&mut self, revision: &Revision<'_>, update: &Update) -> Result<(), StoreError> {
        let (cid, alias) = (update.cid(), update.alias());
        let row = RevisionRow {
            dot: update.dot(),
            clock: update.clock(),
            generation: revision.generation,
            alias: alias.to_owned(),
            title: self.title.to_owned(),
        };
        self.shelf.put(key(table::REVISION, &[&cid.0]), row.encode());
        message::note(self.shelf, alias, self.title);
        let followed = self.shelf.get(&followed_key(self.title, cid))?;
        let followed = followed.map(|row| FollowedRow::decode(&row)).transpose()?;
        let is_followed = followed.is_some_and(|followed| followed.counts_for(alias));
        let Some(known) = alias_row(self.shelf, self.title, alias)? else {
            if !alias.is_empty() {
                self.put_alias(alias, AliasRow { cid, is_followed });
            }
            self.story.revisions += 1;
            self.show(revision, update, is_followed);
            return Ok(());
        };
        let is_followed = is_followed || known.is_followed;
        self.put_alias(alias, AliasRow { cid: cid.min(known.cid), is_followed });
        if cid < known.cid {
            let shown = self.hide(known.cid)?;
            if !known.is_followed {
                self.take_head(shown.generation, known.cid)?;
            }
            self.show(revision, update, is_followed);
        } else {
            self.put_behind(cid, update.dot());
            if is_followed && !known.is_followed {
                let shown = self.row_of(known.cid)?;
                self.take_head(shown.generation, known.cid)?;
            }
        }
        Ok(())
    }

    /// Takes note that a revision of this alias follows `parent`.
    fn follow(&mut self, parent: Cid, alias: &str) -> Result<(), StoreError> {
        let key = followed_key(self.title, parent);
        let followed = match self.shelf.get(&key)? {
            Some(row) => FollowedRow::decode(&row)?.and_by(alias),
            None => FollowedRow::by(alias),
        };
        self.shelf.put(key, followed.encode());
        let Some(row) = revision_row(self.shelf, parent)? else { return Ok(()) };
        if row.title != self.title || !followed.counts_for(&row.alias) {
            return Ok(());
        }
        match alias_row(self.shelf, self.title, &row.alias)? {
            None => self.take_head(row.generation, parent),
            Some(known) if known.is_followed => Ok(()),
            Some(known) => {
                self.put_alias(&row.alias, AliasRow { is_followed: true, ..known });
                let shown = self.row_of(known.cid)?;
                self.take_head(shown.generation, known.cid)
            }
        }
    }

    /// Finds the head anew if it may be another.
    fn settle_head(&mut self) -> Result<(), StoreError> {
        if self.story.heads == 0 {
            self.story.head = newest(self.shelf, self.title)?;
        } else if self.is_stale {
            self.story.head = heads(self.shelf, self.title, 1)?.into_iter().next();
        }
        Ok(())
    }

    fn show(&mut self, revision: &Revision<'_>, update: &Update, is_followed: bool) {
        let history = HistoryRow {
            dot: update.dot(),
            generation: revision.generation,
            bytes: revision.body.len() as u64,
            parents: update.parents().collect(),
            author: revision.author.to_owned(),
            summary: revision.summary.to_owned(),
        };
        let key = history_key(self.title, update.clock(), update.cid());
        self.shelf.put(key, history.encode());
        let is_first = history.parents.is_empty();
        let change = ChangeRow {
            kind: if is_first { ChangeKind::New } else { ChangeKind::Edit },
            section: revision.section.to_owned(),
            author: revision.author.to_owned(),
            title: self.title.to_owned(),
        };
        self.shelf.put(change_key(update.clock(), update.cid()), change.encode());
        if !is_followed {
            self.put_head(revision, update);
        }
    }

    fn put_head(&mut self, revision: &Revision<'_>, update: &Update) {
        let rank = HeadRank { generation: revision.generation, cid: update.cid() };
        let row = HeadRow {
            dot: update.dot(),
            clock: update.clock(),
            located: revision.located,
            section: revision.section.to_owned(),
            author: revision.author.to_owned(),
            headline: revision.headline.to_owned(),
        };
        let mut value = Vec::new();
        row.encode(&mut value);
        self.shelf.put(head_key(self.title, rank.generation, rank.cid), value);
        self.story.heads += 1;
        if self.story.head.as_ref().is_none_or(|(head, _)| *head < rank) {
            self.story.head = Some((rank, row));
        }
    }

    /// Takes a revision off the heads, if it is one.
    fn take_head(&mut self, generation: u32, cid: Cid) -> Result<(), StoreError> {
        let key = head_key(self.title, generation, cid);
        if self.shelf.get(&key)?.is_some() {
            self.shelf.delete(&key);
            self.story.heads -= 1;
            self.is_stale |= self.story.head.as_ref().is_some_and(|(head, _)| head.cid == cid);
        }
        Ok(())
    }

    /// Takes a revision out of the history, behind one that stands for its alias from now on.
    fn hide(&mut self, cid: Cid) -> Result<RevisionRow, StoreError> {
        let row = self.row_of(cid)?;
        self.shelf.delete(&history_key(self.title, row.clock, cid));
        self.shelf.delete(&change_key(row.clock, cid));
        self.put_behind(cid, row.dot);
        Ok(row)
    }

    fn put_behind(&mut self, cid: Cid, dot: Dot) {
        let mut value = Vec::with_capacity(16);
        put_dot(&mut value, dot);
        self.shelf.put(behind_key(self.title, cid), value);
    }

    fn put_alias(&mut self, alias: &str, row: AliasRow) {
        self.shelf.put(alias_key(self.title, alias), row.encode());
    }

    /// The row of a revision that other rows name.
    fn row_of(&self, cid: Cid) -> Result<RevisionRow, StoreError> {
        revision_row(self.shelf, cid)?.ok_or(StoreError::IndexBroken)
    }
}

/// Takes a revision that retention drops out of what is shown of its story. It must be no head: so
/// heads stay what they are. One with an alias still stands for the others of its alias.
pub fn forget(shelf: &mut impl Shelf, update: &Update) -> Result<(), StoreError> {
    let cid = update.cid();
    let Some(row) = revision_row(shelf, cid)? else { return Ok(()) };
    unnumber(shelf, row.dot)?;
    let shown = history_key(&row.title, row.clock, cid);
    let was_shown = shelf.get(&shown)?.is_some();
    shelf.delete(&shown);
    shelf.delete(&change_key(row.clock, cid));
    if row.alias.is_empty() {
        shelf.delete(&key(table::REVISION, &[&cid.0]));
        shelf.delete(&followed_key(&row.title, cid));
    } else {
        let mut value = Vec::with_capacity(16);
        put_dot(&mut value, row.dot);
        shelf.put(behind_key(&row.title, cid), value);
    }
    let (mut story, _) = story_row(shelf, &row.title, row.clock)?;
    story.revisions -= u64::from(was_shown && story.revisions > 0);
    shelf.put(key(table::STORY, &[row.title.as_bytes()]), story.encode());
    Ok(())
}

/// Takes all rows of a story away but its own; returns what its revisions are called.
fn sweep(shelf: &mut impl Shelf, title: &str) -> Result<Vec<Dot>, StoreError> {
    let mut dots = Vec::new();
    for letter in [table::HISTORY, table::BEHIND, table::HEAD, table::FOLLOWED, table::ALIAS] {
        let (from, to) = key_range(letter, title);
        loop {
            let (from, to) = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
            let rows = shelf.scan(from, to, SWEEP_ROWS, Direction::Up)?;
            for (row_key, value) in &rows {
                if matches!(letter, table::HISTORY | table::BEHIND) {
                    let dot = row_dot(value)?;
                    unnumber(shelf, dot)?;
                    dots.push(dot);
                    shelf.delete(&key(table::REVISION, &[&key_cid(row_key)?.0]));
                }
                if letter == table::HISTORY {
                    let (clock, cid) = read_moment(row_key)?;
                    shelf.delete(&change_key(clock, cid));
                }
                if letter == table::ALIAS {
                    forget_alias(shelf, title, row_key);
                }
                shelf.delete(row_key);
            }
            if rows.len() < SWEEP_ROWS {
                break;
            }
        }
    }
    Ok(dots)
}

/// The story's row; a new one, and true, when nothing of it is here yet.
fn story_row(shelf: &impl Shelf, title: &str, first: Hlc) -> Result<(StoryRow, bool), StoreError> {
    match shelf.get(&key(table::STORY, &[title.as_bytes()]))? {
        Some(row) => Ok((StoryRow::decode(&row)?, false)),
        None => Ok((StoryRow::new(first), true)),
    }
}

/// Puts the story's row, and moves it in the lists to where its head now stands.
fn put_story(
    shelf: &mut impl Shelf,
    title: &str,
    before: &StoryRow,
    after: &StoryRow,
) -> Result<(), StoreError> {
    shelf.put(key(table::STORY, &[title.as_bytes()]), after.encode());
    let (old, new) = (before.listed(), after.listed());
    let place =
        |head: Option<&HeadRow>| head.map(|head| (head.clock, head.section.clone(), head.located));
    if place(old) == place(new) {
        return Ok(());
    }
    if let Some(old) = old {
        shelf.delete(&listed_key(old.clock, title));
        if let Some(located) = old.located {
            shelf.delete(&place_key(located, title));
        }
        if !old.section.is_empty() {
            shelf.delete(&in_section_key(&old.section, old.clock, title));
        }
    }
    if let Some(new) = new {
        shelf.put(listed_key(new.clock, title), Vec::new());
        if let Some(located) = new.located {
            shelf.put(place_key(located, title), Vec::new());
        }
        if !new.section.is_empty() {
            shelf.put(in_section_key(&new.section, new.clock, title), Vec::new());
        }
    }
    let section = |head: Option<&HeadRow>| head.map(|head| head.section.clone());
    let (old, new) = (section(old).unwrap_or_default(), section(new).unwrap_or_default());
    if old != new {
        count_section(shelf, &old, -1)?;
        count_section(shelf, &new, 1)?;
    }
    Ok(())
}

fn count_section(shelf: &mut impl Shelf, section: &str, by: i64) -> Result<(), StoreError> {
    if section.is_empty() {
        return Ok(());
    }
    let key = key(table::SECTION, &[section.as_bytes()]);
    let count = match shelf.get(&key)? {
        Some(row) => section_count(&row)?,
        None => 0,
    };
    match count.checked_add_signed(by) {
        Some(0) => shelf.delete(&key),
        Some(count) => shelf.put(key, count.to_be_bytes().to_vec()),
        None => return Err(StoreError::IndexBroken),
    }
    Ok(())
}

fn change(
    title: &str,
    before: &StoryRow,
    after: &StoryRow,
    (is_created, erase): (bool, Vec<Dot>),
) -> StoryChange {
    let cid = |row: &StoryRow| row.head.as_ref().map(|(rank, _)| rank.cid);
    let section = after.head.as_ref().map(|(_, head)| head.section.clone());
    StoryChange {
        title: title.to_owned(),
        section: section.unwrap_or_default(),
        head: cid(after),
        is_new_head: cid(after) != cid(before),
        is_created,
        conflicts: after.heads.saturating_sub(1),
        is_withdrawn: after.withdrawn.is_some(),
        erase,
    }
}
