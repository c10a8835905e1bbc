//! What operators ask of a node, and of the whole herd by way of one: its figures, the way of an
//! update, and the few things that may be done by hand.

use super::Ticket;
use crate::proto::peer::{ABOUT_GLANCE, ABOUT_METRICS, NAME_BYTES_MAX};
use crate::reactor::{ConnId, Ctx};
use crate::update::Cid;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

/// What all nodes are asked about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// Their metrics, as Prometheus text.
    Metrics,
    /// How they are, and their links: JSON.
    Glance,
    /// The last hour of one node, by its name, its slow turns, and who is over its limits: JSON.
    /// Only that node answers.
    Detail(String),
    /// When and how an update came to them: JSON.
    Trace(Cid),
}

impl About {
    /// As it goes over links.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Metrics => vec![ABOUT_METRICS],
            Self::Glance => vec![ABOUT_GLANCE],
            Self::Detail(name) => [&[3], name.as_bytes()].concat(),
            Self::Trace(cid) => [&[4], &cid.0[..]].concat(),
        }
    }

    /// What these bytes ask; `None` for what a later version may ask.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&ABOUT_METRICS, []) => Some(Self::Metrics),
            (&ABOUT_GLANCE, []) => Some(Self::Glance),
            (3, name) => std::str::from_utf8(name).ok().map(|name| Self::Detail(name.to_owned())),
            (4, cid) => cid.try_into().ok().map(|cid| Self::Trace(Cid(cid))),
            _ => None,
        }
    }
}

/// What one node answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its name.
    pub node: String,
    /// What it said; of one that did not answer, what it said last, if that is not too old.
    pub body: Vec<u8>,
    /// False: it did not answer.
    pub is_up: bool,
    /// How old what it said is, in milliseconds; `None` when nothing is left of it.
    pub age_ms: Option<u64>,
    /// When it was asked and when its answer came, by this node's wall clock, in milliseconds
    /// since 1970; they are equal for this node itself.
    pub between_ms: (u64, u64),
}

/// All answers to a question: this node's first, then by name. Who asks the same shares them, and
/// what was made of them.
#[derive(Clone, Debug, Default)]
pub struct Gathered(Arc<Answers>);

#[derive(Debug, Default)]
struct Answers {
    told: Vec<Told>,
    page: OnceLock<String>,
}

impl Gathered {
    /// The page that is made of these answers, made once however many ask for it. One question is
    /// made one kind of page of.
    pub fn page(&self, make: impl FnOnce(&Self) -> String) -> &str {
        self.0.page.get_or_init(|| make(self))
    }
}

impl From<Vec<Told>> for Gathered {
    fn from(told: Vec<Told>) -> Self {
        Self(Arc::new(Answers { told, page: OnceLock::new() }))
    }
}

impl Deref for Gathered {
    type Target = [Told];

    fn deref(&self) -> &[Told] {
        &self.0.told
    }
}

/// What may be done by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Stop this node in order.
    Drain,
    /// Dial a configured peer now.
    Dial(String),
    /// Close the link to a peer; it is dialled again like any that was lost.
    Drop(String),
    /// Retire a member of the charter, for good.
    Retire(String),
    /// Log from this level on.
    Level(log::LevelFilter),
}

impl Action {
    /// The action of this word; `None` when there is none, or when it is about nothing that can be:
    /// no name of a node, or a level at which nothing at all is logged.
    pub fn of(word: &str, target: &str) -> Option<Self> {
        let is_bad = |c: char| c.is_whitespace() || c.is_control();
        let is_name = (1..=NAME_BYTES_MAX).contains(&target.len()) && !target.contains(is_bad);
        let named = || is_name.then(|| target.to_owned());
        let level = || log::Level::from_str(target).ok().map(|level| level.to_level_filter());
        match word {
            "drain" => Some(Self::Drain),
            "dial" => named().map(Self::Dial),
            "drop" => named().map(Self::Drop),
            "retire" => named().map(Self::Retire),
            "level" => level().map(Self::Level),
            _ => None,
        }
    }

    /// Its word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Dial(_) => "dial",
            Self::Drop(_) => "drop",
            Self::Retire(_) => "retire",
            Self::Level(_) => "level",
        }
    }

    /// What it is about; empty for this node.
    pub fn target(&self) -> String {
        match self {
            Self::Drain => String::new(),
            Self::Dial(name) | Self::Drop(name) | Self::Retire(name) => name.clone(),
            Self::Level(level) => level.as_str().to_ascii_lowercase(),
        }
    }
}

/// For the log, and for people who are asked whether they mean it.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain => f.write_str("stop this node in order"),
            Self::Dial(name) => write!(f, "dial {name} now"),
            Self::Drop(name) => write!(f, "drop the link to {name}"),
            Self::Retire(name) => write!(f, "retire {name} from the herd, for good"),
            Self::Level(level) => {
                write!(f, "log from {} on", level.as_str().to_ascii_lowercase())
            }
        }
    }
}

/// What the pages and answers for operators ask of the node behind them.
pub trait Console: Sized + 'static {
    /// Asks all nodes that can be reached, this one included. Who asks the same within a second
    /// shares the answers. The number is for [`Console::answers`]; `None` while too much is asked.
    fn ask_herd(&mut self, cx: &mut Ctx<'_, Self>, about: &About) -> Option<u64>;

    /// What all said, once all that are expected to answer did, or the time for it is up. Until
    /// then `None`, and `conn` is notified when that is so.
    fn answers(&mut self, number: u64, conn: ConnId) -> Option<Gathered>;

    /// Does what an operator asks, and logs who that was; a ticket where it goes to disk first. An
    /// error is one sentence for the operator.
    fn act(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        action: &Action,
        who: &str,
    ) -> Result<Option<Ticket>, String>;

    /// An update that was just written belongs to this trace of its writer's (W3C, `trace-id`).
    fn note_trace(&mut self, cid: Cid, trace_id: &str);

    /// The names of members of the charter, and whether each is retired.
    fn members(&self) -> Vec<(String, bool)>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_goes_over_links_and_back() {
        let name = "n".repeat(64);
        for about in
            [About::Metrics, About::Glance, About::Detail(name), About::Trace(Cid([7; 32]))]
        {
            let bytes = about.encode();
            assert!(bytes.len() <= crate::proto::peer::ABOUT_BYTES_MAX);
            assert_eq!(About::decode(&bytes), Some(about));
        }
        for bytes in [&[][..], &[0], &[1, 1], &[3, 255], &[4, 1], &[9]] {
            assert_eq!(About::decode(bytes), None);
        }
    }

    #[test]
    fn a_page_is_made_once_of_answers_that_are_shared() {
        let gathered = Gathered::from(Vec::new());
        assert_eq!(gathered.clone().page(|all| all.len().to_string()), "0");
        assert_eq!(gathered.page(|_| "again".to_owned()), "0");
    }

    #[test]
    fn an_action_is_its_word_and_what_it_is_about() {
        for (word, target) in
            [("drain", ""), ("dial", "a"), ("drop", "a"), ("retire", "a"), ("level", "debug")]
        {
            let action = Action::of(word, target).unwrap();
            assert_eq!((action.word(), &action.target()[..]), (word, target));
        }
        let long = "n".repeat(NAME_BYTES_MAX + 1);
        for (word, target) in [
            ("dial", ""),
            ("drop", ""),
            ("dial", &long),
            ("drop", "a b"),
            ("retire", "a\nERROR a line of its own"),
            ("drop", "a\u{1b}[2J"),
            ("level", "loud"),
            ("level", "off"),
            ("level", "OFF"),
            ("explode", "a"),
        ] {
            assert_eq!(Action::of(word, target), None, "{word} {target:?}");
        }
    }
}
