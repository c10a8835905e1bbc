//! A command that waits for the answers to what was fed before it: they come first.

use super::NntpConnection;
use crate::proto::nntp::{Command, CommandError};
use crate::reactor::Ctx;
use crate::serve::Desk;

/// A command that outlives the input buffer.
#[derive(Debug)]
pub(super) enum Held {
    /// Its line.
    Line(String),
    /// It is none.
    Fault(CommandError),
}

impl NntpConnection {
    /// Takes a command. What belongs to the stream of a feeder is never held: it waits by itself.
    pub(super) fn take_or_hold<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        command: Result<Command<'_>, CommandError>,
    ) {
        let is_streamed = self.codec.is_in_block()
            || matches!(command, Ok(Command::Check(_) | Command::TakeThis(_)));
        let is_fed = self.transit.as_ref().is_none_or(|transit| transit.is_idle());
        if is_streamed || is_fed {
            return self.command(cx, desk, command);
        }
        self.held = Some(match command {
            Ok(command) => Held::Line(command.to_string()),
            Err(fault) => Held::Fault(fault),
        });
    }

    /// Takes the command that was held, once it may be answered.
    pub(super) fn release<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        if self.transit.as_ref().is_some_and(|transit| !transit.is_idle()) {
            return;
        }
        match self.held.take() {
            Some(Held::Line(line)) => self.command(cx, desk, Command::parse(line.as_bytes())),
            Some(Held::Fault(fault)) => self.command(cx, desk, Err(fault)),
            None => {}
        }
    }
}
