//! `/stories/{title}/withdraw`: a form with a reason, and the withdrawal.

use super::{around, form_only, framed, given_to, plain, public, standing};
use crate::config::Durability;
use crate::news::Story;
use crate::proto::http::Status;
use crate::reactor::Ctx;
use crate::serve::http::admit::check_form;
use crate::serve::http::answer::Answer;
use crate::serve::http::problem::Problem;
use crate::serve::http::query::Query;
use crate::serve::http::stories::Asked;
use crate::serve::http::withdraw::Withdraw;
use crate::serve::http::write::Made;
use crate::serve::pages::{self, Around, WithdrawPage};
use crate::serve::{Desk, Visitor};

/// A reason and the rest, with their escapes.
const FORM_BYTES_MAX: usize = 32 * 1024;

/// `GET /stories/{title}/withdraw`
pub(in crate::serve::http) fn page<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Answer {
    let (reason, fault) = ("", "");
    let made = standing(desk, title).map(|story| {
        let headline = headline(&story);
        let around = around(desk, asked);
        pages::withdraw(&WithdrawPage { around, title, headline, reason, fault })
    });
    let (status, html) = match made {
        Ok(html) => (Status::OK, html),
        Err(missing) => plain(missing, around(desk, asked)),
    };
    framed(status, html)
}

fn headline(story: &Story) -> &str {
    story.head().map(|head| &head.headline[..]).unwrap_or_default()
}

/// A form under way.
#[derive(Debug)]
pub(in crate::serve::http) struct WithdrawForm {
    title: String,
    durability: Durability,
    visitor: Visitor,
    reason: String,
    /// Why nothing is withdrawn.
    fault: Option<(Status, &'static str)>,
}

impl WithdrawForm {
    /// Reads all that the head says.
    pub(in crate::serve::http) fn begin<D: Desk>(
        desk: &D,
        title: &str,
        asked: &Asked<'_>,
    ) -> Result<Self, Problem> {
        form_only(&asked.fields)?;
        let (title, visitor) = (title.to_owned(), asked.visitor.clone());
        let durability = desk.config().durability;
        Ok(Self { title, durability, visitor, reason: String::new(), fault: None })
    }

    /// What the withdrawal waits for.
    pub(in crate::serve::http) fn durability(&self) -> Durability {
        self.durability
    }

    /// The most bytes that its body may have.
    pub(in crate::serve::http) fn body_bytes_max() -> usize {
        FORM_BYTES_MAX
    }

    /// Whose write must be settled before this one can be judged.
    pub(in crate::serve::http) fn title(&self) -> &str {
        &self.title
    }

    /// Takes the whole body.
    pub(in crate::serve::http) fn on_body(&mut self, body: &[u8]) -> Result<(), Problem> {
        let text = std::str::from_utf8(body).map_err(|_| Problem::malformed("a form is UTF-8"))?;
        let form = Query::read(Some(text))?;
        let reason = form.text("reason").unwrap_or_default();
        reason.replace("\r\n", "\n").trim().clone_into(&mut self.reason);
        if check_form(&self.visitor, form.text("csrf")).is_err() {
            let fault = "This form was out of date, or your browser keeps no cookies: look it over \
                         and send it again.";
            self.fault = Some((Status::FORBIDDEN, fault));
        } else if form.text("sure") != Some("yes") {
            let fault = "Nothing was withdrawn: say that you mean it.";
            self.fault = Some((Status::UNPROCESSABLE_CONTENT, fault));
        }
        Ok(())
    }

    /// The answer that changes nothing.
    pub(in crate::serve::http) fn early<D: Desk>(&self, desk: &D) -> Option<Answer> {
        self.fault.map(|(status, fault)| self.again(desk, status, fault))
    }

    fn again<D: Desk>(&self, desk: &D, status: Status, fault: &str) -> Answer {
        let visitor = &self.visitor;
        let around = || Around { name: &visitor.name, csrf: &visitor.csrf, ..public(desk) };
        let made = standing(desk, &self.title).map(|story| {
            let (title, reason, headline) = (&self.title, &self.reason, headline(&story));
            pages::withdraw(&WithdrawPage { around: around(), title, headline, reason, fault })
        });
        let (status, html) = match made {
            Ok(html) => (status, html),
            Err(missing) => plain(missing, around()),
        };
        given_to(visitor, framed(status, html))
    }

    /// Withdraws the story as it stands now, if that can be.
    pub(in crate::serve::http) fn publish<D: Desk>(
        &self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Result<Made, Answer> {
        let made = Withdraw::of(&self.title, &self.reason, desk.config().durability)
            .and_then(|withdraw| withdraw.publish(cx, desk));
        made.map_err(|problem| {
            problem.into_answer(|status, detail| {
                self.again(desk, status, &format!("Nothing was withdrawn: {detail}."))
            })
        })
    }

    /// It is withdrawn: to what is left of the story.
    pub(in crate::serve::http) fn done(&self) -> Answer {
        Answer::empty(Status::SEE_OTHER)
            .field("Location", pages::story_href(&self.title))
            .field("Cache-Control", "no-store")
    }
}
