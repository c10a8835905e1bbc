//! `login`: a name, and a password or a token that nobody else sees.

use super::talk::{At, Next};
use super::user::Shown;
use crate::accounts::{PASSWORD_BYTES_MAX, Token, is_account_name};
use crate::serve::visitor::by_token_id;
use crate::serve::{CheckId, Denied, Desk, Verdict};

/// A password that takes longer to be checked is not waited for.
const CHECK_MS_MAX: u64 = 60_000;

/// A login under way.
#[derive(Debug)]
pub(super) struct Login {
    /// Empty until it is given.
    name: String,
    check: Option<CheckId>,
}

impl Login {
    /// Asks for what is missing of a name and a password.
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), check: None }
    }

    pub(super) fn prompt(&self) -> (String, bool) {
        if self.name.is_empty() {
            ("Name: ".to_owned(), false)
        } else {
            (format!("Password or token of {}: ", self.name), true)
        }
    }

    pub(super) fn on_line<D: Desk>(&mut self, at: &mut At<'_, '_, D>, line: &str) -> Next {
        if self.name.is_empty() {
            line.trim().clone_into(&mut self.name);
            return if self.name.is_empty() { Next::Over } else { Next::Ask };
        }
        match Token::parse(line.trim()) {
            Some(token) => self.by_token(at, &token),
            None => self.by_password(at, line),
        }
    }

    fn by_token<D: Desk>(&self, at: &mut At<'_, '_, D>, token: &Token) -> Next {
        let id = token.id();
        let visitor = by_token_id(at.desk, id).unwrap_or_else(|error| {
            log::error!("a token can't be looked up: {error}");
            None
        });
        if visitor.is_some_and(|visitor| visitor.name == self.name) {
            return self.welcome(at, Shown::Token(id));
        }
        Self::wrong(at)
    }

    fn by_password<D: Desk>(&mut self, at: &mut At<'_, '_, D>, password: &str) -> Next {
        if !is_account_name(&self.name) || password.len() > PASSWORD_BYTES_MAX {
            return Self::wrong(at);
        }
        match at.desk.check_password(at.cx, &self.name, password.as_bytes()) {
            Ok(check) => {
                self.check = Some(check);
                Next::Wait(CHECK_MS_MAX)
            }
            Err(Denied::Slower(ms)) => {
                at.desk.tally().on_sign_in("slowed");
                at.say(format!("Too many were wrong: try again in {} seconds.", ms.div_ceil(1000)));
                Next::Over
            }
            Err(Denied::Busy) => busy(at),
        }
    }

    pub(super) fn advance<D: Desk>(&mut self, at: &mut At<'_, '_, D>) -> Next {
        let Some(check) = self.check else { return Next::Over };
        let Some(verdict) = at.desk.checked(check) else { return Next::Wait(CHECK_MS_MAX) };
        self.check = None;
        match verdict {
            Verdict::Good(account) => self.welcome(at, Shown::Password(account.name, account.act)),
            Verdict::Wrong => Self::wrong(at),
            Verdict::Busy => busy(at),
        }
    }

    fn welcome<D: Desk>(&self, at: &mut At<'_, '_, D>, shown: Shown) -> Next {
        at.user.shown = shown;
        let scopes = at.user.visitor(at.desk).scopes;
        at.desk.sessions().name(at.cx.id(), &self.name);
        at.desk.tally().on_sign_in("good");
        at.say(format!("Welcome, {}. You may: {scopes}.", self.name));
        Next::Over
    }

    fn wrong<D: Desk>(at: &mut At<'_, '_, D>) -> Next {
        at.desk.tally().on_sign_in("wrong");
        let from = at.cx.transport().peer();
        log::info!("someone at {from} has not logged in: wrong name or password");
        at.say("This name and this password do not match.");
        Next::Over
    }

    pub(super) fn forget<D: Desk>(&mut self, desk: &mut D) {
        if let Some(check) = self.check.take() {
            desk.checked(check);
        }
    }
}

fn busy<D: Desk>(at: &mut At<'_, '_, D>) -> Next {
    at.desk.tally().on_sign_in("busy");
    at.say("Too many log in at this moment: try again soon.");
    Next::Over
}
