//! One change of who may write; the payload of an update of kind account, as JSON.

use super::{PasswordHash, Scopes, TokenId, text};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The topic of acts. It is the herd's own: nothing else may be posted there.
pub const TOPIC_ACCOUNTS: &str = "accounts";
/// The longest name of an account, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "lowercase", deny_unknown_fields)]
pub enum Act {
    /// An account is made, or gets another password or other scopes. Sessions that began before
    /// are over.
    Account {
        /// Its name.
        name: String,
        /// The hash of its password.
        #[serde(with = "text")]
        password: PasswordHash,
        /// What it may do.
        #[serde(with = "text")]
        scopes: Scopes,
    },
    /// An account is removed, and with it every token of that name made before.
    Remove {
        /// Its name.
        name: String,
    },
    /// A token is made.
    Token {
        /// A hash of its secret.
        #[serde(with = "text")]
        id: TokenId,
        /// Who writes with it. There need not be an account of this name.
        name: String,
        /// What it may do.
        #[serde(with = "text")]
        scopes: Scopes,
        /// MD5 of its text, for challenges that are answered with that: 32 hex digits. The secret
        /// is 256 random bits, so it can't be guessed from this, as a password could.
        #[serde(with = "text")]
        digest: TokenId,
    },
    /// A token is good no longer, for ever.
    Revoke {
        /// Its id.
        #[serde(with = "text")]
        id: TokenId,
    },
}

/// Why bytes are not an act. It quotes nothing of them: they may hold a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActError {
    /// They are not the JSON of one; the line and column where that shows.
    Json(usize, usize),
    /// Not what [`is_account_name`] wants.
    Name,
}

impl fmt::Display for ActError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(line, column) => {
                write!(f, "not an act on accounts: line {line}, column {column}")
            }
            Self::Name => f.write_str("a name has 1 to 64 bytes, without white space"),
        }
    }
}

impl std::error::Error for ActError {}

/// True for 1 to 64 bytes of text without white space and control characters.
pub fn is_account_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && !name.contains(|c: char| c.is_whitespace() || c.is_control())
}

impl Act {
    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Self, ActError> {
        let act: Self = serde_json::from_slice(payload)
            .map_err(|error| ActError::Json(error.line(), error.column()))?;
        match &act {
            Self::Account { name, .. } | Self::Remove { name } | Self::Token { name, .. }
                if !is_account_name(name) =>
            {
                Err(ActError::Name)
            }
            _ => Ok(act),
        }
    }

    /// The payload that [`Act::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        // Texts can't fail to be written.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Token;

    fn acts() -> Vec<Act> {
        let token = Token::of([3; 32]);
        let name = "ann".to_owned();
        vec![
            Act::Account {
                name: name.clone(),
                password: PasswordHash::stand_in(),
                scopes: Scopes::WRITER,
            },
            Act::Remove { name: name.clone() },
            Act::Token { id: token.id(), name, scopes: Scopes::ALL, digest: token.digest() },
            Act::Revoke { id: token.id() },
        ]
    }

    #[test]
    fn acts_come_back_from_their_json() {
        for act in acts() {
            assert_eq!(Act::decode(&act.encode()), Ok(act));
        }
    }

    #[test]
    fn what_is_no_act_is_refused_and_not_quoted() {
        for bad in [
            &b""[..],
            b"{}",
            br#"{"act":"account","name":"a","password":"hunter2","scopes":"read"}"#,
            br#"{"act":"revoke","id":"hunter2"}"#,
            br#"{"act":"remove","name":"a","hunter2":1}"#,
        ] {
            let error = Act::decode(bad).unwrap_err();
            assert!(matches!(error, ActError::Json(..)), "{error:?}");
            assert!(!error.to_string().contains("hunter2"));
        }
        for name in ["", "a b", "a\n", &"x".repeat(65)] {
            let act = Act::Remove { name: name.to_owned() };
            assert_eq!(Act::decode(&act.encode()), Err(ActError::Name), "{name:?}");
        }
    }

    #[test]
    fn a_hash_is_not_in_what_is_printed_of_an_act() {
        let act = &acts()[0];
        let hash = PasswordHash::stand_in().to_string();
        assert!(!format!("{act:?}").contains(&hash[40..]));
    }
}
