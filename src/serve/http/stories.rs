//! Reading stories: lists, heads, older revisions, histories. JSON, or the body alone for clients
//! that would rather have that.

use super::answer::{Answer, JSON};
use super::print::{Form, Print, Shape, Shown, VARY, Wants};
use super::problem::Problem;
use super::query::Query;
use crate::news::{
    self, DiffView, HistoryView, NotText, Revision, RevisionPlace, RevisionView, StoriesView,
    Story, Withdrawn,
};
use crate::proto::http::{
    Accept, ByteRange, Coding, ContentType, EntityTag, Fields, Status, TagList, Target,
    if_range_holds,
};
use crate::serve::{Desk, Visitor};
use crate::update::{Cid, Kind, Update};
use std::sync::Arc;

/// The most lines of one answer, and how many there are unless asked.
const LIMIT_MAX: u64 = 500;
const LIMIT_DEFAULT: u64 = 50;

/// What a request asks apart from its route; its body, if it has one, is not here.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) query: Query<'a>,
    pub(super) fields: Fields<'a>,
    /// It is a GET: of other methods a Range means nothing (RFC 9110, 14.2).
    pub(super) may_range: bool,
    /// Who asks, where the route needs to know ([`Route::scope`](super::route::Route::scope)).
    pub(super) visitor: Visitor,
    /// What it was asked of, as it was sent.
    pub(super) target: Target<'a>,
}

impl Asked<'_> {
    fn range(&self) -> Option<&[u8]> {
        self.fields.first("range").filter(|_| self.may_range)
    }
}

/// `/v1/stories`
pub(super) fn list<D: Desk>(desk: &D, asked: &Asked<'_>) -> Result<Answer, Problem> {
    let section = asked.query.text("section");
    let before = asked.query.parsed("before")?;
    let limit = asked.query.number("limit", 1..=LIMIT_MAX, LIMIT_DEFAULT)? as usize;
    let page = news::list(desk.store().index(), section, before.as_ref(), limit)?;
    Ok(Answer::json(Status::OK, &StoriesView::from(&page)))
}

/// `/v1/stories/{title}/history`
pub(super) fn history<D: Desk>(
    desk: &D,
    title: &str,
    asked: &Asked<'_>,
) -> Result<Answer, Problem> {
    standing(desk, title)?;
    let before = asked.query.parsed("before")?;
    let limit = asked.query.number("limit", 1..=LIMIT_MAX, LIMIT_DEFAULT)? as usize;
    let page = news::history(desk.store().index(), title, before, limit)?;
    Ok(Answer::json(Status::OK, &HistoryView::from(&page)))
}

/// `/v1/stories/{title}`
pub(super) fn read<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Result<Answer, Problem> {
    let story = standing(desk, title)?;
    let head = story.head().map(|head| head.cid);
    let cid = match asked.query.cid("rev")? {
        Some(cid) => revision_of(desk, title, cid)?,
        None => head.ok_or_else(|| missing(title))?,
    };
    let conflicts = if head == Some(cid) { story.conflict_ids() } else { Vec::new() };
    shown(desk, cid, &conflicts, asked)
}

/// `/v1/revisions/{id}`
pub(super) fn revision<D: Desk>(desk: &D, id: &str, asked: &Asked<'_>) -> Result<Answer, Problem> {
    let (cid, place) = revision_named(desk, id)?;
    let story = standing(desk, &place.title)?;
    let is_head = story.head().is_some_and(|head| head.cid == place.shown);
    let conflicts = if is_head { story.conflict_ids() } else { Vec::new() };
    shown(desk, cid, &conflicts, asked)
}

/// `/v1/revisions/{a}/diff/{b}`
pub(super) fn diff<D: Desk>(desk: &D, [a, b]: [&str; 2]) -> Result<Answer, Problem> {
    let (a, b) = (revision_named(desk, a)?.0, revision_named(desk, b)?.0);
    let (a, b) = (revision_update(desk, a)?, revision_update(desk, b)?);
    let view = DiffView::of(&a, &b).map_err(|NotText| {
        let detail = "one of the two is not text: fetch both and compare their bytes";
        Problem::new(Status::UNPROCESSABLE_CONTENT, detail)
    })?;
    // Neither ever changes, but either may be withdrawn.
    Ok(Answer::json(Status::OK, &view).field("Cache-Control", "no-cache"))
}

/// The revision of an id, or why there is none to read: 400, 404, 410.
fn revision_named<D: Desk>(desk: &D, id: &str) -> Result<(Cid, RevisionPlace), Problem> {
    let cid: Cid = id.parse().map_err(|error| Problem::malformed(format!("{error}")))?;
    if let Some(place) = news::revision_place(desk.store().index(), cid)? {
        return Ok((cid, place));
    }
    // The index knows nothing of what was withdrawn; what is left of it says at least that.
    let update = revision_update(desk, cid)?;
    if let Ok(revision) = Revision::decode(update.payload()) {
        standing(desk, revision.title)?;
    }
    Err(unknown_revision())
}

fn unknown_revision() -> Problem {
    Problem::not_found("no revision of this id is here")
}

/// The story as it stands, or why it can't be read: 404, 410.
pub(in crate::serve) fn standing<D: Desk>(desk: &D, title: &str) -> Result<Story, Problem> {
    let story = news::story(desk.store().index(), title)?;
    let story = story.ok_or_else(|| missing(title))?;
    match &story.withdrawn {
        Some(withdrawn) => Err(gone(title, withdrawn)),
        None => Ok(story),
    }
}

/// 404 for a story.
pub(in crate::serve) fn missing(title: &str) -> Problem {
    Problem::not_found(format!("no story {title:?} is here"))
}

/// 410 with reason and time.
pub(super) fn gone(title: &str, withdrawn: &Withdrawn) -> Problem {
    Problem::new(Status::GONE, format!("the story {title:?} was withdrawn, for good"))
        .with("reason", withdrawn.reason.clone().into())
        .with("at", news::at_text(withdrawn.at).into())
}

/// `rev` if it is a revision of this story.
pub(in crate::serve) fn revision_of<D: Desk>(
    desk: &D,
    title: &str,
    cid: Cid,
) -> Result<Cid, Problem> {
    let place = news::revision_place(desk.store().index(), cid)?;
    let is_here = place.is_some_and(|place| place.title == title);
    let problem =
        || Problem::not_found(format!("no revision {cid} of the story {title:?} is here"));
    if is_here { Ok(cid) } else { Err(problem()) }
}

/// The head of a story in the form that the client wants, to be kept until the story changes.
pub(super) fn print<D: Desk>(
    desk: &mut D,
    title: &str,
    wants: &Wants<'_>,
) -> Result<Arc<Print>, Problem> {
    if let Some(print) = desk.prints().find(title, wants) {
        return Ok(print);
    }
    let story = standing(desk, title)?;
    let cid = story.head().map(|head| head.cid).ok_or_else(|| missing(title))?;
    let update = revision_update(desk, cid)?;
    let form = wants.form(update.media_type());
    let print = Arc::new(Print::new(show(&update, &story.conflict_ids(), form)?));
    desk.prints().keep(title, update.media_type(), form, &print);
    Ok(print)
}

/// A revision in a form.
fn show(update: &Update, conflicts: &[Cid], form: Form) -> Result<Shown, Problem> {
    let cid = update.cid();
    let revision = Revision::decode(update.payload()).map_err(|error| damaged(cid, &error))?;
    let (media_type, body) = if form.shape == Shape::Alone {
        (with_charset(update.media_type(), revision.body), revision.body.to_vec())
    } else {
        let json = serde_json::to_vec(&RevisionView::of(update, conflicts));
        (JSON.to_owned(), json.map_err(|error| unwritable(cid, &error))?)
    };
    Ok(Shown::new(cid, media_type, body, form))
}

/// A revision, or the part of it that the client asks for, in the form that it wants.
fn shown<D: Desk>(
    desk: &D,
    cid: Cid,
    conflicts: &[Cid],
    asked: &Asked<'_>,
) -> Result<Answer, Problem> {
    let update = revision_update(desk, cid)?;
    let wants = Wants::read(&asked.fields, asked.query.text("as") == Some("body"));
    let mut form = wants.form(update.media_type());
    let range = asked.range();
    if range.is_some() || !asked.may_range {
        // What one node encoded another may encode otherwise: parts must fit together. And nothing
        // is encoded for a HEAD request.
        form.coding = Coding::Identity;
    }
    if let Some(held) = held(asked, cid) {
        // Nothing is encoded for an answer without a body, so whether the form that it likes would
        // be encoded is not known unless it names it: then the tag is one that it has.
        let (liked, plain) = (form.tag(cid), Form { coding: Coding::Identity, ..form }.tag(cid));
        let is_known = form.coding == Coding::Identity || held.contains(&liked);
        let tag = if is_known { liked } else { held.into_iter().next().unwrap_or(plain) };
        let answer = Answer::empty(Status::NOT_MODIFIED).field("ETag", tag);
        return Ok(answer.field("Vary", VARY).field("Cache-Control", "no-cache"));
    }
    let shown = show(&update, conflicts, form)?;
    let bytes = shown.body.len() as u64;
    let is_same = |tag: &EntityTag<'_>| if_range_holds(asked.fields.first("if-range"), *tag);
    let tag = EntityTag::parse(shown.tag.as_bytes());
    let range = range.filter(|_| tag.as_ref().is_some_and(is_same));
    let range = range.map_or(ByteRange::Whole, |range| ByteRange::parse(range, bytes));
    let answer = match range {
        ByteRange::Whole => Answer::content(Status::OK, shown.media_type.clone(), &shown.body[..]),
        ByteRange::Part { from, to } => {
            let part = &shown.body[from as usize..to as usize];
            Answer::content(Status::PARTIAL_CONTENT, shown.media_type.clone(), part)
        }
        ByteRange::Unsatisfiable => {
            let detail = format!("there are {bytes} bytes");
            Problem::new(Status::RANGE_NOT_SATISFIABLE, detail).into()
        }
    };
    let answer = with_fields(answer, &shown);
    Ok(match range.content_range(bytes) {
        None => answer,
        Some(range) => answer.field("Content-Range", range),
    })
}

fn with_fields(answer: Answer, shown: &Shown) -> Answer {
    shown.fields().fold(answer.unencoded(), |answer, (name, value)| answer.field(name, value))
}

fn unwritable(cid: Cid, error: &serde_json::Error) -> Problem {
    log::error!("the revision {cid} can't be written as JSON: {error}");
    Problem::new(Status::INTERNAL_SERVER_ERROR, "this node can't show that revision")
}

/// The update of a revision: 404 when it is not here, 410 when it is erased, which leaves nothing
/// that says of which story it was.
pub(in crate::serve) fn revision_update<D: Desk>(desk: &D, cid: Cid) -> Result<Update, Problem> {
    let update = desk.store().by_cid(cid)?.filter(|update| update.kind() == Kind::Revision);
    match update {
        None => Err(unknown_revision()),
        Some(update) if update.is_erased() => {
            let detail = format!(
                "the revision {cid} is kept no longer: its story was withdrawn, or it is over its \
                 retention"
            );
            Err(Problem::new(Status::GONE, detail))
        }
        Some(update) => Ok(update),
    }
}

/// A revision in the index whose payload does not read: never the reader's fault.
pub(super) fn damaged(cid: Cid, error: &news::PayloadError) -> Problem {
    log::error!("the revision {cid} does not read: {error}");
    Problem::new(Status::INTERNAL_SERVER_ERROR, "this node can't read that revision")
}

/// The tags in If-None-Match that name the revision, in any of its forms; none of them for `*`.
/// `None` when the client does not hold it. A malformed list holds nothing, which costs the client
/// no more than a body.
fn held(asked: &Asked<'_>, cid: Cid) -> Option<Vec<String>> {
    match TagList::read(&asked.fields, "if-none-match") {
        Ok(Some(TagList::Any)) => Some(Vec::new()),
        Ok(Some(TagList::Tags(tags))) => {
            let of_it = |tag: &&EntityTag<'_>| tagged_cid(tag.opaque) == Some(cid);
            let strong = |tag: &EntityTag<'_>| EntityTag::strong(tag.opaque).to_string();
            let named: Vec<String> = tags.iter().filter(of_it).map(strong).collect();
            (!named.is_empty()).then_some(named)
        }
        Ok(None) | Err(_) => None,
    }
}

/// The id in a tag: `ID`, or `ID-text` and the like.
pub(super) fn tagged_cid(opaque: &str) -> Option<Cid> {
    opaque.split_once('-').map_or(opaque, |(id, _)| id).parse().ok()
}

/// True when the client names the body's type, or for text plain text, and likes it better than
/// JSON.
pub(super) fn prefers_body(accept: &Accept<'_>, media_type: &str) -> bool {
    let Ok(parsed) = ContentType::parse(media_type.as_bytes()) else { return false };
    let essence = format!("{}/{}", parsed.kind(), parsed.subtype());
    let is_text = parsed.kind().eq_ignore_ascii_case("text");
    let offers = [Some(&essence[..]), is_text.then_some("text/plain")];
    let json = accept.quality(JSON);
    let liked = |offer: &&str| accept.names(offer) && accept.quality(offer) > json;
    offers.iter().flatten().any(liked)
}

/// Text without a charset is labelled as UTF-8 if that is what it is.
fn with_charset(media_type: &str, body: &[u8]) -> String {
    let parsed = ContentType::parse(media_type.as_bytes());
    let is_bare_text = parsed.is_ok_and(|parsed| {
        parsed.kind().eq_ignore_ascii_case("text") && parsed.parameter("charset").is_none()
    });
    if is_bare_text && std::str::from_utf8(body).is_ok() {
        format!("{media_type}; charset=utf-8")
    } else {
        media_type.to_owned()
    }
}
