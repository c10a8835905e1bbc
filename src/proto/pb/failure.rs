//! Failures, as Twisted sends them: a copy of its `Failure`, which says what kinds of error it is.

use super::jelly::Jelly;
use super::unjelly::JellyError;

/// The class that failures travel as; the one that every peer knows.
pub(super) const FAILURE_TAG: &str = "twisted.spread.pb.CopyableFailure";

/// What every error of Python is.
const EXCEPTION: [&str; 3] = ["builtins.Exception", "builtins.BaseException", "builtins.object"];

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure<'a> {
    /// The class of the error.
    pub kind: &'a str,
    /// What it says.
    pub value: &'a str,
    /// The class and all that it inherits from: what `Failure.check` and `trap` look at.
    pub parents: Vec<&'a str>,
    /// Where it happened, or that this is not told.
    pub traceback: &'a str,
    /// More attributes of the copy.
    pub more: Vec<(&'a str, Jelly<'a>)>,
}

impl<'a> Failure<'a> {
    /// An error of a class with these between it and `Exception`.
    pub fn new(kind: &'a str, between: &[&'a str], value: &'a str) -> Self {
        let parents = [kind].iter().chain(between).chain(&EXCEPTION).copied().collect();
        let traceback = "Traceback unavailable\n";
        Self { kind, value, parents, traceback, more: Vec::new() }
    }

    /// A call of an object that is not there.
    pub(super) fn invalid_object() -> Self {
        Self::new("twisted.spread.pb.Error", &[], "Invalid Object ID")
    }

    /// A call of a method that is not there.
    pub fn no_such_method(value: &'a str) -> Self {
        let kind = "twisted.spread.flavors.NoSuchMethod";
        Self::new(kind, &["builtins.AttributeError"], value)
    }

    /// More references than one connection may have.
    pub fn too_many_references() -> Self {
        Self::new("twisted.spread.pb.Error", &[], "Maximum PB reference count exceeded.")
    }

    /// A value that is not taken.
    pub(super) fn insecure_jelly(value: &'a str) -> Self {
        Self::new("twisted.spread.jelly.InsecureJelly", &[], value)
    }

    /// A login that was wrong.
    pub fn unauthorized_login() -> Self {
        let between = ["twisted.cred.error.LoginFailed", "twisted.cred.error.Unauthorized"];
        Self::new("twisted.cred.error.UnauthorizedLogin", &between, "")
    }

    /// As it travels; `count` is the number that Twisted gives its failures.
    pub(super) fn jelly(&self, count: i64) -> Jelly<'_> {
        let text = |text| Jelly::Text(text);
        let parents = self.parents.iter().map(|parent| Jelly::Text(parent)).collect();
        let mut pairs = vec![
            (text("count"), Jelly::Int(count)),
            (text("type"), Jelly::Bytes(self.kind.as_bytes())),
            (text("value"), text(self.value)),
            (text("captureVars"), Jelly::Bool(false)),
            (text("tb"), Jelly::None),
            (text("unsafeTracebacks"), Jelly::Bool(false)),
            (text("parents"), Jelly::List(parents)),
            (text("frames"), Jelly::List(Vec::new())),
            (text("stack"), Jelly::List(Vec::new())),
            (text("traceback"), text(self.traceback)),
        ];
        pairs.extend(self.more.iter().map(|(key, value)| (text(*key), value.clone())));
        Jelly::Copy(FAILURE_TAG, Box::new(Jelly::Dict(pairs)))
    }

    /// The failure that came; one of which nothing is known when it is not a copy of one.
    pub(super) fn read(jelly: &Jelly<'a>) -> Self {
        let state = match jelly {
            Jelly::Copy(FAILURE_TAG, state) => &**state,
            other => other,
        };
        let name = |key: &str| state.value(key).and_then(Jelly::name).unwrap_or_default();
        let parents = match state.value("parents") {
            Some(Jelly::List(parents) | Jelly::Tuple(parents)) => {
                parents.iter().filter_map(Jelly::name).collect()
            }
            _ => Vec::new(),
        };
        let (kind, value, traceback) = (name("type"), name("value"), name("traceback"));
        Self { kind, value, parents, traceback, more: Vec::new() }
    }

    /// The failure of an answer that is not taken.
    pub(super) fn refused(error: &JellyError) -> Self {
        let value = match error {
            JellyError::Unknown(_) => "the answer has a class in it that is not known here",
            JellyError::Malformed(_) => "the answer has a value in it that is malformed",
            JellyError::Cycle => "the answer has a value in it that is in itself",
            JellyError::TooMany => "the answer has too many values in it",
        };
        Self::insecure_jelly(value)
    }

    /// True when it is an error of this class, or of one that inherits from it.
    pub fn is_a(&self, class: &str) -> bool {
        self.kind == class || self.parents.contains(&class)
    }
}
