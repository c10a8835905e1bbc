//! `POST /write` and `POST /stories/{title}/edit`: a form under way. Whatever becomes of it, what
//! was typed is in the answer again, until it is saved.

use super::edit::{ancestor, proposed, version};
use super::{Missing, form_only, framed, given_to, revision_of, shown_to};
use crate::config::Durability;
use crate::news::{self, Ask, Located, Revision, Story, Verdict, Version, propose};
use crate::proto::http::{ContentType, Status};
use crate::reactor::Ctx;
use crate::serve::http::admit::check_form;
use crate::serve::http::answer::Answer;
use crate::serve::http::draft::Draft;
use crate::serve::http::edit::Edit;
use crate::serve::http::problem::Problem;
use crate::serve::http::query::Query;
use crate::serve::http::stories::Asked;
use crate::serve::http::unite::says_the_same;
use crate::serve::http::write::Made;
use crate::serve::pages::{self, EditPage, Previewed, Settling, Theirs, Typed};
use crate::serve::{Desk, Visitor};
use crate::update::Cid;

/// The fields beside the body, with their escapes.
const FIELDS_BYTES_MAX: usize = 64 * 1024;
/// A media type is no longer.
const MEDIA_TYPE_BYTES_MAX: usize = 255;

/// A form under way.
#[derive(Debug)]
pub(in crate::serve::http) struct Save {
    /// The story; `None`: a new one.
    story: Option<String>,
    durability: Durability,
    visitor: Visitor,
    typed: Typed,
    bases: Vec<Cid>,
    located: Option<Located>,
    is_preview: bool,
    /// It came from no page of ours that this visitor was shown.
    stranger: Option<Problem>,
    faults: Vec<(&'static str, String)>,
}

/// What a form is answered with instead of a save.
type Refused = Result<Made, Answer>;

impl Save {
    /// Reads all that the head says.
    pub(in crate::serve::http) fn begin<D: Desk>(
        desk: &D,
        story: Option<&String>,
        asked: &Asked<'_>,
    ) -> Result<Self, Problem> {
        form_only(&asked.fields)?;
        Ok(Self {
            story: story.cloned(),
            durability: desk.config().durability,
            visitor: asked.visitor.clone(),
            typed: Typed::default(),
            bases: Vec::new(),
            located: None,
            is_preview: false,
            stranger: None,
            faults: Vec::new(),
        })
    }

    /// The most bytes that its body may have: a byte of text takes up to three in a form, and a
    /// line feed six.
    pub(in crate::serve::http) fn body_bytes_max(story_bytes: usize) -> usize {
        story_bytes.saturating_mul(6).saturating_add(FIELDS_BYTES_MAX)
    }

    /// What a save waits for.
    pub(in crate::serve::http) fn durability(&self) -> Durability {
        self.durability
    }

    /// Whose write must be settled before this one can be judged.
    pub(in crate::serve::http) fn title(&self) -> &str {
        &self.typed.title
    }

    /// Takes the whole body.
    pub(in crate::serve::http) fn on_body(
        &mut self,
        body: &[u8],
        story_bytes: usize,
    ) -> Result<(), Problem> {
        let text = std::str::from_utf8(body).map_err(|_| Problem::malformed("a form is UTF-8"))?;
        let form = Query::read(Some(text))?;
        self.stranger = check_form(&self.visitor, form.text("csrf")).err();
        self.is_preview = form.text("do") == Some("preview");
        self.typed = typed(&form, self.story.as_deref());
        let bases = self.typed.base.split(',').filter(|base| !base.is_empty()).map(str::parse);
        let bases: Result<Vec<Cid>, _> = bases.collect();
        self.bases = bases.map_err(|error| Problem::malformed(format!("base: {error}")))?;
        self.judge(story_bytes);
        Ok(())
    }

    /// Finds all that can't stand, whatever the story is.
    fn judge(&mut self, story_bytes: usize) {
        let faults = &mut self.faults;
        match located(&self.typed) {
            Ok(located) => self.located = located,
            Err(fault) => faults.push(("located", fault.to_owned())),
        }
        let typed = &self.typed;
        let wrong = revision(typed, self.located).faults();
        faults.extend(wrong.iter().map(|fault| (fault.field, format!("This {fault}."))));
        if matches!(&typed.title[..], "." | "..") {
            faults.push(("title", "No browser can ask for a story of this title.".to_owned()));
        }
        if typed.body.len() > story_bytes {
            faults.push(("body", format!("A text has at most {story_bytes} bytes.")));
        }
        if typed.has_clash && news::has_markers(&typed.body) && !self.is_preview {
            let fault = "The marks around what clashes are still in the text: take them out.";
            faults.push(("body", fault.to_owned()));
        }
    }

    /// The answer that changes nothing: to a stranger's form, to what can't stand, to a preview.
    pub(in crate::serve::http) fn early<D: Desk>(&self, desk: &D) -> Option<Answer> {
        if self.stranger.is_some() {
            let notice = "Not saved: this form was out of date, or your browser keeps no cookies. \
                          Look it over and save again.";
            return Some(self.shown(desk, Status::FORBIDDEN, notice));
        }
        if !self.faults.is_empty() {
            let is_large = self.faults.iter().any(|(_, fault)| fault.starts_with("A text has"));
            let too = Status::CONTENT_TOO_LARGE;
            let status = if is_large { too } else { Status::UNPROCESSABLE_CONTENT };
            return Some(self.shown(desk, status, ""));
        }
        self.is_preview.then(|| self.preview(desk))
    }

    /// The form again.
    fn shown<D: Desk>(&self, desk: &D, status: Status, notice: &str) -> Answer {
        let page = EditPage { notice, faults: &self.faults, ..self.page(desk, &self.typed) };
        self.framed(status, pages::edit(&page))
    }

    fn page<'a, D: Desk>(&'a self, desk: &'a D, typed: &'a Typed) -> EditPage<'a> {
        let visitor = &self.visitor;
        EditPage {
            around: shown_to(desk, visitor, String::new()),
            title: self.story.as_deref(),
            typed,
            faults: &[],
            notice: "",
            preview: None,
            settling: None,
        }
    }

    fn framed(&self, status: Status, html: String) -> Answer {
        given_to(&self.visitor, framed(status, html))
    }

    fn preview<D: Desk>(&self, desk: &D) -> Answer {
        let base = self.bases.first().and_then(|base| revision_of(desk, self.title(), *base).ok());
        let base = base.as_ref().and_then(|base| version(base).ok());
        let preview = Some(Previewed { version: self.version(), base });
        let page = EditPage { preview, ..self.page(desk, &self.typed) };
        self.framed(Status::OK, pages::edit(&page))
    }

    fn version(&self) -> Version<'_> {
        let revision = revision(&self.typed, self.located);
        Version { revision, media_type: &self.typed.media_type }
    }

    /// Saves it as the story stands now, if that can be.
    pub(in crate::serve::http) fn publish<D: Desk>(
        &self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Refused {
        match self.settle(cx, desk) {
            Ok(made) => made,
            Err(problem) => Err(self.refused(desk, problem)),
        }
    }

    fn settle<D: Desk>(&self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Result<Refused, Problem> {
        let title = self.title();
        let version = self.version();
        let draft = Draft::whole(&version.revision, version.media_type);
        let base = self.bases.first().copied();
        let durability = desk.config().durability;
        let mut edit = Edit::of_draft((title, draft), (base, None), durability, &self.visitor);
        let index = desk.store().index();
        let (verdict, story) = news::judge_in(index, title, base, Ask::default())?;
        let head = story.as_ref().and_then(Story::head).map(|head| head.cid);
        match (verdict, head) {
            (Verdict::Withdrawn, _) => {
                let notice = "Not saved: the story was withdrawn, for good. Save your text under \
                              another title, or keep a copy.";
                Ok(Err(self.shown(desk, Status::GONE, notice)))
            }
            (_, Some(head)) if self.bases.len() > 1 => match self.heads(story.as_ref()) {
                Some(follows) => edit.join(cx, desk, follows).map(Ok),
                None => self.conflict(desk, head),
            },
            (Verdict::Create | Verdict::Edit { .. }, _) => edit.publish(cx, desk).map(Ok),
            (_, Some(head)) if self.story.is_some() || self.is_saved(desk, head) => {
                self.conflict(desk, head)
            }
            (_, Some(_)) => {
                let notice = "Not saved: a story of this title is here already. Choose another \
                              title, or edit that story.";
                Ok(Err(self.shown(desk, Status::CONFLICT, notice)))
            }
            (_, None) => {
                let notice = "Not saved: this node does not know what you edited yet. Try again \
                              in a moment.";
                Ok(Err(self.shown(desk, Status::CONFLICT, notice)))
            }
        }
    }

    /// The heads that the form brings together, and their next generation; none if one of them is
    /// none any more.
    fn heads(&self, story: Option<&Story>) -> Option<(Vec<Cid>, u32)> {
        let mut generation = 0;
        for base in &self.bases {
            let mut heads = story?.heads.iter();
            generation = heads.find(|head| head.cid == *base)?.generation.max(generation);
        }
        let mut parents = self.bases.clone();
        parents.sort_unstable();
        parents.dedup();
        Some((parents, generation.saturating_add(1)))
    }

    /// True when the head is what this form says, by the same writer: it was saved before, and the
    /// answer did not come through.
    fn is_saved<D: Desk>(&self, desk: &D, head: Cid) -> bool {
        let Ok(update) = revision_of(desk, self.title(), head) else { return false };
        version(&update).is_ok_and(|theirs| {
            says_the_same(&theirs, &self.version()) && theirs.revision.author == self.visitor.name
        })
    }

    /// Both sides, what they began from, and what they make together.
    fn conflict<D: Desk>(&self, desk: &D, head: Cid) -> Result<Refused, Problem> {
        if self.is_saved(desk, head) {
            return Ok(Err(self.done()));
        }
        self.both(desk, head).map(Err).map_err(|missing| match missing {
            Missing::Unknown | Missing::Withdrawn(_) => {
                Problem::later("the story changed in this moment: save again", 1)
            }
            Missing::Malformed | Missing::Fault => {
                Problem::later("this node can't read the story: try again, or another node", 5)
            }
        })
    }

    fn both<D: Desk>(&self, desk: &D, head: Cid) -> Result<Answer, Missing> {
        let title = self.title();
        let update = revision_of(desk, title, head)?;
        let (yours, theirs) = (self.version(), version(&update)?);
        let base = match self.bases.first() {
            Some(base) => ancestor(desk, title, (*base, head))?,
            None => None,
        };
        let base = base.as_ref().map(version).transpose()?;
        let common = base.unwrap_or_default();
        let made = propose(&common, &yours, &theirs, ["yours", "theirs"]);
        let typed =
            Typed { summary: self.typed.summary.clone(), ..proposed(title, &made, &[head]) };
        let settling = Settling {
            is_conflict: true,
            base,
            yours,
            theirs: vec![Theirs { update: &update, version: theirs }],
            clashes: made.clashes,
        };
        let page = EditPage { settling: Some(settling), ..self.page(desk, &typed) };
        Ok(self.framed(Status::CONFLICT, pages::edit(&page)))
    }

    /// The form again, with what went wrong.
    pub(in crate::serve::http) fn refused<D: Desk>(&self, desk: &D, problem: Problem) -> Answer {
        problem.into_answer(|status, detail| {
            self.shown(desk, status, &format!("Not saved: {detail}."))
        })
    }

    /// It is saved: to the story.
    pub(in crate::serve::http) fn done(&self) -> Answer {
        Answer::empty(Status::SEE_OTHER)
            .field("Location", pages::story_href(self.title()))
            .field("Cache-Control", "no-store")
    }
}

/// What a form holds. Browsers end each line with carriage return and line feed.
fn typed(form: &Query<'_>, story: Option<&str>) -> Typed {
    let line = |name| form.text(name).unwrap_or_default().trim().to_owned();
    let media_type = match line("media_type") {
        known if is_media_type(&known) => known,
        _ => "text/markdown".to_owned(),
    };
    Typed {
        title: story.map_or_else(|| line("title"), str::to_owned),
        headline: line("headline"),
        section: line("section"),
        language: line("language"),
        summary: line("summary"),
        media_type,
        lat: line("lat"),
        lon: line("lon"),
        body: form.text("body").unwrap_or_default().replace("\r\n", "\n"),
        base: line("base"),
        has_clash: form.text("clash").is_some(),
    }
}

fn is_media_type(text: &str) -> bool {
    text.len() <= MEDIA_TYPE_BYTES_MAX && ContentType::parse(text.as_bytes()).is_ok()
}

fn located(typed: &Typed) -> Result<Option<Located>, &'static str> {
    if typed.lat.is_empty() && typed.lon.is_empty() {
        return Ok(None);
    }
    let degrees = typed.lat.parse().ok().zip(typed.lon.parse().ok());
    let located = degrees.and_then(|(lat, lon)| Located::from_degrees(lat, lon));
    located.map(Some).ok_or("A latitude is from -90 to 90, a longitude from -180 to 180 degrees.")
}

fn revision(typed: &Typed, located: Option<Located>) -> Revision<'_> {
    Revision {
        generation: 1,
        title: &typed.title,
        headline: &typed.headline,
        section: &typed.section,
        summary: &typed.summary,
        language: &typed.language,
        located,
        body: typed.body.as_bytes(),
        ..Revision::default()
    }
}
