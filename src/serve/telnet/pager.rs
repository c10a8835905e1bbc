//! A text, a window at a time.

use crate::proto::telnet::{Key, Window, wrap};

/// A text that is being shown.
#[derive(Debug)]
pub(super) struct Pager {
    text: String,
    at: usize,
}

/// What the user wants to see next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// As much as fits into the window.
    Page,
    /// One more line.
    Line,
    /// Nothing more.
    End,
}

impl Turn {
    /// What a key asks for; none: nothing.
    pub(super) fn of(key: Key) -> Option<Self> {
        match key {
            Key::Char(' ' | 'f') => Some(Self::Page),
            Key::Enter | Key::Down | Key::Char('j') => Some(Self::Line),
            Key::Char('q' | 'Q') | Key::Interrupt | Key::EndOfFile => Some(Self::End),
            _ => None,
        }
    }

    /// What a line asks for, where only whole lines come.
    pub(super) fn of_line(line: &str) -> Self {
        if line.trim_start().starts_with(['q', 'Q']) { Self::End } else { Self::Page }
    }
}

impl Pager {
    /// At a text's beginning.
    pub(super) fn new(text: String) -> Self {
        Self { text, at: 0 }
    }

    /// True when all was shown.
    pub(super) fn is_done(&self) -> bool {
        self.at == self.text.len()
    }

    /// How much was shown, in hundredths.
    pub(super) fn percent(&self) -> usize {
        self.at * 100 / self.text.len().max(1)
    }

    /// The next lines, each with its end. A window keeps a row for the prompt.
    pub(super) fn turn(&mut self, turn: Turn, window: Window) -> String {
        let rows = match turn {
            Turn::Page => window.rows - 1,
            Turn::Line => 1,
            Turn::End => 0,
        };
        let mut shown = String::new();
        for _ in 0..rows {
            if self.is_done() {
                break;
            }
            let (line, used) = wrap(&self.text[self.at..], window.columns - 1);
            self.at += used;
            shown.push_str(&line);
            shown.push('\n');
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_filled_and_then_the_rest_is_shown_as_asked() {
        let lines: Vec<String> = (0..30).map(|n| format!("line {n}")).collect();
        let text = lines.join("\n") + "\n";
        let window = Window { columns: 40, rows: 10 };
        let mut pager = Pager::new(text.clone());
        let mut shown = pager.turn(Turn::Page, window);
        assert_eq!(shown.lines().count(), 9);
        assert_eq!(pager.percent(), 27);
        shown += &pager.turn(Turn::Line, window);
        assert!(!pager.is_done());
        shown += &pager.turn(Turn::Page, Window { columns: 40, rows: 200 });
        assert!(pager.is_done());
        assert_eq!(shown, text);
        assert_eq!(pager.turn(Turn::End, window), "");
    }

    #[test]
    fn lines_ask_where_keys_do_not_come() {
        assert_eq!(Turn::of_line("q"), Turn::End);
        assert_eq!(Turn::of_line(""), Turn::Page);
        assert_eq!(Turn::of(Key::Char('x')), None);
    }
}
