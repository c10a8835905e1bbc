//! The rule of edits: what a writer asks of a story, judged by how the story stands. Pure.
//!
//! In this order: a withdrawn story takes nothing (410) · a base that is no revision of the story
//! is the writer's mistake (422) · conditions (412, RFC 9110 section 13) · a story that exists,
//! written without base, condition or policy (428) · a base that is not the head is a conflict,
//! settled by the policy: 409, a merge with the head, a second head, or an edit of all heads.

use super::story::shown;
use super::{Head, Shelf, Story, revision_place, story};
use crate::store::StoreError;
use crate::update::Cid;

/// What to do with a write whose base is not the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Refuse it.
    Fail,
    /// Keep it, and merge it with the head.
    Merge,
    /// Make it a second head, beside what is there.
    Keep,
    /// Let it follow every head, whatever its base: conflicts end with it.
    Overwrite,
}

/// A condition in terms of revisions: the tags of `If-Match` or `If-None-Match`, each taken back to
/// its id; a tag that no revision could have matches nothing and is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// The field was not sent.
    #[default]
    Absent,
    /// `*`: any head.
    Any,
    /// One of these.
    Ids(Vec<Cid>),
}

impl Condition {
    fn matches(&self, head: Option<Cid>) -> bool {
        match (self, head) {
            (Self::Absent, _) | (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Ids(ids), Some(head)) => ids.contains(&head),
        }
    }
}

/// The revision that a writer edited, as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// A revision of this story.
    Here {
        /// Its id.
        cid: Cid,
        /// How deep it stands.
        generation: u32,
    },
    /// A revision of another story.
    Elsewhere,
    /// No revision that is here.
    Unknown,
}

/// What a writer asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// `base`, when given.
    pub base: Option<Base>,
    /// `conflict`, when given.
    pub conflict: Option<Conflict>,
    /// `If-Match`.
    pub if_match: Condition,
    /// `If-None-Match`.
    pub if_none_match: Condition,
}

impl Ask {
    /// The same with conditions about what readers see: one that names a revision by another of its
    /// alias holds as well.
    pub fn shown(self, shelf: &impl Shelf) -> Result<Self, StoreError> {
        let if_match = shown_condition(shelf, self.if_match)?;
        let if_none_match = shown_condition(shelf, self.if_none_match)?;
        Ok(Self { if_match, if_none_match, ..self })
    }

    /// True when the conditions hold for a story with this head.
    pub fn holds(&self, head: Option<Cid>) -> bool {
        (self.if_match == Condition::Absent || self.if_match.matches(head))
            && !self.if_none_match.matches(head)
    }
}

/// What becomes of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first revision of a story: 201.
    Create,
    /// A revision with these parents (none for a second head that follows nothing): 200.
    Edit {
        /// Ascending, at most 64.
        parents: Vec<Cid>,
        /// 1 + the greatest of the parents'.
        generation: u32,
    },
    /// A revision that follows the base, and then one that brings it together with another head:
    /// 200, or 409 where they clash.
    Merge {
        /// The revision edited, and its generation.
        base: (Cid, u32),
        /// It is one of the heads.
        is_head: bool,
        /// The head to merge with, and its generation.
        theirs: (Cid, u32),
        /// The base is the head: where the two clash, the edit may stand alone.
        is_optional: bool,
    },
    /// A base that is not the head: 409.
    Conflict {
        /// The base; none when the writer named none.
        base: Option<Cid>,
        /// The head.
        theirs: Cid,
    },
    /// A condition does not hold: 412.
    Unmet,
    /// The story exists, and the writer said neither what was edited nor what to do: 428.
    BaseRequired,
    /// The base is a revision of another story: 422.
    BaseElsewhere,
    /// The base is no revision that is here: 422.
    BaseUnknown,
    /// The story is withdrawn: 410.
    Withdrawn,
}

/// Judges a write of a story that stands so; none: nothing of it is here.
pub fn judge(story: Option<&Story>, ask: &Ask) -> Verdict {
    if story.is_some_and(|story| story.withdrawn.is_some()) {
        return Verdict::Withdrawn;
    }
    match (ask.base, ask.conflict) {
        (Some(Base::Elsewhere), _) => return Verdict::BaseElsewhere,
        (Some(Base::Unknown), Some(Conflict::Overwrite)) => {}
        (Some(Base::Unknown), _) => return Verdict::BaseUnknown,
        _ => {}
    }
    let head = story.and_then(Story::head);
    let head_cid = head.map(|head| head.cid);
    if !ask.holds(head_cid) {
        return Verdict::Unmet;
    }
    match (story, head) {
        (Some(story), Some(head)) => judge_edit(story, (head.cid, head.generation), ask),
        _ => Verdict::Create,
    }
}

/// Judges an edit whose conditions hold.
fn judge_edit(story: &Story, head: (Cid, u32), ask: &Ask) -> Verdict {
    let base = match ask.base {
        Some(Base::Here { cid, generation }) => Some((cid, generation)),
        // An `If-Match` that holds says that the writer knows the head.
        None if ask.if_match != Condition::Absent => Some(head),
        _ => None,
    };
    if base.is_none() && ask.base.is_none() && ask.conflict.is_none() {
        return Verdict::BaseRequired;
    }
    if ask.conflict == Some(Conflict::Overwrite) {
        return edit(story.heads.iter().map(|head| (head.cid, head.generation)));
    }
    let merge = |base: (Cid, u32), theirs: &Head, is_optional| Verdict::Merge {
        base,
        is_head: story.heads.iter().any(|head| head.cid == base.0),
        theirs: (theirs.cid, theirs.generation),
        is_optional,
    };
    if base == Some(head) {
        return match story.heads.get(1) {
            Some(other) if ask.conflict == Some(Conflict::Merge) => merge(head, other, true),
            _ => edit([head].into_iter()),
        };
    }
    match ask.conflict {
        Some(Conflict::Merge) if let (Some(base), Some(head)) = (base, story.head()) => {
            merge(base, head, false)
        }
        Some(Conflict::Keep) => edit(base.into_iter()),
        _ => Verdict::Conflict { base: base.map(|(cid, _)| cid), theirs: head.0 },
    }
}

fn edit(parents: impl Iterator<Item = (Cid, u32)>) -> Verdict {
    let (mut cids, mut greatest) = (Vec::new(), 0_u32);
    for (cid, generation) in parents {
        cids.push(cid);
        greatest = greatest.max(generation);
    }
    cids.sort_unstable();
    Verdict::Edit { parents: cids, generation: greatest.saturating_add(1) }
}

/// Finds the base and the story on the shelf and judges: `base` is the id that the writer gave, and
/// `ask.base` is put in its place. Returns the story, for what the answer shows of it.
pub fn judge_in(
    shelf: &impl Shelf,
    title: &str,
    base: Option<Cid>,
    ask: Ask,
) -> Result<(Verdict, Option<Story>), StoreError> {
    let base = match base {
        Some(cid) => Some(find_base(shelf, title, cid)?),
        None => None,
    };
    let story = story(shelf, title)?;
    let ask = Ask { base, ..ask.shown(shelf)? };
    Ok((judge(story.as_ref(), &ask), story))
}

/// The base as readers see it: of an alias the one that is shown.
fn find_base(shelf: &impl Shelf, title: &str, cid: Cid) -> Result<Base, StoreError> {
    let Some(place) = revision_place(shelf, cid)? else { return Ok(Base::Unknown) };
    if place.title != title {
        return Ok(Base::Elsewhere);
    }
    let shown = if place.shown == cid { Some(place) } else { revision_place(shelf, place.shown)? };
    let base = shown.map(|shown| Base::Here { cid: shown.shown, generation: shown.generation });
    base.ok_or(StoreError::IndexBroken)
}

fn shown_condition(shelf: &impl Shelf, condition: Condition) -> Result<Condition, StoreError> {
    Ok(match condition {
        Condition::Ids(cids) => Condition::Ids(shown(shelf, &cids)?),
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Head, Withdrawn};
    use super::*;
    use crate::update::{Dot, Epoch, Hlc};

    const HEAD: Cid = Cid([9; 32]);
    const OTHER: Cid = Cid([7; 32]);
    const OLD: Cid = Cid([1; 32]);

    fn head(cid: Cid, generation: u32) -> Head {
        Head {
            cid,
            dot: Dot { epoch: Epoch(1), seq: 1 },
            generation,
            clock: Hlc(1),
            headline: String::new(),
            section: String::new(),
            author: String::new(),
            located: None,
        }
    }

    fn standing(heads: Vec<Head>) -> Story {
        Story {
            title: "t".into(),
            conflicts: heads.len() as u32 - 1,
            heads,
            revisions: 3,
            first: Hlc(1),
            withdrawn: None,
        }
    }

    fn here(cid: Cid, generation: u32) -> Base {
        Base::Here { cid, generation }
    }

    fn edit_of(parents: &[Cid], generation: u32) -> Verdict {
        Verdict::Edit { parents: parents.to_vec(), generation }
    }

    fn conflict(base: Option<Cid>) -> Verdict {
        Verdict::Conflict { base, theirs: HEAD }
    }

    type Row = (Option<Base>, Option<Conflict>, Condition, Condition, Verdict);

    fn hold(story: Option<&Story>, rows: Vec<Row>) {
        for (at, (base, conflict, if_match, if_none_match, verdict)) in rows.into_iter().enumerate()
        {
            let ask = Ask { base, conflict, if_match, if_none_match };
            assert_eq!(judge(story, &ask), verdict, "row {at}: {ask:?}");
        }
    }

    use Condition::{Absent, Any};
    use Conflict::{Fail, Keep, Merge, Overwrite};

    fn ids(ids: &[Cid]) -> Condition {
        Condition::Ids(ids.to_vec())
    }

    #[test]
    fn a_title_that_nothing_stands_under_is_created_unless_a_head_is_demanded() {
        let mut rows: Vec<Row> = vec![
            (None, None, Absent, Any, Verdict::Create),
            (None, None, Absent, ids(&[HEAD]), Verdict::Create),
            (None, None, Any, Absent, Verdict::Unmet),
            (None, None, ids(&[HEAD]), Absent, Verdict::Unmet),
            (Some(Base::Unknown), None, Absent, Absent, Verdict::BaseUnknown),
            (Some(Base::Elsewhere), Some(Overwrite), Absent, Absent, Verdict::BaseElsewhere),
            (Some(Base::Unknown), Some(Overwrite), Absent, Absent, Verdict::Create),
        ];
        for conflict in [None, Some(Fail), Some(Merge), Some(Keep), Some(Overwrite)] {
            rows.push((None, conflict, Absent, Absent, Verdict::Create));
        }
        hold(None, rows);
    }

    #[test]
    fn an_edit_names_its_base_or_is_a_conflict() {
        let story = standing(vec![head(HEAD, 5)]);
        let edited = || edit_of(&[HEAD], 6);
        hold(
            Some(&story),
            vec![
                (Some(here(HEAD, 5)), None, Absent, Absent, edited()),
                (Some(here(HEAD, 5)), Some(Fail), Absent, Absent, edited()),
                (Some(here(HEAD, 5)), Some(Keep), Absent, Absent, edited()),
                (Some(here(HEAD, 5)), Some(Overwrite), Absent, Absent, edited()),
                (Some(here(OLD, 2)), None, Absent, Absent, conflict(Some(OLD))),
                (Some(here(OLD, 2)), Some(Fail), Absent, Absent, conflict(Some(OLD))),
                (Some(here(OLD, 2)), Some(Keep), Absent, Absent, edit_of(&[OLD], 3)),
                (Some(here(OLD, 2)), Some(Overwrite), Absent, Absent, edited()),
                (Some(Base::Unknown), None, Absent, Absent, Verdict::BaseUnknown),
                (Some(Base::Unknown), Some(Keep), Absent, Absent, Verdict::BaseUnknown),
                (Some(Base::Unknown), Some(Overwrite), Absent, Absent, edited()),
                (Some(Base::Elsewhere), None, Absent, Absent, Verdict::BaseElsewhere),
                (None, None, Absent, Absent, Verdict::BaseRequired),
                (None, Some(Fail), Absent, Absent, conflict(None)),
                (None, Some(Keep), Absent, Absent, edit_of(&[], 1)),
                (None, Some(Overwrite), Absent, Absent, edited()),
            ],
        );
    }

    #[test]
    fn a_merge_brings_together_the_base_and_the_greatest_head_beside_it() {
        let merge = |base, is_head, theirs| Verdict::Merge {
            base,
            is_head,
            theirs,
            is_optional: base == (HEAD, 5),
        };
        let one = standing(vec![head(HEAD, 5)]);
        let two = standing(vec![head(HEAD, 5), head(OTHER, 4)]);
        hold(
            Some(&one),
            vec![
                (Some(here(HEAD, 5)), Some(Merge), Absent, Absent, edit_of(&[HEAD], 6)),
                (
                    Some(here(OLD, 2)),
                    Some(Merge),
                    Absent,
                    Absent,
                    merge((OLD, 2), false, (HEAD, 5)),
                ),
                (None, Some(Merge), Absent, Absent, conflict(None)),
                (None, Some(Merge), Any, Absent, edit_of(&[HEAD], 6)),
                (Some(Base::Unknown), Some(Merge), Absent, Absent, Verdict::BaseUnknown),
            ],
        );
        let with = |base, verdict| (Some(base), Some(Merge), Absent, Absent, verdict);
        hold(
            Some(&two),
            vec![
                with(here(HEAD, 5), merge((HEAD, 5), true, (OTHER, 4))),
                with(here(OTHER, 4), merge((OTHER, 4), true, (HEAD, 5))),
                with(here(OLD, 2), merge((OLD, 2), false, (HEAD, 5))),
            ],
        );
    }

    #[test]
    fn conditions_hold_or_stop_the_write() {
        let story = standing(vec![head(HEAD, 5), head(OTHER, 5)]);
        let edited = || edit_of(&[HEAD], 6);
        hold(
            Some(&story),
            vec![
                (None, None, Absent, Any, Verdict::Unmet),
                (None, None, Absent, ids(&[HEAD]), Verdict::Unmet),
                (None, None, Absent, ids(&[OLD]), Verdict::BaseRequired),
                (Some(here(HEAD, 5)), None, Absent, ids(&[OLD]), edited()),
                (None, None, Any, Absent, edited()),
                (None, None, ids(&[HEAD]), Absent, edited()),
                (None, None, ids(&[OLD, HEAD]), Absent, edited()),
                (None, None, ids(&[OLD]), Absent, Verdict::Unmet),
                (None, None, ids(&[OTHER]), Absent, Verdict::Unmet),
                (None, None, ids(&[]), Absent, Verdict::Unmet),
                (Some(here(OLD, 2)), Some(Overwrite), ids(&[OLD]), Absent, Verdict::Unmet),
                (Some(here(OLD, 2)), None, ids(&[HEAD]), Absent, conflict(Some(OLD))),
                (Some(here(HEAD, 5)), None, ids(&[HEAD]), Absent, edited()),
                (Some(Base::Unknown), None, ids(&[OLD]), Absent, Verdict::BaseUnknown),
            ],
        );
    }

    #[test]
    fn of_several_heads_an_edit_follows_the_head_and_an_overwrite_all() {
        let story = standing(vec![head(HEAD, 5), head(OTHER, 4)]);
        hold(
            Some(&story),
            vec![
                (Some(here(HEAD, 5)), None, Absent, Absent, edit_of(&[HEAD], 6)),
                (Some(here(OTHER, 4)), None, Absent, Absent, conflict(Some(OTHER))),
                (Some(here(OTHER, 4)), Some(Keep), Absent, Absent, edit_of(&[OTHER], 5)),
                (None, Some(Overwrite), Absent, Absent, edit_of(&[OTHER, HEAD], 6)),
                (Some(here(OLD, 1)), Some(Overwrite), Absent, Absent, edit_of(&[OTHER, HEAD], 6)),
            ],
        );
    }

    #[test]
    fn a_withdrawn_story_takes_nothing() {
        let withdrawn = Withdrawn { at: Hlc(1), cid: OLD, reason: String::new() };
        let mut story = standing(vec![head(HEAD, 5)]);
        story.withdrawn = Some(withdrawn);
        let gone = || Verdict::Withdrawn;
        hold(
            Some(&story),
            vec![
                (None, None, Absent, Absent, gone()),
                (Some(here(HEAD, 5)), Some(Overwrite), Absent, Absent, gone()),
                (Some(Base::Elsewhere), None, Absent, Absent, gone()),
                (None, None, Absent, Any, gone()),
            ],
        );
    }

    #[test]
    fn the_deepest_generation_stays() {
        let story = standing(vec![head(HEAD, u32::MAX)]);
        let ask = Ask { base: Some(here(HEAD, u32::MAX)), ..Ask::default() };
        assert_eq!(judge(Some(&story), &ask), edit_of(&[HEAD], u32::MAX));
    }
}
