//! The audit: two nodes prove to each other that they hold the same updates, by fingerprints of
//! ranges of (clock, cid), and find those that differ. The method is range-based set reconciliation
//! (Meyer, 2022; negentropy): equal fingerprints settle a range, others are split in 16, and a
//! range of few updates is told by their ids. It answers with one bit an id, so both ends know the
//! differences, each names to the other what that one lacks, and who asked does not matter.
//!
//! Vectors say what a node *means* to hold; an audit compares what is in the archives, so it finds
//! what a vector can't show: a fork, an archive that lost something, a fault of ours.
//!
//! The `negentropy` crate is small and free of dependencies, but it answers a message in one call
//! that adds up every id of every range (a long turn for a million updates), takes no fingerprints
//! that were prepared, and when a message is full it forgets how far ranges were split.

mod auditor;
mod rounds;
mod set;
#[cfg(test)]
mod tests;

pub use auditor::{Audited, Auditor, AuditorSettings};
pub use set::Stamp;

use crate::base::Tick;
use crate::proto::peer::{AuditBound, AuditMessage, AuditName, AuditStop, FrameFault};
use crate::store::StoreError;
use crate::update::{Cid, Dot, Hlc};
use rounds::Rounds;
use set::OrderedSet;
use std::fmt;

/// Names with clocks and cids, and the name behind which to go on.
pub type StampsPage = (Vec<(Dot, Stamp)>, Option<Dot>);

/// An archive that can be audited.
pub trait AuditSet {
    /// Names, clocks and cids of up to `limit` updates behind `after`, in the order of their names,
    /// and the name behind which to go on; `None` at the end.
    fn stamps(&self, after: Option<Dot>, limit: usize) -> Result<StampsPage, StoreError>;

    /// The name of an update; `None` when it is there no more.
    fn dot_of(&self, cid: Cid) -> Result<Option<Dot>, StoreError>;
}

/// The bounds of an audit.
#[derive(Clone, Copy, Debug)]
pub struct AuditSettings {
    /// The largest message, in bytes; at least 4 KiB.
    pub message_bytes: usize,
    /// How long an answer may take.
    pub answer_ms: u64,
}

/// Why an audit ends by its own rules.
#[derive(Debug)]
pub enum AuditError {
    /// A message that is none.
    Frame(FrameFault),
    /// A message that may not come now, or can't be true.
    Unexpected(&'static str),
    /// Our archive can't be read.
    Store(StoreError),
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(fault) => fault.fmt(f),
            Self::Unexpected(what) => write!(f, "{what} in an audit"),
            Self::Store(error) => write!(f, "the archive can't be read: {error}"),
        }
    }
}

impl std::error::Error for AuditError {}

impl From<FrameFault> for AuditError {
    fn from(fault: FrameFault) -> Self {
        Self::Frame(fault)
    }
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How an audit ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuditEnd {
    /// All was compared.
    Complete,
    /// One of the two does not go on.
    Stopped(AuditStop),
    /// The peer did not answer in time.
    Silent,
}

/// The figures of an audit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AuditView {
    /// Updates compared on our side.
    pub updates: u64,
    /// Those that we have and the peer had not.
    pub surplus: u64,
    /// Those that the peer has and we had not, as it named them.
    pub lacking: u64,
    /// Messages that we sent.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What is to be said next, and whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    /// We ask for the audit.
    Begin,
    /// We say that we are ready.
    Ready,
    /// We say the first round.
    First,
    /// We answer a round.
    Answer,
    /// The peer is to say that it is ready.
    AwaitReady,
    /// The peer is to say a round.
    AwaitRound,
    Over(AuditEnd),
}

/// How far our own updates were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Gathering {
    Start,
    Behind(Dot),
    Done,
}

/// One end of one audit.
///
/// Order of calls: [`Audit::ask`] or [`Audit::answer`]; [`Audit::gather`] while
/// [`Audit::is_gathering`], a page a turn; [`Audit::on_message`] for each message; after each of
/// these [`Audit::say`] while it gives something. It is over when [`Audit::end`] says so.
#[derive(Debug)]
pub struct Audit {
    settings: AuditSettings,
    since: Hlc,
    until: Hlc,
    set: OrderedSet,
    gathering: Gathering,
    turn: Turn,
    rounds: Rounds,
    deadline: Option<Tick>,
    view: AuditView,
}

impl Audit {
    /// Asks for an audit of the updates with clocks from `since` to before `until`.
    pub fn ask(settings: AuditSettings, since: Hlc, until: Hlc) -> Self {
        Self::new(settings, since, until, Turn::Begin)
    }

    /// Answers a peer that asked, from `since` on, which is not before what it asked for.
    pub fn answer(settings: AuditSettings, since: Hlc, until: Hlc) -> Self {
        Self::new(settings, since, until, Turn::Ready)
    }

    fn new(settings: AuditSettings, since: Hlc, until: Hlc, turn: Turn) -> Self {
        Self {
            settings,
            since,
            until,
            set: OrderedSet::default(),
            gathering: Gathering::Start,
            turn,
            rounds: Rounds::new(settings.message_bytes),
            deadline: None,
            view: AuditView::default(),
        }
    }

    /// True while our own updates are still to be read.
    pub fn is_gathering(&self) -> bool {
        self.gathering != Gathering::Done && self.end().is_none()
    }

    /// Reads up to `limit` of our own updates, fewer where they are long.
    pub fn gather(&mut self, set: &impl AuditSet, limit: usize) -> Result<(), StoreError> {
        let after = match self.gathering {
            Gathering::Start => None,
            Gathering::Behind(dot) => Some(dot),
            Gathering::Done => return Ok(()),
        };
        let (page, last) = set.stamps(after, limit)?;
        self.gathering = last.map_or(Gathering::Done, Gathering::Behind);
        let window = self.since..self.until;
        for (_, stamp) in page.into_iter().filter(|(_, (clock, _))| window.contains(clock)) {
            self.set.insert(stamp);
        }
        if self.gathering == Gathering::Done {
            self.set.close();
        }
        Ok(())
    }

    /// Takes a message. Gives the updates that the peer holds and thinks that we do not: it may be
    /// wrong, as both ends went on meanwhile.
    pub fn on_message(
        &mut self,
        message: AuditMessage<'_>,
        now: Tick,
    ) -> Result<Vec<AuditName>, AuditError> {
        self.deadline = Some(now + self.settings.answer_ms);
        match (self.turn, message) {
            (_, AuditMessage::Stop(why)) => {
                self.turn = Turn::Over(AuditEnd::Stopped(why));
                Ok(Vec::new())
            }
            (Turn::AwaitReady, AuditMessage::Ready { since }) => {
                if since < self.since {
                    return Err(AuditError::Unexpected("an earlier start than asked for"));
                }
                self.since = since;
                self.turn = Turn::First;
                Ok(Vec::new())
            }
            (Turn::AwaitRound, AuditMessage::Round { left, names, ranges }) => {
                let is_last = self.rounds.hear(self.first(), ranges, left, !names.is_empty())?;
                self.turn = if is_last { Turn::Over(AuditEnd::Complete) } else { Turn::Answer };
                self.view.lacking += names.len() as u64;
                Ok(names)
            }
            _ => Err(AuditError::Unexpected("a message at the wrong time")),
        }
    }

    /// Appends the body of our next message, if it is our turn and we are able; false otherwise.
    /// A bounded amount of work.
    pub fn say(
        &mut self,
        set: &impl AuditSet,
        now: Tick,
        out: &mut Vec<u8>,
    ) -> Result<bool, AuditError> {
        let before = out.len();
        let is_ready = self.gathering == Gathering::Done;
        match self.turn {
            Turn::Begin => {
                AuditMessage::Begin { since: self.since, until: self.until }.encode(out);
                self.turn = Turn::AwaitReady;
            }
            Turn::Ready if is_ready => {
                AuditMessage::Ready { since: self.since }.encode(out);
                self.turn = Turn::AwaitRound;
            }
            Turn::First | Turn::Answer if is_ready => {
                if self.turn == Turn::First {
                    self.rounds.doubt();
                }
                let said = self.rounds.say(&self.set, self.first(), set, out)?;
                self.view.surplus += said.names;
                self.turn =
                    if said.is_end { Turn::Over(AuditEnd::Complete) } else { Turn::AwaitRound };
            }
            _ => return Ok(false),
        }
        self.deadline = Some(now + self.settings.answer_ms);
        self.view.messages += 1;
        self.view.bytes += (out.len() - before) as u64;
        Ok(true)
    }

    /// When [`Audit::on_time`] is to be called: there is one while the peer is to answer.
    pub fn deadline(&self) -> Option<Tick> {
        let awaits = matches!(self.turn, Turn::AwaitReady | Turn::AwaitRound);
        self.deadline.filter(|_| awaits)
    }

    /// Ends it if the peer did not answer in time.
    pub fn on_time(&mut self, now: Tick) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.turn = Turn::Over(AuditEnd::Silent);
        }
    }

    /// True once the peer has said anything.
    pub fn is_heard(&self) -> bool {
        !matches!(self.turn, Turn::Begin | Turn::AwaitReady)
    }

    /// Ends it from our side.
    pub fn stop(&mut self, why: AuditStop) {
        self.turn = Turn::Over(AuditEnd::Stopped(why));
    }

    /// True when [`Audit::say`] or [`Audit::gather`] has something to do.
    pub fn is_working(&self) -> bool {
        let is_ours = matches!(self.turn, Turn::Begin | Turn::Ready | Turn::First | Turn::Answer);
        self.is_gathering() || is_ours
    }

    /// How it ended, once it has.
    pub fn end(&self) -> Option<AuditEnd> {
        match self.turn {
            Turn::Over(end) => Some(end),
            _ => None,
        }
    }

    /// Its figures.
    pub fn view(&self) -> AuditView {
        AuditView { updates: self.set.len() as u64, ..self.view }
    }

    fn first(&self) -> AuditBound {
        AuditBound::at(self.since)
    }
}
