//! The PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt): the header that a proxy
//! says before the first byte of a connection that it passes on, and that tells whose it is.
//! Sans-I/O: the first bytes of a connection in, who is told of out.

#[cfg(test)]
mod tests;
mod v1;
mod v2;

use std::fmt;
use std::net::SocketAddr;

/// What every header of version 1 fits into, with its end.
pub const V1_BYTES_MAX: usize = v1::BYTES_MAX;

/// Whose connection a header says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A client's at this address.
    Tcp(SocketAddr),
    /// Of a process on the proxy's machine, over a Unix socket.
    Unix,
    /// Someone's of whom the proxy does not know an address that could be told.
    Unknown,
    /// The proxy's own: it looks whether we are there.
    Local,
}

/// A header that has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whose connection it is.
    pub told: Told,
    /// The header's length: what is said begins behind.
    pub bytes: usize,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyError {
    /// What is wrong.
    pub kind: ProxyErrorKind,
    /// At which byte of the connection.
    pub offset: usize,
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyErrorKind {
    /// It is of neither version: most likely there is no proxy.
    Missing,
    /// It has no end within its bound.
    TooLong,
    /// Version 1: neither TCP4, TCP6 nor UNKNOWN.
    Family,
    /// An address or port that is none of its family, or one too many or too few.
    Address,
    /// Version 2: another version, or a command that is neither LOCAL nor PROXY.
    Command,
    /// Version 2: a family or transport that does not exist.
    Transport,
    /// Version 2: shorter than the addresses of its family.
    TooShort,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ProxyErrorKind::Missing => "no PROXY header",
            ProxyErrorKind::TooLong => "the PROXY header is too long",
            ProxyErrorKind::Family => "the PROXY header names an unknown family",
            ProxyErrorKind::Address => "the PROXY header has a malformed address",
            ProxyErrorKind::Command => "the PROXY header has an unknown version or command",
            ProxyErrorKind::Transport => "the PROXY header has an unknown family or transport",
            ProxyErrorKind::TooShort => "the PROXY header is too short for its addresses",
        };
        write!(f, "{what} (byte {})", self.offset)
    }
}

impl std::error::Error for ProxyError {}

impl ProxyErrorKind {
    fn at(self, offset: usize) -> ProxyError {
        ProxyError { kind: self, offset }
    }
}

/// Reads the header at the front of a connection: `None` until it has come to its end. Is to be
/// asked again with all that came, and says the same however that was cut. A header of version 2
/// may have `bytes_max` bytes with all that is told in it beyond the addresses, which is skipped.
pub fn read(data: &[u8], bytes_max: usize) -> Result<Option<Header>, ProxyError> {
    match data.first() {
        None => Ok(None),
        Some(&v2::FIRST_BYTE) => v2::read(data, bytes_max),
        Some(_) => v1::read(data),
    }
}

/// How far `data` has the constant front of a header: an error at the first byte that differs, true
/// once all of it is there.
fn has_front(data: &[u8], front: &[u8]) -> Result<bool, ProxyError> {
    let same = data.iter().zip(front).take_while(|(a, b)| a == b).count();
    if same < data.len().min(front.len()) {
        return Err(ProxyErrorKind::Missing.at(same));
    }
    Ok(data.len() >= front.len())
}
