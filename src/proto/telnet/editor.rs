//! Lines out of keys: a small line editor with a history, in the manner of readline's Emacs mode.
//! It draws one row; a line that is longer than that moves sideways. Where the other end edits and
//! shows its lines itself, it gets whole ones and draws nothing.

use super::charset::Charset;
use super::glyphs::{safe, width};
use super::keys::Key;
use super::screen::{Screen, columns};
use std::collections::VecDeque;

/// Lines that are remembered.
const HISTORY_LINES_MAX: usize = 50;
/// Their bytes.
const HISTORY_BYTES_MAX: usize = 4096;

/// How a line is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// What there is room for behind the prompt.
    pub columns: usize,
    /// What the terminal can show.
    pub charset: Charset,
    /// False: nothing is shown, be it that the other end does so itself or that nobody should.
    pub is_shown: bool,
}

/// What a key did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edited {
    /// The line is not complete.
    Going,
    /// It is.
    Line {
        /// Without its end.
        text: String,
        /// It was longer than a line may be: what was too much is gone.
        is_cut: bool,
    },
    /// The line was given up.
    Interrupt,
    /// There will be no more.
    EndOfFile,
    /// Prompt and line are to be drawn anew, by [`Editor::draw`].
    Redraw,
}

/// A line being edited.
#[derive(Clone, Debug)]
pub struct Editor {
    line: String,
    /// Where the cursor is, in bytes.
    at: usize,
    /// Where what is shown begins, in bytes; at most `at`.
    left: usize,
    bytes_max: usize,
    is_cut: bool,
    screen: Screen,
    /// The last first.
    history: VecDeque<Box<str>>,
    /// The place in the history that is shown, and the line as it was before.
    looked_up: Option<(usize, Box<str>)>,
}

impl Editor {
    /// An empty line that holds so many bytes at most.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            line: String::new(),
            at: 0,
            left: 0,
            bytes_max,
            is_cut: false,
            screen: Screen::new(),
            history: VecDeque::new(),
            looked_up: None,
        }
    }

    /// The line as it is now.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Puts a text in the place of the line, with the cursor behind it.
    pub fn set(&mut self, text: &str) {
        let mut end = text.len().min(self.bytes_max);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.is_cut = end < text.len();
        text[..end].clone_into(&mut self.line);
        (self.at, self.left) = (self.line.len(), 0);
    }

    /// Lets a line be found again by [`Key::Up`].
    pub fn remember(&mut self, line: &str) {
        let is_new = self.history.front().is_none_or(|last| **last != *line);
        if line.trim().is_empty() || line.len() > HISTORY_BYTES_MAX || !is_new {
            return;
        }
        self.history.push_front(line.into());
        let bytes =
            |history: &VecDeque<Box<str>>| -> usize { history.iter().map(|line| line.len()).sum() };
        while self.history.len() > HISTORY_LINES_MAX || bytes(&self.history) > HISTORY_BYTES_MAX {
            self.history.pop_back();
        }
    }

    /// Draws the line behind a prompt that was just written.
    pub fn draw(&mut self, look: &Look, out: &mut String) {
        self.screen.forget();
        self.show(look, out);
    }

    /// Takes a key; what has to be drawn goes to `out`.
    pub fn on_key(&mut self, key: Key, look: &Look, out: &mut String) -> Edited {
        match key {
            Key::Enter => return self.on_enter(look, out),
            Key::Interrupt => {
                self.clear();
                return Edited::Interrupt;
            }
            Key::EndOfFile if self.line.is_empty() => {
                self.clear();
                return Edited::EndOfFile;
            }
            Key::Redraw => return Edited::Redraw,
            Key::Char(c) => self.insert(c, look, out),
            Key::Tab => self.insert('\t', look, out),
            Key::Backspace => self.erase(self.before(), self.at),
            Key::Delete | Key::EndOfFile => self.erase(self.at, self.behind()),
            Key::EraseStart => self.erase(0, self.at),
            Key::EraseEnd => self.erase(self.at, self.line.len()),
            Key::EraseWord => self.erase(self.word_before(), self.at),
            Key::Left => self.at = self.before(),
            Key::Right => self.at = self.behind(),
            Key::Home => self.at = 0,
            Key::End => self.at = self.line.len(),
            Key::WordLeft => self.at = self.word_before(),
            Key::WordRight => self.at = self.word_behind(),
            Key::Up => self.look_up(true),
            Key::Down => self.look_up(false),
        }
        self.show(look, out);
        Edited::Going
    }

    fn on_enter(&mut self, look: &Look, out: &mut String) -> Edited {
        self.at = self.line.len();
        self.show(look, out);
        let (text, is_cut) = (std::mem::take(&mut self.line), self.is_cut);
        self.clear();
        Edited::Line { text, is_cut }
    }

    fn clear(&mut self) {
        self.line = String::new();
        (self.at, self.left) = (0, 0);
        self.is_cut = false;
        self.looked_up = None;
        self.screen.forget();
    }

    fn insert(&mut self, c: char, look: &Look, out: &mut String) {
        if self.line.len() + c.len_utf8() > self.bytes_max {
            self.is_cut = true;
            if look.is_shown {
                out.push('\u{7}');
            }
            return;
        }
        self.line.insert(self.at, c);
        self.at += c.len_utf8();
    }

    fn erase(&mut self, from: usize, to: usize) {
        self.line.drain(from..to);
        self.at = from;
    }

    /// Where the character before the cursor begins; marks over it belong to it.
    fn before(&self) -> usize {
        let chars = self.line[..self.at].char_indices().rev();
        let base = |(_, c): &(usize, char)| width(*c) > 0;
        chars.into_iter().find(base).map_or(0, |(at, _)| at)
    }

    /// Where the character at the cursor ends, with its marks.
    fn behind(&self) -> usize {
        let rest = &self.line[self.at..];
        let mut chars = rest.char_indices().skip(1);
        let next = chars.find(|(_, c)| width(*c) > 0);
        next.map_or(self.line.len(), |(at, _)| self.at + at)
    }

    fn word_before(&self) -> usize {
        let head = self.line[..self.at].trim_end();
        head.rfind(char::is_whitespace)
            .map_or(0, |space| space + head[space..].chars().next().map_or(0, char::len_utf8))
    }

    fn word_behind(&self) -> usize {
        let rest = self.line[self.at..].trim_start();
        let from = self.line.len() - rest.len();
        rest.find(char::is_whitespace).map_or(self.line.len(), |space| from + space)
    }

    /// Goes back or forth in what is remembered.
    fn look_up(&mut self, is_older: bool) {
        let place = self.looked_up.as_ref().map(|(place, _)| *place);
        let next = match (place, is_older) {
            (None, true) => Some(0),
            (None, false) => return,
            (Some(place), true) => Some(place + 1),
            (Some(place), false) => place.checked_sub(1),
        };
        let Some(next) = next else {
            if let Some((_, before)) = self.looked_up.take() {
                self.set(&before);
            }
            return;
        };
        let Some(found) = self.history.get(next).cloned() else { return };
        let before = self.looked_up.take().map(|(_, before)| before);
        let before = before.unwrap_or_else(|| self.line.as_str().into());
        self.looked_up = Some((next, before));
        self.set(&found);
    }

    fn show(&mut self, look: &Look, out: &mut String) {
        if !look.is_shown {
            return;
        }
        let room = look.columns.max(2);
        let glyph = |c: char| safe(c).map(|c| look.charset.nearest(c));
        self.left = self.left.min(self.at);
        let shown = |line: &str| line.chars().filter_map(glyph).collect::<String>();
        // The cursor needs a column of its own behind the last character.
        if self.left == self.at && self.at > 0
            || columns(&shown(&self.line[self.left..self.at])) >= room
        {
            self.left = self.start_of_view(room, glyph);
        }
        let before = shown(&self.line[self.left..self.at]);
        let at = columns(&before);
        let mut wanted = before;
        let mut used = at;
        for c in self.line[self.at..].chars().filter_map(glyph) {
            used += width(c);
            if used >= room {
                break;
            }
            wanted.push(c);
        }
        // A mark with nothing to be put over would fall on the prompt.
        let wanted = wanted.trim_start_matches(|c| width(c) == 0);
        self.screen.show(wanted, at, out);
    }

    /// Where to begin so that the cursor stands in the middle.
    fn start_of_view(&self, room: usize, glyph: impl Fn(char) -> Option<char>) -> usize {
        let mut used = 0;
        let mut from = self.at;
        for (at, c) in self.line[..self.at].char_indices().rev() {
            let wide = glyph(c).map_or(0, width);
            if used + wide > room / 2 {
                break;
            }
            used += wide;
            from = at;
        }
        from
    }
}
