//! All connections of one thread: dialled in waves, asked in a closed or an open loop, and counted
//! from the end of the warm-up to the end of the run. The state that its protocols share.

use super::asker::Asker;
use super::http::Http;
use super::line::Lines;
use super::pace::Pace;
use super::pb::Calls;
use super::plan::{PUBLISHERS, Plan, Work};
use super::stream::{Deliveries, Stream};
use super::tally::{Tally, Trouble};
use super::wire::Answer;
use super::ws::Echo;
use crate::base::Tick;
use crate::reactor::{
    Class, ConnId, ConnectError, ConnectOptions, Ctx, Factory, Peer, Protocol, process_figures,
};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Connects under way at a time: more would overflow the backlog of a server that is well.
const DIALING_MAX: usize = 128;
const DIAL_MS: u64 = 10_000;
/// Until a connection that failed, or that ended without an answer, is dialled again.
const REDIAL_MS: Tick = 100;
/// Between two looks at whether the other threads are ready.
const MUSTER_MS: Tick = 2;
/// Between two reports to the progress line.
const REPORT_MS: Tick = 200;

/// What the threads of a run share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Threads whose connections are up, or are known not to come up.
    ready: AtomicUsize,
    failed: AtomicBool,
    /// Why the run ended early: the first thread that failed says it.
    why: Mutex<Option<String>>,
    /// Good answers and deliveries so far, for the progress line.
    pub(super) good: AtomicU64,
    pub(super) troubles: AtomicU64,
    /// Connections that are up.
    pub(super) up: AtomicUsize,
}

impl Shared {
    pub(super) fn failure(&self) -> Option<String> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the run for all threads.
    pub(super) fn fail(&self, why: String) {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.failed.store(true, Ordering::Release);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Connections come up; nothing is asked.
    Dialing,
    /// Asked, not counted.
    Warm,
    Counting,
    Over,
}

/// One place for a connection: what is known of it outlives the connection.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) conn: ConnId,
    /// When each request that waits for its answer was meant to start.
    pub(super) flight: VecDeque<u64>,
    /// Starts that were given to this seat and are not yet asked for.
    pub(super) granted: VecDeque<u64>,
    /// Requests made.
    pub(super) asked: u64,
    /// Answers on the present connection.
    answered: u64,
    /// It came up once, or was seen not to.
    settled: bool,
    /// It stands in the list of those with nothing to do.
    idle: bool,
}

/// The state of one thread's loop.
pub(super) struct Crew {
    pub(super) plan: Arc<Plan>,
    shared: Arc<Shared>,
    /// What the run's clock is ahead of this loop's.
    ahead_ns: u64,
    /// How long before a start the loop no longer sleeps, which it can by whole milliseconds only.
    spin_ns: u64,
    /// The number of the first seat in the run.
    first: usize,
    pub(super) seats: Vec<Seat>,
    /// The seats from here on publish, beside streams.
    publishers_from: usize,
    to_dial: VecDeque<usize>,
    dialing: usize,
    settled: usize,
    has_been_up: bool,
    idle: Vec<usize>,
    /// The open loop's schedule, once there is something to ask.
    pub(super) pace: Option<Pace>,
    is_pacing: bool,
    pub(super) phase: Phase,
    began_ns: u64,
    bytes_before: u64,
    /// What the whole process had used when counting began.
    cpu_ms_before: Option<u64>,
    reported: (u64, u64),
    pub(super) tally: Tally,
    pub(super) deliveries: Deliveries,
}

impl Crew {
    /// The seats of one thread. `ahead_ns` takes its loop's clock to the run's; a loop in virtual
    /// time must not spin.
    pub(super) fn new(
        plan: &Arc<Plan>,
        shared: &Arc<Shared>,
        thread: usize,
        ahead_ns: u64,
        spin_ns: u64,
    ) -> Self {
        let (first, count) = plan.share(thread);
        let publishes = matches!(plan.work, Work::Stream(_, Some(_))) && thread == 0;
        let all = count + if publishes { PUBLISHERS } else { 0 };
        let seat = || Seat {
            conn: ConnId::NONE,
            flight: VecDeque::new(),
            granted: VecDeque::new(),
            asked: 0,
            answered: 0,
            settled: false,
            idle: false,
        };
        Self {
            plan: Arc::clone(plan),
            shared: Arc::clone(shared),
            ahead_ns,
            spin_ns,
            first,
            seats: std::iter::repeat_with(seat).take(all).collect(),
            publishers_from: count,
            to_dial: VecDeque::new(),
            dialing: 0,
            settled: 0,
            has_been_up: false,
            idle: Vec::new(),
            pace: None,
            is_pacing: false,
            phase: Phase::Dialing,
            began_ns: 0,
            bytes_before: 0,
            cpu_ms_before: None,
            reported: (0, 0),
            tally: Tally::new(plan.slice_ns()),
            deliveries: Deliveries::default(),
        }
    }

    /// The run's clock.
    #[inline]
    pub(super) fn clock(&self, cx: &Ctx<'_, Self>) -> u64 {
        cx.now_ns() + self.ahead_ns
    }

    /// A seat's number in the run.
    pub(super) fn number_of(&self, seat: usize) -> usize {
        self.first + seat
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Requests may be sent.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self.phase, Phase::Warm | Phase::Counting)
    }

    pub(super) fn is_open_loop(&self) -> bool {
        self.plan.rate_per_s.is_some()
    }

    /// Counting, and what started at `start_ns` belongs to what is counted. In a closed loop
    /// everything that is answered does.
    #[inline]
    pub(super) fn counts(&self, start_ns: u64) -> bool {
        self.phase == Phase::Counting && (!self.is_open_loop() || start_ns >= self.began_ns)
    }

    /// Starts the run: the first call.
    pub(super) fn begin(&mut self, cx: &mut Ctx<'_, Self>) {
        if self.plan.keep_alive {
            self.to_dial.extend(0..self.seats.len());
            self.dial_more(cx);
        } else {
            // A connection begins with its request.
            self.muster(cx);
        }
        self.report(cx);
    }

    /// Dials as many as may be dialled at once.
    fn dial_more(&mut self, cx: &mut Ctx<'_, Self>) {
        while self.dialing < DIALING_MAX
            && let Some(seat) = self.to_dial.pop_front()
        {
            self.dialing += 1;
            let options = ConnectOptions {
                // Read on while a long batch is being written.
                class: Class::Peer,
                timeout_ms: DIAL_MS,
                ..ConnectOptions::default()
            };
            cx.connect(&self.plan.endpoint, options, Dialer { seat });
        }
    }

    /// Has a seat dialled, now or when others are through.
    pub(super) fn dial(&mut self, cx: &mut Ctx<'_, Self>, seat: usize) {
        if !self.is_over() {
            self.to_dial.push_back(seat);
            self.dial_more(cx);
        }
    }

    /// A seat's connection is up.
    pub(super) fn came_up(&mut self, cx: &mut Ctx<'_, Self>, seat: usize) {
        self.has_been_up = true;
        self.shared.up.fetch_add(1, Ordering::Relaxed);
        let conn = cx.id();
        let place = &mut self.seats[seat];
        place.conn = conn;
        place.answered = 0;
        self.dialing -= 1;
        self.dial_more(cx);
    }

    fn dial_failed(&mut self, cx: &mut Ctx<'_, Self>, seat: usize, why: ConnectError) {
        self.dialing -= 1;
        if !self.has_been_up {
            let url = &self.plan.url;
            self.shared.fail(format!("cannot connect to {url}: {why}; is the server running?"));
            return self.phase = Phase::Over;
        }
        let lost = self.seats[seat].granted.len().max(1) as u64;
        self.seats[seat].granted.clear();
        self.tally.note_trouble(Trouble::Connect, lost);
        self.settle(cx, seat);
        self.dial_later(cx, seat);
        self.dial_more(cx);
    }

    fn dial_later(&mut self, cx: &mut Ctx<'_, Self>, seat: usize) {
        if !self.is_over() {
            cx.call_later(REDIAL_MS, move |cx, crew| crew.redial(cx, seat));
        }
    }

    /// Dials a seat whose connection is gone. Without keep-alive a new request begins with that.
    fn redial(&mut self, cx: &mut Ctx<'_, Self>, seat: usize) {
        if self.plan.keep_alive {
            self.dial(cx, seat);
        } else {
            self.ask_anew(cx, seat);
        }
    }

    /// A seat came up, or will not: once all have, the run begins.
    pub(super) fn settle(&mut self, cx: &mut Ctx<'_, Self>, seat: usize) {
        let place = &mut self.seats[seat];
        if !std::mem::replace(&mut place.settled, true) {
            self.settled += 1;
            if self.settled == self.seats.len() {
                self.muster(cx);
            }
        }
    }

    /// This thread is ready; the run begins when all are.
    fn muster(&mut self, cx: &mut Ctx<'_, Self>) {
        self.shared.ready.fetch_add(1, Ordering::AcqRel);
        self.await_others(cx);
    }

    fn await_others(&mut self, cx: &mut Ctx<'_, Self>) {
        if self.shared.failed.load(Ordering::Acquire) {
            self.phase = Phase::Over;
        } else if self.shared.ready.load(Ordering::Acquire) < self.plan.threads {
            cx.call_later(MUSTER_MS, |cx, crew| crew.await_others(cx));
        } else {
            self.warm_up(cx);
        }
    }

    fn warm_up(&mut self, cx: &mut Ctx<'_, Self>) {
        self.phase = Phase::Warm;
        let now_ns = self.clock(cx);
        // Of streams only the publishers ask, and they are the first thread's alone.
        let (asks, shares) = match self.plan.work {
            Work::Stream(..) => (self.publishers_from..self.seats.len(), 1),
            _ => (0..self.seats.len(), self.plan.threads),
        };
        let rate = self.plan.rate_per_s.filter(|_| !asks.is_empty());
        self.pace = rate.map(|rate| Pace::new(now_ns, rate / shares as f64));
        for seat in asks {
            if self.plan.keep_alive {
                cx.transport_of(self.seats[seat].conn).notify();
            } else {
                self.ask_anew(cx, seat);
            }
        }
        cx.call_later(self.plan.warmup_ms, |cx, crew| crew.count(cx));
    }

    fn count(&mut self, cx: &mut Ctx<'_, Self>) {
        self.phase = Phase::Counting;
        self.began_ns = self.clock(cx);
        self.bytes_before = cx.stats().bytes_in;
        self.cpu_ms_before = process_figures().map(|figures| figures.cpu_ms);
        if let Some(pace) = &mut self.pace {
            pace.skip_to(self.began_ns);
        }
        cx.call_later(self.plan.duration_ms, |cx, crew| crew.finish(cx));
    }

    /// The time is over. What was due and is still unanswered has waited as long as it has: left
    /// out, it would make a server that stalls look quick.
    fn finish(&mut self, cx: &mut Ctx<'_, Self>) {
        let now_ns = self.clock(cx);
        self.tally.elapsed_ns = now_ns - self.began_ns;
        self.tally.bytes_in = cx.stats().bytes_in - self.bytes_before;
        let cpu_ms = process_figures().map(|figures| figures.cpu_ms);
        self.tally.cpu_ms = cpu_ms.zip(self.cpu_ms_before).map(|(now, before)| now - before);
        if let Some(pace) = &mut self.pace {
            let waiting =
                self.seats.iter().flat_map(|seat| seat.flight.iter().chain(&seat.granted));
            // What is meant to start now is no longer part of the run.
            let unasked = std::iter::from_fn(|| pace.take(now_ns - 1));
            for start_ns in waiting.copied().chain(unasked) {
                if (self.began_ns..now_ns).contains(&start_ns) {
                    self.tally.latency.note(now_ns - start_ns);
                    self.tally.unanswered += 1;
                }
            }
        }
        self.phase = Phase::Over;
    }

    /// Tells the progress line.
    fn report(&mut self, cx: &mut Ctx<'_, Self>) {
        let now = (self.tally.answers + self.deliveries.count, self.tally.troubles());
        self.shared.good.fetch_add(now.0 - self.reported.0, Ordering::Relaxed);
        self.shared.troubles.fetch_add(now.1 - self.reported.1, Ordering::Relaxed);
        self.reported = now;
        cx.call_later(REPORT_MS, |cx, crew| crew.report(cx));
    }

    /// An answer came; false when nobody asked.
    #[inline]
    pub(super) fn answered(&mut self, seat: usize, now_ns: u64, answer: Answer) -> bool {
        let place = &mut self.seats[seat];
        place.answered += 1;
        let Some(start_ns) = place.flight.pop_front() else { return false };
        if !self.counts(start_ns) {
            return true;
        }
        if answer.status != 0 {
            *self.tally.statuses.entry(answer.status).or_default() += 1;
        }
        if answer.good {
            self.tally.answers += 1;
            self.tally.latency.note(now_ns - start_ns);
            self.tally.note_slice(now_ns - self.began_ns);
        } else {
            self.tally.note_trouble(Trouble::Refused, 1);
        }
        true
    }

    /// An update came over a stream.
    pub(super) fn delivered(&mut self, now_ns: u64, json: &str) {
        if self.phase == Phase::Counting && self.deliveries.note(now_ns, self.began_ns, json) {
            self.tally.note_slice(now_ns - self.began_ns);
        }
    }

    /// Something went wrong with so many requests.
    pub(super) fn trouble(&mut self, trouble: Trouble, count: u64) {
        if self.phase == Phase::Counting {
            self.tally.note_trouble(trouble, count);
        }
    }

    /// The requests of a seat that wait for answers will get none.
    pub(super) fn give_up(&mut self, seat: usize, trouble: Trouble) {
        let flight = self.seats[seat].flight.len() as u64;
        self.seats[seat].flight.clear();
        self.trouble(trouble, flight);
    }

    /// A seat's connection is gone, and was not left for another: it gets a new one.
    pub(super) fn vacate(&mut self, cx: &mut Ctx<'_, Self>, seat: usize) {
        self.shared.up.fetch_sub(1, Ordering::Relaxed);
        self.give_up(seat, Trouble::Closed);
        self.settle(cx, seat);
        self.seats[seat].conn = ConnId::NONE;
        if self.seats[seat].answered == 0 {
            self.dial_later(cx, seat);
        } else {
            self.redial(cx, seat);
        }
    }

    /// A seat's connection is left to itself after its last answer.
    pub(super) fn leave(&mut self, cx: &mut Ctx<'_, Self>, seat: usize) {
        self.shared.up.fetch_sub(1, Ordering::Relaxed);
        self.give_up(seat, Trouble::Closed);
        self.seats[seat].conn = ConnId::NONE;
        self.redial(cx, seat);
    }

    /// Without keep-alive: a seat's next request, on a connection of its own.
    fn ask_anew(&mut self, cx: &mut Ctx<'_, Self>, seat: usize) {
        let now_ns = self.clock(cx);
        let start_ns = match &mut self.pace {
            None => Some(now_ns),
            Some(pace) => pace.take(now_ns),
        };
        match start_ns {
            Some(start_ns) => {
                self.seats[seat].granted.push_back(start_ns);
                self.dial(cx, seat);
            }
            None => self.rest(cx, seat),
        }
    }

    /// A seat has nothing to do until the next start comes.
    pub(super) fn rest(&mut self, cx: &mut Ctx<'_, Self>, seat: usize) {
        if !std::mem::replace(&mut self.seats[seat].idle, true) {
            self.idle.push(seat);
        }
        if !std::mem::replace(&mut self.is_pacing, true) {
            self.await_start(cx);
        }
    }

    /// Gives starts whose time has come to seats that have nothing to do. Once all are busy, each
    /// takes its next start by itself, when it is through.
    fn hand_out(&mut self, cx: &mut Ctx<'_, Self>) {
        let now_ns = self.clock(cx);
        while let (Some(seat), Some(pace)) = (self.idle.last().copied(), &mut self.pace) {
            let Some(start_ns) = pace.take(now_ns) else { return self.await_start(cx) };
            self.idle.pop();
            let place = &mut self.seats[seat];
            place.idle = false;
            place.granted.push_back(start_ns);
            if self.plan.keep_alive {
                cx.transport_of(place.conn).notify();
            } else {
                self.dial(cx, seat);
            }
        }
        self.is_pacing = false;
    }

    /// Comes back when the next start is due. Sleeps by whole milliseconds, less than it could,
    /// and turns the loop for what is left: a start is not late for want of a finer timer.
    fn await_start(&mut self, cx: &mut Ctx<'_, Self>) {
        let Some(pace) = &self.pace else { return };
        let wait_ns = pace.next_ns().saturating_sub(self.clock(cx));
        let sleep_ms = wait_ns.saturating_sub(self.spin_ns).div_ceil(1_000_000);
        cx.call_later(sleep_ms, |cx, crew| crew.hand_out(cx));
    }

    fn protocol(&self, seat: usize) -> Box<dyn Protocol<Self>> {
        match &self.plan.work {
            Work::Http(template) => Box::new(Asker::new(seat, Http::new(template))),
            Work::Line(template) => Box::new(Asker::new(seat, Lines::new(template))),
            Work::Ws(template) => Box::new(Asker::new(seat, Echo::new(template))),
            Work::Pb(template) => Box::new(Asker::new(seat, Calls::new(template))),
            Work::Stream(_, Some(publication)) if seat >= self.publishers_from => {
                Box::new(Asker::new(seat, Http::new(publication)))
            }
            Work::Stream(ask, _) => Box::new(Stream::new(seat, ask)),
        }
    }
}

/// Gives a seat its connection.
struct Dialer {
    seat: usize,
}

impl Factory<Crew> for Dialer {
    fn build(&mut self, _: &Peer, crew: &mut Crew) -> Option<Box<dyn Protocol<Crew>>> {
        Some(crew.protocol(self.seat))
    }

    fn failed(&mut self, cx: &mut Ctx<'_, Crew>, crew: &mut Crew, why: ConnectError) {
        crew.dial_failed(cx, self.seat, why);
    }
}
