//! The moment of NEWGROUPS and NEWNEWS: a date and a time, of which the century may be missing.

use std::fmt;

/// The day of the Unix epoch, counted from 0000-03-01.
const EPOCH_DAY: i64 = 719_468;
const DAY_S: i64 = 86_400;

/// `yyyymmdd hhmmss` or `yymmdd hhmmss`. Always taken for UTC: a server's own zone is nobody's
/// business, and the RFC lets it be UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// The year; only its last two digits if [`When::is_short`].
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// The century was left out.
    pub is_short: bool,
}

impl When {
    /// Reads a date and a time.
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
        let pair = |text: &str, at: usize| text[at..at + 2].parse::<u8>().ok();
        let when = Self {
            year: year.parse().ok()?,
            month: pair(day, 0)?,
            day: pair(day, 2)?,
            hour: pair(time, 0)?,
            minute: pair(time, 2)?,
            second: pair(time, 4)?,
            is_short,
        };
        when.is_in_range().then_some(when)
    }

    /// A moment in seconds since 1970, with its century.
    pub fn at(unix_s: u64) -> Self {
        let (days, of_day) = ((unix_s / DAY_S as u64) as i64, unix_s % DAY_S as u64);
        let year = year_of(unix_s);
        let month = (1..=12).rev().find(|month| days_before(year, *month, 1) <= days).unwrap_or(1);
        Self {
            year: year as u16,
            month: month as u8,
            day: (days - days_before(year, month, 1) + 1) as u8,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
            is_short: false,
        }
    }

    fn is_in_range(self) -> bool {
        let is_day = (1..=12).contains(&self.month) && (1..=31).contains(&self.day);
        is_day && self.hour < 24 && self.minute < 60 && self.second <= 60
    }

    /// Seconds since 1970, negative before it. `now_s` (seconds since 1970) tells the century that
    /// was left out: this one, or the one before for what would lie in a later year than this.
    pub fn unix_s(self, now_s: u64) -> i64 {
        let year =
            if self.is_short { self.full_year(year_of(now_s)) } else { i64::from(self.year) };
        let days = days_before(year, i64::from(self.month), i64::from(self.day));
        let hours = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60;
        days * DAY_S + hours + i64::from(self.second)
    }

    fn full_year(self, this_year: i64) -> i64 {
        let year = this_year - this_year % 100 + i64::from(self.year);
        if year > this_year { year - 100 } else { year }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, is_short } = *self;
        let digits = if is_short { 2 } else { 4 };
        write!(f, "{year:0digits$}{month:02}{day:02} {hour:02}{minute:02}{second:02}")
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years begin in March, so that the leap
/// day is the last of one.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
        - EPOCH_DAY
}

/// The year of a moment.
fn year_of(unix_s: u64) -> i64 {
    let days = (unix_s / DAY_S as u64) as i64;
    // 400 years have 146,097 days; the guess is off by one at most.
    let guess = 1970 + days * 400 / 146_097;
    if days_before(guess + 1, 1, 1) <= days {
        guess + 1
    } else if days_before(guess, 1, 1) > days {
        guess - 1
    } else {
        guess
    }
}
