//! What a reader that lags is given: the newest of each story and of each report's id.

use super::{Revision, Shelf, read_report, report, story};
use crate::store::StoreError;
use crate::update::{Kind, Update};

/// True when nothing here is newer than this update of what it is about: a head of a story that
/// stands, a withdrawal, the report of its id. Bytes on a topic follow nothing and replace nothing,
/// so none of them is the newest.
pub fn is_newest(shelf: &impl Shelf, update: &Update) -> Result<bool, StoreError> {
    let payload = update.payload();
    match update.kind() {
        Kind::Revision => {
            let Ok(revision) = Revision::decode(payload) else { return Ok(false) };
            let story = story(shelf, revision.title)?.filter(|story| story.withdrawn.is_none());
            let mut heads = story.iter().flat_map(|story| &story.heads);
            Ok(heads.any(|head| head.cid == update.cid()))
        }
        Kind::Report => {
            let Ok(read) = read_report(payload) else { return Ok(false) };
            Ok(report(shelf, read.id)?.is_some_and(|newest| newest == payload))
        }
        Kind::Withdrawal => Ok(true),
        Kind::Data | Kind::Charter | Kind::Account => Ok(false),
    }
}
