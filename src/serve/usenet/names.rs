//! What articles are called: Message-IDs of updates, and updates by Message-ID.

use crate::news::{self, Message};
use crate::serve::Desk;
use crate::store::StoreError;
use crate::update::{Cid, Update};

/// Behind the `@` of what was made in this herd. Reserved (RFC 2606): nobody else has it. What
/// stands before it, the hash of the update, needs no name to be the only one in the world.
const DOMAIN: &str = "bellwether.invalid";

/// What is known under a Message-ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// A revision, as readers see it.
    Here(Cid),
    /// It was here once, or what takes its place is.
    Gone,
}

/// The Message-ID of an article that is an update of this herd.
pub(super) fn own_id(cid: Cid) -> String {
    format!("<{cid}@{DOMAIN}>")
}

/// The Message-ID of the `number`-th cancel that `site` says for a withdrawal.
pub(super) fn cancel_id(withdrawal: Cid, site: &str, number: usize) -> String {
    format!("<{withdrawal}.{number}.{site}@{DOMAIN}>")
}

/// A Message-ID for an article that was posted without one; `random` must never come twice.
pub(super) fn posted_id([high, low]: [u64; 2]) -> String {
    format!("<p{high:016x}{low:016x}@{DOMAIN}>")
}

/// True for the Message-ID of what was made in a herd like this one.
pub(super) fn is_own(message_id: &str) -> bool {
    let parts = message_id.strip_suffix('>').and_then(|id| id.rsplit_once('@'));
    parts.is_some_and(|(_, domain)| domain == DOMAIN)
}

/// The update that a Message-ID of this herd names.
fn own_cid(message_id: &str) -> Option<Cid> {
    let inner = message_id.strip_prefix('<')?.strip_suffix('>')?;
    let (name, domain) = inner.split_once('@')?;
    let name = name.split('.').next().unwrap_or(name);
    if domain == DOMAIN { name.parse().ok() } else { None }
}

/// The Message-ID of a revision or a withdrawal, stubs included: the one that it came with as an
/// article, else one made of its id.
pub(in crate::serve) fn message_id(update: &Update) -> String {
    if news::is_message(update.alias()) { update.alias().to_owned() } else { own_id(update.cid()) }
}

/// The revision of this Message-ID (with its brackets) that readers see; `None` where there is
/// none, or none any more.
pub(in crate::serve) fn find<D: Desk>(
    desk: &D,
    message_id: &str,
) -> Result<Option<Update>, StoreError> {
    match known(desk, message_id)? {
        Known::Here(cid) => Ok(desk.store().by_cid(cid)?.filter(|update| !update.is_erased())),
        Known::Nothing | Known::Gone => Ok(None),
    }
}

/// Looks a Message-ID (with its brackets) up.
pub(super) fn known<D: Desk>(desk: &D, message_id: &str) -> Result<Known, StoreError> {
    let index = desk.store().index();
    if let Some(cid) = own_cid(message_id) {
        if news::revision_place(index, cid)?.is_some() {
            return Ok(Known::Here(cid));
        }
        // A stub, or a withdrawal. If it is neither, it may be another herd's.
        if desk.store().by_cid(cid)?.is_some() {
            return Ok(Known::Gone);
        }
    }
    Ok(match news::message(index, message_id)? {
        Message::Unknown => Known::Nothing,
        Message::Revision { cid, .. } => Known::Here(cid),
        Message::Withdrawn { .. } | Message::Superseded { .. } => Known::Gone,
    })
}

/// The story of an article, and its revision if there is one; `None` when nothing is known of it,
/// or it was made in the herd and nothing but a stub is left.
pub(super) fn story_of<D: Desk>(
    desk: &D,
    message_id: &str,
) -> Result<Option<(String, Option<Cid>)>, StoreError> {
    let index = desk.store().index();
    if let Some(cid) = own_cid(message_id)
        && let Some(place) = news::revision_place(index, cid)?
    {
        return Ok(Some((place.title, Some(cid))));
    }
    Ok(match news::message(index, message_id)? {
        Message::Unknown => None,
        Message::Revision { title, cid } => Some((title, Some(cid))),
        Message::Withdrawn { title } | Message::Superseded { title } => Some((title, None)),
    })
}
