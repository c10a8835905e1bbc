//! Why a command ended without doing what it was asked: what to print and which code to exit with.

use std::fmt;
use std::io;

/// The end of a command that did not succeed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The command line asks for help: not a failure, but the end of parsing.
    Help,
    /// The command line is wrong; exit code 2.
    Usage(String),
    /// It could not be done; exit code 1. The line says what to do.
    Failed(String),
    /// Whoever read our output went away: end quietly.
    PipeClosed,
}

impl Failure {
    /// A wrong command line.
    pub(crate) fn usage(line: impl Into<String>) -> Self {
        Self::Usage(line.into())
    }

    /// Something that could not be done.
    pub(crate) fn failed(line: impl Into<String>) -> Self {
        Self::Failed(line.into())
    }

    /// What the process exits with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Help | Self::PipeClosed => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
        }
    }
}

impl fmt::Display for Failure {
    /// One line, whatever a server or a file name put into it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Help => f.write_str("see --help"),
            Self::PipeClosed => f.write_str("the reader of the output went away"),
            Self::Usage(line) | Self::Failed(line) => f.write_str(&one_line(line)),
        }
    }
}

impl From<io::Error> for Failure {
    /// For writes to stdout; errors of files are given their name and a `Failed` where they occur.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::PipeClosed
        } else {
            Self::Failed(format!("cannot write the output: {error}"))
        }
    }
}

/// `text` with every run of white space and control characters as one space.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_and_a_closed_pipe_is_no_error() {
        assert_eq!(Failure::failed("a\r\n b\u{1b}[2J").to_string(), "a b [2J");
        let closed = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((closed.exit_code(), closed), (0, Failure::PipeClosed));
        assert_eq!(Failure::from(io::Error::other("full")).exit_code(), 1);
        assert_eq!(Failure::usage("x").exit_code(), 2);
    }
}
