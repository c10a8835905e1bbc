//! How far an import is: a bar on a terminal, else a line every few seconds, both on stderr.

use super::tally::Tally;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Between two looks at the clock or at the bar, in things found.
const LOOK_EVERY: u64 = 32;

/// The display of one import.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    bytes: Option<u64>,
    before: u64,
    position: u64,
    looks: u64,
    last_line: Instant,
}

impl Progress {
    /// For files of so many bytes in all; none when that cannot be known.
    pub(super) fn new(bytes: Option<u64>) -> Self {
        let bar = io::stderr().is_terminal().then(|| bar(bytes));
        let last_line = Instant::now();
        Self { bar, bytes, before: 0, position: 0, looks: 0, last_line }
    }

    /// The file that is being read ended after so many bytes.
    pub(super) fn file_done(&mut self, bytes: u64) {
        self.before += bytes;
        self.position = 0;
    }

    /// The file that is being read is read so far.
    pub(super) fn read(&mut self, position: u64) {
        self.position = position;
    }

    /// Shows the counts, now and then.
    pub(super) fn show(&mut self, tally: &Tally) {
        self.looks += 1;
        if !self.looks.is_multiple_of(LOOK_EVERY) {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.before + self.position);
            bar.set_message(tally.line());
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            // Without stderr nobody looks.
            let _ = writeln!(io::stderr(), "import: {}{}", tally.line(), self.share());
        }
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn share(&self) -> String {
        match self.bytes {
            Some(bytes) if bytes > 0 => {
                let percent = (self.before + self.position).min(bytes) * 100 / bytes;
                format!(" ({percent} % read)")
            }
            _ => String::new(),
        }
    }
}

fn bar(bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => {
            (ProgressBar::new(bytes), "{wide_bar} {binary_bytes}/{binary_total_bytes} {msg}")
        }
        None => (ProgressBar::no_length(), "{spinner} {elapsed} {msg}"),
    };
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_counts_files_before() {
        let mut progress = Progress::new(Some(200));
        progress.read(50);
        assert_eq!(progress.share(), " (25 % read)");
        progress.file_done(100);
        assert_eq!(progress.share(), " (50 % read)");
        progress.read(900);
        assert_eq!(progress.share(), " (100 % read)");
        assert_eq!(Progress::new(None).share(), "");
        progress.end();
    }
}
