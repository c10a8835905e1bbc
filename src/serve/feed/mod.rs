//! Peers of kind `nntp`: news servers that this node dials and offers articles to, streaming (RFC
//! 4644) where they can, else by IHAVE (RFC 3977, 6.3.2). The log is read from where the server had
//! everything; what it puts off is offered again; what went through it already is not offered.

mod offers;

use super::Desk;
use super::usenet::Outgoing;
use crate::base::{InBuf, Tick};
use crate::config::FeedRules;
use crate::herd::Feed;
use crate::proto::nntp::{ReplyCodec, Stuffing};
use crate::reactor::{Class, Ctx, Lost, Outcome, Protocol};
use crate::store::StoreError;
use crate::update::{After, Cursor};
use offers::{Item, OPEN_MAX, Offers};
use std::collections::VecDeque;

/// How many updates are looked at in one turn.
const TURN_ITEMS: usize = 128;
/// Their bytes; the update that goes past them is the last.
const TURN_BYTES: usize = 512 << 10;
/// After so many milliseconds what was put off is offered again.
const AGAIN_MS: u64 = 1_000;
/// A server that says nothing for so many milliseconds, though it was asked, is given up.
const SILENCE_MS: u64 = 120_000;
/// The longest line that is read, in bytes, and then some.
const INPUT_BYTES: usize = 4096;

/// What connections to news servers ask of the node, besides what every protocol asks.
pub trait FeedDesk: Desk {
    /// The name and the rules of the `peer`-th configured news server.
    fn feed_rules(&self, peer: usize) -> (String, FeedRules);

    /// How far the server had everything when that was last noted; `None`: nothing is known.
    fn fed(&self, peer: usize) -> Result<Option<After>, StoreError>;

    /// Notes that the server has everything up to here. It may be forgotten in a crash: then it is
    /// offered again.
    fn note_fed(&mut self, peer: usize, cursor: &Cursor);

    /// The key from which those of its articles' locks are made.
    fn cancel_secret(&self) -> [u8; 32];

    /// The `peer`-th server takes articles: a connection to it is of use.
    fn feed_made(&mut self, peer: usize);

    /// It is gone, or never came up: to be dialled again.
    fn feed_lost(&mut self, cx: &mut Ctx<'_, Self>, peer: usize);
}

/// How articles are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The server has not said hello.
    Greeting,
    /// It was asked whether it takes a stream.
    Asked,
    Streaming,
    /// One at a time.
    Ihave,
}

/// A connection to a news server that this node dialled.
#[derive(Debug)]
pub struct FeedConnection {
    peer: usize,
    codec: ReplyCodec,
    mode: Mode,
    /// What its articles are chosen and made by.
    outgoing: Outgoing,
    feed: Option<Feed>,
    offers: Offers,
    /// Articles of the update that was read last, to be offered next.
    ready: VecDeque<Item>,
    /// Updates were read since a place was marked.
    has_moved: bool,
    /// When what was put off is to be offered again.
    again_at: Option<Tick>,
}

impl FeedConnection {
    /// A connection to the `peer`-th configured server.
    pub fn new<D: FeedDesk>(desk: &D, peer: usize) -> Self {
        let (name, rules) = desk.feed_rules(peer);
        Self {
            peer,
            codec: ReplyCodec::new(),
            mode: Mode::Greeting,
            outgoing: Outgoing::new(&name, &rules.offer, desk.cancel_secret()),
            feed: None,
            offers: Offers::default(),
            ready: VecDeque::new(),
            has_moved: false,
            again_at: None,
        }
    }

    fn open_max(&self) -> usize {
        match self.mode {
            Mode::Streaming => OPEN_MAX,
            Mode::Ihave => 1,
            Mode::Greeting | Mode::Asked => 0,
        }
    }

    /// Takes a reply; what stands first behind its code is the Message-ID that it is about, while
    /// articles are streamed.
    fn hear<D: FeedDesk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        (code, id): (u16, &str),
    ) -> Outcome {
        match (self.mode, code) {
            (Mode::Greeting, 200 | 201) => {
                cx.transport().write(b"MODE STREAM\r\n");
                self.mode = Mode::Asked;
            }
            (Mode::Asked, 203 | 500..=503) => {
                self.mode = if code == 203 { Mode::Streaming } else { Mode::Ihave };
                desk.feed_made(self.peer);
            }
            (Mode::Streaming, 238) => self.send(cx, desk, id)?,
            (Mode::Streaming, 239 | 438) => self.offers.settle(id),
            (Mode::Streaming, 439) => {
                log::debug!("a news server will not have {id}");
                self.offers.settle(id);
            }
            (Mode::Streaming, 431) => self.offers.defer(id),
            (Mode::Ihave, 335) => {
                if let Some(id) = self.offers.only().map(|item| item.id.clone()) {
                    self.send(cx, desk, &id)?;
                }
            }
            (Mode::Ihave, 235 | 435 | 437) => self.end_ihave(Offers::settle),
            (Mode::Ihave, 436) => self.end_ihave(Offers::defer),
            (_, 205 | 400) => cx.transport().close(),
            (mode, code) => return Err(format!("a news server says {code} to {mode:?}").into()),
        }
        Ok(())
    }

    fn end_ihave(&mut self, end: impl FnOnce(&mut Offers, &str)) {
        if let Some(id) = self.offers.only().map(|item| item.id.clone()) {
            end(&mut self.offers, &id);
        }
    }

    /// Sends an article that the server wants.
    fn send<D: FeedDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &D, id: &str) -> Outcome {
        let Some(Item { cid, number, .. }) = self.offers.find(id) else { return Ok(()) };
        let update = desk.store().by_cid(*cid)?;
        let made = match &update {
            Some(update) => self.outgoing.articles(desk, update)?.into_iter().nth(*number),
            None => None,
        };
        let mut transport = cx.transport();
        let out = transport.out().tail();
        let Some(article) = made else {
            // It was withdrawn since it was offered. Of IHAVE an article must follow: an empty one
            // is refused.
            if self.mode == Mode::Ihave {
                out.extend_from_slice(b".\r\n");
            } else {
                self.offers.settle(id);
            }
            return Ok(());
        };
        if self.mode == Mode::Streaming {
            out.extend_from_slice(format!("TAKETHIS {id}\r\n").as_bytes());
        }
        let mut bytes = Vec::with_capacity(article.bytes());
        article.put(&mut bytes);
        let mut stuffing = Stuffing::new();
        stuffing.put(out, &bytes);
        stuffing.end(out);
        Ok(())
    }

    /// Offers what there is, as much as may be on offer; notes how far all is settled.
    fn pump<D: FeedDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        if self.open_max() == 0 || !cx.transport().is_open() {
            return Ok(());
        }
        self.offer_again(cx);
        self.offer_new(cx, desk)?;
        if self.has_moved
            && self.ready.is_empty()
            && self.offers.wants_mark()
            && let Some(feed) = &self.feed
        {
            self.offers.set_mark(feed.cursor());
            self.has_moved = false;
        }
        if let Some(cursor) = self.offers.take_mark() {
            desk.note_fed(self.peer, &cursor);
        }
        let waits = self.offers.open_count() > 0;
        cx.transport().set_timeout(waits.then_some(SILENCE_MS));
        if self.offers.has_deferred() && self.again_at.is_none() {
            self.again_at = Some(cx.now().saturating_add(AGAIN_MS));
            cx.notify_later(AGAIN_MS);
        }
        Ok(())
    }

    fn offer_again<D>(&mut self, cx: &mut Ctx<'_, D>) {
        if self.again_at.is_none_or(|at| at > cx.now()) {
            return;
        }
        self.again_at = None;
        while let Some(item) = self.offers.offer_again(self.open_max()) {
            self.ask(cx, &item.id);
        }
    }

    fn offer_new<D: FeedDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &D) -> Outcome {
        let open_max = self.open_max();
        let mut read = 0;
        for _ in 0..TURN_ITEMS {
            if !self.offers.has_room(open_max) || cx.transport().is_full() {
                return Ok(());
            }
            if let Some(item) = self.ready.pop_front() {
                if self.offers.offer(&item) {
                    self.ask(cx, &item.id);
                }
                continue;
            }
            if read >= TURN_BYTES {
                break;
            }
            let Some(feed) = &mut self.feed else { return Ok(()) };
            let Some(update) = feed.next(desk.store())? else { return Ok(()) };
            read += update.payload().len();
            self.has_moved = true;
            let cid = update.cid();
            let wanted = self.outgoing.wanted(desk, &update)?.into_iter();
            self.ready.extend(wanted.map(|(number, id)| Item { cid, number, id }));
        }
        cx.notify_later(0);
        Ok(())
    }

    fn ask<D>(&self, cx: &mut Ctx<'_, D>, id: &str) {
        let verb = if self.mode == Mode::Ihave { "IHAVE" } else { "CHECK" };
        let mut transport = cx.transport();
        transport.write(format!("{verb} {id}\r\n").as_bytes());
    }
}

impl<D: FeedDesk> Protocol<D> for FeedConnection {
    fn made(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        let after = desk.fed(self.peer)?.unwrap_or_default();
        self.feed = Some(desk.feed(Some(&after))?);
        desk.attend(cx.id());
        let mut transport = cx.transport();
        transport.set_class(Class::Peer);
        transport.set_input_cap(INPUT_BYTES);
        transport.set_timeout(Some(SILENCE_MS));
        log::info!("connected to the news server at {}", transport.peer());
        Ok(())
    }

    fn received(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        while cx.more() {
            let Some(reply) = self.codec.next(input) else { break };
            let reply = reply?;
            let code = reply.code;
            let id = String::from_utf8_lossy(reply.first()).into_owned();
            self.hear(cx, desk, (code, &id))?;
        }
        self.pump(cx, desk)
    }

    fn notified(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.pump(cx, desk)
    }

    fn drained(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.pump(cx, desk)
    }

    fn lost(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, reason: Lost) {
        log::info!("the connection to a news server ended: {reason}");
        desk.leave(cx.id());
        desk.feed_lost(cx, self.peer);
    }
}
