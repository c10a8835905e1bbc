//! The feeds: `/feed.atom`, `/sections/{name}/feed.atom`, `/stories/{title}/feed.atom`.
//!
//! A feed is a chain of documents (RFC 5005, 4): the one at its address has what is newest, and
//! each names the one before it in time by `prev-archive`. They part the line of all events (each
//! story at the moment of its head, each withdrawal at its own; see `news::timeline`) without gap
//! and overlap, and a document is named by the event behind which it begins. It ends with the first
//! event whose hash says so, one in sixteen: so where documents end depends on the events
//! themselves, not on what stands before or behind them, and an archive's address stays good when
//! something newer comes.
//!
//! Why a walk finds everything: an event never moves but to the newest end, when its story is
//! edited or withdrawn. Whoever walks from the newest document to the oldest meets each event that
//! does not move meanwhile; one that moves while they walk stands in the newest document, or in an
//! archive that they have not seen yet, when they next read from there to the first archive that
//! they know, which is what readers of archived feeds do each time. An edited story leaves its old
//! archive, and may join that with its neighbour; then both addresses still lead on to all that is
//! older. What comes late from a node that was cut off has an old moment: who walks later finds it,
//! who must not miss it follows `/v1/updates`.

use crate::news::{self, Event, Happened, Revision, RevisionLine, RevisionMark, Story, StoryMark};
use crate::proto::http::{EntityTag, Fields, Status, TagList, encode_segment};
use crate::serve::Desk;
use crate::serve::http::answer::Answer;
use crate::serve::http::problem::Problem;
use crate::serve::http::stories::{Asked, standing};
use crate::serve::pages::{self, Content, Feed, FeedDeleted, FeedEntry, FeedLink};
use crate::store::Store;
use crate::update::{Cid, Dot, Hlc, Update};

const ATOM: &str = "application/atom+xml";
/// What is before a story's or revision's name in its id: the same on every node.
const TAG: &str = "tag:bellwether,2026:";
/// The newest document has at least so many events, if there are so many.
const NEWEST_MIN: usize = 16;
/// A document ends here in any case.
const EVENTS_MAX: usize = 128;
/// A longer body is given by its beginning.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Once so many bytes were read for a document, what is older in it is only named: an answer is
/// made between others.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
const BEGINNING_CHARS: usize = 400;

/// One event in so many ends a document.
fn is_end(hash: &[u8; 32]) -> bool {
    hash[0].is_multiple_of(16)
}

fn ends_document(event: &Event) -> bool {
    let clock = event.clock.0.to_be_bytes();
    is_end(blake3::hash(&[&clock[..], event.title.as_bytes()].concat()).as_bytes())
}

/// How many of these events make a document.
fn document_len<T>(events: &[T], is_newest: bool, ends: impl Fn(&T) -> bool) -> usize {
    let least = if is_newest { NEWEST_MIN } else { 1 };
    let behind = events.iter().enumerate().skip(least - 1).find(|(_, event)| ends(event));
    behind.map_or(EVENTS_MAX, |(last, _)| last + 1).min(EVENTS_MAX).min(events.len())
}

/// `/feed.atom`, and that of a section.
pub(in crate::serve::http) fn feed<D: Desk>(
    desk: &D,
    section: Option<&str>,
    asked: &Asked<'_>,
) -> Result<Answer, Problem> {
    let before: Option<StoryMark> = asked.query.parsed("before")?;
    let index = desk.store().index();
    let mut events = news::timeline(index, section, before.as_ref(), EVENTS_MAX + 1)?;
    let length = document_len(&events, before.is_none(), ends_document);
    let is_more = events.len() > length;
    events.truncate(length);
    let mark = |event: &Event| StoryMark::behind(event.clock, &event.title).to_string();
    let place = Place {
        path: section.map_or("/feed.atom".to_owned(), |section| {
            format!("/sections/{}/feed.atom", encode_segment(section))
        }),
        before: before.as_ref().map(StoryMark::to_string),
        older: events.last().filter(|_| is_more).map(mark),
        newer: match &before {
            Some(before) => newer(desk, section, before)?,
            None => None,
        },
    };
    let mut entries = Vec::new();
    let mut hash = blake3::Hasher::new();
    for event in &events {
        let story = event.story(index)?;
        let withdrawn = story.as_ref().and_then(|story| story.withdrawn.as_ref());
        let head = story.as_ref().and_then(Story::head).map(|head| head.cid);
        let id = withdrawn.map(|withdrawn| withdrawn.cid).or(head);
        hash.update(&id.unwrap_or(Cid::ZERO).0);
        entries.push((event, story));
    }
    let newest = events.first().map_or(Hlc(0), |event| event.clock);
    let validators = Validators::of(hash, &place);
    if validators.holds(&asked.fields) {
        return Ok(validators.put(Answer::empty(Status::NOT_MODIFIED)));
    }
    let page = section.map_or("/".to_owned(), |name| format!("/sections/{}", encode_segment(name)));
    let mut feed = place.feed(desk, section.unwrap_or("Newest stories"), page, newest);
    let mut reading = Reading::of(desk);
    for (event, story) in entries {
        let Some(story) = story else { continue };
        match (event.what, &story.withdrawn) {
            (Happened::Withdrawn, Some(withdrawn)) => feed.deleted.push(FeedDeleted {
                id: story_id(&story.title),
                at: withdrawn.at,
                why: withdrawn.reason.clone(),
            }),
            _ => feed.entries.extend(story_entry(&mut reading, &story)?),
        }
    }
    Ok(reading.put(&validators, Answer::content(Status::OK, ATOM, pages::atom(&feed))))
}

/// Where the document that ends above a mark begins, if that is an archive, too.
fn newer<D: Desk>(
    desk: &D,
    section: Option<&str>,
    before: &StoryMark,
) -> Result<Option<String>, Problem> {
    let index = desk.store().index();
    let above = news::timeline_up(index, section, before, EVENTS_MAX)?;
    let Some(end) = above.iter().find(|event| ends_document(event)) else { return Ok(None) };
    let mark = StoryMark::behind(end.clock, &end.title);
    let still_above = news::timeline_up(index, section, &mark, NEWEST_MIN)?.len();
    // With fewer events above it, it is in the newest document.
    Ok((still_above + 1 >= NEWEST_MIN).then(|| mark.to_string()))
}

/// `/stories/{title}/feed.atom`: the revisions of a story, parted in the same way.
pub(in crate::serve::http) fn story_feed<D: Desk>(
    desk: &D,
    title: &str,
    asked: &Asked<'_>,
) -> Result<Answer, Problem> {
    let story = standing(desk, title)?;
    let before: Option<RevisionMark> = asked.query.parsed("before")?;
    let mut lines = news::history(desk.store().index(), title, before, EVENTS_MAX + 1)?.lines;
    let length = document_len(&lines, before.is_none(), |line| is_end(&line.cid.0));
    let is_more = lines.len() > length;
    lines.truncate(length);
    let page = format!("/stories/{}", encode_segment(title));
    let mark = |line: &RevisionLine| RevisionMark::behind(line.at, line.cid).to_string();
    let place = Place {
        path: format!("{page}/feed.atom"),
        before: before.as_ref().map(RevisionMark::to_string),
        older: lines.last().filter(|_| is_more).map(mark),
        newer: None,
    };
    let mut hash = blake3::Hasher::new();
    for line in &lines {
        hash.update(&line.cid.0);
    }
    let newest = lines.first().map_or(Hlc(0), |line| line.at);
    let validators = Validators::of(hash, &place);
    if validators.holds(&asked.fields) {
        return Ok(validators.put(Answer::empty(Status::NOT_MODIFIED)));
    }
    let headline = story.head().map_or("", |head| &head.headline);
    let name = if headline.is_empty() { title } else { headline };
    let mut feed = place.feed(desk, name, page.clone(), newest);
    let mut reading = Reading::of(desk);
    for line in &lines {
        feed.entries.extend(revision_entry(&mut reading, name, &page, line)?);
    }
    Ok(reading.put(&validators, Answer::content(Status::OK, ATOM, pages::atom(&feed))))
}

/// Where a document stands in its feed.
struct Place {
    path: String,
    /// The mark behind which it begins; none for the newest document.
    before: Option<String>,
    /// The same of the next older document, and of the next newer archive.
    older: Option<String>,
    newer: Option<String>,
}

impl Place {
    fn at(&self, before: &str) -> String {
        format!("{}?before={before}", self.path)
    }

    /// The document, without entries.
    fn feed<D: Desk>(&self, desk: &D, title: &str, page: String, updated: Hlc) -> Feed {
        let link = |rel, href| FeedLink { rel, media_type: ATOM, href };
        let own = self.before.as_ref().map_or(self.path.clone(), |before| self.at(before));
        let mut links = vec![
            FeedLink { rel: "alternate", media_type: "text/html", href: page },
            link("self", own),
        ];
        if self.before.is_some() {
            links.push(link("current", self.path.clone()));
        }
        links.extend(self.older.as_ref().map(|mark| link("prev-archive", self.at(mark))));
        links.extend(self.newer.as_ref().map(|mark| link("next-archive", self.at(mark))));
        Feed {
            id: format!("{TAG}{}", self.path.trim_start_matches('/')),
            title: title.to_owned(),
            author: desk.config().name.clone(),
            updated,
            links,
            is_archive: self.before.is_some(),
            ..Feed::default()
        }
    }
}

/// By what a client knows that it has a document. Not by its date: in one second more than one
/// thing happens.
struct Validators {
    tag: String,
}

impl Validators {
    /// Of a document with this content at this place. The tag is weak: codings share it.
    fn of(mut content: blake3::Hasher, place: &Place) -> Self {
        for part in [&place.older, &place.newer] {
            content.update(part.as_deref().unwrap_or_default().as_bytes()).update(&[0]);
        }
        content.update(env!("CARGO_PKG_VERSION").as_bytes());
        Self { tag: content.finalize().to_hex()[..32].to_owned() }
    }

    /// True when the client has the document as it is.
    fn holds(&self, fields: &Fields<'_>) -> bool {
        let own = EntityTag { weak: true, opaque: &self.tag };
        let tags = TagList::read(fields, "if-none-match");
        tags.is_ok_and(|tags| tags.is_some_and(|tags| tags.names_any(&[own])))
    }

    fn put(&self, answer: Answer) -> Answer {
        answer
            .field("ETag", EntityTag { weak: true, opaque: &self.tag }.to_string())
            .field("Cache-Control", "no-cache")
    }
}

/// What was read for a document.
struct Reading<'a> {
    store: &'a Store,
    bytes: usize,
    /// The log lost something that belongs in it.
    has_gap: bool,
}

impl<'a> Reading<'a> {
    fn of<D: Desk>(desk: &'a D) -> Self {
        Self { store: desk.store(), bytes: 0, has_gap: false }
    }

    /// True when so many bytes more may be read.
    fn has_room(&self, bytes: u64) -> bool {
        bytes <= DOCUMENT_BYTES_MAX.saturating_sub(self.bytes) as u64
    }

    /// The update, if it can be read.
    fn update(&mut self, dot: Dot) -> Result<Option<Update>, Problem> {
        let update = self.store.find(dot)?;
        self.has_gap |= update.is_none() && self.store.is_lost(dot);
        self.bytes += update.as_ref().map_or(0, Update::payload_bytes);
        Ok(update)
    }

    /// The answer as it may be kept: one with a gap must not be, the same tag is whole later.
    fn put(&self, validators: &Validators, answer: Answer) -> Answer {
        if self.has_gap {
            return answer.field("Cache-Control", "no-store");
        }
        validators.put(answer)
    }
}

fn story_id(title: &str) -> String {
    format!("{TAG}stories/{}", encode_segment(title))
}

fn story_entry(reading: &mut Reading<'_>, story: &Story) -> Result<Option<FeedEntry>, Problem> {
    let Some(head) = story.head() else { return Ok(None) };
    let href = format!("/stories/{}", encode_segment(&story.title));
    let title = if head.headline.is_empty() { &story.title } else { &head.headline };
    let entry = FeedEntry {
        id: story_id(&story.title),
        title: title.clone(),
        published: story.first,
        updated: head.clock,
        author: head.author.clone(),
        section: head.section.clone(),
        base: href.clone(),
        href,
        ..FeedEntry::default()
    };
    let dot = if reading.has_room(1) { reading.store.dot_of(head.cid)? } else { None };
    let Some(dot) = dot else { return Ok(Some(entry)) };
    let Some(update) = reading.update(dot)? else { return Ok(Some(entry)) };
    Ok(Some(match Revision::decode(update.payload()) {
        Ok(revision) => with_content(entry, reading, &update, &revision),
        Err(_) => entry,
    }))
}

/// `name` is what the story is called: so is a revision that is not read.
fn revision_entry(
    reading: &mut Reading<'_>,
    name: &str,
    page: &str,
    line: &RevisionLine,
) -> Result<Option<FeedEntry>, Problem> {
    let mut entry = FeedEntry {
        id: format!("{TAG}revisions/{}", line.cid),
        title: name.to_owned(),
        href: format!("{page}?rev={}", line.cid),
        published: line.at,
        updated: line.at,
        author: line.author.clone(),
        summary: line.summary.clone(),
        base: page.to_owned(),
        ..FeedEntry::default()
    };
    if !reading.has_room(line.bytes) {
        return Ok(Some(entry));
    }
    let Some(update) = reading.update(line.dot)? else {
        return Ok(reading.store.is_lost(line.dot).then_some(entry));
    };
    let Ok(revision) = Revision::decode(update.payload()) else { return Ok(None) };
    let title = if revision.headline.is_empty() { revision.title } else { revision.headline };
    title.clone_into(&mut entry.title);
    revision.section.clone_into(&mut entry.section);
    Ok(Some(with_content(entry, reading, &update, &revision)))
}

/// The entry with what its revision says; of a long text the beginning, as its summary.
fn with_content(
    mut entry: FeedEntry,
    reading: &Reading<'_>,
    update: &Update,
    revision: &Revision<'_>,
) -> FeedEntry {
    revision.language.clone_into(&mut entry.language);
    let essence = update.media_type().to_ascii_lowercase();
    let (is_plain, is_markdown) =
        (essence.starts_with("text/plain"), essence.starts_with("text/markdown"));
    let text = std::str::from_utf8(revision.body).ok().filter(|_| is_plain || is_markdown);
    let is_long = revision.body.len() > BODY_BYTES_MAX || reading.bytes > DOCUMENT_BYTES_MAX;
    entry.content = match text {
        Some(text) if is_long => {
            if entry.summary.is_empty() {
                entry.summary = text.chars().take(BEGINNING_CHARS).chain(['…']).collect();
            }
            Content::None
        }
        Some(text) if is_markdown => Content::Markdown(text.to_owned()),
        Some(text) => Content::Text(text.to_owned()),
        None => Content::File {
            href: format!("/v1{}?as=body&rev={}", entry.base, update.cid()),
            media_type: update.media_type().to_owned(),
            bytes: revision.body.len(),
        },
    };
    entry
}
