//! When and over which link the last updates came here, to show an update's way through the herd:
//! a ring of bounded size, written once an update and read when somebody asks.

use crate::update::{Cid, Dot};
use std::collections::VecDeque;

/// Updates that are remembered: some 300 kB.
const HOPS_MAX: usize = 4096;
/// Traces of writers that are remembered, and the length of an id.
const TRACES_MAX: usize = 1024;

/// How an update came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) cid: Cid,
    pub(super) dot: Dot,
    /// The neighbour that brought it, as a place among the names; `None`: it was published here.
    from: Option<u16>,
    /// When it could be read here, by the wall clock, in nanoseconds since 1970.
    pub(super) at_ns: u64,
    /// When it was on this disk, likewise; 0 before.
    pub(super) on_disk_ns: u64,
}

/// The last of them.
#[derive(Debug, Default)]
pub(super) struct Hops {
    ring: VecDeque<Hop>,
    /// So many at the ring's front are on disk.
    settled: usize,
    /// Of neighbours, each once.
    names: Vec<String>,
    traces: VecDeque<(Cid, String)>,
}

impl Hops {
    /// An update can be read here from now on; `from` names the neighbour that brought it.
    pub(super) fn note(&mut self, (cid, dot): (Cid, Dot), from: Option<&str>, at_ns: u64) {
        let from = from.map(|name| self.place(name));
        if self.ring.len() == HOPS_MAX {
            self.ring.pop_front();
            self.settled = self.settled.saturating_sub(1);
        }
        self.ring.push_back(Hop { cid, dot, from, at_ns, on_disk_ns: 0 });
    }

    /// What is held came to the disk, all of it by now.
    pub(super) fn note_on_disk(&mut self, is_held: impl Fn(Dot) -> bool, at_ns: u64) {
        for hop in self.ring.iter_mut().skip(self.settled) {
            if hop.on_disk_ns == 0 && is_held(hop.dot) {
                hop.on_disk_ns = at_ns;
            }
        }
        let waiting = self.ring.iter().skip(self.settled).take_while(|hop| hop.on_disk_ns > 0);
        self.settled += waiting.count();
    }

    fn place(&mut self, name: &str) -> u16 {
        let known = self.names.iter().position(|known| known == name);
        let place = known.unwrap_or_else(|| {
            // More names than a node can have neighbours in its life: the last place is theirs.
            if self.names.len() < usize::from(u16::MAX) {
                self.names.push(name.to_owned());
            }
            self.names.len() - 1
        });
        place as u16
    }

    /// How an update came here, and over whose link, if that is remembered.
    pub(super) fn find(&self, cid: Cid) -> Option<(Hop, Option<&str>)> {
        let hop = *self.ring.iter().rev().find(|hop| hop.cid == cid)?;
        let from = hop.from.and_then(|place| self.names.get(usize::from(place)));
        Some((hop, from.map(|name| &name[..])))
    }

    /// An update belongs to a trace of its writer's.
    pub(super) fn note_trace(&mut self, cid: Cid, trace_id: &str) {
        if self.traces.len() == TRACES_MAX {
            self.traces.pop_front();
        }
        self.traces.push_back((cid, trace_id.to_owned()));
    }

    /// The trace that an update written here belongs to.
    pub(super) fn trace(&self, cid: Cid) -> Option<&str> {
        let found = self.traces.iter().rev().find(|(of, _)| *of == cid);
        found.map(|(_, trace)| &trace[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::Epoch;

    fn name(n: u64) -> (Cid, Dot) {
        let mut cid = Cid([0; 32]);
        cid.0[..8].copy_from_slice(&n.to_be_bytes());
        (cid, Dot { epoch: Epoch(1), seq: n })
    }

    #[test]
    fn the_last_updates_are_remembered_with_who_brought_them() {
        let mut hops = Hops::default();
        let count = 2 * HOPS_MAX as u64;
        for n in 1..=count {
            let from = ["a", "b"][n as usize % 2];
            hops.note(name(n), (n % 3 > 0).then_some(from), n);
            hops.note_trace(name(n).0, &n.to_string());
        }
        assert_eq!((hops.ring.len(), hops.names.len()), (HOPS_MAX, 2));
        assert_eq!(hops.traces.len(), TRACES_MAX);
        assert!(hops.find(name(1).0).is_none());
        let (hop, from) = hops.find(name(count).0).unwrap();
        assert_eq!((hop.dot, hop.at_ns, from), (name(count).1, count, Some("a")));
        assert_eq!(hops.find(name(count - 2).0).unwrap().1, None);
        assert_eq!(hops.trace(name(count).0), Some(&count.to_string()[..]));
        assert_eq!(hops.trace(name(1).0), None);
    }

    #[test]
    fn each_update_has_the_time_at_which_it_was_on_disk_first() {
        let mut hops = Hops::default();
        let on_disk = |hops: &Hops, n| hops.find(name(n).0).unwrap().0.on_disk_ns;
        (1..=4).for_each(|n| hops.note(name(n), None, n));
        hops.note_on_disk(|dot| [1, 3].contains(&dot.seq), 10);
        assert_eq!(hops.settled, 1);
        hops.note_on_disk(|dot| dot.seq <= 3, 20);
        assert_eq!((hops.settled, on_disk(&hops, 4)), (3, 0));
        assert_eq!([1, 2, 3].map(|n| on_disk(&hops, n)), [10, 20, 10]);
        for n in 5..=HOPS_MAX as u64 + 4 {
            hops.note(name(n), None, n);
        }
        hops.note_on_disk(|_| true, 30);
        assert_eq!((hops.settled, on_disk(&hops, 5)), (HOPS_MAX, 30));
    }
}
