//! What the nodes of a simulation log, line by line, with the virtual time and the node.

use super::super::failure::Failure;
use log::{LevelFilter, Log, Metadata, Record};
use std::io::{self, Write};

struct Lines;

/// Shows what nodes log from now on.
pub(super) fn start() -> Result<(), Failure> {
    log::set_boxed_logger(Box::new(Lines))
        .map_err(|_| Failure::failed("the log was started twice"))?;
    log::set_max_level(LevelFilter::Debug);
    Ok(())
}

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let (now, node) = crate::sim::moment();
        let node = node.map_or_else(|| "-".to_owned(), |node| format!("node{node}"));
        let (level, what) = (record.level(), record.args());
        // When nobody reads standard error, nobody misses the line.
        drop(writeln!(io::stderr(), "{now:>8} ms  {node:<7} {level:<5} {what}"));
    }

    fn flush(&self) {}
}
