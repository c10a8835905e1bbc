//! `publish`, `edit`, `withdraw`: what is asked of the writer, one line after the other, and what
//! becomes of it. The write itself is an [`Offer`], as over any protocol.

use super::body::{Body, Typed};
use super::show;
use super::talk::{At, Next};
use super::user::{standing, standing_head, unreadable};
use crate::accounts::Scope;
use crate::news::{self, Conflict, Located, Revision, is_textual};
use crate::serve::Desk;
use crate::serve::http::{Draft, Made, Problem};
use crate::serve::offer::{Offer, Offered, unsettled, wait_ms_max};
use crate::update::Cid;

/// What a story is that is typed here.
const MEDIA_TYPE: &str = "text/plain";

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    New,
    Edit,
    Withdrawal,
}

/// What the next line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Headline,
    Section,
    Summary,
    Text,
    Reason,
    /// Whether it is meant.
    Sure,
    /// None: the write is under way.
    Settling,
    /// What to do about the change of someone else.
    Conflict,
    /// Whether to try again.
    Again,
}

/// A write under way.
#[derive(Debug)]
pub(super) struct Write {
    what: What,
    stage: Stage,
    title: String,
    base: Option<Cid>,
    headline: String,
    section: String,
    summary: String,
    language: String,
    located: Option<Located>,
    media_type: String,
    reason: String,
    body: Body,
    /// Bytes of the text that the node has counted.
    counted: u64,
    was_interrupted: bool,
    offer: Option<Offer>,
}

impl Write {
    fn new(what: What, stage: Stage, title: String, body: Body) -> Self {
        Self {
            what,
            stage,
            title,
            base: None,
            headline: String::new(),
            section: String::new(),
            summary: String::new(),
            language: String::new(),
            located: None,
            media_type: MEDIA_TYPE.to_owned(),
            reason: String::new(),
            body,
            counted: 0,
            was_interrupted: false,
            offer: None,
        }
    }

    /// A new story of this title; else what to tell.
    pub(super) fn publish<D: Desk>(at: &mut At<'_, '_, D>, title: String) -> Result<Self, String> {
        at.user.who_may(at.desk, Scope::Write)?;
        if !news::is_title(&title) {
            return Err("A title has 1 to 255 bytes and no control characters.".to_owned());
        }
        let story = news::story(at.desk.store().index(), &title);
        if let Some(story) = story.map_err(|error| show::broken(&error))? {
            return Err(match &story.withdrawn {
                Some(how) => show::withdrawn(&title, how) + " Take another title.",
                None => format!("A story {title} is here already: edit it, or take another title."),
            });
        }
        let body = Body::new(at.desk.config().limits.story_bytes);
        Ok(Self::new(What::New, Stage::Headline, title, body))
    }

    /// A change of a story as it stands now; else what to tell.
    pub(super) fn edit<D: Desk>(at: &mut At<'_, '_, D>, title: &str) -> Result<Self, String> {
        at.user.who_may(at.desk, Scope::Write)?;
        let (_, update) = standing_head(at.desk, title)?;
        let revision = Revision::decode(update.payload()).map_err(|_| unreadable(title))?;
        let text = std::str::from_utf8(revision.body).ok();
        let Some(text) = text.filter(|_| is_textual(update.media_type())) else {
            return Err(format!("{title} is no text: {}.", update.media_type()));
        };
        let body = Body::of(text, at.desk.config().limits.story_bytes)?;
        if !has_room(at.desk, body.memory()) {
            return Err("This node has no room for more text now: try again soon.".to_owned());
        }
        let mut write = Self {
            base: Some(update.cid()),
            headline: revision.headline.to_owned(),
            section: revision.section.to_owned(),
            language: revision.language.to_owned(),
            located: revision.located,
            media_type: update.media_type().to_owned(),
            ..Self::new(What::Edit, Stage::Headline, title.to_owned(), body)
        };
        write.count(at.desk);
        Ok(write)
    }

    /// The withdrawal of a story that stands; else what to tell.
    pub(super) fn withdraw<D: Desk>(
        at: &mut At<'_, '_, D>,
        (title, reason): (String, &str),
    ) -> Result<Self, String> {
        at.user.who_may(at.desk, Scope::Withdraw)?;
        standing(at.desk, &title)?;
        let stage = if reason.is_empty() { Stage::Reason } else { Stage::Sure };
        let reason = reason.to_owned();
        Ok(Self { reason, ..Self::new(What::Withdrawal, stage, title, Body::new(0)) })
    }

    pub(super) fn prompt(&self) -> String {
        let kept = |what: &str, old: &str| match (self.what, old) {
            (What::Edit, "") => format!("{what} (now none): "),
            (What::Edit, _) => format!("{what} (Enter keeps it, - takes it away): "),
            _ => format!("{what}: "),
        };
        match self.stage {
            Stage::Headline => kept("Headline", &self.headline),
            Stage::Section => kept("Section", &self.section),
            Stage::Summary => "What you change: ".to_owned(),
            Stage::Text => self.body.prompt(),
            Stage::Reason => "Why: ".to_owned(),
            Stage::Sure => "For good? Type yes: ".to_owned(),
            Stage::Settling => String::new(),
            Stage::Conflict => "merge, keep, overwrite, show or give up? ".to_owned(),
            Stage::Again => "again, show or give up? ".to_owned(),
        }
    }

    pub(super) fn replaced(&self) -> Option<&str> {
        if self.stage == Stage::Text { self.body.replaced() } else { None }
    }

    pub(super) fn on_arrow<D: Desk>(
        &mut self,
        at: &mut At<'_, '_, D>,
        typed: &str,
        is_up: bool,
    ) -> bool {
        if self.stage != Stage::Text {
            return false;
        }
        let gone = self.body.go(typed, is_up);
        self.count(at.desk);
        gone.unwrap_or_else(|told| {
            at.say(told);
            false
        })
    }

    pub(super) fn on_line<D: Desk>(
        &mut self,
        at: &mut At<'_, '_, D>,
        line: &str,
        shows_old: bool,
    ) -> Next {
        self.was_interrupted = false;
        match self.stage {
            Stage::Text => self.on_text(at, line, shows_old),
            Stage::Conflict => self.on_choice(at, line.trim()),
            Stage::Again => self.on_again(at, line.trim()),
            Stage::Sure if line.trim().eq_ignore_ascii_case("yes") => self.offer(at, None),
            Stage::Sure => self.given_up(at),
            Stage::Reason => {
                line.trim().clone_into(&mut self.reason);
                self.stage = Stage::Sure;
                Next::Ask
            }
            Stage::Headline | Stage::Section | Stage::Summary => self.on_field(at, line.trim()),
            Stage::Settling => Next::Ask,
        }
    }

    /// Takes a field, and asks for it again if it can't stand.
    fn on_field<D: Desk>(&mut self, at: &mut At<'_, '_, D>, line: &str) -> Next {
        let is_edit = self.what == What::Edit;
        let (field, name) = match self.stage {
            Stage::Headline => (&mut self.headline, "headline"),
            Stage::Section => (&mut self.section, "section"),
            _ => (&mut self.summary, "summary"),
        };
        match line {
            "" if is_edit => {}
            "-" => field.clear(),
            line => line.clone_into(field),
        }
        let fault = self.revision(b"").faults().into_iter().find(|fault| fault.field == name);
        if let Some(fault) = fault {
            at.say(format!("The {fault}."));
            return Next::Ask;
        }
        self.stage = match self.stage {
            Stage::Headline => Stage::Section,
            Stage::Section if is_edit => Stage::Summary,
            _ => Stage::Text,
        };
        if self.stage == Stage::Text {
            let lines = self.body.lines();
            if is_edit {
                at.say(format!("The text has {lines} lines: ~p shows them, ~e 1 edits line 1."));
            }
            at.say("A line with a single dot ends the text; help publish tells of the rest.");
        }
        Next::Ask
    }

    fn on_text<D: Desk>(&mut self, at: &mut At<'_, '_, D>, line: &str, shows_old: bool) -> Next {
        if !has_room(at.desk, Body::memory_of_line(line.len())) {
            at.say("Not taken: this node has no room for more text now. Try again soon.");
            return Next::Ask;
        }
        let typed = self.body.on_line(line, shows_old);
        self.count(at.desk);
        match typed {
            Typed::Taken => Next::Ask,
            Typed::Told(told) => {
                at.said.push_str(&told);
                if !told.ends_with('\n') {
                    at.said.push('\n');
                }
                Next::Ask
            }
            Typed::Complete => self.offer(at, None),
            Typed::GivenUp => self.given_up(at),
        }
    }

    fn on_choice<D: Desk>(&mut self, at: &mut At<'_, '_, D>, choice: &str) -> Next {
        match choice.chars().next().map(|c| c.to_ascii_lowercase()) {
            Some('m') => self.offer(at, Some(Conflict::Merge)),
            Some('k') => self.offer(at, Some(Conflict::Keep)),
            Some('o') => self.offer(at, Some(Conflict::Overwrite)),
            Some('s') => {
                self.show_theirs(at);
                Next::Ask
            }
            Some('g' | 'q' | 'n') => self.given_up(at),
            _ => Next::Ask,
        }
    }

    fn on_again<D: Desk>(&mut self, at: &mut At<'_, '_, D>, choice: &str) -> Next {
        match choice.chars().next().map(|c| c.to_ascii_lowercase()) {
            Some('a' | 'y') => self.offer(at, None),
            Some('s') => {
                at.said.push_str(&self.body.text());
                Next::Ask
            }
            Some('g' | 'q' | 'n') => self.given_up(at),
            _ => Next::Ask,
        }
    }

    fn show_theirs<D: Desk>(&self, at: &mut At<'_, '_, D>) {
        match super::run::story_text(at.desk, &self.title) {
            Ok((text, _)) => at.say(text),
            Err(told) => at.say(told),
        }
    }

    pub(super) fn on_interrupt<D: Desk>(&mut self, at: &mut At<'_, '_, D>) -> Next {
        if self.stage == Stage::Text && !std::mem::replace(&mut self.was_interrupted, true) {
            at.say("^C again gives the text up.");
            return Next::Ask;
        }
        self.given_up(at)
    }

    pub(super) fn on_end<D: Desk>(&mut self, at: &mut At<'_, '_, D>) -> Next {
        if self.stage == Stage::Text { self.offer(at, None) } else { self.given_up(at) }
    }

    fn given_up<D: Desk>(&self, at: &mut At<'_, '_, D>) -> Next {
        at.say(match self.what {
            What::Withdrawal => "Given up: the story stays.",
            What::New | What::Edit => "Given up: nothing was saved.",
        });
        Next::Over
    }

    fn revision<'a>(&'a self, body: &'a [u8]) -> Revision<'a> {
        Revision {
            generation: 1,
            title: &self.title,
            headline: &self.headline,
            section: &self.section,
            summary: &self.summary,
            language: &self.language,
            located: self.located,
            body,
            // Its author is whoever has logged in.
            ..Revision::default()
        }
    }

    /// Writes it, if its writer may still do so.
    fn offer<D: Desk>(&mut self, at: &mut At<'_, '_, D>, conflict: Option<Conflict>) -> Next {
        let visitor = at.user.visitor(at.desk);
        let durability = at.desk.config().durability;
        let offer = if self.what == What::Withdrawal {
            Offer::withdraw((&self.title, &self.reason), durability, &visitor)
        } else {
            let text = self.body.text();
            let draft = Draft::whole(&self.revision(text.as_bytes()), &self.media_type);
            let base = (self.base, conflict);
            Offer::edit(at.desk, (&self.title, draft), base, durability, &visitor)
        };
        match offer {
            Ok(offer) => {
                self.offer = Some(offer);
                self.advance(at)
            }
            Err(problem) => self.trouble(at, &problem),
        }
    }

    pub(super) fn advance<D: Desk>(&mut self, at: &mut At<'_, '_, D>) -> Next {
        let Some(offer) = &mut self.offer else { return Next::Ask };
        match offer.advance(at.cx, at.desk) {
            Ok(Offered::Wait(ticket)) => {
                at.desk.await_ticket(ticket, at.cx.id());
                self.stage = Stage::Settling;
                Next::Wait(wait_ms_max(offer.durability(), &at.desk.config().limits))
            }
            Ok(Offered::Done(made)) => {
                let is_met = offer.written(at.desk, &made).is_met();
                self.done(at, &made, is_met);
                Next::Over
            }
            Err(problem) => self.trouble(at, &problem),
        }
    }

    fn done<D: Desk>(&self, at: &mut At<'_, '_, D>, made: &Made, is_met: bool) {
        let title = &self.title;
        at.say(match self.what {
            What::Withdrawal => format!("Withdrawn: {title}."),
            _ if made.is_created => format!("Published: {title}."),
            _ if made.yours.is_some() => {
                format!("Saved, and brought together with theirs: {title}.")
            }
            _ => format!("Saved: {title}."),
        });
        if !is_met {
            at.say("It is kept here, but not yet on as many nodes as it should be.");
        }
    }

    /// It could not be written: what now?
    fn trouble<D: Desk>(&mut self, at: &mut At<'_, '_, D>, problem: &Problem) -> Next {
        self.offer = None;
        match problem.status().code() {
            _ if self.what == What::Withdrawal => {
                at.say(format!("Not withdrawn: {}.", problem.detail()));
                return Next::Over;
            }
            409 | 412 | 428 => {
                self.stage = Stage::Conflict;
                self.tell_conflict(at, problem);
            }
            _ => {
                self.stage = Stage::Again;
                at.say(format!("Not saved: {}.", told(problem)));
            }
        }
        Next::Ask
    }

    fn tell_conflict<D: Desk>(&self, at: &mut At<'_, '_, D>, problem: &Problem) {
        if !problem.json()["clashes"].is_null() {
            return at.say("Not saved: both of you changed the same, each in another way.");
        }
        let head = standing(at.desk, &self.title).ok().and_then(|story| story.head().cloned());
        let how = head.map_or_else(String::new, |head| {
            let by =
                if head.author.is_empty() { String::new() } else { format!(" by {}", head.author) };
            format!("{by} at {}", show::moment(head.clock))
        });
        at.say(format!("Not saved: {} was changed{how}, since you began.", self.title));
    }

    /// The disk gave no answer in time.
    pub(super) fn late<D: Desk>(at: &mut At<'_, '_, D>) {
        at.say(format!("{}.", unsettled().detail()));
    }

    /// Has the node count what the text takes now.
    fn count<D: Desk>(&mut self, desk: &mut D) {
        let bytes = self.body.memory() as u64;
        let tally = desk.tally();
        tally.body_bytes = tally.body_bytes + bytes - self.counted;
        self.counted = bytes;
    }

    pub(super) fn forget<D: Desk>(&mut self, desk: &mut D) {
        desk.tally().body_bytes -= std::mem::take(&mut self.counted);
    }
}

/// Whether the node may hold so many bytes more of what is under way.
fn has_room<D: Desk>(desk: &mut D, bytes: usize) -> bool {
    desk.tally().body_bytes + bytes as u64 <= desk.config().limits.bodies_bytes
}

/// What a problem says, with each field that is wrong.
fn told(problem: &Problem) -> String {
    let json = problem.json();
    let faults = json["fields"].as_array().into_iter().flatten();
    let faults: Vec<&str> = faults.filter_map(|fault| fault["detail"].as_str()).collect();
    if faults.is_empty() { problem.detail().to_owned() } else { faults.join("; ") }
}
