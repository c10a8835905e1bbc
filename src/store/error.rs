//! What can go wrong in the store, each with its place.

use super::frame::{LOG_VERSION, Place};
use crate::update::Update;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why the store could not do what was asked.
#[derive(Debug)]
pub enum StoreError {
    /// Another process, or another store of this one, has the directory.
    Locked,
    /// The disk failed at a file.
    Io {
        /// The file's name in the store's directory; empty for the directory itself.
        file: String,
        /// What the disk said.
        error: io::Error,
    },
    /// The log is damaged where it was safely on disk: nothing behind this place can be trusted,
    /// and the store does not guess. The herd has the rest.
    Damaged {
        /// The segment's number.
        segment: u32,
        /// The offset of the first frame that is not whole, in bytes.
        offset: u64,
    },
    /// A segment of the log is not there, although others before or behind it are.
    SegmentMissing {
        /// Its number.
        segment: u32,
    },
    /// A segment was written by an earlier or a later version. Nothing was changed.
    Version {
        /// The segment's number.
        segment: u32,
        /// The version it names.
        version: u32,
    },
    /// A place that is not the start of a frame of this log.
    BadPlace(Place),
    /// The index's engine failed. The log is the truth: a damaged index is rebuilt at next open.
    Index(Box<redb::Error>),
    /// The index's engine broke down on what it read; the index is rebuilt at the next open.
    IndexBroken,
    /// A new epoch is needed, and [`fresh`](super::StoreOptions::fresh) has none.
    NoFreshEpoch,
    /// A batch or a checkpoint is still out; the store cannot be closed.
    InFlight,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => f.write_str("the store is in use by another process"),
            Self::Io { file, error } if file.is_empty() => {
                write!(f, "the store's directory: {error}")
            }
            Self::Io { file, error } => write!(f, "{file}: {error}"),
            Self::Damaged { segment, offset } => write!(
                f,
                "segment {segment} of the log is damaged at offset {offset}; nothing was changed"
            ),
            Self::SegmentMissing { segment } => {
                write!(f, "segment {segment} of the log is missing")
            }
            Self::Version { segment, version } => {
                write!(
                    f,
                    "segment {segment} of the log has version {version}, and this program reads \
                     version {LOG_VERSION} only; nothing was changed"
                )
            }
            Self::BadPlace(place) => write!(f, "the log has no update at {place}"),
            Self::Index(error) => write!(f, "the index: {error}"),
            Self::IndexBroken => {
                f.write_str("the index is damaged; it is rebuilt from the log at the next start")
            }
            Self::NoFreshEpoch => f.write_str("the log needs a new epoch, and none was given"),
            Self::InFlight => f.write_str("a batch or a checkpoint of the store is still running"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            Self::Index(error) => Some(error),
            _ => None,
        }
    }
}

/// Wraps an error of the index's engine.
pub(super) fn index_error(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Index(Box::new(error.into()))
}

/// Names the file in a disk's error.
pub(super) fn at_file<T>(file: &str, result: io::Result<T>) -> Result<T, StoreError> {
    result.map_err(|error| StoreError::Io { file: file.to_owned(), error })
}

/// Runs what touches the disk on a pool thread. A panic is a failure of the disk like any other:
/// whoever waits for the work hears of it. Unwind safety: nothing is shared but the files, whose
/// bytes count for nothing after an error, and those are written anew.
pub(super) fn caught<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(io::Error::other("a panic")))
}

/// A batch did not reach the disk. The store stays whole: see each field.
#[derive(Debug)]
pub struct CommitFailed {
    /// What the disk said.
    pub error: StoreError,
    /// Own updates that were not sent to anyone: taken out of the log, their sequence numbers are
    /// free again. Tell whoever waits for them that they were not stored.
    pub refused: Vec<Update>,
    /// Updates that stay pending, in order, and go out with the next batch: relayed ones, own
    /// ones sent before they were on disk, and the own ones before those. They have new places: a
    /// cursor beyond [`Store::durable_end`](super::Store::durable_end) must be set back to it, and
    /// duplicates cut.
    pub kept: Vec<Update>,
}

impl fmt::Display for CommitFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (refused, kept) = (self.refused.len(), self.kept.len());
        write!(f, "{}; {refused} updates refused, {kept} kept to try again", self.error)
    }
}

impl std::error::Error for CommitFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
