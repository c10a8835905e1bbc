//! The line protocol of places-protocol.md: IAMAT and WHATSAT from clients, AT from the servers of
//! foreign herds where the listener trusts them, AUTH from who needs a token to write. Answers
//! leave in the order of their commands, each when what it promises is true.

use super::visitor::{Visitor, anyone, by_token_id, note_led_browser};
use super::{Desk, Receipt, Settled, Ticket};
use crate::accounts::{Token, TokenId};
use crate::base::InBuf;
use crate::config::ClosePolicy;
use crate::proto::line::{
    Command, Decimal, Latlon, Line, LineCodec, Radius, Report, put_at, put_auth, put_bad,
    put_places,
};
use crate::proto::sniff::is_of_http;
use crate::reactor::{Ctx, Outcome, Protocol};
use crate::store::StoreError;
use std::collections::VecDeque;

/// Answers of one connection that may wait for the disk; beyond it the connection is not read.
const WAITING_MAX: usize = 1024;
/// Their bytes, likewise; the answer that goes past it is the last.
const WAITING_BYTES_MAX: usize = 64 << 10;

/// What the line protocol asks of the node, besides what every protocol asks.
pub trait PlacesDesk: Desk {
    /// Takes a client's report: what is to be answered, and when.
    fn report(
        &mut self,
        cx: &mut Ctx<'_, Self>,
        id: &[u8],
        latlon: &Latlon<'_>,
        time: &Decimal<'_>,
    ) -> ReportAnswer;

    /// Takes a report that a foreign herd's server hands on.
    fn hear(&mut self, cx: &mut Ctx<'_, Self>, report: &Report<'_>) -> Heard;

    /// The AT line of whoever reported under this id, and the places near them as JSON; `None`
    /// when nobody did.
    fn what_is_at(
        &self,
        id: &[u8],
        radius: Radius,
        bound: u8,
    ) -> Result<Option<(Vec<u8>, String)>, StoreError>;
}

/// The answer to IAMAT: an AT line without its LF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportAnswer {
    /// True already.
    Now(Vec<u8>),
    /// True once the ticket is settled.
    After(Ticket, Vec<u8>),
    /// Not to be answered now: the node has more to write than it should hold. To be asked again
    /// after so many milliseconds.
    Later(u64),
    /// The report is refused: a time too far ahead, or a node that can't write.
    Refused,
}

/// What became of a foreign herd's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is an update of this node.
    News(Receipt),
    /// It is known, or not to be believed.
    Nothing,
    /// The node can't write it now. To be handed over again after so many milliseconds.
    Later(u64),
}

/// Who is at the other end of a connection, as far as its address or its listener tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Anyone: AT is an error like any other.
    Client,
    /// Someone at the address of a foreign server, who may say AT as well.
    ClientOrServer,
    /// A foreign server on a listener for them: says AT, and is never answered, since it takes
    /// any answer for a line of ours.
    Server,
}

/// An answer on its way, behind those before it.
#[derive(Debug)]
struct Waiting {
    ticket: Option<Ticket>,
    answer: Vec<u8>,
    /// What is answered when the disk fails.
    otherwise: Vec<u8>,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.answer.len() + self.otherwise.len()
    }
}

/// A [`Line`] that outlives the input buffer.
#[derive(Debug)]
struct HeldLine {
    bytes: Vec<u8>,
    is_whole: bool,
}

impl HeldLine {
    fn of(line: Line<'_>) -> Self {
        let (Line::Whole(bytes) | Line::TooLong(bytes)) = line;
        Self { bytes: bytes.to_vec(), is_whole: matches!(line, Line::Whole(_)) }
    }

    fn line(&self) -> Line<'_> {
        if self.is_whole { Line::Whole(&self.bytes) } else { Line::TooLong(&self.bytes) }
    }
}

/// What becomes of the lines behind those that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// They are taken when they come.
    Comes,
    /// None will come but those that are held.
    Ended,
    /// None is taken: a line was one of HTTP, so they are a page's.
    Refused,
}

/// One client's connection, or one of a foreign herd's server.
#[derive(Debug)]
pub struct LineConnection {
    codec: LineCodec,
    policy: ClosePolicy,
    caller: Caller,
    /// What the last AUTH showed.
    token: Option<TokenId>,
    /// Something was answered: from then on silence may end the connection.
    has_answered: bool,
    waiting: VecDeque<Waiting>,
    /// What `waiting` holds.
    waiting_bytes: usize,
    /// Lines that must see what the waiting answers promise, and those behind them. Bounded by
    /// the input buffer: more than one is held only at the end of input.
    held: VecDeque<HeldLine>,
    /// The first line held is tried again after a while.
    is_put_off: bool,
    rest: Rest,
}

impl LineConnection {
    /// A connection of a listener with this policy.
    pub fn new(line_bytes_max: usize, policy: ClosePolicy, caller: Caller) -> Self {
        Self {
            codec: LineCodec::new(line_bytes_max),
            policy,
            caller,
            token: None,
            has_answered: false,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            held: VecDeque::new(),
            is_put_off: false,
            rest: Rest::Comes,
        }
    }

    fn is_blocked(&self) -> bool {
        // With `answered` the first answer is the last: what is behind it is not begun.
        let waiting_max = if self.policy == ClosePolicy::Answered { 1 } else { WAITING_MAX };
        let is_full = self.waiting_bytes >= WAITING_BYTES_MAX;
        let must_wait = !self.held.is_empty() || self.waiting.len() >= waiting_max;
        must_wait || is_full || self.rest == Rest::Refused
    }

    fn take<D: PlacesDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, line: Line<'_>) {
        let command = match line {
            Line::Whole(raw) => Command::parse(raw),
            Line::TooLong(_) => Command::Bad,
        };
        let (Line::Whole(raw) | Line::TooLong(raw)) = line;
        if matches!(command, Command::Bad) && is_of_http(raw) {
            return self.turn_away(cx, desk, line);
        }
        if matches!(command, Command::Whatsat { .. }) && !self.waiting.is_empty() {
            return self.held.push_front(HeldLine::of(line));
        }
        let verb = verb(&command);
        match command {
            Command::At(report) if self.caller != Caller::Client => {
                if let Heard::Later(ms) = desk.hear(cx, &report) {
                    self.try_later(cx, line, ms);
                }
            }
            _ if self.caller == Caller::Server => {
                log::debug!("a foreign server said something that is not AT");
            }
            Command::Auth { token } => self.authenticate(cx, desk, token, line),
            Command::Iamat { .. } if !self.may_write(desk) => self.answer_bad(cx, desk, line),
            Command::Iamat { id, latlon, time } => match desk.report(cx, id, &latlon, &time) {
                ReportAnswer::Now(at) => {
                    self.answer(cx, desk, None, &line, |out| put_at(out, &at));
                }
                ReportAnswer::After(ticket, at) => {
                    self.answer(cx, desk, Some(ticket), &line, |out| put_at(out, &at));
                }
                ReportAnswer::Later(ms) => self.try_later(cx, line, ms),
                ReportAnswer::Refused => self.answer_bad(cx, desk, line),
            },
            Command::Whatsat { id, radius, bound } => match desk.what_is_at(id, radius, bound) {
                Ok(Some((at, json))) => {
                    self.answer(cx, desk, None, &line, |out| put_places(out, &at, &json));
                }
                Ok(None) => self.answer_bad(cx, desk, line),
                Err(error) => {
                    log::error!("WHATSAT can't be answered: {error}");
                    self.answer_bad(cx, desk, line);
                }
            },
            Command::At(_) | Command::Bad => self.answer_bad(cx, desk, line),
        }
        if !self.is_put_off {
            desk.tally().on_command(verb);
        }
    }

    /// Takes a token for what follows. Its answer is no answer to a command: with `answered` the
    /// connection stays for one.
    fn authenticate<D: PlacesDesk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        token: &[u8],
        line: Line<'_>,
    ) {
        let token = std::str::from_utf8(token).ok().and_then(Token::parse).map(|token| token.id());
        let visitor = token.and_then(|id| known(by_token_id(desk, id)));
        self.token = visitor.as_ref().and(token);
        let Some(visitor) = visitor else { return self.answer_bad(cx, desk, line) };
        let scopes = visitor.scopes.to_string();
        if self.waiting.is_empty() {
            put_auth(cx.transport().out().tail(), &visitor.name, &scopes);
        } else {
            self.answer(cx, desk, None, &line, |out| put_auth(out, &visitor.name, &scopes));
        }
    }

    /// Whether a report is taken: from anyone where accounts are open, else with a token that is
    /// good still.
    fn may_write<D: PlacesDesk>(&self, desk: &D) -> bool {
        let by_token = || self.token.and_then(|id| known(by_token_id(desk, id)));
        anyone(desk, false).write || by_token().is_some_and(|visitor| visitor.scopes.write)
    }

    /// The node has too much to write: the answer comes later, and nothing is read before it.
    fn try_later<D: PlacesDesk>(&mut self, cx: &mut Ctx<'_, D>, line: Line<'_>, ms: u64) {
        self.held.push_front(HeldLine::of(line));
        self.is_put_off = true;
        cx.notify_later(ms);
    }

    /// A browser was led here: its line gets the answer that any such line gets, and is the last.
    fn turn_away<D: PlacesDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, line: Line<'_>) {
        note_led_browser(cx, "line");
        desk.tally().on_command("HTTP");
        self.rest = Rest::Refused;
        self.held.clear();
        if self.caller != Caller::Server {
            self.answer_bad(cx, desk, line);
        }
        self.close_when_done(cx);
    }

    fn take_or_hold<D: PlacesDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, line: Line<'_>) {
        if self.rest == Rest::Refused {
            return;
        }
        if self.is_blocked() {
            self.held.push_back(HeldLine::of(line));
        } else {
            self.take(cx, desk, line);
        }
    }

    fn answer_bad<D: PlacesDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, line: Line<'_>) {
        self.answer(cx, desk, None, &line, |out| put_bad(out, line));
    }

    /// Writes an answer, or queues it behind those that wait.
    fn answer<D: PlacesDesk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        ticket: Option<Ticket>,
        line: &Line<'_>,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        if ticket.is_none() && self.waiting.is_empty() {
            encode(cx.transport().out().tail());
            return self.answered(cx);
        }
        let mut waiting = Waiting { ticket, answer: Vec::new(), otherwise: Vec::new() };
        encode(&mut waiting.answer);
        if let Some(ticket) = ticket {
            put_bad(&mut waiting.otherwise, *line);
            desk.await_ticket(ticket, cx.id());
        }
        self.waiting_bytes += waiting.bytes();
        self.waiting.push_back(waiting);
    }

    fn answered<D>(&mut self, cx: &mut Ctx<'_, D>) {
        self.has_answered = true;
        match self.policy {
            ClosePolicy::Never => {}
            ClosePolicy::Answered => cx.transport().close(),
            ClosePolicy::Idle(ms) => cx.transport().set_timeout(Some(ms)),
        }
    }

    /// Writes the answers that have come true, in order, then takes the lines that waited.
    fn settle<D: PlacesDesk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        loop {
            while let Some(first) = self.waiting.front() {
                let settled = first.ticket.map_or(Some(Settled::Done), |t| desk.settled(t));
                let bytes = match settled {
                    Some(Settled::Done) => &first.answer,
                    Some(Settled::Refused) => &first.otherwise,
                    None => break,
                };
                cx.transport().write(bytes);
                self.waiting_bytes -= first.bytes();
                self.waiting.pop_front();
                self.answered(cx);
            }
            if !cx.transport().is_open() {
                return;
            }
            if !self.waiting.is_empty() {
                break;
            }
            let Some(line) = self.held.pop_front() else { break };
            self.take(cx, desk, line.line());
            if self.is_put_off {
                break;
            }
        }
        if !self.is_blocked() {
            cx.transport().resume();
        }
        self.close_when_done(cx);
    }

    fn close_when_done<D>(&self, cx: &mut Ctx<'_, D>) {
        let is_over = self.rest != Rest::Comes;
        if is_over && self.waiting.is_empty() && self.held.is_empty() {
            cx.transport().close();
        }
    }
}

/// A visitor that is found; nobody, where the index fails.
fn known(found: Result<Option<Visitor>, StoreError>) -> Option<Visitor> {
    found.unwrap_or_else(|error| {
        log::error!("a token can't be looked up: {error}");
        None
    })
}

/// What a command counts as.
fn verb(command: &Command<'_>) -> &'static str {
    match command {
        Command::Iamat { .. } => "IAMAT",
        Command::Whatsat { .. } => "WHATSAT",
        Command::At(_) => "AT",
        Command::Auth { .. } => "AUTH",
        Command::Bad => "bad",
    }
}

impl<D: PlacesDesk> Protocol<D> for LineConnection {
    fn made(&mut self, cx: &mut Ctx<'_, D>, _desk: &mut D) -> Outcome {
        cx.transport().set_input_cap(self.codec.needed());
        Ok(())
    }

    fn received(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        if let ClosePolicy::Idle(ms) = self.policy
            && self.has_answered
        {
            cx.transport().set_timeout(Some(ms));
        }
        while !self.is_blocked() && cx.more() {
            let Some(line) = self.codec.next(input) else { break };
            self.take(cx, desk, line);
        }
        if self.is_blocked() {
            cx.transport().pause();
        }
        Ok(())
    }

    fn notified(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.is_put_off = false;
        self.settle(cx, desk);
        Ok(())
    }

    fn read_closed(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        if self.rest == Rest::Refused {
            return Ok(());
        }
        self.rest = Rest::Ended;
        while let Some(line) = self.codec.next(input) {
            self.take_or_hold(cx, desk, line);
        }
        if let Some(line) = self.codec.last(input) {
            self.take_or_hold(cx, desk, line);
        }
        self.close_when_done(cx);
        Ok(())
    }

    /// With [`ClosePolicy::Idle`]: the client was silent since its last answer.
    fn timeout(&mut self, cx: &mut Ctx<'_, D>, _desk: &mut D) -> Outcome {
        if self.waiting.is_empty() && self.held.is_empty() {
            cx.transport().close();
        }
        Ok(())
    }
}
