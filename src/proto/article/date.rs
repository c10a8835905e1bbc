//! Dates as articles write them (RFC 5322, 3.3), both ways.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

static PARSER: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);

/// Appends the moment so many milliseconds after 1970, to the second, in UTC.
pub fn put_date(out: &mut Vec<u8>, unix_ms: u64) {
    let seconds = i64::try_from(unix_ms / 1000).unwrap_or(i64::MAX);
    let moment = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    let text = moment.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
    out.extend_from_slice(text.as_bytes());
}

/// The moment of a Date field, in seconds since 1970; obsolete zones and a wrong day of the week
/// are forgiven.
pub fn parse_date(value: &[u8]) -> Option<i64> {
    let text = super::field::unfold(value);
    PARSER.parse_timestamp(text.trim()).ok().map(Timestamp::as_second)
}
