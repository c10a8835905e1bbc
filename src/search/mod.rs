//! Layer 2: full text search over the head revisions of the stories that stand.
//!
//! An [`Index`] is one `SQLite` file with an FTS5 table, derived from the store: it can be deleted,
//! and is made again. It is a value that a thread of the pool works on and that is brought back, as
//! the store's batches are: all calls block, none is made on the loop. One index takes [`Batch`]es,
//! another of the same file answers [`Ask`]s; neither waits for the other.
//!
//! What a person typed never reaches FTS5 as it is: [`Ask::read`] makes an expression of quoted
//! words out of it. Nothing that a story says no more is left in the file's bytes; see
//! [`Index::purge`].

mod ask;
mod files;
mod find;
mod index;
mod schema;
#[cfg(test)]
mod tests;
mod text;

pub use ask::{Ask, BadAsk};
pub use files::{Opened, remove};
pub use find::{Found, Hit, Part};
pub use index::{Batch, Fault, Index, Interrupt, Mark, Story};
pub use text::readable;
