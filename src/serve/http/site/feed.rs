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
use crate::proto::http::{
    EntityTag, Fields, Status, TagList, date_text, encode_segment, parse_date,
};
use crate::serve::Desk;
use crate::serve::http::answer::Answer;
use crate::serve::http::problem::Problem;
use crate::serve::http::stories::{Asked, standing};
use crate::serve::pages::{self, Content, Feed, FeedDeleted, FeedEntry, FeedLink};
use crate::update::{Cid, Hlc, Update};

const ATOM: &str = "application/atom+xml";
/// What is before a story's or revision's name in its id: the same on every node.
const TAG: &str = "tag:bellwether,2026:";
/// The newest document has at least so many events, if there are so many.
const NEWEST_MIN: usize = 16;
/// A document ends here in any case.
const EVENTS_MAX: usize = 128;
/// A longer body is given by its beginning, and so is each once the document has so many bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
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
    // An archive may lose an event without getting a newer one, and so may a section.
    let modified = (before.is_none() && section.is_none()).then_some(newest);
    let validators = Validators::of(hash, &place, modified);
    if validators.holds(&asked.fields) {
        return Ok(validators.put(Answer::empty(Status::NOT_MODIFIED)));
    }
    let page = section.map_or("/".to_owned(), |name| format!("/sections/{}", encode_segment(name)));
    let mut feed = place.feed(desk, section.unwrap_or("Newest stories"), page, newest);
    for (event, story) in entries {
        let Some(story) = story else { continue };
        match (event.what, &story.withdrawn) {
            (Happened::Withdrawn, Some(withdrawn)) => feed.deleted.push(FeedDeleted {
                id: story_id(&story.title),
                at: withdrawn.at,
                why: withdrawn.reason.clone(),
            }),
            _ => feed.entries.extend(story_entry(desk, &story)?),
        }
    }
    limit(&mut feed);
    Ok(validators.put(Answer::content(Status::OK, ATOM, pages::atom(&feed))))
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
    let validators = Validators::of(hash, &place, before.is_none().then_some(newest));
    if validators.holds(&asked.fields) {
        return Ok(validators.put(Answer::empty(Status::NOT_MODIFIED)));
    }
    let headline = story.head().map_or("", |head| &head.headline);
    let name = if headline.is_empty() { title } else { headline };
    let mut feed = place.feed(desk, name, page.clone(), newest);
    for line in &lines {
        feed.entries.extend(revision_entry(desk, &page, line)?);
    }
    limit(&mut feed);
    Ok(validators.put(Answer::content(Status::OK, ATOM, pages::atom(&feed))))
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

/// By what a client knows that it has a document.
struct Validators {
    tag: String,
    modified: Option<Hlc>,
}

impl Validators {
    /// Of a document with this content at this place. The tag is weak: codings share it.
    fn of(mut content: blake3::Hasher, place: &Place, modified: Option<Hlc>) -> Self {
        for part in [&place.older, &place.newer] {
            content.update(part.as_deref().unwrap_or_default().as_bytes()).update(&[0]);
        }
        content.update(env!("CARGO_PKG_VERSION").as_bytes());
        let tag = content.finalize().to_hex()[..32].to_owned();
        Self { tag, modified: modified.filter(|modified| modified.ms() > 0) }
    }

    /// True when the client has the document as it is.
    fn holds(&self, fields: &Fields<'_>) -> bool {
        let own = EntityTag { weak: true, opaque: &self.tag };
        match TagList::read(fields, "if-none-match") {
            Ok(Some(tags)) => tags.names_any(&[own]),
            Err(_) => false,
            Ok(None) => {
                let since = fields.first("if-modified-since");
                let since = since.and_then(|since| std::str::from_utf8(since).ok());
                let since = since.and_then(parse_date);
                let is_old = |modified: Hlc| since.is_some_and(|s| modified.ms() / 1000 <= s);
                self.modified.is_some_and(is_old)
            }
        }
    }

    fn put(&self, answer: Answer) -> Answer {
        let answer = answer
            .field("ETag", EntityTag { weak: true, opaque: &self.tag }.to_string())
            .field("Cache-Control", "no-cache");
        let Some(modified) = self.modified else { return answer };
        let date = date_text(modified.ms() / 1000);
        answer.field("Last-Modified", String::from_utf8_lossy(&date))
    }
}

fn story_id(title: &str) -> String {
    format!("{TAG}stories/{}", encode_segment(title))
}

fn story_entry<D: Desk>(desk: &D, story: &Story) -> Result<Option<FeedEntry>, Problem> {
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
    let Some(update) = desk.store().by_cid(head.cid)? else { return Ok(Some(entry)) };
    Ok(Some(with_content(entry, &update)))
}

fn revision_entry<D: Desk>(
    desk: &D,
    page: &str,
    line: &RevisionLine,
) -> Result<Option<FeedEntry>, Problem> {
    let Some(update) = desk.store().by_cid(line.cid)? else { return Ok(None) };
    let Ok(revision) = Revision::decode(update.payload()) else { return Ok(None) };
    let title = if revision.headline.is_empty() { revision.title } else { revision.headline };
    let entry = FeedEntry {
        id: format!("{TAG}revisions/{}", line.cid),
        title: title.to_owned(),
        href: format!("{page}?rev={}", line.cid),
        published: line.at,
        updated: line.at,
        author: line.author.clone(),
        section: revision.section.to_owned(),
        summary: line.summary.clone(),
        base: page.to_owned(),
        ..FeedEntry::default()
    };
    Ok(Some(with_content(entry, &update)))
}

fn with_content(mut entry: FeedEntry, update: &Update) -> FeedEntry {
    let Ok(revision) = Revision::decode(update.payload()) else { return entry };
    revision.language.clone_into(&mut entry.language);
    let media_type = update.media_type();
    let text = std::str::from_utf8(revision.body).ok().filter(|_| news::is_textual(media_type));
    let is_markdown = media_type.to_ascii_lowercase().starts_with("text/markdown");
    entry.content = match text {
        Some(text) if is_markdown => Content::Markdown(text.to_owned()),
        Some(text) if media_type.to_ascii_lowercase().starts_with("text/plain") => {
            Content::Text(text.to_owned())
        }
        _ => Content::File {
            href: format!("/v1{}?as=body&rev={}", entry.base, update.cid()),
            media_type: media_type.to_owned(),
            bytes: revision.body.len(),
        },
    };
    entry
}

/// Gives long texts by their beginnings.
fn limit(feed: &mut Feed) {
    let mut bytes = 0;
    for entry in &mut feed.entries {
        let (Content::Text(text) | Content::Markdown(text)) = &entry.content else { continue };
        bytes += text.len();
        if text.len() > BODY_BYTES_MAX || bytes > DOCUMENT_BYTES_MAX {
            bytes -= text.len();
            let beginning: String = text.chars().take(BEGINNING_CHARS).collect();
            if entry.summary.is_empty() {
                entry.summary = format!("{beginning}…");
            }
            entry.content = Content::None;
        }
    }
}
