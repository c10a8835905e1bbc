//! What stood in the log at some point of it: how a reader's place is found again by what was
//! before it.

use super::{Place, Store, StoreError};
use crate::update::{Epoch, Hlc, Span, Vector};
use std::ops::RangeInclusive;

/// What is known of an update by its row: its place in this log and its moment.
type Row = (Place, Hlc);

impl Store {
    /// True for the epochs of this log: ours, and those that we ended.
    pub fn is_own_epoch(&self, epoch: Epoch) -> bool {
        epoch == self.birth.epoch || self.told.ended.iter().any(|birth| birth.epoch == epoch)
    }

    /// Of each of these epochs everything up to about the last update for which `is_before` holds,
    /// where it holds for all up to one and for none behind it: off by at most half of `within`
    /// sequence numbers, exact where that is 0, and always right about epochs of which there is
    /// nothing.
    ///
    /// Looks at a few rows an epoch: twice the logarithm of how many stand behind that one, in
    /// units of `within`. Takes them off `rows_left`, and gives nothing when none are left.
    pub fn prefix(
        &self,
        epochs: RangeInclusive<Epoch>,
        within: u64,
        rows_left: &mut u64,
        is_before: impl Fn(Row) -> bool,
    ) -> Result<Option<Vector>, StoreError> {
        let mut search = Search { store: self, within: within.max(1), rows_left, is_before };
        let mut prefix = Vector::new();
        for (epoch, last) in self.told.vector.lasts(epochs) {
            let to = search.last_before(epoch, last)?;
            if *search.rows_left == 0 {
                return Ok(None);
            }
            if to > 0 {
                prefix.insert_span(Span { epoch, from: 1, to });
            }
        }
        Ok(Some(prefix))
    }
}

struct Search<'a, F> {
    store: &'a Store,
    /// How close is close enough; at least 1.
    within: u64,
    rows_left: &'a mut u64,
    is_before: F,
}

impl<F: Fn(Row) -> bool> Search<'_, F> {
    /// Looks back from an epoch's end in steps that double, and then between the last two. What is
    /// found when no rows are left means nothing.
    fn last_before(&mut self, epoch: Epoch, last: u64) -> Result<u64, StoreError> {
        // It holds for the row at `low`, or there is none up to it; not for those from `high` on.
        let mut high = last.saturating_add(1);
        let mut step = self.within;
        let mut low = loop {
            let probe = high.saturating_sub(step);
            if probe == 0 {
                break 0;
            }
            match self.first_before(epoch, (probe, high - 1))? {
                Some(seq) => break seq,
                None => high = probe,
            }
            step = step.saturating_mul(2);
        };
        while high - low > self.within {
            let probe = low + (high - low) / 2;
            match self.first_before(epoch, (probe, high - 1))? {
                Some(seq) => low = seq,
                None => high = probe,
            }
        }
        if low == 0 && high > 1 {
            match self.first_before(epoch, (1, high - 1))? {
                Some(seq) => low = seq,
                None => return Ok(0),
            }
        }
        Ok(low + (high - low - 1) / 2)
    }

    /// The first update of a span that is here, if it stands before.
    fn first_before(&mut self, epoch: Epoch, span: (u64, u64)) -> Result<Option<u64>, StoreError> {
        *self.rows_left = self.rows_left.saturating_sub(1);
        if *self.rows_left == 0 {
            return Ok(None);
        }
        let rows = self.store.index.places(epoch, span, 1)?;
        let first = rows.first().filter(|&&(_, place, clock)| (self.is_before)((place, clock)));
        Ok(first.map(|(seq, ..)| *seq))
    }
}
