//! What someone may do: a set of four scopes, written as their names with commas between.

use std::fmt;
use std::str::FromStr;

/// One thing that someone may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Read. So may everyone.
    Read,
    /// Write stories, reports and topics.
    Write,
    /// Withdraw stories, for good.
    Withdraw,
    /// The panel and its actions, the charter from afar, accounts and tokens.
    Admin,
}

impl Scope {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Withdraw, Self::Admin];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Withdraw => "withdraw",
            Self::Admin => "admin",
        }
    }
}

/// What someone may do. Scopes stand side by side: `admin` does not stand for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of four, each with its name")]
pub struct Scopes {
    /// [`Scope::Read`].
    pub read: bool,
    /// [`Scope::Write`].
    pub write: bool,
    /// [`Scope::Withdraw`].
    pub withdraw: bool,
    /// [`Scope::Admin`].
    pub admin: bool,
}

impl Scopes {
    /// Everything.
    pub const ALL: Self = Self { read: true, write: true, withdraw: true, admin: true };
    /// What a reader without an account may do.
    pub const READER: Self = Self { read: true, write: false, withdraw: false, admin: false };
    /// What an account may do unless something else is said.
    pub const WRITER: Self = Self { write: true, ..Self::READER };
    /// What everyone may do where accounts are open.
    pub const OPEN: Self = Self { withdraw: true, ..Self::WRITER };

    /// True when it is in the set.
    pub fn has(self, scope: Scope) -> bool {
        match scope {
            Scope::Read => self.read,
            Scope::Write => self.write,
            Scope::Withdraw => self.withdraw,
            Scope::Admin => self.admin,
        }
    }

    /// The set with one more in it.
    pub fn with(mut self, scope: Scope) -> Self {
        match scope {
            Scope::Read => self.read = true,
            Scope::Write => self.write = true,
            Scope::Withdraw => self.withdraw = true,
            Scope::Admin => self.admin = true,
        }
        self
    }

    /// What is in one of the two.
    pub fn or(self, other: Self) -> Self {
        let scopes = Scope::ALL.into_iter().filter(|scope| other.has(*scope));
        scopes.fold(self, Self::with)
    }
}

/// A word that is no scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownScope(String);

impl fmt::Display for UnknownScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no scope: use read, write, withdraw and admin, with commas", self.0)
    }
}

impl std::error::Error for UnknownScope {}

impl FromStr for Scopes {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let mut scopes = Self::default();
        for word in text.split(',').map(str::trim) {
            let scope = Scope::ALL.into_iter().find(|scope| scope.name() == word);
            scopes = scopes.with(scope.ok_or_else(|| UnknownScope(word.to_owned()))?);
        }
        Ok(scopes)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Scope::ALL.into_iter().filter(|scope| self.has(*scope));
        let Some(first) = names.next() else { return Ok(()) };
        f.write_str(first.name())?;
        names.try_for_each(|scope| write!(f, ",{}", scope.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for bits in 1..16_u8 {
            let chosen = Scope::ALL.into_iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
            let scopes = chosen.fold(Scopes::default(), |scopes, (_, scope)| scopes.with(scope));
            assert_eq!(scopes.to_string().parse(), Ok(scopes), "{scopes}");
        }
        assert_eq!(" write , read".parse(), Ok(Scopes::WRITER));
        assert_eq!(Scopes::OPEN.to_string(), "read,write,withdraw");
        for bad in ["", "read,", "reed", "Read", "read write"] {
            assert!(bad.parse::<Scopes>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn admin_is_one_scope_among_four() {
        let admin = Scopes::default().with(Scope::Admin);
        assert!(admin.has(Scope::Admin) && !admin.has(Scope::Write) && !admin.has(Scope::Read));
        assert_eq!(admin.or(Scopes::OPEN), Scopes::ALL);
    }
}
