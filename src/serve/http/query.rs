//! The query of a request, decoded once: names and values as forms encode them. Names that no one
//! asks for are ignored; of a name that stands twice the first counts.

use super::problem::Problem;
use crate::proto::http::query_pairs;
use crate::update::{After, Cid};
use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// More parts than this no query or form has that means anything here.
const PAIRS_MAX: usize = 256;

/// Names and values.
#[derive(Debug, Default)]
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Decodes what follows the `?`.
    pub(super) fn read(query: Option<&'a str>) -> Result<Self, Problem> {
        let pairs = query_pairs(query.unwrap_or_default()).take(PAIRS_MAX + 1);
        let pairs: Result<Vec<_>, _> = pairs.collect();
        let pairs = pairs.map_err(|error| Problem::malformed(format!("the query: {error}")))?;
        if pairs.len() > PAIRS_MAX {
            let detail = format!("the query has more than {PAIRS_MAX} parts");
            return Err(Problem::malformed(detail));
        }
        Ok(Self(pairs))
    }

    /// The value of a name; an empty one counts as none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// [`Query::text`], owned.
    pub(super) fn own(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// A number, brought into its range.
    pub(super) fn number(
        &self,
        name: &str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, Problem> {
        let Some(text) = self.given(name) else { return Ok(default) };
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            let (from, to) = (range.start(), range.end());
            return Err(Problem::malformed(format!("{name} is a number from {from} to {to}")));
        }
        // What is too long for a number is over the range all the more.
        Ok(text.parse().unwrap_or(u64::MAX).clamp(*range.start(), *range.end()))
    }

    /// A place in the herd's updates.
    pub(super) fn cursor(&self, name: &str) -> Result<Option<After>, Problem> {
        self.parsed(name)
    }

    /// An id.
    pub(super) fn cid(&self, name: &str) -> Result<Option<Cid>, Problem> {
        self.parsed(name)
    }

    /// A value of any type that is read from text.
    pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, Problem> {
        let value = self.text(name).map(str::parse).transpose();
        value.map_err(|error| Problem::malformed(format!("{name}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_numbers_brought_into_their_range() {
        let query = Query::read(Some("section=a+b%26c&limit=9999&wait=&x&limit=3")).unwrap();
        assert_eq!(query.text("section"), Some("a b&c"));
        assert_eq!(query.number("limit", 1..=500, 50).unwrap(), 500);
        assert_eq!(query.number("other", 1..=500, 50).unwrap(), 50);
        assert!(query.number("wait", 0..=60, 0).is_err());
        assert_eq!(query.text("x"), None);
        assert!(query.number("section", 0..=1, 0).is_err());
        let long = Query::read(Some("limit=99999999999999999999999&wait=0")).unwrap();
        assert_eq!(long.number("limit", 1..=500, 50).unwrap(), 500);
        assert_eq!(long.number("wait", 1..=60, 5).unwrap(), 1);
    }

    #[test]
    fn malformed_escapes_cursors_and_ids_are_problems() {
        assert!(Query::read(Some("a=%f")).is_err());
        let query = Query::read(Some("after=nonsense&rev=12&zero=0")).unwrap();
        assert!(query.cursor("after").is_err());
        assert!(query.cid("rev").is_err());
        assert_eq!(query.cursor("zero").unwrap(), Some(After::default()));
        assert_eq!(query.cursor("absent").unwrap(), None);
    }

    #[test]
    fn a_query_of_very_many_parts_is_refused() {
        let few = "a&".repeat(PAIRS_MAX - 1) + "b=c";
        assert_eq!(Query::read(Some(&few)).expect("it fits").text("b"), Some("c"));
        assert!(Query::read(Some(&("a&".repeat(PAIRS_MAX) + "b"))).is_err());
    }
}
