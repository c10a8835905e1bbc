//! How the index's file is laid out, and how a connection to it is set up.
//!
//! | table | holds |
//! |---|---|
//! | `story` | each story that is found: its number, title, revision, moment, section |
//! | `words` | FTS5: the same numbers; title, headline, author, body, and a word for the section |
//! | `meta` | how far the log is in here |
//!
//! A story's number is the millisecond of its head times sixteen, and a little more where several
//! stories share it. So FTS5's own order is that of time: the newest come first without sorting,
//! and a span of time is a range of rows.

use super::index::Fault;
use rusqlite::Connection;

/// Changes with the tables and with how words are made; another version is made anew.
const VERSION: i64 = 1;

/// Numbers to a millisecond.
pub(super) const NUMBERS_PER_MS: i64 = 16;

const TABLES: &str = "
CREATE TABLE story (
    n INTEGER PRIMARY KEY, title TEXT NOT NULL UNIQUE, id BLOB NOT NULL, at INTEGER NOT NULL,
    section TEXT NOT NULL
);
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(
    title, headline, author, body, section_word,
    tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);
INSERT INTO words(words, rank) VALUES ('secure-delete', 1);
";

/// Sets a connection up: nothing that is deleted stays in the file's free bytes, a little memory,
/// no map of the file. A crash of the machine may lose the last batches, never the file.
pub(super) fn prepare(conn: &Connection) -> Result<(), Fault> {
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;
         PRAGMA cache_size = -2048; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;
         PRAGMA journal_size_limit = 0; PRAGMA busy_timeout = 2000; PRAGMA trusted_schema = OFF;",
    )?;
    match conn.query_row("PRAGMA user_version", [], |row| row.get(0))? {
        VERSION => Ok(()),
        0 => {
            let make =
                format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;");
            Ok(conn.execute_batch(&make)?)
        }
        other => Err(Fault::Version(other)),
    }
}

/// The word that stands for a section: no word of a text.
pub(super) fn section_word(section: &str) -> String {
    if section.is_empty() {
        return String::new();
    }
    let hash = blake3::hash(section.as_bytes());
    format!("s{}", &hash.to_hex()[..24])
}
