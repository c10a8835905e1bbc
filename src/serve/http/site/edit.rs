//! `GET /write` and `GET /stories/{title}/edit`: the form to write in, with the story as it stands;
//! with `?resolve=1` all its heads, and what they make together.

use super::{Missing, around, framed, plain, read, revision_of, standing};
use crate::news::{self, Located, Proposal, Revision, Story, Version, is_textual, propose};
use crate::proto::http::Status;
use crate::serve::Desk;
use crate::serve::http::answer::Answer;
use crate::serve::http::stories::Asked;
use crate::serve::pages::{self, EditPage, PlainPage, Settling, Theirs, Typed};
use crate::update::{Cid, Update};

/// So many heads are brought together at once; what others there are stay for the next time.
const HEADS_MAX: usize = 4;
/// More than two heads are brought together only while their bodies are no more than this.
const TOGETHER_BYTES_MAX: usize = 512 * 1024;

/// `GET /write`, and of a story `GET /stories/{title}/edit`
pub(in crate::serve::http) fn page<D: Desk>(
    desk: &D,
    title: Option<&str>,
    asked: &Asked<'_>,
) -> Answer {
    let made = match title {
        None => Ok(write(desk, asked)),
        Some(title) => edit(desk, title, asked),
    };
    let (status, html) = match made {
        Ok(html) => (Status::OK, html),
        Err(missing) => plain(missing, around(desk, asked)),
    };
    framed(status, html)
}

fn write<D: Desk>(desk: &D, asked: &Asked<'_>) -> String {
    let typed = Typed {
        title: asked.query.own("title").unwrap_or_default(),
        media_type: "text/markdown".to_owned(),
        ..Typed::default()
    };
    form(desk, asked, None, &typed, None)
}

fn form<D: Desk>(
    desk: &D,
    asked: &Asked<'_>,
    title: Option<&str>,
    typed: &Typed,
    settling: Option<Settling<'_>>,
) -> String {
    let around = around(desk, asked);
    let (faults, notice, preview) = (&[], "", None);
    pages::edit(&EditPage { around, title, typed, faults, notice, preview, settling })
}

fn edit<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Result<String, Missing> {
    let story = standing(desk, title)?;
    let head = story.head().ok_or(Missing::Unknown)?.cid;
    if asked.query.text("resolve").is_some() && story.heads.len() > 1 {
        return resolve(desk, &story, asked);
    }
    let update = revision_of(desk, title, head)?;
    let version = version(&update)?;
    if !is_text(&version) {
        return Ok(no_text(desk, asked));
    }
    Ok(form(desk, asked, Some(title), &typed(&version, &[head]), None))
}

fn no_text<D: Desk>(desk: &D, asked: &Asked<'_>) -> String {
    let text = "The body of this story is no text: it is changed by programs, with PUT.";
    pages::plain(&PlainPage { around: around(desk, asked), heading: "No text", text })
}

/// A revision with its media type.
pub(super) fn version(update: &Update) -> Result<Version<'_>, Missing> {
    Ok(Version { revision: read(update)?, media_type: update.media_type() })
}

fn is_text(version: &Version<'_>) -> bool {
    is_textual(version.media_type) && std::str::from_utf8(version.revision.body).is_ok()
}

/// A version as it is edited; its summary is its own writer's.
fn typed(version: &Version<'_>, bases: &[Cid]) -> Typed {
    let Version { revision, media_type } = version;
    let (lat, lon) = degrees(revision.located);
    Typed {
        title: revision.title.to_owned(),
        headline: revision.headline.to_owned(),
        section: revision.section.to_owned(),
        language: revision.language.to_owned(),
        summary: String::new(),
        media_type: (*media_type).to_owned(),
        lat,
        lon,
        body: String::from_utf8_lossy(revision.body).into_owned(),
        base: listed(bases),
        has_clash: false,
    }
}

fn degrees(located: Option<Located>) -> (String, String) {
    located.map(|at| (at.lat().to_string(), at.lon().to_string())).unwrap_or_default()
}

fn listed(bases: &[Cid]) -> String {
    let bases: Vec<String> = bases.iter().map(Cid::to_string).collect();
    bases.join(",")
}

/// What was proposed as a form holds it.
pub(super) fn proposed(title: &str, made: &Proposal, bases: &[Cid]) -> Typed {
    let (lat, lon) = degrees(made.located);
    Typed {
        title: title.to_owned(),
        headline: made.headline.clone(),
        section: made.section.clone(),
        language: made.language.clone(),
        summary: made.summary.clone(),
        media_type: made.media_type.clone(),
        lat,
        lon,
        body: made.body.clone(),
        base: listed(bases),
        has_clash: news::has_markers(&made.body),
    }
}

/// What two revisions began from, if that is known and here.
pub(super) fn ancestor<D: Desk>(
    desk: &D,
    title: &str,
    (a, b): (Cid, Cid),
) -> Result<Option<Update>, Missing> {
    let Some(cid) = news::common_ancestor(desk.store().index(), title, a, b)? else {
        return Ok(None);
    };
    match revision_of(desk, title, cid) {
        Ok(update) => Ok(Some(update)),
        Err(Missing::Unknown) => Ok(None),
        Err(other) => Err(other),
    }
}

/// The heads of a story, and what they make together: the first with each other in turn.
fn resolve<D: Desk>(desk: &D, story: &Story, asked: &Asked<'_>) -> Result<String, Missing> {
    let title = &story.title[..];
    let mut updates: Vec<Update> = Vec::new();
    let mut bytes = 0;
    for head in story.heads.iter().take(HEADS_MAX) {
        let update = revision_of(desk, title, head.cid)?;
        bytes += update.payload().len();
        if updates.len() >= 2 && bytes > TOGETHER_BYTES_MAX {
            break;
        }
        updates.push(update);
    }
    let heads: Vec<Cid> = updates.iter().map(Update::cid).collect();
    let versions: Result<Vec<Version<'_>>, Missing> = updates.iter().map(version).collect();
    let versions = versions?;
    if !versions.iter().all(is_text) {
        return Ok(no_text(desk, asked));
    }
    let mut made = own(&versions[0]);
    let mut base = None;
    let mut clashes = Vec::new();
    for (other, cid) in versions.iter().zip(&heads).skip(1) {
        base = ancestor(desk, title, (heads[0], *cid))?;
        let common = base.as_ref().map(version).transpose()?.unwrap_or_default();
        made = propose(&common, &as_version(&made, title), other, ["this one", "the other"]);
        for name in &made.clashes {
            if !clashes.contains(name) {
                clashes.push(*name);
            }
        }
    }
    let both = updates.iter().zip(&versions).skip(1);
    let settling = Settling {
        is_conflict: false,
        base: base.as_ref().map(version).transpose()?,
        yours: versions[0],
        theirs: both.map(|(update, version)| Theirs { update, version: *version }).collect(),
        clashes,
    };
    let typed = proposed(title, &made, &heads);
    Ok(form(desk, asked, Some(title), &typed, Some(settling)))
}

fn own(version: &Version<'_>) -> Proposal {
    let Version { revision, media_type } = version;
    Proposal {
        headline: revision.headline.to_owned(),
        section: revision.section.to_owned(),
        summary: String::new(),
        language: revision.language.to_owned(),
        located: revision.located,
        media_type: (*media_type).to_owned(),
        body: String::from_utf8_lossy(revision.body).into_owned(),
        clashes: Vec::new(),
    }
}

fn as_version<'a>(made: &'a Proposal, title: &'a str) -> Version<'a> {
    let revision = Revision {
        title,
        headline: &made.headline,
        section: &made.section,
        summary: &made.summary,
        language: &made.language,
        located: made.located,
        body: made.body.as_bytes(),
        ..Revision::default()
    };
    Version { revision, media_type: &made.media_type }
}
