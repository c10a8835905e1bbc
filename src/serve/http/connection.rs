//! The protocol of one HTTP/1.1 connection: requests in order, one at a time under way, answers in
//! the same order. Owns what the connection waits for and until when; which answer a request gets
//! is `dispatch`'s affair, and what bytes mean `proto::http`'s.
//!
//! While an answer is due later (a write waits for the disk, a poll for news) the transport is
//! paused: what is pipelined behind stays where it is. The loop's idle limit ends silent
//! connections; the one timer holds whichever other limit runs: head, body, wait, or the next
//! comment of a stream.

use super::answer::Answer;
use super::dispatch::{Begun, begin};
use super::gather::{self, Gather};
use super::print::Wants;
use super::problem::Problem;
use super::reading::Reading;
use super::search::{Search, WAIT_MS_MAX};
use super::status::HELLO;
use super::stream::Stream;
use super::updates::Poll;
use super::upgrade::Upgraded;
use super::write::{Progress, Write};
use super::{site, stories};
use crate::base::{InBuf, Tick};
use crate::config::Limits;
use crate::proto::http::{
    AcceptEncoding, Awaiting, BodyLength, CONTINUE, Event, Head, HttpError, HttpErrorKind,
    HttpLimits, Method, ReplyTo, RequestCodec, Status, decode_escapes,
};
use crate::reactor::{Ctx, Factory, Lost, Outcome, Peer, Protocol};
use crate::serve::offer::{SETTLE_MS_MAX, wait_ms_max};
use crate::serve::ws::Socket;
use crate::serve::{Desk, RouteLabel, Ticket};
use std::marker::PhantomData;

/// A body that nobody wants is read and dropped up to this size, so that the connection can go on;
/// behind a larger one it is closed.
const UNWANTED_BODY_BYTES_MAX: u64 = 64 * 1024;
/// What the input must hold at least, so that bodies come in large pieces.
const INPUT_BYTES: usize = 64 * 1024;

/// What the connection is about.
#[derive(Debug)]
enum Phase {
    /// Between requests, in a head, or in a body that nobody wants.
    Ready,
    /// In the body of a write.
    Body(Box<Write>),
    /// A write waits for the disk.
    Settling(Box<Write>),
    /// A long poll waits for news.
    Polling(Box<Poll>),
    /// A search waits for its answer.
    Searching(Box<Search>),
    /// The herd is asked.
    Gathering(Box<Gather>),
    /// A stream flows until someone closes.
    Streaming(Box<Stream>),
    /// It is HTTP no more.
    Upgraded(Box<Socket>),
}

/// One HTTP connection over a node.
#[derive(Debug)]
pub struct HttpConnection<D> {
    codec: RequestCodec,
    phase: Phase,
    /// The request under way came to a page's address, from a person.
    is_for_people: bool,
    /// How the request under way is to be answered.
    to: ReplyTo,
    /// What the request under way counts as.
    label: RouteLabel,
    /// When it began, by the loop's clock, in nanoseconds, if it is timed.
    began_ns: Option<u64>,
    /// The codings in which its client takes the answer.
    encodings: AcceptEncoding,
    /// When the head under way was first seen unfinished.
    head_since: Option<Tick>,
    /// When the body under way began.
    body_since: Tick,
    /// What the tally counts as kept of the body under way, until the request has its answer.
    body_kept: u64,
    /// The timer runs.
    timed: bool,
    desk: PhantomData<fn(&mut D)>,
}

/// The title, with its escapes, of a story that is asked for as it is.
fn plain_story<'a>(head: &Head<'a>) -> Option<&'a str> {
    let title = head.target.path().strip_prefix("/v1/stories/")?;
    let conditions = ["if-none-match", "range"];
    let is_plain = !title.is_empty()
        && !title.contains('/')
        && head.target.query().is_none()
        && conditions.iter().all(|name| head.fields.first(name).is_none());
    is_plain.then_some(title)
}

/// The factory of a listener that speaks HTTP.
pub fn factory<D: Desk>() -> impl Factory<D> + 'static {
    |_: &Peer, desk: &mut D| -> Box<dyn Protocol<D>> {
        Box::new(HttpConnection::new(&desk.config().limits))
    }
}

impl<D: Desk> HttpConnection<D> {
    /// A connection at its first byte.
    pub fn new(limits: &Limits) -> Self {
        let limits = HttpLimits {
            head_bytes_max: limits.head_bytes,
            fields_max: limits.head_fields,
            target_bytes_max: limits.target_bytes,
            ..HttpLimits::default()
        };
        Self {
            codec: RequestCodec::new(limits),
            phase: Phase::Ready,
            is_for_people: false,
            to: ReplyTo::FAULT,
            label: RouteLabel::Malformed,
            began_ns: None,
            encodings: AcceptEncoding::default(),
            head_since: None,
            body_since: 0,
            body_kept: 0,
            timed: false,
            desk: PhantomData,
        }
    }

    fn on_head(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, head: &Head<'_>) {
        self.to = head.reply_to();
        self.say_the_end(cx);
        self.head_since = None;
        let reads = matches!(head.method, Method::Get | Method::Head);
        let is_plain = reads && head.body.is_empty();
        if is_plain && head.target.path() == "/hello" {
            self.hello(cx, desk);
        } else if !(is_plain && (self.story(cx, desk, head) || self.page(cx, desk, head))) {
            self.route(cx, desk, head);
        }
    }

    /// The next plainest path: a story as it was printed before. False for whatever is not a story
    /// that can be read, or asked for with a query or a condition.
    fn story(&self, cx: &mut Ctx<'_, D>, desk: &mut D, head: &Head<'_>) -> bool {
        let Some(title) = plain_story(head) else { return false };
        let Ok(title) = decode_escapes(title) else { return false };
        let wants = Wants::read(&head.fields, false);
        let print = if self.to.is_head {
            // Nothing is printed for a head alone.
            desk.prints().find(&title, &wants)
        } else {
            stories::print(desk, &title, &wants).ok()
        };
        let Some(print) = print else { return false };
        let wall_ns = cx.wall_ns();
        let tally = desk.tally();
        tally.on_answer(RouteLabel::Story, Status::OK);
        print.put(cx.transport().out(), self.to, tally.date(wall_ns));
        if !self.to.keep_alive {
            cx.transport().close();
        }
        true
    }

    /// As plain: the page of a story as everybody sees it. False for whatever else, and where there
    /// is no such page.
    fn page(&self, cx: &mut Ctx<'_, D>, desk: &mut D, head: &Head<'_>) -> bool {
        let Some((title, since)) = site::plain_story(head) else { return false };
        let Ok(title) = decode_escapes(title) else { return false };
        let Some(print) = site::print(desk, &title, since, &head.fields) else { return false };
        let unchanged = print.not_modified(&head.fields);
        let status = if unchanged.is_some() { Status::NOT_MODIFIED } else { Status::OK };
        let wall_ns = cx.wall_ns();
        let tally = desk.tally();
        tally.on_answer(RouteLabel::StoryPage, status);
        let date = tally.date(wall_ns);
        match unchanged {
            Some(answer) => answer.write(cx.transport().out(), self.to, date),
            None => print.put(cx.transport().out(), self.to, date),
        }
        if !self.to.keep_alive {
            cx.transport().close();
        }
        true
    }

    /// The plain path: one copy out of a static, no allocation, nothing looked up.
    #[inline]
    fn hello(&self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        let wall_ns = cx.wall_ns();
        let tally = desk.tally();
        tally.on_answer(RouteLabel::Hello, Status::OK);
        HELLO.put(cx.transport().out().tail(), self.to, tally.date(wall_ns));
        if !self.to.keep_alive {
            cx.transport().close();
        }
    }

    fn route(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, head: &Head<'_>) {
        self.body_since = cx.now();
        self.began_ns = Some(cx.now_ns());
        self.encodings = AcceptEncoding::read(&head.fields);
        self.is_for_people = site::is_for_people(head);
        let begun = begin(cx, desk, head, &mut self.label);
        if !matches!(begun, Ok(Begun::Write(_))) {
            self.pass_over_body(head);
        }
        match begun {
            Ok(Begun::Answer(answer)) => self.answer(cx, desk, answer),
            Ok(Begun::Write(write)) => {
                if head.expect_continue && !head.body.is_empty() {
                    cx.transport().write(CONTINUE);
                }
                self.phase = Phase::Body(write);
            }
            Ok(Begun::Poll(poll)) => self.poll(cx, desk, poll),
            Ok(Begun::Search(search)) => self.search(cx, desk, search),
            Ok(Begun::Stream(reading)) => self.stream(cx, desk, *reading),
            Ok(Begun::Gather(gather)) => self.gather(cx, desk, gather),
            Ok(Begun::Upgrade(upgraded)) => self.upgrade(cx, desk, *upgraded),
            Err(problem) => self.refuse(cx, desk, problem),
        }
    }

    /// Answers with what went wrong, in the form that its reader likes.
    fn refuse(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, problem: Problem) {
        let is_page = self.is_for_people;
        self.answer(cx, desk, if is_page { site::problem(problem) } else { problem.into() });
    }

    /// The body will not be used. A client that waits for leave to send it gets its answer instead,
    /// and may send it or not: only the close tells what follows from what.
    fn pass_over_body(&mut self, head: &Head<'_>) {
        let is_long = match head.body {
            BodyLength::None => false,
            BodyLength::Length(bytes) => bytes > UNWANTED_BODY_BYTES_MAX,
            BodyLength::Chunked | BodyLength::UntilClose => true,
        };
        let waits = head.expect_continue && !head.body.is_empty();
        if is_long || waits {
            self.to = self.to.closing();
        }
        self.codec.discard_body();
    }

    /// A node that is about to stop says so with its answers, so that nothing is asked in vain.
    #[inline]
    fn say_the_end(&mut self, cx: &mut Ctx<'_, D>) {
        if cx.leaving() {
            self.to = self.to.closing();
        }
    }

    fn answer(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, answer: Answer) {
        self.say_the_end(cx);
        let answer = answer.encoded(self.encodings, self.to);
        let wall_ns = cx.wall_ns();
        let (now_ns, from) = (cx.now_ns(), cx.transport().peer());
        let tally = desk.tally();
        if let Some(began_ns) = self.began_ns.take() {
            tally.http_ns.observe(now_ns.saturating_sub(began_ns));
        }
        tally.on_refused(answer.status(), from);
        tally.body_bytes -= std::mem::take(&mut self.body_kept);
        tally.on_answer(self.label, answer.status());
        answer.write(cx.transport().out(), self.to, tally.date(wall_ns));
        if answer.closes() || !self.to.keep_alive {
            cx.transport().close();
        }
    }

    /// Answers bytes that break the rules, or come too slowly, and closes.
    fn reject(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, problem: Problem) {
        self.phase = Phase::Ready;
        self.to = ReplyTo::FAULT;
        self.answer(cx, desk, problem.closing().into());
    }

    fn on_wire_error(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, error: HttpError) {
        self.label = RouteLabel::Malformed;
        let problem = Problem::new(error.status(), error.to_string());
        self.reject(cx, desk, problem.with("offset", error.offset.into()));
    }

    fn on_body(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, piece: &[u8]) {
        let Phase::Body(write) = &mut self.phase else { return };
        let room = desk.config().limits.bodies_bytes.saturating_sub(desk.tally().body_bytes);
        if let Err(problem) = write.on_body(piece, room) {
            self.phase = Phase::Ready;
            return self.answer(cx, desk, problem.into());
        }
        self.body_kept += piece.len() as u64;
        desk.tally().body_bytes += piece.len() as u64;
    }

    fn on_end(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        if !matches!(self.phase, Phase::Body(_)) {
            return;
        }
        let Phase::Body(mut write) = std::mem::replace(&mut self.phase, Phase::Ready) else {
            return;
        };
        match write.on_end(&desk.config().limits) {
            Ok(()) => self.settle(cx, desk, write),
            Err(problem) => self.answer(cx, desk, problem.into()),
        }
    }

    /// Takes a write as far as it goes; waits when it must.
    fn settle(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, mut write: Box<Write>) {
        let answer = match write.advance(cx, desk) {
            Ok(Progress::Answer(answer)) => answer,
            Ok(Progress::Wait(ticket)) => return self.wait_for_disk(cx, desk, write, ticket),
            Ok(Progress::Check) => {
                self.phase = Phase::Settling(write);
                return self.pause(cx, SETTLE_MS_MAX);
            }
            Err(problem) => problem.into(),
        };
        self.answer(cx, desk, answer);
    }

    fn wait_for_disk(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        write: Box<Write>,
        ticket: Ticket,
    ) {
        desk.await_ticket(ticket, cx.id());
        let wait_ms = wait_ms_max(write.durability(), &desk.config().limits);
        self.phase = Phase::Settling(write);
        self.pause(cx, wait_ms);
    }

    fn poll(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, mut poll: Box<Poll>) {
        match poll.look(desk) {
            Ok(Some(answer)) => self.answer(cx, desk, answer),
            Ok(None) if poll.wait_ms == 0 || cx.draining() => {
                self.answer(cx, desk, poll.nothing());
            }
            Ok(None) => {
                // What a reader chose to wait is no latency.
                self.began_ns = None;
                desk.attend(cx.id());
                desk.tally().long_polls += 1;
                self.pause(cx, poll.wait_ms);
                self.phase = Phase::Polling(poll);
            }
            Err(problem) => self.answer(cx, desk, problem.into()),
        }
    }

    /// Waits until the herd has answered.
    fn gather(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, gather: Box<Gather>) {
        if let Some(answer) = gather.look(cx, desk) {
            return self.answer(cx, desk, answer);
        }
        self.phase = Phase::Gathering(gather);
        self.pause(cx, gather::WAIT_MS_MAX);
    }

    /// A poll that waited has its answer.
    fn end_poll(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, answer: Answer) {
        desk.leave(cx.id());
        desk.tally().long_polls -= 1;
        self.resume(cx, desk);
        self.answer(cx, desk, answer);
    }

    fn search(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, search: Box<Search>) {
        match search.ask(cx, desk) {
            Ok(()) => {
                self.pause(cx, WAIT_MS_MAX);
                self.phase = Phase::Searching(search);
            }
            Err(problem) => self.refuse(cx, desk, problem),
        }
    }

    /// A search that waited has its answer.
    fn end_search(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, answer: Result<Answer, Problem>) {
        self.resume(cx, desk);
        match answer {
            Ok(answer) => self.answer(cx, desk, answer),
            Err(problem) => self.refuse(cx, desk, problem),
        }
    }

    fn stream(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, reading: Reading) {
        let wall_ns = cx.wall_ns();
        desk.tally().on_answer(self.label, Status::OK);
        let date = *desk.tally().date(wall_ns);
        match Stream::begin(cx, desk, reading, self.to, &date) {
            Some(stream) => {
                self.phase = Phase::Streaming(Box::new(stream));
                self.pump(cx, desk);
            }
            None if !self.to.keep_alive => cx.transport().close(),
            None => {}
        }
    }

    /// Answers with the switch. What came behind the request is left for the socket.
    fn upgrade(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, upgraded: Upgraded) {
        let wall_ns = cx.wall_ns();
        self.began_ns = None;
        let tally = desk.tally();
        tally.on_answer(self.label, Status::SWITCHING_PROTOCOLS);
        let date = tally.date(wall_ns);
        let mut socket = Box::new(upgraded.answer(cx.transport().out(), self.to, date));
        socket.begin(cx, desk);
        self.phase = Phase::Upgraded(socket);
    }

    fn pump(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        let Phase::Streaming(stream) = &mut self.phase else { return };
        if let Err(error) = stream.pump(cx, desk) {
            // Cut off, not ended: the reader goes on elsewhere from its last cursor.
            log::error!("a stream was cut: {error}");
            cx.transport().abort();
        }
    }

    /// Ends a stream in order: its reader goes on elsewhere, or has closed its side.
    fn end_if_stream(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        match std::mem::replace(&mut self.phase, Phase::Ready) {
            Phase::Streaming(stream) => {
                desk.leave(cx.id());
                desk.tally().streams -= 1;
                stream.end(cx);
            }
            other => self.phase = other,
        }
    }

    /// Stops reading until an answer is due, at the latest in `ms` milliseconds.
    fn pause(&mut self, cx: &mut Ctx<'_, D>, ms: u64) {
        let mut transport = cx.transport();
        transport.pause();
        transport.set_idle(None);
        transport.set_timeout(Some(ms));
        self.timed = true;
    }

    fn resume(&mut self, cx: &mut Ctx<'_, D>, desk: &D) {
        self.phase = Phase::Ready;
        let mut transport = cx.transport();
        transport.set_timeout(None);
        transport.set_idle(Some(desk.config().limits.idle_ms));
        transport.resume();
        self.timed = false;
    }

    /// More bytes are needed: sets the time in which they must come.
    fn on_pause(&mut self, cx: &mut Ctx<'_, D>, desk: &D) {
        let limits = &desk.config().limits;
        let due = match self.codec.awaiting() {
            Awaiting::Idle => {
                self.head_since = None;
                if std::mem::take(&mut self.timed) {
                    cx.transport().set_timeout(None);
                }
                return;
            }
            Awaiting::Head if self.head_since.is_some() => return,
            Awaiting::Head => {
                self.head_since = Some(cx.now());
                cx.now() + limits.head_ms
            }
            Awaiting::Body => self.body_since + limits.body_ms(self.codec.body_bytes()),
        };
        let ms = due.saturating_sub(cx.now());
        cx.transport().set_timeout(Some(ms));
        self.timed = true;
    }

    fn on_slow(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        let limits = &desk.config().limits;
        let detail = if self.codec.awaiting() == Awaiting::Body {
            let rate = limits.body_bytes_per_s;
            let grace_ms = limits.body_grace_ms;
            format!("a body comes with at least {rate} bytes a second after {grace_ms} ms")
        } else {
            self.label = RouteLabel::Malformed;
            format!("a head comes within {} ms of its first byte", limits.head_ms)
        };
        self.reject(cx, desk, Problem::new(Status::REQUEST_TIMEOUT, detail));
    }
}

impl<D: Desk> Protocol<D> for HttpConnection<D> {
    fn made(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        let limits = &desk.config().limits;
        let mut transport = cx.transport();
        transport.set_idle(Some(limits.idle_ms));
        transport.set_input_cap(limits.head_bytes.max(INPUT_BYTES));
        desk.tally().http_connections += 1;
        Ok(())
    }

    fn received(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        while cx.more() {
            if let Phase::Upgraded(socket) = &mut self.phase {
                return socket.received(cx, desk, input);
            }
            if matches!(self.phase, Phase::Streaming(_)) {
                // A stream is the last answer of its connection.
                input.take_all();
                break;
            }
            match self.codec.next(input) {
                Ok(Some(Event::Head(head))) => {
                    let is_whole = head.body.is_empty();
                    self.on_head(cx, desk, &head);
                    if is_whole && let Ok(Some(Event::End)) = self.codec.next(input) {
                        self.on_end(cx, desk);
                    }
                }
                Ok(Some(Event::Body(piece))) => self.on_body(cx, desk, piece),
                Ok(Some(Event::End)) => self.on_end(cx, desk),
                Ok(None) => {
                    self.on_pause(cx, desk);
                    break;
                }
                Err(error) => {
                    self.on_wire_error(cx, desk, error);
                    break;
                }
            }
        }
        Ok(())
    }

    fn drained(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        if let Phase::Upgraded(socket) = &mut self.phase {
            return socket.drained(cx, desk);
        }
        self.pump(cx, desk);
        Ok(())
    }

    /// The client has asked all it will ask; what it asked was answered before, or is cut short. A
    /// stream has no end of its own: its reader's is one.
    fn read_closed(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, rest: &mut InBuf) -> Outcome {
        match &mut self.phase {
            Phase::Upgraded(socket) => return socket.read_closed(cx, desk, rest),
            Phase::Streaming(_) => self.end_if_stream(cx, desk),
            Phase::Settling(_) | Phase::Polling(_) | Phase::Searching(_) | Phase::Gathering(_) => {
                self.to = self.to.closing();
            }
            Phase::Ready | Phase::Body(_) => {
                if self.codec.awaiting() == Awaiting::Idle {
                    cx.transport().close();
                } else {
                    let problem = Problem::malformed(HttpErrorKind::Truncated.text());
                    self.label = RouteLabel::Malformed;
                    self.reject(cx, desk, problem);
                }
            }
        }
        Ok(())
    }

    fn timeout(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        if let Phase::Upgraded(socket) = &mut self.phase {
            return socket.timeout(cx, desk);
        }
        let is_body = self.codec.awaiting() == Awaiting::Body;
        match std::mem::replace(&mut self.phase, Phase::Ready) {
            Phase::Settling(mut write) => {
                write.forget(desk);
                self.resume(cx, desk);
                let answer = write.late(desk);
                self.answer(cx, desk, answer);
            }
            Phase::Polling(poll) => self.end_poll(cx, desk, poll.nothing()),
            Phase::Searching(_) => {
                desk.forget_search(cx.id());
                self.end_search(cx, desk, Err(Search::overdue()));
            }
            Phase::Gathering(_) => {
                self.resume(cx, desk);
                self.answer(cx, desk, Gather::unanswered().into());
            }
            Phase::Streaming(mut stream) => {
                stream.comment(cx, desk);
                self.phase = Phase::Streaming(stream);
            }
            // Its request has its answer; only the body that nobody wants is still coming.
            Phase::Ready if is_body => cx.transport().close(),
            Phase::Ready | Phase::Body(_) | Phase::Upgraded(_) => self.on_slow(cx, desk),
        }
        Ok(())
    }

    fn notified(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        if let Phase::Upgraded(socket) = &mut self.phase {
            return socket.notified(cx, desk);
        }
        match std::mem::replace(&mut self.phase, Phase::Ready) {
            Phase::Settling(write) => {
                self.resume(cx, desk);
                self.settle(cx, desk, write);
            }
            Phase::Gathering(gather) => match gather.look(cx, desk) {
                Some(answer) => {
                    self.resume(cx, desk);
                    self.answer(cx, desk, answer);
                }
                None => self.phase = Phase::Gathering(gather),
            },
            Phase::Polling(mut poll) => match poll.look(desk) {
                Ok(Some(answer)) => self.end_poll(cx, desk, answer),
                Ok(None) if cx.draining() => {
                    self.to = self.to.closing();
                    self.end_poll(cx, desk, poll.nothing());
                }
                Ok(None) => self.phase = Phase::Polling(poll),
                Err(problem) => self.end_poll(cx, desk, problem.into()),
            },
            Phase::Searching(search) => match search.look(desk, cx.id()) {
                Some(answer) => self.end_search(cx, desk, answer),
                None => self.phase = Phase::Searching(search),
            },
            other => {
                self.phase = other;
                self.pump(cx, desk);
                if cx.draining() {
                    self.end_if_stream(cx, desk);
                }
            }
        }
        Ok(())
    }

    fn lost(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, reason: Lost) {
        desk.tally().body_bytes -= std::mem::take(&mut self.body_kept);
        desk.tally().http_connections -= 1;
        match &mut self.phase {
            Phase::Polling(_) => {
                desk.leave(cx.id());
                desk.tally().long_polls -= 1;
            }
            Phase::Searching(_) => desk.forget_search(cx.id()),
            Phase::Streaming(stream) => {
                if reason == Lost::Idle {
                    stream.on_stalled(desk);
                }
                desk.leave(cx.id());
                desk.tally().streams -= 1;
            }
            Phase::Settling(write) => write.forget(desk),
            Phase::Upgraded(socket) => socket.lost(cx, desk, reason),
            Phase::Ready | Phase::Body(_) | Phase::Gathering(_) => {}
        }
    }
}
