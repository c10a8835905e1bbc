//! Positions: ISO 6709 decimal degrees, as the reporters write them.

use super::decimal::split_decimal;

/// A position, `[+-]D{1,3}(.D+)?[+-]D{1,3}(.D+)?`, in range, with the bytes that it came as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latlon<'a> {
    raw: &'a [u8],
    /// Where the longitude begins.
    second: usize,
}

impl<'a> Latlon<'a> {
    /// Reads latitude and longitude, both signs mandatory; no altitude, no slash.
    pub fn parse(raw: &'a [u8]) -> Option<Self> {
        let second = 1 + raw.get(1..)?.iter().position(|byte| matches!(byte, b'+' | b'-'))?;
        let (lat, lon) = raw.split_at(second);
        (is_in_range(lat, 90) && is_in_range(lon, 180)).then_some(Self { raw, second })
    }

    /// The bytes that it was read from.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Degrees north, -90 to 90.
    pub fn lat(&self) -> f64 {
        degrees(&self.raw[..self.second])
    }

    /// Degrees east, -180 to 180.
    pub fn lon(&self) -> f64 {
        degrees(&self.raw[self.second..])
    }

    /// Latitude and longitude in millionths of a degree, the nearest ones.
    pub fn microdegrees(&self) -> (i32, i32) {
        let micro = |degrees: f64| (degrees * 1e6).round() as i32;
        (micro(self.lat()), micro(self.lon()))
    }
}

/// True for one signed number of degrees whose size, compared exactly, is at most `max`.
fn is_in_range(raw: &[u8], max: u16) -> bool {
    let Some((b'+' | b'-', digits)) = raw.split_first() else { return false };
    let Some((whole, fraction)) = split_decimal(digits) else { return false };
    if whole.len() > 3 {
        return false;
    }
    let size = whole.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    size < max || (size == max && fraction.iter().all(|digit| *digit == b'0'))
}

/// The number that the bytes say; they were found to be one before. Most reports are passed on
/// and compared, but never calculated with.
fn degrees(raw: &[u8]) -> f64 {
    std::str::from_utf8(raw).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}
