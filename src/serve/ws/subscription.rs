//! One subscription of a socket: a reader, as streams have it, under the name that its client gave.

use super::Sockets;
use super::frames::For;
use super::words::{self, Tag};
use crate::base::{Chunk, OutBuf};
use crate::herd::{Gap, Item};
use crate::proto::ws::{Kind, Sender};
use crate::reactor::Ctx;
use crate::serve::Desk;
use crate::serve::http::{Reading, Wish};
use crate::store::StoreError;

/// What came of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stepped {
    /// There may be more.
    On,
    /// There is nothing now.
    Nothing,
}

/// A subscription under way.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) name: Tag,
    reading: Reading,
}

impl Subscription {
    /// Begins.
    pub(super) fn begin<D: Desk>(desk: &D, name: Tag, wish: Wish) -> Result<Self, StoreError> {
        Ok(Self { name, reading: Reading::begin(desk, wish)? })
    }

    /// The place behind all that was given.
    pub(super) fn cursor(&self) -> String {
        self.reading.cursor().to_string()
    }

    /// To be called before it is served.
    pub(super) fn look_at_lag<D: Desk>(&mut self, cx: &Ctx<'_, D>, desk: &mut D) {
        self.reading.look_at_lag(cx, desk);
    }

    /// Looks for what was dropped without a trace; true when there is something to read.
    pub(super) fn doubt<D: Desk>(&mut self, desk: &D) -> bool {
        self.reading.doubt(desk)
    }

    /// Writes the next thing that there is.
    pub(super) fn step<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        sender: &mut Sender,
    ) -> Result<Stepped, StoreError> {
        match self.reading.next(desk)? {
            Some(Item::Update(update)) => {
                let json = desk.rendered(&update);
                self.put_update(cx.transport().out(), sender, desk.sockets(), &json);
                desk.tally().socket_updates += 1;
            }
            Some(Item::Gap(gap)) => {
                self.put_gap(cx.transport().out(), sender, desk.sockets(), &gap);
            }
            Some(Item::Passed) => {}
            None => return Ok(Stepped::Nothing),
        }
        Ok(Stepped::On)
    }

    fn put_update(
        &self,
        out: &mut OutBuf,
        sender: &mut Sender,
        sockets: &mut Sockets,
        json: &Chunk,
    ) {
        let (Some(stand), Some(form)) = (self.reading.shared_stand(), sender.form()) else {
            let message = self.message(json);
            let message = (Kind::Text, &message[..]);
            return sender.put(out.tail(), message, true, &mut sockets.flate);
        };
        let of = For { stand, sub: self.name.json(), form };
        if let Some(frame) = sockets.frames.find(of, json) {
            return out.put_chunk(&frame);
        }
        let mut frame = Vec::new();
        form.put(&mut frame, Kind::Text, &self.message(json), &mut sockets.flate);
        let frame = Chunk::from(frame);
        sockets.frames.keep(of, json, &frame);
        out.put_chunk(&frame);
    }

    fn message(&self, json: &[u8]) -> Vec<u8> {
        let head = words::update_head(&self.name, &self.cursor());
        [head.as_bytes(), json, b"}"].concat()
    }

    fn put_gap(&self, out: &mut OutBuf, sender: &mut Sender, sockets: &mut Sockets, gap: &Gap) {
        let message = words::gap(&self.name, gap);
        sender.put(out.tail(), (Kind::Text, message.as_bytes()), false, &mut sockets.flate);
    }
}
