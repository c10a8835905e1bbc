//! Places on the globe: millionths of a degree, great-circle distances on the mean sphere, and the
//! square cells ([`Quad`]) by which the index finds what is near.
//!
//! A place's code interleaves the bits of its longitude and latitude (a Z-order curve), so each
//! cell of a quadtree over the globe is one range of codes.

/// The radius of the sphere with the Earth's mean radius, in metres (IUGG R1).
const EARTH_RADIUS_M: f64 = 6_371_008.8;
const LAT_MICRO_MAX: i32 = 90_000_000;
const LON_MICRO_MAX: i32 = 180_000_000;
/// The globe fits into a square of two to this many millionths of a degree.
const LEVELS: u32 = 29;

/// Where something happened, in millionths of a degree (11 cm).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Located {
    /// North of the equator, −90,000,000 to 90,000,000.
    pub lat_udeg: i32,
    /// East of Greenwich, −180,000,000 to 180,000,000.
    pub lon_udeg: i32,
}

impl Located {
    /// The nearest place to a latitude and a longitude in degrees; none when one of them is out of
    /// range or no number.
    pub fn from_degrees(lat: f64, lon: f64) -> Option<Self> {
        let in_range = lat.abs() <= 90.0 && lon.abs() <= 180.0;
        let micro = |degrees: f64| (degrees * 1e6).round() as i32;
        in_range.then(|| Self { lat_udeg: micro(lat), lon_udeg: micro(lon) })
    }

    /// Latitude in degrees.
    pub fn lat(self) -> f64 {
        f64::from(self.lat_udeg) / 1e6
    }

    /// Longitude in degrees.
    pub fn lon(self) -> f64 {
        f64::from(self.lon_udeg) / 1e6
    }

    /// True when both numbers are in their ranges.
    pub fn is_in_range(self) -> bool {
        (-LAT_MICRO_MAX..=LAT_MICRO_MAX).contains(&self.lat_udeg)
            && (-LON_MICRO_MAX..=LON_MICRO_MAX).contains(&self.lon_udeg)
    }

    /// The great-circle distance, in millimetres.
    pub fn distance_mm(self, other: Self) -> u64 {
        let (a, b) = (Point::of(self), Point::of(other));
        millimetres(a.angle_to(b.lat, b.lon))
    }

    /// The place on the Z-order curve: 58 bits.
    pub(super) fn code(self) -> u64 {
        spread(self.east()) | spread(self.north()) << 1
    }

    /// The place of a code; none when the code is not on the globe.
    pub(super) fn from_code(code: u64) -> Option<Self> {
        let (east, north) = (gather(code), gather(code >> 1));
        let lon_udeg = i32::try_from(east).ok()? - LON_MICRO_MAX;
        let lat_udeg = i32::try_from(north).ok()? - LAT_MICRO_MAX;
        let located = Self { lat_udeg, lon_udeg };
        (located.is_in_range() && code >> (2 * LEVELS) == 0).then_some(located)
    }

    fn east(self) -> u32 {
        (self.lon_udeg + LON_MICRO_MAX) as u32
    }

    fn north(self) -> u32 {
        (self.lat_udeg + LAT_MICRO_MAX) as u32
    }
}

/// A millionth of a degree from south to north, in millimetres, rounded down.
const MICRO_MM: u64 = 111;

/// A square cell of the quadtree over the globe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quad {
    code: u64,
    level: u32,
}

impl Quad {
    /// The cell that holds the whole globe.
    pub(super) const GLOBE: Self = Self { code: 0, level: LEVELS };

    /// The level of the smallest cells that reach at least so far from south to north.
    pub(super) fn level_over(reach_mm: u64) -> u32 {
        (0..LEVELS).find(|level| (1 << level) * MICRO_MM >= reach_mm).unwrap_or(LEVELS)
    }

    /// Two to this many millionths of a degree is its side.
    pub(super) fn level(self) -> u32 {
        self.level
    }

    /// The codes of the places in it: the first, and the first behind them.
    pub(super) fn codes(self) -> (u64, u64) {
        (self.code, self.code + (1 << (2 * self.level)))
    }

    /// Its four quarters; none when it is a single place.
    pub(super) fn quarters(self) -> Option<[Self; 4]> {
        let level = self.level.checked_sub(1)?;
        Some([0, 1, 2, 3].map(|n| Self { code: self.code | n << (2 * level), level }))
    }

    /// A lower bound of the distance from a place to any place in it, in millimetres; none when
    /// nothing in it is on the globe.
    pub(super) fn distance_mm(self, from: Located) -> Option<u64> {
        let (east, north) = (gather(self.code), gather(self.code >> 1));
        let side = (1_u32 << self.level) - 1;
        let (east_max, north_max) = (2 * LON_MICRO_MAX as u32, 2 * LAT_MICRO_MAX as u32);
        if east > east_max || north > north_max {
            return None;
        }
        let radians = |micro: u32, half: i32| (f64::from(micro) - f64::from(half)) * MICRO;
        let rect = Rect {
            south: radians(north, LAT_MICRO_MAX),
            north: radians((north + side).min(north_max), LAT_MICRO_MAX),
            west: radians(east, LON_MICRO_MAX),
            east: radians((east + side).min(east_max), LON_MICRO_MAX),
        };
        // One millimetre off for what rounding may have added.
        Some(millimetres(rect.angle_from(Point::of(from))).saturating_sub(1))
    }
}

/// A millionth of a degree in radians.
const MICRO: f64 = std::f64::consts::PI / 180.0 / 1e6;

fn millimetres(angle: f64) -> u64 {
    (angle * EARTH_RADIUS_M * 1000.0).round() as u64
}

/// A place in radians.
#[derive(Clone, Copy)]
struct Point {
    lat: f64,
    lon: f64,
}

impl Point {
    fn of(located: Located) -> Self {
        Self { lat: f64::from(located.lat_udeg) * MICRO, lon: f64::from(located.lon_udeg) * MICRO }
    }

    /// The haversine formula: exact for what is near.
    fn angle_to(self, lat: f64, lon: f64) -> f64 {
        let half_lat = ((lat - self.lat) / 2.0).sin();
        let half_lon = ((lon - self.lon) / 2.0).sin();
        let h = half_lat * half_lat + self.lat.cos() * lat.cos() * half_lon * half_lon;
        2.0 * h.clamp(0.0, 1.0).sqrt().asin()
    }
}

/// A rectangle between two meridians and two parallels, in radians; it never crosses ±180°.
struct Rect {
    south: f64,
    north: f64,
    west: f64,
    east: f64,
}

impl Rect {
    /// The least angle to a point of the rectangle.
    ///
    /// On a parallel the distance grows with the difference in longitude. So from a point between
    /// the meridians the nearest is on its own meridian, else on one of the two edges. (A point at
    /// 180° is between those of a cell that begins at −180°: there it is on the edge.)
    fn angle_from(&self, point: Point) -> f64 {
        if (self.west..=self.east).contains(&point.lon) {
            return (point.lat - point.lat.clamp(self.south, self.north)).abs();
        }
        self.edge_angle(point, self.west).min(self.edge_angle(point, self.east))
    }

    /// The least angle to an edge along a meridian: at its ends, or where a great circle through
    /// the point meets the meridian at a right angle.
    fn edge_angle(&self, point: Point, lon: f64) -> f64 {
        let foot = point.lat.sin().atan2(point.lat.cos() * (lon - point.lon).cos());
        let ends = point.angle_to(self.south, lon).min(point.angle_to(self.north, lon));
        if (self.south..=self.north).contains(&foot) {
            ends.min(point.angle_to(foot, lon))
        } else {
            ends
        }
    }
}

/// Puts a zero above each of the 32 bits.
fn spread(value: u32) -> u64 {
    let mut bits = u64::from(value);
    for (shift, mask) in SPREADS {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Takes every other bit, from the lowest: undoes [`spread`].
fn gather(code: u64) -> u32 {
    let mut bits = code & SPREADS[4].1;
    for i in (0..5).rev() {
        let mask = if i == 0 { 0xffff_ffff } else { SPREADS[i - 1].1 };
        bits = (bits | bits >> SPREADS[i].0) & mask;
    }
    bits as u32
}

const SPREADS: [(u32, u64); 5] = [
    (16, 0x0000_ffff_0000_ffff),
    (8, 0x00ff_00ff_00ff_00ff),
    (4, 0x0f0f_0f0f_0f0f_0f0f),
    (2, 0x3333_3333_3333_3333),
    (1, 0x5555_5555_5555_5555),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn anywhere() -> impl Strategy<Value = Located> {
        let lat = prop_oneof![
            -90_000_000..=90_000_000_i32,
            89_990_000..=90_000_000,
            -90_000_000..=-89_990_000,
        ];
        let lon = prop_oneof![
            -180_000_000..=180_000_000_i32,
            179_990_000..=180_000_000,
            -180_000_000..=-179_990_000,
        ];
        (lat, lon).prop_map(|(lat_udeg, lon_udeg)| Located { lat_udeg, lon_udeg })
    }

    proptest! {
        #[test]
        fn codes_come_back(located in anywhere()) {
            prop_assert_eq!(Located::from_code(located.code()), Some(located));
        }

        #[test]
        fn a_cell_is_never_further_than_a_place_in_it(from in anywhere(), to in anywhere()) {
            let distance = from.distance_mm(to);
            let mut quad = Quad::GLOBE;
            loop {
                let bound = quad.distance_mm(from);
                prop_assert!(bound.is_some_and(|b| b <= distance), "{quad:?} {bound:?} {distance}");
                let Some(quarters) = quad.quarters() else { break };
                let holds = |q: &&Quad| (q.codes().0..q.codes().1).contains(&to.code());
                quad = *quarters.iter().find(holds).unwrap();
            }
            prop_assert_eq!(quad.codes().0, to.code());
            let bound = quad.distance_mm(from).unwrap();
            prop_assert!(distance - bound <= 2, "a cell of one place: {} {}", bound, distance);
        }
    }

    #[test]
    fn known_distances() {
        let at = |lat, lon| Located::from_degrees(lat, lon).unwrap();
        // One degree of a great circle on the mean sphere.
        assert_eq!(at(0.0, 0.0).distance_mm(at(0.0, 1.0)), 111_195_080);
        assert_eq!(at(0.0, 179.5).distance_mm(at(0.0, -179.5)), 111_195_080);
        assert_eq!(at(0.0, 180.0).distance_mm(at(0.0, -180.0)), 0);
        assert_eq!(at(90.0, 0.0).distance_mm(at(90.0, 123.0)), 0);
        let over_the_pole = at(89.5, 0.0).distance_mm(at(89.5, 180.0));
        assert!(over_the_pole.abs_diff(111_195_080) < 2, "{over_the_pole}");
    }

    #[test]
    fn degrees_out_of_range_are_nowhere() {
        for (lat, lon) in [(90.1, 0.0), (0.0, -180.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert_eq!(Located::from_degrees(lat, lon), None);
        }
        assert_eq!(
            Located::from_degrees(34.068_93, -118.445_127),
            Some(Located { lat_udeg: 34_068_930, lon_udeg: -118_445_127 })
        );
        assert_eq!(Located::from_code(u64::MAX), None);
    }
}
