//! Logs of a node: `simple_logger`'s lines on standard error, written by a thread of their own. A
//! terminal or pipe that nobody reads then costs log lines, not the loop: what does not fit the
//! queue is dropped, and how much is said.

use super::failure::Failure;
use log::{Level, LevelFilter, Log, Metadata, Record};
use simple_logger::SimpleLogger;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

const QUEUE_LINES: usize = 4096;

enum Item {
    Line { level: Level, target: String, text: String },
    Flush(Sender<()>),
}

/// Hands lines to the thread that writes them.
struct Queue {
    level: LevelFilter,
    lines: SyncSender<Item>,
    dropped: AtomicU64,
}

/// Starts logging for this process, once.
pub(super) fn start(level: LevelFilter) -> Result<(), Failure> {
    let (lines, items) = sync_channel(QUEUE_LINES);
    let failed =
        |error: io::Error| Failure::failed(format!("can't start the log's thread: {error}"));
    thread::Builder::new().name("log".to_owned()).spawn(move || write(&items)).map_err(failed)?;
    let queue = Queue { level, lines, dropped: AtomicU64::new(0) };
    log::set_boxed_logger(Box::new(queue))
        .map_err(|_| Failure::failed("the log was started twice"))?;
    log::set_max_level(level);
    Ok(())
}

fn write(items: &Receiver<Item>) {
    let logger = SimpleLogger::new();
    for item in items {
        match item {
            Item::Line { level, target, text } => {
                let mut record = Record::builder();
                record.level(level).target(&target);
                logger.log(&record.args(format_args!("{text}")).build());
            }
            // Whoever asked may have gone on without the answer.
            Item::Flush(done) => drop(done.send(())),
        }
    }
}

impl Queue {
    fn put(&self, level: Level, target: &str, text: String) -> bool {
        let target = target.to_owned();
        self.lines.try_send(Item::Line { level, target, text }).is_ok()
    }
}

impl Log for Queue {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let lost = format!("{dropped} lines of the log were dropped: nobody read them");
        if dropped > 0 && !self.put(Level::Warn, module_path!(), lost) {
            self.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
        if !self.put(record.level(), record.target(), record.args().to_string()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until the lines before this are written.
    fn flush(&self) {
        let (done, written) = channel();
        if self.lines.send(Item::Flush(done)).is_ok() {
            // An error means that the thread is gone, and its lines with it.
            let _ = written.recv();
        }
    }
}
