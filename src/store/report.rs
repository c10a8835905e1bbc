//! What opening a store found, in words for the log.

use crate::update::Epoch;
use std::fmt;

/// Why a log that is opened begins a new epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewEpoch {
    /// There was no log.
    LogBorn,
    /// The log's last bytes were not a whole frame.
    Cut,
    /// The index knows of updates that are not in the log: an older log was put in its place.
    IndexAhead,
    /// The log's directory is not the one that it was written in: it may be a copy of an older log,
    /// whose original said more.
    Copied,
    /// The store was not closed, and may have sent updates that did not reach the disk.
    SentEarly,
}

impl fmt::Display for NewEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LogBorn => "the log is new",
            Self::Cut => "the log's end was torn",
            Self::IndexAhead => "the index knows of updates that the log does not hold",
            Self::Copied => "the log may be an old copy: its directory is another than it was",
            Self::SentEarly => "updates may have been sent that did not reach the disk",
        })
    }
}

/// A torn tail that was cut off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    /// The segment's number.
    pub segment: u32,
    /// What is left of it, in bytes; 0 when the segment had not been begun.
    pub offset: u64,
    /// What was cut off, in bytes.
    pub bytes: u64,
}

/// What opening found. Its text is one line for the log, or several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenReport {
    /// The epoch in which own updates are written from now on.
    pub epoch: Epoch,
    /// Why that epoch is new, if it is.
    pub new_epoch_because: Option<NewEpoch>,
    /// What was cut off the log.
    pub cut: Option<Cut>,
    /// True when the index was missing, damaged or not of this log, and is made again.
    pub index_rebuilt: bool,
    /// How many segments the log has.
    pub segments: usize,
    /// How many updates it has.
    pub updates: u64,
    /// How many of them replay goes through at most.
    pub updates_to_replay: u64,
}

impl fmt::Display for OpenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, segments, updates, updates_to_replay, .. } = self;
        if let Some(Cut { segment, offset, bytes }) = self.cut {
            writeln!(f, "cut {bytes} torn bytes off segment {segment} of the log at {offset}")?;
        }
        if self.index_rebuilt {
            writeln!(f, "the index is made again from the log")?;
        }
        if let Some(because) = self.new_epoch_because {
            writeln!(f, "a new epoch begins: {because}")?;
        }
        write!(
            f,
            "epoch {epoch}, {updates} updates in {segments} segments, {updates_to_replay} to replay"
        )
    }
}
