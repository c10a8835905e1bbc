//! Passwords as argon2id hashes (RFC 9106), in the PHC string form that other programs have too:
//! `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`. Hashing takes tens of milliseconds and 19 MiB: it is
//! for the pool and the commands, never for the loop.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The shortest password that is taken, in bytes.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// The longest.
pub const PASSWORD_BYTES_MAX: usize = 1024;

const HASH_BYTES: usize = 32;
/// OWASP's choice for argon2id: 19 MiB, two passes, one lane.
const COST: Cost = Cost { memory_kib: 19 * 1024, passes: 2, lanes: 1 };
/// What a hash may ask of the node that verifies it: an act comes from anyone in the herd.
const MEMORY_KIB: RangeInclusive<u32> = 8 * 1024..=64 * 1024;
const PASSES: RangeInclusive<u32> = 1..=8;
const LANES: RangeInclusive<u32> = 1..=4;
const SALT_BYTES: RangeInclusive<usize> = 8..=64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// A hashed password. Printed for debugging, it says nothing of the hash.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    cost: Cost,
    salt: Vec<u8>,
    hash: [u8; HASH_BYTES],
}

impl PasswordHash {
    /// Hashes a password with a random salt.
    pub fn of(password: &[u8], salt: [u8; 16]) -> Self {
        let hash = hash(password, &salt, COST).unwrap_or([0; HASH_BYTES]);
        Self { cost: COST, salt: salt.to_vec(), hash }
    }

    /// A hash that no password has, for a name that nobody has: checking it takes the same time.
    pub fn stand_in() -> Self {
        Self { cost: COST, salt: vec![0; 16], hash: [0; HASH_BYTES] }
    }

    /// True when it is the hash of this password.
    pub fn is_of(&self, password: &[u8]) -> bool {
        let found = hash(password, &self.salt, self.cost);
        // These compare in constant time.
        found.is_some_and(|found| blake3::Hash::from(found) == blake3::Hash::from(self.hash))
            && self.hash != [0; HASH_BYTES]
    }
}

/// `None` when the parameters are none, which [`PasswordHash`] rules out.
fn hash(password: &[u8], salt: &[u8], cost: Cost) -> Option<[u8; HASH_BYTES]> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(HASH_BYTES)).ok()?;
    let mut out = [0; HASH_BYTES];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(password, salt, &mut out).ok()?;
    Some(out)
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let (salt, hash) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(self.hash));
        write!(f, "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}")
    }
}

/// A text that is no argon2id hash, or one that would cost too much or too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHash;

impl fmt::Display for BadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an argon2id hash (version 19, 8 to 64 MiB, 1 to 8 passes, 32 bytes)")
    }
}

impl std::error::Error for BadHash {}

impl FromStr for PasswordHash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Self, BadHash> {
        read(text).ok_or(BadHash)
    }
}

fn read(text: &str) -> Option<PasswordHash> {
    let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
    let mut costs = parts.next()?.split(',');
    let mut cost = |name: &str, range: RangeInclusive<u32>| {
        let digits = costs.next()?.strip_prefix(name)?;
        let number: u32 = digits.parse().ok()?;
        // One form for one value: no sign, no leading zero.
        (range.contains(&number) && number.to_string() == digits).then_some(number)
    };
    let (memory_kib, passes) = (cost("m=", MEMORY_KIB)?, cost("t=", PASSES)?);
    let lanes = cost("p=", LANES)?;
    let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    let hash = STANDARD_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
    let is_whole = costs.next().is_none() && parts.next().is_none();
    let cost = Cost { memory_kib, passes, lanes };
    (is_whole && SALT_BYTES.contains(&salt.len())).then_some(PasswordHash { cost, salt, hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_another_is_not() {
        let hash = PasswordHash::of(b"correct horse", [5; 16]);
        let read: PasswordHash = hash.to_string().parse().unwrap();
        assert_eq!(read, hash);
        assert!(read.is_of(b"correct horse"));
        assert!(!read.is_of(b"correct horsf"));
        assert!(!PasswordHash::stand_in().is_of(b""));
    }

    /// Of the reference program: `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32`.
    #[test]
    fn the_reference_programs_hash_is_known() {
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ\
                    $CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(hash.parse::<PasswordHash>().unwrap().is_of(b"password"));
    }

    #[test]
    fn a_hash_that_would_cost_too_much_or_is_none_is_refused() {
        let good = PasswordHash::stand_in().to_string();
        assert!(good.parse::<PasswordHash>().is_ok());
        for (from, to) in [
            ("m=19456", "m=4194304"),
            ("m=19456", "m=8"),
            ("m=19456", "m=019456"),
            ("m=19456", "m=+19456"),
            ("t=2", "t=9"),
            ("t=2", "t=0"),
            ("p=1", "p=5"),
            ("p=1", "p=1,x=1"),
            ("argon2id", "argon2i"),
            ("v=19", "v=16"),
            ("$AAAA", "$$AAAA"),
            ("AAAAAAAAAAAAAAAA", ""),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_eq!(bad.parse::<PasswordHash>(), Err(BadHash), "{bad}");
        }
        assert_eq!(format!("{good}$").parse::<PasswordHash>(), Err(BadHash));
    }
}
