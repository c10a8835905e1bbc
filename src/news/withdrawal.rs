//! What a withdrawal says: the payload of [`Kind::Withdrawal`](crate::update::Kind).
//!
//! ```text
//! u8 version = 1 · u8+ title · v+ reason
//! ```
//! Version 2 has `v+ wire` behind that, and is written only where there is one.

use super::revision::{
    VERSION_WIRED, put_counted, put_short, read_version, read_wire, text_fault, title_fault, utf8,
    wire_fault,
};
use super::{FieldError, PayloadError};
use crate::update::Reader;

const VERSION: u8 = 1;
const REASON_BYTES_MAX: usize = 4096;

/// A story is withdrawn, for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Withdrawal<'a> {
    /// The story: 1 to 255 bytes, no control characters.
    pub title: &'a str,
    /// Why: at most 4 KiB, no control characters but tab and line feed. May be empty.
    pub reason: &'a str,
    /// Of one that came as an article from outside of the herd: what of the article is to be handed
    /// on as it came. At most 8 MiB.
    pub wire: &'a [u8],
}

impl<'a> Withdrawal<'a> {
    /// All that is wrong with the fields; empty when nothing is.
    pub fn faults(&self) -> Vec<FieldError> {
        let title = title_fault(self.title).map_err(|fault| FieldError { field: "title", fault });
        let reason = text_fault(self.reason, REASON_BYTES_MAX)
            .map_err(|fault| FieldError { field: "reason", fault });
        let wire = wire_fault(self.wire).map_err(|fault| FieldError { field: "wire", fault });
        [title, reason, wire].into_iter().filter_map(Result::err).collect()
    }

    /// The canonical payload, or everything that is wrong with the fields.
    pub fn encode(&self) -> Result<Vec<u8>, Vec<FieldError>> {
        let faults = self.faults();
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut out = vec![if self.wire.is_empty() { VERSION } else { VERSION_WIRED }];
        put_short(&mut out, self.title);
        put_counted(&mut out, self.reason.as_bytes());
        if !self.wire.is_empty() {
            put_counted(&mut out, self.wire);
        }
        Ok(out)
    }

    /// Reads a payload from anywhere.
    pub fn decode(payload: &'a [u8]) -> Result<Self, PayloadError> {
        let mut reader = Reader::new(payload);
        let is_wired = read_version(&mut reader)?;
        let title = utf8("title", reader.short()?)?;
        let reason = utf8("reason", reader.counted()?)?;
        let wire = read_wire(&mut reader, is_wired)?;
        if !reader.is_done() {
            return Err(PayloadError::Trailing);
        }
        let withdrawal = Self { title, reason, wire };
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
            wire: Vec<u8>,
        ) {
            let withdrawal = Withdrawal { title: &title, reason: &reason, wire: &wire };
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
        let mut payload = Withdrawal { title: "t", reason: "", wire: b"" }.encode().unwrap();
        payload.push(0);
        assert_eq!(Withdrawal::decode(&payload), Err(PayloadError::Trailing));
        let bad = Withdrawal { title: "", reason: "\u{0}", wire: b"" }.encode().unwrap_err();
        assert_eq!(bad.iter().map(|e| e.field).collect::<Vec<_>>(), ["title", "reason"]);
    }
}
