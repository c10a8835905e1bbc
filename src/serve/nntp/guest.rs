//! Who is at the other end of a connection: nobody, until AUTHINFO (RFC 4643) says who. The
//! password may be a token. What they may do is looked up again before each write.

use crate::accounts::{self, Scopes, Token, TokenId};
use crate::reactor::Ctx;
use crate::serve::visitor::{Visitor, anyone, by_token_id};
use crate::serve::{CheckId, Denied, Desk, Verdict};
use crate::store::StoreError;
use crate::update::Cid;

/// What was shown.
#[derive(Debug)]
enum Proof {
    Nothing,
    Token(TokenId),
    /// The password of an account that stands as this act made it.
    Password(Cid),
}

/// Who asks.
#[derive(Debug)]
pub(super) struct Guest {
    /// As AUTHINFO USER said.
    name: String,
    proof: Proof,
    /// Nobody can listen: TLS, or a connection within this machine.
    is_safe: bool,
}

/// How AUTHINFO PASS went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignIn {
    /// To be answered so.
    Answer(u16, &'static str),
    /// The password is being checked.
    Wait(CheckId),
}

const GOOD: SignIn = SignIn::Answer(281, "welcome");
const WRONG: SignIn = SignIn::Answer(481, "wrong name or password");
/// Where no answer was to be had.
pub(super) const BUSY: SignIn = SignIn::Answer(403, "this can't be checked now: try again soon");

impl Guest {
    /// Nobody yet.
    pub(super) fn new(is_safe: bool) -> Self {
        Self { name: String::new(), proof: Proof::Nothing, is_safe }
    }

    /// What was shown is no good any more: somebody may sign in anew.
    pub(super) fn forget(&mut self) {
        self.proof = Proof::Nothing;
    }

    pub(super) fn is_safe(&self) -> bool {
        self.is_safe
    }

    /// True once somebody has signed in.
    pub(super) fn is_known(&self) -> bool {
        !matches!(self.proof, Proof::Nothing)
    }

    /// Who it is and what they may do now; nobody, if what was shown is no good any more.
    pub(super) fn visitor<D: Desk>(&self, desk: &D) -> Result<Visitor, StoreError> {
        let index = desk.store().index();
        let found = match self.proof {
            Proof::Nothing => None,
            Proof::Token(id) => by_token_id(desk, id)?,
            Proof::Password(act) => accounts::account(index, &self.name)?
                .filter(|account| account.act == act)
                .map(|account| Visitor {
                    name: account.name,
                    scopes: account.scopes,
                    ..Visitor::default()
                }),
        };
        let visitor = found.unwrap_or(Visitor { scopes: Scopes::READER, ..Visitor::default() });
        let scopes = visitor.scopes.or(anyone(desk, false));
        Ok(Visitor { scopes, ..visitor })
    }

    /// AUTHINFO USER.
    pub(super) fn user(&mut self, name: &str) -> (u16, &'static str) {
        if self.is_known() {
            return (502, "you have signed in before");
        }
        if !self.is_safe {
            return (483, "a password would be heard by others: use TLS");
        }
        name.clone_into(&mut self.name);
        (381, "and the password?")
    }

    /// AUTHINFO PASS.
    pub(super) fn pass<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        password: &str,
    ) -> SignIn {
        if self.is_known() {
            return SignIn::Answer(502, "you have signed in before");
        }
        if !self.is_safe {
            return SignIn::Answer(483, "a password would be heard by others: use TLS");
        }
        if self.name.is_empty() {
            return SignIn::Answer(482, "AUTHINFO USER comes first");
        }
        if let Some(token) = Token::parse(password) {
            return self.by_token(desk, token.id());
        }
        match desk.check_password(cx, &self.name, password.as_bytes()) {
            Ok(check) => SignIn::Wait(check),
            Err(Denied::Slower(_)) => SignIn::Answer(481, "too many were wrong: try again later"),
            Err(Denied::Busy) => BUSY,
        }
    }

    fn by_token<D: Desk>(&mut self, desk: &mut D, id: TokenId) -> SignIn {
        match by_token_id(desk, id) {
            Ok(Some(visitor)) if visitor.name == self.name => {
                self.proof = Proof::Token(id);
                desk.tally().on_sign_in("nntp token");
                GOOD
            }
            Ok(_) => WRONG,
            Err(error) => {
                log::error!("a token can't be looked up: {error}");
                BUSY
            }
        }
    }

    /// What a check came to; the check again while it is under way.
    pub(super) fn checked<D: Desk>(&mut self, desk: &mut D, check: CheckId) -> SignIn {
        match desk.checked(check) {
            None => SignIn::Wait(check),
            Some(Verdict::Good(account)) => {
                self.proof = Proof::Password(account.act);
                desk.tally().on_sign_in("nntp password");
                GOOD
            }
            Some(Verdict::Wrong) => WRONG,
            Some(Verdict::Busy) => BUSY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_taken_where_others_can_listen() {
        assert_eq!(Guest::new(false).user("ann").0, 483);
        assert_eq!(Guest::new(true).user("ann").0, 381);
    }
}
