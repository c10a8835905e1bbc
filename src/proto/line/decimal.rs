//! POSIX times as the decimals they are written as: any length, compared exactly, never a double.

use std::cmp::Ordering;
use std::fmt;

const NANOS: u128 = 1_000_000_000;
/// So many digits of whole seconds leave room for nanoseconds in an `i128`.
const WHOLE_DIGITS_MAX: usize = 28;

/// A decimal without sign, `D+(.D+)?`, of any length. Equal means equal in value: `1.50` is `1.5`.
#[derive(Clone, Copy, Debug)]
pub struct Decimal<'a> {
    raw: &'a [u8],
    /// Without zeros at its start.
    whole: &'a [u8],
    /// Without zeros at its end.
    fraction: &'a [u8],
}

impl<'a> Decimal<'a> {
    /// Reads a decimal; no sign, exponent, underscore, nan or inf.
    pub fn parse(raw: &'a [u8]) -> Option<Self> {
        let (whole, fraction) = split_decimal(raw)?;
        let leading = whole.iter().take_while(|digit| **digit == b'0').count();
        let trailing = fraction.iter().rev().take_while(|digit| **digit == b'0').count();
        let (whole, fraction) = (&whole[leading..], &fraction[..fraction.len() - trailing]);
        Some(Self { raw, whole, fraction })
    }

    /// The bytes that it was read from.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// As whole nanoseconds, further digits left off; `None` for 10^28 seconds and more, which
    /// lie ahead of every clock.
    pub fn nanoseconds(&self) -> Option<i128> {
        if self.whole.len() > WHOLE_DIGITS_MAX {
            return None;
        }
        let padded = self.fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
        let digits = self.whole.iter().copied().chain(padded);
        Some(digits.fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0')))
    }

    /// How long after this time the moment `receive_ns` (nanoseconds since 1970) is; `None` for a
    /// time without [`Decimal::nanoseconds`].
    pub fn skew(&self, receive_ns: u64) -> Option<Skew> {
        Some(Skew(i128::from(receive_ns) - self.nanoseconds()?))
    }
}

/// The digits before and behind the point; those behind are empty without a point.
pub(super) fn split_decimal(raw: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_number = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let Some(point) = raw.iter().position(|byte| *byte == b'.') else {
        return is_number(raw).then_some((raw, &[]));
    };
    let (whole, fraction) = (&raw[..point], &raw[point + 1..]);
    (is_number(whole) && is_number(fraction)).then_some((whole, fraction))
}

impl Ord for Decimal<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let length = self.whole.len().cmp(&other.whole.len());
        length.then_with(|| (self.whole, self.fraction).cmp(&(other.whole, other.fraction)))
    }
}

impl PartialOrd for Decimal<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Decimal<'_> {}

/// Receive time minus reported time, in nanoseconds; shown as seconds with a sign, `+` for zero,
/// and nine decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skew(pub i128);

impl Skew {
    /// True when the reported time lies more than `ms` milliseconds ahead of the clock.
    pub fn is_ahead_by_more_than(self, ms: u64) -> bool {
        -self.0 > i128::from(ms) * 1_000_000
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let size = self.0.unsigned_abs();
        // Division of 128 bits is slow, and needed beyond 500 years only.
        match u64::try_from(size) {
            Ok(size) => write!(f, "{sign}{}.{:09}", size / NANOS as u64, size % NANOS as u64),
            Err(_) => write!(f, "{sign}{}.{:09}", size / NANOS, size % NANOS),
        }
    }
}
