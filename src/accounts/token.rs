//! Tokens: what a program shows instead of a password. `bw_` and 256 random bits.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use md5::{Digest, Md5};
use std::fmt;
use std::str::FromStr;

const PREFIX: &str = "bw_";

/// A token as its owner has it. Nothing of it is kept but [`Token::id`] and [`Token::digest`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// 16 bytes that name a token, as 32 hex digits: the first of the BLAKE3 hash of its text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenId(pub [u8; 16]);

impl Token {
    /// The token of these random bytes.
    pub fn of(secret: [u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret)))
    }

    /// A text that has a token's form.
    pub fn parse(text: &str) -> Option<Self> {
        let secret = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (secret.len() == 32).then(|| Self(text.to_owned()))
    }

    /// Its text, which is the secret.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What it is known by.
    pub fn id(&self) -> TokenId {
        let mut id = [0; 16];
        id.copy_from_slice(&blake3::hash(self.0.as_bytes()).as_bytes()[..16]);
        TokenId(id)
    }

    /// MD5 of its text: what a Perspective Broker challenge is answered with.
    pub fn digest(&self) -> TokenId {
        TokenId::digest_of(&self.0)
    }
}

impl TokenId {
    /// MD5 of a password: of a token's text, or of one that some other server wants.
    pub fn digest_of(password: &str) -> Self {
        Self(Md5::digest(password.as_bytes()).into())
    }

    /// The answer of who has this digest to a challenge: MD5 over both.
    pub fn response(self, challenge: &[u8]) -> [u8; 16] {
        Md5::new().chain_update(self.0).chain_update(challenge).finalize().into()
    }

    /// True when this is the digest of whoever answers a challenge so.
    pub fn responds(self, challenge: &[u8], response: &[u8]) -> bool {
        // Compared by their hashes, so that the time it takes tells nothing.
        blake3::hash(&self.response(challenge)) == blake3::hash(response)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token {}", self.id())
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text that is not 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTokenId;

impl fmt::Display for BadTokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token's id is 32 hexadecimal digits")
    }
}

impl std::error::Error for BadTokenId {}

impl FromStr for TokenId {
    type Err = BadTokenId;

    fn from_str(text: &str) -> Result<Self, BadTokenId> {
        let mut id = [0; 16];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != id.len() || !rest.is_empty() {
            return Err(BadTokenId);
        }
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(BadTokenId),
        };
        for (byte, [high, low]) in id.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_printed() {
        let token = Token::of([7; 32]);
        assert_eq!(token.text().len(), 46);
        assert_eq!(Token::parse(token.text()), Some(token.clone()));
        assert_eq!(token.id().to_string().parse(), Ok(token.id()));
        for bad in ["", "bw_", "bw_AAAA", &token.text()[1..], &format!("{}A", token.text())] {
            assert_eq!(Token::parse(bad), None, "{bad}");
        }
        for bad in ["", "0", &"0".repeat(33), &"g".repeat(32), &"A".repeat(32)] {
            assert_eq!(bad.parse::<TokenId>(), Err(BadTokenId), "{bad}");
        }
    }

    /// RFC 1321, section A.5, over a text of our own form.
    #[test]
    fn the_digest_is_md5() {
        let md5 = TokenId(Md5::digest(b"message digest").into());
        assert_eq!(md5.to_string(), "f96b697d7cb7938d525a2f31aaf161d0");
        let token = Token::of([0; 32]);
        assert_eq!(token.digest(), TokenId(Md5::digest(token.text()).into()));
        assert_ne!(token.digest(), token.id());
    }

    /// The challenge that Twisted 26.10 gave to alice, whose password is `secret`, and her answer.
    #[test]
    fn a_challenge_is_answered_as_twisted_answers_it() {
        let bytes = |text: &str| text.parse::<TokenId>().unwrap().0;
        let digest = TokenId::digest_of("secret");
        let challenge = bytes("e63b81c5f04fb8179f0d7c00e2f8fcfc");
        let response = bytes("4fa5d948e498b7a08c872e88f734551d");
        assert!(digest.responds(&challenge, &response));
        assert!(!digest.responds(&response, &challenge));
        assert!(!digest.responds(&challenge, &response[..15]) && !digest.responds(&challenge, b""));
    }

    #[test]
    fn printed_for_debugging_it_keeps_its_secret() {
        let token = Token::of([9; 32]);
        assert!(!format!("{token:?}").contains(token.text()));
    }
}
