//! The JSON in which contract.md shows updates, stories and lists. Ids are 64 hexadecimal digits,
//! times RFC 3339 in UTC with milliseconds. A body is text (`body`) when its media type is and its
//! bytes are UTF-8, else `body_base64`.

use super::{Located, Page, Revision, RevisionLine, StoryLine, Withdrawal, read_report};
use crate::update::{Cid, Hlc, Kind, Update};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// A moment as RFC 3339 text in UTC with milliseconds: `2026-11-22T01:28:00.000Z`.
pub fn at_text(moment: Hlc) -> String {
    let ms = i64::try_from(moment.ms()).unwrap_or(i64::MAX);
    // 48 bits of milliseconds reach beyond the year 9999, RFC 3339 does not.
    let timestamp = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    format!("{timestamp:.3}")
}

/// True for media types whose bytes are text in UTF-8: `text/*`, JSON, XML and kin, unless they
/// name another charset.
pub fn is_textual(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_text = essence.starts_with("text/")
        || ["+json", "+xml", "+yaml"].iter().any(|suffix| essence.ends_with(suffix))
        || essence.strip_prefix("application/").is_some_and(|subtype| TEXTUAL.contains(&subtype));
    is_text
        && parts.filter_map(charset).all(|charset| {
            ["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known))
        })
}

const TEXTUAL: [&str; 8] =
    ["json", "xml", "javascript", "ecmascript", "yaml", "toml", "x-ndjson", "sql"];

fn charset(parameter: &str) -> Option<&str> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
}

/// An id, shown as hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Id(pub(super) Cid);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn ids(cids: impl IntoIterator<Item = Cid>) -> Vec<Id> {
    cids.into_iter().map(Id).collect()
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Degrees {
    lat: f64,
    lon: f64,
}

impl From<Located> for Degrees {
    fn from(located: Located) -> Self {
        Self { lat: located.lat(), lon: located.lon() }
    }
}

/// One of the two is set.
#[derive(Debug, Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl<'a> Body<'a> {
    fn of(media_type: &str, bytes: &'a [u8]) -> Self {
        let text = if is_textual(media_type) { std::str::from_utf8(bytes).ok() } else { None };
        let body_base64 = if text.is_none() { Some(STANDARD.encode(bytes)) } else { None };
        Self { body: text, body_base64 }
    }
}

/// An update as streams and polls show it.
#[derive(Debug, Serialize)]
pub struct UpdateView<'a> {
    id: Id,
    origin: &'a str,
    seq: u64,
    at: String,
    kind: &'static str,
    topic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    section: &'a str,
    media_type: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    base: Vec<Id>,
    #[serde(skip_serializing_if = "str::is_empty")]
    author: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    headline: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    summary: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    language: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(flatten)]
    body: Option<Body<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    located: Option<Degrees>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<Id>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
}

impl<'a> UpdateView<'a> {
    /// Shows that an update was, and nothing of what it said: `erased` is true.
    pub fn erased(update: &'a Update) -> Self {
        Self { body: None, erased: true, ..Self::plain(update) }
    }

    /// Shows an update, with the ids of the heads beside its story's head where that is known.
    /// One whose payload is not what its kind promises is shown as the bytes that it is.
    pub fn of(update: &'a Update, conflicts: &[Cid]) -> Self {
        if update.is_erased() {
            return Self::erased(update);
        }
        let mut view = Self::plain(update);
        view.conflicts = ids(conflicts.iter().copied());
        match update.kind() {
            Kind::Revision => {
                if let Ok(revision) = Revision::decode(update.payload()) {
                    view.show_revision(&revision, update.media_type());
                }
            }
            Kind::Withdrawal => {
                if let Ok(withdrawal) = Withdrawal::decode(update.payload()) {
                    view.title = Some(withdrawal.title);
                    view.reason = Some(withdrawal.reason);
                    view.body = None;
                }
            }
            Kind::Report => {
                if let Ok(report) = read_report(update.payload()) {
                    let (lat_udeg, lon_udeg) = report.latlon.microdegrees();
                    view.located = Some(Located { lat_udeg, lon_udeg }.into());
                }
            }
            Kind::Data | Kind::Charter => {}
            // Hashes of passwords are for nobody, even if someone should ask for this view.
            Kind::Account => view.body = None,
        }
        view
    }

    /// Shows an update without its body, for readers that could not take it. What it costs does
    /// not grow with the body.
    pub fn without_body(update: &'a Update) -> Self {
        let mut view = Self::bare(update);
        if let (Kind::Revision, Ok(revision)) = (update.kind(), Revision::decode(update.payload()))
        {
            view.show_revision(&Revision { body: b"", ..revision }, update.media_type());
            view.body = None;
        }
        view
    }

    fn plain(update: &'a Update) -> Self {
        let body = Some(Body::of(update.media_type(), update.payload()));
        Self { body, ..Self::bare(update) }
    }

    fn bare(update: &'a Update) -> Self {
        Self {
            id: Id(update.cid()),
            origin: update.origin(),
            seq: update.dot().seq,
            at: at_text(update.clock()),
            kind: update.kind().name(),
            topic: update.topic(),
            title: None,
            section: "",
            media_type: update.media_type(),
            base: ids(update.parents()),
            author: "",
            headline: "",
            summary: "",
            language: "",
            reason: None,
            body: None,
            located: None,
            conflicts: Vec::new(),
            erased: false,
        }
    }

    fn show_revision(&mut self, revision: &Revision<'a>, media_type: &str) {
        self.title = Some(revision.title);
        self.section = revision.section;
        self.author = revision.author;
        self.headline = revision.headline;
        self.summary = revision.summary;
        self.language = revision.language;
        self.body = Some(Body::of(media_type, revision.body));
        self.located = revision.located.map(Degrees::from);
    }
}

/// A revision as `/v1/stories/{title}` and `/v1/revisions/{id}` show it.
#[derive(Debug, Serialize)]
pub struct RevisionView<'a> {
    id: Id,
    title: &'a str,
    headline: &'a str,
    #[serde(flatten)]
    body: Body<'a>,
    media_type: &'a str,
    section: &'a str,
    summary: &'a str,
    author: &'a str,
    language: &'a str,
    located: Option<Degrees>,
    at: String,
    origin: &'a str,
    seq: u64,
    base: Vec<Id>,
    generation: u32,
    conflicts: Vec<Id>,
}

impl<'a> RevisionView<'a> {
    /// Shows a revision, with the ids of the story's heads beside the head (none for a revision
    /// that is not the head). None when the update is no revision.
    pub fn of(update: &'a Update, conflicts: &[Cid]) -> Option<Self> {
        let revision = read_revision(update)?;
        Some(Self {
            id: Id(update.cid()),
            title: revision.title,
            headline: revision.headline,
            body: Body::of(update.media_type(), revision.body),
            media_type: update.media_type(),
            section: revision.section,
            summary: revision.summary,
            author: revision.author,
            language: revision.language,
            located: revision.located.map(Degrees::from),
            at: at_text(update.clock()),
            origin: update.origin(),
            seq: update.dot().seq,
            base: ids(update.parents()),
            generation: revision.generation,
            conflicts: ids(conflicts.iter().copied()),
        })
    }
}

fn read_revision(update: &Update) -> Option<Revision<'_>> {
    if update.kind() != Kind::Revision {
        return None;
    }
    Revision::decode(update.payload()).ok()
}

/// One side of a conflict, as a 409 shows it.
#[derive(Debug, Serialize)]
pub struct SideView<'a> {
    id: Option<Id>,
    headline: &'a str,
    #[serde(flatten)]
    body: Body<'a>,
}

impl<'a> SideView<'a> {
    /// A revision that is here. None when the update is no revision.
    pub fn of(update: &'a Update) -> Option<Self> {
        let revision = read_revision(update)?;
        let body = Body::of(update.media_type(), revision.body);
        Some(Self { id: Some(Id(update.cid())), headline: revision.headline, body })
    }

    /// What the writer sent: it has no id, since it was not accepted.
    pub fn of_draft(revision: &Revision<'a>, media_type: &str) -> Self {
        let body = Body::of(media_type, revision.body);
        Self { id: None, headline: revision.headline, body }
    }
}

/// A list of stories, as `/v1/stories` shows it.
#[derive(Debug, Serialize)]
pub struct StoriesView<'a> {
    stories: Vec<StoryLineView<'a>>,
    next: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct StoryLineView<'a> {
    title: &'a str,
    id: Id,
    headline: &'a str,
    section: &'a str,
    at: String,
    author: &'a str,
    conflicts: Vec<Id>,
}

impl<'a> From<&'a Page<StoryLine>> for StoriesView<'a> {
    fn from(page: &'a Page<StoryLine>) -> Self {
        let line = |line: &'a StoryLine| StoryLineView {
            title: &line.title,
            id: Id(line.head.cid),
            headline: &line.head.headline,
            section: &line.head.section,
            at: at_text(line.head.clock),
            author: &line.head.author,
            conflicts: ids(line.conflicts.iter().copied()),
        };
        Self { stories: page.lines.iter().map(line).collect(), next: page.next.as_deref() }
    }
}

/// The revisions of a story, as `/v1/stories/{title}/history` shows them.
#[derive(Debug, Serialize)]
pub struct HistoryView<'a> {
    revisions: Vec<RevisionLineView<'a>>,
    next: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct RevisionLineView<'a> {
    id: Id,
    base: Vec<Id>,
    at: String,
    author: &'a str,
    summary: &'a str,
    bytes: u64,
    generation: u32,
}

impl<'a> From<&'a Page<RevisionLine>> for HistoryView<'a> {
    fn from(page: &'a Page<RevisionLine>) -> Self {
        let line = |line: &'a RevisionLine| RevisionLineView {
            id: Id(line.cid),
            base: ids(line.parents.iter().copied()),
            at: at_text(line.at),
            author: &line.author,
            summary: &line.summary,
            bytes: line.bytes,
            generation: line.generation,
        };
        Self { revisions: page.lines.iter().map(line).collect(), next: page.next.as_deref() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{TOPIC_PLACES, TOPIC_STORIES, apply, history, list};
    use super::*;
    use crate::update::Draft;
    use serde_json::{Value, json, to_value};
    use std::collections::BTreeMap;

    const PARENT: Cid = Cid([0xab; 32]);

    fn seal(kind: Kind, topic: &str, media_type: &str, payload: &[u8]) -> Update {
        Update::seal(Draft {
            clock: Hlc::from_ms(1_795_310_880_042),
            kind,
            topic,
            media_type,
            parents: if kind == Kind::Revision { vec![PARENT] } else { vec![] },
            payload,
            ..Draft::sample(7)
        })
        .unwrap()
    }

    fn flood(media_type: &str, body: &[u8]) -> Update {
        let revision = Revision {
            generation: 2,
            title: "Flood",
            headline: "The \"flood\"",
            section: "world",
            author: "Ann",
            located: Some(Located { lat_udeg: -33_868_800, lon_udeg: 151_209_300 }),
            body,
            ..Revision::default()
        };
        seal(Kind::Revision, TOPIC_STORIES, media_type, &revision.encode().unwrap())
    }

    #[test]
    fn an_update_without_its_body_has_all_else() {
        for update in [flood("text/plain", b"high"), seal(Kind::Data, "t", "image/png", b"\xff")] {
            let mut whole = to_value(UpdateView::of(&update, &[])).unwrap();
            for key in ["body", "body_base64"] {
                whole.as_object_mut().unwrap().shift_remove(key);
            }
            assert_eq!(to_value(UpdateView::without_body(&update)).unwrap(), whole);
        }
    }

    #[test]
    fn a_revision_as_an_update() {
        let update = flood("text/plain", "é\n".as_bytes());
        let view = to_value(UpdateView::of(&update, &[PARENT])).unwrap();
        let ids = json!([PARENT.to_string()]);
        assert_eq!(
            view,
            json!({
                "id": update.cid().to_string(), "origin": "Hill", "seq": 7,
                "at": "2026-11-22T01:28:00.042Z", "kind": "revision", "topic": "stories",
                "title": "Flood", "section": "world", "media_type": "text/plain",
                "base": ids, "author": "Ann", "headline": "The \"flood\"", "body": "é\n",
                "located": {"lat": -33.8688, "lon": 151.2093}, "conflicts": ids,
            })
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_base64() {
        let body = |update: &Update| {
            let view = to_value(UpdateView::of(update, &[])).unwrap();
            (view.get("body").cloned(), view.get("body_base64").cloned())
        };
        let base64 = || (None, Some(Value::from("/wA=")));
        assert_eq!(body(&flood("text/plain", b"\xff\0")), base64());
        assert_eq!(body(&flood("image/png", b"\xff\0")), base64());
        assert_eq!(body(&seal(Kind::Data, "t", "image/png", b"\xff\0")), base64());
        assert_eq!(body(&flood("image/png", b"ab")).1, Some("YWI=".into()));
        assert_eq!(body(&seal(Kind::Data, "t", "text/x", b"")), (Some("".into()), None));
        let broken = seal(Kind::Revision, TOPIC_STORIES, "text/plain", b"\xff\0");
        assert_eq!(body(&broken), base64());
    }

    #[test]
    fn a_stub_shows_that_it_was_and_nothing_of_what_it_said() {
        let update = flood("text/plain", b"secret");
        let stub = update.erase();
        let view = to_value(UpdateView::of(&stub, &[PARENT])).unwrap();
        assert_eq!(view, to_value(UpdateView::erased(&update)).unwrap());
        assert_eq!(
            view,
            json!({
                "id": update.cid().to_string(), "origin": "Hill", "seq": 7,
                "at": "2026-11-22T01:28:00.042Z", "kind": "revision", "topic": "stories",
                "media_type": "text/plain", "base": [PARENT.to_string()], "erased": true,
            })
        );
    }

    #[test]
    fn other_kinds_show_what_they_are() {
        let payload = Withdrawal { title: "Flood", reason: "wrong", wire: b"" }.encode().unwrap();
        let update = seal(Kind::Withdrawal, TOPIC_STORIES, "text/plain", &payload);
        let view = to_value(UpdateView::of(&update, &[])).unwrap();
        assert_eq!((&view["title"], &view["reason"]), (&"Flood".into(), &"wrong".into()));
        assert!(view.get("body").is_none() && view.get("body_base64").is_none());
        let line = "AT Hill +0.263873386 kiwi +34.068930-118.445127 1520023934.918963997";
        let update = seal(Kind::Report, TOPIC_PLACES, "text/plain", line.as_bytes());
        let view = to_value(UpdateView::of(&update, &[])).unwrap();
        assert_eq!((&view["kind"], &view["body"]), (&"report".into(), &line.into()));
        assert_eq!(view["located"], json!({"lat": 34.06893, "lon": -118.445_127}));
    }

    #[test]
    fn a_story_and_the_sides_of_a_conflict() {
        let update = flood("text/markdown; charset=UTF-8", b"# x");
        let view = to_value(RevisionView::of(&update, &[]).unwrap()).unwrap();
        assert_eq!(
            view,
            json!({
                "id": update.cid().to_string(), "title": "Flood", "headline": "The \"flood\"",
                "body": "# x", "media_type": "text/markdown; charset=UTF-8", "section": "world",
                "summary": "", "author": "Ann", "language": "",
                "located": {"lat": -33.8688, "lon": 151.2093}, "at": "2026-11-22T01:28:00.042Z",
                "origin": "Hill", "seq": 7, "base": [PARENT.to_string()], "generation": 2,
                "conflicts": [],
            })
        );
        let theirs = to_value(SideView::of(&update).unwrap()).unwrap();
        let id = update.cid().to_string();
        assert_eq!(theirs, json!({"id": id, "headline": "The \"flood\"", "body": "# x"}));
        let draft = Revision { headline: "h", body: b"b", ..Revision::default() };
        let yours = to_value(SideView::of_draft(&draft, "text/plain")).unwrap();
        assert_eq!(yours, json!({"id": null, "headline": "h", "body": "b"}));
        let data = seal(Kind::Data, "t", "text/plain", b"");
        assert!(RevisionView::of(&data, &[]).is_none() && SideView::of(&data).is_none());
    }

    #[test]
    fn lists_and_histories() {
        let mut shelf = BTreeMap::new();
        let update = flood("text/plain", b"four");
        apply(&mut shelf, &update).unwrap();
        let (id, at) = (update.cid().to_string(), "2026-11-22T01:28:00.042Z");
        let page = list(&shelf, None, None, 10).unwrap();
        let line = json!({
            "title": "Flood", "id": id, "headline": "The \"flood\"", "section": "world",
            "at": at, "author": "Ann", "conflicts": [],
        });
        let view = to_value(StoriesView::from(&page)).unwrap();
        assert_eq!(view, json!({"stories": [line], "next": null}));
        let page = history(&shelf, "Flood", None, 10).unwrap();
        let line = json!({
            "id": id, "base": [PARENT.to_string()], "at": at, "author": "Ann", "summary": "",
            "bytes": 4, "generation": 2,
        });
        let view = to_value(HistoryView::from(&page)).unwrap();
        assert_eq!(view, json!({"revisions": [line], "next": null}));
    }

    #[test]
    fn textual_types_and_the_last_moment() {
        for text in [
            "text/plain",
            "TEXT/HTML;charset=\"utf-8\"",
            "application/json",
            "image/svg+xml",
            "text/plain; format=flowed",
        ] {
            assert!(is_textual(text), "{text}");
        }
        for other in
            ["image/png", "", "text", "application/octet-stream", "text/plain; charset=iso-8859-1"]
        {
            assert!(!is_textual(other), "{other}");
        }
        assert_eq!(at_text(Hlc(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(at_text(Hlc(u64::MAX)), "9999-12-30T22:00:00.999Z");
    }
}
