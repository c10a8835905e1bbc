//! The feeding side of a server's connection: IHAVE (RFC 3977, 6.3.2), CHECK and TAKETHIS (RFC
//! 4644). Answers leave in the order of their commands, and that an article was taken is said when
//! it is on disk.

use super::intake::Intake;
use super::take::{Checked, Feeder, Take, Took, check};
use crate::proto::nntp::BlockEnd;
use crate::reactor::Ctx;
use crate::serve::Desk;
use std::collections::VecDeque;

/// Answers that may wait; beyond it the connection is not read.
const WAITING_MAX: usize = 1024;
/// Bytes of articles on their way to the disk, likewise; the one that goes past it is the last.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// Which command brought an article.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Ihave,
    TakeThis,
}

/// An article whose block is due or under way.
#[derive(Debug)]
struct Incoming {
    verb: Verb,
    /// `None`: a malformed one.
    id: Option<String>,
    article: Intake,
}

impl Incoming {
    fn new(verb: Verb, id: Option<&str>) -> Self {
        Self { verb, id: id.map(str::to_owned), article: Intake::default() }
    }
}

/// An answer behind those before it.
#[derive(Debug)]
enum Waiting {
    Ready(Vec<u8>),
    Take {
        verb: Verb,
        id: String,
        bytes: usize,
        take: Box<Take>,
    },
    /// For what came no room was left, and its sender can be told so only by the end (RFC 4644,
    /// 2.5: a TAKETHIS can't be put off).
    Over,
}

/// A feeder's commands on one connection.
#[derive(Debug)]
pub(in crate::serve) struct Transit {
    feeder: Feeder,
    incoming: Option<Incoming>,
    waiting: VecDeque<Waiting>,
    /// So many of them, from the first on, are begun.
    begun: usize,
    /// Bytes of the articles in `waiting`.
    waiting_bytes: usize,
    /// The first is tried again after a while.
    is_put_off: bool,
    is_over: bool,
}

impl Transit {
    /// For a connection of this feeder.
    pub(in crate::serve) fn new(feeder: Feeder) -> Self {
        Self {
            feeder,
            incoming: None,
            waiting: VecDeque::new(),
            begun: 0,
            waiting_bytes: 0,
            is_put_off: false,
            is_over: false,
        }
    }

    /// True while nothing waits: another command may be answered.
    pub(in crate::serve) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.incoming.is_none()
    }

    /// True while no more input may be taken.
    pub(in crate::serve) fn is_full(&self) -> bool {
        let is_full = self.waiting_bytes >= WAITING_BYTES_MAX;
        self.is_over || is_full || self.waiting.len() >= WAITING_MAX
    }

    /// True while a block belongs to it.
    pub(in crate::serve) fn is_in_block(&self) -> bool {
        self.incoming.is_some()
    }

    /// CHECK.
    pub(in crate::serve) fn check<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &D, id: &str) {
        let code = match check(desk, id) {
            Ok(Checked::Wanted) => "238 ",
            Ok(Checked::Have) => "438 ",
            Ok(Checked::Later) => "431 ",
            Err(error) => {
                log::error!("an article can't be looked up: {error}");
                "431 "
            }
        };
        self.say(cx, [code, id]);
    }

    /// IHAVE, while idle. True when the article was asked for: its block comes next.
    pub(in crate::serve) fn ihave<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &D,
        id: &str,
    ) -> bool {
        debug_assert!(self.is_idle(), "IHAVE is not pipelined");
        match check(desk, id) {
            Ok(Checked::Wanted) => {
                self.say(cx, ["335 ", "send it"]);
                self.incoming = Some(Incoming::new(Verb::Ihave, Some(id)));
                return true;
            }
            Ok(Checked::Have) => self.say(cx, ["435 ", "it was here before"]),
            Ok(Checked::Later) => self.say(cx, ["436 ", "it comes right now, try again"]),
            Err(error) => {
                log::error!("an article can't be looked up: {error}");
                self.say(cx, ["436 ", "this node can't look it up, try again"]);
            }
        }
        false
    }

    /// TAKETHIS: its block comes next. `None`: the Message-ID is malformed.
    pub(in crate::serve) fn takethis(&mut self, id: Option<&str>) {
        self.incoming = Some(Incoming::new(Verb::TakeThis, id));
    }

    /// Bytes of the block, which the codec holds to the most that an article may have.
    pub(in crate::serve) fn on_bytes<D: Desk>(&mut self, desk: &mut D, bytes: &[u8]) {
        if let Some(incoming) = self.incoming.as_mut().filter(|incoming| incoming.id.is_some()) {
            incoming.article.take(desk, bytes);
        }
    }

    /// The block under way will have no end.
    pub(in crate::serve) fn forget<D: Desk>(&mut self, desk: &mut D) {
        if let Some(incoming) = &mut self.incoming {
            incoming.article.give(desk);
        }
    }

    /// The block is over.
    pub(in crate::serve) fn on_end<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        end: BlockEnd,
    ) {
        let Some(Incoming { verb, id, mut article }) = self.incoming.take() else { return };
        let bytes = article.give(desk);
        let Some(id) = id else { return self.say(cx, ["439 ", "no Message-ID"]) };
        if end == BlockEnd::TooLarge {
            return self.refuse(cx, verb, &id, &"it is too large");
        }
        if article.is_refused() {
            return self.refuse_for_now(cx, desk, verb);
        }
        let take = match self.feeder.take(cx, desk, (&id, &bytes)) {
            Ok(take) => Box::new(take),
            Err(refused) => return self.refuse(cx, verb, &id, &refused),
        };
        let bytes = bytes.len();
        self.waiting_bytes += bytes;
        self.waiting.push_back(Waiting::Take { verb, id, bytes, take });
        if self.waiting.len() == 1 {
            self.settle(cx, desk);
        } else {
            self.begin(cx, desk);
        }
    }

    /// All articles under way at this node are as much as it may hold.
    fn refuse_for_now<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D, verb: Verb) {
        match verb {
            Verb::Ihave => self.say(cx, ["436 ", "too much comes here now, try again"]),
            Verb::TakeThis => {
                self.waiting.push_back(Waiting::Over);
                self.settle(cx, desk);
            }
        }
    }

    /// Something may be on disk, or it is time to try again.
    pub(in crate::serve) fn notified<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        self.is_put_off = false;
        self.settle(cx, desk);
    }

    /// Begins the writes that are not begun, in order, so that they share an fsync. How far one
    /// came is looked at when it is the first.
    fn begin<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        while !self.is_put_off && !self.is_over {
            let at = self.begun;
            let Some(next) = self.waiting.get_mut(at) else { return };
            if let Waiting::Take { verb, id, bytes, take } = next {
                // One that says something of another waits until that one is on disk.
                if at > 0 && take.is_ordered() {
                    return;
                }
                match take.advance(cx, desk) {
                    Took::Refused(refused) => {
                        log::debug!("article {id} is not taken: {refused}");
                        self.waiting_bytes -= *bytes;
                        *next = Waiting::Ready(answer(*verb, false, id, &refused));
                    }
                    Took::Retry(ms) => return self.put_off(cx, ms),
                    Took::Wait(_) | Took::Done | Took::Failed => {}
                }
            }
            self.begun += 1;
        }
    }

    /// Says all that has come true, in order.
    fn settle<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) {
        self.begin(cx, desk);
        while self.begun > 0 && !self.is_put_off && !self.is_over {
            match self.waiting.front_mut() {
                None => return,
                Some(Waiting::Ready(answer)) => cx.transport().write(answer),
                Some(Waiting::Over) => {
                    self.is_over = true;
                    cx.transport().write(b"400 too much comes here now, come again\r\n");
                }
                Some(Waiting::Take { verb, id, bytes, take }) => {
                    let answer = match take.advance(cx, desk) {
                        Took::Wait(ticket) => return desk.await_ticket(ticket, cx.id()),
                        Took::Retry(ms) => return self.put_off(cx, ms),
                        Took::Done => answer(*verb, true, id, &""),
                        Took::Refused(refused) => {
                            log::debug!("article {id} is not taken: {refused}");
                            answer(*verb, false, id, &refused)
                        }
                        Took::Failed if *verb == Verb::Ihave => {
                            b"436 this node can't write, try again\r\n".to_vec()
                        }
                        // RFC 4644, 2.5: a TAKETHIS can't be put off.
                        Took::Failed => {
                            self.is_over = true;
                            b"400 this node can't write, come again\r\n".to_vec()
                        }
                    };
                    self.waiting_bytes -= *bytes;
                    cx.transport().write(&answer);
                }
            }
            self.waiting.pop_front();
            self.begun -= 1;
            self.begin(cx, desk);
        }
        if self.is_over {
            cx.transport().close();
        }
    }

    fn put_off<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, ms: u64) {
        self.is_put_off = true;
        cx.notify_later(ms);
    }

    fn refuse<D>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        verb: Verb,
        id: &str,
        why: &dyn std::fmt::Display,
    ) {
        let answer = answer(verb, false, id, why);
        self.put(cx, answer);
    }

    fn say<D>(&mut self, cx: &mut Ctx<'_, D>, parts: [&str; 2]) {
        if self.waiting.is_empty() {
            let mut transport = cx.transport();
            let out = transport.out().tail();
            for part in parts {
                out.extend_from_slice(part.as_bytes());
            }
            out.extend_from_slice(b"\r\n");
        } else {
            self.waiting.push_back(Waiting::Ready([&parts.concat()[..], "\r\n"].concat().into()));
        }
    }

    fn put<D>(&mut self, cx: &mut Ctx<'_, D>, answer: Vec<u8>) {
        if self.waiting.is_empty() {
            cx.transport().write(&answer);
        } else {
            self.waiting.push_back(Waiting::Ready(answer));
        }
    }
}

/// What is said of an article: of IHAVE a text, of TAKETHIS its Message-ID.
fn answer(verb: Verb, is_taken: bool, id: &str, why: &dyn std::fmt::Display) -> Vec<u8> {
    match (verb, is_taken) {
        (Verb::Ihave, true) => b"235 it is kept\r\n".to_vec(),
        (Verb::Ihave, false) => format!("437 {why}\r\n").into_bytes(),
        (Verb::TakeThis, true) => format!("239 {id}\r\n").into_bytes(),
        (Verb::TakeThis, false) => format!("439 {id} {why}\r\n").into_bytes(),
    }
}
