//! `/v1/updates/{id}/spread`: which nodes have an update on disk, and since when. Also where the
//! 202 of a write leads whose time was up.

use super::answer::Answer;
use super::problem::Problem;
use super::write::Met;
use crate::config::Durability;
use crate::news;
use crate::proto::http::Status;
use crate::serve::{Desk, Holder};
use crate::update::{Cid, Hlc};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct SpreadView {
    id: String,
    #[serde(flatten)]
    durability: Met,
    nodes: Vec<NodeView>,
}

#[derive(Debug, Serialize)]
struct NodeView {
    node: String,
    on_disk: bool,
    /// By when it was; exact for what came lately.
    at: Option<String>,
}

impl From<Holder> for NodeView {
    fn from(Holder { node, at_ms }: Holder) -> Self {
        let at = at_ms.map(|ms| news::at_text(Hlc::from_ms(ms)));
        Self { node, on_disk: at.is_some(), at }
    }
}

/// How far an update has come.
pub(super) fn read<D: Desk>(desk: &D, id: &str) -> Result<Answer, Problem> {
    let cid: Cid = id.parse().map_err(|error| Problem::malformed(format!("{error}")))?;
    let update = desk.store().by_cid(cid)?;
    let update = update.ok_or_else(|| Problem::not_found("no update of this id is here"))?;
    let view = SpreadView {
        id: cid.to_string(),
        durability: Met::of(desk, update.dot(), Durability::of_asked(update.asked())),
        nodes: desk.holders(update.dot()).into_iter().map(NodeView::from).collect(),
    };
    Ok(Answer::json(Status::OK, &view).field("Cache-Control", "no-store"))
}
