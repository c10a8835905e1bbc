//! Which story an article is of, and whether it may be.
//!
//! An article that supersedes another is an edit of that one's story, if it may be: it shows the
//! key of that one's lock; or, where that one has none, it is from the same mailbox, which proves
//! little, but an edit takes nothing away. A cancel takes away: it needs the key, or a feeder whose
//! cancels are trusted, or a visitor who may withdraw.

use super::names::{Known, known, story_of};
use super::print::kept_parts;
use super::take::{Arrived, Refused, Who, durability};
use crate::accounts::Scopes;
use crate::news::{self, Conflict, Revision};
use crate::proto::article::{Article, is_unlocked, message_ids, wire_lines};
use crate::proto::http::ContentType;
use crate::serve::http::{Draft, Problem};
use crate::serve::offer::Offer;
use crate::serve::{Desk, Ticket, Visitor};
use crate::store::StoreError;
use crate::update::Cid;

const HEADLINE_BYTES_MAX: usize = 1024;
const AUTHOR_BYTES_MAX: usize = 255;
const TEXT: &str = "text/plain";

/// What becomes of an article.
#[derive(Debug)]
pub(super) enum Judged {
    /// It can't be said before this is settled.
    Wait(Ticket),
    /// It is written so.
    Offer(Box<Offer>),
    /// It is not taken.
    Refused(Refused),
}

impl Arrived {
    /// True when it says something of another article.
    pub(super) fn is_ordered(&self) -> bool {
        self.article.first("control").is_some() || self.article.first("supersedes").is_some()
    }

    fn writer(&self) -> Visitor {
        match &self.who {
            // A server brings in what others wrote, as an importer does.
            Who::Feeder { .. } => Visitor { scopes: Scopes::ALL, ..Visitor::default() },
            Who::Visitor(visitor) => visitor.clone(),
        }
    }
}

/// Finds out what becomes of an article, as all that was written before stands now.
pub(super) fn judge<D: Desk>(desk: &D, arrived: &Arrived) -> Result<Judged, Problem> {
    let title = news::message_title(&arrived.message_id);
    if let Some(ticket) = desk.writing(&title) {
        return Ok(Judged::Wait(ticket));
    }
    if known(desk, &arrived.message_id)? != Known::Nothing {
        return Ok(Judged::Refused(Refused::Duplicate));
    }
    if arrived.article.first("control").is_some() {
        return judge_control(desk, arrived);
    }
    let superseded = arrived
        .article
        .first("supersedes")
        .and_then(|ids| message_ids(ids).first().map(|id| id.as_str().to_owned()));
    match superseded.filter(|id| news::is_message(id)) {
        Some(superseded) => judge_edit(desk, arrived, &superseded),
        None => offer(desk, arrived, &title, (None, None)),
    }
}

fn judge_edit<D: Desk>(desk: &D, arrived: &Arrived, superseded: &str) -> Result<Judged, Problem> {
    let old_title = news::message_title(superseded);
    if let Some(ticket) = desk.writing(&old_title) {
        return Ok(Judged::Wait(ticket));
    }
    let is_gone = known(desk, superseded)? == Known::Gone;
    let superseded = story_of(desk, superseded)?;
    if let Some(ticket) = superseded.as_ref().and_then(|(title, _)| desk.writing(title)) {
        return Ok(Judged::Wait(ticket));
    }
    match superseded {
        Some((title, Some(cid))) => {
            if may_supersede(desk, arrived, cid)? {
                return offer(desk, arrived, &title, (Some(cid), Some(Conflict::Keep)));
            }
            // As if it said nothing of the other (RFC 8315, 3): a story of its own.
            let own = news::message_title(&arrived.message_id);
            offer(desk, arrived, &own, (None, None))
        }
        Some((title, None)) => {
            // What it supersedes never came; who stands there now is asked in its place.
            let story = news::story(desk.store().index(), &title)?;
            let head = story.as_ref().and_then(news::Story::head).map(|head| head.cid);
            if let Some(cid) = head
                && !may_supersede(desk, arrived, cid)?
            {
                let own = news::message_title(&arrived.message_id);
                return offer(desk, arrived, &own, (None, None));
            }
            offer(desk, arrived, &title, (None, Some(Conflict::Overwrite)))
        }
        // What is withdrawn stays so, under whatever name it would come back.
        None if is_gone => Ok(Judged::Refused(Refused::Gone)),
        // What it supersedes may come yet, or never.
        None => offer(desk, arrived, &old_title, (None, None)),
    }
}

fn may_supersede<D: Desk>(desk: &D, arrived: &Arrived, cid: Cid) -> Result<bool, StoreError> {
    if matches!(&arrived.who, Who::Visitor(_) | Who::Feeder { trusts_cancels: true }) {
        return Ok(true);
    }
    let Some(old) = desk.store().by_cid(cid)? else { return Ok(false) };
    let Ok(revision) = Revision::decode(old.payload()) else { return Ok(false) };
    match lock_of(revision.wire) {
        Some(lock) => Ok(shows_key(&arrived.article, &lock)),
        None => Ok(!revision.wire.is_empty() && revision.author == author(&arrived.article)),
    }
}

/// The Cancel-Lock of an article that was kept.
fn lock_of(wire: &[u8]) -> Option<Vec<u8>> {
    let fields = Article::parse_head(kept_parts(wire).0).ok()?;
    fields.into_iter().find(|field| field.is("cancel-lock")).map(|field| field.value)
}

fn shows_key(article: &Article, lock: &[u8]) -> bool {
    article.first("cancel-key").is_some_and(|key| is_unlocked(lock, key))
}

/// A control message: only a cancel is acted on.
fn judge_control<D: Desk>(desk: &D, arrived: &Arrived) -> Result<Judged, Problem> {
    let refused = |refused| Ok(Judged::Refused(refused));
    let control = arrived.article.unfolded("control");
    let mut words = control.split_ascii_whitespace();
    let is_cancel = words.next().is_some_and(|verb| verb.eq_ignore_ascii_case("cancel"));
    let target = words.next().filter(|target| is_cancel && news::is_message(target));
    let Some(target) = target else { return refused(Refused::Control) };
    if let Some(ticket) = desk.writing(&news::message_title(target)) {
        return Ok(Judged::Wait(ticket));
    }
    let Some((title, Some(cid))) = story_of(desk, target)? else {
        return refused(Refused::Unknown);
    };
    if let Some(ticket) = desk.writing(&title) {
        return Ok(Judged::Wait(ticket));
    }
    let story = news::story(desk.store().index(), &title)?;
    let is_head = story.is_some_and(|story| story.heads.iter().any(|head| head.cid == cid));
    if !is_head {
        // What took its place stays.
        return refused(Refused::Unknown);
    }
    if !may_cancel(desk, arrived, cid)? {
        return refused(Refused::NotTheirs);
    }
    let content = arrived.article.content();
    let reason = String::from_utf8_lossy(&content.body);
    let plain = |c: &char| !c.is_control() || matches!(c, '\t' | '\n');
    let reason: String = reason.trim().chars().filter(plain).take(1000).collect();
    let mut wire = Vec::new();
    arrived.article.put(&mut wire);
    let article = (&arrived.message_id[..], &wire[..]);
    let mut writer = arrived.writer();
    // Who may cancel is decided above: the key of an article is as good as the scope.
    writer.scopes.withdraw = true;
    let offer = Offer::cancel((&title, &reason), article, durability(desk), &writer)?;
    Ok(Judged::Offer(Box::new(offer)))
}

fn may_cancel<D: Desk>(desk: &D, arrived: &Arrived, cid: Cid) -> Result<bool, StoreError> {
    match &arrived.who {
        Who::Feeder { trusts_cancels: true } => return Ok(true),
        Who::Visitor(visitor) if visitor.scopes.withdraw => return Ok(true),
        Who::Feeder { .. } | Who::Visitor(_) => {}
    }
    let Some(old) = desk.store().by_cid(cid)? else { return Ok(false) };
    let Ok(revision) = Revision::decode(old.payload()) else { return Ok(false) };
    Ok(lock_of(revision.wire).is_some_and(|lock| shows_key(&arrived.article, &lock)))
}

/// The write of an article as a revision of this story.
fn offer<D: Desk>(
    desk: &D,
    arrived: &Arrived,
    title: &str,
    follows: (Option<Cid>, Option<Conflict>),
) -> Result<Judged, Problem> {
    let draft = draft(arrived);
    let offer = Offer::edit(desk, (title, draft), follows, durability(desk), &arrived.writer())?;
    Ok(Judged::Offer(Box::new(offer)))
}

/// What of an article readers see, and what of it is kept to be handed on.
fn draft(arrived: &Arrived) -> Draft {
    let article = &arrived.article;
    let content = article.content();
    let is_type = ContentType::parse(content.media_type.as_bytes()).is_ok();
    let is_type = is_type && content.media_type.len() <= 255;
    let media_type = if is_type { &content.media_type } else { TEXT };
    let mut wire = Vec::with_capacity(article.bytes());
    article.put_head(&mut wire);
    if wire_lines(&content.body) != article.body {
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(&article.body);
    }
    let language = article.unfolded("content-language");
    let headline = article.decoded("subject");
    let revision = Revision {
        headline: clipped(&headline, HEADLINE_BYTES_MAX),
        section: &arrived.section,
        author: &author(article),
        language: if news::is_language(&language) { &language } else { "" },
        body: &content.body,
        ..Revision::default()
    };
    Draft::whole(&revision, media_type).aliased(&arrived.message_id).wired(wire)
}

fn author(article: &Article) -> String {
    clipped(&article.decoded("from"), AUTHOR_BYTES_MAX).to_owned()
}

fn clipped(text: &str, bytes_max: usize) -> &str {
    text[..text.floor_char_boundary(bytes_max)].trim()
}
