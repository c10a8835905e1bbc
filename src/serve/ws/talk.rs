//! What is said on `/v1/ws`: subscriptions that are served in turns, and writes that wait. Both are
//! bounded; a client that waits for as many writes as it may is not read until one is done.

use super::subscription::{Stepped, Subscription};
use super::words::{self, Ask, Asked, Publish, Tag, To};
use super::writes::{WRITE_BYTES_MAX, Writes};
use crate::news::Filter;
use crate::proto::http::Status;
use crate::proto::ws::{Kind, Sender};
use crate::reactor::Ctx;
use crate::serve::Desk;
use crate::serve::http::{Problem, Standing, Wish};
use crate::store::StoreError;
use crate::update::After;

/// How many updates one turn may look at for all subscriptions of a socket.
pub(super) const LOOKED_AT_MAX: usize = 128;

/// One client's talk with the node.
#[derive(Debug)]
pub(super) struct Talk {
    /// Who it is, asked again at each write.
    standing: Standing,
    subscriptions: Vec<Subscription>,
    /// Whose turn it is.
    next: usize,
    writes: Writes,
}

impl Talk {
    /// Nothing was said yet.
    pub(super) fn new(standing: Standing) -> Self {
        Self { standing, subscriptions: Vec::new(), next: 0, writes: Writes::default() }
    }

    /// A message came.
    pub(super) fn on_message<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        sender: &mut Sender,
        bytes: &[u8],
    ) {
        let Asked { to, ask } = Asked::read(bytes);
        let answer = match ask {
            Ok(Ask::Subscribe { sub, filter, after }) => {
                self.subscribe(cx, desk, (sub, &to), (filter, after))
            }
            Ok(Ask::Unsubscribe { sub }) => self.unsubscribe(cx, desk, (&sub, &to)),
            Ok(Ask::Publish(publish)) => Ok(self.publish(cx, desk, (to.clone(), publish))),
            Err(problem) => Err(problem),
        };
        let answer = answer.unwrap_or_else(|problem| Some(words::error(&to, &problem)));
        put_all(cx, desk, sender, answer);
        self.hold(cx, desk);
    }

    fn subscribe<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        (sub, to): (Tag, &To),
        (filter, after): (Filter, Option<After>),
    ) -> Result<Option<String>, Problem> {
        let most = desk.config().limits.ws_subscriptions;
        if self.subscriptions.iter().any(|known| known.name == sub) {
            let detail = "a subscription has this name: end it first, or take another name";
            return Err(Problem::new(Status::CONFLICT, detail));
        }
        if self.subscriptions.len() >= most {
            let detail = format!("a connection has at most {most} subscriptions");
            return Err(Problem::new(Status::TOO_MANY_REQUESTS, detail));
        }
        let begun = Subscription::begin(desk, sub, Wish::new(after, filter))?;
        let cursor = begun.cursor();
        self.subscriptions.push(begun);
        desk.attend(cx.id());
        // There may be something to read already.
        cx.transport().notify();
        desk.tally().socket_subscriptions += 1;
        Ok(done_if_asked(to, Some(cursor)))
    }

    fn unsubscribe<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        (sub, to): (&Tag, &To),
    ) -> Result<Option<String>, Problem> {
        let place = self.subscriptions.iter().position(|known| known.name == *sub);
        let place = place.ok_or_else(|| Problem::not_found("no subscription has this name"))?;
        let ended = self.subscriptions.remove(place);
        desk.tally().socket_subscriptions -= 1;
        if self.subscriptions.is_empty() {
            desk.leave(cx.id());
        }
        Ok(done_if_asked(to, Some(ended.cursor())))
    }

    fn publish<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        (to, publish): (To, Publish),
    ) -> Option<String> {
        let wall_ms = cx.wall_ns() / 1_000_000;
        match self.standing.visitor(desk, wall_ms) {
            Ok(writer) => self.writes.begin(cx, desk, (to, publish), &writer),
            Err(problem) => Some(words::error(&to, &problem)),
        }
    }

    /// As many writes as may wait do: the client is not read before one of them is done.
    fn hold<D: Desk>(&self, cx: &mut Ctx<'_, D>, desk: &D) {
        if self.is_full(desk) {
            cx.transport().pause();
        }
    }

    /// Reads on, where there is room for another write.
    fn go_on<D: Desk>(&self, cx: &mut Ctx<'_, D>, desk: &D) {
        if !self.is_full(desk) {
            cx.transport().resume();
        }
    }

    fn is_full<D: Desk>(&self, desk: &D) -> bool {
        self.writes.len() >= desk.config().limits.ws_writes
            || self.writes.bytes() >= WRITE_BYTES_MAX
    }

    /// Something changed: writes may be done, and there may be something to read.
    pub(super) fn on_notice<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        sender: &mut Sender,
    ) -> Result<(), StoreError> {
        if self.writes.len() > 0 {
            let answers = self.writes.settle(cx, desk);
            put_all(cx, desk, sender, answers);
            self.go_on(cx, desk);
        }
        self.pump(cx, desk, sender)
    }

    /// Writes what there is for the subscriptions, one update each in turn, as far as the client
    /// takes it.
    fn pump<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        sender: &mut Sender,
    ) -> Result<(), StoreError> {
        if !cx.transport().is_full() {
            self.subscriptions.iter_mut().for_each(|reader| reader.look_at_lag(cx, desk));
        }
        let (mut looked_at, mut quiet) = (0, 0);
        while quiet < self.subscriptions.len() {
            if cx.transport().is_full() {
                return Ok(());
            }
            if looked_at == LOOKED_AT_MAX {
                // There is more; the others have their turn first.
                cx.transport().notify();
                return Ok(());
            }
            self.next = (self.next + 1) % self.subscriptions.len();
            match self.subscriptions[self.next].step(cx, desk, sender)? {
                Stepped::On => (looked_at, quiet) = (looked_at + 1, 0),
                Stepped::Nothing => quiet += 1,
            }
        }
        Ok(())
    }

    /// From time to time: writes that waited too long are answered, and what was dropped without a
    /// trace is looked for.
    pub(super) fn on_time<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        sender: &mut Sender,
    ) {
        let answers = self.writes.overdue(cx.now());
        let mut has_doubt = !answers.is_empty();
        put_all(cx, desk, sender, answers);
        self.go_on(cx, desk);
        for reader in &mut self.subscriptions {
            has_doubt |= reader.doubt(desk);
        }
        if has_doubt || self.writes.len() > 0 {
            cx.transport().notify();
        }
    }

    /// True while a write waits for its end.
    pub(super) fn has_writes(&self) -> bool {
        self.writes.len() > 0
    }

    /// Where its subscriptions stand, for the log.
    pub(super) fn places(&self) -> String {
        let places = self
            .subscriptions
            .iter()
            .map(|reader| format!("{} {}", reader.name.json(), reader.cursor()));
        places.collect::<Vec<_>>().join(", ")
    }

    /// It is over.
    pub(super) fn end<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        desk.tally().socket_subscriptions -= self.subscriptions.len() as u64;
        if !self.subscriptions.is_empty() {
            desk.leave(cx.id());
        }
        self.subscriptions.clear();
    }
}

/// Who gives such a request a `ref` is told that it was done.
fn done_if_asked(to: &To, cursor: Option<String>) -> Option<String> {
    matches!(to, To::Ref(_)).then(|| words::done(to, cursor))
}

fn put_all<D: Desk>(
    cx: &mut Ctx<'_, D>,
    desk: &mut D,
    sender: &mut Sender,
    messages: impl IntoIterator<Item = String>,
) {
    for message in messages {
        let message = (Kind::Text, message.as_bytes());
        sender.put(cx.transport().out().tail(), message, false, &mut desk.sockets().flate);
    }
}
