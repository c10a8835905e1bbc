//! Peers of kind `at`: servers of foreign herds (places-protocol.md). They get an AT line for each
//! report, and what they say as AT is taken; nothing of theirs is answered. Loops are cut by "newer
//! only" at both ends.

use super::line::PlacesDesk;
use crate::base::InBuf;
use crate::herd::Feed;
use crate::news::ReportPage;
use crate::proto::line::{Command, Line, LineCodec, put_at};
use crate::reactor::{Class, Ctx, Lost, Outcome, Protocol};
use crate::store::StoreError;
use crate::update::Kind;

/// How many reports of the table are read at a time.
const SWEEP_ROWS: usize = 64;

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

/// A kept connection to a foreign server that this node dialled. A server that was away gets the
/// newest report of everyone first: it may have missed any of them, and older ones change nothing.
#[derive(Debug)]
pub struct AtConnection {
    peer: usize,
    codec: LineCodec,
    sweep: Sweep,
    feed: Option<Feed>,
}

impl AtConnection {
    /// A connection to the `peer`-th configured foreign server.
    pub fn new(peer: usize, line_bytes_max: usize) -> Self {
        let codec = LineCodec::new(line_bytes_max);
        Self { peer, codec, sweep: Sweep::Start, feed: None }
    }

    fn hear<D: AtDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, line: Line<'_>) {
        let report = match line {
            Line::Whole(raw) => match Command::parse(raw) {
                Command::At(report) => report,
                _ => return log::debug!("a foreign server said something that is not AT"),
            },
            Line::TooLong(_) => return log::debug!("a foreign server sent an overlong line"),
        };
        if let Some(dot) = desk.hear(cx, &report)
            && let Some(feed) = &mut self.feed
        {
            feed.learn(dot);
        }
    }

    fn pump<D: AtDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &D) -> Outcome {
        let mut transport = cx.transport();
        loop {
            let after = match &self.sweep {
                Sweep::Start => None,
                Sweep::Behind(key) => Some(&key[..]),
                Sweep::Done => break,
            };
            if transport.is_full() {
                return Ok(());
            }
            let (lines, next) = desk.sweep(after, SWEEP_ROWS)?;
            for line in &lines {
                put_at(transport.out().tail(), line);
            }
            self.sweep = next.map_or(Sweep::Done, Sweep::Behind);
        }
        let Some(feed) = &mut self.feed else { return Ok(()) };
        while !transport.is_full() {
            let Some(update) = feed.next(desk.store())? else { break };
            if update.kind() == Kind::Report {
                put_at(transport.out().tail(), update.payload());
            }
        }
        Ok(())
    }
}

impl<D: AtDesk> Protocol<D> for AtConnection {
    fn made(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.feed = Some(Feed::live(desk.store()));
        desk.at_made(self.peer);
        desk.attend(cx.id());
        let mut transport = cx.transport();
        transport.set_class(Class::Peer);
        transport.set_input_cap(self.codec.needed());
        log::info!("connected to the foreign server at {}", transport.peer());
        self.pump(cx, desk)
    }

    fn received(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        while cx.more() {
            let Some(line) = self.codec.next(input) else { break };
            self.hear(cx, desk, line);
        }
        Ok(())
    }

    fn read_closed(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        while let Some(line) = self.codec.next(input) {
            self.hear(cx, desk, line);
        }
        if let Some(line) = self.codec.last(input) {
            self.hear(cx, desk, line);
        }
        cx.transport().close();
        Ok(())
    }

    fn notified(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.pump(cx, desk)
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
