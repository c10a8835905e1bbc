//! What a call comes to: the methods of the root and of avatars, and those of a login.

use super::arguments::{Arguments, add_body};
use super::login::Challenge;
use super::object::{Object, Rights};
use crate::accounts::Scope;
use crate::config::Durability;
use crate::news::{self, Filter, HistoryView, RevisionView, StoriesView};
use crate::proto::http::Status;
use crate::proto::pb::{Call, Jelly};
use crate::reactor::Ctx;
use crate::search::Ask;
use crate::serve::Desk;
use crate::serve::http::{
    Draft, Problem, Search, Wish, conflict_policy, lacking, missing, revision_of, revision_update,
    standing,
};
use crate::serve::offer::Offer;
use crate::store::StoreError;
use crate::update::{Cid, Update};
use serde::Serialize;
use serde_json::{Value, json};
use std::rc::Rc;

/// The most lines of one list, and how many there are unless asked.
const LIMIT_MAX: i64 = 500;
const LIMIT_DEFAULT: usize = 50;
const SEARCH_LIMIT_MAX: i64 = 100;
/// The longest name of who logs in, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// What a call comes to.
#[derive(Debug)]
pub(super) enum Done {
    /// This answer.
    Answer(Value),
    /// A write, which is answered when it is done.
    Write(Box<Offer>),
    /// A search, which is answered when the node's index has.
    Search(Box<Search>),
    /// The caller's object is called with what a reader of this wish finds.
    Subscribe(i64, Wish),
    /// That ends for this object of the caller's.
    Unsubscribe(i64),
    /// The body of this update goes to the caller's object in pages.
    Page(i64, Update),
    /// A challenge.
    Challenge(Rc<Challenge>),
    /// An avatar of these rights.
    Enter(Rights),
}

/// Why a call comes to nothing.
#[derive(Debug)]
pub(super) enum Refused {
    /// The object has no such method.
    Method,
    /// A login that was wrong.
    Login,
    /// Anything else.
    Problem(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Problem(error.into())
    }
}

/// The methods that are counted by their names; others are counted together.
pub(super) const METHODS: [&str; 16] = [
    "hello",
    "history",
    "login",
    "loginAnonymous",
    "post",
    "publish",
    "read",
    "readPaged",
    "respond",
    "search",
    "statistics",
    "stories",
    "subscribe",
    "unsubscribe",
    "withdraw",
    "unknown",
];

/// Does what a call asks, as far as that can be done at once.
pub(super) fn call<D: Desk>(
    cx: &Ctx<'_, D>,
    desk: &mut D,
    call: &mut Call<'_, Object>,
) -> Result<Done, Refused> {
    match (call.object.clone(), call.method) {
        (Object::Root, "login") => login(call),
        (Object::Root, "loginAnonymous") => {
            Arguments::bind(call, &["mind"], |_| false)?;
            Ok(Done::Enter(Rights::Reader))
        }
        (Object::Challenger(challenge), "respond") => respond(desk, call, &challenge),
        (Object::Root, _) => news(cx, desk, call, Rights::Anyone),
        (Object::Avatar(rights), _) => news(cx, desk, call, rights),
        (Object::Challenger(_), _) => Err(Refused::Method),
    }
}

/// A name that is no text is nobody's: whoever has it hears so when the challenge is answered.
fn login(call: &mut Call<'_, Object>) -> Result<Done, Refused> {
    let mut arguments = Arguments::bind(call, &["username"], |_| false)?;
    let name = match arguments.take("username") {
        Some(name) => name.name().filter(|name| name.len() <= NAME_BYTES_MAX).unwrap_or_default(),
        None => "",
    };
    let challenge = Challenge::new(name).map_err(|error| {
        log::error!("the system gives no random numbers: {error}");
        Problem::later("this node can't make a challenge", 5)
    })?;
    Ok(Done::Challenge(Rc::new(challenge)))
}

fn respond<D: Desk>(
    desk: &mut D,
    call: &mut Call<'_, Object>,
    challenge: &Challenge,
) -> Result<Done, Refused> {
    let mut arguments = Arguments::bind(call, &["response", "mind"], |_| false)?;
    let response = match arguments.take("response") {
        Some(Jelly::Bytes(response)) => response,
        _ => b"",
    };
    let rights = challenge.rights(desk, response)?;
    desk.tally().on_sign_in(if rights.is_some() { "good" } else { "wrong" });
    rights.map(Done::Enter).ok_or(Refused::Login)
}

fn news<D: Desk>(
    cx: &Ctx<'_, D>,
    desk: &mut D,
    call: &mut Call<'_, Object>,
    rights: Rights,
) -> Result<Done, Refused> {
    match call.method {
        "hello" => Ok(Done::Answer("Hello, World!".into())),
        "publish" => publish(desk, call, rights),
        "withdraw" => withdraw(desk, call, rights),
        "post" => post(desk, call, rights),
        "read" => read(desk, call),
        "readPaged" => read_paged(desk, call),
        "history" => history(desk, call),
        "search" => search(call),
        "stories" => stories(desk, call),
        "subscribe" => subscribe(call),
        "unsubscribe" => {
            let mut arguments = Arguments::bind(call, &["callback"], |_| false)?;
            Ok(Done::Unsubscribe(arguments.remote("callback")?))
        }
        "statistics" => {
            Arguments::bind(call, &[], |_| false)?;
            Ok(Done::Answer(statistics(cx, desk)))
        }
        _ => Err(Refused::Method),
    }
}

fn durability<D: Desk>(desk: &D, from: &mut Arguments<'_>) -> Result<Durability, Problem> {
    Ok(from.parsed("durability")?.unwrap_or(desk.config().durability))
}

/// `publish(title, body, **fields)`: the fields of PUT's JSON, and `base`, `conflict` and
/// `durability` of its query.
fn publish<D: Desk>(
    desk: &D,
    call: &mut Call<'_, Object>,
    rights: Rights,
) -> Result<Done, Refused> {
    let writer = rights.visitor(desk)?;
    writer.may(Scope::Write).map_err(lacking)?;
    let mut arguments = Arguments::bind(call, &["title", "body"], |_| true)?;
    let title = arguments.needed("title")?;
    let body = arguments.body("body")?;
    let base: Option<Cid> = arguments.parsed("base")?;
    let conflict = conflict_policy(arguments.text("conflict")?)?;
    let durability = durability(desk, &mut arguments)?;
    let mut members = arguments.into_json();
    add_body(&mut members, body);
    let draft = Draft::of_object(members)?;
    let offer = Offer::edit(desk, (title, draft), (base, conflict), durability, &writer)?;
    Ok(Done::Write(Box::new(offer)))
}

/// `withdraw(title, reason="")`.
fn withdraw<D: Desk>(
    desk: &D,
    call: &mut Call<'_, Object>,
    rights: Rights,
) -> Result<Done, Refused> {
    let writer = rights.visitor(desk)?;
    writer.may(Scope::Withdraw).map_err(lacking)?;
    let mut arguments = Arguments::bind(call, &["title", "reason"], |name| name == "durability")?;
    let title = arguments.needed("title")?;
    let reason = arguments.text("reason")?.unwrap_or_default();
    let durability = durability(desk, &mut arguments)?;
    Ok(Done::Write(Box::new(Offer::withdraw((title, reason), durability, &writer)?)))
}

/// `post(topic, body, media_type=…)`.
fn post<D: Desk>(desk: &D, call: &mut Call<'_, Object>, rights: Rights) -> Result<Done, Refused> {
    let writer = rights.visitor(desk)?;
    writer.may(Scope::Write).map_err(lacking)?;
    let places = ["topic", "body", "media_type"];
    let mut arguments = Arguments::bind(call, &places, |name| name == "durability")?;
    let topic = arguments.needed("topic")?;
    let body = arguments.body("body")?;
    let media_type = arguments.text("media_type")?;
    let durability = durability(desk, &mut arguments)?;
    let guess = match std::str::from_utf8(&body) {
        Ok(_) => "text/plain",
        Err(_) => "application/octet-stream",
    };
    let about = (topic, media_type.unwrap_or(guess));
    Ok(Done::Write(Box::new(Offer::post(desk, about, body, durability, &writer)?)))
}

/// The update of a story's head, or of another revision of it, and what stands beside the head.
fn revision<D: Desk>(
    desk: &D,
    title: &str,
    rev: Option<Cid>,
) -> Result<(Update, Vec<Cid>), Problem> {
    let story = standing(desk, title)?;
    let head = story.head().map(|head| head.cid);
    let cid = match rev {
        Some(cid) => revision_of(desk, title, cid)?,
        None => head.ok_or_else(|| missing(title))?,
    };
    let conflicts = if head == Some(cid) { story.conflict_ids() } else { Vec::new() };
    Ok((revision_update(desk, cid)?, conflicts))
}

/// `read(title, rev=None)`.
fn read<D: Desk>(desk: &D, call: &mut Call<'_, Object>) -> Result<Done, Refused> {
    let mut arguments = Arguments::bind(call, &["title", "rev"], |_| false)?;
    let (title, rev) = (arguments.needed("title")?, arguments.parsed("rev")?);
    let (update, conflicts) = revision(desk, title, rev)?;
    let view = RevisionView::of(&update, &conflicts).ok_or_else(|| missing(title))?;
    shown(view)
}

/// `readPaged(collector, title, rev=None)`: in the order of Twisted's `getAllPages`.
fn read_paged<D: Desk>(desk: &D, call: &mut Call<'_, Object>) -> Result<Done, Refused> {
    let mut arguments = Arguments::bind(call, &["collector", "title", "rev"], |_| false)?;
    let collector = arguments.remote("collector")?;
    let (title, rev) = (arguments.needed("title")?, arguments.parsed("rev")?);
    let (update, _) = revision(desk, title, rev)?;
    Ok(Done::Page(collector, update))
}

/// `history(title, before=None, limit=50)`.
fn history<D: Desk>(desk: &D, call: &mut Call<'_, Object>) -> Result<Done, Refused> {
    let mut arguments = Arguments::bind(call, &["title", "before", "limit"], |_| false)?;
    let (title, before) = (arguments.needed("title")?, arguments.parsed("before")?);
    let limit = arguments.limit("limit", LIMIT_DEFAULT, LIMIT_MAX)?;
    standing(desk, title)?;
    let page = news::history(desk.store().index(), title, before, limit)?;
    shown(HistoryView::from(&page))
}

/// `stories(section=None, before=None, limit=50)`.
fn stories<D: Desk>(desk: &D, call: &mut Call<'_, Object>) -> Result<Done, Refused> {
    let mut arguments = Arguments::bind(call, &["section", "before", "limit"], |_| false)?;
    let (section, before) = (arguments.text("section")?, arguments.parsed("before")?);
    let limit = arguments.limit("limit", LIMIT_DEFAULT, LIMIT_MAX)?;
    let page = news::list(desk.store().index(), section, before.as_ref(), limit)?;
    shown(StoriesView::from(&page))
}

/// `search(words, section=None, before=None, limit=50)`.
fn search(call: &mut Call<'_, Object>) -> Result<Done, Refused> {
    let places = ["words", "section", "before", "limit"];
    let mut arguments = Arguments::bind(call, &places, |_| false)?;
    let words = arguments.needed("words")?;
    let limit = arguments.limit("limit", LIMIT_DEFAULT, SEARCH_LIMIT_MAX)?;
    let ask = Ask::read(words, limit);
    let mut ask = ask.map_err(|error| Problem::malformed(format!("words: {error}")))?;
    ask.section = arguments.text("section")?.map(str::to_owned);
    let before: Option<u32> = arguments.parsed("before")?;
    ask.offset = before.unwrap_or(0) as usize;
    Ok(Done::Search(Box::new(Search::of(ask))))
}

/// `subscribe(callback, section=None, topic=None, after=None)`.
fn subscribe(call: &mut Call<'_, Object>) -> Result<Done, Refused> {
    let places = ["callback", "section", "topic", "after"];
    let mut arguments = Arguments::bind(call, &places, |name| name == "title")?;
    let callback = arguments.remote("callback")?;
    let mut own = |name| Ok::<_, Problem>(arguments.text(name)?.map(str::to_owned));
    let filter = Filter { section: own("section")?, topic: own("topic")?, title: own("title")? };
    let after = arguments.parsed("after")?;
    Ok(Done::Subscribe(callback, Wish::new(after, filter)))
}

fn shown(view: impl Serialize) -> Result<Done, Refused> {
    let value = serde_json::to_value(view).map_err(|error| {
        log::error!("a value can't be written as JSON: {error}");
        Problem::new(Status::INTERNAL_SERVER_ERROR, "this node can't show that")
    })?;
    Ok(Done::Answer(value))
}

/// The herd as this node sees it, and what this node has counted.
fn statistics<D: Desk>(cx: &Ctx<'_, D>, desk: &mut D) -> Value {
    let mut view = desk.herd_view(cx);
    let tally = desk.tally();
    let counts = json!({
        "requests": tally.requests(), "commands": tally.commands(), "pb": tally.pb.view(),
        "streams": tally.streams, "gaps": tally.gaps, "stalled": tally.stalled,
    });
    if let Value::Object(members) = &mut view {
        members.insert("counts".to_owned(), counts);
    }
    view
}
