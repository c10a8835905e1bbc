//! The login of Twisted's portals: a challenge is answered with MD5 over it and a digest that both
//! sides have. The name is that of a token, and the password its text (`bw_…`): what is kept of it
//! is its digest, which says nothing of 256 random bits. An account's password is never asked for.

use super::object::Rights;
use crate::accounts::{self, TokenId};
use crate::serve::Desk;
use crate::store::StoreError;
use std::cell::Cell;

/// The bytes of a challenge.
pub(super) const CHALLENGE_BYTES: usize = 16;
/// How many tokens of a name are tried, the first by their ids.
const TOKENS_MAX: usize = 128;

/// A challenge that was given, to be answered once.
#[derive(Debug)]
pub(super) struct Challenge {
    name: String,
    bytes: [u8; CHALLENGE_BYTES],
    is_answered: Cell<bool>,
}

impl Challenge {
    /// A new one for who says to have this name. A name that nobody has is challenged too.
    pub(super) fn new(name: &str) -> Result<Self, getrandom::Error> {
        let mut bytes = [0; CHALLENGE_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self { name: name.to_owned(), bytes, is_answered: Cell::new(false) })
    }

    /// What has to be answered.
    pub(super) fn bytes(&self) -> &[u8; CHALLENGE_BYTES] {
        &self.bytes
    }

    /// The rights of who answers so; none when that is wrong, or not the first answer.
    pub(super) fn rights<D: Desk>(
        &self,
        desk: &D,
        response: &[u8],
    ) -> Result<Option<Rights>, StoreError> {
        if self.is_answered.replace(true) || !accounts::is_account_name(&self.name) {
            return Ok(None);
        }
        let tokens = accounts::tokens_of(desk.store().index(), &self.name, TOKENS_MAX)?;
        let is_its = |digest: TokenId| digest.responds(&self.bytes, response);
        let found = tokens.into_iter().find(|token| is_its(token.digest));
        Ok(found.map(|token| Rights::Token(token.id)))
    }
}
