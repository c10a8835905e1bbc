//! What is wrong with a command line.

use std::fmt;

/// A line that is no command, and where that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandError {
    /// What is wrong.
    pub fault: CommandFault,
    /// The first byte of what is wrong, counted from the start of the line; the line's length where
    /// something is missing.
    pub offset: usize,
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandFault {
    /// The line has more than 510 bytes before its end.
    TooLong,
    /// No command has this keyword; so has an empty line.
    Unknown,
    /// The command has no variant of this name.
    Variant,
    /// An argument is missing.
    Missing,
    /// There is an argument too many.
    Extra,
    /// A byte that no command holds: NUL, CR, or what is not UTF-8.
    Byte,
    /// The line is one of HTTP: someone's page has led a browser here.
    Http,
    /// An argument is not of the form that it must have.
    Malformed(&'static str),
}

impl CommandError {
    /// The code of the answer: 400 for HTTP, 500 for what is unknown, 501 for what is badly said.
    pub fn code(&self) -> u16 {
        match self.fault {
            CommandFault::Http => 400,
            CommandFault::Unknown => 500,
            _ => 501,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            CommandFault::TooLong => f.write_str("line too long"),
            CommandFault::Unknown => f.write_str("unknown command"),
            CommandFault::Variant => f.write_str("unknown variant of this command"),
            CommandFault::Missing => f.write_str("an argument is missing"),
            CommandFault::Extra => f.write_str("too many arguments"),
            CommandFault::Byte => f.write_str("not UTF-8, or a NUL or CR within the line"),
            CommandFault::Http => f.write_str("HTTP is not spoken here"),
            CommandFault::Malformed(what) => write!(f, "this is no {what}"),
        }
    }
}

impl std::error::Error for CommandError {}
