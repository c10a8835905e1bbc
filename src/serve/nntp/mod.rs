//! NNTP for newsreaders and feeders (RFC 3977, 4643, 4644, 8054). A section is a newsgroup, a
//! revision an article; numbers are this node's own (`news::number`), ids the whole world's. What
//! an article says, and what becomes of one that is posted or fed, is `usenet`'s.
//!
//! Commands are answered in their order. One that takes several turns (a long list, a password, a
//! write on its way to the disk) holds those behind it back: the connection is not read meanwhile.
//!
//! The tests of a whole connection are in `tests.rs`; they share the simulated node of
//! `http/tests`.

mod articles;
mod capabilities;
mod commands;
mod fields;
mod figures;
mod guest;
mod held;
mod listing;
mod outlet;
mod pace;
mod posting;

use super::offer::unsettled;
use super::usenet::{self, Intake, Transit};
use super::{CheckId, Desk};
use crate::base::{InBuf, Tick};
use crate::config::Limits;
use crate::proto::nntp::{CommandCodec, Event, Inflate};
use crate::reactor::{Ctx, Lost, Outcome, Protocol, TlsServer};
use articles::Spot;
use guest::{Guest, SignIn};
use held::Held;
use listing::{Listing, Share};
use outlet::Outlet;
use pace::Pace;
use posting::Settling;

pub use figures::Figures;

/// Pieces of a long answer that are written in one turn.
const PIECES_PER_TURN: usize = 4;
/// Bytes that are read and written for them in one turn; what goes past them is the last. Articles
/// are up to `limits.story_bytes` large each.
const TURN_BYTES: usize = 512 << 10;

/// How long the check of a password keeps a connection waiting, in milliseconds.
const CHECK_MS_MAX: u64 = 60_000;

/// What a connection is at.
#[derive(Debug)]
enum Task {
    /// Takes commands.
    Free,
    /// Writes a long answer.
    Listing(Box<Listing>),
    /// Waits for a password to be checked.
    Checking(CheckId),
    /// Takes an article that is posted.
    Receiving(Intake),
    /// Waits for one to be on disk.
    Settling(Box<Settling>),
    /// Waits for the end of a handshake.
    Upgrading,
}

/// One newsreader's connection, or one of a feeder.
#[derive(Debug)]
pub struct NntpConnection {
    codec: CommandCodec,
    /// Since COMPRESS DEFLATE.
    inflate: Option<Box<Inflate>>,
    outlet: Outlet,
    guest: Guest,
    spot: Option<Spot>,
    task: Task,
    /// What articles are fed through, for who may feed.
    transit: Option<Box<Transit>>,
    /// Something was fed, or is to be.
    has_fed: bool,
    /// A command that waits for the answers to what was fed before it.
    held: Option<Held>,
    /// How fast the article comes that is under way.
    pace: Pace,
    /// Until when the disk, or the check of a password, may keep this connection waiting.
    due: Option<Tick>,
    /// What secures it, if it asks for that.
    tls: Option<TlsServer>,
    /// Input is left that this turn had no share for.
    is_starved: bool,
    read_closed: bool,
    idle_ms: u64,
}

impl NntpConnection {
    /// A connection within these limits, which `tls` secures if it asks for that.
    pub fn new(limits: &Limits, tls: Option<TlsServer>) -> Self {
        Self {
            codec: CommandCodec::new(usenet::article_bytes_max(limits)),
            inflate: None,
            outlet: Outlet::default(),
            guest: Guest::new(false),
            spot: None,
            task: Task::Free,
            transit: None,
            has_fed: false,
            held: None,
            pace: Pace::default(),
            due: None,
            tls,
            is_starved: false,
            read_closed: false,
            idle_ms: limits.nntp_idle_ms,
        }
    }

    /// True while nothing more may be taken from the input.
    fn is_blocked(&self) -> bool {
        let is_at_work = !matches!(self.task, Task::Free | Task::Receiving(_));
        let is_full = self.transit.as_ref().is_some_and(|transit| transit.is_full());
        is_at_work || is_full || self.held.is_some()
    }

    /// Takes what came, inflated where it must be.
    fn feed<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        self.is_starved = false;
        loop {
            let Some(mut inflate) = self.inflate.take() else {
                self.take_all(cx, desk, input);
                if self.inflate.is_some() {
                    continue;
                }
                break;
            };
            let inflated = inflate.inflate(input);
            let before = inflate.plain().len();
            self.take_all(cx, desk, inflate.plain());
            let is_moving = inflate.plain().len() < before;
            self.inflate = Some(inflate);
            if !(inflated? && is_moving) || self.is_blocked() || self.is_starved {
                break;
            }
        }
        if self.is_blocked() {
            cx.transport().pause();
            // What is inflated is no input that the loop knows of.
            cx.rest_later();
        }
        self.leave_if_stopping(cx);
        self.outlet.flush(cx);
        self.keep_time(cx, &desk.config().limits);
        Ok(())
    }

    /// Says goodbye when this node is about to stop, once nothing is under way.
    fn leave_if_stopping<S: 'static>(&mut self, cx: &mut Ctx<'_, S>) {
        let is_free = self.is_done() && !self.codec.is_in_block();
        if is_free && cx.draining() && cx.transport().is_open() {
            self.outlet.reply(cx, 400, "this server stops");
            self.outlet.flush(cx);
            cx.transport().close_for(Lost::Shutdown);
        }
    }

    /// Sets the time in which what is waited for must come: the disk's word, or more of an article.
    fn keep_time<S>(&mut self, cx: &mut Ctx<'_, S>, limits: &Limits) {
        if self.is_blocked() {
            self.pace.pause();
        }
        self.due = self.due.filter(|_| self.is_waiting());
        let due_ms = self.due.map(|due| due.saturating_sub(cx.now()));
        let ms = due_ms.or_else(|| self.pace.left_ms(cx.now(), limits));
        cx.transport().set_timeout(ms);
    }

    /// True while this node is to say how something went.
    fn is_waiting(&self) -> bool {
        matches!(self.task, Task::Checking(_) | Task::Settling(_))
    }

    /// What came of an article that will never be whole is kept no longer.
    fn forget_article<D: Desk>(&mut self, desk: &mut D) {
        if let Task::Receiving(article) = &mut self.task {
            article.give(desk);
        }
        if let Some(transit) = &mut self.transit {
            transit.forget(desk);
        }
    }

    fn take_all<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) {
        let was_plain = !self.outlet.is_compressed();
        while !self.is_blocked() && cx.transport().is_open() {
            if !cx.more() {
                self.is_starved = !input.is_empty();
                return;
            }
            let Some(event) = self.codec.next(input) else { return };
            self.take(cx, desk, event);
            if was_plain && self.outlet.is_compressed() {
                return;
            }
        }
    }

    fn take<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, event: Event<'_>) {
        match event {
            Event::Command(command) => self.take_or_hold(cx, desk, command),
            Event::Bytes(bytes) => {
                self.pace.on_bytes(bytes.len(), cx.now());
                if let Task::Receiving(article) = &mut self.task {
                    article.take(desk, bytes);
                } else if let Some(transit) = self.transit.as_mut().filter(|it| it.is_in_block()) {
                    transit.on_bytes(desk, bytes);
                }
            }
            Event::End(end) => {
                self.pace.pause();
                match std::mem::replace(&mut self.task, Task::Free) {
                    Task::Receiving(article) => self.posted(cx, desk, article, end),
                    task => {
                        self.task = task;
                        if let Some(transit) = &mut self.transit {
                            transit.on_end(cx, desk, end);
                        }
                    }
                }
            }
        }
    }

    /// Finds out whether the other end may feed, and with that what it is called.
    fn find_feeder<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &D) {
        let feeder = usenet::feeder(desk, &cx.transport().peer());
        self.transit = feeder.map(|feeder| Box::new(Transit::new(feeder)));
    }

    /// Begins a long answer. One that is short is over at once.
    fn list<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, listing: Listing) {
        self.task = Task::Listing(Box::new(listing));
        self.pour(cx, desk);
        if matches!(self.task, Task::Listing(_)) {
            // A reader who takes nothing is not waited for as long as one who asks nothing.
            cx.transport().set_idle(Some(desk.config().limits.stall_ms));
        }
    }

    /// Writes some pieces of a long answer.
    fn pour<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        let Task::Listing(mut listing) = std::mem::replace(&mut self.task, Task::Free) else {
            return;
        };
        let mut share = Share::new(TURN_BYTES);
        for _ in 0..PIECES_PER_TURN {
            if cx.transport().is_full() {
                self.task = Task::Listing(listing);
                return;
            }
            if share.is_used() {
                break;
            }
            match listing.pour(cx, desk, &mut self.outlet, &mut share) {
                Ok(true) => return cx.transport().set_idle(Some(self.idle_ms)),
                Ok(false) => {}
                Err(error) => {
                    log::error!("a list for a newsreader was cut: {error}");
                    self.outlet.flush(cx);
                    return cx.transport().abort();
                }
            }
        }
        self.task = Task::Listing(listing);
        // There is more; the others have their turn first.
        cx.transport().notify();
    }

    /// What was waited for may be there: goes on with it, then with the input.
    fn go_on<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        match &self.task {
            Task::Listing(_) => self.pour(cx, desk),
            Task::Checking(check) => {
                let sign_in = self.guest.checked(desk, *check);
                self.signed_in(cx, sign_in);
            }
            Task::Settling(_) => self.settle(cx, desk),
            Task::Free | Task::Receiving(_) | Task::Upgrading => {}
        }
        self.release(cx, desk);
        if self.is_blocked() {
            self.outlet.flush(cx);
            self.keep_time(cx, &desk.config().limits);
            return;
        }
        self.leave_if_stopping(cx);
        self.outlet.flush(cx);
        self.keep_time(cx, &desk.config().limits);
        cx.transport().resume();
        self.close_when_done(cx);
    }

    /// AUTHINFO PASS has come so far.
    fn signed_in<S>(&mut self, cx: &mut Ctx<'_, S>, sign_in: SignIn) {
        self.task = match sign_in {
            SignIn::Wait(check) => Task::Checking(check),
            SignIn::Answer(code, text) => {
                self.outlet.reply(cx, code, text);
                Task::Free
            }
        };
    }

    fn is_done(&self) -> bool {
        let is_fed = self.transit.as_ref().is_none_or(|transit| transit.is_idle());
        !self.is_blocked() && is_fed && !self.is_starved
    }

    fn close_when_done<S>(&self, cx: &mut Ctx<'_, S>) {
        if self.read_closed && self.is_done() {
            cx.transport().close();
        }
    }
}

impl<D: Desk> Protocol<D> for NntpConnection {
    fn made(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        desk.tally().nntp.enter(cx.id());
        let peer = cx.transport().peer();
        let is_secure = cx.transport().is_secure();
        self.guest = Guest::new(is_secure || peer.is_local());
        self.find_feeder(cx, desk);
        cx.transport().set_idle(Some(self.idle_ms));
        self.greet(cx, desk);
        Ok(())
    }

    fn received(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        self.feed(cx, desk, input)
    }

    /// Nothing that was said in the clear counts any more (RFC 4642, 2.2.2).
    fn secured(&mut self, cx: &mut Ctx<'_, D>, _desk: &mut D) -> Outcome {
        self.task = Task::Free;
        cx.transport().resume();
        self.guest = Guest::new(true);
        self.spot = None;
        Ok(())
    }

    fn drained(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.go_on(cx, desk);
        Ok(())
    }

    fn notified(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        if let Some(transit) = &mut self.transit {
            transit.notified(cx, desk);
        }
        self.go_on(cx, desk);
        Ok(())
    }

    /// An article comes too slowly, or what was waited for does not come.
    fn timeout(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        if self.is_waiting() {
            match std::mem::replace(&mut self.task, Task::Free) {
                Task::Settling(_) => self.refuse(cx, desk, unsettled().detail()),
                _ => self.signed_in(cx, guest::BUSY),
            }
            self.go_on(cx, desk);
            return Ok(());
        }
        let limits = &desk.config().limits;
        let (rate, grace_ms) = (limits.body_bytes_per_s, limits.body_grace_ms);
        let why = format!("an article has {rate} bytes a second at least after {grace_ms} ms");
        desk.tally().nntp.refused += u64::from(matches!(self.task, Task::Receiving(_)));
        self.forget_article(desk);
        self.outlet.reply(cx, 400, &why);
        self.outlet.flush(cx);
        cx.transport().close_for(Lost::Slow);
        Ok(())
    }

    /// Told once all that came was taken, but for what waits for the disk.
    fn read_closed(&mut self, cx: &mut Ctx<'_, D>, _desk: &mut D, _input: &mut InBuf) -> Outcome {
        self.read_closed = true;
        self.close_when_done(cx);
        Ok(())
    }

    fn lost(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, _reason: Lost) {
        self.forget_article(desk);
        let nntp = &mut desk.tally().nntp;
        nntp.leave(cx.id());
        nntp.compressed -= u64::from(self.outlet.is_compressed());
    }
}
