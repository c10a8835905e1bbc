//! The loop: one turn in its fixed order, each step bounded.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use super::backend::{Backend, Event, Readiness, Signal};
use super::board::{Board, Due};
use super::conn::Flags;
use super::core::{Call, Core, Stage};
use super::ids::Owner;
use super::pool::{Letter, Mailbox, Pool};
use super::slow::Course;
use super::tls::Tls;
use super::{ConnId, Ctx, Factory, LoopStats, Lost, Outcome, Peer, Protocol, Remote, Settings};
use crate::base::{InBuf, Key, Rng, Slots, Tick};

pub(super) type SignalHandler<S> = Box<dyn FnMut(Signal, &mut Ctx<'_, S>, &mut S)>;
pub(super) type StopHandler<S> = Box<dyn FnMut(&mut Ctx<'_, S>, &mut S)>;

/// A loop over a backend, serving protocols that share a state `S`.
///
/// Set it up with [`with`](Self::with) (listen, connect, timers), then [`run`](Self::run) it. Any
/// number of loops live in one process; each may be set up and run again after it ended.
///
/// One turn: wait for events until the next timer · read the clock once · note what is ready ·
/// calls and job ends from other threads · timers · accept · read and feed what is ready · flush
/// what was written · connect · reap. Each step does a bounded amount and leaves the rest to the
/// next turn.
pub struct Reactor<B: Backend, S> {
    pub(super) backend: B,
    pub(super) core: Core<S>,
    /// The loop's own part of each connection, at the index of its id.
    pub(super) ends: Vec<Option<End<B::Socket, S>>>,
    events: Vec<Event>,
    signals: Vec<Signal>,
    on_signal: Option<SignalHandler<S>>,
    pub(super) on_stop: Option<StopHandler<S>>,
}

/// The loop's own part of a connection: what protocols must not reach.
pub(super) struct End<K, S> {
    pub(super) socket: K,
    pub(super) input: InBuf,
    pub(super) storage: Storage,
    /// Between the socket and the buffers, when the connection is secured.
    pub(super) tls: Option<Box<Tls>>,
    pub(super) role: Role<S>,
}

/// What an input buffer's bytes lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// Nothing: it is empty.
    Absent,
    /// Of the shared size.
    Shared,
    /// Just large enough for a rest that waits.
    Fitted,
}

pub(super) enum Role<S> {
    /// Connecting, for the dial of this key.
    Dialing(Key),
    /// Accepted, and in what comes before a protocol: a proxy's header, the TLS handshake.
    Shaking,
    Up(Box<dyn Protocol<S>>),
}

impl<B: Backend, S: 'static> Reactor<B, S> {
    /// A loop without listeners, connections or timers.
    ///
    /// # Panics
    /// When the settings contradict each other.
    pub fn new(mut backend: B, settings: Settings) -> io::Result<Self> {
        settings.check();
        let seed = if settings.seed == 0 { backend.seed() } else { settings.seed };
        let now = tick(backend.now_ns());
        let core = Core {
            pool: Pool::new(&settings),
            pool_mode: backend.pool(),
            lookups: 0,
            mailbox: Arc::new(Mailbox::new(backend.waker())),
            resolver: backend.resolver(),
            rng: Rng::new(seed),
            board: Board::new(settings, now),
            listeners: Slots::new(),
            accepting: VecDeque::new(),
            dials: Slots::new(),
            dialing: Vec::new(),
            calls: Slots::new(),
            wall_ns: Cell::new(None),
            stage: Stage::Running,
            leaves_at: 0,
            has_successor: false,
            heir: None,
            holds: 0,
            drain_timer: None,
            accepted_open: 0,
            by_address: BTreeMap::new(),
        };
        Ok(Self {
            backend,
            core,
            ends: Vec::new(),
            events: Vec::new(),
            signals: Vec::new(),
            on_signal: None,
            on_stop: None,
        })
    }

    /// Calls `f` with the loop's verbs, between turns: set-up, and looking in from tests.
    #[doc(alias = "callWhenRunning")]
    pub fn with<R>(&mut self, state: &mut S, f: impl FnOnce(&mut Ctx<'_, S>, &mut S) -> R) -> R {
        f(&mut self.core.cx(&mut self.backend, ConnId::NONE), state)
    }

    /// What other threads reach this loop with.
    pub fn remote(&self) -> Remote<S> {
        Remote::new(&self.core.mailbox)
    }

    /// True when the last stop was for a successor, and was not cut short.
    pub fn has_successor(&self) -> bool {
        self.core.has_successor
    }

    /// The loop's counters.
    pub fn stats(&self) -> &LoopStats {
        &self.core.board.stats
    }

    /// The world below.
    pub fn backend(&mut self) -> &mut B {
        &mut self.backend
    }

    /// Watches signals and hands them to `f`, instead of what
    /// [`stop_on_signals`](Self::stop_on_signals) does: `f` calls [`Ctx::stop`] itself. An
    /// interrupt or terminate while the loop drains ends it at once in either case.
    pub fn on_signal(
        &mut self,
        f: impl FnMut(Signal, &mut Ctx<'_, S>, &mut S) + 'static,
    ) -> io::Result<()> {
        self.on_signal = Some(Box::new(f));
        self.backend.watch_signals()
    }

    /// Watches signals: the first interrupt or terminate drains, the second ends the loop at once.
    pub fn stop_on_signals(&mut self) -> io::Result<()> {
        self.backend.watch_signals()
    }

    /// Calls `f` once when a drain begins: the place to finish and [`Ctx::hold`] for what must end
    /// first.
    #[doc(alias = "addSystemEventTrigger")]
    pub fn on_stop(&mut self, f: impl FnMut(&mut Ctx<'_, S>, &mut S) + 'static) {
        self.on_stop = Some(Box::new(f));
    }

    /// Turns until a stop has drained the loop. May be run again.
    pub fn run(&mut self, state: &mut S) -> io::Result<()> {
        while self.turn(state)? {}
        Ok(())
    }

    /// When the next turn has something to do without any event from outside: now, at a timer, or
    /// never.
    pub fn next_wake(&self) -> Option<Tick> {
        let board = &self.core.board;
        let busy = !board.ready.is_empty()
            || !board.dirty.is_empty()
            || !board.doomed.is_empty()
            || !self.core.dialing.is_empty()
            || !self.core.accepting.is_empty()
            || self.core.mailbox.has_letters()
            || self.is_stop_due();
        if busy { Some(board.now) } else { board.wheel.next_due() }
    }

    /// One turn; false when the loop has ended.
    pub fn turn(&mut self, state: &mut S) -> io::Result<bool> {
        self.wait()?;
        let began_ns = self.read_clock();
        let mut course = Course::begin(&self.core.board.stats, began_ns);
        self.note_events();
        self.heed_signals(state);
        self.open_letters(state);
        self.fire_timers(state);
        self.accept(state);
        if course.has_called(&self.core.board.stats) {
            course.calls_ended(self.backend.now_ns());
        }
        let visited = self.visit_ready(state);
        if visited > 0 {
            course.protocols_ended(visited, self.backend.now_ns());
        }
        self.flush_dirty();
        self.start_dials(state);
        self.drain(state);
        self.reap(state);
        self.finish_turn(began_ns, &course);
        Ok(!self.has_ended())
    }

    /// Steps 1 and 2: sleeps only if nothing is ready. The time until the next timer is measured
    /// from the clock of now, not of the last turn's start: a long turn delays no timer twice.
    fn wait(&mut self) -> io::Result<()> {
        let timeout_ms = match self.next_wake() {
            Some(due) if due <= self.core.board.now => Some(0),
            Some(due) => Some(due.saturating_sub(tick(self.backend.now_ns()))),
            None => None,
        };
        self.events.clear();
        self.backend.poll(timeout_ms, &mut self.events)
    }

    /// Step 3.
    fn read_clock(&mut self) -> u64 {
        let now_ns = self.backend.now_ns();
        self.core.board.now = tick(now_ns);
        self.core.wall_ns.set(None);
        self.core.pool_mode = self.backend.pool();
        now_ns
    }

    /// Step 4: flags and queues only, no user code.
    fn note_events(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            match event {
                Event::Signal(signal) => self.signals.push(signal),
                Event::Ready(readiness) => self.note_readiness(readiness),
            }
        }
        self.events = events;
    }

    fn note_readiness(&mut self, readiness: Readiness) {
        let id = match Owner::of(readiness.token) {
            Owner::Conn(id) => id,
            Owner::Listener(id) => return self.queue_listener(id),
        };
        let Some(conn) = self.core.board.conns.get_mut(id.0) else { return };
        if readiness.readable || readiness.read_closed || readiness.error {
            conn.flags.set(Flags::READABLE);
        }
        if readiness.read_closed {
            conn.flags.set(Flags::READ_CLOSING);
        }
        if readiness.error {
            conn.flags.set(Flags::FAILED);
        }
        if readiness.writable || readiness.error {
            conn.flags.set(Flags::WRITABLE);
        }
        let visit = conn.has_work() || conn.is(Flags::DIALING) || conn.is(Flags::FAILED);
        if readiness.writable && conn.waiting() > 0 {
            self.core.board.mark_dirty(id);
        }
        if visit {
            self.core.board.enqueue(id);
        }
    }

    fn heed_signals(&mut self, state: &mut S) {
        for signal in std::mem::take(&mut self.signals) {
            let stops = matches!(signal, Signal::Interrupt | Signal::Terminate);
            if stops && self.core.stage != Stage::Running {
                log::warn!("second signal while draining: ending at once");
                self.core.stage = Stage::Over;
                self.core.has_successor = false;
                continue;
            }
            match self.on_signal.take() {
                Some(mut handler) => {
                    self.guarded("signal handler", state, |cx, state| handler(signal, cx, state));
                    self.on_signal.get_or_insert(handler);
                }
                None if stops => self.core.cx(&mut self.backend, ConnId::NONE).stop(),
                None => {}
            }
        }
    }

    /// Step 5: what other threads sent, as much as was there at the start.
    fn open_letters(&mut self, state: &mut S) {
        if !self.core.mailbox.has_letters() {
            return;
        }
        for letter in self.core.mailbox.take() {
            self.core.board.stats.letters += 1;
            match letter {
                Letter::Call(call) => self.guarded("remote call", state, call),
                Letter::Finished(finish) => {
                    self.core.pool.jobs -= 1;
                    match finish {
                        Some(finish) => self.guarded("end of a job", state, finish),
                        None => self.core.board.stats.panics += 1,
                    }
                }
            }
        }
    }

    /// Step 6: what is due at this turn's clock; a timer armed by a timer waits for the next turn.
    fn fire_timers(&mut self, state: &mut S) {
        let now = self.core.board.now;
        self.core.board.wheel.advance(now);
        while let Some(due) = self.core.board.wheel.pop() {
            self.core.board.stats.timers_fired += 1;
            match due {
                Due::Conn(id) => self.conn_due(id, state),
                Due::Call(key) => match self.core.calls.remove(key) {
                    Some(Call::Later(call)) => self.guarded("timer", state, call),
                    Some(Call::Finish(finish)) => {
                        self.core.pool.jobs -= 1;
                        self.guarded("end of a job", state, finish);
                    }
                    None => {}
                },
                Due::Dial(key) => self.dial_timed_out(key, state),
                Due::Accept(id) => self.stop_resting(id),
                Due::Farewell => self.look_at_farewells(),
                Due::Drain => self.drain_timed_out(),
            }
        }
    }

    /// A connection's timer fired: something may be due, or it was only early.
    fn conn_due(&mut self, id: ConnId, state: &mut S) {
        let board = &mut self.core.board;
        let (now, linger_ms) = (board.now, board.settings.linger_ms);
        let close_ms_max = board.settings.close_ms_max;
        let Some(conn) = board.conns.get_mut(id.0) else { return };
        conn.timer = None;
        if conn.due(linger_ms, close_ms_max).is_some_and(|due| due <= now) {
            if conn.is(Flags::NAMELESS) {
                self.refuse_proxy(id, "no PROXY header in time");
            } else if conn.is(Flags::SHAKING) {
                self.refuse_handshake(id, "no end in time");
            } else if conn.is(Flags::CLOSING) {
                let unsent = conn.waiting() > 0;
                let ended = matches!(conn.reason, Lost::Local | Lost::PeerClosed);
                let reason = if unsent && ended { Lost::Slow } else { conn.reason };
                board.doom(id, reason, unsent);
            } else if conn.deadline.is_some_and(|deadline| deadline <= now) {
                conn.deadline = None;
                self.call(id, state, |protocol, cx, state, _| protocol.timeout(cx, state));
            } else {
                // Behind a reset the kernel drops what a slow peer has yet to take.
                let unsent = conn.waiting() > 0;
                if conn.is(Flags::SECURED) && !unsent {
                    // Its orderly end takes a write.
                    board.close(id, Lost::Idle);
                } else {
                    board.doom(id, Lost::Idle, unsent);
                }
            }
        }
        self.core.board.rearm(id);
    }

    /// Step 8: those ready at the start, up to `visits_per_turn` or for `visits_ms`, one read and
    /// one feed each; the rest of a long input goes to the tail of the queue.
    fn visit_ready(&mut self, state: &mut S) -> u64 {
        let board = &mut self.core.board;
        let count = board.ready.len().min(board.settings.visits_per_turn);
        board.visit_ns = 0;
        let (mut first_ns, mut visited) = (0, 0);
        while visited < count {
            let Some(id) = self.core.board.ready.pop_front() else { break };
            self.visit(id, state);
            visited += 1;
            let board = &self.core.board;
            if first_ns == 0 {
                first_ns = board.visit_ns;
            } else if tick(board.visit_ns - first_ns) >= board.settings.visits_ms {
                break;
            }
        }
        visited as u64
    }

    /// Step 12.
    fn finish_turn(&mut self, began_ns: u64, course: &Course) {
        #[cfg(debug_assertions)]
        self.assert_liveness();
        let took_ns = self.backend.now_ns().saturating_sub(began_ns);
        let board = &mut self.core.board;
        board.stats.turns += 1;
        board.stats.turn_ns.observe(took_ns);
        board.stats.timers_armed = board.wheel.len() as u64;
        board.stats.jobs_waiting = self.core.pool.jobs as u64;
        board.stats.handshaking =
            self.core.listeners.iter().map(|(_, listener)| listener.shaking.all() as u64).sum();
        let slow_turn_ms = board.settings.slow_turn_ms;
        if slow_turn_ms > 0 && tick(took_ns) >= slow_turn_ms {
            let turn = course.end(tick(began_ns), &board.stats, tick(took_ns));
            board.stats.note_slow(turn);
            log::warn!("a turn of the loop took {} ms: {turn}", tick(took_ns));
        }
    }

    /// On each early return somewhere above, will some queue visit this connection again?
    #[cfg(debug_assertions)]
    fn assert_liveness(&self) {
        const LOOK_AT_MOST: usize = 1024;
        let board = &self.core.board;
        for (key, conn) in board.conns.iter().take(LOOK_AT_MOST) {
            let id = ConnId(key);
            assert!(!conn.is(Flags::DOOMED), "{id} was not reaped");
            assert!(!conn.has_work() || conn.is(Flags::QUEUED), "{id} is forgotten: {conn:?}");
            let flushable = conn.waiting() > 0 && conn.is(Flags::WRITABLE);
            assert!(!flushable || conn.is(Flags::DIRTY), "{id} is not flushed: {conn:?}");
            let full = conn.waiting() >= board.settings.high_mark;
            let known = conn.is(Flags::FULL) || conn.is(Flags::DIRTY);
            assert!(!full || known, "{id} is full unknown: {conn:?}");
        }
    }

    /// Calls a protocol's method. `Err` and panics end the connection, not the loop.
    pub(super) fn call(
        &mut self,
        id: ConnId,
        state: &mut S,
        method: impl FnOnce(&mut dyn Protocol<S>, &mut Ctx<'_, S>, &mut S, &mut InBuf) -> Outcome,
    ) {
        let Some(end) = self.ends.get_mut(id.index()).and_then(Option::as_mut) else { return };
        let Role::Up(protocol) = &mut end.role else { return };
        if let Some(conn) = self.core.board.conns.get_mut(id.0) {
            conn.events = 0;
        }
        self.core.heir = None;
        let mut cx = self.core.cx(&mut self.backend, id);
        // Unwind safety: the protocol is only told that it is lost from here on. The shared state
        // may be half-changed, as after an exception in Twisted; losing every connection of the
        // node for it would be worse, and the panic is logged and counted.
        let result = catch_unwind(AssertUnwindSafe(|| {
            method(protocol.as_mut(), &mut cx, state, &mut end.input)
        }));
        self.core.board.note_fullness(id);
        match result {
            Ok(Ok(())) => {
                if let Some(heir) = self.core.heir.take() {
                    self.succeed(id, heir, state);
                }
            }
            Ok(Err(fault)) => {
                log::info!("{id}: lost: {fault}");
                self.core.board.close(id, Lost::Wire);
            }
            Err(panic) => {
                self.core.log_panic(&format!("protocol of {id}"), panic.as_ref());
                self.core.board.doom(id, Lost::Fault, true);
            }
        }
    }

    /// A protocol gave up its place: the next one begins with what is there.
    fn succeed(&mut self, id: ConnId, heir: Box<dyn Protocol<S>>, state: &mut S) {
        let Some(conn) = self.core.board.open(id) else { return };
        let Some(end) = self.ends[id.index()].as_mut() else { return };
        conn.deadline = None;
        conn.flags.clear(Flags::PAUSED);
        conn.flags.clear(Flags::EOF_TOLD);
        conn.flags.set(Flags::UNFED);
        end.role = Role::Up(heir);
        self.call(id, state, |protocol, cx, state, _| protocol.made(cx, state));
        self.core.board.enqueue(id);
    }

    /// Calls user code that belongs to no connection; a panic in it is logged and counted. Unwind
    /// safety: as in [`Self::call`].
    pub(super) fn guarded(
        &mut self,
        what: &str,
        state: &mut S,
        f: impl FnOnce(&mut Ctx<'_, S>, &mut S),
    ) {
        let mut cx = self.core.cx(&mut self.backend, ConnId::NONE);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| f(&mut cx, state))) {
            self.core.log_panic(what, panic.as_ref());
        }
    }

    /// Tells a protocol that its connection is gone. Unwind safety: as in [`Self::call`].
    pub(super) fn tell_lost(
        &mut self,
        id: ConnId,
        state: &mut S,
        protocol: &mut dyn Protocol<S>,
        reason: Lost,
    ) {
        let mut cx = self.core.cx(&mut self.backend, id);
        let told = catch_unwind(AssertUnwindSafe(|| protocol.lost(&mut cx, state, reason)));
        if let Err(panic) = told {
            self.core.log_panic(&format!("protocol of {id}"), panic.as_ref());
        }
    }
}

/// Asks a factory for a protocol; a panic counts as no, and is the error. Unwind safety: as in
/// [`Reactor::call`].
pub(super) fn build<S>(
    factory: &mut dyn Factory<S>,
    peer: &Peer,
    state: &mut S,
) -> thread::Result<Option<Box<dyn Protocol<S>>>> {
    catch_unwind(AssertUnwindSafe(|| factory.build(peer, state)))
}

/// Nanoseconds as ticks.
pub(super) fn tick(ns: u64) -> Tick {
    ns / 1_000_000
}
