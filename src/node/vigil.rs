//! What a supervisor is told while there is no loop that could tell it: before the archive of a
//! node is open, and while it is closed. Both may take longer than a supervisor waits for a word.
//! As long as the disk is at work it is asked for more time; for one that is stuck it is not.

use crate::reactor::{ask_supervisor_for, has_supervisor, watchdog};
use crate::store::DiskWork;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often it asks, where no watchdog wants to hear more often.
const EVERY: Duration = Duration::from_secs(10);

/// Asks for time from its beginning until it is dropped, if there is a supervisor.
#[derive(Default)]
pub(super) struct Vigil {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Vigil {
    pub(super) fn begin(work: &Arc<DiskWork>) -> Self {
        if !has_supervisor() {
            return Self::default();
        }
        let every = watchdog().map_or(EVERY, |time| (time / 2).min(EVERY));
        // Twice it may be late.
        let time = every * 3;
        ask_supervisor_for(time);
        let (end, ends) = mpsc::channel();
        let work = Arc::clone(work);
        let keep = move || {
            let mut last = 0;
            while ends.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                if work.goes_on(&mut last) {
                    ask_supervisor_for(time);
                }
            }
        };
        let thread = thread::Builder::new().name("vigil".to_owned()).spawn(keep);
        if let Err(error) = &thread {
            log::warn!("a supervisor may take the node for stuck: {error}");
        }
        Self { end: Some(end), thread: thread.ok() }
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was told where it occurred.
            let _ = thread.join();
        }
    }
}
