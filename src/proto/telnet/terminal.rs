//! The other end of a connection as a terminal: a Network Virtual Terminal (RFC 854) with what was
//! negotiated on top of it.
//!
//! Order of calls: [`Telnet::begin`] once, then [`Telnet::next`] while it gives events; text is
//! encoded by [`Telnet::put`] at any time. Whatever has to be answered goes to `out` as it comes.

use super::charset::{Charset, CharsetTalk};
use super::command::{Command, IAC, SB, SE, option};
use super::decoder::{Decoder, Wire};
use super::keys::{Key, Keys};
use super::options::{Changed, Options, Side};
use crate::base::InBuf;

/// The name of a terminal has at most so many characters (RFC 1091: 40).
const TERMINAL_CHARS_MAX: usize = 40;
const TTYPE_IS: u8 = 0;
const TTYPE_SEND: u8 = 1;

/// A terminal's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Characters in a row: 20 to 500.
    pub columns: usize,
    /// Rows: 4 to 200.
    pub rows: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { columns: 80, rows: 24 }
    }
}

impl Window {
    /// The window of two numbers that came; 0 says nothing (RFC 1073), and what is beyond sense is
    /// brought within it.
    fn of(columns: u16, rows: u16) -> Self {
        let or = |number: u16, default| if number == 0 { default } else { usize::from(number) };
        let default = Self::default();
        Self {
            columns: or(columns, default.columns).clamp(20, 500),
            rows: or(rows, default.rows).clamp(4, 200),
        }
    }
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A key.
    Key(Key),
    /// Someone asks whether we are there: they are to be told so.
    AreYouThere,
    /// What is being shown is not wanted any more.
    AbortOutput,
    /// From now on we show what is typed, or no more.
    Echo(bool),
    /// The window's size is known, or another.
    Resized,
}

/// One connection's codec.
#[derive(Clone, Debug, Default)]
pub struct Telnet {
    decoder: Decoder,
    options: Options,
    keys: Keys,
    talk: CharsetTalk,
    /// What the user said against all talk.
    chosen: Option<Charset>,
    window: Window,
    terminal: Box<str>,
    /// The other end has negotiated: it speaks Telnet.
    has_spoken: bool,
}

impl Telnet {
    /// At a connection's first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what we would like: to echo, no "go ahead", eight bits, and to know the terminal.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let wishes = [
            (Side::Us, option::ECHO),
            (Side::Us, option::SGA),
            (Side::Them, option::SGA),
            (Side::Them, option::NAWS),
            (Side::Them, option::TTYPE),
            (Side::Us, option::BINARY),
            (Side::Them, option::BINARY),
            (Side::Us, option::CHARSET),
        ];
        for (side, option) in wishes {
            self.options.ask(side, option, true, out);
        }
    }

    /// True while we are to show what is typed.
    pub fn echoes(&self) -> bool {
        self.options.is_on(Side::Us, option::ECHO)
    }

    /// The window, 80 by 24 unless it is known.
    pub fn window(&self) -> Window {
        self.window
    }

    /// What kind of terminal it is, in printable US-ASCII; empty when it has not said so.
    pub fn terminal(&self) -> &str {
        &self.terminal
    }

    /// In which characters both ends speak now.
    pub fn charset(&self) -> Charset {
        let is_seven_bits = self.options.is_refused(Side::Us, option::BINARY);
        let default = if is_seven_bits { Charset::Ascii } else { Charset::Utf8 };
        self.chosen.or(self.talk.settled()).unwrap_or(default)
    }

    /// The user knows better.
    pub fn choose(&mut self, charset: Charset) {
        self.chosen = Some(charset);
    }

    /// Appends a text: a line feed ends a line, every other character goes as it is. None may be a
    /// control character but BEL and BS.
    pub fn put(&self, text: &str, out: &mut Vec<u8>) {
        let charset = self.charset();
        for c in text.chars() {
            match c {
                '\n' => out.extend_from_slice(b"\r\n"),
                '\u{7}' | '\u{8}' => out.push(c as u8),
                c => {
                    debug_assert!(!c.is_control(), "a control character for a terminal");
                    charset.put(c, out);
                }
            }
        }
    }

    /// Appends what does nothing, to one that would not show it.
    pub fn put_nothing(&self, out: &mut Vec<u8>) {
        if self.has_spoken {
            out.extend_from_slice(&[IAC, Command::Nop.code()]);
        }
    }

    /// The next event; none when all bytes are taken.
    pub fn next(&mut self, input: &mut InBuf, out: &mut Vec<u8>) -> Option<Event> {
        input.take_by(|bytes| {
            for (at, byte) in bytes.iter().enumerate() {
                let event = self.on_byte(*byte, out);
                if event.is_some() {
                    return (at + 1, event);
                }
            }
            (bytes.len(), None)
        })
    }

    fn on_byte(&mut self, byte: u8, out: &mut Vec<u8>) -> Option<Event> {
        match self.decoder.on_byte(byte)? {
            Wire::Byte(byte) => self.keys.on_byte(byte, self.charset()).map(Event::Key),
            Wire::Command(command) => on_command(command),
            Wire::Negotiate(verb, option) => {
                self.has_spoken = true;
                let changed = self.options.on_word(verb, option, out)?;
                self.on_changed(changed, out)
            }
            Wire::Sub(option, said) => self.on_sub(option, &said, out),
        }
    }

    fn on_changed(&mut self, changed: Changed, out: &mut Vec<u8>) -> Option<Event> {
        match (changed.side, changed.option, changed.is_on) {
            (Side::Us, option::ECHO, is_on) => return Some(Event::Echo(is_on)),
            (Side::Us, option::CHARSET, true) => self.talk.request(out),
            (Side::Them, option::TTYPE, true) => {
                out.extend_from_slice(&[IAC, SB, option::TTYPE, TTYPE_SEND, IAC, SE]);
            }
            _ => {}
        }
        None
    }

    fn on_sub(&mut self, option: u8, said: &[u8], out: &mut Vec<u8>) -> Option<Event> {
        match (option, said) {
            (option::NAWS, [c1, c2, r1, r2]) => {
                let number = |high: &u8, low: &u8| u16::from_be_bytes([*high, *low]);
                self.window = Window::of(number(c1, c2), number(r1, r2));
                return Some(Event::Resized);
            }
            (option::TTYPE, [TTYPE_IS, name @ ..]) => {
                let printable = name.iter().filter(|byte| byte.is_ascii_graphic());
                let name = printable.take(TERMINAL_CHARS_MAX).map(|byte| char::from(*byte));
                self.terminal = name.collect::<String>().into_boxed_str();
            }
            (option::CHARSET, said) => self.talk.on_sub(said, out),
            _ => {}
        }
        None
    }
}

fn on_command(command: Command) -> Option<Event> {
    Some(match command {
        Command::Interrupt | Command::Break | Command::Abort => Event::Key(Key::Interrupt),
        Command::EndOfFile => Event::Key(Key::EndOfFile),
        Command::EraseCharacter => Event::Key(Key::Backspace),
        Command::EraseLine => Event::Key(Key::EraseStart),
        Command::AreYouThere => Event::AreYouThere,
        Command::AbortOutput => Event::AbortOutput,
        Command::Suspend
        | Command::EndOfRecord
        | Command::Nop
        | Command::DataMark
        | Command::GoAhead => return None,
    })
}
