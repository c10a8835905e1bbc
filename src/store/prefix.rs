//! What stood in the log at some point of it: how a reader's place is found again by what was
//! before it.

use super::{Place, Store, StoreError};
use crate::update::{Epoch, Hlc, Span, Vector};

/// What is known of an update by its row: its place in this log and its moment.
type Row = (Place, Hlc);

impl Store {
    /// True for the epochs of this log: ours, and those that we ended.
    pub fn is_own_epoch(&self, epoch: Epoch) -> bool {
        epoch == self.birth.epoch || self.told.ended.iter().any(|birth| birth.epoch == epoch)
    }

    /// Of each epoch everything up to the last update for which `is_before` holds, where it holds
    /// for all up to one and for none behind it. Looks at a few rows an epoch: twice the logarithm
    /// of how many stand behind that one.
    pub fn prefix(&self, is_before: impl Fn(Row) -> bool) -> Result<Vector, StoreError> {
        let mut prefix = Vector::new();
        let mut before: Option<Epoch> = None;
        for Span { epoch, .. } in self.told.vector.spans() {
            if before.replace(epoch) == Some(epoch) {
                continue;
            }
            let to = self.last_before(epoch, &is_before)?;
            if to > 0 {
                prefix.insert_span(Span { epoch, from: 1, to });
            }
        }
        Ok(prefix)
    }

    /// Looks back from an epoch's end in steps that double, and then between the last two.
    fn last_before(
        &self,
        epoch: Epoch,
        is_before: &impl Fn(Row) -> bool,
    ) -> Result<u64, StoreError> {
        // It holds for the row at `low`, or there is none up to it; not for those from `high` on.
        let mut high = self.told.vector.last(epoch).saturating_add(1);
        let mut step = 1;
        let mut low = loop {
            let probe = high.saturating_sub(step);
            if probe == 0 {
                break 0;
            }
            match self.first_row(epoch, (probe, high - 1))? {
                Some((seq, row)) if is_before(row) => break seq,
                _ => high = probe,
            }
            step *= 2;
        };
        while low + 1 < high {
            let probe = low + (high - low) / 2;
            match self.first_row(epoch, (probe, high - 1))? {
                Some((seq, row)) if is_before(row) => low = seq,
                _ => high = probe,
            }
        }
        Ok(low)
    }

    fn first_row(&self, epoch: Epoch, span: (u64, u64)) -> Result<Option<(u64, Row)>, StoreError> {
        let rows = self.index.places(epoch, span, 1)?;
        Ok(rows.first().map(|&(seq, place, clock)| (seq, (place, clock))))
    }
}
