//! Sessions: what a node says, under its signature, of someone who has shown a password. Any node
//! of the herd that knows the key believes it, as long as the account stands by the same act: with
//! another password, and with the account, every session goes.
//!
//! ```text
//! base64url of: u8 version · u64 expires, ms since 1970 · 32 act · 32 key · name · 64 signature
//! ```
//! The signature is over "bellwether session\n" and all before it.
//!
//! Version 1 is a session. Version 2 is a pass: its bearer can read the node's own key file, and so
//! may do everything at that node for a minute. It has no act and no name.

use super::is_account_name;
use crate::update::{Cid, PublicKey, Signature};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const SESSION: u8 = 1;
const PASS: u8 = 2;
const CONTEXT: &[u8] = b"bellwether session\n";
const HEAD_BYTES: usize = 1 + 8 + 32 + 32;
const SIGNATURE_BYTES: usize = 64;
/// What stands before a pass, so that nobody takes it for a token.
const PASS_PREFIX: &str = "bwpass_";

/// Someone who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub name: String,
    /// Until when, in milliseconds since 1970.
    pub expires_ms: u64,
    /// The act by which the account stood.
    pub act: Cid,
}

/// A statement with its signature, which is yet to be verified.
#[derive(Debug)]
pub struct Signed<T> {
    /// What it says, if it is true.
    pub said: T,
    /// Whose signature it bears.
    pub key: PublicKey,
    message: Vec<u8>,
    signature: Signature,
}

impl<T> Signed<T> {
    /// What it says, if the key signed it: 80 µs.
    pub fn verified(self) -> Option<T> {
        self.key.verify(&self.message, &self.signature).then_some(self.said)
    }
}

impl Session {
    /// The text of a session, as `key` says it.
    pub fn signed(&self, key: PublicKey, sign: impl FnOnce(&[u8]) -> Signature) -> String {
        written(SESSION, self, key, sign)
    }

    /// Reads the text of a session.
    pub fn parse(text: &str) -> Option<Signed<Self>> {
        let signed = read(SESSION, text)?;
        is_account_name(&signed.said.name).then_some(signed)
    }
}

/// What the owner of a node's key file may show instead of a token, until it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Until when, in milliseconds since 1970.
    pub expires_ms: u64,
}

impl Pass {
    /// How long a pass is good, in milliseconds: the clock is that of the same machine.
    pub const GOOD_MS: u64 = 60_000;

    /// The text of a pass, as `key` says it.
    pub fn signed(self, key: PublicKey, sign: impl FnOnce(&[u8]) -> Signature) -> String {
        let said = Session { name: String::new(), expires_ms: self.expires_ms, act: Cid::ZERO };
        format!("{PASS_PREFIX}{}", written(PASS, &said, key, sign))
    }

    /// Reads the text of a pass.
    pub fn parse(text: &str) -> Option<Signed<Self>> {
        let Signed { said, key, message, signature } = read(PASS, text.strip_prefix(PASS_PREFIX)?)?;
        let pass = Self { expires_ms: said.expires_ms };
        said.name.is_empty().then_some(Signed { said: pass, key, message, signature })
    }
}

fn written(
    version: u8,
    said: &Session,
    key: PublicKey,
    sign: impl FnOnce(&[u8]) -> Signature,
) -> String {
    let mut message = CONTEXT.to_vec();
    message.push(version);
    message.extend_from_slice(&said.expires_ms.to_be_bytes());
    message.extend_from_slice(&said.act.0);
    message.extend_from_slice(&key.0);
    message.extend_from_slice(said.name.as_bytes());
    let signature = sign(&message);
    message.extend_from_slice(&signature.0);
    URL_SAFE_NO_PAD.encode(&message[CONTEXT.len()..])
}

fn read(version: u8, text: &str) -> Option<Signed<Session>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (body, signature) = bytes.split_last_chunk::<SIGNATURE_BYTES>()?;
    let (head, name) = body.split_at_checked(HEAD_BYTES)?;
    let name = std::str::from_utf8(name).ok()?.to_owned();
    let (expires, rest) = head[1..].split_first_chunk::<8>()?;
    let (act, key) = rest.split_first_chunk::<32>()?;
    let said = Session { name, expires_ms: u64::from_be_bytes(*expires), act: Cid(*act) };
    (head[0] == version).then_some(Signed {
        said,
        key: PublicKey(key.try_into().ok()?),
        message: [CONTEXT, body].concat(),
        signature: Signature(*signature),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::SigningKey;

    fn session() -> Session {
        Session { name: "ann".to_owned(), expires_ms: 5, act: Cid([9; 32]) }
    }

    #[test]
    fn what_a_key_signed_is_believed_and_nothing_else() {
        let key = SigningKey::from_seed([1; 32]);
        let text = session().signed(key.public(), |message| key.sign(message));
        let signed = Session::parse(&text).unwrap();
        assert_eq!(signed.key, key.public());
        assert_eq!(signed.verified(), Some(session()));
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            let bent = Session::parse(&URL_SAFE_NO_PAD.encode(bent));
            assert_eq!(bent.and_then(Signed::verified), None, "byte {at}");
        }
        for length in 0..text.len() {
            let cut = Session::parse(&text[..length]);
            assert_eq!(cut.and_then(Signed::verified), None, "{length} bytes");
        }
    }

    #[test]
    fn a_pass_is_no_session_and_no_session_a_pass() {
        let key = SigningKey::from_seed([1; 32]);
        let pass = Pass { expires_ms: 7 };
        let text = pass.signed(key.public(), |message| key.sign(message));
        assert_eq!(Pass::parse(&text).unwrap().verified(), Some(pass));
        let bare = text.strip_prefix(PASS_PREFIX).unwrap();
        assert!(Session::parse(bare).is_none() && Session::parse(&text).is_none());
        let session = session().signed(key.public(), |message| key.sign(message));
        assert!(Pass::parse(&format!("{PASS_PREFIX}{session}")).is_none());
    }
}
