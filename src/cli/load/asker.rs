//! A connection that asks and is answered: the loop of `http:`, `line:`, `ws:`, `pb:` and
//! `publish:`.

use super::crew::{Crew, Phase};
use super::tally::Trouble;
use super::wire::{Ask, Wire};
use crate::base::InBuf;
use crate::reactor::{Ctx, Lost, Outcome, Protocol};

/// One connection of a seat, over some protocol.
pub(super) struct Asker<W> {
    seat: usize,
    wire: W,
    /// The seat goes on without this connection.
    left: bool,
    /// The server has yet to answer what the connection begins with.
    is_greeting: bool,
}

impl<W> Asker<W> {
    pub(super) fn new(seat: usize, wire: W) -> Self {
        Self { seat, wire, left: false, is_greeting: false }
    }
}

impl<W: Wire> Asker<W> {
    /// Asks for what there is to ask now: in a closed loop the next batch, once the last is
    /// answered; in an open one what is due, as far as it may wait on one connection.
    fn fill(&mut self, cx: &mut Ctx<'_, Crew>, crew: &mut Crew, now_ns: u64) {
        if !crew.is_asking() || self.is_greeting {
            return;
        }
        let place = &mut crew.seats[self.seat];
        let in_flight = place.flight.len();
        if crew.plan.rate_per_s.is_some() {
            while place.flight.len() < crew.plan.pipeline
                && let Some(start_ns) = place
                    .granted
                    .pop_front()
                    .or_else(|| crew.pace.as_mut().and_then(|pace| pace.take(now_ns)))
            {
                place.flight.push_back(start_ns);
            }
        } else if in_flight == 0 {
            let start_ns = place.granted.pop_front().unwrap_or(now_ns);
            place.flight.extend(std::iter::repeat_n(start_ns, crew.plan.pipeline));
        }
        let has_asked = place.flight.len() > in_flight;
        if has_asked {
            self.put_from(in_flight, cx, crew);
            cx.transport().set_timeout(Some(crew.plan.timeout_ms));
        } else if in_flight == 0 {
            cx.transport().set_timeout(None);
            crew.rest(cx, self.seat);
        }
    }

    /// The connection can be asked.
    fn begin(&mut self, cx: &mut Ctx<'_, Crew>, crew: &mut Crew) {
        if crew.phase == Phase::Dialing {
            crew.settle(cx, self.seat);
        } else {
            let now_ns = crew.clock(cx);
            self.fill(cx, crew, now_ns);
        }
    }

    /// Writes the requests of the seat's flight from this one on.
    fn put_from(&mut self, first: usize, cx: &mut Ctx<'_, Crew>, crew: &mut Crew) {
        let wall_ns = cx.wall_ns();
        let seat = crew.number_of(self.seat);
        let place = &mut crew.seats[self.seat];
        let mut transport = cx.transport();
        let out = transport.out().tail();
        for (&start_ns, later) in place.flight.range(first..).zip(0..) {
            let ask = Ask { number: place.asked, seat, start_ns, wall_ns: wall_ns + later };
            self.wire.put(out, ask);
            place.asked += 1;
        }
    }

    /// No further answer can come here: the seat goes on without this connection. A server that
    /// said that it closes does so first: its side then remembers the pair of ports for a minute,
    /// ours has it free again.
    fn leave(&mut self, cx: &mut Ctx<'_, Crew>, crew: &mut Crew, server_closes: bool) {
        self.left = true;
        if server_closes {
            cx.transport().set_timeout(Some(crew.plan.timeout_ms));
        } else {
            cx.transport().close();
        }
        crew.leave(cx, self.seat);
    }
}

impl<W: Wire> Protocol<Crew> for Asker<W> {
    fn made(&mut self, cx: &mut Ctx<'_, Crew>, crew: &mut Crew) -> Outcome {
        crew.came_up(cx, self.seat);
        self.is_greeting = self.wire.greet(cx.transport().out().tail());
        if self.is_greeting {
            cx.transport().set_timeout(Some(crew.plan.timeout_ms));
        } else {
            self.begin(cx, crew);
        }
        Ok(())
    }

    fn received(&mut self, cx: &mut Ctx<'_, Crew>, crew: &mut Crew, input: &mut InBuf) -> Outcome {
        if self.left {
            input.take_all();
            return Ok(());
        }
        if self.is_greeting {
            match self.wire.is_greeted(input) {
                Ok(false) => return Ok(()),
                Ok(true) => self.is_greeting = false,
                Err(fault) => {
                    crew.trouble(Trouble::Refused, 1);
                    return Err(fault);
                }
            }
            cx.transport().set_timeout(None);
            self.begin(cx, crew);
        }
        let now_ns = crew.clock(cx);
        while cx.more() {
            match self.wire.next(input) {
                Ok(None) => break,
                Ok(Some(answer)) => {
                    if !crew.answered(self.seat, now_ns, answer) {
                        crew.trouble(Trouble::Wire, 1);
                        return Err("an answer came that nobody asked for".into());
                    }
                    if answer.last || !crew.plan.keep_alive {
                        self.leave(cx, crew, answer.last);
                        return Ok(());
                    }
                }
                Err(fault) => {
                    crew.give_up(self.seat, Trouble::Wire);
                    return Err(fault);
                }
            }
        }
        self.fill(cx, crew, now_ns);
        Ok(())
    }

    fn read_closed(&mut self, cx: &mut Ctx<'_, Crew>, crew: &mut Crew, _: &mut InBuf) -> Outcome {
        if !self.left
            && let Some(answer) = self.wire.on_close()
        {
            let now_ns = crew.clock(cx);
            crew.answered(self.seat, now_ns, answer);
        }
        cx.transport().close();
        Ok(())
    }

    fn timeout(&mut self, cx: &mut Ctx<'_, Crew>, crew: &mut Crew) -> Outcome {
        if !self.left {
            crew.give_up(self.seat, Trouble::Timeout);
        }
        cx.transport().abort_for(Lost::Idle);
        Ok(())
    }

    fn notified(&mut self, cx: &mut Ctx<'_, Crew>, crew: &mut Crew) -> Outcome {
        let now_ns = crew.clock(cx);
        self.fill(cx, crew, now_ns);
        Ok(())
    }

    fn lost(&mut self, cx: &mut Ctx<'_, Crew>, crew: &mut Crew, _: Lost) {
        if !self.left {
            crew.vacate(cx, self.seat);
        }
    }
}
