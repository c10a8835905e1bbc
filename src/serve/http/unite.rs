//! `conflict=merge`: a write that is brought together with another head. What was sent is kept as a
//! revision of its own, and a machine merge follows it and the other head. The merge is the same
//! wherever the same two are merged, so its alias makes one of all that are made. Two heads that
//! stand already are merged by sending one of them as it is: what is not sent is as in the base.

use super::draft::Draft;
use super::edit::Edit;
use super::problem::Problem;
use super::stories::{damaged, revision_update};
use super::write::Made;
use crate::news::{self, Clash, Merged, Revision, TOPIC_STORIES, Version};
use crate::proto::http::Status;
use crate::reactor::Ctx;
use crate::serve::{Desk, Entry};
use crate::update::{Cid, Kind, Update};

/// What is to be brought together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides {
    /// The revision edited, and its generation.
    pub(super) base: (Cid, u32),
    /// It is a head.
    pub(super) is_head: bool,
    /// The other head, and its generation.
    pub(super) theirs: (Cid, u32),
}

/// A merge that can be written.
pub(super) struct Union {
    sides: Sides,
    merged: Merged,
    is_unchanged: bool,
}

/// Sides that only a person can bring together.
pub(super) struct Apart {
    /// What both began from.
    pub(super) ancestor: Option<Cid>,
    /// What clashes.
    pub(super) clash: Clash,
    /// The head was sent as it is.
    pub(super) is_unchanged: bool,
}

/// Merges what was sent with the other head.
pub(super) fn unite<D: Desk>(
    desk: &D,
    (title, draft): (&str, &Draft),
    sides: Sides,
) -> Result<Result<Union, Apart>, Problem> {
    let ancestor =
        news::common_ancestor(desk.store().index(), title, sides.base.0, sides.theirs.0)?;
    let base = revision_update(desk, sides.base.0)?;
    let theirs = revision_update(desk, sides.theirs.0)?;
    let yours = Version { revision: draft.revision(title, 1), media_type: draft.media_type() };
    let is_unchanged = sides.is_head && says_the_same(&version(&base)?, &yours);
    let common = ancestor.map(|cid| revision_update(desk, cid)).transpose()?;
    let common = common.as_ref().map(version).transpose()?.unwrap_or_default();
    let merged = match news::merge(&common, &yours, &version(&theirs)?) {
        Ok(merged) => merged,
        Err(clash) => return Ok(Err(Apart { ancestor, clash, is_unchanged })),
    };
    let bytes_max = desk.config().limits.story_bytes;
    if merged.revision(title, 1).body.len() > bytes_max {
        let detail = format!("what both sides make together has more than {bytes_max} bytes");
        return Err(Problem::new(Status::CONTENT_TOO_LARGE, detail));
    }
    Ok(Ok(Union { sides, merged, is_unchanged }))
}

/// A revision as what is merged.
pub(super) fn version(update: &Update) -> Result<Version<'_>, Problem> {
    let revision = Revision::decode(update.payload());
    let revision = revision.map_err(|error| damaged(update.cid(), &error))?;
    Ok(Version { revision, media_type: update.media_type() })
}

/// True when nothing that readers see differs; who wrote it, and why, is not asked.
pub(super) fn says_the_same(one: &Version<'_>, other: &Version<'_>) -> bool {
    fn said<'a>(version: &Version<'a>) -> Revision<'a> {
        Revision { generation: 1, author: "", summary: "", wire: &[], ..version.revision }
    }
    said(one) == said(other) && one.media_type == other.media_type
}

impl Union {
    /// Writes what was sent and the merge that follows; the answer is about the merge.
    pub(super) fn publish<D: Desk>(
        &self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        edit: &Edit,
    ) -> Result<Made, Problem> {
        let Sides { base, theirs, .. } = self.sides;
        let (yours, wrote) = if self.is_unchanged {
            (base, None)
        } else {
            let generation = base.1.saturating_add(1);
            let made = edit.revise(cx, desk, (vec![base.0], generation), false)?;
            ((made.receipt.cid, generation), Some(made.receipt.cid))
        };
        let parents = vec![yours.0, theirs.0];
        let generation = yours.1.max(theirs.1).saturating_add(1);
        let payload = self.merged.revision(edit.title(), generation).encode()?;
        let media_type = self.merged.media_type();
        let alias = news::merge_alias(&parents, media_type, &payload);
        let (kind, topic) = (Kind::Revision, TOPIC_STORIES);
        let entry = Entry { kind, topic, media_type, alias: &alias, parents, payload: &payload };
        let receipt = desk.publish(cx, entry, edit.durability())?;
        Ok(Made { yours: wrote, ..Made::new(receipt, false) })
    }
}
