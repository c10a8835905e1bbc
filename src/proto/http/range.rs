//! Byte ranges (RFC 9110, 14): one range of a body whose length is known.

/// What a Range field asks for, of a body of known length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// All of it: another unit, several ranges, or nothing that we understand. Answer 200.
    Whole,
    /// The bytes `from..to`, at least one. Answer 206 with [`ByteRange::content_range`].
    Part {
        /// The first byte.
        from: u64,
        /// The byte behind the last.
        to: u64,
    },
    /// Bytes that are not there. Answer 416 with [`ByteRange::content_range`].
    Unsatisfiable,
}

impl ByteRange {
    /// Reads the value of a Range field for a body of `length` bytes.
    pub fn parse(value: &[u8], length: u64) -> Self {
        Self::parse_one(value, length).unwrap_or(Self::Whole)
    }

    /// `None`: not one well-formed range of bytes.
    fn parse_one(value: &[u8], length: u64) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let (unit, range) = text.split_once('=')?;
        let (first, last) = range.trim_ascii().split_once('-')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        if first.is_empty() {
            let suffix = number(last)?.min(length);
            let part = Self::Part { from: length - suffix, to: length };
            return Some(if suffix == 0 { Self::Unsatisfiable } else { part });
        }
        let from = number(first)?;
        let last = if last.is_empty() { u64::MAX } else { number(last)? };
        if last < from {
            return None;
        }
        let part = Self::Part { from, to: last.saturating_add(1).min(length) };
        Some(if from < length { part } else { Self::Unsatisfiable })
    }

    /// The value of Content-Range for a body of `length` bytes; `None` for the whole.
    pub fn content_range(self, length: u64) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Part { from, to } => Some(format!("bytes {from}-{}/{length}", to - 1)),
            Self::Unsatisfiable => Some(format!("bytes */{length}")),
        }
    }
}

/// Digits alone; numbers past 2^64 are as good as the largest.
fn number(digits: &str) -> Option<u64> {
    let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_a_part_of_the_body() {
        let part = |from, to| ByteRange::Part { from, to };
        for (value, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=0-99", part(0, 10)),
            ("Bytes=9-", part(9, 10)),
            ("bytes=-3", part(7, 10)),
            ("bytes=-99", part(0, 10)),
            ("bytes=0-99999999999999999999999", part(0, 10)),
            ("bytes=10-", ByteRange::Unsatisfiable),
            ("bytes=99999999999999999999999-", ByteRange::Unsatisfiable),
            ("bytes=-0", ByteRange::Unsatisfiable),
            ("bytes=0-1,3-4", ByteRange::Whole),
            ("bytes=5-4", ByteRange::Whole),
            ("bytes=", ByteRange::Whole),
            ("bytes=-", ByteRange::Whole),
            ("bytes=+1-2", ByteRange::Whole),
            ("lines=0-1", ByteRange::Whole),
        ] {
            assert_eq!(ByteRange::parse(value.as_bytes(), 10), expected, "{value}");
        }
        assert_eq!(ByteRange::parse(b"bytes=0-", 0), ByteRange::Unsatisfiable);
        assert_eq!(ByteRange::parse(b"bytes=-1", 0), ByteRange::Unsatisfiable);
    }

    #[test]
    fn content_range_names_the_part_and_the_whole() {
        let part = ByteRange::Part { from: 2, to: 5 };
        assert_eq!(part.content_range(10).as_deref(), Some("bytes 2-4/10"));
        assert_eq!(ByteRange::Unsatisfiable.content_range(10).as_deref(), Some("bytes */10"));
        assert_eq!(ByteRange::Whole.content_range(10), None);
    }
}
