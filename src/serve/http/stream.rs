//! `/v1/stream`: server-sent events (WHATWG HTML, 9.2). A stream is a feed and a filter: what its
//! reader does not take is not read for it, so a slow reader costs the same few bytes as a quick
//! one.
//!
//! `id:` is the cursor behind the event. It also goes alone, as an event without data, which
//! readers do not show but remember: at the start, so that a connection lost before the first event
//! loses nothing, and with the comment every 15 s when the filter has passed updates over since.

use super::problem::Problem;
use super::stories::Asked;
use super::updates::filter;
use crate::base::{Chunk, OutBuf, Tick};
use crate::herd::Feed;
use crate::news::Filter;
use crate::proto::http::{BodyWriter, DATE_BYTES, ReplyTo, Response, Status};
use crate::proto::sse;
use crate::reactor::{Class, Ctx};
use crate::serve::Desk;
use crate::store::StoreError;
use crate::update::Cursor;

/// A comment goes out this often, so that nobody takes the stream for dead.
pub(super) const COMMENT_MS: Tick = 15_000;
/// A reader that took nothing for so long, comments included, is cut.
pub(super) const STALLED_MS: Tick = 60_000;
/// How long a reader waits before it connects again.
const RETRY_MS: u64 = 1000;
/// How many updates one turn may look at for one reader.
const LOOKED_AT_MAX: usize = 128;

/// A stream to be: what the request asks.
#[derive(Debug)]
pub(super) struct Wish {
    after: Option<Cursor>,
    filter: Filter,
}

impl Wish {
    /// Reads what is asked. A reader who comes back says where it was in `Last-Event-ID`, and
    /// repeats the `after` that it began with.
    pub(super) fn read(asked: &Asked<'_>) -> Result<Self, Problem> {
        let last = asked.fields.text("last-event-id").filter(|id| !id.is_empty());
        let after = match last {
            Some(id) => Some(
                id.parse()
                    .map_err(|error| Problem::malformed(format!("Last-Event-ID: {error}")))?,
            ),
            None => asked.query.cursor("after")?,
        };
        Ok(Self { after, filter: filter(&asked.query) })
    }
}

/// A stream under way.
#[derive(Debug)]
pub(super) struct Stream {
    feed: Feed,
    filter: Filter,
    body: BodyWriter,
    /// The cursor moved since the reader was last told.
    moved: bool,
}

impl Stream {
    /// Writes the head and begins. `None` when the client wanted only the head.
    pub(super) fn begin<D: Desk>(
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        wish: Wish,
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
        let feed = desk.feed(wish.after.as_ref());
        let mut first = Vec::new();
        sse::put_comment(&mut first, "Bellwether");
        sse::put_retry(&mut first, RETRY_MS);
        put_id(&mut first, &feed.cursor());
        body.put(out, &first);
        let id = cx.id();
        desk.attend(id);
        desk.tally().streams += 1;
        let mut transport = cx.transport();
        transport.set_class(Class::Subscriber);
        transport.set_idle(Some(STALLED_MS));
        transport.set_timeout(Some(COMMENT_MS));
        Some(Self { feed, filter: wish.filter, body, moved: false })
    }

    /// Writes what there is, as far as the reader takes it.
    pub(super) fn pump<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
    ) -> Result<(), StoreError> {
        for _ in 0..LOOKED_AT_MAX {
            if cx.transport().is_full() {
                return Ok(());
            }
            let Some(update) = self.feed.next(desk.store())? else { return Ok(()) };
            if self.filter.matches(&update) {
                let chunk = desk.rendered(&update);
                self.put_update(cx.transport().out(), &chunk);
                desk.tally().stream_updates += 1;
            } else {
                self.moved = true;
            }
        }
        // There is more; the others have their turn first.
        cx.transport().notify();
        Ok(())
    }

    fn put_update(&mut self, out: &mut OutBuf, json: &Chunk) {
        let head = format!("event: update\nid: {}\ndata: ", self.feed.cursor());
        let bytes = head.len() + json.len() + 2;
        self.body.open_piece(out.tail(), bytes);
        out.put(head.as_bytes());
        out.put_chunk(json);
        out.put(b"\n\n");
        self.body.close_piece(out.tail(), bytes);
        self.moved = false;
    }

    /// Time for a comment. A reader with a full buffer gets none: it has enough to read.
    pub(super) fn comment<D: Desk>(&mut self, cx: &mut Ctx<'_, D>) {
        let mut transport = cx.transport();
        transport.set_timeout(Some(COMMENT_MS));
        if transport.is_full() {
            return;
        }
        let mut piece = Vec::new();
        sse::put_comment(&mut piece, "");
        if std::mem::take(&mut self.moved) {
            put_id(&mut piece, &self.feed.cursor());
        }
        self.body.put(transport.out().tail(), &piece);
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
