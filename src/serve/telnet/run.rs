//! What a command does: it is answered at once, or begins a talk.

use super::command::Verb;
use super::find;
use super::help::help;
use super::login::Login;
use super::pager::Told;
use super::show::{self, line};
use super::talk::{At, Next, Talk};
use super::tty::Tty;
use super::user::{Shown, standing, standing_head, unreadable};
use super::write::Write;
use crate::news::{self, Page, Revision, StoryLine, StoryMark};
use crate::proto::telnet::Charset;
use crate::serve::Desk;
use crate::update::Cid;
use std::fmt::Write as _;

/// Stories of one list, and revisions of one history.
const LINES_MAX: usize = 50;

/// What a command began.
#[derive(Debug)]
pub(super) enum Begun {
    /// Nothing: it is answered.
    Nothing,
    /// To show the text of a story.
    Story(String, Told),
    /// A talk, and how it goes on.
    Talk(Talk, Next),
    /// To follow a section, or all.
    Follow(Option<String>),
    /// The end.
    Quit,
}

/// Does what is asked; an error is what to tell.
pub(super) fn run<D: Desk>(
    at: &mut At<'_, '_, D>,
    tty: &mut Tty,
    (verb, rest): (Verb, &str),
) -> Result<Begun, String> {
    match verb {
        Verb::List => list(at, Some(rest).filter(|section| !section.is_empty()), None)?,
        Verb::More => more(at)?,
        Verb::Read => {
            let title = at.user.title(rest)?;
            let (text, told) = story_text(at.desk, &title)?;
            return Ok(Begun::Story(text, told));
        }
        Verb::History => history(at, rest)?,
        Verb::Sections => {
            let sections = news::sections(at.desk.store().index());
            let sections = sections.map_err(|error| show::broken(&error))?;
            at.said.push_str(&show::sections(&sections));
        }
        Verb::Search => return Ok(Begun::Talk(Talk::Find, find::begin(at, rest)?)),
        Verb::Follow => {
            return Ok(Begun::Follow(Some(rest.to_owned()).filter(|section| !section.is_empty())));
        }
        Verb::Publish | Verb::Edit | Verb::Withdraw => {
            let write = write(at, verb, rest)?;
            return Ok(Begun::Talk(Talk::Write(Box::new(write)), Next::Ask));
        }
        Verb::Login => return Ok(Begun::Talk(Talk::Login(Login::new(rest)), Next::Ask)),
        Verb::Logout => {
            at.user.shown = Shown::Nothing;
            at.desk.sessions().name(at.cx.id(), "");
            at.say("You are nobody now.");
        }
        Verb::Who => who(at),
        Verb::Status => status(at, tty),
        Verb::Charset => choose_charset(at, tty, rest)?,
        Verb::Help => at.said.push_str(&help(rest)),
        Verb::Quit => return Ok(Begun::Quit),
    }
    Ok(Begun::Nothing)
}

fn list<D: Desk>(
    at: &mut At<'_, '_, D>,
    section: Option<&str>,
    before: Option<&StoryMark>,
) -> Result<(), String> {
    let index = at.desk.store().index();
    let page = news::list(index, section, before, LINES_MAX).map_err(|e| show::broken(&e))?;
    at.said.push_str(&show::stories(&page));
    note(at, section, page);
    Ok(())
}

/// Remembers what the numbers of a list stand for.
fn note<D>(at: &mut At<'_, '_, D>, section: Option<&str>, page: Page<StoryLine>) {
    at.user.titles = page.lines.into_iter().map(|line| line.title.into_boxed_str()).collect();
    at.user.older = page.next.map(|next| (section.map(Box::from), next.into_boxed_str()));
}

fn more<D: Desk>(at: &mut At<'_, '_, D>) -> Result<(), String> {
    let Some((section, next)) = at.user.older.take() else {
        return Err("There are no older ones in a list.".to_owned());
    };
    let mark: StoryMark = next.parse().map_err(|_| "List the stories again.".to_owned())?;
    list(at, section.as_deref(), Some(&mark))
}

/// A story as it is read.
pub(super) fn story_text<D: Desk>(desk: &D, title: &str) -> Result<(String, Told), String> {
    let (story, update) = standing_head(desk, title)?;
    let revision = Revision::decode(update.payload()).map_err(|_| unreadable(title))?;
    let mut text = show::head(&story, &update, &revision);
    let told = Told { cid: update.cid(), head_bytes: text.len() };
    text.push_str(&show::body(update.media_type(), revision.body));
    Ok((text, told))
}

/// The body of a revision as it is read.
pub(super) fn body_text<D: Desk>(desk: &D, cid: Cid) -> Result<String, String> {
    let update = desk.store().by_cid(cid).map_err(|error| show::broken(&error))?;
    let update = update.filter(|update| !update.is_erased());
    let body = update.as_ref().and_then(|update| {
        let revision = Revision::decode(update.payload()).ok()?;
        Some(show::body(update.media_type(), revision.body))
    });
    body.ok_or_else(|| "The rest of it can't be read here any more.".to_owned())
}

fn history<D: Desk>(at: &mut At<'_, '_, D>, named: &str) -> Result<(), String> {
    let title = at.user.title(named)?;
    standing(at.desk, &title)?;
    let page = news::history(at.desk.store().index(), &title, None, LINES_MAX);
    at.said.push_str(&show::history(&title, &page.map_err(|error| show::broken(&error))?));
    Ok(())
}

fn write<D: Desk>(at: &mut At<'_, '_, D>, verb: Verb, rest: &str) -> Result<Write, String> {
    match verb {
        // A number is no title of a new story's, unless it is meant as one.
        Verb::Publish => {
            let title = super::command::quoted(rest).map_or(rest, |(title, _)| title);
            if title.is_empty() {
                return Err("Under which title? publish TITLE".to_owned());
            }
            Write::publish(at, title.to_owned())
        }
        Verb::Withdraw => {
            let (title, reason) = at.user.title_and_rest(at.desk, rest)?;
            Write::withdraw(at, (title, reason))
        }
        _ => {
            let title = at.user.title(rest)?;
            Write::edit(at, &title)
        }
    }
}

fn who<D: Desk>(at: &mut At<'_, '_, D>) {
    let herd = at.desk.herd_view(at.cx);
    at.said.push_str(&show::nodes(&herd));
    let (now, own) = (at.cx.now(), at.cx.id());
    let mut here = String::new();
    for (conn, name, since) in at.desk.sessions().all() {
        let name = if name.is_empty() { "someone" } else { name };
        let you = if conn == own { " (you)" } else { "" };
        let minutes = now.saturating_sub(since) / 60_000;
        line!(here, "  {name:24} for {minutes} min{you}");
    }
    at.say("At consoles of this node:");
    at.said.push_str(&here);
}

fn status<D: Desk>(at: &mut At<'_, '_, D>, tty: &Tty) {
    let herd = at.desk.herd_view(at.cx);
    let name = at.desk.config().name.clone();
    at.say(match at.desk.unready() {
        None => format!("{name} is ready."),
        Some(why) => format!("{name} is not ready: {why}."),
    });
    at.say(format!("It has {} updates.", at.desk.store().held().count()));
    at.said.push_str(&show::links(&herd));
    let visitor = at.user.visitor(at.desk);
    let who = if visitor.name.is_empty() { "nobody" } else { &visitor.name };
    at.say(format!("You are {who} and may: {}.", visitor.scopes));
    let (telnet, window) = (&tty.telnet, tty.telnet.window());
    let terminal = if telnet.terminal().is_empty() { "unknown" } else { telnet.terminal() };
    let (columns, rows) = (window.columns, window.rows);
    let charset = telnet.charset().name();
    let echo = if telnet.echoes() { "key by key" } else { "line by line" };
    at.say(format!("Your terminal: {terminal}, {columns} by {rows}, {charset}, {echo}."));
}

fn choose_charset<D: Desk>(
    at: &mut At<'_, '_, D>,
    tty: &mut Tty,
    name: &str,
) -> Result<(), String> {
    let known = || Charset::ALL.map(Charset::name).join(", ");
    let charset = Charset::of(name.as_bytes()).ok_or_else(|| format!("Choose of {}.", known()))?;
    tty.telnet.choose(charset);
    at.say(format!("From now on: {}.", charset.name()));
    Ok(())
}
