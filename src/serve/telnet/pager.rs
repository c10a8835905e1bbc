//! A text, a window at a time.

use crate::proto::telnet::{Key, Window, wrap};
use crate::update::Cid;

/// Of a text so much is kept while nobody asks for more of it. That of a story is laid out again;
/// any other has its end there.
const KEPT_BYTES_MAX: usize = 64 << 10;
/// What stands in place of what is cut off.
const CUT: &str = "(The rest is too long to be shown here.)\n";

/// A text that is being shown.
#[derive(Debug)]
pub(super) struct Pager {
    /// All of it, or of a long story's its head.
    text: String,
    story: Option<Told>,
    /// What all of it has.
    bytes: usize,
    at: usize,
}

/// The revision of a story that a text tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) cid: Cid,
    /// What stands before its body, which may be another when it is laid out again.
    pub(super) head_bytes: usize,
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
    pub(super) fn new(mut text: String, story: Option<Told>) -> Self {
        if story.is_none() && text.len() > KEPT_BYTES_MAX {
            let end = text.floor_char_boundary(KEPT_BYTES_MAX);
            text.truncate(text[..end].rfind('\n').map_or(0, |at| at + 1));
            text.push_str(CUT);
        }
        Self { bytes: text.len(), text, story, at: 0 }
    }

    /// True when all was shown.
    pub(super) fn is_done(&self) -> bool {
        self.at == self.bytes
    }

    /// How much was shown, in hundredths.
    pub(super) fn percent(&self) -> usize {
        self.at * 100 / self.bytes.max(1)
    }

    /// The next lines, each with its end. A window keeps a row for the prompt. `body` lays out that
    /// of a story, or says why it can't.
    pub(super) fn turn(
        &mut self,
        (turn, window): (Turn, Window),
        body: impl FnOnce(Cid) -> Result<String, String>,
    ) -> Result<String, String> {
        let rows = match turn {
            Turn::Page => window.rows - 1,
            Turn::Line => 1,
            Turn::End => 0,
        };
        let mut shown = String::new();
        if let Some(told) = self.story.filter(|_| rows > 0 && self.text.len() < self.bytes) {
            self.text.push_str(&body(told.cid)?);
        }
        for _ in 0..rows {
            if self.at >= self.text.len() {
                break;
            }
            let (line, used) = wrap(&self.text[self.at..], window.columns - 1);
            self.at += used;
            shown.push_str(&line);
            shown.push('\n');
        }
        self.let_go();
        Ok(shown)
    }

    /// Keeps no more than it should until more is asked for.
    fn let_go(&mut self) {
        if let Some(told) = self.story.filter(|_| self.bytes > KEPT_BYTES_MAX) {
            self.text.truncate(told.head_bytes);
            self.text.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(pager: &mut Pager, turn: Turn, window: Window) -> String {
        pager.turn((turn, window), |_| panic!("it is kept")).unwrap()
    }

    #[test]
    fn a_window_is_filled_and_then_the_rest_is_shown_as_asked() {
        let lines: Vec<String> = (0..30).map(|n| format!("line {n}")).collect();
        let text = lines.join("\n") + "\n";
        let window = Window { columns: 40, rows: 10 };
        let mut pager = Pager::new(text.clone(), None);
        let mut shown = turned(&mut pager, Turn::Page, window);
        assert_eq!(shown.lines().count(), 9);
        assert_eq!(pager.percent(), 27);
        shown += &turned(&mut pager, Turn::Line, window);
        assert!(!pager.is_done());
        shown += &turned(&mut pager, Turn::Page, Window { columns: 40, rows: 200 });
        assert!(pager.is_done());
        assert_eq!(shown, text);
        assert_eq!(turned(&mut pager, Turn::End, window), "");
    }

    #[test]
    fn a_long_story_is_not_kept_but_laid_out_again_for_each_window() {
        let head = "A story\n\n";
        let lines: Vec<String> = (0..30_000).map(|n| format!("line {n}")).collect();
        let body = lines.join("\n") + "\n";
        let told = Told { cid: Cid([7; 32]), head_bytes: head.len() };
        let mut pager = Pager::new(head.to_owned() + &body, Some(told));
        let window = Window { columns: 80, rows: 200 };
        let mut shown = String::new();
        while !pager.is_done() {
            let turn = if shown.len().is_multiple_of(2) { Turn::Page } else { Turn::Line };
            let again = |cid| if cid == told.cid { Ok(body.clone()) } else { Err(String::new()) };
            shown += &pager.turn((turn, window), again).unwrap();
            assert!(pager.text.capacity() <= KEPT_BYTES_MAX, "{}", pager.text.capacity());
        }
        assert!(shown == head.to_owned() + &body);
        // Who has seen enough has nothing laid out.
        assert_eq!(turned(&mut pager, Turn::End, window), "");
        // One that was short is kept, and one that has gone is told.
        let mut pager = Pager::new(body[..KEPT_BYTES_MAX].to_owned(), Some(told));
        turned(&mut pager, Turn::Page, window);
        turned(&mut pager, Turn::Page, window);
        let mut pager = Pager::new(head.to_owned() + &body, Some(told));
        turned(&mut pager, Turn::Page, window);
        let gone = pager.turn((Turn::Line, window), |_| Err("gone".to_owned()));
        assert_eq!(gone, Err("gone".to_owned()));
    }

    #[test]
    fn a_long_text_that_tells_no_story_has_an_end() {
        let pager = Pager::new("twelve bytes".repeat(10_000), None);
        assert_eq!(pager.text, CUT);
        let text = "elf b\u{fc}tes\n".repeat(10_000);
        let pager = Pager::new(text.clone(), None);
        let kept = pager.text.strip_suffix(CUT).unwrap();
        assert!(text.starts_with(kept) && kept.ends_with('\n'));
        assert!((KEPT_BYTES_MAX - 12..=KEPT_BYTES_MAX).contains(&kept.len()), "{}", kept.len());
    }

    #[test]
    fn lines_ask_where_keys_do_not_come() {
        assert_eq!(Turn::of_line("q"), Turn::End);
        assert_eq!(Turn::of_line(""), Turn::Page);
        assert_eq!(Turn::of(Key::Char('x')), None);
    }
}
