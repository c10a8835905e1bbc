//! The bytes behind an IAC, and the options that are spoken of (IANA's registry).

/// Interpret as command.
pub(super) const IAC: u8 = 255;
/// Begins a subnegotiation.
pub(super) const SB: u8 = 250;
/// Ends it.
pub(super) const SE: u8 = 240;

/// What is said about an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// I will, or I do.
    Will,
    /// I will not.
    Wont,
    /// Please do, or do so.
    Do,
    /// Do not.
    Dont,
}

impl Verb {
    /// Its byte.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Will => 251,
            Self::Wont => 252,
            Self::Do => 253,
            Self::Dont => 254,
        }
    }

    /// The verb of a byte.
    pub(crate) fn of(byte: u8) -> Option<Self> {
        [Self::Will, Self::Wont, Self::Do, Self::Dont].into_iter().find(|verb| verb.code() == byte)
    }
}

/// A command without an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// EOF (RFC 1184): the end of what is sent.
    EndOfFile,
    /// SUSP (RFC 1184): stop the job. There is none.
    Suspend,
    /// ABORT (RFC 1184): end the job.
    Abort,
    /// End of record (RFC 885).
    EndOfRecord,
    /// Does nothing.
    Nop,
    /// The end of a Synch.
    DataMark,
    /// The break key.
    Break,
    /// Interrupt process.
    Interrupt,
    /// Abort output.
    AbortOutput,
    /// Are you there?
    AreYouThere,
    /// Erase character.
    EraseCharacter,
    /// Erase line.
    EraseLine,
    /// Go ahead.
    GoAhead,
}

impl Command {
    const ALL: [Self; 13] = [
        Self::EndOfFile,
        Self::Suspend,
        Self::Abort,
        Self::EndOfRecord,
        Self::Nop,
        Self::DataMark,
        Self::Break,
        Self::Interrupt,
        Self::AbortOutput,
        Self::AreYouThere,
        Self::EraseCharacter,
        Self::EraseLine,
        Self::GoAhead,
    ];

    /// Its byte.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::EndOfFile => 236,
            Self::Suspend => 237,
            Self::Abort => 238,
            Self::EndOfRecord => 239,
            Self::Nop => 241,
            Self::DataMark => 242,
            Self::Break => 243,
            Self::Interrupt => 244,
            Self::AbortOutput => 245,
            Self::AreYouThere => 246,
            Self::EraseCharacter => 247,
            Self::EraseLine => 248,
            Self::GoAhead => 249,
        }
    }

    /// The command of a byte.
    pub(crate) fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.code() == byte)
    }
}

/// The options that this side speaks of.
pub(crate) mod option {
    /// All eight bits of a byte (RFC 856).
    pub(crate) const BINARY: u8 = 0;
    /// The sender of WILL echoes (RFC 857).
    pub(crate) const ECHO: u8 = 1;
    /// No "go ahead" (RFC 858).
    pub(crate) const SGA: u8 = 3;
    /// What kind of terminal it is (RFC 1091).
    pub(crate) const TTYPE: u8 = 24;
    /// How large its window is (RFC 1073).
    pub(crate) const NAWS: u8 = 31;
    /// Which character set is used (RFC 2066).
    pub(crate) const CHARSET: u8 = 42;
}
