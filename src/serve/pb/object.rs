//! What a client can call: the root, avatars that it got by a login, and the challenges on the way
//! there. The root and all avatars have the same methods; they differ in what they may do.

use super::login::Challenge;
use crate::accounts::{Scopes, TokenId};
use crate::proto::http::Status;
use crate::serve::Desk;
use crate::serve::http::Problem;
use crate::serve::visitor::{Visitor, anyone, by_token_id};
use std::rc::Rc;

/// An object of ours.
#[derive(Clone, Debug)]
pub(super) enum Object {
    /// What everyone begins with.
    Root,
    /// What a login gave.
    Avatar(Rights),
    /// What a login has to answer.
    Challenger(Rc<Challenge>),
}

/// By what a caller may do what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    /// What anyone may do at this node.
    Anyone,
    /// To read.
    Reader,
    /// What this token allows, while it is good.
    Token(TokenId),
}

impl Rights {
    /// Who calls. It is asked for at each call that needs to know: tokens are revoked.
    pub(super) fn visitor<D: Desk>(self, desk: &D) -> Result<Visitor, Problem> {
        let nobody = |scopes| Visitor { scopes, ..Visitor::default() };
        match self {
            Self::Anyone => Ok(nobody(anyone(desk, false))),
            Self::Reader => Ok(nobody(Scopes::READER)),
            Self::Token(id) => {
                let visitor = by_token_id(desk, id)?.ok_or_else(|| {
                    Problem::new(Status::UNAUTHORIZED, "the token of this login was revoked")
                })?;
                let scopes = visitor.scopes.or(anyone(desk, false));
                Ok(Visitor { scopes, ..visitor })
            }
        }
    }
}
