//! The index's files: the one that is named, and what `SQLite` keeps beside it.

use super::index::{Fault, Index, Mark};
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// An index that is ready for work.
#[derive(Debug)]
pub struct Opened {
    /// Takes batches.
    pub writer: Index,
    /// Answers.
    pub reader: Index,
    /// How far the log is in it; none in a new one.
    pub mark: Option<Mark>,
}

impl Opened {
    /// Opens the index of a file, or begins one: where there is none, where what is there is of no
    /// use, and wherever it is to be made anew. Blocks.
    pub fn open(path: &Path, anew: bool) -> Result<Self, Fault> {
        if anew {
            remove(path)?;
        }
        match Self::try_open(path) {
            Err(fault) if fault.is_damage() => {
                log::warn!("the search index is made anew: {fault}");
                remove(path)?;
                Self::try_open(path)
            }
            opened => opened,
        }
    }

    fn try_open(path: &Path) -> Result<Self, Fault> {
        // SQLite would let others read it; its files beside this one take after it.
        fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let writer = Index::open(path)?;
        let mark = writer.mark()?;
        Ok(Self { writer, reader: Index::open(path)?, mark })
    }
}

/// Removes an index that nobody has open. That there is none is well. Blocks. An error is the
/// disk's.
pub fn remove(path: &Path) -> io::Result<()> {
    for suffix in ["-wal", "-shm", "-journal", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
