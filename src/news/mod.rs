//! Layer 2: what readers see. Stories with their revisions, heads and conflicts; sections; the
//! news near a place; position reports; and the JSON that all of it is shown in.
//!
//! Everything here is derived from updates and kept in the store's index ([`Shelf`]); the schema
//! stands in `rows.rs`. Applying a set of updates in any order, any number of times, gives the same
//! answers. No clock, no socket, no thread: a moment is always that of an update.

mod ancestry;
mod changes;
mod diff;
mod edit;
mod filter;
mod globe;
mod intake;
mod lines;
mod merge;
mod message;
mod near;
mod newest;
mod numbers;
mod page;
mod places;
mod propose;
mod revision;
mod rows;
mod shelf;
mod story;
mod timeline;
mod view;
mod withdrawal;

pub use ancestry::common_ancestor;
pub use changes::{ChangeKind, ChangeLine, Wanted, changes};
pub use diff::{DiffView, Hunk, NotText, Op, Run, hunks};
pub use edit::{Ask, Base, Condition, Conflict, Verdict, judge, judge_in};
pub use filter::Filter;
pub use globe::Located;
pub use intake::forget;
pub use lines::{Change, changes_within};
pub use merge::{Clash, MERGE_ALIAS, MERGE_AUTHOR, Merged, Version, merge, merge_alias};
pub use message::{Message, is_message, message, message_title, title_message};
pub use near::{Near, near, nearby_json};
pub use newest::is_newest;
pub use numbers::{
    Group, Numbered, Progress, group, groups, number, number_of, numbered, numbering, put_numbering,
};
pub use page::{BadToken, ChangeMark, Page, RevisionMark, StoryMark};
pub use places::{ReportPage, read_report, report, report_time, reports};
pub use propose::{Proposal, has_markers, propose};
pub use revision::{FieldError, FieldFault, PayloadError, Revision, is_language, is_title};
pub use shelf::Shelf;
pub use story::{
    Head, RevisionLine, RevisionPlace, SectionLine, Story, StoryLine, Withdrawn, aliased,
    has_section, history, list, revision_place, sections, story,
};
pub use timeline::{Event, Happened, timeline, timeline_up};
pub use view::{HistoryView, RevisionView, SideView, StoriesView, UpdateView, at_text, is_textual};
pub use withdrawal::Withdrawal;

use crate::store::StoreError;
use crate::update::{Cid, Dot, Kind, Update};

/// The topic of revisions and withdrawals.
pub const TOPIC_STORIES: &str = "stories";
/// The topic of position reports.
pub const TOPIC_PLACES: &str = "places";

/// What an update did to what readers see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was applied before.
    Known,
    /// Its payload or topic is not what its kind promises: it is kept and passed on, but shows
    /// nothing.
    Malformed(PayloadError),
    /// A revision or a withdrawal changed a story.
    Story(StoryChange),
    /// A position report; false when a newer one of its id is held.
    Report {
        /// It is now the report of its id.
        is_newest: bool,
    },
    /// Bytes on a topic: nothing to index.
    Data,
    /// A stub: it does not even say of which story it was.
    Erased,
}

/// How a story stands after an update that changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryChange {
    /// The story.
    pub title: String,
    /// The section of its head; empty when it has none.
    pub section: String,
    /// Its head; none when it is withdrawn before a revision came.
    pub head: Option<Cid>,
    /// The head is another one than before.
    pub is_new_head: bool,
    /// This was the first update of the title.
    pub is_created: bool,
    /// How many heads stand beside the head.
    pub conflicts: u32,
    /// It is withdrawn, for good.
    pub is_withdrawn: bool,
    /// Revisions whose payloads are to be erased: all that are here of a story that was just
    /// withdrawn, or the one that came late.
    pub erase: Vec<Dot>,
}

/// Takes an update into the index: once or often, in any order.
pub fn apply(shelf: &mut impl Shelf, update: &Update) -> Result<Applied, StoreError> {
    if update.is_erased() {
        return Ok(Applied::Erased);
    }
    match (update.kind(), update.topic()) {
        (Kind::Revision, TOPIC_STORIES) => intake::apply_revision(shelf, update),
        (Kind::Withdrawal, TOPIC_STORIES) => intake::apply_withdrawal(shelf, update),
        (Kind::Report, TOPIC_PLACES) => places::apply_report(shelf, update),
        (Kind::Data | Kind::Charter | Kind::Account, _) => Ok(Applied::Data),
        _ => Ok(Applied::Malformed(PayloadError::Topic)),
    }
}

/// The story that a revision or a withdrawal is about; none for other updates, and for a stub.
pub fn title_of(update: &Update) -> Option<&str> {
    match update.kind() {
        Kind::Revision => Revision::decode(update.payload()).ok().map(|revision| revision.title),
        Kind::Withdrawal => Withdrawal::decode(update.payload()).ok().map(|gone| gone.title),
        Kind::Report | Kind::Data | Kind::Charter | Kind::Account => None,
    }
}

#[cfg(test)]
mod tests;
