//! A reader's place as text: a vector, so that every node of the herd can go on from it exactly.
//!
//! `"0"` is the place before everything. Any other cursor is base64url (RFC 4648, unpadded) of a
//! version byte, an encoded vector, and the first two bytes of their BLAKE3 hash, which tell a
//! cursor cut short by a copy and paste from a whole one.

use super::{Reader, Vector};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;

const VERSION: u8 = 1;
const RUNS_MAX: usize = 4096;

/// The dots that a reader has been given.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cursor(pub Vector);

/// A text that is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorError;

impl fmt::Display for CursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a cursor: use one from an answer of this herd, or 0 for the oldest")
    }
}

impl std::error::Error for CursorError {}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
        }
        let mut bytes = vec![VERSION];
        self.0.encode(&mut bytes);
        let check = blake3::hash(&bytes);
        bytes.extend_from_slice(&check.as_bytes()[..2]);
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        if text == "0" {
            return Ok(Self::default());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let (body, check) = bytes.split_last_chunk::<2>().ok_or(CursorError)?;
        if body.first() != Some(&VERSION) || blake3::hash(body).as_bytes()[..2] != check[..] {
            return Err(CursorError);
        }
        let mut reader = Reader::new(&body[1..]);
        let vector = Vector::decode(&mut reader, RUNS_MAX).map_err(|_| CursorError)?;
        if reader.is_done() { Ok(Self(vector)) } else { Err(CursorError) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dot, Epoch};
    use super::*;

    #[test]
    fn cursors_come_back_and_forty_origins_fit_in_a_kilobyte() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.to_string(), "0");
        assert_eq!("0".parse(), Ok(Cursor::default()));
        for epoch in 0..40 {
            let epoch = Epoch(u64::MAX / 41 * epoch);
            let span = super::super::Span { epoch, from: 1, to: 1_000_000 + epoch.0 % 1000 };
            cursor.0.insert_span(span);
        }
        let text = cursor.to_string();
        assert!(text.len() <= 1024, "{} bytes", text.len());
        assert_eq!(text.parse(), Ok(cursor));
    }

    #[test]
    fn what_is_not_a_whole_cursor_is_refused() {
        let mut cursor = Cursor::default();
        cursor.0.insert(Dot { epoch: Epoch(5), seq: 1 });
        let text = cursor.to_string();
        for cut in 0..text.len() {
            assert_eq!(text[..cut].parse::<Cursor>(), Err(CursorError));
        }
        for bad in ["", "1", "-", "zzzz", "%00", &format!("{text}A"), &format!("{text}=")] {
            assert_eq!(bad.parse::<Cursor>(), Err(CursorError), "{bad}");
        }
    }
}
