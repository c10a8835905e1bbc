//! Who someone has shown to be, where that is asked for again and again: what a connection that
//! lasts keeps of its request. A token can be revoked and a session ends; what was shown at the
//! beginning is looked at anew before each write.

use super::admit::unknown_token;
use super::problem::Problem;
use crate::accounts::{Scopes, Token, TokenId};
use crate::serve::Desk;
use crate::serve::visitor::{self, Visitor};

/// What was shown.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// Nothing.
    Nothing,
    /// A token, by what it is known by.
    Token(TokenId),
    /// The pass of a program on this machine.
    Pass(String),
    /// A session's text.
    Session(String),
}

impl Proof {
    /// What a bearer token is; `None` for what can't be one from there.
    pub(super) fn of_token(text: &str, is_at_hand: bool) -> Option<Self> {
        match Token::parse(text) {
            Some(token) => Some(Self::Token(token.id())),
            None => is_at_hand.then(|| Self::Pass(text.to_owned())),
        }
    }
}

/// What was shown, and what anyone may do who comes from there.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Standing {
    pub(super) proof: Proof,
    pub(super) floor: Scopes,
}

impl Standing {
    /// Who it is now. 401 when it was a token and is no good, or no more; who had a session that is
    /// over is nobody.
    pub(in crate::serve) fn visitor<D: Desk>(
        &self,
        desk: &mut D,
        wall_ms: u64,
    ) -> Result<Visitor, Problem> {
        let found = match &self.proof {
            Proof::Nothing => None,
            Proof::Session(text) => visitor::by_session(desk, text, wall_ms)?,
            Proof::Token(id) => Some(visitor::by_token_id(desk, *id)?.ok_or_else(unknown_token)?),
            Proof::Pass(text) => {
                Some(visitor::by_pass(desk, text, wall_ms).ok_or_else(unknown_token)?)
            }
        };
        let visitor = found.unwrap_or_default();
        let scopes = visitor.scopes.or(self.floor);
        Ok(Visitor { scopes, ..visitor })
    }
}
