//! The dates of HTTP (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`. The time comes from
//! outside.

use httpdate::HttpDate;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of a date as we send it.
pub const DATE_BYTES: usize = 29;

/// The last second of the year 9999, the last that the form can say.
const SECONDS_MAX: u64 = 253_402_300_799;

/// The text of a date, from seconds since 1970; times past the year 9999 are brought back to it.
pub fn date_text(unix_seconds: u64) -> [u8; DATE_BYTES] {
    let time = UNIX_EPOCH + Duration::from_secs(unix_seconds.min(SECONDS_MAX));
    let mut text = [b' '; DATE_BYTES];
    // It always has 29 bytes, and a slice that is long enough takes them all.
    let written = write!(&mut text[..], "{}", HttpDate::from(time));
    debug_assert!(written.is_ok(), "a date has {DATE_BYTES} bytes");
    text
}

/// Seconds since 1970 of a date in any of the three forms of the RFC; `None` when malformed or
/// before 1970.
pub fn parse_date(text: &str) -> Option<u64> {
    let time: SystemTime = httpdate::parse_http_date(text).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// The text of the current second, formatted once a second.
#[derive(Clone, Debug)]
pub struct DateCache {
    second: u64,
    text: [u8; DATE_BYTES],
}

impl DateCache {
    /// A cache at the given second since 1970.
    pub fn new(unix_seconds: u64) -> Self {
        Self { second: unix_seconds, text: date_text(unix_seconds) }
    }

    /// The text of the given second since 1970.
    #[inline]
    pub fn at(&mut self, unix_seconds: u64) -> &[u8; DATE_BYTES] {
        if unix_seconds != self.second {
            *self = Self::new(unix_seconds);
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_and_read_back() {
        assert_eq!(&date_text(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        for form in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse_date(form), Some(784_111_777), "{form}");
        }
        assert_eq!(parse_date("yesterday"), None);
    }

    #[test]
    fn any_time_has_a_date() {
        assert_eq!(&date_text(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(&date_text(u64::MAX), b"Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn the_cache_follows_the_time_both_ways() {
        let mut cache = DateCache::new(0);
        assert_eq!(cache.at(784_111_777), &date_text(784_111_777));
        assert_eq!(cache.at(784_111_777), &date_text(784_111_777));
        assert_eq!(cache.at(1), &date_text(1));
    }
}
