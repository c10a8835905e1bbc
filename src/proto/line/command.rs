//! Commands out of lines, and the forms of the answers.

use super::{Decimal, Latlon, Line};
use std::cmp::Ordering;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command<'a> {
    /// `IAMAT id latlon time`: someone says where they are.
    Iamat {
        /// Whoever it is; any bytes but white space.
        id: &'a [u8],
        /// Where.
        latlon: Latlon<'a>,
        /// When, by their clock.
        time: Decimal<'a>,
    },
    /// `WHATSAT id radius bound`: someone asks what is near someone.
    Whatsat {
        /// Near whom.
        id: &'a [u8],
        /// How near.
        radius: Radius,
        /// At most so many places, 0 to 20.
        bound: u8,
    },
    /// `AT server skew id latlon time`: a server hands on a report. Only peers may say it.
    At(Report<'a>),
    /// `AUTH token`: someone says who they are, for what follows on this connection.
    Auth {
        /// Any bytes but white space.
        token: &'a [u8],
    },
    /// Anything else, an empty line included.
    Bad,
}

impl<'a> Command<'a> {
    /// Reads a line, in time linear in its length.
    pub fn parse(line: &'a [u8]) -> Self {
        Self::read(line).unwrap_or(Self::Bad)
    }

    fn read(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.split(|byte| is_space(*byte)).filter(|field| !field.is_empty());
        let command = match fields.next()? {
            b"IAMAT" => Self::Iamat {
                id: fields.next()?,
                latlon: Latlon::parse(fields.next()?)?,
                time: Decimal::parse(fields.next()?)?,
            },
            b"WHATSAT" => Self::Whatsat {
                id: fields.next()?,
                radius: Radius::parse(fields.next()?)?,
                bound: parse_bound(fields.next()?)?,
            },
            b"AUTH" => Self::Auth { token: fields.next()? },
            b"AT" => {
                let report = Self::At(Report {
                    server: fields.next()?,
                    skew: fields.next().filter(|field| is_number(field))?,
                    id: fields.next()?,
                    latlon: Latlon::parse(fields.next()?)?,
                    time: Decimal::parse(fields.next()?)?,
                });
                // Some herds add the name of the server that hands it on.
                fields.next();
                report
            }
            _ => return None,
        };
        fields.next().is_none().then_some(command)
    }
}

/// Space, tab, CR, FF, VT.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0c | 0x0b)
}

/// A skew as foreign servers print theirs, doubles with exponents included.
fn is_number(field: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    field.iter().all(is_part) && field.iter().any(u8::is_ascii_digit)
}

fn parse_bound(field: &[u8]) -> Option<u8> {
    let step = |sum: u8, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        Some(sum * 10 + digit).filter(|sum| *sum <= 20)
    };
    field.iter().try_fold(0, step)
}

/// A distance of 0 to 50 km, `D+(.D+)?`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Radius {
    km: f64,
}

impl Radius {
    fn parse(field: &[u8]) -> Option<Self> {
        let most = Decimal::parse(b"50")?;
        Decimal::parse(field).filter(|radius| *radius <= most)?;
        Some(Self { km: std::str::from_utf8(field).ok()?.parse().ok()? })
    }

    /// Kilometres.
    pub fn km(&self) -> f64 {
        self.km
    }
}

/// What an AT line says. Its bytes are kept as they came: a report is never reformatted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report<'a> {
    /// The server that first took it.
    pub server: &'a [u8],
    /// That server's clock minus the reporter's, at the time it came.
    pub skew: &'a [u8],
    /// Who.
    pub id: &'a [u8],
    /// Where.
    pub latlon: Latlon<'a>,
    /// When, by the reporter's clock.
    pub time: Decimal<'a>,
}

impl Report<'_> {
    /// Appends the AT line, without an LF.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"AT");
        for field in self.fields() {
            out.push(b' ');
            out.extend_from_slice(field);
        }
    }

    /// The order in which reports of one id replace each other, the same on all nodes: by time,
    /// then server, then the bytes of the AT line.
    pub fn order(&self, other: &Self) -> Ordering {
        let servers = || self.server.cmp(other.server);
        self.time.cmp(&other.time).then_with(servers).then_with(|| self.bytes().cmp(other.bytes()))
    }

    fn fields(&self) -> [&[u8]; 5] {
        [self.server, self.skew, self.id, self.latlon.raw(), self.time.raw()]
    }

    fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.fields().into_iter().flat_map(|field| field.iter().copied().chain([b' ']))
    }
}

/// Appends the answer to IAMAT: the AT line.
pub fn put_at(out: &mut Vec<u8>, at_line: &[u8]) {
    out.extend_from_slice(at_line);
    out.push(b'\n');
}

/// Appends the answer to WHATSAT: the AT line, the JSON, and the one blank line that ends it.
/// Runs of newlines in the JSON become one, so that no other blank line is in it.
pub fn put_places(out: &mut Vec<u8>, at_line: &[u8], json: &str) {
    put_at(out, at_line);
    for line in json.split(['\n', '\r']).filter(|line| !line.is_empty()) {
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out.push(b'\n');
}

/// Appends the answer to AUTH: who it is now, and what they may do.
pub fn put_auth(out: &mut Vec<u8>, name: &str, scopes: &str) {
    out.extend_from_slice(format!("AUTH {name} {scopes}\n").as_bytes());
}

/// Appends the answer to what is no command: a question mark and the line as it came.
pub fn put_bad(out: &mut Vec<u8>, line: Line<'_>) {
    let (Line::Whole(quoted) | Line::TooLong(quoted)) = line;
    out.extend_from_slice(b"? ");
    out.extend_from_slice(quoted);
    out.push(b'\n');
}
