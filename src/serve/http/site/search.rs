//! `/search`: the form, and what was found.

use super::{around, framed, given_to, shown_to};
use crate::news;
use crate::proto::http::Status;
use crate::search::Part;
use crate::serve::Desk;
use crate::serve::http::answer::Answer;
use crate::serve::http::search::{Results, Whom, Wish};
use crate::serve::http::stories::Asked;
use crate::serve::pages::{self, Around, SearchHit, SearchPage, SearchResults};

/// Sections that the form offers.
const SECTIONS_MAX: usize = 100;

/// `/search` before something is asked.
pub(in crate::serve::http) fn search<D: Desk>(desk: &D, asked: &Asked<'_>) -> Answer {
    let own = |name| asked.query.own(name).unwrap_or_default();
    let wish = Wish {
        q: String::new(),
        section: own("section"),
        since: own("since"),
        until: own("until"),
    };
    page(desk, around(desk, asked), &wish, None)
}

/// `/search?q=…`
pub(in crate::serve::http) fn found<D: Desk>(
    desk: &D,
    whom: &Whom,
    wish: &Wish,
    results: &Results,
) -> Answer {
    let part = |part: &Part| (part.text.clone(), part.is_match);
    let hits = results.hits.iter().map(|hit| SearchHit {
        title: &hit.title,
        section: &hit.section,
        at: hit.at,
        headline: hit.headline.iter().map(part).collect(),
        snippet: hit.snippet.iter().map(part).collect(),
    });
    let results = SearchResults {
        hits: hits.collect(),
        next: results.next.as_deref(),
        is_indexing: results.is_indexing,
    };
    let around = shown_to(desk, &whom.visitor, whom.here.clone());
    given_to(&whom.visitor, page(desk, around, wish, Some(&results)))
}

fn page<D: Desk>(
    desk: &D,
    around: Around<'_>,
    wish: &Wish,
    results: Option<&SearchResults<'_>>,
) -> Answer {
    let mut sections = news::sections(desk.store().index()).unwrap_or_default();
    sections.truncate(SECTIONS_MAX);
    let html = pages::search(&SearchPage {
        around,
        q: &wish.q,
        section: &wish.section,
        since: &wish.since,
        until: &wish.until,
        sections: &sections,
        results,
    });
    framed(Status::OK, html)
}
