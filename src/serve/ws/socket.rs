//! One connection behind its upgrade: messages in, answers out; pings, the close, and bounds.
//!
//! A peer that says nothing for a third of `limits.idle_ms` is pinged, and one that says nothing
//! for all of it is closed. One that takes nothing for `limits.stall_ms` is cut. A message under
//! way counts among the bodies of requests: all together have `limits.bodies_bytes`, and each comes
//! as fast as a body must, by the bytes that came, not by what they inflate to.

use super::talk::Talk;
use crate::base::{InBuf, Tick};
use crate::config::Limits;
use crate::proto::ws::{
    Agreement, CloseCode, Event, Kind, Message, Receiver, Role, Sender, WsError, put_close,
    put_ping, put_pong,
};
use crate::reactor::{Class, Ctx, Lost, Outcome, Protocol};
use crate::serve::Desk;
use crate::serve::http::Standing;

/// Messages of one connection that a turn takes: 64 KiB of input may inflate to a thousand times as
/// much.
const TURN_BYTES_MAX: usize = 1 << 20;

/// What a socket is for.
#[derive(Debug)]
pub(in crate::serve) enum Purpose {
    /// Each message is sent back.
    Echo,
    /// The node is read and written, by someone with this standing.
    Talk(Standing),
}

#[derive(Debug)]
enum Part {
    Echo,
    Talk(Box<Talk>),
}

/// One socket.
#[derive(Debug)]
pub(in crate::serve) struct Socket {
    receiver: Receiver,
    sender: Sender,
    part: Part,
    /// When something last came.
    heard: Tick,
    /// Since when a message is under way.
    message_since: Option<Tick>,
    /// What the tally counts as kept of that.
    kept_bytes: u64,
    /// The peer will send no more.
    read_closed: bool,
    /// It was closed because nothing was heard.
    was_silent: bool,
}

impl Socket {
    /// A socket right behind its upgrade.
    pub(in crate::serve) fn new(
        purpose: Purpose,
        limits: &Limits,
        deflate: Option<&Agreement>,
    ) -> Self {
        Self {
            receiver: Receiver::new(Role::Server, limits.ws_message_bytes, deflate),
            sender: Sender::new(deflate),
            part: match purpose {
                Purpose::Echo => Part::Echo,
                Purpose::Talk(standing) => Part::Talk(Box::new(Talk::new(standing))),
            },
            heard: 0,
            message_since: None,
            kept_bytes: 0,
            read_closed: false,
            was_silent: false,
        }
    }

    /// Takes the connection over, right behind the answer to its request.
    pub(in crate::serve) fn begin<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        let limits = &desk.config().limits;
        self.heard = cx.now();
        let mut transport = cx.transport();
        transport.set_timeout(Some(look_ms(limits)));
        transport.set_idle(Some(limits.stall_ms));
        if let Part::Talk(_) = self.part {
            transport.set_class(Class::Subscriber);
        }
        desk.sockets().open.insert(cx.id());
        desk.tally().sockets += 1;
    }

    /// Takes one event off the input: how many bytes its message had. `None` when there is none, or
    /// no more shall be taken.
    #[inline]
    fn take<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        input: &mut InBuf,
    ) -> Option<usize> {
        let Self { receiver, sender, part, message_since, .. } = self;
        let event = match receiver.next(input, &mut desk.sockets().flate) {
            Ok(Some(event)) => event,
            Ok(None) => return None,
            Err(error) => {
                refuse(cx, error);
                return None;
            }
        };
        let bytes = match &event {
            Event::Message(message) => {
                // What is behind it is another message, with a time of its own.
                *message_since = None;
                message.bytes.len()
            }
            Event::Inflating(bytes) => *bytes,
            _ => 0,
        };
        match (event, part) {
            (Event::Message(message), Part::Echo) => {
                let Message { kind, bytes, was_deflated } = message;
                let flate = &mut desk.sockets().flate;
                sender.put(cx.transport().out().tail(), (kind, bytes), was_deflated, flate);
            }
            (Event::Message(Message { kind: Kind::Text, bytes, .. }), Part::Talk(talk)) => {
                talk.on_message(cx, desk, sender, bytes);
            }
            (Event::Message(_), Part::Talk(_)) => {
                let why = "messages here are JSON in texts";
                close(cx, CloseCode::UNSUPPORTED, why, Lost::Local);
            }
            (Event::Ping(bytes), _) => put_pong(cx.transport().out().tail(), bytes),
            (Event::Pong(_) | Event::Inflating(_), _) => {}
            (Event::Close(said), _) => {
                put_close(cx.transport().out().tail(), said.code, "");
                cx.transport().close();
            }
        }
        Some(bytes)
    }

    /// Counts what is kept of the message under way, and closes where that is too much.
    fn count_kept<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        self.receiver.release();
        let came = self.receiver.came_bytes();
        self.message_since = came.map(|_| self.message_since.unwrap_or(cx.now()));
        let kept = self.receiver.held_bytes() as u64;
        if kept == self.kept_bytes {
            return;
        }
        let tally = desk.tally();
        tally.body_bytes = tally.body_bytes - self.kept_bytes + kept;
        self.kept_bytes = kept;
        let all = tally.body_bytes;
        if kept > 0 && all > desk.config().limits.bodies_bytes {
            let why = "what is under way fills this node's memory: try again soon";
            close(cx, CloseCode::TRY_LATER, why, Lost::Limit);
        }
    }

    /// True when the message under way comes slower than a body may. While a full out-buffer holds
    /// it back its time does not run.
    fn is_slow<D>(&mut self, cx: &mut Ctx<'_, D>, limits: &Limits) -> bool {
        let Some(since) = &mut self.message_since else { return false };
        if cx.transport().is_full() {
            *since = cx.now();
        }
        let came = self.receiver.came_bytes().unwrap_or(0) as u64;
        cx.now() > *since + limits.body_ms(came)
    }

    /// Pings a silent peer, and closes one that stays silent. What a full out-buffer holds back is
    /// no silence.
    fn look_at_silence<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, limits: &Limits) {
        let silent_ms = cx.now().saturating_sub(self.heard);
        if cx.transport().is_full() {
            return;
        }
        if silent_ms >= limits.idle_ms {
            self.was_silent = true;
            close(cx, CloseCode::GOING_AWAY, "nothing was heard for too long", Lost::Idle);
        } else if silent_ms >= look_ms(limits) {
            put_ping(cx.transport().out().tail(), b"");
        }
    }

    fn on_notice<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        let Part::Talk(talk) = &mut self.part else { return };
        if let Err(error) = talk.on_notice(cx, desk, &mut self.sender) {
            // Cut off: the reader goes on elsewhere from its last cursor.
            log::error!("a socket was cut: {error}");
            close(cx, CloseCode::INTERNAL, "this node can't read its archive", Lost::Local);
        }
    }

    fn has_writes(&self) -> bool {
        matches!(&self.part, Part::Talk(talk) if talk.has_writes())
    }

    /// Says goodbye when this node is about to stop, once what came whole is answered.
    fn leave_if_stopping<S: 'static>(&self, cx: &mut Ctx<'_, S>) {
        if cx.draining() && !self.has_writes() && !self.receiver.is_inflating() {
            close(cx, CloseCode::GOING_AWAY, "this node is about to stop", Lost::Shutdown);
        }
    }
}

/// How often a socket is looked at, and after which silence it is pinged: so often that only one
/// that takes nothing is idle to the loop.
fn look_ms(limits: &Limits) -> u64 {
    (limits.idle_ms.min(limits.stall_ms) / 3).max(1)
}

/// Says why and closes: nothing that still comes is looked at.
fn close<D>(cx: &mut Ctx<'_, D>, code: CloseCode, why: &str, reason: Lost) {
    let mut transport = cx.transport();
    put_close(transport.out().tail(), Some(code), why);
    transport.close_for(reason);
}

/// A rule was broken.
fn refuse<D>(cx: &mut Ctx<'_, D>, error: WsError) {
    let code = error.kind.code();
    let reason = if code == CloseCode::TOO_LARGE { Lost::Limit } else { Lost::Wire };
    close(cx, code, error.kind.text(), reason);
}

impl<D: Desk> Protocol<D> for Socket {
    #[inline]
    fn received(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, input: &mut InBuf) -> Outcome {
        self.heard = cx.now();
        let mut taken = 0;
        while cx.more() {
            if taken >= TURN_BYTES_MAX {
                cx.rest_later();
                break;
            }
            let Some(bytes) = self.take(cx, desk, input) else { break };
            taken += bytes;
        }
        self.count_kept(cx, desk);
        self.leave_if_stopping(cx);
        Ok(())
    }

    fn drained(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.on_notice(cx, desk);
        Ok(())
    }

    /// Without a close frame it is no clean end, but what came is answered.
    fn read_closed(&mut self, cx: &mut Ctx<'_, D>, _: &mut D, _: &mut InBuf) -> Outcome {
        self.read_closed = true;
        if !self.has_writes() {
            cx.transport().close();
        }
        Ok(())
    }

    fn timeout(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        let ms = look_ms(&desk.config().limits);
        cx.transport().set_timeout(Some(ms));
        if let Part::Talk(talk) = &mut self.part {
            talk.on_time(cx, desk, &mut self.sender);
        }
        let limits = &desk.config().limits;
        if self.is_slow(cx, limits) {
            let why = "a message comes as fast as a body of HTTP";
            close(cx, CloseCode::POLICY, why, Lost::Slow);
        } else {
            self.look_at_silence(cx, limits);
        }
        Ok(())
    }

    fn notified(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Outcome {
        self.on_notice(cx, desk);
        self.leave_if_stopping(cx);
        if self.read_closed && !self.has_writes() {
            cx.transport().close();
        }
        Ok(())
    }

    fn lost(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, reason: Lost) {
        let tally = desk.tally();
        tally.body_bytes -= std::mem::take(&mut self.kept_bytes);
        tally.sockets -= 1;
        desk.sockets().open.remove(&cx.id());
        if let Part::Talk(talk) = &mut self.part {
            if reason == Lost::Idle && !self.was_silent {
                desk.tally().stalled += 1;
                log::info!("a socket that took nothing was cut, behind {}", talk.places());
            }
            talk.end(cx, desk);
        }
    }
}
