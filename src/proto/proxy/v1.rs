//! Version 1: one line of text, as in `PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n`.

use super::{Header, ProxyError, ProxyErrorKind, Told, has_front};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

const FRONT: &[u8] = b"PROXY ";

/// The longest line with its end: UNKNOWN, with addresses of version 6.
pub(super) const BYTES_MAX: usize = 107;

pub(super) fn read(data: &[u8]) -> Result<Option<Header>, ProxyError> {
    if !has_front(data, FRONT)? {
        return Ok(None);
    }
    let window = &data[..data.len().min(BYTES_MAX)];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        let is_over = data.len() >= BYTES_MAX;
        return if is_over { Err(ProxyErrorKind::TooLong.at(BYTES_MAX)) } else { Ok(None) };
    };
    let told = Fields { line: &data[..end], at: FRONT.len() }.told()?;
    Ok(Some(Header { told, bytes: end + 2 }))
}

/// The fields of a line, one space between each two.
struct Fields<'a> {
    line: &'a [u8],
    /// Where the next one begins; behind the line's end when there is none.
    at: usize,
}

impl<'a> Fields<'a> {
    fn told(mut self) -> Result<Told, ProxyError> {
        let at = self.at;
        let source = match self.next() {
            // Whatever is said behind it is to be ignored.
            Some("UNKNOWN") => return Ok(Told::Unknown),
            Some("TCP4") => self.ends::<Ipv4Addr>()?,
            Some("TCP6") => self.ends::<Ipv6Addr>()?,
            _ => return Err(ProxyErrorKind::Family.at(at)),
        };
        Ok(Told::Tcp(source))
    }

    /// Both ends; the client's.
    fn ends<T: FromStr + Into<IpAddr>>(&mut self) -> Result<SocketAddr, ProxyError> {
        let source: T = self.parsed(|text| text.parse().ok())?;
        self.parsed(|text| text.parse::<T>().ok())?;
        let port = self.parsed(port)?;
        self.parsed(port_of_no_interest)?;
        if self.at <= self.line.len() {
            return Err(ProxyErrorKind::Address.at(self.at));
        }
        Ok(SocketAddr::new(source.into(), port))
    }

    fn parsed<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, ProxyError> {
        let at = self.at;
        self.next().and_then(parse).ok_or(ProxyErrorKind::Address.at(at))
    }

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.line.get(self.at..)?;
        let length = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).ok()
    }
}

fn port_of_no_interest(text: &str) -> Option<()> {
    port(text).map(drop)
}

/// In decimals, without leading zeroes.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let has_zeroes = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|_| is_plain && !has_zeroes)
}
