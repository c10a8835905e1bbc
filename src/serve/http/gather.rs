//! Answers that the whole herd is asked for first: `/metrics/herd`, `/v1/updates/{id}/trace`,
//! `/v1/panel`, `/panel`. The connection waits until all that can be reached have said what they
//! have to say, or the time for it is up; what is shown then says who is missing.

use super::answer::Answer;
use super::problem::Problem;
use super::site::{self, PanelWish};
use super::trace;
use crate::metrics::{Exposition, GatheredPage};
use crate::proto::http::Status;
use crate::reactor::Ctx;
use crate::serve::{About, Desk, Gathered};
use crate::update::Cid;
use serde_json::{Value, json};

/// The questions' own time is far shorter: this only ends a wait that something lost.
pub(super) const WAIT_MS_MAX: u64 = 5_000;

/// What is made of the answers.
#[derive(Debug)]
pub(super) enum Show {
    Metrics,
    Trace(Cid),
    /// `/v1/panel`.
    View,
    Panel(Box<PanelWish>),
}

/// A request that waits for the herd.
#[derive(Debug)]
pub(super) struct Gather {
    asked: Vec<u64>,
    show: Show,
}

impl Gather {
    /// Asks. A refusal while too much is asked.
    pub(super) fn begin<D: Desk>(
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        show: Show,
    ) -> Result<Self, Problem> {
        let questions = show.questions(desk);
        let asked: Option<_> = questions.iter().map(|about| desk.ask_herd(cx, about)).collect();
        let asked = asked.ok_or_else(|| {
            Problem::later("the herd is asked too much at once: try again later", 1)
        })?;
        Ok(Self { asked, show })
    }

    /// The answer, once all is there; until then the connection is notified.
    pub(super) fn look<D: Desk>(&self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Option<Answer> {
        let conn = cx.id();
        let mut all = Vec::new();
        for number in &self.asked {
            all.push(desk.answers(*number, conn)?);
        }
        Some(self.show.answer(desk, &all))
    }

    /// 503 for one whose questions were lost.
    pub(super) fn unanswered() -> Problem {
        Problem::later("the herd could not be asked: try again", 1)
    }
}

impl Show {
    fn questions<D: Desk>(&self, desk: &D) -> Vec<About> {
        match self {
            Self::Metrics => vec![About::Metrics],
            Self::Trace(cid) => vec![About::Trace(*cid)],
            Self::View => vec![About::Glance],
            Self::Panel(wish) => wish.questions(desk.config()),
        }
    }

    fn answer<D: Desk>(&self, desk: &D, all: &[Gathered]) -> Answer {
        let first = || all.first().cloned().unwrap_or_default();
        match self {
            Self::Metrics => {
                let gathered = first();
                Answer::content(Status::OK, Exposition::MEDIA_TYPE, gathered.page(herd_metrics))
            }
            Self::Trace(cid) => {
                let trace = trace::view(*cid, &first());
                Answer::json(Status::OK, &trace).field("Cache-Control", "no-store")
            }
            Self::View => {
                Answer::json(Status::OK, &panel_view(&first())).field("Cache-Control", "no-store")
            }
            Self::Panel(wish) => site::panel(desk, wish, all),
        }
    }
}

/// The metrics of all nodes as one page. What a node said last stands for a node that did not
/// answer, for half a minute; its age says so.
fn herd_metrics(gathered: &Gathered) -> String {
    let mut page = GatheredPage::new();
    for told in gathered.iter() {
        let text = std::str::from_utf8(&told.body).unwrap_or_default();
        let is_read = page.add(&told.node, text);
        if let Err(bad) = is_read {
            log::warn!("line {} of the metrics of {} does not read", bad.0, told.node);
        }
        let is_up = told.is_up && is_read.is_ok() && !text.is_empty();
        let help = "1 while the node answers when the herd is asked.";
        page.gauge("bellwether_up", help, &told.node, u64::from(is_up));
        if let Some(age_ms) = told.age_ms {
            let help = "How old what is shown of the node is.";
            let age = crate::metrics::Unit::Milliseconds.of(age_ms);
            page.gauge("bellwether_answer_age_seconds", help, &told.node, age);
        }
    }
    page.finish()
}

/// `/v1/panel`: `{nodes: [{node, up, …}]}`, each with what it says of itself.
fn panel_view(gathered: &Gathered) -> Value {
    let nodes: Vec<Value> = gathered
        .iter()
        .map(|told| {
            let mut node = json!({"node": told.node, "up": told.is_up});
            if let (Some(node), Ok(Value::Object(said))) =
                (node.as_object_mut(), serde_json::from_slice(&told.body))
            {
                node.insert("says".to_owned(), Value::Object(said));
            }
            node
        })
        .collect();
    json!({"nodes": nodes})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::Told;

    fn told(node: &str, body: &str, is_up: bool, age_ms: Option<u64>) -> Told {
        let body = body.as_bytes().to_vec();
        Told { node: node.to_owned(), body, is_up, age_ms, between_ms: (0, 0) }
    }

    #[test]
    fn nodes_that_are_down_stale_or_odd_are_told_from_those_that_are_up() {
        let page = "# HELP x X.\n# TYPE x gauge\nx 1\n";
        let gathered = Gathered::from(vec![
            told("a", page, true, Some(0)),
            told("b", page, false, Some(12_500)),
            told("c", "", false, None),
            told("d", "x{node=\"a\"} 2\n", true, Some(0)),
        ]);
        let text = herd_metrics(&gathered);
        for line in [
            "bellwether_up{node=\"a\"} 1",
            "bellwether_up{node=\"b\"} 0",
            "bellwether_up{node=\"c\"} 0",
            "bellwether_up{node=\"d\"} 0",
            "bellwether_answer_age_seconds{node=\"b\"} 12.5",
            "x{node=\"a\"} 1",
            "x{node=\"b\"} 1",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
        assert!(!text.contains("} 2") && !text.contains("age_seconds{node=\"c\"}"), "{text}");
    }

    #[test]
    fn what_a_node_says_is_shown_beside_whether_it_is_up() {
        let gathered = Gathered::from(vec![
            told("a", r#"{"updates": 3}"#, true, None),
            told("b", "[", false, None),
        ]);
        let view = panel_view(&gathered);
        assert_eq!(
            view,
            json!({"nodes": [
                {"node": "a", "up": true, "says": {"updates": 3}},
                {"node": "b", "up": false},
            ]})
        );
    }
}
