//! `/stories/{title}/diff?a=&b=`: two revisions of a story side by side.

use super::{Missing, around, or_plain, read, revision_of, standing};
use crate::serve::Desk;
use crate::serve::http::answer::Answer;
use crate::serve::http::stories::Asked;
use crate::serve::pages::{self, DiffPage, Side};

/// `/stories/{title}/diff`
pub(in crate::serve::http) fn diff<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Answer {
    or_plain(try_diff(desk, title, asked), around(desk, asked))
}

fn try_diff<D: Desk>(desk: &D, title: &str, asked: &Asked<'_>) -> Result<String, Missing> {
    standing(desk, title)?;
    let named = |name| asked.query.cid(name)?.ok_or(Missing::Malformed);
    let a = revision_of(desk, title, named("a")?)?;
    let b = revision_of(desk, title, named("b")?)?;
    Ok(pages::diff(&DiffPage {
        around: around(desk, asked),
        title,
        a: Side { update: &a, revision: &read(&a)? },
        b: Side { update: &b, revision: &read(&b)? },
    }))
}
