//! Brings editions to a node, each as the successor of the one before it, so that a whole history
//! arrives in order; and finds out what the node has already, so that an import can be run again.
//!
//! A story is created under `If-None-Match: *`, an edit names its base: neither can overwrite what
//! somebody else wrote, and both may be sent again when an answer was lost. What the node has under
//! the edition's alias is a duplicate. When the node says that the story exists or that the base is
//! not its head, the story's history is read: an edition that stands there at its place in the
//! chain (same base, author, summary and content) is a duplicate, too.

use super::super::client::{Answer, Node, Unreachable, plain, story_path, with_query};
use super::super::failure::Failure;
use super::super::history::walk;
use super::super::read::body_of;
use super::item::Edition;
use super::tally::Tally;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

/// How long a node may be away or busy, in pauses, before the import ends.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Rounds of asking and reading the history for one edition.
const ROUNDS_MAX: u32 = 8;

const TAKEN: &str = "another story has its title";
const EDITED: &str = "the story was edited since it was imported";
const WITHDRAWN: &str = "the story was withdrawn";

/// Waits; the tests do not.
pub(super) type Pause<'a> = &'a (dyn Fn(Duration) + Sync);

/// One connection's worth of sending.
pub(super) struct Sender<'a> {
    node: Node,
    tally: &'a Tally,
    pause: Pause<'a>,
    durability: Option<&'a str>,
    /// Stories that more revisions may come of, all from one source.
    chains: BTreeMap<String, Chain>,
    source: usize,
}

/// How far a story is.
#[derive(Default)]
struct Chain {
    /// The revision that the next one edits; none before the first.
    tip: Option<String>,
    /// What the node had before us, while our editions may be in it.
    past: Option<Vec<Past>>,
    /// Why no more of this story can be published.
    blocked: Option<&'static str>,
}

/// A revision in the node's history of a story.
struct Past {
    id: String,
    base: Vec<String>,
    author: String,
    summary: String,
}

/// The node's word on one PUT.
enum Put {
    Done(String),
    /// It is there already, under its alias.
    Held(String),
    /// 409 or 412: the story, or the revision after the base, exists.
    Exists,
    Withdrawn,
    Refused(String),
}

impl<'a> Sender<'a> {
    /// Sends to the node at `url`.
    pub(super) fn new(
        url: &str,
        tally: &'a Tally,
        pause: Pause<'a>,
        durability: Option<&'a str>,
    ) -> Result<Self, Failure> {
        let node = Node::new(url)?;
        Ok(Self { node, tally, pause, durability, chains: BTreeMap::new(), source: 0 })
    }

    /// Publishes the edition and counts what became of it. An error ends the import.
    pub(super) fn take(&mut self, edition: &Edition) -> Result<(), Failure> {
        let other = !edition.interleaved && !self.chains.contains_key(&edition.title);
        if other || self.source != edition.source {
            self.chains.clear();
            self.source = edition.source;
        }
        let mut chain = self.chains.remove(&edition.title).unwrap_or_default();
        let done = self.publish(&mut chain, edition);
        self.chains.insert(edition.title.clone(), chain);
        done
    }

    fn publish(&self, chain: &mut Chain, edition: &Edition) -> Result<(), Failure> {
        // An answer was lost: what is found in the history may be our own doing.
        let mut unsure = false;
        for _ in 0..ROUNDS_MAX {
            if let Some(why) = chain.blocked {
                self.tally.refuse(why, &edition.title);
                return Ok(());
            }
            if let Some(id) = self.find(chain, edition)? {
                self.known(chain, id, unsure);
                return Ok(());
            }
            let (put, lost) = self.put(chain, edition)?;
            if lost {
                unsure = true;
                chain.past = None;
            }
            match put {
                Put::Done(id) => {
                    *chain = Chain { tip: Some(id), ..Chain::default() };
                    self.tally.accept();
                    return Ok(());
                }
                Put::Held(id) => {
                    self.known(chain, id, unsure);
                    return Ok(());
                }
                Put::Exists if chain.past.is_none() => {
                    chain.past = Some(self.past(&edition.title)?);
                }
                Put::Exists => {
                    chain.blocked = Some(if chain.tip.is_none() { TAKEN } else { EDITED });
                }
                Put::Withdrawn => chain.blocked = Some(WITHDRAWN),
                Put::Refused(why) => {
                    self.tally.refuse(&why, &edition.title);
                    return Ok(());
                }
            }
        }
        self.tally.refuse("the story keeps changing", &edition.title);
        Ok(())
    }

    /// The node has it: from before, or because an answer to us was lost.
    fn known(&self, chain: &mut Chain, id: String, is_ours: bool) {
        chain.tip = Some(id);
        if is_ours {
            self.tally.accept();
        } else {
            self.tally.duplicate();
        }
    }

    fn put(&self, chain: &Chain, edition: &Edition) -> Result<(Put, bool), Failure> {
        let query = [("base", chain.tip.as_deref()), ("durability", self.durability)];
        let path = with_query(&story_path(&edition.title), &query);
        let body = story(edition).to_string().into_bytes();
        let create = chain.tip.is_none();
        let (answer, lost) = self.ask(|node| node.put(&path, "application/json", &body, create))?;
        let put = match answer.status {
            200..=299 => match (answer.json()["id"].as_str(), &answer.json()["duplicate"]) {
                (Some(id), Value::Bool(true)) => Put::Held(id.to_owned()),
                (Some(id), _) => Put::Done(id.to_owned()),
                (None, _) => {
                    return Err(Failure::failed("the node accepts, but names no revision"));
                }
            },
            409 | 412 => Put::Exists,
            410 => Put::Withdrawn,
            401 | 403 | 404 | 405 => return Err(Failure::failed(answer.problem())),
            _ => Put::Refused(answer.problem()),
        };
        Ok((put, lost))
    }

    /// The edition in the chain's past, if it stands there: its revision id.
    fn find(&self, chain: &Chain, edition: &Edition) -> Result<Option<String>, Failure> {
        let author = edition.author.as_deref().unwrap_or_default();
        let summary = edition.summary.as_deref().unwrap_or_default();
        for past in chain.past.iter().flatten() {
            let follows = match &chain.tip {
                None => past.base.is_empty(),
                Some(tip) => past.base.contains(tip),
            };
            let same_author = edition.author.is_none() || past.author == author;
            if follows
                && same_author
                && past.summary == summary
                && self.is_same(&past.id, edition)?
            {
                return Ok(Some(past.id.clone()));
            }
        }
        Ok(None)
    }

    fn is_same(&self, id: &str, edition: &Edition) -> Result<bool, Failure> {
        let path = with_query(&format!("/v1/revisions/{id}"), &[]);
        let (answer, _) = self.ask(|node| node.get(&path))?;
        if !answer.is_success() {
            return Ok(false);
        }
        let revision = answer.json();
        let headline = edition.headline.as_deref();
        let same_headline = headline.is_none() || revision["headline"].as_str() == headline;
        Ok(same_headline && body_of(&revision).is_some_and(|body| body == edition.body.as_bytes()))
    }

    /// All revisions of the story that the node has.
    fn past(&self, title: &str) -> Result<Vec<Past>, Failure> {
        let mut all = Vec::new();
        let get = |path: &str| Ok(self.ask(|node| node.get(path))?.0);
        walk(title, get, |revision| {
            let base = &revision["base"];
            let base = match base {
                Value::Array(ids) => ids.iter().map(plain).collect(),
                Value::String(id) => vec![id.clone()],
                _ => Vec::new(),
            };
            let text = |key: &str| plain(&revision[key]);
            all.push(Past {
                id: text("id"),
                base,
                author: text("author"),
                summary: text("summary"),
            });
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    /// Asks until the node answers something else than "later"; the flag says that an answer to an
    /// earlier try was lost.
    fn ask(
        &self,
        request: impl Fn(&Node) -> Result<Answer, Unreachable>,
    ) -> Result<(Answer, bool), Failure> {
        let mut waited = Duration::ZERO;
        let mut next = PAUSE_MIN;
        let mut lost = false;
        loop {
            let (wait, why) = match request(&self.node) {
                Ok(answer) if !matches!(answer.status, 429 | 503) => return Ok((answer, lost)),
                Ok(answer) => {
                    let wait = answer.retry_after.map_or(next, Duration::from_secs);
                    (wait.clamp(PAUSE_MIN, PAUSE_MAX), answer.problem())
                }
                Err(error) => {
                    lost = true;
                    (next, error.to_string())
                }
            };
            if waited >= PATIENCE {
                return Err(Failure::failed(format!(
                    "{why}; gave up after {} s: run the same command again later, it goes on \
                     where it stopped",
                    PATIENCE.as_secs()
                )));
            }
            (self.pause)(wait);
            waited += wait;
            next = (next * 2).min(PAUSE_MAX);
        }
    }
}

/// The edition as PUT takes it.
fn story(edition: &Edition) -> Value {
    let mut story = Map::new();
    story.insert("body".to_owned(), edition.body.as_str().into());
    let fields = [
        ("headline", &edition.headline),
        ("section", &edition.section),
        ("author", &edition.author),
        ("summary", &edition.summary),
        ("language", &edition.language),
        ("media_type", &edition.media_type),
        ("alias", &edition.alias),
    ];
    for (key, value) in fields {
        if let Some(value) = value {
            story.insert(key.to_owned(), value.as_str().into());
        }
    }
    if let Some((lat, lon)) = edition.located {
        story.insert("located".to_owned(), json!({"lat": lat, "lon": lon}));
    }
    Value::Object(story)
}

#[cfg(test)]
mod tests;
