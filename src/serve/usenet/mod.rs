//! Usenet: stories as articles and back, and what feeds do with them. No connection is here: the
//! protocols that carry articles are `nntp` (servers' side) and `feed` (ours, where we dial).
//!
//! A section is a newsgroup ([`group_of`]), a revision an article, an edit an article that
//! supersedes the one before, a withdrawal a cancel. An article from outside begins the story that
//! its Message-ID names ([`news::message_title`](crate::news::message_title)) and keeps its
//! Message-ID as the alias of its revision, so what came to two nodes is one to readers. Its head,
//! and its body where that can't be printed again from the text, are kept with it and handed on as
//! they came, with nothing changed but the Path.

mod groups;
mod intake;
mod judge;
mod names;
mod outgoing;
mod post;
mod print;
mod take;
mod transit;

pub(super) use groups::{group_of, section_of};
pub(super) use intake::Intake;
pub(super) use names::{find, message_id};
pub(super) use outgoing::Outgoing;
pub(super) use post::{Posting, post};
pub(super) use print::{Outline, article_of, head_of, outline_of, withdrawn_groups};
pub(super) use take::{Took, durability, feeder};
pub(super) use transit::Transit;

use crate::config::Limits;
use crate::proto::article::HEAD_BYTES_MAX;

/// The most bytes that an article may have.
pub(super) fn article_bytes_max(limits: &Limits) -> usize {
    limits.story_bytes + HEAD_BYTES_MAX
}
