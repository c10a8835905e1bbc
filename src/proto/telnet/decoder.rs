//! Bytes into text, commands and negotiations (RFC 854, 855). Takes a byte at a time, so that it is
//! the same however they are cut.

use super::command::{Command, IAC, SB, SE, Verb};

/// The longest subnegotiation that is listened to, in bytes; of a longer one nothing is.
pub(crate) const SUB_BYTES_MAX: usize = 512;

/// What a byte completes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// A byte of text.
    Byte(u8),
    /// A command.
    Command(Command),
    /// A word about an option.
    Negotiate(Verb, u8),
    /// What an option's own protocol says: the option, and the bytes with IAC undoubled.
    Sub(u8, Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    Iac,
    Negotiate(Verb),
    SubOption,
    Sub(u8),
    SubIac(u8),
}

/// Finds the commands among a connection's bytes.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    state: State,
    /// Of the subnegotiation under way, at most [`SUB_BYTES_MAX`] and one more.
    sub: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// At a connection's first byte.
    pub(crate) fn new() -> Self {
        Self { state: State::Text, sub: Vec::new() }
    }

    /// Takes a byte.
    pub(crate) fn on_byte(&mut self, byte: u8) -> Option<Wire> {
        match self.state {
            State::Text if byte == IAC => self.go(State::Iac),
            State::Text => Some(Wire::Byte(byte)),
            State::Iac => self.on_command(byte),
            State::Negotiate(verb) => {
                self.state = State::Text;
                Some(Wire::Negotiate(verb, byte))
            }
            State::SubOption => self.go(State::Sub(byte)),
            State::Sub(option) if byte == IAC => self.go(State::SubIac(option)),
            State::Sub(_) => {
                self.keep(byte);
                None
            }
            State::SubIac(option) => self.on_sub_command(option, byte),
        }
    }

    fn go(&mut self, state: State) -> Option<Wire> {
        self.state = state;
        None
    }

    fn keep(&mut self, byte: u8) {
        if self.sub.len() <= SUB_BYTES_MAX {
            self.sub.push(byte);
        }
    }

    fn on_command(&mut self, byte: u8) -> Option<Wire> {
        self.state = State::Text;
        if let Some(verb) = Verb::of(byte) {
            return self.go(State::Negotiate(verb));
        }
        match byte {
            IAC => Some(Wire::Byte(IAC)),
            SB => {
                self.sub = Vec::new();
                self.go(State::SubOption)
            }
            // Nothing that could be ended.
            SE => None,
            // A Synch's mark goes as urgent data, which some ways swallow: its IAC is then left
            // alone before a byte that is none of a command.
            _ => Some(Command::of(byte).map_or(Wire::Byte(byte), Wire::Command)),
        }
    }

    /// A subnegotiation ends with SE. A command within it ends it, too, unheard: who sends that has
    /// lost the thread.
    fn on_sub_command(&mut self, option: u8, byte: u8) -> Option<Wire> {
        if byte == IAC {
            self.keep(IAC);
            return self.go(State::Sub(option));
        }
        let sub = std::mem::take(&mut self.sub);
        if byte != SE {
            return self.on_command(byte);
        }
        self.state = State::Text;
        (sub.len() <= SUB_BYTES_MAX).then_some(Wire::Sub(option, sub))
    }
}
