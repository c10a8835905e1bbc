//! Peers of kind `at`: servers of foreign herds (places-protocol.md). They get an AT line for each
//! report, and what they say as AT is taken; nothing of theirs is answered. Loops are cut by "newer
//! only" at both ends.

use super::line::{Heard, PlacesDesk};
use super::{Settled, Ticket};
use crate::base::{InBuf, OutBuf};
use crate::herd::Feed;
use crate::news::ReportPage;
use crate::proto::line::{Command, Line, LineCodec, put_at};
use crate::reactor::{Class, Ctx, Lost, Outcome, Protocol};
use crate::store::{Store, StoreError};
use crate::update::{Dot, Kind};
use std::collections::VecDeque;

/// How many reports of the table are read at a time.
const SWEEP_ROWS: usize = 64;
/// How many reports and updates are looked at in one turn.
const TURN_ITEMS: usize = 128;
/// How much is written ahead of the socket in one go.
const ROOM_BYTES: usize = 64 << 10;
/// Reports of one server that may wait for the disk; beyond it the connection is not read.
const LEARNING_MAX: usize = 1024;
/// Their bytes, likewise.
const LEARNING_BYTES_MAX: usize = 64 << 10;

/// What connections to foreign servers ask of the node, besides what the line protocol asks.
pub trait AtDesk: PlacesDesk {
    /// Up to `limit` AT lines of the table of newest reports behind `after`, and where to go on;
    /// `None` at the table's end.
    fn sweep(&self, after: Option<&[u8]>, limit: usize) -> Result<ReportPage, StoreError>;

    /// The connection to the `peer`-th configured foreign server is up.
    fn at_made(&mut self, peer: usize);

    /// It is gone, or never came up: to be dialled again.
    fn at_lost(&mut self, cx: &mut Ctx<'_, Self>, peer: usize);
}

/// How far the table of newest reports was sent.
#[derive(Debug)]
enum Sweep {
    Start,
    Behind(Vec<u8>),
    Done,
}

/// What is said to a foreign server: the newest report of everyone first, as it may have missed any
/// of them and older ones change nothing; then what is new.
#[derive(Debug)]
struct Outpour {
    sweep: Sweep,
    feed: Feed,
}

/// How a pour ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Poured {
    /// All was said.
    All,
    /// There may be more.
    Share,
}

impl Outpour {
    /// From the start of the table, and with what comes from now on.
    fn new(store: &Store) -> Self {
        Self { sweep: Sweep::Start, feed: Feed::live(store) }
    }

    /// Appends lines to `out`, about `room` bytes of them; looks at [`TURN_ITEMS`] reports and
    /// updates at most, since a server that was away or slow may have missed any number.
    fn pour(
        &mut self,
        store: &Store,
        sweep: impl Fn(Option<&[u8]>, usize) -> Result<ReportPage, StoreError>,
        room: usize,
        out: &mut OutBuf,
    ) -> Result<Poured, StoreError> {
        let full = out.len() + room;
        let mut share = TURN_ITEMS;
        loop {
            let after = match &self.sweep {
                Sweep::Start => None,
                Sweep::Behind(key) => Some(&key[..]),
                Sweep::Done => break,
            };
            if share == 0 || out.len() >= full {
                return Ok(Poured::Share);
            }
            let (lines, next) = sweep(after, SWEEP_ROWS.min(share))?;
            share -= lines.len();
            for line in &lines {
                put_at(out.tail(), line);
            }
            self.sweep = next.map_or(Sweep::Done, Sweep::Behind);
        }
        while share > 0 && out.len() < full {
            let Some(update) = self.feed.next(store)? else { return Ok(Poured::All) };
            share -= 1;
            if update.kind() == Kind::Report {
                put_at(out.tail(), update.payload());
            }
        }
        Ok(Poured::Share)
    }
}

/// A report of a foreign server that waits for the disk. They have it once it is there; one that is
/// refused is taken again, under whatever dot is free by then.
#[derive(Debug)]
struct Learning {
    ticket: Ticket,
    dot: Dot,
    raw: Vec<u8>,
}

/// A kept connection to a foreign server that this node dialled.
#[derive(Debug)]
pub struct AtConnection {
    peer: usize,
    codec: LineCodec,
    outpour: Option<Outpour>,
    /// Reports of theirs that are on their way to the disk.
    learning: VecDeque<Learning>,
    /// What their lines take.
    learning_bytes: usize,
    /// Lines that the node can't take now, and those behind them. Bounded by what waits for the
    /// disk and by the input buffer.
    held: VecDeque<Vec<u8>>,
    read_closed: bool,
}

impl AtConnection {
    /// A connection to the `peer`-th configured foreign server.
    pub fn new(peer: usize, line_bytes_max: usize) -> Self {
        Self {
            peer,
            codec: LineCodec::new(line_bytes_max),
            outpour: None,
            learning: VecDeque::new(),
            learning_bytes: 0,
            held: VecDeque::new(),
            read_closed: false,
        }
    }

    /// True while nothing more may be taken: it stays with the one who sends it.
    fn is_blocked(&self) -> bool {
        !self.held.is_empty() || self.is_learning_much()
    }

    fn is_learning_much(&self) -> bool {
        self.learning.len() >= LEARNING_MAX || self.learning_bytes >= LEARNING_BYTES_MAX
    }

    fn take<D: AtDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, line: Line<'_>) {
        let Line::Whole(raw) = line else {
            return log::debug!("a foreign server sent an overlong line");
        };
        if self.is_blocked() {
            self.held.push_back(raw.to_vec());
        } else {
            self.hear(cx, desk, raw);
        }
    }

    fn hear<D: AtDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, raw: &[u8]) {
        let Command::At(report) = Command::parse(raw) else {
            return log::debug!("a foreign server said something that is not AT");
        };
        match desk.hear(cx, &report) {
            Heard::News(receipt) => match (receipt.ticket, &mut self.outpour) {
                (Some(ticket), _) => {
                    desk.await_ticket(ticket, cx.id());
                    self.learning_bytes += raw.len();
                    let (dot, raw) = (receipt.dot, raw.to_vec());
                    self.learning.push_back(Learning { ticket, dot, raw });
                }
                (None, Some(outpour)) => outpour.feed.learn(receipt.dot),
                (None, None) => {}
            },
            Heard::Later(ms) => {
                self.held.push_front(raw.to_vec());
                cx.notify_later(ms);
            }
            Heard::Nothing => {}
        }
    }

    /// Takes the lines that were held, as far as the node can; then reads on.
    fn take_held<D: AtDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        while !self.is_learning_much()
            && let Some(raw) = self.held.pop_front()
        {
            let before = self.held.len();
            self.hear(cx, desk, &raw);
            if self.held.len() > before {
                return;
            }
        }
        if !self.is_blocked() {
            cx.transport().resume();
        }
        self.close_when_done(cx);
    }

    fn close_when_done<D>(&self, cx: &mut Ctx<'_, D>) {
        if self.read_closed && self.held.is_empty() && self.learning.is_empty() {
            cx.transport().close();
        }
    }

    /// Looks which of their reports have come to the disk: those are not said to them.
    fn learn<D: AtDesk>(&mut self, desk: &D) {
        while let Some(end) = self.learning.front().and_then(|first| desk.settled(first.ticket)) {
            let Some(Learning { dot, raw, .. }) = self.learning.pop_front() else { return };
            self.learning_bytes -= raw.len();
            match (end, &mut self.outpour) {
                (Settled::Done, Some(outpour)) => outpour.feed.learn(dot),
                (Settled::Done, None) => {}
                (Settled::Refused, _) => self.held.push_back(raw),
            }
        }
    }

    fn pump<D: AtDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &D) -> Outcome {
        self.learn(desk);
        let Some(outpour) = &mut self.outpour else { return Ok(()) };
        let mut transport = cx.transport();
        if transport.is_full() {
            return Ok(());
        }
        let sweep = |after: Option<&[u8]>, limit| desk.sweep(after, limit);
        let poured = outpour.pour(desk.store(), sweep, ROOM_BYTES, transport.out())?;
        // Where the buffer is full, the loop tells when to go on.
        if poured == Poured::Share && !transport.is_full() {
            cx.notify_later(0);
        }
        Ok(())
    }
}

impl<D: AtDesk> Protocol<D> for AtConnection {
    fn made(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.outpour = Some(Outpour::new(desk.store()));
        desk.at_made(self.peer);
        desk.attend(cx.id());
        let mut transport = cx.transport();
        transport.set_class(Class::Peer);
        transport.set_input_cap(self.codec.needed());
        log::info!("connected to the foreign server at {}", transport.peer());
        self.pump(cx, desk)
    }

    fn received(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        while !self.is_blocked() && cx.more() {
            let Some(line) = self.codec.next(input) else { break };
            self.take(cx, desk, line);
        }
        if self.is_blocked() {
            cx.transport().pause();
        }
        Ok(())
    }

    fn read_closed(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        self.read_closed = true;
        while let Some(line) = self.codec.next(input) {
            self.take(cx, desk, line);
        }
        if let Some(line) = self.codec.last(input) {
            self.take(cx, desk, line);
        }
        self.close_when_done(cx);
        Ok(())
    }

    fn notified(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.pump(cx, desk)?;
        self.take_held(cx, desk);
        Ok(())
    }

    fn drained(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.pump(cx, desk)
    }

    fn lost(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, _reason: Lost) {
        desk.leave(cx.id());
        desk.at_lost(cx, self.peer);
    }
}

/// One AT line on a connection of its own, for servers that read to the end of input.
#[derive(Debug)]
pub struct AtShot {
    peer: usize,
    line: Vec<u8>,
}

impl AtShot {
    /// The line, without its LF, for the `peer`-th configured foreign server.
    pub fn new(peer: usize, line: Vec<u8>) -> Self {
        Self { peer, line }
    }
}

impl<D: AtDesk> Protocol<D> for AtShot {
    fn made(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        desk.at_made(self.peer);
        put_at(cx.transport().out().tail(), &self.line);
        cx.transport().close();
        Ok(())
    }

    /// Whatever it answers is of no use.
    fn received(&mut self, _cx: &mut Ctx<'_, D>, _desk: &mut D, input: &mut InBuf) -> Outcome {
        input.take_all();
        Ok(())
    }

    fn lost(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, _reason: Lost) {
        desk.at_lost(cx, self.peer);
    }
}

#[cfg(test)]
mod tests;
