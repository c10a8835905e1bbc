//! How the node is: the herd as it sees it, health, metrics. And the one answer that load tests ask
//! for.

use super::answer::Answer;
use super::problem::Problem;
use crate::metrics::Exposition;
use crate::proto::http::{Preencoded, Status};
use crate::reactor::Ctx;
use crate::serve::Desk;
use std::sync::LazyLock;

/// `/hello`, encoded once: its answers differ in nothing but the date.
pub(super) static HELLO: LazyLock<Preencoded> =
    LazyLock::new(|| Preencoded::new(Status::OK, &[("Content-Type", HELLO_TYPE)], HELLO_TEXT));
const HELLO_TYPE: &str = "text/plain";
const HELLO_TEXT: &[u8] = b"Hello, World!";

/// The media type of Prometheus text.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// `/hello`, for the requests that [`HELLO`] is not made for.
pub(super) fn hello() -> Answer {
    Answer::content(Status::OK, HELLO_TYPE, HELLO_TEXT)
}

/// `/v1/herd`
pub(super) fn herd<D: Desk>(cx: &Ctx<'_, D>, desk: &D) -> Answer {
    Answer::json(Status::OK, &desk.herd_view(cx)).field("Cache-Control", "no-store")
}

/// `/v1/charter`
pub(super) fn charter<D: Desk>(desk: &D) -> Answer {
    Answer::json(Status::OK, &desk.charter_view()).field("Cache-Control", "no-store")
}

/// `/healthz`: who reads this is served.
pub(super) fn healthz() -> Answer {
    Answer::content(Status::OK, TEXT, "ok\n").field("Cache-Control", "no-store")
}

/// `/readyz`
pub(super) fn readyz<D: Desk>(desk: &D) -> Result<Answer, Problem> {
    match desk.unready() {
        None => Ok(Answer::content(Status::OK, TEXT, "ready\n").field("Cache-Control", "no-store")),
        Some(why) => Err(Problem::later(why, 1)),
    }
}

/// `/metrics`
pub(super) fn metrics<D: Desk>(cx: &Ctx<'_, D>, desk: &mut D) -> Answer {
    let mut page = Exposition::new();
    desk.expose(cx, &mut page);
    desk.tally().expose(&mut page);
    Answer::content(Status::OK, METRICS, page.finish())
}
