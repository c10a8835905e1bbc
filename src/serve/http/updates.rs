//! `/v1/updates`: the long poll. Answers with what stands behind a cursor, and waits for more only
//! when there is nothing.
//!
//! A poll does not lag: each begins at its cursor, at its reader's own pace, and is given all that
//! is held behind it. A reader that would rather skip says `newest=1`, and gets what a stream's
//! reader gets that lags.

use super::answer::{Answer, JSON};
use super::problem::Problem;
use super::reading::{Reading, Wish, gap_json};
use super::stories::Asked;
use crate::base::Chunk;
use crate::herd::{Gap, Item};
use crate::proto::http::Status;
use crate::serve::Desk;
use crate::update::Cursor;
use serde_json::Value;

const WAIT_S_MAX: u64 = 60;
const LIMIT_MAX: u64 = 1000;
const LIMIT_DEFAULT: u64 = 100;
/// An answer ends behind the update that takes it past this many bytes.
const ANSWER_BYTES: usize = 1024 * 1024;
/// How many updates one request may pass over before it is answered: the loop has others, and the
/// cursor does not lose the way that was made.
const LOOKED_AT_MAX: usize = 1000;

/// A reader who waits for updates.
#[derive(Debug)]
pub(super) struct Poll {
    reading: Reading,
    limit: usize,
    /// How long it would wait, in milliseconds.
    pub(super) wait_ms: u64,
}

impl Poll {
    /// Reads what is asked.
    pub(super) fn begin<D: Desk>(desk: &D, asked: &Asked<'_>) -> Result<Self, Problem> {
        let wish = Wish::read(&asked.query, asked.query.cursor("after")?);
        Ok(Self {
            wait_ms: asked.query.number("wait", 0..=WAIT_S_MAX, 0)? * 1000,
            limit: asked.query.number("limit", 1..=LIMIT_MAX, LIMIT_DEFAULT)? as usize,
            reading: Reading::begin(desk, wish)?,
        })
    }

    /// The answer, once there is something to say.
    pub(super) fn look<D: Desk>(&mut self, desk: &mut D) -> Result<Option<Answer>, Problem> {
        let mut found = Vec::new();
        let mut gap = None;
        let mut bytes = 0;
        let mut looked_at = 0;
        while found.len() < self.limit && bytes < ANSWER_BYTES && looked_at < LOOKED_AT_MAX {
            looked_at += 1;
            match self.reading.next(desk)? {
                Some(Item::Update(update)) => {
                    let chunk = desk.rendered(&update);
                    bytes += chunk.len();
                    found.push(chunk);
                }
                Some(Item::Passed) => {}
                // The cursor of the answer is the place behind it: nothing may follow.
                Some(Item::Gap(told)) => {
                    gap = Some(told);
                    break;
                }
                None => break,
            }
        }
        let is_worth_it = !found.is_empty() || gap.is_some() || looked_at == LOOKED_AT_MAX;
        if !is_worth_it {
            return Ok(None);
        }
        let gap = gap.or_else(|| self.reading.settle(desk));
        Ok(Some(answer(&found, &self.reading.cursor(), gap.as_ref())))
    }

    /// The answer when nothing came.
    pub(super) fn nothing(&self) -> Answer {
        answer(&[], &self.reading.cursor(), None)
    }
}

/// `{updates, cursor, gap}`
fn answer(updates: &[Chunk], cursor: &Cursor, gap: Option<&Gap>) -> Answer {
    let bytes: usize = updates.iter().map(|chunk| chunk.len() + 1).sum();
    let mut out = Vec::with_capacity(bytes + 256);
    out.extend_from_slice(b"{\"updates\":[");
    for (place, chunk) in updates.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(chunk);
    }
    // A cursor is base64url or 0: nothing in it needs an escape.
    let gap = gap.map_or(Value::Null, gap_json);
    out.extend_from_slice(format!("],\"cursor\":\"{cursor}\",\"gap\":{gap}}}").as_bytes());
    Answer::content(Status::OK, JSON, out).field("Cache-Control", "no-store")
}
