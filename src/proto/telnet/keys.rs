//! Keys out of a terminal's bytes: characters in its character set, control characters, and the
//! sequences that terminals send for arrows and the like (ECMA-48, as xterm and VT220 do).
//!
//! The end of a line is CR LF, CR NUL, CR or LF (RFC 854; clients send all four): a CR is the key
//! at once, and an LF or NUL right behind it is part of it. So nothing waits for more bytes.

use super::charset::Charset;

/// Parameters of an escape sequence beyond this many bytes are not kept.
const PARAMETER_BYTES_MAX: usize = 8;

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character that is no control character.
    Char(char),
    /// The end of a line.
    Enter,
    /// Tab.
    Tab,
    /// Erases the character before the cursor.
    Backspace,
    /// Erases the character at the cursor.
    Delete,
    /// One to the left.
    Left,
    /// One to the right.
    Right,
    /// The line before.
    Up,
    /// The line behind.
    Down,
    /// The line's start.
    Home,
    /// The line's end.
    End,
    /// A word to the left.
    WordLeft,
    /// A word to the right.
    WordRight,
    /// Erases what is before the cursor (^U, EL).
    EraseStart,
    /// Erases what is behind the cursor (^K).
    EraseEnd,
    /// Erases the word before the cursor (^W).
    EraseWord,
    /// ^C, IP, BRK, ABORT.
    Interrupt,
    /// ^D, EOF: the end where the line is empty, else as [`Key::Delete`].
    EndOfFile,
    /// Draws the line anew (^L).
    Redraw,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    /// Behind a CR.
    Return,
    /// Behind an ESC.
    Escape,
    /// Behind ESC O.
    Shifted,
    /// Behind ESC [.
    Sequence,
}

/// Makes keys out of bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    state: State,
    parameters: [u8; PARAMETER_BYTES_MAX],
    kept: u8,
    /// A character of several bytes under way: those that came, and how many they are to be.
    utf8: [u8; 4],
    have: u8,
    want: u8,
}

impl Keys {
    /// Takes a byte of text. A character whose bytes end early is none.
    pub(super) fn on_byte(&mut self, byte: u8, charset: Charset) -> Option<Key> {
        if !(0x80..0xc0).contains(&byte) {
            self.want = 0;
        }
        self.on_start(byte, charset)
    }

    fn on_start(&mut self, byte: u8, charset: Charset) -> Option<Key> {
        match std::mem::take(&mut self.state) {
            State::Return if matches!(byte, b'\n' | 0) => None,
            State::Plain | State::Return => self.on_plain(byte, charset),
            State::Escape => self.on_escape(byte, charset),
            State::Shifted => shifted(byte),
            State::Sequence => self.on_sequence(byte),
        }
    }

    fn on_plain(&mut self, byte: u8, charset: Charset) -> Option<Key> {
        match byte {
            0x80.. => self.on_high(byte, charset),
            b' '..=b'~' => Some(Key::Char(char::from(byte))),
            b'\r' => {
                self.state = State::Return;
                Some(Key::Enter)
            }
            0x1b => {
                self.state = State::Escape;
                self.kept = 0;
                None
            }
            _ => control(byte),
        }
    }

    /// A byte that is not of US-ASCII.
    fn on_high(&mut self, byte: u8, charset: Charset) -> Option<Key> {
        match charset {
            Charset::Ascii => Some(Key::Char(char::REPLACEMENT_CHARACTER)),
            Charset::Latin1 => Some(char::from(byte)).filter(|c| !c.is_control()).map(Key::Char),
            Charset::Utf8 => self.on_utf8(byte),
        }
    }

    fn on_utf8(&mut self, byte: u8) -> Option<Key> {
        if self.want == 0 {
            self.want = match byte {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return Some(Key::Char(char::REPLACEMENT_CHARACTER)),
            };
            self.have = 0;
        }
        self.utf8[usize::from(self.have)] = byte;
        self.have += 1;
        if self.have < self.want {
            return None;
        }
        self.want = 0;
        let text = std::str::from_utf8(&self.utf8[..usize::from(self.have)]);
        let c = text.ok().and_then(|text| text.chars().next());
        let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
        // The control characters of C1 are keys of nothing.
        (!c.is_control()).then_some(Key::Char(c))
    }

    fn on_escape(&mut self, byte: u8, charset: Charset) -> Option<Key> {
        match byte {
            b'[' => self.state = State::Sequence,
            b'O' => self.state = State::Shifted,
            b'b' | b'B' => return Some(Key::WordLeft),
            b'f' | b'F' => return Some(Key::WordRight),
            0x08 | 0x7f => return Some(Key::EraseWord),
            // Whatever else it was to mean, a line's end is one.
            b'\r' | b'\n' | 0x1b | 0x03 | 0x04 | 0x80.. => return self.on_plain(byte, charset),
            _ => {}
        }
        None
    }

    /// Parameters, intermediates, and the byte that ends it (ECMA-48, 5.4).
    fn on_sequence(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b' '..=b'?' => {
                if let Some(place) = self.parameters.get_mut(usize::from(self.kept)) {
                    *place = byte;
                    self.kept += 1;
                }
                self.state = State::Sequence;
                None
            }
            b'@'..=b'~' => self.sequence(byte),
            // No part of a sequence: it was none.
            _ => self.on_plain(byte, Charset::Ascii),
        }
    }

    fn sequence(&self, end: u8) -> Option<Key> {
        let parameters = &self.parameters[..usize::from(self.kept)];
        // With Control or Alt: `1;5D`.
        let by_words = matches!(parameters, [b'1', b';', b'3' | b'5' | b'7']);
        match (end, parameters) {
            (b'D', _) if by_words => Some(Key::WordLeft),
            (b'C', _) if by_words => Some(Key::WordRight),
            (b'~', b"3") => Some(Key::Delete),
            (b'~', b"1" | b"7") => Some(Key::Home),
            (b'~', b"4" | b"8") => Some(Key::End),
            (b'~', _) => None,
            _ => shifted(end),
        }
    }
}

/// The keys that ESC O and ESC [ have alike.
fn shifted(end: u8) -> Option<Key> {
    match end {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        b'C' => Some(Key::Right),
        b'D' => Some(Key::Left),
        b'H' => Some(Key::Home),
        b'F' => Some(Key::End),
        b'M' => Some(Key::Enter),
        _ => None,
    }
}

fn control(byte: u8) -> Option<Key> {
    let key = match byte {
        0x01 => Key::Home,
        0x02 => Key::Left,
        0x03 => Key::Interrupt,
        0x04 => Key::EndOfFile,
        0x05 => Key::End,
        0x06 => Key::Right,
        0x08 | 0x7f => Key::Backspace,
        0x09 => Key::Tab,
        0x0a => Key::Enter,
        0x0b => Key::EraseEnd,
        0x0c => Key::Redraw,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x15 => Key::EraseStart,
        0x17 => Key::EraseWord,
        _ => return None,
    };
    Some(key)
}
