//! Version 2: a signature, two bytes of what it is, a length, addresses in binary, and whatever
//! else (type, length, value), which is skipped.

use super::{Header, ProxyError, ProxyErrorKind, Told, has_front};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// No header of version 1 begins with it.
pub(super) const FIRST_BYTE: u8 = b'\r';

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family and transport, length.
const HEAD_BYTES: usize = 16;

const VERSION: u8 = 2;
const LOCAL: u8 = 0;
const PROXY: u8 = 1;

const UNSPECIFIED: u8 = 0;
const INET: u8 = 1;
const INET6: u8 = 2;
const UNIX: u8 = 3;
const STREAM: u8 = 1;
const DATAGRAM: u8 = 2;

pub(super) fn read(data: &[u8], bytes_max: usize) -> Result<Option<Header>, ProxyError> {
    if !has_front(data, SIGNATURE)? {
        return Ok(None);
    }
    let Some(what) = data.get(12) else { return Ok(None) };
    let (version, command) = (what >> 4, what & 0xf);
    if version != VERSION || command > PROXY {
        return Err(ProxyErrorKind::Command.at(12));
    }
    let Some(kind) = data.get(13) else { return Ok(None) };
    let (family, transport) = (kind >> 4, kind & 0xf);
    // What the proxy says of its own connection is to be ignored.
    if command == PROXY && (family > UNIX || transport > DATAGRAM) {
        return Err(ProxyErrorKind::Transport.at(13));
    }
    let Some(&[high, low]) = data.get(14..HEAD_BYTES) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let bytes = HEAD_BYTES + length;
    if bytes > bytes_max {
        return Err(ProxyErrorKind::TooLong.at(14));
    }
    if command == PROXY && transport != UNSPECIFIED && length < addresses_bytes(family) {
        return Err(ProxyErrorKind::TooShort.at(14));
    }
    let Some(block) = data.get(HEAD_BYTES..bytes) else { return Ok(None) };
    let told = match (command, transport) {
        (LOCAL, _) => Told::Local,
        (_, STREAM) => told(family, block),
        _ => Told::Unknown,
    };
    Ok(Some(Header { told, bytes }))
}

/// What both ends' addresses take.
fn addresses_bytes(family: u8) -> usize {
    match family {
        INET => 12,
        INET6 => 36,
        UNIX => 216,
        _ => 0,
    }
}

/// The client's address out of both ends', of which there are enough bytes.
fn told(family: u8, block: &[u8]) -> Told {
    let tcp4 = || {
        let ip = Ipv4Addr::from(*block.first_chunk::<4>()?);
        Some(SocketAddr::new(ip.into(), port(block, 8)?))
    };
    let tcp6 = || {
        let ip = Ipv6Addr::from(*block.first_chunk::<16>()?);
        Some(SocketAddr::new(ip.into(), port(block, 32)?))
    };
    let address = match family {
        INET => tcp4(),
        INET6 => tcp6(),
        UNIX => return Told::Unix,
        _ => None,
    };
    address.map_or(Told::Unknown, Told::Tcp)
}

fn port(block: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*block.get(at..)?.first_chunk()?))
}
