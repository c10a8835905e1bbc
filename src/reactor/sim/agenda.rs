//! Which loops of a simulated network are to be turned next, and when.

use std::collections::BTreeSet;

use super::net::HostNo;
use crate::base::Tick;

/// When each host has something to do: it was told of an event, or wakes by itself, and neither
/// while its process is stopped, nor, if it is slow, too soon after its last turn.
#[derive(Default)]
pub(super) struct Agenda {
    entries: Vec<Entry>,
    queue: BTreeSet<(Tick, HostNo)>,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    /// Since when there are events for it.
    ready: Option<Tick>,
    /// When it wakes by itself.
    wake: Option<Tick>,
    is_paused: bool,
    /// Nobody turns it, until its loop says again when it wakes.
    is_absent: bool,
    /// How long it rests after each turn.
    rest_ms: u64,
    rests_until: Tick,
    /// Where it stands in the queue.
    queued: Option<Tick>,
}

impl Entry {
    fn due(&self) -> Option<Tick> {
        let first = match (self.ready, self.wake) {
            (Some(ready), Some(wake)) => Some(ready.min(wake)),
            (ready, wake) => ready.or(wake),
        };
        first.filter(|_| !self.is_paused && !self.is_absent).map(|at| at.max(self.rests_until))
    }
}

impl Agenda {
    /// One more host.
    pub(super) fn add_host(&mut self) {
        self.entries.push(Entry::default());
    }

    fn change(&mut self, host: HostNo, change: impl FnOnce(&mut Entry)) {
        let entry = &mut self.entries[host];
        change(entry);
        let due = entry.due();
        if due != entry.queued {
            if let Some(at) = std::mem::replace(&mut entry.queued, due) {
                self.queue.remove(&(at, host));
            }
            self.queue.extend(due.map(|at| (at, host)));
        }
    }

    /// There are events for it since `now`, or none.
    pub(super) fn set_ready(&mut self, host: HostNo, now: Option<Tick>) {
        if self.entries[host].ready.is_some() != now.is_some() {
            self.change(host, |entry| entry.ready = now);
        }
    }

    pub(super) fn set_wake(&mut self, host: HostNo, wake: Option<Tick>) {
        if self.entries[host].wake != wake || self.entries[host].is_absent {
            self.change(host, |entry| (entry.wake, entry.is_absent) = (wake, false));
        }
    }

    pub(super) fn set_paused(&mut self, host: HostNo, is_paused: bool) {
        self.change(host, |entry| entry.is_paused = is_paused);
    }

    pub(super) fn set_rest(&mut self, host: HostNo, rest_ms: u64) {
        self.change(host, |entry| (entry.rest_ms, entry.rests_until) = (rest_ms, 0));
    }

    /// It has had its turn.
    pub(super) fn turned(&mut self, host: HostNo, now: Tick) {
        if self.entries[host].rest_ms > 0 {
            self.change(host, |entry| entry.rests_until = now + entry.rest_ms);
        }
    }

    /// There is nobody to turn it now.
    pub(super) fn set_absent(&mut self, host: HostNo) {
        self.change(host, |entry| entry.is_absent = true);
    }

    /// No process runs there any more.
    pub(super) fn clear(&mut self, host: HostNo) {
        self.change(host, |entry| *entry = Entry { queued: entry.queued, ..Entry::default() });
    }

    /// Those that have something to do by `now`.
    pub(super) fn due(&self, now: Tick) -> Vec<HostNo> {
        self.queue.iter().take_while(|(at, _)| *at <= now).map(|(_, host)| *host).collect()
    }

    /// When the next one has something to do.
    pub(super) fn next(&self) -> Option<Tick> {
        self.queue.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agenda(hosts: usize) -> Agenda {
        let mut agenda = Agenda::default();
        (0..hosts).for_each(|_| agenda.add_host());
        agenda
    }

    #[test]
    fn a_host_is_due_at_its_event_or_its_wake_whichever_is_first() {
        let mut agenda = agenda(2);
        agenda.set_wake(0, Some(9));
        agenda.set_wake(1, Some(5));
        agenda.set_ready(0, Some(3));
        assert_eq!((agenda.next(), agenda.due(4)), (Some(3), vec![0]));
        agenda.set_ready(0, None);
        assert_eq!((agenda.next(), agenda.due(9)), (Some(5), vec![1, 0]));
        agenda.clear(1);
        assert_eq!(agenda.due(20), [0]);
    }

    #[test]
    fn a_stopped_host_waits_and_a_slow_one_rests() {
        let mut agenda = agenda(1);
        agenda.set_wake(0, Some(1));
        agenda.set_paused(0, true);
        assert_eq!((agenda.next(), agenda.due(100)), (None, vec![]));
        agenda.set_paused(0, false);
        agenda.set_rest(0, 7);
        assert_eq!(agenda.due(1), [0]);
        agenda.turned(0, 2);
        agenda.set_ready(0, Some(3));
        assert_eq!((agenda.next(), agenda.due(8)), (Some(9), vec![]));
    }
}
