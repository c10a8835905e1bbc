//! What is drawn on a terminal: texts, prompts, and the line that is being typed.

use crate::base::InBuf;
use crate::proto::telnet::{Edited, Editor, Event, Key, Look, Telnet, safe, width, wrap};

/// A terminal, and the line that is typed there.
#[derive(Debug)]
pub(super) struct Tty {
    pub(super) telnet: Telnet,
    editor: Editor,
    /// What stands before the line: safe to show.
    prompt: Box<str>,
    /// What is typed is not for anyone's eyes.
    is_secret: bool,
}

impl Tty {
    pub(super) fn new(line_bytes_max: usize) -> Self {
        Self {
            telnet: Telnet::new(),
            editor: Editor::new(line_bytes_max),
            prompt: Box::default(),
            is_secret: false,
        }
    }

    /// Shows a text, wrapped to the window. A line that it does not end is ended.
    pub(super) fn say(&self, text: &str, out: &mut Vec<u8>) {
        let columns = self.telnet.window().columns - 1;
        let mut rest = text;
        while !rest.is_empty() {
            let (line, used) = wrap(rest, columns);
            self.telnet.put(&line, out);
            self.telnet.put("\n", out);
            rest = &rest[used..];
        }
    }

    /// Shows lines that are wrapped already.
    pub(super) fn show(&self, lines: &str, out: &mut Vec<u8>) {
        self.telnet.put(lines, out);
    }

    /// Shows a prompt, and behind it what was typed before it was.
    pub(super) fn ask(&mut self, prompt: &str, is_secret: bool, out: &mut Vec<u8>) {
        let room = self.telnet.window().columns * 3 / 4;
        let mut used = 0;
        let fits = |c: &char| {
            used += width(*c);
            used < room
        };
        self.prompt = prompt.chars().filter_map(safe).take_while(fits).collect::<String>().into();
        self.is_secret = is_secret;
        self.draw(out);
    }

    /// Draws prompt and line anew.
    pub(super) fn draw(&mut self, out: &mut Vec<u8>) {
        self.telnet.put(&self.prompt, out);
        let look = self.look();
        let mut drawn = String::new();
        self.editor.draw(&look, &mut drawn);
        self.telnet.put(&drawn, out);
    }

    /// Says something while a line is being typed, and draws that again.
    pub(super) fn interject(&mut self, text: &str, out: &mut Vec<u8>) {
        self.telnet.put("\n", out);
        self.say(text, out);
        self.draw(out);
    }

    /// From now on we show what is typed: what was typed before comes first.
    pub(super) fn on_echo(&mut self, out: &mut Vec<u8>) {
        let look = self.look();
        let mut drawn = String::new();
        self.editor.draw(&look, &mut drawn);
        self.telnet.put(&drawn, out);
    }

    /// Takes a prompt away again; where the other end shows what is typed, its line is over anyway.
    pub(super) fn erase_prompt(&mut self, out: &mut Vec<u8>) {
        if self.telnet.echoes() {
            let columns = self.prompt.chars().map(width).sum();
            for piece in ["\u{8}", " ", "\u{8}"] {
                self.telnet.put(&piece.repeat(columns), out);
            }
        }
        self.prompt = Box::default();
    }

    /// Takes a key of the line. Where the line ends, the cursor goes to the next.
    pub(super) fn on_key(&mut self, key: Key, out: &mut Vec<u8>) -> Edited {
        let look = self.look();
        let mut drawn = String::new();
        let edited = self.editor.on_key(key, &look, &mut drawn);
        self.telnet.put(&drawn, out);
        match &edited {
            Edited::Line { .. } if self.telnet.echoes() => self.telnet.put("\n", out),
            Edited::Interrupt => self.telnet.put("^C\n", out),
            Edited::EndOfFile | Edited::Redraw => self.telnet.put("\n", out),
            Edited::Line { .. } | Edited::Going => {}
        }
        edited
    }

    /// Puts a text in the place of the line; it is drawn with the next prompt.
    pub(super) fn set_line(&mut self, text: &str) {
        self.editor.set(text);
    }

    /// The line as it is now.
    pub(super) fn line(&self) -> &str {
        self.editor.line()
    }

    /// Lets a line be found again.
    pub(super) fn remember(&mut self, line: &str) {
        self.editor.remember(line);
    }

    fn look(&self) -> Look {
        let prompt: usize = self.prompt.chars().map(width).sum();
        Look {
            columns: self.telnet.window().columns.saturating_sub(prompt + 1),
            charset: self.telnet.charset(),
            is_shown: self.telnet.echoes() && !self.is_secret,
        }
    }

    /// The next thing that came.
    pub(super) fn next(&mut self, input: &mut InBuf, out: &mut Vec<u8>) -> Option<Event> {
        self.telnet.next(input, out)
    }
}
