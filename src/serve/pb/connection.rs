//! One client's connection: calls in, answers out when they are true, and what goes on behind them.

use super::deadlines::{Deadlines, Due};
use super::failure;
use super::methods::{self, Done, Refused};
use super::object::{Object, Rights};
use super::pager::Pager;
use super::search::Searches;
use super::subscription::Subscription;
use crate::base::{InBuf, Tick};
use crate::config::Limits;
use crate::proto::http::Status;
use crate::proto::pb::{Broker, Call, Event, Failure, Jelly, PbLimits, RequestId};
use crate::reactor::{Class, Ctx, Lost, Outcome, Protocol};
use crate::serve::http::{Problem, Reading, Wish};
use crate::serve::offer::{Offer, Offered, unsettled, wait_ms_max};
use crate::serve::{Desk, Ticket};
use crate::store::StoreError;
use crate::update::Update;
use std::collections::VecDeque;
use std::rc::Rc;

/// Writes of one connection that may be under way; beyond it the connection is not read.
const WRITES_MAX: usize = 64;
/// Bytes of the messages that they came in, likewise; the one that goes past it is the last.
const WRITE_BYTES_MAX: usize = 1 << 20;
/// Bodies of one connection that may be on their way in pages.
const PAGERS_MAX: usize = 16;
/// Subscriptions of one connection.
const SUBSCRIPTIONS_MAX: usize = 64;
/// A part of a message that is smaller is not counted with what the node keeps of bodies.
const PART_BYTES_MIN: usize = 4096;

/// A broker of ours.
pub(super) type PbBroker = Broker<Object, Asked>;

/// A call of the client's object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// For whom.
    pub(super) subscription: u64,
}

/// A write under way.
#[derive(Debug)]
struct Write {
    id: Option<RequestId>,
    offer: Box<Offer>,
    /// Of the message that it came in.
    bytes: usize,
    waits_for: Option<Ticket>,
    due: Tick,
}

/// One client's connection.
#[derive(Debug)]
pub struct PbConnection {
    broker: PbBroker,
    writes: Vec<Write>,
    /// What `writes` holds, about.
    write_bytes: usize,
    pagers: VecDeque<Pager>,
    searches: Searches,
    subscriptions: Vec<Subscription>,
    last_subscription: u64,
    deadlines: Deadlines,
    /// What the connection's clock is set to, and whether it watches a full out-buffer.
    armed: (Option<Tick>, bool),
    /// Bytes of a part of a message, as the node counts them.
    part_bytes: u64,
    avatars: u64,
    read_closed: bool,
}

impl PbConnection {
    /// A connection of a listener.
    pub fn new(limits: &Limits) -> Self {
        let limits = PbLimits {
            message_bytes: limits.pb_message_bytes,
            references: limits.pb_references,
            ..PbLimits::default()
        };
        Self {
            broker: Broker::server(limits, Object::Root),
            writes: Vec::new(),
            write_bytes: 0,
            pagers: VecDeque::new(),
            searches: Searches::default(),
            subscriptions: Vec::new(),
            last_subscription: 0,
            deadlines: Deadlines::default(),
            armed: (None, false),
            part_bytes: 0,
            avatars: 0,
            read_closed: false,
        }
    }

    fn is_blocked(&self) -> bool {
        self.writes.len() >= WRITES_MAX || self.write_bytes >= WRITE_BYTES_MAX
    }

    /// Takes what came, until there is no more or no more may be taken.
    fn take_all<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        input: &mut InBuf,
    ) -> Outcome {
        while !self.is_blocked() && cx.more() {
            let mut transport = cx.transport();
            let Some(event) = self.broker.next(input, transport.out().tail())? else { break };
            self.deadlines.on_message();
            self.take(cx, desk, event);
        }
        if self.is_blocked() {
            cx.transport().pause();
        }
        Ok(())
    }

    fn take<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        event: Event<'_, Object, Asked>,
    ) {
        match event {
            Event::Call(call) => self.call(cx, desk, call),
            Event::Answer(asked, _) => self.on_answer(cx, desk, asked, None),
            Event::Failed(asked, failure) => self.on_answer(cx, desk, asked, Some(&failure)),
            Event::Released(Object::Avatar(_)) => {
                self.avatars -= 1;
                desk.tally().pb.avatars -= 1;
            }
            Event::Handled | Event::Released(Object::Root | Object::Challenger(_)) => {}
        }
    }

    fn call<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, mut call: Call<'_, Object>) {
        desk.tally().pb.on_call(call.method);
        let done = methods::call(cx, desk, &mut call);
        let id = call.id;
        let ended = match done {
            Ok(Done::Answer(value)) => {
                self.answer(cx, desk, id.as_ref(), &Jelly::of_json(&value));
                Ok(())
            }
            Ok(Done::Write(offer)) => {
                let bytes = self.broker.last_bytes();
                let due = cx.now() + wait_ms_max(offer.durability(), &desk.config().limits);
                return self.write(cx, desk, Write { id, offer, bytes, waits_for: None, due });
            }
            Ok(Done::Search(search)) => match self.searches.add(id, *search) {
                Ok(()) => return self.look_at_searches(cx, desk),
                Err((id, problem)) => {
                    return self.fail(cx, desk, id.as_ref(), ("", &problem.into()));
                }
            },
            Ok(Done::Subscribe(callback, wish)) => {
                self.subscribe(cx, desk, id.as_ref(), (callback, wish))
            }
            Ok(Done::Unsubscribe(callback)) => {
                let ended = self.unsubscribe(cx, desk, callback);
                self.answer(cx, desk, id.as_ref(), &Jelly::Bool(ended));
                Ok(())
            }
            Ok(Done::Page(collector, update)) => {
                self.page(cx, desk, id.as_ref(), (collector, update))
            }
            Ok(Done::Challenge(challenge)) => {
                let challenger = Object::Challenger(Rc::clone(&challenge));
                self.give(cx, desk, id.as_ref(), (challenger, Some(challenge.bytes())));
                Ok(())
            }
            Ok(Done::Enter(rights)) => {
                self.enter(cx, desk, id.as_ref(), rights);
                Ok(())
            }
            Err(refused) => Err(refused),
        };
        if let Err(refused) = ended {
            self.fail(cx, desk, id.as_ref(), (call.method, &refused));
        }
    }

    fn answer<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        id: Option<&RequestId>,
        value: &Jelly<'_>,
    ) {
        if value.is_sendable() {
            return self.broker.answer(cx.transport().out().tail(), id, value);
        }
        let detail = "the answer has more than 640 KiB in one piece: ask for less of it";
        let problem = Problem::new(Status::CONTENT_TOO_LARGE, detail);
        self.fail(cx, desk, id, ("", &problem.into()));
    }

    fn fail<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        id: Option<&RequestId>,
        (method, refused): (&str, &Refused),
    ) {
        desk.tally().pb.failures += 1;
        let mut transport = cx.transport();
        let out = transport.out().tail();
        failure::tell(method, refused, |failure| self.broker.fail(out, id, failure));
    }

    /// Answers with an object of ours, behind these bytes in a tuple if there are any; false when
    /// there are too many.
    fn give<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        id: Option<&RequestId>,
        (object, before): (Object, Option<&[u8]>),
    ) -> bool {
        // Who is not told of an object can't let go of it.
        if id.is_none() {
            return false;
        }
        let given = match self.broker.export(object) {
            Ok(given) => Jelly::Remote(given),
            Err(too_many) => {
                desk.tally().pb.failures += 1;
                let mut transport = cx.transport();
                let out = transport.out().tail();
                self.broker.fail(out, id, &Failure::too_many_references());
                if too_many.is_last {
                    transport.close_for(Lost::Limit);
                }
                return false;
            }
        };
        let value = match before {
            Some(bytes) => Jelly::Tuple(vec![Jelly::Bytes(bytes), given]),
            None => given,
        };
        self.answer(cx, desk, id, &value);
        true
    }

    fn enter<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        id: Option<&RequestId>,
        rights: Rights,
    ) {
        if self.give(cx, desk, id, (Object::Avatar(rights), None)) {
            self.avatars += 1;
            desk.tally().pb.avatars += 1;
        }
    }

    fn write<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, mut write: Write) {
        let ended = match write.offer.advance(cx, desk) {
            Ok(Offered::Wait(ticket)) => {
                desk.await_ticket(ticket, cx.id());
                write.waits_for = Some(ticket);
                return self.keep(write);
            }
            Ok(Offered::Done(made)) => {
                let written = write.offer.written(desk, &made);
                serde_json::to_value(written).map_err(|error| {
                    log::error!("what was written can't be shown: {error}");
                    Problem::new(Status::INTERNAL_SERVER_ERROR, "it is written, but not shown")
                })
            }
            Err(problem) => Err(problem),
        };
        match ended {
            Ok(value) => self.answer(cx, desk, write.id.as_ref(), &Jelly::of_json(&value)),
            Err(problem) => self.fail(cx, desk, write.id.as_ref(), ("", &problem.into())),
        }
    }

    fn keep(&mut self, write: Write) {
        self.write_bytes += write.bytes;
        self.writes.push(write);
    }

    /// Goes on with the writes that need wait no longer.
    fn settle<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        self.write_bytes = 0;
        for write in std::mem::take(&mut self.writes) {
            if write.waits_for.is_some_and(|ticket| desk.settled(ticket).is_none()) {
                self.keep(write);
            } else {
                self.write(cx, desk, write);
            }
        }
        if !self.is_blocked() {
            cx.transport().resume();
        }
    }

    /// Tells those whose time is up that the disk gave no answer, and goes on without them.
    fn give_up<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        let now = cx.now();
        let late: Vec<Write> = self.writes.extract_if(.., |write| write.due <= now).collect();
        for write in late {
            self.fail(cx, desk, write.id.as_ref(), ("", &unsettled().into()));
        }
        self.settle(cx, desk);
    }

    /// Answers the searches that have ended.
    fn look_at_searches<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        while let Some((id, ended)) = self.searches.next(cx, desk) {
            match ended {
                Ok(found) => self.answer(cx, desk, id.as_ref(), &Jelly::of_json(&found)),
                Err(problem) => self.fail(cx, desk, id.as_ref(), ("", &problem.into())),
            }
        }
    }

    fn subscribe<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        id: Option<&RequestId>,
        (callback, wish): (i64, Wish),
    ) -> Result<(), Refused> {
        if self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            let detail = format!("a connection has at most {SUBSCRIPTIONS_MAX} subscriptions");
            return Err(Problem::new(Status::TOO_MANY_REQUESTS, detail).into());
        }
        let reading = Reading::begin(desk, wish)?;
        // Only what came with this call can be kept.
        if !self.broker.keep(callback) {
            return Err(Problem::malformed("callback is given twice").into());
        }
        self.last_subscription += 1;
        let most = desk.config().limits.pb_unanswered_updates;
        let names = (self.last_subscription, callback);
        let subscription = Subscription::new(names, reading, most);
        let cursor = subscription.cursor().to_string();
        self.answer(cx, desk, id, &Jelly::Text(&cursor));
        if self.subscriptions.is_empty() {
            desk.attend(cx.id());
            cx.transport().set_class(Class::Subscriber);
        }
        self.subscriptions.push(subscription);
        desk.tally().pb.subscriptions += 1;
        self.deadlines.on_subscriptions(true, cx.now());
        cx.transport().notify();
        Ok(())
    }

    /// Ends what calls this object of the client's; false when nothing does.
    fn unsubscribe<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, callback: i64) -> bool {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|subscription| subscription.callback != callback);
        let ended = before - self.subscriptions.len();
        for _ in 0..ended {
            self.broker.release(cx.transport().out().tail(), callback);
        }
        desk.tally().pb.subscriptions -= ended as u64;
        if ended > 0 && self.subscriptions.is_empty() {
            desk.leave(cx.id());
            self.deadlines.on_subscriptions(false, cx.now());
        }
        self.look_at_debts(cx, desk);
        ended > 0
    }

    /// A subscriber has taken an update, or can't.
    fn on_answer<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        asked: Asked,
        failure: Option<&Failure<'_>>,
    ) {
        let mut all = self.subscriptions.iter_mut();
        let found = all.find(|subscription| subscription.id == asked.subscription);
        let Some(subscription) = found else { return };
        subscription.in_flight -= 1;
        let callback = subscription.callback;
        self.look_at_debts(cx, desk);
        if failure.is_some_and(is_final) {
            self.unsubscribe(cx, desk, callback);
        } else {
            cx.transport().notify();
        }
    }

    /// Whether the client owes answers still, and so until when.
    fn look_at_debts<D: Desk>(&mut self, cx: &Ctx<'_, D>, desk: &D) {
        let owes = self.subscriptions.iter().any(|subscription| subscription.in_flight > 0);
        self.deadlines.on_answer(owes, cx.now(), &desk.config().limits);
    }

    fn page<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        id: Option<&RequestId>,
        (collector, update): (i64, Update),
    ) -> Result<(), Refused> {
        if self.pagers.len() >= PAGERS_MAX {
            let detail = format!("{PAGERS_MAX} bodies are on their way: wait for one to end");
            return Err(Problem::new(Status::TOO_MANY_REQUESTS, detail).into());
        }
        if !self.broker.keep(collector) {
            return Err(Problem::malformed("collector is given twice").into());
        }
        self.pagers.push_back(Pager::new(collector, update));
        self.answer(cx, desk, id, &Jelly::None);
        cx.transport().notify();
        Ok(())
    }

    /// Sends what the client takes of updates and pages.
    fn pump<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Result<(), StoreError> {
        for subscription in &mut self.subscriptions {
            subscription.pump(cx, desk, &mut self.broker)?;
            if subscription.in_flight > 0 {
                self.deadlines.on_calls(cx.now(), &desk.config().limits);
            }
        }
        while let Some(pager) = self.pagers.front_mut()
            && pager.pump(cx, desk, &mut self.broker)
        {
            self.pagers.pop_front();
        }
        Ok(())
    }

    /// Counts what is kept of a message that is not whole, and gives it its time.
    fn look_at_part<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &InBuf) {
        let is_ours = self.is_blocked() || cx.transport().is_full();
        let part = input.len();
        let waited_for = if is_ours { 0 } else { part };
        self.deadlines.on_part(waited_for, cx.now(), &desk.config().limits);
        self.count_part(desk, if part >= PART_BYTES_MIN { part as u64 } else { 0 });
        let is_over = desk.tally().body_bytes > desk.config().limits.bodies_bytes;
        if self.part_bytes > 0 && is_over {
            cx.transport().abort_for(Lost::Limit);
        }
    }

    fn count_part<D: Desk>(&mut self, desk: &mut D, bytes: u64) {
        let tally = desk.tally();
        tally.body_bytes = tally.body_bytes - self.part_bytes + bytes;
        self.part_bytes = bytes;
    }

    /// Sets the clock for what is due next, and for a client that takes nothing of what waits.
    fn arm<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &D) {
        self.deadlines.on_writes(self.writes.iter().map(|write| write.due).min());
        let wanted = (self.deadlines.next(), cx.transport().is_full());
        if wanted == self.armed {
            return;
        }
        self.armed = wanted;
        let (next, is_full) = wanted;
        let ms = next.map(|moment| moment.saturating_sub(cx.now()).max(1));
        let mut transport = cx.transport();
        transport.set_timeout(ms);
        transport.set_idle(is_full.then_some(desk.config().limits.stall_ms));
    }

    fn close_when_done<D>(&self, cx: &mut Ctx<'_, D>) {
        let is_done = self.writes.is_empty() && self.pagers.is_empty() && self.searches.is_empty();
        if self.read_closed && is_done {
            cx.transport().close();
        }
    }
}

/// True when an object of the client's can't be called again: it is gone, or has no such method.
fn is_final(failure: &Failure<'_>) -> bool {
    failure.is_a("twisted.spread.flavors.NoSuchMethod")
        || (failure.is_a("twisted.spread.pb.Error") && failure.value == "Invalid Object ID")
}

impl<D: Desk> Protocol<D> for PbConnection {
    fn made(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        desk.tally().pb.connections += 1;
        let mut transport = cx.transport();
        // A message, and the head of what follows it.
        transport.set_input_cap(desk.config().limits.pb_message_bytes + 128);
        self.broker.start(transport.out().tail());
        Ok(())
    }

    fn received(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        self.take_all(cx, desk, input)?;
        self.look_at_part(cx, desk, input);
        self.arm(cx, desk);
        Ok(())
    }

    fn drained(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.pump(cx, desk)?;
        self.arm(cx, desk);
        Ok(())
    }

    fn notified(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.settle(cx, desk);
        self.look_at_searches(cx, desk);
        self.pump(cx, desk)?;
        self.close_when_done(cx);
        self.arm(cx, desk);
        Ok(())
    }

    /// What has come is all that will come, so no bound but the input's holds it back.
    fn read_closed(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        self.read_closed = true;
        loop {
            let mut transport = cx.transport();
            let Some(event) = self.broker.next(input, transport.out().tail())? else { break };
            self.take(cx, desk, event);
        }
        self.close_when_done(cx);
        Ok(())
    }

    fn timeout(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        // The clock is set to nothing now.
        self.armed.0 = None;
        match self.deadlines.due(cx.now()) {
            Due::Message => cx.transport().abort_for(Lost::Idle),
            Due::Answer => {
                desk.tally().stalled += 1;
                cx.transport().abort_for(Lost::Slow);
            }
            Due::Write => self.give_up(cx, desk),
            Due::Look => {
                let mut has_more = false;
                for subscription in &mut self.subscriptions {
                    has_more |= subscription.doubt(desk);
                }
                if has_more {
                    cx.transport().notify();
                }
            }
            Due::Nothing => {}
        }
        self.arm(cx, desk);
        Ok(())
    }

    fn lost(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, _: Lost) {
        self.count_part(desk, 0);
        self.searches.forget(cx, desk);
        if !self.subscriptions.is_empty() {
            desk.leave(cx.id());
        }
        let tally = &mut desk.tally().pb;
        tally.connections -= 1;
        tally.avatars -= self.avatars;
        tally.subscriptions -= self.subscriptions.len() as u64;
    }
}
