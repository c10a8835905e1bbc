//! The index: opened, filled in batches, and rid of what was erased.

use super::schema::{NUMBERS_PER_MS, prepare, section_word};
use super::text::kept;
use crate::store::Place;
use crate::update::{Cid, Dot, Epoch, Hlc, Reader, Truncated};
use rusqlite::{Connection, ErrorCode, InterruptHandle, OptionalExtension, Transaction, params};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Why the index could not do what was asked. Never the reader's fault.
#[derive(Debug)]
pub enum Fault {
    /// The file was made by another version of this program: remove it.
    Version(i64),
    /// The file is not what it should be: remove it.
    Damaged(rusqlite::Error),
    /// The question took too long and was ended by [`Interrupt::end`].
    Ended,
    /// It did what it never should.
    Panicked,
    /// The disk, or memory.
    Failed(rusqlite::Error),
    /// The file can't be made or removed.
    Stuck(io::Error),
}

impl Fault {
    /// The file is of no use any more.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Version(_) | Self::Damaged(_) | Self::Panicked)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::Ended,
            // A constraint: rows that are not what they should be.
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation,
            ) => Self::Damaged(error),
            None if !matches!(error, E::InvalidPath(_)) => Self::Damaged(error),
            _ => Self::Failed(error),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Stuck(error)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "it was made by another version ({version})"),
            Self::Damaged(error) => write!(f, "it is damaged: {error}"),
            Self::Ended => f.write_str("the search took too long"),
            Self::Panicked => f.write_str("it broke down"),
            Self::Failed(error) => write!(f, "{error}"),
            Self::Stuck(error) => write!(f, "its file can't be made or removed: {error}"),
        }
    }
}

impl std::error::Error for Fault {}

/// How far the log is in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// All before this place is in here.
    pub place: Place,
    /// An update before it: its name, its id and its place. A log that does not have it there is
    /// another log.
    pub last: (Dot, Cid, Place),
}

impl Mark {
    fn encode(&self) -> Vec<u8> {
        let (dot, cid, place) = self.last;
        let numbers = [self.place.0, place.0, dot.epoch.0, dot.seq];
        [&numbers.map(u64::to_be_bytes).concat()[..], &cid.0].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Truncated> {
        let mut reader = Reader::new(bytes);
        let (place, last) = (Place(reader.u64()?), Place(reader.u64()?));
        let dot = Dot { epoch: Epoch(reader.u64()?), seq: reader.u64()? };
        Ok(Self { place, last: (dot, Cid(reader.array()?), last) })
    }
}

/// What a story says, as it is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// Its head.
    pub id: Cid,
    /// When that was written.
    pub at: Hlc,
    /// May be empty.
    pub headline: String,
    /// May be empty.
    pub section: String,
    /// May be empty.
    pub author: String,
    /// See [`readable`](super::readable); empty if it is no text.
    pub body: String,
}

/// Stories as they stand now, by their titles; none: withdrawn, or not here.
#[derive(Debug, Default)]
pub struct Batch {
    /// The stories, each once.
    pub stories: Vec<(String, Option<Story>)>,
    /// What holds once they are in.
    pub mark: Option<Mark>,
}

/// Ends what an index is doing, from another thread.
#[derive(Clone)]
pub struct Interrupt(Arc<InterruptHandle>);

impl Interrupt {
    /// The call under way gives [`Fault::Ended`]; without one nothing happens.
    pub fn end(&self) {
        self.0.interrupt();
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupt")
    }
}

/// A connection to the index's file.
#[derive(Debug)]
pub struct Index {
    pub(super) conn: Connection,
    /// Something was erased that the file's log may still hold.
    is_unpurged: bool,
}

impl Index {
    /// Opens the index of a file, or begins one.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        Self::over(Connection::open(path)?)
    }

    /// An index in memory alone.
    pub fn in_memory() -> Result<Self, Fault> {
        Self::over(Connection::open_in_memory()?)
    }

    fn over(conn: Connection) -> Result<Self, Fault> {
        prepare(&conn)?;
        // Whoever had it open before may have been killed between erasing and purging.
        Ok(Self { conn, is_unpurged: true })
    }

    /// What ends this index's calls.
    pub fn interrupt(&self) -> Interrupt {
        Interrupt(Arc::new(self.conn.get_interrupt_handle()))
    }

    /// How far the log is in here; none in a new index.
    pub fn mark(&self) -> Result<Option<Mark>, Fault> {
        let read = "SELECT value FROM meta WHERE name = 'mark'";
        let mark = self.conn.query_row(read, [], |row| row.get::<_, Vec<u8>>(0)).optional()?;
        // One that does not read is none: all is indexed again.
        Ok(mark.and_then(|mark| Mark::decode(&mark).ok()))
    }

    /// How many stories are in here.
    pub fn stories(&self) -> Result<u64, Fault> {
        let count = "SELECT count(*) FROM story";
        Ok(self.conn.query_row(count, [], |row| row.get::<_, i64>(0))? as u64)
    }

    /// Takes all of a batch in, or nothing.
    pub fn take(&mut self, batch: &Batch) -> Result<(), Fault> {
        let transaction = self.conn.transaction()?;
        let erased = replace(&transaction, &batch.stories)?;
        if let Some(mark) = &batch.mark {
            let put = "INSERT OR REPLACE INTO meta(name, value) VALUES ('mark', ?1)";
            transaction.prepare_cached(put)?.execute([mark.encode()])?;
        }
        transaction.commit()?;
        self.is_unpurged |= erased;
        Ok(())
    }

    /// True when [`Index::purge`] has something to do.
    pub fn is_unpurged(&self) -> bool {
        self.is_unpurged
    }

    /// Frees the file's own log of what was erased since it was last done. The file itself holds
    /// nothing of it any more. Waits for who reads, and leaves it for later where that takes long.
    pub fn purge(&mut self) -> Result<(), Fault> {
        let purge = "PRAGMA wal_checkpoint(TRUNCATE)";
        let is_busy: bool = self.conn.query_row(purge, [], |row| row.get(0))?;
        self.is_unpurged = is_busy;
        Ok(())
    }
}

/// A story on its way in, by its number.
type Entry<'a> = (i64, &'a str, &'a Story);

/// Puts stories in the place of what was known of them; true when something had been known. FTS5
/// writes a segment whenever numbers do not ascend: so they are put in order first.
fn replace(
    transaction: &Transaction<'_>,
    stories: &[(String, Option<Story>)],
) -> Result<bool, Fault> {
    let mut known = transaction.prepare_cached("SELECT n, id FROM story WHERE title = ?1")?;
    let (mut old, mut new): (Vec<i64>, Vec<Entry<'_>>) = (Vec::new(), Vec::new());
    for (title, story) in stories {
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?));
        let known = known.query_row([title], row).optional()?;
        let id = story.as_ref().map(|story| story.id.0);
        if known.map(|(_, id)| id) == id {
            continue;
        }
        old.extend(known.map(|(n, _)| n));
        new.extend(story.as_ref().map(|story| (number(story.at), &title[..], story)));
    }
    old.sort_unstable();
    new.sort_unstable_by_key(|(n, title, _)| (*n, *title));
    for table in ["DELETE FROM words WHERE rowid = ?1", "DELETE FROM story WHERE n = ?1"] {
        let mut delete = transaction.prepare_cached(table)?;
        for n in &old {
            delete.execute([n])?;
        }
    }
    for entry in new {
        insert(transaction, entry)?;
    }
    Ok(!old.is_empty())
}

/// The least number of a moment: a clock has 48 bits of milliseconds, so there is one.
fn number(at: Hlc) -> i64 {
    at.ms() as i64 * NUMBERS_PER_MS
}

fn insert(transaction: &Transaction<'_>, (mut n, title, story): Entry<'_>) -> Result<(), Fault> {
    let mut is_taken = transaction.prepare_cached("SELECT 1 FROM story WHERE n = ?1")?;
    while is_taken.exists([n])? {
        n += 1;
    }
    let put = "INSERT INTO story(n, title, id, at, section) VALUES (?1, ?2, ?3, ?4, ?5)";
    let at = story.at.0 as i64;
    transaction.prepare_cached(put)?.execute(params![n, title, story.id.0, at, story.section])?;
    let put = "INSERT INTO words(rowid, title, headline, author, body, section_word)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    transaction.prepare_cached(put)?.execute(params![
        n,
        kept(title),
        kept(&story.headline),
        kept(&story.author),
        kept(&story.body),
        section_word(&story.section),
    ])?;
    Ok(())
}
