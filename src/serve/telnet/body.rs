//! The text of a story while it is typed, line by line: at its end, or anywhere in it.

use std::fmt::Write;

/// A text has no more lines than this: each costs memory beside its bytes.
const LINES_MAX: usize = 20_000;
/// That memory, in bytes.
const LINE_BYTES: usize = size_of::<String>();

/// Where the line that is typed goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Behind the last.
    End,
    /// Into the place of this one.
    At(usize),
    /// Before this one.
    Before(usize),
}

/// A text.
#[derive(Clone, Debug)]
pub(super) struct Body {
    lines: Vec<String>,
    place: Place,
    /// What its text has, line feeds included.
    bytes: usize,
    bytes_max: usize,
    /// The last line has a line feed.
    ends_well: bool,
}

/// What a line did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// It is part of the text, or asked for something that was done.
    Taken,
    /// There is something to be told.
    Told(String),
    /// The text is complete.
    Complete,
    /// It is given up.
    GivenUp,
}

impl Body {
    /// A new text, of at most so many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { lines: Vec::new(), place: Place::End, bytes: 0, bytes_max, ends_well: true }
    }

    /// A text to go on with, of at most so many bytes; else what to tell of one that is too long.
    pub(super) fn of(text: &str, bytes_max: usize) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::new(bytes_max));
        }
        let ends_well = text.ends_with('\n');
        let trimmed = text.strip_suffix('\n').unwrap_or(text);
        let (bytes, count) = (text.len(), trimmed.matches('\n').count() + 1);
        if bytes > bytes_max || count > LINES_MAX {
            return Err(format!(
                "It has {count} lines and {bytes} bytes; of a text that is edited here there are \
                 at most {LINES_MAX} and {bytes_max}. Edit it over HTTP."
            ));
        }
        let lines = trimmed.split('\n').map(str::to_owned).collect();
        Ok(Self { lines, bytes, ends_well, ..Self::new(bytes_max) })
    }

    /// The text as it is now.
    pub(super) fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        if self.ends_well && !self.lines.is_empty() {
            text.push('\n');
        }
        text
    }

    /// How many lines it has.
    pub(super) fn lines(&self) -> usize {
        self.lines.len()
    }

    /// Bytes of memory that it is accounted for: its text, and what each line costs beside.
    pub(super) fn memory(&self) -> usize {
        self.bytes + self.lines.len() * LINE_BYTES
    }

    /// The memory that one more line of so many bytes would take.
    pub(super) fn memory_of_line(bytes: usize) -> usize {
        bytes + 1 + LINE_BYTES
    }

    /// What stands before the line that is to be typed.
    pub(super) fn prompt(&self) -> String {
        let number = match self.place {
            Place::End => self.lines.len(),
            Place::At(at) | Place::Before(at) => at,
        };
        format!("{:>3}> ", number + 1)
    }

    /// The line that is being typed anew.
    pub(super) fn replaced(&self) -> Option<&str> {
        match self.place {
            Place::At(at) => self.lines.get(at).map(String::as_str),
            Place::End | Place::Before(_) => None,
        }
    }

    /// Takes a line. `shows_old`: the line that it replaces was there to be changed; else one line
    /// is replaced, and the next goes behind the last.
    pub(super) fn on_line(&mut self, line: &str, shows_old: bool) -> Typed {
        match line {
            "." => return Typed::Complete,
            "~q" => return Typed::GivenUp,
            "~p" => return Typed::Told(self.shown()),
            "~a" => {
                self.place = Place::End;
                return Typed::Taken;
            }
            _ => {}
        }
        if let Some((command, from, to)) = numbered(line) {
            return self.command(command, from, to);
        }
        let line = match line {
            ".." => ".",
            _ if line.starts_with("~~") => &line[1..],
            _ => line,
        };
        if let Err(fault) = self.put(line) {
            return Typed::Told(fault);
        }
        self.place = match self.place {
            Place::At(at) if shows_old && at + 1 < self.lines.len() => Place::At(at + 1),
            Place::At(_) | Place::End => Place::End,
            Place::Before(at) => Place::Before(at + 1),
        };
        Typed::Taken
    }

    /// Goes to the line before or behind; what was typed stays where it was typed. True when it is
    /// another line.
    pub(super) fn go(&mut self, typed: &str, is_up: bool) -> Result<bool, String> {
        let (at, is_old) = match self.place {
            Place::End => (self.lines.len(), false),
            Place::Before(at) => (at, false),
            Place::At(at) => (at, true),
        };
        let to = if is_up { at.checked_sub(1) } else { is_old.then_some(at + 1) };
        let Some(to) = to else { return Ok(false) };
        if is_old || !typed.is_empty() {
            self.put(typed)?;
        }
        self.place = if to < self.lines.len() { Place::At(to) } else { Place::End };
        Ok(true)
    }

    /// Puts a line where it belongs, if there is room.
    fn put(&mut self, line: &str) -> Result<(), String> {
        let old = self.replaced().map(str::len);
        let bytes = self.bytes - old.map_or(0, |old| old + 1).min(self.bytes) + line.len() + 1;
        if bytes > self.bytes_max || (old.is_none() && self.lines.len() == LINES_MAX) {
            let bytes_max = self.bytes_max;
            return Err(format!(
                "Not taken: a text has at most {bytes_max} bytes and {LINES_MAX} lines."
            ));
        }
        self.bytes = bytes;
        match self.place {
            Place::End => self.lines.push(line.to_owned()),
            Place::At(at) => line.clone_into(&mut self.lines[at]),
            Place::Before(at) => self.lines.insert(at, line.to_owned()),
        }
        Ok(())
    }

    fn command(&mut self, command: char, from: usize, to: usize) -> Typed {
        let lines = self.lines.len();
        if from == 0 || from > to || to > lines {
            return Typed::Told(format!("There are {lines} lines."));
        }
        let (from, to) = (from - 1, to);
        match command {
            'e' => self.place = Place::At(from),
            'i' => self.place = Place::Before(from),
            _ => {
                let gone: usize = self.lines.drain(from..to).map(|line| line.len() + 1).sum();
                self.bytes = self.bytes.saturating_sub(gone);
                self.place = Place::End;
                return Typed::Told(format!("Taken out: {}.", to - from));
            }
        }
        Typed::Taken
    }

    /// All lines with their numbers.
    fn shown(&self) -> String {
        let mut shown = String::new();
        for (at, line) in self.lines.iter().enumerate() {
            let written = writeln!(shown, "{:>3}  {line}", at + 1);
            debug_assert!(written.is_ok(), "a String takes all");
        }
        shown
    }
}

/// `~e 3`, `~i 3`, `~d 3`, `~d 3 5`: the letter and the numbers. Whatever else begins so is text.
fn numbered(line: &str) -> Option<(char, usize, usize)> {
    let mut words = line.strip_prefix('~')?.split_ascii_whitespace();
    let command = words.next().filter(|word| matches!(*word, "e" | "i" | "d"))?;
    let from = words.next()?.parse().ok()?;
    let to = match words.next() {
        Some(word) if command == "d" => word.parse().ok()?,
        Some(_) => return None,
        None => from,
    };
    let is_end = words.next().is_none();
    is_end.then_some((command.chars().next()?, from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(body: &mut Body, lines: &[&str]) {
        for line in lines {
            assert_eq!(body.on_line(line, false), Typed::Taken, "{line}");
        }
    }

    #[test]
    fn lines_are_added_replaced_inserted_and_taken_out() {
        let mut body = Body::new(1000);
        typed(&mut body, &["one", "two", "", "three", "~e 2", "TWO", "~i 1", "zero", "half", "~a"]);
        typed(&mut body, &["..", "~~p", "~50 came", "~e"]);
        assert_eq!(body.text(), "zero\nhalf\none\nTWO\n\nthree\n.\n~p\n~50 came\n~e\n");
        assert_eq!(body.on_line("~d 1 2", false), Typed::Told("Taken out: 2.".to_owned()));
        assert_eq!(body.on_line("~d 9", false), Typed::Told("There are 8 lines.".to_owned()));
        assert_eq!(body.memory(), body.text().len() + 8 * LINE_BYTES);
        let Typed::Told(shown) = body.on_line("~p", false) else { panic!() };
        assert!(shown.starts_with("  1  one\n  2  TWO\n"), "{shown}");
        assert_eq!(body.on_line(".", false), Typed::Complete);
        assert_eq!(body.on_line("~q", false), Typed::GivenUp);
    }

    #[test]
    fn a_text_that_is_not_touched_is_given_back_byte_by_byte() {
        for text in ["", "a", "a\n", "a\r\n\r\nb", "\n", "a\n\n", "\n\nb\n"] {
            assert_eq!(Body::of(text, 100).unwrap().text(), text);
        }
    }

    #[test]
    fn the_arrows_go_from_line_to_line_and_lose_nothing() {
        let mut body = Body::of("one\ntwo\n", 100).unwrap();
        assert_eq!(body.go("half a li", true), Ok(true));
        assert_eq!(body.replaced(), Some("two"));
        assert_eq!(body.go("two, too", true), Ok(true));
        assert_eq!(body.replaced(), Some("one"));
        assert_eq!(body.go("one", true), Ok(false));
        assert_eq!(body.on_line("ONE", true), Typed::Taken);
        assert_eq!(body.replaced(), Some("two, too"));
        assert_eq!((body.go("2", false), body.replaced()), (Ok(true), Some("half a li")));
        assert_eq!((body.go("3", false), body.replaced()), (Ok(true), None));
        assert_eq!(body.go("", false), Ok(false));
        assert_eq!(body.text(), "ONE\n2\n3\n");
    }

    #[test]
    fn a_text_has_an_end() {
        let mut body = Body::new(8);
        typed(&mut body, &["one", "two"]);
        assert!(matches!(body.on_line("", false), Typed::Told(_)));
        typed(&mut body, &["~e 1", "1", ""]);
        assert_eq!(body.text(), "1\ntwo\n\n");
        let mut body = Body::new(1 << 20);
        for _ in 0..LINES_MAX {
            typed(&mut body, &[""]);
        }
        assert!(matches!(body.on_line("", false), Typed::Told(_)));
    }

    #[test]
    fn a_text_of_a_million_lines_is_not_taken_apart() {
        let most = "\n".repeat(LINES_MAX);
        assert_eq!(Body::of(&most, 1 << 20).unwrap().lines(), LINES_MAX);
        for text in [most.clone() + "x", "\n".repeat(1 << 20)] {
            let told = Body::of(&text, 1 << 20).unwrap_err();
            assert!(told.contains("at most 20000 and 1048576. Edit it over HTTP."), "{told}");
        }
        assert!(Body::of("four", 3).unwrap_err().starts_with("It has 1 lines and 4 bytes;"));
    }
}
