//! What a connection is given time for. One timer serves all of it.

use crate::base::Tick;
use crate::config::Limits;

/// How often subscriptions look for what was dropped without a trace.
const LOOK_MS: Tick = 15_000;

/// The moments by which something has to happen.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// When the message began of which a part has come.
    message_since: Option<Tick>,
    message: Option<Tick>,
    /// A client that owes answers has to give one.
    answer: Option<Tick>,
    look: Option<Tick>,
    /// When the first of the writes that wait is told that the disk gave no answer.
    write: Option<Tick>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A message came too slowly.
    Message,
    /// Nothing of what was sent was answered.
    Answer,
    /// A write waits no longer.
    Write,
    /// Subscriptions are to look.
    Look,
    /// Nothing yet.
    Nothing,
}

impl Deadlines {
    /// A message was whole: what has come behind it is of another.
    pub(super) fn on_message(&mut self) {
        self.message_since = None;
    }

    /// So many bytes of a message have come that is not whole; zero: there is none. It has its
    /// grace, and the time that these bytes have earned.
    pub(super) fn on_part(&mut self, bytes: usize, now: Tick, limits: &Limits) {
        if bytes == 0 {
            (self.message_since, self.message) = (None, None);
            return;
        }
        let since = *self.message_since.get_or_insert(now);
        self.message = Some(since + limits.body_ms(bytes as u64));
    }

    /// An answer came, or the first call went out; with `owes` there are more to come.
    pub(super) fn on_answer(&mut self, owes: bool, now: Tick, limits: &Limits) {
        self.answer = owes.then(|| now + limits.stall_ms);
    }

    /// Calls went out: the first of them starts the clock.
    pub(super) fn on_calls(&mut self, now: Tick, limits: &Limits) {
        self.answer.get_or_insert(now + limits.stall_ms);
    }

    /// There are subscriptions, or none.
    pub(super) fn on_subscriptions(&mut self, has_some: bool, now: Tick) {
        self.look = has_some.then_some(now + LOOK_MS);
    }

    /// When the first of the writes that wait is due; none while none does.
    pub(super) fn on_writes(&mut self, due: Option<Tick>) {
        self.write = due;
    }

    /// The first of them.
    pub(super) fn next(&self) -> Option<Tick> {
        [self.message, self.answer, self.look, self.write].into_iter().flatten().min()
    }

    /// What is due now, the worst first.
    pub(super) fn due(&mut self, now: Tick) -> Due {
        let is_due = |moment: Option<Tick>| moment.is_some_and(|moment| moment <= now);
        if is_due(self.message) {
            Due::Message
        } else if is_due(self.answer) {
            Due::Answer
        } else if is_due(self.write) {
            Due::Write
        } else if is_due(self.look) {
            self.look = Some(now + LOOK_MS);
            Due::Look
        } else {
            Due::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_grace_and_what_its_bytes_earn() {
        let limits = Limits::default();
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.next(), None);
        deadlines.on_part(1, 100, &limits);
        assert_eq!(deadlines.next(), Some(10_100));
        deadlines.on_part(10 * 1024, 5_000, &limits);
        assert_eq!(deadlines.next(), Some(20_100));
        assert_eq!((deadlines.due(20_099), deadlines.due(20_100)), (Due::Nothing, Due::Message));
        deadlines.on_message();
        deadlines.on_part(1, 20_050, &limits);
        assert_eq!(deadlines.next(), Some(30_050));
        deadlines.on_part(0, 20_060, &limits);
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn answers_are_owed_from_the_first_call_and_each_answer_gives_new_time() {
        let limits = Limits::default();
        let mut deadlines = Deadlines::default();
        deadlines.on_subscriptions(true, 0);
        assert_eq!(deadlines.due(15_000), Due::Look);
        deadlines.on_calls(20_000, &limits);
        deadlines.on_calls(70_000, &limits);
        assert_eq!(deadlines.due(80_000), Due::Answer);
        deadlines.on_answer(true, 79_000, &limits);
        assert_eq!(deadlines.due(80_000), Due::Look);
        deadlines.on_answer(false, 80_000, &limits);
        deadlines.on_subscriptions(false, 80_000);
        assert_eq!(deadlines.next(), None);
    }
}
