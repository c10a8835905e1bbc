//! What is offered to a news server and not settled yet, and how far the log is settled: a cursor
//! behind which everything was taken, refused or not meant for it. Pure.

use crate::update::{Cid, Cursor};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Articles that may be offered at a time.
pub(super) const OPEN_MAX: usize = 128;
/// Articles that the server wants to be asked about again; beyond it nothing new is offered.
pub(super) const DEFERRED_MAX: usize = 1024;

/// An article by the update that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// The update.
    pub(super) cid: Cid,
    /// Which of the articles that it makes: a withdrawal of several heads has several.
    pub(super) number: usize,
    /// Its Message-ID.
    pub(super) id: String,
}

/// Articles on offer.
#[derive(Debug, Default)]
pub(super) struct Offers {
    /// By Message-ID, with the order in which they came.
    open: BTreeMap<String, (u64, Item)>,
    deferred: VecDeque<(u64, Item)>,
    /// The orders of all that is not settled.
    unsettled: BTreeSet<u64>,
    next: u64,
    /// A place of the log, and the order of the first article behind it.
    mark: Option<(u64, Cursor)>,
}

impl Offers {
    /// True while another article may be offered.
    pub(super) fn has_room(&self, open_max: usize) -> bool {
        self.open.len() < open_max && self.deferred.len() < DEFERRED_MAX
    }

    /// How many were offered and not answered.
    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }

    /// True when articles wait to be offered again.
    pub(super) fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Takes an article up; false when it is on offer already.
    pub(super) fn offer(&mut self, item: &Item) -> bool {
        let is_known = self.open.contains_key(&item.id)
            || self.deferred.iter().any(|(_, other)| other.id == item.id);
        if is_known {
            return false;
        }
        self.unsettled.insert(self.next);
        self.open.insert(item.id.clone(), (self.next, item.clone()));
        self.next += 1;
        true
    }

    /// The article on offer under a Message-ID.
    pub(super) fn find(&self, id: &str) -> Option<&Item> {
        self.open.get(id).map(|(_, item)| item)
    }

    /// The only article on offer, where there is one.
    pub(super) fn only(&self) -> Option<&Item> {
        self.open.values().next().map(|(_, item)| item)
    }

    /// The server has it, or will not have it.
    pub(super) fn settle(&mut self, id: &str) {
        if let Some((order, _)) = self.open.remove(id) {
            self.unsettled.remove(&order);
        }
    }

    /// The server wants to be asked about it again.
    pub(super) fn defer(&mut self, id: &str) {
        if let Some(entry) = self.open.remove(id) {
            self.deferred.push_back(entry);
        }
    }

    /// Offers what was put off once more.
    pub(super) fn offer_again(&mut self, open_max: usize) -> Option<Item> {
        if self.open.len() >= open_max {
            return None;
        }
        let (order, item) = self.deferred.pop_front()?;
        self.open.insert(item.id.clone(), (order, item.clone()));
        Some(item)
    }

    /// True when a place may be marked: none is.
    pub(super) fn wants_mark(&self) -> bool {
        self.mark.is_none()
    }

    /// Marks the place behind all that was taken up so far.
    pub(super) fn set_mark(&mut self, cursor: Cursor) {
        self.mark = Some((self.next, cursor));
    }

    /// The marked place, once all before it is settled.
    pub(super) fn take_mark(&mut self) -> Option<Cursor> {
        let (order, _) = self.mark.as_ref()?;
        let is_settled = self.unsettled.first().is_none_or(|first| first >= order);
        if is_settled { self.mark.take().map(|(_, cursor)| cursor) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::{Mark, Vector};

    fn item(name: &str) -> Item {
        Item { cid: Cid([1; 32]), number: 0, id: format!("<{name}@x>") }
    }

    fn cursor() -> Cursor {
        Cursor(Vector::new(), Mark::default())
    }

    #[test]
    fn a_mark_is_given_when_all_before_it_is_settled_and_what_is_behind_does_not_matter() {
        let mut offers = Offers::default();
        assert!(offers.offer(&item("a")) && offers.offer(&item("b")));
        assert!(!offers.offer(&item("a")));
        offers.set_mark(cursor());
        assert!(offers.offer(&item("c")));
        offers.settle("<b@x>");
        assert!(offers.take_mark().is_none());
        offers.defer("<a@x>");
        assert!(offers.take_mark().is_none() && offers.has_deferred());
        assert!(!offers.offer(&item("a")), "it is to be offered again already");
        assert_eq!(offers.offer_again(OPEN_MAX), Some(item("a")));
        offers.settle("<a@x>");
        assert!(offers.take_mark().is_some() && offers.take_mark().is_none());
        assert_eq!(offers.open_count(), 1);
    }

    #[test]
    fn no_more_is_open_or_put_off_than_may_be() {
        let mut offers = Offers::default();
        for number in 0..OPEN_MAX {
            assert!(offers.has_room(OPEN_MAX));
            offers.offer(&item(&number.to_string()));
        }
        assert!(!offers.has_room(OPEN_MAX));
        let mut number = OPEN_MAX;
        for put_off in 0..DEFERRED_MAX {
            offers.defer(&format!("<{put_off}@x>"));
            if offers.has_room(OPEN_MAX) {
                offers.offer(&item(&number.to_string()));
                number += 1;
            }
        }
        assert!(!offers.has_room(OPEN_MAX) && offers.has_deferred());
    }
}
