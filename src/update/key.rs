//! Who signs: Ed25519 keys (RFC 8032). A node has one; it is its identity on links and the root of
//! every epoch that it publishes under.

use super::Epoch;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fmt;
use std::str::FromStr;

/// What stands before the seed in PKCS #8 (RFC 8410, version 1).
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// The key that tells a node from every other. Shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

/// A text that is not 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKey;

impl PublicKey {
    /// True when the owner of this key signed `message`.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, &signature.0).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key is 64 hexadecimal digits")
    }
}

impl std::error::Error for BadKey {}

impl FromStr for PublicKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes())).map_err(|_| BadKey)
    }
}

/// The secret half: signs seals and proves on links who speaks.
pub struct SigningKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// The key of a seed, 32 random bytes that nobody else knows.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        // Any 32 bytes are a seed (RFC 8032, section 5.1.5).
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes are a seed");
        Self { seed, pair }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(key)
    }

    /// Signs a message: about 20 µs.
    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        Signature(signature)
    }

    /// The secret as PKCS #8 in DER, for a TLS library.
    pub fn pkcs8(&self) -> Vec<u8> {
        [&PKCS8_HEAD[..], &self.seed].concat()
    }
}

impl Clone for SigningKey {
    fn clone(&self) -> Self {
        Self::from_seed(self.seed)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey of {}", self.public())
    }
}

impl Epoch {
    /// The epoch that `key` opens with 64 random bits: nobody else can have it, since it is a hash
    /// of the key.
    pub fn of(key: &PublicKey, salt: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"bellwether epoch\n");
        hasher.update(&key.0);
        hasher.update(&salt.to_be_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Self(u64::from_be_bytes(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn the_rfcs_example_is_signed_and_verified() {
        let hex = |text: &str| *blake3::Hash::from_hex(text).unwrap().as_bytes();
        let seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let key = SigningKey::from_seed(seed);
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        assert_eq!(key.public().to_string(), public);
        assert_eq!(public.parse(), Ok(key.public()));
        let signature = key.sign(&[0x72]);
        assert_eq!(signature.0[..4], [0x92, 0xa0, 0x09, 0xa9]);
        assert!(key.public().verify(&[0x72], &signature));
        assert!(!key.public().verify(&[0x73], &signature));
        assert!(!SigningKey::from_seed([1; 32]).public().verify(&[0x72], &signature));
    }

    #[test]
    fn an_epoch_belongs_to_its_key_and_salt() {
        let (one, other) = (PublicKey([1; 32]), PublicKey([2; 32]));
        assert_eq!(Epoch::of(&one, 5), Epoch::of(&one, 5));
        assert_ne!(Epoch::of(&one, 5), Epoch::of(&one, 6));
        assert_ne!(Epoch::of(&one, 5), Epoch::of(&other, 5));
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        for text in ["", "00", "zz", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64)] {
            assert_eq!(text.parse::<PublicKey>(), Err(BadKey), "{text}");
        }
    }
}
