//! `PUT /v1/stories/{title}`: a write of a story, from its head to its answer. The rule of edits is
//! `news::judge`'s; here requests become its questions, and its verdicts answers.

use super::answer::Answer;
use super::draft::Draft;
use super::problem::Problem;
use super::stories::{Asked, damaged, gone, revision_update, tagged_cid};
use super::unite::{Apart, Sides, unite, version};
use super::write::{Made, Written, durability_of};
use crate::accounts;
use crate::config::Durability;
use crate::news::{self, Ask, Condition, Conflict, SideView, Story, TOPIC_STORIES, Verdict};
use crate::proto::http::{ContentType, Fields, Status, TagList, encode_segment};
use crate::reactor::Ctx;
use crate::serve::{Desk, Entry, Receipt, Visitor};
use crate::update::{Cid, Kind};
use serde_json::Value;

/// A write under way.
#[derive(Debug)]
pub(in crate::serve) struct Edit {
    title: String,
    /// Of the request; none when the client said nothing.
    media_type: Option<String>,
    is_json: bool,
    draft: Draft,
    base: Option<Cid>,
    ask: Ask,
    durability: Durability,
    writer: Visitor,
}

impl Edit {
    /// Reads all that the head says; what is wrong with it is answered before the body comes.
    pub(super) fn begin<D: Desk>(
        desk: &D,
        title: &str,
        asked: &Asked<'_>,
    ) -> Result<Self, Problem> {
        title_fault(title)?;
        let media_type = content_type(&asked.fields)?;
        let is_json = media_type.as_ref().is_some_and(|media_type| is_json(media_type));
        let ask = Ask {
            base: None,
            conflict: conflict_policy(asked.query.text("conflict"))?,
            if_match: condition(&asked.fields, "if-match")?,
            if_none_match: condition(&asked.fields, "if-none-match")?,
        };
        Ok(Self {
            title: title.to_owned(),
            draft: if is_json { Draft::default() } else { Draft::plain(&asked.query) },
            is_json,
            media_type,
            base: asked.query.cid("base")?,
            ask,
            durability: durability_of(desk, &asked.query)?,
            writer: asked.visitor.clone(),
        })
    }

    /// The write of a draft that is there already.
    pub(in crate::serve) fn of_draft(
        (title, draft): (&str, Draft),
        (base, conflict): (Option<Cid>, Option<Conflict>),
        durability: Durability,
        writer: &Visitor,
    ) -> Self {
        Self {
            title: title.to_owned(),
            media_type: None,
            is_json: false,
            draft,
            base,
            ask: Ask { conflict, ..Ask::default() },
            durability,
            writer: writer.clone(),
        }
    }

    /// Writes a revision that follows all of these heads; the caller has looked at them.
    pub(super) fn join<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        follows: (Vec<Cid>, u32),
    ) -> Result<Made, Problem> {
        self.name_author(desk)?;
        self.revise(cx, desk, follows, false)
    }

    /// The most bytes that its body may have: JSON needs room for escapes or base64, and for the
    /// other fields.
    pub(in crate::serve) fn body_bytes_max(&self, story_bytes: usize) -> usize {
        // A byte of text takes up to six in JSON (\\u0000).
        if self.is_json { story_bytes * 6 + 16 * 1024 } else { story_bytes }
    }

    /// Takes the whole body, and holds it to the limits of a story.
    pub(in crate::serve) fn on_body(
        &mut self,
        body: Vec<u8>,
        story_bytes: usize,
    ) -> Result<(), Problem> {
        if self.is_json {
            self.draft = Draft::from_json(&body)?;
        } else {
            self.draft.set_body(self.media_type.take(), body);
        }
        self.check(story_bytes)
    }

    /// Holds it to the limits of a story.
    pub(in crate::serve) fn check(&self, story_bytes: usize) -> Result<(), Problem> {
        title_fault(&self.title)?;
        if self.draft.body_bytes() > story_bytes {
            return Err(Problem::too_large(story_bytes));
        }
        let media_type = self.draft.media_type();
        let is_sound = ContentType::parse(media_type.as_bytes()).is_ok();
        if !is_sound || media_type.len() > 255 {
            let fault = "is not a media type such as text/plain, of at most 255 bytes";
            return Err(Problem::fields([("media_type".to_owned(), fault.to_owned())]));
        }
        if let Some(fault) = self.draft.alias_fault() {
            return Err(Problem::fields([("alias".to_owned(), fault.to_owned())]));
        }
        let faults = self.draft.revision(&self.title, 1).faults();
        if faults.is_empty() { Ok(()) } else { Err(faults.into()) }
    }

    /// Whose write must be settled before this one can be judged.
    pub(in crate::serve) fn title(&self) -> &str {
        &self.title
    }

    /// What its writer waits for.
    pub(in crate::serve) fn durability(&self) -> Durability {
        self.durability
    }

    /// Judges the write as the story stands now, and makes it if it may be.
    pub(in crate::serve) fn publish<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Result<Made, Problem> {
        self.name_author(desk)?;
        let index = desk.store().index();
        let (verdict, story) = news::judge_in(index, &self.title, self.base, self.ask.clone())?;
        if verdict != Verdict::Withdrawn
            && let Some(held) = self.held(desk, self.draft.alias())?
        {
            return Ok(held);
        }
        if let Some(base) = self.inherits_from(&verdict) {
            self.draft.inherit(&version(&revision_update(desk, base)?)?);
        }
        match verdict {
            Verdict::Create => self.revise(cx, desk, (Vec::new(), 1), true),
            Verdict::Edit { parents, generation } => {
                self.revise(cx, desk, (parents, generation), false)
            }
            Verdict::Merge { base, is_head, theirs, is_optional } => {
                let sides = Sides { base, is_head, theirs };
                match unite(desk, (&self.title, &self.draft), sides)? {
                    Ok(union) => union.publish(cx, desk, self),
                    // The head was edited: that another head clashes is no news.
                    Err(apart) if is_optional && !apart.is_unchanged => {
                        let follows = (vec![base.0], base.1.saturating_add(1));
                        self.revise(cx, desk, follows, false)
                    }
                    Err(apart) => Err(self.clash(desk, &apart, theirs.0)),
                }
            }
            refused => Err(self.refused(desk, &refused, story.as_ref())),
        }
    }

    /// Who is signed in is the author unless they say otherwise; nobody may say that they are
    /// someone else who has an account, but an admin, who may bring in what others wrote.
    fn name_author<D: Desk>(&mut self, desk: &D) -> Result<(), Problem> {
        let (author, writer) = (self.draft.author(), &self.writer);
        if author == writer.name || writer.scopes.admin && !author.is_empty() {
            return Ok(());
        }
        if author.is_empty() {
            self.draft.set_author(&writer.name);
            return Ok(());
        }
        if accounts::account(desk.store().index(), author)?.is_none() {
            return Ok(());
        }
        let detail = format!("the author {author:?} has an account here, which is not yours");
        Err(Problem::new(Status::FORBIDDEN, detail))
    }

    /// Whose fields stand where the writer sent none: the base's, when it is to be merged.
    fn inherits_from(&self, verdict: &Verdict) -> Option<Cid> {
        match verdict {
            Verdict::Merge { base, .. } => Some(base.0),
            Verdict::Edit { parents, .. } if self.ask.conflict == Some(Conflict::Merge) => {
                parents.first().copied()
            }
            _ => None,
        }
    }

    /// What is here already under this alias, if anything is.
    fn held<D: Desk>(&self, desk: &D, alias: &str) -> Result<Option<Made>, Problem> {
        let index = desk.store().index();
        let Some(cid) = news::aliased(index, &self.title, alias)? else { return Ok(None) };
        let place = news::revision_place(index, cid)?;
        Ok(place.map(|place| {
            let receipt = Receipt { dot: place.dot, cid, ticket: None };
            Made { is_duplicate: true, ..Made::new(receipt, false) }
        }))
    }

    /// Writes what was sent, as a revision that follows these and has this generation.
    pub(super) fn revise<D: Desk>(
        &self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        (parents, generation): (Vec<Cid>, u32),
        is_created: bool,
    ) -> Result<Made, Problem> {
        let payload = self.draft.revision(&self.title, generation).encode()?;
        let entry = Entry {
            kind: Kind::Revision,
            topic: TOPIC_STORIES,
            media_type: self.draft.media_type(),
            alias: self.draft.alias(),
            parents,
            payload: &payload,
        };
        let receipt = desk.publish(cx, entry, self.durability)?;
        Ok(Made::new(receipt, is_created))
    }

    /// What its writer is told.
    pub(in crate::serve) fn written<D: Desk>(&self, desk: &D, made: &Made) -> Written<'_> {
        let story = news::story(desk.store().index(), &self.title).unwrap_or_else(|fault| {
            // The write is safe all the same: that is what its writer must hear.
            log::error!("the heads of a story can't be read: {fault}");
            None
        });
        let heads = story.iter().flat_map(|story| &story.heads).map(|head| head.cid);
        Written::new(desk, made, self.durability).of_story(&self.title, heads)
    }

    /// The answer to a write that was made and is as safe as was asked.
    pub(super) fn done<D: Desk>(&self, desk: &D, made: &Made) -> Answer {
        let status = if made.is_created { Status::CREATED } else { Status::OK };
        let location = format!("/v1/stories/{}", encode_segment(&self.title));
        self.written(desk, made)
            .answer(status, Some(location))
            .field("ETag", format!("\"{}\"", made.receipt.cid))
    }

    fn refused<D: Desk>(&self, desk: &D, verdict: &Verdict, story: Option<&Story>) -> Problem {
        match verdict {
            Verdict::Conflict { base, theirs } => self.conflict(desk, *base, *theirs),
            Verdict::Unmet => unmet(story),
            Verdict::BaseRequired => {
                let detail = "the story exists: name the revision that you edited with ?base=ID or \
                              If-Match, or say what to do with ?conflict=merge, keep or overwrite";
                let head = story.and_then(Story::head).map(|head| head.cid.to_string());
                Problem::new(Status::PRECONDITION_REQUIRED, detail).with("head", head.into())
            }
            Verdict::BaseElsewhere => bad_base("is a revision of another story"),
            Verdict::BaseUnknown => bad_base("is no revision that is here"),
            Verdict::Withdrawn => match story.and_then(|story| story.withdrawn.as_ref()) {
                Some(withdrawn) => gone(&self.title, withdrawn),
                None => Problem::new(Status::GONE, "the story was withdrawn, for good"),
            },
            Verdict::Create | Verdict::Edit { .. } | Verdict::Merge { .. } => {
                Problem::new(Status::INTERNAL_SERVER_ERROR, "the write was judged in two ways")
            }
        }
    }

    /// 409 for a base that is not the head.
    fn conflict<D: Desk>(&self, desk: &D, base: Option<Cid>, theirs: Cid) -> Problem {
        let detail = "the story was edited since: `base` is what you edited, `theirs` what stands \
                      now; edit that, or send ?conflict=merge, keep or overwrite";
        self.sides(desk, Problem::new(Status::CONFLICT, detail), (base, theirs))
    }

    /// 409 for changes that clash with those of another head.
    fn clash<D: Desk>(&self, desk: &D, apart: &Apart, theirs: Cid) -> Problem {
        let detail = "both sides changed the same, each in its own way: `base` is what they began \
                      from; bring `yours` and `theirs` together and send that with ?base= the id \
                      of theirs, or send ?conflict=keep or overwrite";
        let problem = Problem::new(Status::CONFLICT, detail);
        let problem = self.sides(desk, problem, (apart.ancestor, theirs));
        problem.with("clashes", apart.clash.fields.clone().into())
    }

    /// Adds all that a writer needs to settle a conflict.
    fn sides<D: Desk>(
        &self,
        desk: &D,
        problem: Problem,
        (base, theirs): (Option<Cid>, Cid),
    ) -> Problem {
        let side = |cid: Cid| -> Result<Value, Problem> {
            let update = revision_update(desk, cid)?;
            news::Revision::decode(update.payload()).map_err(|error| damaged(cid, &error))?;
            Ok(SideView::of(&update).and_then(|view| serde_json::to_value(view).ok()).into())
        };
        let revision = self.draft.revision(&self.title, 1);
        let yours = serde_json::to_value(SideView::of_draft(&revision, self.draft.media_type()));
        // A base that is no longer held is shown as none: the other two sides still help.
        let base = base.and_then(|cid| side(cid).ok());
        match side(theirs) {
            Ok(theirs) => problem
                .with("base", base.into())
                .with("yours", yours.unwrap_or_default())
                .with("theirs", theirs),
            Err(problem) => problem,
        }
    }
}

/// 422 for what can't be a title.
pub(super) fn title_fault(title: &str) -> Result<(), Problem> {
    if news::is_title(title) {
        return Ok(());
    }
    let fault = "a title has 1 to 255 bytes and no control characters";
    Err(Problem::fields([("title".to_owned(), fault.to_owned())]))
}

/// 412 with what the head is.
pub(super) fn unmet(story: Option<&Story>) -> Problem {
    let detail = "If-Match or If-None-Match does not hold for the story's head";
    let problem = Problem::new(Status::PRECONDITION_FAILED, detail);
    match story.and_then(Story::head) {
        Some(head) => problem
            .with("head", head.cid.to_string().into())
            .field("ETag", format!("\"{}\"", head.cid)),
        None => problem.with("head", Value::Null),
    }
}

fn bad_base(fault: &str) -> Problem {
    Problem::fields([("base".to_owned(), format!("base {fault}"))])
}

/// What `conflict` says.
pub(in crate::serve) fn conflict_policy(text: Option<&str>) -> Result<Option<Conflict>, Problem> {
    match text {
        None => Ok(None),
        Some("fail") => Ok(Some(Conflict::Fail)),
        Some("keep") => Ok(Some(Conflict::Keep)),
        Some("overwrite") => Ok(Some(Conflict::Overwrite)),
        Some("merge") => Ok(Some(Conflict::Merge)),
        Some(_) => Err(Problem::malformed("conflict is fail, keep, overwrite or merge")),
    }
}

/// The tags of a condition as revisions. A malformed one could let a write through that it was
/// meant to stop: 400.
pub(super) fn condition(fields: &Fields<'_>, name: &'static str) -> Result<Condition, Problem> {
    let list = TagList::read(fields, name);
    match list.map_err(|error| Problem::malformed(format!("{name}: {error}")))? {
        None => Ok(Condition::Absent),
        Some(TagList::Any) => Ok(Condition::Any),
        Some(TagList::Tags(tags)) => {
            // If-Match compares strongly: a weak tag matches nothing.
            let counts = |weak: bool| !weak || name == "if-none-match";
            let tags = tags.iter().filter(|tag| counts(tag.weak));
            Ok(Condition::Ids(tags.filter_map(|tag| tagged_cid(tag.opaque)).collect()))
        }
    }
}

/// The media type of a request's content: 415 when it is malformed, or coded in a way that we do
/// not undo.
pub(super) fn content_type(fields: &Fields<'_>) -> Result<Option<String>, Problem> {
    let unsupported = |detail| Problem::new(Status::UNSUPPORTED_MEDIA_TYPE, detail);
    if fields
        .first("content-encoding")
        .is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity"))
    {
        return Err(unsupported("send the body without Content-Encoding"));
    }
    if fields.all("content-type").nth(1).is_some() {
        return Err(unsupported("two Content-Type fields: send one"));
    }
    let Some(value) = fields.first("content-type") else { return Ok(None) };
    let parsed = ContentType::parse(value);
    let parsed = parsed.map_err(|_| unsupported("Content-Type is not a media type"))?;
    if parsed.as_str().len() > 255 {
        return Err(unsupported("a media type has at most 255 bytes"));
    }
    Ok(Some(parsed.as_str().to_owned()))
}

fn is_json(media_type: &str) -> bool {
    ContentType::parse(media_type.as_bytes()).is_ok_and(|parsed| parsed.is(super::answer::JSON))
}
