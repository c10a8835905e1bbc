//! The verbs of the loop, as a protocol sees them.

use std::io;

use super::backend::Ground;
use super::board::Due;
use super::conn::Flags;
use super::core::{Call, Core, Listener, Stage};
use super::share::Shaking;
use super::turn::tick;
use super::{
    ConnId, ConnectOptions, Factory, Job, ListenOptions, ListenerId, LoopStats, Peer, PoolFull,
    Protocol, Remote, TimerId, Transport,
};
use crate::base::{ClientEndpoint, Rng, ServerEndpoint, Tick};

/// What every call from the loop is handed: the loop's verbs, and the connection it is about.
pub struct Ctx<'a, S> {
    pub(super) core: &'a mut Core<S>,
    pub(super) ground: &'a mut dyn Ground,
    pub(super) id: ConnId,
}

impl<S> Ctx<'_, S> {
    /// Milliseconds of the loop's monotonic clock, read once a turn.
    #[doc(alias = "seconds")]
    pub fn now(&self) -> Tick {
        self.core.board.now
    }

    /// Wall-clock nanoseconds since 1970, read at most once a turn.
    pub fn wall_ns(&self) -> u64 {
        let known = self.core.wall_ns.get();
        let ns = known.unwrap_or_else(|| self.ground.wall_ns());
        self.core.wall_ns.set(Some(ns));
        ns
    }

    /// Nanoseconds of the loop's monotonic clock, read at this call: for measuring. What is due is
    /// decided by [`now`](Self::now).
    pub fn now_ns(&self) -> u64 {
        self.ground.now_ns()
    }

    /// The loop's random numbers.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.core.rng
    }

    /// The connection this call is about; [`ConnId::NONE`] in timers, jobs and set-up.
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// May this protocol take another event from its input now? False when it took its share of
    /// the turn, in events or in time, when its out-buffer is at the high mark (unless its class is
    /// [`Class::Peer`](super::Class::Peer)), when it is paused or closing; then leave the rest: the
    /// loop calls `received` again when it may go on. Each `true` counts.
    pub fn more(&mut self) -> bool {
        let board = &mut self.core.board;
        let Some(conn) = board.conns.get_mut(self.id.0) else { return false };
        if conn.waiting() >= board.settings.high_mark {
            conn.flags.set(Flags::FULL);
        }
        let is_late = match conn.events {
            0 => {
                board.visit_ns = self.ground.now_ns();
                false
            }
            // The clock costs little, but not nothing beside the cheapest events: it is read often
            // enough that a dear one is soon noticed.
            taken if taken.is_power_of_two() || taken.is_multiple_of(8) => {
                let took_ns = self.ground.now_ns().saturating_sub(board.visit_ns);
                tick(took_ns) >= board.settings.visit_ms
            }
            _ => false,
        };
        if conn.is_held() || is_late || conn.events >= board.settings.events_per_turn {
            self.rest_later();
            return false;
        }
        conn.events += 1;
        true
    }

    /// Ends this protocol's share of the turn by a bound of its own, in bytes say: then leave the
    /// rest, as behind a [`more`](Self::more) that says no.
    pub fn rest_later(&mut self) {
        let Some(conn) = self.core.board.open(self.id) else { return };
        conn.flags.set(Flags::UNFED);
        conn.flags.set(Flags::CUT_SHORT);
        // What holds it back sees to the rest when it ends.
        if !conn.is_held() {
            self.core.board.enqueue(self.id);
        }
    }

    /// Has `next` take the place of the protocol whose call this is, once it returns `Ok`: it is
    /// made, then offered the input as it was left, and told of its end if it had come. Timer and
    /// pause begin anew. The one that gives up its place hears no more, not even that it is lost.
    pub fn hand_over(&mut self, next: Box<dyn Protocol<S>>) {
        self.core.heir = Some(next);
    }

    /// The verbs on this call's connection.
    pub fn transport(&mut self) -> Transport<'_> {
        self.transport_of(self.id)
    }

    /// The verbs on any connection; of one that is gone, they do nothing.
    pub fn transport_of(&mut self, id: ConnId) -> Transport<'_> {
        Transport { board: &mut self.core.board, id }
    }

    /// Calls `f` in `ms` milliseconds of the turn's clock, never in this turn. Equal deadlines are
    /// called in the order in which they were made.
    #[doc(alias = "callLater")]
    pub fn call_later(
        &mut self,
        ms: u64,
        f: impl FnOnce(&mut Ctx<'_, S>, &mut S) + 'static,
    ) -> TimerId {
        let call = self.core.calls.insert(Call::Later(Box::new(f)));
        let due = self.core.board.now.saturating_add(ms);
        TimerId(self.core.board.wheel.arm(due, Due::Call(call)))
    }

    /// Has the connection at hand notified in `ms` milliseconds, never in this turn.
    pub fn notify_later(&mut self, ms: u64)
    where
        S: 'static,
    {
        let conn = self.id();
        self.call_later(ms, move |cx, _| cx.transport_of(conn).notify());
    }

    /// Takes a call back; false when it was made or taken back before.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        match self.core.board.wheel.cancel(timer.0) {
            Some(Due::Call(call)) => self.core.calls.remove(call).is_some(),
            _ => false,
        }
    }

    /// What other threads reach this loop with.
    #[doc(alias = "callFromThread")]
    pub fn remote(&self) -> Remote<S> {
        Remote::new(&self.core.mailbox)
    }

    /// Listens; the address is bound when this returns.
    #[doc(alias = "listenTCP")]
    #[doc(alias = "listenUNIX")]
    pub fn listen(
        &mut self,
        endpoint: &ServerEndpoint,
        mut options: ListenOptions,
        factory: impl Factory<S> + 'static,
    ) -> io::Result<ListenerId> {
        options.proxied |= matches!(endpoint, ServerEndpoint::Haproxy(_));
        let endpoint = endpoint.bound();
        if self.leaving() {
            return Err(io::Error::other("the loop is stopping"));
        }
        let listener = Listener {
            factory: Box::new(factory),
            options,
            local: Peer::Unix,
            queued: false,
            resting: false,
            shaking: Shaking::default(),
            held: false,
        };
        let id = ListenerId(self.core.listeners.insert(listener));
        let bound = self.ground.listen(endpoint, id.token());
        match (bound, self.core.listeners.get_mut(id.0)) {
            (Ok(local), Some(listener)) => {
                listener.local = local;
                Ok(id)
            }
            (bound, _) => {
                self.core.listeners.remove(id.0);
                bound.map(|_| id)
            }
        }
    }

    /// The address that a listener is bound to.
    #[doc(alias = "getHost")]
    pub fn local_addr(&self, id: ListenerId) -> Option<Peer> {
        self.core.listeners.get(id.0).map(|listener| listener.local)
    }

    /// Stops accepting and frees the address; connections stay.
    #[doc(alias = "stopListening")]
    pub fn stop_listening(&mut self, id: ListenerId) {
        if self.core.listeners.remove(id.0).is_some() {
            self.ground.unlisten(id.token());
        }
    }

    /// Drains: listeners are closed at the end of this turn, whoever waits there is let in before;
    /// for `farewell_ms` all goes on, so that clients in use get their answers; then, once nobody
    /// [`hold`](Self::hold)s, every connection is closed after its flush; what is left after
    /// `drain_ms` is dropped. Both are lost with [`Lost::Shutdown`](super::Lost::Shutdown). Then
    /// the loop ends.
    pub fn stop(&mut self) {
        if self.core.stage == Stage::Running {
            self.core.stage = Stage::Asked;
            self.core.has_successor = false;
        }
    }

    /// [`stop`](Self::stop) before another process takes over: listening sockets stay open where
    /// that is possible ([`OsBackend::take_retired`](super::OsBackend::take_retired)), and whoever
    /// connects waits for it.
    pub fn stop_for_successor(&mut self) {
        if self.core.stage == Stage::Running {
            self.stop();
            self.core.has_successor = true;
        }
    }

    /// True from `stop` on: a protocol that can says that its connection ends behind its answer.
    pub fn leaving(&self) -> bool {
        self.core.stage != Stage::Running
    }

    /// True once a stop has begun to end what is under way: nothing new should be begun.
    pub fn draining(&self) -> bool {
        match self.core.stage {
            Stage::Running | Stage::Leaving => false,
            Stage::Asked => self.core.board.settings.farewell_ms == 0,
            _ => true,
        }
    }

    /// Keeps connections open while the loop drains (until its deadline), for work that must end
    /// first. Pairs with [`release`](Self::release).
    pub fn hold(&mut self) {
        self.core.holds += 1;
    }

    /// Ends one [`hold`](Self::hold).
    pub fn release(&mut self) {
        self.core.holds = self.core.holds.saturating_sub(1);
    }

    /// The loop's counters.
    pub fn stats(&self) -> &LoopStats {
        &self.core.board.stats
    }
}

impl<S: 'static> Ctx<'_, S> {
    /// Runs a blocking job on a thread of the pool, and what it returns in the loop. A job that
    /// panics is logged and counted, and nothing is called.
    #[doc(alias = "deferToThread")]
    #[doc(alias = "callInThread")]
    pub fn offload(&mut self, job: Job<S>) -> Result<(), PoolFull> {
        self.core.offload(job)
    }

    /// Connects. A host name is looked up on the pool, its addresses are tried in turn; the
    /// factory hears of success through `build`, of failure through `failed`, never before this
    /// turn's end.
    #[doc(alias = "connectTCP")]
    #[doc(alias = "connectUNIX")]
    pub fn connect(
        &mut self,
        endpoint: &ClientEndpoint,
        options: ConnectOptions,
        factory: impl Factory<S> + 'static,
    ) {
        self.core.dial(endpoint, options, Box::new(factory));
    }
}
