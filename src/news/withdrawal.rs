//! What a withdrawal says: the payload of [`Kind::Withdrawal`](crate::update::Kind).
//!
//! ```text
//! u8 version = 1 · u8+ title · v+ reason
//! ```

use super::revision::{put_counted, put_short, read_version, text_fault, title_fault, utf8};
use super::{FieldError, PayloadError};
use crate::update::Reader;

const VERSION: u8 = 1;
const REASON_BYTES_MAX: usize = 4096;

/// A story is withdrawn, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawal<'a> {
    /// The story: 1 to 255 bytes, no control characters.
    pub title: &'a str,
    /// Why: at most 4 KiB, no control characters but tab and line feed. May be empty.
    pub reason: &'a str,
}

impl<'a> Withdrawal<'a> {
    /// All that is wrong with the fields; empty when nothing is.
    pub fn faults(&self) -> Vec<FieldError> {
        let title = title_fault(self.title).map_err(|fault| FieldError { field: "title", fault });
        let reason = text_fault(self.reason, REASON_BYTES_MAX)
            .map_err(|fault| FieldError { field: "reason", fault });
        [title, reason].into_iter().filter_map(Result::err).collect()
    }

    /// The canonical payload, or everything that is wrong with the fields.
    pub fn encode(&self) -> Result<Vec<u8>, Vec<FieldError>> {
        let faults = self.faults();
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut out = vec![VERSION];
        put_short(&mut out, self.title);
        put_counted(&mut out, self.reason.as_bytes());
        Ok(out)
    }

    /// Reads a payload from anywhere.
    pub fn decode(payload: &'a [u8]) -> Result<Self, PayloadError> {
        let mut reader = Reader::new(payload);
        read_version(&mut reader, VERSION)?;
        let title = utf8("title", reader.short()?)?;
        let reason = utf8("reason", reader.counted()?)?;
        if !reader.is_done() {
            return Err(PayloadError::Trailing);
        }
        let withdrawal = Self { title, reason };
        let fault = withdrawal.faults().first().copied();
        fault.map_or(Ok(withdrawal), |fault| Err(PayloadError::Field(fault)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_withdrawal_comes_back_and_no_other_form_is_read(
            title in "[a-zé ]{1,80}",
            reason in "[a-z\n ]{0,200}",
            at in 0..300_usize,
            bit in 0..8_u32,
        ) {
            let withdrawal = Withdrawal { title: &title, reason: &reason };
            let mut payload = withdrawal.encode().unwrap();
            prop_assert_eq!(Withdrawal::decode(&payload), Ok(withdrawal));
            prop_assert!(Withdrawal::decode(&payload[..payload.len() - 1]).is_err());
            let at = at % payload.len();
            payload[at] ^= 1_u8 << bit;
            if let Ok(other) = Withdrawal::decode(&payload) {
                prop_assert_eq!(other.encode(), Ok(payload));
            }
        }
    }

    #[test]
    fn bytes_behind_it_and_bad_fields_are_named() {
        let mut payload = Withdrawal { title: "t", reason: "" }.encode().unwrap();
        payload.push(0);
        assert_eq!(Withdrawal::decode(&payload), Err(PayloadError::Trailing));
        let bad = Withdrawal { title: "", reason: "\u{0}" }.encode().unwrap_err();
        assert_eq!(bad.iter().map(|e| e.field).collect::<Vec<_>>(), ["title", "reason"]);
    }
}
