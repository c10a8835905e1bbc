//! Articles on their way in: what is asked of one before it is taken, which story it is of, and
//! when it can be said that it was taken, which is never before it is on disk.

use super::judge::{self, Judged};
use super::names::{Known, known};
use crate::base::Wildmat;
use crate::config::{Durability, FeedRules, PeerKind};
use crate::news;
use crate::proto::article::{Article, ArticleError, MessageId, Path};
use crate::proto::http::Status;
use crate::reactor::{Ctx, Peer};
use crate::serve::http::Problem;
use crate::serve::offer::{Offer, Offered};
use crate::serve::{Desk, Ticket, Visitor};
use crate::store::StoreError;
use std::fmt;
use std::net::IpAddr;

/// An article may be so far ahead of the clock, in seconds (RFC 5537, 3.6).
const AHEAD_S_MAX: i64 = 24 * 3600;
/// How long to wait where more waits for the disk than may, in milliseconds.
const RETRY_MS: u64 = 100;
/// So often it is tried, before the article counts as not taken.
const RETRIES_MAX: u32 = 200;

/// Someone who may hand articles over.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Feeder {
    /// The configured peers at this address, by name; none for who is on this machine.
    peers: Vec<(String, FeedRules)>,
    address: String,
}

/// Who may hand articles over: the configured news servers, known by the addresses that their
/// endpoint leads to and those that they are said to dial from, and while accounts are open anyone
/// on this machine. `None` for all others.
pub(in crate::serve) fn feeder<D: Desk>(desk: &D, peer: &Peer) -> Option<Feeder> {
    let peers = peers_at(desk, peer);
    let is_near = peer.is_local() && desk.config().are_accounts_open();
    let address = match peer {
        Peer::Tcp(address) => address.ip().to_string(),
        Peer::Unix => "localhost".to_owned(),
    };
    (is_near || !peers.is_empty()).then_some(Feeder { peers, address })
}

fn peers_at<D: Desk>(desk: &D, from: &Peer) -> Vec<(String, FeedRules)> {
    let Peer::Tcp(from) = from else { return Vec::new() };
    let from = from.ip().to_canonical();
    let is_here = |name: &str, host: &str| match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical() == from,
        Err(_) if host == "localhost" => from.is_loopback(),
        Err(_) => desk.is_news_server_at(name, from),
    };
    let here = desk.config().peers.iter().filter_map(|peer| match (&peer.kind, &peer.endpoint) {
        (PeerKind::Nntp(rules), Some(endpoint)) => {
            let host = endpoint.host_and_port().map(|(host, _)| host);
            let is_it = rules.from.iter().any(|ip| ip.to_canonical() == from)
                || host.is_some_and(|host| is_here(&peer.name, host));
            is_it.then(|| (peer.name.clone(), rules.clone()))
        }
        _ => None,
    });
    here.collect()
}

/// What is said to who offers an article.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// Send it.
    Wanted,
    /// It is here, or was.
    Have,
    /// Someone else sends it right now: ask again.
    Later,
}

/// Why an article is not taken, now or ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Refused {
    /// Its bytes are no article.
    Malformed(ArticleError),
    /// It lacks a field that every article has.
    Missing(&'static str),
    /// It is called otherwise than was said.
    OtherId,
    /// Its date can't be read, or is in the future.
    Date,
    /// It is for no group that is taken here.
    Group,
    /// It is here, or was.
    Duplicate,
    /// It tells servers to do something that this one doesn't.
    Control,
    /// It cancels what is not here.
    Unknown,
    /// It supersedes what was withdrawn.
    Gone,
    /// It withdraws or replaces what is not its writer's, as far as can be shown.
    NotTheirs,
    /// It is larger than may be.
    Large,
    /// A rule of stories, in its own words.
    Rule(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "{error}"),
            Self::Missing(name) => write!(f, "it has no {name} field"),
            Self::OtherId => f.write_str("its Message-ID is another, or none"),
            Self::Date => f.write_str("its Date can't be read or is in the future"),
            Self::Group => f.write_str("none of its groups is carried here"),
            Self::Duplicate => f.write_str("it was here before"),
            Self::Control => f.write_str("of control messages only cancel is acted on"),
            Self::Unknown => f.write_str("what it cancels is not here"),
            Self::Gone => f.write_str("what it supersedes was withdrawn, for good"),
            Self::NotTheirs => f.write_str("no key of the article that it means is shown"),
            Self::Large => f.write_str("it is too large"),
            Self::Rule(text) => f.write_str(text),
        }
    }
}

/// What became of an article.
#[derive(Debug)]
pub(in crate::serve) enum Took {
    /// Nothing more can be done before this is settled.
    Wait(Ticket),
    /// Too much waits for the disk: to be tried again after so many milliseconds.
    Retry(u64),
    /// It is on disk.
    Done,
    /// It is not taken, ever.
    Refused(Refused),
    /// This node can't take it now.
    Failed,
}

/// By whose word an article is taken.
#[derive(Clone, Debug)]
pub(super) enum Who {
    /// Another server.
    Feeder {
        /// It may cancel without a key.
        trusts_cancels: bool,
    },
    /// A person.
    Visitor(Visitor),
}

/// An article that came, read and found sound.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) article: Article,
    pub(super) message_id: String,
    /// Of the story that it is, or edits.
    pub(super) section: String,
    pub(super) who: Who,
}

/// An article on its way to the disk.
#[derive(Debug)]
pub(in crate::serve) struct Take {
    stage: Stage,
    retries: u32,
}

#[derive(Debug)]
enum Stage {
    Arrived(Box<Arrived>),
    Offered(Box<Offer>),
}

impl Feeder {
    /// Reads an article that was handed over under this Message-ID.
    pub(in crate::serve) fn take<D: Desk>(
        &self,
        cx: &Ctx<'_, D>,
        desk: &D,
        (message_id, bytes): (&str, &[u8]),
    ) -> Result<Take, Refused> {
        let mut article = Article::parse(bytes).map_err(Refused::Malformed)?;
        if let Some(name) = article.missing(&[]) {
            return Err(Refused::Missing(name));
        }
        let own_id = article.message_id().as_ref().map(MessageId::as_str);
        if own_id != Some(message_id) || !news::is_message(message_id) {
            return Err(Refused::OtherId);
        }
        check_date(cx, &article)?;
        let mut path = article.path();
        let own = Path::identity(&desk.config().name);
        let peer = self.peer_of(path.first());
        match peer {
            Some((name, _)) => path.relay(&own, &Path::identity(name)),
            None => path.relay_seen(&own, &self.address),
        }
        let rules = peer.map(|(_, rules)| rules.clone()).unwrap_or_default();
        let section = section(&article, &rules.accept).ok_or(Refused::Group)?;
        article.set("Path", path.value());
        article.remove("Xref");
        let who = Who::Feeder { trusts_cancels: rules.trusts_cancels };
        let message_id = message_id.to_owned();
        Ok(Arrived { article, message_id, section, who }.into())
    }

    /// The peer that an article came from: of several at one address the one that its Path says.
    fn peer_of(&self, first: &str) -> Option<&(String, FeedRules)> {
        let is_it =
            |(name, _): &&(String, FeedRules)| Path::identity(name).eq_ignore_ascii_case(first);
        self.peers.iter().find(is_it).or(self.peers.first())
    }
}

/// Whether an article of this Message-ID is wanted.
pub(super) fn check<D: Desk>(desk: &D, message_id: &str) -> Result<Checked, StoreError> {
    if !news::is_message(message_id) {
        return Ok(Checked::Have);
    }
    if desk.writing(&news::message_title(message_id)).is_some() {
        return Ok(Checked::Later);
    }
    Ok(match known(desk, message_id)? {
        Known::Nothing => Checked::Wanted,
        Known::Here(_) | Known::Gone => Checked::Have,
    })
}

/// The section of the first of an article's groups that is taken.
fn section(article: &Article, accept: &str) -> Option<String> {
    let accept = Wildmat::parse(accept).ok()?;
    let groups = article.groups();
    let mut taken = groups.iter().filter(|group| accept.matches(group));
    taken.find_map(|group| super::section_of(group))
}

/// Refuses an article whose date is none, or ahead by more than clocks may be.
pub(super) fn check_date<D>(cx: &Ctx<'_, D>, article: &Article) -> Result<(), Refused> {
    let date = article.first("injection-date").or(article.first("date"));
    let date = date.and_then(crate::proto::article::parse_date).ok_or(Refused::Date)?;
    let now_s = (cx.wall_ns() / 1_000_000_000) as i64;
    if date > now_s.saturating_add(AHEAD_S_MAX) { Err(Refused::Date) } else { Ok(()) }
}

impl From<Arrived> for Take {
    fn from(arrived: Arrived) -> Self {
        Self { stage: Stage::Arrived(Box::new(arrived)), retries: 0 }
    }
}

impl Take {
    /// True for one that says something of another: it must not overtake what came before it.
    pub(in crate::serve) fn is_ordered(&self) -> bool {
        match &self.stage {
            Stage::Arrived(arrived) => arrived.is_ordered(),
            Stage::Offered(_) => false,
        }
    }

    /// Goes on as far as it can; not to be called behind [`Took::Done`] and [`Took::Refused`].
    pub(in crate::serve) fn advance<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Took {
        if let Stage::Arrived(arrived) = &self.stage {
            match judge::judge(desk, arrived) {
                Ok(Judged::Wait(ticket)) => return Took::Wait(ticket),
                Ok(Judged::Offer(offer)) => self.stage = Stage::Offered(offer),
                Ok(Judged::Refused(refused)) => return Took::Refused(refused),
                Err(problem) => return self.stopped(desk, &problem),
            }
        }
        let Stage::Offered(offer) = &mut self.stage else { return Took::Failed };
        match offer.advance(cx, desk) {
            Ok(Offered::Wait(ticket)) => Took::Wait(ticket),
            Ok(Offered::Done(made)) if made.is_duplicate => Took::Refused(Refused::Duplicate),
            Ok(Offered::Done(_)) => Took::Done,
            Err(problem) => self.stopped(desk, &problem),
        }
    }

    /// What a problem means for who handed the article over.
    fn stopped<D: Desk>(&mut self, desk: &D, problem: &Problem) -> Took {
        match problem.status() {
            Status::SERVICE_UNAVAILABLE => {
                self.retries += 1;
                let is_over = desk.unready().is_some() || self.retries > RETRIES_MAX;
                if is_over { Took::Failed } else { Took::Retry(RETRY_MS) }
            }
            Status::INTERNAL_SERVER_ERROR => Took::Failed,
            Status::CONTENT_TOO_LARGE => Took::Refused(Refused::Large),
            _ => Took::Refused(Refused::Rule(problem.detail().to_owned())),
        }
    }
}

/// What an article waits for: this node's disk at least, whatever the configuration says.
pub(in crate::serve) fn durability<D: Desk>(desk: &D) -> Durability {
    match desk.config().durability {
        Durability::None => Durability::Local,
        other => other,
    }
}
