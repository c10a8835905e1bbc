//! `/v1/search` and `/search`: what a reader looks for is read here, asked of the node's index, and
//! what was found is answered, in JSON or as a page, as the stories stand at that moment.
//!
//! The index is a little behind the store. So each hit is looked at again: what is withdrawn is not
//! shown, and of a story that changed meanwhile only what it is called now, nothing of what it
//! said.

use super::answer::Answer;
use super::problem::Problem;
use super::query::Query;
use super::site;
use super::stories::Asked;
use crate::news;
use crate::proto::http::Status;
use crate::reactor::{ConnId, Ctx};
use crate::search::{Ask, Fault, Found, Hit, Part};
use crate::serve::visitor::Visitor;
use crate::serve::{Desk, SearchRefusal};
use crate::store::StoreError;
use crate::update::{Cid, Hlc};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

const LIMIT_MAX: u64 = 100;
const LIMIT_DEFAULT: u64 = 20;
/// Who waits longer for an answer hears "later": the queue is longer than it should be.
pub(super) const WAIT_MS_MAX: u64 = 5_000;

/// As what the answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Page,
}

/// A search under way.
#[derive(Debug)]
pub(in crate::serve) struct Search {
    ask: Ask,
    form: Form,
    wish: Wish,
    whom: Whom,
}

/// Who looks at the page that is due, and where it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Whom {
    pub(super) visitor: Visitor,
    pub(super) here: String,
}

/// What was asked, as it was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    pub(super) q: String,
    pub(super) section: String,
    pub(super) since: String,
    pub(super) until: String,
}

/// What was found of a story, as it stands now.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) title: String,
    pub(super) id: Cid,
    pub(super) section: String,
    pub(super) at: Hlc,
    /// Nothing when it has none.
    pub(super) headline: Vec<Part>,
    pub(super) snippet: Vec<Part>,
}

/// What was found, as it stands now.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) hits: Vec<Shown>,
    /// The token of the next page.
    pub(super) next: Option<String>,
    /// The index does not know all yet.
    pub(super) is_indexing: bool,
    /// Of so many stories it is known.
    pub(super) waiting: usize,
}

impl Search {
    /// What another protocol looks for.
    pub(in crate::serve) fn of(ask: Ask) -> Self {
        Self { ask, form: Form::Json, wish: Wish::default(), whom: Whom::default() }
    }

    /// `/v1/search`
    pub(super) fn of_programs(asked: &Asked<'_>) -> Result<Self, Problem> {
        Self::read(&asked.query, Form::Json, Whom::default())
    }

    /// `/search`; none where nothing is looked for yet.
    pub(super) fn of_people(asked: &Asked<'_>) -> Result<Option<Self>, Problem> {
        if asked.query.text("q").is_none_or(|q| q.trim().is_empty()) {
            return Ok(None);
        }
        let (path, query) = (asked.target.path(), asked.target.query().unwrap_or_default());
        let whom = Whom { visitor: asked.visitor.clone(), here: format!("{path}?{query}") };
        Self::read(&asked.query, Form::Page, whom).map(Some)
    }

    fn read(query: &Query<'_>, form: Form, whom: Whom) -> Result<Self, Problem> {
        let own = |name| query.own(name).unwrap_or_default();
        let limit = query.number("limit", 1..=LIMIT_MAX, LIMIT_DEFAULT)? as usize;
        let wish =
            Wish { q: own("q"), section: own("section"), since: own("since"), until: own("until") };
        let ask = Ask::read(&wish.q, limit);
        let mut ask = ask.map_err(|error| Problem::malformed(format!("q: {error}")))?;
        ask.section = query.own("section");
        ask.since_ms = moment(query, "since", false)?;
        ask.until_ms = moment(query, "until", true)?;
        let before: Option<u32> = query.parsed("before")?;
        ask.offset = before.unwrap_or(0) as usize;
        Ok(Self { ask, form, wish, whom })
    }

    /// Asks the node; its answer is due later.
    pub(in crate::serve) fn ask<D: Desk>(
        &self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Result<(), Problem> {
        desk.search(cx, self.ask.clone()).map_err(|refusal| match refusal {
            SearchRefusal::Absent => {
                Problem::later("this node has no search now: try another node", 5)
            }
            SearchRefusal::Busy => Problem::later("too many search here now: try again soon", 1),
        })
    }

    /// The answer, once there is one.
    pub(super) fn look<D: Desk>(
        &self,
        desk: &mut D,
        conn: ConnId,
    ) -> Option<Result<Answer, Problem>> {
        let found = desk.found(conn)?;
        Some(found.map_err(|fault| failed(&fault)).and_then(|found| self.answer(desk, found)))
    }

    /// The JSON of the answer, once there is one.
    pub(in crate::serve) fn look_json<D: Desk>(
        &self,
        desk: &mut D,
        conn: ConnId,
    ) -> Option<Result<Value, Problem>> {
        let found = desk.found(conn)?.map_err(|fault| failed(&fault));
        Some(found.and_then(|found| Ok(view(&self.results(desk, found)?))))
    }

    fn answer<D: Desk>(&self, desk: &D, found: Found) -> Result<Answer, Problem> {
        let results = self.results(desk, found)?;
        Ok(match self.form {
            Form::Json => Answer::json(Status::OK, &view(&results)),
            Form::Page => site::found(desk, &self.whom, &self.wish, &results),
        }
        .field("Cache-Control", "no-cache"))
    }

    fn results<D: Desk>(&self, desk: &D, found: Found) -> Result<Results, StoreError> {
        let backlog = desk.search_backlog();
        let next = self.ask.offset + self.ask.limit;
        let mut hits = Vec::with_capacity(found.hits.len());
        for hit in found.hits {
            hits.extend(self.now(desk, hit)?);
        }
        Ok(Results {
            hits,
            next: found.is_more.then(|| next.to_string()),
            is_indexing: backlog.is_reading || backlog.stories > 0,
            waiting: backlog.stories,
        })
    }

    /// A hit as its story stands now; none when it does not stand, or no more in that section.
    fn now<D: Desk>(&self, desk: &D, hit: Hit) -> Result<Option<Shown>, StoreError> {
        let story = news::story(desk.store().index(), &hit.title)?;
        let Some(story) = story.filter(|story| story.withdrawn.is_none()) else { return Ok(None) };
        let Some(head) = story.head() else { return Ok(None) };
        if self.ask.section.as_ref().is_some_and(|section| *section != head.section) {
            return Ok(None);
        }
        let is_same = head.cid == hit.id;
        let plain = || match &head.headline[..] {
            "" => Vec::new(),
            text => vec![Part { text: text.to_owned(), is_match: false }],
        };
        Ok(Some(Shown {
            id: head.cid,
            section: head.section.clone(),
            at: head.clock,
            headline: if is_same { hit.headline } else { plain() },
            snippet: if is_same { hit.snippet } else { Vec::new() },
            title: hit.title,
        }))
    }

    /// Why there is no answer in time.
    pub(super) fn overdue() -> Problem {
        Problem::later("this node's search is slow: try again soon", 1)
    }
}

fn failed(fault: &Fault) -> Problem {
    match fault {
        Fault::Ended => Problem::later("this search takes too long: ask for rarer words", 1),
        _ => Problem::later("this node's search failed: try another node", 5),
    }
}

/// A day, or a moment, as milliseconds since 1970; a day that ends a span is in it.
fn moment(query: &Query<'_>, name: &str, is_end: bool) -> Result<Option<u64>, Problem> {
    let Some(text) = query.text(name) else { return Ok(None) };
    let fault = || Problem::malformed(format!("{name} is a day (2026-11-22) or an RFC 3339 time"));
    let ms = if let Ok(moment) = text.parse::<Timestamp>() {
        moment.as_millisecond()
    } else {
        let day: Date = text.parse().map_err(|_| fault())?;
        let day = if is_end { day.tomorrow().map_err(|_| fault())? } else { day };
        let moment = day.to_zoned(TimeZone::UTC).map_err(|_| fault())?;
        moment.timestamp().as_millisecond()
    };
    Ok(Some(u64::try_from(ms).unwrap_or(0)))
}

/// `{hits: [{title, id, headline, section, at, snippet}], next, indexing, waiting}`; a snippet is
/// `[{text, match}]`.
fn view(results: &Results) -> Value {
    let part = |part: &Part| json!({"text": part.text, "match": part.is_match});
    let parts = |parts: &[Part]| parts.iter().map(part).collect::<Vec<_>>();
    let hit = |hit: &Shown| {
        json!({
            "title": hit.title, "id": hit.id.to_string(), "headline": joined(&hit.headline),
            "section": hit.section, "at": news::at_text(hit.at), "snippet": parts(&hit.snippet),
        })
    };
    json!({
        "hits": results.hits.iter().map(hit).collect::<Vec<_>>(), "next": results.next,
        "indexing": results.is_indexing, "waiting": results.waiting,
    })
}

fn joined(parts: &[Part]) -> String {
    parts.iter().map(|part| &part.text[..]).collect()
}
