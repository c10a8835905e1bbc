//! The moment of NEWGROUPS and NEWNEWS: a date and a time, of which the century may be missing.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time, datetime};
use std::fmt;

const EPOCH: DateTime = datetime(1970, 1, 1, 0, 0, 0, 0);
/// Of a year without its century this one is taken until it is known better.
const CENTURY: i16 = 2000;

/// `yyyymmdd hhmmss` or `yymmdd hhmmss`. Always taken for UTC: a server's own zone is nobody's
/// business, and the RFC lets it be UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    moment: DateTime,
    /// The century was left out.
    is_short: bool,
}

impl When {
    /// Reads a date and a time. The second 60 counts as the one before.
    pub fn parse(date: &str, time: &str) -> Option<Self> {
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(date) || !is_digits(time) || time.len() != 6 {
            return None;
        }
        let is_short = date.len() == 6;
        if !is_short && date.len() != 8 {
            return None;
        }
        let (year, day) = date.split_at(date.len() - 4);
        let year: i16 = year.parse().ok()?;
        let year = if is_short { CENTURY + year } else { year };
        let pair = |text: &str, at: usize| text[at..at + 2].parse::<i8>().ok();
        let date = Date::new(year, pair(day, 0)?, pair(day, 2)?).ok()?;
        let second = pair(time, 4).filter(|second| *second <= 60)?.min(59);
        let time = Time::new(pair(time, 0)?, pair(time, 2)?, second, 0).ok()?;
        Some(Self { moment: date.to_datetime(time), is_short })
    }

    /// A moment in seconds since 1970, with its century.
    pub fn at(unix_s: u64) -> Self {
        let since = SignedDuration::from_secs(i64::try_from(unix_s).unwrap_or(i64::MAX));
        Self { moment: EPOCH.saturating_add(since), is_short: false }
    }

    /// Seconds since 1970, negative before it. `now_s` (seconds since 1970) tells the century that
    /// was left out: this one, or the one before for what would lie in a later year than this.
    pub fn unix_s(self, now_s: u64) -> i64 {
        let moment = if self.is_short { self.with_century(now_s) } else { self.moment };
        moment.duration_since(EPOCH).as_secs()
    }

    fn with_century(self, now_s: u64) -> DateTime {
        let this_year = Self::at(now_s).moment.year();
        let year = this_year - this_year % 100 + self.moment.year() - CENTURY;
        let year = if year > this_year { year - 100 } else { year };
        // Only 29 February may be missing there.
        self.moment.with().year(year).build().unwrap_or(self.moment)
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { moment, is_short } = self;
        let (year, digits) =
            if *is_short { (moment.year() - CENTURY, 2) } else { (moment.year(), 4) };
        write!(f, "{year:0digits$}{}", moment.strftime("%m%d %H%M%S"))
    }
}
