//! Logs of a node: `simple_logger`'s lines on standard error, or JSON, one object a line, written
//! by a thread of their own. The level may change while the process runs (`log::set_max_level`). A
//! terminal or pipe that nobody reads then costs log lines, not the loop: what does not fit the
//! queue is dropped, and how much is said.

use super::failure::Failure;
use crate::config::LogFormat;
use jiff::Timestamp;
use log::{Level, LevelFilter, Log, Metadata, Record};
use serde_json::json;
use simple_logger::SimpleLogger;
use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

const QUEUE_LINES: usize = 4096;

enum Item {
    Line { at: Timestamp, level: Level, target: String, text: String },
    Flush(Sender<()>),
}

/// Hands lines to the thread that writes them.
struct Queue {
    lines: SyncSender<Item>,
    dropped: AtomicU64,
}

/// Starts logging for this process, once. `node` is whose log it is, where lines are JSON.
pub(super) fn start(level: LevelFilter, format: LogFormat, node: &str) -> Result<(), Failure> {
    let node = node.to_owned();
    let (lines, items) = sync_channel(QUEUE_LINES);
    let failed =
        |error: io::Error| Failure::failed(format!("can't start the log's thread: {error}"));
    let thread = thread::Builder::new().name("log".to_owned()).spawn(move || match format {
        LogFormat::Text => write(&items, &mut Plain(SimpleLogger::new())),
        LogFormat::Json => write(&items, &mut Json { node, out: io::stderr() }),
    });
    thread.map_err(failed)?;
    let queue = Queue { lines, dropped: AtomicU64::new(0) };
    log::set_boxed_logger(Box::new(queue))
        .map_err(|_| Failure::failed("the log was started twice"))?;
    log::set_max_level(level);
    Ok(())
}

/// Writes one line.
trait Pen {
    fn line(&mut self, at: Timestamp, level: Level, target: &str, text: &str);
}

struct Plain(SimpleLogger);

impl Pen for Plain {
    fn line(&mut self, _: Timestamp, level: Level, target: &str, text: &str) {
        let mut record = Record::builder();
        record.level(level).target(target);
        let text = on_one_line(text);
        self.0.log(&record.args(format_args!("{text}")).build());
    }
}

/// Control characters as escapes, so that nothing that is quoted in a line can look like another
/// line, or steer a terminal.
fn on_one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    Cow::Owned(line)
}

struct Json<W> {
    node: String,
    out: W,
}

impl<W: Write> Pen for Json<W> {
    fn line(&mut self, at: Timestamp, level: Level, target: &str, text: &str) {
        let level = level.as_str().to_ascii_lowercase();
        let object = json!({
            "at": at.to_string(), "level": level, "node": self.node, "target": target,
            "message": text,
        });
        // There is nowhere to say that the log can't be written.
        let _ = self.out.write_all(format!("{object}\n").as_bytes());
    }
}

fn write(items: &Receiver<Item>, pen: &mut impl Pen) {
    for item in items {
        match item {
            Item::Line { at, level, target, text } => pen.line(at, level, &target, &text),
            // Whoever asked may have gone on without the answer.
            Item::Flush(done) => drop(done.send(())),
        }
    }
}

impl Queue {
    fn put(&self, level: Level, target: &str, text: String) -> bool {
        let target = target.to_owned();
        let at = Timestamp::now();
        self.lines.try_send(Item::Line { at, level, target, text }).is_ok()
    }
}

impl Log for Queue {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn no_text_makes_a_line_of_its_own() {
        assert_eq!(on_one_line("link to ä is up"), "link to ä is up");
        let forged = "no peer a\r\nERROR b\t\u{1b}[2J\u{85}\u{7f}";
        assert_eq!(on_one_line(forged), r"no peer a\r\nERROR b\t\u{1b}[2J\u{85}\u{7f}");
    }

    #[test]
    fn a_line_of_json_is_one_object_whatever_is_said() {
        let mut json = Json { node: "a\"b".to_owned(), out: Vec::new() };
        let text = "two\nlines, \"quotes\" and \u{1b}[0m";
        json.line(Timestamp::UNIX_EPOCH, Level::Warn, "bellwether::node", text);
        json.line(Timestamp::UNIX_EPOCH, Level::Info, "x", "y");
        let written = String::from_utf8(json.out).unwrap();
        let lines: Vec<Value> =
            written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines[0],
            json!({"at": "1970-01-01T00:00:00Z", "level": "warn", "node": "a\"b",
                   "target": "bellwether::node", "message": text})
        );
    }
}
