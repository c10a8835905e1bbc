//! What has to hold at every moment of a simulated herd, and how often it was looked at.

use std::any::Any;
use std::fmt;

/// Something that must never break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// No acknowledged update is lost.
    Acked,
    /// No dot has two contents, unless every node says so.
    OneContent,
    /// What a node said to hold it holds for ever, in order and without gaps.
    Vectors,
    /// Readers get each update once, in order within its origin, wherever they go on.
    Readers,
    /// At peace, everyone agrees within a bound of time.
    Convergence,
    /// At peace, everyone shows the same.
    Heads,
    /// A withdrawn story never returns.
    Withdrawn,
    /// And its text leaves every disk that knows of the withdrawal, within a bound of time.
    Erased,
    /// A machine merge has the same bytes wherever it is made, and readers see one.
    Merges,
    /// What has one alias is shown once, though it was published twice.
    Alias,
    /// A payload that was put together from pieces is what was published.
    Payloads,
    /// Retention drops no more than it may, and keeps no more than it has to.
    Retention,
    /// Who was retired has no link to a node that knows it, and gets nothing any more.
    Members,
    /// Memory stays within its bounds, whoever is slow or away.
    Memory,
    /// Every wait ends.
    Deadlines,
    /// Nodes start, serve and stop; nothing in them panics.
    Life,
}

impl Law {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 16] = [
        Self::Acked,
        Self::OneContent,
        Self::Vectors,
        Self::Readers,
        Self::Convergence,
        Self::Heads,
        Self::Withdrawn,
        Self::Erased,
        Self::Merges,
        Self::Alias,
        Self::Payloads,
        Self::Retention,
        Self::Members,
        Self::Memory,
        Self::Deadlines,
        Self::Life,
    ];

    /// The law in a few words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Acked => "no acknowledged update is lost",
            Self::OneContent => "no dot has two contents",
            Self::Vectors => "vectors only grow, without gaps",
            Self::Readers => "readers get each update once, in order",
            Self::Convergence => "at peace all agree in time",
            Self::Heads => "at peace all show the same",
            Self::Withdrawn => "a withdrawn story never returns",
            Self::Erased => "withdrawn text leaves every disk",
            Self::Merges => "a merge is the same everywhere",
            Self::Alias => "an alias is shown once",
            Self::Payloads => "payloads come whole",
            Self::Retention => "retention keeps what it must, no more",
            Self::Members => "who is retired gets nothing",
            Self::Memory => "memory stays within its bounds",
            Self::Deadlines => "every wait ends",
            Self::Life => "nodes start, serve and stop",
        }
    }
}

/// A law that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub law: Law,
    /// By whom, and how.
    pub what: String,
}

impl Breach {
    pub(super) fn new(law: Law, what: impl Into<String>) -> Self {
        Self { law, what: what.into() }
    }

    /// Something panicked.
    pub(super) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Self::new(Law::Life, text.unwrap_or_else(|| "a panic without words".to_owned()))
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken: {}: {}", self.law.title(), self.what)
    }
}

impl std::error::Error for Breach {}

/// What a look at the herd ends with.
pub(super) type Kept<T = ()> = Result<T, Breach>;

/// How often each law was held to the herd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks([u64; Law::ALL.len()]);

impl Checks {
    /// Holds a law to something; `what` says how it looks when it is broken.
    pub(super) fn hold(&mut self, law: Law, holds: bool, what: impl FnOnce() -> String) -> Kept {
        self.0[law as usize] += 1;
        if holds { Ok(()) } else { Err(Breach::new(law, what())) }
    }

    /// How often a law was looked at.
    pub fn of(&self, law: Law) -> u64 {
        self.0[law as usize]
    }

    /// Adds the checks of another run.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }
}
