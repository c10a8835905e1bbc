//! What goes on over several lines: a question, an answer, perhaps a wait, the next question.

use super::find;
use super::login::Login;
use super::user::User;
use super::write::Write;
use crate::reactor::Ctx;
use crate::serve::Desk;

/// What a talk is handed: the loop, the node, who it is with, and where what it says goes.
pub(super) struct At<'a, 'c, D> {
    pub(super) cx: &'a mut Ctx<'c, D>,
    pub(super) desk: &'a mut D,
    pub(super) user: &'a mut User,
    pub(super) said: &'a mut String,
}

impl<D> At<'_, '_, D> {
    /// Says a line.
    pub(super) fn say(&mut self, text: impl AsRef<str>) {
        self.said.push_str(text.as_ref());
        self.said.push('\n');
    }
}

/// How it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// With the next line.
    Ask,
    /// With a notice, or after so many milliseconds with [`Talk::late`].
    Wait(u64),
    /// It is over.
    Over,
}

/// A talk under way.
#[derive(Debug)]
pub(super) enum Talk {
    Login(Login),
    Write(Box<Write>),
    /// A search, which waits for its answer.
    Find,
}

impl Talk {
    /// What stands before the next line, and whether nobody should see it.
    pub(super) fn prompt(&self) -> (String, bool) {
        match self {
            Self::Login(login) => login.prompt(),
            Self::Write(write) => (write.prompt(), false),
            Self::Find => (String::new(), false),
        }
    }

    /// The line that the next one replaces.
    pub(super) fn replaced(&self) -> Option<&str> {
        match self {
            Self::Write(write) => write.replaced(),
            Self::Login(_) | Self::Find => None,
        }
    }

    /// Goes to the line before or behind, where there is one to go to.
    pub(super) fn on_arrow<D: Desk>(
        &mut self,
        at: &mut At<'_, '_, D>,
        typed: &str,
        is_up: bool,
    ) -> bool {
        match self {
            Self::Write(write) => write.on_arrow(at, typed, is_up),
            Self::Login(_) | Self::Find => false,
        }
    }

    /// Takes a line. `shows_old`: what it replaces could be changed where it stood.
    pub(super) fn on_line<D: Desk>(
        &mut self,
        at: &mut At<'_, '_, D>,
        line: &str,
        shows_old: bool,
    ) -> Next {
        match self {
            Self::Login(login) => login.on_line(at, line),
            Self::Write(write) => write.on_line(at, line, shows_old),
            Self::Find => Next::Over,
        }
    }

    /// The user gives it up.
    pub(super) fn on_interrupt<D: Desk>(&mut self, at: &mut At<'_, '_, D>) -> Next {
        match self {
            Self::Write(write) => write.on_interrupt(at),
            Self::Login(_) | Self::Find => Next::Over,
        }
    }

    /// The user says nothing more.
    pub(super) fn on_end<D: Desk>(&mut self, at: &mut At<'_, '_, D>) -> Next {
        match self {
            Self::Write(write) => write.on_end(at),
            Self::Login(_) | Self::Find => Next::Over,
        }
    }

    /// Something that it may have waited for has come.
    pub(super) fn advance<D: Desk>(&mut self, at: &mut At<'_, '_, D>) -> Next {
        match self {
            Self::Login(login) => login.advance(at),
            Self::Write(write) => write.advance(at),
            Self::Find => find::advance(at),
        }
    }

    /// What it waits for has not come in time.
    pub(super) fn late<D: Desk>(&mut self, at: &mut At<'_, '_, D>) -> Next {
        match self {
            Self::Login(_) => at.say("This node is busy: try again soon."),
            Self::Write(_) => Write::late(at),
            Self::Find => at.say("This node's search is slow: try again soon."),
        }
        Next::Over
    }

    /// Nobody waits for its end any more.
    pub(super) fn forget<D: Desk>(&mut self, cx: &Ctx<'_, D>, desk: &mut D) {
        match self {
            Self::Login(login) => login.forget(desk),
            Self::Write(write) => write.forget(desk),
            Self::Find => desk.forget_search(cx.id()),
        }
    }
}
