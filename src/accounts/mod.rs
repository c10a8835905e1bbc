//! Layer 2: who may write. Accounts with passwords, tokens for programs, and what either may do.
//!
//! Each change is an act: an update of its own kind that floods like any other, so an account made
//! at one node is good at all. What all acts together say stands in the index, a row an account and
//! a row a token, each a function of the set of its acts: of an account the last counts, by clock
//! and id; who was removed loses every token made before; a token once revoked stays so. Nothing
//! here is kept in memory, so there is no number of accounts that is too many.
//!
//! Passwords are kept as argon2id hashes. Acts are shown to no reader; see `Kind::Account`.

mod act;
mod password;
mod rows;
mod scopes;
mod session;
mod slowdown;
mod text;
mod token;

pub use act::{Act, ActError, TOPIC_ACCOUNTS, is_account_name};
pub use password::{BadHash, PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, PasswordHash};
pub use rows::{Account, TokenRow, account, accounts, enter, token, tokens, tokens_of};
pub use scopes::{Scope, Scopes, UnknownScope};
pub use session::{Pass, Session, Signed};
pub use slowdown::{Slowdown, Wait};
pub use token::{BadTokenId, Token, TokenId};
