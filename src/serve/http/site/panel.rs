//! `/panel`: the herd for operators, and `/panel/confirm`, the step before something is done by
//! hand. What is done by hand is `act`'s.

use super::{around, framed, given_to, shown_to};
use crate::config::Config;
use crate::news;
use crate::proto::http::Status;
use crate::serve::http::answer::Answer;
use crate::serve::http::problem::Problem;
use crate::serve::http::stories::Asked;
use crate::serve::http::trace;
use crate::serve::pages::{self, Around, PanelPage, Part, Reached};
use crate::serve::{About, Action, Desk, Gathered, Visitor};
use crate::update::Cid;
use serde_json::Value;

/// Stories that are offered to look at the spread of.
const RECENT: usize = 5;

/// What is asked of the panel.
#[derive(Debug)]
pub(in crate::serve::http) struct PanelWish {
    part: Part,
    /// Whose hour is shown; this node's unless said.
    node: Option<String>,
    spread: Option<Cid>,
    visitor: Visitor,
}

impl PanelWish {
    /// Reads the query. An id that is none is a problem; an empty one is none.
    pub(in crate::serve::http) fn read(asked: &Asked<'_>) -> Result<Self, Problem> {
        let part = match asked.query.text("part") {
            Some("live") => Part::Live,
            Some("charts") => Part::Charts,
            _ => Part::Whole,
        };
        let given = asked.query.text("spread").map(str::trim).filter(|id| !id.is_empty());
        let spread = given.map(str::parse::<Cid>).transpose();
        let spread = spread.map_err(|error| Problem::malformed(format!("spread: {error}")))?;
        let node = asked.query.own("node").filter(|name| (1..=64).contains(&name.len()));
        Ok(Self { part, node, spread, visitor: asked.visitor.clone() })
    }

    /// What the herd has to be asked, in the order in which [`panel`] takes the answers.
    pub(in crate::serve::http) fn questions(&self, config: &Config) -> Vec<About> {
        let detail = || About::Detail(self.chosen(config).to_owned());
        match self.part {
            Part::Live => vec![About::Glance],
            Part::Charts => vec![detail()],
            Part::Whole => {
                let spread = self.spread.map(About::Trace);
                [About::Glance, detail()].into_iter().chain(spread).collect()
            }
        }
    }

    fn chosen<'a>(&'a self, config: &'a Config) -> &'a str {
        self.node.as_deref().unwrap_or(&config.name)
    }
}

/// The panel, or a part of it.
pub(in crate::serve::http) fn panel<D: Desk>(
    desk: &D,
    wish: &PanelWish,
    all: &[Gathered],
) -> Answer {
    let none = Gathered::default();
    let (glance, detail) = match wish.part {
        Part::Live => (all.first(), None),
        Part::Charts => (None, all.first()),
        Part::Whole => (all.first(), all.get(1)),
    };
    let nodes: Vec<(&str, bool, Value)> = glance
        .unwrap_or(&none)
        .iter()
        .map(|told| (&told.node[..], told.is_up, said(&told.body)))
        .collect();
    let chosen = wish.chosen(desk.config());
    let detail = detail.and_then(|told| told.iter().find(|told| told.node == chosen));
    let detail = detail.map_or(Value::Null, |told| said(&told.body));
    let reached = wish.spread.zip(all.get(2)).map(|(cid, told)| reached(cid, told));
    let id = wish.spread.map(|cid| cid.to_string()).unwrap_or_default();
    let is_whole = wish.part == Part::Whole;
    let members = if is_whole { retirable(desk) } else { Vec::new() };
    let recent = if is_whole { recent(desk) } else { Vec::new() };
    let page = PanelPage {
        around: by(desk, &wish.visitor),
        nodes: &nodes,
        chosen,
        detail: &detail,
        spread: reached.as_ref().map(|reached| (&id[..], &reached[..])),
        recent: &recent,
        members: &members,
    };
    given_to(&wish.visitor, framed(Status::OK, pages::panel(&page, wish.part)))
}

/// What stands around a page of the panel.
fn by<'a, D: Desk>(desk: &'a D, visitor: &'a Visitor) -> Around<'a> {
    shown_to(desk, visitor, "/panel".to_owned())
}

fn said(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or(Value::Null)
}

fn reached(cid: Cid, told: &Gathered) -> Vec<Reached> {
    let hops = trace::view(cid, told).nodes.into_iter();
    hops.map(|hop| Reached { node: hop.node, after_ms: hop.after_ms, is_up: hop.up }).collect()
}

/// Members of the charter but this node and those that are retired.
fn retirable<D: Desk>(desk: &D) -> Vec<String> {
    let own = &desk.config().name;
    let members = desk.members().into_iter();
    members.filter(|(name, is_retired)| !is_retired && name != own).map(|(name, _)| name).collect()
}

fn recent<D: Desk>(desk: &D) -> Vec<(String, String)> {
    match news::list(desk.store().index(), None, None, RECENT) {
        Ok(page) => {
            let lines = page.lines.into_iter();
            lines.map(|line| (line.head.cid.to_string(), line.title)).collect()
        }
        Err(error) => {
            log::error!("the newest stories can't be read: {error}");
            Vec::new()
        }
    }
}

/// `/panel/confirm?do=…&target=…`
pub(in crate::serve::http) fn confirm<D: Desk>(
    desk: &D,
    asked: &Asked<'_>,
) -> Result<Answer, Problem> {
    let text = |name: &str| asked.query.text(name).unwrap_or_default();
    let (word, target) = (text("do"), text("target"));
    let action = Action::of(word, target);
    let action = action.ok_or_else(|| Problem::malformed("nothing of that kind can be done"))?;
    let (what, target) = (action.to_string(), action.target());
    let words = (action.word(), &target[..]);
    let html = pages::confirm(&around(desk, asked), &what, words);
    Ok(framed(Status::OK, html))
}

/// What became of what was done by hand.
pub(in crate::serve::http) fn done<D: Desk>(
    desk: &D,
    visitor: &Visitor,
    outcome: Result<&Action, &str>,
) -> Answer {
    let around = by(desk, visitor);
    let (status, html) = match outcome {
        Ok(action) => {
            let text = format!("On {}: {action}.", around.node);
            (Status::OK, pages::done(&around, "Done", &text))
        }
        Err(why) => (Status::CONFLICT, pages::done(&around, "That can't be done", why)),
    };
    given_to(visitor, framed(status, html))
}
