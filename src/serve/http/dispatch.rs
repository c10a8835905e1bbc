//! From a request's head to what becomes of it: an answer at once, a body to collect, a wait, a
//! stream. No state: that is the connection's.

use super::act::Act;
use super::admit::{admit, sign_in_first};
use super::answer::Answer;
use super::edit::Edit;
use super::gather::{Gather, Show};
use super::problem::Problem;
use super::query::Query;
use super::reading::Reading;
use super::route::{Route, Verb};
use super::search::Search;
use super::site::save::Save;
use super::site::sign_in::{self, SignIn, Wish};
use super::site::withdraw::WithdrawForm;
use super::stories::Asked;
use super::topics::Post;
use super::updates::Poll;
use super::upgrade::Upgraded;
use super::withdraw::Withdraw;
use super::write::{Work, Write};
use super::{accounts, site, spread, status, stories, stream};
use crate::proto::http::{Head, Method, Status, Target};
use crate::reactor::Ctx;
use crate::serve::offer::Said;
use crate::serve::{Desk, RouteLabel};

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Begun {
    Answer(Answer),
    Write(Box<Write>),
    Poll(Box<Poll>),
    Search(Box<Search>),
    Stream(Box<Reading>),
    Gather(Box<Gather>),
    Upgrade(Box<Upgraded>),
}

/// Begins a request. The label is set as soon as the route is known, also for those refused.
pub(super) fn begin<D: Desk>(
    cx: &mut Ctx<'_, D>,
    desk: &mut D,
    head: &Head<'_>,
    label: &mut RouteLabel,
) -> Result<Begun, Problem> {
    *label = RouteLabel::Unknown;
    match head.target {
        Target::Asterisk => {
            let allow = "GET, HEAD, PUT, DELETE, POST, OPTIONS";
            return Ok(Begun::Answer(Answer::empty(Status::NO_CONTENT).field("Allow", allow)));
        }
        Target::Authority(_) => {
            let problem = Problem::new(Status::NOT_IMPLEMENTED, "this is no proxy");
            return Err(problem.closing());
        }
        Target::Origin { .. } | Target::Absolute { .. } => {}
    }
    let route = Route::find(head.target.path());
    let route = route.map_err(|error| Problem::malformed(format!("the path: {error}")))?;
    let route = route.ok_or_else(|| Problem::not_found("nothing is at this path"))?;
    *label = route.label();
    let Some(verb) = route.verb(head.method) else { return Err(not_allowed(&route)) };
    if verb == Verb::Options {
        let answer = Answer::empty(Status::NO_CONTENT).field("Allow", route.allow());
        return Ok(Begun::Answer(answer));
    }
    if let Some(upgraded) = Upgraded::begin(cx, desk, head, &route)? {
        return Ok(Begun::Upgrade(Box::new(upgraded)));
    }
    let visitor = match admit(cx, desk, head, (&route, verb)) {
        Err(problem) => return sign_in_first(head, verb, problem).map(Begun::Answer),
        Ok(visitor) => visitor,
    };
    let query = Query::read(head.target.query())?;
    let may_range = head.method == Method::Get;
    let asked = Asked { query, fields: head.fields, may_range, target: head.target, visitor };
    let work = match (verb, &route) {
        (Verb::Put, Route::Story(title)) => {
            Said::Edit(Box::new(Edit::begin(desk, title, &asked)?)).into()
        }
        (Verb::Delete, Route::Story(title)) => {
            Said::Withdraw(Withdraw::begin(desk, title, &asked)?).into()
        }
        (Verb::Post, Route::Topic(topic)) => Said::Post(Post::begin(desk, topic, &asked)?).into(),
        (Verb::Post, Route::Charter) => {
            let from = cx.transport().peer();
            Said::Post(Post::charter(desk, &from, &asked)?).into()
        }
        (Verb::Post, Route::PanelDo) => {
            let from = cx.transport().peer();
            Work::Act(Box::new(Act::begin(from, &asked)))
        }
        (Verb::Post, Route::Accounts) => Said::Post(Post::account(desk, &asked)?).into(),
        (Verb::Post, Route::SignIn) => Work::SignIn(Box::new(SignIn::begin(Wish::In, &asked)?)),
        (Verb::Post, Route::SignOut) => Work::SignIn(Box::new(SignIn::begin(Wish::Out, &asked)?)),
        (Verb::Post, Route::WritePage) => Work::Save(Box::new(Save::begin(desk, None, &asked)?)),
        (Verb::Post, Route::EditPage(title)) => {
            Work::Save(Box::new(Save::begin(desk, Some(title), &asked)?))
        }
        (Verb::Post, Route::WithdrawPage(title)) => {
            Work::WithdrawForm(Box::new(WithdrawForm::begin(desk, title, &asked)?))
        }
        _ => {
            return Ok(match read(cx, desk, &route, &asked)? {
                Begun::Answer(answer) => Begun::Answer(site::given_to(&asked.visitor, answer)),
                later => later,
            });
        }
    };
    let write = Write::begin(work, head.body, &desk.config().limits)?;
    let write = write.traced(head.fields.text("traceparent"));
    Ok(Begun::Write(Box::new(write)))
}

fn not_allowed(route: &Route) -> Problem {
    let allow = route.allow();
    let problem = Problem::new(Status::METHOD_NOT_ALLOWED, format!("here go {allow}"));
    problem.field("Allow", allow)
}

fn read<D: Desk>(
    cx: &mut Ctx<'_, D>,
    desk: &mut D,
    route: &Route,
    asked: &Asked<'_>,
) -> Result<Begun, Problem> {
    let answer = match route {
        Route::Updates => return Ok(Begun::Poll(Box::new(Poll::begin(desk, asked)?))),
        Route::Stream => {
            let reading = Reading::begin(desk, stream::wish(asked)?)?;
            return Ok(Begun::Stream(Box::new(reading)));
        }
        Route::Search => return Ok(Begun::Search(Box::new(Search::of_programs(asked)?))),
        Route::SearchPage => match Search::of_people(asked)? {
            Some(search) => return Ok(Begun::Search(Box::new(search))),
            None => site::search(desk, asked),
        },
        Route::Feed => site::feed(desk, None, asked)?,
        Route::SectionFeed(name) => site::feed(desk, Some(name), asked)?,
        Route::StoryFeed(title) => site::story_feed(desk, title, asked)?,
        Route::HerdMetrics | Route::Trace(_) | Route::PanelView | Route::Panel => {
            return gather(cx, desk, route, asked);
        }
        // Only reached with a body or an odd form of the target: the plain one is answered before.
        Route::Hello => status::hello(),
        Route::Stories => stories::list(desk, asked)?,
        Route::Story(title) => stories::read(desk, title, asked)?,
        Route::History(title) => stories::history(desk, title, asked)?,
        Route::Revision(id) => stories::revision(desk, id, asked)?,
        Route::Spread(id) => spread::read(desk, id)?,
        Route::Diff(a, b) => stories::diff(desk, [a, b])?,
        Route::Herd => status::herd(cx, desk),
        Route::Charter => status::charter(desk),
        Route::Accounts => accounts::accounts(desk, asked)?,
        Route::Tokens => accounts::tokens(desk, asked)?,
        Route::SignIn => sign_in::page(desk, asked),
        Route::Healthz => status::healthz(),
        Route::Readyz => status::readyz(desk)?,
        Route::Metrics => status::metrics(cx, desk),
        Route::Front => site::front(desk, asked),
        Route::StoryPage(title) => site::story(desk, title, asked),
        Route::HistoryPage(title) => site::history(desk, title, asked),
        Route::DiffPage(title) => site::diff(desk, title, asked),
        Route::WritePage => site::edit::page(desk, None, asked),
        Route::EditPage(title) => site::edit::page(desk, Some(title), asked),
        Route::WithdrawPage(title) => site::withdraw::page(desk, title, asked),
        Route::Sections => site::sections(desk, asked),
        Route::Section(name) => site::section(desk, name, asked),
        Route::Changes => site::changes(desk, asked),
        Route::Map => site::map(desk, asked),
        Route::Stylesheet
        | Route::Script
        | Route::EditScript
        | Route::Icon
        | Route::PanelStyle
        | Route::PanelScript => site::asset(route, asked),
        Route::PanelConfirm => site::confirm(desk, asked)?,
        Route::Socket | Route::Echo => {
            return Err(Problem::new(Status::UPGRADE_REQUIRED, "a WebSocket is here"));
        }
        // They have no verb that reads.
        Route::PanelDo => return Err(Problem::not_found("open /panel first")),
        Route::Topic(_) | Route::SignOut => {
            return Err(Problem::not_found("a topic is read with /v1/updates"));
        }
    };
    Ok(Begun::Answer(answer))
}

/// What the whole herd is asked for first.
fn gather<D: Desk>(
    cx: &mut Ctx<'_, D>,
    desk: &mut D,
    route: &Route,
    asked: &Asked<'_>,
) -> Result<Begun, Problem> {
    let show = match route {
        Route::HerdMetrics => Show::Metrics,
        Route::Trace(id) => {
            let cid = id.parse().map_err(|error| Problem::malformed(format!("{error}")));
            Show::Trace(cid?)
        }
        Route::PanelView => Show::View,
        _ => Show::Panel(Box::new(site::PanelWish::read(asked)?)),
    };
    Ok(Begun::Gather(Box::new(Gather::begin(cx, desk, show)?)))
}
