//! `/v1/stream`: server-sent events (WHATWG HTML, 9.2). A stream is a reader and a filter: what is
//! not taken is not read for it, so a slow reader costs the same few bytes as a quick one.
//!
//! A reader that was live and lags gets the newest of each story, and `event: gap` for the rest, as
//! does one that misses what nobody holds any more. One that takes nothing at all is cut: it goes
//! on from the last `id:` that it read.
//!
//! `id:` is the cursor behind the event. It also goes alone, as an event without data, which
//! readers do not show but remember: at the start, so that a connection lost before the first event
//! loses nothing, and with the comment every 15 s when the filter has passed updates over since.

use super::events::Events;
use super::problem::Problem;
use super::reading::{Reading, Wish, gap_json};
use super::stories::Asked;
use crate::base::{Chunk, OutBuf, Tick};
use crate::herd::{Gap, Item};
use crate::proto::http::{BodyWriter, DATE_BYTES, ReplyTo, Response, SharedPiece, Status};
use crate::proto::sse;
use crate::reactor::{Class, Ctx};
use crate::serve::Desk;
use crate::store::StoreError;
use crate::update::Cursor;

/// A comment goes out this often, so that nobody takes the stream for dead.
pub(super) const COMMENT_MS: Tick = 15_000;
/// How long a reader waits before it connects again.
const RETRY_MS: u64 = 1000;
/// What stands behind an update's JSON.
const EVENT_END: &[u8] = b"\n\n";
/// How many updates one turn may look at for one reader.
pub(super) const LOOKED_AT_MAX: usize = 128;

/// Reads what is asked of a stream. A reader who comes back says where it was in `Last-Event-ID`,
/// and repeats the `after` that it began with.
pub(super) fn wish(asked: &Asked<'_>) -> Result<Wish, Problem> {
    let last = asked.fields.text("last-event-id").filter(|id| !id.is_empty());
    let after = match last {
        Some(id) => Some(
            id.parse().map_err(|error| Problem::malformed(format!("Last-Event-ID: {error}")))?,
        ),
        None => asked.query.cursor("after")?,
    };
    Ok(Wish::read(&asked.query, after))
}

/// A stream under way.
#[derive(Debug)]
pub(super) struct Stream {
    reading: Reading,
    body: BodyWriter,
    /// The cursor moved since the reader was last told.
    moved: bool,
}

impl Stream {
    /// Writes the head and begins. `None` when the client wanted only the head.
    pub(super) fn begin<D: Desk>(
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        reading: Reading,
        to: ReplyTo,
        date: &[u8; DATE_BYTES],
    ) -> Option<Self> {
        let mut transport = cx.transport();
        let out = transport.out().tail();
        let body = Response::new(out, to, Status::OK, date)
            .field("Content-Type", "text/event-stream")
            .field("Cache-Control", "no-store")
            .field("X-Content-Type-Options", "nosniff")
            .stream();
        if body.is_head_only() {
            return None;
        }
        let mut first = Vec::new();
        sse::put_comment(&mut first, "Bellwether");
        sse::put_retry(&mut first, RETRY_MS);
        put_id(&mut first, &reading.cursor());
        body.put(out, &first);
        let id = cx.id();
        desk.attend(id);
        desk.tally().streams += 1;
        let mut transport = cx.transport();
        transport.set_class(Class::Subscriber);
        transport.set_idle(Some(desk.config().limits.stall_ms));
        transport.set_timeout(Some(COMMENT_MS));
        Some(Self { reading, body, moved: false })
    }

    /// Writes what there is, as far as the reader takes it.
    pub(super) fn pump<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Result<(), StoreError> {
        if !cx.transport().is_full() {
            self.reading.look_at_lag(cx, desk);
        }
        for _ in 0..LOOKED_AT_MAX {
            if cx.transport().is_full() {
                return Ok(());
            }
            match self.reading.next(desk)? {
                Some(Item::Update(update)) => {
                    let json = desk.rendered(&update);
                    self.put_update(cx.transport().out(), desk.events(), &json);
                    desk.tally().stream_updates += 1;
                }
                Some(Item::Gap(gap)) => self.put_gap(cx.transport().out(), &gap),
                Some(Item::Passed) => self.moved = true,
                None => return Ok(()),
            }
        }
        // There is more; the others have their turn first.
        cx.transport().notify();
        Ok(())
    }

    fn put_update(&mut self, out: &mut OutBuf, events: &mut Events, json: &Chunk) {
        self.moved = false;
        if let Some(stand) = self.reading.shared_stand() {
            let make = || SharedPiece::new(&[&self.head()[..], json, EVENT_END].concat());
            return self.body.put_shared(out, &events.of(stand, json, make));
        }
        let head = self.head();
        let bytes = head.len() + json.len() + EVENT_END.len();
        self.body.open_piece(out.tail(), bytes);
        out.put(&head);
        out.put_chunk(json);
        out.put(EVENT_END);
        self.body.close_piece(out.tail(), bytes);
    }

    /// What stands before an update's JSON.
    fn head(&self) -> Vec<u8> {
        format!("event: update\nid: {}\ndata: ", self.reading.cursor()).into_bytes()
    }

    /// The id is the place behind the gap: who comes back with it is not told again.
    fn put_gap(&mut self, out: &mut OutBuf, gap: &Gap) {
        let event = format!("event: gap\nid: {}\ndata: {}\n\n", gap.to, gap_json(gap));
        self.body.put(out.tail(), event.as_bytes());
        self.moved = false;
    }

    /// Time for a comment. A reader with a full buffer gets none: it has enough to read.
    pub(super) fn comment<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &D) {
        let mut transport = cx.transport();
        transport.set_timeout(Some(COMMENT_MS));
        if transport.is_full() {
            return;
        }
        if self.reading.doubt(desk) {
            transport.notify();
        }
        let mut piece = Vec::new();
        sse::put_comment(&mut piece, "");
        if std::mem::take(&mut self.moved) {
            put_id(&mut piece, &self.reading.cursor());
        }
        self.body.put(transport.out().tail(), &piece);
    }

    /// The reader took nothing for so long that it was cut.
    pub(super) fn on_stalled<D: Desk>(&self, desk: &mut D) {
        desk.tally().stalled += 1;
        log::info!("a reader that took nothing was cut, behind {}", self.reading.cursor());
    }

    /// The stream ends in order.
    pub(super) fn end<D: Desk>(self, cx: &mut Ctx<'_, D>) {
        self.body.end(cx.transport().out().tail());
        cx.transport().close();
    }
}

/// An event without data moves the reader's place and nothing else.
fn put_id(out: &mut Vec<u8>, cursor: &Cursor) {
    out.extend_from_slice(format!("id: {cursor}\n\n").as_bytes());
}
