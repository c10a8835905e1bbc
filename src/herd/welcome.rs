//! Who may link: judged by the key that the other end proved to own and the name that it says,
//! against the charter and the configuration. Updates are not judged here: members vouch for what
//! they hand on.

use super::Standing;
use crate::update::PublicKey;
use std::fmt;

/// Who asks for a link.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The name in its hello.
    pub name: &'a str,
    /// The key that it proved to own.
    pub key: Option<PublicKey>,
    /// It is on this machine, over loopback or a Unix socket.
    pub is_local: bool,
}

/// Why there is no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwelcome {
    /// The connection proves no key.
    Unproved,
    /// The charter has retired the key.
    Retired,
    /// The charter names the owner of the key otherwise.
    OtherName,
    /// The configuration has another key for the name.
    OtherKey,
    /// There is a charter, and neither it nor the configuration knows the key.
    Stranger,
    /// Nothing is known of the key, and it is not on this machine.
    Unknown,
}

impl fmt::Display for Unwelcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unproved => "the connection proves no key",
            Self::Retired => "the charter has retired its key",
            Self::OtherName => "the charter has its key under another name",
            Self::OtherKey => "its key is not the one configured for this name",
            Self::Stranger => "its key is neither in the charter nor in the configuration",
            Self::Unknown => "its key is not known here, and it is not on this machine",
        })
    }
}

/// Judges a caller. `standing` is the charter's word on its key, `configured` the key that the
/// configuration has for its name. A retired key has no way back; else the charter or the
/// configuration lets it in, and where neither says anything of the name, being on this machine.
pub fn welcome(
    caller: Caller<'_>,
    standing: Standing<'_>,
    configured: Option<PublicKey>,
) -> Result<(), Unwelcome> {
    let Some(key) = caller.key else { return Err(Unwelcome::Unproved) };
    match (standing, configured) {
        (Standing::Retired, _) => Err(Unwelcome::Retired),
        (Standing::Member(name), _) if name != caller.name => Err(Unwelcome::OtherName),
        (Standing::Member(_), _) => Ok(()),
        (_, Some(configured)) if configured == key => Ok(()),
        (_, Some(_)) => Err(Unwelcome::OtherKey),
        (Standing::Stranger, None) => Err(Unwelcome::Stranger),
        (Standing::Unchartered, None) if caller.is_local => Ok(()),
        (Standing::Unchartered, None) => Err(Unwelcome::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERS: PublicKey = PublicKey([1; 32]);
    const OTHER: PublicKey = PublicKey([2; 32]);

    #[test]
    fn a_caller_is_judged_by_its_key() {
        use Standing::{Member, Retired, Stranger, Unchartered};
        let far = Caller { name: "ann", key: Some(HERS), is_local: false };
        let near = Caller { is_local: true, ..far };
        let table = [
            (far, Unchartered, None, Err(Unwelcome::Unknown)),
            (near, Unchartered, None, Ok(())),
            (far, Unchartered, Some(HERS), Ok(())),
            (near, Unchartered, Some(OTHER), Err(Unwelcome::OtherKey)),
            (far, Member("ann"), None, Ok(())),
            (far, Member("ann"), Some(OTHER), Ok(())),
            (near, Member("bob"), None, Err(Unwelcome::OtherName)),
            (near, Stranger, None, Err(Unwelcome::Stranger)),
            (far, Stranger, Some(HERS), Ok(())),
            (far, Stranger, Some(OTHER), Err(Unwelcome::OtherKey)),
            (near, Retired, Some(HERS), Err(Unwelcome::Retired)),
            (Caller { key: None, ..near }, Unchartered, None, Err(Unwelcome::Unproved)),
        ];
        for (caller, standing, configured, expected) in table {
            assert_eq!(welcome(caller, standing, configured), expected, "{caller:?} {standing:?}");
        }
    }
}
