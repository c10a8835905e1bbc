//! `/style.css`: the one stylesheet.

use crate::proto::http::{AcceptEncoding, Coding, Status};
use crate::serve::http::answer::Answer;
use crate::serve::http::stories::Asked;
use crate::serve::pages;
use std::sync::LazyLock;

/// The stylesheet in each coding that makes it shorter, encoded once.
static STYLESHEETS: LazyLock<Vec<(Coding, Vec<u8>)>> = LazyLock::new(|| {
    let encoded = |coding: Coding| Some((coding, coding.encode(pages::STYLESHEET.as_bytes())?));
    Coding::OFFERS.into_iter().filter_map(encoded).collect()
});

/// `/style.css`
pub(in crate::serve::http) fn stylesheet(asked: &Asked<'_>) -> Answer {
    let liked = AcceptEncoding::read(&asked.fields).best(&Coding::OFFERS);
    let made = STYLESHEETS.iter().find(|(coding, _)| Some(*coding) == liked);
    let (coding, body) =
        made.map_or((Coding::Identity, pages::STYLESHEET.as_bytes()), |made| (made.0, &made.1[..]));
    let answer = Answer::content(Status::OK, "text/css; charset=utf-8", body)
        .unencoded()
        .field("Vary", "Accept-Encoding")
        .field("Cache-Control", "max-age=3600");
    if coding == Coding::Identity {
        answer
    } else {
        answer.field("Content-Encoding", coding.name())
    }
}
