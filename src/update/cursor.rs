//! A reader's place as text, never longer than [`TEXT_BYTES_MAX`].
//!
//! `"0"` is the place before everything. Any other cursor is base64url (RFC 4648, unpadded) of a
//! version byte, what that version says, and the first two bytes of their BLAKE3 hash, which tell
//! a cursor cut short by a copy and paste from a whole one.
//!
//! Version 1 is the vector itself: every node of the herd goes on from it exactly. Version 2 is for
//! vectors that are too long for that, from about 80 origins on: a [`Sketch`] of it. It is never
//! longer than what is written now, but what earlier versions wrote is read at any length.

use super::{Hlc, Reader, Sketch, Vector, put_varint};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;

/// No cursor is longer, in bytes of text.
pub const TEXT_BYTES_MAX: usize = 1_500;
/// What a version has room for: less its own byte and the check.
const BODY_BYTES_MAX: usize = TEXT_BYTES_MAX / 4 * 3 - 3;
const WHOLE: u8 = 1;
const SHORT: u8 = 2;
const RUNS_MAX: usize = 4096;
/// So few runs fit however great their numbers are.
const RUNS_ALWAYS_FIT: usize = 32;

/// The dots that a reader has been given, and a hint where to look for them.
#[derive(Clone, Debug, Default)]
pub struct Cursor(pub Vector, pub Mark);

/// Where a reader stands. It proves nothing: it says where to look for what a sketch is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mark {
    /// An epoch of the log that was read; 0 for none.
    pub log: u64,
    /// The place in that log before which everything was given.
    pub place: u64,
    /// The greatest clock of what was given; 0 when it is not known.
    pub clock: Hlc,
}

/// Where a reader wants to go on: a cursor as it is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum After {
    /// Behind these dots.
    Whole(Vector),
    /// Behind the dots that this is a sketch of.
    Sketched(Mark, Sketch),
}

/// A text that is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorError;

impl fmt::Display for CursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a cursor: use one from an answer of this herd, or 0 for the oldest")
    }
}

impl std::error::Error for CursorError {}

/// Cursors are equal that say that the same was given.
impl PartialEq for Cursor {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Cursor {}

impl Cursor {
    /// True when a cursor with this vector is one that every node goes on from exactly.
    pub fn is_whole(vector: &Vector) -> bool {
        if vector.runs() <= RUNS_ALWAYS_FIT {
            return true;
        }
        let mut bytes = Vec::new();
        vector.encode(&mut bytes);
        bytes.len() <= BODY_BYTES_MAX
    }

    fn body(&self) -> Vec<u8> {
        let mut bytes = vec![WHOLE];
        self.0.encode(&mut bytes);
        if bytes.len() > BODY_BYTES_MAX + 1 {
            bytes = vec![SHORT];
            bytes.extend_from_slice(&self.1.log.to_be_bytes());
            put_varint(&mut bytes, self.1.place);
            put_varint(&mut bytes, self.1.clock.0);
            let room = BODY_BYTES_MAX + 1 - bytes.len();
            Sketch::of(&self.0, room).encode(&mut bytes);
        }
        bytes
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
        }
        let mut bytes = self.body();
        let check = blake3::hash(&bytes);
        bytes.extend_from_slice(&check.as_bytes()[..2]);
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl Default for After {
    fn default() -> Self {
        Self::Whole(Vector::new())
    }
}

impl FromStr for After {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        if text == "0" {
            return Ok(Self::default());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let (body, check) = bytes.split_last_chunk::<2>().ok_or(CursorError)?;
        if blake3::hash(body).as_bytes()[..2] != check[..] {
            return Err(CursorError);
        }
        let (version, body) = body.split_first().ok_or(CursorError)?;
        let mut reader = Reader::new(body);
        let after = match *version {
            WHOLE => Self::Whole(Vector::decode(&mut reader, RUNS_MAX).map_err(|_| CursorError)?),
            SHORT => {
                let mark = Mark::decode(&mut reader).ok_or(CursorError)?;
                Self::Sketched(mark, Sketch::decode(&mut reader).ok_or(CursorError)?)
            }
            _ => return Err(CursorError),
        };
        if reader.is_done() { Ok(after) } else { Err(CursorError) }
    }
}

impl Mark {
    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let (log, place) = (reader.u64().ok()?, reader.varint().ok()?);
        Some(Self { log, place, clock: Hlc(reader.varint().ok()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dot, Epoch, Span};
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<After, CursorError> {
        text.parse()
    }

    fn spread(origins: u64, seq: u64) -> Vector {
        let mut vector = Vector::new();
        for origin in 0..origins {
            let epoch = Epoch(u64::MAX / (origins + 1) * origin);
            vector.insert_span(Span { epoch, from: 1, to: seq + origin % 1000 });
        }
        vector
    }

    #[test]
    fn cursors_come_back_and_forty_origins_fit_in_a_kilobyte() {
        assert_eq!(Cursor::default().to_string(), "0");
        assert_eq!(parse("0"), Ok(After::default()));
        let cursor = Cursor(spread(40, 1_000_000), Mark::default());
        assert!(Cursor::is_whole(&cursor.0));
        let text = cursor.to_string();
        assert!(text.len() <= 1024, "{} bytes", text.len());
        assert_eq!(parse(&text), Ok(After::Whole(cursor.0)));
    }

    #[test]
    fn a_cursor_that_earlier_versions_wrote_is_read_at_any_length() {
        let vector = spread(400, 1_000_000);
        let mut bytes = vec![WHOLE];
        vector.encode(&mut bytes);
        let check = blake3::hash(&bytes);
        bytes.extend_from_slice(&check.as_bytes()[..2]);
        assert_eq!(parse(&URL_SAFE_NO_PAD.encode(bytes)), Ok(After::Whole(vector)));
    }

    #[test]
    fn what_is_not_a_whole_cursor_is_refused() {
        let mut one = Vector::new();
        one.insert(Dot { epoch: Epoch(5), seq: 1 });
        for vector in [one, spread(200, 7)] {
            let text = Cursor(vector, Mark::default()).to_string();
            for cut in 0..text.len() {
                assert_eq!(parse(&text[..cut]), Err(CursorError));
            }
            for bad in [&format!("{text}A"), &format!("{text}=")] {
                assert_eq!(parse(bad), Err(CursorError), "{bad}");
            }
        }
        for bad in ["", "1", "-", "zzzz", "%00"] {
            assert_eq!(parse(bad), Err(CursorError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_cursor_is_too_long_and_each_is_read_again(
            origins in prop::collection::btree_map(any::<u64>(), (1..u64::MAX, 0..70_u64), 0..3000),
            mark: (u64, u64, u64),
        ) {
            let mut vector = Vector::new();
            let mut holes = 70;
            for (epoch, (to, pieces)) in origins {
                let epoch = Epoch(epoch);
                vector.insert_span(Span { epoch, from: 1, to });
                for seq in (1..=pieces.min(holes)).map(|piece| piece * 2) {
                    vector.remove(Dot { epoch, seq });
                }
                holes -= pieces.min(holes);
            }
            let mark = Mark { log: mark.0, place: mark.1, clock: Hlc(mark.2) };
            let cursor = Cursor(vector, mark);
            let text = cursor.to_string();
            prop_assert!(text.len() <= TEXT_BYTES_MAX, "{} bytes", text.len());
            match parse(&text).unwrap() {
                After::Whole(vector) => prop_assert_eq!(vector, cursor.0),
                After::Sketched(found, _) => prop_assert_eq!(found, mark),
            }
        }
    }
}
