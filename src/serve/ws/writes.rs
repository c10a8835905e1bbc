//! The writes of a socket that wait: each is answered when it is as safe as was asked, in whatever
//! order that comes true, under the name that its client gave.

use super::words::{self, Publish, To, What};
use crate::base::Tick;
use crate::reactor::Ctx;
use crate::serve::http::Problem;
use crate::serve::offer::{Offer, Offered, unsettled, wait_ms_max};
use crate::serve::{Desk, Ticket, Visitor};

/// Bytes of the writes that may wait; the one that goes past it is the last.
pub(super) const WRITE_BYTES_MAX: usize = 1 << 20;

/// A write under way.
#[derive(Debug)]
struct Write {
    bytes: usize,
    to: To,
    offer: Box<Offer>,
    due: Tick,
    /// A notice was asked for when this is settled.
    awaited: Option<Ticket>,
}

/// Those under way, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Writes(Vec<Write>);

impl Writes {
    /// What those that wait say, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|write| write.bytes).sum()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes a write of someone who may do it, as far as it goes. The answer, if it has one now.
    pub(super) fn begin<D: Desk>(
        &mut self,
        cx: &mut Ctx<'_, D>,
        desk: &mut D,
        (to, publish): (To, Publish),
        writer: &Visitor,
    ) -> Option<String> {
        let bytes = publish.bytes();
        let offer = match offer(desk, publish, writer) {
            Ok(offer) => Box::new(offer),
            Err(problem) => return Some(words::error(&to, &problem)),
        };
        let due = cx.now() + wait_ms_max(offer.durability(), &desk.config().limits);
        let mut write = Write { bytes, to, offer, due, awaited: None };
        let answer = write.advance(cx, desk);
        if answer.is_none() {
            self.0.push(write);
        }
        answer
    }

    /// Something was settled: the answers of those that are done.
    pub(super) fn settle<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Vec<String> {
        let mut answers = Vec::new();
        self.0.retain_mut(|write| {
            let answer = write.advance(cx, desk);
            let waits = answer.is_none();
            answers.extend(answer);
            waits
        });
        answers
    }

    /// The answers of those that waited too long.
    pub(super) fn overdue(&mut self, now: Tick) -> Vec<String> {
        let is_late = |write: &mut Write| write.due <= now;
        self.0.extract_if(.., is_late).map(|write| words::error(&write.to, &unsettled())).collect()
    }
}

impl Write {
    /// Goes on; the answer, once there is one.
    fn advance<D: Desk>(&mut self, cx: &mut Ctx<'_, D>, desk: &mut D) -> Option<String> {
        match self.offer.advance(cx, desk) {
            Ok(Offered::Wait(ticket)) => {
                if self.awaited.replace(ticket) != Some(ticket) {
                    desk.await_ticket(ticket, cx.id());
                }
                None
            }
            Ok(Offered::Done(made)) => Some(words::ack(&self.to, &self.offer.written(desk, &made))),
            Err(problem) => Some(words::error(&self.to, &problem)),
        }
    }
}

fn offer<D: Desk>(desk: &D, publish: Publish, writer: &Visitor) -> Result<Offer, Problem> {
    let durability = publish.durability.unwrap_or(desk.config().durability);
    match publish.what {
        What::Edit { title, draft, base, conflict } => {
            Offer::edit(desk, (&title, *draft), (base, conflict), durability, writer)
        }
        What::Post { topic, media_type, payload } => {
            Offer::post(desk, (&topic, &media_type), payload, durability, writer)
        }
        What::Withdraw { title, reason } => Offer::withdraw((&title, &reason), durability, writer),
    }
}
