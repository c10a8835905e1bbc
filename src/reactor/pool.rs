//! Work off the loop: threads for blocking jobs, and the mailbox through which other threads
//! reach the loop. The queue of jobs is bounded; the loop is woken once for any number of letters.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::backend::Wake;
use super::{Ctx, Settings};

/// What a job leaves to be done in the loop.
pub type Finish<S> = Box<dyn FnOnce(&mut Ctx<'_, S>, &mut S) + Send>;

/// Blocking work, done on a thread of the pool.
pub type Job<S> = Box<dyn FnOnce() -> Finish<S> + Send>;

/// As many jobs wait or run as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolFull;

impl fmt::Display for PoolFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many blocking jobs wait or run")
    }
}

impl std::error::Error for PoolFull {}

/// Something from another thread for the loop.
pub(super) enum Letter<S> {
    Call(Finish<S>),
    /// The end of a job; `None` when it panicked.
    Finished(Option<Finish<S>>),
}

/// Where letters wait. Invariant: while there are letters and the loop sleeps, `waiting` is true
/// and the waker has been used since the loop last cleared it.
pub(super) struct Mailbox<S> {
    letters: Mutex<VecDeque<Letter<S>>>,
    waiting: AtomicBool,
    waker: Arc<dyn Wake>,
}

/// A lock that a panicking thread held is still good: no code of ours that can panic runs under
/// one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S> Mailbox<S> {
    pub(super) fn new(waker: Arc<dyn Wake>) -> Self {
        Self { letters: Mutex::new(VecDeque::new()), waiting: AtomicBool::new(false), waker }
    }

    /// Queue first, wake on false→true only.
    fn send(&self, letter: Letter<S>) {
        lock(&self.letters).push_back(letter);
        if !self.waiting.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// True when the loop must not sleep.
    pub(super) fn has_letters(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    /// Clear before draining: a letter that comes meanwhile wakes the loop again.
    pub(super) fn take(&self) -> VecDeque<Letter<S>> {
        if !self.waiting.swap(false, Ordering::AcqRel) {
            return VecDeque::new();
        }
        std::mem::take(&mut *lock(&self.letters))
    }
}

/// Reaches a loop from any thread.
pub struct Remote<S> {
    mailbox: Arc<Mailbox<S>>,
}

impl<S> Remote<S> {
    pub(super) fn new(mailbox: &Arc<Mailbox<S>>) -> Self {
        Self { mailbox: Arc::clone(mailbox) }
    }

    /// Has `f` called in the loop, in its next turn, in the order of these calls. Dropped uncalled
    /// when the loop has ended for good. The queue has no bound of its own: callers keep theirs.
    #[doc(alias = "callFromThread")]
    pub fn call(&self, f: impl FnOnce(&mut Ctx<'_, S>, &mut S) + Send + 'static) {
        self.mailbox.send(Letter::Call(Box::new(f)));
    }
}

impl<S> Clone for Remote<S> {
    fn clone(&self) -> Self {
        Self { mailbox: Arc::clone(&self.mailbox) }
    }
}

/// The threads, started one by one as jobs come.
pub(super) struct Pool<S> {
    queue: Arc<Queue<S>>,
    threads: usize,
    threads_max: usize,
    /// Jobs waiting or running.
    pub(super) jobs: usize,
    jobs_max: usize,
}

struct Queue<S> {
    state: Mutex<QueueState<S>>,
    filled: Condvar,
}

struct QueueState<S> {
    jobs: VecDeque<Job<S>>,
    idle: usize,
    over: bool,
}

impl<S: 'static> Pool<S> {
    pub(super) fn new(settings: &Settings) -> Self {
        let state = QueueState { jobs: VecDeque::new(), idle: 0, over: false };
        Self {
            queue: Arc::new(Queue { state: Mutex::new(state), filled: Condvar::new() }),
            threads: 0,
            threads_max: settings.pool_threads,
            jobs: 0,
            jobs_max: settings.pool_queue_max,
        }
    }

    /// Counts a job in, if there is room.
    pub(super) fn admit(&mut self) -> Result<(), PoolFull> {
        if self.jobs >= self.jobs_max {
            return Err(PoolFull);
        }
        self.jobs += 1;
        Ok(())
    }

    /// Gives an admitted job to a thread; its end comes as a letter.
    pub(super) fn submit(&mut self, job: Job<S>, mailbox: &Arc<Mailbox<S>>) {
        let mut state = lock(&self.queue.state);
        state.jobs.push_back(job);
        let start = state.idle < state.jobs.len() && self.threads < self.threads_max;
        drop(state);
        if start {
            self.start_thread(mailbox);
        }
        self.queue.filled.notify_one();
    }

    fn start_thread(&mut self, mailbox: &Arc<Mailbox<S>>) {
        let (queue, mailbox) = (Arc::clone(&self.queue), Arc::clone(mailbox));
        let named = thread::Builder::new().name(format!("pool-{}", self.threads));
        match named.spawn(move || queue.work(&mailbox)) {
            Ok(_) => self.threads += 1,
            Err(error) if self.threads > 0 => log::warn!("no further pool thread: {error}"),
            Err(error) => log::error!("no pool thread, blocking jobs wait: {error}"),
        }
    }
}

impl<S> Drop for Pool<S> {
    /// Threads end after the job they run. They are not waited for: a job that hangs must not
    /// hang the process's exit.
    fn drop(&mut self) {
        lock(&self.queue.state).over = true;
        self.queue.filled.notify_all();
    }
}

impl<S> Queue<S> {
    fn work(&self, mailbox: &Mailbox<S>) {
        while let Some(job) = self.next() {
            mailbox.send(Letter::Finished(run(job)));
        }
    }

    fn next(&self) -> Option<Job<S>> {
        let mut state = lock(&self.state);
        state.idle += 1;
        let waits = |state: &mut QueueState<S>| state.jobs.is_empty() && !state.over;
        state = self.filled.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state.jobs.pop_front()
    }
}

/// Runs a job; `None` when it panicked. Unwind safety: the job is consumed, nothing it could have
/// left half-done is reachable but what it shares by its own locks.
pub(super) fn run<S>(job: Job<S>) -> Option<Finish<S>> {
    catch_unwind(AssertUnwindSafe(job)).ok()
}
